/* bare_env.h: an LMDB environment for the bare programs, which have none of rekey's code in them.
 *
 * Every failure ends the program, as is fit for a benchmark. All of LMDB's durability stays on.
 */
#ifndef BENCH_BARE_ENV_H
#define BENCH_BARE_ENV_H

#include <lmdb.h>

#include <stdnoreturn.h>

#define BARE_KEY_BYTES_MAX 511

noreturn void bare_fail(const char *what, const char *why);

/* Ends the program unless `rc` is success. */
void bare_check(int rc, const char *what);

/* `flags`: 0, or MDB_RDONLY. */
MDB_env *bare_env_open(const char *dir, unsigned flags);

/* A table that is there, DUPSORT or not. */
MDB_dbi bare_table_open(MDB_env *env, const char *name);

/* A cursor over one table, in a read transaction and an environment of its own. */
MDB_cursor *bare_walk_open(const char *dir, const char *table);
void bare_walk_close(MDB_cursor *cursor);

/* The next entry; MDB_SUCCESS, or MDB_NOTFOUND at the end. */
int bare_walk_next(MDB_cursor *cursor, MDB_val *key, MDB_val *value);

/* A number of the command line, at least 1; ends the program with 64 for another word. */
size_t bare_number(const char *text);

#endif
