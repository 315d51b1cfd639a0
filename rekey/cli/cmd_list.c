#include "rekey/cli/commands.h"
#include "rekey/cli/record_args.h"

typedef struct list_options {
    rk_cli_record record;
    bool json;
} list_options;

static const rk_opt opts[] = {
    RK_OPTIONS_RECORD(list_options, record),
    RK_OPTION_JSON(list_options, json),
};
static const rk_syntax syntax = {
    .name = "list",
    .summary = "Lists the records of an entity in a scope, in key order.",
    .examples = "rekey list --store lmdb:data --tenant acme --capsule PRODUS \\\n"
                "    --entity Contract\n"
                "rekey list --store lmdb:data --tenant acme --capsule PRODUS \\\n"
                "    --entity Contract --json\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "With --json each line is {\"id\":{VAR:VALUE,...},\"value\":...}; a value that is no\n"
             "JSON comes as a base64 text. Without, id and value stand between tabs.\n"
             "Before the flip of a dual-write migration, records of every capsule are listed.\n",
    .exits = {RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

int rk_cmd_list(rk_cli *cli, int argc, char **argv)
{
    list_options options = {0};
    rk_store *store = NULL;
    rk_client *client = NULL;
    rk_iterator *rows = NULL;
    rk_error err = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_client_open(cli, "list", &options.record, RK_LMDB_READ, &store, &client);
    if (code != RK_EXIT_DONE)
        return code;
    rk_scope scope = rk_cli_scope(&options.record);
    rk_status status = rk_client_list(client, &scope, options.record.entity, NULL, &rows, &err);
    code = status == RK_OK
               ? rk_cli_rows_print(cli, "list", &options.record, client, rows, options.json)
               : rk_cli_record_fail(cli, "list", &options.record, status, &err);
    rk_cli_client_close(store, client);
    return code;
}
