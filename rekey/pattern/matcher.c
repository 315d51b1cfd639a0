#include <stdlib.h>

#include "rekey/pattern/pattern.h"

/* One pattern, with the literal that tells it best from the others of its group. */
typedef struct candidate {
    const rk_pattern *pattern;
    int index;
    uint32_t probe;   /* the segment of that literal */
    rk_slice literal; /* empty when the pattern has none */
} candidate;

/* Patterns in groups by their number of segments: a key is compared with those of its own count
 * only, and all but the right one of these mostly fall at their first literal. */
struct rk_matcher {
    candidate *candidates;
    uint32_t begin[RK_SEGMENTS_MAX + 2];
};

/* How many of the patterns differ from `pattern` in their literal at segment `at`. */
static size_t count_other_literals(const rk_pattern *const *patterns, size_t count,
                                   const rk_pattern *pattern, size_t at)
{
    size_t others = 0;
    for (size_t i = 0; i < count; i++) {
        const rk_segment *segment = &patterns[i]->segment[at];
        if (patterns[i]->segment_count == pattern->segment_count && !segment->variable)
            others += !rk_slice_equal(segment->literal, pattern->segment[at].literal);
    }
    return others;
}

static candidate candidate_of(const rk_pattern *const *patterns, size_t count, uint32_t index)
{
    candidate made = {.pattern = patterns[index], .index = (int)index};
    size_t most = 0;
    for (uint32_t at = 0; at < made.pattern->segment_count; at++) {
        if (made.pattern->segment[at].variable)
            continue;
        size_t others = count_other_literals(patterns, count, made.pattern, at);
        if (made.literal.len == 0 || others > most) {
            made.probe = at;
            made.literal = made.pattern->segment[at].literal;
            most = others;
        }
    }
    return made;
}

rk_status rk_matcher_create(const rk_pattern *const *patterns, size_t count, rk_matcher **out,
                            rk_error *err)
{
    rk_matcher *matcher = calloc(1, sizeof *matcher);
    candidate *candidates = calloc(count + 1, sizeof *candidates);
    if (!matcher || !candidates) {
        free(matcher);
        free(candidates);
        return rk_error_set(err, RK_NOMEM, "out of memory for %zu patterns", count);
    }
    uint32_t filled = 0;
    for (uint32_t segments = 0; segments <= RK_SEGMENTS_MAX; segments++) {
        matcher->begin[segments] = filled;
        for (uint32_t i = 0; i < count; i++)
            if (patterns[i]->segment_count == segments)
                candidates[filled++] = candidate_of(patterns, count, i);
    }
    matcher->begin[RK_SEGMENTS_MAX + 1] = filled;
    matcher->candidates = candidates;
    *out = matcher;
    return RK_OK;
}

void rk_matcher_destroy(rk_matcher *matcher)
{
    if (!matcher)
        return;
    free(matcher->candidates);
    free(matcher);
}

/* Lengths and last bytes tell most literals apart, without a call. */
static bool may_match(const candidate *one, const rk_split *split)
{
    rk_slice literal = one->literal;
    rk_slice segment = split->segment[one->probe];
    if (literal.len == 0)
        return true;
    return literal.len == segment.len &&
           literal.ptr[literal.len - 1] == segment.ptr[literal.len - 1];
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
        const candidate *one = &matcher->candidates[i];
        if (!may_match(one, &split))
            continue;
        if (rk_pattern_match_split(one->pattern, &split, binding))
            return one->index;
    }
    return -1;
}
