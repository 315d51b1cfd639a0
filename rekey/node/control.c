#include "rekey/node/control.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rekey/audit/audit.h"
#include "rekey/base/escape.h"
#include "rekey/engine/process.h"
#include "rekey/message/message.h"
#include "rekey/report/report.h"

#define PAGE_BYTES ((size_t)1 << 20)

struct rk_node_control {
    rk_node_control_config config;
    rk_actor process;     /* what all actors have in common; looked up once, by one thread */
    pthread_mutex_t lock; /* changes come one after the other */
    atomic_bool in_doubt;
    char decider[RK_NODE_NAME_BYTES_MAX + 1]; /* as it was found at the start */
};

/* One request on its way. */
typedef struct call {
    rk_node_control *control;
    const json_t *request;
    const rk_access_entry *peer;
    rk_leader leader; /* who asks, when it is about leading */
    bool leads;       /* it holds the lead */
    char who[96];     /* for the audit log */
    json_t *reply;
    rk_error *err;
} call;

static const char *name_of(const rk_node_control *control)
{
    return control->config.cluster->nodes[control->config.self].name;
}

static rk_actor actor_of(const call *c, const char *command)
{
    rk_actor actor = c->control->process;
    rk_random_bytes(actor.lease.token, sizeof actor.lease.token);
    snprintf(actor.lease.command, sizeof actor.lease.command, "%s", command);
    snprintf(actor.name, sizeof actor.name, "%s", c->who);
    return actor;
}

static rk_status open_migration(const call *c, bool create, rk_migration **out)
{
    rk_actor actor = actor_of(c, rk_report_text(c->request, "op"));
    const rk_node_control_config *config = &c->control->config;
    return rk_migration_open(config->store, config->clock, &actor, create, out, c->err);
}

/* --- leading ---------------------------------------------------------------------------------- */

static rk_status read_leader(call *c)
{
    json_int_t epoch = json_integer_value(json_object_get(c->request, "epoch"));
    const char *token = rk_report_text(c->request, "token");
    static const uint8_t nobody[sizeof c->leader.token]; /* stands for an epoch given back */
    char holder[49];
    char key[41];
    rk_leader *leader = &c->leader;
    leader->epoch = epoch > 0 && (uint64_t)epoch <= RK_LEADER_EPOCH_MAX ? (uint64_t)epoch : 0;
    leader->renewed_ms = rk_clock_wall_ms(c->control->config.clock);
    rk_text_escape(rk_slice_str(rk_report_text(c->request, "holder")), holder, sizeof holder);
    rk_text_escape(rk_slice_str(c->peer->name), key, sizeof key);
    snprintf(leader->holder, sizeof leader->holder, "%s (%s)", holder, key);
    if (leader->epoch == 0 ||
        rk_unhex(rk_slice_str(token), leader->token, sizeof leader->token, NULL) != RK_OK ||
        memcmp(leader->token, nobody, sizeof nobody) == 0)
        return rk_error_set(c->err, RK_INVALID, "%s: no epoch and token of a coordinator",
                            rk_report_text(c->request, "op"));
    return RK_OK;
}

static rk_status hold(call *c)
{
    rk_status status = read_leader(c);
    if (status == RK_OK)
        status = rk_leader_hold(c->control->config.store, &c->leader, c->err);
    c->leads = status == RK_OK;
    return status == RK_CONFLICT ? RK_BUSY : status; /* somebody else leads */
}

/* Who decides for other nodes than we know of must not lead: it would leave some of them behind. */
static rk_status check_cluster(const call *c)
{
    char ours[RK_DIGEST_HEX_BYTES];
    rk_digest digest;
    rk_cluster_digest(c->control->config.cluster, &digest);
    rk_hex(rk_slice_of(digest.bytes, sizeof digest.bytes), ours);
    if (strcmp(ours, rk_report_text(c->request, "cluster")) == 0)
        return RK_OK;
    return rk_error_set(c->err, RK_INVALID,
                        "the coordinator's cluster file names other nodes than node %s knows",
                        name_of(c->control));
}

static rk_status op_claim(call *c)
{
    rk_status status = read_leader(c);
    if (status == RK_OK)
        status = check_cluster(c);
    if (status == RK_OK)
        status = rk_leader_claim(c->control->config.store, &c->leader, c->err);
    if (status == RK_OK) /* what an earlier leader has begun ends at its next step */
        rk_work_supersede(c->control->config.work, c->leader.epoch);
    return status;
}

static rk_status op_release(call *c)
{
    rk_status status = read_leader(c);
    return status == RK_OK ? rk_leader_release(c->control->config.store, &c->leader, c->err)
                           : status;
}

static json_t *prepared_json(const rk_prepared *prepared)
{
    return json_pack("{s:o, s:s, s:s}", "decision", rk_message_id(&prepared->id), "move",
                     rk_move_name(prepared->move), "decider", prepared->decider);
}

/* Who leads, what is promised, and whether there are canary tenants: what a coordinator must know
 * before it claims the lead. */
static rk_status op_look(call *c)
{
    rk_leader leader = {0};
    rk_prepared prepared;
    rk_migration *migration = NULL;
    rk_error why = {0};
    const rk_node_control_config *config = &c->control->config;
    rk_status status = rk_leader_look(config->store, &leader, c->err);
    if (status != RK_OK && status != RK_NOT_FOUND)
        return status;
    bool live = rk_leader_live(&leader, rk_clock_wall_ms(config->clock));
    json_object_set_new(c->reply, "leader_epoch", json_integer((json_int_t)leader.epoch));
    json_object_set_new(c->reply, "holder", live ? rk_message_text(leader.holder) : json_null());
    call quiet = *c;
    quiet.err = &why;
    status = open_migration(&quiet, false, &migration);
    if (status == RK_NOT_FOUND)
        return RK_OK;
    if (status != RK_OK && c->err)
        *c->err = why;
    if (status == RK_OK)
        json_object_set_new(c->reply, "has_canary",
                            json_boolean(migration->spec->canary_count > 0));
    if (status == RK_OK)
        status = rk_decision_promised(migration, &prepared, c->err);
    if (status == RK_OK)
        json_object_set_new(c->reply, "promised", prepared_json(&prepared));
    rk_migration_close(migration);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

/* --- registering and activating --------------------------------------------------------------- */

static rk_status save_placement(const call *c)
{
    const rk_node_control_config *config = &c->control->config;
    rk_placement placement = {0};
    rk_cluster_digest(config->cluster, &placement.cluster);
    snprintf(placement.node, sizeof placement.node, "%s", name_of(c->control));
    return rk_placement_record(config->store, &placement, c->err);
}

static rk_status load_spec(const call *c, rk_spec_source *source, rk_spec **out)
{
    rk_findings findings = {0};
    rk_status status = rk_message_spec(json_object_get(c->request, "spec"), source, c->err);
    if (status == RK_OK)
        status = rk_spec_load(source, NULL, out, &findings, c->err);
    if (status == RK_INVALID && findings.count)
        rk_error_set(c->err, status, "the spec does not pass lint: %.300s",
                     findings.items[0].message);
    rk_findings_fini(&findings);
    return status;
}

/* Needs no lead, but waits while somebody leads. */
static rk_status check_nobody_leads(const call *c)
{
    rk_leader leader;
    const rk_node_control_config *config = &c->control->config;
    rk_status status = rk_leader_look(config->store, &leader, c->err);
    if (status == RK_OK && rk_leader_live(&leader, rk_clock_wall_ms(config->clock)))
        return rk_error_set(c->err, RK_BUSY, "%s leads in epoch %" PRIu64, leader.holder,
                            leader.epoch);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

static rk_status op_register(call *c)
{
    const rk_node_control_config *config = &c->control->config;
    rk_spec_source source = {0};
    rk_spec *spec = NULL;
    rk_actor actor = actor_of(c, "register");
    bool changed = false;
    rk_status status = check_nobody_leads(c);
    if (status == RK_OK)
        status = load_spec(c, &source, &spec);
    if (status == RK_OK)
        status = rk_migration_register(config->store, config->clock, &actor, spec, &source,
                                       &changed, c->err);
    if (status == RK_OK)
        status = save_placement(c);
    json_object_set_new(c->reply, "changed", json_boolean(changed));
    rk_spec_destroy(spec);
    rk_spec_source_fini(&source);
    return status;
}

/* The plan of all nodes, with its approvals: each node checks them itself and takes its part. */
static rk_status op_activate(call *c)
{
    const rk_node_control_config *config = &c->control->config;
    rk_plan *whole = NULL;
    rk_plan *part = NULL;
    rk_actor actor = actor_of(c, "run");
    uint32_t valid = 0;
    rk_status status =
        rk_plan_parse(rk_slice_str(rk_report_text(c->request, "plan")), "the plan", &whole, c->err);
    if (status == RK_OK && whole->spec->approvals > 0)
        status =
            rk_approval_check_text(whole, rk_slice_str(rk_report_text(c->request, "approvals")),
                                   "the plan", &valid, c->err);
    if (status == RK_OK)
        status = rk_plan_take_shard(whole, name_of(c->control), &part, c->err);
    if (status == RK_OK)
        status = rk_migration_activate(config->store, config->clock, &actor, part, c->err);
    if (status == RK_OK)
        status = save_placement(c);
    rk_plan_destroy(part);
    rk_plan_destroy(whole);
    return status;
}

/* --- work ------------------------------------------------------------------------------------- */

static rk_work_asker asker_of(const call *c)
{
    return (rk_work_asker){c->who, &c->peer->key, c->leads ? c->leader.epoch : 0};
}

static rk_status op_start(call *c)
{
    bool changes = strcmp(rk_report_text(c->request, "kind"), "run") == 0;
    rk_status status = changes ? hold(c) : RK_OK;
    rk_work_asker asker = asker_of(c);
    return status == RK_OK ? rk_work_start(c->control->config.work, c->request, &asker, c->err)
                           : status;
}

/* A coordinator says that it leads, and holds the lead with it; who only looks says nothing. */
static rk_status hold_if_named(call *c)
{
    return json_object_get(c->request, "epoch") ? hold(c) : RK_OK;
}

static rk_status op_poll(call *c)
{
    rk_status status = hold_if_named(c);
    if (status != RK_OK)
        return status;
    rk_work_asker asker = asker_of(c);
    json_t *work =
        rk_work_poll(c->control->config.work, rk_report_text(c->request, "name"), &asker);
    if (!work)
        return rk_error_set(c->err, RK_NOMEM, "poll: out of memory");
    json_object_set_new(c->reply, "work", work);
    return RK_OK;
}

static rk_status op_cancel(call *c)
{
    rk_status status = hold_if_named(c);
    rk_work_asker asker = asker_of(c);
    if (status == RK_OK)
        status = rk_work_cancel(c->control->config.work, rk_report_text(c->request, "name"), &asker,
                                c->err);
    return status;
}

/* --- decisions -------------------------------------------------------------------------------- */

/* Under the lock. What is decided leaves no doubt: there is one promise at a time. */
static rk_status settle(const call *c, const rk_decision_id *id, bool commits)
{
    rk_migration *migration = NULL;
    rk_prepared prepared;
    rk_status status = open_migration(c, true, &migration);
    if (status == RK_OK)
        status = commits ? rk_decision_commit(migration, id, c->err)
                         : rk_decision_abort(migration, id, c->err);
    if (status == RK_OK && rk_decision_promised(migration, &prepared, NULL) == RK_NOT_FOUND)
        c->control->in_doubt = false;
    rk_migration_close(migration);
    return status;
}

static rk_status decide(call *c, bool commits)
{
    rk_decision_id id;
    if (!rk_message_id_read(json_object_get(c->request, "decision"), &id))
        return rk_error_set(c->err, RK_INVALID, "no decision is named");
    return settle(c, &id, commits);
}

static rk_status op_commit(call *c)
{
    return decide(c, true);
}

static rk_status op_abort(call *c)
{
    return decide(c, false);
}

static rk_status op_decision(call *c)
{
    rk_decision_id id;
    rk_migration *migration = NULL;
    rk_decided decided = RK_DECIDED_NOT;
    if (!rk_message_id_read(json_object_get(c->request, "decision"), &id))
        return rk_error_set(c->err, RK_INVALID, "no decision is named");
    rk_status status = open_migration(c, false, &migration);
    if (status == RK_OK)
        status = rk_decision_look(migration, &id, &decided, c->err);
    rk_migration_close(migration);
    if (status == RK_OK)
        json_object_set_new(c->reply, "decided", rk_message_decided(decided));
    return status;
}

/* --- looking ---------------------------------------------------------------------------------- */

static json_t *workers_of(rk_leases *leases)
{
    rk_leases_counts counts = {0};
    if (leases)
        counts = rk_leases_counts_of(leases);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "present", (json_int_t)counts.workers,
                     "working", (json_int_t)counts.working, "leases", (json_int_t)counts.leases,
                     "records", (json_int_t)counts.records, "expired", (json_int_t)counts.expired,
                     "useless", (json_int_t)counts.useless);
}

static rk_status op_status(call *c)
{
    rk_migration *migration = NULL;
    rk_prepared prepared;
    rk_status status = open_migration(c, false, &migration);
    if (status != RK_OK)
        return status;
    json_t *report = rk_report_status(migration, c->err);
    status = report ? RK_OK : RK_IO;
    if (report && rk_decision_promised(migration, &prepared, NULL) == RK_OK)
        json_object_set_new(report, "promised", prepared_json(&prepared));
    if (report)
        json_object_set_new(report, "workers", workers_of(c->control->config.leases));
    if (report)
        json_object_set_new(c->reply, "status", report);
    rk_migration_close(migration);
    return status;
}

static rk_status op_quarantine(call *c)
{
    rk_migration *migration = NULL;
    json_t *entries = NULL;
    rk_buf last;
    rk_buf_init(&last, RK_STATE_KEY_BYTES_MAX);
    rk_status status = rk_message_bytes(json_object_get(c->request, "after"), &last, c->err);
    if (status == RK_OK)
        status = open_migration(c, false, &migration);
    if (status == RK_OK)
        status = rk_report_quarantine(migration, PAGE_BYTES, &last, &entries, c->err);
    if (status == RK_OK) {
        json_object_set_new(c->reply, "entries", entries);
        json_object_set_new(c->reply, "after", rk_message_bytes_write(rk_buf_slice(&last)));
    }
    rk_migration_close(migration);
    rk_buf_fini(&last);
    return status;
}

static rk_status op_audit(call *c)
{
    rk_migration *migration = NULL;
    rk_view *view = NULL;
    json_t *page = NULL;
    json_int_t from = json_integer_value(json_object_get(c->request, "from"));
    bool verify = json_is_true(json_object_get(c->request, "verify"));
    uint64_t next = from > 0 ? (uint64_t)from : 1;
    rk_status status = open_migration(c, false, &migration);
    if (status == RK_OK)
        status = rk_snapshot_open(migration->store, &view, c->err);
    if (status == RK_OK)
        status =
            rk_report_audit(view, migration->tables.meta, PAGE_BYTES, verify, &next, &page, c->err);
    rk_snapshot_close(view);
    rk_migration_close(migration);
    if (status != RK_OK)
        return status;
    json_object_set_new(c->reply, "audit", page);
    json_object_set_new(c->reply, "next", json_integer((json_int_t)next));
    return RK_OK;
}

static rk_status op_health(call *c)
{
    char work[RK_WORK_NAME_BYTES_MAX + 1];
    rk_work_current(c->control->config.work, work);
    json_object_set_new(c->reply, "node", json_string(name_of(c->control)));
    json_object_set_new(c->reply, "serving", json_boolean(!c->control->in_doubt));
    json_object_set_new(c->reply, "work", *work ? json_string(work) : json_null());
    json_object_set_new(c->reply, "workers", workers_of(c->control->config.leases));
    return RK_OK;
}

/* --- dispatch --------------------------------------------------------------------------------- */

typedef struct operation {
    const char *name;
    enum {
        BESIDE, /* reads a snapshot: beside whatever else is asked */
        ALONE,  /* under the lock */
        LEADS   /* the same, and only for who holds the lead */
    } order;
    rk_status (*answer)(call *c);
} operation;

static const operation operations[] = {
    {"health", BESIDE, op_health},     {"status", BESIDE, op_status},
    {"look", BESIDE, op_look},         {"claim", ALONE, op_claim},
    {"release", ALONE, op_release},    {"register", ALONE, op_register},
    {"activate", LEADS, op_activate},  {"start", ALONE, op_start},
    {"poll", ALONE, op_poll},          {"cancel", ALONE, op_cancel},
    {"decision", BESIDE, op_decision}, {"commit", LEADS, op_commit},
    {"abort", LEADS, op_abort},        {"quarantine", BESIDE, op_quarantine},
    {"audit", BESIDE, op_audit},
};

static const operation *find(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    return NULL;
}

/* A node asks another one about a decision; clients ask for records only. */
static bool may_ask(rk_role role, const operation *what)
{
    return role == RK_ROLE_OPERATOR || role == RK_ROLE_COORDINATOR ||
           (role == RK_ROLE_NODE && what && what->answer == op_decision);
}

static rk_status answer(call *c)
{
    const operation *found = find(rk_report_text(c->request, "op"));
    const char *holder = rk_report_text(c->request, "holder");
    char key[41];
    char by[41];
    if (!may_ask(c->peer->role, found))
        return rk_error_set(c->err, RK_AUTH, "a %s may not ask about the migration",
                            rk_role_name(c->peer->role));
    if (!found)
        return rk_error_set(c->err, RK_INVALID, "no such operation: \"%.32s\"",
                            rk_report_text(c->request, "op"));
    rk_text_escape(rk_slice_str(c->peer->name), key, sizeof key);
    rk_text_escape(rk_slice_str(*holder ? holder : "key"), by, sizeof by);
    snprintf(c->who, sizeof c->who, "%s, by %s", key, by);
    if (found->order == BESIDE)
        return found->answer(c);
    pthread_mutex_lock(&c->control->lock);
    rk_status status = found->order == LEADS ? hold(c) : RK_OK;
    if (status == RK_OK)
        status = found->answer(c);
    pthread_mutex_unlock(&c->control->lock);
    return status;
}

static rk_status write_reply(const json_t *reply, rk_buf *out, rk_error *err)
{
    char *text = json_dumps(reply, JSON_COMPACT);
    if (!text)
        return rk_error_set(err, RK_NOMEM, "the reply: out of memory");
    size_t len = strlen(text);
    rk_status status = rk_buf_append(out, rk_slice_of(text, len), err);
    free(text);
    if (status == RK_LIMIT)
        return rk_error_set(err, status, "the reply has %zu bytes, a session carries %zu", len,
                            out->max);
    return status;
}

rk_status rk_node_control_answer(rk_node_control *control, const rk_access_entry *peer,
                                 rk_slice request, rk_buf *reply, rk_error *err)
{
    /* Before anything is read: a tree takes many times its text. */
    if (peer->role == RK_ROLE_CLIENT || peer->role == RK_ROLE_NONE)
        return rk_error_set(err, RK_AUTH, "a %s may not ask about the migration",
                            rk_role_name(peer->role));
    json_error_t where;
    json_t *object =
        json_loadb((const char *)request.ptr, request.len, JSON_REJECT_DUPLICATES, &where);
    if (!json_is_object(object)) {
        json_decref(object);
        return rk_error_set(err, RK_INVALID, "a control request that is no JSON object");
    }
    call c = {.control = control, .request = object, .peer = peer, .err = err};
    c.reply = json_object();
    rk_status status = answer(&c);
    if (status == RK_OK)
        status = write_reply(c.reply, reply, err);
    json_decref(c.reply);
    json_decref(object);
    return status;
}

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status check_placement(const rk_node_control *control, rk_view *view, rk_table meta,
                                 rk_error *err)
{
    const rk_node_control_config *config = &control->config;
    const char *name = name_of(control);
    rk_placement there;
    rk_digest cluster;
    rk_status status = rk_placement_load(view, meta, &there, err);
    if (status != RK_OK)
        return status == RK_NOT_FOUND ? RK_OK : status;
    rk_cluster_digest(config->cluster, &cluster);
    if (strcmp(there.node, name) != 0)
        return rk_error_set(err, RK_CONFLICT, "the store belongs to node %s, not to %s", there.node,
                            name);
    if (memcmp(&cluster, &there.cluster, sizeof cluster) != 0)
        return rk_error_set(err, RK_CONFLICT,
                            "the store was registered in a cluster of other nodes than %s has now",
                            config->cluster->name);
    return RK_OK;
}

static rk_status look_back(rk_node_control *control, rk_error *err)
{
    rk_table meta;
    rk_view *view = NULL;
    rk_prepared prepared;
    rk_error why = {0};
    rk_status status =
        rk_store_table(control->config.store, RK_META_TABLE, RK_TABLE_RECORDS, false, &meta, &why);
    if (status == RK_NOT_FOUND)
        return RK_OK;
    if (status != RK_OK && err)
        *err = why;
    if (status == RK_OK)
        status = rk_snapshot_open(control->config.store, &view, err);
    if (status == RK_OK)
        status = check_placement(control, view, meta, err);
    if (status == RK_OK)
        status = rk_prepared_load(view, meta, &prepared, err);
    rk_snapshot_close(view);
    /* The decider itself is in no doubt: what it has not committed is not decided. */
    control->in_doubt = status == RK_OK && strcmp(prepared.decider, name_of(control)) != 0;
    if (control->in_doubt)
        snprintf(control->decider, sizeof control->decider, "%s", prepared.decider);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

rk_status rk_node_control_create(const rk_node_control_config *config, rk_node_control **out,
                                 rk_error *err)
{
    rk_node_control *control = calloc(1, sizeof *control);
    if (!control || pthread_mutex_init(&control->lock, NULL) != 0) {
        free(control);
        return rk_error_set(err, RK_NOMEM, "node: out of memory");
    }
    control->config = *config;
    rk_actor_of_process("node", &control->process);
    rk_status status = look_back(control, err);
    if (status != RK_OK) {
        rk_node_control_destroy(control);
        return status;
    }
    *out = control;
    return RK_OK;
}

void rk_node_control_destroy(rk_node_control *control)
{
    if (!control)
        return;
    pthread_mutex_destroy(&control->lock);
    free(control);
}

bool rk_node_control_in_doubt(rk_node_control *control, char decider[RK_NODE_NAME_BYTES_MAX + 1])
{
    snprintf(decider, RK_NODE_NAME_BYTES_MAX + 1, "%s", control->decider);
    return control->in_doubt;
}

/* --- what the node finds out by itself -------------------------------------------------------- */

bool rk_node_control_promise(rk_node_control *control, rk_prepared *out, bool *in_doubt)
{
    rk_table meta;
    rk_view *view = NULL;
    rk_store *store = control->config.store;
    rk_status status = rk_store_table(store, RK_META_TABLE, RK_TABLE_RECORDS, false, &meta, NULL);
    if (status == RK_OK)
        status = rk_snapshot_open(store, &view, NULL);
    if (status == RK_OK)
        status = rk_prepared_load(view, meta, out, NULL);
    rk_snapshot_close(view);
    *in_doubt = control->in_doubt;
    return status == RK_OK && strcmp(out->decider, name_of(control)) != 0;
}

rk_status rk_node_control_learn(rk_node_control *control, const rk_decision_id *id,
                                rk_decided decided, rk_error *err)
{
    if (decided == RK_DECIDED_NOT || decided == RK_DECIDED_PROMISED) {
        control->in_doubt = false; /* nobody is ahead of us */
        return RK_OK;
    }
    json_t *nothing = json_object();
    call c = {.control = control, .request = nothing, .err = err};
    snprintf(c.who, sizeof c.who, "node %.64s, by itself", name_of(control));
    pthread_mutex_lock(&control->lock);
    rk_status status = settle(&c, id, decided == RK_DECIDED_COMMITTED);
    pthread_mutex_unlock(&control->lock);
    json_decref(nothing);
    return status;
}
