/* writer.h: one batch, in one short write transaction.
 *
 * In the transaction: the lease is still ours and the epoch the one the job began in; each unit's
 * conditions are checked; a record whose unit was refused is read again and decided anew, under the
 * write lock, never forced; what has to be left alone goes to the quarantine; and the checkpoint,
 * which covers exactly these records, commits with them.
 *
 * While nobody else commits, values that the scan saw are as it saw them, since no unit of a job
 * changes one that another looks at. Commits are numbered, so the transaction knows whether that is
 * so; then these conditions are not looked at again (rk_op.seen). After another's commit all are
 * checked, until chunks come that were read later.
 */
#ifndef REKEY_ENGINE_WRITER_H
#define REKEY_ENGINE_WRITER_H

#include "rekey/engine/lease.h"
#include "rekey/engine/pipeline.h"

typedef struct rki_writer {
    const rki_job *job;
    const rk_actor *actor;
    const rk_clock *clock;
    rk_transformer *transformer; /* without a cache: reads inside the transaction */
    rk_arena arena;              /* for records decided anew */
    rk_checkpoint point;         /* of the last commit */
    uint64_t stuck;              /* left alone for another reason than a record in the way */
    uint64_t alone_since;        /* all commits after the state of this number are ours */
    uint64_t next_state;         /* that our next batch begins from if nobody else commits */
    uint64_t unit_ns;            /* what a unit takes; 0 for not known yet */
    uint64_t work_ns_max;        /* a batch that works for longer is cut short; 0 for no limit */
} rki_writer;

/* A part of a chunk. */
typedef struct rki_span {
    rki_chunk *chunk;
    size_t from;
    size_t count;
} rki_span;

/* What one batch did. */
typedef struct rki_batch {
    uint32_t records;
    uint32_t applied;
    uint32_t refused; /* left alone at the moment of writing, beyond what the scan had said */
    uint64_t work_ns; /* from taking the write lock to the commit */
    uint64_t held_ns; /* to the commit's end */
} rki_batch;

rk_status rki_writer_init(rki_writer *writer, const rki_job *job, const rk_actor *actor,
                          const rk_clock *clock, rk_error *err);
void rki_writer_fini(rki_writer *writer);

/* Writes the spans, which follow each other in the job's order, or as much of them as work_ns_max
 * allows (out->records), and commits. With a chunk's last record the checkpoint moves to the next
 * stage when the chunk ends one; only the last span may do so. RK_FULL after an attempt to grow;
 * RK_BUSY when the lease is gone; RK_CONFLICT when the epoch is another; RK_UNCERTAIN as the store
 * says. On failure nothing was written. */
rk_status rki_writer_batch(rki_writer *writer, const rki_span *spans, size_t span_count,
                           rki_batch *out, rk_error *err);

#endif
