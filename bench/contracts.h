/* contracts.h: the records that a benchmark's application has, of the entity Contract with the one
 * id contract_id, through the client library. A failure ends the program, as is fit for a
 * benchmark.
 */
#ifndef BENCH_CONTRACTS_H
#define BENCH_CONTRACTS_H

#include <rekey/client.h>

#include <stdint.h>

/* Record `number`: the same in every run, and neighbours far apart in key order. */
typedef struct bench_contract {
    char tenant[64];
    char id[32];
    char value[256]; /* 200 bytes, give or take */
} bench_contract;

void bench_contract_make(uint64_t number, unsigned tenants, bench_contract *out);

/* Again while it is RK_BUSY: the tries are a part of what the application waits. */
void bench_contract_put(rk_client *client, const bench_contract *contract);

/* Gets it; it must be there, with the value that it was put with. */
void bench_contract_check(rk_client *client, const bench_contract *contract);

void bench_fail(const char *what, const char *why);

#endif
