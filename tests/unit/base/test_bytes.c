/* Blocks against one byte after the other, on random bytes at every place of a line. Compiled
 * twice: once more with REKEY_PORTABLE_BYTES. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rekey/base/bytes.h"
#include "rekey/base/prng.h"
#include "tests/unit/base/test_bytes.h"

#define LINE_BYTES  64
#define ROUNDS      2000
#define PIECE_BYTES 40

/* Bytes at the borders of what is special, more often than chance would bring them. */
static uint8_t any_byte(rk_prng *prng)
{
    static const uint8_t borders[] = {0x00, 0x1F, 0x20, 0x21, '"',  '#',  '$',
                                      0x5B, '\\', 0x5D, 0x7F, 0x80, 0xA2, 0xFF};
    if (rk_prng_below(prng, 2) == 0)
        return borders[rk_prng_below(prng, sizeof borders)];
    return (uint8_t)rk_prng_next(prng);
}

static bool is_special(uint8_t c)
{
    return c == '"' || c == '\\' || c < 0x20 || c >= 0x80;
}

static void expect_block(const uint8_t *bytes)
{
    rk_block block = rk_block_load(bytes);
    uint32_t special = rk_block_special(block);
    uint32_t delimiters = rk_block_equal(block, '#');
    uint32_t high = rk_block_equal(block, 0xFF);
    for (size_t i = 0; i < RK_BLOCK_BYTES; i++) {
        assert_int_equal(special >> i & 1, is_special(bytes[i]));
        assert_int_equal(delimiters >> i & 1, bytes[i] == '#');
        assert_int_equal(high >> i & 1, bytes[i] == 0xFF);
    }
    assert_int_equal((uint64_t)(special | delimiters | high) >> RK_BLOCK_BYTES, 0);
}

static void a_block_is_its_bytes(void **state)
{
    (void)state;
    rk_prng prng;
    rk_prng_init(&prng, 1);
    for (size_t round = 0; round < ROUNDS; round++) {
        uint8_t line[LINE_BYTES];
        for (size_t i = 0; i < sizeof line; i++)
            line[i] = any_byte(&prng);
        for (size_t at = 0; at + RK_BLOCK_BYTES <= sizeof line; at++)
            expect_block(line + at);
    }
}

static void every_byte_is_told_in_every_place(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < RK_BLOCK_BYTES; at++) {
            uint8_t block[RK_BLOCK_BYTES];
            memset(block, 'a', sizeof block);
            block[at] = (uint8_t)byte;
            expect_block(block);
        }
    }
}

static void the_lowest_bit_is_the_first_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(rk_lowest(UINT32_C(1) << i), i);
        assert_int_equal(rk_lowest(UINT32_C(0xFFFFFFFF) << i), i);
    }
}

/* Exactly as long as they are said to be, so that a look past the end shows under
 * AddressSanitizer. */
static void pieces_of_every_length(void **state)
{
    (void)state;
    for (size_t len = 0; len <= PIECE_BYTES; len++) {
        uint8_t *from = malloc(len + 1);
        uint8_t *to = malloc(len + 1);
        assert_true(from && to);
        for (size_t i = 0; i < len; i++)
            from[i] = (uint8_t)(i * 37 + 1);
        from[len] = 1;
        to[len] = 2;
        assert_ptr_equal(rk_bytes_put(to, from, len), to + len);
        assert_int_equal(to[len], 2);
        assert_memory_equal(to, from, len);
        assert_true(rk_bytes_equal(to, from, len));
        for (size_t i = 0; i < len; i++) {
            to[i] ^= 0x80;
            assert_false(rk_bytes_equal(to, from, len));
            to[i] ^= 0x80;
        }
        free(from);
        free(to);
    }
}

int test_bytes(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_its_bytes),
        cmocka_unit_test(every_byte_is_told_in_every_place),
        cmocka_unit_test(the_lowest_bit_is_the_first_byte),
        cmocka_unit_test(pieces_of_every_length),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
