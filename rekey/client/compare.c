/* compare.c: comparison reads. A sampled get looks at both of the record's keys in its snapshot;
 * what it finds is counted, and never changes the answer. */
#include "rekey/client/client_private.h"

#define FLUSH_AT_MAX 1024

typedef enum finding { NOT_COMPARED, EQUAL, DIFFERENT } finding;

void rki_compare_init(rki_comparing *comparing)
{
    uint64_t seed; /* each client samples other reads than its neighbours */
    *comparing = (rki_comparing){.flush_at = 1};
    rk_random_bytes(&seed, sizeof seed);
    rk_prng_init(&comparing->sampler, seed);
}

/* --- comparing -------------------------------------------------------------------------------- */

/* Whether the backfill has been everywhere in this tenant's tier. */
static rk_status is_backfilled(rki_session *session, const rki_target *target, bool *out)
{
    rk_checkpoint point;
    rk_tier tier = rk_spec_tier(session->spec, target->binding.value[session->spec->tenant]);
    *out = session->rule->read == RK_READ_NEW; /* flipped: nothing is on its way any more */
    if (*out)
        return RK_OK;
    rk_status status = rk_checkpoint_load(session->view, session->client->meta, tier, &point, NULL);
    *out = status == RK_OK && point.job == RK_JOB_BACKFILL && point.finished;
    return status == RK_NOT_FOUND ? RK_OK : status;
}

/* A new record whose old key holds another one, or none: right only if that was noted. */
static rk_status judge_lone_new(rki_session *session, const rki_found *new, finding *out)
{
    bool shadow = false;
    rk_status status = rk_shadow_has(session->view, session->client->meta, new->key, &shadow, NULL);
    *out = shadow ? EQUAL : DIFFERENT;
    return status;
}

/* Both sides are written: the new record is what the old one becomes. */
static rk_status judge_copies(rki_session *session, const rki_target *target, const rki_found *old,
                              const rki_found *new, finding *out)
{
    bool backfilled = false;
    if (old->present && old->reason != RK_REASON_NONE)
        return RK_OK; /* left alone, and in the quarantine */
    if (!rki_is_in_scope(old, target))
        return new->present ? judge_lone_new(session, new, out) : RK_OK;
    if (new->present) {
        *out = rki_is_consistent(new) && rk_slice_equal(new->value, old->image.new_value)
                   ? EQUAL
                   : DIFFERENT;
        return RK_OK;
    }
    rk_status status = is_backfilled(session, target, &backfilled);
    if (status == RK_OK && backfilled)
        *out = DIFFERENT;
    return status;
}

static rk_status judge(rki_session *session, const rki_target *target, finding *out)
{
    rki_found old;
    rki_found new;
    *out = NOT_COMPARED;
    rk_status status = rki_find_old(session, target, &old, NULL);
    if (status == RK_OK)
        status = rki_find_new(session, target, &new, NULL);
    if (status != RK_OK)
        return status;
    if (session->rule->compare == RK_COMPARE_COPIES)
        return judge_copies(session, target, &old, &new, out);
    bool at_old = rki_is_in_scope(&old, target);
    bool at_new = rki_is_consistent(&new);
    if (at_old || at_new)
        *out = at_old && at_new ? DIFFERENT : EQUAL;
    return RK_OK;
}

/* --- counting --------------------------------------------------------------------------------- */

static bool is_sampled(rki_local *client)
{
    uint32_t one_in = client->options.compare_one_in;
    if (one_in == 0)
        return false;
    pthread_mutex_lock(&client->lock);
    bool sampled = rk_prng_below(&client->comparing.sampler, one_in) == 0;
    pthread_mutex_unlock(&client->lock);
    return sampled;
}

static void add(rk_comparisons *to, const rk_comparisons *more)
{
    to->compared += more->compared;
    to->different += more->different;
}

/* Whether a flip would still go by: its verdict is clean, and made when the store knew as many
 * differences as now. Then this one must be told at once. */
static bool is_urgent(rki_session *session, const rki_target *target)
{
    rk_table meta = session->client->meta;
    rk_tier tier = rk_spec_tier(session->spec, target->binding.value[session->spec->tenant]);
    rk_verdict verdict;
    rk_compared known;
    return rk_verdict_load(session->view, meta, tier, &verdict, NULL) == RK_OK && verdict.clean &&
           rk_compared_load(session->view, meta, &known, NULL) == RK_OK &&
           verdict.evidence.differences == known.different;
}

void rki_compare(rki_session *session, const rki_target *target)
{
    rki_local *client = session->client;
    finding found = NOT_COMPARED;
    if (session->rule->compare == RK_COMPARE_NOT || !is_sampled(client))
        return;
    if (judge(session, target, &found) != RK_OK || found == NOT_COMPARED)
        return;
    rk_comparisons one = {1, found == DIFFERENT};
    bool urgent = found == DIFFERENT && is_urgent(session, target);
    pthread_mutex_lock(&client->lock);
    client->comparing.urgent |= urgent;
    add(&client->comparing.total, &one);
    add(&client->comparing.pending, &one);
    pthread_mutex_unlock(&client->lock);
}

rk_comparisons rki_local_comparisons(rk_client *of)
{
    rki_local *client = rki_local_of(of);
    pthread_mutex_lock(&client->lock);
    rk_comparisons total = client->comparing.total;
    pthread_mutex_unlock(&client->lock);
    return total;
}

/* --- writing down ----------------------------------------------------------------------------- */

rk_status rki_compare_take(rki_local *client, rk_txn *txn, rk_comparisons *taken, rk_error *err)
{
    pthread_mutex_lock(&client->lock);
    *taken = client->comparing.pending;
    client->comparing.pending = (rk_comparisons){0};
    pthread_mutex_unlock(&client->lock);
    if (taken->compared == 0)
        return RK_OK;
    rk_compared more = {taken->compared, taken->different};
    return rk_compared_add(txn, client->meta, &more, err);
}

void rki_compare_return(rki_local *client, const rk_comparisons *taken)
{
    pthread_mutex_lock(&client->lock);
    add(&client->comparing.pending, taken);
    pthread_mutex_unlock(&client->lock);
}

/* At the first difference, then less and less often while nobody is misled: reads must not become
 * writes. */
static bool is_due(rki_local *client, bool closing)
{
    const rki_comparing *comparing = &client->comparing;
    pthread_mutex_lock(&client->lock);
    bool due = closing
                   ? comparing->pending.compared > 0
                   : comparing->pending.different > 0 &&
                         (comparing->urgent || comparing->pending.different >= comparing->flush_at);
    pthread_mutex_unlock(&client->lock);
    return due && !client->options.read_only;
}

static void was_flushed(rki_local *client)
{
    rki_comparing *comparing = &client->comparing;
    pthread_mutex_lock(&client->lock);
    comparing->urgent = false;
    if (comparing->flush_at < FLUSH_AT_MAX)
        comparing->flush_at *= 2;
    pthread_mutex_unlock(&client->lock);
}

void rki_compare_flush(rki_local *client, bool closing)
{
    rk_txn *txn = NULL;
    rk_comparisons taken = {0};
    if (!is_due(client, closing) || rk_txn_begin(client->store, &txn, NULL) != RK_OK)
        return;
    rk_status status = rki_compare_take(client, txn, &taken, NULL);
    if (status == RK_OK)
        status = rk_txn_commit(txn, NULL);
    else
        rk_txn_abort(txn);
    if (status == RK_OK)
        was_flushed(client);
    else
        rki_compare_return(client, &taken);
}
