/* cluster_private.h: what reading the cluster's file and a node's file have in common. */
#ifndef REKEY_CLUSTER_CLUSTER_PRIVATE_H
#define REKEY_CLUSTER_CLUSTER_PRIVATE_H

#include "rekey/cluster/cluster.h"
#include "rekey/spec/yaml.h"

/* One file being read. Reading goes on after a finding, so that one run shows as many as possible;
 * `status` is sticky, and only running out of memory ends the work early. */
typedef struct rki_cluster_reading {
    const char *path;
    const char *what; /* the kind of file, in findings */
    rk_arena *memory; /* of the result */
    rk_arena scratch; /* the tree */
    rk_findings *findings;
    rk_findings unseen; /* for a caller who does not ask for them */
    rk_status status;
    rk_error *err;
} rki_cluster_reading;

/* --- life of a reading ------------------------------------------------------------------------ */

/* Begins. `r` must stay where it is, since `findings` may point into it. */
void rki_cluster_reading_start(rki_cluster_reading *r, const char *what, const char *path,
                               rk_arena *memory, rk_findings *findings, rk_error *err);

/* The file's mapping; NULL when there is none, the reason is kept. */
const rki_node *rki_cluster_reading_root(rki_cluster_reading *r, rk_slice text);

/* Gives back what the reading held and says what came of it: RK_OK, RK_INVALID with the findings
 * counted, or RK_NOMEM. */
rk_status rki_cluster_reading_finish(rki_cluster_reading *r);

/* --- its parts -------------------------------------------------------------------------------- */

void rki_cluster_report(rki_cluster_reading *r, const rki_node *at, const char *format, ...)
    RK_PRINTF(3, 4);

/* Zeroed memory of the result or of the scratch; NULL when there is none left. */
void *rki_cluster_reading_take(rki_cluster_reading *r, rk_arena *arena, size_t count, size_t size);

/* Finds the named keys of a mapping; part[i] is NULL for one that is missing. The first
 * `required` names must be there. */
void rki_cluster_read_mapping(rki_cluster_reading *r, const char *where, const rki_node *mapping,
                              const char *const *names, size_t count, size_t required,
                              const rki_node **part);

bool rki_cluster_has_kind(rki_cluster_reading *r, const char *where, const rki_node *node,
                          rki_kind kind);

/* Each reports what is no such value and leaves *out alone then; a node of NULL is skipped. */
void rki_cluster_read_name(rki_cluster_reading *r, const char *where, const rki_node *node,
                           const char **out);
void rki_cluster_read_url(rki_cluster_reading *r, const char *where, const rki_node *node,
                          const char **out);
void rki_cluster_read_key(rki_cluster_reading *r, const char *where, const rki_node *node,
                          rk_public_key *out);
void rki_cluster_read_number(rki_cluster_reading *r, const char *where, const rki_node *node,
                             uint32_t max, uint32_t *out);

/* A path behind `prefix` ("" or "lmdb:"); *out is prefix and path, a relative one counted from the
 * folder of the file being read. */
void rki_cluster_read_path(rki_cluster_reading *r, const char *where, const rki_node *node,
                           const char *prefix, const char **out);

/* --- the bytes -------------------------------------------------------------------------------- */

/* Appends a whole regular file that the world cannot write. */
rk_status rki_cluster_read_file(const char *what, const char *path, rk_buf *out, rk_error *err);

#endif
