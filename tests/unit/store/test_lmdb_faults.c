/* What the adapter depends on when disks fill, processes die and maps grow.
 *
 * LMDB forbids carrying an open environment through a fork, so every child is forked first and told
 * through a pipe when to go on. Children report by their exit status and never through cmocka. */
#include "contract.h"
#include "folder.h"
#include "store/lmdb.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- injected write errors -------------------------------------------------------------------- */

/* The program's own pwrite stands before the C library's for LMDB, too. LMDB writes its meta pages,
 * the first 8 KiB of the file, with it. */
static atomic_int fail_meta_writes;

RK_API ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    if (offset < 8192 && atomic_load(&fail_meta_writes)) {
        errno = EIO;
        return -1;
    }
    off_t back = lseek(fd, 0, SEEK_CUR);
    if (back < 0 || lseek(fd, offset, SEEK_SET) < 0)
        return -1;
    ssize_t written = write(fd, bytes, len);
    int error = errno;
    lseek(fd, back, SEEK_SET);
    errno = error;
    return written;
}

/* --- children --------------------------------------------------------------------------------- */

typedef struct child {
    pid_t pid;
    int go;   /* written to: the child goes on */
    int done; /* read from: the child got there */
} child;

typedef struct child_ends {
    int go;
    int done;
} child_ends;

static void tell(int fd)
{
    if (write(fd, "x", 1) != 1)
        _exit(120);
}

static void await(int fd)
{
    char c;
    if (read(fd, &c, 1) != 1)
        _exit(121);
}

static child fork_child(const folder *f, int (*body)(const folder *, child_ends))
{
    int go[2], done[2];
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(done), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(go[1]);
        close(done[0]);
        _exit(body(f, (child_ends){go[0], done[1]}));
    }
    close(go[0]);
    close(done[1]);
    return (child){pid, go[1], done[0]};
}

/* The exit status, or 128 and the signal. */
static int reap(child *c)
{
    int status = 0;
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    close(c->go);
    close(c->done);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- data ------------------------------------------------------------------------------------- */

#define BIG ((size_t)1 << 16)

static rk_status put_big(rk_txn *txn, rk_table table, int n, char fill, rk_error *err)
{
    static uint8_t value[BIG];
    char key[32];
    memset(value, fill, sizeof value);
    snprintf(key, sizeof key, "key-%06d", n);
    rk_op op = {.action = RK_ACTION_PUT,
                .table = table,
                .key = rk_slice_str(key),
                .value = rk_slice_of(value, sizeof value)};
    rk_unit unit = {.ops = &op, .op_count = 1};
    return rk_txn_apply(txn, &unit, 1, err);
}

/* One transaction with `count` large records from `first` on. */
static rk_status write_big(rk_store *store, rk_table table, int first, int count, char fill,
                           rk_error *err)
{
    rk_txn *txn = NULL;
    rk_status status = rk_txn_begin(store, &txn, err);
    if (status != RK_OK)
        return status;
    for (int i = first; i < first + count && status == RK_OK; i++)
        status = put_big(txn, table, i, fill, err);
    if (status == RK_OK)
        return rk_txn_commit(txn, err);
    rk_txn_abort(txn);
    return status;
}

/* As an engine does it: abort, grow, redo. */
static rk_status write_growing(rk_store *store, rk_table table, int first, int count, char fill,
                               int *grown, rk_error *err)
{
    rk_status status;
    while ((status = write_big(store, table, first, count, fill, err)) == RK_FULL) {
        status = rk_store_grow(store, err);
        if (status != RK_OK)
            return status;
        ++*grown;
    }
    return status;
}

/* The number of records from 0 on that are whole and of `fill`; stops at the first that is not. */
static int whole_records(rk_store *store, rk_table table, char fill)
{
    rk_view *view = NULL;
    int n = 0;
    if (rk_snapshot_open(store, &view, NULL) != RK_OK)
        return -1;
    for (;; n++) {
        char key[32];
        rk_slice value;
        snprintf(key, sizeof key, "key-%06d", n);
        if (rk_view_get(view, table, rk_slice_str(key), &value, NULL) != RK_OK)
            break;
        if (value.len != BIG || value.ptr[0] != fill || value.ptr[BIG - 1] != fill)
            break;
    }
    rk_snapshot_close(view);
    return n;
}

static rk_store *open_table_in(const folder *f, uint64_t map_bytes_max, rk_table *table)
{
    rk_store *store = NULL;
    rk_lmdb_options options = {.mode = RK_LMDB_CREATE, .map_bytes_max = map_bytes_max};
    rk_error err = {0};
    if (rk_lmdb_open(f->path, &options, &store, &err) != RK_OK ||
        rk_store_table(store, "t", RK_TABLE_RECORDS, true, table, &err) != RK_OK) {
        fprintf(stderr, "%s\n", err.message);
        return NULL;
    }
    return store;
}

/* --- growth ----------------------------------------------------------------------------------- */

typedef struct reader {
    rk_store *store;
    rk_table table;
    atomic_bool stop;
    atomic_int rounds;
    atomic_int wrong;
} reader;

static void *read_all_the_time(void *argument)
{
    reader *r = argument;
    rk_view *view = NULL;
    rk_error err = {0};
    rk_status status = rk_snapshot_open(r->store, &view, &err);
    while (status == RK_OK && !atomic_load(&r->stop)) {
        rk_slice value;
        status = rk_view_get(view, r->table, rk_slice_str("key-000000"), &value, &err);
        if (status == RK_OK && (value.len != BIG || value.ptr[BIG - 1] != 'a'))
            atomic_fetch_add(&r->wrong, 1);
        if (status == RK_OK && atomic_fetch_add(&r->rounds, 1) % 2)
            rk_snapshot_release(view);
        if (status == RK_OK)
            status = rk_snapshot_renew(view, &err);
    }
    rk_snapshot_close(view);
    if (status != RK_OK)
        atomic_fetch_add(&r->wrong, 1);
    return NULL;
}

static void test_growth_beside_snapshots(void **state)
{
    const folder *f = *state;
    rk_error err = {0};
    reader r = {0};
    pthread_t threads[2];
    r.store = open_table_in(f, 0, &r.table);
    assert_non_null(r.store);
    must_err(write_big(r.store, r.table, 0, 1, 'a', &err), &err);
    rk_space before, after;
    must(rk_store_space(r.store, &before, NULL));
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &r), 0);
    int grown = 0;
    for (int n = 0; n < 2400; n += 100) /* 150 MiB */
        must_err(write_growing(r.store, r.table, n, 100, 'a', &grown, &err), &err);
    while (atomic_load(&r.rounds) < 10 && atomic_load(&r.wrong) == 0)
        must(rk_store_space(r.store, &after, NULL));
    atomic_store(&r.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&r.wrong), 0);
    assert_true(grown >= 1);
    must(rk_store_space(r.store, &after, NULL));
    assert_true(after.map_bytes >= before.map_bytes + (64 << 20));
    assert_int_equal(whole_records(r.store, r.table, 'a'), 2400);
    rk_store_close(r.store);
}

static void test_growth_limit(void **state)
{
    const folder *f = *state;
    rk_error err = {0};
    rk_table table;
    rk_store *store = open_table_in(f, 8 << 20, &table);
    assert_non_null(store);
    must_err(write_big(store, table, 0, 50, 'a', &err), &err);
    assert_int_equal(write_big(store, table, 50, 100, 'a', &err), RK_FULL);
    assert_int_equal(rk_store_grow(store, &err), RK_FULL);
    assert_int_equal(whole_records(store, table, 'a'), 50);
    must_err(write_big(store, table, 50, 1, 'a', &err), &err);
    rk_space space;
    must(rk_store_space(store, &space, NULL));
    assert_true(space.map_bytes <= 8 << 20);
    assert_true(space.used_bytes <= space.map_bytes);
    rk_store_close(store);

    store = open_table_in(f, 12 << 20, &table); /* a higher limit: growth by what it leaves */
    assert_non_null(store);
    int grown = 0;
    must_err(write_growing(store, table, 51, 60, 'a', &grown, &err), &err);
    assert_int_equal(write_growing(store, table, 111, 200, 'a', &grown, &err), RK_FULL);
    assert_int_equal(whole_records(store, table, 'a'), 111);
    rk_store_close(store);
}

static int child_grows(const folder *f, child_ends ends)
{
    rk_table table;
    rk_error err = {0};
    int grown = 0;
    await(ends.go);
    rk_store *store = open_table_in(f, 0, &table);
    if (!store)
        return 1;
    for (int n = 10; n < 2000; n += 100)
        if (write_growing(store, table, n, 100, 'a', &grown, &err) != RK_OK)
            return 2;
    rk_store_close(store);
    return grown > 0 ? 0 : 3;
}

/* LMDB gives MDB_MAP_RESIZED to whoever looks next, reader or writer. */
static void test_growth_by_another_process(void **state)
{
    const folder *f = *state;
    rk_error err = {0};
    rk_table table;
    for (int writer = 0; writer < 2; writer++) {
        child c = fork_child(f, child_grows);
        rk_store *store = open_table_in(f, 0, &table);
        assert_non_null(store);
        must_err(write_big(store, table, 0, 10, 'a', &err), &err);
        rk_view *view = NULL;
        must(rk_snapshot_open(store, &view, NULL));
        rk_snapshot_release(view);
        tell(c.go);
        assert_int_equal(reap(&c), 0);
        if (writer)
            must_err(write_big(store, table, 2010, 1, 'a', &err), &err);
        must_err(rk_snapshot_renew(view, &err), &err);
        rk_snapshot_close(view);
        assert_int_equal(whole_records(store, table, 'a'), writer ? 2011 : 2010);
        rk_store_close(store);
        if (!writer) { /* a new environment for the writer's turn */
            folder_remove((folder *)(uintptr_t)f);
        }
    }
}

/* --- processes that die ----------------------------------------------------------------------- */

static int child_holds_snapshot(const folder *f, child_ends ends)
{
    rk_table table;
    rk_view *view = NULL;
    await(ends.go);
    rk_store *store = open_table_in(f, 0, &table);
    if (!store || rk_snapshot_open(store, &view, NULL) != RK_OK)
        return 1;
    tell(ends.done);
    await(ends.go); /* never comes */
    return 2;
}

static uint64_t used_after_rewrites(rk_store *store, rk_table table)
{
    rk_error err = {0};
    rk_space space;
    int grown = 0;
    for (int i = 0; i < 12; i++)
        must_err(write_growing(store, table, 0, 32, 'a', &grown, &err), &err);
    for (int i = 0; i < 12; i++) /* same values are no change: alternate */
        must_err(write_growing(store, table, 0, 32, i % 2 ? 'a' : 'b', &grown, &err), &err);
    must(rk_store_space(store, &space, NULL));
    return space.used_bytes;
}

static void begin_often(rk_store *store)
{
    for (int i = 0; i < RK_LMDB_READER_CHECK_EVERY; i++) {
        rk_txn *txn = NULL;
        must(rk_txn_begin(store, &txn, NULL));
        rk_txn_abort(txn);
    }
}

static void test_killed_reader(void **state)
{
    enum { BY_OPEN, BY_GROW, BY_WRITES, WAYS };
    const folder *f = *state;
    rk_table table;
    for (int way = 0; way < WAYS; way++) {
        child c = fork_child(f, child_holds_snapshot);
        rk_store *store = open_table_in(f, 0, &table);
        assert_non_null(store);
        uint64_t calm = used_after_rewrites(store, table);
        assert_int_equal(used_after_rewrites(store, table), calm);
        tell(c.go);
        await(c.done);
        kill(c.pid, SIGKILL);
        assert_int_equal(reap(&c), 128 + SIGKILL);
        uint64_t pinned = used_after_rewrites(store, table);
        assert_true(pinned > calm + 10 * 32 * BIG); /* no page is used again */
        if (way == BY_GROW) {
            must(rk_store_grow(store, NULL));
        } else if (way == BY_WRITES) {
            begin_often(store);
        } else {
            rk_store_close(store);
            store = open_table_in(f, 0, &table);
            assert_non_null(store);
        }
        assert_int_equal(used_after_rewrites(store, table), pinned);
        rk_store_close(store);
        folder_remove((folder *)(uintptr_t)f);
    }
}

/* --- writers that wait ------------------------------------------------------------------------ */

static int child_wants_to_write(const folder *f, child_ends ends)
{
    rk_table table;
    rk_txn *txn = NULL;
    await(ends.go);
    rk_store *store = open_table_in(f, 0, &table);
    if (!store || rk_txn_begin(store, &txn, NULL) != RK_OK)
        return 1;
    rk_txn_abort(txn);
    tell(ends.done);
    await(ends.go); /* its store stays open */
    rk_store_close(store);
    return 0;
}

static void wait_for_waiter(rk_store *store, bool waits)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int i = 0; i < 20000 && rk_store_writers_wait(store) != waits; i++)
        nanosleep(&moment, NULL);
    assert_int_equal(rk_store_writers_wait(store), waits);
}

/* Another process is seen while it waits, and not when it has had its turn or was killed. */
static void test_waiting_writers_are_seen(void **state)
{
    const folder *f = *state;
    rk_table table;
    for (int killed = 0; killed < 2; killed++) {
        rk_txn *txn = NULL;
        child c = fork_child(f, child_wants_to_write);
        rk_store *store = open_table_in(f, 0, &table);
        assert_non_null(store);
        must(rk_txn_begin(store, &txn, NULL));
        assert_false(rk_store_writers_wait(store)); /* who has the lock waits no more */
        tell(c.go);
        wait_for_waiter(store, true);
        if (killed)
            kill(c.pid, SIGKILL);
        else
            rk_txn_abort(txn);
        if (!killed)
            await(c.done);
        wait_for_waiter(store, false);
        if (killed)
            rk_txn_abort(txn);
        else
            tell(c.go);
        assert_int_equal(reap(&c), killed ? 128 + SIGKILL : 0);
        rk_store_close(store);
        folder_remove((folder *)(uintptr_t)f);
    }
}

typedef struct waiting_thread {
    rk_store *store;
    atomic_bool had_it;
} waiting_thread;

static void *want_to_write(void *argument)
{
    waiting_thread *w = argument;
    rk_txn *txn = NULL;
    if (rk_txn_begin(w->store, &txn, NULL) == RK_OK) {
        rk_txn_abort(txn);
        atomic_store(&w->had_it, true);
    }
    return NULL;
}

static void test_waiting_threads_are_seen(void **state)
{
    const folder *f = *state;
    rk_table table;
    rk_txn *txn = NULL;
    pthread_t threads[3];
    waiting_thread waiting[3];
    rk_store *store = open_table_in(f, 0, &table);
    assert_non_null(store);
    must(rk_txn_begin(store, &txn, NULL));
    for (int i = 0; i < 3; i++) {
        waiting[i].store = store;
        atomic_init(&waiting[i].had_it, false);
        assert_int_equal(pthread_create(&threads[i], NULL, want_to_write, &waiting[i]), 0);
    }
    wait_for_waiter(store, true);
    rk_txn_abort(txn);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_true(atomic_load(&waiting[i].had_it));
    }
    assert_false(rk_store_writers_wait(store));
    rk_store_close(store);
}

static int child_writes_and_waits(const folder *f, child_ends ends)
{
    rk_table table;
    rk_txn *txn = NULL;
    await(ends.go);
    rk_store *store = open_table_in(f, 0, &table);
    if (!store || rk_txn_begin(store, &txn, NULL) != RK_OK)
        return 1;
    for (int i = 0; i < 100; i++)
        if (put_big(txn, table, i, 'b', NULL) != RK_OK)
            return 2;
    tell(ends.done);
    await(ends.go); /* never comes */
    return 3;
}

static void test_killed_writer(void **state)
{
    const folder *f = *state;
    rk_error err = {0};
    rk_table table;
    child c = fork_child(f, child_writes_and_waits);
    rk_store *store = open_table_in(f, 0, &table);
    assert_non_null(store);
    must_err(write_big(store, table, 0, 50, 'a', &err), &err);
    tell(c.go);
    await(c.done);
    kill(c.pid, SIGKILL);
    assert_int_equal(reap(&c), 128 + SIGKILL);
    assert_int_equal(whole_records(store, table, 'a'), 50);
    must_err(write_big(store, table, 50, 50, 'a', &err), &err); /* the write lock is free */
    assert_int_equal(whole_records(store, table, 'a'), 100);
    rk_store_close(store);
}

/* --- no room ---------------------------------------------------------------------------------- */

static bool limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return false;
    limit.rlim_cur = bytes;
    return setrlimit(RLIMIT_FSIZE, &limit) == 0;
}

/* A file size limit makes writes end early, as a full disk does. */
static int child_hits_file_limit(const folder *f, child_ends ends)
{
    (void)ends;
    signal(SIGXFSZ, SIG_IGN);
    rk_table table;
    rk_error err = {0};
    rk_store *store = open_table_in(f, 0, &table);
    if (!store || write_big(store, table, 0, 20, 'a', &err) != RK_OK)
        return 1;
    rk_space space;
    if (rk_store_space(store, &space, NULL) != RK_OK)
        return 2;
    /* Within a page's write, so that it ends early; then at a page's edge, so that none begins. */
    static const rlim_t BEYOND[] = {((rlim_t)1 << 20) + 1000, 4096};
    for (size_t i = 0; i < COUNT(BEYOND); i++) {
        if (!limit_file_size((rlim_t)space.used_bytes + BEYOND[i]))
            return 3;
        rk_status status = write_big(store, table, 20, 200, 'a', &err);
        if (status != RK_FULL) {
            fprintf(stderr, "%s: %s\n", rk_status_name(status), err.message);
            return 4;
        }
        if (rk_store_grow(store, &err) != RK_FULL)
            return 5;
        if (whole_records(store, table, 'a') != 20)
            return 6;
    }
    if (!limit_file_size(RLIM_INFINITY))
        return 7;
    if (write_big(store, table, 20, 200, 'a', &err) != RK_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 8;
    }
    if (whole_records(store, table, 'a') != 220)
        return 9;
    rk_store_close(store);
    return 0;
}

static void test_full_disk(void **state)
{
    const folder *f = *state;
    rk_table table;
    child c = fork_child(f, child_hits_file_limit);
    assert_int_equal(reap(&c), 0);
    rk_store *store = open_table_in(f, 0, &table);
    assert_non_null(store);
    assert_int_equal(whole_records(store, table, 'a'), 220);
    rk_store_close(store);
}

static void test_broken_meta_write(void **state)
{
    const folder *f = *state;
    rk_error err = {0};
    rk_table table;
    rk_txn *txn = NULL;
    rk_store *store = open_table_in(f, 0, &table);
    assert_non_null(store);
    must_err(write_big(store, table, 0, 10, 'a', &err), &err);
    must(rk_txn_begin(store, &txn, NULL));
    must(put_big(txn, table, 10, 'a', NULL));
    atomic_store(&fail_meta_writes, 1);
    rk_status status = rk_txn_commit(txn, &err);
    atomic_store(&fail_meta_writes, 0);
    assert_int_equal(status, RK_UNCERTAIN);
    assert_int_equal(err.native, EIO);
    assert_int_equal(rk_txn_begin(store, &txn, &err), RK_UNCERTAIN); /* until it is reopened */
    rk_store_close(store);
    store = open_table_in(f, 0, &table);
    assert_non_null(store);
    assert_int_equal(whole_records(store, table, 'a'), 10);
    must_err(write_big(store, table, 10, 1, 'a', &err), &err);
    rk_store_close(store);
}

/* --- tables from elsewhere and from threads --------------------------------------------------- */

static int child_creates_table(const folder *f, child_ends ends)
{
    rk_table table;
    await(ends.go);
    rk_store *store = open_table_in(f, 0, &table);
    if (!store || write_big(store, table, 0, 1, 'a', NULL) != RK_OK)
        return 1;
    rk_store_close(store);
    return 0;
}

static void test_table_created_elsewhere(void **state)
{
    const folder *f = *state;
    rk_error err = {0};
    rk_table table;
    child c = fork_child(f, child_creates_table);
    rk_store_close(folder_open(f, RK_LMDB_CREATE));
    rk_store *store = folder_open(f, RK_LMDB_READ);
    assert_int_equal(rk_store_table(store, "t", RK_TABLE_RECORDS, false, &table, &err),
                     RK_NOT_FOUND);
    tell(c.go);
    assert_int_equal(reap(&c), 0);
    must(rk_store_table(store, "t", RK_TABLE_RECORDS, false, &table, NULL));
    assert_int_equal(whole_records(store, table, 'a'), 1);
    rk_store_close(store);
}

typedef struct opener {
    rk_store *store;
    int number;
    rk_status status;
    rk_table tables[20];
} opener;

static void *open_many(void *argument)
{
    opener *o = argument;
    for (int i = 0; i < 20 && o->status == RK_OK; i++) {
        char name[32];
        rk_table_info *infos = NULL;
        size_t count;
        snprintf(name, sizeof name, "table-%d", (i * 7 + o->number * 3) % 20);
        rk_table *table = &o->tables[(i * 7 + o->number * 3) % 20];
        o->status = rk_store_table(o->store, name, RK_TABLE_RECORDS, true, table, NULL);
        if (o->status == RK_OK)
            o->status = rk_store_tables(o->store, &infos, &count, NULL);
        free(infos);
        char key[32];
        snprintf(key, sizeof key, "by-%d", o->number);
        rk_txn *txn = NULL;
        if (o->status == RK_OK)
            o->status = rk_txn_begin(o->store, &txn, NULL);
        if (o->status == RK_OK)
            o->status = rk_txn_put(txn, *table, rk_slice_str(key), rk_slice_str(name), NULL);
        if (o->status == RK_OK)
            o->status = rk_txn_commit(txn, NULL);
    }
    return NULL;
}

/* Two handles must never share a slot, whoever opens them when. */
static void test_tables_from_threads(void **state)
{
    const folder *f = *state;
    pthread_t threads[3];
    opener openers[3] = {{0}};
    rk_store *store = folder_open(f, RK_LMDB_CREATE);
    for (int i = 0; i < 3; i++) {
        openers[i] = (opener){.store = store, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, open_many, &openers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(openers[i].status, RK_OK);
    }
    assert_memory_equal(openers[0].tables, openers[1].tables, sizeof openers[0].tables);
    assert_memory_equal(openers[0].tables, openers[2].tables, sizeof openers[0].tables);
    rk_view *view = NULL;
    must(rk_snapshot_open(store, &view, NULL));
    for (int t = 0; t < 20; t++) {
        char name[32];
        snprintf(name, sizeof name, "table-%d", t);
        for (int i = 0; i < 3; i++) {
            char key[32];
            rk_slice value;
            snprintf(key, sizeof key, "by-%d", i);
            must(rk_view_get(view, openers[0].tables[t], rk_slice_str(key), &value, NULL));
            assert_true(rk_slice_equal(value, rk_slice_str(name)));
        }
    }
    rk_snapshot_close(view);
    rk_store_close(store);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_limit),
        cmocka_unit_test(test_growth_by_another_process),
        cmocka_unit_test(test_killed_reader),
        cmocka_unit_test(test_killed_writer),
        cmocka_unit_test(test_waiting_writers_are_seen),
        cmocka_unit_test(test_waiting_threads_are_seen),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_broken_meta_write),
        cmocka_unit_test(test_table_created_elsewhere),
        cmocka_unit_test(test_growth_beside_snapshots),
        cmocka_unit_test(test_tables_from_threads),
    };
    for (size_t i = 0; i < COUNT(tests); i++) {
        tests[i].setup_func = folder_setup;
        tests[i].teardown_func = folder_teardown;
    }
    return _cmocka_run_group_tests("lmdb.faults", tests, COUNT(tests), NULL, NULL);
}
