#include "rekey/plan/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 * 1024)

static rk_status fault(rk_error *err, const char *tried, const char *path)
{
    int code = errno;
    rk_status status = code == ENOENT ? RK_NOT_FOUND : code == ENOSPC ? RK_FULL : RK_IO;
    return rk_error_set_native(err, status, RK_ORIGIN_ERRNO, code, "%s %s: %s", tried, path,
                               strerror(code));
}

rk_status rki_file_read(const char *path, rk_buf *out, rk_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault(err, "cannot open", path);
    rk_status status = RK_OK;
    ssize_t got = 1;
    while (status == RK_OK && got > 0) {
        status = rk_buf_reserve(out, READ_BYTES, err);
        if (status != RK_OK)
            break;
        got = read(fd, out->ptr + out->len, READ_BYTES);
        if (got > 0)
            out->len += (size_t)got;
        if (got < 0)
            status = fault(err, "cannot read", path);
    }
    close(fd);
    return status;
}

static rk_status write_all(int fd, rk_slice bytes, const char *path, rk_error *err)
{
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fault(err, "cannot write", path);
        bytes = rk_slice_of(bytes.ptr + put, bytes.len - (size_t)put);
    }
    return fsync(fd) == 0 ? RK_OK : fault(err, "cannot write", path);
}

/* A rename is durable when its folder is. */
static void sync_folder(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

rk_status rki_file_replace(const char *path, rk_slice bytes, rk_error *err)
{
    char temporary[PATH_MAX];
    int length = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof temporary)
        return rk_error_set(err, RK_LIMIT, "the path %.64s... is too long", path);
    int fd = mkstemp(temporary);
    if (fd < 0)
        return fault(err, "cannot write", path);
    rk_status status = write_all(fd, bytes, path, err);
    if (status == RK_OK && fchmod(fd, 0644) != 0)
        status = fault(err, "cannot set the mode of", path);
    close(fd);
    if (status == RK_OK && rename(temporary, path) != 0)
        status = fault(err, "cannot write", path);
    if (status != RK_OK)
        unlink(temporary);
    else
        sync_folder(path);
    return status;
}
