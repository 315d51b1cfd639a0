/* The cluster's file: what is read, every finding, and which files are refused unread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/cluster/suites.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define Z "0000000000000000000000000000000000000000000000000000000000000000"

#define HEAD            "cluster: c\nkeys: k\nnodes:\n"
#define NODE_A          "- {name: a, url: \"tcp://h:1\", key: " A "}\n"
#define NODE_B          "- {name: b, url: \"tcp://h:2\", key: " B "}\n"
#define NODE(url_value) HEAD "- {name: a, url: \"" url_value "\", key: " A "}\n"

static rk_cluster *parse(const char *text, const char *path)
{
    rk_cluster *cluster = NULL;
    rk_error err = {0};
    if (rk_cluster_parse(rk_slice_str(text), path, &cluster, NULL, &err) != RK_OK)
        fail_msg("%s", err.message);
    return cluster;
}

/* --- what is read ----------------------------------------------------------------------------- */

static void nodes_are_sorted_by_name(void **state)
{
    (void)state;
    rk_public_key key;
    rk_cluster *cluster = parse(HEAD NODE_B NODE_A, "cluster.yaml");
    assert_string_equal(cluster->name, "c");
    assert_string_equal(cluster->keys, "k");
    assert_null(cluster->identity);
    assert_int_equal(cluster->node_count, 2);
    assert_string_equal(cluster->nodes[0].name, "a");
    assert_string_equal(cluster->nodes[0].url, "tcp://h:1");
    assert_string_equal(cluster->nodes[1].name, "b");
    memset(&key, 0xbb, sizeof key);
    assert_memory_equal(&cluster->nodes[1].key, &key, sizeof key);
    rk_cluster_destroy(cluster);
}

static void nodes_are_found(void **state)
{
    (void)state;
    rk_public_key key;
    rk_cluster *cluster = parse(HEAD NODE_B NODE_A, "cluster.yaml");
    assert_int_equal(rk_cluster_find(cluster, RK_SLICE_LITERAL("a")), 0);
    assert_int_equal(rk_cluster_find(cluster, RK_SLICE_LITERAL("b")), 1);
    assert_int_equal(rk_cluster_find(cluster, RK_SLICE_LITERAL("B")), -1);
    assert_int_equal(rk_cluster_find(cluster, RK_SLICE_LITERAL("ab")), -1);
    assert_int_equal(rk_cluster_find(cluster, RK_SLICE_EMPTY), -1);
    memset(&key, 0xbb, sizeof key);
    assert_int_equal(rk_cluster_find_key(cluster, &key), 1);
    memset(&key, 0xcc, sizeof key);
    assert_int_equal(rk_cluster_find_key(cluster, &key), -1);
    rk_cluster_destroy(cluster);
}

static void paths_count_from_the_files_folder(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *keys;
        const char *identity;
    } cases[] = {
        {"cluster.yaml", "sub/keys.yaml", "/etc/id.key"},
        {"conf/cluster.yaml", "conf/sub/keys.yaml", "/etc/id.key"},
        {"/cluster.yaml", "/sub/keys.yaml", "/etc/id.key"},
        {"../a/b/cluster.yaml", "../a/b/sub/keys.yaml", "/etc/id.key"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rk_cluster *cluster = parse("cluster: c\nkeys: sub/keys.yaml\nidentity: /etc/id.key\n"
                                    "nodes:\n" NODE_A,
                                    cases[i].path);
        assert_string_equal(cluster->keys, cases[i].keys);
        assert_string_equal(cluster->identity, cases[i].identity);
        rk_cluster_destroy(cluster);
    }
}

void described_example(const char *first_line, rk_buf *out)
{
    char line[512];
    bool inside = false;
    FILE *file = fopen(CLUSTER_DESCRIPTION, "r");
    assert_non_null(file);
    rk_buf_init(out, RK_CLUSTER_BYTES_MAX);
    while (fgets(line, sizeof line, file) != NULL) {
        inside = strcmp(line, first_line) == 0 || (inside && strncmp(line, "    ", 4) == 0);
        if (inside)
            assert_int_equal(rk_buf_append_str(out, line + 4, NULL), RK_OK);
    }
    fclose(file);
    assert_int_equal(rk_buf_append_byte(out, '\0', NULL), RK_OK);
}

static void the_described_example_is_read(void **state)
{
    (void)state;
    rk_buf text;
    described_example("    cluster: platform-eu\n", &text);
    rk_cluster *cluster = parse((const char *)text.ptr, "/etc/rekey/cluster.yaml");
    assert_string_equal(cluster->name, "platform-eu");
    assert_string_equal(cluster->identity, "/etc/rekey/operator.key");
    assert_int_equal(cluster->node_count, 3);
    assert_string_equal(cluster->nodes[2].url, "ipc:///run/rekey/3.sock");
    rk_cluster_destroy(cluster);
    rk_buf_fini(&text);
}

/* --- findings --------------------------------------------------------------------------------- */

/* One of the findings, as line:column: message. */
static const struct {
    const char *name;
    const char *text;
    const char *finding;
} bad[] = {
    {"nothing", "", "0:0: cluster file: the file holds no mapping"},
    {"a list", "- 1\n", "0:0: cluster file: the file holds no mapping"},
    {"no cluster", "keys: k\nnodes:\n" NODE_A, "1:1: cluster file: missing key \"cluster\""},
    {"no keys", "cluster: c\nnodes:\n" NODE_A, "1:1: cluster file: missing key \"keys\""},
    {"no nodes", "cluster: c\nkeys: k\n", "1:1: cluster file: missing key \"nodes\""},
    {"a near key", "cluster: c\nkeys: k\nnode:\n" NODE_A,
     "3:1: cluster file: unknown key \"node\" (did you mean \"nodes\"?)"},
    {"a duplicate key", HEAD NODE_A "keys: k\n", "yaml: duplicate key \"keys\", first on line 2"},
    {"an empty name", "cluster: \"\"\nkeys: k\nnodes:\n" NODE_A,
     "1:10: cluster: expected 1 to 64 of a-z A-Z 0-9 . _ -, found \"\""},
    {"an odd name", "cluster: a b\nkeys: k\nnodes:\n" NODE_A,
     "1:10: cluster: expected 1 to 64 of a-z A-Z 0-9 . _ -, found \"a b\""},
    {"a name of nothing", "cluster:\nkeys: k\nnodes:\n" NODE_A,
     "cluster: expected a text, found nothing"},
    {"an empty path", "cluster: c\nkeys: \"\"\nnodes:\n" NODE_A,
     "2:7: keys: expected a path of 1 to 4095 bytes without control characters"},
    {"an odd path", "cluster: c\nkeys: k\nidentity: \"a\\nb\"\nnodes:\n" NODE_A,
     "3:11: identity: expected a path of 1 to 4095 bytes without control characters"},
    {"nodes of nothing", HEAD, "nodes: expected a list, found nothing"},
    {"an empty list", "cluster: c\nkeys: k\nnodes: []\n",
     "3:8: nodes: expected 1 to 64 nodes, found 0"},
    {"not a mapping", HEAD "- a\n", "4:3: nodes: expected a mapping, found a text"},
    {"a node without name", HEAD "- {url: \"tcp://h:1\", key: " A "}\n",
     "4:3: nodes: missing key \"name\""},
    {"a node without url", HEAD "- {name: a, key: " A "}\n", "4:3: nodes: missing key \"url\""},
    {"a node without key", HEAD "- {name: a, url: \"tcp://h:1\"}\n",
     "4:3: nodes: missing key \"key\""},
    {"a node's near key", HEAD "- {nam: a, url: \"tcp://h:1\", key: " A "}\n",
     "4:4: nodes: unknown key \"nam\" (did you mean \"name\"?)"},
    {"a long name", HEAD "- {name: x" A ", url: \"tcp://h:1\", key: " A "}\n",
     "4:10: name: expected 1 to 64 of a-z A-Z 0-9 . _ -"},
    {"another scheme", NODE("http://h:1"),
     "4:18: url: expected tcp://HOST:PORT or ipc://PATH, found \"http://h:1\""},
    {"no scheme", NODE(""), "url: expected tcp://HOST:PORT or ipc://PATH, found \"\""},
    {"a scheme alone", NODE("ipc://"), "url: nothing stands behind \"ipc://\""},
    {"a url with a line end", NODE("tcp://h\\n:1"),
     "url: expected at most 255 printable ASCII characters"},
    {"a long url", NODE("ipc://" A A A A), "url: expected at most 255 printable ASCII characters"},
    {"short hex", HEAD "- {name: a, url: \"tcp://h:1\", key: aa}\n",
     "key: expected a public key of 64 hex digits, found \"aa\""},
    {"zero", HEAD "- {name: a, url: \"tcp://h:1\", key: \"" Z "\"}\n",
     "key: all zero is nobody's key"},
    {"a name twice", HEAD NODE_A "- {name: a, url: \"tcp://h:2\", key: " B "}\n",
     "5:10: name: another node has it already, on line 4"},
    {"a url twice", HEAD NODE_A "- {name: b, url: \"tcp://h:1\", key: " B "}\n",
     "5:18: url: another node has it already, on line 4"},
    {"a key twice", HEAD NODE_A NODE_B "- {name: c, url: \"tcp://h:3\", key: " A "}\n",
     "6:36: key: another node has it already, on line 4"},
    {"an alias", "cluster: &a c\nkeys: *a\nnodes:\n" NODE_A, "yaml: "},
    {"no yaml", "nodes: [\n", "yaml: "},
};

bool has_finding(const rk_findings *findings, const char *expected)
{
    char text[600];
    for (size_t i = 0; i < findings->count; i++) {
        const rk_finding *finding = &findings->items[i];
        snprintf(text, sizeof text, "%u:%u: %s", finding->line, finding->column, finding->message);
        if (strstr(text, expected) != NULL)
            return true;
    }
    for (size_t i = 0; i < findings->count; i++)
        print_message("%u:%u: %s\n", findings->items[i].line, findings->items[i].column,
                      findings->items[i].message);
    return false;
}

static void every_finding_has_its_place(void **state)
{
    (void)state;
    size_t failed = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rk_cluster *cluster = NULL;
        rk_findings findings = {0};
        rk_error err = {0};
        rk_status status =
            rk_cluster_parse(rk_slice_str(bad[i].text), "a/c.yaml", &cluster, &findings, &err);
        if (status != RK_INVALID || cluster != NULL || !has_finding(&findings, bad[i].finding)) {
            print_error("%s: status %d, not found: %s\n", bad[i].name, (int)status, bad[i].finding);
            failed++;
        } else {
            assert_non_null(strstr(err.message, "a/c.yaml: "));
            assert_non_null(strstr(err.message, findings.items[0].message));
        }
        rk_findings_fini(&findings);
    }
    assert_int_equal(failed, 0);
}

/* What is wrong in two nodes is no repeat: one finding each, and all at once. */
static void all_findings_come_at_once(void **state)
{
    (void)state;
    rk_cluster *cluster = NULL;
    rk_findings findings = {0};
    rk_error err = {0};
    rk_slice text = RK_SLICE_LITERAL("cluster: c\nkeys: k\nnodes:\n"
                                     "- {name: \"?\", url: h, key: a}\n"
                                     "- {name: \"?\", url: h, key: a}\n");
    assert_int_equal(rk_cluster_parse(text, "c", &cluster, &findings, &err), RK_INVALID);
    assert_int_equal(findings.count, 6);
    assert_non_null(strstr(err.message, "c: 6 findings, the first: name: expected"));
    for (size_t i = 1; i < findings.count; i++)
        assert_true(findings.items[i - 1].line <= findings.items[i].line);
    rk_findings_fini(&findings);
}

static rk_status parse_nodes(unsigned count)
{
    rk_buf text;
    rk_cluster *cluster = NULL;
    rk_buf_init(&text, RK_CLUSTER_BYTES_MAX);
    rk_buf_append_str(&text, HEAD, NULL);
    for (unsigned i = 1; i <= count; i++)
        rk_buf_append_format(&text, NULL, "- {name: n%u, url: \"tcp://h:%u\", key: %064x}\n", i, i,
                             i);
    rk_status status = rk_cluster_parse(rk_buf_slice(&text), "c", &cluster, NULL, NULL);
    rk_cluster_destroy(cluster);
    rk_buf_fini(&text);
    return status;
}

static void a_cluster_has_so_many_nodes(void **state)
{
    (void)state;
    assert_int_equal(parse_nodes(1), RK_OK);
    assert_int_equal(parse_nodes(RK_CLUSTER_NODES_MAX), RK_OK);
    assert_int_equal(parse_nodes(RK_CLUSTER_NODES_MAX + 1), RK_INVALID);
}

/* --- files ------------------------------------------------------------------------------------ */

/* A folder of its own for each test; the program's working folder while the test runs. */
static char folder[64];

static int enter(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rekey-cluster-XXXXXX");
    return mkdtemp(folder) == NULL || chdir(folder) != 0 ? -1 : 0;
}

static int leave(void **state)
{
    (void)state;
    static const char *const names[] = {"c.yaml", "link", "pipe", "dir"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (unlink(names[i]) != 0)
            rmdir(names[i]);
    return chdir("/") != 0 || rmdir(folder) != 0 ? -1 : 0;
}

static void put_file(const char *text, mode_t mode)
{
    FILE *file = fopen("c.yaml", "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod("c.yaml", mode), 0);
}

static void taken(const char *path)
{
    rk_cluster *cluster = NULL;
    rk_error err = {0};
    if (rk_cluster_load(path, &cluster, NULL, &err) != RK_OK)
        fail_msg("%s", err.message);
    assert_int_equal(cluster->node_count, 1);
    rk_cluster_destroy(cluster);
}

static void refused(const char *path, rk_status expected, const char *message)
{
    rk_cluster *cluster = NULL;
    rk_error err = {0};
    rk_status status = rk_cluster_load(path, &cluster, NULL, &err);
    if (status != expected || strcmp(err.message, message) != 0)
        fail_msg("%s: status %d, %s", path, (int)status, err.message);
    assert_null(cluster);
}

static void a_file_is_loaded(void **state)
{
    (void)state;
    put_file(HEAD NODE_A, 0664);
    taken("c.yaml");
    taken("./c.yaml");
    assert_int_equal(symlink("c.yaml", "link"), 0);
    taken("link");
}

static void a_file_that_everybody_writes_is_refused(void **state)
{
    (void)state;
    put_file(HEAD NODE_A, 0646);
    refused("c.yaml", RK_AUTH,
            "read cluster file c.yaml: mode 0646 lets everybody write it; set 0644");
}

static void other_things_are_refused(void **state)
{
    (void)state;
    put_file(HEAD "- 1\n", 0644);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(mkdir("dir", 0700), 0);
    refused("pipe", RK_IO, "read cluster file pipe: not a regular file");
    refused("dir", RK_IO, "read cluster file dir: not a regular file");
    refused("gone", RK_NOT_FOUND, "read cluster file gone: No such file or directory");
    refused("c.yaml", RK_INVALID, "c.yaml: 1 finding: nodes: expected a mapping, found a text");
    assert_int_equal(truncate("c.yaml", (off_t)RK_CLUSTER_BYTES_MAX + 1), 0);
    refused("c.yaml", RK_LIMIT, "read cluster file c.yaml: more than 1048576 bytes");
}

int main(void)
{
#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_are_sorted_by_name),
        cmocka_unit_test(nodes_are_found),
        cmocka_unit_test(paths_count_from_the_files_folder),
        cmocka_unit_test(the_described_example_is_read),
        cmocka_unit_test(every_finding_has_its_place),
        cmocka_unit_test(all_findings_come_at_once),
        cmocka_unit_test(a_cluster_has_so_many_nodes),
        IN_FOLDER(a_file_is_loaded),
        IN_FOLDER(a_file_that_everybody_writes_is_refused),
        IN_FOLDER(other_things_are_refused),
    };
#undef IN_FOLDER
    int failed = cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
    return failed + test_node_file() + test_place();
}
