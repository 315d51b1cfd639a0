/* node_file.c: a node's own file. */
#include "rekey/cluster/node_file.h"

#include <stdlib.h>

#include "rekey/cluster/cluster_private.h"

#define WHAT        "node file"
#define THREADS_MAX 256
#define WORKERS_MAX 64

void rk_node_file_destroy(rk_node_file *file)
{
    if (file == NULL)
        return;
    rk_arena_fini(&file->memory);
    free(file);
}

static void read_file(rki_cluster_reading *r, const rki_node *root, rk_node_file *out)
{
    enum { CLUSTER, NAME, IDENTITY, STORE, LISTEN, THREADS, WORKERS, COUNT };
    static const char *const names[COUNT] = {"cluster", "name",    "identity", "store",
                                             "listen",  "threads", "workers"};
    const rki_node *part[COUNT];
    rki_cluster_read_mapping(r, WHAT, root, names, COUNT, LISTEN, part);
    rki_cluster_read_path(r, "cluster", part[CLUSTER], "", &out->cluster);
    rki_cluster_read_name(r, "name", part[NAME], &out->name);
    rki_cluster_read_path(r, "identity", part[IDENTITY], "", &out->identity);
    rki_cluster_read_path(r, "store", part[STORE], "lmdb:", &out->store);
    rki_cluster_read_url(r, "listen", part[LISTEN], &out->listen);
    rki_cluster_read_number(r, "threads", part[THREADS], THREADS_MAX, &out->threads);
    rki_cluster_read_number(r, "workers", part[WORKERS], WORKERS_MAX, &out->workers);
}

rk_status rk_node_file_parse(rk_slice text, const char *path, rk_node_file **out,
                             rk_findings *findings, rk_error *err)
{
    rki_cluster_reading r;
    rk_node_file *file = calloc(1, sizeof *file);
    if (file == NULL)
        return rk_error_set(err, RK_NOMEM, "read " WHAT " %s: out of memory", path);
    rki_cluster_reading_start(&r, WHAT, path, &file->memory, findings, err);
    const rki_node *root = rki_cluster_reading_root(&r, text);
    if (root != NULL)
        read_file(&r, root, file);
    rk_status status = rki_cluster_reading_finish(&r);
    if (status == RK_OK)
        *out = file;
    else
        rk_node_file_destroy(file);
    return status;
}

rk_status rk_node_file_load(const char *path, rk_node_file **out, rk_findings *findings,
                            rk_error *err)
{
    rk_buf text = {0};
    rk_status status = rki_cluster_read_file(WHAT, path, &text, err);
    if (status == RK_OK)
        status = rk_node_file_parse(rk_buf_slice(&text), path, out, findings, err);
    rk_buf_fini(&text);
    return status;
}

rk_status rk_node_file_self(const rk_node_file *file, const rk_cluster *cluster, size_t *self,
                            rk_secret_key *key, rk_error *err)
{
    int found = rk_cluster_find(cluster, rk_slice_str(file->name));
    if (found < 0)
        return rk_error_set(err, RK_INVALID, "%s has no node %s", file->cluster, file->name);
    rk_status status = rk_secret_key_read(file->identity, key, err);
    if (status != RK_OK)
        return status;
    if (memcmp(&key->public_key, &cluster->nodes[found].key, sizeof key->public_key) != 0)
        return rk_error_set(err, RK_AUTH, "%s is not the key that %s names for node %s",
                            file->identity, file->cluster, file->name);
    *self = (size_t)found;
    return RK_OK;
}
