#include <jansson.h>
#include <stdlib.h>

#include "rekey/plan/plan.h"

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* Levels, each a list of names; the template entity stands first in its level. */
static json_t *order_json(const rk_plan *plan)
{
    const rk_spec *spec = plan->spec;
    json_t *levels = json_array();
    for (uint32_t level = 0; level < spec->level_count; level++) {
        json_t *names = json_array();
        if (spec->entities[plan->template_entity].level == level)
            json_array_append_new(names, json_string(spec->entities[plan->template_entity].name));
        for (size_t i = 0; i < spec->entity_count; i++)
            if (spec->entities[i].level == level && i != plan->template_entity)
                json_array_append_new(names, json_string(spec->entities[i].name));
        json_array_append_new(levels, names);
    }
    return levels;
}

static json_t *entity_json(const rk_plan *plan, size_t i)
{
    const rk_entity *entity = &plan->spec->entities[i];
    const rk_plan_entity *counts = &plan->counts.entity[i];
    json_t *parent =
        entity->parent < 0 ? json_null() : json_string(plan->spec->entities[entity->parent].name);
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:b}", "name", entity->name, "level",
                     (int)entity->level, "parent", parent, "records", integer(counts->records),
                     "bytes", integer(counts->bytes), "index_entries",
                     integer(counts->index_entries), "quarantined", integer(counts->quarantined),
                     "reversible", !entity->collides);
}

static json_t *entities_json(const rk_plan *plan)
{
    json_t *entities = json_array();
    for (size_t i = 0; i < plan->spec->entity_count; i++)
        json_array_append_new(entities, entity_json(plan, i));
    return entities;
}

static json_t *capsules_json(const rk_plan *plan)
{
    json_t *capsules = json_object();
    for (size_t i = 0; i < plan->spec->allowed_count; i++)
        json_object_setn_new(capsules, (const char *)plan->spec->allowed[i].ptr,
                             plan->spec->allowed[i].len, integer(plan->counts.capsule[i]));
    return capsules;
}

static json_t *quarantine_json(const rk_plan *plan)
{
    json_t *quarantine = json_object();
    for (int i = 1; i < RK_REASON_COUNT; i++)
        json_object_set_new(quarantine, rk_reason_name((rk_reason)i),
                            integer(plan->counts.quarantine[i]));
    return quarantine;
}

rk_status rk_plan_summary_json(const rk_plan *plan, char **out, rk_error *err)
{
    char hash[RK_DIGEST_HEX_BYTES];
    rk_hex(rk_slice_of(plan->hash.bytes, sizeof plan->hash.bytes), hash);
    json_t *estimate = json_pack("{s:f, s:o, s:o}", "seconds", plan->estimate_seconds, "map_bytes",
                                 integer(plan->estimate_map_bytes), "disk_bytes",
                                 integer(plan->estimate_disk_bytes));
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "migration",
        plan->spec->migration, "plan_hash", hash, "strategy",
        plan->spec->strategy == RK_STRATEGY_MOVE ? "move" : "dual-write", "changes", plan->changes,
        "template", plan->spec->entities[plan->template_entity].name, "order", order_json(plan),
        "entities", entities_json(plan), "capsules", capsules_json(plan), "unmatched",
        integer(plan->counts.unmatched), "quarantine", quarantine_json(plan),
        "contaminated_tenants", integer(plan->counts.contaminated_tenants), "estimate", estimate);
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(object);
    if (!text)
        return rk_error_set(err, RK_NOMEM, "plan: out of memory for its summary");
    *out = text;
    return RK_OK;
}
