/* phase.c: the tables. A row here is a promise of specs/phases.md; tests/unit/phase reads them
 * back. */
#include "rekey/phase/phase.h"

#include <assert.h>

#define STRATEGY_COUNT 2
#define MOVE_COUNT     5

/* A row that `undoing` does not change. */
#define BOTH(row)                                                                                  \
    {                                                                                              \
        row, row                                                                                   \
    }
#define ROW(read, write_old, write_new, compare)                                                   \
    {                                                                                              \
        RK_READ_##read, RK_WRITE_##write_old, RK_WRITE_##write_new, RK_COMPARE_##compare           \
    }

/* [strategy][phase][undoing]. */
static const rk_phase_rule rules[STRATEGY_COUNT][RK_PHASE_COUNT][2] = {
    [RK_STRATEGY_DUAL_WRITE] =
        {
            /* Undoing: the new copies are being dropped, and a write must not leave a stale one
             * behind the place that the job has reached. */
            [RK_PHASE_OLD] = {ROW(OLD, PUT, NOT, NOT), ROW(OLD, PUT, DROP, NOT)},
            [RK_PHASE_DUAL_WRITE] = BOTH(ROW(OLD, PUT, PUT, COPIES)),
            [RK_PHASE_FLIPPED] = BOTH(ROW(NEW, PUT, PUT, COPIES)),
            /* A write drops the old copy, so that contract never meets one that is out of date. */
            [RK_PHASE_CONTRACTED] = BOTH(ROW(NEW, DROP, PUT, NOT)),
            [RK_PHASE_DONE] = BOTH(ROW(NEW, NOT, PUT, NOT)),
        },
    [RK_STRATEGY_MOVE] =
        {
            [RK_PHASE_OLD] = BOTH(ROW(OLD, PUT, NOT, NOT)),
            /* Undoing: records travel back, so a write lands where they go. */
            [RK_PHASE_DUAL_WRITE] = {ROW(NEW_THEN_OLD, DROP, PUT, SINGLE),
                                     ROW(NEW_THEN_OLD, PUT, DROP, SINGLE)},
            [RK_PHASE_FLIPPED] = BOTH(ROW(NEW, DROP, PUT, SINGLE)),
            [RK_PHASE_CONTRACTED] = BOTH(ROW(NEW, DROP, PUT, SINGLE)),
            [RK_PHASE_DONE] = BOTH(ROW(NEW, NOT, PUT, NOT)),
        },
};

typedef struct transition {
    bool allowed;
    rk_phase to;
} transition;

#define TO(phase)                                                                                  \
    {                                                                                              \
        true, RK_PHASE_##phase                                                                     \
    }

/* [strategy][move][from]; what is not here is not allowed. */
static const transition transitions[STRATEGY_COUNT][MOVE_COUNT][RK_PHASE_COUNT] = {
    [RK_STRATEGY_DUAL_WRITE] =
        {
            [RK_MOVE_BEGIN] = {[RK_PHASE_OLD] = TO(DUAL_WRITE)},
            [RK_MOVE_FLIP] = {[RK_PHASE_DUAL_WRITE] = TO(FLIPPED)},
            [RK_MOVE_ROLLBACK] = {[RK_PHASE_DUAL_WRITE] = TO(OLD), [RK_PHASE_FLIPPED] = TO(OLD)},
            [RK_MOVE_CONTRACT] = {[RK_PHASE_FLIPPED] = TO(CONTRACTED)},
            [RK_MOVE_FINISH] = {[RK_PHASE_CONTRACTED] = TO(DONE)},
        },
    [RK_STRATEGY_MOVE] =
        {
            [RK_MOVE_BEGIN] = {[RK_PHASE_OLD] = TO(DUAL_WRITE)},
            [RK_MOVE_FLIP] = {[RK_PHASE_DUAL_WRITE] = TO(FLIPPED)},
            [RK_MOVE_ROLLBACK] =
                {[RK_PHASE_DUAL_WRITE] = TO(DUAL_WRITE), [RK_PHASE_FLIPPED] = TO(DUAL_WRITE)},
            [RK_MOVE_CONTRACT] = {[RK_PHASE_FLIPPED] = TO(CONTRACTED)},
            [RK_MOVE_FINISH] = {[RK_PHASE_CONTRACTED] = TO(DONE)},
        },
};

static const char *const names[RK_PHASE_COUNT] = {
    [RK_PHASE_OLD] = "old",         [RK_PHASE_DUAL_WRITE] = "dual_write",
    [RK_PHASE_FLIPPED] = "flipped", [RK_PHASE_CONTRACTED] = "contracted",
    [RK_PHASE_DONE] = "done",
};

const rk_phase_rule *rk_phase_rule_of(rk_strategy strategy, rk_phase phase, bool undoing)
{
    assert((unsigned)strategy < STRATEGY_COUNT && (unsigned)phase < RK_PHASE_COUNT);
    return &rules[strategy][phase][undoing];
}

const char *rk_phase_name(rk_phase phase)
{
    assert((unsigned)phase < RK_PHASE_COUNT);
    return names[phase];
}

bool rk_phase_allows(rk_strategy strategy, rk_phase phase, rk_move move, rk_phase *to)
{
    assert((unsigned)strategy < STRATEGY_COUNT && (unsigned)phase < RK_PHASE_COUNT);
    assert((unsigned)move < MOVE_COUNT);

    const transition *found = &transitions[strategy][move][phase];
    if (!found->allowed)
        return false;
    *to = found->to;
    return true;
}

const char *rk_move_name(rk_move move)
{
    static const char *const moves[MOVE_COUNT] = {[RK_MOVE_BEGIN] = "begin",
                                                  [RK_MOVE_FLIP] = "flip",
                                                  [RK_MOVE_ROLLBACK] = "rollback",
                                                  [RK_MOVE_CONTRACT] = "contract",
                                                  [RK_MOVE_FINISH] = "finish"};
    assert((unsigned)move < MOVE_COUNT);
    return moves[move];
}
