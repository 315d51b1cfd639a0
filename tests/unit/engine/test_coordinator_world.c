/* Network, crashes and time. */
#include "tests/unit/engine/test_coordinator_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define END_MS_MAX (20 * 60000) /* within which a coordinator must have ended */

void sim_init(sim_world *w, uint64_t seed, size_t node_count, rk_strategy strategy, bool has_canary)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->now_ms = 1000000;
    w->node_count = node_count;
    w->strategy = strategy;
    w->has_canary = has_canary;
    rk_prng_init(&w->prng, seed);
}

void sim_fini(sim_world *w)
{
    for (int i = 0; i < SIM_CHIEFS; i++)
        rk_coordinator_destroy(w->chief[i].coordinator);
}

void sim_claim(const sim_world *w, bool holds, const char *text)
{
    if (!holds)
        fail_msg("seed %llu, %lld ms, ask %llu: %s", (unsigned long long)w->seed,
                 (long long)w->now_ms, (unsigned long long)w->arrivals, text);
}

uint32_t sim_below(sim_world *w, uint32_t bound)
{
    return (uint32_t)rk_prng_below(&w->prng, bound);
}

bool sim_chance(sim_world *w, uint32_t of_thousand)
{
    return of_thousand > 0 && sim_below(w, 1000) < of_thousand;
}

/* --- nodes that go and come back ---------------------------------------------------------------
 */

void sim_crash(sim_world *w, size_t node, int64_t down_ms)
{
    sim_node *n = &w->node[node];
    n->has_run = false;
    n->down_until_ms = w->now_ms + down_ms;
}

static int64_t absence_ms(sim_world *w)
{
    static const uint32_t up_to_ms[] = {300, 3000, 20000, 60000};
    return w->faults.for_ever ? INT32_MAX : 1 + (int64_t)sim_below(w, up_to_ms[sim_below(w, 4)]);
}

static bool reachable(const sim_world *w, size_t node)
{
    return w->node[node].down_until_ms <= w->now_ms && w->node[node].away_until_ms <= w->now_ms;
}

/* --- the network -------------------------------------------------------------------------------
 */

static void depart(sim_world *w, int chief, const rk_ask *ask)
{
    sim_chief *c = &w->chief[chief];
    sim_flight *f = w->flight;
    while (f->used)
        sim_claim(w, ++f < w->flight + SIM_FLIGHTS_MAX, "there is room for an ask");
    sim_claim(w, ask->node < w->node_count && !c->out[ask->node],
              "no ask is given out again before its answer");
    c->out[ask->node] = true;
    c->asks++;
    *f = (sim_flight){.used = true,
                      .chief = chief,
                      .generation = c->generation,
                      .leader = c->leader,
                      .ask = *ask,
                      .arrives_ms = w->now_ms + sim_below(w, 250)};
    f->leader.epoch = ask->epoch;
    f->answers_ms = f->arrives_ms + sim_below(w, 250);
    f->answer = (rk_answer){.status = sim_below(w, 2) ? RK_UNCERTAIN : RK_TIMEOUT};
    int64_t timeout_ms = w->now_ms + 200 + sim_below(w, 3000);
    if (sim_chance(w, w->faults.lose_ask)) {
        f->arrives_ms = INT64_MAX;
        f->answers_ms = timeout_ms;
    } else if (sim_chance(w, w->faults.late_ask)) {
        f->arrives_ms = timeout_ms + 2 * SIM_TICK_MS + sim_below(w, 30000);
        f->answer_lost = true;
        f->answers_ms = timeout_ms;
    } else if (sim_chance(w, w->faults.lose_answer)) {
        f->answer_lost = true;
        f->answers_ms = timeout_ms;
    }
}

static void arrive(sim_world *w, sim_flight *f)
{
    size_t node = f->ask.node;
    rk_answer unknown = f->answer;
    f->arrived = true;
    if (!reachable(w, node)) {
        f->answers_ms += f->answers_ms == INT64_MAX ? 0 : 200;
        return;
    }
    w->arrivals++;
    if (sim_chance(w, w->faults.away))
        w->node[node].away_until_ms = w->now_ms + absence_ms(w);
    bool before = w->arrivals == w->crash_at && w->crash_is_before;
    bool after = w->arrivals == w->crash_at && !w->crash_is_before;
    if (before || sim_chance(w, w->faults.crash_before)) {
        sim_crash(w, node, absence_ms(w));
        return;
    }
    if (f->ask.run.promise) /* every copy of an ask has its own */
        f->ask.run.promise = &f->ask.promise;
    sim_node_answer(w, node, &f->ask, &f->leader, &f->answer);
    if (after || sim_chance(w, w->faults.crash_after)) {
        sim_crash(w, node, absence_ms(w));
        f->answer_lost = true;
    }
    if (f->answer_lost)
        f->answer = unknown;
}

static void deliver(sim_world *w, sim_flight *f)
{
    sim_chief *c = &w->chief[f->chief];
    f->answers_ms = INT64_MAX;
    if (!c->coordinator || c->generation != f->generation)
        return;
    c->out[f->ask.node] = false;
    rk_coordinator_take(c->coordinator, w->now_ms, &f->ask, &f->answer);
}

/* --- coordinators ------------------------------------------------------------------------------
 */

void sim_chief_start(sim_world *w, int chief, const rk_coordinator_options *options)
{
    rk_error err = {0};
    sim_chief *c = &w->chief[chief];
    rk_coordinator_options mine = *options;
    mine.node_count = w->node_count;
    mine.decider = "first";
    sim_claim(w, w->decisions + 8 < SIM_DECISIONS_MAX, "there are numbers for decisions");
    for (int i = 0; i < RK_COORDINATOR_DECISIONS; i++) {
        uint32_t number = ++w->decisions;
        memcpy(mine.decision[i].bytes, &number, sizeof number);
    }
    sim_claim(w, !c->coordinator, "one coordinator at a place");
    c->generation++;
    c->leader = (rk_leader){.token = {(uint8_t)(chief + 1)}, .holder = "chief"};
    memcpy(c->leader.token + 1, &c->generation, sizeof c->generation);
    memset(c->out, 0, sizeof c->out);
    c->asks = 0;
    c->began_ms = w->now_ms;
    c->ended = RK_COORDINATOR_GOING;
    sim_claim(w, rk_coordinator_create(&mine, w->now_ms, &c->coordinator, &err) == RK_OK,
              err.message);
}

void sim_chief_kill(sim_world *w, int chief)
{
    rk_coordinator_destroy(w->chief[chief].coordinator);
    w->chief[chief].coordinator = NULL;
}

static void ask_all(sim_world *w, int chief)
{
    sim_chief *c = &w->chief[chief];
    rk_ask ask;
    while (rk_coordinator_next(c->coordinator, w->now_ms, &ask)) {
        depart(w, chief, &ask);
        if (sim_chance(w, w->faults.interrupt))
            rk_coordinator_interrupt(c->coordinator);
        if (sim_chance(w, w->faults.kill_chief)) {
            sim_chief_kill(w, chief);
            return;
        }
    }
    rk_run_progress progress;
    size_t silent = 0;
    rk_coordinator_progress(c->coordinator, w->now_ms, &progress, &silent);
    sim_claim(w, silent <= w->node_count && progress.task, "progress can be told");
    c->ended = rk_coordinator_state_of(c->coordinator);
    if (c->ended != RK_COORDINATOR_GOING) {
        c->end = *rk_coordinator_end_of(c->coordinator);
        sim_chief_kill(w, chief);
    }
    sim_claim(w, !c->coordinator || w->now_ms - c->began_ms < END_MS_MAX, "a coordinator ends");
}

void sim_step(sim_world *w)
{
    for (int i = 0; i < SIM_CHIEFS; i++)
        if (w->chief[i].coordinator)
            ask_all(w, i);
    w->now_ms += SIM_TICK_MS;
    for (size_t i = 0; i < w->node_count; i++) {
        sim_node *n = &w->node[i];
        sim_node_work(w, i);
        bool is_back = n->down_until_ms != 0 && n->down_until_ms <= w->now_ms;
        if (is_back)
            n->down_until_ms = 0;
        if (is_back && reachable(w, 0) && sim_below(w, 2))
            sim_node_inquire(w, i);
    }
    for (sim_flight *f = w->flight; f < w->flight + SIM_FLIGHTS_MAX; f++) {
        if (f->used && !f->arrived && f->arrives_ms <= w->now_ms)
            arrive(w, f);
        if (f->used && f->answers_ms <= w->now_ms)
            deliver(w, f);
        bool lost = f->arrives_ms == INT64_MAX;
        f->used = f->used && (f->answers_ms != INT64_MAX || !(f->arrived || lost));
    }
}

static bool busy(const sim_world *w)
{
    for (int i = 0; i < SIM_CHIEFS; i++)
        if (w->chief[i].coordinator)
            return true;
    return false;
}

void sim_finish(sim_world *w)
{
    while (busy(w))
        sim_step(w);
}

void sim_heal(sim_world *w)
{
    w->faults = (sim_faults){0};
    w->crash_at = 0;
    for (size_t i = 0; i < w->node_count; i++)
        w->node[i].down_until_ms = w->node[i].away_until_ms = 0;
    int64_t until_ms = w->now_ms + 60000;
    while (w->now_ms < until_ms)
        sim_step(w);
}
