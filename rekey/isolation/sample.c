#include "rekey/isolation/sample.h"

#include <stdio.h>

#include "rekey/base/buf.h"

#define SAMPLE_KEY_BYTES_MAX   4096
#define SAMPLE_VALUE_BYTES_MAX ((size_t)64 * 1024)

/* The same in every scope: who asks an index must not find others by it. */
#define FIELD_WORD "shared"

/* --- marks ------------------------------------------------------------------------------------ */

rk_slice rki_mark_of(const rk_spec *spec, const rki_owner *owner, char out[RKI_MARK_BYTES_MAX])
{
    int len = snprintf(out, RKI_MARK_BYTES_MAX, "mark-%.64s-c%d:", owner->tenant_word,
                       rk_spec_capsule(spec, owner->scope.capsule));
    return rk_slice_of(out, (size_t)len);
}

/* --- variables -------------------------------------------------------------------------------- */

static bool names_parent(const rk_entity *entity, uint16_t name)
{
    for (size_t i = 0; i < entity->parent_id_count; i++)
        if (entity->parent_id[i].source == name)
            return true;
    return false;
}

static bool is_left_side(const rk_entity *entity, uint16_t name)
{
    for (size_t i = 0; i < entity->parent_id_count; i++)
        if (entity->parent_id[i].parent_variable == name)
            return true;
    return false;
}

uint16_t rki_own_variable(const rk_spec *spec, const rk_entity *entity)
{
    for (size_t i = 0; i < entity->old_key.segment_count; i++) {
        const rk_segment *segment = &entity->old_key.segment[i];
        if (segment->variable && rki_is_own(spec, entity, segment->name))
            return segment->name;
    }
    return RK_NAME_NONE;
}

bool rki_is_own(const rk_spec *spec, const rk_entity *entity, uint16_t name)
{
    if (name == spec->tenant || name == spec->capsule || names_parent(entity, name))
        return false;
    return rk_pattern_has(&entity->old_key, name) || !is_left_side(entity, name);
}

static rk_slice word_for(const rk_spec *spec, const rki_wish *wish, uint16_t name)
{
    const rk_entity *entity = &spec->entities[wish->entity];
    if (name == wish->other)
        return wish->other_value;
    if (wish->given && wish->given->value[name].len > 0)
        return wish->given->value[name];
    if (name == spec->tenant)
        return wish->owner.scope.tenant;
    if (name == spec->capsule)
        return wish->owner.scope.capsule;
    if (names_parent(entity, name))
        return rk_slice_str(wish->parent_tag ? wish->parent_tag : wish->tag);
    if (rk_pattern_has(&entity->old_key, name))
        return rk_slice_str(wish->tag);
    return RK_SLICE_LITERAL(FIELD_WORD);
}

static void bind_pattern(const rk_spec *spec, const rk_pattern *pattern, rki_sample *sample)
{
    for (size_t i = 0; i < pattern->segment_count; i++)
        if (pattern->segment[i].variable)
            sample->binding.value[pattern->segment[i].name] =
                word_for(spec, &sample->wish, pattern->segment[i].name);
}

static void bind_all(const rk_spec *spec, const rk_entity *entity, rki_sample *sample)
{
    bind_pattern(spec, &entity->old_key, sample);
    bind_pattern(spec, &entity->new_key, sample);
    for (size_t i = 0; i < entity->index_count; i++) {
        bind_pattern(spec, &entity->index[i].old_key, sample);
        bind_pattern(spec, &entity->index[i].new_key, sample);
    }
    for (size_t i = 0; i < entity->field_count; i++)
        sample->binding.value[entity->field[i]] = word_for(spec, &sample->wish, entity->field[i]);
    /* What a key calls by its parent's name has the value that names the parent. */
    for (size_t i = 0; i < entity->parent_id_count; i++) {
        const rk_parent_id *id = &entity->parent_id[i];
        sample->binding.value[id->source] = word_for(spec, &sample->wish, id->source);
        if (!rk_pattern_has(&entity->old_key, id->parent_variable))
            sample->binding.value[id->parent_variable] = sample->binding.value[id->source];
    }
}

static void list_ids(const rk_spec *spec, const rk_entity *entity, rki_sample *sample)
{
    for (size_t i = 0; i < entity->old_key.segment_count; i++) {
        const rk_segment *segment = &entity->old_key.segment[i];
        if (!segment->variable || segment->name == spec->tenant || segment->name == spec->capsule)
            continue;
        rk_id *id = &sample->ids[sample->id_count++];
        *id = (rk_id){spec->names.name[segment->name], sample->binding.value[segment->name]};
    }
}

/* --- values ----------------------------------------------------------------------------------- */

static rk_status put_string(rk_buf *to, rk_slice text, rk_error *err)
{
    rk_status status = rk_buf_append_byte(to, '"', err);
    for (size_t i = 0; i < text.len && status == RK_OK; i++) {
        uint8_t byte = text.ptr[i];
        if (byte < 0x20 || byte == '"' || byte == '\\')
            status = rk_buf_append_format(to, err, "\\u%04x", byte);
        else
            status = rk_buf_append_byte(to, byte, err);
    }
    return status == RK_OK ? rk_buf_append_byte(to, '"', err) : status;
}

static rk_status put_member(rk_buf *to, const char *name, rk_slice text, rk_error *err)
{
    rk_status status = to->len > 1 ? rk_buf_append_byte(to, ',', err) : RK_OK;
    if (status == RK_OK)
        status = put_string(to, rk_slice_str(name), err);
    if (status == RK_OK)
        status = rk_buf_append_byte(to, ':', err);
    return status == RK_OK ? put_string(to, text, err) : status;
}

static bool names_capsule(const rk_spec *spec, const rk_entity *entity, uint16_t name)
{
    return name == spec->capsule ||
           (entity->capsule.field && strcmp(entity->capsule.field, spec->names.name[name]) == 0);
}

static rk_status put_claim(const rk_spec *spec, const rki_sample *sample, rk_buf *to, rk_error *err)
{
    const rk_entity *entity = &spec->entities[sample->wish.entity];
    const char *member = spec->names.name[spec->capsule];
    rk_slice claim = sample->wish.claim;
    if (claim.len == 0)
        return RK_OK;
    rk_status status = RK_OK;
    if (entity->capsule.field && strcmp(entity->capsule.field, member) != 0)
        status = put_member(to, entity->capsule.field, claim, err);
    return status == RK_OK ? put_member(to, member, claim, err) : status;
}

static rk_status put_members(const rk_spec *spec, const rki_sample *sample, rk_buf *to,
                             rk_error *err)
{
    const rk_entity *entity = &spec->entities[sample->wish.entity];
    rk_status status = put_claim(spec, sample, to, err);
    for (size_t i = 0; i < entity->field_count && status == RK_OK; i++) {
        uint16_t name = entity->field[i];
        if (!names_capsule(spec, entity, name) && !rk_pattern_has(&entity->old_key, name))
            status = put_member(to, spec->names.name[name], sample->binding.value[name], err);
    }
    return status;
}

static rk_status make_value(const rk_spec *spec, rk_arena *arena, rki_sample *sample, rk_error *err)
{
    char mark[RKI_MARK_BYTES_MAX];
    rk_buf value;
    bool json = spec->value == RK_VALUE_JSON;
    (void)rki_mark_of(spec, &sample->wish.owner, mark);
    rk_buf_init(&value, SAMPLE_VALUE_BYTES_MAX);
    rk_status status = json ? rk_buf_append_byte(&value, '{', err) : RK_OK;
    if (status == RK_OK && json)
        status = put_members(spec, sample, &value, err);
    if (status == RK_OK && json)
        status = rk_buf_append_str(
            &value, value.len > 1 ? ",\"isolation-mark\":\"" : "\"isolation-mark\":\"", err);
    if (status == RK_OK)
        status =
            rk_buf_append_format(&value, err, "%s%s;%s", mark, sample->wish.tag, json ? "\"}" : "");
    if (status == RK_OK)
        status = rk_arena_copy(arena, rk_buf_slice(&value), &sample->value, err);
    rk_buf_fini(&value);
    return status;
}

/* --- samples ---------------------------------------------------------------------------------- */

rk_status rki_sample_make(const rk_spec *spec, const rki_wish *wish, rk_arena *arena,
                          rki_sample *out, rk_error *err)
{
    const rk_entity *entity = &spec->entities[wish->entity];
    *out = (rki_sample){.wish = *wish};
    bind_all(spec, entity, out);
    out->binding.value[spec->tenant] = wish->owner.scope.tenant;
    out->binding.value[spec->capsule] = wish->owner.scope.capsule;
    list_ids(spec, entity, out);
    return make_value(spec, arena, out, err);
}

rk_status rki_sample_parent(const rk_spec *spec, const rki_sample *child, rk_arena *arena,
                            rki_sample *out, rk_error *err)
{
    const rk_entity *entity = &spec->entities[child->wish.entity];
    rk_binding *given = rk_arena_alloc(arena, sizeof *given);
    if (!given)
        return rk_error_set(err, RK_NOMEM, "make a record to attack: out of memory");
    *given = (rk_binding){0};
    for (size_t i = 0; i < entity->parent_id_count; i++)
        given->value[entity->parent_id[i].parent_variable] =
            child->binding.value[entity->parent_id[i].source];
    rki_wish wish = {.entity = (size_t)entity->parent,
                     .owner = child->wish.owner,
                     .tag = child->wish.parent_tag ? child->wish.parent_tag : child->wish.tag,
                     .other = RK_NAME_NONE,
                     .given = given};
    return rki_sample_make(spec, &wish, arena, out, err);
}

rk_status rki_sample_key(const rki_sample *sample, const rk_pattern *pattern, rk_arena *arena,
                         rk_slice *out, rk_error *err)
{
    uint8_t key[SAMPLE_KEY_BYTES_MAX];
    size_t len = rk_pattern_write(pattern, &sample->binding, key, sizeof key);
    if (len == 0 || len > sizeof key)
        return rk_error_set(err, RK_LIMIT, "make a key by %s: %zu bytes", pattern->text, len);
    return rk_arena_copy(arena, rk_slice_of(key, len), out, err);
}

/* The next variable from *at on that a caller may name; NULL at the end. */
static const rk_segment *next_given(const rk_spec *spec, const rk_pattern *pattern, size_t *at)
{
    while (*at < pattern->segment_count) {
        const rk_segment *segment = &pattern->segment[(*at)++];
        if (segment->variable && segment->name != spec->tenant && segment->name != spec->capsule)
            return segment;
    }
    return NULL;
}

size_t rki_sample_where(const rk_spec *spec, const rki_sample *sample, const rk_index *index,
                        rk_id out[RK_SEGMENTS_MAX])
{
    size_t old_at = 0;
    size_t new_at = 0;
    size_t count = 0;
    for (;;) {
        const rk_segment *old = next_given(spec, &index->old_key, &old_at);
        const rk_segment *new = next_given(spec, &index->new_key, &new_at);
        if (!old || !new || old->name != new->name)
            return count;
        out[count++] = (rk_id){spec->names.name[old->name], sample->binding.value[old->name]};
    }
}

/* --- homes ------------------------------------------------------------------------------------ */

bool rki_home_of(const rk_spec *spec, size_t entity, int *home, bool *is_free)
{
    *home = 0;
    *is_free = true;
    for (int at = (int)entity; at >= 0; at = spec->entities[at].parent) {
        const rk_capsule_rule *rule = &spec->entities[at].capsule;
        if (rule->field || rule->parent)
            continue;
        int fixed = rule->lookup ? 0 : rk_spec_capsule(spec, rk_slice_str(rule->fallback));
        if (!*is_free && fixed != *home)
            return false;
        *home = fixed;
        *is_free = false;
    }
    return true;
}

bool rki_has_lookup(const rk_spec *spec, size_t entity)
{
    for (int at = (int)entity; at >= 0; at = spec->entities[at].parent)
        if (spec->entities[at].capsule.lookup)
            return true;
    return false;
}
