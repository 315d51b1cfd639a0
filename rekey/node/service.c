#include "rekey/node/service.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "rekey/client/attach.h"
#include "transport/dedup.h"

#define RESULTS_MAX      (1u << 16)
#define ARENA_BYTES_MAX  ((size_t)16 << 20)
#define RESULT_BYTES_MAX ((size_t)256 << 20)
#define KEPT_BYTES_MAX   ((size_t)2048) /* of one result: all that a table of them can hold */

struct rk_service {
    rk_service_config config;
    rk_incarnation incarnation;
    pthread_mutex_t lock;
    rk_dedup *results; /* under the lock */
    rk_client *client; /* under the lock; NULL until a migration is registered */
};

/* One request on its way. */
typedef struct question {
    const rk_access_entry *peer;
    rk_envelope envelope;
    rk_operation_id id; /* of the peer's operation */
    rk_reply reply;
    rk_buf body;
} question;

/* --- records ---------------------------------------------------------------------------------- */

/* A node may start before anything is registered. */
static rk_status attach(rk_service *service, rk_client **out, rk_error *err)
{
    rk_status status = RK_OK;
    pthread_mutex_lock(&service->lock);
    if (!service->client)
        status = rk_client_attach(service->config.store, NULL, &service->client, err);
    *out = service->client;
    pthread_mutex_unlock(&service->lock);
    if (status == RK_NOT_FOUND)
        status = rk_error_set(err, RK_BUSY, "node %s has no migration registered yet",
                              service->config.cluster->nodes[service->config.self].name);
    return status;
}

static rk_status answer_records(rk_service *service, question *q)
{
    char decider[RK_NODE_NAME_BYTES_MAX + 1];
    rk_node_records records = {.cluster = service->config.cluster,
                               .self = service->config.self,
                               .body_bytes_max = service->config.body_bytes_max};
    if (rk_node_control_in_doubt(service->config.control, decider)) {
        q->reply.status = rk_error_set(&q->reply.error, RK_BUSY,
                                       "this node waits to learn from %s whether a change of phase "
                                       "was decided",
                                       decider);
        return RK_OK;
    }
    q->reply.status = attach(service, &records.client, &q->reply.error);
    if (q->reply.status != RK_OK)
        return RK_OK;
    return rk_node_records_answer(&records, q->peer, &q->envelope, &q->reply, &q->body);
}

/* --- workers ---------------------------------------------------------------------------------- */

/* What a worker says a record becomes is written into the store: it has the node's own key, and so
 * the rights of whoever runs the node. */
static rk_status answer_worker(rk_service *service, question *q)
{
    const rk_cluster_node *self = &service->config.cluster->nodes[service->config.self];
    const rk_access_entry *peer = q->peer;
    rk_error *err = &q->reply.error;
    if (peer->role != RK_ROLE_NODE || memcmp(&peer->key, &self->key, sizeof peer->key) != 0) {
        q->reply.status =
            rk_error_set(err, RK_AUTH, "a worker of node %s has the node's own key", self->name);
        return RK_OK;
    }
    rk_status status = rk_leases_answer(service->config.leases, &q->envelope.operation,
                                        q->envelope.body, &q->body, err);
    q->reply.status = status;
    return status == RK_BUSY ? RK_BUSY : RK_OK; /* it comes again, and finds the answer */
}

/* --- one answer ------------------------------------------------------------------------------- */

static rk_status do_it(rk_service *service, question *q)
{
    switch (q->envelope.kind) {
    case RK_REQUEST_PING:
        return RK_OK;
    case RK_REQUEST_CONTROL:
        q->reply.status = rk_node_control_answer(service->config.control, q->peer, q->envelope.body,
                                                 &q->body, &q->reply.error);
        return RK_OK;
    case RK_REQUEST_LEASE:
        return answer_worker(service, q);
    default:
        return answer_records(service, q);
    }
}

static rk_status write_reply(rk_service *service, question *q, rk_buf *out)
{
    q->reply.incarnation = service->incarnation;
    q->reply.body = rk_buf_slice(&q->body);
    return rk_reply_encode(&q->reply, out, NULL);
}

/* Whether doing it twice would be more than doing it once. What is asked of the migration names
 * what it is about, and may be asked again. */
static bool changes(const rk_envelope *envelope)
{
    rk_batch_request batch;
    rk_arena arena;
    bool found = false;
    if (envelope->kind != RK_REQUEST_BATCH)
        return false;
    rk_arena_init(&arena, ARENA_BYTES_MAX);
    if (rk_batch_decode(envelope->body, &arena, &batch, NULL) == RK_OK)
        for (size_t i = 0; i < batch.count && !found; i++)
            found = batch.operations[i].verb != RK_GET;
    rk_arena_fini(&arena);
    return found;
}

/* The same operation id of two peers is two operations. */
static void name_operation(question *q)
{
    rk_digest digest;
    const rk_slice parts[] = {
        rk_slice_of(q->peer->key.bytes, sizeof q->peer->key.bytes),
        rk_slice_of(q->envelope.operation.bytes, sizeof q->envelope.operation.bytes)};
    rk_digest_parts("rekey operation v1", parts, 2, &digest);
    memcpy(q->id.bytes, digest.bytes, sizeof q->id.bytes);
}

/* Keeps the result for repetitions, or, of one that is too long, that there was one. So the
 * table has room for as many results as it has entries, whatever the peers ask. */
static void keep(rk_service *service, question *q, const rk_buf *out)
{
    if (out->len <= KEPT_BYTES_MAX) {
        (void)rk_dedup_finish(service->results, &q->id, rk_buf_slice(out), NULL);
        return;
    }
    rk_buf brief;
    rk_reply reply = {.incarnation = service->incarnation};
    rk_buf_init(&brief, KEPT_BYTES_MAX);
    reply.status = rk_error_set(&reply.error, RK_UNCERTAIN,
                                "it was done; its answer of %zu bytes was not kept", out->len);
    if (rk_reply_encode(&reply, &brief, NULL) == RK_OK)
        (void)rk_dedup_finish(service->results, &q->id, rk_buf_slice(&brief), NULL);
    rk_buf_fini(&brief);
}

/* Done once. RK_BUSY: another thread is at it; the exchange is dropped and comes again. */
static rk_status answer_once(rk_service *service, question *q, rk_buf *out)
{
    rk_dedup_state state;
    rk_slice result;
    name_operation(q);
    pthread_mutex_lock(&service->lock);
    rk_status status = rk_dedup_begin(service->results, &q->id, &state, &result, NULL);
    if (status == RK_OK && state == RK_DEDUP_DONE)
        status = rk_buf_append(out, result, NULL);
    else if (status == RK_OK && state == RK_DEDUP_PENDING)
        status = RK_BUSY;
    pthread_mutex_unlock(&service->lock);
    if (status != RK_OK || state == RK_DEDUP_DONE)
        return status;
    status = do_it(service, q);
    if (status == RK_OK)
        status = write_reply(service, q, out);
    pthread_mutex_lock(&service->lock);
    /* What could not be tried may be tried again under its name. What may have changed something
     * and has no result to keep stays pending, so that it is not done again. */
    if (q->reply.status == RK_BUSY || q->reply.status == RK_FULL)
        rk_dedup_forget(service->results, &q->id);
    else if (status == RK_OK)
        keep(service, q, out);
    pthread_mutex_unlock(&service->lock);
    return status;
}

static bool for_another(const rk_service *service, const rk_incarnation *asked)
{
    static const rk_incarnation any;
    return memcmp(asked, &any, sizeof any) != 0 &&
           memcmp(asked, &service->incarnation, sizeof *asked) != 0;
}

rk_status rk_service_answer(void *context, const rk_access_entry *peer, rk_slice request,
                            rk_buf *reply)
{
    rk_service *service = context;
    question q = {.peer = peer};
    rk_buf_init(&q.body, service->config.body_bytes_max);
    rk_status status = rk_envelope_decode(request, &q.envelope, NULL);
    if (status != RK_OK)
        return status;
    if (for_another(service, &q.envelope.incarnation)) {
        q.reply.status =
            rk_error_set(&q.reply.error, RK_UNCERTAIN,
                         "the node was started anew and does not know whether this was done");
        status = write_reply(service, &q, reply);
    } else if (changes(&q.envelope)) {
        status = answer_once(service, &q, reply);
    } else {
        status = do_it(service, &q);
        if (status == RK_OK)
            status = write_reply(service, &q, reply);
    }
    rk_buf_fini(&q.body);
    return status;
}

/* --- life cycle ------------------------------------------------------------------------------- */

rk_status rk_service_create(const rk_service_config *config, rk_service **out, rk_error *err)
{
    rk_service *service = calloc(1, sizeof *service);
    if (!service || pthread_mutex_init(&service->lock, NULL) != 0) {
        free(service);
        return rk_error_set(err, RK_NOMEM, "node: out of memory");
    }
    service->config = *config;
    rk_random_bytes(service->incarnation.bytes, sizeof service->incarnation.bytes);
    rk_status status = rk_dedup_create(RESULTS_MAX, RESULT_BYTES_MAX, &service->results, err);
    if (status != RK_OK) {
        rk_service_destroy(service);
        return status;
    }
    *out = service;
    return RK_OK;
}

void rk_service_destroy(rk_service *service)
{
    if (!service)
        return;
    rk_client_close(service->client);
    rk_dedup_destroy(service->results);
    pthread_mutex_destroy(&service->lock);
    free(service);
}
