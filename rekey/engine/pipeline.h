/* pipeline.h: reading ahead of the writer, with threads.
 *
 * Scanner threads take turns at the walker (reading is sequential and cheap), then transform what
 * they read side by side (parsing, capsule and parent resolution, key building), and put
 * the chunk into the slot of its number. The writer takes chunks in that order. There are a few
 * more chunks than scanners, and the more there are the smaller they are: what all of them hold is
 * bounded, whatever the store's size.
 *
 * Where the job has a lender, there are scanners that only lend, with a few small chunks of their
 * own: each waits until a worker could do with one, reads it, has it prepared elsewhere, and
 * prepares itself what did not come back. So a run that nobody helps is as it was.
 *
 * This and the transport are the only places of rekey with threads. Scanners hold a snapshot only
 * while they read, so that the store can grow its map.
 */
#ifndef REKEY_ENGINE_PIPELINE_H
#define REKEY_ENGINE_PIPELINE_H

#include "rekey/engine/job.h"

#define RKI_WORKERS_MAX 64

/* Of all chunks together, those that are lent aside: so many times the largest chunk. */
#define RKI_CHUNKS_HELD 4u

/* Chunks that are lent are smaller: one that does not come back costs little, and results are short
 * messages. While some are lent the others are read as small, so that the work is shared evenly. */
#define RKI_LENT_CHUNKS      (RK_LENT_MAX + 1)
#define RKI_LENT_RECORDS_MAX 1024u
#define RKI_LENT_BYTES_MAX   (384u * 1024)

typedef struct rki_pipeline rki_pipeline;

/* Starts `workers` scanner threads (at least 1). */
rk_status rki_pipeline_create(const rki_job *job, const rk_checkpoint *from, uint32_t workers,
                              rki_pipeline **out, rk_error *err);

/* Stops and joins the threads. NULL allowed. */
void rki_pipeline_destroy(rki_pipeline *pipeline);

/* Waits for the next chunk in order; borrowed until the give. RK_NOT_FOUND after the last stage. */
rk_status rki_pipeline_take(rki_pipeline *pipeline, rki_chunk **out, rk_error *err);
void rki_pipeline_give(rki_pipeline *pipeline);

/* The chunk that is `nth` behind the taken one, if it is there already; NULL if not. Borrowed until
 * it is given in its turn. */
rki_chunk *rki_pipeline_ahead(rki_pipeline *pipeline, uint32_t nth);

#endif
