/* Quarantine, shadows and notes: one entry a key, counted, walked, swept by prefix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/state/shelf.h"
#include "tests/unit/state/test_damage.h"

static void quarantine(rk_txn *txn, rk_table meta, const char *key, uint32_t reason)
{
    rk_quarantined entry = {reason, 3, rk_slice_str(key), rk_slice_str("detail")};
    must(rk_quarantine_put(txn, meta, &entry, NULL), NULL);
}

static void shadow(rk_txn *txn, rk_table meta, const char *key)
{
    rk_shadow entry = {1, rk_slice_str(key)};
    must(rk_shadow_put(txn, meta, &entry, NULL), NULL);
}

static void keep(rk_txn *txn, rk_table meta, const char *new_key)
{
    uint8_t key[RK_KEPT_KEY_BYTES];
    size_t len = 0;
    rk_kept_key(rk_slice_str(new_key), key, &len);
    assert_true(len > 0 && len <= sizeof key);
    must(rk_txn_put(txn, meta, rk_slice_of(key, len), rk_slice_str("1"), NULL), NULL);
}

static void counts_are(rk_view *view, rk_table meta, uint64_t quarantined, uint64_t shadows)
{
    uint64_t count = 99;
    must(rk_quarantine_count(view, meta, &count, NULL), NULL);
    assert_int_equal(count, quarantined);
    must(rk_shadow_count(view, meta, &count, NULL), NULL);
    assert_int_equal(count, shadows);
}

static void a_key_is_quarantined_once(void **state)
{
    shelf *s = *state;
    rk_txn *txn = shelf_begin(s);
    rk_quarantined found;
    rk_cursor *cursor = NULL;
    quarantine(txn, s->meta, "a", 1);
    quarantine(txn, s->meta, "a", 2);
    counts_are(rk_txn_view(txn), s->meta, 1, 0);
    must(rk_cursor_open(rk_txn_view(txn), s->meta, &cursor, NULL), NULL);
    must(rk_quarantine_next(cursor, true, &found, NULL), NULL);
    assert_int_equal(found.reason, 2);
    assert_int_equal(rk_quarantine_next(cursor, false, &found, NULL), RK_NOT_FOUND);
    rk_cursor_close(cursor);
    must(rk_quarantine_remove(txn, s->meta, rk_slice_str("b"), NULL), NULL);
    must(rk_quarantine_remove(txn, s->meta, rk_slice_str("a"), NULL), NULL);
    counts_are(rk_txn_view(txn), s->meta, 0, 0);
    rk_txn_abort(txn);
}

static void a_walk_meets_each_entry_and_nothing_else(void **state)
{
    shelf *s = *state;
    enum { COUNT = 50 };
    bool seen[COUNT] = {false};
    rk_txn *txn = shelf_begin(s);
    for (int i = 0; i < COUNT; i++) {
        char key[32];
        snprintf(key, sizeof key, "%d", i);
        quarantine(txn, s->meta, key, 1);
        shadow(txn, s->meta, key);
        keep(txn, s->meta, key);
    }
    must(rk_client_commits_add(txn, s->meta, NULL), NULL); /* another record between them */
    rk_cursor *cursor = NULL;
    rk_quarantined found;
    must(rk_cursor_open(rk_txn_view(txn), s->meta, &cursor, NULL), NULL);
    rk_status status = rk_quarantine_next(cursor, true, &found, NULL);
    for (; status == RK_OK; status = rk_quarantine_next(cursor, false, &found, NULL)) {
        int number = 0;
        for (size_t i = 0; i < found.key.len; i++)
            number = number * 10 + found.key.ptr[i] - '0';
        assert_true(number < COUNT && !seen[number]);
        seen[number] = true;
    }
    assert_int_equal(status, RK_NOT_FOUND);
    for (int i = 0; i < COUNT; i++)
        assert_true(seen[i]);
    rk_cursor_close(cursor);
    counts_are(rk_txn_view(txn), s->meta, COUNT, COUNT);
    rk_txn_abort(txn);
}

/* From any entry on, also one that is gone meanwhile, a walk meets what stands behind it. */
static void a_walk_goes_on_behind_a_key(void **state)
{
    shelf *s = *state;
    enum { COUNT = 20 };
    char keys[COUNT][32];
    rk_txn *txn = shelf_begin(s);
    rk_cursor *cursor = NULL;
    rk_quarantined found;
    size_t count = 0;
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "%d", i);
        quarantine(txn, s->meta, keys[i], 1);
        shadow(txn, s->meta, keys[i]);
    }
    must(rk_cursor_open(rk_txn_view(txn), s->meta, &cursor, NULL), NULL);
    rk_status status = rk_quarantine_next(cursor, true, &found, NULL);
    for (; status == RK_OK; status = rk_quarantine_next(cursor, false, &found, NULL), count++)
        snprintf(keys[count], sizeof keys[count], "%.*s", (int)found.key.len,
                 (const char *)found.key.ptr);
    rk_cursor_close(cursor);
    assert_int_equal(count, COUNT);
    must(rk_quarantine_remove(txn, s->meta, rk_slice_str(keys[4]), NULL), NULL);
    must(rk_cursor_open(rk_txn_view(txn), s->meta, &cursor, NULL), NULL);
    must(rk_quarantine_seek(cursor, rk_slice_str(keys[4]), &found, NULL), NULL);
    assert_true(rk_slice_equal(found.key, rk_slice_str(keys[5])));
    must(rk_quarantine_seek(cursor, rk_slice_str(keys[5]), &found, NULL), NULL);
    assert_true(rk_slice_equal(found.key, rk_slice_str(keys[6])));
    must(rk_quarantine_next(cursor, false, &found, NULL), NULL);
    assert_true(rk_slice_equal(found.key, rk_slice_str(keys[7])));
    assert_int_equal(rk_quarantine_seek(cursor, rk_slice_str(keys[COUNT - 1]), &found, NULL),
                     RK_NOT_FOUND);
    rk_cursor_close(cursor);
    rk_txn_abort(txn);
}

static void notes_are_of_their_key(void **state)
{
    shelf *s = *state;
    bool has = false;
    rk_txn *txn = shelf_begin(s);
    rk_view *view = rk_txn_view(txn);
    shadow(txn, s->meta, "a");
    keep(txn, s->meta, "b");
    must(rk_shadow_has(view, s->meta, rk_slice_str("a"), &has, NULL), NULL);
    assert_true(has);
    must(rk_shadow_has(view, s->meta, rk_slice_str("b"), &has, NULL), NULL);
    assert_false(has);
    must(rk_kept_has(view, s->meta, rk_slice_str("b"), &has, NULL), NULL);
    assert_true(has);
    must(rk_kept_has(view, s->meta, rk_slice_str("a"), &has, NULL), NULL);
    assert_false(has);
    must(rk_shadow_remove(txn, s->meta, rk_slice_str("a"), NULL), NULL);
    must(rk_shadow_has(view, s->meta, rk_slice_str("a"), &has, NULL), NULL);
    assert_false(has);
    rk_txn_abort(txn);
}

static void a_table_that_is_not_there_is_empty(void **state)
{
    shelf *s = *state;
    bool has = true;
    rk_state ignored;
    rk_view *view = shelf_look(s);
    counts_are(view, RK_TABLE_NONE, 0, 0);
    must(rk_shadow_has(view, RK_TABLE_NONE, rk_slice_str("a"), &has, NULL), NULL);
    assert_false(has);
    has = true;
    must(rk_kept_has(view, RK_TABLE_NONE, rk_slice_str("a"), &has, NULL), NULL);
    assert_false(has);
    assert_int_equal(rk_state_load(view, RK_TABLE_NONE, &ignored, NULL), RK_NOT_FOUND);
    rk_snapshot_close(view);
}

/* Sweeps by threes; each call but the last says that there is more. */
static void a_sweep_takes_one_prefix_in_bounded_steps(void **state)
{
    shelf *s = *state;
    rk_txn *txn = shelf_begin(s);
    for (int i = 0; i < 7; i++) {
        char key[32];
        snprintf(key, sizeof key, "%d", i);
        quarantine(txn, s->meta, key, 1);
        shadow(txn, s->meta, key);
    }
    for (uint64_t left = 7; left > 0; left = left > 3 ? left - 3 : 0) {
        bool more = false;
        counts_are(rk_txn_view(txn), s->meta, left, 7);
        must(rk_state_sweep(txn, s->meta, RK_PREFIX_QUARANTINE, 3, &more, NULL), NULL);
        assert_int_equal(more, left >= 3);
    }
    counts_are(rk_txn_view(txn), s->meta, 0, 7);
    rk_txn_abort(txn);
}

int test_notes(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_quarantined_once, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(a_walk_meets_each_entry_and_nothing_else, shelf_setup,
                                        shelf_teardown),
        cmocka_unit_test_setup_teardown(a_walk_goes_on_behind_a_key, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(notes_are_of_their_key, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(a_table_that_is_not_there_is_empty, shelf_setup,
                                        shelf_teardown),
        cmocka_unit_test_setup_teardown(a_sweep_takes_one_prefix_in_bounded_steps, shelf_setup,
                                        shelf_teardown),
    };
    return cmocka_run_group_tests_name("state notes", tests, NULL, NULL);
}
