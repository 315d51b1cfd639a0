#include "rekey/cli/single_change.h"

#include "rekey/cli/cluster.h"
#include "rekey/cli/json_out.h"

static int confirmed(rk_cli *cli, const rk_cli_single *change, const rk_migration *migration)
{
    if (!change->confirm || strcmp(change->confirm, migration->spec->migration) == 0)
        return RK_EXIT_DONE;
    return rk_cli_fail_format(
        cli, RK_EXIT_USAGE, NULL, "%s: --confirm says %s, but the migration in %s is %s",
        change->command, change->confirm, change->store, migration->spec->migration);
}

static int show(rk_cli *cli, const rk_cli_single *change, rk_migration *migration,
                const rk_cli_driven *driven)
{
    rk_error err = {0};
    json_t *status = rk_report_status(migration, &err);
    if (!status)
        return rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
    if (change->json) {
        json_object_set_new(status, "changes", json_integer((json_int_t)driven->changes));
        json_object_set_new(status, "seconds", json_real(driven->seconds));
        return rk_cli_print_json(cli, status);
    }
    int code = rk_cli_status_print(cli, status);
    json_decref(status);
    return code;
}

static int change_cluster(rk_cli *cli, const rk_cli_single *change)
{
    rk_cli_cluster_run run = {.command = change->command,
                              .cluster = change->cluster,
                              .run = change->run,
                              .json = change->json,
                              .confirm = change->confirm};
    return rk_cli_cluster_drive(cli, &run);
}

int rk_cli_single_change(rk_cli *cli, const rk_cli_single *change)
{
    int code = rk_cli_one_place(cli, change->command, change->store, change->cluster);
    if (code != RK_EXIT_DONE || change->cluster)
        return code != RK_EXIT_DONE ? code : change_cluster(cli, change);
    rk_store *store = NULL;
    rk_migration *migration = NULL;
    rk_cli_driven driven;
    code = rk_cli_migration_open(cli, change->store, RK_LMDB_WRITE, change->command, &store,
                                 &migration);
    if (code != RK_EXIT_DONE)
        return code;
    code = confirmed(cli, change, migration);
    if (code == RK_EXIT_DONE)
        code = rk_cli_drive(cli, migration, &change->run, &driven);
    if (code == RK_EXIT_DONE)
        code = show(cli, change, migration, &driven);
    rk_cli_migration_close(store, migration);
    return code;
}
