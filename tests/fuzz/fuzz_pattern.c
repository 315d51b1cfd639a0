/* Any text as a pattern, any bytes as a key and as values: build and match are inverse, and the
 * three ways to build agree. The first NUL splits the input into the pattern and the bytes. */
#include <stdlib.h>

#include "rekey/pattern/pattern.h"

#define KEY_BYTES_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* A key that matches is the key that its variables build. */
static void build_undoes_match(const rk_pattern *pattern, rk_slice key)
{
    rk_binding binding = {0};
    rk_buf built;
    if (!rk_pattern_match(pattern, key, &binding))
        return;
    rk_buf_init(&built, KEY_BYTES_MAX);
    check(rk_pattern_build(pattern, &binding, &built, NULL, NULL) == RK_OK);
    check(rk_slice_equal(rk_buf_slice(&built), key));
    rk_buf_fini(&built);
}

/* Gives the variables the pieces of `bytes` between NULs. */
static void bind_pieces(const rk_pattern *pattern, rk_slice bytes, rk_binding *binding)
{
    for (size_t i = 0; i < pattern->segment_count && bytes.len > 0; i++) {
        if (!pattern->segment[i].variable)
            continue;
        const uint8_t *stop = memchr(bytes.ptr, 0, bytes.len);
        size_t length = stop ? (size_t)(stop - bytes.ptr) : bytes.len;
        size_t used = stop ? length + 1 : length;
        binding->value[pattern->segment[i].name] = rk_slice_of(bytes.ptr, length);
        bytes = rk_slice_of(bytes.ptr + used, bytes.len - used);
    }
}

static void prefix_is_one(const rk_pattern *pattern, const rk_binding *binding, rk_slice key)
{
    rk_buf prefix;
    bool whole = false;
    rk_binding first = {0}; /* one variable bound, the others open */
    rk_buf_init(&prefix, KEY_BYTES_MAX);
    check(rk_pattern_prefix(pattern, binding, &prefix, &whole, NULL) == RK_OK && whole);
    check(rk_slice_equal(rk_buf_slice(&prefix), key));
    rk_buf_reset(&prefix);
    first.value[0] = binding->value[0];
    check(rk_pattern_prefix(pattern, &first, &prefix, &whole, NULL) == RK_OK);
    check(rk_slice_starts_with(key, rk_buf_slice(&prefix)));
    rk_buf_fini(&prefix);
}

static void match_undoes_build(const rk_pattern *pattern, const rk_matcher *matcher,
                               uint16_t name_count, rk_slice bytes)
{
    rk_binding binding = {0};
    rk_binding found = {0};
    rk_buf built;
    bind_pieces(pattern, bytes, &binding);
    rk_buf_init(&built, KEY_BYTES_MAX);
    size_t length = rk_pattern_write(pattern, &binding, NULL, 0);
    rk_status status = rk_pattern_build(pattern, &binding, &built, NULL, NULL);
    check((status == RK_OK) == (length > 0) && built.len == length);
    if (status == RK_OK) {
        rk_slice key = rk_buf_slice(&built);
        check(rk_matcher_find(matcher, key, &found) == 0);
        for (uint16_t i = 0; i < name_count; i++)
            check(rk_slice_equal(binding.value[i], found.value[i]));
        prefix_is_one(pattern, &binding, key);
    }
    rk_buf_fini(&built);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *split = size > 0 ? memchr(data, 0, size) : NULL;
    rk_slice text = rk_slice_of(data, split ? (size_t)(split - data) : size);
    rk_slice bytes = split ? rk_slice_of(split + 1, size - text.len - 1) : RK_SLICE_EMPTY;
    rk_names names = {0};
    rk_pattern pattern = {0};
    const rk_pattern *patterns[] = {&pattern};
    rk_matcher *matcher = NULL;
    rk_error err = {0};
    size_t offset = 0;
    if (rk_pattern_compile(&pattern, &names, text, &offset, &err) != RK_OK) {
        check(offset <= text.len && err.message[0] != '\0');
    } else {
        check(rk_matcher_create(patterns, 1, &matcher, NULL) == RK_OK);
        check(rk_pattern_overlaps(&pattern, &pattern, RK_NAME_NONE, NULL, 0));
        build_undoes_match(&pattern, bytes);
        match_undoes_build(&pattern, matcher, names.count, bytes);
    }
    rk_matcher_destroy(matcher);
    rk_pattern_fini(&pattern);
    rk_names_fini(&names);
    return 0;
}
