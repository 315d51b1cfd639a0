/* collisions.h: what a rollback would lose.
 *
 * Where two capsules have records that share one old key, the old shape can keep only one of them.
 * dual-write: the writes that took another capsule's old copy were noted as shadows. move: there
 * is no old copy to look at, so the new side is searched for records that would meet.
 */
#ifndef REKEY_ENGINE_COLLISIONS_H
#define REKEY_ENGINE_COLLISIONS_H

#include "rekey/engine/job.h"
#include "rekey/engine/walk.h"

#define RKI_LOSSES_SHOWN_MAX 20

struct rki_losses {
    uint64_t count;
    size_t shown;
    uint8_t key[RKI_LOSSES_SHOWN_MAX][RK_STATE_KEY_BYTES_MAX]; /* new keys */
    size_t key_len[RKI_LOSSES_SHOWN_MAX];
};
typedef struct rki_losses rki_losses;

typedef struct rki_collisions {
    rki_job job; /* RETURN, only walked */
    rki_walker *walker;
    rk_transformer *transformer;
    rk_view *view;
    rki_chunk chunk;
    rki_losses losses;
} rki_collisions;

rk_status rki_collisions_init(rki_collisions *search, const rki_job *job, rk_error *err);

/* A zeroed search is allowed. */
void rki_collisions_fini(rki_collisions *search);
rk_status rki_collisions_step(rki_collisions *search, bool *finished, rk_error *err);

#endif
