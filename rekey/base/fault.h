/* fault.h: places where the tests plant a bug, to show that they would see it.
 *
 * In every build but that of tests/faults, rk_fault is a constant false and leaves no code behind.
 * There it is true where $REKEY_FAULT has this name; tests/faults/README.md lists the names.
 */
#ifndef REKEY_BASE_FAULT_H
#define REKEY_BASE_FAULT_H

#include <stdbool.h>

#include <rekey/slice.h>

#ifdef REKEY_FAULTS
bool rk_fault(const char *name);
void rk_fault_window(const char *name);
rk_slice rk_fault_bend(rk_slice bytes);
const char *rk_fault_word(const char *name, const char *word);
#else
static inline bool rk_fault(const char *name)
{
    (void)name;
    return false;
}

/* Where the bug of this name needs bad luck: waits there now and then. */
static inline void rk_fault_window(const char *name)
{
    (void)name;
}
/* Where ids come in: the bugs that take bytes for text. */
static inline rk_slice rk_fault_bend(rk_slice bytes)
{
    return bytes;
}
/* $REKEY_FAULT_WORD in place of the word where the bug of this name is planted. */
static inline const char *rk_fault_word(const char *name, const char *word)
{
    (void)name;
    return word;
}
#endif

#endif
