#include "rekey/record/scan.h"

const uint8_t *rki_scan_fail(rki_scan *scan, const uint8_t *at, const char *fault)
{
    if (!scan->fault) {
        scan->fault = fault;
        scan->fault_at = at;
    }
    return NULL;
}

/* --- strings ---------------------------------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The four digits after \u; -1 when they are not there. */
static int32_t hex4(const uint8_t *at, const uint8_t *end)
{
    int32_t code = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* Steps over an escape; its backslash is at `at`. Surrogates must come in pairs. */
static const uint8_t *skip_escape(rki_scan *scan, const uint8_t *at)
{
    if (scan->end - at < 2)
        return rki_scan_fail(scan, at, "an unfinished escape");
    if (at[1] != 'u') {
        if (!memchr("\"\\/bfnrt", at[1], 8))
            return rki_scan_fail(scan, at, "an unknown escape");
        return at + 2;
    }
    int32_t code = hex4(at + 2, scan->end);
    if (code < 0)
        return rki_scan_fail(scan, at, "\\u without four hex digits");
    if (code >= 0xDC00 && code <= 0xDFFF)
        return rki_scan_fail(scan, at, "a low surrogate without its high one");
    if (code < 0xD800 || code > 0xDBFF)
        return at + 6;
    int32_t low = -1;
    if (scan->end - at >= 12 && at[6] == '\\' && at[7] == 'u')
        low = hex4(at + 8, scan->end);
    if (low < 0xDC00 || low > 0xDFFF)
        return rki_scan_fail(scan, at, "a high surrogate without its low one");
    return at + 12;
}

/* One multi-byte UTF-8 sequence; table 3-7 of the Unicode standard: no overlong forms, no
 * surrogates, nothing over U+10FFFF. */
static const uint8_t *skip_utf8(rki_scan *scan, const uint8_t *p)
{
    size_t left = (size_t)(scan->end - p);
    size_t length = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < length)
        return rki_scan_fail(scan, p, "invalid UTF-8");
    uint8_t low = 0x80;
    uint8_t high = 0xBF;
    if (p[0] == 0xE0)
        low = 0xA0;
    else if (p[0] == 0xED)
        high = 0x9F;
    else if (p[0] == 0xF0)
        low = 0x90;
    else if (p[0] == 0xF4)
        high = 0x8F;
    if (p[1] < low || p[1] > high)
        return rki_scan_fail(scan, p, "invalid UTF-8");
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80)
            return rki_scan_fail(scan, p, "invalid UTF-8");
    return p + length;
}

/* The last bytes are looked at in a block with those before them, as far as the value goes back;
 * those of a shorter value in a block of their own. */
const uint8_t *rki_plain_end_near(const rki_scan *scan, const uint8_t *at)
{
    uint8_t copy[RK_BLOCK_BYTES];
    size_t before = 0;
    const uint8_t *block = copy;
    if (scan->end - scan->begin >= RK_BLOCK_BYTES) {
        block = scan->end - RK_BLOCK_BYTES;
        before = (size_t)(at - block);
    } else {
        memset(copy, ' ', sizeof copy);
        memcpy(copy, at, (size_t)(scan->end - at));
    }
    uint32_t special = rk_block_special(rk_block_load(block)) >> before;
    return special ? at + rk_lowest(special) : scan->end;
}

const uint8_t *rki_skip_string_rest(rki_scan *scan, const uint8_t *at, bool *escaped)
{
    while (at) {
        if (at == scan->end)
            return rki_scan_fail(scan, at, "an unfinished string");
        if (*at == '"')
            return at + 1;
        if (*at < 0x20)
            return rki_scan_fail(scan, at, "a control character inside a string");
        if (*at == '\\') {
            *escaped = true;
            at = skip_escape(scan, at);
        } else {
            do
                at = skip_utf8(scan, at);
            while (at && at < scan->end && *at >= 0x80);
        }
        if (at)
            at = rki_plain_end(scan, at);
    }
    return NULL;
}

/* --- other values ----------------------------------------------------------------------------- */

static const uint8_t *digits_end(const rki_scan *scan, const uint8_t *at)
{
    while (at < scan->end && (uint8_t)(*at - '0') <= 9)
        at++;
    return at;
}

/* At least one digit, else the fault. */
static const uint8_t *skip_digits(rki_scan *scan, const uint8_t *at, const char *fault)
{
    const uint8_t *end = digits_end(scan, at);
    return end > at ? end : rki_scan_fail(scan, end, fault);
}

/* What follows a number's whole part: a fraction, an exponent, or both. */
static const uint8_t *skip_fraction(rki_scan *scan, const uint8_t *at)
{
    if (*at == '.') {
        at = skip_digits(scan, at + 1, "a fraction without digits");
        if (!at)
            return NULL;
    }
    if (!rki_is_at(scan, at, 'e') && !rki_is_at(scan, at, 'E'))
        return at;
    at++;
    at += rki_is_at(scan, at, '+') || rki_is_at(scan, at, '-');
    return skip_digits(scan, at, "an exponent without digits");
}

static const uint8_t *skip_number(rki_scan *scan, const uint8_t *at, rk_json_kind *kind)
{
    const uint8_t *first = at + rki_is_at(scan, at, '-');
    const uint8_t *end = skip_digits(scan, first, "a value was expected");
    *kind = RK_JSON_INTEGER;
    if (!end)
        return NULL;
    if (*first == '0' && end - first > 1)
        return rki_scan_fail(scan, end, "a number with a leading zero");
    if (end == scan->end || (*end != '.' && *end != 'e' && *end != 'E'))
        return end;
    *kind = RK_JSON_OTHER;
    return skip_fraction(scan, end);
}

static const uint8_t *skip_word(rki_scan *scan, const uint8_t *at, const char *word, size_t length)
{
    if ((size_t)(scan->end - at) < length || memcmp(at, word, length) != 0)
        return rki_scan_fail(scan, at, "a value was expected");
    return at + length;
}

static const uint8_t *skip_scalar(rki_scan *scan, const uint8_t *at, rk_json_kind *kind)
{
    bool escaped;
    *kind = RK_JSON_OTHER;
    if (at == scan->end)
        return rki_scan_fail(scan, at, "a value was expected");
    switch (*at) {
    case '"':
        *kind = RK_JSON_STRING;
        return rki_skip_string(scan, at, &escaped);
    case 't':
        return skip_word(scan, at, "true", 4);
    case 'f':
        return skip_word(scan, at, "false", 5);
    case 'n':
        return skip_word(scan, at, "null", 4);
    default:
        return skip_number(scan, at, kind);
    }
}

/* --- nesting ---------------------------------------------------------------------------------- */

/* Which brackets are open: a bit for each level, 1 for an object. The top-level object, which the
 * caller handles, counts as the first level. */
typedef struct nesting {
    uint64_t objects;
    unsigned depth;
} nesting;

static const uint8_t *open_bracket(rki_scan *scan, const uint8_t *at, nesting *open)
{
    if (open->depth + 1 >= RK_JSON_DEPTH_MAX) {
        scan->too_deep = true;
        return rki_scan_fail(scan, at, "nesting is too deep");
    }
    open->objects = open->objects << 1 | (*at == '{');
    open->depth++;
    return at + 1;
}

static const uint8_t *skip_name(rki_scan *scan, const uint8_t *at)
{
    bool escaped;
    at = rki_skip_string(scan, rki_skip_space(scan, at), &escaped);
    return at ? rki_skip_colon(scan, at) : NULL;
}

/* After a value inside brackets: closes what ends here, or steps over a comma to the next value. */
static const uint8_t *after_value(rki_scan *scan, const uint8_t *at, nesting *open)
{
    while (open->depth > 0) {
        bool object = open->objects & 1;
        at = rki_skip_space(scan, at);
        if (at == scan->end)
            return rki_scan_fail(scan, at, "an unfinished object or array");
        if (*at == ',')
            return object ? skip_name(scan, at + 1) : rki_skip_space(scan, at + 1);
        if (*at != (object ? '}' : ']'))
            return rki_scan_fail(scan, at, "',' or a closing bracket was expected");
        at++;
        open->objects >>= 1;
        open->depth--;
    }
    return at;
}

/* Steps into a bracket. *value_next is false when it was empty; its end is then still to come. */
static const uint8_t *enter(rki_scan *scan, const uint8_t *at, nesting *open, bool *value_next)
{
    bool object = *at == '{';
    at = open_bracket(scan, at, open);
    if (!at)
        return NULL;
    at = rki_skip_space(scan, at);
    *value_next = !rki_is_at(scan, at, object ? '}' : ']');
    return *value_next && object ? skip_name(scan, at) : at;
}

static const uint8_t *skip_nested(rki_scan *scan, const uint8_t *at)
{
    nesting open = {0};
    do {
        bool value_next = false;
        rk_json_kind ignored;
        if (rki_is_at(scan, at, '{') || rki_is_at(scan, at, '['))
            at = enter(scan, at, &open, &value_next);
        else
            at = skip_scalar(scan, at, &ignored);
        if (at && !value_next)
            at = after_value(scan, at, &open);
    } while (at && open.depth > 0);
    return at;
}

const uint8_t *rki_skip_other(rki_scan *scan, const uint8_t *at, rk_json_kind *kind)
{
    if (!rki_is_at(scan, at, '{') && !rki_is_at(scan, at, '['))
        return skip_scalar(scan, at, kind);
    *kind = RK_JSON_OTHER;
    return skip_nested(scan, at);
}

/* --- escapes ---------------------------------------------------------------------------------- */

static size_t put_utf8(uint8_t *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}

/* The code point after \u, both halves of a pair; *length is how many bytes it took after the
 * backslash. The string has been checked. */
static uint32_t code_point(const uint8_t *at, const uint8_t *end, size_t *length)
{
    uint32_t code = (uint32_t)hex4(at + 1, end);
    *length = 5;
    if (code < 0xD800 || code > 0xDBFF)
        return code;
    uint32_t low = (uint32_t)hex4(at + 7, end);
    *length = 11;
    return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
}

rk_status rki_unescape(rk_slice inside, rk_arena *arena, rk_slice *out, rk_error *err)
{
    uint8_t *copy = rk_arena_alloc(arena, inside.len);
    if (!copy)
        return rk_error_set(err, RK_LIMIT, "a string of %zu bytes passes the batch's limit",
                            inside.len);
    size_t n = 0;
    const uint8_t *end = inside.ptr + inside.len;
    for (const uint8_t *at = inside.ptr; at < end;) {
        if (*at != '\\') {
            copy[n++] = *at++;
            continue;
        }
        at++;
        if (*at == 'u') {
            size_t length;
            n += put_utf8(copy + n, code_point(at, end, &length));
            at += length;
            continue;
        }
        static const char from[] = "\"\\/bfnrt";
        static const char to[] = "\"\\/\b\f\n\r\t";
        const char *which = strchr(from, *at);
        copy[n++] = (uint8_t)to[which - from];
        at++;
    }
    *out = rk_slice_of(copy, n);
    return RK_OK;
}
