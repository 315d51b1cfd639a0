/* gate.h: the sessions of one node: who may come in, and which request is whose.
 *
 * Takes a message of the carriage and gives the bytes to send back. Handshakes it does itself; an
 * opened request goes to the handler together with who sent it.
 *
 * Invariants
 *   - A handler is only called for a peer that has proved its key and stands in the authorized
 *     keys at that moment: a key that is taken out of the file loses its sessions with the next
 *     request after rk_gate_admit.
 *   - At most sessions_max sessions; of those that wait for the end of their handshake at most
 *     half_open_max, the oldest goes first. Of the others the one idle for longest makes room, and
 *     none whose request is being handled. A hello that is refused pushes nobody out.
 *   - At most key_sessions_max of one key: one more, once its handshake is done, takes the place of
 *     that key's own session that has been idle for longest, never of another key's. It comes on
 *     top only where all of those are being handled: one a thread at the most.
 *   - One request of a session is handled at a time; those of different sessions side by side.
 *   - Whatever is refused gets the same nine bytes (rk_secure_refusal).
 *
 * A session keeps its last reply, to send it again: up to twice message_bytes_max each. Of requests
 * and of earlier replies it keeps nothing to speak of.
 *
 * Threading: any number of threads.
 */
#ifndef REKEY_REMOTE_GATE_H
#define REKEY_REMOTE_GATE_H

#include "rekey/access/access.h"
#include "transport/secure.h"

typedef struct rk_gate rk_gate;

/* Fills `reply` (empty; its cap is what a session carries). The entry is borrowed for the call.
 * RK_OK: it is sent. Any other status ends the session and refuses. */
typedef rk_status (*rk_gate_handler)(void *context, const rk_access_entry *peer, rk_slice request,
                                     rk_buf *reply);

typedef struct rk_gate_config {
    const rk_secret_key *key;  /* the node's identity; borrowed */
    rk_slice context;          /* the cluster's name; copied */
    size_t message_bytes_max;  /* of the carriage */
    uint32_t sessions_max;     /* 1 to 65536; more than there are threads */
    uint32_t half_open_max;    /* 1 to sessions_max */
    uint32_t key_sessions_max; /* 1 to sessions_max */
    rk_gate_handler handler;
    void *handler_context;
} rk_gate_config;

/* `access` becomes the gate's. RK_INVALID names the member out of its bounds; RK_NOMEM. */
rk_status rk_gate_create(const rk_gate_config *config, rk_access *access, rk_gate **out,
                         rk_error *err);

/* No call may be under way. NULL allowed. */
void rk_gate_destroy(rk_gate *gate);

/* Other authorized keys from now on (SIGHUP). Takes `access` over; waits until what was taken
 * before is answered, and holds up nothing that comes after. Not from a handler. */
void rk_gate_admit(rk_gate *gate, rk_access *access);

/* Answers one message. RK_OK: send `reply`, whose contents it replaces. RK_BUSY: drop the exchange,
 * the session's request is being handled already. RK_LIMIT or RK_NOMEM: drop it, `reply` does not
 * hold even a refusal. `why` (NULL allowed) says what was refused, for the node's log; it is set
 * only then. */
rk_status rk_gate_take(rk_gate *gate, rk_slice message, rk_buf *reply, rk_error *why);

typedef struct rk_gate_counts {
    uint64_t sessions; /* now */
    uint64_t half_open;
    uint64_t requests; /* since the start */
    uint64_t refused;
} rk_gate_counts;

rk_gate_counts rk_gate_counts_of(rk_gate *gate);

#endif
