/* Statuses and errors, slices, the codec, numbers from a seed, the clock, nearest words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <rekey/version.h>

#include "rekey/base/clock.h"
#include "rekey/base/codec.h"
#include "rekey/base/nearest.h"
#include "rekey/base/prng.h"
#include "tests/unit/base/test_bytes.h"
#include "tests/unit/base/test_memory.h"

/* A slice as a constant initialiser, which RK_SLICE_LITERAL is not. */
#define BYTES(s)                                                                                   \
    {                                                                                              \
        (const uint8_t *)("" s), sizeof(s) - 1                                                     \
    }

/* --- status ----------------------------------------------------------------------------------- */

static void the_version_is_its_three_numbers(void **state)
{
    (void)state;
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", RK_VERSION_MAJOR, RK_VERSION_MINOR, RK_VERSION_PATCH);
    assert_string_equal(rk_version(), RK_VERSION);
    assert_string_equal(rk_version(), text);
}

static void every_status_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int a = RK_OK; a <= RK_IO; a++)
        for (int b = RK_OK; b < a; b++)
            assert_string_not_equal(rk_status_name((rk_status)a), rk_status_name((rk_status)b));
    assert_string_equal(rk_status_name((rk_status)99), "unknown status");
    assert_string_equal(rk_status_name((rk_status)-1), "unknown status");
}

static void an_error_keeps_its_origin_under_context(void **state)
{
    (void)state;
    rk_error err = {0};
    assert_int_equal(
        rk_error_set_native(&err, RK_IO, RK_ORIGIN_ERRNO, 28, "write %s: %s", "log", "no space"),
        RK_IO);
    assert_int_equal(rk_error_context(&err, RK_FULL, "shard %d", 3), RK_FULL);
    assert_string_equal(err.message, "shard 3: write log: no space");
    assert_int_equal(err.origin, RK_ORIGIN_ERRNO);
    assert_int_equal(err.native, 28);
    assert_int_equal(rk_error_set(&err, RK_INVALID, "other"), RK_INVALID);
    assert_int_equal(err.origin, RK_ORIGIN_NONE);
    assert_int_equal(err.native, 0);
    assert_int_equal(rk_error_set(NULL, RK_LIMIT, "nobody listens"), RK_LIMIT);
    assert_int_equal(rk_error_context(NULL, RK_LIMIT, "nobody listens"), RK_LIMIT);
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    rk_error err;
    for (int width = RK_ERROR_MESSAGE_BYTES - 8; width < RK_ERROR_MESSAGE_BYTES + 8; width++) {
        memset(&err, 'x', sizeof err);
        rk_error_set(&err, RK_INVALID, "%0*d", width, 1);
        assert_true(strlen(err.message) < RK_ERROR_MESSAGE_BYTES);
        rk_error_context(&err, RK_INVALID, "%0*d", width % 16, 2);
        rk_error_context(&err, RK_INVALID, "%0*d", width, 3);
        assert_true(strlen(err.message) < RK_ERROR_MESSAGE_BYTES);
    }
}

static void a_message_is_one_line(void **state)
{
    (void)state;
    rk_error err = {0};
    rk_error_set(&err, RK_INVALID, "key %s", "a\nb\rc");
    assert_string_equal(err.message, "key a b c");
}

/* --- slice ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    rk_slice a;
    rk_slice b;
    int order;
} order_cases[] = {
    {"equal", BYTES("ab"), BYTES("ab"), 0},
    {"prefix first", BYTES("a"), BYTES("ab"), -1},
    {"empty first", {NULL, 0}, BYTES("a"), -1},
    {"two empty ones", {NULL, 0}, BYTES(""), 0},
    {"bytes are unsigned", BYTES("\xff"), BYTES("a"), 1},
    {"nul is a byte", BYTES("a\0b"), BYTES("a\0a"), 1},
};

static void slices_order_like_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof order_cases / sizeof *order_cases; i++) {
        int there = rk_slice_compare(order_cases[i].a, order_cases[i].b);
        int back = rk_slice_compare(order_cases[i].b, order_cases[i].a);
        bool equal = rk_slice_equal(order_cases[i].a, order_cases[i].b);
        int sign = (there > 0) - (there < 0);
        if (sign != order_cases[i].order || sign != (back < 0) - (back > 0) || equal != (sign == 0))
            fail_msg("%s: %d", order_cases[i].name, there);
    }
    assert_true(rk_slice_starts_with(rk_slice_str("abc"), rk_slice_str("ab")));
    assert_true(rk_slice_starts_with(rk_slice_str("abc"), RK_SLICE_EMPTY));
    assert_false(rk_slice_starts_with(rk_slice_str("ab"), rk_slice_str("abc")));
}

/* --- codec ------------------------------------------------------------------------------------ */

static void the_layout_is_fixed(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0xAB, 4, 3, 2, 1, 8, 7, 6,   5,  4,
                                       3,    2, 1, 2, 0, 0, 0, 'h', 'i'};
    rk_buf buf;
    rk_buf_init(&buf, sizeof expected);
    assert_int_equal(rk_put_u8(&buf, 0xAB, NULL), RK_OK);
    assert_int_equal(rk_put_u32(&buf, 0x01020304, NULL), RK_OK);
    assert_int_equal(rk_put_u64(&buf, 0x0102030405060708, NULL), RK_OK);
    assert_int_equal(rk_put_bytes(&buf, rk_slice_str("hi"), NULL), RK_OK);
    assert_int_equal(buf.len, sizeof expected);
    assert_memory_equal(buf.ptr, expected, sizeof expected);
    assert_int_equal(rk_put_u8(&buf, 1, NULL), RK_LIMIT);
    assert_int_equal(buf.len, sizeof expected);

    rk_reader reader = rk_reader_of(rk_buf_slice(&buf));
    assert_int_equal(rk_take_u8(&reader), 0xAB);
    assert_int_equal(rk_take_u32(&reader), 0x01020304);
    assert_true(rk_take_u64(&reader) == 0x0102030405060708);
    assert_false(rk_reader_done(&reader));
    assert_true(rk_slice_equal(rk_take_bytes(&reader), rk_slice_str("hi")));
    assert_true(rk_reader_done(&reader));
    rk_buf_fini(&buf);
}

static void a_writer_that_failed_leaves_nothing(void **state)
{
    (void)state;
    rk_error err = {0};
    rk_buf buf;
    rk_buf_init(&buf, 16);
    rk_writer writer = rk_writer_begin(&buf, &err);
    rk_write_u64(&writer, 7);
    assert_int_equal(rk_writer_end(&writer), RK_OK);
    assert_int_equal(buf.len, 8);
    writer = rk_writer_begin(&buf, &err);
    rk_write_u8(&writer, 1);
    rk_write_bytes(&writer, rk_slice_str("too long"));
    rk_write_u8(&writer, 2); /* would fit */
    assert_int_equal(rk_writer_end(&writer), RK_LIMIT);
    assert_int_equal(buf.len, 8);
    writer = rk_writer_begin(&buf, &err);
    rk_write_u32(&writer, (size_t)UINT32_MAX + 1);
    assert_int_equal(rk_writer_end(&writer), RK_LIMIT);
    assert_non_null(strstr(err.message, "32 bits"));
    rk_buf_fini(&buf);
}

static void bytes_that_do_not_fit_leave_no_length_behind(void **state)
{
    (void)state;
    rk_buf buf;
    rk_buf_init(&buf, 6);
    assert_int_equal(rk_put_bytes(&buf, rk_slice_str("abc"), NULL), RK_LIMIT);
    assert_int_equal(buf.len, 0);
    assert_int_equal(rk_put_bytes(&buf, rk_slice_str("ab"), NULL), RK_OK);
    rk_buf_fini(&buf);
}

static const struct {
    const char *name;
    rk_slice bytes;
    bool ok;
} reader_cases[] = {
    {"empty", {NULL, 0}, false},
    {"short length", BYTES("\3\0\0"), false},
    {"length past the end", BYTES("\3\0\0\0ab"), false},
    {"huge length",
     BYTES("\xff\xff\xff\xff"
           "ab"),
     false},
    {"exact", BYTES("\2\0\0\0ab"), true},
    {"nothing in it", BYTES("\0\0\0\0"), true},
    {"more behind it", BYTES("\1\0\0\0ab"), false},
};

static void a_short_read_sticks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reader_cases / sizeof *reader_cases; i++) {
        rk_reader reader = rk_reader_of(reader_cases[i].bytes);
        rk_take_bytes(&reader);
        if (rk_reader_done(&reader) != reader_cases[i].ok)
            fail_msg("%s", reader_cases[i].name);
        if (reader.ok)
            continue;
        assert_int_equal(rk_take_u8(&reader), 0);
        assert_true(rk_take_u64(&reader) == 0);
        assert_int_equal(rk_take_bytes(&reader).len, 0);
        assert_false(rk_reader_done(&reader));
    }
}

/* --- prng ------------------------------------------------------------------------------------- */

/* The numbers come from a second implementation, in Python, of the authors' C code: splitmix64 of
 * seed 1234567, then xoshiro256** from the state 1, 2, 3, 4. */
static void numbers_are_those_of_the_reference(void **state)
{
    (void)state;
    rk_prng prng;
    rk_prng_init(&prng, 1234567);
    assert_true(prng.state[0] == 6457827717110365317u);
    assert_true(prng.state[1] == 3203168211198807973u);
    assert_true(prng.state[2] == 9817491932198370423u);
    assert_true(prng.state[3] == 4593380528125082431u);
    prng = (rk_prng){{1, 2, 3, 4}};
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true(rk_prng_next(&prng) == expected[i]);
}

static void below_stays_below_and_reaches_all(void **state)
{
    (void)state;
    const uint64_t bounds[] = {1, 2, 7, 64};
    rk_prng prng;
    rk_prng_init(&prng, 42);
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
        unsigned seen[64] = {0};
        for (uint64_t i = 0; i < bounds[b] * 1000; i++) {
            uint64_t n = rk_prng_below(&prng, bounds[b]);
            assert_true(n < bounds[b]);
            seen[n]++;
        }
        for (uint64_t n = 0; n < bounds[b]; n++)
            if (seen[n] < 800 || seen[n] > 1200)
                fail_msg("%u of about 1000 draws gave %u", seen[n], (unsigned)n);
    }
    for (int i = 0; i < 1000; i++)
        assert_true(rk_prng_below(&prng, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
}

/* --- clock ------------------------------------------------------------------------------------ */

static void the_clock_goes_on(void **state)
{
    (void)state;
    const rk_clock *clock = rk_clock_system();
    uint64_t before = rk_clock_monotonic_ns(clock);
    clock->pause_ns(clock->context, 1000000);
    assert_true(rk_clock_monotonic_ns(clock) - before >= 1000000);
    assert_true(rk_clock_wall_ms(clock) > INT64_C(1577836800000)); /* the year 2020 */
}

/* --- nearest ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *word;
    const char *hint;
} nearest_cases[] = {
    {"a letter is missing", "contrct_id", " (did you mean \"contract_id\"?)"},
    {"neighbours are swapped", "tennat_id", " (did you mean \"tenant_id\"?)"},
    {"nothing is close", "zzzzzzzz", ""},
    {"a short word needs to be closer", "xy", ""},
    {"empty", "", ""},
};

static void the_nearest_word_is_hinted(void **state)
{
    (void)state;
    static const char *const known[] = {"tenant_id", "contract_id", "capsule_id"};
    for (size_t i = 0; i < sizeof nearest_cases / sizeof *nearest_cases; i++) {
        rk_nearest nearest = {.word = rk_slice_str(nearest_cases[i].word)};
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            rk_nearest_try(&nearest, rk_slice_str(known[k]));
        rk_nearest_hint_text hint = rk_nearest_hint(&nearest);
        if (strcmp(hint.text, nearest_cases[i].hint) != 0)
            fail_msg("%s: %s", nearest_cases[i].name, hint.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_version_is_its_three_numbers),
        cmocka_unit_test(every_status_has_a_name_of_its_own),
        cmocka_unit_test(an_error_keeps_its_origin_under_context),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(a_message_is_one_line),
        cmocka_unit_test(slices_order_like_keys),
        cmocka_unit_test(the_layout_is_fixed),
        cmocka_unit_test(bytes_that_do_not_fit_leave_no_length_behind),
        cmocka_unit_test(a_writer_that_failed_leaves_nothing),
        cmocka_unit_test(a_short_read_sticks),
        cmocka_unit_test(numbers_are_those_of_the_reference),
        cmocka_unit_test(below_stays_below_and_reaches_all),
        cmocka_unit_test(the_clock_goes_on),
        cmocka_unit_test(the_nearest_word_is_hinted),
    };
    int failed = cmocka_run_group_tests_name("base", tests, NULL, NULL);
    return failed + test_memory() + test_bytes();
}
