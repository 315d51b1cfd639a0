/* Reports of a search: how they fit a message, what is printed, and how nodes' add up. */
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

#define TENANT(name, n)                                                                            \
    "{'tenant': '" name "', 'found': " #n ", 'entities': [{'name': 'Contract', 'count': " #n       \
    "}], 'samples': ['TENANT#" name "#CONTRACT#1']}"
#define REPORT(phase, registered, first, unlisted, tenants)                                        \
    "{'migration': 'm', 'clean': false, 'phase': '" phase "', 'registered': " registered           \
    ", 'records': 10, 'index_entries': 4, 'unmatched': 1, 'cases': ["                              \
    "{'name': 'mixed', 'claim': 'none is', 'found': " #first ", 'unlisted': " #unlisted            \
    ", 'tenants': [" tenants "]},"                                                                 \
    "{'name': 'other', 'claim': 'no other', 'found': 0, 'unlisted': 0, 'tenants': []}]}"

static void test_public(void **state)
{
    (void)state;
    json_t *report = json_of(REPORT("old", "true", 5, 0, TENANT("a", 2) "," TENANT("b", 3)));
    json_t *before = json_deep_copy(report);
    json_t *printed = rk_report_search_public(report);
    json_t *first = json_array_get(json_object_get(printed, "cases"), 0);
    json_must_equal(json_incref(json_object_get(first, "samples")),
                    json_of("['TENANT#a#CONTRACT#1', 'TENANT#b#CONTRACT#1']"));
    assert_null(json_object_get(json_array_get(json_object_get(first, "tenants"), 0), "samples"));
    json_must_equal(report, before); /* untouched */
    json_decref(printed);
}

static void test_merge(void **state)
{
    (void)state;
    json_t *reports[] = {
        json_of(REPORT("flipped", "true", 5, 1, TENANT("a", 4))),
        json_of(REPORT("dual_write", "false", 2, 0, TENANT("b", 2))),
    };
    rk_report_part parts[] = {{"n1", reports[0]}, {"n2", reports[1]}};
    json_t *sum = rk_report_search_merge(parts, 2, NULL);
    json_t *cases = json_object_get(sum, "cases");
    json_t *tenants = json_object_get(json_array_get(cases, 0), "tenants");
    assert_int_equal(json_integer_value(json_object_get(sum, "records")), 20);
    assert_int_equal(json_integer_value(json_object_get(sum, "index_entries")), 8);
    assert_int_equal(json_integer_value(json_object_get(sum, "unmatched")), 2);
    assert_string_equal(json_string_value(json_object_get(sum, "phase")), "dual_write");
    assert_true(json_is_false(json_object_get(sum, "registered")));
    assert_true(json_is_false(json_object_get(sum, "clean")));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(cases, 0), "found")), 7);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(cases, 0), "unlisted")), 1);
    assert_int_equal(json_array_size(tenants), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(tenants, 1), "node")),
                        "n2");
    json_must_equal(
        json_incref(json_object_get(sum, "nodes")),
        json_of("[{'name': 'n1', 'phase': 'flipped', 'registered': true, 'records': 10,"
                " 'found': 5}, {'name': 'n2', 'phase': 'dual_write', 'registered': false,"
                " 'records': 10, 'found': 2}]"));
    json_decref(sum);
    json_decref(reports[0]);
    json_decref(reports[1]);
}

static void test_clean_where_all_are(void **state)
{
    (void)state;
    json_t *report = json_of(REPORT("done", "true", 0, 0, ""));
    rk_report_part parts[] = {{"n1", report}, {"n2", report}};
    json_t *sum = rk_report_search_merge(parts, 2, NULL);
    assert_true(json_is_true(json_object_get(sum, "clean")));
    assert_true(json_is_true(json_object_get(sum, "registered")));
    json_decref(sum);
    json_decref(report);
}

/* Nodes send what they like. */
static void test_what_cannot_be_understood(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "[]",
        "17",
        "{'cases': 17}",
        "{'cases': []}",
        "{'cases': [{'name': 'mixed'}]}",
        "{'cases': [{'name': 'other'}, {'name': 'mixed'}]}",
    };
    json_t *good = json_of(REPORT("done", "true", 0, 0, ""));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rk_error err = {0};
        json_t *report = i == 2 ? json_integer(17) : json_of(bad[i]);
        rk_report_part parts[] = {{"n1", good}, {"n2", report}};
        assert_null(rk_report_search_merge(parts, 2, &err));
        assert_non_null(strstr(err.message, "n2"));
        json_decref(report);
    }
    json_t *odd = json_of("{'records': -5, 'cases': [{'name': 'mixed', 'found': 'x', 'tenants': 7},"
                          " {'name': 'other', 'found': 9223372036854775807}]}");
    rk_report_part parts[] = {{"n1", odd}, {"n2", odd}};
    json_t *sum = rk_report_search_merge(parts, 2, NULL);
    assert_int_equal(json_integer_value(json_object_get(sum, "records")), 0);
    json_t *second = json_array_get(json_object_get(sum, "cases"), 1);
    assert_true(json_integer_value(json_object_get(second, "found")) == INT64_MAX);
    json_decref(sum);
    json_decref(odd);
    json_decref(good);
}

static void test_fit(void **state)
{
    (void)state;
    enum { TENANTS = 1000 };
    json_t *report = json_of(REPORT("old", "true", 3000, 0, ""));
    json_t *first = json_array_get(json_object_get(report, "cases"), 0);
    for (int i = 0; i < TENANTS; i++) {
        char name[32];
        snprintf(name, sizeof name, "tenant-%d", i);
        json_array_append_new(json_object_get(first, "tenants"),
                              json_pack("{s:s, s:i}", "tenant", name, "found", 3));
    }
    size_t whole = json_dumpb(report, NULL, 0, JSON_COMPACT);
    rk_report_search_fit(report, whole);
    assert_int_equal(json_array_size(json_object_get(first, "tenants")), TENANTS);
    static const size_t limits[] = {20000, 5000, 1000, 0};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        rk_report_search_fit(report, limits[i]);
        size_t kept = json_array_size(json_object_get(first, "tenants"));
        assert_int_equal(json_integer_value(json_object_get(first, "unlisted")),
                         3 * (TENANTS - kept));
        assert_true(kept == 0 || json_dumpb(report, NULL, 0, JSON_COMPACT) <= limits[i]);
        assert_true(i > 0 || kept > 100);
    }
    assert_int_equal(json_integer_value(json_object_get(first, "found")), 3000);
    json_decref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_clean_where_all_are),
        cmocka_unit_test(test_what_cannot_be_understood),
        cmocka_unit_test(test_fit),
    };
    return cmocka_run_group_tests_name("report_search", tests, NULL, NULL);
}
