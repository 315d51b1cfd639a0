/* state.h: what rekey keeps in the store, in the table `__rekey`.
 *
 * A process needs nothing else to resume a migration or to read through its phases: the registered
 * spec, phase and epoch, checkpoints, the verification's result, the lease, the quarantine. This
 * header names every record of that table and gives each a struct, a load and a save; the byte
 * layout (base/codec.h, one version byte first) stays in the .c files.
 *
 * Invariants
 *   - A load that meets bytes it cannot read is RK_CORRUPT, never a default.
 *   - Saves happen in the caller's write transaction, so that state and data commit together.
 *   - `epoch` only grows: rk_state_save refuses to lower it.
 *
 * Records (key -> content)
 *   state            phase of each tier, epoch, migration, digests         (rk_state)
 *   spec             the spec's name and text; spec/NAME its lookup files  (rk_spec_source)
 *   plan             the active plan                                       (rk_active_plan)
 *   used/DIGEST      why a plan may not run again
 *   lease            who is changing phases or running                     (rk_lease)
 *   task/TIER        checkpoint of the tier's current job                  (rk_checkpoint)
 *   verify/TIER      last verification recorded by a run                   (rk_verdict)
 *   client           commits made by phase-aware clients, a counter
 *   compared         comparison reads and the differences they found     (rk_compared)
 *   quarantine/HASH  a record left alone                                   (rk_quarantined)
 *   shadow/HASH      a new record whose old key holds another capsule's    (rk_shadow)
 *   kept/HASH        note: the old value ended in the capsule member already
 *   placement, ..    a node's part in a cluster, see state/decision.h
 *   audit/..         see rekey/audit
 *
 * HASH is the first 16 bytes of the key's digest, since a key may be as long as the limit.
 */
#ifndef REKEY_STATE_STATE_H
#define REKEY_STATE_STATE_H

#include "rekey/crypto/crypto.h"
#include "rekey/phase/phase.h"
#include "store/store.h"

#define RK_META_TABLE           "__rekey"
#define RK_MIGRATION_BYTES_MAX  128
#define RK_STATE_KEY_BYTES_MAX  511
#define RK_STOPPED_BY_BYTES_MAX 32

/* --- phase and epoch -------------------------------------------------------------------------- */

typedef struct rk_tier_state {
    rk_phase phase;
    bool undoing;   /* a rollback has begun and not ended */
    uint64_t epoch; /* the migration's epoch when this tier last changed */
} rk_tier_state;

typedef struct rk_state {
    uint64_t epoch; /* grows at every phase change, a rollback too */
    char migration[RK_MIGRATION_BYTES_MAX + 1];
    rk_digest spec_digest;
    bool has_canary; /* the spec names canary tenants */
    rk_tier_state tier[RK_TIER_COUNT];
    char stopped_by[RK_STOPPED_BY_BYTES_MAX + 1]; /* the stop signal that fired last; "" for none */
} rk_state;

/* RK_NOT_FOUND when no migration is registered (meta may be RK_TABLE_NONE), error untouched. */
rk_status rk_state_load(rk_view *view, rk_table meta, rk_state *out, rk_error *err);
rk_status rk_state_save(rk_txn *txn, rk_table meta, const rk_state *state, rk_error *err);

/* The least advanced tier's phase: what "the phase" of the whole migration is. */
rk_phase rk_state_phase(const rk_state *state);

/* --- the registered spec ---------------------------------------------------------------------- */

/* Digest of the spec's text and its lookup files. */
void rk_state_spec_digest(const rk_spec_source *source, rk_digest *out);

/* `out` is initialised by the call and owned by the caller (rk_spec_source_fini). */
rk_status rk_state_spec_load(rk_view *view, rk_table meta, rk_spec_source *out, rk_error *err);
rk_status rk_state_spec_save(rk_txn *txn, rk_table meta, const rk_spec_source *source,
                             rk_error *err);

/* Registers a spec in phase old, epoch one higher than any before. RK_OK and *changed = false when
 * exactly this spec is registered. The same migration with another text is taken only in phase old;
 * another migration only when the registered one is done; else RK_CONFLICT, naming both. */
rk_status rk_state_register(rk_txn *txn, rk_table meta, const rk_spec *spec,
                            const rk_spec_source *source, bool *changed, rk_error *err);

/* --- plans ------------------------------------------------------------------------------------ */

typedef struct rk_active_plan {
    rk_digest digest;
    uint32_t template_entity;
    uint64_t total[RK_ENTITIES_MAX]; /* records the plan counted, for progress */
    uint64_t quarantined;            /* records the plan said would be left alone */
} rk_active_plan;

rk_status rk_active_plan_load(rk_view *view, rk_table meta, rk_active_plan *out, rk_error *err);
rk_status rk_active_plan_save(rk_txn *txn, rk_table meta, const rk_active_plan *plan,
                              rk_error *err);
rk_status rk_active_plan_clear(rk_txn *txn, rk_table meta, rk_error *err);

/* Marks a plan as used up; `why` is shown when somebody runs it again. */
rk_status rk_used_plan_save(rk_txn *txn, rk_table meta, const rk_digest *plan, const char *why,
                            rk_error *err);

/* RK_NOT_FOUND when it is fresh; else its `why` (at most 127 bytes and a NUL). */
rk_status rk_used_plan_load(rk_view *view, rk_table meta, const rk_digest *plan, char why[128],
                            rk_error *err);

/* --- lease ------------------------------------------------------------------------------------ */

typedef struct rk_lease {
    uint8_t token[16]; /* random, this holder's */
    char host[65];
    char command[33];
    uint64_t pid;
    uint64_t process_start; /* so that a reused pid is not taken for the holder */
    int64_t renewed_ms;     /* wall clock */
} rk_lease;

rk_status rk_lease_load(rk_view *view, rk_table meta, rk_lease *out, rk_error *err);
rk_status rk_lease_save(rk_txn *txn, rk_table meta, const rk_lease *lease, rk_error *err);
rk_status rk_lease_clear(rk_txn *txn, rk_table meta, rk_error *err);

/* --- checkpoints ------------------------------------------------------------------------------ */

typedef enum rk_job {
    RK_JOB_NONE,
    RK_JOB_BACKFILL, /* old to new, parents first */
    RK_JOB_DROP_NEW, /* rollback of dual-write: remove new copies, children first */
    RK_JOB_RETURN,   /* rollback of move: new to old, children first */
    RK_JOB_CONTRACT  /* remove old copies, children first */
} rk_job;

/* Everything up to and including (stage, tenant, level, key) has been processed. */
typedef struct rk_checkpoint {
    rk_job job;
    uint64_t epoch; /* the tier's when the job began: a checkpoint of another epoch is void */
    uint32_t stage;
    bool finished; /* the whole job */
    uint32_t rank; /* the level's rank in the job's order */
    size_t tenant_len;
    size_t key_len;
    uint8_t tenant[RK_STATE_KEY_BYTES_MAX];
    uint8_t key[RK_STATE_KEY_BYTES_MAX];
    uint64_t done[RK_ENTITIES_MAX]; /* records migrated, by entity; those left alone not counted */
    uint64_t changes;               /* units applied */
    uint64_t quarantined;           /* records left alone by this job */
} rk_checkpoint;

rk_status rk_checkpoint_load(rk_view *view, rk_table meta, rk_tier tier, rk_checkpoint *out,
                             rk_error *err);
rk_status rk_checkpoint_save(rk_txn *txn, rk_table meta, rk_tier tier, const rk_checkpoint *point,
                             rk_error *err);
rk_status rk_checkpoint_clear(rk_txn *txn, rk_table meta, rk_tier tier, rk_error *err);

/* --- verification ----------------------------------------------------------------------------- */

/* The store as a verification found it. */
typedef struct rk_evidence {
    rk_digest fingerprint;   /* of all tables */
    uint64_t client_commits; /* made by phase-aware clients */
    uint64_t differences;    /* found by comparison reads */
} rk_evidence;

typedef struct rk_verdict {
    bool clean;
    uint64_t epoch; /* the tier's */
    rk_digest plan;
    rk_evidence evidence; /* when it began */
    int64_t wall_ms;
} rk_verdict;

rk_status rk_verdict_load(rk_view *view, rk_table meta, rk_tier tier, rk_verdict *out,
                          rk_error *err);
rk_status rk_verdict_save(rk_txn *txn, rk_table meta, rk_tier tier, const rk_verdict *verdict,
                          rk_error *err);
rk_status rk_verdict_clear(rk_txn *txn, rk_table meta, rk_tier tier, rk_error *err);

rk_status rk_evidence_load(rk_view *view, rk_table meta, const rk_spec *spec, rk_evidence *out,
                           rk_error *err);

/* Nothing was written in between, as far as the store can tell. */
bool rk_evidence_same(const rk_evidence *then, const rk_evidence *now);

/* Why a verification made on `then` does not hold `now`, a static string; NULL if it does: the
 * writes of phase-aware clients keep both sides alike, and do not count against it. */
const char *rk_evidence_against(const rk_evidence *then, const rk_evidence *now);

/* One digest over the fingerprints of the records table and every index table of the spec. */
rk_status rk_state_fingerprint(rk_view *view, const rk_spec *spec, rk_digest *out, rk_error *err);

/* --- clients ---------------------------------------------------------------------------------- */

/* Commits made by phase-aware clients; 0 when none. */
rk_status rk_client_commits_load(rk_view *view, rk_table meta, uint64_t *out, rk_error *err);
rk_status rk_client_commits_add(rk_txn *txn, rk_table meta, rk_error *err);

/* Reads that looked at both keys of a record, and those of them that found a difference; the sums
 * of all clients since this migration began. Zeros when none. */
typedef struct rk_compared {
    uint64_t compared;
    uint64_t different;
} rk_compared;

rk_status rk_compared_load(rk_view *view, rk_table meta, rk_compared *out, rk_error *err);
rk_status rk_compared_add(rk_txn *txn, rk_table meta, const rk_compared *more, rk_error *err);
rk_status rk_compared_clear(rk_txn *txn, rk_table meta, rk_error *err);

/* --- quarantine, shadows, notes --------------------------------------------------------------- */

typedef struct rk_quarantined {
    uint32_t reason; /* rk_reason */
    int32_t entity;  /* -1 for none */
    rk_slice key;    /* borrowed from the view */
    rk_slice detail; /* a line for people */
} rk_quarantined;

/* Puts or replaces the entry of `key`. */
rk_status rk_quarantine_put(rk_txn *txn, rk_table meta, const rk_quarantined *entry, rk_error *err);

/* Takes the entry of `key` out; absent is no error. */
rk_status rk_quarantine_remove(rk_txn *txn, rk_table meta, rk_slice key, rk_error *err);

/* Walks all entries in the order of their hashes: a fresh cursor (opened by the caller on the meta
 * table), `first` true on the first call. RK_NOT_FOUND at the end. */
rk_status rk_quarantine_next(rk_cursor *cursor, bool first, rk_quarantined *out, rk_error *err);

/* The entry behind that of `key`, whether or not that one is there still; then _next goes on. */
rk_status rk_quarantine_seek(rk_cursor *cursor, rk_slice key, rk_quarantined *out, rk_error *err);
rk_status rk_quarantine_count(rk_view *view, rk_table meta, uint64_t *out, rk_error *err);

typedef struct rk_shadow {
    uint32_t entity;
    rk_slice new_key;
} rk_shadow;

rk_status rk_shadow_put(rk_txn *txn, rk_table meta, const rk_shadow *shadow, rk_error *err);
rk_status rk_shadow_remove(rk_txn *txn, rk_table meta, rk_slice new_key, rk_error *err);
rk_status rk_shadow_has(rk_view *view, rk_table meta, rk_slice new_key, bool *out, rk_error *err);
rk_status rk_shadow_next(rk_cursor *cursor, bool first, rk_shadow *out, rk_error *err);
rk_status rk_shadow_count(rk_view *view, rk_table meta, uint64_t *out, rk_error *err);

/* The record key of a `kept` note, so that a unit can put or delete it. */
#define RK_KEPT_KEY_BYTES 40
void rk_kept_key(rk_slice new_key, uint8_t out[RK_KEPT_KEY_BYTES], size_t *out_len);
rk_status rk_kept_has(rk_view *view, rk_table meta, rk_slice new_key, bool *out, rk_error *err);

/* Removes every quarantine entry (a job that starts afresh finds them again), shadow or note.
 * Bounded work a call: *more says that entries are left. */
rk_status rk_state_sweep(rk_txn *txn, rk_table meta, const char *prefix, size_t count_max,
                         bool *more, rk_error *err);
#define RK_PREFIX_QUARANTINE "quarantine/"
#define RK_PREFIX_SHADOW     "shadow/"
#define RK_PREFIX_KEPT       "kept/"

#endif
