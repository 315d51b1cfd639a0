#include "store/lmdb_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define NEAR_BYTES 8 /* of a key's end, for neighbours: numbers and the like */

/* --- views ------------------------------------------------------------------------------------ */

static rki_lmdb_view *view_of(rk_view *base)
{
    rki_lmdb_view *view = (rki_lmdb_view *)base;
    assert(view->live && "the snapshot was released: renew it first");
    return view;
}

static rki_lmdb_store *store_of(const rki_lmdb_view *view)
{
    return rki_lmdb_store_of(view->base.store);
}

rk_status rki_lmdb_cursor_fail(const rki_lmdb_view *view, int code, rk_table table, rk_error *err)
{
    /* A transaction knows the handles that were there when it began. */
    if (code == EINVAL || code == MDB_BAD_DBI)
        return rk_error_set_native(err, RK_INVALID, RK_ORIGIN_LMDB, code,
                                   "table \"%s\" was opened after the view that is to read it",
                                   rki_lmdb_table_at(store_of(view), table)->name);
    return rki_lmdb_fail(store_of(view), code, "open a cursor", err);
}

/* Makes or renews a cursor that is kept from one state of the view to the next. */
static rk_status ready(rki_lmdb_view *view, rk_table table, MDB_cursor **cursor, uint32_t *epoch,
                       rk_error *err)
{
    if (*cursor && *epoch == view->epoch)
        return RK_OK;
    int rc =
        *cursor ? mdb_cursor_renew(view->txn, *cursor)
                : mdb_cursor_open(view->txn, rki_lmdb_table_at(store_of(view), table)->dbi, cursor);
    if (rc != 0)
        return rki_lmdb_cursor_fail(view, rc, table, err);
    *epoch = view->epoch;
    if (view->slots_used <= table)
        view->slots_used = table + 1;
    return RK_OK;
}

rk_status rki_lmdb_read_cursor(rki_lmdb_view *view, rk_table table, MDB_cursor **out, rk_error *err)
{
    rki_lmdb_slot *slot = &view->slots[table];
    rk_status status = ready(view, table, &slot->read, &slot->read_epoch, err);
    if (status == RK_OK)
        *out = slot->read;
    return status;
}

static void forget(rki_lmdb_near *near)
{
    if (near->cursor)
        mdb_cursor_close(near->cursor);
    *near = (rki_lmdb_near){0};
}

void rki_lmdb_view_fini(rki_lmdb_view *view)
{
    assert(view->cursors_open == 0 && "a cursor of the view is still open");
    for (uint32_t i = 0; i < view->slots_used; i++) {
        if (view->slots[i].read)
            mdb_cursor_close(view->slots[i].read);
        if (view->slots[i].put)
            mdb_cursor_close(view->slots[i].put);
        if (view->slots[i].check)
            mdb_cursor_close(view->slots[i].check);
    }
    for (size_t i = 0; i < RKI_LMDB_NEAR_MAX; i++)
        forget(&view->near[i]);
    view->slots_used = 0;
}

rk_status rki_lmdb_snapshot_open(rk_store *base, rk_view **out, rk_error *err)
{
    rki_lmdb_store *store = rki_lmdb_store_of(base);
    rki_lmdb_view *view = calloc(1, sizeof *view);
    if (!view)
        return rk_error_set(err, RK_NOMEM, "cannot open a snapshot: out of memory");
    view->base.store = base;
    rk_status status = rki_lmdb_begin(store, false, &view->txn, err);
    if (status != RK_OK) {
        free(view);
        return status;
    }
    view->live = true;
    *out = &view->base;
    return RK_OK;
}

void rki_lmdb_snapshot_release(rk_view *base)
{
    rki_lmdb_view *view = (rki_lmdb_view *)base;
    assert(!view->writable && "a transaction is no snapshot");
    if (!view->live)
        return;
    mdb_txn_reset(view->txn);
    rki_lmdb_gate_leave(store_of(view), false);
    view->live = false;
}

rk_status rki_lmdb_snapshot_renew(rk_view *base, rk_error *err)
{
    rki_lmdb_view *view = (rki_lmdb_view *)base;
    rki_lmdb_snapshot_release(base);
    rk_status status = rki_lmdb_begin(store_of(view), false, &view->txn, err);
    if (status != RK_OK)
        return status;
    view->epoch++;
    view->live = true;
    return RK_OK;
}

void rki_lmdb_snapshot_close(rk_view *base)
{
    rki_lmdb_view *view = (rki_lmdb_view *)base;
    assert(!view->writable && "a transaction is no snapshot");
    bool live = view->live;
    rki_lmdb_view_fini(view);
    mdb_txn_abort(view->txn);
    if (live)
        rki_lmdb_gate_leave(store_of(view), false);
    free(view);
}

/* LMDB counts its commits, and gives no number to one that changed nothing. */
uint64_t rki_lmdb_state(rk_view *base)
{
    const rki_lmdb_view *view = view_of(base);
    return mdb_txn_id(view->txn) - (view->writable ? 1 : 0);
}

/* --- single answers --------------------------------------------------------------------------- */

static bool in_gap(const rki_lmdb_view *view, rk_table table, rk_slice key)
{
    const rki_lmdb_gap *gap = &view->gap;
    return gap->known && gap->table == table && gap->epoch == view->epoch &&
           (gap->below.len == 0 || rk_slice_compare(gap->below, key) < 0) &&
           (gap->above.len == 0 || rk_slice_compare(key, gap->above) < 0);
}

/* After a search that found nothing: keeps what stands around the key. Not after the first one in a
 * state, since many views are there for a single question. What LMDB refuses leaves no gap. */
static void learn_gap(rki_lmdb_view *view, rk_table table, MDB_cursor *cursor, rk_slice key)
{
    rki_lmdb_gap *gap = &view->gap;
    if (gap->epoch != view->epoch || gap->table != table)
        *gap = (rki_lmdb_gap){.table = table, .epoch = view->epoch};
    gap->known = false;
    if (view->writable || gap->misses++ == 0)
        return;
    MDB_val above = rki_lmdb_val(key), below = {0}, value;
    int rc = mdb_cursor_get(cursor, &above, &value, MDB_SET_RANGE);
    bool at_end = rc == MDB_NOTFOUND;
    if (rc != 0 && !at_end)
        return;
    rc = mdb_cursor_get(cursor, &below, &value, at_end ? MDB_LAST : MDB_PREV);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return;
    gap->below = rc == 0 ? rki_lmdb_slice(below) : RK_SLICE_EMPTY;
    gap->above = at_end ? RK_SLICE_EMPTY : rki_lmdb_slice(above);
    gap->known = true;
}

static bool is_near(const rki_lmdb_near *near, rk_slice key)
{
    size_t same = key.len > NEAR_BYTES ? key.len - NEAR_BYTES : 0;
    return same > 0 && near->key.len >= same && memcmp(near->key.ptr, key.ptr, same) == 0;
}

/* The cursor that stands at a key which differs from this one in its last bytes only; else one that
 * stands nowhere; else the next one in turn. */
static rki_lmdb_near *nearest(rki_lmdb_view *view, rk_table table, rk_slice key)
{
    rki_lmdb_near *idle = NULL;
    for (size_t i = 0; i < RKI_LMDB_NEAR_MAX; i++) {
        rki_lmdb_near *near = &view->near[i];
        bool same_table = near->cursor && near->table == table;
        if (same_table && near->epoch == view->epoch && is_near(near, key))
            return near;
        if (!near->cursor || (same_table && near->epoch != view->epoch))
            idle = near;
    }
    if (!idle) {
        view->near_taken = (view->near_taken + 1) % RKI_LMDB_NEAR_MAX;
        idle = &view->near[view->near_taken];
    }
    if (idle->table != table)
        forget(idle);
    idle->table = table;
    return idle;
}

rk_status rki_lmdb_get(rk_view *base, rk_table table, rk_slice key, rk_slice *value, rk_error *err)
{
    rki_lmdb_view *view = view_of(base);
    if (key.len == 0 || key.len > RKI_LMDB_KEY_BYTES_MAX || in_gap(view, table, key))
        return RK_NOT_FOUND;
    rki_lmdb_slot *slot = &view->slots[table];
    rki_lmdb_near *near = view->writable ? NULL : nearest(view, table, key);
    rk_status status = near ? ready(view, table, &near->cursor, &near->epoch, err)
                            : ready(view, table, &slot->read, &slot->read_epoch, err);
    if (status != RK_OK)
        return status;
    MDB_cursor *cursor = near ? near->cursor : slot->read;
    slot->read_at = 0;
    MDB_val k = rki_lmdb_val(key), v;
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_KEY);
    if (near)
        near->key = rc == 0 ? rki_lmdb_slice(k) : RK_SLICE_EMPTY;
    if (rc == MDB_NOTFOUND) {
        learn_gap(view, table, cursor, key);
        return RK_NOT_FOUND;
    }
    if (rc != 0)
        return rki_lmdb_fail(store_of(view), rc, "read a record", err);
    if (table == RKI_LMDB_UNNAMED && rki_lmdb_is_named_table(store_of(view), k, v))
        return RK_NOT_FOUND;
    *value = rki_lmdb_slice(v);
    return RK_OK;
}

static void assert_index(const rki_lmdb_view *view, rk_table table)
{
    assert(rki_lmdb_table_at(store_of(view), table)->kind == RK_TABLE_INDEX &&
           "the table is no index");
    (void)view, (void)table;
}

rk_status rki_lmdb_has_entry(rk_view *base, rk_table table, rk_slice key, rk_slice value,
                             rk_error *err)
{
    rki_lmdb_view *view = view_of(base);
    assert_index(view, table);
    if (key.len == 0 || key.len > RKI_LMDB_KEY_BYTES_MAX || value.len > RKI_LMDB_KEY_BYTES_MAX)
        return RK_NOT_FOUND;
    MDB_cursor *cursor = NULL;
    rk_status status = rki_lmdb_read_cursor(view, table, &cursor, err);
    if (status != RK_OK)
        return status;
    view->slots[table].read_at = 0;
    MDB_val k = rki_lmdb_val(key), v = rki_lmdb_val(value);
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_GET_BOTH);
    if (rc == MDB_NOTFOUND)
        return RK_NOT_FOUND;
    return rc == 0 ? RK_OK : rki_lmdb_fail(store_of(view), rc, "read an index entry", err);
}

/* The number of a table that this store opened, or RK_TABLE_NONE. */
static rk_table number_of(const rki_lmdb_store *store, const char *name)
{
    uint32_t count = atomic_load_explicit(&store->table_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(store->tables[i].name, name) == 0)
            return i;
    return RK_TABLE_NONE;
}

/* How many of the tables that this store opened are keys of the unnamed one in this view. */
static int named_in(const rki_lmdb_view *view, uint64_t *out)
{
    const rki_lmdb_store *store = store_of(view);
    uint32_t count = atomic_load_explicit(&store->table_count, memory_order_acquire);
    *out = 0;
    for (uint32_t i = 1; i < count; i++) {
        MDB_val k = {strlen(store->tables[i].name), store->tables[i].name}, v;
        int rc = mdb_get(view->txn, store->tables[RKI_LMDB_UNNAMED].dbi, &k, &v);
        if (rc == 0)
            *out += 1;
        else if (rc != MDB_NOTFOUND)
            return rc;
    }
    return 0;
}

/* The unnamed table's own descriptor lies in the environment's meta page, which no function shows,
 * and changes with every commit to any table. So only what the statistics tell: an update in place
 * to a value of the same size goes unseen here. */
static rk_status unnamed_fingerprint(const rki_lmdb_view *view, uint8_t *out, size_t *out_len,
                                     rk_error *err)
{
    MDB_stat stat;
    uint64_t named = 0;
    int rc = mdb_stat(view->txn, store_of(view)->tables[RKI_LMDB_UNNAMED].dbi, &stat);
    if (rc == 0)
        rc = named_in(view, &named);
    if (rc != 0)
        return rki_lmdb_fail(store_of(view), rc, "read a table's statistics", err);
    uint64_t parts[] = {stat.ms_entries - named, stat.ms_branch_pages, stat.ms_leaf_pages,
                        stat.ms_overflow_pages};
    memcpy(out, parts, sizeof parts);
    *out_len = sizeof parts;
    return RK_OK;
}

rk_status rki_lmdb_fingerprint(rk_view *base, const char *name, uint8_t *out, size_t *out_len,
                               rk_error *err)
{
    rki_lmdb_view *view = view_of(base);
    uint8_t bytes[RK_FINGERPRINT_BYTES_MAX];
    size_t len = 0;
    rk_status status;
    if (name[0] == 0) {
        status = unnamed_fingerprint(view, bytes, &len, err);
        if (status != RK_OK)
            return status;
    } else {
        MDB_val k = {strlen(name), (void *)(uintptr_t)name}, v;
        int rc = mdb_get(view->txn, store_of(view)->tables[RKI_LMDB_UNNAMED].dbi, &k, &v);
        if (rc != 0 && rc != MDB_NOTFOUND)
            return rki_lmdb_fail(store_of(view), rc, "read a table's descriptor", err);
        if (rc == 0 && v.mv_size == RKI_LMDB_DESCRIPTOR_SIZE) {
            len = v.mv_size;
            memcpy(bytes, v.mv_data, len);
        }
    }
    /* A transaction's own changes reach the descriptor at its commit only. */
    rk_table table = view->writable ? number_of(store_of(view), name) : RK_TABLE_NONE;
    if (table != RK_TABLE_NONE && view->slots[table].changes > 0) {
        memcpy(bytes + len, &view->slots[table].changes, sizeof view->slots[table].changes);
        len += sizeof view->slots[table].changes;
    }
    memcpy(out, bytes, len);
    *out_len = len;
    return RK_OK;
}

rk_status rki_lmdb_count(rk_view *base, rk_table table, uint64_t *out, rk_error *err)
{
    rki_lmdb_view *view = view_of(base);
    MDB_stat stat;
    uint64_t named = 0;
    int rc = mdb_stat(view->txn, rki_lmdb_table_at(store_of(view), table)->dbi, &stat);
    if (rc == MDB_NOTFOUND) { /* created after the view's state */
        *out = 0;
        return RK_OK;
    }
    if (rc == EINVAL || rc == MDB_BAD_DBI)
        return rki_lmdb_cursor_fail(view, rc, table, err);
    /* Tables that nobody opened here stay counted: finding them takes a walk over all keys. */
    if (rc == 0 && table == RKI_LMDB_UNNAMED)
        rc = named_in(view, &named);
    if (rc != 0)
        return rki_lmdb_fail(store_of(view), rc, "read a table's statistics", err);
    *out = stat.ms_entries - named;
    return RK_OK;
}

/* --- walks ------------------------------------------------------------------------------------ */

typedef struct lmdb_cursor {
    rk_cursor base;
    rki_lmdb_view *view;
    MDB_cursor *cursor;
    rk_table table;
    uint32_t epoch;  /* of the view when the cursor was made or renewed */
    bool positioned; /* by a seek in that epoch */
} lmdb_cursor;

rk_status rki_lmdb_cursor_open(rk_view *base, rk_table table, rk_cursor **out, rk_error *err)
{
    rki_lmdb_view *view = view_of(base);
    lmdb_cursor *walk = calloc(1, sizeof *walk);
    if (!walk)
        return rk_error_set(err, RK_NOMEM, "cannot open a cursor: out of memory");
    int rc =
        mdb_cursor_open(view->txn, rki_lmdb_table_at(store_of(view), table)->dbi, &walk->cursor);
    if (rc != 0) {
        free(walk);
        return rki_lmdb_cursor_fail(view, rc, table, err);
    }
    walk->base.store = base->store;
    walk->view = view;
    walk->table = table;
    walk->epoch = view->epoch;
    view->cursors_open++;
    *out = &walk->base;
    return RK_OK;
}

void rki_lmdb_cursor_close(rk_cursor *base)
{
    lmdb_cursor *walk = (lmdb_cursor *)base;
    mdb_cursor_close(walk->cursor);
    walk->view->cursors_open--;
    free(walk);
}

/* Brings the cursor into the view's state, without a position. */
static rk_status freshen(lmdb_cursor *walk, rk_error *err)
{
    assert(walk->view->live && "the snapshot was released: renew it first");
    walk->positioned = false;
    if (walk->epoch == walk->view->epoch)
        return RK_OK;
    int rc = mdb_cursor_renew(walk->view->txn, walk->cursor);
    if (rc != 0)
        return rki_lmdb_cursor_fail(walk->view, rc, walk->table, err);
    walk->epoch = walk->view->epoch;
    return RK_OK;
}

/* Hands out the entry that a movement found, past the keys that are named tables. */
static rk_status answer(lmdb_cursor *walk, int rc, MDB_val key, MDB_val value, rk_entry *entry,
                        rk_error *err)
{
    if (walk->table == RKI_LMDB_UNNAMED)
        while (rc == 0 && rki_lmdb_is_named_table(store_of(walk->view), key, value))
            rc = mdb_cursor_get(walk->cursor, &key, &value, MDB_NEXT);
    if (rc == MDB_NOTFOUND)
        return RK_NOT_FOUND;
    if (rc != 0)
        return rki_lmdb_fail(store_of(walk->view), rc, "move a cursor", err);
    walk->positioned = true;
    *entry = (rk_entry){rki_lmdb_slice(key), rki_lmdb_slice(value)};
    return RK_OK;
}

rk_status rki_lmdb_seek(rk_cursor *base, rk_slice key, rk_entry *entry, rk_error *err)
{
    lmdb_cursor *walk = (lmdb_cursor *)base;
    rk_status status = freshen(walk, err);
    if (status != RK_OK)
        return status;
    MDB_val k = rki_lmdb_val(key), v;
    int rc = mdb_cursor_get(walk->cursor, &k, &v, key.len ? MDB_SET_RANGE : MDB_FIRST);
    return answer(walk, rc, k, v, entry, err);
}

rk_status rki_lmdb_seek_entry(rk_cursor *base, rk_slice key, rk_slice value, rk_entry *entry,
                              rk_error *err)
{
    lmdb_cursor *walk = (lmdb_cursor *)base;
    assert_index(walk->view, walk->table);
    if (key.len == 0 || value.len == 0)
        return rki_lmdb_seek(base, key, entry, err);
    rk_status status = freshen(walk, err);
    if (status != RK_OK)
        return status;
    MDB_val k = rki_lmdb_val(key), v = rki_lmdb_val(value);
    int rc = mdb_cursor_get(walk->cursor, &k, &v, MDB_GET_BOTH_RANGE);
    if (rc == 0) {
        /* The search leaves the caller's own key bytes in k. */
        rc = mdb_cursor_get(walk->cursor, &k, &v, MDB_GET_CURRENT);
    } else if (rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(walk->cursor, &k, &v, MDB_SET_RANGE);
        if (rc == 0 && rk_slice_equal(rki_lmdb_slice(k), key)) /* all its values lie before */
            rc = mdb_cursor_get(walk->cursor, &k, &v, MDB_NEXT_NODUP);
    }
    return answer(walk, rc, k, v, entry, err);
}

rk_status rki_lmdb_next(rk_cursor *base, rk_entry *entry, rk_error *err)
{
    lmdb_cursor *walk = (lmdb_cursor *)base;
    assert(walk->view->live && walk->positioned && walk->epoch == walk->view->epoch &&
           "seek before next");
    MDB_val k, v;
    int rc = mdb_cursor_get(walk->cursor, &k, &v, MDB_NEXT);
    return answer(walk, rc, k, v, entry, err);
}
