/* search_records.c: one record. */
#include "rekey/isolation/search_private.h"

#include "rekey/record/json.h"

#define DETAIL_BYTES 192

/* --- what a value says of itself -------------------------------------------------------------- */

static void read_capsule(const rk_json_field *field, size_t at, rki_own *own)
{
    if (field->kind == RK_JSON_STRING)
        own->capsule[at] = field->text;
    else if (field->kind != RK_JSON_ABSENT)
        own->capsule_is_other_kind = true;
}

rk_status rki_search_own(rk_search *search, int entity, rk_slice value, rki_own *out, rk_error *err)
{
    const rk_spec *spec = search->spec;
    const char *rule = spec->entities[entity].capsule.field;
    rk_slice name[3] = {rk_slice_str(spec->names.name[spec->tenant]),
                        rk_slice_str(spec->names.name[spec->capsule]), rk_slice_str(rule)};
    rk_json_field field[3];
    rk_error why = {0};
    *out = (rki_own){0};
    if (spec->value != RK_VALUE_JSON)
        return RK_OK;
    bool same = rule && rk_slice_equal(name[1], name[2]);
    size_t names = rule && !same ? 3 : 2;
    rk_status status = rk_json_find(value, name, names, field, &search->arena, &why);
    if (status == RK_INVALID || status == RK_LIMIT) {
        out->unreadable = true;
        return RK_OK;
    }
    if (status != RK_OK) {
        if (err)
            *err = why;
        return status;
    }
    if (field[0].kind == RK_JSON_STRING || field[0].kind == RK_JSON_INTEGER)
        out->tenant = field[0].text;
    for (size_t i = 1; i < names; i++)
        read_capsule(&field[i], i - 1, out);
    return RK_OK;
}

static bool denies(rk_slice said, rk_slice key)
{
    return said.len > 0 && key.len > 0 && !rk_slice_equal(said, key);
}

bool rki_own_denies_tenant(const rki_own *own, rk_slice tenant)
{
    return denies(own->tenant, tenant);
}

bool rki_own_denies_capsule(const rki_own *own, rk_slice capsule)
{
    if (capsule.len == 0)
        return false;
    return own->unreadable || own->capsule_is_other_kind || denies(own->capsule[0], capsule) ||
           denies(own->capsule[1], capsule);
}

/* --- runs ------------------------------------------------------------------------------------- */

rk_status rki_search_records_end(rk_search *search, rk_error *err)
{
    rki_mix *mix = &search->mix;
    rk_status status = RK_OK;
    if (rki_mix_is_mixed(mix)) {
        rk_found_sample samples[] = {{.key = rk_buf_slice(&mix->sample[0])},
                                     {.key = rk_buf_slice(&mix->sample[1])}};
        status = rki_search_count_mix(search, RK_FOUND_MIXED_TENANT, mix, true, samples, 2, err);
    }
    rki_mix_reset(mix, search->spec);
    return status;
}

static rk_status meet_tenant(rk_search *search, rk_slice tenant, rk_error *err)
{
    if (rk_slice_equal(tenant, rk_buf_slice(&search->mix.tenant)))
        return RK_OK;
    rk_status status = rki_search_records_end(search, err);
    return status == RK_OK ? rk_buf_set(&search->mix.tenant, tenant, err) : status;
}

/* --- an old record ---------------------------------------------------------------------------- */

static rk_status old_record(rk_search *search, const rki_subject *subject, const rk_entry *entry,
                            rk_error *err)
{
    const rk_found_sample sample = {.key = entry->key};
    char detail[DETAIL_BYTES];
    rk_image image;
    rk_reason reason;
    rk_status status = rk_transform_old(search->transformer, search->view, entry->key, entry->value,
                                        &search->arena, &image, &reason, detail, err);
    if (status != RK_OK)
        return status;
    int capsule = image.capsule.len > 0 ? rk_spec_capsule(search->spec, image.capsule) : -1;
    if (capsule >= 0)
        status = rki_mix_add(&search->mix, search->spec, subject->entity, capsule, entry->key, err);
    else
        status = rki_search_count(
            search, reason == RK_REASON_ORPHAN ? RK_FOUND_OLD_ORPHAN : RK_FOUND_UNRESOLVED, subject,
            &sample, err);
    if (status == RK_OK && rki_search_is_behind(search, subject->tenant))
        status = rki_search_count(search, RK_FOUND_LEFT_RECORD, subject, &sample, err);
    return status;
}

/* --- a new record ----------------------------------------------------------------------------- */

/* Whether a record of this entity and id is in a capsule, whichever. */
static rk_status is_in_any_capsule(rk_search *search, int entity, rk_slice new_key, bool *out,
                                   rk_error *err)
{
    const rk_spec *spec = search->spec;
    const rk_pattern *pattern = &spec->entities[entity].new_key;
    uint8_t key[RK_STATE_KEY_BYTES_MAX];
    rk_binding binding;
    rk_slice ignored;
    *out = false;
    if (!rk_pattern_match(pattern, new_key, &binding))
        return RK_OK;
    for (size_t i = 0; i < spec->allowed_count && !*out; i++) {
        binding.value[spec->capsule] = spec->allowed[i];
        size_t len = rk_pattern_write(pattern, &binding, key, sizeof key);
        if (len == 0 || len > sizeof key)
            continue;
        rk_status status =
            rk_view_get(search->view, search->tables.records, rk_slice_of(key, len), &ignored, err);
        if (status != RK_OK && status != RK_NOT_FOUND)
            return status;
        *out = status == RK_OK;
    }
    return RK_OK;
}

static rk_status check_parent(rk_search *search, const rki_subject *subject, const rk_entry *entry,
                              rk_error *err)
{
    int parent = search->spec->entities[subject->entity].parent;
    char detail[DETAIL_BYTES];
    rk_image image;
    rk_reason reason;
    rk_slice ignored;
    bool elsewhere = false;
    if (parent < 0)
        return RK_OK;
    rk_status status = rk_transform_new(search->transformer, search->view, entry->key, entry->value,
                                        false, &search->arena, &image, &reason, detail, err);
    /* A record that does not say who its parent is cannot be asked for it. */
    if (status != RK_OK || reason != RK_REASON_NONE)
        return status;
    status = rk_view_get(search->view, search->tables.records, image.parent_new_key, &ignored, err);
    if (status != RK_NOT_FOUND)
        return status;
    status = is_in_any_capsule(search, parent, image.parent_new_key, &elsewhere, err);
    if (status != RK_OK)
        return status;
    return rki_search_count(search, elsewhere ? RK_FOUND_PARENT_ELSEWHERE : RK_FOUND_PARENT_MISSING,
                            subject, &(rk_found_sample){.key = entry->key}, err);
}

static rk_status new_record(rk_search *search, const rki_subject *subject, rk_slice capsule,
                            const rki_own *own, const rk_entry *entry, rk_error *err)
{
    const rk_found_sample sample = {.key = entry->key};
    rk_status status = RK_OK;
    if (rki_own_denies_capsule(own, capsule))
        status = rki_search_count(search, RK_FOUND_VALUE_CAPSULE, subject, &sample, err);
    if (status == RK_OK && rk_spec_capsule(search->spec, capsule) < 0)
        status = rki_search_count(search, RK_FOUND_KEY_CAPSULE, subject, &sample, err);
    return status == RK_OK ? check_parent(search, subject, entry, err) : status;
}

rk_status rki_search_record(rk_search *search, const rk_entry *entry, rk_error *err)
{
    const rk_spec *spec = search->spec;
    rk_binding binding;
    rki_own own;
    int hit = rk_matcher_find(spec->matcher, entry->key, &binding);
    search->progress.records++;
    if (hit < 0) {
        search->progress.unmatched++;
        return RK_OK;
    }
    rki_subject subject = {.entity = hit / 2, .tenant = binding.value[spec->tenant]};
    rk_status status = meet_tenant(search, subject.tenant, err);
    if (status == RK_OK)
        status = rki_search_own(search, subject.entity, entry->value, &own, err);
    if (status == RK_OK && rki_own_denies_tenant(&own, subject.tenant))
        status = rki_search_count(search, RK_FOUND_VALUE_TENANT, &subject,
                                  &(rk_found_sample){.key = entry->key}, err);
    if (status != RK_OK)
        return status;
    return hit % 2 == 1
               ? new_record(search, &subject, binding.value[spec->capsule], &own, entry, err)
               : old_record(search, &subject, entry, err);
}
