#include "visitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_request(void **state)
{
    (void)state;
    static const struct {
        int key;
        rk_role role;
    } cases[] = {{KEY_CLIENT, RK_ROLE_CLIENT},
                 {KEY_OPERATOR, RK_ROLE_OPERATOR},
                 {KEY_COORDINATOR, RK_ROLE_COORDINATOR}};
    visited v;
    visited_open(&v, 8, 4);
    for (size_t i = 0; i < COUNT(cases); i++) {
        visitor p;
        visitor_init(&p, &v, cases[i].key);
        visitor_hello(&p, &v);
        assert_int_equal(v.handled, 3 * i); /* a hello is none of the handler's business */
        visitor_finish(&p, &v);
        for (int n = 0; n < 3; n++)
            assert_true(visitor_is_welcome(&p, &v));
        assert_int_equal(v.last_role, cases[i].role);
        visitor_fini(&p);
    }
    assert_int_equal(v.handled, 9);
    assert_int_equal(rk_gate_counts_of(v.gate).requests, 9);
    assert_int_equal(rk_gate_counts_of(v.gate).refused, 0);
    visited_close(&v);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void refused(visited *v, rk_slice message, const char *words)
{
    rk_error why = {0};
    rk_buf reply;
    uint64_t before = rk_gate_counts_of(v->gate).refused;
    rk_buf_init(&reply, MESSAGE_BYTES_MAX);
    must(rk_gate_take(v->gate, message, &reply, &why), &why);
    assert_true(rk_slice_equal(rk_buf_slice(&reply), rk_secure_refusal()));
    assert_int_equal(reply.len, 9);
    site_expect_words(&why, words);
    must(rk_gate_take(v->gate, message, &reply, NULL), NULL); /* nobody asks why */
    assert_int_equal(rk_gate_counts_of(v->gate).refused, before + 2);
    rk_buf_fini(&reply);
}

static void test_junk(void **state)
{
    (void)state;
    visited v;
    visited_open(&v, 8, 4);
    refused(&v, RK_SLICE_EMPTY, "no peer sends");
    refused(&v, RK_SLICE_LITERAL("GET / HTTP/1.1"), "no peer sends");
    refused(&v, rk_secure_refusal(), "no peer sends");
    assert_int_equal(rk_gate_counts_of(v.gate).sessions, 0);
    visited_close(&v);
}

static void test_strangers(void **state)
{
    (void)state;
    static const struct {
        int key;
        const char *words;
    } cases[] = {{KEY_STRANGER, "not authorized"}, {KEY_NODE, "own key"}}; /* speaks as a client */
    visited v;
    visited_open(&v, 8, 4);
    for (size_t i = 0; i < COUNT(cases); i++) {
        visitor p;
        rk_secret_key shown = site_key(cases[i].key);
        rk_secure_config config = {.role = RK_ROLE_CLIENT,
                                   .key = &shown,
                                   .context = rk_slice_str(CONTEXT),
                                   .directory = {rk_access_role_of, v.access},
                                   .randomness = rk_secure_random,
                                   .plaintext_bytes_max = 64,
                                   .frames_max = 1};
        rk_slice hello = RK_SLICE_EMPTY;
        p.session = NULL;
        must(rk_secure_create(&config, &p.session, NULL), NULL);
        must(rk_secure_hello(p.session, &hello, NULL), NULL);
        refused(&v, hello, cases[i].words);
        rk_secure_destroy(p.session);
    }
    assert_int_equal(v.handled, 0);
    visited_close(&v);
}

/* A frame whose session is not there: never was, was altered, or has gone. */
static void test_frames_of_nobody(void **state)
{
    (void)state;
    visited v, other;
    visitor p;
    visited_open(&v, 8, 4);
    visited_open(&other, 8, 4);
    visitor_enter(&p, &v);
    visitor_seal(&p, "to another gate");
    refused(&other, rk_buf_slice(&p.sent), "no session that is known");
    p.sent.ptr[p.sent.len - 1] ^= 1;
    rk_error why = {0};
    must(visitor_send(&p, &v, &why), &why);
    assert_true(visitor_was_refused(&p));
    p.sent.ptr[p.sent.len - 1] ^= 1;
    refused(&v, rk_buf_slice(&p.sent), "no session that is known");
    assert_int_equal(v.handled + other.handled, 0);
    assert_int_equal(rk_gate_counts_of(v.gate).sessions, 0);
    visitor_fini(&p);
    visited_close(&v);
    visited_close(&other);
}

static void test_handler_fails(void **state)
{
    (void)state;
    rk_error why = {0};
    visited v;
    visitor p;
    visited_open(&v, 8, 4);
    visitor_enter(&p, &v);
    visitor_seal(&p, "fail");
    must(visitor_send(&p, &v, &why), &why);
    assert_true(visitor_was_refused(&p));
    site_expect_words(&why, "key-3"); /* who it was, by the name that the keys give him */
    site_expect_words(&why, rk_status_name(RK_IO));
    assert_int_equal(rk_gate_counts_of(v.gate).sessions, 0);
    refused(&v, rk_buf_slice(&p.sent), "no session that is known");
    assert_int_equal(v.handled, 1);
    visitor_fini(&p);
    visited_close(&v);
}

/* A buffer that does not even hold the refusal. */
static void test_reply_without_room(void **state)
{
    (void)state;
    visited v;
    rk_buf reply;
    visited_open(&v, 8, 4);
    rk_buf_init(&reply, 8);
    must_be(RK_LIMIT, rk_gate_take(v.gate, RK_SLICE_LITERAL("junk"), &reply, NULL), NULL);
    rk_buf_fini(&reply);
    visited_close(&v);
}

/* --- twice ------------------------------------------------------------------------------------ */

/* What the carriage brings twice is done once, and has the same answer. */
static void test_repeats(void **state)
{
    (void)state;
    visited v;
    visitor p;
    rk_buf first;
    visited_open(&v, 8, 4);
    rk_buf_init(&first, MESSAGE_BYTES_MAX);
    visitor_enter(&p, &v);
    must(visitor_send(&p, &v, NULL), NULL); /* the handshake's last once more */
    assert_false(visitor_was_refused(&p));
    visitor_seal(&p, "once");
    must(visitor_send(&p, &v, NULL), NULL);
    must(rk_buf_set(&first, rk_buf_slice(&p.reply), NULL), NULL);
    must(visitor_send(&p, &v, NULL), NULL);
    assert_true(rk_slice_equal(rk_buf_slice(&first), rk_buf_slice(&p.reply)));
    assert_int_equal(v.handled, 1);
    rk_buf_fini(&first);
    visitor_fini(&p);
    visited_close(&v);
}

static void send_again_while_handled(visited *v)
{
    visitor *p = v->hook_context;
    rk_buf reply;
    rk_buf_init(&reply, MESSAGE_BYTES_MAX);
    must_be(RK_BUSY, rk_gate_take(v->gate, rk_buf_slice(&p->sent), &reply, NULL), NULL);
    assert_int_equal(reply.len, 0);
    rk_buf_fini(&reply);
}

static void test_busy(void **state)
{
    (void)state;
    visited v;
    visitor p;
    visited_open(&v, 8, 4);
    visitor_enter(&p, &v);
    v.hook = send_again_while_handled;
    v.hook_context = &p;
    assert_true(visitor_is_welcome(&p, &v));
    assert_true(visitor_is_welcome(&p, &v));
    assert_int_equal(v.handled, 2);
    visitor_fini(&p);
    visited_close(&v);
}

/* Others are served while one is: their sessions are not each other's business. */
static void serve_another(visited *v)
{
    assert_true(visitor_is_welcome(v->hook_context, v));
}

static void test_side_by_side(void **state)
{
    (void)state;
    visited v;
    visitor p[2];
    visited_open(&v, 8, 4);
    visitor_enter(&p[0], &v);
    visitor_enter(&p[1], &v);
    v.hook = serve_another;
    v.hook_context = &p[1];
    assert_true(visitor_is_welcome(&p[0], &v));
    assert_int_equal(v.handled, 2);
    visitor_fini(&p[0]);
    visitor_fini(&p[1]);
    visited_close(&v);
}

/* --- other keys ------------------------------------------------------------------------------- */

static void test_admit(void **state)
{
    (void)state;
    visited v;
    visitor client, operator_, half;
    visited_open(&v, 8, 4);
    visitor_enter(&client, &v);
    visitor_init(&operator_, &v, KEY_OPERATOR);
    visitor_hello(&operator_, &v);
    visitor_finish(&operator_, &v);
    visitor_init(&half, &v, KEY_CLIENT);
    visitor_hello(&half, &v);
    rk_gate_admit(v.gate, site_access((const int[]){KEY_CLIENT, 0}));
    assert_int_equal(rk_gate_counts_of(v.gate).sessions, 3);
    assert_false(visitor_is_welcome(&client, &v));
    assert_true(visitor_is_welcome(&operator_, &v));
    must(visitor_send(&half, &v, NULL), NULL); /* not even to the end of its handshake */
    assert_true(visitor_was_refused(&half));
    assert_int_equal(v.handled, 1);
    assert_int_equal(rk_gate_counts_of(v.gate).sessions, 1);
    visitor_fini(&client);
    visitor_fini(&half);
    rk_gate_admit(v.gate, site_access((const int[]){0})); /* and again, with the client */
    visitor_enter(&client, &v);
    assert_true(visitor_is_welcome(&client, &v));
    assert_true(visitor_is_welcome(&operator_, &v));
    visitor_fini(&client);
    visitor_fini(&operator_);
    visited_close(&v);
}

/* The signature was made for a role, so another one is another session. */
static void test_another_role(void **state)
{
    (void)state;
    rk_error why = {0};
    visited v;
    visitor p;
    visited_open(&v, 8, 4);
    visitor_enter(&p, &v);
    rk_gate_admit(v.gate, site_access_promoted());
    visitor_seal(&p, "with the rights of whom?");
    must(visitor_send(&p, &v, &why), &why);
    assert_true(visitor_was_refused(&p));
    site_expect_words(&why, "not authorized as client any more");
    assert_int_equal(v.handled, 0);
    visitor_fini(&p);
    visited_close(&v);
}

/* --- admit among threads ---------------------------------------------------------------------- */

typedef struct admitting {
    visited *v;
    pthread_t thread;
    atomic_bool done;
} admitting;

static void *admit_run(void *argument)
{
    admitting *a = argument;
    rk_gate_admit(a->v->gate, site_access((const int[]){KEY_CLIENT, 0}));
    atomic_store(&a->done, true);
    return NULL;
}

/* Starts an admit and waits until the new keys count: it must still wait for this handler, and
 * hold up nobody. */
static void admit_meanwhile(visited *v)
{
    admitting *a = v->hook_context;
    rk_buf reply;
    visitor p;
    assert_int_equal(pthread_create(&a->thread, NULL, admit_run, a), 0);
    rk_buf_init(&reply, MESSAGE_BYTES_MAX);
    do {
        visitor_init(&p, v, KEY_CLIENT);
        must(visitor_send(&p, v, NULL), NULL);
        bool refused_now = visitor_was_refused(&p);
        visitor_fini(&p);
        if (refused_now)
            break;
    } while (true);
    assert_false(atomic_load(&a->done));
    rk_buf_fini(&reply);
}

static void test_admit_waits(void **state)
{
    (void)state;
    visited v;
    visitor p;
    admitting a = {.v = &v};
    visited_open(&v, 8, 4);
    visitor_enter(&p, &v);
    v.hook = admit_meanwhile;
    v.hook_context = &a;
    assert_true(visitor_is_welcome(&p, &v)); /* by the keys that it came under */
    assert_int_equal(pthread_join(a.thread, NULL), 0);
    assert_false(visitor_is_welcome(&p, &v));
    visitor_fini(&p);
    visited_close(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),       cmocka_unit_test(test_junk),
        cmocka_unit_test(test_strangers),     cmocka_unit_test(test_frames_of_nobody),
        cmocka_unit_test(test_handler_fails), cmocka_unit_test(test_reply_without_room),
        cmocka_unit_test(test_repeats),       cmocka_unit_test(test_busy),
        cmocka_unit_test(test_side_by_side),  cmocka_unit_test(test_admit),
        cmocka_unit_test(test_another_role),  cmocka_unit_test(test_admit_waits),
    };
    if (rk_crypto_init(NULL) != RK_OK)
        return 1;
    return cmocka_run_group_tests_name("remote_gate", tests, NULL, NULL) + run_bounds();
}
