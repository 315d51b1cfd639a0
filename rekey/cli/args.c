#include "rekey/cli/cli.h"

#include <assert.h>
#include <stdarg.h>

#include "rekey/cli/frame.h"
#include "rekey/base/nearest.h"

#define OPTS_MAX 64 /* bits of `seen` */

typedef struct parser {
    rk_cli *cli;
    const rk_syntax *syntax;
    void *options;
    int argc;
    char **argv;
    int next;        /* in argv */
    size_t args;     /* positional arguments taken */
    uint64_t seen;   /* a bit for each option */
    bool only_args;  /* after -- */
    bool asked_help; /* and got it */
} parser;

/* --- the table -------------------------------------------------------------------------------- */

/* A mistake in a command's table is the programmer's, so it is found at the first call. */
static void check_syntax(const rk_syntax *syntax)
{
    assert(syntax->name && syntax->summary && syntax->examples);
    assert(syntax->opt_count <= OPTS_MAX);
    for (size_t i = 0; i < syntax->opt_count; i++) {
        const rk_opt *opt = &syntax->opts[i];
        assert(opt->name && opt->name[0] != '-' && opt->help && opt->letter != 'h');
        assert((opt->kind == RK_OPT_FLAG) == (opt->value == NULL));
        assert(opt->kind != RK_OPT_FLAG || !opt->required);
    }
    for (size_t i = 1; i < syntax->arg_count; i++)
        assert(syntax->args[i].optional || !syntax->args[i - 1].optional);
}

static void *member(const parser *p, size_t offset)
{
    return (char *)p->options + offset;
}

static const rk_opt *find_long(const rk_syntax *syntax, rk_slice name)
{
    for (size_t i = 0; i < syntax->opt_count; i++)
        if (rk_slice_equal(rk_slice_str(syntax->opts[i].name), name))
            return &syntax->opts[i];
    return NULL;
}

static const rk_opt *find_letter(const rk_syntax *syntax, char letter)
{
    for (size_t i = 0; i < syntax->opt_count; i++)
        if (syntax->opts[i].letter == letter)
            return &syntax->opts[i];
    return NULL;
}

/* --- refusals --------------------------------------------------------------------------------- */

static void hint_help(const parser *p, char hint[96])
{
    snprintf(hint, 96, "`rekey %s --help` shows how it is used", p->syntax->name);
}

RK_PRINTF(2, 3) static bool refuse(const parser *p, const char *format, ...)
{
    char why[1024];
    char hint[96];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    hint_help(p, hint);
    rk_cli_fail_format(p->cli, RK_EXIT_USAGE, hint, "%s: %s", p->syntax->name, why);
    return false;
}

static bool refuse_unknown(const parser *p, rk_slice name)
{
    rk_nearest nearest = {.word = name};
    for (size_t i = 0; i < p->syntax->opt_count; i++)
        rk_nearest_try(&nearest, rk_slice_str(p->syntax->opts[i].name));
    rk_nearest_try(&nearest, rk_slice_str("help"));
    rk_nearest_try(&nearest, rk_slice_str("no-color"));
    char hint[96];
    hint_help(p, hint);
    if (nearest.best.len > 0)
        snprintf(hint, sizeof hint, "did you mean --%.*s?", (int)nearest.best.len,
                 (const char *)nearest.best.ptr);
    rk_cli_fail_format(p->cli, RK_EXIT_USAGE, hint, "%s: unknown option --%.*s", p->syntax->name,
                       (int)name.len, (const char *)name.ptr);
    return false;
}

/* --- values ----------------------------------------------------------------------------------- */

static bool read_u64(const char *text, uint64_t *out)
{
    uint64_t n = 0;
    for (const char *c = text; *c; c++) {
        unsigned digit = (unsigned)(*c - '0');
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return *text != '\0';
}

/* The next word of a|b|c at *rest; false at the end. */
static bool next_word(const char **rest, rk_slice *word)
{
    if (*rest == NULL)
        return false;
    const char *bar = strchr(*rest, '|');
    *word = bar != NULL ? rk_slice_of(*rest, (size_t)(bar - *rest)) : rk_slice_str(*rest);
    *rest = bar != NULL ? bar + 1 : NULL;
    return true;
}

static bool set_choice(parser *p, const rk_opt *opt, const char *text)
{
    rk_nearest nearest = {.word = rk_slice_str(text)};
    const char *rest = opt->value;
    rk_slice word;
    for (int position = 0; next_word(&rest, &word); position++) {
        if (rk_slice_equal(word, nearest.word)) {
            *(int *)member(p, opt->offset) = position;
            return true;
        }
        rk_nearest_try(&nearest, word);
    }
    rk_nearest_hint_text hint = rk_nearest_hint(&nearest);
    return refuse(p, "--%s \"%s\" is not one of %s%s", opt->name, text, opt->value, hint.text);
}

static bool set_value(parser *p, const rk_opt *opt, const char *text)
{
    if (*text == '\0')
        return refuse(p, "--%s is empty; it takes %s", opt->name, opt->value);
    if (opt->kind == RK_OPT_CHOICE)
        return set_choice(p, opt, text);
    if (opt->kind == RK_OPT_U64) {
        if (read_u64(text, member(p, opt->offset)))
            return true;
        return refuse(p, "--%s \"%s\" is not a whole number", opt->name, text);
    }
    if (opt->kind == RK_OPT_STRING) {
        *(const char **)member(p, opt->offset) = text;
        return true;
    }
    rk_list *list = member(p, opt->offset);
    if (list->count == RK_LIST_MAX)
        return refuse(p, "--%s is given more than %d times", opt->name, RK_LIST_MAX);
    list->items[list->count++] = text;
    return true;
}

/* `attached` is what stood in the same word, as in --name=VALUE; NULL for nothing. */
static bool take_option(parser *p, const rk_opt *opt, const char *attached)
{
    uint64_t bit = UINT64_C(1) << (opt - p->syntax->opts);
    if ((p->seen & bit) != 0 && opt->kind != RK_OPT_LIST)
        return refuse(p, "--%s is given twice", opt->name);
    p->seen |= bit;
    if (opt->kind == RK_OPT_FLAG) {
        if (attached != NULL)
            return refuse(p, "--%s takes no value", opt->name);
        *(bool *)member(p, opt->offset) = true;
        return true;
    }
    if (attached != NULL)
        return set_value(p, opt, attached);
    /* --store --json: the value was forgotten. One that does begin with dashes takes a `=`. */
    if (p->next == p->argc || strncmp(p->argv[p->next], "--", 2) == 0)
        return refuse(p, "--%s needs a value, %s", opt->name, opt->value);
    return set_value(p, opt, p->argv[p->next++]);
}

/* --- words ------------------------------------------------------------------------------------ */

static bool take_long(parser *p, const char *word)
{
    const char *equals = strchr(word, '=');
    rk_slice name =
        equals != NULL ? rk_slice_of(word, (size_t)(equals - word)) : rk_slice_str(word);
    const rk_opt *opt = find_long(p->syntax, name);
    if (opt != NULL)
        return take_option(p, opt, equals != NULL ? equals + 1 : NULL);
    if (rk_slice_equal(name, rk_slice_str("help")))
        return p->asked_help = true;
    if (!rk_slice_equal(name, rk_slice_str("no-color")))
        return refuse_unknown(p, name);
    rki_color_off(p->cli);
    return true;
}

static bool take_short(parser *p, const char *word)
{
    if (strcmp(word, "h") == 0)
        return p->asked_help = true;
    const rk_opt *opt = find_letter(p->syntax, word[0]);
    if (opt == NULL)
        return refuse(p, "unknown option -%c", word[0]);
    return take_option(p, opt, word[1] != '\0' ? word + 1 : NULL);
}

static bool take_argument(parser *p, const char *word)
{
    /* The word itself is not shown: of `put` it may be a part of a record's value. */
    if (p->args == p->syntax->arg_count)
        return refuse(p, "too many arguments; it takes %zu", p->syntax->arg_count);
    *(const char **)member(p, p->syntax->args[p->args++].offset) = word;
    return true;
}

static bool take_word(parser *p)
{
    const char *word = p->argv[p->next++];
    if (p->only_args || word[0] != '-' || word[1] == '\0')
        return take_argument(p, word);
    if (strcmp(word, "--") == 0)
        return p->only_args = true;
    return word[1] == '-' ? take_long(p, word + 2) : take_short(p, word + 1);
}

static bool check_complete(const parser *p)
{
    if (p->args < p->syntax->arg_count && !p->syntax->args[p->args].optional)
        return refuse(p, "%s is missing", p->syntax->args[p->args].name);
    for (size_t i = 0; i < p->syntax->opt_count; i++) {
        const rk_opt *opt = &p->syntax->opts[i];
        if (opt->required && (p->seen >> i & 1) == 0)
            return refuse(p, "--%s %s is missing", opt->name, opt->value);
    }
    return true;
}

bool rk_cli_parse(rk_cli *cli, const rk_syntax *syntax, int argc, char **argv, void *options,
                  int *code)
{
    parser p = {
        .cli = cli, .syntax = syntax, .options = options, .argc = argc, .argv = argv, .next = 1};
    check_syntax(syntax);
    bool good = true;
    while (good && !p.asked_help && p.next < argc)
        good = take_word(&p);
    if (p.asked_help) {
        rki_help_command(cli, syntax);
        *code = RK_EXIT_DONE;
        return false;
    }
    if (good && check_complete(&p))
        return true;
    *code = RK_EXIT_USAGE;
    return false;
}

bool rk_cli_split(const char *pair, rk_slice *name, rk_slice *value)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair)
        return false;
    *name = rk_slice_of(pair, (size_t)(equals - pair));
    *value = rk_slice_str(equals + 1);
    return true;
}
