/* One record: what each phase reads and writes, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/client/bench.h"

#define OLD_KEY                    "TENANT#t1#CONTRACT#c1"
#define NEW_KEY                    "TENANT#t1#CAPSULE#PRODUS#CONTRACT#c1"
#define OLD_ENTRY(account, status) "CAPSULE#PRODUS#ACCOUNT#" account "#" status
#define NEW_ENTRY(account, status) "TENANT#t1#CAPSULE#PRODUS#ACCOUNT#" account "#" status

#define VALUE(name) "{\"account_id\":\"" name "\",\"status\":\"s\",\"capsule_id\":\"PRODUS\"}"

/* --- what a put and a delete leave on each side ----------------------------------------------- */

typedef struct phase_case {
    const char *name;
    rk_strategy strategy;
    rk_phase phase;
    bool undoing;
    const char *old_value; /* after a put where both sides had the record; NULL: gone */
    const char *new_value;
} phase_case;

static const phase_case phase_cases[] = {
    {"dual old", RK_STRATEGY_DUAL_WRITE, RK_PHASE_OLD, false, VALUE("b"), VALUE("a")},
    {"dual old undoing", RK_STRATEGY_DUAL_WRITE, RK_PHASE_OLD, true, VALUE("b"), NULL},
    {"dual dual_write", RK_STRATEGY_DUAL_WRITE, RK_PHASE_DUAL_WRITE, false, VALUE("b"), VALUE("b")},
    {"dual flipped", RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED, false, VALUE("b"), VALUE("b")},
    {"dual contracted", RK_STRATEGY_DUAL_WRITE, RK_PHASE_CONTRACTED, false, NULL, VALUE("b")},
    {"dual done", RK_STRATEGY_DUAL_WRITE, RK_PHASE_DONE, false, VALUE("a"), VALUE("b")},
    {"move old", RK_STRATEGY_MOVE, RK_PHASE_OLD, false, VALUE("b"), VALUE("a")},
    {"move dual_write", RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE, false, NULL, VALUE("b")},
    {"move undoing", RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE, true, VALUE("b"), NULL},
    {"move flipped", RK_STRATEGY_MOVE, RK_PHASE_FLIPPED, false, NULL, VALUE("b")},
    {"move contracted", RK_STRATEGY_MOVE, RK_PHASE_CONTRACTED, false, NULL, VALUE("b")},
    {"move done", RK_STRATEGY_MOVE, RK_PHASE_DONE, false, VALUE("a"), VALUE("b")},
};

static void plant_both(bench *b)
{
    bench_plant(b, OLD_KEY, VALUE("a"));
    bench_plant_entry(b, "gsi1", OLD_ENTRY("a", "s"), OLD_KEY);
    bench_plant(b, NEW_KEY, VALUE("a"));
    bench_plant_entry(b, "gsi1", NEW_ENTRY("a", "s"), NEW_KEY);
}

static void check_side(bench *b, const char *key, const char *value, const char *entry_a,
                       const char *entry_b)
{
    assert_value(b, key, value);
    bool is_b = value && strcmp(value, VALUE("b")) == 0;
    assert_int_equal(bench_has_entry(b, "gsi1", entry_a, key), value && !is_b);
    assert_int_equal(bench_has_entry(b, "gsi1", entry_b, key), is_b);
}

static void test_writes_by_phase(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof phase_cases / sizeof *phase_cases; i++) {
        const phase_case *c = &phase_cases[i];
        bench b;
        print_message("  %s\n", c->name);
        bench_open(&b, c->strategy);
        plant_both(&b);
        bench_phase(&b, c->phase, c->undoing);
        assert_int_equal(put(&b, "PRODUS", "Contract", "c1", VALUE("b")), RK_OK);
        check_side(&b, OLD_KEY, c->old_value, OLD_ENTRY("a", "s"), OLD_ENTRY("b", "s"));
        check_side(&b, NEW_KEY, c->new_value, NEW_ENTRY("a", "s"), NEW_ENTRY("b", "s"));
        assert_string_equal(get(&b, "PRODUS", "Contract", "c1"), VALUE("b"));

        const rk_phase_rule *rule = rk_phase_rule_of(c->strategy, c->phase, c->undoing);
        assert_int_equal(drop(&b, "PRODUS", "Contract", "c1"), RK_OK);
        assert_int_equal(bench_has(&b, OLD_KEY), rule->write_old == RK_WRITE_NOT);
        assert_int_equal(bench_has(&b, NEW_KEY), rule->write_new == RK_WRITE_NOT);
        assert_int_equal(bench_entries(&b, "gsi1"),
                         (rule->write_old == RK_WRITE_NOT) + (rule->write_new == RK_WRITE_NOT));
        assert_int_equal(drop(&b, "PRODUS", "Contract", "c1"), RK_NOT_FOUND);
        bench_close(&b);
    }
}

/* --- what a get sees -------------------------------------------------------------------------- */

typedef struct read_case {
    const char *name;
    rk_strategy strategy;
    rk_phase phase;
    const char *old_value; /* planted; NULL for none */
    const char *new_value;
    const char *seen;
} read_case;

#define OURS   "{\"n\":1,\"capsule_id\":\"PRODUS\"}"
#define THEIRS "{\"n\":2,\"capsule_id\":\"DEVUS\"}"
#define BARE   "{\"n\":3}"

static const read_case read_cases[] = {
    {"old: legacy reads any capsule", RK_STRATEGY_DUAL_WRITE, RK_PHASE_OLD, THEIRS, NULL, THEIRS},
    {"old: new is not looked at", RK_STRATEGY_DUAL_WRITE, RK_PHASE_OLD, NULL, OURS, NULL},
    {"dual_write: old decides", RK_STRATEGY_DUAL_WRITE, RK_PHASE_DUAL_WRITE, THEIRS, OURS, THEIRS},
    {"flipped: new only", RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED, OURS, NULL, NULL},
    {"flipped: new", RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED, THEIRS, OURS, OURS},
    {"flipped: a value of another capsule", RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED, NULL, THEIRS,
     NULL},
    {"flipped: a value without the member", RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED, NULL, BARE,
     NULL},
    {"flipped: no JSON", RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED, NULL, "?", NULL},
    {"move: new first", RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE, BARE, OURS, OURS},
    {"move: then old", RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE, BARE, NULL, BARE},
    {"move: inconsistent new, then old", RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE, BARE, THEIRS, BARE},
    {"move: old of another capsule", RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE, THEIRS, NULL, NULL},
    {"move flipped: new only", RK_STRATEGY_MOVE, RK_PHASE_FLIPPED, BARE, NULL, NULL},
};

static void test_reads_by_phase(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof read_cases / sizeof *read_cases; i++) {
        const read_case *c = &read_cases[i];
        bench b;
        print_message("  %s\n", c->name);
        bench_open(&b, c->strategy);
        bench_plant(&b, OLD_KEY, c->old_value);
        bench_plant(&b, NEW_KEY, c->new_value);
        bench_phase(&b, c->phase, false);
        b.err.message[0] = '\0';
        const char *seen = get(&b, "PRODUS", "Contract", "c1");
        assert_int_equal(seen != NULL, c->seen != NULL);
        if (seen)
            assert_string_equal(seen, c->seen);
        assert_string_equal(b.err.message, "");
        bench_close(&b);
    }
}

/* --- refusals --------------------------------------------------------------------------------- */

typedef struct id_case {
    const char *name;
    const char *tenant;
    const char *capsule;
    const char *entity;
    rk_id ids[3];
    size_t id_count;
    rk_status status;
    const char *says;
} id_case;

#define S(text)                                                                                    \
    {                                                                                              \
        (const uint8_t *)("" text), sizeof(text) - 1                                               \
    }
#define ID(name, id) {{name, S(id)}}, 1

static const id_case id_cases[] = {
    {"no tenant", "", "PRODUS", "Contract", ID("contract_id", "c"), RK_INVALID, "tenant is empty"},
    {"tenant", "t#1", "PRODUS", "Contract", ID("contract_id", "c"), RK_INVALID,
     "tenant holds the delimiter '#'"},
    {"no capsule", "t1", "", "Contract", ID("contract_id", "c"), RK_INVALID, "capsule is empty"},
    {"capsule", "t1", "PRODUSS", "Contract", ID("contract_id", "c"), RK_INVALID,
     "capsule \"PRODUSS\" is not one of those that the spec allows (did you mean \"PRODUS\"?)"},
    {"entity", "t1", "PRODUS", "Contrakt", ID("contract_id", "c"), RK_INVALID,
     "entity \"Contrakt\" is not in the spec (did you mean \"Contract\"?)"},
    {"unknown", "t1", "PRODUS", "Contract", ID("contrac_id", "c"), RK_INVALID,
     "(did you mean \"contract_id\"?)"},
    {"another's", "t1", "PRODUS", "Contract", ID("item_id", "c"), RK_INVALID, "id item_id is not"},
    {"the scope's", "t1", "PRODUS", "Contract", ID("tenant_id", "c"), RK_INVALID,
     "id tenant_id is not"},
    {"missing", "t1", "PRODUS", "Contract", {{0}}, 0, RK_INVALID, "id contract_id is missing"},
    {"empty", "t1", "PRODUS", "Contract", ID("contract_id", ""), RK_INVALID,
     "id contract_id is empty"},
    {"delimiter", "t1", "PRODUS", "Contract", ID("contract_id", "c#1"), RK_INVALID,
     "id contract_id holds the delimiter '#'"},
    {"twice",
     "t1",
     "PRODUS",
     "Contract",
     {{"contract_id", S("c")}, {"contract_id", S("c")}},
     2,
     RK_INVALID,
     "id contract_id is given twice"},
    {"no name", "t1", "PRODUS", "Contract", {{NULL, S("c")}}, 1, RK_INVALID, "is not part of"},
    {"one of two", "t1", "PRODUS", "Turned", ID("a", "x"), RK_INVALID, "id b is missing"},
};

static void check_id_case(bench *b, const id_case *c)
{
    rk_scope scope = scope_of(c->tenant, c->capsule);
    rk_value value = {0};
    rk_slice json = S("{}");
    rk_status got[3];
    print_message("  %s\n", c->name);
    for (int call = 0; call < 3; call++) {
        b->err = (rk_error){0};
        got[call] =
            call == 0
                ? rk_client_get(b->client, &scope, c->entity, c->ids, c->id_count, &value, &b->err)
            : call == 1
                ? rk_client_put(b->client, &scope, c->entity, c->ids, c->id_count, json, &b->err)
                : rk_client_delete(b->client, &scope, c->entity, c->ids, c->id_count, &b->err);
        assert_int_equal(got[call], c->status);
        if (!strstr(b->err.message, c->says))
            fail_msg("\"%s\" does not say \"%s\"", b->err.message, c->says);
    }
}

static void test_ids_are_refused_by_name(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    for (size_t i = 0; i < sizeof id_cases / sizeof *id_cases; i++)
        check_id_case(&b, &id_cases[i]);

    static char text[600];
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(put(&b, "PRODUS", "Contract", text, "{}"), RK_LIMIT);
    assert_non_null(strstr(b.err.message, "id contract_id has 599"));
    text[511 - strlen("TENANT#t1#CONTRACT#")] = '\0'; /* fits the old shape only */
    assert_int_equal(put(&b, "PRODUS", "Contract", text, "{}"), RK_LIMIT);
    assert_non_null(strstr(b.err.message, "the new key would be"));
    assert_null(get(&b, "PRODUS", "Contract", text));
    bench_close(&b);
}

typedef struct put_case {
    const char *name;
    const char *entity;
    const char *id;
    const char *value;
    rk_status status;
    const char *says;
} put_case;

static const put_case put_cases[] = {
    {"no JSON", "Contract", "c1", "{\"a\":}", RK_INVALID, "byte 5"},
    {"no object", "Contract", "c1", "[]", RK_INVALID, "the value"},
    {"another capsule", "Contract", "c1", THEIRS, RK_INVALID,
     "member capsule_id names another capsule than PRODUS"},
    {"no text", "Contract", "c1", "{\"capsule_id\":7}", RK_INVALID,
     "member capsule_id is no string"},
    {"twice", "Contract", "c1", "{\"capsule_id\":\"PRODUS\",\"capsule_id\":\"PRODUS\"}", RK_INVALID,
     "the value"},
    {"delimiter in a member", "Contract", "c1", "{\"account_id\":\"a#b\"}", RK_INVALID,
     "member account_id holds the delimiter"},
    {"a child that names another capsule", "Item", "i1",
     "{\"contract_id\":\"p1\",\"capsule_id\":\"DEVUS\"}", RK_INVALID, "member capsule_id"},
    {"no parent", "Item", "i1", "{\"contract_id\":\"nope\"}", RK_CONFLICT,
     "the parent Contract of this Item is not there in capsule PRODUS"},
    {"a parent in another capsule", "Item", "i1", "{\"contract_id\":\"p2\"}", RK_CONFLICT,
     "the parent Contract of this Item is not there in capsule PRODUS"},
    {"no parent's id", "Item", "i1", "{}", RK_CONFLICT, "the parent Contract"},
    {"no member of the new key", "Derived", "d1", "{}", RK_INVALID, "region"},
};

static void test_puts_are_refused(void **state)
{
    (void)state;
    static const rk_phase phases[] = {RK_PHASE_OLD, RK_PHASE_DUAL_WRITE, RK_PHASE_FLIPPED,
                                      RK_PHASE_CONTRACTED, RK_PHASE_DONE};
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_plant(&b, "TENANT#t1#CONTRACT#p1", OURS);
    bench_plant(&b, "TENANT#t1#CONTRACT#p2", THEIRS);
    for (size_t p = 0; p < 5; p++) {
        bench_phase(&b, phases[p], false);
        for (size_t i = 0; i < sizeof put_cases / sizeof *put_cases; i++) {
            const put_case *c = &put_cases[i];
            b.err = (rk_error){0};
            print_message("  %s, %s\n", rk_phase_name(phases[p]), c->name);
            assert_int_equal(put(&b, "PRODUS", c->entity, c->id, c->value), c->status);
            if (!strstr(b.err.message, c->says))
                fail_msg("\"%s\" does not say \"%s\"", b.err.message, c->says);
        }
    }
    bench_close(&b);
}

/* --- values ----------------------------------------------------------------------------------- */

static void test_member_is_added(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(put(&b, "DEVUS", "Contract", "c1", "{ \"n\" : 1 }"), RK_OK);
    assert_value(&b, "TENANT#t1#CONTRACT#c1", "{ \"n\" : 1,\"capsule_id\":\"DEVUS\" }");
    assert_value(&b, "TENANT#t1#CAPSULE#DEVUS#CONTRACT#c1",
                 "{ \"n\" : 1,\"capsule_id\":\"DEVUS\" }");
    /* A child's old value stays as it was given. */
    assert_int_equal(put(&b, "DEVUS", "Item", "i1", "{\"contract_id\":\"c1\"}"), RK_OK);
    assert_value(&b, "TENANT#t1#ITEM#i1", "{\"contract_id\":\"c1\"}");
    assert_value(&b, "TENANT#t1#CAPSULE#DEVUS#ITEM#i1",
                 "{\"contract_id\":\"c1\",\"capsule_id\":\"DEVUS\"}");
    bench_close(&b);
}

static void test_opaque_values(void **state)
{
    (void)state;
    bench b;
    bench_open_opaque(&b);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(put(&b, "DEVUS", "Blob", "b1", "any\xff bytes"), RK_OK);
    assert_value(&b, "TENANT#t1#BLOB#b1", "any\xff bytes");
    assert_value(&b, "TENANT#t1#CAPSULE#DEVUS#BLOB#b1", "any\xff bytes");
    assert_int_equal(put(&b, "PRODUS", "Blob", "b1", "x"), RK_CONFLICT);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_string_equal(get(&b, "DEVUS", "Blob", "b1"), "any\xff bytes");
    assert_null(get(&b, "PRODUS", "Blob", "b1"));
    bench_close(&b);
}

static void test_derived_new_key(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(put(&b, "DEVUS", "Derived", "d1", "{\"n\":1,\"region\":\"eu\"}"), RK_OK);
    assert_int_equal(put(&b, "DEVUS", "Derived", "d2", "{\"n\":2,\"region\":\"eu\"}"), RK_OK);
    assert_int_equal(put(&b, "DEVUS", "Derived", "d1", "{\"n\":3,\"region\":\"us\"}"), RK_OK);
    assert_false(bench_has(&b, "TENANT#t1#CAPSULE#DEVUS#DERIVED#eu#d1"));
    assert_true(bench_has(&b, "TENANT#t1#CAPSULE#DEVUS#DERIVED#us#d1"));
    assert_int_equal(bench_entries(&b, "gsi1"), 4);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_non_null(strstr(get(&b, "DEVUS", "Derived", "d1"), "\"n\":3"));
    assert_null(get(&b, "PRODUS", "Derived", "d1"));
    assert_int_equal(drop(&b, "DEVUS", "Derived", "d1"), RK_OK);
    assert_null(get(&b, "DEVUS", "Derived", "d1"));
    assert_int_equal(bench_entries(&b, "gsi1"), 2);
    bench_close(&b);
}

/* The way back strips the member unless a note says that it was there. */
static void test_kept_note(void **state)
{
    (void)state;
    static const char key[] = "TENANT#t1#CAPSULE#PRODUS#ITEM#i1";
    static const char with[] = "{\"contract_id\":\"c1\",\"capsule_id\":\"PRODUS\"}";
    static const char without[] = "{\"contract_id\":\"c1\"}";
    bench b;
    bench_open(&b, RK_STRATEGY_MOVE);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", "{}"), RK_OK);
    assert_int_equal(put(&b, "PRODUS", "Item", "i1", with), RK_OK);
    assert_true(bench_kept(&b, key));
    assert_int_equal(put(&b, "PRODUS", "Item", "i1", without), RK_OK);
    assert_false(bench_kept(&b, key));
    assert_int_equal(put(&b, "PRODUS", "Item", "i1", with), RK_OK);
    assert_int_equal(drop(&b, "PRODUS", "Item", "i1"), RK_OK);
    assert_false(bench_kept(&b, key));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_by_phase),         cmocka_unit_test(test_reads_by_phase),
        cmocka_unit_test(test_ids_are_refused_by_name), cmocka_unit_test(test_puts_are_refused),
        cmocka_unit_test(test_member_is_added),         cmocka_unit_test(test_opaque_values),
        cmocka_unit_test(test_derived_new_key),         cmocka_unit_test(test_kept_note),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
