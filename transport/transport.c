#include "transport/transport.h"

#include <assert.h>

/* Dispatch, and what is the same for every backend: limits, lengths and timeouts. */

static inline bool slice_valid(rk_slice s)
{
    return s.ptr || s.len == 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

static rk_status within(const char *name, size_t value, size_t ceiling, rk_error *err)
{
    if (value >= 1 && value <= ceiling)
        return RK_OK;
    return rk_error_set(err, RK_INVALID, "transport limit %s is %zu; it must be 1 to %zu", name,
                        value, ceiling);
}

rk_status rk_transport_limits_check(const rk_transport_limits *l, rk_error *err)
{
    const struct {
        const char *name;
        size_t value;
        size_t ceiling;
    } checks[] = {
        {"message_bytes_max", l->message_bytes_max, RK_TRANSPORT_MESSAGE_BYTES_CEILING},
        {"exchanges_max", l->exchanges_max, RK_TRANSPORT_EXCHANGES_CEILING},
        {"connections_max", l->connections_max, RK_TRANSPORT_CONNECTIONS_CEILING},
        {"answer_timeout_ms", l->answer_timeout_ms, RK_TRANSPORT_MS_CEILING},
        {"resend_ms", l->resend_ms, RK_TRANSPORT_MS_CEILING},
        {"reconnect_min_ms", l->reconnect_min_ms, RK_TRANSPORT_MS_CEILING},
        {"reconnect_max_ms", l->reconnect_max_ms, RK_TRANSPORT_MS_CEILING},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        rk_status status = within(checks[i].name, checks[i].value, checks[i].ceiling, err);
        if (status != RK_OK)
            return status;
    }
    if (l->reconnect_min_ms > l->reconnect_max_ms)
        return rk_error_set(err, RK_INVALID,
                            "transport limit reconnect_min_ms %u is above reconnect_max_ms %u",
                            l->reconnect_min_ms, l->reconnect_max_ms);
    return RK_OK;
}

const rk_transport_limits *rk_transport_limits_of(const rk_transport *transport)
{
    assert(transport);
    return &transport->limits;
}

static rk_status check_timeout(uint32_t timeout_ms, uint32_t least_ms, rk_error *err)
{
    if (timeout_ms >= least_ms && timeout_ms <= RK_TRANSPORT_MS_CEILING)
        return RK_OK;
    return rk_error_set(err, RK_INVALID, "timeout of %u ms; it must be %u to %u", timeout_ms,
                        least_ms, RK_TRANSPORT_MS_CEILING);
}

static rk_status check_length(const rk_transport *transport, const char *what, rk_slice bytes,
                              rk_error *err)
{
    size_t max = transport->limits.message_bytes_max;
    if (bytes.len <= max)
        return RK_OK;
    return rk_error_set(err, RK_LIMIT, "%s of %zu bytes; a message holds at most %zu", what,
                        bytes.len, max);
}

/* --- life cycle ------------------------------------------------------------------------------- */

void rk_transport_close(rk_transport *transport)
{
    if (!transport)
        return;
    assert(atomic_load(&transport->open) == 0);
    transport->ops->close(transport);
}

rk_status rk_transport_dial(rk_transport *transport, const char *url, rk_caller **out,
                            rk_error *err)
{
    assert(transport && url && out);
    rk_status status = transport->ops->dial(transport, url, out, err);
    if (status == RK_OK)
        atomic_fetch_add(&transport->open, 1);
    return status;
}

rk_status rk_transport_listen(rk_transport *transport, const char *url, rk_server **out,
                              rk_error *err)
{
    assert(transport && url && out);
    rk_status status = transport->ops->listen(transport, url, out, err);
    if (status == RK_OK)
        atomic_fetch_add(&transport->open, 1);
    return status;
}

/* --- the asking end --------------------------------------------------------------------------- */

rk_status rk_caller_call(rk_caller *caller, rk_slice request, uint32_t timeout_ms, rk_buf *reply,
                         rk_error *err)
{
    assert(caller && reply && slice_valid(request));
    rk_status status = check_timeout(timeout_ms, 1, err);
    if (status == RK_OK)
        status = check_length(caller->transport, "request", request, err);
    if (status == RK_OK)
        status = caller->transport->ops->call(caller, request, timeout_ms, reply, err);
    return status;
}

void rk_caller_cancel(rk_caller *caller)
{
    assert(caller);
    caller->transport->ops->cancel(caller);
}

void rk_caller_close(rk_caller *caller)
{
    if (!caller)
        return;
    rk_transport *transport = caller->transport;
    transport->ops->caller_close(caller);
    atomic_fetch_sub(&transport->open, 1);
}

/* --- the answering end ------------------------------------------------------------------------ */

const char *rk_server_url(const rk_server *server)
{
    assert(server);
    return server->transport->ops->url(server);
}

rk_status rk_server_receive(rk_server *server, uint32_t timeout_ms, rk_exchange **out,
                            rk_error *err)
{
    assert(server && out);
    rk_status status = check_timeout(timeout_ms, 0, err);
    if (status == RK_OK)
        status = server->transport->ops->receive(server, timeout_ms, out, err);
    return status;
}

rk_slice rk_exchange_request(const rk_exchange *exchange)
{
    assert(exchange);
    return exchange->request;
}

rk_status rk_exchange_answer(rk_exchange *exchange, rk_slice reply, rk_error *err)
{
    assert(exchange && slice_valid(reply));
    rk_status status = check_length(exchange->transport, "reply", reply, err);
    if (status == RK_OK)
        status = exchange->transport->ops->answer(exchange, reply, err);
    return status;
}

void rk_exchange_drop(rk_exchange *exchange)
{
    if (exchange)
        exchange->transport->ops->drop(exchange);
}

void rk_server_stop(rk_server *server)
{
    assert(server);
    server->transport->ops->stop(server);
}

void rk_server_close(rk_server *server)
{
    if (!server)
        return;
    rk_transport *transport = server->transport;
    transport->ops->server_close(server);
    atomic_fetch_sub(&transport->open, 1);
}
