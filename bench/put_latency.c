/* put_latency: how long an application's puts take, on an idle store or while a command runs.
 *
 * One thread puts one record a call through the client library, nothing else: the application's
 * side of a migration. What is measured is the call, from its start to its return. Without --pace
 * the next put begins when the last one has returned, and so most often just after the lock was
 * free; with it, puts begin at a fixed rate, at any moment of a batch. One that is late begins at
 * once.
 *
 * --during runs a command by the shell and puts for as long as it runs; its failure is ours.
 * --samples writes one line a put: when it began, in seconds of the machine's monotonic clock, and
 * the microseconds that it took.
 *
 *     put_latency lmdb:DIR --seconds 3                    idle
 *     put_latency lmdb:DIR --during 'rekey run plan.json --store lmdb:DIR'
 *     put_latency lmdb:DIR --check 12000                  exit 0 when puts 0 to 11999 are readable
 */
#include <rekey/client.h>

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/contracts.h"
#include "bench/samples.h"

#define NS_PER_S 1000000000u

extern char **environ;

typedef struct options {
    const char *store;
    const char *during;
    double seconds;
    double pace; /* puts a second; 0: as fast as possible */
    double bound_us;
    const char *samples; /* a file to write; NULL: none */
    unsigned tenants;
    uint64_t first; /* number of the first record: another run's records are others */
    uint64_t check;
    bool json;
} options;

/* --- measuring -------------------------------------------------------------------------------- */

static pid_t start_command(const char *command)
{
    const char *const words[] = {"sh", "-c", command, NULL};
    pid_t pid = 0;
    /* POSIX promises not to write through argv, and could not say so in C. */
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, (char *const *)(uintptr_t)words, environ) != 0)
        bench_fail("start", command);
    return pid;
}

/* False when the command has come to its end. */
static bool still_runs(pid_t pid, const char *command)
{
    int state = 0;
    pid_t ended = waitpid(pid, &state, WNOHANG);
    if (ended == 0)
        return true;
    if (ended < 0 || !WIFEXITED(state) || WEXITSTATUS(state) != 0)
        bench_fail("the command failed", command);
    return false;
}

static void sleep_until(uint64_t due_ns)
{
    uint64_t now = bench_now_ns();
    if (now >= due_ns)
        return;
    uint64_t left = due_ns - now;
    struct timespec pause = {.tv_sec = (time_t)(left / NS_PER_S),
                             .tv_nsec = (long)(left % NS_PER_S)};
    nanosleep(&pause, NULL);
}

static void write_samples(const char *path, const bench_samples *began, const bench_samples *took)
{
    FILE *file = fopen(path, "w");
    if (!file)
        bench_fail("write", path);
    for (size_t i = 0; i < took->count; i++)
        fprintf(file, "%.6f %.1f\n", (double)began->ns[i] / NS_PER_S, (double)took->ns[i] / 1e3);
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        bench_fail("write", path);
}

static void measure(const options *o)
{
    bench_samples samples = {0};
    bench_samples began = {0};
    rk_client *client = NULL;
    rk_error err = {0};
    bench_contract contract;
    pid_t pid = o->during ? start_command(o->during) : 0;
    if (rk_client_open(o->store, NULL, &client, &err) != RK_OK)
        bench_fail("open", err.message);
    uint64_t start = bench_now_ns();
    uint64_t end = start + (uint64_t)(o->seconds * NS_PER_S);
    do {
        uint64_t due =
            start + (uint64_t)((double)samples.count * (o->pace > 0 ? 1e9 / o->pace : 0));
        bench_contract_make(o->first + samples.count, o->tenants, &contract);
        sleep_until(due);
        uint64_t from = bench_now_ns();
        bench_contract_put(client, &contract);
        bench_samples_add(&samples, bench_now_ns() - from);
        bench_samples_add(&began, from);
    } while (o->during ? still_runs(pid, o->during) : bench_now_ns() < end);
    double seconds = (double)(bench_now_ns() - start) / 1e9;
    rk_client_close(client);
    if (o->samples)
        write_samples(o->samples, &began, &samples);
    bench_samples_print(&samples, seconds, o->bound_us, o->json);
    bench_samples_fini(&samples);
    bench_samples_fini(&began);
}

static void check(const options *o)
{
    rk_client_options read_only = {.read_only = true};
    rk_client *client = NULL;
    rk_error err = {0};
    bench_contract contract;
    if (rk_client_open(o->store, &read_only, &client, &err) != RK_OK)
        bench_fail("open", err.message);
    for (uint64_t number = 0; number < o->check; number++) {
        bench_contract_make(number, o->tenants, &contract);
        bench_contract_check(client, &contract);
    }
    rk_client_close(client);
}

/* --- options ---------------------------------------------------------------------------------- */

static void usage(void)
{
    fprintf(stderr,
            "usage: put_latency lmdb:DIR (--seconds N | --during COMMAND | --check COUNT)\n"
            "                   [--pace PUTS_A_SECOND] [--tenants N] [--first N] [--bound-us N]\n"
            "                   [--samples FILE] [--json]\n");
    exit(64);
}

static double number_of(const char *text)
{
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= 0 && number < 1e12))
        usage();
    return number;
}

static void take_option(options *o, const char *name, const char *value)
{
    if (strcmp(name, "--seconds") == 0)
        o->seconds = number_of(value);
    else if (strcmp(name, "--during") == 0)
        o->during = value;
    else if (strcmp(name, "--check") == 0)
        o->check = (uint64_t)number_of(value);
    else if (strcmp(name, "--pace") == 0)
        o->pace = number_of(value);
    else if (strcmp(name, "--tenants") == 0)
        o->tenants = (unsigned)number_of(value);
    else if (strcmp(name, "--first") == 0)
        o->first = (uint64_t)number_of(value);
    else if (strcmp(name, "--samples") == 0)
        o->samples = value;
    else if (strcmp(name, "--bound-us") == 0)
        o->bound_us = number_of(value);
    else
        usage();
}

int main(int argc, char **argv)
{
    options o = {.tenants = 100};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            o.json = true;
        else if (argv[i][0] != '-' && !o.store)
            o.store = argv[i];
        else if (i + 1 < argc) {
            take_option(&o, argv[i], argv[i + 1]);
            i++;
        } else
            usage();
    }
    if (!o.store || o.tenants == 0 || (o.seconds > 0) + (o.check > 0) + (o.during != NULL) != 1)
        usage();
    if (o.check > 0)
        check(&o);
    else
        measure(&o);
    return 0;
}
