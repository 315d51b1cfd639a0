#include "rekey/node/work.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rekey/base/escape.h"
#include "rekey/engine/process.h"
#include "rekey/node/looking.h"
#include "rekey/message/message.h"
#include "rekey/report/report.h"
#include "transport/waiting.h"

#define STEP_UNDER_WAY "going"
#define LEASE_NS       ((uint64_t)RK_WORK_LEASE_MS * 1000000)

typedef enum work_kind {
    WORK_RUN,
    WORK_PLAN,
    WORK_VERIFY,
    WORK_SEARCH,
    WORK_INSPECT,
    WORK_KINDS
} work_kind;

/* What is under way; only the stepping thread touches it. */
typedef struct job {
    work_kind kind;
    rk_run_options options;
    rk_promise promise;
    bool tenant_in_value;
    rk_spec_source source; /* PLAN */
    char spec_path[256];
    rk_actor actor;
    rk_migration *migration;
    rk_state state; /* VERIFY: as it began */
    rk_run *run;
    rk_plan_scan *scan;
    rk_verification *verification;
    rk_looking *looking; /* SEARCH and INSPECT: from the order on */
} job;

typedef struct work_view {
    char name[RK_WORK_NAME_BYTES_MAX + 1];
    const char *state;
    rk_status status; /* of "failed" */
    rk_error error;
    rk_run_progress progress;
    char reason[RK_ERROR_MESSAGE_BYTES];
    json_t *result;
} work_view;

struct rk_work {
    rk_store *store;
    const rk_clock *clock;
    uint32_t workers;
    rk_actor process;          /* what all jobs have in common; looked up once, by one thread */
    const rk_cluster *cluster; /* NULL: any tenant may be in the store */
    size_t self;
    const rk_lender *lender; /* NULL: there are no workers */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool closed;
    /* Under the lock: */
    job *next; /* ordered, not begun */
    bool busy; /* a job is under way */
    bool cancelled;
    uint64_t asked_ns; /* of the clock that does not jump */
    work_view view;
    uint64_t view_epoch;    /* the leader's whose run it is; 0 for other work */
    rk_public_key view_key; /* who ordered it */
    /* The stepping thread's: */
    job *current;
};

/* --- jobs ------------------------------------------------------------------------------------- */

static void destroy_job(job *j)
{
    if (!j)
        return;
    rk_looking_destroy(j->looking);
    rk_verify_destroy(j->verification);
    rk_plan_scan_destroy(j->scan);
    rk_migration_close(j->migration);
    rk_spec_source_fini(&j->source);
    free(j);
}

/* A tenant that lives elsewhere would be read by nobody: its clients ask another node. */
static rk_status check_resident(const void *context, rk_slice tenant, rk_error *err)
{
    const rk_work *work = context;
    const rk_cluster_node *nodes = work->cluster->nodes;
    size_t owner = rk_cluster_owner(work->cluster, tenant);
    if (owner == work->self)
        return RK_OK;
    return rk_error_set(err, RK_INVALID,
                        "tenant \"%.*s\" lives on node %s, and its records are in the store of %s",
                        (int)(tenant.len < 64 ? tenant.len : 64), (const char *)tenant.ptr,
                        nodes[owner].name, nodes[work->self].name);
}

static rk_status begin_plan(rk_work *work, job *j, rk_error *err)
{
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    rk_status status = rk_spec_load(&j->source, NULL, &spec, &findings, err);
    if (status == RK_INVALID)
        status = rk_error_set(err, RK_INVALID, "the spec does not pass lint: %.300s",
                              findings.count ? findings.items[0].message : "no finding");
    rk_findings_fini(&findings);
    if (status != RK_OK)
        return status;
    status = rk_plan_scan_start(work->store, &j->source, spec, j->spec_path, &j->scan, err);
    if (status != RK_OK) {
        rk_spec_destroy(spec);
        return status;
    }
    j->source = (rk_spec_source){0};
    if (work->cluster)
        rk_plan_scan_confine(j->scan, check_resident, work);
    return RK_OK;
}

static rk_status begin_verify(job *j, rk_error *err)
{
    rk_verify_options options = {.entity = -1, .tenant_in_value = j->tenant_in_value};
    rk_status status = rk_migration_state(j->migration, &j->state, err);
    if (status == RK_OK)
        status = rk_verify_create(j->migration->store, j->migration->spec, &j->migration->tables,
                                  &j->state, &options, &j->verification, err);
    return status;
}

static rk_status begin(rk_work *work, job *j, rk_error *err)
{
    if (j->kind == WORK_PLAN)
        return begin_plan(work, j, err);
    rk_status status = rk_migration_open(work->store, work->clock, &j->actor, j->kind == WORK_RUN,
                                         &j->migration, err);
    if (status != RK_OK)
        return status;
    if (j->kind == WORK_VERIFY)
        return begin_verify(j, err);
    return rk_run_create(j->migration, &j->options, &j->run, err);
}

/* --- stepping --------------------------------------------------------------------------------- */

/* What one step has to tell. */
typedef struct step_result {
    rk_status status;
    rk_error error;
    const char *state;
    const char *reason;
    rk_run_progress progress;
    json_t *result; /* handed over */
} step_result;

static const char *const run_states[] = {
    [RK_RUN_GOING] = STEP_UNDER_WAY,  [RK_RUN_FINISHED] = "finished",
    [RK_RUN_NOT_CLEAN] = "not_clean", [RK_RUN_GATE] = "gate",
    [RK_RUN_SIGNAL] = "signal",
};

static void step_run(job *j, step_result *out)
{
    rk_run_state state = RK_RUN_GOING;
    out->status = rk_run_step(j->run, &state, &out->error);
    rk_run_progress_of(j->run, &out->progress);
    out->state = run_states[state];
    out->reason = rk_run_reason(j->run);
    if (state == RK_RUN_NOT_CLEAN && rk_run_report(j->run))
        out->result = rk_report_verify(j->migration->spec, rk_run_report(j->run));
    else if (state == RK_RUN_GATE && rk_run_losses(j->run)->count > 0)
        out->result = rk_message_losses(rk_run_losses(j->run));
}

static void step_plan(rk_work *work, job *j, step_result *out)
{
    rk_plan *plan = NULL;
    char *text = NULL;
    bool finished = false;
    out->progress = (rk_run_progress){.task = "scan", .tier = ""};
    out->status = rk_plan_scan_step(j->scan, &out->progress.done, &out->progress.total, &finished,
                                    &out->error);
    if (out->status != RK_OK || !finished)
        return;
    out->status = rk_plan_scan_finish(j->scan, rk_clock_wall_ms(work->clock), &plan, &out->error);
    if (out->status == RK_OK)
        out->status = rk_plan_text(plan, &text, &out->error);
    if (out->status == RK_OK)
        out->result = json_string(text);
    out->state = "finished";
    rk_plan_destroy(plan);
    free(text);
}

static void step_verify(job *j, step_result *out)
{
    bool finished = false;
    out->status = rk_verify_step(j->verification, &finished, &out->error);
    const rk_verify_report *report = rk_verify_report_of(j->verification);
    out->progress = (rk_run_progress){.task = "verify", .tier = "", .done = report->records};
    if (out->status != RK_OK || !finished)
        return;
    out->state = "finished";
    out->result = rk_report_verify(j->migration->spec, report);
}

static void step_looking(job *j, step_result *out)
{
    out->status = rk_looking_step(j->looking, &out->progress, &out->result, &out->error);
    if (out->result)
        out->state = "finished";
}

static void step_job(rk_work *work, job *j, step_result *out)
{
    if (j->kind == WORK_RUN)
        step_run(j, out);
    else if (j->looking)
        step_looking(j, out);
    else if (j->kind == WORK_PLAN)
        step_plan(work, j, out);
    else
        step_verify(j, out);
}

/* Writes down how it ended; a run gives its lease back. */
static void end_job(rk_work *work, job *j, step_result *last)
{
    char outcome[256];
    rk_error ending = {0};
    const char *why = last->status == RK_OK ? last->reason : last->error.message;
    snprintf(outcome, sizeof outcome, "%.32s%s%.200s", last->state, *why ? ": " : "", why);
    rk_status status = rk_run_end(j->run, outcome, &ending);
    j->run = NULL;
    if (status != RK_OK && last->status == RK_OK) {
        last->status = status;
        last->error = ending;
        last->state = "failed";
    }
    destroy_job(j);
    work->current = NULL;
}

/* Under the lock. */
static void show(rk_work *work, const step_result *step)
{
    work_view *view = &work->view;
    view->state = step->state;
    view->status = step->status;
    view->error = step->error;
    view->progress = step->progress;
    snprintf(view->reason, sizeof view->reason, "%s", step->reason);
    json_decref(view->result);
    view->result = step->result;
}

/* Under the lock: what to do now, or NULL. */
static job *choose(rk_work *work, uint32_t wait_ms)
{
    if (!work->current && !work->next && !work->closed)
        rk_wait_until(&work->changed, &work->lock, rk_after_ms(rk_now_ns(), wait_ms));
    if (!work->current && work->next) {
        work->current = work->next;
        work->next = NULL;
    }
    return work->current;
}

static bool must_stop(const rk_work *work)
{
    uint64_t idle_ns = rk_clock_monotonic_ns(work->clock) - work->asked_ns;
    return work->cancelled || work->closed || work->next || idle_ns > LEASE_NS;
}

void rk_work_step(rk_work *work, uint32_t wait_ms)
{
    step_result step = {.state = STEP_UNDER_WAY, .reason = ""};
    pthread_mutex_lock(&work->lock);
    job *j = choose(work, wait_ms);
    bool stops = j && must_stop(work);
    step.progress = work->view.progress;
    pthread_mutex_unlock(&work->lock);
    if (!j)
        return;
    bool begun = j->run || j->scan || j->verification || j->looking;
    if (stops)
        step.state = "stopped";
    else if (!begun)
        step.status = begin(work, j, &step.error);
    else
        step_job(work, j, &step);
    if (step.status != RK_OK)
        step.state = "failed";
    char reason[RK_ERROR_MESSAGE_BYTES];
    snprintf(reason, sizeof reason, "%s", step.reason);
    step.reason = reason; /* it outlives the run */
    bool over = strcmp(step.state, STEP_UNDER_WAY) != 0;
    if (over)
        end_job(work, j, &step);
    pthread_mutex_lock(&work->lock);
    if (work->next)
        json_decref(step.result); /* the view is the next one's already */
    else
        show(work, &step);
    work->busy = !over || work->next;
    pthread_mutex_unlock(&work->lock);
}

/* --- orders ----------------------------------------------------------------------------------- */

static rk_status read_run(rk_work *work, const json_t *order, job *j, rk_error *err)
{
    if (!rk_message_run(order, &j->options, &j->promise))
        return rk_error_set(err, RK_INVALID, "an order to run that cannot be understood");
    if (j->options.workers == 0)
        j->options.workers = work->workers;
    j->options.lender = work->lender;
    return RK_OK;
}

static rk_status read_plan(const json_t *order, job *j, rk_error *err)
{
    const char *path = json_string_value(json_object_get(order, "spec_path"));
    rk_text_escape(rk_slice_str(path ? path : ""), j->spec_path, sizeof j->spec_path);
    return rk_message_spec(json_object_get(order, "spec"), &j->source, err);
}

static rk_status read_order(rk_work *work, const json_t *order, const rk_work_asker *asker, job *j,
                            rk_error *err)
{
    static const char *const kinds[WORK_KINDS] = {"run", "plan", "verify", "search", "inspect"};
    const char *kind = json_string_value(json_object_get(order, "kind"));
    int found = -1;
    for (int i = 0; kind && i < WORK_KINDS; i++)
        found = strcmp(kind, kinds[i]) == 0 ? i : found;
    if (found < 0)
        return rk_error_set(err, RK_INVALID, "an order of unknown kind \"%.32s\"",
                            kind ? kind : "");
    j->kind = (work_kind)found;
    j->tenant_in_value = json_is_true(json_object_get(order, "isolation"));
    j->actor = work->process;
    rk_random_bytes(j->actor.lease.token, sizeof j->actor.lease.token);
    snprintf(j->actor.lease.command, sizeof j->actor.lease.command, "%s", kind);
    snprintf(j->actor.name, sizeof j->actor.name, "%s", asker->name);
    if (j->kind == WORK_RUN)
        return read_run(work, order, j, err);
    if (j->kind == WORK_SEARCH || j->kind == WORK_INSPECT)
        return rk_looking_create(work->store, work->clock, order, &j->looking, err);
    return j->kind == WORK_PLAN ? read_plan(order, j, err) : RK_OK;
}

/* Under the lock; takes the job over. Work of a leader takes the place of the same leader's earlier
 * work: the caller has checked that the leader is the leader. */
static rk_status enqueue(rk_work *work, const char *name, const rk_work_asker *asker, job *j,
                         rk_error *err)
{
    bool mine = j->kind == WORK_RUN;
    if (strcmp(work->view.name, name) == 0) {
        destroy_job(j); /* another thread was faster */
        return RK_OK;
    }
    if (work->closed)
        return rk_error_set(err, RK_BUSY, "the node is stopping");
    if (work->busy && !mine)
        return rk_error_set(err, RK_BUSY, "the node is at %.64s", work->view.name);
    destroy_job(work->next);
    work->next = j;
    work->busy = true;
    work->cancelled = false;
    work->asked_ns = rk_clock_monotonic_ns(work->clock);
    json_decref(work->view.result);
    work->view_epoch = mine ? j->promise.epoch : 0;
    work->view_key = *asker->key;
    work->view = (work_view){.state = STEP_UNDER_WAY, .progress = {.task = "begin", .tier = ""}};
    snprintf(work->view.name, sizeof work->view.name, "%s", name);
    pthread_cond_signal(&work->changed);
    return RK_OK;
}

/* It stands in logs and in systemd's status. */
static bool is_name(const char *name)
{
    size_t len = 0;
    while (name && name[len] > ' ' && name[len] <= '~')
        len++;
    return len > 0 && len <= RK_WORK_NAME_BYTES_MAX && name[len] == '\0';
}

rk_status rk_work_start(rk_work *work, const json_t *order, const rk_work_asker *asker,
                        rk_error *err)
{
    const char *name = json_string_value(json_object_get(order, "name"));
    if (!is_name(name))
        return rk_error_set(err, RK_INVALID,
                            "an order without a name of 1 to %d printable characters",
                            RK_WORK_NAME_BYTES_MAX);
    pthread_mutex_lock(&work->lock);
    bool known = strcmp(work->view.name, name) == 0;
    pthread_mutex_unlock(&work->lock);
    if (known)
        return RK_OK;
    job *j = calloc(1, sizeof *j);
    if (!j)
        return rk_error_set(err, RK_NOMEM, "start %.64s: out of memory", name);
    rk_status status = read_order(work, order, asker, j, err);
    if (status == RK_OK) {
        pthread_mutex_lock(&work->lock);
        status = enqueue(work, name, asker, j, err);
        pthread_mutex_unlock(&work->lock);
    }
    if (status != RK_OK)
        destroy_job(j);
    return status;
}

/* Under the lock. Whoever leads may stop what an earlier leader began. */
static bool is_of(const rk_work *work, const rk_work_asker *asker)
{
    if (work->view_epoch > 0)
        return asker->epoch >= work->view_epoch;
    return memcmp(&work->view_key, asker->key, sizeof work->view_key) == 0;
}

json_t *rk_work_poll(rk_work *work, const char *name, const rk_work_asker *asker)
{
    pthread_mutex_lock(&work->lock);
    const work_view *view = &work->view;
    json_t *out;
    if (strcmp(view->name, name) != 0 || !*name) {
        out = json_pack("{s:s, s:s}", "name", name, "state", "gone");
    } else {
        if (is_of(work, asker))
            work->asked_ns = rk_clock_monotonic_ns(work->clock);
        out = json_pack("{s:s, s:s, s:o, s:o, s:O*}", "name", name, "state", view->state,
                        "progress", rk_message_progress(&view->progress), "reason",
                        rk_message_text(view->reason), "result", view->result);
        if (view->status != RK_OK)
            json_object_set_new(out, "error", rk_message_error(view->status, &view->error));
    }
    pthread_mutex_unlock(&work->lock);
    return out;
}

void rk_work_supersede(rk_work *work, uint64_t epoch)
{
    pthread_mutex_lock(&work->lock);
    if (work->view_epoch != 0 && work->view_epoch < epoch)
        work->cancelled = true;
    pthread_mutex_unlock(&work->lock);
}

rk_status rk_work_cancel(rk_work *work, const char *name, const rk_work_asker *asker, rk_error *err)
{
    pthread_mutex_lock(&work->lock);
    bool known = *name && strcmp(work->view.name, name) == 0;
    bool may = !known || is_of(work, asker);
    bool leads = work->view_epoch > 0;
    if (known && may)
        work->cancelled = true;
    pthread_mutex_unlock(&work->lock);
    if (may)
        return RK_OK;
    return rk_error_set(err, RK_AUTH, "cancel %.64s: only %s may", name,
                        leads ? "who leads" : "the key that ordered it");
}

void rk_work_current(rk_work *work, char out[RK_WORK_NAME_BYTES_MAX + 1])
{
    pthread_mutex_lock(&work->lock);
    snprintf(out, RK_WORK_NAME_BYTES_MAX + 1, "%s", work->busy ? work->view.name : "");
    pthread_mutex_unlock(&work->lock);
}

/* --- life cycle ------------------------------------------------------------------------------- */

void rk_work_place(rk_work *work, const rk_cluster *cluster, size_t self)
{
    work->cluster = cluster;
    work->self = self;
}

void rk_work_lend(rk_work *work, const rk_lender *lender)
{
    work->lender = lender;
}

void rk_work_close(rk_work *work)
{
    pthread_mutex_lock(&work->lock);
    work->closed = true;
    pthread_cond_signal(&work->changed);
    pthread_mutex_unlock(&work->lock);
}

rk_status rk_work_create(rk_store *store, const rk_clock *clock, uint32_t workers, rk_work **out,
                         rk_error *err)
{
    rk_work *work = calloc(1, sizeof *work);
    if (!work)
        return rk_error_set(err, RK_NOMEM, "node: out of memory");
    rk_status status = rk_lock_init(&work->lock, &work->changed, err);
    if (status != RK_OK) {
        free(work);
        return status;
    }
    work->store = store;
    work->clock = clock;
    work->workers = workers;
    rk_actor_of_process("node", &work->process);
    *out = work;
    return RK_OK;
}

void rk_work_destroy(rk_work *work)
{
    if (!work)
        return;
    if (work->current) {
        step_result last = {.state = "stopped", .reason = ""};
        end_job(work, work->current, &last);
    }
    destroy_job(work->next);
    json_decref(work->view.result);
    rk_lock_fini(&work->lock, &work->changed);
    free(work);
}
