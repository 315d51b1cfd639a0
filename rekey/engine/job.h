/* job.h: what the four jobs of the engine have in common, and in what they differ.
 *
 * A job walks one side of the store, makes one unit of each record, and has the writer apply
 * them. The differences are data: the side walked, the direction, and which
 * operations a unit consists of.
 *
 *   BACKFILL  old side, parents first    put new (if absent or the same), its index entries;
 *                                        strategy move: delete old and its index entries
 *   DROP_NEW  new side, children first   delete new and its index entries, if it is a copy of an
 *                                        old record (or was noted as a shadow)
 *   RETURN    new side, children first   put old, delete new
 *   CONTRACT  old side, children first   delete old, if new is there as expected
 */
#ifndef REKEY_ENGINE_JOB_H
#define REKEY_ENGINE_JOB_H

#include "rekey/engine/lend.h"
#include "rekey/transform/transform.h"

typedef enum rki_side { RKI_SIDE_OLD = 0, RKI_SIDE_NEW = 1 } rki_side;

/* Everything a job needs to know, borrowed, constant while it runs. */
typedef struct rki_job {
    rk_job kind;
    rk_store *store;
    const rk_spec *spec;
    const rk_tables *tables;
    rk_tier tier;
    uint64_t epoch;      /* the migration's, a fence */
    uint64_t tier_epoch; /* the tier's, for the checkpoint */
    int template_entity; /* BACKFILL: index; else -1 */
    bool accept_loss;    /* RETURN: of two capsules' records with one old key, the capsule that the
                            spec names first gets it, the other record is dropped */
    const rk_lender *lender; /* to whom chunks may be lent; NULL for nobody */
} rki_job;

/* The job's row in the table of differences. */
typedef struct rki_job_rule {
    rki_side side;
    bool children_first;
    uint32_t stages;
    const char *name;
} rki_job_rule;

const rki_job_rule *rki_job_rule_of(rk_job kind);

/* The rank of an entity in the job's order. */
uint32_t rki_job_rank(const rki_job *job, int entity);

/* How many of the spec's indexes have a table. */
uint32_t rki_job_index_tables(const rki_job *job);

/* Parents' capsules remembered by who prepares records of its own accord: about 5 MiB. */
#define RKI_PARENT_CACHE_ENTRIES (64 * 1024)

/* A transformer for the job's records; `cache_entries` as rk_transformer_create has it. */
rk_status rki_job_transformer(const rki_job *job, size_t cache_entries, rk_transformer **out,
                              rk_error *err);

/* One record on its way. */
typedef struct rki_work {
    rk_slice tenant; /* empty outside of every tenant */
    rk_slice key;
    rk_slice value;
    int entity; /* -1 when the key matches nothing */
    uint32_t rank;
    rk_reason reason;   /* not NONE: to be left alone */
    const char *detail; /* why, when so */
} rki_work;

/* A chunk is at most so many records, and a little over so many bytes. */
typedef struct rki_chunk_limits {
    uint32_t records_max;
    uint32_t bytes_max;
} rki_chunk_limits;

#define RKI_CHUNK_RECORDS_MAX 8192u
#define RKI_CHUNK_BYTES_MAX   (3u * 1024 * 1024)

/* Work in order, with the units it became. Lives in its arena; reused. */
typedef struct rki_chunk {
    rk_arena arena;
    uint64_t state; /* of the store when the records were read; see rk_view_state */
    uint32_t stage;
    bool stage_end; /* no record of this stage is left after this chunk */
    rki_chunk_limits limits;
    rki_work *work; /* limits.records_max of them */
    size_t count;
    rk_unit *units; /* units[i] belongs to work[i] where reason is NONE */
    rk_op *ops;     /* of all units */
    size_t op_count, op_cap;
} rki_chunk;

/* `limits` NULL: the largest there are, those above. */
rk_status rki_chunk_init(rki_chunk *chunk, const rki_chunk_limits *limits, rk_error *err);
void rki_chunk_fini(rki_chunk *chunk);
void rki_chunk_reset(rki_chunk *chunk);

/* The most operations one unit can have. */
#define RKI_UNIT_OPS_MAX (4 + 2 * RK_INDEXES_MAX)

/* Fills `ops` with the unit for an image; returns how many. */
uint32_t rki_unit_build(const rki_job *job, const rk_image *image, rk_arena *arena, rk_op *ops);

/* Whether a capsule that the spec names earlier has a record with the same old key. */
rk_status rki_outranked(const rki_job *job, rk_view *view, const rk_image *image, bool *out,
                        rk_error *err);

/* Decides one record: sets work->reason, or fills the unit. `view` is where parents are read, and
 * where conditions on other records' values are looked at; it is as new as the record or newer. */
rk_status rki_work_prepare(const rki_job *job, rk_transformer *transformer, rk_view *view,
                           rki_work *work, rk_arena *arena, rk_op *ops, uint32_t *op_count,
                           rk_error *err);

#endif
