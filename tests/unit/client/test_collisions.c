/* Two capsules, one old key: shadows, and whose copy it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/client/bench.h"

#define OLD_KEY    "TENANT#t1#CONTRACT#c1"
#define PRODUS_KEY "TENANT#t1#CAPSULE#PRODUS#CONTRACT#c1"
#define DEVUS_KEY  "TENANT#t1#CAPSULE#DEVUS#CONTRACT#c1"
#define PRODUS_1   "{\"n\":1,\"capsule_id\":\"PRODUS\"}"
#define DEVUS_2    "{\"n\":2,\"capsule_id\":\"DEVUS\"}"

static void test_a_put_shadows(void **state)
{
    (void)state;
    static const char *const entities[] = {"Contract", "Config"};
    static const char *const keys[] = {PRODUS_KEY, "TENANT#t1#CAPSULE#PRODUS#CONFIG"};
    static const char *const others[] = {DEVUS_KEY, "TENANT#t1#CAPSULE#DEVUS#CONFIG"};
    for (int i = 0; i < 2; i++) {
        const char *id = i == 0 ? "c1" : NULL;
        bench b;
        bench_open(&b, RK_STRATEGY_DUAL_WRITE);
        bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
        assert_int_equal(put(&b, "PRODUS", entities[i], id, PRODUS_1), RK_OK);
        assert_int_equal(bench_shadows(&b), 0);
        assert_int_equal(put(&b, "DEVUS", entities[i], id, DEVUS_2), RK_OK);
        assert_true(bench_shadowed(&b, keys[i]));
        assert_int_equal(put(&b, "PRODUS", entities[i], id, PRODUS_1), RK_OK);
        assert_false(bench_shadowed(&b, keys[i]));
        assert_true(bench_shadowed(&b, others[i]));
        assert_int_equal(bench_shadows(&b), 1);
        bench_phase(&b, RK_PHASE_FLIPPED, false);
        assert_string_equal(get(&b, "PRODUS", entities[i], id), PRODUS_1);
        assert_string_equal(get(&b, "DEVUS", entities[i], id), DEVUS_2);
        /* The shadowed one goes alone; the other's old copy stays. */
        assert_int_equal(drop(&b, "DEVUS", entities[i], id), RK_OK);
        assert_int_equal(bench_shadows(&b), 0);
        assert_string_equal(get(&b, "PRODUS", entities[i], id), PRODUS_1);
        assert_value(&b, i == 0 ? OLD_KEY : "TENANT#t1#CONFIG", PRODUS_1);
        bench_close(&b);
    }
}

/* A copy that was not migrated yet is overwritten as ever, and nothing is left to shadow. */
static void test_no_shadow_without_a_new_record(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_plant(&b, OLD_KEY, PRODUS_1);
    assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
    assert_value(&b, OLD_KEY, DEVUS_2);
    bench_plant(&b, OLD_KEY, PRODUS_1);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
    assert_int_equal(bench_shadows(&b), 0);
    bench_close(&b);
}

/* Dropping the old side spares another capsule's copy, in both strategies. */
static void test_foreign_old_copy_stays(void **state)
{
    (void)state;
    static const struct {
        rk_strategy strategy;
        rk_phase phase;
    } cases[] = {{RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE},
                 {RK_STRATEGY_MOVE, RK_PHASE_FLIPPED},
                 {RK_STRATEGY_DUAL_WRITE, RK_PHASE_CONTRACTED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench b;
        bench_open(&b, cases[i].strategy);
        bench_plant(&b, OLD_KEY, DEVUS_2);
        bench_phase(&b, cases[i].phase, false);
        assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
        assert_value(&b, OLD_KEY, DEVUS_2);
        assert_value(&b, PRODUS_KEY, PRODUS_1);
        assert_int_equal(drop(&b, "PRODUS", "Contract", "c1"), RK_OK);
        assert_value(&b, OLD_KEY, DEVUS_2);
        assert_value(&b, PRODUS_KEY, NULL);
        bench_close(&b);
    }
}

/* Legacy reads see it, but it is not this scope's to delete. */
static void test_delete_in_phase_old(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_plant(&b, OLD_KEY, DEVUS_2);
    assert_int_equal(drop(&b, "PRODUS", "Contract", "c1"), RK_NOT_FOUND);
    assert_int_equal(drop(&b, "DEVUS", "Contract", "c1"), RK_OK);
    /* One that resolves to no capsule goes. */
    bench_plant(&b, "TENANT#t1#ITEM#i1", "{\"contract_id\":\"nope\"}");
    bench_plant_entry(&b, "gsi2", "CAPSULE#PRODEU#CONTRACT#nope", "TENANT#t1#ITEM#i1");
    assert_int_equal(drop(&b, "PRODUS", "Item", "i1"), RK_OK);
    assert_value(&b, "TENANT#t1#ITEM#i1", NULL);
    assert_int_equal(bench_entries(&b, "gsi2"), 0);
    bench_close(&b);
}

/* Its parent is gone, so the old copy resolves to nothing; it must go all the same. */
static void test_child_after_its_parent(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
    assert_int_equal(put(&b, "DEVUS", "Item", "i1", "{\"contract_id\":\"c1\"}"), RK_OK);
    assert_int_equal(bench_entries(&b, "gsi2"), 2);
    assert_int_equal(drop(&b, "DEVUS", "Contract", "c1"), RK_OK);
    assert_int_equal(drop(&b, "DEVUS", "Item", "i1"), RK_OK);
    assert_value(&b, "TENANT#t1#ITEM#i1", NULL);
    assert_value(&b, "TENANT#t1#CAPSULE#DEVUS#ITEM#i1", NULL);
    assert_int_equal(bench_entries(&b, "gsi2"), 0);
    bench_close(&b);
}

/* Once no old copy is written, parents that shared an old key are told apart by their new ones. */
static void test_parents_in_two_capsules(void **state)
{
    (void)state;
    static const rk_phase phases[] = {RK_PHASE_CONTRACTED, RK_PHASE_DONE};
    for (int i = 0; i < 2; i++) {
        bench b;
        bench_open(&b, RK_STRATEGY_DUAL_WRITE);
        bench_phase(&b, phases[i], false);
        assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
        assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
        assert_int_equal(put(&b, "PRODUS", "Item", "i1", "{\"contract_id\":\"c1\"}"), RK_OK);
        assert_int_equal(put(&b, "DEVUS", "Item", "i1", "{\"contract_id\":\"c1\"}"), RK_OK);
        assert_int_equal(put(&b, "PRODEU", "Item", "i1", "{\"contract_id\":\"c1\"}"), RK_CONFLICT);
        assert_non_null(strstr(b.err.message, "is not there in capsule PRODEU"));
        assert_string_equal(get(&b, "DEVUS", "Item", "i1"),
                            "{\"contract_id\":\"c1\",\"capsule_id\":\"DEVUS\"}");
        assert_int_equal(bench_entries(&b, "gsi2"), 2);
        bench_close(&b);
    }
}

/* A put must not take the old copy that children hang on: they would change capsule in the old
 * shape, and the backfill would follow. */
static void test_heirs_before_the_flip(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c2", PRODUS_1), RK_OK);
    assert_int_equal(put(&b, "PRODUS", "Item", "i1", "{\"contract_id\":\"c1\"}"), RK_OK);
    assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_CONFLICT);
    assert_non_null(strstr(b.err.message, "its children would change hands"));
    assert_int_equal(put(&b, "DEVUS", "Contract", "c2", DEVUS_2), RK_OK); /* no children */
    assert_value(&b, OLD_KEY, PRODUS_1);
    assert_value(&b, DEVUS_KEY, NULL);
    /* Its own capsule may, and so may the other once the child is gone. */
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
    assert_int_equal(drop(&b, "PRODUS", "Item", "i1"), RK_OK);
    assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
    bench_close(&b);
}

/* After the flip the writer must not learn of the other record: the new side alone is written. */
static void test_heirs_after_the_flip(void **state)
{
    (void)state;
    static const char item[] = "{\"contract_id\":\"c1\"}";
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
    assert_int_equal(put(&b, "PRODUS", "Item", "i1", item), RK_OK);
    assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
    assert_value(&b, OLD_KEY, PRODUS_1);
    assert_true(bench_shadowed(&b, DEVUS_KEY));
    assert_false(bench_shadowed(&b, PRODUS_KEY));
    /* Its children have no place in the old shape either. */
    assert_value(&b, "TENANT#t1#ITEM#i1", item);
    assert_int_equal(put(&b, "DEVUS", "Item", "i2", item), RK_OK);

    assert_int_equal(put(&b, "DEVUS", "Item", "i1", item), RK_OK);

    assert_value(&b, "TENANT#t1#ITEM#i2", NULL);
    assert_value(&b, "TENANT#t1#ITEM#i1", item);
    assert_true(bench_shadowed(&b, "TENANT#t1#CAPSULE#DEVUS#ITEM#i2"));
    assert_int_equal(bench_shadows(&b), 3);
    assert_string_equal(get(&b, "PRODUS", "Item", "i1"),
                        "{\"contract_id\":\"c1\",\"capsule_id\":\"PRODUS\"}");
    assert_string_equal(get(&b, "DEVUS", "Item", "i1"),
                        "{\"contract_id\":\"c1\",\"capsule_id\":\"DEVUS\"}");
    assert_int_equal(put(&b, "PRODEU", "Item", "i3", item), RK_CONFLICT);
    /* What goes takes its note along, and leaves the other capsule's copies alone. */
    assert_int_equal(drop(&b, "DEVUS", "Item", "i1"), RK_OK);
    assert_value(&b, "TENANT#t1#ITEM#i1", item);
    assert_int_equal(drop(&b, "DEVUS", "Item", "i2"), RK_OK);
    assert_value(&b, "TENANT#t1#ITEM#i1", item);
    assert_int_equal(drop(&b, "DEVUS", "Contract", "c1"), RK_OK);
    assert_int_equal(bench_shadows(&b), 0);
    assert_value(&b, OLD_KEY, PRODUS_1);
    assert_value(&b, "TENANT#t1#ITEM#i1", item);
    bench_close(&b);
}

/* A child that has not been moved must not find two parents: its capsule would be in doubt. */
static void test_heirs_on_their_way(void **state)
{
    (void)state;
    static const char item[] = "{\"contract_id\":\"c1\"}";
    static const char *const parents[] = {OLD_KEY, PRODUS_KEY};
    for (int i = 0; i < 2; i++) {
        bench b;
        bench_open(&b, RK_STRATEGY_MOVE);
        bench_plant(&b, parents[i], PRODUS_1);
        bench_plant(&b, "TENANT#t1#ITEM#i1", item);
        bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
        assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_BUSY);
        assert_int_equal(put(&b, "DEVUS", "Contract", "c2", DEVUS_2), RK_OK);
        assert_string_equal(get(&b, "PRODUS", "Item", "i1"), item);
        assert_null(get(&b, "DEVUS", "Item", "i1"));
        /* Once it has arrived nothing is in doubt. */
        assert_int_equal(put(&b, "PRODUS", "Item", "i1", item), RK_OK);
        assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
        assert_null(get(&b, "DEVUS", "Item", "i1"));
        assert_non_null(get(&b, "PRODUS", "Item", "i1"));
        bench_close(&b);
    }
}

/* A `move` is undone: a put must not stand in the way of a record that is on its way back to the
 * same old key, nor end one that has just arrived. */
static void test_rivals_on_their_way_back(void **state)
{
    (void)state;
    static const char *const places[] = {OLD_KEY, PRODUS_KEY};
    for (int i = 0; i < 2; i++) {
        bench b;
        bench_open(&b, RK_STRATEGY_MOVE);
        bench_plant(&b, places[i], PRODUS_1);
        bench_phase(&b, RK_PHASE_DUAL_WRITE, true);
        assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_BUSY);
        assert_int_equal(put(&b, "DEVUS", "Contract", "c2", DEVUS_2), RK_OK);
        assert_string_equal(get(&b, "PRODUS", "Contract", "c1"), PRODUS_1);
        assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
        assert_value(&b, OLD_KEY, PRODUS_1);
        bench_phase(&b, RK_PHASE_OLD, false); /* as it ever was */
        assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
        bench_close(&b);
    }
}

/* The new key holds a member, so that one capsule's does not give the other's. */
static void test_derived_rivals_on_their_way_back(void **state)
{
    (void)state;
    static const char *const places[] = {"TENANT#t1#DERIVED#d1",
                                         "TENANT#t1#CAPSULE#PRODUS#DERIVED#eu#d1"};
    static const char produs[] = "{\"n\":1,\"region\":\"eu\",\"capsule_id\":\"PRODUS\"}";
    for (int i = 0; i < 2; i++) {
        bench b;
        bench_open(&b, RK_STRATEGY_MOVE);
        bench_plant(&b, places[i], produs);
        bench_phase(&b, RK_PHASE_DUAL_WRITE, true);
        assert_int_equal(put(&b, "DEVUS", "Derived", "d1", "{\"n\":2,\"region\":\"us\"}"), RK_BUSY);
        assert_int_equal(put(&b, "DEVUS", "Derived", "d2", "{\"n\":2,\"region\":\"us\"}"), RK_OK);
        assert_string_equal(get(&b, "PRODUS", "Derived", "d1"), produs);
        bench_close(&b);
    }
}

/* Two parents of one id are on their way back: the child's is there, and the put must wait. */
static void test_a_child_of_two_parents_waits(void **state)
{
    (void)state;
    static const char item[] = "{\"contract_id\":\"c1\"}";
    bench b;
    bench_open(&b, RK_STRATEGY_MOVE);
    bench_plant(&b, PRODUS_KEY, PRODUS_1);
    bench_plant(&b, DEVUS_KEY, DEVUS_2);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, true);
    assert_int_equal(put(&b, "PRODUS", "Item", "i1", item), RK_BUSY);
    assert_int_equal(put(&b, "PRODEU", "Item", "i1", item),
                     RK_CONFLICT); /* its parent is nowhere */
    bench_close(&b);
}

/* A parent that lost its old copy gives its children none: they would go to whoever takes the key
 * next. */
static void test_a_child_without_its_parents_copy(void **state)
{
    (void)state;
    static const char item[] = "{\"contract_id\":\"c1\"}";
    static const rk_phase phases[] = {RK_PHASE_DUAL_WRITE, RK_PHASE_FLIPPED};
    for (int i = 0; i < 2; i++) {
        bool flipped = phases[i] == RK_PHASE_FLIPPED;
        bench b;
        bench_open(&b, RK_STRATEGY_DUAL_WRITE);
        bench_phase(&b, phases[i], false);
        assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
        assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
        assert_int_equal(drop(&b, "DEVUS", "Contract", "c1"), RK_OK);
        assert_value(&b, OLD_KEY, NULL);
        assert_int_equal(put(&b, "PRODUS", "Item", "i1", item), flipped ? RK_OK : RK_CONFLICT);
        assert_value(&b, "TENANT#t1#ITEM#i1", NULL);
        assert_int_equal(bench_shadowed(&b, "TENANT#t1#CAPSULE#PRODUS#ITEM#i1"), flipped);
        assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
        if (flipped)
            assert_non_null(get(&b, "PRODUS", "Item", "i1"));
        assert_null(get(&b, "DEVUS", "Item", "i1"));
        bench_close(&b);
    }
}

/* dual-write is undone: what was overwritten at its old key must not stay behind at the new one. */
static void test_a_copy_without_its_origin(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", PRODUS_1), RK_OK);
    bench_phase(&b, RK_PHASE_OLD, true);
    assert_int_equal(put(&b, "DEVUS", "Contract", "c1", DEVUS_2), RK_OK);
    assert_value(&b, OLD_KEY, DEVUS_2);
    assert_true(bench_shadowed(&b, PRODUS_KEY)); /* so that the job drops it */
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_put_shadows),
        cmocka_unit_test(test_no_shadow_without_a_new_record),
        cmocka_unit_test(test_foreign_old_copy_stays),
        cmocka_unit_test(test_delete_in_phase_old),
        cmocka_unit_test(test_child_after_its_parent),
        cmocka_unit_test(test_parents_in_two_capsules),
        cmocka_unit_test(test_heirs_before_the_flip),
        cmocka_unit_test(test_heirs_after_the_flip),
        cmocka_unit_test(test_heirs_on_their_way),
        cmocka_unit_test(test_rivals_on_their_way_back),
        cmocka_unit_test(test_derived_rivals_on_their_way_back),
        cmocka_unit_test(test_a_child_of_two_parents_waits),
        cmocka_unit_test(test_a_child_without_its_parents_copy),
        cmocka_unit_test(test_a_copy_without_its_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
