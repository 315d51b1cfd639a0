/* nearest.h: the known word closest to one that is not known. */
#ifndef REKEY_BASE_NEAREST_H
#define REKEY_BASE_NEAREST_H

#include <rekey/slice.h>

/* Zeroed but for `word` is a search that has seen no candidate. */
typedef struct rk_nearest {
    rk_slice word;
    rk_slice best; /* borrowed from the candidate; empty while nothing is close enough */
    size_t distance;
} rk_nearest;

/* Offers a candidate. Close enough is a third of the word's length, at least one edit; distance is
 * that of optimal string alignment: insert, delete, replace, swap two neighbours. */
void rk_nearest_try(rk_nearest *nearest, rk_slice candidate);

/* ` (did you mean "contract_id"?)`, or nothing. */
typedef struct rk_nearest_hint_text {
    char text[112];
} rk_nearest_hint_text;

rk_nearest_hint_text rk_nearest_hint(const rk_nearest *nearest);

#endif
