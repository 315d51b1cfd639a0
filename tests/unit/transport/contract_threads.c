/* The second suite: many threads, and the ways to end what they are at. */
#include "contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define CALLERS      12
#define CALLS        40
#define SHUTDOWNS    200
#define HANG_SECONDS 300

/* --- many callers ----------------------------------------------------------------------------- */

typedef struct crowd_member {
    rk_transport *transport;
    const char *url;
    int number;
    pthread_t thread;
    int wrong;
} crowd_member;

static void *crowd_run(void *argument)
{
    crowd_member *m = argument;
    rk_caller *caller = NULL;
    rk_buf reply;
    char text[64];
    rk_buf_init(&reply, sizeof text);
    if (rk_transport_dial(m->transport, m->url, &caller, NULL) != RK_OK)
        return m->wrong++, NULL;
    for (int i = 0; i < CALLS; i++) {
        snprintf(text, sizeof text, "caller %d, call %d", m->number, i);
        rk_slice request = rk_slice_str(text);
        if (rk_caller_call(caller, request, PATIENT_MS, &reply, NULL) != RK_OK ||
            !rk_slice_equal(request, rk_buf_slice(&reply)))
            m->wrong++;
    }
    rk_caller_close(caller);
    rk_buf_fini(&reply);
    return NULL;
}

/* Each gets its own reply, whatever the threads do. */
static void test_many_callers(void **state)
{
    contract_fixture *f = *state;
    crowd_member crowd[CALLERS] = {0};
    echo e;
    echo_start(&e, f->server, 3);
    for (int i = 0; i < CALLERS; i++) {
        crowd[i] =
            (crowd_member){.transport = f->transport, .url = rk_server_url(f->server), .number = i};
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, crowd_run, &crowd[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(crowd[i].thread, NULL);
        assert_int_equal(crowd[i].wrong, 0);
    }
    echo_stop(&e);
    assert_true(atomic_load(&e.answered) >= CALLERS * CALLS);
}

/* --- open exchanges --------------------------------------------------------------------------- */

typedef struct answering {
    rk_exchange *exchange;
    pthread_t thread;
    rk_status status;
} answering;

static void *answer_run(void *argument)
{
    answering *a = argument;
    a->status = rk_exchange_answer(a->exchange, rk_exchange_request(a->exchange), NULL);
    return NULL;
}

/* Several are open at once, and answered in another order by other threads. */
static void test_out_of_order(void **state)
{
    contract_fixture *f = *state;
    static const char *const WORDS[] = {"one", "two", "three", "four"};
    rk_caller *callers[COUNT(WORDS)];
    ask asks[COUNT(WORDS)];
    answering answers[COUNT(WORDS)];
    for (size_t i = 0; i < COUNT(WORDS); i++) {
        callers[i] = service_dial(f->transport, rk_server_url(f->server));
        ask_start(&asks[i], callers[i], WORDS[i]);
        answers[i].exchange = service_receive(f->server);
        service_expect_request(answers[i].exchange, WORDS[i]);
    }
    for (size_t i = COUNT(WORDS); i-- > 0;)
        assert_int_equal(pthread_create(&answers[i].thread, NULL, answer_run, &answers[i]), 0);
    for (size_t i = 0; i < COUNT(WORDS); i++) {
        pthread_join(answers[i].thread, NULL);
        must(answers[i].status, NULL);
        ask_join_ok(&asks[i], WORDS[i]);
        rk_caller_close(callers[i]);
    }
}

/* With exchanges_max open, receive gives no more until one has ended. */
static void test_back_pressure(void **state)
{
    contract_fixture *f = *state;
    rk_transport_limits limits = service_limits();
    limits.exchanges_max = 2;
    contract_reopen(f, &limits);
    rk_caller *callers[3];
    ask asks[3];
    rk_exchange *open[2], *more = NULL;
    for (size_t i = 0; i < COUNT(asks); i++) {
        callers[i] = service_dial(f->transport, rk_server_url(f->server));
        ask_start(&asks[i], callers[i], "me");
    }
    open[0] = service_receive(f->server);
    open[1] = service_receive(f->server);
    must_be(RK_TIMEOUT, rk_server_receive(f->server, 0, &more, NULL), NULL);
    must_be(RK_TIMEOUT, rk_server_receive(f->server, 50, &more, NULL), NULL);
    service_answer(open[0], "done");
    service_answer(service_receive(f->server), "done");
    service_answer(open[1], "done");
    for (size_t i = 0; i < COUNT(asks); i++) {
        ask_join_ok(&asks[i], "done");
        rk_caller_close(callers[i]);
    }
}

/* A receive that waits for room goes on as soon as an exchange ends. */
static void test_room_wakes_receive(void **state)
{
    contract_fixture *f = *state;
    rk_transport_limits limits = service_limits();
    limits.exchanges_max = 1;
    contract_reopen(f, &limits);
    rk_caller *other = service_dial(f->transport, rk_server_url(f->server));
    ask asks[2];
    echo e;
    ask_start(&asks[0], f->caller, "first");
    rk_exchange *open = service_receive(f->server);
    ask_start(&asks[1], other, "second");
    echo_start(&e, f->server, 2);
    service_answer(open, "first");
    ask_join_ok(&asks[0], "first");
    ask_join_ok(&asks[1], "second");
    echo_stop(&e);
    rk_caller_close(other);
}

/* --- ending what others wait for -------------------------------------------------------------- */

typedef struct receiving {
    rk_server *server;
    pthread_t thread;
    rk_status status;
} receiving;

static void *receive_run(void *argument)
{
    receiving *r = argument;
    rk_exchange *exchange = NULL;
    r->status = rk_server_receive(r->server, RK_TRANSPORT_MS_CEILING, &exchange, NULL);
    if (r->status == RK_OK)
        rk_exchange_answer(exchange, RK_SLICE_EMPTY, NULL);
    return NULL;
}

static void start_receiving(receiving *r, rk_server *server)
{
    *r = (receiving){.server = server};
    assert_int_equal(pthread_create(&r->thread, NULL, receive_run, r), 0);
}

/* The receives have an hour left; without the stop, this test would hang. */
static void test_stop_while_receiving(void **state)
{
    contract_fixture *f = *state;
    receiving waiting[3];
    for (size_t i = 0; i < COUNT(waiting); i++)
        start_receiving(&waiting[i], f->server);
    /* A call makes sure that the server has been at work. */
    echo e;
    echo_start(&e, f->server, 1);
    service_call(f->caller, "", "");
    rk_server_stop(f->server);
    int got = 0;
    for (size_t i = 0; i < COUNT(waiting); i++) {
        pthread_join(waiting[i].thread, NULL);
        got += waiting[i].status == RK_OK;
        assert_true(waiting[i].status == RK_OK || waiting[i].status == RK_NOT_FOUND);
    }
    assert_true(got <= 1);
    echo_stop(&e);
}

static void test_close_while_receiving(void **state)
{
    contract_fixture *f = *state;
    receiving waiting[3];
    for (size_t i = 0; i < COUNT(waiting); i++)
        start_receiving(&waiting[i], f->server);
    rk_server_stop(f->server);
    for (size_t i = 0; i < COUNT(waiting); i++) {
        pthread_join(waiting[i].thread, NULL);
        must_be(RK_NOT_FOUND, waiting[i].status, NULL);
    }
    rk_server_close(f->server);
    f->server = NULL;
}

static void test_cancel_under_way(void **state)
{
    contract_fixture *f = *state;
    ask a;
    ask_start(&a, f->caller, "for ever");
    rk_exchange *open = service_receive(f->server);
    rk_caller_cancel(f->caller);
    ask_join(&a);
    must_be(RK_NOT_FOUND, a.status, &a.err);
    service_answer(open, "too late");
}

static void test_cancel_without_server(void **state)
{
    contract_fixture *f = *state;
    ask a;
    rk_server_close(f->server);
    f->server = NULL;
    ask_start(&a, f->caller, "anybody?");
    rk_caller_cancel(f->caller);
    ask_join(&a);
    must_be(RK_NOT_FOUND, a.status, &a.err);
}

/* The server goes with its exchanges; the call that waits is cut short, not left hanging. */
static void test_close_with_open_exchanges(void **state)
{
    contract_fixture *f = *state;
    ask a;
    ask_start(&a, f->caller, "wait for me");
    service_receive(f->server);
    rk_server_close(f->server);
    f->server = NULL;
    rk_caller_cancel(f->caller);
    ask_join(&a);
    must_be(RK_NOT_FOUND, a.status, &a.err);
}

/* --- shutting down, many times ---------------------------------------------------------------- */

typedef struct pest {
    rk_caller *caller;
    pthread_t thread;
} pest;

/* Calls until it is cancelled. */
static void *pest_run(void *argument)
{
    pest *p = argument;
    rk_buf reply;
    rk_buf_init(&reply, 64);
    rk_status status = RK_OK;
    while (status != RK_NOT_FOUND)
        status = rk_caller_call(p->caller, RK_SLICE_LITERAL("again"), 1000, &reply, NULL);
    rk_buf_fini(&reply);
    return NULL;
}

/* One life: threads at work at both ends, and all closed in an order that changes. */
static void live_once(contract_fixture *f, int round)
{
    pest pests[2];
    echo e;
    rk_server *server = service_listen(f->transport, f->backend->url);
    echo_start(&e, server, 2);
    for (size_t i = 0; i < COUNT(pests); i++) {
        pests[i].caller = service_dial(f->transport, rk_server_url(server));
        assert_int_equal(pthread_create(&pests[i].thread, NULL, pest_run, &pests[i]), 0);
    }
    /* Now and then before anything connects, else in full work. */
    while (round % 4 != 0 && atomic_load(&e.answered) < round % 4)
        sched_yield();
    if (round % 2 == 0) {
        echo_stop(&e);
        rk_server_close(server);
    }
    for (size_t i = 0; i < COUNT(pests); i++)
        rk_caller_cancel(pests[i].caller);
    for (size_t i = 0; i < COUNT(pests); i++) {
        pthread_join(pests[i].thread, NULL);
        rk_caller_close(pests[i].caller);
    }
    if (round % 2 == 1) {
        echo_stop(&e);
        rk_server_close(server);
    }
}

static void test_shutdowns(void **state)
{
    contract_fixture *f = *state;
    rk_server_close(f->server);
    f->server = NULL;
    alarm(HANG_SECONDS);
    for (int round = 0; round < SHUTDOWNS; round++)
        live_once(f, round);
    alarm(0);
    assert_false(f->backend->stuck && f->backend->stuck(f->transport));
}

int contract_run_threads(const char *name, const contract_backend *backend)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_callers),
        cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_room_wakes_receive),
        cmocka_unit_test(test_stop_while_receiving),
        cmocka_unit_test(test_close_while_receiving),
        cmocka_unit_test(test_cancel_under_way),
        cmocka_unit_test(test_cancel_without_server),
        cmocka_unit_test(test_close_with_open_exchanges),
    };
    return contract_run_tests(name, tests, COUNT(tests), backend);
}

int contract_run_shutdowns(const char *name, const contract_backend *backend)
{
    struct CMUnitTest tests[] = {cmocka_unit_test(test_shutdowns)};
    return contract_run_tests(name, tests, COUNT(tests), backend);
}
