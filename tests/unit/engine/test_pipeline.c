/* Whatever becomes of the chunks that are lent, the writer gets what it would without lending: the
 * same records in the same order, prepared alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rekey/base/codec.h"
#include "rekey/base/prng.h"
#include "rekey/engine/hand.h"
#include "rekey/engine/pipeline.h"
#include "rekey/engine/result.h"
#include "tests/unit/engine/yard.h"

#define TRIES_MAX        1000
#define DRAIN_BYTES_MAX  ((size_t)64 << 20)
#define RESULT_BYTES_MAX ((size_t)4 << 20)

/* --- a lender whose worker is in the same process --------------------------------------------- */

typedef enum mood {
    EXACT,
    AWAY,      /* nobody ever wants a chunk */
    DEAD,      /* takes chunks and gives nothing back */
    BRIEF,     /* gives back half of the entries */
    OTHERS,    /* saw other values in every third record */
    SHIFTED,   /* lies: gives each record the operations of the one before */
    TORN,      /* cut off in the middle */
    FLIPPED,   /* some bytes are others */
    RANDOM,    /* any bytes */
    OUTSIDERS, /* offers are answered by who prepares for another epoch */
    MOODS
} mood;

static const char *const mood_names[MOODS] = {"exact",   "away", "dead",    "brief",  "others",
                                              "shifted", "torn", "flipped", "random", "outsiders"};

/* Pipelines lend from several threads, but this lender has one place; the thread that has it is the
 * only one that touches the rest. */
typedef struct fake {
    rk_lender lender;
    yard *yard;
    mood mood;
    rk_hand *hand;
    rk_prng prng;
    rk_buf result;
    _Atomic bool taken;
    _Atomic bool lends;
    uint32_t offers;
    uint32_t used;
    uint32_t prepared;
} fake;

static void fake_begin(void *context, rk_short_key *walk)
{
    fake *f = context;
    memset(walk->bytes, 7 + (int)f->offers, sizeof walk->bytes);
    f->lends = true;
}

static void fake_end(void *context)
{
    fake *f = context;
    f->lends = false;
}

static bool fake_reserve(void *context, uint32_t timeout_ms, uint32_t *place)
{
    fake *f = context;
    const rk_clock *clock = rk_clock_system();
    bool free = false;
    if (f->lends && f->mood != AWAY && atomic_compare_exchange_strong(&f->taken, &free, true)) {
        *place = 3;
        return true;
    }
    (void)timeout_ms;
    clock->pause_ns(clock->context, 1000000);
    return false;
}

/* Entries anew: their digests or bodies are changed. */
static void rewrite(fake *f)
{
    rk_arena arena;
    rki_entry *entries = NULL;
    size_t count = 0;
    rk_buf out;
    rk_arena_init(&arena, RESULT_BYTES_MAX);
    rk_buf_init(&out, RESULT_BYTES_MAX);
    must(rki_result_open(rk_buf_slice(&f->result), RKI_CHUNK_RECORDS_MAX, &arena, &entries, &count,
                         NULL),
         NULL);
    size_t kept = f->mood == BRIEF ? count / 2 : count;
    must(rk_put_u8(&out, 1, NULL), NULL);
    must(rk_put_u32(&out, (uint32_t)kept, NULL), NULL);
    for (size_t i = 0; i < kept; i++) {
        size_t from = f->mood == BRIEF ? 2 * i : i;
        bool other = f->mood == OTHERS && i % 3 == 0;
        size_t body = f->mood == SHIFTED && i > 0 ? i - 1 : from;
        must(rk_put_u64(&out, entries[from].seen.key, NULL), NULL);
        must(rk_put_u64(&out, entries[from].seen.value + other, NULL), NULL);
        must(rk_put_bytes(&out, entries[body].body, NULL), NULL);
    }
    rk_buf_fini(&f->result);
    f->result = out;
    rk_arena_fini(&arena);
}

static void spoil(fake *f)
{
    size_t len = f->result.len;
    for (size_t i = 0; f->mood == FLIPPED && i < 40; i++)
        f->result.ptr[5 + rk_prng_below(&f->prng, len - 5)] ^=
            (uint8_t)rk_prng_below(&f->prng, 256);
    for (size_t i = 0; f->mood == RANDOM && i < len; i++)
        f->result.ptr[i] = (uint8_t)rk_prng_below(&f->prng, 256);
    if (f->mood == TORN)
        f->result.len = rk_prng_below(&f->prng, len);
}

static void fake_offer(void *context, uint32_t place, rk_slice offer)
{
    fake *f = context;
    uint32_t records = 0;
    rk_error err = {0};
    assert_int_equal(place, 3);
    f->offers++;
    if (f->mood == OUTSIDERS) {
        rk_offer changed;
        rk_buf again;
        rk_buf_init(&again, RK_OFFER_BYTES_MAX);
        must(rk_offer_decode(offer, &changed, &err), &err);
        changed.epoch++;
        must(rk_offer_encode(&changed, &again, &err), &err);
        must(rk_hand_do(f->hand, rk_buf_slice(&again), &f->result, &records, &err), &err);
        assert_int_equal(records, 0);
        rk_buf_fini(&again);
    } else if (f->mood != DEAD) {
        must(rk_hand_do(f->hand, offer, &f->result, &records, &err), &err);
    }
    if (f->mood == BRIEF || f->mood == OTHERS || f->mood == SHIFTED)
        rewrite(f);
    spoil(f);
}

static bool fake_collect(void *context, uint32_t place, rk_slice *result)
{
    fake *f = context;
    assert_int_equal(place, 3);
    *result = rk_buf_slice(&f->result);
    return f->mood != DEAD;
}

static void fake_release(void *context, uint32_t place, const rk_lent *outcome)
{
    fake *f = context;
    assert_int_equal(place, 3);
    f->used += outcome->used;
    f->prepared += outcome->prepared;
    f->taken = false;
}

static void fake_open(fake *f, yard *y, mood m)
{
    rk_error err = {0};
    *f = (fake){.yard = y, .mood = m};
    f->lender = (rk_lender){.context = f,
                            .begin = fake_begin,
                            .end = fake_end,
                            .reserve = fake_reserve,
                            .offer = fake_offer,
                            .collect = fake_collect,
                            .release = fake_release};
    rk_prng_init(&f->prng, 5 + (uint64_t)m);
    rk_buf_init(&f->result, RESULT_BYTES_MAX);
    must(rk_hand_create(y->shelf.store, rk_clock_system(), &f->hand, &err), &err);
}

static void fake_close(fake *f)
{
    rk_hand_destroy(f->hand);
    rk_buf_fini(&f->result);
}

/* --- what the writer gets --------------------------------------------------------------------- */

static void note(rk_buf *out, rk_slice bytes)
{
    must(rk_put_bytes(out, bytes, NULL), NULL);
}

static void note_record(rk_buf *out, const rki_work *work, const rk_unit *unit)
{
    note(out, work->tenant);
    note(out, work->key);
    note(out, work->value);
    must(rk_put_u8(out, (uint8_t)work->reason, NULL), NULL);
    note(out, rk_slice_str(work->detail));
    for (uint32_t i = 0; work->reason == RK_REASON_NONE && i < unit->op_count; i++) {
        const rk_op *op = &unit->ops[i];
        must(rk_put_u8(out, op->action, NULL), NULL);
        must(rk_put_u8(out, op->condition, NULL), NULL);
        must(rk_put_u32(out, op->table, NULL), NULL);
        note(out, op->key);
        note(out, op->value);
        note(out, op->expected);
    }
}

/* Everything that a job's pipeline gives; how many records. */
static size_t drain(const rki_job *job, uint32_t workers, rk_buf *out)
{
    rki_pipeline *pipeline = NULL;
    rki_chunk *chunk = NULL;
    rk_error err = {0};
    rk_status status;
    size_t count = 0;
    must(rki_pipeline_create(job, NULL, workers, &pipeline, &err), &err);
    while ((status = rki_pipeline_take(pipeline, &chunk, &err)) == RK_OK) {
        for (size_t i = 0; i < chunk->count; i++)
            note_record(out, &chunk->work[i], &chunk->units[i]);
        count += chunk->count;
        rki_pipeline_give(pipeline);
    }
    assert_int_equal(status, RK_NOT_FOUND);
    rki_pipeline_destroy(pipeline);
    return count;
}

/* --- a store with something of everything ----------------------------------------------------- */

#define CONTRACTS 3000

static void put_both(yard *y, rk_txn *txn, int n, const char *entity, const char *value)
{
    char key[96];
    char as_new[256];
    snprintf(key, sizeof key, "TENANT#t%d#%s#%05d", n % 5, entity, n);
    yard_put_in(y, txn, rk_slice_str(key), rk_slice_str(value));
    snprintf(key, sizeof key, "TENANT#t%d#CAPSULE#DEV#%s#%05d", n % 5, entity, n);
    snprintf(as_new, sizeof as_new, "{\"c\":\"DEV\",\"contract_id\":\"%05d\",\"n\":1}", n);
    if (n % 2)
        yard_put_in(y, txn, rk_slice_str(key), rk_slice_str(as_new));
}

static void fill(yard *y)
{
    rk_txn *txn = shelf_begin(&y->shelf);
    char value[128];
    for (int n = 0; n < CONTRACTS; n++) {
        snprintf(value, sizeof value, "{\"n\":%d,\"text\":\"%0*d\",\"c\":\"%s\"}", n, n % 60 + 1, 0,
                 n % 11 == 0  ? "NONE"
                 : n % 2 == 0 ? "PROD"
                              : "DEV");
        put_both(y, txn, n, "CONTRACT", n % 97 == 0 ? "no json" : value);
        if (n % 3 != 0)
            continue;
        /* Every seventh has no parent. */
        snprintf(value, sizeof value, "{\"contract_id\":\"%05d\"}", n % 7 ? n : n + CONTRACTS);
        put_both(y, txn, n, "ITEM", value);
    }
    yard_put_in(y, txn, rk_slice_str("TENANT#t1#CONFIG"), rk_slice_str("{\"c\":\"PROD\"}"));
    yard_put_in(y, txn, rk_slice_str("TENANT#t1#STRAY#1"), rk_slice_str("?"));
    yard_put_in(y, txn, rk_slice_str("OUTSIDE"), rk_slice_str("?"));
    shelf_commit(txn);
}

static const rk_job jobs[] = {RK_JOB_BACKFILL, RK_JOB_CONTRACT, RK_JOB_RETURN, RK_JOB_DROP_NEW};

static void check_mood(yard *y, const rki_job *plain, mood m)
{
    rk_buf expected;
    rk_buf found;
    fake f;
    rki_job job = *plain;
    const char *name = rki_job_rule_of(job.kind)->name;
    rk_buf_init(&expected, DRAIN_BYTES_MAX);
    rk_buf_init(&found, DRAIN_BYTES_MAX);
    fake_open(&f, y, m);
    job.lender = &f.lender;
    size_t count = drain(plain, 1, &expected);
    assert_true(count > 1000);
    /* The scanners race for chunks; somewhen one of those that lend is first. */
    for (int i = 0; i < (m == AWAY ? 1 : TRIES_MAX) && f.offers == 0; i++) {
        rk_buf_reset(&found);
        assert_int_equal(drain(&job, 1, &found), count);
    }
    bool changed = m == FLIPPED || m == SHIFTED; /* it may say another thing of a record */
    if (!changed && !rk_slice_equal(rk_buf_slice(&expected), rk_buf_slice(&found)))
        fail_msg("%s, %s: not what it is without lending", name, mood_names[m]);
    bool helps = m == EXACT || m == BRIEF || m == OTHERS || m == SHIFTED;
    if (helps != (f.used > 0) && m != FLIPPED)
        fail_msg("%s, %s: %u of %u offers' records used", name, mood_names[m], f.used, f.offers);
    if (m == EXACT)
        assert_int_equal(f.prepared, 0);
    if ((m == BRIEF || m == OTHERS) && f.offers > 0)
        assert_true(f.prepared > 0);
    assert_true(m == AWAY ? f.offers == 0 : f.offers > 0);
    fake_close(&f);
    rk_buf_fini(&expected);
    rk_buf_fini(&found);
}

static void check_strategy(rk_strategy strategy)
{
    yard y;
    yard_open(&y, strategy);
    fill(&y);
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        rki_job job = yard_job(&y, jobs[i], RK_TIER_PRODUCTION);
        for (int m = 0; m < MOODS; m++)
            check_mood(&y, &job, (mood)m);
    }
    yard_close(&y);
}

static void lending_changes_nothing_of_a_dual_write(void **state)
{
    (void)state;
    check_strategy(RK_STRATEGY_DUAL_WRITE);
}

static void lending_changes_nothing_of_a_move(void **state)
{
    (void)state;
    check_strategy(RK_STRATEGY_MOVE);
}

/* A pipeline that is destroyed half-way waits for nobody. */
static void an_end_in_the_middle(void **state)
{
    (void)state;
    yard y;
    fake f;
    rki_pipeline *pipeline = NULL;
    rki_chunk *chunk = NULL;
    rk_error err = {0};
    yard_open(&y, RK_STRATEGY_MOVE);
    fill(&y);
    fake_open(&f, &y, EXACT);
    rki_job job = yard_job(&y, RK_JOB_BACKFILL, RK_TIER_PRODUCTION);
    job.lender = &f.lender;
    for (int taken = 0; taken < 3; taken++) {
        must(rki_pipeline_create(&job, NULL, 2, &pipeline, &err), &err);
        for (int i = 0; i < taken; i++) {
            must(rki_pipeline_take(pipeline, &chunk, &err), &err);
            rki_pipeline_give(pipeline);
        }
        rki_pipeline_destroy(pipeline);
        assert_false(f.taken);
        assert_false(f.lends);
    }
    fake_close(&f);
    yard_close(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lending_changes_nothing_of_a_dual_write),
        cmocka_unit_test(lending_changes_nothing_of_a_move),
        cmocka_unit_test(an_end_in_the_middle),
    };
    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
