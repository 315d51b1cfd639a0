/* store.h: the contract between rekey and a key-value engine.
 *
 * What a backend promises, small enough for an embedded engine (LMDB) and for a remote one
 * (DynamoDB). A store holds tables; a table of records maps a key to one value; a table of index
 * entries maps an index key to a sorted set of primary keys.
 *
 * Invariants
 *   - A snapshot sees one state of all tables, whatever is committed meanwhile
 *     (where caps.snapshots; elsewhere each read sees some committed state).
 *   - A unit's conditions and changes happen all or not at all.
 *   - Where caps.atomic_batch, everything done in one write transaction, units and plain puts,
 *     becomes visible and durable together. Elsewhere each unit is its own transaction, and plain
 *     puts are written at commit, after all units: metadata is never ahead of the data.
 *   - Slices returned from a read are borrowed: until the snapshot is renewed or closed, and from a
 *     write transaction until its next change. Copy what must live.
 *
 * Limits: caps. A key or index entry that is too long is RK_LIMIT before anything is written.
 * Threading: the store may be used from many threads; a snapshot, its cursors and a write
 * transaction belong to one thread at a time. One thread holds at most one write transaction, and
 * no snapshot while it begins one (the store may have to wait for snapshots to grow its map).
 *
 * Writing another backend: fill the rk_store_ops, embed rk_store first in your struct, and make
 * tests/unit/store/contract.c pass with it.
 */
#ifndef REKEY_STORE_STORE_H
#define REKEY_STORE_STORE_H

#include <rekey/slice.h>
#include <rekey/status.h>

typedef struct rk_store rk_store;
typedef struct rk_view rk_view;     /* a place to read from: a snapshot or a write transaction */
typedef struct rk_cursor rk_cursor; /* an ordered walk over one table in a view */
typedef struct rk_txn rk_txn;       /* a write transaction */

typedef struct rk_store_caps {
    size_t key_bytes_max;
    size_t index_value_bytes_max; /* the longest primary key that an index entry can hold */
    bool snapshots;
    bool atomic_batch;
    bool engine_indexes; /* the engine maintains index entries; INDEX ops are ignored */
} rk_store_caps;

/* --- tables ----------------------------------------------------------------------------------- */

typedef enum rk_table_kind {
    RK_TABLE_RECORDS, /* one value a key */
    RK_TABLE_INDEX    /* a sorted set of values a key */
} rk_table_kind;

/* A table's number within an open store; small, dense, valid until the store is closed. */
typedef uint32_t rk_table;
#define RK_TABLE_NONE UINT32_MAX

/* Finds a table by name ("" is the engine's unnamed one). RK_NOT_FOUND when there is none and
 * `create` is false; RK_INVALID when it exists in another shape (a plain table where an index was
 * asked for, integer keys, ...). `create` needs a writable store. Opening the same name again gives
 * the same number. */
rk_status rk_store_table(rk_store *store, const char *name, rk_table_kind kind, bool create,
                         rk_table *out, rk_error *err);

/* One table as `rk_store_tables` reports it. */
typedef struct rk_table_info {
    const char *name; /* "" for the unnamed one */
    bool ordinary;    /* byte-string keys in memcmp order: a shape that rekey can read */
    rk_table_kind kind;
    uint64_t entries;
    uint64_t bytes; /* in pages, what the engine's own statistics say */
} rk_table_info;

/* Lists every table of the environment, the unnamed one first (its count leaves out the named
 * tables, which LMDB shows as keys in it). The array and its names are one allocation, freed with
 * free(). */
rk_status rk_store_tables(rk_store *store, rk_table_info **out, size_t *count, rk_error *err);

/* --- life cycle ------------------------------------------------------------------------------- */

const rk_store_caps *rk_store_capabilities(const rk_store *store);

/* NULL allowed. Every view, cursor and transaction must have been closed. */
void rk_store_close(rk_store *store);

/* --- reading ---------------------------------------------------------------------------------- */

/* Opens a snapshot of the newest committed state. */
rk_status rk_snapshot_open(rk_store *store, rk_view **out, rk_error *err);

/* Moves the snapshot to the newest committed state, cheaper than close and open. Its cursors stay
 * open but have no position: seek them. */
rk_status rk_snapshot_renew(rk_view *snapshot, rk_error *err);

/* Lets go of the state but keeps the handle for a later renew: a snapshot held over a wait pins
 * pages. Reading before the renew is a programmer's error. */
void rk_snapshot_release(rk_view *snapshot);
void rk_snapshot_close(rk_view *snapshot);

/* The number of the state that the view reads: that of the newest commit in it; of a write
 * transaction, of the newest one before it. A commit that changes anything, whoever made it, has
 * the next number; one that changes nothing may have none. RK_STATE_UNKNOWN where the engine does
 * not count its commits. */
#define RK_STATE_UNKNOWN UINT64_MAX
uint64_t rk_view_state(rk_view *view);

/* The value of a key; RK_NOT_FOUND (also for keys over the limit) leaves the error untouched, since
 * absence is a usual answer. */
rk_status rk_view_get(rk_view *view, rk_table table, rk_slice key, rk_slice *value, rk_error *err);

/* Whether the index entry key -> value is there: RK_OK or RK_NOT_FOUND. */
rk_status rk_view_has_entry(rk_view *view, rk_table table, rk_slice key, rk_slice value,
                            rk_error *err);

/* Bytes that differ from an earlier answer when the table was changed in between by anybody, as
 * far as the engine can tell without reading the table: different bytes prove a change, equal bytes
 * are evidence of none. For LMDB: the table's descriptor (root page, pages, entries), which every
 * commit to it renews; but pages are used again, so a few commits (three, measured) that leave the
 * counts as they were can bring the same descriptor back. Of the unnamed table, counts of entries
 * and pages only. A table that does not exist gives an empty slice. At most
 * RK_FINGERPRINT_BYTES_MAX. */
#define RK_FINGERPRINT_BYTES_MAX 64
rk_status rk_view_fingerprint(rk_view *view, const char *table_name,
                              uint8_t out[RK_FINGERPRINT_BYTES_MAX], size_t *out_len,
                              rk_error *err);

/* Number of entries of a table, from the engine's statistics. */
rk_status rk_view_count(rk_view *view, rk_table table, uint64_t *out, rk_error *err);

/* --- cursors ---------------------------------------------------------------------------------- */

/* One entry under a cursor; both slices are borrowed from the view. */
typedef struct rk_entry {
    rk_slice key;
    rk_slice value;
} rk_entry;

/* The unnamed table's walk skips the entries that are named tables. */
rk_status rk_cursor_open(rk_view *view, rk_table table, rk_cursor **out, rk_error *err);
void rk_cursor_close(rk_cursor *cursor);

/* The first entry with a key at or after `key`; RK_NOT_FOUND at the end, error untouched. An empty
 * key is the beginning. */
rk_status rk_cursor_seek(rk_cursor *cursor, rk_slice key, rk_entry *entry, rk_error *err);

/* For index tables: the first entry at or after the pair (key, value). */
rk_status rk_cursor_seek_entry(rk_cursor *cursor, rk_slice key, rk_slice value, rk_entry *entry,
                               rk_error *err);

/* The entry after the last one given (an index key's next value, then the next key); RK_NOT_FOUND
 * at the end. Only after a successful seek or next in the same state of the view. */
rk_status rk_cursor_next(rk_cursor *cursor, rk_entry *entry, rk_error *err);

/* --- units ------------------------------------------------------------------------------------ */

typedef enum rk_action {
    RK_ACTION_CHECK,       /* only the condition */
    RK_ACTION_PUT,         /* records: key := value */
    RK_ACTION_DELETE,      /* records: remove key; a key that is not there is no error */
    RK_ACTION_INDEX_PUT,   /* index: add value to key's set */
    RK_ACTION_INDEX_DELETE /* index: remove value from key's set; absent is no error */
} rk_action;

typedef enum rk_condition {
    RK_IF_ANY = 0,
    RK_IF_ABSENT,        /* no such key */
    RK_IF_PRESENT,       /* the key exists */
    RK_IF_EQUALS,        /* the key exists and its value is `expected` */
    RK_IF_ABSENT_OR_SAME /* for PUT: absent, or its value is already `value` */
} rk_condition;

/* One operation. INDEX actions take RK_IF_ANY only. All slices are borrowed during the call and
 * must not point into the transaction's own view. */
typedef struct rk_op {
    uint8_t action;    /* rk_action */
    uint8_t condition; /* rk_condition */
    bool seen;         /* the condition held when the unit was made; see rk_unit.seen_holds */
    rk_table table;
    rk_slice key;
    rk_slice value;
    rk_slice expected;
} rk_op;

typedef enum rk_outcome {
    RK_UNIT_PENDING = 0,
    RK_UNIT_APPLIED,   /* conditions held; something changed */
    RK_UNIT_UNCHANGED, /* conditions held; everything was already so */
    RK_UNIT_REFUSED    /* the condition of ops[failed_op] did not hold; nothing changed */
} rk_outcome;

/* The smallest atomic change. No two ops of a unit name the same key of the same records table, so
 * that a remote engine can take it as one transaction. */
typedef struct rk_unit {
    const rk_op *ops;
    uint32_t op_count;
    bool seen_holds;    /* what the ops marked `seen` look at is as it was, and no other unit of
                         * the call touches it: their conditions need not be checked again */
    uint32_t failed_op; /* out, when REFUSED */
    rk_outcome outcome; /* out */
} rk_unit;

/* --- writing ---------------------------------------------------------------------------------- */

/* Begins the one write transaction: blocks while another process or thread has it. RK_FULL when
 * the map cannot grow. */
rk_status rk_txn_begin(rk_store *store, rk_txn **out, rk_error *err);

/* The transaction as a place to read from: sees its own changes. Owned by the transaction. */
rk_view *rk_txn_view(rk_txn *txn);

/* Applies units in order, each all or nothing, and fills in their outcomes. Changes of index
 * entries, and deletes whose condition was seen and holds, may be made after all else, and those of
 * different keys in any order: the more units in one call, the fewer pages are touched more than
 * once. Outcomes are results, not errors: the status is RK_OK even when units were refused. Any
 * other status leaves the transaction fit only for rk_txn_abort: RK_FULL (the map is full: abort,
 * rk_store_grow, redo), RK_LIMIT (a key too long), RK_IO. */
rk_status rk_txn_apply(rk_txn *txn, rk_unit *units, size_t count, rk_error *err);

/* Plain changes, for metadata. Same failures as apply. */
rk_status rk_txn_put(rk_txn *txn, rk_table table, rk_slice key, rk_slice value, rk_error *err);
rk_status rk_txn_delete(rk_txn *txn, rk_table table, rk_slice key, rk_error *err);

/* Commits durably and frees the transaction, whatever the status. RK_FULL: no room, nothing
 * written. RK_UNCERTAIN: it may have landed; close the store, reopen it and look. */
rk_status rk_txn_commit(rk_txn *txn, rk_error *err);

/* Gives everything up and frees the transaction. NULL allowed. */
void rk_txn_abort(rk_txn *txn);

/* Whether another writer, of this process or another, waits in rk_txn_begin, as far as the engine
 * can tell: somebody who writes in a loop must let it go first, since locks need not be fair. Never
 * blocks; false where the engine orders writers itself. */
bool rk_store_writers_wait(rk_store *store);

/* Makes the map larger after RK_FULL from begin or apply; waits for this process's snapshots to be
 * released. RK_FULL when the disk or the address space has no more. */
rk_status rk_store_grow(rk_store *store, rk_error *err);

/* --- space ------------------------------------------------------------------------------------ */

typedef struct rk_space {
    uint64_t map_bytes;       /* the map's size; 0 where there is none */
    uint64_t used_bytes;      /* the highest page ever used, in bytes */
    uint64_t disk_free_bytes; /* free on the file system that holds the store */
    uint32_t page_bytes;
    uint64_t last_txn; /* number of the newest committed transaction */
} rk_space;

/* RK_IO when it cannot be read: a monitor that cannot be read counts as fired. */
rk_status rk_store_space(rk_store *store, rk_space *out, rk_error *err);

/* --- the backend's side ----------------------------------------------------------------------- */

/* One function for each operation above, with the same contract; none may be NULL. The wrappers
 * above only dispatch. */
typedef struct rk_store_ops {
    void (*close)(rk_store *);
    rk_status (*table)(rk_store *, const char *, rk_table_kind, bool, rk_table *, rk_error *);
    rk_status (*tables)(rk_store *, rk_table_info **, size_t *, rk_error *);
    rk_status (*snapshot_open)(rk_store *, rk_view **, rk_error *);
    rk_status (*snapshot_renew)(rk_view *, rk_error *);
    void (*snapshot_release)(rk_view *);
    void (*snapshot_close)(rk_view *);
    uint64_t (*state)(rk_view *);
    rk_status (*get)(rk_view *, rk_table, rk_slice, rk_slice *, rk_error *);
    rk_status (*has_entry)(rk_view *, rk_table, rk_slice, rk_slice, rk_error *);
    rk_status (*fingerprint)(rk_view *, const char *, uint8_t *, size_t *, rk_error *);
    rk_status (*count)(rk_view *, rk_table, uint64_t *, rk_error *);
    rk_status (*cursor_open)(rk_view *, rk_table, rk_cursor **, rk_error *);
    void (*cursor_close)(rk_cursor *);
    rk_status (*seek)(rk_cursor *, rk_slice, rk_entry *, rk_error *);
    rk_status (*seek_entry)(rk_cursor *, rk_slice, rk_slice, rk_entry *, rk_error *);
    rk_status (*next)(rk_cursor *, rk_entry *, rk_error *);
    rk_status (*txn_begin)(rk_store *, rk_txn **, rk_error *);
    rk_view *(*txn_view)(rk_txn *);
    rk_status (*txn_apply)(rk_txn *, rk_unit *, size_t, rk_error *);
    rk_status (*txn_put)(rk_txn *, rk_table, rk_slice, rk_slice, rk_error *);
    rk_status (*txn_delete)(rk_txn *, rk_table, rk_slice, rk_error *);
    rk_status (*txn_commit)(rk_txn *, rk_error *);
    void (*txn_abort)(rk_txn *);
    rk_status (*grow)(rk_store *, rk_error *);
    rk_status (*space)(rk_store *, rk_space *, rk_error *);
    bool (*writers_wait)(rk_store *);
} rk_store_ops;

/* Backends embed these as their first member. */
struct rk_store {
    const rk_store_ops *ops;
    rk_store_caps caps;
};
struct rk_view {
    rk_store *store;
};
struct rk_cursor {
    rk_store *store;
};
struct rk_txn {
    rk_store *store;
};

#endif
