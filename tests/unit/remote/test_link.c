/* Links, without faults of the carriage: what each kind of call gives when nodes come and go. */
#include "site.h"

#include "rekey/remote/link_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define URL_1 "inproc://one"
#define URL_2 "inproc://two"

typedef struct fixture {
    rk_transport *transport;
    rk_secret_key client;
    site_tally tallies[2];
    site_node nodes[2];
    rk_link *link;
} fixture;

/* Two nodes: node-1 is KEY_NODE's, node-2 the other's. */
static rk_cluster *make_cluster(void)
{
    rk_error err = {0};
    rk_cluster *cluster = NULL;
    rk_buf text;
    rk_buf_init(&text, 4096);
    must(rk_buf_append_format(&text, NULL, "cluster: %s\nkeys: keys.yaml\nnodes:\n", CONTEXT),
         NULL);
    for (int number = KEY_NODE; number <= KEY_OTHER_NODE; number++) {
        char hex[2 * RK_PUBLIC_KEY_BYTES + 1];
        rk_secret_key key = site_key(number);
        rk_hex(rk_slice_of(key.public_key.bytes, RK_PUBLIC_KEY_BYTES), hex);
        must(rk_buf_append_format(&text, NULL,
                                  "  - name: node-%d\n    url: tcp://127.0.0.1:%d\n    key: %s\n",
                                  number, number, hex),
             NULL);
    }
    must(rk_cluster_parse(rk_buf_slice(&text), "cluster.yaml", &cluster, NULL, &err), &err);
    rk_buf_fini(&text);
    cluster->nodes[0].url = URL_1; /* which no file may say */
    cluster->nodes[1].url = URL_2;
    return cluster;
}

static rk_link *open_link(fixture *f)
{
    rk_error err = {0};
    rk_link *link = NULL;
    must(rki_link_open(make_cluster(), site_access((const int[]){0}), &f->client, f->transport,
                       PATIENT_MS, &link, &err),
         &err);
    return link;
}

static int open_site(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->transport = site_inproc();
    f->client = site_key(KEY_CLIENT);
    site_node_start(&f->nodes[0], f->transport, URL_1, KEY_NODE, 0xa1, &f->tallies[0]);
    site_node_start(&f->nodes[1], f->transport, URL_2, KEY_OTHER_NODE, 0xb1, &f->tallies[1]);
    f->link = open_link(f);
    *state = f;
    return 0;
}

static int close_site(void **state)
{
    fixture *f = *state;
    rk_link_close(f->link);
    site_node_stop(&f->nodes[0]);
    site_node_stop(&f->nodes[1]);
    rk_transport_close(f->transport);
    free(f);
    return 0;
}

/* The first node, anew: another incarnation, and nothing left of what it had answered. */
static void restart(fixture *f, uint8_t incarnation)
{
    site_node_stop(&f->nodes[0]);
    site_node_start(&f->nodes[0], f->transport, URL_1, KEY_NODE, incarnation, &f->tallies[0]);
}

static unsigned count_of(const fixture *f, int node, uint32_t number)
{
    return atomic_load(&f->tallies[node].counts[number]);
}

/* Raises a counter of the node; gives the call's status. */
static rk_status raise_counter(fixture *f, size_t node, rk_request_kind kind, uint32_t number,
                               bool is_repeatable, uint32_t timeout_ms, rk_error *err)
{
    uint8_t bytes[4];
    rk_link_answer answer = {0};
    rk_status status = rk_link_call(f->link, node, kind, site_body(number, bytes), is_repeatable,
                                    timeout_ms, &answer, err);
    if (status == RK_OK) {
        assert_int_equal(answer.reply.status, RK_OK);
        assert_int_equal(answer.reply.body.len, 8);
        assert_memory_equal(answer.reply.body.ptr, bytes, sizeof bytes);
    } else {
        assert_null(answer.bytes.ptr);
    }
    rk_link_answer_fini(&answer);
    return status;
}

static void write_ok(fixture *f, size_t node, uint32_t number)
{
    rk_error err = {0};
    must(raise_counter(f, node, RK_REQUEST_BATCH, number, false, 0, &err), &err);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void test_open(void **state)
{
    fixture *f = *state;
    static const struct {
        int key;
        uint32_t timeout_ms;
        rk_status status;
        const char *words;
    } cases[] = {
        {KEY_CLIENT, 1, RK_OK, NULL},
        {KEY_OPERATOR, 1000, RK_OK, NULL},
        {KEY_COORDINATOR, RK_TRANSPORT_MS_CEILING, RK_OK, NULL},
        {KEY_STRANGER, 1000, RK_AUTH, "not among the authorized ones"},
        {KEY_NODE, 1000, RK_OK, NULL},
        {KEY_CLIENT, 0, RK_INVALID, "timeout"},
        {KEY_CLIENT, RK_TRANSPORT_MS_CEILING + 1, RK_INVALID, "timeout"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rk_error err = {0};
        rk_role role = RK_ROLE_NONE;
        rk_link *link = NULL;
        rk_cluster *cluster = make_cluster();
        rk_access *access = site_access((const int[]){0});
        rk_secret_key key = site_key(cases[i].key);
        must_be(
            cases[i].status,
            rki_link_open(cluster, access, &key, f->transport, cases[i].timeout_ms, &link, &err),
            &err);
        if (link != NULL) {
            rk_access_role_of(access, &key.public_key, &role);
            assert_int_equal(rk_link_role(link), role);
            assert_ptr_equal(rk_link_cluster(link), cluster);
            rk_link_close(link);
            continue;
        }
        site_expect_words(&err, cases[i].words);
        rk_access_destroy(access); /* still ours */
        rk_cluster_destroy(cluster);
    }
    rk_link_close(NULL);
    rk_link_answer_fini(NULL);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void test_calls(void **state)
{
    fixture *f = *state;
    for (uint32_t i = 0; i < 10; i++) {
        write_ok(f, 0, i);
        write_ok(f, 1, i);
    }
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(count_of(f, 0, i), 1);
        assert_int_equal(count_of(f, 1, i), 1);
    }
    /* One ping each, and one session. */
    assert_int_equal(atomic_load(&f->nodes[0].handled), 11);
    assert_int_equal(rk_gate_counts_of(f->nodes[0].gate).sessions, 1);
}

static void test_ping(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_link_answer answer = {0};
    must(rk_link_call(f->link, 1, RK_REQUEST_PING, RK_SLICE_EMPTY, false, 0, &answer, &err), &err);
    assert_int_equal(answer.reply.status, RK_OK);
    assert_memory_equal(&answer.reply.incarnation, &f->nodes[1].incarnation,
                        sizeof(rk_incarnation));
    assert_int_equal(atomic_load(&f->nodes[1].handled), 1);
    rk_link_answer_fini(&answer);
}

/* That the node refuses is an answer, with its own words. */
static void test_refused_by_the_node(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_link_answer answer = {0};
    must(rk_link_call(f->link, 0, RK_REQUEST_BATCH, RK_SLICE_LITERAL("what?"), false, 0, &answer,
                      &err),
         &err);
    assert_int_equal(answer.reply.status, RK_INVALID);
    assert_string_equal(answer.reply.error.message, "the test's node says no");
    assert_string_equal(err.message, "");
    rk_link_answer_fini(&answer);
}

static void test_lengths(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_link_answer answer = {0};
    rk_buf reply_bytes;
    size_t max = rk_link_body_bytes_max(f->link);
    uint8_t *bytes = calloc(1, max + 1);
    assert_non_null(bytes);
    must(rk_link_call(f->link, 0, RK_REQUEST_BATCH, rk_slice_of(bytes, max), false, 0, &answer,
                      &err),
         &err);
    rk_link_answer_fini(&answer);
    must_be(RK_LIMIT,
            rk_link_call(f->link, 0, RK_REQUEST_BATCH, rk_slice_of(bytes, max + 1), false, 0,
                         &answer, &err),
            &err);
    site_expect_words(&err, "node node-1 at " URL_1);
    must_be(RK_INVALID,
            rk_link_call(f->link, 0, RK_REQUEST_BATCH, RK_SLICE_EMPTY, false,
                         RK_TRANSPORT_MS_CEILING + 1, &answer, &err),
            &err);
    /* A reply with such a body and the longest message fits, too. */
    rk_reply reply = {.status = RK_IO, .body = rk_slice_of(bytes, max)};
    memset(reply.error.message, 'm', RK_ERROR_MESSAGE_BYTES - 1);
    rk_buf_init(&reply_bytes, rk_channel_bytes_max(f->transport));
    must(rk_reply_encode(&reply, &reply_bytes, &err), &err);
    rk_buf_fini(&reply_bytes);
    free(bytes);
}

/* --- nodes that are not there, or others ------------------------------------------------------ */

static void test_nobody_there(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    site_node_stop(&f->nodes[0]);
    must_be(RK_TIMEOUT, raise_counter(f, 0, RK_REQUEST_BATCH, 1, false, SHORT_MS, &err), &err);
    site_expect_words(&err, "node node-1 at " URL_1 ": ");
    must_be(RK_TIMEOUT, raise_counter(f, 0, RK_REQUEST_PAGE, 1, false, SHORT_MS, &err), &err);
    site_node_start(&f->nodes[0], f->transport, URL_1, KEY_NODE, 0xa2, &f->tallies[0]);
    write_ok(f, 0, 1);
    assert_int_equal(count_of(f, 0, 1), 1);
}

typedef struct raising {
    fixture *f;
    pthread_t thread;
    rk_status status;
    rk_error err;
} raising;

static void *raise_run(void *argument)
{
    raising *r = argument;
    uint8_t bytes[4];
    rk_link_answer answer = {0};
    r->status = rk_link_call(r->f->link, 0, RK_REQUEST_BATCH, site_body(7, bytes), false,
                             PATIENT_MS, &answer, &r->err);
    rk_link_answer_fini(&answer);
    return NULL;
}

/* A node that comes while a call waits for it is not missed. */
static void test_late_node(void **state)
{
    fixture *f = *state;
    raising r = {.f = f};
    site_node_stop(&f->nodes[0]);
    assert_int_equal(pthread_create(&r.thread, NULL, raise_run, &r), 0);
    site_node_start(&f->nodes[0], f->transport, URL_1, KEY_NODE, 0xa2, &f->tallies[0]);
    pthread_join(r.thread, NULL);
    must(r.status, &r.err);
    assert_int_equal(count_of(f, 0, 7), 1);
}

/* Whoever sits at the node's place with another key is told nothing. */
static void test_wrong_node(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    site_node_stop(&f->nodes[0]);
    site_node_start(&f->nodes[0], f->transport, URL_1, KEY_OTHER_NODE, 0xa1, &f->tallies[0]);
    must_be(RK_AUTH, raise_counter(f, 0, RK_REQUEST_BATCH, 1, false, 0, &err), &err);
    site_expect_words(&err, "node node-1 at " URL_1);
    site_expect_words(&err, "not the one expected");
    assert_int_equal(atomic_load(&f->nodes[0].handled), 0);
}

static void test_without_rights(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_gate_admit(f->nodes[0].gate, site_access((const int[]){KEY_CLIENT, 0}));
    must_be(RK_AUTH, raise_counter(f, 0, RK_REQUEST_BATCH, 1, false, 0, &err), &err);
    site_expect_words(&err, "refused");
    rk_gate_admit(f->nodes[0].gate, site_access((const int[]){0}));
    write_ok(f, 0, 1);
}

/* --- a node that was started anew ------------------------------------------------------------- */

/* Each kind of call is the first after a restart: its session is refused, so that nobody knows
 * whether it was carried out. What changes nothing is asked again; what does is not. */
static void test_restart(void **state)
{
    fixture *f = *state;
    static const struct {
        rk_request_kind kind;
        bool is_repeatable;
        rk_status status;
    } cases[] = {
        {RK_REQUEST_PAGE, false, RK_OK},         {RK_REQUEST_SCHEMA, false, RK_OK},
        {RK_REQUEST_BATCH, true, RK_OK},         {RK_REQUEST_CONTROL, true, RK_OK},
        {RK_REQUEST_BATCH, false, RK_UNCERTAIN}, {RK_REQUEST_CONTROL, false, RK_UNCERTAIN},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rk_error err = {0};
        uint32_t number = (uint32_t)i;
        write_ok(f, 0, 100);
        restart(f, (uint8_t)(0xc0 + i));
        must_be(cases[i].status,
                raise_counter(f, 0, cases[i].kind, number, cases[i].is_repeatable, 0, &err), &err);
        assert_int_equal(count_of(f, 0, number), cases[i].status == RK_OK);
        if (cases[i].status != RK_OK) {
            site_expect_words(&err, "node node-1 at " URL_1);
            site_expect_words(&err, "started anew");
        }
        write_ok(f, 0, 101); /* the next one knows the new incarnation */
    }
    assert_int_equal(count_of(f, 0, 100), COUNT(cases));
    assert_int_equal(count_of(f, 0, 101), COUNT(cases));
}

/* A write whose every copy was answered was not done by the node before: it goes to the new one. */
static void test_restart_without_doubt(void **state)
{
    fixture *f = *state;
    write_ok(f, 0, 1);
    rki_link_node *known = &f->link->nodes[0];
    assert_int_equal(known->idle_count, 1);
    rk_channel_close(known->idle[--known->idle_count]); /* no session that could be refused */
    restart(f, 0xa2);
    write_ok(f, 0, 2);
    assert_int_equal(count_of(f, 0, 2), 1);
}

/* Carried out, and the answer was lost: the repetition has the same answer. */
static void test_lost_answer(void **state)
{
    fixture *f = *state;
    write_ok(f, 0, 1);
    atomic_store(&f->nodes[0].falls_silent, true);
    write_ok(f, 0, 2);
    assert_int_equal(count_of(f, 0, 2), 1);
}

/* --- operations that have a name -------------------------------------------------------------- */

static rk_status call_again(fixture *f, uint8_t name, bool is_repeatable, rk_error *err)
{
    uint8_t bytes[4];
    rk_operation_name operation;
    rk_link_answer answer = {0};
    memset(operation.bytes, name, sizeof operation.bytes);
    rk_status status = rk_link_call_again(f->link, 0, &operation, RK_REQUEST_CONTROL,
                                          site_body(name, bytes), is_repeatable, 0, &answer, err);
    if (status == RK_OK)
        assert_int_equal(answer.reply.status, RK_OK);
    rk_link_answer_fini(&answer);
    return status;
}

static void test_call_again(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    must(call_again(f, 1, false, &err), &err);
    must(call_again(f, 1, false, &err), &err);
    must(call_again(f, 2, false, &err), &err);
    assert_int_equal(count_of(f, 0, 1), 1);
    assert_int_equal(count_of(f, 0, 2), 1);
    /* No session is refused, and still: the node before may have been asked, by another process. */
    rki_link_node *known = &f->link->nodes[0];
    rk_channel_close(known->idle[--known->idle_count]);
    restart(f, 0xa2);
    must_be(RK_UNCERTAIN, call_again(f, 3, false, &err), &err);
    assert_int_equal(count_of(f, 0, 3), 0);
    must(call_again(f, 3, false, &err), &err);
    assert_int_equal(count_of(f, 0, 3), 1);
    restart(f, 0xa3);
    must(call_again(f, 4, true, &err), &err);
    /* Not sent now, says this; whether before, the caller knows. */
    site_node_stop(&f->nodes[0]);
    rk_link_close(f->link);
    f->link = open_link(f);
    f->link->timeout_ms = SHORT_MS;
    must_be(RK_TIMEOUT, call_again(f, 5, false, &err), &err);
    site_node_start(&f->nodes[0], f->transport, URL_1, KEY_NODE, 0xa4, &f->tallies[0]);
}

/* --- channels --------------------------------------------------------------------------------- */

#define CROWD 16

/* Each call has a channel of its own, and of those RKI_IDLE_MAX are kept. */
static void test_crowd(void **state)
{
    fixture *f = *state;
    raising crowd[CROWD];
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (raising){.f = f};
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, raise_run, &crowd[i]), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        pthread_join(crowd[i].thread, NULL);
        must(crowd[i].status, &crowd[i].err);
    }
    assert_int_equal(count_of(f, 0, 7), CROWD);
    assert_true(f->link->nodes[0].idle_count >= 1);
    assert_true(f->link->nodes[0].idle_count <= RKI_IDLE_MAX);
    /* What is idle leads to sessions that a new node does not know: the first call finds out, and
     * the others are spared. */
    restart(f, 0xa2);
    must_be(RK_UNCERTAIN, raise_counter(f, 0, RK_REQUEST_BATCH, 8, false, 0, NULL), NULL);
    assert_int_equal(f->link->nodes[0].idle_count, 0);
    write_ok(f, 0, 8);
}

#define ON_SITE(test) cmocka_unit_test_setup_teardown(test, open_site, close_site)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SITE(test_open),
        ON_SITE(test_calls),
        ON_SITE(test_ping),
        ON_SITE(test_refused_by_the_node),
        ON_SITE(test_lengths),
        ON_SITE(test_nobody_there),
        ON_SITE(test_late_node),
        ON_SITE(test_wrong_node),
        ON_SITE(test_without_rights),
        ON_SITE(test_restart),
        ON_SITE(test_restart_without_doubt),
        ON_SITE(test_lost_answer),
        ON_SITE(test_call_again),
        ON_SITE(test_crowd),
    };
    if (rk_crypto_init(NULL) != RK_OK)
        return 1;
    return cmocka_run_group_tests_name("remote_link", tests, NULL, NULL);
}
