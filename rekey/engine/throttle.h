/* throttle.h: how large a batch may be, and when the run has to stop.
 *
 * The batch controller holds the write lock for limits.lock_hold_ms at most: a batch works for
 * what a commit and its usual deviations leave of it, and no longer. After each batch the size is
 * scaled by target / measured, smoothed, at most doubling. The stop signals of the spec are judged
 * after each batch. Pure: times and readings are passed in.
 */
#ifndef REKEY_ENGINE_THROTTLE_H
#define REKEY_ENGINE_THROTTLE_H

#include "rekey/spec/spec.h"

#define RKI_BATCH_UNITS_MIN   16
#define RKI_BATCH_UNITS_FIRST 256
#define RKI_BATCH_UNITS_MAX   16384

typedef struct rki_throttle {
    const rk_limits *limits;
    uint32_t batch_units;
    uint64_t latency_ns; /* how long the lock was held, smoothed over about eight batches */
    uint64_t commit_ns;  /* the commit's share of it, smoothed likewise... */
    uint64_t commit_deviation_ns; /* ...and how far commits are off it in the mean */
    uint64_t batches;
    uint64_t processed;
    uint64_t refused; /* left alone at the moment of writing, beyond what the scan said */
} rki_throttle;

void rki_throttle_init(rki_throttle *throttle, const rk_limits *limits);

/* A batch of `units` held the lock for `held_ns`, the first `work_ns` of it before the commit;
 * `refused` of its records were left alone. */
void rki_throttle_batch(rki_throttle *throttle, uint32_t units, uint32_t refused, uint64_t work_ns,
                        uint64_t held_ns);

/* What the monitors say now. */
typedef struct rki_readings {
    bool space_known; /* a monitor that cannot be read counts as fired */
    uint64_t disk_free_bytes;
    uint64_t quarantined;
    uint64_t quarantined_planned; /* what the approved plan said would be left alone */
} rki_readings;

/* How long a batch may work before its commit; one that is not done by then is cut short. */
uint64_t rki_throttle_work_ns_max(const rki_throttle *throttle);

/* The name of the stop signal that fired: "write_latency", "error_rate", "quarantine",
 * "free_space"; NULL for none. Parity is judged by the verification. */
const char *rki_throttle_signal(const rki_throttle *throttle, const rki_readings *readings);

#endif
