#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/spec/good.h"
#include "tests/unit/spec/lint_test.h"

static rk_spec *load_good(const char *find, const char *put)
{
    char *text = spoil(find, put);
    assert_non_null(text);
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    rk_status status = load_text(GOOD_NAME, text, "acme,DEV\n", &spec, &findings);
    if (status != RK_OK)
        (void)has_finding(&findings, 0, 0, "(none expected)");
    assert_int_equal(status, RK_OK);
    rk_findings_fini(&findings);
    free(text);
    return spec;
}

static void test_model(void **state)
{
    (void)state;
    rk_spec *spec = load_good(NULL, NULL);
    assert_string_equal(spec->migration, "202611210900_move");
    assert_string_equal(spec->owner, "Platform Data");
    assert_string_equal(spec->database, "data");
    assert_string_equal(spec->tenant_literal, "TENANT");
    assert_string_equal(spec->names.name[spec->tenant], "t");
    assert_string_equal(spec->names.name[spec->capsule], "c");
    assert_int_equal(spec->strategy, RK_STRATEGY_DUAL_WRITE);
    assert_int_equal(spec->allowed_count, 2);
    assert_int_equal(spec->entity_count, 3);
    assert_int_equal(spec->level_count, 2);
    assert_int_equal(spec->index_name_count, 1);
    assert_string_equal(spec->index_names[0], "gsi1");
    assert_int_equal(spec->text.len, strlen(good_spec));
    assert_int_equal(spec->limits.lock_hold_ms, 7);
    assert_true(spec->limits.mismatch_max == 0.001);
    assert_true(spec->limits.error_rate_max < 0);
    assert_int_equal(spec->limits.write_latency_ms_max, 0);
    assert_int_equal(spec->limits.free_space_min_bytes, 512 * 1024 * 1024);
    assert_int_equal(spec->approvals, 1);
    assert_int_equal(spec->approver_count, 1);
    assert_int_equal(spec->approvers[0].ptr[63], 'b'); /* small letters */
    rk_spec_destroy(spec);
}

static void test_entities(void **state)
{
    (void)state;
    rk_spec *spec = load_good(NULL, NULL);
    const rk_entity *item = &spec->entities[rk_spec_entity(spec, RK_SLICE_LITERAL("Item"))];
    assert_int_equal(item->parent, rk_spec_entity(spec, RK_SLICE_LITERAL("Contract")));
    assert_int_equal(item->level, 1);
    assert_int_equal(item->parent_id_count, 1);
    assert_string_equal(spec->names.name[item->parent_id[0].parent_variable], "contract_id");
    assert_string_equal(spec->names.name[item->parent_id[0].source], "contract");
    assert_true(item->capsule.parent);
    const rk_entity *contract = &spec->entities[item->parent];
    assert_string_equal(contract->capsule.field, "env");
    assert_string_equal(contract->capsule.fallback, "PROD");
    assert_int_equal(contract->index_count, 1);
    assert_int_equal(contract->index[0].table_index, 0);
    assert_int_equal(rk_spec_entity(spec, RK_SLICE_LITERAL("item")), -1);
    rk_binding binding = {0};
    rk_slice key = RK_SLICE_LITERAL("TENANT#acme#CAPSULE#DEV#ITEM#i-1");
    assert_int_equal(rk_matcher_find(spec->matcher, key, &binding), 2 * 2 + 1);
    assert_true(rk_slice_equal(binding.value[spec->tenant], RK_SLICE_LITERAL("acme")));
    rk_spec_destroy(spec);
}

static void test_questions(void **state)
{
    (void)state;
    rk_spec *spec = load_good(NULL, NULL);
    assert_int_equal(rk_spec_capsule(spec, RK_SLICE_LITERAL("DEV")), 1);
    assert_int_equal(rk_spec_capsule(spec, RK_SLICE_LITERAL("dev")), -1);
    assert_int_equal(rk_spec_tier(spec, RK_SLICE_LITERAL("s-1")), RK_TIER_CANARY);
    assert_int_equal(rk_spec_tier(spec, RK_SLICE_LITERAL("s-2")), RK_TIER_CANARY);
    assert_int_equal(rk_spec_tier(spec, RK_SLICE_LITERAL("s-3")), RK_TIER_PRODUCTION);
    assert_int_equal(rk_spec_tier(spec, RK_SLICE_LITERAL("acme")), RK_TIER_PRODUCTION);
    assert_string_equal(rk_tier_name(RK_TIER_CANARY), "canary");
    assert_string_equal(rk_tier_name(RK_TIER_PRODUCTION), "production");
    rk_spec_destroy(spec);
}

static bool looks_for(const rk_spec *spec, const rk_entity *entity, const char *name)
{
    for (size_t i = 0; i < entity->field_count; i++)
        if (strcmp(spec->names.name[entity->field[i]], name) == 0)
            return true;
    return false;
}

/* What may be looked for in a value: the capsule's field and member, what names the parent, what
 * indexes ask for; never a variable of the old key. */
static void test_fields(void **state)
{
    (void)state;
    rk_spec *spec = load_good(NULL, NULL);
    const rk_entity *contract = &spec->entities[1];
    assert_int_equal(contract->field_count, 3);
    assert_true(looks_for(spec, contract, "env"));
    assert_true(looks_for(spec, contract, "c"));
    assert_true(looks_for(spec, contract, "account_id"));
    const rk_entity *item = &spec->entities[2];
    assert_int_equal(item->field_count, 2);
    assert_true(looks_for(spec, item, "c"));
    assert_true(looks_for(spec, item, "contract"));
    rk_spec_destroy(spec);
}

/* A left side of parent.id in the new key has the right side's value, no member of its own. */
static void test_parent_variable_in_new_key(void **state)
{
    (void)state;
    rk_spec *spec = load_good("#CAPSULE#{c}#ITEM#{item_id}",
                              "#CAPSULE#{c}#CONTRACT#{contract_id}#ITEM#{item_id}");
    const rk_entity *item = &spec->entities[2];
    assert_true(looks_for(spec, item, "contract"));
    assert_false(looks_for(spec, item, "contract_id"));
    rk_spec_destroy(spec);
}

/* Only where the old key has no variable but the tenant. */
static void test_collides(void **state)
{
    (void)state;
    rk_spec *spec = load_good(NULL, NULL);
    assert_true(spec->entities[0].collides);
    assert_false(spec->entities[1].collides);
    assert_false(spec->entities[2].collides);
    rk_spec_destroy(spec);
    spec = load_good("TENANT#{t}#CONFIG\"", "TENANT#{t}#CONFIG#{c}#MAIN\"");
    assert_false(spec->entities[0].collides);
    rk_spec_destroy(spec);
}

/* Spoilt in a way that is still good. */
static void test_good_variants(void **state)
{
    (void)state;
    static const char *const variants[][2] = {
        {"strategy: dual-write", "strategy: move"},
        {"database: data", "database: \"\""},
        {"description: Move the boundary.", "description: |\n  Two\n  lines."},
        {"owner: Platform Data\n", ""},
        {"{field: c}", "{lookup: capsules.csv}"},
        {"{field: c}", "{default: DEV}"},
        {"{parent: true}", "{field: c}"},
        {"512MiB", "100MB"},
        {"512MiB", "4096"},
        {"lock_hold_ms: 7", "error_rate_max: 0.01"},
        {"mismatch_max: 0.001", "mismatch_max: 1"},
        {"approvals: 1\n", ""},
        {"\"TENANT#{t}#CONFIG\"", "TENANT#{t}#CONFIG"},
        {"migration:", "# a comment\nmigration:"},
        {"migration:", "---\nmigration:"},
    };
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
        rk_spec_destroy(load_good(variants[i][0], variants[i][1]));
}

/* --- findings --------------------------------------------------------------------------------- */

static void test_all_findings_in_one_run(void **state)
{
    (void)state;
    const char *text = "migration: 202613210900_Move\n"                    /* 1 */
                       "ownr: me\n"                                        /* 2 */
                       "strategy: fast\n"                                  /* 3 */
                       "tenant: t\n"                                       /* 4 */
                       "capsule: {variable: c, allowed: [PROD, PROD]}\n"   /* 5 */
                       "entities:\n"                                       /* 6 */
                       "  A:\n"                                            /* 7 */
                       "    old: T#{t}#A#{a}\n"                            /* 8 */
                       "    new: \"T#{t}#A#{b}\"\n"                        /* 9 */
                       "    capsule: {parent: true, default: DEV}\n"       /* 10 */
                       "  B:\n"                                            /* 11 */
                       "    old: T#{t}#A#{x}\n"                            /* 12 */
                       "    new: \"T#{t}#C#{c}#B#{x}\"\n"                  /* 13 */
                       "    capsule: {field: c}\n"                         /* 14 */
                       "    parent: {entity: Z}\n"                         /* 15 */
                       "limits: {free_space_min: much, lock_hold_ms: 0}\n" /* 16 */
                       "approvals: -1\n";                                  /* 17 */
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    assert_int_equal(load_text("202613210900_Move.yaml", text, NULL, &spec, &findings), RK_INVALID);
    assert_true(has_finding(&findings, 0, 0, "missing key \"database\""));
    assert_true(has_finding(&findings, 1, 12, "expected YYYYMMDDHHMM_slug"));
    assert_true(has_finding(&findings, 2, 1, "did you mean \"owner\""));
    assert_true(has_finding(&findings, 3, 11, "\"fast\" is not one of"));
    assert_true(has_finding(&findings, 5, 40, "\"PROD\" is named twice"));
    assert_true(has_finding(&findings, 9, 10, "A.new: new key is not scoped by capsule"));
    assert_true(has_finding(&findings, 9, 10, "{a} of the old key is not in the new key"));
    assert_true(has_finding(&findings, 9, 10, "both this pattern and A.old"));
    assert_true(has_finding(&findings, 10, 23, "no parent"));
    assert_true(has_finding(&findings, 10, 38, "\"DEV\" is not one of"));
    assert_true(has_finding(&findings, 12, 10, "both this pattern and A.old"));
    assert_true(has_finding(&findings, 15, 22, "unknown entity \"Z\""));
    assert_true(has_finding(&findings, 16, 26, "a size such as"));
    assert_true(has_finding(&findings, 16, 46, "from 1 to 60000"));
    assert_true(has_finding(&findings, 17, 12, "from 0 to 16"));
    for (size_t i = 1; i < findings.count; i++)
        assert_true(findings.items[i - 1].line <= findings.items[i].line);
    rk_findings_fini(&findings);
}

static void test_no_entities(void **state)
{
    (void)state;
    const char *text = "migration: 202611210900_move\nstrategy: move\ndatabase: d\ntenant: t\n"
                       "capsule: {variable: c, allowed: [PROD]}\nentities: {}\n";
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    assert_int_equal(load_text(GOOD_NAME, text, NULL, &spec, &findings), RK_INVALID);
    assert_true(has_finding(&findings, 6, 11, "name at least one entity"));
    assert_int_equal(findings.count, 1);
    rk_findings_fini(&findings);
}

static void test_syntax_error_is_the_only_finding(void **state)
{
    (void)state;
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    const char *text = "ownr: 1\nownr: 2\ntenant: [t\nstrategy: x\n";
    assert_int_equal(load_text(GOOD_NAME, text, NULL, &spec, &findings), RK_INVALID);
    assert_int_equal(findings.count, 1);
    assert_true(findings.items[0].line >= 3);
    rk_findings_fini(&findings);
}

static void test_no_spec_at_all(void **state)
{
    (void)state;
    static const char *const texts[] = {"",           "\n", "# nothing\n", "just words\n",
                                        "- a\n- b\n", "~\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        rk_spec *spec = NULL;
        rk_findings findings = {0};
        assert_int_equal(load_text(GOOD_NAME, texts[i], NULL, &spec, &findings), RK_INVALID);
        assert_int_equal(findings.count, 1);
        assert_true(has_finding(&findings, 0, 0, "holds no mapping"));
        rk_findings_fini(&findings);
    }
}

/* A text of `count` repetitions behind a prefix, to be freed. */
static char *repeat(const char *prefix, const char *part, size_t count)
{
    size_t front = strlen(prefix);
    size_t each = strlen(part);
    char *text = malloc(front + each * count + 1);
    assert_non_null(text);
    memcpy(text, prefix, front + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(text + front + i * each, part, each + 1);
    return text;
}

static void test_limits_of_the_file(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        const char *part;
        size_t count;
        const char *message;
    } cases[] = {
        {"a: 1\n", "# filler line\n", 80000, "the limit is 1048576"},
        {"a: ", "[", 1000, "nested deeper than 16 levels"},
        {"a: ", "[", 1000000, "yaml: "},
        {"a: ", "{b: ", 200000, "yaml: "},
        {"a:\n", "- ", 500000, "yaml: "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = repeat(cases[i].prefix, cases[i].part, cases[i].count);
        rk_spec *spec = NULL;
        rk_findings findings = {0};
        assert_int_equal(load_text(GOOD_NAME, text, NULL, &spec, &findings), RK_INVALID);
        assert_int_equal(findings.count, 1);
        if (strstr(findings.items[0].message, cases[i].message) == NULL)
            fail_msg("case %zu: %s", i, findings.items[0].message);
        rk_findings_fini(&findings);
        free(text);
    }
}

static void test_findings_are_bounded(void **state)
{
    (void)state;
    char *text = repeat("tiers:\n  canary:\n", "    - a#b\n", 2000);
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    assert_int_equal(load_text(GOOD_NAME, text, NULL, &spec, &findings), RK_INVALID);
    assert_int_equal(findings.count, RK_FINDINGS_MAX);
    rk_findings_fini(&findings);
    free(text);
}

/* Keys whose literals alone pass the limit of a key. */
static void test_key_length(void **state)
{
    (void)state;
    char *literal = repeat("\"TENANT#{t}#CAPSULE#{c}#CONFIG", "G", 500);
    size_t length = strlen(literal);
    char *quoted = malloc(length + 2);
    assert_non_null(quoted);
    memcpy(quoted, literal, length);
    memcpy(quoted + length, "\"", 2);
    char *text = spoil("\"TENANT#{t}#CAPSULE#{c}#CONFIG\"", quoted);
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    assert_int_equal(load_text(GOOD_NAME, text, NULL, &spec, &findings), RK_INVALID);
    assert_true(has_finding(&findings, 17, 10, "the limit is 511"));
    rk_findings_fini(&findings);
    free(text);
    free(quoted);
    free(literal);
}

/* --- files ------------------------------------------------------------------------------------ */

static void test_shipped_specs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        rk_strategy strategy;
    } shipped[] = {
        {"202611210900_capsule_isolation", RK_STRATEGY_DUAL_WRITE},
        {"202611210901_capsule_isolation_move", RK_STRATEGY_MOVE},
    };
    for (size_t i = 0; i < sizeof shipped / sizeof shipped[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.yaml", SPECS_FOLDER, shipped[i].name);
        rk_spec_source source = {0};
        rk_spec *spec = NULL;
        rk_findings findings = {0};
        rk_error err = {0};
        assert_int_equal(rk_spec_source_read(path, &source, &err), RK_OK);
        if (rk_spec_load(&source, SPECS_FOLDER, &spec, &findings, &err) != RK_OK)
            fail_msg("%s", err.message);
        assert_string_equal(spec->migration, shipped[i].name);
        assert_int_equal(spec->strategy, shipped[i].strategy);
        assert_int_equal(spec->entity_count, 6);
        assert_int_equal(spec->level_count, 3);
        assert_int_equal(spec->allowed_count, 4);
        assert_int_equal(spec->canary_count, 2);
        assert_int_equal(spec->approvals, 0);
        rk_spec_destroy(spec);
        rk_findings_fini(&findings);
        rk_spec_source_fini(&source);
    }
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    rk_spec_source source = {0};
    rk_error err = {0};
    assert_int_equal(rk_spec_source_read("no/such/spec.yaml", &source, &err), RK_NOT_FOUND);
    assert_int_equal(rk_spec_source_read(SPECS_FOLDER, &source, &err), RK_IO);
    assert_null(source.name);
    rk_spec_source_fini(&source);
    rk_spec_source_fini(NULL);
    rk_spec_destroy(NULL);
    rk_findings_fini(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_entities),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_parent_variable_in_new_key),
        cmocka_unit_test(test_collides),
        cmocka_unit_test(test_good_variants),
        cmocka_unit_test(test_format_findings),
        cmocka_unit_test(test_value_findings),
        cmocka_unit_test(test_name_findings),
        cmocka_unit_test(test_pattern_findings),
        cmocka_unit_test(test_graph_findings),
        cmocka_unit_test(test_lookup_finds),
        cmocka_unit_test(test_lookup_findings),
        cmocka_unit_test(test_lookup_beside_the_spec),
        cmocka_unit_test(test_all_findings_in_one_run),
        cmocka_unit_test(test_no_entities),
        cmocka_unit_test(test_syntax_error_is_the_only_finding),
        cmocka_unit_test(test_no_spec_at_all),
        cmocka_unit_test(test_limits_of_the_file),
        cmocka_unit_test(test_findings_are_bounded),
        cmocka_unit_test(test_key_length),
        cmocka_unit_test(test_shipped_specs),
        cmocka_unit_test(test_files_that_are_none),
    };
    return cmocka_run_group_tests_name("spec", tests, NULL, NULL);
}
