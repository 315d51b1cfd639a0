/* Messages there and back, every message cut short at every byte, and bytes behind its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rekey/protocol/protocol.h"

#define BYTES_MAX ((size_t)64 * 1024)

static const rk_id ids[] = {{"contract_id", {(const uint8_t *)"c-17", 4}},
                            {"empty", {NULL, 0}},
                            {"", {(const uint8_t *)"\0\xff", 2}}};

/* --- what is sent ----------------------------------------------------------------------------- */

static rk_envelope sample_envelope(void)
{
    rk_envelope envelope = {.kind = RK_REQUEST_CONTROL, .body = RK_SLICE_LITERAL("{}")};
    memset(envelope.operation.bytes, 0x11, RK_PROTOCOL_ID_BYTES);
    memset(envelope.incarnation.bytes, 0x22, RK_PROTOCOL_ID_BYTES);
    return envelope;
}

static rk_reply sample_reply(void)
{
    rk_reply reply = {.status = RK_CONFLICT,
                      .error = {RK_ORIGIN_LMDB, -30781, "put Contract: it is not there"},
                      .body = RK_SLICE_LITERAL("body")};
    memset(reply.incarnation.bytes, 0x33, RK_PROTOCOL_ID_BYTES);
    return reply;
}

static rk_operation operations[] = {
    {.verb = RK_GET, .entity = "Contract", .ids = ids, .id_count = 3},
    {.verb = RK_PUT, .entity = "", .ids = ids, .id_count = 1, .value = {(const uint8_t *)"v", 1}},
    {.verb = RK_PUT_IF_ABSENT, .entity = "Config", .value = {NULL, 0}},
    {.verb = RK_COMPARE_AND_PUT,
     .entity = "Config",
     .value = {(const uint8_t *)"new", 3},
     .expected = {(const uint8_t *)"old", 3}},
    {.verb = RK_DELETE, .entity = "Item", .ids = ids, .id_count = 2},
};
#define OPERATION_COUNT (sizeof operations / sizeof *operations)

static const rk_batch_request batch = {
    .scope = {{(const uint8_t *)"acme", 4}, {(const uint8_t *)"PRODUS", 6}},
    .operations = operations,
    .count = OPERATION_COUNT,
};

static const rk_page_request question = {
    .scope = {{(const uint8_t *)"acme", 4}, {(const uint8_t *)"PRODUS", 6}},
    .entity = "Contract",
    .index = "gsi1",
    .where = ids,
    .where_count = 3,
    .after = {(const uint8_t *)"\x01\x02", 2},
    .rows_max = RK_PAGE_ROWS_MAX,
    .bytes_max = 4096,
};

static rk_page_row rows[] = {
    {.row = {ids, 1, {(const uint8_t *)"one", 3}}, .position = {(const uint8_t *)"p1", 2}},
    {.row = {ids, 0, {NULL, 0}}, .position = {(const uint8_t *)"p2", 2}},
};

static const rk_page_result page = {.start = {(const uint8_t *)"p0", 2}, .rows = rows, .count = 2};

static rk_operation asked[] = {
    {.verb = RK_GET, .status = RK_OK, .found = {.bytes = {(const uint8_t *)"value", 5}}},
    {.verb = RK_GET, .status = RK_NOT_FOUND},
    {.verb = RK_GET, .status = RK_OK},
    {.verb = RK_PUT, .status = RK_OK},
    {.verb = RK_DELETE, .status = RK_NOT_FOUND},
};
#define ASKED_COUNT (sizeof asked / sizeof *asked)

static const rk_batch_request answered = {.operations = asked, .count = ASKED_COUNT};

/* --- each kind of message --------------------------------------------------------------------- */

static rk_status write_envelope(rk_buf *out)
{
    rk_envelope envelope = sample_envelope();
    return rk_envelope_encode(&envelope, out, NULL);
}

static rk_status read_envelope(rk_slice bytes, rk_arena *arena, rk_error *err)
{
    rk_envelope envelope;
    (void)arena;
    return rk_envelope_decode(bytes, &envelope, err);
}

static rk_status write_reply(rk_buf *out)
{
    rk_reply reply = sample_reply();
    return rk_reply_encode(&reply, out, NULL);
}

static rk_status read_reply(rk_slice bytes, rk_arena *arena, rk_error *err)
{
    rk_reply reply;
    (void)arena;
    return rk_reply_decode(bytes, &reply, err);
}

static rk_status write_batch(rk_buf *out)
{
    return rk_batch_encode(&batch, out, NULL);
}

static rk_status read_batch(rk_slice bytes, rk_arena *arena, rk_error *err)
{
    rk_batch_request read;
    return rk_batch_decode(bytes, arena, &read, err);
}

static rk_status write_results(rk_buf *out)
{
    return rk_batch_result_encode(&answered, RK_OK, 0, out, NULL);
}

static void free_found(rk_operation *read, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(read[i].found.memory);
}

static rk_status read_results(rk_slice bytes, rk_arena *arena, rk_error *err)
{
    rk_operation read[ASKED_COUNT] = {0};
    size_t failed = 77;
    (void)arena;
    for (size_t i = 0; i < ASKED_COUNT; i++)
        read[i].verb = asked[i].verb;
    rk_status status = rk_batch_result_decode(bytes, RK_OK, read, ASKED_COUNT, &failed, err);
    if (status != RK_OK)
        assert_int_equal(failed, 77);
    for (size_t i = 0; status != RK_OK && i < ASKED_COUNT; i++)
        assert_null(read[i].found.memory);
    free_found(read, ASKED_COUNT);
    return status;
}

static rk_status write_failed(rk_buf *out)
{
    return rk_batch_result_encode(&answered, RK_BUSY, 3, out, NULL);
}

static rk_status read_failed(rk_slice bytes, rk_arena *arena, rk_error *err)
{
    size_t failed = 0;
    (void)arena;
    return rk_batch_result_decode(bytes, RK_BUSY, NULL, ASKED_COUNT, &failed, err);
}

static rk_status write_question(rk_buf *out)
{
    return rk_page_encode(&question, out, NULL);
}

static rk_status read_question(rk_slice bytes, rk_arena *arena, rk_error *err)
{
    rk_page_request read;
    return rk_page_decode(bytes, arena, &read, err);
}

static rk_status write_page(rk_buf *out)
{
    return rk_page_result_encode(&page, out, NULL);
}

static rk_status read_page(rk_slice bytes, rk_arena *arena, rk_error *err)
{
    rk_page_result read;
    return rk_page_result_decode(bytes, arena, &read, err);
}

static rk_status write_schema(rk_buf *out)
{
    const rk_schema schema = {.holds_json = true};
    return rk_schema_encode(&schema, out, NULL);
}

static rk_status read_schema(rk_slice bytes, rk_arena *arena, rk_error *err)
{
    rk_schema schema;
    (void)arena;
    return rk_schema_decode(bytes, &schema, err);
}

static const rk_lease_request lease_request = {.worker = {{0x44}},
                                               .has_result = true,
                                               .lease = {{0x55}},
                                               .result = {(const uint8_t *)"result", 6}};

static rk_status write_lease_request(rk_buf *out)
{
    return rk_lease_request_encode(&lease_request, out, NULL);
}

static rk_status read_lease_request(rk_slice bytes, rk_arena *arena, rk_error *err)
{
    rk_lease_request read;
    (void)arena;
    return rk_lease_request_decode(bytes, &read, err);
}

static const rk_lease_reply lease_reply = {.fate = RK_LEASE_STALE,
                                           .has_offer = true,
                                           .lease = {{0x66}},
                                           .offer = {(const uint8_t *)"offer", 5}};

static rk_status write_lease_reply(rk_buf *out)
{
    return rk_lease_reply_encode(&lease_reply, out, NULL);
}

static rk_status read_lease_reply(rk_slice bytes, rk_arena *arena, rk_error *err)
{
    rk_lease_reply read;
    (void)arena;
    return rk_lease_reply_decode(bytes, &read, err);
}

static const struct {
    const char *name;
    rk_status (*write)(rk_buf *out);
    rk_status (*read)(rk_slice bytes, rk_arena *arena, rk_error *err);
} messages[] = {
    {"envelope", write_envelope, read_envelope},
    {"reply", write_reply, read_reply},
    {"batch", write_batch, read_batch},
    {"results of a batch", write_results, read_results},
    {"failed batch", write_failed, read_failed},
    {"question", write_question, read_question},
    {"page", write_page, read_page},
    {"schema", write_schema, read_schema},
    {"request for a lease", write_lease_request, read_lease_request},
    {"lease", write_lease_reply, read_lease_reply},
};
#define MESSAGE_COUNT (sizeof messages / sizeof *messages)

/* --- cut short, and longer -------------------------------------------------------------------- */

/* The bytes stand alone in memory of their own size, so that sanitizers see a read past them. */
static rk_status read_alone(size_t which, rk_slice bytes, rk_error *err)
{
    rk_arena arena;
    uint8_t *copy = malloc(bytes.len + 1);
    assert_non_null(copy);
    if (bytes.len > 0)
        memcpy(copy + 1, bytes.ptr, bytes.len);
    rk_arena_init(&arena, BYTES_MAX);
    rk_status status = messages[which].read(rk_slice_of(copy + 1, bytes.len), &arena, err);
    rk_arena_fini(&arena);
    free(copy);
    return status;
}

static void test_truncations(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        rk_buf bytes;
        rk_error err = {0};
        print_message("  %s\n", messages[i].name);
        rk_buf_init(&bytes, BYTES_MAX);
        assert_int_equal(messages[i].write(&bytes), RK_OK);
        assert_int_equal(read_alone(i, rk_buf_slice(&bytes), &err), RK_OK);
        assert_string_equal(err.message, "");
        for (size_t len = 0; len < bytes.len; len++) {
            err.message[0] = '\0';
            assert_int_equal(read_alone(i, rk_slice_of(bytes.ptr, len), &err), RK_CORRUPT);
            assert_string_not_equal(err.message, "");
        }
        assert_int_equal(rk_put_u8(&bytes, 0, NULL), RK_OK);
        assert_int_equal(read_alone(i, rk_buf_slice(&bytes), &err), RK_CORRUPT);
        rk_buf_fini(&bytes);
    }
}

/* Any byte as any other: no crash, and no more memory than the arena gives. */
static void test_changed_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        rk_buf bytes;
        rk_buf_init(&bytes, BYTES_MAX);
        assert_int_equal(messages[i].write(&bytes), RK_OK);
        for (size_t at = 0; at < bytes.len; at++) {
            uint8_t before = bytes.ptr[at];
            for (int flip = 1; flip < 256; flip = flip * 2 + 1) {
                bytes.ptr[at] = (uint8_t)(before ^ flip);
                rk_status status = read_alone(i, rk_buf_slice(&bytes), NULL);
                assert_true(status == RK_OK || status == RK_CORRUPT);
            }
            bytes.ptr[at] = before;
        }
        rk_buf_fini(&bytes);
    }
}

/* What does not fit takes nothing of the buffer. */
static void test_no_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGE_COUNT; i++) {
        rk_buf bytes;
        size_t whole;
        rk_buf_init(&bytes, BYTES_MAX);
        assert_int_equal(messages[i].write(&bytes), RK_OK);
        whole = bytes.len;
        for (size_t most = 0; most < whole; most++) {
            rk_buf narrow;
            rk_buf_init(&narrow, most);
            assert_int_equal(messages[i].write(&narrow), RK_LIMIT);
            assert_int_equal(narrow.len, 0);
            rk_buf_fini(&narrow);
        }
        rk_buf_fini(&bytes);
    }
}

/* --- there and back --------------------------------------------------------------------------- */

static void assert_slice(rk_slice left, rk_slice right)
{
    assert_true(rk_slice_equal(left, right));
}

static void assert_ids(const rk_id *left, size_t left_count, const rk_id *right, size_t right_count)
{
    assert_int_equal(left_count, right_count);
    for (size_t i = 0; i < left_count; i++) {
        assert_string_equal(left[i].name, right[i].name);
        assert_slice(left[i].value, right[i].value);
    }
}

static void test_envelopes(void **state)
{
    (void)state;
    for (int kind = RK_REQUEST_PING; kind <= RK_REQUEST_KIND_MAX; kind++) {
        rk_envelope sent = sample_envelope();
        rk_envelope read;
        rk_buf bytes;
        sent.kind = (rk_request_kind)kind;
        rk_buf_init(&bytes, BYTES_MAX);
        assert_int_equal(rk_envelope_encode(&sent, &bytes, NULL), RK_OK);
        assert_int_equal(rk_envelope_decode(rk_buf_slice(&bytes), &read, NULL), RK_OK);
        assert_int_equal(read.kind, kind);
        assert_memory_equal(&read.operation, &sent.operation, sizeof read.operation);
        assert_memory_equal(&read.incarnation, &sent.incarnation, sizeof read.incarnation);
        assert_slice(read.body, sent.body);
        for (int bad = 0; bad < 256; bad++) {
            bytes.ptr[33] = (uint8_t)bad;
            bool known = bad >= RK_REQUEST_PING && bad <= RK_REQUEST_KIND_MAX;
            assert_int_equal(rk_envelope_decode(rk_buf_slice(&bytes), &read, NULL),
                             known ? RK_OK : RK_CORRUPT);
        }
        bytes.ptr[33] = (uint8_t)kind;
        bytes.ptr[0] = 2; /* another version */
        assert_int_equal(rk_envelope_decode(rk_buf_slice(&bytes), &read, NULL), RK_CORRUPT);
        rk_buf_fini(&bytes);
    }
}

/* The numbers of specs/protocol.md. */
static void test_statuses(void **state)
{
    (void)state;
    static const struct {
        rk_status status;
        uint8_t number;
    } cases[] = {
        {RK_OK, 0},      {RK_NOT_FOUND, 1}, {RK_CONFLICT, 2}, {RK_BUSY, 3}, {RK_FULL, 4},
        {RK_TIMEOUT, 5}, {RK_UNCERTAIN, 6}, {RK_CORRUPT, 7},  {RK_AUTH, 8}, {RK_INVALID, 9},
        {RK_LIMIT, 10},  {RK_NOMEM, 11},    {RK_IO, 12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rk_reply sent = sample_reply();
        rk_reply read;
        rk_buf bytes;
        sent.status = cases[i].status;
        rk_buf_init(&bytes, BYTES_MAX);
        assert_int_equal(rk_reply_encode(&sent, &bytes, NULL), RK_OK);
        assert_int_equal(bytes.ptr[17], cases[i].number);
        assert_int_equal(rk_reply_decode(rk_buf_slice(&bytes), &read, NULL), RK_OK);
        assert_int_equal(read.status, cases[i].status);
        assert_string_equal(read.error.message, cases[i].status == RK_OK ? "" : sent.error.message);
        assert_int_equal(read.error.native, cases[i].status == RK_OK ? 0 : -30781);
        bytes.ptr[17] = 13;
        assert_int_equal(rk_reply_decode(rk_buf_slice(&bytes), &read, NULL), RK_CORRUPT);
        rk_buf_fini(&bytes);
    }
}

/* What is shown to people is one line that fits. */
static void test_messages_of_errors(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t len;
        char odd;
        rk_status status;
    } cases[] = {
        {"longest", RK_ERROR_MESSAGE_BYTES - 1, 'x', RK_OK},
        {"too long", RK_ERROR_MESSAGE_BYTES, 'x', RK_CORRUPT},
        {"two lines", 10, '\n', RK_CORRUPT},
        {"carriage return", 10, '\r', RK_CORRUPT},
        {"NUL", 10, '\0', RK_CORRUPT},
        {"other bytes", 10, '\xff', RK_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[RK_ERROR_MESSAGE_BYTES];
        rk_reply read;
        rk_buf bytes;
        print_message("  %s\n", cases[i].name);
        memset(message, 'x', sizeof message);
        message[cases[i].len / 2] = cases[i].odd;
        rk_buf_init(&bytes, BYTES_MAX);
        rk_put_u8(&bytes, 1, NULL);
        for (int zero = 0; zero < RK_PROTOCOL_ID_BYTES; zero++)
            rk_put_u8(&bytes, 0, NULL);
        rk_put_u8(&bytes, 2, NULL); /* RK_CONFLICT */
        rk_put_u8(&bytes, 0, NULL);
        rk_put_u32(&bytes, 0, NULL);
        rk_put_bytes(&bytes, rk_slice_of(message, cases[i].len), NULL);
        rk_put_bytes(&bytes, RK_SLICE_EMPTY, NULL);
        assert_int_equal(rk_reply_decode(rk_buf_slice(&bytes), &read, NULL), cases[i].status);
        rk_buf_fini(&bytes);
    }
}

static void test_batches(void **state)
{
    (void)state;
    rk_buf bytes;
    rk_arena arena;
    rk_batch_request read;
    rk_buf_init(&bytes, BYTES_MAX);
    rk_arena_init(&arena, BYTES_MAX);
    assert_int_equal(rk_batch_encode(&batch, &bytes, NULL), RK_OK);
    assert_int_equal(rk_batch_decode(rk_buf_slice(&bytes), &arena, &read, NULL), RK_OK);
    assert_slice(read.scope.tenant, batch.scope.tenant);
    assert_slice(read.scope.capsule, batch.scope.capsule);
    assert_false(read.is_single);
    assert_int_equal(read.count, OPERATION_COUNT);
    for (size_t i = 0; i < OPERATION_COUNT; i++) {
        assert_int_equal(read.operations[i].verb, operations[i].verb);
        assert_string_equal(read.operations[i].entity, operations[i].entity);
        assert_ids(read.operations[i].ids, read.operations[i].id_count, operations[i].ids,
                   operations[i].id_count);
        assert_slice(read.operations[i].value, operations[i].value);
        assert_slice(read.operations[i].expected, operations[i].expected);
        assert_int_equal(read.operations[i].status, RK_OK);
        assert_null(read.operations[i].found.memory);
    }
    rk_arena_fini(&arena);
    rk_buf_fini(&bytes);
}

/* NULL names are sent as empty ones, as a local client takes them. */
/* What is empty is not sent. */
static void test_leases(void **state)
{
    (void)state;
    rk_buf bytes;
    rk_lease_request request = {.worker = {{1}}, .leaves = true};
    rk_lease_reply reply = {.fate = RK_LEASE_TAKEN, .pause_ms = 100};
    rk_buf_init(&bytes, BYTES_MAX);
    assert_int_equal(rk_lease_request_encode(&request, &bytes, NULL), RK_OK);
    assert_int_equal(bytes.len, RK_PROTOCOL_ID_BYTES + 2);
    assert_int_equal(rk_lease_request_decode(rk_buf_slice(&bytes), &request, NULL), RK_OK);
    assert_true(request.leaves && !request.has_result && request.result.len == 0);
    bytes.ptr[RK_PROTOCOL_ID_BYTES] = 2;
    assert_int_equal(rk_lease_request_decode(rk_buf_slice(&bytes), &request, NULL), RK_CORRUPT);
    rk_buf_reset(&bytes);
    assert_int_equal(rk_lease_reply_encode(&reply, &bytes, NULL), RK_OK);
    assert_int_equal(bytes.len, 6);
    assert_int_equal(rk_lease_reply_decode(rk_buf_slice(&bytes), &reply, NULL), RK_OK);
    assert_true(reply.fate == RK_LEASE_TAKEN && !reply.has_offer && reply.pause_ms == 100);
    bytes.ptr[0] = 3;
    assert_int_equal(rk_lease_reply_decode(rk_buf_slice(&bytes), &reply, NULL), RK_CORRUPT);
    rk_buf_reset(&bytes);
    assert_int_equal(write_lease_request(&bytes), RK_OK);
    assert_int_equal(rk_lease_request_decode(rk_buf_slice(&bytes), &request, NULL), RK_OK);
    assert_memory_equal(&request.lease, &lease_request.lease, sizeof request.lease);
    assert_true(rk_slice_equal(request.result, lease_request.result));
    rk_buf_fini(&bytes);
}

static void test_names(void **state)
{
    (void)state;
    rk_id nameless = {NULL, RK_SLICE_LITERAL("v")};
    rk_operation operation = {.verb = RK_GET, .ids = &nameless, .id_count = 1};
    rk_batch_request sent = {.operations = &operation, .count = 1, .is_single = true};
    rk_batch_request read;
    rk_buf bytes;
    rk_arena arena;
    rk_error err = {0};
    rk_buf_init(&bytes, BYTES_MAX);
    rk_arena_init(&arena, BYTES_MAX);
    assert_int_equal(rk_batch_encode(&sent, &bytes, NULL), RK_OK);
    assert_int_equal(rk_batch_decode(rk_buf_slice(&bytes), &arena, &read, NULL), RK_OK);
    assert_true(read.is_single);
    assert_string_equal(read.operations[0].entity, "");
    assert_string_equal(read.operations[0].ids[0].name, "");
    /* A name with NUL in it would be another one in C. */
    rk_buf_reset(&bytes);
    operation.entity = "Contract";
    assert_int_equal(rk_batch_encode(&sent, &bytes, NULL), RK_OK);
    uint8_t *at = memchr(bytes.ptr, 'C', bytes.len);
    assert_non_null(at);
    at[3] = '\0';
    assert_int_equal(rk_batch_decode(rk_buf_slice(&bytes), &arena, &read, NULL), RK_CORRUPT);
    operation.verb = (rk_verb)77;
    rk_buf_reset(&bytes);
    assert_int_equal(rk_batch_encode(&sent, &bytes, &err), RK_INVALID);
    assert_string_equal(err.message, "77 is no verb of a batch");
    assert_int_equal(bytes.len, 0);
    rk_arena_fini(&arena);
    rk_buf_fini(&bytes);
}

static void test_results(void **state)
{
    (void)state;
    rk_buf bytes;
    size_t failed = 0;
    rk_operation read[ASKED_COUNT] = {0};
    rk_buf_init(&bytes, BYTES_MAX);
    for (size_t i = 0; i < ASKED_COUNT; i++)
        read[i].verb = asked[i].verb;
    assert_int_equal(rk_batch_result_encode(&answered, RK_OK, 0, &bytes, NULL), RK_OK);
    rk_slice body = rk_buf_slice(&bytes);
    assert_int_equal(rk_batch_result_decode(body, RK_OK, read, ASKED_COUNT, &failed, NULL), RK_OK);
    assert_int_equal(failed, ASKED_COUNT);
    for (size_t i = 0; i < ASKED_COUNT; i++) {
        assert_int_equal(read[i].status, asked[i].status);
        assert_slice(read[i].found.bytes, asked[i].found.bytes);
    }
    free_found(read, ASKED_COUNT);
    /* Another batch's: fewer operations, other verbs. */
    assert_int_equal(rk_batch_result_decode(body, RK_OK, read, ASKED_COUNT - 1, &failed, NULL),
                     RK_CORRUPT);
    read[0].verb = RK_PUT;
    assert_int_equal(rk_batch_result_decode(body, RK_OK, read, ASKED_COUNT, &failed, NULL),
                     RK_CORRUPT);
    read[0].verb = RK_GET;
    read[4].verb = RK_PUT; /* which is never "not found" */
    assert_int_equal(rk_batch_result_decode(body, RK_OK, read, ASKED_COUNT, &failed, NULL),
                     RK_CORRUPT);
    rk_buf_reset(&bytes);
    for (size_t at = 0; at <= ASKED_COUNT + 1; at++) {
        rk_buf_reset(&bytes);
        assert_int_equal(rk_batch_result_encode(&answered, RK_LIMIT, at, &bytes, NULL), RK_OK);
        assert_int_equal(rk_batch_result_decode(rk_buf_slice(&bytes), RK_LIMIT, read, ASKED_COUNT,
                                                &failed, NULL),
                         at <= ASKED_COUNT ? RK_OK : RK_CORRUPT);
        if (at <= ASKED_COUNT)
            assert_int_equal(failed, at);
    }
    rk_buf_fini(&bytes);
}

static void test_pages(void **state)
{
    (void)state;
    rk_buf bytes;
    rk_arena arena;
    rk_page_request read;
    rk_page_result result;
    rk_buf_init(&bytes, BYTES_MAX);
    rk_arena_init(&arena, BYTES_MAX);
    assert_int_equal(rk_page_encode(&question, &bytes, NULL), RK_OK);
    assert_int_equal(rk_page_decode(rk_buf_slice(&bytes), &arena, &read, NULL), RK_OK);
    assert_string_equal(read.entity, question.entity);
    assert_string_equal(read.index, question.index);
    assert_ids(read.where, read.where_count, question.where, question.where_count);
    assert_slice(read.after, question.after);
    assert_int_equal(read.rows_max, question.rows_max);
    assert_int_equal(read.bytes_max, question.bytes_max);
    rk_buf_reset(&bytes);
    assert_int_equal(rk_page_result_encode(&page, &bytes, NULL), RK_OK);
    assert_int_equal(rk_page_result_decode(rk_buf_slice(&bytes), &arena, &result, NULL), RK_OK);
    assert_false(result.ended);
    assert_slice(result.start, page.start);
    assert_int_equal(result.count, page.count);
    for (size_t i = 0; i < page.count; i++) {
        assert_ids(result.rows[i].row.ids, result.rows[i].row.id_count, rows[i].row.ids,
                   rows[i].row.id_count);
        assert_slice(result.rows[i].row.value, rows[i].row.value);
        assert_slice(result.rows[i].position, rows[i].position);
    }
    rk_arena_fini(&arena);
    rk_buf_fini(&bytes);
}

/* What is well formed and makes no sense. */
static void test_senseless_pages(void **state)
{
    (void)state;
    rk_buf bytes;
    rk_arena arena;
    rk_page_request read;
    rk_page_result result;
    rk_page_result endless = {.ended = false};
    rk_page_request list = {.entity = "Contract", .where = ids, .where_count = 1, .rows_max = 1};
    rk_buf_init(&bytes, BYTES_MAX);
    rk_arena_init(&arena, BYTES_MAX);
    assert_int_equal(rk_page_encode(&list, &bytes, NULL), RK_OK); /* a list with a `where` */
    assert_int_equal(rk_page_decode(rk_buf_slice(&bytes), &arena, &read, NULL), RK_CORRUPT);
    for (uint32_t rows_max = 0; rows_max <= RK_PAGE_ROWS_MAX + 1; rows_max++) {
        list.where_count = 0;
        list.rows_max = 1;
        rk_buf_reset(&bytes);
        assert_int_equal(rk_page_encode(&list, &bytes, NULL), RK_OK);
        bytes.ptr[bytes.len - 8] = (uint8_t)rows_max;
        bytes.ptr[bytes.len - 7] = (uint8_t)(rows_max >> 8);
        bool fits = rows_max >= 1 && rows_max <= RK_PAGE_ROWS_MAX;
        assert_int_equal(rk_page_decode(rk_buf_slice(&bytes), &arena, &read, NULL),
                         fits ? RK_OK : RK_CORRUPT);
    }
    assert_null(read.index);
    rk_buf_reset(&bytes);
    assert_int_equal(rk_page_result_encode(&endless, &bytes, NULL), RK_OK);
    assert_int_equal(rk_page_result_decode(rk_buf_slice(&bytes), &arena, &result, NULL),
                     RK_CORRUPT);
    rk_arena_fini(&arena);
    rk_buf_fini(&bytes);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void test_batch_limit(void **state)
{
    (void)state;
    static rk_operation many[RK_BATCH_MAX];
    rk_batch_request sent = {.operations = many, .count = RK_BATCH_MAX};
    rk_batch_request read;
    rk_buf bytes;
    rk_arena arena;
    rk_buf_init(&bytes, (size_t)1 << 20);
    rk_arena_init(&arena, (size_t)1 << 20);
    for (size_t i = 0; i < RK_BATCH_MAX; i++)
        many[i] = (rk_operation){.verb = RK_GET, .entity = "E"};
    assert_int_equal(rk_batch_encode(&sent, &bytes, NULL), RK_OK);
    assert_int_equal(rk_batch_decode(rk_buf_slice(&bytes), &arena, &read, NULL), RK_OK);
    assert_int_equal(read.count, RK_BATCH_MAX);
    /* One more, and its bytes. */
    uint8_t *count = bytes.ptr + 9;
    assert_int_equal(count[0] | count[1] << 8, RK_BATCH_MAX);
    count[0] = 1;
    const uint8_t another[] = {1, 1, 0, 0, 0, 'E', 0, 0, 0, 0};
    assert_int_equal(rk_buf_append(&bytes, rk_slice_of(another, sizeof another), NULL), RK_OK);
    assert_int_equal(rk_batch_decode(rk_buf_slice(&bytes), &arena, &read, NULL), RK_CORRUPT);
    rk_arena_fini(&arena);
    rk_buf_fini(&bytes);
}

/* A number of things that cannot follow costs no memory. */
static void test_large_counts(void **state)
{
    (void)state;
    rk_arena arena;
    rk_buf bytes;
    rk_batch_request batch_read;
    rk_page_result page_read;
    rk_buf_init(&bytes, BYTES_MAX);
    rk_arena_init(&arena, 1); /* nothing fits it */
    rk_put_bytes(&bytes, RK_SLICE_EMPTY, NULL);
    rk_put_bytes(&bytes, RK_SLICE_EMPTY, NULL);
    rk_put_u8(&bytes, 0, NULL);
    rk_put_u32(&bytes, UINT32_MAX, NULL);
    assert_int_equal(rk_batch_decode(rk_buf_slice(&bytes), &arena, &batch_read, NULL), RK_CORRUPT);
    rk_buf_reset(&bytes);
    assert_int_equal(write_batch(&bytes), RK_OK);
    assert_int_equal(rk_batch_decode(rk_buf_slice(&bytes), &arena, &batch_read, NULL), RK_LIMIT);
    rk_buf_reset(&bytes);
    assert_int_equal(write_page(&bytes), RK_OK);
    assert_int_equal(rk_page_result_decode(rk_buf_slice(&bytes), &arena, &page_read, NULL),
                     RK_LIMIT);
    rk_arena_fini(&arena);
    rk_buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncations), cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_no_room),     cmocka_unit_test(test_envelopes),
        cmocka_unit_test(test_statuses),    cmocka_unit_test(test_messages_of_errors),
        cmocka_unit_test(test_batches),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_leases),      cmocka_unit_test(test_results),
        cmocka_unit_test(test_pages),       cmocka_unit_test(test_senseless_pages),
        cmocka_unit_test(test_batch_limit), cmocka_unit_test(test_large_counts),
    };
    return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
