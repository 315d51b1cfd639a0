/* bare_commit: what one durable commit costs on this disk, without rekey.
 *
 * Puts one record of about 200 bytes a transaction into a table of an LMDB environment, under keys
 * spread over its tenants, one transaction after the other.
 *
 *     bare_commit DIR TABLE SECONDS      prints one JSON object
 */
#include <lmdb.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bare_env.h"
#include "bench/samples.h"

#define VALUE_BYTES 200

static void put_one(MDB_env *env, MDB_dbi dbi, uint64_t number)
{
    char text[64];
    char bytes[VALUE_BYTES] = {0};
    int len = snprintf(text, sizeof text, "TENANT#tenant-%03u#CONTRACT#bare-%08" PRIu64,
                       (unsigned)(1 + number % 100), number);
    MDB_val key = {(size_t)len, text};
    MDB_val value = {sizeof bytes, bytes};
    MDB_txn *txn;
    bare_check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    bare_check(mdb_put(txn, dbi, &key, &value, 0), "put");
    bare_check(mdb_txn_commit(txn), "commit");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bare_commit DIR TABLE SECONDS\n");
        return 64;
    }
    MDB_env *env = bare_env_open(argv[1], 0);
    MDB_dbi dbi = bare_table_open(env, argv[2]);
    bench_samples samples = {0};
    uint64_t start = bench_now_ns();
    uint64_t end = start + (uint64_t)(strtod(argv[3], NULL) * 1e9);
    uint64_t now = start;
    do {
        put_one(env, dbi, samples.count);
        uint64_t after = bench_now_ns();
        bench_samples_add(&samples, after - now);
        now = after;
    } while (now < end);
    mdb_env_close(env);
    bench_samples_print(&samples, (double)(now - start) / 1e9, 0, true);
    bench_samples_fini(&samples);
    return 0;
}
