/* Many callers over a carriage that loses, doubles and delays: each operation is carried out once,
 * and each caller learns of it. Everything follows from the seed but the threads' order. */
#include "site.h"

#include "rekey/remote/limits.h"
#include "rekey/remote/link_private.h"
#include "transport/inproc.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define URL        "inproc://node"
#define THREADS    6
#define OPERATIONS 500  /* of each */
#define TRY_MS     300u /* so that what is lost is missed soon */

static_assert(THREADS * OPERATIONS <= SITE_COUNTERS, "a counter for each operation");

typedef struct fixture {
    rk_transport *transport;
    rk_secret_key client;
    site_tally tally;
    site_node node;
    rk_link *link;
    atomic_uint ended; /* operations */
} fixture;

static const rk_inproc_fault faults[] = {
    {.what = RK_INPROC_DROP_REQUEST, .first_call = 1, .chance_ppm = 5000},
    {.what = RK_INPROC_DROP_REPLY, .first_call = 1, .chance_ppm = 5000},
    {.what = RK_INPROC_DOUBLE_REQUEST, .first_call = 1, .chance_ppm = 100000},
    {.what = RK_INPROC_DELAY_REQUEST, .first_call = 1, .chance_ppm = 20000, .delay_ms = 5},
    {.what = RK_INPROC_DELAY_REQUEST, .first_call = 1, .chance_ppm = 1000, .delay_ms = 400},
    {.what = RK_INPROC_DELAY_REPLY, .first_call = 1, .chance_ppm = 20000, .delay_ms = 5},
};

static rk_cluster *make_cluster(const rk_secret_key *node)
{
    rk_error err = {0};
    rk_cluster *cluster = NULL;
    char hex[2 * RK_PUBLIC_KEY_BYTES + 1];
    char text[512];
    rk_hex(rk_slice_of(node->public_key.bytes, RK_PUBLIC_KEY_BYTES), hex);
    snprintf(text, sizeof text,
             "cluster: %s\nkeys: keys.yaml\nnodes:\n"
             "  - name: node-1\n    url: tcp://127.0.0.1:1\n    key: %s\n",
             CONTEXT, hex);
    must(rk_cluster_parse(rk_slice_str(text), "cluster.yaml", &cluster, NULL, &err), &err);
    cluster->nodes[0].url = URL;
    return cluster;
}

/* What is lost is sent again by the carriage after `resend_ms`. */
static fixture *open_site(uint64_t seed, uint32_t resend_ms)
{
    rk_error err = {0};
    rk_transport_limits limits = rk_remote_limits();
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    limits.resend_ms = resend_ms;
    must(rk_inproc_open(&limits, faults, COUNT(faults), seed, &f->transport, &err), &err);
    f->client = site_key(KEY_CLIENT);
    site_node_start(&f->node, f->transport, URL, KEY_NODE, 0xa1, &f->tally);
    must(rki_link_open(make_cluster(&f->node.key), site_access((const int[]){0}), &f->client,
                       f->transport, PATIENT_MS, &f->link, &err),
         &err);
    f->link->try_ms_max = TRY_MS;
    return f;
}

static void close_site(fixture *f)
{
    rk_link_close(f->link);
    site_node_stop(&f->node);
    rk_transport_close(f->transport);
    free(f);
}

typedef struct worker {
    fixture *f;
    uint32_t first;
    bool goes_on; /* over RK_UNCERTAIN */
    pthread_t thread;
    int uncertain;
    int wrong;
    rk_error err; /* of the last wrong one */
    uint8_t certain[OPERATIONS];
} worker;

/* The reply must be to this operation, and tell that it was the first to raise its counter. */
static bool is_right(const rk_link_answer *answer, uint32_t number)
{
    uint8_t expected[8];
    site_body(number, expected);
    site_body(1, expected + 4);
    return answer->reply.status == RK_OK &&
           rk_slice_equal(answer->reply.body, rk_slice_of(expected, sizeof expected));
}

static void *work(void *argument)
{
    worker *w = argument;
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        uint8_t bytes[4];
        uint32_t number = w->first + i;
        rk_link_answer answer = {0};
        rk_error err = {0};
        rk_status status = rk_link_call(w->f->link, 0, RK_REQUEST_BATCH, site_body(number, bytes),
                                        false, 0, &answer, &err);
        if (status == RK_OK && is_right(&answer, number)) {
            w->certain[i] = 1;
        } else if (status == RK_UNCERTAIN && w->goes_on) {
            w->uncertain++;
        } else {
            w->wrong++;
            w->err = err;
        }
        rk_link_answer_fini(&answer);
        atomic_fetch_add(&w->f->ended, 1);
    }
    return NULL;
}

static void start_workers(fixture *f, worker *workers, bool go_on)
{
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){.f = f, .first = i * OPERATIONS, .goes_on = go_on};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
}

/* Gives how many were uncertain. */
static int join_workers(const fixture *f, worker *workers)
{
    int uncertain = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        worker *w = &workers[i];
        pthread_join(w->thread, NULL);
        if (w->wrong > 0)
            fail_msg("%d wrong, the last: %s", w->wrong, w->err.message);
        uncertain += w->uncertain;
        for (uint32_t n = 0; n < OPERATIONS; n++) {
            unsigned count = atomic_load(&f->tally.counts[w->first + n]);
            assert_true(w->certain[n] ? count == 1 : count <= 1);
        }
    }
    return uncertain;
}

static void test_exactly_once(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t resend_ms;
    } cases[] = {
        {1, 20},                     /* the carriage mends most */
        {2, RK_TRANSPORT_MS_CEILING} /* nothing is sent again but by the link */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        worker *workers = calloc(THREADS, sizeof *workers);
        fixture *f = open_site(cases[i].seed, cases[i].resend_ms);
        assert_non_null(workers);
        start_workers(f, workers, false);
        assert_int_equal(join_workers(f, workers), 0);
        /* The faults were there: more requests than operations reached the handler. */
        assert_true(atomic_load(&f->node.handled) > THREADS * OPERATIONS);
        close_site(f);
        free(workers);
    }
}

#define RESTARTS 8

/* The node comes and goes, and the store behind it stays: a write is done once, or it says that it
 * does not know, and then it was done at most once. */
static void test_restarts(void **state)
{
    (void)state;
    worker *workers = calloc(THREADS, sizeof *workers);
    fixture *f = open_site(3, 20);
    assert_non_null(workers);
    start_workers(f, workers, true);
    for (unsigned i = 0; i < RESTARTS; i++) {
        while (atomic_load(&f->node.handled) < 100 && atomic_load(&f->ended) < THREADS * OPERATIONS)
            sched_yield();
        site_node_stop(&f->node);
        site_node_start(&f->node, f->transport, URL, KEY_NODE, (uint8_t)(0xb0 + i), &f->tally);
    }
    int uncertain = join_workers(f, workers);
    assert_true(uncertain <= RESTARTS * THREADS);
    close_site(f);
    free(workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_once),
        cmocka_unit_test(test_restarts),
    };
    if (rk_crypto_init(NULL) != RK_OK)
        return 1;
    return cmocka_run_group_tests_name("remote_link_faults", tests, NULL, NULL);
}
