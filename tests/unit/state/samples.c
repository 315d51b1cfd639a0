#include "tests/unit/state/samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define LAST (RK_ENTITIES_MAX - 1)

static void fill(void *out, size_t size)
{
    memset(out, 0xA5, size);
}

/* Passes the status on; an output of a failed load must still be what fill left. */
static rk_status checked(rk_status status, const void *out, size_t size)
{
    const uint8_t *bytes = out;
    for (size_t i = 0; status != RK_OK && i < size; i++)
        assert_int_equal(bytes[i], 0xA5);
    return status;
}

/* --- state ------------------------------------------------------------------------------------ */

static const rk_state state_sample = {
    .epoch = UINT64_C(0x1122334455667788),
    .migration = "202601010000_state",
    .spec_digest = {{1, 2, 3, [31] = 4}},
    .has_canary = true,
    .tier = {{RK_PHASE_FLIPPED, true, 7}, {RK_PHASE_DUAL_WRITE, false, 6}},
    .stopped_by = "free_space",
};

static rk_status save_state(rk_txn *txn, rk_table meta, rk_error *err)
{
    return rk_state_save(txn, meta, &state_sample, err);
}

static rk_status load_state(rk_view *view, rk_table meta, rk_error *err)
{
    rk_state out;
    fill(&out, sizeof out);
    rk_status status = checked(rk_state_load(view, meta, &out, err), &out, sizeof out);
    if (status != RK_OK)
        return status;
    assert_true(out.epoch == state_sample.epoch);
    assert_string_equal(out.migration, state_sample.migration);
    assert_memory_equal(&out.spec_digest, &state_sample.spec_digest, sizeof out.spec_digest);
    assert_true(out.has_canary);
    for (int i = 0; i < RK_TIER_COUNT; i++) {
        assert_int_equal(out.tier[i].phase, state_sample.tier[i].phase);
        assert_int_equal(out.tier[i].undoing, state_sample.tier[i].undoing);
        assert_true(out.tier[i].epoch == state_sample.tier[i].epoch);
    }
    assert_string_equal(out.stopped_by, state_sample.stopped_by);
    return status;
}

/* --- spec ------------------------------------------------------------------------------------- */

static char file_a[] = "a.csv";
static char file_b[] = "b.csv";
static char spec_name[] = "202601010000_state.yaml";

static rk_status save_spec(rk_txn *txn, rk_table meta, rk_error *err)
{
    rk_spec_file files[] = {{file_a, rk_slice_str("t1,PROD\n")}, {file_b, RK_SLICE_EMPTY}};
    rk_spec_source source = {
        .name = spec_name, .text = rk_slice_str("a: 1\n"), .files = files, .file_count = 2};
    return rk_state_spec_save(txn, meta, &source, err);
}

static rk_status load_spec(rk_view *view, rk_table meta, rk_error *err)
{
    rk_spec_source out;
    fill(&out, sizeof out);
    rk_status status = checked(rk_state_spec_load(view, meta, &out, err), &out, sizeof out);
    if (status != RK_OK)
        return status;
    assert_string_equal(out.name, spec_name);
    assert_true(rk_slice_equal(out.text, rk_slice_str("a: 1\n")));
    assert_int_equal(out.file_count, 2);
    assert_string_equal(out.files[0].name, file_a);
    assert_true(rk_slice_equal(out.files[0].bytes, rk_slice_str("t1,PROD\n")));
    assert_string_equal(out.files[1].name, file_b);
    assert_int_equal(out.files[1].bytes.len, 0);
    rk_spec_source_fini(&out);
    return status;
}

/* --- plans ------------------------------------------------------------------------------------ */

static const rk_active_plan plan_sample = {
    .digest = {{9, [31] = 8}},
    .template_entity = LAST,
    .total = {1, 2, [LAST] = UINT64_MAX},
    .quarantined = 12,
};

static rk_status save_plan(rk_txn *txn, rk_table meta, rk_error *err)
{
    return rk_active_plan_save(txn, meta, &plan_sample, err);
}

static rk_status load_plan(rk_view *view, rk_table meta, rk_error *err)
{
    rk_active_plan out;
    fill(&out, sizeof out);
    rk_status status = checked(rk_active_plan_load(view, meta, &out, err), &out, sizeof out);
    if (status != RK_OK)
        return status;
    assert_memory_equal(&out.digest, &plan_sample.digest, sizeof out.digest);
    assert_int_equal(out.template_entity, plan_sample.template_entity);
    assert_memory_equal(out.total, plan_sample.total, sizeof out.total);
    assert_true(out.quarantined == plan_sample.quarantined);
    return status;
}

static rk_status save_used(rk_txn *txn, rk_table meta, rk_error *err)
{
    return rk_used_plan_save(txn, meta, &plan_sample.digest, "rolled back", err);
}

static rk_status load_used(rk_view *view, rk_table meta, rk_error *err)
{
    char why[128];
    fill(why, sizeof why);
    rk_status status =
        checked(rk_used_plan_load(view, meta, &plan_sample.digest, why, err), why, sizeof why);
    if (status == RK_OK)
        assert_string_equal(why, "rolled back");
    return status;
}

/* --- lease ------------------------------------------------------------------------------------ */

static const rk_lease lease_sample = {
    .token = {1, [15] = 2},
    .host = "host.example",
    .command = "run",
    .pid = 4711,
    .process_start = 99,
    .renewed_ms = -5,
};

static rk_status save_lease(rk_txn *txn, rk_table meta, rk_error *err)
{
    return rk_lease_save(txn, meta, &lease_sample, err);
}

static rk_status load_lease(rk_view *view, rk_table meta, rk_error *err)
{
    rk_lease out;
    fill(&out, sizeof out);
    rk_status status = checked(rk_lease_load(view, meta, &out, err), &out, sizeof out);
    if (status != RK_OK)
        return status;
    assert_memory_equal(out.token, lease_sample.token, sizeof out.token);
    assert_string_equal(out.host, lease_sample.host);
    assert_string_equal(out.command, lease_sample.command);
    assert_true(out.pid == lease_sample.pid);
    assert_true(out.process_start == lease_sample.process_start);
    assert_true(out.renewed_ms == lease_sample.renewed_ms);
    return status;
}

/* --- checkpoint ------------------------------------------------------------------------------- */

static const rk_checkpoint point_sample = {
    .job = RK_JOB_CONTRACT,
    .epoch = 3,
    .stage = 2,
    .finished = true,
    .rank = 5,
    .tenant_len = 4,
    .key_len = RK_STATE_KEY_BYTES_MAX,
    .tenant = {'a', 0, 0xFF, 'b'},
    .key = {'k', [RK_STATE_KEY_BYTES_MAX - 1] = 'z'},
    .done = {10, [LAST] = 11},
    .changes = 12,
    .quarantined = 13,
};

static rk_status save_point(rk_txn *txn, rk_table meta, rk_error *err)
{
    return rk_checkpoint_save(txn, meta, RK_TIER_CANARY, &point_sample, err);
}

static rk_status load_point(rk_view *view, rk_table meta, rk_error *err)
{
    rk_checkpoint out;
    fill(&out, sizeof out);
    rk_status status =
        checked(rk_checkpoint_load(view, meta, RK_TIER_CANARY, &out, err), &out, sizeof out);
    if (status != RK_OK)
        return status;
    assert_int_equal(out.job, point_sample.job);
    assert_true(out.epoch == point_sample.epoch && out.stage == point_sample.stage);
    assert_true(out.finished && out.rank == point_sample.rank);
    assert_int_equal(out.tenant_len, point_sample.tenant_len);
    assert_int_equal(out.key_len, point_sample.key_len);
    assert_memory_equal(out.tenant, point_sample.tenant, point_sample.tenant_len);
    assert_memory_equal(out.key, point_sample.key, point_sample.key_len);
    assert_memory_equal(out.done, point_sample.done, sizeof out.done);
    assert_true(out.changes == point_sample.changes);
    assert_true(out.quarantined == point_sample.quarantined);
    return status;
}

/* --- verdict ---------------------------------------------------------------------------------- */

static const rk_verdict verdict_sample = {
    .clean = true,
    .epoch = 8,
    .plan = {{1, [31] = 2}},
    .evidence = {.fingerprint = {{3, [31] = 4}}, .client_commits = 5, .differences = 7},
    .wall_ms = 1767225600000,
};

static rk_status save_verdict(rk_txn *txn, rk_table meta, rk_error *err)
{
    return rk_verdict_save(txn, meta, RK_TIER_PRODUCTION, &verdict_sample, err);
}

static rk_status load_verdict(rk_view *view, rk_table meta, rk_error *err)
{
    rk_verdict out;
    fill(&out, sizeof out);
    rk_status status =
        checked(rk_verdict_load(view, meta, RK_TIER_PRODUCTION, &out, err), &out, sizeof out);
    if (status != RK_OK)
        return status;
    assert_true(out.clean && out.epoch == verdict_sample.epoch);
    assert_memory_equal(&out.plan, &verdict_sample.plan, sizeof out.plan);
    assert_memory_equal(&out.evidence, &verdict_sample.evidence, sizeof out.evidence);
    assert_true(out.wall_ms == verdict_sample.wall_ms);
    return status;
}

/* --- client, quarantine, shadow --------------------------------------------------------------- */

static rk_status save_client(rk_txn *txn, rk_table meta, rk_error *err)
{
    rk_status status = rk_client_commits_add(txn, meta, err);
    return status == RK_OK ? rk_client_commits_add(txn, meta, err) : status;
}

static rk_status load_client(rk_view *view, rk_table meta, rk_error *err)
{
    uint64_t commits;
    fill(&commits, sizeof commits);
    rk_status status =
        checked(rk_client_commits_load(view, meta, &commits, err), &commits, sizeof commits);
    if (status == RK_OK)
        assert_int_equal(commits, 2);
    return status;
}

static rk_status save_quarantined(rk_txn *txn, rk_table meta, rk_error *err)
{
    rk_quarantined entry = {5, -1, RK_SLICE_LITERAL("k\0\xff"), RK_SLICE_LITERAL("a line")};
    return rk_quarantine_put(txn, meta, &entry, err);
}

static rk_status load_quarantined(rk_view *view, rk_table meta, rk_error *err)
{
    rk_quarantined out;
    rk_cursor *cursor = NULL;
    fill(&out, sizeof out);
    assert_int_equal(rk_cursor_open(view, meta, &cursor, err), RK_OK);
    rk_status status = checked(rk_quarantine_next(cursor, true, &out, err), &out, sizeof out);
    if (status == RK_OK) {
        assert_int_equal(out.reason, 5);
        assert_int_equal(out.entity, -1);
        assert_true(rk_slice_equal(out.key, RK_SLICE_LITERAL("k\0\xff")));
        assert_true(rk_slice_equal(out.detail, RK_SLICE_LITERAL("a line")));
    }
    rk_cursor_close(cursor);
    return status;
}

static rk_status save_shadow(rk_txn *txn, rk_table meta, rk_error *err)
{
    rk_shadow shadow = {63, RK_SLICE_LITERAL("new key")};
    return rk_shadow_put(txn, meta, &shadow, err);
}

static rk_status load_shadow(rk_view *view, rk_table meta, rk_error *err)
{
    rk_shadow out;
    rk_cursor *cursor = NULL;
    fill(&out, sizeof out);
    assert_int_equal(rk_cursor_open(view, meta, &cursor, err), RK_OK);
    rk_status status = checked(rk_shadow_next(cursor, true, &out, err), &out, sizeof out);
    if (status == RK_OK) {
        assert_int_equal(out.entity, 63);
        assert_true(rk_slice_equal(out.new_key, RK_SLICE_LITERAL("new key")));
    }
    rk_cursor_close(cursor);
    return status;
}

const sample samples[] = {
    {"state", "state", save_state, load_state},
    {"spec", "spec", save_spec, load_spec},
    {"plan", "plan", save_plan, load_plan},
    {"used", "used/", save_used, load_used},
    {"lease", "lease", save_lease, load_lease},
    {"task", "task/canary", save_point, load_point},
    {"verify", "verify/production", save_verdict, load_verdict},
    {"client", "client", save_client, load_client},
    {"quarantine", "quarantine/", save_quarantined, load_quarantined},
    {"shadow", "shadow/", save_shadow, load_shadow},
};
const size_t sample_count = sizeof samples / sizeof *samples;
