/* samples.h: one of each record of `__rekey`, every field another value. */
#ifndef REKEY_TESTS_STATE_SAMPLES_H
#define REKEY_TESTS_STATE_SAMPLES_H

#include "rekey/state/state.h"

typedef struct sample {
    const char *name;
    const char *key; /* of the record, or what it begins with */
    rk_status (*save)(rk_txn *txn, rk_table meta, rk_error *err);
    /* Loads; fails the test when what comes is not what was saved, or when an output was touched
     * although the load failed. */
    rk_status (*load)(rk_view *view, rk_table meta, rk_error *err);
} sample;

extern const sample samples[];
extern const size_t sample_count;

#endif
