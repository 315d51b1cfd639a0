/* One client, several threads; another spec while it is open; a map that must grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <pthread.h>

#include "tests/unit/client/bench.h"

#define THREADS 4
#define ROUNDS  60

typedef struct worker {
    bench *b;
    int number;
    int failures;
} worker;

static void *work(void *context)
{
    worker *w = context;
    rk_scope scope = scope_of("t1", w->number % 2 ? "PRODUS" : "DEVUS");
    for (int i = 0; i < ROUNDS; i++) {
        char id[32];
        rk_value value = {0};
        rk_error err = {0};
        snprintf(id, sizeof id, "%d-%d", w->number, i);
        rk_id ids = id_of("contract_id", id);
        rk_slice json = RK_SLICE_LITERAL("{\"n\":1,\"account_id\":\"a\",\"status\":\"s\"}");
        w->failures +=
            rk_client_put(w->b->client, &scope, "Contract", &ids, 1, json, &err) != RK_OK;
        w->failures +=
            rk_client_get(w->b->client, &scope, "Contract", &ids, 1, &value, &err) != RK_OK;
        rk_value_fini(&value);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    bench b;
    pthread_t threads[THREADS];
    worker workers[THREADS];
    uint64_t commits = 0;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){&b, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    assert_int_equal(bench_entries(&b, "gsi1"), 2 * THREADS * ROUNDS);
    rk_view *view = NULL;
    assert_int_equal(rk_snapshot_open(b.store, &view, &b.err), RK_OK);
    assert_int_equal(rk_client_commits_load(view, b.tables.meta, &commits, &b.err), RK_OK);
    assert_int_equal(commits, THREADS * ROUNDS);
    rk_snapshot_close(view);
    bench_close(&b);
}

/* Registers the same migration with another list of capsules. */
static void register_again(bench *b, const char *text)
{
    rk_txn *txn = NULL;
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    bool changed = false;
    rk_spec_source source = {.name = b->source.name, .text = rk_slice_str(text)};
    rk_arena_init(&source.memory, 1 << 20);
    assert_int_equal(rk_spec_load(&source, NULL, &spec, &findings, &b->err), RK_OK);
    assert_int_equal(rk_txn_begin(b->store, &txn, &b->err), RK_OK);
    assert_int_equal(rk_state_register(txn, b->tables.meta, spec, &source, &changed, &b->err),
                     RK_OK);
    assert_int_equal(rk_txn_commit(txn, &b->err), RK_OK);
    assert_true(changed);
    rk_spec_destroy(spec);
    rk_findings_fini(&findings);
    rk_arena_fini(&source.memory);
}

static void test_another_spec(void **state)
{
    (void)state;
    bench b;
    char text[8192];
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    assert_int_equal(put(&b, "PRODEU", "Contract", "c1", "{}"), RK_OK);
    snprintf(text, sizeof text, "%.*s", (int)b.source.text.len, (const char *)b.source.text.ptr);
    memcpy(strstr(text, "PRODEU"), "LATEST", 6);
    register_again(&b, text);
    assert_int_equal(put(&b, "PRODEU", "Contract", "c2", "{}"), RK_INVALID);
    assert_int_equal(put(&b, "LATEST", "Contract", "c2", "{}"), RK_OK);
    memcpy(strstr(text, "LATEST"), "PRODEU", 6);
    register_again(&b, text);
    assert_non_null(get(&b, "PRODEU", "Contract", "c1"));
    bench_close(&b);
}

static void test_the_map_grows(void **state)
{
    (void)state;
    enum { SIZE = 4 * 1024 * 1024 };
    static char large[SIZE];
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    memset(large, ' ', sizeof large - 1);
    memcpy(large, "{}", 2);
    for (int i = 0; i < 24; i++) {
        char id[16];
        snprintf(id, sizeof id, "c%d", i);
        assert_int_equal(put(&b, "PRODUS", "Contract", id, large), RK_OK);
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_another_spec),
        cmocka_unit_test(test_the_map_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
