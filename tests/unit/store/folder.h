/* folder.h: a folder of its own for each test, with an LMDB environment in it. */
#ifndef REKEY_TESTS_STORE_FOLDER_H
#define REKEY_TESTS_STORE_FOLDER_H

#include "store/lmdb.h"

#include <sys/types.h>

typedef struct folder {
    char path[256];
} folder;

/* A new empty folder below $TMPDIR or /tmp; remove takes the environment's files with it. */
void folder_make(folder *f);
void folder_remove(folder *f);

/* Opens the environment; fails the test when that does not work. */
rk_store *folder_open(const folder *f, rk_lmdb_mode mode);
rk_store *folder_open_max(const folder *f, rk_lmdb_mode mode, uint64_t map_bytes_max);

/* A digest of the data file's bytes (FNV-1a), and its length. */
uint64_t folder_data_digest(const folder *f, uint64_t *len);

/* cmocka's set-up and tear-down: *state becomes a folder. */
int folder_setup(void **state);
int folder_teardown(void **state);

#endif
