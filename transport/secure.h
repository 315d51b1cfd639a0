/* secure.h: a session between two keys, over requests and replies that anybody may read or change.
 *
 * Both ends prove an Ed25519 identity to the other; the traffic keys come from X25519 keys made for
 * this one session, so that a key stolen later opens no recorded session. specs/wire.md describes
 * every byte. Nothing here sends, waits or looks at a clock: bytes come in, bytes go out, and
 * randomness is passed in.
 *
 *     initiator (operator, coordinator, client)          responder (node)
 *     rk_secure_hello      ---- hello ------------------>  rk_secure_take: SEND
 *     rk_secure_take: SEND <--- answer, signed ----------
 *                          ---- frame 0: signature ----->  rk_secure_take: SEND, established
 *     rk_secure_take: ESTABLISHED <--- frame 0: empty ---
 *     rk_secure_seal       ---- frame n: request ------->  rk_secure_take: MESSAGE
 *     rk_secure_take: MESSAGE <--- frame n: reply -------  rk_secure_seal
 *
 * Invariants
 *   - A plaintext is handed out once, in order, and only after both ends proved who they are: each
 *     signed the version, the context, both roles, identities, nonces and session keys.
 *   - One request at a time. A counter seals one plaintext; the directions have different keys.
 *   - The carriage may bring a request twice. An exact repeat of the last accepted request is
 *     answered by the stored reply: the bytes that went out before, nothing done again. Anything
 *     else that was not to come next ends the session: replayed, reordered, reflected, altered.
 *   - A session that has ended holds no key and refuses everything.
 *   - The peer of a refused message learns nothing but that (rk_secure_refusal); the rk_error has
 *     the reason, for the operator on this side.
 *
 * A failure after a request was sealed says nothing about whether the request was carried out.
 *
 * Identities are not hidden: they travel in the clear, and anybody can find out whether a public
 * key is authorised. Lengths and timing are not hidden either.
 *
 * Threading: a session belongs to one thread at a time. rk_crypto_init comes first.
 */
#ifndef REKEY_TRANSPORT_SECURE_H
#define REKEY_TRANSPORT_SECURE_H

#include "rekey/crypto/crypto.h"
#include "rekey/crypto/role.h"

#define RK_SECURE_VERSION             1u
#define RK_SECURE_CONTEXT_BYTES_MAX   128
#define RK_SECURE_PLAINTEXT_BYTES_MAX ((size_t)16 << 20)
#define RK_SECURE_FRAMES_MAX          (UINT64_C(1) << 32) /* requests of one session */
#define RK_SECURE_OVERHEAD_BYTES      50                  /* a frame without its plaintext */
#define RK_SECURE_ID_BYTES            16
#define RK_SECURE_KEPT_BYTES          ((size_t)64 << 10)

/* Where nonces and session keys come from. Whoever knows these bytes knows the session: outside of
 * tests it is rk_secure_random. */
typedef struct rk_secure_randomness {
    void (*fill)(void *state, void *out, size_t len);
    void *state;
} rk_secure_randomness;

extern const rk_secure_randomness rk_secure_random; /* the system's */

/* Who is authorised: gives the role of a key, false for a key that nobody knows. Called while a
 * handshake is taken, on its thread. */
typedef struct rk_secure_directory {
    bool (*role_of)(const void *state, const rk_public_key *key, rk_role *out);
    const void *state;
} rk_secure_directory;

/* The responder is a node. Every role may be the initiator; a node is one where `asks` says so. */
typedef struct rk_secure_config {
    rk_role role;
    bool asks;                 /* NODE only: this end is the initiator */
    const rk_secret_key *key;  /* borrowed: it must outlive the session */
    const rk_public_key *peer; /* the only one to talk to; NULL: whoever has the right role */
    rk_slice context;          /* the cluster's name, 1 to 128 bytes; both ends have the same */
    rk_secure_directory directory;
    rk_secure_randomness randomness;
    size_t plaintext_bytes_max; /* 1 .. RK_SECURE_PLAINTEXT_BYTES_MAX; larger ones are refused */
    uint64_t frames_max;        /* 1 .. RK_SECURE_FRAMES_MAX requests, then a new handshake */
} rk_secure_config;

typedef struct rk_secure rk_secure;

/* The first half of the transcript's hash: as good as random, and equal at both ends only. */
typedef struct rk_secure_id {
    uint8_t bytes[RK_SECURE_ID_BYTES];
} rk_secure_id;

/* --- life cycle ------------------------------------------------------------------------------- */

/* Copies what it needs of the config, but for the key. RK_INVALID names the member that is out of
 * its bounds; RK_NOMEM. */
rk_status rk_secure_create(const rk_secure_config *config, rk_secure **out, rk_error *err);
void rk_secure_destroy(rk_secure *session); /* wipes; NULL allowed */

/* Ends the session and wipes its keys. There is no message for it: no reply is a part of a longer
 * whole, so nothing can be cut off unnoticed. */
void rk_secure_end(rk_secure *session);

/* --- messages --------------------------------------------------------------------------------- */

/* Slices given out are borrowed from the session until its next call. What was sent may be sent
 * again, and only as it is. */

/* The initiator's first message. Once, before anything else. */
rk_status rk_secure_hello(rk_secure *session, rk_slice *send, rk_error *err);

typedef enum rk_secure_event {
    RK_SECURE_SEND,        /* `bytes` go to the peer; there is nothing else to do */
    RK_SECURE_ESTABLISHED, /* the initiator's handshake is done: rk_secure_seal */
    RK_SECURE_MESSAGE      /* `bytes` are the peer's plaintext: a request to answer, or the reply */
} rk_secure_event;

typedef struct rk_secure_step {
    rk_secure_event event;
    rk_slice bytes;
} rk_secure_step;

/* Takes a message from the peer.
 *   RK_AUTH   refused, and the session has ended. A responder sends rk_secure_refusal.
 *   RK_BUSY   a repeat of the request that is being worked on: drop it, it comes again. The session
 *             goes on.
 *   RK_NOMEM  the session has ended. */
rk_status rk_secure_take(rk_secure *session, rk_slice message, rk_secure_step *out, rk_error *err);

/* Seals a request (initiator, after ESTABLISHED or the last reply) or the reply to the request that
 * was taken last (responder).
 *   RK_LIMIT  larger than plaintext_bytes_max: nothing happened.
 *   RK_AUTH   nothing was sealed and the session has ended, before or by this call, because it has
 *             carried frames_max requests: make a new one.
 *   RK_NOMEM  the session has ended. */
rk_status rk_secure_seal(rk_secure *session, rk_slice plaintext, rk_slice *send, rk_error *err);

/* What every refused peer gets, the same bytes whatever the reason. */
rk_slice rk_secure_refusal(void);

/* --- questions -------------------------------------------------------------------------------- */

typedef struct rk_secure_peer {
    rk_public_key key;
    rk_role role;
} rk_secure_peer;

/* Who is at the other end; NULL while that is not proven, and after the end. */
const rk_secure_peer *rk_secure_peer_of(const rk_secure *session);

/* What it holds for messages: the last one that it sent, as long as that may be asked for again,
 * and the last that it took, until its next call. Besides them at most RK_SECURE_KEPT_BYTES of
 * each, so that small messages cost no memory of their own. */
size_t rk_secure_bytes_held(const rk_secure *session);

/* NULL before the answer was made or taken, and after the end. */
const rk_secure_id *rk_secure_id_of(const rk_secure *session);

/* Which session of many a message is for, as its unproven header says. */
typedef enum rk_secure_kind {
    RK_SECURE_HELLO, /* a new session of its own, each time; bound how many wait half-open */
    RK_SECURE_FRAME, /* `id` is set */
    RK_SECURE_OTHER  /* for no responder: refuse it */
} rk_secure_kind;

rk_secure_kind rk_secure_peek(rk_slice message, rk_secure_id *id);

#endif
