/* bare_keys.h: the keys of bench/'s migrations, built by hand.
 *
 *     record     TENANT#{t}#CONTRACT#{id}      ->  TENANT#{t}#CAPSULE#{c}#CONTRACT#{id}
 *     gsi1       CAPSULE#{c}#ACCOUNT#{a}       ->  TENANT#{t}#CAPSULE#{c}#ACCOUNT#{a}
 *
 * Capsule and account are found in the value with a plain text search. Outputs have room for
 * BARE_KEY_BYTES_MAX bytes; a key that would be longer ends the program.
 */
#ifndef BENCH_BARE_KEYS_H
#define BENCH_BARE_KEYS_H

#include <lmdb.h>

#include <stddef.h>

typedef enum bare_shape { BARE_OLD, BARE_NEW, BARE_OTHER, BARE_SHAPES } bare_shape;

bare_shape bare_shape_of(const MDB_val *key);

/* What the value's member holds, borrowed. A record that lacks it ends the program. */
MDB_val bare_capsule(const MDB_val *value);
MDB_val bare_account(const MDB_val *value);

/* Of an old key; each returns the length. */
size_t bare_new_key(const MDB_val *key, const MDB_val *capsule, char *out);
size_t bare_old_entry(const MDB_val *capsule, const MDB_val *account, char *out);
size_t bare_new_entry(const MDB_val *key, const MDB_val *capsule, const MDB_val *account,
                      char *out);

/* The least key that an old record of the key's tenant can have. */
size_t bare_first_old(const MDB_val *key, char *out);

#endif
