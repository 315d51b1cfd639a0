/* lend.h: lending pieces of a walk to other processes on the same machine.
 *
 * A run's pipeline reads a chunk of records, and somebody has to prepare it: parse, resolve, build
 * keys. A worker in another process can do that on a snapshot of its own. It is told where the
 * chunk begins (an offer), walks from there, and sends back what each record becomes (result.h).
 * The run goes on with whatever came in time; what did not, it prepares itself.
 *
 * The engine knows no messages: whoever carries offers and results is an rk_lender, handed in with
 * the run's options.
 *
 * Invariants
 *   - A lender may lose, delay or repeat anything and give back any bytes: it costs time, never a
 *     record. The writer checks each unit's conditions again, as those of its own scanners.
 *   - A place is reserved before a chunk is read, and released whatever came of it.
 *
 * Threading: each function of a lender may be called from any thread.
 */
#ifndef REKEY_ENGINE_LEND_H
#define REKEY_ENGINE_LEND_H

#include "rekey/base/buf.h"
#include "rekey/crypto/crypto.h"
#include "rekey/state/state.h"

/* At most this many chunks of a run are lent at a time. */
#define RK_LENT_MAX 4

/* What came of a lent chunk. */
typedef struct rk_lent {
    bool answered;
    uint32_t used;     /* records that are prepared as the worker said */
    uint32_t prepared; /* records for which it had nothing that holds */
} rk_lent;

typedef struct rk_lender {
    void *context;
    /* A walk begins to lend, one at a time; it is given a name of its own, drawn at random. */
    void (*begin)(void *context, rk_short_key *walk);
    /* It ends: waits for places and results end at once, and so do later ones. Places are still to
     * be released. */
    void (*end)(void *context);
    /* Waits up to timeout_ms until a worker could do with more; then *place is the caller's. */
    bool (*reserve)(void *context, uint32_t timeout_ms, uint32_t *place);
    /* Puts the offer's bytes, copied, before the workers. */
    void (*offer)(void *context, uint32_t place, rk_slice offer);
    /* Waits for the result, as long as the lender thinks worth it. Borrowed until the release. */
    bool (*collect)(void *context, uint32_t place, rk_slice *result);
    void (*release)(void *context, uint32_t place, const rk_lent *outcome);
} rk_lender;

/* --- offers ----------------------------------------------------------------------------------- */

/* Everything that a worker needs besides the store. */
typedef struct rk_offer {
    const char *version; /* rk_version of who offers: another one may prepare otherwise */
    rk_short_key walk;   /* another one for each walk; the key of the records' digests, too */
    rk_job kind;
    rk_tier tier;
    uint64_t epoch; /* the migration's */
    uint64_t tier_epoch;
    uint32_t template_entity; /* UINT32_MAX for none */
    bool accept_loss;
    uint32_t index_tables; /* how many of the spec's there are */
    uint32_t records_max;  /* of a chunk */
    uint32_t bytes_max;
    rk_checkpoint from; /* where the chunk begins: stage, rank, tenant, key */
} rk_offer;

#define RK_OFFER_BYTES_MAX 2048

rk_status rk_offer_encode(const rk_offer *offer, rk_buf *out, rk_error *err);

/* RK_CORRUPT. out->version is NULL when it is another one than this program's. */
rk_status rk_offer_decode(rk_slice bytes, rk_offer *out, rk_error *err);

#endif
