/* report_private.h: what the makers of reports share. Keys and names may be any bytes; JSON's text
 * is UTF-8.
 */
#ifndef REKEY_REPORT_REPORT_PRIVATE_H
#define REKEY_REPORT_REPORT_PRIVATE_H

#include "rekey/report/report.h"

json_t *rki_report_count(uint64_t value);

/* Adds to a member; the sum stays at the greatest number. */
void rki_report_add(json_t *object, const char *name, uint64_t more);

/* Keys, names and lines of at most RK_STATE_KEY_BYTES_MAX bytes, escaped; more is cut off. */
json_t *rki_report_escaped(rk_slice bytes);

/* How long it is as compact JSON. */
size_t rki_report_bytes(const json_t *report);

/* A list in each row of a report, and what becomes of entries that have no room. */
typedef struct rki_fit {
    const char *rows; /* the report's member */
    const char *list; /* a row's */
    size_t list_max;
    const char *count; /* an entry's, added to ... */
    const char *rest;  /* ... this one of its row */
} rki_fit;

/* Cuts the lists, all to one length, until the report has at most so many bytes. */
void rki_report_fit(json_t *report, const rki_fit *fit, size_t bytes_max);

/* Appends the rows to `to`, each with the node's name. Takes nothing over. */
void rki_report_append(json_t *to, const json_t *rows, const char *node);

#endif
