/* buf.h: owned, growing bytes with a cap.
 *
 * Invariants
 *   - `ptr` holds `len` valid bytes of `cap` allocated ones; len <= cap <= max.
 *   - A failed append leaves the buffer as it was.
 *   - A zeroed rk_buf with `max` set is a valid empty buffer; fini on a zeroed one is allowed.
 *
 * Every buffer has a cap because every input has one: a length that comes from outside can at most
 * make an append fail with RK_LIMIT.
 */
#ifndef REKEY_BASE_BUF_H
#define REKEY_BASE_BUF_H

#include <rekey/slice.h>
#include <rekey/status.h>

typedef struct rk_buf {
    uint8_t *ptr;
    size_t len;
    size_t cap;
    size_t max;
} rk_buf;

/* Life cycle: init allocates nothing. */
void rk_buf_init(rk_buf *buf, size_t bytes_max);
void rk_buf_fini(rk_buf *buf);

/* Forgets the bytes, keeps the memory. */
void rk_buf_reset(rk_buf *buf);

/* Makes room for `more` bytes beyond len. RK_LIMIT past the cap, RK_NOMEM. */
rk_status rk_buf_reserve(rk_buf *buf, size_t more, rk_error *err);

/* Appends. RK_LIMIT past the cap, RK_NOMEM; on failure nothing was appended. */
rk_status rk_buf_append(rk_buf *buf, rk_slice bytes, rk_error *err);
rk_status rk_buf_append_byte(rk_buf *buf, uint8_t byte, rk_error *err);
rk_status rk_buf_append_str(rk_buf *buf, const char *s, rk_error *err);
rk_status rk_buf_append_format(rk_buf *buf, rk_error *err, const char *format, ...) RK_PRINTF(3, 4);

/* Replaces the contents. */
rk_status rk_buf_set(rk_buf *buf, rk_slice bytes, rk_error *err);

/* Borrows the contents until the next change. */
static inline rk_slice rk_buf_slice(const rk_buf *buf)
{
    return rk_slice_of(buf->ptr, buf->len);
}

#endif
