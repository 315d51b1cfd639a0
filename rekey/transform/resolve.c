/* resolve.c: whose record it is. The capsule by the entity's rule, and the parent that must be
 * there.
 *
 * A parent is looked for at its old key and at its new key in the allowed capsules. An old key that
 * is there decides alone, unless old keys collide: then it holds the record of whichever capsule
 * wrote last, and the new keys come first.
 */
#include "rekey/transform/internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "rekey/base/fault.h"

bool rki_refuse(rki_call *call, rk_reason reason, const char *format, ...)
{
    call->reason = reason;
    if (call->detail) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(call->detail, RKI_DETAIL_BYTES, format, args);
        va_end(args);
    }
    return false;
}

bool rki_fail(rki_call *call, rk_status status)
{
    call->status = status;
    return false;
}

/* --- variables -------------------------------------------------------------------------------- */

static bool read_members(rki_call *call, rki_frame *frame, rk_slice value)
{
    const rki_shape *shape = frame->shape;
    rk_error why;
    rk_status status = rk_json_find(value, shape->member_name, shape->member_count, frame->field,
                                    call->arena, &why);
    if (status == RK_OK)
        return true;
    /* A limit is the value's depth, the record's fault, or the arena's cap, which is not: an arena
     * that still has room for all of the value was not short of it. */
    if (status == RK_INVALID ||
        (status == RK_LIMIT && rk_arena_alloc(call->arena, value.len) != NULL))
        return rki_refuse(call, RK_REASON_BAD_VALUE, "%.*s", RKI_DETAIL_BYTES - 1, why.message);
    if (call->err)
        *call->err = why;
    return rki_fail(call, status);
}

static bool bind_member(rki_call *call, rki_frame *frame, size_t position)
{
    const rk_json_field *field = &frame->field[position];
    uint16_t name = frame->shape->member[position];
    const char *text = call->transformer->spec->names.name[name];

    if (position == frame->shape->field_member) { /* the capsule rule judges it */
        if (field->kind == RK_JSON_STRING)
            frame->binding.value[name] = field->text;
        return true;
    }
    if (field->kind == RK_JSON_ABSENT)
        return true;
    if (field->kind == RK_JSON_OTHER)
        return rki_refuse(call, RK_REASON_BAD_VALUE, "member %s is no string and no integer", text);
    if (field->text.len == 0)
        return rki_refuse(call, RK_REASON_BAD_VALUE, "member %s is empty", text);
    if (memchr(field->text.ptr, RK_DELIMITER, field->text.len) &&
        !rk_fault("member_delimiter_accepted"))
        return rki_refuse(call, RK_REASON_BAD_VALUE, "member %s holds the delimiter", text);
    frame->binding.value[name] = field->text;
    return true;
}

bool rki_bind_value(rki_call *call, rki_frame *frame, rk_slice value)
{
    const rki_shape *shape = frame->shape;
    for (size_t i = 0; i < shape->free_count; i++)
        frame->binding.value[shape->name[i]] = RK_SLICE_EMPTY;
    if (shape->member_count == 0)
        return true;

    if (!read_members(call, frame, value))
        return false;
    for (size_t i = 0; i < shape->member_count; i++) {
        if (shape->member[i] != RK_NAME_NONE && !bind_member(call, frame, i))
            return false;
    }
    return true;
}

void rki_bind_capsule(const rk_spec *spec, rki_frame *frame, int capsule)
{
    const rk_entity *entity = frame->shape->entity;
    rk_slice *value = frame->binding.value;

    frame->capsule = capsule;
    value[spec->capsule] = spec->allowed[capsule];
    for (size_t i = 0; i < entity->parent_id_count; i++) {
        const rk_parent_id *id = &entity->parent_id[i];
        if (value[id->parent_variable].len == 0)
            value[id->parent_variable] = value[id->source];
    }
}

/* --- parents ---------------------------------------------------------------------------------- */

/* The search for one record's parent. Capsules are a set of bits. */
typedef struct search {
    rki_call *call;
    size_t depth;            /* the child's */
    const rki_shape *parent; /* what is looked for */
    int wanted;              /* a capsule, or RKI_ANY_CAPSULE */
    uint32_t found;
    bool found_old; /* at the old key */
} search;

static_assert(RK_CAPSULES_MAX <= 32, "a set of capsules fits 32 bits");

static rki_frame *parent_frame(rki_call *call, size_t depth)
{
    assert(depth + 1 < call->transformer->frame_count);
    return &call->transformer->frame[depth + 1];
}

/* Binds what the child knows of its parent in the parent's frame. */
static bool bind_parent(rki_call *call, size_t depth, rk_reason reason)
{
    const rk_spec *spec = call->transformer->spec;
    const rki_frame *child = &call->transformer->frame[depth];
    const rk_entity *entity = child->shape->entity;
    const rki_shape *parent = &call->transformer->shape[entity->parent];
    rki_frame *frame = parent_frame(call, depth);

    frame->shape = parent;
    for (size_t i = 0; i < parent->name_count; i++)
        frame->binding.value[parent->name[i]] = RK_SLICE_EMPTY;
    frame->binding.value[spec->tenant] = child->binding.value[spec->tenant];
    for (size_t i = 0; i < entity->parent_id_count; i++) {
        const rk_parent_id *id = &entity->parent_id[i];
        rk_slice value = child->binding.value[id->source];
        if (value.len == 0)
            return rki_refuse(call, reason, "member %s, which names the parent, is absent",
                              spec->names.name[id->source]);
        frame->binding.value[id->parent_variable] = value;
    }
    return true;
}

static bool get_record(rki_call *call, rk_slice key, rk_slice *value, bool *present)
{
    *present = false;
    if (key.len == 0 || key.len > call->transformer->key_bytes_max)
        return true;
    rk_status status =
        rk_view_get(call->view, call->transformer->tables->records, key, value, call->err);
    if (status != RK_OK && status != RK_NOT_FOUND)
        return rki_fail(call, status);
    *present = status == RK_OK;
    return true;
}

/* A key under which the parent might be. One that is too long belongs to no record. */
static bool candidate_key(search *s, const rk_pattern *pattern, rk_slice *key)
{
    rki_call *call = s->call;
    const rk_binding *binding = &parent_frame(call, s->depth)->binding;
    if (rki_build_key(call, pattern, binding, "the parent's key", key))
        return true;
    if (call->status != RK_OK)
        return false;
    call->reason = RK_REASON_NONE;
    *key = RK_SLICE_EMPTY;
    return true;
}

/* Looks at the old key that the parent's frame spells; the parent's own record says which capsule
 * it is in. */
static bool look_at_old(search *s)
{
    rki_call *call = s->call;
    rk_image image;
    rk_slice value;
    bool present;

    if (!candidate_key(s, &s->parent->entity->old_key, &image.old_key) ||
        !get_record(call, image.old_key, &value, &present))
        return false;
    if (!present)
        return true;
    if (!rki_old_image(call, s->depth + 1, s->parent, value, &image)) {
        if (call->status != RK_OK)
            return false;
        return rki_refuse(call, RK_REASON_ORPHAN, "the parent must be left alone itself: %s",
                          rk_reason_name(call->reason));
    }
    s->found |= UINT32_C(1) << parent_frame(call, s->depth)->capsule;
    s->found_old = true;
    return true;
}

/* Binds the parent anew, since what was looked at before has used its frame. */
static bool look_at_old_in(search *s, int capsule)
{
    const rk_spec *spec = s->call->transformer->spec;
    if (!bind_parent(s->call, s->depth, RK_REASON_ORPHAN))
        return false;
    parent_frame(s->call, s->depth)->binding.value[spec->capsule] = spec->allowed[capsule];
    return look_at_old(s);
}

static bool look_at_new_in(search *s, int capsule)
{
    rki_call *call = s->call;
    const rk_spec *spec = call->transformer->spec;
    rk_slice key;
    rk_slice value;
    bool present;

    parent_frame(call, s->depth)->binding.value[spec->capsule] = spec->allowed[capsule];
    if (!candidate_key(s, &s->parent->entity->new_key, &key) ||
        !get_record(call, key, &value, &present))
        return false;
    if (present)
        s->found |= UINT32_C(1) << capsule;
    return true;
}

static bool is_satisfied(const search *s)
{
    return s->wanted == RKI_ANY_CAPSULE ? s->found != 0 : (s->found >> s->wanted & 1) != 0;
}

/* The wanted capsule first, and the others only when the parent is not there. */
static bool look_in_each(search *s, bool (*look)(search *, int))
{
    if (s->wanted != RKI_ANY_CAPSULE) {
        if (!look(s, s->wanted))
            return false;
        if (is_satisfied(s))
            return true;
    }
    for (size_t i = 0; i < s->call->transformer->spec->allowed_count; i++) {
        if (!look(s, (int)i))
            return false;
    }
    return true;
}

/* One old key, or one a capsule where the old pattern holds the capsule and the child does not say
 * which. */
static bool search_old(search *s)
{
    const rk_spec *spec = s->call->transformer->spec;
    if (!bind_parent(s->call, s->depth, RK_REASON_ORPHAN))
        return false;
    if (!s->parent->capsule_in_old ||
        parent_frame(s->call, s->depth)->binding.value[spec->capsule].len > 0)
        return look_at_old(s);
    return look_in_each(s, look_at_old_in);
}

static bool search_new(search *s)
{
    return bind_parent(s->call, s->depth, RK_REASON_ORPHAN) && look_in_each(s, look_at_new_in);
}

/* What is at the old key says whose child a record of the old shape is, whoever has a parent of
 * this id at a new key; only when it has moved do the new keys tell. A wanted capsule is looked for
 * on both sides: two capsules may share the old key. */
static bool search_both(search *s)
{
    if (s->wanted != RKI_ANY_CAPSULE && !s->parent->capsule_in_old)
        return search_new(s) && (is_satisfied(s) || search_old(s));
    return search_old(s) && (s->found != 0 || search_new(s));
}

/* What the search found, as one capsule. */
static bool conclude(search *s, int *capsule)
{
    if (s->found == 0)
        return rki_refuse(s->call, RK_REASON_ORPHAN, "the parent does not exist");
    if (s->wanted != RKI_ANY_CAPSULE) {
        if (!is_satisfied(s))
            return rki_refuse(s->call, RK_REASON_ORPHAN, "parent is in another capsule");
        *capsule = s->wanted;
        return true;
    }
    if ((s->found & (s->found - 1)) != 0)
        return rki_refuse(s->call, RK_REASON_UNRESOLVED_CAPSULE,
                          "the parent is in more than one capsule");
    int first = 0;
    while ((s->found >> first & 1) == 0)
        first++;
    *capsule = first;
    return true;
}

/* Whether a cached capsule answers: it is the wanted one, or the only one. */
static bool ask_cache(const search *s, rk_slice key, int *capsule)
{
    bool sole = false;
    int cached = rki_cache_find(s->call->transformer->cache, key, &sole);
    if (cached < 0 || (s->wanted == RKI_ANY_CAPSULE ? !sole : cached != s->wanted))
        return false;
    *capsule = cached;
    return true;
}

/* The capsule in which the parent is; the wanted one, or any. */
static bool find_parent(rki_call *call, size_t depth, int wanted, int *capsule)
{
    const rk_entity *entity = call->transformer->frame[depth].shape->entity;
    search s = {.call = call,
                .depth = depth,
                .parent = &call->transformer->shape[entity->parent],
                .wanted = wanted};
    rk_slice key = RK_SLICE_EMPTY;

    if (!bind_parent(call, depth, RK_REASON_ORPHAN))
        return false;
    if (call->transformer->cache && !s.parent->capsule_in_old) {
        if (!candidate_key(&s, &s.parent->entity->old_key, &key))
            return false;
        if (ask_cache(&s, key, capsule))
            return true;
    }
    if (!search_both(&s) || !conclude(&s, capsule))
        return false;
    bool sole = wanted == RKI_ANY_CAPSULE || (s.found_old && s.parent->capsule_in_old);
    rki_cache_put(call->transformer->cache, key, *capsule, sole);
    return true;
}

bool rki_parent_new_key(rki_call *call, size_t depth, rk_reason reason, rk_slice *out)
{
    const rk_spec *spec = call->transformer->spec;
    const rki_frame *child = &call->transformer->frame[depth];
    const rk_entity *entity = child->shape->entity;

    *out = RK_SLICE_EMPTY;
    if (entity->parent < 0)
        return true;
    if (!bind_parent(call, depth, reason))
        return false;
    rki_frame *frame = parent_frame(call, depth);
    frame->binding.value[spec->capsule] = spec->allowed[child->capsule];
    if (!rki_build_key(call, &frame->shape->entity->new_key, &frame->binding,
                       "the parent's new key", out))
        return false;
    if (out->len == 0)
        return rki_refuse(call, reason, "the record does not hold all of its parent's new key");
    return true;
}

/* --- the capsule ------------------------------------------------------------------------------ */

static bool allowed_capsule(rki_call *call, rk_slice text, int *capsule)
{
    int found = rk_spec_capsule(call->transformer->spec, text);
    if (found < 0)
        return rki_refuse(call, RK_REASON_UNKNOWN_CAPSULE,
                          "the capsule is not one of those that the spec allows");
    *capsule = found;
    return true;
}

/* Field, parent, lookup, default: the first that is stated and answers. */
static bool capsule_by_rule(rki_call *call, size_t depth, int *capsule, bool *by_parent)
{
    const rki_frame *frame = &call->transformer->frame[depth];
    const rk_capsule_rule *rule = &frame->shape->entity->capsule;

    if (frame->shape->field_member != RKI_NONE) {
        const rk_json_field *field = &frame->field[frame->shape->field_member];
        if (field->kind == RK_JSON_STRING)
            return allowed_capsule(call, field->text, capsule);
        if (field->kind != RK_JSON_ABSENT)
            return rki_refuse(call, RK_REASON_BAD_VALUE,
                              "member %s, which names the capsule, is no string", rule->field);
    }
    if (rule->parent) {
        *by_parent = true;
        return find_parent(call, depth, RKI_ANY_CAPSULE, capsule);
    }
    rk_slice text = RK_SLICE_EMPTY;
    if (rule->lookup)
        text = rk_lookup_find(rule->lookup, frame->binding.value[call->transformer->spec->tenant]);
    if (text.len == 0)
        text = frame->shape->fallback;
    if (text.len == 0 && rule->lookup)
        return rki_refuse(call, RK_REASON_UNRESOLVED_CAPSULE,
                          "the tenant is not in the lookup file; no default");
    if (text.len == 0)
        return rki_refuse(call, RK_REASON_UNRESOLVED_CAPSULE, "member %s is absent; no default",
                          rule->field ? rule->field : "that names the capsule");
    return allowed_capsule(call, text, capsule);
}

/* What else names the capsule must agree: the old key, and the member that new values carry. */
static bool check_capsule(rki_call *call, const rki_frame *frame, int capsule)
{
    const rk_spec *spec = call->transformer->spec;
    const rki_shape *shape = frame->shape;
    rk_slice text = spec->allowed[capsule];

    if (shape->capsule_in_old && !rk_slice_equal(frame->binding.value[spec->capsule], text))
        return rki_refuse(call, RK_REASON_BAD_VALUE,
                          "the old key names another capsule than the rule gives");
    if (shape->capsule_member == RKI_NONE)
        return true;
    const rk_json_field *field = &frame->field[shape->capsule_member];
    if (field->kind != RK_JSON_ABSENT &&
        (field->kind != RK_JSON_STRING || !rk_slice_equal(field->text, text)))
        return rki_refuse(call, RK_REASON_BAD_VALUE,
                          "member %s names another capsule than the rule gives",
                          spec->names.name[spec->capsule]);
    return true;
}

bool rki_resolve(rki_call *call, size_t depth, const rki_shape *shape, rk_slice value)
{
    rki_frame *frame = &call->transformer->frame[depth];
    int capsule = 0;
    bool by_parent = false;

    frame->shape = shape;
    if (!rki_bind_value(call, frame, value) ||
        !capsule_by_rule(call, depth, &capsule, &by_parent) || !check_capsule(call, frame, capsule))
        return false;
    rki_bind_capsule(call->transformer->spec, frame, capsule);
    return by_parent || shape->entity->parent < 0 || find_parent(call, depth, capsule, &capsule);
}
