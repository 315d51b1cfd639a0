/* The entities of a spec: patterns, parent, capsule rule, indexes. */
#include "rekey/spec/draft.h"

static void read_pattern(rki_draft *draft, const char *where, const rki_node *node,
                         rk_pattern *pattern)
{
    if (node == NULL)
        return;
    rk_error err = {0};
    size_t offset = 0;
    rk_status status = rk_pattern_compile(pattern, &draft->spec->names, node->text, &offset, &err);
    if (status == RK_NOMEM)
        draft->status = rk_error_set(draft->err, RK_NOMEM, "%s", err.message);
    else if (status != RK_OK)
        rki_report_inside(draft, node, offset, "%s: %s", where, err.message);
}

static void read_parent_ids(rki_draft *draft, const char *name, const rki_node *ids,
                            rk_entity *entity, rki_draft_entity *places)
{
    rki_where where = rki_where_of("%s.parent.id", name);
    if (ids == NULL)
        return;
    for (const rki_node *key = ids->first; key != NULL; key = key->next) {
        if (key->kind != RKI_SCALAR || key->value == NULL ||
            !rki_read_kind(draft, where.text, key->value, RKI_SCALAR))
            continue;
        if (entity->parent_id_count == RK_PARENT_IDS_MAX) {
            rki_report(draft, key, "%s: more than %d variables", where.text, RK_PARENT_IDS_MAX);
            return;
        }
        rk_parent_id id = {RK_NAME_NONE, RK_NAME_NONE};
        rki_read_name(draft, where.text, key, &id.parent_variable);
        rki_read_name(draft, where.text, key->value, &id.source);
        if (id.parent_variable == RK_NAME_NONE || id.source == RK_NAME_NONE)
            continue;
        places->id[entity->parent_id_count] = (rki_draft_id){key, key->value};
        entity->parent_id[entity->parent_id_count++] = id;
    }
}

static void read_parent(rki_draft *draft, const char *name, const rki_node *parent,
                        rk_entity *entity, rki_draft_entity *places)
{
    static const rki_key_rule rules[] = {
        {"entity", RKI_SCALAR, true},
        {"id", RKI_MAPPING, false},
    };
    const rki_node *part[2];
    if (parent == NULL)
        return;
    rki_where where = rki_where_of("%s.parent", name);
    rki_read_mapping(draft, where.text, parent, parent, rules, 2, part);
    places->parent = parent;
    places->parent_name = part[0];
    read_parent_ids(draft, name, part[1], entity, places);
}

static void read_capsule_rule(rki_draft *draft, const char *name, const rki_node *capsule,
                              rk_entity *entity, rki_draft_entity *places)
{
    static const rki_key_rule rules[] = {
        {"field", RKI_SCALAR, false},
        {"parent", RKI_SCALAR, false},
        {"lookup", RKI_SCALAR, false},
        {"default", RKI_SCALAR, false},
    };
    const rki_node *part[4];
    if (capsule == NULL)
        return;
    rki_where where = rki_where_of("%s.capsule", name);
    rki_where field = rki_where_of("%s.capsule.field", name);
    rki_where lookup = rki_where_of("%s.capsule.lookup", name);
    rk_capsule_rule *rule = &entity->capsule;
    rki_read_mapping(draft, where.text, capsule, capsule, rules, 4, part);
    places->capsule = capsule;
    places->capsule_field = part[0];
    places->capsule_parent = part[1];
    places->capsule_lookup = part[2];
    places->capsule_default = part[3];
    rki_read_name(draft, field.text, part[0], &places->capsule_field_name);
    rki_read_text(draft, field.text, part[0], &rule->field);
    rki_read_bool(draft, rki_where_of("%s.parent", where.text).text, part[1], &rule->parent);
    rki_read_text(draft, lookup.text, part[2], &rule->lookup_file);
    if (rule->lookup_file != NULL)
        rule->lookup = rki_read_lookup(draft, lookup.text, part[2]);
    if (part[3] != NULL)
        rki_read_text(draft, rki_where_of("%s.default", where.text).text, part[3], &rule->fallback);
}

static void read_index(rki_draft *draft, const char *name, const rki_node *key, rk_entity *entity,
                       rki_draft_entity *places)
{
    static const rki_key_rule rules[] = {
        {"old", RKI_SCALAR, true},
        {"new", RKI_SCALAR, true},
    };
    const rki_node *part[2] = {NULL, NULL};
    rk_index *index = &entity->index[entity->index_count];
    rki_draft_index *place = &places->index[entity->index_count];
    rki_where where = rki_where_of("%s.indexes.%s", name, rki_show(key->text).text);
    rki_read_text(draft, where.text, key, &index->name);
    if (index->name == NULL)
        return;
    entity->index_count++;
    place->name = key;
    if (key->value == NULL || !rki_read_kind(draft, where.text, key->value, RKI_MAPPING))
        return;
    rki_read_mapping(draft, where.text, key, key->value, rules, 2, part);
    place->old_key = part[0];
    place->new_key = part[1];
    read_pattern(draft, rki_where_of("%s.old", where.text).text, part[0], &index->old_key);
    read_pattern(draft, rki_where_of("%s.new", where.text).text, part[1], &index->new_key);
}

static void read_indexes(rki_draft *draft, const char *name, const rki_node *indexes,
                         rk_entity *entity, rki_draft_entity *places)
{
    if (indexes == NULL)
        return;
    for (const rki_node *key = indexes->first; key != NULL; key = key->next) {
        if (key->kind != RKI_SCALAR)
            continue;
        if (entity->index_count == RK_INDEXES_MAX) {
            rki_report(draft, key, "%s.indexes: more than %d indexes", name, RK_INDEXES_MAX);
            return;
        }
        read_index(draft, name, key, entity, places);
    }
}

static void read_entity(rki_draft *draft, const rki_node *key, rk_entity *entity,
                        rki_draft_entity *places)
{
    static const rki_key_rule rules[] = {
        {"old", RKI_SCALAR, true},       {"new", RKI_SCALAR, true},
        {"capsule", RKI_MAPPING, true},  {"parent", RKI_MAPPING, false},
        {"indexes", RKI_MAPPING, false},
    };
    const rki_node *part[5];
    rki_shown name = rki_show(key->text);
    entity->parent = -1;
    places->name = key;
    places->capsule_field_name = RK_NAME_NONE;
    entity->name = rki_copy(draft, key->text);
    if (key->value == NULL || !rki_read_kind(draft, name.text, key->value, RKI_MAPPING))
        return;
    rki_read_mapping(draft, name.text, key, key->value, rules, 5, part);
    places->old_key = part[0];
    places->new_key = part[1];
    read_pattern(draft, rki_where_of("%s.old", name.text).text, part[0], &entity->old_key);
    read_pattern(draft, rki_where_of("%s.new", name.text).text, part[1], &entity->new_key);
    read_capsule_rule(draft, name.text, part[2], entity, places);
    read_parent(draft, name.text, part[3], entity, places);
    read_indexes(draft, name.text, part[4], entity, places);
}

void rki_read_entities(rki_draft *draft, const rki_node *entities)
{
    rk_spec *spec = draft->spec;
    size_t room = entities->count < RK_ENTITIES_MAX ? entities->count : RK_ENTITIES_MAX;
    if (entities->count == 0)
        rki_report(draft, entities, "entities: the mapping is empty: name at least one entity");
    spec->entities = rki_alloc(draft, &spec->memory, room + 1, sizeof *spec->entities);
    draft->entity = rki_alloc(draft, &draft->scratch, room + 1, sizeof *draft->entity);
    if (spec->entities == NULL || draft->entity == NULL)
        return;
    for (const rki_node *key = entities->first; key != NULL; key = key->next) {
        if (key->kind != RKI_SCALAR)
            continue;
        if (spec->entity_count == room) {
            rki_report(draft, key, "entities: more than %d entities", RK_ENTITIES_MAX);
            return;
        }
        size_t at = spec->entity_count++;
        read_entity(draft, key, &spec->entities[at], &draft->entity[at]);
        if (draft->status != RK_OK)
            return;
    }
}
