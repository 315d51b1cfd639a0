/* inquiry.h: finding out what became of a promise, from the node that decided.
 *
 * The coordinator tells every node; one that was away, or whose coordinator is gone, asks by
 * itself. A node that has just come back with a promise asks at once, since it serves no records
 * before it knows; one that has promised and hears nothing asks after a while.
 *
 *   committed, aborted   it does the same
 *   nothing yet          it is not behind anybody, and serves as before: whoever decides later
 * tells it, or is asked again
 *
 * Threading: one thread.
 */
#ifndef REKEY_NODE_INQUIRY_H
#define REKEY_NODE_INQUIRY_H

#include "rekey/node/control.h"

#define RK_INQUIRY_MS                                                                              \
    2000 /* between two questions, and before the first of a node that was not away */

typedef struct rk_inquiry rk_inquiry;

typedef struct rk_inquiry_config {
    rk_node_control *control; /* all is borrowed */
    const rk_clock *clock;
    const char *cluster_file;
    const char *identity; /* path of the node's own key */
} rk_inquiry_config;

rk_status rk_inquiry_create(const rk_inquiry_config *config, rk_inquiry **out, rk_error *err);
void rk_inquiry_destroy(rk_inquiry *inquiry); /* NULL allowed */

/* Asks if it is time to, which may take a second. RK_OK: there was nothing to ask, or it is settled
 * or known to be undecided; else why the decider could not be asked, once for each question. */
rk_status rk_inquiry_step(rk_inquiry *inquiry, rk_error *err);

/* The cluster file and all keys are read again before the next question (SIGHUP). */
void rk_inquiry_reread(rk_inquiry *inquiry);

#endif
