#include "tests/unit/engine/crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rekey/base/clock.h"

static bool is_alive(void *context, const rk_lease *lease)
{
    (void)context;
    (void)lease;
    return true;
}

static void take_lease(crew *c)
{
    rk_error err = {0};
    int64_t now_ms = rk_clock_wall_ms(rk_clock_system());
    rk_txn *txn = shelf_begin(&c->yard->shelf);
    must(rki_lease_take(txn, c->yard->tables.meta, &c->actor, now_ms, &err), &err);
    shelf_commit(txn);
}

void crew_start(crew *c, yard *y, rk_job kind, const rk_checkpoint *from)
{
    rk_error err = {0};
    *c = (crew){.yard = y, .job = yard_job(y, kind, RK_TIER_PRODUCTION)};
    c->actor =
        (rk_actor){.lease = {.token = {7}, .host = "here", .command = "run"}, .alive = is_alive};
    take_lease(c);
    must(rki_writer_init(&c->writer, &c->job, &c->actor, rk_clock_system(), &err), &err);
    if (from)
        c->writer.point = *from;
    c->writer.point.job = kind;
    c->writer.point.epoch = c->job.tier_epoch;
    must(rki_walker_create(&c->job, from, &c->walker, &err), &err);
    must(rk_transformer_create(y->spec, &y->tables, 511, 0, &c->transformer, &err), &err);
    must(rki_chunk_init(&c->chunk, NULL, &err), &err);
    c->chunk.ops = calloc((size_t)512 * RKI_UNIT_OPS_MAX, sizeof *c->chunk.ops);
    assert_non_null(c->chunk.ops);
}

void crew_stop(crew *c)
{
    rki_chunk_fini(&c->chunk);
    rk_transformer_destroy(c->transformer);
    rki_walker_destroy(c->walker);
    rki_writer_fini(&c->writer);
}

bool crew_scan(crew *c)
{
    rk_error err = {0};
    rki_chunk *chunk = &c->chunk;
    rk_status status = rki_walker_next(c->walker, chunk, &err);
    if (status == RK_NOT_FOUND)
        return false;
    must(status, &err);
    assert_true(chunk->count <= 512);
    rk_view *view = shelf_look(&c->yard->shelf);
    chunk->op_count = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        rk_op *ops = chunk->ops + chunk->op_count;
        chunk->units[i] = (rk_unit){.ops = ops};
        must(rki_work_prepare(&c->job, c->transformer, view, &chunk->work[i], &chunk->arena, ops,
                              &chunk->units[i].op_count, &err),
             &err);
        chunk->op_count += chunk->units[i].op_count;
    }
    rk_snapshot_close(view);
    return true;
}

rk_status crew_write(crew *c, size_t from, size_t count, rki_batch *batch)
{
    rk_error err = {0};
    rki_span span = {&c->chunk, from, count};
    return rki_writer_batch(&c->writer, &span, 1, batch, &err);
}

rk_status crew_write_all(crew *c, rki_batch *batch)
{
    return crew_write(c, 0, c->chunk.count, batch);
}

void crew_scan_records(crew *c)
{
    rki_batch batch;
    assert_true(crew_scan(c) && c->chunk.stage == 0);
    must(crew_write_all(c, &batch), NULL);
    assert_true(crew_scan(c) && c->chunk.stage == 1);
}

rk_status yard_point(yard *y, rk_checkpoint *out)
{
    rk_view *view = shelf_look(&y->shelf);
    rk_status status = rk_checkpoint_load(view, y->tables.meta, RK_TIER_PRODUCTION, out, NULL);
    rk_snapshot_close(view);
    return status;
}

rk_reason yard_quarantined(yard *y, const char *key)
{
    rk_reason reason = RK_REASON_NONE;
    rk_quarantined entry;
    rk_cursor *cursor = NULL;
    rk_view *view = shelf_look(&y->shelf);
    must(rk_cursor_open(view, y->tables.meta, &cursor, NULL), NULL);
    rk_status status = rk_quarantine_next(cursor, true, &entry, NULL);
    for (; status == RK_OK; status = rk_quarantine_next(cursor, false, &entry, NULL))
        if (rk_slice_equal(entry.key, rk_slice_str(key)))
            reason = (rk_reason)entry.reason;
    rk_cursor_close(cursor);
    rk_snapshot_close(view);
    return reason;
}

void yard_holds(yard *y, const char *name, const char *key, const char *value)
{
    const char *found = yard_get(y, key);
    if (found ? !value || strcmp(found, value) != 0 : value != NULL)
        fail_msg("%s: %s holds %s, not %s", name, key, found ? found : "nothing",
                 value ? value : "nothing");
}
