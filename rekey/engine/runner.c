#include "rekey/engine/runner.h"

#include <assert.h>

/* After each batch the lock is left free for a moment: waiters are woken by the release, and would
 * find it taken again if the next batch followed at once. One fiftieth of the hold, at most, for
 * writers that the store cannot see waiting. */
#define YIELD_SHARE  50
#define YIELD_NS_MAX 200000u

/* Those that it sees go first, all of them, for as long as the batch held the lock: under a steady
 * stream of writes the backfill still gets every other turn. */
#define POLL_NS 50000u

/* Of chunks in one batch. */
#define SPANS_MAX 16

static_assert(2 * RKI_BATCH_UNITS_MAX <= RKI_CHUNKS_HELD * RKI_CHUNK_RECORDS_MAX,
              "while the longest batch is written, as much can be read");

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

/* What the throttle allows: the rest of the chunk, and of those behind it what is there already. A
 * stage's end ends the batch. */
static size_t next_spans(const rki_runner *runner, rki_span spans[SPANS_MAX])
{
    rki_chunk *chunk = runner->chunk;
    size_t room = runner->throttle.batch_units;
    size_t from = runner->chunk_from;
    size_t n = 0;
    while (chunk && n < SPANS_MAX && (n == 0 || chunk->count > 0)) {
        size_t left = chunk->count - from;
        spans[n++] = (rki_span){chunk, from, left < room ? left : room};
        if (left >= room || chunk->stage_end)
            break;
        room -= left;
        from = 0;
        chunk = rki_pipeline_ahead(runner->pipeline, (uint32_t)n);
    }
    return n;
}

/* Gives back the chunks that are written, but the last one, which tells the step that it ends. */
static rk_status consume(rki_runner *runner, size_t records, rk_error *err)
{
    rk_status status = RK_OK;
    runner->chunk_from += records;
    while (status == RK_OK && runner->chunk_from > runner->chunk->count) {
        runner->chunk_from -= runner->chunk->count;
        rki_pipeline_give(runner->pipeline);
        status = rki_pipeline_take(runner->pipeline, &runner->chunk, err);
    }
    return status;
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
    if (runner->chunk->count == 0 && !runner->chunk->stage_end)
        return RK_OK;
    rki_span spans[SPANS_MAX];
    rki_batch batch;
    runner->writer.work_ns_max = rki_throttle_work_ns_max(&runner->throttle);
    rk_status status =
        rki_writer_batch(&runner->writer, spans, next_spans(runner, spans), &batch, err);
    if (status == RK_OK)
        status = consume(runner, batch.records, err);
    if (status != RK_OK)
        return status;
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
