/* However batches fall on chunks, a run comes to the same: a batch goes on over the chunks that are
 * there, and never past a stage's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rekey/engine/runner.h"
#include "tests/unit/engine/yard.h"

/* So many scanners that chunks are small: some five hundred records. */
#define WORKERS RKI_WORKERS_MAX

/* For a scanner to come up with a chunk: half a minute. */
#define TRIES_MAX 300000
#define PAUSE_NS  100000

enum { TENANTS = 5, CONTRACTS = 600, STRAYS = 30 };

/* Time stands still, so that no batch is cut short. */
static uint64_t still_ns(void *context)
{
    (void)context;
    return 1;
}

static int64_t wall_ms(void *context)
{
    (void)context;
    return rk_clock_wall_ms(rk_clock_system());
}

static void no_pause(void *context, uint64_t duration_ns)
{
    (void)context;
    (void)duration_ns;
}

static const rk_clock still = {.monotonic_ns = still_ns, .wall_ms = wall_ms, .pause_ns = no_pause};

static bool is_alive(void *context, const rk_lease *lease)
{
    (void)context;
    (void)lease;
    return true;
}

/* Each tenant is larger than a chunk, with strays on either side of its contracts; one contract in
 * each is of a capsule that there is not. */
static void plant(yard *y)
{
    static const char *const formats[] = {"TENANT#%c#CONTRACT#%03d", "TENANT#%c#A#%03d",
                                          "TENANT#%c#Z#%03d", "TENANT#%c#CONTRACT#7#%03d"};
    rk_txn *txn = shelf_begin(&y->shelf);
    for (int t = 0; t < TENANTS; t++) {
        for (int i = 0; i < CONTRACTS + STRAYS; i++) {
            char key[64];
            int format = i < CONTRACTS ? 0 : 1 + i % 3;
            snprintf(key, sizeof key, formats[format], (char)('a' + t), i);
            const char *value = i == 333 ? "{\"c\":\"X\"}" : "{\"c\":\"DEV\"}";
            yard_put_in(y, txn, rk_slice_str(key), rk_slice_str(value));
        }
    }
    yard_put_in(y, txn, rk_slice_str("OUTSIDE"), rk_slice_str("{}"));
    shelf_commit(txn);
}

typedef struct crew {
    rk_actor actor;
    rki_runner runner;
} crew;

static void crew_start(crew *c, yard *y, const rk_checkpoint *from)
{
    rk_error err = {0};
    rki_job job = yard_job(y, RK_JOB_BACKFILL, RK_TIER_PRODUCTION);
    *c = (crew){
        .actor = {.lease = {.token = {7}, .host = "here", .command = "run"}, .alive = is_alive}};
    rk_txn *txn = shelf_begin(&y->shelf);
    must(rki_lease_take(txn, y->tables.meta, &c->actor, wall_ms(NULL), &err), &err);
    shelf_commit(txn);
    must(rki_runner_start(&c->runner, &job, &c->actor, &still, from, NULL, WORKERS, UINT64_MAX,
                          &err),
         &err);
}

/* What is there for a batch of `units`, when the scanners have read so much: to the stage's end at
 * most. Waits for them. */
static size_t await(rki_runner *runner, size_t units)
{
    rk_error err = {0};
    if (!runner->chunk) {
        must(rki_pipeline_take(runner->pipeline, &runner->chunk, &err), &err);
        runner->chunk_from = 0;
    }
    size_t count = runner->chunk->count - runner->chunk_from;
    bool ends = runner->chunk->stage_end;
    for (uint32_t nth = 1; !ends && count < units; nth++) {
        const rki_chunk *ahead = NULL;
        for (int tries = 0; !ahead && tries < TRIES_MAX; tries++) {
            rk_clock_system()->pause_ns(NULL, PAUSE_NS);
            ahead = rki_pipeline_ahead(runner->pipeline, nth);
        }
        assert_non_null(ahead);
        count += ahead->count;
        ends = ahead->stage_end || ahead->count == 0;
    }
    return count < units ? count : units;
}

static uint64_t written(const rk_checkpoint *point)
{
    return point->done[0] + point->quarantined;
}

/* Runs by batches of `units`, `steps` of them at most; the checkpoint. */
static rk_checkpoint run(yard *y, const rk_checkpoint *from, uint32_t units, int steps)
{
    crew c;
    bool finished = false;
    crew_start(&c, y, from);
    for (int i = 0; i < steps && !finished; i++) {
        rk_error err = {0};
        uint32_t stage = 0;
        uint64_t before = written(&c.runner.writer.point);
        uint32_t stage_before = c.runner.writer.point.stage;
        size_t expected = await(&c.runner, units);
        c.runner.throttle.batch_units = units;
        must(rki_runner_step(&c.runner, &stage, &finished, &err), &err);
        assert_int_equal(written(&c.runner.writer.point) - before, expected);
        assert_true(stage - stage_before <= 1);
        assert_null(c.runner.signal);
    }
    rk_checkpoint point = c.runner.writer.point;
    assert_int_equal(point.finished, finished);
    rki_runner_stop(&c.runner);
    return point;
}

static void assert_done(yard *y, const rk_checkpoint *point)
{
    assert_true(point->finished);
    assert_int_equal(point->done[0], TENANTS * (CONTRACTS - 1));
    assert_int_equal(point->quarantined, TENANTS * (STRAYS + 1) + 1);
    assert_int_equal(point->changes, TENANTS * (CONTRACTS - 1));
    for (int t = 0; t < TENANTS; t++) {
        for (int i = 0; i < CONTRACTS; i++) {
            char key[64];
            char tenant = (char)('a' + t);
            snprintf(key, sizeof key, "TENANT#%c#CONTRACT#%03d", tenant, i);
            assert_int_equal(yard_get(y, key) != NULL, i == 333);
            snprintf(key, sizeof key, "TENANT#%c#CAPSULE#DEV#CONTRACT#%03d", tenant, i);
            assert_int_equal(yard_get(y, key) != NULL, i != 333);
        }
    }
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_batch_goes_on_over_chunks(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {64, 500, 1200, 3000, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        yard y;
        yard_open_only(&y, RK_STRATEGY_MOVE);
        plant(&y);
        rk_checkpoint point = run(&y, NULL, sizes[i], 10000);
        assert_done(&y, &point);
        yard_close(&y);
    }
}

static void a_run_resumes_behind_such_a_batch(void **state)
{
    (void)state;
    for (int steps = 1; steps <= 4; steps++) {
        yard y;
        yard_open_only(&y, RK_STRATEGY_MOVE);
        plant(&y);
        rk_checkpoint point = run(&y, NULL, 777, steps);
        assert_false(point.finished);
        point = run(&y, &point, 1300, 10000);
        assert_done(&y, &point);
        yard_close(&y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_goes_on_over_chunks),
        cmocka_unit_test(a_run_resumes_behind_such_a_batch),
    };
    return cmocka_run_group_tests_name("runner", tests, NULL, NULL);
}
