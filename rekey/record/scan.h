/* scan.h: the skip-scanner behind json.h. Private to rekey/record.
 *
 * A cursor moves over the value's bytes; each skip function checks what it steps over and leaves
 * the cursor behind it. On a fault it notes what and where, once, and returns false.
 */
#ifndef REKEY_RECORD_SCAN_H
#define REKEY_RECORD_SCAN_H

#include "rekey/record/json.h"

typedef struct rki_scan {
    const uint8_t *begin;
    const uint8_t *at;
    const uint8_t *end;
    const char *fault; /* NULL while all is well */
    const uint8_t *fault_at;
    bool too_deep;
} rki_scan;

static inline rki_scan rki_scan_of(rk_slice value)
{
    return (rki_scan){
        .begin = value.ptr, .at = value.ptr, .end = value.len ? value.ptr + value.len : value.ptr};
}

bool rki_scan_fail(rki_scan *scan, const char *fault);

static inline bool rki_is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline void rki_skip_space(rki_scan *scan)
{
    while (scan->at < scan->end && rki_is_space(*scan->at))
        scan->at++;
}

/* A string with its quotes; *inside is what stands between them, *escaped whether it holds any
 * backslash. */
bool rki_skip_string(rki_scan *scan, rk_slice *inside, bool *escaped);

/* Any value; what kind it was. STRING is skipped like the rest. */
bool rki_skip_value(rki_scan *scan, rk_json_kind *kind);

/* Removes the escapes of a checked string. RK_LIMIT past the arena. */
rk_status rki_unescape(rk_slice inside, rk_arena *arena, rk_slice *out, rk_error *err);

#endif
