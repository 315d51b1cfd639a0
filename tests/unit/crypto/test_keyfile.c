/* Key files: what is written, and what is refused. */
#include "tests/unit/crypto/test_keyfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "rekey/crypto/crypto.h"

/* A folder of its own for each test; the program's working folder while the test runs. */
static char folder[64];

static int enter(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rekey-keyfile-XXXXXX");
    return mkdtemp(folder) == NULL || chdir(folder) != 0 ? -1 : 0;
}

static int leave(void **state)
{
    (void)state;
    static const char *const names[] = {"k", "k.pub", "link", "pipe", "dir"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (unlink(names[i]) != 0)
            rmdir(names[i]);
    return chdir("/") != 0 || rmdir(folder) != 0 ? -1 : 0;
}

static void put_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static unsigned mode_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_mode & 07777u;
}

static rk_secret_key write_key(void)
{
    rk_secret_key key;
    rk_error err = {0};
    rk_key_generate(&key);
    if (rk_key_files_write("k", &key, &err) != RK_OK)
        fail_msg("%s", err.message);
    return key;
}

static void a_pair_is_read_back(void **state)
{
    (void)state;
    rk_secret_key key = write_key();
    assert_int_equal(mode_of("k"), 0600);
    assert_int_equal(mode_of("k.pub") & 0600u, 0600);

    rk_secret_key secret = {0};
    rk_public_key public = {0};
    rk_error err = {0};
    assert_int_equal(rk_secret_key_read("k", &secret, &err), RK_OK);
    assert_int_equal(rk_public_key_read("k.pub", &public, &err), RK_OK);
    assert_memory_equal(&secret, &key, sizeof key);
    assert_memory_equal(&public, &key.public_key, sizeof public);
    assert_string_equal(err.message, "");
}

static void nothing_is_overwritten(void **state)
{
    (void)state;
    rk_secret_key key = write_key();
    rk_error err = {0};
    assert_int_equal(rk_key_files_write("k", &key, &err), RK_CONFLICT);
    assert_string_equal(err.message, "create key file k: it exists already");

    assert_int_equal(unlink("k"), 0);
    assert_int_equal(rk_key_files_write("k", &key, &err), RK_CONFLICT);
    assert_string_equal(err.message, "create key file k.pub: it exists already");
    assert_int_equal(access("k", F_OK), -1); /* no half pair is left */
    rk_public_key public;
    assert_int_equal(rk_public_key_read("k.pub", &public, NULL), RK_OK);
}

static void a_symlink_is_never_written_through(void **state)
{
    (void)state;
    rk_secret_key key;
    rk_key_generate(&key);
    assert_int_equal(symlink("elsewhere", "link"), 0);
    assert_int_equal(rk_key_files_write("link", &key, NULL), RK_CONFLICT);
    assert_int_equal(access("elsewhere", F_OK), -1);
    assert_int_equal(access("link.pub", F_OK), -1);
}

static void a_missing_folder_is_said(void **state)
{
    (void)state;
    rk_secret_key key;
    rk_error err = {0};
    rk_key_generate(&key);
    assert_int_equal(rk_key_files_write("nowhere/k", &key, &err), RK_NOT_FOUND);
    assert_string_equal(err.message, "create key file nowhere/k: No such file or directory");
}

/* Expects a refusal that leaves the key untouched. */
static void refused(const char *path, rk_status expected, const char *message)
{
    rk_secret_key key = {{1}, {{2}}};
    const rk_secret_key before = key;
    rk_error err = {0};
    rk_status status = rk_secret_key_read(path, &key, &err);
    if (status != expected || strcmp(err.message, message) != 0)
        fail_msg("%s: status %d, %s", path, (int)status, err.message);
    assert_memory_equal(&key, &before, sizeof key);
}

static void a_symlink_is_refused(void **state)
{
    (void)state;
    write_key();
    assert_int_equal(symlink("k", "link"), 0);
    refused("link", RK_AUTH, "read key file link: it is a symlink");
}

static void an_open_mode_is_refused(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        const char *message;
    } cases[] = {
        {0640, "read key file k: mode 0640 lets others at it; set 0600"},
        {0604, "read key file k: mode 0604 lets others at it; set 0600"},
        {0610, "read key file k: mode 0610 lets others at it; set 0600"},
        {0602, "read key file k: mode 0602 lets others at it; set 0600"},
    };
    write_key();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(chmod("k", cases[i].mode), 0);
        refused("k", RK_AUTH, cases[i].message);
    }
    assert_int_equal(chmod("k", 0400), 0);
    rk_secret_key key;
    assert_int_equal(rk_secret_key_read("k", &key, NULL), RK_OK);
}

static void a_strangers_file_is_refused(void **state)
{
    (void)state;
    write_key();
    if (geteuid() != 0 || chown("k", 12345, (gid_t)-1) != 0)
        skip(); /* only root can give a file away */
    refused("k", RK_AUTH, "read key file k: it belongs to another user");
}

static void other_things_are_refused(void **state)
{
    (void)state;
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(mkdir("dir", 0700), 0);
    refused("pipe", RK_AUTH, "read key file pipe: not a regular file");
    refused("dir", RK_AUTH, "read key file dir: not a regular file");
    refused("gone", RK_NOT_FOUND, "read key file gone: No such file or directory");
}

#define HEX64 "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"

static void spoilt_text_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        HEX64 "\n",
        "rekey-secret-key-v1 \n",
        "rekey-secret-key-v1 " HEX64 "00\n",
        "rekey-secret-key-v1 " HEX64 "\n\n",
        "rekey-secret-key-v2 " HEX64 "\n",
        "rekey-secret-key-v1 " HEX64 HEX64 HEX64 HEX64 "\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put_file("k", texts[i], 0600);
        refused("k", RK_CORRUPT, "read key file k: not a secret key of rekey");
    }
    rk_public_key public;
    rk_error err = {0};
    put_file("k.pub", "rekey-secret-key-v1 " HEX64 "\n", 0644);
    assert_int_equal(rk_public_key_read("k.pub", &public, &err), RK_CORRUPT);
    assert_string_equal(err.message, "read key file k.pub: not a public key");
}

int test_keyfile(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(a_pair_is_read_back),
        TEST(nothing_is_overwritten),
        TEST(a_symlink_is_never_written_through),
        TEST(a_missing_folder_is_said),
        TEST(a_symlink_is_refused),
        TEST(an_open_mode_is_refused),
        TEST(a_strangers_file_is_refused),
        TEST(other_things_are_refused),
        TEST(spoilt_text_is_refused),
    };
#undef TEST
    return cmocka_run_group_tests_name("keyfile", tests, NULL, NULL);
}
