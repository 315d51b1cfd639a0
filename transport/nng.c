#include "transport/nng.h"
#include "transport/closer.h"
#include "transport/ipc_path.h"
#include "transport/url.h"
#include "transport/waiting.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

/* What nng 1.5.2 forces on this file:
 *   - nng_close waits for ever for a receive under way on the same socket. So every operation is an
 *     aio that is started under a lock, after a look at the flag that ends all; whoever closes sets
 *     the flag, cancels what runs, waits until the last thread is out, and only then closes.
 *   - It waits for ever, too, if a message arrives at the same moment. A message is read in two
 *     steps, length and body; when the connection is closed between the end of the first step and
 *     the start of the second, the second fails without telling anybody (tcptran_pipe_recv_cb,
 *     nni_aio_begin), and the one thread that clears away what is closed waits for it. Sending in
 *     several pieces has the same gap. So a socket rests before it is closed, until what was on its
 *     way has come in: a server that was stopped takes no connection any more and lets
 *     each read one request and no more, and a caller has at most one reply to come. And since that
 * makes it rare and not impossible, sockets are closed in a thread of their own (closer.h), for
 * which nobody waits for ever.
 *   - Timeouts default to none and sizes to no limit: all are set before listen and dial.
 *   - A message longer than the receiver's limit is "sent" and vanishes: transport.c checks before.
 *   - A request whose call timed out is forgotten only if the receive was what timed out: a call
 *     that has sent therefore always goes on to receive.
 * The limit on what is received counts nng's header, the number of the request, too. */
#define HEADER_BYTES 4

/* How long a socket rests before it is closed, and how long its owner waits for the closing. */
#define REST_MS     50u
#define PATIENCE_MS 10000u

typedef struct nng_transport {
    rk_transport base;
    rk_closer *closer;
} nng_transport;

static rk_closer *closer_of(const rk_transport *transport)
{
    return ((const nng_transport *)transport)->closer;
}

/* --- shared ----------------------------------------------------------------------------------- */

static rk_status status_of(int rv)
{
    switch (rv) {
    case 0:
        return RK_OK;
    case NNG_ETIMEDOUT:
        return RK_TIMEOUT;
    case NNG_ECANCELED:
    case NNG_ECLOSED:
        return RK_NOT_FOUND;
    case NNG_EADDRINUSE:
        return RK_BUSY;
    case NNG_EADDRINVAL:
        return RK_INVALID;
    case NNG_EPERM:
        return RK_AUTH;
    case NNG_ENOMEM:
        return RK_NOMEM;
    default:
        return RK_IO;
    }
}

static rk_status fail(rk_error *err, int rv, const char *what, const char *url)
{
    return rk_error_set_native(err, status_of(rv), RK_ORIGIN_NNG, rv, "%s %s: %s", what, url,
                               nng_strerror(rv));
}

static rk_status fail_closed(rk_error *err, const char *what, const char *url)
{
    return rk_error_set(err, RK_NOT_FOUND, "%s %s: closed", what, url);
}

/* The rest of the time, rounded up, at least 1 ms: nng takes 0 for "do not wait at all". */
static nng_duration remaining_ms(uint64_t deadline_ns)
{
    uint64_t now = rk_now_ns();
    uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    uint64_t ms = (left + RK_NS_PER_MS - 1) / RK_NS_PER_MS;
    return ms > 0 ? (nng_duration)ms : 1;
}

static rk_status message_of(rk_slice bytes, nng_msg **out, rk_error *err)
{
    if (nng_msg_alloc(out, bytes.len) != 0)
        return rk_error_set(err, RK_NOMEM, "out of memory for a message of %zu bytes", bytes.len);
    if (bytes.len > 0)
        memcpy(nng_msg_body(*out), bytes.ptr, bytes.len);
    return RK_OK;
}

/* The options that both ends have. What is set on the socket is inherited by its dialer or
 * listener, which is why this comes first. */
static int set_options(nng_socket socket, const rk_transport_limits *l)
{
    int rv = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, l->message_bytes_max + HEADER_BYTES);
    if (rv == 0)
        rv = nng_socket_set_ms(socket, NNG_OPT_SENDTIMEO, (nng_duration)l->answer_timeout_ms);
    if (rv == 0)
        rv = nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, (nng_duration)l->answer_timeout_ms);
    if (rv == 0)
        rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, (nng_duration)l->reconnect_min_ms);
    if (rv == 0)
        rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, (nng_duration)l->reconnect_max_ms);
    return rv;
}

/* --- the asking end --------------------------------------------------------------------------- */

/* Each caller has a socket of its own: a slow reply holds up nobody else, and closing needs to look
 * at one thread only. */
typedef struct nng_caller {
    rk_caller base;
    rk_closer_job closing;
    pthread_mutex_t lock; /* over busy and cancelled, and the start of every operation */
    pthread_cond_t idle;
    bool busy;
    bool cancelled;
    nng_socket socket;
    nng_ctx context;
    nng_aio *aio;
    char *url;
} nng_caller;

typedef void (*start_fn)(nng_ctx, nng_aio *);

/* Starts one operation and waits for its end. */
static int caller_run(nng_caller *c, start_fn start, nng_duration timeout)
{
    pthread_mutex_lock(&c->lock);
    if (c->cancelled) {
        pthread_mutex_unlock(&c->lock);
        return NNG_ECANCELED;
    }
    nng_aio_set_timeout(c->aio, timeout);
    start(c->context, c->aio);
    pthread_mutex_unlock(&c->lock);
    nng_aio_wait(c->aio);
    return nng_aio_result(c->aio);
}

static rk_status caller_failed(const nng_caller *c, int rv, bool sent, uint32_t timeout_ms,
                               rk_error *err)
{
    rk_status status = status_of(rv);
    if (status == RK_TIMEOUT)
        return rk_error_set_native(err, status, RK_ORIGIN_NNG, rv, "call %s: %s within %u ms",
                                   c->url, sent ? "no reply" : "no connection", timeout_ms);
    if (status == RK_NOT_FOUND)
        return fail_closed(err, "call", c->url);
    return fail(err, rv, "call", c->url);
}

static rk_status caller_exchange(nng_caller *c, rk_slice request, uint32_t timeout_ms,
                                 rk_buf *reply, rk_error *err)
{
    uint64_t deadline = rk_after_ms(rk_now_ns(), timeout_ms);
    nng_msg *message = NULL;
    rk_status status = message_of(request, &message, err);
    if (status != RK_OK)
        return status;
    nng_aio_set_msg(c->aio, message);
    int rv = caller_run(c, nng_ctx_send, remaining_ms(deadline));
    if (rv != 0) {
        /* Not sent: the message is ours again. */
        nng_msg_free(nng_aio_get_msg(c->aio));
        nng_aio_set_msg(c->aio, NULL);
        return caller_failed(c, rv, false, timeout_ms, err);
    }
    rv = caller_run(c, nng_ctx_recv, remaining_ms(deadline));
    if (rv != 0)
        return caller_failed(c, rv, true, timeout_ms, err);
    message = nng_aio_get_msg(c->aio);
    nng_aio_set_msg(c->aio, NULL);
    status = rk_buf_set(reply, rk_slice_of(nng_msg_body(message), nng_msg_len(message)), err);
    if (status != RK_OK)
        rk_error_context(err, status, "reply of %s", c->url);
    nng_msg_free(message);
    return status;
}

static rk_status caller_call(rk_caller *base, rk_slice request, uint32_t timeout_ms, rk_buf *reply,
                             rk_error *err)
{
    nng_caller *c = (nng_caller *)base;
    pthread_mutex_lock(&c->lock);
    assert(!c->busy);
    c->busy = true;
    pthread_mutex_unlock(&c->lock);
    rk_status status = caller_exchange(c, request, timeout_ms, reply, err);
    pthread_mutex_lock(&c->lock);
    c->busy = false;
    pthread_cond_broadcast(&c->idle);
    pthread_mutex_unlock(&c->lock);
    return status;
}

static void caller_cancel(rk_caller *base)
{
    nng_caller *c = (nng_caller *)base;
    pthread_mutex_lock(&c->lock);
    c->cancelled = true;
    nng_aio_cancel(c->aio);
    pthread_mutex_unlock(&c->lock);
}

/* Nothing may be under way. */
static void caller_free(nng_caller *c)
{
    if (c->context.id != 0)
        nng_ctx_close(c->context);
    if (c->socket.id != 0)
        nng_close(c->socket);
    nng_aio_free(c->aio);
    rk_lock_fini(&c->lock, &c->idle);
    free(c->url);
    free(c);
}

static void caller_free_job(rk_closer_job *job)
{
    caller_free((nng_caller *)((char *)job - offsetof(nng_caller, closing)));
}

static void caller_close(rk_caller *base)
{
    nng_caller *c = (nng_caller *)base;
    caller_cancel(base);
    pthread_mutex_lock(&c->lock);
    while (c->busy)
        pthread_cond_wait(&c->idle, &c->lock);
    pthread_mutex_unlock(&c->lock);
    nng_ctx_close(c->context); /* forgets the request: nothing is sent again */
    c->context.id = 0;
    c->closing.run = caller_free_job;
    rk_closer_add(closer_of(base->transport), &c->closing, REST_MS);
}

static int caller_dial(nng_caller *c, rk_url_scheme scheme)
{
    const rk_transport_limits *l = &c->base.transport->limits;
    nng_dialer dialer = NNG_DIALER_INITIALIZER;
    int rv = nng_req0_open(&c->socket);
    if (rv == 0)
        rv = set_options(c->socket, l);
    if (rv == 0)
        rv = nng_socket_set_ms(c->socket, NNG_OPT_REQ_RESENDTIME, (nng_duration)l->resend_ms);
    if (rv == 0)
        rv = nng_ctx_open(&c->context, c->socket);
    if (rv == 0)
        rv = nng_dialer_create(&dialer, c->socket, c->url);
    if (rv == 0 && scheme == RK_URL_TCP)
        rv = nng_dialer_set_bool(dialer, NNG_OPT_TCP_KEEPALIVE, true);
    if (rv == 0)
        rv = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    return rv;
}

static rk_status nng_dial_url(rk_transport *transport, const char *url, rk_caller **out,
                              rk_error *err)
{
    rk_url parsed;
    rk_status status = rk_url_parse(url, RK_URL_DIAL, &parsed, err);
    if (status != RK_OK)
        return status;
    nng_caller *c = calloc(1, sizeof *c);
    if (!c)
        return rk_error_set(err, RK_NOMEM, "out of memory for a caller");
    c->base.transport = transport;
    status = rk_lock_init(&c->lock, &c->idle, err);
    if (status != RK_OK) {
        free(c);
        return status;
    }
    c->url = strdup(url);
    int rv = c->url ? nng_aio_alloc(&c->aio, NULL, NULL) : NNG_ENOMEM;
    if (rv == 0)
        rv = caller_dial(c, parsed.scheme);
    if (rv != 0) {
        caller_free(c);
        return fail(err, rv, "dial", url);
    }
    *out = &c->base;
    return RK_OK;
}

/* --- the answering end ------------------------------------------------------------------------ */

typedef struct nng_server nng_server;

typedef enum slot_state {
    SLOT_FREE,
    SLOT_RECEIVING, /* a thread waits for a request with it */
    SLOT_OPEN,      /* handed out: has a request */
    SLOT_ANSWERING  /* a thread sends its reply */
} slot_state;

/* A context of nng with what goes on in it. There are exchanges_max of them: a request that finds
 * none waits in its connection, which reads no further. */
typedef struct slot {
    rk_exchange base;
    nng_server *server;
    nng_ctx context;
    nng_aio *aio;
    nng_msg *request;
    slot_state state;
} slot;

struct nng_server {
    rk_server base;
    rk_closer_job freeing;
    pthread_mutex_t lock; /* over all below, the slots' states, and the start of operations */
    pthread_cond_t changed;
    bool stopped;
    bool closing;
    size_t users; /* threads inside receive and answer */
    nng_socket socket;
    nng_listener listener;
    char *url;
    slot *slots;
    uint32_t slot_count;
    atomic_uint connections;
    atomic_uint connections_max; /* 0 once the server closes */
};

/* Every thread that may wait is counted, so that close knows when it is alone. */
static void server_enter(nng_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->users++;
}

static void server_leave(nng_server *s)
{
    assert(s->users > 0);
    s->users--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static slot *free_slot(nng_server *s)
{
    for (uint32_t i = 0; i < s->slot_count; i++)
        if (s->slots[i].state == SLOT_FREE)
            return &s->slots[i];
    return NULL;
}

/* Waits with the lock held; RK_TIMEOUT, or RK_NOT_FOUND when the server was stopped. */
static rk_status take_slot(nng_server *s, uint64_t deadline, slot **out, rk_error *err)
{
    for (;;) {
        if (s->stopped)
            return fail_closed(err, "receive at", s->url);
        slot *found = free_slot(s);
        if (found) {
            found->state = SLOT_RECEIVING;
            *out = found;
            return RK_OK;
        }
        if (!rk_wait_until(&s->changed, &s->lock, deadline) && !free_slot(s) && !s->stopped)
            return rk_error_set(err, RK_TIMEOUT, "receive at %s: %u exchanges are open, the most",
                                s->url, s->slot_count);
    }
}

/* Receives into the slot; gives the lock up while it waits. */
static int slot_receive(nng_server *s, slot *x, nng_duration timeout)
{
    nng_aio_set_timeout(x->aio, timeout);
    nng_ctx_recv(x->context, x->aio);
    pthread_mutex_unlock(&s->lock);
    nng_aio_wait(x->aio);
    int rv = nng_aio_result(x->aio);
    pthread_mutex_lock(&s->lock);
    if (rv != 0) {
        x->state = SLOT_FREE;
        return rv;
    }
    x->request = nng_aio_get_msg(x->aio);
    nng_aio_set_msg(x->aio, NULL);
    x->base.request = rk_slice_of(nng_msg_body(x->request), nng_msg_len(x->request));
    x->state = SLOT_OPEN;
    return 0;
}

static rk_status server_receive(rk_server *base, uint32_t timeout_ms, rk_exchange **out,
                                rk_error *err)
{
    nng_server *s = (nng_server *)base;
    uint64_t deadline = rk_after_ms(rk_now_ns(), timeout_ms);
    slot *x = NULL;
    server_enter(s);
    rk_status status = take_slot(s, deadline, &x, err);
    if (status == RK_OK) {
        int rv = slot_receive(s, x, timeout_ms ? remaining_ms(deadline) : NNG_DURATION_ZERO);
        status = status_of(rv);
        if (status == RK_OK)
            *out = &x->base;
        else if (status == RK_NOT_FOUND)
            fail_closed(err, "receive at", s->url);
        else if (status == RK_TIMEOUT)
            rk_error_set_native(err, status, RK_ORIGIN_NNG, rv,
                                "receive at %s: no request within %u ms", s->url, timeout_ms);
        else
            fail(err, rv, "receive at", s->url);
    }
    server_leave(s);
    return status;
}

static void end_request(slot *x)
{
    nng_msg_free(x->request);
    x->request = NULL;
    x->base.request = RK_SLICE_EMPTY;
}

/* Hands the reply to nng, which owns it from then on; gives the lock up while it waits. */
static int slot_send(nng_server *s, slot *x, nng_msg *reply)
{
    nng_aio_set_msg(x->aio, reply);
    nng_aio_set_timeout(x->aio, (nng_duration)s->base.transport->limits.answer_timeout_ms);
    nng_ctx_send(x->context, x->aio);
    pthread_mutex_unlock(&s->lock);
    nng_aio_wait(x->aio);
    int rv = nng_aio_result(x->aio);
    pthread_mutex_lock(&s->lock);
    if (rv != 0)
        nng_msg_free(nng_aio_get_msg(x->aio));
    nng_aio_set_msg(x->aio, NULL);
    return rv;
}

static rk_status exchange_answer(rk_exchange *base, rk_slice bytes, rk_error *err)
{
    slot *x = (slot *)base;
    nng_server *s = x->server;
    nng_msg *reply = NULL;
    rk_status status = message_of(bytes, &reply, err);
    server_enter(s);
    assert(x->state == SLOT_OPEN);
    x->state = SLOT_ANSWERING;
    if (status == RK_OK && s->closing) {
        nng_msg_free(reply);
        status = fail_closed(err, "answer at", s->url);
    } else if (status == RK_OK) {
        int rv = slot_send(s, x, reply);
        status = rv ? fail(err, rv, "answer at", s->url) : RK_OK;
    }
    end_request(x);
    x->state = SLOT_FREE;
    server_leave(s);
    return status;
}

static void exchange_drop(rk_exchange *base)
{
    slot *x = (slot *)base;
    nng_server *s = x->server;
    server_enter(s);
    assert(x->state == SLOT_OPEN);
    end_request(x);
    x->state = SLOT_FREE;
    server_leave(s);
}

static const char *server_url(const rk_server *base)
{
    return ((const nng_server *)base)->url;
}

/* --- the server's life ------------------------------------------------------------------------ */

static void cancel_slots(nng_server *s, slot_state state)
{
    for (uint32_t i = 0; i < s->slot_count; i++)
        if (s->slots[i].state == state)
            nng_aio_cancel(s->slots[i].aio);
}

static void server_stop(rk_server *base)
{
    nng_server *s = (nng_server *)base;
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    cancel_slots(s, SLOT_RECEIVING);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* Nothing may be under way. */
static void server_free(nng_server *s)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        slot *x = &s->slots[i];
        if (x->request)
            nng_msg_free(x->request);
        if (x->context.id != 0)
            nng_ctx_close(x->context);
    }
    if (s->socket.id != 0)
        nng_close(s->socket);
    for (uint32_t i = 0; i < s->slot_count; i++)
        nng_aio_free(s->slots[i].aio);
    rk_lock_fini(&s->lock, &s->changed);
    free(s->slots);
    free(s->url);
    free(s);
}

static void server_free_job(rk_closer_job *job)
{
    server_free((nng_server *)((char *)job - offsetof(nng_server, freeing)));
}

/* The address is free when this returns, even if nng does not come back from closing the rest. */
static void server_close(rk_server *base)
{
    nng_server *s = (nng_server *)base;
    rk_closer *closer = closer_of(base->transport);
    nng_listener listener = s->listener;
    server_stop(base);
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    cancel_slots(s, SLOT_ANSWERING);
    while (s->users > 0)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    s->freeing.run = server_free_job;
    atomic_store(&s->connections_max, 0);
    rk_closer_add(closer, &s->freeing, REST_MS);
    if (!rk_closer_wait(closer))
        nng_listener_close(listener);
}

/* The one callback of nng's that we use: it counts, and refuses what is too many. Each connection
 * can make us hold a message, so their number is a limit on memory. Before the last one's end,
 * nng_close does not return. */
static void on_connection(nng_pipe pipe, nng_pipe_ev event, void *argument)
{
    nng_server *s = argument;
    if (event == NNG_PIPE_EV_REM_POST)
        atomic_fetch_sub(&s->connections, 1);
    else if (atomic_fetch_add(&s->connections, 1) >= atomic_load(&s->connections_max))
        nng_pipe_close(pipe);
}

static int make_slots(nng_server *s)
{
    s->slots = calloc(s->base.transport->limits.exchanges_max, sizeof *s->slots);
    if (!s->slots)
        return NNG_ENOMEM;
    s->slot_count = s->base.transport->limits.exchanges_max;
    int rv = 0;
    for (uint32_t i = 0; rv == 0 && i < s->slot_count; i++) {
        slot *x = &s->slots[i];
        x->base.transport = s->base.transport;
        x->server = s;
        rv = nng_aio_alloc(&x->aio, NULL, NULL);
        if (rv == 0)
            rv = nng_ctx_open(&x->context, s->socket);
    }
    return rv;
}

static int server_open(nng_server *s)
{
    int rv = nng_rep0_open(&s->socket);
    if (rv == 0)
        rv = set_options(s->socket, &s->base.transport->limits);
    if (rv == 0)
        rv = nng_pipe_notify(s->socket, NNG_PIPE_EV_ADD_PRE, on_connection, s);
    if (rv == 0)
        rv = nng_pipe_notify(s->socket, NNG_PIPE_EV_REM_POST, on_connection, s);
    if (rv == 0)
        rv = make_slots(s);
    return rv;
}

/* The url with the port that the system chose, if it had to. */
static int name_server(nng_server *s, const rk_url *url, const char *text)
{
    char name[RK_URL_HOST_BYTES_MAX + sizeof "tcp://:65535"];
    int port = url->port;
    if (url->scheme == RK_URL_TCP && port == 0) {
        int rv = nng_listener_get_int(s->listener, NNG_OPT_TCP_BOUND_PORT, &port);
        if (rv != 0)
            return rv;
        snprintf(name, sizeof name, "tcp://%.*s:%d", (int)url->host.len,
                 (const char *)url->host.ptr, port);
        text = name;
    }
    s->url = strdup(text);
    return s->url ? 0 : NNG_ENOMEM;
}

static int server_listen(nng_server *s, const rk_url *url, const char *text)
{
    int rv = server_open(s);
    if (rv == 0)
        rv = nng_listener_create(&s->listener, s->socket, text);
    if (rv == 0 && url->scheme == RK_URL_TCP)
        rv = nng_listener_set_bool(s->listener, NNG_OPT_TCP_KEEPALIVE, true);
    if (rv == 0 && url->scheme == RK_URL_IPC)
        rv = nng_listener_set_int(s->listener, NNG_OPT_IPC_PERMISSIONS, 0600);
    if (rv == 0)
        rv = nng_listener_start(s->listener, 0);
    if (rv == 0)
        rv = name_server(s, url, text);
    return rv;
}

static rk_status server_create(rk_transport *transport, nng_server **out, rk_error *err)
{
    nng_server *s = calloc(1, sizeof *s);
    if (!s)
        return rk_error_set(err, RK_NOMEM, "out of memory for a server");
    s->base.transport = transport;
    atomic_init(&s->connections_max, transport->limits.connections_max);
    rk_status status = rk_lock_init(&s->lock, &s->changed, err);
    if (status == RK_OK)
        *out = s;
    else
        free(s);
    return status;
}

static rk_status nng_listen_url(rk_transport *transport, const char *text, rk_server **out,
                                rk_error *err)
{
    rk_url url;
    rk_ipc_claim claim = RK_IPC_CLAIM_NONE;
    nng_server *s = NULL;
    rk_status status = rk_url_parse(text, RK_URL_LISTEN, &url, err);
    if (status != RK_OK)
        return status;
    if (url.scheme == RK_URL_IPC)
        status = rk_ipc_claim_take(url.path, &claim, err);
    if (status != RK_OK)
        return rk_error_context(err, status, "listen on %s", text);
    status = server_create(transport, &s, err);
    if (status == RK_OK) {
        int rv = server_listen(s, &url, text);
        if (rv == 0) {
            *out = &s->base;
        } else {
            server_free(s);
            status = fail(err, rv, "listen on", text);
        }
    }
    rk_ipc_claim_release(&claim);
    return status;
}

/* --- the transport ---------------------------------------------------------------------------- */

static void transport_close(rk_transport *transport)
{
    rk_closer_destroy(closer_of(transport));
    free(transport);
}

static const rk_transport_ops NNG_OPS = {
    .close = transport_close,
    .dial = nng_dial_url,
    .call = caller_call,
    .cancel = caller_cancel,
    .caller_close = caller_close,
    .listen = nng_listen_url,
    .url = server_url,
    .receive = server_receive,
    .answer = exchange_answer,
    .drop = exchange_drop,
    .stop = server_stop,
    .server_close = server_close,
};

rk_status rk_nng_open(const rk_transport_limits *limits, rk_transport **out, rk_error *err)
{
    assert(limits && out);
    rk_status status = rk_transport_limits_check(limits, err);
    if (status != RK_OK)
        return status;
    nng_transport *t = calloc(1, sizeof *t);
    if (!t)
        return rk_error_set(err, RK_NOMEM, "out of memory for a transport");
    t->base.ops = &NNG_OPS;
    t->base.limits = *limits;
    status = rk_closer_create(PATIENCE_MS, &t->closer, err);
    if (status == RK_OK)
        *out = &t->base;
    else
        free(t);
    return status;
}

bool rk_nng_stuck(const rk_transport *transport)
{
    assert(transport && transport->ops == &NNG_OPS);
    return rk_closer_stuck(closer_of(transport));
}
