/* A model of a node: decision.c, a run and a leader record, without a store. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/unit/engine/test_coordinator_world.h"

#define RUN_LEASE_MS 20000 /* a run that nobody asks about stops */

static uint32_t number_of(const rk_decision_id *id)
{
    uint32_t number;
    memcpy(&number, id->bytes, sizeof number);
    return number;
}

static rk_move move_of(rk_goal goal)
{
    return goal == RK_GOAL_FLIP       ? RK_MOVE_FLIP
           : goal == RK_GOAL_ROLLBACK ? RK_MOVE_ROLLBACK
                                      : RK_MOVE_CONTRACT;
}

/* --- decisions ---------------------------------------------------------------------------------
 */

static void move_tiers(sim_world *w, sim_node *n, const rk_prepared *prepared)
{
    for (int tier = 0; tier < RK_TIER_COUNT; tier++) {
        rk_phase to;
        if (!prepared->tier[tier])
            continue;
        sim_claim(w, rk_phase_allows(w->strategy, n->phase[tier], prepared->move, &to),
                  "nothing moves what is promised");
        n->phase[tier] = to;
        n->undoing[tier] = prepared->move == RK_MOVE_ROLLBACK;
        n->verified[tier] = n->verified[tier] && !n->undoing[tier];
    }
}

/* A decision is made when all have promised, and by the decider; nobody who aborted it is there. */
static void check_commit(sim_world *w, size_t node, uint32_t number)
{
    bool first = true;
    for (size_t i = 0; i < w->node_count; i++) {
        sim_claim(w, w->node[i].decided[number] != RK_DECIDED_ABORTED,
                  "no node commits what another aborted");
        first = first && w->node[i].decided[number] != RK_DECIDED_COMMITTED;
    }
    if (!first) {
        sim_claim(w, w->node[0].decided[number] == RK_DECIDED_COMMITTED, "the decider decides");
        return;
    }
    sim_claim(w, node == 0, "the decider commits first");
    for (size_t i = 0; i < w->node_count; i++)
        sim_claim(w, w->node[i].promised && number_of(&w->node[i].prepared.id) == number,
                  "it is decided when all have promised");
    w->commits++;
    w->moved[w->commits] = w->node[0].prepared.move;
    for (int tier = 0; tier < RK_TIER_COUNT; tier++)
        for (size_t i = 0; i < w->node_count; i++)
            w->moved_tier[w->commits][tier] =
                w->moved_tier[w->commits][tier] || w->node[i].prepared.tier[tier];
}

static uint8_t known(const sim_node *n, uint32_t number)
{
    return n->forgotten[number] ? RK_DECIDED_NOT : n->decided[number];
}

/* As engine/decision.c does. */
static void save_outcome(sim_world *w, sim_node *n, uint32_t number, rk_decided outcome)
{
    n->decided[number] = (uint8_t)outcome;
    n->decided_in[number] = n->leader.epoch;
    for (uint32_t i = 0; outcome == RK_DECIDED_COMMITTED && i <= w->decisions; i++) {
        if (known(n, i) == RK_DECIDED_NOT || n->decided_in[i] >= n->leader.epoch)
            continue;
        n->forgotten[i] = true;
        w->forgotten++;
    }
}

static rk_status commit(sim_world *w, size_t node, uint32_t number)
{
    sim_node *n = &w->node[node];
    sim_claim(w, !n->forgotten[number], "what is forgotten is not committed again");
    if (n->decided[number] == RK_DECIDED_ABORTED)
        return RK_CONFLICT;
    if (n->decided[number] == RK_DECIDED_COMMITTED)
        return RK_OK;
    if (!n->promised || number_of(&n->prepared.id) != number)
        return RK_NOT_FOUND;
    check_commit(w, node, number);
    move_tiers(w, n, &n->prepared);
    n->promised = false;
    save_outcome(w, n, number, RK_DECIDED_COMMITTED);
    return RK_OK;
}

static rk_status abort_it(sim_world *w, size_t node, uint32_t number)
{
    sim_node *n = &w->node[node];
    sim_claim(w, !n->forgotten[number], "what is forgotten is not aborted");
    if (n->decided[number] == RK_DECIDED_COMMITTED)
        return RK_CONFLICT;
    for (size_t i = 0; i < w->node_count; i++)
        sim_claim(w, w->node[i].decided[number] != RK_DECIDED_COMMITTED,
                  "no node aborts what another committed");
    if (n->promised && number_of(&n->prepared.id) == number)
        n->promised = false;
    save_outcome(w, n, number, RK_DECIDED_ABORTED);
    return RK_OK;
}

static rk_decided decided(const sim_node *n, uint32_t number)
{
    if (known(n, number) != RK_DECIDED_NOT)
        return (rk_decided)known(n, number);
    return n->promised && number_of(&n->prepared.id) == number ? RK_DECIDED_PROMISED
                                                               : RK_DECIDED_NOT;
}

void sim_node_inquire(sim_world *w, size_t node)
{
    sim_node *n = &w->node[node];
    if (!n->promised)
        return;
    uint32_t number = number_of(&n->prepared.id);
    uint8_t word = known(&w->node[0], number);
    sim_claim(w, !w->node[0].forgotten[number], "who waits for a decision is told");
    if (word == RK_DECIDED_COMMITTED)
        sim_claim(w, commit(w, node, number) == RK_OK, "a node keeps its promise");
    else if (word == RK_DECIDED_ABORTED)
        sim_claim(w, abort_it(w, node, number) == RK_OK, "a node takes it back");
}

/* --- runs --------------------------------------------------------------------------------------
 */

static void stop(sim_node *n, rk_run_state state)
{
    n->run_over = true;
    n->run_state = state;
    n->run_failed = false;
}

static void give_up(sim_node *n)
{
    n->run_over = n->run_failed = true;
}

static bool concerns(const sim_world *w, const sim_node *n, int tier)
{
    return (tier != RK_TIER_CANARY || w->has_canary) &&
           (!n->run.one_tier || (int)n->run.tier == tier);
}

static void promise(sim_world *w, sim_node *n)
{
    uint32_t number = number_of(&n->run_promise.id);
    sim_claim(w, !n->forgotten[number], "what is forgotten is not promised again");
    if (n->decided[number] != RK_DECIDED_NOT ||
        (n->promised && number_of(&n->prepared.id) != number)) {
        give_up(n);
        return;
    }
    rk_prepared prepared = {.id = n->run_promise.id, .move = move_of(n->run.goal)};
    memcpy(prepared.decider, n->run_promise.decider, sizeof prepared.decider);
    for (int tier = 0; tier < RK_TIER_COUNT; tier++) {
        rk_phase to;
        if (!concerns(w, n, tier))
            continue;
        prepared.tier[tier] =
            !n->undoing[tier] && rk_phase_allows(w->strategy, n->phase[tier], prepared.move, &to);
        bool too_late = prepared.move == RK_MOVE_ROLLBACK && n->phase[tier] >= RK_PHASE_CONTRACTED;
        bool too_early = prepared.move != RK_MOVE_ROLLBACK &&
                         (n->phase[tier] == RK_PHASE_OLD ||
                          (prepared.move == RK_MOVE_CONTRACT && n->phase[tier] < RK_PHASE_FLIPPED));
        if (too_late || too_early) {
            give_up(n);
            return;
        }
        if (prepared.move == RK_MOVE_FLIP && prepared.tier[tier] && !n->verified[tier]) {
            stop(n, RK_RUN_GATE);
            return;
        }
    }
    n->prepared = prepared;
    n->promised = true;
    stop(n, RK_RUN_FINISHED);
}

/* A run that changes no phase but those that a node changes alone. */
static void advance(sim_world *w, sim_node *n)
{
    for (int tier = 0; tier < RK_TIER_COUNT; tier++) {
        if (!concerns(w, n, tier))
            continue;
        if (n->run.goal == RK_GOAL_ROLLBACK) {
            sim_claim(w, n->undoing[tier] || n->phase[tier] == RK_PHASE_OLD,
                      "a rollback is decided before it is run");
            n->phase[tier] = RK_PHASE_OLD;
            n->undoing[tier] = false;
        } else if (n->run.goal == RK_GOAL_CONTRACT) {
            sim_claim(w, n->phase[tier] >= RK_PHASE_CONTRACTED,
                      "a contract is decided before it is run");
            n->phase[tier] = RK_PHASE_DONE;
        } else {
            sim_claim(w, n->run.goal <= RK_GOAL_VERIFIED, "no node flips by itself");
            if (n->undoing[tier]) {
                give_up(n);
                return;
            }
            if (n->phase[tier] == RK_PHASE_OLD)
                n->phase[tier] = RK_PHASE_DUAL_WRITE;
            n->verified[tier] = n->run.goal == RK_GOAL_VERIFIED;
        }
    }
    stop(n, RK_RUN_FINISHED);
}

/* At the next checkpoint: until then the run may still do what it was about to do. */
static void cancel(sim_world *w, sim_node *n)
{
    int64_t checkpoint_ms = w->now_ms + sim_below(w, 300);
    if (!n->has_run || n->run_over || n->run_ends_ms <= checkpoint_ms)
        return;
    n->run_cancelled = true;
    n->run_ends_ms = checkpoint_ms;
}

void sim_node_work(sim_world *w, size_t node)
{
    sim_node *n = &w->node[node];
    if (w->now_ms - n->run_asked_ms > RUN_LEASE_MS)
        cancel(w, n);
    if (!n->has_run || n->run_over || w->now_ms < n->run_ends_ms)
        return;
    if (n->run_cancelled)
        give_up(n);
    else if (sim_chance(w, w->faults.not_clean))
        stop(n, sim_below(w, 2) ? RK_RUN_NOT_CLEAN : RK_RUN_SIGNAL);
    else if (n->run.promise)
        promise(w, n);
    else if (n->promised)
        give_up(n);
    else
        advance(w, n);
}

static rk_status start(sim_world *w, sim_node *n, const rk_ask *ask)
{
    if (n->has_run && n->run_epoch == ask->epoch && n->run_work == ask->work)
        return RK_OK; /* even if it has stopped since */
    if (!n->active)
        return RK_NOT_FOUND;
    n->has_run = true;
    n->run_over = n->run_cancelled = false;
    n->run_epoch = ask->epoch;
    n->run_work = ask->work;
    n->run = ask->run;
    n->run_promise = ask->promise;
    n->run_ends_ms = w->now_ms + (n->run_ms ? n->run_ms : 50 + (int64_t)sim_below(w, 2000));
    n->run_state = RK_RUN_GOING;
    n->run_asked_ms = w->now_ms;
    return RK_OK;
}

static void poll(const sim_world *w, sim_node *n, const rk_ask *ask, rk_answer *answer)
{
    answer->gone = !n->has_run || n->run_epoch != ask->epoch || n->run_work != ask->work ||
                   (n->run_over && n->run_cancelled);
    if (answer->gone)
        return;
    n->run_asked_ms = w->now_ms;
    answer->run_state = n->run_over ? n->run_state : RK_RUN_GOING;
    answer->failed = n->run_over && n->run_failed;
    answer->progress.task = "work";
    answer->progress.tier = "";
    if (answer->failed)
        answer->status = rk_error_set(&answer->error, RK_UNCERTAIN, "the run failed");
}

/* --- leadership --------------------------------------------------------------------------------
 */

static rk_status claim(sim_world *w, sim_node *n, const rk_leader *leader)
{
    bool same = memcmp(n->leader.token, leader->token, sizeof leader->token) == 0;
    if (!same && rk_leader_live(&n->leader, w->now_ms))
        return RK_BUSY;
    if (leader->epoch < n->leader.epoch || (leader->epoch == n->leader.epoch && !same))
        return RK_CONFLICT;
    n->leader = *leader;
    n->leader.renewed_ms = w->now_ms;
    return RK_OK;
}

static bool leads(const sim_node *n, const rk_leader *leader)
{
    return n->leader.epoch == leader->epoch &&
           memcmp(n->leader.token, leader->token, sizeof leader->token) == 0;
}

static rk_status change(sim_world *w, size_t node, const rk_ask *ask)
{
    sim_node *n = &w->node[node];
    switch (ask->kind) {
    case RK_ASK_COMMIT:
        return commit(w, node, number_of(&ask->decision));
    case RK_ASK_ABORT:
        return abort_it(w, node, number_of(&ask->decision));
    case RK_ASK_ACTIVATE:
        n->active = true;
        return RK_OK;
    case RK_ASK_START:
        return start(w, n, ask);
    case RK_ASK_CANCEL:
        if (n->run_epoch == ask->epoch && n->run_work == ask->work)
            cancel(w, n);
        return RK_OK;
    default:
        return RK_INVALID;
    }
}

void sim_node_answer(sim_world *w, size_t node, const rk_ask *ask, const rk_leader *leader,
                     rk_answer *answer)
{
    sim_node *n = &w->node[node];
    *answer = (rk_answer){.status = RK_OK};
    sim_node_work(w, node);
    if (ask->kind == RK_ASK_LOOK) {
        answer->led = rk_leader_live(&n->leader, w->now_ms);
        answer->leader_epoch = n->leader.epoch;
        answer->promised = n->promised;
        answer->prepared = n->prepared;
        answer->has_canary = n->active && w->has_canary;
    } else if (ask->kind == RK_ASK_DECISION) {
        answer->decided = decided(n, number_of(&ask->decision));
    } else if (ask->kind == RK_ASK_CLAIM) {
        answer->status = claim(w, n, leader);
    } else if (ask->kind == RK_ASK_RELEASE) {
        if (leads(n, leader))
            memset(n->leader.token, 0, sizeof n->leader.token);
    } else if (!leads(n, leader)) {
        answer->status = RK_CONFLICT;
    } else {
        n->leader.renewed_ms = w->now_ms;
        if (ask->kind == RK_ASK_POLL)
            poll(w, n, ask, answer);
        else
            answer->status = change(w, node, ask);
    }
    if (answer->status != RK_OK && !answer->failed)
        rk_error_set(&answer->error, answer->status, "ask %d is refused", (int)ask->kind);
}
