/* target.c: what a call is about. Everything that comes from the caller is checked here, and what
 * is wrong is named. */
#include "rekey/client/client_private.h"

#include "rekey/base/fault.h"
#include "rekey/base/nearest.h"

/* --- single values ---------------------------------------------------------------------------- */

static rk_status check_bytes(const char *kind, const char *name, rk_slice value, rk_error *err)
{
    const char *space = *kind && *name ? " " : "";
    if (value.len == 0 && !rk_fault("empty_accepted"))
        return rk_error_set(err, RK_INVALID, "%s%s%.64s is empty", kind, space, name);
    if (value.len > 0 && memchr(value.ptr, RK_DELIMITER, value.len) &&
        !rk_fault("delimiter_accepted"))
        return rk_error_set(err, RK_INVALID, "%s%s%.64s holds the delimiter '%c'", kind, space,
                            name, RK_DELIMITER);
    return RK_OK;
}

static rk_status find_capsule(const rk_spec *spec, rk_slice capsule, rk_slice *out, rk_error *err)
{
    rk_status status = check_bytes("capsule", "", capsule, err);
    if (status != RK_OK)
        return status;
    int found = rk_fault("capsule_unchecked") ? 0 : rk_spec_capsule(spec, capsule);
    if (found >= 0) {
        *out = spec->allowed[found];
        return RK_OK;
    }
    rk_nearest nearest = {.word = capsule};
    for (size_t i = 0; i < spec->allowed_count; i++)
        rk_nearest_try(&nearest, spec->allowed[i]);
    return rk_error_set(err, RK_INVALID,
                        "capsule \"%.*s\" is not one of those that the spec allows%s",
                        (int)(capsule.len < 64 ? capsule.len : 64), (const char *)capsule.ptr,
                        rk_nearest_hint(&nearest).text);
}

static rk_status find_entity(const rk_spec *spec, const char *name, int *out, rk_error *err)
{
    *out = rk_spec_entity(spec, rk_slice_str(name));
    if (*out >= 0)
        return RK_OK;
    rk_nearest nearest = {.word = rk_slice_str(name)};
    for (size_t i = 0; i < spec->entity_count; i++)
        rk_nearest_try(&nearest, rk_slice_str(spec->entities[i].name));
    return rk_error_set(err, RK_INVALID, "entity \"%.64s\" is not in the spec%s", name ? name : "",
                        rk_nearest_hint(&nearest).text);
}

/* --- named values ----------------------------------------------------------------------------- */

/* The variables that a caller may give: those of a pattern, without the scope. */
static bool is_given(const rk_spec *spec, const rk_segment *segment)
{
    return segment->variable && segment->name != spec->tenant && segment->name != spec->capsule;
}

static rk_status refuse_name(const rk_spec *spec, const rk_pattern *pattern, const char *kind,
                             const char *name, rk_error *err)
{
    rk_nearest nearest = {.word = rk_slice_str(name)};
    for (size_t i = 0; i < pattern->segment_count; i++) {
        if (is_given(spec, &pattern->segment[i]))
            rk_nearest_try(&nearest, rk_slice_str(spec->names.name[pattern->segment[i].name]));
    }
    return rk_error_set(err, RK_INVALID, "%s %.64s is not part of %s%s", kind, name, pattern->text,
                        rk_nearest_hint(&nearest).text);
}

static rk_status bind_one(const rk_spec *spec, const rk_pattern *pattern, const char *kind,
                          const rk_id *id, rk_binding *binding, rk_error *err)
{
    const char *name = id->name ? id->name : "";
    uint16_t number = rk_names_find(&spec->names, rk_slice_str(name));
    if (number == RK_NAME_NONE || number == spec->tenant || number == spec->capsule ||
        !rk_pattern_has(pattern, number))
        return refuse_name(spec, pattern, kind, name, err);
    if (binding->value[number].len > 0)
        return rk_error_set(err, RK_INVALID, "%s %s is given twice", kind, name);
    rk_status status = check_bytes(kind, name, id->value, err);
    if (status == RK_OK)
        binding->value[number] = rk_fault_bend(id->value);
    return status;
}

static rk_status bind_all(const rk_spec *spec, const rk_pattern *pattern, const char *kind,
                          const rk_id *ids, size_t id_count, rk_binding *binding, rk_error *err)
{
    for (size_t i = 0; i < id_count; i++) {
        rk_status status = bind_one(spec, pattern, kind, &ids[i], binding, err);
        if (status != RK_OK)
            return status;
    }
    return RK_OK;
}

/* --- keys ------------------------------------------------------------------------------------- */

rk_status rki_target_too_long(const rki_session *session, const rki_target *target,
                              const rk_pattern *pattern, const char *what, size_t bytes,
                              rk_error *err)
{
    const rk_spec *spec = session->spec;
    uint16_t longest = spec->tenant;
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const rk_segment *segment = &pattern->segment[i];
        if (segment->variable &&
            target->binding.value[segment->name].len > target->binding.value[longest].len)
            longest = segment->name;
    }
    return rk_error_set(err, RK_LIMIT, "%s would be %zu bytes, at most %zu; %s %s has %zu of them",
                        what, bytes, session->client->key_bytes_max,
                        longest == spec->tenant ? "tenant" : "id", spec->names.name[longest],
                        target->binding.value[longest].len);
}

rk_status rki_target_key(rki_session *session, const rk_pattern *pattern, const rk_binding *binding,
                         rk_slice *out, rk_error *err)
{
    uint8_t key[RK_STATE_KEY_BYTES_MAX];
    size_t len = rk_pattern_write(pattern, binding, key, sizeof key);
    *out = RK_SLICE_EMPTY;
    if (len > sizeof key && rk_fault("key_truncated"))
        len = sizeof key;
    if (len == 0 || len > sizeof key || len > session->client->key_bytes_max)
        return RK_OK;
    return rk_arena_copy(&session->arena, rk_slice_of(key, len), out, err);
}

/* What the new key holds beyond the old one and the capsule comes from the value. */
static bool is_derived(const rk_spec *spec, const rk_entity *entity)
{
    for (size_t i = 0; i < entity->new_key.segment_count; i++) {
        const rk_segment *segment = &entity->new_key.segment[i];
        if (is_given(spec, segment) && !rk_pattern_has(&entity->old_key, segment->name))
            return true;
    }
    return false;
}

rk_status rki_target_new_key(rki_session *session, rki_target *target, rk_error *err)
{
    target->derived = is_derived(session->spec, target->entity);
    target->new_key = RK_SLICE_EMPTY;
    if (target->derived)
        return RK_OK;
    return rki_target_key(session, &target->entity->new_key, &target->binding, &target->new_key,
                          err);
}

static rk_status build_keys(rki_session *session, rki_target *target, rk_error *err)
{
    const rk_entity *entity = target->entity;
    rk_status status =
        rki_target_key(session, &entity->old_key, &target->binding, &target->old_key, err);
    if (status == RK_OK && target->old_key.len == 0) {
        uint8_t ignored[1];
        size_t bytes = rk_pattern_write(&entity->old_key, &target->binding, ignored, 0);
        return rki_target_too_long(session, target, &entity->old_key, "the old key", bytes, err);
    }
    return status == RK_OK ? rki_target_new_key(session, target, err) : status;
}

/* --- targets ---------------------------------------------------------------------------------- */

rk_status rki_target_of_scope(rki_session *session, const rk_scope *scope, const char *entity,
                              rki_target *out, rk_error *err)
{
    const rk_spec *spec = session->spec;
    *out = (rki_target){.entity_index = -1};
    rk_status status = check_bytes("tenant", "", scope->tenant, err);
    if (status == RK_OK)
        status = find_capsule(spec, scope->capsule, &out->capsule, err);
    if (status == RK_OK)
        status = find_entity(spec, entity, &out->entity_index, err);
    if (status != RK_OK)
        return status;
    out->entity = &spec->entities[out->entity_index];
    out->binding.value[spec->tenant] = rk_fault_bend(scope->tenant);
    out->binding.value[spec->capsule] = out->capsule;
    return RK_OK;
}

rk_status rki_target_of_record(rki_session *session, const rk_scope *scope, const char *entity,
                               const rk_id *ids, size_t id_count, rki_target *out, rk_error *err)
{
    const rk_spec *spec = session->spec;
    rk_status status = rki_target_of_scope(session, scope, entity, out, err);
    if (status != RK_OK)
        return status;
    const rk_pattern *pattern = &out->entity->old_key;
    status = bind_all(spec, pattern, "id", ids, id_count, &out->binding, err);
    if (status != RK_OK)
        return status;
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const rk_segment *segment = &pattern->segment[i];
        if (segment->variable && out->binding.value[segment->name].len == 0 &&
            !rk_fault("empty_accepted"))
            return rk_error_set(err, RK_INVALID, "id %s is missing",
                                spec->names.name[segment->name]);
    }
    return build_keys(session, out, err);
}

rk_status rki_target_bind_where(const rki_session *session, const rk_index *index, bool new_side,
                                const rk_id *where, size_t where_count, rki_target *target,
                                rk_error *err)
{
    const rk_spec *spec = session->spec;
    const rk_pattern *pattern = new_side ? &index->new_key : &index->old_key;
    uint16_t gap = RK_NAME_NONE;
    rk_status status = bind_all(spec, pattern, "where", where, where_count, &target->binding, err);
    if (status != RK_OK)
        return status;
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const rk_segment *segment = &pattern->segment[i];
        if (!is_given(spec, segment))
            continue;
        bool bound = target->binding.value[segment->name].len > 0;
        if (bound && gap != RK_NAME_NONE)
            return rk_error_set(
                err, RK_INVALID, "where %s needs %s as well, which comes before it in %s",
                spec->names.name[segment->name], spec->names.name[gap], pattern->text);
        if (!bound && gap == RK_NAME_NONE)
            gap = segment->name;
    }
    return RK_OK;
}
