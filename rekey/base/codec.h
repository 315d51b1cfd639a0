/* codec.h: the byte layout of everything rekey stores or signs.
 *
 * Integers are little-endian and of fixed width; byte strings are a u32 length and the bytes. A
 * reader is sticky: after the first short read every further read gives zeros, and `ok` stays
 * false, so a decoder checks once, at its end. So is a writer: after the first failure it writes
 * nothing, and rk_writer_end gives the failure and takes back what was written.
 */
#ifndef REKEY_BASE_CODEC_H
#define REKEY_BASE_CODEC_H

#include "rekey/base/buf.h"

/* Writers append; RK_LIMIT past the buffer's cap, RK_NOMEM. */
rk_status rk_put_u8(rk_buf *buf, uint8_t value, rk_error *err);
rk_status rk_put_u32(rk_buf *buf, uint32_t value, rk_error *err);
rk_status rk_put_u64(rk_buf *buf, uint64_t value, rk_error *err);
rk_status rk_put_bytes(rk_buf *buf, rk_slice bytes, rk_error *err);

typedef struct rk_writer {
    rk_buf *out;
    size_t start; /* what stood there before */
    rk_status status;
    rk_error *err;
} rk_writer;

rk_writer rk_writer_begin(rk_buf *out, rk_error *err);
rk_status rk_writer_end(rk_writer *writer);

void rk_write_u8(rk_writer *writer, uint8_t value);
void rk_write_u32(rk_writer *writer, size_t value); /* RK_LIMIT past 32 bits */
void rk_write_u64(rk_writer *writer, uint64_t value);
void rk_write_bytes(rk_writer *writer, rk_slice bytes);
void rk_write_exactly(rk_writer *writer, rk_slice bytes); /* without a length before them */

typedef struct rk_reader {
    rk_slice rest;
    bool ok;
} rk_reader;

static inline rk_reader rk_reader_of(rk_slice bytes)
{
    return (rk_reader){bytes, true};
}

uint8_t rk_take_u8(rk_reader *reader);
uint32_t rk_take_u32(rk_reader *reader);
uint64_t rk_take_u64(rk_reader *reader);

/* Borrows from the bytes being read. */
rk_slice rk_take_bytes(rk_reader *reader);
rk_slice rk_take_exactly(rk_reader *reader, size_t len); /* bytes without a length before them */

/* True when nothing was short and nothing is left over. */
bool rk_reader_done(const rk_reader *reader);

#endif
