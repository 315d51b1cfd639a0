/* service.h: threads that answer and threads that ask, for the tests of transports. */
#ifndef REKEY_TESTS_TRANSPORT_SERVICE_H
#define REKEY_TESTS_TRANSPORT_SERVICE_H

#include "transport/transport.h"

#include <pthread.h>
#include <stdatomic.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Longer than anything takes that works: a test waits so long only when it fails. */
#define PATIENT_MS 60000u

/* Fails the test with the error's message unless the status is as expected. */
#define must(call, err) service_expect((call), RK_OK, (err), #call, __FILE__, __LINE__)
#define must_be(status, call, err)                                                                 \
    service_expect((call), (status), (err), #call, __FILE__, __LINE__)
void service_expect(rk_status status, rk_status expected, const rk_error *err, const char *what,
                    const char *file, int line);

/* Small and quick, and 1 MiB a message. */
rk_transport_limits service_limits(void);

rk_server *service_listen(rk_transport *transport, const char *url);
rk_caller *service_dial(rk_transport *transport, const char *url);

/* Waits for one request. Only from the test's own thread. */
rk_exchange *service_receive(rk_server *server);
void service_answer(rk_exchange *exchange, const char *reply);
void service_expect_request(rk_exchange *exchange, const char *request);

/* One call whose reply must be `reply`. */
void service_call(rk_caller *caller, const char *request, const char *reply);

/* --- a call in a thread of its own ------------------------------------------------------------ */

typedef struct ask {
    rk_caller *caller;
    const char *request;
    uint32_t timeout_ms;
    pthread_t thread;
    rk_status status; /* from here on: after ask_join */
    rk_error err;
    char reply[64];
} ask;

void ask_start(ask *a, rk_caller *caller, const char *request);
void ask_join(ask *a);
void ask_join_ok(ask *a, const char *reply);

/* --- threads that answer every request with itself -------------------------------------------- */

#define ECHO_THREADS_MAX 4

typedef struct echo {
    rk_server *server;
    int thread_count;
    pthread_t threads[ECHO_THREADS_MAX];
    atomic_int answered;
} echo;

void echo_start(echo *e, rk_server *server, int threads);

/* Stops the server, joins the threads; each must have seen RK_NOT_FOUND. */
void echo_stop(echo *e);

#endif
