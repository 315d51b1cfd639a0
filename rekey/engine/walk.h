/* walk.h: the order in which a job meets the records of one tier.
 *
 * A job visits (stage, tenant, rank, key) in ascending order, and that order is total: a checkpoint
 * is one position in it, wherever a batch happens to end. Rank is an entity's level, or for jobs
 * that take things away its reverse, so that parents come first on the way in and last on
 * the way out.
 *
 * A tenant that fits into one chunk is read once and sorted by (rank, key). A larger one is walked
 * rank by rank, over the key prefixes of that rank's entities. Both give the same order. Keys that
 * match nothing have the last rank; for them a prefix is not read again where all keys matched.
 *
 * Stages of a backfill: the template entity alone; all other entities, together with
 * the tenants' keys that match nothing; keys outside of every tenant. Where the template entity is
 * the only one, the keys that match nothing come with it, tenant by tenant. The other jobs have
 * one.
 *
 * Threading: a walker belongs to one thread at a time; it holds no snapshot between calls.
 */
#ifndef REKEY_ENGINE_WALK_H
#define REKEY_ENGINE_WALK_H

#include "rekey/engine/job.h"

typedef struct rki_walker rki_walker;

/* Starts after `from` (a checkpoint of this job; NULL for the beginning). */
rk_status rki_walker_create(const rki_job *job, const rk_checkpoint *from, rki_walker **out,
                            rk_error *err);
void rki_walker_destroy(rki_walker *walker);

/* Where the next chunk begins, for a walker of the same job elsewhere: only stage, rank, tenant and
 * key are set. Chunks of the same limits that are read from there have the same records up to where
 * the shorter one ends, as long as nobody changes them. */
void rki_walker_position(const rki_walker *walker, rk_checkpoint *out);

/* Goes on from a position, or behind a checkpoint. */
rk_status rki_walker_place(rki_walker *walker, const rk_checkpoint *from, rk_error *err);

/* Reads the next records, copied into the chunk, in one short snapshot. At the end of a stage
 * chunk->stage_end is set; RK_NOT_FOUND when the job has no further stage. */
rk_status rki_walker_next(rki_walker *walker, rki_chunk *chunk, rk_error *err);

#endif
