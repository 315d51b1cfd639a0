/* Opening by location: what is refused and in which words, read-only clients, one open a process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/client/bench.h"

/* Lets go of the store, so that the client can open it by itself. */
static void shut(bench *b, char location[128])
{
    rk_client_close(b->client);
    rk_store_close(b->store);
    b->client = NULL;
    b->store = NULL;
    snprintf(location, 128, "lmdb:%s", b->folder);
}

static void test_bad_locations(void **state)
{
    (void)state;
    static const struct {
        const char *location;
        rk_status status;
        const char *says;
    } cases[] = {
        {"", RK_INVALID, "its kind is missing"},
        {"/tmp", RK_INVALID, "its kind is missing"},
        {"lmdb:", RK_INVALID, "the folder is missing"},
        {"cluster:", RK_INVALID, "the file is missing"},
        {"dynamo:table", RK_INVALID, "knows no \"dynamo\" stores"},
        {"lmdbx:/tmp", RK_INVALID, "knows no \"lmdbx\" stores"},
        {"cluster:/nowhere/at/all", RK_NOT_FOUND, "/nowhere/at/all"},
        {"lmdb:/nowhere/at/all", RK_NOT_FOUND, "/nowhere/at/all"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rk_client *client = NULL;
        rk_error err = {0};
        print_message("  %s\n", cases[i].location);
        assert_int_equal(rk_client_open(cases[i].location, NULL, &client, &err), cases[i].status);
        assert_non_null(strstr(err.message, cases[i].says));
        assert_null(client);
    }
}

static void test_one_open_a_process(void **state)
{
    (void)state;
    bench b;
    char location[128];
    rk_client *client = NULL;
    rk_client *second = NULL;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    shut(&b, location);
    assert_int_equal(rk_client_open(location, NULL, &client, &b.err), RK_OK);
    assert_int_equal(rk_client_open(location, NULL, &second, &b.err), RK_BUSY);
    assert_null(second);
    rk_client_close(client);
    assert_int_equal(rk_client_open(location, NULL, &client, &b.err), RK_OK);
    rk_client_close(client);
    bench_close(&b);
}

static void test_read_only(void **state)
{
    (void)state;
    bench b;
    char location[128];
    rk_client_options options = {.read_only = true, .compare_one_in = 1};
    assert_true(options.read_only);
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    bench_plant(&b, "TENANT#t1#CONTRACT#c1", "{\"n\":1,\"capsule_id\":\"PRODUS\"}");
    bench_plant(&b, "TENANT#t1#CAPSULE#PRODUS#CONTRACT#c1", "{\"n\":2,\"capsule_id\":\"PRODUS\"}");
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    shut(&b, location);
    assert_int_equal(rk_client_open(location, &options, &b.client, &b.err), RK_OK);
    assert_string_equal(get(&b, "PRODUS", "Contract", "c1"), "{\"n\":2,\"capsule_id\":\"PRODUS\"}");
    assert_int_equal(rk_client_comparisons(b.client).different, 1);
    assert_int_equal(put(&b, "PRODUS", "Contract", "c1", "{\"n\":3}"), RK_INVALID);
    assert_non_null(strstr(b.err.message, "read-only"));
    assert_int_equal(drop(&b, "PRODUS", "Contract", "c1"), RK_INVALID);
    bench_close(&b);
}

/* A map that this client may not grow. */
static void test_the_map_is_bounded(void **state)
{
    (void)state;
    static char value[60000];
    bench b;
    char location[128];
    rk_client_options options = {.map_bytes_max = 4 * 1024 * 1024};
    rk_status status = RK_OK;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    shut(&b, location);
    assert_int_equal(rk_client_open(location, &options, &b.client, &b.err), RK_OK);
    memset(value, ' ', sizeof value - 1);
    memcpy(value, "{\"n\":1}", 7);
    for (int i = 0; i < 2000 && status == RK_OK; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        status = put(&b, "PRODUS", "Contract", id, value);
    }
    assert_int_equal(status, RK_FULL);
    assert_non_null(get(&b, "PRODUS", "Contract", "0"));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_locations),
        cmocka_unit_test(test_one_open_a_process),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_the_map_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
