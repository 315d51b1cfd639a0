/* maker.h (private): makes the n-th record of an entity of a tenant.
 *
 * Pure: a record is a function of the spec, the seed and its place, so that a child can name its
 * parent's id and capsule without anybody remembering the parent.
 */
#ifndef REKEY_SEED_MAKER_H
#define REKEY_SEED_MAKER_H

#include "rekey/seed/seed.h"

typedef struct rki_maker rki_maker;

/* One tenant, as the maker needs it. Everything is borrowed. */
typedef struct rki_tenant {
    uint64_t number; /* its place among all tenants */
    rk_slice name;
    rk_slice capsule;      /* from a lookup file: then of every record; empty for none */
    const uint64_t *count; /* records of the tenant, by entity */
} rki_tenant;

/* A record in the old shape. Lives in the arena. */
typedef struct rki_made {
    rk_slice key;
    rk_slice value;
    rk_slice index_key[RK_INDEXES_MAX]; /* empty where there is no entry */
} rki_made;

/* `spec` is borrowed. RK_NOMEM. */
rk_status rki_maker_create(const rk_spec *spec, uint64_t seed, size_t value_bytes,
                           size_t key_bytes_max, rki_maker **out, rk_error *err);
void rki_maker_destroy(rki_maker *maker);

/* How many records of an entity a tenant can have: one, one a parent, or as many as wanted. */
typedef enum rki_variety { RKI_ONE_A_TENANT, RKI_ONE_A_PARENT, RKI_MANY } rki_variety;
rki_variety rki_maker_variety(const rki_maker *maker, size_t entity);

/* RK_LIMIT: a key over the limit, or the arena's cap. */
rk_status rki_maker_make(rki_maker *maker, const rki_tenant *tenant, size_t entity,
                         uint64_t ordinal, rk_arena *arena, rki_made *out, rk_error *err);

#endif
