/* Peers that are not as they should be: other limits, too many, garbage, deaf ones. */
#include "place.h"
#include "service.h"

#include "transport/nng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define URL "tcp://127.0.0.1:0"

static rk_transport *open_with(const rk_transport_limits *limits)
{
    rk_error err = {0};
    rk_transport *t = NULL;
    must(rk_nng_open(limits, &t, &err), &err);
    return t;
}

/* A good caller gets its answer. */
static void expect_served(rk_transport *t, rk_server *server)
{
    rk_caller *caller = service_dial(t, rk_server_url(server));
    ask a;
    ask_start(&a, caller, "still there?");
    rk_exchange *exchange = service_receive(server);
    service_expect_request(exchange, "still there?");
    service_answer(exchange, "yes");
    ask_join_ok(&a, "yes");
    rk_caller_close(caller);
}

/* --- other limits ----------------------------------------------------------------------------- */

/* The server's limit is larger than its caller's: the long reply never arrives, and nothing hangs.
 * The request comes again and again, as the connection is closed each time. */
static void test_reply_over_callers_limit(void **state)
{
    (void)state;
    rk_transport_limits large = service_limits(), small = large;
    small.message_bytes_max = 1000;
    rk_transport *there = open_with(&large), *here = open_with(&small);
    rk_server *server = service_listen(there, URL);
    rk_caller *caller = service_dial(here, rk_server_url(server));
    uint8_t *reply = calloc(1, 1001);
    ask a;
    assert_non_null(reply);
    ask_start(&a, caller, "how long?");
    for (int i = 0; i < 3; i++) {
        rk_exchange *exchange = service_receive(server);
        service_expect_request(exchange, "how long?");
        must(rk_exchange_answer(exchange, rk_slice_of(reply, 1001), NULL), NULL);
    }
    service_answer(service_receive(server), "shorter");
    ask_join_ok(&a, "shorter");
    free(reply);
    rk_caller_close(caller);
    rk_server_close(server);
    rk_transport_close(here);
    rk_transport_close(there);
}

/* The other way round: the request is too long for its server, which never sees it. */
static void test_request_over_servers_limit(void **state)
{
    (void)state;
    rk_transport_limits large = service_limits(), small = large;
    small.message_bytes_max = 1000;
    rk_transport *there = open_with(&small), *here = open_with(&large);
    rk_server *server = service_listen(there, URL);
    rk_caller *caller = service_dial(here, rk_server_url(server));
    uint8_t *request = calloc(1, 1001);
    rk_exchange *exchange = NULL;
    rk_buf reply;
    assert_non_null(request);
    rk_buf_init(&reply, 16);
    must_be(RK_TIMEOUT, rk_caller_call(caller, rk_slice_of(request, 1001), 200, &reply, NULL),
            NULL);
    must_be(RK_TIMEOUT, rk_server_receive(server, 0, &exchange, NULL), NULL);
    expect_served(here, server);
    free(request);
    rk_caller_close(caller);
    rk_server_close(server);
    rk_transport_close(here);
    rk_transport_close(there);
}

/* --- too many --------------------------------------------------------------------------------- */

static void test_connections_max(void **state)
{
    (void)state;
    rk_transport_limits limits = service_limits();
    limits.connections_max = 2;
    rk_transport *t = open_with(&limits);
    rk_server *server = service_listen(t, URL);
    rk_caller *callers[3];
    echo e;
    echo_start(&e, server, 1);
    for (size_t i = 0; i < 2; i++) {
        callers[i] = service_dial(t, rk_server_url(server));
        service_call(callers[i], "in", "in");
    }
    rk_buf reply;
    rk_buf_init(&reply, 16);
    callers[2] = service_dial(t, rk_server_url(server));
    must_be(RK_TIMEOUT, rk_caller_call(callers[2], RK_SLICE_LITERAL("x"), 200, &reply, NULL), NULL);
    service_call(callers[0], "still in", "still in");
    rk_caller_close(callers[1]);
    service_call(callers[2], "at last", "at last");
    rk_buf_fini(&reply);
    rk_caller_close(callers[0]);
    rk_caller_close(callers[2]);
    echo_stop(&e);
    rk_server_close(server);
    rk_transport_close(t);
}

/* --- strangers -------------------------------------------------------------------------------- */

static void test_garbage(void **state)
{
    (void)state;
    rk_transport_limits limits = service_limits();
    rk_transport *t = open_with(&limits);
    rk_server *server = service_listen(t, URL);
    const char *url = rk_server_url(server);
    static const char text[] = "GET / HTTP/1.1\r\nHost: me\r\n\r\n";

    int speaks_http = raw_connect(url);
    assert_int_equal(send(speaks_http, text, sizeof text, MSG_NOSIGNAL), sizeof text);
    int says_nothing = raw_connect(url);
    int promises_too_much = raw_connect(url);
    raw_greet(promises_too_much);
    raw_send_length(promises_too_much, UINT64_MAX);
    int just_over = raw_connect(url);
    raw_greet(just_over);
    raw_send_length(just_over, limits.message_bytes_max + 5);
    int stops_halfway = raw_connect(url);
    raw_greet(stops_halfway);
    raw_send_length(stops_halfway, 1000);
    assert_int_equal(send(stops_halfway, text, 10, MSG_NOSIGNAL), 10);
    int too_short = raw_connect(url);
    raw_greet(too_short);
    raw_send_length(too_short, 2);
    assert_int_equal(send(too_short, text, 2, MSG_NOSIGNAL), 2);

    expect_served(t, server);
    char c;
    assert_int_equal(recv(promises_too_much, &c, 1, 0), 0); /* closed by the server */
    assert_int_equal(recv(just_over, &c, 1, 0), 0);
    expect_served(t, server);
    const int all[] = {speaks_http, says_nothing, promises_too_much,
                       just_over,   too_short,    stops_halfway};
    for (size_t i = 0; i < COUNT(all); i++)
        close(all[i]);
    expect_served(t, server);
    rk_server_close(server);
    rk_transport_close(t);
}

/* A peer that asks and does not read: its answers get stuck, those of others do not. */
static void test_deaf_peer(void **state)
{
    (void)state;
    rk_transport_limits limits = service_limits();
    limits.answer_timeout_ms = 100;
    rk_transport *t = open_with(&limits);
    rk_server *server = service_listen(t, URL);
    uint8_t *reply = calloc(1, limits.message_bytes_max);
    rk_error err = {0};
    rk_status status = RK_OK;
    assert_non_null(reply);
    int fd = raw_connect(rk_server_url(server));
    raw_greet(fd);
    for (uint32_t i = 0; status == RK_OK && i < 1000; i++) {
        raw_send_request(fd, i, 10);
        rk_exchange *exchange = service_receive(server);
        status = rk_exchange_answer(exchange, rk_slice_of(reply, limits.message_bytes_max), &err);
    }
    must_be(RK_TIMEOUT, status, &err);
    assert_int_equal(err.origin, RK_ORIGIN_NNG);
    assert_non_null(strstr(err.message, rk_server_url(server)));
    expect_served(t, server);
    free(reply);
    rk_server_close(server);
    rk_transport_close(t);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply_over_callers_limit),
        cmocka_unit_test(test_request_over_servers_limit),
        cmocka_unit_test(test_connections_max),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_deaf_peer),
    };
    return cmocka_run_group_tests_name("nng peers", tests, NULL, NULL);
}
