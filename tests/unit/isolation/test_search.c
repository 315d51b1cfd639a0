/* Contamination of every kind is planted, in every phase in which it matters, and found with the
 * right tenant, entity and number; and nothing else is found. Each store is searched twice: in few
 * snapshots, and in one for each record, so that resuming cannot change what is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/isolation/ground.h"

#define PLANTS_MAX  12
#define EXPECTS_MAX 10
#define BY_ENTITY   (-1)

typedef struct plant {
    const char *index; /* NULL for a record */
    const char *key;
    const char *value;
} plant;

/* One number of one tenant. */
typedef struct expectation {
    rk_contamination kind;
    const char *tenant;
    int entity;
    int capsule;
    uint64_t count;
} expectation;

typedef struct example {
    const char *name;
    plant plant[PLANTS_MAX];
    expectation expect[EXPECTS_MAX];
    bool registered;
    rk_phase phase; /* of production tenants; canary is in phase old */
    rk_strategy strategy;
} example;

#define OLD_A(rest)     "TENANT#a#" rest
#define OLD_B(rest)     "TENANT#b#" rest
#define NEW(t, c, rest) "TENANT#" t "#CAPSULE#" c "#" rest
#define IN_PROD         "{\"c\":\"PROD\"}"
#define IN_DEV          "{\"c\":\"DEV\"}"
#define CHILD           "{\"contract_id\":\"1\"}"
#define NEW_CHILD(c)    "{\"contract_id\":\"1\",\"c\":\"" c "\"}"
#define FOUND(kind, ...)                                                                           \
    {                                                                                              \
        RK_FOUND_##kind, __VA_ARGS__                                                               \
    }
#define BEHIND(stage) .registered = true, .phase = RK_PHASE_##stage

static const example examples[] = {
    /* --- the old shape */
    {.name = "one capsule a tenant is clean",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_PROD},
               {NULL, OLD_A("CONTRACT#2"), "{}"},
               {NULL, OLD_B("CONTRACT#1"), IN_DEV}}},
    {.name = "two capsules in a tenant's old keys",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_PROD},
               {NULL, OLD_A("CONTRACT#2"), IN_DEV},
               {NULL, OLD_A("ITEM#1"), CHILD},
               {NULL, OLD_A("CONFIG"), IN_DEV},
               {NULL, OLD_B("CONTRACT#1"), IN_DEV}},
     .expect = {FOUND(MIXED_TENANT, "a", CONFIG, DEV, 1),
                FOUND(MIXED_TENANT, "a", CONTRACT, PROD, 1),
                FOUND(MIXED_TENANT, "a", CONTRACT, DEV, 1),
                FOUND(MIXED_TENANT, "a", ITEM, PROD, 1)}},
    {.name = "the same in dual_write, where the new copies are right",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_PROD},
               {NULL, OLD_A("CONTRACT#2"), IN_DEV},
               {NULL, NEW("a", "PROD", "CONTRACT#1"), IN_PROD},
               {NULL, NEW("a", "DEV", "CONTRACT#2"), IN_DEV}},
     .expect = {FOUND(MIXED_TENANT, "a", CONTRACT, PROD, 1),
                FOUND(MIXED_TENANT, "a", CONTRACT, DEV, 1)},
     BEHIND(DUAL_WRITE)},
    {.name = "capsules that cannot be told",
     .plant = {{NULL, OLD_A("CONFIG"), "{}"},
               {NULL, OLD_A("CONTRACT#1"), "{\"c\":\"STAGING\"}"},
               {NULL, OLD_A("CONTRACT#2"), "{\"c\":"},
               {NULL, OLD_A("CONTRACT#3"), "{\"c\":\"PROD\",\"c\":\"DEV\"}"},
               {NULL, OLD_B("TASK#1"), "{\"contract_id\":\"1\",\"env\":\"PROD\",\"c\":\"DEV\"}"}},
     .expect = {FOUND(UNRESOLVED, "a", CONFIG, BY_ENTITY, 1),
                FOUND(UNRESOLVED, "a", CONTRACT, BY_ENTITY, 3),
                FOUND(UNRESOLVED, "b", TASK, BY_ENTITY, 1)}},
    {.name = "old children without a parent, or with one elsewhere",
     .plant = {{NULL, OLD_A("ITEM#1"), "{\"contract_id\":\"none\"}"},
               {NULL, OLD_B("CONTRACT#1"), IN_DEV},
               {NULL, OLD_B("TASK#1"), "{\"contract_id\":\"1\",\"env\":\"PROD\"}"},
               {NULL, OLD_B("TASK#2"), "{\"contract_id\":\"1\",\"env\":\"DEV\"}"}},
     .expect = {FOUND(OLD_ORPHAN, "a", ITEM, BY_ENTITY, 1),
                FOUND(OLD_ORPHAN, "b", TASK, BY_ENTITY, 1)}},
    {.name = "an old index key of two tenants",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_PROD},
               {NULL, OLD_A("CONTRACT#2"), IN_PROD},
               {NULL, OLD_A("ITEM#1"), CHILD},
               {NULL, OLD_B("CONTRACT#1"), IN_PROD},
               {"by_account", "ACCOUNT#7", OLD_A("CONTRACT#1")},
               {"by_account", "ACCOUNT#7", OLD_A("CONTRACT#2")},
               {"by_account", "ACCOUNT#7", OLD_A("ITEM#1")},
               {"by_account", "ACCOUNT#7", OLD_B("CONTRACT#1")},
               {"by_account", "ACCOUNT#8", OLD_A("CONTRACT#2")},
               {"by_region", "CAPSULE#PROD#REGION#eu", OLD_A("CONTRACT#1")},
               {"by_region", "CAPSULE#PROD#REGION#eu", OLD_B("CONTRACT#1")}},
     .expect = {FOUND(INDEX_TENANTS, "a", CONTRACT, BY_ENTITY, 3),
                FOUND(INDEX_TENANTS, "a", ITEM, BY_ENTITY, 1),
                FOUND(INDEX_TENANTS, "b", CONTRACT, BY_ENTITY, 2)}},
    {.name = "an old index key of one tenant's two capsules",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_PROD},
               {NULL, OLD_A("CONTRACT#2"), IN_DEV},
               {"by_account", "ACCOUNT#7", OLD_A("CONTRACT#1")},
               {"by_account", "ACCOUNT#7", OLD_A("CONTRACT#2")},
               {"by_owner", "TENANT#a#OWNER#x", OLD_A("CONTRACT#1")},
               {"by_owner", "TENANT#a#OWNER#x", OLD_A("CONTRACT#2")},
               {"by_owner", "TENANT#a#OWNER#y", OLD_A("CONTRACT#2")}},
     .expect = {FOUND(MIXED_TENANT, "a", CONTRACT, PROD, 1),
                FOUND(MIXED_TENANT, "a", CONTRACT, DEV, 1),
                FOUND(INDEX_CAPSULES, "a", CONTRACT, PROD, 2),
                FOUND(INDEX_CAPSULES, "a", CONTRACT, DEV, 2)}},
    {.name = "two tenants, each in another capsule, under one key",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_PROD},
               {NULL, OLD_B("CONTRACT#1"), IN_DEV},
               {"by_account", "ACCOUNT#7", OLD_A("CONTRACT#1")},
               {"by_account", "ACCOUNT#7", OLD_B("CONTRACT#1")}},
     .expect = {FOUND(INDEX_TENANTS, "a", CONTRACT, BY_ENTITY, 1),
                FOUND(INDEX_TENANTS, "b", CONTRACT, BY_ENTITY, 1)}},
    {.name = "an old entry in another capsule, or another tenant, than its record",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_DEV},
               {"by_region", "CAPSULE#PROD#REGION#eu", OLD_A("CONTRACT#1")},
               {"by_region", "CAPSULE#DEV#REGION#eu", OLD_A("CONTRACT#1")},
               {"by_owner", "TENANT#b#OWNER#x", OLD_A("CONTRACT#1")},
               {"by_owner", "TENANT#a#OWNER#x", OLD_A("CONTRACT#1")}},
     .expect = {FOUND(INDEX_SCOPE, "a", CONTRACT, BY_ENTITY, 2)}},
    {.name = "a key that holds a part of the scope is not shared, but left",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_DEV},
               {NULL, OLD_A("CONTRACT#2"), IN_PROD},
               {NULL, OLD_B("CONTRACT#1"), IN_PROD},
               {"by_region", "CAPSULE#PROD#REGION#eu", OLD_A("CONTRACT#1")},
               {"by_region", "CAPSULE#PROD#REGION#eu", OLD_A("CONTRACT#2")},
               {"by_owner", "TENANT#a#OWNER#x", OLD_A("CONTRACT#1")},
               {"by_owner", "TENANT#a#OWNER#x", OLD_B("CONTRACT#1")}},
     .expect = {FOUND(MIXED_TENANT, "a", CONTRACT, PROD, 1),
                FOUND(MIXED_TENANT, "a", CONTRACT, DEV, 1),
                FOUND(INDEX_SCOPE, "a", CONTRACT, BY_ENTITY, 1),
                FOUND(INDEX_SCOPE, "b", CONTRACT, BY_ENTITY, 1)}},
    /* --- the new shape */
    {.name = "a migrated store is clean",
     .plant = {{NULL, NEW("a", "PROD", "CONTRACT#1"), IN_PROD},
               {NULL, NEW("a", "DEV", "CONTRACT#1"), IN_DEV},
               {NULL, NEW("a", "DEV", "ITEM#1"), NEW_CHILD("DEV")},
               {NULL, NEW("b", "DEV", "CONTRACT#1"), IN_DEV},
               {"by_account", NEW("a", "PROD", "ACCOUNT#7"), NEW("a", "PROD", "CONTRACT#1")},
               {"by_account", NEW("a", "DEV", "ACCOUNT#7"), NEW("a", "DEV", "CONTRACT#1")},
               {"by_account", NEW("b", "DEV", "ACCOUNT#7"), NEW("b", "DEV", "CONTRACT#1")}},
     BEHIND(DONE)},
    {.name = "values that name another capsule, or may",
     .plant = {{NULL, NEW("a", "PROD", "CONTRACT#1"), IN_DEV},
               {NULL, NEW("a", "PROD", "CONTRACT#2"), "{\"c\":\"PROD\",\"c\":\"DEV\"}"},
               {NULL, NEW("a", "PROD", "CONTRACT#3"), "{\"c\":null}"},
               {NULL, NEW("a", "PROD", "CONTRACT#4"), "{}"},
               {NULL, NEW("b", "PROD", "CONTRACT#1"), IN_PROD},
               {NULL, NEW("b", "PROD", "TASK#1"),
                "{\"contract_id\":\"1\",\"c\":\"PROD\",\"env\":\"DEV\"}"}},
     .expect = {FOUND(VALUE_CAPSULE, "a", CONTRACT, BY_ENTITY, 3),
                FOUND(VALUE_CAPSULE, "b", TASK, BY_ENTITY, 1)},
     BEHIND(FLIPPED)},
    {.name = "values that name another tenant",
     .plant = {{NULL, OLD_A("CONTRACT#1"), "{\"t\":\"b\"}"},
               {NULL, OLD_A("CONTRACT#2"), "{\"t\":\"a\"}"},
               {NULL, NEW("b", "PROD", "CONTRACT#1"), "{\"t\":7,\"c\":\"PROD\"}"},
               {NULL, NEW("b", "PROD", "CONTRACT#2"), "{\"t\":null,\"c\":\"PROD\"}"}},
     .expect = {FOUND(VALUE_TENANT, "a", CONTRACT, BY_ENTITY, 1),
                FOUND(VALUE_TENANT, "b", CONTRACT, BY_ENTITY, 1)}},
    {.name = "a key in a capsule that nobody knows",
     .plant = {{NULL, NEW("a", "STAGING", "CONTRACT#1"), "{\"c\":\"STAGING\"}"}},
     .expect = {FOUND(KEY_CAPSULE, "a", CONTRACT, BY_ENTITY, 1)},
     BEHIND(FLIPPED)},
    {.name = "new children without a parent, or with one elsewhere",
     .plant = {{NULL, NEW("a", "PROD", "CONTRACT#1"), IN_PROD},
               {NULL, NEW("a", "DEV", "ITEM#1"), NEW_CHILD("DEV")},
               {NULL, NEW("a", "PROD", "ITEM#2"), NEW_CHILD("PROD")},
               {NULL, NEW("b", "DEV", "ITEM#1"), NEW_CHILD("DEV")}},
     .expect = {FOUND(PARENT_ELSEWHERE, "a", ITEM, BY_ENTITY, 1),
                FOUND(PARENT_MISSING, "b", ITEM, BY_ENTITY, 1)},
     BEHIND(DONE)},
    {.name = "entries that lead out of their scope",
     .plant = {{NULL, NEW("a", "PROD", "CONTRACT#1"), IN_PROD},
               {NULL, NEW("a", "DEV", "CONTRACT#1"), IN_DEV},
               {NULL, NEW("b", "PROD", "CONTRACT#1"), IN_DEV},
               {NULL, "OTHER#1", "{}"},
               {"by_account", NEW("a", "PROD", "ACCOUNT#7"), NEW("a", "DEV", "CONTRACT#1")},
               {"by_account", NEW("b", "PROD", "ACCOUNT#7"), NEW("a", "PROD", "CONTRACT#1")},
               {"by_account", NEW("a", "PROD", "ACCOUNT#8"), NEW("a", "PROD", "CONTRACT#1")},
               {"by_account", NEW("b", "PROD", "ACCOUNT#7"), NEW("b", "PROD", "CONTRACT#1")},
               {"by_region", NEW("b", "DEV", "REGION#eu"), "OTHER#1"},
               {"by_region", "SOMETHING#else", "OTHER#1"}},
     .expect = {FOUND(INDEX_SCOPE, "a", CONTRACT, BY_ENTITY, 2),
                FOUND(INDEX_SCOPE, "b", CONTRACT, BY_ENTITY, 2),
                FOUND(VALUE_CAPSULE, "b", CONTRACT, BY_ENTITY, 1)},
     BEHIND(DONE)},
    {.name = "entries that point at nothing",
     .plant = {{"by_account", NEW("a", "PROD", "ACCOUNT#7"), NEW("a", "PROD", "ITEM#1")},
               {"by_account", NEW("a", "PROD", "ACCOUNT#7"), NEW("a", "PROD", "CONTRACT#1")},
               {"by_account", NEW("b", "PROD", "ACCOUNT#7"), "OTHER#1"},
               {"by_account", "ACCOUNT#7", OLD_B("CONTRACT#1")},
               {"by_account", "ACCOUNT#7", "OTHER#1"}},
     .expect = {FOUND(INDEX_DANGLING, "a", CONTRACT, BY_ENTITY, 1),
                FOUND(INDEX_DANGLING, "a", ITEM, BY_ENTITY, 1),
                FOUND(INDEX_DANGLING, "b", CONTRACT, BY_ENTITY, 2)},
     BEHIND(FLIPPED)},
    {.name = "a new record under an old index key of two tenants",
     .plant = {{NULL, NEW("a", "PROD", "CONTRACT#1"), IN_PROD},
               {NULL, NEW("b", "PROD", "CONTRACT#1"), IN_PROD},
               {"by_account", "ACCOUNT#7", NEW("a", "PROD", "CONTRACT#1")},
               {"by_account", "ACCOUNT#7", NEW("b", "PROD", "CONTRACT#1")}},
     .expect = {FOUND(INDEX_TENANTS, "a", CONTRACT, BY_ENTITY, 1),
                FOUND(INDEX_TENANTS, "b", CONTRACT, BY_ENTITY, 1)},
     BEHIND(DONE)},
    /* --- what is left over */
    {.name = "old records are left",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_PROD},
               {NULL, OLD_A("CONTRACT#2"), "{\"c\":\"STAGING\"}"},
               {NULL, "TENANT#s-1#CONTRACT#1", IN_PROD},
               {"by_account", "ACCOUNT#7", OLD_A("CONTRACT#1")},
               {"by_account", "ACCOUNT#8", "TENANT#s-1#CONTRACT#1"}},
     .expect = {FOUND(LEFT_RECORD, "a", CONTRACT, BY_ENTITY, 2),
                FOUND(LEFT_ENTRY, "a", CONTRACT, BY_ENTITY, 1),
                FOUND(UNRESOLVED, "a", CONTRACT, BY_ENTITY, 1)},
     BEHIND(DONE)},
    {.name = "an old record is left where the contraction has begun",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_PROD}},
     .expect = {FOUND(LEFT_RECORD, "a", CONTRACT, BY_ENTITY, 1)},
     BEHIND(CONTRACTED)},
    {.name = "the same of a move",
     .plant = {{NULL, OLD_A("CONTRACT#1"), IN_PROD}},
     .expect = {FOUND(LEFT_RECORD, "a", CONTRACT, BY_ENTITY, 1)},
     BEHIND(CONTRACTED),
     .strategy = RK_STRATEGY_MOVE},
    {.name = "a move that is under way leaves nothing behind yet",
     .plant = {{NULL, NEW("a", "PROD", "CONTRACT#1"), IN_PROD},
               {NULL, OLD_A("ITEM#1"), CHILD},
               {NULL, OLD_A("CONTRACT#2"), IN_PROD}},
     BEHIND(DUAL_WRITE),
     .strategy = RK_STRATEGY_MOVE},
    {.name = "keys of no entity are not judged",
     .plant = {{NULL, "X", "y"}, {NULL, OLD_A("STRAY#1"), IN_DEV}, {NULL, "TENANT#", "{}"}}},
};

/* --- judging ---------------------------------------------------------------------------------- */

/* A clock by which every look takes a minute: each step is over after one record. */
static uint64_t minute_ns(void *context)
{
    uint64_t *now_ns = context;
    return *now_ns += UINT64_C(60) * 1000 * 1000 * 1000;
}

static rk_search *search_all(ground *g, const rk_clock *clock, size_t *steps)
{
    rk_error err = {0};
    rk_search *search = NULL;
    bool finished = false;
    must(rk_search_create(g->shelf.store, g->spec, clock, &search, &err), &err);
    for (*steps = 0; !finished; (*steps)++)
        must(rk_search_step(search, &finished, &err), &err);
    must(rk_search_step(search, &finished, &err), &err);
    assert_true(finished);
    return search;
}

static uint64_t number_of(const rk_search *search, const expectation *wanted)
{
    const rk_found *found = rk_search_found(search, wanted->kind);
    for (size_t i = 0; i < found->tenant_count; i++) {
        const rk_found_tenant *tenant = &found->tenants[i];
        if (!rk_slice_equal(tenant->tenant, rk_slice_str(wanted->tenant)))
            continue;
        for (size_t j = 0; j < tenant->count_len; j++)
            if (tenant->count[j].entity == wanted->entity &&
                tenant->count[j].capsule == wanted->capsule)
                return tenant->count[j].count;
    }
    return 0;
}

static void assert_samples(const example *e, const rk_search *search, rk_contamination kind)
{
    const rk_found *found = rk_search_found(search, kind);
    for (size_t i = 0; i < found->tenant_count; i++) {
        const rk_found_tenant *tenant = &found->tenants[i];
        if (tenant->sample_count == 0 || tenant->sample[0].key.len == 0)
            fail_msg("%s: no sample of %s", e->name, rk_contamination_name(kind));
    }
}

static void assert_found(const example *e, const rk_search *search)
{
    uint64_t wanted[RK_FOUND_KIND_COUNT] = {0};
    for (size_t i = 0; i < EXPECTS_MAX && e->expect[i].tenant; i++) {
        const expectation *expect = &e->expect[i];
        uint64_t number = number_of(search, expect);
        if (number != expect->count)
            fail_msg("%s: %s of tenant %s, entity %d, capsule %d: %llu and not %llu", e->name,
                     rk_contamination_name(expect->kind), expect->tenant, expect->entity,
                     expect->capsule, (unsigned long long)number,
                     (unsigned long long)expect->count);
        wanted[expect->kind] += expect->count;
    }
    for (int kind = 0; kind < RK_FOUND_KIND_COUNT; kind++) {
        const rk_found *found = rk_search_found(search, (rk_contamination)kind);
        if (found->found != wanted[kind])
            fail_msg("%s: %s: %llu and not %llu", e->name,
                     rk_contamination_name((rk_contamination)kind),
                     (unsigned long long)found->found, (unsigned long long)wanted[kind]);
        assert_int_equal(found->unlisted, 0);
        assert_samples(e, search, (rk_contamination)kind);
    }
}

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const example *e = &examples[i];
        uint64_t now_ns = 0;
        const rk_clock slow = {.context = &now_ns, .monotonic_ns = minute_ns};
        ground g;
        size_t steps = 0;
        size_t plants = 0;
        ground_open(&g, e->strategy);
        if (e->registered)
            ground_register(&g, RK_PHASE_OLD, e->phase);
        for (; plants < PLANTS_MAX && e->plant[plants].key; plants++)
            ground_put(&g, e->plant[plants].index, e->plant[plants].key, e->plant[plants].value);
        rk_search *search = search_all(&g, rk_clock_system(), &steps);
        assert_found(e, search);
        rk_search_destroy(search);
        search = search_all(&g, &slow, &steps);
        assert_found(e, search);
        assert_true(steps > plants);
        const rk_search_progress *progress = rk_search_progress_of(search);
        assert_int_equal(progress->records + progress->entries, plants);
        assert_int_equal(progress->expected, plants);
        assert_true((rk_search_state(search) != NULL) == e->registered);
        rk_search_destroy(search);
        ground_close(&g);
    }
}

/* --- what else it must know ------------------------------------------------------------------- */

static void test_samples_show_the_mixture(void **state)
{
    (void)state;
    ground g;
    size_t steps = 0;
    ground_open(&g, RK_STRATEGY_DUAL_WRITE);
    ground_put(&g, NULL, OLD_A("CONTRACT#1"), IN_PROD);
    ground_put(&g, NULL, OLD_A("CONTRACT#2"), IN_PROD);
    ground_put(&g, NULL, OLD_A("CONTRACT#3"), IN_DEV);
    ground_put(&g, "by_account", "ACCOUNT#7", OLD_A("NOTHING"));
    ground_put(&g, "by_account", "ACCOUNT#7", OLD_A("CONTRACT#9"));
    rk_search *search = search_all(&g, rk_clock_system(), &steps);
    const rk_found_tenant *mixed = rk_search_found(search, RK_FOUND_MIXED_TENANT)->tenants;
    assert_int_equal(mixed->sample_count, 2);
    assert_true(rk_slice_equal(mixed->sample[0].key, rk_slice_str(OLD_A("CONTRACT#1"))));
    assert_true(rk_slice_equal(mixed->sample[1].key, rk_slice_str(OLD_A("CONTRACT#3"))));
    const rk_found_tenant *dangling = rk_search_found(search, RK_FOUND_INDEX_DANGLING)->tenants;
    assert_int_equal(dangling->sample_count, 1);
    assert_string_equal(dangling->sample[0].index, "by_account");
    assert_true(rk_slice_equal(dangling->sample[0].key, rk_slice_str("ACCOUNT#7")));
    assert_true(rk_slice_equal(dangling->sample[0].target, rk_slice_str(OLD_A("CONTRACT#9"))));
    rk_search_destroy(search);
    ground_close(&g);
}

static void test_runs_longer_than_a_snapshot(void **state)
{
    (void)state;
    enum { RECORDS = 3000 };
    ground g;
    size_t steps = 0;
    rk_error err = {0};
    ground_open(&g, RK_STRATEGY_DUAL_WRITE);
    rk_txn *txn = shelf_begin(&g.shelf);
    for (int i = 0; i < RECORDS; i++) {
        char key[64];
        snprintf(key, sizeof key, OLD_A("CONTRACT#%05d"), i);
        rk_op op[] = {{.action = RK_ACTION_PUT,
                       .table = g.tables.records,
                       .key = rk_slice_str(key),
                       .value = rk_slice_str(i == RECORDS - 1 ? IN_DEV : IN_PROD)},
                      {.action = RK_ACTION_INDEX_PUT,
                       .table = g.tables.index[0],
                       .key = rk_slice_str("ACCOUNT#7"),
                       .value = rk_slice_str(key)}};
        rk_unit unit = {.ops = op, .op_count = 2};
        must(rk_txn_apply(txn, &unit, 1, &err), &err);
    }
    shelf_commit(txn);
    ground_put(&g, NULL, OLD_B("CONTRACT#1"), IN_PROD);
    ground_put(&g, "by_account", "ACCOUNT#7", OLD_B("CONTRACT#1"));
    rk_search *search = search_all(&g, rk_clock_system(), &steps);
    assert_true(steps >= 6);
    assert_int_equal(rk_search_found(search, RK_FOUND_MIXED_TENANT)->found, RECORDS);
    assert_int_equal(rk_search_found(search, RK_FOUND_INDEX_TENANTS)->found, RECORDS + 1);
    assert_int_equal(rk_search_found(search, RK_FOUND_INDEX_CAPSULES)->found, RECORDS);
    rk_search_destroy(search);
    ground_close(&g);
}

/* The phases of a migration of another name say nothing about this one. */
static void test_another_migration(void **state)
{
    (void)state;
    ground g;
    size_t steps = 0;
    rk_error err = {0};
    rk_state what;
    ground_open(&g, RK_STRATEGY_DUAL_WRITE);
    ground_register(&g, RK_PHASE_DONE, RK_PHASE_DONE);
    ground_put(&g, NULL, OLD_A("CONTRACT#1"), IN_PROD);
    rk_txn *txn = shelf_begin(&g.shelf);
    must(rk_state_load(rk_txn_view(txn), g.tables.meta, &what, &err), &err);
    snprintf(what.migration, sizeof what.migration, "202501010000_other");
    must(rk_state_save(txn, g.tables.meta, &what, &err), &err);
    shelf_commit(txn);
    rk_search *search = search_all(&g, rk_clock_system(), &steps);
    assert_null(rk_search_state(search));
    assert_int_equal(rk_search_found(search, RK_FOUND_LEFT_RECORD)->found, 0);
    rk_search_destroy(search);
    ground_close(&g);
}

static void test_damaged_state(void **state)
{
    (void)state;
    ground g;
    rk_error err = {0};
    rk_search *search = NULL;
    ground_open(&g, RK_STRATEGY_DUAL_WRITE);
    rk_txn *txn = shelf_begin(&g.shelf);
    must(rk_txn_put(txn, g.tables.meta, rk_slice_str("state"), rk_slice_str("?"), &err), &err);
    shelf_commit(txn);
    assert_int_equal(rk_search_create(g.shelf.store, g.spec, rk_clock_system(), &search, &err),
                     RK_CORRUPT);
    assert_null(search);
    ground_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_samples_show_the_mixture),
        cmocka_unit_test(test_runs_longer_than_a_snapshot),
        cmocka_unit_test(test_another_migration),
        cmocka_unit_test(test_damaged_state),
    };
    return cmocka_run_group_tests_name("isolation_search", tests, NULL, NULL);
}
