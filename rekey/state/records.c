#include <stdio.h>

#include "rekey/state/layout.h"

#define PLAN_KEY  RK_SLICE_LITERAL("plan")
#define LEASE_KEY RK_SLICE_LITERAL("lease")

static rk_slice tier_key(const char *prefix, rk_tier tier, char out[32])
{
    int length = snprintf(out, 32, "%s/%s", prefix, rk_tier_name(tier));
    return rk_slice_of(out, (size_t)length);
}

/* --- plans ------------------------------------------------------------------------------------ */

rk_status rk_active_plan_load(rk_view *view, rk_table meta, rk_active_plan *out, rk_error *err)
{
    rk_reader reader;
    rk_active_plan plan = {0};
    rk_status status = rki_record_open(view, meta, PLAN_KEY, &reader, err);
    if (status != RK_OK)
        return status;
    rki_take_fixed(&reader, plan.digest.bytes, sizeof plan.digest.bytes);
    plan.template_entity = rk_take_u32(&reader);
    for (size_t i = 0; i < RK_ENTITIES_MAX; i++)
        plan.total[i] = rk_take_u64(&reader);
    plan.quarantined = rk_take_u64(&reader);
    reader.ok = reader.ok && plan.template_entity < RK_ENTITIES_MAX;
    status = rki_record_close(&reader, "plan", err);
    if (status == RK_OK)
        *out = plan;
    return status;
}

rk_status rk_active_plan_save(rk_txn *txn, rk_table meta, const rk_active_plan *plan, rk_error *err)
{
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_bytes(&encoder.writer, rk_slice_of(plan->digest.bytes, sizeof plan->digest.bytes));
    rk_write_u32(&encoder.writer, plan->template_entity);
    for (size_t i = 0; i < RK_ENTITIES_MAX; i++)
        rk_write_u64(&encoder.writer, plan->total[i]);
    rk_write_u64(&encoder.writer, plan->quarantined);
    return rki_encoder_save(&encoder, txn, meta, PLAN_KEY);
}

rk_status rk_active_plan_clear(rk_txn *txn, rk_table meta, rk_error *err)
{
    return rk_txn_delete(txn, meta, PLAN_KEY, err);
}

static rk_slice used_key(const rk_digest *plan, char out[96])
{
    char hex[RK_DIGEST_HEX_BYTES];
    rk_hex(rk_slice_of(plan->bytes, sizeof plan->bytes), hex);
    int length = snprintf(out, 96, "used/%s", hex);
    return rk_slice_of(out, (size_t)length);
}

rk_status rk_used_plan_save(rk_txn *txn, rk_table meta, const rk_digest *plan, const char *why,
                            rk_error *err)
{
    char key[96];
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_bytes(&encoder.writer, rk_slice_str(why));
    return rki_encoder_save(&encoder, txn, meta, used_key(plan, key));
}

rk_status rk_used_plan_load(rk_view *view, rk_table meta, const rk_digest *plan, char why[128],
                            rk_error *err)
{
    char key[96];
    char text[128];
    rk_reader reader;
    rk_status status = rki_record_open(view, meta, used_key(plan, key), &reader, err);
    if (status != RK_OK)
        return status;
    rki_take_text(&reader, text, sizeof text);
    status = rki_record_close(&reader, "used", err);
    if (status == RK_OK)
        memcpy(why, text, sizeof text);
    return status;
}

/* --- lease ------------------------------------------------------------------------------------ */

rk_status rk_lease_load(rk_view *view, rk_table meta, rk_lease *out, rk_error *err)
{
    rk_reader reader;
    rk_lease lease = {0};
    rk_status status = rki_record_open(view, meta, LEASE_KEY, &reader, err);
    if (status != RK_OK)
        return status;
    rki_take_fixed(&reader, lease.token, sizeof lease.token);
    rki_take_text(&reader, lease.host, sizeof lease.host);
    rki_take_text(&reader, lease.command, sizeof lease.command);
    lease.pid = rk_take_u64(&reader);
    lease.process_start = rk_take_u64(&reader);
    lease.renewed_ms = (int64_t)rk_take_u64(&reader);
    status = rki_record_close(&reader, "lease", err);
    if (status == RK_OK)
        *out = lease;
    return status;
}

rk_status rk_lease_save(rk_txn *txn, rk_table meta, const rk_lease *lease, rk_error *err)
{
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_bytes(&encoder.writer, rk_slice_of(lease->token, sizeof lease->token));
    rk_write_bytes(&encoder.writer, rk_slice_str(lease->host));
    rk_write_bytes(&encoder.writer, rk_slice_str(lease->command));
    rk_write_u64(&encoder.writer, lease->pid);
    rk_write_u64(&encoder.writer, lease->process_start);
    rk_write_u64(&encoder.writer, (uint64_t)lease->renewed_ms);
    return rki_encoder_save(&encoder, txn, meta, LEASE_KEY);
}

rk_status rk_lease_clear(rk_txn *txn, rk_table meta, rk_error *err)
{
    return rk_txn_delete(txn, meta, LEASE_KEY, err);
}

/* --- checkpoints ------------------------------------------------------------------------------ */

static void take_position(rk_reader *reader, uint8_t *out, size_t *len)
{
    rk_slice bytes = rk_take_bytes(reader);
    if (bytes.len > RK_STATE_KEY_BYTES_MAX) {
        reader->ok = false;
        return;
    }
    if (bytes.len > 0)
        memcpy(out, bytes.ptr, bytes.len);
    *len = bytes.len;
}

rk_status rk_checkpoint_load(rk_view *view, rk_table meta, rk_tier tier, rk_checkpoint *out,
                             rk_error *err)
{
    char key[32];
    rk_reader reader;
    rk_checkpoint point = {0};
    rk_status status = rki_record_open(view, meta, tier_key("task", tier, key), &reader, err);
    if (status != RK_OK)
        return status;
    uint8_t job = rk_take_u8(&reader);
    reader.ok = reader.ok && job <= RK_JOB_CONTRACT;
    point.job = (rk_job)job;
    point.epoch = rk_take_u64(&reader);
    point.stage = rk_take_u32(&reader);
    point.finished = rki_take_bool(&reader);
    point.rank = rk_take_u32(&reader);
    take_position(&reader, point.tenant, &point.tenant_len);
    take_position(&reader, point.key, &point.key_len);
    for (size_t i = 0; i < RK_ENTITIES_MAX; i++)
        point.done[i] = rk_take_u64(&reader);
    point.changes = rk_take_u64(&reader);
    point.quarantined = rk_take_u64(&reader);
    status = rki_record_close(&reader, "task", err);
    if (status == RK_OK)
        *out = point;
    return status;
}

rk_status rk_checkpoint_save(rk_txn *txn, rk_table meta, rk_tier tier, const rk_checkpoint *point,
                             rk_error *err)
{
    char key[32];
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_u8(&encoder.writer, (uint8_t)point->job);
    rk_write_u64(&encoder.writer, point->epoch);
    rk_write_u32(&encoder.writer, point->stage);
    rk_write_u8(&encoder.writer, point->finished);
    rk_write_u32(&encoder.writer, point->rank);
    rk_write_bytes(&encoder.writer, rk_slice_of(point->tenant, point->tenant_len));
    rk_write_bytes(&encoder.writer, rk_slice_of(point->key, point->key_len));
    for (size_t i = 0; i < RK_ENTITIES_MAX; i++)
        rk_write_u64(&encoder.writer, point->done[i]);
    rk_write_u64(&encoder.writer, point->changes);
    rk_write_u64(&encoder.writer, point->quarantined);
    return rki_encoder_save(&encoder, txn, meta, tier_key("task", tier, key));
}

rk_status rk_checkpoint_clear(rk_txn *txn, rk_table meta, rk_tier tier, rk_error *err)
{
    char key[32];
    return rk_txn_delete(txn, meta, tier_key("task", tier, key), err);
}

/* --- verification ----------------------------------------------------------------------------- */

rk_status rk_verdict_load(rk_view *view, rk_table meta, rk_tier tier, rk_verdict *out,
                          rk_error *err)
{
    char key[32];
    rk_reader reader;
    rk_verdict verdict = {0};
    rk_status status = rki_record_open(view, meta, tier_key("verify", tier, key), &reader, err);
    if (status != RK_OK)
        return status;
    verdict.clean = rki_take_bool(&reader);
    verdict.epoch = rk_take_u64(&reader);
    rki_take_fixed(&reader, verdict.plan.bytes, sizeof verdict.plan.bytes);
    rki_take_fixed(&reader, verdict.evidence.fingerprint.bytes,
                   sizeof verdict.evidence.fingerprint.bytes);
    verdict.evidence.client_commits = rk_take_u64(&reader);
    verdict.evidence.differences = rk_take_u64(&reader);
    verdict.wall_ms = (int64_t)rk_take_u64(&reader);
    status = rki_record_close(&reader, "verify", err);
    if (status == RK_OK)
        *out = verdict;
    return status;
}

rk_status rk_verdict_save(rk_txn *txn, rk_table meta, rk_tier tier, const rk_verdict *verdict,
                          rk_error *err)
{
    char key[32];
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_u8(&encoder.writer, verdict->clean);
    rk_write_u64(&encoder.writer, verdict->epoch);
    rk_write_bytes(&encoder.writer, rk_slice_of(verdict->plan.bytes, sizeof verdict->plan.bytes));
    rk_write_bytes(&encoder.writer, rk_slice_of(verdict->evidence.fingerprint.bytes,
                                                sizeof verdict->evidence.fingerprint.bytes));
    rk_write_u64(&encoder.writer, verdict->evidence.client_commits);
    rk_write_u64(&encoder.writer, verdict->evidence.differences);
    rk_write_u64(&encoder.writer, (uint64_t)verdict->wall_ms);
    return rki_encoder_save(&encoder, txn, meta, tier_key("verify", tier, key));
}

rk_status rk_verdict_clear(rk_txn *txn, rk_table meta, rk_tier tier, rk_error *err)
{
    char key[32];
    return rk_txn_delete(txn, meta, tier_key("verify", tier, key), err);
}
