/* lease.c: a worker brings a result and asks for more; and what it is answered. */
#include "rekey/protocol/protocol_private.h"

#include <assert.h>

/* --- requests --------------------------------------------------------------------------------- */

rk_status rk_lease_request_encode(const rk_lease_request *request, rk_buf *out, rk_error *err)
{
    rk_writer writer = rk_writer_begin(out, err);
    rki_write_id(&writer, request->worker.bytes);
    rk_write_u8(&writer, request->leaves);
    rk_write_u8(&writer, request->has_result);
    if (request->has_result) {
        rki_write_id(&writer, request->lease.bytes);
        rk_write_bytes(&writer, request->result);
    }
    return rk_writer_end(&writer);
}

rk_status rk_lease_request_decode(rk_slice body, rk_lease_request *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(body);
    rk_lease_request request = {0};
    rki_take_id(&reader, request.worker.bytes);
    request.leaves = rki_take_flag(&reader);
    request.has_result = rki_take_flag(&reader);
    if (request.has_result) {
        rki_take_id(&reader, request.lease.bytes);
        request.result = rk_take_bytes(&reader);
    }
    rk_status status = rki_take_end(&reader, "request for a lease", body.len, err);
    if (status == RK_OK)
        *out = request;
    return status;
}

/* --- replies ---------------------------------------------------------------------------------- */

rk_status rk_lease_reply_encode(const rk_lease_reply *reply, rk_buf *out, rk_error *err)
{
    rk_writer writer = rk_writer_begin(out, err);
    assert(reply->fate >= RK_LEASE_NO_RESULT && reply->fate <= RK_LEASE_STALE);
    rk_write_u8(&writer, (uint8_t)reply->fate);
    rk_write_u8(&writer, reply->has_offer);
    if (reply->has_offer) {
        rki_write_id(&writer, reply->lease.bytes);
        rk_write_bytes(&writer, reply->offer);
    } else {
        rk_write_u32(&writer, reply->pause_ms);
    }
    return rk_writer_end(&writer);
}

rk_status rk_lease_reply_decode(rk_slice body, rk_lease_reply *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(body);
    rk_lease_reply reply = {0};
    uint8_t fate = rk_take_u8(&reader);
    if (fate > RK_LEASE_STALE)
        reader.ok = false;
    reply.fate = (rk_lease_fate)fate;
    reply.has_offer = rki_take_flag(&reader);
    if (reply.has_offer) {
        rki_take_id(&reader, reply.lease.bytes);
        reply.offer = rk_take_bytes(&reader);
    } else {
        reply.pause_ms = rk_take_u32(&reader);
    }
    rk_status status = rki_take_end(&reader, "lease", body.len, err);
    if (status == RK_OK)
        *out = reply;
    return status;
}
