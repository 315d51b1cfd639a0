/* Conditional puts and batches: what they look at, in every phase, and that they are one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/client/bench.h"

#define OLD_KEY    "TENANT#t1#CONTRACT#c1"
#define PRODUS_KEY "TENANT#t1#CAPSULE#PRODUS#CONTRACT#c1"
#define PRODUS_1   "{\"n\":1,\"capsule_id\":\"PRODUS\"}"
#define PRODUS_2   "{\"n\":2,\"capsule_id\":\"PRODUS\"}"
#define DEVUS_3    "{\"n\":3,\"capsule_id\":\"DEVUS\"}"

typedef struct row {
    const char *name;
    rk_strategy strategy;
    rk_phase phase;
    bool undoing;
} row;

static const row rows[] = {
    {"dual-write, old", RK_STRATEGY_DUAL_WRITE, RK_PHASE_OLD, false},
    {"dual-write, dual_write", RK_STRATEGY_DUAL_WRITE, RK_PHASE_DUAL_WRITE, false},
    {"dual-write, flipped", RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED, false},
    {"dual-write, contracted", RK_STRATEGY_DUAL_WRITE, RK_PHASE_CONTRACTED, false},
    {"dual-write, done", RK_STRATEGY_DUAL_WRITE, RK_PHASE_DONE, false},
    {"dual-write, going back", RK_STRATEGY_DUAL_WRITE, RK_PHASE_OLD, true},
    {"move, dual_write", RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE, false},
    {"move, going back", RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE, true},
    {"move, flipped", RK_STRATEGY_MOVE, RK_PHASE_FLIPPED, false},
};

static void begin(bench *b, const row *r)
{
    print_message("  %s\n", r->name);
    bench_open(b, r->strategy);
    bench_phase(b, r->phase, r->undoing);
}

static rk_status put_new(bench *b, const char *capsule, const char *value)
{
    rk_scope scope = scope_of("t1", capsule);
    rk_id id = id_of("contract_id", "c1");
    return rk_client_put_if_absent(b->client, &scope, "Contract", &id, 1, rk_slice_str(value),
                                   &b->err);
}

static rk_status swap(bench *b, const char *capsule, const char *expected, const char *value)
{
    rk_scope scope = scope_of("t1", capsule);
    rk_id id = id_of("contract_id", "c1");
    return rk_client_compare_and_put(b->client, &scope, "Contract", &id, 1, rk_slice_str(expected),
                                     rk_slice_str(value), &b->err);
}

/* --- conditional puts ------------------------------------------------------------------------- */

static void test_conditions_in_every_phase(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench b;
        begin(&b, &rows[i]);
        assert_int_equal(swap(&b, "PRODUS", PRODUS_1, PRODUS_2), RK_CONFLICT);
        assert_non_null(strstr(b.err.message, "is not there"));
        assert_int_equal(put_new(&b, "PRODUS", PRODUS_1), RK_OK);
        assert_int_equal(put_new(&b, "PRODUS", PRODUS_2), RK_CONFLICT);
        assert_non_null(strstr(b.err.message, "is there"));
        assert_string_equal(get(&b, "PRODUS", "Contract", "c1"), PRODUS_1);
        assert_int_equal(swap(&b, "PRODUS", PRODUS_2, PRODUS_2), RK_CONFLICT);
        assert_non_null(strstr(b.err.message, "another value"));
        assert_int_equal(swap(&b, "PRODUS", PRODUS_1, PRODUS_2), RK_OK);
        assert_string_equal(get(&b, "PRODUS", "Contract", "c1"), PRODUS_2);
        assert_int_equal(drop(&b, "PRODUS", "Contract", "c1"), RK_OK);
        assert_int_equal(put_new(&b, "PRODUS", PRODUS_1), RK_OK);
        bench_close(&b);
    }
}

/* In a `move` the record may be at its old key still. */
static void test_absent_looks_at_both_keys(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_MOVE);
    bench_plant(&b, OLD_KEY, PRODUS_1);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(put_new(&b, "PRODUS", PRODUS_2), RK_CONFLICT);
    assert_value(&b, OLD_KEY, PRODUS_1);
    assert_int_equal(swap(&b, "PRODUS", PRODUS_1, PRODUS_2), RK_OK);
    assert_value(&b, OLD_KEY, NULL);
    assert_value(&b, PRODUS_KEY, PRODUS_2);
    bench_close(&b);
}

/* After the flip another capsule's record neither hinders nor shows. */
static void test_absent_is_in_scope(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_int_equal(put_new(&b, "DEVUS", DEVUS_3), RK_OK);
    assert_int_equal(swap(&b, "PRODUS", DEVUS_3, PRODUS_1), RK_CONFLICT);
    char foreign[RK_ERROR_MESSAGE_BYTES];
    snprintf(foreign, sizeof foreign, "%s", b.err.message);
    assert_int_equal(drop(&b, "DEVUS", "Contract", "c1"), RK_OK);
    assert_int_equal(swap(&b, "PRODUS", DEVUS_3, PRODUS_1), RK_CONFLICT);
    assert_string_equal(b.err.message, foreign);
    assert_int_equal(put_new(&b, "DEVUS", DEVUS_3), RK_OK);
    assert_int_equal(put_new(&b, "PRODUS", PRODUS_1), RK_OK);
    bench_close(&b);
}

/* What was read before the flip is still equal after it, though its bytes are others now. */
static void test_compare_across_the_flip(void **state)
{
    (void)state;
    static const char before[] = "{\"contract_id\":\"c1\"}";
    static const char after[] = "{\"contract_id\":\"c1\",\"capsule_id\":\"PRODUS\"}";
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
    rk_scope scope = scope_of("t1", "PRODUS");
    rk_id id = id_of("item_id", "i1");
    rk_slice expected = rk_slice_str(before);
    assert_int_equal(put(&b, "PRODUS", "Item", "i1", before), RK_OK);
    assert_string_equal(get(&b, "PRODUS", "Item", "i1"), before);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_string_equal(get(&b, "PRODUS", "Item", "i1"), after);
    assert_int_equal(rk_client_compare_and_put(b.client, &scope, "Item", &id, 1, expected,
                                               rk_slice_str(after), &b.err),
                     RK_OK);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(rk_client_compare_and_put(b.client, &scope, "Item", &id, 1,
                                               rk_slice_str("{\"contract_id\":\"c2\"}"), expected,
                                               &b.err),
                     RK_CONFLICT);
    bench_close(&b);
}

/* --- batches ---------------------------------------------------------------------------------- */

static rk_operation operation(rk_verb verb, const char *entity, const rk_id *id, const char *value)
{
    return (rk_operation){
        .verb = verb, .entity = entity, .ids = id, .id_count = 1, .value = rk_slice_str(value)};
}

/* A parent and its child at once; a get between them sees what came before it. */
static void test_a_batch_sees_itself(void **state)
{
    (void)state;
    rk_id contract = id_of("contract_id", "c1");
    rk_id item = id_of("item_id", "i1");
    rk_scope scope = scope_of("t1", "PRODUS");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench b;
        begin(&b, &rows[i]);
        rk_operation all[] = {
            operation(RK_DELETE, "Contract", &contract, NULL),
            operation(RK_PUT_IF_ABSENT, "Contract", &contract, PRODUS_1),
            operation(RK_GET, "Contract", &contract, NULL),
            operation(RK_PUT, "Item", &item, "{\"contract_id\":\"c1\"}"),
            operation(RK_GET, "Item", &contract, NULL),
            operation(RK_COMPARE_AND_PUT, "Contract", &contract, PRODUS_2),
        };
        all[4].ids = &item;
        all[5].expected = rk_slice_str(PRODUS_1);
        assert_int_equal(rk_client_batch(b.client, &scope, all, 6, NULL, &b.err), RK_OK);
        assert_int_equal(all[0].status, RK_NOT_FOUND);
        assert_int_equal(all[2].status, RK_OK);
        assert_true(rk_slice_equal(all[2].found.bytes, rk_slice_str(PRODUS_1)));
        assert_int_equal(all[4].status, RK_OK);
        rk_value_fini(&all[2].found);
        rk_value_fini(&all[4].found);
        assert_string_equal(get(&b, "PRODUS", "Contract", "c1"), PRODUS_2);
        bench_close(&b);
    }
}

static void test_a_failed_batch_changes_nothing(void **state)
{
    (void)state;
    rk_id one = id_of("contract_id", "c1");
    rk_id two = id_of("contract_id", "c2");
    rk_scope scope = scope_of("t1", "PRODUS");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bench b;
        size_t failed = 77;
        uint64_t commits[2];
        begin(&b, &rows[i]);
        assert_int_equal(put(&b, "PRODUS", "Contract", "c2", PRODUS_2), RK_OK);
        commits[0] = bench_commits(&b);
        rk_operation all[] = {
            operation(RK_PUT, "Contract", &one, PRODUS_1),
            operation(RK_GET, "Contract", &one, NULL),
            operation(RK_DELETE, "Contract", &two, NULL),
            operation(RK_COMPARE_AND_PUT, "Contract", &one, PRODUS_2),
        };
        all[3].expected = rk_slice_str(PRODUS_2);
        assert_int_equal(rk_client_batch(b.client, &scope, all, 4, &failed, &b.err), RK_CONFLICT);
        assert_int_equal(failed, 3);
        assert_int_equal(all[3].status, RK_CONFLICT);
        assert_null(all[1].found.memory);
        assert_non_null(strstr(b.err.message, "operation 4 of 4, compare and put Contract: "));
        commits[1] = bench_commits(&b);
        assert_true(commits[0] == commits[1]);
        assert_null(get(&b, "PRODUS", "Contract", "c1"));
        assert_string_equal(get(&b, "PRODUS", "Contract", "c2"), PRODUS_2);
        bench_close(&b);
    }
}

static void test_what_a_batch_refuses(void **state)
{
    (void)state;
    static rk_operation many[RK_BATCH_MAX + 1];
    rk_id id = id_of("contract_id", "c1");
    rk_scope scope = scope_of("t1", "PRODUS");
    bench b;
    size_t failed = 77;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    assert_int_equal(rk_client_batch(b.client, &scope, many, RK_BATCH_MAX + 1, NULL, &b.err),
                     RK_INVALID);
    assert_int_equal(rk_client_batch(b.client, &scope, many, RK_BATCH_MAX + 1, &failed, &b.err),
                     RK_INVALID);
    assert_int_equal(failed, RK_BATCH_MAX + 1);
    assert_int_equal(rk_client_batch(b.client, &scope, NULL, 0, NULL, &b.err), RK_OK);
    rk_operation odd = operation((rk_verb)9, "Contract", &id, PRODUS_1);
    assert_int_equal(rk_client_batch(b.client, &scope, &odd, 1, &failed, &b.err), RK_INVALID);
    assert_int_equal(failed, 0);
    for (size_t i = 0; i < RK_BATCH_MAX; i++)
        many[i] = operation(RK_PUT, "Contract", &id, PRODUS_1);
    assert_int_equal(rk_client_batch(b.client, &scope, many, RK_BATCH_MAX, NULL, &b.err), RK_OK);
    many[RK_BATCH_MAX - 1].entity = "Contrakt";
    assert_int_equal(rk_client_batch(b.client, &scope, many, RK_BATCH_MAX, &failed, &b.err),
                     RK_INVALID);
    assert_int_equal(failed, RK_BATCH_MAX - 1);
    assert_non_null(strstr(b.err.message, "Contract"));
    bench_close(&b);
}

static void wide_entry(int index, int capsule, char table[16], char key[64])
{
    snprintf(table, 16, "g%02d", index);
    snprintf(key, 64, "CAPSULE#C%02d#M%02d#before", capsule, index);
}

/* What stood there is needed until the last entry is gone, however much has changed by then: an old
 * record of no known capsule may have entries under any. */
static void test_many_entries_go(void **state)
{
    (void)state;
    static const char old_key[] = "TENANT#t1#DOC#d1";
    char table[16];
    char key[64];
    rk_id ids[] = {id_of("doc_id", "d0"), id_of("doc_id", "d1")};
    rk_scope scope = scope_of("t1", "PRODUS");
    bench b;
    bench_open_wide(&b);
    bench_plant(&b, "TENANT#t1#CAPSULE#PRODUS#DOC#d1",
                "{\"n\":1,\"m\":\"before\",\"capsule_id\":\"PRODUS\"}");
    bench_plant(&b, old_key, "{\"m\":\"before\",\"capsule_id\":\"NOWHERE\"}");
    for (int i = 0; i < WIDE_INDEXES * WIDE_CAPSULES; i++) {
        wide_entry(i / WIDE_CAPSULES, i % WIDE_CAPSULES, table, key);
        bench_plant_entry(&b, table, key, old_key);
    }
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    rk_operation all[] = {
        operation(RK_PUT, "Doc", &ids[0], "{\"n\":2,\"m\":\"q\"}"),
        operation(RK_PUT, "Doc", &ids[1],
                  "{\"n\":3,\"m\":\"so much longer than it was that it has to move\"}"),
    };
    assert_int_equal(rk_client_batch(b.client, &scope, all, 2, NULL, &b.err), RK_OK);
    for (int i = 0; i < WIDE_INDEXES * WIDE_CAPSULES; i++) {
        wide_entry(i / WIDE_CAPSULES, i % WIDE_CAPSULES, table, key);
        assert_false(bench_has_entry(&b, table, key, old_key));
    }
    bench_close(&b);
}

/* Nobody is blamed for what is no operation's fault. */
static void test_failures_of_the_whole(void **state)
{
    (void)state;
    rk_id id = id_of("contract_id", "c1");
    rk_scope scope = scope_of("t1", "PRODUS");
    rk_operation all[] = {operation(RK_GET, "Contract", &id, NULL),
                          operation(RK_GET, "Contract", &id, NULL)};
    bench b;
    size_t failed = 77;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_plant_meta(&b, "state", NULL);
    assert_int_equal(rk_client_batch(b.client, &scope, all, 2, &failed, &b.err), RK_CORRUPT);
    assert_int_equal(failed, 2);
    assert_null(strstr(b.err.message, "operation"));
    bench_close(&b);
}

/* Gets alone are one snapshot and no write. */
static void test_gets_write_nothing(void **state)
{
    (void)state;
    rk_id one = id_of("contract_id", "c1");
    rk_id two = id_of("contract_id", "c2");
    rk_scope scope = scope_of("t1", "PRODUS");
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
    uint64_t before = bench_transactions(&b);
    rk_operation all[] = {operation(RK_GET, "Contract", &one, NULL),
                          operation(RK_GET, "Contract", &two, NULL)};
    assert_int_equal(rk_client_batch(b.client, &scope, all, 2, NULL, &b.err), RK_OK);
    assert_int_equal(all[0].status, RK_OK);
    assert_int_equal(all[1].status, RK_NOT_FOUND);
    rk_value_fini(&all[0].found);
    /* Deletes of nothing do not commit either. */
    rk_operation none = operation(RK_DELETE, "Contract", &two, NULL);
    assert_int_equal(rk_client_batch(b.client, &scope, &none, 1, NULL, &b.err), RK_OK);
    assert_true(bench_transactions(&b) == before);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions_in_every_phase),
        cmocka_unit_test(test_absent_looks_at_both_keys),
        cmocka_unit_test(test_absent_is_in_scope),
        cmocka_unit_test(test_compare_across_the_flip),
        cmocka_unit_test(test_a_batch_sees_itself),
        cmocka_unit_test(test_a_failed_batch_changes_nothing),
        cmocka_unit_test(test_what_a_batch_refuses),
        cmocka_unit_test(test_many_entries_go),
        cmocka_unit_test(test_failures_of_the_whole),
        cmocka_unit_test(test_gets_write_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
