/* link_private.h: a link out of its parts, for tests with a carriage of their own; and what the
 * sources of the link share.
 */
#ifndef REKEY_REMOTE_LINK_PRIVATE_H
#define REKEY_REMOTE_LINK_PRIVATE_H

#include "rekey/access/access.h"
#include "rekey/remote/link.h"

#include <pthread.h>

#define RKI_IDLE_MAX   8     /* channels kept to a node, for the next calls */
#define RKI_TRY_MS_MAX 5000u /* a connection that leads nowhere costs one try, not the call */

typedef struct rki_link_node {
    rk_channel *idle[RKI_IDLE_MAX];
    size_t idle_count;
    rk_incarnation incarnation; /* that was heard of last; zero: none yet */
} rki_link_node;

struct rk_link {
    rk_cluster *cluster;
    rk_access *access;
    rk_transport *transport;
    bool owns_transport;
    rk_secret_key key;
    rk_role role;
    uint32_t timeout_ms;
    uint32_t try_ms_max;  /* RKI_TRY_MS_MAX, but in tests */
    pthread_mutex_t lock; /* over the nodes */
    rki_link_node *nodes; /* by their positions in the cluster */
};

/* Takes cluster and access over when it gives RK_OK, copies the key, and borrows the transport,
 * which must outlive the link. RK_AUTH: the key may not ask. RK_INVALID, RK_NOMEM. */
rk_status rki_link_open(rk_cluster *cluster, rk_access *access, const rk_secret_key *key,
                        rk_transport *transport, uint32_t timeout_ms, rk_link **out, rk_error *err);

/* --- a node's channels and incarnation (link.c) ----------------------------------------------- */

/* An idle channel of the node, or a new one. */
rk_status rki_link_take_channel(rk_link *link, size_t position, rk_channel **out, rk_error *err);

/* Closes it when it is not `sound`, or when enough are idle. */
void rki_link_give_channel(rk_link *link, size_t position, rk_channel *channel, bool sound);

rk_incarnation rki_link_incarnation(rk_link *link, size_t position);

/* Another one than before: the idle channels lead to sessions that the node has forgotten, and are
 * closed. */
void rki_link_learn(rk_link *link, size_t position, const rk_incarnation *incarnation);

#endif
