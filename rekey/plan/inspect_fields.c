/* Which field of a record an index key was built from: the member whose text is the segment, in
 * every sample. */
#include "rekey/plan/inspect_private.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

typedef struct samples {
    size_t count;
    json_t *record[RKI_SAMPLES_MAX]; /* NULL when it is gone or no object */
    rk_split index[RKI_SAMPLES_MAX];
    rk_split primary[RKI_SAMPLES_MAX];
} samples;

static bool text_equals(const json_t *member, rk_slice segment)
{
    if (json_is_string(member))
        return rk_slice_equal(rk_slice_of(json_string_value(member), json_string_length(member)),
                              segment);
    if (!json_is_integer(member))
        return false;
    char digits[32];
    snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(member));
    return rk_slice_equal(rk_slice_str(digits), segment);
}

static bool is_variable_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= RK_NAME_BYTES_MAX && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static bool is_free(const rki_use *use, size_t part, const char *name)
{
    for (size_t i = 0; i < use->old_key.shape.part_count; i++) {
        if (i != part && strcmp(use->old_key.name[i], name) == 0)
            return false;
    }
    return true;
}

static bool holds_everywhere(const samples *s, size_t part, const char *name)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->record[i] &&
            !text_equals(json_object_get(s->record[i], name), s->index[i].segment[part]))
            return false;
    }
    return true;
}

/* Among the members that fit, one that begins like the word before the segment: ACCOUNT#a-9 is
 * account_id, though payer_id may be a-9 as well. */
static bool name_by_member(const samples *s, rki_use *use, size_t part)
{
    const char *made_up = use->old_key.name[part];
    size_t stem = strlen(made_up) - (strlen(made_up) > 3 ? 3 : 0);
    const char *best = NULL;
    for (size_t i = 0; i < s->count && !best; i++) {
        const char *name;
        json_t *member;
        if (!s->record[i])
            continue;
        json_object_foreach(s->record[i], name, member)
        {
            if (!is_variable_name(name) || !is_free(use, part, name) ||
                !holds_everywhere(s, part, name))
                continue;
            if (!best || (strncmp(name, made_up, stem) == 0 && strncmp(best, made_up, stem) != 0))
                best = name;
        }
    }
    if (best)
        snprintf(use->old_key.name[part], sizeof use->old_key.name[part], "%s", best);
    return best;
}

static bool name_by_key(const samples *s, const rki_named_shape *record_key, rki_use *use,
                        size_t part)
{
    for (size_t at = 0; at < record_key->shape.part_count; at++) {
        bool same = record_key->shape.part[at].variable && s->count > 0 &&
                    is_free(use, part, record_key->name[at]);
        for (size_t i = 0; same && i < s->count; i++)
            same = rk_slice_equal(s->primary[i].segment[at], s->index[i].segment[part]);
        if (!same)
            continue;
        memcpy(use->old_key.name[part], record_key->name[at], sizeof record_key->name[at]);
        return true;
    }
    return false;
}

static void name_part(const samples *s, const rki_named_shape *record_key, rk_slice tenant,
                      rki_use *use, size_t part)
{
    const rki_shape_part *before = part > 0 ? &use->old_key.shape.part[part - 1] : NULL;
    rk_slice word = before && !before->variable ? before->word : RK_SLICE_EMPTY;
    char *name = use->old_key.name[part];
    if (rk_slice_equal(word, tenant) && is_free(use, part, record_key->name[1]))
        memcpy(name, record_key->name[1], sizeof record_key->name[1]);
    else if (rk_slice_equal(word, RK_SLICE_LITERAL(RKI_CAPSULE)) &&
             is_free(use, part, RKI_CAPSULE_ID))
        memcpy(name, RKI_CAPSULE_ID, sizeof RKI_CAPSULE_ID);
    else
        use->unknown[part] =
            !name_by_member(s, use, part) && !name_by_key(s, record_key, use, part);
}

rk_status rki_name_fields(rk_view *view, rk_table records, const rki_named_shape *record_key,
                          rk_slice tenant, rki_use *use, rk_error *err)
{
    samples s = {.count = use->sample_count};
    rk_status status = RK_OK;
    for (size_t i = 0; i < s.count && status == RK_OK; i++) {
        rk_slice value;
        rk_split_key(use->sample_key[i], &s.index[i]);
        rk_split_key(use->sample_primary[i], &s.primary[i]);
        status = rk_view_get(view, records, use->sample_primary[i], &value, err);
        if (status == RK_OK)
            s.record[i] = json_loadb((const char *)value.ptr, value.len, 0, NULL);
        if (status == RK_NOT_FOUND)
            status = RK_OK;
    }
    rki_shape_names(&use->old_key.shape, use->old_key.name);
    for (size_t i = 0; status == RK_OK && i < use->old_key.shape.part_count; i++) {
        if (use->old_key.shape.part[i].variable)
            name_part(&s, record_key, tenant, use, i);
    }
    for (size_t i = 0; i < s.count; i++)
        json_decref(s.record[i]);
    return status;
}
