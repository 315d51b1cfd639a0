/* Reports of several nodes add up to one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rekey/report/report.h"
#include "tests/unit/json_text.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define PARTS_MAX    4

/* --- a report of a node ----------------------------------------------------------------------- */

static const char one_status[] =
    "{'migration': 'm', 'phase': 'flipped', 'epoch': 7,"
    " 'tiers': {'canary': 'flipped', 'production': 'flipped'},"
    " 'entities': [{'name': 'Contract', 'done': 3, 'total': 4}, {'name': 'Item', 'done': 1,"
    " 'total': 1}],"
    " 'quarantined': 1, 'shadowed': 2, 'comparisons': {'compared': 10, 'different': 1},"
    " 'running': false, 'last_verify': {'clean': true, 'stale': false}, 'stopped_by': null}";

static const char other_status[] =
    "{'migration': 'm', 'phase': 'dual_write', 'epoch': 5,"
    " 'tiers': {'production': 'dual_write'},"
    " 'entities': [{'name': 'Item', 'done': 10, 'total': 20}, {'name': 'Only', 'done': 1,"
    " 'total': 2}],"
    " 'quarantined': 4, 'shadowed': 8, 'comparisons': {'compared': 5, 'different': 0},"
    " 'running': true, 'last_verify': {'clean': false, 'stale': true}, 'stopped_by': 'errors',"
    " 'later': 6, 'promised': {'decision': 'd'}}";

static json_t *merge(json_t *(*how)(const rk_report_part *, size_t, rk_error *), size_t count,
                     const char *const texts[], rk_error *err)
{
    static const char *const names[PARTS_MAX] = {"n1", "n2", "n3", "n4"};
    rk_report_part parts[PARTS_MAX] = {{NULL, NULL}};
    for (size_t i = 0; i < count; i++)
        parts[i] = (rk_report_part){names[i], texts[i] ? json_of(texts[i]) : NULL};
    json_t *sum = how(parts, count, err);
    for (size_t i = 0; i < count; i++) /* the parts stay as they are */
        if (texts[i]) {
            json_t *again = json_of(texts[i]);
            assert_true(json_equal(again, parts[i].report));
            json_decref(again);
            json_decref((json_t *)(uintptr_t)parts[i].report);
        }
    return sum;
}

/* Every member that `expected` has; others may be there. */
static void must_have(const json_t *sum, const char *expected)
{
    const char *name;
    json_t *value;
    json_t *object = json_of(expected);
    json_object_foreach(object, name, value)
    {
        const json_t *there = json_object_get(sum, name);
        if (json_equal(there, value))
            continue;
        char *is = json_dumps(there, JSON_ENCODE_ANY);
        fail_msg("%s is %s", name, is ? is : "not there");
    }
    json_decref(object);
}

static json_t *must_merge(json_t *(*how)(const rk_report_part *, size_t, rk_error *), size_t count,
                          const char *const texts[])
{
    rk_error err = {0};
    json_t *sum = merge(how, count, texts, &err);
    if (!sum)
        fail_msg("%s", err.message);
    assert_string_equal(err.message, "");
    return sum;
}

/* --- status ----------------------------------------------------------------------------------- */

/* In whichever order the nodes are. */
static void test_status(void **state)
{
    (void)state;
    static const char *const texts[][2] = {{one_status, other_status}, {other_status, one_status}};
    for (size_t i = 0; i < COUNT(texts); i++) {
        json_t *sum = must_merge(rk_report_status_merge, 2, texts[i]);
        must_have(sum, "{'migration': 'm', 'phase': 'dual_write', 'epoch': 7,"
                       " 'tiers': {'canary': 'flipped', 'production': 'dual_write'},"
                       " 'quarantined': 5, 'shadowed': 10, 'later': 6,"
                       " 'comparisons': {'compared': 15, 'different': 1}, 'running': true,"
                       " 'last_verify': {'clean': false, 'stale': true}, 'stopped_by': 'errors'}");
        assert_int_equal(json_array_size(json_object_get(sum, "entities")), 3);
        json_decref(sum);
    }
}

static void test_status_rows(void **state)
{
    (void)state;
    static const char *const texts[] = {one_status, other_status, one_status};
    json_t *sum = must_merge(rk_report_status_merge, 3, texts);
    must_have(sum, "{'entities': [{'name': 'Contract', 'done': 6, 'total': 8},"
                   " {'name': 'Item', 'done': 12, 'total': 22},"
                   " {'name': 'Only', 'done': 1, 'total': 2}]}");
    json_decref(sum);
}

static void test_status_nodes(void **state)
{
    (void)state;
    static const char *const texts[] = {one_status, other_status, "{'migration': 'm'}"};
    json_t *sum = must_merge(rk_report_status_merge, 3, texts);
    must_have(sum,
              "{'nodes': ["
              "{'name': 'n1', 'phase': 'flipped', 'epoch': 7, 'running': false,"
              " 'stopped_by': null},"
              "{'name': 'n2', 'phase': 'dual_write', 'epoch': 5, 'running': true,"
              " 'stopped_by': 'errors', 'promised': {'decision': 'd'}},"
              "{'name': 'n3', 'phase': '', 'epoch': 0, 'running': null, 'stopped_by': null}]}");
    json_decref(sum);
}

static void test_status_of_one(void **state)
{
    (void)state;
    static const char *const texts[] = {one_status};
    json_t *sum = must_merge(rk_report_status_merge, 1, texts);
    json_t *alone = json_of(one_status);
    json_object_del(sum, "nodes");
    assert_true(json_equal(sum, alone));
    json_decref(alone);
    json_decref(sum);
}

/* clean where all are, stale where any is. */
static void test_flags(void **state)
{
    (void)state;
    static const char *const verdicts[] = {
        "{'migration': 'm', 'running': false, 'last_verify': {'clean': true, 'stale': false}}",
        "{'migration': 'm', 'running': false, 'last_verify': {'clean': false, 'stale': false}}",
        "{'migration': 'm', 'running': true, 'last_verify': {'clean': true, 'stale': true}}"};
    static const char *const sums[3][3] = {
        {"{'clean': true, 'stale': false}", "{'clean': false, 'stale': false}",
         "{'clean': true, 'stale': true}"},
        {"{'clean': false, 'stale': false}", "{'clean': false, 'stale': false}",
         "{'clean': false, 'stale': true}"},
        {"{'clean': true, 'stale': true}", "{'clean': false, 'stale': true}",
         "{'clean': true, 'stale': true}"}};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            const char *const texts[] = {verdicts[i], verdicts[j]};
            json_t *sum = must_merge(rk_report_status_merge, 2, texts);
            json_t *verdict = json_of(sums[i][j]);
            assert_true(json_equal(json_object_get(sum, "last_verify"), verdict));
            assert_int_equal(json_is_true(json_object_get(sum, "running")), i == 2 || j == 2);
            json_decref(verdict);
            json_decref(sum);
        }
    }
}

/* --- verification ----------------------------------------------------------------------------- */

static const char clean_verify[] =
    "{'migration': 'm', 'clean': true, 'entities': [{'name': 'Item', 'old': 5, 'matched': 5}],"
    " 'indexes': [{'name': 'gsi1', 'expected': 2}], 'orphans': 0, 'isolation_violations': 0,"
    " 'quarantined': 1, 'samples': [], 'differences': 0}";

static const char dirty_verify[] =
    "{'migration': 'm', 'clean': false, 'entities': [{'name': 'Item', 'old': 7, 'matched': 6}],"
    " 'indexes': [{'name': 'gsi2', 'expected': 3}], 'orphans': 2, 'isolation_violations': 3,"
    " 'quarantined': 4, 'samples': [{'entity': 'Item', 'key': 'k', 'problem': 'missing'}],"
    " 'differences': 6}";

static void test_verify(void **state)
{
    (void)state;
    static const char *const texts[] = {clean_verify, dirty_verify};
    json_t *sum = must_merge(rk_report_verify_merge, 2, texts);
    must_have(sum, "{'migration': 'm', 'clean': false,"
                   " 'entities': [{'name': 'Item', 'old': 12, 'matched': 11}],"
                   " 'indexes': [{'name': 'gsi1', 'expected': 2}, {'name': 'gsi2', 'expected': 3}],"
                   " 'orphans': 2, 'isolation_violations': 3, 'quarantined': 5, 'differences': 6,"
                   " 'samples': [{'entity': 'Item', 'key': 'k', 'problem': 'missing',"
                   " 'node': 'n2'}]}");
    json_decref(sum);
    static const char *const clean[] = {clean_verify, clean_verify};
    sum = must_merge(rk_report_verify_merge, 2, clean);
    assert_true(json_is_true(json_object_get(sum, "clean")));
    json_decref(sum);
}

static void test_samples(void **state)
{
    (void)state;
    json_t *many = json_of("{'migration': 'm', 'clean': false}");
    json_t *samples = json_array();
    for (int i = 0; i < RK_VERIFY_SAMPLES_MAX - 5; i++)
        json_array_append_new(samples, json_pack("{s:i}", "key", i));
    json_object_set_new(many, "samples", samples);
    const rk_report_part parts[] = {{"n1", many}, {"n2", many}};
    json_t *sum = rk_report_verify_merge(parts, 2, NULL);
    const json_t *all = json_object_get(sum, "samples");
    assert_int_equal(json_array_size(all), RK_VERIFY_SAMPLES_MAX);
    const json_t *last = json_array_get(all, RK_VERIFY_SAMPLES_MAX - 1);
    assert_string_equal(json_string_value(json_object_get(last, "node")), "n2");
    assert_int_equal(json_integer_value(json_object_get(last, "key")), 4);
    json_decref(sum);
    json_decref(many);
}

/* --- what does not add up --------------------------------------------------------------------- */

static void must_refuse(size_t count, const char *const texts[], const char *words)
{
    json_t *(*const hows[])(const rk_report_part *, size_t, rk_error *) = {rk_report_status_merge,
                                                                           rk_report_verify_merge};
    for (size_t i = 0; i < COUNT(hows); i++) {
        rk_error err = {0};
        assert_null(merge(hows[i], count, texts, &err));
        if (!strstr(err.message, words))
            fail_msg("%s", err.message);
        assert_null(merge(hows[i], count, texts, NULL));
    }
}

static void test_two_migrations(void **state)
{
    (void)state;
    static const char *const texts[] = {one_status, one_status,
                                        "{'migration': 'another', 'phase': 'old'}"};
    must_refuse(3, texts, "node n3 has migration another, node n1 has m");
}

static void test_what_is_no_report(void **state)
{
    (void)state;
    static const char *const none[] = {one_status, NULL};
    static const char *const empty[] = {one_status, "{}"};
    static const char *const both[] = {NULL, NULL};
    static const char *const list[] = {one_status, "['migration']"};
    must_refuse(2, none, "node n2 sends a report that cannot be understood");
    must_refuse(2, empty, "node n2");
    must_refuse(2, list, "node n2");
    must_refuse(2, both, "node n1");
    must_refuse(0, NULL, "no node");
}

/* Members of another type than they should be, and counts that nobody can have. */
static void test_strange_members(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{'migration': 'm', 'epoch': 3, 'quarantined': 9223372036854775807, 'entities': {},"
        " 'tiers': [], 'samples': [1, 'two', {}], 'clean': true}",
        "{'migration': 'm', 'epoch': 'x', 'quarantined': 9223372036854775807, 'shadowed': -4,"
        " 'entities': [1, [], {'done': 1}], 'tiers': {'production': 5}, 'phase': 'strange',"
        " 'comparisons': 5, 'last_verify': [], 'samples': 'no', 'clean': 1}"};
    json_t *sum = must_merge(rk_report_status_merge, 2, texts);
    must_have(sum, "{'quarantined': 9223372036854775807, 'epoch': 3}");
    json_decref(sum);
    sum = must_merge(rk_report_verify_merge, 2, texts);
    must_have(sum, "{'quarantined': 9223372036854775807, 'clean': false}");
    json_decref(sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_rows),
        cmocka_unit_test(test_status_nodes),
        cmocka_unit_test(test_status_of_one),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_two_migrations),
        cmocka_unit_test(test_what_is_no_report),
        cmocka_unit_test(test_strange_members),
    };
    return cmocka_run_group_tests_name("report_merge", tests, NULL, NULL);
}
