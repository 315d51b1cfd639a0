/* bare_check: what a store holds, read without rekey. The judge of every contestant.
 *
 *     bare_check --count DIR TABLE              prints records by shape: OLD NEW OTHER
 *     bare_check --same DIR DIR2 TABLE...       exit 0 when the tables hold the same bytes, else it
 *                                               prints which table and key differ
 *     bare_check --digest DIR TABLE             prints the sum of its records' hashes: those of a
 *                                               table's parts add up to its own, modulo 2^64
 */
#include <lmdb.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bench/bare_env.h"
#include "bench/bare_keys.h"

static void count(const char *dir, const char *table)
{
    MDB_cursor *cursor = bare_walk_open(dir, table);
    MDB_val key, value;
    size_t found[BARE_SHAPES] = {0};
    while (bare_walk_next(cursor, &key, &value) == MDB_SUCCESS)
        found[bare_shape_of(&key)]++;
    bare_walk_close(cursor);
    printf("%zu %zu %zu\n", found[BARE_OLD], found[BARE_NEW], found[BARE_OTHER]);
}

/* FNV-1a of 64 bits (Fowler, Noll, Vo), with the length in front of the bytes. */
static uint64_t hash_on(uint64_t hash, const MDB_val *bytes)
{
    const unsigned char *at = bytes->mv_data;
    hash = (hash ^ bytes->mv_size) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < bytes->mv_size; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void digest(const char *dir, const char *table)
{
    MDB_cursor *cursor = bare_walk_open(dir, table);
    MDB_val key, value;
    uint64_t sum = 0;
    while (bare_walk_next(cursor, &key, &value) == MDB_SUCCESS)
        sum += hash_on(hash_on(UINT64_C(0xcbf29ce484222325), &key), &value);
    bare_walk_close(cursor);
    printf("%" PRIu64 "\n", sum);
}

static bool same_bytes(const MDB_val *a, const MDB_val *b)
{
    return a->mv_size == b->mv_size && memcmp(a->mv_data, b->mv_data, a->mv_size) == 0;
}

static bool same(const char *dir_a, const char *dir_b, const char *table)
{
    MDB_cursor *a = bare_walk_open(dir_a, table);
    MDB_cursor *b = bare_walk_open(dir_b, table);
    MDB_val key_a, value_a, key_b, value_b;
    int rc_a, rc_b;
    bool equal = true;
    do {
        rc_a = bare_walk_next(a, &key_a, &value_a);
        rc_b = bare_walk_next(b, &key_b, &value_b);
        equal = rc_a == rc_b && (rc_a != MDB_SUCCESS ||
                                 (same_bytes(&key_a, &key_b) && same_bytes(&value_a, &value_b)));
    } while (equal && rc_a == MDB_SUCCESS);
    if (!equal) {
        const MDB_val *key = rc_a == MDB_SUCCESS ? &key_a : &key_b;
        printf("table %s differs at key %.*s\n", table, (int)key->mv_size,
               (const char *)key->mv_data);
    }
    bare_walk_close(a);
    bare_walk_close(b);
    return equal;
}

int main(int argc, char **argv)
{
    bool equal = true;
    if (argc == 4 && strcmp(argv[1], "--count") == 0)
        count(argv[2], argv[3]);
    else if (argc == 4 && strcmp(argv[1], "--digest") == 0)
        digest(argv[2], argv[3]);
    else if (argc >= 5 && strcmp(argv[1], "--same") == 0)
        for (int i = 4; i < argc; i++)
            equal = same(argv[2], argv[3], argv[i]) && equal;
    else {
        fprintf(stderr, "usage: bare_check [--count | --digest] DIR TABLE\n"
                        "       bare_check --same DIR DIR2 TABLE...\n");
        return 64;
    }
    return equal ? 0 : 1;
}
