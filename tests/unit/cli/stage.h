/* stage.h: an rk_cli whose streams end in memory, for the tests of rekey/cli. */
#ifndef REKEY_TESTS_CLI_STAGE_H
#define REKEY_TESTS_CLI_STAGE_H

#include "rekey/cli/cli.h"

typedef struct stage {
    rk_cli cli;
    char *out;
    char *err;
    size_t out_bytes;
    size_t err_bytes;
} stage;

/* No terminal, no colour, a plain progress line every 5 s. */
void stage_open(stage *s);
void stage_close(stage *s);

/* What was written since the last call; valid until the next one on the same stream. */
const char *stage_out(stage *s);
const char *stage_err(stage *s);

/* The suites; each returns how many tests failed. */
int test_args(void);
int test_dispatch(void);
int test_progress(void);
int test_report(void);

#endif
