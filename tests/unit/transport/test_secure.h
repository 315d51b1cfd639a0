/* test_secure.h: the tests of established sessions and of the worked example, run by
 * test_secure.c. Each returns how many failed. */
#ifndef REKEY_TESTS_TRANSPORT_SECURE_H
#define REKEY_TESTS_TRANSPORT_SECURE_H

int test_secure_frames(void);
int test_secure_example(void);

#endif
