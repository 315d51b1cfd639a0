#include "rekey/cli/commands.h"
#include "rekey/cli/record_args.h"

typedef struct delete_options {
    rk_cli_record record;
    rk_list id;
} delete_options;

static const rk_opt opts[] = {
    RK_OPTIONS_RECORD(delete_options, record),
    RK_OPTION_ID(delete_options, id),
};
static const rk_syntax syntax = {
    .name = "delete",
    .summary = "Removes one record and its index entries, on every side that the phase writes.",
    .examples = "rekey delete --store lmdb:data --tenant acme --capsule PRODUS \\\n"
                "    --entity Contract --id contract_id=c-17\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "A record that is not there is exit 1.\n",
    .exits = {RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

int rk_cmd_delete(rk_cli *cli, int argc, char **argv)
{
    delete_options options = {0};
    rk_cli_ids ids;
    rk_store *store = NULL;
    rk_client *client = NULL;
    rk_error err = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_ids_parse(cli, "delete", "--id", &options.id, &ids);
    if (code == RK_EXIT_DONE)
        code = rk_cli_client_open(cli, "delete", &options.record, RK_LMDB_WRITE, &store, &client);
    if (code != RK_EXIT_DONE)
        return code;
    rk_scope scope = rk_cli_scope(&options.record);
    rk_status status =
        rk_client_delete(client, &scope, options.record.entity, ids.item, ids.count, &err);
    if (status != RK_OK)
        code = rk_cli_record_fail(cli, "delete", &options.record, status, &err);
    rk_cli_client_close(store, client);
    return code;
}
