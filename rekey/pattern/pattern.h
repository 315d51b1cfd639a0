/* pattern.h: key patterns, compiled once, matched against millions of keys.
 *
 * A pattern is text such as
 *     TENANT#{tenant_id}#CAPSULE#{capsule_id}#CONTRACT#{contract_id}
 * It is split by the delimiter '#' into segments. A segment is either one literal or one
 * `{variable}`, never a mixture. A variable stands for one or more bytes without the delimiter.
 *
 * Invariants
 *   - build and match are inverse: match(p, build(p, x)) = x for every x whose values are valid.
 *   - A literal is not empty; a variable's name is [a-z][a-z0-9_]*, at most 64 bytes, and occurs
 *     once in a pattern.
 *   - At most RK_SEGMENTS_MAX segments.
 *
 * Variables are numbers in the hot path: an rk_names interns names, the spec owns one for all its
 * patterns, and values travel in an rk_binding, an array indexed by those numbers.
 *
 * Limits: RK_SEGMENTS_MAX segments a pattern, RK_NAMES_MAX names a spec.
 * Threading: compiled patterns, names and matchers are read-only and may be shared.
 */
#ifndef REKEY_PATTERN_PATTERN_H
#define REKEY_PATTERN_PATTERN_H

#include "rekey/base/buf.h"

#define RK_DELIMITER      '#'
#define RK_SEGMENTS_MAX   32
#define RK_NAMES_MAX      256
#define RK_NAME_BYTES_MAX 64

/* --- names ------------------------------------------------------------------------------------ */

/* The set of variable names of one spec. Zeroed is empty. */
typedef struct rk_names {
    char (*name)[RK_NAME_BYTES_MAX + 1];
    uint16_t count;
    uint16_t cap;
} rk_names;

#define RK_NAME_NONE UINT16_MAX

void rk_names_fini(rk_names *names);

/* Finds or adds a name. RK_INVALID when it breaks the naming rule, RK_LIMIT past RK_NAMES_MAX. */
rk_status rk_names_intern(rk_names *names, rk_slice name, uint16_t *out, rk_error *err);

/* RK_NAME_NONE when it is not there. */
uint16_t rk_names_find(const rk_names *names, rk_slice name);

/* --- bindings --------------------------------------------------------------------------------- */

/* Values of variables by their number; an empty slice is "not bound". Borrows every value. */
typedef struct rk_binding {
    rk_slice value[RK_NAMES_MAX];
} rk_binding;

/* --- one pattern ------------------------------------------------------------------------------ */

typedef struct rk_segment {
    bool variable;
    uint16_t name;    /* number in rk_names, when variable */
    rk_slice literal; /* borrowed from the pattern's text, when not */
} rk_segment;

/* For building: literals with their delimiters, as they stand before a variable. */
typedef struct rk_piece {
    rk_slice literal; /* borrowed from the pattern's text; may be empty */
    uint16_t name;    /* RK_NAME_NONE for the literals behind the last variable */
} rk_piece;

typedef struct rk_pattern {
    char *text; /* owned, NUL-terminated, as written */
    uint8_t piece_count;
    rk_piece piece[RK_SEGMENTS_MAX + 1];
    rk_segment segment[RK_SEGMENTS_MAX];
    uint8_t segment_count;
    size_t literal_bytes; /* literals and delimiters together: the length of the shortest key less
                             one byte a variable */
} rk_pattern;

/* Compiles `text`, interning its variables. RK_INVALID names the rule broken and the byte offset;
 * `offset` (NULL allowed) also receives that offset, for errors with a column. */
rk_status rk_pattern_compile(rk_pattern *pattern, rk_names *names, rk_slice text, size_t *offset,
                             rk_error *err);
void rk_pattern_fini(rk_pattern *pattern);

/* Whether the variable occurs in the pattern. */
bool rk_pattern_has(const rk_pattern *pattern, uint16_t name);

/* Whether some key matches both: same number of segments, and no position with two different
 * literals. `closed` (RK_NAME_NONE for none) is a variable with a closed set of values (the
 * capsule): at its position the other side's literal overlaps only if it is among the
 * `closed_count` values. */
bool rk_pattern_overlaps(const rk_pattern *a, const rk_pattern *b, uint16_t closed,
                         const rk_slice *closed_values, size_t closed_count);

/* Appends the key. RK_NOT_FOUND when a variable is not bound (its number in *missing, NULL
 * allowed), RK_INVALID when a value holds the delimiter, RK_LIMIT past the buffer's cap. */
rk_status rk_pattern_build(const rk_pattern *pattern, const rk_binding *binding, rk_buf *key,
                           uint16_t *missing, rk_error *err);

/* Hot-path form: writes into `out` (`out_max` bytes) and gives the key's length, or 0 when a
 * variable is not bound, or holds the delimiter. A length over out_max means that it did not fit
 * and that only a prefix was written: callers use it to say how long the key would have been. */
size_t rk_pattern_write(const rk_pattern *pattern, const rk_binding *binding, uint8_t *out,
                        size_t out_max);

/* Appends the longest prefix that all keys share once the variables bound in `binding` are fixed:
 * everything before the first variable that is not bound, delimiter included. `whole` becomes true
 * when every variable was bound, so that the prefix is the one possible key. RK_INVALID when a
 * value holds the delimiter, RK_LIMIT past the buffer's cap. */
rk_status rk_pattern_prefix(const rk_pattern *pattern, const rk_binding *binding, rk_buf *prefix,
                            bool *whole, rk_error *err);

/* Whether the key has the pattern's shape; binds its variables (others are left alone). The bound
 * values borrow from `key`. */
bool rk_pattern_match(const rk_pattern *pattern, rk_slice key, rk_binding *binding);

/* --- many patterns ---------------------------------------------------------------------------- */

/* A key split at its delimiters, once, for any number of patterns. */
typedef struct rk_split {
    rk_slice segment[RK_SEGMENTS_MAX];
    size_t count; /* RK_SEGMENTS_MAX + 1 when there were more */
} rk_split;

void rk_split_key(rk_slice key, rk_split *out);

bool rk_pattern_match_split(const rk_pattern *pattern, const rk_split *split, rk_binding *binding);

/* Finds the one pattern that a key matches among many. Lint has proven that there is at most one,
 * so the order does not matter. */
typedef struct rk_matcher rk_matcher;

/* `patterns` are borrowed for the matcher's life. RK_NOMEM. */
rk_status rk_matcher_create(const rk_pattern *const *patterns, size_t count, rk_matcher **out,
                            rk_error *err);
void rk_matcher_destroy(rk_matcher *matcher);

/* The index of the pattern that matched, its variables bound; -1 for none. */
int rk_matcher_find(const rk_matcher *matcher, rk_slice key, rk_binding *binding);

#endif
