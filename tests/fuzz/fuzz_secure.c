/* Any bytes in the place of any message of a session: only the message that was to come is taken.
 * The first byte says which one is replaced. The second says what the others are: 0, the message
 * itself; else changes to the right message, each an offset of two bytes and what to flip there, or
 * to append where the message is over. */
#include <sodium.h>
#include <stdlib.h>

#include "transport/secure.h"

#define MESSAGE_BYTES_MAX 8192
#define PLAINTEXT_MAX     1024

enum { HELLO, ANSWER, FINISH, WELCOME, REQUEST, REPLY, STAGE_COUNT };

typedef struct packet {
    size_t len;
    uint8_t bytes[MESSAGE_BYTES_MAX];
} packet;

typedef struct session_ends {
    rk_secret_key key[2];
    uint8_t fill[2];
    rk_secure *end[2]; /* the initiator, the node */
} session_ends;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* --- two ends --------------------------------------------------------------------------------- */

static void fill_fixed(void *state, void *out, size_t len)
{
    uint8_t *byte = state;
    memset(out, (*byte)++, len);
}

static bool role_of(const void *state, const rk_public_key *key, rk_role *out)
{
    const session_ends *ends = state;
    for (size_t i = 0; i < 2; i++) {
        if (memcmp(&ends->key[i].public_key, key, sizeof *key) != 0)
            continue;
        *out = i == 0 ? RK_ROLE_CLIENT : RK_ROLE_NODE;
        return true;
    }
    return false;
}

static void open_ends(session_ends *ends)
{
    check(rk_crypto_init(NULL) == RK_OK);
    for (size_t i = 0; i < 2; i++) {
        uint8_t seed[crypto_sign_SEEDBYTES];
        memset(seed, (int)i + 1, sizeof seed);
        crypto_sign_seed_keypair(ends->key[i].public_key.bytes, ends->key[i].bytes, seed);
        ends->fill[i] = (uint8_t)(0xa1 + 0x10 * i);
    }
    for (size_t i = 0; i < 2; i++) {
        const rk_secure_config config = {.role = i == 0 ? RK_ROLE_CLIENT : RK_ROLE_NODE,
                                         .key = &ends->key[i],
                                         .context = RK_SLICE_LITERAL("fuzz"),
                                         .directory = {role_of, ends},
                                         .randomness = {fill_fixed, &ends->fill[i]},
                                         .plaintext_bytes_max = PLAINTEXT_MAX,
                                         .frames_max = 2};
        check(rk_secure_create(&config, &ends->end[i], NULL) == RK_OK);
    }
}

static rk_secure *receiver_of(const session_ends *ends, size_t stage)
{
    return ends->end[stage % 2 == 0 ? 1 : 0];
}

static rk_secure *sender_of(const session_ends *ends, size_t stage)
{
    return ends->end[stage % 2];
}

/* The right message of this stage; `step` is what the sender made of the one before. */
static void make(const session_ends *ends, size_t stage, const rk_secure_step *step, packet *out)
{
    rk_slice send = step->bytes;
    if (stage == HELLO)
        check(rk_secure_hello(sender_of(ends, stage), &send, NULL) == RK_OK);
    if (stage == REQUEST || stage == REPLY)
        check(rk_secure_seal(sender_of(ends, stage), RK_SLICE_LITERAL("words"), &send, NULL) ==
              RK_OK);
    check(send.len <= sizeof out->bytes);
    memcpy(out->bytes, send.ptr, send.len);
    out->len = send.len;
}

/* --- the changed message ---------------------------------------------------------------------- */

static void change(packet *message, const uint8_t *data, size_t size)
{
    for (; size >= 3; data += 3, size -= 3) {
        size_t at = (size_t)(data[0] | data[1] << 8);
        if (at < message->len)
            message->bytes[at] ^= data[2];
        else if (message->len < sizeof message->bytes)
            message->bytes[message->len++] = data[2];
    }
}

/* Only a hello may be another than ours, and it opens nothing; else something may come again, and
 * be answered as before. */
static void is_harmless(const rk_secure *receiver, size_t stage, bool was_proven, rk_status status,
                        const rk_secure_step *step)
{
    bool proven = rk_secure_peer_of(receiver) != NULL;
    if (status == RK_OK) {
        check(step->event == RK_SECURE_SEND && proven == was_proven);
        check(stage == HELLO || stage == FINISH || stage == REQUEST);
    } else {
        check(status == RK_AUTH && !proven && rk_secure_id_of(receiver) == NULL);
    }
}

static void replace(const session_ends *ends, size_t stage, const packet *right,
                    const uint8_t *data, size_t size)
{
    static packet other; /* as large as it is, not on the stack */
    rk_secure *receiver = receiver_of(ends, stage);
    rk_secure_step step = {RK_SECURE_ESTABLISHED, RK_SLICE_EMPTY};
    rk_error err = {0};
    rk_secure_id id;
    other = *right;
    if (size > 0 && data[0] != 0)
        change(&other, data + 1, size - 1);
    rk_slice bytes = rk_slice_of(other.bytes, other.len);
    if (size > 0 && data[0] == 0)
        bytes = rk_slice_of(data + 1, size - 1);
    bool is_right = rk_slice_equal(bytes, rk_slice_of(right->bytes, right->len));
    bool was_proven = rk_secure_peer_of(receiver) != NULL;
    (void)rk_secure_peek(bytes, &id);
    rk_status status = rk_secure_take(receiver, bytes, &step, &err);
    check((status == RK_OK) == (err.message[0] == '\0'));
    if (is_right)
        check(status == RK_OK);
    else
        is_harmless(receiver, stage, was_proven, status, &step);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static packet right;
    session_ends ends = {0};
    rk_secure_step step = {RK_SECURE_SEND, RK_SLICE_EMPTY};
    size_t replaced = size > 0 ? data[0] % STAGE_COUNT : HELLO;
    open_ends(&ends);
    for (size_t stage = HELLO; stage < replaced; stage++) {
        make(&ends, stage, &step, &right);
        check(rk_secure_take(receiver_of(&ends, stage), rk_slice_of(right.bytes, right.len), &step,
                             NULL) == RK_OK);
    }
    make(&ends, replaced, &step, &right);
    replace(&ends, replaced, &right, size > 0 ? data + 1 : data, size > 0 ? size - 1 : 0);
    rk_secure_destroy(ends.end[0]);
    rk_secure_destroy(ends.end[1]);
    return 0;
}
