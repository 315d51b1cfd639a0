/* Comparison reads: what counts as a difference, and where the sums go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rekey/client/attach.h"
#include "tests/unit/client/bench.h"

#define OLD_KEY    "TENANT#t1#CONTRACT#c1"
#define PRODUS_KEY "TENANT#t1#CAPSULE#PRODUS#CONTRACT#c1"
#define PRODUS_1   "{\"n\":1,\"capsule_id\":\"PRODUS\"}"
#define PRODUS_2   "{\"n\":2,\"capsule_id\":\"PRODUS\"}"
#define DEVUS_1    "{\"n\":1,\"capsule_id\":\"DEVUS\"}"
#define BAD        "{\"n\":1,\"capsule_id\":\"NOWHERE\"}"

static void open_comparing(bench *b, rk_strategy strategy, uint32_t one_in)
{
    rk_client_options options = {.compare_one_in = one_in};
    bench_open(b, strategy);
    rk_client_close(b->client);
    b->client = NULL;
    assert_int_equal(rk_client_attach(b->store, &options, &b->client, &b->err), RK_OK);
}

static rk_compared stored(bench *b)
{
    rk_compared sums = {9, 9};
    rk_view *view = NULL;
    assert_int_equal(rk_snapshot_open(b->store, &view, &b->err), RK_OK);
    assert_int_equal(rk_compared_load(view, b->tables.meta, &sums, &b->err), RK_OK);
    rk_snapshot_close(view);
    return sums;
}

typedef struct compare_case {
    const char *name;
    rk_strategy strategy;
    rk_phase phase;
    bool backfilled;
    const char *old; /* what stands at the old key, */
    const char *new; /* and what at PRODUS's new one */
    int compared;
    int different;
} compare_case;

#define DUAL RK_STRATEGY_DUAL_WRITE
#define MOVE RK_STRATEGY_MOVE
static const compare_case compare_cases[] = {
    {"old is not compared", DUAL, RK_PHASE_OLD, false, PRODUS_1, PRODUS_2, 0, 0},
    {"nothing at all", DUAL, RK_PHASE_DUAL_WRITE, true, NULL, NULL, 0, 0},
    {"alike", DUAL, RK_PHASE_DUAL_WRITE, false, PRODUS_1, PRODUS_1, 1, 0},
    {"stale", DUAL, RK_PHASE_DUAL_WRITE, false, PRODUS_2, PRODUS_1, 1, 1},
    {"not reached yet", DUAL, RK_PHASE_DUAL_WRITE, false, PRODUS_1, NULL, 0, 0},
    {"passed over", DUAL, RK_PHASE_DUAL_WRITE, true, PRODUS_1, NULL, 1, 1},
    {"risen again", DUAL, RK_PHASE_DUAL_WRITE, true, NULL, PRODUS_1, 1, 1},
    {"not noted as shadowed", DUAL, RK_PHASE_DUAL_WRITE, true, DEVUS_1, PRODUS_1, 1, 1},
    {"another capsule's", DUAL, RK_PHASE_DUAL_WRITE, true, DEVUS_1, NULL, 0, 0},
    {"left alone", DUAL, RK_PHASE_DUAL_WRITE, true, BAD, NULL, 0, 0},
    {"flipped, alike", DUAL, RK_PHASE_FLIPPED, false, PRODUS_1, PRODUS_1, 1, 0},
    {"flipped, missing", DUAL, RK_PHASE_FLIPPED, false, PRODUS_1, NULL, 1, 1},
    {"contracted", DUAL, RK_PHASE_CONTRACTED, false, PRODUS_2, PRODUS_1, 0, 0},
    {"move, not moved", MOVE, RK_PHASE_DUAL_WRITE, false, PRODUS_1, NULL, 1, 0},
    {"move, moved", MOVE, RK_PHASE_DUAL_WRITE, false, NULL, PRODUS_1, 1, 0},
    {"move, at both", MOVE, RK_PHASE_DUAL_WRITE, false, PRODUS_1, PRODUS_1, 1, 1},
    {"move, flipped, at both", MOVE, RK_PHASE_FLIPPED, false, PRODUS_1, PRODUS_1, 1, 1},
    {"move, another capsule's", MOVE, RK_PHASE_FLIPPED, false, DEVUS_1, PRODUS_1, 1, 0},
    {"move, done", MOVE, RK_PHASE_DONE, false, PRODUS_1, PRODUS_1, 0, 0},
};

static void finish_backfill(bench *b)
{
    rk_txn *txn = NULL;
    rk_checkpoint point = {.job = RK_JOB_BACKFILL, .finished = true};
    assert_int_equal(rk_txn_begin(b->store, &txn, &b->err), RK_OK);
    assert_int_equal(rk_checkpoint_save(txn, b->tables.meta, RK_TIER_PRODUCTION, &point, &b->err),
                     RK_OK);
    assert_int_equal(rk_txn_commit(txn, &b->err), RK_OK);
}

static void test_what_differs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof compare_cases / sizeof *compare_cases; i++) {
        const compare_case *c = &compare_cases[i];
        bench b;
        print_message("  %s\n", c->name);
        open_comparing(&b, c->strategy, 1);
        if (c->old)
            bench_plant(&b, OLD_KEY, c->old);
        if (c->new)
            bench_plant(&b, PRODUS_KEY, c->new);
        if (c->backfilled)
            finish_backfill(&b);
        bench_phase(&b, c->phase, false);
        get(&b, "PRODUS", "Contract", "c1");
        rk_comparisons seen = rk_client_comparisons(b.client);
        assert_int_equal(seen.compared, c->compared);
        assert_int_equal(seen.different, c->different);
        /* A difference is in the store at once, the rest when the client closes. */
        assert_int_equal(stored(&b).different, c->different);
        rk_client_close(b.client);
        b.client = NULL;
        assert_int_equal(stored(&b).compared, c->compared);
        bench_close(&b);
    }
}

static void test_a_shadow_is_no_difference(void **state)
{
    (void)state;
    bench b;
    open_comparing(&b, DUAL, 1);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
    assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_1), RK_OK);
    assert_string_equal(get(&b, "PRODUS", "Contract", "c1"), PRODUS_1);
    assert_string_equal(get(&b, "DEVUS", "Contract", "c1"), DEVUS_1);
    assert_int_equal(rk_client_comparisons(b.client).compared, 2);
    assert_int_equal(rk_client_comparisons(b.client).different, 0);
    bench_close(&b);
}

/* Reads must not become writes: the transactions of their own get rarer. */
static void test_sums_are_written_ever_more_rarely(void **state)
{
    (void)state;
    enum { READS = 1000 };
    bench b;
    open_comparing(&b, DUAL, 1);
    bench_plant(&b, OLD_KEY, PRODUS_2);
    bench_plant(&b, PRODUS_KEY, PRODUS_1);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    uint64_t before = bench_transactions(&b);
    for (int i = 0; i < READS; i++)
        get(&b, "PRODUS", "Contract", "c1");
    assert_in_range(bench_transactions(&b) - before, 1, 12);
    /* The next write takes the rest along, without a transaction more. */
    before = bench_transactions(&b);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
    assert_true(bench_transactions(&b) == before + 1);
    assert_int_equal(stored(&b).different, READS);
    bench_close(&b);
}

static void save_verdict(bench *b)
{
    rk_txn *txn = NULL;
    rk_verdict verdict = {.clean = true, .evidence.differences = stored(b).different};
    assert_int_equal(rk_txn_begin(b->store, &txn, &b->err), RK_OK);
    assert_int_equal(rk_verdict_save(txn, b->tables.meta, RK_TIER_PRODUCTION, &verdict, &b->err),
                     RK_OK);
    assert_int_equal(rk_txn_commit(txn, &b->err), RK_OK);
}

/* However many were found before: one that a clean verification does not know of is told at once.
 */
static void test_a_new_difference_is_told_at_once(void **state)
{
    (void)state;
    bench b;
    open_comparing(&b, DUAL, 1);
    bench_plant(&b, OLD_KEY, PRODUS_2);
    bench_plant(&b, PRODUS_KEY, PRODUS_1);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    for (int i = 0; i < 6; i++)
        get(&b, "PRODUS", "Contract", "c1");
    for (int i = 0; i < 3; i++) {
        save_verdict(&b);
        uint64_t before = stored(&b).different;
        get(&b, "PRODUS", "Contract", "c1");
        assert_true(stored(&b).different > before);
    }
    bench_close(&b);
}

static void test_one_in_ten(void **state)
{
    (void)state;
    bench b;
    open_comparing(&b, DUAL, 10);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
    for (int i = 0; i < 2000; i++)
        get(&b, "PRODUS", "Contract", "c1");
    assert_in_range(rk_client_comparisons(b.client).compared, 100, 300);
    rk_client_close(b.client);
    b.client = NULL;
    assert_int_equal(rk_client_attach(b.store, NULL, &b.client, &b.err), RK_OK);
    get(&b, "PRODUS", "Contract", "c1");
    assert_int_equal(rk_client_comparisons(b.client).compared, 0);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_differs),
        cmocka_unit_test(test_a_shadow_is_no_difference),
        cmocka_unit_test(test_sums_are_written_ever_more_rarely),
        cmocka_unit_test(test_a_new_difference_is_told_at_once),
        cmocka_unit_test(test_one_in_ten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
