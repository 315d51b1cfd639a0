/* read.c: tree to entries. Reading goes on after a finding, so that one run shows as many as
 * possible; `status` is sticky, and only running out of memory ends the work early. */
#include "rekey/access/access_private.h"

#include <stdarg.h>
#include <stdlib.h>

#include "rekey/base/nearest.h"
#include "rekey/spec/findings.h"
#include "rekey/spec/mapping.h"
#include "rekey/spec/yaml.h"

#define MEMORY_BYTES_MAX  ((size_t)64 << 20)
#define SCRATCH_BYTES_MAX ((size_t)256 << 20)
#define DELIMITER         '#' /* of keys: no tenant or capsule holds it */

typedef struct reading {
    rk_access *access;
    rk_arena scratch; /* the tree */
    rk_findings *findings;
    rk_status status;
    rk_error *err;
} reading;

static void report(reading *r, const rki_node *at, const char *format, ...) RK_PRINTF(3, 4);

static void report(reading *r, const rki_node *at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rk_status status =
        rki_findings_add(r->findings, at->line, at->column, r->err, format, arguments);
    va_end(arguments);
    if (status != RK_OK)
        r->status = status;
}

static void *take_memory(reading *r, rk_arena *arena, size_t count, size_t size)
{
    void *memory = rk_arena_alloc(arena, count * size); /* counts are bounded */
    if (memory == NULL)
        r->status = rk_error_set(r->err, RK_NOMEM, "read authorized keys: out of memory");
    else
        memset(memory, 0, count * size);
    return memory;
}

/* The text with a NUL behind it; NULL without memory. */
static char *copy_text(reading *r, rk_slice text)
{
    char *copy = take_memory(r, &r->access->memory, text.len + 1, 1);
    if (copy != NULL && text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

/* --- mappings --------------------------------------------------------------------------------- */

enum { KEY, ROLE, NAME, TENANTS, CAPSULES, PART_COUNT };

static const char *const part_names[PART_COUNT] = {
    [KEY] = "key", [ROLE] = "role", [NAME] = "name", [TENANTS] = "tenants", [CAPSULES] = "capsules",
};

/* Finds the named keys of a mapping; part[i] is NULL for one that is missing. */
static void read_mapping(reading *r, const char *where, const rki_node *mapping,
                         const char *const *names, size_t count, const rki_node **part)
{
    rk_status status = rki_mapping_pick(r->findings, where, mapping, names, count, part, r->err);
    if (status != RK_OK)
        r->status = status;
}

static bool has_kind(reading *r, const char *where, const rki_node *node, rki_kind kind)
{
    bool has;
    rk_status status = rki_mapping_check_kind(r->findings, where, node, kind, &has, r->err);
    if (status != RK_OK)
        r->status = status;
    return has;
}

/* --- scalars ---------------------------------------------------------------------------------- */

static bool has_control(rk_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    return false;
}

/* All zero: what an entry holds whose key could not be read. */
static bool is_zero(const rk_public_key *key)
{
    static const rk_public_key zero;
    return memcmp(key, &zero, sizeof zero) == 0;
}

static void read_key(reading *r, const rki_node *node, rk_public_key *out)
{
    if (!has_kind(r, "key", node, RKI_SCALAR))
        return;
    if (rk_unhex(node->text, out->bytes, RK_PUBLIC_KEY_BYTES, NULL) != RK_OK)
        report(r, node, "key: expected a public key of 64 hex digits, found \"%s\"",
               rki_show(node->text).text);
    else if (is_zero(out))
        report(r, node, "key: all zero is nobody's key");
}

static void read_role(reading *r, const rki_node *node, rk_role *out)
{
    rk_nearest nearest = {.word = node->text};
    if (!has_kind(r, "role", node, RKI_SCALAR))
        return;
    *out = rk_role_of_name(node->text);
    if (*out != RK_ROLE_NONE)
        return;
    for (int role = RK_ROLE_NONE + 1; role <= RK_ROLE_MAX; role++)
        rk_nearest_try(&nearest, rk_slice_str(rk_role_name((rk_role)role)));
    report(r, node, "role: \"%s\" is not one of operator, coordinator, node, client%s",
           rki_show(node->text).text, rk_nearest_hint(&nearest).text);
}

static void read_name(reading *r, const rki_node *node, const char **out)
{
    if (!has_kind(r, "name", node, RKI_SCALAR))
        return;
    if (node->text.len == 0 || node->text.len > RK_ACCESS_NAME_BYTES_MAX || has_control(node->text))
        report(r, node, "name: expected one line of 1 to %d bytes", RK_ACCESS_NAME_BYTES_MAX);
    else
        *out = copy_text(r, node->text);
}

/* --- tenants and capsules --------------------------------------------------------------------- */

static bool is_value(reading *r, const char *where, const rki_node *item)
{
    const char *fault = NULL;
    if (!has_kind(r, where, item, RKI_SCALAR))
        return false;
    if (item->text.len == 0)
        fault = "is empty";
    else if (rk_slice_equal(item->text, RK_SLICE_LITERAL("*")))
        fault = "stands alone, not in a list";
    else if (memchr(item->text.ptr, DELIMITER, item->text.len) != NULL)
        fault = "holds the delimiter '#'";
    else if (has_control(item->text))
        fault = "holds a control character";
    if (fault != NULL)
        report(r, item, "%s: \"%s\" %s", where, rki_show(item->text).text, fault);
    return fault == NULL;
}

static int compare_nodes(const void *left, const void *right)
{
    const rki_node *a = *(const rki_node *const *)left;
    const rki_node *b = *(const rki_node *const *)right;
    int order = rk_slice_compare(a->text, b->text);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

/* Sorted, so that finding repeats takes no time quadratic in the file. */
static void read_items(reading *r, const char *where, const rki_node *list, rk_access_list *out)
{
    size_t taken = 0;
    const rki_node **nodes = take_memory(r, &r->scratch, list->count, sizeof *nodes);
    out->items = take_memory(r, &r->access->memory, list->count, sizeof *out->items);
    if (nodes == NULL || out->items == NULL)
        return;
    for (const rki_node *item = list->first; item != NULL; item = item->next)
        if (is_value(r, where, item))
            nodes[taken++] = item;
    if (taken > 1)
        qsort(nodes, taken, sizeof *nodes, compare_nodes);
    for (size_t i = 0; i < taken && r->status == RK_OK; i++) {
        if (i > 0 && rk_slice_equal(nodes[i - 1]->text, nodes[i]->text)) {
            report(r, nodes[i], "%s: \"%s\" is named twice", where, rki_show(nodes[i]->text).text);
            continue;
        }
        char *copy = copy_text(r, nodes[i]->text);
        if (copy != NULL)
            out->items[out->count++] = rk_slice_of(copy, nodes[i]->text.len);
    }
}

static void read_list(reading *r, const char *where, const rki_node *node, rk_access_list *out)
{
    if (node->kind == RKI_SCALAR) {
        out->all = rk_slice_equal(node->text, RK_SLICE_LITERAL("*"));
        if (!out->all)
            report(r, node, "%s: expected a list or \"*\", found \"%s\"", where,
                   rki_show(node->text).text);
    } else if (node->kind != RKI_LIST) {
        if (node->kind != RKI_BROKEN)
            report(r, node, "%s: expected a list or \"*\"", where);
    } else if (node->count == 0) {
        report(r, node, "%s: the list is empty: leave the key out of the file instead", where);
    } else if (node->count > RK_ACCESS_LIST_MAX) {
        report(r, node, "%s: more than %d names", where, RK_ACCESS_LIST_MAX);
    } else {
        read_items(r, where, node, out);
    }
}

/* Only a client is limited to some records, and it always is. */
static void read_scope(reading *r, const char *where, const rki_node *at, const rki_node *node,
                       rk_role role, rk_access_list *out)
{
    if (role == RK_ROLE_CLIENT && node == NULL)
        report(r, at, "keys: a client without \"%s\": list them, or write \"*\"", where);
    else if (role != RK_ROLE_CLIENT && role != RK_ROLE_NONE && node != NULL)
        report(r, node, "%s: only a client has them, this is a key of role %s", where,
               rk_role_name(role));
    else if (node != NULL)
        read_list(r, where, node, out);
}

/* --- entries ---------------------------------------------------------------------------------- */

static void read_entry(reading *r, const rki_node *item, rk_access_entry *entry)
{
    const rki_node *part[PART_COUNT];
    if (!has_kind(r, "keys", item, RKI_MAPPING))
        return;
    read_mapping(r, "keys", item, part_names, PART_COUNT, part);
    for (size_t i = KEY; i <= NAME; i++)
        if (part[i] == NULL)
            report(r, item, "keys: missing key \"%s\"", part_names[i]);
    const rki_node *place = part[KEY] != NULL ? part[KEY] : item;
    entry->line = place->line;
    entry->column = place->column;
    if (part[KEY] != NULL)
        read_key(r, part[KEY], &entry->key);
    if (part[ROLE] != NULL)
        read_role(r, part[ROLE], &entry->role);
    if (part[NAME] != NULL)
        read_name(r, part[NAME], &entry->name);
    read_scope(r, "tenants", item, part[TENANTS], entry->role, &entry->tenants);
    read_scope(r, "capsules", item, part[CAPSULES], entry->role, &entry->capsules);
}

static int compare_entries(const void *left, const void *right)
{
    const rk_access_entry *a = left;
    const rk_access_entry *b = right;
    int order = memcmp(&a->key, &b->key, sizeof a->key);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static void find_repeats(reading *r)
{
    const rk_access_entry *entries = r->access->entries;
    for (size_t i = 1; i < r->access->count; i++) {
        const rk_access_entry *entry = &entries[i];
        const rki_node place = {.line = entry->line, .column = entry->column};
        if (memcmp(&entry->key, &entries[i - 1].key, sizeof entry->key) == 0 &&
            !is_zero(&entry->key))
            report(r, &place, "key: listed twice, first on line %u", entries[i - 1].line);
    }
}

static void read_keys(reading *r, const rki_node *list)
{
    rk_access *access = r->access;
    if (list->count == 0) {
        report(r, list, "keys: the list is empty");
        return;
    }
    if (list->count > RK_ACCESS_KEYS_MAX) {
        report(r, list, "keys: more than %d keys", RK_ACCESS_KEYS_MAX);
        return;
    }
    access->entries = take_memory(r, &access->memory, list->count, sizeof *access->entries);
    if (access->entries == NULL)
        return;
    for (const rki_node *item = list->first; item != NULL && r->status == RK_OK; item = item->next)
        read_entry(r, item, &access->entries[access->count++]);
    qsort(access->entries, access->count, sizeof *access->entries, compare_entries);
    find_repeats(r);
}

static void read_text(reading *r, rk_slice text)
{
    static const char *const names[] = {"keys"};
    const rki_node *part[1];
    rki_node *root = NULL;
    rk_status status = rki_yaml_read(text, "key list", RK_ACCESS_BYTES_MAX, &r->scratch,
                                     r->findings, &root, r->err);
    if (status != RK_OK)
        r->status = status;
    if (r->status != RK_OK || root == NULL)
        return;
    read_mapping(r, "key list", root, names, 1, part);
    if (part[0] == NULL)
        report(r, root, "key list: missing key \"keys\"");
    else if (has_kind(r, "keys", part[0], RKI_LIST))
        read_keys(r, part[0]);
}

rk_status rk_access_parse(rk_slice text, const char *name, rk_access **out, rk_findings *findings,
                          rk_error *err)
{
    rk_findings unseen = {0};
    reading r = {.findings = findings != NULL ? findings : &unseen, .err = err};
    r.access = calloc(1, sizeof *r.access);
    if (r.access == NULL)
        return rk_error_set(err, RK_NOMEM, "read authorized keys: out of memory");
    rk_arena_init(&r.access->memory, MEMORY_BYTES_MAX);
    rk_arena_init(&r.scratch, SCRATCH_BYTES_MAX);
    rki_findings_clear(r.findings);
    read_text(&r, text);
    rki_findings_sort(r.findings);
    size_t count = r.findings->count;
    if (r.status == RK_OK && count > 0)
        r.status = rk_error_set(err, RK_INVALID, "%s: %zu finding%s: %s", name, count,
                                count == 1 ? "" : "s, the first", r.findings->items[0].message);
    if (r.status == RK_OK)
        *out = r.access;
    else
        rk_access_destroy(r.access);
    rk_arena_fini(&r.scratch);
    rk_findings_fini(&unseen);
    return r.status;
}
