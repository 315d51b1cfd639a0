#include "rekey/base/nearest.h"

#include <stdio.h>

/* Longer words are not compared: nobody misspells a name of the format into 64 bytes. */
#define WORD_BYTES_MAX 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Wagner and Fischer (1974), with the swap of neighbours that Damerau adds; three rows are kept. */
static size_t distance_of(rk_slice a, rk_slice b)
{
    size_t rows[3][WORD_BYTES_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = above[j - 1] + (a.ptr[i - 1] == b.ptr[j - 1] ? 0 : 1);
            row[j] = least(replaced, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

void rk_nearest_try(rk_nearest *nearest, rk_slice candidate)
{
    rk_slice word = nearest->word;
    if (word.len == 0 || candidate.len == 0)
        return;
    if (word.len > WORD_BYTES_MAX || candidate.len > WORD_BYTES_MAX)
        return;
    size_t distance = distance_of(word, candidate);
    size_t allowed = word.len < 6 ? 1 : word.len / 3;
    if (distance > allowed || distance >= word.len)
        return;
    if (nearest->best.len > 0 && nearest->distance <= distance)
        return;
    nearest->best = candidate;
    nearest->distance = distance;
}

rk_nearest_hint_text rk_nearest_hint(const rk_nearest *nearest)
{
    rk_nearest_hint_text hint = {0};
    if (nearest->best.len > 0)
        snprintf(hint.text, sizeof hint.text, " (did you mean \"%.*s\"?)", (int)nearest->best.len,
                 (const char *)nearest->best.ptr);
    return hint;
}
