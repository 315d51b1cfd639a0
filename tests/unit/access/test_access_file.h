/* test_access_file.h: the tests of the file itself, run by test_access.c. */
#ifndef REKEY_TESTS_ACCESS_FILE_H
#define REKEY_TESTS_ACCESS_FILE_H

/* A group; returns how many failed. */
int test_access_file(void);

#endif
