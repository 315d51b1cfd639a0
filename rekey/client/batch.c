/* batch.c: operations in one transaction of the local store. Every transaction begins with a look
 * at the phase. */
#include <assert.h>

#include "rekey/base/fault.h"
#include "rekey/client/client_private.h"

#define GROW_TRIES_MAX  24
#define WRITE_TRIES_MAX (GROW_TRIES_MAX + RKI_REFRESHES_MAX)

/* What the caller asked for, and how far it went. */
typedef struct request {
    const rk_serving *serving;
    const rk_scope *scope;
    rk_operation *operations;
    size_t count;
    size_t done;
    size_t failed;    /* the operation that did; `count` for none */
    size_t get_bytes; /* that were found */
    bool changed;
} request;

/* What an earlier attempt left in the operations goes. */
static void begin_again(request *r)
{
    for (size_t i = 0; i < r->count; i++) {
        r->operations[i].status = RK_OK;
        rk_value_fini(&r->operations[i].found);
    }
    r->done = 0;
    r->failed = r->count;
    r->get_bytes = 0;
    r->changed = false;
}

/* --- one operation ---------------------------------------------------------------------------- */

static rk_status get(rki_session *session, const rki_target *target, request *r,
                     rk_operation *operation, rk_error *err)
{
    rki_found found;
    size_t most = r->serving->get_bytes_max;
    rk_status status = rki_read(session, target, &found, err);
    if (status != RK_OK)
        return status;
    if (found.value.len > most - r->get_bytes)
        return rk_error_set(err, RK_LIMIT, "what is found is over the %zu bytes of one answer",
                            most);
    r->get_bytes += found.value.len;
    return rki_value_copy(found.value, &operation->found, err);
}

static rk_status check_absent(rki_session *session, const rki_target *target, rk_error *err)
{
    rki_found found;
    rk_status status = rki_read(session, target, &found, err);
    if (status == RK_NOT_FOUND)
        return RK_OK;
    if (status == RK_OK)
        status =
            rk_error_set(err, RK_CONFLICT, "put if absent: this %s is there", target->entity->name);
    return status;
}

static rk_status check_expected(rki_session *session, const rki_target *target, rk_slice expected,
                                rk_error *err)
{
    rki_found found;
    bool equal = false;
    rk_status status = rki_read(session, target, &found, err);
    if (status == RK_NOT_FOUND)
        return rk_error_set(err, RK_CONFLICT, "compare and put: this %s is not there",
                            target->entity->name);
    if (status == RK_OK)
        status = rki_read_equals(session, target, &found, expected, &equal, err);
    if (status == RK_OK && !equal)
        status = rk_error_set(err, RK_CONFLICT, "compare and put: this %s has another value",
                              target->entity->name);
    return status;
}

static rk_status put(rki_session *session, rk_txn *txn, const rki_target *target,
                     const rk_operation *operation, rk_error *err)
{
    rk_status status = RK_OK;
    if (operation->verb == RK_PUT_IF_ABSENT)
        status = check_absent(session, target, err);
    else if (operation->verb == RK_COMPARE_AND_PUT)
        status = check_expected(session, target, operation->expected, err);
    return status == RK_OK ? rki_put(session, txn, target, operation->value, err) : status;
}

/* In the place of perform, for who sees nothing of the scope. */
static rk_status pretend(rki_session *session, const rki_target *target,
                         const rk_operation *operation, rk_error *err)
{
    switch (operation->verb) {
    case RK_GET:
    case RK_DELETE:
        return RK_NOT_FOUND;
    case RK_COMPARE_AND_PUT:
        return check_expected(session, target, operation->expected, err);
    case RK_PUT:
    case RK_PUT_IF_ABSENT:
        break;
    }
    return rk_error_set(err, RK_AUTH, "this key may not write in this scope");
}

/* `txn` NULL where nothing is written. */
static rk_status perform(rki_session *session, rk_txn *txn, request *r, rk_operation *operation,
                         rk_error *err)
{
    rki_target target;
    rk_status status = rki_target_of_record(session, r->scope, operation->entity, operation->ids,
                                            operation->id_count, &target, err);
    if (status != RK_OK)
        return status;
    if (session->sight == RK_SIGHT_NONE)
        return pretend(session, &target, operation, err);
    switch (operation->verb) {
    case RK_GET:
        if (!txn)
            rki_compare(session, &target);
        return get(session, &target, r, operation, err);
    case RK_PUT:
    case RK_PUT_IF_ABSENT:
    case RK_COMPARE_AND_PUT:
        status = put(session, txn, &target, operation, err);
        break;
    case RK_DELETE:
        status = rki_delete(session, txn, &target, err);
        break;
    default:
        return rk_error_set(err, RK_INVALID, "%d is no verb of a batch", (int)operation->verb);
    }
    r->changed |= status == RK_OK;
    return status;
}

static rk_status perform_all(rki_session *session, rk_txn *txn, request *r, rk_error *err)
{
    for (; r->done < r->count; r->done++) {
        rk_operation *operation = &r->operations[r->done];
        operation->status = perform(session, txn, r, operation, err);
        if (operation->status != RK_OK && operation->status != RK_NOT_FOUND) {
            r->failed = r->done;
            return operation->status;
        }
    }
    return RK_OK;
}

/* --- the transactions ------------------------------------------------------------------------- */

static rk_status read_all(rki_session *session, request *r, rk_error *err)
{
    begin_again(r);
    rk_status status = rki_session_begin_read(session, r->scope->tenant, err);
    if (status != RK_OK)
        return status;
    status = perform_all(session, NULL, r, err);
    rki_session_end_read(session);
    rki_compare_flush(session->client, false);
    return status;
}

static rk_status open_tables(rki_session *session, const request *r, rk_error *err)
{
    rk_status status = RK_OK;
    for (size_t i = 0; i < r->count && status == RK_OK; i++)
        status = rki_session_open_tables(session, r->operations[i].entity, true, err);
    return status;
}

/* All of it but the commit. */
static rk_status write_all(rki_session *session, rk_txn *txn, request *r, bool *stale,
                           rk_comparisons *taken, rk_error *err)
{
    session->view = rk_txn_view(txn);
    rk_status status = rki_session_look(session, r->scope->tenant, stale, err);
    if (status == RK_OK && !*stale)
        status = perform_all(session, txn, r, err);
    session->view = NULL;
    if (status != RK_OK || !r->changed)
        return status;
    status = rk_client_commits_add(txn, session->client->meta, err);
    return status == RK_OK ? rki_compare_take(session->client, txn, taken, err) : status;
}

static rk_status attempt(rki_session *session, request *r, bool *stale, rk_error *err)
{
    rk_txn *txn = NULL;
    rk_comparisons taken = {0};
    begin_again(r);
    rk_arena_reset(&session->arena);
    rk_status status = open_tables(session, r, err);
    if (status == RK_OK && rk_fault("phase_outside")) {
        status = rki_session_begin_read(session, r->scope->tenant, err);
        rki_session_end_read(session);
        rk_fault_window("phase_outside");
    }
    if (status == RK_OK)
        status = rk_txn_begin(session->client->store, &txn, err);
    if (status != RK_OK)
        return status;
    status = write_all(session, txn, r, stale, &taken, err);
    if (status == RK_OK && r->changed)
        status = rk_txn_commit(txn, err);
    else
        rk_txn_abort(txn);
    if (status != RK_OK)
        rki_compare_return(session->client, &taken);
    return status;
}

/* Again after another spec was registered, or when the store was full and could grow. */
static rk_status write_until_settled(rki_session *session, request *r, rk_error *err)
{
    rk_status status = RK_OK;
    for (int tries = 0; tries < WRITE_TRIES_MAX; tries++) {
        bool stale = false;
        status = attempt(session, r, &stale, err);
        if (status == RK_OK && stale) {
            status = rki_session_refresh(session, err);
            if (status != RK_OK)
                break;
            status = rk_error_set(err, RK_BUSY, "the registered spec keeps changing");
        } else if (status != RK_FULL || rk_store_grow(session->client->store, err) != RK_OK) {
            break;
        }
    }
    return status;
}

/* --- as the header has them ------------------------------------------------------------------- */

static rk_status execute(rki_local *client, request *r, rk_error *err)
{
    rki_session *session = NULL;
    rk_error fault = {0};
    for (size_t i = 0; i < r->count; i++)
        r->operations[i].found = (rk_value){0};
    begin_again(r);
    bool writes = !rki_only_gets(r->operations, r->count);
    if (writes && client->options.read_only)
        return rki_refuse_write(err);
    rk_status status = rki_session_take(client, &session, err);
    if (status != RK_OK)
        return status;
    session->sight = r->serving->sight;
    status = writes && session->sight != RK_SIGHT_NONE ? write_until_settled(session, r, &fault)
                                                       : read_all(session, r, &fault);
    rki_session_give(session);
    if (status == RK_OK)
        return status;
    for (size_t i = 0; i < r->count; i++)
        rk_value_fini(&r->operations[i].found);
    if (err)
        *err = fault;
    return status;
}

rk_status rk_client_serve_batch(rk_client *client, const rk_serving *serving, const rk_scope *scope,
                                rk_operation *operations, size_t count, size_t *failed,
                                rk_error *err)
{
    request r = {.serving = serving, .scope = scope, .operations = operations, .count = count};
    assert(count <= RK_BATCH_MAX && (!serving->is_single || count == 1));
    if (count == 0)
        return RK_OK;
    rk_status status = execute(rki_local_of(client), &r, err);
    if (status == RK_OK)
        return status;
    *failed = r.failed;
    return serving->is_single ? status
                              : rki_batch_context(err, status, operations, count, r.failed);
}

rk_status rki_local_batch(rk_client *client, const rk_scope *scope, rk_operation *operations,
                          size_t count, bool is_single, size_t *failed, rk_error *err)
{
    const rk_serving serving = {
        .sight = RK_SIGHT_FULL, .is_single = is_single, .get_bytes_max = SIZE_MAX};
    return rk_client_serve_batch(client, &serving, scope, operations, count, failed, err);
}
