/* world.h: a spec, a store and a transformer, so that a test states only its records. */
#ifndef TESTS_UNIT_TRANSFORM_WORLD_H
#define TESTS_UNIT_TRANSFORM_WORLD_H

#include "rekey/transform/transform.h"
#include "tests/unit/transform/fake_store.h"

#define WORLD_KEY_BYTES_MAX   96
#define WORLD_INDEX_BYTES_MAX 72

typedef struct world {
    rk_spec *spec;
    fake_store *fake;
    rk_tables tables;
    rk_transformer *transformer;
    rk_arena arena;
    rk_image image; /* of the last record */
    rk_reason reason;
    char detail[128];
    rk_error err;
} world;

/* One text for both strategies; see world.c for its entities. Fails the test on a finding. */
void world_init(world *w, rk_strategy strategy, size_t cache_entries);
void world_init_opaque(world *w);
void world_fini(world *w);

/* Empties the store and forgets what was learned from it. */
void world_clear(world *w);
void world_put(world *w, const char *key, const char *value);
void world_remove(world *w, const char *key);

/* The two directions, into w->image, w->reason, w->detail. */
rk_status world_old(world *w, const char *key, const char *value);
rk_status world_new(world *w, const char *key, const char *value, bool kept);

void assert_slice(rk_slice slice, const char *expected);

#endif
