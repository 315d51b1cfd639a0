#include <inttypes.h>

#include "rekey/cli/cluster.h"
#include "rekey/cli/commands.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/migrate.h"
#include "rekey/report/report.h"

typedef struct audit_options {
    const char *store;
    const char *cluster;
    bool json;
    bool verify;
} audit_options;

static const rk_opt opts[] = {
    RK_OPTIONS_PLACE(audit_options, store, cluster),
    RK_OPTION_JSON(audit_options, json),
    {"verify", 0, RK_OPT_FLAG, NULL, "check the whole chain", false,
     offsetof(audit_options, verify)},
};
static const rk_syntax syntax = {
    .name = "audit",
    .summary = "Shows who changed what, and checks that the log is whole.",
    .examples = "rekey audit --store lmdb:data\n"
                "rekey audit --store lmdb:data --verify\n"
                "rekey audit --cluster cluster.yaml\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "Each entry holds the digest of the one before, and the head names the last.\n"
             "Keep the head somewhere else, and a rewrite of the whole log shows too. Each node\n"
             "of a cluster has a log of its own; --cluster shows them as one, by time.\n",
    .exits = {RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

#define PAGE_BYTES ((size_t)1 << 20) /* of a store, at once in memory */

static json_int_t integer_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* --- for people ------------------------------------------------------------------------------- */

static void print_entries(rk_cli *cli, const json_t *report)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(report, "entries"), i, entry)
    {
        const char *node = rk_report_text(entry, "node");
        rk_cli_print(
            cli,
            "%s%s%5" JSON_INTEGER_FORMAT "  %s  epoch %-3" JSON_INTEGER_FORMAT " %-9s %s  (%s)",
            node, *node ? "  " : "", integer_of(entry, "number"), rk_report_text(entry, "time"),
            integer_of(entry, "epoch"), rk_report_text(entry, "event"),
            rk_report_text(entry, "detail"), rk_report_text(entry, "actor"));
    }
}

/* Of a store's report, or of one of the nodes of a cluster's. */
static void print_head(rk_cli *cli, const json_t *report)
{
    const char *node = rk_report_text(report, "name");
    const json_t *head = json_object_get(report, "head");
    bool whole = json_is_true(json_object_get(report, "whole"));
    rk_cli_print(cli, "%s%shead %" JSON_INTEGER_FORMAT " %s%s", node, *node ? "  " : "",
                 integer_of(head, "number"), rk_report_text(head, "digest"),
                 whole ? ", the chain is whole" : "");
}

/* --- one store -------------------------------------------------------------------------------- */

/* Prints page by page, so that what stands before damage is seen. As JSON it is one object. */
static rk_status show(rk_cli *cli, const audit_options *options, rk_view *view, rk_table meta,
                      rk_error *err)
{
    json_t *report = NULL;
    uint64_t next = 1;
    rk_status status = RK_OK;
    while (status == RK_OK && next > 0) {
        json_t *page = NULL;
        status = rk_report_audit(view, meta, PAGE_BYTES, options->verify, &next, &page, err);
        if (status != RK_OK)
            break;
        if (!options->json)
            print_entries(cli, page);
        if (!options->json)
            json_array_clear(json_object_get(page, "entries"));
        if (report)
            rk_report_audit_append(report, page);
        else
            report = page;
    }
    if (status == RK_OK && options->json)
        rk_cli_print_json(cli, json_incref(report));
    else if (status == RK_OK)
        print_head(cli, report);
    json_decref(report);
    return status;
}

static int audit_store(rk_cli *cli, const audit_options *options)
{
    rk_store *store = NULL;
    rk_migration *migration = NULL;
    rk_view *view = NULL;
    rk_error err = {0};
    int code =
        rk_cli_migration_open(cli, options->store, RK_LMDB_READ, "audit", &store, &migration);
    if (code != RK_EXIT_DONE)
        return code;
    rk_status status = rk_snapshot_open(store, &view, &err);
    if (status == RK_OK)
        status = show(cli, options, view, migration->tables.meta, &err);
    rk_snapshot_close(view);
    if (status != RK_OK) {
        rk_error_context(&err, status, "audit of %s", options->store);
        code = rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    }
    rk_cli_migration_close(store, migration);
    return code;
}

/* --- the command ------------------------------------------------------------------------------ */

static int audit_cluster(rk_cli *cli, const audit_options *options)
{
    json_t *report = NULL;
    size_t i;
    json_t *node;
    int code = rk_cli_cluster_audit(cli, options->cluster, options->verify, &report);
    if (code != RK_EXIT_DONE || options->json)
        return code == RK_EXIT_DONE ? rk_cli_print_json(cli, report) : code;
    print_entries(cli, report);
    json_array_foreach(json_object_get(report, "nodes"), i, node)
    {
        print_head(cli, node);
    }
    json_decref(report);
    return RK_EXIT_DONE;
}

int rk_cmd_audit(rk_cli *cli, int argc, char **argv)
{
    audit_options options = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_one_place(cli, "audit", options.store, options.cluster);
    if (code != RK_EXIT_DONE)
        return code;
    return options.cluster ? audit_cluster(cli, &options) : audit_store(cli, &options);
}
