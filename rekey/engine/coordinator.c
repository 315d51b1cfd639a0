#include "rekey/engine/coordinator.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STAGES_MAX   32
#define SILENT_MS    2000
#define POLL_MS_MAX  200
#define POLL_SHARE   32
#define RETRY_MS     250
#define BEAT_MS      4000 /* a node that has nothing to do is told so often that it is still led */
#define FAREWELL_MS  3000 /* the patience of the last asks, which may be lost */
#define RESTARTS_MAX 16   /* of one node in one run */

static_assert(2 * BEAT_MS < RK_LEADER_LEASE_MS, "a lost beat does not cost the lead");

typedef enum stage_kind {
    STAGE_LOOK,    /* who led last */
    STAGE_CLAIM,   /* the decider first: of two coordinators, one gets no further */
    STAGE_REVIEW,  /* what is promised; from here on no earlier coordinator changes it */
    STAGE_INQUIRE, /* ask the decider of a promise that an earlier coordinator left */
    STAGE_SETTLE,  /* tell those who promised it */
    STAGE_ACTIVATE,
    STAGE_START,
    STAGE_POLL,
    STAGE_DECIDE,  /* the decider commits: from here on it is decided */
    STAGE_SPREAD,  /* the others commit */
    STAGE_RETRACT, /* the decider aborts, then the others */
    STAGE_UNPROMISE,
    STAGE_CANCEL,
    STAGE_RELEASE
} stage_kind;

typedef struct stage {
    stage_kind kind;
    rk_goal goal; /* START, POLL */
    bool one_tier;
    rk_tier tier;
    int decision; /* START of a promise, DECIDE, SPREAD: position in the options; -1 for none */
} stage;

typedef struct node_state {
    uint64_t asked_in; /* the visit whose ask is out; 0: none is */
    rk_ask_kind asked; /* the last ask */
    int64_t asked_ms;
    bool done;         /* with this stage */
    bool untold;       /* of the decision `untold_of` */
    bool lost;         /* POLL: the node was started anew and its run is to be started again */
    bool absent;       /* did not answer in time: what was left open is settled without it */
    bool mute;         /* did not answer while the coordinator was ending */
    uint32_t restarts; /* in this stage */
    uint64_t work;     /* the last that it was told to start */
    int64_t due_ms;    /* the next ask, not before */
    int64_t heard_ms;
    bool promised;
    bool has_canary;
    rk_prepared prepared;
    bool silent; /* its last answer did not come */
    rk_run_progress progress;
    uint64_t changes; /* of runs that it has finished */
} node_state;

struct rk_coordinator {
    rk_coordinator_options options;
    stage stages[STAGES_MAX];
    size_t stage_count;
    size_t current;
    int64_t began_ms; /* the current stage */
    uint64_t visit;   /* counts the stages entered: an answer to an earlier one means nothing */
    uint64_t epoch;
    uint64_t work;
    size_t rounds; /* of settling */
    bool activated;
    bool claimed;   /* some node may have been */
    bool working;   /* a run may be under way on the nodes */
    bool promising; /* a promise may have been given that is not decided */
    bool deciding;  /* the decider has been asked to commit it */
    bool retracted; /* the decider has aborted it */
    int decision;   /* the one that is promised */
    rk_decision_id untold_of;
    rk_decision_id unsettled;
    bool settle_commits;
    bool interrupted;
    rk_coordinator_state state; /* how it will end, once what must come before the end is done */
    bool ended;
    rk_coordinator_end end; /* before the end: the first absent node, if there is one */
    size_t turn; /* the node to look at first: one that takes long keeps no other from its turn */
    node_state node[RK_COORDINATOR_NODES_MAX];
};

/* --- stages ----------------------------------------------------------------------------------- */

static void add(rk_coordinator *c, stage what)
{
    assert(c->stage_count < STAGES_MAX);
    c->stages[c->stage_count++] = what;
}

static void add_kind(rk_coordinator *c, stage_kind kind)
{
    add(c, (stage){.kind = kind, .decision = -1});
}

static void add_run(rk_coordinator *c, rk_goal goal, bool one_tier, rk_tier tier, int decision)
{
    add(c, (stage){STAGE_START, goal, one_tier, tier, decision});
    add(c, (stage){STAGE_POLL, goal, one_tier, tier, decision});
}

/* Promise, decide, spread. */
static void add_decision(rk_coordinator *c, rk_goal goal, bool one_tier, rk_tier tier)
{
    int decision = c->decision++;
    assert(decision < RK_COORDINATOR_DECISIONS);
    add_run(c, goal, one_tier, tier, decision);
    add(c, (stage){STAGE_DECIDE, goal, one_tier, tier, decision});
    add(c, (stage){STAGE_SPREAD, goal, one_tier, tier, decision});
}

/* As far forward as the goal says, canary tenants first. */
static void plan_forward(rk_coordinator *c, bool one_tier, rk_tier tier)
{
    rk_goal goal = c->options.goal;
    rk_goal first = goal >= RK_GOAL_VERIFIED ? RK_GOAL_VERIFIED : goal;
    add_run(c, first, one_tier, tier, -1);
    if (goal >= RK_GOAL_FLIPPED)
        add_decision(c, RK_GOAL_FLIP, one_tier, tier);
    if (goal == RK_GOAL_DONE) {
        add_decision(c, RK_GOAL_CONTRACT, one_tier, tier);
        add_run(c, RK_GOAL_CONTRACT, one_tier, tier, -1);
    }
}

static void plan_stages(rk_coordinator *c, bool has_canary)
{
    const rk_coordinator_options *o = &c->options;
    c->decision = 0;
    if (o->goal >= RK_GOAL_FLIP) {
        add_decision(c, o->goal, o->one_tier, o->tier);
        if (o->goal != RK_GOAL_FLIP) /* what remains to be done once it is decided */
            add_run(c, o->goal, o->one_tier, o->tier, -1);
    } else if (o->one_tier || !has_canary) {
        plan_forward(c, o->one_tier, o->tier);
    } else {
        plan_forward(c, true, RK_TIER_CANARY);
        plan_forward(c, true, RK_TIER_PRODUCTION);
        /* The canary's verdict is older than production's writes. */
        if (o->goal == RK_GOAL_VERIFIED)
            add_run(c, RK_GOAL_VERIFIED, false, RK_TIER_CANARY, -1);
    }
    add_kind(c, STAGE_RELEASE);
}

static bool same_decision(const rk_decision_id *a, const rk_decision_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Which nodes a stage concerns. */
static bool concerns(const rk_coordinator *c, const stage *s, size_t node)
{
    const node_state *state = &c->node[node];
    switch (s->kind) {
    case STAGE_SETTLE:
        return node == 0 || (state->promised && same_decision(&state->prepared.id, &c->unsettled));
    case STAGE_INQUIRE:
    case STAGE_DECIDE:
    case STAGE_RETRACT:
        return node == 0;
    case STAGE_SPREAD:
        return node != 0;
    case STAGE_UNPROMISE:
        /* A decider that was asked to commit and has not said that it aborted may have committed:
         * then the promises stay until somebody knows. */
        return node != 0 && (c->retracted || !c->deciding);
    default:
        return true;
    }
}

/* Whether the run goes on when a node cannot be told. */
static bool may_skip(stage_kind kind)
{
    return kind == STAGE_SPREAD || kind == STAGE_RETRACT || kind == STAGE_UNPROMISE ||
           kind == STAGE_CANCEL || kind == STAGE_RELEASE;
}

static void begin_stage(rk_coordinator *c, const stage *s, int64_t now_ms)
{
    c->visit++;
    c->began_ms = now_ms;
    c->claimed = c->claimed || s->kind == STAGE_CLAIM;
    if (s->kind == STAGE_START) {
        c->work++;
        c->working = true;
    }
    if (s->kind == STAGE_START && s->decision >= 0) {
        c->promising = true;
        c->deciding = c->retracted = false;
        c->decision = s->decision;
    }
    if (s->kind == STAGE_SPREAD)
        c->untold_of = c->options.decision[s->decision];
    for (size_t i = 0; i < c->options.node_count; i++) {
        node_state *state = &c->node[i];
        bool gone = state->absent && c->state == RK_COORDINATOR_GOING;
        state->done = gone || !concerns(c, s, i);
        state->due_ms = now_ms;
        state->heard_ms = now_ms;
        state->restarts = 0;
        state->work = s->kind == STAGE_START ? c->work : state->work;
        state->lost = false;
        state->untold = s->kind == STAGE_SPREAD ? i != 0 : state->untold;
    }
}

/* Stages that concern nobody are passed by. */
static void enter(rk_coordinator *c, size_t position, int64_t now_ms)
{
    for (; position < c->stage_count; position++) {
        c->current = position;
        begin_stage(c, &c->stages[position], now_ms);
        for (size_t i = 0; i < c->options.node_count; i++)
            if (!c->node[i].done)
                return;
    }
    c->ended = true;
    if (c->state == RK_COORDINATOR_GOING)
        c->state = RK_COORDINATOR_DONE;
}

/* --- ending ----------------------------------------------------------------------------------- */

/* Goes to the end by way of what must come before it: a run under way is cancelled, an undecided
 * promise taken back, the lead given back. */
static void wind_up(rk_coordinator *c, rk_coordinator_state state, int64_t now_ms)
{
    if (c->state != RK_COORDINATOR_GOING)
        return;
    c->state = state;
    c->stage_count = 0;
    if (c->working)
        add_kind(c, STAGE_CANCEL);
    if (c->promising) {
        add(c, (stage){.kind = STAGE_RETRACT, .decision = c->decision});
        add(c, (stage){.kind = STAGE_UNPROMISE, .decision = c->decision});
    }
    if (c->claimed)
        add_kind(c, STAGE_RELEASE);
    enter(c, 0, now_ms);
}

static void end_with(rk_coordinator *c, rk_coordinator_state state, size_t node, rk_status status,
                     const rk_error *error, int64_t now_ms)
{
    if (c->state != RK_COORDINATOR_GOING)
        return;
    c->end = (rk_coordinator_end){.node = node, .status = status, .error = *error};
    c->node[node].mute = state == RK_COORDINATOR_UNREACHABLE;
    wind_up(c, state, now_ms);
}

/* --- what earlier coordinators left ----------------------------------------------------------- */

/* One decision at a time: nodes may hold promises of several. */
static void settle(rk_coordinator *c, size_t node, int64_t now_ms)
{
    const rk_prepared *prepared = &c->node[node].prepared;
    rk_error why = {0};
    rk_coordinator_state end = RK_COORDINATOR_FAILED;
    if (strcmp(prepared->decider, c->options.decider) != 0)
        rk_error_set(&why, RK_CONFLICT, "a promise waits for the word of %s, but %s comes first",
                     prepared->decider, c->options.decider);
    else if (c->rounds++ > 2 * c->options.node_count) {
        rk_error_set(&why, RK_BUSY, "promises are still being made by somebody else");
        end = RK_COORDINATOR_BUSY;
    }
    if (why.message[0]) {
        end_with(c, end, node, RK_IO, &why, now_ms);
        return;
    }
    c->unsettled = prepared->id;
    add_kind(c, STAGE_INQUIRE);
    add_kind(c, STAGE_SETTLE);
    add_kind(c, STAGE_REVIEW);
    enter(c, 0, now_ms);
}

/* When every node has said what it has promised. */
static void review(rk_coordinator *c, int64_t now_ms)
{
    bool has_canary = false;
    c->stage_count = 0;
    for (size_t i = 0; i < c->options.node_count; i++) {
        has_canary = has_canary || c->node[i].has_canary;
        if (c->node[i].promised) {
            settle(c, i, now_ms);
            return;
        }
    }
    if (c->end.node < c->options.node_count) {
        rk_error why = c->end.error;
        end_with(c, RK_COORDINATOR_UNREACHABLE, c->end.node, RK_TIMEOUT, &why, now_ms);
        return;
    }
    if (c->options.activates && !c->activated) {
        c->activated = true;
        add_kind(c, STAGE_ACTIVATE);
        add_kind(c, STAGE_REVIEW); /* only now is it known whether there are canary tenants */
    } else {
        plan_stages(c, has_canary);
    }
    enter(c, 0, now_ms);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void take_look(rk_coordinator *c, size_t node, const rk_answer *answer, int64_t now_ms)
{
    node_state *state = &c->node[node];
    rk_error why = {0};
    bool first = c->stages[c->current].kind == STAGE_LOOK;
    if (first && answer->leader_epoch >= RK_LEADER_EPOCH_MAX) {
        rk_error_set(&why, RK_LIMIT, "the node is in epoch %" PRIu64 ", and there is none above",
                     answer->leader_epoch);
        end_with(c, RK_COORDINATOR_FAILED, node, RK_LIMIT, &why, now_ms);
        return;
    }
    if (first && answer->leader_epoch > c->epoch)
        c->epoch = answer->leader_epoch;
    state->promised = answer->promised;
    state->prepared = answer->prepared;
    state->has_canary = answer->has_canary;
    state->done = true;
}

/* The checkpoint in its store knows where the run goes on; the other nodes need not start again.
 * Under a new name, as the node may know the old one as a run that has stopped. */
static void take_gone(rk_coordinator *c, size_t node, int64_t now_ms)
{
    node_state *state = &c->node[node];
    rk_error why = {0};
    state->lost = true;
    state->work = ++c->work;
    state->due_ms = now_ms;
    if (++state->restarts <= RESTARTS_MAX)
        return;
    rk_error_set(&why, RK_IO, "the node lost its run %d times", RESTARTS_MAX);
    end_with(c, RK_COORDINATOR_FAILED, node, RK_IO, &why, now_ms);
}

int64_t rk_coordinator_poll_ms(int64_t taken_ms)
{
    int64_t apart_ms = taken_ms / POLL_SHARE;
    if (apart_ms < RK_COORDINATOR_POLL_MS_MIN)
        return RK_COORDINATOR_POLL_MS_MIN;
    return apart_ms < POLL_MS_MAX ? apart_ms : POLL_MS_MAX;
}

static int64_t next_poll_ms(const rk_coordinator *c, int64_t now_ms)
{
    return now_ms + rk_coordinator_poll_ms(now_ms - c->began_ms);
}

/* What a run came to on one node. */
static void take_poll(rk_coordinator *c, size_t node, const rk_answer *answer, int64_t now_ms)
{
    static const rk_coordinator_state states[] = {
        [RK_RUN_NOT_CLEAN] = RK_COORDINATOR_NOT_CLEAN,
        [RK_RUN_GATE] = RK_COORDINATOR_GATE,
        [RK_RUN_SIGNAL] = RK_COORDINATOR_SIGNAL,
    };
    node_state *state = &c->node[node];
    state->progress = answer->progress;
    if (answer->gone) {
        take_gone(c, node, now_ms);
    } else if (answer->failed) {
        end_with(c, RK_COORDINATOR_FAILED, node, answer->status, &answer->error, now_ms);
        c->end.of_run = c->state == RK_COORDINATOR_FAILED;
    } else if (answer->run_state == RK_RUN_FINISHED) {
        state->done = true;
        state->changes += state->progress.changes;
        state->progress.changes = 0;
    } else if (answer->run_state == RK_RUN_GOING) {
        state->due_ms = next_poll_ms(c, now_ms);
    } else {
        rk_error why = {0};
        rk_error_set(&why, RK_CONFLICT, "%.400s", answer->reason);
        end_with(c, states[answer->run_state], node, RK_CONFLICT, &why, now_ms);
    }
}

/* What was asked has been done. */
static void take_done(rk_coordinator *c, size_t node, const rk_answer *answer, int64_t now_ms)
{
    node_state *state = &c->node[node];
    stage_kind kind = c->stages[c->current].kind;
    if (kind == STAGE_START && state->untold) { /* the decision first, now the run */
        state->untold = false;
        state->due_ms = now_ms;
        return;
    }
    if (kind == STAGE_POLL) { /* started again */
        state->lost = false;
        state->due_ms = next_poll_ms(c, now_ms);
        return;
    }
    state->done = true;
    if (kind == STAGE_INQUIRE)
        c->settle_commits = answer->decided == RK_DECIDED_COMMITTED;
    if (kind == STAGE_SPREAD)
        state->untold = false;
    if (kind == STAGE_DECIDE)
        c->promising = false;
    if (kind == STAGE_RETRACT)
        c->retracted = true;
}

/* When every node that it concerns is done with a stage. */
static void advance(rk_coordinator *c, int64_t now_ms)
{
    for (size_t i = 0; i < c->options.node_count; i++)
        if (!c->node[i].done)
            return;
    stage_kind kind = c->stages[c->current].kind;
    if (kind == STAGE_LOOK) {
        c->epoch++;
        assert(c->epoch <= RK_LEADER_EPOCH_MAX); /* take_look */
        add_kind(c, STAGE_CLAIM);
        add_kind(c, STAGE_REVIEW);
    }
    if (kind == STAGE_POLL)
        c->working = false;
    if (kind == STAGE_REVIEW)
        review(c, now_ms);
    else
        enter(c, c->current + 1, now_ms);
}

static bool unknown(const rk_answer *answer)
{
    return !answer->failed && (answer->status == RK_TIMEOUT || answer->status == RK_UNCERTAIN);
}

static int64_t patience_ms(const rk_coordinator *c, const node_state *state)
{
    bool farewell = c->state != RK_COORDINATOR_GOING || c->stages[c->current].kind == STAGE_RELEASE;
    return !farewell ? c->options.patience_ms : state->mute ? 0 : FAREWELL_MS;
}

/* A decision needs all nodes, but what is left of earlier ones only the decider: those who can be
 * reached must not wait for the one who cannot. */
static bool may_miss(stage_kind kind, size_t node)
{
    return node != 0 && (kind == STAGE_LOOK || kind == STAGE_CLAIM || kind == STAGE_REVIEW ||
                         kind == STAGE_SETTLE);
}

/* No answer: again, or without this node, or not at all. */
static void take_silence(rk_coordinator *c, size_t node, const rk_answer *answer, int64_t now_ms)
{
    node_state *state = &c->node[node];
    stage_kind kind = c->stages[c->current].kind;
    state->due_ms = now_ms + RETRY_MS;
    if (now_ms - state->heard_ms < patience_ms(c, state))
        return;
    if (may_skip(kind)) {
        state->mute = true;
        state->done = true;
        return;
    }
    if (may_miss(kind, node)) {
        if (c->end.node == c->options.node_count)
            c->end = (rk_coordinator_end){
                .node = node, .status = answer->status, .error = answer->error};
        state->absent = state->mute = state->done = true;
        state->promised = false;
        return;
    }
    end_with(c, RK_COORDINATOR_UNREACHABLE, node, answer->status, &answer->error, now_ms);
}

static void take_refusal(rk_coordinator *c, size_t node, const rk_answer *answer, int64_t now_ms)
{
    stage_kind kind = c->stages[c->current].kind;
    if (may_skip(kind)) {
        c->node[node].done = true;
        return;
    }
    rk_coordinator_state state =
        answer->status == RK_BUSY ? RK_COORDINATOR_BUSY : RK_COORDINATOR_FAILED;
    if (kind == STAGE_CLAIM && answer->status == RK_CONFLICT)
        state = RK_COORDINATOR_BUSY;
    if (kind == STAGE_ACTIVATE && answer->status == RK_CONFLICT)
        state = RK_COORDINATOR_STALE;
    end_with(c, state, node, answer->status, &answer->error, now_ms);
}

/* Of a claim that only renews. A decision under way goes its way: the decider judges epochs. */
static void take_beat(rk_coordinator *c, size_t node, const rk_answer *answer, int64_t now_ms)
{
    stage_kind kind = c->stages[c->current].kind;
    if (answer->status != RK_OK && !unknown(answer) && kind != STAGE_DECIDE && kind != STAGE_SPREAD)
        end_with(c, RK_COORDINATOR_BUSY, node, answer->status, &answer->error, now_ms);
}

static void take_answer(rk_coordinator *c, size_t node, const rk_answer *answer, int64_t now_ms)
{
    rk_ask_kind asked = c->node[node].asked;
    if (answer->status != RK_OK && !answer->failed)
        take_refusal(c, node, answer, now_ms);
    else if (asked == RK_ASK_LOOK)
        take_look(c, node, answer, now_ms);
    else if (asked == RK_ASK_POLL)
        take_poll(c, node, answer, now_ms);
    else
        take_done(c, node, answer, now_ms);
}

void rk_coordinator_take(rk_coordinator *c, int64_t now_ms, const rk_ask *ask,
                         const rk_answer *answer)
{
    assert(ask->node < c->options.node_count);
    node_state *state = &c->node[ask->node];
    uint64_t visit = c->visit;
    bool current = state->asked_in == visit;
    state->asked_in = 0;
    if (c->ended || !current) /* the stage that asked is over: this one asks for itself */
        return;
    state->silent = unknown(answer);
    if (!state->silent)
        state->heard_ms = now_ms;
    if (state->done)
        take_beat(c, ask->node, answer, now_ms);
    else if (unknown(answer))
        take_silence(c, ask->node, answer, now_ms);
    else
        take_answer(c, ask->node, answer, now_ms);
    if (!c->ended && c->visit == visit)
        advance(c, now_ms);
}

/* --- asks ------------------------------------------------------------------------------------- */

static void fill_start(const rk_coordinator *c, const stage *s, rk_ask *ask)
{
    ask->kind = RK_ASK_START;
    ask->run = (rk_run_options){.goal = s->goal,
                                .one_tier = s->one_tier,
                                .tier = s->tier,
                                .workers = c->options.workers,
                                .accept_loss = c->options.accept_loss};
    if (s->decision < 0)
        return;
    ask->promise.id = c->options.decision[s->decision];
    ask->decision = ask->promise.id;
    snprintf(ask->promise.decider, sizeof ask->promise.decider, "%s", c->options.decider);
    ask->run.promise = &ask->promise; /* in the caller's own copy */
}

static void fill(const rk_coordinator *c, const stage *s, size_t node, rk_ask *ask)
{
    static const rk_ask_kind kinds[] = {
        [STAGE_LOOK] = RK_ASK_LOOK,     [STAGE_CLAIM] = RK_ASK_CLAIM,
        [STAGE_REVIEW] = RK_ASK_LOOK,   [STAGE_INQUIRE] = RK_ASK_DECISION,
        [STAGE_SETTLE] = RK_ASK_ABORT,  [STAGE_ACTIVATE] = RK_ASK_ACTIVATE,
        [STAGE_START] = RK_ASK_START,   [STAGE_POLL] = RK_ASK_POLL,
        [STAGE_DECIDE] = RK_ASK_COMMIT, [STAGE_SPREAD] = RK_ASK_COMMIT,
        [STAGE_RETRACT] = RK_ASK_ABORT, [STAGE_UNPROMISE] = RK_ASK_ABORT,
        [STAGE_CANCEL] = RK_ASK_CANCEL, [STAGE_RELEASE] = RK_ASK_RELEASE,
    };
    const node_state *state = &c->node[node];
    *ask = (rk_ask){.kind = kinds[s->kind], .node = node, .epoch = c->epoch, .work = state->work};
    if (s->decision >= 0)
        ask->decision = c->options.decision[s->decision];
    if (s->kind == STAGE_INQUIRE || s->kind == STAGE_SETTLE)
        ask->decision = c->unsettled;
    if (s->kind == STAGE_SETTLE && c->settle_commits)
        ask->kind = RK_ASK_COMMIT;
    if (state->done) { /* nothing to do but to know that it is led */
        ask->kind = RK_ASK_CLAIM;
    } else if (s->kind == STAGE_START && state->untold) {
        ask->kind = RK_ASK_COMMIT;
        ask->decision = c->untold_of;
    } else if (s->kind == STAGE_START || (s->kind == STAGE_POLL && state->lost)) {
        fill_start(c, s, ask);
    }
}

/* An abort is the decider's first: once it has refused, nobody can commit. So is a claim. */
static bool waits_for_decider(const rk_coordinator *c, const stage *s, size_t node)
{
    return (s->kind == STAGE_SETTLE || s->kind == STAGE_CLAIM) && node != 0 && !c->node[0].done;
}

/* Without a word for as long as a lease lasts, another coordinator could take the node over. */
static bool needs_beat(const rk_coordinator *c, const stage *s, const node_state *state,
                       int64_t now_ms)
{
    return state->done && !state->absent && c->claimed && c->state == RK_COORDINATOR_GOING &&
           s->kind != STAGE_RELEASE && now_ms - state->asked_ms >= BEAT_MS;
}

static bool is_due(rk_coordinator *c, const stage *s, size_t node, int64_t now_ms)
{
    node_state *state = &c->node[node];
    if (state->asked_in != 0)
        return false;
    if (state->done)
        return needs_beat(c, s, state, now_ms);
    if (waits_for_decider(c, s, node)) {
        state->heard_ms = now_ms; /* its patience begins with its turn */
        return false;
    }
    return state->due_ms <= now_ms;
}

bool rk_coordinator_next(rk_coordinator *c, int64_t now_ms, rk_ask *out)
{
    if (c->ended)
        return false;
    const stage *s = &c->stages[c->current];
    bool may_stop = s->kind != STAGE_DECIDE && s->kind != STAGE_SPREAD && s->kind != STAGE_RELEASE;
    if (c->interrupted && may_stop && c->state == RK_COORDINATOR_GOING) {
        wind_up(c, RK_COORDINATOR_INTERRUPTED, now_ms);
        if (c->ended)
            return false;
        s = &c->stages[c->current];
    }
    for (size_t tried = 0; tried < c->options.node_count; tried++) {
        size_t i = (c->turn + tried) % c->options.node_count;
        node_state *state = &c->node[i];
        if (!is_due(c, s, i, now_ms))
            continue;
        c->turn = i + 1;
        fill(c, s, i, out);
        state->asked_in = c->visit;
        state->asked = out->kind;
        state->asked_ms = now_ms;
        c->deciding = c->deciding || s->kind == STAGE_DECIDE;
        return true;
    }
    return false;
}

/* --- life cycle and questions ----------------------------------------------------------------- */

rk_status rk_coordinator_create(const rk_coordinator_options *options, int64_t now_ms,
                                rk_coordinator **out, rk_error *err)
{
    if (options->node_count < 1 || options->node_count > RK_COORDINATOR_NODES_MAX)
        return rk_error_set(err, RK_INVALID, "a coordinator of %zu nodes; it takes 1 to %d",
                            options->node_count, RK_COORDINATOR_NODES_MAX);
    rk_coordinator *c = calloc(1, sizeof *c);
    if (!c)
        return rk_error_set(err, RK_NOMEM, "coordinator: out of memory");
    c->options = *options;
    c->state = RK_COORDINATOR_GOING;
    c->end.node = options->node_count;
    if (c->options.patience_ms == 0)
        c->options.patience_ms = RK_COORDINATOR_PATIENCE_MS;
    add_kind(c, STAGE_LOOK);
    enter(c, 0, now_ms);
    *out = c;
    return RK_OK;
}

void rk_coordinator_destroy(rk_coordinator *coordinator)
{
    free(coordinator);
}

void rk_coordinator_interrupt(rk_coordinator *coordinator)
{
    coordinator->interrupted = true;
}

rk_coordinator_state rk_coordinator_state_of(const rk_coordinator *coordinator)
{
    return coordinator->ended ? coordinator->state : RK_COORDINATOR_GOING;
}

const rk_coordinator_end *rk_coordinator_end_of(const rk_coordinator *coordinator)
{
    return &coordinator->end;
}

void rk_coordinator_progress(const rk_coordinator *c, int64_t now_ms, rk_run_progress *out,
                             size_t *waiting_for)
{
    *out = (rk_run_progress){.task = "talk to the nodes", .tier = ""};
    size_t silent = c->options.node_count;
    for (size_t i = 0; i < c->options.node_count; i++) {
        const node_state *state = &c->node[i];
        const rk_run_progress *progress = &state->progress;
        if (!state->done && progress->task) {
            out->task = progress->task;
            out->tier = progress->tier;
        }
        out->done += progress->done;
        out->total += progress->total;
        out->batch_units += progress->batch_units;
        out->quarantined += progress->quarantined;
        out->changes += state->changes + progress->changes;
        if (!c->ended && state->silent && now_ms - state->heard_ms > SILENT_MS)
            silent = i;
    }
    if (waiting_for)
        *waiting_for = silent;
}

size_t rk_coordinator_untold(const rk_coordinator *c, size_t nodes[], size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < c->options.node_count && count < max; i++)
        if (c->node[i].untold)
            nodes[count++] = i;
    return count;
}
