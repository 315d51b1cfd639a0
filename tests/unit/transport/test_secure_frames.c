/* An established session: what it carries, and what ends it. */
#include "tests/unit/transport/test_secure.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/transport/secure_pair.h"

static bool is_same(const packet *a, const packet *b)
{
    return rk_slice_equal(slice_of(a), slice_of(b));
}

/* --- what it carries -------------------------------------------------------------------------- */

static void requests_and_replies_go_through(void **state)
{
    (void)state;
    secure_pair pair;
    pair_ready(&pair);
    pair_talk(&pair, "", "");
    for (int i = 0; i < 50; i++)
        pair_talk(&pair, "get TENANT#acme", "{\"amount\":1200}");
    pair_fini(&pair);
}

static void the_same_words_never_look_the_same(void **state)
{
    (void)state;
    secure_pair pair;
    packet request[2], reply[2];
    pair_ready(&pair);
    for (size_t i = 0; i < 2; i++) {
        request[i] = sealed(pair.initiator, "0123456789abcdef");
        taken(pair.node, slice_of(&request[i]));
        reply[i] = sealed(pair.node, "0123456789abcdef");
        taken(pair.initiator, slice_of(&reply[i]));
        assert_int_equal(request[i].len, 16 + RK_SECURE_OVERHEAD_BYTES);
    }
    const uint8_t *texts[] = {request[0].data + 34, request[1].data + 34, reply[0].data + 34,
                              reply[1].data + 34};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(texts[i], texts[j], 16);
    pair_fini(&pair);
}

static void the_largest_plaintext_goes_through(void **state)
{
    (void)state;
    static char text[PLAINTEXT_BYTES_MAX + 2];
    secure_pair pair;
    rk_slice send = RK_SLICE_EMPTY;
    rk_error err = {0};
    memset(text, 'x', PLAINTEXT_BYTES_MAX + 1);
    pair_ready(&pair);
    assert_int_equal(rk_secure_seal(pair.initiator, rk_slice_str(text), &send, &err), RK_LIMIT);
    assert_string_equal(err.message, "a message of 4097 bytes; a session carries 4096");
    text[PLAINTEXT_BYTES_MAX] = '\0';
    pair_talk(&pair, text, text); /* the refused one used up nothing */
    pair_fini(&pair);
}

/* The reply may be made of the request, in place. */
static void a_plaintext_may_be_sealed_again(void **state)
{
    (void)state;
    secure_pair pair;
    rk_secure_step step;
    rk_slice send;
    pair_ready(&pair);
    packet message = sealed(pair.initiator, "echo");
    assert_int_equal(rk_secure_take(pair.node, slice_of(&message), &step, NULL), RK_OK);
    assert_int_equal(rk_secure_seal(pair.node, step.bytes, &send, NULL), RK_OK);
    packet reply = taken(pair.initiator, send);
    assert_true(rk_slice_equal(slice_of(&reply), rk_slice_str("echo")));
    pair_fini(&pair);
}

/* There and back, between sessions that carry it; the reply is the request. */
static void carry(secure_pair *pair, rk_slice text)
{
    rk_secure_step step;
    rk_slice request;
    rk_slice reply;
    assert_int_equal(rk_secure_seal(pair->initiator, text, &request, NULL), RK_OK);
    assert_int_equal(rk_secure_take(pair->node, request, &step, NULL), RK_OK);
    assert_int_equal(rk_secure_seal(pair->node, step.bytes, &reply, NULL), RK_OK);
    assert_int_equal(rk_secure_take(pair->initiator, reply, &step, NULL), RK_OK);
    assert_true(rk_slice_equal(step.bytes, text));
}

/* What a large message took is given back, what small ones take is kept. */
static void a_large_message_leaves_nothing_behind(void **state)
{
    (void)state;
    static char text[1 << 20];
    const size_t small = 1000;
    secure_pair pair;
    memset(text, 'x', sizeof text);
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.initiator_config.plaintext_bytes_max = sizeof text;
    pair.node_config.plaintext_bytes_max = sizeof text;
    pair_open(&pair);
    pair_shake(&pair);
    carry(&pair, rk_slice_of(text, sizeof text));
    assert_true(rk_secure_bytes_held(pair.node) < 2 * sizeof text + RK_SECURE_KEPT_BYTES);
    assert_true(rk_secure_bytes_held(pair.initiator) < 2 * sizeof text + RK_SECURE_KEPT_BYTES);
    carry(&pair, rk_slice_of(text, small));
    size_t node_bytes = rk_secure_bytes_held(pair.node);
    size_t initiator_bytes = rk_secure_bytes_held(pair.initiator);
    assert_in_range(node_bytes, 2 * small, 2 * RK_SECURE_KEPT_BYTES);
    assert_in_range(initiator_bytes, 2 * small, 2 * RK_SECURE_KEPT_BYTES);
    for (int i = 0; i < 10; i++)
        carry(&pair, rk_slice_of(text, small));
    assert_int_equal(rk_secure_bytes_held(pair.node), node_bytes);
    assert_int_equal(rk_secure_bytes_held(pair.initiator), initiator_bytes);
    pair_fini(&pair);
}

/* The session's own limit is smaller than a signature: its handshake works all the same. */
static void small_limits_leave_the_handshake_alone(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.initiator_config.plaintext_bytes_max = 1;
    pair.node_config.plaintext_bytes_max = 1;
    pair_open(&pair);
    packet message = hello(pair.initiator);
    message = answered(pair.node, slice_of(&message));
    message = answered(pair.initiator, slice_of(&message));
    packet welcome = answered(pair.node, slice_of(&message));
    packet again = answered(pair.node, slice_of(&message));
    assert_true(is_same(&welcome, &again));
    established(pair.initiator, slice_of(&welcome));
    pair_talk(&pair, "q", "a");
    pair_fini(&pair);
}

/* --- repeats ---------------------------------------------------------------------------------- */

static void a_repeat_is_answered_from_the_store(void **state)
{
    (void)state;
    secure_pair pair;
    pair_ready(&pair);
    pair_talk(&pair, "first", "1");
    packet request = sealed(pair.initiator, "second");
    taken(pair.node, slice_of(&request));
    packet reply = sealed(pair.node, "2");
    for (int i = 0; i < 3; i++) {
        packet again =
            answered(pair.node, slice_of(&request)); /* SEND, not MESSAGE: not executed */
        assert_true(is_same(&again, &reply));
    }
    taken(pair.initiator, slice_of(&reply));
    packet again = answered(pair.node, slice_of(&request));
    assert_true(is_same(&again, &reply));
    pair_talk(&pair, "third", "3"); /* counters are where they were */
    pair_fini(&pair);
}

static void a_repeat_during_the_work_waits(void **state)
{
    (void)state;
    secure_pair pair;
    rk_secure_step step = {RK_SECURE_ESTABLISHED, RK_SLICE_EMPTY};
    rk_error err = {0};
    pair_ready(&pair);
    packet request = sealed(pair.initiator, "slow");
    taken(pair.node, slice_of(&request));
    assert_int_equal(rk_secure_take(pair.node, slice_of(&request), &step, &err), RK_BUSY);
    assert_string_equal(err.message, "frame 1 came again while it is worked on");
    assert_int_equal(step.event, RK_SECURE_ESTABLISHED);
    assert_non_null(rk_secure_peer_of(pair.node));
    packet reply = sealed(pair.node, "done");
    packet again = answered(pair.node, slice_of(&request));
    assert_true(is_same(&again, &reply));
    pair_fini(&pair);
}

static void an_altered_repeat_ends_the_session(void **state)
{
    (void)state;
    size_t length = 0;
    for (size_t at = 0; at == 0 || at < length; at++) {
        for (int worked_on = 0; worked_on < 2; worked_on++) {
            secure_pair pair;
            pair_ready(&pair);
            packet request = sealed(pair.initiator, "pay 100");
            length = request.len;
            taken(pair.node, slice_of(&request));
            if (!worked_on)
                sealed(pair.node, "paid");
            request.data[at] ^= 1;
            refused(pair.node, slice_of(&request), NULL);
            pair_fini(&pair);
        }
    }
}

/* Only somebody with the key could make it; it is another request all the same. */
static void a_second_request_of_one_counter_ends_the_session(void **state)
{
    (void)state;
    secure_pair one, two;
    pair_ready(&one);
    pair_ready(&two);
    packet request = sealed(one.initiator, "pay 100");
    packet other = sealed(two.initiator, "pay 200");
    taken(one.node, slice_of(&request));
    sealed(one.node, "paid");
    refused(one.node, slice_of(&other), "frame 1 came again, and altered");
    taken(two.node, slice_of(&other)); /* it is authentic */
    pair_fini(&one);
    pair_fini(&two);
}

static void an_older_request_ends_the_session(void **state)
{
    (void)state;
    secure_pair pair;
    pair_ready(&pair);
    packet old = sealed(pair.initiator, "pay 100");
    taken(pair.node, slice_of(&old));
    packet reply = sealed(pair.node, "paid");
    taken(pair.initiator, slice_of(&reply));
    pair_talk(&pair, "balance", "0");
    refused(pair.node, slice_of(&old), "frame 1 came again, where 3 was to come");
    pair_fini(&pair);
}

static void an_older_request_during_the_work_ends_the_session(void **state)
{
    (void)state;
    secure_pair pair;
    pair_ready(&pair);
    packet old = sealed(pair.initiator, "pay 100");
    taken(pair.node, slice_of(&old));
    packet reply = sealed(pair.node, "paid");
    taken(pair.initiator, slice_of(&reply));
    packet request = sealed(pair.initiator, "balance");
    taken(pair.node, slice_of(&request));
    refused(pair.node, slice_of(&old), "frame 1 came before frame 2 was answered");
    pair_fini(&pair);
}

static void an_older_reply_ends_the_session(void **state)
{
    (void)state;
    secure_pair pair;
    pair_ready(&pair);
    packet request = sealed(pair.initiator, "balance");
    taken(pair.node, slice_of(&request));
    packet old = sealed(pair.node, "100");
    taken(pair.initiator, slice_of(&old));
    sealed(pair.initiator, "balance");
    refused(pair.initiator, slice_of(&old), "frame 1 came again, where 2 was to come");
    pair_fini(&pair);
}

static void a_reply_to_nothing_ends_the_session(void **state)
{
    (void)state;
    secure_pair pair;
    pair_ready(&pair);
    packet request = sealed(pair.initiator, "balance");
    taken(pair.node, slice_of(&request));
    packet reply = sealed(pair.node, "100");
    taken(pair.initiator, slice_of(&reply));
    refused(pair.initiator, slice_of(&reply), "a reply came to no request");
    pair_fini(&pair);
}

/* --- order ------------------------------------------------------------------------------------ */

/* The same randomness makes the same session twice; the initiator of one talks to the node of the
 * other, which gives messages from the future. */
static void a_request_too_early_ends_the_session(void **state)
{
    (void)state;
    secure_pair one, two;
    pair_ready(&one);
    pair_ready(&two);
    pair_talk(&one, "first", "1");
    packet second = sealed(one.initiator, "second");
    refused(two.node, slice_of(&second), "frame 2 came too early, where 1 was to come");
    pair_fini(&two);
    pair_ready(&two);
    packet first = sealed(two.initiator, "first");
    taken(two.node, slice_of(&first));
    refused(two.node, slice_of(&second), "frame 2 came before frame 1 was answered");
    pair_fini(&one);
    pair_fini(&two);
}

static void a_reply_too_early_ends_the_session(void **state)
{
    (void)state;
    secure_pair one, two;
    pair_ready(&one);
    pair_ready(&two);
    pair_talk(&one, "first", "1");
    packet second = sealed(one.initiator, "second");
    taken(one.node, slice_of(&second));
    packet reply = sealed(one.node, "2");
    sealed(two.initiator, "first");
    refused(two.initiator, slice_of(&reply), "frame 2 came too early, where 1 was to come");
    pair_fini(&one);
    pair_fini(&two);
}

static void reflected_frames_end_the_session(void **state)
{
    (void)state;
    secure_pair pair;
    pair_ready(&pair);
    packet request = sealed(pair.initiator, "question");
    refused(pair.initiator, slice_of(&request), "a frame of this side came back");
    taken(pair.node, slice_of(&request));
    packet reply = sealed(pair.node, "answer");
    refused(pair.node, slice_of(&reply), "a frame of this side came back");
    pair_fini(&pair);

    /* The direction in the header changed with it: the keys differ, and the header is bound. */
    pair_ready(&pair);
    request = sealed(pair.initiator, "question");
    request.data[25] = RKI_FROM_RESPONDER;
    refused(pair.initiator, slice_of(&request), "frame 1 was altered, or is of other keys");
    pair_fini(&pair);
}

/* --- every bit -------------------------------------------------------------------------------- */

typedef enum target_kind { REQUEST, REPLY } target_kind;

/* A session in which one message, still to be taken, is on its way to the receiver. */
static packet prepare(secure_pair *pair, target_kind target, rk_secure **receiver)
{
    pair_ready(pair);
    packet message = sealed(pair->initiator, "pay 100");
    *receiver = pair->node;
    if (target == REPLY) {
        taken(pair->node, slice_of(&message));
        message = sealed(pair->node, "paid 100");
        *receiver = pair->initiator;
    }
    return message;
}

static void a_changed_bit_ends_the_session(void **state)
{
    (void)state;
    for (target_kind target = REQUEST; target <= REPLY; target++) {
        size_t bits = 8;
        for (size_t bit = 0; bit < bits; bit++) {
            secure_pair pair;
            rk_secure *receiver = NULL;
            packet message = prepare(&pair, target, &receiver);
            bits = 8 * message.len;
            message.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            refused(receiver, slice_of(&message), NULL);
            pair_fini(&pair);
        }
    }
}

static void a_changed_length_ends_the_session(void **state)
{
    (void)state;
    for (target_kind target = REQUEST; target <= REPLY; target++) {
        size_t length = 1;
        for (size_t cut = 0; cut < length; cut++) {
            secure_pair pair;
            rk_secure *receiver = NULL;
            packet message = prepare(&pair, target, &receiver);
            length = message.len;
            refused(receiver, rk_slice_of(message.data, cut), NULL);
            pair_fini(&pair);
        }
        secure_pair pair;
        rk_secure *receiver = NULL;
        packet message = prepare(&pair, target, &receiver);
        message.len++;
        refused(receiver, slice_of(&message), NULL);
        pair_fini(&pair);
    }
}

static void a_frame_of_another_session_ends_the_session(void **state)
{
    (void)state;
    secure_pair one, two;
    pair_ready(&one);
    pair_init(&two, RK_ROLE_COORDINATOR);
    two.node_random.first = 0x41;
    pair_open(&two);
    pair_shake(&two);
    packet message = sealed(one.initiator, "question");
    refused(two.node, slice_of(&message), "a frame of another session");
    pair_fini(&two);

    /* With the right name on it, the keys are still the wrong ones. */
    pair_init(&two, RK_ROLE_COORDINATOR);
    two.node_random.first = 0x41;
    pair_open(&two);
    pair_shake(&two);
    memcpy(message.data + 9, rk_secure_id_of(two.node), RK_SECURE_ID_BYTES);
    refused(two.node, slice_of(&message), "frame 1 was altered, or is of other keys");
    pair_fini(&one);
    pair_fini(&two);
}

/* --- limits and the end ----------------------------------------------------------------------- */

static void a_session_carries_so_many_requests(void **state)
{
    (void)state;
    secure_pair pair;
    rk_slice send = RK_SLICE_EMPTY;
    rk_error err = {0};
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.initiator_config.frames_max = 3;
    pair_open(&pair);
    pair_shake(&pair);
    for (int i = 0; i < 3; i++)
        pair_talk(&pair, "question", "answer");
    assert_int_equal(rk_secure_seal(pair.initiator, RK_SLICE_EMPTY, &send, &err), RK_AUTH);
    assert_string_equal(err.message, "the session has carried its 3 requests");
    has_ended(pair.initiator);
    pair_fini(&pair);

    pair_init(&pair, RK_ROLE_CLIENT);
    pair.node_config.frames_max = 1;
    pair_open(&pair);
    pair_shake(&pair);
    pair_talk(&pair, "question", "answer");
    packet message = sealed(pair.initiator, "question");
    refused(pair.node, slice_of(&message), "frame 2 is past the limit of 1 in a session");
    pair_fini(&pair);
}

static void a_frame_too_large_ends_the_session(void **state)
{
    (void)state;
    secure_pair pair;
    pair_init(&pair, RK_ROLE_CLIENT);
    pair.node_config.plaintext_bytes_max = 100;
    pair_open(&pair);
    pair_shake(&pair);
    char text[102] = {0};
    memset(text, 'x', 100);
    pair_talk(&pair, text, "100 are allowed");
    text[100] = 'x';
    packet message = sealed(pair.initiator, text);
    refused(pair.node, slice_of(&message), "a frame of 101 bytes; 100 are allowed");
    pair_fini(&pair);
}

static void after_the_end_everything_is_refused(void **state)
{
    (void)state;
    secure_pair pair;
    pair_ready(&pair);
    packet request = sealed(pair.initiator, "question");
    taken(pair.node, slice_of(&request));
    sealed(pair.node, "answer");
    rk_secure_end(pair.node);
    rk_secure_end(pair.node);
    has_ended(pair.node);
    refused(pair.node, slice_of(&request), "the session has ended"); /* not even a repeat */
    rk_secure_end(pair.initiator);
    has_ended(pair.initiator);
    rk_slice send = RK_SLICE_EMPTY;
    assert_int_equal(rk_secure_hello(pair.initiator, &send, NULL), RK_AUTH);
    pair_fini(&pair);
}

static bool holds(const void *memory, const uint8_t key[RKI_KEY_BYTES])
{
    size_t size = malloc_usable_size((void *)(uintptr_t)memory);
    for (size_t at = 0; at + RKI_KEY_BYTES <= size; at++)
        if (memcmp((const uint8_t *)memory + at, key, RKI_KEY_BYTES) == 0)
            return true;
    return false;
}

/* The keys that the fixed randomness makes, computed apart from the session. */
static void keys_of(const secure_pair *pair, uint8_t secret[RKI_KEY_BYTES],
                    uint8_t send[RKI_KEY_BYTES], uint8_t receive[RKI_KEY_BYTES])
{
    fixed_random initiator = {INITIATOR_RANDOM + 1, 0};
    fixed_random responder = {RESPONDER_RANDOM + 1, 0};
    rk_secure_randomness randomness = pair->initiator_config.randomness;
    rki_terms terms = {0};
    randomness.state = &responder;
    rki_ephemeral(&randomness, terms.responder.ephemeral, secret);
    randomness.state = &initiator;
    rki_ephemeral(&randomness, terms.initiator.ephemeral, secret);
    assert_int_equal(rki_traffic_keys(RKI_FROM_INITIATOR, &terms, secret, send, receive, NULL),
                     RK_OK);
}

static void the_end_wipes_the_keys(void **state)
{
    (void)state;
    secure_pair pair;
    uint8_t secret[RKI_KEY_BYTES], send[RKI_KEY_BYTES], receive[RKI_KEY_BYTES];
    pair_init(&pair, RK_ROLE_COORDINATOR);
    keys_of(&pair, secret, send, receive);
    pair_open(&pair);
    hello(pair.initiator);
    assert_true(holds(pair.initiator, secret));
    pair_fini(&pair);

    pair_ready(&pair);
    assert_false(holds(pair.initiator, secret)); /* gone as soon as the keys are made */
    assert_true(holds(pair.initiator, send) && holds(pair.initiator, receive));
    assert_true(holds(pair.node, send) && holds(pair.node, receive));
    packet message = sealed(pair.initiator, "question");
    refused(pair.initiator, slice_of(&message), NULL);
    rk_secure_end(pair.node);
    assert_false(holds(pair.initiator, send) || holds(pair.initiator, receive));
    assert_false(holds(pair.node, send) || holds(pair.node, receive));
    pair_fini(&pair);
}

int test_secure_frames(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_replies_go_through),
        cmocka_unit_test(the_same_words_never_look_the_same),
        cmocka_unit_test(the_largest_plaintext_goes_through),
        cmocka_unit_test(a_plaintext_may_be_sealed_again),
        cmocka_unit_test(a_large_message_leaves_nothing_behind),
        cmocka_unit_test(small_limits_leave_the_handshake_alone),
        cmocka_unit_test(a_repeat_is_answered_from_the_store),
        cmocka_unit_test(a_repeat_during_the_work_waits),
        cmocka_unit_test(an_altered_repeat_ends_the_session),
        cmocka_unit_test(a_second_request_of_one_counter_ends_the_session),
        cmocka_unit_test(an_older_request_ends_the_session),
        cmocka_unit_test(an_older_request_during_the_work_ends_the_session),
        cmocka_unit_test(an_older_reply_ends_the_session),
        cmocka_unit_test(a_reply_to_nothing_ends_the_session),
        cmocka_unit_test(a_request_too_early_ends_the_session),
        cmocka_unit_test(a_reply_too_early_ends_the_session),
        cmocka_unit_test(reflected_frames_end_the_session),
        cmocka_unit_test(a_changed_bit_ends_the_session),
        cmocka_unit_test(a_changed_length_ends_the_session),
        cmocka_unit_test(a_frame_of_another_session_ends_the_session),
        cmocka_unit_test(a_session_carries_so_many_requests),
        cmocka_unit_test(a_frame_too_large_ends_the_session),
        cmocka_unit_test(after_the_end_everything_is_refused),
        cmocka_unit_test(the_end_wipes_the_keys),
    };
    return cmocka_run_group_tests_name("secure frames", tests, NULL, NULL);
}
