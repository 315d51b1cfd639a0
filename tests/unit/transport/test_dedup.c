#include "transport/dedup.h"

#include "rekey/base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static rk_operation_id id_of(uint32_t number)
{
    rk_operation_id id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static rk_dedup *table_of(uint32_t entries_max, size_t bytes_max)
{
    rk_error err = {0};
    rk_dedup *d = NULL;
    assert_int_equal(rk_dedup_create(entries_max, bytes_max, &d, &err), RK_OK);
    return d;
}

static rk_dedup_state begin(rk_dedup *d, uint32_t number, rk_slice *result)
{
    rk_operation_id id = id_of(number);
    rk_dedup_state state = RK_DEDUP_PENDING;
    *result = RK_SLICE_EMPTY;
    assert_int_equal(rk_dedup_begin(d, &id, &state, result, NULL), RK_OK);
    return state;
}

static void expect(rk_dedup *d, uint32_t number, rk_dedup_state state)
{
    rk_slice result;
    assert_int_equal(begin(d, number, &result), state);
}

static void expect_done(rk_dedup *d, uint32_t number, const char *text)
{
    rk_slice result;
    assert_int_equal(begin(d, number, &result), RK_DEDUP_DONE);
    assert_true(rk_slice_equal(result, rk_slice_str(text)));
}

static rk_status finish(rk_dedup *d, uint32_t number, const char *text)
{
    rk_operation_id id = id_of(number);
    return rk_dedup_finish(d, &id, rk_slice_str(text), NULL);
}

static void forget(rk_dedup *d, uint32_t number)
{
    rk_operation_id id = id_of(number);
    rk_dedup_forget(d, &id);
}

static void test_life(void **state)
{
    (void)state;
    rk_dedup *d = table_of(4, 100);
    expect(d, 1, RK_DEDUP_NEW);
    expect(d, 1, RK_DEDUP_PENDING);
    assert_int_equal(finish(d, 1, "result"), RK_OK);
    expect_done(d, 1, "result");
    expect_done(d, 1, "result");
    assert_int_equal(rk_dedup_entries(d), 1);
    assert_int_equal(rk_dedup_bytes(d), 6);
    rk_dedup_destroy(d);
    rk_dedup_destroy(NULL);
}

static void test_empty_result(void **state)
{
    (void)state;
    rk_dedup *d = table_of(4, 1);
    expect(d, 1, RK_DEDUP_NEW);
    assert_int_equal(finish(d, 1, ""), RK_OK);
    expect_done(d, 1, "");
    rk_dedup_destroy(d);
}

static void test_refused(void **state)
{
    (void)state;
    rk_error err = {0};
    rk_dedup *d = NULL;
    assert_int_equal(rk_dedup_create(0, 1, &d, &err), RK_INVALID);
    assert_int_equal(rk_dedup_create(RK_DEDUP_ENTRIES_CEILING + 1, 1, &d, &err), RK_INVALID);
    assert_int_equal(rk_dedup_create(1, 0, &d, &err), RK_INVALID);
    assert_null(d);
    d = table_of(2, 4);
    assert_int_equal(finish(d, 1, "x"), RK_NOT_FOUND);
    expect(d, 1, RK_DEDUP_NEW);
    assert_int_equal(finish(d, 1, "x"), RK_OK);
    assert_int_equal(finish(d, 1, "y"), RK_NOT_FOUND);
    expect_done(d, 1, "x");
    rk_dedup_destroy(d);
}

/* A result too long to keep must not make the operation look undone. */
static void test_result_too_long(void **state)
{
    (void)state;
    rk_dedup *d = table_of(2, 4);
    expect(d, 1, RK_DEDUP_NEW);
    assert_int_equal(finish(d, 1, "12345"), RK_LIMIT);
    expect(d, 1, RK_DEDUP_PENDING);
    assert_int_equal(finish(d, 1, "1234"), RK_OK);
    expect_done(d, 1, "1234");
    rk_dedup_destroy(d);
}

/* The one finished longest ago goes, not the one begun longest ago, and not by being read. */
static void test_oldest_done_goes(void **state)
{
    (void)state;
    rk_dedup *d = table_of(3, 100);
    for (uint32_t i = 1; i <= 3; i++)
        expect(d, i, RK_DEDUP_NEW);
    finish(d, 2, "two");
    finish(d, 1, "one");
    finish(d, 3, "three");
    expect_done(d, 2, "two");
    expect(d, 4, RK_DEDUP_NEW);
    expect_done(d, 1, "one");
    expect_done(d, 3, "three");
    assert_int_equal(finish(d, 4, "four"), RK_OK);
    /* Two has wrapped out: the table takes it for a new one. */
    expect(d, 2, RK_DEDUP_NEW);
    rk_dedup_destroy(d);
}

static void test_pending_stay(void **state)
{
    (void)state;
    rk_dedup *d = table_of(2, 100);
    rk_operation_id third = id_of(3);
    rk_dedup_state found = RK_DEDUP_DONE;
    rk_slice result;
    rk_error err = {0};
    expect(d, 1, RK_DEDUP_NEW);
    expect(d, 2, RK_DEDUP_NEW);
    assert_int_equal(rk_dedup_begin(d, &third, &found, &result, &err), RK_BUSY);
    assert_int_equal(found, RK_DEDUP_DONE);
    expect(d, 1, RK_DEDUP_PENDING);
    forget(d, 1);
    forget(d, 1);
    expect(d, 3, RK_DEDUP_NEW);
    expect(d, 2, RK_DEDUP_PENDING);
    rk_dedup_destroy(d);
}

static void test_bytes_bounded(void **state)
{
    (void)state;
    rk_dedup *d = table_of(10, 10);
    for (uint32_t i = 1; i <= 3; i++)
        expect(d, i, RK_DEDUP_NEW);
    finish(d, 1, "12345");
    finish(d, 2, "1234");
    assert_int_equal(rk_dedup_bytes(d), 9);
    finish(d, 3, "12");
    assert_int_equal(rk_dedup_bytes(d), 6);
    expect_done(d, 2, "1234");
    expect(d, 1, RK_DEDUP_NEW);
    finish(d, 1, "1234567890");
    assert_int_equal(rk_dedup_bytes(d), 10);
    assert_int_equal(rk_dedup_entries(d), 1);
    rk_dedup_destroy(d);
}

static void test_forget_done(void **state)
{
    (void)state;
    rk_dedup *d = table_of(4, 100);
    for (uint32_t i = 1; i <= 3; i++) {
        expect(d, i, RK_DEDUP_NEW);
        finish(d, i, "x");
    }
    forget(d, 2);
    forget(d, 3);
    forget(d, 1);
    assert_int_equal(rk_dedup_entries(d), 0);
    assert_int_equal(rk_dedup_bytes(d), 0);
    expect(d, 2, RK_DEDUP_NEW);
    rk_dedup_destroy(d);
}

/* --- against a model -------------------------------------------------------------------------- */

#define IDS       40u
#define ENTRIES   16u
#define BYTES     120u
#define STEPS     200000
#define TEXT_SIZE 16

/* What is known of one id: whether it is in, and when it was finished. */
typedef struct known {
    bool in;
    bool done;
    uint64_t finished;
    char text[TEXT_SIZE];
} known;

typedef struct model {
    known ids[IDS];
    uint64_t clock;
} model;

static uint32_t model_entries(const model *m, size_t *bytes, uint32_t *oldest)
{
    uint32_t in = 0;
    *bytes = 0;
    *oldest = IDS;
    for (uint32_t i = 0; i < IDS; i++) {
        const known *k = &m->ids[i];
        in += k->in;
        if (!k->in || !k->done)
            continue;
        *bytes += strlen(k->text);
        if (*oldest == IDS || k->finished < m->ids[*oldest].finished)
            *oldest = i;
    }
    return in;
}

static void model_begin(model *m, rk_dedup *d, uint32_t at)
{
    known *k = &m->ids[at];
    rk_operation_id id = id_of(at);
    rk_dedup_state found = RK_DEDUP_NEW;
    rk_slice result = RK_SLICE_EMPTY;
    size_t bytes;
    uint32_t oldest;
    bool full = model_entries(m, &bytes, &oldest) == ENTRIES;
    rk_status status = rk_dedup_begin(d, &id, &found, &result, NULL);
    if (!k->in && full && oldest == IDS) {
        assert_int_equal(status, RK_BUSY);
        return;
    }
    assert_int_equal(status, RK_OK);
    if (k->in) {
        assert_int_equal(found, k->done ? RK_DEDUP_DONE : RK_DEDUP_PENDING);
        if (k->done)
            assert_true(rk_slice_equal(result, rk_slice_str(k->text)));
        return;
    }
    assert_int_equal(found, RK_DEDUP_NEW);
    if (full)
        m->ids[oldest] = (known){0};
    *k = (known){.in = true};
}

static void model_finish(model *m, rk_dedup *d, uint32_t at, rk_prng *prng)
{
    known *k = &m->ids[at];
    char text[TEXT_SIZE] = "";
    size_t len = (size_t)rk_prng_below(prng, TEXT_SIZE);
    memset(text, 'a' + (int)rk_prng_below(prng, 26), len);
    rk_status status = finish(d, at, text);
    assert_int_equal(status, k->in && !k->done ? RK_OK : RK_NOT_FOUND);
    if (status != RK_OK)
        return;
    size_t bytes;
    uint32_t oldest;
    for (model_entries(m, &bytes, &oldest); bytes + len > BYTES; model_entries(m, &bytes, &oldest))
        m->ids[oldest] = (known){0};
    k->done = true;
    k->finished = ++m->clock;
    memcpy(k->text, text, sizeof text);
}

static void test_model(void **state)
{
    (void)state;
    static model m;
    rk_dedup *d = table_of(ENTRIES, BYTES);
    rk_prng prng;
    rk_prng_init(&prng, 20240501);
    for (int step = 0; step < STEPS; step++) {
        uint32_t at = (uint32_t)rk_prng_below(&prng, IDS);
        uint64_t what = rk_prng_below(&prng, 100);
        size_t bytes;
        uint32_t oldest;
        if (what < 50) {
            model_begin(&m, d, at);
        } else if (what < 90) {
            model_finish(&m, d, at, &prng);
        } else {
            forget(d, at);
            m.ids[at] = (known){0};
        }
        assert_int_equal(rk_dedup_entries(d), model_entries(&m, &bytes, &oldest));
        assert_int_equal(rk_dedup_bytes(d), bytes);
    }
    rk_dedup_destroy(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_empty_result),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_result_too_long),
        cmocka_unit_test(test_oldest_done_goes),
        cmocka_unit_test(test_pending_stay),
        cmocka_unit_test(test_bytes_bounded),
        cmocka_unit_test(test_forget_done),
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests_name("transport dedup", tests, NULL, NULL);
}
