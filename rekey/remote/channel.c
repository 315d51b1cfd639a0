#include "rekey/remote/channel.h"

#include "rekey/base/clock.h"
#include "rekey/remote/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define NS_PER_MS 1000000u

struct rk_channel {
    rk_channel_config config; /* url, peer and context point below; the rest is borrowed */
    char *url;
    rk_public_key peer;
    uint8_t context[RK_SECURE_CONTEXT_BYTES_MAX];
    rk_secure *session;   /* established, or NULL */
    rk_buf message;       /* what the carriage brought */
    pthread_mutex_t lock; /* over the two below: a cancel meets a caller that is being replaced */
    rk_caller *caller;    /* NULL when it must be dialled anew */
    bool cancelled;
};

/* --- life cycle ------------------------------------------------------------------------------- */

size_t rk_channel_bytes_max(const rk_transport *transport)
{
    return rk_remote_plaintext_bytes_max(rk_transport_limits_of(transport)->message_bytes_max);
}

static rk_status check_config(const rk_channel_config *config, rk_error *err)
{
    if (config->role <= RK_ROLE_NONE || config->role > RK_ROLE_MAX)
        return rk_error_set(err, RK_INVALID, "open a channel to %s: a %s does not ask nodes",
                            config->url, rk_role_name(config->role));
    if (config->context.len < 1 || config->context.len > RK_SECURE_CONTEXT_BYTES_MAX)
        return rk_error_set(err, RK_INVALID,
                            "open a channel to %s: a cluster's name of %zu bytes; 1 to %d are "
                            "allowed",
                            config->url, config->context.len, RK_SECURE_CONTEXT_BYTES_MAX);
    if (rk_channel_bytes_max(config->transport) == 0)
        return rk_error_set(
            err, RK_INVALID, "open a channel to %s: messages of %zu bytes; at least %zu are needed",
            config->url, rk_transport_limits_of(config->transport)->message_bytes_max,
            RK_REMOTE_MESSAGE_BYTES_MIN);
    if (config->requests_max > RK_SECURE_FRAMES_MAX)
        return rk_error_set(err, RK_INVALID,
                            "open a channel to %s: requests_max is %llu; a session carries %llu",
                            config->url, (unsigned long long)config->requests_max,
                            (unsigned long long)RK_SECURE_FRAMES_MAX);
    return RK_OK;
}

static void copy_config(rk_channel *channel, const rk_channel_config *config)
{
    channel->config = *config;
    channel->peer = *config->peer;
    memcpy(channel->context, config->context.ptr, config->context.len);
    channel->config.url = channel->url;
    channel->config.peer = &channel->peer;
    channel->config.context = rk_slice_of(channel->context, config->context.len);
    if (config->requests_max == 0)
        channel->config.requests_max = RK_SECURE_FRAMES_MAX;
    rk_buf_init(&channel->message, rk_transport_limits_of(config->transport)->message_bytes_max);
}

rk_status rk_channel_open(const rk_channel_config *config, rk_channel **out, rk_error *err)
{
    assert(config && config->transport && config->url && config->key && config->peer && out);
    rk_status status = check_config(config, err);
    if (status != RK_OK)
        return status;
    rk_caller *caller = NULL;
    status = rk_transport_dial(config->transport, config->url, &caller, err);
    if (status != RK_OK)
        return status;
    rk_channel *channel = calloc(1, sizeof *channel);
    char *url = strdup(config->url);
    if (channel == NULL || url == NULL || pthread_mutex_init(&channel->lock, NULL) != 0) {
        rk_caller_close(caller);
        free(url);
        free(channel);
        return rk_error_set(err, RK_NOMEM, "out of memory for a channel to %s", config->url);
    }
    channel->url = url;
    channel->caller = caller;
    copy_config(channel, config);
    *out = channel;
    return RK_OK;
}

void rk_channel_close(rk_channel *channel)
{
    if (channel == NULL)
        return;
    rk_secure_destroy(channel->session);
    rk_caller_close(channel->caller);
    rk_buf_fini(&channel->message);
    pthread_mutex_destroy(&channel->lock);
    free(channel->url);
    free(channel);
}

void rk_channel_cancel(rk_channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    channel->cancelled = true;
    if (channel->caller != NULL)
        rk_caller_cancel(channel->caller);
    pthread_mutex_unlock(&channel->lock);
}

/* --- time ------------------------------------------------------------------------------------- */

static uint64_t deadline_after(uint32_t timeout_ms)
{
    return rk_clock_monotonic_ns(rk_clock_system()) + (uint64_t)timeout_ms * NS_PER_MS;
}

/* Rounded up; 0 once it has passed. At most what the deadline was made of. */
static uint32_t remaining_ms(uint64_t deadline_ns)
{
    uint64_t now = rk_clock_monotonic_ns(rk_clock_system());
    return now < deadline_ns ? (uint32_t)((deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

/* --- the carriage ----------------------------------------------------------------------------- */

static void end_session(rk_channel *channel)
{
    rk_secure_destroy(channel->session);
    channel->session = NULL;
}

/* The connection may lead nowhere: the next call dials anew. */
static void hang_up(rk_channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    rk_caller *caller = channel->caller;
    channel->caller = NULL;
    pthread_mutex_unlock(&channel->lock);
    rk_caller_close(caller);
}

static rk_status connect_again(rk_channel *channel, rk_error *err)
{
    rk_caller *fresh = NULL;
    rk_status status = RK_OK;
    if (channel->caller == NULL)
        status = rk_transport_dial(channel->config.transport, channel->url, &fresh, err);
    if (status != RK_OK)
        return status;
    pthread_mutex_lock(&channel->lock);
    if (fresh != NULL)
        channel->caller = fresh;
    bool cancelled = channel->cancelled;
    pthread_mutex_unlock(&channel->lock);
    if (cancelled)
        return rk_error_set(err, RK_NOT_FOUND, "call %s: cancelled", channel->url);
    return RK_OK;
}

/* --- the handshake ---------------------------------------------------------------------------- */

static rk_status carry(rk_channel *channel, rk_slice send, uint64_t deadline_ns, rk_error *err)
{
    uint32_t timeout_ms = remaining_ms(deadline_ns);
    if (timeout_ms == 0)
        return rk_error_set(err, RK_TIMEOUT, "call %s: no time is left to reach it", channel->url);
    rk_status status = rk_caller_call(channel->caller, send, timeout_ms, &channel->message, err);
    if (status != RK_OK)
        hang_up(channel);
    return status;
}

/* Two round trips: an initiator's session sends twice and is established, or has ended. */
static rk_status shake_hands(rk_channel *channel, uint64_t deadline_ns, rk_error *err)
{
    rk_secure_step step = {RK_SECURE_SEND, RK_SLICE_EMPTY};
    rk_status status = rk_secure_hello(channel->session, &step.bytes, err);
    while (status == RK_OK && step.event == RK_SECURE_SEND) {
        status = carry(channel, step.bytes, deadline_ns, err);
        if (status == RK_OK)
            status = rk_secure_take(channel->session, rk_buf_slice(&channel->message), &step, err);
    }
    return status;
}

static rk_status make_session(rk_channel *channel, uint64_t deadline_ns, rk_error *err)
{
    const rk_channel_config *config = &channel->config;
    rk_secure_config session = {.role = config->role,
                                .asks = true,
                                .key = config->key,
                                .peer = config->peer,
                                .context = config->context,
                                .directory = config->directory,
                                .randomness = rk_secure_random,
                                .plaintext_bytes_max = rk_channel_bytes_max(config->transport),
                                .frames_max = config->requests_max};
    rk_status status = rk_secure_create(&session, &channel->session, err);
    if (status != RK_OK)
        return status;
    status = shake_hands(channel, deadline_ns, err);
    if (status == RK_OK)
        return RK_OK;
    end_session(channel);
    return rk_error_context(err, status, "no session with %s", channel->url);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Everything up to the sealed request; whatever fails here, it was not sent. A session that has
 * carried all its requests is replaced, which a fresh one has not. */
static rk_status prepare(rk_channel *channel, rk_slice request, uint64_t deadline_ns,
                         rk_slice *sealed, rk_error *err)
{
    rk_status status = connect_again(channel, err);
    bool is_fresh = false;
    while (status == RK_OK) {
        if (channel->session == NULL) {
            status = make_session(channel, deadline_ns, err);
            is_fresh = true;
        }
        if (status == RK_OK && remaining_ms(deadline_ns) == 0)
            status = rk_error_set(err, RK_TIMEOUT, "call %s: no time is left to ask", channel->url);
        if (status != RK_OK)
            break;
        status = rk_secure_seal(channel->session, request, sealed, err);
        if (status == RK_OK)
            break;
        end_session(channel);
        if (status == RK_AUTH && !is_fresh)
            status = RK_OK;
    }
    return status;
}

/* A refusal is bytes that anybody can send: it proves as little as silence. The counter is in
 * doubt, so the session ends with the call. */
static rk_status in_doubt(rk_channel *channel, rk_error *err)
{
    end_session(channel);
    return rk_error_context(err, RK_UNCERTAIN,
                            "the request was sent, and may have been carried out");
}

static rk_status ask(rk_channel *channel, rk_slice sealed, uint64_t deadline_ns, rk_buf *reply,
                     rk_error *err)
{
    uint32_t timeout_ms = remaining_ms(deadline_ns);
    rk_status status = rk_caller_call(channel->caller, sealed, timeout_ms > 0 ? timeout_ms : 1,
                                      &channel->message, err);
    if (status != RK_OK) {
        hang_up(channel);
        return in_doubt(channel, err);
    }
    rk_secure_step step;
    status = rk_secure_take(channel->session, rk_buf_slice(&channel->message), &step, err);
    if (status == RK_OK)
        status = rk_buf_set(reply, step.bytes, err);
    if (status == RK_OK)
        return RK_OK;
    rk_error_context(err, status, "reply of %s", channel->url);
    return in_doubt(channel, err);
}

rk_status rk_channel_call(rk_channel *channel, rk_slice request, uint32_t timeout_ms, rk_buf *reply,
                          rk_error *err)
{
    assert(channel && reply);
    size_t bytes_max = rk_channel_bytes_max(channel->config.transport);
    if (request.len > bytes_max)
        return rk_error_set(err, RK_LIMIT, "call %s: a request of %zu bytes; %zu are allowed",
                            channel->url, request.len, bytes_max);
    if (timeout_ms < 1 || timeout_ms > RK_TRANSPORT_MS_CEILING)
        return rk_error_set(err, RK_INVALID, "call %s: timeout of %u ms; it must be 1 to %u",
                            channel->url, timeout_ms, RK_TRANSPORT_MS_CEILING);
    uint64_t deadline_ns = deadline_after(timeout_ms);
    rk_slice sealed = RK_SLICE_EMPTY;
    rk_status status = prepare(channel, request, deadline_ns, &sealed, err);
    if (status == RK_OK)
        status = ask(channel, sealed, deadline_ns, reply, err);
    return status;
}
