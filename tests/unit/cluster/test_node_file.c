/* A node's own file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rekey/cluster/node_file.h"
#include "tests/unit/cluster/suites.h"

#define LEAST "cluster: c.yaml\nname: n\nidentity: n.key\nstore: lmdb:data\n"

static rk_node_file *parse(const char *text, const char *path)
{
    rk_node_file *file = NULL;
    rk_error err = {0};
    if (rk_node_file_parse(rk_slice_str(text), path, &file, NULL, &err) != RK_OK)
        fail_msg("%s", err.message);
    return file;
}

static void what_is_left_out_is_nothing(void **state)
{
    (void)state;
    rk_node_file *file = parse(LEAST, "node.yaml");
    assert_string_equal(file->cluster, "c.yaml");
    assert_string_equal(file->name, "n");
    assert_string_equal(file->identity, "n.key");
    assert_string_equal(file->store, "lmdb:data");
    assert_null(file->listen);
    assert_int_equal(file->threads, 0);
    assert_int_equal(file->workers, 0);
    rk_node_file_destroy(file);
}

static void paths_count_from_the_files_folder(void **state)
{
    (void)state;
    rk_node_file *file = parse(LEAST, "/etc/rekey/node.yaml");
    assert_string_equal(file->cluster, "/etc/rekey/c.yaml");
    assert_string_equal(file->identity, "/etc/rekey/n.key");
    assert_string_equal(file->store, "lmdb:/etc/rekey/data");
    rk_node_file_destroy(file);
}

static void the_described_example_is_read(void **state)
{
    (void)state;
    rk_buf text;
    described_example("    cluster: cluster.yaml\n", &text);
    rk_node_file *file = parse((const char *)text.ptr, "/etc/rekey/node.yaml");
    assert_string_equal(file->store, "lmdb:/var/lib/rekey");
    assert_string_equal(file->listen, "tcp://0.0.0.0:7401");
    assert_int_equal(file->threads, 8);
    assert_int_equal(file->workers, 2);
    rk_node_file_destroy(file);
    rk_buf_fini(&text);
}

static void a_file_that_is_not_there(void **state)
{
    (void)state;
    rk_node_file *file = NULL;
    rk_error err = {0};
    assert_int_equal(rk_node_file_load("/nowhere/n.yaml", &file, NULL, &err), RK_NOT_FOUND);
    assert_string_equal(err.message, "read node file /nowhere/n.yaml: No such file or directory");
    assert_null(file);
}

static const struct {
    const char *name;
    const char *text;
    const char *finding;
} bad[] = {
    {"nothing", "", "0:0: node file: the file holds no mapping"},
    {"no cluster", "name: n\n", "1:1: node file: missing key \"cluster\""},
    {"no name", "cluster: c\n", "1:1: node file: missing key \"name\""},
    {"no identity", "cluster: c\n", "1:1: node file: missing key \"identity\""},
    {"no store", "cluster: c\n", "1:1: node file: missing key \"store\""},
    {"a near key", LEAST "worker: 2\n",
     "5:1: node file: unknown key \"worker\" (did you mean \"workers\"?)"},
    {"another store", "store: dynamodb:t\n",
     "1:8: store: expected lmdb:PATH, found \"dynamodb:t\""},
    {"no path", "store: \"lmdb:\"\n", "1:8: store: expected a path of 1 to 4095 bytes"},
    {"an odd address", LEAST "listen: 0.0.0.0:7401\n",
     "5:9: listen: expected tcp://HOST:PORT or ipc://PATH, found \"0.0.0.0:7401\""},
    {"no thread", LEAST "threads: 0\n",
     "5:10: threads: expected a number from 1 to 256, found \"0\""},
    {"many threads", LEAST "threads: 257\n", "5:10: threads: expected a number from 1 to 256"},
    {"a word", LEAST "threads: all\n", "threads: expected a number from 1 to 256, found \"all\""},
    {"a sign", LEAST "workers: -1\n", "workers: expected a number from 1 to 64, found \"-1\""},
    {"a long number", LEAST "workers: 4294967297\n", "workers: expected a number from 1 to 64"},
    {"many workers", LEAST "workers: 65\n", "workers: expected a number from 1 to 64"},
    {"a list", LEAST "workers: [1]\n", "workers: expected a text, found a list"},
};

static void every_finding_has_its_place(void **state)
{
    (void)state;
    size_t failed = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rk_node_file *file = NULL;
        rk_findings findings = {0};
        rk_status status =
            rk_node_file_parse(rk_slice_str(bad[i].text), "n.yaml", &file, &findings, NULL);
        if (status != RK_INVALID || file != NULL || !has_finding(&findings, bad[i].finding)) {
            print_error("%s: status %d, not found: %s\n", bad[i].name, (int)status, bad[i].finding);
            failed++;
        }
        rk_findings_fini(&findings);
    }
    assert_int_equal(failed, 0);
}

static void the_limits_are_taken(void **state)
{
    (void)state;
    rk_node_file *file = parse(LEAST "threads: 256\nworkers: 64\n", "n.yaml");
    assert_int_equal(file->threads, 256);
    assert_int_equal(file->workers, 64);
    rk_node_file_destroy(file);
}

int test_node_file(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_is_nothing),
        cmocka_unit_test(paths_count_from_the_files_folder),
        cmocka_unit_test(the_described_example_is_read),
        cmocka_unit_test(a_file_that_is_not_there),
        cmocka_unit_test(every_finding_has_its_place),
        cmocka_unit_test(the_limits_are_taken),
    };
    return cmocka_run_group_tests_name("node file", tests, NULL, NULL);
}
