#include "bench/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SAMPLES_FIRST 65536
#define NS_PER_US     1000.0

void bench_samples_add(bench_samples *samples, uint64_t ns)
{
    if (samples->count == samples->cap) {
        samples->cap = samples->cap ? samples->cap * 2 : SAMPLES_FIRST;
        samples->ns = realloc(samples->ns, samples->cap * sizeof *samples->ns);
        if (!samples->ns) {
            fprintf(stderr, "bench: out of memory for %zu samples\n", samples->cap);
            exit(1);
        }
    }
    samples->ns[samples->count++] = ns;
}

void bench_samples_fini(bench_samples *samples)
{
    free(samples->ns);
    *samples = (bench_samples){0};
}

uint64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* The least sample that `permille` of all do not exceed (nearest rank), in microseconds. */
static double quantile_us(const bench_samples *samples, size_t permille)
{
    if (samples->count == 0)
        return 0;
    size_t rank = (samples->count * permille + 999) / 1000;
    return (double)samples->ns[rank ? rank - 1 : 0] / NS_PER_US;
}

static size_t count_over(const bench_samples *samples, double bound_us)
{
    size_t over = 0;
    if (bound_us > 0)
        while (over < samples->count &&
               (double)samples->ns[samples->count - 1 - over] / NS_PER_US > bound_us)
            over++;
    return over;
}

void bench_samples_print(bench_samples *samples, double seconds, double bound_us, int as_json)
{
    static const char line[] = "%zu in %.2f s: p50 %.0f us, p99 %.0f us, p99.9 %.0f us, "
                               "max %.0f us, %zu over the bound\n";
    static const char object[] = "{\"count\": %zu, \"seconds\": %.6f, \"p50_us\": %.1f, "
                                 "\"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, "
                                 "\"over\": %zu}\n";
    if (samples->count > 0)
        qsort(samples->ns, samples->count, sizeof *samples->ns, compare);
    double p50 = quantile_us(samples, 500);
    double p99 = quantile_us(samples, 990);
    double p999 = quantile_us(samples, 999);
    double max = quantile_us(samples, 1000);
    size_t over = count_over(samples, bound_us);
    if (as_json)
        printf(object, samples->count, seconds, p50, p99, p999, max, over);
    else
        printf(line, samples->count, seconds, p50, p99, p999, max, over);
}
