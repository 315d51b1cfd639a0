#include <stdlib.h>

#include "rekey/pattern/pattern.h"

/* Patterns in groups by their number of segments: a key is compared with those of its own count
 * only, and a comparison of two literals starts with their lengths. */
struct rk_matcher {
    const rk_pattern *const *patterns;
    uint32_t *order; /* pattern numbers, sorted by segment count */
    uint32_t begin[RK_SEGMENTS_MAX + 2];
};

rk_status rk_matcher_create(const rk_pattern *const *patterns, size_t count, rk_matcher **out,
                            rk_error *err)
{
    rk_matcher *matcher = calloc(1, sizeof *matcher);
    uint32_t *order = calloc(count + 1, sizeof *order);
    const rk_pattern **copy = calloc(count + 1, sizeof *copy);
    if (!matcher || !order || !copy) {
        free(matcher);
        free(order);
        free(copy);
        return rk_error_set(err, RK_NOMEM, "out of memory for %zu patterns", count);
    }
    uint32_t filled = 0;
    for (uint32_t segments = 0; segments <= RK_SEGMENTS_MAX; segments++) {
        matcher->begin[segments] = filled;
        for (uint32_t i = 0; i < count; i++)
            if (patterns[i]->segment_count == segments)
                order[filled++] = i;
    }
    matcher->begin[RK_SEGMENTS_MAX + 1] = filled;
    for (size_t i = 0; i < count; i++)
        copy[i] = patterns[i];
    matcher->patterns = copy;
    matcher->order = order;
    *out = matcher;
    return RK_OK;
}

void rk_matcher_destroy(rk_matcher *matcher)
{
    if (!matcher)
        return;
    free((void *)(uintptr_t)matcher->patterns);
    free(matcher->order);
    free(matcher);
}

int rk_matcher_find(const rk_matcher *matcher, rk_slice key, rk_binding *binding)
{
    rk_split split;
    if (key.len == 0)
        return -1;
    rk_split_key(key, &split);
    if (split.count > RK_SEGMENTS_MAX)
        return -1;
    for (uint32_t i = matcher->begin[split.count]; i < matcher->begin[split.count + 1]; i++) {
        uint32_t pattern = matcher->order[i];
        if (rk_pattern_match_split(matcher->patterns[pattern], &split, binding))
            return (int)pattern;
    }
    return -1;
}
