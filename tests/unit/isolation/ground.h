/* ground.h: a spec with indexes that lack the tenant, the capsule, or both, its tables in an LMDB
 * store, and records and entries put there by hand; for the tests of the search. */
#ifndef REKEY_TESTS_ISOLATION_GROUND_H
#define REKEY_TESTS_ISOLATION_GROUND_H

#include "rekey/isolation/search.h"
#include "tests/unit/state/shelf.h"

/* In the order of the spec. Contract is Item's parent, and Task's. */
enum { CONFIG, CONTRACT, ITEM, TASK };

/* In the order of rk_spec.allowed. */
enum { PROD, DEV };

typedef struct ground {
    shelf shelf;
    rk_spec *spec;
    rk_spec_source source;
    rk_tables tables;
} ground;

/* Capsules PROD and DEV; canary tenant s-1; nothing is registered. */
void ground_open(ground *g, rk_strategy strategy);
void ground_close(ground *g);

/* Registers the spec and puts both tiers into phases. */
void ground_register(ground *g, rk_phase canary, rk_phase production);

/* Puts a record; or, when `index` is not NULL, the entry key -> value of that index. */
void ground_put(ground *g, const char *index, const char *key, const char *value);

#endif
