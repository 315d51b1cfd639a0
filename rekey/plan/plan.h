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
 * Threading: a scan belongs to one thread; a plan is read-only once made.
 */
#ifndef REKEY_PLAN_PLAN_H
#define REKEY_PLAN_PLAN_H

#include "rekey/state/state.h"
#include "rekey/transform/transform.h"

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
} rk_plan;

void rk_plan_destroy(rk_plan *plan);

/* --- making ----------------------------------------------------------------------------------- */

typedef struct rk_plan_scan rk_plan_scan;

/* Begins a scan. Takes over `source` and `spec` on success. RK_NOT_FOUND: the database that the
 * spec names is not there; RK_INVALID: it has another shape; RK_CONFLICT: another migration is
 * registered and not done. */
rk_status rk_plan_scan_start(rk_store *store, rk_spec_source *source, rk_spec *spec,
                             const char *spec_path, rk_plan_scan **out, rk_error *err);

/* Reads about a thousand records in one snapshot; *finished at the end. */
rk_status rk_plan_scan_step(rk_plan_scan *scan, uint64_t *scanned, uint64_t *expected,
                            bool *finished, rk_error *err);

/* Hands the plan over. */
rk_status rk_plan_scan_finish(rk_plan_scan *scan, int64_t wall_ms, rk_plan **out, rk_error *err);
void rk_plan_scan_destroy(rk_plan_scan *scan);

/* The hash of everything that the plan says; private to rekey/plan. */
rk_status rki_plan_hash(const rk_plan *plan, rk_digest *out, rk_error *err);

/* --- the file --------------------------------------------------------------------------------- */

/* Writes atomically (a temporary file beside it, fsync, rename), mode 0644. */
rk_status rk_plan_write(const rk_plan *plan, const char *path, rk_error *err);

/* Reads and checks the hash. RK_NOT_FOUND, RK_IO; RK_CORRUPT when the file is truncated, altered or
 * no plan. */
rk_status rk_plan_read(const char *path, rk_plan **out, rk_error *err);

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

#endif
