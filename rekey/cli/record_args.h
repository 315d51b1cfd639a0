/* record_args.h: what get, put, delete, list and query share: whose record, which one, and how
 * rows are printed. */
#ifndef REKEY_CLI_RECORD_ARGS_H
#define REKEY_CLI_RECORD_ARGS_H

#include <rekey/client.h>

#include "rekey/base/fault.h"
#include "rekey/cli/cli.h"

/* The options of every one of them. */
typedef struct rk_cli_record {
    const char *store;   /* or */
    const char *cluster; /* one of them */
    const char *tenant;
    const char *capsule;
    const char *entity;
} rk_cli_record;

/* Lines of an rk_opt table; `member` is the rk_cli_record in the command's struct. */
#define RK_OPTIONS_RECORD(type, member)                                                            \
    RK_OPTIONS_PLACE(type, member.store, member.cluster),                                          \
        {"tenant", 0, RK_OPT_STRING, "T", "whose records", true, offsetof(type, member.tenant)},   \
        {"capsule",                                                                                \
         0,                                                                                        \
         RK_OPT_STRING,                                                                            \
         "C",                                                                                      \
         "the scope inside the tenant",                                                            \
         true,                                                                                     \
         offsetof(type, member.capsule)},                                                          \
    {                                                                                              \
        "entity", 0, RK_OPT_STRING, "E", "the kind of record, as the spec names it", true,         \
            offsetof(type, member.entity)                                                          \
    }

#define RK_OPTION_ID(type, member)                                                                 \
    {                                                                                              \
        "id", 0, RK_OPT_LIST, "VAR=VALUE", "a variable of the record's key", false,                \
            offsetof(type, member)                                                                 \
    }

/* VAR=VALUE pairs as the client takes them. */
typedef struct rk_cli_ids {
    rk_id item[RK_LIST_MAX];
    char name[RK_LIST_MAX][RK_NAME_BYTES_MAX + 1];
    size_t count;
} rk_cli_ids;

/* Splits `list`; `what` is "--id" or "--where". RK_EXIT_DONE, or the code of what was reported. */
int rk_cli_ids_parse(rk_cli *cli, const char *command, const char *what, const rk_list *list,
                     rk_cli_ids *out);

static inline rk_scope rk_cli_scope(const rk_cli_record *record)
{
    const char *capsule = rk_fault_word("command_scope", record->capsule);
    return (rk_scope){rk_slice_str(record->tenant), rk_slice_str(capsule)};
}

/* Opens store and client. RK_EXIT_DONE, or the code of what was reported. */
int rk_cli_client_open(rk_cli *cli, const char *command, const rk_cli_record *record,
                       rk_lmdb_mode mode, rk_store **store, rk_client **client);
void rk_cli_client_close(rk_store *store, rk_client *client);

/* Reports what a call of the client came to; returns the exit code. */
int rk_cli_record_fail(rk_cli *cli, const char *command, const rk_cli_record *record,
                       rk_status status, rk_error *err);

/* Prints all rows: JSON, one object a line, or id and value between tabs. Closes the iterator.
 * An id that is not UTF-8 is a JSON string in which each byte that does not belong is the four
 * characters \xNN; a backslash of the id itself stays, so this is to be read, not to be parsed. */
int rk_cli_rows_print(rk_cli *cli, const char *command, const rk_cli_record *record,
                      rk_client *client, rk_iterator *rows, bool json);

#endif
