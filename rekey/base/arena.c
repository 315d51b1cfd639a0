#include "rekey/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define CHUNK_BYTES ((size_t)64 * 1024)

struct rk_arena_chunk {
    rk_arena_chunk *next;
    size_t cap;
    alignas(max_align_t) uint8_t bytes[];
};

void rk_arena_init(rk_arena *arena, size_t bytes_max)
{
    *arena = (rk_arena){.bytes_max = bytes_max};
}

void rk_arena_fini(rk_arena *arena)
{
    for (rk_arena_chunk *chunk = arena->first; chunk;) {
        rk_arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *arena = (rk_arena){.bytes_max = arena->bytes_max};
}

void rk_arena_reset(rk_arena *arena)
{
    arena->current = arena->first;
    arena->used = 0;
    arena->handed_out = 0;
}

/* Moves on to a chunk with room for `size`: a kept one if it is large enough, else a new one put
 * in its place in the list. */
static bool next_chunk(rk_arena *arena, size_t size)
{
    rk_arena_chunk *kept = arena->current ? arena->current->next : arena->first;
    if (!kept || kept->cap < size) {
        size_t cap = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        if (cap > arena->bytes_max - arena->bytes_held)
            return false;
        rk_arena_chunk *chunk = malloc(sizeof *chunk + cap);
        if (!chunk)
            return false;
        chunk->cap = cap;
        chunk->next = kept;
        if (arena->current)
            arena->current->next = chunk;
        else
            arena->first = chunk;
        arena->bytes_held += cap;
        kept = chunk;
    }
    arena->current = kept;
    arena->used = 0;
    return true;
}

void *rk_arena_alloc(rk_arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > arena->bytes_max)
        return NULL;
    size_t rounded = (size + align - 1) / align * align;
    if (!arena->current || arena->current->cap - arena->used < rounded) {
        if (!next_chunk(arena, rounded))
            return NULL;
    }
    void *out = arena->current->bytes + arena->used;
    arena->used += rounded;
    arena->handed_out += rounded;
    return out;
}

rk_status rk_arena_copy(rk_arena *arena, rk_slice bytes, rk_slice *out, rk_error *err)
{
    uint8_t *copy = rk_arena_alloc(arena, bytes.len);
    if (!copy)
        return rk_error_set(err, RK_LIMIT, "%zu more bytes pass the batch's limit of %zu",
                            bytes.len, arena->bytes_max);
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    *out = rk_slice_of(copy, bytes.len);
    return RK_OK;
}
