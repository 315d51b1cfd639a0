/* report.h: what commands show of a store in JSON, and how the reports of several nodes add up to
 * one.
 *
 * These are the objects of `status --json`, `verify --json` and the others; a node sends the same
 * ones. Every function hands a new object over. Counts are integers; a merged object has the keys
 * of its parts. Parts come from nodes: what is missing in them is empty, or zero.
 *
 * Threading: none.
 */
#ifndef REKEY_REPORT_REPORT_H
#define REKEY_REPORT_REPORT_H

#include <jansson.h>

#include "rekey/cluster/cluster.h"
#include "rekey/engine/run.h"
#include "rekey/isolation/search.h"
#include "rekey/plan/inspect.h"

/* A member's text or number, of any control document: "" and 0 for what is not there, is of another
 * type, or is negative. */
const char *rk_report_text(const json_t *object, const char *name);
uint64_t rk_report_integer(const json_t *object, const char *name);

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

/* --- search for contamination ----------------------------------------------------------------- */

/* What a search has found, with the samples of each tenant in its "samples". */
json_t *rk_report_search(const rk_spec *spec, const rk_search *search);

/* As `isolation --json` prints it: a case has the samples of all its tenants. */
json_t *rk_report_search_public(const json_t *report);

/* Whether the store knows the migration by another text than this one: phases are of that. */
bool rk_report_search_other_text(const rk_search *search, const rk_spec_source *source);

/* Leaves out tenants, the last ones of each case first, until it fits; what they had is counted as
 * unlisted. */
void rk_report_search_fit(json_t *report, size_t bytes_max);

/* Counts add up; tenants stand one behind the other, each with its node; the phase is that of the
 * least advanced node. NULL when a node's kinds are others, or there is no memory. */
json_t *rk_report_search_merge(const rk_report_part *parts, size_t count, rk_error *err);

/* --- shapes ----------------------------------------------------------------------------------- */

/* After the inspection's last step. */
json_t *rk_report_inspect(const rk_inspect *inspect);

/* Leaves out shapes, the rarest of each table first, until it fits; counted in "left_out". */
void rk_report_inspect_fit(json_t *report, size_t bytes_max);

/* Tables of one name and kind are one, and in it the shapes of one text. */
json_t *rk_report_inspect_merge(const rk_report_part *parts, size_t count, rk_error *err);

/* Entries of all tables of records. */
uint64_t rk_report_inspect_records(const json_t *report);

/* The shapes that are in `whole` and not in `part`: [{"table", "shape", "records"}]. */
json_t *rk_report_inspect_unseen(const json_t *whole, const json_t *part);

/* --- quarantine ------------------------------------------------------------------------------- */

/* An array of entries, in the order of their hashes, of about bytes_max bytes. `last` is empty at
 * first, then the key behind which the next page begins, and empty again at the end. RK_CORRUPT. */
rk_status rk_report_quarantine(const rk_migration *migration, size_t bytes_max, rk_buf *last,
                               json_t **out, rk_error *err);

/* One array of the parts' arrays, each entry with its node. */
json_t *rk_report_quarantine_merge(const rk_report_part *parts, size_t count);

/* --- audit ------------------------------------------------------------------------------------ */

/* {"entries", "head", "whole"?}: the entries from number *next on, about bytes_max bytes of them.
 * *next becomes where the next page begins, 0 at the end. `verify`: RK_CORRUPT unless the page
 * is a sound part of the chain, and the last one its end. An entry that cannot be read ends a page,
 * and fails the one it is first in. */
rk_status rk_report_audit(rk_view *view, rk_table meta, size_t bytes_max, bool verify,
                          uint64_t *next, json_t **out, rk_error *err);

/* Adds the next page, which is taken over. */
void rk_report_audit_append(json_t *report, json_t *page);

/* The entries of all logs by time, each with its node; every log is a chain of its own, and
 * "nodes" has the head of each. */
json_t *rk_report_audit_merge(const rk_report_part *parts, size_t count);

#endif
