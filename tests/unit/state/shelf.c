#include "tests/unit/state/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/lmdb.h"

void must(rk_status status, const rk_error *err)
{
    if (status != RK_OK)
        fail_msg("%s: %s", rk_status_name(status), err ? err->message : "");
}

void shelf_open(shelf *s)
{
    rk_error err = {0};
    rk_lmdb_options options = {.mode = RK_LMDB_CREATE};
    const char *base = getenv("TMPDIR");
    snprintf(s->path, sizeof s->path, "%s/rekey-shelf-XXXXXX", base && base[0] ? base : "/tmp");
    assert_non_null(mkdtemp(s->path));
    must(rk_crypto_init(&err), &err);
    must(rk_lmdb_open(s->path, &options, &s->store, &err), &err);
    must(rk_store_table(s->store, RK_META_TABLE, RK_TABLE_RECORDS, true, &s->meta, &err), &err);
}

void shelf_close(shelf *s)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    char name[300];
    rk_store_close(s->store);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s/%s", s->path, files[i]);
        unlink(name);
    }
    rmdir(s->path);
}

int shelf_setup(void **state)
{
    shelf *s = calloc(1, sizeof *s);
    assert_non_null(s);
    shelf_open(s);
    *state = s;
    return 0;
}

int shelf_teardown(void **state)
{
    shelf_close(*state);
    free(*state);
    return 0;
}

rk_txn *shelf_begin(shelf *s)
{
    rk_error err = {0};
    rk_txn *txn = NULL;
    must(rk_txn_begin(s->store, &txn, &err), &err);
    return txn;
}

void shelf_commit(rk_txn *txn)
{
    rk_error err = {0};
    must(rk_txn_commit(txn, &err), &err);
}

rk_view *shelf_look(shelf *s)
{
    rk_error err = {0};
    rk_view *view = NULL;
    must(rk_snapshot_open(s->store, &view, &err), &err);
    return view;
}
