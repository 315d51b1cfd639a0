/* Positions of lists and queries: they go on where another iterator stood, and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/client/bench.h"

#define RECORDS 12

static void plant(bench *b, bool new_side, int n, const char *capsule)
{
    char key[128];
    char value[128];
    char primary[128];
    snprintf(primary, sizeof primary, "TENANT#t1#%s%s%sCONTRACT#%02d", new_side ? "CAPSULE#" : "",
             new_side ? capsule : "", new_side ? "#" : "", n);
    snprintf(value, sizeof value,
             "{\"n\":%d,\"account_id\":\"a\",\"status\":\"s\",\"capsule_id\":\"%s\"}", n, capsule);
    bench_plant(b, primary, value);
    snprintf(key, sizeof key, "%sCAPSULE#%s#ACCOUNT#a#s", new_side ? "TENANT#t1#" : "", capsule);
    bench_plant_entry(b, "gsi1", key, primary);
}

/* Records 0, 2, 4, ... of PRODUS on both sides by turns; the odd ones are DEVUS's, on both sides.
 */
static void open_with_records(bench *b, rk_strategy strategy, rk_phase phase)
{
    bench_open(b, strategy);
    /* The client makes the index tables with the first write. */
    assert_int_equal(put(b, "PRODUS", "Contract", "x", "{\"n\":99}"), RK_OK);
    assert_int_equal(drop(b, "PRODUS", "Contract", "x"), RK_OK);
    for (int n = 0; n < RECORDS; n++) {
        bool both = strategy == RK_STRATEGY_DUAL_WRITE;
        const char *capsule = n % 2 ? "DEVUS" : "PRODUS";
        if (both || n % 4 < 2)
            plant(b, false, n, capsule);
        if (both || n % 4 >= 2)
            plant(b, true, n, capsule);
    }
    bench_phase(b, phase, false);
}

typedef struct question {
    const char *tenant;
    const char *capsule;
    const char *entity;
    const char *account; /* NULL for a list */
} question;

static rk_status ask(bench *b, const question *q, const rk_value *after, size_t rows_max,
                     rk_iterator **out)
{
    rk_scope scope = scope_of(q->tenant, q->capsule);
    rk_id where = id_of("account_id", q->account);
    rk_list_options options = {.after = after ? after->bytes : RK_SLICE_EMPTY,
                               .page_rows_max = rows_max};
    if (!q->account)
        return rk_client_list(b->client, &scope, q->entity, &options, out, &b->err);
    return rk_client_query(b->client, &scope, q->entity, "gsi1", &where, 1, &options, out, &b->err);
}

static void put_position(rk_iterator *rows, rk_value *position)
{
    rk_value_fini(position);
    assert_int_equal(rk_iterator_position(rows, position, NULL), RK_OK);
}

static int number_of(const rk_row *row)
{
    char text[8];
    snprintf(text, sizeof text, "%.*s", (int)row->ids[0].value.len,
             (const char *)row->ids[0].value.ptr);
    return atoi(text);
}

typedef struct setting {
    const char *name;
    rk_strategy strategy;
    rk_phase phase;
    int step; /* of the numbers that PRODUS is given */
} setting;

static const setting settings[] = {
    {"dual-write, dual_write", RK_STRATEGY_DUAL_WRITE, RK_PHASE_DUAL_WRITE, 1},
    {"dual-write, flipped", RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED, 2},
    {"move, dual_write", RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE, 2},
};

static const question questions[] = {
    {"t1", "PRODUS", "Contract", NULL},
    {"t1", "PRODUS", "Contract", "a"},
};

/* A new iterator for every row. */
static void test_resume_at_every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        bench b;
        print_message("  %s\n", settings[i].name);
        open_with_records(&b, settings[i].strategy, settings[i].phase);
        for (size_t j = 0; j < 2; j++) {
            /* An old index key names the capsule, so a query never sees another's. */
            int step = questions[j].account ? 2 : settings[i].step;
            rk_value position = {0};
            int expected = 0;
            for (;; expected += step) {
                rk_iterator *rows = NULL;
                rk_row row;
                assert_int_equal(ask(&b, &questions[j], &position, 1 + (size_t)expected % 3, &rows),
                                 RK_OK);
                rk_status status = rk_iterator_next(rows, &row, &b.err);
                if (status == RK_OK)
                    assert_int_equal(number_of(&row), expected);
                else
                    assert_int_equal(status, RK_NOT_FOUND);
                put_position(rows, &position);
                rk_iterator_close(rows);
                if (status != RK_OK)
                    break;
            }
            assert_int_equal(expected, RECORDS);
            rk_value_fini(&position);
        }
        bench_close(&b);
    }
}

/* Taken before the flip, used after it. */
static void test_across_the_flip(void **state)
{
    (void)state;
    bench b;
    rk_iterator *rows = NULL;
    rk_value position = {0};
    rk_row row;
    open_with_records(&b, RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE);
    assert_int_equal(ask(&b, &questions[0], NULL, 0, &rows), RK_OK);
    for (int n = 0; n <= 4; n += 2)
        assert_int_equal(rk_iterator_next(rows, &row, &b.err), RK_OK);
    put_position(rows, &position);
    rk_iterator_close(rows);
    bench_phase(&b, RK_PHASE_FLIPPED, false);
    assert_int_equal(ask(&b, &questions[0], &position, 0, &rows), RK_OK);
    assert_string_equal(drain(&b, rows), "6,10"); /* those that were moved */
    rk_value_fini(&position);
    bench_close(&b);
}

/* A position that was taken behind the second PRODUS row. */
static rk_value taken(bench *b, const question *q)
{
    rk_iterator *rows = NULL;
    rk_value position = {0};
    rk_row row;
    assert_int_equal(ask(b, q, NULL, 0, &rows), RK_OK);
    assert_int_equal(rk_iterator_next(rows, &row, &b->err), RK_OK);
    assert_int_equal(rk_iterator_next(rows, &row, &b->err), RK_OK);
    put_position(rows, &position);
    rk_iterator_close(rows);
    return position;
}

static void test_of_another_question(void **state)
{
    (void)state;
    static const question others[] = {
        {"t1", "DEVUS", "Contract", NULL}, {"t2", "PRODUS", "Contract", NULL},
        {"t1", "PRODUS", "Item", NULL},    {"t1", "PRODUS", "Contract", "a"},
        {"t1", "DEVUS", "Contract", "a"},  {"t1", "PRODUS", "Contract", "b"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        bench b;
        open_with_records(&b, settings[i].strategy, settings[i].phase);
        for (size_t j = 0; j < 2; j++) {
            rk_value position = taken(&b, &questions[j]);
            for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
                rk_iterator *rows = NULL;
                if (j == 1 && k == 3)
                    continue; /* the same question */
                assert_int_equal(ask(&b, &others[k], &position, 0, &rows), RK_INVALID);
                assert_string_equal(b.err.message, "the position belongs to another list");
                assert_null(rows);
            }
            rk_value_fini(&position);
        }
        bench_close(&b);
    }
}

/* Whatever a position is turned into: refused, or rows of this scope only. */
static void test_made_up(void **state)
{
    (void)state;
    bench b;
    open_with_records(&b, RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED);
    for (size_t j = 0; j < 2; j++) {
        rk_value position = taken(&b, &questions[j]);
        uint8_t *bytes = position.memory;
        for (size_t at = 0; at < position.bytes.len; at++) {
            for (int bit = 0; bit < 8; bit++) {
                rk_iterator *rows = NULL;
                bytes[at] ^= (uint8_t)(1 << bit);
                rk_status status = ask(&b, &questions[j], &position, 0, &rows);
                rk_row row;
                while (status == RK_OK && rk_iterator_next(rows, &row, &b.err) == RK_OK)
                    assert_int_equal(number_of(&row) % 2, 0);
                assert_true(status == RK_OK || status == RK_INVALID);
                rk_iterator_close(rows);
                bytes[at] ^= (uint8_t)(1 << bit);
            }
        }
        for (size_t len = 1; len < position.bytes.len; len++) {
            rk_value cut = {.bytes = rk_slice_of(bytes, len)};
            rk_iterator *rows = NULL;
            assert_int_equal(ask(&b, &questions[j], &cut, 0, &rows), RK_INVALID);
        }
        rk_value_fini(&position);
    }
    bench_close(&b);
}

static bool holds(const rk_value *position, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i + len <= position->bytes.len; i++)
        if (memcmp(position->bytes.ptr + i, text, len) == 0)
            return true;
    return false;
}

/* A list passes over other capsules' records; their ids must not be in what it hands out. */
static void test_tells_nothing(void **state)
{
    (void)state;
    bench b;
    rk_iterator *rows = NULL;
    rk_row row;
    rk_value position = {0};
    open_with_records(&b, RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE);
    bench_plant(&b, "TENANT#t1#CONTRACT#zz-secret", "{\"n\":1,\"capsule_id\":\"DEVUS\"}");
    bench_plant(&b, "TENANT#t1#CONTRACT#00-secret", "{\"n\":1,\"capsule_id\":\"DEVUS\"}");
    assert_int_equal(ask(&b, &questions[0], NULL, 0, &rows), RK_OK);
    put_position(rows, &position);
    assert_false(holds(&position, "secret"));
    while (rk_iterator_next(rows, &row, &b.err) == RK_OK) {
        put_position(rows, &position);
        assert_false(holds(&position, "secret"));
    }
    put_position(rows, &position);
    assert_false(holds(&position, "secret"));
    assert_true(holds(&position, "CONTRACT#10"));
    rk_iterator_close(rows);
    rk_value_fini(&position);
    bench_close(&b);
}

static void plant_turned(bench *b, const char *key)
{
    bench_plant(b, key, "{\"n\":1,\"capsule_id\":\"PRODUS\"}");
}

/* Keys that sort otherwise: no position while both are read, none that outlives the flip. */
static void test_turned(void **state)
{
    (void)state;
    static const question turned = {"t1", "PRODUS", "Turned", NULL};
    bench b;
    rk_iterator *rows = NULL;
    rk_value position;
    bench_open(&b, RK_STRATEGY_MOVE);
    plant_turned(&b, "TENANT#t1#TURNED#1#2");
    plant_turned(&b, "TENANT#t1#TURNED#2#1");
    plant_turned(&b, "TENANT#t1#TURNED#3#1");
    position = taken(&b, &turned);
    assert_int_equal(ask(&b, &turned, &position, 0, &rows), RK_OK);
    assert_string_equal(drain(&b, rows), "1");
    bench_phase(&b, RK_PHASE_DUAL_WRITE, false);
    assert_int_equal(ask(&b, &turned, &position, 0, &rows), RK_CONFLICT);
    rk_value_fini(&position);
    assert_int_equal(ask(&b, &turned, NULL, 0, &rows), RK_OK);
    assert_int_equal(rk_iterator_position(rows, &position, &b.err), RK_INVALID);
    assert_non_null(strstr(b.err.message, "Turned"));
    assert_string_equal(drain(&b, rows), "1,1,1");
    bench_close(&b);
}

static void test_page_sizes(void **state)
{
    (void)state;
    bench b;
    rk_iterator *rows = NULL;
    open_with_records(&b, RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED);
    for (size_t size = 0; size <= RECORDS; size++) {
        assert_int_equal(ask(&b, &questions[0], NULL, size, &rows), RK_OK);
        assert_string_equal(drain(&b, rows), "0,2,4,6,8,10");
    }
    assert_int_equal(ask(&b, &questions[0], NULL, RK_PAGE_ROWS_MAX + 1, &rows), RK_INVALID);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume_at_every_row), cmocka_unit_test(test_across_the_flip),
        cmocka_unit_test(test_of_another_question), cmocka_unit_test(test_made_up),
        cmocka_unit_test(test_tells_nothing),       cmocka_unit_test(test_turned),
        cmocka_unit_test(test_page_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
