/* bare_delete: deletes the old records, as somebody would after a dual write.
 *
 * One write cursor walks the old keys of each tenant and deletes where it stands, ten thousand
 * records a transaction. It asks nothing; with --checked it deletes only where the new record is
 * there with the same value, and ends the program where it is not.
 *
 *     bare_delete DIR TABLE [--index NAME] [--checked] [--batch N]
 */
#include <lmdb.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bench/bare_env.h"
#include "bench/bare_keys.h"
#include "bench/samples.h"

typedef struct deletion {
    MDB_env *env;
    MDB_dbi records;
    MDB_dbi index;
    bool has_index;
    bool checked;
    size_t batch;
    char from[BARE_KEY_BYTES_MAX]; /* where the next transaction goes on */
    size_t from_len;
} deletion;

static void expect_new(const deletion *d, MDB_txn *txn, const MDB_val *key, const MDB_val *value)
{
    char made[BARE_KEY_BYTES_MAX];
    MDB_val capsule = bare_capsule(value);
    MDB_val new_key = {bare_new_key(key, &capsule, made), made};
    MDB_val found;
    bare_check(mdb_get(txn, d->records, &new_key, &found), "look for the new record");
    if (found.mv_size != value->mv_size || memcmp(found.mv_data, value->mv_data, found.mv_size))
        bare_fail("look for the new record", "it has another value");
}

static void delete_entry(const deletion *d, MDB_txn *txn, MDB_val *key, const MDB_val *value)
{
    char made[BARE_KEY_BYTES_MAX];
    MDB_val capsule = bare_capsule(value);
    MDB_val account = bare_account(value);
    MDB_val entry = {bare_old_entry(&capsule, &account, made), made};
    bare_check(mdb_del(txn, d->index, &entry, key), "delete index entry");
}

static void delete_record(const deletion *d, MDB_cursor *cursor, MDB_val *key, const MDB_val *value)
{
    MDB_txn *txn = mdb_cursor_txn(cursor);
    if (d->checked)
        expect_new(d, txn, key, value);
    if (d->has_index)
        delete_entry(d, txn, key, value);
    bare_check(mdb_cursor_del(cursor, 0), "delete");
}

/* One transaction; how many records it deleted, 0 at the end. A tenant's new keys come before its
 * old ones and are jumped over. */
static size_t delete_batch(deletion *d)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key = {d->from_len, d->from};
    MDB_val value;
    size_t deleted = 0;
    bare_check(mdb_txn_begin(d->env, NULL, 0, &txn), "begin");
    bare_check(mdb_cursor_open(txn, d->records, &cursor), "open cursor");
    int rc = mdb_cursor_get(cursor, &key, &value, d->from_len ? MDB_SET_RANGE : MDB_FIRST);
    while (rc == MDB_SUCCESS && deleted < d->batch) {
        bare_shape shape = bare_shape_of(&key);
        if (shape == BARE_OLD) {
            delete_record(d, cursor, &key, &value);
            deleted++;
        }
        if (shape == BARE_NEW) {
            d->from_len = bare_first_old(&key, d->from);
            key = (MDB_val){d->from_len, d->from};
        }
        rc = mdb_cursor_get(cursor, &key, &value, shape == BARE_NEW ? MDB_SET_RANGE : MDB_NEXT);
    }
    if (rc == MDB_SUCCESS) {
        d->from_len = key.mv_size;
        memcpy(d->from, key.mv_data, key.mv_size);
    } else if (rc != MDB_NOTFOUND)
        bare_check(rc, "read");
    mdb_cursor_close(cursor);
    bare_check(mdb_txn_commit(txn), "commit");
    return deleted;
}

static void delete_all(const char *dir, const char *table, const char *index, deletion *d)
{
    size_t deleted = 0;
    size_t count;
    d->env = bare_env_open(dir, 0);
    d->records = bare_table_open(d->env, table);
    d->has_index = index;
    if (index)
        d->index = bare_table_open(d->env, index);
    uint64_t start = bench_now_ns();
    while ((count = delete_batch(d)) > 0)
        deleted += count;
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    mdb_env_close(d->env);
    printf("{\"changes\": %zu, \"seconds\": %.6f}\n", deleted, seconds);
}

int main(int argc, char **argv)
{
    deletion d = {.batch = 10000};
    const char *words[2] = {NULL, NULL};
    const char *index = NULL;
    size_t word = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--checked") == 0)
            d.checked = true;
        else if (strcmp(argv[i], "--index") == 0 && i + 1 < argc)
            index = argv[++i];
        else if (strcmp(argv[i], "--batch") == 0 && i + 1 < argc)
            d.batch = bare_number(argv[++i]);
        else if (argv[i][0] != '-' && word < 2)
            words[word++] = argv[i];
        else
            word = 3;
    }
    if (word != 2) {
        fprintf(stderr, "usage: bare_delete DIR TABLE [--index NAME] [--checked] [--batch N]\n");
        return 64;
    }
    delete_all(words[0], words[1], index, &d);
    return 0;
}
