/* cli.h: what every command of `rekey` stands on.
 *
 * A command is one file, cmd_NAME.c, with a struct for its options, a table that says which options
 * fill which member, the text of its help, and one function that returns an exit code. It is listed
 * in one place, RK_COMMANDS in commands.h. The frame parses, explains, reports and draws.
 *
 * Invariants
 *   - Data goes to cli->out, messages to cli->err; nothing else writes to either.
 *   - A command returns an rk_exit and never calls exit().
 *   - A failure is one line `rekey: what was tried: why`, perhaps followed by one `hint: ...`.
 * Bytes that a terminal would obey are escaped in both.
 *   - The frame checks, after the command, that all of stdout was written.
 *
 * Threading: the main thread only.
 *
 *     typedef struct keygen_options {
 *         const char *out;
 *     } keygen_options;
 *
 *     static const rk_opt opts[] = {
 *         {"out", 'o', RK_OPT_STRING, "KEY", "file to write", true, offsetof(keygen_options, out)},
 *     };
 *     static const rk_syntax syntax = {
 *         .name = "keygen",
 *         .summary = "Makes an Ed25519 key pair.",
 *         .examples = "rekey keygen -o alice.key\n",
 *         .opts = opts,
 *         .opt_count = RK_COUNT(opts),
 *     };
 *
 *     int rk_cmd_keygen(rk_cli *cli, int argc, char **argv)
 *     {
 *         keygen_options options = {0};
 *         int code = RK_EXIT_DONE;
 *         if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
 *             return code;
 *         ...
 *     }
 */
#ifndef REKEY_CLI_CLI_H
#define REKEY_CLI_CLI_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rekey/base/clock.h"
#include "rekey/spec/spec.h"
#include "store/lmdb.h"

#define RK_COUNT(array) (sizeof(array) / sizeof *(array))

/* What a script sees. These numbers never change. */
typedef enum rk_exit {
    RK_EXIT_DONE = 0,         /* done, or nothing to do */
    RK_EXIT_FAILED = 1,       /* failed */
    RK_EXIT_CHANGES = 2,      /* only with `plan --detailed-exitcode`: changes are present */
    RK_EXIT_STALE_PLAN = 3,   /* the plan is stale, altered or already used */
    RK_EXIT_NOT_APPROVED = 4, /* signature or approval refused */
    RK_EXIT_NOT_CLEAN = 5,    /* verification not clean, or a gate or stop signal said no */
    RK_EXIT_STOPPED = 6,      /* stopped safely; the same command resumes */
    RK_EXIT_USAGE = 64,       /* usage */
    RK_EXIT_TRY_AGAIN = 75,   /* another run holds the lease, the store is busy */
    RK_EXIT_BAD_SPEC = 78     /* bad spec or configuration */
} rk_exit;

/* --- the program's surroundings --------------------------------------------------------------- */

/* What progress.c remembers between two calls. Zeroed is a line that was never drawn. */
typedef struct rk_progress_state {
    char phase[96];
    uint64_t sampled_ns;
    uint64_t sampled_done;
    uint64_t drawn_ns;
    double records_per_s; /* smoothed; negative while unknown */
    bool started;
    bool visible; /* a live line stands on the terminal, without a line break */
} rk_progress_state;

typedef struct rk_cli {
    FILE *out; /* data */
    FILE *err; /* messages */
    FILE *in;  /* for `put ... -` */
    const rk_clock *clock;
    bool out_is_terminal;
    bool err_is_terminal; /* and fit for redrawing a line: TERM is not `dumb` */
    bool color_out;       /* colour is wanted and this stream is a terminal */
    bool color_err;
    const volatile sig_atomic_t *interrupted; /* not 0 after SIGINT or SIGTERM: checkpoint, then
                                                 return RK_EXIT_STOPPED */
    uint64_t progress_line_ns;                /* between two plain progress lines, off a terminal */
    rk_progress_state progress;
} rk_cli;

static inline bool rk_cli_interrupted(const rk_cli *cli)
{
    return *cli->interrupted != 0;
}

/* For daemons: from now on SIGHUP does not end the program but sets this to 1; whoever sees it sets
 * it back to 0. */
volatile sig_atomic_t *rk_cli_watch_hangup(void);

/* --- options ---------------------------------------------------------------------------------- */

typedef enum rk_opt_kind {
    RK_OPT_FLAG,   /* bool: set to true */
    RK_OPT_STRING, /* const char *: borrowed from argv; may be given once, not empty */
    RK_OPT_U64,    /* uint64_t: decimal digits */
    RK_OPT_CHOICE, /* int: position of the word in `value`, as in "backfilled|verified" */
    RK_OPT_LIST    /* rk_list: may be given again and again */
} rk_opt_kind;

#define RK_LIST_MAX 32

typedef struct rk_list {
    const char *items[RK_LIST_MAX]; /* borrowed from argv */
    size_t count;
} rk_list;

/* One option. The member at `offset` of the command's struct has the type that `kind` asks for and
 * keeps its default when the option is not given. Every option is also `--name=VALUE`; every
 * command also has -h, --help and --no-color. */
typedef struct rk_opt {
    const char *name; /* without dashes */
    char letter;      /* 'o' for -o; 0 for none */
    rk_opt_kind kind;
    const char *value; /* how help calls the value; a CHOICE's words; NULL for a FLAG */
    const char *help;  /* one line, no full stop */
    bool required;
    size_t offset;
} rk_opt;

/* One positional argument, a const char *. Optional ones come last; "-" is an argument. */
typedef struct rk_arg {
    const char *name; /* as in help, "SPEC" */
    const char *help;
    bool optional;
    size_t offset;
} rk_arg;

/* Options that several commands have, each worded once. `type` is the command's struct. */
#define RK_OPTION_STORE(type, member)                                                              \
    {                                                                                              \
        "store", 0, RK_OPT_STRING, "lmdb:DIR", "the store: an LMDB environment folder", true,      \
            offsetof(type, member)                                                                 \
    }
/* Lines of two options, of which a command takes one: rk_cli_one_place checks. */
#define RK_OPTIONS_PLACE(type, store_member, cluster_member)                                       \
    {"store",                                                                                      \
     0,                                                                                            \
     RK_OPT_STRING,                                                                                \
     "lmdb:DIR",                                                                                   \
     "the store: an LMDB environment folder",                                                      \
     false,                                                                                        \
     offsetof(type, store_member)},                                                                \
    {                                                                                              \
        "cluster", 0, RK_OPT_STRING, "FILE", "in place of --store: the nodes of a cluster file",   \
            false, offsetof(type, cluster_member)                                                  \
    }
#define RK_OPTION_JSON(type, member)                                                               \
    {                                                                                              \
        "json", 0, RK_OPT_FLAG, NULL, "print JSON on stdout", false, offsetof(type, member)        \
    }
#define RK_OPTION_TIER(type, member) /* int, -1 by default; else an rk_tier */                     \
    {                                                                                              \
        "tier", 0, RK_OPT_CHOICE, "canary|production", "only this tier's tenants", false,          \
            offsetof(type, member)                                                                 \
    }
#define RK_OPTION_SHOW_VALUES(type, member)                                                        \
    {                                                                                              \
        "show-values", 0, RK_OPT_FLAG, NULL, "let messages carry values of records", false,        \
            offsetof(type, member)                                                                 \
    }

/* A command's command line and its help. */
typedef struct rk_syntax {
    const char *name;
    const char *summary;  /* one sentence */
    const char *examples; /* command lines, each ended by \n; help shows them first */
    const rk_opt *opts;
    size_t opt_count;
    const rk_arg *args;
    size_t arg_count;
    const char *notes; /* NULL, or paragraphs after the options, lines of at most 80 columns */
    rk_exit exits[8];  /* what it may return besides 0, 1 and 64; the rest is 0 */
} rk_syntax;

/* Fills `options` from the command line; argv[0] is the command's name. False when there is nothing
 * more to do: help was asked for and printed (*code is RK_EXIT_DONE), or the command line is wrong
 * and that was reported (RK_EXIT_USAGE). Asserts that the table itself is sound. */
bool rk_cli_parse(rk_cli *cli, const rk_syntax *syntax, int argc, char **argv, void *options,
                  int *code);

/* Splits VAR=VALUE at the first `=`. False when there is none, or nothing before it. */
bool rk_cli_split(const char *pair, rk_slice *name, rk_slice *value);

/* --- messages --------------------------------------------------------------------------------- */

/* Prints `rekey: MESSAGE` and, when not NULL, `hint: HINT`; returns exit_code:
 *     return rk_cli_fail(cli, RK_EXIT_FAILED, &err, "is the disk full?");
 * The message should say what was tried, so callers add it first with rk_error_context. */
int rk_cli_fail(rk_cli *cli, int exit_code, const rk_error *err, const char *hint);

/* As rk_cli_fail for what the command itself found wrong. */
int rk_cli_fail_format(rk_cli *cli, int exit_code, const char *hint, const char *format, ...)
    RK_PRINTF(4, 5);

/* The exit code where a command has no better one: BUSY and TIMEOUT try again, AUTH not approved,
 * everything else failed. */
int rk_cli_exit_of(rk_status status);

/* One line on stderr that is no failure, as it stands, without a prefix. */
void rk_cli_note(rk_cli *cli, const char *format, ...) RK_PRINTF(2, 3);

/* One line of data on stdout. False when stdout takes no more (full, or its reader went away):
 * stop; the frame reports it at the end. */
bool rk_cli_print(rk_cli *cli, const char *format, ...) RK_PRINTF(2, 3);

/* Called by the frame when the command is over: RK_EXIT_FAILED in place of 0 and 2 when not all of
 * stdout could be written. */
int rk_cli_finish(rk_cli *cli, int exit_code);

/* Escape sequences for cli->color_out or color_err; "" when colour is off. */
typedef enum rk_paint {
    RK_PAINT_NONE,
    RK_PAINT_BOLD,
    RK_PAINT_RED,
    RK_PAINT_GREEN,
    RK_PAINT_DIM
} rk_paint;
const char *rk_cli_paint(bool color, rk_paint paint);

/* --- progress --------------------------------------------------------------------------------- */

typedef struct rk_progress_view {
    const char *phase; /* what is going on, "backfill canary" */
    uint64_t done;
    uint64_t total;       /* 0 when unknown: no bar, no end */
    double records_per_s; /* 0: worked out from the calls */
    uint32_t batch_units; /* 0: not shown */
    uint64_t quarantined; /* 0: not shown */
} rk_progress_view;

/* Call it as often as you like. On a terminal it redraws one line, at most ten times a second; off
 * a terminal it prints one plain line every few seconds. now_ns is the clock's monotonic time. */
void rk_cli_progress(rk_cli *cli, const rk_progress_view *view, uint64_t now_ns);

/* Erases the live line. Messages do so by themselves. */
void rk_cli_progress_end(rk_cli *cli);

/* --- opening things --------------------------------------------------------------------------- */

/* Opens a `--store` value, lmdb:DIR. RK_EXIT_DONE, or the exit code of what was reported. */
int rk_cli_store_open(rk_cli *cli, const char *name, rk_lmdb_mode mode, rk_store **out);

/* Whether one of --store and --cluster was given, and not both. RK_EXIT_DONE, or RK_EXIT_USAGE of
 * what was reported. */
int rk_cli_one_place(rk_cli *cli, const char *command, const char *store, const char *cluster);

/* Behind the message that names the file: its findings, a line each, LINE:COLUMN: message. */
void rk_cli_findings_note(rk_cli *cli, const rk_findings *findings);

/* Reads and lints a spec. RK_EXIT_DONE: `source` (for rk_spec_source_fini) and *out are filled.
 * With findings each is printed as FILE:LINE:COLUMN: message, then their number, and the code is
 * RK_EXIT_BAD_SPEC. */
int rk_cli_spec_open(rk_cli *cli, const char *path, rk_spec_source *source, rk_spec **out);

#endif
