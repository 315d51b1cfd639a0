/* isolation_attack.c: the attack on a scratch store, its report, and how it runs this program. */
#include "rekey/cli/isolation_args.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rekey/isolation/attack.h"

#define PROGRAM          "/proc/self/exe"
#define WORDS_MAX        128
#define LINE_BYTES_MAX   ((size_t)16 * 1024)
#define REPORT_BYTES_MAX (RK_JUNIT_BYTES_MAX + 65536)

extern char **environ;

/* --- running this program --------------------------------------------------------------------- */

static rk_status failed(rk_error *err, const char *what, int why)
{
    return rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, why, "%s: %s", what, strerror(why));
}

/* Reads both until both are closed, so that neither fills up while the other is waited for. */
static rk_status read_both(const int from[2], rk_attack_reply *reply, rk_error *err)
{
    struct pollfd wait[2] = {{from[0], POLLIN, 0}, {from[1], POLLIN, 0}};
    rk_buf *to[2] = {&reply->out, &reply->err};
    rk_status status = RK_OK;
    while (status == RK_OK && (wait[0].fd >= 0 || wait[1].fd >= 0)) {
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            return failed(err, "poll", errno);
        for (size_t i = 0; i < 2 && status == RK_OK; i++) {
            char bytes[4096];
            if (wait[i].fd < 0 || !wait[i].revents)
                continue;
            ssize_t got = read(wait[i].fd, bytes, sizeof bytes);
            if (got > 0)
                status = rk_buf_append(to[i], rk_slice_of(bytes, (size_t)got), err);
            else if (got == 0 || errno != EINTR)
                wait[i].fd = -1;
        }
    }
    return status;
}

static rk_status spawn(char *const *argv, const int out[2], const int message[2], pid_t *pid,
                       rk_error *err)
{
    posix_spawn_file_actions_t actions;
    int why = posix_spawn_file_actions_init(&actions);
    if (why != 0)
        return failed(err, "run " PROGRAM, why);
    why = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (why == 0)
        why = posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    if (why == 0)
        why = posix_spawn_file_actions_adddup2(&actions, message[1], STDERR_FILENO);
    if (why == 0)
        why = posix_spawn(pid, PROGRAM, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return why == 0 ? RK_OK : failed(err, "run " PROGRAM, why);
}

static void close_pipe(int ends[2])
{
    for (int i = 0; i < 2; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
        ends[i] = -1;
    }
}

static bool open_pipe(int ends[2])
{
    return pipe(ends) == 0 && fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 &&
           fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0;
}

static rk_status run_program(void *context, const char *const *words, size_t count,
                             rk_attack_reply *reply, rk_error *err)
{
    char *argv[WORDS_MAX] = {(char *)(uintptr_t) "rekey"};
    int out[2] = {-1, -1};
    int message[2] = {-1, -1};
    int ended = 0;
    pid_t pid = -1;
    (void)context;
    if (count + 2 > WORDS_MAX)
        return rk_error_set(err, RK_LIMIT, "a command line of %zu words", count);
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = (char *)(uintptr_t)words[i];
    rk_status status = open_pipe(out) && open_pipe(message) ? RK_OK : failed(err, "pipe", errno);
    if (status == RK_OK)
        status = spawn(argv, out, message, &pid, err);
    for (int *end = out + 1; status == RK_OK && end; end = end == out + 1 ? message + 1 : NULL) {
        close(*end);
        *end = -1;
    }
    if (status == RK_OK)
        status = read_both((const int[2]){out[0], message[0]}, reply, err);
    close_pipe(out);
    close_pipe(message);
    while (pid > 0 && waitpid(pid, &ended, 0) < 0 && errno == EINTR)
        continue;
    reply->code = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
    return status;
}

/* --- the reports ------------------------------------------------------------------------------ */

static bool print_case(rk_cli *cli, rk_buf *line, uint64_t number, const rk_case_result *result)
{
    rk_buf_reset(line);
    if (rk_report_tap(line, number, result, NULL) != RK_OK)
        return false;
    return rk_cli_print(cli, "%.*s", (int)line->len, (const char *)line->ptr);
}

/* A file beside it that takes its name when it is whole. */
static rk_status write_file(const char *path, rk_slice bytes, rk_error *err)
{
    char temporary[4096];
    int len = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= sizeof temporary)
        return rk_error_set(err, RK_LIMIT, "write %s: the path is too long", path);
    int fd = mkstemp(temporary);
    if (fd < 0)
        return failed(err, path, errno);
    size_t at = 0;
    while (at < bytes.len) {
        ssize_t put = write(fd, bytes.ptr + at, bytes.len - at);
        if (put < 0 && errno != EINTR)
            break;
        at += put > 0 ? (size_t)put : 0;
    }
    bool whole = at == bytes.len && fchmod(fd, 0644) == 0;
    int why = errno;
    if (close(fd) != 0 || !whole || rename(temporary, path) != 0) {
        why = whole ? errno : why;
        unlink(temporary);
        return failed(err, path, why);
    }
    return RK_OK;
}

static int write_junit(rk_cli *cli, const char *path, const char *name, const rk_junit *junit)
{
    rk_buf document;
    rk_error err = {0};
    rk_buf_init(&document, REPORT_BYTES_MAX);
    rk_status status = rk_junit_write(junit, name, NULL, &document, &err);
    if (status == RK_OK)
        status = write_file(path, rk_buf_slice(&document), &err);
    rk_buf_fini(&document);
    if (status == RK_OK)
        return RK_EXIT_DONE;
    rk_error_context(&err, status, "write the report");
    return rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
}

/* --- the attack ------------------------------------------------------------------------------- */

static void draw(rk_cli *cli, const rk_attack *attack, uint64_t done)
{
    rk_progress_view view = {
        .phase = rk_attack_stage(attack), .done = done, .total = rk_attack_total(attack)};
    if (cli->err_is_terminal)
        rk_cli_progress(cli, &view, rk_clock_monotonic_ns(cli->clock));
}

/* RK_EXIT_DONE when it came to its end, whatever the cases said. */
static int run_cases(rk_cli *cli, rk_attack *attack, rk_junit *junit)
{
    rk_case_result result;
    rk_buf line;
    rk_error err = {0};
    uint64_t number = 0;
    int code = RK_EXIT_DONE;
    rk_buf_init(&line, LINE_BYTES_MAX);
    while (code == RK_EXIT_DONE && rk_attack_step(attack, &result)) {
        if (!print_case(cli, &line, ++number, &result))
            code = RK_EXIT_FAILED;
        if (rk_junit_add(junit, &result, &err) != RK_OK)
            code = rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
        draw(cli, attack, number);
        if (code == RK_EXIT_DONE && rk_cli_interrupted(cli))
            code = rk_cli_fail_format(cli, RK_EXIT_STOPPED, NULL, "isolation: interrupted");
    }
    rk_cli_progress_end(cli);
    rk_buf_fini(&line);
    return code;
}

static int deliver(rk_cli *cli, const rk_cli_isolation *options, const char *name,
                   const rk_junit *junit)
{
    rk_cli_print(cli, "1..%" PRIu64, junit->passed + junit->failed);
    int code = options->junit ? write_junit(cli, options->junit, name, junit) : RK_EXIT_DONE;
    rk_cli_print(cli, "%" PRIu64 " passed, %" PRIu64 " failed", junit->passed, junit->failed);
    return code == RK_EXIT_DONE && junit->failed > 0 ? RK_EXIT_NOT_CLEAN : code;
}

int rk_cli_isolation_attack(rk_cli *cli, const rk_cli_isolation *options)
{
    rk_spec_source source = {0};
    rk_spec *spec = NULL;
    rk_attack *attack = NULL;
    rk_junit junit;
    rk_error err = {0};
    const char *base = getenv("TMPDIR");
    rk_attack_options how = {
        .folder = base && base[0] ? base : "/tmp", .program = run_program, .clock = cli->clock};
    int code = rk_cli_spec_open(cli, options->spec, &source, &spec);
    if (code != RK_EXIT_DONE)
        return code;
    rk_junit_init(&junit);
    rk_status status = rk_attack_create(&source, &how, &attack, &err);
    if (status != RK_OK) {
        rk_error_context(&err, status, "isolation %s", options->spec);
        code = rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    } else {
        code = run_cases(cli, attack, &junit);
    }
    if (code == RK_EXIT_DONE)
        code = deliver(cli, options, spec->migration, &junit);
    rk_attack_destroy(attack);
    rk_junit_fini(&junit);
    rk_spec_destroy(spec);
    rk_spec_source_fini(&source);
    return code;
}
