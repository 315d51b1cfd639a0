#include "transport/inproc.h"
#include "transport/waiting.h"

#include "rekey/base/prng.h"

#include <assert.h>
#include <stdlib.h>

/* One lock and one condition for all callers and servers of a transport: simple to get right, and
 * fast enough for what it is for. Every wait is a loop around that condition. */

#define NAME_BYTES_MAX 64
#define FOR_EVER       UINT64_MAX

typedef struct inproc_server inproc_server;
typedef struct inproc_caller inproc_caller;

/* The network: what belongs to the transport. */
typedef struct inproc {
    rk_transport base;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    inproc_server *servers;
    inproc_caller *callers;
    uint64_t dialled;  /* callers so far; the newest one's number */
    uint64_t listened; /* servers so far */
    uint64_t sent;     /* requests so far: their order */
    uint64_t seed;
    rk_inproc_fault faults[RK_INPROC_FAULTS_MAX];
    size_t fault_count;
} inproc;

/* What happens to one call. */
typedef struct verdict {
    bool drop_request;
    bool double_request;
    bool drop_reply;
    uint32_t request_delay_ms;
    uint32_t reply_delay_ms;
} verdict;

struct inproc_caller {
    rk_caller base;
    inproc_caller *next;
    char name[NAME_BYTES_MAX + 1]; /* of the server */
    uint64_t number;
    rk_prng prng;
    uint64_t calls; /* so far; the current one's number */
    bool busy;
    bool cancelled;
    bool answered;
    verdict verdict;
    uint64_t reply_ns; /* when the reply arrives */
    rk_buf reply;
};

/* A request on its way, or arrived and not yet received. */
typedef struct letter {
    bool used;
    uint64_t caller;
    uint64_t call;
    uint64_t order;
    uint64_t arrives_ns;
    rk_buf bytes;
} letter;

typedef struct inproc_exchange {
    rk_exchange base;
    inproc_server *server;
    letter letter; /* used while the exchange is open */
} inproc_exchange;

struct inproc_server {
    rk_server base;
    inproc_server *next;
    char *url;
    const char *name; /* within url */
    uint64_t number;
    bool stopped;
    size_t users;               /* threads inside receive */
    letter *queue;              /* exchanges_max of them */
    inproc_exchange *exchanges; /* exchanges_max of them */
};

static inproc *network_of(rk_transport *transport)
{
    return (inproc *)transport;
}

/* --- time and names --------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static rk_status parse_name(const char *url, const char **name, rk_error *err)
{
    static const char PREFIX[] = "inproc://";
    static const char ALPHABET[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789._-";
    const char *rest = url + sizeof PREFIX - 1;
    if (strncmp(url, PREFIX, sizeof PREFIX - 1) != 0)
        return rk_error_set(err, RK_INVALID, "url \"%.200s\": must be inproc://NAME", url);
    size_t len = strlen(rest);
    if (len < 1 || len > NAME_BYTES_MAX || strspn(rest, ALPHABET) != len)
        return rk_error_set(err, RK_INVALID,
                            "url \"%.200s\": the name must have 1 to %d of a-z A-Z 0-9 . _ -", url,
                            NAME_BYTES_MAX);
    *name = rest;
    return RK_OK;
}

static inproc_server *find_server(const inproc *net, const char *name)
{
    inproc_server *s = net->servers;
    while (s && strcmp(s->name, name) != 0)
        s = s->next;
    return s;
}

static inproc_caller *find_caller(const inproc *net, uint64_t number)
{
    inproc_caller *c = net->callers;
    while (c && c->number != number)
        c = c->next;
    return c;
}

/* --- faults ----------------------------------------------------------------------------------- */

static void apply_fault(const rk_inproc_fault *fault, verdict *v)
{
    switch (fault->what) {
    case RK_INPROC_DROP_REQUEST:
        v->drop_request = true;
        break;
    case RK_INPROC_DOUBLE_REQUEST:
        v->double_request = true;
        break;
    case RK_INPROC_DELAY_REQUEST:
        v->request_delay_ms = fault->delay_ms;
        break;
    case RK_INPROC_DROP_REPLY:
        v->drop_reply = true;
        break;
    case RK_INPROC_DELAY_REPLY:
        v->reply_delay_ms = fault->delay_ms;
        break;
    }
}

/* Every line of the table takes one number for every call, whether it applies or not: to change one
 * line's range changes no other line's luck. */
static verdict judge(const inproc *net, inproc_caller *c)
{
    verdict v = {0};
    for (size_t i = 0; i < net->fault_count; i++) {
        const rk_inproc_fault *fault = &net->faults[i];
        bool hit = rk_prng_below(&c->prng, RK_INPROC_ALWAYS) < fault->chance_ppm;
        bool in_range = c->calls >= fault->first_call &&
                        (fault->last_call == 0 || c->calls <= fault->last_call);
        if (hit && in_range)
            apply_fault(fault, &v);
    }
    return v;
}

static rk_status check_faults(const rk_inproc_fault *faults, size_t count, rk_error *err)
{
    if (count > RK_INPROC_FAULTS_MAX)
        return rk_error_set(err, RK_INVALID, "%zu faults; the table has at most %u", count,
                            RK_INPROC_FAULTS_MAX);
    for (size_t i = 0; i < count; i++) {
        const rk_inproc_fault *f = &faults[i];
        bool known = f->what >= RK_INPROC_DROP_REQUEST && f->what <= RK_INPROC_DELAY_REPLY;
        if (!known || f->chance_ppm > RK_INPROC_ALWAYS || f->delay_ms > RK_TRANSPORT_MS_CEILING ||
            (f->last_call != 0 && f->last_call < f->first_call))
            return rk_error_set(err, RK_INVALID, "fault %zu of the table is out of range", i);
    }
    return RK_OK;
}

/* --- the asking end --------------------------------------------------------------------------- */

/* How far a call has got. */
typedef struct attempt {
    rk_slice request;
    uint64_t deadline_ns;
    uint64_t sent_to; /* number of the server; 0: not sent yet */
    uint64_t resend_ns;
} attempt;

static letter *free_letter(inproc_server *s)
{
    for (uint32_t i = 0; i < s->base.transport->limits.exchanges_max; i++)
        if (!s->queue[i].used)
            return &s->queue[i];
    return NULL;
}

/* RK_BUSY, with no error filled in, when the queue has no room. */
static rk_status post(inproc *net, inproc_server *s, const inproc_caller *c, rk_slice request,
                      uint64_t arrives_ns, rk_error *err)
{
    letter *l = free_letter(s);
    if (!l)
        return RK_BUSY;
    rk_status status = rk_buf_set(&l->bytes, request, err);
    if (status != RK_OK)
        return status;
    l->used = true;
    l->caller = c->number;
    l->call = c->calls;
    l->order = net->sent++;
    l->arrives_ns = arrives_ns;
    pthread_cond_broadcast(&net->changed);
    return RK_OK;
}

/* Sends if it is time to: for the first time, to a new server, or again after resend_ms. Without
 * room the attempt stays unsent, and the next change of the network is a new occasion. */
static rk_status send_if_due(inproc *net, inproc_caller *c, attempt *a, uint64_t now, rk_error *err)
{
    inproc_server *s = find_server(net, c->name);
    if (!s || (a->sent_to == s->number && now < a->resend_ns))
        return RK_OK;
    verdict v = a->sent_to == 0 ? c->verdict : (verdict){0};
    uint64_t arrives_ns = rk_after_ms(now, v.request_delay_ms);
    rk_status status = v.drop_request ? RK_OK : post(net, s, c, a->request, arrives_ns, err);
    if (status == RK_OK) {
        a->sent_to = s->number;
        a->resend_ns = rk_after_ms(now, net->base.limits.resend_ms);
        if (v.double_request && !v.drop_request)
            status = post(net, s, c, a->request, arrives_ns, err);
    }
    return status == RK_BUSY ? RK_OK : status;
}

static rk_status call_timed_out(const inproc_caller *c, const attempt *a, rk_error *err)
{
    return rk_error_set(err, RK_TIMEOUT, "call inproc://%s: %s before the deadline", c->name,
                        a->sent_to ? "no reply" : "no connection");
}

/* Sends before it looks at the deadline: however short, a call is sent once if anybody listens. */
static rk_status await_reply(inproc *net, inproc_caller *c, attempt *a, rk_error *err)
{
    for (;;) {
        uint64_t now = rk_now_ns();
        uint64_t wake_ns = a->deadline_ns;
        if (c->cancelled)
            return rk_error_set(err, RK_NOT_FOUND, "call inproc://%s: closed", c->name);
        if (c->answered) {
            if (now >= c->reply_ns)
                return RK_OK;
            wake_ns = earlier(wake_ns, c->reply_ns);
        } else {
            rk_status status = send_if_due(net, c, a, now, err);
            if (status != RK_OK)
                return status;
            if (a->sent_to && a->resend_ns > now)
                wake_ns = earlier(wake_ns, a->resend_ns);
        }
        if (now >= a->deadline_ns)
            return call_timed_out(c, a, err);
        rk_wait_until(&net->changed, &net->lock, wake_ns);
    }
}

static rk_status caller_call(rk_caller *base, rk_slice request, uint32_t timeout_ms, rk_buf *reply,
                             rk_error *err)
{
    inproc_caller *c = (inproc_caller *)base;
    inproc *net = network_of(base->transport);
    attempt a = {.request = request, .deadline_ns = rk_after_ms(rk_now_ns(), timeout_ms)};
    pthread_mutex_lock(&net->lock);
    assert(!c->busy);
    c->busy = true;
    c->calls++;
    c->answered = false;
    c->verdict = judge(net, c);
    rk_status status = await_reply(net, c, &a, err);
    if (status == RK_OK) {
        status = rk_buf_set(reply, rk_buf_slice(&c->reply), err);
        if (status != RK_OK)
            rk_error_context(err, status, "reply of inproc://%s", c->name);
    }
    c->busy = false;
    pthread_cond_broadcast(&net->changed);
    pthread_mutex_unlock(&net->lock);
    return status;
}

static void caller_cancel(rk_caller *base)
{
    inproc *net = network_of(base->transport);
    pthread_mutex_lock(&net->lock);
    ((inproc_caller *)base)->cancelled = true;
    pthread_cond_broadcast(&net->changed);
    pthread_mutex_unlock(&net->lock);
}

static void caller_close(rk_caller *base)
{
    inproc_caller *c = (inproc_caller *)base;
    inproc *net = network_of(base->transport);
    caller_cancel(base);
    pthread_mutex_lock(&net->lock);
    while (c->busy)
        pthread_cond_wait(&net->changed, &net->lock);
    inproc_caller **link = &net->callers;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    pthread_mutex_unlock(&net->lock);
    rk_buf_fini(&c->reply);
    free(c);
}

static rk_status dial(rk_transport *transport, const char *url, rk_caller **out, rk_error *err)
{
    inproc *net = network_of(transport);
    const char *name = NULL;
    rk_status status = parse_name(url, &name, err);
    if (status != RK_OK)
        return status;
    inproc_caller *c = calloc(1, sizeof *c);
    if (!c)
        return rk_error_set(err, RK_NOMEM, "out of memory for a caller");
    c->base.transport = transport;
    memcpy(c->name, name, strlen(name));
    rk_buf_init(&c->reply, transport->limits.message_bytes_max);
    pthread_mutex_lock(&net->lock);
    c->number = ++net->dialled;
    rk_prng_init(&c->prng, net->seed ^ (c->number * 0x9e3779b97f4a7c15u));
    c->next = net->callers;
    net->callers = c;
    pthread_mutex_unlock(&net->lock);
    *out = &c->base;
    return RK_OK;
}

/* --- the answering end ------------------------------------------------------------------------ */

static inproc_exchange *free_exchange(inproc_server *s)
{
    for (uint32_t i = 0; i < s->base.transport->limits.exchanges_max; i++)
        if (!s->exchanges[i].letter.used)
            return &s->exchanges[i];
    return NULL;
}

static bool arrives_before(const letter *a, const letter *b)
{
    return a->arrives_ns != b->arrives_ns ? a->arrives_ns < b->arrives_ns : a->order < b->order;
}

/* The request that arrives first, whether it has arrived yet or not. */
static letter *next_letter(inproc_server *s)
{
    letter *first = NULL;
    for (uint32_t i = 0; i < s->base.transport->limits.exchanges_max; i++) {
        letter *l = &s->queue[i];
        if (l->used && (!first || arrives_before(l, first)))
            first = l;
    }
    return first;
}

/* Moves the letter into the exchange; the exchange's old buffer goes into the queue. */
static void open_letter(inproc_exchange *x, letter *l)
{
    rk_buf spare = x->letter.bytes;
    x->letter = *l;
    *l = (letter){.bytes = spare};
    x->base.request = rk_buf_slice(&x->letter.bytes);
}

static void end_exchange(inproc *net, inproc_exchange *x)
{
    assert(x->letter.used);
    x->letter.used = false;
    x->base.request = RK_SLICE_EMPTY;
    pthread_cond_broadcast(&net->changed);
}

static rk_status await_request(inproc *net, inproc_server *s, uint64_t deadline,
                               inproc_exchange **out, rk_error *err)
{
    for (;;) {
        uint64_t now = rk_now_ns();
        if (s->stopped)
            return rk_error_set(err, RK_NOT_FOUND, "receive at %s: closed", s->url);
        inproc_exchange *x = free_exchange(s);
        letter *l = x ? next_letter(s) : NULL;
        if (l && l->arrives_ns <= now) {
            open_letter(x, l);
            pthread_cond_broadcast(&net->changed);
            *out = x;
            return RK_OK;
        }
        if (now >= deadline)
            return rk_error_set(err, RK_TIMEOUT, "receive at %s: %s", s->url,
                                x ? "no request in time" : "the most exchanges are open");
        rk_wait_until(&net->changed, &net->lock, earlier(deadline, l ? l->arrives_ns : FOR_EVER));
    }
}

static rk_status receive(rk_server *base, uint32_t timeout_ms, rk_exchange **out, rk_error *err)
{
    inproc_server *s = (inproc_server *)base;
    inproc *net = network_of(base->transport);
    inproc_exchange *x = NULL;
    uint64_t deadline = rk_after_ms(rk_now_ns(), timeout_ms);
    pthread_mutex_lock(&net->lock);
    s->users++;
    rk_status status = await_request(net, s, deadline, &x, err);
    s->users--;
    pthread_cond_broadcast(&net->changed);
    pthread_mutex_unlock(&net->lock);
    if (status == RK_OK)
        *out = &x->base;
    return status;
}

/* The first answer counts; the caller may have gone on to its next call, or away. */
static rk_status deliver(const inproc *net, const letter *l, rk_slice reply, rk_error *err)
{
    inproc_caller *c = find_caller(net, l->caller);
    if (!c || !c->busy || c->calls != l->call || c->answered)
        return RK_OK;
    if (c->verdict.drop_reply) {
        c->verdict.drop_reply = false;
        return RK_OK;
    }
    rk_status status = rk_buf_set(&c->reply, reply, err);
    if (status == RK_OK) {
        c->answered = true;
        c->reply_ns = rk_after_ms(rk_now_ns(), c->verdict.reply_delay_ms);
    }
    return status;
}

static rk_status answer(rk_exchange *base, rk_slice reply, rk_error *err)
{
    inproc_exchange *x = (inproc_exchange *)base;
    inproc *net = network_of(base->transport);
    pthread_mutex_lock(&net->lock);
    rk_status status = deliver(net, &x->letter, reply, err);
    end_exchange(net, x);
    pthread_mutex_unlock(&net->lock);
    return status;
}

static void drop(rk_exchange *base)
{
    inproc *net = network_of(base->transport);
    pthread_mutex_lock(&net->lock);
    end_exchange(net, (inproc_exchange *)base);
    pthread_mutex_unlock(&net->lock);
}

static const char *server_url(const rk_server *base)
{
    return ((const inproc_server *)base)->url;
}

static void stop(rk_server *base)
{
    inproc *net = network_of(base->transport);
    pthread_mutex_lock(&net->lock);
    ((inproc_server *)base)->stopped = true;
    pthread_cond_broadcast(&net->changed);
    pthread_mutex_unlock(&net->lock);
}

static void server_free(inproc_server *s)
{
    for (uint32_t i = 0; i < s->base.transport->limits.exchanges_max; i++) {
        if (s->queue)
            rk_buf_fini(&s->queue[i].bytes);
        if (s->exchanges)
            rk_buf_fini(&s->exchanges[i].letter.bytes);
    }
    free(s->queue);
    free(s->exchanges);
    free(s->url);
    free(s);
}

static void server_close(rk_server *base)
{
    inproc_server *s = (inproc_server *)base;
    inproc *net = network_of(base->transport);
    stop(base);
    pthread_mutex_lock(&net->lock);
    while (s->users > 0)
        pthread_cond_wait(&net->changed, &net->lock);
    inproc_server **link = &net->servers;
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    pthread_mutex_unlock(&net->lock);
    server_free(s);
}

static inproc_server *server_create(rk_transport *transport, const char *url, const char *name)
{
    uint32_t count = transport->limits.exchanges_max;
    inproc_server *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->base.transport = transport;
    s->url = strdup(url);
    s->queue = calloc(count, sizeof *s->queue);
    s->exchanges = calloc(count, sizeof *s->exchanges);
    if (!s->url || !s->queue || !s->exchanges) {
        server_free(s);
        return NULL;
    }
    s->name = s->url + (name - url);
    for (uint32_t i = 0; i < count; i++) {
        rk_buf_init(&s->queue[i].bytes, transport->limits.message_bytes_max);
        rk_buf_init(&s->exchanges[i].letter.bytes, transport->limits.message_bytes_max);
        s->exchanges[i].base.transport = transport;
        s->exchanges[i].server = s;
    }
    return s;
}

static rk_status listen(rk_transport *transport, const char *url, rk_server **out, rk_error *err)
{
    inproc *net = network_of(transport);
    const char *name = NULL;
    rk_status status = parse_name(url, &name, err);
    if (status != RK_OK)
        return status;
    inproc_server *s = server_create(transport, url, name);
    if (!s)
        return rk_error_set(err, RK_NOMEM, "out of memory for a server");
    pthread_mutex_lock(&net->lock);
    if (find_server(net, name)) {
        status = rk_error_set(err, RK_BUSY, "listen on %s: another server does", url);
    } else {
        s->number = ++net->listened;
        s->next = net->servers;
        net->servers = s;
        pthread_cond_broadcast(&net->changed);
    }
    pthread_mutex_unlock(&net->lock);
    if (status == RK_OK)
        *out = &s->base;
    else
        server_free(s);
    return status;
}

/* --- the transport ---------------------------------------------------------------------------- */

static void transport_close(rk_transport *transport)
{
    inproc *net = network_of(transport);
    rk_lock_fini(&net->lock, &net->changed);
    free(net);
}

static const rk_transport_ops INPROC_OPS = {
    .close = transport_close,
    .dial = dial,
    .call = caller_call,
    .cancel = caller_cancel,
    .caller_close = caller_close,
    .listen = listen,
    .url = server_url,
    .receive = receive,
    .answer = answer,
    .drop = drop,
    .stop = stop,
    .server_close = server_close,
};

rk_status rk_inproc_open(const rk_transport_limits *limits, const rk_inproc_fault *faults,
                         size_t fault_count, uint64_t seed, rk_transport **out, rk_error *err)
{
    assert(limits && out && (faults || fault_count == 0));
    rk_status status = rk_transport_limits_check(limits, err);
    if (status == RK_OK)
        status = check_faults(faults, fault_count, err);
    if (status != RK_OK)
        return status;
    inproc *net = calloc(1, sizeof *net);
    if (!net)
        return rk_error_set(err, RK_NOMEM, "out of memory for a transport");
    net->base.ops = &INPROC_OPS;
    net->base.limits = *limits;
    net->seed = seed;
    net->fault_count = fault_count;
    if (fault_count > 0)
        memcpy(net->faults, faults, fault_count * sizeof *faults);
    status = rk_lock_init(&net->lock, &net->changed, err);
    if (status == RK_OK)
        *out = &net->base;
    else
        free(net);
    return status;
}
