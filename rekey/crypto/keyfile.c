/* keyfile.c: keys on disk.
 *
 * KEY      rekey-secret-key-v1 SEED   (64 hex digits), mode 0600
 * KEY.pub  PUBLIC                     (64 hex digits, as a spec's `approvers` lists it)
 *
 * Only the seed is stored: a file cannot pair one secret with another's public key, which would let
 * signatures leak the secret.
 */
#include "rekey/crypto/crypto.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_PREFIX "rekey-secret-key-v1 "
#define SEED_BYTES    crypto_sign_SEEDBYTES
#define TEXT_BYTES    160 /* more than either file holds */

/* --- writing ---------------------------------------------------------------------------------- */

static rk_status fail_errno(rk_error *err, const char *verb, const char *path)
{
    int code = errno;
    rk_status status = code == EEXIST ? RK_CONFLICT : code == ENOENT ? RK_NOT_FOUND : RK_IO;
    return rk_error_set_native(err, status, RK_ORIGIN_ERRNO, code, "%s %s: %s", verb, path,
                               code == EEXIST ? "it exists already" : strerror(code));
}

/* O_EXCL refuses whatever is there, a dangling symlink included. */
static rk_status create_file(const char *path, mode_t mode, int *out, rk_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0)
        return fail_errno(err, "create key file", path);
    *out = fd;
    return RK_OK;
}

static rk_status write_text(int fd, const char *path, const char *text, rk_error *err)
{
    size_t length = strlen(text);
    size_t written = 0;
    while (written < length) {
        ssize_t n = write(fd, text + written, length - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "write key file", path);
        written += (size_t)n;
    }
    if (fsync(fd) != 0)
        return fail_errno(err, "write key file", path);
    return RK_OK;
}

/* Makes the new names as durable as the bytes. Some file systems cannot sync a folder (EINVAL). */
static rk_status sync_folder(const char *path, rk_error *err)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        size_t length = slash == path ? 1 : (size_t)(slash - path);
        assert(length < sizeof folder); /* open() took the longer path */
        memcpy(folder, path, length);
        folder[length] = '\0';
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "open folder", folder);
    rk_status status = RK_OK;
    if (fsync(fd) != 0 && errno != EINVAL)
        status = fail_errno(err, "sync folder", folder);
    close(fd);
    return status;
}

/* The two texts; `secret` is the caller's to wipe. */
static void format_key(const rk_secret_key *key, char secret[TEXT_BYTES], char public[TEXT_BYTES])
{
    unsigned char seed[SEED_BYTES];
    char hex[2 * SEED_BYTES + 1];
    crypto_sign_ed25519_sk_to_seed(seed, key->bytes);
    rk_hex(rk_slice_of(seed, sizeof seed), hex);
    snprintf(secret, TEXT_BYTES, SECRET_PREFIX "%s\n", hex);
    rk_hex(rk_slice_of(key->public_key.bytes, RK_PUBLIC_KEY_BYTES), hex);
    snprintf(public, TEXT_BYTES, "%s\n", hex);
    sodium_memzero(seed, sizeof seed);
}

static rk_status write_pair(const char *const paths[2], const int fds[2], const rk_secret_key *key,
                            rk_error *err)
{
    char secret[TEXT_BYTES];
    char public[TEXT_BYTES];
    format_key(key, secret, public);
    rk_status status = write_text(fds[0], paths[0], secret, err);
    if (status == RK_OK)
        status = write_text(fds[1], paths[1], public, err);
    if (status == RK_OK)
        status = sync_folder(paths[0], err);
    sodium_memzero(secret, sizeof secret);
    return status;
}

rk_status rk_key_files_write(const char *path, const rk_secret_key *key, rk_error *err)
{
    char public_path[PATH_MAX];
    int length = snprintf(public_path, sizeof public_path, "%s.pub", path);
    if (length < 0 || (size_t)length >= sizeof public_path)
        return rk_error_set(err, RK_INVALID, "create key file: the path is too long");

    /* Both names are taken before a byte is written: a refusal leaves nothing behind. */
    const char *const paths[2] = {path, public_path};
    int fds[2] = {-1, -1};
    rk_status status = create_file(path, 0600, &fds[0], err);
    if (status != RK_OK)
        return status;
    status = create_file(public_path, 0644, &fds[1], err);
    if (status == RK_OK)
        status = write_pair(paths, fds, key, err);
    for (size_t i = 0; i < 2; i++) {
        if (fds[i] < 0)
            continue;
        if (close(fds[i]) != 0 && status == RK_OK)
            status = fail_errno(err, "write key file", paths[i]);
        if (status != RK_OK)
            unlink(paths[i]);
    }
    return status;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Reads a whole small file, with its last line break cut off. */
static rk_status read_text(int fd, const char *path, char text[TEXT_BYTES], rk_error *err)
{
    size_t length = 0;
    while (length < TEXT_BYTES - 1) {
        ssize_t n = read(fd, text + length, TEXT_BYTES - 1 - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(err, "read key file", path);
        if (n == 0)
            break;
        length += (size_t)n;
    }
    if (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    return RK_OK;
}

/* Looks at the open file, not at the name, which may change meanwhile. */
static rk_status check_guarded(int fd, const char *path, rk_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail_errno(err, "look at key file", path);
    if (!S_ISREG(info.st_mode))
        return rk_error_set(err, RK_AUTH, "read key file %s: not a regular file", path);
    if (info.st_uid != geteuid())
        return rk_error_set(err, RK_AUTH, "read key file %s: it belongs to another user", path);
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return rk_error_set(err, RK_AUTH, "read key file %s: mode %04o lets others at it; set 0600",
                            path, (unsigned)(info.st_mode & 07777));
    return RK_OK;
}

static rk_status open_guarded(const char *path, int *out, rk_error *err)
{
    /* O_NONBLOCK: a pipe under this name must not make us wait for a writer. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP)
        return rk_error_set_native(err, RK_AUTH, RK_ORIGIN_ERRNO, errno,
                                   "read key file %s: it is a symlink", path);
    if (fd < 0)
        return fail_errno(err, "read key file", path);
    rk_status status = check_guarded(fd, path, err);
    if (status != RK_OK) {
        close(fd);
        return status;
    }
    *out = fd;
    return RK_OK;
}

static rk_status parse_secret(const char *path, const char *text, rk_secret_key *out, rk_error *err)
{
    unsigned char seed[SEED_BYTES];
    size_t prefix = sizeof SECRET_PREFIX - 1;
    if (strncmp(text, SECRET_PREFIX, prefix) != 0 ||
        rk_unhex(rk_slice_str(text + prefix), seed, sizeof seed, NULL) != RK_OK)
        return rk_error_set(err, RK_CORRUPT, "read key file %s: not a secret key of rekey", path);
    int result = crypto_sign_seed_keypair(out->public_key.bytes, out->bytes, seed);
    assert(result == 0);
    (void)result;
    sodium_memzero(seed, sizeof seed);
    return RK_OK;
}

rk_status rk_secret_key_read(const char *path, rk_secret_key *out, rk_error *err)
{
    int fd = -1;
    rk_status status = open_guarded(path, &fd, err);
    if (status != RK_OK)
        return status;
    char text[TEXT_BYTES];
    status = read_text(fd, path, text, err);
    if (status == RK_OK)
        status = parse_secret(path, text, out, err);
    sodium_memzero(text, sizeof text);
    close(fd);
    return status;
}

rk_status rk_public_key_read(const char *path, rk_public_key *out, rk_error *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "read key file", path);
    char text[TEXT_BYTES];
    rk_status status = read_text(fd, path, text, err);
    if (status == RK_OK &&
        rk_unhex(rk_slice_str(text), out->bytes, RK_PUBLIC_KEY_BYTES, NULL) != RK_OK)
        status = rk_error_set(err, RK_CORRUPT, "read key file %s: not a public key", path);
    close(fd);
    return status;
}
