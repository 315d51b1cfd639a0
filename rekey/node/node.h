/* node.h: the daemon: one store, put together with the transport, the sessions and the engine.
 *
 *     rk_node *node = NULL;
 *     rk_status status = rk_node_open("node.yaml", rk_clock_system(), log, NULL, &node, ...);
 *     while (status == RK_OK && !stopped)
 *         rk_node_step(node, 200);
 *     rk_node_close(node);
 *
 * Requests are answered by the transport's threads; the thread that calls rk_node_step does the
 * work of a migration next to the data. Client writes and batches share the store's one writer,
 * clients first, as in any other process (rekey/engine/README.md).
 *
 * For systemd (sd_notify(3)): READY=1 when it listens, STOPPING=1 when it begins to close, and a
 * STATUS line with what it is at.
 */
#ifndef REKEY_NODE_NODE_H
#define REKEY_NODE_NODE_H

#include <signal.h>

#include "rekey/base/clock.h"
#include "rekey/cluster/node_file.h"

typedef struct rk_node rk_node;

/* A line for the node's log, without a line break. From any thread. */
typedef void (*rk_node_log)(void *context, const char *line);

/* Reads the node's file, the cluster file, the keys; opens the store; listens. RK_INVALID with
 * findings of one of the files; RK_CONFLICT: the store is another node's, or of another cluster;
 * RK_AUTH: the node's key is not the one that the cluster file names; RK_BUSY: the address or the
 * store is in use. */
rk_status rk_node_open(const char *path, const rk_clock *clock, rk_node_log log, void *log_context,
                       rk_node **out, rk_findings *findings, rk_error *err);

/* Works a little, or waits up to wait_ms for work. */
void rk_node_step(rk_node *node, uint32_t wait_ms);

/* Reads the authorized keys again (SIGHUP), for who asks this node and for what it asks others. On
 * failure the old ones stay. On the thread of rk_node_step. */
rk_status rk_node_admit(rk_node *node, rk_findings *findings, rk_error *err);

const char *rk_node_name(const rk_node *node);
const char *rk_node_url(const rk_node *node); /* where it listens */

/* Stops taking requests, answers those at hand, stops a run at its checkpoint, closes. Bounded by
 * the transport's own bound. NULL allowed. */
void rk_node_close(rk_node *node);

#endif
