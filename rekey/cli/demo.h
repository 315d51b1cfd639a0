/* demo.h: what both demos share: a scratch folder with the shipped spec, and steps that are shown
 * as the commands that a person would type. */
#ifndef REKEY_CLI_DEMO_H
#define REKEY_CLI_DEMO_H

#include "rekey/cli/cli.h"

#define RK_DEMO_PATH_BYTES 512
#define RK_DEMO_MIGRATION  "202611210900_capsule_isolation"

typedef struct rk_demo {
    rk_cli *cli;
    size_t steps; /* shown */
    char folder[RK_DEMO_PATH_BYTES];
    char spec[RK_DEMO_PATH_BYTES + 64];
    char plan[RK_DEMO_PATH_BYTES + 64];
    char records[24];
} rk_demo;

typedef int (*rk_demo_command)(rk_cli *cli, int argc, char **argv);

/* Makes the folder and writes the spec. RK_EXIT_DONE, or the code of what was reported. */
int rk_demo_open(rk_demo *demo, rk_cli *cli, uint64_t records);

/* Removes the folder, or says where it was left. */
void rk_demo_close(const rk_demo *demo, bool keeps);

/* Shows the next step: a sentence, and below it the command line if there is one. */
void rk_demo_say(rk_demo *demo, const char *says, int argc, char **argv);

/* The same, and runs it. RK_EXIT_DONE when it ends with `code`, else the code to end with. */
int rk_demo_run(rk_demo *demo, const char *says, rk_demo_command run, int argc, char **argv,
                int code);

/* The demo of `--cluster`: three nodes, one of them killed in the middle. */
int rk_demo_cluster(rk_demo *demo);

#endif
