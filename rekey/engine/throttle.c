#include "rekey/engine/throttle.h"

#define NS_PER_MS 1000000ull

/* Rates and latencies mean little over fewer batches or records than these. */
#define BATCHES_TO_JUDGE 8
#define RECORDS_TO_JUDGE 1000

/* Mean deviations that a commit may take longer than usual within the limit. */
#define DEVIATIONS 3

void rki_throttle_init(rki_throttle *throttle, const rk_limits *limits)
{
    *throttle = (rki_throttle){.limits = limits, .batch_units = RKI_BATCH_UNITS_FIRST};
}

static uint32_t clamp_units(uint64_t units)
{
    if (units < RKI_BATCH_UNITS_MIN)
        return RKI_BATCH_UNITS_MIN;
    return units > RKI_BATCH_UNITS_MAX ? RKI_BATCH_UNITS_MAX : (uint32_t)units;
}

static uint64_t smooth(const rki_throttle *throttle, uint64_t before, uint64_t now)
{
    return throttle->batches == 1 ? now : (before * 7 + now) / 8;
}

/* For the work before the commit: what a commit leaves of the limit, one that takes longer than
 * usual, too; and at least three eighths where commits take more. The deviations are those of
 * Jacobson's round-trip times (SIGCOMM 1988): cheap, and a noisy disk makes batches shorter. */
static uint64_t budget(const rki_throttle *throttle)
{
    uint64_t hold_ns = throttle->limits->lock_hold_ms * NS_PER_MS;
    uint64_t most_ns = hold_ns / 8 * 7;
    uint64_t least_ns = hold_ns / 8 * 3;
    uint64_t commit_ns = throttle->commit_ns + DEVIATIONS * throttle->commit_deviation_ns;
    uint64_t left_ns = commit_ns < hold_ns ? hold_ns - commit_ns : 0;
    if (left_ns > most_ns)
        return most_ns;
    return left_ns < least_ns ? least_ns : left_ns;
}

uint64_t rki_throttle_work_ns_max(const rki_throttle *throttle)
{
    return budget(throttle);
}

static void note_commit(rki_throttle *throttle, uint64_t commit_ns)
{
    uint64_t usual_ns = throttle->batches == 1 ? commit_ns : throttle->commit_ns;
    uint64_t off_ns = commit_ns > usual_ns ? commit_ns - usual_ns : usual_ns - commit_ns;
    throttle->commit_ns = smooth(throttle, throttle->commit_ns, commit_ns);
    throttle->commit_deviation_ns = smooth(throttle, throttle->commit_deviation_ns, off_ns);
}

void rki_throttle_batch(rki_throttle *throttle, uint32_t units, uint32_t refused, uint64_t work_ns,
                        uint64_t held_ns)
{
    throttle->batches++;
    throttle->processed += units;
    throttle->refused += refused;
    throttle->latency_ns = smooth(throttle, throttle->latency_ns, held_ns);
    note_commit(throttle, held_ns - work_ns);
    uint64_t budget_ns = budget(throttle);
    /* A batch cut short by the end of a chunk says nothing about a full one, unless it was slow. */
    bool full = (uint64_t)units * 2 >= throttle->batch_units;
    if (units == 0 || (!full && work_ns <= budget_ns))
        return;
    uint64_t ideal = work_ns ? (uint64_t)units * budget_ns / work_ns : RKI_BATCH_UNITS_MAX;
    uint64_t doubled = (uint64_t)throttle->batch_units * 2;
    if (ideal > doubled)
        ideal = doubled;
    /* Shrink at once, grow half of the way: waiting writers matter more than a few percent. */
    uint64_t next = ideal < throttle->batch_units ? ideal : (ideal + throttle->batch_units + 1) / 2;
    throttle->batch_units = clamp_units(next);
}

const char *rki_throttle_signal(const rki_throttle *throttle, const rki_readings *readings)
{
    const rk_limits *limits = throttle->limits;
    if (limits->free_space_min_bytes > 0 &&
        (!readings->space_known || readings->disk_free_bytes < limits->free_space_min_bytes))
        return "free_space";
    if (limits->write_latency_ms_max > 0 && throttle->batches >= BATCHES_TO_JUDGE &&
        throttle->latency_ns > limits->write_latency_ms_max * NS_PER_MS)
        return "write_latency";
    if (limits->error_rate_max >= 0 && throttle->processed >= RECORDS_TO_JUDGE &&
        (double)throttle->refused > limits->error_rate_max * (double)throttle->processed)
        return "error_rate";
    uint64_t quarantine_max = readings->quarantined_planned > limits->quarantine_max
                                  ? readings->quarantined_planned
                                  : limits->quarantine_max;
    if (readings->quarantined > quarantine_max)
        return "quarantine";
    return NULL;
}
