#include "transport/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
    } cases[] = {
        {"tcp://localhost:7401", "localhost", 7401},
        {"tcp://127.0.0.1:1", "127.0.0.1", 1},
        {"tcp://[::1]:65535", "[::1]", 65535},
        {"tcp://node-2.rack_1.example:80", "node-2.rack_1.example", 80},
        {"tcp://h:00080", "h", 80},
        {"tcp://[fe80::1.2.3.4]:9", "[fe80::1.2.3.4]", 9},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rk_error err = {0};
        rk_url url = {0};
        assert_int_equal(rk_url_parse(cases[i].text, RK_URL_DIAL, &url, &err), RK_OK);
        assert_int_equal(url.scheme, RK_URL_TCP);
        assert_int_equal(url.port, cases[i].port);
        assert_true(rk_slice_equal(url.host, rk_slice_str(cases[i].host)));
    }
}

static void test_ipc(void **state)
{
    (void)state;
    rk_error err = {0};
    rk_url url = {0};
    assert_int_equal(rk_url_parse("ipc:///run/rekey/node", RK_URL_LISTEN, &url, &err), RK_OK);
    assert_int_equal(url.scheme, RK_URL_IPC);
    assert_string_equal(url.path, "/run/rekey/node");
    assert_int_equal(rk_url_parse("ipc://node.sock", RK_URL_DIAL, &url, &err), RK_OK);
    assert_string_equal(url.path, "node.sock");
}

/* The longest path of a socket, and one byte more. */
static void test_ipc_length(void **state)
{
    (void)state;
    char text[sizeof "ipc://" + RK_URL_PATH_BYTES_MAX + 1] = "ipc://";
    rk_error err = {0};
    rk_url url = {0};
    memset(text + 6, 'x', RK_URL_PATH_BYTES_MAX);
    assert_int_equal(rk_url_parse(text, RK_URL_LISTEN, &url, &err), RK_OK);
    text[6 + RK_URL_PATH_BYTES_MAX] = 'x';
    assert_int_equal(rk_url_parse(text, RK_URL_LISTEN, &url, &err), RK_INVALID);
    assert_non_null(strstr(err.message, "108 bytes"));
}

static void test_host_length(void **state)
{
    (void)state;
    char text[512] = "tcp://";
    rk_url url = {0};
    memset(text + 6, 'h', RK_URL_HOST_BYTES_MAX);
    memcpy(text + 6 + RK_URL_HOST_BYTES_MAX, ":1", 3);
    assert_int_equal(rk_url_parse(text, RK_URL_DIAL, &url, NULL), RK_OK);
    memcpy(text + 6 + RK_URL_HOST_BYTES_MAX, "h:1", 4);
    assert_int_equal(rk_url_parse(text, RK_URL_DIAL, &url, NULL), RK_INVALID);
}

static void test_port_zero(void **state)
{
    (void)state;
    rk_error err = {0};
    rk_url url = {0};
    assert_int_equal(rk_url_parse("tcp://127.0.0.1:0", RK_URL_LISTEN, &url, &err), RK_OK);
    assert_int_equal(rk_url_parse("tcp://127.0.0.1:0", RK_URL_DIAL, &url, &err), RK_INVALID);
    assert_non_null(strstr(err.message, "port 0"));
}

/* What is wrong must be said, not only that something is. */
static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"", "must be tcp://HOST:PORT or ipc://PATH"},
        {"node-2:7401", "must be tcp://HOST:PORT or ipc://PATH"},
        {"TCP://h:1", "must be tcp://HOST:PORT or ipc://PATH"},
        {"tcp:/h:1", "must be tcp://HOST:PORT or ipc://PATH"},
        {"udp://h:1", "must be tcp://HOST:PORT or ipc://PATH"},
        {"ws://h:1", "websockets"},
        {"wss://h:1", "websockets"},
        {"tls+tcp://h:1", "tls is not supported"},
        {"tcp4://h:1", "tcp://HOST:PORT with an IPv4"},
        {"tcp6://h:1", "tcp://[ADDRESS]:PORT"},
        {"unix:///tmp/x", "use ipc://PATH"},
        {"abstract://x", "no permissions"},
        {"inproc://x", "this process only"},
        {"http://h", "not a web address"},
        {"https://h", "not a web address"},
        {"tcp://", "has no port"},
        {"tcp://h", "has no port"},
        {"tcp://:1", "has no host"},
        {"tcp://*:1", "has no host"},
        {"tcp://h:", "the port must be a number"},
        {"tcp://h:x", "the port must be a number"},
        {"tcp://h:-1", "the port must be a number"},
        {"tcp://h:65536", "the port must be a number"},
        {"tcp://h:999999", "the port must be a number"},
        {"tcp://h:1/", "the port must be a number"},
        {"tcp://h:1?x", "the port must be a number"},
        {"tcp://h:1 ", "the port must be a number"},
        {"tcp://a b:1", "the host must be"},
        {"tcp://u@h:1", "the host must be"},
        {"tcp://eth0;h:1", "the host must be"},
        {"tcp://::1:80", "the host must be"},
        {"tcp://[::1:80", "the host must be"},
        {"tcp://[]:80", "the host must be"},
        {"tcp://[zz]:80", "the host must be"},
        {"tcp://h/p:80", "the host must be"},
        {"ipc://", "has no path"},
        {"ipc:///tmp/", "not a folder"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rk_error err = {0};
        rk_url url = {.port = 77};
        assert_int_equal(rk_url_parse(cases[i].text, RK_URL_DIAL, &url, &err), RK_INVALID);
        if (!strstr(err.message, cases[i].why))
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_int_equal(url.port, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),       cmocka_unit_test(test_ipc),
        cmocka_unit_test(test_ipc_length), cmocka_unit_test(test_host_length),
        cmocka_unit_test(test_port_zero),  cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests_name("transport url", tests, NULL, NULL);
}
