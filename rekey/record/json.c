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
        if (rk_slice_equal(names[i], name))
            return (int)i;
    return -1;
}

/* A member's name, unescaped where it has to be. */
static rk_status take_name(rki_scan *scan, rk_arena *arena, rk_slice *name, rk_error *err)
{
    bool escaped;
    rki_skip_space(scan);
    if (!rki_skip_string(scan, name, &escaped))
        return fault_of(scan, err);
    if (escaped) {
        rk_status status = rki_unescape(*name, arena, name, err);
        if (status != RK_OK)
            return status;
    }
    rki_skip_space(scan);
    if (scan->at == scan->end || *scan->at != ':') {
        rki_scan_fail(scan, "':' was expected");
        return fault_of(scan, err);
    }
    scan->at++;
    rki_skip_space(scan);
    return RK_OK;
}

static rk_status take_field(rki_scan *scan, rk_arena *arena, rk_json_field *field, rk_error *err)
{
    const uint8_t *begin = scan->at;
    if (field->kind != RK_JSON_ABSENT) {
        rki_scan_fail(scan, "a member that decides the key occurs twice");
        return fault_of(scan, err);
    }
    if (!rki_skip_value(scan, &field->kind))
        return fault_of(scan, err);
    field->raw = rk_slice_of(begin, (size_t)(scan->at - begin));
    field->text = field->raw;
    if (field->kind != RK_JSON_STRING)
        return RK_OK;
    field->text = rk_slice_of(begin + 1, field->raw.len - 2);
    if (!memchr(field->text.ptr, '\\', field->text.len))
        return RK_OK;
    return rki_unescape(field->text, arena, &field->text, err);
}

static rk_status take_member(rki_scan *scan, const rk_slice *names, size_t count,
                             rk_json_field *fields, rk_arena *arena, rk_error *err)
{
    rk_slice name;
    rk_json_kind ignored;
    rk_status status = take_name(scan, arena, &name, err);
    if (status != RK_OK)
        return status;
    int which = wanted(name, names, count);
    if (which >= 0)
        return take_field(scan, arena, &fields[which], err);
    return rki_skip_value(scan, &ignored) ? RK_OK : fault_of(scan, err);
}

/* Opens the top-level object. *empty when it is closed again already. */
static bool open_object(rki_scan *scan, bool *empty)
{
    rki_skip_space(scan);
    if (scan->at == scan->end || *scan->at != '{')
        return rki_scan_fail(scan, "'{' was expected");
    scan->at++;
    rki_skip_space(scan);
    *empty = scan->at < scan->end && *scan->at == '}';
    return true;
}

static bool only_space_follows(rki_scan *scan)
{
    rki_skip_space(scan);
    return scan->at == scan->end || rki_scan_fail(scan, "something follows the object");
}

rk_status rk_json_find(rk_slice value, const rk_slice *names, size_t count, rk_json_field *fields,
                       rk_arena *arena, rk_error *err)
{
    assert(count <= FIELDS_MAX);
    rk_json_field found[FIELDS_MAX];
    for (size_t i = 0; i < count; i++)
        found[i] = (rk_json_field){0};
    rki_scan scan = rki_scan_of(value);
    bool end = false;
    if (!open_object(&scan, &end))
        return fault_of(&scan, err);
    while (!end) {
        rk_status status = take_member(&scan, names, count, found, arena, err);
        if (status != RK_OK)
            return status;
        rki_skip_space(&scan);
        if (scan.at == scan.end || (*scan.at != ',' && *scan.at != '}')) {
            rki_scan_fail(&scan, "',' or '}' was expected");
            return fault_of(&scan, err);
        }
        end = *scan.at == '}';
        if (!end)
            scan.at++;
    }
    scan.at++;
    if (!only_space_follows(&scan))
        return fault_of(&scan, err);
    for (size_t i = 0; i < count; i++)
        fields[i] = found[i];
    return RK_OK;
}

/* --- inserting -------------------------------------------------------------------------------- */

/* Writes text as a JSON string, or only measures it when out is NULL. */
static size_t put_string(uint8_t *out, rk_slice text)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    uint8_t sink[6];
    for (size_t i = 0; i < text.len + 2; i++) {
        uint8_t *to = out ? out + n : sink;
        if (i == 0 || i == text.len + 1) {
            *to = '"';
            n++;
            continue;
        }
        uint8_t c = text.ptr[i - 1];
        if (c == '"' || c == '\\') {
            memcpy(to, (uint8_t[]){'\\', c}, 2);
            n += 2;
        } else if (c < 0x20) {
            memcpy(to, "\\u00", 4);
            to[4] = (uint8_t)digits[c >> 4];
            to[5] = (uint8_t)digits[c & 15];
            n += 6;
        } else {
            *to = c;
            n++;
        }
    }
    return n;
}

/* Where a last member ends: behind the last byte that is neither white space nor the closing
 * brace. The value has been found well-formed. */
static size_t members_end(rk_slice value, bool *empty)
{
    size_t at = value.len;
    while (at > 0 && value.ptr[at - 1] != '}')
        at--;
    at = at ? at - 1 : 0;
    while (at > 0 && memchr(" \t\r\n", value.ptr[at - 1], 4))
        at--;
    *empty = at > 0 && value.ptr[at - 1] == '{';
    return at;
}

/* The member's bytes, comma included, in the arena; empty out of room. */
static rk_slice member_bytes(rk_slice name, rk_slice member_value, bool comma, rk_arena *arena)
{
    size_t length = put_string(NULL, name) + 1 + put_string(NULL, member_value) + comma;
    uint8_t *bytes = rk_arena_alloc(arena, length);
    if (!bytes)
        return RK_SLICE_EMPTY;
    size_t n = 0;
    if (comma)
        bytes[n++] = ',';
    n += put_string(bytes + n, name);
    bytes[n++] = ':';
    n += put_string(bytes + n, member_value);
    return rk_slice_of(bytes, n);
}

/* Broken UTF-8 in a name or a value from outside must not make a record unreadable. */
static bool member_is_utf8(rk_slice member)
{
    rki_scan scan = rki_scan_of(member);
    rk_slice ignored;
    bool escaped;
    scan.at += *scan.at == ',';
    if (!rki_skip_string(&scan, &ignored, &escaped))
        return false;
    scan.at++;
    return rki_skip_string(&scan, &ignored, &escaped);
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
