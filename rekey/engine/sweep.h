/* sweep.h: index entries that outlived their records.
 *
 * After the records of one side are gone, an entry that names a record of that side, which is not
 * there, can only be a leftover (an entry the old application forgot to remove): it goes too. Each
 * removal checks, in its transaction, that the record is still absent.
 */
#ifndef REKEY_ENGINE_SWEEP_H
#define REKEY_ENGINE_SWEEP_H

#include "rekey/engine/job.h"
#include "rekey/engine/lease.h"

typedef struct rki_sweep rki_sweep;

rk_status rki_sweep_create(const rki_job *job, const rk_actor *actor, const rk_clock *clock,
                           rki_side side, rki_sweep **out, rk_error *err);
void rki_sweep_destroy(rki_sweep *sweep);

/* Looks at a few thousand entries more and removes the leftovers among them. */
rk_status rki_sweep_step(rki_sweep *sweep, uint64_t *removed, bool *finished, rk_error *err);

/* Empties the quarantine of one tier's records, so that a job that starts afresh finds them again.
 */
rk_status rki_sweep_quarantine(const rki_job *job, rk_error *err);

#endif
