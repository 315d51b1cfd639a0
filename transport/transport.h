/* transport.h: the contract between nodes and whatever carries their messages.
 *
 * Request and reply, both of bounded length, with a deadline. A caller dials one server and asks it
 * one thing at a time; a server hands out exchanges, each a request that waits for its answer.
 * Callers are cheap: whoever wants two answers at once dials twice.
 *
 * Invariants
 *   - Delivery is at least once. While a call waits, its request may reach the server again: at
 *     once when the connection was lost, and every `resend_ms`. The server tells duplicates by an
 *     operation id inside the request (dedup.h).
 *   - A call that did not give RK_OK may have been carried out all the same. Repeat it with the
 *     same operation id; never assume that it was not done.
 *   - Lengths are checked at the sender, before anything is sent: RK_LIMIT. All nodes of a cluster
 *     must have the same limits.message_bytes_max: a longer message is refused by its receiver,
 *     which closes the connection, and the call runs into its deadline.
 *   - Nothing waits for ever: every operation has a deadline, and every wait can be cut short from
 *     another thread (rk_caller_cancel, rk_server_stop).
 *   - Nothing is queued without bound: a server holds `exchanges_max` requests, and its callers
 *     wait beyond that.
 *   - The bytes are opaque, and neither secret nor authenticated here: that is secure.h.
 *
 * Threading: dial, listen, cancel, stop, receive, answer and drop may be called from any thread at
 * any time; a caller makes one call at a time; close comes last.
 *
 *     rk_caller *caller = NULL;
 *     rk_buf reply;
 *     rk_buf_init(&reply, limits.message_bytes_max);
 *     rk_transport_dial(transport, "tcp://node-2:7401", &caller, &err);
 *     rk_status status = rk_caller_call(caller, request, 2000, &reply, &err);
 *
 * Writing another backend: fill the rk_transport_ops, embed the structs below first in yours, and
 * make tests/unit/transport/contract.c pass with it.
 */
#ifndef REKEY_TRANSPORT_TRANSPORT_H
#define REKEY_TRANSPORT_TRANSPORT_H

#include "rekey/base/buf.h"

#include <stdatomic.h>

typedef struct rk_transport rk_transport; /* a backend with its limits */
typedef struct rk_caller rk_caller;       /* the asking end of a connection */
typedef struct rk_server rk_server;       /* the answering end, of any number of connections */
typedef struct rk_exchange rk_exchange;   /* a request that waits for its answer */

/* --- limits ----------------------------------------------------------------------------------- */

/* Every member is at least 1: there is no "unlimited" and no "for ever". */
typedef struct rk_transport_limits {
    size_t message_bytes_max;   /* one request or one reply */
    uint32_t exchanges_max;     /* open in one server at once */
    uint32_t connections_max;   /* to one server at once; more are refused. inproc has none */
    uint32_t answer_timeout_ms; /* how long an answer waits for a peer that does not read */
    uint32_t resend_ms;         /* after so long without a reply a request is sent again */
    uint32_t reconnect_min_ms;  /* a lost connection is tried again after about this long ... */
    uint32_t reconnect_max_ms;  /* ... doubling up to this */
} rk_transport_limits;

#define RK_TRANSPORT_LIMITS_DEFAULT                                                                \
    ((rk_transport_limits){.message_bytes_max = 1u << 20,                                          \
                           .exchanges_max = 64,                                                    \
                           .connections_max = 256,                                                 \
                           .answer_timeout_ms = 5000,                                              \
                           .resend_ms = 60000,                                                     \
                           .reconnect_min_ms = 20,                                                 \
                           .reconnect_max_ms = 1000})

/* The largest values that a limit may take. */
#define RK_TRANSPORT_MESSAGE_BYTES_CEILING ((size_t)64 << 20)
#define RK_TRANSPORT_EXCHANGES_CEILING     4096u
#define RK_TRANSPORT_CONNECTIONS_CEILING   65536u
#define RK_TRANSPORT_MS_CEILING            3600000u /* of timeouts given to calls, too */

/* RK_INVALID names the limit that is 0 or above its ceiling. Backends call it when they open. */
rk_status rk_transport_limits_check(const rk_transport_limits *limits, rk_error *err);

const rk_transport_limits *rk_transport_limits_of(const rk_transport *transport);

/* NULL allowed. Every caller and server must have been closed. */
void rk_transport_close(rk_transport *transport);

/* --- the asking end --------------------------------------------------------------------------- */

/* Makes a caller of the server at `url`. Connects in the background, and again whenever the
 * connection is lost: whether anybody is there shows in the first call. RK_INVALID for an url that
 * this backend does not speak; RK_IO, RK_NOMEM. */
rk_status rk_transport_dial(rk_transport *transport, const char *url, rk_caller **out,
                            rk_error *err);

/* Sends the request and waits for its reply, which replaces the contents of `reply`. Blocks up to
 * `timeout_ms` (1 .. RK_TRANSPORT_MS_CEILING, else RK_INVALID), the connecting included.
 *   RK_TIMEOUT    no reply in time. The operation may have been done; a caller that keeps timing
 *                 out is better closed and dialled anew: the old connection may lead nowhere.
 *   RK_LIMIT      the request is longer than limits.message_bytes_max: nothing was sent; or the
 *                 reply is longer than reply->max: the operation was done.
 *   RK_NOT_FOUND  closed: the caller was cancelled. The operation may have been done.
 *   RK_IO         with origin NNG, and the url in the message. The operation may have been done. */
rk_status rk_caller_call(rk_caller *caller, rk_slice request, uint32_t timeout_ms, rk_buf *reply,
                         rk_error *err);

/* Makes the call under way, and every later one, return RK_NOT_FOUND. From any thread, without
 * blocking; a second time changes nothing. */
void rk_caller_cancel(rk_caller *caller);

/* Cancels, waits for a call under way in another thread to return, and frees. NULL allowed. */
void rk_caller_close(rk_caller *caller);

/* --- the answering end ------------------------------------------------------------------------ */

/* Listens. RK_BUSY when the address is another live server's; RK_INVALID for an url that this
 * backend does not speak; RK_AUTH when the place is not safe (an ipc socket in a folder that others
 * may write); RK_IO, RK_NOMEM. */
rk_status rk_transport_listen(rk_transport *transport, const char *url, rk_server **out,
                              rk_error *err);

/* The url to dial, with the port that was given for port 0. Borrowed from the server. */
const char *rk_server_url(const rk_server *server);

/* Waits up to `timeout_ms` (0 .. RK_TRANSPORT_MS_CEILING, else RK_INVALID; 0 looks and does not
 * wait) for a request. Many threads may wait at once.
 *   RK_TIMEOUT    none came, or limits.exchanges_max are open.
 *   RK_NOT_FOUND  closed: the server was stopped. No further receive will give anything. */
rk_status rk_server_receive(rk_server *server, uint32_t timeout_ms, rk_exchange **out,
                            rk_error *err);

/* The request's bytes, borrowed until the exchange is answered or dropped. */
rk_slice rk_exchange_request(const rk_exchange *exchange);

/* Sends the reply and ends the exchange, whatever the status but RK_LIMIT (longer than
 * limits.message_bytes_max: nothing was sent, the exchange stays open for a shorter answer). From
 * any thread; blocks up to limits.answer_timeout_ms (RK_TIMEOUT). RK_OK says that the reply was
 * handed over, not that it arrived: the peer may be gone. RK_NOT_FOUND: the server is closing. */
rk_status rk_exchange_answer(rk_exchange *exchange, rk_slice reply, rk_error *err);

/* Ends the exchange without an answer; the call runs into its deadline. NULL allowed. */
void rk_exchange_drop(rk_exchange *exchange);

/* Makes every receive, under way and later, return RK_NOT_FOUND promptly. Open exchanges may still
 * be answered. From any thread, without blocking; a second time changes nothing. */
void rk_server_stop(rk_server *server);

/* Stops, waits for threads inside receive and answer to return, drops the exchanges that are open
 * (their handles die with the server: nobody may use them any more), and frees. The callers of
 * those exchanges send again when somebody listens there again. NULL allowed. */
void rk_server_close(rk_server *server);

/* --- the backend's side ----------------------------------------------------------------------- */

/* One function for each operation above, with the same contract; none may be NULL. What the
 * wrappers check, lengths and timeouts, needs no second check. */
typedef struct rk_transport_ops {
    void (*close)(rk_transport *);
    rk_status (*dial)(rk_transport *, const char *, rk_caller **, rk_error *);
    rk_status (*call)(rk_caller *, rk_slice, uint32_t, rk_buf *, rk_error *);
    void (*cancel)(rk_caller *);
    void (*caller_close)(rk_caller *);
    rk_status (*listen)(rk_transport *, const char *, rk_server **, rk_error *);
    const char *(*url)(const rk_server *);
    rk_status (*receive)(rk_server *, uint32_t, rk_exchange **, rk_error *);
    rk_status (*answer)(rk_exchange *, rk_slice, rk_error *);
    void (*drop)(rk_exchange *);
    void (*stop)(rk_server *);
    void (*server_close)(rk_server *);
} rk_transport_ops;

/* Backends embed these as their first member. */
struct rk_transport {
    const rk_transport_ops *ops;
    rk_transport_limits limits;
    atomic_size_t open; /* callers and servers; the wrappers count */
};
struct rk_caller {
    rk_transport *transport;
};
struct rk_server {
    rk_transport *transport;
};
struct rk_exchange {
    rk_transport *transport;
    rk_slice request;
};

#endif
