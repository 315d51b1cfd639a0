/* sample.h (private): records that fit any spec, to attack and to attack with.
 *
 * A sample is one record of an entity in a scope: ids that fill its old key, members for whatever
 * its new key, its indexes and its parent ask of the value, and a mark that says whose it is. The
 * words come from the tags that the caller gives, so that two samples meet exactly where they are
 * meant to.
 *
 * Every value carries the mark of its scope: a value that comes back anywhere tells whose bytes
 * they are, whatever was done to keys, members and index entries.
 */
#ifndef REKEY_ISOLATION_SAMPLE_H
#define REKEY_ISOLATION_SAMPLE_H

#include <rekey/client.h>

#include "rekey/spec/spec.h"

#define RKI_MARK_BYTES_MAX 160

/* Whose a record is. `tenant_word` stands in for the tenant in the mark: the name may be any bytes.
 */
typedef struct rki_owner {
    rk_scope scope;
    const char *tenant_word;
} rki_owner;

typedef struct rki_wish {
    size_t entity;
    rki_owner owner;
    const char *tag;         /* of the ids that are its own; also in its mark */
    const char *parent_tag;  /* of what names its parent; NULL for `tag` */
    uint16_t other;          /* this variable, unless RK_NAME_NONE, ... */
    rk_slice other_value;    /* ... has this value instead */
    rk_slice claim;          /* the capsule that the value names; empty: none */
    const rk_binding *given; /* values that are decided already; NULL for none */
} rki_wish;

typedef struct rki_sample {
    rki_wish wish;
    rk_binding binding; /* all variables of its keys, of the scope too */
    rk_id ids[RK_SEGMENTS_MAX];
    size_t id_count;
    rk_slice value; /* as an application would put it */
} rki_sample;

/* Everything lives in the arena. RK_NOMEM, RK_LIMIT. */
rk_status rki_sample_make(const rk_spec *spec, const rki_wish *wish, rk_arena *arena,
                          rki_sample *out, rk_error *err);

/* The parent that the sample's ids and members name, in the same scope. Only of an entity that has
 * one. */
rk_status rki_sample_parent(const rk_spec *spec, const rki_sample *child, rk_arena *arena,
                            rki_sample *out, rk_error *err);

/* A key of the sample by one of its entity's patterns. RK_LIMIT when it is over 4096 bytes. */
rk_status rki_sample_key(const rki_sample *sample, const rk_pattern *pattern, rk_arena *arena,
                         rk_slice *out, rk_error *err);

/* The variables that a query of the index may name in every phase, in order, with the sample's
 * values. */
size_t rki_sample_where(const rk_spec *spec, const rki_sample *sample, const rk_index *index,
                        rk_id out[RK_SEGMENTS_MAX]);

/* The variable that is the record's own to choose: in its old key and not what names its parent;
 * RK_NAME_NONE when there is none. */
uint16_t rki_own_variable(const rk_spec *spec, const rk_entity *entity);

/* Whether the variable's value is the record's own to choose, in its key or in a member. */
bool rki_is_own(const rk_spec *spec, const rk_entity *entity, uint16_t name);

/* The capsule in which records of this entity can be: fixed by a lookup file (whose tenants are all
 * in the first allowed one here) or a default, its own or of a parent's; else free, and the first.
 * False when the chain of parents contradicts itself, so that no record can be. */
bool rki_home_of(const rk_spec *spec, size_t entity, int *home, bool *is_free);

/* Whether a lookup file decides where a record of this entity is. */
bool rki_has_lookup(const rk_spec *spec, size_t entity);

/* The beginning of every mark of the owner, "mark-1-c0:". */
rk_slice rki_mark_of(const rk_spec *spec, const rki_owner *owner, char out[RKI_MARK_BYTES_MAX]);

#endif
