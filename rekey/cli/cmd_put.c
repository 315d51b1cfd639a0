#include <errno.h>

#include "rekey/base/buf.h"
#include "rekey/cli/commands.h"
#include "rekey/cli/record_args.h"

#define VALUE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define READ_BYTES      ((size_t)64 * 1024)

typedef struct put_options {
    rk_cli_record record;
    rk_list id;
    const char *value;
} put_options;

static const rk_opt opts[] = {
    RK_OPTIONS_RECORD(put_options, record),
    RK_OPTION_ID(put_options, id),
};
static const rk_arg args[] = {
    {"VALUE", "the record's value, a JSON object; - reads it from stdin", false,
     offsetof(put_options, value)},
};
static const rk_syntax syntax = {
    .name = "put",
    .summary = "Writes one record and its index entries, on every side that the phase writes.",
    .examples = "rekey put --store lmdb:data --tenant acme --capsule PRODUS \\\n"
                "    --entity Contract --id contract_id=c-17 '{\"status\":\"open\"}'\n"
                "rekey put --store lmdb:data --tenant acme --capsule PRODUS \\\n"
                "    --entity Contract --id contract_id=c-17 - < contract.json\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .args = args,
    .arg_count = RK_COUNT(args),
    .notes =
        "The member that names the capsule is added when it is absent. A value from stdin has\n"
        "at most 64 MiB.\n",
    .exits = {RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

/* The buffer takes one byte more than a value may have, so that too much is noticed. */
static int read_stdin(rk_cli *cli, rk_buf *value)
{
    rk_error err = {0};
    while (!feof(cli->in) && !ferror(cli->in) && value->len <= VALUE_BYTES_MAX) {
        size_t room = value->max - value->len;
        size_t chunk = room < READ_BYTES ? room : READ_BYTES;
        if (rk_buf_reserve(value, chunk, &err) != RK_OK)
            return rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
        value->len += fread(value->ptr + value->len, 1, chunk, cli->in);
    }
    if (ferror(cli->in))
        return rk_cli_fail_format(cli, RK_EXIT_FAILED, NULL, "put: read the value from stdin: %s",
                                  strerror(errno));
    if (value->len > VALUE_BYTES_MAX)
        return rk_cli_fail_format(cli, RK_EXIT_USAGE, NULL,
                                  "put: the value from stdin has more than 64 MiB");
    return RK_EXIT_DONE;
}

static int put(rk_cli *cli, const put_options *options, const rk_cli_ids *ids, rk_slice value)
{
    rk_store *store = NULL;
    rk_client *client = NULL;
    rk_error err = {0};
    int code = rk_cli_client_open(cli, "put", &options->record, RK_LMDB_WRITE, &store, &client);
    if (code != RK_EXIT_DONE)
        return code;
    rk_scope scope = rk_cli_scope(&options->record);
    rk_status status =
        rk_client_put(client, &scope, options->record.entity, ids->item, ids->count, value, &err);
    if (status != RK_OK)
        code = rk_cli_record_fail(cli, "put", &options->record, status, &err);
    rk_cli_client_close(store, client);
    return code;
}

int rk_cmd_put(rk_cli *cli, int argc, char **argv)
{
    put_options options = {0};
    rk_cli_ids ids;
    rk_buf input;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_ids_parse(cli, "put", "--id", &options.id, &ids);
    if (code != RK_EXIT_DONE)
        return code;
    if (strcmp(options.value, "-") != 0)
        return put(cli, &options, &ids, rk_slice_str(options.value));
    rk_buf_init(&input, VALUE_BYTES_MAX + 1);
    code = read_stdin(cli, &input);
    if (code == RK_EXIT_DONE)
        code = put(cli, &options, &ids, rk_buf_slice(&input));
    rk_buf_fini(&input);
    return code;
}
