/* spec.h: one migration, as its YAML file states it, checked and compiled.
 *
 * rk_spec_load reads and lints: a spec that exists in memory is a spec that holds every rule of
 * specs/README.md. All findings of one file come in one go, each with line and column.
 *
 * Threading: read-only once loaded; may be shared.
 */
#ifndef REKEY_SPEC_SPEC_H
#define REKEY_SPEC_SPEC_H

#include "rekey/base/arena.h"
#include "rekey/pattern/pattern.h"

#define RK_ENTITIES_MAX     64
#define RK_INDEXES_MAX      16 /* of one entity */
#define RK_CAPSULES_MAX     32
#define RK_LEVELS_MAX       16
#define RK_PARENT_IDS_MAX   8
#define RK_SPEC_BYTES_MAX   (1024 * 1024)
#define RK_LOOKUP_BYTES_MAX (16 * 1024 * 1024)

typedef enum rk_strategy { RK_STRATEGY_DUAL_WRITE, RK_STRATEGY_MOVE } rk_strategy;
typedef enum rk_value_kind { RK_VALUE_JSON, RK_VALUE_OPAQUE } rk_value_kind;
typedef enum rk_tier { RK_TIER_CANARY, RK_TIER_PRODUCTION, RK_TIER_COUNT } rk_tier;

typedef struct rk_index {
    char *name;           /* also the index table's name */
    uint32_t table_index; /* position in rk_spec.index_names */
    rk_pattern old_key;
    rk_pattern new_key;
} rk_index;

/* One line of `parent.id`: the parent's variable and where its value is in this record. */
typedef struct rk_parent_id {
    uint16_t parent_variable;
    uint16_t source; /* key variable or JSON field of this record */
} rk_parent_id;

typedef struct rk_lookup rk_lookup; /* tenant -> capsule, from a CSV file */

/* Where a record's capsule comes from. Tried in this order: field, parent, lookup, default. */
typedef struct rk_capsule_rule {
    char *field; /* NULL when not from a field */
    bool parent;
    rk_lookup *lookup; /* NULL when not from a file */
    char *lookup_file; /* its name beside the spec */
    char *fallback;    /* `default`; NULL for none. Only when the field is absent. */
} rk_capsule_rule;

typedef struct rk_entity {
    char *name;
    rk_pattern old_key;
    rk_pattern new_key;
    int parent; /* index in rk_spec.entities, -1 for none */
    rk_parent_id parent_id[RK_PARENT_IDS_MAX];
    size_t parent_id_count;
    uint32_t level; /* 0 for no parent */
    rk_capsule_rule capsule;
    rk_index index[RK_INDEXES_MAX];
    size_t index_count;
    bool collides; /* the old key's only variable is the tenant: it holds one record a tenant, the
                      new one a record a capsule, so that a rollback can lose some */
    uint16_t field[64]; /* names whose values may come from JSON members: what to look for */
    size_t field_count;
} rk_entity;

typedef struct rk_limits {
    uint32_t lock_hold_ms;         /* default 5 */
    uint64_t quarantine_max;       /* default 0 */
    double mismatch_max;           /* a share; default 0 */
    uint32_t write_latency_ms_max; /* 0: no such signal */
    double error_rate_max;         /* negative: no such signal */
    uint64_t free_space_min_bytes; /* 0: no such signal */
} rk_limits;

typedef struct rk_spec {
    char *migration;
    char *description;
    char *owner;
    rk_strategy strategy;
    rk_value_kind value;
    char *database; /* "" for the unnamed table */
    rk_names names;
    uint16_t tenant; /* variable numbers */
    uint16_t capsule;
    char *tenant_literal; /* the first segment of every key, "TENANT" */
    rk_slice allowed[RK_CAPSULES_MAX];
    size_t allowed_count;
    rk_slice *canary; /* sorted */
    size_t canary_count;
    rk_entity *entities; /* in the file's order */
    size_t entity_count;
    uint32_t level_count;
    const char **index_names; /* distinct names over all entities, sorted */
    size_t index_name_count;
    rk_limits limits;
    uint32_t approvals;
    rk_slice *approvers; /* optional `approvers:` list: hex public keys; empty: any key counts */
    size_t approver_count;
    /* Patterns 2*i (old) and 2*i+1 (new) belong to entities[i]. */
    rk_matcher *matcher;
    /* The source, so that a plan or a store can carry it: */
    rk_slice text;
    rk_arena memory; /* owns every string above */
} rk_spec;

/* --- findings --------------------------------------------------------------------------------- */

typedef struct rk_finding {
    uint32_t line;   /* from 1; 0 when the finding is about the whole file */
    uint32_t column; /* from 1 */
    char message[512];
} rk_finding;

#define RK_FINDINGS_MAX 256

/* Sorted by place. Zeroed is empty. */
typedef struct rk_findings {
    rk_finding *items;
    size_t count;
    size_t cap;
} rk_findings;

void rk_findings_fini(rk_findings *findings);

/* --- sources ---------------------------------------------------------------------------------- */

/* A spec's bytes and those of the lookup files that it names. A plan and a store carry exactly
 * this, so that neither needs the file again. */
typedef struct rk_spec_file {
    char *name; /* of the lookup file, as the spec names it */
    rk_slice bytes;
} rk_spec_file;

typedef struct rk_spec_source {
    char *name; /* the spec's file name without folders, for the rule on names and for messages */
    rk_slice text;
    rk_spec_file *files;
    size_t file_count;
    rk_arena memory; /* owns all of it */
} rk_spec_source;

/* Reads the spec's file and the lookup files beside it. RK_NOT_FOUND, RK_LIMIT (over 1 MiB), RK_IO.
 * Reads no YAML: lookup names are found by rk_spec_load, which asks `source` and, when
 * `folder` is not NULL, reads the missing ones from there into `source`. */
rk_status rk_spec_source_read(const char *path, rk_spec_source *out, rk_error *err);
void rk_spec_source_fini(rk_spec_source *source);

/* Compiles and lints. RK_INVALID when there are findings: then `findings` has them all and *out is
 * untouched; the error counts them. `source` must outlive nothing: bytes are copied. */
rk_status rk_spec_load(rk_spec_source *source, const char *folder, rk_spec **out,
                       rk_findings *findings, rk_error *err);
void rk_spec_destroy(rk_spec *spec);

/* --- questions -------------------------------------------------------------------------------- */

/* Index of the entity, -1 for none. */
int rk_spec_entity(const rk_spec *spec, rk_slice name);

/* Index in `allowed`, -1 when the value is outside the closed set. */
int rk_spec_capsule(const rk_spec *spec, rk_slice capsule);

rk_tier rk_spec_tier(const rk_spec *spec, rk_slice tenant);
const char *rk_tier_name(rk_tier tier);

/* The capsule that the file gives a tenant; empty for none. */
rk_slice rk_lookup_find(const rk_lookup *lookup, rk_slice tenant);

#endif
