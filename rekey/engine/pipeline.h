/* pipeline.h: reading ahead of the writer, with threads.
 *
 * Scanner threads take turns at the walker (reading is sequential and cheap), then transform what
 * they read side by side (parsing, capsule and parent resolution, key building), and put
 * the chunk into the slot of its number. The writer takes chunks in that order. At most RKI_SLOTS
 * chunks exist, whatever the store's size.
 *
 * This and the transport are the only places of rekey with threads. Scanners hold a snapshot only
 * while they read, so that the store can grow its map.
 */
#ifndef REKEY_ENGINE_PIPELINE_H
#define REKEY_ENGINE_PIPELINE_H

#include "rekey/engine/job.h"

#define RKI_SLOTS       3
#define RKI_WORKERS_MAX 64

typedef struct rki_pipeline rki_pipeline;

/* Starts `workers` scanner threads (at least 1). */
rk_status rki_pipeline_create(const rki_job *job, const rk_checkpoint *from, uint32_t workers,
                              rki_pipeline **out, rk_error *err);

/* Stops and joins the threads. NULL allowed. */
void rki_pipeline_destroy(rki_pipeline *pipeline);

/* Waits for the next chunk in order; borrowed until the give. RK_NOT_FOUND after the last stage. */
rk_status rki_pipeline_take(rki_pipeline *pipeline, rki_chunk **out, rk_error *err);
void rki_pipeline_give(rki_pipeline *pipeline);

#endif
