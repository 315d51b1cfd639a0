/* client.h: reads and writes of an application, through the phases of a migration.
 *
 * The application says whose record it wants (tenant, capsule), which entity and which id; the
 * client looks up the phase, inside the same transaction, and does what the phase asks: in
 * dual_write a put changes the old and the new key and both sets of index entries at once, after
 * the flip reads use the new key only, and so on. When another process changes the phase, the next
 * call follows; nothing is configured, pushed or restarted.
 *
 * Invariants
 *   - One call is one transaction: all of it happened, or nothing.
 *   - From the flip on a call returns only records of its scope, whatever the id holds, and
 *     answers for a record of another scope exactly as for one that is nowhere. In a `move`
 *     migration reads do so from its start; a put may have to wait for records of another capsule
 *     that share its old key (RK_BUSY). Before, reads behave as the application always did: a read
 *     by old key returns the tenant's record whatever its capsule.
 *   - Ids, tenants and capsules are bytes without the delimiter '#', not empty. They are compared
 *     byte by byte: no case folding, no Unicode normalisation.
 *
 * A client is on a store in this process ("lmdb:DIR") or on the nodes of a cluster
 * ("cluster:FILE"), of which each has the stores of some tenants. The calls are the same, and so
 * are what they give and how their errors are worded; in a cluster they take a network's time, and
 *   - RK_TIMEOUT: the tenant's node did not answer in time, and nothing was written;
 *   - RK_UNCERTAIN: a write was sent, and it is not known whether it was done: look, then decide;
 *   - RK_AUTH: the node refuses our key, or is not who the cluster file says; or a put in a scope
 *     that our key may not touch. Everything else in such a scope is answered as if no record were
 *     in it. A key that may not touch every capsule is shown only records of its scope before the
 *     flip, too, and there a put at an old key that another capsule's record has is RK_CONFLICT;
 *   - RK_LIMIT: what is asked, or what is found, is longer than one message.
 *
 * Limits: keys as long as the store takes (LMDB: 511 bytes), RK_BATCH_MAX operations a batch.
 *
 * Threading: a client may be shared between threads for reads and writes; an iterator belongs to
 * one thread. A cluster may be opened any number of times. A process opens a store once and shares
 * the client; a second open of the same store in the same process is RK_BUSY. Many processes may
 * have it open. Writes wait for the store's one write lock; a migration that runs beside them holds
 * it for `limits.lock_hold_ms` at a time. Nothing survives fork(): open after it.
 *
 *     rk_client *client = NULL;
 *     rk_error err = {0};
 *     if (rk_client_open("lmdb:/var/lib/app/data", NULL, &client, &err) != RK_OK)
 *         return fail(err.message);
 *     rk_scope scope = {rk_slice_str("acme"), rk_slice_str("PRODUS")};
 *     rk_id id = {"contract_id", rk_slice_str("c-17")};
 *     rk_value value = {0};
 *     if (rk_client_get(client, &scope, "Contract", &id, 1, &value, &err) == RK_OK)
 *         use(value.bytes);
 *     rk_value_fini(&value);
 *     rk_client_close(client);
 */
#ifndef REKEY_CLIENT_H
#define REKEY_CLIENT_H

#include <rekey/slice.h>
#include <rekey/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_client rk_client;
typedef struct rk_iterator rk_iterator;

/* Whose records a call is about. */
typedef struct rk_scope {
    rk_slice tenant;
    rk_slice capsule;
} rk_scope;

/* One variable of a key, or of an index pattern, and its value. */
typedef struct rk_id {
    const char *name;
    rk_slice value;
} rk_id;

/* Bytes that the caller owns. Zeroed is empty. */
typedef struct rk_value {
    rk_slice bytes;
    void *memory;
} rk_value;

/* Frees the bytes and leaves it empty. NULL allowed. */
RK_API void rk_value_fini(rk_value *value);

/* --- life cycle ------------------------------------------------------------------------------- */

/* Zeroed is the default. */
typedef struct rk_client_options {
    bool read_only;          /* every write is RK_INVALID; no byte of the store changes */
    uint64_t map_bytes_max;  /* the store's map never grows past this; 0: as the disk allows. Not
                                for a cluster */
    uint32_t compare_one_in; /* comparison reads, see below: 1 is every get, 100 one in a hundred,
                                0 none. Not for a cluster, whose nodes compare as they are told */
    const char *identity;    /* of a cluster: path of our secret key; NULL: as its file says */
    uint32_t timeout_ms;     /* of a cluster: how long a call may take; 0: ten seconds */
} rk_client_options;

/* Opens the store at `location`, "lmdb:DIR" (DIR an LMDB environment folder), in which a migration
 * is registered (`rekey register`). Options NULL for the default. Clears dead readers.
 * RK_NOT_FOUND: no store there, or no migration in it. RK_INVALID: no such kind of store, or not
 * an LMDB environment. RK_BUSY: this process has it open already. RK_IO: permissions and such.
 *
 * "cluster:FILE" reads the cluster file and our key, and asks one node whether it lets us in;
 * others are called when they are needed. RK_NOT_FOUND: no such file, or no migration on the node.
 * RK_INVALID: what the files say is wrong. RK_AUTH: our key is not authorized, or the files are not
 * safe. RK_TIMEOUT: no node answers. */
RK_API rk_status rk_client_open(const char *location, const rk_client_options *options,
                                rk_client **out, rk_error *err);

/* Every iterator must have been closed, every call have returned. NULL allowed. */
RK_API void rk_client_close(rk_client *client);

/* --- single records --------------------------------------------------------------------------- */

/* `ids` names every variable of the entity's old key other than the tenant and the capsule, in any
 * order. RK_INVALID, here and below, names the bad entity, variable, tenant or capsule. */

/* The record's value, to be freed with rk_value_fini. RK_NOT_FOUND when there is none in this scope
 * (error untouched). Waits for no writer, unless a comparison read has a difference to report. */
RK_API rk_status rk_client_get(rk_client *client, const rk_scope *scope, const char *entity,
                               const rk_id *ids, size_t id_count, rk_value *out, rk_error *err);

/* Writes the record, new or not. For JSON values the capsule member is added when absent; one that
 * names another capsule than the scope's is RK_INVALID. RK_CONFLICT: a parent that is not there in
 * this capsule, or, before the flip, an old key at which another capsule's record has children.
 * RK_BUSY: records of the tenant are being moved, or moved back, and this one must wait; try again.
 * RK_LIMIT: a key that would be too long. RK_FULL, RK_UNCERTAIN as the store says. */
RK_API rk_status rk_client_put(rk_client *client, const rk_scope *scope, const char *entity,
                               const rk_id *ids, size_t id_count, rk_slice value, rk_error *err);

/* As put, if a get in the same transaction found nothing; else RK_CONFLICT. */
RK_API rk_status rk_client_put_if_absent(rk_client *client, const rk_scope *scope,
                                         const char *entity, const rk_id *ids, size_t id_count,
                                         rk_slice value, rk_error *err);

/* As put, if a get in the same transaction found `expected`; else RK_CONFLICT, also when it found
 * nothing. Bytes that a get gave before a phase change still count as equal after it, while nobody
 * wrote the record. */
RK_API rk_status rk_client_compare_and_put(rk_client *client, const rk_scope *scope,
                                           const char *entity, const rk_id *ids, size_t id_count,
                                           rk_slice expected, rk_slice value, rk_error *err);

/* Removes the record and its index entries; RK_NOT_FOUND when there is none in this scope. Children
 * are the caller's to remove first. */
RK_API rk_status rk_client_delete(rk_client *client, const rk_scope *scope, const char *entity,
                                  const rk_id *ids, size_t id_count, rk_error *err);

/* --- batches ---------------------------------------------------------------------------------- */

#define RK_BATCH_MAX 1024

typedef enum rk_verb { RK_GET, RK_PUT, RK_PUT_IF_ABSENT, RK_COMPARE_AND_PUT, RK_DELETE } rk_verb;

/* One operation of a batch, with the rules of the function of its name. The caller fills the first
 * part, the batch the second. */
typedef struct rk_operation {
    rk_verb verb;
    const char *entity;
    const rk_id *ids;
    size_t id_count;
    rk_slice value;    /* of the puts */
    rk_slice expected; /* of RK_COMPARE_AND_PUT */

    rk_status status; /* RK_OK, RK_NOT_FOUND (get, delete), or why the batch failed */
    rk_value found;   /* of RK_GET; rk_value_fini after RK_OK */
} rk_operation;

/* Does all operations in order, in one transaction of one scope; each sees those before it. A get
 * or delete of a record that is not there does not fail the batch. Any other failure undoes all of
 * it, is returned, and *failed (NULL allowed) says which operation it was, `count` if none of them
 * but the transaction itself; then the status of the others means nothing, and no `found` is left.
 * A batch of gets alone reads one snapshot, and waits as get does. RK_INVALID: more than
 * RK_BATCH_MAX operations. */
RK_API rk_status rk_client_batch(rk_client *client, const rk_scope *scope, rk_operation *operations,
                                 size_t count, size_t *failed, rk_error *err);

/* --- lists and queries ------------------------------------------------------------------------ */

#define RK_PAGE_ROWS_MAX 256

/* Zeroed, or NULL, is the default. */
typedef struct rk_list_options {
    rk_slice after;       /* begin behind this rk_iterator_position; empty: at the start */
    size_t page_rows_max; /* rows read from one snapshot, 1 to RK_PAGE_ROWS_MAX; 0 for that */
} rk_list_options;

/* One record of a list or query. Everything is borrowed until the next step. */
typedef struct rk_row {
    const rk_id *ids; /* key variables other than tenant and capsule, in the key's order */
    size_t id_count;
    rk_slice value;
} rk_row;

/* All records of the entity in the scope, in key order. The iterator reads in bounded pages: rows
 * of one page come from one snapshot, and nothing is pinned between pages. A record that is there
 * from the first page to the last is given exactly once, a migration in between or not. RK_INVALID:
 * also a position that belongs to another scope or question. RK_CONFLICT, here or at a later step:
 * the phase changed, and old and new keys of this entity sort differently; begin again. */
RK_API rk_status rk_client_list(rk_client *client, const rk_scope *scope, const char *entity,
                                const rk_list_options *options, rk_iterator **out, rk_error *err);

/* Records by index: `where` gives the values of the index pattern's variables other than tenant and
 * capsule; leading ones suffice (a prefix of the index key). Else as list, in index key order. */
RK_API rk_status rk_client_query(rk_client *client, const rk_scope *scope, const char *entity,
                                 const char *index, const rk_id *where, size_t where_count,
                                 const rk_list_options *options, rk_iterator **out, rk_error *err);

/* RK_NOT_FOUND at the end, error untouched. */
RK_API rk_status rk_iterator_next(rk_iterator *iterator, rk_row *out, rk_error *err);

/* Where the iterator stands: behind the last row it gave. The bytes let another iterator, of any
 * process and at any later time, go on with the same question in the same scope; in another scope
 * they are RK_INVALID. They hold no id of a record that the scope does not see. Freed with
 * rk_value_fini. RK_INVALID: a `move` is under way and this entity's old and new keys sort
 * differently, so that only the whole list is in order. */
RK_API rk_status rk_iterator_position(const rk_iterator *iterator, rk_value *out, rk_error *err);

/* NULL allowed. */
RK_API void rk_iterator_close(rk_iterator *iterator);

/* --- comparison reads ------------------------------------------------------------------------- */

/* With compare_one_in, a sampled get also looks at the record's other key in the same snapshot and
 * compares the two: in dual_write and flipped the new record must be what the old one becomes; in a
 * `move` the record must not be at both keys. Records that the backfill has not reached are not
 * counted. The caller's answer is never affected. `rekey status` shows the sums of all clients; a
 * difference makes the last verification stale. The sums reach the store with the client's next
 * write and when it closes; a difference that the last clean verification does not know of at once,
 * in a transaction of its own; others ever more rarely, so that reads do not become writes. A
 * read-only client only counts for itself. */
typedef struct rk_comparisons {
    uint64_t compared;
    uint64_t different;
} rk_comparisons;

/* What this client has counted since it was opened; of a cluster, zeros. */
RK_API rk_comparisons rk_client_comparisons(rk_client *client);

#ifdef __cplusplus
}
#endif

#endif
