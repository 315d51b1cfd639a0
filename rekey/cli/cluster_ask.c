#include "rekey/cli/cluster.h"

#include <inttypes.h>
#include <string.h>

#include "rekey/base/fault.h"
#include "rekey/engine/process.h"
#include "rekey/message/message.h"
#include "rekey/report/report.h"

#define LOOK_TIMEOUT_MS 3000u

/* --- one request ------------------------------------------------------------------------------ */

rk_status rk_cli_control(rk_link *link, size_t node, json_t *request, json_t **reply, rk_error *err)
{
    return rk_message_call(link, node, request, LOOK_TIMEOUT_MS, reply, err);
}

void rk_cli_leader_make(rk_cli_leader *out)
{
    rk_actor actor;
    rk_actor_of_process("coordinator", &actor);
    rk_hex(rk_slice_of(actor.lease.token, sizeof actor.lease.token), out->token);
    snprintf(out->holder, sizeof out->holder, "%s", actor.name);
}

/* --- asks in JSON ----------------------------------------------------------------------------- */

static json_t *request_of(const rk_cli_carriage *carriage, const rk_ask *ask)
{
    static const char *const ops[] = {
        [RK_ASK_LOOK] = "look",       [RK_ASK_CLAIM] = "claim", [RK_ASK_DECISION] = "decision",
        [RK_ASK_COMMIT] = "commit",   [RK_ASK_ABORT] = "abort", [RK_ASK_ACTIVATE] = "activate",
        [RK_ASK_START] = "start",     [RK_ASK_POLL] = "poll",   [RK_ASK_CANCEL] = "cancel",
        [RK_ASK_RELEASE] = "release",
    };
    json_t *request =
        json_pack("{s:s, s:I, s:s, s:s}", "op", ops[ask->kind], "epoch", (json_int_t)ask->epoch,
                  "token", carriage->leader.token, "holder", carriage->leader.holder);
    if (request && ask->kind == RK_ASK_CLAIM) {
        char hex[RK_DIGEST_HEX_BYTES];
        rk_digest cluster;
        rk_cluster_digest(rk_link_cluster(carriage->link), &cluster);
        rk_hex(rk_slice_of(cluster.bytes, sizeof cluster.bytes), hex);
        json_object_set_new(request, "cluster", json_string(hex));
    }
    bool decides =
        ask->kind == RK_ASK_DECISION || ask->kind == RK_ASK_COMMIT || ask->kind == RK_ASK_ABORT;
    if (request && decides)
        json_object_set_new(request, "decision", rk_message_id(&ask->decision));
    if (request && ask->kind == RK_ASK_ACTIVATE) {
        json_object_set_new(request, "plan", json_string(carriage->plan));
        json_object_set_new(request, "approvals", json_string(carriage->approvals));
    }
    if (request && ask->work > 0) {
        char name[RK_HOLDER_BYTES_MAX];
        snprintf(name, sizeof name, "%.16s/%" PRIu64 "/%" PRIu64, carriage->leader.token,
                 ask->epoch, ask->work);
        json_object_set_new(request, "name", json_string(name));
    }
    if (request && ask->kind == RK_ASK_START) {
        json_object_set_new(request, "kind", json_string("run"));
        rk_message_run_write(request, &ask->run);
    }
    return request;
}

/* --- answers out of JSON ---------------------------------------------------------------------- */

static rk_move move_of(const char *name)
{
    for (int move = RK_MOVE_BEGIN; move <= RK_MOVE_FINISH; move++)
        if (strcmp(rk_move_name((rk_move)move), name) == 0)
            return (rk_move)move;
    return RK_MOVE_FLIP;
}

static void read_look(const json_t *reply, rk_answer *out)
{
    const json_t *promised = json_object_get(reply, "promised");
    json_int_t epoch = json_integer_value(json_object_get(reply, "leader_epoch"));
    out->leader_epoch = epoch > 0 ? (uint64_t)epoch : 0;
    out->led = json_is_string(json_object_get(reply, "holder"));
    out->has_canary = json_is_true(json_object_get(reply, "has_canary"));
    out->promised =
        promised && rk_message_id_read(json_object_get(promised, "decision"), &out->prepared.id);
    out->prepared.move = move_of(rk_report_text(promised, "move"));
    snprintf(out->prepared.decider, sizeof out->prepared.decider, "%s",
             rk_report_text(promised, "decider"));
}

static void read_poll(rk_cli_carriage *carriage, const json_t *reply, rk_answer *out)
{
    static const struct {
        const char *name;
        rk_run_state state;
    } states[] = {{"going", RK_RUN_GOING},
                  {"finished", RK_RUN_FINISHED},
                  {"not_clean", RK_RUN_NOT_CLEAN},
                  {"gate", RK_RUN_GATE},
                  {"signal", RK_RUN_SIGNAL}};
    const json_t *work = json_object_get(reply, "work");
    const char *state = rk_report_text(work, "state");
    json_t *result = json_object_get(work, "result");
    out->gone = strcmp(state, "gone") == 0 || strcmp(state, "stopped") == 0;
    out->failed = strcmp(state, "failed") == 0;
    for (size_t i = 0; i < RK_COUNT(states); i++)
        if (strcmp(states[i].name, state) == 0)
            out->run_state = states[i].state;
    if (out->failed)
        out->status = rk_message_error_read(json_object_get(work, "error"), &out->error);
    rk_message_progress_read(json_object_get(work, "progress"), &out->progress);
    snprintf(out->reason, sizeof out->reason, "%s", rk_report_text(work, "reason"));
    if (!result)
        return;
    json_decref(carriage->result);
    carriage->result = json_incref(result);
}

/* Where a coordinator dies in the tests of decisions: just before the decision, and just after. */
static void die_here(const rk_ask *ask)
{
    bool decides = ask->kind == RK_ASK_COMMIT && ask->node == 0;
    bool spreads = ask->kind == RK_ASK_COMMIT && ask->node != 0;
    if ((decides && rk_fault("dies_undecided")) || (spreads && rk_fault("dies_decided")))
        raise(SIGKILL);
}

void rk_cli_carry(rk_cli_carriage *carriage, const rk_ask *ask, rk_answer *out)
{
    json_t *reply = NULL;
    *out = (rk_answer){0};
    die_here(ask);
    out->status =
        rk_cli_control(carriage->link, ask->node, request_of(carriage, ask), &reply, &out->error);
    if (out->status != RK_OK)
        return;
    if (ask->kind == RK_ASK_LOOK)
        read_look(reply, out);
    else if (ask->kind == RK_ASK_DECISION)
        out->decided = rk_message_decided_read(json_object_get(reply, "decided"));
    else if (ask->kind == RK_ASK_POLL)
        read_poll(carriage, reply, out);
    json_decref(reply);
}
