/* rivals.c: what a put must not do to another capsule's record of the same id.
 *
 * In the old shape two capsules' records of one id share a key, and their children name their
 * parent by that id alone. While records of that shape are still read or moved, a put must neither
 * make it doubtful whose child one is, nor stand in the way of a record that is on its way.
 */
#include "rekey/client/client_private.h"

#include "rekey/base/fault.h"

/* Records of a tenant that are looked at before a put may take the old key of another capsule's. */
#define HEIRS_LOOKED_AT_MAX 1024

bool rki_is_foreign(const rki_write *w)
{
    return w->old.present && w->old.image.capsule.len > 0 && !rki_is_in_scope(&w->old, &w->target);
}

bool rki_may_leave_old(const rk_phase_rule *rule)
{
    return rule->write_old != RK_WRITE_PUT ||
           (rule->read == RK_READ_NEW && rule->write_new == RK_WRITE_PUT);
}

/* --- heirs ------------------------------------------------------------------------------------ */

static rk_status is_heir(const rki_write *w, const rk_entry *entry, rk_slice parent_new_key,
                         bool *out)
{
    rki_session *s = w->session;
    rki_found child = {.present = true, .value = entry->value};
    rk_status status = rk_arena_copy(&s->arena, entry->key, &child.key, w->err);
    if (status == RK_OK)
        status = rki_judge_old(s, &child, w->err);
    *out = status == RK_OK && child.image.parent_new_key.len > 0 &&
           rk_slice_equal(child.image.parent_new_key, parent_new_key);
    return status;
}

/* Walks the tenant's records of one entity; more than the lock may be held for count as heirs. */
static rk_status find_heirs_of(const rki_write *w, const rk_entity *entity, rk_slice parent_new_key,
                               bool *out)
{
    rki_session *s = w->session;
    rk_binding binding = {0};
    rk_cursor *cursor = NULL;
    rk_entry entry;
    rk_buf prefix;
    bool whole;
    binding.value[s->spec->tenant] = w->target.binding.value[s->spec->tenant];
    for (size_t i = 0; i < entity->parent_id_count; i++) { /* as far as their keys name it */
        const rk_parent_id *id = &entity->parent_id[i];
        if (rk_pattern_has(&entity->old_key, id->source))
            binding.value[id->source] = w->target.binding.value[id->parent_variable];
    }
    rk_buf_init(&prefix, s->client->key_bytes_max);
    rk_status status = rk_pattern_prefix(&entity->old_key, &binding, &prefix, &whole, w->err);
    if (status == RK_OK)
        status = rk_cursor_open(s->view, s->tables.records, &cursor, w->err);
    if (status == RK_OK)
        status = rk_cursor_seek(cursor, rk_buf_slice(&prefix), &entry, w->err);
    for (int looked_at = 0; status == RK_OK && !*out; looked_at++) {
        if (!rk_slice_starts_with(entry.key, rk_buf_slice(&prefix)))
            break;
        *out = looked_at == HEIRS_LOOKED_AT_MAX;
        if (!*out)
            status = is_heir(w, &entry, parent_new_key, out);
        if (status == RK_OK && !*out)
            status = rk_cursor_next(cursor, &entry, w->err);
    }
    rk_cursor_close(cursor);
    rk_buf_fini(&prefix);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

/* Whether records of the old shape hang on the parent whose new key this is. */
static rk_status has_heirs(const rki_write *w, rk_slice parent_new_key, bool *out)
{
    const rk_spec *spec = w->session->spec;
    rk_status status = RK_OK;
    *out = false;
    for (size_t i = 0; i < spec->entity_count && status == RK_OK && !*out; i++)
        if (spec->entities[i].parent == w->target.entity_index)
            status = find_heirs_of(w, &spec->entities[i], parent_new_key, out);
    return status;
}

/* Both sides are written: the put would take the old key, and the children with it. Before the flip
 * the other record is what a get gives, so the refusal tells nothing new; after it the write must
 * not tell, and goes to the new side alone. */
static rk_status spare_copied_heirs(rki_write *w)
{
    bool heirs = false;
    if (w->new_only || !rki_is_foreign(w) || w->old.image.new_key.len == 0)
        return RK_OK;
    rk_status status = has_heirs(w, w->old.image.new_key, &heirs);
    if (status != RK_OK || !heirs)
        return status;
    w->new_only = rki_may_leave_old(w->session->rule) && !rk_fault("heirs_tell");
    if (w->new_only)
        return RK_OK;
    return rk_error_set(w->err, RK_CONFLICT,
                        "the old key of this %s holds a record of another capsule, and its "
                        "children would change hands; until the flip it needs another id",
                        w->target.entity->name);
}

/* The new key that a record of this id has, or will have, in the capsule; empty when there is none.
 * A new key may hold members of the value, which ours does not give. */
static rk_status find_rival(const rki_write *w, rk_slice capsule, rk_slice *out)
{
    rki_session *s = w->session;
    rki_target target = w->target;
    rki_found found;
    *out = RK_SLICE_EMPTY;
    if (w->old.present && rk_slice_equal(w->old.image.capsule, capsule))
        *out = w->old.image.new_key;
    if (out->len > 0)
        return RK_OK;
    target.capsule = capsule;
    target.binding.value[s->spec->capsule] = capsule;
    rk_status status = rki_target_new_key(s, &target, w->err);
    if (status == RK_OK)
        status = rki_find_new(s, &target, &found, w->err);
    if (status == RK_OK && found.present)
        *out = found.key;
    return status;
}

/* The same words for whatever is on its way: what it is, and whose, the caller need not learn. */
rk_status rki_wait_for_travellers(const rki_write *w)
{
    return rk_error_set(w->err, RK_BUSY,
                        "records of this tenant are being moved, and this %s must wait for them; "
                        "try again",
                        w->target.entity->name);
}

/* Calls `judge` for the new key of each other capsule's record of this id, until one is *found. */
static rk_status find_rivals(const rki_write *w,
                             rk_status (*judge)(const rki_write *, rk_slice, bool *), bool *found)
{
    const rk_spec *spec = w->session->spec;
    *found = false;
    for (size_t i = 0; i < spec->allowed_count && !*found; i++) {
        rk_slice rival;
        if (rk_slice_equal(spec->allowed[i], w->target.capsule))
            continue;
        rk_status status = find_rival(w, spec->allowed[i], &rival);
        if (status == RK_OK && rival.len > 0)
            status = judge(w, rival, found);
        if (status != RK_OK)
            return status;
    }
    return RK_OK;
}

/* Records travel: children that have not arrived yet would find two parents. */
static rk_status spare_travelling_heirs(const rki_write *w)
{
    bool heirs = false;
    rk_status status = w->new.present ? RK_OK : find_rivals(w, has_heirs, &heirs);
    return status == RK_OK && heirs ? rki_wait_for_travellers(w) : status;
}

/* --- records that travel back ----------------------------------------------------------------- */

static rk_status any_rival(const rki_write *w, rk_slice key, bool *found)
{
    (void)w;
    *found = key.len > 0;
    return RK_OK;
}

/* A `move` is being undone: where another capsule's record of this id is on its way to the same old
 * key, or has just arrived, a put there would be in its way or end it. */
static rk_status spare_returning(const rki_write *w)
{
    bool rivals = rki_is_foreign(w);
    rk_status status = rivals ? RK_OK : find_rivals(w, any_rival, &rivals);
    return status == RK_OK && rivals ? rki_wait_for_travellers(w) : status;
}

/* --- children whose parent has no old copy ---------------------------------------------------- */

rk_status rki_parent_has_copy(const rki_write *w, bool *out)
{
    rki_session *s = w->session;
    const rk_entity *parent = &s->spec->entities[w->target.entity->parent];
    rki_target target = {.entity = parent};
    rki_found old = {0};
    *out = false;
    if (!rk_pattern_match(&parent->new_key, w->image.parent_new_key, &target.binding))
        return RK_OK;
    rk_status status =
        rki_target_key(s, &parent->old_key, &target.binding, &target.old_key, w->err);
    if (status == RK_OK)
        status = rki_find_old(s, &target, &old, w->err);
    *out = status == RK_OK && rki_is_in_scope(&old, &w->target);
    return status;
}

/* ---------------------------------------------------------------------------------------------- */

/* Who may not touch every capsule may not end the record of another one, either. */
static rk_status spare_unseen(const rki_write *w)
{
    const rk_phase_rule *rule = w->session->rule;
    if (w->session->sight == RK_SIGHT_FULL || rule->read != RK_READ_OLD || !rki_is_foreign(w))
        return RK_OK;
    return rk_error_set(w->err, RK_CONFLICT,
                        "the old key of this %s holds a record of another capsule; until the flip "
                        "it needs another id",
                        w->target.entity->name);
}

rk_status rki_spare_rivals(rki_write *w)
{
    const rk_phase_rule *rule = w->session->rule;
    bool travels = rule->read == RK_READ_NEW_THEN_OLD;
    rk_status status = spare_unseen(w);
    if (status != RK_OK)
        return status;
    if (rule->write_new == RK_WRITE_DROP)
        return travels ? spare_returning(w) : RK_OK;
    if (rule->write_new == RK_WRITE_NOT)
        return RK_OK;
    if (rule->write_old == RK_WRITE_PUT)
        return spare_copied_heirs(w);
    return travels ? spare_travelling_heirs(w) : RK_OK;
}
