/* test_edit.h: the tests of insert and strip, run by test_json.c. */
#ifndef REKEY_TESTS_RECORD_EDIT_H
#define REKEY_TESTS_RECORD_EDIT_H

/* A group; returns how many failed. */
int test_edit(void);

#endif
