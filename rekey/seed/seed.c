#include "rekey/seed/seed.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "rekey/base/arena.h"
#include "rekey/seed/maker.h"

#define CHILD_WEIGHT    3
#define GROW_ROUNDS_MAX 64
#define OPS_MAX         (4 * RK_SEED_BATCH_RECORDS)

/* Where the next record is: tenants outside, then entities parents first, then records. */
typedef struct place {
    uint64_t tenant;
    size_t rank; /* in `order` */
    uint64_t ordinal;
} place;

struct rk_seed {
    rk_store *store;
    const rk_spec *spec;
    rk_seed_options options;
    rk_table records;
    rk_table index[RK_ENTITIES_MAX * RK_INDEXES_MAX]; /* by rk_index.table_index */
    rki_maker *maker;
    rk_arena names;   /* owns the names of `listed` */
    rk_slice *listed; /* tenants of lookup files that are no canaries, sorted */
    size_t listed_count;
    size_t order[RK_ENTITIES_MAX];      /* entities by level */
    uint64_t share[2][RK_ENTITIES_MAX]; /* records of a tenant: [1] with one more */
    char tenant_name[32];               /* of a generated tenant */
    place at;
    rk_arena arena;
    rk_op *ops;
    rk_unit *units;
    size_t op_count;
    size_t unit_count;
    uint64_t batch_entity[RK_ENTITIES_MAX]; /* records of the batch */
    rk_seed_progress progress;
};

/* --- tenants ---------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return rk_slice_compare(*(const rk_slice *)a, *(const rk_slice *)b);
}

static bool is_listed(const rk_seed *seed, rk_slice name)
{
    return seed->listed_count > 0 &&
           bsearch(&name, seed->listed, seed->listed_count, sizeof name, compare_names);
}

/* What a lookup file of the spec says, the first that knows the tenant. */
static rk_slice looked_up(const rk_spec *spec, rk_slice tenant)
{
    for (size_t i = 0; i < spec->entity_count; i++) {
        const rk_lookup *lookup = spec->entities[i].capsule.lookup;
        rk_slice capsule = lookup ? rk_lookup_find(lookup, tenant) : RK_SLICE_EMPTY;
        if (capsule.len > 0)
            return capsule;
    }
    return RK_SLICE_EMPTY;
}

/* The first field of a line, if the lookup took it as a tenant. */
static rk_slice tenant_of_line(const rk_spec *spec, rk_slice line)
{
    size_t len = 0;
    while (line.len > 0 && (*line.ptr == ' ' || *line.ptr == '\t'))
        line = rk_slice_of(line.ptr + 1, line.len - 1);
    while (len < line.len && line.ptr[len] != ',')
        len++;
    while (len > 0 && (line.ptr[len - 1] == ' ' || line.ptr[len - 1] == '\t'))
        len--;
    rk_slice name = rk_slice_of(line.ptr, len);
    bool known = len > 0 && rk_spec_tier(spec, name) != RK_TIER_CANARY;
    return known && looked_up(spec, name).len > 0 ? name : RK_SLICE_EMPTY;
}

static rk_slice next_line(rk_slice *rest)
{
    const uint8_t *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    rk_slice line = rk_slice_of(rest->ptr, len);
    size_t skip = end ? len + 1 : len;
    *rest = rk_slice_of(rest->ptr + skip, rest->len - skip);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static rk_status list_file(rk_seed *seed, rk_slice bytes, size_t cap, rk_error *err)
{
    while (bytes.len > 0) {
        rk_slice name = tenant_of_line(seed->spec, next_line(&bytes));
        if (name.len == 0 || seed->listed_count == cap)
            continue;
        rk_status status =
            rk_arena_copy(&seed->names, name, &seed->listed[seed->listed_count], err);
        if (status != RK_OK)
            return status;
        seed->listed_count++;
    }
    return RK_OK;
}

static rk_status list_tenants(rk_seed *seed, rk_error *err)
{
    const rk_spec_source *source = seed->options.source;
    size_t lines = 0;
    for (size_t i = 0; source && i < source->file_count; i++) {
        rk_slice rest = source->files[i].bytes;
        for (; rest.len > 0; lines++)
            next_line(&rest);
    }
    if (lines == 0)
        return RK_OK;
    seed->listed = calloc(lines, sizeof *seed->listed);
    if (!seed->listed)
        return rk_error_set(err, RK_NOMEM, "list the tenants of lookup files: out of memory");
    for (size_t i = 0; i < source->file_count; i++) {
        rk_status status = list_file(seed, source->files[i].bytes, lines, err);
        if (status != RK_OK)
            return status;
    }
    qsort(seed->listed, seed->listed_count, sizeof *seed->listed, compare_names);
    size_t kept = 0;
    for (size_t i = 0; i < seed->listed_count; i++) {
        if (kept == 0 || !rk_slice_equal(seed->listed[kept - 1], seed->listed[i]))
            seed->listed[kept++] = seed->listed[i];
    }
    seed->listed_count = kept;
    return RK_OK;
}

/* Canaries, then listed tenants, then generated ones; a generated name that somebody has already
 * gets a tail. */
static rk_slice tenant_name(rk_seed *seed, uint64_t number)
{
    if (number < seed->spec->canary_count)
        return seed->spec->canary[number];
    number -= seed->spec->canary_count;
    if (number < seed->listed_count)
        return seed->listed[number];
    number -= seed->listed_count;
    int digits = 4;
    for (uint64_t most = seed->options.tenants; most >= 10000; most /= 10)
        digits++;
    int len = snprintf(seed->tenant_name, sizeof seed->tenant_name, "tenant-%0*" PRIu64, digits,
                       number + 1);
    rk_slice name = rk_slice_of(seed->tenant_name, (size_t)len);
    if (rk_spec_tier(seed->spec, name) == RK_TIER_CANARY || is_listed(seed, name)) {
        memcpy(seed->tenant_name + len, "-x", 2);
        name.len += 2;
    }
    return name;
}

/* --- shares ----------------------------------------------------------------------------------- */

static void sort_by_level(rk_seed *seed)
{
    size_t count = 0;
    for (uint32_t level = 0; level < RK_LEVELS_MAX; level++) {
        for (size_t i = 0; i < seed->spec->entity_count; i++) {
            if (seed->spec->entities[i].level == level)
                seed->order[count++] = i;
        }
    }
    assert(count == seed->spec->entity_count);
}

/* Gives every entity one record, parents first; returns what is left. */
static uint64_t share_ones(const rk_seed *seed, uint64_t left, uint64_t *share)
{
    for (size_t i = 0; i < seed->spec->entity_count && left > 0; i++) {
        share[seed->order[i]] = 1;
        left--;
    }
    return left;
}

/* Shares `left` out by weight over entities of one variety. Children that are one a parent can at
 * most be as many as the parents; what they cannot take stays. */
static uint64_t share_rest(const rk_seed *seed, uint64_t left, rki_variety variety, uint64_t *share)
{
    uint64_t weights = 0;
    for (size_t i = 0; i < seed->spec->entity_count; i++) {
        if (rki_maker_variety(seed->maker, i) >= variety)
            weights += seed->spec->entities[i].level > 0 ? CHILD_WEIGHT : 1;
    }
    for (size_t i = 0; i < seed->spec->entity_count && left > 0; i++) {
        size_t entity = seed->order[i];
        const rk_entity *e = &seed->spec->entities[entity];
        rki_variety has = rki_maker_variety(seed->maker, entity);
        if (has < variety)
            continue;
        uint64_t weight = e->level > 0 ? CHILD_WEIGHT : 1;
        uint64_t part =
            weights == weight ? left : left / weights * weight + left % weights * weight / weights;
        if (has == RKI_ONE_A_PARENT) {
            uint64_t room = share[e->parent] - share[entity];
            part = part < room ? part : room;
        }
        share[entity] += part;
        left -= part;
        weights -= weight;
    }
    return left;
}

static bool takes(rk_seed *seed, uint64_t tenant)
{
    const rk_seed_options *options = &seed->options;
    return !options->takes || options->takes(options->takes_context, tenant_name(seed, tenant));
}

static void share_out(rk_seed *seed)
{
    uint64_t each = seed->options.records / seed->options.tenants;
    uint64_t with_more = seed->options.records % seed->options.tenants;
    uint64_t total[2];
    for (size_t more = 0; more < 2; more++) {
        uint64_t left = share_ones(seed, each + more, seed->share[more]);
        left = share_rest(seed, left, RKI_ONE_A_PARENT, seed->share[more]);
        left = share_rest(seed, left, RKI_MANY, seed->share[more]);
        total[more] = each + more - left;
    }
    seed->progress.total = total[1] * with_more + total[0] * (seed->options.tenants - with_more);
    if (!seed->options.takes)
        return;
    seed->progress.total = 0;
    for (uint64_t tenant = 0; tenant < seed->options.tenants; tenant++)
        seed->progress.total += takes(seed, tenant) ? total[tenant < with_more ? 1 : 0] : 0;
}

static const uint64_t *share_of(const rk_seed *seed, uint64_t tenant)
{
    return seed->share[tenant < seed->options.records % seed->options.tenants ? 1 : 0];
}

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status open_tables(rk_seed *seed, rk_error *err)
{
    const rk_spec *spec = seed->spec;
    rk_status status =
        rk_store_table(seed->store, spec->database, RK_TABLE_RECORDS, true, &seed->records, err);
    for (size_t i = 0; status == RK_OK && i < spec->index_name_count; i++)
        status = rk_store_table(seed->store, spec->index_names[i], RK_TABLE_INDEX, true,
                                &seed->index[i], err);
    return status;
}

rk_status rk_seed_options_check(const rk_seed_options *options, rk_error *err)
{
    if (options->tenants < 1 || options->tenants > RK_SEED_TENANTS_MAX)
        return rk_error_set(err, RK_INVALID, "seed %" PRIu64 " tenants: from 1 to %" PRIu64,
                            options->tenants, (uint64_t)RK_SEED_TENANTS_MAX);
    if (options->records > RK_SEED_RECORDS_MAX)
        return rk_error_set(err, RK_INVALID, "seed %" PRIu64 " records: at most %" PRIu64,
                            options->records, (uint64_t)RK_SEED_RECORDS_MAX);
    if (options->value_bytes > RK_SEED_VALUE_BYTES_MAX)
        return rk_error_set(err, RK_INVALID, "seed values of %zu bytes: at most %d",
                            options->value_bytes, RK_SEED_VALUE_BYTES_MAX);
    return RK_OK;
}

static rk_status prepare(rk_seed *seed, rk_error *err)
{
    seed->ops = calloc(OPS_MAX, sizeof *seed->ops);
    seed->units = calloc(RK_SEED_BATCH_RECORDS, sizeof *seed->units);
    if (!seed->ops || !seed->units)
        return rk_error_set(err, RK_NOMEM, "seed a store: out of memory");
    size_t key_bytes_max = rk_store_capabilities(seed->store)->key_bytes_max;
    rk_status status = list_tenants(seed, err);
    if (status == RK_OK)
        status = rki_maker_create(seed->spec, seed->options.seed, seed->options.value_bytes,
                                  key_bytes_max, &seed->maker, err);
    if (status == RK_OK)
        status = open_tables(seed, err);
    if (status != RK_OK)
        return status;
    sort_by_level(seed);
    share_out(seed);
    return RK_OK;
}

rk_status rk_seed_start(rk_store *store, const rk_spec *spec, const rk_seed_options *options,
                        rk_seed **out, rk_error *err)
{
    rk_status status = rk_seed_options_check(options, err);
    if (status != RK_OK)
        return status;
    rk_seed *seed = calloc(1, sizeof *seed);
    if (!seed)
        return rk_error_set(err, RK_NOMEM, "seed a store: out of memory");
    seed->store = store;
    seed->spec = spec;
    seed->options = *options;
    if (seed->options.value_bytes == 0)
        seed->options.value_bytes = RK_SEED_VALUE_BYTES_DEFAULT;
    rk_arena_init(&seed->arena, 4 * RK_SEED_BATCH_BYTES);
    rk_arena_init(&seed->names, (size_t)RK_LOOKUP_BYTES_MAX * 4);
    status = prepare(seed, err);
    seed->options.source = NULL;
    if (status != RK_OK) {
        rk_seed_destroy(seed);
        return status;
    }
    *out = seed;
    return RK_OK;
}

void rk_seed_destroy(rk_seed *seed)
{
    if (!seed)
        return;
    rki_maker_destroy(seed->maker);
    rk_arena_fini(&seed->arena);
    rk_arena_fini(&seed->names);
    free(seed->listed);
    free(seed->ops);
    free(seed->units);
    free(seed);
}

const rk_seed_progress *rk_seed_progress_of(const rk_seed *seed)
{
    return &seed->progress;
}

/* --- batches ---------------------------------------------------------------------------------- */

/* Moves to the first place at or after `at` that has a record; false at the end. */
static bool settle(rk_seed *seed, place *at)
{
    while (at->tenant < seed->options.tenants) {
        const uint64_t *share = share_of(seed, at->tenant);
        bool begins = at->rank == 0 && at->ordinal == 0;
        if (begins && !takes(seed, at->tenant)) {
            at->tenant++;
            continue;
        }
        for (; at->rank < seed->spec->entity_count; at->rank++, at->ordinal = 0) {
            if (at->ordinal < share[seed->order[at->rank]])
                return true;
        }
        at->rank = 0;
        at->tenant++;
    }
    return false;
}

static void add_op(rk_seed *seed, rk_action action, rk_table table, rk_slice key, rk_slice value)
{
    assert(seed->op_count < OPS_MAX);
    rk_condition condition = action == RK_ACTION_PUT ? RK_IF_ABSENT_OR_SAME : RK_IF_ANY;
    seed->ops[seed->op_count++] = (rk_op){.action = (uint8_t)action,
                                          .condition = (uint8_t)condition,
                                          .table = table,
                                          .key = key,
                                          .value = value};
}

static void add_unit(rk_seed *seed, const rk_entity *entity, const rki_made *made)
{
    size_t first = seed->op_count;
    add_op(seed, RK_ACTION_PUT, seed->records, made->key, made->value);
    for (size_t i = 0; i < entity->index_count; i++) {
        if (made->index_key[i].len > 0)
            add_op(seed, RK_ACTION_INDEX_PUT, seed->index[entity->index[i].table_index],
                   made->index_key[i], made->key);
    }
    seed->units[seed->unit_count++] =
        (rk_unit){.ops = &seed->ops[first], .op_count = (uint32_t)(seed->op_count - first)};
}

static bool has_room(const rk_seed *seed)
{
    return seed->unit_count < RK_SEED_BATCH_RECORDS && seed->op_count + RK_INDEXES_MAX < OPS_MAX &&
           seed->arena.handed_out < RK_SEED_BATCH_BYTES;
}

/* Makes records from seed->at on until the batch is full; *at is where the next one begins. */
static rk_status fill(rk_seed *seed, place *at, bool *finished, rk_error *err)
{
    rk_arena_reset(&seed->arena);
    seed->op_count = 0;
    seed->unit_count = 0;
    memset(seed->batch_entity, 0, sizeof seed->batch_entity);
    rki_tenant tenant = {.number = UINT64_MAX};
    bool more = settle(seed, at);
    while (more && has_room(seed)) {
        if (tenant.number != at->tenant) {
            tenant.number = at->tenant;
            rk_status status =
                rk_arena_copy(&seed->arena, tenant_name(seed, at->tenant), &tenant.name, err);
            if (status != RK_OK)
                return status;
            tenant.capsule = looked_up(seed->spec, tenant.name);
            tenant.count = share_of(seed, at->tenant);
        }
        size_t entity = seed->order[at->rank];
        rki_made made;
        rk_status status =
            rki_maker_make(seed->maker, &tenant, entity, at->ordinal, &seed->arena, &made, err);
        if (status != RK_OK)
            return status;
        add_unit(seed, &seed->spec->entities[entity], &made);
        seed->batch_entity[entity]++;
        at->ordinal++;
        more = settle(seed, at);
    }
    *finished = !more;
    return RK_OK;
}

static rk_status check_outcomes(const rk_seed *seed, uint64_t *changed, rk_error *err)
{
    *changed = 0;
    for (size_t i = 0; i < seed->unit_count; i++) {
        if (seed->units[i].outcome == RK_UNIT_REFUSED)
            return rk_error_set(err, RK_CONFLICT,
                                "seed database '%s': it holds another record at a key of the seed",
                                seed->spec->database);
        *changed += seed->units[i].outcome == RK_UNIT_APPLIED;
    }
    return RK_OK;
}

/* Everything of the batch in one transaction, or nothing. */
static rk_status write_once(rk_seed *seed, uint64_t *changed, rk_error *err)
{
    rk_txn *txn = NULL;
    rk_status status = rk_txn_begin(seed->store, &txn, err);
    if (status != RK_OK)
        return status;
    status = rk_txn_apply(txn, seed->units, seed->unit_count, err);
    if (status == RK_OK)
        status = check_outcomes(seed, changed, err);
    if (status == RK_OK)
        return rk_txn_commit(txn, err);
    rk_txn_abort(txn);
    return status;
}

rk_status rk_seed_step(rk_seed *seed, bool *finished, rk_error *err)
{
    place next = seed->at;
    bool last = false;
    rk_status status = fill(seed, &next, &last, err);
    if (status != RK_OK)
        return status;
    uint64_t changed = 0;
    status = seed->unit_count > 0 ? write_once(seed, &changed, err) : RK_OK;
    for (int round = 0; status == RK_FULL && round < GROW_ROUNDS_MAX; round++) {
        status = rk_store_grow(seed->store, err);
        if (status == RK_OK)
            status = write_once(seed, &changed, err);
        else
            break;
    }
    if (status != RK_OK)
        return status;
    for (size_t i = 0; i < seed->spec->entity_count; i++)
        seed->progress.entity[i] += seed->batch_entity[i];
    seed->progress.done += seed->unit_count;
    seed->progress.changed += changed;
    seed->progress.index_entries += seed->op_count - seed->unit_count;
    seed->at = next;
    *finished = last;
    return RK_OK;
}
