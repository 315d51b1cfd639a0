#include "store/lmdb_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the registry of open environments -------------------------------------------------------- */

/* LMDB's locks are of the process: a second open of one environment in a process, and its close,
 * silently drops the first one's. The only mutable state outside an object in rekey, because the
 * thing that it guards is of the process too. Entries of another process id were inherited through
 * a fork and mean nothing here. */
typedef struct open_env {
    struct open_env *next;
    const rki_lmdb_store *store;
    dev_t device;
    ino_t inode;
    pid_t process;
} open_env;

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static open_env *registry;

static bool registry_has(const struct stat *file)
{
    for (const open_env *e = registry; e; e = e->next)
        if (e->device == file->st_dev && e->inode == file->st_ino && e->process == getpid())
            return true;
    return false;
}

static void registry_remove(const rki_lmdb_store *store)
{
    pthread_mutex_lock(&registry_lock);
    for (open_env **link = &registry; *link; link = &(*link)->next) {
        if ((*link)->store != store)
            continue;
        open_env *gone = *link;
        *link = gone->next;
        free(gone);
        break;
    }
    pthread_mutex_unlock(&registry_lock);
}

/* --- statuses --------------------------------------------------------------------------------- */

static rk_status status_of(const rki_lmdb_store *store, int code)
{
    switch (code) {
    case MDB_MAP_FULL:
    case ENOSPC:
    case EFBIG:
    case EDQUOT:
        return RK_FULL;
    case EIO:
        return rki_lmdb_no_room(store) ? RK_FULL : RK_IO;
    case MDB_TXN_FULL:
    case MDB_DBS_FULL:
    case MDB_BAD_VALSIZE:
        return RK_LIMIT;
    case MDB_READERS_FULL:
        return RK_BUSY;
    case MDB_PANIC:
        return RK_UNCERTAIN;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        return RK_CORRUPT;
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_DBI:
    case MDB_BAD_TXN:
        return RK_INVALID;
    case ENOMEM:
        return RK_NOMEM;
    default:
        return RK_IO;
    }
}

rk_status rki_lmdb_fail(const rki_lmdb_store *store, int code, const char *what, rk_error *err)
{
    rk_origin origin = code < 0 ? RK_ORIGIN_LMDB : RK_ORIGIN_ERRNO;
    rk_status status = status_of(store, code);
    const char *hint = "";
    if (code == MDB_PANIC)
        hint = "; an earlier commit broke off, close the store and open it again";
    else if (code == EIO && status == RK_FULL)
        hint = "; there is no room left on the disk or below the file size limit";
    return rk_error_set_native(err, status, origin, code, "cannot %s in %s: %s%s", what,
                               store->path, mdb_strerror(code), hint);
}

/* --- open and close --------------------------------------------------------------------------- */

static const rk_store_ops ops;

static void free_store(rki_lmdb_store *store)
{
    if (!store)
        return;
    rki_lmdb_tables_fini(store);
    if (store->env)
        mdb_env_close(store->env);
    pthread_cond_destroy(&store->gate_changed);
    pthread_mutex_destroy(&store->gate_lock);
    pthread_mutex_destroy(&store->tables_lock);
    free(store->changes);
    free(store->path);
    free(store);
}

static rki_lmdb_store *new_store(const char *path, const rk_lmdb_options *options)
{
    rki_lmdb_store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->base.ops = &ops;
    store->base.caps = (rk_store_caps){
        .key_bytes_max = RKI_LMDB_KEY_BYTES_MAX,
        .index_value_bytes_max = RKI_LMDB_KEY_BYTES_MAX,
        .snapshots = true,
        .atomic_batch = true,
        .engine_indexes = false,
    };
    store->mode = options->mode;
    store->map_bytes_max = options->map_bytes_max ? options->map_bytes_max : UINT64_MAX;
    store->fd = -1;
    pthread_mutex_init(&store->gate_lock, NULL);
    pthread_cond_init(&store->gate_changed, NULL);
    pthread_mutex_init(&store->tables_lock, NULL);
    store->path = strdup(path);
    if (!store->path) {
        free_store(store);
        return NULL;
    }
    return store;
}

/* Looks for the data file, makes the folder where that is wanted; RK_OK with st_ino 0 when the
 * file will be made by LMDB. */
static rk_status find_file(const rki_lmdb_store *store, struct stat *file, rk_error *err)
{
    char name[4096];
    int len = snprintf(name, sizeof name, "%s/data.mdb", store->path);
    if (len < 0 || (size_t)len >= sizeof name)
        return rk_error_set(err, RK_INVALID, "path of the environment is too long");
    *file = (struct stat){0};
    bool create = store->mode == RK_LMDB_CREATE;
    if (create && mkdir(store->path, 0700) != 0 && errno != EEXIST)
        return rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, errno, "cannot make folder %s: %s",
                                   store->path, strerror(errno));
    if (stat(name, file) == 0) {
        /* LMDB would write its first pages into an empty file even when it opens read-only. */
        if (file->st_size == 0 && !create)
            return rk_error_set(err, RK_NOT_FOUND, "no LMDB environment in %s: data.mdb is empty",
                                store->path);
        return RK_OK;
    }
    *file = (struct stat){0};
    if (errno == ENOENT && create)
        return RK_OK;
    if (errno == ENOENT || errno == ENOTDIR)
        return rk_error_set_native(err, RK_NOT_FOUND, RK_ORIGIN_ERRNO, errno,
                                   "no LMDB environment in %s: %s", store->path, strerror(errno));
    return rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, errno, "cannot look at %s: %s", name,
                               strerror(errno));
}

static rk_status open_env_of(rki_lmdb_store *store, rk_error *err)
{
    int rc = mdb_env_create(&store->env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(store->env, RKI_LMDB_NAMED_MAX);
    /* NOTLS: read transactions belong to their object and not to the thread. Every other flag that
     * LMDB has trades durability or locking away. */
    unsigned flags = MDB_NOTLS | (store->mode == RK_LMDB_READ ? MDB_RDONLY : 0u);
    if (rc == 0)
        rc = mdb_env_open(store->env, store->path, flags, 0600);
    MDB_stat stat = {0};
    if (rc == 0)
        rc = mdb_env_stat(store->env, &stat);
    if (rc == 0)
        rc = mdb_env_get_fd(store->env, &store->fd);
    if (rc != 0)
        return rki_lmdb_fail(store, rc, "open the environment", err);
    if (mdb_env_get_maxkeysize(store->env) != (int)RKI_LMDB_KEY_BYTES_MAX)
        return rk_error_set(err, RK_INVALID, "this LMDB takes keys of %d bytes; rekey needs %u",
                            mdb_env_get_maxkeysize(store->env), RKI_LMDB_KEY_BYTES_MAX);
    store->page_bytes = stat.ms_psize;
    int dead = 0;
    rc = mdb_reader_check(store->env, &dead);
    if (rc != 0)
        return rki_lmdb_fail(store, rc, "clear dead readers", err);
    return RK_OK;
}

/* Under the registry's lock from the check to the entry. */
static rk_status open_registered(rki_lmdb_store *store, open_env *entry, rk_error *err)
{
    struct stat file = {0};
    rk_status status = find_file(store, &file, err);
    if (status != RK_OK)
        return status;
    if (file.st_ino != 0 && registry_has(&file))
        return rk_error_set(err, RK_BUSY, "environment in %s is already open in this process",
                            store->path);
    status = open_env_of(store, err);
    if (status != RK_OK)
        return status;
    if (fstat(store->fd, &file) != 0)
        return rki_lmdb_fail(store, errno, "look at the data file", err);
    *entry = (open_env){registry, store, file.st_dev, file.st_ino, getpid()};
    registry = entry;
    return RK_OK;
}

static void close_store(rk_store *base)
{
    rki_lmdb_store *store = rki_lmdb_store_of(base);
    assert(store->inside == 0 && "a view or a transaction is still open");
    /* Closed first, then forgotten: in between, an open is refused and not broken. */
    mdb_env_close(store->env);
    store->env = NULL;
    registry_remove(store);
    free_store(store);
}

rk_status rk_lmdb_open(const char *path, const rk_lmdb_options *options, rk_store **out,
                       rk_error *err)
{
    assert(path && options && out);
    rki_lmdb_store *store = new_store(path, options);
    open_env *entry = calloc(1, sizeof *entry);
    rk_status status = RK_OK;
    if (!store || !entry)
        status = rk_error_set(err, RK_NOMEM, "cannot open %s: out of memory", path);
    if (status == RK_OK) {
        pthread_mutex_lock(&registry_lock);
        status = open_registered(store, entry, err);
        if (status != RK_OK) {
            free_store(store); /* still under the lock: closing drops locks, too */
            store = NULL;
        }
        pthread_mutex_unlock(&registry_lock);
    }
    if (status != RK_OK) {
        free(entry);
        free_store(store);
        return status;
    }
    if (options->mode != RK_LMDB_READ)
        status = rki_lmdb_map_reserve(store, err);
    if (status == RK_OK)
        status = rki_lmdb_tables_init(store, err);
    if (status != RK_OK) {
        close_store(&store->base);
        return status;
    }
    *out = &store->base;
    return RK_OK;
}

static const rk_store_ops ops = {
    .close = close_store,
    .table = rki_lmdb_table_open,
    .tables = rki_lmdb_tables,
    .snapshot_open = rki_lmdb_snapshot_open,
    .snapshot_renew = rki_lmdb_snapshot_renew,
    .snapshot_release = rki_lmdb_snapshot_release,
    .snapshot_close = rki_lmdb_snapshot_close,
    .state = rki_lmdb_state,
    .get = rki_lmdb_get,
    .has_entry = rki_lmdb_has_entry,
    .fingerprint = rki_lmdb_fingerprint,
    .count = rki_lmdb_count,
    .cursor_open = rki_lmdb_cursor_open,
    .cursor_close = rki_lmdb_cursor_close,
    .seek = rki_lmdb_seek,
    .seek_entry = rki_lmdb_seek_entry,
    .next = rki_lmdb_next,
    .txn_begin = rki_lmdb_txn_begin,
    .txn_view = rki_lmdb_txn_view,
    .txn_apply = rki_lmdb_txn_apply,
    .txn_put = rki_lmdb_txn_put,
    .txn_delete = rki_lmdb_txn_delete,
    .txn_commit = rki_lmdb_txn_commit,
    .txn_abort = rki_lmdb_txn_abort,
    .grow = rki_lmdb_grow,
    .space = rki_lmdb_space,
    .writers_wait = rki_lmdb_writers_wait,
};
