/* shelf.h: an LMDB store in a folder of its own, with the table `__rekey`; for the tests of state,
 * audit and engine. What fails here fails the test. */
#ifndef REKEY_TESTS_STATE_SHELF_H
#define REKEY_TESTS_STATE_SHELF_H

#include "rekey/state/state.h"

typedef struct shelf {
    char path[256];
    rk_store *store;
    rk_table meta;
} shelf;

/* cmocka's set-up and tear-down: *state becomes a shelf. */
int shelf_setup(void **state);
int shelf_teardown(void **state);

void shelf_open(shelf *s);
void shelf_close(shelf *s);

/* Fails the test, with the message, unless the status is RK_OK. */
void must(rk_status status, const rk_error *err);

rk_txn *shelf_begin(shelf *s);
void shelf_commit(rk_txn *txn);
rk_view *shelf_look(shelf *s);

#endif
