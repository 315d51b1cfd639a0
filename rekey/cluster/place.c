/* place.c: which node a tenant lives on. specs/cluster.md states the rule for other languages; what
 * is computed here may never change, since records lie where it said. */
#include <assert.h>

#include "rekey/cluster/cluster.h"

#define PLACE_DOMAIN  "rekey place v1"
#define DIGEST_DOMAIN "rekey cluster v1"

static void weigh(const char *node, rk_slice tenant, rk_digest *out)
{
    const rk_slice parts[] = {rk_slice_str(node), tenant};
    rk_digest_parts(PLACE_DOMAIN, parts, 2, out);
}

size_t rk_cluster_owner(const rk_cluster *cluster, rk_slice tenant)
{
    size_t owner = 0;
    rk_digest highest;
    assert(cluster->node_count > 0);
    weigh(cluster->nodes[0].name, tenant, &highest);
    for (size_t i = 1; i < cluster->node_count; i++) {
        rk_digest weight;
        weigh(cluster->nodes[i].name, tenant, &weight);
        if (memcmp(&weight, &highest, sizeof weight) <= 0)
            continue;
        highest = weight;
        owner = i;
    }
    return owner;
}

int rk_cluster_find(const rk_cluster *cluster, rk_slice name)
{
    for (size_t i = 0; i < cluster->node_count; i++)
        if (rk_slice_equal(rk_slice_str(cluster->nodes[i].name), name))
            return (int)i;
    return -1;
}

int rk_cluster_find_key(const rk_cluster *cluster, const rk_public_key *key)
{
    for (size_t i = 0; i < cluster->node_count; i++)
        if (memcmp(&cluster->nodes[i].key, key, sizeof *key) == 0)
            return (int)i;
    return -1;
}

void rk_cluster_digest(const rk_cluster *cluster, rk_digest *out)
{
    rk_slice parts[1 + RK_CLUSTER_NODES_MAX];
    assert(cluster->node_count <= RK_CLUSTER_NODES_MAX);
    parts[0] = rk_slice_str(cluster->name);
    for (size_t i = 0; i < cluster->node_count; i++)
        parts[1 + i] = rk_slice_str(cluster->nodes[i].name);
    rk_digest_parts(DIGEST_DOMAIN, parts, 1 + cluster->node_count, out);
}
