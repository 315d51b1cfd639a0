/* report.h: what came of an attack, as TAP and as JUnit XML.
 *
 * Both are text that others' tools read: bytes that XML or a line of TAP cannot hold are escaped.
 * Values of records never get here.
 */
#ifndef REKEY_ISOLATION_REPORT_H
#define REKEY_ISOLATION_REPORT_H

#include "rekey/base/buf.h"

#define RK_REPORT_WORDS_MAX 512

/* One case. "flipped/Contract.gsi1/query_foreign": the stage, the subject (entity, entity.index or
 * "store") and the attack. The three explain a failure and are empty otherwise. */
typedef struct rk_case_result {
    const char *stage;
    const char *subject;
    const char *attack;
    bool passed;
    uint64_t took_ns;
    char tried[RK_REPORT_WORDS_MAX];
    char object[RK_REPORT_WORDS_MAX];
    char why[RK_REPORT_WORDS_MAX];
} rk_case_result;

/* Appends "ok 7 - flipped/Contract/get_foreign_id", without a line break; after a failure
 * diagnostic lines, each "# ...", follow behind one. RK_LIMIT, RK_NOMEM. */
rk_status rk_report_tap(rk_buf *to, uint64_t number, const rk_case_result *result, rk_error *err);

/* --- JUnit ------------------------------------------------------------------------------------ */

typedef struct rk_junit {
    rk_buf cases;
    uint64_t passed;
    uint64_t failed;
    uint64_t took_ns;
} rk_junit;

#define RK_JUNIT_BYTES_MAX ((size_t)256 * 1024 * 1024)

void rk_junit_init(rk_junit *junit);
void rk_junit_fini(rk_junit *junit);
rk_status rk_junit_add(rk_junit *junit, const rk_case_result *result, rk_error *err);

/* Appends the whole document: one suite, one testcase a case. `broken` (NULL for none) says why
 * the attack ended before its last case. */
rk_status rk_junit_write(const rk_junit *junit, const char *name, const char *broken, rk_buf *to,
                         rk_error *err);

#endif
