/* The batch controller and the stop signals: pure, so each case is a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "rekey/base/prng.h"
#include "rekey/engine/throttle.h"

#define US UINT64_C(1000)
#define MS (1000 * US)

/* A batch may work for seven eighths of the hold at most, 8.75 ms, and for three at least. */
static const rk_limits limits_10ms = {.lock_hold_ms = 10, .error_rate_max = -1};

/* --- the controller --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t units;
    uint64_t work_ns;
    uint64_t commit_ns;
    uint32_t next; /* after a first batch; before it, RKI_BATCH_UNITS_FIRST */
} size_cases[] = {
    {"on target", 256, 8750 * US, 0, 256},
    {"twice too slow, at once", 256, 17500 * US, 0, 128},
    {"a thousand times too slow", 256, 8750 * MS, 0, RKI_BATCH_UNITS_MIN},
    {"fast, half of the way to the double", 256, 1 * MS, 0, 384},
    {"a little fast, half of the way", 256, 7 * MS, 0, 288},
    {"no time at all", 256, 0, 0, 384},
    {"the commit takes its share", 256, 5 * MS, 5 * MS, 256},
    {"the commit takes more than all, three eighths are left", 256, 3750 * US, 100 * MS, 256},
    {"cut short and fast says nothing", 127, 1 * MS, 0, 256},
    {"half of a batch is enough", 128, 1 * MS, 0, 384},
    {"cut short and slow", 100, 17500 * US, 0, 50},
    {"an empty batch says nothing", 0, 17500 * US, 0, 256},
};

static void a_batch_sizes_the_next(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof size_cases / sizeof *size_cases; i++) {
        rki_throttle throttle;
        rki_throttle_init(&throttle, &limits_10ms);
        assert_int_equal(throttle.batch_units, RKI_BATCH_UNITS_FIRST);
        rki_throttle_batch(&throttle, size_cases[i].units, 0, size_cases[i].work_ns,
                           size_cases[i].work_ns + size_cases[i].commit_ns);
        if (throttle.batch_units != size_cases[i].next)
            fail_msg("%s: %u", size_cases[i].name, throttle.batch_units);
    }
}

static void fast_batches_grow_to_the_cap_and_stay(void **state)
{
    (void)state;
    rki_throttle throttle;
    int steps = 0;
    rki_throttle_init(&throttle, &limits_10ms);
    while (throttle.batch_units < RKI_BATCH_UNITS_MAX) {
        uint32_t before = throttle.batch_units;
        rki_throttle_batch(&throttle, before, 0, 1, 1);
        assert_true(throttle.batch_units > before && throttle.batch_units <= before / 2 * 3 + 2);
        assert_true(++steps < 20);
    }
    rki_throttle_batch(&throttle, throttle.batch_units, 0, 1, 1);
    assert_int_equal(throttle.batch_units, RKI_BATCH_UNITS_MAX);
    rki_throttle_batch(&throttle, throttle.batch_units, 0, 1000 * MS, 1000 * MS);
    assert_int_equal(throttle.batch_units, RKI_BATCH_UNITS_MAX * 7 / 800); /* 8.75 of 1000 */
}

/* Records that cost the same lead to batches that take what is left beside the commit. */
static void steady_costs_are_met(void **state)
{
    (void)state;
    static const uint64_t unit_ns[] = {2 * US, 10 * US, 100 * US};
    for (size_t i = 0; i < sizeof unit_ns / sizeof *unit_ns; i++) {
        rki_throttle throttle;
        rki_throttle_init(&throttle, &limits_10ms);
        for (int batch = 0; batch < 50; batch++) {
            uint64_t work_ns = throttle.batch_units * unit_ns[i];
            rki_throttle_batch(&throttle, throttle.batch_units, 0, work_ns, work_ns + 2 * MS);
        }
        uint64_t took_ns = throttle.batch_units * unit_ns[i] + 2 * MS;
        if (took_ns > 10 * MS || took_ns < 9600 * US)
            fail_msg("units of %u ns: %u us", (unsigned)unit_ns[i], (unsigned)(took_ns / US));
    }
}

/* What commits take beyond the usual has to fit into the hold, too. */
static void uneven_commits_leave_less(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t commit_ns[2]; /* in turns */
        uint64_t least_ns, most_ns;
    } cases[] = {
        {"always the same", {2 * MS, 2 * MS}, 8 * MS, 8 * MS},
        {"a little uneven", {1500 * US, 2500 * US}, 6000 * US, 7000 * US},
        {"uneven", {1 * MS, 3 * MS}, 4500 * US, 5300 * US},
        {"far too long, every other time", {0, 20 * MS}, 3750 * US, 3750 * US},
        {"no time at all", {0, 0}, 8750 * US, 8750 * US},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rki_throttle throttle;
        rki_throttle_init(&throttle, &limits_10ms);
        for (int batch = 0; batch < 100; batch++)
            rki_throttle_batch(&throttle, 256, 0, 1 * MS, 1 * MS + cases[i].commit_ns[batch % 2]);
        uint64_t left_ns = rki_throttle_work_ns_max(&throttle);
        if (left_ns < cases[i].least_ns || left_ns > cases[i].most_ns)
            fail_msg("%s: %u us", cases[i].name, (unsigned)(left_ns / US));
    }
}

static void whatever_happens_sizes_stay_in_bounds(void **state)
{
    (void)state;
    rk_prng prng;
    rki_throttle throttle;
    rk_prng_init(&prng, 3);
    rki_throttle_init(&throttle, &limits_10ms);
    for (int i = 0; i < 20000; i++) {
        uint32_t before = throttle.batch_units;
        uint32_t units = (uint32_t)rk_prng_below(&prng, before + 1);
        uint64_t work_ns = rk_prng_next(&prng) >> (24 + rk_prng_below(&prng, 40));
        uint64_t commit_ns = rk_prng_next(&prng) >> (24 + rk_prng_below(&prng, 40));
        rki_throttle_batch(&throttle, units, 0, work_ns, work_ns + commit_ns);
        assert_in_range(throttle.batch_units, RKI_BATCH_UNITS_MIN, RKI_BATCH_UNITS_MAX);
        if (units > 0 && work_ns > 8750 * US)
            assert_true(throttle.batch_units <= before);
    }
}

static void counts_and_latencies_add_up(void **state)
{
    (void)state;
    rki_throttle throttle;
    rki_throttle_init(&throttle, &limits_10ms);
    rki_throttle_batch(&throttle, 100, 3, 5 * MS, 8 * MS);
    assert_int_equal(throttle.latency_ns, 8 * MS); /* the first counts whole, the next an eighth */
    assert_int_equal(throttle.commit_ns, 3 * MS);
    rki_throttle_batch(&throttle, 50, 1, 16 * MS, 16 * MS);
    assert_int_equal(throttle.latency_ns, 9 * MS);
    assert_int_equal(throttle.batches, 2);
    assert_int_equal(throttle.processed, 150);
    assert_int_equal(throttle.refused, 4);
}

/* --- stop signals ----------------------------------------------------------------------------- */

#define NO_RATE .error_rate_max = -1
#define QUIET   .quarantine_max = 1000

static const struct {
    const char *name;
    rk_limits limits;
    rki_throttle throttle;
    rki_readings readings;
    const char *signal;
} signal_cases[] = {
    {"nothing is limited", {NO_RATE, QUIET}, {.batches = 9, .latency_ns = 99 * MS}, {0}, NULL},
    {"room enough", {NO_RATE, QUIET, .free_space_min_bytes = 5}, {0}, {true, 5, 0, 0}, NULL},
    {"no room", {NO_RATE, QUIET, .free_space_min_bytes = 5}, {0}, {true, 4, 0, 0}, "free_space"},
    {"room unknown",
     {NO_RATE, QUIET, .free_space_min_bytes = 5},
     {0},
     {false, 9, 0, 0},
     "free_space"},
    {"slow",
     {NO_RATE, QUIET, .write_latency_ms_max = 5},
     {.batches = 8, .latency_ns = 5 * MS + 1},
     {true, 0, 0, 0},
     "write_latency"},
    {"as slow as it may be",
     {NO_RATE, QUIET, .write_latency_ms_max = 5},
     {.batches = 8, .latency_ns = 5 * MS},
     {true, 0, 0, 0},
     NULL},
    {"slow, too few batches",
     {NO_RATE, QUIET, .write_latency_ms_max = 5},
     {.batches = 7, .latency_ns = 50 * MS},
     {true, 0, 0, 0},
     NULL},
    {"errors",
     {QUIET, .error_rate_max = 0.01},
     {.processed = 1000, .refused = 11},
     {true, 0, 0, 0},
     "error_rate"},
    {"as many errors as there may be",
     {QUIET, .error_rate_max = 0.01},
     {.processed = 1000, .refused = 10},
     {true, 0, 0, 0},
     NULL},
    {"errors, too few records",
     {QUIET, .error_rate_max = 0.01},
     {.processed = 999, .refused = 999},
     {true, 0, 0, 0},
     NULL},
    {"no error is allowed",
     {QUIET, .error_rate_max = 0},
     {.processed = 100000, .refused = 1},
     {true, 0, 0, 0},
     "error_rate"},
    {"none is allowed in quarantine", {NO_RATE}, {0}, {true, 0, 1, 0}, "quarantine"},
    {"as many as the limit", {NO_RATE, .quarantine_max = 5}, {0}, {true, 0, 5, 2}, NULL},
    {"more than the limit", {NO_RATE, .quarantine_max = 5}, {0}, {true, 0, 6, 2}, "quarantine"},
    {"as many as planned", {NO_RATE, .quarantine_max = 5}, {0}, {true, 0, 9, 9}, NULL},
    {"more than planned", {NO_RATE, .quarantine_max = 5}, {0}, {true, 0, 10, 9}, "quarantine"},
};

static void a_signal_fires_past_its_limit_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof signal_cases / sizeof *signal_cases; i++) {
        rki_throttle throttle = signal_cases[i].throttle;
        throttle.limits = &signal_cases[i].limits;
        const char *signal = rki_throttle_signal(&throttle, &signal_cases[i].readings);
        const char *expected = signal_cases[i].signal ? signal_cases[i].signal : "none";
        if (strcmp(signal ? signal : "none", expected) != 0)
            fail_msg("%s: %s", signal_cases[i].name, signal ? signal : "none");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_sizes_the_next),
        cmocka_unit_test(fast_batches_grow_to_the_cap_and_stay),
        cmocka_unit_test(steady_costs_are_met),
        cmocka_unit_test(uneven_commits_leave_less),
        cmocka_unit_test(whatever_happens_sizes_stay_in_bounds),
        cmocka_unit_test(counts_and_latencies_add_up),
        cmocka_unit_test(a_signal_fires_past_its_limit_only),
    };
    return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
