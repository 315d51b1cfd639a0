#include "rekey/engine/hand.h"

#include <stdlib.h>

#include <rekey/version.h>

#include "rekey/engine/process.h"
#include "rekey/engine/result.h"
#include "rekey/engine/run.h"
#include "rekey/engine/walk.h"

struct rk_hand {
    rk_store *store;
    const rk_clock *clock;
    rk_actor actor;
    /* Of the walk that the last offer was of; all NULL before the first: */
    rk_offer last;
    rk_migration *migration;
    rki_job job;
    rk_transformer *transformer;
    rki_walker *walker;
    rk_view *view;
    rki_chunk chunk;
};

static void forget_walk(rk_hand *hand)
{
    rki_chunk_fini(&hand->chunk);
    rk_snapshot_close(hand->view);
    rki_walker_destroy(hand->walker);
    rk_transformer_destroy(hand->transformer);
    rk_migration_close(hand->migration);
    hand->view = NULL;
    hand->walker = NULL;
    hand->transformer = NULL;
    hand->migration = NULL;
}

static void fill_job(rk_hand *hand, const rk_offer *offer)
{
    rk_migration *migration = hand->migration;
    hand->job = (rki_job){
        .kind = offer->kind,
        .store = hand->store,
        .spec = migration->spec,
        .tables = &migration->tables,
        .tier = offer->tier,
        .epoch = offer->epoch,
        .tier_epoch = offer->tier_epoch,
        .template_entity = offer->template_entity < migration->spec->entity_count
                               ? (int)offer->template_entity
                               : -1,
        .accept_loss = offer->accept_loss,
    };
}

static rk_status open_walk(rk_hand *hand, const rk_offer *offer, rk_error *err)
{
    uint32_t records_max = offer->records_max;
    rki_chunk_limits limits = {records_max, offer->bytes_max};
    if (records_max < 1 || records_max > RKI_CHUNK_RECORDS_MAX ||
        offer->bytes_max > RKI_CHUNK_BYTES_MAX)
        return rk_error_set(err, RK_CORRUPT, "an offer of chunks of %u records and %u bytes",
                            records_max, offer->bytes_max);
    rk_status status =
        rk_migration_open(hand->store, hand->clock, &hand->actor, false, &hand->migration, err);
    if (status != RK_OK)
        return status;
    fill_job(hand, offer);
    status = rki_chunk_init(&hand->chunk, &limits, err);
    if (status == RK_OK)
        status = rki_job_transformer(&hand->job, RKI_PARENT_CACHE_ENTRIES, &hand->transformer, err);
    if (status == RK_OK)
        status = rki_walker_create(&hand->job, NULL, &hand->walker, err);
    if (status == RK_OK)
        status = rk_snapshot_open(hand->store, &hand->view, err);
    if (status == RK_OK)
        rk_snapshot_release(hand->view);
    return status;
}

/* Each walk has a name of its own, and one spec, one set of tables, one epoch. */
static rk_status enter_walk(rk_hand *hand, const rk_offer *offer, rk_error *err)
{
    if (hand->view && memcmp(&hand->last.walk, &offer->walk, sizeof offer->walk) == 0)
        return RK_OK;
    forget_walk(hand);
    rk_status status = open_walk(hand, offer, err);
    if (status != RK_OK)
        forget_walk(hand);
    else
        hand->last = *offer;
    return status;
}

/* Whether both sides speak of the same migration in the same state. */
static rk_status fits(const rk_hand *hand, const rk_offer *offer, bool *out, rk_error *err)
{
    rk_state state;
    rk_status status = rk_migration_state(hand->migration, &state, err);
    *out = status == RK_OK && state.epoch == offer->epoch &&
           state.tier[offer->tier].epoch == offer->tier_epoch &&
           rki_job_index_tables(&hand->job) == offer->index_tables;
    return status;
}

static rk_status prepare(rk_hand *hand, rk_buf *result, uint32_t *records, rk_error *err)
{
    rki_chunk *chunk = &hand->chunk;
    rk_op ops[RKI_UNIT_OPS_MAX];
    rk_status status = rk_snapshot_renew(hand->view, err);
    for (size_t i = 0; status == RK_OK && i < chunk->count; i++) {
        rki_work *work = &chunk->work[i];
        rki_seen seen = rki_seen_of(&hand->last.walk, work);
        uint32_t count = 0;
        status = rki_work_prepare(&hand->job, hand->transformer, hand->view, work, &chunk->arena,
                                  ops, &count, err);
        if (status != RK_OK)
            break;
        if (rki_result_add(result, &hand->job, &seen, work, ops, count, NULL) != RK_OK)
            break; /* it is full: the rest is prepared where the offer came from */
        (*records)++;
    }
    rk_snapshot_release(hand->view);
    return status;
}

rk_status rk_hand_do(rk_hand *hand, rk_slice bytes, rk_buf *result, uint32_t *records,
                     rk_error *err)
{
    rk_offer offer;
    bool same = false;
    *records = 0;
    rk_status status = rki_result_begin(result, err); /* what is in it is the last offer's */
    if (status == RK_OK)
        status = rk_offer_decode(bytes, &offer, err);
    if (status == RK_OK && !offer.version)
        status = rk_error_set(err, RK_CONFLICT,
                              "the one who offers is not of version %s, as this program is",
                              rk_version());
    if (status == RK_OK)
        status = enter_walk(hand, &offer, err);
    if (status == RK_OK)
        status = fits(hand, &offer, &same, err);
    if (status != RK_OK || !same)
        return status;
    status = rki_walker_place(hand->walker, &offer.from, err);
    if (status == RK_OK)
        status = rki_walker_next(hand->walker, &hand->chunk, err);
    if (status == RK_NOT_FOUND)
        return RK_OK; /* the walk's end */
    return status == RK_OK ? prepare(hand, result, records, err) : status;
}

rk_status rk_hand_create(rk_store *store, const rk_clock *clock, rk_hand **out, rk_error *err)
{
    rk_hand *hand = calloc(1, sizeof *hand);
    if (!hand)
        return rk_error_set(err, RK_NOMEM, "worker: out of memory");
    hand->store = store;
    hand->clock = clock;
    rk_actor_of_process("worker", &hand->actor);
    *out = hand;
    return RK_OK;
}

void rk_hand_destroy(rk_hand *hand)
{
    if (!hand)
        return;
    forget_walk(hand);
    free(hand);
}
