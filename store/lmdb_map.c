#include "store/lmdb_private.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

/* --- the gate --------------------------------------------------------------------------------- */

/* How long a new transaction lets a waiting change of the map go first. Not for ever: its thread
 * may hold the very snapshot that the change waits for. */
#define YIELD_MS 20

/* How long taking over another process's map waits for this process's own snapshots, one of which
 * may be the caller's. */
#define ADOPT_MS 30000

static struct timespec deadline_after(long ms)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t); /* the clock of pthread_cond_timedwait */
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec += 1;
        t.tv_nsec -= 1000000000L;
    }
    return t;
}

static rk_status unmapped(const rki_lmdb_store *store, rk_error *err)
{
    return rk_error_set(err, RK_IO, "the map of %s was lost while it was replaced; close the store",
                        store->path);
}

static rk_status gate_enter(rki_lmdb_store *store, rk_error *err)
{
    struct timespec deadline = deadline_after(YIELD_MS);
    pthread_mutex_lock(&store->gate_lock);
    int rc = 0;
    while (store->resizing && rc == 0)
        rc = pthread_cond_timedwait(&store->gate_changed, &store->gate_lock, &deadline);
    /* Once nobody is inside, the change has begun and must be waited out. */
    while (store->replacing)
        pthread_cond_wait(&store->gate_changed, &store->gate_lock);
    bool lost = store->unmapped;
    if (!lost)
        store->inside++;
    pthread_mutex_unlock(&store->gate_lock);
    return lost ? unmapped(store, err) : RK_OK;
}

void rki_lmdb_gate_leave(rki_lmdb_store *store, bool writable)
{
    pthread_mutex_lock(&store->gate_lock);
    assert(store->inside > 0);
    store->inside--;
    if (writable)
        store->writing = false;
    if (store->inside == 0)
        pthread_cond_broadcast(&store->gate_changed);
    pthread_mutex_unlock(&store->gate_lock);
}

/* Waits until nobody is inside and keeps newcomers out. False after wait_ms (0: no limit). */
static bool gate_close(rki_lmdb_store *store, long wait_ms)
{
    struct timespec deadline = deadline_after(wait_ms);
    int rc = 0;
    pthread_mutex_lock(&store->gate_lock);
    while (store->resizing && rc == 0)
        rc = wait_ms ? pthread_cond_timedwait(&store->gate_changed, &store->gate_lock, &deadline)
                     : pthread_cond_wait(&store->gate_changed, &store->gate_lock);
    bool ours = !store->resizing;
    if (ours)
        store->resizing = true;
    while (ours && store->inside > 0 && rc == 0)
        rc = wait_ms ? pthread_cond_timedwait(&store->gate_changed, &store->gate_lock, &deadline)
                     : pthread_cond_wait(&store->gate_changed, &store->gate_lock);
    bool closed = ours && store->inside == 0;
    if (closed)
        store->replacing = true;
    else if (ours)
        store->resizing = false;
    pthread_cond_broadcast(&store->gate_changed);
    pthread_mutex_unlock(&store->gate_lock);
    return closed;
}

static void gate_open(rki_lmdb_store *store)
{
    pthread_mutex_lock(&store->gate_lock);
    store->resizing = false;
    store->replacing = false;
    pthread_cond_broadcast(&store->gate_changed);
    pthread_mutex_unlock(&store->gate_lock);
}

/* --- replacing the map ------------------------------------------------------------------------ */

/* The gate is closed. LMDB unmaps the old map first, and is left without any when the new one
 * cannot be had: so ask for the addresses beforehand. `map_bytes` 0 takes what the file says. */
static rk_status set_map(rki_lmdb_store *store, uint64_t map_bytes, rk_error *err)
{
    if (store->unmapped)
        return unmapped(store, err);
    if (map_bytes > SIZE_MAX)
        return rk_error_set(err, RK_FULL, "no address space for a map of %llu bytes",
                            (unsigned long long)map_bytes);
    if (map_bytes > 0) {
        void *probe = mmap(NULL, (size_t)map_bytes, PROT_READ, MAP_SHARED, store->fd, 0);
        if (probe == MAP_FAILED)
            return rk_error_set_native(err, RK_FULL, RK_ORIGIN_ERRNO, errno,
                                       "no address space to map %llu bytes of %s: %s",
                                       (unsigned long long)map_bytes, store->path, strerror(errno));
        munmap(probe, (size_t)map_bytes);
    }
    int rc = mdb_env_set_mapsize(store->env, (size_t)map_bytes);
    if (rc == 0)
        return RK_OK;
    store->unmapped = rc != EINVAL;
    return rki_lmdb_fail(store, rc, "replace the map", err);
}

/* Takes over the size to which another process grew the map. */
static rk_status adopt(rki_lmdb_store *store, rk_error *err)
{
    if (!gate_close(store, ADOPT_MS))
        return rk_error_set(err, RK_BUSY,
                            "another process grew the map of %s, and snapshots of this one stayed "
                            "open for %d s",
                            store->path, ADOPT_MS / 1000);
    rk_status status = set_map(store, 0, err);
    gate_open(store);
    return status;
}

static void claim_writer(rki_lmdb_store *store, bool claim)
{
    pthread_mutex_lock(&store->gate_lock);
    if (claim) {
        store->writing = true;
        store->writer = pthread_self();
    } else {
        /* LMDB would wait for this thread's own lock for ever. */
        assert(!(store->writing && pthread_equal(store->writer, pthread_self())) &&
               "this thread has a write transaction already");
    }
    pthread_mutex_unlock(&store->gate_lock);
}

static int begin_once(rki_lmdb_store *store, bool writable, MDB_txn **txn)
{
    if (*txn)
        return mdb_txn_renew(*txn);
    int rc = mdb_txn_begin(store->env, NULL, writable ? 0u : MDB_RDONLY, txn);
    if (rc == MDB_READERS_FULL) { /* perhaps full of readers that were killed */
        int dead = 0;
        mdb_reader_check(store->env, &dead);
        if (dead > 0)
            rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, txn);
    }
    return rc;
}

static rk_status begin(rki_lmdb_store *store, bool writable, MDB_txn **txn, rk_error *err)
{
    const char *what = writable ? "begin a write transaction" : "begin a read transaction";
    for (int tries = 0; tries < RKI_LMDB_RESIZE_TRIES; tries++) {
        rk_status status = gate_enter(store, err);
        if (status != RK_OK)
            return status;
        int rc = begin_once(store, writable, txn);
        if (rc == 0) {
            if (writable)
                claim_writer(store, true);
            return RK_OK;
        }
        rki_lmdb_gate_leave(store, false);
        if (rc != MDB_MAP_RESIZED)
            return rki_lmdb_fail(store, rc, what, err);
        status = adopt(store, err);
        if (status != RK_OK)
            return status;
    }
    return rki_lmdb_fail(store, MDB_MAP_RESIZED, what, err);
}

rk_status rki_lmdb_begin(rki_lmdb_store *store, bool writable, MDB_txn **txn, rk_error *err)
{
    if (!writable)
        return begin(store, false, txn, err);
    claim_writer(store, false);
    rki_lmdb_turn_ask(store);
    rk_status status = begin(store, true, txn, err);
    rki_lmdb_turn_taken(store);
    return status;
}

/* --- room ------------------------------------------------------------------------------------- */

static uint64_t file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return limit.rlim_cur;
}

/* What this process may still take: f_bavail leaves out the blocks reserved for root. */
static bool disk_free(const rki_lmdb_store *store, uint64_t *out)
{
    struct statvfs fs;
    if (store->fd < 0 || fstatvfs(store->fd, &fs) != 0)
        return false;
    *out = (uint64_t)fs.f_bavail * (fs.f_frsize ? fs.f_frsize : fs.f_bsize);
    return true;
}

bool rki_lmdb_no_room(const rki_lmdb_store *store)
{
    uint64_t free_bytes = 0;
    if (disk_free(store, &free_bytes) && free_bytes < RKI_LMDB_ROOM_BYTES_MIN)
        return true;
    struct stat file = {0};
    uint64_t limit = file_limit();
    if (limit == UINT64_MAX || store->fd < 0 || fstat(store->fd, &file) != 0)
        return false;
    uint64_t size = (uint64_t)file.st_size;
    return size >= limit || limit - size < RKI_LMDB_ROOM_BYTES_MIN;
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The largest map that could ever be filled, given the disk and the limits. */
static rk_status map_ceiling(const rki_lmdb_store *store, uint64_t *out, rk_error *err)
{
    struct stat file = {0};
    uint64_t free_bytes = 0;
    if (fstat(store->fd, &file) != 0 || !disk_free(store, &free_bytes))
        return rki_lmdb_fail(store, errno, "measure the free space", err);
    uint64_t held = (uint64_t)file.st_blocks * 512u; /* POSIX's unit on Linux and the BSDs */
    MDB_envinfo info;
    mdb_env_info(store->env, &info);
    uint64_t used = ((uint64_t)info.me_last_pgno + 1) * store->page_bytes;
    uint64_t ceiling = add_capped(used > held ? used : held, free_bytes);
    ceiling = least(least(ceiling, store->map_bytes_max), file_limit());
    *out = ceiling - ceiling % store->page_bytes;
    return RK_OK;
}

static uint64_t map_bytes_now(const rki_lmdb_store *store)
{
    MDB_envinfo info;
    mdb_env_info(store->env, &info);
    return info.me_mapsize;
}

/* The gate is closed. */
static rk_status grow_closed(rki_lmdb_store *store, rk_error *err)
{
    if (store->unmapped)
        return unmapped(store, err);
    int dead = 0;
    mdb_reader_check(store->env, &dead); /* their pages can be used again: best effort */
    uint64_t ceiling = 0;
    rk_status status = map_ceiling(store, &ceiling, err);
    if (status != RK_OK)
        return status;
    uint64_t now = map_bytes_now(store);
    uint64_t step = now > RKI_LMDB_HEADROOM_BYTES ? now : RKI_LMDB_HEADROOM_BYTES;
    uint64_t wanted = least(add_capped(now, step), ceiling);
    if (wanted < now || wanted - now < RKI_LMDB_ROOM_BYTES_MIN)
        return rk_error_set(err, RK_FULL,
                            "cannot grow the map of %s beyond %llu bytes: the limit, the disk or "
                            "the file size limit allows %llu",
                            store->path, (unsigned long long)now, (unsigned long long)ceiling);
    return set_map(store, wanted, err);
}

rk_status rki_lmdb_grow(rk_store *base, rk_error *err)
{
    rki_lmdb_store *store = rki_lmdb_store_of(base);
    if (store->mode == RK_LMDB_READ)
        return rk_error_set(err, RK_INVALID, "the store in %s was opened to read", store->path);
    gate_close(store, 0);
    rk_status status = grow_closed(store, err);
    gate_open(store);
    return status;
}

rk_status rki_lmdb_map_reserve(rki_lmdb_store *store, rk_error *err)
{
    struct stat file = {0};
    if (fstat(store->fd, &file) != 0)
        return rki_lmdb_fail(store, errno, "measure the data file", err);
    uint64_t wanted = add_capped((uint64_t)file.st_size, RKI_LMDB_HEADROOM_BYTES);
    wanted = least(wanted, store->map_bytes_max);
    wanted -= wanted % store->page_bytes;
    if (wanted <= map_bytes_now(store))
        return RK_OK;
    gate_close(store, 0);
    rk_status status = set_map(store, wanted, err);
    gate_open(store);
    return status;
}

rk_status rki_lmdb_space(rk_store *base, rk_space *out, rk_error *err)
{
    rki_lmdb_store *store = rki_lmdb_store_of(base);
    uint64_t free_bytes = 0;
    if (!disk_free(store, &free_bytes))
        return rki_lmdb_fail(store, errno, "measure the free space", err);
    rk_status status = gate_enter(store, err); /* the numbers lie in the map */
    if (status != RK_OK)
        return status;
    MDB_envinfo info;
    int rc = mdb_env_info(store->env, &info);
    rki_lmdb_gate_leave(store, false);
    if (rc != 0)
        return rki_lmdb_fail(store, rc, "read the environment's state", err);
    *out = (rk_space){
        .map_bytes = info.me_mapsize,
        .used_bytes = ((uint64_t)info.me_last_pgno + 1) * store->page_bytes,
        .disk_free_bytes = free_bytes,
        .page_bytes = store->page_bytes,
        .last_txn = info.me_last_txnid,
    };
    return RK_OK;
}
