/* What one end writes the other reads; what it cannot understand it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rekey/message/message.h"
#include "tests/unit/json_text.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- text ------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *said;
} texts[] = {
    {"", ""},
    {"plain", "plain"},
    {"as\nit is", "as\nit is"},
    {"J\xC3\xBCrgen \xF0\x9F\x90\x9D", "J\xC3\xBCrgen \xF0\x9F\x90\x9D"},
    {"key \xFF\xFE.", "key \\xff\\xfe."},
    {"cut \xC3", "cut \\xc3"},
    {"overlong \xC0\x80", "overlong \\xc0\\x80"},
    {"surrogate \xED\xA0\x80", "surrogate \\xed\\xa0\\x80"},
};

/* Whatever the bytes are, there is a string. */
static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        json_t *text = rk_message_text(texts[i].text);
        assert_string_equal(json_string_value(text), texts[i].said);
        json_decref(text);
    }
}

/* --- errors ----------------------------------------------------------------------------------- */

static void test_errors(void **state)
{
    (void)state;
    for (int status = RK_OK + 1; status <= RK_IO; status++) {
        rk_error error = {.origin = RK_ORIGIN_LMDB, .native = -30798, .message = "put: no room"};
        rk_error back;
        json_t *object = rk_message_error((rk_status)status, &error);
        assert_int_equal(rk_message_error_read(object, &back), status);
        assert_int_equal(back.origin, error.origin);
        assert_int_equal(back.native, error.native);
        assert_string_equal(back.message, error.message);
        json_decref(object);
    }
}

static void test_error_of_any_bytes(void **state)
{
    (void)state;
    rk_error error = {0};
    rk_error back;
    memset(error.message, 0xE4, sizeof error.message - 1);
    json_t *object = rk_message_error(RK_CORRUPT, &error);
    assert_non_null(object);
    assert_int_equal(rk_message_error_read(object, &back), RK_CORRUPT);
    assert_memory_equal(back.message, "\\xe4\\xe4\\xe4", 12);
    json_decref(object);
}

static void test_strange_errors(void **state)
{
    (void)state;
    static const char *const strange[] = {
        "{}",
        "{'status': 'ok', 'message': 'm'}",
        "{'status': 7}",
        "{'status': 'no such status', 'origin': 99, 'native': 9223372036854775807}",
        "{'status': [], 'origin': -1, 'native': -9223372036854775808, 'message': {}}",
    };
    for (size_t i = 0; i < COUNT(strange); i++) {
        rk_error error;
        json_t *object = json_of(strange[i]);
        assert_int_equal(rk_message_error_read(object, &error), RK_IO);
        assert_int_equal(error.origin, RK_ORIGIN_NONE);
        assert_int_equal(error.native, 0);
        json_decref(object);
    }
    rk_error error;
    assert_int_equal(rk_message_error_read(NULL, &error), RK_IO);
    json_t *object = json_of("{'status': 'busy', 'message': 'two\\nlines'}");
    assert_int_equal(rk_message_error_read(object, &error), RK_BUSY);
    assert_string_equal(error.message, "two\\x0alines");
    json_decref(object);
}

/* --- progress --------------------------------------------------------------------------------- */

static void test_progress(void **state)
{
    (void)state;
    static const char *const tasks[] = {"begin",    "backfill",      "verify",         "flip",
                                        "promise",  "rollback",      "undo",           "undone",
                                        "contract", "sweep indexes", "delete old",     "finish",
                                        "scan",     "done",          "look for losses"};
    for (size_t i = 0; i < COUNT(tasks); i++) {
        rk_run_progress progress = {.task = tasks[i],
                                    .tier = i % 2 ? rk_tier_name(RK_TIER_CANARY)
                                                  : rk_tier_name(RK_TIER_PRODUCTION),
                                    .done = 1 + i,
                                    .total = UINT64_C(1) << 40,
                                    .batch_units = 4096,
                                    .quarantined = 3,
                                    .changes = 4};
        rk_run_progress back;
        json_t *object = rk_message_progress(&progress);
        rk_message_progress_read(object, &back);
        json_decref(object);
        assert_string_equal(back.task, progress.task);
        assert_string_equal(back.tier, progress.tier);
        assert_int_equal(back.done, progress.done);
        assert_int_equal(back.total, progress.total);
        assert_int_equal(back.batch_units, progress.batch_units);
        assert_int_equal(back.quarantined, progress.quarantined);
        assert_int_equal(back.changes, progress.changes);
    }
}

static void test_strange_progress(void **state)
{
    (void)state;
    rk_run_progress back;
    json_t *object = json_of("{'task': 'dance', 'tier': 'beta', 'done': -5, 'total': '7',"
                             " 'batch_units': 99999999999}");
    rk_message_progress_read(object, &back);
    json_decref(object);
    assert_string_equal(back.task, "work");
    assert_string_equal(back.tier, "");
    assert_int_equal(back.done, 0);
    assert_int_equal(back.total, 0);
    assert_int_equal(back.batch_units, UINT32_MAX);
    rk_message_progress_read(NULL, &back);
    assert_string_equal(back.task, "work");
}

/* --- runs ------------------------------------------------------------------------------------- */

static void test_runs(void **state)
{
    (void)state;
    const rk_promise given = {.id = {{1, 2, [15] = 0xFE}}, .decider = "n1"};
    for (int goal = RK_GOAL_BACKFILLED; goal <= RK_GOAL_CONTRACT; goal++) {
        for (int tier = -1; tier < RK_TIER_COUNT; tier++) {
            rk_run_options run = {.goal = (rk_goal)goal,
                                  .one_tier = tier >= 0,
                                  .tier = tier >= 0 ? (rk_tier)tier : RK_TIER_CANARY,
                                  .workers = 7,
                                  .accept_loss = tier == 0,
                                  .promise = tier == 1 && goal >= RK_GOAL_FLIP ? &given : NULL};
            rk_run_options back;
            rk_promise promise = {0};
            json_t *order = json_object();
            rk_message_run_write(order, &run);
            assert_true(rk_message_run(order, &back, &promise));
            json_decref(order);
            assert_int_equal(back.goal, run.goal);
            assert_int_equal(back.one_tier, run.one_tier);
            assert_true(!run.one_tier || back.tier == run.tier);
            assert_int_equal(back.workers, run.workers);
            assert_int_equal(back.accept_loss, run.accept_loss);
            assert_int_equal(back.promise != NULL, run.promise != NULL);
            if (back.promise)
                assert_memory_equal(back.promise, &given, sizeof given);
        }
    }
}

static void test_strange_runs(void **state)
{
    (void)state;
    static const char *const strange[] = {
        "{}",
        "{'goal': 5}",
        "{'goal': 'fly'}",
        "{'goal': 'flip', 'workers': 65}",
        "{'goal': 'flip', 'workers': -1}",
        "{'goal': 'flip', 'workers': 4294967297}",
        "{'goal': 'flip', 'workers': '4'}",
        "{'goal': 'flip', 'workers': 1.5}",
        "{'goal': 'flip', 'accept_loss': 1}",
        "{'goal': 'flip', 'tier': 'beta'}",
        "{'goal': 'flip', 'tier': ''}",
        "{'goal': 'flip', 'tier': 0}",
        "{'goal': 'flip', 'tier': null}",
        "{'goal': 'flip', 'decision': '00'}",
        "{'goal': 'done', 'decision': '000102030405060708090a0b0c0d0e0f', 'decider': 'n1'}",
        "{'goal': 'flip', 'decision': null, 'decider': 'n1'}",
        "{'goal': 'flip', 'decision': '000102030405060708090a0b0c0d0e0f'}",
        "{'goal': 'flip', 'decision': '000102030405060708090a0b0c0d0e0f', 'decider': ''}",
        "{'goal': 'flip', 'decision': '000102030405060708090a0b0c0d0e0f', 'decider':"
        " '01234567890123456789012345678901234567890123456789012345678901234'}",
    };
    for (size_t i = 0; i < COUNT(strange); i++) {
        rk_run_options run;
        rk_promise promise = {0};
        json_t *order = json_of(strange[i]);
        if (rk_message_run(order, &run, &promise))
            fail_msg("%s", strange[i]);
        json_decref(order);
    }
}

/* --- specs, losses, ids ----------------------------------------------------------------------- */

static void test_specs(void **state)
{
    (void)state;
    rk_spec_file file = {.name = (char *)"capsules.csv", .bytes = RK_SLICE_LITERAL("a,b\n")};
    rk_spec_source source = {.name = (char *)"m.yaml",
                             .text = RK_SLICE_LITERAL("migration: J\xC3\xBCrgen\n"),
                             .files = &file,
                             .file_count = 1};
    rk_spec_source back;
    rk_error err = {0};
    json_t *object = rk_message_spec_write(&source);
    assert_int_equal(rk_message_spec(object, &back, &err), RK_OK);
    json_decref(object);
    assert_string_equal(back.name, source.name);
    assert_true(rk_slice_equal(back.text, source.text));
    assert_int_equal(back.file_count, 1);
    assert_string_equal(back.files[0].name, file.name);
    assert_true(rk_slice_equal(back.files[0].bytes, file.bytes));
    rk_spec_source_fini(&back);
}

static void test_strange_specs(void **state)
{
    (void)state;
    static const char *const strange[] = {
        "{}",
        "[]",
        "{'name': 'm.yaml'}",
        "{'name': 5, 'text': 't', 'files': []}",
        "{'name': 'm.yaml', 'text': 5, 'files': []}",
        "{'name': 'm.yaml', 'text': 't', 'files': [{}]}",
        "{'name': 'm.yaml', 'text': 't', 'files': [{'name': 'f'}]}",
        "{'name': 'm.yaml', 'text': 't', 'files': [5]}",
    };
    for (size_t i = 0; i < COUNT(strange); i++) {
        rk_spec_source back;
        rk_error err = {0};
        json_t *object = json_of(strange[i]);
        if (rk_message_spec(object, &back, &err) != RK_INVALID || !err.message[0])
            fail_msg("%s", strange[i]);
        json_decref(object);
    }
    rk_spec_source back;
    assert_int_equal(rk_message_spec(NULL, &back, NULL), RK_INVALID);
}

static void test_losses(void **state)
{
    (void)state;
    static rk_losses losses = {.count = 21, .shown = 2};
    memcpy(losses.key[0], "\x00\xFF", 2);
    losses.key_len[0] = 2;
    memcpy(losses.key[1], "k", 1);
    losses.key_len[1] = 1;
    json_t *object = rk_message_losses(&losses);
    const json_t *keys = json_object_get(object, "keys");
    assert_int_equal(json_integer_value(json_object_get(object, "count")), 21);
    assert_int_equal(json_array_size(keys), 2);
    assert_string_equal(json_string_value(json_array_get(keys, 0)), "00ff");
    assert_string_equal(json_string_value(json_array_get(keys, 1)), "6b");
    json_decref(object);
}

static void test_ids(void **state)
{
    (void)state;
    static const char *const strange[] = {"{'d': ''}",
                                          "{'d': '00'}",
                                          "{'d': 5}",
                                          "{}",
                                          "{'d': '000102030405060708090a0b0c0d0e0g'}",
                                          "{'d': '000102030405060708090a0b0c0d0e0f00'}"};
    const rk_decision_id id = {{9, 8, 7, [15] = 1}};
    rk_decision_id back;
    json_t *hex = rk_message_id(&id);
    assert_true(rk_message_id_read(hex, &back));
    assert_memory_equal(&id, &back, sizeof id);
    json_decref(hex);
    for (size_t i = 0; i < COUNT(strange); i++) {
        json_t *object = json_of(strange[i]);
        assert_false(rk_message_id_read(json_object_get(object, "d"), &back));
        json_decref(object);
    }
}

static void test_bytes(void **state)
{
    (void)state;
    static const char *const strange[] = {"{'k': 5}", "{'k': 'x'}", "{'k': 'abc'}", "{'k': null}",
                                          "{'k': 'zz'}"};
    uint8_t key[RK_STATE_KEY_BYTES_MAX];
    rk_buf back;
    rk_buf_init(&back, sizeof key);
    memset(key, 0xF1, sizeof key);
    for (size_t len = 0; len <= sizeof key; len += sizeof key) {
        json_t *hex = rk_message_bytes_write(rk_slice_of(key, len));
        assert_int_equal(rk_message_bytes(hex, &back, NULL), RK_OK);
        assert_true(rk_slice_equal(rk_buf_slice(&back), rk_slice_of(key, len)));
        json_decref(hex);
    }
    assert_int_equal(rk_message_bytes(NULL, &back, NULL), RK_OK);
    assert_int_equal(back.len, 0);
    for (size_t i = 0; i < COUNT(strange); i++) {
        json_t *object = json_of(strange[i]);
        if (rk_message_bytes(json_object_get(object, "k"), &back, NULL) != RK_INVALID)
            fail_msg("%s", strange[i]);
        json_decref(object);
    }
    rk_buf_fini(&back);
}

static void test_decided(void **state)
{
    (void)state;
    for (int decided = RK_DECIDED_NOT; decided <= RK_DECIDED_COMMITTED; decided++) {
        json_t *word = rk_message_decided((rk_decided)decided);
        assert_int_equal(rk_message_decided_read(word), decided);
        json_decref(word);
    }
    assert_int_equal(rk_message_decided_read(NULL), RK_DECIDED_NOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_error_of_any_bytes),
        cmocka_unit_test(test_strange_errors),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_strange_progress),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_strange_runs),
        cmocka_unit_test(test_specs),
        cmocka_unit_test(test_strange_specs),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_decided),
    };
    return cmocka_run_group_tests_name("node_message", tests, NULL, NULL);
}
