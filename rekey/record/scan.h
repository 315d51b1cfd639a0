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
    const char *fault;       /* NULL while all is well */
    const uint8_t *fault_at;
    bool too_deep;
} rki_scan;

static inline rki_scan rki_scan_of(rk_slice value)
{
    return (rki_scan){.begin = value.ptr, .at = value.ptr, .end = value.ptr + value.len};
}

bool rki_scan_fail(rki_scan *scan, const char *fault);
void rki_skip_space(rki_scan *scan);

/* A string with its quotes; *inside is what stands between them, *escaped whether it holds any
 * backslash. */
bool rki_skip_string(rki_scan *scan, rk_slice *inside, bool *escaped);

/* Any value; what kind it was. STRING is skipped like the rest. */
bool rki_skip_value(rki_scan *scan, rk_json_kind *kind);

/* Removes the escapes of a checked string. RK_LIMIT past the arena. */
rk_status rki_unescape(rk_slice inside, rk_arena *arena, rk_slice *out, rk_error *err);

#endif
