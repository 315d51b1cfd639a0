/* Offers, leases and results: each result counts once, in time, for its own lease; requests that
 * come twice are answered as before. The clock is turned by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "rekey/node/leases.h"
#include "tests/unit/state/shelf.h"

#define NS_PER_MS UINT64_C(1000000)

/* Time goes on by a step at each look, so that waits end. */
#define STEP_MS 50

typedef struct table {
    rk_clock clock;
    _Atomic uint64_t now_ns;
    _Atomic uint64_t step_ns;
    rk_leases *leases;
    const rk_lender *lender;
    rk_short_key walk;
    rk_buf reply; /* the last */
    rk_lease_reply said;
} table;

static uint64_t monotonic(void *context)
{
    table *t = context;
    return t->now_ns += t->step_ns;
}

static void open_table(table *t, uint32_t waiting_max)
{
    *t = (table){.now_ns = 1, .step_ns = STEP_MS * NS_PER_MS};
    t->clock = (rk_clock){.context = t, .monotonic_ns = monotonic};
    rk_buf_init(&t->reply, 4096);
    must(rk_leases_create(&t->clock, waiting_max, 1000, &t->leases, NULL), NULL);
    t->lender = rk_leases_lender(t->leases);
    t->lender->begin(t->lender->context, &t->walk);
}

static void close_table(table *t)
{
    t->lender->end(t->lender->context);
    rk_leases_destroy(t->leases);
    rk_buf_fini(&t->reply);
}

/* --- the two sides ---------------------------------------------------------------------------- */

static bool reserve(table *t, uint32_t *place)
{
    uint64_t step_ns = t->step_ns;
    t->step_ns = NS_PER_MS;
    bool found = t->lender->reserve(t->lender->context, 1, place);
    t->step_ns = step_ns;
    return found;
}

static void offer(table *t, uint32_t place, const char *text)
{
    t->step_ns = 0;
    t->lender->offer(t->lender->context, place, rk_slice_str(text));
}

static bool collect(table *t, uint32_t place, const char *expected)
{
    rk_slice result = RK_SLICE_EMPTY;
    bool answered = t->lender->collect(t->lender->context, place, &result);
    if (answered && expected)
        assert_true(rk_slice_equal(result, rk_slice_str(expected)));
    return answered;
}

static void release(table *t, uint32_t place, uint32_t used)
{
    rk_lent outcome = {.answered = true, .used = used};
    t->lender->release(t->lender->context, place, &outcome);
}

static rk_status send_request(table *t, uint8_t operation, const rk_lease_request *request)
{
    rk_operation_name name = {{operation, 1}};
    rk_buf body;
    rk_buf_init(&body, 4096);
    must(rk_lease_request_encode(request, &body, NULL), NULL);
    rk_buf_reset(&t->reply);
    rk_status status = rk_leases_answer(t->leases, &name, rk_buf_slice(&body), &t->reply, NULL);
    rk_buf_fini(&body);
    if (status == RK_OK)
        must(rk_lease_reply_decode(rk_buf_slice(&t->reply), &t->said, NULL), NULL);
    return status;
}

static void ask(table *t, uint8_t worker, uint8_t operation)
{
    rk_lease_request request = {.worker = {{worker}}};
    must(send_request(t, operation, &request), NULL);
}

static void bring(table *t, uint8_t worker, uint8_t operation, const rk_operation_name *lease,
                  const char *result)
{
    rk_lease_request request = {.worker = {{worker}}, .has_result = true, .lease = *lease};
    request.result = rk_slice_str(result);
    must(send_request(t, operation, &request), NULL);
}

/* A worker that has been seen, a chunk that it may have, and its lease on it. */
static rk_operation_name lease_one(table *t, uint32_t *place)
{
    t->step_ns = STEP_MS * NS_PER_MS;
    ask(t, 1, 1);
    assert_false(t->said.has_offer);
    assert_true(reserve(t, place));
    offer(t, *place, "chunk");
    ask(t, 1, 2);
    assert_true(t->said.has_offer);
    assert_true(rk_slice_equal(t->said.offer, RK_SLICE_LITERAL("chunk")));
    return t->said.lease;
}

/* --- tests ------------------------------------------------------------------------------------ */

static rk_operation_name lease_that_ran_out(table *t, uint32_t *place)
{
    rk_operation_name lease = lease_one(t, place);
    t->now_ns += RK_LEASE_MS * NS_PER_MS;
    assert_false(collect(t, *place, NULL));
    release(t, *place, 0);
    return lease;
}

static void test_nobody_is_there(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    open_table(&t, 1);
    assert_false(reserve(&t, &place));
    close_table(&t);
}

static void test_there_and_back(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    open_table(&t, 1);
    rk_operation_name lease = lease_one(&t, &place);
    assert_int_equal(rk_leases_counts_of(t.leases).working, 1);
    t.step_ns = STEP_MS * NS_PER_MS;
    bring(&t, 1, 3, &lease, "done");
    assert_int_equal(t.said.fate, RK_LEASE_TAKEN);
    assert_true(collect(&t, place, "done"));
    release(&t, place, 5);
    rk_leases_counts counts = rk_leases_counts_of(t.leases);
    assert_true(counts.leases == 1 && counts.records == 5 && counts.working == 0);
    assert_true(counts.expired == 0 && counts.useless == 0);
    close_table(&t);
}

static void test_the_same_request_twice(void **state)
{
    (void)state;
    table t;
    uint32_t place[2];
    open_table(&t, 1);
    ask(&t, 1, 1);
    assert_true(reserve(&t, &place[0]) && reserve(&t, &place[1]));
    offer(&t, place[0], "one");
    offer(&t, place[1], "two");
    ask(&t, 1, 2);
    rk_operation_name lease = t.said.lease;
    ask(&t, 1, 2);
    assert_true(t.said.has_offer);
    assert_memory_equal(&t.said.lease, &lease, sizeof lease);
    ask(&t, 1, 3);
    assert_memory_not_equal(&t.said.lease, &lease, sizeof lease);
    close_table(&t);
}

static void test_the_same_result_twice(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    open_table(&t, 0);
    rk_operation_name lease = lease_one(&t, &place);
    for (uint8_t operation = 3; operation < 6; operation++) {
        bring(&t, 1, operation, &lease, operation == 3 ? "done" : "other");
        assert_int_equal(t.said.fate, RK_LEASE_TAKEN);
    }
    assert_true(collect(&t, place, "done"));
    release(&t, place, 1);
    bring(&t, 1, 6, &lease, "done");
    assert_int_equal(t.said.fate, RK_LEASE_TAKEN);
    assert_int_equal(rk_leases_counts_of(t.leases).leases, 1);
    close_table(&t);
}

static void test_too_late(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    open_table(&t, 0);
    rk_operation_name lease = lease_that_ran_out(&t, &place);
    assert_int_equal(rk_leases_counts_of(t.leases).expired, 1);
    assert_int_equal(rk_leases_counts_of(t.leases).workers, 0);
    assert_false(reserve(&t, &place)); /* it gets no other before it comes back */
    bring(&t, 1, 3, &lease, "done");
    assert_int_equal(t.said.fate, RK_LEASE_STALE);
    close_table(&t);
}

/* One that is always late would hold up every chunk: it is there, and gets nothing for a while. */
static void test_late_again(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    open_table(&t, 0);
    rk_operation_name lease = lease_that_ran_out(&t, &place);
    bring(&t, 1, 3, &lease, "done");
    assert_int_equal(t.said.fate, RK_LEASE_STALE);
    assert_int_equal(t.said.pause_ms, RK_LEASE_POLL_MS);
    assert_int_equal(rk_leases_counts_of(t.leases).workers, 0);
    assert_false(reserve(&t, &place));
    ask(&t, 2, 4);
    assert_true(reserve(&t, &place));
    offer(&t, place, "chunk");
    ask(&t, 1, 5);
    assert_false(t.said.has_offer);
    ask(&t, 2, 6);
    assert_true(t.said.has_offer);
    release(&t, place, 0);
    t.now_ns += RK_LEASE_LATE_MS * NS_PER_MS;
    ask(&t, 1, 7);
    assert_true(reserve(&t, &place));
    offer(&t, place, "chunk");
    ask(&t, 1, 8);
    assert_true(t.said.has_offer);
    close_table(&t);
}

static void test_in_the_last_moment(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    open_table(&t, 0);
    rk_operation_name lease = lease_one(&t, &place);
    t.now_ns += RK_LEASE_MS * NS_PER_MS - 1;
    bring(&t, 1, 3, &lease, "done");
    assert_int_equal(t.said.fate, RK_LEASE_TAKEN);
    t.now_ns += RK_LEASE_MS * NS_PER_MS;
    assert_true(collect(&t, place, "done"));
    close_table(&t);
}

static void test_of_no_lease(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    rk_operation_name none = {{0}};
    open_table(&t, 0);
    (void)lease_one(&t, &place);
    bring(&t, 1, 3, &none, "done");
    assert_int_equal(t.said.fate, RK_LEASE_STALE);
    close_table(&t);
}

static void test_a_result_too_long(void **state)
{
    (void)state;
    static char text[1002];
    table t;
    uint32_t place;
    open_table(&t, 0);
    rk_operation_name lease = lease_one(&t, &place);
    memset(text, 'x', sizeof text - 1);
    bring(&t, 1, 3, &lease, text);
    assert_int_equal(t.said.fate, RK_LEASE_STALE);
    close_table(&t);
}

static void test_an_offer_that_nobody_takes(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    open_table(&t, 0);
    ask(&t, 1, 1);
    assert_true(reserve(&t, &place));
    offer(&t, place, "chunk");
    t.now_ns += RK_LEASE_TAKE_MS * NS_PER_MS;
    assert_false(collect(&t, place, NULL));
    ask(&t, 1, 2);
    assert_false(t.said.has_offer);
    assert_int_equal(rk_leases_counts_of(t.leases).expired, 0);
    close_table(&t);
}

/* One chunk more than there are workers, and never more than there are places. */
static void test_how_many_places(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    open_table(&t, 0);
    t.step_ns = 0;
    for (uint8_t workers = 1; workers < 8; workers++) {
        uint32_t places = 0;
        ask(&t, workers, workers);
        while (reserve(&t, &place))
            places++;
        assert_int_equal(places, workers == 1 ? 2 : workers < RK_LENT_MAX ? 1 : 0);
    }
    close_table(&t);
}

static void test_the_walk_ends(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    open_table(&t, 0);
    rk_operation_name lease = lease_one(&t, &place);
    t.lender->end(t.lender->context);
    assert_false(collect(&t, place, NULL));
    release(&t, place, 0);
    assert_false(reserve(&t, &place));
    bring(&t, 1, 3, &lease, "done");
    assert_int_equal(t.said.fate, RK_LEASE_STALE);
    rk_short_key walk;
    t.lender->begin(t.lender->context, &walk);
    assert_memory_not_equal(&walk, &t.walk, sizeof walk);
    assert_true(reserve(&t, &place));
    close_table(&t);
}

static void test_a_worker_leaves(void **state)
{
    (void)state;
    table t;
    uint32_t place;
    open_table(&t, 0);
    rk_operation_name lease = lease_one(&t, &place);
    rk_lease_request request = {
        .worker = {{1}}, .leaves = true, .has_result = true, .lease = lease};
    request.result = RK_SLICE_LITERAL("done");
    must(send_request(&t, 3, &request), NULL);
    assert_int_equal(t.said.fate, RK_LEASE_TAKEN);
    assert_false(t.said.has_offer);
    assert_true(collect(&t, place, "done"));
    assert_int_equal(rk_leases_counts_of(t.leases).workers, 0);
    close_table(&t);
}

static void test_too_many_workers(void **state)
{
    (void)state;
    table t;
    open_table(&t, 0);
    t.step_ns = 0;
    for (uint8_t worker = 1; worker <= RK_LEASE_WORKERS_MAX; worker++)
        ask(&t, worker, worker);
    rk_lease_request request = {.worker = {{200}}};
    assert_int_equal(send_request(&t, 200, &request), RK_FULL);
    t.now_ns += 3 * RK_LEASE_MS * NS_PER_MS;
    must(send_request(&t, 200, &request), NULL);
    close_table(&t);
}

static void test_no_request(void **state)
{
    (void)state;
    table t;
    rk_operation_name name = {{1}};
    open_table(&t, 1);
    assert_int_equal(
        rk_leases_answer(t.leases, &name, RK_SLICE_LITERAL("no request"), &t.reply, NULL),
        RK_CORRUPT);
    close_table(&t);
}

/* --- waiting ---------------------------------------------------------------------------------- */

typedef struct waiting {
    table *t;
    uint8_t worker;
    rk_status status;
    rk_lease_reply said;
    rk_buf reply;
} waiting;

static void *wait_for_work(void *context)
{
    waiting *w = context;
    rk_operation_name name = {{w->worker, 7}};
    rk_lease_request request = {.worker = {{w->worker}}};
    rk_buf body;
    rk_buf_init(&body, 4096);
    must(rk_lease_request_encode(&request, &body, NULL), NULL);
    w->status = rk_leases_answer(w->t->leases, &name, rk_buf_slice(&body), &w->reply, NULL);
    rk_buf_fini(&body);
    if (w->status == RK_OK)
        must(rk_lease_reply_decode(rk_buf_slice(&w->reply), &w->said, NULL), NULL);
    return NULL;
}

static void begin_waiting(waiting *w, table *t, uint8_t worker, pthread_t *thread)
{
    *w = (waiting){.t = t, .worker = worker};
    rk_buf_init(&w->reply, 4096);
    assert_int_equal(pthread_create(thread, NULL, wait_for_work, w), 0);
    const rk_clock *clock = rk_clock_system();
    while (rk_leases_counts_of(t->leases).workers == 0)
        clock->pause_ns(clock->context, NS_PER_MS);
}

/* It gets the offer at once; another one has no thread to wait on and is told to come again. */
static void test_who_waits_is_woken(void **state)
{
    (void)state;
    table t;
    waiting w;
    pthread_t thread;
    uint32_t place;
    open_table(&t, 1);
    t.step_ns = 0;
    begin_waiting(&w, &t, 1, &thread);
    ask(&t, 2, 1);
    assert_int_equal(t.said.pause_ms, RK_LEASE_PAUSE_MS);
    assert_true(reserve(&t, &place));
    offer(&t, place, "chunk");
    pthread_join(thread, NULL);
    assert_int_equal(w.status, RK_OK);
    assert_true(w.said.has_offer);
    rk_buf_fini(&w.reply);
    close_table(&t);
}

/* The same request on another thread is dropped meanwhile; a close ends the wait. */
static void test_close_wakes(void **state)
{
    (void)state;
    table t;
    waiting w;
    pthread_t thread;
    open_table(&t, 1);
    t.step_ns = 0;
    begin_waiting(&w, &t, 1, &thread);
    rk_lease_request request = {.worker = {{1}}};
    assert_int_equal(send_request(&t, 1, &request), RK_BUSY);
    rk_leases_close(t.leases);
    pthread_join(thread, NULL);
    assert_int_equal(w.status, RK_OK);
    assert_false(w.said.has_offer);
    rk_buf_fini(&w.reply);
    close_table(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_there),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_the_same_request_twice),
        cmocka_unit_test(test_the_same_result_twice),
        cmocka_unit_test(test_too_late),
        cmocka_unit_test(test_late_again),
        cmocka_unit_test(test_in_the_last_moment),
        cmocka_unit_test(test_of_no_lease),
        cmocka_unit_test(test_a_result_too_long),
        cmocka_unit_test(test_an_offer_that_nobody_takes),
        cmocka_unit_test(test_how_many_places),
        cmocka_unit_test(test_the_walk_ends),
        cmocka_unit_test(test_a_worker_leaves),
        cmocka_unit_test(test_too_many_workers),
        cmocka_unit_test(test_no_request),
        cmocka_unit_test(test_who_waits_is_woken),
        cmocka_unit_test(test_close_wakes),
    };
    return cmocka_run_group_tests_name("leases", tests, NULL, NULL);
}
