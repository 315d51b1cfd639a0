/* worker.h: a worker process: helps a node on the same machine with the chunks of its runs.
 *
 *     rk_worker *worker = NULL;
 *     rk_status status = rk_worker_open("node.yaml", rk_clock_system(), log, NULL, &worker, ...);
 *     while (status == RK_OK && !stopped) {
 *         uint32_t pause_ms = 0;
 *         status = rk_worker_step(worker, &pause_ms, &err);
 *         ... wait so long ...
 *     }
 *     rk_worker_close(worker);
 *
 * It has the node's own file, key and store, which it opens read-only: what it finds out goes back
 * to the node, and the node writes. The node may come and go; whatever the worker was doing then is
 * done by the node itself.
 *
 * For systemd as node.h. Threading: one thread.
 */
#ifndef REKEY_NODE_WORKER_H
#define REKEY_NODE_WORKER_H

#include "rekey/node/node.h"

typedef struct rk_worker rk_worker;

typedef struct rk_worker_counts {
    uint64_t chunks; /* done, and taken by the node */
    uint64_t records;
    uint64_t stale; /* done too late */
} rk_worker_counts;

/* Reads the node's file, the cluster file, the keys. Nobody is asked yet. RK_INVALID with findings
 * of one of the files; RK_AUTH: the key is not the one that the cluster file names for the node, or
 * not authorized as one. */
rk_status rk_worker_open(const char *path, const rk_clock *clock, rk_node_log log,
                         void *log_context, rk_worker **out, rk_findings *findings, rk_error *err);

/* Says that it leaves, if the node is there. NULL allowed. */
void rk_worker_close(rk_worker *worker);

/* Brings what was done, asks for more, and does it; blocks for a few seconds at most. *pause_ms:
 * how long to wait before the next step. That the node is not there is no failure, and logged once.
 * RK_AUTH: the node does not take us for its worker. RK_CONFLICT: it is another version. Else the
 * store cannot be opened. */
rk_status rk_worker_step(rk_worker *worker, uint32_t *pause_ms, rk_error *err);

const char *rk_worker_name(const rk_worker *worker); /* the node's */
const char *rk_worker_url(const rk_worker *worker);  /* where it asks */
rk_worker_counts rk_worker_counts_of(const rk_worker *worker);

#endif
