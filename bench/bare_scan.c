/* bare_scan: one cursor over a whole table, in one snapshot.
 *
 *     bare_scan DIR TABLE            walks and tells old keys from new ones
 *     bare_scan DIR TABLE --capsules and finds each record's capsule in its value
 *     bare_scan DIR TABLE --hash     and hashes each record, key and value, with BLAKE2b
 *
 * Prints records by shape, their bytes, how many each capsule has, and the sum of the hashes of old
 * and of new ones.
 */
#include <lmdb.h>
#include <sodium.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/bare_env.h"
#include "bench/bare_keys.h"
#include "bench/samples.h"

#define CAPSULES_MAX      16
#define CAPSULE_BYTES_MAX 64

typedef enum scan_look { LOOK_AT_KEYS, LOOK_FOR_CAPSULES, LOOK_AT_ALL } scan_look;

typedef struct side {
    size_t records;
    uint64_t sum;
} side;

typedef struct tally {
    size_t count;
    struct {
        char name[CAPSULE_BYTES_MAX];
        size_t len;
        size_t records;
    } of[CAPSULES_MAX];
} tally;

static void count_capsule(tally *t, const MDB_val *capsule)
{
    size_t i = 0;
    while (i < t->count && (t->of[i].len != capsule->mv_size ||
                            memcmp(t->of[i].name, capsule->mv_data, capsule->mv_size) != 0))
        i++;
    if (i == t->count) {
        if (i == CAPSULES_MAX || capsule->mv_size > CAPSULE_BYTES_MAX)
            bare_fail("count capsules", "more of them, or longer ones, than there is room for");
        memcpy(t->of[i].name, capsule->mv_data, capsule->mv_size);
        t->of[i].len = capsule->mv_size;
        t->count++;
    }
    t->of[i].records++;
}

static uint64_t hash_of(const MDB_val *key, const MDB_val *value)
{
    crypto_generichash_state state;
    unsigned char digest[crypto_generichash_BYTES];
    uint64_t head;
    crypto_generichash_init(&state, NULL, 0, sizeof digest);
    crypto_generichash_update(&state, key->mv_data, key->mv_size);
    crypto_generichash_update(&state, value->mv_data, value->mv_size);
    crypto_generichash_final(&state, digest, sizeof digest);
    memcpy(&head, digest, sizeof head);
    return head;
}

static void print_capsules(const tally *t)
{
    printf("\"capsules\": {");
    for (size_t i = 0; i < t->count; i++)
        printf("%s\"%.*s\": %zu", i ? ", " : "", (int)t->of[i].len, t->of[i].name,
               t->of[i].records);
    printf("}, ");
}

static void scan(const char *dir, const char *table, scan_look look)
{
    MDB_val key, value;
    side sides[BARE_SHAPES] = {0};
    tally capsules = {0};
    size_t bytes = 0;
    uint64_t start = bench_now_ns();
    MDB_cursor *cursor = bare_walk_open(dir, table);
    while (bare_walk_next(cursor, &key, &value) == MDB_SUCCESS) {
        side *at = &sides[bare_shape_of(&key)];
        at->records++;
        bytes += key.mv_size + value.mv_size;
        if (look == LOOK_AT_ALL)
            at->sum += hash_of(&key, &value);
        if (look == LOOK_FOR_CAPSULES) {
            MDB_val capsule = bare_capsule(&value);
            count_capsule(&capsules, &capsule);
        }
    }
    bare_walk_close(cursor);
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    printf("{");
    print_capsules(&capsules);
    printf("\"old\": %zu, \"new\": %zu, \"other\": %zu, \"bytes\": %zu, \"old_sum\": %" PRIu64
           ", \"new_sum\": %" PRIu64 ", \"seconds\": %.6f}\n",
           sides[BARE_OLD].records, sides[BARE_NEW].records, sides[BARE_OTHER].records, bytes,
           sides[BARE_OLD].sum, sides[BARE_NEW].sum, seconds);
}

int main(int argc, char **argv)
{
    scan_look look = LOOK_AT_KEYS;
    if (argc == 4 && strcmp(argv[3], "--hash") == 0)
        look = LOOK_AT_ALL;
    else if (argc == 4 && strcmp(argv[3], "--capsules") == 0)
        look = LOOK_FOR_CAPSULES;
    else if (argc != 3) {
        fprintf(stderr, "usage: bare_scan DIR TABLE [--capsules | --hash]\n");
        return 64;
    }
    if (sodium_init() < 0)
        bare_fail("start libsodium", "no source of randomness");
    scan(argv[1], argv[2], look);
    return 0;
}
