/* findings.h: the list of what is wrong with a file, as it grows. For rekey/spec,
 * rekey/access and rekey/cluster only. */
#ifndef REKEY_SPEC_FINDINGS_H
#define REKEY_SPEC_FINDINGS_H

#include <stdarg.h>

#include "rekey/spec/spec.h"

/* Adds one finding; past RK_FINDINGS_MAX it is dropped. Control characters in the message become
 * '?', so that a finding is one line whatever the file holds. RK_NOMEM. */
rk_status rki_findings_add(rk_findings *findings, uint32_t line, uint32_t column, rk_error *err,
                           const char *format, va_list arguments);

/* Forgets all findings, keeps the memory. */
void rki_findings_clear(rk_findings *findings);

/* Orders by line, column and message. */
void rki_findings_sort(rk_findings *findings);

/* Text of the file, cut to fit into a message. */
typedef struct rki_shown {
    char text[72];
} rki_shown;

rki_shown rki_show(rk_slice text);

#endif
