/* lmdb_turn.c: who waits for the write lock.
 *
 * LMDB's write lock is a mutex that cannot be asked for its waiters, and it is not fair: whoever
 * releases it and takes it again at once is faster than a waiter that must be woken first. So a
 * writer says that it waits, with a shared record lock on a byte of the data file that is far
 * behind its end. The lock is never waited for (nobody takes it exclusively) and the kernel drops
 * it when the process dies. It belongs to the process, so threads are counted.
 *
 * Source: fcntl(2), "Advisory record locking". Such locks are lost when the process closes any
 * descriptor of the file: then the worst is that a writer is not seen waiting.
 */
#include "store/lmdb_private.h"

#include <fcntl.h>
#include <unistd.h>

/* As far as a signed 32-bit off_t reaches, and behind any first page. LMDB locks lock.mdb only. */
#define TURN_BYTE ((off_t)0x7ffffffe)

static struct flock turn_byte(short type)
{
    struct flock lock = {0};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = TURN_BYTE;
    lock.l_len = 1;
    return lock;
}

/* Best effort: a writer that could not say so is not let go first. Under the gate's lock. */
static void set_turn(const rki_lmdb_store *store, short type)
{
    struct flock lock = turn_byte(type);
    (void)fcntl(store->fd, F_SETLK, &lock);
}

void rki_lmdb_turn_ask(rki_lmdb_store *store)
{
    pthread_mutex_lock(&store->gate_lock);
    if (store->waiting++ == 0)
        set_turn(store, F_RDLCK);
    pthread_mutex_unlock(&store->gate_lock);
}

void rki_lmdb_turn_taken(rki_lmdb_store *store)
{
    pthread_mutex_lock(&store->gate_lock);
    if (--store->waiting == 0)
        set_turn(store, F_UNLCK);
    pthread_mutex_unlock(&store->gate_lock);
}

bool rki_lmdb_writers_wait(rk_store *base)
{
    rki_lmdb_store *store = rki_lmdb_store_of(base);
    pthread_mutex_lock(&store->gate_lock);
    bool here = store->waiting > 0;
    pthread_mutex_unlock(&store->gate_lock);
    struct flock lock = turn_byte(F_WRLCK);
    return here || (fcntl(store->fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK);
}
