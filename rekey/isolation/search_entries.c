/* search_entries.c: one index entry, index key -> primary key.
 *
 * The key is read by the index patterns of the spec. Entries whose primary key is of no entity are
 * somebody else's, unless they stand at an index key of the new shape, which nobody else makes.
 */
#include "rekey/isolation/search_private.h"

#define DETAIL_BYTES 192

/* What an index key says. Empty slices where its pattern lacks the variable. */
typedef struct place {
    int entity; /* of the pattern that it matches; -1 for none */
    bool new_shape;
    rk_slice tenant;
    rk_slice capsule;
} place;

/* What an entry points at. */
typedef struct target {
    int entity; /* -1 for a primary key of no entity */
    bool new_shape;
    bool present;
    rk_slice tenant;
    rk_slice capsule; /* of a new key; of an old one its record's, where that can be told */
    rki_own own;      /* of a new record */
} target;

/* --- the index key ---------------------------------------------------------------------------- */

static bool read_key(const rk_search *search, int entity, const rk_pattern *pattern, bool new_shape,
                     const rk_split *split, place *out)
{
    const rk_spec *spec = search->spec;
    rk_binding binding;
    if (!rk_pattern_match_split(pattern, split, &binding))
        return false;
    *out = (place){.entity = entity, .new_shape = new_shape};
    if (rk_pattern_has(pattern, spec->tenant))
        out->tenant = binding.value[spec->tenant];
    if (rk_pattern_has(pattern, spec->capsule))
        out->capsule = binding.value[spec->capsule];
    return true;
}

static bool read_key_as(const rk_search *search, int entity, const rk_split *split, place *out)
{
    const rk_entity *rules = &search->spec->entities[entity];
    for (size_t i = 0; i < rules->index_count; i++) {
        const rk_index *index = &rules->index[i];
        if (index->table_index == search->index &&
            (read_key(search, entity, &index->new_key, true, split, out) ||
             read_key(search, entity, &index->old_key, false, split, out)))
            return true;
    }
    return false;
}

/* The primary key's entity first: on one side entities may share a shape. */
static place read_place(const rk_search *search, int entity, rk_slice key)
{
    place out = {.entity = -1};
    rk_split split;
    rk_split_key(key, &split);
    if (entity >= 0 && read_key_as(search, entity, &split, &out))
        return out;
    for (size_t i = 0; i < search->spec->entity_count; i++)
        if (read_key_as(search, (int)i, &split, &out))
            return out;
    return out;
}

/* --- what it points at ------------------------------------------------------------------------ */

static rk_status read_target(rk_search *search, rk_slice primary, target *out, rk_error *err)
{
    const rk_spec *spec = search->spec;
    rk_binding binding;
    char detail[DETAIL_BYTES];
    rk_image image;
    rk_reason reason;
    rk_slice value;
    int hit = rk_matcher_find(spec->matcher, primary, &binding);
    *out = (target){.entity = hit < 0 ? -1 : hit / 2, .new_shape = hit >= 0 && hit % 2 == 1};
    if (hit >= 0)
        out->tenant = binding.value[spec->tenant];
    if (out->new_shape)
        out->capsule = binding.value[spec->capsule];
    rk_status status = rk_view_get(search->view, search->tables.records, primary, &value, err);
    out->present = status == RK_OK;
    if (status == RK_NOT_FOUND || (status == RK_OK && hit < 0))
        return RK_OK;
    if (status != RK_OK || out->new_shape)
        return status == RK_OK ? rki_search_own(search, out->entity, value, &out->own, err)
                               : status;
    status = rk_transform_old(search->transformer, search->view, primary, value, &search->arena,
                              &image, &reason, detail, err);
    if (status == RK_OK)
        out->capsule = image.capsule;
    return status;
}

static bool differs(rk_slice a, rk_slice b)
{
    return a.len > 0 && b.len > 0 && !rk_slice_equal(a, b);
}

static bool leaves_scope(const place *at, const target *to)
{
    if (to->entity < 0)
        return true;
    return differs(at->tenant, to->tenant) || differs(at->capsule, to->capsule) ||
           rki_own_denies_tenant(&to->own, at->tenant) ||
           rki_own_denies_capsule(&to->own, at->capsule);
}

/* --- runs ------------------------------------------------------------------------------------- */

static rk_status count_tenants(rk_search *search, const rki_mix *run, rk_error *err)
{
    const rk_found_sample sample = {.index = search->spec->index_names[search->index],
                                    .key = rk_buf_slice(&search->run_key)};
    return rki_search_count_mix(search, RK_FOUND_INDEX_TENANTS, run, false, &sample, 1, err);
}

/* A key's first run waits in `first`; a second one shows that the key is shared by tenants. */
static rk_status end_run(rk_search *search, rk_error *err)
{
    rki_mix *run = &search->mix;
    rk_status status = RK_OK;
    if (rki_mix_is_mixed(run)) {
        const rk_found_sample sample = {.index = search->spec->index_names[search->index],
                                        .key = rk_buf_slice(&search->run_key)};
        status = rki_search_count_mix(search, RK_FOUND_INDEX_CAPSULES, run, true, &sample, 1, err);
    }
    if (run->spread && search->key_runs++ == 0) {
        rki_mix swap = search->first;
        search->first = *run;
        *run = swap;
    } else if (run->spread) {
        if (status == RK_OK && search->first.total > 0)
            status = count_tenants(search, &search->first, err);
        rki_mix_reset(&search->first, search->spec);
        if (status == RK_OK)
            status = count_tenants(search, run, err);
    }
    rki_mix_reset(run, search->spec);
    return status;
}

rk_status rki_search_entries_end(rk_search *search, rk_error *err)
{
    rk_status status = end_run(search, err);
    rki_mix_reset(&search->first, search->spec);
    search->key_runs = 0;
    rk_buf_reset(&search->run_key);
    return status;
}

/* Adds a record to the run of its index key and tenant, where the key's pattern lacks a part of the
 * scope. A part that the key has cannot be mixed: there a wrong entry leaves its scope. */
static rk_status add_to_run(rk_search *search, const place *at, const target *to, rk_slice key,
                            rk_error *err)
{
    const rk_spec *spec = search->spec;
    bool same_key = rk_slice_equal(key, rk_buf_slice(&search->run_key));
    rk_status status = RK_OK;
    if (!same_key) {
        status = rki_search_entries_end(search, err);
        if (status == RK_OK)
            status = rk_buf_set(&search->run_key, key, err);
    } else if (!rk_slice_equal(to->tenant, rk_buf_slice(&search->mix.tenant))) {
        status = end_run(search, err);
    }
    if (status == RK_OK)
        status = rk_buf_set(&search->mix.tenant, to->tenant, err);
    if (status != RK_OK)
        return status;
    bool tell = at->capsule.len == 0 && to->capsule.len > 0;
    int capsule = tell ? rk_spec_capsule(spec, to->capsule) : -1;
    search->mix.spread = search->mix.spread || at->tenant.len == 0;
    return rki_mix_add(&search->mix, spec, to->entity, capsule, key, err);
}

/* --- one entry -------------------------------------------------------------------------------- */

rk_status rki_search_entry(rk_search *search, const rk_entry *entry, rk_error *err)
{
    const rk_found_sample sample = {.index = search->spec->index_names[search->index],
                                    .key = entry->key,
                                    .target = entry->value};
    target to;
    search->progress.entries++;
    rk_status status = read_target(search, entry->value, &to, err);
    if (status != RK_OK)
        return status;
    place at = read_place(search, to.entity, entry->key);
    if (to.entity < 0 && !at.new_shape)
        return RK_OK;
    rki_subject subject = {.entity = to.entity < 0 ? at.entity : to.entity,
                           .tenant = to.entity < 0 ? at.tenant : to.tenant};
    if (!to.present)
        status = rki_search_count(search, RK_FOUND_INDEX_DANGLING, &subject, &sample, err);
    else if (leaves_scope(&at, &to))
        status = rki_search_count(search, RK_FOUND_INDEX_SCOPE, &subject, &sample, err);
    if (status == RK_OK && to.entity >= 0 && !to.new_shape &&
        rki_search_is_behind(search, to.tenant))
        status = rki_search_count(search, RK_FOUND_LEFT_ENTRY, &subject, &sample, err);
    bool scoped = at.tenant.len > 0 && at.capsule.len > 0;
    if (status != RK_OK || !to.present || to.entity < 0 || at.entity < 0 || at.new_shape || scoped)
        return status;
    return add_to_run(search, &at, &to, entry->key, err);
}
