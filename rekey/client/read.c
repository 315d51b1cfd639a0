/* read.c: finding one record on either side, and what a get gives. */
#include "rekey/client/client_private.h"

#include "rekey/base/fault.h"
/* --- judging ---------------------------------------------------------------------------------- */

/* A key of the other shape cannot be met here (lint has proven it), but is not trusted either. */
static rk_status settle(rki_found *found, rk_status status)
{
    if (status != RK_NOT_FOUND)
        return status;
    found->image = (rk_image){.entity = -1};
    found->reason = RK_REASON_UNMATCHED;
    return RK_OK;
}

rk_status rki_judge_old(rki_session *session, rki_found *found, rk_error *err)
{
    char detail[RKI_DETAIL_BYTES];
    rk_status status =
        rk_transform_old(session->transformer, session->view, found->key, found->value,
                         &session->arena, &found->image, &found->reason, detail, err);
    return settle(found, status);
}

rk_status rki_judge_new(rki_session *session, rki_found *found, rk_error *err)
{
    char detail[RKI_DETAIL_BYTES];
    rk_status status =
        rk_transform_new(session->transformer, session->view, found->key, found->value, false,
                         &session->arena, &found->image, &found->reason, detail, err);
    return settle(found, status);
}

/* --- finding ---------------------------------------------------------------------------------- */

/* In a write transaction what was found is needed after the next change, which moves it. */
static rk_status keep(rki_session *session, rk_slice *value, rk_error *err)
{
    if (session->view == session->snapshot)
        return RK_OK;
    return rk_arena_copy(&session->arena, *value, value, err);
}

static rk_status look_up(rki_session *session, rk_slice key, rki_found *out, rk_error *err)
{
    *out = (rki_found){.key = key};
    if (key.len == 0)
        return RK_OK;
    rk_status status = rk_view_get(session->view, session->tables.records, key, &out->value, err);
    if (status == RK_NOT_FOUND)
        return RK_OK;
    if (status == RK_OK)
        status = keep(session, &out->value, err);
    out->present = status == RK_OK;
    return status;
}

rk_status rki_find_old(rki_session *session, const rki_target *target, rki_found *out,
                       rk_error *err)
{
    rk_status status = look_up(session, target->old_key, out, err);
    if (status == RK_OK && out->present)
        status = rki_judge_old(session, out, err);
    return status;
}

/* Whether the new key is one that the target's ids can have. */
static bool has_ids(const rki_target *target, rk_slice key)
{
    rk_binding binding;
    if (!rk_pattern_match(&target->entity->new_key, key, &binding))
        return false;
    const rk_pattern *old_key = &target->entity->old_key;
    for (size_t i = 0; i < old_key->segment_count; i++) {
        const rk_segment *segment = &old_key->segment[i];
        if (segment->variable &&
            !rk_slice_equal(binding.value[segment->name], target->binding.value[segment->name]))
            return false;
    }
    return true;
}

/* Takes the entry, unless a consistent one was taken before. */
static rk_status consider(rki_session *session, const rki_target *target, const rk_entry *entry,
                          rki_found *out, rk_error *err)
{
    rki_found found = {.present = true, .value = entry->value};
    if (!has_ids(target, entry->key))
        return RK_OK;
    rk_status status = rk_arena_copy(&session->arena, entry->key, &found.key, err);
    if (status == RK_OK)
        status = keep(session, &found.value, err);
    if (status == RK_OK)
        status = rki_judge_new(session, &found, err);
    if (status == RK_OK && (!out->present || found.reason == RK_REASON_NONE))
        *out = found;
    return status;
}

/* The new key holds members of the value, which the ids do not give: looks at all keys that begin
 * with what they do give. */
static rk_status search_new(rki_session *session, const rki_target *target, rki_found *out,
                            rk_error *err)
{
    rk_cursor *cursor = NULL;
    rk_buf prefix;
    rk_entry entry;
    bool whole;
    *out = (rki_found){0};
    rk_buf_init(&prefix, session->client->key_bytes_max);
    rk_status status =
        rk_pattern_prefix(&target->entity->new_key, &target->binding, &prefix, &whole, err);
    if (status == RK_OK)
        status = rk_cursor_open(session->view, session->tables.records, &cursor, err);
    if (status == RK_OK)
        status = rk_cursor_seek(cursor, rk_buf_slice(&prefix), &entry, err);
    while (status == RK_OK && rk_slice_starts_with(entry.key, rk_buf_slice(&prefix)) &&
           !rki_is_consistent(out)) {
        status = consider(session, target, &entry, out, err);
        if (status == RK_OK)
            status = rk_cursor_next(cursor, &entry, err);
    }
    rk_cursor_close(cursor);
    rk_buf_fini(&prefix);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

rk_status rki_find_new(rki_session *session, const rki_target *target, rki_found *out,
                       rk_error *err)
{
    if (target->derived)
        return search_new(session, target, out, err);
    rk_status status = look_up(session, target->new_key, out, err);
    if (status == RK_OK && out->present)
        status = rki_judge_new(session, out, err);
    return status;
}

/* --- what a get gives --------------------------------------------------------------------------
 */

static rk_status read_new(rki_session *session, const rki_target *target, rki_found *out,
                          rk_error *err)
{
    rk_status status = rki_find_new(session, target, out, err);
    if (status == RK_OK && !out->present && rk_fault("old_shape_read"))
        return rki_find_old(session, target, out, err) == RK_OK && out->present ? RK_OK
                                                                                : RK_NOT_FOUND;
    return status == RK_OK && !rki_is_consistent(out) ? RK_NOT_FOUND : status;
}

static rk_status read_old_in_scope(rki_session *session, const rki_target *target, rki_found *out,
                                   rk_error *err)
{
    rk_status status = rki_find_old(session, target, out, err);
    if (status == RK_OK && out->present && rk_fault("get_ignores_capsule"))
        return RK_OK;
    return status == RK_OK && !rki_is_in_scope(out, target) ? RK_NOT_FOUND : status;
}

static rk_status read_old(rki_session *session, const rki_target *target, rki_found *out,
                          rk_error *err)
{
    rk_status status = look_up(session, target->old_key, out, err);
    return status == RK_OK && !out->present ? RK_NOT_FOUND : status;
}

rk_status rki_read(rki_session *session, const rki_target *target, rki_found *out, rk_error *err)
{
    rk_status status = RK_NOT_FOUND;
    if (session->sight == RK_SIGHT_NONE)
        return RK_NOT_FOUND;
    switch (session->rule->read) {
    case RK_READ_OLD:
        status = session->sight == RK_SIGHT_FULL ? read_old(session, target, out, err)
                                                 : read_old_in_scope(session, target, out, err);
        break;
    case RK_READ_NEW:
        status = rk_fault("old_copy_read") ? read_old_in_scope(session, target, out, err)
                                           : read_new(session, target, out, err);
        break;
    case RK_READ_NEW_THEN_OLD:
        status = read_new(session, target, out, err);
        if (status == RK_NOT_FOUND)
            status = read_old_in_scope(session, target, out, err);
        break;
    }
    return status;
}

rk_status rki_read_equals(rki_session *session, const rki_target *target, rki_found *found,
                          rk_slice expected, bool *out, rk_error *err)
{
    bool is_old = rk_slice_equal(found->key, target->old_key);
    *out = rk_slice_equal(found->value, expected);
    if (*out)
        return RK_OK;
    rk_status status = is_old ? rki_judge_old(session, found, err) : RK_OK;
    if (status == RK_OK && found->reason == RK_REASON_NONE)
        *out = rk_slice_equal(is_old ? found->image.new_value : found->image.old_value, expected);
    return status;
}
