/* report.h: what a migration's state and a verification's findings are in JSON, and how those of
 * several nodes add up to one.
 *
 * These are the objects of `status --json` and `verify --json`; a node sends the same ones. Every
 * function hands a new object over. Counts are integers; a merged object has the keys of its parts.
 *
 * Threading: none.
 */
#ifndef REKEY_REPORT_REPORT_H
#define REKEY_REPORT_REPORT_H

#include <jansson.h>

#include "rekey/engine/run.h"

/* Read in one snapshot. NULL when it cannot be read, the error then says why. */
json_t *rk_report_status(rk_migration *migration, rk_error *err);

json_t *rk_report_verify(const rk_spec *spec, const rk_verify_report *report);

/* One node's part of a whole. */
typedef struct rk_report_part {
    const char *node;
    const json_t *report; /* borrowed */
} rk_report_part;

/* The whole is as far as its least advanced node, in the highest epoch; counts add up; it is clean
 * where all are and stale where any is. `nodes` lists each one's phase and epoch. NULL, with an
 * error that names the node, when two are of different migrations. */
json_t *rk_report_status_merge(const rk_report_part *parts, size_t count, rk_error *err);

/* Counts add up; clean where all are; the first RK_VERIFY_SAMPLES_MAX samples, each with its node.
 */
json_t *rk_report_verify_merge(const rk_report_part *parts, size_t count, rk_error *err);

#endif
