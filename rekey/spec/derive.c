/* What the rest of rekey asks a spec for, computed once the rules hold. */
#include <stdlib.h>

#include "rekey/spec/draft.h"

/* --- fields ----------------------------------------------------------------------------------- */

static void add_field(rki_draft *draft, size_t at, uint16_t name)
{
    rk_entity *entity = &draft->spec->entities[at];
    size_t room = sizeof entity->field / sizeof entity->field[0];
    for (size_t i = 0; i < entity->field_count; i++)
        if (entity->field[i] == name)
            return;
    if (entity->field_count < room) {
        entity->field[entity->field_count++] = name;
        return;
    }
    if (!draft->entity[at].fields_full)
        rki_report(draft, draft->entity[at].name, "%s: more than %zu fields have to be looked for",
                   rki_show(draft->entity[at].name->text).text, room);
    draft->entity[at].fields_full = true;
}

static void add_pattern_fields(rki_draft *draft, size_t at, const rk_pattern *pattern)
{
    const rk_spec *spec = draft->spec;
    const rk_entity *entity = &spec->entities[at];
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const rk_segment *segment = &pattern->segment[i];
        if (segment->variable && segment->name != spec->tenant && segment->name != spec->capsule &&
            !rk_pattern_has(&entity->old_key, segment->name) &&
            !rki_is_parent_variable(entity, segment->name))
            add_field(draft, at, segment->name);
    }
}

static void find_fields(rki_draft *draft, size_t at)
{
    const rk_spec *spec = draft->spec;
    const rk_entity *entity = &spec->entities[at];
    if (spec->value == RK_VALUE_OPAQUE)
        return;
    if (draft->entity[at].capsule_field_name != RK_NAME_NONE)
        add_field(draft, at, draft->entity[at].capsule_field_name);
    if (spec->capsule != RK_NAME_NONE)
        add_field(draft, at, spec->capsule);
    for (size_t i = 0; i < entity->parent_id_count; i++)
        if (!rk_pattern_has(&entity->old_key, entity->parent_id[i].source))
            add_field(draft, at, entity->parent_id[i].source);
    add_pattern_fields(draft, at, &entity->new_key);
    for (size_t i = 0; i < entity->index_count; i++) {
        add_pattern_fields(draft, at, &entity->index[i].old_key);
        add_pattern_fields(draft, at, &entity->index[i].new_key);
    }
}

/* --- index names ------------------------------------------------------------------------------ */

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static uint32_t position_of(const rk_spec *spec, const char *name)
{
    uint32_t at = 0;
    while (strcmp(spec->index_names[at], name) != 0)
        at++;
    return at;
}

static void number_indexes(rki_draft *draft)
{
    rk_spec *spec = draft->spec;
    size_t total = 0;
    for (size_t i = 0; i < spec->entity_count; i++)
        total += spec->entities[i].index_count;
    spec->index_names = rki_alloc(draft, &spec->memory, total + 1, sizeof *spec->index_names);
    if (spec->index_names == NULL)
        return;
    size_t count = 0;
    for (size_t i = 0; i < spec->entity_count; i++)
        for (size_t j = 0; j < spec->entities[i].index_count; j++)
            spec->index_names[count++] = spec->entities[i].index[j].name;
    qsort(spec->index_names, count, sizeof *spec->index_names, compare_names);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(spec->index_names[i], spec->index_names[i - 1]) != 0)
            spec->index_names[spec->index_name_count++] = spec->index_names[i];
    for (size_t i = 0; i < spec->entity_count; i++)
        for (size_t j = 0; j < spec->entities[i].index_count; j++)
            spec->entities[i].index[j].table_index =
                position_of(spec, spec->entities[i].index[j].name);
}

/* --- matcher ---------------------------------------------------------------------------------- */

static void build_matcher(rki_draft *draft)
{
    rk_spec *spec = draft->spec;
    const rk_pattern **patterns =
        rki_alloc(draft, &spec->memory, 2 * spec->entity_count, sizeof(const rk_pattern *));
    if (patterns == NULL)
        return;
    for (size_t i = 0; i < spec->entity_count; i++) {
        patterns[2 * i] = &spec->entities[i].old_key;
        patterns[2 * i + 1] = &spec->entities[i].new_key;
    }
    rk_status status =
        rk_matcher_create(patterns, 2 * spec->entity_count, &spec->matcher, draft->err);
    if (status != RK_OK)
        draft->status = status;
}

/* Whether the old key holds one record a tenant, whatever its capsule: its only variable is the
 * tenant. Keys with an id of their own meet only when two capsules use the same id. */
static bool collides(const rk_spec *spec, const rk_entity *entity)
{
    for (size_t i = 0; i < entity->old_key.segment_count; i++) {
        const rk_segment *segment = &entity->old_key.segment[i];
        if (segment->variable && segment->name != spec->tenant)
            return false;
    }
    return true;
}

void rki_derive(rki_draft *draft)
{
    rk_spec *spec = draft->spec;
    for (size_t i = 0; i < spec->entity_count; i++) {
        find_fields(draft, i);
        spec->entities[i].collides = collides(spec, &spec->entities[i]);
    }
    if (draft->findings->count > 0)
        return;
    number_indexes(draft);
    if (draft->status == RK_OK)
        build_matcher(draft);
}
