#include "rekey/engine/runner.h"

/* After each batch the lock is left free for a moment: waiters are woken by the release, and would
 * find it taken again if the next batch followed at once. One fiftieth of the hold, at most, for
 * writers that the store cannot see waiting. */
#define YIELD_SHARE  50
#define YIELD_NS_MAX 200000u

/* Those that it sees go first, all of them, for as long as the batch held the lock: under a steady
 * stream of writes the backfill still gets every other turn. */
#define POLL_NS 50000u

rk_status rki_runner_start(rki_runner *runner, const rki_job *job, const rk_actor *actor,
                           const rk_clock *clock, const rk_checkpoint *from,
                           const rk_checkpoint *earlier, uint32_t workers,
                           uint64_t quarantined_planned, rk_error *err)
{
    *runner = (rki_runner){.job = *job, .quarantined_planned = quarantined_planned};
    rki_throttle_init(&runner->throttle, &job->spec->limits);
    rk_status status = rki_writer_init(&runner->writer, &runner->job, actor, clock, err);
    if (status == RK_OK) {
        if (from)
            runner->writer.point = *from;
        else if (earlier)
            memcpy(runner->writer.point.done, earlier->done, sizeof earlier->done);
        runner->writer.point.job = job->kind;
        runner->writer.point.epoch = job->tier_epoch;
        runner->changes_before = runner->writer.point.changes;
        status = rki_pipeline_create(&runner->job, from, workers, &runner->pipeline, err);
    }
    if (status != RK_OK)
        rki_runner_stop(runner);
    return status;
}

void rki_runner_stop(rki_runner *runner)
{
    rki_pipeline_destroy(runner->pipeline);
    rki_writer_fini(&runner->writer);
    runner->pipeline = NULL;
    runner->chunk = NULL;
}

/* Cuts what is left of the chunk into equal batches no larger than the throttle allows. */
static size_t batch_size(const rki_runner *runner)
{
    size_t left = runner->chunk->count - runner->chunk_from;
    size_t batches = (left + runner->throttle.batch_units - 1) / runner->throttle.batch_units;
    return batches ? (left + batches - 1) / batches : 0;
}

static void judge(rki_runner *runner)
{
    rk_space space = {0};
    rki_readings readings = {
        .space_known = rk_store_space(runner->job.store, &space, NULL) == RK_OK,
        .disk_free_bytes = space.disk_free_bytes,
        .quarantined = runner->writer.point.quarantined,
        .quarantined_planned = runner->quarantined_planned,
    };
    runner->signal = rki_throttle_signal(&runner->throttle, &readings);
}

static void yield_lock(const rki_runner *runner, uint64_t held_ns)
{
    const rk_clock *clock = runner->writer.clock;
    uint64_t pause_ns = held_ns / YIELD_SHARE;
    uint64_t until_ns = rk_clock_monotonic_ns(clock) + held_ns;
    clock->pause_ns(clock->context, pause_ns < YIELD_NS_MAX ? pause_ns : YIELD_NS_MAX);
    while (rk_store_writers_wait(runner->job.store) && rk_clock_monotonic_ns(clock) < until_ns)
        clock->pause_ns(clock->context, POLL_NS);
}

static rk_status write_batch(rki_runner *runner, rk_error *err)
{
    rki_span span = {runner->chunk, runner->chunk_from, batch_size(runner)};
    if (span.count == 0 && !runner->chunk->stage_end)
        return RK_OK;
    rki_batch batch;
    runner->writer.work_ns_max = rki_throttle_work_ns_max(&runner->throttle);
    rk_status status = rki_writer_batch(&runner->writer, &span, 1, &batch, err);
    if (status != RK_OK)
        return status;
    runner->chunk_from += batch.records;
    rki_throttle_batch(&runner->throttle, batch.records, batch.refused, batch.work_ns,
                       batch.held_ns);
    judge(runner);
    yield_lock(runner, batch.held_ns);
    return RK_OK;
}

rk_status rki_runner_step(rki_runner *runner, uint32_t *stage, bool *finished, rk_error *err)
{
    rk_status status = RK_OK;
    *finished = runner->writer.point.finished;
    if (*finished)
        return RK_OK;
    if (!runner->chunk) {
        status = rki_pipeline_take(runner->pipeline, &runner->chunk, err);
        runner->chunk_from = 0;
    }
    if (status == RK_OK)
        status = write_batch(runner, err);
    if (status == RK_OK && runner->chunk_from == runner->chunk->count) {
        rki_pipeline_give(runner->pipeline);
        runner->chunk = NULL;
    }
    *stage = runner->writer.point.stage;
    *finished = runner->writer.point.finished;
    return status;
}
