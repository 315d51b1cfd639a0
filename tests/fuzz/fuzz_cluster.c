/* Any bytes as a cluster's file and as a node's: a struct or findings, never both, and the struct
 * keeps its promises. */
#include <stdlib.h>

#include "rekey/cluster/node_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libfyaml loses a few kilobytes for a quoted scalar with many escaped quotes. Leaks of its parser
 * and of its events, which would be ours, show in the unit tests, which suppress nothing. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool is_name(const char *name)
{
    return name != NULL && name[0] != '\0' && strlen(name) <= RK_CLUSTER_NAME_BYTES_MAX;
}

static bool is_url(const char *url)
{
    return url != NULL && strlen(url) > 6 && strlen(url) <= 255;
}

static void nodes_are_good(const rk_cluster *cluster)
{
    check(cluster->node_count >= 1 && cluster->node_count <= RK_CLUSTER_NODES_MAX);
    for (size_t i = 0; i < cluster->node_count; i++) {
        const rk_cluster_node *node = &cluster->nodes[i];
        check(is_name(node->name) && is_url(node->url));
        check(i == 0 || strcmp(cluster->nodes[i - 1].name, node->name) < 0);
        check(rk_cluster_find(cluster, rk_slice_str(node->name)) == (int)i);
        check(rk_cluster_find_key(cluster, &node->key) == (int)i);
    }
}

static void cluster_file(rk_slice text)
{
    rk_cluster *cluster = NULL;
    rk_findings findings = {0};
    rk_error err = {0};
    rk_digest digest;
    rk_status status = rk_cluster_parse(text, "a/cluster.yaml", &cluster, &findings, &err);
    check((status == RK_OK) == (cluster != NULL));
    check((status == RK_INVALID) == (findings.count > 0));
    if (cluster != NULL) {
        check(is_name(cluster->name));
        check(cluster->keys[0] == '/' || strncmp(cluster->keys, "a/", 2) == 0);
        nodes_are_good(cluster);
        check(rk_cluster_owner(cluster, text) < cluster->node_count);
        rk_cluster_digest(cluster, &digest);
    }
    rk_cluster_destroy(cluster);
    rk_findings_fini(&findings);
}

static void node_file(rk_slice text)
{
    rk_node_file *file = NULL;
    rk_findings findings = {0};
    rk_error err = {0};
    rk_status status = rk_node_file_parse(text, "a/node.yaml", &file, &findings, &err);
    check((status == RK_OK) == (file != NULL));
    check((status == RK_INVALID) == (findings.count > 0));
    if (file != NULL) {
        check(is_name(file->name) && file->cluster[0] != '\0' && file->identity[0] != '\0');
        check(strncmp(file->store, "lmdb:/", 6) == 0 || strncmp(file->store, "lmdb:a/", 7) == 0);
        check(file->listen == NULL || is_url(file->listen));
        check(file->threads <= 256 && file->workers <= 64);
    }
    rk_node_file_destroy(file);
    rk_findings_fini(&findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cluster_file(rk_slice_of(data, size));
    node_file(rk_slice_of(data, size));
    return 0;
}
