/* runner.h: one job over one tier, batch by batch: pipeline, writer and throttle put together. */
#ifndef REKEY_ENGINE_RUNNER_H
#define REKEY_ENGINE_RUNNER_H

#include "rekey/engine/throttle.h"
#include "rekey/engine/writer.h"

typedef struct rki_runner {
    rki_job job;
    rki_pipeline *pipeline;
    rki_writer writer;
    rki_throttle throttle;
    rki_chunk *chunk; /* being written; NULL when the next is to be taken */
    size_t chunk_from;
    uint64_t changes_before; /* of earlier runs of this job */
    uint64_t quarantined_planned;
    const char *signal; /* the stop signal that fired; NULL for none */
} rki_runner;

/* Starts at `from` (NULL: the beginning). `earlier`, when not NULL, is the checkpoint of a finished
 * walk of which this is a repetition: a record that it moved is not there to be counted again. */
rk_status rki_runner_start(rki_runner *runner, const rki_job *job, const rk_actor *actor,
                           const rk_clock *clock, const rk_checkpoint *from,
                           const rk_checkpoint *earlier, uint32_t workers,
                           uint64_t quarantined_planned, rk_error *err);

/* Joins the threads. A zeroed runner is allowed. */
void rki_runner_stop(rki_runner *runner);

/* Writes one batch. *finished when the job is; *stage is the stage the checkpoint now stands in. */
rk_status rki_runner_step(rki_runner *runner, uint32_t *stage, bool *finished, rk_error *err);

#endif
