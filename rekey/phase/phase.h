/* phase.h: what reads and writes do in each phase, as one table.
 *
 * The table is data. Nothing else in rekey asks "which phase": the client asks the row where to
 * look and where to write, the engine asks whether a step may be taken from here.
 *
 * Source of the rules: specs/phases.md. Pure: no input or output, no state.
 */
#ifndef REKEY_PHASE_PHASE_H
#define REKEY_PHASE_PHASE_H

#include "rekey/spec/spec.h"

typedef enum rk_phase {
    RK_PHASE_OLD,
    RK_PHASE_DUAL_WRITE,
    RK_PHASE_FLIPPED,
    RK_PHASE_CONTRACTED,
    RK_PHASE_DONE,
    RK_PHASE_COUNT
} rk_phase;

/* Where a read looks. */
typedef enum rk_read_from {
    RK_READ_OLD,          /* the old key, whatever capsule its record is in: the legacy behaviour */
    RK_READ_NEW,          /* the new key only */
    RK_READ_NEW_THEN_OLD, /* the new key, then the old one if its record is in the scope's capsule
                           */
} rk_read_from;

/* What a write does to each side: puts there, removes what is there, or leaves it alone. */
typedef enum rk_write_to { RK_WRITE_NOT, RK_WRITE_PUT, RK_WRITE_DROP } rk_write_to;

/* What must hold between a record's two keys, for reads that look at both. */
typedef enum rk_compare {
    RK_COMPARE_NOT,
    RK_COMPARE_COPIES, /* the new record is what the old one becomes */
    RK_COMPARE_SINGLE  /* the record is at one of them only */
} rk_compare;

typedef struct rk_phase_rule {
    rk_read_from read;
    rk_write_to write_old;
    rk_write_to write_new;
    rk_compare compare;
} rk_phase_rule;

/* The row for a strategy and phase; `undoing` is true while a rollback has begun and not ended. */
const rk_phase_rule *rk_phase_rule_of(rk_strategy strategy, rk_phase phase, bool undoing);

/* "old", "dual_write", "flipped", "contracted", "done". */
const char *rk_phase_name(rk_phase phase);

/* Changes that a command may ask for. */
typedef enum rk_move {
    RK_MOVE_BEGIN,
    RK_MOVE_FLIP,
    RK_MOVE_ROLLBACK,
    RK_MOVE_CONTRACT,
    RK_MOVE_FINISH
} rk_move;

/* "begin", "flip", "rollback", "contract", "finish". */
const char *rk_move_name(rk_move move);

/* Whether `move` may be taken from `phase`; the phase it leads to in *to. A rollback leads a
 * dual-write migration to `old`, a move migration to `dual_write` (undoing) and from there to `old`
 * when the last record is back. */
bool rk_phase_allows(rk_strategy strategy, rk_phase phase, rk_move move, rk_phase *to);

#endif
