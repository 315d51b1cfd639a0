#include "rekey/cli/commands.h"
#include "rekey/cli/record_args.h"

typedef struct get_options {
    rk_cli_record record;
    rk_list id;
    bool json;
} get_options;

static const rk_opt opts[] = {
    RK_OPTIONS_RECORD(get_options, record),
    RK_OPTION_ID(get_options, id),
    {"json", 0, RK_OPT_FLAG, NULL, "the same: a value is printed as it stands", false,
     offsetof(get_options, json)},
};
static const rk_syntax syntax = {
    .name = "get",
    .summary = "Prints one record's value, read the way the migration's phase asks for.",
    .examples = "rekey get --store lmdb:data --tenant acme --capsule PRODUS \\\n"
                "    --entity Contract --id contract_id=c-17\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "A record that is not there is exit 1, with nothing on stdout.\n",
    .exits = {RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

/* A value that could not be written out is the frame's to report. */
static void print_value(rk_cli *cli, rk_slice bytes)
{
    fwrite(bytes.ptr, 1, bytes.len, cli->out);
    putc('\n', cli->out);
}

int rk_cmd_get(rk_cli *cli, int argc, char **argv)
{
    get_options options = {0};
    rk_cli_ids ids;
    rk_store *store = NULL;
    rk_client *client = NULL;
    rk_value value = {0};
    rk_error err = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_ids_parse(cli, "get", "--id", &options.id, &ids);
    if (code == RK_EXIT_DONE)
        code = rk_cli_client_open(cli, "get", &options.record, RK_LMDB_READ, &store, &client);
    if (code != RK_EXIT_DONE)
        return code;
    rk_scope scope = rk_cli_scope(&options.record);
    rk_status status =
        rk_client_get(client, &scope, options.record.entity, ids.item, ids.count, &value, &err);
    if (status == RK_OK)
        print_value(cli, value.bytes);
    else
        code = rk_cli_record_fail(cli, "get", &options.record, status, &err);
    rk_value_fini(&value);
    rk_cli_client_close(store, client);
    return code;
}
