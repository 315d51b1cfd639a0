/* internal.h: what the sources of this folder share.
 *
 * One call of rk_transform_old walks from the record up its parents. Each step has a frame, frame 0
 * the record's; the number of frames is the number of levels, which lint has bounded, so the
 * recursion over parents is bounded too. Frames are reused from record to record and never cleared
 * as a whole: an rk_binding is 4 KiB, and a record uses a handful of its names.
 *
 * Functions that return bool return "go on": false means that the call has its answer, a reason
 * (rki_refuse) or a failure to read (rki_fail).
 */
#ifndef REKEY_TRANSFORM_INTERNAL_H
#define REKEY_TRANSFORM_INTERNAL_H

#include "rekey/record/json.h"
#include "rekey/transform/transform.h"

#define RKI_MEMBERS_MAX  64
#define RKI_NONE         SIZE_MAX
#define RKI_ANY_CAPSULE  (-1)
#define RKI_DETAIL_BYTES 128

/* --- shapes ----------------------------------------------------------------------------------- */

/* What the hot path needs of one entity, worked out once. */
typedef struct rki_shape {
    const rk_entity *entity;
    /* Members to look for in the value. `member` is the variable that takes the value;
     * RK_NAME_NONE where only the capsule rule looks. */
    rk_slice member_name[RKI_MEMBERS_MAX];
    uint16_t member[RKI_MEMBERS_MAX];
    size_t member_count;
    size_t capsule_member; /* position of the member that new values carry; RKI_NONE for opaque */
    size_t field_member;   /* position of the rule's `field`; RKI_NONE for none */
    /* Every variable of the entity; those that the old key does not bind come first. */
    uint16_t name[RK_NAMES_MAX];
    size_t name_count;
    size_t free_count;    /* how many of them the old key does not bind */
    bool capsule_in_old;  /* the old key holds the capsule */
    bool new_has_derived; /* the new key holds variables that come from the value */
    rk_slice fallback;    /* the rule's default; empty for none */
    /* For which capsules the way from old to new can have inserted the capsule member. */
    bool inserts_any;
    rk_slice inserts_only;
} rki_shape;

/* RK_LIMIT when a record would need too many members. */
rk_status rki_shape_init(rki_shape *shape, const rk_spec *spec, const rk_entity *entity,
                         rk_error *err);

/* Whether the way from old to new can have put the capsule member into a value. */
bool rki_shape_inserts(const rki_shape *shape, rk_slice capsule);

/* --- cache ------------------------------------------------------------------------------------ */

typedef struct rki_cache rki_cache;

/* At most `entries` entries, all memory at once; 0 gives a NULL cache, which is always empty. */
rk_status rki_cache_create(size_t entries, rki_cache **out, rk_error *err);
void rki_cache_destroy(rki_cache *cache);
void rki_cache_forget(rki_cache *cache);

/* The capsule in which the parent with this old key was found, -1 for unknown; *sole when it is
 * known to be in no other. */
int rki_cache_find(const rki_cache *cache, rk_slice key, bool *sole);
void rki_cache_put(rki_cache *cache, rk_slice key, int capsule, bool sole);

/* --- a call ----------------------------------------------------------------------------------- */

typedef struct rki_frame {
    const rki_shape *shape;
    int capsule; /* position in rk_spec.allowed */
    rk_binding binding;
    rk_json_field field[RKI_MEMBERS_MAX];
} rki_frame;

struct rk_transformer {
    const rk_spec *spec;
    const rk_tables *tables;
    size_t key_bytes_max;
    rki_shape *shape; /* one an entity */
    rki_frame *frame;
    size_t frame_count;
    rki_cache *cache;
    rk_slice looked_at; /* the key that frame 0 holds the variables of; empty for none */
    int looked;         /* what matched it */
};

typedef struct rki_call {
    rk_transformer *transformer;
    rk_view *view;
    rk_arena *arena;
    rk_status status; /* a failure to read */
    rk_reason reason;
    char *detail; /* RKI_DETAIL_BYTES, or NULL */
    rk_error *err;
} rki_call;

/* Ends the call; both return false. */
bool rki_refuse(rki_call *call, rk_reason reason, const char *format, ...) RK_PRINTF(3, 4);
bool rki_fail(rki_call *call, rk_status status);

/* --- keys (transform.c) ----------------------------------------------------------------------- */

/* Builds a key into the arena; empty when a variable has no value. KEY_TOO_LONG says `what`. */
bool rki_build_key(rki_call *call, const rk_pattern *pattern, const rk_binding *binding,
                   const char *what, rk_slice *out);

/* The image of an old record but for its new value. The frame's binding holds the old key's
 * variables; image->old_key is set. */
bool rki_old_image(rki_call *call, size_t depth, const rki_shape *shape, rk_slice value,
                   rk_image *image);

/* --- resolving (resolve.c) -------------------------------------------------------------------- */

/* Unbinds what the old key does not hold, then binds the value's members. */
bool rki_bind_value(rki_call *call, rki_frame *frame, rk_slice value);

/* Binds the capsule, and the parent's variables by their own names where nothing bound them. */
void rki_bind_capsule(const rk_spec *spec, rki_frame *frame, int capsule);

/* From the old key's variables to all variables and the capsule; the parent exists. */
bool rki_resolve(rki_call *call, size_t depth, const rki_shape *shape, rk_slice value);

/* The parent's new key in the record's capsule; empty for no parent. `reason` is for a record that
 * does not say who its parent is. */
bool rki_parent_new_key(rki_call *call, size_t depth, rk_reason reason, rk_slice *out);

#endif
