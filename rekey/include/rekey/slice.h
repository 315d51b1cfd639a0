/* slice.h: borrowed bytes.
 *
 * Keys and values are bytes, never C strings: they may hold NUL, 0xFF or broken UTF-8. An rk_slice
 * points at bytes that somebody else owns and says how many there are; it is passed by value.
 *
 * Invariant: ptr may be NULL only when len is 0. Order is that of memcmp, a prefix first, which is
 * the order of LMDB's default comparison and of DynamoDB's binary sort keys.
 */
#ifndef REKEY_SLICE_H
#define REKEY_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_slice {
    const uint8_t *ptr;
    size_t len;
} rk_slice;

/* Both may stand in an expression. C++ has no compound literals, and C no other way. */
#ifdef __cplusplus
#define RK_SLICE_EMPTY (rk_slice{nullptr, 0})
#else
#define RK_SLICE_EMPTY ((rk_slice){NULL, 0})
#endif

/* Borrows the bytes of a string literal, without its NUL. */
#ifdef __cplusplus
#define RK_SLICE_LITERAL(s) (rk_slice{reinterpret_cast<const uint8_t *>("" s), sizeof(s) - 1})
#else
#define RK_SLICE_LITERAL(s) ((rk_slice){(const uint8_t *)("" s), sizeof(s) - 1})
#endif

static inline rk_slice rk_slice_of(const void *ptr, size_t len)
{
    rk_slice slice = {(const uint8_t *)ptr, len};
    return slice;
}

/* Borrows a C string without its NUL; NULL gives the empty slice. */
static inline rk_slice rk_slice_str(const char *s)
{
    return s ? rk_slice_of(s, strlen(s)) : RK_SLICE_EMPTY;
}

static inline bool rk_slice_equal(rk_slice a, rk_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Negative, zero or positive as a sorts before, with or after b. */
static inline int rk_slice_compare(rk_slice a, rk_slice b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter ? memcmp(a.ptr, b.ptr, shorter) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static inline bool rk_slice_starts_with(rk_slice s, rk_slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

#ifdef __cplusplus
}
#endif

#endif
