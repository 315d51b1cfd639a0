/* The contract over TCP and over Unix sockets, and where the latter may lie. */
#include "contract.h"
#include "place.h"

#include "transport/nng.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct bench {
    place place;
    rk_transport *transport;
} bench;

static int setup(void **state)
{
    bench *b = calloc(1, sizeof *b);
    rk_transport_limits limits = service_limits();
    assert_non_null(b);
    place_make(&b->place);
    assert_int_equal(rk_nng_open(&limits, &b->transport, NULL), RK_OK);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench *b = *state;
    rk_transport_close(b->transport);
    place_remove(&b->place);
    free(b);
    return 0;
}

static void expect_refused(bench *b, const char *url, rk_status status, const char *word)
{
    rk_error err = {0};
    rk_server *server = NULL;
    must_be(status, rk_transport_listen(b->transport, url, &server, &err), &err);
    assert_null(server);
    if (!strstr(err.message, word) || !strstr(err.message, url))
        fail_msg("%s: %s", url, err.message);
}

/* --- tcp -------------------------------------------------------------------------------------- */

static void test_free_port(void **state)
{
    bench *b = *state;
    rk_server *one = service_listen(b->transport, "tcp://127.0.0.1:0");
    rk_server *two = service_listen(b->transport, "tcp://127.0.0.1:0");
    assert_string_not_equal(rk_server_url(one), rk_server_url(two));
    assert_int_equal(strncmp(rk_server_url(one), "tcp://127.0.0.1:", 16), 0);
    assert_string_not_equal(rk_server_url(one), "tcp://127.0.0.1:0");
    expect_refused(b, rk_server_url(one), RK_BUSY, "in use");
    rk_server_close(one);
    rk_server_close(two);
}

static void test_host_name(void **state)
{
    bench *b = *state;
    rk_server *server = service_listen(b->transport, "tcp://localhost:0");
    rk_caller *caller = service_dial(b->transport, rk_server_url(server));
    echo e;
    echo_start(&e, server, 1);
    service_call(caller, "by name", "by name");
    echo_stop(&e);
    rk_caller_close(caller);
    rk_server_close(server);
}

/* --- ipc -------------------------------------------------------------------------------------- */

static void test_mode(void **state)
{
    bench *b = *state;
    mode_t before = umask(0);
    rk_server *server = service_listen(b->transport, b->place.url);
    umask(before);
    assert_true(S_ISSOCK(place_mode(&b->place)));
    assert_int_equal(place_mode(&b->place) & 07777, 0600);
    assert_string_equal(rk_server_url(server), b->place.url);
    expect_refused(b, b->place.url, RK_BUSY, "another process listens");
    rk_server_close(server);
    assert_int_equal(place_mode(&b->place), 0);
}

static void test_dead_socket(void **state)
{
    bench *b = *state;
    place_leave_dead_socket(&b->place);
    rk_server *server = service_listen(b->transport, b->place.url);
    rk_caller *caller = service_dial(b->transport, b->place.url);
    echo e;
    echo_start(&e, server, 1);
    service_call(caller, "taken over", "taken over");
    echo_stop(&e);
    rk_caller_close(caller);
    rk_server_close(server);
}

/* nng by itself removes any file that does not accept a connection. */
static void test_file_stays(void **state)
{
    bench *b = *state;
    int fd = open(b->place.path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "precious", 8), 8);
    close(fd);
    expect_refused(b, b->place.url, RK_INVALID, "is not a socket");
    struct stat st;
    assert_int_equal(stat(b->place.path, &st), 0);
    assert_int_equal(st.st_size, 8);
    unlink(b->place.path);
    assert_int_equal(symlink("elsewhere", b->place.path), 0);
    expect_refused(b, b->place.url, RK_INVALID, "is not a socket");
}

static void test_folder(void **state)
{
    bench *b = *state;
    chmod(b->place.folder, 0777);
    expect_refused(b, b->place.url, RK_AUTH, "written by others");
    chmod(b->place.folder, 0770);
    expect_refused(b, b->place.url, RK_AUTH, "written by others");
    chmod(b->place.folder, 01777);
    rk_server_close(service_listen(b->transport, b->place.url));
    chmod(b->place.folder, 0755);
    rk_server_close(service_listen(b->transport, b->place.url));
    expect_refused(b, "ipc:///nowhere/at/all/node", RK_IO, "open folder");
}

/* Who looks at a path and takes it holds the folder's lock. */
static void test_folder_lock(void **state)
{
    bench *b = *state;
    int fd = open(b->place.folder, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    expect_refused(b, b->place.url, RK_BUSY, "locked by another process");
    close(fd);
    rk_server_close(service_listen(b->transport, b->place.url));
}

/* --- contract --------------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_free_port, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folder_lock, setup, teardown),
    };
    place here;
    place_make(&here);
    const contract_backend tcp = {.open = rk_nng_open, .url = "tcp://127.0.0.1:0"};
    const contract_backend ipc = {.open = rk_nng_open, .url = here.url};
    int failed = cmocka_run_group_tests_name("nng", tests, NULL, NULL);
    failed += contract_run("tcp contract", &tcp);
    failed += contract_run_threads("tcp contract, threads", &tcp);
    failed += contract_run("ipc contract", &ipc);
    failed += contract_run_threads("ipc contract, threads", &ipc);
    place_remove(&here);
    return failed;
}
