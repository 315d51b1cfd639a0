/* The handshake: who gets in, and everything that ends it. */
#include "tests/unit/transport/test_secure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/transport/secure_pair.h"

/* --- who gets in ------------------------------------------------------------------------------ */

static void every_role_meets_a_node(void **state)
{
    (void)state;
    static const rk_role roles[] = {RK_ROLE_OPERATOR, RK_ROLE_COORDINATOR, RK_ROLE_CLIENT,
                                    RK_ROLE_NODE};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        secure_pair pair;
        pair_init(&pair, roles[i]);
        pair_open(&pair);
        assert_null(rk_secure_peer_of(pair.node));
        pair_shake(&pair);
        const rk_secure_peer *initiator = rk_secure_peer_of(pair.node);
        const rk_secure_peer *node = rk_secure_peer_of(pair.initiator);
        assert_int_equal(initiator->role, roles[i]);
        assert_int_equal(node->role, RK_ROLE_NODE);
        assert_memory_equal(&initiator->key, &pair.initiator_key.public_key, sizeof node->key);
        assert_memory_equal(&node->key, &pair.node_key.public_key, sizeof node->key);
        assert_memory_equal(rk_secure_id_of(pair.node), rk_secure_id_of(pair.initiator),
                            RK_SECURE_ID_BYTES);
        pair_talk(&pair, "question", "answer");
        pair_fini(&pair);
    }
}

static void a_node_expected_by_key_gets_in(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.initiator_config.peer = &pair.node_key.public_key;
    pair.node_config.peer = &pair.initiator_key.public_key;
    pair_open(&pair);
    pair_shake(&pair);
    pair_fini(&pair);
}

static void real_randomness_makes_new_sessions(void **state)
{
    (void)state;
    secure_pair pair;
    rk_secure_id ids[2];
    for (size_t i = 0; i < 2; i++) {
        pair_init(&pair, RK_ROLE_OPERATOR);
        pair.initiator_config.randomness = rk_secure_random;
        pair.node_config.randomness = rk_secure_random;
        pair_open(&pair);
        pair_shake(&pair);
        ids[i] = *rk_secure_id_of(pair.node);
        pair_talk(&pair, "question", "answer");
        pair_fini(&pair);
    }
    assert_memory_not_equal(&ids[0], &ids[1], sizeof ids[0]);
}

/* --- every message, spoilt -------------------------------------------------------------------- */

enum { HELLO, ANSWER, FINISH, WELCOME, MESSAGE_COUNT };

typedef void change_message(packet *message, size_t at, uint8_t how);

static void flip(packet *message, size_t at, uint8_t how)
{
    message->data[at] ^= how;
}

static void cut(packet *message, size_t at, uint8_t how)
{
    (void)how;
    message->len = at;
}

/* Puts a byte in; at the message's end, too. */
static void insert(packet *message, size_t at, uint8_t how)
{
    memmove(message->data + at + 1, message->data + at, message->len - at);
    message->data[at] = how;
    message->len++;
}

static void leave(packet *message, size_t at, uint8_t how)
{
    (void)message;
    (void)at;
    (void)how;
}

/* A handshake whose message number `spoilt` is changed on its way; the length of that message. A
 * refusal ends it. */
static size_t shake_spoilt(secure_pair *pair, size_t spoilt, change_message *change, size_t at,
                           uint8_t how)
{
    size_t length = 0;
    pair_init(pair, RK_ROLE_COORDINATOR);
    pair_open(pair);
    packet message = hello(pair->initiator);
    for (size_t i = HELLO; i < MESSAGE_COUNT; i++) {
        rk_secure *receiver = i % 2 == 0 ? pair->node : pair->initiator;
        rk_secure_step step = {0};
        if (i == spoilt) {
            length = message.len;
            change(&message, at, how);
        }
        if (rk_secure_take(receiver, slice_of(&message), &step, NULL) != RK_OK)
            break;
        message = packet_of(step.bytes);
    }
    return length;
}

/* Nobody believes the other: but after the last message, which the node cannot know of. */
static void nobody_is_in(secure_pair *pair, size_t spoilt, size_t at, uint8_t how)
{
    bool node_in = rk_secure_peer_of(pair->node) != NULL;
    if (rk_secure_peer_of(pair->initiator) != NULL || node_in != (spoilt == WELCOME))
        fail_msg("message %zu, byte %zu, change 0x%02x: taken", spoilt, at, how);
}

static void every_change_is_refused(change_message *change, const uint8_t *how, size_t how_count,
                                    size_t beyond)
{
    for (size_t spoilt = HELLO; spoilt < MESSAGE_COUNT; spoilt++) {
        secure_pair pair;
        size_t length = shake_spoilt(&pair, spoilt, leave, 0, 0);
        assert_non_null(rk_secure_peer_of(pair.initiator));
        pair_fini(&pair);
        for (size_t at = 0; at < length + beyond; at++) {
            for (size_t i = 0; i < how_count; i++) {
                shake_spoilt(&pair, spoilt, change, at, how[i]);
                nobody_is_in(&pair, spoilt, at, how[i]);
                pair_fini(&pair);
            }
        }
    }
}

static void a_flipped_byte_is_refused(void **state)
{
    (void)state;
    const uint8_t masks[] = {0x01, 0x80, 0xff};
    every_change_is_refused(flip, masks, sizeof masks, 0);
}

static void a_truncated_message_is_refused(void **state)
{
    (void)state;
    every_change_is_refused(cut, (const uint8_t[]){0}, 1, 0);
}

static void a_longer_message_is_refused(void **state)
{
    (void)state;
    every_change_is_refused(insert, (const uint8_t[]){0}, 1, 1);
}

/* --- wrong peers ------------------------------------------------------------------------------ */

/* The node refuses the hello. */
static void hello_refused(secure_pair *pair, const char *reason)
{
    pair_open(pair);
    packet message = hello(pair->initiator);
    refused(pair->node, slice_of(&message), reason);
    pair_fini(pair);
}

/* The node answers and the initiator refuses it. */
static void answer_refused(secure_pair *pair, const char *reason)
{
    pair_open(pair);
    packet message = hello(pair->initiator);
    message = answered(pair->node, slice_of(&message));
    refused(pair->initiator, slice_of(&message), reason);
    pair_fini(pair);
}

static void a_stranger_is_refused(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.initiator_key = fixed_key(9);
    hello_refused(&pair, "is not authorized");
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.node_key = fixed_key(9);
    answer_refused(&pair, "is not authorized");
}

static void a_wrong_role_is_refused(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.initiator_config.role = RK_ROLE_OPERATOR;
    hello_refused(&pair, "speaks as operator, and is authorized as client");
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.directory.listed[1].role = RK_ROLE_COORDINATOR; /* a node by its own word only */
    answer_refused(&pair, "speaks as node, and is authorized as coordinator");
}

static void another_key_than_expected_is_refused(void **state)
{
    (void)state;
    secure_pair pair;
    rk_secret_key other = fixed_key(7);
    pair_init(&pair, RK_ROLE_CLIENT);
    list_key(&pair.directory, &other, RK_ROLE_NODE); /* another good node is still another */
    pair.initiator_config.peer = &other.public_key;
    answer_refused(&pair, "which is not the one expected");
    pair_init(&pair, RK_ROLE_CLIENT);
    list_key(&pair.directory, &other, RK_ROLE_CLIENT);
    pair.node_config.peer = &other.public_key;
    hello_refused(&pair, "which is not the one expected");
}

static void ones_own_key_is_refused(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.initiator_config.key = &pair.node_key;
    hello_refused(&pair, "this side's own key");
}

/* A node's worker has the node's key, and expects exactly that; nobody else may show it. */
static void a_worker_has_its_nodes_key(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_NODE);
    pair.initiator_key = pair.node_key;
    pair.initiator_config.peer = &pair.node_key.public_key;
    pair_open(&pair);
    packet message = hello(pair.initiator);
    message = answered(pair.node, slice_of(&message));
    rk_secure_step step;
    rk_error err = {0};
    assert_int_equal(rk_secure_take(pair.initiator, slice_of(&message), &step, &err), RK_OK);
    assert_int_equal(step.event, RK_SECURE_SEND);
    pair_fini(&pair);
    pair_init(&pair, RK_ROLE_NODE);
    pair.initiator_key = pair.node_key; /* and expects nobody in particular */
    answer_refused(&pair, "this side's own key");
    pair_init(&pair, RK_ROLE_OPERATOR);
    pair.initiator_key = pair.node_key;
    pair.initiator_config.peer = &pair.node_key.public_key;
    hello_refused(&pair, "this side's own key");
}

static void another_cluster_is_refused(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.initiator_config.context = RK_SLICE_LITERAL("cluster-70");
    hello_refused(&pair, "a hello for another cluster");
}

/* The public key of one identity, the secret of another. */
static void a_borrowed_identity_is_refused(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.node_key = fixed_key(9);
    pair.node_key.public_key = fixed_key(2).public_key;
    answer_refused(&pair, "the signature is not this key's over this rekey wire v1 responder");

    pair_init(&pair, RK_ROLE_CLIENT);
    pair.initiator_key = fixed_key(9);
    pair.initiator_key.public_key = fixed_key(1).public_key;
    pair_open(&pair);
    packet message = hello(pair.initiator);
    message = answered(pair.node, slice_of(&message));
    message = answered(pair.initiator, slice_of(&message));
    refused(pair.node, slice_of(&message),
            "the signature is not this key's over this rekey wire v1 initiator");
    pair_fini(&pair);
}

/* Changes bytes of a good hello. */
static void patched_hello_refused(size_t at, const uint8_t *patch, size_t len, const char *reason)
{
    secure_pair pair;
    pair_init(&pair, RK_ROLE_COORDINATOR);
    pair_open(&pair);
    packet message = hello(pair.initiator);
    memcpy(message.data + at, patch, len);
    refused(pair.node, slice_of(&message), reason);
    pair_fini(&pair);
}

static void a_hello_has_its_form(void **state)
{
    (void)state;
    static const uint8_t zero[32] = {0};
    patched_hello_refused(0, (const uint8_t[]){'r'}, 1, "not a message of this protocol");
    patched_hello_refused(4, (const uint8_t[]){2}, 1, "the peer speaks version 2 of the protocol");
    patched_hello_refused(4, zero, 1, "the peer speaks version 0 of the protocol");
    patched_hello_refused(8, (const uint8_t[]){3}, 1, "expected a hello, got a frame");
    patched_hello_refused(8, (const uint8_t[]){77}, 1, "expected a hello, got no message");
    patched_hello_refused(9, (const uint8_t[]){3, 2}, 2, "a hello of a node to a coordinator");
    patched_hello_refused(9, (const uint8_t[]){3, 3}, 2, "speaks as node");
    patched_hello_refused(9, (const uint8_t[]){2, 2}, 2, "a hello of a coordinator to a coord");
    patched_hello_refused(9, (const uint8_t[]){0}, 1, "a hello of a none to a node");
    patched_hello_refused(9, (const uint8_t[]){5}, 1, "a hello of a unknown to a node");
    patched_hello_refused(75, zero, 32, "a point of small order");
    patched_hello_refused(107, (const uint8_t[]){0xff, 0xff, 0xff, 0xff}, 4, "a wrong length");
}

static void a_small_order_answer_is_refused(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_COORDINATOR);
    pair_open(&pair);
    packet message = hello(pair.initiator);
    message = answered(pair.node, slice_of(&message));
    memset(message.data + 75, 0, 32);
    refused(pair.initiator, slice_of(&message), "a point of small order");
    pair_fini(&pair);
}

/* An attacker with session keys of its own, who names an identity that is not its own and has no
 * signature but the node's. */
static void the_nodes_signature_is_not_the_initiators(void **state)
{
    (void)state;
    secure_pair pair;
    rki_terms terms = {0};
    rk_digest transcript;
    rk_signature signature;
    uint8_t secret[RKI_KEY_BYTES], send[RKI_KEY_BYTES], receive[RKI_KEY_BYTES];
    rk_buf frame;
    rk_buf_init(&frame, 256);
    pair_init(&pair, RK_ROLE_COORDINATOR);
    pair_open(&pair);
    packet message = hello(pair.initiator);
    assert_int_equal(rki_hello_read(slice_of(&message), &terms, NULL), RK_OK);
    rki_ephemeral(&pair.initiator_config.randomness, terms.initiator.ephemeral, secret);
    assert_int_equal(rki_hello_write(&terms, &frame, NULL), RK_OK);
    message = answered(pair.node, rk_buf_slice(&frame));
    assert_int_equal(rki_answer_read(slice_of(&message), &terms, &signature, NULL), RK_OK);
    terms.context = pair.node_config.context;
    assert_int_equal(rki_traffic_keys(RKI_FROM_INITIATOR, &terms, secret, send, receive, NULL),
                     RK_OK);
    rki_transcript(&terms, &transcript);
    rki_frame header = {.direction = RKI_FROM_INITIATOR, .counter = 0};
    memcpy(header.id.bytes, transcript.bytes, RK_SECURE_ID_BYTES);
    assert_int_equal(rki_frame_seal(send, &header, rk_slice_of(signature.bytes, RK_SIGNATURE_BYTES),
                                    &frame, NULL),
                     RK_OK);
    refused(pair.node, rk_buf_slice(&frame), "the signature is not this key's");
    rk_buf_fini(&frame);
    pair_fini(&pair);
}

/* --- old, foreign and returned messages ------------------------------------------------------- */

typedef struct handshake {
    packet message[MESSAGE_COUNT];
} handshake;

static handshake record(secure_pair *pair)
{
    handshake recorded;
    recorded.message[HELLO] = hello(pair->initiator);
    recorded.message[ANSWER] = answered(pair->node, slice_of(&recorded.message[HELLO]));
    recorded.message[FINISH] = answered(pair->initiator, slice_of(&recorded.message[ANSWER]));
    recorded.message[WELCOME] = answered(pair->node, slice_of(&recorded.message[FINISH]));
    established(pair->initiator, slice_of(&recorded.message[WELCOME]));
    return recorded;
}

static void an_old_handshake_is_refused(void **state)
{
    (void)state;
    secure_pair old, new;
    pair_ready(&old);
    pair_fini(&old);
    pair_init(&old, RK_ROLE_COORDINATOR);
    pair_open(&old);
    handshake recorded = record(&old);

    pair_init(&new, RK_ROLE_COORDINATOR);
    new.initiator_random.first = 0x31;
    new.node_random.first = 0x41;
    pair_open(&new);
    packet message = answered(new.node, slice_of(&recorded.message[HELLO]));
    assert_memory_not_equal(message.data, recorded.message[ANSWER].data, message.len);
    refused(new.node, slice_of(&recorded.message[FINISH]), "a frame of another session");
    hello(new.initiator);
    refused(new.initiator, slice_of(&recorded.message[ANSWER]), "the signature is not this key's");
    pair_fini(&old);
    pair_fini(&new);
}

/* The same identities shake hands twice at once, and the messages are swapped. */
static void mixed_sessions_are_refused(void **state)
{
    (void)state;
    secure_pair one, two;
    pair_init(&one, RK_ROLE_COORDINATOR);
    pair_init(&two, RK_ROLE_COORDINATOR);
    two.initiator_random.first = 0x31;
    two.node_random.first = 0x41;
    pair_open(&one);
    pair_open(&two);
    packet first = hello(one.initiator);
    packet second = hello(two.initiator);
    first = answered(one.node, slice_of(&first));
    second = answered(two.node, slice_of(&second));
    refused(one.initiator, slice_of(&second), "the signature is not this key's");
    second = answered(two.initiator, slice_of(&second));
    refused(one.node, slice_of(&second), "a frame of another session");
    second = answered(two.node, slice_of(&second));
    established(two.initiator, slice_of(&second));
    pair_fini(&one);
    pair_fini(&two);
}

static void reflected_messages_are_refused(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_COORDINATOR);
    pair_open(&pair);
    handshake recorded = record(&pair);
    pair_fini(&pair);

    static const char *const reasons[] = {"expected an answer, got a hello",
                                          "expected a frame, got an answer",
                                          "a frame of this side came back"};
    for (size_t i = HELLO; i < WELCOME; i++) {
        pair_init(&pair, RK_ROLE_COORDINATOR);
        pair_open(&pair);
        hello(pair.initiator);
        if (i >= ANSWER)
            answered(pair.node, slice_of(&recorded.message[HELLO]));
        if (i >= FINISH)
            answered(pair.initiator, slice_of(&recorded.message[ANSWER]));
        refused(i == ANSWER ? pair.node : pair.initiator, slice_of(&recorded.message[i]),
                reasons[i]);
        pair_fini(&pair);
    }
}

static void repeats_are_answered_from_the_store(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_COORDINATOR);
    pair_open(&pair);
    packet first = hello(pair.initiator);
    packet answer = answered(pair.node, slice_of(&first));
    for (int i = 0; i < 3; i++) {
        packet again = answered(pair.node, slice_of(&first));
        assert_int_equal(again.len, answer.len);
        assert_memory_equal(again.data, answer.data, answer.len);
    }
    assert_int_equal(pair.node_random.calls, 2); /* one nonce, one session key */
    packet finish = answered(pair.initiator, slice_of(&answer));
    packet welcome = answered(pair.node, slice_of(&finish));
    for (int i = 0; i < 3; i++) {
        packet again = answered(pair.node, slice_of(&finish));
        assert_int_equal(again.len, welcome.len);
        assert_memory_equal(again.data, welcome.data, welcome.len);
    }
    established(pair.initiator, slice_of(&welcome));
    pair_talk(&pair, "question", "answer");
    refused(pair.node, slice_of(&finish), "frame 0 came again, where 2 was to come");
    pair_fini(&pair);

    pair_init(&pair, RK_ROLE_COORDINATOR);
    pair_open(&pair);
    pair_shake(&pair);
    refused(pair.node, slice_of(&first), "expected a frame, got a hello"); /* no repeat any more */
    pair_fini(&pair);
}

/* --- refusals and limits ---------------------------------------------------------------------- */

static void a_refusal_tells_nothing(void **state)
{
    (void)state;
    static const uint8_t expected[] = {'R', 'K', 'E', 'Y', 1, 0, 0, 0, 4};
    rk_slice refusal = rk_secure_refusal();
    assert_true(rk_slice_equal(refusal, rk_slice_of(expected, sizeof expected)));
    secure_pair pair;
    pair_init(&pair, RK_ROLE_COORDINATOR);
    pair_open(&pair);
    hello(pair.initiator);
    refused(pair.initiator, refusal, "the peer refused");
    pair_fini(&pair);
    pair_ready(&pair);
    sealed(pair.initiator, "question");
    refused(pair.initiator, refusal, "the peer refused");
    refused(pair.node, refusal, "the peer refused");
    pair_fini(&pair);
}

static void messages_name_their_session(void **state)
{
    (void)state;
    secure_pair pair;
    rk_secure_id id = {{0}};
    pair_init(&pair, RK_ROLE_COORDINATOR);
    pair_open(&pair);
    handshake recorded = record(&pair);
    assert_int_equal(rk_secure_peek(slice_of(&recorded.message[HELLO]), &id), RK_SECURE_HELLO);
    assert_int_equal(rk_secure_peek(slice_of(&recorded.message[ANSWER]), &id), RK_SECURE_OTHER);
    assert_int_equal(rk_secure_peek(slice_of(&recorded.message[FINISH]), &id), RK_SECURE_FRAME);
    assert_memory_equal(&id, rk_secure_id_of(pair.node), sizeof id);
    assert_int_equal(rk_secure_peek(rk_secure_refusal(), &id), RK_SECURE_OTHER);
    assert_int_equal(rk_secure_peek(RK_SLICE_EMPTY, &id), RK_SECURE_OTHER);
    rk_slice short_frame = rk_slice_of(recorded.message[FINISH].data, 24);
    assert_int_equal(rk_secure_peek(short_frame, &id), RK_SECURE_OTHER);
    pair_fini(&pair);
}

static void a_config_has_bounds(void **state)
{
    (void)state;
    static const char long_name[RK_SECURE_CONTEXT_BYTES_MAX + 1];
    const rk_slice too_long = rk_slice_of(long_name, sizeof long_name);
    for (int i = 0; i < 8; i++) {
        secure_pair pair;
        rk_secure *session = NULL;
        rk_error err = {0};
        pair_init(&pair, RK_ROLE_CLIENT);
        rk_secure_config config = pair.initiator_config;
        config.role = i == 0 ? RK_ROLE_NONE : i == 1 ? (rk_role)(RK_ROLE_MAX + 1) : config.role;
        config.context = i == 2 ? RK_SLICE_EMPTY : i == 3 ? too_long : config.context;
        config.plaintext_bytes_max = i == 4   ? 0
                                     : i == 5 ? RK_SECURE_PLAINTEXT_BYTES_MAX + 1
                                              : config.plaintext_bytes_max;
        config.frames_max = i == 6 ? 0 : i == 7 ? RK_SECURE_FRAMES_MAX + 1 : config.frames_max;
        assert_int_equal(rk_secure_create(&config, &session, &err), RK_INVALID);
        assert_null(session);
        assert_non_null(strstr(err.message, "make a session: "));
    }
    rk_secure_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_role_meets_a_node),
        cmocka_unit_test(a_node_expected_by_key_gets_in),
        cmocka_unit_test(real_randomness_makes_new_sessions),
        cmocka_unit_test(a_flipped_byte_is_refused),
        cmocka_unit_test(a_truncated_message_is_refused),
        cmocka_unit_test(a_longer_message_is_refused),
        cmocka_unit_test(a_stranger_is_refused),
        cmocka_unit_test(a_wrong_role_is_refused),
        cmocka_unit_test(another_key_than_expected_is_refused),
        cmocka_unit_test(ones_own_key_is_refused),
        cmocka_unit_test(a_worker_has_its_nodes_key),
        cmocka_unit_test(another_cluster_is_refused),
        cmocka_unit_test(a_borrowed_identity_is_refused),
        cmocka_unit_test(a_hello_has_its_form),
        cmocka_unit_test(a_small_order_answer_is_refused),
        cmocka_unit_test(the_nodes_signature_is_not_the_initiators),
        cmocka_unit_test(an_old_handshake_is_refused),
        cmocka_unit_test(mixed_sessions_are_refused),
        cmocka_unit_test(reflected_messages_are_refused),
        cmocka_unit_test(repeats_are_answered_from_the_store),
        cmocka_unit_test(a_refusal_tells_nothing),
        cmocka_unit_test(messages_name_their_session),
        cmocka_unit_test(a_config_has_bounds),
    };
    rk_error err = {0};
    if (rk_crypto_init(&err) != RK_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int failed = cmocka_run_group_tests_name("secure", tests, NULL, NULL);
    return failed + test_secure_frames() + test_secure_example();
}
