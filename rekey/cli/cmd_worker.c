#include <inttypes.h>

#include "rekey/cli/daemon.h"
#include "rekey/node/worker.h"

/* How soon a pause sees that it is over. */
#define LOOK_MS 50

typedef struct worker_options {
    const char *config;
} worker_options;

static const rk_opt opts[] = {
    {"config", 0, RK_OPT_STRING, "FILE", "the file of the node that is helped", true,
     offsetof(worker_options, config)},
};
static const rk_syntax syntax = {
    .name = "worker",
    .summary =
        "Helps a node on the same machine: prepares records of its runs in a process of its\n"
        "own. The node writes them, and does whatever comes back late or not at all.",
    .examples = "rekey worker --config /etc/rekey/node-1.yaml\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes =
        "Takes the file of the node itself: its key, its address, its store, of which no byte\n"
        "is changed. One process is one worker; start as many as there are cores to spare, up\n"
        "to four. Waits for the node while it is away. Runs until SIGTERM or Ctrl-C.\n",
    .exits = {RK_EXIT_NOT_APPROVED, RK_EXIT_BAD_SPEC},
};

static void log_line(void *context, const char *line)
{
    rk_cli_note(context, "rekey worker: %s", line);
}

static void pause_for(rk_cli *cli, uint32_t pause_ms)
{
    for (uint32_t past = 0; past < pause_ms && !rk_cli_interrupted(cli); past += LOOK_MS) {
        uint32_t piece = pause_ms - past < LOOK_MS ? pause_ms - past : LOOK_MS;
        cli->clock->pause_ns(cli->clock->context, UINT64_C(1000000) * piece);
    }
}

/* Until it is told to stop, or cannot go on. */
static rk_status work(rk_cli *cli, rk_worker *worker, rk_error *err)
{
    rk_status status = RK_OK;
    while (status == RK_OK && !rk_cli_interrupted(cli)) {
        uint32_t pause_ms = 0;
        status = rk_worker_step(worker, &pause_ms, err);
        pause_for(cli, pause_ms);
    }
    return status;
}

int rk_cmd_worker(rk_cli *cli, int argc, char **argv)
{
    worker_options options = {0};
    rk_worker *worker = NULL;
    rk_error err = {0};
    rk_findings findings = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    rk_status status =
        rk_worker_open(options.config, cli->clock, log_line, cli, &worker, &findings, &err);
    if (!rk_cli_daemon_opened(cli, "worker", options.config, status, &err, &findings, &code))
        return code;
    rk_cli_note(cli, "rekey worker: helps %s at %s", rk_worker_name(worker), rk_worker_url(worker));
    status = work(cli, worker, &err);
    rk_worker_counts counts = rk_worker_counts_of(worker);
    rk_worker_close(worker);
    rk_cli_note(cli, "rekey worker: stopped after %" PRIu64 " chunks, %" PRIu64 " records",
                counts.chunks, counts.records);
    return status == RK_OK ? code : rk_cli_daemon_fail(cli, "worker", options.config, status, &err);
}
