/* Patterns: what compiles, what overlaps, and that build and match are inverse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rekey/base/prng.h"
#include "rekey/pattern/pattern.h"

#define KEY_BYTES_MAX 4096

/* Compiles or fails the test. */
static rk_pattern compiled(rk_names *names, const char *text)
{
    rk_pattern pattern = {0};
    rk_error err = {0};
    if (rk_pattern_compile(&pattern, names, rk_slice_str(text), NULL, &err) != RK_OK)
        fail_msg("%s: %s", text, err.message);
    return pattern;
}

/* --- names ------------------------------------------------------------------------------------ */

#define NAME_64 "a234567890123456789012345678901234567890123456789012345678901234"

static const struct {
    const char *name;
    const char *text;
    rk_status status;
} name_cases[] = {
    {"plain", "tenant_id", RK_OK},
    {"one letter", "t", RK_OK},
    {"digits behind", "a1_2", RK_OK},
    {"longest", NAME_64, RK_OK},
    {"too long", NAME_64 "5", RK_INVALID},
    {"empty", "", RK_INVALID},
    {"digit first", "1a", RK_INVALID},
    {"underscore first", "_a", RK_INVALID},
    {"capital", "Tenant", RK_INVALID},
    {"dash", "tenant-id", RK_INVALID},
    {"not ascii", "t\xc3\xa9nant", RK_INVALID},
};

static void names_follow_the_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof name_cases / sizeof *name_cases; i++) {
        rk_names names = {0};
        rk_error err = {0};
        uint16_t number = 77;
        rk_slice text = rk_slice_str(name_cases[i].text);
        rk_status status = rk_names_intern(&names, text, &number, &err);
        if (status != name_cases[i].status || number != (status == RK_OK ? 0 : 77))
            fail_msg("%s: status %d, %s", name_cases[i].name, (int)status, err.message);
        assert_int_equal(rk_names_find(&names, text), status == RK_OK ? 0 : RK_NAME_NONE);
        rk_names_fini(&names);
    }
    rk_names_fini(NULL);
}

static void names_are_interned_once_up_to_the_limit(void **state)
{
    (void)state;
    rk_names names = {0};
    char text[24];
    uint16_t number;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < RK_NAMES_MAX; i++) {
            snprintf(text, sizeof text, "name_%d", i);
            assert_int_equal(rk_names_intern(&names, rk_slice_str(text), &number, NULL), RK_OK);
            assert_int_equal(number, i);
        }
    }
    assert_int_equal(names.count, RK_NAMES_MAX);
    assert_int_equal(rk_names_intern(&names, rk_slice_str("one_more"), &number, NULL), RK_LIMIT);
    assert_int_equal(rk_names_find(&names, rk_slice_str("one_more")), RK_NAME_NONE);
    rk_names_fini(&names);
}

/* --- compiling -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *text;
    rk_status status;
    size_t offset; /* of the fault */
    size_t segments;
    size_t literal_bytes;
} compile_cases[] = {
    {"the example", "TENANT#{tenant_id}#CONTRACT#{contract_id}", RK_OK, 0, 4, 17},
    {"one literal", "CONFIG", RK_OK, 0, 1, 6},
    {"one variable", "{id}", RK_OK, 0, 1, 0},
    {"literal with spaces", "A B#{id}", RK_OK, 0, 2, 4},
    {"empty", "", RK_INVALID, 0, 0, 0},
    {"empty segment first", "#{id}", RK_INVALID, 0, 0, 0},
    {"empty segment inside", "A##{id}", RK_INVALID, 2, 0, 0},
    {"empty segment last", "A#{id}#", RK_INVALID, 7, 0, 0},
    {"no closing brace", "A#{id", RK_INVALID, 2, 0, 0},
    {"no opening brace", "A#id}", RK_INVALID, 2, 0, 0},
    {"empty name", "A#{}", RK_INVALID, 2, 0, 0},
    {"only a brace", "A#{", RK_INVALID, 2, 0, 0},
    {"text before a variable", "A#x{id}", RK_INVALID, 2, 0, 0},
    {"text behind a variable", "A#{id}x", RK_INVALID, 2, 0, 0},
    {"two variables in one", "A#{id}{ix}", RK_INVALID, 2, 0, 0},
    {"braces in braces", "A#{{id}}", RK_INVALID, 2, 0, 0},
    {"a capital in a name", "A#{Id}", RK_INVALID, 2, 0, 0},
    {"a variable twice", "A#{id}#B#{id}", RK_INVALID, 9, 0, 0},
};

static void patterns_compile_or_say_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof compile_cases / sizeof *compile_cases; i++) {
        rk_names names = {0};
        rk_pattern pattern = {0};
        rk_error err = {0};
        size_t offset = 0;
        rk_status status = rk_pattern_compile(&pattern, &names, rk_slice_str(compile_cases[i].text),
                                              &offset, &err);
        if (status != compile_cases[i].status || offset != compile_cases[i].offset ||
            pattern.segment_count != compile_cases[i].segments ||
            pattern.literal_bytes != compile_cases[i].literal_bytes)
            fail_msg("%s: status %d at %zu, %u segments, %zu bytes: %s", compile_cases[i].name,
                     (int)status, offset, pattern.segment_count, pattern.literal_bytes,
                     err.message);
        if (status == RK_OK)
            assert_string_equal(pattern.text, compile_cases[i].text);
        rk_pattern_fini(&pattern);
        rk_names_fini(&names);
    }
    rk_pattern_fini(NULL);
}

static void segments_are_limited(void **state)
{
    (void)state;
    char text[2 * (RK_SEGMENTS_MAX + 1) + 1] = {0};
    rk_names names = {0};
    rk_pattern pattern = {0};
    for (size_t i = 0; i <= RK_SEGMENTS_MAX; i++)
        memcpy(text + 2 * i, "A#", 2);
    rk_slice most = rk_slice_of(text, 2 * RK_SEGMENTS_MAX - 1);
    rk_slice over = rk_slice_of(text, 2 * RK_SEGMENTS_MAX + 1);
    assert_int_equal(rk_pattern_compile(&pattern, &names, over, NULL, NULL), RK_INVALID);
    assert_int_equal(rk_pattern_compile(&pattern, &names, most, NULL, NULL), RK_OK);
    rk_binding binding = {0};
    assert_true(rk_pattern_match(&pattern, most, &binding));
    assert_false(rk_pattern_match(&pattern, over, &binding));
    assert_false(rk_pattern_match(&pattern, rk_slice_of(text, most.len + 1), &binding));
    rk_pattern_fini(&pattern);
    rk_names_fini(&names);
}

/* --- overlap ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *a;
    const char *b;
    bool closed; /* {capsule_id} is one of DEVUS, PRODUS */
    bool overlaps;
} overlap_cases[] = {
    {"itself", "A#{x}", "A#{x}", false, true},
    {"other names", "A#{x}", "A#{y}", false, true},
    {"other literals", "A#{x}", "B#{x}", false, false},
    {"other counts", "A#{x}", "A#{x}#B", false, false},
    {"a literal is a prefix", "A#{x}", "AB#{x}", false, false},
    {"literal against variable", "A#{x}#C", "A#B#{y}", false, true},
    {"old against new", "TENANT#{tenant_id}#CONTRACT#{contract_id}",
     "TENANT#{tenant_id}#CAPSULE#{capsule_id}#CONTRACT#{contract_id}", false, false},
    {"open capsule, literal", "T#{t}#{capsule_id}", "T#{t}#CONFIG", false, true},
    {"closed capsule, other literal", "T#{t}#{capsule_id}", "T#{t}#CONFIG", true, false},
    {"closed capsule, its own literal", "T#{t}#{capsule_id}", "T#{t}#PRODUS", true, true},
    {"closed capsule on the other side", "T#{t}#DEVUS", "T#{t}#{capsule_id}", true, true},
    {"closed capsule, other variable", "T#{t}#{capsule_id}", "T#{t}#{y}", true, true},
};

static void overlaps_are_found_both_ways(void **state)
{
    (void)state;
    const rk_slice capsules[] = {RK_SLICE_LITERAL("DEVUS"), RK_SLICE_LITERAL("PRODUS")};
    for (size_t i = 0; i < sizeof overlap_cases / sizeof *overlap_cases; i++) {
        rk_names names = {0};
        uint16_t capsule = RK_NAME_NONE;
        assert_int_equal(rk_names_intern(&names, rk_slice_str("capsule_id"), &capsule, NULL),
                         RK_OK);
        rk_pattern a = compiled(&names, overlap_cases[i].a);
        rk_pattern b = compiled(&names, overlap_cases[i].b);
        uint16_t closed = overlap_cases[i].closed ? capsule : RK_NAME_NONE;
        if (rk_pattern_overlaps(&a, &b, closed, capsules, 2) != overlap_cases[i].overlaps ||
            rk_pattern_overlaps(&b, &a, closed, capsules, 2) != overlap_cases[i].overlaps)
            fail_msg("%s", overlap_cases[i].name);
        rk_pattern_fini(&a);
        rk_pattern_fini(&b);
        rk_names_fini(&names);
    }
}

/* --- matching --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *pattern;
    const char *key;
    const char *x; /* what {x} and {y} become; NULL when the key does not match */
    const char *y;
} match_cases[] = {
    {"the example", "TENANT#{x}#CONTRACT#{y}", "TENANT#acme#CONTRACT#c-17", "acme", "c-17"},
    {"variable first", "{x}#B#{y}", "a#B#b", "a", "b"},
    {"broken utf-8 is a value", "A#{x}#{y}", "A#\xff\xfe#\x01", "\xff\xfe", "\x01"},
    {"braces are a value", "A#{x}#{y}", "A#{x}#{y}", "{x}", "{y}"},
    {"other literal", "A#{x}#{y}", "B#1#2", NULL, NULL},
    {"literal too short", "AB#{x}#{y}", "A#1#2", NULL, NULL},
    {"literal too long", "A#{x}#{y}", "AA#1#2", NULL, NULL},
    {"other case", "A#{x}#{y}", "a#1#2", NULL, NULL},
    {"too few segments", "A#{x}#{y}", "A#1", NULL, NULL},
    {"too many segments", "A#{x}#{y}", "A#1#2#3", NULL, NULL},
    {"empty variable", "A#{x}#{y}", "A##2", NULL, NULL},
    {"empty last variable", "A#{x}#{y}", "A#1#", NULL, NULL},
    {"empty key", "{x}", "", NULL, NULL},
    {"delimiters only", "{x}#{y}", "#", NULL, NULL},
};

static void keys_match_whole_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof match_cases / sizeof *match_cases; i++) {
        rk_names names = {0};
        uint16_t x;
        uint16_t y;
        assert_int_equal(rk_names_intern(&names, rk_slice_str("x"), &x, NULL), RK_OK);
        assert_int_equal(rk_names_intern(&names, rk_slice_str("y"), &y, NULL), RK_OK);
        rk_pattern pattern = compiled(&names, match_cases[i].pattern);
        rk_binding binding = {0};
        rk_slice key = rk_slice_str(match_cases[i].key);
        bool matched = rk_pattern_match(&pattern, key, &binding);
        if (matched != (match_cases[i].x != NULL) ||
            !rk_slice_equal(binding.value[x], rk_slice_str(match_cases[i].x)) ||
            !rk_slice_equal(binding.value[y], rk_slice_str(match_cases[i].y)))
            fail_msg("%s: %s", match_cases[i].name, matched ? "matched" : "did not match");
        rk_pattern_fini(&pattern);
        rk_names_fini(&names);
    }
}

static void no_bytes_at_all_match_nothing(void **state)
{
    (void)state;
    rk_names names = {0};
    rk_binding binding = {0};
    rk_split split;
    rk_pattern pattern = compiled(&names, "{x}");
    assert_false(rk_pattern_match(&pattern, RK_SLICE_EMPTY, &binding));
    rk_split_key(RK_SLICE_EMPTY, &split);
    assert_int_equal(split.count, 1);
    assert_false(rk_pattern_match_split(&pattern, &split, &binding));
    rk_pattern_fini(&pattern);
    rk_names_fini(&names);
}

/* Keys of every length with few and many delimiters, each in memory of exactly its size. */
static void keys_split_as_byte_by_byte(void **state)
{
    (void)state;
    rk_prng prng;
    rk_prng_init(&prng, 3);
    for (size_t round = 0; round < 20000; round++) {
        size_t len = 1 + (size_t)rk_prng_below(&prng, 100);
        uint64_t rarity = 1 + rk_prng_below(&prng, 12);
        uint8_t *key = malloc(len);
        assert_non_null(key);
        size_t delimiters = 0;
        for (size_t i = 0; i < len; i++) {
            key[i] = rk_prng_below(&prng, rarity) ? (uint8_t)rk_prng_next(&prng) : RK_DELIMITER;
            delimiters += key[i] == RK_DELIMITER;
        }
        rk_split split;
        rk_split_key(rk_slice_of(key, len), &split);
        size_t most = RK_SEGMENTS_MAX + 1;
        assert_int_equal(split.count, delimiters < most ? delimiters + 1 : most);
        const uint8_t *at = key;
        for (size_t i = 0; i < split.count && split.count < most; i++) {
            assert_ptr_equal(split.segment[i].ptr, at);
            assert_null(memchr(at, RK_DELIMITER, split.segment[i].len));
            at += split.segment[i].len + 1;
        }
        assert_true(split.count == most || at == key + len + 1);
        free(key);
    }
}

/* --- building --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *tenant; /* NULL is not bound */
    const char *id;
    rk_status status;
    const char *key;
    rk_status prefix_status;
    const char *prefix;
    bool whole;
} build_cases[] = {
    {"all bound", "acme", "c-1", RK_OK, "T#acme#C#c-1", RK_OK, "T#acme#C#c-1", true},
    {"last missing", "acme", NULL, RK_NOT_FOUND, "", RK_OK, "T#acme#C#", false},
    {"first missing", NULL, "c-1", RK_NOT_FOUND, "", RK_OK, "T#", false},
    {"none bound", NULL, NULL, RK_NOT_FOUND, "", RK_OK, "T#", false},
    {"a delimiter in an id", "acme", "c#1", RK_INVALID, "", RK_INVALID, "", false},
    {"a delimiter in a tenant", "acme#C#x", NULL, RK_INVALID, "", RK_INVALID, "", false},
    {"only a delimiter", "acme", "#", RK_INVALID, "", RK_INVALID, "", false},
};

static void keys_and_prefixes_are_built(void **state)
{
    (void)state;
    rk_names names = {0};
    rk_pattern pattern = compiled(&names, "T#{tenant_id}#C#{id}");
    for (size_t i = 0; i < sizeof build_cases / sizeof *build_cases; i++) {
        rk_binding binding = {0};
        binding.value[0] = rk_slice_str(build_cases[i].tenant);
        binding.value[1] = rk_slice_str(build_cases[i].id);
        rk_buf buf;
        rk_buf_init(&buf, 100);
        uint16_t missing = RK_NAME_NONE;
        bool whole = false;
        rk_status status = rk_pattern_build(&pattern, &binding, &buf, &missing, NULL);
        if (status != build_cases[i].status ||
            !rk_slice_equal(rk_buf_slice(&buf), rk_slice_str(build_cases[i].key)))
            fail_msg("%s: status %d", build_cases[i].name, (int)status);
        if (status == RK_NOT_FOUND)
            assert_int_equal(missing, build_cases[i].tenant ? 1 : 0);
        rk_buf_reset(&buf);
        status = rk_pattern_prefix(&pattern, &binding, &buf, &whole, NULL);
        if (status != build_cases[i].prefix_status || whole != build_cases[i].whole ||
            !rk_slice_equal(rk_buf_slice(&buf), rk_slice_str(build_cases[i].prefix)))
            fail_msg("%s: prefix, status %d", build_cases[i].name, (int)status);
        uint8_t key[100];
        size_t length = rk_pattern_write(&pattern, &binding, key, sizeof key);
        if (!rk_slice_equal(rk_slice_of(key, length), rk_slice_str(build_cases[i].key)))
            fail_msg("%s: wrote %zu bytes", build_cases[i].name, length);
        rk_buf_fini(&buf);
    }
    rk_pattern_fini(&pattern);
    rk_names_fini(&names);
}

static void a_key_that_does_not_fit_is_measured(void **state)
{
    (void)state;
    static const char whole[] = "T#acme#C#c-17";
    rk_names names = {0};
    rk_pattern pattern = compiled(&names, "T#{tenant_id}#C#{id}");
    rk_binding binding = {0};
    binding.value[0] = rk_slice_str("acme");
    binding.value[1] = rk_slice_str("c-17");
    for (size_t max = 0; max <= sizeof whole; max++) {
        uint8_t out[sizeof whole + 1];
        memset(out, '.', sizeof out);
        size_t written = max < sizeof whole - 1 ? max : sizeof whole - 1;
        assert_int_equal(rk_pattern_write(&pattern, &binding, out, max), sizeof whole - 1);
        assert_memory_equal(out, whole, written);
        assert_int_equal(out[written], '.');
        rk_buf buf;
        rk_buf_init(&buf, max);
        rk_status status = rk_pattern_build(&pattern, &binding, &buf, NULL, NULL);
        assert_int_equal(status, max < sizeof whole - 1 ? RK_LIMIT : RK_OK);
        assert_int_equal(buf.len, status == RK_OK ? sizeof whole - 1 : 0);
        rk_buf_fini(&buf);
    }
    rk_pattern_fini(&pattern);
    rk_names_fini(&names);
}

/* Binds every variable of the pattern to bytes without the delimiter, from a pool. */
static void bind_random(rk_prng *prng, const rk_pattern *pattern, uint8_t *pool,
                        rk_binding *binding)
{
    for (size_t i = 0; i < pattern->segment_count; i++) {
        size_t length = (size_t)rk_prng_below(prng, 40) + 1;
        if (!pattern->segment[i].variable)
            continue;
        for (size_t at = 0; at < length; at++) {
            pool[at] = (uint8_t)rk_prng_next(prng);
            pool[at] = (uint8_t)(pool[at] == RK_DELIMITER ? pool[at] + 1 : pool[at]);
        }
        binding->value[pattern->segment[i].name] = rk_slice_of(pool, length);
        pool += length;
    }
}

static void match_undoes_build(void **state)
{
    (void)state;
    static const char *const texts[] = {"{a}", "A#{a}", "{a}#{b}", "T#{a}#CAPSULE#{b}#C#{c}"};
    rk_prng prng;
    rk_prng_init(&prng, 7);
    for (int round = 0; round < 4000; round++) {
        rk_names names = {0};
        rk_pattern pattern = compiled(&names, texts[round % 4]);
        rk_binding given = {0};
        rk_binding found = {0};
        uint8_t pool[200];
        uint8_t key[KEY_BYTES_MAX];
        bind_random(&prng, &pattern, pool, &given);
        size_t length = rk_pattern_write(&pattern, &given, key, sizeof key);
        assert_true(rk_pattern_match(&pattern, rk_slice_of(key, length), &found));
        for (size_t i = 0; i < names.count; i++)
            assert_true(rk_slice_equal(given.value[i], found.value[i]));
        rk_pattern_fini(&pattern);
        rk_names_fini(&names);
    }
}

/* --- many patterns ---------------------------------------------------------------------------- */

static const char *const many[] = {
    "T#{t}#CONTRACT#{c}",
    "T#{t}#INVOICE#{i}",
    "T#{t}#CONFIGXX#{k}",
    "T#{t}#CONFIGYX#{k}",
    "T#{t}#C#{p}#CONTRACT#{c}",
    "T#{t}",
    "{a}#{b}#{c}",
    "ROOT",
};

static const struct {
    const char *name;
    const char *key;
    int index;
} find_cases[] = {
    {"first", "T#acme#CONTRACT#1", 0},
    {"its sibling", "T#acme#INVOICE#1", 1},
    {"same length, same end", "T#acme#CONFIGXX#1", 2},
    {"same length, same end, sibling", "T#acme#CONFIGYX#1", 3},
    {"same length, same end, neither", "T#acme#CONFIGZX#1", -1},
    {"longer", "T#acme#C#PRODUS#CONTRACT#1", 4},
    {"shorter", "T#acme", 5},
    {"no literal", "x#y#z", 6},
    {"no variable", "ROOT", 7},
    {"unknown", "T#acme#OTHER#1", -1},
    {"no such count", "a#b#c#d#e", -1},
    {"empty", "", -1},
    {"an empty variable", "T##CONTRACT#1", -1},
    {"far too many segments", "################################################", -1},
};

static void a_key_finds_its_pattern(void **state)
{
    (void)state;
    enum { COUNT = sizeof many / sizeof *many };
    rk_names names = {0};
    rk_pattern patterns[COUNT];
    const rk_pattern *pointers[COUNT];
    rk_matcher *matcher = NULL;
    for (size_t i = 0; i < COUNT; i++) {
        patterns[i] = compiled(&names, many[i]);
        pointers[i] = &patterns[i];
    }
    assert_int_equal(rk_matcher_create(pointers, COUNT, &matcher, NULL), RK_OK);
    for (size_t i = 0; i < sizeof find_cases / sizeof *find_cases; i++) {
        rk_binding binding = {0};
        int found = rk_matcher_find(matcher, rk_slice_str(find_cases[i].key), &binding);
        if (found != find_cases[i].index)
            fail_msg("%s: %d", find_cases[i].name, found);
    }
    rk_matcher_destroy(matcher);
    for (size_t i = 0; i < COUNT; i++)
        rk_pattern_fini(&patterns[i]);
    rk_names_fini(&names);
}

static void no_patterns_match_nothing(void **state)
{
    (void)state;
    rk_matcher *matcher = NULL;
    rk_binding binding = {0};
    assert_int_equal(rk_matcher_create(NULL, 0, &matcher, NULL), RK_OK);
    assert_int_equal(rk_matcher_find(matcher, rk_slice_str("A#b"), &binding), -1);
    rk_matcher_destroy(matcher);
    rk_matcher_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_the_rule),
        cmocka_unit_test(names_are_interned_once_up_to_the_limit),
        cmocka_unit_test(patterns_compile_or_say_where),
        cmocka_unit_test(segments_are_limited),
        cmocka_unit_test(overlaps_are_found_both_ways),
        cmocka_unit_test(keys_match_whole_or_not),
        cmocka_unit_test(no_bytes_at_all_match_nothing),
        cmocka_unit_test(keys_split_as_byte_by_byte),
        cmocka_unit_test(keys_and_prefixes_are_built),
        cmocka_unit_test(a_key_that_does_not_fit_is_measured),
        cmocka_unit_test(match_undoes_build),
        cmocka_unit_test(a_key_finds_its_pattern),
        cmocka_unit_test(no_patterns_match_nothing),
    };
    return cmocka_run_group_tests_name("pattern", tests, NULL, NULL);
}
