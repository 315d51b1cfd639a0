/* A process that is killed in the middle of a request, at either end.
 *
 * The transport has threads, so a child does not go on after the fork: it executes this program
 * again, as `test_kill serve URL` or `test_kill ask URL`. */
#include "place.h"
#include "service.h"

#include "transport/nng.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *program;

/* --- the child -------------------------------------------------------------------------------- */

/* Says where it listens, and when it has got a request, which it does not answer. */
static int serve(rk_transport *t, const char *url)
{
    rk_server *server = NULL;
    rk_exchange *exchange = NULL;
    if (rk_transport_listen(t, url, &server, NULL) != RK_OK)
        return 1;
    printf("%s\n", rk_server_url(server));
    fflush(stdout);
    if (rk_server_receive(server, PATIENT_MS, &exchange, NULL) != RK_OK)
        return 1;
    printf("got it\n");
    fflush(stdout);
    pause();
    return 1;
}

static int ask_for_ever(rk_transport *t, const char *url)
{
    rk_caller *caller = NULL;
    rk_buf reply;
    rk_buf_init(&reply, 64);
    if (rk_transport_dial(t, url, &caller, NULL) == RK_OK)
        rk_caller_call(caller, RK_SLICE_LITERAL("from a child"), RK_TRANSPORT_MS_CEILING, &reply,
                       NULL);
    return 1;
}

static int child_main(const char *what, const char *url)
{
    rk_transport_limits limits = service_limits();
    rk_transport *t = NULL;
    if (rk_nng_open(&limits, &t, NULL) != RK_OK)
        return 1;
    return strcmp(what, "serve") == 0 ? serve(t, url) : ask_for_ever(t, url);
}

/* --- the parent ------------------------------------------------------------------------------- */

typedef struct child {
    pid_t pid;
    FILE *says;
} child;

static child child_start(const char *what, const char *url)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    child c = {.pid = fork()};
    assert_true(c.pid >= 0);
    if (c.pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl(program, program, what, url, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    c.says = fdopen(fds[0], "r");
    assert_non_null(c.says);
    return c;
}

static void child_read(child *c, char *line, size_t size)
{
    assert_non_null(fgets(line, (int)size, c->says));
    line[strcspn(line, "\n")] = '\0';
}

static void child_kill(child *c)
{
    int status = 0;
    assert_int_equal(kill(c->pid, SIGKILL), 0);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    assert_true(WIFSIGNALED(status));
    fclose(c->says);
}

static rk_transport *open_transport(void)
{
    rk_transport_limits limits = service_limits();
    rk_error err = {0};
    rk_transport *t = NULL;
    must(rk_nng_open(&limits, &t, &err), &err);
    return t;
}

/* The server dies with the request; whoever takes its address gets the request again. */
static void expect_taken_over(const char *listen_url)
{
    rk_transport *t = open_transport();
    child c = child_start("serve", listen_url);
    char url[256], line[64];
    ask a;
    child_read(&c, url, sizeof url);
    rk_caller *caller = service_dial(t, url);
    ask_start(&a, caller, "survive");
    child_read(&c, line, sizeof line);
    assert_string_equal(line, "got it");
    child_kill(&c);
    rk_server *server = service_listen(t, url);
    rk_exchange *again = service_receive(server);
    service_expect_request(again, "survive");
    service_answer(again, "survived");
    ask_join_ok(&a, "survived");
    rk_caller_close(caller);
    rk_server_close(server);
    rk_transport_close(t);
}

static void test_server_killed_tcp(void **state)
{
    (void)state;
    expect_taken_over("tcp://127.0.0.1:0");
}

/* Its socket stays behind, too, and is taken over. */
static void test_server_killed_ipc(void **state)
{
    (void)state;
    place here;
    place_make(&here);
    expect_taken_over(here.url);
    place_remove(&here);
}

/* Another process's live socket is not. */
static void test_live_socket(void **state)
{
    (void)state;
    place here;
    char line[256];
    rk_error err = {0};
    rk_server *server = NULL;
    place_make(&here);
    rk_transport *t = open_transport();
    child c = child_start("serve", here.url);
    child_read(&c, line, sizeof line);
    must_be(RK_BUSY, rk_transport_listen(t, here.url, &server, &err), &err);
    child_kill(&c);
    rk_server_close(service_listen(t, here.url));
    rk_transport_close(t);
    place_remove(&here);
}

static void test_caller_killed(void **state)
{
    (void)state;
    rk_transport *t = open_transport();
    rk_server *server = service_listen(t, "tcp://127.0.0.1:0");
    child c = child_start("ask", rk_server_url(server));
    rk_exchange *orphan = service_receive(server);
    service_expect_request(orphan, "from a child");
    child_kill(&c);
    rk_caller *caller = service_dial(t, rk_server_url(server));
    ask a;
    ask_start(&a, caller, "from us");
    service_answer(service_receive(server), "ok");
    ask_join_ok(&a, "ok");
    service_answer(orphan, "nobody hears this");
    rk_caller_close(caller);
    rk_server_close(server);
    rk_transport_close(t);
}

int main(int argc, char **argv)
{
    program = argv[0];
    if (argc == 3)
        return child_main(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_killed_tcp),
        cmocka_unit_test(test_server_killed_ipc),
        cmocka_unit_test(test_live_socket),
        cmocka_unit_test(test_caller_killed),
    };
    return cmocka_run_group_tests_name("transport kill", tests, NULL, NULL);
}
