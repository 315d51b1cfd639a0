/* attack.h: attacks on a scratch store, for every entity, index and phase of a spec.
 *
 * A team runs this in its CI against its own spec. Each case plays two capsules of one tenant, and
 * a tenant with a name that begins like it, against each other: through the client library, through
 * the program's command line, and by forging what a broken writer or a restored backup could leave
 * in the store. A case passes when nobody got a byte, a count or a telling answer about what is not
 * theirs, and nothing of theirs was lost.
 *
 * What must hold is what client.h promises for the phase: before the flip of a dual-write migration
 * reads are the application's own, capsules are not kept apart yet, and only those cases run that
 * must hold all the same.
 *
 * Invariants
 *   - Touches nothing but a folder of its own under `folder`, which is gone when the attack is
 *     destroyed.
 *   - The same spec gives the same cases with the same names in the same order.
 *
 * Threading: an attack belongs to one thread.
 *
 *     rk_attack *attack = NULL;
 *     rk_case_result result;
 *     rk_status status = rk_attack_create(source, &options, &attack, &err);
 *     while (status == RK_OK && rk_attack_step(attack, &result))
 *         report(&result);
 *     rk_attack_destroy(attack);
 */
#ifndef REKEY_ISOLATION_ATTACK_H
#define REKEY_ISOLATION_ATTACK_H

#include "rekey/base/clock.h"
#include "rekey/isolation/report.h"
#include "rekey/spec/spec.h"

/* One run of the program: how it ended and what it said. */
typedef struct rk_attack_reply {
    int code;
    rk_buf out;
    rk_buf err;
} rk_attack_reply;

/* Runs the program with these words (argv from 1 on) and waits for it. The buffers are initialised
 * by the caller. */
typedef rk_status (*rk_attack_program)(void *context, const char *const *words, size_t count,
                                       rk_attack_reply *reply, rk_error *err);

typedef struct rk_attack_options {
    const char *folder;        /* where the scratch folder is made, "/tmp" */
    rk_attack_program program; /* NULL: the command line is not attacked */
    void *context;
    const rk_clock *clock;
} rk_attack_options;

typedef struct rk_attack rk_attack;

/* `source` is copied. RK_INVALID when it does not pass lint; RK_IO when there is no scratch folder.
 */
rk_status rk_attack_create(const rk_spec_source *source, const rk_attack_options *options,
                           rk_attack **out, rk_error *err);

/* NULL allowed. */
void rk_attack_destroy(rk_attack *attack);

/* Runs one case; false when there are no more. The first of each stage takes the store there; when
 * that fails there is nothing left to attack, and it is the last. Names in `result` are borrowed
 * until the next step. */
bool rk_attack_step(rk_attack *attack, rk_case_result *result);

/* The stage in which it is, and how many cases there are in all. */
const char *rk_attack_stage(const rk_attack *attack);
uint64_t rk_attack_total(const rk_attack *attack);

#endif
