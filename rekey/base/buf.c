#include "rekey/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_BYTES  64
#define FORMAT_BYTES 512

void rk_buf_init(rk_buf *buf, size_t bytes_max)
{
    *buf = (rk_buf){.max = bytes_max};
}

void rk_buf_fini(rk_buf *buf)
{
    if (!buf)
        return;
    free(buf->ptr);
    *buf = (rk_buf){.max = buf->max};
}

void rk_buf_reset(rk_buf *buf)
{
    buf->len = 0;
}

rk_status rk_buf_reserve(rk_buf *buf, size_t more, rk_error *err)
{
    if (more > buf->max - buf->len)
        return rk_error_set(err, RK_LIMIT, "%zu more bytes pass the limit of %zu", more, buf->max);
    size_t need = buf->len + more;
    if (need <= buf->cap)
        return RK_OK;
    size_t cap = buf->cap ? buf->cap : FIRST_BYTES;
    while (cap < need)
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    if (cap > buf->max)
        cap = buf->max;
    uint8_t *ptr = realloc(buf->ptr, cap);
    if (!ptr)
        return rk_error_set(err, RK_NOMEM, "out of memory for %zu bytes", cap);
    buf->ptr = ptr;
    buf->cap = cap;
    return RK_OK;
}

rk_status rk_buf_append(rk_buf *buf, rk_slice bytes, rk_error *err)
{
    rk_status status = rk_buf_reserve(buf, bytes.len, err);
    if (status == RK_OK && bytes.len > 0) {
        memcpy(buf->ptr + buf->len, bytes.ptr, bytes.len);
        buf->len += bytes.len;
    }
    return status;
}

rk_status rk_buf_append_byte(rk_buf *buf, uint8_t byte, rk_error *err)
{
    return rk_buf_append(buf, rk_slice_of(&byte, 1), err);
}

rk_status rk_buf_append_str(rk_buf *buf, const char *s, rk_error *err)
{
    return rk_buf_append(buf, rk_slice_str(s), err);
}

/* Printed beside the buffer, not into it: the final NUL may be the one byte past the cap. */
rk_status rk_buf_append_format(rk_buf *buf, rk_error *err, const char *format, ...)
{
    char small[FORMAT_BYTES];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (length < 0)
        return rk_error_set(err, RK_INVALID, "text could not be formatted");
    size_t bytes = (size_t)length;
    if (bytes < sizeof small)
        return rk_buf_append(buf, rk_slice_of(small, bytes), err);
    rk_status status = rk_buf_reserve(buf, bytes, err);
    if (status != RK_OK)
        return status;
    char *text = malloc(bytes + 1);
    if (!text)
        return rk_error_set(err, RK_NOMEM, "out of memory for %zu bytes", bytes + 1);
    va_start(args, format);
    vsnprintf(text, bytes + 1, format, args);
    va_end(args);
    status = rk_buf_append(buf, rk_slice_of(text, bytes), err);
    free(text);
    return status;
}

rk_status rk_buf_set(rk_buf *buf, rk_slice bytes, rk_error *err)
{
    if (bytes.len > buf->max)
        return rk_error_set(err, RK_LIMIT, "%zu bytes pass the limit of %zu", bytes.len, buf->max);
    size_t before = buf->len;
    buf->len = 0;
    rk_status status = rk_buf_append(buf, bytes, err);
    if (status != RK_OK)
        buf->len = before;
    return status;
}
