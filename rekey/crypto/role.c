#include "rekey/crypto/role.h"

static const char *const names[] = {
    [RK_ROLE_NONE] = "none", [RK_ROLE_OPERATOR] = "operator", [RK_ROLE_COORDINATOR] = "coordinator",
    [RK_ROLE_NODE] = "node", [RK_ROLE_CLIENT] = "client",
};

const char *rk_role_name(rk_role role)
{
    size_t index = (size_t)role;
    return index < sizeof names / sizeof *names ? names[index] : "unknown";
}

rk_role rk_role_of_name(rk_slice name)
{
    for (int role = RK_ROLE_NONE + 1; role <= RK_ROLE_MAX; role++)
        if (rk_slice_equal(name, rk_slice_str(names[role])))
            return (rk_role)role;
    return RK_ROLE_NONE;
}
