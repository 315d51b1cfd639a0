/* limits.h: the one place that says how long messages between callers and nodes may be, and how
 * many there may be at once. Both ends must agree on the first (transport.h).
 */
#ifndef REKEY_REMOTE_LIMITS_H
#define REKEY_REMOTE_LIMITS_H

#include "transport/transport.h"

#define RK_REMOTE_MESSAGE_BYTES_MAX ((size_t)4 << 20)
#define RK_REMOTE_MESSAGE_BYTES_MIN ((size_t)512) /* what a handshake needs, and some */
#define RK_REMOTE_EXCHANGES_MAX     256u

rk_transport_limits rk_remote_limits(void);

/* The longest plaintext that a session carries in messages of this length; 0 below
 * RK_REMOTE_MESSAGE_BYTES_MIN. */
size_t rk_remote_plaintext_bytes_max(size_t message_bytes_max);

#endif
