/* plan.h: the evidence on which a migration is approved and run.
 *
 * A plan is made by a read-only scan of the store. It carries the spec itself (text, lookup files),
 * a digest of it, a fingerprint of the store's state, and what the scan found. Its hash covers all
 * of that; approvals sign the hash; `run` executes a plan and nothing else.
 *
 * Stale means: since the scan, the store's epoch or registered spec changed (registering this very
 * spec is no change), or a table of the migration was changed by something that is no phase-aware
 * client. Clients may go on writing between plan and run: their writes follow the phase.
 *
 * A plan over several nodes (a whole) carries the plan of each, its shards, and their sums. Its
 * hash covers theirs, so that one approval stands for all. Shards have no shards.
 *
 * Threading: a scan belongs to one thread; a plan is read-only once made.
 */
#ifndef REKEY_PLAN_PLAN_H
#define REKEY_PLAN_PLAN_H

#include "rekey/state/state.h"
#include "rekey/transform/transform.h"

#define RK_PLAN_BYTES_MAX      ((size_t)64 * 1024 * 1024) /* of the document's text */
#define RK_PLAN_SHARDS_MAX     64
#define RK_PLAN_NODE_BYTES_MAX 64
#define RK_APPROVALS_BYTES_MAX ((size_t)1024 * 1024)

typedef struct rk_plan_entity {
    uint64_t records; /* of the old shape */
    uint64_t bytes;   /* keys and values of those */
    uint64_t index_entries;
    uint64_t quarantined;
    uint64_t pending; /* records whose new copy is not there yet (move: all of them) */
} rk_plan_entity;

typedef struct rk_plan_counts {
    rk_plan_entity entity[RK_ENTITIES_MAX];
    uint64_t capsule[RK_CAPSULES_MAX]; /* old records by the capsule they resolve to */
    uint64_t quarantine[RK_REASON_COUNT];
    uint64_t quarantine_bytes[RK_REASON_COUNT];
    uint64_t unmatched;
    uint64_t tenants;
    uint64_t contaminated_tenants; /* with records of more than one capsule */
} rk_plan_counts;

/* One node's part of a whole. */
typedef struct rk_plan_shard {
    char node[RK_PLAN_NODE_BYTES_MAX + 1];
    struct rk_plan *plan;
} rk_plan_shard;

typedef struct rk_plan {
    rk_digest hash;
    rk_spec_source source;
    rk_spec *spec;
    char *spec_path; /* as given to `plan`, for the check that the file has not changed since */
    rk_digest spec_digest;
    bool registered; /* a migration was registered when the scan began */
    uint64_t epoch;
    rk_phase phase;
    rk_digest fingerprint;
    uint64_t client_commits;
    rk_plan_counts counts;
    uint32_t template_entity;
    bool changes;
    double estimate_seconds;
    uint64_t estimate_map_bytes;
    uint64_t estimate_disk_bytes;
    int64_t made_ms;
    rk_plan_shard *shards; /* sorted by node; none in the plan of one store */
    size_t shard_count;
} rk_plan;

void rk_plan_destroy(rk_plan *plan);

/* --- making ----------------------------------------------------------------------------------- */

typedef struct rk_plan_scan rk_plan_scan;

/* Begins a scan. Takes over `source` and `spec` on success. RK_NOT_FOUND: the database that the
 * spec names is not there; RK_INVALID: it has another shape; RK_CONFLICT: another migration is
 * registered and not done. */
rk_status rk_plan_scan_start(rk_store *store, rk_spec_source *source, rk_spec *spec,
                             const char *spec_path, rk_plan_scan **out, rk_error *err);

/* Has every tenant that the scan meets looked at: what the function says but RK_OK ends the scan.
 * For nodes, whose stores hold their own tenants only. Before the first step. */
typedef rk_status (*rk_plan_resident)(const void *context, rk_slice tenant, rk_error *err);
void rk_plan_scan_confine(rk_plan_scan *scan, rk_plan_resident resident, const void *context);

/* Reads about a thousand records in one snapshot; *finished at the end. */
rk_status rk_plan_scan_step(rk_plan_scan *scan, uint64_t *scanned, uint64_t *expected,
                            bool *finished, rk_error *err);

/* Hands the plan over. */
rk_status rk_plan_scan_finish(rk_plan_scan *scan, int64_t wall_ms, rk_plan **out, rk_error *err);
void rk_plan_scan_destroy(rk_plan_scan *scan);

/* The hash of everything that the plan says; private to rekey/plan. */
rk_status rki_plan_hash(const rk_plan *plan, rk_digest *out, rk_error *err);

/* --- several nodes ---------------------------------------------------------------------------- */

/* Makes a whole of the nodes' plans, which all are of one spec. Counts and bytes are their sums,
 * the seconds those of the slowest; the template entity is chosen anew from the sums; phase and
 * epoch are those of the least advanced and of the highest; registered when all are, with changes
 * when one has some. The order of `shards` is nothing. On success takes the plans over and leaves
 * NULL in their place; the array stays the caller's. RK_CONFLICT names the node whose plan is of
 * another spec; RK_INVALID: a node without a name or twice, or a plan that is a whole itself;
 * RK_LIMIT: no shard, or more than RK_PLAN_SHARDS_MAX. */
rk_status rk_plan_merge(rk_plan_shard *shards, size_t count, const char *spec_path, int64_t wall_ms,
                        rk_plan **out, rk_error *err);

/* Hands a node's plan out of the whole, with the whole's hash and template entity, so that one plan
 * is active everywhere and approvals of the whole hold for it. It is for running only: written to a
 * file it would not have its hash, and what is left of the whole is good for taking more shards and
 * for rk_plan_destroy. RK_NOT_FOUND names the node. */
rk_status rk_plan_take_shard(rk_plan *whole, const char *node, rk_plan **out, rk_error *err);

/* --- the file --------------------------------------------------------------------------------- */

/* The document's text, which rk_plan_write writes and rk_plan_parse reads; the caller frees *out.
 * RK_LIMIT: more than RK_PLAN_BYTES_MAX, as large lookup files of many shards can make it. */
rk_status rk_plan_text(const rk_plan *plan, char **out, rk_error *err);

/* Writes atomically (a temporary file beside it, fsync, rename), mode 0644. */
rk_status rk_plan_write(const rk_plan *plan, const char *path, rk_error *err);

/* Reads and checks the hash, and that of every shard. RK_NOT_FOUND, RK_IO; RK_CORRUPT when the file
 * is truncated, altered or no plan. */
rk_status rk_plan_read(const char *path, rk_plan **out, rk_error *err);

/* The same for text at hand; `name` stands in the error. */
rk_status rk_plan_parse(rk_slice text, const char *name, rk_plan **out, rk_error *err);

/* The object of `plan --json`, as text with every key in the documented order; the caller frees
 * *out. */
rk_status rk_plan_summary_json(const rk_plan *plan, char **out, rk_error *err);

/* --- may it run? ------------------------------------------------------------------------------ */

/* Of the migration's state only: RK_CONFLICT, saying which and why, when the plan was used already,
 * or the epoch or the registered spec is another. *active when it is the plan being run, to resume
 * or to do nothing. */
rk_status rk_plan_check_state(const rk_plan *plan, rk_view *view, rk_table meta, bool *active,
                              rk_error *err);

/* The same, and that nobody but phase-aware clients changed a table since the scan. */
rk_status rk_plan_check(const rk_plan *plan, rk_view *view, rk_table meta, bool *active,
                        rk_error *err);

/* RK_CONFLICT when the spec's file still exists at spec_path with another text than the plan's. */
rk_status rk_plan_check_spec_file(const rk_plan *plan, rk_error *err);

/* --- approvals (PLAN.approvals) --------------------------------------------------------------- */

/* Adds a signature over the plan's hash. *added is false when this key had signed already. RK_AUTH
 * when the spec lists approvers and this key is not among them; RK_CORRUPT when the file is not
 * one. */
rk_status rk_approval_add(const rk_plan *plan, const char *plan_path, const rk_secret_key *key,
                          int64_t wall_ms, bool *added, rk_error *err);

/* Counts distinct valid signers. RK_AUTH when they are fewer than the spec asks for, or any
 * signature in the file is false; says how many of how many. */
rk_status rk_approval_check(const rk_plan *plan, const char *plan_path, uint32_t *valid,
                            rk_error *err);

/* The same for the file's text at hand; `name` stands in the error. Empty text: no approvals. */
rk_status rk_approval_check_text(const rk_plan *plan, rk_slice approvals, const char *name,
                                 uint32_t *valid, rk_error *err);

/* Appends the bytes of PLAN.approvals, none when there is no such file. RK_LIMIT: more than the
 * buffer's cap (RK_APPROVALS_BYTES_MAX is enough for any that can be read); RK_IO. */
rk_status rk_approval_text(const char *plan_path, rk_buf *out, rk_error *err);

#endif
