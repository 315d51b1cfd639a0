#include "bench/contracts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CAPSULE    "PRODUS"
#define ENTITY     "Contract"
#define ID         "contract_id"
#define BUSY_TRIES 1000

void bench_fail(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

static int digits_of(unsigned number)
{
    int digits = 1;
    for (; number >= 10; number /= 10)
        digits++;
    return digits;
}

void bench_contract_make(uint64_t number, unsigned tenants, bench_contract *out)
{
    uint64_t spread = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    unsigned tenant = 1 + (unsigned)(spread >> 32) % tenants;
    snprintf(out->tenant, sizeof out->tenant, "tenant-%0*u", digits_of(tenants) % 16, tenant);
    snprintf(out->id, sizeof out->id, "put-%016" PRIx64, spread);
    snprintf(out->value, sizeof out->value,
             "{\"capsule_id\":\"" CAPSULE "\",\"" ID "\":\"%s\",\"account_id\":\"account-%04u\","
             "\"number\":%" PRIu64 ",\"note\":\"%0100d\"}",
             out->id, (unsigned)(number % 1000), number, 0);
}

void bench_contract_put(rk_client *client, const bench_contract *contract)
{
    rk_scope scope = {rk_slice_str(contract->tenant), rk_slice_str(CAPSULE)};
    rk_id id = {ID, rk_slice_str(contract->id)};
    rk_error err = {0};
    rk_status status = RK_BUSY;
    for (int tries = 0; status == RK_BUSY && tries < BUSY_TRIES; tries++)
        status = rk_client_put(client, &scope, ENTITY, &id, 1, rk_slice_str(contract->value), &err);
    if (status != RK_OK)
        bench_fail("put", err.message);
}

void bench_contract_check(rk_client *client, const bench_contract *contract)
{
    rk_scope scope = {rk_slice_str(contract->tenant), rk_slice_str(CAPSULE)};
    rk_id id = {ID, rk_slice_str(contract->id)};
    rk_value value = {0};
    rk_error err = {0};
    rk_status status = rk_client_get(client, &scope, ENTITY, &id, 1, &value, &err);
    if (status != RK_OK)
        bench_fail(contract->id, status == RK_NOT_FOUND ? "was put and is gone" : err.message);
    if (!rk_slice_equal(value.bytes, rk_slice_str(contract->value)))
        bench_fail(contract->id, "has another value than was put");
    rk_value_fini(&value);
}
