/* ops_private.h: the two kinds of client, as the public functions see them.
 *
 * A client is local (an LMDB store in this process, local.c) or remote (the nodes of a cluster,
 * remote.c). client.c checks what is the same for both and calls through the table; no other
 * function asks which kind it has.
 */
#ifndef REKEY_CLIENT_OPS_PRIVATE_H
#define REKEY_CLIENT_OPS_PRIVATE_H

#include "rekey/client/attach.h"

typedef struct rki_client_ops {
    /* As rk_client_batch; 1 to RK_BATCH_MAX operations. A single one's error is worded without
     * saying which of them it was. */
    rk_status (*batch)(rk_client *client, const rk_scope *scope, rk_operation *operations,
                       size_t count, bool is_single, size_t *failed, rk_error *err);
    /* Opens a list or a query; what is wrong with the question is said here. */
    rk_status (*ask)(rk_client *client, const rk_question *question, rk_iterator **out,
                     rk_error *err);
    rk_comparisons (*comparisons)(rk_client *client);
    bool (*holds_json)(rk_client *client);
    void (*close)(rk_client *client);
} rki_client_ops;

typedef struct rki_iterator_ops {
    rk_status (*next)(rk_iterator *iterator, rk_row *out, rk_error *err);
    rk_status (*position)(const rk_iterator *iterator, rk_value *out, rk_error *err);
    void (*close)(rk_iterator *iterator);
} rki_iterator_ops;

/* The first member of every client, and of every iterator. */
struct rk_client {
    const rki_client_ops *ops;
};

struct rk_iterator {
    const rki_iterator_ops *ops;
};

/* "get", "put if absent" and so on; "?" for what is none. */
const char *rki_verb_name(rk_verb verb);

/* "operation 2 of 5, put Contract: " before the message of a batch that failed at one of them. */
rk_status rki_batch_context(rk_error *err, rk_status status, const rk_operation *operations,
                            size_t count, size_t failed);

bool rki_only_gets(const rk_operation *operations, size_t count);

/* Into memory of its own. */
rk_status rki_value_copy(rk_slice bytes, rk_value *out, rk_error *err);

#define RKI_QUESTION_BYTES_MAX ((size_t)1024 * 1024)

/* The words of a question in an arena; `after` stays the caller's. */
rk_status rki_question_copy(const rk_question *question, rk_arena *memory, rk_question *out,
                            rk_error *err);

/* RK_INVALID: what rk_iterator_position says of a list whose rows have no positions. */
rk_status rki_no_position(const char *entity, rk_error *err);

/* RK_INVALID: what a client opened read-only says to every write. */
rk_status rki_refuse_write(rk_error *err);

/* --- how each kind is opened ------------------------------------------------------------------ */

/* `options` not NULL. `location` is what the caller said, for messages. */
rk_status rki_local_open(const char *location, const char *folder, const rk_client_options *options,
                         rk_client **out, rk_error *err);
rk_status rki_remote_open(const char *path, const rk_client_options *options, rk_client **out,
                          rk_error *err);

#endif
