#include <inttypes.h>

#include "rekey/cli/migrate.h"
#include "rekey/cli/text.h"

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* --- status ----------------------------------------------------------------------------------- */

/* Everything that a status is made of, read in one snapshot. */
typedef struct status_facts {
    rk_state state;
    rk_active_plan plan;
    bool has_plan;
    rk_checkpoint point[RK_TIER_COUNT];
    bool has_point[RK_TIER_COUNT];
    rk_verdict verdict[RK_TIER_COUNT];
    bool has_verdict[RK_TIER_COUNT];
    uint64_t quarantined;
    uint64_t shadowed;
    rk_compared compared;
    rk_evidence evidence;
    rk_lease lease;
    bool has_lease;
} status_facts;

static rk_status absent_is_fine(rk_status status, bool *has)
{
    *has = status == RK_OK;
    return status == RK_NOT_FOUND ? RK_OK : status;
}

static rk_status read_facts(rk_view *view, const rk_migration *migration, status_facts *facts,
                            rk_error *err)
{
    rk_table meta = migration->tables.meta;
    rk_status status = rk_state_load(view, meta, &facts->state, err);
    if (status == RK_OK)
        status =
            absent_is_fine(rk_active_plan_load(view, meta, &facts->plan, err), &facts->has_plan);
    if (status == RK_OK)
        status = absent_is_fine(rk_lease_load(view, meta, &facts->lease, err), &facts->has_lease);
    for (int i = 0; status == RK_OK && i < RK_TIER_COUNT; i++) {
        status = absent_is_fine(rk_checkpoint_load(view, meta, (rk_tier)i, &facts->point[i], err),
                                &facts->has_point[i]);
        if (status == RK_OK)
            status =
                absent_is_fine(rk_verdict_load(view, meta, (rk_tier)i, &facts->verdict[i], err),
                               &facts->has_verdict[i]);
    }
    if (status == RK_OK)
        status = rk_quarantine_count(view, meta, &facts->quarantined, err);
    if (status == RK_OK)
        status = rk_shadow_count(view, meta, &facts->shadowed, err);
    if (status == RK_OK)
        status = rk_compared_load(view, meta, &facts->compared, err);
    if (status == RK_OK)
        status = rk_evidence_load(view, meta, migration->spec, &facts->evidence, err);
    return status;
}

static bool tier_counts(const status_facts *facts, int tier)
{
    return tier == RK_TIER_PRODUCTION || facts->state.has_canary;
}

static json_t *tiers_json(const status_facts *facts)
{
    json_t *tiers = json_object();
    for (int i = 0; i < RK_TIER_COUNT; i++)
        if (tier_counts(facts, i))
            json_object_set_new(tiers, rk_tier_name((rk_tier)i),
                                json_string(rk_phase_name(facts->state.tier[i].phase)));
    return tiers;
}

/* Records processed by the backfill, from the tiers' checkpoints; all of them after the flip. */
static uint64_t done_of(const status_facts *facts, size_t entity)
{
    uint64_t done = 0;
    if (rk_state_phase(&facts->state) >= RK_PHASE_FLIPPED)
        return facts->plan.total[entity];
    for (int i = 0; i < RK_TIER_COUNT; i++)
        if (facts->has_point[i] && facts->point[i].job == RK_JOB_BACKFILL)
            done += facts->point[i].done[entity];
    return done;
}

static json_t *entities_json(const rk_spec *spec, const status_facts *facts)
{
    json_t *entities = json_array();
    for (size_t i = 0; i < spec->entity_count; i++) {
        uint64_t done = done_of(facts, i);
        uint64_t total = facts->has_plan ? facts->plan.total[i] : 0;
        if (done > total) /* records were added since the plan */
            total = done;
        json_array_append_new(entities, json_pack("{s:s, s:o, s:o}", "name", spec->entities[i].name,
                                                  "done", integer(done), "total", integer(total)));
    }
    return entities;
}

static json_t *verify_state_json(const status_facts *facts)
{
    bool clean = true;
    bool stale = false;
    for (int i = 0; i < RK_TIER_COUNT; i++) {
        const rk_verdict *verdict = &facts->verdict[i];
        if (!tier_counts(facts, i))
            continue;
        if (!facts->has_verdict[i]) {
            clean = false;
            stale = true;
            continue;
        }
        bool overtaken = rk_evidence_against(&verdict->evidence, &facts->evidence) != NULL;
        clean = clean && verdict->clean;
        stale = stale || overtaken || verdict->epoch != facts->state.tier[i].epoch ||
                memcmp(&verdict->plan, &facts->plan.digest, sizeof verdict->plan) != 0;
    }
    return json_pack("{s:b, s:b}", "clean", clean, "stale", stale);
}

json_t *rk_cli_status_json(rk_migration *migration, rk_error *err)
{
    status_facts facts = {0};
    rk_view *view = NULL;
    rk_status status = rk_snapshot_open(migration->store, &view, err);
    if (status == RK_OK)
        status = read_facts(view, migration, &facts, err);
    rk_snapshot_close(view);
    if (status != RK_OK)
        return NULL;
    int64_t now_ms = rk_clock_wall_ms(migration->clock);
    bool running = facts.has_lease && rki_lease_live(&facts.lease, &migration->actor, now_ms);
    const char *stopped = facts.state.stopped_by[0] ? facts.state.stopped_by : NULL;
    json_t *compared = json_pack("{s:o, s:o}", "compared", integer(facts.compared.compared),
                                 "different", integer(facts.compared.different));
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:s?}", "migration",
                     facts.state.migration, "phase", rk_phase_name(rk_state_phase(&facts.state)),
                     "epoch", integer(facts.state.epoch), "tiers", tiers_json(&facts), "entities",
                     entities_json(migration->spec, &facts), "quarantined",
                     integer(facts.quarantined), "shadowed", integer(facts.shadowed), "comparisons",
                     compared, "running", running, "last_verify", verify_state_json(&facts),
                     "stopped_by", stopped);
}

static uint64_t get_integer(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

int rk_cli_status_print(rk_cli *cli, const json_t *status)
{
    const char *bold = rk_cli_paint(cli->color_out, RK_PAINT_BOLD);
    const char *plain = rk_cli_paint(cli->color_out, RK_PAINT_NONE);
    rk_cli_print(cli, "migration    %s%s%s", bold,
                 json_string_value(json_object_get(status, "migration")), plain);
    rk_cli_print(cli, "phase        %s (epoch %" PRIu64 ")",
                 json_string_value(json_object_get(status, "phase")), get_integer(status, "epoch"));
    const char *tier;
    json_t *phase;
    json_object_foreach(json_object_get(status, "tiers"), tier, phase)
    {
        rk_cli_print(cli, "  %-10s %s", tier, json_string_value(phase));
    }
    size_t i;
    json_t *entity;
    json_array_foreach(json_object_get(status, "entities"), i, entity)
    {
        rk_cli_print(cli, "  %-24s %15s of %s", json_string_value(json_object_get(entity, "name")),
                     rk_text_count(get_integer(entity, "done")).s,
                     rk_text_count(get_integer(entity, "total")).s);
    }
    const json_t *verify = json_object_get(status, "last_verify");
    rk_cli_print(cli, "quarantined  %s", rk_text_count(get_integer(status, "quarantined")).s);
    const json_t *compared = json_object_get(status, "comparisons");
    if (get_integer(compared, "compared") > 0)
        rk_cli_print(cli, "compared     %s reads, %s different",
                     rk_text_count(get_integer(compared, "compared")).s,
                     rk_text_count(get_integer(compared, "different")).s);
    rk_cli_print(cli, "verified     %s%s",
                 json_is_true(json_object_get(verify, "clean")) ? "clean" : "not clean",
                 json_is_true(json_object_get(verify, "stale")) ? ", stale" : "");
    rk_cli_print(cli, "running      %s",
                 json_is_true(json_object_get(status, "running")) ? "yes" : "no");
    const char *stopped = json_string_value(json_object_get(status, "stopped_by"));
    if (stopped)
        rk_cli_print(cli, "stopped by   %s", stopped);
    return RK_EXIT_DONE;
}

/* --- verification ----------------------------------------------------------------------------- */

static const char *entity_name(const rk_spec *spec, int entity)
{
    return entity < 0 ? "" : spec->entities[entity].name;
}

static json_t *verify_entities(const rk_spec *spec, const rk_verify_report *report)
{
    json_t *entities = json_array();
    for (size_t i = 0; i < spec->entity_count; i++) {
        const rk_verify_entity *counts = &report->entity[i];
        json_array_append_new(
            entities,
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", spec->entities[i].name,
                      "old", integer(counts->old_records), "new", integer(counts->new_records),
                      "matched", integer(counts->matched), "missing", integer(counts->missing),
                      "mismatched", integer(counts->mismatched), "extra", integer(counts->extra),
                      "shadowed", integer(counts->shadowed)));
    }
    return entities;
}

static json_t *verify_indexes(const rk_spec *spec, const rk_verify_report *report)
{
    json_t *indexes = json_array();
    for (size_t i = 0; i < spec->index_name_count; i++) {
        const rk_verify_index *counts = &report->index[i];
        json_array_append_new(indexes,
                              json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", spec->index_names[i],
                                        "expected", integer(counts->expected), "present",
                                        integer(counts->present), "missing",
                                        integer(counts->missing), "extra", integer(counts->extra)));
    }
    return indexes;
}

static json_t *verify_samples(const rk_spec *spec, const rk_verify_report *report)
{
    json_t *samples = json_array();
    for (size_t i = 0; i < report->sample_count; i++)
        json_array_append_new(samples, json_pack("{s:s, s:s, s:s}", "entity",
                                                 entity_name(spec, report->sample[i].entity), "key",
                                                 report->sample[i].key, "problem",
                                                 report->sample[i].problem));
    return samples;
}

json_t *rk_cli_verify_json(const rk_spec *spec, const rk_verify_report *report)
{
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "migration", spec->migration,
                     "clean", rk_verify_is_clean(report, &spec->limits), "entities",
                     verify_entities(spec, report), "indexes", verify_indexes(spec, report),
                     "orphans", integer(report->orphans), "isolation_violations",
                     integer(report->isolation_violations), "quarantined",
                     integer(report->quarantined), "samples", verify_samples(spec, report));
}

void rk_cli_verify_samples(rk_cli *cli, const rk_spec *spec, const rk_verify_report *report)
{
    for (size_t i = 0; i < report->sample_count; i++)
        rk_cli_note(cli, "  %s %s: %s", entity_name(spec, report->sample[i].entity),
                    report->sample[i].key, report->sample[i].problem);
}

int rk_cli_verify_print(rk_cli *cli, const rk_spec *spec, const rk_verify_report *report)
{
    bool clean = rk_verify_is_clean(report, &spec->limits);
    rk_cli_print(cli, "%-24s %11s %11s %11s %9s %10s %7s %8s", "entity", "old", "new", "matched",
                 "missing", "mismatched", "extra", "shadowed");
    for (size_t i = 0; i < spec->entity_count; i++) {
        const rk_verify_entity *counts = &report->entity[i];
        rk_cli_print(cli, "%-24s %11s %11s %11s %9s %10s %7s %8s", spec->entities[i].name,
                     rk_text_count(counts->old_records).s, rk_text_count(counts->new_records).s,
                     rk_text_count(counts->matched).s, rk_text_count(counts->missing).s,
                     rk_text_count(counts->mismatched).s, rk_text_count(counts->extra).s,
                     rk_text_count(counts->shadowed).s);
    }
    for (size_t i = 0; i < spec->index_name_count; i++) {
        const rk_verify_index *counts = &report->index[i];
        rk_cli_print(cli, "index %-18s %s expected, %s present, %s missing, %s extra",
                     spec->index_names[i], rk_text_count(counts->expected).s,
                     rk_text_count(counts->present).s, rk_text_count(counts->missing).s,
                     rk_text_count(counts->extra).s);
    }
    rk_cli_print(cli, "%s orphans, %s isolation violations, %s quarantined: %s",
                 rk_text_count(report->orphans).s, rk_text_count(report->isolation_violations).s,
                 rk_text_count(report->quarantined).s, clean ? "clean" : "not clean");
    return RK_EXIT_DONE;
}
