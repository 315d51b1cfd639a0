/* Any bytes as each message of the protocol. The first byte says which. What is read is written
 * again, and those bytes are the ones that were read: a message has one form. */
#include <stdlib.h>

#include "rekey/protocol/protocol.h"

#define ARENA_FACTOR   32 /* "a small multiple" of protocol.h */
#define ARENA_AT_LEAST 4096

enum {
    ENVELOPE,
    REPLY,
    BATCH,
    RESULT,
    FAILED,
    QUESTION,
    PAGE,
    SCHEMA,
    LEASE_REQUEST,
    LEASE_REPLY,
    KIND_COUNT
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static rk_status read_results(rk_slice bytes, rk_buf *again, rk_error *err)
{
    rk_operation operations[3] = {{.verb = RK_GET}, {.verb = RK_PUT}, {.verb = RK_DELETE}};
    rk_batch_request batch = {.operations = operations, .count = 3};
    size_t failed = 0;
    rk_status status = rk_batch_result_decode(bytes, RK_OK, operations, 3, &failed, err);
    if (status == RK_OK)
        check(rk_batch_result_encode(&batch, RK_OK, failed, again, NULL) == RK_OK);
    else
        check(operations[0].found.memory == NULL);
    free(operations[0].found.memory);
    return status;
}

static rk_status read_records(int kind, rk_slice bytes, rk_arena *arena, rk_buf *again,
                              rk_error *err)
{
    rk_batch_request batch;
    rk_page_request question;
    rk_page_result page;
    rk_status status = RK_OK;
    if (kind == BATCH) {
        status = rk_batch_decode(bytes, arena, &batch, err);
        if (status == RK_OK)
            check(rk_batch_encode(&batch, again, NULL) == RK_OK);
    } else if (kind == QUESTION) {
        status = rk_page_decode(bytes, arena, &question, err);
        if (status == RK_OK)
            check(rk_page_encode(&question, again, NULL) == RK_OK);
    } else {
        status = rk_page_result_decode(bytes, arena, &page, err);
        if (status == RK_OK)
            check(rk_page_result_encode(&page, again, NULL) == RK_OK);
    }
    return status;
}

static rk_status read_rest(int kind, rk_slice bytes, rk_buf *again, rk_error *err)
{
    rk_envelope envelope;
    rk_reply reply;
    rk_schema schema;
    size_t failed = 0;
    rk_status status = RK_OK;
    if (kind == ENVELOPE) {
        status = rk_envelope_decode(bytes, &envelope, err);
        if (status == RK_OK)
            check(rk_envelope_encode(&envelope, again, NULL) == RK_OK);
    } else if (kind == REPLY) {
        status = rk_reply_decode(bytes, &reply, err);
        if (status == RK_OK)
            check(rk_reply_encode(&reply, again, NULL) == RK_OK);
    } else if (kind == SCHEMA) {
        status = rk_schema_decode(bytes, &schema, err);
        if (status == RK_OK)
            check(rk_schema_encode(&schema, again, NULL) == RK_OK);
    } else {
        status = rk_batch_result_decode(bytes, RK_BUSY, NULL, 3, &failed, err);
        if (status == RK_OK)
            check(rk_batch_result_encode(NULL, RK_BUSY, failed, again, NULL) == RK_OK);
    }
    return status;
}

static rk_status read_lease(int kind, rk_slice bytes, rk_buf *again, rk_error *err)
{
    rk_lease_request request;
    rk_lease_reply reply;
    rk_status status;
    if (kind == LEASE_REQUEST) {
        status = rk_lease_request_decode(bytes, &request, err);
        if (status == RK_OK)
            check(rk_lease_request_encode(&request, again, NULL) == RK_OK);
    } else {
        status = rk_lease_reply_decode(bytes, &reply, err);
        if (status == RK_OK)
            check(rk_lease_reply_encode(&reply, again, NULL) == RK_OK);
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_arena arena;
    rk_buf again;
    rk_error err = {0};
    rk_status status;
    if (size == 0)
        return 0;
    int kind = data[0] % KIND_COUNT;
    rk_slice bytes = rk_slice_of(data + 1, size - 1);
    rk_arena_init(&arena, ARENA_FACTOR * bytes.len + ARENA_AT_LEAST);
    rk_buf_init(&again, bytes.len);
    if (kind == RESULT)
        status = read_results(bytes, &again, &err);
    else if (kind == BATCH || kind == QUESTION || kind == PAGE)
        status = read_records(kind, bytes, &arena, &again, &err);
    else if (kind == LEASE_REQUEST || kind == LEASE_REPLY)
        status = read_lease(kind, bytes, &again, &err);
    else
        status = read_rest(kind, bytes, &again, &err);
    check(status == RK_OK || status == RK_CORRUPT);
    check((status == RK_OK) == (err.message[0] == '\0'));
    if (status == RK_OK)
        check(rk_slice_equal(rk_buf_slice(&again), bytes));
    rk_buf_fini(&again);
    rk_arena_fini(&arena);
    return 0;
}
