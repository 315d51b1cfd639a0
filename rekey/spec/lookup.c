/* A lookup file: `tenant,capsule` lines, blank lines, and comments that begin with '#'. Fields are
 * not quoted, for neither a tenant nor a capsule may hold what quotes would protect. */
#include "rekey/spec/lookup.h"

#include <stdlib.h>

#include "rekey/spec/draft.h"

typedef struct reader {
    rki_draft *draft;
    const char *where;
    const rki_node *at;
    const char *file;
    rk_lookup *lookup;
} reader;

static rk_slice trim(rk_slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = rk_slice_of(s.ptr + 1, s.len - 1);
    while (s.len > 0 && memchr(" \t\r", s.ptr[s.len - 1], 3) != NULL)
        s.len--;
    return s;
}

/* NULL when both fields are good. */
static const char *fault_of(const rk_spec *spec, rk_slice tenant, rk_slice capsule)
{
    if (tenant.len == 0)
        return "the tenant is empty";
    if (memchr(tenant.ptr, RK_DELIMITER, tenant.len) != NULL)
        return "the tenant holds the delimiter '#'";
    if (memchr(tenant.ptr, '"', tenant.len) != NULL)
        return "fields are not quoted in this file";
    if (capsule.len == 0)
        return "the capsule is empty";
    return rk_spec_capsule(spec, capsule) < 0 ? "the capsule is not one of capsule.allowed" : NULL;
}

static void take_line(reader *r, rk_slice line, uint32_t number)
{
    line = trim(line);
    if (line.len == 0 || line.ptr[0] == '#')
        return;
    const uint8_t *comma = memchr(line.ptr, ',', line.len);
    if (comma == NULL || memchr(comma + 1, ',', line.len - (size_t)(comma + 1 - line.ptr))) {
        rki_report(r->draft, r->at, "%s: %s:%u: expected one line `tenant,capsule`, found \"%s\"",
                   r->where, r->file, number, rki_show(line).text);
        return;
    }
    size_t front = (size_t)(comma - line.ptr);
    rk_slice tenant = trim(rk_slice_of(line.ptr, front));
    rk_slice capsule = trim(rk_slice_of(comma + 1, line.len - front - 1));
    const rk_spec *spec = r->draft->spec;
    const char *fault = fault_of(spec, tenant, capsule);
    if (fault != NULL) {
        rki_report(r->draft, r->at, "%s: %s:%u: %s: \"%s\"", r->where, r->file, number, fault,
                   rki_show(line).text);
        return;
    }
    r->lookup->lines[r->lookup->count++] =
        (rki_lookup_line){tenant, spec->allowed[rk_spec_capsule(spec, capsule)], number};
}

static int compare_lines(const void *left, const void *right)
{
    const rki_lookup_line *a = left;
    const rki_lookup_line *b = right;
    int order = rk_slice_compare(a->tenant, b->tenant);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static void sort_lines(reader *r)
{
    rk_lookup *lookup = r->lookup;
    qsort(lookup->lines, lookup->count, sizeof *lookup->lines, compare_lines);
    for (size_t i = 1; i < lookup->count; i++)
        if (rk_slice_equal(lookup->lines[i - 1].tenant, lookup->lines[i].tenant))
            rki_report(r->draft, r->at, "%s: %s:%u: tenant \"%s\" stands on line %u already",
                       r->where, r->file, lookup->lines[i].line,
                       rki_show(lookup->lines[i].tenant).text, lookup->lines[i - 1].line);
}

/* At least the number of good lines, each of which has a comma. */
static size_t count_commas(rk_slice bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes.len; i++)
        count += bytes.ptr[i] == ',';
    return count;
}

static void take_lines(reader *r, rk_slice rest)
{
    for (uint32_t number = 1; rest.len > 0; number++) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        size_t length = end != NULL ? (size_t)(end - rest.ptr) : rest.len;
        take_line(r, rk_slice_of(rest.ptr, length), number);
        size_t skip = end != NULL ? length + 1 : length;
        rest = rk_slice_of(rest.ptr + skip, rest.len - skip);
    }
}

static rk_lookup *parse(rki_draft *draft, const char *where, const rki_node *at, const char *file,
                        rk_slice bytes)
{
    rk_arena *memory = &draft->spec->memory;
    rk_lookup *lookup = rki_alloc(draft, memory, 1, sizeof *lookup);
    char *copy = rki_alloc(draft, memory, bytes.len + 1, 1);
    if (lookup == NULL || copy == NULL)
        return NULL;
    lookup->lines = rki_alloc(draft, memory, count_commas(bytes), sizeof *lookup->lines);
    lookup->file = rki_copy(draft, rk_slice_str(file));
    if (lookup->lines == NULL || lookup->file == NULL)
        return NULL;
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    reader r = {draft, where, at, file, lookup};
    take_lines(&r, rk_slice_of(copy, bytes.len));
    sort_lines(&r);
    return lookup;
}

/* --- finding the file ------------------------------------------------------------------------- */

static rk_lookup *already_read(const rk_spec *spec, const char *file)
{
    for (size_t i = 0; i < spec->entity_count; i++) {
        rk_lookup *lookup = spec->entities[i].capsule.lookup;
        if (lookup != NULL && strcmp(lookup->file, file) == 0)
            return lookup;
    }
    return NULL;
}

static bool find_bytes(rki_draft *draft, const char *where, const rki_node *at, const char *file,
                       rk_slice *bytes)
{
    rk_spec_source *source = draft->source;
    for (size_t i = 0; i < source->file_count; i++) {
        if (strcmp(source->files[i].name, file) != 0)
            continue;
        *bytes = source->files[i].bytes;
        return true;
    }
    if (draft->folder == NULL) {
        rki_report(draft, at, "%s: the file %s was not given along with the spec", where,
                   rki_show(rk_slice_str(file)).text);
        return false;
    }
    rk_error err = {0};
    rk_status status = rki_source_add(source, draft->folder, file, bytes, &err);
    if (status != RK_OK)
        rki_report(draft, at, "%s: %s", where, err.message);
    return status == RK_OK;
}

rk_lookup *rki_read_lookup(rki_draft *draft, const char *where, const rki_node *node)
{
    rki_where file = rki_where_of("%.*s", (int)node->text.len, (const char *)node->text.ptr);
    if (node->text.len == 0 || node->text.len > 128 || node->text.ptr[0] == '.' ||
        memchr(node->text.ptr, '/', node->text.len) != NULL) {
        rki_report(draft, node,
                   "%s: expected the name of a file beside the spec, without folders, found \"%s\"",
                   where, rki_show(node->text).text);
        return NULL;
    }
    rk_lookup *known = already_read(draft->spec, file.text);
    if (known != NULL)
        return known;
    rk_slice bytes = RK_SLICE_EMPTY;
    if (!find_bytes(draft, where, node, file.text, &bytes))
        return NULL;
    if (bytes.len > RK_LOOKUP_BYTES_MAX) {
        rki_report(draft, node, "%s: %s has %zu bytes; the limit is %d", where, file.text,
                   bytes.len, RK_LOOKUP_BYTES_MAX);
        return NULL;
    }
    return parse(draft, where, node, file.text, bytes);
}

rk_slice rk_lookup_find(const rk_lookup *lookup, rk_slice tenant)
{
    size_t low = 0;
    size_t high = lookup->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = rk_slice_compare(lookup->lines[middle].tenant, tenant);
        if (order == 0)
            return lookup->lines[middle].capsule;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return RK_SLICE_EMPTY;
}
