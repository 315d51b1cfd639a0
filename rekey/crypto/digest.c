#include "rekey/crypto/crypto.h"

#include <assert.h>
#include <sodium.h>

#include "rekey/crypto/framing.h"

static_assert(RK_DIGEST_BYTES >= crypto_generichash_BYTES_MIN &&
                  RK_DIGEST_BYTES <= crypto_generichash_BYTES_MAX,
              "BLAKE2b gives digests of this length");
static_assert(RK_SHORT_KEY_BYTES == crypto_shorthash_KEYBYTES && crypto_shorthash_BYTES == 8,
              "SipHash-2-4 takes keys and gives digests of these lengths");

rk_status rk_crypto_init(rk_error *err)
{
    if (sodium_init() < 0)
        return rk_error_set_native(err, RK_IO, RK_ORIGIN_SODIUM, -1,
                                   "cannot start libsodium: no source of randomness");
    return RK_OK;
}

static void put_length(uint64_t length, size_t width, rki_absorb *absorb, void *state)
{
    uint8_t bytes[8];
    assert(width <= sizeof bytes);
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(length >> (8 * i));
    absorb(state, bytes, width);
}

void rki_frame_domain(const char *domain, rki_absorb *absorb, void *state)
{
    rk_slice tag = rk_slice_str(domain);
    assert(tag.len > 0 && tag.len <= UINT32_MAX);
    put_length(tag.len, 4, absorb, state);
    absorb(state, tag.ptr, tag.len);
}

void rki_frame_part(rk_slice part, rki_absorb *absorb, void *state)
{
    put_length(part.len, 8, absorb, state);
    if (part.len > 0)
        absorb(state, part.ptr, part.len);
}

static void absorb_hash(void *state, const uint8_t *bytes, size_t len)
{
    int result = crypto_generichash_update(state, bytes, len);
    assert(result == 0);
    (void)result;
}

void rk_digest_parts(const char *domain, const rk_slice *parts, size_t count, rk_digest *out)
{
    crypto_generichash_state state;
    int result = crypto_generichash_init(&state, NULL, 0, RK_DIGEST_BYTES);
    assert(result == 0);
    rki_frame_domain(domain, absorb_hash, &state);
    for (size_t i = 0; i < count; i++)
        rki_frame_part(parts[i], absorb_hash, &state);
    result = crypto_generichash_final(&state, out->bytes, RK_DIGEST_BYTES);
    assert(result == 0);
    (void)result;
}

uint64_t rk_digest_short(const rk_short_key *key, rk_slice bytes)
{
    uint8_t digest[crypto_shorthash_BYTES];
    uint64_t number = 0;
    int result = crypto_shorthash(digest, bytes.ptr, bytes.len, key->bytes);
    assert(result == 0);
    (void)result;
    for (size_t i = 0; i < sizeof digest; i++)
        number |= (uint64_t)digest[i] << (8 * i);
    return number;
}

void rk_random_bytes(void *out, size_t len)
{
    randombytes_buf(out, len);
}

void rk_hex(rk_slice bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        out[2 * i] = digits[bytes.ptr[i] >> 4];
        out[2 * i + 1] = digits[bytes.ptr[i] & 15];
    }
    out[2 * bytes.len] = '\0';
}

/* -1 for what is no digit. */
static int digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

rk_status rk_unhex(rk_slice text, uint8_t *out, size_t len, rk_error *err)
{
    if (text.len / 2 != len || text.len % 2 != 0)
        return rk_error_set(err, RK_INVALID, "expected %zu bytes as hex, found %zu characters", len,
                            text.len);
    for (size_t i = 0; i < text.len; i++)
        if (digit_value(text.ptr[i]) < 0)
            return rk_error_set(err, RK_INVALID, "character %zu is not a hex digit", i + 1);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(digit_value(text.ptr[2 * i]) * 16 + digit_value(text.ptr[2 * i + 1]));
    return RK_OK;
}
