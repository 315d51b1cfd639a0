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

#include "bench/samples.h"

#define MAP_BYTES   ((size_t)64 << 30)
#define VALUE_BYTES 200

static void check(int rc, const char *what)
{
    if (rc == MDB_SUCCESS)
        return;
    fprintf(stderr, "bare_commit: %s: %s\n", what, mdb_strerror(rc));
    exit(1);
}

static void put_one(MDB_env *env, MDB_dbi dbi, uint64_t number)
{
    char text[64];
    char bytes[VALUE_BYTES] = {0};
    int len = snprintf(text, sizeof text, "TENANT#tenant-%03u#CONTRACT#bare-%08" PRIu64,
                       (unsigned)(1 + number % 100), number);
    MDB_val key = {(size_t)len, text};
    MDB_val value = {sizeof bytes, bytes};
    MDB_txn *txn;
    check(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    check(mdb_put(txn, dbi, &key, &value, 0), "put");
    check(mdb_txn_commit(txn), "commit");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: bare_commit DIR TABLE SECONDS\n");
        return 64;
    }
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    check(mdb_env_create(&env), "create environment");
    check(mdb_env_set_maxdbs(env, 16), "set tables");
    check(mdb_env_set_mapsize(env, MAP_BYTES), "set map size");
    check(mdb_env_open(env, argv[1], MDB_NOTLS, 0644), argv[1]);
    check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "begin");
    check(mdb_dbi_open(txn, argv[2], 0, &dbi), argv[2]);
    check(mdb_txn_commit(txn), "commit");

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
