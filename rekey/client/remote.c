/* remote.c: a client on the nodes of a cluster: life cycle, and batches as one request each. */
#include <stdlib.h>

#include "rekey/client/remote_private.h"

#define SCHEMA_TIMEOUT_MS_MIN 500u

/* --- calls ------------------------------------------------------------------------------------ */

rk_status rki_remote_refused(const rk_link_answer *answer, rk_error *err)
{
    if (err && answer->reply.error.message[0] != '\0')
        *err = answer->reply.error;
    return answer->reply.status;
}

static rk_status call(const rki_remote *client, size_t position, rk_request_kind kind,
                      rk_slice body, bool reads, rk_link_answer *answer, rk_error *err)
{
    const rki_carry *carry = &client->carry;
    return carry->call(carry->context, position, kind, body, reads, carry->timeout_ms, answer, err);
}

rk_status rki_remote_read(const rki_remote *client, rk_slice tenant, rk_request_kind kind,
                          rk_slice body, rk_link_answer *answer, rk_error *err)
{
    size_t position = rk_cluster_owner(client->carry.cluster, tenant);
    rk_status status = call(client, position, kind, body, true, answer, err);
    if (status == RK_OK && answer->reply.status == RK_UNCERTAIN)
        answer->reply.status = RK_TIMEOUT;
    return status == RK_UNCERTAIN ? RK_TIMEOUT : status;
}

/* --- batches ---------------------------------------------------------------------------------- */

typedef struct exchange {
    const rki_remote *client;
    rk_batch_request batch;
    bool writes;
    rk_buf request;
    rk_link_answer answer;
} exchange;

/* No message can say these. */
static rk_status check_verbs(const rk_batch_request *batch, size_t *failed, rk_error *err)
{
    for (size_t i = 0; i < batch->count; i++) {
        int verb = (int)batch->operations[i].verb;
        if (verb >= RK_GET && verb <= RK_DELETE)
            continue;
        *failed = i;
        rk_error_set(err, RK_INVALID, "%d is no verb of a batch", verb);
        return rki_batch_context(err, RK_INVALID, batch->operations, batch->count, i);
    }
    return RK_OK;
}

static rk_status encode(exchange *e, rk_error *err)
{
    rk_error why = {0};
    rk_status status = rk_batch_encode(&e->batch, &e->request, &why);
    if (status == RK_LIMIT)
        return rk_error_set(err, status,
                            "what is asked is longer than the %zu bytes that a node takes at once",
                            e->client->carry.body_bytes_max);
    if (status != RK_OK && err)
        *err = why;
    return status;
}

static rk_status carry_out(exchange *e, rk_error *err)
{
    const rki_remote *client = e->client;
    rk_slice tenant = e->batch.scope.tenant;
    rk_slice body = rk_buf_slice(&e->request);
    if (!e->writes)
        return rki_remote_read(client, tenant, RK_REQUEST_BATCH, body, &e->answer, err);
    return call(client, rk_cluster_owner(client->carry.cluster, tenant), RK_REQUEST_BATCH, body,
                false, &e->answer, err);
}

/* An answer that cannot be read says nothing about what was done. */
static rk_status read_results(exchange *e, size_t *failed, rk_error *err)
{
    const rk_reply *reply = &e->answer.reply;
    rk_batch_request *batch = &e->batch;
    rk_status status = RK_OK;
    *failed = batch->count;
    if (reply->status == RK_OK || reply->body.len > 0)
        status = rk_batch_result_decode(reply->body, reply->status, batch->operations, batch->count,
                                        failed, err);
    if (status == RK_CORRUPT && e->writes)
        return rk_error_context(err, RK_UNCERTAIN, "the node answered, but");
    return status == RK_OK ? rki_remote_refused(&e->answer, err) : status;
}

static void begin(exchange *e)
{
    for (size_t i = 0; i < e->batch.count; i++) {
        e->batch.operations[i].status = RK_OK;
        e->batch.operations[i].found = (rk_value){0};
    }
    rk_buf_init(&e->request, e->client->carry.body_bytes_max);
}

static rk_status remote_batch(rk_client *of, const rk_scope *scope, rk_operation *operations,
                              size_t count, bool is_single, size_t *failed, rk_error *err)
{
    exchange e = {.client = (const rki_remote *)of,
                  .batch = {*scope, operations, count, is_single},
                  .writes = !rki_only_gets(operations, count)};
    begin(&e);
    *failed = count;
    if (e.writes && e.client->read_only)
        return rki_refuse_write(err);
    rk_status status = check_verbs(&e.batch, failed, err);
    if (status == RK_OK)
        status = encode(&e, err);
    if (status == RK_OK)
        status = carry_out(&e, err);
    if (status == RK_OK)
        status = read_results(&e, failed, err);
    rk_buf_fini(&e.request);
    rk_link_answer_fini(&e.answer);
    return status;
}

/* --- life cycle ------------------------------------------------------------------------------- */

/* Comparing is the node's business, and so are its sums. */
static rk_comparisons no_comparisons(rk_client *client)
{
    (void)client;
    return (rk_comparisons){0};
}

static bool holds_json(rk_client *client)
{
    return ((const rki_remote *)client)->holds_json;
}

static void close_remote(rk_client *of)
{
    rki_remote *client = (rki_remote *)of;
    client->carry.close(client->carry.context);
    free(client);
}

static const rki_client_ops remote_ops = {
    .batch = remote_batch,
    .ask = rki_remote_ask,
    .comparisons = no_comparisons,
    .holds_json = holds_json,
    .close = close_remote,
};

static rk_status ask_schema(rki_remote *client, size_t position, uint32_t timeout_ms, rk_error *err)
{
    const rki_carry *carry = &client->carry;
    rk_link_answer answer = {0};
    rk_schema schema = {0};
    rk_status status = carry->call(carry->context, position, RK_REQUEST_SCHEMA, RK_SLICE_EMPTY,
                                   true, timeout_ms, &answer, err);
    if (status == RK_OK && answer.reply.status != RK_OK) {
        status = answer.reply.status;
        if (err)
            *err = answer.reply.error;
        rk_error_context(err, status, "node %s", carry->cluster->nodes[position].name);
    } else if (status == RK_OK) {
        status = rk_schema_decode(answer.reply.body, &schema, err);
    }
    if (status == RK_OK)
        client->holds_json = schema.holds_json;
    rk_link_answer_fini(&answer);
    return status;
}

/* The first node that answers; one that is away, or busy, says nothing about us. All of them
 * together have the time of one call. */
static rk_status find_schema(rki_remote *client, rk_error *err)
{
    size_t count = client->carry.cluster->node_count;
    uint32_t share_ms = client->carry.timeout_ms / (uint32_t)count;
    rk_status status = RK_TIMEOUT;
    bool goes_on = true;
    if (share_ms < SCHEMA_TIMEOUT_MS_MIN)
        share_ms = SCHEMA_TIMEOUT_MS_MIN;
    for (size_t i = 0; i < count && goes_on; i++) {
        status = ask_schema(client, i, share_ms, err);
        goes_on = status == RK_TIMEOUT || status == RK_UNCERTAIN || status == RK_BUSY;
    }
    return status == RK_UNCERTAIN ? RK_TIMEOUT : status;
}

rk_status rki_remote_create(const rki_carry *carry, const rk_client_options *options,
                            rk_client **out, rk_error *err)
{
    rk_error why = {0};
    rki_remote *client = calloc(1, sizeof *client);
    if (!client)
        return rk_error_set(err, RK_NOMEM, "client: out of memory");
    *client = (rki_remote){.head = {&remote_ops}, .carry = *carry, .read_only = options->read_only};
    rk_status status = find_schema(client, &why);
    if (status != RK_OK) {
        free(client);
        if (err)
            *err = why;
        return status;
    }
    *out = &client->head;
    return RK_OK;
}

/* --- over a link ------------------------------------------------------------------------------ */

static rk_status call_link(void *context, size_t position, rk_request_kind kind, rk_slice body,
                           bool is_repeatable, uint32_t timeout_ms, rk_link_answer *answer,
                           rk_error *err)
{
    return rk_link_call(context, position, kind, body, is_repeatable, timeout_ms, answer, err);
}

static void close_link(void *context)
{
    rk_link_close(context);
}

rk_status rki_remote_open(const char *path, const rk_client_options *options, rk_client **out,
                          rk_error *err)
{
    const rk_link_options how = {.identity = options->identity, .timeout_ms = options->timeout_ms};
    rk_link *link = NULL;
    rk_status status = rk_link_open(path, &how, &link, NULL, err);
    if (status != RK_OK)
        return rk_error_context(err, status, "open cluster");
    rki_carry carry = {.context = link,
                       .cluster = rk_link_cluster(link),
                       .body_bytes_max = rk_link_body_bytes_max(link),
                       .timeout_ms = how.timeout_ms ? how.timeout_ms : RK_LINK_TIMEOUT_MS,
                       .call = call_link,
                       .close = close_link};
    status = rki_remote_create(&carry, options, out, err);
    if (status == RK_OK)
        return status;
    rk_link_close(link);
    return rk_error_context(err, status, "open cluster %s", path);
}
