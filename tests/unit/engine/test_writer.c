/* One batch is one transaction: what the scan said is checked again under the lock, and records,
 * quarantine and checkpoint commit together or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rekey/base/clock.h"
#include "rekey/base/prng.h"
#include "tests/unit/engine/crew.h"

/* --- between scan and write ------------------------------------------------------------------- */

#define OLD_KEY  "TENANT#t#CONTRACT#1"
#define PROD_KEY "TENANT#t#CAPSULE#PROD#CONTRACT#1"
#define DEV_KEY  "TENANT#t#CAPSULE#DEV#CONTRACT#1"
#define ONE      "{\"n\":1}"
#define ONE_NEW  "{\"n\":1,\"c\":\"PROD\"}"
#define TWO      "{\"n\":2}"
#define TWO_NEW  "{\"n\":2,\"c\":\"PROD\"}"
#define TWO_DEV  "{\"n\":2,\"c\":\"DEV\"}"

static void yard_put_numbered(yard *y, int count)
{
    char key[32];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "TENANT#t#CONTRACT#%03d", i);
        yard_put(y, key, ONE);
    }
}

/* The store holds ONE at OLD_KEY when it is scanned. */
static const struct {
    const char *name;
    rk_strategy strategy;
    const char *key; /* what changes meanwhile; NULL for nothing */
    const char *value;
    const char *old_after;
    const char *prod_after;
    const char *dev_after;
    rk_reason reason; /* of OLD_KEY in the quarantine */
    uint32_t applied;
    uint32_t refused;
} meanwhile_cases[] = {
    {"nothing", RK_STRATEGY_DUAL_WRITE, NULL, NULL, ONE, ONE_NEW, NULL, RK_REASON_NONE, 1, 0},
    {"nothing, moved", RK_STRATEGY_MOVE, NULL, NULL, NULL, ONE_NEW, NULL, RK_REASON_NONE, 1, 0},
    {"changed", RK_STRATEGY_DUAL_WRITE, OLD_KEY, TWO, TWO, TWO_NEW, NULL, RK_REASON_NONE, 1, 0},
    {"changed, moved", RK_STRATEGY_MOVE, OLD_KEY, TWO, NULL, TWO_NEW, NULL, RK_REASON_NONE, 1, 0},
    {"in another capsule", RK_STRATEGY_DUAL_WRITE, OLD_KEY, TWO_DEV, TWO_DEV, NULL, TWO_DEV,
     RK_REASON_NONE, 1, 0},
    {"in another capsule, moved", RK_STRATEGY_MOVE, OLD_KEY, TWO_DEV, NULL, NULL, TWO_DEV,
     RK_REASON_NONE, 1, 0},
    {"deleted", RK_STRATEGY_DUAL_WRITE, OLD_KEY, NULL, NULL, NULL, NULL, RK_REASON_NONE, 0, 0},
    {"deleted, moved", RK_STRATEGY_MOVE, OLD_KEY, NULL, NULL, NULL, NULL, RK_REASON_NONE, 0, 0},
    {"spoilt", RK_STRATEGY_MOVE, OLD_KEY, "{", "{", NULL, NULL, RK_REASON_BAD_VALUE, 0, 1},
    {"in an unknown capsule", RK_STRATEGY_MOVE, OLD_KEY, "{\"c\":\"X\"}", "{\"c\":\"X\"}", NULL,
     NULL, RK_REASON_UNKNOWN_CAPSULE, 0, 1},
    {"done by somebody else", RK_STRATEGY_DUAL_WRITE, PROD_KEY, ONE_NEW, ONE, ONE_NEW, NULL,
     RK_REASON_NONE, 0, 0},
    {"another in the way", RK_STRATEGY_DUAL_WRITE, PROD_KEY, TWO_NEW, ONE, TWO_NEW, NULL,
     RK_REASON_CONFLICT, 0, 1},
    {"another in the way, moved", RK_STRATEGY_MOVE, PROD_KEY, TWO_NEW, ONE, TWO_NEW, NULL,
     RK_REASON_CONFLICT, 0, 1},
};

static void what_changed_meanwhile_is_read_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof meanwhile_cases / sizeof *meanwhile_cases; i++) {
        const char *name = meanwhile_cases[i].name;
        yard y;
        crew c;
        rki_batch batch;
        yard_open(&y, meanwhile_cases[i].strategy);
        yard_put(&y, OLD_KEY, ONE);
        crew_start(&c, &y, RK_JOB_BACKFILL, NULL);
        crew_scan_records(&c);
        if (meanwhile_cases[i].key)
            yard_put(&y, meanwhile_cases[i].key, meanwhile_cases[i].value);
        must(crew_write_all(&c, &batch), NULL);
        yard_holds(&y, name, OLD_KEY, meanwhile_cases[i].old_after);
        yard_holds(&y, name, PROD_KEY, meanwhile_cases[i].prod_after);
        yard_holds(&y, name, DEV_KEY, meanwhile_cases[i].dev_after);
        if (yard_quarantined(&y, OLD_KEY) != meanwhile_cases[i].reason ||
            batch.applied != meanwhile_cases[i].applied ||
            batch.refused != meanwhile_cases[i].refused ||
            c.writer.point.quarantined != meanwhile_cases[i].refused ||
            c.writer.point.done[CONTRACT] != 1 - meanwhile_cases[i].refused)
            fail_msg("%s: reason %d, %u applied, %u refused", name,
                     (int)yard_quarantined(&y, OLD_KEY), batch.applied, batch.refused);
        crew_stop(&c);
        yard_close(&y);
    }
}

/* A parent that stays behind keeps its children: they would have nobody at the new key. */
static void a_child_does_not_go_without_its_parent(void **state)
{
    (void)state;
    static const char item[] = "TENANT#t#ITEM#1";
    yard y;
    crew c;
    rki_batch batch;
    yard_open(&y, RK_STRATEGY_MOVE);
    yard_put(&y, OLD_KEY, ONE);
    yard_put(&y, item, "{\"contract_id\":\"1\"}");
    crew_start(&c, &y, RK_JOB_BACKFILL, NULL);
    crew_scan_records(&c);
    assert_int_equal(c.chunk.count, 2);
    yard_put(&y, OLD_KEY, "{\"c\":\"X\"}");
    must(crew_write_all(&c, &batch), NULL);
    assert_int_equal(batch.refused, 2);
    assert_int_equal(yard_quarantined(&y, OLD_KEY), RK_REASON_UNKNOWN_CAPSULE);
    assert_true(yard_quarantined(&y, item) != RK_REASON_NONE);
    yard_holds(&y, "child", item, "{\"contract_id\":\"1\"}");
    yard_holds(&y, "child", "TENANT#t#CAPSULE#PROD#ITEM#1", NULL);
    crew_stop(&c);
    yard_close(&y);
}

/* Changed in the same way as its parent, a child follows it: both are decided anew in order. */
static void a_child_follows_its_parent(void **state)
{
    (void)state;
    yard y;
    crew c;
    rki_batch batch;
    yard_open(&y, RK_STRATEGY_MOVE);
    yard_put(&y, OLD_KEY, ONE);
    yard_put(&y, "TENANT#t#ITEM#1", "{\"contract_id\":\"1\"}");
    crew_start(&c, &y, RK_JOB_BACKFILL, NULL);
    crew_scan_records(&c);
    yard_put(&y, OLD_KEY, TWO_DEV);
    must(crew_write_all(&c, &batch), NULL);
    assert_int_equal(batch.applied, 2);
    assert_int_equal(batch.refused, 0);
    yard_holds(&y, "parent", DEV_KEY, TWO_DEV);
    yard_holds(&y, "child", "TENANT#t#CAPSULE#DEV#ITEM#1", "{\"contract_id\":\"1\",\"c\":\"DEV\"}");
    crew_stop(&c);
    yard_close(&y);
}

static void contract_keeps_an_old_record_without_its_new_one(void **state)
{
    (void)state;
    yard y;
    crew c;
    rki_batch batch;
    yard_open(&y, RK_STRATEGY_DUAL_WRITE);
    yard_put(&y, OLD_KEY, ONE);
    yard_put(&y, PROD_KEY, ONE_NEW);
    yard_put(&y, "TENANT#t#CONTRACT#2", ONE);
    yard_put(&y, "TENANT#t#CONTRACT#3", ONE);
    yard_put(&y, "TENANT#t#CAPSULE#PROD#CONTRACT#3", TWO_NEW);
    crew_start(&c, &y, RK_JOB_CONTRACT, NULL);
    assert_true(crew_scan(&c));
    must(crew_write_all(&c, &batch), NULL);
    yard_holds(&y, "copied", OLD_KEY, NULL);
    yard_holds(&y, "not there", "TENANT#t#CONTRACT#2", ONE);
    yard_holds(&y, "differs", "TENANT#t#CONTRACT#3", ONE);
    assert_int_equal(yard_quarantined(&y, "TENANT#t#CONTRACT#2"), RK_REASON_CONFLICT);
    assert_int_equal(yard_quarantined(&y, "TENANT#t#CONTRACT#3"), RK_REASON_CONFLICT);
    assert_int_equal(batch.applied, 1);
    assert_int_equal(batch.refused, 2);
    assert_true(c.writer.point.finished);
    crew_stop(&c);
    yard_close(&y);
}

/* What the scan saw is not looked at again while nobody else commits; after another's commit all of
 * it is, up to chunks that were read later. */
static void what_was_seen_holds_until_another_commits(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool other_commits;
        rk_outcome outcome; /* of a unit that could not be right if it were looked at */
    } cases[] = {
        {"alone", false, RK_UNIT_APPLIED},
        {"beside others", true, RK_UNIT_REFUSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        yard y;
        crew c;
        rki_batch batch;
        char key[64];
        yard_open(&y, RK_STRATEGY_DUAL_WRITE);
        yard_put_numbered(&y, 4);
        for (int n = 0; n < 4; n++) {
            snprintf(key, sizeof key, "TENANT#t#CAPSULE#PROD#CONTRACT#%03d", n);
            yard_put(&y, key, ONE_NEW);
        }
        crew_start(&c, &y, RK_JOB_CONTRACT, NULL);
        assert_true(crew_scan(&c) && c.chunk.count == 4);
        must(crew_write(&c, 0, 1, &batch), NULL);
        /* By one that the next unit does not look at, and the one behind it does. */
        if (cases[i].other_commits)
            yard_put(&y, "TENANT#t#CAPSULE#PROD#CONTRACT#002", TWO_NEW);
        for (size_t op = 0; op < c.chunk.op_count; op++)
            if (rk_slice_equal(c.chunk.ops[op].key, c.chunk.work[1].key))
                c.chunk.ops[op].expected = rk_slice_str("what nobody has put there");
        must(crew_write(&c, 1, 2, &batch), NULL);
        if (c.chunk.units[1].outcome != cases[i].outcome)
            fail_msg("%s: outcome %d", cases[i].name, (int)c.chunk.units[1].outcome);
        yard_holds(&y, cases[i].name, "TENANT#t#CONTRACT#001", NULL); /* decided anew, if refused */
        yard_holds(&y, cases[i].name, "TENANT#t#CONTRACT#002", cases[i].other_commits ? ONE : NULL);
        must(crew_write(&c, 3, 1, &batch), NULL);
        yard_holds(&y, cases[i].name, "TENANT#t#CONTRACT#003", NULL);
        crew_stop(&c);
        yard_close(&y);
    }
}

/* --- checkpoint and fences -------------------------------------------------------------------- */

static void the_checkpoint_commits_with_the_records(void **state)
{
    (void)state;
    yard y;
    crew c;
    rki_batch batch;
    rk_checkpoint point;
    yard_open(&y, RK_STRATEGY_MOVE);
    yard_put(&y, OLD_KEY, ONE);
    yard_put(&y, "TENANT#t#CONTRACT#2", "{");
    yard_put(&y, "TENANT#t#STRAY", "x");
    crew_start(&c, &y, RK_JOB_BACKFILL, NULL);
    crew_scan_records(&c);
    assert_int_equal(c.chunk.count, 3);
    must(crew_write(&c, 0, 2, &batch), NULL);
    must(yard_point(&y, &point), NULL);
    assert_int_equal(point.job, RK_JOB_BACKFILL);
    assert_int_equal(point.stage, 1);
    assert_true(rk_slice_equal(rk_slice_of(point.tenant, point.tenant_len), rk_slice_str("t")));
    assert_true(
        rk_slice_equal(rk_slice_of(point.key, point.key_len), rk_slice_str("TENANT#t#CONTRACT#2")));
    assert_int_equal(point.done[CONTRACT], 1);
    assert_int_equal(point.changes, 1);
    assert_int_equal(point.quarantined, 1);
    assert_int_equal(batch.refused, 0); /* the scan had said so */
    assert_int_equal(yard_quarantined(&y, "TENANT#t#CONTRACT#2"), RK_REASON_BAD_VALUE);
    assert_int_equal(yard_quarantined(&y, "TENANT#t#STRAY"), RK_REASON_NONE);
    must(crew_write(&c, 2, 1, &batch), NULL);
    must(yard_point(&y, &point), NULL);
    assert_int_equal(point.stage, 2);
    assert_int_equal(point.tenant_len + point.key_len + point.rank, 0);
    assert_int_equal(yard_quarantined(&y, "TENANT#t#STRAY"), RK_REASON_UNMATCHED);
    assert_false(point.finished);
    assert_true(crew_scan(&c));
    must(crew_write_all(&c, &batch), NULL);
    must(yard_point(&y, &point), NULL);
    assert_true(point.finished);
    assert_false(crew_scan(&c));
    crew_stop(&c);
    yard_close(&y);
}

/* A clock that goes on by a second whenever somebody looks. */
static uint64_t hasty_ns(void *context)
{
    uint64_t *now_ns = context;
    return *now_ns += 1000000000u;
}

static int64_t hasty_ms(void *context)
{
    (void)context;
    return rk_clock_wall_ms(rk_clock_system());
}

/* Spans count like one; out of time, the batch ends within or between them. */
static void a_batch_may_have_several_spans(void **state)
{
    (void)state;
    enum { RECORDS = 200, LOOKS = 64 };
    uint64_t now_ns = 0;
    const rk_clock hasty = {.context = &now_ns, .monotonic_ns = hasty_ns, .wall_ms = hasty_ms};
    yard y;
    crew c;
    rki_batch batch;
    rk_checkpoint point;
    yard_open(&y, RK_STRATEGY_MOVE);
    yard_put_numbered(&y, RECORDS);
    crew_start(&c, &y, RK_JOB_BACKFILL, NULL);
    crew_scan_records(&c);
    const rki_span spans[] = {{&c.chunk, 0, 40}, {&c.chunk, 40, 80}, {&c.chunk, 120, 80}};
    must(rki_writer_batch(&c.writer, spans, 2, &batch, NULL), NULL);
    assert_int_equal(batch.records, 120);
    assert_int_equal(batch.applied, 120);
    must(yard_point(&y, &point), NULL);
    assert_int_equal(point.stage, 1);
    assert_int_equal(point.done[CONTRACT], 120);
    assert_int_equal(point.changes, 120);
    assert_true(rk_slice_equal(rk_slice_of(point.key, point.key_len),
                               rk_slice_str("TENANT#t#CONTRACT#119")));
    c.writer.clock = &hasty; /* out of time: in the last span, and not before its first units */
    c.writer.work_ns_max = 1;
    must(rki_writer_batch(&c.writer, &spans[2], 1, &batch, NULL), NULL);
    assert_int_equal(batch.records, LOOKS);
    const rki_span rest[] = {{&c.chunk, 120 + LOOKS, 6}, {&c.chunk, 126 + LOOKS, 10}};
    must(rki_writer_batch(&c.writer, rest, 2, &batch, NULL), NULL);
    assert_int_equal(batch.records, 6);
    c.writer.work_ns_max = 0;
    must(rki_writer_batch(&c.writer, &rest[1], 1, &batch, NULL), NULL);
    must(yard_point(&y, &point), NULL);
    assert_int_equal(point.stage, 2); /* the chunk's end ends the stage */
    assert_int_equal(point.done[CONTRACT], RECORDS);
    crew_stop(&c);
    yard_close(&y);
}

/* What does not fit the time is left to the next batch, and the checkpoint says so. */
static void a_slow_batch_is_cut_short(void **state)
{
    (void)state;
    enum { RECORDS = 200, LOOKS = 64 };
    uint64_t now_ns = 0;
    const rk_clock hasty = {.context = &now_ns, .monotonic_ns = hasty_ns, .wall_ms = hasty_ms};
    yard y;
    crew c;
    rki_batch batch;
    rk_checkpoint point;
    yard_open(&y, RK_STRATEGY_MOVE);
    yard_put_numbered(&y, RECORDS);
    crew_start(&c, &y, RK_JOB_BACKFILL, NULL);
    crew_scan_records(&c);
    assert_int_equal(c.chunk.count, RECORDS);
    c.writer.clock = &hasty;
    c.writer.work_ns_max = 1;
    must(crew_write_all(&c, &batch), NULL);
    assert_int_equal(batch.records, LOOKS);
    assert_int_equal(batch.applied, LOOKS);
    must(yard_point(&y, &point), NULL);
    assert_int_equal(point.stage, 1);
    assert_int_equal(point.done[CONTRACT], LOOKS);
    assert_true(rk_slice_equal(rk_slice_of(point.key, point.key_len),
                               rk_slice_str("TENANT#t#CONTRACT#063")));
    c.writer.work_ns_max = 0;
    must(crew_write(&c, LOOKS, RECORDS - LOOKS, &batch), NULL);
    assert_int_equal(batch.records, RECORDS - LOOKS);
    must(yard_point(&y, &point), NULL);
    assert_int_equal(point.stage, 2);
    assert_int_equal(point.done[CONTRACT], RECORDS);
    crew_stop(&c);
    yard_close(&y);
}

/* How often a batch of 200 records looks at the clock; nothing is known of their speed before. */
static uint64_t looks_of_a_batch(void (*open)(yard *, rk_strategy))
{
    uint64_t now_ns = 0;
    const rk_clock hasty = {.context = &now_ns, .monotonic_ns = hasty_ns, .wall_ms = hasty_ms};
    yard y;
    crew c;
    rki_batch batch;
    open(&y, RK_STRATEGY_MOVE);
    yard_put_numbered(&y, 200);
    crew_start(&c, &y, RK_JOB_BACKFILL, NULL);
    assert_true(crew_scan(&c) && c.chunk.count == 200);
    c.writer.unit_ns = 0;
    c.writer.clock = &hasty;
    c.writer.work_ns_max = 100 * 1000000000ull;
    must(crew_write_all(&c, &batch), NULL);
    assert_int_equal(batch.applied, 200);
    crew_stop(&c);
    yard_close(&y);
    return now_ns / 1000000000u;
}

/* An index is changed in its own order, which gains most with many units at once. */
static void steps_are_larger_with_an_index(void **state)
{
    (void)state;
    uint64_t without = looks_of_a_batch(yard_open_only); /* after 64, 128, 192 and 200 units */
    uint64_t with = looks_of_a_batch(yard_open_indexed); /* after 64 and 200 */
    assert_int_equal(without - with, 2);
}

static void lose_the_lease(yard *y)
{
    rk_lease other = {.token = {8}, .host = "there", .command = "flip"};
    rk_txn *txn = shelf_begin(&y->shelf);
    must(rk_lease_save(txn, y->tables.meta, &other, NULL), NULL);
    shelf_commit(txn);
}

static void give_up_the_lease(yard *y)
{
    rk_txn *txn = shelf_begin(&y->shelf);
    must(rk_lease_clear(txn, y->tables.meta, NULL), NULL);
    shelf_commit(txn);
}

static void change_the_epoch(yard *y)
{
    rk_state found;
    rk_txn *txn = shelf_begin(&y->shelf);
    must(rk_state_load(rk_txn_view(txn), y->tables.meta, &found, NULL), NULL);
    found.epoch++;
    must(rk_state_save(txn, y->tables.meta, &found, NULL), NULL);
    shelf_commit(txn);
}

static const struct {
    const char *name;
    void (*meanwhile)(yard *y);
    rk_status status;
} fence_cases[] = {
    {"another has the lease", lose_the_lease, RK_BUSY},
    {"nobody has the lease", give_up_the_lease, RK_BUSY},
    {"another epoch", change_the_epoch, RK_CONFLICT},
};

static void behind_a_fence_nothing_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fence_cases / sizeof *fence_cases; i++) {
        yard y;
        crew c;
        rki_batch batch = {.records = 99};
        rk_checkpoint before;
        rk_checkpoint after;
        yard_open(&y, RK_STRATEGY_MOVE);
        yard_put(&y, OLD_KEY, ONE);
        yard_put(&y, "TENANT#t#STRAY", "x");
        crew_start(&c, &y, RK_JOB_BACKFILL, NULL);
        crew_scan_records(&c);
        must(yard_point(&y, &before), NULL);
        fence_cases[i].meanwhile(&y);
        rk_status status = crew_write_all(&c, &batch);
        if (status != fence_cases[i].status)
            fail_msg("%s: %s", fence_cases[i].name, rk_status_name(status));
        must(yard_point(&y, &after), NULL);
        assert_int_equal(after.stage, before.stage);
        assert_int_equal(after.key_len, 0);
        assert_int_equal(c.writer.point.stage, before.stage);
        assert_int_equal(c.writer.point.quarantined, 0);
        assert_int_equal(batch.records, 99);
        assert_int_equal(yard_quarantined(&y, "TENANT#t#STRAY"), RK_REASON_NONE);
        yard_holds(&y, fence_cases[i].name, OLD_KEY, ONE);
        yard_holds(&y, fence_cases[i].name, PROD_KEY, NULL);
        crew_stop(&c);
        yard_close(&y);
    }
}

/* --- commits that fail ------------------------------------------------------------------------ */

/* The store's functions with a commit that fails a number of times. The contract has no context for
 * it, hence the statics. */
static const rk_store_ops *real_ops;
static rk_status commit_fault;
static int commit_faults;

static rk_status failing_commit(rk_txn *txn, rk_error *err)
{
    if (commit_faults == 0)
        return real_ops->txn_commit(txn, err);
    commit_faults--;
    real_ops->txn_abort(txn);
    return rk_error_set(err, commit_fault, "as the test asked");
}

static const struct {
    const char *name;
    rk_status fault;
    int faults;
    rk_status status;
} commit_cases[] = {
    {"no room, twice", RK_FULL, 2, RK_OK},
    {"the disk fails", RK_IO, 1, RK_IO},
    {"it may have landed", RK_UNCERTAIN, 1, RK_UNCERTAIN},
};

/* Redone or given up, a batch counts once or not at all. */
static void a_failed_commit_counts_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof commit_cases / sizeof *commit_cases; i++) {
        yard y;
        crew c;
        rki_batch batch = {0};
        yard_open(&y, RK_STRATEGY_MOVE);
        yard_put(&y, OLD_KEY, ONE);
        yard_put(&y, "TENANT#t#STRAY", "x");
        crew_start(&c, &y, RK_JOB_BACKFILL, NULL);
        crew_scan_records(&c);
        yard_put(&y, OLD_KEY, TWO);
        real_ops = y.shelf.store->ops;
        rk_store_ops ops = *real_ops;
        ops.txn_commit = failing_commit;
        commit_fault = commit_cases[i].fault;
        commit_faults = commit_cases[i].faults;
        y.shelf.store->ops = &ops;
        rk_status status = crew_write_all(&c, &batch);
        y.shelf.store->ops = real_ops;
        if (status != commit_cases[i].status)
            fail_msg("%s: %s", commit_cases[i].name, rk_status_name(status));
        bool written = status == RK_OK;
        assert_int_equal(c.writer.point.stage, written ? 2 : 1);
        assert_int_equal(c.writer.point.quarantined, written);
        assert_int_equal(c.writer.point.done[CONTRACT], written);
        assert_int_equal(c.writer.point.changes, written);
        assert_int_equal(batch.applied, written);
        yard_holds(&y, commit_cases[i].name, PROD_KEY, written ? TWO_NEW : NULL);
        crew_stop(&c);
        yard_close(&y);
    }
}

/* --- stopped anywhere ------------------------------------------------------------------------- */

/* A few tenants with contracts, items (some orphans) and strays. */
static void plant(yard *y, uint64_t seed)
{
    rk_prng prng;
    rk_prng_init(&prng, seed);
    rk_txn *txn = shelf_begin(&y->shelf);
    for (int i = 0; i < 40; i++) {
        static const char *const kinds[] = {"CONTRACT", "ITEM", "A-SUB", "STRAY"};
        static const char *const capsules[] = {"PROD", "DEV", "X"};
        char key[64];
        char value[96];
        snprintf(key, sizeof key, "TENANT#%c#%s#%u", (char)('a' + rk_prng_below(&prng, 3)),
                 kinds[rk_prng_below(&prng, 4)], (unsigned)rk_prng_below(&prng, 6));
        snprintf(value, sizeof value, "{\"c\":\"%s\",\"contract_id\":\"%u\",\"item_id\":%u}",
                 capsules[rk_prng_below(&prng, 3)], (unsigned)rk_prng_below(&prng, 6),
                 (unsigned)rk_prng_below(&prng, 6));
        yard_put_in(y, txn, rk_slice_str(key), rk_slice_str(value));
    }
    shelf_commit(txn);
}

/* Works by batches of `size`; gives up after `batches` of them (0: never). True when finished. */
static bool work(yard *y, const rk_checkpoint *from, size_t size, int batches)
{
    crew c;
    rki_batch batch;
    int written = 0;
    bool stopped = false;
    crew_start(&c, y, RK_JOB_BACKFILL, from);
    while (!stopped && !c.writer.point.finished && crew_scan(&c)) {
        size_t at = 0;
        do {
            size_t count = c.chunk.count - at < size ? c.chunk.count - at : size;
            must(crew_write(&c, at, count, &batch), NULL);
            at += count;
            stopped = ++written == batches;
        } while (!stopped && at < c.chunk.count);
    }
    bool finished = c.writer.point.finished;
    crew_stop(&c);
    return finished;
}

/* Digest of every entry of a table; of the checkpoint too, when it is the meta table. The lease's
 * time and nothing else differs from run to run. */
static rk_digest digest_of(yard *y, rk_table table)
{
    rk_digest digest = {{0}};
    rk_entry entry;
    rk_cursor *cursor = NULL;
    rk_view *view = shelf_look(&y->shelf);
    must(rk_cursor_open(view, table, &cursor, NULL), NULL);
    rk_status status = rk_cursor_seek(cursor, RK_SLICE_EMPTY, &entry, NULL);
    for (; status == RK_OK; status = rk_cursor_next(cursor, &entry, NULL)) {
        rk_slice parts[] = {rk_slice_of(digest.bytes, sizeof digest.bytes), entry.key, entry.value};
        if (!rk_slice_equal(entry.key, rk_slice_str("lease")))
            rk_digest_parts("test", parts, 3, &digest);
    }
    rk_cursor_close(cursor);
    rk_snapshot_close(view);
    return digest;
}

static void digests_of(yard *y, rk_digest out[2])
{
    out[0] = digest_of(y, y->tables.records);
    out[1] = digest_of(y, y->tables.meta);
}

static bool stop_after_and_resume(uint64_t seed, int batches, const rk_digest whole[2])
{
    yard y;
    rk_checkpoint point;
    rk_digest parts[2];
    yard_open(&y, RK_STRATEGY_MOVE);
    plant(&y, seed);
    bool finished = work(&y, NULL, 3, batches);
    must(yard_point(&y, &point), NULL);
    if (!finished)
        assert_true(work(&y, &point, 5, 0));
    digests_of(&y, parts);
    for (int i = 0; i < 2; i++)
        if (memcmp(&parts[i], &whole[i], sizeof parts[i]) != 0)
            fail_msg("seed %u, stopped after %d batches: table %d differs", (unsigned)seed, batches,
                     i);
    yard_close(&y);
    return finished;
}

/* Records, quarantine and the counts of the checkpoint come out the same wherever it stopped. */
static void a_stop_changes_nothing_of_the_outcome(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        yard y;
        rk_digest whole[2];
        yard_open(&y, RK_STRATEGY_MOVE);
        plant(&y, seed);
        assert_true(work(&y, NULL, 512, 0));
        digests_of(&y, whole);
        yard_close(&y);
        int batches = 1;
        while (!stop_after_and_resume(seed, batches, whole))
            batches++;
        assert_true(batches > 5);
    }
}

/* --- a rollback that gives one old key to one of two -------------------------------------------
 */

#define OLD_A  "TENANT#t#CONTRACT#a"
#define DEV_A  "TENANT#t#CAPSULE#DEV#CONTRACT#a"
#define PROD_A "TENANT#t#CAPSULE#PROD#CONTRACT#a"

/* The spec names PROD first. What is at the old key when the other's turn comes was returned by an
 * earlier batch, before a stop perhaps; no new record tells of it any more. */
static void the_loser_is_dropped_however_late_it_comes(void **state)
{
    static const struct {
        const char *name;
        const char *old_value;
        const char *new_key, *new_value;
        const char *old_after;
        bool new_stays;
    } cases[] = {
        {"the winner is back", "{\"x\":1}", DEV_A, "{\"x\":2,\"c\":\"DEV\"}", "{\"x\":1}", false},
        {"nobody is", NULL, DEV_A, "{\"x\":2,\"c\":\"DEV\"}", "{\"x\":2,\"c\":\"DEV\"}", false},
        {"who ranks lower is", "{\"x\":2,\"c\":\"DEV\"}", PROD_A, "{\"x\":1,\"c\":\"PROD\"}",
         "{\"x\":2,\"c\":\"DEV\"}", true},
        {"its own capsule's other record is", "{\"x\":9}", PROD_A, "{\"x\":1,\"c\":\"PROD\"}",
         "{\"x\":9}", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        yard y;
        crew c;
        rki_batch batch;
        yard_open_only(&y, RK_STRATEGY_MOVE);
        yard_put(&y, OLD_A, cases[i].old_value);
        yard_put(&y, cases[i].new_key, cases[i].new_value);
        crew_start(&c, &y, RK_JOB_RETURN, NULL);
        c.job.accept_loss = true;
        while (crew_scan(&c))
            must(crew_write_all(&c, &batch), NULL);
        yard_holds(&y, cases[i].name, OLD_A, cases[i].old_after);
        yard_holds(&y, cases[i].name, cases[i].new_key,
                   cases[i].new_stays ? cases[i].new_value : NULL);
        assert_int_equal(cases[i].new_stays ? RK_REASON_CONFLICT : RK_REASON_NONE,
                         yard_quarantined(&y, cases[i].new_key));
        crew_stop(&c);
        yard_close(&y);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changed_meanwhile_is_read_again),
        cmocka_unit_test(a_child_does_not_go_without_its_parent),
        cmocka_unit_test(a_child_follows_its_parent),
        cmocka_unit_test(what_was_seen_holds_until_another_commits),
        cmocka_unit_test(contract_keeps_an_old_record_without_its_new_one),
        cmocka_unit_test(the_checkpoint_commits_with_the_records),
        cmocka_unit_test(a_batch_may_have_several_spans),
        cmocka_unit_test(a_slow_batch_is_cut_short),
        cmocka_unit_test(steps_are_larger_with_an_index),
        cmocka_unit_test(behind_a_fence_nothing_is_written),
        cmocka_unit_test(a_failed_commit_counts_nothing),
        cmocka_unit_test(a_stop_changes_nothing_of_the_outcome),
        cmocka_unit_test(the_loser_is_dropped_however_late_it_comes),
    };
    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
