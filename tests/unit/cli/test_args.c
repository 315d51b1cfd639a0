/* Command lines: what they fill in, and what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/cli/stage.h"

typedef struct move_options {
    const char *spec;
    const char *extra;
    const char *store;
    const char *out;
    bool json;
    uint64_t workers;
    int until;
    rk_list id;
} move_options;

static const rk_opt opts[] = {
    RK_OPTION_STORE(move_options, store),
    {"out", 'o', RK_OPT_STRING, "PLAN", "write the plan here", false, offsetof(move_options, out)},
    RK_OPTION_JSON(move_options, json),
    {"workers", 'w', RK_OPT_U64, "N", "scanners", false, offsetof(move_options, workers)},
    {"until", 0, RK_OPT_CHOICE, "backfilled|verified|done", "where to stop", false,
     offsetof(move_options, until)},
    {"id", 0, RK_OPT_LIST, "VAR=VALUE", "which record", false, offsetof(move_options, id)},
};

static const rk_arg args[] = {
    {"SPEC", "the spec", false, offsetof(move_options, spec)},
    {"EXTRA", "something more", true, offsetof(move_options, extra)},
};

static const rk_syntax syntax = {
    .name = "move",
    .summary = "Moves things.",
    .examples = "rekey move a.yaml --store lmdb:db\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .args = args,
    .arg_count = RK_COUNT(args),
    .notes = "One more thing.\n",
    .exits = {RK_EXIT_STALE_PLAN, RK_EXIT_BAD_SPEC},
};

#define WORDS_MAX 40

/* `words` ends with NULL and begins after the command's name. */
static bool parse(stage *s, const char *const *words, move_options *options, int *code)
{
    char *argv[WORDS_MAX + 2] = {(char *)"move"};
    int argc = 1;
    while (words[argc - 1] != NULL) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
        argc++;
    }
    *options = (move_options){.workers = 4, .until = 1};
    *code = -1;
    return rk_cli_parse(&s->cli, &syntax, argc, argv, options, code);
}

#define PARSE(s, options, code, ...)                                                               \
    parse(s, (const char *const[]){__VA_ARGS__, NULL}, options, code)

static void what_is_given_is_filled_in(void **state)
{
    (void)state;
    stage s;
    move_options o;
    int code;
    stage_open(&s);
    assert_true(PARSE(&s, &o, &code, "a.yaml", "--store", "lmdb:db", "-o", "p", "--json",
                      "--workers=18446744073709551615", "--until", "done", "--id", "a=1",
                      "--id=b=2"));
    assert_string_equal(o.spec, "a.yaml");
    assert_null(o.extra);
    assert_string_equal(o.store, "lmdb:db");
    assert_string_equal(o.out, "p");
    assert_true(o.json);
    assert_true(o.workers == UINT64_MAX);
    assert_int_equal(o.until, 2);
    assert_int_equal(o.id.count, 2);
    assert_string_equal(o.id.items[0], "a=1");
    assert_string_equal(o.id.items[1], "b=2");
    assert_string_equal(stage_err(&s), "");
    stage_close(&s);
}

static void what_is_not_given_keeps_its_default(void **state)
{
    (void)state;
    stage s;
    move_options o;
    int code;
    stage_open(&s);
    assert_true(PARSE(&s, &o, &code, "--store=lmdb:db", "-", "-ofile", "--", "--odd"));
    assert_string_equal(o.spec, "-");
    assert_string_equal(o.extra, "--odd");
    assert_string_equal(o.out, "file");
    assert_false(o.json);
    assert_true(o.workers == 4);
    assert_int_equal(o.until, 1);
    assert_int_equal(o.id.count, 0);
    stage_close(&s);
}

#define HINT_HELP "hint: `rekey move --help` shows how it is used\n"

static const struct {
    const char *name;
    const char *words[8];
    const char *message;
} refusals[] = {
    {"no argument", {"--store", "x"}, "rekey: move: SPEC is missing\n" HINT_HELP},
    {"no store", {"a"}, "rekey: move: --store lmdb:DIR is missing\n" HINT_HELP},
    {"too many", {"a", "b", "secret"}, "rekey: move: too many arguments; it takes 2\n" HINT_HELP},
    {"near option",
     {"--stroe", "x"},
     "rekey: move: unknown option --stroe\n"
     "hint: did you mean --store?\n"},
    {"near option with value",
     {"--wrokers=3"},
     "rekey: move: unknown option --wrokers\n"
     "hint: did you mean --workers?\n"},
    {"near global option",
     {"--hlep"},
     "rekey: move: unknown option --hlep\n"
     "hint: did you mean --help?\n"},
    {"far option", {"--purple"}, "rekey: move: unknown option --purple\n" HINT_HELP},
    {"letter", {"-x"}, "rekey: move: unknown option -x\n" HINT_HELP},
    {"letters", {"-hx"}, "rekey: move: unknown option -h\n" HINT_HELP},
    {"twice", {"--json", "--json"}, "rekey: move: --json is given twice\n" HINT_HELP},
    {"flag with value", {"--json=yes"}, "rekey: move: --json takes no value\n" HINT_HELP},
    {"no value", {"a", "--store"}, "rekey: move: --store needs a value, lmdb:DIR\n" HINT_HELP},
    {"forgotten value",
     {"--store", "--json"},
     "rekey: move: --store needs a value, lmdb:DIR\n" HINT_HELP},
    {"empty", {"--store="}, "rekey: move: --store is empty; it takes lmdb:DIR\n" HINT_HELP},
    {"word for number",
     {"--workers", "many"},
     "rekey: move: --workers \"many\" is not a whole number\n" HINT_HELP},
    {"negative",
     {"--workers", "-1"},
     "rekey: move: --workers \"-1\" is not a whole number\n" HINT_HELP},
    {"too large",
     {"--workers", "18446744073709551616"},
     "rekey: move: --workers \"18446744073709551616\" is not a whole number\n" HINT_HELP},
    {"near choice",
     {"--until", "verifid"},
     "rekey: move: --until \"verifid\" is not one of backfilled|verified|done (did you mean "
     "\"verified\"?)\n" HINT_HELP},
    {"part of a choice",
     {"--until", "done|"},
     "rekey: move: --until \"done|\" is not one of backfilled|verified|done (did you mean "
     "\"done\"?)\n" HINT_HELP},
    {"cluster", {"--cluster", "f"}, "rekey: move: unknown option --cluster\n" HINT_HELP},
    {"escapes", {"--\033[31m"}, "rekey: move: unknown option --\\x1b[31m\n" HINT_HELP},
};

static void mistakes_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < RK_COUNT(refusals); i++) {
        stage s;
        move_options o;
        int code;
        stage_open(&s);
        bool good = parse(&s, refusals[i].words, &o, &code);
        const char *message = stage_err(&s);
        if (good || code != RK_EXIT_USAGE || strcmp(message, refusals[i].message) != 0)
            fail_msg("%s: code %d\n%s", refusals[i].name, code, message);
        assert_string_equal(stage_out(&s), "");
        stage_close(&s);
    }
}

static void a_list_has_an_end(void **state)
{
    (void)state;
    const char *words[WORDS_MAX + 1] = {NULL};
    for (size_t i = 0; i < RK_LIST_MAX + 1; i++)
        words[i] = "--id=a=1";
    stage s;
    move_options o;
    int code;
    stage_open(&s);
    assert_false(parse(&s, words, &o, &code));
    assert_string_equal(stage_err(&s), "rekey: move: --id is given more than 32 times\n" HINT_HELP);
    stage_close(&s);
}

static const char help[] =
    "Examples\n"
    "  rekey move a.yaml --store lmdb:db\n"
    "\n"
    "Usage\n"
    "  rekey move --store lmdb:DIR [-o PLAN] [--json] [-w N]\n"
    "      [--until backfilled|verified|done] [--id VAR=VALUE ...] "
                           "SPEC [EXTRA]\n"
    "\n"
    "Moves things.\n"
    "\n"
    "Options\n"
    "  SPEC                        the spec\n"
    "  EXTRA                       something more\n"
    "      --store lmdb:DIR        the store: an LMDB environment folder\n"
    "  -o, --out PLAN              write the plan here\n"
    "      --json                  print JSON on stdout\n"
    "  -w, --workers N             scanners\n"
    "      --until backfilled|verified|done\n"
    "                              where to stop\n"
    "      --id VAR=VALUE          which record\n"
    "      --no-color              no colour, here or with NO_COLOR set\n"
    "  -h, --help                  this text\n"
    "\n"
    "One more thing.\n"
    "\n"
    "Exit codes\n"
    "    0  done, or nothing to do\n"
    "    1  failed\n"
    "    3  the plan is stale, altered or already used\n"
    "   64  usage\n"
    "   78  bad spec or configuration\n";

static void help_begins_with_examples(void **state)
{
    (void)state;
    static const char *const asks[] = {"-h", "--help"};
    for (size_t i = 0; i < RK_COUNT(asks); i++) {
        stage s;
        move_options o;
        int code;
        stage_open(&s);
        assert_false(PARSE(&s, &o, &code, "--json", asks[i], "--nonsense"));
        assert_int_equal(code, RK_EXIT_DONE);
        assert_string_equal(stage_out(&s), help);
        assert_string_equal(stage_err(&s), "");
        stage_close(&s);
    }
}

static void colour_can_be_refused(void **state)
{
    (void)state;
    stage s;
    move_options o;
    int code;
    stage_open(&s);
    s.cli.color_out = s.cli.color_err = true;
    assert_false(PARSE(&s, &o, &code, "--no-color", "--purple"));
    assert_string_equal(stage_err(&s), "rekey: move: unknown option --purple\n" HINT_HELP);
    stage_close(&s);
}

static void pairs_are_split_at_the_first_equals(void **state)
{
    (void)state;
    rk_slice name;
    rk_slice value;
    assert_true(rk_cli_split("a=b=c", &name, &value));
    assert_true(rk_slice_equal(name, rk_slice_str("a")));
    assert_true(rk_slice_equal(value, rk_slice_str("b=c")));
    assert_true(rk_cli_split("a=", &name, &value));
    assert_int_equal(value.len, 0);
    assert_false(rk_cli_split("a", &name, &value));
    assert_false(rk_cli_split("=b", &name, &value));
}

int test_args(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_is_filled_in),
        cmocka_unit_test(what_is_not_given_keeps_its_default),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(help_begins_with_examples),
        cmocka_unit_test(colour_can_be_refused),
        cmocka_unit_test(pairs_are_split_at_the_first_equals),
    };
    return cmocka_run_group_tests_name("cli.args", tests, NULL, NULL);
}
