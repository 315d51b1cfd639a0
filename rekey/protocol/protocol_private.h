/* protocol_private.h: what the sources of this folder share. */
#ifndef REKEY_PROTOCOL_PROTOCOL_PRIVATE_H
#define REKEY_PROTOCOL_PROTOCOL_PRIVATE_H

#include "rekey/base/codec.h"
#include "rekey/protocol/protocol.h"

/* Writers of more than integers and bytes. */
void rki_write_name(rk_writer *writer, const char *name); /* NULL as "" */
void rki_write_id(rk_writer *writer, const uint8_t id[RK_PROTOCOL_ID_BYTES]);
void rki_write_scope(rk_writer *writer, const rk_scope *scope);
void rki_write_ids(rk_writer *writer, const rk_id *ids, size_t count);

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
