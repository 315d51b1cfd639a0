#include "rekey/report/report.h"

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

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

json_t *rk_report_status(rk_migration *migration, rk_error *err)
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
    json_t *report =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:s?}", "migration",
                  facts.state.migration, "phase", rk_phase_name(rk_state_phase(&facts.state)),
                  "epoch", integer(facts.state.epoch), "tiers", tiers_json(&facts), "entities",
                  entities_json(migration->spec, &facts), "quarantined", integer(facts.quarantined),
                  "shadowed", integer(facts.shadowed), "comparisons", compared, "running", running,
                  "last_verify", verify_state_json(&facts), "stopped_by", stopped);
    if (!report)
        rk_error_set(err, RK_NOMEM, "the status: out of memory");
    return report;
}
