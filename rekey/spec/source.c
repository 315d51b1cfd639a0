/* The bytes of a spec and of its lookup files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rekey/spec/draft.h"

/* The spec, a few lookup files of full size, and room for the arena's own slack. */
#define SOURCE_BYTES_MAX ((size_t)8 * RK_LOOKUP_BYTES_MAX)

static rk_status read_all(int fd, uint8_t *bytes, size_t size, const char *path, rk_error *err)
{
    size_t have = 0;
    while (have < size) {
        ssize_t got = read(fd, bytes + have, size - have);
        if (got > 0) {
            have += (size_t)got;
            continue;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, errno, "read %s: %s", path,
                                       strerror(errno));
        return rk_error_set(err, RK_IO, "read %s: the file became shorter meanwhile", path);
    }
    return RK_OK;
}

static rk_status read_open(int fd, const char *path, size_t bytes_max, rk_arena *arena,
                           rk_slice *out, rk_error *err)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, errno, "read %s: %s", path,
                                   strerror(errno));
    if (!S_ISREG(about.st_mode))
        return rk_error_set(err, RK_IO, "read %s: not a regular file", path);
    if ((uint64_t)about.st_size > bytes_max)
        return rk_error_set(err, RK_LIMIT, "read %s: the file has %lld bytes; the limit is %zu",
                            path, (long long)about.st_size, bytes_max);
    size_t size = (size_t)about.st_size;
    uint8_t *bytes = rk_arena_alloc(arena, size + 1);
    if (bytes == NULL)
        return rk_error_set(err, RK_LIMIT, "read %s: the spec's files together are too large",
                            path);
    rk_status status = read_all(fd, bytes, size, path, err);
    if (status == RK_OK)
        *out = rk_slice_of(bytes, size);
    return status;
}

static rk_status read_file(const char *path, size_t bytes_max, rk_arena *arena, rk_slice *out,
                           rk_error *err)
{
    /* Not blocking, so that a pipe of that name is refused and not waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return rk_error_set_native(err, errno == ENOENT ? RK_NOT_FOUND : RK_IO, RK_ORIGIN_ERRNO,
                                   errno, "read %s: %s", path, strerror(errno));
    rk_status status = read_open(fd, path, bytes_max, arena, out, err);
    close(fd);
    return status;
}

static char *copy_name(rk_arena *arena, const char *name)
{
    size_t size = strlen(name) + 1;
    char *copy = rk_arena_alloc(arena, size);
    if (copy != NULL)
        memcpy(copy, name, size);
    return copy;
}

rk_status rk_spec_source_read(const char *path, rk_spec_source *out, rk_error *err)
{
    rk_spec_source source = {0};
    rk_arena_init(&source.memory, SOURCE_BYTES_MAX);
    rk_status status = read_file(path, RK_SPEC_BYTES_MAX, &source.memory, &source.text, err);
    if (status != RK_OK)
        goto out;
    const char *slash = strrchr(path, '/');
    source.name = copy_name(&source.memory, slash != NULL ? slash + 1 : path);
    if (source.name == NULL) {
        status = rk_error_set(err, RK_NOMEM, "read %s: out of memory", path);
        goto out;
    }
    *out = source;
    return RK_OK;
out:
    rk_spec_source_fini(&source);
    return status;
}

void rk_spec_source_fini(rk_spec_source *source)
{
    if (source == NULL)
        return;
    rk_arena_fini(&source->memory);
    *source = (rk_spec_source){0};
}

rk_status rki_source_add(rk_spec_source *source, const char *folder, const char *name,
                         rk_slice *out, rk_error *err)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return rk_error_set(err, RK_LIMIT, "read %s: the folder's path is too long", name);
    rk_slice bytes = RK_SLICE_EMPTY;
    rk_status status = read_file(path, RK_LOOKUP_BYTES_MAX, &source->memory, &bytes, err);
    if (status != RK_OK)
        return status;
    size_t count = source->file_count;
    rk_spec_file *files = rk_arena_alloc(&source->memory, (count + 1) * sizeof *files);
    char *copy = copy_name(&source->memory, name);
    if (files == NULL || copy == NULL)
        return rk_error_set(err, RK_NOMEM, "read %s: out of memory", path);
    if (count > 0)
        memcpy(files, source->files, count * sizeof *files);
    files[count] = (rk_spec_file){copy, bytes};
    source->files = files;
    source->file_count = count + 1;
    *out = bytes;
    return RK_OK;
}
