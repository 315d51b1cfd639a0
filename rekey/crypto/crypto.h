/* crypto.h: digests, signatures and key files.
 *
 * The only folder, with transport/secure, that knows libsodium. Every digest and signature carries
 * a domain tag ("rekey plan v1"), because Ed25519 signatures carry no purpose of their own: what
 * is hashed or signed is u32 length + tag, then u64 length + bytes.
 *
 * Sources: BLAKE2b (RFC 7693); Ed25519ph (RFC 8032), which takes a message piece by piece; SipHash
 * (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
 * Threading: rk_crypto_init once, before anything else; the rest has no state.
 */
#ifndef REKEY_CRYPTO_CRYPTO_H
#define REKEY_CRYPTO_CRYPTO_H

#include "rekey/base/buf.h"

#define RK_DIGEST_BYTES     32
#define RK_PUBLIC_KEY_BYTES 32
#define RK_SECRET_KEY_BYTES 64
#define RK_SIGNATURE_BYTES  64
#define RK_DIGEST_HEX_BYTES (2 * RK_DIGEST_BYTES + 1)

typedef struct rk_digest {
    uint8_t bytes[RK_DIGEST_BYTES];
} rk_digest;

typedef struct rk_public_key {
    uint8_t bytes[RK_PUBLIC_KEY_BYTES];
} rk_public_key;

/* Wiped by rk_secret_key_wipe; never printed. */
typedef struct rk_secret_key {
    uint8_t bytes[RK_SECRET_KEY_BYTES];
    rk_public_key public_key;
} rk_secret_key;

typedef struct rk_signature {
    uint8_t bytes[RK_SIGNATURE_BYTES];
} rk_signature;

rk_status rk_crypto_init(rk_error *err);

/* BLAKE2b-256 of the parts, each length-prefixed, under the domain tag. */
void rk_digest_parts(const char *domain, const rk_slice *parts, size_t count, rk_digest *out);

/* SipHash-2-4: tells byte strings apart where a digest would cost too much, and proves nothing to
 * anybody. Whoever chooses the bytes must not know the key. */
#define RK_SHORT_KEY_BYTES 16
typedef struct rk_short_key {
    uint8_t bytes[RK_SHORT_KEY_BYTES];
} rk_short_key;
uint64_t rk_digest_short(const rk_short_key *key, rk_slice bytes);

void rk_random_bytes(void *out, size_t len);

/* Lower-case hex; `out` holds 2 * bytes + 1. */
void rk_hex(rk_slice bytes, char *out);

/* RK_INVALID when the text is not exactly `len` bytes of hex. */
rk_status rk_unhex(rk_slice text, uint8_t *out, size_t len, rk_error *err);

void rk_key_generate(rk_secret_key *out);
void rk_secret_key_wipe(rk_secret_key *key);
void rk_sign(const rk_secret_key *key, const char *domain, rk_slice message, rk_signature *out);

/* RK_AUTH when the signature is not this key's over this message in this domain. */
rk_status rk_verify(const rk_public_key *key, const char *domain, rk_slice message,
                    const rk_signature *signature, rk_error *err);

/* Writes PATH (0600) and PATH.pub. Refuses to overwrite either: RK_CONFLICT. */
rk_status rk_key_files_write(const char *path, const rk_secret_key *key, rk_error *err);

/* Refuses a file that is a symlink, not owned by the caller, or readable by others: RK_AUTH. */
rk_status rk_secret_key_read(const char *path, rk_secret_key *out, rk_error *err);
rk_status rk_public_key_read(const char *path, rk_public_key *out, rk_error *err);

#endif
