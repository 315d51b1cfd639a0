#include "contract.h"

#include "transport/inproc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define URL "inproc://node-1"

static rk_transport *open_with(const rk_inproc_fault *faults, size_t count, uint64_t seed)
{
    rk_transport_limits limits = service_limits();
    limits.resend_ms = RK_TRANSPORT_MS_CEILING;
    rk_error err = {0};
    rk_transport *t = NULL;
    must(rk_inproc_open(&limits, faults, count, seed, &t, &err), &err);
    return t;
}

/* One network with one server and one caller, and one fault. */
typedef struct pair {
    rk_transport *transport;
    rk_server *server;
    rk_caller *caller;
} pair;

static pair pair_with(rk_inproc_what what, uint64_t call, uint32_t delay_ms)
{
    rk_inproc_fault fault = {.what = what,
                             .first_call = call,
                             .last_call = call,
                             .chance_ppm = RK_INPROC_ALWAYS,
                             .delay_ms = delay_ms};
    pair p = {.transport = open_with(&fault, 1, 1)};
    p.server = service_listen(p.transport, URL);
    p.caller = service_dial(p.transport, URL);
    return p;
}

static void pair_close(pair *p)
{
    rk_caller_close(p->caller);
    rk_server_close(p->server);
    rk_transport_close(p->transport);
}

static rk_status call_briefly(rk_caller *caller, const char *request, uint32_t timeout_ms)
{
    rk_buf reply;
    rk_buf_init(&reply, 64);
    rk_status status = rk_caller_call(caller, rk_slice_str(request), timeout_ms, &reply, NULL);
    rk_buf_fini(&reply);
    return status;
}

static bool arrived(rk_server *server)
{
    rk_exchange *exchange = NULL;
    rk_status status = rk_server_receive(server, 0, &exchange, NULL);
    if (status == RK_OK)
        rk_exchange_drop(exchange);
    return status == RK_OK;
}

/* --- one fault at a time ---------------------------------------------------------------------- */

static void test_drop_request(void **state)
{
    (void)state;
    pair p = pair_with(RK_INPROC_DROP_REQUEST, 2, 0);
    ask a;
    must_be(RK_TIMEOUT, call_briefly(p.caller, "1", 1), NULL);
    assert_true(arrived(p.server));
    must_be(RK_TIMEOUT, call_briefly(p.caller, "2", 1), NULL);
    assert_false(arrived(p.server));
    ask_start(&a, p.caller, "3");
    service_answer(service_receive(p.server), "ok");
    ask_join_ok(&a, "ok");
    pair_close(&p);
}

/* A lost request is sent again after resend_ms, within the same call. */
static void test_drop_is_resent(void **state)
{
    (void)state;
    rk_inproc_fault fault = {
        .what = RK_INPROC_DROP_REQUEST, .first_call = 1, .chance_ppm = RK_INPROC_ALWAYS};
    rk_transport_limits limits = service_limits();
    limits.resend_ms = 10;
    rk_error err = {0};
    pair p = {0};
    ask a;
    must(rk_inproc_open(&limits, &fault, 1, 1, &p.transport, &err), &err);
    p.server = service_listen(p.transport, URL);
    p.caller = service_dial(p.transport, URL);
    ask_start(&a, p.caller, "lost and found");
    service_answer(service_receive(p.server), "ok");
    ask_join_ok(&a, "ok");
    pair_close(&p);
}

static void test_double_request(void **state)
{
    (void)state;
    pair p = pair_with(RK_INPROC_DOUBLE_REQUEST, 1, 0);
    ask a;
    ask_start(&a, p.caller, "twice");
    rk_exchange *first = service_receive(p.server);
    rk_exchange *second = service_receive(p.server);
    service_expect_request(first, "twice");
    service_expect_request(second, "twice");
    service_answer(second, "second");
    ask_join_ok(&a, "second");
    service_answer(first, "first");
    ask_start(&a, p.caller, "once");
    service_answer(service_receive(p.server), "ok");
    ask_join_ok(&a, "ok");
    assert_false(arrived(p.server));
    pair_close(&p);
}

/* The call is over when its request arrives: the operation is done all the same. */
static void test_delay_request(void **state)
{
    (void)state;
    pair p = pair_with(RK_INPROC_DELAY_REQUEST, 1, 100);
    must_be(RK_TIMEOUT, call_briefly(p.caller, "late", 1), NULL);
    rk_exchange *late = service_receive(p.server);
    service_expect_request(late, "late");
    service_answer(late, "nobody listens");
    ask a;
    ask_start(&a, p.caller, "next");
    service_answer(service_receive(p.server), "ok");
    ask_join_ok(&a, "ok");
    pair_close(&p);
}

/* A delayed request is overtaken by one that was sent after it. */
static void test_delay_reorders(void **state)
{
    (void)state;
    pair p = pair_with(RK_INPROC_DELAY_REQUEST, 1, 300);
    rk_caller *slow = p.caller, *other = service_dial(p.transport, URL);
    must_be(RK_TIMEOUT, call_briefly(other, "uses up its fault", 1), NULL);
    must_be(RK_TIMEOUT, call_briefly(slow, "slow", 1), NULL);
    must_be(RK_TIMEOUT, call_briefly(other, "quick", 1), NULL);
    service_expect_request(service_receive(p.server), "quick");
    service_expect_request(service_receive(p.server), "uses up its fault");
    service_expect_request(service_receive(p.server), "slow");
    rk_caller_close(other);
    pair_close(&p);
}

static void test_drop_reply(void **state)
{
    (void)state;
    pair p = pair_with(RK_INPROC_DROP_REPLY, 1, 0);
    ask a;
    ask_start(&a, p.caller, "done, unheard");
    service_answer(service_receive(p.server), "lost");
    rk_server_close(p.server);
    p.server = service_listen(p.transport, URL);
    service_answer(service_receive(p.server), "heard");
    ask_join_ok(&a, "heard");
    pair_close(&p);
}

static void test_delay_reply(void **state)
{
    (void)state;
    pair p = pair_with(RK_INPROC_DELAY_REPLY, 1, RK_TRANSPORT_MS_CEILING);
    ask a;
    ask_start(&a, p.caller, "wait for it");
    service_answer(service_receive(p.server), "in an hour");
    rk_caller_cancel(p.caller);
    ask_join(&a);
    must_be(RK_NOT_FOUND, a.status, &a.err);
    pair_close(&p);
    p = pair_with(RK_INPROC_DELAY_REPLY, 1, 20);
    ask_start(&a, p.caller, "wait for it");
    service_answer(service_receive(p.server), "soon");
    ask_join_ok(&a, "soon");
    pair_close(&p);
}

/* --- determinism ------------------------------------------------------------------------------ */

#define PATTERN_CALLS 64

/* Which of the calls of the second caller arrive, as bits. */
static uint64_t pattern_of(uint64_t seed, uint32_t extra_last_call)
{
    const rk_inproc_fault faults[] = {
        {.what = RK_INPROC_DOUBLE_REQUEST,
         .first_call = 1,
         .last_call = extra_last_call,
         .chance_ppm = 100000},
        {.what = RK_INPROC_DROP_REQUEST, .first_call = 5, .chance_ppm = 400000},
    };
    rk_transport *t = open_with(faults, COUNT(faults), seed);
    rk_server *server = service_listen(t, URL);
    rk_caller *first = service_dial(t, URL), *second = service_dial(t, URL);
    uint64_t bits = 0;
    for (int i = 0; i < PATTERN_CALLS; i++) {
        must_be(RK_TIMEOUT, call_briefly(i % 3 ? second : first, "x", 1), NULL);
        while (arrived(server))
            bits |= (uint64_t)1 << i;
    }
    rk_caller_close(first);
    rk_caller_close(second);
    rk_server_close(server);
    rk_transport_close(t);
    return bits;
}

static void test_same_seed(void **state)
{
    (void)state;
    uint64_t bits = pattern_of(7, 0);
    assert_true(bits == pattern_of(7, 0));
    assert_true(bits != pattern_of(8, 0));
    assert_true((bits & 0xf) == 0xf); /* before the range of the fault, all arrive */
    assert_true(bits != UINT64_MAX);
    assert_true(bits == pattern_of(7, 3)); /* another line's range changes nothing here */
}

/* --- names and the table ---------------------------------------------------------------------- */

static void test_names(void **state)
{
    (void)state;
    rk_transport *one = open_with(NULL, 0, 1), *two = open_with(NULL, 0, 1);
    rk_server *server = service_listen(one, URL), *same = NULL;
    rk_error err = {0};
    char longest[16 + 65] = "inproc://";
    assert_string_equal(rk_server_url(server), URL);
    must_be(RK_BUSY, rk_transport_listen(one, URL, &same, &err), &err);
    same = service_listen(two, URL); /* another network */
    rk_server_close(same);
    memset(longest + 9, 'n', 64);
    rk_server_close(service_listen(one, longest));
    longest[9 + 64] = 'n';
    must_be(RK_INVALID, rk_transport_listen(one, longest, &same, &err), &err);
    must_be(RK_INVALID, rk_transport_listen(one, "inproc://a/b", &same, &err), &err);
    rk_server_close(server);
    rk_transport_close(one);
    rk_transport_close(two);
}

static void test_table_refused(void **state)
{
    (void)state;
    rk_transport_limits limits = service_limits();
    rk_transport *t = NULL;
    rk_error err = {0};
    static const rk_inproc_fault many[RK_INPROC_FAULTS_MAX + 1];
    const rk_inproc_fault bad[] = {
        {.chance_ppm = RK_INPROC_ALWAYS + 1},
        {.what = (rk_inproc_what)9},
        {.delay_ms = RK_TRANSPORT_MS_CEILING + 1},
        {.first_call = 2, .last_call = 1},
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        must_be(RK_INVALID, rk_inproc_open(&limits, &bad[i], 1, 1, &t, &err), &err);
    must_be(RK_INVALID, rk_inproc_open(&limits, many, COUNT(many), 1, &t, &err), &err);
    assert_null(t);
}

/* --- contract --------------------------------------------------------------------------------- */

static rk_status open_plain(const rk_transport_limits *limits, rk_transport **out, rk_error *err)
{
    return rk_inproc_open(limits, NULL, 0, 1, out, err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drop_request),   cmocka_unit_test(test_drop_is_resent),
        cmocka_unit_test(test_double_request), cmocka_unit_test(test_delay_request),
        cmocka_unit_test(test_delay_reorders), cmocka_unit_test(test_drop_reply),
        cmocka_unit_test(test_delay_reply),    cmocka_unit_test(test_same_seed),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_table_refused),
    };
    const contract_backend backend = {.open = open_plain, .url = URL};
    int failed = contract_run("inproc contract", &backend);
    failed += contract_run_threads("inproc contract, threads", &backend);
    failed += contract_run_shutdowns("inproc contract, shutdowns", &backend);
    return failed + cmocka_run_group_tests_name("inproc", tests, NULL, NULL);
}
