/* transform.c: the two directions, and the keys that both build. */
#include "rekey/transform/internal.h"

#include <assert.h>
#include <stdlib.h>

#include "rekey/base/bytes.h"
#include "rekey/base/fault.h"

static const char *const reason_names[RK_REASON_COUNT] = {
    [RK_REASON_NONE] = "none",
    [RK_REASON_ORPHAN] = "orphan",
    [RK_REASON_UNRESOLVED_CAPSULE] = "unresolved_capsule",
    [RK_REASON_UNKNOWN_CAPSULE] = "unknown_capsule",
    [RK_REASON_KEY_TOO_LONG] = "key_too_long",
    [RK_REASON_CONFLICT] = "conflict",
    [RK_REASON_BAD_VALUE] = "bad_value",
    [RK_REASON_UNMATCHED] = "unmatched",
};

const char *rk_reason_name(rk_reason reason)
{
    assert((unsigned)reason < RK_REASON_COUNT);
    return reason_names[reason];
}

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status fill_transformer(rk_transformer *transformer, size_t cache_entries, rk_error *err)
{
    const rk_spec *spec = transformer->spec;

    transformer->frame_count = 1;
    for (size_t i = 0; i < spec->entity_count; i++) {
        size_t levels = (size_t)spec->entities[i].level + 1;
        if (levels > transformer->frame_count)
            transformer->frame_count = levels;
    }
    assert(transformer->frame_count <= RK_LEVELS_MAX);
    transformer->frame = calloc(transformer->frame_count, sizeof *transformer->frame);
    transformer->shape = calloc(spec->entity_count + 1, sizeof *transformer->shape);
    if (!transformer->frame || !transformer->shape)
        return rk_error_set(err, RK_NOMEM, "transformer: out of memory");

    for (size_t i = 0; i < spec->entity_count; i++) {
        rk_status status = rki_shape_init(&transformer->shape[i], spec, &spec->entities[i], err);
        if (status != RK_OK)
            return status;
    }
    return rki_cache_create(cache_entries, &transformer->cache, err);
}

rk_status rk_transformer_create(const rk_spec *spec, const rk_tables *tables, size_t key_bytes_max,
                                size_t cache_entries, rk_transformer **out, rk_error *err)
{
    rk_transformer *transformer = calloc(1, sizeof *transformer);
    if (!transformer)
        return rk_error_set(err, RK_NOMEM, "transformer: out of memory");
    transformer->spec = spec;
    transformer->tables = tables;
    transformer->key_bytes_max = key_bytes_max;

    rk_status status = fill_transformer(transformer, cache_entries, err);
    if (status != RK_OK) {
        rk_transformer_destroy(transformer);
        return status;
    }
    *out = transformer;
    return RK_OK;
}

void rk_transformer_destroy(rk_transformer *transformer)
{
    if (!transformer)
        return;
    rki_cache_destroy(transformer->cache);
    free(transformer->shape);
    free(transformer->frame);
    free(transformer);
}

void rk_transformer_forget(rk_transformer *transformer)
{
    rki_cache_forget(transformer->cache);
    transformer->looked_at = RK_SLICE_EMPTY;
}

/* --- keys ------------------------------------------------------------------------------------- */

/* 0 when a variable has no value. */
static size_t key_bytes(const rk_pattern *pattern, const rk_binding *binding)
{
    size_t bytes = pattern->literal_bytes;
    for (size_t i = 0; i < pattern->piece_count; i++) {
        uint16_t name = pattern->piece[i].name;
        if (name == RK_NAME_NONE)
            break;
        if (binding->value[name].len == 0)
            return 0;
        bytes += binding->value[name].len;
    }
    return bytes;
}

/* rk_pattern_write without its checks: every value here is from a key, from the spec, or was
 * checked when it was bound. A record has several keys, and the checks cost as much as the writing.
 */
static void write_key(const rk_pattern *pattern, const rk_binding *binding, uint8_t *at)
{
    for (size_t i = 0; i < pattern->piece_count; i++) {
        const rk_piece *piece = &pattern->piece[i];
        at = rk_bytes_put(at, piece->literal.ptr, piece->literal.len);
        if (piece->name != RK_NAME_NONE)
            at = rk_bytes_put(at, binding->value[piece->name].ptr, binding->value[piece->name].len);
    }
}

bool rki_build_key(rki_call *call, const rk_pattern *pattern, const rk_binding *binding,
                   const char *what, rk_slice *out)
{
    size_t bytes_max = call->transformer->key_bytes_max;
    size_t bytes = key_bytes(pattern, binding);
    if (bytes == 0) {
        *out = RK_SLICE_EMPTY;
        return true;
    }
    if (bytes > bytes_max)
        return rki_refuse(call, RK_REASON_KEY_TOO_LONG, "%.64s would be %zu bytes; at most %zu",
                          what, bytes, bytes_max);
    uint8_t *key = rk_arena_alloc(call->arena, bytes);
    if (!key)
        return rki_fail(
            call, rk_error_set(call->err, RK_LIMIT, "%s: no room in the batch's arena", what));
    write_key(pattern, binding, key);
    *out = rk_slice_of(key, bytes);
    return true;
}

/* A primary key must have all its variables. */
static bool build_primary(rki_call *call, const rk_pattern *pattern, const rk_binding *binding,
                          const char *what, rk_slice *out)
{
    if (!rki_build_key(call, pattern, binding, what, out))
        return false;
    if (out->len > 0)
        return true;
    size_t i = 0;
    while (!pattern->segment[i].variable || binding->value[pattern->segment[i].name].len > 0)
        i++;
    return rki_refuse(call, RK_REASON_BAD_VALUE, "%s needs %s, which is absent", what,
                      call->transformer->spec->names.name[pattern->segment[i].name]);
}

/* The keys of every index, on both sides; the primary keys are in the image. */
static bool build_indexes(rki_call *call, const rki_frame *frame, rk_image *image)
{
    const rk_entity *entity = frame->shape->entity;
    if (entity->index_count == 0)
        return true;
    size_t primary_max = rk_store_capabilities(call->view->store)->index_value_bytes_max;

    for (size_t i = 0; i < entity->index_count; i++) {
        const rk_index *index = &entity->index[i];
        rk_image_index *built = &image->index[i];
        built->table_index = index->table_index;
        if (!rki_build_key(call, &index->old_key, &frame->binding, index->name, &built->old_key) ||
            !rki_build_key(call, &index->new_key, &frame->binding, index->name, &built->new_key))
            return false;
        if ((built->old_key.len > 0 && image->old_key.len > primary_max) ||
            (built->new_key.len > 0 && image->new_key.len > primary_max))
            return rki_refuse(call, RK_REASON_KEY_TOO_LONG,
                              "an entry of %.64s holds a primary key of at most %zu bytes",
                              index->name, primary_max);
    }
    image->index_count = entity->index_count;
    return true;
}

/* --- the image -------------------------------------------------------------------------------- */

/* Field by field: clearing all of an image would cost more than filling one. */
static void start_image(rk_image *image, int entity, rk_slice tenant)
{
    image->entity = entity;
    image->tenant = tenant;
    image->capsule = RK_SLICE_EMPTY;
    image->old_key = RK_SLICE_EMPTY;
    image->old_value = RK_SLICE_EMPTY;
    image->new_key = RK_SLICE_EMPTY;
    image->new_value = RK_SLICE_EMPTY;
    image->parent_new_key = RK_SLICE_EMPTY;
    image->index_count = 0;
    image->kept = false;
}

/* The key's pattern, its variables bound in frame 0. */
static int match_key(rk_transformer *transformer, rk_slice key)
{
    rk_slice looked_at = transformer->looked_at;
    transformer->looked_at = RK_SLICE_EMPTY;
    if (looked_at.len > 0 && looked_at.ptr == key.ptr && looked_at.len == key.len)
        return transformer->looked;
    return rk_matcher_find(transformer->spec->matcher, key, &transformer->frame[0].binding);
}

static rk_status start_call(rki_call *call, rk_slice key, bool new_shape, rk_image *image)
{
    const rk_spec *spec = call->transformer->spec;
    rki_frame *frame = &call->transformer->frame[0];

    int found = match_key(call->transformer, key);
    if (found < 0) {
        start_image(image, -1, RK_SLICE_EMPTY);
        (void)rki_refuse(call, RK_REASON_UNMATCHED, "no entity has a key of this shape");
        return RK_OK;
    }
    if ((found % 2 == 1) != new_shape)
        return RK_NOT_FOUND;
    start_image(image, found / 2, frame->binding.value[spec->tenant]);
    return RK_OK;
}

int rk_transform_classify(const rk_transformer *transformer, rk_slice key, rk_slice *tenant)
{
    rk_binding binding; /* the matcher fills in what the key holds */
    int found = rk_matcher_find(transformer->spec->matcher, key, &binding);
    if (found >= 0 && tenant)
        *tenant = binding.value[transformer->spec->tenant];
    return found;
}

int rk_transform_look(rk_transformer *transformer, rk_slice key, rk_slice *tenant)
{
    rk_binding *binding = &transformer->frame[0].binding;
    transformer->looked = rk_matcher_find(transformer->spec->matcher, key, binding);
    transformer->looked_at = key;
    if (transformer->looked >= 0 && tenant)
        *tenant = binding->value[transformer->spec->tenant];
    return transformer->looked;
}

/* --- old to new ------------------------------------------------------------------------------- */

bool rki_old_image(rki_call *call, size_t depth, const rki_shape *shape, rk_slice value,
                   rk_image *image)
{
    rki_frame *frame = &call->transformer->frame[depth];
    if (!rki_resolve(call, depth, shape, value))
        return false;
    image->capsule = call->transformer->spec->allowed[frame->capsule];
    return build_primary(call, &shape->entity->new_key, &frame->binding, "the new key",
                         &image->new_key) &&
           build_indexes(call, frame, image) &&
           rki_parent_new_key(call, depth, RK_REASON_ORPHAN, &image->parent_new_key);
}

/* Ensures the capsule member and touches nothing else. */
static bool build_new_value(rki_call *call, const rki_frame *frame, rk_image *image)
{
    const rki_shape *shape = frame->shape;
    image->new_value = image->old_value;
    if (shape->capsule_member == RKI_NONE)
        return true;

    rk_slice name = shape->member_name[shape->capsule_member];
    if (frame->field[shape->capsule_member].kind == RK_JSON_ABSENT) {
        rk_status status = rk_json_insert(image->old_value, name, image->capsule, call->arena,
                                          &image->new_value, call->err);
        return status == RK_OK || rki_fail(call, status);
    }
    rk_slice stripped;
    image->kept = rki_shape_inserts(shape, image->capsule) &&
                  rk_json_strip(image->old_value, name, image->capsule, call->arena, &stripped);
    return true;
}

rk_status rk_transform_old(rk_transformer *transformer, rk_view *view, rk_slice key, rk_slice value,
                           rk_arena *arena, rk_image *image, rk_reason *reason, char *detail,
                           rk_error *err)
{
    rki_call call = {transformer, view, arena, RK_OK, RK_REASON_NONE, detail, err};
    rk_status status = start_call(&call, key, false, image);
    if (status != RK_OK)
        return status;
    if (image->entity >= 0) {
        const rki_shape *shape = &transformer->shape[image->entity];
        image->old_key = key;
        image->old_value = value;
        if (rki_old_image(&call, 0, shape, value, image))
            (void)build_new_value(&call, &transformer->frame[0], image);
    }
    if (call.status == RK_OK)
        *reason = call.reason;
    return call.status;
}

/* --- new to old ------------------------------------------------------------------------------- */

/* The key is the truth about the capsule; the value must say the same. */
static bool check_new_capsule(rki_call *call, const rki_frame *frame, int capsule)
{
    const rki_shape *shape = frame->shape;
    rk_slice text = call->transformer->spec->allowed[capsule];
    if (shape->capsule_member == RKI_NONE || rk_fault("value_unchecked"))
        return true;

    const rk_json_field *field = &frame->field[shape->capsule_member];
    if (field->kind != RK_JSON_STRING || !rk_slice_equal(field->text, text))
        return rki_refuse(call, RK_REASON_BAD_VALUE, "member %s %s",
                          call->transformer->spec->names.name[call->transformer->spec->capsule],
                          field->kind == RK_JSON_ABSENT ? "is absent"
                                                        : "names another capsule than the key");
    if (shape->field_member == RKI_NONE)
        return true;
    field = &frame->field[shape->field_member];
    if (field->kind != RK_JSON_ABSENT &&
        (field->kind != RK_JSON_STRING || !rk_slice_equal(field->text, text)))
        return rki_refuse(call, RK_REASON_BAD_VALUE, "member %s names another capsule than the key",
                          shape->entity->capsule.field);
    return true;
}

/* Where variables of the new key come from the value, the value must give this very key. */
static bool check_new_key(rki_call *call, const rki_frame *frame, const rk_image *image)
{
    if (!frame->shape->new_has_derived)
        return true;
    rk_slice again;
    if (!build_primary(call, &frame->shape->entity->new_key, &frame->binding, "the new key",
                       &again))
        return false;
    return rk_slice_equal(again, image->new_key) ||
           rki_refuse(call, RK_REASON_BAD_VALUE, "the value gives another new key");
}

static void build_old_value(rki_call *call, const rki_frame *frame, bool kept, rk_image *image)
{
    const rki_shape *shape = frame->shape;
    image->kept = kept;
    image->old_value = image->new_value;
    if (shape->capsule_member == RKI_NONE || kept || !rki_shape_inserts(shape, image->capsule))
        return;
    (void)rk_json_strip(image->new_value, shape->member_name[shape->capsule_member], image->capsule,
                        call->arena, &image->old_value);
}

static bool new_image(rki_call *call, const rki_shape *shape, bool kept, rk_image *image)
{
    const rk_spec *spec = call->transformer->spec;
    rki_frame *frame = &call->transformer->frame[0];
    int capsule = rk_spec_capsule(spec, frame->binding.value[spec->capsule]);
    if (capsule < 0)
        return rki_refuse(call, RK_REASON_UNKNOWN_CAPSULE,
                          "the key's capsule is not one of those that the spec allows");

    frame->shape = shape;
    if (!rki_bind_value(call, frame, image->new_value) || !check_new_capsule(call, frame, capsule))
        return false;
    rki_bind_capsule(spec, frame, capsule);
    image->capsule = spec->allowed[capsule];
    if (!build_primary(call, &shape->entity->old_key, &frame->binding, "the old key",
                       &image->old_key) ||
        !check_new_key(call, frame, image) || !build_indexes(call, frame, image) ||
        !rki_parent_new_key(call, 0, RK_REASON_BAD_VALUE, &image->parent_new_key))
        return false;
    build_old_value(call, frame, kept, image);
    return true;
}

rk_status rk_transform_new(rk_transformer *transformer, rk_view *view, rk_slice key, rk_slice value,
                           bool kept, rk_arena *arena, rk_image *image, rk_reason *reason,
                           char *detail, rk_error *err)
{
    rki_call call = {transformer, view, arena, RK_OK, RK_REASON_NONE, detail, err};
    rk_status status = start_call(&call, key, true, image);
    if (status != RK_OK)
        return status;
    if (image->entity >= 0) {
        image->new_key = key;
        image->new_value = value;
        (void)new_image(&call, &transformer->shape[image->entity], kept, image);
    }
    if (call.status == RK_OK)
        *reason = call.reason;
    return call.status;
}
