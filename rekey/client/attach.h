/* attach.h: what this repository's programs ask of a client beyond the installed header: a client
 * on a store that they opened themselves, and what a node needs to serve the clients of others.
 *
 * But for rk_client_holds_json everything here is for local clients only.
 */
#ifndef REKEY_CLIENT_ATTACH_H
#define REKEY_CLIENT_ATTACH_H

#include <rekey/client.h>

#include "rekey/base/arena.h"
#include "store/store.h"

/* As rk_client_open, on an open store; it is borrowed and must outlive the client. */
rk_status rk_client_attach(rk_store *store, const rk_client_options *options, rk_client **out,
                           rk_error *err);

/* Whether the registered spec says that values are JSON objects; a remote client's, whether it did
 * when the client was opened. */
bool rk_client_holds_json(rk_client *client);

/* --- serving others --------------------------------------------------------------------------- */

/* How much of the store somebody may see through a call. */
typedef enum rk_sight {
    RK_SIGHT_FULL, /* what the phase says, as rk_client_get and the others */

    /* Never a record of another capsule: where reads are by old keys, too, only records that
     * resolve to the scope's capsule are there, and a put that would overwrite another capsule's
     * is RK_CONFLICT. For keys that may not touch every capsule. */
    RK_SIGHT_CONFINED,

    /* As if the scope had no record: no record is looked at, so that neither the answer nor its
     * time depends on any. What is wrong with the question is said in the usual words; a put is
     * RK_AUTH. For keys that may not touch the scope. */
    RK_SIGHT_NONE
} rk_sight;

typedef struct rk_serving {
    rk_sight sight;
    bool is_single;       /* the error is worded as that of a single call; count is 1 */
    size_t get_bytes_max; /* of all values that the gets find, together; RK_LIMIT past it */
} rk_serving;

/* As rk_client_batch. */
rk_status rk_client_serve_batch(rk_client *client, const rk_serving *serving, const rk_scope *scope,
                                rk_operation *operations, size_t count, size_t *failed,
                                rk_error *err);

/* A list or a query, in words. */
typedef struct rk_question {
    rk_scope scope;
    const char *entity;
    const char *index; /* NULL for a list */
    const rk_id *where;
    size_t where_count;
    rk_slice after;
    size_t page_rows_max; /* 1 to RK_PAGE_ROWS_MAX */
} rk_question;

/* As rk_client_list and rk_client_query. */
rk_status rk_client_serve_rows(rk_client *client, rk_sight sight, const rk_question *question,
                               rk_iterator **out, rk_error *err);

typedef struct rk_at_hand {
    size_t rows;   /* that rk_iterator_next gives from one snapshot; all are valid until it has
                      given one more */
    bool ended;    /* nothing comes behind them */
    bool is_whole; /* the list has no positions, and all of it is at hand */
} rk_at_hand;

/* Reads pages until a row is at hand, or the end. Fails as rk_iterator_next. */
rk_status rk_iterator_look_ahead(rk_iterator *iterator, rk_at_hand *out, rk_error *err);

#endif
