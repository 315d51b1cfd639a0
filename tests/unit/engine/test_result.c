/* Offers and results as bytes: there and back, cut short at every byte, and whatever else a body
 * may hold that no unit does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rekey/version.h>

#include "rekey/base/codec.h"
#include "rekey/engine/result.h"
#include "tests/unit/engine/yard.h"

#define BYTES_MAX ((size_t)64 * 1024)

/* --- offers ----------------------------------------------------------------------------------- */

static rk_offer sample_offer(const char *version)
{
    rk_offer offer = {.version = version,
                      .walk = {{1, 2, 3}},
                      .kind = RK_JOB_RETURN,
                      .tier = RK_TIER_CANARY,
                      .epoch = 7,
                      .tier_epoch = UINT64_MAX,
                      .template_entity = UINT32_MAX,
                      .accept_loss = true,
                      .index_tables = 3,
                      .records_max = 100,
                      .bytes_max = 1000,
                      .from = {.stage = 1, .rank = 2, .tenant_len = 3, .key_len = 511}};
    memcpy(offer.from.tenant, "abc", 3);
    memset(offer.from.key, 0xff, 511);
    return offer;
}

static void offers_come_back(void **state)
{
    (void)state;
    rk_offer sent = sample_offer(rk_version());
    rk_offer read;
    rk_buf bytes;
    rk_buf_init(&bytes, RK_OFFER_BYTES_MAX);
    must(rk_offer_encode(&sent, &bytes, NULL), NULL);
    must(rk_offer_decode(rk_buf_slice(&bytes), &read, NULL), NULL);
    assert_ptr_equal(read.version, rk_version());
    assert_memory_equal(&read.walk, &sent.walk, sizeof sent.walk);
    assert_true(read.kind == sent.kind && read.tier == sent.tier && read.epoch == sent.epoch);
    assert_true(read.tier_epoch == sent.tier_epoch && read.accept_loss);
    assert_true(read.template_entity == UINT32_MAX && read.index_tables == 3);
    assert_true(read.records_max == 100 && read.bytes_max == 1000);
    assert_true(read.from.stage == 1 && read.from.rank == 2 && read.from.tenant_len == 3);
    assert_memory_equal(read.from.key, sent.from.key, 511);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(rk_offer_decode(rk_slice_of(bytes.ptr, len), &read, NULL), RK_CORRUPT);
    must(rk_put_u8(&bytes, 0, NULL), NULL);
    assert_int_equal(rk_offer_decode(rk_buf_slice(&bytes), &read, NULL), RK_CORRUPT);
    rk_buf_fini(&bytes);
}

static void another_version_is_seen(void **state)
{
    (void)state;
    rk_offer sent = sample_offer("0.0.0-other");
    rk_offer read;
    rk_buf bytes;
    rk_buf_init(&bytes, RK_OFFER_BYTES_MAX);
    must(rk_offer_encode(&sent, &bytes, NULL), NULL);
    must(rk_offer_decode(rk_buf_slice(&bytes), &read, NULL), NULL);
    assert_null(read.version);
    rk_buf_fini(&bytes);
}

/* --- results ---------------------------------------------------------------------------------- */

/* A job and a record, with room for what it becomes. */
typedef struct bench {
    yard yard;
    rki_job job;
    rki_work work;
    rk_arena arena;
    rk_op ops[RKI_UNIT_OPS_MAX];
    uint32_t count;
    rk_buf bytes;
} bench;

static const rk_short_key walk = {{9}};

static void bench_open(bench *b)
{
    *b = (bench){0};
    yard_open(&b->yard, RK_STRATEGY_MOVE);
    b->job = yard_job(&b->yard, RK_JOB_BACKFILL, RK_TIER_PRODUCTION);
    b->work = (rki_work){.key = RK_SLICE_LITERAL("TENANT#a#CONTRACT#1"),
                         .value = RK_SLICE_LITERAL("{\"c\":\"PROD\",\"n\":1}"),
                         .entity = CONTRACT};
    rk_arena_init(&b->arena, BYTES_MAX);
    rk_buf_init(&b->bytes, BYTES_MAX);
}

static void bench_close(bench *b)
{
    rk_buf_fini(&b->bytes);
    rk_arena_fini(&b->arena);
    yard_close(&b->yard);
}

/* A body of one CHECK of the record's own key, as far as the case does not say otherwise. */
typedef struct body_case {
    const char *name;
    int reason;
    int detail_len; /* with a reason */
    int nul_at;     /* in the detail; -1 for none */
    int ops;
    int what; /* action and condition */
    int table;
    int form;   /* of the key */
    int prefix; /* with a composed form */
    int suffix;
    int between;
    int more; /* bytes behind the end */
    bool holds;
} body_case;

#define PLAIN          .nul_at = -1, .ops = 1, .form = 1
#define COMPOSED(base) .nul_at = -1, .ops = 1, .form = 128 + (base)

static const body_case body_cases[] = {
    {"plain", PLAIN, .holds = true},
    {"no reason there is", PLAIN, .reason = RK_REASON_COUNT},
    {"left alone", .nul_at = -1, .reason = RK_REASON_ORPHAN, .detail_len = 191, .holds = true},
    {"no detail", .nul_at = -1, .reason = RK_REASON_ORPHAN, .holds = true},
    {"a detail too long", .nul_at = -1, .reason = RK_REASON_ORPHAN, .detail_len = 192},
    {"a detail with a NUL", .nul_at = 3, .reason = RK_REASON_ORPHAN, .detail_len = 9},
    {"no operation", .nul_at = -1, .form = 1},
    {"too many", .nul_at = -1, .ops = RKI_UNIT_OPS_MAX + 1, .form = 1},
    {"no such action", PLAIN, .what = 5},
    {"no such condition", PLAIN, .what = 5 * 16},
    {"an index action on records", PLAIN, .what = RK_ACTION_INDEX_PUT},
    {"a table that is not there", PLAIN, .table = 2},
    {"a table far off", PLAIN, .table = -1},
    {"an empty key", .nul_at = -1, .ops = 1, .form = 0},
    {"an unknown base", .nul_at = -1, .ops = 1, .form = 3},
    {"a base far off", .nul_at = -1, .ops = 1, .form = 127},
    {"composed", COMPOSED(0), .prefix = 3, .between = 5, .suffix = 16, .holds = true},
    {"of an unknown base", COMPOSED(2), .prefix = 3},
    {"a prefix too long", COMPOSED(0), .prefix = 20},
    {"a suffix too long", COMPOSED(0), .prefix = 10, .suffix = 10},
    {"lengths that overflow", COMPOSED(0), .prefix = -1, .suffix = 2},
    {"a key as long as can be", COMPOSED(0), .between = 511, .holds = true},
    {"a key too long", COMPOSED(0), .between = 512},
    {"bytes behind the end", PLAIN, .more = 1},
};

static void put_zeros(rk_buf *out, int count, int nul_at)
{
    must(rk_put_u32(out, (uint32_t)count, NULL), NULL);
    for (int i = 0; i < count; i++)
        must(rk_put_u8(out, i == nul_at ? 0 : 'x', NULL), NULL);
}

static void put_op(rk_buf *out, const body_case *c)
{
    must(rk_put_u8(out, (uint8_t)c->what, NULL), NULL);
    must(rk_put_u32(out, (uint32_t)c->table, NULL), NULL);
    must(rk_put_u8(out, (uint8_t)c->form, NULL), NULL);
    if (c->form >= 128) {
        must(rk_put_u32(out, (uint32_t)c->prefix, NULL), NULL);
        put_zeros(out, c->between, -1);
        must(rk_put_u32(out, (uint32_t)c->suffix, NULL), NULL);
    }
    must(rk_put_u8(out, 0, NULL), NULL);
    must(rk_put_u8(out, 0, NULL), NULL);
}

static void make_body(rk_buf *out, const body_case *c)
{
    rk_buf_reset(out);
    must(rk_put_u8(out, (uint8_t)c->reason, NULL), NULL);
    if (c->reason != RK_REASON_NONE)
        put_zeros(out, c->detail_len, c->nul_at);
    else
        must(rk_put_u8(out, (uint8_t)c->ops, NULL), NULL);
    for (int i = 0; i < c->ops && c->reason == RK_REASON_NONE; i++)
        put_op(out, c);
    for (int i = 0; i < c->more; i++)
        must(rk_put_u8(out, 0, NULL), NULL);
}

static void bodies_are_bounded(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    for (size_t i = 0; i < sizeof body_cases / sizeof *body_cases; i++) {
        const body_case *c = &body_cases[i];
        rki_work work = b.work;
        make_body(&b.bytes, c);
        b.count = 0;
        if (rki_result_read(&b.job, rk_buf_slice(&b.bytes), &work, &b.arena, b.ops, &b.count) !=
            c->holds)
            fail_msg("%s", c->name);
        assert_int_equal(work.reason, c->holds ? c->reason : 0);
        for (uint32_t op = 0; c->holds && op < b.count; op++)
            assert_false(b.ops[op].seen); /* here, whatever the worker saw */
        for (size_t len = 0; c->holds && len < b.bytes.len; len++)
            if (rki_result_read(&b.job, rk_slice_of(b.bytes.ptr, len), &work, &b.arena, b.ops,
                                &b.count))
                fail_msg("%s, cut at %zu", c->name, len);
    }
    bench_close(&b);
}

static void add_entry(bench *b, int n)
{
    char value[32];
    rki_work work = b->work;
    rk_op op = {.condition = RK_IF_PRESENT, .table = b->yard.tables.records, .key = work.key};
    snprintf(value, sizeof value, "%d", n);
    work.value = rk_slice_str(value);
    rki_seen seen = rki_seen_of(&walk, &work);
    must(rki_result_add(&b->bytes, &b->job, &seen, &work, &op, 1, NULL), NULL);
}

static rki_seen seen_of(const bench *b, int n)
{
    char value[32];
    rki_work work = b->work;
    snprintf(value, sizeof value, "%d", n);
    work.value = rk_slice_str(value);
    return rki_seen_of(&walk, &work);
}

/* Records that came and went on either side. */
static void entries_are_found_again(void **state)
{
    (void)state;
    bench b;
    bench_open(&b);
    rki_merge merge = {0};
    rki_entry *entries = NULL;
    must(rki_result_begin(&b.bytes, NULL), NULL);
    for (int n = 0; n < 300; n += n == 100 ? 63 : n == 200 ? 65 : 1)
        add_entry(&b, n);
    must(rki_result_open(rk_buf_slice(&b.bytes), 8192, &b.arena, &entries, &merge.count, NULL),
         NULL);
    merge.entries = entries;
    int found = 0;
    for (int n = 0; n < 300; n++) {
        rki_seen seen = seen_of(&b, n);
        found += rki_merge_find(&merge, &seen) != NULL;
    }
    assert_int_equal(found, (int)merge.count); /* entries that are too few cost nothing */
    merge.next = 0;
    rki_seen seen = seen_of(&b, 63);
    assert_non_null(rki_merge_find(&merge, &seen)); /* so many went */
    merge.next = 0;
    seen = seen_of(&b, 64);
    assert_null(rki_merge_find(&merge, &seen)); /* and one more */
    assert_int_equal(rki_result_open(rk_buf_slice(&b.bytes), merge.count - 1, &b.arena, &entries,
                                     &merge.count, NULL),
                     RK_CORRUPT);
    for (size_t len = 0; len < b.bytes.len; len++, rk_arena_reset(&b.arena))
        assert_int_equal(rki_result_open(rk_slice_of(b.bytes.ptr, len), 8192, &b.arena, &entries,
                                         &merge.count, NULL),
                         RK_CORRUPT);
    bench_close(&b);
}

/* A result that is full is a good one all the same. */
static void a_full_result_stays_whole(void **state)
{
    (void)state;
    bench b;
    rki_entry *entries = NULL;
    size_t count = 0;
    size_t added = 0;
    bench_open(&b);
    rk_op op = {.condition = RK_IF_PRESENT, .table = b.yard.tables.records, .key = b.work.key};
    rki_seen seen = rki_seen_of(&walk, &b.work);
    b.bytes.max = 1000;
    must(rki_result_begin(&b.bytes, NULL), NULL);
    while (rki_result_add(&b.bytes, &b.job, &seen, &b.work, &op, 1, NULL) == RK_OK)
        added++;
    must(rki_result_open(rk_buf_slice(&b.bytes), 8192, &b.arena, &entries, &count, NULL), NULL);
    assert_true(added > 10);
    assert_int_equal(count, added);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_come_back),          cmocka_unit_test(another_version_is_seen),
        cmocka_unit_test(bodies_are_bounded),        cmocka_unit_test(entries_are_found_again),
        cmocka_unit_test(a_full_result_stays_whole),
    };
    return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
