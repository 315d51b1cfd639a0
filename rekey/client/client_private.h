/* client_private.h: what the sources of the local client share.
 *
 * A local client has one edition, the registered spec as it was last read, and a few idle sessions.
 * A call takes a session, which belongs to it alone until it is given back, and so needs no lock
 * while it works. A session keeps its edition alive, whatever is registered meanwhile.
 *
 * Every transaction begins with rki_session_look: it reads the state, notices another spec by its
 * digest, and gives the row of the phase table that the rest of the call obeys.
 */
#ifndef REKEY_CLIENT_CLIENT_PRIVATE_H
#define REKEY_CLIENT_CLIENT_PRIVATE_H

#include <pthread.h>
#include <rekey/client.h>

#include "rekey/base/prng.h"
#include "rekey/client/ops_private.h"
#include "rekey/state/state.h"
#include "rekey/transform/transform.h"

#define RKI_DETAIL_BYTES  128
#define RKI_REFRESHES_MAX 8

/* --- sessions (local.c) ----------------------------------------------------------------------- */

typedef struct rki_edition {
    rk_spec_source source;
    rk_spec *spec;
    rk_digest digest;
    rk_tables tables;
    size_t users; /* under the client's lock */
} rki_edition;

typedef struct rki_local rki_local;

typedef struct rki_session {
    struct rki_session *next; /* among the idle ones */
    rki_local *client;
    rki_edition *edition;
    const rk_spec *spec; /* the edition's */
    rk_tables tables;    /* its own: index tables come into being while a client runs */
    rk_transformer *transformer;
    rk_view *snapshot;         /* NULL before the first read; released between calls */
    rk_view *view;             /* where this call reads: the snapshot or its transaction */
    const rk_phase_rule *rule; /* of this call */
    rk_sight sight;            /* of this call */
    rk_arena arena;
} rki_session;

/* A sum that has not reached the store yet, and when it should. */
typedef struct rki_comparing {
    rk_prng sampler;
    rk_comparisons total;   /* since the client was opened */
    rk_comparisons pending; /* of them, those that the store has not */
    bool urgent;            /* a difference that the store's last verdict does not know */
    uint64_t flush_at; /* else: pending differences that are worth a transaction of their own */
} rki_comparing;

struct rki_local {
    rk_client head;
    rk_store *store;
    rk_store *owned_store; /* the same, if the client opened it */
    rk_client_options options;
    rk_table meta;
    size_t key_bytes_max;
    pthread_mutex_t lock;
    rki_edition *edition;
    rki_session *idle;
    size_t idle_count;
    rki_comparing comparing; /* under the lock */
};

/* `client` is a local one. */
rki_local *rki_local_of(rk_client *client);

/* With full sight. */
rk_status rki_session_take(rki_local *client, rki_session **out, rk_error *err);

/* NULL allowed. */
void rki_session_give(rki_session *session);

/* Opens a snapshot of the newest state and looks at it. After RK_OK, rki_session_end_read. */
rk_status rki_session_begin_read(rki_session *session, rk_slice tenant, rk_error *err);
void rki_session_end_read(rki_session *session);

/* Reads the state through session->view: sets the rule, or says that the session's spec is *stale;
 * then refresh outside of the transaction and begin again. */
rk_status rki_session_look(rki_session *session, rk_slice tenant, bool *stale, rk_error *err);
rk_status rki_session_refresh(rki_session *session, rk_error *err);

/* Opens the index tables of the entity; `create` makes those that are missing, which otherwise stay
 * RK_TABLE_NONE. Not inside a transaction. */
rk_status rki_session_open_tables(rki_session *session, const char *entity, bool create,
                                  rk_error *err);

/* --- targets (target.c) ----------------------------------------------------------------------- */

/* What a call is about, checked. Slices live in the session's arena, in the spec or in the call. */
typedef struct rki_target {
    int entity_index;
    const rk_entity *entity;
    rk_slice capsule;
    rk_binding binding; /* tenant, capsule and, of a record, its ids */
    rk_slice old_key;
    rk_slice new_key; /* empty where it has no place in the store, or is `derived` */
    bool derived;     /* the new key needs members of the value */
} rki_target;

/* Scope and entity only; the keys stay empty. */
rk_status rki_target_of_scope(rki_session *session, const rk_scope *scope, const char *entity,
                              rki_target *out, rk_error *err);
rk_status rki_target_of_record(rki_session *session, const rk_scope *scope, const char *entity,
                               const rk_id *ids, size_t id_count, rki_target *out, rk_error *err);

/* Builds a key into the session's arena; empty when a variable has no value or it is too long. */
rk_status rki_target_key(rki_session *session, const rk_pattern *pattern, const rk_binding *binding,
                         rk_slice *out, rk_error *err);

/* Binds `where` and checks it against the pattern of one side: no unknown name, no gap. */
rk_status rki_target_bind_where(const rki_session *session, const rk_index *index, bool new_side,
                                const rk_id *where, size_t where_count, rki_target *target,
                                rk_error *err);

/* Fills in `derived` and `new_key` from the binding. */
rk_status rki_target_new_key(rki_session *session, rki_target *target, rk_error *err);

/* RK_LIMIT, naming the id or scope value that takes most of the room. */
rk_status rki_target_too_long(const rki_session *session, const rki_target *target,
                              const rk_pattern *pattern, const char *what, size_t bytes,
                              rk_error *err);

/* --- finding (read.c) ------------------------------------------------------------------------- */

typedef struct rki_found {
    bool present;
    rk_slice key;   /* in the arena */
    rk_slice value; /* in the arena too, or borrowed from the snapshot */
    rk_image image; /* as far as `reason` lets it be filled; image.capsule may be empty */
    rk_reason reason;
} rki_found;

rk_status rki_find_old(rki_session *session, const rki_target *target, rki_found *out,
                       rk_error *err);
rk_status rki_find_new(rki_session *session, const rki_target *target, rki_found *out,
                       rk_error *err);

/* Fills image and reason of a record that was read elsewhere; key and value are set. */
rk_status rki_judge_old(rki_session *session, rki_found *found, rk_error *err);
rk_status rki_judge_new(rki_session *session, rki_found *found, rk_error *err);

/* What a get gives in this phase; RK_NOT_FOUND, error untouched. Where reads use the old keys alone
 * the record is not judged with full sight: its image is not filled. */
rk_status rki_read(rki_session *session, const rki_target *target, rki_found *out, rk_error *err);

/* Whether what rki_read found is `expected`, in its own shape or in the other: bytes that were read
 * before a change of phase stay equal after it. */
rk_status rki_read_equals(rki_session *session, const rki_target *target, rki_found *found,
                          rk_slice expected, bool *out, rk_error *err);

static inline bool rki_is_consistent(const rki_found *found)
{
    return found->present && found->reason == RK_REASON_NONE;
}

/* Whether the old record resolves to the target's capsule. */
static inline bool rki_is_in_scope(const rki_found *old, const rki_target *target)
{
    return old->present && rk_slice_equal(old->image.capsule, target->capsule);
}

/* --- changing (entries.c) --------------------------------------------------------------------- */

#define RKI_OPS_MAX 96

/* Collects operations and applies them as units of at most RKI_OPS_MAX. A failure sticks. */
typedef struct rki_changes {
    rki_session *session;
    rk_txn *txn;
    rk_status status;
    rk_error *err;
    uint32_t count;
    rk_op ops[RKI_OPS_MAX];
} rki_changes;

void rki_changes_init(rki_changes *changes, rki_session *session, rk_txn *txn, rk_error *err);
void rki_change_put(rki_changes *changes, rk_slice key, rk_slice value);
void rki_change_delete(rki_changes *changes, rk_slice key);
void rki_change_put_entries(rki_changes *changes, bool new_side, const rk_image *image);

/* Removes the index entries of a record that is replaced or goes, but for those that `keep` (NULL
 * for none) has too. */
void rki_change_delete_entries(rki_changes *changes, bool new_side, const rki_target *target,
                               const rki_found *found, const rk_image *keep);
rk_status rki_changes_apply(rki_changes *changes);

/* Binds what the value's members give, where it can be read; for keys that no image has. */
rk_status rki_bind_members(rki_session *session, const rk_entity *entity, rk_slice value,
                           rk_binding *binding, rk_error *err);

/* --- one write (write.c, rivals.c) ------------------------------------------------------------ */

/* One put or delete in its transaction. */
typedef struct rki_write {
    rki_session *session;
    rk_txn *txn;
    rk_error *err;
    rki_target target;
    rki_found old; /* what stands at the old key, */
    rki_found new; /* and what at the new one, before the write */
    bool new_only; /* the old side is left alone, and the record noted as shadowed */
    rk_image image;
    rki_changes changes;
} rki_write;

/* Whether another capsule's record stands at the old key. */
bool rki_is_foreign(const rki_write *write);

/* Whether nobody reads the old copy that a put of the new record would leave unwritten. */
bool rki_may_leave_old(const rk_phase_rule *rule);

/* Whether the image's parent has an old copy in this capsule. */
rk_status rki_parent_has_copy(const rki_write *write, bool *out);

/* RK_BUSY, in the same words for whatever is on its way. */
rk_status rki_wait_for_travellers(const rki_write *write);

/* Refuses a put that would harm another capsule's records, or sets new_only. After `old`, `new` and
 * `image` are known, before the first change. */
rk_status rki_spare_rivals(rki_write *write);

/* In a transaction of the caller's, which is session->view too. */
rk_status rki_put(rki_session *session, rk_txn *txn, const rki_target *target, rk_slice value,
                  rk_error *err);

/* RK_NOT_FOUND, error untouched: there is none in this scope, and nothing was changed. */
rk_status rki_delete(rki_session *session, rk_txn *txn, const rki_target *target, rk_error *err);

/* --- comparison reads (compare.c) ------------------------------------------------------------- */

void rki_compare_init(rki_comparing *comparing);

/* Whether this read is one of the sample; if so, compares and counts. Never fails: a comparison
 * that cannot be made is not counted. Inside a read. */
void rki_compare(rki_session *session, const rki_target *target);

/* Takes the pending sums into a transaction; rki_compare_return if it does not commit. */
rk_status rki_compare_take(rki_local *client, rk_txn *txn, rk_comparisons *taken, rk_error *err);
void rki_compare_return(rki_local *client, const rk_comparisons *taken);

/* Writes the pending sums down by themselves if there are differences enough, or if `closing`.
 * Failing is no loss: they stay pending. Outside of a read. */
void rki_compare_flush(rki_local *client, bool closing);

rk_comparisons rki_local_comparisons(rk_client *client);

/* --- operations (batch.c, iterate.c) ---------------------------------------------------------- */

rk_status rki_local_batch(rk_client *client, const rk_scope *scope, rk_operation *operations,
                          size_t count, bool is_single, size_t *failed, rk_error *err);
rk_status rki_local_ask(rk_client *client, const rk_question *question, rk_iterator **out,
                        rk_error *err);

/* --- pages (page.c) --------------------------------------------------------------------------- */

/* A place in one side's order; empty is before the first. `primary` only for an index. */
typedef struct rki_place {
    rk_slice key;
    rk_slice primary;
} rki_place;

typedef struct rki_row {
    rk_id *ids;
    size_t id_count;
    rk_slice value;
    rki_place at[2]; /* its own in the old and in the new order, never another record's */
} rki_row;

/* One page of a list or a query: what to read, from where on, and what came of it. Everything lives
 * in the session's arena or its snapshot. */
typedef struct rki_page {
    const rki_target *target;
    const rk_index *index; /* NULL for a list */
    const rk_id *where;
    size_t where_count;
    bool aligned;  /* both sides have the same order */
    bool is_whole; /* out: they have not, and both were read, so that all was one page */
    size_t rows_max;
    rki_place place[2]; /* old, new: read behind it; out: read up to it */
    rki_place given[2]; /* of the last row given, as in rki_row; before it, of the page before */
    rki_row *rows;
    size_t row_count;
    size_t row_room;
    bool ended;
} rki_page;

/* Whether both sides sort their records alike, so that a place on one is a place on the other. */
bool rki_page_aligned(const rk_spec *spec, const rk_entity *entity, const rk_index *index);
rk_status rki_page_read(rki_session *session, rki_page *page, rk_error *err);

#endif
