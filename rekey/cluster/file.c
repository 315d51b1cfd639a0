/* file.c: the bytes of a file that says who is who. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rekey/cluster/cluster_private.h"

static rk_status fail_errno(const char *what, const char *path, rk_error *err)
{
    int code = errno;
    return rk_error_set_native(err, code == ENOENT ? RK_NOT_FOUND : RK_IO, RK_ORIGIN_ERRNO, code,
                               "read %s %s: %s", what, path, strerror(code));
}

/* Looks at the open file, not at the name, which may change meanwhile. Symlinks are fine here: this
 * file gives no rights, the authorized keys do. */
static rk_status check_guarded(int fd, const char *what, const char *path, rk_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail_errno(what, path, err);
    if (!S_ISREG(info.st_mode))
        return rk_error_set(err, RK_IO, "read %s %s: not a regular file", what, path);
    if ((info.st_mode & S_IWOTH) != 0)
        return rk_error_set(err, RK_AUTH, "read %s %s: mode %04o lets everybody write it; set 0644",
                            what, path, (unsigned)(info.st_mode & 07777));
    return RK_OK;
}

/* Reads one byte more than is allowed, to tell a file that is too long. */
static rk_status read_all(int fd, const char *what, const char *path, rk_buf *out, rk_error *err)
{
    while (out->len <= RK_CLUSTER_BYTES_MAX) {
        uint8_t chunk[4096];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(what, path, err);
        if (got == 0)
            return RK_OK;
        rk_status status = rk_buf_append(out, rk_slice_of(chunk, (size_t)got), err);
        if (status != RK_OK)
            return rk_error_context(err, status, "read %s %s", what, path);
    }
    return rk_error_set(err, RK_LIMIT, "read %s %s: more than %zu bytes", what, path,
                        RK_CLUSTER_BYTES_MAX);
}

rk_status rki_cluster_read_file(const char *what, const char *path, rk_buf *out, rk_error *err)
{
    /* O_NONBLOCK: a pipe under this name must not make us wait for a writer. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(what, path, err);
    rk_buf_init(out, RK_CLUSTER_BYTES_MAX + 4096);
    rk_status status = check_guarded(fd, what, path, err);
    if (status == RK_OK)
        status = read_all(fd, what, path, out, err);
    close(fd);
    return status;
}
