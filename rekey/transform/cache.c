/* cache.c: capsules of parents that were found, by the parents' old keys.
 *
 * Direct-mapped: a key has one slot, and a newer key takes it. Slots hold the key itself, so that
 * two keys with one hash are never taken for each other; a key that does not fit is not cached.
 * Only positive answers: a parent that is absent now may be written a moment later.
 */
#include "rekey/transform/internal.h"

#include <assert.h>
#include <stdlib.h>

#define SLOT_KEY_BYTES 121

/* 128 bytes: two lines of a processor's cache. */
typedef struct slot {
    uint32_t generation; /* of the cache when it was filled; 0 for never */
    uint8_t key_len;
    uint8_t capsule;
    bool sole;
    uint8_t key[SLOT_KEY_BYTES];
} slot;

static_assert(sizeof(slot) == 128, "a slot fills two cache lines");
static_assert(RK_CAPSULES_MAX <= UINT8_MAX, "a capsule fits a slot");

struct rki_cache {
    void *memory;
    slot *slots; /* in it, each at the beginning of a line */
    size_t mask; /* slots less one; a power of two less one */
    uint32_t generation;
};

rk_status rki_cache_create(size_t entries, rki_cache **out, rk_error *err)
{
    if (entries == 0) {
        *out = NULL;
        return RK_OK;
    }
    size_t count = 1;
    while (count <= entries / 2)
        count *= 2;

    /* Zeroed by the system, page by page as it is used; aligned here: most keys then end in the
     * slot's first line. */
    rki_cache *cache = calloc(1, sizeof *cache);
    void *memory = calloc(count + 1, sizeof(slot));
    if (!cache || !memory) {
        free(cache);
        free(memory);
        return rk_error_set(err, RK_NOMEM, "cache of %zu parents: out of memory", count);
    }
    uintptr_t past = (uintptr_t)memory % sizeof(slot);
    slot *slots = (slot *)(void *)((uint8_t *)memory + (past ? sizeof(slot) - past : 0));
    *cache = (rki_cache){memory, slots, count - 1, 1};
    *out = cache;
    return RK_OK;
}

void rki_cache_destroy(rki_cache *cache)
{
    if (!cache)
        return;
    free(cache->memory);
    free(cache);
}

void rki_cache_forget(rki_cache *cache)
{
    if (!cache)
        return;
    cache->generation++;
    if (cache->generation == 0) {
        memset(cache->slots, 0, (cache->mask + 1) * sizeof *cache->slots);
        cache->generation = 1;
    }
}

static uint64_t load(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Eight bytes a round, the last ones with some of those before them, multiplied into each other;
 * the end is half of MurmurHash3's finaliser (Appleby, public domain). It need not withstand an
 * attacker: the worst that collisions do is to make the cache useless. */
static size_t hash(rk_slice key)
{
    const uint64_t factor = UINT64_C(0xff51afd7ed558ccd);
    uint64_t h = key.len;
    uint64_t last = 0;
    for (size_t at = 0; at + sizeof h < key.len; at += sizeof h) {
        h = (h ^ load(key.ptr + at)) * factor;
        h ^= h >> 32;
    }
    if (key.len >= sizeof h)
        last = load(key.ptr + key.len - sizeof h);
    else
        memcpy(&last, key.ptr, key.len);
    h = (h ^ last) * factor;
    h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (size_t)(h ^ (h >> 33));
}

int rki_cache_find(const rki_cache *cache, rk_slice key, bool *sole)
{
    if (!cache || key.len == 0 || key.len > SLOT_KEY_BYTES)
        return -1;
    const slot *found = &cache->slots[hash(key) & cache->mask];
    if (found->generation != cache->generation || found->key_len != key.len ||
        memcmp(found->key, key.ptr, key.len) != 0)
        return -1;
    *sole = found->sole;
    return found->capsule;
}

void rki_cache_put(rki_cache *cache, rk_slice key, int capsule, bool sole)
{
    assert(capsule >= 0 && capsule < RK_CAPSULES_MAX);
    if (!cache || key.len == 0 || key.len > SLOT_KEY_BYTES)
        return;
    slot *taken = &cache->slots[hash(key) & cache->mask];
    taken->generation = cache->generation;
    taken->key_len = (uint8_t)key.len;
    taken->capsule = (uint8_t)capsule;
    taken->sole = sole;
    memcpy(taken->key, key.ptr, key.len);
}
