#include "rekey/engine/job.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "rekey/base/fault.h"

#define CHUNK_ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define DETAIL_BYTES          192

static const rki_job_rule rules[] = {
    [RK_JOB_NONE] = {RKI_SIDE_OLD, false, 0, "none"},
    [RK_JOB_BACKFILL] = {RKI_SIDE_OLD, false, 3, "backfill"},
    [RK_JOB_DROP_NEW] = {RKI_SIDE_NEW, true, 1, "drop new"},
    [RK_JOB_RETURN] = {RKI_SIDE_NEW, true, 1, "return"},
    [RK_JOB_CONTRACT] = {RKI_SIDE_OLD, true, 1, "contract"},
};

const rki_job_rule *rki_job_rule_of(rk_job kind)
{
    return &rules[kind];
}

uint32_t rki_job_rank(const rki_job *job, int entity)
{
    if (entity < 0)
        return job->spec->level_count;
    uint32_t level = job->spec->entities[entity].level;
    return rules[job->kind].children_first ? job->spec->level_count - 1 - level : level;
}

uint32_t rki_job_index_tables(const rki_job *job)
{
    uint32_t count = 0;
    for (size_t i = 0; i < job->spec->index_name_count; i++)
        count += job->tables->index[i] != RK_TABLE_NONE;
    return count;
}

rk_status rki_job_transformer(const rki_job *job, size_t cache_entries, rk_transformer **out,
                              rk_error *err)
{
    return rk_transformer_create(job->spec, job->tables,
                                 rk_store_capabilities(job->store)->key_bytes_max, cache_entries,
                                 out, err);
}

/* --- chunks ----------------------------------------------------------------------------------- */

rk_status rki_chunk_init(rki_chunk *chunk, const rki_chunk_limits *limits, rk_error *err)
{
    static const rki_chunk_limits largest = {RKI_CHUNK_RECORDS_MAX, RKI_CHUNK_BYTES_MAX};
    *chunk = (rki_chunk){.limits = limits ? *limits : largest, .state = RK_STATE_UNKNOWN};
    assert(chunk->limits.records_max >= 1 && chunk->limits.records_max <= RKI_CHUNK_RECORDS_MAX);
    rk_arena_init(&chunk->arena, CHUNK_ARENA_BYTES_MAX);
    chunk->work = calloc(chunk->limits.records_max, sizeof *chunk->work);
    chunk->units = calloc(chunk->limits.records_max, sizeof *chunk->units);
    if (!chunk->work || !chunk->units) {
        rki_chunk_fini(chunk);
        return rk_error_set(err, RK_NOMEM, "chunk: out of memory");
    }
    return RK_OK;
}

void rki_chunk_fini(rki_chunk *chunk)
{
    rk_arena_fini(&chunk->arena);
    free(chunk->work);
    free(chunk->units);
    free(chunk->ops);
    *chunk = (rki_chunk){0};
}

void rki_chunk_reset(rki_chunk *chunk)
{
    rk_arena_reset(&chunk->arena);
    chunk->count = 0;
    chunk->stage_end = false;
}

/* --- units ------------------------------------------------------------------------------------ */

/* Collects the ops of one unit. */
typedef struct op_list {
    const rki_job *job;
    rk_op *ops;
    uint32_t count;
} op_list;

static void add(op_list *list, rk_action action, rk_condition condition, rk_table table,
                rk_slice key, rk_slice value, rk_slice expected)
{
    assert(list->count < RKI_UNIT_OPS_MAX);
    list->ops[list->count++] = (rk_op){.action = (uint8_t)action,
                                       .condition = (uint8_t)condition,
                                       .table = table,
                                       .key = key,
                                       .value = value,
                                       .expected = expected};
}

/* A condition that was seen to hold when the record was read, or after that. Only ever that a value
 * is as it was: a unit of a job deletes its own record and no other, and puts only where nothing is
 * or the same, so no other unit breaks it; that a parent is there, or that nothing is, others do
 * change. */
static void add_seen(op_list *list, rk_action action, rk_slice key, rk_slice expected)
{
    add(list, action, RK_IF_EQUALS, list->job->tables->records, key, RK_SLICE_EMPTY, expected);
    list->ops[list->count - 1].seen = true;
}

static void add_put(op_list *list, rk_slice key, rk_slice value)
{
    rk_condition condition = rk_fault("unconditional_put") ? RK_IF_ANY : RK_IF_ABSENT_OR_SAME;
    add(list, RK_ACTION_PUT, condition, list->job->tables->records, key, value, RK_SLICE_EMPTY);
}

static void add_delete(op_list *list, rk_slice key, rk_slice expected)
{
    if (rk_fault("unconditional_put") || rk_fault("absent_without_old"))
        add(list, RK_ACTION_DELETE, RK_IF_ANY, list->job->tables->records, key, RK_SLICE_EMPTY,
            RK_SLICE_EMPTY);
    else
        add_seen(list, RK_ACTION_DELETE, key, expected);
}

static void add_entries(op_list *list, const rk_image *image, rk_action action, rki_side side)
{
    rk_slice primary = side == RKI_SIDE_OLD ? image->old_key : image->new_key;
    for (size_t i = 0; i < image->index_count; i++) {
        const rk_image_index *index = &image->index[i];
        rk_slice key = side == RKI_SIDE_OLD ? index->old_key : index->new_key;
        rk_table table = list->job->tables->index[index->table_index];
        if (key.len > 0 && table != RK_TABLE_NONE)
            add(list, action, RK_IF_ANY, table, key, primary, RK_SLICE_EMPTY);
    }
}

/* The note that the old value ended in the capsule member already; see rk_image.kept. */
static void add_kept(op_list *list, const rk_image *image, rk_action action, rk_arena *arena)
{
    uint8_t *key = rk_arena_alloc(arena, RK_KEPT_KEY_BYTES);
    size_t len = 0;
    assert(key);
    rk_kept_key(image->new_key, key, &len);
    add(list, action, RK_IF_ANY, list->job->tables->meta, rk_slice_of(key, len),
        action == RK_ACTION_PUT ? RK_SLICE_LITERAL("1") : RK_SLICE_EMPTY, RK_SLICE_EMPTY);
}

static void build_backfill(op_list *list, const rk_image *image, rk_arena *arena)
{
    bool move = list->job->spec->strategy == RK_STRATEGY_MOVE;
    rk_table records = list->job->tables->records;
    if (image->parent_new_key.len > 0)
        add(list, RK_ACTION_CHECK, RK_IF_PRESENT, records, image->parent_new_key, RK_SLICE_EMPTY,
            RK_SLICE_EMPTY);
    if (!move && !rk_fault("unconditional_put") && !rk_fault("absent_without_old"))
        add_seen(list, RK_ACTION_CHECK, image->old_key, image->old_value);
    add_put(list, image->new_key, image->new_value);
    add_entries(list, image, RK_ACTION_INDEX_PUT, RKI_SIDE_NEW);
    if (move) {
        add_delete(list, image->old_key, image->old_value);
        add_entries(list, image, RK_ACTION_INDEX_DELETE, RKI_SIDE_OLD);
        if (image->kept)
            add_kept(list, image, RK_ACTION_PUT, arena);
    }
}

static void drop_new(op_list *list, const rk_image *image)
{
    add_delete(list, image->new_key, image->new_value);
    add_entries(list, image, RK_ACTION_INDEX_DELETE, RKI_SIDE_NEW);
}

static void build_drop_new(op_list *list, const rk_image *image)
{
    if (image->old_value.len > 0)
        add_seen(list, RK_ACTION_CHECK, image->old_key, image->old_value);
    drop_new(list, image);
}

static void build_return(op_list *list, const rk_image *image, rk_arena *arena)
{
    add_put(list, image->old_key, image->old_value);
    add_entries(list, image, RK_ACTION_INDEX_PUT, RKI_SIDE_OLD);
    drop_new(list, image);
    if (image->kept)
        add_kept(list, image, RK_ACTION_DELETE, arena);
}

static void build_contract(op_list *list, const rk_image *image)
{
    add(list, RK_ACTION_CHECK, RK_IF_EQUALS, list->job->tables->records, image->new_key,
        RK_SLICE_EMPTY, image->new_value);
    add_delete(list, image->old_key, image->old_value);
    add_entries(list, image, RK_ACTION_INDEX_DELETE, RKI_SIDE_OLD);
}

uint32_t rki_unit_build(const rki_job *job, const rk_image *image, rk_arena *arena, rk_op *ops)
{
    op_list list = {.job = job, .ops = ops};
    switch (job->kind) {
    case RK_JOB_BACKFILL:
        build_backfill(&list, image, arena);
        break;
    case RK_JOB_DROP_NEW:
        build_drop_new(&list, image);
        break;
    case RK_JOB_RETURN:
        build_return(&list, image, arena);
        break;
    case RK_JOB_CONTRACT:
        build_contract(&list, image);
        break;
    case RK_JOB_NONE:
        assert(!"a job of no kind has no units");
    }
    return list.count;
}

/* --- one record ------------------------------------------------------------------------------- */

/* What stands at the image's old key, *value, and what that becomes. RK_NOT_FOUND: nothing does. */
static rk_status read_origin(const rki_job *job, rk_transformer *transformer, rk_view *view,
                             const rk_image *image, rk_arena *arena, rk_slice *value,
                             rk_image *origin, rk_reason *reason, char *detail, rk_error *err)
{
    *reason = RK_REASON_NONE;
    rk_status status = rk_view_get(view, job->tables->records, image->old_key, value, err);
    if (status == RK_OK)
        status = rk_arena_copy(arena, *value, value, err);
    if (status == RK_OK)
        status = rk_transform_old(transformer, view, image->old_key, *value, arena, origin, reason,
                                  detail, err);
    return status;
}

/* A rollback drops copies and nothing else: what stands at a new key without being what the old
 * record becomes was not put there by the migration, and is left alone. Fills image->old_value with
 * the copy's origin; empty for a shadow. */
static rk_status find_copy(const rki_job *job, rk_transformer *transformer, rk_view *view,
                           rki_work *work, rk_arena *arena, rk_image *image, char *detail,
                           rk_error *err)
{
    rk_slice value;
    rk_image origin;
    rk_reason reason;
    bool shadow = false;
    image->old_value = RK_SLICE_EMPTY;
    rk_status status =
        read_origin(job, transformer, view, image, arena, &value, &origin, &reason, detail, err);
    if (status == RK_OK && reason == RK_REASON_NONE &&
        rk_slice_equal(origin.new_key, image->new_key) &&
        rk_slice_equal(origin.new_value, image->new_value)) {
        image->old_value = value;
        return RK_OK;
    }
    if (status == RK_OK || status == RK_NOT_FOUND)
        status = rk_shadow_has(view, job->tables->meta, image->new_key, &shadow, err);
    if (status == RK_OK && !shadow) {
        work->reason = RK_REASON_CONFLICT;
        snprintf(detail, DETAIL_BYTES, "it is no copy of an old record");
    }
    return status;
}

static rk_status transform(const rki_job *job, rk_transformer *transformer, rk_view *view,
                           rki_work *work, rk_arena *arena, rk_image *image, char *detail,
                           rk_error *err)
{
    if (rules[job->kind].side == RKI_SIDE_OLD)
        return rk_transform_old(transformer, view, work->key, work->value, arena, image,
                                &work->reason, detail, err);
    bool kept = false;
    rk_status status = RK_OK;
    if (job->kind == RK_JOB_RETURN)
        status = rk_kept_has(view, job->tables->meta, work->key, &kept, err);
    if (status == RK_OK)
        status = rk_transform_new(transformer, view, work->key, work->value, kept, arena, image,
                                  &work->reason, detail, err);
    if (status == RK_OK && work->reason == RK_REASON_NONE && job->kind == RK_JOB_DROP_NEW)
        status = find_copy(job, transformer, view, work, arena, image, detail, err);
    return status;
}

rk_status rki_outranked(const rki_job *job, rk_view *view, const rk_image *image, bool *out,
                        rk_error *err)
{
    const rk_spec *spec = job->spec;
    const rk_pattern *pattern = &spec->entities[image->entity].new_key;
    uint8_t key[RK_STATE_KEY_BYTES_MAX];
    rk_binding binding;
    rk_slice ignored;
    int own = rk_spec_capsule(spec, image->capsule);
    *out = false;
    if (!rk_pattern_match(pattern, image->new_key, &binding))
        return RK_OK;
    for (int i = 0; i < own && !*out; i++) {
        binding.value[spec->capsule] = spec->allowed[i];
        size_t len = rk_pattern_write(pattern, &binding, key, sizeof key);
        if (len == 0 || len > sizeof key)
            continue;
        rk_status status =
            rk_view_get(view, job->tables->records, rk_slice_of(key, len), &ignored, err);
        if (status != RK_OK && status != RK_NOT_FOUND)
            return status;
        *out = status == RK_OK;
    }
    return RK_OK;
}

/* Whether the old key has been given back already to a capsule that the spec names earlier: in an
 * earlier batch, or before a stop, so that no new record tells of it any more. */
static rk_status returned_to_another(const rki_job *job, rk_transformer *transformer, rk_view *view,
                                     const rk_image *image, rk_arena *arena, bool *out,
                                     rk_error *err)
{
    char detail[DETAIL_BYTES];
    rk_slice value;
    rk_image there;
    rk_reason reason;
    rk_status status =
        read_origin(job, transformer, view, image, arena, &value, &there, &reason, detail, err);
    *out = status == RK_OK && reason == RK_REASON_NONE &&
           rk_spec_capsule(job->spec, there.capsule) < rk_spec_capsule(job->spec, image->capsule);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

/* Looks whether the conditions on other records' values hold now. */
static rk_status look_ahead(const rki_job *job, rk_view *view, rk_op *ops, uint32_t op_count,
                            rk_error *err)
{
    for (uint32_t i = 0; i < op_count; i++) {
        rk_slice value;
        if (ops[i].seen || ops[i].condition != RK_IF_EQUALS)
            continue;
        rk_status status = rk_view_get(view, job->tables->records, ops[i].key, &value, err);
        if (status != RK_OK && status != RK_NOT_FOUND)
            return status;
        ops[i].seen = status == RK_OK && rk_slice_equal(value, ops[i].expected);
    }
    return RK_OK;
}

/* The unit of a record that may move; under accept_loss the outranked ones are dropped. */
static rk_status build(const rki_job *job, rk_transformer *transformer, rk_view *view,
                       rk_image *image, rk_arena *arena, rk_op *ops, uint32_t *op_count,
                       rk_error *err)
{
    bool drop = false;
    if (job->kind == RK_JOB_RETURN && job->accept_loss) {
        rk_status status = rki_outranked(job, view, image, &drop, err);
        if (status == RK_OK && !drop)
            status = returned_to_another(job, transformer, view, image, arena, &drop, err);
        if (status != RK_OK)
            return status;
    }
    if (drop) {
        rki_job as = *job;
        as.kind = RK_JOB_DROP_NEW;
        image->old_value = RK_SLICE_EMPTY;
        *op_count = rki_unit_build(&as, image, arena, ops);
    } else {
        *op_count = rki_unit_build(job, image, arena, ops);
    }
    return look_ahead(job, view, ops, *op_count, err);
}

rk_status rki_work_prepare(const rki_job *job, rk_transformer *transformer, rk_view *view,
                           rki_work *work, rk_arena *arena, rk_op *ops, uint32_t *op_count,
                           rk_error *err)
{
    /* Neither is cleared whole: both are long, and a record needs little of them. */
    char detail[DETAIL_BYTES];
    rk_image image;
    detail[0] = '\0';
    work->detail = "";
    *op_count = 0;
    if (work->entity < 0) {
        work->reason = RK_REASON_UNMATCHED;
        work->detail = "the key matches no entity of the spec";
        return RK_OK;
    }
    rk_status status = transform(job, transformer, view, work, arena, &image, detail, err);
    if (status != RK_OK)
        return status;
    if (work->reason == RK_REASON_NONE)
        return build(job, transformer, view, &image, arena, ops, op_count, err);
    rk_slice copy = RK_SLICE_EMPTY;
    status = rk_arena_copy(arena, rk_slice_of(detail, strlen(detail) + 1), &copy, err);
    if (status == RK_OK)
        work->detail = (const char *)copy.ptr;
    return status;
}
