#include "transport/ipc_path.h"
#include "transport/url.h"

#include "rekey/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOCK_TRIES    100
#define LOCK_PAUSE_NS 10000000u

static rk_status fail_errno(rk_error *err, const char *what, const char *path)
{
    rk_status status = errno == EACCES || errno == EPERM ? RK_AUTH : RK_IO;
    return rk_error_set_native(err, status, RK_ORIGIN_ERRNO, errno, "%s %s: %s", what, path,
                               strerror(errno));
}

/* Everything up to the last slash. */
static void folder_name(const char *path, char out[RK_URL_PATH_BYTES_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (!slash)
        snprintf(out, RK_URL_PATH_BYTES_MAX + 1, ".");
    else
        snprintf(out, RK_URL_PATH_BYTES_MAX + 1, "%.*s", len ? (int)len : 1, path);
}

/* --- the folder ------------------------------------------------------------------------------- */

/* Whoever may write the folder may put a socket of his own there. A sticky folder lets everybody
 * add names, but nobody replace another's. */
static rk_status check_folder(int fd, const char *folder, rk_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail_errno(err, "look at", folder);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return rk_error_set(err, RK_AUTH, "folder %s belongs to another user", folder);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX))
        return rk_error_set(err, RK_AUTH, "folder %s can be written by others (mode %03o)", folder,
                            (unsigned)(st.st_mode & 0777));
    return RK_OK;
}

/* Other nodes hold the lock for as long as it takes to bind a socket. Waiting is bounded because
 * strangers may lock a folder, too. */
static rk_status lock_folder(int fd, const char *folder, rk_error *err)
{
    const rk_clock *clock = rk_clock_system();
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return RK_OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail_errno(err, "lock folder", folder);
        clock->pause_ns(clock->context, LOCK_PAUSE_NS);
    }
    return rk_error_set(err, RK_BUSY, "folder %s is locked by another process", folder);
}

/* --- the socket ------------------------------------------------------------------------------- */

/* Connecting is the one way to learn whether somebody listens: 0, or the errno. It does not wait:
 * a live server whose queue is full gives EAGAIN. */
static int probe(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return errno;
    int failed = 0;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        failed = errno;
    close(fd);
    return failed;
}

static rk_status clear_path(const char *path, rk_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? RK_OK : fail_errno(err, "look at", path);
    if (!S_ISSOCK(st.st_mode))
        return rk_error_set(err, RK_INVALID, "%s is not a socket; it stays", path);
    int failed = probe(path);
    if (failed == 0 || failed == EAGAIN)
        return rk_error_set(err, RK_BUSY, "another process listens at %s", path);
    errno = failed;
    if (failed != ECONNREFUSED)
        return fail_errno(err, "connect to", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return fail_errno(err, "remove the dead socket", path);
    return RK_OK;
}

/* --- the claim -------------------------------------------------------------------------------- */

rk_status rk_ipc_claim_take(const char *path, rk_ipc_claim *out, rk_error *err)
{
    assert(path && out && strlen(path) <= RK_URL_PATH_BYTES_MAX);
    char folder[RK_URL_PATH_BYTES_MAX + 1];
    folder_name(path, folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "open folder", folder);
    rk_status status = check_folder(fd, folder, err);
    if (status == RK_OK)
        status = lock_folder(fd, folder, err);
    if (status == RK_OK)
        status = clear_path(path, err);
    if (status == RK_OK)
        out->folder_fd = fd;
    else
        close(fd);
    return status;
}

void rk_ipc_claim_release(rk_ipc_claim *claim)
{
    if (claim->folder_fd >= 0)
        close(claim->folder_fd);
    *claim = RK_IPC_CLAIM_NONE;
}
