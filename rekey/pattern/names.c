#include <stdlib.h>

#include "rekey/pattern/pattern.h"

void rk_names_fini(rk_names *names)
{
    if (!names)
        return;
    free(names->name);
    *names = (rk_names){0};
}

uint16_t rk_names_find(const rk_names *names, rk_slice name)
{
    for (uint16_t i = 0; i < names->count; i++)
        if (rk_slice_equal(rk_slice_str(names->name[i]), name))
            return i;
    return RK_NAME_NONE;
}

static bool follows_rule(rk_slice name)
{
    if (name.len == 0 || name.len > RK_NAME_BYTES_MAX || name.ptr[0] < 'a' || name.ptr[0] > 'z')
        return false;
    for (size_t i = 1; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
            return false;
    }
    return true;
}

static rk_status grow(rk_names *names, rk_error *err)
{
    if (names->count < names->cap)
        return RK_OK;
    uint16_t cap = names->cap ? (uint16_t)(names->cap * 2) : 16;
    void *grown = realloc(names->name, cap * sizeof *names->name);
    if (!grown)
        return rk_error_set(err, RK_NOMEM, "out of memory for variable names");
    names->name = grown;
    names->cap = cap;
    return RK_OK;
}

rk_status rk_names_intern(rk_names *names, rk_slice name, uint16_t *out, rk_error *err)
{
    if (!follows_rule(name))
        return rk_error_set(
            err, RK_INVALID, "variable name '%.*s' is not [a-z][a-z0-9_]* of at most %d bytes",
            (int)(name.len < 80 ? name.len : 80), (const char *)name.ptr, RK_NAME_BYTES_MAX);
    uint16_t found = rk_names_find(names, name);
    if (found != RK_NAME_NONE) {
        *out = found;
        return RK_OK;
    }
    if (names->count == RK_NAMES_MAX)
        return rk_error_set(err, RK_LIMIT, "more than %d variable names", RK_NAMES_MAX);
    rk_status status = grow(names, err);
    if (status != RK_OK)
        return status;
    memcpy(names->name[names->count], name.ptr, name.len);
    names->name[names->count][name.len] = '\0';
    *out = names->count++;
    return RK_OK;
}
