#include "contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* --- fixture ---------------------------------------------------------------------------------- */

static void open_fixture(contract_fixture *f, const rk_transport_limits *limits)
{
    rk_error err = {0};
    must(f->backend->open(limits, &f->transport, &err), &err);
    f->server = service_listen(f->transport, f->backend->url);
    f->caller = service_dial(f->transport, rk_server_url(f->server));
}

static void close_fixture(contract_fixture *f)
{
    rk_caller_close(f->caller);
    rk_server_close(f->server);
    rk_transport_close(f->transport);
    f->caller = NULL;
    f->server = NULL;
    f->transport = NULL;
}

int contract_setup(void **state)
{
    rk_transport_limits limits = service_limits();
    open_fixture(*state, &limits);
    return 0;
}

int contract_teardown(void **state)
{
    close_fixture(*state);
    return 0;
}

void contract_reopen(contract_fixture *f, const rk_transport_limits *limits)
{
    close_fixture(f);
    open_fixture(f, limits);
}

/* --- limits ----------------------------------------------------------------------------------- */

static void expect_refused(contract_fixture *f, const rk_transport_limits *limits, const char *word)
{
    rk_error err = {0};
    rk_transport *transport = NULL;
    must_be(RK_INVALID, f->backend->open(limits, &transport, &err), &err);
    assert_null(transport);
    assert_non_null(strstr(err.message, word));
}

static void test_limits(void **state)
{
    contract_fixture *f = *state;
    rk_transport_limits good = service_limits(), l = good;
    l.message_bytes_max = 0;
    expect_refused(f, &l, "message_bytes_max");
    l.message_bytes_max = RK_TRANSPORT_MESSAGE_BYTES_CEILING + 1;
    expect_refused(f, &l, "message_bytes_max");
    l = good;
    uint32_t *const members[] = {&l.exchanges_max, &l.connections_max,  &l.answer_timeout_ms,
                                 &l.resend_ms,     &l.reconnect_min_ms, &l.reconnect_max_ms};
    const char *const names[] = {"exchanges_max", "connections_max",  "answer_timeout_ms",
                                 "resend_ms",     "reconnect_min_ms", "reconnect_max_ms"};
    for (size_t i = 0; i < COUNT(members); i++) {
        *members[i] = 0;
        expect_refused(f, &l, names[i]);
        *members[i] = UINT32_MAX;
        expect_refused(f, &l, names[i]);
        l = good;
    }
    l.reconnect_min_ms = l.reconnect_max_ms + 1;
    expect_refused(f, &l, "above reconnect_max_ms");
    assert_int_equal(rk_transport_limits_of(f->transport)->exchanges_max, good.exchanges_max);
}

static void test_timeouts_refused(void **state)
{
    contract_fixture *f = *state;
    rk_error err = {0};
    rk_buf reply;
    rk_exchange *exchange = NULL;
    rk_buf_init(&reply, 16);
    must_be(RK_INVALID, rk_caller_call(f->caller, RK_SLICE_LITERAL("x"), 0, &reply, &err), &err);
    must_be(
        RK_INVALID,
        rk_caller_call(f->caller, RK_SLICE_LITERAL("x"), RK_TRANSPORT_MS_CEILING + 1, &reply, &err),
        &err);
    must_be(RK_INVALID, rk_server_receive(f->server, RK_TRANSPORT_MS_CEILING + 1, &exchange, &err),
            &err);
    must_be(RK_INVALID, rk_server_receive(f->server, UINT32_MAX, &exchange, &err), &err);
}

static void test_urls(void **state)
{
    contract_fixture *f = *state;
    rk_error err = {0};
    rk_caller *caller = NULL;
    rk_server *server = NULL;
    static const char *const BAD[] = {"",          "nowhere", "ws://h:1", "tls+tcp://h:1",
                                      "inproc://", "tcp://",  "ipc://"};
    for (size_t i = 0; i < COUNT(BAD); i++) {
        err = (rk_error){0};
        must_be(RK_INVALID, rk_transport_dial(f->transport, BAD[i], &caller, &err), &err);
        must_be(RK_INVALID, rk_transport_listen(f->transport, BAD[i], &server, &err), &err);
        assert_non_null(strstr(err.message, "url \""));
    }
    must_be(RK_BUSY, rk_transport_listen(f->transport, rk_server_url(f->server), &server, &err),
            &err);
    assert_null(caller);
    assert_null(server);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void fill(uint8_t *bytes, size_t len, size_t seed)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)((i * 31 + seed) >> 3);
}

static void test_sizes(void **state)
{
    contract_fixture *f = *state;
    size_t max = rk_transport_limits_of(f->transport)->message_bytes_max;
    const size_t sizes[] = {0, 1, 3, 4, 5, 255, 65535, 65536, 65537, max - 1, max};
    uint8_t *bytes = malloc(max);
    assert_non_null(bytes);
    echo e;
    rk_buf reply;
    rk_buf_init(&reply, max);
    echo_start(&e, f->server, 1);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        rk_error err = {0};
        fill(bytes, sizes[i], i);
        must(rk_caller_call(f->caller, rk_slice_of(bytes, sizes[i]), PATIENT_MS, &reply, &err),
             &err);
        assert_int_equal(reply.len, sizes[i]);
        if (reply.len > 0)
            assert_memory_equal(reply.ptr, bytes, reply.len);
    }
    echo_stop(&e);
    assert_int_equal(atomic_load(&e.answered), COUNT(sizes));
    rk_buf_fini(&reply);
    free(bytes);
}

/* An oversize message is refused where it starts: nothing is sent, and the exchange stays. */
static void test_too_long(void **state)
{
    contract_fixture *f = *state;
    size_t max = rk_transport_limits_of(f->transport)->message_bytes_max;
    uint8_t *bytes = calloc(1, max + 1);
    rk_error err = {0};
    rk_buf reply;
    rk_exchange *exchange = NULL;
    ask a;
    assert_non_null(bytes);
    rk_buf_init(&reply, 16);
    must_be(RK_LIMIT,
            rk_caller_call(f->caller, rk_slice_of(bytes, max + 1), PATIENT_MS, &reply, &err), &err);
    must_be(RK_TIMEOUT, rk_server_receive(f->server, 0, &exchange, NULL), NULL);
    ask_start(&a, f->caller, "short");
    exchange = service_receive(f->server);
    must_be(RK_LIMIT, rk_exchange_answer(exchange, rk_slice_of(bytes, max + 1), &err), &err);
    service_expect_request(exchange, "short");
    service_answer(exchange, "shorter");
    ask_join_ok(&a, "shorter");
    free(bytes);
}

/* The reply's buffer has a cap of its own. What was in it stays. */
static void test_reply_cap(void **state)
{
    contract_fixture *f = *state;
    rk_error err = {0};
    rk_buf reply;
    echo e;
    rk_buf_init(&reply, 4);
    must(rk_buf_append_str(&reply, "old", NULL), NULL);
    echo_start(&e, f->server, 1);
    must_be(RK_LIMIT,
            rk_caller_call(f->caller, RK_SLICE_LITERAL("longer"), PATIENT_MS, &reply, &err), &err);
    assert_int_equal(reply.len, 3);
    assert_memory_equal(reply.ptr, "old", 3);
    service_call(f->caller, "next", "next");
    echo_stop(&e);
    rk_buf_fini(&reply);
}

/* --- deadlines -------------------------------------------------------------------------------- */

static void expect_timeout(rk_caller *caller, const char *request)
{
    rk_error err = {0};
    rk_buf reply;
    rk_buf_init(&reply, 16);
    must_be(RK_TIMEOUT, rk_caller_call(caller, rk_slice_str(request), 50, &reply, &err), &err);
    assert_non_null(strstr(err.message, "no "));
    assert_int_equal(reply.len, 0);
}

static void test_nobody_there(void **state)
{
    contract_fixture *f = *state;
    rk_server_close(f->server);
    f->server = NULL;
    expect_timeout(f->caller, "anybody?");
    expect_timeout(f->caller, "anybody now?");
}

static void test_receive_times_out(void **state)
{
    contract_fixture *f = *state;
    rk_exchange *exchange = NULL;
    rk_error err = {0};
    must_be(RK_TIMEOUT, rk_server_receive(f->server, 0, &exchange, &err), &err);
    assert_int_not_equal(strlen(err.message), 0);
    must_be(RK_TIMEOUT, rk_server_receive(f->server, 20, &exchange, &err), &err);
    assert_null(exchange);
}

/* Looking without waiting finds what is there. */
static void test_poll(void **state)
{
    contract_fixture *f = *state;
    rk_exchange *exchange = NULL;
    rk_status status = RK_TIMEOUT;
    ask a;
    ask_start(&a, f->caller, "look");
    while (status == RK_TIMEOUT)
        status = rk_server_receive(f->server, 0, &exchange, NULL);
    must(status, NULL);
    service_answer(exchange, "seen");
    ask_join_ok(&a, "seen");
}

static void test_dropped(void **state)
{
    contract_fixture *f = *state;
    rk_exchange *exchange = NULL;
    ask a;
    ask_start(&a, f->caller, "drop me");
    exchange = service_receive(f->server);
    rk_exchange_drop(exchange);
    rk_exchange_drop(NULL);
    rk_caller_cancel(f->caller);
    ask_join(&a);
    must_be(RK_NOT_FOUND, a.status, &a.err);
}

/* A reply that comes after its deadline must not be taken for the next call's. */
static void test_late_answer(void **state)
{
    contract_fixture *f = *state;
    rk_exchange *late = NULL;
    ask a;
    rk_status status = RK_TIMEOUT;
    while (status == RK_TIMEOUT) {
        expect_timeout(f->caller, "first");
        status = rk_server_receive(f->server, 0, &late, NULL);
    }
    must(status, NULL);
    ask_start(&a, f->caller, "second");
    rk_exchange *next = service_receive(f->server);
    while (rk_slice_equal(rk_exchange_request(next), RK_SLICE_LITERAL("first"))) {
        rk_exchange_drop(next);
        next = service_receive(f->server);
    }
    service_answer(late, "late");
    service_expect_request(next, "second");
    service_answer(next, "in time");
    ask_join_ok(&a, "in time");
}

/* --- at least once ---------------------------------------------------------------------------- */

/* The same call reaches a server, which dies with it, and then the next one. */
static void test_server_gone_and_back(void **state)
{
    contract_fixture *f = *state;
    char *url = strdup(rk_server_url(f->server));
    ask a;
    ask_start(&a, f->caller, "once or twice");
    service_expect_request(service_receive(f->server), "once or twice");
    rk_server_close(f->server);
    f->server = service_listen(f->transport, url);
    rk_exchange *again = service_receive(f->server);
    service_expect_request(again, "once or twice");
    service_answer(again, "done");
    ask_join_ok(&a, "done");
    ask_start(&a, f->caller, "as before");
    service_answer(service_receive(f->server), "as ever");
    ask_join_ok(&a, "as ever");
    free(url);
}

static void test_server_comes_later(void **state)
{
    contract_fixture *f = *state;
    char *url = strdup(rk_server_url(f->server));
    ask a;
    rk_server_close(f->server);
    ask_start(&a, f->caller, "early");
    f->server = service_listen(f->transport, url);
    service_answer(service_receive(f->server), "bird");
    ask_join_ok(&a, "bird");
    free(url);
}

static void test_resend(void **state)
{
    contract_fixture *f = *state;
    rk_transport_limits limits = service_limits();
    limits.resend_ms = 50;
    contract_reopen(f, &limits);
    ask a;
    ask_start(&a, f->caller, "again");
    rk_exchange_drop(service_receive(f->server));
    rk_exchange *second = service_receive(f->server);
    service_expect_request(second, "again");
    service_answer(second, "heard");
    ask_join_ok(&a, "heard");
}

/* --- closing ---------------------------------------------------------------------------------- */

static void test_answer_after_stop(void **state)
{
    contract_fixture *f = *state;
    rk_exchange *none = NULL;
    rk_error err = {0};
    ask a;
    ask_start(&a, f->caller, "last orders");
    rk_exchange *open = service_receive(f->server);
    rk_server_stop(f->server);
    rk_server_stop(f->server);
    must_be(RK_NOT_FOUND, rk_server_receive(f->server, PATIENT_MS, &none, &err), &err);
    must_be(RK_NOT_FOUND, rk_server_receive(f->server, 0, &none, &err), &err);
    assert_non_null(strstr(err.message, "closed"));
    service_answer(open, "served");
    ask_join_ok(&a, "served");
}

static void test_cancelled(void **state)
{
    contract_fixture *f = *state;
    rk_error err = {0};
    rk_buf reply;
    rk_buf_init(&reply, 16);
    rk_caller_cancel(f->caller);
    rk_caller_cancel(f->caller);
    must_be(RK_NOT_FOUND,
            rk_caller_call(f->caller, RK_SLICE_LITERAL("x"), PATIENT_MS, &reply, &err), &err);
    assert_non_null(strstr(err.message, "closed"));
    rk_caller *other = service_dial(f->transport, rk_server_url(f->server));
    ask a;
    ask_start(&a, other, "I still can");
    service_answer(service_receive(f->server), "yes");
    ask_join_ok(&a, "yes");
    rk_caller_close(other);
}

static void test_close_nothing(void **state)
{
    (void)state;
    rk_caller_close(NULL);
    rk_server_close(NULL);
    rk_transport_close(NULL);
}

int contract_run_tests(const char *name, struct CMUnitTest *tests, size_t count,
                       const contract_backend *backend)
{
    contract_fixture fixture = {.backend = backend};
    for (size_t i = 0; i < count; i++) {
        tests[i].setup_func = contract_setup;
        tests[i].teardown_func = contract_teardown;
        tests[i].initial_state = &fixture;
    }
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

int contract_run(const char *name, const contract_backend *backend)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_timeouts_refused),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_reply_cap),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_receive_times_out),
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_server_gone_and_back),
        cmocka_unit_test(test_server_comes_later),
        cmocka_unit_test(test_resend),
        cmocka_unit_test(test_answer_after_stop),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_close_nothing),
    };
    return contract_run_tests(name, tests, COUNT(tests), backend);
}
