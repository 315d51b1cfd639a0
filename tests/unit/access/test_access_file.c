/* Which files are read, and which are refused unread. */
#include "tests/unit/access/test_access_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rekey/access/access.h"

#define GOOD                                                                                       \
    "keys:\n  - {key: 833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42,"           \
    " role: node, name: n}\n"

/* A folder of its own for each test; the program's working folder while the test runs. */
static char folder[64];

static int enter(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rekey-access-XXXXXX");
    return mkdtemp(folder) == NULL || chdir(folder) != 0 ? -1 : 0;
}

static int leave(void **state)
{
    (void)state;
    static const char *const names[] = {"keys.yaml", "link", "pipe", "dir"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (unlink(names[i]) != 0)
            rmdir(names[i]);
    return chdir("/") != 0 || rmdir(folder) != 0 ? -1 : 0;
}

static void put_file(const char *text, mode_t mode)
{
    FILE *file = fopen("keys.yaml", "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod("keys.yaml", mode), 0);
}

static void taken(void)
{
    rk_access *access = NULL;
    rk_error err = {0};
    if (rk_access_load("keys.yaml", &access, NULL, &err) != RK_OK)
        fail_msg("%s", err.message);
    assert_int_equal(rk_access_count(access), 1);
    rk_access_destroy(access);
}

static void refused(const char *path, rk_status expected, const char *message)
{
    rk_access *access = NULL;
    rk_error err = {0};
    rk_status status = rk_access_load(path, &access, NULL, &err);
    if (status != expected || strcmp(err.message, message) != 0)
        fail_msg("%s: status %d, %s", path, (int)status, err.message);
    assert_null(access);
}

static void a_file_that_only_its_owner_writes_is_taken(void **state)
{
    (void)state;
    put_file(GOOD, 0644);
    taken();
    assert_int_equal(chmod("keys.yaml", 0400), 0);
    taken();
}

static void a_file_that_others_write_is_refused(void **state)
{
    (void)state;
    put_file(GOOD, 0664);
    refused("keys.yaml", RK_AUTH,
            "read authorized keys keys.yaml: mode 0664 lets others write it; set 0644");
    put_file(GOOD, 0602);
    refused("keys.yaml", RK_AUTH,
            "read authorized keys keys.yaml: mode 0602 lets others write it; set 0644");
}

static void a_strangers_file_is_refused(void **state)
{
    (void)state;
    put_file(GOOD, 0644);
    if (geteuid() != 0 || chown("keys.yaml", 12345, (gid_t)-1) != 0)
        skip(); /* only root can give a file away */
    refused("keys.yaml", RK_AUTH, "read authorized keys keys.yaml: it belongs to another user");
}

static void other_things_are_refused(void **state)
{
    (void)state;
    put_file(GOOD, 0644);
    assert_int_equal(symlink("keys.yaml", "link"), 0);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(mkdir("dir", 0700), 0);
    refused("link", RK_AUTH, "read authorized keys link: it is a symlink");
    refused("pipe", RK_AUTH, "read authorized keys pipe: not a regular file");
    refused("dir", RK_AUTH, "read authorized keys dir: not a regular file");
    refused("gone", RK_NOT_FOUND, "read authorized keys gone: No such file or directory");
}

static void a_file_too_long_is_refused(void **state)
{
    (void)state;
    put_file(GOOD, 0644);
    assert_int_equal(truncate("keys.yaml", (off_t)RK_ACCESS_BYTES_MAX + 1), 0);
    refused("keys.yaml", RK_LIMIT, "read authorized keys keys.yaml: more than 1048576 bytes");
}

static void findings_name_the_file(void **state)
{
    (void)state;
    put_file("keys: []\n", 0644);
    refused("./keys.yaml", RK_INVALID, "keys.yaml: 1 finding: keys: the list is empty");
}

int test_access_file(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_only_its_owner_writes_is_taken),
        TEST(a_file_that_others_write_is_refused),
        TEST(a_strangers_file_is_refused),
        TEST(other_things_are_refused),
        TEST(a_file_too_long_is_refused),
        TEST(findings_name_the_file),
    };
#undef TEST
    return cmocka_run_group_tests_name("access file", tests, NULL, NULL);
}
