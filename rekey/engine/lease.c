#include "rekey/engine/lease.h"

#include <inttypes.h>

static bool same_token(const rk_lease *a, const rk_lease *b)
{
    return memcmp(a->token, b->token, sizeof a->token) == 0;
}

bool rki_lease_live(const rk_lease *lease, const rk_actor *actor, int64_t now_ms)
{
    if (strcmp(lease->host, actor->lease.host) == 0)
        return actor->alive(actor->context, lease);
    return now_ms - lease->renewed_ms < RKI_LEASE_MS;
}

static rk_status busy(const rk_lease *holder, rk_error *err)
{
    return rk_error_set(err, RK_BUSY, "the lease is held by `rekey %s`, process %" PRIu64 " on %s",
                        holder->command, holder->pid, holder->host);
}

rk_status rki_lease_free(const rk_lease *holder, const rk_actor *actor, int64_t now_ms,
                         rk_error *err)
{
    if (same_token(holder, &actor->lease) || !rki_lease_live(holder, actor, now_ms))
        return RK_OK;
    return busy(holder, err);
}

static rk_status renew(rk_txn *txn, rk_table meta, const rk_actor *actor, int64_t now_ms,
                       rk_error *err)
{
    rk_lease mine = actor->lease;
    mine.renewed_ms = now_ms;
    return rk_lease_save(txn, meta, &mine, err);
}

rk_status rki_lease_take(rk_txn *txn, rk_table meta, const rk_actor *actor, int64_t now_ms,
                         rk_error *err)
{
    rk_lease holder;
    rk_status status = rk_lease_load(rk_txn_view(txn), meta, &holder, err);
    if (status == RK_OK)
        status = rki_lease_free(&holder, actor, now_ms, err);
    if (status != RK_OK && status != RK_NOT_FOUND)
        return status;
    return renew(txn, meta, actor, now_ms, err);
}

rk_status rki_lease_hold(rk_txn *txn, rk_table meta, const rk_actor *actor, int64_t now_ms,
                         rk_error *err)
{
    rk_lease holder;
    rk_status status = rk_lease_load(rk_txn_view(txn), meta, &holder, err);
    if (status == RK_NOT_FOUND)
        return rk_error_set(err, RK_BUSY, "the lease was taken away from this run");
    if (status != RK_OK)
        return status;
    if (!same_token(&holder, &actor->lease))
        return busy(&holder, err);
    if (now_ms - holder.renewed_ms < RKI_LEASE_RENEW_MS)
        return RK_OK;
    return renew(txn, meta, actor, now_ms, err);
}

rk_status rki_lease_release(rk_txn *txn, rk_table meta, const rk_actor *actor, rk_error *err)
{
    rk_lease holder;
    rk_status status = rk_lease_load(rk_txn_view(txn), meta, &holder, err);
    if (status == RK_NOT_FOUND)
        return RK_OK;
    if (status == RK_OK && same_token(&holder, &actor->lease))
        status = rk_lease_clear(txn, meta, err);
    return status;
}
