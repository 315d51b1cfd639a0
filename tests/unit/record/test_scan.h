/* test_scan.h: the tests of strings byte by byte, run by test_json.c. */
#ifndef REKEY_TESTS_RECORD_SCAN_H
#define REKEY_TESTS_RECORD_SCAN_H

/* A group; returns how many failed. */
int test_scan(void);

#endif
