/* test_bytes.h: the tests of bytes.h, run by test_base.c. */
#ifndef REKEY_TESTS_BASE_BYTES_H
#define REKEY_TESTS_BASE_BYTES_H

/* A group; returns how many failed. */
int test_bytes(void);

#endif
