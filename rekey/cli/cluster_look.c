/* cluster_look.c: plan, verify, status and register on all nodes. */
#include <stdlib.h>

#include "rekey/cli/cluster.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/plan_args.h"
#include "rekey/node/message.h"

#define WATCH_NS UINT64_C(1000000000)

static void drop_all(json_t **results)
{
    for (size_t i = 0; i < RK_CLUSTER_NODES_MAX; i++)
        json_decref(results[i]);
}

/* --- plan ------------------------------------------------------------------------------------- */

static rk_status parse_shard(const char *node, const json_t *result, rk_plan_shard *out,
                             rk_error *err)
{
    const char *text = json_string_value(result);
    snprintf(out->node, sizeof out->node, "%s", node);
    rk_status status = rk_plan_parse(rk_slice_str(text ? text : ""), node, &out->plan, err);
    return status == RK_OK ? status : rk_error_context(err, status, "node %s", node);
}

static rk_status merge_plans(const rk_cluster *cluster, json_t **results, const char *spec_path,
                             int64_t wall_ms, rk_plan **out, rk_error *err)
{
    rk_status status = RK_OK;
    rk_plan_shard *shards = calloc(cluster->node_count, sizeof *shards);
    if (!shards)
        return rk_error_set(err, RK_NOMEM, "plan: out of memory");
    for (size_t i = 0; status == RK_OK && i < cluster->node_count; i++)
        status = parse_shard(cluster->nodes[i].name, results[i], &shards[i], err);
    if (status == RK_OK)
        status = rk_plan_merge(shards, cluster->node_count, spec_path, wall_ms, out, err);
    for (size_t i = 0; i < cluster->node_count; i++)
        rk_plan_destroy(shards[i].plan); /* NULL once they are merged */
    free(shards);
    return status;
}

int rk_cli_cluster_plan(rk_cli *cli, const char *cluster, const char *spec_path,
                        const rk_spec_source *source, rk_plan **out)
{
    rk_link *link = NULL;
    json_t *results[RK_CLUSTER_NODES_MAX] = {0};
    int code = rk_cli_link_open(cli, cluster, &link);
    if (code != RK_EXIT_DONE)
        return code;
    json_t *order = json_pack("{s:s, s:s, s:o}", "kind", "plan", "spec_path", spec_path, "spec",
                              rk_message_spec_write(source));
    code = rk_cli_cluster_gather(cli, "plan", link, order, results);
    json_decref(order);
    if (code == RK_EXIT_DONE) {
        rk_error err = {0};
        rk_status status = merge_plans(rk_link_cluster(link), results, spec_path,
                                       rk_clock_wall_ms(cli->clock), out, &err);
        if (status != RK_OK) {
            rk_error_context(&err, status, "plan %s on %s", spec_path, cluster);
            code = rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
        }
    }
    drop_all(results);
    rk_link_close(link);
    return code;
}

/* --- verify ----------------------------------------------------------------------------------- */

int rk_cli_cluster_verify(rk_cli *cli, const char *cluster, bool isolation, json_t **out)
{
    rk_link *link = NULL;
    rk_error err = {0};
    json_t *results[RK_CLUSTER_NODES_MAX] = {0};
    rk_report_part parts[RK_CLUSTER_NODES_MAX];
    int code = rk_cli_link_open(cli, cluster, &link);
    if (code != RK_EXIT_DONE)
        return code;
    json_t *order = json_pack("{s:s, s:b}", "kind", "verify", "isolation", isolation);
    code = rk_cli_cluster_gather(cli, "verify", link, order, results);
    json_decref(order);
    size_t count = rk_link_cluster(link)->node_count;
    for (size_t i = 0; i < count; i++)
        parts[i] = (rk_report_part){rk_link_cluster(link)->nodes[i].name, results[i]};
    if (code == RK_EXIT_DONE) {
        *out = rk_report_verify_merge(parts, count, &err);
        if (!*out)
            code = rk_cli_fail(cli, RK_EXIT_BAD_SPEC, &err, NULL);
    }
    drop_all(results);
    rk_link_close(link);
    return code;
}

/* --- status ----------------------------------------------------------------------------------- */

static int show_once(rk_cli *cli, rk_link *link, bool json, bool clears)
{
    int code = RK_EXIT_DONE;
    json_t *status = rk_cli_cluster_status(cli, "status", link, &code);
    if (!status)
        return code;
    if (json)
        return rk_cli_print_json(cli, status);
    if (clears)
        fputs("\033[H\033[2J", cli->out);
    code = rk_cli_status_print(cli, status);
    json_decref(status);
    return code;
}

int rk_cli_cluster_show_status(rk_cli *cli, const char *cluster, bool json, bool watch)
{
    rk_link *link = NULL;
    int code = rk_cli_link_open(cli, cluster, &link);
    if (code != RK_EXIT_DONE)
        return code;
    bool clears = watch && cli->out_is_terminal;
    code = show_once(cli, link, json, clears);
    while (code == RK_EXIT_DONE && watch && !rk_cli_interrupted(cli)) {
        fflush(cli->out);
        cli->clock->pause_ns(cli->clock->context, WATCH_NS);
        code = show_once(cli, link, json, clears);
    }
    rk_link_close(link);
    return code;
}

/* --- register --------------------------------------------------------------------------------- */

int rk_cli_cluster_register(rk_cli *cli, const char *cluster, const rk_spec_source *source,
                            bool *changed)
{
    rk_link *link = NULL;
    rk_error err = {0};
    rk_status status = RK_OK;
    int code = rk_cli_link_open(cli, cluster, &link);
    if (code != RK_EXIT_DONE)
        return code;
    for (size_t i = 0; status == RK_OK && i < rk_link_cluster(link)->node_count; i++) {
        json_t *reply = NULL;
        status = rk_cli_control(
            link, i,
            json_pack("{s:s, s:o}", "op", "register", "spec", rk_message_spec_write(source)),
            &reply, &err);
        *changed = *changed || json_is_true(json_object_get(reply, "changed"));
        json_decref(reply);
    }
    rk_link_close(link);
    if (status == RK_OK)
        return RK_EXIT_DONE;
    rk_error_context(&err, status, "register in %s", cluster);
    bool configuration = status == RK_CONFLICT || status == RK_NOT_FOUND || status == RK_INVALID;
    return rk_cli_fail(cli, configuration ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status), &err, NULL);
}
