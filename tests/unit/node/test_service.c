/* Done once, however often it comes; and not at all by a node that does not know whether it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "rekey/node/service.h"
#include "tests/unit/node/desk.h"

#define BODY_BYTES_MAX  ((size_t)64 * 1024)
#define REPLY_BYTES_MAX (BODY_BYTES_MAX + 2048)
#define FIRST           "'epoch': 1, 'token': '" TOKEN_1 "'"
#define FLIP            "000102030405060708090a0b0c0d0e0f"

typedef struct counter {
    desk desk;
    rk_leases *leases;
    rk_service *service;
    rk_buf reply; /* the last, as it was sent */
    rk_reply said;
} counter;

static void start(counter *c)
{
    must(rk_leases_create(&c->desk.clock, 1, BODY_BYTES_MAX, &c->leases, NULL), NULL);
    rk_service_config config = {.store = desk_store(&c->desk),
                                .cluster = &c->desk.cluster,
                                .self = 0,
                                .control = c->desk.control,
                                .leases = c->leases,
                                .body_bytes_max = BODY_BYTES_MAX};
    must(rk_service_create(&config, &c->service, &c->desk.err), &c->desk.err);
}

static void counter_open(counter *c, bool is_bare)
{
    *c = (counter){0};
    rk_buf_init(&c->reply, REPLY_BYTES_MAX);
    if (is_bare)
        desk_open_bare(&c->desk);
    else
        desk_open(&c->desk);
    start(c);
}

static void counter_close(counter *c)
{
    rk_service_destroy(c->service);
    rk_leases_destroy(c->leases);
    desk_close(&c->desk);
    rk_buf_fini(&c->reply);
}

static void counter_restart(counter *c)
{
    rk_service_destroy(c->service);
    rk_leases_destroy(c->leases);
    must(desk_restart(&c->desk), &c->desk.err);
    start(c);
}

/* --- asking ----------------------------------------------------------------------------------- */

static rk_status send_to(counter *c, const rk_access_entry *peer, uint8_t id,
                         const rk_incarnation *to, rk_request_kind kind, rk_slice body)
{
    static const rk_incarnation any;
    rk_buf request;
    rk_envelope envelope = {
        .operation = {{id, 1}}, .incarnation = to ? *to : any, .kind = kind, .body = body};
    rk_buf_init(&request, REPLY_BYTES_MAX);
    must(rk_envelope_encode(&envelope, &request, NULL), NULL);
    rk_buf_reset(&c->reply);
    rk_status status = rk_service_answer(c->service, peer, rk_buf_slice(&request), &c->reply);
    rk_buf_fini(&request);
    if (status == RK_OK)
        must(rk_reply_decode(rk_buf_slice(&c->reply), &c->said, NULL), NULL);
    return status;
}

/* One operation on Contract `id` of tenant t, in PROD. */
static rk_status record(counter *c, const rk_access_entry *peer, uint8_t id,
                        const rk_incarnation *to, rk_verb verb, const char *contract)
{
    rk_buf body;
    rk_id key = {"contract_id", rk_slice_str(contract)};
    rk_operation operation = {.verb = verb, .entity = "Contract", .ids = &key, .id_count = 1};
    if (verb == RK_PUT || verb == RK_PUT_IF_ABSENT)
        operation.value = RK_SLICE_LITERAL("{\"n\":5}");
    rk_batch_request batch = {.scope = {rk_slice_str("t"), rk_slice_str("PROD")},
                              .operations = &operation,
                              .count = 1,
                              .is_single = true};
    rk_buf_init(&body, BODY_BYTES_MAX);
    must(rk_batch_encode(&batch, &body, NULL), NULL);
    must(send_to(c, peer, id, to, RK_REQUEST_BATCH, rk_buf_slice(&body)), NULL);
    rk_buf_fini(&body);
    return c->said.status;
}

static bool has(counter *c, const char *contract)
{
    char key[128];
    snprintf(key, sizeof key, "TENANT#t#CONTRACT#%s", contract);
    return yard_get(&c->desk.yard, key) != NULL;
}

/* --- done once -------------------------------------------------------------------------------- */

static void test_twice(void **state)
{
    (void)state;
    counter c;
    counter_open(&c, false);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_PUT_IF_ABSENT, "new"), RK_OK);
    assert_true(has(&c, "new"));
    yard_put(&c.desk.yard, "TENANT#t#CONTRACT#new", NULL);
    size_t len = c.reply.len;
    uint8_t first[REPLY_BYTES_MAX];
    memcpy(first, c.reply.ptr, len);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_PUT_IF_ABSENT, "new"), RK_OK);
    assert_int_equal(c.reply.len, len);
    assert_memory_equal(c.reply.ptr, first, len);
    assert_false(has(&c, "new"));
    assert_int_equal(record(&c, &a_client, 2, NULL, RK_PUT_IF_ABSENT, "new"), RK_OK);
    assert_true(has(&c, "new"));
    assert_int_equal(record(&c, &a_client, 3, NULL, RK_PUT_IF_ABSENT, "new"), RK_CONFLICT);
    assert_int_equal(record(&c, &a_client, 2, NULL, RK_PUT_IF_ABSENT, "new"), RK_OK);
    counter_close(&c);
}

/* A refusal is a result, too. */
static void test_refused_twice(void **state)
{
    (void)state;
    counter c;
    counter_open(&c, false);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_PUT_IF_ABSENT, "1"), RK_CONFLICT);
    yard_put(&c.desk.yard, "TENANT#t#CONTRACT#1", NULL);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_PUT_IF_ABSENT, "1"), RK_CONFLICT);
    assert_false(has(&c, "1"));
    counter_close(&c);
}

static void test_two_peers(void **state)
{
    (void)state;
    counter c;
    rk_access_entry another = a_client;
    another.key.bytes[0]++;
    counter_open(&c, false);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_PUT_IF_ABSENT, "new"), RK_OK);
    assert_int_equal(record(&c, &another, 1, NULL, RK_PUT_IF_ABSENT, "new"), RK_CONFLICT);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_PUT_IF_ABSENT, "new"), RK_OK);
    assert_int_equal(record(&c, &another, 1, NULL, RK_PUT_IF_ABSENT, "new"), RK_CONFLICT);
    counter_close(&c);
}

/* --- another incarnation ---------------------------------------------------------------------- */

static void test_another_incarnation(void **state)
{
    (void)state;
    counter c;
    counter_open(&c, false);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_PUT, "a"), RK_OK);
    rk_incarnation before = c.said.incarnation;
    assert_int_equal(record(&c, &a_client, 2, &before, RK_PUT, "b"), RK_OK);
    assert_true(has(&c, "b"));
    counter_restart(&c);
    assert_int_equal(record(&c, &a_client, 3, &before, RK_PUT, "c"), RK_UNCERTAIN);
    assert_memory_not_equal(&c.said.incarnation, &before, sizeof before);
    assert_int_equal(c.said.body.len, 0);
    assert_false(has(&c, "c"));
    assert_int_equal(record(&c, &a_client, 3, NULL, RK_PUT, "c"), RK_OK);
    assert_true(has(&c, "c"));
    counter_close(&c);
}

/* --- what is not kept ------------------------------------------------------------------------- */

static void test_get_is_not_kept(void **state)
{
    (void)state;
    counter c;
    counter_open(&c, false);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_GET, "new"), RK_OK);
    size_t len_of_none = c.said.body.len;
    assert_int_equal(record(&c, &a_client, 2, NULL, RK_PUT, "new"), RK_OK);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_GET, "new"), RK_OK);
    assert_true(c.said.body.len > len_of_none);
    counter_close(&c);
}

static void test_busy_may_be_tried_again(void **state)
{
    (void)state;
    counter c;
    desk source;
    desk_open(&source);
    counter_open(&c, true);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_PUT, "new"), RK_BUSY);
    assert_non_null(strstr(c.said.error.message, "node n1 has no migration"));
    json_t *request = json_pack("{s:s, s:o}", "op", "register", "spec", desk_spec(&source));
    char *text = json_dumps(request, JSON_COMPACT);
    assert_int_equal(send_to(&c, &a_coordinator, 2, NULL, RK_REQUEST_CONTROL, rk_slice_str(text)),
                     RK_OK);
    assert_int_equal(c.said.status, RK_OK);
    free(text);
    json_decref(request);
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_PUT, "new"), RK_OK);
    counter_close(&c);
    desk_close(&source);
}

/* --- the rest --------------------------------------------------------------------------------- */

static void test_in_doubt(void **state)
{
    (void)state;
    static const char *const runs[] = {
        "{'op': 'start', " FIRST ", 'name': 'v', 'kind': 'run', 'goal': 'verified'}",
        "{'op': 'start', " FIRST ", 'name': 'p', 'kind': 'run', 'goal': 'flip',"
        " 'decision': '" FLIP "', 'decider': 'n2'}",
    };
    counter c;
    counter_open(&c, false);
    desk_must(&c.desk, desk_claim(&c.desk, FIRST));
    for (size_t i = 0; i < COUNT(runs); i++) {
        desk_must(&c.desk, runs[i]);
        desk_work(&c.desk);
    }
    assert_int_equal(record(&c, &a_client, 1, NULL, RK_PUT, "a"), RK_OK);
    counter_restart(&c);
    assert_int_equal(record(&c, &a_client, 2, NULL, RK_PUT, "b"), RK_BUSY);
    assert_non_null(strstr(c.said.error.message, "n2"));
    assert_int_equal(record(&c, &a_client, 3, NULL, RK_GET, "a"), RK_BUSY);
    desk_must(&c.desk, "{'op': 'commit', " FIRST ", 'decision': '" FLIP "'}");
    assert_int_equal(record(&c, &a_client, 2, NULL, RK_PUT, "b"), RK_OK);
    counter_close(&c);
}

/* Whoever has the node's own key, and nobody else. */
static void test_who_is_a_worker(void **state)
{
    (void)state;
    counter c;
    rk_buf body;
    rk_lease_request request = {.worker = {{1}}, .leaves = true};
    rk_lease_reply reply;
    rk_access_entry another = a_node;
    const rk_access_entry *const others[] = {&an_operator, &a_coordinator, &a_client, &another};
    counter_open(&c, false);
    c.desk.nodes[0].key = a_node.key;
    another.key.bytes[0]++;
    rk_buf_init(&body, BODY_BYTES_MAX);
    must(rk_lease_request_encode(&request, &body, NULL), NULL);
    for (uint8_t i = 0; i < COUNT(others); i++) {
        must(send_to(&c, others[i], i, NULL, RK_REQUEST_LEASE, rk_buf_slice(&body)), NULL);
        assert_int_equal(c.said.status, RK_AUTH);
        assert_int_equal(c.said.body.len, 0);
    }
    must(send_to(&c, &a_node, 9, NULL, RK_REQUEST_LEASE, rk_buf_slice(&body)), NULL);
    assert_int_equal(c.said.status, RK_OK);
    must(rk_lease_reply_decode(c.said.body, &reply, NULL), NULL);
    assert_false(reply.has_offer);
    must(send_to(&c, &a_node, 10, NULL, RK_REQUEST_LEASE, RK_SLICE_LITERAL("no request")), NULL);
    assert_int_equal(c.said.status, RK_CORRUPT);
    rk_buf_fini(&body);
    counter_close(&c);
}

static void test_other_kinds(void **state)
{
    (void)state;
    counter c;
    counter_open(&c, false);
    assert_int_equal(send_to(&c, &a_client, 1, NULL, RK_REQUEST_PING, RK_SLICE_EMPTY), RK_OK);
    assert_int_equal(c.said.status, RK_OK);
    assert_int_equal(send_to(&c, &a_client, 1, NULL, RK_REQUEST_SCHEMA, RK_SLICE_EMPTY), RK_OK);
    assert_int_equal(c.said.status, RK_OK);
    assert_int_equal(c.said.body.len, 1);
    assert_int_equal(
        send_to(&c, &a_client, 2, NULL, RK_REQUEST_CONTROL, RK_SLICE_LITERAL("{\"op\":\"look\"}")),
        RK_OK);
    assert_int_equal(c.said.status, RK_AUTH);
    rk_buf_reset(&c.reply);
    assert_int_not_equal(
        rk_service_answer(c.service, &a_client, RK_SLICE_LITERAL("no envelope"), &c.reply), RK_OK);
    counter_close(&c);
}

/* --- threads ---------------------------------------------------------------------------------- */

typedef struct caller {
    counter *counter;
    pthread_t thread;
    uint8_t number;
    int done;
    int conflicts;
} caller;

/* Each of the contracts is put by one of the callers: every id is of one contract. */
static void *call(void *context)
{
    caller *me = context;
    for (int i = 0; i < 50; i++) {
        counter mine = *me->counter;
        char contract[16];
        rk_buf_init(&mine.reply, REPLY_BYTES_MAX);
        snprintf(contract, sizeof contract, "c%d", i);
        rk_status status = record(&mine, &a_client, (uint8_t)(4 * i + me->number), NULL,
                                  RK_PUT_IF_ABSENT, contract);
        me->done += status == RK_OK;
        me->conflicts += status == RK_CONFLICT;
        rk_buf_fini(&mine.reply);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    counter c;
    caller callers[4] = {0};
    int done = 0;
    int conflicts = 0;
    counter_open(&c, false);
    for (uint8_t i = 0; i < COUNT(callers); i++) {
        callers[i] = (caller){.counter = &c, .number = i};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    for (size_t i = 0; i < COUNT(callers); i++) {
        pthread_join(callers[i].thread, NULL);
        done += callers[i].done;
        conflicts += callers[i].conflicts;
    }
    assert_int_equal(done, 50);
    assert_int_equal(conflicts, 150);
    counter_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twice),           cmocka_unit_test(test_refused_twice),
        cmocka_unit_test(test_two_peers),       cmocka_unit_test(test_another_incarnation),
        cmocka_unit_test(test_get_is_not_kept), cmocka_unit_test(test_busy_may_be_tried_again),
        cmocka_unit_test(test_in_doubt),        cmocka_unit_test(test_who_is_a_worker),
        cmocka_unit_test(test_other_kinds),     cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("node_service", tests, NULL, NULL);
}
