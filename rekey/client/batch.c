/* batch.c: operations in one transaction, and the single ones as batches of one. Every transaction
 * begins with a look at the phase. */
#include "rekey/base/fault.h"
#include "rekey/client/client_private.h"

#define GROW_TRIES_MAX  24
#define WRITE_TRIES_MAX (GROW_TRIES_MAX + RKI_REFRESHES_MAX)

/* What the caller asked for, and how far it went. */
typedef struct request {
    const rk_scope *scope;
    rk_operation *operations;
    size_t count;
    size_t done;
    size_t failed; /* the operation that did; `count` for none */
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
    r->changed = false;
}

/* --- one operation ---------------------------------------------------------------------------- */

static rk_status get(rki_session *session, const rki_target *target, rk_operation *operation,
                     rk_error *err)
{
    rki_found found;
    rk_status status = rki_read(session, target, &found, err);
    return status == RK_OK ? rki_value_copy(found.value, &operation->found, err) : status;
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

/* `txn` NULL where there are only gets. */
static rk_status perform(rki_session *session, rk_txn *txn, request *r, rk_operation *operation,
                         rk_error *err)
{
    rki_target target;
    rk_status status = rki_target_of_record(session, r->scope, operation->entity, operation->ids,
                                            operation->id_count, &target, err);
    if (status != RK_OK)
        return status;
    switch (operation->verb) {
    case RK_GET:
        if (!txn)
            rki_compare(session, &target);
        return get(session, &target, operation, err);
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

static bool only_gets(const request *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->operations[i].verb != RK_GET)
            return false;
    return true;
}

static rk_status execute(rk_client *client, request *r, rk_error *err)
{
    rki_session *session = NULL;
    rk_error fault = {0};
    for (size_t i = 0; i < r->count; i++)
        r->operations[i].found = (rk_value){0};
    begin_again(r);
    bool reads = only_gets(r);
    if (!reads && client->options.read_only)
        return rk_error_set(err, RK_INVALID, "the client is read-only");
    rk_status status = rki_session_take(client, &session, err);
    if (status != RK_OK)
        return status;
    status = reads ? read_all(session, r, &fault) : write_until_settled(session, r, &fault);
    rki_session_give(session);
    if (status == RK_OK)
        return status;
    for (size_t i = 0; i < r->count; i++)
        rk_value_fini(&r->operations[i].found);
    if (err)
        *err = fault;
    return status;
}

static const char *name_of(rk_verb verb)
{
    static const char *const names[] = {[RK_GET] = "get",
                                        [RK_PUT] = "put",
                                        [RK_PUT_IF_ABSENT] = "put if absent",
                                        [RK_COMPARE_AND_PUT] = "compare and put",
                                        [RK_DELETE] = "delete"};
    return (unsigned)verb < sizeof names / sizeof *names ? names[verb] : "?";
}

rk_status rk_client_batch(rk_client *client, const rk_scope *scope, rk_operation *operations,
                          size_t count, size_t *failed, rk_error *err)
{
    request r = {.scope = scope, .operations = operations, .count = count};
    if (failed)
        *failed = count;
    if (count > RK_BATCH_MAX)
        return rk_error_set(err, RK_INVALID, "a batch of %zu operations; at most %d", count,
                            RK_BATCH_MAX);
    if (count == 0)
        return RK_OK;
    rk_status status = execute(client, &r, err);
    if (status == RK_OK)
        return status;
    if (failed)
        *failed = r.failed;
    if (r.failed == count)
        return status;
    const rk_operation *culprit = &operations[r.failed];
    return rk_error_context(err, status, "operation %zu of %zu, %s %.64s", r.failed + 1, count,
                            name_of(culprit->verb), culprit->entity ? culprit->entity : "");
}

static rk_status one(rk_client *client, const rk_scope *scope, rk_operation *operation,
                     rk_error *err)
{
    request r = {.scope = scope, .operations = operation, .count = 1};
    rk_status status = execute(client, &r, err);
    return status == RK_OK ? operation->status : status;
}

rk_status rk_client_get(rk_client *client, const rk_scope *scope, const char *entity,
                        const rk_id *ids, size_t id_count, rk_value *out, rk_error *err)
{
    rk_operation operation = {.verb = RK_GET, .entity = entity, .ids = ids, .id_count = id_count};
    rk_status status = one(client, scope, &operation, err);
    if (status == RK_OK)
        *out = operation.found;
    return status;
}

rk_status rk_client_put(rk_client *client, const rk_scope *scope, const char *entity,
                        const rk_id *ids, size_t id_count, rk_slice value, rk_error *err)
{
    rk_operation operation = {
        .verb = RK_PUT, .entity = entity, .ids = ids, .id_count = id_count, .value = value};
    return one(client, scope, &operation, err);
}

rk_status rk_client_put_if_absent(rk_client *client, const rk_scope *scope, const char *entity,
                                  const rk_id *ids, size_t id_count, rk_slice value, rk_error *err)
{
    rk_operation operation = {.verb = RK_PUT_IF_ABSENT,
                              .entity = entity,
                              .ids = ids,
                              .id_count = id_count,
                              .value = value};
    return one(client, scope, &operation, err);
}

rk_status rk_client_compare_and_put(rk_client *client, const rk_scope *scope, const char *entity,
                                    const rk_id *ids, size_t id_count, rk_slice expected,
                                    rk_slice value, rk_error *err)
{
    rk_operation operation = {.verb = RK_COMPARE_AND_PUT,
                              .entity = entity,
                              .ids = ids,
                              .id_count = id_count,
                              .value = value,
                              .expected = expected};
    return one(client, scope, &operation, err);
}

rk_status rk_client_delete(rk_client *client, const rk_scope *scope, const char *entity,
                           const rk_id *ids, size_t id_count, rk_error *err)
{
    rk_operation operation = {
        .verb = RK_DELETE, .entity = entity, .ids = ids, .id_count = id_count};
    return one(client, scope, &operation, err);
}
