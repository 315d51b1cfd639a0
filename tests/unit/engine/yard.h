/* yard.h: a spec with its tables in an LMDB store, and records put there by hand; for the tests of
 * the walker and the writer. What fails here fails the test. */
#ifndef REKEY_TESTS_ENGINE_YARD_H
#define REKEY_TESTS_ENGINE_YARD_H

#include "rekey/engine/walk.h"
#include "tests/unit/state/shelf.h"

/* In the order of the spec. Contract is Item's parent, Item is Sub's. */
enum { CONFIG, CONTRACT, ITEM, SUB, SCOPED };

typedef struct yard {
    shelf shelf;
    rk_spec *spec;
    rk_tables tables;
    uint64_t epoch; /* of the registered migration */
} yard;

/* Capsules PROD and DEV; canary tenants s-1 and s-2; registered in phase old. */
void yard_open(yard *y, rk_strategy strategy);
void yard_close(yard *y);

/* The same, but Contract is the only entity. */
void yard_open_only(yard *y, rk_strategy strategy);

/* The same, with an index. */
void yard_open_indexed(yard *y, rk_strategy strategy);

/* Every job, with the first entity as a backfill's template entity. */
rki_job yard_job(const yard *y, rk_job kind, rk_tier tier);

/* Puts a record; a NULL value deletes it. */
void yard_put(yard *y, const char *key, const char *value);

/* Puts many in one transaction. */
void yard_put_in(yard *y, rk_txn *txn, rk_slice key, rk_slice value);

/* The value, borrowed until the next call; NULL for none. */
const char *yard_get(yard *y, const char *key);

#endif
