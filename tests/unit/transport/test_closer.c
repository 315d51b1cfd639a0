#include "transport/closer.h"
#include "transport/waiting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define JOBS 20

/* The job comes first, so that a pointer to it is one to its stage. */
typedef struct stage {
    rk_closer_job job;
    atomic_int *count; /* of jobs that have run */
    int turn;          /* what it was when this one ran */
    uint64_t run_ns;
    int wait_fd; /* not 0: runs until something can be read there */
} stage;

static void run(rk_closer_job *job)
{
    stage *s = (stage *)job;
    char c;
    if (s->wait_fd != 0 && read(s->wait_fd, &c, 1) != 1)
        abort();
    s->run_ns = rk_now_ns();
    s->turn = atomic_fetch_add(s->count, 1);
}

static rk_closer *closer_with(uint32_t patience_ms)
{
    rk_error err = {0};
    rk_closer *closer = NULL;
    assert_int_equal(rk_closer_create(patience_ms, &closer, &err), RK_OK);
    return closer;
}

static void test_order_and_rest(void **state)
{
    (void)state;
    atomic_int count = 0;
    stage stages[JOBS] = {0};
    rk_closer *closer = closer_with(60000);
    uint64_t start = rk_now_ns();
    for (int i = 0; i < JOBS; i++) {
        stages[i] = (stage){.job.run = run, .count = &count};
        rk_closer_add(closer, &stages[i].job, i % 3 == 1 ? 20 : 0);
    }
    assert_true(rk_closer_wait(closer));
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(stages[i].turn, i);
    assert_true(stages[1].run_ns >= rk_after_ms(start, 20));
    assert_true(rk_closer_wait(closer));
    rk_closer_destroy(closer);
}

/* What was added is run before the end. */
static void test_destroy_runs_all(void **state)
{
    (void)state;
    atomic_int count = 0;
    stage one = {.job.run = run, .count = &count}, two = one;
    rk_closer *closer = closer_with(60000);
    rk_closer_add(closer, &one.job, 10);
    rk_closer_add(closer, &two.job, 10);
    rk_closer_destroy(closer);
    assert_int_equal(atomic_load(&count), 2);
    rk_closer_destroy(closer_with(1));
    rk_closer_destroy(NULL);
}

/* A job that does not come back holds up nobody for longer than the patience lasts. */
static void test_stuck(void **state)
{
    (void)state;
    int fds[2];
    atomic_int count = 0;
    assert_int_equal(pipe(fds), 0);
    /* These outlive the test, as what is stuck does. */
    static stage hangs, later;
    hangs = (stage){.job.run = run, .count = &count, .wait_fd = fds[0]};
    later = (stage){.job.run = run, .count = &count};
    rk_closer *closer = closer_with(50);
    rk_closer_add(closer, &hangs.job, 0);
    assert_false(rk_closer_stuck(closer));
    assert_false(rk_closer_wait(closer));
    assert_true(rk_closer_stuck(closer));
    rk_closer_add(closer, &later.job, 0);
    assert_false(rk_closer_wait(closer));
    rk_closer_destroy(closer);
    assert_int_equal(atomic_load(&count), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    while (atomic_load(&count) < 2)
        sched_yield();
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_rest),
        cmocka_unit_test(test_destroy_runs_all),
        cmocka_unit_test(test_stuck),
    };
    return cmocka_run_group_tests_name("transport closer", tests, NULL, NULL);
}
