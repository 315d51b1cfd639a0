/* nng_echo: what nng alone takes for a request and a reply of given sizes, on this machine.
 *
 * A REP socket with as many contexts as threads, and REQ sockets, one a thread: what rekey's node
 * and its callers use, with nothing in it. No keys, no sessions, no store; a reply is as long as
 * the request's first four bytes say.
 *
 *     nng_echo serve URL THREADS
 *     nng_echo call URL THREADS SECONDS REQUEST_BYTES REPLY_BYTES      prints a JSON object
 */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/samples.h"

#define THREADS_MAX 256
#define BYTES_MAX   (1u << 20)
#define TIMEOUT_MS  10000
#define NS_PER_S    1e9

static void check(int rv, const char *what)
{
    if (rv == 0)
        return;
    fprintf(stderr, "nng_echo: %s: %s\n", what, nng_strerror(rv));
    exit(1);
}

static nng_msg *make_message(uint32_t bytes)
{
    nng_msg *message;
    check(nng_msg_alloc(&message, bytes), "make a message");
    memset(nng_msg_body(message), 0, bytes);
    return message;
}

static void start_threads(pthread_t *threads, unsigned count, void *(*run)(void *), char *contexts,
                          size_t context_bytes)
{
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, run, contexts + i * context_bytes) != 0)
            check(NNG_ENOMEM, "start a thread");
}

/* --- serving ---------------------------------------------------------------------------------- */

typedef struct exchange {
    nng_ctx context;
    nng_aio *aio;
} exchange;

static void *answer(void *context)
{
    exchange *x = context;
    for (;;) {
        uint32_t bytes = 0;
        nng_ctx_recv(x->context, x->aio);
        nng_aio_wait(x->aio);
        check(nng_aio_result(x->aio), "receive");
        nng_msg *request = nng_aio_get_msg(x->aio);
        if (nng_msg_len(request) >= sizeof bytes)
            memcpy(&bytes, nng_msg_body(request), sizeof bytes);
        nng_msg_free(request);
        nng_aio_set_msg(x->aio, make_message(bytes < BYTES_MAX ? bytes : BYTES_MAX));
        nng_ctx_send(x->context, x->aio);
        nng_aio_wait(x->aio);
        check(nng_aio_result(x->aio), "send");
    }
    return NULL;
}

static void serve(const char *url, unsigned count)
{
    static exchange exchanges[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    nng_socket socket;
    check(nng_rep0_open(&socket), "open");
    for (unsigned i = 0; i < count; i++) {
        check(nng_ctx_open(&exchanges[i].context, socket), "open a context");
        check(nng_aio_alloc(&exchanges[i].aio, NULL, NULL), "make an operation");
    }
    check(nng_listen(socket, url, NULL, 0), url);
    printf("listens\n");
    fflush(stdout);
    start_threads(threads, count, answer, (char *)exchanges, sizeof exchanges[0]);
    (void)pthread_join(threads[0], NULL); /* until a signal ends the program */
}

/* --- calling ---------------------------------------------------------------------------------- */

typedef struct caller {
    nng_socket socket;
    uint64_t end_ns;
    uint32_t request_bytes;
    uint32_t reply_bytes;
    bench_samples samples;
} caller;

static void *call(void *context)
{
    caller *c = context;
    do {
        nng_msg *message = make_message(c->request_bytes);
        memcpy(nng_msg_body(message), &c->reply_bytes, sizeof c->reply_bytes);
        uint64_t from = bench_now_ns();
        check(nng_sendmsg(c->socket, message, 0), "send");
        check(nng_recvmsg(c->socket, &message, 0), "receive");
        bench_samples_add(&c->samples, bench_now_ns() - from);
        if (nng_msg_len(message) != c->reply_bytes)
            check(NNG_EMSGSIZE, "reply");
        nng_msg_free(message);
    } while (bench_now_ns() < c->end_ns);
    return NULL;
}

static void open_caller(caller *c, const char *url)
{
    check(nng_req0_open(&c->socket), "open");
    check(nng_socket_set_ms(c->socket, NNG_OPT_SENDTIMEO, TIMEOUT_MS), "set a timeout");
    check(nng_socket_set_ms(c->socket, NNG_OPT_RECVTIMEO, TIMEOUT_MS), "set a timeout");
    check(nng_dial(c->socket, url, NULL, 0), url);
}

static void measure(const char *url, unsigned count, double seconds, const caller *pattern)
{
    static caller callers[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    bench_samples all = {0};
    for (unsigned i = 0; i < count; i++) {
        callers[i] = *pattern;
        open_caller(&callers[i], url);
    }
    uint64_t from = bench_now_ns();
    for (unsigned i = 0; i < count; i++)
        callers[i].end_ns = from + (uint64_t)(seconds * NS_PER_S);
    start_threads(threads, count, call, (char *)callers, sizeof callers[0]);
    for (unsigned i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    double took = (double)(bench_now_ns() - from) / NS_PER_S;
    for (unsigned i = 0; i < count; i++)
        for (size_t k = 0; k < callers[i].samples.count; k++)
            bench_samples_add(&all, callers[i].samples.ns[k]);
    bench_samples_print(&all, took, 0, 1);
    bench_samples_fini(&all);
}

static void usage(void)
{
    fprintf(stderr, "usage: nng_echo serve URL THREADS\n"
                    "       nng_echo call URL THREADS SECONDS REQUEST_BYTES REPLY_BYTES\n");
    exit(64);
}

static double number_of(const char *text, double least, double most)
{
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= least && number <= most))
        usage();
    return number;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0) {
        serve(argv[2], (unsigned)number_of(argv[3], 1, THREADS_MAX));
    } else if (argc == 7 && strcmp(argv[1], "call") == 0) {
        caller pattern = {.request_bytes = (uint32_t)number_of(argv[5], 4, BYTES_MAX),
                          .reply_bytes = (uint32_t)number_of(argv[6], 0, BYTES_MAX)};
        measure(argv[2], (unsigned)number_of(argv[3], 1, THREADS_MAX), number_of(argv[4], 0, 1e6),
                &pattern);
    } else {
        usage();
    }
    return 0;
}
