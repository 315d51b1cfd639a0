/* link.h: all nodes of a cluster, as one caller sees them.
 *
 * Opens a cluster file with the caller's key, keeps a few channels to each node, and carries
 * operations: a request whose answer did not come is repeated with its operation id, to the same
 * incarnation of the node, until the deadline (protocol.h says why that is safe).
 *
 * Threading: any number of threads; each call takes a channel of its own.
 *
 *     rk_link_answer answer = {0};
 *     size_t at = rk_cluster_owner(rk_link_cluster(link), tenant);
 *     status = rk_link_call(link, at, RK_REQUEST_BATCH, body, false, 0, &answer, &err);
 *     if (status == RK_OK && answer.reply.status == RK_OK) ...
 *     rk_link_answer_fini(&answer);
 */
#ifndef REKEY_REMOTE_LINK_H
#define REKEY_REMOTE_LINK_H

#include "rekey/cluster/cluster.h"
#include "rekey/protocol/protocol.h"
#include "rekey/remote/channel.h"

#define RK_LINK_TIMEOUT_MS 10000u

typedef struct rk_link rk_link;

typedef struct rk_link_options {
    const char *identity; /* path of the secret key; NULL: the one that the cluster file names */
    uint32_t timeout_ms;  /* of a call; 0: RK_LINK_TIMEOUT_MS */
} rk_link_options;

/* Reads cluster file, authorized keys and secret key. Our role is that of our key. Nobody is called
 * yet. RK_INVALID: what the files say is wrong (all findings of a file in `findings`, NULL allowed,
 * the first in the message). RK_AUTH: our key is not among the authorized ones, or the files are
 * not safe. RK_NOT_FOUND, RK_LIMIT, RK_IO, RK_NOMEM. Initialises crypto.h. */
rk_status rk_link_open(const char *path, const rk_link_options *options, rk_link **out,
                       rk_findings *findings, rk_error *err);

/* No call may be under way. NULL allowed. */
void rk_link_close(rk_link *link);

const rk_cluster *rk_link_cluster(const rk_link *link);
rk_role rk_link_role(const rk_link *link);

/* The longest body of a request, and of a reply. */
size_t rk_link_body_bytes_max(const rk_link *link);

/* What came back; `reply.body` lives in `bytes`. */
typedef struct rk_link_answer {
    rk_reply reply;
    rk_buf bytes;
} rk_link_answer;
void rk_link_answer_fini(rk_link_answer *answer); /* zeroed is allowed */

/* Asks the node at `position` of the cluster. `timeout_ms` 0: the link's own. `is_repeatable`: to
 * do it twice does no harm, as it changes nothing; of PING, PAGE and SCHEMA that is known.
 * Overwrites the answer: fini it first. RK_OK         the node answered, perhaps that it refuses
 * (answer->reply.status). RK_UNCERTAIN  no answer that holds came in time; or the node was started
 * anew meanwhile, and whether the one before it carried out what is not repeatable, nobody knows.
 *   RK_LIMIT      the body is longer than rk_link_body_bytes_max.
 *   RK_INVALID    the timeout is above RK_TRANSPORT_MS_CEILING.
 *   RK_TIMEOUT, RK_AUTH and all others: nothing was done. What is repeatable gives these alone, and
 *                 RK_CORRUPT for an answer that cannot be read.
 * Every message names the node. */
rk_status rk_link_call(rk_link *link, size_t position, rk_request_kind kind, rk_slice body,
                       bool is_repeatable, uint32_t timeout_ms, rk_link_answer *answer,
                       rk_error *err);

/* The same for an operation that has a name already: the control calls of a coordinator, which
 * repeats them over its own restarts. It may have been sent before, so that RK_TIMEOUT and the like
 * only say that it was not sent now; and a node that was started anew since this link last heard of
 * it gives RK_UNCERTAIN once, unless it is repeatable. */
rk_status rk_link_call_again(rk_link *link, size_t position, const rk_operation_name *operation,
                             rk_request_kind kind, rk_slice body, bool is_repeatable,
                             uint32_t timeout_ms, rk_link_answer *answer, rk_error *err);

#endif
