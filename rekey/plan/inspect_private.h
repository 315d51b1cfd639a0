/* inspect_private.h: what inspect.c, inspect_draft.c and inspect_fields.c share. */
#ifndef REKEY_PLAN_INSPECT_PRIVATE_H
#define REKEY_PLAN_INSPECT_PRIVATE_H

#include "rekey/base/arena.h"
#include "rekey/plan/inspect.h"
#include "rekey/plan/key_tree.h"

#define RKI_BATCH_ENTRIES 1000

/* A walk over one table in short snapshots. It copies the last entry of each batch and seeks behind
 * it in the next. */
typedef struct rki_reader {
    rk_view *view;
    rk_cursor *cursor;
    rk_table_kind kind;
    bool started;
    rk_buf key;
    rk_buf value; /* of index entries */
} rki_reader;

typedef struct rki_table {
    rk_inspect_table info;
    rk_table table; /* RK_TABLE_NONE when not read */
    rki_key_tree tree;
    rk_inspect_shape *shapes;
    size_t shape_cap;
    uint64_t json;    /* of the sampled values */
    uint64_t sampled; /* values looked at */
    uint32_t *points; /* by table: sampled values of an index that are keys there */
} rki_table;

struct rk_inspect {
    rk_store *store;
    rk_table_info *listed;
    rki_table *table;
    rk_inspect_table *info; /* copies of table[i].info, as a caller sees them */
    size_t table_count;
    size_t at; /* the table being read */
    rk_view *view;
    rki_reader reader;
    uint64_t scanned;
    uint64_t expected;
    rk_arena arena; /* texts of shapes */
    rk_arena scratch;
};

rk_status rki_reader_open(rki_reader *reader, rk_view *view, rk_table table, rk_table_kind kind,
                          rk_error *err);
void rki_reader_close(rki_reader *reader);

/* The first entry of a batch, after a renewal of the snapshot; RK_NOT_FOUND at the table's end. */
rk_status rki_reader_resume(rki_reader *reader, rk_entry *entry, rk_error *err);
rk_status rki_reader_next(rki_reader *reader, rk_entry *entry, rk_error *err);

/* Remembers the last entry of a batch. */
rk_status rki_reader_keep(rki_reader *reader, const rk_entry *entry, rk_error *err);

/* --- drafts ----------------------------------------------------------------------------------- */

#define RKI_SAMPLES_MAX 3
#define RKI_USES_MAX    256
#define RKI_CAPSULE     "CAPSULE"
#define RKI_CAPSULE_ID  "capsule_id"

/* A shape whose variables have names. */
typedef struct rki_named_shape {
    rki_key_shape shape;
    char name[RK_SEGMENTS_MAX][RK_NAME_BYTES_MAX + 1];
} rki_named_shape;

typedef struct rki_draft_record {
    rki_named_shape old_key;
    char title[RK_NAME_BYTES_MAX + 1];
    uint64_t records;
} rki_draft_record;

/* An index shape in use by one kind of record. */
typedef struct rki_use {
    size_t table;
    size_t record; /* in rk_inspect_draft.record */
    uint64_t entries;
    rki_named_shape old_key;
    bool unknown[RK_SEGMENTS_MAX]; /* no field was found for this variable */
    const char *unfit;             /* why it can be no index of a spec; NULL when it can */
    size_t sample_count;
    rk_slice sample_key[RKI_SAMPLES_MAX];
    rk_slice sample_primary[RKI_SAMPLES_MAX];
} rki_use;

/* Names the variables of an index shape after the members, or the key variables, of the sampled
 * records whose texts equal the segments. `tenant` is the literal before the tenant. */
rk_status rki_name_fields(rk_view *view, rk_table records, const rki_named_shape *record_key,
                          rk_slice tenant, rki_use *use, rk_error *err);

#endif
