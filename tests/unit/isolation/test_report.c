/* TAP lines and JUnit documents: what is escaped, and what a failure says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "rekey/isolation/report.h"

#define TEXT_BYTES_MAX ((size_t)64 * 1024)

static rk_case_result passed_case(void)
{
    return (rk_case_result){.stage = "flipped",
                            .subject = "Contract",
                            .attack = "get_foreign_id",
                            .passed = true,
                            .took_ns = 1500000};
}

static rk_case_result failed_case(void)
{
    return (rk_case_result){.stage = "done",
                            .subject = "Contract.gsi1",
                            .attack = "query_foreign",
                            .took_ns = 500000,
                            .tried = "a query",
                            .object = "Contract, index gsi1",
                            .why = "it gave <2> rows & \"more\""};
}

static void expect_text(rk_buf *text, const char *expected)
{
    assert_int_equal(rk_buf_append_byte(text, '\0', NULL), RK_OK);
    assert_string_equal((const char *)text->ptr, expected);
    rk_buf_fini(text);
}

static void expect_tap(const rk_case_result *result, const char *expected)
{
    rk_buf text;
    rk_buf_init(&text, TEXT_BYTES_MAX);
    assert_int_equal(rk_report_tap(&text, 7, result, NULL), RK_OK);
    expect_text(&text, expected);
}

static void test_tap(void **state)
{
    (void)state;
    rk_case_result passed = passed_case();
    rk_case_result failed = failed_case();
    expect_tap(&passed, "ok 7 - flipped/Contract/get_foreign_id");
    expect_tap(&failed, "not ok 7 - done/Contract.gsi1/query_foreign\n"
                        "#   tried: a query\n"
                        "#   on: Contract, index gsi1\n"
                        "#   why: it gave <2> rows & \"more\"");
}

/* What could begin another line, or a directive such as `# SKIP`. */
static void test_tap_escapes(void **state)
{
    (void)state;
    rk_case_result passed = passed_case();
    rk_case_result failed = failed_case();
    passed.subject = "a # SKIP\n";
    failed.tried[0] = '\0';
    failed.object[0] = '\0';
    snprintf(failed.why, sizeof failed.why, "two\nok 8 - lines\x1b[0m");
    expect_tap(&passed, "ok 7 - flipped/a \\x23 SKIP\\x0a/get_foreign_id");
    expect_tap(&failed, "not ok 7 - done/Contract.gsi1/query_foreign\n"
                        "#   why: two\\x0aok 8 - lines\\x1b[0m");
}

static void expect_junit(const rk_case_result *results, size_t count, const char *broken,
                         const char *expected)
{
    rk_junit junit;
    rk_buf text;
    rk_junit_init(&junit);
    rk_buf_init(&text, TEXT_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(rk_junit_add(&junit, &results[i], NULL), RK_OK);
    assert_int_equal(rk_junit_write(&junit, "m<1>", broken, &text, NULL), RK_OK);
    rk_junit_fini(&junit);
    expect_text(&text, expected);
}

static void test_junit(void **state)
{
    (void)state;
    rk_case_result results[] = {passed_case(), failed_case()};
    expect_junit(results, 2, NULL,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                 "<testsuites tests=\"2\" failures=\"1\" errors=\"0\" time=\"0.002000\">\n"
                 "  <testsuite name=\"rekey isolation m&lt;1&gt;\" tests=\"2\" failures=\"1\" "
                 "errors=\"0\" time=\"0.002000\">\n"
                 "    <testcase classname=\"flipped.Contract\" name=\"get_foreign_id\" "
                 "time=\"0.001500\"/>\n"
                 "    <testcase classname=\"done.Contract.gsi1\" name=\"query_foreign\" "
                 "time=\"0.000500\">\n"
                 "      <failure message=\"it gave &lt;2&gt; rows &amp; &quot;more&quot;\">"
                 "tried: a query\non: Contract, index gsi1</failure>\n"
                 "    </testcase>\n"
                 "  </testsuite>\n"
                 "</testsuites>\n");
}

/* XML has no character for most control bytes, and not every byte string is UTF-8. */
static void test_junit_escapes(void **state)
{
    (void)state;
    rk_case_result result = passed_case();
    result.subject = "\x01\xff'&";
    expect_junit(&result, 1, NULL,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                 "<testsuites tests=\"1\" failures=\"0\" errors=\"0\" time=\"0.001500\">\n"
                 "  <testsuite name=\"rekey isolation m&lt;1&gt;\" tests=\"1\" failures=\"0\" "
                 "errors=\"0\" time=\"0.001500\">\n"
                 "    <testcase classname=\"flipped.\\x01\\xff'&amp;\" name=\"get_foreign_id\" "
                 "time=\"0.001500\"/>\n"
                 "  </testsuite>\n"
                 "</testsuites>\n");
}

static void test_junit_of_nothing(void **state)
{
    (void)state;
    expect_junit(NULL, 0, "the disk is full",
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                 "<testsuites tests=\"1\" failures=\"0\" errors=\"1\" time=\"0.000000\">\n"
                 "  <testsuite name=\"rekey isolation m&lt;1&gt;\" tests=\"1\" failures=\"0\" "
                 "errors=\"1\" time=\"0.000000\">\n"
                 "    <testcase classname=\"store\" name=\"attack\">\n"
                 "      <error message=\"the disk is full\"/>\n"
                 "    </testcase>\n"
                 "  </testsuite>\n"
                 "</testsuites>\n");
}

static void test_limit(void **state)
{
    (void)state;
    rk_buf text;
    rk_case_result result = passed_case();
    rk_buf_init(&text, 8);
    assert_int_equal(rk_report_tap(&text, 7, &result, NULL), RK_LIMIT);
    rk_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tap),
        cmocka_unit_test(test_tap_escapes),
        cmocka_unit_test(test_junit),
        cmocka_unit_test(test_junit_escapes),
        cmocka_unit_test(test_junit_of_nothing),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests_name("isolation_report", tests, NULL, NULL);
}
