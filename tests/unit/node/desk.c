#include "tests/unit/node/desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rekey/engine/process.h"
#include "rekey/message/message.h"

#define STEPS_MAX 100000

const rk_access_entry an_operator = {.key = {{1}}, .role = RK_ROLE_OPERATOR, .name = "olga"};
const rk_access_entry a_coordinator = {.key = {{2}}, .role = RK_ROLE_COORDINATOR, .name = "cora"};
const rk_access_entry a_node = {.key = {{3}}, .role = RK_ROLE_NODE, .name = "nora"};
const rk_access_entry a_client = {.key = {{4}},
                                  .role = RK_ROLE_CLIENT,
                                  .name = "clea",
                                  .tenants = {.all = true},
                                  .capsules = {.all = true}};

const rk_work_asker tess = {.name = "tess", .key = &a_coordinator.key};

/* --- the clock -------------------------------------------------------------------------------- */

static uint64_t monotonic_ns(void *context)
{
    desk_clock *time = context;
    return rk_clock_monotonic_ns(rk_clock_system()) + time->monotonic_jump_ns;
}

static int64_t wall_ms(void *context)
{
    desk_clock *time = context;
    void (*hook)(void *) = time->on_wall;
    time->on_wall = NULL;
    if (hook)
        hook(time->on_wall_context);
    return rk_clock_wall_ms(rk_clock_system()) + time->wall_jump_ms;
}

static void pause_ns(void *context, uint64_t duration_ns)
{
    (void)context;
    (void)duration_ns;
}

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status start(desk *d)
{
    rk_node_control_config config = {
        .store = desk_store(d), .clock = &d->clock, .cluster = &d->cluster, .self = d->self};
    must(rk_work_create(config.store, &d->clock, 1, &d->work, &d->err), &d->err);
    config.work = d->work;
    rk_work_place(d->work, &d->cluster, d->self);
    return rk_node_control_create(&config, &d->control, &d->err);
}

static void stop(desk *d)
{
    rk_node_control_destroy(d->control);
    rk_work_destroy(d->work);
    d->control = NULL;
    d->work = NULL;
}

static void set_up(desk *d)
{
    static const char *const names[] = {"n1", "n2", "n3"};
    d->clock = (rk_clock){.context = &d->time,
                          .monotonic_ns = monotonic_ns,
                          .wall_ms = wall_ms,
                          .pause_ns = pause_ns};
    for (size_t i = 0; i < COUNT(names); i++)
        d->nodes[i] = (rk_cluster_node){.name = names[i]};
    d->cluster = (rk_cluster){.name = "test", .nodes = d->nodes, .node_count = 1};
    must(start(d), &d->err);
}

static void plant(desk *d)
{
    static const char *const tenants[] = {"s-1", "s-2", "t", "u"};
    rk_active_plan plan = {.digest = {{5}}, .template_entity = CONFIG};
    char key[64];
    for (size_t i = 0; i < COUNT(tenants); i++) {
        snprintf(key, sizeof key, "TENANT#%s#CONTRACT#1", tenants[i]);
        yard_put(&d->yard, key, "{\"n\":1}");
        snprintf(key, sizeof key, "TENANT#%s#ITEM#1", tenants[i]);
        yard_put(&d->yard, key, "{\"contract_id\":\"1\"}");
    }
    rk_txn *txn = shelf_begin(&d->yard.shelf);
    must(rk_active_plan_save(txn, d->yard.tables.meta, &plan, &d->err), &d->err);
    shelf_commit(txn);
}

void desk_open(desk *d)
{
    *d = (desk){0};
    yard_open(&d->yard, RK_STRATEGY_DUAL_WRITE);
    plant(d);
    set_up(d);
}

void desk_open_bare(desk *d)
{
    *d = (desk){.is_bare = true};
    rk_table data;
    shelf_open(&d->yard.shelf);
    must(rk_store_table(desk_store(d), "data", RK_TABLE_RECORDS, true, &data, &d->err), &d->err);
    set_up(d);
}

void desk_close(desk *d)
{
    stop(d);
    if (d->is_bare)
        shelf_close(&d->yard.shelf);
    else
        yard_close(&d->yard);
}

rk_status desk_restart(desk *d)
{
    stop(d);
    return start(d);
}

rk_store *desk_store(desk *d)
{
    return d->yard.shelf.store;
}

void desk_work(desk *d)
{
    char name[RK_WORK_NAME_BYTES_MAX + 1];
    rk_work_current(d->work, name);
    for (int steps = 0; *name; steps++) {
        assert_in_range(steps, 0, STEPS_MAX);
        rk_work_step(d->work, 0);
        rk_work_current(d->work, name);
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

rk_status desk_ask(desk *d, const rk_access_entry *peer, const char *request, json_t **reply)
{
    rk_buf body;
    rk_buf_init(&body, 1 << 20);
    json_t *object = json_of(request);
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    d->err = (rk_error){0};
    rk_status status = rk_node_control_answer(d->control, peer, rk_slice_str(text), &body, &d->err);
    *reply = NULL;
    if (status == RK_OK) {
        *reply = json_loadb((const char *)body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
        assert_true(json_is_object(*reply));
    } else {
        assert_string_not_equal(d->err.message, "");
        assert_int_equal(body.len, 0);
    }
    rk_buf_fini(&body);
    free(text);
    return status;
}

json_t *desk_get(desk *d, const char *request)
{
    json_t *reply;
    if (desk_ask(d, &a_coordinator, request, &reply) != RK_OK)
        fail_msg("%s: %s", request, d->err.message);
    return reply;
}

void desk_must(desk *d, const char *request)
{
    json_decref(desk_get(d, request));
}

void desk_refuses(desk *d, const char *request, rk_status status, const char *words)
{
    json_t *reply;
    rk_status said = desk_ask(d, &a_coordinator, request, &reply);
    json_decref(reply);
    if (said != status || !strstr(d->err.message, words))
        fail_msg("%s: %s: %s", request, rk_status_name(said), d->err.message);
}

char *desk_claim(desk *d, const char *leader)
{
    static char request[512];
    char hex[RK_DIGEST_HEX_BYTES];
    rk_digest digest;
    rk_cluster_digest(&d->cluster, &digest);
    rk_hex(rk_slice_of(digest.bytes, sizeof digest.bytes), hex);
    snprintf(request, sizeof request, "{'op': 'claim', 'cluster': '%s', %s}", hex, leader);
    return request;
}

json_t *desk_spec(desk *d)
{
    rk_actor actor;
    rk_migration *migration = NULL;
    rk_actor_of_process("test", &actor);
    must(rk_migration_open(desk_store(d), &d->clock, &actor, false, &migration, &d->err), &d->err);
    json_t *spec = rk_message_spec_write(&migration->source);
    rk_migration_close(migration);
    return spec;
}

char *desk_plan(desk *d)
{
    char *text = NULL;
    rk_plan_shard shard = {.node = "n1"};
    rk_plan *whole = NULL;
    json_t *order = json_pack("{s:s, s:s, s:s, s:o}", "name", "plan", "kind", "plan", "spec_path",
                              "specs/yard.yaml", "spec", desk_spec(d));
    must(rk_work_start(d->work, order, &tess, &d->err), &d->err);
    json_decref(order);
    desk_work(d);
    json_t *polled = rk_work_poll(d->work, "plan", &tess);
    assert_string_equal(text_at(polled, "state"), "finished");
    must(rk_plan_parse(rk_slice_str(text_at(polled, "result")), "it", &shard.plan, &d->err),
         &d->err);
    json_decref(polled);
    must(rk_plan_merge(&shard, 1, "specs/yard.yaml", 1700000000000, &whole, &d->err), &d->err);
    must(rk_plan_text(whole, &text, &d->err), &d->err);
    rk_plan_destroy(whole);
    return text;
}
