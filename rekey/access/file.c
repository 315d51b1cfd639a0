/* file.c: the bytes of a file that decides who gets in. */
#include "rekey/access/access_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static rk_status fail_errno(const char *path, rk_error *err)
{
    int code = errno;
    if (code == ELOOP)
        return rk_error_set_native(err, RK_AUTH, RK_ORIGIN_ERRNO, code,
                                   "read authorized keys %s: it is a symlink", path);
    return rk_error_set_native(err, code == ENOENT ? RK_NOT_FOUND : RK_IO, RK_ORIGIN_ERRNO, code,
                               "read authorized keys %s: %s", path, strerror(code));
}

/* Looks at the open file, not at the name, which may change meanwhile. */
static rk_status check_guarded(int fd, const char *path, rk_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail_errno(path, err);
    if (!S_ISREG(info.st_mode))
        return rk_error_set(err, RK_AUTH, "read authorized keys %s: not a regular file", path);
    if (info.st_uid != geteuid() && info.st_uid != 0)
        return rk_error_set(err, RK_AUTH, "read authorized keys %s: it belongs to another user",
                            path);
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return rk_error_set(err, RK_AUTH,
                            "read authorized keys %s: mode %04o lets others write it; set 0644",
                            path, (unsigned)(info.st_mode & 07777));
    return RK_OK;
}

/* Reads one byte more than is allowed, to tell a file that is too long. */
static rk_status read_all(int fd, const char *path, rk_buf *out, rk_error *err)
{
    while (out->len <= RK_ACCESS_BYTES_MAX) {
        uint8_t chunk[4096];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(path, err);
        if (got == 0)
            return RK_OK;
        rk_status status = rk_buf_append(out, rk_slice_of(chunk, (size_t)got), err);
        if (status != RK_OK)
            return rk_error_context(err, status, "read authorized keys %s", path);
    }
    return rk_error_set(err, RK_LIMIT, "read authorized keys %s: more than %zu bytes", path,
                        RK_ACCESS_BYTES_MAX);
}

rk_status rki_access_read_file(const char *path, rk_buf *out, rk_error *err)
{
    /* O_NONBLOCK: a pipe under this name must not make us wait for a writer. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(path, err);
    rk_status status = check_guarded(fd, path, err);
    if (status == RK_OK)
        status = read_all(fd, path, out, err);
    close(fd);
    return status;
}

rk_status rk_access_load(const char *path, rk_access **out, rk_findings *findings, rk_error *err)
{
    rk_buf text;
    const char *slash = strrchr(path, '/');
    rk_buf_init(&text, RK_ACCESS_BYTES_MAX + 4096);
    rk_status status = rki_access_read_file(path, &text, err);
    if (status == RK_OK)
        status = rk_access_parse(rk_buf_slice(&text), slash != NULL ? slash + 1 : path, out,
                                 findings, err);
    rk_buf_fini(&text);
    return status;
}
