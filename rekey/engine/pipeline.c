#include "rekey/engine/pipeline.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "rekey/engine/walk.h"

/* Parents' capsules remembered by one scanner: about 5 MiB. */
#define PARENT_CACHE_ENTRIES (64 * 1024)

typedef enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_READY } slot_state;

typedef struct pipe_slot {
    slot_state state;
    rki_chunk chunk;
    rk_status status; /* of reading and transforming it */
    rk_error error;
} pipe_slot;

typedef struct pipe_scanner {
    rki_pipeline *pipeline;
    pthread_t thread;
    bool started;
    rk_transformer *transformer;
    rk_view *view;
} pipe_scanner;

struct rki_pipeline {
    const rki_job *job;
    rki_walker *walker; /* guarded by reading */
    pthread_mutex_t reading;
    pthread_mutex_t lock; /* guards the slots, next_* and stop */
    pthread_cond_t freed;
    pthread_cond_t filled;
    pipe_slot slots[RKI_SLOTS];
    uint64_t next_fill;
    uint64_t next_take;
    bool stop;
    bool exhausted;
    pipe_scanner *scanners;
    uint32_t scanner_count;
};

/* --- a scanner -------------------------------------------------------------------------------- */

/* Makes room for one more unit's ops behind those of the chunk. Units point into the array, so it
 * is grown before and the pointers are set after the last one. */
static rk_status ops_reserve(rki_chunk *chunk, rk_error *err)
{
    if (chunk->op_cap - chunk->op_count >= RKI_UNIT_OPS_MAX)
        return RK_OK;
    size_t cap = chunk->op_cap ? chunk->op_cap * 2 : (size_t)4 * RKI_CHUNK_RECORDS_MAX;
    rk_op *ops = realloc(chunk->ops, cap * sizeof *ops);
    if (!ops)
        return rk_error_set(err, RK_NOMEM, "chunk: out of memory for %zu operations", cap);
    chunk->ops = ops;
    chunk->op_cap = cap;
    return RK_OK;
}

static rk_status prepare_chunk(pipe_scanner *scanner, rki_chunk *chunk, rk_error *err)
{
    const rki_job *job = scanner->pipeline->job;
    chunk->op_count = 0;
    if (chunk->count == 0)
        return RK_OK;
    rk_status status = rk_snapshot_renew(scanner->view, err);
    for (size_t i = 0; status == RK_OK && i < chunk->count; i++) {
        uint32_t count = 0;
        status = ops_reserve(chunk, err);
        if (status == RK_OK)
            status = rki_work_prepare(job, scanner->transformer, scanner->view, &chunk->work[i],
                                      &chunk->arena, chunk->ops + chunk->op_count, &count, err);
        chunk->units[i] = (rk_unit){.op_count = count};
        chunk->op_count += count;
    }
    rk_snapshot_release(scanner->view);
    const rk_op *ops = chunk->ops;
    for (size_t i = 0; i < chunk->count; i++) {
        chunk->units[i].ops = ops;
        ops += chunk->units[i].op_count;
    }
    return status;
}

/* Waits for the next slot in order to be free; NULL when there is nothing more to do. The caller
 * holds `reading`, so that slots are filled in the walker's order. */
static pipe_slot *claim(rki_pipeline *pipeline)
{
    pipe_slot *claimed = NULL;
    pthread_mutex_lock(&pipeline->lock);
    pipe_slot *next = &pipeline->slots[pipeline->next_fill % RKI_SLOTS];
    while (!pipeline->stop && !pipeline->exhausted && next->state != SLOT_FREE)
        pthread_cond_wait(&pipeline->freed, &pipeline->lock);
    if (!pipeline->stop && !pipeline->exhausted) {
        next->state = SLOT_BUSY;
        pipeline->next_fill++;
        claimed = next;
    }
    pthread_mutex_unlock(&pipeline->lock);
    return claimed;
}

static void publish(rki_pipeline *pipeline, pipe_slot *slot)
{
    pthread_mutex_lock(&pipeline->lock);
    slot->state = SLOT_READY;
    pthread_cond_broadcast(&pipeline->filled);
    pthread_mutex_unlock(&pipeline->lock);
}

/* After the last stage or a failure nobody reads on. */
static void exhaust(rki_pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->exhausted = true;
    pthread_cond_broadcast(&pipeline->freed);
    pthread_mutex_unlock(&pipeline->lock);
}

static void *scan(void *argument)
{
    pipe_scanner *scanner = argument;
    rki_pipeline *pipeline = scanner->pipeline;
    for (;;) {
        pthread_mutex_lock(&pipeline->reading);
        pipe_slot *slot = claim(pipeline);
        if (slot) {
            slot->error = (rk_error){0};
            slot->status = rki_walker_next(pipeline->walker, &slot->chunk, &slot->error);
            if (slot->status != RK_OK)
                exhaust(pipeline);
        }
        pthread_mutex_unlock(&pipeline->reading);
        if (!slot)
            return NULL;
        if (slot->status == RK_OK)
            slot->status = prepare_chunk(scanner, &slot->chunk, &slot->error);
        publish(pipeline, slot);
    }
}

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status scanner_start(rki_pipeline *pipeline, pipe_scanner *scanner, rk_error *err)
{
    const rki_job *job = pipeline->job;
    scanner->pipeline = pipeline;
    rk_status status = rk_transformer_create(job->spec, job->tables,
                                             rk_store_capabilities(job->store)->key_bytes_max,
                                             PARENT_CACHE_ENTRIES, &scanner->transformer, err);
    if (status == RK_OK)
        status = rk_snapshot_open(job->store, &scanner->view, err);
    if (status != RK_OK)
        return status;
    rk_snapshot_release(scanner->view);
    int code = pthread_create(&scanner->thread, NULL, scan, scanner);
    if (code != 0)
        return rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, code,
                                   "scan pipeline: a thread could not be started: %s",
                                   strerror(code));
    scanner->started = true;
    return RK_OK;
}

rk_status rki_pipeline_create(const rki_job *job, const rk_checkpoint *from, uint32_t workers,
                              rki_pipeline **out, rk_error *err)
{
    assert(workers >= 1 && workers <= RKI_WORKERS_MAX);
    rki_pipeline *pipeline = calloc(1, sizeof *pipeline);
    pipe_scanner *scanners = calloc(workers, sizeof *scanners);
    if (!pipeline || !scanners) {
        free(pipeline);
        free(scanners);
        return rk_error_set(err, RK_NOMEM, "scan pipeline: out of memory");
    }
    pipeline->job = job;
    pipeline->scanners = scanners;
    pipeline->scanner_count = workers;
    pthread_mutex_init(&pipeline->reading, NULL);
    pthread_mutex_init(&pipeline->lock, NULL);
    pthread_cond_init(&pipeline->freed, NULL);
    pthread_cond_init(&pipeline->filled, NULL);
    rk_status status = rki_walker_create(job, from, &pipeline->walker, err);
    for (size_t i = 0; status == RK_OK && i < RKI_SLOTS; i++)
        status = rki_chunk_init(&pipeline->slots[i].chunk, err);
    for (uint32_t i = 0; status == RK_OK && i < workers; i++)
        status = scanner_start(pipeline, &scanners[i], err);
    if (status != RK_OK) {
        rki_pipeline_destroy(pipeline);
        return status;
    }
    *out = pipeline;
    return RK_OK;
}

void rki_pipeline_destroy(rki_pipeline *pipeline)
{
    if (!pipeline)
        return;
    pthread_mutex_lock(&pipeline->lock);
    pipeline->stop = true;
    pthread_cond_broadcast(&pipeline->freed);
    pthread_mutex_unlock(&pipeline->lock);
    for (uint32_t i = 0; i < pipeline->scanner_count; i++) {
        pipe_scanner *scanner = &pipeline->scanners[i];
        if (scanner->started)
            pthread_join(scanner->thread, NULL);
        rk_snapshot_close(scanner->view);
        rk_transformer_destroy(scanner->transformer);
    }
    rki_walker_destroy(pipeline->walker);
    for (size_t i = 0; i < RKI_SLOTS; i++)
        rki_chunk_fini(&pipeline->slots[i].chunk);
    pthread_cond_destroy(&pipeline->filled);
    pthread_cond_destroy(&pipeline->freed);
    pthread_mutex_destroy(&pipeline->lock);
    pthread_mutex_destroy(&pipeline->reading);
    free(pipeline->scanners);
    free(pipeline);
}

/* --- the writer's side ------------------------------------------------------------------------ */

rk_status rki_pipeline_take(rki_pipeline *pipeline, rki_chunk **out, rk_error *err)
{
    pthread_mutex_lock(&pipeline->lock);
    pipe_slot *next = &pipeline->slots[pipeline->next_take % RKI_SLOTS];
    while (next->state != SLOT_READY)
        pthread_cond_wait(&pipeline->filled, &pipeline->lock);
    pthread_mutex_unlock(&pipeline->lock);
    if (next->status != RK_OK) {
        if (err && next->status != RK_NOT_FOUND)
            *err = next->error;
        return next->status;
    }
    *out = &next->chunk;
    return RK_OK;
}

void rki_pipeline_give(rki_pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    pipe_slot *taken = &pipeline->slots[pipeline->next_take % RKI_SLOTS];
    assert(taken->state == SLOT_READY);
    taken->state = SLOT_FREE;
    pipeline->next_take++;
    pthread_cond_broadcast(&pipeline->freed);
    pthread_mutex_unlock(&pipeline->lock);
}
