/* link.c: opening a link, and its channels. How a call goes is in link_carry.c. */
#include "rekey/remote/limits.h"
#include "rekey/remote/link_private.h"
#include "transport/nng.h"

#include <assert.h>
#include <stdlib.h>

/* What stands around a body, either way, is less: a few fixed fields and a reply's message. */
#define AROUND_BODY_BYTES (256 + RK_ERROR_MESSAGE_BYTES)

/* --- out of parts ----------------------------------------------------------------------------- */

static rk_status find_role(const rk_access *access, const rk_public_key *key, rk_role *out,
                           rk_error *err)
{
    char hex[2 * RK_PUBLIC_KEY_BYTES + 1];
    rk_hex(rk_slice_of(key->bytes, RK_PUBLIC_KEY_BYTES), hex);
    rk_role role = RK_ROLE_NONE;
    if (!rk_access_role_of(access, key, &role))
        return rk_error_set(err, RK_AUTH, "our own key %s is not among the authorized ones", hex);
    *out = role;
    return RK_OK;
}

static rk_status check_parts(const rk_transport *transport, uint32_t timeout_ms, rk_error *err)
{
    if (timeout_ms < 1 || timeout_ms > RK_TRANSPORT_MS_CEILING)
        return rk_error_set(err, RK_INVALID, "timeout of %u ms; it must be 1 to %u", timeout_ms,
                            RK_TRANSPORT_MS_CEILING);
    if (rk_channel_bytes_max(transport) <= AROUND_BODY_BYTES)
        return rk_error_set(err, RK_INVALID, "messages of %zu bytes are too short for a request",
                            rk_transport_limits_of(transport)->message_bytes_max);
    return RK_OK;
}

rk_status rki_link_open(rk_cluster *cluster, rk_access *access, const rk_secret_key *key,
                        rk_transport *transport, uint32_t timeout_ms, rk_link **out, rk_error *err)
{
    assert(cluster && access && key && transport && out);
    rk_role role = RK_ROLE_NONE;
    rk_status status = check_parts(transport, timeout_ms, err);
    if (status == RK_OK)
        status = find_role(access, &key->public_key, &role, err);
    if (status != RK_OK)
        return status;
    rk_link *link = calloc(1, sizeof *link);
    rki_link_node *nodes = calloc(cluster->node_count, sizeof *nodes);
    if (link == NULL || nodes == NULL || pthread_mutex_init(&link->lock, NULL) != 0) {
        free(nodes);
        free(link);
        return rk_error_set(err, RK_NOMEM, "out of memory for a link to %zu nodes",
                            cluster->node_count);
    }
    link->cluster = cluster;
    link->access = access;
    link->transport = transport;
    link->key = *key;
    link->role = role;
    link->timeout_ms = timeout_ms;
    link->try_ms_max = RKI_TRY_MS_MAX;
    link->nodes = nodes;
    *out = link;
    return RK_OK;
}

/* --- out of files ----------------------------------------------------------------------------- */

static rk_status read_key(const rk_cluster *cluster, const char *identity, rk_secret_key *out,
                          rk_error *err)
{
    const char *path = identity != NULL ? identity : cluster->identity;
    if (path == NULL)
        return rk_error_set(err, RK_INVALID, "no secret key is given, and the file names none");
    return rk_secret_key_read(path, out, err);
}

/* Everything that is read and opened; what has been when it fails stays for the caller to clean. */
static rk_status open_parts(const char *path, const rk_link_options *options, rk_cluster **cluster,
                            rk_access **access, rk_secret_key *key, rk_transport **transport,
                            rk_findings *findings, rk_error *err)
{
    rk_transport_limits limits = rk_remote_limits();
    rk_status status = rk_crypto_init(err);
    if (status == RK_OK)
        status = rk_cluster_load(path, cluster, findings, err);
    if (status != RK_OK)
        return status;
    status = rk_access_load((*cluster)->keys, access, findings, err);
    if (status == RK_OK)
        status = read_key(*cluster, options->identity, key, err);
    if (status == RK_OK)
        status = rk_nng_open(&limits, transport, err);
    return status == RK_OK ? RK_OK : rk_error_context(err, status, "cluster %s", path);
}

rk_status rk_link_open(const char *path, const rk_link_options *options, rk_link **out,
                       rk_findings *findings, rk_error *err)
{
    assert(path && options && out);
    rk_cluster *cluster = NULL;
    rk_access *access = NULL;
    rk_transport *transport = NULL;
    rk_secret_key key = {0};
    uint32_t timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : RK_LINK_TIMEOUT_MS;
    rk_status status =
        open_parts(path, options, &cluster, &access, &key, &transport, findings, err);
    if (status == RK_OK) {
        status = rki_link_open(cluster, access, &key, transport, timeout_ms, out, err);
        if (status == RK_OK)
            (*out)->owns_transport = true;
        else
            rk_error_context(err, status, "cluster %s", path);
    }
    rk_secret_key_wipe(&key);
    if (status == RK_OK)
        return RK_OK;
    rk_transport_close(transport);
    rk_access_destroy(access);
    rk_cluster_destroy(cluster);
    return status;
}

static void close_idle(rk_channel *const *idle, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rk_channel_close(idle[i]);
}

void rk_link_close(rk_link *link)
{
    if (link == NULL)
        return;
    for (size_t i = 0; i < link->cluster->node_count; i++)
        close_idle(link->nodes[i].idle, link->nodes[i].idle_count);
    if (link->owns_transport)
        rk_transport_close(link->transport);
    rk_access_destroy(link->access);
    rk_cluster_destroy(link->cluster);
    rk_secret_key_wipe(&link->key);
    pthread_mutex_destroy(&link->lock);
    free(link->nodes);
    free(link);
}

const rk_cluster *rk_link_cluster(const rk_link *link)
{
    return link->cluster;
}

rk_role rk_link_role(const rk_link *link)
{
    return link->role;
}

size_t rk_link_body_bytes_max(const rk_link *link)
{
    return rk_channel_bytes_max(link->transport) - AROUND_BODY_BYTES;
}

/* --- channels --------------------------------------------------------------------------------- */

rk_status rki_link_take_channel(rk_link *link, size_t position, rk_channel **out, rk_error *err)
{
    rki_link_node *node = &link->nodes[position];
    rk_channel *channel = NULL;
    pthread_mutex_lock(&link->lock);
    if (node->idle_count > 0)
        channel = node->idle[--node->idle_count];
    pthread_mutex_unlock(&link->lock);
    if (channel == NULL) {
        rk_channel_config config = {.transport = link->transport,
                                    .url = link->cluster->nodes[position].url,
                                    .role = link->role,
                                    .key = &link->key,
                                    .peer = &link->cluster->nodes[position].key,
                                    .context = rk_slice_str(link->cluster->name),
                                    .directory = {rk_access_role_of, link->access}};
        rk_status status = rk_channel_open(&config, &channel, err);
        if (status != RK_OK)
            return status;
    }
    *out = channel;
    return RK_OK;
}

void rki_link_give_channel(rk_link *link, size_t position, rk_channel *channel, bool sound)
{
    rki_link_node *node = &link->nodes[position];
    if (sound) {
        pthread_mutex_lock(&link->lock);
        if (node->idle_count < RKI_IDLE_MAX) {
            node->idle[node->idle_count++] = channel;
            channel = NULL;
        }
        pthread_mutex_unlock(&link->lock);
    }
    rk_channel_close(channel);
}

rk_incarnation rki_link_incarnation(rk_link *link, size_t position)
{
    pthread_mutex_lock(&link->lock);
    rk_incarnation incarnation = link->nodes[position].incarnation;
    pthread_mutex_unlock(&link->lock);
    return incarnation;
}

void rki_link_learn(rk_link *link, size_t position, const rk_incarnation *incarnation)
{
    rki_link_node *node = &link->nodes[position];
    rk_channel *gone[RKI_IDLE_MAX];
    size_t gone_count = 0;
    pthread_mutex_lock(&link->lock);
    if (memcmp(&node->incarnation, incarnation, sizeof *incarnation) != 0) {
        node->incarnation = *incarnation;
        gone_count = node->idle_count;
        for (size_t i = 0; i < gone_count; i++)
            gone[i] = node->idle[i];
        node->idle_count = 0;
    }
    pthread_mutex_unlock(&link->lock);
    close_idle(gone, gone_count);
}
