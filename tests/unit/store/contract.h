/* contract.h: store.h as tests, for any backend.
 *
 * A backend's test gives a function that opens a new, empty store, and runs the suite:
 *
 *     static rk_store *open_new(void *context) { ... }
 *     return contract_run("lmdb", &(contract_backend){open_new, forget, &context});
 *
 * Where a capability is missing, the tests that need it are left out.
 */
#ifndef REKEY_TESTS_STORE_CONTRACT_H
#define REKEY_TESTS_STORE_CONTRACT_H

#include "store/store.h"

typedef struct contract_backend {
    rk_store *(*open_new)(void *context); /* a writable store without any table */
    void (*forget)(void *context);        /* after it was closed: removes what it left behind */
    void *context;
} contract_backend;

/* Each test of the suites works on one of these. */
typedef struct contract_fixture {
    const contract_backend *backend;
    rk_store *store;
    rk_table records;
    rk_table index;
} contract_fixture;

/* Runs both suites; the number of failed tests. */
int contract_run(const char *name, const contract_backend *backend);

/* --- shared by the suites --------------------------------------------------------------------- */

int contract_setup(void **state);
int contract_teardown(void **state);

/* The second suite: random units against a model in memory. */
int contract_run_model(const char *name, contract_fixture *fixture);

/* Fails the test with the error's message unless the status is RK_OK. */
#define must(call)          contract_must((call), &(rk_error){0}, #call, __FILE__, __LINE__)
#define must_err(call, err) contract_must((call), (err), #call, __FILE__, __LINE__)
void contract_must(rk_status status, const rk_error *err, const char *what, const char *file,
                   int line);

/* Applies units in a transaction of their own and commits. */
void contract_apply(rk_store *store, rk_unit *units, size_t count);
void contract_put(rk_store *store, rk_table table, const char *key, const char *value);

#endif
