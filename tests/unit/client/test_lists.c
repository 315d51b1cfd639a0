/* Lists and queries: whose rows, in which order, over pages and through changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/client/bench.h"

#define MANY 600

static void plant_numbered(bench *b, bool new_side, int n, const char *capsule)
{
    char key[128];
    char value[128];
    snprintf(key, sizeof key,
             new_side ? "TENANT#t1#CAPSULE#%s#CONTRACT#%05d" : "%.0sTENANT#t1#CONTRACT#%05d",
             capsule, n);
    snprintf(value, sizeof value, "{\"n\":%d,\"capsule_id\":\"%s\"}", n, capsule);
    bench_plant(b, key, value);
}

static void unplant(bench *b, int n)
{
    char key[128];
    snprintf(key, sizeof key, "TENANT#t1#CONTRACT#%05d", n);
    bench_plant(b, key, NULL);
}

/* --- lists ------------------------------------------------------------------------------------ */

static void test_list_by_phase(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_MOVE);
    plant_numbered(&b, false, 1, "PRODUS");
    plant_numbered(&b, true, 2, "PRODUS");
    plant_numbered(&b, false, 3, "DEVUS");
    plant_numbered(&b, true, 4, "DEVUS");
    plant_numbered(&b, false, 5, "PRODUS");
    plant_numbered(&b, true, 5, "PRODUS"); /* both sides */
    bench_plant(&b, "TENANT#t1#CAPSULE#PRODUS#CONTRACT#00006",
                "{\"n\":6,\"capsule_id\":\"DEVUS\"}");
    bench_plant(&b, "TENANT#t2#CONTRACT#00001", "{\"n\":9}");
    assert_string_equal(list(&b, "PRODUS", "Contract"), "1,3,5");
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_string_equal(list(&b, "PRODUS", "Contract"), "1,2,5");
    assert_string_equal(list(&b, "DEVUS", "Contract"), "3,4");
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_string_equal(list(&b, "PRODUS", "Contract"), "2,5");
    assert_string_equal(list(&b, "PRODEU", "Contract"), "");
    assert_string_equal(list(&b, "PRODUS", "Config"), "");
    bench_close(&b);
}

/* Counts up to `stop` rows and checks that they are from, from + 1, ... */
static int take(bench *b, rk_iterator *rows, int from, int stop)
{
    rk_row row;
    int n = from;
    for (; n < stop; n++) {
        rk_status status = rk_iterator_next(rows, &row, &b->err);
        if (status == RK_NOT_FOUND)
            break;
        assert_int_equal(status, RK_OK);
        assert_int_equal(row.id_count, 1);
        assert_string_equal(row.ids[0].name, "contract_id");
        char id[16];
        snprintf(id, sizeof id, "%05d", n);
        assert_true(rk_slice_equal(row.ids[0].value, rk_slice_str(id)));
    }
    return n;
}

static rk_iterator *begin(bench *b, const char *entity)
{
    rk_iterator *rows = NULL;
    rk_scope scope = scope_of("t1", "PRODUS");
    assert_int_equal(rk_client_list(b->client, &scope, entity, NULL, &rows, &b->err), RK_OK);
    return rows;
}

/* Records travel while they are listed: each is given once. */
static void test_records_travel(void **state)
{
    (void)state;
    for (int forward = 0; forward < 2; forward++) {
        bench b;
        bench_open(&b, RK_STRATEGY_MOVE);
        for (int n = 0; n < MANY; n++)
            plant_numbered(&b, (n % 3 == 0) != forward, n, "PRODUS");
        bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
        rk_iterator *rows = begin(&b, "Contract");
        int n = take(&b, rows, 0, 100);
        for (int i = 200; i < 400; i++) {
            unplant(&b, i);
            plant_numbered(&b, true, i, "PRODUS");
        }
        n = take(&b, rows, n, MANY + 1);
        assert_int_equal(n, MANY);
        rk_iterator_close(rows);
        bench_close(&b);
    }
}

/* The flip comes between two pages. */
static void test_flip_between_pages(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    for (int n = 0; n < MANY; n++) {
        plant_numbered(&b, false, n, "PRODUS");
        plant_numbered(&b, true, n, "PRODUS");
    }
    rk_iterator *rows = begin(&b, "Contract");
    int n = take(&b, rows, 0, 10);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    n = take(&b, rows, n, 300);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(take(&b, rows, n, MANY + 1), MANY);
    rk_iterator_close(rows);
    bench_close(&b);
}

/* A write by the same thread, in the middle of a list, waits for nobody. */
static void test_write_while_listing(void **state)
{
    (void)state;
    static char large[400000];
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    plant_numbered(&b, false, 1, "PRODUS");
    rk_iterator *rows = begin(&b, "Contract");
    memset(large, ' ', sizeof large - 1);
    memcpy(large, "{}", 2);
    for (int i = 0; i < 40; i++) {
        char id[16];
        snprintf(id, sizeof id, "x%d", i);
        assert_int_equal(put(&b, "PRODUS", "Contract", id, large), RK_OK);
    }
    rk_iterator_close(rows);
    bench_close(&b);
}

static void plant_turned(bench *b, bool new_side, const char *x, const char *y, int n)
{
    char key[128];
    char value[64];
    snprintf(key, sizeof key, "TENANT#t1#%sTURNED#%s#%s", new_side ? "CAPSULE#PRODUS#" : "",
             new_side ? y : x, new_side ? x : y);
    snprintf(value, sizeof value, "{\"n\":%d,\"capsule_id\":\"PRODUS\"}", n);
    bench_plant(b, key, value);
}

/* Old and new keys sort differently: nothing is given twice or lost. */
static void test_two_orders(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_MOVE);
    for (int n = 0; n < MANY; n++) {
        char x[16];
        char y[16];
        snprintf(x, sizeof x, "%04d", n);
        snprintf(y, sizeof y, "%04d", MANY - n);
        plant_turned(&b, n % 2, x, y, n);
    }
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    char text[65536];
    snprintf(text, sizeof text, "%s", list(&b, "PRODUS", "Turned"));
    bool seen[MANY] = {false};
    int count = 0;
    for (char *at = text; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL, count++) {
        assert_false(seen[atoi(at)]);
        seen[atoi(at)] = true;
    }
    assert_int_equal(count, MANY);

    bench_phase(&b, RK_PHASE_OLD, false);
    rk_iterator *rows = begin(&b, "Turned");
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    rk_row row;
    rk_status status = RK_OK;
    while (status == RK_OK)
        status = rk_iterator_next(rows, &row, &b.err);
    assert_int_equal(status, RK_CONFLICT);
    assert_non_null(strstr(b.err.message, "begin the list again"));
    rk_iterator_close(rows);
    bench_close(&b);
}

static void test_capsule_in_the_old_key(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_MOVE);
    assert_int_equal(put(&b, "PRODUS", "Scoped", "s1", "{\"n\":1}"), RK_OK);
    assert_int_equal(put(&b, "DEVUS", "Scoped", "s1", "{\"n\":2}"), RK_OK);
    assert_true(bench_has(&b, "TENANT#t1#SCOPED#PRODUS#s1"));
    assert_string_equal(list(&b, "PRODUS", "Scoped"), "2,1"); /* as the application always did */
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_string_equal(list(&b, "PRODUS", "Scoped"), "1");
    assert_int_equal(put(&b, "PRODUS", "Scoped", "s1", "{\"n\":3}"), RK_OK);
    assert_string_equal(list(&b, "PRODUS", "Scoped"), "3");
    assert_false(bench_has(&b, "TENANT#t1#SCOPED#PRODUS#s1"));
    assert_true(bench_has(&b, "TENANT#t1#SCOPED#DEVUS#s1"));
    bench_close(&b);
}

/* --- queries ---------------------------------------------------------------------------------- */

static void put_contract(bench *b, const char *capsule, const char *id, int n, const char *account,
                         const char *status)
{
    char value[128];
    snprintf(value, sizeof value, "{\"n\":%d,\"account_id\":\"%s\",\"status\":\"%s\"}", n, account,
             status);
    assert_int_equal(put(b, capsule, "Contract", id, value), RK_OK);
}

static void plant_contracts(bench *b)
{
    put_contract(b, "PRODUS", "c1", 1, "a1", "open");
    put_contract(b, "PRODUS", "c2", 2, "a10", "open");
    put_contract(b, "PRODUS", "c3", 3, "a1", "closed");
    put_contract(b, "DEVUS", "c4", 4, "a1", "open");
    put_contract(b, "PRODUS", "c0", 5, "a1", "open");
    /* Another tenant's entry, as the old index lacks the tenant; one whose record is gone. */
    bench_plant(b, "TENANT#t2#CONTRACT#c1", "{\"n\":9,\"account_id\":\"a1\",\"status\":\"open\"}");
    bench_plant_entry(b, "gsi1", "CAPSULE#PRODUS#ACCOUNT#a1#open", "TENANT#t2#CONTRACT#c1");
    bench_plant_entry(b, "gsi1", "CAPSULE#PRODUS#ACCOUNT#a1#open", "TENANT#t1#CONTRACT#gone");
}

static void test_query_by_phase(void **state)
{
    (void)state;
    static const rk_phase phases[] = {RK_PHASE_OLD, RK_PHASE_DUAL_WRITE, RK_PHASE_FLIPPED};
    for (int strategy = 0; strategy < 2; strategy++) {
        for (int i = 0; i < 3; i++) {
            bench b;
            rk_id where[] = {id_of("account_id", "a1"), id_of("status", "open")};
            bench_open(&b, (rk_strategy)strategy);
            bench_phase(&b, phases[i], false);
            plant_contracts(&b);
            assert_string_equal(query(&b, "PRODUS", "Contract", "gsi1", where, 2), "5,1");
            assert_string_equal(query(&b, "PRODUS", "Contract", "gsi1", where, 1), "3,5,1");
            assert_string_equal(query(&b, "PRODUS", "Contract", "gsi1", NULL, 0), "3,5,1,2");
            assert_string_equal(query(&b, "DEVUS", "Contract", "gsi1", NULL, 0), "4");
            assert_string_equal(query(&b, "PRODUS", "Derived", "gsi1", NULL, 0), "");
            bench_close(&b);
        }
    }
}

/* One half of the records has moved. */
static void test_query_merges(void **state)
{
    (void)state;
    bench b;
    rk_id where = id_of("account_id", "a1");
    bench_open(&b, RK_STRATEGY_MOVE);
    put_contract(&b, "PRODUS", "c1", 1, "a1", "open");
    put_contract(&b, "PRODUS", "c2", 2, "a1", "open");
    put_contract(&b, "DEVUS", "c3", 3, "a1", "open");
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    put_contract(&b, "PRODUS", "c0", 4, "a1", "open");
    put_contract(&b, "PRODUS", "c2", 5, "a1", "open");
    bench_plant_entry(&b, "gsi1", "CAPSULE#PRODUS#ACCOUNT#a1#stale", "TENANT#t1#CONTRACT#c1");
    assert_string_equal(query(&b, "PRODUS", "Contract", "gsi1", &where, 1), "4,1,5");
    bench_close(&b);
}

typedef struct where_case {
    const char *name;
    const char *index;
    rk_id where[2];
    size_t count;
    const char *says;
} where_case;

#define S(text)                                                                                    \
    {                                                                                              \
        (const uint8_t *)("" text), sizeof(text) - 1                                               \
    }

static const where_case where_cases[] = {
    {"index", "gsi3", {{0}}, 0, "Contract has no index \"gsi3\""},
    {"another's index", "gsi2", {{0}}, 0, "Contract has no index \"gsi2\""},
    {"gap", "gsi1", {{"status", S("open")}}, 1, "where status needs account_id as well"},
    {"unknown", "gsi1", {{"acount_id", S("a")}}, 1, "(did you mean \"account_id\"?)"},
    {"scope", "gsi1", {{"capsule_id", S("DEVUS")}}, 1, "where capsule_id is not part"},
    {"empty", "gsi1", {{"account_id", S("")}}, 1, "where account_id is empty"},
    {"delimiter", "gsi1", {{"account_id", S("a#open")}}, 1, "where account_id holds the delimiter"},
    {"twice", "gsi1", {{"account_id", S("a")}, {"account_id", S("a")}}, 2, "is given twice"},
};

static void test_where_is_refused_by_name(void **state)
{
    (void)state;
    static const rk_phase phases[] = {RK_PHASE_OLD, RK_PHASE_DUAL_WRITE, RK_PHASE_FLIPPED};
    bench b;
    rk_scope scope = scope_of("t1", "PRODUS");
    bench_open(&b, RK_STRATEGY_MOVE);
    for (int p = 0; p < 3; p++) {
        bench_phase(&b, phases[p], false);
        for (size_t i = 0; i < sizeof where_cases / sizeof *where_cases; i++) {
            const where_case *c = &where_cases[i];
            rk_iterator *rows = NULL;
            print_message("  %s, %s\n", rk_phase_name(phases[p]), c->name);
            assert_int_equal(rk_client_query(b.client, &scope, "Contract", c->index, c->where,
                                             c->count, NULL, &rows, &b.err),
                             RK_INVALID);
            assert_null(rows);
            if (!strstr(b.err.message, c->says))
                fail_msg("\"%s\" does not say \"%s\"", b.err.message, c->says);
        }
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_by_phase),
        cmocka_unit_test(test_records_travel),
        cmocka_unit_test(test_flip_between_pages),
        cmocka_unit_test(test_write_while_listing),
        cmocka_unit_test(test_two_orders),
        cmocka_unit_test(test_capsule_in_the_old_key),
        cmocka_unit_test(test_query_by_phase),
        cmocka_unit_test(test_query_merges),
        cmocka_unit_test(test_where_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
