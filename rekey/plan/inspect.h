/* inspect.h: what shapes of keys a store holds, found out from the keys themselves.
 *
 * Reads every ordinary table of any LMDB environment, in snapshots of about a thousand entries, and
 * tells words from ids by their variety: CONTRACT is a word, c-17 an id. A table of sorted sets
 * whose values are mostly keys of another table is that table's index.
 *
 * rk_inspect_draft writes a spec from it. The draft passes lint where the store allows it; what
 * only a person can know (the allowed capsules, where a record's capsule stands, parents, owner) is
 * marked
 * TODO in it.
 *
 * Invariants
 *   - Reads only.
 *   - records and bytes of a table's shapes and of what was left out add up to what was read.
 *   - Names and shapes hold words of keys, never ids and never bytes of values.
 *
 * Limits: RK_INSPECT_TABLES_MAX tables, RK_INSPECT_SHAPES_MAX shapes a table; more are counted as
 * left out.
 * Threading: an inspection belongs to one thread.
 */
#ifndef REKEY_PLAN_INSPECT_H
#define REKEY_PLAN_INSPECT_H

#include "rekey/base/buf.h"
#include "store/store.h"

#define RK_INSPECT_TABLES_MAX 512
#define RK_INSPECT_SHAPES_MAX 1024

typedef struct rk_inspect rk_inspect;

typedef struct rk_inspect_shape {
    const char *text; /* TENANT#{tenant_id}#CONTRACT#{contract_id}; variable names are made up */
    uint64_t records;
    uint64_t bytes; /* keys and values */
} rk_inspect_shape;

typedef enum rk_inspect_kind {
    RK_INSPECT_RECORDS,
    RK_INSPECT_INDEX,
    RK_INSPECT_REKEY, /* rekey's own state: not read */
    RK_INSPECT_OTHER  /* integer keys, another order: not read */
} rk_inspect_kind;

/* One table. Everything is borrowed from the inspection. */
typedef struct rk_inspect_table {
    const char *name;
    rk_inspect_kind kind;
    const char *index_of; /* for an index: the table its values are keys of; NULL when unknown */
    uint64_t entries;     /* read; for tables not read, what the engine says */
    uint64_t bytes;       /* keys and values of those; pages where not read */
    const rk_inspect_shape *shapes; /* most records first */
    size_t shape_count;
    uint64_t left_out; /* entries whose shape did not fit the limits */
} rk_inspect_table;

/* Begins. `store` is borrowed. RK_LIMIT: more than RK_INSPECT_TABLES_MAX tables. */
rk_status rk_inspect_start(rk_store *store, rk_inspect **out, rk_error *err);

/* Reads about a thousand entries in one snapshot; *finished at the end. */
rk_status rk_inspect_step(rk_inspect *inspect, uint64_t *scanned, uint64_t *expected,
                          bool *finished, rk_error *err);

/* After the last step: the tables in the store's order. */
const rk_inspect_table *rk_inspect_tables(const rk_inspect *inspect, size_t *count);

/* "records", "index", "rekey", "other". */
const char *rk_inspect_kind_name(rk_inspect_kind kind);

/* NULL allowed. */
void rk_inspect_destroy(rk_inspect *inspect);

/* --- drafts ----------------------------------------------------------------------------------- */

typedef struct rk_inspect_draft rk_inspect_draft;

/* Begins a draft spec, after the last step of the inspection, which is borrowed and takes no other
 * step. `migration` becomes the migration's name. RK_NOT_FOUND: no table has keys that begin
 * LITERAL#{variable}#, as every key of a migration must. */
rk_status rk_inspect_draft_start(rk_inspect *inspect, const char *migration, rk_inspect_draft **out,
                                 rk_error *err);

/* Reads the index tables once more, about a thousand entries in one snapshot, then some records for
 * the names of their fields. *finished with the last step, which appends the draft to `out`. */
rk_status rk_inspect_draft_step(rk_inspect_draft *draft, rk_buf *out, bool *finished,
                                rk_error *err);

/* NULL allowed. */
void rk_inspect_draft_destroy(rk_inspect_draft *draft);

#endif
