/* attack.c: which case comes next, and the store it runs on. */
#include "rekey/isolation/attack_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Tenants of one case, by what follows the name that they share: "1" is HOME's, "10" NEIGHBOUR's;
 * the others are made up from HOME's by single attacks. */
static const char *const suffixes[] = {"1", "10", "1!", "1~"};
#define SUFFIXES (sizeof suffixes / sizeof *suffixes)

static const rki_attack *const tables[] = {
    rki_read_attacks, rki_range_attacks,   rki_write_attacks, rki_byte_attacks,
    rki_tell_attacks, rki_command_attacks, rki_store_attacks, rki_forged_attacks};
#define TABLES (sizeof tables / sizeof *tables)

/* One case; without an attack, the stage's first: that the migration gets there. */
typedef struct entry {
    size_t stage;
    const rki_attack *attack;
    size_t entity;
    const rk_index *index;
    uint32_t number; /* within the stage; names its tenants */
} entry;

struct rk_attack {
    rk_attack_options options;
    rki_scratch *scratch;
    const rk_spec *spec; /* the scratch's; while listing, the one given */
    rki_site site;       /* the attacked copy; closed between stages */
    entry *entries;
    size_t count;
    size_t room;
    size_t next;
    uint32_t numbers_max;
    char subject[2 * RK_NAME_BYTES_MAX + 2];
};

/* --- the list of cases ------------------------------------------------------------------------ */

static rk_status add_entry(rk_attack *attack, entry what, rk_error *err)
{
    if (attack->count == attack->room) {
        size_t room = attack->room ? 2 * attack->room : 1024;
        entry *entries = realloc(attack->entries, room * sizeof *entries);
        if (!entries)
            return rk_error_set(err, RK_NOMEM, "list the attacks: out of memory");
        attack->entries = entries;
        attack->room = room;
    }
    attack->entries[attack->count++] = what;
    return RK_OK;
}

/* What the reads and writes of a stage do, as its phase says. */
static const rk_phase_rule *rule_of(const rk_spec *spec, const rki_stage *stage)
{
    bool undoing = stage->stop == RKI_AT_UNDOING;
    return rk_phase_rule_of(spec->strategy,
                            undoing && spec->strategy == RK_STRATEGY_MOVE ? RK_PHASE_DUAL_WRITE
                                                                          : stage->phase,
                            undoing);
}

static bool begins_with_own(const rk_spec *spec, const rk_entity *entity, const rk_index *index)
{
    rki_sample plain = {0};
    rk_id where[RK_SEGMENTS_MAX];
    if (rki_sample_where(spec, &plain, index, where) == 0)
        return false;
    return rki_is_own(spec, entity, rk_names_find(&spec->names, rk_slice_str(where[0].name)));
}

/* Whether two capsules of a tenant can have a record of this entity each before the migration: of
 * different ids, and without anything in common that there is only one of. */
static bool can_share(const rk_spec *spec, size_t entity)
{
    bool is_free;
    int home;
    if (!rki_home_of(spec, entity, &home, &is_free) || !is_free || spec->allowed_count < 2)
        return false;
    for (int at = (int)entity; at >= 0; at = spec->entities[at].parent)
        if (spec->entities[at].collides)
            return false;
    return rki_own_variable(spec, &spec->entities[entity]) != RK_NAME_NONE;
}

static unsigned offers(const rk_attack *attack, const entry *what)
{
    const rk_spec *spec = attack->spec;
    const rki_stage *stage = &rki_stages[what->stage];
    const rk_entity *entity = &spec->entities[what->entity];
    const rk_phase_rule *rule = rule_of(spec, stage);
    bool is_free = false;
    int home;
    unsigned has = RKI_BOTH;
    (void)rki_home_of(spec, what->entity, &home, &is_free);
    has |= rule->read != RK_READ_OLD ? RKI_ISOLATED : 0;
    has |= rule->read == RK_READ_NEW ? RKI_READS_NEW : 0;
    has |= rule->write_new == RK_WRITE_PUT ? RKI_WRITES_NEW : 0;
    has |= spec->allowed_count > 1 ? RKI_TWO : 0;
    has |= is_free ? RKI_FREE : 0;
    has |= rki_own_variable(spec, entity) != RK_NAME_NONE ? RKI_OWN_ID : 0;
    has |= entity->parent >= 0 ? RKI_CHILD : 0;
    has |= spec->value == RK_VALUE_JSON ? RKI_JSON : 0;
    has |= attack->options.program ? RKI_PROGRAM : 0;
    has |= !rki_has_lookup(spec, what->entity) ? RKI_NO_LOOKUP : 0;
    has |= can_share(spec, what->entity) ? RKI_SHARED : 0;
    has |= stage->verifies ? RKI_VERIFIES : 0;
    has |= what->index && begins_with_own(spec, entity, what->index) ? RKI_OWN_WHERE : 0;
    return has;
}

static rk_status add_if(rk_attack *attack, entry *what, rk_error *err)
{
    if ((what->attack->needs & ~offers(attack, what)) != 0)
        return RK_OK;
    if (++what->number > attack->numbers_max)
        attack->numbers_max = what->number;
    return add_entry(attack, *what, err);
}

static rk_status list_attack(rk_attack *attack, entry *what, rk_error *err)
{
    const rk_entity *entity = &attack->spec->entities[what->entity];
    rk_status status = RK_OK;
    what->index = NULL;
    if (what->attack->subject == RKI_OF_ENTITY)
        return add_if(attack, what, err);
    for (size_t i = 0; i < entity->index_count && status == RK_OK; i++) {
        what->index = &entity->index[i];
        status = add_if(attack, what, err);
    }
    what->index = NULL;
    return status;
}

/* Those of single entities, one entity after the other, then those of the whole store. */
static rk_status list_table(rk_attack *attack, const rki_attack *table, entry *what, rk_error *err)
{
    rk_status status = RK_OK;
    bool is_free;
    int home;
    bool whole = !rki_stages[what->stage].attacked;
    for (size_t i = 0; i < attack->spec->entity_count; i++) {
        what->entity = i;
        if (whole || !rki_home_of(attack->spec, i, &home, &is_free))
            continue;
        for (what->attack = table; what->attack->name && status == RK_OK; what->attack++)
            if (what->attack->subject != RKI_OF_STORE)
                status = list_attack(attack, what, err);
    }
    what->entity = 0;
    for (what->attack = table; what->attack->name && status == RK_OK; what->attack++)
        if (what->attack->subject == RKI_OF_STORE)
            status = add_if(attack, what, err);
    return status;
}

static rk_status list_cases(rk_attack *attack, rk_error *err)
{
    rk_status status = RK_OK;
    for (size_t stage = 0; stage < RKI_STAGES && status == RK_OK; stage++) {
        entry what = {.stage = stage};
        status = add_entry(attack, what, err);
        for (size_t i = 0; i < TABLES && status == RK_OK; i++)
            status = list_table(attack, tables[i], &what, err);
    }
    return status;
}

/* --- the parties ------------------------------------------------------------------------------ */

void rki_ring_seat(rki_ring *ring, size_t entity, const char *tenant)
{
    const rk_spec *spec = ring->spec;
    int home;
    ring->entity = entity;
    (void)rki_home_of(spec, entity, &home, &ring->is_free);
    int other = spec->allowed_count < 2 ? home : home == 0;
    snprintf(ring->tenant, sizeof ring->tenant, "%.24s1", tenant);
    snprintf(ring->neighbour, sizeof ring->neighbour, "%.24s10", tenant);
    ring->party[RKI_HOME] = (rki_owner){{rk_slice_str(ring->tenant), spec->allowed[home]}, "home"};
    ring->party[RKI_STRANGER] =
        (rki_owner){{rk_slice_str(ring->tenant), spec->allowed[other]}, "home"};
    ring->party[RKI_NEIGHBOUR] =
        (rki_owner){{rk_slice_str(ring->neighbour), spec->allowed[home]}, "neighbour"};
}

/* A tenant for each home: what one entity's records hang on may live elsewhere for another's. */
void rki_ring_seat_residents(rki_ring *ring, size_t entity)
{
    char tenant[RKI_TENANT_BYTES_MAX];
    bool is_free;
    int home;
    (void)rki_home_of(ring->spec, entity, &home, &is_free);
    snprintf(tenant, sizeof tenant, "r%d-", home);
    rki_ring_seat(ring, entity, tenant);
}

static rk_status append_tenant(rk_buf *to, const char *name, rk_slice capsule, rk_error *err)
{
    rk_status status = RK_OK;
    for (size_t i = 0; i < SUFFIXES && status == RK_OK; i++)
        status = rk_buf_append_format(to, err, "%s%s,%.*s\n", name, suffixes[i], (int)capsule.len,
                                      (const char *)capsule.ptr);
    return status;
}

/* The lookup file of the attack: every tenant that can occur. Empty when the spec has none. */
static rk_status write_lookup(const rk_attack *attack, const rk_spec_source *source, rk_buf *to,
                              rk_error *err)
{
    char name[RKI_TENANT_BYTES_MAX];
    rk_slice capsule = attack->spec->allowed[0];
    rk_status status = RK_OK;
    if (source->file_count == 0)
        return RK_OK;
    for (size_t i = 0; i < attack->spec->allowed_count && status == RK_OK; i++) {
        snprintf(name, sizeof name, "r%zu-", i);
        status = append_tenant(to, name, capsule, err);
    }
    for (uint32_t i = 1; i <= attack->numbers_max && status == RK_OK; i++) {
        snprintf(name, sizeof name, "c%" PRIu32 "-", i);
        status = append_tenant(to, name, capsule, err);
    }
    return status;
}

/* --- life cycle ------------------------------------------------------------------------------- */

/* The list was made with another copy of the spec. */
static void adopt_indexes(rk_attack *attack, const rk_spec *from)
{
    for (size_t i = 0; i < attack->count; i++) {
        entry *what = &attack->entries[i];
        if (what->index)
            what->index = &attack->spec->entities[what->entity]
                               .index[what->index - from->entities[what->entity].index];
    }
}

static rk_status prepare(rk_attack *attack, const rk_spec_source *source, rk_error *err)
{
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    rk_spec_source copy = *source; /* without a folder nothing is added to it */
    rk_buf lookup;
    rk_buf_init(&lookup, RK_LOOKUP_BYTES_MAX);
    rk_status status = rk_spec_load(&copy, NULL, &spec, &findings, err);
    rk_findings_fini(&findings);
    attack->spec = spec;
    if (status == RK_OK)
        status = list_cases(attack, err);
    if (status == RK_OK)
        status = write_lookup(attack, source, &lookup, err);
    if (status == RK_OK)
        status = rki_scratch_create(source, rk_buf_slice(&lookup), attack->options.folder,
                                    attack->options.clock, &attack->scratch, err);
    attack->spec = status == RK_OK ? attack->scratch->spec : NULL;
    if (status == RK_OK)
        adopt_indexes(attack, spec);
    rk_buf_fini(&lookup);
    rk_spec_destroy(spec);
    return status;
}

rk_status rk_attack_create(const rk_spec_source *source, const rk_attack_options *options,
                           rk_attack **out, rk_error *err)
{
    rk_attack *attack = calloc(1, sizeof *attack);
    if (!attack)
        return rk_error_set(err, RK_NOMEM, "attack: out of memory");
    attack->options = *options;
    rk_status status = prepare(attack, source, err);
    if (status != RK_OK) {
        rk_attack_destroy(attack);
        return status;
    }
    *out = attack;
    return RK_OK;
}

void rk_attack_destroy(rk_attack *attack)
{
    if (!attack)
        return;
    rki_site_close(&attack->site);
    rki_scratch_destroy(attack->scratch);
    free(attack->entries);
    free(attack);
}

uint64_t rk_attack_total(const rk_attack *attack)
{
    return attack->count;
}

const char *rk_attack_stage(const rk_attack *attack)
{
    size_t at = attack->next < attack->count ? attack->next : attack->count - 1;
    return rki_stages[attack->entries[at].stage].name;
}

/* --- stages ----------------------------------------------------------------------------------- */

static void ring_init(rki_ring *ring, rk_attack *attack, const entry *what)
{
    *ring = (rki_ring){.stage = &rki_stages[what->stage],
                       .scratch = attack->scratch,
                       .site = &attack->site,
                       .options = &attack->options,
                       .spec = attack->spec,
                       .rule = rule_of(attack->spec, &rki_stages[what->stage]),
                       .attack = what->attack,
                       .index = what->index};
    rk_arena_init(&ring->arena, ARENA_BYTES_MAX);
}

/* The records that the migration carries along. */
static rk_status settle(rk_attack *attack, rki_site *site, rk_error *err)
{
    static const rki_attack settling = {.name = "settle", .subject = RKI_OF_ENTITY};
    entry what = {.attack = &settling};
    rki_ring ring;
    rki_sample sample;
    bool is_free;
    int home;
    ring_init(&ring, attack, &what);
    ring.site = site;
    for (size_t i = 0; i < attack->spec->entity_count && !ring.failed; i++) {
        if (!rki_home_of(attack->spec, i, &home, &is_free))
            continue;
        rki_ring_seat_residents(&ring, i);
        if (rki_make_plain(&ring, RKI_HOME, RKI_RESIDENT_TAG, &sample) &&
            rki_put_family(&ring, &sample) &&
            rki_make_plain(&ring, RKI_NEIGHBOUR, RKI_RESIDENT_TAG, &sample))
            (void)rki_put_family(&ring, &sample);
        if (can_share(ring.spec, i) &&
            rki_make_plain(&ring, RKI_STRANGER, RKI_STRANGERS_TAG, &sample))
            (void)rki_put_family(&ring, &sample);
    }
    rk_arena_fini(&ring.arena);
    return ring.failed
               ? rk_error_set(err, RK_CONFLICT, "%s: %s", ring.result.object, ring.result.why)
               : RK_OK;
}

/* Takes the main store to the stage and opens a copy of it. */
static rk_status reach(rk_attack *attack, size_t stage, rk_error *err)
{
    const rki_stage *to = &rki_stages[stage];
    rki_site main = {0};
    if (attack->site.store) {
        rki_site_close(&attack->site);
        rki_scratch_drop(attack->scratch, RKI_ATTACKED);
    }
    rk_status status = rki_site_open(attack->scratch, RKI_MAIN, &main, err);
    if (status == RK_OK && to->runs)
        status = rki_site_drive(&main, to->plans, to->goal, to->stop, err);
    else if (status == RK_OK)
        status = settle(attack, &main, err);
    rki_site_close(&main);
    if (status == RK_OK)
        status = rki_scratch_copy(attack->scratch, RKI_MAIN, RKI_ATTACKED, err);
    return status == RK_OK ? rki_site_open(attack->scratch, RKI_ATTACKED, &attack->site, err)
                           : status;
}

static void take_stage(rk_attack *attack, const entry *what, rk_case_result *out)
{
    rk_error err = {0};
    const rki_stage *stage = &rki_stages[what->stage];
    rk_status status = reach(attack, what->stage, &err);
    *out = (rk_case_result){
        .stage = stage->name, .subject = "store", .attack = "reached", .passed = status == RK_OK};
    if (status == RK_OK)
        return;
    snprintf(out->tried, sizeof out->tried, "the migration of a scratch store to this stage");
    snprintf(out->object, sizeof out->object, "the store %s", stage->says);
    snprintf(out->why, sizeof out->why, "%s: %.400s", rk_status_name(status), err.message);
    attack->next = attack->count; /* there is nothing to attack */
}

/* --- cases ------------------------------------------------------------------------------------ */

static void fight(rki_ring *ring, const entry *what)
{
    char tenant[RKI_TENANT_BYTES_MAX];
    snprintf(tenant, sizeof tenant, "c%" PRIu32 "-", what->number);
    rki_ring_seat(ring, what->entity, tenant);
    ring->attack->attack(ring);
    if (!ring->failed && (ring->attack->needs & RKI_BOTH) != 0) {
        ring->resident = true;
        rki_ring_seat_residents(ring, what->entity);
        ring->attack->attack(ring);
    }
}

static void take_case(rk_attack *attack, const entry *what, rk_case_result *out)
{
    rki_ring ring;
    const rk_entity *entity = &attack->spec->entities[what->entity];
    ring_init(&ring, attack, what);
    fight(&ring, what);
    rk_arena_fini(&ring.arena);
    if (what->attack->subject == RKI_OF_STORE)
        snprintf(attack->subject, sizeof attack->subject, "store");
    else
        snprintf(attack->subject, sizeof attack->subject, "%s%s%s", entity->name,
                 what->index ? "." : "", what->index ? what->index->name : "");
    *out = ring.result;
    out->stage = rki_stages[what->stage].name;
    out->subject = attack->subject;
    out->attack = what->attack->name;
    out->passed = !ring.failed;
    if (out->passed)
        out->tried[0] = '\0';
}

bool rk_attack_step(rk_attack *attack, rk_case_result *result)
{
    if (attack->next >= attack->count)
        return false;
    const entry *what = &attack->entries[attack->next++];
    uint64_t began_ns = rk_clock_monotonic_ns(attack->options.clock);
    if (what->attack)
        take_case(attack, what, result);
    else
        take_stage(attack, what, result);
    result->took_ns = rk_clock_monotonic_ns(attack->options.clock) - began_ns;
    return true;
}
