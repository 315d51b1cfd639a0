/* remote_private.h: a client of the nodes of a cluster.
 *
 * It knows no spec and no phase: the node that a tenant lives on does all of it, words the errors
 * and reads the pages. What is here puts calls into messages and makes rows of the answers.
 *
 * Threading: a remote client does not change once it is open; the link has the locks.
 */
#ifndef REKEY_CLIENT_REMOTE_PRIVATE_H
#define REKEY_CLIENT_REMOTE_PRIVATE_H

#include "rekey/client/ops_private.h"
#include "rekey/remote/link.h"

/* How messages get to the nodes: a link, or what a test puts in its place. */
typedef struct rki_carry {
    void *context;
    const rk_cluster *cluster;
    size_t body_bytes_max; /* of a request, and of a reply */
    uint32_t timeout_ms;   /* of a call */
    /* As rk_link_call. */
    rk_status (*call)(void *context, size_t position, rk_request_kind kind, rk_slice body,
                      bool is_repeatable, uint32_t timeout_ms, rk_link_answer *answer,
                      rk_error *err);
    void (*close)(void *context);
} rki_carry;

typedef struct rki_remote {
    rk_client head;
    rki_carry carry;
    bool read_only;
    bool holds_json;
} rki_remote;

/* Asks a node for the schema. On success the client closes the carry; else it is the caller's. */
rk_status rki_remote_create(const rki_carry *carry, const rk_client_options *options,
                            rk_client **out, rk_error *err);

/* Asks the node that the tenant lives on, for what changes nothing: an answer that did not come is
 * RK_TIMEOUT, for nothing can have landed. */
rk_status rki_remote_read(const rki_remote *client, rk_slice tenant, rk_request_kind kind,
                          rk_slice body, rk_link_answer *answer, rk_error *err);

/* What the node refused with, in its words. */
rk_status rki_remote_refused(const rk_link_answer *answer, rk_error *err);

/* remote_rows.c */
rk_status rki_remote_ask(rk_client *client, const rk_question *question, rk_iterator **out,
                         rk_error *err);

#endif
