/* secure_private.h: the bytes of the protocol, apart from the order in which they may come. */
#ifndef REKEY_TRANSPORT_SECURE_PRIVATE_H
#define REKEY_TRANSPORT_SECURE_PRIVATE_H

#include "rekey/base/codec.h"
#include "transport/secure.h"

#define RKI_NONCE_BYTES     32
#define RKI_EPHEMERAL_BYTES 32
#define RKI_KEY_BYTES       32
#define RKI_TAG_BYTES       16
#define RKI_HELLO_BYTES_MAX (111 + RK_SECURE_CONTEXT_BYTES_MAX)

typedef enum rki_type {
    RKI_TYPE_HELLO = 1,
    RKI_TYPE_ANSWER = 2,
    RKI_TYPE_FRAME = 3,
    RKI_TYPE_REFUSED = 4
} rki_type;

typedef enum rki_direction { RKI_FROM_INITIATOR = 1, RKI_FROM_RESPONDER = 2 } rki_direction;

/* What an end says of itself in hello or answer. */
typedef struct rki_party {
    rk_public_key identity;
    uint8_t nonce[RKI_NONCE_BYTES];
    uint8_t ephemeral[RKI_EPHEMERAL_BYTES];
} rki_party;

/* Both ends' parts, and so what both sign. */
typedef struct rki_terms {
    rk_role initiator_role;
    rk_role responder_role;
    rki_party initiator;
    rki_party responder;
    rk_slice context;
} rki_terms;

typedef struct rki_frame {
    rk_secure_id id;
    rki_direction direction;
    uint64_t counter;
} rki_frame;

/* --- hello and answer ------------------------------------------------------------------------- */

/* Writers replace the contents of `out`. Readers check the form only, every length included, and
 * touch nothing when it is wrong (RK_AUTH); a reader of an unknown version names it. */
rk_status rki_hello_write(const rki_terms *terms, rk_buf *out, rk_error *err);
rk_status rki_answer_write(const rki_terms *terms, const rk_signature *signature, rk_buf *out,
                           rk_error *err);

/* Fills the roles, the initiator and the context, which borrows from the message. */
rk_status rki_hello_read(rk_slice message, rki_terms *out, rk_error *err);

/* Fills the roles and the responder. */
rk_status rki_answer_read(rk_slice message, rki_terms *out, rk_signature *signature, rk_error *err);

/* --- what is signed, and the keys ------------------------------------------------------------- */

void rki_transcript(const rki_terms *terms, rk_digest *out);

void rki_transcript_sign(const rk_secret_key *key, rki_direction signer,
                         const rk_digest *transcript, rk_signature *out);

/* RK_AUTH. */
rk_status rki_transcript_verify(const rk_public_key *key, rki_direction signer,
                                const rk_digest *transcript, const rk_signature *signature,
                                rk_error *err);

/* A key pair for one session, out of 32 random bytes. */
void rki_ephemeral(const rk_secure_randomness *randomness, uint8_t public[RKI_EPHEMERAL_BYTES],
                   uint8_t secret[RKI_KEY_BYTES]);

/* RK_AUTH when the peer's key is none that two secrets can meet in. */
rk_status rki_traffic_keys(rki_direction own, const rki_terms *terms,
                           const uint8_t secret[RKI_KEY_BYTES], uint8_t send[RKI_KEY_BYTES],
                           uint8_t receive[RKI_KEY_BYTES], rk_error *err);

/* --- frames ----------------------------------------------------------------------------------- */

rk_status rki_frame_seal(const uint8_t key[RKI_KEY_BYTES], const rki_frame *frame,
                         rk_slice plaintext, rk_buf *out, rk_error *err);

/* The header alone, unproven. RK_AUTH when the message is no frame. */
rk_status rki_frame_read(rk_slice message, rki_frame *out, rk_error *err);

/* Decrypts a message that rki_frame_read took; `plaintext` NULL only checks it. RK_AUTH. */
rk_status rki_frame_open(const uint8_t key[RKI_KEY_BYTES], const rki_frame *frame, rk_slice message,
                         rk_buf *plaintext, rk_error *err);

/* The last 16 bytes of a message that rki_frame_read took. */
const uint8_t *rki_frame_tag(rk_slice message);

#endif
