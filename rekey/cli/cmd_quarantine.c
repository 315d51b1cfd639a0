#include "rekey/cli/cluster.h"
#include "rekey/cli/commands.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/migrate.h"

typedef struct quarantine_options {
    const char *store;
    const char *cluster;
    bool json;
} quarantine_options;

static const rk_opt opts[] = {
    RK_OPTIONS_PLACE(quarantine_options, store, cluster),
    RK_OPTION_JSON(quarantine_options, json),
};
static const rk_syntax syntax = {
    .name = "quarantine",
    .summary = "Lists the records that were left alone, and why.",
    .examples = "rekey quarantine --store lmdb:data\n"
                "rekey quarantine --store lmdb:data --json\n"
                "rekey quarantine --cluster cluster.yaml\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "They block the flip when they are more than limits.quarantine_max. Mend them\n"
             "(through the client library, or in the data), then run again.\n",
    .exits = {RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

/* "-" for a record of no entity. */
static const char *cell(const json_t *entry, const char *name)
{
    const char *text = json_string_value(json_object_get(entry, name));
    return text ? text : "-";
}

/* Of a cluster, each with its node. */
static void print_entry(rk_cli *cli, const json_t *entry)
{
    const char *node = json_string_value(json_object_get(entry, "node"));
    rk_cli_print(cli, "%s%s%-20s %-20s %s  (%s)", node ? node : "", node ? "  " : "",
                 cell(entry, "reason"), cell(entry, "entity"), cell(entry, "key"),
                 cell(entry, "detail"));
}

/* Takes the entries over. */
static int deliver(rk_cli *cli, bool json, json_t *entries)
{
    size_t count = json_array_size(entries);
    if (json)
        return rk_cli_print_json(
            cli, json_pack("{s:I, s:o}", "quarantined", (json_int_t)count, "entries", entries));
    size_t i;
    json_t *entry;
    json_array_foreach(entries, i, entry)
    {
        print_entry(cli, entry);
    }
    rk_cli_print(cli, "%zu records in quarantine", count);
    json_decref(entries);
    return RK_EXIT_DONE;
}

/* Small: the quarantine of a store that can be flipped is nearly empty. */
static int read_store(rk_cli *cli, const char *store_name, json_t **entries)
{
    rk_store *store = NULL;
    rk_migration *migration = NULL;
    rk_error err = {0};
    rk_buf last;
    int code =
        rk_cli_migration_open(cli, store_name, RK_LMDB_READ, "quarantine", &store, &migration);
    if (code != RK_EXIT_DONE)
        return code;
    rk_buf_init(&last, RK_STATE_KEY_BYTES_MAX);
    rk_status status = rk_report_quarantine(migration, SIZE_MAX, &last, entries, &err);
    if (status != RK_OK) {
        rk_error_context(&err, status, "quarantine of %s", store_name);
        code = rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    }
    rk_buf_fini(&last);
    rk_cli_migration_close(store, migration);
    return code;
}

int rk_cmd_quarantine(rk_cli *cli, int argc, char **argv)
{
    quarantine_options options = {0};
    json_t *entries = NULL;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_one_place(cli, "quarantine", options.store, options.cluster);
    if (code == RK_EXIT_DONE)
        code = options.cluster ? rk_cli_cluster_quarantine(cli, options.cluster, &entries)
                               : read_store(cli, options.store, &entries);
    return code == RK_EXIT_DONE ? deliver(cli, options.json, entries) : code;
}
