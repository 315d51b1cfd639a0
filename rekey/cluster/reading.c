/* reading.c: the parts that the cluster's file and a node's file are made of. */
#include <stdarg.h>

#include "rekey/cluster/cluster_private.h"
#include "rekey/spec/findings.h"
#include "rekey/spec/mapping.h"

#define MEMORY_BYTES_MAX  ((size_t)16 << 20)
#define SCRATCH_BYTES_MAX ((size_t)256 << 20)
#define URL_BYTES_MAX     255
#define PATH_BYTES_MAX    4095

/* --- life of a reading ------------------------------------------------------------------------ */

void rki_cluster_reading_start(rki_cluster_reading *r, const char *what, const char *path,
                               rk_arena *memory, rk_findings *findings, rk_error *err)
{
    *r = (rki_cluster_reading){.path = path, .what = what, .memory = memory, .err = err};
    r->findings = findings != NULL ? findings : &r->unseen;
    rk_arena_init(memory, MEMORY_BYTES_MAX);
    rk_arena_init(&r->scratch, SCRATCH_BYTES_MAX);
    rki_findings_clear(r->findings);
}

const rki_node *rki_cluster_reading_root(rki_cluster_reading *r, rk_slice text)
{
    rki_node *root = NULL;
    rk_status status =
        rki_yaml_read(text, r->what, RK_CLUSTER_BYTES_MAX, &r->scratch, r->findings, &root, r->err);
    if (status != RK_OK)
        r->status = status;
    return r->status == RK_OK ? root : NULL;
}

rk_status rki_cluster_reading_finish(rki_cluster_reading *r)
{
    rki_findings_sort(r->findings);
    size_t count = r->findings->count;
    if (r->status == RK_OK && count > 0)
        r->status = rk_error_set(r->err, RK_INVALID, "%s: %zu finding%s: %s", r->path, count,
                                 count == 1 ? "" : "s, the first", r->findings->items[0].message);
    rk_arena_fini(&r->scratch);
    rk_findings_fini(&r->unseen);
    return r->status;
}

/* --- its parts -------------------------------------------------------------------------------- */

void rki_cluster_report(rki_cluster_reading *r, const rki_node *at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rk_status status =
        rki_findings_add(r->findings, at->line, at->column, r->err, format, arguments);
    va_end(arguments);
    if (status != RK_OK)
        r->status = status;
}

void *rki_cluster_reading_take(rki_cluster_reading *r, rk_arena *arena, size_t count, size_t size)
{
    void *memory = rk_arena_alloc(arena, count * size); /* counts are bounded */
    if (memory == NULL)
        r->status = rk_error_set(r->err, RK_NOMEM, "read %s %s: out of memory", r->what, r->path);
    else
        memset(memory, 0, count * size);
    return memory;
}

void rki_cluster_read_mapping(rki_cluster_reading *r, const char *where, const rki_node *mapping,
                              const char *const *names, size_t count, size_t required,
                              const rki_node **part)
{
    rk_status status = rki_mapping_pick(r->findings, where, mapping, names, count, part, r->err);
    if (status != RK_OK)
        r->status = status;
    for (size_t i = 0; i < required; i++)
        if (part[i] == NULL)
            rki_cluster_report(r, mapping, "%s: missing key \"%s\"", where, names[i]);
}

bool rki_cluster_has_kind(rki_cluster_reading *r, const char *where, const rki_node *node,
                          rki_kind kind)
{
    bool has;
    rk_status status = rki_mapping_check_kind(r->findings, where, node, kind, &has, r->err);
    if (status != RK_OK)
        r->status = status;
    return has;
}

/* --- scalars ---------------------------------------------------------------------------------- */

static bool is_text(rki_cluster_reading *r, const char *where, const rki_node *node)
{
    return node != NULL && rki_cluster_has_kind(r, where, node, RKI_SCALAR);
}

/* `head`, `middle` and `tail` behind each other, with a NUL. */
static const char *join(rki_cluster_reading *r, rk_slice head, rk_slice middle, rk_slice tail)
{
    size_t len = head.len + middle.len + tail.len;
    char *text = rki_cluster_reading_take(r, r->memory, len + 1, 1);
    const rk_slice parts[] = {head, middle, tail};
    char *at = text;
    for (size_t i = 0; text != NULL && i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].len > 0)
            memcpy(at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    return text;
}

static bool is_name_byte(uint8_t c)
{
    uint8_t lower = c | 0x20;
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

static bool is_printable(uint8_t c)
{
    return c >= 0x20 && c < 0x7f;
}

static bool is_no_control(uint8_t c)
{
    return c >= 0x20 && c != 0x7f;
}

/* 1 to `max` bytes, each of which `is`. */
static bool is_made_of(rk_slice text, size_t max, bool (*is)(uint8_t))
{
    for (size_t i = 0; i < text.len; i++)
        if (!is(text.ptr[i]))
            return false;
    return text.len > 0 && text.len <= max;
}

void rki_cluster_read_name(rki_cluster_reading *r, const char *where, const rki_node *node,
                           const char **out)
{
    if (!is_text(r, where, node))
        return;
    if (is_made_of(node->text, RK_CLUSTER_NAME_BYTES_MAX, is_name_byte))
        *out = join(r, node->text, RK_SLICE_EMPTY, RK_SLICE_EMPTY);
    else
        rki_cluster_report(r, node, "%s: expected 1 to %d of a-z A-Z 0-9 . _ -, found \"%s\"",
                           where, RK_CLUSTER_NAME_BYTES_MAX, rki_show(node->text).text);
}

/* The whole rule is transport/url.h's, which refuses the rest when the url is used. */
void rki_cluster_read_url(rki_cluster_reading *r, const char *where, const rki_node *node,
                          const char **out)
{
    const rk_slice tcp = RK_SLICE_LITERAL("tcp://");
    const rk_slice ipc = RK_SLICE_LITERAL("ipc://");
    if (!is_text(r, where, node))
        return;
    rk_slice url = node->text;
    if (!rk_slice_starts_with(url, tcp) && !rk_slice_starts_with(url, ipc))
        rki_cluster_report(r, node, "%s: expected tcp://HOST:PORT or ipc://PATH, found \"%s\"",
                           where, rki_show(url).text);
    else if (url.len == tcp.len) /* both are as long */
        rki_cluster_report(r, node, "%s: nothing stands behind \"%s\"", where, rki_show(url).text);
    else if (!is_made_of(url, URL_BYTES_MAX, is_printable))
        rki_cluster_report(r, node, "%s: expected at most %d printable ASCII characters", where,
                           URL_BYTES_MAX);
    else
        *out = join(r, url, RK_SLICE_EMPTY, RK_SLICE_EMPTY);
}

void rki_cluster_read_key(rki_cluster_reading *r, const char *where, const rki_node *node,
                          rk_public_key *out)
{
    static const rk_public_key zero;
    rk_public_key key;
    if (!is_text(r, where, node))
        return;
    if (rk_unhex(node->text, key.bytes, RK_PUBLIC_KEY_BYTES, NULL) != RK_OK)
        rki_cluster_report(r, node, "%s: expected a public key of 64 hex digits, found \"%s\"",
                           where, rki_show(node->text).text);
    else if (memcmp(&key, &zero, sizeof key) == 0)
        rki_cluster_report(r, node, "%s: all zero is nobody's key", where);
    else
        *out = key;
}

void rki_cluster_read_number(rki_cluster_reading *r, const char *where, const rki_node *node,
                             uint32_t max, uint32_t *out)
{
    uint32_t number = 0;
    if (!is_text(r, where, node))
        return;
    bool is_good = node->text.len > 0 && node->text.len <= 4;
    for (size_t i = 0; is_good && i < node->text.len; i++) {
        uint8_t c = node->text.ptr[i];
        is_good = c >= '0' && c <= '9';
        number = number * 10 + (uint32_t)(c - '0');
    }
    if (is_good && number >= 1 && number <= max)
        *out = number;
    else
        rki_cluster_report(r, node, "%s: expected a number from 1 to %u, found \"%s\"", where, max,
                           rki_show(node->text).text);
}

/* The path of the file being read, up to its last slash; empty when it lies where we are. */
static rk_slice folder_of(const rki_cluster_reading *r)
{
    const char *slash = strrchr(r->path, '/');
    return slash != NULL ? rk_slice_of(r->path, (size_t)(slash - r->path) + 1) : RK_SLICE_EMPTY;
}

void rki_cluster_read_path(rki_cluster_reading *r, const char *where, const rki_node *node,
                           const char *prefix, const char **out)
{
    rk_slice head = rk_slice_str(prefix);
    if (!is_text(r, where, node))
        return;
    if (!rk_slice_starts_with(node->text, head)) {
        rki_cluster_report(r, node, "%s: expected %sPATH, found \"%s\"", where, prefix,
                           rki_show(node->text).text);
        return;
    }
    rk_slice path = rk_slice_of(node->text.ptr + head.len, node->text.len - head.len);
    if (!is_made_of(path, PATH_BYTES_MAX, is_no_control)) {
        rki_cluster_report(r, node,
                           "%s: expected a path of 1 to %d bytes without control characters", where,
                           PATH_BYTES_MAX);
        return;
    }
    *out = join(r, head, path.ptr[0] == '/' ? RK_SLICE_EMPTY : folder_of(r), path);
}
