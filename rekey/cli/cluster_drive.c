#include "rekey/cli/cluster.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rekey/cli/json_out.h"
#include "rekey/cli/text.h"

#define STEP_NS ((uint64_t)RK_COORDINATOR_POLL_MS_MIN * 1000000)

/* --- opening ---------------------------------------------------------------------------------- */

int rk_cli_link_open(rk_cli *cli, const char *path, rk_link **out)
{
    rk_error err = {0};
    rk_findings findings = {0};
    int code = RK_EXIT_DONE;
    rk_link_options options = {0};
    rk_status status = rk_link_open(path, &options, out, &findings, &err);
    if (status != RK_OK) {
        bool configuration = status == RK_INVALID || status == RK_NOT_FOUND;
        rk_error_context(&err, status, "open cluster %s", path);
        code =
            rk_cli_fail(cli, configuration ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status), &err, NULL);
        rk_cli_findings_note(cli, &findings);
    }
    rk_findings_fini(&findings);
    return code;
}

/* --- how it ended ----------------------------------------------------------------------------- */

static const char *node_name(const rk_link *link, size_t node)
{
    const rk_cluster *cluster = rk_link_cluster(link);
    return node < cluster->node_count ? cluster->nodes[node].name : "?";
}

static void show_losses(rk_cli *cli, const json_t *result)
{
    size_t i;
    json_t *key;
    json_array_foreach(json_object_get(result, "keys"), i, key)
    {
        uint8_t bytes[RK_STATE_KEY_BYTES_MAX];
        char text[4 * RK_STATE_KEY_BYTES_MAX + 1];
        rk_slice hex = rk_slice_str(json_string_value(key) ? json_string_value(key) : "");
        if (hex.len / 2 > sizeof bytes || rk_unhex(hex, bytes, hex.len / 2, NULL) != RK_OK)
            continue;
        rk_text_escape(rk_slice_of(bytes, hex.len / 2), text, sizeof text);
        rk_cli_note(cli, "  %s", text);
    }
}

static int report_gate(rk_cli *cli, const rk_cli_cluster_run *run, const rk_cli_carriage *carriage,
                       const rk_coordinator_end *end)
{
    bool losses = json_object_get(carriage->result, "keys") != NULL;
    int code =
        rk_cli_fail_format(cli, RK_EXIT_NOT_CLEAN,
                           losses ? "--accept-loss goes on without them"
                                  : "see `rekey status`, `rekey quarantine` and `rekey verify`",
                           "%s refused: node %s: %s", run->command,
                           node_name(carriage->link, end->node), end->error.message);
    show_losses(cli, carriage->result);
    return code;
}

static int report_failure(rk_cli *cli, const rk_cli_cluster_run *run, const rk_coordinator_end *end)
{
    bool usage = end->status == RK_INVALID && end->of_run; /* as of a run on one store */
    bool configuration = end->status == RK_NOT_FOUND || (end->status == RK_INVALID && !usage);
    bool stopped = end->status == RK_FULL || end->status == RK_UNCERTAIN;
    const char *hint = NULL;
    if (stopped)
        hint = end->status == RK_FULL
                   ? "make room, then run the same command again"
                   : "the checkpoint tells what landed: run the same command again";
    int code = configuration                ? RK_EXIT_BAD_SPEC
               : usage                      ? RK_EXIT_USAGE
               : end->status == RK_CONFLICT ? RK_EXIT_NOT_CLEAN
               : stopped                    ? RK_EXIT_STOPPED
                                            : rk_cli_exit_of(end->status);
    return rk_cli_fail_format(cli, code, hint, "%s on %s: %s", run->command, run->cluster,
                              end->error.message);
}

static int report(rk_cli *cli, const rk_cli_cluster_run *run, const rk_cli_carriage *carriage,
                  const rk_coordinator *coordinator)
{
    const rk_coordinator_end *end = rk_coordinator_end_of(coordinator);
    const char *node = node_name(carriage->link, end->node);
    switch (rk_coordinator_state_of(coordinator)) {
    case RK_COORDINATOR_DONE:
        return RK_EXIT_DONE;
    case RK_COORDINATOR_NOT_CLEAN:
        rk_cli_fail_format(
            cli, RK_EXIT_NOT_CLEAN, "`rekey verify` shows them all; mend them, then run again",
            "%s on %s: node %s: verification found differences", run->command, run->cluster, node);
        rk_cli_verify_samples(cli, carriage->result);
        return RK_EXIT_NOT_CLEAN;
    case RK_COORDINATOR_GATE:
        return report_gate(cli, run, carriage, end);
    case RK_COORDINATOR_SIGNAL:
        return rk_cli_fail_format(cli, RK_EXIT_NOT_CLEAN,
                                  "nothing is lost; when its cause is gone, run the same command",
                                  "%s on %s: node %s: stopped safely by the signal %s",
                                  run->command, run->cluster, node, end->error.message);
    case RK_COORDINATOR_BUSY:
        return rk_cli_fail_format(cli, RK_EXIT_TRY_AGAIN, NULL, "%s on %s: %s", run->command,
                                  run->cluster, end->error.message);
    case RK_COORDINATOR_STALE:
        return rk_cli_fail_format(cli, RK_EXIT_STALE_PLAN, "make a new one with `rekey plan`",
                                  "%s on %s: %s", run->command, run->cluster, end->error.message);
    case RK_COORDINATOR_UNREACHABLE:
        return rk_cli_fail_format(
            cli, RK_EXIT_STOPPED, "nothing is lost; when the node is back, run the same command",
            "%s on %s: stopped safely: %s", run->command, run->cluster, end->error.message);
    case RK_COORDINATOR_INTERRUPTED:
        return rk_cli_fail_format(cli, RK_EXIT_STOPPED, "the same command goes on from here",
                                  "%s on %s: stopped at a checkpoint by an interrupt", run->command,
                                  run->cluster);
    default:
        return report_failure(cli, run, end);
    }
}

static void tell_untold(rk_cli *cli, const rk_cli_carriage *carriage,
                        const rk_coordinator *coordinator)
{
    size_t nodes[RK_COORDINATOR_NODES_MAX];
    size_t count = rk_coordinator_untold(coordinator, nodes, RK_COUNT(nodes));
    for (size_t i = 0; i < count; i++)
        rk_cli_note(
            cli,
            "node %s has not confirmed the decision: it asks by itself, and one that was away "
            "before it serves again",
            node_name(carriage->link, nodes[i]));
}

/* --- driving ---------------------------------------------------------------------------------- */

static int64_t steady_ms(const rk_cli *cli)
{
    return (int64_t)(rk_clock_monotonic_ns(cli->clock) / 1000000u);
}

static void draw(rk_cli *cli, const rk_cli_carriage *carriage, const rk_coordinator *coordinator)
{
    char waits[RK_NODE_NAME_BYTES_MAX + 16];
    size_t silent;
    rk_run_progress progress;
    rk_coordinator_progress(coordinator, steady_ms(cli), &progress, &silent);
    bool all_speak = silent == rk_link_cluster(carriage->link)->node_count;
    snprintf(waits, sizeof waits, "wait for node %s", node_name(carriage->link, silent));
    rk_cli_run_progress(cli, &progress, all_speak ? NULL : waits);
}

static void drive(rk_cli *cli, rk_cli_carriage *carriage, rk_coordinator *coordinator)
{
    while (rk_coordinator_state_of(coordinator) == RK_COORDINATOR_GOING) {
        rk_ask ask;
        while (rk_coordinator_next(coordinator, steady_ms(cli), &ask)) {
            rk_answer answer;
            if (ask.run.promise)
                ask.run.promise = &ask.promise;
            rk_cli_carry(carriage, &ask, &answer);
            rk_coordinator_take(coordinator, steady_ms(cli), &ask, &answer);
            draw(cli, carriage, coordinator);
            if (rk_cli_interrupted(cli))
                rk_coordinator_interrupt(coordinator);
        }
        if (rk_cli_interrupted(cli))
            rk_coordinator_interrupt(coordinator);
        if (rk_coordinator_state_of(coordinator) == RK_COORDINATOR_GOING)
            cli->clock->pause_ns(cli->clock->context, STEP_NS);
    }
    rk_cli_progress_end(cli);
}

static rk_status make_coordinator(const rk_cli *cli, const rk_cli_cluster_run *run,
                                  const rk_link *link, rk_coordinator **out, rk_error *err)
{
    const rk_cluster *cluster = rk_link_cluster(link);
    rk_coordinator_options options = {.node_count = cluster->node_count,
                                      .decider = cluster->nodes[0].name,
                                      .goal = run->run.goal,
                                      .one_tier = run->run.one_tier,
                                      .tier = run->run.tier,
                                      .workers = run->run.workers,
                                      .accept_loss = run->run.accept_loss,
                                      .activates = run->plan_path != NULL};
    rk_random_bytes(options.decision, sizeof options.decision);
    return rk_coordinator_create(&options, steady_ms(cli), out, err);
}

/* The plan's text and its approvals, as every node gets them. */
static int load_plan(rk_cli *cli, const rk_cli_cluster_run *run, char **plan, rk_buf *approvals)
{
    rk_error err = {0};
    if (!run->plan_path)
        return RK_EXIT_DONE;
    rk_status status = rk_plan_text(run->plan, plan, &err);
    if (status == RK_OK)
        status = rk_approval_text(run->plan_path, approvals, &err);
    if (status == RK_OK)
        status = rk_buf_append(approvals, rk_slice_of("", 1), &err);
    return status == RK_OK ? RK_EXIT_DONE : rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
}

static int show_status(rk_cli *cli, const rk_cli_cluster_run *run, rk_link *link, uint64_t changes,
                       double seconds)
{
    int code = RK_EXIT_DONE;
    json_t *status = rk_cli_cluster_status(cli, run->command, link, &code);
    if (!status)
        return code;
    if (run->json) {
        json_object_set_new(status, "changes", json_integer((json_int_t)changes));
        json_object_set_new(status, "seconds", json_real(seconds));
        return rk_cli_print_json(cli, status);
    }
    code = rk_cli_status_print(cli, status);
    if (run->plan_path)
        rk_cli_print(cli, "%s changes in %.1f s", rk_text_count(changes).s, seconds);
    json_decref(status);
    return code;
}

static int check_confirmed(rk_cli *cli, const rk_cli_cluster_run *run, rk_link *link)
{
    int code = RK_EXIT_DONE;
    if (!run->confirm)
        return code;
    json_t *status = rk_cli_cluster_status(cli, run->command, link, &code);
    const char *name = json_string_value(json_object_get(status, "migration"));
    if (status && (!name || strcmp(name, run->confirm) != 0))
        code = rk_cli_fail_format(cli, RK_EXIT_USAGE, NULL,
                                  "%s: --confirm says %s, but the migration in %s is %s",
                                  run->command, run->confirm, run->cluster, name ? name : "?");
    json_decref(status);
    return code;
}

static int drive_linked(rk_cli *cli, const rk_cli_cluster_run *run, rk_cli_carriage *carriage)
{
    rk_error err = {0};
    rk_coordinator *coordinator = NULL;
    rk_run_progress progress;
    uint64_t began_ns = rk_clock_monotonic_ns(cli->clock);
    rk_cli_leader_make(&carriage->leader);
    rk_status status = make_coordinator(cli, run, carriage->link, &coordinator, &err);
    if (status != RK_OK)
        return rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    drive(cli, carriage, coordinator);
    double seconds = (double)(rk_clock_monotonic_ns(cli->clock) - began_ns) / 1e9;
    int code = report(cli, run, carriage, coordinator);
    tell_untold(cli, carriage, coordinator);
    rk_coordinator_progress(coordinator, steady_ms(cli), &progress, NULL);
    if (code == RK_EXIT_DONE || (run->json && code == RK_EXIT_NOT_CLEAN)) {
        int shown = show_status(cli, run, carriage->link, progress.changes, seconds);
        code = code == RK_EXIT_DONE ? shown : code;
    }
    rk_coordinator_destroy(coordinator);
    return code;
}

int rk_cli_cluster_drive(rk_cli *cli, const rk_cli_cluster_run *run)
{
    rk_link *link = NULL;
    char *plan = NULL;
    rk_buf approvals;
    rk_buf_init(&approvals, RK_CLUSTER_BYTES_MAX);
    int code = load_plan(cli, run, &plan, &approvals);
    if (code == RK_EXIT_DONE)
        code = rk_cli_link_open(cli, run->cluster, &link);
    if (code == RK_EXIT_DONE)
        code = check_confirmed(cli, run, link);
    if (code == RK_EXIT_DONE) {
        rk_cli_carriage carriage = {.link = link,
                                    .plan = plan ? plan : "",
                                    .approvals = approvals.len ? (const char *)approvals.ptr : ""};
        code = drive_linked(cli, run, &carriage);
        json_decref(carriage.result);
    }
    rk_link_close(link);
    free(plan);
    rk_buf_fini(&approvals);
    return code;
}
