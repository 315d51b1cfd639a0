#include "rekey/node/refusals.h"

bool rk_refusals_take(rk_refusals *refusals, uint64_t now_ns)
{
    if (refusals->lines == 0 || now_ns - refusals->began_ns >= RK_REFUSALS_NS) {
        refusals->began_ns = now_ns;
        refusals->lines = 0;
    }
    if (refusals->lines < RK_REFUSALS_LINES) {
        refusals->lines++;
        return true;
    }
    if (refusals->untold == 0)
        refusals->untold_ns = now_ns;
    refusals->untold++;
    return false;
}

uint64_t rk_refusals_untold(rk_refusals *refusals, uint64_t now_ns)
{
    uint64_t untold = refusals->untold;
    if (untold == 0 || now_ns - refusals->untold_ns < RK_REFUSALS_NS)
        return 0;
    refusals->untold = 0;
    return untold;
}
