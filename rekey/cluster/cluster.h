/* cluster.h: which nodes there are, and which of them a tenant lives on.
 *
 * A cluster file is what everybody who takes part has: the nodes' names, urls and public keys, and
 * where the authorized keys are. specs/cluster.md is the format's reference.
 *
 * A tenant lives wholly on one node. Which one follows from the nodes' names alone, by rendezvous
 * hashing: of all nodes the one with the highest BLAKE2b of (node's name, tenant). So everybody
 * computes the same place without asking, and a node more or less moves only the tenants that it
 * gains or loses. The set of names is recorded in every node's store at registration
 * (rk_cluster_digest); from then on another set is refused.
 * Source: Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996.
 *
 * Invariants
 *   - 1 to RK_CLUSTER_NODES_MAX nodes, sorted by name; names, urls and keys are all different.
 *   - A file with a finding gives no cluster.
 *
 * Threading: read-only once loaded; may be shared.
 */
#ifndef REKEY_CLUSTER_CLUSTER_H
#define REKEY_CLUSTER_CLUSTER_H

#include "rekey/crypto/crypto.h"
#include "rekey/spec/spec.h"

#define RK_CLUSTER_BYTES_MAX      ((size_t)1 << 20)
#define RK_CLUSTER_NODES_MAX      64
#define RK_CLUSTER_NAME_BYTES_MAX 64 /* of the cluster and of a node: a-z A-Z 0-9 . _ - */

typedef struct rk_cluster_node {
    const char *name;
    const char *url; /* tcp://HOST:PORT or ipc://PATH, where others reach it */
    rk_public_key key;
} rk_cluster_node;

typedef struct rk_cluster {
    const char *name; /* the context of every session: two clusters never talk to each other */
    const char *keys; /* path of the authorized keys; relative ones count from the file's folder */
    const char *identity; /* path of the secret key that whoever reads this file uses, resolved
                             likewise; NULL when the file names none */
    rk_cluster_node *nodes;
    size_t node_count;
    rk_arena memory;
} rk_cluster;

/* Reads the file. RK_INVALID when there are findings: then `findings` (NULL allowed) has them all,
 * *out is untouched, and the error counts them. RK_AUTH when everybody may write the file, since it
 * names keys. RK_NOT_FOUND, RK_LIMIT (over 1 MiB), RK_IO, RK_NOMEM. */
rk_status rk_cluster_load(const char *path, rk_cluster **out, rk_findings *findings, rk_error *err);

/* The same for text at hand; `path` stands in the error, and relative paths count from its folder.
 */
rk_status rk_cluster_parse(rk_slice text, const char *path, rk_cluster **out, rk_findings *findings,
                           rk_error *err);
void rk_cluster_destroy(rk_cluster *cluster); /* NULL allowed */

/* The position of the node that the tenant lives on. */
size_t rk_cluster_owner(const rk_cluster *cluster, rk_slice tenant);

/* The position of the node of this name, or of this key; -1 when there is none. */
int rk_cluster_find(const rk_cluster *cluster, rk_slice name);
int rk_cluster_find_key(const rk_cluster *cluster, const rk_public_key *key);

/* Over the cluster's name and the sorted names of its nodes: what placement depends on. Urls and
 * keys may change. */
void rk_cluster_digest(const rk_cluster *cluster, rk_digest *out);

#endif
