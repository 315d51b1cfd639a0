#include "rekey/cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "rekey/cli/frame.h"
#include "rekey/cli/text.h"

#define LINE_BYTES_MAX 4096

const char *rk_cli_paint(bool color, rk_paint paint)
{
    static const char *const sequences[] = {
        [RK_PAINT_NONE] = "\033[0m",   [RK_PAINT_BOLD] = "\033[1m", [RK_PAINT_RED] = "\033[31m",
        [RK_PAINT_GREEN] = "\033[32m", [RK_PAINT_DIM] = "\033[2m",
    };
    return color ? sequences[paint] : "";
}

/* Prints text that may come from outside, on one line. */
static void put_escaped(FILE *stream, const char *text)
{
    char piece[512];
    rk_slice rest = rk_slice_str(text);
    while (rest.len > 0) {
        size_t taken = rk_text_escape(rest, piece, sizeof piece);
        fputs(piece, stream);
        rest = rk_slice_of(rest.ptr + taken, rest.len - taken);
    }
}

static void put_line(rk_cli *cli, rk_paint paint, const char *prefix, const char *text)
{
    fprintf(cli->err, "%s%s%s", rk_cli_paint(cli->color_err, paint), prefix,
            rk_cli_paint(cli->color_err, RK_PAINT_NONE));
    put_escaped(cli->err, text);
    fputc('\n', cli->err);
}

static int fail(rk_cli *cli, int exit_code, const char *message, const char *hint)
{
    rki_progress_hide(cli);
    put_line(cli, RK_PAINT_RED, "rekey: ", message);
    if (hint != NULL)
        put_line(cli, RK_PAINT_BOLD, "hint: ", hint);
    fflush(cli->err);
    return exit_code;
}

int rk_cli_fail(rk_cli *cli, int exit_code, const rk_error *err, const char *hint)
{
    const char *message = err->message[0] != '\0' ? err->message : "failed without a reason given";
    return fail(cli, exit_code, message, hint);
}

int rk_cli_fail_format(rk_cli *cli, int exit_code, const char *hint, const char *format, ...)
{
    char message[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return fail(cli, exit_code, message, hint);
}

int rk_cli_exit_of(rk_status status)
{
    switch (status) {
    case RK_OK:
        return RK_EXIT_DONE;
    case RK_BUSY:
    case RK_TIMEOUT:
        return RK_EXIT_TRY_AGAIN;
    case RK_AUTH:
        return RK_EXIT_NOT_APPROVED;
    default:
        return RK_EXIT_FAILED;
    }
}

void rk_cli_note(rk_cli *cli, const char *format, ...)
{
    char message[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    rki_progress_hide(cli);
    put_escaped(cli->err, message);
    fputc('\n', cli->err);
    fflush(cli->err);
}

bool rk_cli_print(rk_cli *cli, const char *format, ...)
{
    /* Both streams may be one terminal. */
    rki_progress_hide(cli);
    va_list args;
    va_start(args, format);
    vfprintf(cli->out, format, args);
    va_end(args);
    fputc('\n', cli->out);
    return !ferror(cli->out);
}

int rk_cli_finish(rk_cli *cli, int exit_code)
{
    rk_cli_progress_end(cli);
    bool failed_before = ferror(cli->out) != 0;
    errno = 0;
    bool failed = fflush(cli->out) != 0;
    if (!failed && !failed_before)
        return exit_code;
    const char *why = failed && errno != 0 ? strerror(errno) : "not all of it was taken";
    int changed =
        exit_code == RK_EXIT_DONE || exit_code == RK_EXIT_CHANGES ? RK_EXIT_FAILED : exit_code;
    return rk_cli_fail_format(cli, changed, NULL, "write to stdout: %s", why);
}
