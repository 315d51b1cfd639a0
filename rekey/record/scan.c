#include "rekey/record/scan.h"

bool rki_scan_fail(rki_scan *scan, const char *fault)
{
    if (!scan->fault) {
        scan->fault = fault;
        scan->fault_at = scan->at;
    }
    return false;
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

/* Steps over an escape; the cursor is at its backslash. Surrogates must come in pairs. */
static bool skip_escape(rki_scan *scan)
{
    if (scan->end - scan->at < 2)
        return rki_scan_fail(scan, "an unfinished escape");
    uint8_t c = scan->at[1];
    if (c != 'u') {
        if (!memchr("\"\\/bfnrt", c, 8))
            return rki_scan_fail(scan, "an unknown escape");
        scan->at += 2;
        return true;
    }
    int32_t code = hex4(scan->at + 2, scan->end);
    if (code < 0)
        return rki_scan_fail(scan, "\\u without four hex digits");
    if (code >= 0xDC00 && code <= 0xDFFF)
        return rki_scan_fail(scan, "a low surrogate without its high one");
    if (code < 0xD800 || code > 0xDBFF) {
        scan->at += 6;
        return true;
    }
    int32_t low = -1;
    if (scan->end - scan->at >= 12 && scan->at[6] == '\\' && scan->at[7] == 'u')
        low = hex4(scan->at + 8, scan->end);
    if (low < 0xDC00 || low > 0xDFFF)
        return rki_scan_fail(scan, "a high surrogate without its low one");
    scan->at += 12;
    return true;
}

/* One multi-byte UTF-8 sequence; table 3-7 of the Unicode standard: no overlong forms, no
 * surrogates, nothing over U+10FFFF. */
static bool skip_utf8(rki_scan *scan)
{
    const uint8_t *p = scan->at;
    size_t left = (size_t)(scan->end - p);
    size_t length = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < length)
        return rki_scan_fail(scan, "invalid UTF-8");
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
        return rki_scan_fail(scan, "invalid UTF-8");
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80)
            return rki_scan_fail(scan, "invalid UTF-8");
    scan->at += length;
    return true;
}

/* Eight bytes as a little-endian number whatever the machine. Written out: a compiler makes one
 * load of this, but eight steps of a loop. */
static inline uint64_t load(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

/* How many of eight bytes come before the first quote, backslash, control character or non-ASCII
 * byte; 8 when there is none. Tests for a zero byte and for a byte below n from Anderson's "Bit
 * Twiddling Hacks"; their false hits lie above a true one only, so that the lowest hit is right. */
static inline size_t plain_bytes(const uint8_t *bytes)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t highs = 0x8080808080808080u;
    uint64_t word = load(bytes);
    uint64_t quote = word ^ (ones * '"');
    uint64_t backslash = word ^ (ones * '\\');
    uint64_t hit = (quote - ones) & ~quote;
    hit |= (backslash - ones) & ~backslash;
    hit |= (word - ones * 0x20) & ~word;
    hit |= word;
    hit &= highs;
    return hit ? (size_t)__builtin_ctzll(hit) / 8 : 8;
}

bool rki_skip_string(rki_scan *scan, rk_slice *inside, bool *escaped)
{
    if (scan->at == scan->end || *scan->at != '"')
        return rki_scan_fail(scan, "a string was expected");
    const uint8_t *begin = ++scan->at;
    *escaped = false;
    for (;;) {
        for (size_t plain = 8; plain == 8 && scan->end - scan->at >= 8; scan->at += plain)
            plain = plain_bytes(scan->at);
        if (scan->at == scan->end)
            return rki_scan_fail(scan, "an unfinished string");
        uint8_t c = *scan->at;
        if (c == '"') {
            *inside = rk_slice_of(begin, (size_t)(scan->at - begin));
            scan->at++;
            return true;
        }
        if (c == '\\') {
            *escaped = true;
            if (!skip_escape(scan))
                return false;
        } else if (c >= 0x80) {
            do {
                if (!skip_utf8(scan))
                    return false;
            } while (scan->at < scan->end && *scan->at >= 0x80);
        } else if (c < 0x20) {
            return rki_scan_fail(scan, "a control character inside a string");
        } else {
            scan->at++;
        }
    }
}

/* --- other values ----------------------------------------------------------------------------- */

static size_t skip_digits(rki_scan *scan)
{
    const uint8_t *begin = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return (size_t)(scan->at - begin);
}

static bool skip_number(rki_scan *scan, rk_json_kind *kind)
{
    *kind = RK_JSON_INTEGER;
    if (scan->at < scan->end && *scan->at == '-')
        scan->at++;
    bool zero = scan->at < scan->end && *scan->at == '0';
    size_t digits = skip_digits(scan);
    if (digits == 0)
        return rki_scan_fail(scan, "a value was expected");
    if (zero && digits > 1)
        return rki_scan_fail(scan, "a number with a leading zero");
    if (scan->at < scan->end && *scan->at == '.') {
        *kind = RK_JSON_OTHER;
        scan->at++;
        if (skip_digits(scan) == 0)
            return rki_scan_fail(scan, "a fraction without digits");
    }
    if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
        *kind = RK_JSON_OTHER;
        scan->at++;
        if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
            scan->at++;
        if (skip_digits(scan) == 0)
            return rki_scan_fail(scan, "an exponent without digits");
    }
    return true;
}

static bool skip_word(rki_scan *scan, const char *word, size_t length)
{
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
        return rki_scan_fail(scan, "a value was expected");
    scan->at += length;
    return true;
}

static bool skip_scalar(rki_scan *scan, rk_json_kind *kind)
{
    rk_slice inside;
    bool escaped;
    *kind = RK_JSON_OTHER;
    if (scan->at == scan->end)
        return rki_scan_fail(scan, "a value was expected");
    switch (*scan->at) {
    case '"':
        *kind = RK_JSON_STRING;
        return rki_skip_string(scan, &inside, &escaped);
    case 't':
        return skip_word(scan, "true", 4);
    case 'f':
        return skip_word(scan, "false", 5);
    case 'n':
        return skip_word(scan, "null", 4);
    default:
        return skip_number(scan, kind);
    }
}

/* --- nesting ---------------------------------------------------------------------------------- */

/* Which brackets are open: a bit for each level, 1 for an object. The top-level object, which the
 * caller handles, counts as the first level. */
typedef struct nesting {
    uint64_t objects;
    unsigned depth;
} nesting;

static bool open_bracket(rki_scan *scan, nesting *open)
{
    if (open->depth + 1 >= RK_JSON_DEPTH_MAX) {
        scan->too_deep = true;
        return rki_scan_fail(scan, "nesting is too deep");
    }
    open->objects = open->objects << 1 | (*scan->at == '{');
    open->depth++;
    scan->at++;
    return true;
}

static bool skip_name(rki_scan *scan)
{
    rk_slice inside;
    bool escaped;
    rki_skip_space(scan);
    if (!rki_skip_string(scan, &inside, &escaped))
        return false;
    rki_skip_space(scan);
    if (scan->at == scan->end || *scan->at != ':')
        return rki_scan_fail(scan, "':' was expected");
    scan->at++;
    rki_skip_space(scan);
    return true;
}

/* After a value inside brackets: closes what ends here, or steps over a comma to the next value. */
static bool after_value(rki_scan *scan, nesting *open)
{
    while (open->depth > 0) {
        bool object = open->objects & 1;
        rki_skip_space(scan);
        if (scan->at == scan->end)
            return rki_scan_fail(scan, "an unfinished object or array");
        if (*scan->at == ',') {
            scan->at++;
            if (object)
                return skip_name(scan);
            rki_skip_space(scan);
            return true;
        }
        if (*scan->at != (object ? '}' : ']'))
            return rki_scan_fail(scan, "',' or a closing bracket was expected");
        scan->at++;
        open->objects >>= 1;
        open->depth--;
    }
    return true;
}

/* Steps into a bracket. *value_next is false when it was empty and is closed again. */
static bool enter(rki_scan *scan, nesting *open, bool *value_next)
{
    bool object = *scan->at == '{';
    if (!open_bracket(scan, open))
        return false;
    rki_skip_space(scan);
    *value_next = scan->at == scan->end || *scan->at != (object ? '}' : ']');
    return !*value_next || !object || skip_name(scan);
}

bool rki_skip_value(rki_scan *scan, rk_json_kind *kind)
{
    nesting open = {0};
    if (scan->at == scan->end || (*scan->at != '{' && *scan->at != '['))
        return skip_scalar(scan, kind);
    *kind = RK_JSON_OTHER;
    do {
        bool value_next = true;
        rk_json_kind ignored;
        if (scan->at < scan->end && (*scan->at == '{' || *scan->at == '[')) {
            if (!enter(scan, &open, &value_next))
                return false;
            if (value_next)
                continue;
        } else if (!skip_scalar(scan, &ignored)) {
            return false;
        }
        if (!after_value(scan, &open))
            return false;
    } while (open.depth > 0);
    return true;
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
