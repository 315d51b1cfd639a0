/* file.h: small documents read and replaced as a whole. Private to rekey/plan. */
#ifndef REKEY_PLAN_FILE_H
#define REKEY_PLAN_FILE_H

#include "rekey/base/buf.h"

/* Appends the file's bytes. RK_NOT_FOUND, RK_IO, RK_LIMIT (more than the buffer's cap). */
rk_status rki_file_read(const char *path, rk_buf *out, rk_error *err);

/* Replaces the file, or makes it: a temporary file beside it, fsync, rename, fsync of the folder.
 * A reader sees the old bytes or the new ones. RK_IO. */
rk_status rki_file_replace(const char *path, rk_slice bytes, rk_error *err);

#endif
