/* client_ops: an application's puts and gets from several threads, each call timed.
 *
 * All threads share one client, as an application does. They put new records for some time, then
 * get them again, at least once each: every put that was acknowledged must be readable. Prints two
 * lines, of puts and of gets, each a JSON object.
 *
 *     client_ops cluster:FILE --threads 4 --seconds 3 --tenants 100
 *     client_ops lmdb:DIR --threads 4 --seconds 3       the same without nodes
 *     client_ops cluster:FILE --count 100               a hundred a thread, however long they take
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/contracts.h"
#include "bench/samples.h"

#define THREADS_MAX 256
#define NS_PER_S    1e9

typedef struct options {
    const char *location;
    double seconds;
    unsigned threads;
    unsigned tenants;
    uint64_t first; /* number of the first record: another run's records are others */
    uint64_t count; /* a thread; 0: as many as the time allows */
    uint64_t again; /* with a count: how often each is got */
} options;

typedef struct worker {
    const options *options;
    rk_client *client;
    unsigned number;
    bool gets;
    uint64_t end_ns;
    uint64_t put; /* how many records it has put */
    bench_samples samples;
} worker;

static void one(worker *w, uint64_t turn)
{
    bench_contract contract;
    const options *o = w->options;
    bench_contract_make(o->first + turn * o->threads + w->number, o->tenants, &contract);
    uint64_t from = bench_now_ns();
    if (w->gets)
        bench_contract_check(w->client, &contract);
    else
        bench_contract_put(w->client, &contract);
    bench_samples_add(&w->samples, bench_now_ns() - from);
}

static bool goes_on(const worker *w, uint64_t done)
{
    const options *o = w->options;
    uint64_t least = w->gets ? w->put * o->again : o->count;
    return done < least || (o->count == 0 && bench_now_ns() < w->end_ns);
}

static void *work(void *context)
{
    worker *w = context;
    uint64_t done = 0;
    do {
        one(w, w->gets ? done % w->put : done);
        done++;
    } while (goes_on(w, done));
    if (!w->gets)
        w->put = done;
    return NULL;
}

static void measure(const options *o, worker *workers, bool gets)
{
    pthread_t threads[THREADS_MAX];
    bench_samples all = {0};
    uint64_t from = bench_now_ns();
    for (unsigned i = 0; i < o->threads; i++) {
        workers[i].gets = gets;
        workers[i].end_ns = from + (uint64_t)(o->seconds * NS_PER_S);
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            bench_fail("start", "a thread");
    }
    for (unsigned i = 0; i < o->threads; i++)
        (void)pthread_join(threads[i], NULL);
    double seconds = (double)(bench_now_ns() - from) / NS_PER_S;
    for (unsigned i = 0; i < o->threads; i++) {
        for (size_t k = 0; k < workers[i].samples.count; k++)
            bench_samples_add(&all, workers[i].samples.ns[k]);
        bench_samples_fini(&workers[i].samples);
    }
    bench_samples_print(&all, seconds, 0, true);
    bench_samples_fini(&all);
}

static void usage(void)
{
    fprintf(stderr,
            "usage: client_ops LOCATION [--threads N] [--seconds N | --count N [--again N]]\n"
            "                  [--tenants N] [--first N]\n");
    exit(64);
}

static double number_of(const char *text, double most)
{
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= 0 && number <= most))
        usage();
    return number;
}

static void take_option(options *o, const char *name, const char *value)
{
    if (strcmp(name, "--threads") == 0)
        o->threads = (unsigned)number_of(value, THREADS_MAX);
    else if (strcmp(name, "--seconds") == 0)
        o->seconds = number_of(value, 1e6);
    else if (strcmp(name, "--tenants") == 0)
        o->tenants = (unsigned)number_of(value, 1e9);
    else if (strcmp(name, "--first") == 0)
        o->first = (uint64_t)number_of(value, 1e15);
    else if (strcmp(name, "--again") == 0)
        o->again = (uint64_t)number_of(value, 1e6);
    else if (strcmp(name, "--count") == 0)
        o->count = (uint64_t)number_of(value, 1e12);
    else
        usage();
}

int main(int argc, char **argv)
{
    static worker workers[THREADS_MAX];
    options o = {.seconds = 1, .threads = 1, .tenants = 100, .again = 1};
    rk_client *client = NULL;
    rk_error err = {0};
    if (argc % 2 != 0)
        usage();
    o.location = argv[1];
    for (int i = 2; i < argc; i += 2)
        take_option(&o, argv[i], argv[i + 1]);
    if (o.threads == 0 || o.tenants == 0)
        usage();
    if (rk_client_open(o.location, NULL, &client, &err) != RK_OK)
        bench_fail("open", err.message);
    for (unsigned i = 0; i < o.threads; i++)
        workers[i] = (worker){.options = &o, .client = client, .number = i};
    measure(&o, workers, false);
    measure(&o, workers, true);
    rk_client_close(client);
    return 0;
}
