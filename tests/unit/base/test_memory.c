/* Owned bytes: caps are exact, and a failure changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rekey/base/arena.h"
#include "rekey/base/buf.h"
#include "rekey/base/prng.h"
#include "tests/unit/base/test_memory.h"

/* --- buf -------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t max;
    const char *first;
    const char *second;
    rk_status status; /* of the second append */
    const char *left;
} append_cases[] = {
    {"both fit", 100, "abc", "def", RK_OK, "abcdef"},
    {"exactly full", 6, "abc", "def", RK_OK, "abcdef"},
    {"one over", 5, "abc", "def", RK_LIMIT, "abc"},
    {"full already", 3, "abc", "d", RK_LIMIT, "abc"},
    {"nothing into a full one", 3, "abc", "", RK_OK, "abc"},
    {"nothing into nothing", 0, "", "", RK_OK, ""},
    {"something into nothing", 0, "", "a", RK_LIMIT, ""},
};

static void appends_keep_the_cap(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof append_cases / sizeof *append_cases; i++) {
        rk_buf buf;
        rk_error err = {0};
        rk_buf_init(&buf, append_cases[i].max);
        assert_int_equal(rk_buf_append_str(&buf, append_cases[i].first, NULL), RK_OK);
        rk_status status = rk_buf_append_str(&buf, append_cases[i].second, &err);
        bool left = rk_slice_equal(rk_buf_slice(&buf), rk_slice_str(append_cases[i].left));
        if (status != append_cases[i].status || !left || buf.cap > buf.max)
            fail_msg("%s: status %d, %zu bytes left", append_cases[i].name, (int)status, buf.len);
        assert_int_equal(status != RK_OK, err.message[0] != '\0');
        rk_buf_fini(&buf);
    }
}

static void formats_of_any_length_are_appended(void **state)
{
    (void)state;
    for (int width = 1; width < 2000; width = width * 2 + 1) {
        rk_buf buf;
        rk_buf_init(&buf, (size_t)width + 1);
        assert_int_equal(rk_buf_append_byte(&buf, '<', NULL), RK_OK);
        assert_int_equal(rk_buf_append_format(&buf, NULL, "%0*d", width, 7), RK_OK);
        assert_int_equal(buf.len, (size_t)width + 1);
        assert_int_equal(buf.ptr[0], '<');
        assert_int_equal(buf.ptr[width], '7');
        assert_int_equal(rk_buf_append_format(&buf, NULL, "%d", 1), RK_LIMIT);
        assert_int_equal(buf.len, (size_t)width + 1);
        rk_buf_fini(&buf);
    }
}

static void set_replaces(void **state)
{
    (void)state;
    rk_buf buf;
    rk_buf_init(&buf, 4);
    assert_int_equal(rk_buf_set(&buf, rk_slice_str("abcd"), NULL), RK_OK);
    assert_int_equal(rk_buf_set(&buf, rk_slice_str("abcde"), NULL), RK_LIMIT);
    assert_true(rk_slice_equal(rk_buf_slice(&buf), rk_slice_str("abcd")));
    assert_int_equal(rk_buf_set(&buf, RK_SLICE_EMPTY, NULL), RK_OK);
    assert_int_equal(buf.len, 0);
    rk_buf_reset(&buf);
    assert_int_equal(rk_buf_reserve(&buf, SIZE_MAX, NULL), RK_LIMIT);
    rk_buf_fini(&buf);
    rk_buf_fini(&buf);
    rk_buf_fini(NULL);
}

/* --- arena ------------------------------------------------------------------------------------ */

static void small_caps_are_usable(void **state)
{
    (void)state;
    const size_t caps[] = {1, 15, 16, 1000, 65536, 70000};
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++) {
        rk_arena arena;
        rk_arena_init(&arena, caps[i]);
        for (int round = 0; round < 3; round++) {
            assert_null(rk_arena_alloc(&arena, caps[i] + 1));
            assert_non_null(rk_arena_alloc(&arena, caps[i]));
            assert_null(rk_arena_alloc(&arena, 1));
            assert_true(arena.bytes_held <= caps[i]);
            rk_arena_reset(&arena);
        }
        assert_null(rk_arena_alloc(&arena, SIZE_MAX));
        rk_arena_fini(&arena);
    }
    rk_arena_fini(NULL);
}

static void nothing_overlaps(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    uint8_t *given[COUNT];
    size_t size[COUNT];
    rk_arena arena;
    rk_prng prng;
    rk_prng_init(&prng, 1);
    rk_arena_init(&arena, (size_t)64 << 20);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            size[i] = (size_t)rk_prng_below(&prng, i % 50 == 0 ? 200000 : 700);
            given[i] = rk_arena_alloc(&arena, size[i]);
            assert_non_null(given[i]);
            assert_int_equal((uintptr_t)given[i] % _Alignof(max_align_t), 0);
            memset(given[i], (int)(i & 0xFF), size[i]);
        }
        for (size_t i = 0; i < COUNT; i++)
            for (size_t at = 0; at < size[i]; at++)
                if (given[i][at] != (i & 0xFF))
                    fail_msg("round %d: allocation %zu was overwritten", round, i);
        assert_true(arena.handed_out <= arena.bytes_held);
        rk_arena_reset(&arena);
    }
    rk_arena_fini(&arena);
}

static void the_steady_state_allocates_no_chunk(void **state)
{
    (void)state;
    rk_arena arena;
    rk_arena_init(&arena, (size_t)8 << 20);
    size_t held = 0;
    for (int round = 0; round < 5; round++) {
        rk_arena_reset(&arena);
        for (int i = 0; i < 1000; i++)
            assert_non_null(rk_arena_alloc(&arena, 700));
        assert_true(round == 0 || arena.bytes_held == held);
        held = arena.bytes_held;
    }
    rk_arena_fini(&arena);
}

/* After rounds of small allocations the cap is full of small chunks. */
static void earlier_rounds_do_not_shrink_the_cap(void **state)
{
    (void)state;
    const size_t cap = (size_t)1 << 20;
    rk_arena arena;
    rk_arena_init(&arena, cap);
    while (rk_arena_alloc(&arena, 1000))
        continue;
    rk_arena_reset(&arena);
    assert_non_null(rk_arena_alloc(&arena, cap));
    rk_arena_reset(&arena);
    uint8_t *kept = rk_arena_alloc(&arena, 100);
    assert_non_null(kept);
    memset(kept, 'k', 100);
    rk_arena_fini(&arena);

    rk_arena_init(&arena, cap);
    while (rk_arena_alloc(&arena, 1000))
        continue;
    rk_arena_reset(&arena);
    kept = rk_arena_alloc(&arena, 100);
    memset(kept, 'k', 100);
    assert_non_null(rk_arena_alloc(&arena, cap - 64 * 1024));
    assert_int_equal(kept[99], 'k');
    assert_true(arena.bytes_held <= cap);
    rk_arena_fini(&arena);
}

static void a_copy_is_a_copy(void **state)
{
    (void)state;
    char text[] = "abc";
    rk_arena arena;
    rk_slice copy = RK_SLICE_EMPTY;
    rk_error err = {0};
    rk_arena_init(&arena, 8);
    assert_int_equal(rk_arena_copy(&arena, rk_slice_str(text), &copy, &err), RK_OK);
    text[0] = 'x';
    assert_true(rk_slice_equal(copy, rk_slice_str("abc")));
    assert_int_equal(rk_arena_copy(&arena, rk_slice_str("123456789"), &copy, &err), RK_LIMIT);
    assert_true(rk_slice_equal(copy, rk_slice_str("abc")));
    assert_true(err.message[0] != '\0');
    rk_arena_fini(&arena);
}

int test_memory(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_keep_the_cap),
        cmocka_unit_test(formats_of_any_length_are_appended),
        cmocka_unit_test(set_replaces),
        cmocka_unit_test(small_caps_are_usable),
        cmocka_unit_test(nothing_overlaps),
        cmocka_unit_test(the_steady_state_allocates_no_chunk),
        cmocka_unit_test(earlier_rounds_do_not_shrink_the_cap),
        cmocka_unit_test(a_copy_is_a_copy),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
