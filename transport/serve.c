#include "transport/serve.h"
#include "transport/waiting.h"

#include <assert.h>
#include <stdlib.h>

/* How long a receive waits before it looks again, and a thread after a receive that failed, so that
 * a lasting failure does not keep a core busy. */
#define RECEIVE_MS 1000u
#define FAILED_MS  20u

/* Threads do nothing before the last of them was started: where one cannot be, the others go away
 * and the server was never touched. */
typedef enum phase { STARTING, SERVING, ENDING } phase;

struct rk_serve {
    rk_server *server;
    rk_serve_handler handler;
    void *context;
    pthread_mutex_t lock; /* over phase */
    pthread_cond_t changed;
    phase phase;
    pthread_t *threads;
    uint32_t started;
};

/* --- a thread --------------------------------------------------------------------------------- */

static bool await_start(rk_serve *serve)
{
    pthread_mutex_lock(&serve->lock);
    while (serve->phase == STARTING)
        pthread_cond_wait(&serve->changed, &serve->lock);
    bool serving = serve->phase == SERVING;
    pthread_mutex_unlock(&serve->lock);
    return serving;
}

static void rest_after_failure(rk_serve *serve)
{
    uint64_t until = rk_after_ms(rk_now_ns(), FAILED_MS);
    pthread_mutex_lock(&serve->lock);
    while (serve->phase == SERVING && rk_now_ns() < until)
        rk_wait_until(&serve->changed, &serve->lock, until);
    pthread_mutex_unlock(&serve->lock);
}

/* What becomes of an answer that cannot be sent is its caller's business: it asks again. */
static void answer(const rk_serve *serve, rk_exchange *exchange, rk_buf *reply)
{
    rk_buf_reset(reply);
    rk_status status = serve->handler(serve->context, rk_exchange_request(exchange), reply);
    if (status == RK_OK)
        rk_exchange_answer(exchange, rk_buf_slice(reply), NULL);
    else
        rk_exchange_drop(exchange);
}

static void *serve_thread(void *argument)
{
    rk_serve *serve = argument;
    rk_buf reply;
    rk_buf_init(&reply, rk_transport_limits_of(serve->server->transport)->message_bytes_max);
    rk_status status = await_start(serve) ? RK_OK : RK_NOT_FOUND;
    while (status != RK_NOT_FOUND) {
        rk_exchange *exchange = NULL;
        status = rk_server_receive(serve->server, RECEIVE_MS, &exchange, NULL);
        if (status == RK_OK)
            answer(serve, exchange, &reply);
        else if (status != RK_TIMEOUT && status != RK_NOT_FOUND)
            rest_after_failure(serve);
    }
    rk_buf_fini(&reply);
    return NULL;
}

/* --- its owner's side ------------------------------------------------------------------------- */

static void enter(rk_serve *serve, phase next)
{
    pthread_mutex_lock(&serve->lock);
    serve->phase = next;
    pthread_cond_broadcast(&serve->changed);
    pthread_mutex_unlock(&serve->lock);
}

static void join_and_free(rk_serve *serve)
{
    enter(serve, ENDING);
    for (uint32_t i = 0; i < serve->started; i++)
        pthread_join(serve->threads[i], NULL);
    rk_lock_fini(&serve->lock, &serve->changed);
    free(serve->threads);
    free(serve);
}

static rk_status start_threads(rk_serve *serve, uint32_t count, rk_error *err)
{
    for (; serve->started < count; serve->started++) {
        int failed = pthread_create(&serve->threads[serve->started], NULL, serve_thread, serve);
        if (failed)
            return rk_error_set_native(err, RK_NOMEM, RK_ORIGIN_ERRNO, failed,
                                       "start thread %u of %u at %s: %s", serve->started + 1, count,
                                       rk_server_url(serve->server), strerror(failed));
    }
    return RK_OK;
}

rk_status rk_serve_start(rk_server *server, uint32_t threads, rk_serve_handler handler,
                         void *context, rk_serve **out, rk_error *err)
{
    assert(server && handler && out);
    if (threads < 1 || threads > RK_SERVE_THREADS_MAX)
        return rk_error_set(err, RK_INVALID, "answer at %s with %u threads; it must be 1 to %d",
                            rk_server_url(server), threads, RK_SERVE_THREADS_MAX);
    rk_serve *serve = calloc(1, sizeof *serve);
    if (!serve)
        return rk_error_set(err, RK_NOMEM, "out of memory for a server's threads");
    *serve = (rk_serve){.server = server, .handler = handler, .context = context};
    rk_status status = rk_lock_init(&serve->lock, &serve->changed, err);
    if (status != RK_OK) {
        free(serve);
        return status;
    }
    serve->threads = calloc(threads, sizeof *serve->threads);
    status = serve->threads ? start_threads(serve, threads, err)
                            : rk_error_set(err, RK_NOMEM, "out of memory for %u threads", threads);
    if (status != RK_OK) {
        join_and_free(serve);
        return status;
    }
    enter(serve, SERVING);
    *out = serve;
    return RK_OK;
}

void rk_serve_stop(rk_serve *serve)
{
    if (!serve)
        return;
    rk_server_stop(serve->server);
    join_and_free(serve);
}
