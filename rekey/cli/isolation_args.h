/* isolation_args.h: what `rekey isolation` was asked for, and its two halves. */
#ifndef REKEY_CLI_ISOLATION_ARGS_H
#define REKEY_CLI_ISOLATION_ARGS_H

#include "rekey/cli/cli.h"

typedef struct rk_cli_isolation {
    const char *spec;    /* path */
    const char *store;   /* "lmdb:DIR"; without it and `cluster`: attack a scratch store */
    const char *cluster; /* cluster file, in place of `store` */
    const char *junit;   /* file for the JUnit report, or NULL */
    bool json;
} rk_cli_isolation;

/* With `store` or `cluster`: searches it, read-only, for contamination (isolation_search.c). */
int rk_cli_isolation_search(rk_cli *cli, const rk_cli_isolation *options);

/* Without: attacks a scratch store (isolation_attack.c). */
int rk_cli_isolation_attack(rk_cli *cli, const rk_cli_isolation *options);

#endif
