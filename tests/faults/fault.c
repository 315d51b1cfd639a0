#include "rekey/base/fault.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW_NS     40000000
#define WINDOW_ONE_IN 4

bool rk_fault(const char *name)
{
    const char *planted = getenv("REKEY_FAULT");
    return planted && strcmp(planted, name) == 0;
}

void rk_fault_window(const char *name)
{
    static unsigned calls;
    struct timespec time = {.tv_nsec = WINDOW_NS};
    if (rk_fault(name) && calls++ % WINDOW_ONE_IN == 0)
        nanosleep(&time, NULL);
}
