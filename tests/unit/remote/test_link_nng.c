/* A link out of files, over a Unix socket. */
#include "site.h"

#include "rekey/remote/limits.h"
#include "rekey/remote/link.h"
#include "tests/unit/transport/place.h"
#include "transport/nng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OPERATIONS 200

typedef struct fixture {
    place place;
    char cluster[160], keys[160], identity[160], identity_pub[160], stranger[160],
        stranger_pub[160];
    rk_transport *transport; /* the node's */
    site_tally tally;
    site_node node;
} fixture;

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void write_cluster(fixture *f, int node, const char *identity)
{
    char hex[2 * RK_PUBLIC_KEY_BYTES + 1], text[1024];
    rk_secret_key key = site_key(node);
    rk_hex(rk_slice_of(key.public_key.bytes, RK_PUBLIC_KEY_BYTES), hex);
    snprintf(text, sizeof text,
             "cluster: %s\nkeys: keys.yaml\n%s%s%snodes:\n"
             "  - name: node-1\n    url: \"%s\"\n    key: %s\n",
             CONTEXT, identity ? "identity: " : "", identity ? identity : "", identity ? "\n" : "",
             f->place.url, hex);
    write_file(f->cluster, text, 0644);
}

static void write_keys(fixture *f)
{
    rk_buf text;
    rk_buf_init(&text, 1 << 16);
    site_access_text((const int[]){0}, "client", &text);
    must(rk_buf_append_byte(&text, 0, NULL), NULL);
    write_file(f->keys, (const char *)text.ptr, 0644);
    rk_buf_fini(&text);
}

static int open_site(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    place_make(&f->place);
    const struct {
        char *path;
        const char *name;
    } files[] = {{f->cluster, "cluster.yaml"},  {f->keys, "keys.yaml"},
                 {f->identity, "client.key"},   {f->identity_pub, "client.key.pub"},
                 {f->stranger, "stranger.key"}, {f->stranger_pub, "stranger.key.pub"}};
    for (size_t i = 0; i < COUNT(files); i++)
        snprintf(files[i].path, sizeof f->cluster, "%s/%s", f->place.folder, files[i].name);
    rk_secret_key client = site_key(KEY_CLIENT), stranger = site_key(KEY_STRANGER);
    must(rk_key_files_write(f->identity, &client, NULL), NULL);
    must(rk_key_files_write(f->stranger, &stranger, NULL), NULL);
    write_keys(f);
    write_cluster(f, KEY_NODE, "client.key");
    rk_transport_limits limits = rk_remote_limits();
    must(rk_nng_open(&limits, &f->transport, NULL), NULL);
    site_node_start(&f->node, f->transport, f->place.url, KEY_NODE, 0xa1, &f->tally);
    *state = f;
    return 0;
}

static int close_site(void **state)
{
    fixture *f = *state;
    const char *const files[] = {f->cluster,      f->keys,     f->identity,
                                 f->identity_pub, f->stranger, f->stranger_pub};
    site_node_stop(&f->node);
    rk_transport_close(f->transport);
    for (size_t i = 0; i < COUNT(files); i++)
        unlink(files[i]);
    place_remove(&f->place);
    free(f);
    return 0;
}

static rk_link *open_link(const fixture *f)
{
    rk_error err = {0};
    rk_link *link = NULL;
    rk_link_options options = {0};
    must(rk_link_open(f->cluster, &options, &link, NULL, &err), &err);
    return link;
}

static rk_status raise_counter(rk_link *link, rk_request_kind kind, uint32_t number, rk_error *err)
{
    uint8_t bytes[4];
    rk_link_answer answer = {0};
    rk_status status =
        rk_link_call(link, 0, kind, site_body(number, bytes), false, PATIENT_MS, &answer, err);
    if (status == RK_OK)
        assert_int_equal(answer.reply.status, RK_OK);
    rk_link_answer_fini(&answer);
    return status;
}

/* --- opening ---------------------------------------------------------------------------------- */

static void test_open(void **state)
{
    fixture *f = *state;
    rk_link *link = open_link(f);
    assert_int_equal(rk_link_role(link), RK_ROLE_CLIENT);
    assert_int_equal(rk_link_cluster(link)->node_count, 1);
    assert_true(rk_link_body_bytes_max(link) > (4 << 20) - 2048);
    assert_true(rk_link_body_bytes_max(link) < 4 << 20);
    rk_link_close(link);
}

static void expect_failure(fixture *f, rk_status status, const char *identity, const char *words,
                           size_t finding_count)
{
    rk_error err = {0};
    rk_link *link = NULL;
    rk_findings findings = {0};
    rk_link_options options = {.identity = identity};
    must_be(status, rk_link_open(f->cluster, &options, &link, &findings, &err), &err);
    site_expect_words(&err, words);
    assert_int_equal(findings.count, finding_count);
    assert_null(link);
    rk_findings_fini(&findings);
}

static void test_open_with_wrong_files(void **state)
{
    fixture *f = *state;
    rk_link *link = NULL;
    rk_link_options options = {.timeout_ms = RK_TRANSPORT_MS_CEILING + 1};
    must_be(RK_INVALID, rk_link_open(f->cluster, &options, &link, NULL, NULL), NULL);
    expect_failure(f, RK_AUTH, f->stranger, "not among the authorized ones", 0);
    expect_failure(f, RK_NOT_FOUND, "/nonexistent", "/nonexistent", 0);
    write_cluster(f, KEY_NODE, NULL);
    expect_failure(f, RK_INVALID, NULL, "no secret key", 0);
    assert_int_equal(chmod(f->keys, 0666), 0);
    expect_failure(f, RK_AUTH, f->identity, "keys.yaml", 0);
    write_file(f->keys, "keys: []\n", 0644);
    expect_failure(f, RK_INVALID, f->identity, "keys.yaml", 1);
    unlink(f->keys);
    expect_failure(f, RK_NOT_FOUND, f->identity, "keys.yaml", 0);
    write_file(f->cluster, "cluster: one\nwhat: ever\n", 0644);
    expect_failure(f, RK_INVALID, f->identity, "cluster.yaml", 3);
    unlink(f->cluster);
    expect_failure(f, RK_NOT_FOUND, f->identity, "cluster.yaml", 0);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void test_calls(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_link *link = open_link(f);
    for (uint32_t i = 0; i < OPERATIONS; i++)
        must(raise_counter(link, RK_REQUEST_BATCH, i, &err), &err);
    for (uint32_t i = 0; i < OPERATIONS; i++)
        assert_int_equal(atomic_load(&f->tally.counts[i]), 1);
    rk_link_close(link);
}

/* The longest body gets there; the test's node does not know what to do with it. */
static void test_longest(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_link *link = open_link(f);
    rk_link_answer answer = {0};
    size_t length = rk_link_body_bytes_max(link);
    uint8_t *bytes = calloc(1, length);
    assert_non_null(bytes);
    must(rk_link_call(link, 0, RK_REQUEST_BATCH, rk_slice_of(bytes, length), false, PATIENT_MS,
                      &answer, &err),
         &err);
    assert_int_equal(answer.reply.status, RK_INVALID);
    rk_link_answer_fini(&answer);
    free(bytes);
    rk_link_close(link);
}

static void test_wrong_node(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    write_cluster(f, KEY_OTHER_NODE, "client.key");
    rk_link *link = open_link(f);
    must_be(RK_AUTH, raise_counter(link, RK_REQUEST_PAGE, 1, &err), &err);
    site_expect_words(&err, "node node-1 at ipc://");
    rk_link_close(link);
}

/* A new node at the same place: what changes something is in doubt, once; what does not, is not. */
static void test_restart(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    rk_link *link = open_link(f);
    for (uint8_t i = 0; i < 3; i++) {
        rk_request_kind kind = i % 2 ? RK_REQUEST_BATCH : RK_REQUEST_PAGE;
        must(raise_counter(link, RK_REQUEST_BATCH, 100u + i, &err), &err);
        site_node_stop(&f->node);
        site_node_start(&f->node, f->transport, f->place.url, KEY_NODE, (uint8_t)(0xb0 + i),
                        &f->tally);
        must_be(i % 2 ? RK_UNCERTAIN : RK_OK, raise_counter(link, kind, i, &err), &err);
        assert_int_equal(atomic_load(&f->tally.counts[i]), i % 2 ? 0 : 1);
        must(raise_counter(link, RK_REQUEST_BATCH, 200u + i, &err), &err);
    }
    rk_link_close(link);
}

static void test_nobody_there(void **state)
{
    fixture *f = *state;
    rk_error err = {0};
    uint8_t bytes[4];
    rk_link_answer answer = {0};
    rk_link *link = open_link(f);
    site_node_stop(&f->node);
    must_be(RK_TIMEOUT,
            rk_link_call(link, 0, RK_REQUEST_BATCH, site_body(1, bytes), false, SHORT_MS, &answer,
                         &err),
            &err);
    site_expect_words(&err, "no connection");
    site_node_start(&f->node, f->transport, f->place.url, KEY_NODE, 0xa2, &f->tally);
    must(raise_counter(link, RK_REQUEST_BATCH, 1, &err), &err);
    rk_link_close(link);
}

#define ON_SITE(test) cmocka_unit_test_setup_teardown(test, open_site, close_site)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SITE(test_open),         ON_SITE(test_open_with_wrong_files),
        ON_SITE(test_calls),        ON_SITE(test_longest),
        ON_SITE(test_wrong_node),   ON_SITE(test_restart),
        ON_SITE(test_nobody_there),
    };
    if (rk_crypto_init(NULL) != RK_OK)
        return 1;
    return cmocka_run_group_tests_name("remote_link_nng", tests, NULL, NULL);
}
