/* Reports of inspections, quarantines and audit logs: how those of nodes add up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rekey/report/report.h"
#include "tests/unit/json_text.h"

static void must_be(json_t *is, const char *expected)
{
    json_must_equal(is, json_of(expected));
}

/* --- inspect ---------------------------------------------------------------------------------- */

#define SHAPE(text, n) "{'shape': '" text "', 'records': " #n ", 'bytes': 10}"

static const char first_store[] =
    "{'draft': 'not printed', 'tables': ["
    "{'name': 'a', 'kind': 'records', 'entries': 5, 'bytes': 50, 'shapes': [" SHAPE(
        "X#{x}",
        3) "," SHAPE("Y#{y}",
                     2) "]},"
                        "{'name': 'i', 'kind': 'index', 'entries': 1, 'bytes': 5, 'shapes': []}]}";
static const char second_store[] =
    "{'tables': ["
    "{'name': 'a', 'kind': 'records', 'entries': 10, 'bytes': 90, 'shapes': [" SHAPE(
        "Y#{y}",
        6) "," SHAPE("Z#{z}",
                     4) "], 'left_out': 2},"
                        "{'name': 'i', 'kind': 'index', 'entries': 2, 'bytes': 5, 'shapes': [], "
                        "'index_of': 'a'},"
                        "{'name': 'i', 'kind': 'other', 'entries': 7, 'bytes': 5, 'shapes': []}]}";

static void test_shapes_add_up(void **state)
{
    (void)state;
    json_t *a = json_of(first_store);
    json_t *b = json_of(second_store);
    rk_report_part parts[] = {{"n1", a}, {"n2", b}};
    json_t *sum = rk_report_inspect_merge(parts, 2, NULL);
    must_be(rk_report_inspect_unseen(sum, a), "[{'table': 'a', 'shape': 'Z#{z}', 'records': 4}]");
    must_be(
        sum,
        "{'tables': [{'name': 'a', 'kind': 'records', 'entries': 15, 'bytes': 140, 'shapes': ["
        "{'shape': 'Y#{y}', 'records': 8, 'bytes': 20}," SHAPE("Z#{z}", 4) "," SHAPE(
            "X#{x}", 3) "], 'left_out': 2},"
                        "{'name': 'i', 'kind': 'index', 'entries': 3, 'bytes': 10, 'shapes': [],"
                        " 'index_of': 'a'},"
                        "{'name': 'i', 'kind': 'other', 'entries': 7, 'bytes': 5, 'shapes': []}],"
                        " 'nodes': [{'name': 'n1', 'records': 5}, {'name': 'n2', 'records': 10}]}");
    json_decref(a);
    json_decref(b);
}

static void test_shapes_fit(void **state)
{
    (void)state;
    json_t *report = json_of(second_store);
    rk_report_inspect_fit(report, 1 << 20);
    must_be(json_incref(report), second_store);
    rk_report_inspect_fit(report, json_dumpb(report, NULL, 0, JSON_COMPACT) - 1);
    const json_t *table = json_array_get(json_object_get(report, "tables"), 0);
    must_be(json_incref(json_object_get(table, "shapes")), "[" SHAPE("Y#{y}", 6) "]");
    assert_int_equal(json_integer_value(json_object_get(table, "left_out")), 6);
    rk_report_inspect_fit(report, 0);
    assert_int_equal(json_array_size(json_object_get(table, "shapes")), 0);
    assert_int_equal(json_integer_value(json_object_get(table, "left_out")), 12);
    json_decref(report);
}

/* --- quarantine ------------------------------------------------------------------------------- */

static void test_quarantines(void **state)
{
    (void)state;
    json_t *a = json_of("[{'key': 'x'}]");
    json_t *b = json_of("[{'key': 'y'}, {'key': 'z'}]");
    rk_report_part parts[] = {{"n1", a}, {"n2", b}};
    must_be(rk_report_quarantine_merge(parts, 2),
            "[{'key': 'x', 'node': 'n1'}, {'key': 'y', 'node': 'n2'}, {'key': 'z', 'node': 'n2'}]");
    json_decref(a);
    json_decref(b);
}

/* --- audit ------------------------------------------------------------------------------------ */

#define ENTRY(number, time) "{'number': " #number ", 'time': '2026-11-21T00:00:0" #time "Z'}"

static void must_order(const json_t *sum, const char *expected)
{
    char order[64] = "";
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(sum, "entries"), i, entry)
    {
        strncat(order, json_string_value(json_object_get(entry, "node")),
                sizeof order - strlen(order) - 1);
    }
    assert_string_equal(order, expected);
}

/* By time; but a log is a chain, also where its clock went back. */
static void test_logs_by_time(void **state)
{
    (void)state;
    json_t *a = json_of("{'entries': [" ENTRY(1, 1) "," ENTRY(2, 5) "," ENTRY(
        3, 2) "], 'head': {'number': 3}, 'whole': true}");
    json_t *b = json_of("{'entries': [" ENTRY(1, 1) "," ENTRY(2, 3) "], 'head': {'number': 2},"
                                                                    " 'whole': true}");
    json_t *c = json_of("{'entries': [], 'head': {'number': 0}}");
    rk_report_part parts[] = {{"a", a}, {"b", b}, {"c", c}};
    json_t *sum = rk_report_audit_merge(parts, 2);
    must_order(sum, "abbaa");
    assert_true(json_is_true(json_object_get(sum, "whole")));
    json_decref(sum);
    sum = rk_report_audit_merge(parts, 3);
    must_order(sum, "abbaa");
    assert_null(json_object_get(sum, "whole"));
    must_be(json_incref(json_object_get(sum, "nodes")),
            "[{'name': 'a', 'head': {'number': 3}, 'whole': true},"
            " {'name': 'b', 'head': {'number': 2}, 'whole': true},"
            " {'name': 'c', 'head': {'number': 0}}]");
    json_decref(sum);
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

static void test_pages(void **state)
{
    (void)state;
    json_t *report = json_of("{'entries': [{'number': 1}], 'head': {'number': 1}, 'whole': true}");
    rk_report_audit_append(report, json_of("{'entries': [{'number': 2}], 'head': {'number': 2}}"));
    must_be(report, "{'entries': [{'number': 1}, {'number': 2}], 'head': {'number': 2},"
                    " 'whole': true}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_add_up), cmocka_unit_test(test_shapes_fit),
        cmocka_unit_test(test_quarantines),   cmocka_unit_test(test_logs_by_time),
        cmocka_unit_test(test_pages),
    };
    return cmocka_run_group_tests_name("report_looks", tests, NULL, NULL);
}
