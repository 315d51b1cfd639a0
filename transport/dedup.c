#include "transport/dedup.h"

#include <assert.h>
#include <stdlib.h>

/* A hash table with chains, over a fixed array of entries. Every entry is on exactly one list: the
 * free ones, singly linked by `chain`; the done ones, doubly linked from the oldest to the newest;
 * the pending ones are only in their chain. Links are numbers of entries. */

#define NONE UINT32_MAX

typedef struct entry {
    rk_operation_id id;
    uint32_t chain; /* next of the same bucket, or next free */
    uint32_t older, newer;
    bool done;
    uint8_t *result; /* owned; NULL for none or an empty one */
    size_t result_len;
} entry;

struct rk_dedup {
    entry *entries;
    uint32_t *buckets;
    uint32_t bucket_mask;
    uint32_t entries_max;
    uint32_t used;
    uint32_t free;
    uint32_t oldest, newest; /* of the done ones */
    size_t bytes;
    size_t bytes_max;
};

/* --- life cycle ------------------------------------------------------------------------------- */

static void link_all(rk_dedup *d)
{
    for (uint32_t i = 0; i <= d->bucket_mask; i++)
        d->buckets[i] = NONE;
    for (uint32_t i = 0; i < d->entries_max; i++)
        d->entries[i].chain = i + 1 < d->entries_max ? i + 1 : NONE;
    d->free = 0;
    d->oldest = d->newest = NONE;
}

rk_status rk_dedup_create(uint32_t entries_max, size_t bytes_max, rk_dedup **out, rk_error *err)
{
    assert(out);
    if (entries_max < 1 || entries_max > RK_DEDUP_ENTRIES_CEILING || bytes_max < 1)
        return rk_error_set(err, RK_INVALID,
                            "operation table of %u entries and %zu bytes; it takes 1 to %u entries "
                            "and at least 1 byte",
                            entries_max, bytes_max, RK_DEDUP_ENTRIES_CEILING);
    uint32_t buckets = 1;
    while (buckets < entries_max)
        buckets *= 2;
    rk_dedup *d = calloc(1, sizeof *d);
    if (!d)
        return rk_error_set(err, RK_NOMEM, "out of memory for an operation table");
    d->entries = calloc(entries_max, sizeof *d->entries);
    d->buckets = calloc(buckets, sizeof *d->buckets);
    d->bucket_mask = buckets - 1;
    d->entries_max = entries_max;
    d->bytes_max = bytes_max;
    if (!d->entries || !d->buckets) {
        rk_dedup_destroy(d);
        return rk_error_set(err, RK_NOMEM, "out of memory for %u operations", entries_max);
    }
    link_all(d);
    *out = d;
    return RK_OK;
}

void rk_dedup_destroy(rk_dedup *dedup)
{
    if (!dedup)
        return;
    for (uint32_t i = 0; dedup->entries && i < dedup->entries_max; i++)
        free(dedup->entries[i].result);
    free(dedup->entries);
    free(dedup->buckets);
    free(dedup);
}

/* --- lists ------------------------------------------------------------------------------------ */

/* Ids are random, so any mixing of their bytes will do. A peer that makes them collide slows itself
 * and others down by a walk over at most entries_max entries. */
static uint32_t *bucket_of(const rk_dedup *d, const rk_operation_id *id)
{
    uint64_t low, high;
    memcpy(&low, id->bytes, sizeof low);
    memcpy(&high, id->bytes + sizeof low, sizeof high);
    uint64_t hash = (low ^ (high * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
    return &d->buckets[(uint32_t)(hash >> 32) & d->bucket_mask];
}

static uint32_t find(const rk_dedup *d, const rk_operation_id *id)
{
    uint32_t at = *bucket_of(d, id);
    while (at != NONE && memcmp(&d->entries[at].id, id, sizeof *id) != 0)
        at = d->entries[at].chain;
    return at;
}

static void append_done(rk_dedup *d, uint32_t at)
{
    entry *e = &d->entries[at];
    e->done = true;
    e->older = d->newest;
    e->newer = NONE;
    if (d->newest == NONE)
        d->oldest = at;
    else
        d->entries[d->newest].newer = at;
    d->newest = at;
}

static void unlink_done(rk_dedup *d, const entry *e)
{
    if (e->older == NONE)
        d->oldest = e->newer;
    else
        d->entries[e->older].newer = e->newer;
    if (e->newer == NONE)
        d->newest = e->older;
    else
        d->entries[e->newer].older = e->older;
}

static void release(rk_dedup *d, uint32_t at)
{
    entry *e = &d->entries[at];
    uint32_t *link = bucket_of(d, &e->id);
    while (*link != at)
        link = &d->entries[*link].chain;
    *link = e->chain;
    if (e->done)
        unlink_done(d, e);
    assert(d->bytes >= e->result_len && d->used > 0);
    d->bytes -= e->result_len;
    d->used--;
    free(e->result);
    *e = (entry){.chain = d->free};
    d->free = at;
}

/* --- operations ------------------------------------------------------------------------------- */

static rk_status take_in(rk_dedup *d, const rk_operation_id *id, rk_error *err)
{
    if (d->free == NONE && d->oldest != NONE)
        release(d, d->oldest);
    if (d->free == NONE)
        return rk_error_set(err, RK_BUSY, "%u operations are under way, as many as may be",
                            d->used);
    uint32_t at = d->free;
    uint32_t *bucket = bucket_of(d, id);
    d->free = d->entries[at].chain;
    d->entries[at] = (entry){.id = *id, .chain = *bucket, .older = NONE, .newer = NONE};
    *bucket = at;
    d->used++;
    return RK_OK;
}

rk_status rk_dedup_begin(rk_dedup *dedup, const rk_operation_id *id, rk_dedup_state *state,
                         rk_slice *result, rk_error *err)
{
    assert(dedup && id && state && result);
    uint32_t at = find(dedup, id);
    if (at == NONE) {
        rk_status status = take_in(dedup, id, err);
        if (status == RK_OK)
            *state = RK_DEDUP_NEW;
        return status;
    }
    const entry *e = &dedup->entries[at];
    *state = e->done ? RK_DEDUP_DONE : RK_DEDUP_PENDING;
    if (e->done)
        *result = rk_slice_of(e->result, e->result_len);
    return RK_OK;
}

rk_status rk_dedup_finish(rk_dedup *dedup, const rk_operation_id *id, rk_slice result,
                          rk_error *err)
{
    assert(dedup && id && (result.ptr || result.len == 0));
    uint32_t at = find(dedup, id);
    if (at == NONE || dedup->entries[at].done)
        return rk_error_set(err, RK_NOT_FOUND, "no such operation is under way");
    if (result.len > dedup->bytes_max)
        return rk_error_set(err, RK_LIMIT, "result of %zu bytes; the operation table holds %zu",
                            result.len, dedup->bytes_max);
    uint8_t *copy = NULL;
    if (result.len > 0) {
        copy = malloc(result.len);
        if (!copy)
            return rk_error_set(err, RK_NOMEM, "out of memory for a result of %zu bytes",
                                result.len);
        memcpy(copy, result.ptr, result.len);
    }
    while (dedup->bytes > dedup->bytes_max - result.len)
        release(dedup, dedup->oldest);
    dedup->entries[at].result = copy;
    dedup->entries[at].result_len = result.len;
    dedup->bytes += result.len;
    append_done(dedup, at);
    return RK_OK;
}

void rk_dedup_forget(rk_dedup *dedup, const rk_operation_id *id)
{
    assert(dedup && id);
    uint32_t at = find(dedup, id);
    if (at != NONE)
        release(dedup, at);
}

uint32_t rk_dedup_entries(const rk_dedup *dedup)
{
    assert(dedup);
    return dedup->used;
}

size_t rk_dedup_bytes(const rk_dedup *dedup)
{
    assert(dedup);
    return dedup->bytes;
}
