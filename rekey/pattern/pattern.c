#include "rekey/pattern/pattern.h"

#include <stdlib.h>

#include "rekey/base/bytes.h"

/* --- compiling -------------------------------------------------------------------------------- */

static rk_status fault(rk_pattern *pattern, size_t at, size_t *offset, rk_error *err,
                       const char *what)
{
    rk_pattern_fini(pattern);
    if (offset)
        *offset = at;
    return rk_error_set(err, RK_INVALID, "%s (at byte %zu of the pattern)", what, at);
}

static bool literal_is_plain(rk_slice literal)
{
    return !memchr(literal.ptr, '{', literal.len) && !memchr(literal.ptr, '}', literal.len);
}

/* One segment; NULL, or what is wrong with it. */
static const char *compile_segment(rk_pattern *pattern, rk_names *names, rk_slice text,
                                   rk_error *err)
{
    rk_segment *segment = &pattern->segment[pattern->segment_count];
    if (text.len == 0)
        return "an empty segment";
    if (text.ptr[0] != '{') {
        if (!literal_is_plain(text))
            return "a segment is either a literal or one {variable}, never a mixture";
        *segment = (rk_segment){.literal = text, .name = RK_NAME_NONE};
        pattern->literal_bytes += text.len;
        return NULL;
    }
    rk_slice name = rk_slice_of(text.ptr + 1, text.len - 1);
    if (name.len == 0 || name.ptr[name.len - 1] != '}')
        return "a segment that begins with { must end with }";
    name.len--;
    *segment = (rk_segment){.variable = true};
    if (rk_names_intern(names, name, &segment->name, err) != RK_OK)
        return err && err->message[0] ? err->message : "a variable name breaks the naming rule";
    if (rk_pattern_has(pattern, segment->name))
        return "a variable occurs twice";
    return NULL;
}

static void add_piece(rk_pattern *pattern, const uint8_t *begin, const uint8_t *end, uint16_t name)
{
    pattern->piece[pattern->piece_count++] =
        (rk_piece){.literal = rk_slice_of(begin, (size_t)(end - begin)), .name = name};
}

rk_status rk_pattern_compile(rk_pattern *pattern, rk_names *names, rk_slice text, size_t *offset,
                             rk_error *err)
{
    *pattern = (rk_pattern){.text = malloc(text.len + 1)};
    if (!pattern->text)
        return rk_error_set(err, RK_NOMEM, "out of memory for a pattern");
    if (text.len > 0)
        memcpy(pattern->text, text.ptr, text.len);
    pattern->text[text.len] = '\0';
    const uint8_t *begin = (const uint8_t *)pattern->text;
    const uint8_t *end = begin + text.len;
    const uint8_t *piece = begin; /* behind the last variable */
    for (const uint8_t *at = begin;;) {
        if (pattern->segment_count == RK_SEGMENTS_MAX)
            return fault(pattern, (size_t)(at - begin), offset, err, "too many segments");
        const uint8_t *stop = memchr(at, RK_DELIMITER, (size_t)(end - at));
        if (!stop)
            stop = end;
        rk_error why = {0};
        const char *wrong =
            compile_segment(pattern, names, rk_slice_of(at, (size_t)(stop - at)), &why);
        if (wrong)
            return fault(pattern, (size_t)(at - begin), offset, err, wrong);
        const rk_segment *segment = &pattern->segment[pattern->segment_count++];
        if (segment->variable) {
            add_piece(pattern, piece, at, segment->name);
            piece = stop;
        }
        if (stop == end) {
            if (piece < end)
                add_piece(pattern, piece, end, RK_NAME_NONE);
            return RK_OK;
        }
        pattern->literal_bytes++;
        at = stop + 1;
    }
}

void rk_pattern_fini(rk_pattern *pattern)
{
    if (!pattern)
        return;
    free(pattern->text);
    *pattern = (rk_pattern){0};
}

bool rk_pattern_has(const rk_pattern *pattern, uint16_t name)
{
    for (size_t i = 0; i < pattern->segment_count; i++)
        if (pattern->segment[i].variable && pattern->segment[i].name == name)
            return true;
    return false;
}

/* --- overlap ---------------------------------------------------------------------------------- */

static bool among(rk_slice value, const rk_slice *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rk_slice_equal(value, values[i]))
            return true;
    return false;
}

static bool segments_overlap(const rk_segment *a, const rk_segment *b, uint16_t closed,
                             const rk_slice *closed_values, size_t closed_count)
{
    if (a->variable && b->variable)
        return true;
    if (!a->variable && !b->variable)
        return rk_slice_equal(a->literal, b->literal);
    const rk_segment *variable = a->variable ? a : b;
    const rk_segment *literal = a->variable ? b : a;
    return variable->name != closed || among(literal->literal, closed_values, closed_count);
}

bool rk_pattern_overlaps(const rk_pattern *a, const rk_pattern *b, uint16_t closed,
                         const rk_slice *closed_values, size_t closed_count)
{
    if (a->segment_count != b->segment_count)
        return false;
    for (size_t i = 0; i < a->segment_count; i++)
        if (!segments_overlap(&a->segment[i], &b->segment[i], closed, closed_values, closed_count))
            return false;
    return true;
}

/* --- building --------------------------------------------------------------------------------- */

/* A value that holds the delimiter would reach into another scope's keys. */
static bool holds_delimiter(rk_slice value)
{
    return memchr(value.ptr, RK_DELIMITER, value.len) != NULL;
}

static rk_status delimiter_fault(const rk_pattern *pattern, rk_error *err)
{
    return rk_error_set(err, RK_INVALID, "a value for %s holds the delimiter '%c'", pattern->text,
                        RK_DELIMITER);
}

rk_status rk_pattern_build(const rk_pattern *pattern, const rk_binding *binding, rk_buf *key,
                           uint16_t *missing, rk_error *err)
{
    size_t before = key->len;
    rk_status status = RK_OK;
    for (size_t i = 0; status == RK_OK && i < pattern->segment_count; i++) {
        const rk_segment *segment = &pattern->segment[i];
        rk_slice bytes = segment->variable ? binding->value[segment->name] : segment->literal;
        if (bytes.len == 0) {
            if (missing)
                *missing = segment->name;
            status =
                rk_error_set(err, RK_NOT_FOUND, "a variable of %s has no value", pattern->text);
        } else if (segment->variable && holds_delimiter(bytes)) {
            status = delimiter_fault(pattern, err);
        }
        if (status == RK_OK && i > 0)
            status = rk_buf_append_byte(key, RK_DELIMITER, err);
        if (status == RK_OK)
            status = rk_buf_append(key, bytes, err);
    }
    if (status != RK_OK)
        key->len = before;
    return status;
}

/* Copies what fits, counts all. */
static size_t put(uint8_t *out, size_t out_max, size_t at, const uint8_t *bytes, size_t len)
{
    if (at < out_max)
        memcpy(out + at, bytes, len < out_max - at ? len : out_max - at);
    return at + len;
}

size_t rk_pattern_write(const rk_pattern *pattern, const rk_binding *binding, uint8_t *out,
                        size_t out_max)
{
    static const uint8_t delimiter = RK_DELIMITER;
    size_t length = 0;
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const rk_segment *segment = &pattern->segment[i];
        rk_slice bytes = segment->variable ? binding->value[segment->name] : segment->literal;
        if (bytes.len == 0)
            return 0;
        if (segment->variable && holds_delimiter(bytes))
            return 0;
        if (i > 0)
            length = put(out, out_max, length, &delimiter, 1);
        length = put(out, out_max, length, bytes.ptr, bytes.len);
    }
    return length;
}

rk_status rk_pattern_prefix(const rk_pattern *pattern, const rk_binding *binding, rk_buf *prefix,
                            bool *whole, rk_error *err)
{
    size_t before = prefix->len;
    rk_status status = RK_OK;
    bool all_bound = true;
    for (size_t i = 0; status == RK_OK && i < pattern->segment_count; i++) {
        const rk_segment *segment = &pattern->segment[i];
        rk_slice bytes = segment->variable ? binding->value[segment->name] : segment->literal;
        if (i > 0)
            status = rk_buf_append_byte(prefix, RK_DELIMITER, err);
        if (bytes.len == 0) {
            all_bound = false;
            break;
        }
        if (status == RK_OK && segment->variable && holds_delimiter(bytes))
            status = delimiter_fault(pattern, err);
        if (status == RK_OK)
            status = rk_buf_append(prefix, bytes, err);
    }
    if (status == RK_OK)
        *whole = all_bound;
    else
        prefix->len = before;
    return status;
}

/* --- matching --------------------------------------------------------------------------------- */

/* The delimiters in the block at `at`, as far as the key goes. The last bytes, too few for a block,
 * are looked at in a block with those before them. */
static inline uint32_t delimiters_at(rk_slice key, size_t at)
{
    if (key.len - at >= RK_BLOCK_BYTES)
        return rk_block_equal(rk_block_load(key.ptr + at), RK_DELIMITER);
    if (key.len >= RK_BLOCK_BYTES) {
        size_t before = key.len - RK_BLOCK_BYTES;
        return rk_block_equal(rk_block_load(key.ptr + before), RK_DELIMITER) >> (at - before);
    }
    uint32_t set = 0;
    for (size_t i = 0; at + i < key.len; i++)
        set |= (uint32_t)(key.ptr[at + i] == RK_DELIMITER) << i;
    return set;
}

void rk_split_key(rk_slice key, rk_split *out)
{
    size_t count = 0;
    size_t begin = 0;
    if (key.len == 0) {
        out->segment[0] = RK_SLICE_EMPTY;
        out->count = 1;
        return;
    }
    for (size_t at = 0; at < key.len; at += RK_BLOCK_BYTES) {
        for (uint32_t set = delimiters_at(key, at); set && count < RK_SEGMENTS_MAX;
             set &= set - 1) {
            size_t stop = at + rk_lowest(set);
            out->segment[count++] = rk_slice_of(key.ptr + begin, stop - begin);
            begin = stop + 1;
        }
    }
    if (count < RK_SEGMENTS_MAX)
        out->segment[count] = rk_slice_of(key.ptr + begin, key.len - begin);
    out->count = count + 1;
}

static inline bool segment_matches(const rk_segment *segment, rk_slice part)
{
    if (segment->variable)
        return part.len > 0;
    return segment->literal.len == part.len &&
           rk_bytes_equal(segment->literal.ptr, part.ptr, part.len);
}

bool rk_pattern_match_split(const rk_pattern *pattern, const rk_split *split, rk_binding *binding)
{
    if (pattern->segment_count != split->count)
        return false;
    for (size_t i = 0; i < split->count; i++)
        if (!segment_matches(&pattern->segment[i], split->segment[i]))
            return false;
    for (size_t i = 0; i < split->count; i++)
        if (pattern->segment[i].variable)
            binding->value[pattern->segment[i].name] = split->segment[i];
    return true;
}

bool rk_pattern_match(const rk_pattern *pattern, rk_slice key, rk_binding *binding)
{
    rk_split split;
    if (key.len == 0)
        return false;
    rk_split_key(key, &split);
    return rk_pattern_match_split(pattern, &split, binding);
}
