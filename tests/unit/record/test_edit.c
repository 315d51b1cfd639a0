/* Insert puts one member last and touches nothing else; strip is its exact reverse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rekey/record/json.h"
#include "tests/unit/record/test_edit.h"

#define ARENA_BYTES ((size_t)1 << 20)

static const struct {
    const char *name;
    const char *value;
    const char *member;
    const char *member_value;
    const char *result;
} insert_cases[] = {
    {"into an object", "{\"a\":1}", "capsule_id", "PRODUS", "{\"a\":1,\"capsule_id\":\"PRODUS\"}"},
    {"into an empty one", "{}", "capsule_id", "PRODUS", "{\"capsule_id\":\"PRODUS\"}"},
    {"an empty value", "{\"a\":1}", "b", "", "{\"a\":1,\"b\":\"\"}"},
    {"space stays behind", "{ \"a\" : 1 \n} \n", "b", "x", "{ \"a\" : 1,\"b\":\"x\" \n} \n"},
    {"space in an empty one", " {\t} ", "b", "x", " {\"b\":\"x\"\t} "},
    {"behind an object", "{\"a\":{}}", "b", "x", "{\"a\":{},\"b\":\"x\"}"},
    {"behind a brace in a string", "{\"a\":\"}\"}", "b", "x", "{\"a\":\"}\",\"b\":\"x\"}"},
    {"quotes", "{}", "b", "say \"hi\"", "{\"b\":\"say \\\"hi\\\"\"}"},
    {"backslashes", "{}", "b\\", "\\", "{\"b\\\\\":\"\\\\\"}"},
    {"control characters", "{}", "b", "\x01\n\x1f", "{\"b\":\"\\u0001\\u000a\\u001f\"}"},
    {"nothing else is escaped", "{}", "b", "/\x7f\xc3\xa9", "{\"b\":\"/\x7f\xc3\xa9\"}"},
};

static void insert_and_strip_are_inverse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof insert_cases / sizeof *insert_cases; i++) {
        rk_arena arena;
        rk_slice name = rk_slice_str(insert_cases[i].member);
        rk_slice text = rk_slice_str(insert_cases[i].member_value);
        rk_slice value = rk_slice_str(insert_cases[i].value);
        rk_slice out = RK_SLICE_EMPTY;
        rk_slice back = RK_SLICE_EMPTY;
        rk_json_field field = {0};
        rk_arena_init(&arena, ARENA_BYTES);
        assert_int_equal(rk_json_insert(value, name, text, &arena, &out, NULL), RK_OK);
        if (!rk_slice_equal(out, rk_slice_str(insert_cases[i].result)))
            fail_msg("%s: %.*s", insert_cases[i].name, (int)out.len, (const char *)out.ptr);
        assert_int_equal(rk_json_find(out, &name, 1, &field, &arena, NULL), RK_OK);
        assert_int_equal(field.kind, RK_JSON_STRING);
        assert_true(rk_slice_equal(field.text, text));
        if (!rk_json_strip(out, name, text, &arena, &back) || !rk_slice_equal(back, value))
            fail_msg("%s: strip gave %.*s", insert_cases[i].name, (int)back.len,
                     (const char *)back.ptr);
        rk_arena_fini(&arena);
    }
}

static const struct {
    const char *name;
    const char *value;
} strange_cases[] = {
    {"not there", "{\"a\":1}"},
    {"empty object", "{}"},
    {"no object", "1"},
    {"no bytes", ""},
    {"other value", "{\"a\":1,\"b\":\"y\"}"},
    {"longer value", "{\"a\":1,\"b\":\"xx\"}"},
    {"other name", "{\"a\":1,\"bb\":\"x\"}"},
    {"longer name", "{\"a\":1,\"ab\":\"x\"}"},
    {"not last", "{\"b\":\"x\",\"a\":1}"},
    {"nested", "{\"a\":{\"b\":\"x\"}}"},
    {"inside a string", "{\"a\":\",\\\"b\\\":\\\"x\\\"\"}"},
    {"space before the comma", "{\"a\":1 ,\"b\":\"x\"}"},
    {"space behind the comma", "{\"a\":1, \"b\":\"x\"}"},
    {"space around the colon", "{\"a\":1,\"b\": \"x\"}"},
    {"space before the only member", "{ \"b\":\"x\"}"},
    {"written with an escape", "{\"a\":1,\"b\":\"\\u0078\"}"},
};

static void strip_leaves_alone_what_insert_did_not_put(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof strange_cases / sizeof *strange_cases; i++) {
        rk_arena arena;
        rk_slice out = rk_slice_str("untouched");
        rk_arena_init(&arena, ARENA_BYTES);
        if (rk_json_strip(rk_slice_str(strange_cases[i].value), rk_slice_str("b"),
                          rk_slice_str("x"), &arena, &out))
            fail_msg("%s: %.*s", strange_cases[i].name, (int)out.len, (const char *)out.ptr);
        assert_true(rk_slice_equal(out, rk_slice_str("untouched")));
        rk_arena_fini(&arena);
    }
}

static const struct {
    const char *name;
    const char *value;
    const char *member;
    const char *member_value;
    size_t arena_bytes;
    rk_status status;
} refused_cases[] = {
    {"no braces", "1", "b", "x", ARENA_BYTES, RK_INVALID},
    {"no bytes", "", "b", "x", ARENA_BYTES, RK_INVALID},
    {"broken utf-8 in the value", "{}", "b", "\xff", ARENA_BYTES, RK_INVALID},
    {"broken utf-8 in the name", "{}", "\xc3", "x", ARENA_BYTES, RK_INVALID},
    {"no room", "{\"a\":1}", "b", "x", 8, RK_LIMIT},
    {"room for the member only", "{\"a\":1}", "b", "x", 16, RK_LIMIT},
};

static void what_would_break_a_record_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused_cases / sizeof *refused_cases; i++) {
        rk_arena arena;
        rk_slice out = rk_slice_str("untouched");
        rk_error err = {0};
        rk_arena_init(&arena, refused_cases[i].arena_bytes);
        rk_status status = rk_json_insert(
            rk_slice_str(refused_cases[i].value), rk_slice_str(refused_cases[i].member),
            rk_slice_str(refused_cases[i].member_value), &arena, &out, &err);
        if (status != refused_cases[i].status || err.message[0] == '\0')
            fail_msg("%s: status %d, %s", refused_cases[i].name, (int)status, err.message);
        assert_true(rk_slice_equal(out, rk_slice_str("untouched")));
        rk_arena_fini(&arena);
    }
}

int test_edit(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(insert_and_strip_are_inverse),
        cmocka_unit_test(strip_leaves_alone_what_insert_did_not_put),
        cmocka_unit_test(what_would_break_a_record_is_refused),
    };
    return cmocka_run_group_tests_name("edit", tests, NULL, NULL);
}
