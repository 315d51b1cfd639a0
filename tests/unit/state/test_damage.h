/* test_damage.h: the groups run by test_state.c; each returns how many failed. */
#ifndef REKEY_TESTS_STATE_DAMAGE_H
#define REKEY_TESTS_STATE_DAMAGE_H

int test_damage(void);
int test_notes(void);

#endif
