/* bare_move: the moves of bench/, as somebody would write them by hand on LMDB.
 *
 * A read cursor walks the old keys; a batch of records is copied, put under the keys with the
 * capsule of their values in them, and deleted at the old keys, in one durable transaction. No
 * conditions, no checkpoint, no validation, no other writers: what a careful engine costs is the
 * distance from this program.
 *
 *     bare_move DIR TABLE                  prints changes, transactions and seconds
 *     bare_move DIR TABLE --index gsi1     the index entries too
 *     bare_move DIR TABLE --keep           a dual write: what is old stays
 *     bare_move DIR TABLE --batch 1 --most 2000
 */
#include <lmdb.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bare_env.h"
#include "bench/bare_keys.h"
#include "bench/samples.h"

typedef struct options {
    const char *dir;
    const char *table;
    const char *index; /* NULL: none */
    bool keep;
    size_t batch;
    size_t most;
} options;

typedef struct target {
    MDB_env *env;
    MDB_dbi records;
    MDB_dbi index;
    bool has_index;
    bool keep;
} target;

/* --- reading ---------------------------------------------------------------------------------- */

/* One batch: keys and values one behind the other in `bytes`. */
typedef struct batch {
    size_t count;
    size_t used;
    size_t cap;
    char *bytes;
    struct record {
        size_t key, key_len, value, value_len;
    } * at;
} batch;

static size_t keep_bytes(batch *b, const MDB_val *bytes)
{
    if (b->used + bytes->mv_size > b->cap) {
        b->cap = (b->cap + bytes->mv_size) * 2;
        b->bytes = realloc(b->bytes, b->cap);
        if (!b->bytes)
            bare_fail("read a batch", "out of memory");
    }
    size_t at = b->used;
    memcpy(b->bytes + at, bytes->mv_data, bytes->mv_size);
    b->used += bytes->mv_size;
    return at;
}

/* Reads the next old records from `from` on, `most` of them; `from` becomes the last one's key. */
static void read_batch(MDB_cursor *cursor, batch *b, size_t most, char *from, size_t *from_len)
{
    MDB_txn *txn = mdb_cursor_txn(cursor);
    MDB_val key = {*from_len, from};
    MDB_val value;
    bare_check(mdb_txn_renew(txn), "renew");
    bare_check(mdb_cursor_renew(txn, cursor), "renew cursor");
    b->count = 0;
    b->used = 0;
    int rc = mdb_cursor_get(cursor, &key, &value, *from_len ? MDB_SET_RANGE : MDB_FIRST);
    /* A dual write leaves the last batch's last record where it was. */
    if (rc == MDB_SUCCESS && key.mv_size == *from_len && memcmp(key.mv_data, from, *from_len) == 0)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    while (rc == MDB_SUCCESS && b->count < most) {
        if (bare_shape_of(&key) == BARE_OLD) {
            b->at[b->count].key_len = key.mv_size;
            b->at[b->count].value_len = value.mv_size;
            b->at[b->count].key = keep_bytes(b, &key);
            b->at[b->count++].value = keep_bytes(b, &value);
        }
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND)
        bare_check(rc, "read");
    mdb_txn_reset(txn);
    if (b->count > 0) {
        *from_len = b->at[b->count - 1].key_len;
        memcpy(from, b->bytes + b->at[b->count - 1].key, *from_len);
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_entries(const target *to, MDB_txn *txn, MDB_val *key, MDB_val *new_key,
                          const MDB_val *capsule, const MDB_val *value)
{
    char made[BARE_KEY_BYTES_MAX];
    MDB_val account = bare_account(value);
    MDB_val entry = {bare_new_entry(key, capsule, &account, made), made};
    bare_check(mdb_put(txn, to->index, &entry, new_key, 0), "put index entry");
    if (to->keep)
        return;
    entry.mv_size = bare_old_entry(capsule, &account, made);
    bare_check(mdb_del(txn, to->index, &entry, key), "delete index entry");
}

static void write_batch(const target *to, const batch *b)
{
    MDB_txn *txn;
    char made[BARE_KEY_BYTES_MAX];
    bare_check(mdb_txn_begin(to->env, NULL, 0, &txn), "begin");
    for (size_t i = 0; i < b->count; i++) {
        MDB_val key = {b->at[i].key_len, b->bytes + b->at[i].key};
        MDB_val value = {b->at[i].value_len, b->bytes + b->at[i].value};
        MDB_val capsule = bare_capsule(&value);
        MDB_val new_key = {bare_new_key(&key, &capsule, made), made};
        bare_check(mdb_put(txn, to->records, &new_key, &value, 0), "put");
        if (!to->keep)
            bare_check(mdb_del(txn, to->records, &key, NULL), "delete");
        if (to->has_index)
            write_entries(to, txn, &key, &new_key, &capsule, &value);
    }
    bare_check(mdb_txn_commit(txn), "commit");
}

/* --- the move --------------------------------------------------------------------------------- */

static void move(const options *o)
{
    batch b = {.at = calloc(o->batch, sizeof *b.at)};
    target to = {.env = bare_env_open(o->dir, 0), .has_index = o->index, .keep = o->keep};
    MDB_txn *reader;
    MDB_cursor *cursor;
    char from[BARE_KEY_BYTES_MAX];
    size_t from_len = 0;
    size_t moved = 0;
    size_t transactions = 0;
    if (!b.at)
        bare_fail("start", "out of memory");
    to.records = bare_table_open(to.env, o->table);
    if (o->index)
        to.index = bare_table_open(to.env, o->index);
    uint64_t start = bench_now_ns();
    bare_check(mdb_txn_begin(to.env, NULL, MDB_RDONLY, &reader), "begin");
    bare_check(mdb_cursor_open(reader, to.records, &cursor), "open cursor");
    mdb_txn_reset(reader);
    while (moved < o->most) {
        size_t left = o->most - moved;
        read_batch(cursor, &b, left < o->batch ? left : o->batch, from, &from_len);
        if (b.count == 0)
            break;
        write_batch(&to, &b);
        moved += b.count;
        transactions++;
    }
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    mdb_cursor_close(cursor);
    mdb_txn_abort(reader);
    mdb_env_close(to.env);
    free(b.bytes);
    free(b.at);
    printf("{\"changes\": %zu, \"transactions\": %zu, \"seconds\": %.6f}\n", moved, transactions,
           seconds);
}

int main(int argc, char **argv)
{
    options o = {.batch = 10000, .most = SIZE_MAX};
    bool usage = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--keep") == 0)
            o.keep = true;
        else if (strcmp(argv[i], "--index") == 0 && i + 1 < argc)
            o.index = argv[++i];
        else if (strcmp(argv[i], "--batch") == 0 && i + 1 < argc)
            o.batch = bare_number(argv[++i]);
        else if (strcmp(argv[i], "--most") == 0 && i + 1 < argc)
            o.most = bare_number(argv[++i]);
        else if (argv[i][0] != '-' && !o.dir)
            o.dir = argv[i];
        else if (argv[i][0] != '-' && !o.table)
            o.table = argv[i];
        else
            usage = true;
    }
    if (usage || !o.table) {
        fprintf(stderr, "usage: bare_move DIR TABLE [--index NAME] [--keep] [--batch N] "
                        "[--most N]\n");
        return 64;
    }
    move(&o);
    return 0;
}
