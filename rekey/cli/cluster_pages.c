/* cluster_pages.c: quarantine and audit on all nodes, a page at a time. */
#include "rekey/cli/cluster.h"

#define PAGES_MAX 1000000u /* a node that never comes to an end */

/* Asks one node until it has no more; *out is handed over. */
typedef rk_status read_node(rk_link *link, size_t node, bool verify, json_t **out, rk_error *err);

static void drop_all(json_t **all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_decref(all[i]);
}

static rk_status no_end(const rk_link *link, size_t node, rk_error *err)
{
    return rk_error_set(err, RK_CORRUPT, "node %s sends pages without end",
                        rk_link_cluster(link)->nodes[node].name);
}

static rk_status read_quarantine(rk_link *link, size_t node, bool verify, json_t **out,
                                 rk_error *err)
{
    (void)verify;
    json_t *entries = json_array();
    json_t *after = json_string("");
    rk_status status = RK_OK;
    for (unsigned page = 0; status == RK_OK && after; page++) {
        json_t *reply = NULL;
        json_t *request = json_pack("{s:s, s:o}", "op", "quarantine", "after", after);
        status = page == PAGES_MAX ? no_end(link, node, err) : RK_OK;
        if (status == RK_OK)
            status = rk_cli_control(link, node, request, &reply, err);
        else
            json_decref(request);
        json_array_extend(entries, json_object_get(reply, "entries"));
        after = json_object_get(reply, "after");
        after = json_string_length(after) > 0 ? json_incref(after) : NULL;
        json_decref(reply);
    }
    json_decref(after);
    *out = entries;
    return status;
}

static rk_status read_audit(rk_link *link, size_t node, bool verify, json_t **out, rk_error *err)
{
    json_int_t next = 1;
    rk_status status = RK_OK;
    for (unsigned page = 0; status == RK_OK && next > 0; page++) {
        json_t *reply = NULL;
        json_int_t from = next;
        status = rk_cli_control(
            link, node, json_pack("{s:s, s:I, s:b}", "op", "audit", "from", from, "verify", verify),
            &reply, err);
        json_t *audit = json_incref(json_object_get(reply, "audit"));
        next = json_integer_value(json_object_get(reply, "next"));
        if (*out)
            rk_report_audit_append(*out, audit);
        else
            *out = audit;
        if (status == RK_OK && next > 0 && (next <= from || page == PAGES_MAX))
            status = no_end(link, node, err);
        json_decref(reply);
    }
    return status;
}

/* Fills parts and all, one a node. The code of what was reported, or RK_EXIT_DONE. */
static int read_all(rk_cli *cli, const char *command, const char *cluster, rk_link *link,
                    read_node *read, bool verify, json_t **all, rk_report_part *parts)
{
    rk_error err = {0};
    rk_status status = RK_OK;
    const rk_cluster *nodes = rk_link_cluster(link);
    for (size_t i = 0; status == RK_OK && i < nodes->node_count; i++) {
        status = read(link, i, verify, &all[i], &err);
        parts[i] = (rk_report_part){nodes->nodes[i].name, all[i]};
        if (status == RK_OK && rk_cli_interrupted(cli))
            return rk_cli_fail_format(cli, RK_EXIT_STOPPED, NULL, "%s of %s: interrupted", command,
                                      cluster);
    }
    if (status == RK_OK)
        return RK_EXIT_DONE;
    rk_error_context(&err, status, "%s of %s", command, cluster);
    bool unknown = status == RK_NOT_FOUND;
    return rk_cli_fail(cli, unknown ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status), &err,
                       unknown ? "`rekey run PLAN` or `rekey register SPEC` makes it known" : NULL);
}

/* Reads all of it from every node, and merges. */
static int gather_pages(rk_cli *cli, const char *command, const char *cluster, read_node *read,
                        bool verify, json_t *(*merge)(const rk_report_part *parts, size_t count),
                        json_t **out)
{
    rk_link *link = NULL;
    json_t *all[RK_CLUSTER_NODES_MAX] = {0};
    rk_report_part parts[RK_CLUSTER_NODES_MAX];
    int code = rk_cli_link_open(cli, cluster, &link);
    if (code != RK_EXIT_DONE)
        return code;
    size_t count = rk_link_cluster(link)->node_count;
    code = read_all(cli, command, cluster, link, read, verify, all, parts);
    if (code == RK_EXIT_DONE)
        *out = merge(parts, count);
    drop_all(all, count);
    rk_link_close(link);
    return code;
}

int rk_cli_cluster_quarantine(rk_cli *cli, const char *cluster, json_t **entries)
{
    return gather_pages(cli, "quarantine", cluster, read_quarantine, false,
                        rk_report_quarantine_merge, entries);
}

int rk_cli_cluster_audit(rk_cli *cli, const char *cluster, bool verify, json_t **out)
{
    return gather_pages(cli, "audit", cluster, read_audit, verify, rk_report_audit_merge, out);
}
