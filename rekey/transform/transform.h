/* transform.h: what one record becomes.
 *
 * Given the bytes of an old record, finds its entity, tenant and capsule, and builds everything the
 * migration will write for it; given a new record, builds where it came from. This is the
 * `transform` of the invariants: the engine, the plan, the verification and the client all
 * ask here, so that they cannot disagree.
 *
 * Invariants
 *   - Deterministic: the image depends on the record, the spec and the records of its parents.
 *   - rk_transform_new(rk_transform_old(record)) gives back the record, byte for byte.
 *
 * A capsule is resolved by the entity's rule (field, parent, lookup, default). A record with a
 * parent is an orphan unless that parent exists in the same capsule, at its old key or its new one.
 *
 * Threading: an rk_transformer belongs to one thread; it reads through a view of the same thread.
 */
#ifndef REKEY_TRANSFORM_TRANSFORM_H
#define REKEY_TRANSFORM_TRANSFORM_H

#include "rekey/base/arena.h"
#include "rekey/spec/spec.h"
#include "store/store.h"

/* Why a record is left alone. The names are the keys of `plan --json`. */
typedef enum rk_reason {
    RK_REASON_NONE = 0,
    RK_REASON_ORPHAN,
    RK_REASON_UNRESOLVED_CAPSULE,
    RK_REASON_UNKNOWN_CAPSULE,
    RK_REASON_KEY_TOO_LONG,
    RK_REASON_CONFLICT,
    RK_REASON_BAD_VALUE,
    RK_REASON_UNMATCHED,
    RK_REASON_COUNT
} rk_reason;

const char *rk_reason_name(rk_reason reason);

/* The tables of one migration in one store. */
typedef struct rk_tables {
    rk_table records;
    rk_table meta;                                    /* "__rekey"; RK_TABLE_NONE when absent */
    rk_table index[RK_ENTITIES_MAX * RK_INDEXES_MAX]; /* by rk_index.table_index; may be NONE */
} rk_tables;

/* Opens the tables. `create` makes the index tables and `__rekey`; the records table must exist
 * unless `create_records`. RK_NOT_FOUND, RK_INVALID (another shape). */
rk_status rk_tables_open(rk_store *store, const rk_spec *spec, bool create, bool create_records,
                         rk_tables *out, rk_error *err);

/* One index of one record: empty keys where the record has no entry (a field that it lacks). */
typedef struct rk_image_index {
    rk_slice old_key;
    rk_slice new_key;
    uint32_t table_index;
} rk_image_index;

/* A record in both shapes. Slices live in the arena or borrow from the record given. */
typedef struct rk_image {
    int entity;
    rk_slice tenant;
    rk_slice capsule;
    rk_slice old_key;
    rk_slice old_value;
    rk_slice new_key;
    rk_slice new_value;
    rk_slice parent_new_key; /* empty for no parent */
    rk_image_index index[RK_INDEXES_MAX];
    size_t index_count;
    bool kept; /* the old value already ended in the member that an insertion would have made: the
                  way back needs a note that it was there (RKI_STATE_KEPT in rekey/state) */
} rk_image;

typedef struct rk_transformer rk_transformer;

/* `spec` and `tables` are borrowed. `cache_entries` bounds the cache of parents' capsules; 0 for
 * none (inside a write transaction every answer must be read). */
rk_status rk_transformer_create(const rk_spec *spec, const rk_tables *tables, size_t key_bytes_max,
                                size_t cache_entries, rk_transformer **out, rk_error *err);
void rk_transformer_destroy(rk_transformer *transformer);

/* Forgets cached parents, and what rk_transform_look saw; at every phase change and when a unit was
 * refused. */
void rk_transformer_forget(rk_transformer *transformer);

/* Old record to image. `view` is where parents are read. RK_OK with *reason NONE: image filled.
 * RK_OK with another reason: the record must be left alone; `detail` (at least 128 bytes) says why
 * in a line without record bytes, image.entity is -1 only for UNMATCHED, and image.capsule is set
 * if it could be told all the same. Any other status is a failure to read; the image is then
 * unspecified. A key of the new shape gives RK_NOT_FOUND, error untouched: it is not an old record.
 */
rk_status rk_transform_old(rk_transformer *transformer, rk_view *view, rk_slice key, rk_slice value,
                           rk_arena *arena, rk_image *image, rk_reason *reason, char *detail,
                           rk_error *err);

/* New record to image: image.old_key and old_value are what it came from. `kept` says that the note
 * for this key exists. Reasons: BAD_VALUE, UNKNOWN_CAPSULE (capsule of the key not allowed, or the
 * value's field disagrees with the key), UNMATCHED; a missing parent is not a reason here
 * (image.parent_new_key is set; the caller looks). KEY_TOO_LONG as above. A key of the old shape
 * gives RK_NOT_FOUND, error untouched. */
rk_status rk_transform_new(rk_transformer *transformer, rk_view *view, rk_slice key, rk_slice value,
                           bool kept, rk_arena *arena, rk_image *image, rk_reason *reason,
                           char *detail, rk_error *err);

/* Which entity and which shape a key has: index * 2 + (new ? 1 : 0), -1 for none. */
int rk_transform_classify(const rk_transformer *transformer, rk_slice key, rk_slice *tenant);

/* The same for a walk over records: when the next call is rk_transform_old or rk_transform_new of
 * this very slice, its bytes unchanged, that does not match the key again. After the last record
 * nobody may have made that call: forget, before other bytes can stand where these did. */
int rk_transform_look(rk_transformer *transformer, rk_slice key, rk_slice *tenant);

#endif
