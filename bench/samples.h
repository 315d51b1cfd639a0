/* samples.h: every latency of a measurement, kept whole, and what they come to.
 *
 * No buckets: all samples are kept and sorted at the end, so that a p99.9 is a value that was
 * measured. Running out of memory ends the program, as is fit for a benchmark.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct bench_samples {
    uint64_t *ns;
    size_t count;
    size_t cap;
} bench_samples;

void bench_samples_add(bench_samples *samples, uint64_t ns);
void bench_samples_fini(bench_samples *samples);

/* Nanoseconds of a clock that only goes forward. */
uint64_t bench_now_ns(void);

/* Sorts them and prints one line: a JSON object, or the cells of a table. Of no samples, zeros.
 * `bound_us`: how many took longer is printed too; 0 for no bound. */
void bench_samples_print(bench_samples *samples, double seconds, double bound_us, int as_json);

#endif
