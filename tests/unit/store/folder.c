#include "folder.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

void folder_make(folder *f)
{
    const char *base = getenv("TMPDIR");
    snprintf(f->path, sizeof f->path, "%s/rekey-store-XXXXXX", base && base[0] ? base : "/tmp");
    assert_non_null(mkdtemp(f->path));
}

void folder_remove(folder *f)
{
    static const char *const FILES[] = {"data.mdb", "lock.mdb"};
    char name[300];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s/%s", f->path, FILES[i]);
        unlink(name);
    }
    rmdir(f->path);
}

rk_store *folder_open_max(const folder *f, rk_lmdb_mode mode, uint64_t map_bytes_max)
{
    rk_error err = {0};
    rk_store *store = NULL;
    rk_lmdb_options options = {.mode = mode, .map_bytes_max = map_bytes_max};
    rk_status status = rk_lmdb_open(f->path, &options, &store, &err);
    if (status != RK_OK)
        fail_msg("open %s: %s: %s", f->path, rk_status_name(status), err.message);
    return store;
}

rk_store *folder_open(const folder *f, rk_lmdb_mode mode)
{
    return folder_open_max(f, mode, 0);
}

uint64_t folder_data_digest(const folder *f, uint64_t *len)
{
    char name[300];
    static uint8_t block[1 << 16];
    uint64_t hash = 14695981039346656037u;
    snprintf(name, sizeof name, "%s/data.mdb", f->path);
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    *len = 0;
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0; *len += n)
        for (size_t i = 0; i < n; i++)
            hash = (hash ^ block[i]) * 1099511628211u;
    fclose(file);
    return hash;
}

int folder_setup(void **state)
{
    folder *f = calloc(1, sizeof *f);
    assert_non_null(f);
    folder_make(f);
    *state = f;
    return 0;
}

int folder_teardown(void **state)
{
    folder_remove(*state);
    free(*state);
    return 0;
}
