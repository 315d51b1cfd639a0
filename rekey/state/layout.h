/* layout.h: small helpers for the records of `__rekey`. Private to rekey/state. */
#ifndef REKEY_STATE_LAYOUT_H
#define REKEY_STATE_LAYOUT_H

#include "rekey/base/codec.h"
#include "rekey/state/state.h"

/* Every record begins with this version byte. */
#define RKI_LAYOUT_VERSION 1

/* A record in the making: write to `writer`, then save. It points to `buf`, so it stays in place.
 */
typedef struct rki_encoder {
    rk_buf buf;
    rk_writer writer;
} rki_encoder;

void rki_encoder_init(rki_encoder *encoder, rk_error *err);
void rki_encoder_fini(rki_encoder *encoder);

/* Puts what was encoded at `key` and frees the encoder. */
rk_status rki_encoder_save(rki_encoder *encoder, rk_txn *txn, rk_table meta, rk_slice key);

/* Reads a record and its version byte. RK_NOT_FOUND (also for a table that is not there),
 * RK_CORRUPT for another version. */
rk_status rki_record_open(rk_view *view, rk_table meta, rk_slice key, rk_reader *out,
                          rk_error *err);

/* RK_CORRUPT, naming the record, unless all of it was read. */
rk_status rki_record_close(const rk_reader *reader, const char *name, rk_error *err);

/* A byte that must be 0 or 1; any other spoils the reader. */
bool rki_take_bool(rk_reader *reader);

/* Copies a string into a field of `size` bytes with a NUL; a longer one spoils the reader. */
void rki_take_text(rk_reader *reader, char *out, size_t size);
void rki_take_fixed(rk_reader *reader, void *out, size_t size);

/* "prefix" and the first 16 bytes of the key's digest in hex. */
#define RKI_HASHED_KEY_BYTES 64
rk_slice rki_hashed_key(const char *prefix, rk_slice key, char out[RKI_HASHED_KEY_BYTES]);

#endif
