#include "service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void service_expect(rk_status status, rk_status expected, const rk_error *err, const char *what,
                    const char *file, int line)
{
    if (status == expected)
        return;
    print_error("%s: %s (%s), not %s\n", what, rk_status_name(status), err ? err->message : "",
                rk_status_name(expected));
    _fail(file, line);
}

rk_transport_limits service_limits(void)
{
    rk_transport_limits limits = RK_TRANSPORT_LIMITS_DEFAULT;
    limits.reconnect_min_ms = 5;
    limits.reconnect_max_ms = 20;
    limits.exchanges_max = 16;
    return limits;
}

rk_server *service_listen(rk_transport *transport, const char *url)
{
    rk_error err = {0};
    rk_server *server = NULL;
    must(rk_transport_listen(transport, url, &server, &err), &err);
    return server;
}

rk_caller *service_dial(rk_transport *transport, const char *url)
{
    rk_error err = {0};
    rk_caller *caller = NULL;
    must(rk_transport_dial(transport, url, &caller, &err), &err);
    return caller;
}

rk_exchange *service_receive(rk_server *server)
{
    rk_error err = {0};
    rk_exchange *exchange = NULL;
    must(rk_server_receive(server, PATIENT_MS, &exchange, &err), &err);
    return exchange;
}

void service_answer(rk_exchange *exchange, const char *reply)
{
    rk_error err = {0};
    must(rk_exchange_answer(exchange, rk_slice_str(reply), &err), &err);
}

void service_expect_request(rk_exchange *exchange, const char *request)
{
    rk_slice bytes = rk_exchange_request(exchange);
    assert_int_equal(bytes.len, strlen(request));
    assert_memory_equal(bytes.ptr, request, bytes.len);
}

void service_call(rk_caller *caller, const char *request, const char *reply)
{
    rk_error err = {0};
    rk_buf got;
    rk_buf_init(&got, 1024);
    must(rk_caller_call(caller, rk_slice_str(request), PATIENT_MS, &got, &err), &err);
    assert_int_equal(got.len, strlen(reply));
    if (got.len > 0)
        assert_memory_equal(got.ptr, reply, got.len);
    rk_buf_fini(&got);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void *ask_run(void *argument)
{
    ask *a = argument;
    rk_buf reply;
    rk_buf_init(&reply, sizeof a->reply - 1);
    a->status = rk_caller_call(a->caller, rk_slice_str(a->request), a->timeout_ms, &reply, &a->err);
    if (reply.len > 0)
        memcpy(a->reply, reply.ptr, reply.len);
    a->reply[reply.len] = '\0';
    rk_buf_fini(&reply);
    return NULL;
}

void ask_start(ask *a, rk_caller *caller, const char *request)
{
    *a = (ask){.caller = caller, .request = request, .timeout_ms = PATIENT_MS};
    assert_int_equal(pthread_create(&a->thread, NULL, ask_run, a), 0);
}

void ask_join(ask *a)
{
    assert_int_equal(pthread_join(a->thread, NULL), 0);
}

void ask_join_ok(ask *a, const char *reply)
{
    ask_join(a);
    must(a->status, &a->err);
    assert_string_equal(a->reply, reply);
}

/* --- answering -------------------------------------------------------------------------------- */

/* cmocka's assertions belong to the test's own thread: here the last status is the report. */
static void *echo_run(void *argument)
{
    echo *e = argument;
    rk_status status = RK_OK;
    while (status == RK_OK || status == RK_TIMEOUT) {
        rk_exchange *exchange = NULL;
        status = rk_server_receive(e->server, 1000, &exchange, NULL);
        if (status != RK_OK)
            continue;
        status = rk_exchange_answer(exchange, rk_exchange_request(exchange), NULL);
        if (status == RK_OK)
            atomic_fetch_add(&e->answered, 1);
    }
    return status == RK_NOT_FOUND ? NULL : e;
}

void echo_start(echo *e, rk_server *server, int threads)
{
    assert_true(threads <= ECHO_THREADS_MAX);
    e->server = server;
    e->thread_count = threads;
    atomic_init(&e->answered, 0);
    for (int i = 0; i < threads; i++)
        assert_int_equal(pthread_create(&e->threads[i], NULL, echo_run, e), 0);
}

void echo_stop(echo *e)
{
    rk_server_stop(e->server);
    for (int i = 0; i < e->thread_count; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(e->threads[i], &failed), 0);
        assert_null(failed);
    }
}
