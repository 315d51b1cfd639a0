#include "tests/unit/client/far.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void far_init(far *f, bench *b)
{
    *f = (far){.nodes = {{.name = "n1"}, {.name = "n2"}, {.name = "n3"}}};
    f->cluster = (rk_cluster){.name = "test", .nodes = f->nodes, .node_count = 3};
    f->peer = (rk_access_entry){
        .role = RK_ROLE_CLIENT, .name = "app", .tenants = {.all = true}, .capsules = {.all = true}};
    f->records = (rk_node_records){.client = b->client,
                                   .cluster = &f->cluster,
                                   .self = rk_cluster_owner(&f->cluster, rk_slice_str("t1")),
                                   .body_bytes_max = FAR_BODY_BYTES_MAX};
}

/* What the node makes of the bytes of a request; the bytes of its reply in `out`. */
static void serve(const far *f, size_t position, rk_slice request, rk_buf *out)
{
    rk_node_records records = f->records;
    rk_envelope envelope;
    rk_reply reply = {0};
    rk_buf body;
    rk_buf_init(&body, records.body_bytes_max);
    records.self = position;
    assert_int_equal(rk_envelope_decode(request, &envelope, NULL), RK_OK);
    assert_int_equal(rk_node_records_answer(&records, &f->peer, &envelope, &reply, &body), RK_OK);
    assert_true(body.len <= records.body_bytes_max);
    reply.body = rk_buf_slice(&body);
    if (f->fault == FAR_FORGOTTEN)
        reply = (rk_reply){.status = RK_UNCERTAIN, .error = {.message = "started anew"}};
    if (f->fault == FAR_GARBAGE)
        reply.body = RK_SLICE_LITERAL("?!");
    assert_int_equal(rk_reply_encode(&reply, out, NULL), RK_OK);
    rk_buf_fini(&body);
}

static rk_status call(void *context, size_t position, rk_request_kind kind, rk_slice body,
                      bool is_repeatable, uint32_t timeout_ms, rk_link_answer *answer,
                      rk_error *err)
{
    far *f = context;
    far_fault fault = f->fault != FAR_FINE ? f->fault : f->node_fault[position];
    rk_envelope envelope = {.kind = kind, .body = body};
    rk_buf request;
    assert_true(timeout_ms > 0);
    f->repeatable = is_repeatable;
    f->calls++;
    if (fault == FAR_TIMEOUT)
        return rk_error_set(err, RK_TIMEOUT, "node %s is away", f->nodes[position].name);
    if (fault == FAR_REFUSED)
        return rk_error_set(err, RK_AUTH, "node %s refused", f->nodes[position].name);
    rk_buf_init(&request, FAR_BODY_BYTES_MAX + 1024);
    rk_buf_init(&answer->bytes, FAR_BODY_BYTES_MAX + 1024);
    assert_int_equal(rk_envelope_encode(&envelope, &request, NULL), RK_OK);
    serve(f, position, rk_buf_slice(&request), &answer->bytes);
    rk_buf_fini(&request);
    assert_int_equal(rk_reply_decode(rk_buf_slice(&answer->bytes), &answer->reply, NULL), RK_OK);
    if (fault == FAR_UNCERTAIN)
        return rk_error_set(err, RK_UNCERTAIN, "node %s: no answer", f->nodes[position].name);
    return RK_OK;
}

static void count_close(void *context)
{
    ((far *)context)->closed++;
}

rk_status far_open(far *f, const rk_client_options *options, rk_error *err)
{
    static const rk_client_options usual = {0};
    const rki_carry carry = {.context = f,
                             .cluster = &f->cluster,
                             .body_bytes_max = FAR_BODY_BYTES_MAX,
                             .timeout_ms = 1000,
                             .call = call,
                             .close = count_close};
    return rki_remote_create(&carry, options ? options : &usual, &f->client, err);
}

void far_close(far *f)
{
    rk_client_close(f->client);
    f->client = NULL;
}
