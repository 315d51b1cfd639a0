/* One decision of all nodes or of none, whatever is lost, killed or started twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/engine/test_coordinator_world.h"

#define SEEDS 3000

/* The number of seeds; TEST_SEEDS in the environment asks for more. */
static uint64_t seed_count(void)
{
    const char *asked = getenv("TEST_SEEDS");
    return asked ? strtoull(asked, NULL, 10) : SEEDS;
}

static rk_coordinator_state run_to_end(sim_world *w, const rk_coordinator_options *options)
{
    sim_chief_start(w, 0, options);
    sim_finish(w);
    return w->chief[0].ended;
}

static void must_be_done(sim_world *w, const rk_coordinator_options *options)
{
    rk_coordinator_state state = run_to_end(w, options);
    if (state != RK_COORDINATOR_DONE)
        fail_msg("seed %llu, %lld ms: state %d of node %zu: %s", (unsigned long long)w->seed,
                 (long long)w->now_ms, (int)state, w->chief[0].end.node,
                 w->chief[0].end.error.message);
}

/* --- goals ---------------------------------------------------------------------------------------
 */

/* What must have been reached before, and where the goal leads. */
static const struct {
    rk_goal goal;
    rk_goal before; /* the goal itself: nothing */
    rk_phase phase;
} goals[] = {
    {RK_GOAL_BACKFILLED, RK_GOAL_BACKFILLED, RK_PHASE_DUAL_WRITE},
    {RK_GOAL_VERIFIED, RK_GOAL_VERIFIED, RK_PHASE_DUAL_WRITE},
    {RK_GOAL_FLIPPED, RK_GOAL_FLIPPED, RK_PHASE_FLIPPED},
    {RK_GOAL_DONE, RK_GOAL_DONE, RK_PHASE_DONE},
    {RK_GOAL_FLIP, RK_GOAL_VERIFIED, RK_PHASE_FLIPPED},
    {RK_GOAL_ROLLBACK, RK_GOAL_VERIFIED, RK_PHASE_OLD},
    {RK_GOAL_ROLLBACK, RK_GOAL_FLIPPED, RK_PHASE_OLD},
    {RK_GOAL_CONTRACT, RK_GOAL_FLIPPED, RK_PHASE_DONE},
};
#define GOALS (sizeof goals / sizeof *goals)

static void everybody_is_in(const sim_world *w, const rk_coordinator_options *o, rk_phase phase)
{
    for (size_t i = 0; i < w->node_count; i++) {
        const sim_node *n = &w->node[i];
        sim_claim(w, !n->promised, "no promise is left");
        for (uint32_t d = 1; d <= w->decisions; d++)
            sim_claim(w,
                      (n->decided[d] == RK_DECIDED_COMMITTED) ==
                          (w->node[0].decided[d] == RK_DECIDED_COMMITTED),
                      "what the decider committed, all have committed");
        for (int tier = 0; tier < RK_TIER_COUNT; tier++) {
            if ((tier == RK_TIER_CANARY && !w->has_canary) || (o->one_tier && (int)o->tier != tier))
                continue;
            sim_claim(w, n->phase[tier] == phase && !n->undoing[tier],
                      "every node is where the goal leads");
        }
    }
}

static void prepare(sim_world *w, size_t goal)
{
    rk_coordinator_options options = {.goal = goals[goal].before, .activates = true};
    if (goals[goal].before != goals[goal].goal)
        must_be_done(w, &options);
    w->commits = 0;
    memset(w->moved_tier, 0, sizeof w->moved_tier);
}

/* Canary tenants go all the way before production begins. */
static void the_order_is_kept(const sim_world *w, const rk_coordinator_options *o)
{
    bool forward = o->goal == RK_GOAL_FLIPPED || o->goal == RK_GOAL_DONE;
    if (!w->has_canary || o->one_tier || !forward)
        return;
    uint32_t each = o->goal == RK_GOAL_DONE ? 2 : 1;
    assert_int_equal(w->commits, 2 * each);
    for (uint32_t d = 1; d <= w->commits; d++) {
        assert_int_equal(w->moved_tier[d][RK_TIER_CANARY], d <= each);
        assert_int_equal(w->moved_tier[d][RK_TIER_PRODUCTION], d > each);
        assert_int_equal(w->moved[d], (d - 1) % each ? RK_MOVE_CONTRACT : RK_MOVE_FLIP);
    }
}

static void undisturbed(size_t goal, size_t nodes, rk_strategy strategy, bool canary, int tier)
{
    sim_world w;
    rk_coordinator_options options = {.goal = goals[goal].goal,
                                      .one_tier = tier >= 0,
                                      .tier = tier >= 0 ? (rk_tier)tier : RK_TIER_CANARY,
                                      .activates = true};
    sim_init(&w, goal * 100 + nodes, nodes, strategy, canary);
    prepare(&w, goal);
    must_be_done(&w, &options);
    everybody_is_in(&w, &options, goals[goal].phase);
    the_order_is_kept(&w, &options);
    uint32_t commits = w.commits;
    must_be_done(&w, &options); /* what is done is done */
    everybody_is_in(&w, &options, goals[goal].phase);
    sim_claim(&w, w.commits >= commits, "decisions stay");
    for (size_t i = 0; i < nodes; i++)
        sim_claim(&w, !rk_leader_live(&w.node[i].leader, w.now_ms), "the lead is given back");
    sim_fini(&w);
}

static void undisturbed_goals_are_reached(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, SIM_NODES_MAX};
    for (size_t goal = 0; goal < GOALS; goal++)
        for (size_t size = 0; size < 4; size++)
            for (int strategy = 0; strategy < 2; strategy++)
                for (int canary = 0; canary < 2; canary++)
                    for (int tier = canary ? -1 : 0; tier < RK_TIER_COUNT; tier++)
                        if (canary || tier != RK_TIER_CANARY)
                            undisturbed(goal, sizes[size], (rk_strategy)strategy, canary, tier);
}

/* --- one disturbance, anywhere -------------------------------------------------------------------
 */

typedef enum disturbance { KILL, INTERRUPT, CRASH_BEFORE, CRASH_AFTER, GONE_FOR_EVER } disturbance;

/* At the ask numbered `at`; false when there are not so many. */
static bool disturbed_at(size_t goal, uint64_t at, disturbance what)
{
    sim_world w;
    rk_coordinator_options options = {
        .goal = goals[goal].goal, .activates = true, .patience_ms = 6000};
    sim_init(&w, at, 3, RK_STRATEGY_DUAL_WRITE, true);
    prepare(&w, goal);
    uint64_t first = w.arrivals;
    if (what >= CRASH_BEFORE)
        w.crash_at = first + at;
    w.crash_is_before = what == CRASH_BEFORE;
    w.faults.for_ever = what == GONE_FOR_EVER;
    sim_chief_start(&w, 0, &options);
    while (w.chief[0].coordinator && w.arrivals < first + at)
        sim_step(&w);
    bool reached = w.arrivals >= first + at;
    if (w.chief[0].coordinator && what == KILL)
        sim_chief_kill(&w, 0);
    else if (w.chief[0].coordinator && what == INTERRUPT)
        rk_coordinator_interrupt(w.chief[0].coordinator);
    sim_finish(&w);
    if (what == INTERRUPT)
        for (size_t i = 0; i < w.node_count; i++)
            sim_claim(&w, !w.node[i].promised, "an interrupted run leaves nothing open");
    sim_heal(&w);
    must_be_done(&w, &options);
    everybody_is_in(&w, &options, goals[goal].phase);
    sim_fini(&w);
    return reached;
}

static void a_disturbance_anywhere_does_no_harm(void **state)
{
    (void)state;
    for (size_t goal = 2; goal < GOALS; goal++)
        for (int what = KILL; what <= GONE_FOR_EVER; what++) {
            uint64_t at = 1;
            while (disturbed_at(goal, at, (disturbance)what))
                at += goals[goal].goal == RK_GOAL_DONE ? 3 : 1;
            assert_true(at > 20);
        }
}

/* --- everything at once --------------------------------------------------------------------------
 */

static uint32_t maybe(sim_world *w, uint32_t most)
{
    return sim_below(w, 2) ? 0 : sim_below(w, most + 1);
}

static void draw_faults(sim_world *w)
{
    sim_faults f = {.lose_ask = maybe(w, 200),
                    .lose_answer = maybe(w, 200),
                    .late_ask = maybe(w, 60),
                    .crash_before = maybe(w, 15),
                    .crash_after = maybe(w, 15),
                    .away = maybe(w, 10),
                    .kill_chief = maybe(w, 15),
                    .interrupt = maybe(w, 4),
                    .not_clean = maybe(w, 30),
                    .for_ever = sim_below(w, 20) == 0};
    w->faults = f;
}

/* One goal, or a verification beside it. */
static void start_some(sim_world *w, const rk_coordinator_options *options, int chiefs)
{
    for (int i = 0; i < chiefs; i++) {
        rk_coordinator_options mine = *options;
        if (i > 0 && sim_below(w, 4) == 0)
            mine.goal = RK_GOAL_VERIFIED;
        if (!w->chief[i].coordinator && sim_below(w, 50) == 0)
            sim_chief_start(w, i, &mine);
    }
}

/* How many outcomes were forgotten on the way. */
static uint32_t live_through(uint64_t seed)
{
    static const uint32_t patiences_ms[] = {1500, 5000, 12000, 30000};
    sim_world w;
    sim_init(&w, seed, 1, RK_STRATEGY_DUAL_WRITE, false);
    w.node_count = 1 + sim_below(&w, 4);
    w.strategy = (rk_strategy)sim_below(&w, 2);
    w.has_canary = sim_below(&w, 2);
    size_t goal = 2 + sim_below(&w, GOALS - 2);
    prepare(&w, goal);
    rk_coordinator_options options = {
        .goal = goals[goal].goal, .activates = true, .patience_ms = patiences_ms[sim_below(&w, 4)]};
    int chiefs = 1 + (int)sim_below(&w, SIM_CHIEFS);
    draw_faults(&w);
    int64_t until_ms = w.now_ms + 10000 + sim_below(&w, 80000);
    while (w.now_ms < until_ms && w.decisions + 40 < SIM_DECISIONS_MAX) {
        start_some(&w, &options, chiefs);
        sim_step(&w);
    }
    sim_finish(&w);
    sim_heal(&w);
    must_be_done(&w, &options);
    everybody_is_in(&w, &options, goals[goal].phase);
    uint32_t forgotten = w.forgotten;
    sim_fini(&w);
    return forgotten;
}

static void chaos_never_splits_the_nodes(void **state)
{
    (void)state;
    const char *first = getenv("TEST_SEED");
    uint64_t seed = first ? strtoull(first, NULL, 10) : 1;
    uint64_t forgotten = 0;
    for (uint64_t i = 0; i < seed_count(); i++)
        forgotten += live_through(seed + i);
    assert_true(forgotten > 0 || seed_count() < 10);
}

/* --- one at a time -------------------------------------------------------------------------------
 */

/* Most nodes have long been ready and hear nothing but beats; who comes by must not take the lead.
 */
static void a_long_run_keeps_its_lead(void **state)
{
    (void)state;
    sim_world w;
    rk_coordinator_options options = {.goal = RK_GOAL_FLIPPED, .activates = true};
    sim_init(&w, 1, 3, RK_STRATEGY_DUAL_WRITE, true);
    w.node[1].run_ms = 45000; /* three leases */
    sim_chief_start(&w, 0, &options);
    for (int i = 0; i < 20; i++)
        sim_step(&w);
    int turned_away = 0;
    for (int i = 0; w.chief[0].coordinator; i++) {
        if (!w.chief[1].coordinator && i % 20 == 0) {
            turned_away += w.chief[1].ended == RK_COORDINATOR_BUSY;
            assert_true(w.chief[1].generation == 0 || w.chief[1].ended == RK_COORDINATOR_BUSY);
            sim_chief_start(&w, 1, &options);
        }
        sim_step(&w);
    }
    assert_int_equal(w.chief[0].ended, RK_COORDINATOR_DONE);
    assert_true(turned_away > 60);
    sim_finish(&w);
    sim_fini(&w);
}

/* Of two that begin at once, one gets through. */
static void one_of_two_wins(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        sim_world w;
        rk_coordinator_options options = {.goal = RK_GOAL_FLIPPED, .activates = true};
        sim_init(&w, seed, 4, RK_STRATEGY_MOVE, false);
        sim_chief_start(&w, 0, &options);
        sim_chief_start(&w, 1, &options);
        sim_finish(&w);
        rk_coordinator_state ends[] = {w.chief[0].ended, w.chief[1].ended};
        int winner = ends[0] == RK_COORDINATOR_DONE ? 0 : 1;
        sim_claim(&w, ends[winner] == RK_COORDINATOR_DONE && ends[!winner] == RK_COORDINATOR_BUSY,
                  "one is done, the other turned away");
        everybody_is_in(&w, &options, RK_PHASE_FLIPPED);
        sim_fini(&w);
    }
}

/* --- nodes that are not there -------------------------------------------------------------------
 */

/* Before a decision nothing is decided without a node. */
static void without_a_node_nothing_is_decided(void **state)
{
    (void)state;
    for (size_t node = 0; node < 3; node++) {
        sim_world w;
        rk_coordinator_options options = {.goal = RK_GOAL_FLIP, .activates = true};
        sim_init(&w, node + 1, 3, RK_STRATEGY_DUAL_WRITE, true);
        prepare(&w, 4);
        w.node[node].away_until_ms = INT64_MAX;
        assert_int_equal(run_to_end(&w, &options), RK_COORDINATOR_UNREACHABLE);
        assert_int_equal(w.chief[0].end.node, node);
        assert_int_equal(w.commits, 0);
        for (size_t i = 0; i < 3; i++)
            assert_false(w.node[i].promised);
        sim_fini(&w);
    }
}

static void promise_by_hand(sim_world *w, size_t node, uint32_t number, const char *decider)
{
    sim_node *n = &w->node[node];
    n->promised = true;
    n->prepared = (rk_prepared){.move = RK_MOVE_FLIP, .tier = {w->has_canary, true}};
    memcpy(n->prepared.id.bytes, &number, sizeof number);
    memcpy(n->prepared.decider, decider, strlen(decider));
}

/* Coordinators left promises of three decisions: one that was decided, two that never were. */
static void promises_of_several_decisions_are_settled(void **state)
{
    (void)state;
    for (int absent = 0; absent < 2; absent++) {
        sim_world w;
        rk_coordinator_options options = {.goal = RK_GOAL_FLIP, .activates = true};
        sim_init(&w, 7, 5, RK_STRATEGY_DUAL_WRITE, true);
        prepare(&w, 4);
        w.decisions = 100;
        for (size_t i = 0; i < 5; i++)
            promise_by_hand(&w, i, 50, "first");
        rk_ask ask = {.kind = RK_ASK_COMMIT, .epoch = w.node[0].leader.epoch};
        uint32_t number = 50;
        rk_answer answer;
        memcpy(ask.decision.bytes, &number, sizeof number);
        w.node[0].leader.token[0] = 9;
        rk_leader leader = w.node[0].leader;
        sim_node_answer(&w, 0, &ask, &leader, &answer);
        assert_int_equal(answer.status, RK_OK);
        w.node[0].leader.renewed_ms = 0;
        promise_by_hand(&w, 2, 51, "first");
        w.node[2].decided[50] = RK_DECIDED_COMMITTED;
        w.node[2].phase[0] = w.node[2].phase[1] = RK_PHASE_FLIPPED;
        w.node[2].prepared.tier[0] = w.node[2].prepared.tier[1] = false;
        promise_by_hand(&w, 0, 52, "first");
        w.node[0].prepared.tier[0] = w.node[0].prepared.tier[1] = false;
        w.node[4].away_until_ms = absent ? INT64_MAX : 0;
        rk_coordinator_state end = run_to_end(&w, &options);
        assert_int_equal(end, absent ? RK_COORDINATOR_UNREACHABLE : RK_COORDINATOR_DONE);
        for (size_t i = 0; i < (absent ? 4u : 5u); i++) {
            assert_false(w.node[i].promised);
            assert_int_equal(w.node[i].decided[50], RK_DECIDED_COMMITTED);
            assert_int_equal(w.node[i].phase[RK_TIER_PRODUCTION], RK_PHASE_FLIPPED);
        }
        assert_int_equal(w.node[2].decided[51], RK_DECIDED_ABORTED);
        assert_int_equal(w.node[0].decided[52], RK_DECIDED_ABORTED);
        sim_heal(&w);
        must_be_done(&w, &options);
        everybody_is_in(&w, &options, RK_PHASE_FLIPPED);
        sim_fini(&w);
    }
}

static void a_promise_to_another_decider_is_left_alone(void **state)
{
    (void)state;
    sim_world w;
    rk_coordinator_options options = {.goal = RK_GOAL_FLIP, .activates = true};
    sim_init(&w, 7, 2, RK_STRATEGY_DUAL_WRITE, false);
    prepare(&w, 4);
    promise_by_hand(&w, 1, 90, "stranger");
    assert_int_equal(run_to_end(&w, &options), RK_COORDINATOR_FAILED);
    assert_int_equal(w.chief[0].end.node, 1);
    assert_non_null(strstr(w.chief[0].end.error.message, "stranger"));
    assert_false(w.chief[0].end.of_run);
    assert_true(w.node[1].promised);
    sim_fini(&w);
}

/* A node that was away when it was decided is told before its next run, by the same coordinator. */
static void who_was_away_is_told_before_its_next_run(void **state)
{
    (void)state;
    sim_world w;
    rk_coordinator_options options = {.goal = RK_GOAL_DONE, .activates = true, .patience_ms = 3000};
    sim_init(&w, 3, 3, RK_STRATEGY_DUAL_WRITE, false);
    sim_chief_start(&w, 0, &options);
    while (w.commits == 0) {
        sim_claim(&w, w.chief[0].coordinator, "it is decided");
        sim_step(&w);
    }
    w.node[2].away_until_ms = w.now_ms + 5000; /* longer than it is waited for */
    sim_finish(&w);
    assert_int_equal(w.chief[0].ended, RK_COORDINATOR_DONE);
    everybody_is_in(&w, &options, RK_PHASE_DONE);
    sim_fini(&w);
}

/* A run that nobody asked about has stopped: it is started again, not waited for. */
static void a_run_that_stopped_is_started_again(void **state)
{
    (void)state;
    sim_world w;
    rk_coordinator_options options = {
        .goal = RK_GOAL_FLIPPED, .activates = true, .patience_ms = 60000};
    sim_init(&w, 3, 3, RK_STRATEGY_DUAL_WRITE, false);
    w.node[1].run_ms = 40000;
    sim_chief_start(&w, 0, &options);
    while (!w.node[1].has_run) {
        sim_claim(&w, w.chief[0].coordinator, "it runs");
        sim_step(&w);
    }
    w.node[1].away_until_ms = w.now_ms + 30000;
    sim_finish(&w);
    assert_int_equal(w.chief[0].ended, RK_COORDINATOR_DONE);
    everybody_is_in(&w, &options, RK_PHASE_FLIPPED);
    sim_fini(&w);
}

/* --- how it ends --------------------------------------------------------------------------------
 */

static void a_verdict_ends_the_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        sim_world w;
        rk_coordinator_options options = {.goal = RK_GOAL_FLIP, .activates = true};
        sim_init(&w, seed, 3, RK_STRATEGY_DUAL_WRITE, true);
        prepare(&w, 4);
        size_t node = seed % 3;
        w.node[node].verified[seed % 2] = false;
        assert_int_equal(run_to_end(&w, &options), RK_COORDINATOR_GATE);
        assert_int_equal(w.chief[0].end.node, node);
        for (size_t i = 0; i < 3; i++)
            sim_claim(&w, !w.node[i].promised, "the others take their promises back");
        assert_int_equal(w.commits, 0);
        sim_fini(&w);
    }
}

/* The run's error, even one that says that nothing is known, is not the network's. */
static void a_failed_run_ends_it(void **state)
{
    (void)state;
    sim_world w;
    rk_coordinator_options options = {.goal = RK_GOAL_VERIFIED, .activates = true};
    sim_init(&w, 1, 3, RK_STRATEGY_DUAL_WRITE, false);
    w.node[2].undoing[RK_TIER_PRODUCTION] = true;
    assert_int_equal(run_to_end(&w, &options), RK_COORDINATOR_FAILED);
    assert_int_equal(w.chief[0].end.node, 2);
    assert_string_equal(w.chief[0].end.error.message, "the run failed");
    assert_true(w.chief[0].end.of_run);
    sim_fini(&w);
}

/* Answers by hand: everything is done, until the commit. */
static rk_status obliging(const rk_ask *ask, rk_answer *answer)
{
    *answer = (rk_answer){.status = RK_OK, .run_state = RK_RUN_FINISHED};
    if (ask->kind == RK_ASK_COMMIT)
        answer->status = RK_UNCERTAIN;
    return answer->status;
}

/* The commit may have landed before somebody else took over: the promises of the others stay. */
static void who_was_overtaken_takes_nothing_back(void **state)
{
    (void)state;
    for (int refused = 0; refused < 2; refused++) {
        rk_coordinator *c = NULL;
        rk_coordinator_options options = {
            .node_count = 3, .decider = "first", .goal = RK_GOAL_FLIP, .patience_ms = 2000};
        rk_ask ask;
        rk_answer answer;
        int commits = 0;
        assert_int_equal(rk_coordinator_create(&options, 0, &c, NULL), RK_OK);
        for (int64_t now_ms = 0; rk_coordinator_state_of(c) == RK_COORDINATOR_GOING; now_ms += 100)
            while (rk_coordinator_next(c, now_ms, &ask)) {
                commits += obliging(&ask, &answer) == RK_UNCERTAIN;
                if (commits > 1 && refused)
                    answer.status = RK_CONFLICT;
                assert_false(ask.kind == RK_ASK_ABORT && ask.node != 0);
                if (ask.kind == RK_ASK_ABORT)
                    answer.status = RK_CONFLICT;
                rk_coordinator_take(c, now_ms, &ask, &answer);
                assert_true(now_ms < 60000);
            }
        assert_true(commits > 1);
        assert_int_equal(rk_coordinator_state_of(c),
                         refused ? RK_COORDINATOR_FAILED : RK_COORDINATOR_UNREACHABLE);
        rk_coordinator_destroy(c);
    }
}

/* A node that forgets its run over and over. */
static void a_node_that_keeps_dying_ends_it(void **state)
{
    (void)state;
    sim_world w;
    rk_coordinator_options options = {.goal = RK_GOAL_VERIFIED, .activates = true};
    sim_init(&w, 1, 2, RK_STRATEGY_DUAL_WRITE, false);
    w.node[1].run_ms = 60000;
    sim_chief_start(&w, 0, &options);
    while (w.chief[0].coordinator) {
        sim_step(&w);
        if (w.node[1].has_run && sim_below(&w, 4) == 0)
            sim_crash(&w, 1, 1);
    }
    assert_int_equal(w.chief[0].ended, RK_COORDINATOR_FAILED);
    assert_int_equal(w.chief[0].end.node, 1);
    sim_fini(&w);
}

/* There is none above it that a node would take. */
static void the_last_epoch_is_not_passed(void **state)
{
    (void)state;
    for (int last = 0; last < 2; last++) {
        sim_world w;
        rk_coordinator_options options = {.goal = RK_GOAL_VERIFIED, .activates = true};
        sim_init(&w, 1, 2, RK_STRATEGY_DUAL_WRITE, false);
        w.node[1].leader.epoch = RK_LEADER_EPOCH_MAX - (last ? 0 : 1);
        assert_int_equal(run_to_end(&w, &options),
                         last ? RK_COORDINATOR_FAILED : RK_COORDINATOR_DONE);
        if (last)
            assert_non_null(strstr(w.chief[0].end.error.message, "none above"));
        sim_fini(&w);
    }
}

static void limits_are_checked(void **state)
{
    (void)state;
    rk_coordinator *c = NULL;
    rk_error err = {0};
    rk_coordinator_options options = {.node_count = 0, .decider = "first"};
    assert_int_equal(rk_coordinator_create(&options, 0, &c, &err), RK_INVALID);
    options.node_count = RK_COORDINATOR_NODES_MAX + 1;
    assert_int_equal(rk_coordinator_create(&options, 0, &c, &err), RK_INVALID);
    assert_null(c);
    rk_coordinator_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undisturbed_goals_are_reached),
        cmocka_unit_test(a_disturbance_anywhere_does_no_harm),
        cmocka_unit_test(chaos_never_splits_the_nodes),
        cmocka_unit_test(a_long_run_keeps_its_lead),
        cmocka_unit_test(one_of_two_wins),
        cmocka_unit_test(without_a_node_nothing_is_decided),
        cmocka_unit_test(promises_of_several_decisions_are_settled),
        cmocka_unit_test(a_promise_to_another_decider_is_left_alone),
        cmocka_unit_test(who_was_away_is_told_before_its_next_run),
        cmocka_unit_test(a_run_that_stopped_is_started_again),
        cmocka_unit_test(a_verdict_ends_the_run),
        cmocka_unit_test(a_failed_run_ends_it),
        cmocka_unit_test(who_was_overtaken_takes_nothing_back),
        cmocka_unit_test(a_node_that_keeps_dying_ends_it),
        cmocka_unit_test(the_last_epoch_is_not_passed),
        cmocka_unit_test(limits_are_checked),
    };
    return cmocka_run_group_tests_name("coordinator", tests, NULL, NULL);
}
