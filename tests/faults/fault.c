#include "rekey/base/fault.h"

#include <stdlib.h>
#include <string.h>

bool rk_fault(const char *name)
{
    const char *planted = getenv("REKEY_FAULT");
    return planted && strcmp(planted, name) == 0;
}
