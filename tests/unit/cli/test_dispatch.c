/* Finding the command, and suggesting one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "rekey/cli/frame.h"
#include "tests/unit/cli/stage.h"

/* Commands that tell how they were called. */
static int say(rk_cli *cli, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        rk_cli_print(cli, "%s", argv[i]);
    return argc;
}

static const rk_command commands[] = {
    {"lint", "Prepare", "check a spec", say},
    {"plan", "Prepare", "scan the store", say},
    {"rollback", "Migrate", "go back", say},
};
static const rki_program program = {commands, RK_COUNT(commands), "1.2.3"};

#define LIST "hint: `rekey --help` lists the commands\n"

static const struct {
    const char *name;
    const char *words[5];
    int code;
    const char *out;
    const char *err;
} cases[] = {
    {"command", {"plan", "--help", "x"}, 3, "plan\n--help\nx\n", ""},
    {"after --no-color", {"--no-color", "lint"}, 1, "lint\n", ""},
    {"version", {"--version"}, 0, "rekey 1.2.3\n", ""},
    {"help of a command", {"help", "plan"}, 2, "plan\n--help\n", ""},
    {"nothing", {NULL}, 64, "", "rekey: no command is given\n" LIST},
    {"swapped letters",
     {"paln"},
     64,
     "",
     "rekey: unknown command \"paln\"\nhint: did you mean `rekey plan`?\n"},
    {"letter missing",
     {"rolback"},
     64,
     "",
     "rekey: unknown command \"rolback\"\nhint: did you mean `rekey rollback`?\n"},
    {"letter too many",
     {"lintt"},
     64,
     "",
     "rekey: unknown command \"lintt\"\nhint: did you mean `rekey lint`?\n"},
    {"nothing near", {"purple"}, 64, "", "rekey: unknown command \"purple\"\n" LIST},
    {"empty", {""}, 64, "", "rekey: unknown command \"\"\n" LIST},
    {"near option",
     {"--verzion"},
     64,
     "",
     "rekey: unknown option --verzion before the command\nhint: did you mean --version?\n"},
    {"far option", {"-q", "plan"}, 64, "", "rekey: unknown option -q before the command\n" LIST},
    {"help of no command",
     {"help", "plam"},
     64,
     "",
     "rekey: unknown command \"plam\"\nhint: did you mean `rekey plan`?\n"},
};

static int dispatch(stage *s, const char *const *words)
{
    char *argv[8] = {(char *)"rekey"};
    int argc = 1;
    while (words[argc - 1] != NULL) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
        argc++;
    }
    return rki_dispatch(&s->cli, &program, argc, argv);
}

static void commands_are_found_or_suggested(void **state)
{
    (void)state;
    for (size_t i = 0; i < RK_COUNT(cases); i++) {
        stage s;
        stage_open(&s);
        int code = dispatch(&s, cases[i].words);
        const char *out = stage_out(&s);
        const char *err = stage_err(&s);
        if (code != cases[i].code || strcmp(out, cases[i].out) != 0 ||
            strcmp(err, cases[i].err) != 0)
            fail_msg("%s: code %d\n%s\n%s", cases[i].name, code, out, err);
        stage_close(&s);
    }
}

static void help_lists_commands_in_groups(void **state)
{
    (void)state;
    static const char *const asks[] = {"-h", "--help", "help"};
    static const char groups[] = "\nPrepare\n"
                                 "  lint        check a spec\n"
                                 "  plan        scan the store\n"
                                 "\nMigrate\n"
                                 "  rollback    go back\n";
    for (size_t i = 0; i < RK_COUNT(asks); i++) {
        stage s;
        stage_open(&s);
        assert_int_equal(dispatch(&s, (const char *const[]){asks[i], NULL}), RK_EXIT_DONE);
        const char *out = stage_out(&s);
        assert_true(strncmp(out, "Examples\n", 9) == 0);
        assert_non_null(strstr(out, groups));
        stage_close(&s);
    }
}

int test_dispatch(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_found_or_suggested),
        cmocka_unit_test(help_lists_commands_in_groups),
    };
    return cmocka_run_group_tests_name("cli.dispatch", tests, NULL, NULL);
}
