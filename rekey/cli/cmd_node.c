#include "rekey/cli/daemon.h"
#include "rekey/node/node.h"

#define WAIT_MS 100

typedef struct node_options {
    const char *config;
} node_options;

static const rk_opt opts[] = {
    {"config", 0, RK_OPT_STRING, "FILE", "the node's file", true, offsetof(node_options, config)},
};
static const rk_syntax syntax = {
    .name = "node",
    .summary = "Serves one store of a cluster: its records, and the migration's work on them.",
    .examples = "rekey node --config /etc/rekey/node-1.yaml\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "The file names the cluster file, which of its nodes this is, its secret key and\n"
             "its store. Runs until SIGTERM or Ctrl-C, then stops at a checkpoint; SIGHUP reads\n"
             "the authorized keys again. Tells systemd when it is ready and when it stops.\n",
    .exits = {RK_EXIT_NOT_APPROVED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

static void log_line(void *context, const char *line)
{
    rk_cli_note(context, "rekey node: %s", line);
}

static void reread_keys(rk_cli *cli, rk_node *node)
{
    rk_error err = {0};
    rk_findings findings = {0};
    rk_status status = rk_node_admit(node, &findings, &err);
    rk_cli_note(cli, "rekey node: %s: %s", rk_node_name(node),
                status == RK_OK ? "read the authorized keys again" : err.message);
    rk_cli_findings_note(cli, &findings);
    rk_findings_fini(&findings);
}

int rk_cmd_node(rk_cli *cli, int argc, char **argv)
{
    node_options options = {0};
    rk_node *node = NULL;
    rk_error err = {0};
    rk_findings findings = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    rk_status status =
        rk_node_open(options.config, cli->clock, log_line, cli, &node, &findings, &err);
    if (!rk_cli_daemon_opened(cli, "node", options.config, status, &err, &findings, &code))
        return code;
    volatile sig_atomic_t *hung_up = rk_cli_watch_hangup();
    rk_cli_note(cli, "rekey node: %s listens at %s", rk_node_name(node), rk_node_url(node));
    while (!rk_cli_interrupted(cli)) {
        rk_node_step(node, WAIT_MS);
        if (*hung_up) {
            *hung_up = 0;
            reread_keys(cli, node);
        }
    }
    rk_node_close(node);
    rk_cli_note(cli, "rekey node: stopped");
    return RK_EXIT_DONE;
}
