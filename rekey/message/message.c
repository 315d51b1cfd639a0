#include "rekey/message/message.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rekey/base/escape.h"
#include "rekey/plan/source_json.h"
#include "rekey/report/report.h"

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* --- text from outside ------------------------------------------------------------------------ */

json_t *rk_message_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    size_t room = 4 * strlen(text) + 8;
    char *escaped = malloc(room);
    if (!escaped)
        return NULL;
    rk_text_escape(rk_slice_str(text), escaped, room);
    string = json_string(escaped);
    free(escaped);
    return string;
}

/* --- errors ----------------------------------------------------------------------------------- */

/* The words of rk_status_name; a status's number is nobody else's business. */
json_t *rk_message_error(rk_status status, const rk_error *error)
{
    return json_pack("{s:s, s:i, s:i, s:o}", "status", rk_status_name(status), "origin",
                     (int)error->origin, "native", error->native, "message",
                     rk_message_text(error->message));
}

rk_status rk_message_error_read(const json_t *object, rk_error *out)
{
    rk_status found = RK_IO;
    for (int status = RK_OK + 1; status <= RK_IO; status++)
        if (strcmp(rk_status_name((rk_status)status), rk_report_text(object, "status")) == 0)
            found = (rk_status)status;
    json_int_t native = json_integer_value(json_object_get(object, "native"));
    *out = (rk_error){.native = native >= INT_MIN && native <= INT_MAX ? (int)native : 0};
    json_int_t origin = json_integer_value(json_object_get(object, "origin"));
    out->origin =
        origin >= RK_ORIGIN_NONE && origin <= RK_ORIGIN_ERRNO ? (rk_origin)origin : RK_ORIGIN_NONE;
    rk_text_escape(rk_slice_str(rk_report_text(object, "message")), out->message,
                   sizeof out->message);
    return found;
}

/* --- progress --------------------------------------------------------------------------------- */

static const char *const tasks[] = {
    "begin",    "backfill", "verify",        "flip",   "promise",  "look for losses",
    "rollback", "undo",     "sweep indexes", "undone", "contract", "delete old",
    "finish",   "done",     "scan",          "search", "inspect",
};

static const char *known(const char *text, const char *const *words, size_t count,
                         const char *otherwise)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], text) == 0)
            return words[i];
    return otherwise;
}

json_t *rk_message_progress(const rk_run_progress *progress)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "task", progress->task, "tier",
                     progress->tier, "done", integer(progress->done), "total",
                     integer(progress->total), "batch_units", integer(progress->batch_units),
                     "quarantined", integer(progress->quarantined), "changes",
                     integer(progress->changes));
}

void rk_message_progress_read(const json_t *object, rk_run_progress *out)
{
    const char *const tiers[] = {rk_tier_name(RK_TIER_CANARY), rk_tier_name(RK_TIER_PRODUCTION)};
    uint64_t units = rk_report_integer(object, "batch_units");
    *out = (rk_run_progress){
        .task = known(rk_report_text(object, "task"), tasks, sizeof tasks / sizeof *tasks, "work"),
        .tier = known(rk_report_text(object, "tier"), tiers, 2, ""),
        .done = rk_report_integer(object, "done"),
        .total = rk_report_integer(object, "total"),
        .batch_units = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX,
        .quarantined = rk_report_integer(object, "quarantined"),
        .changes = rk_report_integer(object, "changes"),
    };
}

/* --- runs ------------------------------------------------------------------------------------- */

#define WORKERS_MAX 64

static const char *const goals[] = {
    [RK_GOAL_BACKFILLED] = "backfilled",
    [RK_GOAL_VERIFIED] = "verified",
    [RK_GOAL_FLIPPED] = "flipped",
    [RK_GOAL_DONE] = "done",
    [RK_GOAL_FLIP] = "flip",
    [RK_GOAL_ROLLBACK] = "rollback",
    [RK_GOAL_CONTRACT] = "contract",
};
#define GOALS (sizeof goals / sizeof *goals)

void rk_message_run_write(json_t *order, const rk_run_options *run)
{
    json_object_set_new(order, "goal", json_string(goals[run->goal]));
    json_object_set_new(order, "workers", integer(run->workers));
    json_object_set_new(order, "accept_loss", json_boolean(run->accept_loss));
    if (run->one_tier)
        json_object_set_new(order, "tier", json_string(rk_tier_name(run->tier)));
    if (!run->promise)
        return;
    json_object_set_new(order, "decision", rk_message_id(&run->promise->id));
    json_object_set_new(order, "decider", json_string(run->promise->decider));
}

static bool read_tier(const json_t *order, rk_run_options *out)
{
    const char *tier = rk_report_text(order, "tier");
    out->one_tier = json_object_get(order, "tier") != NULL;
    if (!out->one_tier)
        return true;
    out->tier = RK_TIER_PRODUCTION;
    if (strcmp(tier, rk_tier_name(RK_TIER_CANARY)) == 0)
        out->tier = RK_TIER_CANARY;
    return strcmp(tier, rk_tier_name(out->tier)) == 0;
}

static bool read_promise(const json_t *order, rk_run_options *out, rk_promise *promise)
{
    const char *decider = rk_report_text(order, "decider");
    promise->epoch = rk_report_integer(order, "epoch");
    if (!json_object_get(order, "decision"))
        return true;
    if (out->goal < RK_GOAL_FLIP || !*decider || strlen(decider) > RK_NODE_NAME_BYTES_MAX ||
        !rk_message_id_read(json_object_get(order, "decision"), &promise->id))
        return false;
    snprintf(promise->decider, sizeof promise->decider, "%s", decider);
    out->promise = promise;
    return true;
}

bool rk_message_run(const json_t *order, rk_run_options *out, rk_promise *promise)
{
    const char *goal = rk_report_text(order, "goal");
    const json_t *accepts = json_object_get(order, "accept_loss");
    const json_t *number = json_object_get(order, "workers");
    json_int_t workers = json_integer_value(number);
    size_t found = 0;
    while (found < GOALS && strcmp(goals[found], goal) != 0)
        found++;
    if (found == GOALS || workers < 0 || workers > WORKERS_MAX ||
        (number && !json_is_integer(number)) || (accepts && !json_is_boolean(accepts)))
        return false;
    *out = (rk_run_options){
        .goal = (rk_goal)found, .workers = (uint32_t)workers, .accept_loss = json_is_true(accepts)};
    return read_tier(order, out) && read_promise(order, out, promise);
}

/* --- specs, losses, ids ----------------------------------------------------------------------- */

json_t *rk_message_spec_write(const rk_spec_source *source)
{
    return rk_source_json(source);
}

rk_status rk_message_spec(const json_t *object, rk_spec_source *out, rk_error *err)
{
    rk_spec_source source = {0};
    if (!rk_source_read(object, &source)) {
        rk_spec_source_fini(&source);
        return rk_error_set(err, RK_INVALID, "a spec that cannot be understood");
    }
    *out = source;
    return RK_OK;
}

json_t *rk_message_losses(const rk_losses *losses)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < losses->shown; i++) {
        char hex[2 * RK_STATE_KEY_BYTES_MAX + 1];
        rk_hex(rk_slice_of(losses->key[i], losses->key_len[i]), hex);
        json_array_append_new(keys, json_string(hex));
    }
    return json_pack("{s:o, s:o}", "count", integer(losses->count), "keys", keys);
}

json_t *rk_message_bytes_write(rk_slice bytes)
{
    char hex[2 * RK_STATE_KEY_BYTES_MAX + 1];
    if (bytes.len > RK_STATE_KEY_BYTES_MAX)
        return NULL;
    rk_hex(bytes, hex);
    return json_string(hex);
}

rk_status rk_message_bytes(const json_t *hex, rk_buf *out, rk_error *err)
{
    uint8_t bytes[RK_STATE_KEY_BYTES_MAX];
    const char *text = json_string_value(hex);
    size_t len = text ? strlen(text) / 2 : 0;
    rk_buf_reset(out);
    if (!hex)
        return RK_OK;
    if (!text || len > sizeof bytes || rk_unhex(rk_slice_str(text), bytes, len, NULL) != RK_OK)
        return rk_error_set(err, RK_INVALID, "a key that is not in hex");
    return rk_buf_set(out, rk_slice_of(bytes, len), err);
}

json_t *rk_message_id(const rk_decision_id *id)
{
    char hex[RK_DECISION_ID_HEX_BYTES];
    rk_hex(rk_slice_of(id->bytes, sizeof id->bytes), hex);
    return json_string(hex);
}

bool rk_message_id_read(const json_t *hex, rk_decision_id *out)
{
    const char *text = json_string_value(hex);
    return text && rk_unhex(rk_slice_str(text), out->bytes, sizeof out->bytes, NULL) == RK_OK;
}

/* --- decisions -------------------------------------------------------------------------------- */

static const char *const decided_words[] = {[RK_DECIDED_NOT] = "not",
                                            [RK_DECIDED_PROMISED] = "promised",
                                            [RK_DECIDED_ABORTED] = "aborted",
                                            [RK_DECIDED_COMMITTED] = "committed"};

json_t *rk_message_decided(rk_decided decided)
{
    return json_string(decided_words[decided]);
}

rk_decided rk_message_decided_read(const json_t *word)
{
    const char *text = json_string_value(word);
    for (int i = RK_DECIDED_NOT; text && i <= RK_DECIDED_COMMITTED; i++)
        if (strcmp(decided_words[i], text) == 0)
            return (rk_decided)i;
    return RK_DECIDED_NOT;
}

/* --- calls ------------------------------------------------------------------------------------ */

static rk_status read_reply(const rk_link_answer *answer, json_t **reply, rk_error *err)
{
    if (answer->reply.status != RK_OK) {
        if (err)
            *err = answer->reply.error;
        return answer->reply.status;
    }
    rk_slice body = answer->reply.body;
    *reply = json_loadb((const char *)body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(*reply))
        return RK_OK;
    json_decref(*reply);
    *reply = NULL;
    return rk_error_set(err, RK_CORRUPT, "a reply that is no JSON object");
}

rk_status rk_message_call(rk_link *link, size_t node, json_t *request, uint32_t timeout_ms,
                          json_t **reply, rk_error *err)
{
    rk_link_answer answer = {0};
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!text)
        return rk_error_set(err, RK_NOMEM, "a request: out of memory");
    rk_status status = rk_link_call(link, node, RK_REQUEST_CONTROL, rk_slice_str(text), true,
                                    timeout_ms, &answer, err);
    if (status == RK_OK) {
        status = read_reply(&answer, reply, err);
        if (status != RK_OK)
            rk_error_context(err, status, "node %s", rk_link_cluster(link)->nodes[node].name);
    }
    rk_link_answer_fini(&answer);
    free(text);
    return status;
}
