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

/* Frees a chunk and all behind it. */
static void free_chunks(rk_arena *arena, rk_arena_chunk **link)
{
    rk_arena_chunk *chunk = *link;
    *link = NULL;
    while (chunk) {
        rk_arena_chunk *next = chunk->next;
        arena->bytes_held -= chunk->cap;
        free(chunk);
        chunk = next;
    }
}

void rk_arena_fini(rk_arena *arena)
{
    if (!arena)
        return;
    free_chunks(arena, &arena->first);
    *arena = (rk_arena){.bytes_max = arena->bytes_max};
}

void rk_arena_reset(rk_arena *arena)
{
    arena->current = arena->first;
    arena->used = 0;
    arena->handed_out = 0;
}

/* Whether a chunk of `size` keeps the cap. Kept chunks that hold nothing are given up for it: what
 * fits must not depend on the sizes of earlier rounds. */
static bool make_room(rk_arena *arena, size_t size)
{
    if (size > arena->bytes_max - arena->bytes_held && arena->current) {
        free_chunks(arena, &arena->current->next);
        if (arena->current == arena->first && arena->used == 0) {
            free_chunks(arena, &arena->first);
            arena->current = NULL;
        }
    }
    return size <= arena->bytes_max - arena->bytes_held;
}

/* Moves on to a chunk with room for `size`: a kept one if it is large enough, else a new one put
 * in its place in the list. */
static bool next_chunk(rk_arena *arena, size_t size)
{
    rk_arena_chunk *kept = arena->current ? arena->current->next : arena->first;
    if (!kept || kept->cap < size) {
        if (!make_room(arena, size))
            return false;
        kept = arena->current ? arena->current->next : arena->first;
        size_t room = arena->bytes_max - arena->bytes_held;
        size_t cap = size > CHUNK_BYTES ? size : CHUNK_BYTES < room ? CHUNK_BYTES : room;
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
    size_t padding = (align - arena->used % align) % align;
    if (!arena->current || padding > arena->current->cap - arena->used ||
        size > arena->current->cap - arena->used - padding) {
        if (!next_chunk(arena, size))
            return NULL;
        padding = 0;
    }
    void *out = arena->current->bytes + arena->used + padding;
    arena->used += padding + size;
    arena->handed_out += padding + size;
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
