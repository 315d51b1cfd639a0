#include "rekey/crypto/crypto.h"

#include <assert.h>
#include <sodium.h>

#include "rekey/crypto/framing.h"

static_assert(RK_PUBLIC_KEY_BYTES == crypto_sign_PUBLICKEYBYTES, "Ed25519");
static_assert(RK_SECRET_KEY_BYTES == crypto_sign_SECRETKEYBYTES, "Ed25519");
static_assert(RK_SIGNATURE_BYTES == crypto_sign_BYTES, "Ed25519");

void rk_key_generate(rk_secret_key *out)
{
    int result = crypto_sign_keypair(out->public_key.bytes, out->bytes);
    assert(result == 0);
    (void)result;
}

void rk_secret_key_wipe(rk_secret_key *key)
{
    if (key != NULL)
        sodium_memzero(key, sizeof *key);
}

static void absorb_message(void *state, const uint8_t *bytes, size_t len)
{
    int result = crypto_sign_update(state, bytes, len);
    assert(result == 0);
    (void)result;
}

/* Ed25519ph takes the message piece by piece: framing it needs no copy, so signing cannot fail. */
static void absorb_framed(crypto_sign_state *state, const char *domain, rk_slice message)
{
    int result = crypto_sign_init(state);
    assert(result == 0);
    (void)result;
    rki_frame_domain(domain, absorb_message, state);
    rki_frame_part(message, absorb_message, state);
}

void rk_sign(const rk_secret_key *key, const char *domain, rk_slice message, rk_signature *out)
{
    crypto_sign_state state;
    absorb_framed(&state, domain, message);
    int result = crypto_sign_final_create(&state, out->bytes, NULL, key->bytes);
    assert(result == 0);
    (void)result;
}

rk_status rk_verify(const rk_public_key *key, const char *domain, rk_slice message,
                    const rk_signature *signature, rk_error *err)
{
    crypto_sign_state state;
    absorb_framed(&state, domain, message);
    /* libsodium 1.0.18 takes a non-const pointer and only reads it. */
    rk_signature copy = *signature;
    if (crypto_sign_final_verify(&state, copy.bytes, key->bytes) != 0)
        return rk_error_set_native(err, RK_AUTH, RK_ORIGIN_SODIUM, -1,
                                   "the signature is not this key's over this %s", domain);
    return RK_OK;
}
