/* scan.h: the skip-scanner behind json.h. Private to rekey/record.
 *
 * Each skip function takes the place where it begins, checks what it steps over, and gives the
 * place behind it. On a fault it notes what and where, once, and gives NULL. The place is handed
 * on, not kept in the scan, so that it stays in a register from one end of the value to the other.
 */
#ifndef REKEY_RECORD_SCAN_H
#define REKEY_RECORD_SCAN_H

#include "rekey/base/bytes.h"
#include "rekey/record/json.h"

typedef struct rki_scan {
    const uint8_t *begin;
    const uint8_t *end;
    const char *fault; /* NULL while all is well */
    const uint8_t *fault_at;
    bool too_deep;
} rki_scan;

static inline rki_scan rki_scan_of(rk_slice value)
{
    return (rki_scan){.begin = value.ptr, .end = value.len ? value.ptr + value.len : value.ptr};
}

/* Gives NULL. */
const uint8_t *rki_scan_fail(rki_scan *scan, const uint8_t *at, const char *fault);

static inline bool rki_is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline const uint8_t *rki_skip_space(const rki_scan *scan, const uint8_t *at)
{
    while (at < scan->end && *at <= ' ' && rki_is_space(*at))
        at++;
    return at;
}

/* Whether this very byte stands here. */
static inline bool rki_is_at(const rki_scan *scan, const uint8_t *at, uint8_t byte)
{
    return at < scan->end && *at == byte;
}

/* As rki_plain_end where less than a block is left. */
const uint8_t *rki_plain_end_near(const rki_scan *scan, const uint8_t *at);

/* The first byte at or after `at` that is special inside a string (bytes.h), or the end. */
static inline const uint8_t *rki_plain_end(const rki_scan *scan, const uint8_t *at)
{
    for (; scan->end - at >= RK_BLOCK_BYTES; at += RK_BLOCK_BYTES) {
        uint32_t special = rk_block_special(rk_block_load(at));
        if (special)
            return at + rk_lowest(special);
    }
    return rki_plain_end_near(scan, at);
}

/* The rest of a string; its first byte that is not plain is at `at`. */
const uint8_t *rki_skip_string_rest(rki_scan *scan, const uint8_t *at, bool *escaped);

/* A string with its quotes; *escaped is whether it holds any backslash. */
static inline const uint8_t *rki_skip_string(rki_scan *scan, const uint8_t *at, bool *escaped)
{
    *escaped = false;
    if (!rki_is_at(scan, at, '"'))
        return rki_scan_fail(scan, at, "a string was expected");
    at = rki_plain_end(scan, at + 1);
    return rki_is_at(scan, at, '"') ? at + 1 : rki_skip_string_rest(scan, at, escaped);
}

/* Behind a member's name: the colon, with white space around it. */
static inline const uint8_t *rki_skip_colon(rki_scan *scan, const uint8_t *at)
{
    at = rki_skip_space(scan, at);
    if (!rki_is_at(scan, at, ':'))
        return rki_scan_fail(scan, at, "':' was expected");
    return rki_skip_space(scan, at + 1);
}

/* Any value; what kind it was. `other` is for what is usually no string. */
const uint8_t *rki_skip_other(rki_scan *scan, const uint8_t *at, rk_json_kind *kind);

static inline const uint8_t *rki_skip_value(rki_scan *scan, const uint8_t *at, rk_json_kind *kind,
                                            bool *escaped)
{
    if (!rki_is_at(scan, at, '"'))
        return rki_skip_other(scan, at, kind);
    *kind = RK_JSON_STRING;
    return rki_skip_string(scan, at, escaped);
}

/* What stands between the quotes of a string from `begin` to `end`. */
static inline rk_slice rki_inside(const uint8_t *begin, const uint8_t *end)
{
    return rk_slice_of(begin + 1, (size_t)(end - begin) - 2);
}

/* Removes the escapes of a checked string. RK_LIMIT past the arena. */
rk_status rki_unescape(rk_slice inside, rk_arena *arena, rk_slice *out, rk_error *err);

#endif
