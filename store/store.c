#include "store/store.h"

#include <assert.h>

/* Only dispatch: what is asserted here is what every backend may rely on. */

static bool slice_valid(rk_slice s)
{
    return s.ptr || s.len == 0;
}

rk_status rk_store_table(rk_store *store, const char *name, rk_table_kind kind, bool create,
                         rk_table *out, rk_error *err)
{
    assert(store && name && out);
    assert(kind == RK_TABLE_RECORDS || kind == RK_TABLE_INDEX);
    return store->ops->table(store, name, kind, create, out, err);
}

rk_status rk_store_tables(rk_store *store, rk_table_info **out, size_t *count, rk_error *err)
{
    assert(store && out && count);
    return store->ops->tables(store, out, count, err);
}

const rk_store_caps *rk_store_capabilities(const rk_store *store)
{
    assert(store);
    return &store->caps;
}

void rk_store_close(rk_store *store)
{
    if (store)
        store->ops->close(store);
}

rk_status rk_snapshot_open(rk_store *store, rk_view **out, rk_error *err)
{
    assert(store && out);
    return store->ops->snapshot_open(store, out, err);
}

rk_status rk_snapshot_renew(rk_view *snapshot, rk_error *err)
{
    assert(snapshot);
    return snapshot->store->ops->snapshot_renew(snapshot, err);
}

void rk_snapshot_release(rk_view *snapshot)
{
    assert(snapshot);
    snapshot->store->ops->snapshot_release(snapshot);
}

void rk_snapshot_close(rk_view *snapshot)
{
    if (snapshot)
        snapshot->store->ops->snapshot_close(snapshot);
}

uint64_t rk_view_state(rk_view *view)
{
    assert(view);
    return view->store->ops->state(view);
}

rk_status rk_view_get(rk_view *view, rk_table table, rk_slice key, rk_slice *value, rk_error *err)
{
    assert(view && value && slice_valid(key));
    return view->store->ops->get(view, table, key, value, err);
}

rk_status rk_view_has_entry(rk_view *view, rk_table table, rk_slice key, rk_slice value,
                            rk_error *err)
{
    assert(view && slice_valid(key) && slice_valid(value));
    return view->store->ops->has_entry(view, table, key, value, err);
}

rk_status rk_view_fingerprint(rk_view *view, const char *table_name,
                              uint8_t out[RK_FINGERPRINT_BYTES_MAX], size_t *out_len, rk_error *err)
{
    assert(view && table_name && out && out_len);
    return view->store->ops->fingerprint(view, table_name, out, out_len, err);
}

rk_status rk_view_count(rk_view *view, rk_table table, uint64_t *out, rk_error *err)
{
    assert(view && out);
    return view->store->ops->count(view, table, out, err);
}

rk_status rk_cursor_open(rk_view *view, rk_table table, rk_cursor **out, rk_error *err)
{
    assert(view && out);
    return view->store->ops->cursor_open(view, table, out, err);
}

void rk_cursor_close(rk_cursor *cursor)
{
    if (cursor)
        cursor->store->ops->cursor_close(cursor);
}

rk_status rk_cursor_seek(rk_cursor *cursor, rk_slice key, rk_entry *entry, rk_error *err)
{
    assert(cursor && entry && slice_valid(key));
    return cursor->store->ops->seek(cursor, key, entry, err);
}

rk_status rk_cursor_seek_entry(rk_cursor *cursor, rk_slice key, rk_slice value, rk_entry *entry,
                               rk_error *err)
{
    assert(cursor && entry && slice_valid(key) && slice_valid(value));
    return cursor->store->ops->seek_entry(cursor, key, value, entry, err);
}

rk_status rk_cursor_next(rk_cursor *cursor, rk_entry *entry, rk_error *err)
{
    assert(cursor && entry);
    return cursor->store->ops->next(cursor, entry, err);
}

rk_status rk_txn_begin(rk_store *store, rk_txn **out, rk_error *err)
{
    assert(store && out);
    return store->ops->txn_begin(store, out, err);
}

rk_view *rk_txn_view(rk_txn *txn)
{
    assert(txn);
    return txn->store->ops->txn_view(txn);
}

rk_status rk_txn_apply(rk_txn *txn, rk_unit *units, size_t count, rk_error *err)
{
    assert(txn && (units || count == 0));
    return txn->store->ops->txn_apply(txn, units, count, err);
}

rk_status rk_txn_put(rk_txn *txn, rk_table table, rk_slice key, rk_slice value, rk_error *err)
{
    assert(txn && slice_valid(key) && slice_valid(value));
    return txn->store->ops->txn_put(txn, table, key, value, err);
}

rk_status rk_txn_delete(rk_txn *txn, rk_table table, rk_slice key, rk_error *err)
{
    assert(txn && slice_valid(key));
    return txn->store->ops->txn_delete(txn, table, key, err);
}

rk_status rk_txn_commit(rk_txn *txn, rk_error *err)
{
    assert(txn);
    return txn->store->ops->txn_commit(txn, err);
}

void rk_txn_abort(rk_txn *txn)
{
    if (txn)
        txn->store->ops->txn_abort(txn);
}

rk_status rk_store_grow(rk_store *store, rk_error *err)
{
    assert(store);
    return store->ops->grow(store, err);
}

bool rk_store_writers_wait(rk_store *store)
{
    return store->ops->writers_wait(store);
}

rk_status rk_store_space(rk_store *store, rk_space *out, rk_error *err)
{
    assert(store && out);
    return store->ops->space(store, out, err);
}
