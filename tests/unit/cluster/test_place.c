/* Where tenants live: by the page, evenly, and with as few moves as can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/cluster/suites.h"

#define TENANTS 10000

/* A cluster of node-FIRST to node-LAST, but for node-`without` (0: none). */
static rk_cluster *nodes(unsigned first, unsigned last, unsigned without)
{
    rk_buf text;
    rk_cluster *cluster = NULL;
    rk_error err = {0};
    rk_buf_init(&text, RK_CLUSTER_BYTES_MAX);
    rk_buf_append_str(&text, "cluster: platform-eu\nkeys: k\nnodes:\n", NULL);
    for (unsigned i = last; i >= first; i--)
        if (i != without)
            rk_buf_append_format(&text, NULL,
                                 "- {name: node-%u, url: \"tcp://h:%u\", key: %064x}\n", i, i, i);
    if (rk_cluster_parse(rk_buf_slice(&text), "c", &cluster, NULL, &err) != RK_OK)
        fail_msg("%s", err.message);
    rk_buf_fini(&text);
    return cluster;
}

static const char *owner(const rk_cluster *cluster, rk_slice tenant)
{
    return cluster->nodes[rk_cluster_owner(cluster, tenant)].name;
}

/* Computed by place.py, which follows specs/cluster.md with Python's BLAKE2b. Never change one:
 * records lie where these say. */
static const struct {
    const char *tenant;
    size_t len;
    const char *of_five;
    const char *of_two;
} golden[] = {
    {"acme", 4, "node-1", "node-1"},     {"globex", 6, "node-2", "node-2"},
    {"initech", 7, "node-3", "node-2"},  {"umbrella", 8, "node-3", "node-1"},
    {"stark", 5, "node-5", "node-1"},    {"wayne", 5, "node-4", "node-1"},
    {"hooli", 5, "node-2", "node-2"},    {"a", 1, "node-4", "node-2"},
    {"", 0, "node-3", "node-2"},         {"m\303\274nchen", 8, "node-5", "node-2"},
    {"\000\377", 2, "node-4", "node-2"},
};

static void places_are_those_of_the_page(void **state)
{
    (void)state;
    rk_cluster *five = nodes(1, 5, 0);
    rk_cluster *two = nodes(1, 2, 0);
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        rk_slice tenant = rk_slice_of(golden[i].tenant, golden[i].len);
        assert_string_equal(owner(five, tenant), golden[i].of_five);
        assert_string_equal(owner(two, tenant), golden[i].of_two);
    }
    rk_cluster_destroy(five);
    rk_cluster_destroy(two);
}

static rk_slice tenant_name(unsigned number, char out[32])
{
    int length = snprintf(out, 32, "tenant-%u", number);
    return rk_slice_of(out, (size_t)length);
}

static void tenants_are_spread_evenly(void **state)
{
    (void)state;
    char name[32];
    unsigned count[5] = {0};
    rk_cluster *cluster = nodes(1, 5, 0);
    for (unsigned i = 0; i < TENANTS; i++)
        count[rk_cluster_owner(cluster, tenant_name(i, name))]++;
    for (size_t i = 0; i < 5; i++)
        assert_in_range(count[i], TENANTS / 5 * 85 / 100, TENANTS / 5 * 115 / 100);
    rk_cluster_destroy(cluster);
}

/* Read the other way round: a node that comes takes tenants, and nobody else's change places. */
static void a_node_gone_moves_its_tenants_only(void **state)
{
    (void)state;
    char name[32];
    unsigned moved = 0;
    rk_cluster *before = nodes(1, 5, 0);
    rk_cluster *after = nodes(1, 5, 3);
    assert_int_equal(after->node_count, 4);
    for (unsigned i = 0; i < TENANTS; i++) {
        rk_slice tenant = tenant_name(i, name);
        const char *old = owner(before, tenant);
        const char *new = owner(after, tenant);
        if (strcmp(old, "node-3") == 0)
            moved++;
        else
            assert_string_equal(old, new);
    }
    assert_true(moved > 0);
    rk_cluster_destroy(before);
    rk_cluster_destroy(after);
}

static void one_node_has_them_all(void **state)
{
    (void)state;
    rk_cluster *cluster = nodes(7, 7, 0);
    assert_int_equal(rk_cluster_owner(cluster, RK_SLICE_EMPTY), 0);
    assert_int_equal(rk_cluster_owner(cluster, RK_SLICE_LITERAL("acme")), 0);
    rk_cluster_destroy(cluster);
}

/* --- the digest ------------------------------------------------------------------------------- */

static void the_digest_is_that_of_the_page(void **state)
{
    (void)state;
    char hex[RK_DIGEST_HEX_BYTES];
    rk_digest digest;
    rk_cluster *cluster = nodes(1, 5, 0);
    rk_cluster_digest(cluster, &digest);
    rk_hex(rk_slice_of(digest.bytes, sizeof digest.bytes), hex);
    assert_string_equal(hex, "e110f8d5177629017d99ab3a4a84af2df9c36028f17583f125ce4e7351fb065a");
    rk_cluster_destroy(cluster);
}

static rk_digest digest_of(const char *text)
{
    rk_digest digest;
    rk_cluster *cluster = NULL;
    rk_error err = {0};
    if (rk_cluster_parse(rk_slice_str(text), "c", &cluster, NULL, &err) != RK_OK)
        fail_msg("%s", err.message);
    rk_cluster_digest(cluster, &digest);
    rk_cluster_destroy(cluster);
    return digest;
}

#define KEY_1 "1111111111111111111111111111111111111111111111111111111111111111"
#define KEY_2 "2222222222222222222222222222222222222222222222222222222222222222"

static void the_digest_is_of_names_only(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *text;
        bool same;
    } cases[] = {
        {"another order, urls and keys",
         "cluster: c\nkeys: other\nnodes:\n- {name: b, url: \"ipc://y\", key: " KEY_1 "}\n"
         "- {name: a, url: \"ipc://x\", key: " KEY_2 "}\n",
         true},
        {"another cluster",
         "cluster: d\nkeys: k\nnodes:\n- {name: a, url: \"tcp://h:1\", key: " KEY_1 "}\n"
         "- {name: b, url: \"tcp://h:2\", key: " KEY_2 "}\n",
         false},
        {"another name",
         "cluster: c\nkeys: k\nnodes:\n- {name: a, url: \"tcp://h:1\", key: " KEY_1 "}\n"
         "- {name: B, url: \"tcp://h:2\", key: " KEY_2 "}\n",
         false},
        {"a node less",
         "cluster: c\nkeys: k\nnodes:\n- {name: a, url: \"tcp://h:1\", key: " KEY_1 "}\n", false},
    };
    rk_digest first = digest_of("cluster: c\nkeys: k\nnodes:\n"
                                "- {name: a, url: \"tcp://h:1\", key: " KEY_1 "}\n"
                                "- {name: b, url: \"tcp://h:2\", key: " KEY_2 "}\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rk_digest digest = digest_of(cases[i].text);
        if ((memcmp(&digest, &first, sizeof digest) == 0) != cases[i].same)
            fail_msg("%s", cases[i].name);
    }
}

int test_place(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_those_of_the_page),
        cmocka_unit_test(tenants_are_spread_evenly),
        cmocka_unit_test(a_node_gone_moves_its_tenants_only),
        cmocka_unit_test(one_node_has_them_all),
        cmocka_unit_test(the_digest_is_that_of_the_page),
        cmocka_unit_test(the_digest_is_of_names_only),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
