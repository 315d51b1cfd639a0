/* envelope.c: what is around every body, either way. */
#include "rekey/protocol/protocol_private.h"

#include <assert.h>

#define VERSION 1

static void take_version(rk_reader *reader)
{
    if (rk_take_u8(reader) != VERSION)
        reader->ok = false;
}

/* --- requests --------------------------------------------------------------------------------- */

rk_status rk_envelope_encode(const rk_envelope *envelope, rk_buf *out, rk_error *err)
{
    rk_writer writer = rk_writer_begin(out, err);
    assert(envelope->kind >= RK_REQUEST_PING && envelope->kind <= RK_REQUEST_KIND_MAX);
    rk_write_u8(&writer, VERSION);
    rki_write_id(&writer, envelope->operation.bytes);
    rki_write_id(&writer, envelope->incarnation.bytes);
    rk_write_u8(&writer, (uint8_t)envelope->kind);
    rk_write_bytes(&writer, envelope->body);
    return rk_writer_end(&writer);
}

rk_status rk_envelope_decode(rk_slice bytes, rk_envelope *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(bytes);
    rk_envelope envelope = {0};
    take_version(&reader);
    rki_take_id(&reader, envelope.operation.bytes);
    rki_take_id(&reader, envelope.incarnation.bytes);
    uint8_t kind = rk_take_u8(&reader);
    if (kind < RK_REQUEST_PING || kind > RK_REQUEST_KIND_MAX)
        reader.ok = false;
    envelope.kind = (rk_request_kind)kind;
    envelope.body = rk_take_bytes(&reader);
    rk_status status = rki_take_end(&reader, "request", bytes.len, err);
    if (status == RK_OK)
        *out = envelope;
    return status;
}

/* --- replies ---------------------------------------------------------------------------------- */

/* By their numbers in specs/protocol.md. */
static const rk_origin origins[] = {
    [0] = RK_ORIGIN_NONE, [1] = RK_ORIGIN_LMDB,   [2] = RK_ORIGIN_NNG,
    [3] = RK_ORIGIN_CURL, [4] = RK_ORIGIN_SODIUM, [5] = RK_ORIGIN_ERRNO,
};
#define ORIGIN_COUNT (sizeof origins / sizeof *origins)

/* What the caller sent may stand in the message: a line break of its own becomes '?'. */
static void write_error(rk_writer *writer, const rk_error *error)
{
    uint8_t number = 0;
    char line[RK_ERROR_MESSAGE_BYTES];
    size_t len = strlen(error->message);
    for (size_t i = 0; i < len; i++)
        line[i] = error->message[i] == '\n' || error->message[i] == '\r' ? '?' : error->message[i];
    for (size_t i = 0; i < ORIGIN_COUNT; i++)
        if (origins[i] == error->origin)
            number = (uint8_t)i;
    rk_write_u8(writer, number);
    rk_write_u32(writer, (uint32_t)error->native);
    rk_write_bytes(writer, rk_slice_of(line, len));
}

/* What is read here is shown to people: one line, and no more of it than fits. */
static void take_error(rk_reader *reader, rk_error *out)
{
    uint8_t origin = rk_take_u8(reader);
    uint32_t native = rk_take_u32(reader);
    rk_slice message = rk_take_bytes(reader);
    if (origin >= ORIGIN_COUNT || message.len >= sizeof out->message)
        reader->ok = false;
    for (size_t i = 0; i < message.len; i++)
        if (message.ptr[i] == '\0' || message.ptr[i] == '\n' || message.ptr[i] == '\r')
            reader->ok = false;
    if (!reader->ok)
        return;
    out->origin = origins[origin];
    out->native = (int)(int32_t)native;
    if (message.len > 0)
        memcpy(out->message, message.ptr, message.len);
    out->message[message.len] = '\0';
}

rk_status rk_reply_encode(const rk_reply *reply, rk_buf *out, rk_error *err)
{
    static const rk_error none = {0};
    rk_writer writer = rk_writer_begin(out, err);
    rk_write_u8(&writer, VERSION);
    rki_write_id(&writer, reply->incarnation.bytes);
    rk_write_u8(&writer, rki_status_to_wire(reply->status));
    write_error(&writer, reply->status == RK_OK ? &none : &reply->error);
    rk_write_bytes(&writer, reply->body);
    return rk_writer_end(&writer);
}

rk_status rk_reply_decode(rk_slice bytes, rk_reply *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(bytes);
    rk_reply reply = {0};
    take_version(&reader);
    rki_take_id(&reader, reply.incarnation.bytes);
    if (!rki_status_from_wire(rk_take_u8(&reader), &reply.status))
        reader.ok = false;
    take_error(&reader, &reply.error);
    bool silent = reply.error.message[0] == '\0' && reply.error.origin == RK_ORIGIN_NONE &&
                  reply.error.native == 0;
    if (reply.status == RK_OK && !silent)
        reader.ok = false;
    reply.body = rk_take_bytes(&reader);
    rk_status status = rki_take_end(&reader, "reply", bytes.len, err);
    if (status == RK_OK)
        *out = reply;
    return status;
}
