/* json.h: fields of a JSON record, found without parsing all of it into a tree.
 *
 * A record's value is one JSON object (RFC 8259). The migration needs a handful of its top-level
 * members and must leave every other byte as it is, so this is a bounded skip-scanner: it checks
 * that the value is well-formed, finds the members asked for, and skips the rest. The value is not
 * copied. Packaged parsers build a tree for every record, at a tenth of the speed.
 *
 * Invariants
 *   - A value is accepted exactly when it is one well-formed JSON object with nothing but white
 *     space around it, valid UTF-8 inside its strings, and nesting of at most RK_JSON_DEPTH_MAX.
 *   - A wanted member that occurs twice makes the value bad: which one counts is anybody's guess,
 *     and a capsule must not be a guess.
 *   - Names compare after unescaping: "capsule\u005fid" is capsule_id.
 *
 * Threading: no state. Fuzz target: tests/fuzz/fuzz_json.c.
 */
#ifndef REKEY_RECORD_JSON_H
#define REKEY_RECORD_JSON_H

#include "rekey/base/arena.h"

#define RK_JSON_DEPTH_MAX 64

typedef enum rk_json_kind {
    RK_JSON_ABSENT = 0, /* no such member */
    RK_JSON_STRING,
    RK_JSON_INTEGER, /* a number without fraction and exponent */
    RK_JSON_OTHER    /* null, true, false, another number, an object, an array */
} rk_json_kind;

typedef struct rk_json_field {
    rk_json_kind kind;
    rk_slice text; /* STRING: unescaped, from the value or, where it held escapes, from the arena.
                      INTEGER: its digits. Otherwise the raw bytes of the member's value. */
    rk_slice raw;  /* the member's value as it stands in the record, quotes included */
} rk_json_field;

/* Finds the top-level members `names[0..count)` and fills `fields[0..count)`. RK_INVALID when the
 * value is not what the invariants ask, naming the byte offset and the fault, never the bytes;
 * RK_LIMIT for the depth or the arena. count <= 64. */
rk_status rk_json_find(rk_slice value, const rk_slice *names, size_t count, rk_json_field *fields,
                       rk_arena *arena, rk_error *err);

/* Makes a copy of `value` with one more string member, put last:
 *     {"a":1}  ->  {"a":1,"capsule_id":"PRODUS"}
 *     {}       ->  {"capsule_id":"PRODUS"}
 * Nothing else is touched or reformatted: white space before the closing brace stays behind the
 * new member. The name must not occur yet (the caller has looked). `member_value` is escaped where
 * RFC 8259 asks for it. The result lives in the arena. RK_INVALID, RK_LIMIT. */
rk_status rk_json_insert(rk_slice value, rk_slice name, rk_slice member_value, rk_arena *arena,
                         rk_slice *out, rk_error *err);

/* The reverse: true when `value` ends in exactly the member that rk_json_insert would have put
 * there, and then *out is the value without it (in the arena). False leaves *out alone. */
bool rk_json_strip(rk_slice value, rk_slice name, rk_slice member_value, rk_arena *arena,
                   rk_slice *out);

#endif
