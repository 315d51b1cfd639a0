/* The order of a job is total: however large a tenant is and wherever a walk resumes, the records
 * come in the order of a model, which sorts them by (stage, tenant, rank, key). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rekey/base/prng.h"
#include "tests/unit/engine/yard.h"

#define RECORDS_MAX 400
#define KEY_BYTES   64

/* Values so long that a tenant of 50 records passes a chunk's bytes. */
#define LONG_VALUE_BYTES (64 * 1024)

typedef struct item {
    char key[KEY_BYTES];
    char tenant[16]; /* empty outside of every tenant */
    int entity;
    rki_side side;
    uint32_t stage;
    uint32_t rank;
} item;

typedef struct items {
    item item[RECORDS_MAX];
    size_t count;
} items;

/* --- a pseudo-random store -------------------------------------------------------------------- */

static const struct {
    const char *format; /* of a key: tenant, number */
    int entity;
    rki_side side;
} shapes[] = {
    {"TENANT#%s#CONTRACT#%03d", CONTRACT, RKI_SIDE_OLD},
    {"TENANT#%s#ITEM#%03d", ITEM, RKI_SIDE_OLD},
    {"TENANT#%s#A-SUB#%03d", SUB, RKI_SIDE_OLD},
    {"TENANT#%s#SCOPED#PROD#%03d", SCOPED, RKI_SIDE_OLD},
    {"TENANT#%s#SCOPED#DEV#%03d", SCOPED, RKI_SIDE_OLD},
    {"TENANT#%s#STRAY#%03d", -1, RKI_SIDE_OLD},
    {"TENANT#%s#CONTRACT#1#%03d", -1, RKI_SIDE_OLD},
    {"TENANT#%s#CAPSULE#PROD#CONTRACT#%03d", CONTRACT, RKI_SIDE_NEW},
    {"TENANT#%s#CAPSULE#DEV#ITEM#%03d", ITEM, RKI_SIDE_NEW},
    {"TENANT#%s#CAPSULE#DEV#SUB#%03d", SUB, RKI_SIDE_NEW},
    {"TENANT#%s#CAPSULE#PROD#SCOPED#%03d", SCOPED, RKI_SIDE_NEW},
};

/* "b!" and "b$" stand around the delimiter: their keys sort before and behind those of "b". */
static const char *const tenants[] = {"a", "b", "b!", "b$", "bb", "s-1", "s-2", "z"};

static const char *const outside[] = {"A", "TENANT#", "TENANT##x", "TENANT#b", "TENANTS#b#c", "Z"};

static item *add(items *all, const char *tenant, int entity, rki_side side)
{
    assert_true(all->count < RECORDS_MAX);
    item *it = &all->item[all->count++];
    *it = (item){.entity = entity, .side = side};
    snprintf(it->tenant, sizeof it->tenant, "%s", tenant);
    return it;
}

/* Each tenant gets a few records, tenant `large` (NULL for none) more than 50 of either side. */
static void make_items(rk_prng *prng, const char *large, items *all)
{
    enum { SHAPES = sizeof shapes / sizeof *shapes };
    all->count = 0;
    for (size_t t = 0; t < sizeof tenants / sizeof *tenants; t++) {
        bool is_large = large && strcmp(tenants[t], large) == 0;
        int count = is_large ? 180 : (int)rk_prng_below(prng, 9);
        if (is_large || rk_prng_below(prng, 2) == 0)
            snprintf(add(all, tenants[t], CONFIG, RKI_SIDE_OLD)->key, KEY_BYTES, "TENANT#%s#CONFIG",
                     tenants[t]);
        for (int n = 0; n < count; n++) {
            size_t shape = (size_t)rk_prng_below(prng, SHAPES);
            item *it = add(all, tenants[t], shapes[shape].entity, shapes[shape].side);
            snprintf(it->key, KEY_BYTES, shapes[shape].format, tenants[t], n);
        }
    }
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        snprintf(add(all, "", -1, RKI_SIDE_OLD)->key, KEY_BYTES, "%s", outside[i]);
}

static void store_items(yard *y, const items *all, size_t value_bytes)
{
    static uint8_t value[LONG_VALUE_BYTES];
    rk_txn *txn = shelf_begin(&y->shelf);
    for (size_t i = 0; i < all->count; i++)
        yard_put_in(y, txn, rk_slice_str(all->item[i].key), rk_slice_of(value, value_bytes));
    shelf_commit(txn);
}

/* --- the model -------------------------------------------------------------------------------- */

static int compare_items(const void *left, const void *right)
{
    const item *a = left;
    const item *b = right;
    char tenant_a[20];
    char tenant_b[20];
    snprintf(tenant_a, sizeof tenant_a, "%s#", a->tenant); /* in the order of their keys */
    snprintf(tenant_b, sizeof tenant_b, "%s#", b->tenant);
    int tenant = strcmp(tenant_a, tenant_b);
    if (a->stage != b->stage)
        return a->stage < b->stage ? -1 : 1;
    if (tenant != 0)
        return tenant;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return strcmp(a->key, b->key);
}

/* Whether the job meets the record; sets its stage and rank. */
static bool meets(const rki_job *job, item *it)
{
    bool backfill = job->kind == RK_JOB_BACKFILL;
    bool canary = strncmp(it->tenant, "s-", 2) == 0;
    if (canary != (job->tier == RK_TIER_CANARY))
        return false;
    if (it->entity < 0 ? !backfill : it->side != rki_job_rule_of(job->kind)->side)
        return false;
    bool first = it->entity == job->template_entity || job->spec->entity_count == 1;
    it->stage = !backfill ? 0 : !it->tenant[0] ? 2 : first ? 0 : 1;
    it->rank = it->tenant[0] ? rki_job_rank(job, it->entity) : 0;
    return true;
}

static void expect(const rki_job *job, const items *all, items *out)
{
    out->count = 0;
    for (size_t i = 0; i < all->count; i++) {
        item it = all->item[i];
        if (meets(job, &it))
            out->item[out->count++] = it;
    }
    qsort(out->item, out->count, sizeof *out->item, compare_items);
}

/* --- walking ---------------------------------------------------------------------------------- */

static void copy_text(rk_slice from, char *out, size_t size)
{
    assert_true(from.len < size);
    if (from.len > 0)
        memcpy(out, from.ptr, from.len);
    out[from.len] = '\0';
}

static void walk(const rki_job *job, const rk_checkpoint *from, items *out)
{
    rki_walker *walker = NULL;
    rki_chunk chunk;
    rk_error err = {0};
    rk_status status;
    must(rki_chunk_init(&chunk, NULL, &err), &err);
    must(rki_walker_create(job, from, &walker, &err), &err);
    out->count = 0;
    while ((status = rki_walker_next(walker, &chunk, &err)) == RK_OK) {
        for (size_t i = 0; i < chunk.count; i++) {
            const rki_work *work = &chunk.work[i];
            assert_true(out->count < RECORDS_MAX);
            item *it = &out->item[out->count++];
            *it = (item){.entity = work->entity, .stage = chunk.stage, .rank = work->rank};
            copy_text(work->key, it->key, sizeof it->key);
            copy_text(work->tenant, it->tenant, sizeof it->tenant);
        }
    }
    assert_int_equal(status, RK_NOT_FOUND);
    rki_walker_destroy(walker);
    rki_chunk_fini(&chunk);
}

static void assert_same(const items *found, const item *expected, size_t count, const char *where)
{
    for (size_t i = 0; i < found->count && i < count; i++) {
        const item *a = &found->item[i];
        const item *b = &expected[i];
        if (strcmp(a->key, b->key) != 0 || strcmp(a->tenant, b->tenant) != 0 ||
            a->entity != b->entity || a->stage != b->stage || a->rank != b->rank)
            fail_msg("%s: at %zu %s (stage %u, rank %u), not %s (stage %u, rank %u)", where, i,
                     a->key, a->stage, a->rank, b->key, b->stage, b->rank);
    }
    if (found->count != count)
        fail_msg("%s: %zu records, not %zu", where, found->count, count);
}

/* The checkpoint that says: everything up to this record has been processed. */
static rk_checkpoint checkpoint_at(const item *it)
{
    rk_checkpoint point = {.stage = it->stage, .rank = it->rank};
    point.tenant_len = strlen(it->tenant);
    point.key_len = strlen(it->key);
    memcpy(point.tenant, it->tenant, point.tenant_len);
    memcpy(point.key, it->key, point.key_len);
    return point;
}

static void check_resumes(const rki_job *job, const items *expected)
{
    static items found;
    for (size_t i = 0; i < expected->count; i++) {
        rk_checkpoint point = checkpoint_at(&expected->item[i]);
        walk(job, &point, &found);
        assert_same(&found, expected->item + i + 1, expected->count - i - 1,
                    point.key_len ? expected->item[i].key : "the beginning");
    }
    for (uint32_t stage = 0; stage <= rki_job_rule_of(job->kind)->stages; stage++) {
        rk_checkpoint point = {.stage = stage};
        size_t first = 0;
        while (first < expected->count && expected->item[first].stage < stage)
            first++;
        walk(job, &point, &found);
        assert_same(&found, expected->item + first, expected->count - first, "a stage's beginning");
    }
}

static const rk_job jobs[] = {RK_JOB_BACKFILL, RK_JOB_CONTRACT, RK_JOB_RETURN, RK_JOB_DROP_NEW};

typedef void open_yard(yard *y, rk_strategy strategy);

static void check_store(open_yard *open, const items *all, size_t value_bytes)
{
    static items expected;
    static items found;
    yard y;
    open(&y, RK_STRATEGY_DUAL_WRITE);
    store_items(&y, all, value_bytes);
    for (size_t j = 0; j < sizeof jobs / sizeof *jobs; j++) {
        for (int tier = 0; tier < RK_TIER_COUNT; tier++) {
            rki_job job = yard_job(&y, jobs[j], (rk_tier)tier);
            expect(&job, all, &expected);
            walk(&job, NULL, &found);
            assert_same(&found, expected.item, expected.count, rki_job_rule_of(jobs[j])->name);
            check_resumes(&job, &expected);
        }
    }
    yard_close(&y);
}

/* --- positions -------------------------------------------------------------------------------- */

/* What the other walker reads from here on begins with the chunk's records, in as many chunks as it
 * takes: who came from the tenant's beginning may have left out what is read again here. */
static void assert_goes_on_with(rki_walker *other, rki_chunk *again, const rki_chunk *chunk,
                                const char *where)
{
    size_t found = 0;
    while (found < chunk->count) {
        rk_error err = {0};
        must(rki_walker_next(other, again, &err), &err);
        assert_int_equal(again->stage, chunk->stage);
        for (size_t i = 0; i < again->count && found < chunk->count; i++, found++)
            if (!rk_slice_equal(again->work[i].key, chunk->work[found].key) ||
                again->work[i].rank != chunk->work[found].rank)
                fail_msg("%s: at %zu another record", where, found);
        if (again->stage_end && found < chunk->count)
            fail_msg("%s: %zu records, not %zu", where, found, chunk->count);
    }
}

/* Another walker is placed wherever this one begins a chunk. */
static void check_positions(const rki_job *job, const rki_chunk_limits *limits)
{
    const char *name = rki_job_rule_of(job->kind)->name;
    rki_walker *walker = NULL;
    rki_walker *other = NULL;
    rki_chunk chunk;
    rki_chunk again;
    rk_checkpoint position;
    rk_error err = {0};
    rk_status status = RK_OK;
    must(rki_chunk_init(&chunk, limits, &err), &err);
    must(rki_chunk_init(&again, limits, &err), &err);
    must(rki_walker_create(job, NULL, &walker, &err), &err);
    must(rki_walker_create(job, NULL, &other, &err), &err);
    while (status == RK_OK) {
        rki_walker_position(walker, &position);
        must(rki_walker_place(other, &position, &err), &err);
        status = rki_walker_next(walker, &chunk, &err);
        if (status == RK_OK)
            assert_goes_on_with(other, &again, &chunk, name);
        else
            assert_int_equal(rki_walker_next(other, &again, NULL), status);
    }
    assert_int_equal(status, RK_NOT_FOUND);
    rki_walker_destroy(other);
    rki_walker_destroy(walker);
    rki_chunk_fini(&again);
    rki_chunk_fini(&chunk);
}

static void check_all_positions(yard *y, const rki_chunk_limits *limits)
{
    for (size_t j = 0; j < sizeof jobs / sizeof *jobs; j++) {
        for (int tier = 0; tier < RK_TIER_COUNT; tier++) {
            rki_job job = yard_job(y, jobs[j], (rk_tier)tier);
            check_positions(&job, limits);
        }
    }
}

/* --- tests ------------------------------------------------------------------------------------ */

static void small_tenants_come_in_order(void **state)
{
    (void)state;
    static items all;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        rk_prng prng;
        rk_prng_init(&prng, seed);
        make_items(&prng, NULL, &all);
        check_store(yard_open, &all, 2);
    }
}

/* The same keys with short values, where the tenant fits into a chunk, and with long ones. */
static void large_tenants_come_in_the_same_order(void **state)
{
    (void)state;
    static const char *const large[] = {"b", "s-1"};
    static items all;
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        rk_prng prng;
        rk_prng_init(&prng, 100 + i);
        make_items(&prng, large[i], &all);
        check_store(yard_open, &all, 2);
        check_store(yard_open, &all, LONG_VALUE_BYTES);
    }
}

/* As the only entity's spec sees them: all but contracts match nothing. */
static void leave_contracts(items *all)
{
    for (size_t i = 0; i < all->count; i++)
        all->item[i].entity = all->item[i].entity == CONTRACT ? 0 : -1;
}

/* Keys that match nothing then come with the template entity: before, between and behind the
 * prefixes of its keys, and inside of them in tenants of either kind, large ones too. */
static void an_only_entity_brings_the_strays_along(void **state)
{
    (void)state;
    static const char *const large[] = {NULL, "b", "s-1"};
    static items all;
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        rk_prng prng;
        rk_prng_init(&prng, 200 + i);
        make_items(&prng, large[i], &all);
        leave_contracts(&all);
        check_store(yard_open_only, &all, 2);
        check_store(yard_open_only, &all, LONG_VALUE_BYTES);
    }
}

/* Chunks of a few records, which end between tenants, ranks and keys. */
static void a_walk_can_be_joined_at_any_chunk(void **state)
{
    (void)state;
    static items all;
    for (uint32_t records_max = 1; records_max < 40; records_max += 3) {
        const rki_chunk_limits limits = {records_max, RKI_CHUNK_BYTES_MAX};
        rk_prng prng;
        yard y;
        rk_prng_init(&prng, records_max);
        make_items(&prng, records_max % 2 ? "b" : NULL, &all);
        yard_open(&y, RK_STRATEGY_DUAL_WRITE);
        store_items(&y, &all, 2);
        check_all_positions(&y, &limits);
        yard_close(&y);
        yard_open_only(&y, RK_STRATEGY_DUAL_WRITE);
        store_items(&y, &all, 2);
        check_all_positions(&y, &limits);
        yard_close(&y);
    }
}

static void an_empty_store_has_no_records(void **state)
{
    (void)state;
    static items all;
    all.count = 0;
    check_store(yard_open, &all, 2);
}

/* More records than a chunk holds, in one tenant: none is lost or given twice at the borders. */
static void many_records_come_once(void **state)
{
    (void)state;
    enum { COUNT = 2 * RKI_CHUNK_RECORDS_MAX + 5 };
    yard y;
    rki_walker *walker = NULL;
    rki_chunk chunk;
    rk_error err = {0};
    size_t count = 0;
    char last[KEY_BYTES] = "";
    yard_open(&y, RK_STRATEGY_MOVE);
    rk_txn *txn = shelf_begin(&y.shelf);
    for (int i = 0; i < COUNT; i++) {
        char key[KEY_BYTES];
        snprintf(key, sizeof key, "TENANT#a#CONTRACT#%06d", i);
        yard_put_in(&y, txn, rk_slice_str(key), rk_slice_str("{}"));
    }
    shelf_commit(txn);
    rki_job job = yard_job(&y, RK_JOB_BACKFILL, RK_TIER_PRODUCTION);
    must(rki_chunk_init(&chunk, NULL, &err), &err);
    must(rki_walker_create(&job, NULL, &walker, &err), &err);
    while (rki_walker_next(walker, &chunk, &err) == RK_OK) {
        assert_true(chunk.count <= RKI_CHUNK_RECORDS_MAX);
        for (size_t i = 0; i < chunk.count; i++) {
            char key[KEY_BYTES];
            copy_text(chunk.work[i].key, key, sizeof key);
            assert_true(strcmp(last, key) < 0);
            memcpy(last, key, sizeof last);
        }
        count += chunk.count;
    }
    assert_int_equal(count, COUNT);
    rki_walker_destroy(walker);
    rki_chunk_fini(&chunk);
    yard_close(&y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_tenants_come_in_order),
        cmocka_unit_test(large_tenants_come_in_the_same_order),
        cmocka_unit_test(an_only_entity_brings_the_strays_along),
        cmocka_unit_test(a_walk_can_be_joined_at_any_chunk),
        cmocka_unit_test(an_empty_store_has_no_records),
        cmocka_unit_test(many_records_come_once),
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
