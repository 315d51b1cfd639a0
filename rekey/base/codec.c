#include "rekey/base/codec.h"

/* Appends the `width` low bytes of value, least significant first. */
static rk_status put_integer(rk_buf *buf, uint64_t value, size_t width, rk_error *err)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    return rk_buf_append(buf, rk_slice_of(bytes, width), err);
}

rk_status rk_put_u8(rk_buf *buf, uint8_t value, rk_error *err)
{
    return put_integer(buf, value, 1, err);
}

rk_status rk_put_u32(rk_buf *buf, uint32_t value, rk_error *err)
{
    return put_integer(buf, value, 4, err);
}

rk_status rk_put_u64(rk_buf *buf, uint64_t value, rk_error *err)
{
    return put_integer(buf, value, 8, err);
}

rk_status rk_put_bytes(rk_buf *buf, rk_slice bytes, rk_error *err)
{
    if (bytes.len > UINT32_MAX)
        return rk_error_set(err, RK_LIMIT, "%zu bytes do not fit a 32-bit length", bytes.len);
    rk_status status = rk_buf_reserve(buf, 4 + bytes.len, err);
    if (status == RK_OK)
        status = rk_put_u32(buf, (uint32_t)bytes.len, err);
    if (status == RK_OK)
        status = rk_buf_append(buf, bytes, err);
    return status;
}

rk_writer rk_writer_begin(rk_buf *out, rk_error *err)
{
    return (rk_writer){.out = out, .start = out->len, .status = RK_OK, .err = err};
}

rk_status rk_writer_end(rk_writer *writer)
{
    if (writer->status != RK_OK)
        writer->out->len = writer->start;
    return writer->status;
}

void rk_write_u8(rk_writer *writer, uint8_t value)
{
    if (writer->status == RK_OK)
        writer->status = rk_put_u8(writer->out, value, writer->err);
}

void rk_write_u32(rk_writer *writer, size_t value)
{
    if (writer->status != RK_OK)
        return;
    if (value > UINT32_MAX)
        writer->status = rk_error_set(writer->err, RK_LIMIT, "%zu does not fit 32 bits", value);
    else
        writer->status = rk_put_u32(writer->out, (uint32_t)value, writer->err);
}

void rk_write_u64(rk_writer *writer, uint64_t value)
{
    if (writer->status == RK_OK)
        writer->status = rk_put_u64(writer->out, value, writer->err);
}

void rk_write_bytes(rk_writer *writer, rk_slice bytes)
{
    if (writer->status == RK_OK)
        writer->status = rk_put_bytes(writer->out, bytes, writer->err);
}

void rk_write_exactly(rk_writer *writer, rk_slice bytes)
{
    if (writer->status == RK_OK)
        writer->status = rk_buf_append(writer->out, bytes, writer->err);
}

static rk_slice take(rk_reader *reader, size_t len)
{
    if (!reader->ok || reader->rest.len < len) {
        reader->ok = false;
        return RK_SLICE_EMPTY;
    }
    rk_slice out = rk_slice_of(reader->rest.ptr, len);
    if (len > 0)
        reader->rest = rk_slice_of(reader->rest.ptr + len, reader->rest.len - len);
    return out;
}

static uint64_t take_integer(rk_reader *reader, size_t width)
{
    rk_slice bytes = take(reader, width);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++)
        value |= (uint64_t)bytes.ptr[i] << (8 * i);
    return value;
}

uint8_t rk_take_u8(rk_reader *reader)
{
    return (uint8_t)take_integer(reader, 1);
}

uint32_t rk_take_u32(rk_reader *reader)
{
    return (uint32_t)take_integer(reader, 4);
}

uint64_t rk_take_u64(rk_reader *reader)
{
    return take_integer(reader, 8);
}

rk_slice rk_take_bytes(rk_reader *reader)
{
    return take(reader, rk_take_u32(reader));
}

rk_slice rk_take_exactly(rk_reader *reader, size_t len)
{
    return take(reader, len);
}

bool rk_reader_done(const rk_reader *reader)
{
    return reader->ok && reader->rest.len == 0;
}
