/* The rules about parents: they exist, there is no cycle, and a child can name its own. */
#include <stdio.h>

#include "rekey/spec/draft.h"

static rki_shown shown_name(const rk_spec *spec, size_t entity)
{
    return rki_show(rk_slice_str(spec->entities[entity].name));
}

/* --- the graph -------------------------------------------------------------------------------- */

static void resolve_parent(rki_draft *draft, size_t at)
{
    rk_spec *spec = draft->spec;
    const rki_node *name = draft->entity[at].parent_name;
    if (name == NULL)
        return;
    spec->entities[at].parent = rk_spec_entity(spec, name->text);
    if (spec->entities[at].parent >= 0)
        return;
    rk_nearest nearest = {.word = name->text};
    for (size_t i = 0; i < spec->entity_count; i++)
        rk_nearest_try(&nearest, rk_slice_str(spec->entities[i].name));
    rki_report(draft, name, "%s.parent.entity: unknown entity \"%s\"%s", shown_name(spec, at).text,
               rki_show(name->text).text, rk_nearest_hint(&nearest).text);
}

/* Steps from the entity back to itself along parents; 0 when it is on no cycle. */
static size_t cycle_length(const rk_spec *spec, size_t start)
{
    int at = (int)start;
    for (size_t steps = 1; steps <= spec->entity_count; steps++) {
        at = spec->entities[at].parent;
        if (at < 0)
            return 0;
        if (at == (int)start)
            return steps;
    }
    return 0;
}

/* Reported once, at the member that stands first in the file. */
static void report_cycle(rki_draft *draft, size_t start, size_t length)
{
    const rk_spec *spec = draft->spec;
    char path[384];
    size_t used = 0;
    size_t at = start;
    for (size_t step = 0; step <= length; step++) {
        if (at < start)
            return;
        int more = snprintf(path + used, sizeof path - used, "%s%s", step > 0 ? " -> " : "",
                            shown_name(spec, at).text);
        used += more > 0 ? (size_t)more : 0;
        if (used >= sizeof path) /* cut: the message has no more room either */
            used = sizeof path - 1;
        at = (size_t)spec->entities[at].parent;
    }
    rki_report(draft, draft->entity[start].parent_name, "%s.parent: the parents form a cycle: %s",
               shown_name(spec, start).text, path);
}

static void find_level(rki_draft *draft, size_t at)
{
    rk_spec *spec = draft->spec;
    uint32_t level = 0;
    for (int up = spec->entities[at].parent; up >= 0; up = spec->entities[up].parent)
        if (++level > spec->entity_count)
            return; /* below a cycle, which has its own finding */
    spec->entities[at].level = level;
    if (level >= RK_LEVELS_MAX)
        rki_report(draft, draft->entity[at].parent_name,
                   "%s.parent: %u levels below its root; the limit is %d",
                   shown_name(spec, at).text, level, RK_LEVELS_MAX - 1);
}

/* --- parent.id -------------------------------------------------------------------------------- */

bool rki_is_parent_variable(const rk_entity *entity, uint16_t name)
{
    for (size_t i = 0; i < entity->parent_id_count; i++)
        if (entity->parent_id[i].parent_variable == name)
            return true;
    return false;
}

/* Whether a child has to say where the value of this variable of its parent is. */
static bool identifies(const rk_spec *spec, const rk_entity *parent, uint16_t name)
{
    if (name == spec->tenant || name == spec->capsule)
        return false;
    return rk_pattern_has(&parent->old_key, name) || rk_pattern_has(&parent->new_key, name);
}

static void lint_left(rki_draft *draft, size_t at, size_t id)
{
    const rk_spec *spec = draft->spec;
    const rk_entity *entity = &spec->entities[at];
    const rk_entity *parent = &spec->entities[entity->parent];
    uint16_t name = entity->parent_id[id].parent_variable;
    if (identifies(spec, parent, name))
        return;
    const rki_node *node = draft->entity[at].id[id].left;
    rk_nearest nearest = {.word = node->text};
    for (uint16_t other = 0; other < spec->names.count; other++)
        if (identifies(spec, parent, other))
            rk_nearest_try(&nearest, rk_slice_str(rki_name(spec, other)));
    rki_report(draft, node, "%s.parent.id: {%s} is not a variable of %s%s",
               shown_name(spec, at).text, rki_name(spec, name),
               shown_name(spec, (size_t)entity->parent).text, rk_nearest_hint(&nearest).text);
}

static void lint_right(rki_draft *draft, size_t at, size_t id)
{
    const rk_spec *spec = draft->spec;
    const rk_entity *entity = &spec->entities[at];
    uint16_t name = entity->parent_id[id].source;
    if (spec->value == RK_VALUE_JSON || rk_pattern_has(&entity->old_key, name) ||
        entity->old_key.segment_count == 0)
        return;
    rki_report(draft, draft->entity[at].id[id].right,
               "%s.parent.id: {%s} is not a variable of the old key, and with `value: opaque` a "
               "record has no fields",
               shown_name(spec, at).text, rki_name(spec, name));
}

static void lint_missing(rki_draft *draft, size_t at)
{
    const rk_spec *spec = draft->spec;
    const rk_entity *entity = &spec->entities[at];
    const rk_entity *parent = &spec->entities[entity->parent];
    if (spec->tenant == RK_NAME_NONE || spec->capsule == RK_NAME_NONE)
        return;
    for (uint16_t name = 0; name < spec->names.count; name++)
        if (identifies(spec, parent, name) && !rki_is_parent_variable(entity, name))
            rki_report(draft, draft->entity[at].parent,
                       "%s.parent.id: does not say where a record has the {%s} of its %s",
                       shown_name(spec, at).text, rki_name(spec, name),
                       shown_name(spec, (size_t)entity->parent).text);
}

static void lint_ids(rki_draft *draft, size_t at)
{
    const rk_entity *entity = &draft->spec->entities[at];
    if (entity->parent < 0)
        return;
    const rk_entity *parent = &draft->spec->entities[entity->parent];
    for (size_t id = 0; id < entity->parent_id_count; id++) {
        if (parent->old_key.segment_count > 0 && parent->new_key.segment_count > 0)
            lint_left(draft, at, id);
        lint_right(draft, at, id);
    }
    lint_missing(draft, at);
}

void rki_lint_graph(rki_draft *draft)
{
    rk_spec *spec = draft->spec;
    for (size_t i = 0; i < spec->entity_count; i++)
        resolve_parent(draft, i);
    for (size_t i = 0; i < spec->entity_count; i++) {
        size_t length = cycle_length(spec, i);
        if (length > 0)
            report_cycle(draft, i, length);
        find_level(draft, i);
        lint_ids(draft, i);
        if (spec->entities[i].level + 1 > spec->level_count)
            spec->level_count = spec->entities[i].level + 1;
    }
}
