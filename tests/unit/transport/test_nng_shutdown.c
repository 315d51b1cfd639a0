/* Shutting down under load, many times. */
#include "contract.h"
#include "place.h"

#include "transport/nng.h"

int main(void)
{
    place here;
    place_make(&here);
    const contract_backend tcp = {
        .open = rk_nng_open, .url = "tcp://127.0.0.1:0", .stuck = rk_nng_stuck};
    const contract_backend ipc = {.open = rk_nng_open, .url = here.url, .stuck = rk_nng_stuck};
    int failed = contract_run_shutdowns("tcp shutdowns", &tcp);
    failed += contract_run_shutdowns("ipc shutdowns", &ipc);
    place_remove(&here);
    return failed;
}
