/* plan_private.h: what the files of rekey/plan share. */
#ifndef REKEY_PLAN_PLAN_PRIVATE_H
#define REKEY_PLAN_PLAN_PRIVATE_H

#include "rekey/plan/plan.h"

/* The template entity: no parent and the fewest records; one without any would prove nothing, so it
 * is taken only when all are empty. */
uint32_t rki_plan_template(const rk_plan *plan);

/* RK_INVALID, RK_CONFLICT or RK_LIMIT when these shards make no whole of this spec: see
 * rk_plan_merge. They must be sorted by node, but for repeats. */
rk_status rki_plan_check_shards(const rk_plan_shard *shards, size_t count,
                                const rk_digest *spec_digest, rk_error *err);

/* Destroys the plans and frees the array. NULL allowed. */
void rki_plan_shards_free(rk_plan_shard *shards, size_t count);

#endif
