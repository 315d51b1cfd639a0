/* secure.c: the order in which messages may come, and what each of them must prove. */
#include "transport/secure_private.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

typedef enum state {
    NEW,           /* initiator: no hello sent; responder: none taken */
    AWAIT_ANSWER,  /* initiator */
    AWAIT_FINISH,  /* responder: frame 0 with the signature */
    AWAIT_WELCOME, /* initiator: frame 0, empty */
    READY,         /* initiator: may ask; responder: waits for a request */
    AWAIT_REPLY,   /* initiator: asked */
    WORKING,       /* responder: handed out a request */
    ENDED
} state;

struct rk_secure {
    state state;
    rki_direction side;
    rk_secure_config config; /* key is borrowed; peer and context point below */
    rk_public_key peer_key;
    uint8_t context[RK_SECURE_CONTEXT_BYTES_MAX];
    rki_terms terms;
    rk_digest transcript;
    rk_secure_id id;
    rk_secure_peer peer;
    uint8_t ephemeral[RKI_KEY_BYTES]; /* secret; wiped as soon as the keys are made */
    uint8_t send_key[RKI_KEY_BYTES];
    uint8_t receive_key[RKI_KEY_BYTES];
    uint64_t counter; /* of the exchange under way, or of the last one; 0 is the handshake's */
    uint8_t taken_tag[RKI_TAG_BYTES];   /* responder: of the last request accepted */
    uint8_t hello[RKI_HELLO_BYTES_MAX]; /* responder: the hello accepted */
    size_t hello_bytes;
    rk_buf sent; /* the last message made; a responder's answer to repeats */
    rk_buf plaintext;
};

static void fill_random(void *unused, void *out, size_t len)
{
    (void)unused;
    rk_random_bytes(out, len);
}

const rk_secure_randomness rk_secure_random = {fill_random, NULL};

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status check_config(const rk_secure_config *config, rk_error *err)
{
    static const char what[] = "make a session";
    if (config->role <= RK_ROLE_NONE || config->role > RK_ROLE_MAX)
        return rk_error_set(err, RK_INVALID, "%s: no role %d", what, (int)config->role);
    if (config->context.len < 1 || config->context.len > RK_SECURE_CONTEXT_BYTES_MAX)
        return rk_error_set(err, RK_INVALID, "%s: a context of %zu bytes; 1 to %d are allowed",
                            what, config->context.len, RK_SECURE_CONTEXT_BYTES_MAX);
    if (config->plaintext_bytes_max < 1 ||
        config->plaintext_bytes_max > RK_SECURE_PLAINTEXT_BYTES_MAX)
        return rk_error_set(err, RK_INVALID, "%s: plaintext_bytes_max is %zu, not from 1 to %zu",
                            what, config->plaintext_bytes_max, RK_SECURE_PLAINTEXT_BYTES_MAX);
    if (config->frames_max < 1 || config->frames_max > RK_SECURE_FRAMES_MAX)
        return rk_error_set(err, RK_INVALID, "%s: frames_max is %llu, not from 1 to %llu", what,
                            (unsigned long long)config->frames_max,
                            (unsigned long long)RK_SECURE_FRAMES_MAX);
    assert(config->key != NULL && config->directory.role_of != NULL);
    assert(config->randomness.fill != NULL);
    return RK_OK;
}

rk_status rk_secure_create(const rk_secure_config *config, rk_secure **out, rk_error *err)
{
    rk_status status = check_config(config, err);
    if (status != RK_OK)
        return status;
    rk_secure *session = calloc(1, sizeof *session);
    if (session == NULL)
        return rk_error_set(err, RK_NOMEM, "make a session: out of memory");
    bool answers = config->role == RK_ROLE_NODE && !config->asks;
    session->side = answers ? RKI_FROM_RESPONDER : RKI_FROM_INITIATOR;
    session->config = *config;
    memcpy(session->context, config->context.ptr, config->context.len);
    session->config.context = rk_slice_of(session->context, config->context.len);
    if (config->peer != NULL) {
        session->peer_key = *config->peer;
        session->config.peer = &session->peer_key;
    }
    session->terms.context = session->config.context;
    /* The handshake's own messages fit whatever limit the caller has set for plaintexts. */
    size_t room = config->plaintext_bytes_max > RKI_HELLO_BYTES_MAX ? config->plaintext_bytes_max
                                                                    : RKI_HELLO_BYTES_MAX;
    rk_buf_init(&session->sent, room + RK_SECURE_OVERHEAD_BYTES);
    rk_buf_init(&session->plaintext, room);
    *out = session;
    return RK_OK;
}

static void wipe_plaintext(rk_secure *session)
{
    if (session->plaintext.cap > 0)
        sodium_memzero(session->plaintext.ptr, session->plaintext.cap);
    rk_buf_fini(&session->plaintext);
}

void rk_secure_end(rk_secure *session)
{
    session->state = ENDED;
    sodium_memzero(session->ephemeral, sizeof session->ephemeral);
    sodium_memzero(session->send_key, sizeof session->send_key);
    sodium_memzero(session->receive_key, sizeof session->receive_key);
    wipe_plaintext(session);
    rk_buf_fini(&session->sent);
}

/* Of what nobody needs any more. One large message in a session's life must not be kept for all of
 * it: a node has thousands of them. */
static void give_back_plaintext(rk_secure *session)
{
    if (session->plaintext.cap > RK_SECURE_KEPT_BYTES)
        wipe_plaintext(session);
}

static void give_back_sent(rk_secure *session)
{
    if (session->sent.cap > RK_SECURE_KEPT_BYTES)
        rk_buf_fini(&session->sent);
}

void rk_secure_destroy(rk_secure *session)
{
    if (session == NULL)
        return;
    rk_secure_end(session);
    sodium_memzero(session, sizeof *session);
    free(session);
}

/* --- the handshake, common to both sides ------------------------------------------------------ */

static rki_direction other_side(const rk_secure *session)
{
    return session->side == RKI_FROM_INITIATOR ? RKI_FROM_RESPONDER : RKI_FROM_INITIATOR;
}

/* A node's workers have its key: then both ends are nodes, and the one who asks expects no other
 * than itself. What it hears from anybody else it takes for nobody's. */
static bool is_own_worker(const rk_secure *session, rk_role claimed)
{
    const rk_secure_config *config = &session->config;
    bool expected = config->peer != NULL &&
                    memcmp(config->peer, &config->key->public_key, sizeof *config->peer) == 0;
    return config->role == RK_ROLE_NODE && claimed == RK_ROLE_NODE && (!config->asks || expected);
}

/* Whoever has another key than the one asked for is refused before the directory is. */
static rk_status check_peer(const rk_secure *session, const rk_public_key *key, rk_role claimed,
                            rk_error *err)
{
    char hex[2 * RK_PUBLIC_KEY_BYTES + 1];
    rk_hex(rk_slice_of(key->bytes, RK_PUBLIC_KEY_BYTES), hex);
    const rk_secure_directory *directory = &session->config.directory;
    const rk_public_key *only = session->config.peer;
    rk_role role = RK_ROLE_NONE;
    bool is_own = memcmp(key, &session->config.key->public_key, sizeof *key) == 0;
    if (is_own && !is_own_worker(session, claimed))
        return rk_error_set(err, RK_AUTH, "the peer shows this side's own key %s", hex);
    if (only != NULL && memcmp(key, only, sizeof *key) != 0)
        return rk_error_set(err, RK_AUTH, "the peer shows key %s, which is not the one expected",
                            hex);
    if (!directory->role_of(directory->state, key, &role))
        return rk_error_set(err, RK_AUTH, "key %s is not authorized", hex);
    if (role != claimed)
        return rk_error_set(err, RK_AUTH, "key %s speaks as %s, and is authorized as %s", hex,
                            rk_role_name(claimed), rk_role_name(role));
    return RK_OK;
}

static void make_party(rk_secure *session, rki_party *party)
{
    const rk_secure_randomness *randomness = &session->config.randomness;
    party->identity = session->config.key->public_key;
    randomness->fill(randomness->state, party->nonce, sizeof party->nonce);
    rki_ephemeral(randomness, party->ephemeral, session->ephemeral);
}

/* Everything that both ends compute once the terms are complete. */
static rk_status agree(rk_secure *session, rk_error *err)
{
    rki_transcript(&session->terms, &session->transcript);
    memcpy(session->id.bytes, session->transcript.bytes, RK_SECURE_ID_BYTES);
    rk_status status = rki_traffic_keys(session->side, &session->terms, session->ephemeral,
                                        session->send_key, session->receive_key, err);
    sodium_memzero(session->ephemeral, sizeof session->ephemeral);
    return status;
}

static rk_status seal_frame(rk_secure *session, rk_slice plaintext, rk_error *err)
{
    rki_frame frame = {session->id, session->side, session->counter};
    return rki_frame_seal(session->send_key, &frame, plaintext, &session->sent, err);
}

/* --- frames, common to both sides ------------------------------------------------------------- */

/* Is for this session, from its other end, and not too long. Unproven as yet. */
static rk_status read_frame(const rk_secure *session, rk_slice message, size_t plaintext_bytes_max,
                            rki_frame *frame, rk_error *err)
{
    rk_status status = rki_frame_read(message, frame, err);
    if (status != RK_OK)
        return status;
    if (memcmp(&frame->id, &session->id, sizeof frame->id) != 0)
        return rk_error_set(err, RK_AUTH, "a frame of another session");
    if (frame->direction == session->side)
        return rk_error_set(err, RK_AUTH, "a frame of this side came back");
    if (frame->direction != other_side(session))
        return rk_error_set(err, RK_AUTH, "a frame of direction %d", (int)frame->direction);
    size_t length = message.len - RK_SECURE_OVERHEAD_BYTES;
    if (length > plaintext_bytes_max)
        return rk_error_set(err, RK_AUTH, "a frame of %zu bytes; %zu are allowed", length,
                            plaintext_bytes_max);
    return RK_OK;
}

static rk_status open_frame(rk_secure *session, const rki_frame *frame, uint64_t expected,
                            rk_slice message, rk_error *err)
{
    if (frame->counter != expected)
        return rk_error_set(err, RK_AUTH, "frame %llu came %s, where %llu was to come",
                            (unsigned long long)frame->counter,
                            frame->counter < expected ? "again" : "too early",
                            (unsigned long long)expected);
    return rki_frame_open(session->receive_key, frame, message, &session->plaintext, err);
}

/* --- the initiator ---------------------------------------------------------------------------- */

rk_status rk_secure_hello(rk_secure *session, rk_slice *send, rk_error *err)
{
    assert(session->side == RKI_FROM_INITIATOR);
    if (session->state == ENDED)
        return rk_error_set(err, RK_AUTH, "the session has ended");
    assert(session->state == NEW);
    session->terms.initiator_role = session->config.role;
    session->terms.responder_role = RK_ROLE_NODE;
    make_party(session, &session->terms.initiator);
    rk_status status = rki_hello_write(&session->terms, &session->sent, err);
    if (status != RK_OK) {
        rk_secure_end(session);
        return status;
    }
    session->state = AWAIT_ANSWER;
    *send = rk_buf_slice(&session->sent);
    return RK_OK;
}

static rk_status check_answer(const rk_secure *session, const rki_terms *terms, rk_error *err)
{
    if (terms->initiator_role != session->terms.initiator_role ||
        terms->responder_role != session->terms.responder_role)
        return rk_error_set(err, RK_AUTH, "the peer answers as %s to a %s, not as node to a %s",
                            rk_role_name(terms->responder_role),
                            rk_role_name(terms->initiator_role),
                            rk_role_name(session->terms.initiator_role));
    return check_peer(session, &terms->responder.identity, terms->responder_role, err);
}

static rk_status take_answer(rk_secure *session, rk_slice message, rk_secure_step *out,
                             rk_error *err)
{
    rki_terms terms = session->terms;
    rk_signature signature;
    rk_status status = rki_answer_read(message, &terms, &signature, err);
    if (status == RK_OK)
        status = check_answer(session, &terms, err);
    if (status != RK_OK)
        return status;
    session->terms = terms;
    status = agree(session, err);
    if (status == RK_OK)
        status = rki_transcript_verify(&terms.responder.identity, RKI_FROM_RESPONDER,
                                       &session->transcript, &signature, err);
    if (status != RK_OK)
        return status;
    session->peer = (rk_secure_peer){terms.responder.identity, terms.responder_role};
    rki_transcript_sign(session->config.key, RKI_FROM_INITIATOR, &session->transcript, &signature);
    status = seal_frame(session, rk_slice_of(signature.bytes, RK_SIGNATURE_BYTES), err);
    if (status != RK_OK)
        return status;
    session->state = AWAIT_WELCOME;
    *out = (rk_secure_step){RK_SECURE_SEND, rk_buf_slice(&session->sent)};
    return RK_OK;
}

static rk_status take_welcome(rk_secure *session, rk_slice message, rk_secure_step *out,
                              rk_error *err)
{
    rki_frame frame;
    rk_status status = read_frame(session, message, 0, &frame, err);
    if (status == RK_OK)
        status = open_frame(session, &frame, 0, message, err);
    if (status != RK_OK)
        return status;
    session->state = READY;
    *out = (rk_secure_step){RK_SECURE_ESTABLISHED, RK_SLICE_EMPTY};
    return RK_OK;
}

static rk_status take_reply(rk_secure *session, rk_slice message, rk_secure_step *out,
                            rk_error *err)
{
    rki_frame frame;
    rk_status status =
        read_frame(session, message, session->config.plaintext_bytes_max, &frame, err);
    if (status == RK_OK)
        status = open_frame(session, &frame, session->counter, message, err);
    if (status != RK_OK)
        return status;
    give_back_sent(session); /* it is answered */
    session->state = READY;
    *out = (rk_secure_step){RK_SECURE_MESSAGE, rk_buf_slice(&session->plaintext)};
    return RK_OK;
}

/* --- the responder ---------------------------------------------------------------------------- */

static rk_status check_hello(const rk_secure *session, const rki_terms *terms, rk_error *err)
{
    /* The name comes from a stranger: its length is all that a message should repeat. */
    if (!rk_slice_equal(terms->context, session->config.context))
        return rk_error_set(err, RK_AUTH, "a hello for another cluster, a name of %zu bytes",
                            terms->context.len);
    if (terms->responder_role != RK_ROLE_NODE || terms->initiator_role <= RK_ROLE_NONE ||
        terms->initiator_role > RK_ROLE_MAX)
        return rk_error_set(err, RK_AUTH, "a hello of a %s to a %s; only nodes answer",
                            rk_role_name(terms->initiator_role),
                            rk_role_name(terms->responder_role));
    return check_peer(session, &terms->initiator.identity, terms->initiator_role, err);
}

static rk_status take_hello(rk_secure *session, rk_slice message, rk_secure_step *out,
                            rk_error *err)
{
    rki_terms terms = session->terms;
    rk_signature signature;
    rk_status status = rki_hello_read(message, &terms, err);
    if (status == RK_OK)
        status = check_hello(session, &terms, err);
    if (status != RK_OK)
        return status;
    terms.context = session->config.context; /* equal, and it outlives the message */
    session->terms = terms;
    make_party(session, &session->terms.responder);
    status = agree(session, err);
    if (status != RK_OK)
        return status;
    rki_transcript_sign(session->config.key, RKI_FROM_RESPONDER, &session->transcript, &signature);
    status = rki_answer_write(&session->terms, &signature, &session->sent, err);
    if (status != RK_OK)
        return status;
    assert(message.len <= sizeof session->hello);
    memcpy(session->hello, message.ptr, message.len);
    session->hello_bytes = message.len;
    session->state = AWAIT_FINISH;
    *out = (rk_secure_step){RK_SECURE_SEND, rk_buf_slice(&session->sent)};
    return RK_OK;
}

static rk_status verify_finish(const rk_secure *session, rk_error *err)
{
    rk_signature signature;
    if (session->plaintext.len != RK_SIGNATURE_BYTES)
        return rk_error_set(err, RK_AUTH, "frame 0 holds no signature");
    memcpy(signature.bytes, session->plaintext.ptr, RK_SIGNATURE_BYTES);
    return rki_transcript_verify(&session->terms.initiator.identity, RKI_FROM_INITIATOR,
                                 &session->transcript, &signature, err);
}

static rk_status take_finish(rk_secure *session, rk_slice message, rk_secure_step *out,
                             rk_error *err)
{
    rki_frame frame;
    if (rk_slice_equal(message, rk_slice_of(session->hello, session->hello_bytes))) {
        *out = (rk_secure_step){RK_SECURE_SEND, rk_buf_slice(&session->sent)};
        return RK_OK;
    }
    rk_status status = read_frame(session, message, RK_SIGNATURE_BYTES, &frame, err);
    if (status == RK_OK)
        status = open_frame(session, &frame, 0, message, err);
    if (status == RK_OK)
        status = verify_finish(session, err);
    if (status == RK_OK)
        status = seal_frame(session, RK_SLICE_EMPTY, err);
    if (status != RK_OK)
        return status;
    memcpy(session->taken_tag, rki_frame_tag(message), RKI_TAG_BYTES);
    session->peer =
        (rk_secure_peer){session->terms.initiator.identity, session->terms.initiator_role};
    session->state = READY;
    *out = (rk_secure_step){RK_SECURE_SEND, rk_buf_slice(&session->sent)};
    return RK_OK;
}

/* The counter of the last request: a repeat of it, or an attack. The tag is that of the request
 * accepted before and it holds over this message, so this message is that request. */
static rk_status take_repeat(rk_secure *session, const rki_frame *frame, rk_slice message,
                             rk_secure_step *out, rk_error *err)
{
    if (sodium_memcmp(rki_frame_tag(message), session->taken_tag, RKI_TAG_BYTES) != 0)
        return rk_error_set(err, RK_AUTH, "frame %llu came again, and altered",
                            (unsigned long long)frame->counter);
    rk_status status = rki_frame_open(session->receive_key, frame, message, NULL, err);
    if (status != RK_OK)
        return status;
    if (session->state == WORKING)
        return rk_error_set(err, RK_BUSY, "frame %llu came again while it is worked on",
                            (unsigned long long)frame->counter);
    *out = (rk_secure_step){RK_SECURE_SEND, rk_buf_slice(&session->sent)};
    return RK_OK;
}

/* In READY and, for a repeat, in WORKING. */
static rk_status take_request(rk_secure *session, rk_slice message, rk_secure_step *out,
                              rk_error *err)
{
    rki_frame frame;
    size_t bytes_max = session->config.plaintext_bytes_max;
    if (session->counter == 0 && bytes_max < RK_SIGNATURE_BYTES)
        bytes_max = RK_SIGNATURE_BYTES; /* frame 0 may come again */
    rk_status status = read_frame(session, message, bytes_max, &frame, err);
    if (status != RK_OK)
        return status;
    if (frame.counter == session->counter)
        return take_repeat(session, &frame, message, out, err);
    if (session->state == WORKING)
        return rk_error_set(err, RK_AUTH, "frame %llu came before frame %llu was answered",
                            (unsigned long long)frame.counter,
                            (unsigned long long)session->counter);
    if (frame.counter > session->config.frames_max)
        return rk_error_set(err, RK_AUTH, "frame %llu is past the limit of %llu in a session",
                            (unsigned long long)frame.counter,
                            (unsigned long long)session->config.frames_max);
    status = open_frame(session, &frame, session->counter + 1, message, err);
    if (status != RK_OK)
        return status;
    give_back_sent(session); /* the reply has come: only then is there another request */
    session->counter = frame.counter;
    memcpy(session->taken_tag, rki_frame_tag(message), RKI_TAG_BYTES);
    session->state = WORKING;
    *out = (rk_secure_step){RK_SECURE_MESSAGE, rk_buf_slice(&session->plaintext)};
    return RK_OK;
}

/* --- both ------------------------------------------------------------------------------------- */

static rk_status dispatch(rk_secure *session, rk_slice message, rk_secure_step *out, rk_error *err)
{
    bool initiates = session->side == RKI_FROM_INITIATOR;
    switch (session->state) {
    case NEW:
        if (!initiates)
            return take_hello(session, message, out, err);
        break;
    case AWAIT_ANSWER:
        return take_answer(session, message, out, err);
    case AWAIT_FINISH:
        return take_finish(session, message, out, err);
    case AWAIT_WELCOME:
        return take_welcome(session, message, out, err);
    case READY:
        if (!initiates)
            return take_request(session, message, out, err);
        break;
    case AWAIT_REPLY:
        return take_reply(session, message, out, err);
    case WORKING:
        return take_request(session, message, out, err);
    case ENDED:
        return rk_error_set(err, RK_AUTH, "the session has ended");
    }
    return rk_error_set(err, RK_AUTH, "a reply came to no request");
}

rk_status rk_secure_take(rk_secure *session, rk_slice message, rk_secure_step *out, rk_error *err)
{
    rk_status status = dispatch(session, message, out, err);
    if (status != RK_OK && status != RK_BUSY)
        rk_secure_end(session);
    return status;
}

static rk_status seal_next(rk_secure *session, rk_slice plaintext, rk_error *err)
{
    if (session->side == RKI_FROM_RESPONDER) { /* the reply has its request's counter */
        session->state = READY;
        return seal_frame(session, plaintext, err);
    }
    if (session->counter == session->config.frames_max)
        return rk_error_set(err, RK_AUTH, "the session has carried its %llu requests",
                            (unsigned long long)session->counter);
    session->counter++;
    session->state = AWAIT_REPLY;
    return seal_frame(session, plaintext, err);
}

rk_status rk_secure_seal(rk_secure *session, rk_slice plaintext, rk_slice *send, rk_error *err)
{
    if (session->state == ENDED)
        return rk_error_set(err, RK_AUTH, "the session has ended");
    assert(session->state == (session->side == RKI_FROM_INITIATOR ? READY : WORKING));
    if (plaintext.len > session->config.plaintext_bytes_max)
        return rk_error_set(err, RK_LIMIT, "a message of %zu bytes; a session carries %zu",
                            plaintext.len, session->config.plaintext_bytes_max);
    rk_status status = seal_next(session, plaintext, err);
    if (status != RK_OK) {
        rk_secure_end(session);
        return status;
    }
    give_back_plaintext(session); /* only now: it may be what was sealed */
    *send = rk_buf_slice(&session->sent);
    return RK_OK;
}

/* --- questions -------------------------------------------------------------------------------- */

const rk_secure_peer *rk_secure_peer_of(const rk_secure *session)
{
    switch (session->state) {
    case READY:
    case AWAIT_REPLY:
    case WORKING:
        return &session->peer;
    default:
        return NULL;
    }
}

size_t rk_secure_bytes_held(const rk_secure *session)
{
    return session->sent.cap + session->plaintext.cap;
}

const rk_secure_id *rk_secure_id_of(const rk_secure *session)
{
    return session->state == NEW || session->state == AWAIT_ANSWER || session->state == ENDED
               ? NULL
               : &session->id;
}
