/* test_keyfile.h: the tests of keys on disk, run by test_crypto.c. */
#ifndef REKEY_TESTS_CRYPTO_KEYFILE_H
#define REKEY_TESTS_CRYPTO_KEYFILE_H

/* A group; returns how many failed. */
int test_keyfile(void);

#endif
