/* cluster.h: what commands do with `--cluster FILE` in place of `--store`. */
#ifndef REKEY_CLI_CLUSTER_H
#define REKEY_CLI_CLUSTER_H

#include <jansson.h>

#include "rekey/cli/migrate.h"
#include "rekey/engine/coordinator.h"
#include "rekey/remote/link.h"

/* Opens the cluster file. RK_EXIT_DONE, or the exit code of what was reported; findings are printed
 * as those of a spec. */
int rk_cli_link_open(rk_cli *cli, const char *path, rk_link **out);

/* --- asking (cluster_ask.c) ------------------------------------------------------------------- */

/* Who leads, as every ask that changes something says. */
typedef struct rk_cli_leader {
    char token[33]; /* hex */
    char holder[RK_HOLDER_BYTES_MAX + 1];
} rk_cli_leader;

void rk_cli_leader_make(rk_cli_leader *out);

/* Sends a control request to one node; *reply is handed over. The request is taken over. */
rk_status rk_cli_control(rk_link *link, size_t node, json_t *request, json_t **reply,
                         rk_error *err);

/* Carries one ask of the coordinator. `plan` and `approvals` are for RK_ASK_ACTIVATE. */
typedef struct rk_cli_carriage {
    rk_link *link;
    rk_cli_leader leader;
    const char *plan;
    const char *approvals;
    json_t *result; /* what the last run that stopped by itself had to show; owned */
} rk_cli_carriage;

void rk_cli_carry(rk_cli_carriage *carriage, const rk_ask *ask, rk_answer *out);

/* --- doing ------------------------------------------------------------------------------------ */

/* Runs to the goal on all nodes (cluster_drive.c). `plan_path` NULL: no plan is activated. Returns
 * the exit code. */
typedef struct rk_cli_cluster_run {
    const char *command;
    const char *cluster;
    const char *plan_path;
    const rk_plan *plan;
    rk_run_options run;
    bool json;
    const char *confirm; /* the migration's name must be this; NULL for no such check */
} rk_cli_cluster_run;
int rk_cli_cluster_drive(rk_cli *cli, const rk_cli_cluster_run *run);

/* Read-only work on all nodes at once (cluster_gather.c): starts `order` on each, waits with
 * progress, and gives the results in the nodes' order; `results` has room for all of them, each is
 * handed over. Returns the exit code. */
int rk_cli_cluster_gather(rk_cli *cli, const char *command, rk_link *link, const json_t *order,
                          json_t **results);

/* The commands of their names, on all nodes (cluster_look.c, cluster_pages.c). Objects are handed
 * over; the code of what was reported, else RK_EXIT_DONE. */
int rk_cli_cluster_plan(rk_cli *cli, const char *cluster, const char *spec_path,
                        const rk_spec_source *source, rk_plan **out);
int rk_cli_cluster_verify(rk_cli *cli, const char *cluster, bool isolation, json_t **out);
int rk_cli_cluster_quarantine(rk_cli *cli, const char *cluster, json_t **entries);
int rk_cli_cluster_audit(rk_cli *cli, const char *cluster, bool verify, json_t **out);
int rk_cli_cluster_search(rk_cli *cli, const char *cluster, const rk_spec_source *source,
                          json_t **out);

/* `migration` NULL: no draft is made. Else *draft is one, to be freed, of the node with the most
 * records. */
int rk_cli_cluster_inspect(rk_cli *cli, const char *cluster, const char *migration, json_t **out,
                           char **draft);
int rk_cli_cluster_show_status(rk_cli *cli, const char *cluster, bool json, bool watch);
int rk_cli_cluster_register(rk_cli *cli, const char *cluster, const rk_spec_source *source,
                            bool *changed);

/* The merged status of all nodes, a new object; NULL with *code when that was reported. */
json_t *rk_cli_cluster_status(rk_cli *cli, const char *command, rk_link *link, int *code);

#endif
