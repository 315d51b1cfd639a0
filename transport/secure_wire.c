/* secure_wire.c: messages to bytes and back, as specs/wire.md has them. */
#include "transport/secure_private.h"

#include <assert.h>
#include <sodium.h>

#define HEADER_BYTES       9
#define PARTY_BYTES        (RK_PUBLIC_KEY_BYTES + RKI_NONCE_BYTES + RKI_EPHEMERAL_BYTES)
#define FRAME_HEADER_BYTES (RK_SECURE_OVERHEAD_BYTES - RKI_TAG_BYTES)
#define AEAD_NONCE_BYTES   24

#define DOMAIN_TRANSCRIPT "rekey wire v1 transcript"
#define DOMAIN_INITIATOR  "rekey wire v1 initiator"
#define DOMAIN_RESPONDER  "rekey wire v1 responder"

static_assert(RKI_EPHEMERAL_BYTES == crypto_kx_PUBLICKEYBYTES, "X25519");
static_assert(RKI_KEY_BYTES == crypto_kx_SECRETKEYBYTES, "X25519");
static_assert(RKI_KEY_BYTES == crypto_kx_SEEDBYTES, "X25519");
static_assert(RKI_KEY_BYTES == crypto_kx_SESSIONKEYBYTES, "keys of crypto_kx");
static_assert(RKI_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "XChaCha20");
static_assert(RKI_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "Poly1305");
static_assert(AEAD_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "XChaCha20");
static_assert(FRAME_HEADER_BYTES == HEADER_BYTES + RK_SECURE_ID_BYTES + 1 + 8, "a frame's header");

static const uint8_t magic[4] = {'R', 'K', 'E', 'Y'};

/* --- the common header ------------------------------------------------------------------------ */

static rk_status put_header(rki_type type, rk_buf *out, rk_error *err)
{
    rk_buf_reset(out);
    rk_status status = rk_buf_append(out, rk_slice_of(magic, sizeof magic), err);
    if (status == RK_OK)
        status = rk_put_u32(out, RK_SECURE_VERSION, err);
    if (status == RK_OK)
        status = rk_put_u8(out, (uint8_t)type, err);
    return status;
}

static rk_status take_header(rk_reader *reader, rki_type *type, rk_error *err)
{
    rk_slice start = rk_take_exactly(reader, sizeof magic);
    uint32_t version = rk_take_u32(reader);
    uint8_t number = rk_take_u8(reader);
    if (!reader->ok || memcmp(start.ptr, magic, sizeof magic) != 0)
        return rk_error_set(err, RK_AUTH, "not a message of this protocol");
    if (version != RK_SECURE_VERSION)
        return rk_error_set(err, RK_AUTH,
                            "the peer speaks version %lu of the protocol, this side only %lu",
                            (unsigned long)version, (unsigned long)RK_SECURE_VERSION);
    *type = (rki_type)number;
    return RK_OK;
}

static rk_status expect_type(rk_reader *reader, rki_type expected, rk_error *err)
{
    static const char *const names[] = {"no message", "a hello", "an answer", "a frame",
                                        "a refusal"};
    rki_type type = RKI_TYPE_HELLO;
    rk_status status = take_header(reader, &type, err);
    if (status != RK_OK || type == expected)
        return status;
    if (type == RKI_TYPE_REFUSED)
        return rk_error_set(err, RK_AUTH, "the peer refused; its own log says why");
    return rk_error_set(err, RK_AUTH, "expected %s, got %s", names[expected],
                        (size_t)type < sizeof names / sizeof *names ? names[type] : names[0]);
}

rk_slice rk_secure_refusal(void)
{
    static const uint8_t bytes[] = {
        'R', 'K', 'E', 'Y', RK_SECURE_VERSION, 0, 0, 0, RKI_TYPE_REFUSED};
    static_assert(sizeof bytes == HEADER_BYTES, "a header and nothing else");
    return rk_slice_of(bytes, sizeof bytes);
}

rk_secure_kind rk_secure_peek(rk_slice message, rk_secure_id *id)
{
    rk_reader reader = rk_reader_of(message);
    rki_type type = RKI_TYPE_REFUSED;
    if (take_header(&reader, &type, NULL) != RK_OK)
        return RK_SECURE_OTHER;
    if (type == RKI_TYPE_HELLO)
        return RK_SECURE_HELLO;
    rk_slice bytes = rk_take_exactly(&reader, RK_SECURE_ID_BYTES);
    if (type != RKI_TYPE_FRAME || !reader.ok)
        return RK_SECURE_OTHER;
    memcpy(id->bytes, bytes.ptr, RK_SECURE_ID_BYTES);
    return RK_SECURE_FRAME;
}

/* --- hello and answer ------------------------------------------------------------------------- */

static rk_status put_party(const rki_terms *terms, const rki_party *party, rk_buf *out,
                           rk_error *err)
{
    const rk_slice parts[] = {rk_slice_of(party->identity.bytes, RK_PUBLIC_KEY_BYTES),
                              rk_slice_of(party->nonce, RKI_NONCE_BYTES),
                              rk_slice_of(party->ephemeral, RKI_EPHEMERAL_BYTES)};
    rk_status status = rk_put_u8(out, (uint8_t)terms->initiator_role, err);
    if (status == RK_OK)
        status = rk_put_u8(out, (uint8_t)terms->responder_role, err);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == RK_OK; i++)
        status = rk_buf_append(out, parts[i], err);
    return status;
}

/* Short reads give zeros; the caller looks at reader->ok. */
static void take_party(rk_reader *reader, rki_terms *terms, rki_party *party)
{
    terms->initiator_role = (rk_role)rk_take_u8(reader);
    terms->responder_role = (rk_role)rk_take_u8(reader);
    rk_slice bytes = rk_take_exactly(reader, PARTY_BYTES);
    if (!reader->ok)
        return;
    memcpy(party->identity.bytes, bytes.ptr, RK_PUBLIC_KEY_BYTES);
    memcpy(party->nonce, bytes.ptr + RK_PUBLIC_KEY_BYTES, RKI_NONCE_BYTES);
    memcpy(party->ephemeral, bytes.ptr + RK_PUBLIC_KEY_BYTES + RKI_NONCE_BYTES,
           RKI_EPHEMERAL_BYTES);
}

rk_status rki_hello_write(const rki_terms *terms, rk_buf *out, rk_error *err)
{
    rk_status status = put_header(RKI_TYPE_HELLO, out, err);
    if (status == RK_OK)
        status = put_party(terms, &terms->initiator, out, err);
    if (status == RK_OK)
        status = rk_put_bytes(out, terms->context, err);
    return status;
}

rk_status rki_answer_write(const rki_terms *terms, const rk_signature *signature, rk_buf *out,
                           rk_error *err)
{
    rk_status status = put_header(RKI_TYPE_ANSWER, out, err);
    if (status == RK_OK)
        status = put_party(terms, &terms->responder, out, err);
    if (status == RK_OK)
        status = rk_buf_append(out, rk_slice_of(signature->bytes, RK_SIGNATURE_BYTES), err);
    return status;
}

rk_status rki_hello_read(rk_slice message, rki_terms *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(message);
    rki_terms terms = *out;
    rk_status status = expect_type(&reader, RKI_TYPE_HELLO, err);
    if (status != RK_OK)
        return status;
    take_party(&reader, &terms, &terms.initiator);
    terms.context = rk_take_bytes(&reader);
    if (!rk_reader_done(&reader) || terms.context.len > RK_SECURE_CONTEXT_BYTES_MAX)
        return rk_error_set(err, RK_AUTH, "a hello of a wrong length: %zu bytes", message.len);
    *out = terms;
    return RK_OK;
}

rk_status rki_answer_read(rk_slice message, rki_terms *out, rk_signature *signature, rk_error *err)
{
    rk_reader reader = rk_reader_of(message);
    rki_terms terms = *out;
    rk_status status = expect_type(&reader, RKI_TYPE_ANSWER, err);
    if (status != RK_OK)
        return status;
    take_party(&reader, &terms, &terms.responder);
    rk_slice bytes = rk_take_exactly(&reader, RK_SIGNATURE_BYTES);
    if (!rk_reader_done(&reader))
        return rk_error_set(err, RK_AUTH, "an answer of a wrong length: %zu bytes", message.len);
    *out = terms;
    memcpy(signature->bytes, bytes.ptr, RK_SIGNATURE_BYTES);
    return RK_OK;
}

/* --- what is signed, and the keys ------------------------------------------------------------- */

void rki_transcript(const rki_terms *terms, rk_digest *out)
{
    const uint8_t version[4] = {RK_SECURE_VERSION, 0, 0, 0};
    const uint8_t roles[2] = {(uint8_t)terms->initiator_role, (uint8_t)terms->responder_role};
    const rki_party *initiator = &terms->initiator;
    const rki_party *responder = &terms->responder;
    const rk_slice parts[] = {
        rk_slice_of(version, sizeof version),
        terms->context,
        rk_slice_of(&roles[0], 1),
        rk_slice_of(&roles[1], 1),
        rk_slice_of(initiator->identity.bytes, RK_PUBLIC_KEY_BYTES),
        rk_slice_of(responder->identity.bytes, RK_PUBLIC_KEY_BYTES),
        rk_slice_of(initiator->nonce, RKI_NONCE_BYTES),
        rk_slice_of(responder->nonce, RKI_NONCE_BYTES),
        rk_slice_of(initiator->ephemeral, RKI_EPHEMERAL_BYTES),
        rk_slice_of(responder->ephemeral, RKI_EPHEMERAL_BYTES),
    };
    rk_digest_parts(DOMAIN_TRANSCRIPT, parts, sizeof parts / sizeof *parts, out);
}

/* One domain a side: a signature sent back to its maker is none of the other side's. */
static const char *signing_domain(rki_direction signer)
{
    return signer == RKI_FROM_INITIATOR ? DOMAIN_INITIATOR : DOMAIN_RESPONDER;
}

void rki_transcript_sign(const rk_secret_key *key, rki_direction signer,
                         const rk_digest *transcript, rk_signature *out)
{
    rk_sign(key, signing_domain(signer), rk_slice_of(transcript->bytes, RK_DIGEST_BYTES), out);
}

rk_status rki_transcript_verify(const rk_public_key *key, rki_direction signer,
                                const rk_digest *transcript, const rk_signature *signature,
                                rk_error *err)
{
    return rk_verify(key, signing_domain(signer), rk_slice_of(transcript->bytes, RK_DIGEST_BYTES),
                     signature, err);
}

void rki_ephemeral(const rk_secure_randomness *randomness, uint8_t public[RKI_EPHEMERAL_BYTES],
                   uint8_t secret[RKI_KEY_BYTES])
{
    uint8_t seed[crypto_kx_SEEDBYTES];
    randomness->fill(randomness->state, seed, sizeof seed);
    int result = crypto_kx_seed_keypair(public, secret, seed);
    assert(result == 0);
    (void)result;
    sodium_memzero(seed, sizeof seed);
}

rk_status rki_traffic_keys(rki_direction own, const rki_terms *terms,
                           const uint8_t secret[RKI_KEY_BYTES], uint8_t send[RKI_KEY_BYTES],
                           uint8_t receive[RKI_KEY_BYTES], rk_error *err)
{
    const uint8_t *initiator = terms->initiator.ephemeral;
    const uint8_t *responder = terms->responder.ephemeral;
    int result = own == RKI_FROM_INITIATOR
                     ? crypto_kx_client_session_keys(receive, send, initiator, secret, responder)
                     : crypto_kx_server_session_keys(receive, send, responder, secret, initiator);
    if (result != 0)
        return rk_error_set_native(err, RK_AUTH, RK_ORIGIN_SODIUM, result,
                                   "the peer's session key is a point of small order");
    return RK_OK;
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Never twice under one key: the counter is the frame's own, and each direction has its key. */
static void aead_nonce(const rki_frame *frame, uint8_t nonce[AEAD_NONCE_BYTES])
{
    memset(nonce, 0, AEAD_NONCE_BYTES);
    for (size_t i = 0; i < 8; i++)
        nonce[i] = (uint8_t)(frame->counter >> (8 * i));
    nonce[8] = (uint8_t)frame->direction;
}

rk_status rki_frame_seal(const uint8_t key[RKI_KEY_BYTES], const rki_frame *frame,
                         rk_slice plaintext, rk_buf *out, rk_error *err)
{
    uint8_t nonce[AEAD_NONCE_BYTES];
    rk_status status = put_header(RKI_TYPE_FRAME, out, err);
    if (status == RK_OK)
        status = rk_buf_append(out, rk_slice_of(frame->id.bytes, RK_SECURE_ID_BYTES), err);
    if (status == RK_OK)
        status = rk_put_u8(out, (uint8_t)frame->direction, err);
    if (status == RK_OK)
        status = rk_put_u64(out, frame->counter, err);
    if (status == RK_OK)
        status = rk_buf_reserve(out, plaintext.len + RKI_TAG_BYTES, err);
    if (status != RK_OK)
        return status;
    assert(out->len == FRAME_HEADER_BYTES);
    aead_nonce(frame, nonce);
    int result = crypto_aead_xchacha20poly1305_ietf_encrypt(out->ptr + FRAME_HEADER_BYTES, NULL,
                                                            plaintext.ptr, plaintext.len, out->ptr,
                                                            FRAME_HEADER_BYTES, NULL, nonce, key);
    assert(result == 0);
    (void)result;
    out->len += plaintext.len + RKI_TAG_BYTES;
    return RK_OK;
}

rk_status rki_frame_read(rk_slice message, rki_frame *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(message);
    rk_status status = expect_type(&reader, RKI_TYPE_FRAME, err);
    if (status != RK_OK)
        return status;
    rk_slice id = rk_take_exactly(&reader, RK_SECURE_ID_BYTES);
    uint8_t direction = rk_take_u8(&reader);
    uint64_t counter = rk_take_u64(&reader);
    if (!reader.ok || reader.rest.len < RKI_TAG_BYTES)
        return rk_error_set(err, RK_AUTH, "a frame cut short: %zu bytes", message.len);
    memcpy(out->id.bytes, id.ptr, RK_SECURE_ID_BYTES);
    out->direction = (rki_direction)direction;
    out->counter = counter;
    return RK_OK;
}

rk_status rki_frame_open(const uint8_t key[RKI_KEY_BYTES], const rki_frame *frame, rk_slice message,
                         rk_buf *plaintext, rk_error *err)
{
    uint8_t nonce[AEAD_NONCE_BYTES];
    assert(message.len >= RK_SECURE_OVERHEAD_BYTES);
    size_t length = message.len - RK_SECURE_OVERHEAD_BYTES;
    if (plaintext != NULL) {
        rk_buf_reset(plaintext);
        /* At least one byte: a NULL target means "check only" to the library. */
        rk_status status = rk_buf_reserve(plaintext, length > 0 ? length : 1, err);
        if (status != RK_OK)
            return status;
    }
    aead_nonce(frame, nonce);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            plaintext != NULL ? plaintext->ptr : NULL, NULL, NULL, message.ptr + FRAME_HEADER_BYTES,
            length + RKI_TAG_BYTES, message.ptr, FRAME_HEADER_BYTES, nonce, key) != 0)
        return rk_error_set_native(err, RK_AUTH, RK_ORIGIN_SODIUM, -1,
                                   "frame %llu was altered, or is of other keys",
                                   (unsigned long long)frame->counter);
    if (plaintext != NULL)
        plaintext->len = length;
    return RK_OK;
}

const uint8_t *rki_frame_tag(rk_slice message)
{
    assert(message.len >= RK_SECURE_OVERHEAD_BYTES);
    return message.ptr + message.len - RKI_TAG_BYTES;
}
