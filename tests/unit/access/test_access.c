/* The authorized keys: what is read, every finding, and who may touch what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rekey/access/access.h"
#include "tests/unit/access/test_access_file.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define Z "0000000000000000000000000000000000000000000000000000000000000000"

static rk_access *parse(const char *text)
{
    rk_access *access = NULL;
    rk_error err = {0};
    if (rk_access_parse(rk_slice_str(text), "keys.yaml", &access, NULL, &err) != RK_OK)
        fail_msg("%s", err.message);
    return access;
}

static const rk_access_entry *find(const rk_access *access, uint8_t byte)
{
    rk_public_key key;
    memset(&key, byte, sizeof key);
    return rk_access_find(access, &key);
}

/* --- what is read ----------------------------------------------------------------------------- */

static const char everybody[] = "keys:\n"
                                "  - key: " D "\n"
                                "    role: client\n"
                                "    name: billing\n"
                                "    tenants: [globex, acme]\n"
                                "    capsules: [PRODUS]\n"
                                "  - {key: " C ", role: node, name: node 1}\n"
                                "  - {key: " B ", role: coordinator, name: host}\n"
                                "  - {key: " A ", role: operator, name: alice}\n";

static void keys_have_their_roles(void **state)
{
    (void)state;
    static const struct {
        uint8_t byte;
        rk_role role;
        const char *name;
        uint32_t line;
    } cases[] = {
        {0xaa, RK_ROLE_OPERATOR, "alice", 9},
        {0xbb, RK_ROLE_COORDINATOR, "host", 8},
        {0xcc, RK_ROLE_NODE, "node 1", 7},
        {0xdd, RK_ROLE_CLIENT, "billing", 2},
    };
    rk_access *access = parse(everybody);
    assert_int_equal(rk_access_count(access), 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const rk_access_entry *entry = find(access, cases[i].byte);
        assert_non_null(entry);
        assert_int_equal(entry->role, cases[i].role);
        assert_string_equal(entry->name, cases[i].name);
        assert_int_equal(entry->line, cases[i].line);
        assert_ptr_equal(entry, rk_access_at(access, i)); /* in the keys' order */
        rk_role role = RK_ROLE_NONE;
        assert_true(rk_access_role_of(access, &entry->key, &role));
        assert_int_equal(role, cases[i].role);
    }
    rk_access_destroy(access);
}

static void an_unlisted_key_is_nobodys(void **state)
{
    (void)state;
    rk_access *access = parse(everybody);
    const rk_public_key zero = {{0}};
    rk_role role = RK_ROLE_NONE;
    assert_null(find(access, 0xab));
    assert_null(find(access, 0xff));
    assert_null(rk_access_find(access, &zero));
    assert_false(rk_access_role_of(access, &zero, &role));
    assert_int_equal(role, RK_ROLE_NONE);
    rk_access_destroy(access);
}

/* --- who may touch what ----------------------------------------------------------------------- */

static bool permits(const rk_access *access, uint8_t byte, const char *tenant, const char *capsule)
{
    return rk_access_permits(find(access, byte), rk_slice_str(tenant), rk_slice_str(capsule));
}

static void a_client_has_what_is_listed(void **state)
{
    (void)state;
    rk_access *access = parse(everybody);
    assert_true(permits(access, 0xdd, "acme", "PRODUS"));
    assert_true(permits(access, 0xdd, "globex", "PRODUS"));
    assert_false(permits(access, 0xdd, "acme", "DEVUS"));
    assert_false(permits(access, 0xdd, "initech", "PRODUS"));
    assert_false(permits(access, 0xdd, "acm", "PRODUS"));
    assert_false(permits(access, 0xdd, "acmee", "PRODUS"));
    assert_false(permits(access, 0xdd, "ACME", "PRODUS"));
    assert_false(permits(access, 0xdd, "*", "PRODUS"));
    assert_false(permits(access, 0xdd, "", ""));
    rk_access_destroy(access);
}

static void the_other_roles_are_no_clients(void **state)
{
    (void)state;
    rk_access *access = parse(everybody);
    assert_false(permits(access, 0xaa, "acme", "PRODUS"));
    assert_true(permits(access, 0xbb, "acme", "PRODUS"));
    assert_false(permits(access, 0xcc, "acme", "PRODUS"));
    assert_false(permits(access, 0xee, "acme", "PRODUS")); /* nobody */
    rk_access_destroy(access);
}

static void a_star_is_everything(void **state)
{
    (void)state;
    rk_access *access =
        parse("keys:\n"
              "- {key: " A ", role: client, name: a, tenants: \"*\", capsules: [P]}\n"
              "- {key: " B ", role: client, name: b, tenants: [t], capsules: '*'}\n");
    assert_true(permits(access, 0xaa, "anybody", "P"));
    assert_false(permits(access, 0xaa, "anybody", "Q"));
    assert_false(permits(access, 0xaa, "", "P"));
    assert_true(permits(access, 0xbb, "t", "anything"));
    assert_false(permits(access, 0xbb, "u", "anything"));
    rk_access_destroy(access);
}

/* --- findings --------------------------------------------------------------------------------- */

#define ENTRY(rest)  "keys:\n  - {key: " A ", role: node, name: n" rest "}\n"
#define CLIENT(rest) "keys:\n  - {key: " A ", role: client, name: n, " rest "}\n"

/* One of the findings, as line:column: message. */
static const struct {
    const char *name;
    const char *text;
    const char *finding;
} bad[] = {
    {"nothing", "", "0:0: key list: the file holds no mapping"},
    {"a list", "- 1\n", "0:0: key list: the file holds no mapping"},
    {"no keys", "a: 1\n", "1:1: key list: unknown key \"a\""},
    {"a near key", "key: []\n", "1:1: key list: unknown key \"key\" (did you mean \"keys\"?)"},
    {"no list", "keys: 5\n", "1:7: keys: expected a list, found a text"},
    {"empty list", "keys: []\n", "1:7: keys: the list is empty"},
    {"not a mapping", "keys: [5]\n", "1:8: keys: expected a mapping, found a text"},
    {"unknown key", ENTRY(", rule: x"),
     "2:98: keys: unknown key \"rule\" (did you mean \"role\"?)"},
    {"duplicate key", ENTRY(", name: m"), "2:98: yaml: duplicate key \"name\", first on line 2"},
    {"no role", "keys:\n  - {key: " A ", name: n}\n", "2:5: keys: missing key \"role\""},
    {"no name", "keys:\n  - {key: " A ", role: node}\n", "2:5: keys: missing key \"name\""},
    {"no key", "keys:\n  - {role: node, name: n}\n", "2:5: keys: missing key \"key\""},
    {"unknown role", "keys:\n  - {key: " A ", role: nodes, name: n}\n",
     "2:83: role: \"nodes\" is not one of operator, coordinator, node, client (did you mean "
     "\"node\"?)"},
    {"short hex", "keys:\n  - {key: aaaa, role: node, name: n}\n",
     "2:11: key: expected a public key of 64 hex digits, found \"aaaa\""},
    {"no hex", "keys:\n  - {key: g" A ", role: node, name: n}\n", "2:11: key: expected a public"},
    {"zero", "keys:\n  - {key: \"" Z "\", role: node, name: n}\n",
     "2:11: key: all zero is nobody's key"},
    {"listed twice",
     "keys:\n  - {key: " B ", role: node, name: n}\n"
     "  - {key: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,"
     " role: client, name: m, tenants: [t], capsules: [c]}\n",
     "3:11: key: listed twice, first on line 2"},
    {"a node's tenants", ENTRY(", tenants: [t]"),
     "2:107: tenants: only a client has them, this is a key of role node"},
    {"no tenants", CLIENT("capsules: [c]"),
     "2:5: keys: a client without \"tenants\": list them, or write \"*\""},
    {"no capsules", CLIENT("tenants: [t]"),
     "2:5: keys: a client without \"capsules\": list them, or write \"*\""},
    {"a word", CLIENT("tenants: all, capsules: [c]"),
     "2:109: tenants: expected a list or \"*\", found \"all\""},
    {"a mapping", CLIENT("tenants: {t: 1}, capsules: [c]"),
     "2:109: tenants: expected a list or \"*\""},
    {"null", CLIENT("tenants: ~, capsules: [c]"), "2:109: tenants: expected a list or \"*\""},
    {"no tenant", CLIENT("tenants: [], capsules: [c]"), "2:109: tenants: the list is empty"},
    {"star in a list", CLIENT("tenants: [t, \"*\"], capsules: [c]"),
     "2:113: tenants: \"*\" stands alone, not in a list"},
    {"a tenant twice", CLIENT("tenants: [t, u, t], capsules: [c]"),
     "2:116: tenants: \"t\" is named twice"},
    {"a delimiter", CLIENT("tenants: [\"a#b\"], capsules: [c]"),
     "2:110: tenants: \"a#b\" holds the delimiter '#'"},
    {"an empty tenant", CLIENT("tenants: [\"\"], capsules: [c]"), "2:110: tenants: \"\" is empty"},
    {"a line end", CLIENT("tenants: [\"a\\nb\"], capsules: [c]"),
     "2:110: tenants: \"a?b\" holds a control character"},
    {"a long name", "keys:\n  - {key: " A ", role: node, name: " A "x}\n",
     "2:95: name: expected one line of 1 to 64 bytes"},
    {"an alias", "keys:\n  - &a {key: " A ", role: node, name: n}\n  - *a\n",
     "3:6: yaml: aliases are not allowed: write the value out"},
    {"a tag", "keys:\n  - {key: " A ", role: !!str node, name: n}\n", "yaml: tags are not allowed"},
    {"two documents", ENTRY("") "---\nkeys: []\n", "3:1: yaml: a key list is one document"},
    {"no yaml", "keys: [\n", "yaml: "},
};

static bool has_finding(const rk_findings *findings, const char *expected)
{
    for (size_t i = 0; i < findings->count; i++) {
        const rk_finding *finding = &findings->items[i];
        char text[600];
        snprintf(text, sizeof text, "%u:%u: %s", finding->line, finding->column, finding->message);
        if (strstr(text, expected) != NULL)
            return true;
        print_message("%s\n", text);
    }
    return false;
}

static void every_finding_has_its_place(void **state)
{
    (void)state;
    size_t failed = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rk_access *access = NULL;
        rk_findings findings = {0};
        rk_error err = {0};
        rk_status status =
            rk_access_parse(rk_slice_str(bad[i].text), "keys.yaml", &access, &findings, &err);
        if (status != RK_INVALID || access != NULL || !has_finding(&findings, bad[i].finding)) {
            print_error("%s: status %d, not found: %s\n", bad[i].name, (int)status, bad[i].finding);
            failed++;
        } else {
            assert_non_null(strstr(err.message, findings.items[0].message));
        }
        rk_findings_fini(&findings);
    }
    assert_int_equal(failed, 0);
}

static void all_findings_come_at_once(void **state)
{
    (void)state;
    rk_access *access = NULL;
    rk_findings findings = {0};
    rk_error err = {0};
    const char *text = "keys:\n"
                       "  - {key: 12, role: boss, name: n}\n"
                       "  - {key: " A ", role: client, name: n, tenants: [], capsules: [\"#\"]}\n";
    assert_int_equal(rk_access_parse(rk_slice_str(text), "keys.yaml", &access, &findings, &err),
                     RK_INVALID);
    assert_int_equal(findings.count, 4);
    assert_non_null(strstr(err.message, "keys.yaml: 4 findings, the first: key: expected"));
    for (size_t i = 1; i < findings.count; i++)
        assert_true(findings.items[i - 1].line <= findings.items[i].line);
    rk_findings_fini(&findings);
}

/* --- limits ----------------------------------------------------------------------------------- */

static rk_status parse_keys(int count, char *message)
{
    rk_buf text;
    rk_access *access = NULL;
    rk_error err = {0};
    rk_buf_init(&text, RK_ACCESS_BYTES_MAX);
    assert_int_equal(rk_buf_append_str(&text, "keys:\n", NULL), RK_OK);
    for (int i = 0; i < count; i++)
        assert_int_equal(rk_buf_append_format(&text, NULL, "- {key: %064x, role: node, name: n}\n",
                                              (unsigned)i + 1),
                         RK_OK);
    rk_status status = rk_access_parse(rk_buf_slice(&text), "keys.yaml", &access, NULL, &err);
    memcpy(message, err.message, sizeof err.message);
    rk_access_destroy(access);
    rk_buf_fini(&text);
    return status;
}

static void a_list_has_so_many_keys(void **state)
{
    (void)state;
    char message[RK_ERROR_MESSAGE_BYTES];
    assert_int_equal(parse_keys(RK_ACCESS_KEYS_MAX, message), RK_OK);
    assert_int_equal(parse_keys(RK_ACCESS_KEYS_MAX + 1, message), RK_INVALID);
    assert_non_null(strstr(message, "keys: more than 1024 keys"));
}

static void a_text_too_long_is_a_finding(void **state)
{
    (void)state;
    rk_access *access = NULL;
    rk_error err = {0};
    char *text = calloc(1, RK_ACCESS_BYTES_MAX + 1);
    assert_non_null(text);
    assert_int_equal(rk_access_parse(rk_slice_of(text, RK_ACCESS_BYTES_MAX + 1), "keys.yaml",
                                     &access, NULL, &err),
                     RK_INVALID);
    assert_non_null(strstr(err.message, "the file has 1048577 bytes; the limit is 1048576"));
    free(text);
}

/* --- the description -------------------------------------------------------------------------- */

/* The page's example is the block that begins with "    keys:"; its lines lose four spaces. */
static void the_described_example_is_read(void **state)
{
    (void)state;
    char line[512];
    rk_buf text;
    bool inside = false;
    FILE *file = fopen(KEYS_DESCRIPTION, "r");
    assert_non_null(file);
    rk_buf_init(&text, RK_ACCESS_BYTES_MAX);
    while (fgets(line, sizeof line, file) != NULL) {
        inside = strcmp(line, "    keys:\n") == 0 || (inside && strncmp(line, "    ", 4) == 0);
        if (inside)
            assert_int_equal(rk_buf_append_str(&text, line + 4, NULL), RK_OK);
    }
    fclose(file);
    assert_int_equal(rk_buf_append_byte(&text, '\0', NULL), RK_OK);
    rk_access *access = parse((const char *)text.ptr);
    assert_int_equal(rk_access_count(access), 5);
    rk_access_destroy(access);
    rk_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_their_roles),
        cmocka_unit_test(an_unlisted_key_is_nobodys),
        cmocka_unit_test(a_client_has_what_is_listed),
        cmocka_unit_test(the_other_roles_are_no_clients),
        cmocka_unit_test(a_star_is_everything),
        cmocka_unit_test(every_finding_has_its_place),
        cmocka_unit_test(all_findings_come_at_once),
        cmocka_unit_test(a_list_has_so_many_keys),
        cmocka_unit_test(a_text_too_long_is_a_finding),
        cmocka_unit_test(the_described_example_is_read),
    };
    int failed = cmocka_run_group_tests_name("access", tests, NULL, NULL);
    return failed + test_access_file();
}
