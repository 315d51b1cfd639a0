/* What may be asked of a node about its migration, by whom, and what comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "rekey/message/message.h"
#include "tests/unit/node/desk.h"

#define FIRST  "'epoch': 1, 'token': '" TOKEN_1 "', 'holder': 'carl@host 17'"
#define SECOND "'epoch': 2, 'token': '" TOKEN_2 "', 'holder': 'dora@host 18'"
#define FLIP   "000102030405060708090a0b0c0d0e0f"
#define OTHER  "ff0102030405060708090a0b0c0d0e0f"

#define CLAIM       desk_claim(&d, FIRST)
#define PROMISE(of) PROMISE_TO("n1", of)
#define PROMISE_TO(decider, of)                                                                    \
    "{'op': 'start', " FIRST ", 'name': 'promise', 'kind': 'run', 'goal': 'flip',"                 \
    " 'decision': '" of "', 'decider': '" decider "'}"

static const char *phase_of(desk *d)
{
    static char phase[32];
    json_t *reply = desk_get(d, "{'op': 'status'}");
    snprintf(phase, sizeof phase, "%s", text_at(json_object_get(reply, "status"), "phase"));
    json_decref(reply);
    return phase;
}

static void must_say(desk *d, const char *request, const char *member, const char *text)
{
    json_t *reply = desk_get(d, request);
    assert_string_equal(text_at(reply, member), text);
    json_decref(reply);
}

/* Runs it to its end, which must be of this state. */
static void run(desk *d, const char *request, const char *state)
{
    desk_must(d, request);
    json_t *order = json_of(request);
    desk_work(d);
    json_t *work = rk_work_poll(d->work, text_at(order, "name"), &tess);
    if (strcmp(text_at(work, "state"), state) != 0)
        fail_msg("%s: %s: %s", request, text_at(work, "state"),
                 text_at(json_object_get(work, "error"), "message"));
    json_decref(work);
    json_decref(order);
}

/* Up to a promise, which waits. */
static void open_promised(desk *d, const char *promise)
{
    desk_open(d);
    desk_must(d, desk_claim(d, FIRST));
    run(d, "{'op': 'start', " FIRST ", 'name': 'v', 'kind': 'run', 'goal': 'verified'}",
        "finished");
    run(d, promise, "finished");
}

/* --- who may ---------------------------------------------------------------------------------- */

static const char *const every_op[] = {
    "{'op': 'health'}",
    "{'op': 'status'}",
    "{'op': 'look'}",
    "{'op': 'claim', " FIRST "}",
    "{'op': 'release', " FIRST "}",
    "{'op': 'register', 'spec': {}}",
    "{'op': 'activate', " FIRST ", 'plan': ''}",
    "{'op': 'start', 'name': 'a', 'kind': 'verify'}",
    "{'op': 'quarantine'}",
    "{'op': 'audit'}",
    "{'op': 'poll', 'name': 'a'}",
    "{'op': 'cancel', 'name': 'a'}",
    "{'op': 'commit', " FIRST ", 'decision': '" FLIP "'}",
    "{'op': 'abort', " FIRST ", 'decision': '" FLIP "'}",
    "{'op': 'decision', 'decision': '" FLIP "'}", /* the last: a node may ask it */
    "{'op': 'no such'}",
    "{}",
};
#define OPS      (COUNT(every_op) - 2)
#define DECISION (OPS - 1)

static void test_roles(void **state)
{
    (void)state;
    static const rk_access_entry *const strangers[] = {&a_client, &a_node};
    desk d;
    json_t *reply;
    desk_open(&d);
    for (size_t s = 0; s < COUNT(strangers); s++) {
        for (size_t i = 0; i < COUNT(every_op); i++) {
            rk_status status = desk_ask(&d, strangers[s], every_op[i], &reply);
            bool may = strangers[s] == &a_node && i == DECISION;
            if (status != (may ? RK_OK : RK_AUTH))
                fail_msg("%s: %s", every_op[i], rk_status_name(status));
            json_decref(reply);
        }
    }
    for (size_t i = 0; i < OPS; i++) {
        assert_int_not_equal(desk_ask(&d, &an_operator, every_op[i], &reply), RK_AUTH);
        json_decref(reply);
    }
    desk_close(&d);
}

static void test_what_is_no_request(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "5",
                                        "{\"op\": \"health\", \"op\": 1}",
                                        "{\"op\": \"\xFF\"}",
                                        "{\"op\": \"a\\u0000\"}"};
    desk d;
    desk_open(&d);
    for (size_t i = 0; i < COUNT(texts); i++) {
        rk_error err = {0};
        rk_buf reply;
        rk_buf_init(&reply, 4096);
        assert_int_equal(
            rk_node_control_answer(d.control, &an_operator, rk_slice_str(texts[i]), &reply, &err),
            RK_INVALID);
        assert_non_null(strstr(err.message, "JSON"));
        rk_buf_fini(&reply);
    }
    desk_refuses(&d, "{}", RK_INVALID, "no such operation");
    desk_refuses(&d, "{'op': 7}", RK_INVALID, "no such operation");
    desk_refuses(&d, "{'op': 'dance'}", RK_INVALID, "\"dance\"");
    desk_close(&d);
}

/* --- who leads -------------------------------------------------------------------------------- */

static const char *const leaders_only[] = {
    "{'op': 'activate', %s 'plan': '', 'approvals': ''}",
    "{'op': 'start', %s 'name': 'a', 'kind': 'run', 'goal': 'backfilled'}",
    "{'op': 'commit', %s 'decision': '" FLIP "'}",
    "{'op': 'abort', %s 'decision': '" FLIP "'}",
};

static void refuse_all(desk *d, const char *leader, rk_status status, const char *words)
{
    char request[512];
    for (size_t i = 0; i < COUNT(leaders_only); i++) {
        snprintf(request, sizeof request, leaders_only[i], leader);
        desk_refuses(d, request, status, words);
    }
}

static void test_who_does_not_lead(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    refuse_all(&d, "", RK_INVALID, "no epoch and token");
    refuse_all(&d, "'epoch': 1,", RK_INVALID, "no epoch and token");
    refuse_all(&d, "'epoch': -1, 'token': '" TOKEN_1 "',", RK_INVALID, "no epoch and token");
    refuse_all(&d, "'epoch': 1, 'token': 'abc',", RK_INVALID, "no epoch and token");
    refuse_all(&d, FIRST ",", RK_BUSY, "claim it first");
    desk_must(&d, desk_claim(&d, SECOND));
    refuse_all(&d, FIRST ",", RK_BUSY, "dora@host 18 (cora)");
    refuse_all(&d, "'epoch': 2, 'token': '" TOKEN_1 "',", RK_BUSY, "dora@host 18 (cora)");
    refuse_all(&d, "'epoch': 1, 'token': '" TOKEN_2 "',", RK_BUSY, "dora@host 18 (cora)");
    desk_refuses(&d, "{'op': 'poll', " FIRST ", 'name': 'a'}", RK_BUSY, "dora@host 18");
    assert_string_equal(phase_of(&d), "old");
    desk_close(&d);
}

static void test_claims(void **state)
{
    (void)state;
    desk d;
    desk_open_bare(&d);
    desk_must(&d, "{'op': 'release', " FIRST "}"); /* nothing to give back */
    desk_must(&d, CLAIM);
    desk_must(&d, CLAIM);
    must_say(&d, "{'op': 'look'}", "holder", "carl@host 17 (cora)");
    desk_refuses(&d, desk_claim(&d, SECOND), RK_BUSY, "carl@host 17 (cora) leads");
    desk_refuses(&d, "{'op': 'register', 'spec': {}}", RK_BUSY, "carl@host 17 (cora) leads");
    desk_must(&d, "{'op': 'release', " FIRST "}");
    json_t *reply = desk_get(&d, "{'op': 'look'}");
    assert_true(json_is_null(json_object_get(reply, "holder")));
    assert_int_equal(json_integer_value(json_object_get(reply, "leader_epoch")), 1);
    assert_null(json_object_get(reply, "has_canary")); /* nothing registered */
    json_decref(reply);
    desk_refuses(&d, desk_claim(&d, "'epoch': 1, 'token': '" TOKEN_2 "'"), RK_CONFLICT, "epoch 1");
    desk_must(&d, desk_claim(&d, SECOND));
    desk_refuses(&d, CLAIM, RK_BUSY, "dora@host 18");
    d.time.wall_jump_ms += RK_LEADER_LEASE_MS + 1;
    desk_refuses(&d, CLAIM, RK_CONFLICT, "epoch 1 is over");
    desk_close(&d);
}

/* An epoch that was given back is nobody's, whatever token its record has. */
static void test_nobody_is_no_leader(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    desk_must(&d, CLAIM);
    desk_must(&d, "{'op': 'release', " FIRST "}");
    desk_refuses(&d,
                 "{'op': 'start', 'epoch': 1, 'token': '00000000000000000000000000000000',"
                 " 'name': 'a', 'kind': 'run', 'goal': 'backfilled'}",
                 RK_INVALID, "no epoch and token");
    desk_refuses(&d, desk_claim(&d, "'epoch': 2, 'token': '00000000000000000000000000000000'"),
                 RK_INVALID, "no epoch and token");
    desk_close(&d);
}

/* A holder's name is cut between characters, and its lines are made one. */
static void test_long_holder(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    desk_must(&d, desk_claim(&d, "'epoch': 1, 'token': '" TOKEN_1 "', 'holder':"
                                 " 'two\\nlines, xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                                 "\\u00fc\\u00fc\\u00fc\\u00fc\\u00fc'"));
    json_t *reply = desk_get(&d, "{'op': 'look'}");
    const char *holder = text_at(reply, "holder");
    assert_memory_equal(holder, "two\\x0alines", 12);
    assert_non_null(strstr(holder, " (cora)"));
    json_decref(reply);
    desk_close(&d);
}

/* Who decides for other nodes than this one knows of would leave some behind. */
static void test_claim_for_another_cluster(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    char *claim = strdup(CLAIM);
    d.cluster.node_count = 2;
    must(desk_restart(&d), &d.err);
    desk_refuses(&d, claim, RK_INVALID, "other nodes than node n1 knows");
    desk_refuses(&d, "{'op': 'claim', " FIRST "}", RK_INVALID, "other nodes");
    free(claim);
    desk_close(&d);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void test_health(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    json_t *reply = desk_get(&d, "{'op': 'health'}");
    assert_string_equal(text_at(reply, "node"), "n1");
    assert_true(json_is_true(json_object_get(reply, "serving")));
    assert_true(json_is_null(json_object_get(reply, "work")));
    json_decref(reply);
    desk_must(&d, "{'op': 'start', 'name': 'a', 'kind': 'verify'}");
    must_say(&d, "{'op': 'health'}", "work", "a");
    desk_close(&d);
}

static void test_status(void **state)
{
    (void)state;
    desk d;
    desk_open_bare(&d);
    desk_refuses(&d, "{'op': 'status'}", RK_NOT_FOUND, "registered");
    desk_refuses(&d, "{'op': 'decision', 'decision': '" FLIP "'}", RK_NOT_FOUND, "registered");
    desk_close(&d);
    desk_open(&d);
    assert_string_equal(phase_of(&d), "old");
    json_t *reply = desk_get(&d, "{'op': 'look'}");
    assert_true(json_is_true(json_object_get(reply, "has_canary")));
    assert_null(json_object_get(reply, "promised"));
    json_decref(reply);
    desk_close(&d);
}

static void test_lists(void **state)
{
    (void)state;
    desk d;
    desk_open_bare(&d);
    desk_refuses(&d, "{'op': 'quarantine'}", RK_NOT_FOUND, "registered");
    desk_refuses(&d, "{'op': 'audit'}", RK_NOT_FOUND, "registered");
    desk_close(&d);
    desk_open(&d);
    desk_must(&d, CLAIM);
    run(&d, "{'op': 'start', " FIRST ", 'name': 'v', 'kind': 'run', 'goal': 'verified'}",
        "finished");
    json_t *reply = desk_get(&d, "{'op': 'quarantine'}");
    assert_int_equal(json_array_size(json_object_get(reply, "entries")), 0);
    assert_string_equal(text_at(reply, "after"), "");
    json_decref(reply);
    reply = desk_get(&d, "{'op': 'audit', 'verify': true}");
    const json_t *page = json_object_get(reply, "audit");
    size_t entries = json_array_size(json_object_get(page, "entries"));
    const json_t *first = json_array_get(json_object_get(page, "entries"), 0);
    assert_true(entries > 2);
    assert_true(json_is_true(json_object_get(page, "whole")));
    assert_non_null(strstr(text_at(first, "actor"), "cora, by carl@host 17"));
    assert_int_equal(json_integer_value(json_object_get(reply, "next")), 0);
    json_decref(reply);
    reply = desk_get(&d, "{'op': 'audit', 'from': 2}");
    page = json_object_get(reply, "audit");
    assert_int_equal(json_array_size(json_object_get(page, "entries")), entries - 1);
    json_decref(reply);
    desk_refuses(&d, "{'op': 'quarantine', 'after': 'x'}", RK_INVALID, "");
    desk_refuses(&d, "{'op': 'quarantine', 'after': 5}", RK_INVALID, "");
    desk_close(&d);
}

static void look_about(void *context)
{
    desk *d = context;
    alarm(60); /* instead of waiting for a lock that is ours */
    desk_must(d, "{'op': 'audit', 'verify': true}");
    desk_must(d, "{'op': 'quarantine'}");
    desk_must(d, "{'op': 'status'}");
    desk_must(d, "{'op': 'look'}");
    desk_must(d, "{'op': 'health'}");
    alarm(0);
}

/* Who looks does not wait for what changes something, nor the other way round. */
static void test_looks_go_beside(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    d.time.on_wall = look_about; /* in the midst of the claim */
    d.time.on_wall_context = &d;
    desk_must(&d, CLAIM);
    assert_null(d.time.on_wall);
    desk_close(&d);
}

/* A store that cannot be read says so; look does not stay silent. */
static void test_look_at_a_damaged_store(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    rk_txn *txn = shelf_begin(&d.yard.shelf);
    must(rk_txn_put(txn, d.yard.tables.meta, RK_SLICE_LITERAL("spec"), RK_SLICE_LITERAL("x"),
                    &d.err),
         &d.err);
    must(rk_txn_put(txn, d.yard.tables.meta, RK_SLICE_LITERAL("state"), RK_SLICE_LITERAL("x"),
                    &d.err),
         &d.err);
    shelf_commit(txn);
    desk_refuses(&d, "{'op': 'look'}", RK_CORRUPT, "");
    desk_refuses(&d, "{'op': 'status'}", RK_CORRUPT, "");
    desk_close(&d);
}

/* --- work ------------------------------------------------------------------------------------- */

static void test_work(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    json_t *reply = desk_get(&d, "{'op': 'poll', 'name': 'a'}");
    assert_string_equal(text_at(json_object_get(reply, "work"), "state"), "gone");
    json_decref(reply);
    desk_must(&d, CLAIM);
    desk_must(&d, "{'op': 'start', " FIRST ", 'name': 'a', 'kind': 'run', 'goal': 'backfilled'}");
    reply = desk_get(&d, "{'op': 'poll', " FIRST ", 'name': 'a'}");
    assert_string_equal(text_at(json_object_get(reply, "work"), "state"), "going");
    json_decref(reply);
    desk_refuses(&d, "{'op': 'start', 'name': 'b', 'kind': 'verify'}", RK_BUSY, "at a");
    desk_must(&d, "{'op': 'cancel', " FIRST ", 'name': 'a'}");
    desk_work(&d);
    reply = desk_get(&d, "{'op': 'poll', 'name': 'a'}");
    assert_string_equal(text_at(json_object_get(reply, "work"), "state"), "stopped");
    json_decref(reply);
    desk_refuses(&d, "{'op': 'start', 'name': '', 'kind': 'verify'}", RK_INVALID, "name");
    desk_close(&d);
}

static void must_be(desk *d, const char *name, const char *state)
{
    json_t *work = rk_work_poll(d->work, name, &tess);
    assert_string_equal(text_at(work, "state"), state);
    json_decref(work);
}

/* A run is its leader's, or the next one's. */
static void test_who_cancels_a_run(void **state)
{
    (void)state;
    desk d;
    json_t *reply;
    desk_open(&d);
    desk_must(&d, CLAIM);
    desk_must(&d, "{'op': 'start', " FIRST ", 'name': 'a', 'kind': 'run', 'goal': 'backfilled'}");
    desk_refuses(&d, "{'op': 'cancel', 'name': 'a'}", RK_AUTH, "only who leads");
    desk_refuses(&d, "{'op': 'cancel', " SECOND ", 'name': 'a'}", RK_BUSY, "carl@host 17");
    assert_int_equal(desk_ask(&d, &an_operator, "{'op': 'cancel', 'name': 'a'}", &reply), RK_AUTH);
    rk_work_step(d.work, 0);
    must_be(&d, "a", "going");
    desk_must(&d, "{'op': 'cancel', 'name': 'b'}"); /* which is not there */
    desk_must(&d, "{'op': 'cancel', " FIRST ", 'name': 'a'}");
    rk_work_step(d.work, 0);
    must_be(&d, "a", "stopped");
    desk_close(&d);
}

/* Other work is its key's. */
static void test_who_cancels_other_work(void **state)
{
    (void)state;
    desk d;
    json_t *reply;
    desk_open(&d);
    desk_must(&d, CLAIM);
    desk_must(&d, "{'op': 'start', 'name': 'v', 'kind': 'verify'}");
    assert_int_equal(desk_ask(&d, &an_operator, "{'op': 'cancel', 'name': 'v'}", &reply), RK_AUTH);
    assert_non_null(strstr(d.err.message, "the key that ordered it"));
    rk_work_step(d.work, 0);
    must_be(&d, "v", "going");
    desk_must(&d, "{'op': 'cancel', 'name': 'v'}");
    rk_work_step(d.work, 0);
    must_be(&d, "v", "stopped");
    desk_close(&d);
}

/* Whoever else looks keeps nothing alive. */
static void test_polls_of_others(void **state)
{
    (void)state;
    static const char *const orders[] = {"{'op': 'start', " FIRST
                                         ", 'name': 'a', 'kind': 'run', 'goal': 'backfilled'}",
                                         "{'op': 'start', 'name': 'a', 'kind': 'verify'}"};
    for (size_t i = 0; i < COUNT(orders); i++) {
        desk d;
        json_t *reply;
        desk_open(&d);
        desk_must(&d, CLAIM);
        desk_must(&d, orders[i]);
        d.time.monotonic_jump_ns += (RK_WORK_LEASE_MS - 1000) * UINT64_C(1000000);
        assert_int_equal(desk_ask(&d, &an_operator, "{'op': 'poll', 'name': 'a'}", &reply), RK_OK);
        assert_string_equal(text_at(json_object_get(reply, "work"), "state"), "going");
        json_decref(reply);
        d.time.monotonic_jump_ns += 2000 * UINT64_C(1000000);
        rk_work_step(d.work, 0);
        must_be(&d, "a", "stopped");
        desk_close(&d);
    }
}

/* A coordinator that only polls goes on leading. */
static void test_polls_hold_the_lead(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    desk_must(&d, CLAIM);
    for (int i = 0; i < 3; i++) {
        d.time.wall_jump_ms += RK_LEADER_LEASE_MS - 1000;
        desk_must(&d, "{'op': 'poll', " FIRST ", 'name': 'a'}");
    }
    desk_refuses(&d, desk_claim(&d, SECOND), RK_BUSY, "carl");
    desk_close(&d);
}

static void test_reply_that_does_not_fit(void **state)
{
    (void)state;
    desk d;
    rk_buf reply;
    desk_open(&d);
    rk_buf_init(&reply, 100);
    rk_status status = rk_node_control_answer(
        d.control, &an_operator, RK_SLICE_LITERAL("{\"op\": \"status\"}"), &reply, &d.err);
    assert_int_equal(status, RK_LIMIT);
    assert_non_null(strstr(d.err.message, "a session carries 100"));
    assert_int_equal(reply.len, 0);
    rk_buf_fini(&reply);
    desk_close(&d);
}

/* --- registering and activating --------------------------------------------------------------- */

static char *request_with(const char *op, const char *member, json_t *value)
{
    json_t *request = json_of("{" FIRST ", 'approvals': ''}");
    json_object_set_new(request, "op", json_string(op));
    json_object_set_new(request, member, value);
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    return text;
}

static rk_status ask_text(desk *d, const char *text, json_t **reply)
{
    rk_buf body;
    rk_buf_init(&body, 1 << 20);
    d->err = (rk_error){0};
    rk_status status =
        rk_node_control_answer(d->control, &a_coordinator, rk_slice_str(text), &body, &d->err);
    *reply =
        status == RK_OK ? json_loadb((const char *)body.ptr, body.len, 0, NULL) : json_object();
    rk_buf_fini(&body);
    return status;
}

static void test_register(void **state)
{
    (void)state;
    desk source;
    desk d;
    json_t *reply;
    desk_open(&source);
    char *request = request_with("register", "spec", desk_spec(&source));
    desk_open_bare(&d);
    for (int i = 0; i < 2; i++) {
        must(ask_text(&d, request, &reply), &d.err);
        assert_int_equal(json_is_true(json_object_get(reply, "changed")), i == 0);
        json_decref(reply);
    }
    assert_string_equal(phase_of(&d), "old");
    desk_refuses(&d, "{'op': 'register'}", RK_INVALID, "spec");
    desk_refuses(&d,
                 "{'op': 'register', 'spec': {'name': '202601010000_a.yaml', 'text': 'a: [',"
                 " 'files': []}}",
                 RK_INVALID, "lint");
    free(request);
    desk_close(&d);
    desk_close(&source);
}

static void test_activate(void **state)
{
    (void)state;
    desk d;
    json_t *reply;
    desk_open(&d);
    char *plan = desk_plan(&d);
    char *request = request_with("activate", "plan", json_string(plan));
    assert_int_equal(ask_text(&d, request, &reply), RK_BUSY); /* nobody leads */
    json_decref(reply);
    desk_must(&d, CLAIM);
    must(ask_text(&d, request, &reply), &d.err);
    json_decref(reply);
    d.self = 1; /* which has no part in the plan */
    d.cluster.node_count = 2;
    assert_int_equal(desk_restart(&d), RK_CONFLICT);
    free(request);
    request = request_with("activate", "plan", json_string("{}"));
    d.self = 0;
    d.cluster.node_count = 1;
    must(desk_restart(&d), &d.err);
    assert_int_not_equal(ask_text(&d, request, &reply), RK_OK);
    assert_string_not_equal(d.err.message, "");
    json_decref(reply);
    free(request);
    free(plan);
    desk_close(&d);
}

static void test_activate_without_a_part(void **state)
{
    (void)state;
    desk d;
    json_t *reply;
    desk_open(&d);
    char *plan = desk_plan(&d);
    char *request = request_with("activate", "plan", json_string(plan));
    d.self = 1;
    d.cluster.node_count = 2;
    must(desk_restart(&d), &d.err);
    desk_must(&d, CLAIM);
    assert_int_equal(ask_text(&d, request, &reply), RK_NOT_FOUND);
    assert_non_null(strstr(d.err.message, "n2"));
    json_decref(reply);
    free(request);
    free(plan);
    desk_close(&d);
}

/* --- placement -------------------------------------------------------------------------------- */

static void test_placement(void **state)
{
    (void)state;
    desk d;
    json_t *reply;
    desk_open(&d);
    char *request = request_with("register", "spec", desk_spec(&d));
    d.cluster.node_count = 2; /* nobody's store yet: any cluster may have it */
    must(desk_restart(&d), &d.err);
    must(ask_text(&d, request, &reply), &d.err);
    json_decref(reply);
    must(desk_restart(&d), &d.err);
    d.self = 1;
    assert_int_equal(desk_restart(&d), RK_CONFLICT);
    assert_non_null(strstr(d.err.message, "belongs to node n1, not to n2"));
    d.self = 0;
    d.cluster.node_count = 3;
    assert_int_equal(desk_restart(&d), RK_CONFLICT);
    assert_non_null(strstr(d.err.message, "other nodes"));
    d.cluster.node_count = 2;
    d.cluster.name = "another";
    assert_int_equal(desk_restart(&d), RK_CONFLICT);
    d.cluster.name = "test";
    must(desk_restart(&d), &d.err);
    free(request);
    desk_close(&d);
}

/* --- decisions -------------------------------------------------------------------------------- */

#define ASK(of)    "{'op': 'decision', 'decision': '" of "'}"
#define COMMIT(of) "{'op': 'commit', " FIRST ", 'decision': '" of "'}"
#define ABORT(of)  "{'op': 'abort', " FIRST ", 'decision': '" of "'}"

static void test_commit(void **state)
{
    (void)state;
    desk d;
    open_promised(&d, PROMISE(FLIP));
    must_say(&d, ASK(FLIP), "decided", "promised");
    must_say(&d, ASK(OTHER), "decided", "not");
    assert_string_equal(phase_of(&d), "dual_write");
    json_t *reply = desk_get(&d, "{'op': 'look'}");
    const json_t *promised = json_object_get(reply, "promised");
    assert_string_equal(text_at(promised, "decision"), FLIP);
    assert_string_equal(text_at(promised, "move"), "flip");
    assert_string_equal(text_at(promised, "decider"), "n1");
    json_decref(reply);
    reply = desk_get(&d, "{'op': 'status'}");
    assert_non_null(json_object_get(json_object_get(reply, "status"), "promised"));
    json_decref(reply);
    desk_refuses(&d, COMMIT(OTHER), RK_NOT_FOUND, "not promised");
    desk_must(&d, COMMIT(FLIP));
    desk_must(&d, COMMIT(FLIP));
    must_say(&d, ASK(FLIP), "decided", "committed");
    desk_refuses(&d, ABORT(FLIP), RK_CONFLICT, "committed");
    assert_string_equal(phase_of(&d), "flipped");
    desk_close(&d);
}

static void test_abort(void **state)
{
    (void)state;
    desk d;
    open_promised(&d, PROMISE(FLIP));
    desk_must(&d, ABORT(FLIP));
    desk_must(&d, ABORT(FLIP));
    must_say(&d, ASK(FLIP), "decided", "aborted");
    desk_refuses(&d, COMMIT(FLIP), RK_CONFLICT, "aborted");
    assert_string_equal(phase_of(&d), "dual_write");
    desk_refuses(&d, "{'op': 'commit', " FIRST "}", RK_INVALID, "no decision");
    desk_refuses(&d, "{'op': 'abort', " FIRST ", 'decision': '0'}", RK_INVALID, "no decision");
    desk_refuses(&d, "{'op': 'decision', 'decision': 5}", RK_INVALID, "no decision");
    desk_close(&d);
}

static bool in_doubt(desk *d)
{
    char decider[RK_NODE_NAME_BYTES_MAX + 1];
    bool doubt = rk_node_control_in_doubt(d->control, decider);
    json_t *reply = desk_get(d, "{'op': 'health'}");
    assert_int_equal(json_is_false(json_object_get(reply, "serving")), doubt);
    json_decref(reply);
    if (doubt)
        assert_string_equal(decider, "n2");
    return doubt;
}

static void test_the_decider_is_in_no_doubt(void **state)
{
    (void)state;
    desk d;
    open_promised(&d, PROMISE(FLIP));
    assert_false(in_doubt(&d));
    must(desk_restart(&d), &d.err);
    assert_false(in_doubt(&d));
    desk_close(&d);
}

static void test_in_doubt(void **state)
{
    (void)state;
    static const char *const outcomes[] = {COMMIT(FLIP), ABORT(FLIP)};
    static const char *const phases[] = {"flipped", "dual_write"};
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        desk d;
        open_promised(&d, PROMISE_TO("n2", FLIP));
        assert_false(in_doubt(&d)); /* it has not been away */
        must(desk_restart(&d), &d.err);
        assert_true(in_doubt(&d));
        desk_refuses(&d, COMMIT(OTHER), RK_NOT_FOUND, "not promised");
        assert_true(in_doubt(&d));
        desk_must(&d, ABORT(OTHER)); /* of another decision */
        assert_true(in_doubt(&d));
        desk_must(&d, outcomes[i]);
        assert_false(in_doubt(&d));
        assert_string_equal(phase_of(&d), phases[i]);
        must(desk_restart(&d), &d.err);
        assert_false(in_doubt(&d));
        desk_close(&d);
    }
}

/* What it learns by itself has the same effect. */
static void test_learning(void **state)
{
    (void)state;
    static const struct {
        rk_decided decided;
        const char *phase;
        bool waits; /* for the decision, still */
    } cases[] = {{RK_DECIDED_COMMITTED, "flipped", false},
                 {RK_DECIDED_ABORTED, "dual_write", false},
                 {RK_DECIDED_PROMISED, "dual_write", true},
                 {RK_DECIDED_NOT, "dual_write", true}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        desk d;
        rk_prepared prepared;
        bool doubt = false;
        open_promised(&d, PROMISE_TO("n2", FLIP));
        must(desk_restart(&d), &d.err);
        assert_true(rk_node_control_promise(d.control, &prepared, &doubt));
        assert_true(doubt);
        must(rk_node_control_learn(d.control, &prepared.id, cases[i].decided, &d.err), &d.err);
        assert_false(in_doubt(&d));
        assert_string_equal(phase_of(&d), cases[i].phase);
        assert_int_equal(rk_node_control_promise(d.control, &prepared, &doubt), cases[i].waits);
        desk_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_what_is_no_request),
        cmocka_unit_test(test_who_does_not_lead),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_nobody_is_no_leader),
        cmocka_unit_test(test_long_holder),
        cmocka_unit_test(test_claim_for_another_cluster),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_looks_go_beside),
        cmocka_unit_test(test_look_at_a_damaged_store),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_who_cancels_a_run),
        cmocka_unit_test(test_who_cancels_other_work),
        cmocka_unit_test(test_polls_of_others),
        cmocka_unit_test(test_polls_hold_the_lead),
        cmocka_unit_test(test_reply_that_does_not_fit),
        cmocka_unit_test(test_register),
        cmocka_unit_test(test_activate),
        cmocka_unit_test(test_activate_without_a_part),
        cmocka_unit_test(test_placement),
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_the_decider_is_in_no_doubt),
        cmocka_unit_test(test_in_doubt),
        cmocka_unit_test(test_learning),
    };
    return cmocka_run_group_tests_name("node_control", tests, NULL, NULL);
}
