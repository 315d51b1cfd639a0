#include <rekey/version.h>

const char *rk_version(void)
{
    return RK_VERSION;
}
