/* prng.h: reproducible numbers from a seed.
 *
 * xoshiro256** by Blackman and Vigna (2018), seeded through splitmix64 as its authors advise. For
 * test data and simulation; never for keys or nonces (those come from rekey/crypto).
 */
#ifndef REKEY_BASE_PRNG_H
#define REKEY_BASE_PRNG_H

#include <stdint.h>

typedef struct rk_prng {
    uint64_t state[4];
} rk_prng;

void rk_prng_init(rk_prng *prng, uint64_t seed);

uint64_t rk_prng_next(rk_prng *prng);

/* A number in [0, bound), without bias (Lemire 2019); bound > 0. */
uint64_t rk_prng_below(rk_prng *prng, uint64_t bound);

#endif
