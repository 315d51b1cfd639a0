#include "rekey/cli/cli.h"

#include <errno.h>
#include <string.h>

#define SCHEME "lmdb:"

static int refuse_name(rk_cli *cli, const char *name)
{
    static const char known[] =
        "a store is given as lmdb:DIR, DIR being an LMDB environment folder";
    char hint[512];
    size_t scheme = strcspn(name, ":/");
    if (strcmp(name, SCHEME) == 0)
        return rk_cli_fail_format(cli, RK_EXIT_USAGE, known,
                                  "open store lmdb: the folder is missing");
    if (name[scheme] == ':')
        return rk_cli_fail_format(cli, RK_EXIT_USAGE, known,
                                  "open store %s: this build knows no \"%.*s\" stores", name,
                                  (int)scheme, name);
    snprintf(hint, sizeof hint, "did you mean lmdb:%s?", name);
    return rk_cli_fail_format(cli, RK_EXIT_USAGE, hint, "open store %s: its kind is missing", name);
}

static const char *hint_of(rk_status status, const rk_error *err)
{
    if (status == RK_NOT_FOUND)
        return "DIR is the folder that holds data.mdb; `rekey seed` makes a new store";
    if (status == RK_IO && err->native == EACCES)
        return "even reading takes a place in lock.mdb, so the folder's files must be writable";
    if (status == RK_BUSY)
        return "run the same command again in a moment";
    return NULL;
}

int rk_cli_store_open(rk_cli *cli, const char *name, rk_lmdb_mode mode, rk_store **out)
{
    size_t scheme = sizeof SCHEME - 1;
    if (strncmp(name, SCHEME, scheme) != 0 || name[scheme] == '\0')
        return refuse_name(cli, name);
    rk_error err = {0};
    rk_lmdb_options options = {.mode = mode};
    rk_status status = rk_lmdb_open(name + scheme, &options, out, &err);
    if (status == RK_OK)
        return RK_EXIT_DONE;
    rk_error_context(&err, status, "open store");
    return rk_cli_fail(cli, rk_cli_exit_of(status), &err, hint_of(status, &err));
}
