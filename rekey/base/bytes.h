/* bytes.h: a few bytes at once, for the loops that every record goes through.
 *
 * A block is RK_BLOCK_BYTES bytes; a function looks at all of them and gives a set of bits, the
 * lowest for the first byte. x86-64 has instructions for it (SSE2, its baseline); elsewhere a
 * block is a 64-bit word. REKEY_PORTABLE_BYTES takes the word everywhere: the tests run both.
 *
 * Short copies and comparisons are here too: of a key's parts, most are shorter than what the call
 * of a library function costs.
 *
 * Threading: no state.
 */
#ifndef REKEY_BASE_BYTES_H
#define REKEY_BASE_BYTES_H

#include <rekey/slice.h>

#if defined(__SSE2__) && !defined(REKEY_PORTABLE_BYTES)
#include <emmintrin.h>
#define RK_BLOCK_BYTES 16
typedef __m128i rk_block;
#else
#define RK_BLOCK_BYTES 8
typedef uint64_t rk_block;
#endif

/* --- blocks ----------------------------------------------------------------------------------- */

#if RK_BLOCK_BYTES == 16

static inline rk_block rk_block_load(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i *)bytes);
}

static inline uint32_t rk_block_equal(rk_block block, uint8_t byte)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8((char)byte)));
}

/* Quotes, backslashes, control characters and what is not ASCII: all that matters inside a JSON
 * string. The comparison is signed, so that bytes from 0x80 on are below zero. */
static inline uint32_t rk_block_special(rk_block block)
{
    __m128i hit = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(block, _mm_set1_epi8('"')));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')));
    return (uint32_t)_mm_movemask_epi8(hit);
}

#else

/* Little-endian whatever the machine. Written out: a compiler makes one load of this, but eight
 * steps of a loop. */
static inline rk_block rk_block_load(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

#define RKI_ONES  UINT64_C(0x0101010101010101)
#define RKI_HIGHS UINT64_C(0x8080808080808080)

/* The highest bit of every byte that is zero, and no other: unlike the shorter form in Anderson's
 * "Bit Twiddling Hacks", nothing is carried from byte to byte. */
static inline uint64_t rki_zero_bytes(uint64_t word)
{
    return ~(((word & ~RKI_HIGHS) + ~RKI_HIGHS) | word) & RKI_HIGHS;
}

/* The highest bits of the bytes, next to each other. */
static inline uint32_t rki_gather(uint64_t highs)
{
    return (uint32_t)((highs >> 7) * UINT64_C(0x0102040810204080) >> 56);
}

static inline uint32_t rk_block_equal(rk_block block, uint8_t byte)
{
    return rki_gather(rki_zero_bytes(block ^ RKI_ONES * byte));
}

static inline uint32_t rk_block_special(rk_block block)
{
    uint64_t hit = rki_zero_bytes(block ^ RKI_ONES * '"');
    hit |= rki_zero_bytes(block ^ RKI_ONES * '\\');
    hit |= rki_zero_bytes(block & RKI_ONES * 0xE0); /* below 0x20 */
    return rki_gather((hit | block) & RKI_HIGHS);
}

#endif

/* The number of the lowest bit of a set that is not empty. */
static inline size_t rk_lowest(uint32_t set)
{
    return (size_t)__builtin_ctz(set);
}

/* --- short pieces ----------------------------------------------------------------------------- */

/* Two loads that may overlap cover every length from one load's to two loads'. */
static inline bool rk_bytes_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    if (len > 16)
        return memcmp(a, b, len) == 0;
    if (len >= 8) {
        uint64_t first[2], last[2];
        memcpy(&first[0], a, 8);
        memcpy(&first[1], b, 8);
        memcpy(&last[0], a + len - 8, 8);
        memcpy(&last[1], b + len - 8, 8);
        return first[0] == first[1] && last[0] == last[1];
    }
    if (len >= 4) {
        uint32_t first[2], last[2];
        memcpy(&first[0], a, 4);
        memcpy(&first[1], b, 4);
        memcpy(&last[0], a + len - 4, 4);
        memcpy(&last[1], b + len - 4, 4);
        return first[0] == first[1] && last[0] == last[1];
    }
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

/* Copies pieces that do not overlap and gives the end of the copy. */
static inline uint8_t *rk_bytes_put(uint8_t *to, const uint8_t *from, size_t len)
{
    if (len > 16) {
        memcpy(to, from, len);
    } else if (len >= 8) {
        uint64_t first, last;
        memcpy(&first, from, 8);
        memcpy(&last, from + len - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + len - 8, &last, 8);
    } else if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + len - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + len - 4, &last, 4);
    } else {
        for (size_t i = 0; i < len; i++)
            to[i] = from[i];
    }
    return to + len;
}

#endif
