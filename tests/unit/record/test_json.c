/* Finding members: what is one well-formed object by RFC 8259, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rekey/record/json.h"
#include "tests/unit/record/test_edit.h"
#include "tests/unit/record/test_scan.h"

#define ARENA_BYTES ((size_t)1 << 20)

/* A slice as a constant initialiser, which RK_SLICE_LITERAL is not. */
#define BYTES(s)                                                                                   \
    {                                                                                              \
        (const uint8_t *)("" s), sizeof(s) - 1                                                     \
    }

/* Looks for member `a` in a copy of exactly the value's size, so that a read past its end shows
 * under AddressSanitizer. */
static rk_status find_a(rk_slice value, rk_json_field *field, rk_arena *arena, uint8_t **copy,
                        rk_error *err)
{
    const rk_slice name = RK_SLICE_LITERAL("a");
    *copy = malloc(value.len ? value.len : 1);
    assert_non_null(*copy);
    if (value.len > 0)
        memcpy(*copy, value.ptr, value.len);
    return rk_json_find(rk_slice_of(*copy, value.len), &name, 1, field, arena, err);
}

/* --- well-formed ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    rk_slice value;
    rk_json_kind kind;
    rk_slice text;
    rk_slice raw;
} good_cases[] = {
    {"empty", BYTES("{}"), RK_JSON_ABSENT, {NULL, 0}, {NULL, 0}},
    {"space all over", BYTES(" \t\r\n{ \"a\" \n:\t1 \r} \n"), RK_JSON_INTEGER, BYTES("1"),
     BYTES("1")},
    {"absent", BYTES("{\"b\":1}"), RK_JSON_ABSENT, {NULL, 0}, {NULL, 0}},
    {"string", BYTES("{\"a\":\"xy\"}"), RK_JSON_STRING, BYTES("xy"), BYTES("\"xy\"")},
    {"empty string", BYTES("{\"a\":\"\"}"), RK_JSON_STRING, BYTES(""), BYTES("\"\"")},
    {"long string", BYTES("{\"a\":\"0123456789abcdefghijklmnopqrstuvwxyz\"}"), RK_JSON_STRING,
     BYTES("0123456789abcdefghijklmnopqrstuvwxyz"),
     BYTES("\"0123456789abcdefghijklmnopqrstuvwxyz\"")},
    {"delete is no control character", BYTES("{\"a\":\"\x7f\"}"), RK_JSON_STRING, BYTES("\x7f"),
     BYTES("\"\x7f\"")},
    {"simple escapes", BYTES("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"), RK_JSON_STRING,
     BYTES("\"\\/\b\f\n\r\t"), BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")},
    {"one byte by escape", BYTES("{\"a\":\"\\u0041\"}"), RK_JSON_STRING, BYTES("A"),
     BYTES("\"\\u0041\"")},
    {"nul by escape", BYTES("{\"a\":\"x\\u0000y\"}"), RK_JSON_STRING, BYTES("x\0y"),
     BYTES("\"x\\u0000y\"")},
    {"two bytes by escape", BYTES("{\"a\":\"\\u00e9\"}"), RK_JSON_STRING, BYTES("\xc3\xa9"),
     BYTES("\"\\u00e9\"")},
    {"three bytes by escape", BYTES("{\"a\":\"\\u20AC\"}"), RK_JSON_STRING, BYTES("\xe2\x82\xac"),
     BYTES("\"\\u20AC\"")},
    {"surrogate pair", BYTES("{\"a\":\"\\ud83d\\ude00\"}"), RK_JSON_STRING,
     BYTES("\xf0\x9f\x98\x80"), BYTES("\"\\ud83d\\ude00\"")},
    {"last code point by escape", BYTES("{\"a\":\"\\udbff\\udfff\"}"), RK_JSON_STRING,
     BYTES("\xf4\x8f\xbf\xbf"), BYTES("\"\\udbff\\udfff\"")},
    {"utf-8 of two, three, four bytes",
     BYTES("{\"a\":\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f"
           "\xbf\xbf\"}"),
     RK_JSON_STRING,
     BYTES("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"),
     BYTES("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"
           "\"")},
    {"name by escape", BYTES("{\"\\u0061\":7}"), RK_JSON_INTEGER, BYTES("7"), BYTES("7")},
    {"zero", BYTES("{\"a\":0}"), RK_JSON_INTEGER, BYTES("0"), BYTES("0")},
    {"minus zero", BYTES("{\"a\":-0}"), RK_JSON_INTEGER, BYTES("-0"), BYTES("-0")},
    {"large", BYTES("{\"a\":-12345678901234567890}"), RK_JSON_INTEGER,
     BYTES("-12345678901234567890"), BYTES("-12345678901234567890")},
    {"fraction", BYTES("{\"a\":0.5}"), RK_JSON_OTHER, BYTES("0.5"), BYTES("0.5")},
    {"exponents", BYTES("{\"a\":1E+05}"), RK_JSON_OTHER, BYTES("1E+05"), BYTES("1E+05")},
    {"all of it", BYTES("{\"a\":-1.50e-3}"), RK_JSON_OTHER, BYTES("-1.50e-3"), BYTES("-1.50e-3")},
    {"true", BYTES("{\"a\":true}"), RK_JSON_OTHER, BYTES("true"), BYTES("true")},
    {"false", BYTES("{\"a\":false}"), RK_JSON_OTHER, BYTES("false"), BYTES("false")},
    {"null", BYTES("{\"a\":null}"), RK_JSON_OTHER, BYTES("null"), BYTES("null")},
    {"array", BYTES("{\"a\":[1,[],{}, \"]\"] }"), RK_JSON_OTHER, BYTES("[1,[],{}, \"]\"]"),
     BYTES("[1,[],{}, \"]\"]")},
    {"object", BYTES("{\"a\":{\"a\":{\"a\":[]}}}"), RK_JSON_OTHER, BYTES("{\"a\":{\"a\":[]}}"),
     BYTES("{\"a\":{\"a\":[]}}")},
    {"only the top level counts", BYTES("{\"b\":{\"a\":1},\"c\":[{\"a\":2}],\"a\":3}"),
     RK_JSON_INTEGER, BYTES("3"), BYTES("3")},
    {"others may occur twice", BYTES("{\"b\":1,\"b\":2,\"a\":3}"), RK_JSON_INTEGER, BYTES("3"),
     BYTES("3")},
};

static void members_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good_cases / sizeof *good_cases; i++) {
        rk_arena arena;
        rk_json_field field = {0};
        rk_error err = {0};
        uint8_t *copy = NULL;
        rk_arena_init(&arena, ARENA_BYTES);
        rk_status status = find_a(good_cases[i].value, &field, &arena, &copy, &err);
        if (status != RK_OK || field.kind != good_cases[i].kind ||
            !rk_slice_equal(field.text, good_cases[i].text) ||
            !rk_slice_equal(field.raw, good_cases[i].raw))
            fail_msg("%s: status %d, kind %d, %s", good_cases[i].name, (int)status, (int)field.kind,
                     err.message);
        rk_arena_fini(&arena);
        free(copy);
    }
}

/* --- not well-formed -------------------------------------------------------------------------- */

static const struct {
    const char *name;
    rk_slice value;
    int offset; /* of the fault */
} bad_cases[] = {
    {"no bytes", {NULL, 0}, 0},
    {"only space", BYTES("  "), 2},
    {"byte order mark", BYTES("\xef\xbb\xbf{}"), 0},
    {"array", BYTES("[]"), 0},
    {"string", BYTES("\"a\""), 0},
    {"only a brace", BYTES("{"), 1},
    {"no end", BYTES("{\"a\":1"), 6},
    {"something behind", BYTES("{} x"), 3},
    {"two objects", BYTES("{}{}"), 2},
    {"nul behind", BYTES("{}\0"), 2},
    {"comma first", BYTES("{,}"), 1},
    {"comma last", BYTES("{\"a\":1,}"), 7},
    {"two commas", BYTES("{\"a\":1,,\"b\":1}"), 7},
    {"no comma", BYTES("{\"a\":1 \"b\":2}"), 7},
    {"no colon", BYTES("{\"a\" 1}"), 5},
    {"no value", BYTES("{\"a\":}"), 5},
    {"name without quotes", BYTES("{a:1}"), 1},
    {"number as name", BYTES("{1:1}"), 1},
    {"single quotes", BYTES("{'a':1}"), 1},
    {"comment", BYTES("{/**/}"), 1},
    {"wanted twice", BYTES("{\"a\":1,\"a\":1}"), 11},
    {"wanted twice, once by escape", BYTES("{\"a\":1,\"\\u0061\":1}"), 16},
    {"open string", BYTES("{\"a\":\"x"), 7},
    {"control character", BYTES("{\"a\":\"\n\"}"), 6},
    {"nul in a string", BYTES("{\"a\":\"\0\"}"), 6},
    {"control character further on", BYTES("{\"a\":\"0123456789\x1f\"}"), 16},
    {"control character in a name", BYTES("{\"\t\":1}"), 2},
    {"unknown escape", BYTES("{\"a\":\"\\x\"}"), 6},
    {"capital escape", BYTES("{\"a\":\"\\N\"}"), 6},
    {"escaped nul byte", BYTES("{\"a\":\"\\\0\"}"), 6},
    {"escape at the end", BYTES("{\"a\":\"\\"), 6},
    {"three digits", BYTES("{\"a\":\"\\u004\"}"), 6},
    {"digits at the end", BYTES("{\"a\":\"\\u00"), 6},
    {"no hex digit", BYTES("{\"a\":\"\\u00g0\"}"), 6},
    {"high surrogate alone", BYTES("{\"a\":\"\\ud800\"}"), 6},
    {"two high surrogates", BYTES("{\"a\":\"\\ud800\\ud800\"}"), 6},
    {"high surrogate, letter", BYTES("{\"a\":\"\\ud800\\u0041\"}"), 6},
    {"high surrogate at the end", BYTES("{\"a\":\"\\ud800\\u"), 6},
    {"low surrogate alone", BYTES("{\"a\":\"\\udc00\"}"), 6},
    {"lone continuation", BYTES("{\"a\":\"\x80\"}"), 6},
    {"overlong two", BYTES("{\"a\":\"\xc0\xaf\"}"), 6},
    {"overlong two, highest", BYTES("{\"a\":\"\xc1\xbf\"}"), 6},
    {"overlong three", BYTES("{\"a\":\"\xe0\x9f\xbf\"}"), 6},
    {"overlong four", BYTES("{\"a\":\"\xf0\x8f\xbf\xbf\"}"), 6},
    {"surrogate in utf-8", BYTES("{\"a\":\"\xed\xa0\x80\"}"), 6},
    {"past the last code point", BYTES("{\"a\":\"\xf4\x90\x80\x80\"}"), 6},
    {"no such lead byte", BYTES("{\"a\":\"\xf5\x80\x80\x80\"}"), 6},
    {"cut utf-8", BYTES("{\"a\":\"\xe2\x82\"}"), 6},
    {"utf-8 at the end", BYTES("{\"a\":\"\xe2\x82"), 6},
    {"broken third byte", BYTES("{\"a\":\"\xe2\x82\x28\"}"), 6},
    {"broken utf-8 elsewhere", BYTES("{\"b\":\"\xff\"}"), 6},
    {"leading zero", BYTES("{\"a\":01}"), 7},
    {"leading zero behind minus", BYTES("{\"a\":-01}"), 8},
    {"plus", BYTES("{\"a\":+1}"), 5},
    {"minus alone", BYTES("{\"a\":-}"), 6},
    {"point first", BYTES("{\"a\":.5}"), 5},
    {"point last", BYTES("{\"a\":1.}"), 7},
    {"no exponent", BYTES("{\"a\":1e}"), 7},
    {"sign without exponent", BYTES("{\"a\":1e+}"), 8},
    {"hex number", BYTES("{\"a\":0x1}"), 6},
    {"not a number", BYTES("{\"a\":NaN}"), 5},
    {"infinity", BYTES("{\"a\":-Infinity}"), 6},
    {"capital word", BYTES("{\"a\":True}"), 5},
    {"cut word", BYTES("{\"a\":tru}"), 5},
    {"word at the end", BYTES("{\"a\":nul"), 5},
    {"long word", BYTES("{\"a\":nullx}"), 9},
    {"open array", BYTES("{\"a\":["), 6},
    {"open array with a value", BYTES("{\"a\":[1"), 7},
    {"array comma first", BYTES("{\"a\":[,1]}"), 6},
    {"array comma last", BYTES("{\"a\":[1,]}"), 8},
    {"no comma in array", BYTES("{\"a\":[1 2]}"), 8},
    {"array closed by a brace", BYTES("{\"a\":[1}}"), 7},
    {"object closed by a bracket", BYTES("{\"a\":{\"b\":1]}"), 11},
    {"empty array closed by a brace", BYTES("{\"a\":[}}"), 6},
    {"open inner object", BYTES("{\"a\":{"), 6},
    {"inner comma last", BYTES("{\"a\":{\"b\":1,}}"), 12},
    {"inner name without colon", BYTES("{\"a\":{\"b\"}}"), 9},
    {"one bracket too many", BYTES("{\"a\":[]]}"), 7},
};

static void anything_else_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_cases / sizeof *bad_cases; i++) {
        rk_arena arena;
        rk_json_field field = {.kind = RK_JSON_STRING};
        rk_error err = {0};
        uint8_t *copy = NULL;
        char place[32];
        rk_arena_init(&arena, ARENA_BYTES);
        rk_status status = find_a(bad_cases[i].value, &field, &arena, &copy, &err);
        snprintf(place, sizeof place, " at byte %d", bad_cases[i].offset);
        const char *found = strstr(err.message, " at byte ");
        if (status != RK_INVALID || !found || strcmp(found, place) != 0)
            fail_msg("%s: status %d, %s", bad_cases[i].name, (int)status, err.message);
        assert_int_equal(field.kind, RK_JSON_STRING);
        rk_arena_fini(&arena);
        free(copy);
    }
}

/* Every good value cut short anywhere is bad, and is never read past its end. */
static void what_is_cut_short_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good_cases / sizeof *good_cases; i++) {
        rk_slice value = good_cases[i].value;
        while (value.len > 0 && value.ptr[value.len - 1] != '}')
            value.len--;
        for (size_t len = 0; len < value.len; len++) {
            rk_arena arena;
            rk_json_field field = {0};
            uint8_t *copy = NULL;
            rk_arena_init(&arena, ARENA_BYTES);
            if (find_a(rk_slice_of(value.ptr, len), &field, &arena, &copy, NULL) != RK_INVALID)
                fail_msg("%s: its first %zu bytes pass", good_cases[i].name, len);
            rk_arena_fini(&arena);
            free(copy);
        }
    }
}

/* --- limits ----------------------------------------------------------------------------------- */

/* {"a":[[[...]]]}, `depth` levels with the top one. */
static rk_slice nested(char *out, size_t depth, char open, char close)
{
    size_t n = 0;
    memcpy(out, "{\"a\":", 5);
    n += 5;
    for (size_t i = 1; i < depth; i++) {
        out[n++] = open;
        if (open == '{' && i + 1 < depth) {
            memcpy(out + n, "\"x\":", 4);
            n += 4;
        }
    }
    for (size_t i = 1; i < depth; i++)
        out[n++] = close;
    out[n++] = '}';
    return rk_slice_of(out, n);
}

static void depth_is_limited(void **state)
{
    (void)state;
    static const char brackets[][2] = {{'[', ']'}, {'{', '}'}};
    char text[20 * RK_JSON_DEPTH_MAX];
    for (size_t b = 0; b < 2; b++) {
        for (size_t depth = 2; depth <= 2 * RK_JSON_DEPTH_MAX; depth++) {
            rk_slice value = nested(text, depth, brackets[b][0], brackets[b][1]);
            rk_error err = {0};
            rk_status status = rk_json_find(value, NULL, 0, NULL, NULL, &err);
            if (status != (depth <= RK_JSON_DEPTH_MAX ? RK_OK : RK_LIMIT))
                fail_msg("depth %zu: status %d, %s", depth, (int)status, err.message);
        }
    }
}

static void the_arena_limits_escaped_text(void **state)
{
    (void)state;
    const rk_slice name = RK_SLICE_LITERAL("a");
    rk_arena arena;
    rk_json_field field = {.kind = RK_JSON_OTHER};
    rk_arena_init(&arena, 4);
    assert_int_equal(
        rk_json_find(rk_slice_str("{\"a\":\"long enough\"}"), &name, 1, &field, &arena, NULL),
        RK_OK);
    assert_int_equal(field.kind, RK_JSON_STRING);
    field.kind = RK_JSON_OTHER;
    assert_int_equal(
        rk_json_find(rk_slice_str("{\"a\":\"too\\nlong\"}"), &name, 1, &field, &arena, NULL),
        RK_LIMIT);
    assert_int_equal(field.kind, RK_JSON_OTHER);
    rk_arena_fini(&arena);
}

static void many_members_are_found_at_once(void **state)
{
    (void)state;
    enum { COUNT = 64 };
    char name[COUNT][16];
    char value[16 * COUNT] = "{";
    rk_slice names[COUNT];
    rk_json_field fields[COUNT];
    size_t n = 1;
    for (int i = COUNT - 1; i >= 0; i--) {
        snprintf(name[i], sizeof name[i], "m%d", i);
        names[i] = rk_slice_str(name[i]);
        if (i % 2 == 0)
            n += (size_t)snprintf(value + n, sizeof value - n, "%s\"m%d\":%d", n > 1 ? "," : "", i,
                                  i);
    }
    value[n++] = '}';
    assert_int_equal(rk_json_find(rk_slice_of(value, n), names, COUNT, fields, NULL, NULL), RK_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(fields[i].kind, i % 2 == 0 ? RK_JSON_INTEGER : RK_JSON_ABSENT);
        if (i % 2 == 0)
            assert_true(rk_slice_equal(fields[i].text, rk_slice_str(name[i] + 1)));
    }
}

/* Values hold what must not be logged. */
static void errors_hold_no_bytes_of_the_value(void **state)
{
    (void)state;
    rk_error err = {0};
    assert_int_equal(
        rk_json_find(rk_slice_str("{\"secret\":\"s3cr3t\" \"s3cr3t\"}"), NULL, 0, NULL, NULL, &err),
        RK_INVALID);
    assert_null(strstr(err.message, "cr"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found),
        cmocka_unit_test(anything_else_is_refused_with_its_place),
        cmocka_unit_test(what_is_cut_short_is_refused),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(the_arena_limits_escaped_text),
        cmocka_unit_test(many_members_are_found_at_once),
        cmocka_unit_test(errors_hold_no_bytes_of_the_value),
    };
    int failed = cmocka_run_group_tests_name("json", tests, NULL, NULL);
    return failed + test_edit() + test_scan();
}
