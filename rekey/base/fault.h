/* fault.h: places where the tests plant a bug, to show that they would see it.
 *
 * In every build but that of tests/faults, rk_fault is a constant false and leaves no code behind.
 * There it is true where $REKEY_FAULT has this name; tests/faults/README.md lists the names.
 */
#ifndef REKEY_BASE_FAULT_H
#define REKEY_BASE_FAULT_H

#include <stdbool.h>

#ifdef REKEY_FAULTS
bool rk_fault(const char *name);
void rk_fault_window(const char *name);
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
#endif

#endif
