#include <stdlib.h>

#include "rekey/spec/spec.h"

static void fini_entity(rk_entity *entity)
{
    rk_pattern_fini(&entity->old_key);
    rk_pattern_fini(&entity->new_key);
    for (size_t i = 0; i < entity->index_count; i++) {
        rk_pattern_fini(&entity->index[i].old_key);
        rk_pattern_fini(&entity->index[i].new_key);
    }
}

void rk_spec_destroy(rk_spec *spec)
{
    if (spec == NULL)
        return;
    rk_matcher_destroy(spec->matcher);
    for (size_t i = 0; i < spec->entity_count; i++)
        fini_entity(&spec->entities[i]);
    rk_names_fini(&spec->names);
    rk_arena_fini(&spec->memory);
    free(spec);
}

int rk_spec_entity(const rk_spec *spec, rk_slice name)
{
    for (size_t i = 0; i < spec->entity_count; i++)
        if (rk_slice_equal(rk_slice_str(spec->entities[i].name), name))
            return (int)i;
    return -1;
}

int rk_spec_capsule(const rk_spec *spec, rk_slice capsule)
{
    for (size_t i = 0; i < spec->allowed_count; i++)
        if (rk_slice_equal(spec->allowed[i], capsule))
            return (int)i;
    return -1;
}

rk_tier rk_spec_tier(const rk_spec *spec, rk_slice tenant)
{
    size_t low = 0;
    size_t high = spec->canary_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = rk_slice_compare(spec->canary[middle], tenant);
        if (order == 0)
            return RK_TIER_CANARY;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return RK_TIER_PRODUCTION;
}

const char *rk_tier_name(rk_tier tier)
{
    return tier == RK_TIER_CANARY ? "canary" : "production";
}
