/* search.h: contamination in a live store, found read-only.
 *
 * A search walks the records and then the index tables of one migration and asks of each record and
 * entry whose it is and who can see it. It needs nothing but the spec: a store in which nothing is
 * registered is in phase `old`. What is the way of the old shape (one tenant's capsules share their
 * keys) counts as found too: that is what the migration mends, and why people look.
 *
 * It asks of scopes only. Records that differ or lack their index entries are the business of
 * rekey/engine/verify.h, which this neither repeats nor replaces.
 *
 * Invariants
 *   - Changes no byte of the store.
 *   - A record is judged, together with all that it is compared with, in one snapshot; a snapshot
 *     lasts about a thousand records or 50 ms. Counts over many records are of the states seen.
 *   - `found` is exact, also where the tenants are too many to be kept: what is not kept by tenant
 *     and entity is in `unlisted`.
 *   - Bounded memory: RK_FOUND_TENANTS_MAX tenants and RK_FOUND_COUNTS_MAX numbers a kind.
 *
 * Threading: a search belongs to one thread.
 *
 *     rk_search *search = NULL;
 *     bool finished = false;
 *     rk_status status = rk_search_create(store, spec, clock, &search, &err);
 *     while (status == RK_OK && !finished)
 *         status = rk_search_step(search, &finished, &err);
 *     uint64_t found = rk_search_found(search, RK_FOUND_MIXED_TENANT)->found;
 *     rk_search_destroy(search);
 */
#ifndef REKEY_ISOLATION_SEARCH_H
#define REKEY_ISOLATION_SEARCH_H

#include "rekey/base/clock.h"
#include "rekey/state/state.h"
#include "rekey/transform/transform.h"

#define RK_FOUND_TENANTS_MAX 10000
#define RK_FOUND_COUNTS_MAX  (256 * 1024)
/* Samples are kept of the first so many tenants of a kind, and of each of them so many. */
#define RK_FOUND_SAMPLED_TENANTS_MAX 20
#define RK_FOUND_SAMPLES_MAX         3

/* The kinds of contamination, in the order of a report. What counts is a record, or an entry of an
 * index; one that fails in several ways counts in each of them. */
typedef enum rk_contamination {
    /* Records at old keys in a tenant whose old keys hold more than one capsule; by capsule. */
    RK_FOUND_MIXED_TENANT,
    /* Old records of which nobody can tell the capsule: unresolved, unknown, or self-contradicting.
     */
    RK_FOUND_UNRESOLVED,
    /* Old children whose parent is missing or in another capsule. */
    RK_FOUND_OLD_ORPHAN,
    /* Entries of an old index key without a tenant that holds several tenants' records. */
    RK_FOUND_INDEX_TENANTS,
    /* Entries of an old index key without a capsule that holds several capsules' records of one
     * tenant; by capsule. */
    RK_FOUND_INDEX_CAPSULES,
    /* Values, at old keys or new ones, whose member of the tenant variable's name names another. */
    RK_FOUND_VALUE_TENANT,
    /* Values at new keys that name another capsule, or cannot be read, so that they might. */
    RK_FOUND_VALUE_CAPSULE,
    /* New keys in a capsule outside of the closed set. */
    RK_FOUND_KEY_CAPSULE,
    /* New children whose parent is not in their capsule, but in another. */
    RK_FOUND_PARENT_ELSEWHERE,
    /* New children whose parent is in no capsule. */
    RK_FOUND_PARENT_MISSING,
    /* Entries, old or new, whose key names another scope than the primary key or the record. */
    RK_FOUND_INDEX_SCOPE,
    /* Entries, old or new, that point at no record. */
    RK_FOUND_INDEX_DANGLING,
    /* Old records, and old index entries, of a tenant behind the rollback boundary. */
    RK_FOUND_LEFT_RECORD,
    RK_FOUND_LEFT_ENTRY,
    RK_FOUND_KIND_COUNT
} rk_contamination;

/* For programs, "mixed_tenant"; and for people, what holds while nothing was found: "no value names
 * another tenant than its key". */
const char *rk_contamination_name(rk_contamination kind);
const char *rk_contamination_claim(rk_contamination kind);

/* --- what was found --------------------------------------------------------------------------- */

typedef struct rk_found_count {
    int entity;  /* position in rk_spec.entities */
    int capsule; /* position in rk_spec.allowed; -1 for kinds that do not count by capsule */
    uint64_t count;
} rk_found_count;

/* A key of a record; or, with an index's name, a key of that index, and where it points to (empty
 * where the whole index key is meant). */
typedef struct rk_found_sample {
    const char *index;
    rk_slice key;
    rk_slice target;
} rk_found_sample;

typedef struct rk_found_tenant {
    rk_slice tenant;
    uint64_t found;
    rk_found_count *count; /* sorted by entity, capsule */
    size_t count_len;
    rk_found_sample *sample;
    size_t sample_count;
} rk_found_tenant;

typedef struct rk_found {
    uint64_t found;
    uint64_t unlisted;              /* of `found`, those not kept below */
    const rk_found_tenant *tenants; /* in the order in which they were met */
    size_t tenant_count;
} rk_found;

typedef struct rk_search_progress {
    uint64_t records;
    uint64_t entries;   /* of indexes */
    uint64_t expected;  /* records and entries, as counted at the beginning */
    uint64_t unmatched; /* records of no entity: not judged */
} rk_search_progress;

/* --- searching -------------------------------------------------------------------------------- */

typedef struct rk_search rk_search;

/* Opens the spec's tables; everything is borrowed for the search's life. RK_NOT_FOUND: the database
 * that the spec names is not there; RK_INVALID: a table has another shape; RK_CORRUPT: the state in
 * the store cannot be read. */
rk_status rk_search_create(rk_store *store, const rk_spec *spec, const rk_clock *clock,
                           rk_search **out, rk_error *err);
void rk_search_destroy(rk_search *search);

/* Looks a little further, in one snapshot. */
rk_status rk_search_step(rk_search *search, bool *finished, rk_error *err);

/* Borrowed, and good until the next step. */
const rk_search_progress *rk_search_progress_of(const rk_search *search);
const rk_found *rk_search_found(const rk_search *search, rk_contamination kind);

/* The state of this migration as last seen; NULL when the store does not know it. */
const rk_state *rk_search_state(const rk_search *search);

#endif
