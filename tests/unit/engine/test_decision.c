/* A node's part of a decision, on a store: promise, commit, abort, and who leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rekey/engine/decision.h"
#include "store/lmdb.h"
#include "tests/unit/engine/yard.h"

typedef struct site {
    yard yard;
    rk_migration *migration;
} site;

static bool is_alive(void *context, const rk_lease *lease)
{
    (void)context;
    (void)lease;
    return true;
}

static const rk_promise first = {.id = {{1, [15] = 1}}, .decider = "one"};
static const rk_promise second = {.id = {{2, [15] = 2}}, .decider = "one"};

static void open_plan(site *s)
{
    rk_active_plan plan = {.digest = {{5}}, .template_entity = CONFIG};
    rk_txn *txn = shelf_begin(&s->yard.shelf);
    must(rk_active_plan_save(txn, s->yard.tables.meta, &plan, NULL), NULL);
    shelf_commit(txn);
}

static void site_open(site *s, rk_strategy strategy)
{
    static const char *const tenants[] = {"s-1", "s-2", "t", "u"};
    rk_error err = {0};
    rk_actor actor = {.lease = {.token = {7}, .host = "here", .command = "run"}, .alive = is_alive};
    yard_open(&s->yard, strategy);
    for (int i = 0; i < 4; i++) {
        char key[64];
        snprintf(key, sizeof key, "TENANT#%s#CONTRACT#1", tenants[i]);
        yard_put(&s->yard, key, "{\"n\":1}");
        snprintf(key, sizeof key, "TENANT#%s#ITEM#1", tenants[i]);
        yard_put(&s->yard, key, "{\"contract_id\":\"1\"}");
    }
    open_plan(s);
    must(rk_migration_open(s->yard.shelf.store, rk_clock_system(), &actor, true, &s->migration,
                           &err),
         &err);
}

static void site_close(site *s)
{
    rk_migration_close(s->migration);
    yard_close(&s->yard);
}

static rk_run_options options_of(rk_goal goal, int tier, const rk_promise *promise)
{
    return (rk_run_options){.goal = goal,
                            .one_tier = tier >= 0,
                            .tier = tier >= 0 ? (rk_tier)tier : RK_TIER_CANARY,
                            .workers = 1,
                            .accept_loss = true,
                            .promise = promise};
}

/* Runs to the end; `tier` -1 for both. */
static rk_status run(site *s, rk_goal goal, int tier, const rk_promise *promise,
                     rk_run_state *state, rk_error *err)
{
    rk_run_options options = options_of(goal, tier, promise);
    rk_run *r = NULL;
    *state = RK_RUN_GOING;
    rk_status status = rk_run_create(s->migration, &options, &r, err);
    while (status == RK_OK && *state == RK_RUN_GOING)
        status = rk_run_step(r, state, err);
    must(rk_run_end(r, "test", NULL), NULL);
    return status;
}

static void must_run(site *s, rk_goal goal, int tier, const rk_promise *promise)
{
    rk_error err = {0};
    rk_run_state state;
    must(run(s, goal, tier, promise, &state, &err), &err);
    assert_int_equal(state, RK_RUN_FINISHED);
}

static void must_refuse(site *s, rk_goal goal, int tier, const rk_promise *promise)
{
    rk_error err = {0};
    rk_run_state state;
    rk_status status = run(s, goal, tier, promise, &state, &err);
    if (status != RK_CONFLICT)
        fail_msg("goal %d: %s", (int)goal, rk_status_name(status));
    assert_string_not_equal(err.message, "");
}

static rk_state state_of(site *s)
{
    rk_state state;
    rk_view *view = shelf_look(&s->yard.shelf);
    must(rk_state_load(view, s->yard.tables.meta, &state, NULL), NULL);
    rk_snapshot_close(view);
    return state;
}

static void phases_are(site *s, rk_phase canary, rk_phase production)
{
    rk_state state = state_of(s);
    assert_int_equal(state.tier[RK_TIER_CANARY].phase, canary);
    assert_int_equal(state.tier[RK_TIER_PRODUCTION].phase, production);
}

static rk_digest digest_of(site *s, rk_table table)
{
    rk_digest digest = {{0}};
    rk_entry entry;
    rk_cursor *cursor = NULL;
    rk_view *view = shelf_look(&s->yard.shelf);
    must(rk_cursor_open(view, table, &cursor, NULL), NULL);
    rk_status status = rk_cursor_seek(cursor, RK_SLICE_EMPTY, &entry, NULL);
    for (; status == RK_OK; status = rk_cursor_next(cursor, &entry, NULL)) {
        rk_slice parts[] = {rk_slice_of(digest.bytes, sizeof digest.bytes), entry.key, entry.value};
        rk_digest_parts("test", parts, 3, &digest);
    }
    rk_cursor_close(cursor);
    rk_snapshot_close(view);
    return digest;
}

static rk_decided look(site *s, const rk_promise *promise)
{
    rk_decided decided = RK_DECIDED_NOT;
    must(rk_decision_look(s->migration, &promise->id, &decided, NULL), NULL);
    return decided;
}

static bool promised(site *s)
{
    rk_prepared prepared;
    rk_error err = {0};
    rk_status status = rk_decision_promised(s->migration, &prepared, &err);
    assert_string_equal(err.message, "");
    assert_true(status == RK_OK || status == RK_NOT_FOUND);
    return status == RK_OK;
}

/* --- gates ------------------------------------------------------------------------------------ */

static void forget_the_verdict(site *s, rk_txn *txn)
{
    must(rk_verdict_clear(txn, s->yard.tables.meta, RK_TIER_CANARY, NULL), NULL);
}

static void spoil_the_verdict(site *s, rk_txn *txn)
{
    rk_verdict verdict;
    rk_table meta = s->yard.tables.meta;
    must(rk_verdict_load(rk_txn_view(txn), meta, RK_TIER_CANARY, &verdict, NULL), NULL);
    verdict.clean = false;
    must(rk_verdict_save(txn, meta, RK_TIER_CANARY, &verdict, NULL), NULL);
}

static void write_a_record(site *s, rk_txn *txn)
{
    yard_put_in(&s->yard, txn, rk_slice_str("TENANT#u#CONTRACT#2"), rk_slice_str("{\"n\":2}"));
}

static void fill_the_quarantine(site *s, rk_txn *txn)
{
    uint64_t max = s->migration->spec->limits.quarantine_max;
    for (uint64_t i = 0; i <= max; i++) {
        char key[32];
        snprintf(key, sizeof key, "%u", (unsigned)i);
        rk_quarantined entry = {RK_REASON_UNMATCHED, -1, rk_slice_str(key), RK_SLICE_EMPTY};
        must(rk_quarantine_put(txn, s->yard.tables.meta, &entry, NULL), NULL);
    }
}

static void deactivate_the_plan(site *s, rk_txn *txn)
{
    must(rk_active_plan_clear(txn, s->yard.tables.meta, NULL), NULL);
}

static const struct {
    const char *name;
    void (*spoil)(site *s, rk_txn *txn);
} gate_cases[] = {
    {"not verified", forget_the_verdict},
    {"not clean", spoil_the_verdict},
    {"stale", write_a_record},
    {"quarantine", fill_the_quarantine},
    {"no plan", deactivate_the_plan},
};

/* Why a flip, or the promise of one, is refused when the store is spoilt at the last moment. */
static void reason_of(size_t i, const rk_promise *promise, char *out, size_t size)
{
    site s;
    rk_run *r = NULL;
    rk_run_state state = RK_RUN_GOING;
    rk_run_progress progress = {0};
    const char *task = promise ? "promise" : "flip";
    rk_run_options options = options_of(RK_GOAL_FLIP, -1, promise);
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    must_run(&s, RK_GOAL_VERIFIED, -1, NULL);
    must(rk_run_create(s.migration, &options, &r, NULL), NULL);
    for (rk_run_progress_of(r, &progress); strcmp(progress.task, task) != 0;
         rk_run_progress_of(r, &progress))
        must(rk_run_step(r, &state, NULL), NULL);
    rk_txn *txn = shelf_begin(&s.yard.shelf);
    gate_cases[i].spoil(&s, txn);
    shelf_commit(txn);
    while (state == RK_RUN_GOING)
        must(rk_run_step(r, &state, NULL), NULL);
    if (state != RK_RUN_GATE)
        fail_msg("%s: %d", gate_cases[i].name, (int)state);
    snprintf(out, size, "%s", rk_run_reason(r));
    must(rk_run_end(r, "test", NULL), NULL);
    assert_false(promised(&s));
    phases_are(&s, RK_PHASE_DUAL_WRITE, RK_PHASE_DUAL_WRITE);
    site_close(&s);
}

static void a_promise_passes_the_gates_of_the_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof gate_cases / sizeof *gate_cases; i++) {
        char change[RK_ERROR_MESSAGE_BYTES];
        char promise[RK_ERROR_MESSAGE_BYTES];
        reason_of(i, NULL, change, sizeof change);
        reason_of(i, &first, promise, sizeof promise);
        assert_string_not_equal(change, "");
        assert_string_equal(promise, change);
    }
}

/* The canary's promise is written before production's gate says no, and can be taken back. */
static void half_a_promise_is_taken_back(void **state)
{
    (void)state;
    site s;
    rk_error err = {0};
    rk_run_state end;
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    must_run(&s, RK_GOAL_VERIFIED, RK_TIER_CANARY, NULL);
    assert_int_equal(run(&s, RK_GOAL_FLIP, -1, &first, &end, &err), RK_CONFLICT);
    must(rk_decision_abort(s.migration, &first.id, &err), &err);
    assert_false(promised(&s));
    must_run(&s, RK_GOAL_FLIP, RK_TIER_CANARY, &second);
    assert_true(promised(&s));
    site_close(&s);
}

/* --- while it is promised --------------------------------------------------------------------- */

static void nothing_moves_a_promised_flip(void **state)
{
    (void)state;
    site s;
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    must_run(&s, RK_GOAL_VERIFIED, -1, NULL);
    must_run(&s, RK_GOAL_FLIP, -1, &first);
    rk_state before = state_of(&s);
    must_refuse(&s, RK_GOAL_FLIP, -1, NULL);
    must_refuse(&s, RK_GOAL_FLIPPED, -1, NULL);
    must_refuse(&s, RK_GOAL_ROLLBACK, -1, NULL);
    must_refuse(&s, RK_GOAL_FLIP, -1, &second);
    must_refuse(&s, RK_GOAL_ROLLBACK, -1, &second);
    must_run(&s, RK_GOAL_FLIP, -1, &first); /* the same again */
    rk_state after = state_of(&s);
    assert_true(after.epoch == before.epoch);
    phases_are(&s, RK_PHASE_DUAL_WRITE, RK_PHASE_DUAL_WRITE);
    assert_int_equal(look(&s, &first), RK_DECIDED_PROMISED);
    assert_int_equal(look(&s, &second), RK_DECIDED_NOT);
    site_close(&s);
}

/* Of a node on which nothing is to be moved any more; the promise holds it still all the same. */
static void nothing_moves_what_others_decide(void **state)
{
    (void)state;
    site s;
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    must_run(&s, RK_GOAL_ROLLBACK, -1, &first);
    must_refuse(&s, RK_GOAL_VERIFIED, -1, NULL); /* begin */
    must(rk_decision_abort(s.migration, &first.id, NULL), NULL);
    must_run(&s, RK_GOAL_FLIPPED, -1, NULL);
    must_run(&s, RK_GOAL_CONTRACT, -1, &second);
    must_refuse(&s, RK_GOAL_CONTRACT, -1, NULL); /* contract */
    must(rk_decision_commit(s.migration, &second.id, NULL), NULL);
    rk_promise third = {.id = {{3}}, .decider = "one"};
    must_run(&s, RK_GOAL_CONTRACT, -1, &third);
    must_refuse(&s, RK_GOAL_CONTRACT, -1, NULL); /* finish */
    phases_are(&s, RK_PHASE_CONTRACTED, RK_PHASE_CONTRACTED);
    must(rk_decision_commit(s.migration, &third.id, NULL), NULL);
    phases_are(&s, RK_PHASE_CONTRACTED, RK_PHASE_CONTRACTED);
    must_run(&s, RK_GOAL_CONTRACT, -1, NULL);
    phases_are(&s, RK_PHASE_DONE, RK_PHASE_DONE);
    site_close(&s);
}

static void nothing_undoes_what_is_promised(void **state)
{
    (void)state;
    site s;
    site_open(&s, RK_STRATEGY_MOVE);
    must_run(&s, RK_GOAL_FLIPPED, -1, NULL);
    must_run(&s, RK_GOAL_ROLLBACK, -1, &first);
    must(rk_decision_commit(s.migration, &first.id, NULL), NULL);
    must_run(&s, RK_GOAL_ROLLBACK, -1, &second);
    must_refuse(&s, RK_GOAL_ROLLBACK, -1, NULL); /* undone */
    assert_true(state_of(&s).tier[RK_TIER_CANARY].undoing);
    must(rk_decision_commit(s.migration, &second.id, NULL), NULL);
    must_run(&s, RK_GOAL_ROLLBACK, -1, NULL);
    phases_are(&s, RK_PHASE_OLD, RK_PHASE_OLD);
    site_close(&s);
}

/* --- notes ------------------------------------------------------------------------------------ */

/* Of an earlier migration, whose command was killed when the last phase was written and the notes
 * were not swept yet: with them a rollback would take a record of somebody else's for a copy. */
static void a_migration_begins_without_notes(void **state)
{
    (void)state;
    site s;
    bool kept = true;
    uint64_t shadows = 1;
    uint8_t note[RK_KEPT_KEY_BYTES];
    size_t note_len = 0;
    const rk_slice key = RK_SLICE_LITERAL("TENANT#t#CAPSULE#DEV#CONTRACT#9");
    const rk_shadow shadow = {.entity = CONTRACT, .new_key = key};
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    rk_table meta = s.yard.tables.meta;
    rk_txn *txn = shelf_begin(&s.yard.shelf);
    must(rk_shadow_put(txn, meta, &shadow, NULL), NULL);
    rk_kept_key(key, note, &note_len);
    must(rk_txn_put(txn, meta, rk_slice_of(note, note_len), RK_SLICE_LITERAL("1"), NULL), NULL);
    shelf_commit(txn);
    must_run(&s, RK_GOAL_VERIFIED, -1, NULL);
    rk_view *view = shelf_look(&s.yard.shelf);
    must(rk_shadow_count(view, meta, &shadows, NULL), NULL);
    must(rk_kept_has(view, meta, key, &kept, NULL), NULL);
    rk_snapshot_close(view);
    assert_int_equal(shadows, 0);
    assert_false(kept);
    site_close(&s);
}

/* --- outcomes --------------------------------------------------------------------------------- */

static void a_commit_counts_once(void **state)
{
    (void)state;
    site s;
    rk_prepared prepared;
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    must_run(&s, RK_GOAL_VERIFIED, -1, NULL);
    rk_state before = state_of(&s);
    must_run(&s, RK_GOAL_FLIP, -1, &first);
    must(rk_decision_promised(s.migration, &prepared, NULL), NULL);
    assert_memory_equal(&prepared.id, &first.id, sizeof first.id);
    assert_string_equal(prepared.decider, "one");
    assert_true(prepared.tier[0] && prepared.tier[1] && prepared.move == RK_MOVE_FLIP);
    must(rk_decision_commit(s.migration, &first.id, NULL), NULL);
    rk_state after = state_of(&s);
    assert_true(after.epoch == before.epoch + RK_TIER_COUNT);
    phases_are(&s, RK_PHASE_FLIPPED, RK_PHASE_FLIPPED);
    assert_int_equal(look(&s, &first), RK_DECIDED_COMMITTED);
    assert_false(promised(&s));
    rk_digest meta = digest_of(&s, s.yard.tables.meta);
    must(rk_decision_commit(s.migration, &first.id, NULL), NULL);
    assert_int_equal(rk_decision_abort(s.migration, &first.id, NULL), RK_CONFLICT);
    rk_digest again = digest_of(&s, s.yard.tables.meta);
    assert_memory_equal(&meta, &again, sizeof meta);
    must_refuse(&s, RK_GOAL_FLIP, -1, &first);
    site_close(&s);
}

static void an_abort_counts_once(void **state)
{
    (void)state;
    site s;
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    must_run(&s, RK_GOAL_VERIFIED, -1, NULL);
    must_run(&s, RK_GOAL_FLIP, -1, &first);
    must(rk_decision_abort(s.migration, &first.id, NULL), NULL);
    assert_int_equal(look(&s, &first), RK_DECIDED_ABORTED);
    assert_false(promised(&s));
    rk_digest meta = digest_of(&s, s.yard.tables.meta);
    must(rk_decision_abort(s.migration, &first.id, NULL), NULL);
    assert_int_equal(rk_decision_commit(s.migration, &first.id, NULL), RK_CONFLICT);
    rk_digest again = digest_of(&s, s.yard.tables.meta);
    assert_memory_equal(&meta, &again, sizeof meta);
    must_refuse(&s, RK_GOAL_FLIP, -1, &first);
    phases_are(&s, RK_PHASE_DUAL_WRITE, RK_PHASE_DUAL_WRITE);
    must_run(&s, RK_GOAL_FLIP, -1, NULL); /* free again */
    phases_are(&s, RK_PHASE_FLIPPED, RK_PHASE_FLIPPED);
    site_close(&s);
}

/* An abort that comes before the promise refuses it; another decision's promise stays. */
static void decisions_do_not_touch_each_other(void **state)
{
    (void)state;
    site s;
    site_open(&s, RK_STRATEGY_MOVE);
    must_run(&s, RK_GOAL_VERIFIED, -1, NULL);
    assert_int_equal(rk_decision_commit(s.migration, &first.id, NULL), RK_NOT_FOUND);
    assert_int_equal(look(&s, &first), RK_DECIDED_NOT);
    must(rk_decision_abort(s.migration, &first.id, NULL), NULL);
    must_refuse(&s, RK_GOAL_FLIP, -1, &first);
    must_run(&s, RK_GOAL_FLIP, -1, &second);
    rk_promise third = {.id = {{3}}, .decider = "one"};
    assert_int_equal(rk_decision_commit(s.migration, &third.id, NULL), RK_NOT_FOUND);
    must(rk_decision_abort(s.migration, &third.id, NULL), NULL);
    assert_int_equal(look(&s, &second), RK_DECIDED_PROMISED);
    must(rk_decision_commit(s.migration, &second.id, NULL), NULL);
    phases_are(&s, RK_PHASE_FLIPPED, RK_PHASE_FLIPPED);
    site_close(&s);
}

static void claim(site *s, uint64_t epoch)
{
    rk_error err = {0};
    rk_leader leader = {.epoch = epoch,
                        .token = {(uint8_t)epoch},
                        .renewed_ms = (int64_t)epoch * 10 * RK_LEADER_LEASE_MS};
    must(rk_leader_claim(s->yard.shelf.store, &leader, &err), &err);
}

/* Until a later coordinator's change is committed: then every node has promised that one. */
static void an_outcome_is_known_as_long_as_it_may_be_asked_for(void **state)
{
    (void)state;
    site s;
    rk_promise aborted = {.id = {{3}}, .decider = "one"};
    rk_promise later = {.id = {{4}}, .decider = "one"};
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    must_run(&s, RK_GOAL_VERIFIED, -1, NULL);
    claim(&s, 1);
    must(rk_decision_abort(s.migration, &aborted.id, NULL), NULL);
    must_run(&s, RK_GOAL_FLIP, RK_TIER_CANARY, &first);
    must(rk_decision_commit(s.migration, &first.id, NULL), NULL);
    assert_int_equal(look(&s, &aborted), RK_DECIDED_ABORTED); /* the same coordinator's */
    claim(&s, 2);
    must(rk_decision_abort(s.migration, &later.id, NULL), NULL);
    must_run(&s, RK_GOAL_FLIP, RK_TIER_PRODUCTION, &second);
    assert_int_equal(look(&s, &first), RK_DECIDED_COMMITTED);
    assert_int_equal(look(&s, &aborted), RK_DECIDED_ABORTED);
    must(rk_decision_commit(s.migration, &second.id, NULL), NULL);
    assert_int_equal(look(&s, &first), RK_DECIDED_NOT);
    assert_int_equal(look(&s, &aborted), RK_DECIDED_NOT);
    assert_int_equal(look(&s, &later), RK_DECIDED_ABORTED);
    assert_int_equal(look(&s, &second), RK_DECIDED_COMMITTED);
    phases_are(&s, RK_PHASE_FLIPPED, RK_PHASE_FLIPPED);
    site_close(&s);
}

static void a_tier_that_is_there_is_passed_by(void **state)
{
    (void)state;
    site s;
    rk_prepared prepared;
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    must_run(&s, RK_GOAL_FLIPPED, RK_TIER_CANARY, NULL);
    must_run(&s, RK_GOAL_VERIFIED, RK_TIER_PRODUCTION, NULL);
    uint64_t epoch = state_of(&s).epoch;
    must_run(&s, RK_GOAL_FLIP, -1, &first);
    must(rk_decision_promised(s.migration, &prepared, NULL), NULL);
    assert_false(prepared.tier[RK_TIER_CANARY]);
    assert_true(prepared.tier[RK_TIER_PRODUCTION]);
    must(rk_decision_commit(s.migration, &first.id, NULL), NULL);
    assert_true(state_of(&s).epoch == epoch + 1);
    phases_are(&s, RK_PHASE_FLIPPED, RK_PHASE_FLIPPED);
    site_close(&s);
}

static void a_promise_of_another_epoch_is_corrupt(void **state)
{
    (void)state;
    site s;
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    must_run(&s, RK_GOAL_VERIFIED, -1, NULL);
    must_run(&s, RK_GOAL_FLIP, -1, &first);
    rk_state moved = state_of(&s);
    moved.epoch++;
    rk_txn *txn = shelf_begin(&s.yard.shelf);
    must(rk_state_save(txn, s.yard.tables.meta, &moved, NULL), NULL);
    shelf_commit(txn);
    assert_int_equal(rk_decision_commit(s.migration, &first.id, NULL), RK_CORRUPT);
    assert_int_equal(look(&s, &first), RK_DECIDED_PROMISED);
    phases_are(&s, RK_PHASE_DUAL_WRITE, RK_PHASE_DUAL_WRITE);
    site_close(&s);
}

/* --- as the commands of one store ------------------------------------------------------------- */

static const struct {
    rk_goal before;
    rk_goal goal;
} change_cases[] = {
    {RK_GOAL_VERIFIED, RK_GOAL_FLIP},
    {RK_GOAL_VERIFIED, RK_GOAL_ROLLBACK},
    {RK_GOAL_FLIPPED, RK_GOAL_ROLLBACK},
    {RK_GOAL_FLIPPED, RK_GOAL_CONTRACT},
};

static void change(site *s, rk_strategy strategy, size_t i, int tier, bool decided)
{
    site_open(s, strategy);
    must_run(s, change_cases[i].before, -1, NULL);
    if (decided) {
        must_run(s, change_cases[i].goal, tier, &first);
        must(rk_decision_commit(s->migration, &first.id, NULL), NULL);
    }
    must_run(s, change_cases[i].goal, tier, NULL);
}

static void a_decision_ends_where_the_command_does(void **state)
{
    (void)state;
    for (int strategy = 0; strategy < 2; strategy++)
        for (size_t i = 0; i < sizeof change_cases / sizeof *change_cases; i++)
            for (int tier = -1; tier < RK_TIER_COUNT; tier++) {
                site sites[2];
                rk_state ends[2];
                rk_digest records[2];
                for (int k = 0; k < 2; k++) {
                    change(&sites[k], (rk_strategy)strategy, i, tier, k == 1);
                    ends[k] = state_of(&sites[k]);
                    records[k] = digest_of(&sites[k], sites[k].yard.tables.records);
                    site_close(&sites[k]);
                }
                assert_true(ends[0].epoch == ends[1].epoch);
                assert_memory_equal(&records[0], &records[1], sizeof records[0]);
                for (int t = 0; t < RK_TIER_COUNT; t++) {
                    assert_int_equal(ends[0].tier[t].phase, ends[1].tier[t].phase);
                    assert_int_equal(ends[0].tier[t].undoing, ends[1].tier[t].undoing);
                }
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

static rk_status commit_with(site *s, rk_status fault, int faults, rk_error *err)
{
    rk_store *store = s->yard.shelf.store;
    real_ops = store->ops;
    rk_store_ops ops = *real_ops;
    ops.txn_commit = failing_commit;
    commit_fault = fault;
    commit_faults = faults;
    store->ops = &ops;
    rk_status status = rk_decision_commit(s->migration, &first.id, err);
    store->ops = real_ops;
    return status;
}

static void a_failed_commit_can_be_repeated(void **state)
{
    (void)state;
    site s;
    rk_error err = {0};
    site_open(&s, RK_STRATEGY_DUAL_WRITE);
    must_run(&s, RK_GOAL_VERIFIED, -1, NULL);
    uint64_t epoch = state_of(&s).epoch;
    must_run(&s, RK_GOAL_FLIP, -1, &first);
    assert_int_equal(commit_with(&s, RK_UNCERTAIN, 1, &err), RK_UNCERTAIN);
    assert_string_not_equal(err.message, "");
    assert_int_equal(look(&s, &first), RK_DECIDED_PROMISED);
    assert_int_equal(commit_with(&s, RK_IO, 1, NULL), RK_IO);
    err = (rk_error){0};
    must(commit_with(&s, RK_FULL, 2, &err), &err);
    assert_string_equal(err.message, ""); /* untouched, as it succeeded in the end */
    assert_true(state_of(&s).epoch == epoch + RK_TIER_COUNT);
    site_close(&s);
}

/* --- leadership ------------------------------------------------------------------------------- */

static rk_leader leader_of(uint64_t epoch, uint8_t token, int64_t now_ms)
{
    rk_leader leader = {.epoch = epoch, .token = {token}, .renewed_ms = now_ms};
    snprintf(leader.holder, sizeof leader.holder, "coordinator %u", (unsigned)token);
    return leader;
}

typedef enum lead { CLAIM, HOLD, RELEASE } lead;

/* One after the other, on one store. */
static const struct {
    const char *name;
    lead what;
    uint64_t epoch;
    uint8_t token;
    int64_t now_ms;
    rk_status status;
    const char *names; /* who is named in the refusal */
    uint64_t then;     /* the epoch in the store afterwards */
} lead_cases[] = {
    {"nobody to hold for", HOLD, 1, 1, 0, RK_CONFLICT, NULL, 0},
    {"nothing to release", RELEASE, 1, 1, 0, RK_OK, NULL, 0},
    {"the first", CLAIM, 3, 1, 1000, RK_OK, NULL, 3},
    {"again", CLAIM, 3, 1, 1500, RK_OK, NULL, 3},
    {"its own lower epoch", CLAIM, 2, 1, 1500, RK_CONFLICT, "coordinator 1", 3},
    {"another while it lives", CLAIM, 4, 2, 16000, RK_BUSY, "coordinator 1", 3},
    {"hold", HOLD, 3, 1, 16000, RK_OK, NULL, 3},
    {"renewed by holding", CLAIM, 4, 2, 30000, RK_BUSY, "coordinator 1", 3},
    {"held by nobody else", HOLD, 3, 2, 16000, RK_CONFLICT, "coordinator 1", 3},
    {"nor in another epoch", HOLD, 2, 1, 16000, RK_CONFLICT, "coordinator 1", 3},
    {"released by nobody else", RELEASE, 3, 2, 16000, RK_OK, NULL, 3},
    {"expired, but not higher", CLAIM, 3, 2, 31000, RK_CONFLICT, "coordinator 1", 3},
    {"expired and lower", CLAIM, 2, 2, 31000, RK_CONFLICT, "coordinator 1", 3},
    {"expired, still its own", HOLD, 3, 1, 31000, RK_OK, NULL, 3},
    {"overtaken", CLAIM, 5, 2, 46000, RK_OK, NULL, 5},
    {"too late", HOLD, 3, 1, 46000, RK_CONFLICT, "coordinator 2", 5},
    {"too late to come again", CLAIM, 3, 1, 99000, RK_CONFLICT, "coordinator 2", 5},
    {"too late to release", RELEASE, 3, 1, 46000, RK_OK, NULL, 5},
    {"the new one leads", HOLD, 5, 2, 46500, RK_OK, NULL, 5},
    {"given back", RELEASE, 5, 2, 46500, RK_OK, NULL, 5},
    {"no longer held", HOLD, 5, 2, 46500, RK_CONFLICT, "coordinator 2", 5},
    {"an epoch is led once", CLAIM, 5, 2, 46500, RK_CONFLICT, "coordinator 2", 5},
    {"free at once", CLAIM, 6, 3, 46500, RK_OK, NULL, 6},
    {"no epoch", CLAIM, 0, 3, 46500, RK_INVALID, NULL, 6},
    {"past the last", CLAIM, RK_LEADER_EPOCH_MAX + 1, 3, 46500, RK_INVALID, NULL, 6},
    {"the last", CLAIM, RK_LEADER_EPOCH_MAX, 3, 46500, RK_OK, NULL, RK_LEADER_EPOCH_MAX},
};

static rk_status lead_once(rk_store *store, size_t i, rk_error *err)
{
    rk_leader leader = leader_of(lead_cases[i].epoch, lead_cases[i].token, lead_cases[i].now_ms);
    return lead_cases[i].what == CLAIM  ? rk_leader_claim(store, &leader, err)
           : lead_cases[i].what == HOLD ? rk_leader_hold(store, &leader, err)
                                        : rk_leader_release(store, &leader, err);
}

static void epochs_only_grow(void **state)
{
    shelf *s = *state;
    for (size_t i = 0; i < sizeof lead_cases / sizeof *lead_cases; i++) {
        rk_error err = {0};
        rk_leader before = {0};
        rk_leader after = {0};
        const char *names = lead_cases[i].names;
        rk_leader_look(s->store, &before, NULL);
        rk_status status = lead_once(s->store, i, &err);
        rk_leader_look(s->store, &after, NULL);
        if (status != lead_cases[i].status || after.epoch != lead_cases[i].then)
            fail_msg("%s: %s, %s", lead_cases[i].name, rk_status_name(status), err.message);
        if (names && !strstr(err.message, names))
            fail_msg("%s: %s", lead_cases[i].name, err.message);
        if (status == RK_OK)
            assert_string_equal(err.message, "");
        else if (memcmp(&before, &after, sizeof before) != 0)
            fail_msg("%s changed something", lead_cases[i].name);
    }
}

/* Within a second nothing is written. */
static void a_hold_renews_once_a_second(void **state)
{
    shelf *s = *state;
    rk_leader leader = leader_of(1, 1, 5000);
    rk_leader found;
    must(rk_leader_claim(s->store, &leader, NULL), NULL);
    leader.renewed_ms = 5999;
    must(rk_leader_hold(s->store, &leader, NULL), NULL);
    must(rk_leader_look(s->store, &found, NULL), NULL);
    assert_true(found.renewed_ms == 5000);
    leader.renewed_ms = 6000;
    must(rk_leader_hold(s->store, &leader, NULL), NULL);
    must(rk_leader_look(s->store, &found, NULL), NULL);
    assert_true(found.renewed_ms == 6000);
    assert_true(rk_leader_live(&found, 6000 + RK_LEADER_LEASE_MS - 1));
    assert_false(rk_leader_live(&found, 6000 + RK_LEADER_LEASE_MS));
    must(rk_leader_release(s->store, &leader, NULL), NULL);
    must(rk_leader_look(s->store, &found, NULL), NULL);
    assert_false(rk_leader_live(&found, 6000));
}

/* A store without `__rekey`: nobody leads, and a claim makes it. */
static void a_bare_store_can_be_led(void **state)
{
    shelf *s = *state;
    char path[300];
    char file[320];
    rk_store *store = NULL;
    rk_lmdb_options options = {.mode = RK_LMDB_CREATE};
    rk_leader leader = leader_of(1, 1, 0);
    rk_leader found;
    rk_error err = {0};
    snprintf(path, sizeof path, "%s/bare", s->path);
    assert_int_equal(mkdir(path, 0700), 0);
    must(rk_lmdb_open(path, &options, &store, NULL), NULL);
    assert_int_equal(rk_leader_look(store, &found, &err), RK_NOT_FOUND);
    must(rk_leader_release(store, &leader, &err), &err);
    assert_string_equal(err.message, "");
    must(rk_leader_claim(store, &leader, &err), &err);
    must(rk_leader_hold(store, &leader, &err), &err);
    must(rk_leader_look(store, &found, &err), &err);
    assert_true(found.epoch == 1);
    assert_string_equal(err.message, "");
    rk_store_close(store);
    snprintf(file, sizeof file, "%s/data.mdb", path);
    unlink(file);
    snprintf(file, sizeof file, "%s/lock.mdb", path);
    unlink(file);
    rmdir(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promise_passes_the_gates_of_the_change),
        cmocka_unit_test(half_a_promise_is_taken_back),
        cmocka_unit_test(nothing_moves_a_promised_flip),
        cmocka_unit_test(nothing_moves_what_others_decide),
        cmocka_unit_test(nothing_undoes_what_is_promised),
        cmocka_unit_test(a_migration_begins_without_notes),
        cmocka_unit_test(a_commit_counts_once),
        cmocka_unit_test(an_abort_counts_once),
        cmocka_unit_test(decisions_do_not_touch_each_other),
        cmocka_unit_test(an_outcome_is_known_as_long_as_it_may_be_asked_for),
        cmocka_unit_test(a_tier_that_is_there_is_passed_by),
        cmocka_unit_test(a_promise_of_another_epoch_is_corrupt),
        cmocka_unit_test(a_decision_ends_where_the_command_does),
        cmocka_unit_test(a_failed_commit_can_be_repeated),
        cmocka_unit_test_setup_teardown(epochs_only_grow, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(a_hold_renews_once_a_second, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(a_bare_store_can_be_led, shelf_setup, shelf_teardown),
    };
    return cmocka_run_group_tests_name("decision", tests, NULL, NULL);
}
