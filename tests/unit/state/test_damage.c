/* Every record of `__rekey` comes back as it was saved, or as RK_CORRUPT: never as a default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/state/samples.h"
#include "tests/unit/state/shelf.h"
#include "tests/unit/state/test_damage.h"

#define RECORD_BYTES_MAX 4096
#define KEY_BYTES_MAX    128

/* A record's key and bytes, copied out of the store. */
typedef struct raw {
    uint8_t key[KEY_BYTES_MAX];
    size_t key_len;
    uint8_t bytes[RECORD_BYTES_MAX];
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

/* What a load says to these bytes. */
static rk_status reload(const sample *of, rk_txn *txn, rk_table meta, const raw *record, size_t len,
                        rk_error *err)
{
    must(rk_txn_put(txn, meta, rk_slice_of(record->key, record->key_len),
                    rk_slice_of(record->bytes, len), NULL),
         NULL);
    return of->load(rk_txn_view(txn), meta, err);
}

static void records_come_back(void **state)
{
    shelf *s = *state;
    for (size_t i = 0; i < sample_count; i++) {
        rk_error err = {0};
        rk_txn *txn = shelf_begin(s);
        must(samples[i].save(txn, s->meta, &err), &err);
        must(samples[i].load(rk_txn_view(txn), s->meta, &err), &err);
        shelf_commit(txn);
    }
    rk_view *view = shelf_look(s);
    for (size_t i = 0; i < sample_count; i++) {
        rk_error err = {0};
        rk_status status = samples[i].load(view, s->meta, &err);
        if (status != RK_OK)
            fail_msg("%s: %s", samples[i].name, err.message);
    }
    rk_snapshot_close(view);
}

static void what_was_never_saved_is_not_found(void **state)
{
    shelf *s = *state;
    rk_view *view = shelf_look(s);
    for (size_t i = 0; i < sample_count; i++) {
        rk_error err = {0};
        if (strcmp(samples[i].name, "client") == 0)
            continue; /* a counter begins at 0 */
        assert_int_equal(samples[i].load(view, s->meta, &err), RK_NOT_FOUND);
        assert_string_equal(err.message, "");
    }
    uint64_t commits = 9;
    must(rk_client_commits_load(view, s->meta, &commits, NULL), NULL);
    assert_int_equal(commits, 0);
    rk_snapshot_close(view);
}

static void cut_and_longer_records_are_corrupt(void **state)
{
    shelf *s = *state;
    static raw record;
    for (size_t i = 0; i < sample_count; i++) {
        rk_txn *txn = shelf_begin(s);
        must(samples[i].save(txn, s->meta, NULL), NULL);
        read_raw(rk_txn_view(txn), s->meta, samples[i].key, &record);
        record.bytes[record.len] = 0;
        for (size_t len = 0; len <= record.len + 1; len++) {
            rk_error err = {0};
            rk_status status = reload(&samples[i], txn, s->meta, &record, len, &err);
            if (status != (len == record.len ? RK_OK : RK_CORRUPT))
                fail_msg("%s: %zu of %zu bytes: %s", samples[i].name, len, record.len,
                         rk_status_name(status));
            if (status != RK_OK && !strstr(err.message, samples[i].name))
                fail_msg("%s: %s", samples[i].name, err.message);
        }
        rk_txn_abort(txn);
    }
}

static void another_version_is_corrupt(void **state)
{
    shelf *s = *state;
    static raw record;
    for (size_t i = 0; i < sample_count; i++) {
        rk_txn *txn = shelf_begin(s);
        must(samples[i].save(txn, s->meta, NULL), NULL);
        read_raw(rk_txn_view(txn), s->meta, samples[i].key, &record);
        record.bytes[0]++;
        if (reload(&samples[i], txn, s->meta, &record, record.len, NULL) != RK_CORRUPT)
            fail_msg("%s", samples[i].name);
        rk_txn_abort(txn);
    }
}

/* Offsets count the version byte and the lengths before strings; the samples are fixed. */
static const struct {
    const char *name;
    const char *record;
    size_t offset;
    uint8_t byte;
} spoil_cases[] = {
    {"length of the migration", "state", 9, 255},
    {"length of the digest", "state", 31, 31},
    {"phase of a tier", "state", 68, RK_PHASE_COUNT},
    {"phase of the next tier", "state", 78, 255},
    {"entity of the template", "plan", 37, RK_ENTITIES_MAX},
    {"length of the token", "lease", 1, 15},
    {"length of the host", "lease", 21, 255},
    {"job", "task", 1, RK_JOB_CONTRACT + 1},
    {"length of the tenant", "task", 20, 255},
    {"length of the plan", "verify", 10, 33},
};

static const sample *sample_of(const char *name)
{
    for (size_t i = 0; i < sample_count; i++)
        if (strcmp(samples[i].name, name) == 0)
            return &samples[i];
    fail_msg("no sample %s", name);
    return NULL;
}

static void impossible_fields_are_corrupt(void **state)
{
    shelf *s = *state;
    static raw record;
    for (size_t i = 0; i < sizeof spoil_cases / sizeof *spoil_cases; i++) {
        const sample *of = sample_of(spoil_cases[i].record);
        rk_txn *txn = shelf_begin(s);
        must(of->save(txn, s->meta, NULL), NULL);
        read_raw(rk_txn_view(txn), s->meta, of->key, &record);
        assert_true(record.bytes[spoil_cases[i].offset] != spoil_cases[i].byte);
        record.bytes[spoil_cases[i].offset] = spoil_cases[i].byte;
        if (reload(of, txn, s->meta, &record, record.len, NULL) != RK_CORRUPT)
            fail_msg("%s", spoil_cases[i].name);
        rk_txn_abort(txn);
    }
}

int test_damage(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_come_back, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(what_was_never_saved_is_not_found, shelf_setup,
                                        shelf_teardown),
        cmocka_unit_test_setup_teardown(cut_and_longer_records_are_corrupt, shelf_setup,
                                        shelf_teardown),
        cmocka_unit_test_setup_teardown(another_version_is_corrupt, shelf_setup, shelf_teardown),
        cmocka_unit_test_setup_teardown(impossible_fields_are_corrupt, shelf_setup, shelf_teardown),
    };
    return cmocka_run_group_tests_name("state damage", tests, NULL, NULL);
}
