/* lmdb_private.h: what the files of the LMDB adapter share.
 *
 *   lmdb.c        open and close, the registry of open environments, statuses of LMDB's codes
 *   lmdb_turn.c   who waits for the write lock
 *   lmdb_map.c    the gate between transactions and changes of the map, growth, free space
 *   lmdb_table.c  tables: opening, listing, telling a named table from a record
 *   lmdb_read.c   snapshots, gets, cursors
 *   lmdb_write.c  the write transaction and its units
 *
 * Invariants
 *   - Every live LMDB transaction has entered the gate, or is nested in one that has: the map is
 *     replaced only when nobody looks into it.
 *   - A handle is opened in a transaction of its own, begun and ended under `tables_lock`: LMDB
 *     picks the handle's slot from the transaction's copy of the handle table, so two such
 *     transactions at once would share a slot.
 *   - Locks are taken in this order: gate (never held while waiting for another), LMDB's write
 *     lock, tables_lock.
 */
#ifndef REKEY_STORE_LMDB_PRIVATE_H
#define REKEY_STORE_LMDB_PRIVATE_H

#include "store/lmdb.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#define RKI_LMDB_KEY_BYTES_MAX   511u /* MDB_MAXKEYSIZE as compiled; checked at open */
#define RKI_LMDB_NAMED_MAX       128u
#define RKI_LMDB_TABLES_MAX      (RKI_LMDB_NAMED_MAX + 1u) /* and the unnamed one, always table 0 */
#define RKI_LMDB_UNNAMED         0u
#define RKI_LMDB_HEADROOM_BYTES  ((uint64_t)64 << 20) /* of map beyond the data, at open */
#define RKI_LMDB_ROOM_BYTES_MIN  ((uint64_t)1 << 20)  /* less than this is "no room" */
#define RKI_LMDB_RESIZE_TRIES    16 /* times that another process may grow the map under a begin */
#define RKI_LMDB_DESCRIPTOR_SIZE 48u

typedef struct rki_lmdb_table {
    char *name;
    MDB_dbi dbi;
    rk_table_kind kind;
} rki_lmdb_table;

/* A unit's change of an index entry. */
typedef struct rki_lmdb_change {
    const rk_op *op;
    rk_unit *unit;
    size_t turn;
} rki_lmdb_change;

typedef struct rki_lmdb_store {
    rk_store base;
    MDB_env *env;
    char *path;
    rk_lmdb_mode mode;
    uint64_t map_bytes_max; /* UINT64_MAX for no limit */
    uint32_t page_bytes;
    int fd; /* of the data file; LMDB's own */

    pthread_mutex_t gate_lock;
    pthread_cond_t gate_changed;
    uint32_t inside;  /* transactions that look into the map */
    bool resizing;    /* somebody waits to replace the map, or does */
    bool replacing;   /* nobody may look into it now */
    bool unmapped;    /* replacing it failed: nothing works any more but close */
    bool writing;     /* a write transaction is open in this process... */
    pthread_t writer; /* ...by this thread */
    uint32_t waiting; /* threads of this process that want one */

    uint32_t writes_begun;    /* this and the next three: under LMDB's write lock */
    rki_lmdb_change *changes; /* of the apply at work */
    size_t change_count;
    size_t change_cap;

    pthread_mutex_t tables_lock;
    uint64_t handles_opened; /* under tables_lock: grows with every handle that was kept */
    unsigned unnamed_flags;
    bool unnamed_ordinary;
    atomic_uint table_count; /* entries below it never change */
    rki_lmdb_table tables[RKI_LMDB_TABLES_MAX];
} rki_lmdb_store;

/* A view's cached cursors on one table: several, so that a sequential old range and a sequential
 * new range in one table each keep their leaf page. */
typedef struct rki_lmdb_slot {
    MDB_cursor *read;    /* gets, deletes and their conditions */
    MDB_cursor *put;     /* in write transactions only */
    MDB_cursor *check;   /* likewise: conditions of keys that the operation leaves as they are */
    uint32_t read_epoch; /* the view's epoch that `read` was made for */
    uint64_t read_at;    /* number of the unit's operation that `read` stands on; 0 for none */
    uint64_t changes;    /* made through this transaction */
} rki_lmdb_slot;

/* A cursor of a snapshot for gets in one neighbourhood: LMDB looks at the leaf that a cursor stands
 * on before it searches from the root. */
typedef struct rki_lmdb_near {
    MDB_cursor *cursor;
    rk_table table;
    uint32_t epoch; /* of the view, that the cursor was made or renewed for */
    rk_slice key;   /* found last, in that epoch */
} rki_lmdb_near;

/* Walks that look up a record's counterpart, or its parent, have a neighbourhood for each. */
#define RKI_LMDB_NEAR_MAX 4

/* Two neighbouring keys of a table, in a snapshot: between them there is none. Who looks for keys
 * that are not there yet, such as a plan, mostly looks between the same two. Empty for the table's
 * beginning and end. */
typedef struct rki_lmdb_gap {
    rk_slice below;
    rk_slice above;
    rk_table table;
    uint32_t epoch;  /* of the view */
    uint32_t misses; /* of that table in that epoch, outside the gap */
    bool known;
} rki_lmdb_gap;

typedef struct rki_lmdb_view {
    rk_view base;
    MDB_txn *txn;
    bool live;
    bool writable;
    uint32_t epoch; /* times renewed */
    uint32_t cursors_open;
    uint32_t slots_used; /* one past the highest slot with a cursor */
    rki_lmdb_slot slots[RKI_LMDB_TABLES_MAX];
    rki_lmdb_gap gap; /* in snapshots only, as are these: */
    rki_lmdb_near near[RKI_LMDB_NEAR_MAX];
    uint32_t near_taken; /* the one that was taken for another neighbourhood last */
} rki_lmdb_view;

static inline MDB_val rki_lmdb_val(rk_slice s)
{
    /* LMDB copies from the pointer even when there is nothing to copy. */
    return (MDB_val){s.len, s.ptr ? (void *)(uintptr_t)s.ptr : (void *)(uintptr_t) ""};
}

static inline rk_slice rki_lmdb_slice(MDB_val v)
{
    return rk_slice_of(v.mv_data, v.mv_size);
}

static inline rki_lmdb_store *rki_lmdb_store_of(rk_store *store)
{
    return (rki_lmdb_store *)store;
}

/* --- lmdb.c ----------------------------------------------------------------------------------- */

/* Fills err with "cannot WHAT in PATH: reason" and returns LMDB's or the system's code as a
 * status. EIO is RK_FULL when there is no room: that is how LMDB reports a short write. */
rk_status rki_lmdb_fail(const rki_lmdb_store *store, int code, const char *what, rk_error *err);

/* --- lmdb_map.c ------------------------------------------------------------------------------- */

/* Begins a transaction (`*txn` NULL) or renews a read-only one, inside the gate, adopting the map
 * of another process that grew it. On failure the gate has been left, and the given transaction
 * (if any) is reset. */
rk_status rki_lmdb_begin(rki_lmdb_store *store, bool writable, MDB_txn **txn, rk_error *err);

/* After the transaction has ended or was reset. */
void rki_lmdb_gate_leave(rki_lmdb_store *store, bool writable);

/* Whether less than RKI_LMDB_ROOM_BYTES_MIN is left on the disk or below the process's file size
 * limit. False when that cannot be found out. */
bool rki_lmdb_no_room(const rki_lmdb_store *store);

/* At open: makes the map larger than the data by the headroom, as far as `map_bytes_max` allows. */
rk_status rki_lmdb_map_reserve(rki_lmdb_store *store, rk_error *err);

/* --- lmdb_table.c ----------------------------------------------------------------------------- */

/* Whether an entry of the unnamed table is a named table and no record. The caller is inside the
 * gate. */
bool rki_lmdb_is_named_table(rki_lmdb_store *store, MDB_val key, MDB_val value);

/* Makes the unnamed table number 0, at open. */
rk_status rki_lmdb_tables_init(rki_lmdb_store *store, rk_error *err);
void rki_lmdb_tables_fini(rki_lmdb_store *store);

/* A valid number's table. */
const rki_lmdb_table *rki_lmdb_table_at(const rki_lmdb_store *store, rk_table table);

/* --- lmdb_read.c ------------------------------------------------------------------------------ */

/* The cached read cursor of a table, made or renewed as needed. */
rk_status rki_lmdb_read_cursor(rki_lmdb_view *view, rk_table table, MDB_cursor **out,
                               rk_error *err);

/* Says that a table's handle is younger than the view, or what else went wrong. */
rk_status rki_lmdb_cursor_fail(const rki_lmdb_view *view, int code, rk_table table, rk_error *err);

/* Closes the cached cursors; asserts that the caller closed its own. */
void rki_lmdb_view_fini(rki_lmdb_view *view);

/* --- the operations --------------------------------------------------------------------------- */

rk_status rki_lmdb_table_open(rk_store *store, const char *name, rk_table_kind kind, bool create,
                              rk_table *out, rk_error *err);
rk_status rki_lmdb_tables(rk_store *store, rk_table_info **out, size_t *count, rk_error *err);
rk_status rki_lmdb_snapshot_open(rk_store *store, rk_view **out, rk_error *err);
rk_status rki_lmdb_snapshot_renew(rk_view *snapshot, rk_error *err);
void rki_lmdb_snapshot_release(rk_view *snapshot);
void rki_lmdb_snapshot_close(rk_view *snapshot);
uint64_t rki_lmdb_state(rk_view *view);
rk_status rki_lmdb_get(rk_view *view, rk_table table, rk_slice key, rk_slice *value, rk_error *err);
rk_status rki_lmdb_has_entry(rk_view *view, rk_table table, rk_slice key, rk_slice value,
                             rk_error *err);
rk_status rki_lmdb_fingerprint(rk_view *view, const char *name, uint8_t *out, size_t *out_len,
                               rk_error *err);
rk_status rki_lmdb_count(rk_view *view, rk_table table, uint64_t *out, rk_error *err);
rk_status rki_lmdb_cursor_open(rk_view *view, rk_table table, rk_cursor **out, rk_error *err);
void rki_lmdb_cursor_close(rk_cursor *cursor);
rk_status rki_lmdb_seek(rk_cursor *cursor, rk_slice key, rk_entry *entry, rk_error *err);
rk_status rki_lmdb_seek_entry(rk_cursor *cursor, rk_slice key, rk_slice value, rk_entry *entry,
                              rk_error *err);
rk_status rki_lmdb_next(rk_cursor *cursor, rk_entry *entry, rk_error *err);
rk_status rki_lmdb_txn_begin(rk_store *store, rk_txn **out, rk_error *err);
rk_view *rki_lmdb_txn_view(rk_txn *txn);
rk_status rki_lmdb_txn_apply(rk_txn *txn, rk_unit *units, size_t count, rk_error *err);
rk_status rki_lmdb_txn_put(rk_txn *txn, rk_table table, rk_slice key, rk_slice value,
                           rk_error *err);
rk_status rki_lmdb_txn_delete(rk_txn *txn, rk_table table, rk_slice key, rk_error *err);
rk_status rki_lmdb_txn_commit(rk_txn *txn, rk_error *err);
void rki_lmdb_txn_abort(rk_txn *txn);
rk_status rki_lmdb_grow(rk_store *store, rk_error *err);
rk_status rki_lmdb_space(rk_store *store, rk_space *out, rk_error *err);

/* --- lmdb_turn.c ------------------------------------------------------------------------------ */

/* Around waiting for the write lock. */
void rki_lmdb_turn_ask(rki_lmdb_store *store);
void rki_lmdb_turn_taken(rki_lmdb_store *store);
bool rki_lmdb_writers_wait(rk_store *store);

#endif
