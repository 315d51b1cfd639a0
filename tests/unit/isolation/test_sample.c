/* Samples: records that the spec's own transformer takes for what they are meant to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "rekey/isolation/sample.h"
#include "rekey/record/json.h"

static const char spec_text[] =
    "migration: 202601010000_samples\n"
    "strategy: move\n"
    "database: d\n"
    "tenant: org\n"
    "capsule: {variable: env, allowed: [live, test]}\n"
    "entities:\n"
    "  Order:\n"
    "    old: \"ORG#{org}#ORDER#{order_id}\"\n"
    "    new: \"ORG#{org}#ENV#{env}#ORDER#{order_id}\"\n"
    "    capsule: {field: where, default: test}\n"
    "    indexes:\n"
    "      buyer: {old: \"BUYER#{buyer}#{day}\", new: \"ORG#{org}#ENV#{env}#B#{buyer}#{day}\"}\n"
    "  Line:\n"
    "    parent: {entity: Order, id: {order_id: order}}\n"
    "    old: \"ORG#{org}#LINE#{line_id}\"\n"
    "    new: \"ORG#{org}#ENV#{env}#LINE#{order_id}#{line_id}\"\n"
    "    capsule: {parent: true}\n"
    "  Fixed:\n"
    "    old: \"ORG#{org}#FIXED\"\n"
    "    new: \"ORG#{org}#ENV#{env}#FIXED\"\n"
    "    capsule: {default: test}\n";

enum { ORDER, LINE, FIXED };

typedef struct world {
    rk_spec_source source;
    rk_spec *spec;
    rk_arena arena;
} world;

static int set_up(void **state)
{
    static world w;
    rk_findings findings = {0};
    static char name[] = "202601010000_samples.yaml";
    w = (world){.source = {.name = name, .text = rk_slice_str(spec_text)}};
    assert_int_equal(rk_spec_load(&w.source, NULL, &w.spec, &findings, NULL), RK_OK);
    rk_findings_fini(&findings);
    rk_arena_init(&w.arena, (size_t)1024 * 1024);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    rk_spec_destroy(w->spec);
    rk_arena_fini(&w->arena);
    return 0;
}

static rki_wish wish_for(size_t entity, const char *tag)
{
    return (rki_wish){.entity = entity,
                      .owner = {{RK_SLICE_LITERAL("acme"), RK_SLICE_LITERAL("live")}, "home"},
                      .tag = tag,
                      .other = RK_NAME_NONE};
}

static rki_sample make(world *w, const rki_wish *wish)
{
    rki_sample sample;
    assert_int_equal(rki_sample_make(w->spec, wish, &w->arena, &sample, NULL), RK_OK);
    return sample;
}

static void expect_slice(rk_slice slice, const char *expected)
{
    assert_int_equal(slice.len, strlen(expected));
    assert_memory_equal(slice.ptr, expected, slice.len);
}

static void expect_key(world *w, const rki_sample *sample, const rk_pattern *pattern,
                       const char *expected)
{
    rk_slice key;
    assert_int_equal(rki_sample_key(sample, pattern, &w->arena, &key, NULL), RK_OK);
    expect_slice(key, expected);
}

static void test_keys_and_value(void **state)
{
    world *w = *state;
    rki_wish wish = wish_for(ORDER, "o1");
    rki_sample sample = make(w, &wish);
    const rk_entity *order = &w->spec->entities[ORDER];
    expect_key(w, &sample, &order->old_key, "ORG#acme#ORDER#o1");
    expect_key(w, &sample, &order->new_key, "ORG#acme#ENV#live#ORDER#o1");
    expect_key(w, &sample, &order->index[0].new_key, "ORG#acme#ENV#live#B#shared#shared");
    expect_slice(sample.value, "{\"buyer\":\"shared\",\"day\":\"shared\","
                               "\"isolation-mark\":\"mark-home-c0:o1;\"}");
    assert_int_equal(sample.id_count, 1);
    assert_string_equal(sample.ids[0].name, "order_id");
}

/* A value that claims a capsule names it in every member that could. */
static void test_claim(void **state)
{
    world *w = *state;
    rki_wish wish = wish_for(ORDER, "o1");
    wish.claim = RK_SLICE_LITERAL("test");
    rki_sample sample = make(w, &wish);
    rk_slice names[] = {RK_SLICE_LITERAL("env"), RK_SLICE_LITERAL("where")};
    rk_json_field fields[2];
    assert_int_equal(rk_json_find(sample.value, names, 2, fields, &w->arena, NULL), RK_OK);
    expect_slice(fields[0].text, "test");
    expect_slice(fields[1].text, "test");
}

static void test_parent(void **state)
{
    world *w = *state;
    rki_sample parent;
    rki_wish wish = wish_for(LINE, "l1");
    wish.parent_tag = "o7";
    rki_sample child = make(w, &wish);
    expect_key(w, &child, &w->spec->entities[LINE].new_key, "ORG#acme#ENV#live#LINE#o7#l1");
    assert_int_equal(rki_sample_parent(w->spec, &child, &w->arena, &parent, NULL), RK_OK);
    expect_key(w, &parent, &w->spec->entities[ORDER].old_key, "ORG#acme#ORDER#o7");
}

static void test_other_value(void **state)
{
    world *w = *state;
    rk_id where[RK_SEGMENTS_MAX];
    rki_wish wish = wish_for(ORDER, "o1");
    wish.other = rk_names_find(&w->spec->names, RK_SLICE_LITERAL("buyer"));
    wish.other_value = RK_SLICE_LITERAL("a\"b\n");
    rki_sample sample = make(w, &wish);
    assert_int_equal(rki_sample_where(w->spec, &sample, &w->spec->entities[ORDER].index[0], where),
                     2);
    expect_slice(where[0].value, "a\"b\n");
    rk_slice name = RK_SLICE_LITERAL("buyer");
    rk_json_field field;
    assert_int_equal(rk_json_find(sample.value, &name, 1, &field, &w->arena, NULL), RK_OK);
    expect_slice(field.text, "a\"b\n");
}

static void test_homes(void **state)
{
    world *w = *state;
    static const struct {
        size_t entity;
        int home;
        bool is_free;
    } cases[] = {{ORDER, 0, true}, {LINE, 0, true}, {FIXED, 1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int home = -1;
        bool is_free = !cases[i].is_free;
        assert_true(rki_home_of(w->spec, cases[i].entity, &home, &is_free));
        assert_int_equal(home, cases[i].home);
        assert_int_equal(is_free, cases[i].is_free);
    }
}

static void test_own_variables(void **state)
{
    world *w = *state;
    const rk_entity *line = &w->spec->entities[LINE];
    const rk_names *names = &w->spec->names;
    assert_string_equal(names->name[rki_own_variable(w->spec, line)], "line_id");
    assert_int_equal(rki_own_variable(w->spec, &w->spec->entities[FIXED]), RK_NAME_NONE);
    assert_false(rki_is_own(w->spec, line, rk_names_find(names, RK_SLICE_LITERAL("order"))));
    assert_false(rki_is_own(w->spec, line, rk_names_find(names, RK_SLICE_LITERAL("order_id"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_and_value), cmocka_unit_test(test_claim),
        cmocka_unit_test(test_parent),         cmocka_unit_test(test_other_value),
        cmocka_unit_test(test_homes),          cmocka_unit_test(test_own_variables),
    };
    return cmocka_run_group_tests_name("isolation_sample", tests, set_up, tear_down);
}
