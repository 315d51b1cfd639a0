/* How many lines of refused messages are logged, and what is said of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rekey/node/refusals.h"

#define SECOND UINT64_C(1000000000)

static uint64_t flood(rk_refusals *r, uint64_t now_ns, uint64_t count)
{
    uint64_t logged = 0;
    for (uint64_t i = 0; i < count; i++)
        logged += rk_refusals_take(r, now_ns);
    return logged;
}

static void test_few_are_all_logged(void **state)
{
    (void)state;
    rk_refusals r = {0};
    for (uint64_t at = 0; at < 3600; at += 5)
        assert_true(rk_refusals_take(&r, at * SECOND));
    assert_int_equal(rk_refusals_untold(&r, 7200 * SECOND), 0);
}

static void test_of_a_flood_the_first_are_logged(void **state)
{
    (void)state;
    rk_refusals r = {0};
    uint64_t at = 1000 * SECOND;
    assert_int_equal(flood(&r, at, 100000), RK_REFUSALS_LINES);
    assert_int_equal(rk_refusals_untold(&r, at + RK_REFUSALS_NS - 1), 0);
    assert_int_equal(rk_refusals_untold(&r, at + RK_REFUSALS_NS), 100000 - RK_REFUSALS_LINES);
    assert_int_equal(rk_refusals_untold(&r, at + RK_REFUSALS_NS), 0);
    assert_int_equal(flood(&r, at + RK_REFUSALS_NS, 1), 1);
}

/* In an hour of it there are so many lines, and the numbers of the others add up. */
static void test_hour_of_flood(void **state)
{
    (void)state;
    rk_refusals r = {0};
    uint64_t logged = 0;
    uint64_t told = 0;
    uint64_t lines = 0;
    for (uint64_t at = 0; at < 3600; at++) {
        logged += flood(&r, at * SECOND, 1000);
        uint64_t untold = rk_refusals_untold(&r, at * SECOND);
        told += untold;
        lines += untold > 0;
    }
    told += rk_refusals_untold(&r, 4000 * SECOND);
    assert_int_equal(logged, 60 * RK_REFUSALS_LINES);
    assert_in_range(lines, 58, 60);
    assert_int_equal(logged + told, 3600 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_are_all_logged),
        cmocka_unit_test(test_of_a_flood_the_first_are_logged),
        cmocka_unit_test(test_hour_of_flood),
    };
    return cmocka_run_group_tests_name("node_refusals", tests, NULL, NULL);
}
