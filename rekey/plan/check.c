#include <inttypes.h>
#include <stdlib.h>

#include "rekey/plan/plan.h"

static bool same_digest(const rk_digest *a, const rk_digest *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static rk_status stale(rk_error *err, const char *why)
{
    return rk_error_set(err, RK_CONFLICT, "the plan is stale: %s", why);
}

static rk_status check_used(const rk_plan *plan, rk_view *view, rk_table meta, rk_error *err)
{
    char why[128];
    rk_status status = rk_used_plan_load(view, meta, &plan->hash, why, err);
    if (status == RK_OK)
        return rk_error_set(err, RK_CONFLICT, "the plan was used already: %s", why);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

/* The registered migration must be where the plan saw it. One that was registered since is no
 * change, as long as it is this very spec, still in phase old. */
static rk_status check_state(const rk_plan *plan, const rk_state *state, rk_error *err)
{
    if (!same_digest(&state->spec_digest, &plan->spec_digest)) {
        if (plan->registered && state->epoch == plan->epoch)
            return RK_OK; /* rk_state_register decides whether the text may change */
        return stale(err, "another spec was registered since");
    }
    if (plan->registered && state->epoch != plan->epoch)
        return rk_error_set(err, RK_CONFLICT,
                            "the plan is stale: it was made in epoch %" PRIu64
                            ", the store is in epoch %" PRIu64,
                            plan->epoch, state->epoch);
    if (!plan->registered && rk_state_phase(state) != RK_PHASE_OLD)
        return stale(err, "the migration has begun since");
    return RK_OK;
}

rk_status rk_plan_check_state(const rk_plan *plan, rk_view *view, rk_table meta, bool *active,
                              rk_error *err)
{
    rk_state state;
    rk_active_plan running;
    *active = false;
    rk_status status = rk_state_load(view, meta, &state, err);
    if (status == RK_NOT_FOUND)
        return plan->registered ? stale(err, "no migration is registered any more") : RK_OK;
    if (status != RK_OK)
        return status;
    status = rk_active_plan_load(view, meta, &running, err);
    *active = status == RK_OK && same_digest(&running.digest, &plan->hash);
    if (*active)
        return RK_OK;
    if (status == RK_OK || status == RK_NOT_FOUND)
        status = check_used(plan, view, meta, err);
    return status == RK_OK ? check_state(plan, &state, err) : status;
}

rk_status rk_plan_check(const rk_plan *plan, rk_view *view, rk_table meta, bool *active,
                        rk_error *err)
{
    rk_digest now;
    uint64_t commits = 0;
    rk_status status = rk_plan_check_state(plan, view, meta, active, err);
    if (status != RK_OK || *active)
        return status;
    status = rk_state_fingerprint(view, plan->spec, &now, err);
    if (status == RK_OK)
        status = rk_client_commits_load(view, meta, &commits, err);
    if (status == RK_OK && !same_digest(&now, &plan->fingerprint) &&
        commits == plan->client_commits)
        status =
            stale(err, "the store's records changed since, and not through the client library");
    return status;
}

rk_status rk_plan_check_spec_file(const rk_plan *plan, rk_error *err)
{
    rk_spec_source now = {0};
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    rk_digest digest;
    if (rk_spec_source_read(plan->spec_path, &now, NULL) != RK_OK)
        return RK_OK; /* moved or deleted: the plan carries its own copy */
    char *folder = strdup(plan->spec_path);
    if (!folder) {
        rk_spec_source_fini(&now);
        return rk_error_set(err, RK_NOMEM, "plan: out of memory");
    }
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    /* Loading brings in the lookup files; one that no longer lints has changed anyway. */
    bool loads = rk_spec_load(&now, slash ? folder : ".", &spec, &findings, NULL) == RK_OK;
    rk_state_spec_digest(&now, &digest);
    bool same = loads && same_digest(&digest, &plan->spec_digest);
    rk_spec_destroy(spec);
    rk_findings_fini(&findings);
    rk_spec_source_fini(&now);
    free(folder);
    if (same)
        return RK_OK;
    return rk_error_set(err, RK_CONFLICT, "the plan is stale: the spec %s changed since",
                        plan->spec_path);
}
