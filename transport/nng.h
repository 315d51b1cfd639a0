/* nng.h: the transport over TCP and Unix sockets, by nng's REQ/REP protocol.
 *
 * Urls: "tcp://HOST:PORT" and "ipc://PATH", see url.h. Port 0 listens on a free port, which
 * rk_server_url tells.
 *
 * An ipc socket has mode 0600, in a folder that only its owner or root can write (or that is
 * sticky, as /tmp). A socket left behind by a killed process is taken over; a live one is RK_BUSY;
 * anything that is no socket stays untouched: RK_INVALID.
 *
 * Closing a caller does not wait for its connection: a thread of the transport closes it shortly
 * after. Closing a server takes about 50 ms. Both are bounded even where
 * nng is not (nng.c tells why): after 10 s the connections are left as they are, until the process
 * ends.
 *
 * The transport has a thread, and nng keeps some: a process that forks must do so before it opens
 * one, or exec.
 */
#ifndef REKEY_TRANSPORT_NNG_H
#define REKEY_TRANSPORT_NNG_H

#include "transport/transport.h"

/* RK_INVALID for limits out of range; RK_NOMEM, RK_IO. */
rk_status rk_nng_open(const rk_transport_limits *limits, rk_transport **out, rk_error *err);

/* Whether nng did not come back from closing something. What was open then stays open, in all
 * transports of the process: whoever runs for long says so, and starts anew when it suits him. */
bool rk_nng_stuck(const rk_transport *transport);

#endif
