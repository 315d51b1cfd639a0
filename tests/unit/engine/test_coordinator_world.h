/* test_coordinator_world.h: simulated nodes, a simulated network and simulated time for the
 * coordinator; everything that happens follows from a seed.
 *
 * A node is a small honest model of decision.h: leader record, promise, outcomes and phases survive
 * a crash, the run under way does not. The network loses asks and answers, and brings some asks
 * when their answer is no longer waited for. What must always hold is checked after every ask; what
 * fails fails the test and names the seed.
 */
#ifndef REKEY_TESTS_ENGINE_COORDINATOR_WORLD_H
#define REKEY_TESTS_ENGINE_COORDINATOR_WORLD_H

#include "rekey/base/prng.h"
#include "rekey/engine/coordinator.h"

#define SIM_NODES_MAX     5
#define SIM_CHIEFS        2 /* coordinators at once */
#define SIM_DECISIONS_MAX 512
#define SIM_FLIGHTS_MAX   256
#define SIM_TICK_MS       100

typedef struct sim_node {
    /* survives a crash */
    rk_leader leader;
    bool active; /* a plan is */
    bool promised;
    rk_prepared prepared;
    uint8_t decided[SIM_DECISIONS_MAX];     /* rk_decided, by number */
    uint64_t decided_in[SIM_DECISIONS_MAX]; /* the leader's epoch */
    bool forgotten[SIM_DECISIONS_MAX];      /* what it does not know any more, and we do */
    rk_phase phase[RK_TIER_COUNT];
    bool undoing[RK_TIER_COUNT];
    bool verified[RK_TIER_COUNT];
    /* does not */
    bool has_run;
    bool run_cancelled;
    bool run_over;
    uint64_t run_epoch;
    uint64_t run_work;
    int64_t run_asked_ms;
    rk_run_options run;
    rk_promise run_promise;
    int64_t run_ends_ms;
    rk_run_state run_state;
    bool run_failed;
    /* its surroundings */
    int64_t down_until_ms; /* without memory of its run */
    int64_t away_until_ms; /* out of reach */
    int64_t run_ms;        /* how long each run takes; 0: as the seed says */
} sim_node;

typedef struct sim_flight {
    bool used;
    int chief;
    uint64_t generation; /* of the coordinator that waits for the answer */
    rk_leader leader;
    rk_ask ask;
    int64_t arrives_ms; /* INT64_MAX: never */
    int64_t answers_ms;
    bool arrived;
    bool answer_lost;
    rk_answer answer;
} sim_flight;

typedef struct sim_chief {
    rk_coordinator *coordinator; /* NULL: none is at work */
    uint64_t generation;
    rk_leader leader; /* token and name; the epoch comes with each ask */
    bool out[SIM_NODES_MAX];
    uint64_t asks;
    int64_t began_ms;
    rk_coordinator_state ended; /* of the last one that ended */
    rk_coordinator_end end;
} sim_chief;

/* Chances, of a thousand. */
typedef struct sim_faults {
    uint32_t lose_ask;
    uint32_t lose_answer;
    uint32_t late_ask;
    uint32_t crash_before; /* the node, at an ask */
    uint32_t crash_after;
    uint32_t away;
    uint32_t kill_chief; /* at an ask */
    uint32_t interrupt;
    uint32_t not_clean; /* a run ends so */
    bool for_ever;      /* who goes does not come back */
} sim_faults;

typedef struct sim_world {
    uint64_t seed;
    rk_prng prng;
    int64_t now_ms;
    size_t node_count;
    bool has_canary;
    rk_strategy strategy;
    sim_faults faults;
    sim_node node[SIM_NODES_MAX];
    sim_chief chief[SIM_CHIEFS];
    sim_flight flight[SIM_FLIGHTS_MAX];
    uint32_t decisions; /* numbers given out; 0 is none */
    uint64_t arrivals;
    uint64_t crash_at; /* the arrival at which a node crashes; 0: none */
    bool crash_is_before;
    uint32_t commits; /* first commits of a decision */
    uint32_t forgotten;
    rk_move moved[SIM_DECISIONS_MAX];
    bool moved_tier[SIM_DECISIONS_MAX][RK_TIER_COUNT];
} sim_world;

void sim_init(sim_world *w, uint64_t seed, size_t node_count, rk_strategy strategy,
              bool has_canary);

/* Ends coordinators that are still at work. */
void sim_fini(sim_world *w);

/* What must hold; fails with the seed, the time and this text. */
void sim_claim(const sim_world *w, bool holds, const char *text);

uint32_t sim_below(sim_world *w, uint32_t bound);
bool sim_chance(sim_world *w, uint32_t of_thousand);

/* --- coordinators ------------------------------------------------------------------------------
 */

/* Starts one; ids of its decisions are new. */
void sim_chief_start(sim_world *w, int chief, const rk_coordinator_options *options);

/* As a process that is killed: what it asked is still on its way. */
void sim_chief_kill(sim_world *w, int chief);

/* A tick: asks go out, arrive, are answered. */
void sim_step(sim_world *w);

/* Ticks until no coordinator is at work; fails when that takes longer than it may. */
void sim_finish(sim_world *w);

/* Everybody is back, nothing is lost any more, and what was on its way has arrived. */
void sim_heal(sim_world *w);

/* --- nodes -------------------------------------------------------------------------------------
 */

void sim_crash(sim_world *w, size_t node, int64_t down_ms);

/* One ask at one node (test_coordinator_node.c). */
void sim_node_answer(sim_world *w, size_t node, const rk_ask *ask, const rk_leader *leader,
                     rk_answer *answer);

/* The run under way, as far as it has come. */
void sim_node_work(sim_world *w, size_t node);

/* What a node that is back does on its own: it asks the decider for what it promised. */
void sim_node_inquire(sim_world *w, size_t node);

#endif
