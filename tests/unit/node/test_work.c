/* One piece of work at a time: started, looked at, replaced, stopped, by a clock and by threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "rekey/message/message.h"
#include "tests/unit/node/desk.h"

#define RUN(name)    "{'name': '" name "', 'kind': 'run', 'goal': 'backfilled'}"
#define VERIFY(name) "{'name': '" name "', 'kind': 'verify'}"

static rk_status start(desk *d, const char *order)
{
    json_t *object = json_of(order);
    d->err = (rk_error){0};
    rk_status status = rk_work_start(d->work, object, &tess, &d->err);
    json_decref(object);
    return status;
}

static void must_start(desk *d, const char *order)
{
    must(start(d, order), &d->err);
}

static void must_be(desk *d, const char *name, const char *state)
{
    json_t *work = rk_work_poll(d->work, name, &tess);
    assert_non_null(work);
    assert_string_equal(text_at(work, "name"), name);
    if (strcmp(text_at(work, "state"), state) != 0)
        fail_msg("%s is %s, not %s", name, text_at(work, "state"), state);
    json_decref(work);
}

static void must_be_at(desk *d, const char *name, const char *task)
{
    json_t *work = rk_work_poll(d->work, name, &tess);
    assert_string_equal(text_at(work, "state"), "going");
    assert_string_equal(text_at(json_object_get(work, "progress"), "task"), task);
    json_decref(work);
}

static void must_be_current(desk *d, const char *name)
{
    char current[RK_WORK_NAME_BYTES_MAX + 1];
    rk_work_current(d->work, current);
    assert_string_equal(current, name);
}

static void step(desk *d, int times)
{
    for (int i = 0; i < times; i++)
        rk_work_step(d->work, 0);
}

/* --- to the end ------------------------------------------------------------------------------- */

static void test_run(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must_be_current(&d, "");
    must_start(&d, RUN("a"));
    must_be_current(&d, "a");
    must_be_at(&d, "a", "begin");
    desk_work(&d);
    must_be_current(&d, "");
    must_be(&d, "a", "finished");
    must_be(&d, "b", "gone");
    must_be(&d, "", "gone");
    assert_non_null(yard_get(&d.yard, "TENANT#t#CAPSULE#PROD#CONTRACT#1"));
    desk_close(&d);
}

static void test_same_name_again(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must_start(&d, RUN("a"));
    must_start(&d, RUN("a"));
    desk_work(&d);
    must_start(&d, RUN("a"));
    must_start(&d, VERIFY("a")); /* a name is what it was first given for */
    must_be_current(&d, "");
    must_be(&d, "a", "finished");
    desk_close(&d);
}

static void test_verify(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must_start(&d, RUN("a"));
    desk_work(&d);
    must_start(&d, VERIFY("v"));
    desk_work(&d);
    json_t *work = rk_work_poll(d.work, "v", &tess);
    assert_string_equal(text_at(work, "state"), "finished");
    assert_true(json_is_true(json_object_get(json_object_get(work, "result"), "clean")));
    json_decref(work);
    desk_close(&d);
}

static void test_not_clean(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must_start(&d, RUN("a"));
    desk_work(&d);
    yard_put(&d.yard, "TENANT#t#CAPSULE#PROD#CONTRACT#9", "{\"n\":2}");
    must_start(&d, "{'name': 'b', 'kind': 'run', 'goal': 'verified'}");
    desk_work(&d);
    json_t *work = rk_work_poll(d.work, "b", &tess);
    assert_string_equal(text_at(work, "state"), "not_clean");
    assert_true(json_array_size(json_object_get(json_object_get(work, "result"), "samples")) > 0);
    json_decref(work);
    desk_close(&d);
}

static void test_plan(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    char *text = desk_plan(&d);
    assert_non_null(strstr(text, "202601010000_yard"));
    free(text);
    desk_close(&d);
}

/* Tenants that live on another node are in the wrong store. */
static void test_plan_of_strangers(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    d.cluster.node_count = 3;
    json_t *order =
        json_pack("{s:s, s:s, s:o}", "name", "a", "kind", "plan", "spec", desk_spec(&d));
    must(rk_work_start(d.work, order, &tess, &d.err), &d.err);
    json_decref(order);
    desk_work(&d);
    json_t *work = rk_work_poll(d.work, "a", &tess);
    const char *message = text_at(json_object_get(work, "error"), "message");
    assert_string_equal(text_at(work, "state"), "failed");
    assert_non_null(strstr(message, "lives on node n"));
    json_decref(work);
    desk_close(&d);
}

/* --- one in the place of another -------------------------------------------------------------- */

static void test_other_work(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must_start(&d, VERIFY("a"));
    step(&d, 1);
    assert_int_equal(start(&d, VERIFY("b")), RK_BUSY);
    assert_non_null(strstr(d.err.message, "the node is at a"));
    must_be(&d, "b", "gone");
    must_start(&d, RUN("c")); /* whoever leads goes first */
    must_start(&d, RUN("d"));
    must_be(&d, "a", "gone");
    must_be(&d, "c", "gone");
    must_be_current(&d, "d");
    desk_work(&d);
    must_be(&d, "d", "finished");
    must_start(&d, VERIFY("b"));
    desk_work(&d);
    must_be(&d, "b", "finished");
    desk_close(&d);
}

static void start_another(void *context)
{
    must_start(context, RUN("new"));
}

/* The last step of the old work says nothing about the new one, nor does its end. */
static void test_replaced_in_a_step(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must_start(&d, RUN("old"));
    step(&d, 2);
    d.time.on_wall_context = &d;
    d.time.on_wall = start_another;
    for (int i = 0; d.time.on_wall; i++) {
        assert_in_range(i, 0, 100);
        must_be(&d, "old", "going");
        step(&d, 1);
    }
    must_be(&d, "old", "gone");
    must_be_at(&d, "new", "begin");
    step(&d, 1); /* in which the old one ends */
    must_be_at(&d, "new", "begin");
    desk_work(&d);
    must_be(&d, "new", "finished");
    desk_close(&d);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void test_cancel(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must(rk_work_cancel(d.work, "", &tess, &d.err), &d.err); /* of nothing */
    must_start(&d, RUN("a"));
    step(&d, 2);
    must(rk_work_cancel(d.work, "b", &tess, &d.err), &d.err);
    step(&d, 1);
    must_be(&d, "a", "going");
    must(rk_work_cancel(d.work, "a", &tess, &d.err), &d.err);
    must_be(&d, "a", "going"); /* until its next step */
    step(&d, 1);
    must_be(&d, "a", "stopped");
    must_be_current(&d, "");
    must_start(&d, RUN("b")); /* the lease of the first is given back */
    desk_work(&d);
    must_be(&d, "b", "finished");
    desk_close(&d);
}

static void test_cancelled_before_it_began(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must_start(&d, RUN("a"));
    must(rk_work_cancel(d.work, "a", &tess, &d.err), &d.err);
    step(&d, 1);
    must_be(&d, "a", "stopped");
    desk_close(&d);
}

static void sleep_ms(desk *d, uint64_t duration_ms)
{
    d->time.monotonic_jump_ns += duration_ms * 1000000;
}

static void test_lease(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must_start(&d, RUN("a"));
    step(&d, 1);
    sleep_ms(&d, RK_WORK_LEASE_MS - 5000);
    must_be(&d, "a", "going"); /* who asks renews it */
    sleep_ms(&d, RK_WORK_LEASE_MS - 5000);
    must_be(&d, "b", "gone"); /* about this one, that is */
    step(&d, 1);
    must_be_current(&d, "a");
    sleep_ms(&d, RK_WORK_LEASE_MS + 1);
    step(&d, 1);
    must_be(&d, "a", "stopped");
    desk_close(&d);
}

/* Neither does an hour that is put forward end it, nor one that is put back keep it. */
static void test_lease_and_a_clock_that_jumps(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must_start(&d, VERIFY("a"));
    step(&d, 1);
    d.time.wall_jump_ms = 3600000;
    step(&d, 1);
    must_be_current(&d, "a");
    d.time.wall_jump_ms = -3600000;
    sleep_ms(&d, RK_WORK_LEASE_MS + 1);
    step(&d, 1);
    must_be(&d, "a", "stopped");
    desk_close(&d);
}

static void test_close(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    must_start(&d, RUN("a"));
    step(&d, 2);
    rk_work_close(d.work);
    assert_int_equal(start(&d, RUN("b")), RK_BUSY);
    assert_non_null(strstr(d.err.message, "stopping"));
    step(&d, 1);
    must_be(&d, "a", "stopped");
    step(&d, 1);
    desk_close(&d);
}

static void test_destroy_at_work(void **state)
{
    (void)state;
    for (int steps = 0; steps < 4; steps++) {
        desk d;
        desk_open(&d);
        must_start(&d, RUN("a"));
        step(&d, steps);
        if (steps == 3)
            must_start(&d, RUN("b"));
        desk_close(&d);
    }
}

/* --- what goes wrong -------------------------------------------------------------------------- */

static void must_fail(desk *d, const char *order, const char *status)
{
    must_start(d, order);
    desk_work(d);
    json_t *work = rk_work_poll(d->work, "a", &tess);
    const json_t *error = json_object_get(work, "error");
    assert_string_equal(text_at(work, "state"), "failed");
    assert_string_equal(text_at(error, "status"), status);
    assert_string_not_equal(text_at(error, "message"), "");
    json_decref(work);
}

static void test_failures(void **state)
{
    (void)state;
    desk d;
    desk_open_bare(&d);
    must_fail(&d, RUN("a"), "not found");
    desk_close(&d);
    desk_open_bare(&d);
    must_fail(&d, VERIFY("a"), "not found");
    desk_close(&d);
    desk_open_bare(&d);
    must_fail(&d,
              "{'name': 'a', 'kind': 'plan', 'spec': {'name': 'x.yaml', 'text': 'x', 'files': []}}",
              "invalid");
    desk_close(&d);
    desk_open(&d);
    must_fail(&d, "{'name': 'a', 'kind': 'run', 'goal': 'flip'}", "conflict");
    desk_close(&d);
}

static void test_bad_orders(void **state)
{
    (void)state;
    static const char *const orders[] = {
        "{}",
        "[]",
        "{'kind': 'run', 'goal': 'done'}",
        "{'name': '', 'kind': 'run', 'goal': 'done'}",
        "{'name': 5, 'kind': 'run', 'goal': 'done'}",
        "{'name': 'two words', 'kind': 'run', 'goal': 'done'}",
        "{'name': 'a\\nMAINPID=1', 'kind': 'run', 'goal': 'done'}",
        "{'name': 'J\\u00fcrgen', 'kind': 'run', 'goal': 'done'}",
        "{'name': '01234567890123456789012345678901234567890123456789012345678901234',"
        " 'kind': 'run', 'goal': 'done'}",
        "{'name': 'a'}",
        "{'name': 'a', 'kind': 'dance'}",
        "{'name': 'a', 'kind': 'run'}",
        "{'name': 'a', 'kind': 'run', 'goal': 'verified', 'tier': 'beta'}",
        "{'name': 'a', 'kind': 'plan'}",
        "{'name': 'a', 'kind': 'plan', 'spec': {'name': 'x.yaml'}}",
    };
    desk d;
    desk_open(&d);
    for (size_t i = 0; i < COUNT(orders); i++) {
        if (start(&d, orders[i]) != RK_INVALID || d.err.message[0] == '\0')
            fail_msg("%s: %s", orders[i], d.err.message);
        must_be_current(&d, "");
    }
    desk_close(&d);
}

/* --- threads ---------------------------------------------------------------------------------- */

typedef struct crew {
    desk *desk;
    atomic_bool over;
    pthread_barrier_t together;
    char name[32];
    rk_status status[2];
} crew;

static void *work_on(void *context)
{
    crew *c = context;
    while (!c->over)
        rk_work_step(c->desk->work, 20);
    return NULL;
}

/* Keeps its answers while the work goes on, as a reply that is written out does. */
static void *watch(void *context)
{
    static const char *const names[] = {"w0", "w1", "w2", "w3"};
    crew *c = context;
    json_t *kept[64] = {NULL};
    for (size_t i = 0; !c->over; i++) {
        json_decref(kept[i % COUNT(kept)]);
        kept[i % COUNT(kept)] = rk_work_poll(c->desk->work, names[i % COUNT(names)], &tess);
        char *text = json_dumps(kept[(i * 7) % COUNT(kept)], JSON_COMPACT | JSON_ENCODE_ANY);
        free(text);
    }
    for (size_t i = 0; i < COUNT(kept); i++)
        json_decref(kept[i]);
    return NULL;
}

static void wait_for(desk *d, const char *name)
{
    bool going = true;
    while (going) {
        json_t *work = rk_work_poll(d->work, name, &tess);
        going = strcmp(text_at(work, "state"), "going") == 0;
        json_decref(work);
    }
}

static void test_threads(void **state)
{
    (void)state;
    static const char *const orders[] = {
        RUN("w0"), VERIFY("w1"), "{'name': 'w2', 'kind': 'run', 'goal': 'verified'}", RUN("w3")};
    desk d;
    crew c = {.desk = &d};
    pthread_t worker;
    pthread_t watcher;
    desk_open(&d);
    assert_int_equal(pthread_create(&worker, NULL, work_on, &c), 0);
    assert_int_equal(pthread_create(&watcher, NULL, watch, &c), 0);
    for (int i = 0; i < 80; i++) {
        char name[3] = {'w', (char)('0' + i % 4), '\0'};
        rk_status status = start(&d, orders[i % 4]);
        assert_true(status == RK_OK || status == RK_BUSY);
        if (i % 3 == 0)
            must(rk_work_cancel(d.work, name, &tess, &d.err), &d.err);
        if (i % 5 != 0)
            wait_for(&d, name);
    }
    rk_work_close(d.work);
    c.over = true;
    pthread_join(worker, NULL);
    pthread_join(watcher, NULL);
    desk_close(&d);
}

static void *start_too(void *context)
{
    crew *c = context;
    rk_error err = {0};
    json_t *order = json_pack("{s:s, s:s}", "name", c->name, "kind", "verify");
    pthread_barrier_wait(&c->together);
    c->status[1] = rk_work_start(c->desk->work, order, &tess, &err);
    json_decref(order);
    return NULL;
}

/* Two that start the same work at once: neither hears of the other. */
static void test_twins(void **state)
{
    (void)state;
    desk d;
    crew c = {.desk = &d};
    desk_open(&d);
    pthread_barrier_init(&c.together, NULL, 2);
    for (int i = 0; i < 100; i++) {
        pthread_t twin;
        rk_error err = {0};
        snprintf(c.name, sizeof c.name, "t%d", i);
        json_t *order = json_pack("{s:s, s:s}", "name", c.name, "kind", "verify");
        assert_int_equal(pthread_create(&twin, NULL, start_too, &c), 0);
        pthread_barrier_wait(&c.together);
        c.status[0] = rk_work_start(d.work, order, &tess, &err);
        pthread_join(twin, NULL);
        json_decref(order);
        assert_int_equal(c.status[0], RK_OK);
        assert_int_equal(c.status[1], RK_OK);
        must(rk_work_cancel(d.work, c.name, &tess, &d.err), &d.err);
        desk_work(&d);
    }
    pthread_barrier_destroy(&c.together);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),        cmocka_unit_test(test_same_name_again),
        cmocka_unit_test(test_verify),     cmocka_unit_test(test_not_clean),
        cmocka_unit_test(test_plan),       cmocka_unit_test(test_plan_of_strangers),
        cmocka_unit_test(test_other_work), cmocka_unit_test(test_replaced_in_a_step),
        cmocka_unit_test(test_cancel),     cmocka_unit_test(test_cancelled_before_it_began),
        cmocka_unit_test(test_lease),      cmocka_unit_test(test_lease_and_a_clock_that_jumps),
        cmocka_unit_test(test_close),      cmocka_unit_test(test_destroy_at_work),
        cmocka_unit_test(test_failures),   cmocka_unit_test(test_bad_orders),
        cmocka_unit_test(test_threads),    cmocka_unit_test(test_twins),
    };
    return cmocka_run_group_tests_name("node_work", tests, NULL, NULL);
}
