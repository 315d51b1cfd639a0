/* Digests, hex and signatures against known answers. The digests were computed with Python's
 * hashlib, the signature with the reference code of RFC 8032 after it had given the answer of
 * section 7.3 for the same seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rekey/crypto/crypto.h"
#include "rekey/crypto/role.h"
#include "tests/unit/crypto/test_keyfile.h"

#define DOMAIN "rekey test v1"

/* The seed and public key of RFC 8032, section 7.3; a secret key is both, one after the other. */
#define SEED   "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"
#define PUBLIC "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf"

static const char long_part[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; /* 300 */

static const struct {
    const char *name;
    const char *domain;
    const char *parts[2];
    size_t count;
    const char *hex;
} digest_cases[] = {
    {"no part",
     DOMAIN,
     {NULL, NULL},
     0,
     "c129dc87b2907ee1e38bec54cca08de9104551bdd2d071dfdd5e9934a53d8d54"},
    {"one empty part",
     DOMAIN,
     {"", NULL},
     1,
     "bb05d5a5cc4b2961e9eb4ab19f9660a2b8d67450721f90816b08273f1c43a536"},
    {"abc",
     DOMAIN,
     {"abc", NULL},
     1,
     "fcd15571fb47862be1530fc7e5b853baea538296729f4c397d3cf0b2f47438ea"},
    {"a, bc",
     DOMAIN,
     {"a", "bc"},
     2,
     "39491fbb579e1f3f898d62f64e75e6701e8e4265b59057ba3bb0250849f30ed0"},
    {"ab, c",
     DOMAIN,
     {"ab", "c"},
     2,
     "9d6b76dc048b74ed94b494f05dbf2b679e2108de9f5b0d9629dfc54792907f1f"},
    {"more than a block",
     DOMAIN,
     {long_part, NULL},
     1,
     "8790cd522fc15ef8040774eb16abda21f5ca4281acf63a2ba67f2e2967501368"},
    {"another domain",
     "rekey test v2",
     {"abc", NULL},
     1,
     "2a155922c03226550431464902205c3e9a675e963f9b66ac1b746e9322109746"},
};

static void digests_are_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof digest_cases / sizeof *digest_cases; i++) {
        rk_slice parts[2] = {rk_slice_str(digest_cases[i].parts[0]),
                             rk_slice_str(digest_cases[i].parts[1])};
        rk_digest digest;
        char hex[RK_DIGEST_HEX_BYTES];
        rk_digest_parts(digest_cases[i].domain, parts, digest_cases[i].count, &digest);
        rk_hex(rk_slice_of(digest.bytes, sizeof digest.bytes), hex);
        if (strcmp(hex, digest_cases[i].hex) != 0)
            fail_msg("%s: %s", digest_cases[i].name, hex);
    }
}

/* From the reference code of SipHash-2-4: its key, and its messages of 0, 1 and 15 bytes. */
static void short_digests_are_known(void **state)
{
    (void)state;
    rk_short_key key;
    uint8_t message[15];
    for (uint8_t i = 0; i < sizeof key.bytes; i++)
        key.bytes[i] = i;
    for (uint8_t i = 0; i < sizeof message; i++)
        message[i] = i;
    assert_true(rk_digest_short(&key, RK_SLICE_EMPTY) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(rk_digest_short(&key, rk_slice_of(message, 1)) == UINT64_C(0x74f839c593dc67fd));
    assert_true(rk_digest_short(&key, rk_slice_of(message, 15)) == UINT64_C(0xa129ca6149be45e5));
}

static const struct {
    const char *name;
    const char *text;
    rk_status status;
} unhex_cases[] = {
    {"lower", "00ff1a", RK_OK},        {"upper", "00FF1A", RK_OK},
    {"too short", "00ff", RK_INVALID}, {"too long", "00ff1a00", RK_INVALID},
    {"odd", "00ff1a0", RK_INVALID},    {"no digit", "00fg1a", RK_INVALID},
    {"space", "00ff 1", RK_INVALID},   {"empty", "", RK_INVALID},
};

static void hex_is_read_strictly(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof unhex_cases / sizeof *unhex_cases; i++) {
        uint8_t bytes[3] = {7, 7, 7};
        rk_error err = {0};
        rk_status status = rk_unhex(rk_slice_str(unhex_cases[i].text), bytes, sizeof bytes, &err);
        const uint8_t expected[3] = {0x00, 0xff, 0x1a};
        const uint8_t untouched[3] = {7, 7, 7};
        if (status != unhex_cases[i].status || (status != RK_OK) != (err.message[0] != '\0'))
            fail_msg("%s: status %d, %s", unhex_cases[i].name, (int)status, err.message);
        assert_memory_equal(bytes, status == RK_OK ? expected : untouched, sizeof bytes);
    }
}

static rk_secret_key known_key(void)
{
    rk_secret_key key;
    assert_int_equal(rk_unhex(rk_slice_str(SEED PUBLIC), key.bytes, sizeof key.bytes, NULL), RK_OK);
    assert_int_equal(
        rk_unhex(rk_slice_str(PUBLIC), key.public_key.bytes, sizeof key.public_key.bytes, NULL),
        RK_OK);
    return key;
}

static void a_signature_is_known(void **state)
{
    (void)state;
    rk_secret_key key = known_key();
    rk_signature signature;
    char hex[2 * RK_SIGNATURE_BYTES + 1];
    rk_sign(&key, DOMAIN, rk_slice_str("abc"), &signature);
    rk_hex(rk_slice_of(signature.bytes, sizeof signature.bytes), hex);
    assert_string_equal(hex, "5ccf8c841ada243b23148d518481be4520f22a7d2cb56abc13decb90332414b1"
                             "e7da7cc648bcf1091ea5e1873c6b0d70c1b20324347adf9348c2ddf0c9ddd400");
}

static void a_signature_holds_for_one_thing(void **state)
{
    (void)state;
    rk_secret_key key = known_key();
    rk_secret_key other;
    rk_key_generate(&other);
    rk_slice message = rk_slice_str("abc");
    rk_signature signature;
    rk_error err = {0};
    rk_sign(&key, DOMAIN, message, &signature);
    const rk_public_key *public = &key.public_key;
    assert_int_equal(rk_verify(public, DOMAIN, message, &signature, &err), RK_OK);
    assert_string_equal(err.message, "");

    rk_slice changed = rk_slice_str("abd");
    assert_int_equal(rk_verify(public, DOMAIN, changed, &signature, &err), RK_AUTH);
    assert_string_equal(err.message, "the signature is not this key's over this " DOMAIN);
    assert_int_equal(rk_verify(public, "rekey test v2", message, &signature, NULL), RK_AUTH);
    assert_int_equal(rk_verify(&other.public_key, DOMAIN, message, &signature, NULL), RK_AUTH);
    for (size_t i = 0; i < sizeof signature.bytes; i++) {
        rk_signature spoilt = signature;
        spoilt.bytes[i] ^= 1;
        assert_int_equal(rk_verify(public, DOMAIN, message, &spoilt, NULL), RK_AUTH);
    }
    const rk_public_key zero = {0}; /* a point of small order accepts forged signatures */
    assert_int_equal(rk_verify(&zero, DOMAIN, message, &(rk_signature){0}, NULL), RK_AUTH);
}

static void a_made_key_signs_and_is_wiped(void **state)
{
    (void)state;
    rk_secret_key key;
    rk_secret_key again;
    const rk_secret_key zero = {0};
    rk_key_generate(&key);
    rk_key_generate(&again);
    assert_memory_not_equal(&key, &again, sizeof key);
    rk_signature signature;
    rk_sign(&key, DOMAIN, RK_SLICE_EMPTY, &signature);
    assert_int_equal(rk_verify(&key.public_key, DOMAIN, RK_SLICE_EMPTY, &signature, NULL), RK_OK);
    rk_secret_key_wipe(&key);
    assert_memory_equal(&key, &zero, sizeof key);
    rk_secret_key_wipe(NULL);
}

static void random_bytes_differ(void **state)
{
    (void)state;
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    rk_random_bytes(a, sizeof a);
    rk_random_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

static void roles_have_names_and_fixed_numbers(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "operator", "coordinator", "node", "client"};
    for (int role = RK_ROLE_NONE; role <= RK_ROLE_MAX; role++) {
        assert_string_equal(rk_role_name((rk_role)role), names[role]);
        assert_int_equal(rk_role_of_name(rk_slice_str(names[role])), role);
    }
    assert_string_equal(rk_role_name((rk_role)(RK_ROLE_MAX + 1)), "unknown");
    assert_int_equal(rk_role_of_name(RK_SLICE_EMPTY), RK_ROLE_NONE);
    assert_int_equal(rk_role_of_name(RK_SLICE_LITERAL("Node")), RK_ROLE_NONE);
    assert_int_equal(rk_role_of_name(RK_SLICE_LITERAL("nodes")), RK_ROLE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_known),
        cmocka_unit_test(short_digests_are_known),
        cmocka_unit_test(hex_is_read_strictly),
        cmocka_unit_test(a_signature_is_known),
        cmocka_unit_test(a_signature_holds_for_one_thing),
        cmocka_unit_test(a_made_key_signs_and_is_wiped),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(roles_have_names_and_fixed_numbers),
    };
    rk_error err = {0};
    if (rk_crypto_init(&err) != RK_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    int failed = cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
    return failed + test_keyfile();
}
