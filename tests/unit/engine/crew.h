/* crew.h: a job at work on a yard: what the pipeline and the runner do, in one thread and step by
 * step; for the tests of the writer. What fails here fails the test. */
#ifndef REKEY_TESTS_ENGINE_CREW_H
#define REKEY_TESTS_ENGINE_CREW_H

#include "rekey/engine/writer.h"
#include "tests/unit/engine/yard.h"

typedef struct crew {
    yard *yard;
    rki_job job;
    rk_actor actor;
    rki_writer writer;
    rki_walker *walker;
    rk_transformer *transformer;
    rki_chunk chunk;
} crew;

/* Takes the lease, and goes on from a checkpoint, or begins where it is NULL. */
void crew_start(crew *c, yard *y, rk_job kind, const rk_checkpoint *from);
void crew_stop(crew *c);

/* Reads and prepares the next chunk, of 512 records at most; false after the last. */
bool crew_scan(crew *c);

/* Up to the chunk of a backfill's second stage, which holds everything but the template. */
void crew_scan_records(crew *c);

/* One batch: a part of the chunk, or all of it. */
rk_status crew_write(crew *c, size_t from, size_t count, rki_batch *batch);
rk_status crew_write_all(crew *c, rki_batch *batch);

/* The checkpoint in the store. */
rk_status yard_point(yard *y, rk_checkpoint *out);

/* The reason for which a key is in the quarantine; NONE when it is not. */
rk_reason yard_quarantined(yard *y, const char *key);

/* Fails the test, under this name, unless the key has the value; NULL for no record. */
void yard_holds(yard *y, const char *name, const char *key, const char *value);

#endif
