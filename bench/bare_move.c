/* bare_move: the move of bench/, as somebody would write it by hand on LMDB.
 *
 * A read cursor walks the old keys; ten thousand records at a time are copied, put under the key
 * with the capsule of their value in it, and deleted at the old key, in one durable transaction.
 * No conditions, no checkpoint, no validation, no other writers: what a careful engine costs is the
 * distance from this program.
 *
 *     bare_move DIR TABLE                moves; prints records and seconds
 *     bare_move --count DIR TABLE        prints records by shape: OLD NEW OTHER
 *     bare_move --same DIR DIR2 TABLE    exit 0 when both tables hold the same bytes
 *     bare_move --digest DIR TABLE       prints the sum of its records' hashes: those of a table's
 *                                        parts add up to its own, modulo 2^64
 */
#include <lmdb.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH_RECORDS 10000
#define KEY_BYTES_MAX 512
#define MAP_BYTES     ((size_t)64 << 30)

static void check(int rc, const char *what)
{
    if (rc == MDB_SUCCESS)
        return;
    fprintf(stderr, "bare_move: %s: %s\n", what, mdb_strerror(rc));
    exit(1);
}

static MDB_env *open_env(const char *dir, unsigned flags)
{
    MDB_env *env;
    check(mdb_env_create(&env), "create environment");
    check(mdb_env_set_maxdbs(env, 16), "set tables");
    check(mdb_env_set_mapsize(env, MAP_BYTES), "set map size");
    check(mdb_env_open(env, dir, flags | MDB_NOTLS, 0644), dir);
    return env;
}

static MDB_dbi open_table(MDB_env *env, const char *name)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "begin");
    check(mdb_dbi_open(txn, name, 0, &dbi), name);
    check(mdb_txn_commit(txn), "commit");
    return dbi;
}

/* --- keys ------------------------------------------------------------------------------------- */

typedef enum shape { SHAPE_OLD, SHAPE_NEW, SHAPE_OTHER } shape;

/* Where the rest of TENANT#{tenant}#... begins; NULL for another key. */
static const char *after_tenant(const MDB_val *key)
{
    const char *text = key->mv_data;
    if (key->mv_size < 8 || memcmp(text, "TENANT#", 7) != 0)
        return NULL;
    const char *end = memchr(text + 7, '#', key->mv_size - 7);
    return end ? end + 1 : NULL;
}

static shape shape_of(const MDB_val *key)
{
    const char *rest = after_tenant(key);
    size_t len = rest ? key->mv_size - (size_t)(rest - (const char *)key->mv_data) : 0;
    if (len > 9 && memcmp(rest, "CONTRACT#", 9) == 0)
        return SHAPE_OLD;
    return len > 8 && memcmp(rest, "CAPSULE#", 8) == 0 ? SHAPE_NEW : SHAPE_OTHER;
}

static const char *find(const char *text, size_t len, const char *wanted)
{
    size_t wanted_len = strlen(wanted);
    for (const char *end = text + len; len >= wanted_len; len = (size_t)(end - text)) {
        text = memchr(text, wanted[0], len - wanted_len + 1);
        if (!text)
            return NULL;
        if (memcmp(text, wanted, wanted_len) == 0)
            return text;
        text++;
    }
    return NULL;
}

static size_t build_key(const MDB_val *key, const MDB_val *value, char *out)
{
    static const char field[] = "\"capsule_id\":\"";
    const char *rest = after_tenant(key);
    const char *capsule = find(value->mv_data, value->mv_size, field);
    size_t head = (size_t)(rest - (const char *)key->mv_data);
    if (!capsule) {
        fprintf(stderr, "bare_move: a record without a capsule\n");
        exit(1);
    }
    capsule += sizeof field - 1;
    size_t room = value->mv_size - (size_t)(capsule - (const char *)value->mv_data);
    const char *end = memchr(capsule, '"', room);
    size_t capsule_len = end ? (size_t)(end - capsule) : 0;
    size_t len = key->mv_size + 8 + capsule_len + 1;
    if (capsule_len == 0 || len > 511) {
        fprintf(stderr, "bare_move: a record that cannot move\n");
        exit(1);
    }
    memcpy(out, key->mv_data, head);
    memcpy(out + head, "CAPSULE#", 8);
    memcpy(out + head + 8, capsule, capsule_len);
    out[head + 8 + capsule_len] = '#';
    memcpy(out + head + 8 + capsule_len + 1, rest, key->mv_size - head);
    return len;
}

/* --- the move --------------------------------------------------------------------------------- */

/* One batch: keys and values one behind the other in `bytes`. */
typedef struct batch {
    size_t count;
    size_t used;
    size_t cap;
    char *bytes;
    struct {
        size_t key, key_len, value, value_len;
    } at[BATCH_RECORDS];
} batch;

static size_t keep(batch *b, const MDB_val *bytes)
{
    if (b->used + bytes->mv_size > b->cap) {
        b->cap = (b->cap + bytes->mv_size) * 2;
        b->bytes = realloc(b->bytes, b->cap);
        if (!b->bytes)
            exit(1);
    }
    size_t at = b->used;
    memcpy(b->bytes + at, bytes->mv_data, bytes->mv_size);
    b->used += bytes->mv_size;
    return at;
}

/* Reads the next old records from `from` on; `from` becomes the last one's key. */
static void read_batch(MDB_txn *txn, MDB_cursor *cursor, batch *b, char *from, size_t *from_len)
{
    MDB_val key = {*from_len, from};
    MDB_val value;
    check(mdb_txn_renew(txn), "renew");
    check(mdb_cursor_renew(txn, cursor), "renew cursor");
    b->count = 0;
    b->used = 0;
    int rc = mdb_cursor_get(cursor, &key, &value, *from_len ? MDB_SET_RANGE : MDB_FIRST);
    while (rc == MDB_SUCCESS && b->count < BATCH_RECORDS) {
        if (shape_of(&key) == SHAPE_OLD) {
            b->at[b->count].key_len = key.mv_size;
            b->at[b->count].value_len = value.mv_size;
            b->at[b->count].key = keep(b, &key);
            b->at[b->count++].value = keep(b, &value);
        }
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        check(rc, "read");
    mdb_txn_reset(txn);
    if (b->count > 0) {
        *from_len = b->at[b->count - 1].key_len;
        memcpy(from, b->bytes + b->at[b->count - 1].key, *from_len);
    }
}

static void write_batch(MDB_env *env, MDB_dbi dbi, const batch *b)
{
    MDB_txn *txn;
    char made[KEY_BYTES_MAX];
    check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    for (size_t i = 0; i < b->count; i++) {
        MDB_val key = {b->at[i].key_len, b->bytes + b->at[i].key};
        MDB_val value = {b->at[i].value_len, b->bytes + b->at[i].value};
        MDB_val new_key = {build_key(&key, &value, made), made};
        check(mdb_put(txn, dbi, &new_key, &value, 0), "put");
        check(mdb_del(txn, dbi, &key, NULL), "delete");
    }
    check(mdb_txn_commit(txn), "commit");
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void move(const char *dir, const char *table)
{
    static batch b;
    MDB_env *env = open_env(dir, 0);
    MDB_dbi dbi = open_table(env, table);
    MDB_txn *reader;
    MDB_cursor *cursor;
    char from[KEY_BYTES_MAX];
    size_t from_len = 0;
    size_t moved = 0;
    double start = now();
    check(mdb_txn_begin(env, NULL, MDB_RDONLY, &reader), "begin");
    check(mdb_cursor_open(reader, dbi, &cursor), "open cursor");
    mdb_txn_reset(reader);
    for (;;) {
        read_batch(reader, cursor, &b, from, &from_len);
        if (b.count == 0)
            break;
        write_batch(env, dbi, &b);
        moved += b.count;
    }
    double seconds = now() - start;
    mdb_cursor_close(cursor);
    mdb_txn_abort(reader);
    mdb_env_close(env);
    free(b.bytes);
    printf("{\"changes\": %zu, \"seconds\": %.6f}\n", moved, seconds);
}

/* --- checks ----------------------------------------------------------------------------------- */

static MDB_cursor *open_walk(MDB_env *env, MDB_dbi dbi)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "begin");
    check(mdb_cursor_open(txn, dbi, &cursor), "open cursor");
    return cursor;
}

static void close_walk(MDB_env *env, MDB_cursor *cursor)
{
    MDB_txn *txn = mdb_cursor_txn(cursor);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
}

static void count(const char *dir, const char *table)
{
    MDB_env *env = open_env(dir, MDB_RDONLY);
    MDB_cursor *cursor = open_walk(env, open_table(env, table));
    MDB_val key, value;
    size_t found[3] = {0};
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS)
        found[shape_of(&key)]++;
    close_walk(env, cursor);
    printf("%zu %zu %zu\n", found[SHAPE_OLD], found[SHAPE_NEW], found[SHAPE_OTHER]);
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
    MDB_env *env = open_env(dir, MDB_RDONLY);
    MDB_cursor *cursor = open_walk(env, open_table(env, table));
    MDB_val key, value;
    uint64_t sum = 0;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS)
        sum += hash_on(hash_on(UINT64_C(0xcbf29ce484222325), &key), &value);
    close_walk(env, cursor);
    printf("%" PRIu64 "\n", sum);
}

static bool same_bytes(const MDB_val *a, const MDB_val *b)
{
    return a->mv_size == b->mv_size && memcmp(a->mv_data, b->mv_data, a->mv_size) == 0;
}

static bool same(const char *dir_a, const char *dir_b, const char *table)
{
    MDB_env *env_a = open_env(dir_a, MDB_RDONLY);
    MDB_env *env_b = open_env(dir_b, MDB_RDONLY);
    MDB_cursor *a = open_walk(env_a, open_table(env_a, table));
    MDB_cursor *b = open_walk(env_b, open_table(env_b, table));
    MDB_val key_a, value_a, key_b, value_b;
    int rc_a, rc_b;
    bool equal = true;
    do {
        rc_a = mdb_cursor_get(a, &key_a, &value_a, MDB_NEXT);
        rc_b = mdb_cursor_get(b, &key_b, &value_b, MDB_NEXT);
        equal = rc_a == rc_b && (rc_a != MDB_SUCCESS ||
                                 (same_bytes(&key_a, &key_b) && same_bytes(&value_a, &value_b)));
    } while (equal && rc_a == MDB_SUCCESS);
    close_walk(env_a, a);
    close_walk(env_b, b);
    return equal && rc_a == MDB_NOTFOUND;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--count") == 0)
        count(argv[2], argv[3]);
    else if (argc == 4 && strcmp(argv[1], "--digest") == 0)
        digest(argv[2], argv[3]);
    else if (argc == 5 && strcmp(argv[1], "--same") == 0)
        return same(argv[2], argv[3], argv[4]) ? 0 : 1;
    else if (argc == 3)
        move(argv[1], argv[2]);
    else {
        fprintf(stderr,
                "usage: bare_move [--count | --digest] DIR TABLE | --same DIR DIR2 TABLE\n");
        return 64;
    }
    return 0;
}
