/* access_private.h: the list of entries, and the file's bytes. */
#ifndef REKEY_ACCESS_ACCESS_PRIVATE_H
#define REKEY_ACCESS_ACCESS_PRIVATE_H

#include "rekey/access/access.h"

struct rk_access {
    rk_access_entry *entries; /* sorted by key */
    size_t count;
    rk_arena memory; /* owns every string and list */
};

/* Negative, zero or positive; both point at an rk_slice. */
int rki_access_compare_slices(const void *left, const void *right);

/* Reads a whole file that only its owner, the caller or root, can write. */
rk_status rki_access_read_file(const char *path, rk_buf *out, rk_error *err);

#endif
