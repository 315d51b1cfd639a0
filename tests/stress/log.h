/* log.h: what a worker did, one line at a time, each in the file before anything else happens.
 *
 * A write's W line stands before the call and its E line after it: of a killed worker's last write
 * it is known that it may have landed. Reads need one line only. Times are CLOCK_MONOTONIC in
 * nanoseconds, which all processes of a machine share.
 *
 *     W seq start verb entity tenant capsule id token hash completed index expected
 *     E seq end status                                     of all W lines with this seq
 *     R seq start end verb entity tenant capsule id status token hash
 *     L seq start end entity tenant capsule index where status [id/token/hash ...]
 *
 * A word that does not apply is "-". `completed` is the hash of the value with the capsule's member
 * added. The lines of a batch share seq.
 */
#ifndef REKEY_STRESS_LOG_H
#define REKEY_STRESS_LOG_H

#include <stdio.h>

#include "tests/stress/traffic.h"

typedef struct stress_log {
    int file;
    char *text; /* of the lines begun and not yet written */
    size_t length;
    FILE *line;
} stress_log;

typedef struct stress_write {
    const char *verb;
    const stress_place *place;
    const char *token;
    rk_slice value; /* empty for a delete */
    uint64_t sequence;
    const char *expected; /* the token that compare_and_put asks for */
} stress_write;

uint64_t stress_now_ns(void);

/* False, with errno, when the file cannot be made. */
bool stress_log_open(stress_log *log, const char *path);
void stress_log_close(stress_log *log);

void stress_log_write(stress_log *log, uint64_t sequence, const stress_write *write);
void stress_log_end(stress_log *log, uint64_t sequence, rk_status status);
/* `value` counts where status is RK_OK. */
void stress_log_read(stress_log *log, uint64_t sequence, uint64_t start_ns, const char *verb,
                     const stress_place *place, rk_status status, rk_slice value);

/* A list: rows as they come, then the line with what is known only at the end. */
void stress_log_row(FILE *rows, const rk_row *row);
void stress_log_list(stress_log *log, uint64_t sequence, uint64_t start_ns,
                     const stress_place *place, const char *where, rk_status status,
                     const char *rows);

/* To the file. Ends the process when it cannot: a log with a gap proves nothing. */
void stress_log_flush(stress_log *log);

#endif
