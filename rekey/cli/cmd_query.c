#include "rekey/cli/commands.h"
#include "rekey/cli/record_args.h"

typedef struct query_options {
    rk_cli_record record;
    const char *index;
    rk_list where;
    bool json;
} query_options;

static const rk_opt opts[] = {
    RK_OPTIONS_RECORD(query_options, record),
    {"index", 0, RK_OPT_STRING, "NAME", "the index to ask", true, offsetof(query_options, index)},
    {"where", 0, RK_OPT_LIST, "VAR=VALUE", "a variable of the index key; leading ones suffice",
     false, offsetof(query_options, where)},
    RK_OPTION_JSON(query_options, json),
};
static const rk_syntax syntax = {
    .name = "query",
    .summary = "Finds records by an index, in the order of its keys.",
    .examples = "rekey query --store lmdb:data --tenant acme --capsule PRODUS \\\n"
                "    --entity Contract --index gsi1 --where account_id=a-7 --json\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "With --json each line is {\"id\":{VAR:VALUE,...},\"value\":...}; a value that is no\n"
             "JSON comes as a base64 text. Without, id and value stand between tabs.\n",
    .exits = {RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

int rk_cmd_query(rk_cli *cli, int argc, char **argv)
{
    query_options options = {0};
    rk_cli_ids where;
    rk_store *store = NULL;
    rk_client *client = NULL;
    rk_iterator *rows = NULL;
    rk_error err = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_ids_parse(cli, "query", "--where", &options.where, &where);
    if (code == RK_EXIT_DONE)
        code = rk_cli_client_open(cli, "query", &options.record, RK_LMDB_READ, &store, &client);
    if (code != RK_EXIT_DONE)
        return code;
    rk_scope scope = rk_cli_scope(&options.record);
    rk_status status = rk_client_query(client, &scope, options.record.entity, options.index,
                                       where.item, where.count, NULL, &rows, &err);
    code = status == RK_OK
               ? rk_cli_rows_print(cli, "query", &options.record, client, rows, options.json)
               : rk_cli_record_fail(cli, "query", &options.record, status, &err);
    rk_cli_client_close(store, client);
    return code;
}
