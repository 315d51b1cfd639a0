#include "rekey/isolation/search_tally.h"

#include <assert.h>
#include <stdlib.h>

/* Enough for RK_FOUND_TENANTS_MAX names of usual length in a few kinds. */
#define MEMORY_BYTES_MAX ((size_t)32 * 1024 * 1024)

/* A power of two, three times what it holds at most. */
#define SLOTS 32768u
static_assert(SLOTS > 3 * RK_FOUND_TENANTS_MAX, "the table is never nearly full");

void rki_tally_init(rki_tally *tally)
{
    *tally = (rki_tally){0};
    rk_arena_init(&tally->memory, MEMORY_BYTES_MAX);
}

void rki_tally_fini(rki_tally *tally)
{
    for (size_t k = 0; k < RK_FOUND_KIND_COUNT; k++) {
        rki_tally_kind *kind = &tally->kind[k];
        for (size_t i = 0; i < kind->found.tenant_count; i++) {
            free(kind->tenants[i].count);
            free(kind->tenants[i].sample);
        }
        free(kind->tenants);
        free(kind->slots);
    }
    rk_arena_fini(&tally->memory);
    *tally = (rki_tally){0};
}

/* --- tenants ---------------------------------------------------------------------------------- */

/* FNV-1a (Fowler, Noll, Vo). Names chosen to collide make at most RK_FOUND_TENANTS_MAX compares. */
static uint32_t hash(rk_slice name)
{
    uint32_t h = UINT32_C(2166136261);
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ name.ptr[i]) * UINT32_C(16777619);
    return h;
}

/* The slot that has the tenant, or the empty one where it belongs. */
static uint32_t *find_slot(const rki_tally_kind *kind, rk_slice tenant)
{
    uint32_t at = hash(tenant) % SLOTS;
    while (kind->slots[at] != 0 &&
           !rk_slice_equal(kind->tenants[kind->slots[at] - 1].tenant, tenant))
        at = (at + 1) % SLOTS;
    return &kind->slots[at];
}

static rk_status make_room(rki_tally_kind *kind, rk_error *err)
{
    if (!kind->slots) {
        kind->slots = calloc(SLOTS, sizeof *kind->slots);
        if (!kind->slots)
            return rk_error_set(err, RK_NOMEM, "search: out of memory");
    }
    if (kind->found.tenant_count < kind->tenant_cap)
        return RK_OK;
    size_t cap = kind->tenant_cap ? 2 * kind->tenant_cap : 16;
    rk_found_tenant *grown = realloc(kind->tenants, cap * sizeof *grown);
    if (!grown)
        return rk_error_set(err, RK_NOMEM, "search: out of memory");
    kind->tenants = grown;
    kind->tenant_cap = cap;
    kind->found.tenants = grown;
    return RK_OK;
}

/* *out is NULL when there is no room for one more. */
static rk_status find_tenant(rki_tally *tally, rki_tally_kind *kind, rk_slice tenant,
                             rk_found_tenant **out, rk_error *err)
{
    *out = NULL;
    size_t count = kind->found.tenant_count;
    if (count > 0 && rk_slice_equal(kind->tenants[kind->last].tenant, tenant)) {
        *out = &kind->tenants[kind->last];
        return RK_OK;
    }
    rk_status status = make_room(kind, err);
    if (status != RK_OK)
        return status;
    uint32_t *slot = find_slot(kind, tenant);
    if (*slot == 0) {
        rk_slice name;
        if (count == RK_FOUND_TENANTS_MAX || kind->counts == RK_FOUND_COUNTS_MAX ||
            rk_arena_copy(&tally->memory, tenant, &name, NULL) != RK_OK)
            return RK_OK;
        kind->tenants[count] = (rk_found_tenant){.tenant = name};
        kind->found.tenant_count++;
        *slot = (uint32_t)count + 1;
    }
    kind->last = *slot - 1;
    *out = &kind->tenants[kind->last];
    return RK_OK;
}

/* --- numbers and samples ---------------------------------------------------------------------- */

static bool sorts_before(const rk_found_count *a, const rk_found_count *b)
{
    return a->entity != b->entity ? a->entity < b->entity : a->capsule < b->capsule;
}

/* *kept is false when there is no room for one more number. */
static rk_status add_count(rki_tally_kind *kind, rk_found_tenant *tenant,
                           const rk_found_count *count, bool *kept, rk_error *err)
{
    size_t at = 0;
    while (at < tenant->count_len && sorts_before(&tenant->count[at], count))
        at++;
    bool there = at < tenant->count_len && !sorts_before(count, &tenant->count[at]);
    *kept = there || kind->counts < RK_FOUND_COUNTS_MAX;
    if (!*kept)
        return RK_OK;
    if (there) {
        tenant->count[at].count += count->count;
        return RK_OK;
    }
    rk_found_count *grown = realloc(tenant->count, (tenant->count_len + 1) * sizeof *grown);
    if (!grown)
        return rk_error_set(err, RK_NOMEM, "search: out of memory");
    tenant->count = grown;
    memmove(grown + at + 1, grown + at, (tenant->count_len - at) * sizeof *grown);
    grown[at] = *count;
    tenant->count_len++;
    kind->counts++;
    return RK_OK;
}

/* A sample that finds no room is left out. */
static void add_sample(rki_tally *tally, rk_found_tenant *tenant, const rk_found_sample *sample)
{
    if (tenant->sample_count == RK_FOUND_SAMPLES_MAX)
        return;
    if (!tenant->sample)
        tenant->sample = calloc(RK_FOUND_SAMPLES_MAX, sizeof *tenant->sample);
    rk_found_sample copy = {.index = sample->index};
    if (!tenant->sample || rk_arena_copy(&tally->memory, sample->key, &copy.key, NULL) != RK_OK ||
        rk_arena_copy(&tally->memory, sample->target, &copy.target, NULL) != RK_OK)
        return;
    tenant->sample[tenant->sample_count++] = copy;
}

rk_status rki_tally_add(rki_tally *tally, rk_contamination which, rk_slice name,
                        const rk_found_count *count, const rk_found_sample *sample, rk_error *err)
{
    rki_tally_kind *kind = &tally->kind[which];
    rk_found_tenant *tenant;
    bool kept = false;
    kind->found.found += count->count;
    rk_status status = find_tenant(tally, kind, name, &tenant, err);
    if (status == RK_OK && tenant)
        status = add_count(kind, tenant, count, &kept, err);
    if (status != RK_OK)
        return status;
    if (!kept) {
        kind->found.unlisted += count->count;
        return RK_OK;
    }
    tenant->found += count->count;
    if (sample && tenant < kind->tenants + RK_FOUND_SAMPLED_TENANTS_MAX)
        add_sample(tally, tenant, sample);
    return RK_OK;
}
