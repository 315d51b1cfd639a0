#include "transport/inproc.h"
#include "transport/serve.h"
#include "transport/waiting.h"

#include "service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define URL          "inproc://serve"
#define CALLERS      8
#define CALLS        50
#define SHUTDOWNS    100
#define THREADS      4
#define NO_ANSWER_MS 50u

typedef struct fixture {
    rk_transport *transport;
    rk_server *server;
    rk_serve *serve;
} fixture;

static int open_server(void **state)
{
    rk_transport_limits limits = service_limits();
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    must(rk_inproc_open(&limits, NULL, 0, 1, &f->transport, NULL), NULL);
    f->server = service_listen(f->transport, URL);
    *state = f;
    return 0;
}

static int close_server(void **state)
{
    fixture *f = *state;
    rk_serve_stop(f->serve);
    rk_server_close(f->server);
    rk_transport_close(f->transport);
    free(f);
    return 0;
}

/* Answers with the request itself, and "silence" not at all. `context` counts. cmocka's assertions
 * belong to the test's own thread: a reply that is not as promised gives no answer. */
static rk_status echo_request(void *context, rk_slice request, rk_buf *reply)
{
    atomic_int *count = context;
    atomic_fetch_add(count, 1);
    if (reply->len != 0 || reply->max != service_limits().message_bytes_max ||
        rk_slice_equal(request, RK_SLICE_LITERAL("silence")))
        return RK_NOT_FOUND;
    return rk_buf_set(reply, request, NULL);
}

static void start(fixture *f, uint32_t threads, rk_serve_handler handler, void *context)
{
    rk_error err = {0};
    must(rk_serve_start(f->server, threads, handler, context, &f->serve, &err), &err);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void test_thread_counts(void **state)
{
    fixture *f = *state;
    static const struct {
        uint32_t threads;
        rk_status status;
    } cases[] = {
        {0, RK_INVALID},
        {1, RK_OK},
        {RK_SERVE_THREADS_MAX, RK_OK},
        {RK_SERVE_THREADS_MAX + 1, RK_INVALID},
        {UINT32_MAX, RK_INVALID},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rk_error err = {0};
        rk_serve *serve = NULL;
        atomic_int count = 0;
        must_be(cases[i].status,
                rk_serve_start(f->server, cases[i].threads, echo_request, &count, &serve, &err),
                &err);
        assert_true((serve != NULL) == (cases[i].status == RK_OK));
        assert_true((err.message[0] != '\0') == (cases[i].status != RK_OK));
        if (serve == NULL)
            continue;
        rk_serve_stop(serve);
        rk_server_close(f->server);
        f->server = service_listen(f->transport, URL);
    }
}

static void test_stop_of_nothing(void **state)
{
    (void)state;
    rk_serve_stop(NULL);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void test_many_callers(void **state)
{
    fixture *f = *state;
    static const char *const words[CALLERS] = {"a", "bb", "ccc", "", "e", "ff", "g", "hh"};
    atomic_int count = 0;
    rk_caller *callers[CALLERS];
    ask asks[CALLERS];
    start(f, THREADS, echo_request, &count);
    for (int i = 0; i < CALLERS; i++)
        callers[i] = service_dial(f->transport, URL);
    for (int round = 0; round < CALLS; round++) {
        for (int i = 0; i < CALLERS; i++)
            ask_start(&asks[i], callers[i], words[i]);
        for (int i = 0; i < CALLERS; i++)
            ask_join_ok(&asks[i], words[i]);
    }
    for (int i = 0; i < CALLERS; i++)
        rk_caller_close(callers[i]);
    assert_int_equal(atomic_load(&count), CALLERS * CALLS);
}

/* What the handler does not answer is dropped, and the thread goes on. */
static void test_no_answer(void **state)
{
    fixture *f = *state;
    atomic_int count = 0;
    rk_caller *caller = service_dial(f->transport, URL);
    rk_buf reply;
    rk_buf_init(&reply, 64);
    start(f, 1, echo_request, &count);
    must_be(RK_TIMEOUT,
            rk_caller_call(caller, RK_SLICE_LITERAL("silence"), NO_ANSWER_MS, &reply, NULL), NULL);
    service_call(caller, "still there", "still there");
    rk_buf_fini(&reply);
    rk_caller_close(caller);
}

static rk_status answer_with_limit(void *context, rk_slice request, rk_buf *reply)
{
    (void)context;
    (void)request;
    rk_status status = rk_buf_reserve(reply, reply->max + 1, NULL);
    if (status != RK_LIMIT)
        return RK_NOMEM;
    return rk_buf_append_str(reply, "full", NULL);
}

/* A handler cannot make an answer that the transport would not send. */
static void test_reply_has_a_cap(void **state)
{
    fixture *f = *state;
    rk_caller *caller = service_dial(f->transport, URL);
    start(f, 1, answer_with_limit, NULL);
    service_call(caller, "", "full");
    rk_caller_close(caller);
}

/* --- stopping --------------------------------------------------------------------------------- */

/* A handler that waits until it is let go. */
typedef struct slow_handler {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool entered;
    bool let_go;
} slow_handler;

static rk_status answer_slowly(void *context, rk_slice request, rk_buf *reply)
{
    slow_handler *slow = context;
    pthread_mutex_lock(&slow->lock);
    slow->entered = true;
    pthread_cond_broadcast(&slow->changed);
    while (!slow->let_go)
        pthread_cond_wait(&slow->changed, &slow->lock);
    pthread_mutex_unlock(&slow->lock);
    return rk_buf_set(reply, request, NULL);
}

static void *stop_run(void *argument)
{
    rk_serve_stop(argument);
    return NULL;
}

static void test_stop_waits_for_handlers(void **state)
{
    fixture *f = *state;
    slow_handler slow = {0};
    rk_caller *caller = service_dial(f->transport, URL);
    rk_exchange *none = NULL;
    pthread_t stopping;
    ask a;
    must(rk_lock_init(&slow.lock, &slow.changed, NULL), NULL);
    start(f, 2, answer_slowly, &slow);
    ask_start(&a, caller, "the last one");
    pthread_mutex_lock(&slow.lock);
    while (!slow.entered)
        pthread_cond_wait(&slow.changed, &slow.lock);
    pthread_mutex_unlock(&slow.lock);
    assert_int_equal(pthread_create(&stopping, NULL, stop_run, f->serve), 0);
    /* Comes back once the stop has begun: the handler is still at work then. */
    must_be(RK_NOT_FOUND, rk_server_receive(f->server, PATIENT_MS, &none, NULL), NULL);
    pthread_mutex_lock(&slow.lock);
    slow.let_go = true;
    pthread_cond_broadcast(&slow.changed);
    pthread_mutex_unlock(&slow.lock);
    assert_int_equal(pthread_join(stopping, NULL), 0);
    f->serve = NULL;
    ask_join_ok(&a, "the last one");
    rk_lock_fini(&slow.lock, &slow.changed);
    rk_caller_close(caller);
}

static void test_shutdowns(void **state)
{
    fixture *f = *state;
    atomic_int count = 0;
    rk_caller *caller = service_dial(f->transport, URL);
    for (int round = 0; round < SHUTDOWNS; round++) {
        ask a;
        start(f, 1 + (uint32_t)round % THREADS, echo_request, &count);
        if (round % 2 == 0)
            service_call(caller, "one", "one");
        ask_start(&a, caller, "two");
        rk_serve_stop(f->serve);
        f->serve = NULL;
        rk_server_close(f->server);
        f->server = service_listen(f->transport, URL);
        /* Answered before the stop, or by the server that came after. */
        start(f, 1, echo_request, &count);
        ask_join_ok(&a, "two");
        rk_serve_stop(f->serve);
        f->serve = NULL;
        rk_server_close(f->server);
        f->server = service_listen(f->transport, URL);
    }
    rk_caller_close(caller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_thread_counts, open_server, close_server),
        cmocka_unit_test(test_stop_of_nothing),
        cmocka_unit_test_setup_teardown(test_many_callers, open_server, close_server),
        cmocka_unit_test_setup_teardown(test_no_answer, open_server, close_server),
        cmocka_unit_test_setup_teardown(test_reply_has_a_cap, open_server, close_server),
        cmocka_unit_test_setup_teardown(test_stop_waits_for_handlers, open_server, close_server),
        cmocka_unit_test_setup_teardown(test_shutdowns, open_server, close_server),
    };
    return cmocka_run_group_tests_name("transport_serve", tests, NULL, NULL);
}
