/* attack_store.c: attacks on a stage's store as a whole. */
#include "rekey/isolation/attack_private.h"

/* --- a restored checkpoint -------------------------------------------------------------------- */

static bool is_parent(const rk_spec *spec, size_t entity)
{
    for (size_t i = 0; i < spec->entity_count; i++)
        if (spec->entities[i].parent == (int)entity)
            return true;
    return false;
}

/* As if the record of the tier's job had come back from a backup: the job that runs next, in an
 * epoch that is over, already behind the last tenant. */
static rk_status plant_checkpoint(const rki_site *site, rk_error *err)
{
    rk_state state;
    rk_txn *txn = NULL;
    rk_status status = rki_site_state(site, &state, err);
    if (status != RK_OK)
        return status;
    const rk_tier_state *tier = &state.tier[RK_TIER_PRODUCTION];
    bool moves = site->scratch->spec->strategy == RK_STRATEGY_MOVE;
    rk_checkpoint point = {.job = RK_JOB_BACKFILL,
                           .epoch = tier->epoch > 0 ? tier->epoch - 1 : 0,
                           .stage = site->scratch->spec->entity_count > 1 ? 1 : 0,
                           .tenant_len = 2,
                           .tenant = {0xff, 0xff}};
    if (tier->undoing)
        point.job = moves ? RK_JOB_RETURN : RK_JOB_DROP_NEW;
    else if (tier->phase >= RK_PHASE_FLIPPED)
        point.job = RK_JOB_CONTRACT;
    status = rk_txn_begin(site->store, &txn, err);
    if (status != RK_OK)
        return status;
    status = rk_checkpoint_save(txn, site->tables.meta, RK_TIER_PRODUCTION, &point, err);
    if (status == RK_OK)
        return rk_txn_commit(txn, err);
    rk_txn_abort(txn);
    return status;
}

static bool each_entity(rki_ring *ring, bool (*act)(rki_ring *ring))
{
    bool is_free;
    int home;
    for (size_t i = 0; i < ring->spec->entity_count && !ring->failed; i++) {
        if (!rki_home_of(ring->spec, i, &home, &is_free))
            continue;
        rki_ring_seat_residents(ring, i);
        if (!act(ring))
            return false;
    }
    return !ring->failed;
}

/* A record of the carried family that is written only now; the carried one where there can be no
 * second. */
static bool make_written(rki_ring *ring, rki_sample *out)
{
    bool can = rki_own_variable(ring->spec, rki_entity(ring)) != RK_NAME_NONE;
    rki_wish wish = rki_wish_for(ring, RKI_HOME, can ? "written" : RKI_RESIDENT_TAG);
    wish.parent_tag = RKI_RESIDENT_TAG;
    return rki_make(ring, &wish, out);
}

/* A record that was written since, and one that was deleted since. */
static bool write_and_delete(rki_ring *ring)
{
    rki_sample written;
    rki_sample gone;
    if (!make_written(ring, &written) || !rki_put_family(ring, &written))
        return false;
    if (is_parent(ring->spec, ring->entity))
        return true;
    if (!rki_make_plain(ring, RKI_NEIGHBOUR, RKI_RESIDENT_TAG, &gone))
        return false;
    rki_expect_status(ring, RKI_NEIGHBOUR, rki_call_delete(ring, &gone), RK_OK);
    return !ring->failed;
}

static bool expect_all_there(rki_ring *ring)
{
    rki_sample sample;
    if (!rki_make_plain(ring, RKI_HOME, RKI_RESIDENT_TAG, &sample))
        return false;
    rki_expect_own(ring, RKI_HOME, &sample);
    if (make_written(ring, &sample))
        rki_expect_own(ring, RKI_HOME, &sample);
    if (!is_parent(ring->spec, ring->entity) &&
        rki_make_plain(ring, RKI_NEIGHBOUR, RKI_RESIDENT_TAG, &sample))
        rki_expect_nothing(ring, RKI_NEIGHBOUR, &sample);
    return !ring->failed;
}

/* Nothing of the shape that the migration has left may still be there. */
static bool expect_one_shape(rki_ring *ring)
{
    rki_sample sample;
    rk_slice key;
    rk_slice value;
    rk_state state;
    rk_error err = {0};
    const rk_entity *entity = rki_entity(ring);
    if (rki_site_state(ring->site, &state, &err) != RK_OK)
        return false;
    rk_phase phase = state.tier[RK_TIER_PRODUCTION].phase;
    if ((phase != RK_PHASE_OLD && phase != RK_PHASE_DONE) || state.tier[RK_TIER_PRODUCTION].undoing)
        return true;
    if (!rki_make_plain(ring, RKI_HOME, RKI_RESIDENT_TAG, &sample) ||
        !rki_key(ring, &sample, phase == RK_PHASE_OLD ? &entity->new_key : &entity->old_key,
                 &key) ||
        !rki_look(ring, key, &value))
        return false;
    if (value.len > 0)
        rki_fail_case(ring, RKI_HOME, "a copy at the %s key was left behind",
                      phase == RK_PHASE_OLD ? "new" : "old");
    return !ring->failed;
}

static void judge_restored(rki_ring *ring)
{
    const rki_stage *stage = ring->stage;
    rk_state state;
    rk_error err = {0};
    rk_status status = plant_checkpoint(ring->site, &err);
    if (status == RK_OK)
        status = rki_site_drive(ring->site, stage->next_plans, stage->next, RKI_AT_GOAL, &err);
    if (status == RK_OK)
        status = rki_site_state(ring->site, &state, &err);
    if (status != RK_OK) {
        rki_fail_case(ring, RKI_HOME, "the migration does not get on: %s %.300s",
                      rk_status_name(status), err.message);
        return;
    }
    ring->rule = rk_phase_rule_of(ring->spec->strategy, state.tier[RK_TIER_PRODUCTION].phase,
                                  state.tier[RK_TIER_PRODUCTION].undoing);
    if (each_entity(ring, expect_all_there))
        (void)each_entity(ring, expect_one_shape);
}

static void restored_checkpoint(rki_ring *ring)
{
    rki_site *before = ring->site;
    rki_site site = {0};
    rk_error err = {0};
    rki_try(ring, "a run that finds the checkpoint of an older epoch, restored from a backup");
    rk_status status = rki_scratch_copy(ring->scratch, RKI_MAIN, RKI_RESTORED, &err);
    if (status == RK_OK)
        status = rki_site_open(ring->scratch, RKI_RESTORED, &site, &err);
    if (status == RK_OK) {
        ring->site = &site;
        if (each_entity(ring, write_and_delete))
            judge_restored(ring);
        ring->site = before;
    } else {
        rki_fail_case(ring, RKI_HOME, "the attack could not be prepared: %.300s", err.message);
    }
    rki_site_close(&site);
    rki_scratch_drop(ring->scratch, RKI_RESTORED);
}

const rki_attack rki_store_attacks[] = {
    {"restored_checkpoint", RKI_OF_STORE, 0, restored_checkpoint},
    {0},
};
