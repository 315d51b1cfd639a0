#include "rekey/node/leases.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "transport/waiting.h"

#define NS_PER_MS UINT64_C(1000000)

/* A worker that is not waiting or working comes back at once; then it is gone. */
#define PRESENT_MS 1000

/* Waits look at the clock that was handed in so often. */
#define LOOK_MS 100

/* Names of leases that ended well, for results that come twice. */
#define ANSWERED_KEPT 16

/* Of a reply. */
#define REPLY_BYTES_MAX (RK_OFFER_BYTES_MAX + 64)

typedef enum place_state {
    PLACE_FREE,
    PLACE_RESERVED, /* by a scanner that reads a chunk */
    PLACE_OFFERED,
    PLACE_LEASED,
    PLACE_ANSWERED,
    PLACE_OVER /* nobody took it, or no result came */
} place_state;

typedef struct place {
    place_state state;
    rk_operation_name lease;
    rk_operation_name holder; /* of the lease: a worker's id */
    uint64_t deadline_ns;     /* of an offer or a lease */
    rk_buf offer;
    rk_buf result;
} place;

typedef struct worker {
    bool used;
    bool waiting;
    rk_operation_name id;
    rk_operation_name asked; /* the last request; its reply, unless it is waiting */
    rk_buf reply;
    uint64_t until_ns; /* it is thought to be there */
    uint64_t late_ns;  /* it gets no lease before: its last one ran out */
} worker;

struct rk_leases {
    rk_lender lender;
    const rk_clock *clock;
    uint32_t waiting_max;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    bool closed;
    bool lends; /* a walk has begun and not ended */
    place places[RK_LENT_MAX];
    worker workers[RK_LEASE_WORKERS_MAX];
    uint32_t waiting;
    rk_operation_name answered[ANSWERED_KEPT];
    uint64_t answered_count;
    rk_leases_counts counts;
};

static bool same_name(const rk_operation_name *a, const rk_operation_name *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* --- time, under the lock --------------------------------------------------------------------- */

static uint64_t now_ns(const rk_leases *leases)
{
    return rk_clock_monotonic_ns(leases->clock);
}

/* Until something changes, or a while; false once the deadline has passed. */
static bool wait_until(rk_leases *leases, uint64_t deadline_ns)
{
    uint64_t now = now_ns(leases);
    if (now >= deadline_ns)
        return false;
    uint64_t wait_ns = deadline_ns - now;
    uint64_t look_ns = LOOK_MS * NS_PER_MS;
    rk_wait_until(&leases->changed, &leases->lock,
                  rk_now_ns() + (wait_ns < look_ns ? wait_ns : look_ns));
    return true;
}

/* Whoever was late may be late again, and would hold up one chunk after the other. */
static void note_late(rk_leases *leases, const rk_operation_name *id, uint64_t now)
{
    leases->counts.expired++;
    for (size_t i = 0; i < RK_LEASE_WORKERS_MAX; i++) {
        worker *w = &leases->workers[i];
        if (w->used && same_name(&w->id, id))
            w->late_ns = now + RK_LEASE_LATE_MS * NS_PER_MS;
    }
}

/* Offers and leases end by themselves. */
static void expire(rk_leases *leases)
{
    uint64_t now = now_ns(leases);
    for (size_t i = 0; i < RK_LENT_MAX; i++) {
        place *p = &leases->places[i];
        bool is_out = p->state == PLACE_OFFERED || p->state == PLACE_LEASED;
        if (!is_out || (leases->lends && now < p->deadline_ns))
            continue;
        if (p->state == PLACE_LEASED && leases->lends)
            note_late(leases, &p->holder, now);
        p->state = PLACE_OVER;
    }
}

static uint32_t count_places(const rk_leases *leases, place_state state)
{
    uint32_t count = 0;
    for (size_t i = 0; i < RK_LENT_MAX; i++)
        count += leases->places[i].state == state;
    return count;
}

/* Workers that can be expected to take an offer soon. */
static uint32_t count_workers(const rk_leases *leases)
{
    uint64_t now = now_ns(leases);
    uint32_t present = 0;
    for (size_t i = 0; i < RK_LEASE_WORKERS_MAX; i++) {
        const worker *w = &leases->workers[i];
        present += w->used && now >= w->late_ns && (w->waiting || now < w->until_ns);
    }
    return present;
}

/* --- the run's side --------------------------------------------------------------------------- */

static void lender_begin(void *context, rk_short_key *walk)
{
    rk_leases *leases = context;
    rk_random_bytes(walk->bytes, sizeof walk->bytes);
    pthread_mutex_lock(&leases->lock);
    assert(!leases->lends);
    leases->lends = true;
    pthread_mutex_unlock(&leases->lock);
}

static void lender_end(void *context)
{
    rk_leases *leases = context;
    pthread_mutex_lock(&leases->lock);
    leases->lends = false;
    expire(leases);
    pthread_cond_broadcast(&leases->changed);
    pthread_mutex_unlock(&leases->lock);
}

/* One chunk for each worker, and one that waits for whoever is done first. */
static bool has_room(const rk_leases *leases)
{
    uint32_t workers = count_workers(leases);
    uint32_t taken = RK_LENT_MAX - count_places(leases, PLACE_FREE);
    return workers > 0 && taken < workers + 1 && taken < RK_LENT_MAX;
}

static bool lender_reserve(void *context, uint32_t timeout_ms, uint32_t *out)
{
    rk_leases *leases = context;
    uint32_t i = 0;
    pthread_mutex_lock(&leases->lock);
    uint64_t deadline_ns = now_ns(leases) + timeout_ms * NS_PER_MS;
    while (leases->lends && !leases->closed && !has_room(leases))
        if (!wait_until(leases, deadline_ns))
            break;
    bool found = leases->lends && !leases->closed && has_room(leases);
    while (found && leases->places[i].state != PLACE_FREE)
        i++;
    if (found)
        leases->places[i].state = PLACE_RESERVED;
    pthread_mutex_unlock(&leases->lock);
    *out = i;
    return found;
}

static void lender_offer(void *context, uint32_t number, rk_slice offer)
{
    rk_leases *leases = context;
    pthread_mutex_lock(&leases->lock);
    place *p = &leases->places[number];
    assert(p->state == PLACE_RESERVED);
    bool is_open = leases->lends && !leases->closed;
    p->state = PLACE_OVER;
    if (is_open && rk_buf_set(&p->offer, offer, NULL) == RK_OK) {
        p->state = PLACE_OFFERED;
        p->deadline_ns = now_ns(leases) + RK_LEASE_TAKE_MS * NS_PER_MS;
        rk_random_bytes(p->lease.bytes, sizeof p->lease.bytes);
    }
    pthread_cond_broadcast(&leases->changed);
    pthread_mutex_unlock(&leases->lock);
}

static bool lender_collect(void *context, uint32_t number, rk_slice *result)
{
    rk_leases *leases = context;
    pthread_mutex_lock(&leases->lock);
    place *p = &leases->places[number];
    expire(leases);
    while (p->state == PLACE_OFFERED || p->state == PLACE_LEASED) {
        wait_until(leases, p->deadline_ns);
        expire(leases);
    }
    bool answered = p->state == PLACE_ANSWERED;
    if (answered)
        *result = rk_buf_slice(&p->result);
    pthread_mutex_unlock(&leases->lock);
    return answered;
}

static void lender_release(void *context, uint32_t number, const rk_lent *outcome)
{
    rk_leases *leases = context;
    pthread_mutex_lock(&leases->lock);
    assert(leases->places[number].state != PLACE_FREE);
    leases->places[number].state = PLACE_FREE;
    leases->counts.records += outcome->used;
    leases->counts.useless += outcome->answered && outcome->used == 0;
    pthread_cond_broadcast(&leases->changed);
    pthread_mutex_unlock(&leases->lock);
}

/* --- the workers' side, under the lock -------------------------------------------------------- */

/* The worker's entry; a new one takes the place of the one that has been away for longest. */
static worker *find_worker(rk_leases *leases, const rk_operation_name *id)
{
    worker *oldest = NULL;
    for (size_t i = 0; i < RK_LEASE_WORKERS_MAX; i++) {
        worker *w = &leases->workers[i];
        if (w->used && same_name(&w->id, id))
            return w;
        if (w->waiting || (oldest && !oldest->used))
            continue;
        if (!oldest || !w->used || w->until_ns < oldest->until_ns)
            oldest = w;
    }
    if (oldest && oldest->used && now_ns(leases) < oldest->until_ns)
        return NULL;
    if (oldest) {
        rk_buf_reset(&oldest->reply);
        oldest->used = true;
        oldest->id = *id;
        oldest->late_ns = 0;
    }
    return oldest;
}

static bool was_answered(const rk_leases *leases, const rk_operation_name *lease)
{
    for (size_t i = 0; i < ANSWERED_KEPT && i < leases->answered_count; i++)
        if (same_name(&leases->answered[i], lease))
            return true;
    return false;
}

static rk_lease_fate take_result(rk_leases *leases, const rk_lease_request *request)
{
    expire(leases);
    if (!request->has_result)
        return RK_LEASE_NO_RESULT;
    for (size_t i = 0; i < RK_LENT_MAX; i++) {
        place *p = &leases->places[i];
        if (p->state != PLACE_LEASED || !same_name(&p->lease, &request->lease))
            continue;
        if (rk_buf_set(&p->result, request->result, NULL) != RK_OK)
            return RK_LEASE_STALE; /* it has no room: the lease runs out */
        p->state = PLACE_ANSWERED;
        leases->answered[leases->answered_count++ % ANSWERED_KEPT] = p->lease;
        leases->counts.leases++;
        pthread_cond_broadcast(&leases->changed);
        return RK_LEASE_TAKEN;
    }
    return was_answered(leases, &request->lease) ? RK_LEASE_TAKEN : RK_LEASE_STALE;
}

static place *find_offer(rk_leases *leases)
{
    expire(leases);
    for (size_t i = 0; i < RK_LENT_MAX; i++)
        if (leases->places[i].state == PLACE_OFFERED)
            return &leases->places[i];
    return NULL;
}

/* Waits for an offer, if a thread is left to wait. */
static place *await_offer(rk_leases *leases, worker *w)
{
    uint64_t deadline_ns = now_ns(leases) + RK_LEASE_POLL_MS * NS_PER_MS;
    place *found = find_offer(leases);
    if (found || leases->closed || leases->waiting >= leases->waiting_max)
        return found;
    leases->waiting++;
    w->waiting = true;
    pthread_cond_broadcast(&leases->changed); /* to scanners: here is somebody */
    while (!leases->closed && !found && wait_until(leases, deadline_ns))
        found = find_offer(leases);
    w->waiting = false;
    leases->waiting--;
    return found;
}

static rk_status answer(rk_leases *leases, worker *w, const rk_lease_request *request,
                        rk_error *err)
{
    place *found = NULL;
    rk_lease_reply reply = {.fate = take_result(leases, request)};
    rk_buf_reset(&w->reply);
    bool is_late = now_ns(leases) < w->late_ns;
    if (!request->leaves && !is_late)
        found = await_offer(leases, w);
    w->until_ns = now_ns(leases) + PRESENT_MS * NS_PER_MS;
    if (found) {
        found->state = PLACE_LEASED;
        found->holder = w->id;
        found->deadline_ns = now_ns(leases) + RK_LEASE_MS * NS_PER_MS;
        w->until_ns = found->deadline_ns;
        reply.has_offer = true;
        reply.lease = found->lease;
        reply.offer = rk_buf_slice(&found->offer);
    } else {
        /* Who had a thread to wait on comes again at once. */
        bool waited = leases->waiting < leases->waiting_max && !leases->closed && !is_late;
        reply.pause_ms = waited ? 0 : is_late ? RK_LEASE_POLL_MS : RK_LEASE_PAUSE_MS;
        pthread_cond_broadcast(&leases->changed);
    }
    w->used = !request->leaves;
    return rk_lease_reply_encode(&reply, &w->reply, err);
}

rk_status rk_leases_answer(rk_leases *leases, const rk_operation_name *operation, rk_slice body,
                           rk_buf *reply, rk_error *err)
{
    rk_lease_request request;
    rk_status status = rk_lease_request_decode(body, &request, err);
    if (status != RK_OK)
        return status;
    pthread_mutex_lock(&leases->lock);
    worker *w = find_worker(leases, &request.worker);
    bool is_repeated = w && same_name(&w->asked, operation);
    if (!w)
        status = rk_error_set(err, RK_FULL, "%d workers are there already", RK_LEASE_WORKERS_MAX);
    else if (w->waiting)
        status = RK_BUSY;
    if (status == RK_OK && !(is_repeated && w->reply.len > 0)) {
        w->asked = *operation;
        status = answer(leases, w, &request, err);
    }
    if (status == RK_OK)
        status = rk_buf_append(reply, rk_buf_slice(&w->reply), err);
    pthread_mutex_unlock(&leases->lock);
    return status;
}

/* --- life cycle ------------------------------------------------------------------------------- */

rk_status rk_leases_create(const rk_clock *clock, uint32_t waiting_max, size_t result_bytes_max,
                           rk_leases **out, rk_error *err)
{
    rk_leases *leases = calloc(1, sizeof *leases);
    if (!leases)
        return rk_error_set(err, RK_NOMEM, "node: out of memory");
    rk_status status = rk_lock_init(&leases->lock, &leases->changed, err);
    if (status != RK_OK) {
        free(leases);
        return status;
    }
    leases->clock = clock;
    leases->waiting_max = waiting_max;
    leases->lender = (rk_lender){.context = leases,
                                 .begin = lender_begin,
                                 .end = lender_end,
                                 .reserve = lender_reserve,
                                 .offer = lender_offer,
                                 .collect = lender_collect,
                                 .release = lender_release};
    for (size_t i = 0; i < RK_LENT_MAX; i++) {
        rk_buf_init(&leases->places[i].offer, RK_OFFER_BYTES_MAX);
        rk_buf_init(&leases->places[i].result, result_bytes_max);
    }
    for (size_t i = 0; i < RK_LEASE_WORKERS_MAX; i++)
        rk_buf_init(&leases->workers[i].reply, REPLY_BYTES_MAX);
    *out = leases;
    return RK_OK;
}

void rk_leases_destroy(rk_leases *leases)
{
    if (!leases)
        return;
    for (size_t i = 0; i < RK_LENT_MAX; i++) {
        rk_buf_fini(&leases->places[i].offer);
        rk_buf_fini(&leases->places[i].result);
    }
    for (size_t i = 0; i < RK_LEASE_WORKERS_MAX; i++)
        rk_buf_fini(&leases->workers[i].reply);
    rk_lock_fini(&leases->lock, &leases->changed);
    free(leases);
}

const rk_lender *rk_leases_lender(rk_leases *leases)
{
    return &leases->lender;
}

void rk_leases_close(rk_leases *leases)
{
    pthread_mutex_lock(&leases->lock);
    leases->closed = true;
    leases->lends = false;
    expire(leases);
    pthread_cond_broadcast(&leases->changed);
    pthread_mutex_unlock(&leases->lock);
}

rk_leases_counts rk_leases_counts_of(rk_leases *leases)
{
    pthread_mutex_lock(&leases->lock);
    rk_leases_counts counts = leases->counts;
    counts.workers = count_workers(leases);
    counts.working = count_places(leases, PLACE_LEASED);
    pthread_mutex_unlock(&leases->lock);
    return counts;
}
