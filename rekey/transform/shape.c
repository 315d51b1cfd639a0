/* shape.c: what is the same for every record of an entity, worked out before the first one. */
#include "rekey/transform/internal.h"

#include <assert.h>

/* --- names ------------------------------------------------------------------------------------ */

typedef struct name_set {
    bool has[RK_NAMES_MAX];
} name_set;

static void add_pattern(name_set *set, const rk_pattern *pattern)
{
    for (size_t i = 0; i < pattern->segment_count; i++) {
        if (pattern->segment[i].variable)
            set->has[pattern->segment[i].name] = true;
    }
}

static void collect_names(name_set *set, const rk_spec *spec, const rk_entity *entity)
{
    add_pattern(set, &entity->old_key);
    add_pattern(set, &entity->new_key);
    for (size_t i = 0; i < entity->index_count; i++) {
        add_pattern(set, &entity->index[i].old_key);
        add_pattern(set, &entity->index[i].new_key);
    }
    for (size_t i = 0; i < entity->field_count; i++)
        set->has[entity->field[i]] = true;
    for (size_t i = 0; i < entity->parent_id_count; i++) {
        set->has[entity->parent_id[i].parent_variable] = true;
        set->has[entity->parent_id[i].source] = true;
    }
    set->has[spec->tenant] = true;
    set->has[spec->capsule] = true;
}

static void list_names(rki_shape *shape, const name_set *all, const name_set *in_old_key)
{
    for (uint16_t name = 0; name < RK_NAMES_MAX; name++) {
        if (all->has[name] && !in_old_key->has[name])
            shape->name[shape->name_count++] = name;
    }
    shape->free_count = shape->name_count;
    for (uint16_t name = 0; name < RK_NAMES_MAX; name++) {
        if (in_old_key->has[name])
            shape->name[shape->name_count++] = name;
    }
}

static bool has_derived(const rk_spec *spec, const rk_entity *entity, const name_set *in_old_key)
{
    name_set in_new_key = {{false}};
    add_pattern(&in_new_key, &entity->new_key);
    for (uint16_t name = 0; name < RK_NAMES_MAX; name++) {
        if (in_new_key.has[name] && !in_old_key->has[name] && name != spec->capsule)
            return true;
    }
    return false;
}

/* --- members ---------------------------------------------------------------------------------- */

/* Position of the member, added when it is new; `variable` counts where it is not RK_NAME_NONE. */
static rk_status add_member(rki_shape *shape, rk_slice name, uint16_t variable, size_t *position,
                            rk_error *err)
{
    size_t i = 0;
    while (i < shape->member_count && !rk_slice_equal(shape->member_name[i], name))
        i++;
    if (i == RKI_MEMBERS_MAX)
        return rk_error_set(err, RK_LIMIT, "entity %s needs more than %d members of a value",
                            shape->entity->name, RKI_MEMBERS_MAX);
    if (i == shape->member_count) {
        shape->member_name[i] = name;
        shape->member[i] = RK_NAME_NONE;
        shape->member_count++;
    }
    if (variable != RK_NAME_NONE)
        shape->member[i] = variable;
    if (position)
        *position = i;
    return RK_OK;
}

static rk_slice name_text(const rk_spec *spec, uint16_t name)
{
    return rk_slice_str(spec->names.name[name]);
}

/* A variable of the old key is never looked for in the value: the key is the truth. The capsule
 * member is looked for, but the rule binds the variable. */
static rk_status list_members(rki_shape *shape, const rk_spec *spec, const name_set *in_old_key,
                              rk_error *err)
{
    const rk_entity *entity = shape->entity;
    rk_status status = RK_OK;

    for (size_t i = 0; i < entity->field_count && status == RK_OK; i++) {
        uint16_t name = entity->field[i];
        if (name != spec->capsule && !in_old_key->has[name])
            status = add_member(shape, name_text(spec, name), name, NULL, err);
    }
    if (status == RK_OK)
        status = add_member(shape, name_text(spec, spec->capsule), RK_NAME_NONE,
                            &shape->capsule_member, err);
    if (status == RK_OK && entity->capsule.field)
        status = add_member(shape, rk_slice_str(entity->capsule.field), RK_NAME_NONE,
                            &shape->field_member, err);
    return status;
}

/* --- the capsule rule ------------------------------------------------------------------------- */

/* The member is inserted where it is absent and the rule still gives a capsule. A rule that looks
 * at this very member has then only the rest of itself left; one that looks at another member, a
 * parent or a file can give any capsule. */
static void learn_insertions(rki_shape *shape)
{
    const rk_capsule_rule *rule = &shape->entity->capsule;
    bool other_field = rule->field && shape->field_member != shape->capsule_member;
    shape->inserts_any = other_field || rule->parent || rule->lookup;
    shape->inserts_only = shape->fallback;
}

rk_status rki_shape_init(rki_shape *shape, const rk_spec *spec, const rk_entity *entity,
                         rk_error *err)
{
    name_set all = {{false}};
    name_set in_old_key = {{false}};
    collect_names(&all, spec, entity);
    add_pattern(&in_old_key, &entity->old_key);

    *shape = (rki_shape){.entity = entity, .capsule_member = RKI_NONE, .field_member = RKI_NONE};
    list_names(shape, &all, &in_old_key);
    shape->capsule_in_old = in_old_key.has[spec->capsule];
    shape->new_has_derived = has_derived(spec, entity, &in_old_key);
    shape->fallback = rk_slice_str(entity->capsule.fallback);
    if (spec->value != RK_VALUE_JSON)
        return RK_OK;

    rk_status status = list_members(shape, spec, &in_old_key, err);
    if (status == RK_OK)
        learn_insertions(shape);
    return status;
}

bool rki_shape_inserts(const rki_shape *shape, rk_slice capsule)
{
    assert(capsule.len > 0);
    return shape->inserts_any || rk_slice_equal(shape->inserts_only, capsule);
}
