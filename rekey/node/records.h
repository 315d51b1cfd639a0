/* records.h: what a node answers to those who ask for records.
 *
 * Decodes a BATCH, a PAGE or a SCHEMA, asks the client on the node's own store, and encodes what
 * came of it.
 *
 * Invariants
 *   - Nothing comes back that the peer's key may not touch. Outside of its tenants and capsules a
 *     key is answered as for records that are not there (RK_SIGHT_NONE): no record is looked at,
 *     and what is wrong with the question is said in the same words as in scope.
 *   - Only a put cannot be answered so: it is RK_AUTH, "this key may not write in this scope",
 *     whatever is stored. So a key may find out what it may do, and nothing about what there is.
 *   - A key that may not touch every capsule sees only records of the scope that it names, in the
 *     phases too in which reads are by old keys (RK_SIGHT_CONFINED).
 *   - Only who may touch the scope learns that its tenant lives on another node.
 *   - What the answer cannot hold fails before anything is written.
 *
 * What is asked in scope takes a look at the store, and a write waits for its turn; out of scope
 * neither. The time of an answer tells a key its own rights, which are no secret from it.
 *
 * Threading: any number of threads.
 */
#ifndef REKEY_NODE_RECORDS_H
#define REKEY_NODE_RECORDS_H

#include "rekey/access/access.h"
#include "rekey/client/attach.h"
#include "rekey/cluster/cluster.h"
#include "rekey/protocol/protocol.h"

/* All borrowed. */
typedef struct rk_node_records {
    rk_client *client; /* a local one, on the node's store */
    const rk_cluster *cluster;
    size_t self;           /* the node's own position in the cluster */
    size_t body_bytes_max; /* of a reply's body; at least RK_NODE_RECORDS_BODY_BYTES_MIN */
} rk_node_records;

#define RK_NODE_RECORDS_BODY_BYTES_MIN ((size_t)16 * 1024)

/* Answers a request of kind BATCH, PAGE or SCHEMA: fills status and error of `reply` and appends to
 * `body` (empty, its cap at least body_bytes_max); what the reply's body is stays the caller's to
 * say. RK_OK, whatever the answer is. RK_INVALID, nothing is filled: a request of another kind.
 * Blocks as the client does. */
rk_status rk_node_records_answer(const rk_node_records *records, const rk_access_entry *peer,
                                 const rk_envelope *request, rk_reply *reply, rk_buf *body);

#endif
