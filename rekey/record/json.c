#include "rekey/record/json.h"

#include <assert.h>

#include "rekey/record/scan.h"

#define FIELDS_MAX 64

static rk_status fault_of(const rki_scan *scan, rk_error *err)
{
    return rk_error_set(err, scan->too_deep ? RK_LIMIT : RK_INVALID,
                        "not a JSON object: %s at byte %zu", scan->fault,
                        (size_t)(scan->fault_at - scan->begin));
}

/* --- finding ---------------------------------------------------------------------------------- */

/* Which wanted member this is; -1 for none. */
static int wanted(rk_slice name, const rk_slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].len == name.len && rk_bytes_equal(names[i].ptr, name.ptr, name.len))
            return (int)i;
    return -1;
}

/* A wanted member's value. */
static const uint8_t *take_field(rki_scan *scan, const uint8_t *begin, rk_arena *arena,
                                 rk_json_field *field, rk_status *status, rk_error *err)
{
    bool escaped = false;
    if (field->kind != RK_JSON_ABSENT)
        return rki_scan_fail(scan, begin, "a member that decides the key occurs twice");
    const uint8_t *end = rki_skip_value(scan, begin, &field->kind, &escaped);
    if (!end)
        return NULL;
    field->raw = rk_slice_of(begin, (size_t)(end - begin));
    field->text = field->kind == RK_JSON_STRING ? rki_inside(begin, end) : field->raw;
    if (escaped)
        *status = rki_unescape(field->text, arena, &field->text, err);
    return *status == RK_OK ? end : NULL;
}

/* A name and its value; the names compare without escapes. NULL with *status OK is a fault of the
 * scan. */
static const uint8_t *take_member(rki_scan *scan, const uint8_t *at, const rk_slice *names,
                                  size_t count, rk_json_field *fields, rk_arena *arena,
                                  rk_status *status, rk_error *err)
{
    rk_json_kind ignored;
    bool escaped;
    const uint8_t *begin = rki_skip_space(scan, at);
    at = rki_skip_string(scan, begin, &escaped);
    if (!at)
        return NULL;
    rk_slice name = rki_inside(begin, at);
    if (escaped) {
        *status = rki_unescape(name, arena, &name, err);
        if (*status != RK_OK)
            return NULL;
    }
    at = rki_skip_colon(scan, at);
    if (!at)
        return NULL;
    int which = wanted(name, names, count);
    if (which >= 0)
        return take_field(scan, at, arena, &fields[which], status, err);
    return rki_skip_value(scan, at, &ignored, &escaped);
}

/* All members, from behind the opening brace to behind the closing one. */
static const uint8_t *take_members(rki_scan *scan, const uint8_t *at, const rk_slice *names,
                                   size_t count, rk_json_field *fields, rk_arena *arena,
                                   rk_status *status, rk_error *err)
{
    const uint8_t *first = rki_skip_space(scan, at);
    if (rki_is_at(scan, first, '}'))
        return first + 1;
    for (;;) {
        at = take_member(scan, at, names, count, fields, arena, status, err);
        if (!at)
            return NULL;
        at = rki_skip_space(scan, at);
        if (rki_is_at(scan, at, '}'))
            return at + 1;
        if (!rki_is_at(scan, at, ','))
            return rki_scan_fail(scan, at, "',' or '}' was expected");
        at++;
    }
}

rk_status rk_json_find(rk_slice value, const rk_slice *names, size_t count, rk_json_field *fields,
                       rk_arena *arena, rk_error *err)
{
    assert(count <= FIELDS_MAX);
    rk_json_field found[FIELDS_MAX];
    for (size_t i = 0; i < count; i++)
        found[i] = (rk_json_field){0};
    rki_scan scan = rki_scan_of(value);
    rk_status status = RK_OK;
    const uint8_t *at = rki_skip_space(&scan, scan.begin);
    if (rki_is_at(&scan, at, '{'))
        at = take_members(&scan, at + 1, names, count, found, arena, &status, err);
    else
        at = rki_scan_fail(&scan, at, "'{' was expected");
    if (at)
        at = rki_skip_space(&scan, at);
    if (at && at < scan.end)
        at = rki_scan_fail(&scan, at, "something follows the object");
    if (!at)
        return status != RK_OK ? status : fault_of(&scan, err);
    for (size_t i = 0; i < count; i++)
        fields[i] = found[i];
    return RK_OK;
}

/* --- inserting -------------------------------------------------------------------------------- */

/* Whether text stands in a JSON string as it is. */
static bool is_plain(rk_slice text)
{
    rki_scan scan = rki_scan_of(text);
    return rki_plain_end(&scan, scan.begin) == scan.end;
}

/* One byte of a string, escaped where it has to be; up to six bytes. */
static size_t put_byte(uint8_t *to, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        memcpy(to, (uint8_t[]){'\\', c}, 2);
        return 2;
    }
    if (c < 0x20) {
        memcpy(to, "\\u00", 4);
        to[4] = (uint8_t)digits[c >> 4];
        to[5] = (uint8_t)digits[c & 15];
        return 6;
    }
    *to = c;
    return 1;
}

/* How long text is as a JSON string. */
static size_t string_bytes(rk_slice text)
{
    uint8_t sink[6];
    size_t n = 2;
    if (is_plain(text))
        return n + text.len;
    for (size_t i = 0; i < text.len; i++)
        n += put_byte(sink, text.ptr[i]);
    return n;
}

/* Writes text as a JSON string of so many bytes; gives its end. */
static uint8_t *put_string(uint8_t *to, rk_slice text, size_t bytes)
{
    *to++ = '"';
    if (bytes == text.len + 2) {
        to = rk_bytes_put(to, text.ptr, text.len);
    } else {
        for (size_t i = 0; i < text.len; i++)
            to += put_byte(to, text.ptr[i]);
    }
    *to++ = '"';
    return to;
}

/* Where a last member ends: behind the last byte that is neither white space nor the closing
 * brace. The value has been found well-formed. */
static size_t members_end(rk_slice value, bool *empty)
{
    size_t at = value.len;
    while (at > 0 && value.ptr[at - 1] != '}')
        at--;
    at = at ? at - 1 : 0;
    while (at > 0 && rki_is_space(value.ptr[at - 1]))
        at--;
    *empty = at > 0 && value.ptr[at - 1] == '{';
    return at;
}

/* The member's bytes, comma included, in the arena; empty out of room. */
static rk_slice member_bytes(rk_slice name, rk_slice member_value, bool comma, rk_arena *arena)
{
    size_t name_bytes = string_bytes(name);
    size_t value_bytes = string_bytes(member_value);
    size_t length = name_bytes + 1 + value_bytes + comma;
    uint8_t *bytes = rk_arena_alloc(arena, length);
    if (!bytes)
        return RK_SLICE_EMPTY;
    uint8_t *to = bytes;
    if (comma)
        *to++ = ',';
    to = put_string(to, name, name_bytes);
    *to++ = ':';
    put_string(to, member_value, value_bytes);
    return rk_slice_of(bytes, length);
}

/* Broken UTF-8 in a name or a value from outside must not make a record unreadable. */
static bool member_is_utf8(rk_slice member)
{
    rki_scan scan = rki_scan_of(member);
    bool escaped;
    const uint8_t *at = rki_skip_string(&scan, scan.begin + (*scan.begin == ','), &escaped);
    return at && rki_skip_string(&scan, at + 1, &escaped);
}

rk_status rk_json_insert(rk_slice value, rk_slice name, rk_slice member_value, rk_arena *arena,
                         rk_slice *out, rk_error *err)
{
    bool empty;
    size_t at = members_end(value, &empty);
    if (at == 0)
        return rk_error_set(err, RK_INVALID, "not a JSON object: no closing brace");
    rk_slice member = member_bytes(name, member_value, !empty, arena);
    uint8_t *bytes = member.len ? rk_arena_alloc(arena, value.len + member.len) : NULL;
    if (!bytes)
        return rk_error_set(err, RK_LIMIT, "a value of %zu bytes passes the batch's limit",
                            value.len);
    if (!member_is_utf8(member))
        return rk_error_set(err, RK_INVALID, "a member to insert is not valid UTF-8");
    memcpy(bytes, value.ptr, at);
    memcpy(bytes + at, member.ptr, member.len);
    memcpy(bytes + at + member.len, value.ptr + at, value.len - at);
    *out = rk_slice_of(bytes, value.len + member.len);
    return RK_OK;
}

bool rk_json_strip(rk_slice value, rk_slice name, rk_slice member_value, rk_arena *arena,
                   rk_slice *out)
{
    bool empty;
    size_t end = members_end(value, &empty);
    rk_slice member = member_bytes(name, member_value, true, arena);
    if (member.len == 0 || empty)
        return false;
    rk_slice bare = rk_slice_of(member.ptr + 1, member.len - 1);
    if (end < bare.len + 1 || memcmp(value.ptr + end - bare.len, bare.ptr, bare.len) != 0)
        return false;
    size_t begin = end - bare.len;
    uint8_t before = value.ptr[begin - 1];
    if (before == ',')
        begin--;
    else if (before != '{')
        return false;
    /* Inserted into {"a":1 } the member stands before the space, so what precedes its comma is
     * never space, and what precedes it in an object of its own is only the brace. */
    if (before == ',' && (begin == 0 || memchr(" \t\r\n", value.ptr[begin - 1], 4)))
        return false;
    uint8_t *bytes = rk_arena_alloc(arena, value.len);
    if (!bytes)
        return false;
    memcpy(bytes, value.ptr, begin);
    memcpy(bytes + begin, value.ptr + end, value.len - end);
    *out = rk_slice_of(bytes, value.len - (end - begin));
    return true;
}
