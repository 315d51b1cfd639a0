/* One record in both directions: the rules that need no parent, every reason, and the round trip.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rekey/base/prng.h"
#include "rekey/record/json.h"
#include "tests/unit/transform/world.h"

#define LONG_ID "0123456789012345678901234567890123456789012345678901234567890123456789"

/* --- old to new ------------------------------------------------------------------------------- */

typedef struct good_case {
    const char *name;
    const char *old_key;
    const char *old_value;
    const char *capsule;
    const char *new_key;
    const char *new_value;
    bool kept;
} good_case;

static const good_case good_cases[] = {
    {"the field names the capsule", "TENANT#acme#PLAIN#1", "{\"capsule_id\":\"DEVUS\",\"a\":1}",
     "DEVUS", "TENANT#acme#CAPSULE#DEVUS#PLAIN#1", "{\"capsule_id\":\"DEVUS\",\"a\":1}", false},
    {"a pure field never inserts: no note", "TENANT#acme#PLAIN#1",
     "{\"a\":1,\"capsule_id\":\"DEVUS\"}", "DEVUS", "TENANT#acme#CAPSULE#DEVUS#PLAIN#1",
     "{\"a\":1,\"capsule_id\":\"DEVUS\"}", false},
    {"an escaped name and value", "TENANT#acme#PLAIN#1", "{\"capsule\\u005fid\":\"D\\u0045VUS\"}",
     "DEVUS", "TENANT#acme#CAPSULE#DEVUS#PLAIN#1", "{\"capsule\\u005fid\":\"D\\u0045VUS\"}", false},
    {"default for an absent field", "TENANT#acme#FALLBACK#1", "{ \"a\" : 1 }", "PRODUS",
     "TENANT#acme#CAPSULE#PRODUS#FALLBACK#1", NULL, false},
    {"default not used", "TENANT#acme#FALLBACK#1", "{\"a\":1,\"capsule_id\":\"DEVUS\"}", "DEVUS",
     "TENANT#acme#CAPSULE#DEVUS#FALLBACK#1", "{\"a\":1,\"capsule_id\":\"DEVUS\"}", false},
    {"as if inserted by default: a note", "TENANT#acme#FALLBACK#1",
     "{\"a\":1,\"capsule_id\":\"PRODUS\"}", "PRODUS", "TENANT#acme#CAPSULE#PRODUS#FALLBACK#1",
     "{\"a\":1,\"capsule_id\":\"PRODUS\"}", true},
    {"not at the end: no note", "TENANT#acme#FALLBACK#1", "{\"capsule_id\":\"PRODUS\",\"a\":1}",
     "PRODUS", "TENANT#acme#CAPSULE#PRODUS#FALLBACK#1", "{\"capsule_id\":\"PRODUS\",\"a\":1}",
     false},
    {"another field inserts", "TENANT#acme#ENV#1", "{\"env\":\"DEVUS\"}", "DEVUS",
     "TENANT#acme#CAPSULE#DEVUS#ENV#1", "{\"env\":\"DEVUS\",\"capsule_id\":\"DEVUS\"}", false},
    {"another field, a note", "TENANT#acme#ENV#1", "{\"env\":\"DEVUS\",\"capsule_id\":\"DEVUS\"}",
     "DEVUS", "TENANT#acme#CAPSULE#DEVUS#ENV#1", "{\"env\":\"DEVUS\",\"capsule_id\":\"DEVUS\"}",
     true},
    {"constant", "TENANT#acme#CONSTANT#1", "{}", "DEVUS", "TENANT#acme#CAPSULE#DEVUS#CONSTANT#1",
     "{\"capsule_id\":\"DEVUS\"}", false},
    {"lookup", "TENANT#acme#LOOKED#1", "{}", "PRODEU", "TENANT#acme#CAPSULE#PRODEU#LOOKED#1",
     "{\"capsule_id\":\"PRODEU\"}", false},
    {"lookup, another tenant", "TENANT#globex#LOOKED#1", "{}", "DEVUS",
     "TENANT#globex#CAPSULE#DEVUS#LOOKED#1", "{\"capsule_id\":\"DEVUS\"}", false},
    {"lookup, then default", "TENANT#initech#ELSE#1", "{}", "PRODUS",
     "TENANT#initech#CAPSULE#PRODUS#ELSE#1", "{\"capsule_id\":\"PRODUS\"}", false},
    {"the capsule in the old key", "TENANT#acme#SCOPED#DEVUS#1", "{\"capsule_id\":\"DEVUS\"}",
     "DEVUS", "TENANT#acme#CAPSULE#DEVUS#SCOPED#1", "{\"capsule_id\":\"DEVUS\"}", false},
    {"a member in the new key", "TENANT#acme#DERIVED#1", "{\"region\":7,\"capsule_id\":\"DEVUS\"}",
     "DEVUS", "TENANT#acme#CAPSULE#DEVUS#DERIVED#7#1", "{\"region\":7,\"capsule_id\":\"DEVUS\"}",
     false},
};

static void check_good(world *w, const good_case *c)
{
    assert_int_equal(world_old(w, c->old_key, c->old_value), RK_OK);
    if (w->reason != RK_REASON_NONE)
        fail_msg("%s: %s: %s", c->name, rk_reason_name(w->reason), w->detail);
    assert_slice(w->image.capsule, c->capsule);
    assert_slice(w->image.old_key, c->old_key);
    assert_slice(w->image.old_value, c->old_value);
    assert_slice(w->image.new_key, c->new_key);
    if (c->new_value)
        assert_slice(w->image.new_value, c->new_value);
    assert_int_equal(w->image.kept, c->kept);
    assert_int_equal(w->image.parent_new_key.len, 0);
}

static void old_records_become_new(void **state)
{
    (void)state;
    for (int strategy = RK_STRATEGY_DUAL_WRITE; strategy <= RK_STRATEGY_MOVE; strategy++) {
        world w;
        world_init(&w, (rk_strategy)strategy, 8);
        for (size_t i = 0; i < sizeof good_cases / sizeof *good_cases; i++)
            check_good(&w, &good_cases[i]);
        assert_int_equal(fake_store_reads(w.fake), 0);
        world_fini(&w);
    }
}

static void old_records_come_back(void **state)
{
    (void)state;
    world w;
    char new_key[128];
    char new_value[256];
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 0);
    for (size_t i = 0; i < sizeof good_cases / sizeof *good_cases; i++) {
        const good_case *c = &good_cases[i];
        check_good(&w, c);
        (void)snprintf(new_key, sizeof new_key, "%.*s", (int)w.image.new_key.len,
                       (const char *)w.image.new_key.ptr);
        (void)snprintf(new_value, sizeof new_value, "%.*s", (int)w.image.new_value.len,
                       (const char *)w.image.new_value.ptr);
        assert_int_equal(world_new(&w, new_key, new_value, c->kept), RK_OK);
        if (w.reason != RK_REASON_NONE)
            fail_msg("%s: %s: %s", c->name, rk_reason_name(w.reason), w.detail);
        assert_slice(w.image.old_key, c->old_key);
        assert_slice(w.image.old_value, c->old_value);
        assert_slice(w.image.capsule, c->capsule);
        assert_int_equal(w.image.kept, c->kept);
    }
    world_fini(&w);
}

typedef struct bad_case {
    const char *name;
    const char *key;
    const char *value;
    rk_reason reason;
    const char *detail; /* part of it */
} bad_case;

static const bad_case bad_old_cases[] = {
    {"no such shape", "TENANT#acme#NOTHING#1", "{}", RK_REASON_UNMATCHED, "shape"},
    {"no delimiter", "x", "{}", RK_REASON_UNMATCHED, "shape"},
    {"not JSON", "TENANT#acme#PLAIN#1", "{\"a\":", RK_REASON_BAD_VALUE, ""},
    {"not an object", "TENANT#acme#PLAIN#1", "[]", RK_REASON_BAD_VALUE, ""},
    {"twice", "TENANT#acme#PLAIN#1", "{\"capsule_id\":\"DEVUS\",\"capsule_id\":\"DEVUS\"}",
     RK_REASON_BAD_VALUE, ""},
    {"the field is a number", "TENANT#acme#PLAIN#1", "{\"capsule_id\":7}", RK_REASON_BAD_VALUE,
     "capsule_id"},
    {"the field is null", "TENANT#acme#FALLBACK#1", "{\"capsule_id\":null}", RK_REASON_BAD_VALUE,
     "capsule_id"},
    {"the field is absent", "TENANT#acme#PLAIN#1", "{}", RK_REASON_UNRESOLVED_CAPSULE,
     "capsule_id"},
    {"the field is unknown", "TENANT#acme#PLAIN#1", "{\"capsule_id\":\"MARS\"}",
     RK_REASON_UNKNOWN_CAPSULE, ""},
    {"the field is empty", "TENANT#acme#PLAIN#1", "{\"capsule_id\":\"\"}",
     RK_REASON_UNKNOWN_CAPSULE, ""},
    {"another field is empty", "TENANT#acme#ENV#1", "{\"env\":\"\"}", RK_REASON_UNKNOWN_CAPSULE,
     ""},
    {"another field is a number", "TENANT#acme#ENV#1", "{\"env\":1}", RK_REASON_BAD_VALUE, "env"},
    {"another field is absent", "TENANT#acme#ENV#1", "{\"capsule_id\":\"DEVUS\"}",
     RK_REASON_UNRESOLVED_CAPSULE, "env"},
    {"two fields disagree", "TENANT#acme#ENV#1", "{\"env\":\"DEVUS\",\"capsule_id\":\"PRODUS\"}",
     RK_REASON_BAD_VALUE, "capsule_id"},
    {"default and member disagree", "TENANT#acme#CONSTANT#1", "{\"capsule_id\":\"PRODUS\"}",
     RK_REASON_BAD_VALUE, "capsule_id"},
    {"lookup and member disagree", "TENANT#acme#LOOKED#1", "{\"capsule_id\":\"PRODUS\"}",
     RK_REASON_BAD_VALUE, "capsule_id"},
    {"lookup and a member that is no string", "TENANT#acme#LOOKED#1", "{\"capsule_id\":[1]}",
     RK_REASON_BAD_VALUE, "capsule_id"},
    {"not in the lookup file", "TENANT#initech#LOOKED#1", "{}", RK_REASON_UNRESOLVED_CAPSULE,
     "lookup"},
    {"old key and field disagree", "TENANT#acme#SCOPED#DEVUS#1", "{\"capsule_id\":\"PRODUS\"}",
     RK_REASON_BAD_VALUE, "old key"},
    {"the new key's member is absent", "TENANT#acme#DERIVED#1", "{\"capsule_id\":\"DEVUS\"}",
     RK_REASON_BAD_VALUE, "region"},
    {"the new key's member is empty", "TENANT#acme#DERIVED#1",
     "{\"region\":\"\",\"capsule_id\":\"DEVUS\"}", RK_REASON_BAD_VALUE, "region"},
    {"the new key's member is a fraction", "TENANT#acme#DERIVED#1",
     "{\"region\":1.5,\"capsule_id\":\"DEVUS\"}", RK_REASON_BAD_VALUE, "region"},
    {"an index member holds the delimiter", "TENANT#acme#PLAIN#1",
     "{\"account_id\":\"a#b\",\"capsule_id\":\"DEVUS\"}", RK_REASON_BAD_VALUE, "account_id"},
    {"an index member is an object", "TENANT#acme#PLAIN#1",
     "{\"account_id\":{},\"capsule_id\":\"DEVUS\"}", RK_REASON_BAD_VALUE, "account_id"},
    {"the new key is too long", "TENANT#acme#FALLBACK#" LONG_ID, "{}", RK_REASON_KEY_TOO_LONG,
     "the new key would be"},
    {"the index key is too long", "TENANT#acme#PLAIN#1",
     "{\"account_id\":\"" LONG_ID "\",\"capsule_id\":\"PRODUS\"}", RK_REASON_KEY_TOO_LONG, "gsi1"},
    {"the index cannot hold the primary key",
     "TENANT#acme#PLAIN#01234567890123456789012345678901"
     "2345678901",
     "{\"account_id\":\"a\",\"capsule_id\":\"PRODUS\"}", RK_REASON_KEY_TOO_LONG, "gsi1"},
};

static void check_bad(const world *w, const bad_case *c)
{
    if (w->reason != c->reason)
        fail_msg("%s: got %s: %s", c->name, rk_reason_name(w->reason), w->detail);
    if (!strstr(w->detail, c->detail))
        fail_msg("%s: \"%s\" does not say \"%s\"", c->name, w->detail, c->detail);
    assert_int_equal(w->image.entity == -1, c->reason == RK_REASON_UNMATCHED);
}

static void bad_old_records_are_left_alone(void **state)
{
    (void)state;
    world w;
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 8);
    for (size_t i = 0; i < sizeof bad_old_cases / sizeof *bad_old_cases; i++) {
        const bad_case *c = &bad_old_cases[i];
        assert_int_equal(world_old(&w, c->key, c->value), RK_OK);
        check_bad(&w, c);
    }
    world_fini(&w);
}

/* Too deep is the record's fault, not a lack of memory. */
static void a_deep_value_is_bad(void **state)
{
    (void)state;
    world w;
    char value[512];
    size_t depth = RK_JSON_DEPTH_MAX + 1;
    size_t len = (size_t)snprintf(value, sizeof value, "{\"a\":");
    memset(value + len, '[', depth);
    memset(value + len + depth, ']', depth);
    (void)snprintf(value + len + 2 * depth, sizeof value - len - 2 * depth, "}");
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 0);
    assert_int_equal(world_old(&w, "TENANT#acme#FALLBACK#1", value), RK_OK);
    assert_int_equal(w.reason, RK_REASON_BAD_VALUE);
    world_fini(&w);
}

static void index_entries_on_both_sides(void **state)
{
    (void)state;
    world w;
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 0);
    assert_int_equal(
        world_old(&w, "TENANT#acme#PLAIN#1", "{\"account_id\":-12,\"capsule_id\":\"DEVUS\"}"),
        RK_OK);
    assert_int_equal(w.reason, RK_REASON_NONE);
    assert_int_equal(w.image.index_count, 1);
    assert_slice(w.image.index[0].old_key, "CAPSULE#DEVUS#ACCOUNT#-12");
    assert_slice(w.image.index[0].new_key, "TENANT#acme#CAPSULE#DEVUS#ACCOUNT#-12");

    /* Sparse; and nothing is left of the record before. */
    assert_int_equal(world_old(&w, "TENANT#acme#PLAIN#2", "{\"capsule_id\":\"DEVUS\"}"), RK_OK);
    assert_int_equal(w.reason, RK_REASON_NONE);
    assert_int_equal(w.image.index_count, 1);
    assert_int_equal(w.image.index[0].old_key.len, 0);
    assert_int_equal(w.image.index[0].new_key.len, 0);
    world_fini(&w);
}

/* --- new to old ------------------------------------------------------------------------------- */

static const bad_case bad_new_cases[] = {
    {"no such shape", "TENANT#acme#CAPSULE#DEVUS#NOTHING#1", "{}", RK_REASON_UNMATCHED, "shape"},
    {"the key's capsule is unknown", "TENANT#acme#CAPSULE#MARS#PLAIN#1",
     "{\"capsule_id\":\"MARS\"}", RK_REASON_UNKNOWN_CAPSULE, ""},
    {"not JSON", "TENANT#acme#CAPSULE#DEVUS#PLAIN#1", "{", RK_REASON_BAD_VALUE, ""},
    {"the member is absent", "TENANT#acme#CAPSULE#DEVUS#PLAIN#1", "{}", RK_REASON_BAD_VALUE,
     "capsule_id is absent"},
    {"the member disagrees", "TENANT#acme#CAPSULE#DEVUS#PLAIN#1", "{\"capsule_id\":\"PRODUS\"}",
     RK_REASON_BAD_VALUE, "capsule_id"},
    {"the member is no string", "TENANT#acme#CAPSULE#DEVUS#PLAIN#1", "{\"capsule_id\":true}",
     RK_REASON_BAD_VALUE, "capsule_id"},
    {"the rule's field disagrees", "TENANT#acme#CAPSULE#DEVUS#ENV#1",
     "{\"env\":\"PRODUS\",\"capsule_id\":\"DEVUS\"}", RK_REASON_BAD_VALUE, "env"},
    {"the value gives another key", "TENANT#acme#CAPSULE#DEVUS#DERIVED#7#1",
     "{\"region\":8,\"capsule_id\":\"DEVUS\"}", RK_REASON_BAD_VALUE, "another new key"},
    {"the value gives no key", "TENANT#acme#CAPSULE#DEVUS#DERIVED#7#1",
     "{\"capsule_id\":\"DEVUS\"}", RK_REASON_BAD_VALUE, "region"},
    {"the parent is not named", "TENANT#acme#CAPSULE#DEVUS#ITEM#1", "{\"capsule_id\":\"DEVUS\"}",
     RK_REASON_BAD_VALUE, "contract_id"},
};

static void bad_new_records_are_left_alone(void **state)
{
    (void)state;
    world w;
    world_init(&w, RK_STRATEGY_MOVE, 0);
    for (size_t i = 0; i < sizeof bad_new_cases / sizeof *bad_new_cases; i++) {
        const bad_case *c = &bad_new_cases[i];
        assert_int_equal(world_new(&w, c->key, c->value, false), RK_OK);
        check_bad(&w, c);
    }
    world_fini(&w);
}

typedef struct strip_case {
    const char *name;
    const char *new_key;
    const char *new_value;
    bool kept;
    const char *old_value;
} strip_case;

static const strip_case strip_cases[] = {
    {"a pure field never strips", "TENANT#acme#CAPSULE#DEVUS#PLAIN#1",
     "{\"a\":1,\"capsule_id\":\"DEVUS\"}", false, "{\"a\":1,\"capsule_id\":\"DEVUS\"}"},
    {"the default strips", "TENANT#acme#CAPSULE#PRODUS#FALLBACK#1",
     "{\"a\":1,\"capsule_id\":\"PRODUS\"}", false, "{\"a\":1}"},
    {"a note keeps", "TENANT#acme#CAPSULE#PRODUS#FALLBACK#1", "{\"a\":1,\"capsule_id\":\"PRODUS\"}",
     true, "{\"a\":1,\"capsule_id\":\"PRODUS\"}"},
    {"not the default: no strip", "TENANT#acme#CAPSULE#DEVUS#FALLBACK#1",
     "{\"a\":1,\"capsule_id\":\"DEVUS\"}", false, "{\"a\":1,\"capsule_id\":\"DEVUS\"}"},
    {"not at the end: no strip", "TENANT#acme#CAPSULE#PRODUS#FALLBACK#1",
     "{\"capsule_id\":\"PRODUS\",\"a\":1}", false, "{\"capsule_id\":\"PRODUS\",\"a\":1}"},
    {"another field always strips", "TENANT#acme#CAPSULE#DEVUS#ENV#1",
     "{\"env\":\"DEVUS\",\"capsule_id\":\"DEVUS\"}", false, "{\"env\":\"DEVUS\"}"},
    {"lookup always strips", "TENANT#acme#CAPSULE#DEVUS#LOOKED#1", "{\"capsule_id\":\"DEVUS\"}",
     false, "{}"},
    {"parent always strips", "TENANT#acme#CAPSULE#DEVUS#ITEM#1",
     "{\"contract_id\":\"c\",\"capsule_id\":\"DEVUS\"}", false, "{\"contract_id\":\"c\"}"},
};

static void the_way_back_strips_what_was_inserted(void **state)
{
    (void)state;
    world w;
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 0);
    for (size_t i = 0; i < sizeof strip_cases / sizeof *strip_cases; i++) {
        const strip_case *c = &strip_cases[i];
        assert_int_equal(world_new(&w, c->new_key, c->new_value, c->kept), RK_OK);
        if (w.reason != RK_REASON_NONE)
            fail_msg("%s: %s: %s", c->name, rk_reason_name(w.reason), w.detail);
        if (!rk_slice_equal(w.image.old_value, rk_slice_str(c->old_value)))
            fail_msg("%s: got %.*s", c->name, (int)w.image.old_value.len,
                     (const char *)w.image.old_value.ptr);
        assert_slice(w.image.new_value, c->new_value);
    }
    world_fini(&w);
}

/* --- shapes and values that nobody reads ------------------------------------------------------ */

static void keys_of_the_other_shape(void **state)
{
    (void)state;
    world w;
    rk_slice tenant = RK_SLICE_EMPTY;
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 0);
    assert_int_equal(world_old(&w, "TENANT#acme#CAPSULE#DEVUS#PLAIN#1", "{}"), RK_NOT_FOUND);
    assert_int_equal(world_new(&w, "TENANT#acme#PLAIN#1", "{}", false), RK_NOT_FOUND);
    assert_string_equal(w.err.message, "");

    int plain = rk_spec_entity(w.spec, RK_SLICE_LITERAL("Plain"));
    int found =
        rk_transform_classify(w.transformer, RK_SLICE_LITERAL("TENANT#acme#PLAIN#1"), &tenant);
    assert_int_equal(found, plain * 2);
    assert_slice(tenant, "acme");
    found = rk_transform_classify(w.transformer,
                                  RK_SLICE_LITERAL("TENANT#globex#CAPSULE#DEVUS#PLAIN#1"), &tenant);
    assert_int_equal(found, plain * 2 + 1);
    assert_slice(tenant, "globex");
    assert_int_equal(rk_transform_classify(w.transformer, RK_SLICE_LITERAL("x"), NULL), -1);
    world_fini(&w);
}

/* What was looked at serves the next call if that is for the same key, and no other. */
static void a_look_is_for_one_call(void **state)
{
    (void)state;
    world w;
    rk_slice tenant = RK_SLICE_EMPTY;
    const char *old = "TENANT#acme#PLAIN#1";
    const char *value = "{\"capsule_id\":\"DEVUS\"}";
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 0);
    int plain = rk_transform_look(w.transformer, rk_slice_str(old), &tenant);
    assert_int_equal(plain, rk_transform_classify(w.transformer, rk_slice_str(old), NULL));
    assert_slice(tenant, "acme");
    assert_int_equal(world_old(&w, old, value), RK_OK);
    assert_slice(w.image.new_key, "TENANT#acme#CAPSULE#DEVUS#PLAIN#1");

    rk_transform_look(w.transformer, rk_slice_str(old), NULL);
    assert_int_equal(world_old(&w, "TENANT#globex#PLAIN#22", value), RK_OK);
    assert_slice(w.image.new_key, "TENANT#globex#CAPSULE#DEVUS#PLAIN#22");
    assert_int_equal(world_old(&w, old, value), RK_OK);
    assert_slice(w.image.new_key, "TENANT#acme#CAPSULE#DEVUS#PLAIN#1");

    assert_int_equal(rk_transform_look(w.transformer, RK_SLICE_LITERAL("x"), &tenant), -1);
    assert_slice(tenant, "acme");

    char page[] = "TENANT#acme#NOTHING"; /* another key of the same length is there later */
    assert_int_equal(rk_transform_look(w.transformer, rk_slice_str(page), NULL), -1);
    rk_transformer_forget(w.transformer);
    strcpy(page, "TENANT#acme#PLAIN#1");
    assert_int_equal(world_old(&w, page, value), RK_OK);
    assert_int_equal(w.reason, RK_REASON_NONE);
    world_fini(&w);
}

static void opaque_values_are_not_touched(void **state)
{
    (void)state;
    world w;
    world_init_opaque(&w);
    world_put(&w, "TENANT#globex#BLOB#b", "{{{ not JSON");
    assert_int_equal(world_old(&w, "TENANT#globex#PART#b#p", "\x01"), RK_OK);
    assert_int_equal(w.reason, RK_REASON_NONE);
    assert_slice(w.image.new_key, "TENANT#globex#CAPSULE#DEVUS#PART#b#p");
    assert_slice(w.image.new_value, "\x01");
    assert_slice(w.image.parent_new_key, "TENANT#globex#CAPSULE#DEVUS#BLOB#b");
    assert_false(w.image.kept);

    assert_int_equal(world_new(&w, "TENANT#globex#CAPSULE#DEVUS#PART#b#p", "\x01", false), RK_OK);
    assert_int_equal(w.reason, RK_REASON_NONE);
    assert_slice(w.image.old_key, "TENANT#globex#PART#b#p");
    assert_slice(w.image.old_value, "\x01");
    world_fini(&w);
}

static void reasons_have_names(void **state)
{
    static const char *const names[] = {
        "none",         "orphan",   "unresolved_capsule", "unknown_capsule",
        "key_too_long", "conflict", "bad_value",          "unmatched",
    };
    (void)state;
    for (int reason = 0; reason < RK_REASON_COUNT; reason++)
        assert_string_equal(rk_reason_name((rk_reason)reason), names[reason]);
}

/* --- tables ----------------------------------------------------------------------------------- */

static void tables_open_as_asked(void **state)
{
    (void)state;
    world w;
    rk_tables tables;
    world_init(&w, RK_STRATEGY_DUAL_WRITE, 0);
    fake_store *fake = fake_store_new(WORLD_KEY_BYTES_MAX, WORLD_INDEX_BYTES_MAX);
    rk_store *store = fake_store_base(fake);

    assert_int_equal(rk_tables_open(store, w.spec, false, false, &tables, NULL), RK_NOT_FOUND);
    assert_int_equal(rk_tables_open(store, w.spec, false, true, &tables, NULL), RK_OK);
    assert_int_equal(tables.meta, RK_TABLE_NONE);
    assert_int_equal(tables.index[0], RK_TABLE_NONE);
    assert_int_equal(rk_tables_open(store, w.spec, true, false, &tables, NULL), RK_OK);
    assert_int_not_equal(tables.meta, RK_TABLE_NONE);
    assert_int_not_equal(tables.index[0], RK_TABLE_NONE);
    assert_int_not_equal(tables.index[1], RK_TABLE_NONE);
    assert_int_equal(tables.index[2], RK_TABLE_NONE);
    fake_store_free(fake);

    fake = fake_store_new(WORLD_KEY_BYTES_MAX, WORLD_INDEX_BYTES_MAX);
    store = fake_store_base(fake);
    rk_table wrong;
    assert_int_equal(rk_store_table(store, "gsi1", RK_TABLE_RECORDS, true, &wrong, NULL), RK_OK);
    assert_int_equal(rk_tables_open(store, w.spec, false, true, &tables, &w.err), RK_INVALID);
    assert_non_null(strstr(w.err.message, "gsi1"));
    fake_store_free(fake);
    world_fini(&w);
}

/* --- the round trip --------------------------------------------------------------------------- */

typedef struct text {
    char bytes[512];
    size_t len;
} text;

static void say(text *t, const char *s)
{
    int len = snprintf(t->bytes + t->len, sizeof t->bytes - t->len, "%s", s);
    assert_true(len >= 0 && t->len + (size_t)len < sizeof t->bytes);
    t->len += (size_t)len;
}

static const char *pick(rk_prng *prng, const char *const *from, size_t count)
{
    return from[rk_prng_below(prng, count)];
}
#define PICK(prng, from) pick(prng, from, sizeof(from) / sizeof *(from))

static const char *const gaps[] = {"", "", " ", "\n\t", "  "};
static const char *const members[] = {
    "\"a\":1",
    "\"account_id\":\"a-9\"",
    "\"account_id\":42",
    "\"region\":\"eu\"",
    "\"region\":3",
    "\"region\":null",
    "\"contract_id\":\"c-1\"",
    "\"contract_id\":\"c-2\"",
    "\"contract_ref\":\"c-\\u0031\"",
    "\"sku\":\"s\"",
    "\"name\":\"n-1\"",
    "\"env\":\"DEVUS\"",
    "\"env\" : \"PRODEU\"",
    "\"nested\":{\"capsule_id\":\"MARS\",\"x\":[1,{}]}",
    "\"text\":\"\\\"}{ \\\\ #\"",
    "\"capsule_id\":\"PRODUS\"",
    "\"capsule_id\":\"DEVUS\"",
    "\"capsule_id\" : \"PRODEU\"",
    "\"capsule\\u005fid\":\"PRODUS\"",
};
static const char *const keys[] = {
    "PLAIN#1",  "FALLBACK#x",     "ENV#1",        "CONSTANT#1", "LOOKED#9",
    "ELSE#1",   "SCOPED#DEVUS#1", "DERIVED#1",    "ITEM#i",     "NOTE#i-1#n",
    "PINNED#1", "REF#r",          "CONTRACT#c-9", "GUEST#1",    "UNDER#u",
};
static const char *const tenants[] = {"acme", "globex", "initech"};

static void make_value(rk_prng *prng, text *value)
{
    size_t count = rk_prng_below(prng, 6);
    bool used[sizeof members / sizeof *members] = {false};
    value->len = 0;
    say(value, PICK(prng, gaps));
    say(value, "{");
    say(value, PICK(prng, gaps));
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        size_t at = rk_prng_below(prng, sizeof members / sizeof *members);
        if (used[at])
            continue;
        used[at] = true;
        if (!first)
            say(value, ",");
        first = false;
        say(value, PICK(prng, gaps));
        say(value, members[at]);
        say(value, PICK(prng, gaps));
    }
    say(value, "}");
    say(value, PICK(prng, gaps));
}

static void put_parents(world *w)
{
    static const char *const at[] = {"acme", "globex", "initech"};
    char key[64];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(key, sizeof key, "TENANT#%s#CONTRACT#c-1", at[i]);
        world_put(w, key, "{\"capsule_id\":\"DEVUS\"}");
        (void)snprintf(key, sizeof key, "TENANT#%s#CONTRACT#c-2", at[i]);
        world_put(w, key, "{}");
        (void)snprintf(key, sizeof key, "TENANT#%s#ITEM#i-1", at[i]);
        world_put(w, key, "{\"contract_id\":\"c-1\"}");
        (void)snprintf(key, sizeof key, "TENANT#%s#SHARED#n-1", at[i]);
        world_put(w, key, "{\"capsule_id\":\"PRODEU\"}");
    }
}

static void assert_same_image(const rk_image *a, const rk_image *b)
{
    assert_int_equal(a->entity, b->entity);
    assert_true(rk_slice_equal(a->tenant, b->tenant));
    assert_true(rk_slice_equal(a->capsule, b->capsule));
    assert_true(rk_slice_equal(a->old_key, b->old_key));
    assert_true(rk_slice_equal(a->old_value, b->old_value));
    assert_true(rk_slice_equal(a->new_key, b->new_key));
    assert_true(rk_slice_equal(a->new_value, b->new_value));
    assert_true(rk_slice_equal(a->parent_new_key, b->parent_new_key));
    assert_int_equal(a->kept, b->kept);
    assert_int_equal(a->index_count, b->index_count);
    for (size_t i = 0; i < a->index_count; i++) {
        assert_int_equal(a->index[i].table_index, b->index[i].table_index);
        assert_true(rk_slice_equal(a->index[i].old_key, b->index[i].old_key));
        assert_true(rk_slice_equal(a->index[i].new_key, b->index[i].new_key));
    }
}

/* One record there and back; true when it could go. */
static bool round_trip(world *w, const text *key, const text *value)
{
    rk_image image;
    rk_image back;
    rk_view *view = fake_store_view(w->fake);
    rk_arena_reset(&w->arena);
    assert_int_equal(rk_transform_old(w->transformer, view, rk_slice_of(key->bytes, key->len),
                                      rk_slice_of(value->bytes, value->len), &w->arena, &image,
                                      &w->reason, w->detail, &w->err),
                     RK_OK);
    if (w->reason != RK_REASON_NONE)
        return false;
    assert_int_equal(rk_transform_new(w->transformer, view, image.new_key, image.new_value,
                                      image.kept, &w->arena, &back, &w->reason, w->detail, &w->err),
                     RK_OK);
    if (w->reason != RK_REASON_NONE)
        fail_msg("%s -> %s: %s", key->bytes, value->bytes, w->detail);
    assert_same_image(&image, &back);
    return true;
}

static void there_and_back_is_the_same_record(void **state)
{
    (void)state;
    for (int strategy = RK_STRATEGY_DUAL_WRITE; strategy <= RK_STRATEGY_MOVE; strategy++) {
        world w;
        rk_prng prng;
        size_t trips = 0;
        world_init(&w, (rk_strategy)strategy, strategy == RK_STRATEGY_MOVE ? 4 : 0);
        put_parents(&w);
        rk_prng_init(&prng, 20260101);
        for (size_t i = 0; i < 20000; i++) {
            text key = {.len = 0};
            text value;
            say(&key, "TENANT#");
            say(&key, PICK(&prng, tenants));
            say(&key, "#");
            say(&key, PICK(&prng, keys));
            make_value(&prng, &value);
            if (round_trip(&w, &key, &value))
                trips++;
        }
        assert_true(trips > 5000);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_records_become_new),
        cmocka_unit_test(old_records_come_back),
        cmocka_unit_test(bad_old_records_are_left_alone),
        cmocka_unit_test(a_deep_value_is_bad),
        cmocka_unit_test(index_entries_on_both_sides),
        cmocka_unit_test(bad_new_records_are_left_alone),
        cmocka_unit_test(the_way_back_strips_what_was_inserted),
        cmocka_unit_test(keys_of_the_other_shape),
        cmocka_unit_test(a_look_is_for_one_call),
        cmocka_unit_test(opaque_values_are_not_touched),
        cmocka_unit_test(reasons_have_names),
        cmocka_unit_test(tables_open_as_asked),
        cmocka_unit_test(there_and_back_is_the_same_record),
    };
    return cmocka_run_group_tests_name("transform", tests, NULL, NULL);
}
