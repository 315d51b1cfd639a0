#include "rekey/engine/writer.h"

#include <inttypes.h>

#include "rekey/base/fault.h"
#include "rekey/engine/change.h"

#define ARENA_BYTES_MAX  ((size_t)256 * 1024 * 1024)
#define DECIDE_TRIES_MAX 8

#define STEP_UNITS_MIN 64 /* between looks at the clock */
#define STEP_UNITS_MAX 1024
#define PACE_UNITS_MIN 16 /* of which a step says something about the next one */

rk_status rki_writer_init(rki_writer *writer, const rki_job *job, const rk_actor *actor,
                          const rk_clock *clock, rk_error *err)
{
    *writer =
        (rki_writer){.job = job, .actor = actor, .clock = clock, .next_state = RK_STATE_UNKNOWN};
    rk_arena_init(&writer->arena, ARENA_BYTES_MAX);
    return rki_job_transformer(job, 0, &writer->transformer, err);
}

void rki_writer_fini(rki_writer *writer)
{
    rk_transformer_destroy(writer->transformer);
    rk_arena_fini(&writer->arena);
    writer->transformer = NULL;
}

/* --- fences ----------------------------------------------------------------------------------- */

static rk_status check_fences(const rki_writer *writer, rk_txn *txn, rk_error *err)
{
    const rki_job *job = writer->job;
    rk_table meta = job->tables->meta;
    rk_state state;
    rk_status status =
        rki_lease_hold(txn, meta, writer->actor, rk_clock_wall_ms(writer->clock), err);
    if (status == RK_OK)
        status = rk_state_load(rk_txn_view(txn), meta, &state, err);
    if (status == RK_OK && state.epoch != job->epoch)
        status = rk_error_set(err, RK_CONFLICT,
                              "the epoch is now %" PRIu64 "; this job began in %" PRIu64,
                              state.epoch, job->epoch);
    return status;
}

/* --- what the scan has seen ------------------------------------------------------------------- */

/* In a transaction that has begun: whether anybody else has committed since our last one. */
static void notice_others(rki_writer *writer, rk_txn *txn)
{
    uint64_t state = rk_view_state(rk_txn_view(txn));
    if (state != writer->next_state)
        writer->alone_since = state;
    writer->next_state = state;
}

/* After the commit of a batch. One that may have changed nothing may have no number, and another's
 * commit may get it. */
static void count_own(rki_writer *writer, bool changed)
{
    bool counts = changed && writer->next_state != RK_STATE_UNKNOWN;
    writer->next_state = counts ? writer->next_state + 1 : RK_STATE_UNKNOWN;
}

static bool still_holds(const rki_writer *writer, const rki_chunk *chunk)
{
    return chunk->state != RK_STATE_UNKNOWN &&
           (chunk->state >= writer->alone_since || rk_fault("seen_is_true"));
}

/* --- records left alone ----------------------------------------------------------------------- */

static rk_status set_aside(rki_writer *writer, rk_txn *txn, const rki_work *work, rk_error *err)
{
    rk_quarantined entry = {.reason = (uint32_t)work->reason,
                            .entity = work->entity,
                            .key = work->key,
                            .detail = rk_slice_str(work->detail)};
    writer->point.quarantined++;
    writer->stuck += work->reason != RK_REASON_CONFLICT;
    return rk_quarantine_put(txn, writer->job->tables->meta, &entry, err);
}

/* Why a unit whose source is unchanged was refused. */
static void blame(const rki_job *job, rki_work *work, const rk_op *failed)
{
    if (failed->action == RK_ACTION_PUT) {
        work->reason = RK_REASON_CONFLICT;
        work->detail = "another record is already at the key it would move to";
    } else if (failed->condition == RK_IF_PRESENT) {
        work->reason = RK_REASON_ORPHAN;
        work->detail = "its parent is not at the new key";
    } else {
        work->reason = RK_REASON_CONFLICT;
        work->detail = job->kind == RK_JOB_CONTRACT ? "the new record is missing or differs"
                                                    : "the record keeps changing";
    }
}

/* Decides a refused record again, from what the transaction sees. Works on a copy: the chunk must
 * stay as it is in case the whole batch is redone. */
static rk_status decide_again(rki_writer *writer, rk_txn *txn, const rki_work *refused,
                              rki_batch *batch, rk_error *err)
{
    const rki_job *job = writer->job;
    rki_work again = *refused;
    rki_work *work = &again;
    rk_op ops[RKI_UNIT_OPS_MAX];
    rk_unit unit = {.ops = ops};
    for (int tries = 0; tries < DECIDE_TRIES_MAX; tries++) {
        rk_slice value;
        rk_arena_reset(&writer->arena);
        rk_status status =
            rk_view_get(rk_txn_view(txn), job->tables->records, work->key, &value, err);
        if (status == RK_NOT_FOUND)
            return RK_OK; /* deleted meanwhile: nothing to do */
        if (status == RK_OK)
            status = rk_arena_copy(&writer->arena, value, &work->value, err);
        work->reason = RK_REASON_NONE;
        if (status == RK_OK)
            status = rki_work_prepare(job, writer->transformer, rk_txn_view(txn), work,
                                      &writer->arena, ops, &unit.op_count, err);
        if (status == RK_OK && work->reason == RK_REASON_NONE)
            status = rk_txn_apply(txn, &unit, 1, err);
        if (status != RK_OK)
            return status;
        if (work->reason != RK_REASON_NONE)
            break;
        if (unit.outcome != RK_UNIT_REFUSED) {
            batch->applied += unit.outcome == RK_UNIT_APPLIED;
            return RK_OK;
        }
        blame(job, work, &ops[unit.failed_op]);
        bool source_changed = rk_slice_equal(ops[unit.failed_op].key, work->key);
        if (!source_changed)
            break;
    }
    batch->refused++;
    writer->point.done[work->entity]--; /* advance() counts it as migrated, as the scan said */
    return set_aside(writer, txn, work, err);
}

/* --- the batch -------------------------------------------------------------------------------- */

/* How many units to apply before the next look at the clock. The more of them, the less an index
 * costs, which is changed in its own order; but what a unit took before says little when pages are
 * cold, the processor is taken away, or many are refused. So half of what seems to fit. */
static size_t step_units(const rki_writer *writer, uint64_t now_ns, uint64_t until_ns)
{
    if (rki_job_index_tables(writer->job) == 0 || writer->unit_ns == 0 || now_ns >= until_ns)
        return STEP_UNITS_MIN;
    uint64_t units = (until_ns - now_ns) / 2 / writer->unit_ns;
    if (units < STEP_UNITS_MIN)
        return STEP_UNITS_MIN;
    return units > STEP_UNITS_MAX ? STEP_UNITS_MAX : (size_t)units;
}

/* Slower at once, faster little by little. */
static void note_pace(rki_writer *writer, size_t units, uint64_t took_ns)
{
    uint64_t eased_ns = writer->unit_ns - writer->unit_ns / 8;
    if (units >= PACE_UNITS_MIN)
        writer->unit_ns = took_ns / units > eased_ns ? took_ns / units : eased_ns;
}

/* Applies up to `most` units from *at on, to the next record that is left alone. */
static rk_status apply_step(rki_writer *writer, rk_txn *txn, rki_chunk *chunk, size_t most,
                            size_t *at, rki_batch *batch, rk_error *err)
{
    bool seen_holds = still_holds(writer, chunk);
    size_t from = *at;
    size_t end = from;
    for (; end - from < most && chunk->work[end].reason == RK_REASON_NONE; end++)
        chunk->units[end].seen_holds = seen_holds;
    rk_status status = rk_txn_apply(txn, chunk->units + from, end - from, err);
    /* In order: a child's parent may be among the records decided anew. */
    for (size_t i = from; status == RK_OK && i < end; i++) {
        if (chunk->units[i].outcome == RK_UNIT_APPLIED)
            batch->applied++;
        else if (chunk->units[i].outcome == RK_UNIT_REFUSED)
            status = decide_again(writer, txn, &chunk->work[i], batch, err);
    }
    *at = end;
    return status;
}

/* Until the time is up. *count is what it came to. */
static rk_status apply_units(rki_writer *writer, rk_txn *txn, const rki_span *span,
                             uint64_t until_ns, size_t *count, rki_batch *batch, rk_error *err)
{
    rk_status status = RK_OK;
    rki_chunk *chunk = span->chunk;
    size_t end = span->from + span->count;
    size_t i = span->from;
    uint64_t now_ns = rk_clock_monotonic_ns(writer->clock);
    while (status == RK_OK && i < end) {
        bool begun = batch->records > 0 || i > span->from;
        if (begun && now_ns > until_ns)
            break;
        size_t most = step_units(writer, now_ns, until_ns);
        size_t from = i;
        uint64_t before_ns = now_ns;
        bool aside = chunk->work[i].reason != RK_REASON_NONE;
        if (aside)
            status = set_aside(writer, txn, &chunk->work[i++], err);
        else
            status =
                apply_step(writer, txn, chunk, most < end - i ? most : end - i, &i, batch, err);
        now_ns = rk_clock_monotonic_ns(writer->clock);
        if (!aside)
            note_pace(writer, i - from, now_ns - before_ns);
    }
    *count = i - span->from;
    return status;
}

/* Moves the checkpoint behind the last record, or to the next stage at a stage's end. */
static void advance(rki_writer *writer, const rki_chunk *chunk, size_t from, size_t count)
{
    rk_checkpoint *point = &writer->point;
    for (size_t i = from; i < from + count; i++)
        if (chunk->work[i].reason == RK_REASON_NONE)
            point->done[chunk->work[i].entity]++;
    point->stage = chunk->stage;
    if (chunk->stage_end && from + count == chunk->count) {
        point->stage++;
        point->rank = 0;
        point->tenant_len = 0;
        point->key_len = 0;
        point->finished = point->stage >= rki_job_rule_of(writer->job->kind)->stages;
        return;
    }
    if (count == 0)
        return;
    const rki_work *last = &chunk->work[from + count - 1];
    point->rank = last->rank;
    point->tenant_len = last->tenant.len;
    point->key_len = last->key.len;
    if (last->tenant.len > 0)
        memcpy(point->tenant, last->tenant.ptr, last->tenant.len);
    memcpy(point->key, last->key.ptr, last->key.len);
}

static rk_status write_spans(rki_writer *writer, rk_txn *txn, const rki_span *spans,
                             size_t span_count, uint64_t until_ns, rki_batch *batch, rk_error *err)
{
    rk_status status = RK_OK;
    bool cut = false;
    for (size_t i = 0; status == RK_OK && i < span_count && !cut; i++) {
        const rki_span *span = &spans[i];
        size_t count = 0;
        status = apply_units(writer, txn, span, until_ns, &count, batch, err);
        if (status != RK_OK)
            break;
        cut = count < span->count;
        batch->records += (uint32_t)count;
        advance(writer, span->chunk, span->from,
                rk_fault("checkpoint_ahead") && !cut ? span->chunk->count - span->from : count);
    }
    writer->point.changes += batch->applied;
    return status;
}

static rk_status write_once(rki_writer *writer, const rki_span *spans, size_t span_count,
                            rki_batch *batch, rk_error *err)
{
    const rki_job *job = writer->job;
    rk_txn *txn = NULL;
    rk_fault_window("checkpoint_ahead");
    rk_status status = rk_txn_begin(job->store, &txn, err);
    if (status != RK_OK)
        return status;
    uint64_t began_ns = rk_clock_monotonic_ns(writer->clock);
    uint64_t until_ns = writer->work_ns_max ? began_ns + writer->work_ns_max : UINT64_MAX;
    notice_others(writer, txn);
    status = check_fences(writer, txn, err);
    if (status == RK_OK)
        status = write_spans(writer, txn, spans, span_count, until_ns, batch, err);
    if (status == RK_OK)
        status = rk_checkpoint_save(txn, job->tables->meta, job->tier, &writer->point, err);
    batch->work_ns = rk_clock_monotonic_ns(writer->clock) - began_ns;
    if (status == RK_OK)
        status = rk_txn_commit(txn, err);
    else
        rk_txn_abort(txn);
    batch->held_ns = rk_clock_monotonic_ns(writer->clock) - began_ns;
    count_own(writer, status == RK_OK && batch->applied > 0);
    return status;
}

/* One batch and what it started from. */
typedef struct attempt {
    rki_writer *writer;
    const rki_span *spans;
    size_t span_count;
    rki_batch batch;
} attempt;

static rk_status try_batch(void *context, rk_error *err)
{
    attempt *a = context;
    rk_checkpoint before = a->writer->point;
    uint64_t stuck = a->writer->stuck;
    a->batch = (rki_batch){0};
    rk_status status = write_once(a->writer, a->spans, a->span_count, &a->batch, err);
    if (status != RK_OK) {
        a->writer->point = before;
        a->writer->stuck = stuck;
    }
    return status;
}

rk_status rki_writer_batch(rki_writer *writer, const rki_span *spans, size_t span_count,
                           rki_batch *out, rk_error *err)
{
    attempt a = {.writer = writer, .spans = spans, .span_count = span_count};
    rk_status status = rki_with_room(writer->job->store, try_batch, &a, err);
    if (status == RK_OK)
        *out = a.batch;
    return status;
}
