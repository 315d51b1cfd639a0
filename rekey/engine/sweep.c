#include "rekey/engine/sweep.h"

#include <stdlib.h>

#include "rekey/engine/change.h"

#define STEP_ENTRIES    4096
#define REMOVALS_MAX    512
#define ARENA_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct rki_sweep {
    const rki_job *job;
    const rk_actor *actor;
    const rk_clock *clock;
    rki_side side;
    rk_transformer *classifier;
    rk_view *view;
    rk_arena arena;
    size_t index;
    rk_buf key; /* resume at this entry */
    rk_buf value;
    rk_op *ops; /* two a removal: the record is absent; the entry goes */
    rk_unit *units;
    size_t unit_count;
};

rk_status rki_sweep_create(const rki_job *job, const rk_actor *actor, const rk_clock *clock,
                           rki_side side, rki_sweep **out, rk_error *err)
{
    rki_sweep *sweep = calloc(1, sizeof *sweep);
    if (!sweep)
        return rk_error_set(err, RK_NOMEM, "index sweep: out of memory");
    sweep->job = job;
    sweep->actor = actor;
    sweep->clock = clock;
    sweep->side = side;
    rk_arena_init(&sweep->arena, ARENA_BYTES_MAX);
    rk_buf_init(&sweep->key, RK_STATE_KEY_BYTES_MAX + 1);
    rk_buf_init(&sweep->value, RK_STATE_KEY_BYTES_MAX + 1);
    sweep->ops = calloc((size_t)2 * REMOVALS_MAX, sizeof *sweep->ops);
    sweep->units = calloc(REMOVALS_MAX, sizeof *sweep->units);
    rk_status status = sweep->ops && sweep->units
                           ? RK_OK
                           : rk_error_set(err, RK_NOMEM, "index sweep: out of memory");
    if (status == RK_OK)
        status = rki_job_transformer(job, 0, &sweep->classifier, err);
    if (status == RK_OK)
        status = rk_snapshot_open(job->store, &sweep->view, err);
    if (status != RK_OK) {
        rki_sweep_destroy(sweep);
        return status;
    }
    rk_snapshot_release(sweep->view);
    *out = sweep;
    return RK_OK;
}

void rki_sweep_destroy(rki_sweep *sweep)
{
    if (!sweep)
        return;
    rk_snapshot_close(sweep->view);
    rk_transformer_destroy(sweep->classifier);
    rk_arena_fini(&sweep->arena);
    rk_buf_fini(&sweep->key);
    rk_buf_fini(&sweep->value);
    free(sweep->ops);
    free(sweep->units);
    free(sweep);
}

static bool ours(const rki_sweep *sweep, rk_slice primary)
{
    rk_slice tenant = RK_SLICE_EMPTY;
    int hit = rk_transform_classify(sweep->classifier, primary, &tenant);
    return hit >= 0 && (hit & 1) == (int)sweep->side &&
           rk_spec_tier(sweep->job->spec, tenant) == sweep->job->tier;
}

static rk_status consider(rki_sweep *sweep, rk_table table, const rk_entry *entry, rk_error *err)
{
    rk_slice ignored;
    const rk_tables *tables = sweep->job->tables;
    if (!ours(sweep, entry->value))
        return RK_OK;
    rk_status status = rk_view_get(sweep->view, tables->records, entry->value, &ignored, err);
    if (status != RK_NOT_FOUND)
        return status;
    rk_op *ops = sweep->ops + 2 * sweep->unit_count;
    rk_slice key;
    rk_slice primary;
    status = rk_arena_copy(&sweep->arena, entry->key, &key, err);
    if (status == RK_OK)
        status = rk_arena_copy(&sweep->arena, entry->value, &primary, err);
    if (status != RK_OK)
        return status;
    ops[0] = (rk_op){.action = RK_ACTION_CHECK,
                     .condition = RK_IF_ABSENT,
                     .table = tables->records,
                     .key = primary};
    ops[1] =
        (rk_op){.action = RK_ACTION_INDEX_DELETE, .table = table, .key = key, .value = primary};
    sweep->units[sweep->unit_count++] = (rk_unit){.ops = ops, .op_count = 2};
    return RK_OK;
}

static rk_status collect(rki_sweep *sweep, rk_table table, bool *end, rk_error *err)
{
    rk_cursor *cursor = NULL;
    rk_entry entry;
    rk_slice key = rk_buf_slice(&sweep->key);
    rk_slice value = rk_buf_slice(&sweep->value);
    rk_status status = rk_snapshot_renew(sweep->view, err);
    if (status == RK_OK)
        status = rk_cursor_open(sweep->view, table, &cursor, err);
    if (status == RK_OK)
        status = rk_cursor_seek_entry(cursor, key, value, &entry, err);
    if (status == RK_OK && key.len > 0 && rk_slice_equal(entry.key, key) &&
        rk_slice_equal(entry.value, value))
        status = rk_cursor_next(cursor, &entry, err);
    for (size_t n = 0; status == RK_OK && n < STEP_ENTRIES && sweep->unit_count < REMOVALS_MAX;
         n++) {
        status = consider(sweep, table, &entry, err);
        if (status == RK_OK)
            status = rk_buf_set(&sweep->key, entry.key, err);
        if (status == RK_OK)
            status = rk_buf_set(&sweep->value, entry.value, err);
        if (status == RK_OK)
            status = rk_cursor_next(cursor, &entry, err);
    }
    rk_cursor_close(cursor);
    rk_snapshot_release(sweep->view);
    *end = status == RK_NOT_FOUND;
    return *end ? RK_OK : status;
}

static rk_status do_remove(rk_txn *txn, void *context, bool *changed, rk_error *err)
{
    rki_sweep *sweep = context;
    rk_status status = rki_lease_hold(txn, sweep->job->tables->meta, sweep->actor,
                                      rk_clock_wall_ms(sweep->clock), err);
    *changed = true;
    return status == RK_OK ? rk_txn_apply(txn, sweep->units, sweep->unit_count, err) : status;
}

static rk_status remove_collected(rki_sweep *sweep, uint64_t *removed, rk_error *err)
{
    if (sweep->unit_count == 0)
        return RK_OK;
    rk_status status = rki_change_store(sweep->job->store, do_remove, sweep, err);
    if (status != RK_OK)
        return status;
    for (size_t i = 0; i < sweep->unit_count; i++)
        *removed += sweep->units[i].outcome == RK_UNIT_APPLIED;
    sweep->unit_count = 0;
    rk_arena_reset(&sweep->arena);
    return RK_OK;
}

rk_status rki_sweep_step(rki_sweep *sweep, uint64_t *removed, bool *finished, rk_error *err)
{
    const rk_spec *spec = sweep->job->spec;
    *removed = 0;
    *finished = sweep->index == spec->index_name_count;
    if (*finished)
        return RK_OK;
    bool end = true;
    rk_table table = sweep->job->tables->index[sweep->index];
    rk_status status = RK_OK;
    if (table != RK_TABLE_NONE)
        status = collect(sweep, table, &end, err);
    if (status == RK_OK)
        status = remove_collected(sweep, removed, err);
    if (status == RK_OK && end) {
        sweep->index++;
        rk_buf_reset(&sweep->key);
        rk_buf_reset(&sweep->value);
    }
    return status;
}

/* --- the quarantine --------------------------------------------------------------------------- */

/* The tier of a record left alone; keys outside of every tenant go with production. */
static rk_tier tier_of(const rk_spec *spec, rk_slice key)
{
    rk_slice literal = rk_slice_str(spec->tenant_literal);
    if (key.len < literal.len + 2 || !rk_slice_starts_with(key, literal) ||
        key.ptr[literal.len] != RK_DELIMITER)
        return RK_TIER_PRODUCTION;
    rk_slice rest = rk_slice_of(key.ptr + literal.len + 1, key.len - literal.len - 1);
    const uint8_t *end = memchr(rest.ptr, RK_DELIMITER, rest.len);
    return rk_spec_tier(spec, end ? rk_slice_of(rest.ptr, (size_t)(end - rest.ptr)) : rest);
}

typedef struct release {
    const rki_job *job;
    rk_arena *arena;
    bool more; /* out */
} release;

/* Takes up to REMOVALS_MAX entries of the tier out. */
static rk_status do_release(rk_txn *txn, void *context, bool *changed, rk_error *err)
{
    release *what = context;
    const rki_job *job = what->job;
    rk_table meta = job->tables->meta;
    rk_slice keys[REMOVALS_MAX];
    size_t count = 0;
    rk_cursor *cursor = NULL;
    rk_quarantined entry;
    rk_arena_reset(what->arena);
    rk_status status = rk_cursor_open(rk_txn_view(txn), meta, &cursor, err);
    if (status == RK_OK)
        status = rk_quarantine_next(cursor, true, &entry, err);
    while (status == RK_OK && count < REMOVALS_MAX) {
        if (tier_of(job->spec, entry.key) == job->tier)
            status = rk_arena_copy(what->arena, entry.key, &keys[count++], err);
        if (status == RK_OK)
            status = rk_quarantine_next(cursor, false, &entry, err);
    }
    rk_cursor_close(cursor);
    what->more = status == RK_OK;
    if (status == RK_NOT_FOUND)
        status = RK_OK;
    for (size_t i = 0; status == RK_OK && i < count; i++)
        status = rk_quarantine_remove(txn, meta, keys[i], err);
    *changed = count > 0;
    return status;
}

rk_status rki_sweep_quarantine(const rki_job *job, rk_error *err)
{
    rk_arena arena;
    release what = {.job = job, .arena = &arena, .more = true};
    rk_status status = RK_OK;
    rk_arena_init(&arena, ARENA_BYTES_MAX);
    while (status == RK_OK && what.more)
        status = rki_change_store(job->store, do_release, &what, err);
    rk_arena_fini(&arena);
    return status;
}
