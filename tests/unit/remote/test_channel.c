#include "site.h"

#include "rekey/remote/limits.h"
#include "transport/inproc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define URL "inproc://node"

/* A gate behind threads, and what a caller needs. */
typedef struct fixture {
    rk_transport *transport;
    rk_access *access;
    rk_secret_key client;
    rk_secret_key node;
    rk_gate *gate;
    rk_server *server;
    rk_serve *serve;
    atomic_uint hellos;
    atomic_bool swallows; /* answers no frame any more */
} fixture;

static rk_status echo(void *context, const rk_access_entry *peer, rk_slice request, rk_buf *reply)
{
    (void)context;
    (void)peer;
    return rk_buf_set(reply, request, NULL);
}

static rk_status take(void *context, rk_slice message, rk_buf *reply)
{
    fixture *f = context;
    rk_secure_id id;
    if (rk_secure_peek(message, &id) == RK_SECURE_HELLO)
        atomic_fetch_add(&f->hellos, 1);
    else if (atomic_load(&f->swallows))
        return RK_IO;
    return rk_gate_take(f->gate, message, reply, NULL);
}

static void start_node(fixture *f, const int *without)
{
    rk_error err = {0};
    rk_gate_config config = {.key = &f->node,
                             .context = rk_slice_str(CONTEXT),
                             .message_bytes_max =
                                 rk_transport_limits_of(f->transport)->message_bytes_max,
                             .sessions_max = 16,
                             .half_open_max = 16,
                             .key_sessions_max = 16,
                             .handler = echo};
    must(rk_gate_create(&config, site_access(without), &f->gate, &err), &err);
    must(rk_transport_listen(f->transport, URL, &f->server, &err), &err);
    must(rk_serve_start(f->server, 2, take, f, &f->serve, &err), &err);
}

static void stop_node(fixture *f)
{
    rk_serve_stop(f->serve);
    rk_server_close(f->server);
    rk_gate_destroy(f->gate);
    f->serve = NULL;
    f->server = NULL;
    f->gate = NULL;
}

static int open_site(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->transport = site_inproc();
    f->access = site_access((const int[]){0});
    f->client = site_key(KEY_CLIENT);
    f->node = site_key(KEY_NODE);
    start_node(f, (const int[]){0});
    *state = f;
    return 0;
}

static int close_site(void **state)
{
    fixture *f = *state;
    stop_node(f);
    rk_access_destroy(f->access);
    rk_transport_close(f->transport);
    free(f);
    return 0;
}

static rk_channel *open_channel(const rk_channel_config *config)
{
    rk_error err = {0};
    rk_channel *channel = NULL;
    must(rk_channel_open(config, &channel, &err), &err);
    return channel;
}

static rk_channel *client_channel(fixture *f)
{
    rk_channel_config config = site_channel(f->transport, URL, &f->client, &f->node, f->access);
    return open_channel(&config);
}

static rk_status call(rk_channel *channel, const char *text, uint32_t timeout_ms, rk_error *err)
{
    rk_buf reply;
    rk_buf_init(&reply, 1 << 20);
    rk_status status = rk_channel_call(channel, rk_slice_str(text), timeout_ms, &reply, err);
    bool is_echo = rk_slice_equal(rk_buf_slice(&reply), rk_slice_str(text));
    assert_true(is_echo == (status == RK_OK));
    rk_buf_fini(&reply);
    return status;
}

static void call_ok(rk_channel *channel, const char *text)
{
    rk_error err = {0};
    must(call(channel, text, PATIENT_MS, &err), &err);
}

/* --- what goes well --------------------------------------------------------------------------- */

static void test_calls(void **state)
{
    fixture *f = *state;
    rk_channel *channel = client_channel(f);
    assert_int_equal(atomic_load(&f->hellos), 0); /* nobody is called yet */
    for (int i = 0; i < 20; i++)
        call_ok(channel, i % 2 ? "odd" : "even");
    assert_int_equal(atomic_load(&f->hellos), 1);
    rk_channel_close(channel);
    rk_channel_close(NULL);
}

/* A session that has carried its requests is replaced in passing. */
static void test_requests_max(void **state)
{
    fixture *f = *state;
    rk_channel_config config = site_channel(f->transport, URL, &f->client, &f->node, f->access);
    config.requests_max = 3;
    rk_channel *channel = open_channel(&config);
    for (int i = 0; i < 10; i++)
        call_ok(channel, "again");
    assert_int_equal(atomic_load(&f->hellos), 4);
    rk_channel_close(channel);
}

static void test_lengths(void **state)
{
    fixture *f = *state;
    rk_channel *channel = client_channel(f);
    size_t max = rk_channel_bytes_max(f->transport);
    uint8_t *bytes = calloc(1, max + 1);
    rk_error err = {0};
    rk_buf reply;
    rk_buf_init(&reply, max);
    assert_non_null(bytes);
    assert_int_equal(max, (1 << 16) - RK_SECURE_OVERHEAD_BYTES);
    must(rk_channel_call(channel, rk_slice_of(bytes, max), PATIENT_MS, &reply, &err), &err);
    assert_int_equal(reply.len, max);
    must_be(RK_LIMIT,
            rk_channel_call(channel, rk_slice_of(bytes, max + 1), PATIENT_MS, &reply, &err), &err);
    must(rk_channel_call(channel, RK_SLICE_EMPTY, PATIENT_MS, &reply, NULL), NULL);
    assert_int_equal(reply.len, 0);
    rk_buf_fini(&reply);
    free(bytes);
    rk_channel_close(channel);
}

static void test_limits(void **state)
{
    (void)state;
    rk_transport_limits limits = rk_remote_limits();
    must(rk_transport_limits_check(&limits, NULL), NULL);
    assert_int_equal(limits.message_bytes_max, 4 << 20);
    assert_int_equal(limits.exchanges_max, 256);
    assert_int_equal(rk_remote_plaintext_bytes_max(511), 0);
    assert_int_equal(rk_remote_plaintext_bytes_max(512), 512 - RK_SECURE_OVERHEAD_BYTES);
    assert_int_equal(rk_remote_plaintext_bytes_max(RK_TRANSPORT_MESSAGE_BYTES_CEILING),
                     RK_SECURE_PLAINTEXT_BYTES_MAX);
}

static void test_bad_config(void **state)
{
    fixture *f = *state;
    uint8_t name[RK_SECURE_CONTEXT_BYTES_MAX + 1] = {0};
    const rk_channel_config good = site_channel(f->transport, URL, &f->client, &f->node, f->access);
    rk_channel_config cases[5] = {good, good, good, good, good};
    cases[0].url = "carrier pigeon";
    cases[1].role = RK_ROLE_NONE;
    cases[2].context = RK_SLICE_EMPTY;
    cases[3].context = rk_slice_of(name, sizeof name);
    cases[4].requests_max = RK_SECURE_FRAMES_MAX + 1;
    for (size_t i = 0; i < COUNT(cases); i++) {
        rk_error err = {0};
        rk_channel *channel = NULL;
        must_be(RK_INVALID, rk_channel_open(&cases[i], &channel, &err), &err);
        site_expect_words(&err, cases[i].url);
        assert_null(channel);
    }
    rk_channel *channel = open_channel(&good);
    must_be(RK_INVALID, call(channel, "x", 0, NULL), NULL);
    must_be(RK_INVALID, call(channel, "x", RK_TRANSPORT_MS_CEILING + 1, NULL), NULL);
    rk_channel_close(channel);
}

/* --- who is who ------------------------------------------------------------------------------- */

/* All of them: RK_AUTH, and nothing was sent that says anything. */
static void test_wrong_keys(void **state)
{
    fixture *f = *state;
    rk_secret_key stranger = site_key(KEY_STRANGER);
    rk_secret_key other = site_key(KEY_OTHER_NODE);
    rk_secret_key stolen = site_key(KEY_STRANGER); /* a public key is no secret */
    stolen.public_key = f->client.public_key;
    const struct {
        const char *name;
        const rk_secret_key *key;
        const rk_secret_key *node;
        const char *context;
        const char *words;
    } cases[] = {
        {"unknown", &stranger, &f->node, CONTEXT, "refused"},
        {"stolen", &stolen, &f->node, CONTEXT, "refused"},
        {"another node", &f->client, &other, CONTEXT, "not the one expected"},
        {"no node", &f->client, &stranger, CONTEXT, "not the one expected"},
        {"another cluster", &f->client, &f->node, "elsewhere", "refused"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rk_error err = {0};
        rk_channel_config config =
            site_channel(f->transport, URL, cases[i].key, cases[i].node, f->access);
        config.context = rk_slice_str(cases[i].context);
        rk_channel *channel = open_channel(&config);
        must_be(RK_AUTH, call(channel, cases[i].name, PATIENT_MS, &err), &err);
        site_expect_words(&err, cases[i].words);
        site_expect_words(&err, URL);
        rk_channel_close(channel);
    }
    assert_int_equal(rk_gate_counts_of(f->gate).requests, 0);
}

/* The node is who it should be, and we do not hold it for one. */
static void test_node_without_rights(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_access *access = site_access((const int[]){KEY_NODE, 0});
    rk_channel_config config = site_channel(f->transport, URL, &f->client, &f->node, access);
    rk_channel *channel = open_channel(&config);
    must_be(RK_AUTH, call(channel, "hello", PATIENT_MS, &err), &err);
    site_expect_words(&err, "is not authorized");
    rk_channel_close(channel);
    rk_access_destroy(access);
}

/* A key that is taken out while its session is open: the request went out, and bytes that anybody
 * can send came back. The next handshake is refused before anything is sent. */
static void test_key_taken_out(void **state)
{
    fixture *f = *state;
    rk_channel *channel = client_channel(f);
    call_ok(channel, "in");
    rk_gate_admit(f->gate, site_access((const int[]){KEY_CLIENT, 0}));
    must_be(RK_UNCERTAIN, call(channel, "out", PATIENT_MS, NULL), NULL);
    must_be(RK_AUTH, call(channel, "out", PATIENT_MS, NULL), NULL);
    rk_gate_admit(f->gate, site_access((const int[]){0}));
    call_ok(channel, "in again");
    rk_channel_close(channel);
}

/* --- what goes wrong -------------------------------------------------------------------------- */

static void test_nobody_there(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_channel *channel = client_channel(f);
    stop_node(f);
    must_be(RK_TIMEOUT, call(channel, "anybody?", SHORT_MS, &err), &err);
    site_expect_words(&err, URL);
    start_node(f, (const int[]){0});
    call_ok(channel, "there you are");
    rk_channel_close(channel);
}

/* A node that was started anew has forgotten the session, and refuses. */
static void test_restart(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_channel *channel = client_channel(f);
    call_ok(channel, "before");
    stop_node(f);
    start_node(f, (const int[]){0});
    must_be(RK_UNCERTAIN, call(channel, "between", PATIENT_MS, &err), &err);
    site_expect_words(&err, "may have been carried out");
    site_expect_words(&err, "refused");
    call_ok(channel, "after");
    rk_channel_close(channel);
}

/* No answer: nobody knows; and the session, whose counter is in doubt, is not used again. */
static void test_silence(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_channel *channel = client_channel(f);
    call_ok(channel, "before");
    atomic_store(&f->swallows, true);
    must_be(RK_UNCERTAIN, call(channel, "hello?", SHORT_MS, &err), &err);
    site_expect_words(&err, "no reply");
    must_be(RK_TIMEOUT, call(channel, "hello?", SHORT_MS, &err), &err); /* only the hello */
    atomic_store(&f->swallows, false);
    call_ok(channel, "after");
    assert_int_equal(atomic_load(&f->hellos), 3);
    rk_channel_close(channel);
}

/* The reply came, and does not fit: the request was carried out all the same. */
static void test_reply_too_long(void **state)
{
    fixture *f = *state;
    rk_channel *channel = client_channel(f);
    rk_buf reply;
    rk_buf_init(&reply, 3);
    must_be(RK_UNCERTAIN,
            rk_channel_call(channel, RK_SLICE_LITERAL("four"), PATIENT_MS, &reply, NULL), NULL);
    assert_int_equal(reply.len, 0);
    rk_buf_fini(&reply);
    call_ok(channel, "after");
    rk_channel_close(channel);
}

/* --- cancelling ------------------------------------------------------------------------------- */

typedef struct asking {
    rk_channel *channel;
    rk_status status;
} asking;

static void *ask_run(void *argument)
{
    asking *a = argument;
    rk_buf reply;
    rk_buf_init(&reply, 64);
    a->status = rk_channel_call(a->channel, RK_SLICE_LITERAL("ask"), PATIENT_MS, &reply, NULL);
    rk_buf_fini(&reply);
    return NULL;
}

static void test_cancel_before(void **state)
{
    fixture *f = *state;
    rk_channel *channel = client_channel(f);
    rk_channel_cancel(channel);
    must_be(RK_NOT_FOUND, call(channel, "too late", PATIENT_MS, NULL), NULL);
    rk_channel_cancel(channel);
    must_be(RK_NOT_FOUND, call(channel, "too late", PATIENT_MS, NULL), NULL);
    rk_channel_close(channel);
}

static void test_cancel_handshake(void **state)
{
    fixture *f = *state;
    pthread_t thread;
    rk_channel *channel = client_channel(f);
    asking a = {.channel = channel};
    atomic_store(&f->swallows, true);
    assert_int_equal(pthread_create(&thread, NULL, ask_run, &a), 0);
    while (atomic_load(&f->hellos) == 0)
        sched_yield();
    rk_channel_cancel(channel);
    pthread_join(thread, NULL);
    must_be(RK_NOT_FOUND, a.status, NULL);
    rk_channel_close(channel);
}

static void test_cancel_request(void **state)
{
    fixture *f = *state;
    pthread_t thread;
    rk_channel *channel = client_channel(f);
    asking a = {.channel = channel};
    call_ok(channel, "before");
    stop_node(f);
    assert_int_equal(pthread_create(&thread, NULL, ask_run, &a), 0);
    rk_channel_cancel(channel);
    pthread_join(thread, NULL);
    /* Cancelled before the call began, or with its request on the way. */
    assert_true(a.status == RK_NOT_FOUND || a.status == RK_UNCERTAIN);
    start_node(f, (const int[]){0});
    rk_channel_close(channel);
}

#define ON_SITE(test) cmocka_unit_test_setup_teardown(test, open_site, close_site)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SITE(test_calls),
        ON_SITE(test_requests_max),
        ON_SITE(test_lengths),
        cmocka_unit_test(test_limits),
        ON_SITE(test_bad_config),
        ON_SITE(test_wrong_keys),
        ON_SITE(test_node_without_rights),
        ON_SITE(test_key_taken_out),
        ON_SITE(test_nobody_there),
        ON_SITE(test_restart),
        ON_SITE(test_silence),
        ON_SITE(test_reply_too_long),
        ON_SITE(test_cancel_before),
        ON_SITE(test_cancel_handshake),
        ON_SITE(test_cancel_request),
    };
    if (rk_crypto_init(NULL) != RK_OK)
        return 1;
    return cmocka_run_group_tests_name("remote_channel", tests, NULL, NULL);
}
