/* Any bytes as JSON that the other end of a control request sent: understood or refused, never a
 * crash; what is understood is the same when it is written and read again. */
#include <stdlib.h>
#include <string.h>

#include "rekey/message/message.h"
#include "rekey/report/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void read_run(const json_t *object)
{
    rk_run_options run;
    rk_run_options again;
    rk_promise promise = {0};
    rk_promise promise_again = {0};
    if (!rk_message_run(object, &run, &promise))
        return;
    json_t *order = json_object();
    rk_message_run_write(order, &run);
    check(rk_message_run(order, &again, &promise_again));
    check(run.goal == again.goal && run.one_tier == again.one_tier && run.tier == again.tier &&
          run.workers == again.workers && run.accept_loss == again.accept_loss);
    check((run.promise == &promise) == (again.promise == &promise_again));
    check(memcmp(&promise, &promise_again, sizeof promise) == 0);
    json_decref(order);
}

static void read_spec(const json_t *object)
{
    rk_spec_source source = {0};
    rk_error err = {0};
    rk_status status = rk_message_spec(object, &source, &err);
    check(status == RK_OK || status == RK_INVALID);
    check((status == RK_OK) == (err.message[0] == '\0'));
    if (status == RK_OK) {
        json_t *again = rk_message_spec_write(&source);
        check(again != NULL);
        json_decref(again);
        rk_spec_source_fini(&source);
    }
}

static void read_error(const json_t *object)
{
    rk_error error;
    rk_error again;
    rk_status status = rk_message_error_read(object, &error);
    check(status != RK_OK);
    json_t *written = rk_message_error(status, &error);
    check(written != NULL);
    check(rk_message_error_read(written, &again) == status);
    check(strcmp(error.message, again.message) == 0 && error.native == again.native);
    json_decref(written);
}

static void read_progress(const json_t *object)
{
    rk_run_progress progress;
    rk_run_progress again;
    rk_message_progress_read(object, &progress);
    json_t *written = rk_message_progress(&progress);
    check(written != NULL);
    rk_message_progress_read(written, &again);
    check(strcmp(progress.task, again.task) == 0 && strcmp(progress.tier, again.tier) == 0);
    check(progress.done == again.done && progress.total == again.total &&
          progress.batch_units == again.batch_units && progress.changes == again.changes);
    json_decref(written);
}

static void add_up(const json_t *object)
{
    const rk_report_part parts[] = {{"one", object}, {"two", object}};
    json_decref(rk_report_status_merge(parts, 2, NULL));
    json_decref(rk_report_verify_merge(parts, 2, NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *object = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    rk_decision_id id;
    if (!object)
        return 0;
    read_run(object);
    read_spec(object);
    read_spec(json_object_get(object, "spec"));
    read_error(object);
    read_progress(object);
    add_up(object);
    (void)rk_message_id_read(json_object_get(object, "decision"), &id);
    (void)rk_message_decided_read(json_object_get(object, "decided"));
    rk_buf key;
    rk_buf_init(&key, 511);
    (void)rk_message_bytes(json_object_get(object, "after"), &key, NULL);
    rk_buf_fini(&key);
    json_decref(object);
    return 0;
}
