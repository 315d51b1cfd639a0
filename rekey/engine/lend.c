#include "rekey/engine/lend.h"

#include <rekey/version.h>

#include "rekey/base/codec.h"

#define LAYOUT 1

rk_status rk_offer_encode(const rk_offer *offer, rk_buf *out, rk_error *err)
{
    rk_writer writer = rk_writer_begin(out, err);
    rk_write_u8(&writer, LAYOUT);
    rk_write_bytes(&writer, rk_slice_str(offer->version));
    rk_write_bytes(&writer, rk_slice_of(offer->walk.bytes, sizeof offer->walk.bytes));
    rk_write_u8(&writer, (uint8_t)offer->kind);
    rk_write_u8(&writer, (uint8_t)offer->tier);
    rk_write_u64(&writer, offer->epoch);
    rk_write_u64(&writer, offer->tier_epoch);
    rk_write_u32(&writer, offer->template_entity);
    rk_write_u8(&writer, offer->accept_loss);
    rk_write_u32(&writer, offer->index_tables);
    rk_write_u32(&writer, offer->records_max);
    rk_write_u32(&writer, offer->bytes_max);
    rk_write_u32(&writer, offer->from.stage);
    rk_write_u32(&writer, offer->from.rank);
    rk_write_bytes(&writer, rk_slice_of(offer->from.tenant, offer->from.tenant_len));
    rk_write_bytes(&writer, rk_slice_of(offer->from.key, offer->from.key_len));
    return rk_writer_end(&writer);
}

/* A number up to `max`. */
static uint32_t take_up_to(rk_reader *reader, uint32_t number, uint32_t max)
{
    if (number > max)
        reader->ok = false;
    return reader->ok ? number : 0;
}

static void take_key(rk_reader *reader, uint8_t *out, size_t *len)
{
    rk_slice bytes = rk_take_bytes(reader);
    if (bytes.len > RK_STATE_KEY_BYTES_MAX)
        reader->ok = false;
    if (!reader->ok)
        return;
    if (bytes.len > 0)
        memcpy(out, bytes.ptr, bytes.len);
    *len = bytes.len;
}

static void take_walk(rk_reader *reader, rk_short_key *out)
{
    rk_slice bytes = rk_take_bytes(reader);
    if (bytes.len != sizeof out->bytes)
        reader->ok = false;
    if (reader->ok)
        memcpy(out->bytes, bytes.ptr, sizeof out->bytes);
}

rk_status rk_offer_decode(rk_slice bytes, rk_offer *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(bytes);
    rk_offer offer = {0};
    take_up_to(&reader, rk_take_u8(&reader) == LAYOUT ? 0 : 1, 0);
    if (rk_slice_equal(rk_take_bytes(&reader), rk_slice_str(rk_version())))
        offer.version = rk_version();
    take_walk(&reader, &offer.walk);
    offer.kind = (rk_job)take_up_to(&reader, rk_take_u8(&reader), RK_JOB_CONTRACT);
    offer.tier = (rk_tier)take_up_to(&reader, rk_take_u8(&reader), RK_TIER_COUNT - 1);
    offer.epoch = rk_take_u64(&reader);
    offer.tier_epoch = rk_take_u64(&reader);
    offer.template_entity = rk_take_u32(&reader);
    offer.accept_loss = take_up_to(&reader, rk_take_u8(&reader), 1) == 1;
    offer.index_tables = rk_take_u32(&reader);
    offer.records_max = rk_take_u32(&reader);
    offer.bytes_max = rk_take_u32(&reader);
    offer.from.stage = rk_take_u32(&reader);
    offer.from.rank = rk_take_u32(&reader);
    take_key(&reader, offer.from.tenant, &offer.from.tenant_len);
    take_key(&reader, offer.from.key, &offer.from.key_len);
    if (offer.kind == RK_JOB_NONE)
        reader.ok = false;
    if (!rk_reader_done(&reader))
        return rk_error_set(err, RK_CORRUPT,
                            "read an offer of %zu bytes: they are not what they must be",
                            bytes.len);
    *out = offer;
    return RK_OK;
}
