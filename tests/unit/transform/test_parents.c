/* Records with parents: where a parent may be, in which capsule, and what the cache may answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/transform/world.h"

#define ROWS_MAX 4

typedef struct stored {
    const char *key;
    const char *value;
} stored;

typedef struct parent_case {
    const char *name;
    stored rows[ROWS_MAX];
    const char *key;
    const char *value;
    rk_reason reason;
    const char *expected; /* the new key, or part of the detail */
} parent_case;

#define ITEM           "TENANT#acme#ITEM#i"
#define NOTE           "TENANT#acme#NOTE#i#n"
#define PINNED         "TENANT#acme#PINNED#p"
#define GUEST          "TENANT#acme#GUEST#g"
#define OLD_C          "TENANT#acme#CONTRACT#c"
#define NEW_C(capsule) "TENANT#acme#CAPSULE#" capsule "#CONTRACT#c"
#define OLD_S          "TENANT#acme#SHARED#s"
#define NEW_S(capsule) "TENANT#acme#CAPSULE#" capsule "#SHARED#s"
#define IN(capsule)    "{\"capsule_id\":\"" capsule "\"}"
#define OF_C           "{\"contract_id\":\"c\"}"
#define OF_S           "{\"name\":\"s\"}"

static const parent_case parent_cases[] = {
    {"at its old key",
     {{OLD_C, IN("DEVUS")}},
     ITEM,
     OF_C,
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#ITEM#i"},
    {"at its old key, by default",
     {{OLD_C, "{}"}},
     ITEM,
     OF_C,
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#PRODUS#ITEM#i"},
    {"moved to its new key",
     {{NEW_C("PRODEU"), "{}"}},
     ITEM,
     OF_C,
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#PRODEU#ITEM#i"},
    {"at both",
     {{OLD_C, IN("DEVUS")}, {NEW_C("DEVUS"), IN("DEVUS")}},
     ITEM,
     OF_C,
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#ITEM#i"},
    {"moved to two capsules",
     {{NEW_C("DEVUS"), "{}"}, {NEW_C("PRODUS"), "{}"}},
     ITEM,
     OF_C,
     RK_REASON_UNRESOLVED_CAPSULE,
     "more than one"},
    {"nowhere", {{0}}, ITEM, OF_C, RK_REASON_ORPHAN, "does not exist"},
    {"another tenant's",
     {{"TENANT#globex#CONTRACT#c", "{}"}},
     ITEM,
     OF_C,
     RK_REASON_ORPHAN,
     "does not exist"},
    {"not named", {{OLD_C, "{}"}}, ITEM, "{}", RK_REASON_ORPHAN, "contract_id"},
    {"named by null",
     {{OLD_C, "{}"}},
     ITEM,
     "{\"contract_id\":null}",
     RK_REASON_BAD_VALUE,
     "contract_id"},
    {"in quarantine itself",
     {{OLD_C, IN("MARS")}},
     ITEM,
     OF_C,
     RK_REASON_ORPHAN,
     "unknown_capsule"},
    {"not readable", {{OLD_C, "{"}}, ITEM, OF_C, RK_REASON_ORPHAN, "bad_value"},
    {"disagrees with the child's member",
     {{OLD_C, IN("DEVUS")}},
     ITEM,
     "{\"contract_id\":\"c\",\"capsule_id\":\"PRODUS\"}",
     RK_REASON_BAD_VALUE,
     "capsule_id"},
    {"agrees with the child's member",
     {{OLD_C, IN("DEVUS")}},
     ITEM,
     "{\"contract_id\":\"c\",\"capsule_id\":\"DEVUS\"}",
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#ITEM#i"},
    {"two levels",
     {{OLD_C, IN("DEVUS")}, {ITEM, OF_C}},
     NOTE,
     "{}",
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#NOTE#i#n"},
    {"two levels, the parent moved",
     {{OLD_C, IN("DEVUS")}, {"TENANT#acme#CAPSULE#DEVUS#ITEM#i", OF_C}},
     NOTE,
     "{}",
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#NOTE#i#n"},
    {"two levels, no grandparent", {{ITEM, OF_C}}, NOTE, "{}", RK_REASON_ORPHAN, "orphan"},
    {"two levels, grandparent in quarantine",
     {{OLD_C, IN("MARS")}, {ITEM, OF_C}},
     NOTE,
     "{}",
     RK_REASON_ORPHAN,
     "orphan"},
    {"same capsule",
     {{OLD_C, IN("DEVUS")}},
     PINNED,
     "{\"contract_id\":\"c\",\"capsule_id\":\"DEVUS\"}",
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#PINNED#p"},
    {"same capsule, moved",
     {{NEW_C("DEVUS"), "{}"}},
     PINNED,
     "{\"contract_id\":\"c\",\"capsule_id\":\"DEVUS\"}",
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#PINNED#p"},
    {"another capsule",
     {{OLD_C, IN("DEVUS")}},
     PINNED,
     "{\"contract_id\":\"c\",\"capsule_id\":\"PRODUS\"}",
     RK_REASON_ORPHAN,
     "parent is in another capsule"},
    {"another capsule, moved",
     {{NEW_C("DEVUS"), "{}"}},
     PINNED,
     "{\"contract_id\":\"c\",\"capsule_id\":\"PRODUS\"}",
     RK_REASON_ORPHAN,
     "parent is in another capsule"},
    {"same capsule, nowhere",
     {{0}},
     PINNED,
     "{\"contract_id\":\"c\",\"capsule_id\":\"PRODUS\"}",
     RK_REASON_ORPHAN,
     "does not exist"},
    {"under another name",
     {{OLD_C, IN("DEVUS")}},
     "TENANT#acme#REF#r",
     "{\"contract_ref\":\"c\"}",
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#CONTRACT#c#REF#r"},
    {"colliding: only the old key",
     {{OLD_S, IN("DEVUS")}},
     GUEST,
     OF_S,
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#GUEST#g"},
    {"colliding: the old key counts first",
     {{OLD_S, IN("DEVUS")}, {NEW_S("PRODUS"), "{}"}},
     GUEST,
     OF_S,
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#GUEST#g"},
    {"colliding: two new keys",
     {{NEW_S("DEVUS"), "{}"}, {NEW_S("PRODUS"), "{}"}},
     GUEST,
     OF_S,
     RK_REASON_UNRESOLVED_CAPSULE,
     "more than one"},
    {"colliding: shadowed, same capsule",
     {{OLD_S, IN("DEVUS")}, {NEW_S("PRODUS"), "{}"}},
     "TENANT#acme#VISITOR#v",
     "{\"name\":\"s\",\"capsule_id\":\"PRODUS\"}",
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#PRODUS#VISITOR#v"},
    {"colliding: not moved yet, same capsule",
     {{OLD_S, IN("DEVUS")}, {NEW_S("PRODUS"), "{}"}},
     "TENANT#acme#VISITOR#v",
     "{\"name\":\"s\",\"capsule_id\":\"DEVUS\"}",
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#VISITOR#v"},
    {"colliding: in neither",
     {{OLD_S, IN("DEVUS")}, {NEW_S("PRODUS"), "{}"}},
     "TENANT#acme#VISITOR#v",
     "{\"name\":\"s\",\"capsule_id\":\"PRODEU\"}",
     RK_REASON_ORPHAN,
     "parent is in another capsule"},
    {"the capsule in its old key",
     {{"TENANT#acme#SCOPED#DEVUS#7", IN("DEVUS")}},
     "TENANT#acme#UNDER#u",
     "{\"scoped_id\":7}",
     RK_REASON_NONE,
     "TENANT#acme#CAPSULE#DEVUS#UNDER#u"},
    {"the capsule in two old keys",
     {{"TENANT#acme#SCOPED#DEVUS#7", IN("DEVUS")}, {"TENANT#acme#SCOPED#PRODUS#7", IN("PRODUS")}},
     "TENANT#acme#UNDER#u",
     "{\"scoped_id\":7}",
     RK_REASON_UNRESOLVED_CAPSULE,
     "more than one"},
};

static void check(world *w, const parent_case *c)
{
    assert_int_equal(world_old(w, c->key, c->value), RK_OK);
    if (w->reason != c->reason)
        fail_msg("%s: got %s: %s", c->name, rk_reason_name(w->reason), w->detail);
    if (c->reason == RK_REASON_NONE) {
        assert_slice(w->image.new_key, c->expected);
        assert_true(w->image.parent_new_key.len > 0);
    } else if (!strstr(w->detail, c->expected)) {
        fail_msg("%s: \"%s\" does not say \"%s\"", c->name, w->detail, c->expected);
    }
}

/* Both strategies, with and without a cache; the second time the cache may answer. */
static void parents_are_found_where_they_are(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        world w;
        world_init(&w, variant & 1 ? RK_STRATEGY_MOVE : RK_STRATEGY_DUAL_WRITE,
                   variant & 2 ? 16 : 0);
        for (size_t i = 0; i < sizeof parent_cases / sizeof *parent_cases; i++) {
            const parent_case *c = &parent_cases[i];
            world_clear(&w);
            for (size_t row = 0; row < ROWS_MAX && c->rows[row].key; row++)
                world_put(&w, c->rows[row].key, c->rows[row].value);
            check(&w, c);
            check(&w, c);
        }
        world_fini(&w);
    }
}

static void the_parents_new_key_is_in_the_records_capsule(void **state)
{
    (void)state;
    world w;
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 0);
    world_put(&w, OLD_C, IN("DEVUS"));
    world_put(&w, ITEM, OF_C);
    assert_int_equal(world_old(&w, NOTE, "{}"), RK_OK);
    assert_slice(w.image.parent_new_key, "TENANT#acme#CAPSULE#DEVUS#ITEM#i");
    assert_int_equal(world_old(&w, ITEM, "{\"contract_id\":\"c\",\"sku\":1}"), RK_OK);
    assert_slice(w.image.parent_new_key, NEW_C("DEVUS"));
    assert_slice(w.image.new_value, "{\"contract_id\":\"c\",\"sku\":1,\"capsule_id\":\"DEVUS\"}");
    assert_slice(w.image.index[0].old_key, "CONTRACT#c#SKU#1");
    assert_slice(w.image.index[0].new_key, "TENANT#acme#CAPSULE#DEVUS#CONTRACT#c#SKU#1");

    /* The way back needs no parent. */
    world_clear(&w);
    size_t reads = fake_store_reads(w.fake);
    assert_int_equal(world_new(&w, "TENANT#acme#CAPSULE#DEVUS#NOTE#i#n", IN("DEVUS"), false),
                     RK_OK);
    assert_int_equal(w.reason, RK_REASON_NONE);
    assert_slice(w.image.parent_new_key, "TENANT#acme#CAPSULE#DEVUS#ITEM#i");
    assert_slice(w.image.old_key, NOTE);
    assert_slice(w.image.old_value, "{}");
    assert_int_equal(fake_store_reads(w.fake), reads);
    world_fini(&w);
}

static void a_cached_parent_is_not_read_again(void **state)
{
    (void)state;
    world w;
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 16);
    world_put(&w, OLD_C, IN("DEVUS"));
    assert_int_equal(world_old(&w, ITEM, OF_C), RK_OK);
    size_t reads = fake_store_reads(w.fake);
    assert_int_equal(world_old(&w, ITEM, OF_C), RK_OK);
    assert_int_equal(world_old(&w, PINNED, "{\"contract_id\":\"c\",\"capsule_id\":\"DEVUS\"}"),
                     RK_OK);
    assert_int_equal(w.reason, RK_REASON_NONE);
    assert_int_equal(fake_store_reads(w.fake), reads);

    /* A cached capsule never makes an orphan: it is read again. */
    world_remove(&w, OLD_C);
    world_put(&w, NEW_C("PRODUS"), "{}");
    assert_int_equal(world_old(&w, PINNED, "{\"contract_id\":\"c\",\"capsule_id\":\"PRODUS\"}"),
                     RK_OK);
    assert_int_equal(w.reason, RK_REASON_NONE);
    world_remove(&w, NEW_C("PRODUS"));
    rk_transformer_forget(w.transformer);
    assert_int_equal(world_old(&w, ITEM, OF_C), RK_OK);
    assert_int_equal(w.reason, RK_REASON_ORPHAN);
    world_fini(&w);
}

/* Found in one capsule because a sibling asked for that one: no answer to "in which?". */
static void a_cached_sibling_does_not_decide(void **state)
{
    (void)state;
    world w;
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 16);
    world_put(&w, NEW_S("DEVUS"), "{}");
    world_put(&w, NEW_S("PRODUS"), "{}");
    assert_int_equal(
        world_old(&w, "TENANT#acme#VISITOR#v", "{\"name\":\"s\",\"capsule_id\":\"DEVUS\"}"), RK_OK);
    assert_int_equal(w.reason, RK_REASON_NONE);
    assert_int_equal(world_old(&w, GUEST, OF_S), RK_OK);
    assert_int_equal(w.reason, RK_REASON_UNRESOLVED_CAPSULE);
    world_fini(&w);
}

static void a_failed_read_is_no_reason(void **state)
{
    (void)state;
    world w;
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 0);
    world_put(&w, OLD_C, "{}");
    fake_store_break(w.fake, RK_IO);
    w.reason = RK_REASON_COUNT;
    assert_int_equal(world_old(&w, ITEM, OF_C), RK_IO);
    assert_int_equal(w.reason, RK_REASON_COUNT);
    assert_non_null(strstr(w.err.message, "broken on purpose"));
    world_fini(&w);
}

/* An arena that is full ends the call; the value is not at fault. */
static void a_full_arena_is_no_reason(void **state)
{
    (void)state;
    world w;
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 0);
    world_put(&w, OLD_C, "{}");
    while (rk_arena_alloc(&w.arena, 16))
        ;
    assert_int_equal(world_old(&w, ITEM, OF_C), RK_LIMIT);
    assert_int_equal(world_old(&w, "TENANT#acme#FALLBACK#1", "{}"), RK_LIMIT);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parents_are_found_where_they_are),
        cmocka_unit_test(the_parents_new_key_is_in_the_records_capsule),
        cmocka_unit_test(a_cached_parent_is_not_read_again),
        cmocka_unit_test(a_cached_sibling_does_not_decide),
        cmocka_unit_test(a_failed_read_is_no_reason),
        cmocka_unit_test(a_full_arena_is_no_reason),
    };
    return cmocka_run_group_tests_name("transform_parents", tests, NULL, NULL);
}
