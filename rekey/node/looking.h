/* looking.h: the work of a node that only looks and needs no migration in the store: the search for
 * contamination and the inspection.
 *
 * Reports are those of rekey/report, cut to fit a message. Threading: made by one thread, then
 * stepped by another.
 */
#ifndef REKEY_NODE_LOOKING_H
#define REKEY_NODE_LOOKING_H

#include <jansson.h>

#include "rekey/base/clock.h"
#include "rekey/engine/run.h"

typedef struct rk_looking rk_looking;

/* Reads the order; begins nothing. {"kind": "search", "spec"} or {"kind": "inspect", "draft"?:
 * MIGRATION}. Store and clock are borrowed. RK_INVALID: an order that cannot be understood. */
rk_status rk_looking_create(rk_store *store, const rk_clock *clock, const json_t *order,
                            rk_looking **out, rk_error *err);
void rk_looking_destroy(rk_looking *looking); /* NULL allowed */

/* Looks a little further. *result is the report, handed over, once it is finished. An inspection
 * with "draft" has it as a text in "draft", or why there is none in "no_draft". */
rk_status rk_looking_step(rk_looking *looking, rk_run_progress *progress, json_t **result,
                          rk_error *err);

#endif
