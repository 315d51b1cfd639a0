#include "site.h"

#include "rekey/remote/limits.h"
#include "transport/inproc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#define THREADS 4

void site_expect(rk_status status, rk_status expected, const rk_error *err, const char *what,
                 const char *file, int line)
{
    if (status == expected)
        return;
    print_error("%s: %s (%s), not %s\n", what, rk_status_name(status), err ? err->message : "",
                rk_status_name(expected));
    _fail(file, line);
}

void site_expect_words(const rk_error *err, const char *words)
{
    if (strstr(err->message, words) == NULL)
        fail_msg("expected \"%s\" in: %s", words, err->message);
}

/* --- keys ------------------------------------------------------------------------------------- */

rk_secret_key site_key(int number)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    rk_secret_key key;
    memset(seed, number, sizeof seed);
    crypto_sign_seed_keypair(key.public_key.bytes, key.bytes, seed);
    return key;
}

static bool is_listed(const int *numbers, int number)
{
    while (*numbers != 0 && *numbers != number)
        numbers++;
    return *numbers != 0;
}

void site_access_text(const int *without, const char *client_role, rk_buf *out)
{
    const char *const roles[] = {[KEY_NODE] = "node",
                                 [KEY_OTHER_NODE] = "node",
                                 [KEY_CLIENT] = client_role,
                                 [KEY_OPERATOR] = "operator",
                                 [KEY_COORDINATOR] = "coordinator"};
    must(rk_buf_append_str(out, "keys:\n", NULL), NULL);
    for (int number = KEY_NODE; number < KEY_STRANGER; number++) {
        char hex[2 * RK_PUBLIC_KEY_BYTES + 1];
        rk_secret_key key = site_key(number);
        bool is_client = strcmp(roles[number], "client") == 0;
        if (is_listed(without, number))
            continue;
        rk_hex(rk_slice_of(key.public_key.bytes, RK_PUBLIC_KEY_BYTES), hex);
        must(rk_buf_append_format(out, NULL, "  - key: %s\n    role: %s\n    name: key-%d\n%s", hex,
                                  roles[number], number,
                                  is_client ? "    tenants: \"*\"\n    capsules: \"*\"\n" : ""),
             NULL);
    }
}

static rk_access *parse(const int *without, const char *client_role)
{
    rk_error err = {0};
    rk_access *access = NULL;
    rk_buf text;
    rk_buf_init(&text, 1 << 16);
    site_access_text(without, client_role, &text);
    must(rk_access_parse(rk_buf_slice(&text), "keys", &access, NULL, &err), &err);
    rk_buf_fini(&text);
    return access;
}

rk_access *site_access(const int *without)
{
    return parse(without, "client");
}

rk_access *site_access_promoted(void)
{
    return parse((const int[]){0}, "operator");
}

rk_transport *site_inproc(void)
{
    rk_transport *transport = NULL;
    rk_transport_limits limits = rk_remote_limits();
    limits.message_bytes_max = (size_t)1 << 16;
    limits.exchanges_max = 32;
    must(rk_inproc_open(&limits, NULL, 0, 1, &transport, NULL), NULL);
    return transport;
}

rk_channel_config site_channel(rk_transport *transport, const char *url, const rk_secret_key *key,
                               const rk_secret_key *node, const rk_access *access)
{
    rk_role role = RK_ROLE_CLIENT;
    rk_access_role_of(access, &key->public_key, &role);
    return (rk_channel_config){.transport = transport,
                               .url = url,
                               .role = role,
                               .key = key,
                               .peer = &node->public_key,
                               .context = rk_slice_str(CONTEXT),
                               .directory = {rk_access_role_of, access}};
}

/* --- a node ----------------------------------------------------------------------------------- */

rk_slice site_body(uint32_t number, uint8_t bytes[4])
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    return rk_slice_of(bytes, 4);
}

static rk_status make_reply(const site_node *node, rk_status status, rk_slice body, rk_buf *out)
{
    rk_reply reply = {.incarnation = node->incarnation, .status = status, .body = body};
    if (status != RK_OK)
        rk_error_set(&reply.error, status, "the test's node says no");
    return rk_reply_encode(&reply, out, NULL);
}

static rk_status carry_out(site_node *node, const rk_envelope *envelope, rk_buf *out)
{
    rk_reader reader = rk_reader_of(envelope->body);
    uint8_t bytes[8];
    if (envelope->kind == RK_REQUEST_PING)
        return make_reply(node, RK_OK, RK_SLICE_EMPTY, out);
    uint32_t number = rk_take_u32(&reader);
    if (!rk_reader_done(&reader) || number >= SITE_COUNTERS)
        return make_reply(node, RK_INVALID, RK_SLICE_EMPTY, out);
    uint32_t count = atomic_fetch_add(&node->tally->counts[number], 1) + 1;
    site_body(number, bytes);
    site_body(count, bytes + 4);
    return make_reply(node, RK_OK, rk_slice_of(bytes, sizeof bytes), out);
}

/* RK_BUSY while another thread is at the same operation. */
static rk_status do_once(site_node *node, const rk_envelope *envelope, rk_buf *out)
{
    rk_operation_id id;
    rk_dedup_state state = RK_DEDUP_NEW;
    rk_slice result;
    memcpy(id.bytes, envelope->operation.bytes, sizeof id.bytes);
    pthread_mutex_lock(&node->lock);
    rk_status status = rk_dedup_begin(node->dedup, &id, &state, &result, NULL);
    if (status == RK_OK && state == RK_DEDUP_DONE)
        status = rk_buf_set(out, result, NULL);
    pthread_mutex_unlock(&node->lock);
    if (status != RK_OK || state == RK_DEDUP_DONE)
        return status;
    if (state == RK_DEDUP_PENDING)
        return RK_BUSY;
    status = carry_out(node, envelope, out);
    pthread_mutex_lock(&node->lock);
    if (status == RK_OK)
        status = rk_dedup_finish(node->dedup, &id, rk_buf_slice(out), NULL);
    pthread_mutex_unlock(&node->lock);
    return status;
}

static rk_status handle(void *context, const rk_access_entry *peer, rk_slice request, rk_buf *reply)
{
    static const rk_incarnation any;
    site_node *node = context;
    rk_envelope envelope;
    atomic_fetch_add(&node->handled, 1);
    if (peer == NULL || rk_envelope_decode(request, &envelope, NULL) != RK_OK)
        return make_reply(node, RK_CORRUPT, RK_SLICE_EMPTY, reply);
    bool is_any = memcmp(&envelope.incarnation, &any, sizeof any) == 0;
    if (is_any && envelope.kind != RK_REQUEST_PING)
        return make_reply(node, RK_INVALID, RK_SLICE_EMPTY, reply);
    if (!is_any && memcmp(&envelope.incarnation, &node->incarnation, sizeof any) != 0)
        return make_reply(node, RK_UNCERTAIN, RK_SLICE_EMPTY, reply);
    rk_status status = do_once(node, &envelope, reply);
    if (envelope.kind != RK_REQUEST_PING && atomic_exchange(&node->falls_silent, false))
        return RK_IO;
    return status;
}

static rk_status take(void *context, rk_slice message, rk_buf *reply)
{
    site_node *node = context;
    return rk_gate_take(node->gate, message, reply, NULL);
}

void site_node_start(site_node *node, rk_transport *transport, const char *url, int key,
                     uint8_t incarnation, site_tally *tally)
{
    rk_error err = {0};
    *node = (site_node){.key = site_key(key), .tally = tally};
    memset(node->incarnation.bytes, incarnation, sizeof node->incarnation.bytes);
    assert_int_equal(pthread_mutex_init(&node->lock, NULL), 0);
    must(rk_dedup_create(SITE_COUNTERS, 1 << 24, &node->dedup, &err), &err);
    rk_gate_config config = {.key = &node->key,
                             .context = rk_slice_str(CONTEXT),
                             .message_bytes_max =
                                 rk_transport_limits_of(transport)->message_bytes_max,
                             .sessions_max = 64,
                             .half_open_max = 32,
                             .key_sessions_max = 64,
                             .handler = handle,
                             .handler_context = node};
    must(rk_gate_create(&config, site_access((const int[]){0}), &node->gate, &err), &err);
    must(rk_transport_listen(transport, url, &node->server, &err), &err);
    must(rk_serve_start(node->server, THREADS, take, node, &node->serve, &err), &err);
}

void site_node_stop(site_node *node)
{
    rk_serve_stop(node->serve);
    rk_server_close(node->server);
    rk_gate_destroy(node->gate);
    rk_dedup_destroy(node->dedup);
    pthread_mutex_destroy(&node->lock);
}
