#include "rekey/engine/decision.h"

#include <inttypes.h>
#include <stdio.h>

#include "rekey/engine/change.h"
#include "rekey/engine/tasks.h"

#define LEADER_RENEW_MS 1000

/* --- transactions ----------------------------------------------------------------------------- */

/* What one change of this file works on; `migration` is NULL where there may be none. */
typedef struct change {
    rk_migration *migration;
    const rk_decision_id *id;
    const rk_leader *leader;
    const rk_placement *placement;
} change;

typedef rk_status (*change_fn)(rk_txn *txn, rk_table meta, const change *what, bool *changed,
                               rk_error *err);

typedef struct meta_change {
    rk_table meta;
    change_fn apply;
    const change *what;
} meta_change;

static rk_status do_change(rk_txn *txn, void *context, bool *changed, rk_error *err)
{
    const meta_change *m = context;
    return m->apply(txn, m->meta, m->what, changed, err);
}

static rk_status change_store(rk_store *store, rk_table meta, change_fn apply, const change *what,
                              rk_error *err)
{
    meta_change m = {meta, apply, what};
    return rki_change_store(store, do_change, &m, err);
}

/* --- promises --------------------------------------------------------------------------------- */

rk_status rki_check_promise(const rk_migration *migration, rk_view *view, rk_error *err)
{
    rk_prepared prepared;
    rk_status status = rk_prepared_load(view, migration->tables.meta, &prepared, err);
    if (status == RK_NOT_FOUND)
        return RK_OK;
    if (status != RK_OK)
        return status;
    return rk_error_set(err, RK_CONFLICT,
                        "a %s of the cluster is promised, and node %s knows whether it was decided",
                        rk_move_name(prepared.move), prepared.decider);
}

static rk_status keep_promise(rk_migration *migration, rk_txn *txn, const rk_prepared *prepared,
                              rk_error *err)
{
    rk_state state;
    rk_status status = rk_state_load(rk_txn_view(txn), migration->tables.meta, &state, err);
    if (status == RK_OK && state.epoch != prepared->epoch)
        return rk_error_set(err, RK_CORRUPT,
                            "the promise is of epoch %" PRIu64 ", the store in epoch %" PRIu64,
                            prepared->epoch, state.epoch);
    for (int tier = 0; status == RK_OK && tier < RK_TIER_COUNT; tier++)
        if (prepared->tier[tier])
            status = rki_move_tier(migration, txn, &state, (rk_tier)tier, prepared->move,
                                   prepared->move == RK_MOVE_ROLLBACK, err);
    return status;
}

static rk_status log_outcome(const change *what, rk_txn *txn, const char *outcome, rk_error *err)
{
    rk_state state;
    char hex[RK_DECISION_ID_HEX_BYTES];
    char detail[RK_DECISION_ID_HEX_BYTES + 16];
    rk_status status = rk_state_load(rk_txn_view(txn), what->migration->tables.meta, &state, err);
    rk_hex(rk_slice_of(what->id->bytes, sizeof what->id->bytes), hex);
    snprintf(detail, sizeof detail, "%s %s", hex, outcome);
    return status == RK_OK ? rki_log(what->migration, txn, state.epoch, "decision", detail, err)
                           : status;
}

/* Outcomes are kept for who may ask for them. A change is committed when every node has promised
 * it, and a node has one promise at a time: so none waits for an earlier one any more, and what an
 * earlier coordinator still asks for is refused by its epoch. Of the same coordinator's they stay.
 */
static rk_status save_outcome(rk_txn *txn, rk_table meta, const rk_decision_id *id, bool committed,
                              rk_error *err)
{
    rk_leader leader = {0};
    rk_status status = rk_leader_load(rk_txn_view(txn), meta, &leader, err);
    if (status == RK_OK || status == RK_NOT_FOUND)
        status = rk_decided_save(txn, meta, id, committed, leader.epoch, err);
    if (status == RK_OK && committed)
        status = rk_decided_sweep(txn, meta, leader.epoch, err);
    return status;
}

static rk_status do_commit(rk_txn *txn, rk_table meta, const change *what, bool *changed,
                           rk_error *err)
{
    rk_view *view = rk_txn_view(txn);
    rk_prepared prepared;
    bool committed;
    rk_status status = rk_decided_load(view, meta, what->id, &committed, err);
    if (status == RK_OK && !committed)
        return rk_error_set(err, RK_CONFLICT, "the decision is aborted here");
    if (status != RK_NOT_FOUND)
        return status;
    status = rk_prepared_load(view, meta, &prepared, err);
    if (status == RK_NOT_FOUND ||
        (status == RK_OK && memcmp(&prepared.id, what->id, sizeof prepared.id) != 0))
        return rk_error_set(err, RK_NOT_FOUND, "this node has not promised that change");
    if (status == RK_OK)
        status = keep_promise(what->migration, txn, &prepared, err);
    if (status == RK_OK)
        status = rk_prepared_clear(txn, meta, err);
    if (status == RK_OK)
        status = save_outcome(txn, meta, what->id, true, err);
    *changed = true;
    return status == RK_OK ? log_outcome(what, txn, "committed", err) : status;
}

static rk_status do_abort(rk_txn *txn, rk_table meta, const change *what, bool *changed,
                          rk_error *err)
{
    rk_view *view = rk_txn_view(txn);
    rk_prepared prepared;
    bool committed;
    rk_status status = rk_decided_load(view, meta, what->id, &committed, err);
    if (status == RK_OK && committed)
        return rk_error_set(err, RK_CONFLICT, "the decision is committed here");
    if (status != RK_NOT_FOUND)
        return status;
    status = rk_prepared_load(view, meta, &prepared, err);
    if (status == RK_OK && memcmp(&prepared.id, what->id, sizeof prepared.id) == 0)
        status = rk_prepared_clear(txn, meta, err);
    if (status == RK_OK || status == RK_NOT_FOUND)
        status = save_outcome(txn, meta, what->id, false, err);
    *changed = true;
    return status == RK_OK ? log_outcome(what, txn, "aborted", err) : status;
}

rk_status rk_decision_commit(rk_migration *migration, const rk_decision_id *id, rk_error *err)
{
    change what = {.migration = migration, .id = id};
    return change_store(migration->store, migration->tables.meta, do_commit, &what, err);
}

rk_status rk_decision_abort(rk_migration *migration, const rk_decision_id *id, rk_error *err)
{
    change what = {.migration = migration, .id = id};
    return change_store(migration->store, migration->tables.meta, do_abort, &what, err);
}

rk_status rk_decision_look(rk_migration *migration, const rk_decision_id *id, rk_decided *out,
                           rk_error *err)
{
    rk_table meta = migration->tables.meta;
    rk_view *view = NULL;
    rk_prepared prepared;
    bool committed;
    rk_status status = rk_snapshot_open(migration->store, &view, err);
    if (status != RK_OK)
        return status;
    rk_decided decided = RK_DECIDED_NOT;
    status = rk_decided_load(view, meta, id, &committed, err);
    if (status == RK_OK) {
        decided = committed ? RK_DECIDED_COMMITTED : RK_DECIDED_ABORTED;
    } else if (status == RK_NOT_FOUND) {
        status = rk_prepared_load(view, meta, &prepared, err);
        if (status == RK_OK && memcmp(&prepared.id, id, sizeof prepared.id) == 0)
            decided = RK_DECIDED_PROMISED;
    }
    rk_snapshot_close(view);
    if (status != RK_OK && status != RK_NOT_FOUND)
        return status;
    *out = decided;
    return RK_OK;
}

rk_status rk_decision_promised(rk_migration *migration, rk_prepared *out, rk_error *err)
{
    rk_view *view = NULL;
    rk_status status = rk_snapshot_open(migration->store, &view, err);
    if (status == RK_OK)
        status = rk_prepared_load(view, migration->tables.meta, out, err);
    rk_snapshot_close(view);
    return status;
}

/* --- leadership ------------------------------------------------------------------------------- */

bool rk_leader_live(const rk_leader *leader, int64_t now_ms)
{
    static const uint8_t nobody[sizeof leader->token];
    int64_t age_ms = now_ms - leader->renewed_ms;
    /* A clock that was set back must not keep a lease alive: the epoch fences all the same. */
    return memcmp(leader->token, nobody, sizeof nobody) != 0 && age_ms > -RK_LEADER_LEASE_MS &&
           age_ms < RK_LEADER_LEASE_MS;
}

static bool same_leader(const rk_leader *a, const rk_leader *b)
{
    return a->epoch == b->epoch && memcmp(a->token, b->token, sizeof a->token) == 0;
}

static rk_status do_claim(rk_txn *txn, rk_table meta, const change *what, bool *changed,
                          rk_error *err)
{
    const rk_leader *leader = what->leader;
    rk_leader now;
    if (leader->epoch == 0 || leader->epoch > RK_LEADER_EPOCH_MAX)
        return rk_error_set(err, RK_INVALID, "epoch %" PRIu64 " is not from 1 to %" PRIu64,
                            leader->epoch, RK_LEADER_EPOCH_MAX);
    *changed = true;
    rk_status status = rk_leader_load(rk_txn_view(txn), meta, &now, err);
    if (status == RK_NOT_FOUND)
        return rk_leader_save(txn, meta, leader, err);
    if (status != RK_OK)
        return status;
    bool same = memcmp(now.token, leader->token, sizeof now.token) == 0;
    if (!same && rk_leader_live(&now, leader->renewed_ms))
        return rk_error_set(err, RK_BUSY, "%s leads in epoch %" PRIu64 ", %.1f s ago", now.holder,
                            now.epoch, (double)(leader->renewed_ms - now.renewed_ms) / 1e3);
    if (leader->epoch < now.epoch || (leader->epoch == now.epoch && !same))
        return rk_error_set(err, RK_CONFLICT, "epoch %" PRIu64 " is over: %s led in epoch %" PRIu64,
                            leader->epoch, now.holder, now.epoch);
    return rk_leader_save(txn, meta, leader, err);
}

static rk_status do_hold(rk_txn *txn, rk_table meta, const change *what, bool *changed,
                         rk_error *err)
{
    rk_leader now = {0};
    rk_status status = rk_leader_load(rk_txn_view(txn), meta, &now, err);
    if (status == RK_OK && same_leader(&now, what->leader)) {
        *changed = true;
        return rk_leader_save(txn, meta, what->leader, err);
    }
    if (status != RK_OK && status != RK_NOT_FOUND)
        return status;
    if (status == RK_NOT_FOUND)
        return rk_error_set(err, RK_CONFLICT, "nobody leads here: claim it first");
    return rk_error_set(err, RK_CONFLICT,
                        "epoch %" PRIu64 " is over: %s holds the lease, in epoch %" PRIu64,
                        what->leader->epoch, now.holder, now.epoch);
}

static rk_status do_release(rk_txn *txn, rk_table meta, const change *what, bool *changed,
                            rk_error *err)
{
    rk_leader now;
    rk_status status = rk_leader_load(rk_txn_view(txn), meta, &now, err);
    if (status != RK_OK || !same_leader(&now, what->leader))
        return status == RK_NOT_FOUND ? RK_OK : status;
    memset(now.token, 0, sizeof now.token);
    *changed = true;
    return rk_leader_save(txn, meta, &now, err);
}

/* RK_NOT_FOUND, error untouched: not there, and not made. */
static rk_status open_meta(rk_store *store, bool create, rk_table *meta, rk_error *err)
{
    rk_error fault = {0};
    rk_status status = rk_store_table(store, RK_META_TABLE, RK_TABLE_RECORDS, create, meta, &fault);
    if (status != RK_OK && status != RK_NOT_FOUND && err)
        *err = fault;
    return status;
}

rk_status rk_leader_claim(rk_store *store, const rk_leader *leader, rk_error *err)
{
    rk_table meta;
    change what = {.leader = leader};
    rk_status status = open_meta(store, true, &meta, err);
    return status == RK_OK ? change_store(store, meta, do_claim, &what, err) : status;
}

rk_status rk_leader_look(rk_store *store, rk_leader *out, rk_error *err)
{
    rk_table meta;
    rk_view *view = NULL;
    rk_status status = open_meta(store, false, &meta, err);
    if (status == RK_OK)
        status = rk_snapshot_open(store, &view, err);
    if (status == RK_OK)
        status = rk_leader_load(view, meta, out, err);
    rk_snapshot_close(view);
    return status;
}

/* A look does, most of the time: the lease is renewed once a second. */
rk_status rk_leader_hold(rk_store *store, const rk_leader *leader, rk_error *err)
{
    rk_table meta;
    rk_leader now;
    change what = {.leader = leader};
    rk_status status = rk_leader_look(store, &now, NULL);
    if (status == RK_OK && same_leader(&now, leader) &&
        leader->renewed_ms - now.renewed_ms < LEADER_RENEW_MS &&
        leader->renewed_ms >= now.renewed_ms)
        return RK_OK;
    status = open_meta(store, true, &meta, err);
    return status == RK_OK ? change_store(store, meta, do_hold, &what, err) : status;
}

rk_status rk_leader_release(rk_store *store, const rk_leader *leader, rk_error *err)
{
    rk_table meta;
    change what = {.leader = leader};
    rk_status status = open_meta(store, false, &meta, err);
    if (status == RK_NOT_FOUND)
        return RK_OK;
    return status == RK_OK ? change_store(store, meta, do_release, &what, err) : status;
}

/* --- placement -------------------------------------------------------------------------------- */

static rk_status do_place(rk_txn *txn, rk_table meta, const change *what, bool *changed,
                          rk_error *err)
{
    rk_placement there;
    rk_status status = rk_placement_load(rk_txn_view(txn), meta, &there, err);
    if (status == RK_OK && strcmp(there.node, what->placement->node) == 0 &&
        memcmp(&there.cluster, &what->placement->cluster, sizeof there.cluster) == 0)
        return RK_OK;
    if (status != RK_OK && status != RK_NOT_FOUND)
        return status;
    *changed = true;
    return rk_placement_save(txn, meta, what->placement, err);
}

rk_status rk_placement_record(rk_store *store, const rk_placement *placement, rk_error *err)
{
    rk_table meta;
    change what = {.placement = placement};
    rk_status status = open_meta(store, true, &meta, err);
    return status == RK_OK ? change_store(store, meta, do_place, &what, err) : status;
}
