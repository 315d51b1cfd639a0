/* protocol_private.h: what the sources of this folder share.
 *
 * A writer is sticky, as a reader of codec.h is: after the first failure it writes nothing, and
 * rki_writer_end gives the failure and takes back what was written.
 */
#ifndef REKEY_PROTOCOL_PROTOCOL_PRIVATE_H
#define REKEY_PROTOCOL_PROTOCOL_PRIVATE_H

#include "rekey/protocol/protocol.h"

typedef struct rki_writer {
    rk_buf *out;
    size_t start; /* what stood there before */
    rk_status status;
    rk_error *err;
} rki_writer;

rki_writer rki_writer_begin(rk_buf *out, rk_error *err);
rk_status rki_writer_end(rki_writer *writer);

void rki_write_u8(rki_writer *writer, uint8_t value);
void rki_write_u32(rki_writer *writer, size_t value); /* RK_LIMIT past 32 bits */
void rki_write_bytes(rki_writer *writer, rk_slice bytes);
void rki_write_exactly(rki_writer *writer, rk_slice bytes); /* without a length before them */
void rki_write_name(rki_writer *writer, const char *name);  /* NULL as "" */
void rki_write_id(rki_writer *writer, const uint8_t id[RK_PROTOCOL_ID_BYTES]);
void rki_write_scope(rki_writer *writer, const rk_scope *scope);
void rki_write_ids(rki_writer *writer, const rk_id *ids, size_t count);

/* Readers of more than integers. The reader is sticky about what is wrong in the bytes, and the
 * status about the arena: RK_OK means only that it had room. */
bool rki_take_flag(rk_reader *reader);
void rki_take_id(rk_reader *reader, uint8_t out[RK_PROTOCOL_ID_BYTES]);
rk_scope rki_take_scope(rk_reader *reader);

/* A number of things that take at least `bytes_min` each: more than can follow is a short read. */
size_t rki_take_count(rk_reader *reader, size_t bytes_min);
rk_status rki_take_name(rk_reader *reader, rk_arena *arena, const char **out, rk_error *err);
rk_status rki_take_ids(rk_reader *reader, rk_arena *arena, const rk_id **out, size_t *count,
                       rk_error *err);

/* RK_LIMIT when the arena has no room. */
rk_status rki_take_room(rk_arena *arena, size_t count, size_t size, void **out, rk_error *err);

/* RK_OK after a whole message; else RK_CORRUPT, naming it. */
rk_status rki_take_end(const rk_reader *reader, const char *what, size_t bytes, rk_error *err);

/* Statuses by their numbers on the wire. */
uint8_t rki_status_to_wire(rk_status status);
bool rki_status_from_wire(uint8_t number, rk_status *out);

#endif
