#include "bench/bare_env.h"

#include <stdio.h>
#include <stdlib.h>

#define MAP_BYTES ((size_t)64 << 30)

noreturn void bare_fail(const char *what, const char *why)
{
    fprintf(stderr, "bare: %s: %s\n", what, why);
    exit(1);
}

void bare_check(int rc, const char *what)
{
    if (rc != MDB_SUCCESS)
        bare_fail(what, mdb_strerror(rc));
}

MDB_env *bare_env_open(const char *dir, unsigned flags)
{
    MDB_env *env;
    bare_check(mdb_env_create(&env), "create environment");
    bare_check(mdb_env_set_maxdbs(env, 16), "set tables");
    bare_check(mdb_env_set_mapsize(env, MAP_BYTES), "set map size");
    bare_check(mdb_env_open(env, dir, flags | MDB_NOTLS, 0644), dir);
    return env;
}

MDB_dbi bare_table_open(MDB_env *env, const char *name)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    bare_check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "begin");
    bare_check(mdb_dbi_open(txn, name, 0, &dbi), name);
    bare_check(mdb_txn_commit(txn), "commit");
    return dbi;
}

MDB_cursor *bare_walk_open(const char *dir, const char *table)
{
    MDB_env *env = bare_env_open(dir, MDB_RDONLY);
    MDB_dbi dbi = bare_table_open(env, table);
    MDB_txn *txn;
    MDB_cursor *cursor;
    bare_check(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), "begin");
    bare_check(mdb_cursor_open(txn, dbi, &cursor), "open cursor");
    return cursor;
}

void bare_walk_close(MDB_cursor *cursor)
{
    MDB_txn *txn = mdb_cursor_txn(cursor);
    MDB_env *env = mdb_txn_env(txn);
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
}

int bare_walk_next(MDB_cursor *cursor, MDB_val *key, MDB_val *value)
{
    int rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
    if (rc != MDB_NOTFOUND)
        bare_check(rc, "read");
    return rc;
}

size_t bare_number(const char *text)
{
    char *end = NULL;
    unsigned long long number = strtoull(text, &end, 10);
    if (end == text || *end || number == 0 || text[0] == '-') {
        fprintf(stderr, "bare: no number: %s\n", text);
        exit(64);
    }
    return (size_t)number;
}
