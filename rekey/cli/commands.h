/* commands.h: the one list of commands.
 *
 * To add one: write cmd_NAME.c with rk_cmd_NAME, name it in CMakeLists.txt, and add its line to
 * RK_COMMANDS. Help, suggestions and dispatch read this list and nothing else. Lines are in the
 * order of help; a group's lines stand together.
 */
#ifndef REKEY_CLI_COMMANDS_H
#define REKEY_CLI_COMMANDS_H

#include "rekey/cli/cli.h"

/* X(name, group, what it does) */
#define RK_COMMANDS(X)                                                                             \
    X(demo, "Start here", "watch one whole migration on a scratch store")                          \
    X(inspect, "Prepare", "find the key shapes in a store, write a draft spec")                    \
    X(lint, "Prepare", "check a spec, with every finding")                                         \
    X(register, "Prepare", "make the store know a spec, so that clients can start")                \
    X(plan, "Prepare", "scan the store and write down what a run would do")                        \
    X(show, "Prepare", "read a plan")                                                              \
    X(keygen, "Prepare", "make a key pair for approvals")                                          \
    X(approve, "Prepare", "sign a plan")                                                           \
    X(run, "Migrate", "advance the migration; resumes where it stopped")                           \
    X(status, "Migrate", "phase, epoch, progress, quarantine")                                     \
    X(verify, "Migrate", "compare old and new, both ways")                                         \
    X(flip, "Migrate", "let reads use the new keys")                                               \
    X(rollback, "Migrate", "go back to the old keys")                                              \
    X(contract, "Migrate", "drop the old keys; no way back")                                       \
    X(quarantine, "Migrate", "list what was left alone, and why")                                  \
    X(audit, "Migrate", "read and verify the audit log")                                           \
    X(isolation, "Migrate", "attack a scratch store, or look for contamination in one")            \
    X(node, "Cluster", "serve one store of a cluster")                                             \
    X(worker, "Cluster", "help a node on the same machine with its runs")                          \
    X(get, "Records", "read one record through the phases")                                        \
    X(put, "Records", "write one record through the phases")                                       \
    X(delete, "Records", "remove one record through the phases")                                   \
    X(list, "Records", "the records of an entity in a scope")                                      \
    X(query, "Records", "records by index")                                                        \
    X(seed, "Records", "make deterministic data in the old shape")

int rk_cmd_approve(rk_cli *cli, int argc, char **argv);
int rk_cmd_audit(rk_cli *cli, int argc, char **argv);
int rk_cmd_contract(rk_cli *cli, int argc, char **argv);
int rk_cmd_delete(rk_cli *cli, int argc, char **argv);
int rk_cmd_demo(rk_cli *cli, int argc, char **argv);
int rk_cmd_flip(rk_cli *cli, int argc, char **argv);
int rk_cmd_get(rk_cli *cli, int argc, char **argv);
int rk_cmd_inspect(rk_cli *cli, int argc, char **argv);
int rk_cmd_isolation(rk_cli *cli, int argc, char **argv);
int rk_cmd_keygen(rk_cli *cli, int argc, char **argv);
int rk_cmd_node(rk_cli *cli, int argc, char **argv);
int rk_cmd_lint(rk_cli *cli, int argc, char **argv);
int rk_cmd_list(rk_cli *cli, int argc, char **argv);
int rk_cmd_plan(rk_cli *cli, int argc, char **argv);
int rk_cmd_put(rk_cli *cli, int argc, char **argv);
int rk_cmd_quarantine(rk_cli *cli, int argc, char **argv);
int rk_cmd_query(rk_cli *cli, int argc, char **argv);
int rk_cmd_register(rk_cli *cli, int argc, char **argv);
int rk_cmd_rollback(rk_cli *cli, int argc, char **argv);
int rk_cmd_run(rk_cli *cli, int argc, char **argv);
int rk_cmd_seed(rk_cli *cli, int argc, char **argv);
int rk_cmd_show(rk_cli *cli, int argc, char **argv);
int rk_cmd_status(rk_cli *cli, int argc, char **argv);
int rk_cmd_verify(rk_cli *cli, int argc, char **argv);
int rk_cmd_worker(rk_cli *cli, int argc, char **argv);

/* --- for the frame ---------------------------------------------------------------------------- */

typedef struct rk_command {
    const char *name;
    const char *group;
    const char *summary;
    int (*run)(rk_cli *cli, int argc, char **argv);
} rk_command;

#endif
