#include "tests/unit/transport/secure_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sodium.h>
#include <cmocka.h>

/* --- keys ------------------------------------------------------------------------------------- */

rk_secret_key fixed_key(uint8_t seed)
{
    rk_secret_key key;
    uint8_t bytes[crypto_sign_SEEDBYTES];
    memset(bytes, seed, sizeof bytes);
    assert_int_equal(crypto_sign_seed_keypair(key.public_key.bytes, key.bytes, bytes), 0);
    return key;
}

static void fill_fixed(void *state, void *out, size_t len)
{
    fixed_random *random = state;
    memset(out, random->first + random->calls++, len);
}

static bool role_of(const void *state, const rk_public_key *key, rk_role *out)
{
    const key_list *directory = state;
    for (size_t i = 0; i < directory->count; i++) {
        if (memcmp(&directory->listed[i].key, key, sizeof *key) != 0)
            continue;
        *out = directory->listed[i].role;
        return true;
    }
    return false;
}

void list_key(key_list *directory, const rk_secret_key *key, rk_role role)
{
    assert_true(directory->count < sizeof directory->listed / sizeof *directory->listed);
    directory->listed[directory->count++] = (listed_key){key->public_key, role};
}

/* --- a pair ----------------------------------------------------------------------------------- */

static rk_secure_config config_of(const secure_pair *pair, rk_role role, const rk_secret_key *key,
                                  fixed_random *random)
{
    return (rk_secure_config){.role = role,
                              .key = key,
                              .context = RK_SLICE_LITERAL("cluster-7"),
                              .directory = {role_of, &pair->directory},
                              .randomness = {fill_fixed, random},
                              .plaintext_bytes_max = PLAINTEXT_BYTES_MAX,
                              .frames_max = FRAMES_MAX};
}

void pair_init(secure_pair *pair, rk_role initiator)
{
    memset(pair, 0, sizeof *pair);
    pair->initiator_key = fixed_key(1);
    pair->node_key = fixed_key(2);
    list_key(&pair->directory, &pair->initiator_key, initiator);
    list_key(&pair->directory, &pair->node_key, RK_ROLE_NODE);
    pair->initiator_random = (fixed_random){INITIATOR_RANDOM, 0};
    pair->node_random = (fixed_random){RESPONDER_RANDOM, 0};
    pair->initiator_config =
        config_of(pair, initiator, &pair->initiator_key, &pair->initiator_random);
    pair->initiator_config.asks = true;
    pair->node_config = config_of(pair, RK_ROLE_NODE, &pair->node_key, &pair->node_random);
}

void pair_open(secure_pair *pair)
{
    rk_error err = {0};
    if (rk_secure_create(&pair->initiator_config, &pair->initiator, &err) != RK_OK ||
        rk_secure_create(&pair->node_config, &pair->node, &err) != RK_OK)
        fail_msg("%s", err.message);
}

void pair_fini(secure_pair *pair)
{
    rk_secure_destroy(pair->initiator);
    rk_secure_destroy(pair->node);
    pair->initiator = NULL;
    pair->node = NULL;
}

/* --- steps ------------------------------------------------------------------------------------ */

packet packet_of(rk_slice slice)
{
    packet copy = {slice.len, {0}};
    assert_true(slice.len <= sizeof copy.data);
    if (slice.len > 0)
        memcpy(copy.data, slice.ptr, slice.len);
    return copy;
}

rk_slice slice_of(const packet *bytes)
{
    return rk_slice_of(bytes->data, bytes->len);
}

packet hello(rk_secure *session)
{
    rk_slice send = RK_SLICE_EMPTY;
    rk_error err = {0};
    if (rk_secure_hello(session, &send, &err) != RK_OK)
        fail_msg("hello: %s", err.message);
    return packet_of(send);
}

static rk_slice step(rk_secure *session, rk_slice message, rk_secure_event event)
{
    rk_secure_step step = {0};
    rk_error err = {0};
    if (rk_secure_take(session, message, &step, &err) != RK_OK)
        fail_msg("take: %s", err.message);
    assert_int_equal(step.event, event);
    assert_string_equal(err.message, "");
    return step.bytes;
}

packet answered(rk_secure *session, rk_slice message)
{
    return packet_of(step(session, message, RK_SECURE_SEND));
}

packet taken(rk_secure *session, rk_slice message)
{
    return packet_of(step(session, message, RK_SECURE_MESSAGE));
}

void established(rk_secure *session, rk_slice message)
{
    assert_int_equal(step(session, message, RK_SECURE_ESTABLISHED).len, 0);
    assert_non_null(rk_secure_peer_of(session));
}

packet sealed(rk_secure *session, const char *text)
{
    rk_slice send = RK_SLICE_EMPTY;
    rk_error err = {0};
    if (rk_secure_seal(session, rk_slice_str(text), &send, &err) != RK_OK)
        fail_msg("seal: %s", err.message);
    return packet_of(send);
}

void pair_shake(secure_pair *pair)
{
    packet message = hello(pair->initiator);
    message = answered(pair->node, slice_of(&message));
    message = answered(pair->initiator, slice_of(&message));
    message = answered(pair->node, slice_of(&message));
    established(pair->initiator, slice_of(&message));
}

void pair_ready(secure_pair *pair)
{
    pair_init(pair, RK_ROLE_COORDINATOR);
    pair_open(pair);
    pair_shake(pair);
}

void pair_talk(secure_pair *pair, const char *request, const char *reply)
{
    packet message = sealed(pair->initiator, request);
    packet plaintext = taken(pair->node, slice_of(&message));
    assert_true(rk_slice_equal(slice_of(&plaintext), rk_slice_str(request)));
    message = sealed(pair->node, reply);
    plaintext = taken(pair->initiator, slice_of(&message));
    assert_true(rk_slice_equal(slice_of(&plaintext), rk_slice_str(reply)));
}

/* --- refusals --------------------------------------------------------------------------------- */

void has_ended(rk_secure *session)
{
    rk_secure_step step = {RK_SECURE_ESTABLISHED, RK_SLICE_EMPTY};
    rk_slice send = RK_SLICE_EMPTY;
    rk_error err = {0};
    assert_null(rk_secure_peer_of(session));
    assert_null(rk_secure_id_of(session));
    assert_int_equal(rk_secure_take(session, RK_SLICE_LITERAL("x"), &step, &err), RK_AUTH);
    assert_string_equal(err.message, "the session has ended");
    assert_int_equal(rk_secure_seal(session, RK_SLICE_LITERAL("x"), &send, NULL), RK_AUTH);
    assert_int_equal(step.event, RK_SECURE_ESTABLISHED); /* untouched */
    assert_null(send.ptr);
}

void refused(rk_secure *session, rk_slice message, const char *reason)
{
    rk_secure_step step = {RK_SECURE_ESTABLISHED, RK_SLICE_EMPTY};
    rk_error err = {0};
    assert_int_equal(rk_secure_take(session, message, &step, &err), RK_AUTH);
    if (reason != NULL && strstr(err.message, reason) == NULL)
        fail_msg("expected \"%s\" in: %s", reason, err.message);
    assert_true(err.message[0] != '\0');
    assert_int_equal(step.event, RK_SECURE_ESTABLISHED);
    assert_null(step.bytes.ptr);
    has_ended(session);
}
