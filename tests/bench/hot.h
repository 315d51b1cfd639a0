/* hot.h: what the driver of the hot functions (hot.c) and their table (hot_functions.c) share.
 *
 * A failure ends the program, as is fit for a test's helper.
 */
#ifndef TESTS_BENCH_HOT_H
#define TESTS_BENCH_HOT_H

#include "rekey/base/arena.h"
#include "rekey/engine/job.h"
#include "rekey/spec/spec.h"
#include "rekey/transform/transform.h"
#include "store/store.h"

#define HOT_RECORDS 3000
#define HOT_VALUES  64 /* JSON values of one size */

typedef struct hot_record {
    rk_slice key;
    rk_slice value;
    rk_image image;
} hot_record;

/* What the functions run on. */
typedef struct hot_ground {
    rk_spec *spec;
    rk_store *store;
    rk_tables tables;
    rk_transformer *transformer;
    rk_arena memory;  /* lives to the end */
    rk_arena scratch; /* of a round */
    hot_record records[HOT_RECORDS];
    size_t count;
    rk_slice keys[3 * HOT_RECORDS]; /* of both shapes, and of none */
    size_t key_count;
    rk_slice values[HOT_VALUES];
    rk_unit units[HOT_RECORDS];
    size_t unit_count;
    rk_view *view;
    rk_txn *txn;
} hot_ground;

typedef struct hot_function {
    const char *name;
    void (*prepare)(hot_ground *); /* once */
    void (*begin)(hot_ground *);   /* before each round; NULL allowed */
    size_t (*run)(hot_ground *);   /* what is counted; gives the operations done */
    void (*end)(hot_ground *);     /* after each round; NULL allowed */
} hot_function;

extern const hot_function hot_functions[]; /* ended by one without a name */

void hot_must(rk_status status, const rk_error *err);

#endif
