#include "store/lmdb_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

const rki_lmdb_table *rki_lmdb_table_at(const rki_lmdb_store *store, rk_table table)
{
    assert(table < atomic_load_explicit(&store->table_count, memory_order_acquire) &&
           "no such table number");
    return &store->tables[table];
}

/* --- named tables among the keys of the unnamed one ------------------------------------------- */

#define NAMED_FLAGS                                                                                \
    (MDB_REVERSEKEY | MDB_DUPSORT | MDB_INTEGERKEY | MDB_DUPFIXED | MDB_INTEGERDUP | MDB_REVERSEDUP)

/* LMDB's record of a table, as it lies in the unnamed one (struct MDB_db of mdb.c 0.9). */
typedef struct descriptor {
    uint32_t pad;
    uint16_t flags;
    uint16_t depth;
    size_t branch_pages;
    size_t leaf_pages;
    size_t overflow_pages;
    size_t entries;
    size_t root;
} descriptor;

_Static_assert(sizeof(descriptor) == RKI_LMDB_DESCRIPTOR_SIZE, "layout of MDB_db");

#define NO_PAGE   ((size_t)-1)
#define DEPTH_MAX 32 /* CURSOR_STACK in mdb.c */

static descriptor descriptor_of(MDB_val value)
{
    descriptor d;
    memcpy(&d, value.mv_data, sizeof d);
    return d;
}

/* Whether the value could be a descriptor at all. Text never is; this keeps the look-up below away
 * from ordinary records that happen to have 48 bytes. */
static bool plausible(MDB_val key, MDB_val value)
{
    if (value.mv_size != sizeof(descriptor) || memchr(key.mv_data, 0, key.mv_size))
        return false;
    descriptor d = descriptor_of(value);
    if ((d.flags & ~(unsigned)NAMED_FLAGS) != 0 || d.depth > DEPTH_MAX)
        return false;
    if (d.pad != 0 && !(d.flags & MDB_DUPFIXED))
        return false;
    if (d.depth == 0)
        return d.root == NO_PAGE && d.leaf_pages == 0 && d.entries == 0;
    return d.root != NO_PAGE && d.leaf_pages > 0 && d.entries > 0;
}

/* Opens the name for a moment, in a transaction of its own, and gives LMDB's answer. A nested
 * transaction, so the gate is not entered again. */
static int probe(rki_lmdb_store *store, MDB_val key)
{
    char name[RKI_LMDB_KEY_BYTES_MAX + 1];
    if (key.mv_size >= sizeof name)
        return MDB_INCOMPATIBLE;
    memcpy(name, key.mv_data, key.mv_size);
    name[key.mv_size] = 0;
    pthread_mutex_lock(&store->tables_lock);
    MDB_txn *txn = NULL;
    MDB_dbi dbi;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0)
        rc = mdb_dbi_open(txn, name, 0, &dbi);
    mdb_txn_abort(txn); /* closes the handle, if it was not open already */
    pthread_mutex_unlock(&store->tables_lock);
    return rc;
}

bool rki_lmdb_is_named_table(rki_lmdb_store *store, MDB_val key, MDB_val value)
{
    /* LMDB says what an entry is only to someone who opens it. INCOMPATIBLE: a record under that
     * key. Any other failure (dropped since, no free slot, map grown elsewhere) leaves only what
     * the bytes look like, and they look like a table. */
    return plausible(key, value) && probe(store, key) != MDB_INCOMPATIBLE;
}

/* --- opening ---------------------------------------------------------------------------------- */

static rk_status shape_error(const rki_lmdb_store *store, const char *name, rk_table_kind kind,
                             rk_error *err)
{
    return rk_error_set(err, RK_INVALID, "table \"%s\" in %s is not %s", name, store->path,
                        kind == RK_TABLE_INDEX ? "an index with byte-string keys and values"
                                               : "a plain table with byte-string keys");
}

static bool shape_fits(unsigned flags, rk_table_kind kind)
{
    return (flags & (unsigned)NAMED_FLAGS) == (kind == RK_TABLE_INDEX ? MDB_DUPSORT : 0u);
}

/* RK_OK, RK_NOT_FOUND, or RK_INVALID where it is open in the other kind. Under tables_lock. */
static rk_status find_open(const rki_lmdb_store *store, const char *name, rk_table_kind kind,
                           rk_table *out, rk_error *err)
{
    uint32_t count = atomic_load_explicit(&store->table_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(store->tables[i].name, name) != 0)
            continue;
        if (store->tables[i].kind != kind)
            return shape_error(store, name, kind, err);
        *out = i;
        return RK_OK;
    }
    return RK_NOT_FOUND;
}

/* Opens the handle in `txn`, ends `txn` and enters the table. Under tables_lock. */
static rk_status keep_handle(rki_lmdb_store *store, MDB_txn *txn, const char *name,
                             rk_table_kind kind, bool create, rk_table *out, rk_error *err)
{
    uint32_t number = atomic_load_explicit(&store->table_count, memory_order_relaxed);
    unsigned shape = kind == RK_TABLE_INDEX ? MDB_DUPSORT : 0u;
    unsigned flags = 0;
    MDB_dbi dbi = 0;
    rk_status status = RK_OK;
    char *copy = strdup(name);
    int rc = copy ? 0 : ENOMEM;
    if (rc == 0 && number == RKI_LMDB_TABLES_MAX)
        rc = MDB_DBS_FULL;
    if (rc == 0)
        rc = mdb_dbi_open(txn, name[0] ? name : NULL, create ? MDB_CREATE | shape : 0u, &dbi);
    if (rc == 0)
        rc = mdb_dbi_flags(txn, dbi, &flags);
    if (rc == 0 && !shape_fits(flags, kind))
        rc = MDB_INCOMPATIBLE;
    if (rc == 0) {
        rc = mdb_txn_commit(txn);
        txn = NULL;
    }
    mdb_txn_abort(txn);
    if (rc == MDB_NOTFOUND)
        status = rk_error_set(err, RK_NOT_FOUND, "no table \"%s\" in %s", name, store->path);
    else if (rc == MDB_INCOMPATIBLE)
        status = shape_error(store, name, kind, err);
    else if (rc != 0)
        status = rki_lmdb_fail(store, rc, create ? "create a table" : "open a table", err);
    if (status != RK_OK) {
        free(copy);
        return status;
    }
    store->tables[number] = (rki_lmdb_table){copy, dbi, kind};
    store->handles_opened++;
    atomic_store_explicit(&store->table_count, number + 1, memory_order_release);
    *out = number;
    return RK_OK;
}

/* One try. `*stale`: another thread opened a handle after the transaction had begun, and it would
 * choose the same slot. The write lock comes before tables_lock: whoever holds a write transaction
 * may want to look at a table. */
static rk_status open_once(rki_lmdb_store *store, const char *name, rk_table_kind kind, bool create,
                           bool *stale, rk_table *out, rk_error *err)
{
    pthread_mutex_lock(&store->tables_lock);
    uint64_t opened = store->handles_opened;
    rk_status status = find_open(store, name, kind, out, err);
    pthread_mutex_unlock(&store->tables_lock);
    *stale = false;
    if (status != RK_NOT_FOUND)
        return status;

    MDB_txn *txn = NULL;
    status = rki_lmdb_begin(store, create, &txn, err);
    if (status != RK_OK)
        return status;
    pthread_mutex_lock(&store->tables_lock);
    *stale = store->handles_opened != opened;
    if (*stale)
        mdb_txn_abort(txn);
    else
        status = keep_handle(store, txn, name, kind, create, out, err);
    pthread_mutex_unlock(&store->tables_lock);
    rki_lmdb_gate_leave(store, create);
    return status;
}

static rk_status open_table(rki_lmdb_store *store, const char *name, rk_table_kind kind,
                            bool create, rk_table *out, rk_error *err)
{
    rk_status status;
    bool stale = false;
    do /* ends: at most RKI_LMDB_TABLES_MAX handles are ever opened */
        status = open_once(store, name, kind, create, &stale, out, err);
    while (stale);
    return status;
}

rk_status rki_lmdb_table_open(rk_store *base, const char *name, rk_table_kind kind, bool create,
                              rk_table *out, rk_error *err)
{
    rki_lmdb_store *store = rki_lmdb_store_of(base);
    if (strlen(name) > RKI_LMDB_KEY_BYTES_MAX)
        return rk_error_set(err, RK_LIMIT, "a table's name has %zu bytes; LMDB takes %u",
                            strlen(name), RKI_LMDB_KEY_BYTES_MAX);
    if (create && store->mode == RK_LMDB_READ)
        return rk_error_set(err, RK_INVALID, "cannot create table \"%s\": %s was opened to read",
                            name, store->path);
    if (name[0] == 0) {
        if (store->unnamed_ordinary && store->tables[RKI_LMDB_UNNAMED].kind == kind) {
            *out = RKI_LMDB_UNNAMED;
            return RK_OK;
        }
        return shape_error(store, name, kind, err);
    }
    /* Looked for first: creating takes the write lock and an fsync. */
    rk_error unused = {0};
    rk_status status = open_table(store, name, kind, false, out, create ? &unused : err);
    if (!create)
        return status;
    if (status == RK_OK)
        return RK_OK;
    if (status != RK_NOT_FOUND) {
        if (err)
            *err = unused;
        return status;
    }
    return open_table(store, name, kind, true, out, err);
}

rk_status rki_lmdb_tables_init(rki_lmdb_store *store, rk_error *err)
{
    MDB_txn *txn = NULL;
    rk_status status = rki_lmdb_begin(store, false, &txn, err);
    if (status != RK_OK)
        return status;
    unsigned flags = 0;
    rki_lmdb_table unnamed = {.name = strdup("")};
    int rc = unnamed.name ? mdb_dbi_open(txn, NULL, 0, &unnamed.dbi) : ENOMEM;
    if (rc == 0)
        rc = mdb_dbi_flags(txn, unnamed.dbi, &flags);
    mdb_txn_abort(txn);
    rki_lmdb_gate_leave(store, false);
    if (rc != 0) {
        free(unnamed.name);
        return rki_lmdb_fail(store, rc, "open the unnamed table", err);
    }
    unnamed.kind = flags & MDB_DUPSORT ? RK_TABLE_INDEX : RK_TABLE_RECORDS;
    store->unnamed_ordinary = shape_fits(flags, unnamed.kind);
    store->unnamed_flags = flags;
    store->tables[RKI_LMDB_UNNAMED] = unnamed;
    atomic_store_explicit(&store->table_count, 1, memory_order_release);
    return RK_OK;
}

void rki_lmdb_tables_fini(rki_lmdb_store *store)
{
    uint32_t count = atomic_load_explicit(&store->table_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++)
        free(store->tables[i].name);
    atomic_store_explicit(&store->table_count, 0, memory_order_relaxed);
}

/* --- listing ---------------------------------------------------------------------------------- */

typedef struct listing {
    rk_table_info *infos; /* names point nowhere until they are packed */
    size_t count;
    size_t cap;
    char *names; /* each with its NUL, in the order of infos */
    size_t names_len;
    size_t names_cap;
} listing;

static bool listing_add(listing *list, const void *name, size_t name_len, rk_table_info info)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        rk_table_info *infos = realloc(list->infos, cap * sizeof *infos);
        if (!infos)
            return false;
        list->infos = infos;
        list->cap = cap;
    }
    if (list->names_cap - list->names_len < name_len + 1) {
        size_t cap = list->names_cap * 2 + name_len + 256;
        char *names = realloc(list->names, cap);
        if (!names)
            return false;
        list->names = names;
        list->names_cap = cap;
    }
    memcpy(list->names + list->names_len, name, name_len);
    list->names[list->names_len + name_len] = 0;
    list->names_len += name_len + 1;
    list->infos[list->count++] = info;
    return true;
}

/* One allocation: the array, then the names. */
static rk_table_info *listing_pack(const listing *list)
{
    size_t infos_bytes = list->count * sizeof *list->infos;
    rk_table_info *packed = malloc(infos_bytes + list->names_len);
    if (!packed)
        return NULL;
    memcpy(packed, list->infos, infos_bytes);
    char *name = (char *)packed + infos_bytes;
    memcpy(name, list->names, list->names_len);
    for (size_t i = 0; i < list->count; i++) {
        packed[i].name = name;
        name += strlen(name) + 1;
    }
    return packed;
}

static rk_table_info info_of(unsigned flags, size_t entries, size_t pages, uint32_t page_bytes)
{
    rk_table_kind kind = flags & MDB_DUPSORT ? RK_TABLE_INDEX : RK_TABLE_RECORDS;
    return (rk_table_info){
        .ordinary = shape_fits(flags, kind),
        .kind = kind,
        .entries = entries,
        .bytes = (uint64_t)pages * page_bytes,
    };
}

/* All from one snapshot: the descriptors hold what mdb_stat would say. */
static int list_tables(rki_lmdb_store *store, MDB_txn *txn, listing *list)
{
    MDB_dbi unnamed = store->tables[RKI_LMDB_UNNAMED].dbi;
    MDB_stat stat;
    MDB_cursor *cursor = NULL;
    int rc = mdb_stat(txn, unnamed, &stat);
    if (rc == 0)
        rc = mdb_cursor_open(txn, unnamed, &cursor);
    if (rc != 0)
        return rc;
    size_t pages = stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    rk_table_info own = info_of(store->unnamed_flags, stat.ms_entries, pages, store->page_bytes);
    if (!listing_add(list, "", 0, own))
        rc = ENOMEM;
    MDB_val key, value;
    while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        if (!rki_lmdb_is_named_table(store, key, value))
            continue;
        descriptor d = descriptor_of(value);
        pages = d.branch_pages + d.leaf_pages + d.overflow_pages;
        if (!listing_add(list, key.mv_data, key.mv_size,
                         info_of(d.flags, d.entries, pages, store->page_bytes)))
            rc = ENOMEM;
        else
            list->infos[0].entries--;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

rk_status rki_lmdb_tables(rk_store *base, rk_table_info **out, size_t *count, rk_error *err)
{
    rki_lmdb_store *store = rki_lmdb_store_of(base);
    MDB_txn *txn = NULL;
    rk_status status = rki_lmdb_begin(store, false, &txn, err);
    if (status != RK_OK)
        return status;
    listing list = {0};
    int rc = list_tables(store, txn, &list);
    mdb_txn_abort(txn);
    rki_lmdb_gate_leave(store, false);
    rk_table_info *packed = rc == 0 ? listing_pack(&list) : NULL;
    if (rc == 0 && !packed)
        rc = ENOMEM;
    if (rc != 0) {
        status = rki_lmdb_fail(store, rc, "list the tables", err);
    } else {
        *out = packed;
        *count = list.count;
    }
    free(list.infos);
    free(list.names);
    return status;
}
