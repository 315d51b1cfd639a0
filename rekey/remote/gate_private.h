/* gate_private.h: the table of a gate's sessions: finding one by its id, and making room.
 *
 * Invariants
 *   - A session that is busy, which is used by a thread outside of the lock, stays.
 *   - A slot does not move while it is taken.
 *
 * Threading: none here; under the gate's lock.
 */
#ifndef REKEY_REMOTE_GATE_PRIVATE_H
#define REKEY_REMOTE_GATE_PRIVATE_H

#include "rekey/remote/gate.h"

#define RKI_SESSIONS_CEILING 65536u

typedef struct rki_slot {
    rk_secure *session; /* NULL: the slot is free */
    rk_secure_id id;
    bool busy;
    bool half_open;
    rk_public_key key; /* of the peer, once it is not half-open */
    uint64_t used_at;  /* by the table's count of uses */
    uint32_t next;     /* of the same bucket, or next free */
} rki_slot;

typedef struct rki_table {
    rki_slot *slots;
    uint32_t *buckets;
    uint32_t bucket_mask;
    uint32_t slots_max;
    uint32_t half_open_max;
    uint32_t key_sessions_max;
    uint32_t free;
    uint32_t used;
    uint32_t half_open;
    uint64_t uses;
} rki_table;

/* By the maxima of the config, which are in their bounds. RK_NOMEM. */
rk_status rki_table_init(rki_table *table, const rk_gate_config *config, rk_error *err);
void rki_table_fini(rki_table *table); /* destroys all sessions; zeroed is allowed */

/* Takes a half-open session in. The one that had to make room for it is handed out, to be destroyed
 * outside of the lock; NULL when there was room. False, and nothing has changed: all that could go
 * are busy. */
bool rki_table_put(rki_table *table, rk_secure *session, rk_secure **evicted);

/* NULL when there is none. */
rki_slot *rki_table_find(rki_table *table, const rk_secure_id *id);

/* Counts as used now; half-open until its peer has proved a key (NULL before). The session of the
 * same key that then has to go is handed out, else NULL. */
rk_secure *rki_table_touch(rki_table *table, rki_slot *slot, const rk_secure_peer *peer);

/* Frees the slot and hands its session out. */
rk_secure *rki_table_remove(rki_table *table, rki_slot *slot);

#endif
