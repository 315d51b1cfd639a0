#include "rekey/base/prng.h"

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

void rk_prng_init(rk_prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9E3779B97F4A7C15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        prng->state[i] = z ^ (z >> 31);
    }
}

uint64_t rk_prng_next(rk_prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* High and low half of a 64 by 64 bit product, in portable C. */
static uint64_t multiply(uint64_t a, uint64_t b, uint64_t *low)
{
    uint64_t a_low = (uint32_t)a;
    uint64_t a_high = a >> 32;
    uint64_t b_low = (uint32_t)b;
    uint64_t b_high = b >> 32;
    uint64_t mid = a_high * b_low + ((a_low * b_low) >> 32);
    uint64_t mid_low = (uint32_t)mid + a_low * b_high;
    *low = a * b;
    return a_high * b_high + (mid >> 32) + (mid_low >> 32);
}

uint64_t rk_prng_below(rk_prng *prng, uint64_t bound)
{
    uint64_t low;
    uint64_t high = multiply(rk_prng_next(prng), bound, &low);
    if (low < bound) {
        uint64_t threshold = (0 - bound) % bound;
        while (low < threshold)
            high = multiply(rk_prng_next(prng), bound, &low);
    }
    return high;
}
