/* verify.h: old and new compared both ways, read-only.
 *
 * Each tenant's records are read in one snapshot: every old record must have exactly the expected
 * new one, every new record an origin and a parent in its capsule. Then the index tables are
 * walked: every entry of the new shape must be what its record says. What is expected of the old
 * side follows from the phase table: where writes still go to old keys, old copies must be there.
 *
 * Old records whose new ones all found them back are not looked at twice, and an index is only
 * counted when nothing was committed since the beginning: see tenant_scope and count_proves in
 * verify.c for why that proves the same. Anything else is looked at record by record.
 *
 * Counts are of the state seen, tenant by tenant; a clean result says that no snapshot held a
 * difference. Changes no byte of the store.
 */
#ifndef REKEY_ENGINE_VERIFY_H
#define REKEY_ENGINE_VERIFY_H

#include "rekey/state/state.h"
#include "rekey/transform/transform.h"

#define RK_VERIFY_SAMPLES_MAX 20

typedef struct rk_verify_entity {
    uint64_t old_records;
    uint64_t new_records;
    uint64_t matched;    /* new records that are exactly as expected */
    uint64_t missing;    /* old records without their new one */
    uint64_t mismatched; /* old records whose new one has another value; new ones whose value
                            contradicts their key */
    uint64_t extra;      /* new records without an origin; old ones left after the end */
    uint64_t shadowed;   /* new records whose old key holds another capsule's record: accepted */
} rk_verify_entity;

typedef struct rk_verify_index {
    uint64_t expected; /* entries that the new records ask for */
    uint64_t present;
    uint64_t missing;
    uint64_t extra; /* entries of the new shape that no record asks for */
} rk_verify_index;

typedef struct rk_verify_sample {
    int entity;                               /* -1 for none */
    char key[3 * RK_STATE_KEY_BYTES_MAX + 1]; /* bytes that are not printable as \xNN */
    const char *problem;
} rk_verify_sample;

typedef struct rk_verify_report {
    rk_verify_entity entity[RK_ENTITIES_MAX];
    rk_verify_index index[RK_ENTITIES_MAX * RK_INDEXES_MAX]; /* as rk_spec.index_names */
    uint64_t orphans;              /* new records whose parent is not visible in their capsule */
    uint64_t isolation_violations; /* key, value, index entry and parent disagree on the scope */
    uint64_t quarantined; /* records that cannot be migrated: left alone, not a difference */
    rk_verify_sample sample[RK_VERIFY_SAMPLES_MAX];
    size_t sample_count;
    uint64_t differences; /* all of the above that make it unclean */
    uint64_t records;     /* looked at, both sides */
} rk_verify_report;

/* Clean: no record in another scope than its key says, no orphan, and the share of differing
 * records and entries is at most limits.mismatch_max. */
bool rk_verify_is_clean(const rk_verify_report *report, const rk_limits *limits);

typedef struct rk_verify_options {
    bool tier_only; /* only tenants of `tier` */
    rk_tier tier;
    int entity;           /* only this one; -1 for all */
    bool tenant_in_value; /* a JSON value that names a tenant must name its key's */
} rk_verify_options;

typedef struct rk_verification rk_verification;

/* Everything is borrowed for the verification's life. */
rk_status rk_verify_create(rk_store *store, const rk_spec *spec, const rk_tables *tables,
                           const rk_state *state, const rk_verify_options *options,
                           rk_verification **out, rk_error *err);
void rk_verify_destroy(rk_verification *verify);

/* Looks at a few thousand records more. */
rk_status rk_verify_step(rk_verification *verify, bool *finished, rk_error *err);

const rk_verify_report *rk_verify_report_of(const rk_verification *verify);

#endif
