/* lmdb.h: opening an LMDB environment as an rk_store.
 *
 * The only other file that knows LMDB is lmdb.c and its private parts; MDB types appear nowhere
 * else.
 */
#ifndef REKEY_STORE_LMDB_H
#define REKEY_STORE_LMDB_H

#include "store/store.h"

/* Killed readers are cleared on open, when the map must grow, and each time a process has begun so
 * many write transactions: one that stays for months must not keep pages that nobody can read. */
#define RK_LMDB_READER_CHECK_EVERY 1024

typedef enum rk_lmdb_mode {
    RK_LMDB_READ,  /* changes no byte of the data file */
    RK_LMDB_WRITE, /* the environment must exist */
    RK_LMDB_CREATE /* made when absent, its folder too (mode 0700) */
} rk_lmdb_mode;

typedef struct rk_lmdb_options {
    rk_lmdb_mode mode;
    uint64_t map_bytes_max; /* the map never grows past this; 0 for no limit but the disk's */
} rk_lmdb_options;

/* Opens the environment in folder `path`. RK_NOT_FOUND: no such folder or no environment in it.
 * RK_INVALID: the file is not an LMDB environment, or of another version or page size.
 * RK_BUSY: this process has it open already (LMDB would silently lose its write lock).
 * RK_IO: permissions and the rest, each with the path and the system's word. */
rk_status rk_lmdb_open(const char *path, const rk_lmdb_options *options, rk_store **out,
                       rk_error *err);

#endif
