/* cluster_look.c: plan, verify, isolation, inspect, status and register on all nodes. */
#include <stdlib.h>
#include <string.h>

#include "rekey/cli/cluster.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/plan_args.h"
#include "rekey/message/message.h"

#define WATCH_NS        UINT64_C(1000000000)
#define DRAFT_BYTES_MAX ((size_t)4 << 20)

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

/* --- reports ---------------------------------------------------------------------------------- */

/* What all nodes have reported. The nodes' names are the link's. */
typedef struct reports {
    rk_link *link;
    json_t *results[RK_CLUSTER_NODES_MAX];
    rk_report_part parts[RK_CLUSTER_NODES_MAX];
    size_t count;
} reports;

static void reports_fini(reports *r)
{
    drop_all(r->results);
    rk_link_close(r->link);
}

/* Takes the order over; the reports are for reports_fini in any case. */
static int gather_reports(rk_cli *cli, const char *command, const char *cluster, json_t *order,
                          reports *out)
{
    *out = (reports){0};
    int code = rk_cli_link_open(cli, cluster, &out->link);
    if (code == RK_EXIT_DONE)
        code = rk_cli_cluster_gather(cli, command, out->link, order, out->results);
    json_decref(order);
    if (code != RK_EXIT_DONE)
        return code;
    const rk_cluster *nodes = rk_link_cluster(out->link);
    out->count = nodes->node_count;
    for (size_t i = 0; i < out->count; i++)
        out->parts[i] = (rk_report_part){nodes->nodes[i].name, out->results[i]};
    return RK_EXIT_DONE;
}

int rk_cli_cluster_verify(rk_cli *cli, const char *cluster, bool isolation, json_t **out)
{
    reports r;
    rk_error err = {0};
    json_t *order = json_pack("{s:s, s:b}", "kind", "verify", "isolation", isolation);
    int code = gather_reports(cli, "verify", cluster, order, &r);
    if (code == RK_EXIT_DONE) {
        *out = rk_report_verify_merge(r.parts, r.count, &err);
        if (!*out)
            code = rk_cli_fail(cli, RK_EXIT_BAD_SPEC, &err, NULL);
    }
    reports_fini(&r);
    return code;
}

/* Phases of a node are those of the text that it knows. */
static void note_other_texts(rk_cli *cli, const reports *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (json_is_true(json_object_get(r->results[i], "other_text")))
            rk_cli_note(cli,
                        "note: node %s knows this migration by another text of its spec; "
                        "searched by the one given",
                        r->parts[i].node);
}

int rk_cli_cluster_search(rk_cli *cli, const char *cluster, const rk_spec_source *source,
                          json_t **out)
{
    reports r;
    rk_error err = {0};
    json_t *order =
        json_pack("{s:s, s:o}", "kind", "search", "spec", rk_message_spec_write(source));
    int code = gather_reports(cli, "isolation", cluster, order, &r);
    if (code == RK_EXIT_DONE) {
        note_other_texts(cli, &r);
        *out = rk_report_search_merge(r.parts, r.count, &err);
        if (!*out)
            code = rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
    }
    reports_fini(&r);
    return code;
}

/* --- inspect ---------------------------------------------------------------------------------- */

/* The node with the most records of those that could draft; r->count for none. */
static size_t best_drafter(const reports *r)
{
    size_t best = r->count;
    uint64_t most = 0;
    for (size_t i = 0; i < r->count; i++) {
        uint64_t records = rk_report_inspect_records(r->results[i]);
        if (!json_is_string(json_object_get(r->results[i], "draft")) ||
            (best < r->count && records <= most))
            continue;
        best = i;
        most = records;
    }
    return best;
}

static rk_status write_draft(const reports *r, size_t best, const json_t *whole, rk_buf *to,
                             rk_error *err)
{
    size_t i;
    json_t *shape;
    json_t *unseen = rk_report_inspect_unseen(whole, r->results[best]);
    const char *text = json_string_value(json_object_get(r->results[best], "draft"));
    rk_status status =
        rk_buf_append_format(to, err, "# Of %zu nodes, from %s, which has the most records.\n%s",
                             r->count, r->parts[best].node, text);
    if (status == RK_OK && json_array_size(unseen) > 0)
        status = rk_buf_append_str(to, "# Only on other nodes, TODO check:\n", err);
    json_array_foreach(unseen, i, shape)
    {
        if (status == RK_OK)
            status =
                rk_buf_append_format(to, err, "#   %s: %" JSON_INTEGER_FORMAT " entries of %s\n",
                                     json_string_value(json_object_get(shape, "shape")),
                                     json_integer_value(json_object_get(shape, "records")),
                                     json_string_value(json_object_get(shape, "table")));
    }
    json_decref(unseen);
    return status == RK_OK ? rk_buf_append_byte(to, '\0', err) : status;
}

static int take_draft(rk_cli *cli, const reports *r, const json_t *whole, char **draft)
{
    rk_error err = {0};
    rk_buf text;
    size_t best = best_drafter(r);
    if (best == r->count) {
        const char *why = json_string_value(json_object_get(r->results[0], "no_draft"));
        return rk_cli_fail_format(cli, RK_EXIT_FAILED, NULL, "%s",
                                  why ? why : "draft a spec: no node has made one");
    }
    rk_buf_init(&text, DRAFT_BYTES_MAX);
    rk_status status = write_draft(r, best, whole, &text, &err);
    if (status == RK_OK) {
        *draft = strdup((const char *)text.ptr);
        status = *draft ? RK_OK : rk_error_set(&err, RK_NOMEM, "draft a spec: out of memory");
    }
    rk_buf_fini(&text);
    return status == RK_OK ? RK_EXIT_DONE : rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
}

int rk_cli_cluster_inspect(rk_cli *cli, const char *cluster, const char *migration, json_t **out,
                           char **draft)
{
    reports r;
    rk_error err = {0};
    json_t *order = json_pack("{s:s, s:s*}", "kind", "inspect", "draft", migration);
    int code = gather_reports(cli, "inspect", cluster, order, &r);
    if (code == RK_EXIT_DONE) {
        *out = rk_report_inspect_merge(r.parts, r.count, &err);
        if (!*out)
            code = rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
    }
    if (code == RK_EXIT_DONE && migration) {
        code = take_draft(cli, &r, *out, draft);
    }
    reports_fini(&r);
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
