/* write.c: put and delete of one record, inside a write transaction: judge the record and what
 * stands in its place on both sides, then change both sides as the phase's rule says. */
#include "rekey/client/client_private.h"

#include "rekey/base/fault.h"
#include "rekey/record/json.h"

typedef rki_write work;

/* --- whose old copy it is --------------------------------------------------------------------- */

/* One that no longer resolves, its parent gone perhaps, is ours when it is what our new record
 * came from. */
static bool is_own(const work *w)
{
    if (!w->old.present || w->old.image.capsule.len > 0)
        return rki_is_in_scope(&w->old, &w->target);
    return rki_is_consistent(&w->new) && (rk_slice_equal(w->old.value, w->new.value) ||
                                          rk_slice_equal(w->old.value, w->new.image.old_value));
}

static rk_status find_both(work *w)
{
    rk_status status = rki_find_old(w->session, &w->target, &w->old, w->err);
    if (status == RK_OK)
        status = rki_find_new(w->session, &w->target, &w->new, w->err);
    return status;
}

/* --- the value -------------------------------------------------------------------------------- */

static rk_status check_member(const work *w, const char *name, const rk_json_field *field)
{
    if (field->kind == RK_JSON_ABSENT || rk_fault("claim_accepted") ||
        (field->kind == RK_JSON_STRING && rk_slice_equal(field->text, w->target.capsule)))
        return RK_OK;
    return rk_error_set(w->err, RK_INVALID, "member %s %s %.*s", name,
                        field->kind == RK_JSON_STRING ? "names another capsule than"
                                                      : "is no string; the capsule is",
                        (int)w->target.capsule.len, (const char *)w->target.capsule.ptr);
}

/* The members that name the capsule must name this one; the rule's own is added when absent. */
static rk_status complete_value(work *w, rk_slice value, rk_slice *out)
{
    const rk_spec *spec = w->session->spec;
    const char *names[] = {spec->names.name[spec->capsule], w->target.entity->capsule.field};
    rk_slice slices[] = {rk_slice_str(names[0]), rk_slice_str(names[1])};
    rk_json_field fields[2] = {{0}};
    *out = value;
    if (spec->value != RK_VALUE_JSON)
        return RK_OK;

    size_t count = names[1] && !rk_slice_equal(slices[0], slices[1]) ? 2 : 1;
    rk_arena *arena = &w->session->arena;
    rk_status status = rk_json_find(value, slices, count, fields, arena, w->err);
    if (status != RK_OK)
        return rk_error_context(w->err, status, "the value");
    for (size_t i = 0; i < count && status == RK_OK; i++)
        status = check_member(w, names[i], &fields[i]);
    if (status == RK_OK && names[1] && fields[count - 1].kind == RK_JSON_ABSENT)
        status = rk_json_insert(value, slices[1], w->target.capsule, arena, out, w->err);
    return status;
}

/* --- the image -------------------------------------------------------------------------------- */

/* The same words whether the parent is nowhere or in another capsule: who may write here need not
 * learn what is there. */
static rk_status refuse_parent(const work *w)
{
    const rk_spec *spec = w->session->spec;
    const rk_entity *entity = w->target.entity;
    return rk_error_set(w->err, RK_CONFLICT,
                        "the parent %s of this %s is not there in capsule %.*s",
                        spec->entities[entity->parent].name, entity->name,
                        (int)w->target.capsule.len, (const char *)w->target.capsule.ptr);
}

/* Without `detail`: the capsule is another one than the scope's. */
static rk_status refuse_image(const work *w, rk_reason reason, const char *detail)
{
    const rk_entity *entity = w->target.entity;
    bool by_parent = entity->capsule.parent &&
                     (reason == RK_REASON_NONE || reason == RK_REASON_UNRESOLVED_CAPSULE);
    if (by_parent || reason == RK_REASON_ORPHAN)
        return refuse_parent(w);
    if (reason == RK_REASON_NONE)
        return rk_error_set(w->err, RK_CONFLICT, "the spec puts this %s into another capsule",
                            entity->name);
    if (reason != RK_REASON_KEY_TOO_LONG)
        return rk_error_set(w->err, RK_INVALID, "%s: %s", rk_reason_name(reason), detail);
    uint8_t ignored[1];
    size_t bytes = rk_pattern_write(&entity->new_key, &w->target.binding, ignored, 0);
    if (bytes > w->session->client->key_bytes_max)
        return rki_target_too_long(w->session, &w->target, &entity->new_key, "the new key", bytes,
                                   w->err);
    return rk_error_set(w->err, RK_LIMIT, "%s", detail);
}

static rk_status check_new_parent(const work *w)
{
    rki_found parent = {.present = true, .key = w->image.parent_new_key};
    if (parent.key.len == 0 || rk_fault("parent_unchecked"))
        return RK_OK;
    rk_status status = rk_view_get(w->session->view, w->session->tables.records, parent.key,
                                   &parent.value, w->err);
    if (status == RK_OK)
        status = rki_judge_new(w->session, &parent, w->err);
    if (status == RK_NOT_FOUND || (status == RK_OK && parent.reason != RK_REASON_NONE))
        return refuse_parent(w);
    return status;
}

static rk_status new_value_of(const work *w, rk_slice value, rk_slice *out)
{
    const rk_spec *spec = w->session->spec;
    rk_slice name = rk_slice_str(spec->names.name[spec->capsule]);
    rk_json_field field = {0};
    *out = value;
    if (spec->value != RK_VALUE_JSON)
        return RK_OK;
    rk_status status = rk_json_find(value, &name, 1, &field, &w->session->arena, w->err);
    if (status == RK_OK && field.kind == RK_JSON_ABSENT)
        status = rk_json_insert(value, name, w->target.capsule, &w->session->arena, out, w->err);
    return status;
}

/* The image made from the new shape alone, for where no old copy is read: parents of two capsules
 * may share an old key, and then only the new keys tell them apart. */
static rk_status image_of_new(work *w, rk_slice value)
{
    rki_session *s = w->session;
    char detail[RKI_DETAIL_BYTES] = "";
    rk_binding binding = w->target.binding;
    rk_slice key = RK_SLICE_EMPTY;
    rk_slice new_value = value;
    rk_reason reason = RK_REASON_NONE;
    rk_status status = rki_bind_members(s, w->target.entity, value, &binding, w->err);
    if (status == RK_OK)
        status = rki_target_key(s, &w->target.entity->new_key, &binding, &key, w->err);
    if (status == RK_OK && key.len == 0)
        return refuse_parent(w);
    if (status == RK_OK)
        status = new_value_of(w, value, &new_value);
    if (status == RK_OK)
        status = rk_transform_new(s->transformer, s->view, key, new_value, false, &s->arena,
                                  &w->image, &reason, detail, w->err);
    if (status != RK_OK)
        return status;
    /* Once the old key could be built, all that can be bad is that no parent is named. */
    if (reason == RK_REASON_BAD_VALUE && w->image.old_key.len > 0)
        return refuse_parent(w);
    if (reason != RK_REASON_NONE)
        return refuse_image(w, reason, detail);
    w->image.kept = !rk_slice_equal(w->image.old_value, value);
    w->image.old_value = value;
    return check_new_parent(w);
}

static bool hangs_on_parent(const work *w, rk_reason reason)
{
    const rk_entity *entity = w->target.entity;
    return entity->parent >= 0 && (reason == RK_REASON_ORPHAN || entity->capsule.parent) &&
           (reason == RK_REASON_NONE || reason == RK_REASON_ORPHAN ||
            reason == RK_REASON_UNRESOLVED_CAPSULE);
}

/* While both sides are written, a child's old copy needs its parent's: without it the child would
 * be whoever's next takes the parent's old key. */
static rk_status needs_new_alone(const work *w, bool *out)
{
    const rk_phase_rule *rule = w->session->rule;
    bool copied = true;
    rk_status status = RK_OK;
    if (rule->write_old == RK_WRITE_PUT && rule->write_new == RK_WRITE_PUT &&
        w->image.parent_new_key.len > 0)
        status = rki_parent_has_copy(w, &copied);
    *out = !copied;
    return status;
}

/* The parent is at its new key, but what the old shape says of it is not, or not yet, ours. */
static rk_status image_beside_old(work *w, rk_slice value)
{
    const rk_phase_rule *rule = w->session->rule;
    if (rki_may_leave_old(rule)) {
        w->new_only = rule->write_old == RK_WRITE_PUT;
        return image_of_new(w, value);
    }
    if (rk_fault("refusal_tells") && w->image.capsule.len > 0)
        return rk_error_set(w->err, RK_CONFLICT, "the parent is in another capsule");
    if (rule->write_new != RK_WRITE_DROP || rule->read != RK_READ_NEW_THEN_OLD)
        return refuse_parent(w);
    rk_status status = image_of_new(w, value);
    return status == RK_OK ? rki_wait_for_travellers(w) : status;
}

static rk_status image_of(work *w, rk_slice value)
{
    rki_session *s = w->session;
    char detail[RKI_DETAIL_BYTES] = "";
    rk_reason reason = RK_REASON_NONE;
    bool new_alone = false;
    rk_status status = rk_transform_old(s->transformer, s->view, w->target.old_key, value,
                                        &s->arena, &w->image, &reason, detail, w->err);
    if (status != RK_OK)
        return status;
    if (reason == RK_REASON_NONE && rk_slice_equal(w->image.capsule, w->target.capsule)) {
        status = needs_new_alone(w, &new_alone);
        return status == RK_OK && new_alone ? image_beside_old(w, value) : status;
    }
    if (!hangs_on_parent(w, reason))
        return refuse_image(w, reason, detail);
    return image_beside_old(w, value);
}

/* --- notes ------------------------------------------------------------------------------------ */

static rk_status note_kept(const work *w, rk_slice new_key, bool kept)
{
    uint8_t key[RK_KEPT_KEY_BYTES];
    size_t len = 0;
    rk_table meta = w->session->client->meta;
    rk_kept_key(new_key, key, &len);
    if (kept)
        return rk_txn_put(w->txn, meta, rk_slice_of(key, len), RK_SLICE_LITERAL("1"), w->err);
    return rk_txn_delete(w->txn, meta, rk_slice_of(key, len), w->err);
}

/* The notes about a new key whose record is gone, or is another one now. */
static rk_status forget_new(const work *w, rk_slice new_key)
{
    rk_table meta = w->session->client->meta;
    if (new_key.len == 0)
        return RK_OK;
    rk_status status = note_kept(w, new_key, false);
    if (status == RK_OK)
        status = rk_shadow_remove(w->txn, meta, new_key, w->err);
    if (status == RK_OK)
        status = rk_quarantine_remove(w->txn, meta, new_key, w->err);
    return status;
}

/* --- put -------------------------------------------------------------------------------------- */

static void put_old_side(work *w)
{
    rk_write_to to = w->session->rule->write_old;
    rki_changes *changes = &w->changes;
    if (w->new_only)
        return;
    if (to == RK_WRITE_PUT) {
        if (w->old.present)
            rki_change_delete_entries(changes, false, &w->target, &w->old, &w->image);
        rki_change_put(changes, w->image.old_key, w->image.old_value);
        rki_change_put_entries(changes, false, &w->image);
    } else if (to == RK_WRITE_DROP && is_own(w)) {
        rki_change_delete_entries(changes, false, &w->target, &w->old, NULL);
        rki_change_delete(changes, w->target.old_key);
    }
}

static void put_new_side(work *w)
{
    rk_write_to to = w->session->rule->write_new;
    rki_changes *changes = &w->changes;
    bool put = to == RK_WRITE_PUT;
    if (to == RK_WRITE_NOT)
        return;
    if (rk_fault("update_across") && rki_is_foreign(w) && w->old.image.new_key.len > 0)
        rki_change_delete(changes, w->old.image.new_key);
    if (w->new.present) {
        rki_change_delete_entries(changes, true, &w->target, &w->new, put ? &w->image : NULL);
        if (!put || !rk_slice_equal(w->new.key, w->image.new_key))
            rki_change_delete(changes, w->new.key);
    }
    if (put) {
        rki_change_put(changes, w->image.new_key, w->image.new_value);
        rki_change_put_entries(changes, true, &w->image);
    }
}

/* Another capsule's old copy is overwritten, and its new record lives on. */
static rk_status takes_old_copy(const work *w, bool *out)
{
    const rk_phase_rule *rule = w->session->rule;
    rk_slice ignored;
    *out = false;
    if (w->new_only || rule->write_old != RK_WRITE_PUT || rule->write_new == RK_WRITE_NOT ||
        !rki_is_foreign(w) || w->old.image.new_key.len == 0)
        return RK_OK;
    rk_status status = rk_view_get(w->session->view, w->session->tables.records,
                                   w->old.image.new_key, &ignored, w->err);
    *out = status == RK_OK;
    return status == RK_NOT_FOUND ? RK_OK : status;
}

static rk_status put_notes(const work *w, bool shadows, bool leaves_old)
{
    rki_session *s = w->session;
    rk_table meta = s->client->meta;
    rk_status status = forget_new(w, w->image.new_key);
    if (status == RK_OK && w->new.present)
        status = forget_new(w, w->new.key);
    if (status == RK_OK && (shadows || w->new_only)) {
        rk_shadow shadow = {.entity = (uint32_t)w->target.entity_index,
                            .new_key = shadows ? w->old.image.new_key : w->image.new_key};
        status = rk_shadow_put(w->txn, meta, &shadow, w->err);
    }
    bool kept = w->image.kept && s->rule->write_new == RK_WRITE_PUT &&
                s->spec->strategy == RK_STRATEGY_MOVE;
    if (status == RK_OK && kept)
        status = note_kept(w, w->image.new_key, true);
    if (status == RK_OK && !leaves_old)
        status = rk_quarantine_remove(w->txn, meta, w->target.old_key, w->err);
    return status;
}

static rk_status put_record(work *w, rk_slice given)
{
    rk_slice value;
    bool shadows = false;
    rk_status status = complete_value(w, given, &value);
    if (status == RK_OK)
        status = image_of(w, value);
    if (status == RK_OK)
        status = find_both(w);
    if (status == RK_OK)
        status = rki_spare_rivals(w);
    if (status == RK_OK)
        status = takes_old_copy(w, &shadows);
    if (status != RK_OK)
        return status;
    /* Judged before the first change: what was found borrows from the transaction. */
    bool leaves_old = w->old.present &&
                      (w->new_only || (w->session->rule->write_old != RK_WRITE_PUT && !is_own(w)));
    put_new_side(w);
    put_old_side(w);
    status = rki_changes_apply(&w->changes);
    return status == RK_OK ? put_notes(w, shadows, leaves_old) : status;
}

/* --- delete ----------------------------------------------------------------------------------- */

static bool is_visible(const work *w)
{
    switch (w->session->rule->read) {
    case RK_READ_OLD:
        return w->old.present;
    case RK_READ_NEW:
        return rki_is_consistent(&w->new);
    case RK_READ_NEW_THEN_OLD:
        break;
    }
    return rki_is_consistent(&w->new) || rki_is_in_scope(&w->old, &w->target);
}

/* Where reads use the old keys, a record that resolves to no capsule is the caller's to remove. */
static bool takes_old(const work *w)
{
    const rk_phase_rule *rule = w->session->rule;
    if (!w->old.present || rule->write_old == RK_WRITE_NOT)
        return false;
    if (rk_fault("delete_across"))
        return true;
    return rule->read == RK_READ_OLD ? !rki_is_foreign(w) : is_own(w);
}

static rk_status delete_record(work *w)
{
    rk_status status = find_both(w);
    if (status != RK_OK)
        return status;
    bool old = takes_old(w);
    bool new = w->new.present && w->session->rule->write_new != RK_WRITE_NOT;
    if (!is_visible(w) || (!old && !new))
        return RK_NOT_FOUND;
    if (new) {
        rki_change_delete_entries(&w->changes, true, &w->target, &w->new, NULL);
        rki_change_delete(&w->changes, w->new.key);
    }
    if (old) {
        rki_change_delete_entries(&w->changes, false, &w->target, &w->old, NULL);
        rki_change_delete(&w->changes, w->target.old_key);
    }
    status = rki_changes_apply(&w->changes);
    if (status == RK_OK)
        status = forget_new(w, new ? w->new.key : w->target.new_key);
    if (status == RK_OK && (old || !w->old.present))
        status = rk_quarantine_remove(w->txn, w->session->client->meta, w->target.old_key, w->err);
    return status;
}

/* --- as others see them ----------------------------------------------------------------------- */

rk_status rki_put(rki_session *session, rk_txn *txn, const rki_target *target, rk_slice value,
                  rk_error *err)
{
    work w = {.session = session, .txn = txn, .err = err, .target = *target};
    rki_changes_init(&w.changes, session, txn, err);
    return put_record(&w, value);
}

rk_status rki_delete(rki_session *session, rk_txn *txn, const rki_target *target, rk_error *err)
{
    work w = {.session = session, .txn = txn, .err = err, .target = *target};
    rki_changes_init(&w.changes, session, txn, err);
    return delete_record(&w);
}
