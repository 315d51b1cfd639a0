/* channel.h: authenticated calls to one node.
 *
 * A channel is a caller with a session in it (transport/secure.h): it makes the handshake before
 * the first call, makes a new one where the node has forgotten the session, and carries one request
 * at a time.
 *
 * Invariants
 *   - The peer is the node whose key the cluster file names, or nothing is sent to it.
 *   - A request goes out once in a session. When its answer does not come, and it may have been
 *     carried out, the call says RK_UNCERTAIN and never repeats by itself: only who knows the
 *     operation can tell whether a repetition is safe (protocol.h: operation ids).
 *
 * Threading: one call at a time; cancel from any thread.
 */
#ifndef REKEY_REMOTE_CHANNEL_H
#define REKEY_REMOTE_CHANNEL_H

#include "transport/secure.h"
#include "transport/transport.h"

typedef struct rk_channel rk_channel;

typedef struct rk_channel_config {
    rk_transport *transport; /* borrowed, as key and directory: they must outlive the channel */
    const char *url;
    rk_role role;             /* the caller's own */
    const rk_secret_key *key; /* its identity */
    const rk_public_key *peer;
    rk_slice context; /* the cluster's name */
    rk_secure_directory directory;
    uint64_t requests_max; /* of one session, then a new handshake; 0: RK_SECURE_FRAMES_MAX */
} rk_channel_config;

/* The longest request or reply that a session carries in this transport's messages. */
size_t rk_channel_bytes_max(const rk_transport *transport);

/* Copies url, peer and context. Nobody is called yet: whether the node is there shows in the first
 * call. RK_INVALID for a bad url, and for a member that is out of its bounds; RK_IO, RK_NOMEM. */
rk_status rk_channel_open(const rk_channel_config *config, rk_channel **out, rk_error *err);
void rk_channel_close(rk_channel *channel); /* NULL allowed */

/* Sends the request and waits for its reply, which replaces the contents of `reply` (cap at least
 * rk_channel_bytes_max). Blocks up to `timeout_ms`, handshakes included.
 *   RK_TIMEOUT    the node could not be reached in time; the request was not sent.
 *   RK_IO         the carriage failed before that; the request was not sent. RK_NOMEM likewise.
 *   RK_AUTH       the node is not who it should be, or refused us in the handshake; the request was
 *                 not sent.
 *   RK_UNCERTAIN  it was sent, and no answer came that holds: it may have been carried out. So ends
 *                 the first call after a restart of the node, too; the next makes a new session.
 *   RK_LIMIT      longer than rk_channel_bytes_max: nothing was sent.
 *   RK_NOT_FOUND  cancelled before it was sent. */
rk_status rk_channel_call(rk_channel *channel, rk_slice request, uint32_t timeout_ms, rk_buf *reply,
                          rk_error *err);

/* Makes the call under way, and every later one, end soon. */
void rk_channel_cancel(rk_channel *channel);

#endif
