#include "rekey/state/layout.h"

#include <stdio.h>

#define RECORD_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define HASH_BYTES       16

void rki_encoder_init(rki_encoder *encoder, rk_error *err)
{
    rk_buf_init(&encoder->buf, RECORD_BYTES_MAX);
    encoder->writer = rk_writer_begin(&encoder->buf, err);
    rk_write_u8(&encoder->writer, RKI_LAYOUT_VERSION);
}

void rki_encoder_fini(rki_encoder *encoder)
{
    rk_buf_fini(&encoder->buf);
}

rk_status rki_encoder_save(rki_encoder *encoder, rk_txn *txn, rk_table meta, rk_slice key)
{
    rk_status status = rk_writer_end(&encoder->writer);
    if (status == RK_OK)
        status = rk_txn_put(txn, meta, key, rk_buf_slice(&encoder->buf), encoder->writer.err);
    rki_encoder_fini(encoder);
    return status;
}

rk_status rki_record_open(rk_view *view, rk_table meta, rk_slice key, rk_reader *out, rk_error *err)
{
    rk_slice value;
    if (meta == RK_TABLE_NONE)
        return RK_NOT_FOUND;
    rk_status status = rk_view_get(view, meta, key, &value, err);
    if (status != RK_OK)
        return status;
    rk_reader reader = rk_reader_of(value);
    uint8_t version = rk_take_u8(&reader);
    if (version != RKI_LAYOUT_VERSION)
        return rk_error_set(err, RK_CORRUPT,
                            "record '%.*s' of " RK_META_TABLE
                            " has layout version %u; this program reads version %u",
                            (int)key.len, (const char *)key.ptr, version, RKI_LAYOUT_VERSION);
    *out = reader;
    return RK_OK;
}

rk_status rki_record_close(const rk_reader *reader, const char *name, rk_error *err)
{
    if (rk_reader_done(reader))
        return RK_OK;
    return rk_error_set(err, RK_CORRUPT, "record '%s' of " RK_META_TABLE " is damaged", name);
}

bool rki_take_bool(rk_reader *reader)
{
    uint8_t byte = rk_take_u8(reader);
    if (byte > 1)
        reader->ok = false;
    return byte == 1;
}

void rki_take_text(rk_reader *reader, char *out, size_t size)
{
    rk_slice text = rk_take_bytes(reader);
    if (text.len >= size) {
        reader->ok = false;
        text.len = 0;
    }
    if (text.len > 0)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

void rki_take_fixed(rk_reader *reader, void *out, size_t size)
{
    rk_slice bytes = rk_take_bytes(reader);
    if (bytes.len != size) {
        reader->ok = false;
        memset(out, 0, size);
        return;
    }
    memcpy(out, bytes.ptr, size);
}

rk_slice rki_hashed_key(const char *prefix, rk_slice key, char out[RKI_HASHED_KEY_BYTES])
{
    rk_digest digest;
    char hex[RK_DIGEST_HEX_BYTES];
    rk_digest_parts("rekey record v1", &key, 1, &digest);
    rk_hex(rk_slice_of(digest.bytes, HASH_BYTES), hex);
    int length = snprintf(out, RKI_HASHED_KEY_BYTES, "%s%s", prefix, hex);
    return rk_slice_of(out, (size_t)length);
}
