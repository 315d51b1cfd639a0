/* text.h: numbers as people read them; bytes are rekey/base/escape.h's. Pure; every function
 * renders into a small struct that is returned by value, so that it can stand in a printf's
 * arguments:
 *
 *     rk_cli_print(cli, "%s records, %s", rk_text_count(n).s, rk_text_bytes(size).s);
 */
#ifndef REKEY_CLI_TEXT_H
#define REKEY_CLI_TEXT_H

#include "rekey/base/escape.h"

typedef struct rk_text {
    char s[40];
} rk_text;

rk_text rk_text_count(uint64_t n);          /* 1,234,567 */
rk_text rk_text_bytes(uint64_t bytes);      /* 512 B, 1.2 MiB */
rk_text rk_text_duration(uint64_t seconds); /* 9s, 4m05s, 3h12m, 2d04h */

#endif
