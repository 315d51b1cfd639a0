#include "rekey/cli/cli.h"

#include <errno.h>
#include <string.h>

#include "store/location.h"

static int refuse_name(rk_cli *cli, const char *name, const rk_error *err)
{
    char hint[512];
    if (name[strcspn(name, ":/")] != ':') {
        snprintf(hint, sizeof hint, "did you mean lmdb:%s?", name);
        return rk_cli_fail(cli, RK_EXIT_USAGE, err, hint);
    }
    return rk_cli_fail(cli, RK_EXIT_USAGE, err,
                       "a store is given as lmdb:DIR, DIR being an LMDB environment folder");
}

static int refuse_cluster(rk_cli *cli, const char *name, const char *path)
{
    char hint[512];
    snprintf(hint, sizeof hint, "a cluster is given as --cluster %s, without --store", path);
    return rk_cli_fail_format(cli, RK_EXIT_USAGE, hint, "open store %s: a cluster is not one store",
                              name);
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
    rk_location location;
    rk_error err = {0};
    rk_lmdb_options options = {.mode = mode};
    if (rk_location_parse(name, &location, &err) != RK_OK)
        return refuse_name(cli, name, &err);
    if (location.kind != RK_LOCATION_LMDB)
        return refuse_cluster(cli, name, location.path);
    rk_status status = rk_lmdb_open(location.path, &options, out, &err);
    if (status == RK_OK)
        return RK_EXIT_DONE;
    rk_error_context(&err, status, "open store");
    return rk_cli_fail(cli, rk_cli_exit_of(status), &err, hint_of(status, &err));
}

int rk_cli_one_place(rk_cli *cli, const char *command, const char *store, const char *cluster)
{
    char hint[128];
    snprintf(hint, sizeof hint, "`rekey %s --help` shows how it is used", command);
    if (store && cluster)
        return rk_cli_fail_format(cli, RK_EXIT_USAGE, hint,
                                  "%s: --store and --cluster exclude each other", command);
    if (!store && !cluster)
        return rk_cli_fail_format(cli, RK_EXIT_USAGE, hint,
                                  "%s: --store lmdb:DIR is missing, or --cluster FILE", command);
    return RK_EXIT_DONE;
}
