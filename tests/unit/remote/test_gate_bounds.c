/* What the gate holds at most, and who has to go. */
#include "visitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HELLOS 1000

static void expect_counts(visited *v, uint64_t sessions, uint64_t half_open)
{
    rk_gate_counts counts = rk_gate_counts_of(v->gate);
    assert_int_equal(counts.sessions, sessions);
    assert_int_equal(counts.half_open, half_open);
}

static void test_config(void **state)
{
    (void)state;
    uint8_t name[RK_SECURE_CONTEXT_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);
    const struct {
        const char *name;
        rk_gate_config config;
        const char *words; /* NULL: it is taken */
    } cases[] = {
        {"least", {.context = {name, 1}, .message_bytes_max = 512, 1, 1, 1}, NULL},
        {"most", {.context = {name, 128}, .message_bytes_max = 1 << 26, 65536, 65536, 65536}, NULL},
        {"no context", {.context = {name, 0}, .message_bytes_max = 4096, 1, 1, 1}, "context"},
        {"context", {.context = {name, 129}, .message_bytes_max = 4096, 1, 1, 1}, "context"},
        {"short", {.context = {name, 1}, .message_bytes_max = 511, 1, 1, 1}, "message_bytes_max"},
        {"none", {.context = {name, 1}, .message_bytes_max = 4096, 0, 0, 0}, "sessions_max"},
        {"many",
         {.context = {name, 1}, .message_bytes_max = 4096, 65537, 1, 65537},
         "sessions_max"},
        {"closed", {.context = {name, 1}, .message_bytes_max = 4096, 8, 0, 8}, "half_open_max"},
        {"no key", {.context = {name, 1}, .message_bytes_max = 4096, 8, 8, 0}, "key_sessions_max"},
        {"key", {.context = {name, 1}, .message_bytes_max = 4096, 8, 8, 9}, "key_sessions_max"},
        {"half", {.context = {name, 1}, .message_bytes_max = 4096, 8, 9, 8}, "half_open_max"},
    };
    visited v;
    visited_open(&v, 1, 1); /* for its key and handler, which no case calls */
    for (size_t i = 0; i < COUNT(cases); i++) {
        rk_error err = {0};
        rk_gate *gate = NULL;
        rk_access *access = site_access((const int[]){0});
        rk_gate_config config = cases[i].config;
        config.key = &v.node_key;
        config.handler = (rk_gate_handler)(void (*)(void))abort;
        rk_status expected = cases[i].words == NULL ? RK_OK : RK_INVALID;
        must_be(expected, rk_gate_create(&config, access, &gate, &err), &err);
        if (expected == RK_OK) {
            rk_gate_destroy(gate);
            continue;
        }
        site_expect_words(&err, cases[i].words);
        assert_null(gate);
        rk_access_destroy(access); /* it is still ours */
    }
    visited_close(&v);
    rk_gate_destroy(NULL);
}

/* A flood leaves what it may, and a session that is at work goes on. */
static void test_flood_of_hellos(void **state)
{
    (void)state;
    visited v;
    visitor worker, late;
    visited_open(&v, 8, 3);
    visitor_enter(&worker, &v);
    for (int i = 0; i < HELLOS; i++) {
        visitor p;
        visitor_init(&p, &v, i % 2 ? KEY_OPERATOR : KEY_CLIENT);
        visitor_hello(&p, &v);
        visitor_fini(&p);
        assert_true(rk_gate_counts_of(v.gate).half_open <= 3);
    }
    expect_counts(&v, 4, 3);
    assert_true(visitor_is_welcome(&worker, &v));
    visitor_enter(&late, &v);
    expect_counts(&v, 4, 2);
    assert_int_equal(rk_gate_counts_of(v.gate).refused, 0);
    visitor_fini(&worker);
    visitor_fini(&late);
    visited_close(&v);
}

/* Of those in their handshake the one that came first goes; it alone is refused. */
static void test_oldest_half_open_goes(void **state)
{
    (void)state;
    visited v;
    visitor p[4];
    visited_open(&v, 8, 3);
    for (size_t i = 0; i < COUNT(p); i++) {
        visitor_init(&p[i], &v, KEY_CLIENT);
        visitor_hello(&p[i], &v);
    }
    for (size_t i = 1; i < COUNT(p); i++)
        visitor_finish(&p[i], &v);
    must(visitor_send(&p[0], &v, NULL), NULL);
    assert_true(visitor_was_refused(&p[0]));
    expect_counts(&v, 3, 0);
    for (size_t i = 0; i < COUNT(p); i++)
        visitor_fini(&p[i]);
    visited_close(&v);
}

/* Strangers, and who has no right to come in, push nobody out of a full table. */
static void test_refused_hello_pushes_nobody_out(void **state)
{
    (void)state;
    visited v;
    visitor p[2];
    visited_open(&v, 2, 2);
    visitor_enter(&p[0], &v);
    visitor_enter(&p[1], &v);
    for (int i = 0; i < HELLOS; i++) {
        visitor stranger;
        visitor_init(&stranger, &v, KEY_STRANGER);
        must(visitor_send(&stranger, &v, NULL), NULL);
        assert_true(visitor_was_refused(&stranger));
        visitor_fini(&stranger);
    }
    expect_counts(&v, 2, 0);
    assert_int_equal(rk_gate_counts_of(v.gate).refused, HELLOS);
    for (size_t i = 0; i < COUNT(p); i++) {
        assert_true(visitor_is_welcome(&p[i], &v));
        visitor_fini(&p[i]);
    }
    visited_close(&v);
}

/* A full table of sessions at work: the one idle for longest makes room. */
static void test_idlest_goes(void **state)
{
    (void)state;
    visited v;
    visitor p[4], fresh;
    visited_open(&v, 4, 2);
    for (size_t i = 0; i < COUNT(p); i++)
        visitor_enter(&p[i], &v);
    expect_counts(&v, 4, 0);
    assert_true(visitor_is_welcome(&p[0], &v)); /* so the second is the idlest now */
    visitor_enter(&fresh, &v);
    expect_counts(&v, 4, 0);
    assert_false(visitor_is_welcome(&p[1], &v));
    assert_true(visitor_is_welcome(&p[0], &v));
    assert_true(visitor_is_welcome(&p[2], &v));
    assert_true(visitor_is_welcome(&p[3], &v));
    assert_true(visitor_is_welcome(&fresh, &v));
    for (size_t i = 0; i < COUNT(p); i++)
        visitor_fini(&p[i]);
    visitor_fini(&fresh);
    visited_close(&v);
}

/* --- many sessions of one key ----------------------------------------------------------------- */

/* Of a key that has all that it may, its own idlest goes; the others' stay, older as they are. */
static void test_key_fills_its_share_only(void **state)
{
    (void)state;
    visited v;
    visitor other, p[3], fresh;
    visited_open_bounded(&v, 8, 8, 3);
    visitor_enter_by(&other, &v, KEY_OPERATOR);
    for (size_t i = 0; i < COUNT(p); i++)
        visitor_enter(&p[i], &v);
    assert_true(visitor_is_welcome(&p[0], &v)); /* so the second is the key's idlest now */
    expect_counts(&v, 4, 0);
    visitor_enter(&fresh, &v);
    expect_counts(&v, 4, 0);
    assert_false(visitor_is_welcome(&p[1], &v));
    assert_true(visitor_is_welcome(&p[0], &v));
    assert_true(visitor_is_welcome(&p[2], &v));
    assert_true(visitor_is_welcome(&fresh, &v));
    assert_true(visitor_is_welcome(&other, &v));
    for (size_t i = 0; i < COUNT(p); i++)
        visitor_fini(&p[i]);
    visitor_fini(&fresh);
    visitor_fini(&other);
    visited_close(&v);
}

/* Who only says that it has a key, and does not prove it, costs that key nothing. */
static void test_unproven_key_has_no_share(void **state)
{
    (void)state;
    visited v;
    visitor worker;
    visited_open_bounded(&v, 8, 4, 1);
    visitor_enter(&worker, &v);
    for (int i = 0; i < HELLOS; i++) {
        visitor p;
        visitor_init(&p, &v, KEY_CLIENT);
        visitor_hello(&p, &v);
        visitor_fini(&p);
    }
    assert_true(visitor_is_welcome(&worker, &v));
    visitor_fini(&worker);
    visited_close(&v);
}

static void enter_next(visited *v)
{
    visitor p;
    visitor_enter(&p, v);
    expect_counts(v, 2, 0); /* one over the share, as the other is busy */
    assert_true(visitor_is_welcome(&p, v));
    visitor_fini(&p);
}

static void test_busy_of_the_key_stays(void **state)
{
    (void)state;
    visited v;
    visitor busy, next;
    visited_open_bounded(&v, 8, 8, 1);
    visitor_enter(&busy, &v);
    v.hook = enter_next;
    assert_true(visitor_is_welcome(&busy, &v));
    visitor_enter(&next, &v);
    expect_counts(&v, 2, 0); /* as many as there are already, and no more */
    assert_true(visitor_is_welcome(&busy, &v));
    assert_true(visitor_is_welcome(&next, &v));
    visitor_fini(&busy);
    visitor_fini(&next);
    visited_close(&v);
}

/* --- while a request is handled --------------------------------------------------------------- */

static void flood(visited *v)
{
    for (int i = 0; i < HELLOS; i++) {
        visitor p;
        visitor_init(&p, v, KEY_CLIENT);
        visitor_hello(&p, v);
        visitor_finish(&p, v);
        visitor_fini(&p);
    }
    expect_counts(v, 3, 0);
}

/* The busy one is the idlest by far, and stays. */
static void test_busy_stays(void **state)
{
    (void)state;
    visited v;
    visitor busy;
    visited_open(&v, 3, 1);
    visitor_enter(&busy, &v);
    v.hook = flood;
    assert_true(visitor_is_welcome(&busy, &v));
    assert_true(visitor_is_welcome(&busy, &v));
    expect_counts(&v, 3, 0);
    visitor_fini(&busy);
    visited_close(&v);
}

static void knock_at_full(visited *v)
{
    rk_error err = {0};
    visitor p;
    visitor_init(&p, v, KEY_CLIENT);
    must(visitor_send(&p, v, &err), &err);
    assert_true(visitor_was_refused(&p));
    site_expect_words(&err, "make room");
    visitor_fini(&p);
}

/* Where all are busy nobody else comes in, and nothing breaks. */
static void test_all_busy(void **state)
{
    (void)state;
    visited v;
    visitor busy, next;
    visited_open(&v, 1, 1);
    visitor_enter(&busy, &v);
    v.hook = knock_at_full;
    assert_true(visitor_is_welcome(&busy, &v));
    expect_counts(&v, 1, 0);
    visitor_enter(&next, &v);
    assert_true(visitor_is_welcome(&next, &v));
    assert_false(visitor_is_welcome(&busy, &v));
    visitor_fini(&busy);
    visitor_fini(&next);
    visited_close(&v);
}

int run_bounds(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_flood_of_hellos),
        cmocka_unit_test(test_oldest_half_open_goes),
        cmocka_unit_test(test_refused_hello_pushes_nobody_out),
        cmocka_unit_test(test_idlest_goes),
        cmocka_unit_test(test_key_fills_its_share_only),
        cmocka_unit_test(test_unproven_key_has_no_share),
        cmocka_unit_test(test_busy_of_the_key_stays),
        cmocka_unit_test(test_busy_stays),
        cmocka_unit_test(test_all_busy),
    };
    return cmocka_run_group_tests_name("remote_gate_bounds", tests, NULL, NULL);
}
