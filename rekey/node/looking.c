#include "rekey/node/looking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rekey/message/message.h"
#include "rekey/report/report.h"

/* A reply's other members have room within a message of 4 MiB. */
#define REPORT_BYTES_MAX    ((size_t)3 << 20)
#define MIGRATION_BYTES_MAX 128

struct rk_looking {
    rk_store *store;
    const rk_clock *clock;
    bool searches; /* else it inspects */
    bool drafts;
    char migration[MIGRATION_BYTES_MAX + 1]; /* of the draft */
    rk_spec_source source;
    rk_spec *spec;
    rk_search *search;
    rk_inspect *inspect;
    rk_run_progress inspected;
    rk_inspect_draft *draft; /* once the inspection has ended */
};

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status read_order(rk_looking *looking, const json_t *order, rk_error *err)
{
    const char *kind = json_string_value(json_object_get(order, "kind"));
    const char *draft = json_string_value(json_object_get(order, "draft"));
    looking->searches = strcmp(kind, "search") == 0;
    looking->drafts = draft != NULL;
    if (looking->searches)
        return rk_message_spec(json_object_get(order, "spec"), &looking->source, err);
    if (draft && strlen(draft) > MIGRATION_BYTES_MAX)
        return rk_error_set(err, RK_INVALID, "a draft's name of %zu bytes", strlen(draft));
    snprintf(looking->migration, sizeof looking->migration, "%s", draft ? draft : "");
    return RK_OK;
}

rk_status rk_looking_create(rk_store *store, const rk_clock *clock, const json_t *order,
                            rk_looking **out, rk_error *err)
{
    rk_looking *looking = calloc(1, sizeof *looking);
    if (!looking)
        return rk_error_set(err, RK_NOMEM, "look: out of memory");
    looking->store = store;
    looking->clock = clock;
    rk_status status = read_order(looking, order, err);
    if (status == RK_OK)
        *out = looking;
    else
        rk_looking_destroy(looking);
    return status;
}

void rk_looking_destroy(rk_looking *looking)
{
    if (!looking)
        return;
    rk_search_destroy(looking->search);
    rk_inspect_draft_destroy(looking->draft); /* before the inspection, which it borrows */
    rk_inspect_destroy(looking->inspect);
    rk_spec_destroy(looking->spec);
    rk_spec_source_fini(&looking->source);
    free(looking);
}

/* --- searching -------------------------------------------------------------------------------- */

static rk_status begin_search(rk_looking *looking, rk_error *err)
{
    rk_findings findings = {0};
    rk_status status = rk_spec_load(&looking->source, NULL, &looking->spec, &findings, err);
    if (status == RK_INVALID)
        rk_error_set(err, RK_INVALID, "the spec does not pass lint: %.300s",
                     findings.count ? findings.items[0].message : "no finding");
    rk_findings_fini(&findings);
    if (status != RK_OK)
        return status;
    return rk_search_create(looking->store, looking->spec, looking->clock, &looking->search, err);
}

static rk_status step_search(rk_looking *looking, rk_run_progress *progress, json_t **result,
                             rk_error *err)
{
    bool finished = false;
    rk_status status = looking->search ? RK_OK : begin_search(looking, err);
    if (status == RK_OK)
        status = rk_search_step(looking->search, &finished, err);
    if (status != RK_OK)
        return status;
    const rk_search_progress *seen = rk_search_progress_of(looking->search);
    progress->task = "search";
    progress->done = seen->records + seen->entries;
    progress->total = seen->expected;
    if (!finished)
        return RK_OK;
    json_t *report = rk_report_search(looking->spec, looking->search);
    if (!report)
        return rk_error_set(err, RK_NOMEM, "search: out of memory");
    bool other = rk_report_search_other_text(looking->search, &looking->source);
    rk_report_search_fit(report, REPORT_BYTES_MAX);
    json_object_set_new(report, "other_text", json_boolean(other));
    *result = report;
    return RK_OK;
}

/* --- inspecting ------------------------------------------------------------------------------- */

/* `name` (NULL: nothing) is the report's member that has the text. */
static rk_status finish_inspection(const rk_looking *looking, const char *name, rk_slice text,
                                   json_t **result, rk_error *err)
{
    json_t *report = rk_report_inspect(looking->inspect);
    if (!report)
        return rk_error_set(err, RK_NOMEM, "inspect: out of memory");
    if (name)
        json_object_set_new(report, name, json_stringn((const char *)text.ptr, text.len));
    rk_report_inspect_fit(report, REPORT_BYTES_MAX);
    *result = report;
    return RK_OK;
}

/* That this store has no keys to draft from is no failure: another node's may have. */
static rk_status begin_draft(rk_looking *looking, json_t **result, rk_error *err)
{
    rk_error why = {0};
    rk_status status =
        rk_inspect_draft_start(looking->inspect, looking->migration, &looking->draft, &why);
    if (status == RK_NOT_FOUND)
        return finish_inspection(looking, "no_draft", rk_slice_str(why.message), result, err);
    if (status != RK_OK && err)
        *err = why;
    return status;
}

static rk_status step_draft(rk_looking *looking, json_t **result, rk_error *err)
{
    bool finished = false;
    rk_buf text;
    rk_buf_init(&text, RK_SPEC_BYTES_MAX);
    rk_status status = rk_inspect_draft_step(looking->draft, &text, &finished, err);
    if (status == RK_OK && finished)
        status = finish_inspection(looking, "draft", rk_buf_slice(&text), result, err);
    rk_buf_fini(&text);
    return status;
}

static rk_status step_tables(rk_looking *looking, json_t **result, rk_error *err)
{
    bool finished = false;
    rk_run_progress *progress = &looking->inspected;
    rk_status status = RK_OK;
    if (!looking->inspect)
        status = rk_inspect_start(looking->store, &looking->inspect, err);
    if (status == RK_OK)
        status =
            rk_inspect_step(looking->inspect, &progress->done, &progress->total, &finished, err);
    if (status != RK_OK || !finished)
        return status;
    return looking->drafts ? begin_draft(looking, result, err)
                           : finish_inspection(looking, NULL, RK_SLICE_EMPTY, result, err);
}

static rk_status step_inspection(rk_looking *looking, rk_run_progress *progress, json_t **result,
                                 rk_error *err)
{
    rk_status status =
        looking->draft ? step_draft(looking, result, err) : step_tables(looking, result, err);
    progress->task = "inspect";
    progress->done = looking->inspected.done;
    progress->total = looking->inspected.total;
    return status;
}

rk_status rk_looking_step(rk_looking *looking, rk_run_progress *progress, json_t **result,
                          rk_error *err)
{
    *progress = (rk_run_progress){.task = "", .tier = ""};
    return looking->searches ? step_search(looking, progress, result, err)
                             : step_inspection(looking, progress, result, err);
}
