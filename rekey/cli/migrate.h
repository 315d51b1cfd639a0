/* migrate.h: what the commands that look at or advance a migration share. */
#ifndef REKEY_CLI_MIGRATE_H
#define REKEY_CLI_MIGRATE_H

#include "rekey/cli/cli.h"
#include "rekey/engine/run.h"
#include "rekey/report/report.h"

/* Opens store and migration. RK_EXIT_DONE, or the code of what was reported: a store in which none
 * is registered is RK_EXIT_BAD_SPEC. */
int rk_cli_migration_open(rk_cli *cli, const char *store_name, rk_lmdb_mode mode,
                          const char *command, rk_store **store, rk_migration **out);
void rk_cli_migration_close(rk_store *store, rk_migration *migration);

/* What a run came to. */
typedef struct rk_cli_driven {
    uint64_t changes;
    double seconds;
} rk_cli_driven;

/* Runs to the goal with progress, an interrupt stopping it safely, and reports how it ended.
 * Returns the exit code. */
int rk_cli_drive(rk_cli *cli, rk_migration *migration, const rk_run_options *options,
                 rk_cli_driven *out);

/* Draws how far a run is; `waits` (NULL: it goes on) says what for. */
void rk_cli_run_progress(rk_cli *cli, const rk_run_progress *progress, const char *waits);

/* The objects of rekey/report, for people. */
int rk_cli_status_print(rk_cli *cli, const json_t *status);
int rk_cli_verify_print(rk_cli *cli, const json_t *report);

/* The samples of a verification, one line each on stderr. */
void rk_cli_verify_samples(rk_cli *cli, const json_t *report);

#endif
