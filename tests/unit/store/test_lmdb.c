/* The contract on LMDB, and what LMDB does that the adapter hides. */
#include "contract.h"
#include "folder.h"

#include <lmdb.h>
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- open ------------------------------------------------------------------------------------- */

static rk_status try_open(const char *path, rk_lmdb_mode mode, rk_error *err)
{
    rk_store *store = NULL;
    rk_lmdb_options options = {.mode = mode};
    rk_status status = rk_lmdb_open(path, &options, &store, err);
    assert_true((status == RK_OK) == (store != NULL));
    rk_store_close(store);
    return status;
}

static void test_second_open(void **state)
{
    const folder *f = *state;
    char link_path[300];
    rk_error err = {0};
    snprintf(link_path, sizeof link_path, "%s-link", f->path);
    assert_int_equal(symlink(f->path, link_path), 0);
    rk_store *store = folder_open(f, RK_LMDB_CREATE);
    assert_int_equal(try_open(f->path, RK_LMDB_CREATE, &err), RK_BUSY);
    assert_int_equal(try_open(f->path, RK_LMDB_READ, &err), RK_BUSY);
    assert_int_equal(try_open(link_path, RK_LMDB_WRITE, &err), RK_BUSY);
    assert_non_null(strstr(err.message, "already open"));
    rk_table table;
    must(rk_store_table(store, "t", RK_TABLE_RECORDS, true, &table, NULL));
    contract_put(store, table, "k", "v"); /* the first one is unharmed */
    rk_store_close(store);
    must(try_open(link_path, RK_LMDB_READ, NULL));
    must(try_open(f->path, RK_LMDB_WRITE, NULL));
    unlink(link_path);
}

static void test_nothing_there(void **state)
{
    const folder *f = *state;
    char path[300];
    rk_error err = {0};
    assert_int_equal(try_open(f->path, RK_LMDB_READ, &err), RK_NOT_FOUND);
    assert_int_equal(try_open(f->path, RK_LMDB_WRITE, &err), RK_NOT_FOUND);
    assert_int_equal(rmdir(f->path), 0); /* and so nothing was made in it */
    assert_int_equal(try_open(f->path, RK_LMDB_READ, &err), RK_NOT_FOUND);
    assert_non_null(strstr(err.message, f->path));
    assert_int_not_equal(access(f->path, F_OK), 0);

    must(try_open(f->path, RK_LMDB_CREATE, &err));
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/data.mdb", f->path);
    assert_int_equal(try_open(path, RK_LMDB_READ, &err), RK_NOT_FOUND); /* a file, no folder */
    snprintf(path, sizeof path, "%s/no/such/parent", f->path);
    assert_int_equal(try_open(path, RK_LMDB_CREATE, &err), RK_IO);
}

static void test_not_lmdb(void **state)
{
    const folder *f = *state;
    char name[300];
    rk_error err = {0};
    snprintf(name, sizeof name, "%s/data.mdb", f->path);
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(try_open(f->path, RK_LMDB_READ, &err), RK_NOT_FOUND); /* empty */
    for (int i = 0; i < 4000; i++)
        fputs("no database", file);
    fclose(file);
    assert_int_equal(try_open(f->path, RK_LMDB_READ, &err), RK_INVALID);
    assert_int_equal(try_open(f->path, RK_LMDB_CREATE, &err), RK_INVALID);
    assert_non_null(strstr(err.message, f->path));
}

static void test_permissions(void **state)
{
    const folder *f = *state;
    rk_error err = {0};
    if (geteuid() == 0)
        skip(); /* root may do everything */
    must(try_open(f->path, RK_LMDB_CREATE, NULL));
    assert_int_equal(chmod(f->path, 0), 0);
    rk_status status = try_open(f->path, RK_LMDB_WRITE, &err);
    chmod(f->path, 0700);
    assert_int_equal(status, RK_IO);
    assert_non_null(strstr(err.message, f->path));
    assert_non_null(strstr(err.message, strerror(EACCES)));
}

static void test_read_changes_nothing(void **state)
{
    const folder *f = *state;
    rk_error err = {0};
    rk_table table, none = 5;
    rk_store *store = folder_open(f, RK_LMDB_CREATE);
    must(rk_store_table(store, "t", RK_TABLE_RECORDS, true, &table, NULL));
    contract_put(store, table, "k", "v");
    rk_store_close(store);
    uint64_t before_len, after_len, before = folder_data_digest(f, &before_len);

    store = folder_open(f, RK_LMDB_READ);
    must(rk_store_table(store, "t", RK_TABLE_RECORDS, false, &table, NULL));
    rk_view *view = NULL;
    rk_txn *txn = NULL;
    rk_table_info *infos = NULL;
    size_t count;
    rk_slice value;
    must(rk_snapshot_open(store, &view, NULL));
    must(rk_view_get(view, table, rk_slice_str("k"), &value, NULL));
    rk_snapshot_close(view);
    must(rk_store_tables(store, &infos, &count, NULL));
    free(infos);
    assert_int_equal(rk_txn_begin(store, &txn, &err), RK_INVALID);
    assert_int_equal(rk_store_grow(store, &err), RK_INVALID);
    assert_int_equal(rk_store_table(store, "u", RK_TABLE_RECORDS, true, &none, &err), RK_INVALID);
    assert_int_equal(none, 5);
    rk_store_close(store);
    assert_int_equal(folder_data_digest(f, &after_len), before);
    assert_int_equal(after_len, before_len);
}

/* --- tables of other shapes, and the unnamed one ---------------------------------------------- */

typedef struct shape {
    const char *name;
    unsigned flags;
    bool ordinary;
    rk_table_kind kind;
} shape;

static const shape SHAPES[] = {
    {"plain", 0, true, RK_TABLE_RECORDS},
    {"dups", MDB_DUPSORT, true, RK_TABLE_INDEX},
    {"integer keys", MDB_INTEGERKEY, false, RK_TABLE_RECORDS},
    {"reverse keys", MDB_REVERSEKEY, false, RK_TABLE_RECORDS},
    {"fixed dups", MDB_DUPSORT | MDB_DUPFIXED, false, RK_TABLE_INDEX},
    {"integer dups", MDB_DUPSORT | MDB_DUPFIXED | MDB_INTEGERDUP, false, RK_TABLE_INDEX},
    {"reverse dups", MDB_DUPSORT | MDB_REVERSEDUP, false, RK_TABLE_INDEX},
};

#define LOOKS_LIKE "looks like a table" /* a record with the bytes of a table's descriptor */
#define PLAIN_48   "forty-eight bytes"

/* An application's environment: tables of all shapes, and records between their names. */
static void make_shapes(const folder *f)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi, unnamed;
    uint64_t number = 1;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
    assert_int_equal(mdb_env_open(env, f->path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    for (size_t i = 0; i < COUNT(SHAPES); i++) {
        MDB_val k = {sizeof number, &number}, v = k;
        assert_int_equal(mdb_dbi_open(txn, SHAPES[i].name, MDB_CREATE | SHAPES[i].flags, &dbi), 0);
        if (i != 0) /* the first stays empty: another descriptor */
            assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &unnamed), 0);
    MDB_val name = {4, "dups"}, descriptor;
    uint8_t copy[48];
    assert_int_equal(mdb_get(txn, unnamed, &name, &descriptor), 0);
    assert_int_equal(descriptor.mv_size, sizeof copy);
    memcpy(copy, descriptor.mv_data, sizeof copy);
    MDB_val key = {strlen(LOOKS_LIKE), LOOKS_LIKE}, value = {sizeof copy, copy};
    assert_int_equal(mdb_put(txn, unnamed, &key, &value, 0), 0);
    memset(copy, 'x', sizeof copy);
    key = (MDB_val){strlen(PLAIN_48), PLAIN_48};
    assert_int_equal(mdb_put(txn, unnamed, &key, &value, 0), 0);
    key = (MDB_val){1, "a"};
    assert_int_equal(mdb_put(txn, unnamed, &key, &key, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void test_shapes(void **state)
{
    const folder *f = *state;
    make_shapes(f);
    rk_store *store = folder_open(f, RK_LMDB_WRITE);
    rk_table_info *infos = NULL;
    size_t count = 0, found = 0;
    must(rk_store_tables(store, &infos, &count, NULL));
    assert_int_equal(count, 1 + COUNT(SHAPES));
    assert_string_equal(infos[0].name, "");
    assert_int_equal(infos[0].entries, 3);
    assert_true(infos[0].ordinary);
    for (size_t i = 1; i < count; i++) {
        for (size_t s = 0; s < COUNT(SHAPES); s++) {
            if (strcmp(infos[i].name, SHAPES[s].name) != 0)
                continue;
            assert_int_equal(infos[i].ordinary, SHAPES[s].ordinary);
            assert_int_equal(infos[i].kind, SHAPES[s].kind);
            assert_int_equal(infos[i].entries, s != 0);
            assert_int_equal(infos[i].bytes, s != 0 ? 4096 : 0);
            found++;
        }
    }
    assert_int_equal(found, COUNT(SHAPES));
    free(infos);
    for (size_t s = 0; s < COUNT(SHAPES); s++) {
        rk_error err = {0};
        rk_table table = 0;
        rk_table_kind other = SHAPES[s].kind == RK_TABLE_INDEX ? RK_TABLE_RECORDS : RK_TABLE_INDEX;
        assert_int_equal(rk_store_table(store, SHAPES[s].name, SHAPES[s].kind, false, &table, &err),
                         SHAPES[s].ordinary ? RK_OK : RK_INVALID);
        assert_int_equal(rk_store_table(store, SHAPES[s].name, other, true, &table, &err),
                         RK_INVALID);
        assert_non_null(strstr(err.message, SHAPES[s].name));
    }
    rk_table table;
    assert_int_equal(rk_store_table(store, PLAIN_48, RK_TABLE_RECORDS, true, &table, NULL),
                     RK_INVALID); /* a record's key */
    rk_store_close(store);
}

/* In a view of either kind: the three records and nothing else. */
static void expect_unnamed(rk_view *view, rk_table unnamed)
{
    static const char *const KEYS[] = {"a", PLAIN_48, LOOKS_LIKE};
    rk_cursor *cursor = NULL;
    rk_entry e;
    size_t i = 0;
    must(rk_cursor_open(view, unnamed, &cursor, NULL));
    rk_status status = rk_cursor_seek(cursor, RK_SLICE_EMPTY, &e, NULL);
    for (; status == RK_OK; status = rk_cursor_next(cursor, &e, NULL), i++) {
        assert_in_range(i, 0, COUNT(KEYS) - 1);
        assert_true(rk_slice_equal(e.key, rk_slice_str(KEYS[i])));
    }
    assert_int_equal(status, RK_NOT_FOUND);
    assert_int_equal(i, COUNT(KEYS));
    must(rk_cursor_seek(cursor, rk_slice_str("dups"), &e, NULL)); /* lands beyond the table */
    assert_true(rk_slice_equal(e.key, rk_slice_str(PLAIN_48)));
    rk_cursor_close(cursor);
    rk_slice value;
    must(rk_view_get(view, unnamed, rk_slice_str(LOOKS_LIKE), &value, NULL));
    assert_int_equal(rk_view_get(view, unnamed, rk_slice_str("dups"), &value, NULL), RK_NOT_FOUND);
}

static void test_unnamed(void **state)
{
    const folder *f = *state;
    make_shapes(f);
    rk_store *store = folder_open(f, RK_LMDB_WRITE);
    rk_table unnamed, dups;
    rk_view *view = NULL;
    rk_txn *txn = NULL;
    must(rk_store_table(store, "", RK_TABLE_RECORDS, false, &unnamed, NULL));
    assert_int_equal(rk_store_table(store, "", RK_TABLE_INDEX, true, &dups, NULL), RK_INVALID);
    for (int opened = 0; opened < 2; opened++) { /* with handles of the tables and without */
        must(rk_snapshot_open(store, &view, NULL));
        expect_unnamed(view, unnamed);
        rk_snapshot_close(view);
        must(rk_txn_begin(store, &txn, NULL));
        expect_unnamed(rk_txn_view(txn), unnamed);
        rk_txn_abort(txn);
        must(rk_store_table(store, "dups", RK_TABLE_INDEX, false, &dups, NULL));
    }
    contract_put(store, unnamed, "z", "1");
    uint8_t one[RK_FINGERPRINT_BYTES_MAX], two[RK_FINGERPRINT_BYTES_MAX];
    size_t one_len, two_len;
    must(rk_snapshot_open(store, &view, NULL));
    must(rk_view_fingerprint(view, "", one, &one_len, NULL));
    rk_table more;
    must(rk_store_table(store, "more", RK_TABLE_RECORDS, true, &more, NULL));
    contract_put(store, more, "k", "v"); /* our own tables leave the unnamed one's as it was */
    must(rk_snapshot_renew(view, NULL));
    must(rk_view_fingerprint(view, "", two, &two_len, NULL));
    assert_int_equal(one_len, two_len);
    assert_memory_equal(one, two, one_len);
    contract_put(store, unnamed, "zz", "1");
    must(rk_snapshot_renew(view, NULL));
    must(rk_view_fingerprint(view, "", two, &two_len, NULL));
    assert_memory_not_equal(one, two, one_len);
    rk_snapshot_close(view);
    rk_store_close(store);
}

/* --- views and handles ------------------------------------------------------------------------ */

static void test_handle_younger_than_view(void **state)
{
    const folder *f = *state;
    rk_error err = {0};
    rk_store *store = folder_open(f, RK_LMDB_CREATE);
    rk_view *view = NULL;
    rk_cursor *cursor = NULL;
    rk_table table;
    rk_slice value;
    uint64_t count;
    must(rk_snapshot_open(store, &view, NULL));
    must(rk_store_table(store, "late", RK_TABLE_RECORDS, true, &table, NULL));
    contract_put(store, table, "k", "v");
    assert_int_equal(rk_view_get(view, table, rk_slice_str("k"), &value, &err), RK_INVALID);
    assert_non_null(strstr(err.message, "late"));
    assert_int_equal(rk_cursor_open(view, table, &cursor, &err), RK_INVALID);
    assert_int_equal(rk_view_count(view, table, &count, &err), RK_INVALID);
    must(rk_snapshot_renew(view, NULL));
    must(rk_view_get(view, table, rk_slice_str("k"), &value, NULL));
    rk_snapshot_close(view);
    rk_store_close(store);
}

static void test_many_tables(void **state)
{
    const folder *f = *state;
    rk_error err = {0};
    rk_store *store = folder_open(f, RK_LMDB_CREATE);
    char name[32];
    rk_table table;
    for (int i = 0; i < 128; i++) {
        snprintf(name, sizeof name, "table-%d", i);
        must(rk_store_table(store, name, RK_TABLE_RECORDS, true, &table, NULL));
        assert_int_equal(table, i + 1);
    }
    assert_int_equal(rk_store_table(store, "one more", RK_TABLE_RECORDS, true, &table, &err),
                     RK_LIMIT);
    contract_put(store, table, "k", "v");
    rk_table_info *infos = NULL;
    size_t count;
    must(rk_store_tables(store, &infos, &count, NULL));
    assert_int_equal(count, 129);
    free(infos);
    rk_store_close(store);
}

/* A key of 512 bytes reads as absent in LMDB, and put refuses it: the adapter looks first. */
static void test_seek_beyond_key_limit(void **state)
{
    const folder *f = *state;
    rk_store *store = folder_open(f, RK_LMDB_CREATE);
    rk_table table;
    must(rk_store_table(store, "t", RK_TABLE_RECORDS, true, &table, NULL));
    contract_put(store, table, "a", "1");
    contract_put(store, table, "z", "2");
    uint8_t bytes[600];
    memset(bytes, 'm', sizeof bytes);
    rk_view *view = NULL;
    rk_cursor *cursor = NULL;
    rk_entry e;
    must(rk_snapshot_open(store, &view, NULL));
    must(rk_cursor_open(view, table, &cursor, NULL));
    must(rk_cursor_seek(cursor, rk_slice_of(bytes, sizeof bytes), &e, NULL));
    assert_true(rk_slice_equal(e.key, rk_slice_str("z")));
    rk_cursor_close(cursor);
    rk_snapshot_close(view);
    rk_store_close(store);
}

/* --- the contract ----------------------------------------------------------------------------- */

static rk_store *open_new(void *context)
{
    folder *f = context;
    folder_make(f);
    return folder_open(f, RK_LMDB_CREATE);
}

static void forget(void *context)
{
    folder_remove(context);
}

int main(void)
{
    folder f;
    contract_backend lmdb = {open_new, forget, &f};
    int failed = contract_run("lmdb.contract", &lmdb);
    struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_open),
        cmocka_unit_test(test_nothing_there),
        cmocka_unit_test(test_not_lmdb),
        cmocka_unit_test(test_permissions),
        cmocka_unit_test(test_read_changes_nothing),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_unnamed),
        cmocka_unit_test(test_handle_younger_than_view),
        cmocka_unit_test(test_many_tables),
        cmocka_unit_test(test_seek_beyond_key_limit),
    };
    for (size_t i = 0; i < COUNT(tests); i++) {
        tests[i].setup_func = folder_setup;
        tests[i].teardown_func = folder_teardown;
    }
    return failed + _cmocka_run_group_tests("lmdb", tests, COUNT(tests), NULL, NULL);
}
