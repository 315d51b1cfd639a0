#include "rekey/state/decision.h"

#include <stdio.h>

#include "rekey/state/layout.h"

#define PLACEMENT_KEY RK_SLICE_LITERAL("placement")
#define LEADER_KEY    RK_SLICE_LITERAL("coordinator")
#define PREPARED_KEY  RK_SLICE_LITERAL("prepared")
#define DECIDED       "decided/"
#define DECIDED_BYTES (sizeof DECIDED + RK_DECISION_ID_HEX_BYTES)

/* --- placement -------------------------------------------------------------------------------- */

rk_status rk_placement_load(rk_view *view, rk_table meta, rk_placement *out, rk_error *err)
{
    rk_reader reader;
    rk_placement placement = {0};
    rk_status status = rki_record_open(view, meta, PLACEMENT_KEY, &reader, err);
    if (status != RK_OK)
        return status;
    rki_take_fixed(&reader, placement.cluster.bytes, sizeof placement.cluster.bytes);
    rki_take_text(&reader, placement.node, sizeof placement.node);
    status = rki_record_close(&reader, "placement", err);
    if (status == RK_OK)
        *out = placement;
    return status;
}

rk_status rk_placement_save(rk_txn *txn, rk_table meta, const rk_placement *placement,
                            rk_error *err)
{
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_bytes(&encoder.writer,
                   rk_slice_of(placement->cluster.bytes, sizeof placement->cluster.bytes));
    rk_write_bytes(&encoder.writer, rk_slice_str(placement->node));
    return rki_encoder_save(&encoder, txn, meta, PLACEMENT_KEY);
}

/* --- the coordinator -------------------------------------------------------------------------- */

rk_status rk_leader_load(rk_view *view, rk_table meta, rk_leader *out, rk_error *err)
{
    rk_reader reader;
    rk_leader leader = {0};
    rk_status status = rki_record_open(view, meta, LEADER_KEY, &reader, err);
    if (status != RK_OK)
        return status;
    leader.epoch = rk_take_u64(&reader);
    rki_take_fixed(&reader, leader.token, sizeof leader.token);
    rki_take_text(&reader, leader.holder, sizeof leader.holder);
    leader.renewed_ms = (int64_t)rk_take_u64(&reader);
    status = rki_record_close(&reader, "coordinator", err);
    if (status == RK_OK)
        *out = leader;
    return status;
}

rk_status rk_leader_save(rk_txn *txn, rk_table meta, const rk_leader *leader, rk_error *err)
{
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_u64(&encoder.writer, leader->epoch);
    rk_write_bytes(&encoder.writer, rk_slice_of(leader->token, sizeof leader->token));
    rk_write_bytes(&encoder.writer, rk_slice_str(leader->holder));
    rk_write_u64(&encoder.writer, (uint64_t)leader->renewed_ms);
    return rki_encoder_save(&encoder, txn, meta, LEADER_KEY);
}

/* --- decisions -------------------------------------------------------------------------------- */

rk_status rk_prepared_load(rk_view *view, rk_table meta, rk_prepared *out, rk_error *err)
{
    rk_reader reader;
    rk_prepared prepared = {0};
    rk_status status = rki_record_open(view, meta, PREPARED_KEY, &reader, err);
    if (status != RK_OK)
        return status;
    rki_take_fixed(&reader, prepared.id.bytes, sizeof prepared.id.bytes);
    uint8_t move = rk_take_u8(&reader);
    reader.ok =
        reader.ok && (move == RK_MOVE_FLIP || move == RK_MOVE_ROLLBACK || move == RK_MOVE_CONTRACT);
    prepared.move = (rk_move)move;
    for (int i = 0; i < RK_TIER_COUNT; i++)
        prepared.tier[i] = rki_take_bool(&reader);
    prepared.epoch = rk_take_u64(&reader);
    rki_take_text(&reader, prepared.decider, sizeof prepared.decider);
    status = rki_record_close(&reader, "prepared", err);
    if (status == RK_OK)
        *out = prepared;
    return status;
}

rk_status rk_prepared_save(rk_txn *txn, rk_table meta, const rk_prepared *prepared, rk_error *err)
{
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_bytes(&encoder.writer, rk_slice_of(prepared->id.bytes, sizeof prepared->id.bytes));
    rk_write_u8(&encoder.writer, (uint8_t)prepared->move);
    for (int i = 0; i < RK_TIER_COUNT; i++)
        rk_write_u8(&encoder.writer, prepared->tier[i]);
    rk_write_u64(&encoder.writer, prepared->epoch);
    rk_write_bytes(&encoder.writer, rk_slice_str(prepared->decider));
    return rki_encoder_save(&encoder, txn, meta, PREPARED_KEY);
}

rk_status rk_prepared_clear(rk_txn *txn, rk_table meta, rk_error *err)
{
    return rk_txn_delete(txn, meta, PREPARED_KEY, err);
}

static rk_slice decided_key(const rk_decision_id *id, char out[DECIDED_BYTES])
{
    char hex[RK_DECISION_ID_HEX_BYTES];
    rk_hex(rk_slice_of(id->bytes, sizeof id->bytes), hex);
    int length = snprintf(out, DECIDED_BYTES, DECIDED "%s", hex);
    return rk_slice_of(out, (size_t)length);
}

rk_status rk_decided_load(rk_view *view, rk_table meta, const rk_decision_id *id, bool *committed,
                          rk_error *err)
{
    char key[DECIDED_BYTES];
    rk_reader reader;
    rk_status status = rki_record_open(view, meta, decided_key(id, key), &reader, err);
    if (status != RK_OK)
        return status;
    bool is_committed = rki_take_bool(&reader);
    (void)rk_take_u64(&reader); /* the epoch, which only the sweep asks for */
    status = rki_record_close(&reader, "decided", err);
    if (status == RK_OK)
        *committed = is_committed;
    return status;
}

rk_status rk_decided_save(rk_txn *txn, rk_table meta, const rk_decision_id *id, bool committed,
                          uint64_t leader_epoch, rk_error *err)
{
    char key[DECIDED_BYTES];
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_u8(&encoder.writer, committed);
    rk_write_u64(&encoder.writer, leader_epoch);
    return rki_encoder_save(&encoder, txn, meta, decided_key(id, key));
}

static bool is_older(rk_view *view, rk_table meta, rk_slice key, uint64_t leader_epoch)
{
    rk_reader reader;
    if (rki_record_open(view, meta, key, &reader, NULL) != RK_OK)
        return false;
    (void)rki_take_bool(&reader);
    uint64_t epoch = rk_take_u64(&reader);
    return rk_reader_done(&reader) && epoch < leader_epoch;
}

/* In one transaction a cursor does not outlive a delete: first the keys, then the deletes. */
rk_status rk_decided_sweep(rk_txn *txn, rk_table meta, uint64_t leader_epoch, rk_error *err)
{
    char keys[RK_DECIDED_SWEEP_MAX][DECIDED_BYTES];
    size_t count = 0;
    rk_cursor *cursor = NULL;
    rk_entry entry;
    rk_view *view = rk_txn_view(txn);
    const rk_slice prefix = RK_SLICE_LITERAL(DECIDED);
    rk_status status = rk_cursor_open(view, meta, &cursor, err);
    if (status == RK_OK)
        status = rk_cursor_seek(cursor, prefix, &entry, err);
    while (status == RK_OK && count < RK_DECIDED_SWEEP_MAX &&
           rk_slice_starts_with(entry.key, prefix)) {
        if (entry.key.len < DECIDED_BYTES && is_older(view, meta, entry.key, leader_epoch))
            snprintf(keys[count++], DECIDED_BYTES, "%.*s", (int)entry.key.len,
                     (const char *)entry.key.ptr);
        status = rk_cursor_next(cursor, &entry, err);
    }
    rk_cursor_close(cursor);
    if (status == RK_NOT_FOUND)
        status = RK_OK;
    for (size_t i = 0; status == RK_OK && i < count; i++)
        status = rk_txn_delete(txn, meta, rk_slice_str(keys[i]), err);
    return status;
}
