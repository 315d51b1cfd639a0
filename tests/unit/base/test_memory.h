/* test_memory.h: the tests of buf and arena, run by test_base.c. */
#ifndef REKEY_TESTS_BASE_MEMORY_H
#define REKEY_TESTS_BASE_MEMORY_H

/* A group; returns how many failed. */
int test_memory(void);

#endif
