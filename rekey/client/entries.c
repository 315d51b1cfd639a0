/* entries.c: collecting the operations of a write, index entries among them. */
#include "rekey/client/client_private.h"

#include "rekey/record/json.h"

/* --- collecting ------------------------------------------------------------------------------- */

void rki_changes_init(rki_changes *changes, rki_session *session, rk_txn *txn, rk_error *err)
{
    changes->session = session;
    changes->txn = txn;
    changes->status = RK_OK;
    changes->err = err;
    changes->count = 0;
}

rk_status rki_changes_apply(rki_changes *changes)
{
    rk_unit unit = {.ops = changes->ops, .op_count = changes->count};
    if (changes->status == RK_OK && changes->count > 0)
        changes->status = rk_txn_apply(changes->txn, &unit, 1, changes->err);
    changes->count = 0;
    return changes->status;
}

static void add(rki_changes *changes, rk_action action, rk_table table, rk_slice key,
                rk_slice value)
{
    if (changes->count == RKI_OPS_MAX)
        rki_changes_apply(changes);
    if (changes->status != RK_OK)
        return;
    changes->ops[changes->count++] =
        (rk_op){.action = (uint8_t)action, .table = table, .key = key, .value = value};
}

void rki_change_put(rki_changes *changes, rk_slice key, rk_slice value)
{
    add(changes, RK_ACTION_PUT, changes->session->tables.records, key, value);
}

void rki_change_delete(rki_changes *changes, rk_slice key)
{
    add(changes, RK_ACTION_DELETE, changes->session->tables.records, key, RK_SLICE_EMPTY);
}

/* --- entries ---------------------------------------------------------------------------------- */

static rk_slice primary_of(const rk_image *image, bool new_side)
{
    return new_side ? image->new_key : image->old_key;
}

static rk_slice entry_of(const rk_image *image, size_t i, bool new_side)
{
    return new_side ? image->index[i].new_key : image->index[i].old_key;
}

void rki_change_put_entries(rki_changes *changes, bool new_side, const rk_image *image)
{
    for (size_t i = 0; i < image->index_count; i++) {
        rk_slice key = entry_of(image, i, new_side);
        if (key.len > 0)
            add(changes, RK_ACTION_INDEX_PUT,
                changes->session->tables.index[image->index[i].table_index], key,
                primary_of(image, new_side));
    }
}

/* Removes the entry key -> primary of the entity's i-th index unless `keep` has it. */
static void remove_entry(rki_changes *changes, bool new_side, uint32_t table_index, rk_slice key,
                         rk_slice primary, const rk_image *keep)
{
    if (key.len == 0)
        return;
    for (size_t i = 0; keep && i < keep->index_count; i++) {
        if (keep->index[i].table_index == table_index &&
            rk_slice_equal(entry_of(keep, i, new_side), key) &&
            rk_slice_equal(primary_of(keep, new_side), primary))
            return;
    }
    add(changes, RK_ACTION_INDEX_DELETE, changes->session->tables.index[table_index], key, primary);
}

/* --- records without an image ----------------------------------------------------------------- */

rk_status rki_bind_members(rki_session *session, const rk_entity *entity, rk_slice value,
                           rk_binding *binding, rk_error *err)
{
    const rk_spec *spec = session->spec;
    rk_slice names[64];
    rk_json_field fields[64];
    rk_status status = RK_OK;
    for (size_t i = 0; i < entity->field_count; i++)
        names[i] = rk_slice_str(spec->names.name[entity->field[i]]);
    if (spec->value == RK_VALUE_JSON && entity->field_count > 0)
        status = rk_json_find(value, names, entity->field_count, fields, &session->arena, err);
    else
        memset(fields, 0, sizeof fields);
    if (status != RK_OK)
        return status;
    for (size_t i = 0; i < entity->field_count; i++) {
        uint16_t name = entity->field[i];
        bool text = fields[i].kind == RK_JSON_STRING || fields[i].kind == RK_JSON_INTEGER;
        if (text && name != spec->capsule && binding->value[name].len == 0)
            binding->value[name] = fields[i].text;
    }
    for (size_t i = 0; i < entity->parent_id_count; i++) {
        const rk_parent_id *id = &entity->parent_id[i];
        if (binding->value[id->parent_variable].len == 0)
            binding->value[id->parent_variable] = binding->value[id->source];
    }
    return RK_OK;
}

static void remove_entries_in(rki_changes *changes, bool new_side, const rki_target *target,
                              const rk_binding *binding, const rki_found *found,
                              const rk_image *keep)
{
    for (size_t i = 0; i < target->entity->index_count; i++) {
        const rk_index *index = &target->entity->index[i];
        rk_slice key = RK_SLICE_EMPTY;
        if (changes->status == RK_OK)
            changes->status =
                rki_target_key(changes->session, new_side ? &index->new_key : &index->old_key,
                               binding, &key, changes->err);
        if (changes->status == RK_OK)
            remove_entry(changes, new_side, index->table_index, key, found->key, keep);
    }
}

/* The record's capsule is not known, so its entries are looked for in every one. Entries that point
 * at this primary key are its own whatever they are filed under, and absent ones are no error. */
static void remove_strays(rki_changes *changes, bool new_side, const rki_target *target,
                          const rki_found *found, const rk_image *keep)
{
    const rk_spec *spec = changes->session->spec;
    rk_binding binding = target->binding;
    rk_status status =
        rki_bind_members(changes->session, target->entity, found->value, &binding, NULL);
    if (status != RK_OK) /* unreadable: nobody can say what entries it has */
        return;
    if (new_side) {
        remove_entries_in(changes, true, target, &binding, found, keep);
        return;
    }
    for (size_t i = 0; i < spec->allowed_count; i++) {
        binding.value[spec->capsule] = spec->allowed[i];
        remove_entries_in(changes, false, target, &binding, found, keep);
    }
}

void rki_change_delete_entries(rki_changes *changes, bool new_side, const rki_target *target,
                               const rki_found *found, const rk_image *keep)
{
    if (found->reason != RK_REASON_NONE) {
        remove_strays(changes, new_side, target, found, keep);
        return;
    }
    for (size_t i = 0; i < found->image.index_count; i++)
        remove_entry(changes, new_side, found->image.index[i].table_index,
                     entry_of(&found->image, i, new_side), found->key, keep);
}
