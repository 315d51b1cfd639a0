/* link_carry.c: how an operation gets to its node and back, however often that takes. */
#include "rekey/base/clock.h"
#include "rekey/remote/link_private.h"

#include <assert.h>

#define NS_PER_MS 1000000u

/* A call is tried about so often, but for tries that are too short or too long. */
#define TRIES_IN_A_CALL 4u
#define TRY_MS_MIN      500u

/* A refused handshake may be a crowd's doing, or a stranger's: anybody can send a refusal. */
#define REFUSALS_MAX 3u

#define PAUSE_MS_MIN 10u
#define PAUSE_MS_MAX 200u

/* One operation on its way. */
typedef struct journey {
    rk_link *link;
    size_t position;
    rk_envelope envelope;
    bool is_repeatable;
    bool is_again;    /* it may have been sent before this call */
    bool is_in_doubt; /* a copy of it went out in this call, and no answer came back */
    unsigned tries;
    uint64_t deadline_ns;
    uint32_t try_ms;
    uint32_t pause_ms;
    unsigned refusals;
    rk_channel *channel;
    rk_buf request;
    rk_buf reply;
} journey;

static bool is_known(const rk_incarnation *incarnation)
{
    static const rk_incarnation none;
    return memcmp(incarnation, &none, sizeof none) != 0;
}

/* --- time ------------------------------------------------------------------------------------- */

static uint32_t remaining_ms(const journey *j)
{
    uint64_t now = rk_clock_monotonic_ns(rk_clock_system());
    return now < j->deadline_ns ? (uint32_t)((j->deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS)
                                : 0;
}

/* Longer each time, so that many callers do not keep a node from coming back. */
static void pause_before_next(journey *j)
{
    const rk_clock *clock = rk_clock_system();
    clock->pause_ns(clock->context, (uint64_t)j->pause_ms * NS_PER_MS);
    j->pause_ms = j->pause_ms * 2 < PAUSE_MS_MAX ? j->pause_ms * 2 : PAUSE_MS_MAX;
}

/* --- one try ---------------------------------------------------------------------------------- */

/* The same operation again, with the name that it has; only the incarnation may be another. */
static rk_status try_once(journey *j, rk_error *err)
{
    uint32_t left_ms = remaining_ms(j);
    if (left_ms == 0)
        return rk_error_set(err, RK_TIMEOUT, "no time is left to ask");
    rk_buf_reset(&j->request);
    rk_status status = rk_envelope_encode(&j->envelope, &j->request, err);
    if (status == RK_OK)
        status = rk_channel_call(j->channel, rk_buf_slice(&j->request),
                                 left_ms < j->try_ms ? left_ms : j->try_ms, &j->reply, err);
    j->tries++;
    if (status == RK_UNCERTAIN)
        j->is_in_doubt = true;
    return status;
}

/* Time for the pause, and for a try worth the name after it. */
static bool has_time(const journey *j)
{
    return remaining_ms(j) > 2 * j->pause_ms;
}

/* Whether the call may go on after a try that brought no answer. */
static bool may_try_again(journey *j, rk_status status)
{
    switch (status) {
    case RK_UNCERTAIN:
    case RK_TIMEOUT:
    case RK_IO:
        return has_time(j);
    case RK_AUTH:
        return ++j->refusals < REFUSALS_MAX && has_time(j);
    default:
        return false;
    }
}

/* What failed last tells why; what may have been done before decides what it means. Nobody needs to
 * doubt an operation that changes nothing. */
static rk_status give_up(const journey *j, rk_status status, rk_error *err)
{
    if (j->is_in_doubt && !j->is_repeatable && status != RK_UNCERTAIN)
        status = rk_error_context(err, RK_UNCERTAIN,
                                  "the request was sent, and may have been carried out");
    else if (j->is_repeatable && status == RK_UNCERTAIN)
        status = RK_TIMEOUT;
    return rk_error_context(err, status, "%u %s", j->tries, j->tries == 1 ? "try" : "tries");
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool is_of_another(const journey *j, const rk_reply *reply)
{
    return is_known(&j->envelope.incarnation) && reply->status == RK_UNCERTAIN &&
           memcmp(&reply->incarnation, &j->envelope.incarnation, sizeof reply->incarnation) != 0;
}

/* A node that was started anew did not carry this out. Neither did the one before it, if every copy
 * of the request has had its answer: sessions die with their node, so none was read by both. */
static rk_status turn_to_another(journey *j, const rk_reply *reply, bool *again, rk_error *err)
{
    if ((j->is_again || j->is_in_doubt) && !j->is_repeatable)
        return rk_error_set(err, RK_UNCERTAIN,
                            "the node was started anew; the request had been sent before that, and "
                            "may have been carried out");
    j->envelope.incarnation = reply->incarnation;
    *again = has_time(j);
    return *again ? RK_OK
                  : rk_error_set(err, RK_TIMEOUT, "the node was started anew; no time is left");
}

/* Decodes the reply; with `again` the operation must be tried once more. */
static rk_status read_answer(journey *j, rk_reply *out, bool *again, rk_error *err)
{
    rk_reply reply;
    rk_status status = rk_reply_decode(rk_buf_slice(&j->reply), &reply, err);
    if (status != RK_OK)
        return rk_error_context(err, j->is_repeatable ? RK_CORRUPT : RK_UNCERTAIN,
                                "the request was answered, unreadably");
    if (is_known(&reply.incarnation))
        rki_link_learn(j->link, j->position, &reply.incarnation);
    if (is_of_another(j, &reply))
        return turn_to_another(j, &reply, again, err);
    *out = reply;
    return RK_OK;
}

/* Until an answer, the deadline, or a failure that will not go away. `out` borrows from j->reply.
 */
static rk_status carry(journey *j, rk_reply *out, rk_error *err)
{
    for (;;) {
        rk_error why = {0};
        bool again = false;
        rk_status status = try_once(j, &why);
        if (status == RK_OK)
            status = read_answer(j, out, &again, &why);
        else if (may_try_again(j, status))
            again = true;
        else
            status = give_up(j, status, &why);
        if (!again) {
            if (status != RK_OK && err != NULL)
                *err = why;
            return status;
        }
        pause_before_next(j);
    }
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Before anything that must not be done twice is sent, the node's incarnation must be known. Takes
 * of the call's time, and leaves its doubts and its count of refusals alone. */
static rk_status learn_incarnation(journey *j, rk_error *err)
{
    if (j->envelope.kind == RK_REQUEST_PING) /* asks whichever it is */
        return RK_OK;
    j->envelope.incarnation = rki_link_incarnation(j->link, j->position);
    if (is_known(&j->envelope.incarnation))
        return RK_OK;
    journey ping = *j;
    rk_reply reply;
    ping.envelope = (rk_envelope){.kind = RK_REQUEST_PING};
    ping.is_repeatable = true;
    rk_random_bytes(ping.envelope.operation.bytes, sizeof ping.envelope.operation.bytes);
    rk_status status = carry(&ping, &reply, err);
    j->request = ping.request; /* the memory that the ping's bytes were in */
    j->reply = ping.reply;
    if (status != RK_OK)
        return rk_error_context(err, status, "ask who it is, before the request");
    if (!is_known(&reply.incarnation))
        return rk_error_set(err, RK_CORRUPT, "the node does not say which incarnation it is");
    j->envelope.incarnation = reply.incarnation;
    return RK_OK;
}

static rk_status travel(journey *j, rk_link_answer *answer, rk_error *err)
{
    rk_reply reply;
    rk_status status = rki_link_take_channel(j->link, j->position, &j->channel, err);
    if (status != RK_OK)
        return status;
    status = learn_incarnation(j, err);
    if (status == RK_OK)
        status = carry(j, &reply, err);
    rki_link_give_channel(j->link, j->position, j->channel, status == RK_OK);
    if (status == RK_OK) {
        *answer = (rk_link_answer){.reply = reply, .bytes = j->reply};
        j->reply = (rk_buf){0};
    }
    return status;
}

static bool is_read(rk_request_kind kind)
{
    return kind == RK_REQUEST_PING || kind == RK_REQUEST_PAGE || kind == RK_REQUEST_SCHEMA;
}

static rk_status check_call(const rk_link *link, const journey *j, uint32_t timeout_ms,
                            rk_error *err)
{
    size_t bytes_max = rk_link_body_bytes_max(link);
    if (timeout_ms > RK_TRANSPORT_MS_CEILING)
        return rk_error_set(err, RK_INVALID, "timeout of %u ms; at most %u are allowed", timeout_ms,
                            RK_TRANSPORT_MS_CEILING);
    if (j->envelope.body.len > bytes_max)
        return rk_error_set(err, RK_LIMIT, "a request of %zu bytes; %zu are allowed",
                            j->envelope.body.len, bytes_max);
    return RK_OK;
}

static uint32_t try_ms_of(const rk_link *link, uint32_t whole_ms)
{
    uint32_t share_ms = whole_ms / TRIES_IN_A_CALL;
    if (share_ms < TRY_MS_MIN)
        share_ms = TRY_MS_MIN;
    return share_ms < link->try_ms_max ? share_ms : link->try_ms_max;
}

/* Fills in what follows from the link, and goes. */
static rk_status call(rk_link *link, journey *j, uint32_t timeout_ms, rk_link_answer *answer,
                      rk_error *err)
{
    assert(link && answer && j->position < link->cluster->node_count);
    const rk_cluster_node *node = &link->cluster->nodes[j->position];
    size_t bytes_max = rk_channel_bytes_max(link->transport);
    uint32_t whole_ms = timeout_ms != 0 ? timeout_ms : link->timeout_ms;
    j->link = link;
    j->is_repeatable = j->is_repeatable || is_read(j->envelope.kind);
    j->pause_ms = PAUSE_MS_MIN;
    j->try_ms = try_ms_of(link, whole_ms);
    j->deadline_ns = rk_clock_monotonic_ns(rk_clock_system()) + (uint64_t)whole_ms * NS_PER_MS;
    rk_buf_init(&j->request, bytes_max);
    rk_buf_init(&j->reply, bytes_max);
    rk_status status = check_call(link, j, timeout_ms, err);
    if (status == RK_OK)
        status = travel(j, answer, err);
    rk_buf_fini(&j->request);
    rk_buf_fini(&j->reply);
    if (status != RK_OK)
        rk_error_context(err, status, "node %s at %s", node->name, node->url);
    return status;
}

rk_status rk_link_call(rk_link *link, size_t position, rk_request_kind kind, rk_slice body,
                       bool is_repeatable, uint32_t timeout_ms, rk_link_answer *answer,
                       rk_error *err)
{
    journey j = {.position = position,
                 .envelope = {.kind = kind, .body = body},
                 .is_repeatable = is_repeatable};
    rk_random_bytes(j.envelope.operation.bytes, sizeof j.envelope.operation.bytes);
    return call(link, &j, timeout_ms, answer, err);
}

rk_status rk_link_call_again(rk_link *link, size_t position, const rk_operation_name *operation,
                             rk_request_kind kind, rk_slice body, bool is_repeatable,
                             uint32_t timeout_ms, rk_link_answer *answer, rk_error *err)
{
    assert(operation);
    journey j = {.position = position,
                 .envelope = {.operation = *operation, .kind = kind, .body = body},
                 .is_repeatable = is_repeatable,
                 .is_again = true};
    return call(link, &j, timeout_ms, answer, err);
}

void rk_link_answer_fini(rk_link_answer *answer)
{
    if (answer == NULL)
        return;
    rk_buf_fini(&answer->bytes);
    *answer = (rk_link_answer){0};
}
