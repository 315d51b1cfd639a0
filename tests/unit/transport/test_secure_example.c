/* The worked example of specs/wire.md, made from the code and compared with the file, so that the
 * description cannot drift from what is spoken. REKEY_UPDATE_GOLDEN=1 rewrites it. tests/wire
 * computes the same example in another language. */
#include "tests/unit/transport/test_secure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/transport/secure_pair.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define BEGIN          "<!-- example: made by tests/unit/transport -->\n```\n"
#define END            "```\n<!-- end of example -->"
#define HEX_A_LINE     32

/* `name = hex`, with further lines of hex indented. */
static void put_hex(rk_buf *out, const char *name, rk_slice bytes)
{
    char hex[2 * HEX_A_LINE + 1];
    assert_int_equal(rk_buf_append_format(out, NULL, "%s =\n", name), RK_OK);
    for (size_t at = 0; at < bytes.len; at += HEX_A_LINE) {
        size_t rest = bytes.len - at;
        rk_hex(rk_slice_of(bytes.ptr + at, rest < HEX_A_LINE ? rest : HEX_A_LINE), hex);
        assert_int_equal(rk_buf_append_format(out, NULL, "    %s\n", hex), RK_OK);
    }
}

static void put_copy(rk_buf *out, const char *name, const packet *copy)
{
    put_hex(out, name, slice_of(copy));
}

/* What each side keeps to itself, and the keys that come of it. */
static void put_keys(rk_buf *out, const secure_pair *pair)
{
    fixed_random initiator = {INITIATOR_RANDOM, 0};
    fixed_random responder = {RESPONDER_RANDOM, 0};
    rk_secure_randomness randomness = pair->initiator_config.randomness;
    rki_terms terms = {.context = pair->node_config.context,
                       .initiator_role = RK_ROLE_COORDINATOR,
                       .responder_role = RK_ROLE_NODE};
    uint8_t secret[2][RKI_KEY_BYTES], send[RKI_KEY_BYTES], receive[RKI_KEY_BYTES];
    rk_digest transcript;
    terms.initiator.identity = pair->initiator_key.public_key;
    terms.responder.identity = pair->node_key.public_key;
    randomness.state = &initiator;
    randomness.fill(randomness.state, terms.initiator.nonce, RKI_NONCE_BYTES);
    rki_ephemeral(&randomness, terms.initiator.ephemeral, secret[0]);
    randomness.state = &responder;
    randomness.fill(randomness.state, terms.responder.nonce, RKI_NONCE_BYTES);
    rki_ephemeral(&randomness, terms.responder.ephemeral, secret[1]);
    assert_int_equal(rki_traffic_keys(RKI_FROM_INITIATOR, &terms, secret[0], send, receive, NULL),
                     RK_OK);
    rki_transcript(&terms, &transcript);

    put_hex(out, "context", terms.context);
    put_hex(out, "initiator identity seed", rk_slice_of(pair->initiator_key.bytes, 32));
    put_hex(out, "initiator nonce", rk_slice_of(terms.initiator.nonce, RKI_NONCE_BYTES));
    put_hex(out, "initiator ephemeral secret", rk_slice_of(secret[0], RKI_KEY_BYTES));
    put_hex(out, "responder identity seed", rk_slice_of(pair->node_key.bytes, 32));
    put_hex(out, "responder nonce", rk_slice_of(terms.responder.nonce, RKI_NONCE_BYTES));
    put_hex(out, "responder ephemeral secret", rk_slice_of(secret[1], RKI_KEY_BYTES));
    put_hex(out, "transcript", rk_slice_of(transcript.bytes, RK_DIGEST_BYTES));
    put_hex(out, "key initiator to responder", rk_slice_of(send, RKI_KEY_BYTES));
    put_hex(out, "key responder to initiator", rk_slice_of(receive, RKI_KEY_BYTES));
}

static void put_messages(rk_buf *out, secure_pair *pair)
{
    packet message = hello(pair->initiator);
    put_copy(out, "hello", &message);
    message = answered(pair->node, slice_of(&message));
    put_copy(out, "answer", &message);
    message = answered(pair->initiator, slice_of(&message));
    put_copy(out, "frame 0 of the initiator", &message);
    message = answered(pair->node, slice_of(&message));
    put_copy(out, "frame 0 of the responder", &message);
    established(pair->initiator, slice_of(&message));
    message = sealed(pair->initiator, "ping");
    put_copy(out, "frame 1 of the initiator, \"ping\"", &message);
    taken(pair->node, slice_of(&message));
    message = sealed(pair->node, "pong");
    put_copy(out, "frame 1 of the responder, \"pong\"", &message);
    taken(pair->initiator, slice_of(&message));
    put_hex(out, "refusal", rk_secure_refusal());
}

static void read_description(rk_buf *out)
{
    FILE *file = fopen(WIRE_DESCRIPTION, "rb");
    assert_non_null(file);
    rk_buf_init(out, FILE_BYTES_MAX);
    assert_int_equal(rk_buf_reserve(out, FILE_BYTES_MAX, NULL), RK_OK);
    out->len = fread(out->ptr, 1, FILE_BYTES_MAX - 1, file);
    out->ptr[out->len] = '\0';
    assert_int_equal(fclose(file), 0);
}

static void write_description(const char *before, size_t before_len, rk_slice example,
                              const char *after)
{
    FILE *file = fopen(WIRE_DESCRIPTION, "wb");
    assert_non_null(file);
    fwrite(before, 1, before_len, file);
    fwrite(example.ptr, 1, example.len, file);
    fputs(after, file);
    assert_int_equal(fclose(file), 0);
}

static void the_description_has_this_example(void **state)
{
    (void)state;
    secure_pair pair;
    rk_buf example, description;
    rk_buf_init(&example, FILE_BYTES_MAX);
    pair_init(&pair, RK_ROLE_COORDINATOR);
    pair_open(&pair);
    put_keys(&example, &pair);
    put_messages(&example, &pair);
    read_description(&description);
    const char *text = (const char *)description.ptr;
    const char *begin = strstr(text, BEGIN);
    assert_non_null(begin);
    begin += sizeof BEGIN - 1;
    const char *end = strstr(begin, END);
    assert_non_null(end);
    if (!rk_slice_equal(rk_buf_slice(&example), rk_slice_of(begin, (size_t)(end - begin)))) {
        const char *update = getenv("REKEY_UPDATE_GOLDEN");
        if (update == NULL || strcmp(update, "1") != 0)
            fail_msg("%s: the example is not what the code speaks; REKEY_UPDATE_GOLDEN=1 rewrites "
                     "it, if this is meant (then the version changes, too)",
                     WIRE_DESCRIPTION);
        write_description(text, (size_t)(begin - text), rk_buf_slice(&example), end);
    }
    rk_buf_fini(&example);
    rk_buf_fini(&description);
    pair_fini(&pair);
}

int test_secure_example(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_description_has_this_example)};
    return cmocka_run_group_tests_name("secure example", tests, NULL, NULL);
}
