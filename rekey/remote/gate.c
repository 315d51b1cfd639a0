#include "rekey/remote/gate.h"

#include "rekey/remote/gate_private.h"
#include "rekey/remote/limits.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* The authorized keys, and how many messages are being answered by them. There are two: those that
 * count, and the ones before, until nobody looks at them any more. */
typedef struct keys {
    rk_access *access;
    uint64_t users;
} keys;

struct rk_gate {
    rk_gate_config config; /* context points below */
    uint8_t context[RK_SECURE_CONTEXT_BYTES_MAX];
    size_t plaintext_bytes_max;
    pthread_mutex_t admitting; /* one rk_gate_admit at a time */
    pthread_mutex_t lock;      /* over all below */
    pthread_cond_t left;       /* the last user of the former keys has gone */
    keys keys[2];
    unsigned current;
    rki_table table;
    uint64_t requests;
    uint64_t refused;
};

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status check_config(const rk_gate_config *config, rk_error *err)
{
    if (config->context.len < 1 || config->context.len > RK_SECURE_CONTEXT_BYTES_MAX)
        return rk_error_set(err, RK_INVALID,
                            "open a gate: a context of %zu bytes; 1 to %d are allowed",
                            config->context.len, RK_SECURE_CONTEXT_BYTES_MAX);
    if (rk_remote_plaintext_bytes_max(config->message_bytes_max) == 0)
        return rk_error_set(err, RK_INVALID,
                            "open a gate: message_bytes_max is %zu; at least %zu are needed",
                            config->message_bytes_max, RK_REMOTE_MESSAGE_BYTES_MIN);
    if (config->sessions_max < 1 || config->sessions_max > RKI_SESSIONS_CEILING)
        return rk_error_set(err, RK_INVALID, "open a gate: sessions_max is %u, not from 1 to %u",
                            config->sessions_max, RKI_SESSIONS_CEILING);
    if (config->half_open_max < 1 || config->half_open_max > config->sessions_max)
        return rk_error_set(err, RK_INVALID, "open a gate: half_open_max is %u, not from 1 to %u",
                            config->half_open_max, config->sessions_max);
    if (config->key_sessions_max < 1 || config->key_sessions_max > config->sessions_max)
        return rk_error_set(err, RK_INVALID,
                            "open a gate: key_sessions_max is %u, not from 1 to %u",
                            config->key_sessions_max, config->sessions_max);
    return RK_OK;
}

static rk_status init_locks(rk_gate *gate, rk_error *err)
{
    if (pthread_mutex_init(&gate->lock, NULL) == 0) {
        if (pthread_mutex_init(&gate->admitting, NULL) == 0) {
            if (pthread_cond_init(&gate->left, NULL) == 0)
                return RK_OK;
            pthread_mutex_destroy(&gate->admitting);
        }
        pthread_mutex_destroy(&gate->lock);
    }
    return rk_error_set(err, RK_NOMEM, "open a gate: no lock can be made");
}

rk_status rk_gate_create(const rk_gate_config *config, rk_access *access, rk_gate **out,
                         rk_error *err)
{
    assert(config && config->key && config->handler && access && out);
    rk_status status = check_config(config, err);
    if (status != RK_OK)
        return status;
    rk_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL)
        return rk_error_set(err, RK_NOMEM, "open a gate: out of memory");
    status = rki_table_init(&gate->table, config, err);
    if (status == RK_OK)
        status = init_locks(gate, err);
    if (status != RK_OK) {
        rki_table_fini(&gate->table);
        free(gate);
        return status;
    }
    gate->config = *config;
    memcpy(gate->context, config->context.ptr, config->context.len);
    gate->config.context = rk_slice_of(gate->context, config->context.len);
    gate->plaintext_bytes_max = rk_remote_plaintext_bytes_max(config->message_bytes_max);
    gate->keys[0].access = access;
    *out = gate;
    return RK_OK;
}

void rk_gate_destroy(rk_gate *gate)
{
    if (gate == NULL)
        return;
    assert(gate->keys[0].users == 0 && gate->keys[1].users == 0);
    rki_table_fini(&gate->table);
    rk_access_destroy(gate->keys[0].access);
    rk_access_destroy(gate->keys[1].access);
    pthread_cond_destroy(&gate->left);
    pthread_mutex_destroy(&gate->admitting);
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

/* --- the authorized keys ---------------------------------------------------------------------- */

static keys *enter(rk_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    keys *used = &gate->keys[gate->current];
    used->users++;
    pthread_mutex_unlock(&gate->lock);
    return used;
}

static void leave(rk_gate *gate, keys *used)
{
    pthread_mutex_lock(&gate->lock);
    if (--used->users == 0)
        pthread_cond_broadcast(&gate->left);
    pthread_mutex_unlock(&gate->lock);
}

void rk_gate_admit(rk_gate *gate, rk_access *access)
{
    assert(gate && access);
    pthread_mutex_lock(&gate->admitting);
    pthread_mutex_lock(&gate->lock);
    keys *former = &gate->keys[gate->current];
    gate->current = 1 - gate->current;
    assert(gate->keys[gate->current].access == NULL && gate->keys[gate->current].users == 0);
    gate->keys[gate->current].access = access;
    while (former->users > 0)
        pthread_cond_wait(&gate->left, &gate->lock);
    rk_access *gone = former->access;
    former->access = NULL;
    pthread_mutex_unlock(&gate->lock);
    pthread_mutex_unlock(&gate->admitting);
    rk_access_destroy(gone);
}

/* --- handshakes ------------------------------------------------------------------------------- */

/* The directory is asked while the hello is taken and never again, so the keys need not outlive
 * this message. */
static rk_status answer_hello(const rk_gate *gate, const rk_access *access, rk_slice message,
                              rk_secure **out, rk_buf *reply, rk_error *why)
{
    rk_secure_config config = {.role = RK_ROLE_NODE,
                               .key = gate->config.key,
                               .context = gate->config.context,
                               .directory = {rk_access_role_of, access},
                               .randomness = rk_secure_random,
                               .plaintext_bytes_max = gate->plaintext_bytes_max,
                               .frames_max = RK_SECURE_FRAMES_MAX};
    rk_secure *session = NULL;
    rk_secure_step step;
    rk_status status = rk_secure_create(&config, &session, why);
    if (status == RK_OK)
        status = rk_secure_take(session, message, &step, why);
    if (status == RK_OK)
        status = rk_buf_set(reply, step.bytes, why);
    if (status == RK_OK)
        *out = session;
    else
        rk_secure_destroy(session);
    return status;
}

/* Makes the session first and room for it then: a stranger's hello pushes nobody out. */
static rk_status take_hello(rk_gate *gate, const rk_access *access, rk_slice message, rk_buf *reply,
                            rk_error *why)
{
    rk_secure *session = NULL;
    rk_secure *evicted = NULL;
    rk_status status = answer_hello(gate, access, message, &session, reply, why);
    if (status != RK_OK)
        return status;
    pthread_mutex_lock(&gate->lock);
    bool has_room = rki_table_put(&gate->table, session, &evicted);
    pthread_mutex_unlock(&gate->lock);
    rk_secure_destroy(has_room ? evicted : session);
    if (!has_room)
        return rk_error_set(why, RK_FULL, "a hello: no session of %u can make room for another",
                            gate->config.sessions_max);
    return RK_OK;
}

/* --- requests --------------------------------------------------------------------------------- */

/* NULL, with the reason in `why`, for who has proved nothing and who may not come in any more. */
static const rk_access_entry *entry_of(const rk_secure *session, const rk_access *access,
                                       rk_error *why)
{
    const rk_secure_peer *peer = rk_secure_peer_of(session);
    if (peer == NULL) {
        rk_error_set(why, RK_AUTH, "a frame before the end of the handshake");
        return NULL;
    }
    const rk_access_entry *entry = rk_access_find(access, &peer->key);
    if (entry == NULL || entry->role != peer->role) {
        char hex[2 * RK_PUBLIC_KEY_BYTES + 1];
        rk_hex(rk_slice_of(peer->key.bytes, RK_PUBLIC_KEY_BYTES), hex);
        rk_error_set(why, RK_AUTH, "key %s is not authorized as %s any more", hex,
                     rk_role_name(peer->role));
        return NULL;
    }
    return entry;
}

static rk_status handle(rk_gate *gate, const rk_access_entry *entry, rk_secure *session,
                        rk_slice request, rk_buf *reply, rk_error *why)
{
    rk_buf plain;
    rk_slice sealed;
    rk_buf_init(&plain, gate->plaintext_bytes_max);
    pthread_mutex_lock(&gate->lock);
    gate->requests++;
    pthread_mutex_unlock(&gate->lock);
    rk_status status = gate->config.handler(gate->config.handler_context, entry, request, &plain);
    if (status != RK_OK)
        rk_error_set(why, status, "a request of %s of %zu bytes: no reply was made: %s",
                     entry->name, request.len, rk_status_name(status));
    if (status == RK_OK)
        status = rk_secure_seal(session, rk_buf_slice(&plain), &sealed, why);
    if (status == RK_OK)
        status = rk_buf_set(reply, sealed, why);
    rk_buf_fini(&plain);
    return status;
}

/* The session is this thread's for the time being. It has ended unless this gives RK_OK. */
static rk_status answer_frame(rk_gate *gate, const rk_access *access, rk_secure *session,
                              rk_slice message, rk_buf *reply, rk_error *why)
{
    rk_secure_step step;
    rk_status status = rk_secure_take(session, message, &step, why);
    if (status != RK_OK)
        return status;
    const rk_access_entry *entry = entry_of(session, access, why);
    if (entry == NULL)
        return RK_AUTH;
    if (step.event == RK_SECURE_MESSAGE)
        return handle(gate, entry, session, step.bytes, reply, why);
    return rk_buf_set(reply, step.bytes, why);
}

/* RK_NOT_FOUND: no such session. RK_BUSY: another thread has it. */
static rk_status borrow(rk_gate *gate, const rk_secure_id *id, rki_slot **out, rk_error *why)
{
    rk_status status = RK_OK;
    pthread_mutex_lock(&gate->lock);
    rki_slot *slot = rki_table_find(&gate->table, id);
    if (slot == NULL)
        status = rk_error_set(why, RK_NOT_FOUND, "a frame of no session that is known here");
    else if (slot->busy)
        status = RK_BUSY;
    else
        slot->busy = true;
    pthread_mutex_unlock(&gate->lock);
    if (status == RK_OK)
        *out = slot;
    return status;
}

static rk_status take_frame(rk_gate *gate, const rk_access *access, const rk_secure_id *id,
                            rk_slice message, rk_buf *reply, rk_error *why)
{
    rki_slot *slot = NULL;
    rk_secure *ended;
    rk_status status = borrow(gate, id, &slot, why);
    if (status != RK_OK)
        return status;
    status = answer_frame(gate, access, slot->session, message, reply, why);
    pthread_mutex_lock(&gate->lock);
    slot->busy = false;
    if (status == RK_OK)
        ended = rki_table_touch(&gate->table, slot, rk_secure_peer_of(slot->session));
    else
        ended = rki_table_remove(&gate->table, slot);
    pthread_mutex_unlock(&gate->lock);
    rk_secure_destroy(ended);
    /* RK_BUSY is only what another thread's work on the session gives. */
    return status == RK_BUSY ? RK_AUTH : status;
}

/* --- messages --------------------------------------------------------------------------------- */

static rk_status refuse(rk_gate *gate, rk_buf *reply)
{
    pthread_mutex_lock(&gate->lock);
    gate->refused++;
    pthread_mutex_unlock(&gate->lock);
    return rk_buf_set(reply, rk_secure_refusal(), NULL);
}

rk_status rk_gate_take(rk_gate *gate, rk_slice message, rk_buf *reply, rk_error *why)
{
    assert(gate && reply && (message.ptr || message.len == 0));
    rk_secure_id id;
    rk_status status = RK_AUTH;
    keys *used = enter(gate);
    switch (rk_secure_peek(message, &id)) {
    case RK_SECURE_HELLO:
        status = take_hello(gate, used->access, message, reply, why);
        break;
    case RK_SECURE_FRAME:
        status = take_frame(gate, used->access, &id, message, reply, why);
        break;
    case RK_SECURE_OTHER:
        rk_error_set(why, RK_AUTH, "a message of %zu bytes that no peer sends", message.len);
        break;
    }
    leave(gate, used);
    if (status == RK_OK || status == RK_BUSY)
        return status;
    return refuse(gate, reply);
}

rk_gate_counts rk_gate_counts_of(rk_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    rk_gate_counts counts = {.sessions = gate->table.used,
                             .half_open = gate->table.half_open,
                             .requests = gate->requests,
                             .refused = gate->refused};
    pthread_mutex_unlock(&gate->lock);
    return counts;
}
