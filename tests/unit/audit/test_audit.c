/* The chain: what is appended is read back, and whatever is done to a log behind its back shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <cmocka.h>

#include "rekey/audit/audit.h"
#include "tests/unit/state/shelf.h"

#define ENTRIES         5
#define RECORD_BYTES    2048
#define HEAD_KEY        "audit.head"
#define NUMBERED_DIGITS "audit/%020" PRIu64

static rk_audit_entry entry_of(uint64_t number)
{
    rk_audit_entry entry = {.wall_ms = 1000 + (int64_t)number, .epoch = number / 2};
    snprintf(entry.actor, sizeof entry.actor, "user@host %" PRIu64, number);
    snprintf(entry.event, sizeof entry.event, "run");
    snprintf(entry.detail, sizeof entry.detail, "detail %" PRIu64, number);
    return entry;
}

static void append(rk_txn *txn, rk_table meta, uint64_t count)
{
    for (uint64_t n = 1; n <= count; n++) {
        rk_error err = {0};
        rk_audit_entry entry = entry_of(n);
        must(rk_audit_append(txn, meta, &entry, &err), &err);
        assert_int_equal(entry.number, n);
    }
}

/* --- the record's bytes, behind the log's back ------------------------------------------------ */

typedef struct raw {
    uint8_t bytes[RECORD_BYTES];
    size_t len;
} raw;

static rk_slice key_of(uint64_t number, char out[32])
{
    int length = snprintf(out, 32, NUMBERED_DIGITS, number);
    return rk_slice_of(out, (size_t)length);
}

static raw get(rk_txn *txn, rk_table meta, rk_slice key)
{
    raw out = {.len = 0};
    rk_slice value;
    must(rk_view_get(rk_txn_view(txn), meta, key, &value, NULL), NULL);
    assert_true(value.len < sizeof out.bytes);
    memcpy(out.bytes, value.ptr, value.len);
    out.len = value.len;
    return out;
}

static void put(rk_txn *txn, rk_table meta, rk_slice key, const raw *what)
{
    must(rk_txn_put(txn, meta, key, rk_slice_of(what->bytes, what->len), NULL), NULL);
}

static rk_status check_in_parts(rk_view *view, rk_table meta, uint64_t entries_max, rk_error *err)
{
    uint64_t next = 1;
    rk_status status = RK_OK;
    for (int parts = 0; status == RK_OK && next > 0; parts++) {
        assert_in_range(parts, 0, ENTRIES);
        status = rk_audit_check_part(view, meta, entries_max, &next, err);
    }
    return status;
}

/* Whole, and in parts of each length: all must say the same. */
static rk_status check(rk_txn *txn, rk_table meta, rk_error *err)
{
    uint64_t entries = 77;
    rk_error whole = {0};
    rk_status status = rk_audit_check(rk_txn_view(txn), meta, &entries, &whole);
    assert_int_equal(entries, status == RK_OK ? ENTRIES : 77);
    for (uint64_t length = 1; length <= ENTRIES + 1; length++) {
        rk_error why = {0};
        assert_int_equal(check_in_parts(rk_txn_view(txn), meta, length, &why), status);
        assert_string_equal(why.message, whole.message);
    }
    if (status != RK_OK && err)
        *err = whole;
    return status;
}

/* --- appending and reading -------------------------------------------------------------------- */

static void entries_are_read_back_and_chained(void **state)
{
    shelf *s = *state;
    rk_txn *txn = shelf_begin(s);
    append(txn, s->meta, ENTRIES);
    shelf_commit(txn);
    rk_view *view = shelf_look(s);
    rk_digest previous = {{0}};
    rk_digest head;
    rk_audit_entry found;
    uint64_t number = 0;
    for (uint64_t n = 1; n <= ENTRIES; n++) {
        rk_audit_entry expected = entry_of(n);
        must(rk_audit_read(view, s->meta, n, &found, NULL), NULL);
        assert_int_equal(found.number, n);
        assert_true(found.wall_ms == expected.wall_ms && found.epoch == expected.epoch);
        assert_string_equal(found.actor, expected.actor);
        assert_string_equal(found.event, expected.event);
        assert_string_equal(found.detail, expected.detail);
        assert_memory_equal(&found.previous, &previous, sizeof previous);
        previous = found.digest;
    }
    assert_int_equal(rk_audit_read(view, s->meta, 0, &found, NULL), RK_NOT_FOUND);
    assert_int_equal(rk_audit_read(view, s->meta, ENTRIES + 1, &found, NULL), RK_NOT_FOUND);
    must(rk_audit_head(view, s->meta, &number, &head, NULL), NULL);
    assert_int_equal(number, ENTRIES);
    assert_memory_equal(&head, &previous, sizeof head);
    must(rk_audit_check(view, s->meta, &number, NULL), NULL);
    assert_int_equal(number, ENTRIES);
    rk_snapshot_close(view);
}

static void an_empty_log_is_whole(void **state)
{
    shelf *s = *state;
    rk_table tables[] = {s->meta, RK_TABLE_NONE};
    rk_view *view = shelf_look(s);
    for (size_t i = 0; i < 2; i++) {
        uint64_t number = 1;
        rk_audit_entry entry;
        rk_digest head = {{1}};
        must(rk_audit_check(view, tables[i], &number, NULL), NULL);
        assert_int_equal(number, 0);
        number = 1;
        must(rk_audit_head(view, tables[i], &number, &head, NULL), NULL);
        assert_int_equal(number, 0);
        assert_int_equal(head.bytes[0], 0);
        assert_int_equal(rk_audit_read(view, tables[i], 1, &entry, NULL), RK_NOT_FOUND);
    }
    rk_snapshot_close(view);
}

static void the_longest_entry_is_read_back(void **state)
{
    shelf *s = *state;
    rk_txn *txn = shelf_begin(s);
    rk_audit_entry entry = {.wall_ms = -1};
    rk_audit_entry found;
    uint64_t count = 0;
    memset(entry.actor, 'a', sizeof entry.actor - 1);
    memset(entry.event, 'e', sizeof entry.event - 1);
    memset(entry.detail, 'd', sizeof entry.detail - 1);
    must(rk_audit_append(txn, s->meta, &entry, NULL), NULL);
    must(rk_audit_read(rk_txn_view(txn), s->meta, 1, &found, NULL), NULL);
    assert_string_equal(found.detail, entry.detail);
    assert_true(found.wall_ms == -1);
    must(rk_audit_check(rk_txn_view(txn), s->meta, &count, NULL), NULL);
    rk_txn_abort(txn);
}

/* --- tampering -------------------------------------------------------------------------------- */

static void every_edited_byte_is_found(void **state)
{
    shelf *s = *state;
    char name[32];
    rk_txn *txn = shelf_begin(s);
    append(txn, s->meta, ENTRIES);
    for (uint64_t n = 0; n <= ENTRIES; n++) {
        rk_slice key = n == 0 ? rk_slice_str(HEAD_KEY) : key_of(n, name);
        const raw whole = get(txn, s->meta, key);
        for (size_t at = 0; at < whole.len; at++) {
            raw edited = whole;
            edited.bytes[at] ^= at % 2 ? 0x01 : 0x80;
            put(txn, s->meta, key, &edited);
            if (check(txn, s->meta, NULL) != RK_CORRUPT)
                fail_msg("byte %zu of record %u", at, (unsigned)n);
        }
        put(txn, s->meta, key, &whole);
        must(check(txn, s->meta, NULL), NULL);
    }
    rk_txn_abort(txn);
}

static void every_cut_record_is_found(void **state)
{
    shelf *s = *state;
    char name[32];
    rk_txn *txn = shelf_begin(s);
    append(txn, s->meta, ENTRIES);
    for (uint64_t n = 0; n <= ENTRIES; n++) {
        rk_slice key = n == 0 ? rk_slice_str(HEAD_KEY) : key_of(n, name);
        const raw whole = get(txn, s->meta, key);
        for (size_t len = 0; len <= whole.len + 1; len++) {
            raw cut = whole;
            cut.len = len;
            put(txn, s->meta, key, &cut);
            assert_int_equal(check(txn, s->meta, NULL), len == whole.len ? RK_OK : RK_CORRUPT);
        }
        put(txn, s->meta, key, &whole);
    }
    rk_txn_abort(txn);
}

static void drop_first(rk_txn *txn, rk_table meta)
{
    char name[32];
    must(rk_txn_delete(txn, meta, key_of(1, name), NULL), NULL);
}

static void drop_middle(rk_txn *txn, rk_table meta)
{
    char name[32];
    must(rk_txn_delete(txn, meta, key_of(3, name), NULL), NULL);
}

static void cut_off_the_end(rk_txn *txn, rk_table meta)
{
    char name[32];
    must(rk_txn_delete(txn, meta, key_of(ENTRIES, name), NULL), NULL);
}

static void drop_all_entries(rk_txn *txn, rk_table meta)
{
    char name[32];
    for (uint64_t n = 1; n <= ENTRIES; n++)
        must(rk_txn_delete(txn, meta, key_of(n, name), NULL), NULL);
}

static void drop_the_head(rk_txn *txn, rk_table meta)
{
    must(rk_txn_delete(txn, meta, rk_slice_str(HEAD_KEY), NULL), NULL);
}

static void swap_two(rk_txn *txn, rk_table meta)
{
    char name[32];
    raw second = get(txn, meta, key_of(2, name));
    raw third = get(txn, meta, key_of(3, name));
    put(txn, meta, key_of(2, name), &third);
    put(txn, meta, key_of(3, name), &second);
}

static void repeat_one(rk_txn *txn, rk_table meta)
{
    char name[32];
    raw second = get(txn, meta, key_of(2, name));
    put(txn, meta, key_of(3, name), &second);
}

/* The head goes back to an entry of old, the entries behind it stay. */
static void turn_back_the_head(rk_txn *txn, rk_table meta)
{
    raw head = get(txn, meta, rk_slice_str(HEAD_KEY));
    rk_audit_entry entry;
    must(rk_audit_read(rk_txn_view(txn), meta, ENTRIES - 1, &entry, NULL), NULL);
    head.bytes[1] = ENTRIES - 1; /* behind the version */
    memcpy(head.bytes + head.len - RK_DIGEST_BYTES, entry.digest.bytes, RK_DIGEST_BYTES);
    put(txn, meta, rk_slice_str(HEAD_KEY), &head);
}

/* Another entry 3, with a digest of its own that is right. */
static void forge_one(rk_txn *txn, rk_table meta)
{
    const raw head = get(txn, meta, rk_slice_str(HEAD_KEY));
    raw earlier = head;
    rk_audit_entry entry;
    must(rk_audit_read(rk_txn_view(txn), meta, 2, &entry, NULL), NULL);
    earlier.bytes[1] = 2; /* behind the version */
    memcpy(earlier.bytes + earlier.len - RK_DIGEST_BYTES, entry.digest.bytes, RK_DIGEST_BYTES);
    put(txn, meta, rk_slice_str(HEAD_KEY), &earlier);
    entry = entry_of(33);
    must(rk_audit_append(txn, meta, &entry, NULL), NULL);
    put(txn, meta, rk_slice_str(HEAD_KEY), &head);
}

/* The same with a gap, as if the log had been cut in its middle. */
static void turn_back_over_a_gap(rk_txn *txn, rk_table meta)
{
    char name[32];
    turn_back_the_head(txn, meta);
    raw last = get(txn, meta, key_of(ENTRIES, name));
    must(rk_txn_delete(txn, meta, key_of(ENTRIES, name), NULL), NULL);
    put(txn, meta, key_of(ENTRIES + 7, name), &last);
}

static void append_behind_the_head(rk_txn *txn, rk_table meta)
{
    raw head = get(txn, meta, rk_slice_str(HEAD_KEY));
    rk_audit_entry entry = entry_of(ENTRIES + 1);
    must(rk_audit_append(txn, meta, &entry, NULL), NULL);
    put(txn, meta, rk_slice_str(HEAD_KEY), &head);
}

static const struct {
    const char *name;
    void (*tamper)(rk_txn *txn, rk_table meta);
    const char *message;
} tamper_cases[] = {
    {"first dropped", drop_first, "entry 1 is missing"},
    {"middle dropped", drop_middle, "entry 3 is missing"},
    {"cut off at the end", cut_off_the_end, "entry 5 is missing"},
    {"all dropped", drop_all_entries, "entry 1 is missing"},
    {"head dropped", drop_the_head, "stands after the head, which names entry 0"},
    {"reordered", swap_two, "entry 2 says it is number 3"},
    {"forged", forge_one, "entry 4 does not follow entry 3"},
    {"repeated", repeat_one, "entry 3 says it is number 2"},
    {"head turned back", turn_back_the_head, "stands after the head, which names entry 4"},
    {"head turned back, a gap behind", turn_back_over_a_gap,
     "stands after the head, which names entry 4"},
    {"appended behind the head", append_behind_the_head,
     "stands after the head, which names entry 5"},
};

static void tampering_is_found_and_named(void **state)
{
    shelf *s = *state;
    for (size_t i = 0; i < sizeof tamper_cases / sizeof *tamper_cases; i++) {
        rk_error err = {0};
        rk_txn *txn = shelf_begin(s);
        append(txn, s->meta, ENTRIES);
        must(check(txn, s->meta, NULL), NULL);
        tamper_cases[i].tamper(txn, s->meta);
        rk_status status = check(txn, s->meta, &err);
        if (status != RK_CORRUPT || !strstr(err.message, tamper_cases[i].message))
            fail_msg("%s: %s, %s", tamper_cases[i].name, rk_status_name(status), err.message);
        rk_txn_abort(txn);
    }
}

static void an_aborted_entry_leaves_no_trace(void **state)
{
    shelf *s = *state;
    rk_txn *txn = shelf_begin(s);
    append(txn, s->meta, ENTRIES);
    shelf_commit(txn);
    rk_audit_entry entry = entry_of(6);
    txn = shelf_begin(s);
    must(rk_audit_append(txn, s->meta, &entry, NULL), NULL);
    rk_txn_abort(txn);
    txn = shelf_begin(s);
    must(check(txn, s->meta, NULL), NULL);
    rk_txn_abort(txn);
}

#define ON_A_SHELF(test) cmocka_unit_test_setup_teardown(test, shelf_setup, shelf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_SHELF(entries_are_read_back_and_chained), ON_A_SHELF(an_empty_log_is_whole),
        ON_A_SHELF(the_longest_entry_is_read_back),    ON_A_SHELF(every_edited_byte_is_found),
        ON_A_SHELF(every_cut_record_is_found),         ON_A_SHELF(tampering_is_found_and_named),
        ON_A_SHELF(an_aborted_entry_leaves_no_trace),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
