/* suites.h: the suites that test_cluster.c's main runs besides its own. */
#ifndef REKEY_TESTS_UNIT_CLUSTER_SUITES_H
#define REKEY_TESTS_UNIT_CLUSTER_SUITES_H

#include "rekey/cluster/cluster.h"

/* Each returns how many of its tests failed. */
int test_node_file(void);
int test_place(void);

/* Whether one of the findings holds this text as "line:column: message"; prints them if not. */
bool has_finding(const rk_findings *findings, const char *expected);

/* The block of specs/cluster.md that begins with this line, without its four spaces; the caller
 * gives it back with rk_buf_fini. */
void described_example(const char *first_line, rk_buf *out);

#endif
