/* fake_store.h: a store in memory that a test fills by hand, for code that only reads by key. */
#ifndef TESTS_UNIT_TRANSFORM_FAKE_STORE_H
#define TESTS_UNIT_TRANSFORM_FAKE_STORE_H

#include "store/store.h"

typedef struct fake_store fake_store;

fake_store *fake_store_new(size_t key_bytes_max, size_t index_value_bytes_max);
void fake_store_free(fake_store *fake);

rk_store *fake_store_base(fake_store *fake);
rk_view *fake_store_view(fake_store *fake);

/* Puts or replaces; both slices are copied. */
void fake_store_put(fake_store *fake, rk_table table, rk_slice key, rk_slice value);
void fake_store_remove(fake_store *fake, rk_table table, rk_slice key);
void fake_store_clear(fake_store *fake);

/* Every read from now on fails with this status; RK_OK for none. */
void fake_store_break(fake_store *fake, rk_status status);

/* Reads by key since the store was made. */
size_t fake_store_reads(const fake_store *fake);

#endif
