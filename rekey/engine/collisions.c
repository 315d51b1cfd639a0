#include "rekey/engine/collisions.h"

rk_status rki_collisions_init(rki_collisions *search, const rki_job *job, rk_error *err)
{
    *search = (rki_collisions){.job = *job};
    search->job.kind = RK_JOB_RETURN;
    rk_status status = rki_chunk_init(&search->chunk, NULL, err);
    if (status == RK_OK)
        status = rki_walker_create(&search->job, NULL, &search->walker, err);
    if (status == RK_OK)
        status = rki_job_transformer(job, 0, &search->transformer, err);
    if (status == RK_OK)
        status = rk_snapshot_open(job->store, &search->view, err);
    if (status == RK_OK)
        rk_snapshot_release(search->view);
    if (status != RK_OK)
        rki_collisions_fini(search);
    return status;
}

void rki_collisions_fini(rki_collisions *search)
{
    rk_snapshot_close(search->view);
    rk_transformer_destroy(search->transformer);
    rki_walker_destroy(search->walker);
    rki_chunk_fini(&search->chunk);
    search->view = NULL;
    search->transformer = NULL;
    search->walker = NULL;
}

static void add_loss(rki_losses *losses, rk_slice key)
{
    losses->count++;
    if (losses->shown == RKI_LOSSES_SHOWN_MAX)
        return;
    memcpy(losses->key[losses->shown], key.ptr, key.len);
    losses->key_len[losses->shown++] = key.len;
}

/* --- dual-write: noted ------------------------------------------------------------------------ */

static rk_status noted(rki_collisions *search, rk_error *err)
{
    const rki_job *job = &search->job;
    rk_cursor *cursor = NULL;
    rk_shadow shadow;
    rk_status status = rk_snapshot_renew(search->view, err);
    if (status == RK_OK)
        status = rk_cursor_open(search->view, job->tables->meta, &cursor, err);
    if (status == RK_OK)
        status = rk_shadow_next(cursor, true, &shadow, err);
    while (status == RK_OK) {
        rk_slice tenant = RK_SLICE_EMPTY;
        rk_transform_classify(search->transformer, shadow.new_key, &tenant);
        if (rk_spec_tier(job->spec, tenant) == job->tier)
            add_loss(&search->losses, shadow.new_key);
        status = rk_shadow_next(cursor, false, &shadow, err);
    }
    rk_cursor_close(cursor);
    rk_snapshot_release(search->view);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

/* --- move: searched --------------------------------------------------------------------------- */

static rk_status would_be_lost(rki_collisions *search, const rki_work *work, bool *lost,
                               rk_error *err)
{
    char detail[192];
    rk_image image;
    rk_reason reason;
    *lost = false;
    rk_status status = rk_transform_new(search->transformer, search->view, work->key, work->value,
                                        false, &search->chunk.arena, &image, &reason, detail, err);
    if (status == RK_OK && reason == RK_REASON_NONE)
        status = rki_outranked(&search->job, search->view, &image, lost, err);
    return status;
}

static rk_status searched(rki_collisions *search, bool *finished, rk_error *err)
{
    rki_chunk *chunk = &search->chunk;
    rk_status status = rki_walker_next(search->walker, chunk, err);
    *finished = status == RK_NOT_FOUND;
    if (*finished)
        return RK_OK;
    if (status == RK_OK)
        status = rk_snapshot_renew(search->view, err);
    for (size_t i = 0; status == RK_OK && i < chunk->count; i++) {
        bool lost;
        status = would_be_lost(search, &chunk->work[i], &lost, err);
        if (status == RK_OK && lost)
            add_loss(&search->losses, chunk->work[i].key);
    }
    rk_snapshot_release(search->view);
    return status;
}

rk_status rki_collisions_step(rki_collisions *search, bool *finished, rk_error *err)
{
    if (search->job.spec->strategy == RK_STRATEGY_MOVE)
        return searched(search, finished, err);
    *finished = true;
    return noted(search, err);
}
