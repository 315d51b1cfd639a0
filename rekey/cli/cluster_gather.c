#include "rekey/cli/cluster.h"

#include <inttypes.h>
#include <string.h>

#include "rekey/message/message.h"

#define NODES_MAX RK_CLUSTER_NODES_MAX
#define SILENT_NS ((uint64_t)RK_COORDINATOR_PATIENCE_MS * 1000000)

/* --- work on all nodes ------------------------------------------------------------------------ */

typedef struct gathering {
    rk_link *link;
    const char *command;
    char name[64]; /* of the work, on every node */
    json_t **results;
    bool done[NODES_MAX];
    rk_run_progress progress[NODES_MAX];
} gathering;

static int fail_at(rk_cli *cli, const gathering *g, rk_status status, rk_error *err)
{
    rk_cli_progress_end(cli);
    rk_error_context(err, status, "%s", g->command);
    bool configuration = status == RK_CONFLICT || status == RK_NOT_FOUND || status == RK_INVALID;
    return rk_cli_fail(cli, configuration ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status), err, NULL);
}

static rk_status start(gathering *g, size_t node, const json_t *order, rk_error *err)
{
    json_t *reply = NULL;
    json_t *request = json_deep_copy(order);
    json_object_set_new(request, "op", json_string("start"));
    json_object_set_new(request, "name", json_string(g->name));
    rk_status status = rk_cli_control(g->link, node, request, &reply, err);
    json_decref(reply);
    return status;
}

static rk_status look(gathering *g, size_t node, rk_error *err)
{
    json_t *reply = NULL;
    rk_status status = rk_cli_control(
        g->link, node, json_pack("{s:s, s:s}", "op", "poll", "name", g->name), &reply, err);
    if (status != RK_OK)
        return status;
    const json_t *work = json_object_get(reply, "work");
    const char *state = json_string_value(json_object_get(work, "state"));
    rk_message_progress_read(json_object_get(work, "progress"), &g->progress[node]);
    if (state && strcmp(state, "finished") == 0) {
        g->results[node] = json_incref(json_object_get(work, "result"));
        g->done[node] = true;
    } else if (state && strcmp(state, "failed") == 0) {
        status = rk_message_error_read(json_object_get(work, "error"), err);
    } else if (!state || strcmp(state, "going") != 0) {
        status = rk_error_set(err, RK_BUSY, "other work took its place");
    }
    if (status != RK_OK)
        rk_error_context(err, status, "node %s", rk_link_cluster(g->link)->nodes[node].name);
    json_decref(reply);
    return status;
}

static bool draw(rk_cli *cli, const gathering *g)
{
    size_t count = rk_link_cluster(g->link)->node_count;
    rk_progress_view view = {.phase = g->command};
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        view.done += g->progress[i].done;
        view.total += g->progress[i].total;
        all = all && g->done[i];
    }
    rk_cli_progress(cli, &view, rk_clock_monotonic_ns(cli->clock));
    return all;
}

static void cancel(const gathering *g)
{
    for (size_t i = 0; i < rk_link_cluster(g->link)->node_count; i++) {
        json_t *reply = NULL;
        if (!g->done[i])
            (void)rk_cli_control(
                g->link, i, json_pack("{s:s, s:s}", "op", "cancel", "name", g->name), &reply, NULL);
        json_decref(reply);
    }
}

static void pause_a_little(const rk_cli *cli, uint64_t began_ns)
{
    uint64_t taken_ms = (rk_clock_monotonic_ns(cli->clock) - began_ns) / 1000000;
    uint64_t pause_ms = (uint64_t)rk_coordinator_poll_ms((int64_t)taken_ms);
    cli->clock->pause_ns(cli->clock->context, pause_ms * 1000000);
}

static int wait_for_all(rk_cli *cli, gathering *g)
{
    rk_error err = {0};
    uint64_t began_ns = rk_clock_monotonic_ns(cli->clock);
    uint64_t heard_ns = began_ns;
    while (!draw(cli, g)) {
        for (size_t i = 0; i < rk_link_cluster(g->link)->node_count; i++) {
            rk_status status = g->done[i] ? RK_OK : look(g, i, &err);
            bool silent = status == RK_TIMEOUT || status == RK_UNCERTAIN;
            uint64_t now_ns = rk_clock_monotonic_ns(cli->clock);
            if (status != RK_OK && (!silent || now_ns - heard_ns > SILENT_NS)) {
                cancel(g);
                return fail_at(cli, g, status, &err);
            }
            heard_ns = silent ? heard_ns : now_ns;
        }
        if (rk_cli_interrupted(cli)) {
            rk_cli_progress_end(cli);
            cancel(g);
            return rk_cli_fail_format(cli, RK_EXIT_STOPPED, NULL,
                                      "%s: interrupted; nothing was written", g->command);
        }
        pause_a_little(cli, began_ns);
    }
    rk_cli_progress_end(cli);
    return RK_EXIT_DONE;
}

int rk_cli_cluster_gather(rk_cli *cli, const char *command, rk_link *link, const json_t *order,
                          json_t **results)
{
    rk_error err = {0};
    rk_cli_leader name;
    gathering g = {.link = link, .command = command, .results = results};
    rk_cli_leader_make(&name);
    snprintf(g.name, sizeof g.name, "%.24s/%s", name.token, command);
    for (size_t i = 0; i < rk_link_cluster(link)->node_count; i++) {
        rk_status status = start(&g, i, order, &err);
        if (status != RK_OK) {
            cancel(&g);
            return fail_at(cli, &g, status, &err);
        }
    }
    return wait_for_all(cli, &g);
}

/* --- status ----------------------------------------------------------------------------------- */

json_t *rk_cli_cluster_status(rk_cli *cli, const char *command, rk_link *link, int *code)
{
    const rk_cluster *cluster = rk_link_cluster(link);
    rk_report_part parts[NODES_MAX] = {0};
    json_t *replies[NODES_MAX] = {0};
    rk_error err = {0};
    rk_status status = RK_OK;
    size_t count = 0;
    while (status == RK_OK && count < cluster->node_count) {
        json_t *request = json_pack("{s:s}", "op", "status");
        status = rk_cli_control(link, count, request, &replies[count], &err);
        parts[count] =
            (rk_report_part){cluster->nodes[count].name, json_object_get(replies[count], "status")};
        count++;
    }
    json_t *merged = NULL;
    if (status == RK_OK) {
        merged = rk_report_status_merge(parts, count, &err);
        status = merged ? RK_OK : RK_CONFLICT;
    }
    for (size_t i = 0; i < count; i++)
        json_decref(replies[i]);
    if (merged)
        return merged;
    rk_error_context(&err, status, "%s", command);
    *code = rk_cli_fail(
        cli, status == RK_NOT_FOUND ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status), &err,
        status == RK_NOT_FOUND ? "`rekey run PLAN` or `rekey register SPEC` makes it known" : NULL);
    return NULL;
}
