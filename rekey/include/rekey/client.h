/* client.h: reads and writes of an application, through the phases of a migration.
 *
 * The application says whose record it wants (tenant, capsule), which entity and which id; the
 * client looks up the phase, inside the same transaction, and does what the phase asks: in
 * dual_write a put changes the old and the new key and both sets of index entries at once, after
 * the flip reads use the new key only, and so on. Nothing is configured when the phase changes.
 *
 * Invariants
 *   - One call is one transaction: all of it happened, or nothing.
 *   - From the flip on, and in a `move` migration from its start, a call returns only
 *     records of its scope, whatever the id holds. Before, reads behave as the application always
 *     did: a read by old key returns the tenant's record whatever its capsule.
 *   - Ids, tenants and capsules are bytes without the delimiter '#', not empty.
 *
 * Threading: a client may be shared between threads for reads and writes; an iterator belongs to
 * one thread. Writes block while another process writes.
 *
 *     rk_scope scope = {rk_slice_str("acme"), rk_slice_str("PRODUS")};
 *     rk_id id = {"contract_id", rk_slice_str("c-17")};
 *     rk_value value = {0};
 *     if (rk_client_get(client, &scope, "Contract", &id, 1, &value, &err) == RK_OK)
 *         use(value.bytes);
 *     rk_value_fini(&value);
 */
#ifndef REKEY_CLIENT_H
#define REKEY_CLIENT_H

#include <rekey/slice.h>
#include <rekey/status.h>

typedef struct rk_store rk_store;
typedef struct rk_client rk_client;
typedef struct rk_iterator rk_iterator;

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

RK_API void rk_value_fini(rk_value *value);

/* Opens a client on a store in which a migration is registered. The store is borrowed and must
 * outlive the client. RK_NOT_FOUND: none is registered. */
RK_API rk_status rk_client_open(rk_store *store, rk_client **out, rk_error *err);
RK_API void rk_client_close(rk_client *client);

/* The record's value. RK_NOT_FOUND when there is none in this scope (error untouched); RK_INVALID
 * names the bad entity, variable, tenant or capsule. */
RK_API rk_status rk_client_get(rk_client *client, const rk_scope *scope, const char *entity,
                               const rk_id *ids, size_t id_count, rk_value *out, rk_error *err);

/* Writes the record. For JSON values the capsule member is added when absent; one that names
 * another capsule than the scope's is RK_INVALID. RK_CONFLICT: a parent that is not there in this
 * capsule. RK_LIMIT: a key that would be too long. RK_FULL, RK_BUSY, RK_UNCERTAIN as the store
 * says. */
RK_API rk_status rk_client_put(rk_client *client, const rk_scope *scope, const char *entity,
                               const rk_id *ids, size_t id_count, rk_slice value, rk_error *err);

/* Removes the record and its index entries; RK_NOT_FOUND when there is none in this scope. */
RK_API rk_status rk_client_delete(rk_client *client, const rk_scope *scope, const char *entity,
                                  const rk_id *ids, size_t id_count, rk_error *err);

/* One record of a list or query. Everything is borrowed until the next step. */
typedef struct rk_row {
    const rk_id *ids; /* key variables other than tenant and capsule, in the key's order */
    size_t id_count;
    rk_slice value;
} rk_row;

/* All records of the entity in the scope, in key order. The iterator reads in pages: rows of one
 * page come from one snapshot. */
RK_API rk_status rk_client_list(rk_client *client, const rk_scope *scope, const char *entity,
                                rk_iterator **out, rk_error *err);

/* Records by index: `where` gives the values of the index pattern's variables other than tenant and
 * capsule; leading ones suffice (a prefix of the index key). */
RK_API rk_status rk_client_query(rk_client *client, const rk_scope *scope, const char *entity,
                                 const char *index, const rk_id *where, size_t where_count,
                                 rk_iterator **out, rk_error *err);

/* RK_NOT_FOUND at the end, error untouched. */
RK_API rk_status rk_iterator_next(rk_iterator *iterator, rk_row *out, rk_error *err);
RK_API void rk_iterator_close(rk_iterator *iterator);

#endif
