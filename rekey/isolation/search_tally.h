/* search_tally.h: counts by kind, tenant, entity and capsule, in bounded memory.
 *
 * What is found comes in the order of the store: for records tenant by tenant, for index entries in
 * any order of tenants. So tenants are looked up, the last one first. When a limit is reached, what
 * comes is still counted, as unlisted.
 */
#ifndef REKEY_ISOLATION_SEARCH_TALLY_H
#define REKEY_ISOLATION_SEARCH_TALLY_H

#include "rekey/isolation/search.h"

typedef struct rki_tally_kind {
    rk_found found;
    rk_found_tenant *tenants;
    size_t tenant_cap;
    uint32_t *slots; /* hash table of positions + 1 in `tenants`; NULL before the first */
    size_t last;
    size_t counts; /* of all its tenants */
} rki_tally_kind;

typedef struct rki_tally {
    rki_tally_kind kind[RK_FOUND_KIND_COUNT];
    rk_arena memory; /* tenants' names and samples */
} rki_tally;

void rki_tally_init(rki_tally *tally);
void rki_tally_fini(rki_tally *tally);

/* Adds `count` findings. `sample` (NULL for none) is copied while there is room. RK_NOMEM. */
rk_status rki_tally_add(rki_tally *tally, rk_contamination kind, rk_slice tenant,
                        const rk_found_count *count, const rk_found_sample *sample, rk_error *err);

#endif
