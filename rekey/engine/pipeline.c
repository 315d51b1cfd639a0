#include "rekey/engine/pipeline.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include <rekey/version.h>

#include "rekey/engine/result.h"
#include "rekey/engine/walk.h"

/* A scanner that lends prepares little. */
#define LENT_PARENT_CACHE_ENTRIES (RKI_PARENT_CACHE_ENTRIES / 16)

/* Chunks beyond one for each scanner: the writer's, a batch of which may begin and end anywhere in
 * one, and some that are ready, so that nobody waits for single ones. */
#define CHUNKS_AHEAD 5

/* To have fewer prepared elsewhere takes longer than to do it. */
#define LENT_RECORDS_MIN 64

#define RESERVE_MS 100 /* how soon a scanner that lends sees that there is nothing more to read */

/* Chunks of one size that are not in use; those who need one wait for it. */
typedef struct pipe_pool {
    rki_chunk_limits limits;
    rki_chunk *chunks;
    rki_chunk **free;
    uint32_t count;
    uint32_t free_count;
} pipe_pool;

typedef enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_READY } slot_state;

typedef struct pipe_slot {
    slot_state state;
    rki_chunk *chunk;
    pipe_pool *pool;  /* that the chunk goes back to */
    rk_status status; /* of reading and transforming it */
    rk_error error;
} pipe_slot;

typedef struct pipe_scanner {
    rki_pipeline *pipeline;
    pthread_t thread;
    bool started;
    pipe_pool *pool;
    rk_transformer *transformer;
    rk_view *view;
    /* Of one that lends: */
    rk_checkpoint position;
    rk_buf offer;
    rki_seen *seen; /* of the chunk's records */
    rk_arena entries;
} pipe_scanner;

struct rki_pipeline {
    const rki_job *job;
    rk_short_key walk;  /* with a lender */
    rki_walker *walker; /* guarded by reading */
    pthread_mutex_t reading;
    pthread_mutex_t lock; /* guards the slots, the pools' free ones, next_* and stop */
    pthread_cond_t freed;
    pthread_cond_t filled;
    pipe_slot *slots; /* as many as there are chunks: the next one is always free */
    uint32_t slot_count;
    pipe_pool own;
    pipe_pool lent;   /* with a lender */
    uint32_t lending; /* scanners that have a place for a chunk */
    uint64_t next_fill;
    uint64_t next_take;
    bool stop;
    bool exhausted;
    pipe_scanner *scanners;
    uint32_t scanner_count;
};

/* --- preparing -------------------------------------------------------------------------------- */

/* More than most specs need a record, and of bytes more than what is read: pages that are never
 * touched cost nothing, while memory that each thread adds as it goes stays in each thread's heap.
 */
#define OPS_A_RECORD      12
#define BYTES_A_BYTE_READ 3

/* Makes room for one more unit's ops behind those of the chunk. Units point into the array, so it
 * is grown before and the pointers are set after the last one. */
static rk_status ops_reserve(rki_chunk *chunk, rk_error *err)
{
    if (chunk->op_cap - chunk->op_count >= RKI_UNIT_OPS_MAX)
        return RK_OK;
    size_t first = (size_t)OPS_A_RECORD * chunk->limits.records_max + RKI_UNIT_OPS_MAX;
    size_t cap = chunk->op_cap ? chunk->op_cap * 2 : first;
    rk_op *ops = realloc(chunk->ops, cap * sizeof *ops);
    if (!ops)
        return rk_error_set(err, RK_NOMEM, "chunk: out of memory for %zu operations", cap);
    chunk->ops = ops;
    chunk->op_cap = cap;
    return RK_OK;
}

/* What a worker made of the chunk; NULL where there is none. */
typedef struct found {
    rki_merge merge;
    const rki_seen *seen;
    rk_lent *outcome;
} found;

/* Whether a worker has prepared the record. */
static bool is_found(const pipe_scanner *scanner, rki_chunk *chunk, size_t i, found *elsewhere,
                     rk_op *ops, uint32_t *count)
{
    if (!elsewhere)
        return false;
    const rki_entry *entry = rki_merge_find(&elsewhere->merge, &elsewhere->seen[i]);
    bool holds = entry && rki_result_read(scanner->pipeline->job, entry->body, &chunk->work[i],
                                          &chunk->arena, ops, count);
    if (holds)
        elsewhere->outcome->used++;
    else
        elsewhere->outcome->prepared++;
    return holds;
}

static rk_status prepare_chunk(pipe_scanner *scanner, rki_chunk *chunk, found *elsewhere,
                               rk_error *err)
{
    const rki_job *job = scanner->pipeline->job;
    chunk->op_count = 0;
    if (chunk->count == 0)
        return RK_OK;
    rk_status status = rk_snapshot_renew(scanner->view, err);
    for (size_t i = 0; status == RK_OK && i < chunk->count; i++) {
        uint32_t count = 0;
        status = ops_reserve(chunk, err);
        rk_op *ops = chunk->ops + chunk->op_count;
        if (status == RK_OK && !is_found(scanner, chunk, i, elsewhere, ops, &count))
            status = rki_work_prepare(job, scanner->transformer, scanner->view, &chunk->work[i],
                                      &chunk->arena, ops, &count, err);
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

/* --- lending ---------------------------------------------------------------------------------- */

static rk_status make_offer(pipe_scanner *scanner, rk_error *err)
{
    const rki_pipeline *pipeline = scanner->pipeline;
    const rki_job *job = pipeline->job;
    rk_offer offer = {
        .version = rk_version(),
        .walk = pipeline->walk,
        .kind = job->kind,
        .tier = job->tier,
        .epoch = job->epoch,
        .tier_epoch = job->tier_epoch,
        .template_entity = job->template_entity < 0 ? UINT32_MAX : (uint32_t)job->template_entity,
        .accept_loss = job->accept_loss,
        .index_tables = rki_job_index_tables(job),
        .records_max = pipeline->lent.limits.records_max,
        .bytes_max = pipeline->lent.limits.bytes_max,
        .from = scanner->position,
    };
    rk_buf_reset(&scanner->offer);
    return rk_offer_encode(&offer, &scanner->offer, err);
}

/* Has the chunk prepared by a worker, and by this thread what does not come back. Whatever the
 * worker gives, only this side's own failures are failures. */
static rk_status lend_chunk(pipe_scanner *scanner, rki_chunk *chunk, uint32_t place,
                            rk_lent *outcome, rk_error *err)
{
    const rki_pipeline *pipeline = scanner->pipeline;
    const rk_lender *lender = pipeline->job->lender;
    found elsewhere = {.seen = scanner->seen, .outcome = outcome};
    rki_entry *entries = NULL;
    rk_slice result;
    if (make_offer(scanner, NULL) != RK_OK)
        return prepare_chunk(scanner, chunk, NULL, err);
    lender->offer(lender->context, place, rk_buf_slice(&scanner->offer));
    for (size_t i = 0; i < chunk->count; i++)
        scanner->seen[i] = rki_seen_of(&pipeline->walk, &chunk->work[i]);
    outcome->answered = lender->collect(lender->context, place, &result);
    rk_arena_reset(&scanner->entries);
    bool reads =
        outcome->answered && rki_result_open(result, chunk->limits.records_max, &scanner->entries,
                                             &entries, &elsewhere.merge.count, NULL) == RK_OK;
    elsewhere.merge.entries = entries;
    return prepare_chunk(scanner, chunk, reads ? &elsewhere : NULL, err);
}

/* --- a scanner -------------------------------------------------------------------------------- */

/* Waits for a chunk to read into; NULL when there is nothing more to do. */
static rki_chunk *take_chunk(rki_pipeline *pipeline, pipe_pool *pool)
{
    rki_chunk *chunk = NULL;
    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->stop && !pipeline->exhausted && pool->free_count == 0)
        pthread_cond_wait(&pipeline->freed, &pipeline->lock);
    if (!pipeline->stop && !pipeline->exhausted)
        chunk = pool->free[--pool->free_count];
    pthread_mutex_unlock(&pipeline->lock);
    return chunk;
}

/* Under the lock. */
static void give_chunk(rki_pipeline *pipeline, pipe_pool *pool, rki_chunk *chunk)
{
    assert(pool->free_count < pool->count);
    pool->free[pool->free_count++] = chunk;
    pthread_cond_broadcast(&pipeline->freed);
}

static rki_chunk_limits least(rki_chunk_limits a, rki_chunk_limits b)
{
    return (rki_chunk_limits){a.records_max < b.records_max ? a.records_max : b.records_max,
                              a.bytes_max < b.bytes_max ? a.bytes_max : b.bytes_max};
}

/* The next slot in order, for this chunk; NULL when nobody reads on. The caller holds `reading`, so
 * that slots are filled in the walker's order. */
static pipe_slot *claim(rki_pipeline *pipeline, pipe_pool *pool, rki_chunk *chunk)
{
    pipe_slot *claimed = NULL;
    pthread_mutex_lock(&pipeline->lock);
    if (!pipeline->stop && !pipeline->exhausted) {
        claimed = &pipeline->slots[pipeline->next_fill++ % pipeline->slot_count];
        bool small = pool == &pipeline->own && pipeline->lending > 0;
        chunk->limits = small ? least(pool->limits, pipeline->lent.limits) : pool->limits;
        assert(claimed->state == SLOT_FREE);
        *claimed = (pipe_slot){.state = SLOT_BUSY, .chunk = chunk, .pool = pool};
    } else {
        give_chunk(pipeline, pool, chunk);
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

/* Reads the next records into the chunk; NULL when nobody reads on. */
static pipe_slot *read_into(pipe_scanner *scanner, rki_chunk *chunk)
{
    rki_pipeline *pipeline = scanner->pipeline;
    pthread_mutex_lock(&pipeline->reading);
    pipe_slot *slot = claim(pipeline, scanner->pool, chunk);
    if (slot) {
        rki_walker_position(pipeline->walker, &scanner->position);
        slot->status = rki_walker_next(pipeline->walker, chunk, &slot->error);
        if (slot->status != RK_OK)
            exhaust(pipeline);
    }
    pthread_mutex_unlock(&pipeline->reading);
    return slot;
}

static void *scan(void *argument)
{
    pipe_scanner *scanner = argument;
    rki_chunk *chunk = take_chunk(scanner->pipeline, scanner->pool);
    while (chunk) {
        pipe_slot *slot = read_into(scanner, chunk);
        if (!slot)
            break;
        if (slot->status == RK_OK)
            slot->status = prepare_chunk(scanner, chunk, NULL, &slot->error);
        publish(scanner->pipeline, slot);
        chunk = take_chunk(scanner->pipeline, scanner->pool);
    }
    return NULL;
}

/* One chunk, for which there is a place; false when there is nothing more to read. */
static bool scan_one(pipe_scanner *scanner, rki_chunk *chunk, uint32_t place, rk_lent *outcome)
{
    pipe_slot *slot = read_into(scanner, chunk);
    if (!slot)
        return false;
    if (slot->status == RK_OK && chunk->count >= LENT_RECORDS_MIN)
        slot->status = lend_chunk(scanner, chunk, place, outcome, &slot->error);
    else if (slot->status == RK_OK)
        slot->status = prepare_chunk(scanner, chunk, NULL, &slot->error);
    publish(scanner->pipeline, slot);
    return true;
}

static bool is_over(rki_pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    bool over = pipeline->stop || pipeline->exhausted;
    pthread_mutex_unlock(&pipeline->lock);
    return over;
}

static void count_lending(rki_pipeline *pipeline, bool more)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->lending = more ? pipeline->lending + 1 : pipeline->lending - 1;
    pthread_mutex_unlock(&pipeline->lock);
}

/* Waits until a worker could do with a chunk; false when there is nothing more to read. */
static bool reserve(pipe_scanner *scanner, uint32_t *place)
{
    const rk_lender *lender = scanner->pipeline->job->lender;
    while (!is_over(scanner->pipeline)) {
        if (lender->reserve(lender->context, RESERVE_MS, place)) {
            count_lending(scanner->pipeline, true);
            return true;
        }
    }
    return false;
}

static void *scan_lending(void *argument)
{
    pipe_scanner *scanner = argument;
    const rk_lender *lender = scanner->pipeline->job->lender;
    rki_chunk *chunk = take_chunk(scanner->pipeline, scanner->pool);
    uint32_t place = 0;
    while (chunk && reserve(scanner, &place)) {
        rk_lent outcome = {0};
        bool goes_on = scan_one(scanner, chunk, place, &outcome);
        lender->release(lender->context, place, &outcome);
        count_lending(scanner->pipeline, false);
        chunk = goes_on ? take_chunk(scanner->pipeline, scanner->pool) : NULL;
    }
    return NULL;
}

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status lending_init(pipe_scanner *scanner, rk_error *err)
{
    uint32_t records_max = scanner->pool->limits.records_max;
    rk_buf_init(&scanner->offer, RK_OFFER_BYTES_MAX);
    rk_arena_init(&scanner->entries, (records_max + 1) * 2 * sizeof(rki_entry) + 65536);
    scanner->seen = calloc(records_max, sizeof *scanner->seen);
    return scanner->seen ? RK_OK : rk_error_set(err, RK_NOMEM, "scan pipeline: out of memory");
}

static rk_status scanner_start(rki_pipeline *pipeline, pipe_scanner *scanner, bool lends,
                               rk_error *err)
{
    const rki_job *job = pipeline->job;
    size_t cache_entries = lends ? LENT_PARENT_CACHE_ENTRIES : RKI_PARENT_CACHE_ENTRIES;
    scanner->pipeline = pipeline;
    scanner->pool = lends ? &pipeline->lent : &pipeline->own;
    rk_status status = lends ? lending_init(scanner, err) : RK_OK;
    if (status == RK_OK)
        status = rki_job_transformer(job, cache_entries, &scanner->transformer, err);
    if (status == RK_OK)
        status = rk_snapshot_open(job->store, &scanner->view, err);
    if (status != RK_OK)
        return status;
    rk_snapshot_release(scanner->view);
    int code = pthread_create(&scanner->thread, NULL, lends ? scan_lending : scan, scanner);
    if (code != 0)
        return rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, code,
                                   "scan pipeline: a thread could not be started: %s",
                                   strerror(code));
    scanner->started = true;
    return RK_OK;
}

static void scanner_fini(pipe_scanner *scanner)
{
    rk_snapshot_close(scanner->view);
    rk_transformer_destroy(scanner->transformer);
    rk_buf_fini(&scanner->offer);
    rk_arena_fini(&scanner->entries);
    free(scanner->seen);
}

/* A chunk with room for what it usually becomes. */
static rk_status make_chunk(rki_chunk *chunk, const rki_chunk_limits *limits, rk_error *err)
{
    rk_status status = rki_chunk_init(chunk, limits, err);
    if (status != RK_OK)
        return status;
    if (!rk_arena_alloc(&chunk->arena, (size_t)BYTES_A_BYTE_READ * limits->bytes_max))
        return rk_error_set(err, RK_NOMEM, "scan pipeline: out of memory");
    rki_chunk_reset(chunk);
    return ops_reserve(chunk, err);
}

static rk_status pool_init(pipe_pool *pool, uint32_t count, rki_chunk_limits limits, rk_error *err)
{
    rk_status status = RK_OK;
    pool->limits = limits;
    pool->chunks = calloc(count, sizeof *pool->chunks);
    pool->free = calloc(count, sizeof *pool->free);
    if (!pool->chunks || !pool->free)
        return rk_error_set(err, RK_NOMEM, "scan pipeline: out of memory");
    for (; status == RK_OK && pool->count < count; pool->count++) {
        status = make_chunk(&pool->chunks[pool->count], &limits, err);
        pool->free[pool->free_count++] = &pool->chunks[pool->count];
    }
    return status;
}

static void pool_fini(pipe_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++)
        rki_chunk_fini(&pool->chunks[i]);
    free(pool->chunks);
    free(pool->free);
}

/* Chunks of such a size that those of the pool hold what RKI_CHUNKS_HELD of the largest do. */
static rk_status slots_init(rki_pipeline *pipeline, uint32_t workers, rk_error *err)
{
    static const rki_chunk_limits small = {RKI_LENT_RECORDS_MAX, RKI_LENT_BYTES_MAX};
    uint32_t count = workers + CHUNKS_AHEAD;
    rki_chunk_limits limits = {RKI_CHUNK_RECORDS_MAX * RKI_CHUNKS_HELD / count,
                               RKI_CHUNK_BYTES_MAX * RKI_CHUNKS_HELD / count};
    rk_status status = pool_init(&pipeline->own, count, limits, err);
    if (status == RK_OK && pipeline->job->lender)
        status = pool_init(&pipeline->lent, RKI_LENT_CHUNKS, small, err);
    pipeline->slot_count = pipeline->own.count + pipeline->lent.count;
    pipeline->slots = calloc(pipeline->slot_count, sizeof *pipeline->slots);
    if (status == RK_OK && !pipeline->slots)
        status = rk_error_set(err, RK_NOMEM, "scan pipeline: out of memory");
    return status;
}

rk_status rki_pipeline_create(const rki_job *job, const rk_checkpoint *from, uint32_t workers,
                              rki_pipeline **out, rk_error *err)
{
    assert(workers >= 1 && workers <= RKI_WORKERS_MAX);
    uint32_t count = workers + (job->lender ? RK_LENT_MAX : 0);
    rki_pipeline *pipeline = calloc(1, sizeof *pipeline);
    pipe_scanner *scanners = calloc(count, sizeof *scanners);
    if (!pipeline || !scanners) {
        free(pipeline);
        free(scanners);
        return rk_error_set(err, RK_NOMEM, "scan pipeline: out of memory");
    }
    pipeline->job = job;
    pipeline->scanners = scanners;
    pipeline->scanner_count = count;
    pthread_mutex_init(&pipeline->reading, NULL);
    pthread_mutex_init(&pipeline->lock, NULL);
    pthread_cond_init(&pipeline->freed, NULL);
    pthread_cond_init(&pipeline->filled, NULL);
    if (job->lender)
        job->lender->begin(job->lender->context, &pipeline->walk);
    rk_status status = rki_walker_create(job, from, &pipeline->walker, err);
    if (status == RK_OK)
        status = slots_init(pipeline, workers, err);
    /* Those that lend first: who reads the first chunks is not left to the others alone. */
    for (uint32_t i = 0; status == RK_OK && i < count; i++)
        status = scanner_start(pipeline, &scanners[i], i < count - workers, err);
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
    const rk_lender *lender = pipeline->job->lender;
    pthread_mutex_lock(&pipeline->lock);
    pipeline->stop = true;
    pthread_cond_broadcast(&pipeline->freed);
    pthread_mutex_unlock(&pipeline->lock);
    if (lender)
        lender->end(lender->context);
    for (uint32_t i = 0; i < pipeline->scanner_count; i++) {
        if (pipeline->scanners[i].started)
            pthread_join(pipeline->scanners[i].thread, NULL);
        scanner_fini(&pipeline->scanners[i]);
    }
    rki_walker_destroy(pipeline->walker);
    pool_fini(&pipeline->own);
    pool_fini(&pipeline->lent);
    pthread_cond_destroy(&pipeline->filled);
    pthread_cond_destroy(&pipeline->freed);
    pthread_mutex_destroy(&pipeline->lock);
    pthread_mutex_destroy(&pipeline->reading);
    free(pipeline->slots);
    free(pipeline->scanners);
    free(pipeline);
}

/* --- the writer's side ------------------------------------------------------------------------ */

rk_status rki_pipeline_take(rki_pipeline *pipeline, rki_chunk **out, rk_error *err)
{
    pthread_mutex_lock(&pipeline->lock);
    pipe_slot *next = &pipeline->slots[pipeline->next_take % pipeline->slot_count];
    while (next->state != SLOT_READY)
        pthread_cond_wait(&pipeline->filled, &pipeline->lock);
    pthread_mutex_unlock(&pipeline->lock);
    if (next->status != RK_OK) {
        if (err && next->status != RK_NOT_FOUND)
            *err = next->error;
        return next->status;
    }
    *out = next->chunk;
    return RK_OK;
}

void rki_pipeline_give(rki_pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    pipe_slot *taken = &pipeline->slots[pipeline->next_take % pipeline->slot_count];
    assert(taken->state == SLOT_READY);
    taken->state = SLOT_FREE;
    pipeline->next_take++;
    give_chunk(pipeline, taken->pool, taken->chunk);
    pthread_mutex_unlock(&pipeline->lock);
}

rki_chunk *rki_pipeline_ahead(rki_pipeline *pipeline, uint32_t nth)
{
    if (nth >= pipeline->slot_count)
        return NULL;
    pthread_mutex_lock(&pipeline->lock);
    pipe_slot *slot = &pipeline->slots[(pipeline->next_take + nth) % pipeline->slot_count];
    bool ready = slot->state == SLOT_READY && slot->status == RK_OK;
    rki_chunk *chunk = ready ? slot->chunk : NULL;
    pthread_mutex_unlock(&pipeline->lock);
    return chunk;
}
