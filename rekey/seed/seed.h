/* seed.h: deterministic data in the old shape of any spec.
 *
 * For tests, demonstrations and benchmarks: the same spec and options make the same records and the
 * same old index entries, on every machine; in a store that was empty, the same file.
 *
 * Invariants
 *   - A record depends on the seed, the spec, its tenant's place and its own place only: no clock,
 *     no state between records. A run that was cut off and started again ends in the same store.
 *   - A child refers to a parent that exists, in the same tenant and capsule, and written before.
 *   - Nothing is overwritten: a different record at a key that seeding wants is a conflict.
 *
 * The shape of the data: tenants are the spec's canary tenants first, then those of its lookup
 * files, then tenant-0001 and so on. An entity without a variable of its own gets one record a
 * tenant (or one a parent); the rest is shared out, three of each child for one of each parent.
 * Most records are in the first allowed capsule. Some records of an entity with a `default` lack
 * the field.
 *
 * Limits: memory is bounded by one batch (RK_SEED_BATCH_RECORDS records or RK_SEED_BATCH_BYTES).
 * Threading: a seed belongs to one thread.
 *
 *     rk_seed_options options = {.tenants = 10, .records = 100000, .seed = 1};
 *     rk_status status = rk_seed_start(store, spec, &options, &seed, &err);
 *     bool finished = false;
 *     while (status == RK_OK && !finished)
 *         status = rk_seed_step(seed, &finished, &err);
 *     rk_seed_destroy(seed);
 */
#ifndef REKEY_SEED_SEED_H
#define REKEY_SEED_SEED_H

#include "rekey/spec/spec.h"
#include "store/store.h"

#define RK_SEED_BATCH_RECORDS       10000
#define RK_SEED_BATCH_BYTES         (8 * 1024 * 1024)
#define RK_SEED_VALUE_BYTES_DEFAULT 200
#define RK_SEED_VALUE_BYTES_MAX     (1024 * 1024)
#define RK_SEED_TENANTS_MAX         100000000
#define RK_SEED_RECORDS_MAX         100000000000

typedef struct rk_seed_options {
    uint64_t tenants;   /* at least 1 */
    uint64_t records;   /* over all entities and tenants */
    uint64_t seed;      /* another number, other values */
    size_t value_bytes; /* about; 0 for RK_SEED_VALUE_BYTES_DEFAULT. Needed members come first. */
    const rk_spec_source *source; /* where tenants of lookup files are read; NULL for none */
    /* Which of the tenants are written: those of one node of a cluster, say. NULL: all. The records
     * of each are the same as without it. */
    bool (*takes)(const void *context, rk_slice tenant);
    const void *takes_context; /* must outlive the seed */
} rk_seed_options;

/* RK_INVALID when an option is out of its range, naming it. Looks at nothing else. */
rk_status rk_seed_options_check(const rk_seed_options *options, rk_error *err);

typedef struct rk_seed_progress {
    uint64_t done;    /* records committed */
    uint64_t total;   /* what there will be: less than asked when every entity is one a tenant */
    uint64_t changed; /* of `done`, those that were not there already */
    uint64_t index_entries;
    uint64_t entity[RK_ENTITIES_MAX]; /* records committed, by entity */
} rk_seed_progress;

typedef struct rk_seed rk_seed;

/* Makes the records table and the index tables where they are missing and gets ready. `store` and
 * `spec` are borrowed; options are copied, their source is needed during this call only.
 * RK_INVALID: options out of their range, or a table of another shape. */
rk_status rk_seed_start(rk_store *store, const rk_spec *spec, const rk_seed_options *options,
                        rk_seed **out, rk_error *err);

/* Writes and commits one batch; *finished when that was the last. Grows the map when it must.
 * RK_CONFLICT: a different record is at a wanted key, nothing of this batch was written; RK_LIMIT:
 * a key would be longer than the store takes; RK_FULL, RK_UNCERTAIN, RK_IO as the store says. */
rk_status rk_seed_step(rk_seed *seed, bool *finished, rk_error *err);

/* Borrowed; renewed by each step. */
const rk_seed_progress *rk_seed_progress_of(const rk_seed *seed);

/* NULL allowed. */
void rk_seed_destroy(rk_seed *seed);

#endif
