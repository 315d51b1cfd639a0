/* The suite's tests that live outside spec_test.c. */
#ifndef REKEY_TESTS_UNIT_SPEC_LINT_TEST_H
#define REKEY_TESTS_UNIT_SPEC_LINT_TEST_H

void test_format_findings(void **state);
void test_value_findings(void **state);
void test_name_findings(void **state);
void test_pattern_findings(void **state);
void test_graph_findings(void **state);

void test_lookup_finds(void **state);
void test_lookup_findings(void **state);
void test_lookup_beside_the_spec(void **state);

#endif
