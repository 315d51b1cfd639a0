/* Messages, JSON, what happens when stdout takes no more, and the two ways of being interrupted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "rekey/cli/frame.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/text.h"
#include "tests/unit/cli/stage.h"

static const struct {
    const char *name;
    const char *bytes;
    size_t len;
    const char *text;
} escapes[] = {
    {"plain", "TENANT#a", 8, "TENANT#a"},
    {"controls", "a\0\n\x1b\x7f", 5, "a\\x00\\x0a\\x1b\\x7f"},
    {"two, three, four bytes", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
     "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"control of Latin-1", "\xc2\x9b", 2, "\\xc2\\x9b"},
    {"longer than needed", "\xc0\x8a", 2, "\\xc0\\x8a"},
    {"longer than needed, three", "\xe0\x80\x8a", 3, "\\xe0\\x80\\x8a"},
    {"surrogate", "\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},
    {"beyond the last", "\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"},
    {"cut", "\xe2\x82", 2, "\\xe2\\x82"},
    {"nothing", "", 0, ""},
};

static void bytes_are_escaped(void **state)
{
    (void)state;
    for (size_t i = 0; i < RK_COUNT(escapes); i++) {
        char text[64];
        size_t taken = rk_text_escape(rk_slice_of(escapes[i].bytes, escapes[i].len), text, 64);
        if (taken != escapes[i].len || strcmp(text, escapes[i].text) != 0)
            fail_msg("%s: %s", escapes[i].name, text);
    }
    char small[8];
    assert_int_equal(rk_text_escape(rk_slice_str("abcdef\xe2\x82\xac"), small, sizeof small), 6);
    assert_string_equal(small, "abcdef");
}

static void a_failure_is_one_line_and_a_hint(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    rk_error err = {0};
    rk_error_set(&err, RK_IO, "read the plan p\x1b[2J: no such file");
    assert_int_equal(rk_cli_fail(&s.cli, RK_EXIT_STALE_PLAN, &err, "make one"), 3);
    assert_string_equal(stage_err(&s), "rekey: read the plan p\\x1b[2J: no such file\n"
                                       "hint: make one\n");
    s.cli.color_err = true;
    assert_int_equal(rk_cli_fail_format(&s.cli, 1, NULL, "open %d", 7), 1);
    assert_string_equal(stage_err(&s), "\033[31mrekey: \033[0mopen 7\n");
    stage_close(&s);
}

static void statuses_have_exit_codes(void **state)
{
    (void)state;
    assert_int_equal(rk_cli_exit_of(RK_OK), 0);
    assert_int_equal(rk_cli_exit_of(RK_BUSY), 75);
    assert_int_equal(rk_cli_exit_of(RK_TIMEOUT), 75);
    assert_int_equal(rk_cli_exit_of(RK_AUTH), 4);
    assert_int_equal(rk_cli_exit_of(RK_UNCERTAIN), 1);
}

static void json_keeps_its_order(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    json_t *object = json_pack("{s:s, s:b, s:f, s:[i, n]}", "migration", "m", "clean", 1, "seconds",
                               0.1, "a", 1);
    assert_int_equal(rk_cli_print_json(&s.cli, object), RK_EXIT_DONE);
    assert_string_equal(stage_out(&s),
                        "{\"migration\":\"m\",\"clean\":true,\"seconds\":0.1,\"a\":[1,null]}\n");
    assert_int_equal(rk_cli_print_json(&s.cli, NULL), RK_EXIT_FAILED);
    stage_close(&s);
}

static const struct {
    int code;
    int expected;
} full_cases[] = {{0, 1}, {2, 1}, {5, 5}, {64, 64}};

static void a_full_stdout_is_a_failure(void **state)
{
    (void)state;
    for (size_t i = 0; i < RK_COUNT(full_cases); i++) {
        stage s;
        stage_open(&s);
        FILE *memory = s.cli.out;
        FILE *full = fopen("/dev/full", "w");
        if (full == NULL)
            skip();
        s.cli.out = full;
        rk_cli_print(&s.cli, "data");
        assert_int_equal(rk_cli_finish(&s.cli, full_cases[i].code), full_cases[i].expected);
        assert_string_equal(stage_err(&s), "rekey: write to stdout: No space left on device\n");
        fclose(full);
        s.cli.out = memory;
        stage_close(&s);
    }
}

static void a_reader_that_left_stops_the_printing(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    stage s;
    stage_open(&s);
    FILE *memory = s.cli.out;
    s.cli.out = fdopen(ends[1], "w");
    size_t printed = 0;
    while (printed < 1000000 && rk_cli_print(&s.cli, "line %zu", printed))
        printed++;
    assert_true(printed < 1000000);
    assert_int_equal(rk_cli_finish(&s.cli, RK_EXIT_DONE), RK_EXIT_FAILED);
    fclose(s.cli.out);
    s.cli.out = memory;
    stage_close(&s);
}

static void stores_need_a_kind_that_is_known(void **state)
{
    (void)state;
    static const char known[] =
        "hint: a store is given as lmdb:DIR, DIR being an LMDB environment folder\n";
    static const struct {
        const char *name;
        const char *message;
        bool hints_known;
    } cases[] = {
        {"db", "rekey: open store db: its kind is missing\nhint: did you mean lmdb:db?\n", false},
        {"/a:b", "rekey: open store /a:b: its kind is missing\nhint: did you mean lmdb:/a:b?\n",
         false},
        {"lmdb:", "rekey: open store lmdb: the folder is missing\n", true},
        {"redis:x", "rekey: open store redis:x: this build knows no \"redis\" stores\n", true},
    };
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        stage s;
        stage_open(&s);
        rk_store *store = NULL;
        int code = rk_cli_store_open(&s.cli, cases[i].name, RK_LMDB_READ, &store);
        assert_int_equal(code, RK_EXIT_USAGE);
        assert_null(store);
        const char *message = stage_err(&s);
        size_t length = strlen(cases[i].message);
        if (strncmp(message, cases[i].message, length) != 0 ||
            strcmp(message + length, cases[i].hints_known ? known : "") != 0)
            fail_msg("%s: %s", cases[i].name, message);
        stage_close(&s);
    }
}

static void a_store_that_is_not_there_is_a_failure(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    rk_store *store = NULL;
    assert_int_equal(rk_cli_store_open(&s.cli, "lmdb:/nowhere/db", RK_LMDB_WRITE, &store), 1);
    assert_non_null(strstr(stage_err(&s), "rekey: open store: no LMDB environment in /nowhere/db"));
    stage_close(&s);
}

/* In a child, because the second signal ends the process. */
static void the_second_interrupt_leaves_at_once(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        const volatile sig_atomic_t *flag = rki_interrupt_install(false);
        if (*flag != 0)
            _exit(2);
        raise(SIGTERM);
        if (*flag != 1)
            _exit(3);
        raise(SIGINT);
        _exit(4);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 130);
}

int test_report(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_escaped),
        cmocka_unit_test(a_failure_is_one_line_and_a_hint),
        cmocka_unit_test(statuses_have_exit_codes),
        cmocka_unit_test(json_keeps_its_order),
        cmocka_unit_test(a_full_stdout_is_a_failure),
        cmocka_unit_test(a_reader_that_left_stops_the_printing),
        cmocka_unit_test(stores_need_a_kind_that_is_known),
        cmocka_unit_test(a_store_that_is_not_there_is_a_failure),
        cmocka_unit_test(the_second_interrupt_leaves_at_once),
    };
    return cmocka_run_group_tests_name("cli.report", tests, NULL, NULL);
}
