/* arena.h: memory that is given back all at once.
 *
 * One arena a batch: allocations are a pointer bump, reset keeps the chunks, so that in the steady
 * state the hot path calls malloc for no record.
 *
 * Invariants
 *   - Memory handed out stays valid, at its address, until reset or fini.
 *   - The bytes of all chunks together never pass `bytes_max`.
 *
 * Threading: one arena belongs to one thread at a time.
 */
#ifndef REKEY_BASE_ARENA_H
#define REKEY_BASE_ARENA_H

#include <rekey/slice.h>
#include <rekey/status.h>

typedef struct rk_arena_chunk rk_arena_chunk;

typedef struct rk_arena {
    rk_arena_chunk *first;
    rk_arena_chunk *current;
    size_t used;       /* bytes used in `current` */
    size_t bytes_held; /* in all chunks */
    size_t bytes_max;
    size_t handed_out; /* since the last reset, for budgets */
} rk_arena;

void rk_arena_init(rk_arena *arena, size_t bytes_max);
void rk_arena_fini(rk_arena *arena);

/* Forgets every allocation, keeps the chunks for the next round. */
void rk_arena_reset(rk_arena *arena);

/* `size` bytes aligned for any type, not zeroed; NULL past the cap or out of memory. Size 0 gives
 * a valid pointer. */
void *rk_arena_alloc(rk_arena *arena, size_t size);

/* Copies bytes into the arena. RK_LIMIT past the cap. */
rk_status rk_arena_copy(rk_arena *arena, rk_slice bytes, rk_slice *out, rk_error *err);

#endif
