/* cluster.c: the cluster's file. */
#include <stdlib.h>

#include "rekey/cluster/cluster_private.h"

#define WHAT "cluster file"

void rk_cluster_destroy(rk_cluster *cluster)
{
    if (cluster == NULL)
        return;
    rk_arena_fini(&cluster->memory);
    free(cluster);
}

/* --- nodes ------------------------------------------------------------------------------------ */

enum { NAME, URL, KEY, PART_COUNT };

/* A node and where its parts stand; a part is NULL when it is missing or wrong. */
typedef struct entry {
    rk_cluster_node node;
    const rki_node *part[PART_COUNT];
} entry;

static bool are_same(const entry *a, const entry *b, int part)
{
    switch (part) {
    case NAME:
        return strcmp(a->node.name, b->node.name) == 0;
    case URL:
        return strcmp(a->node.url, b->node.url) == 0;
    default:
        return memcmp(&a->node.key, &b->node.key, sizeof a->node.key) == 0;
    }
}

/* Quadratic, of at most RK_CLUSTER_NODES_MAX. */
static void find_repeats(rki_cluster_reading *r, const entry *entries, size_t index)
{
    static const char *const names[PART_COUNT] = {"name", "url", "key"};
    const entry *late = &entries[index];
    for (int part = 0; part < PART_COUNT; part++)
        for (size_t i = 0; late->part[part] != NULL && i < index; i++) {
            const entry *early = &entries[i];
            if (early->part[part] == NULL || !are_same(early, late, part))
                continue;
            rki_cluster_report(r, late->part[part], "%s: another node has it already, on line %u",
                               names[part], early->part[part]->line);
            break;
        }
}

static void read_node(rki_cluster_reading *r, const rki_node *item, entry *out)
{
    static const char *const names[PART_COUNT] = {"name", "url", "key"};
    static const rk_public_key zero;
    if (!rki_cluster_has_kind(r, "nodes", item, RKI_MAPPING))
        return;
    rki_cluster_read_mapping(r, "nodes", item, names, PART_COUNT, PART_COUNT, out->part);
    rki_cluster_read_name(r, "name", out->part[NAME], &out->node.name);
    rki_cluster_read_url(r, "url", out->part[URL], &out->node.url);
    rki_cluster_read_key(r, "key", out->part[KEY], &out->node.key);
    if (out->node.name == NULL)
        out->part[NAME] = NULL;
    if (out->node.url == NULL)
        out->part[URL] = NULL;
    if (memcmp(&out->node.key, &zero, sizeof zero) == 0)
        out->part[KEY] = NULL;
}

/* By the names' bytes; one without a name is in a file with findings, where order is nothing. */
static int compare_nodes(const void *left, const void *right)
{
    const rk_cluster_node *a = left;
    const rk_cluster_node *b = right;
    return rk_slice_compare(rk_slice_str(a->name), rk_slice_str(b->name));
}

static void read_nodes(rki_cluster_reading *r, const rki_node *list, rk_cluster *out)
{
    if (list->count == 0 || list->count > RK_CLUSTER_NODES_MAX) {
        rki_cluster_report(r, list, "nodes: expected 1 to %d nodes, found %zu",
                           RK_CLUSTER_NODES_MAX, list->count);
        return;
    }
    entry *entries = rki_cluster_reading_take(r, &r->scratch, list->count, sizeof *entries);
    out->nodes = rki_cluster_reading_take(r, r->memory, list->count, sizeof *out->nodes);
    if (entries == NULL || out->nodes == NULL)
        return;
    size_t count = 0;
    for (const rki_node *item = list->first; item != NULL && r->status == RK_OK;
         item = item->next) {
        read_node(r, item, &entries[count]);
        find_repeats(r, entries, count);
        out->nodes[count] = entries[count].node;
        count++;
    }
    out->node_count = count;
    qsort(out->nodes, count, sizeof *out->nodes, compare_nodes);
}

/* --- the file --------------------------------------------------------------------------------- */

static void read_cluster(rki_cluster_reading *r, const rki_node *root, rk_cluster *out)
{
    enum { CLUSTER, KEYS, NODES, IDENTITY, COUNT };
    static const char *const names[COUNT] = {"cluster", "keys", "nodes", "identity"};
    const rki_node *part[COUNT];
    rki_cluster_read_mapping(r, WHAT, root, names, COUNT, IDENTITY, part);
    rki_cluster_read_name(r, "cluster", part[CLUSTER], &out->name);
    rki_cluster_read_path(r, "keys", part[KEYS], "", &out->keys);
    rki_cluster_read_path(r, "identity", part[IDENTITY], "", &out->identity);
    if (part[NODES] != NULL && rki_cluster_has_kind(r, "nodes", part[NODES], RKI_LIST))
        read_nodes(r, part[NODES], out);
}

rk_status rk_cluster_parse(rk_slice text, const char *path, rk_cluster **out, rk_findings *findings,
                           rk_error *err)
{
    rki_cluster_reading r;
    rk_cluster *cluster = calloc(1, sizeof *cluster);
    if (cluster == NULL)
        return rk_error_set(err, RK_NOMEM, "read " WHAT " %s: out of memory", path);
    rki_cluster_reading_start(&r, WHAT, path, &cluster->memory, findings, err);
    const rki_node *root = rki_cluster_reading_root(&r, text);
    if (root != NULL)
        read_cluster(&r, root, cluster);
    rk_status status = rki_cluster_reading_finish(&r);
    if (status == RK_OK)
        *out = cluster;
    else
        rk_cluster_destroy(cluster);
    return status;
}

rk_status rk_cluster_load(const char *path, rk_cluster **out, rk_findings *findings, rk_error *err)
{
    rk_buf text = {0};
    rk_status status = rki_cluster_read_file(WHAT, path, &text, err);
    if (status == RK_OK)
        status = rk_cluster_parse(rk_buf_slice(&text), path, out, findings, err);
    rk_buf_fini(&text);
    return status;
}
