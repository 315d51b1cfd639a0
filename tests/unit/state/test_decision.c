/* What a node keeps about the cluster's decisions comes back as it was saved, or as RK_CORRUPT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rekey/state/decision.h"
#include "tests/unit/state/shelf.h"

static const rk_placement placement = {.cluster = {{1, 2, [31] = 3}}, .node = "berlin-1"};

static const rk_leader leader = {.epoch = UINT64_C(0x0102030405060708),
                                 .token = {9, [15] = 8},
                                 .holder = "somebody on a host",
                                 .renewed_ms = -7};

static const rk_prepared prepared = {.id = {{4, [15] = 5}},
                                     .move = RK_MOVE_ROLLBACK,
                                     .tier = {false, true},
                                     .epoch = UINT64_MAX,
                                     .decider = "berlin-1"};

static const rk_decision_id decision = {{0xAB, [15] = 0xCD}};

/* Whether an output of a failed load is as it was filled. */
static void untouched(rk_status status, const void *out, size_t size)
{
    const uint8_t *bytes = out;
    for (size_t i = 0; status != RK_OK && i < size; i++)
        assert_int_equal(bytes[i], 0xA5);
}

/* --- one of each ------------------------------------------------------------------------------ */

static rk_status save_placement(rk_txn *txn, rk_table meta)
{
    return rk_placement_save(txn, meta, &placement, NULL);
}

static rk_status load_placement(rk_view *view, rk_table meta, rk_error *err)
{
    rk_placement out;
    memset(&out, 0xA5, sizeof out);
    rk_status status = rk_placement_load(view, meta, &out, err);
    untouched(status, &out, sizeof out);
    if (status == RK_OK) {
        assert_memory_equal(&out.cluster, &placement.cluster, sizeof out.cluster);
        assert_string_equal(out.node, placement.node);
    }
    return status;
}

static rk_status save_leader(rk_txn *txn, rk_table meta)
{
    return rk_leader_save(txn, meta, &leader, NULL);
}

static rk_status load_leader(rk_view *view, rk_table meta, rk_error *err)
{
    rk_leader out;
    memset(&out, 0xA5, sizeof out);
    rk_status status = rk_leader_load(view, meta, &out, err);
    untouched(status, &out, sizeof out);
    if (status == RK_OK) {
        assert_true(out.epoch == leader.epoch && out.renewed_ms == leader.renewed_ms);
        assert_memory_equal(out.token, leader.token, sizeof out.token);
        assert_string_equal(out.holder, leader.holder);
    }
    return status;
}

static rk_status save_prepared(rk_txn *txn, rk_table meta)
{
    return rk_prepared_save(txn, meta, &prepared, NULL);
}

static rk_status load_prepared(rk_view *view, rk_table meta, rk_error *err)
{
    rk_prepared out;
    memset(&out, 0xA5, sizeof out);
    rk_status status = rk_prepared_load(view, meta, &out, err);
    untouched(status, &out, sizeof out);
    if (status == RK_OK) {
        assert_memory_equal(&out.id, &prepared.id, sizeof out.id);
        assert_int_equal(out.move, prepared.move);
        assert_false(out.tier[RK_TIER_CANARY]);
        assert_true(out.tier[RK_TIER_PRODUCTION]);
        assert_true(out.epoch == prepared.epoch);
        assert_string_equal(out.decider, prepared.decider);
    }
    return status;
}

static rk_status save_decided(rk_txn *txn, rk_table meta)
{
    return rk_decided_save(txn, meta, &decision, true, 3, NULL);
}

static rk_status load_decided(rk_view *view, rk_table meta, rk_error *err)
{
    bool committed = false;
    rk_status status = rk_decided_load(view, meta, &decision, &committed, err);
    assert_int_equal(committed, status == RK_OK);
    return status;
}

typedef struct record {
    const char *name; /* in the message of RK_CORRUPT */
    const char *key;  /* or what it begins with */
    rk_status (*save)(rk_txn *txn, rk_table meta);
    rk_status (*load)(rk_view *view, rk_table meta, rk_error *err);
} record;

static const record records[] = {
    {"placement", "placement", save_placement, load_placement},
    {"coordinator", "coordinator", save_leader, load_leader},
    {"prepared", "prepared", save_prepared, load_prepared},
    {"decided", "decided/ab", save_decided, load_decided},
};
#define RECORDS (sizeof records / sizeof *records)

/* --- bytes ------------------------------------------------------------------------------------ */

typedef struct raw {
    uint8_t key[64];
    size_t key_len;
    uint8_t bytes[512];
    size_t len;
} raw;

static void read_raw(rk_view *view, rk_table meta, const char *prefix, raw *out)
{
    rk_cursor *cursor = NULL;
    rk_entry entry;
    must(rk_cursor_open(view, meta, &cursor, NULL), NULL);
    must(rk_cursor_seek(cursor, rk_slice_str(prefix), &entry, NULL), NULL);
    assert_true(rk_slice_starts_with(entry.key, rk_slice_str(prefix)));
    assert_true(entry.key.len <= sizeof out->key && entry.value.len < sizeof out->bytes);
    memcpy(out->key, entry.key.ptr, entry.key.len);
    memcpy(out->bytes, entry.value.ptr, entry.value.len);
    out->key_len = entry.key.len;
    out->len = entry.value.len;
    rk_cursor_close(cursor);
}

/* What a load says to the first `len` of these bytes. */
static rk_status reload(const record *of, rk_txn *txn, rk_table meta, const raw *bytes, size_t len,
                        rk_error *err)
{
    must(rk_txn_put(txn, meta, rk_slice_of(bytes->key, bytes->key_len),
                    rk_slice_of(bytes->bytes, len), NULL),
         NULL);
    return of->load(rk_txn_view(txn), meta, err);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void records_come_back(void **state)
{
    shelf *s = *state;
    rk_txn *txn = shelf_begin(s);
    for (size_t i = 0; i < RECORDS; i++) {
        rk_error err = {0};
        assert_int_equal(records[i].load(rk_txn_view(txn), s->meta, &err), RK_NOT_FOUND);
        assert_string_equal(err.message, "");
    }
    for (size_t i = 0; i < RECORDS; i++)
        must(records[i].save(txn, s->meta), NULL);
    shelf_commit(txn);
    rk_view *view = shelf_look(s);
    for (size_t i = 0; i < RECORDS; i++) {
        rk_error err = {0};
        must(records[i].load(view, s->meta, &err), &err);
    }
    rk_snapshot_close(view);
}

static void cut_and_longer_records_are_corrupt(void **state)
{
    shelf *s = *state;
    raw bytes;
    for (size_t i = 0; i < RECORDS; i++) {
        rk_txn *txn = shelf_begin(s);
        must(records[i].save(txn, s->meta), NULL);
        read_raw(rk_txn_view(txn), s->meta, records[i].key, &bytes);
        bytes.bytes[bytes.len] = 0;
        for (size_t len = 0; len <= bytes.len + 1; len++) {
            rk_error err = {0};
            rk_status status = reload(&records[i], txn, s->meta, &bytes, len, &err);
            if (status != (len == bytes.len ? RK_OK : RK_CORRUPT))
                fail_msg("%s: %zu of %zu bytes: %s", records[i].name, len, bytes.len,
                         rk_status_name(status));
            if (status != RK_OK && !strstr(err.message, records[i].name))
                fail_msg("%s: %s", records[i].name, err.message);
        }
        rk_txn_abort(txn);
    }
}

/* Offsets count the version byte and the lengths before strings. */
static const struct {
    const char *name;
    size_t record;
    size_t offset;
    uint8_t byte;
} spoil_cases[] = {
    {"version of a placement", 0, 0, 255},
    {"length of the cluster", 0, 1, 31},
    {"length of the node", 0, 37, 255},
    {"version of a leader", 1, 0, 0},
    {"length of the token", 1, 9, 17},
    {"length of the holder", 1, 29, 255},
    {"version of a promise", 2, 0, 255},
    {"length of the decision", 2, 1, 15},
    {"a move that is none", 2, 21, RK_MOVE_FINISH + 1},
    {"a move that a node makes alone", 2, 21, RK_MOVE_FINISH},
    {"another one", 2, 21, RK_MOVE_BEGIN},
    {"tier", 2, 22, 2},
    {"next tier", 2, 23, 255},
    {"length of the decider", 2, 32, 255},
    {"version of an outcome", 3, 0, 255},
    {"outcome", 3, 1, 2},
};

static void impossible_fields_are_corrupt(void **state)
{
    shelf *s = *state;
    raw bytes;
    for (size_t i = 0; i < sizeof spoil_cases / sizeof *spoil_cases; i++) {
        const record *of = &records[spoil_cases[i].record];
        rk_txn *txn = shelf_begin(s);
        must(of->save(txn, s->meta), NULL);
        read_raw(rk_txn_view(txn), s->meta, of->key, &bytes);
        assert_true(spoil_cases[i].offset < bytes.len);
        assert_true(bytes.bytes[spoil_cases[i].offset] != spoil_cases[i].byte);
        bytes.bytes[spoil_cases[i].offset] = spoil_cases[i].byte;
        rk_status status = reload(of, txn, s->meta, &bytes, bytes.len, NULL);
        if (status != RK_CORRUPT)
            fail_msg("%s: %s", spoil_cases[i].name, rk_status_name(status));
        rk_txn_abort(txn);
    }
}

static void names_may_be_as_long_as_they_may(void **state)
{
    shelf *s = *state;
    rk_placement full = placement;
    rk_placement found;
    rk_leader lead = leader;
    rk_leader led;
    memset(full.node, 'n', RK_NODE_NAME_BYTES_MAX);
    memset(lead.holder, 'h', RK_HOLDER_BYTES_MAX);
    rk_txn *txn = shelf_begin(s);
    must(rk_placement_save(txn, s->meta, &full, NULL), NULL);
    must(rk_leader_save(txn, s->meta, &lead, NULL), NULL);
    must(rk_placement_load(rk_txn_view(txn), s->meta, &found, NULL), NULL);
    must(rk_leader_load(rk_txn_view(txn), s->meta, &led, NULL), NULL);
    assert_string_equal(found.node, full.node);
    assert_string_equal(led.holder, lead.holder);
    rk_txn_abort(txn);
}

static void a_promise_can_be_cleared(void **state)
{
    shelf *s = *state;
    rk_prepared found;
    rk_txn *txn = shelf_begin(s);
    must(rk_prepared_clear(txn, s->meta, NULL), NULL); /* absent is no error */
    must(save_prepared(txn, s->meta), NULL);
    must(rk_prepared_clear(txn, s->meta, NULL), NULL);
    assert_int_equal(rk_prepared_load(rk_txn_view(txn), s->meta, &found, NULL), RK_NOT_FOUND);
    rk_txn_abort(txn);
}

static void outcomes_are_of_their_decision(void **state)
{
    shelf *s = *state;
    rk_decision_id other = decision;
    bool committed = false;
    other.bytes[15]++;
    rk_txn *txn = shelf_begin(s);
    rk_view *view = rk_txn_view(txn);
    must(rk_decided_save(txn, s->meta, &decision, true, 3, NULL), NULL);
    assert_int_equal(rk_decided_load(view, s->meta, &other, &committed, NULL), RK_NOT_FOUND);
    assert_false(committed);
    must(rk_decided_save(txn, s->meta, &other, false, 3, NULL), NULL);
    must(rk_decided_load(view, s->meta, &decision, &committed, NULL), NULL);
    assert_true(committed);
    must(rk_decided_load(view, s->meta, &other, &committed, NULL), NULL);
    assert_false(committed);
    rk_txn_abort(txn);
}

static rk_decision_id numbered(unsigned i)
{
    return (rk_decision_id){{(uint8_t)(i >> 8), (uint8_t)i}};
}

/* Outcomes 0 to count - 1, of epoch `number` each. */
static void save_outcomes(rk_txn *txn, rk_table meta, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        rk_decision_id id = numbered(i);
        must(rk_decided_save(txn, meta, &id, i % 2 == 0, i, NULL), NULL);
    }
}

static unsigned outcomes_left(rk_txn *txn, rk_table meta, unsigned count)
{
    unsigned left = 0;
    for (unsigned i = 0; i < count; i++) {
        rk_decision_id id = numbered(i);
        bool committed;
        left += rk_decided_load(rk_txn_view(txn), meta, &id, &committed, NULL) == RK_OK;
    }
    return left;
}

static void outcomes_of_earlier_epochs_are_swept(void **state)
{
    shelf *s = *state;
    bool committed;
    rk_decision_id seventh = numbered(7);
    rk_txn *txn = shelf_begin(s);
    must(save_prepared(txn, s->meta), NULL); /* stands behind them */
    must(rk_decided_sweep(txn, s->meta, 5, NULL), NULL);
    save_outcomes(txn, s->meta, 10);
    must(rk_decided_sweep(txn, s->meta, 0, NULL), NULL);
    assert_int_equal(outcomes_left(txn, s->meta, 10), 10);
    must(rk_decided_sweep(txn, s->meta, 7, NULL), NULL);
    assert_int_equal(outcomes_left(txn, s->meta, 10), 3);
    must(rk_decided_load(rk_txn_view(txn), s->meta, &seventh, &committed, NULL), NULL);
    must(load_prepared(rk_txn_view(txn), s->meta, NULL), NULL);
    rk_txn_abort(txn);
}

/* However many there are, one transaction deletes so many. */
static void a_sweep_is_bounded(void **state)
{
    shelf *s = *state;
    const unsigned count = RK_DECIDED_SWEEP_MAX + 50;
    rk_txn *txn = shelf_begin(s);
    save_outcomes(txn, s->meta, count);
    must(rk_decided_sweep(txn, s->meta, count, NULL), NULL);
    assert_int_equal(outcomes_left(txn, s->meta, count), 50);
    must(rk_decided_sweep(txn, s->meta, count, NULL), NULL);
    assert_int_equal(outcomes_left(txn, s->meta, count), 0);
    rk_txn_abort(txn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_come_back, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(cut_and_longer_records_are_corrupt, shelf_setup,
                                        shelf_teardown),
        cmocka_unit_test_setup_teardown(impossible_fields_are_corrupt, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(names_may_be_as_long_as_they_may, shelf_setup,
                                        shelf_teardown),
        cmocka_unit_test_setup_teardown(a_promise_can_be_cleared, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(outcomes_of_earlier_epochs_are_swept, shelf_setup,
                                        shelf_teardown),
        cmocka_unit_test_setup_teardown(a_sweep_is_bounded, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(outcomes_are_of_their_decision, shelf_setup,
                                        shelf_teardown),
    };
    return cmocka_run_group_tests_name("state decision", tests, NULL, NULL);
}
