/* Strings of random bytes, in blocks, against a judge that looks at one byte after the other and
 * shares no code with the scanner: RFC 8259, and table 3-7 of the Unicode standard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rekey/base/prng.h"
#include "rekey/record/json.h"
#include "tests/unit/record/test_scan.h"

#define ROUNDS     60000
#define TEXT_BYTES 70

/* --- the judge -------------------------------------------------------------------------------- */

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The code of \uXXXX; -1 when it is none. */
static long code_of(const uint8_t *text, size_t len)
{
    if (len < 6 || text[0] != '\\' || text[1] != 'u')
        return -1;
    char digits[5] = {0};
    for (size_t i = 0; i < 4; i++) {
        if (!is_hex(text[2 + i]))
            return -1;
        digits[i] = (char)text[2 + i];
    }
    return strtol(digits, NULL, 16);
}

/* How many bytes the escape takes; 0 for a bad one. */
static size_t escape_bytes(const uint8_t *text, size_t len)
{
    if (len >= 2 && text[1] != 'u')
        return text[1] != 0 && strchr("\"\\/bfnrt", text[1]) ? 2 : 0;
    long code = code_of(text, len);
    if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF))
        return 0;
    if (code < 0xD800 || code > 0xDBFF)
        return 6;
    long low = code_of(text + 6, len - 6);
    return low >= 0xDC00 && low <= 0xDFFF ? 12 : 0;
}

static const struct {
    uint8_t first[2], second[2];
    size_t length;
} well_formed[] = {
    {{0xC2, 0xDF}, {0x80, 0xBF}, 2}, {{0xE0, 0xE0}, {0xA0, 0xBF}, 3},
    {{0xE1, 0xEC}, {0x80, 0xBF}, 3}, {{0xED, 0xED}, {0x80, 0x9F}, 3},
    {{0xEE, 0xEF}, {0x80, 0xBF}, 3}, {{0xF0, 0xF0}, {0x90, 0xBF}, 4},
    {{0xF1, 0xF3}, {0x80, 0xBF}, 4}, {{0xF4, 0xF4}, {0x80, 0x8F}, 4},
};

static bool within(uint8_t c, const uint8_t range[2])
{
    return c >= range[0] && c <= range[1];
}

/* How many bytes the character takes; 0 for a bad one. */
static size_t character_bytes(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < sizeof well_formed / sizeof *well_formed; i++) {
        size_t length = well_formed[i].length;
        if (len < length || !within(text[0], well_formed[i].first) ||
            !within(text[1], well_formed[i].second))
            continue;
        bool rest = true;
        for (size_t k = 2; k < length; k++)
            rest = rest && (text[k] & 0xC0) == 0x80;
        return rest ? length : 0;
    }
    return 0;
}

/* Whether all of it may stand between two quotes. */
static bool is_string_inside(const uint8_t *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t step = 1;
        if (text[at] == '"' || text[at] < 0x20)
            return false;
        if (text[at] == '\\')
            step = escape_bytes(text + at, len - at);
        else if (text[at] >= 0x80)
            step = character_bytes(text + at, len - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

/* --- the judged ------------------------------------------------------------------------------- */

/* Plain text with now and then a piece, good or bad, that is not. */
static size_t any_text(rk_prng *prng, uint8_t *out)
{
    static const char *const pieces[] = {
        "\\n",          "\\u0041",      "\\ud83d\\ude00",
        "\\ud83d",      "\\x",          "\xC3\xA9",
        "\xE2\x82\xAC", "\xED\xA0\x80", "\xF0\x9F\x98\x80",
        "\xC0\xAF",     "\xF5",         "\"",
        "\x1F",         "\x7F",         "\\\\",
        "\\\"",         "\xE2\x82",     "\xF4\x90\x80\x80",
    };
    size_t wanted = (size_t)rk_prng_below(prng, TEXT_BYTES);
    size_t len = 0;
    while (len < wanted) {
        if (rk_prng_below(prng, 24) > 0) {
            out[len++] = (uint8_t)('a' + rk_prng_below(prng, 26));
            continue;
        }
        const char *piece = pieces[rk_prng_below(prng, sizeof pieces / sizeof *pieces)];
        memcpy(out + len, piece, strlen(piece));
        len += strlen(piece);
    }
    return len;
}

/* {"TEXT":"TEXT"} in a block of exactly its size, at any alignment. */
static rk_status find_in(const uint8_t *text, size_t len, size_t shift)
{
    size_t length = 2 * len + 7;
    uint8_t *memory = malloc(shift + length);
    assert_non_null(memory);
    uint8_t *to = memory + shift;
    memcpy(to, "{\"", 2);
    memcpy(to + 2, text, len);
    memcpy(to + 2 + len, "\":\"", 3);
    memcpy(to + 5 + len, text, len);
    memcpy(to + 5 + 2 * len, "\"}", 2);
    const rk_slice name = RK_SLICE_LITERAL("a");
    rk_json_field field = {0};
    rk_arena arena;
    rk_arena_init(&arena, (size_t)1 << 20);
    rk_status status = rk_json_find(rk_slice_of(to, length), &name, 1, &field, &arena, NULL);
    rk_arena_fini(&arena);
    free(memory);
    return status;
}

static void strings_are_judged_byte_by_byte(void **state)
{
    (void)state;
    rk_prng prng;
    size_t accepted = 0;
    rk_prng_init(&prng, 7);
    for (size_t round = 0; round < ROUNDS; round++) {
        uint8_t text[TEXT_BYTES + 16];
        size_t len = any_text(&prng, text);
        bool good = is_string_inside(text, len);
        rk_status status = find_in(text, len, round % 17);
        /* A quote in the text might by chance leave another object. */
        if (!good && memchr(text, '"', len))
            continue;
        if (status != (good ? RK_OK : RK_INVALID))
            fail_msg("round %zu: %zu bytes, status %d", round, len, (int)status);
        accepted += good;
    }
    assert_in_range(accepted, ROUNDS / 4, ROUNDS - ROUNDS / 10);
}

/* One byte, of every kind, in every place of a long string. */
static void one_byte_in_every_place(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 40; at++) {
            uint8_t text[40];
            memset(text, 'x', sizeof text);
            text[at] = (uint8_t)byte;
            rk_status status = find_in(text, sizeof text, at % 3);
            bool good = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
            assert_int_equal(status, good ? RK_OK : RK_INVALID);
        }
    }
}

int test_scan(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_judged_byte_by_byte),
        cmocka_unit_test(one_byte_in_every_place),
    };
    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
