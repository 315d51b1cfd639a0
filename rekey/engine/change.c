#include "rekey/engine/change.h"

/* The map doubles each time: enough for any disk. */
#define GROW_TRIES_MAX 24

rk_status rki_with_room(rk_store *store, rki_attempt attempt, void *context, rk_error *err)
{
    rk_error fault = {0}; /* of a try that another one may make good */
    rk_status status = attempt(context, &fault);
    for (int tries = 0; status == RK_FULL && tries < GROW_TRIES_MAX; tries++) {
        status = rk_store_grow(store, &fault);
        if (status != RK_OK)
            break;
        status = attempt(context, &fault);
    }
    if (status != RK_OK && err)
        *err = fault;
    return status;
}

rk_status rki_change_once(rk_store *store, rki_store_change change, void *context, rk_error *err)
{
    rk_txn *txn = NULL;
    bool changed = false;
    rk_status status = rk_txn_begin(store, &txn, err);
    if (status != RK_OK)
        return status;
    status = change(txn, context, &changed, err);
    if (status == RK_OK && changed)
        return rk_txn_commit(txn, err);
    rk_txn_abort(txn);
    return status;
}

typedef struct store_change {
    rk_store *store;
    rki_store_change change;
    void *context;
} store_change;

static rk_status try_change(void *context, rk_error *err)
{
    const store_change *what = context;
    return rki_change_once(what->store, what->change, what->context, err);
}

rk_status rki_change_store(rk_store *store, rki_store_change change, void *context, rk_error *err)
{
    store_change what = {store, change, context};
    return rki_with_room(store, try_change, &what, err);
}
