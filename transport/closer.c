#include "transport/closer.h"
#include "transport/waiting.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct rk_closer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    uint64_t patience_ns;
    rk_closer_job *first, *last;
    uint64_t added, run; /* jobs so far */
    uint64_t last_end_ns;
    bool running;
    bool ending;
    bool stuck;
};

/* --- the thread ------------------------------------------------------------------------------- */

/* With the lock held: the next job whose rest is over; NULL at the end. */
static rk_closer_job *next_job(rk_closer *c)
{
    for (;;) {
        rk_closer_job *job = c->first;
        if (!job && c->ending)
            return NULL;
        if (!job)
            pthread_cond_wait(&c->changed, &c->lock);
        else if (rk_now_ns() >= job->not_before_ns)
            return job;
        else
            rk_wait_until(&c->changed, &c->lock, job->not_before_ns);
    }
}

static void *closer_thread(void *argument)
{
    rk_closer *c = argument;
    pthread_mutex_lock(&c->lock);
    for (rk_closer_job *job; (job = next_job(c)) != NULL;) {
        c->first = job->next;
        if (!c->first)
            c->last = NULL;
        c->running = true;
        c->last_end_ns = rk_now_ns();
        pthread_mutex_unlock(&c->lock);
        job->run(job);
        pthread_mutex_lock(&c->lock);
        c->running = false;
        c->run++;
        c->last_end_ns = rk_now_ns();
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* --- its owner's side ------------------------------------------------------------------------- */

rk_status rk_closer_create(uint32_t patience_ms, rk_closer **out, rk_error *err)
{
    assert(patience_ms > 0 && out);
    rk_closer *c = calloc(1, sizeof *c);
    if (!c)
        return rk_error_set(err, RK_NOMEM, "out of memory for a closer");
    c->patience_ns = (uint64_t)patience_ms * RK_NS_PER_MS;
    rk_status status = rk_lock_init(&c->lock, &c->changed, err);
    if (status != RK_OK) {
        free(c);
        return status;
    }
    int failed = pthread_create(&c->thread, NULL, closer_thread, c);
    if (failed) {
        rk_lock_fini(&c->lock, &c->changed);
        free(c);
        return rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, failed, "start a thread: %s",
                                   strerror(failed));
    }
    *out = c;
    return RK_OK;
}

void rk_closer_add(rk_closer *closer, rk_closer_job *job, uint32_t rest_ms)
{
    assert(closer && job && job->run);
    job->next = NULL;
    job->not_before_ns = rk_after_ms(rk_now_ns(), rest_ms);
    pthread_mutex_lock(&closer->lock);
    if (closer->last)
        closer->last->next = job;
    else
        closer->first = job;
    closer->last = job;
    closer->added++;
    pthread_cond_broadcast(&closer->changed);
    pthread_mutex_unlock(&closer->lock);
}

bool rk_closer_wait(rk_closer *closer)
{
    assert(closer);
    pthread_mutex_lock(&closer->lock);
    uint64_t until = closer->added;
    while (closer->run < until && !closer->stuck) {
        if (closer->running) {
            uint64_t deadline = closer->last_end_ns + closer->patience_ns;
            if (rk_now_ns() >= deadline)
                closer->stuck = true;
            else
                rk_wait_until(&closer->changed, &closer->lock, deadline);
        } else {
            rk_wait_until(&closer->changed, &closer->lock, rk_now_ns() + closer->patience_ns);
        }
    }
    bool done = closer->run >= until;
    pthread_mutex_unlock(&closer->lock);
    return done;
}

bool rk_closer_stuck(rk_closer *closer)
{
    assert(closer);
    pthread_mutex_lock(&closer->lock);
    bool stuck = closer->stuck;
    pthread_mutex_unlock(&closer->lock);
    return stuck;
}

void rk_closer_destroy(rk_closer *closer)
{
    if (!closer)
        return;
    if (!rk_closer_wait(closer)) {
        pthread_detach(closer->thread);
        return;
    }
    pthread_mutex_lock(&closer->lock);
    closer->ending = true;
    pthread_cond_broadcast(&closer->changed);
    pthread_mutex_unlock(&closer->lock);
    pthread_join(closer->thread, NULL);
    rk_lock_fini(&closer->lock, &closer->changed);
    free(closer);
}
