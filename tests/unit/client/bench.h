/* bench.h: a spec registered in an LMDB store of its own, a client on it, and short words for what
 * the tests do all the time. Phases are set by writing the state. */
#ifndef TESTS_UNIT_CLIENT_BENCH_H
#define TESTS_UNIT_CLIENT_BENCH_H

#include <rekey/client.h>

#include "rekey/state/state.h"
#include "rekey/transform/transform.h"

#define ANY_PHASE RK_PHASE_COUNT

typedef struct bench {
    char folder[64];
    rk_store *store;
    rk_spec_source source;
    rk_spec *spec;
    rk_tables tables;
    rk_client *client;
    rk_error err;
} bench;

/* Config (one a tenant), Contract (gsi1), Item (child of Contract, gsi2), Derived (its new key
 * needs a member, gsi1), Turned (its new key sorts otherwise), Scoped (the capsule in the old key).
 */
void bench_open(bench *b, rk_strategy strategy);
void bench_open_opaque(bench *b);

/* Doc with WIDE_INDEXES indexes g00, g01, ... on its member m, and capsules C00, C01, ... besides.
 */
#define WIDE_CAPSULES 29
#define WIDE_INDEXES  12
void bench_open_wide(bench *b);
void bench_close(bench *b);

void bench_phase(bench *b, rk_phase phase, bool undoing);

/* Records and index entries as they stand in the store, past the client. */
void bench_plant(bench *b, const char *key, const char *value);
void bench_plant_meta(bench *b, const char *key, const char *value); /* in __rekey */
void bench_plant_entry(bench *b, const char *index, const char *key, const char *primary);
bool bench_has(bench *b, const char *key);
void assert_value(bench *b, const char *key, const char *value); /* NULL: there is none */
bool bench_has_entry(bench *b, const char *index, const char *key, const char *primary);
uint64_t bench_entries(bench *b, const char *index);
uint64_t bench_shadows(bench *b);
bool bench_shadowed(bench *b, const char *new_key);
bool bench_kept(bench *b, const char *new_key);
uint64_t bench_commits(bench *b);      /* of phase-aware clients */
uint64_t bench_transactions(bench *b); /* of anybody */

/* Calls of the client for tenant "t1". `id` is the value of the entity's only id, NULL for none. */
rk_status put(bench *b, const char *capsule, const char *entity, const char *id, const char *value);
rk_status drop(bench *b, const char *capsule, const char *entity, const char *id);

/* NULL for RK_NOT_FOUND; borrowed until the next call. Any other failure fails the test. */
const char *get(bench *b, const char *capsule, const char *entity, const char *id);

/* The values of all rows, "1,2,3": member "n" of each value. */
const char *list(bench *b, const char *capsule, const char *entity);
const char *query(bench *b, const char *capsule, const char *entity, const char *index,
                  const rk_id *where, size_t where_count);

rk_id id_of(const char *name, const char *value);
rk_scope scope_of(const char *tenant, const char *capsule);

/* Drains and closes an iterator, as list does. */
const char *drain(bench *b, rk_iterator *rows);

#endif
