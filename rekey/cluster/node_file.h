/* node_file.h: what one node is told at its start (`rekey node --config FILE`).
 *
 *     cluster: cluster.yaml         # the file that everybody has
 *     name: node-1                  # which of its nodes this is
 *     identity: node-1.key          # its secret key; must be the one that the cluster file names
 *     store: lmdb:/var/lib/rekey    # the environment that it owns
 *     listen: tcp://0.0.0.0:7401    # where it listens; left out: at its url of the cluster file
 *     threads: 8                    # requests answered side by side, 1 to 256; left out: 8
 *     workers: 2                    # scanner threads of a run, 1 to 64; left out: cores less one
 *
 * Relative paths, that of lmdb: too, count from the file's folder; an url is taken as it stands.
 * Whether the cluster has a node of this name, with this identity's key, rk_node_file_self checks.
 */
#ifndef REKEY_CLUSTER_NODE_FILE_H
#define REKEY_CLUSTER_NODE_FILE_H

#include "rekey/cluster/cluster.h"

typedef struct rk_node_file {
    const char *cluster;
    const char *name;
    const char *identity;
    const char *store;
    const char *listen; /* NULL when left out */
    uint32_t threads;   /* 0 when left out, here and below */
    uint32_t workers;
    rk_arena memory;
} rk_node_file;

/* As rk_cluster_load. */
rk_status rk_node_file_load(const char *path, rk_node_file **out, rk_findings *findings,
                            rk_error *err);

/* As rk_cluster_parse. */
rk_status rk_node_file_parse(rk_slice text, const char *path, rk_node_file **out,
                             rk_findings *findings, rk_error *err);

/* Which node of the cluster this is, and its secret key, which must be the one that the cluster
 * file names: RK_AUTH. RK_INVALID: there is no such node. As rk_secret_key_read. */
rk_status rk_node_file_self(const rk_node_file *file, const rk_cluster *cluster, size_t *self,
                            rk_secret_key *key, rk_error *err);
void rk_node_file_destroy(rk_node_file *file); /* NULL allowed */

#endif
