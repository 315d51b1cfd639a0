/* Random units against a model in memory: what the cached cursors of a backend must survive. */
#include "contract.h"

#include "rekey/base/prng.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum {
    KEYS = 6000,
    VALUES = 24,        /* different values of a record; 0 is "absent" */
    INDEX_KEYS = 40,    /* ...each with a set of... */
    INDEX_VALUES = 400, /* ...of these */
    OPS_MAX = 5,
    UNITS = 300, /* in a transaction */
    ROUNDS = 60,
};

typedef struct model {
    uint8_t record[KEYS]; /* which value */
    uint8_t entry[INDEX_KEYS][INDEX_VALUES];
} model;

typedef struct world {
    contract_fixture *f;
    rk_prng prng;
    model now;
    model undo;
    char keys[KEYS][64];
    char entries[INDEX_VALUES][64];
    uint8_t *values[VALUES]; /* value i has value_len(i) bytes */
    rk_op ops[UNITS][OPS_MAX];
    rk_unit units[UNITS];
    rk_outcome wanted[UNITS];
    uint32_t at; /* the record that the present run of units is at */
} world;

/* From nothing, over a few on a page, to more than a page holds. */
static size_t value_len(unsigned i)
{
    return i == 1 ? 0 : (size_t)i * i * 9;
}

static rk_slice value_slice(const world *w, unsigned i)
{
    return rk_slice_of(w->values[i], value_len(i));
}

static world *world_new(contract_fixture *f, uint64_t seed)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->f = f;
    rk_prng_init(&w->prng, seed);
    for (int i = 0; i < KEYS; i++)
        snprintf(w->keys[i], sizeof w->keys[i], "TENANT#t%d#%s#%05d", i / 1000,
                 i % 1000 < 500 ? "OLD" : "NEW-AND-LONGER", i);
    for (int i = 0; i < INDEX_VALUES; i++)
        snprintf(w->entries[i], sizeof w->entries[i], "entry-%04d%.*s", i, i % 20,
                 "....................");
    for (unsigned i = 1; i < VALUES; i++) {
        w->values[i] = malloc(value_len(i) + 1);
        assert_non_null(w->values[i]);
        memset(w->values[i], (int)('a' + i), value_len(i));
    }
    return w;
}

static void world_free(world *w)
{
    for (unsigned i = 1; i < VALUES; i++)
        free(w->values[i]);
    free(w);
}

static unsigned below(world *w, unsigned bound)
{
    return (unsigned)rk_prng_below(&w->prng, bound);
}

/* --- making units ----------------------------------------------------------------------------- */

static rk_op index_op(world *w, uint32_t *k, uint32_t *v)
{
    *k = below(w, 4) ? below(w, 3) : below(w, INDEX_KEYS); /* a few keys with many values */
    *v = below(w, INDEX_VALUES);
    return (rk_op){
        .action = below(w, 2) ? RK_ACTION_INDEX_PUT : RK_ACTION_INDEX_DELETE,
        .table = w->f->index,
        .key = rk_slice_str(w->entries[*k]),
        .value = rk_slice_str(w->entries[*v]),
    };
}

static rk_op record_op(world *w, uint32_t key)
{
    static const uint8_t ACTIONS[] = {RK_ACTION_CHECK, RK_ACTION_PUT,    RK_ACTION_PUT,
                                      RK_ACTION_PUT,   RK_ACTION_DELETE, RK_ACTION_DELETE};
    unsigned have = w->now.record[key];
    rk_op op = {
        .action = ACTIONS[below(w, COUNT(ACTIONS))],
        .condition = (uint8_t)below(w, RK_IF_ABSENT_OR_SAME + 1),
        .table = w->f->records,
        .key = rk_slice_str(w->keys[key]),
    };
    op.value = value_slice(w, have && below(w, 3) == 0 ? have : 1 + below(w, VALUES - 1));
    op.expected = value_slice(w, have && below(w, 4) ? have : 1 + below(w, VALUES - 1));
    if (op.action != RK_ACTION_PUT && op.condition == RK_IF_ABSENT_OR_SAME)
        op.condition = RK_IF_EQUALS;
    return op;
}

static bool holds(const world *w, const rk_op *op, unsigned have)
{
    switch ((rk_condition)op->condition) {
    case RK_IF_ANY:
        return true;
    case RK_IF_ABSENT:
        return have == 0;
    case RK_IF_PRESENT:
        return have != 0;
    case RK_IF_EQUALS:
        return have && rk_slice_equal(op->expected, value_slice(w, have));
    case RK_IF_ABSENT_OR_SAME:
        return have == 0 || rk_slice_equal(op->value, value_slice(w, have));
    }
    return false;
}

static uint8_t number_of_value(const world *w, rk_slice value)
{
    uint8_t i = 1;
    while (!rk_slice_equal(value, value_slice(w, i)))
        i++;
    return i;
}

/* What the model thinks of the unit; changes the model when it is applied. `at` holds a record's
 * number, or an index key's and value's. */
static rk_outcome judge(world *w, const rk_unit *unit, uint32_t at[OPS_MAX][2])
{
    bool changed = false;
    for (uint32_t i = 0; i < unit->op_count; i++)
        if (unit->ops[i].table == w->f->records &&
            !holds(w, &unit->ops[i], w->now.record[at[i][0]]))
            return RK_UNIT_REFUSED;
    for (uint32_t i = 0; i < unit->op_count; i++) {
        const rk_op *op = &unit->ops[i];
        uint8_t *cell = op->table == w->f->records ? &w->now.record[at[i][0]]
                                                   : &w->now.entry[at[i][0]][at[i][1]];
        uint8_t next = *cell;
        if (op->action == RK_ACTION_PUT)
            next = number_of_value(w, op->value);
        else if (op->action == RK_ACTION_INDEX_PUT)
            next = 1;
        else if (op->action != RK_ACTION_CHECK)
            next = 0;
        changed |= next != *cell;
        *cell = next;
    }
    return changed ? RK_UNIT_APPLIED : RK_UNIT_UNCHANGED;
}

static void make_unit(world *w, uint32_t number)
{
    uint32_t at[OPS_MAX][2] = {{0}};
    uint32_t count = 1 + below(w, OPS_MAX);
    if (below(w, 40) == 0)
        w->at = below(w, KEYS); /* else the runs go on: a sequential old and a new range */
    for (uint32_t i = 0; i < count; i++) {
        rk_op *op = &w->ops[number][i];
        if (below(w, 3) == 0) {
            *op = index_op(w, &at[i][0], &at[i][1]);
            continue;
        }
        uint32_t key = (w->at + i * 500) % KEYS;
        at[i][0] = key;
        *op = record_op(w, key);
    }
    w->at = (w->at + 1) % KEYS;
    w->units[number] = (rk_unit){.ops = w->ops[number], .op_count = count};
    w->wanted[number] = judge(w, &w->units[number], at);
}

/* --- comparing -------------------------------------------------------------------------------- */

static void compare_records(const world *w, rk_view *view)
{
    uint64_t wanted = 0, count = 0;
    for (int i = 0; i < KEYS; i++) {
        rk_slice value;
        rk_status status = rk_view_get(view, w->f->records, rk_slice_str(w->keys[i]), &value, NULL);
        assert_int_equal(status, w->now.record[i] ? RK_OK : RK_NOT_FOUND);
        if (w->now.record[i])
            assert_true(rk_slice_equal(value, value_slice(w, w->now.record[i])));
        wanted += w->now.record[i] != 0;
    }
    must(rk_view_count(view, w->f->records, &count, NULL));
    assert_int_equal(count, wanted);
}

static void compare_walks(const world *w, rk_view *view)
{
    rk_cursor *cursor = NULL;
    rk_entry e;
    uint64_t walked = 0, wanted = 0;
    must(rk_cursor_open(view, w->f->index, &cursor, NULL));
    rk_status status = rk_cursor_seek(cursor, RK_SLICE_EMPTY, &e, NULL);
    for (int k = 0; k < INDEX_KEYS; k++) {
        for (int v = 0; v < INDEX_VALUES; v++) {
            if (!w->now.entry[k][v])
                continue;
            assert_int_equal(status, RK_OK);
            assert_true(rk_slice_equal(e.key, rk_slice_str(w->entries[k])));
            assert_true(rk_slice_equal(e.value, rk_slice_str(w->entries[v])));
            status = rk_cursor_next(cursor, &e, NULL);
            wanted++;
        }
    }
    assert_int_equal(status, RK_NOT_FOUND);
    rk_cursor_close(cursor);

    must(rk_cursor_open(view, w->f->records, &cursor, NULL));
    status = rk_cursor_seek(cursor, RK_SLICE_EMPTY, &e, NULL);
    for (; status == RK_OK; status = rk_cursor_next(cursor, &e, NULL))
        walked++;
    assert_int_equal(status, RK_NOT_FOUND);
    rk_cursor_close(cursor);
    for (int i = 0; i < KEYS; i++)
        walked -= w->now.record[i] != 0;
    assert_int_equal(walked, 0);
    must(rk_view_count(view, w->f->index, &walked, NULL));
    assert_int_equal(walked, wanted);
}

/* Reads between the units of a transaction move the cached cursors, too. */
static void peek(world *w, rk_view *view)
{
    uint32_t key = below(w, KEYS), k = below(w, 3), v = below(w, INDEX_VALUES);
    rk_slice value;
    rk_status status = rk_view_get(view, w->f->records, rk_slice_str(w->keys[key]), &value, NULL);
    assert_int_equal(status, w->now.record[key] ? RK_OK : RK_NOT_FOUND);
    status = rk_view_has_entry(view, w->f->index, rk_slice_str(w->entries[k]),
                               rk_slice_str(w->entries[v]), NULL);
    assert_int_equal(status, w->now.entry[k][v] ? RK_OK : RK_NOT_FOUND);
}

static void run_round(world *w)
{
    rk_error err = {0};
    rk_txn *txn = NULL;
    w->undo = w->now;
    must_err(rk_txn_begin(w->f->store, &txn, &err), &err);
    for (uint32_t done = 0; done < UNITS;) {
        uint32_t count = 1 + below(w, UNITS - done);
        for (uint32_t i = 0; i < count; i++)
            make_unit(w, i);
        must_err(rk_txn_apply(txn, w->units, count, &err), &err);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(w->units[i].outcome, w->wanted[i]);
        for (int i = 0; i < 5; i++)
            peek(w, rk_txn_view(txn));
        done += count;
    }
    compare_records(w, rk_txn_view(txn));
    compare_walks(w, rk_txn_view(txn));
    if (below(w, 5) == 0) {
        rk_txn_abort(txn);
        w->now = w->undo;
    } else {
        must_err(rk_txn_commit(txn, &err), &err);
    }
}

static void test_model(void **state)
{
    contract_fixture *f = *state;
    if (!rk_store_capabilities(f->store)->atomic_batch ||
        rk_store_capabilities(f->store)->engine_indexes)
        skip();
    world *w = world_new(f, 20240607);
    rk_error err = {0};
    rk_view *view = NULL;
    must_err(rk_snapshot_open(f->store, &view, &err), &err);
    for (int round = 0; round < ROUNDS; round++) {
        rk_snapshot_release(view);
        run_round(w);
        must_err(rk_snapshot_renew(view, &err), &err);
        compare_records(w, view);
        compare_walks(w, view);
    }
    rk_snapshot_close(view);
    world_free(w);
}

/* --- repeated deletes ------------------------------------------------------------------------- */

static rk_op entry_op(contract_fixture *f, uint8_t action, const char *key, const char *value)
{
    return (rk_op){.action = action,
                   .table = f->index,
                   .key = rk_slice_str(key),
                   .value = rk_slice_str(value)};
}

static void apply_entry(rk_txn *txn, contract_fixture *f, uint8_t action, const char *key, int n)
{
    char value[64];
    snprintf(value, sizeof value, "TENANT#acme#CONTRACT#c-%06d", n);
    rk_op op = entry_op(f, action, key, value);
    rk_unit unit = {.ops = &op, .op_count = 1};
    must(rk_txn_apply(txn, &unit, 1, NULL));
    assert_int_equal(unit.outcome, RK_UNIT_APPLIED);
}

/* Sets of many sizes (one value, a sub-page, a tree of pages), emptied from the front, from the
 * back and from the middle, between two neighbours that must stay. LMDB 0.9.24 goes wrong when one
 * cursor deletes again and again (ITS#9376). */
static void test_repeated_index_deletes(void **state)
{
    static const int SIZES[] = {1, 2, 3, 10, 60, 61, 100, 1000, 3000};
    contract_fixture *f = *state;
    rk_txn *txn = NULL;
    must(rk_txn_begin(f->store, &txn, NULL));
    apply_entry(txn, f, RK_ACTION_INDEX_PUT, "a", 0);
    apply_entry(txn, f, RK_ACTION_INDEX_PUT, "c", 0);
    for (size_t s = 0; s < COUNT(SIZES); s++) {
        for (int order = 0; order < 3; order++) {
            int size = SIZES[s];
            for (int i = 0; i < size; i++)
                apply_entry(txn, f, RK_ACTION_INDEX_PUT, "b", i);
            for (int i = 0; i < size; i++) {
                int middle = (size / 2 + i) % size;
                int n = order == 0 ? i : order == 1 ? size - 1 - i : middle;
                apply_entry(txn, f, RK_ACTION_INDEX_DELETE, "b", n);
            }
            uint64_t left = 0;
            must(rk_view_count(rk_txn_view(txn), f->index, &left, NULL));
            assert_int_equal(left, 2);
            rk_slice value;
            rk_view *view = rk_txn_view(txn);
            assert_int_equal(rk_view_get(view, f->index, rk_slice_str("b"), &value, NULL),
                             RK_NOT_FOUND);
            must(rk_view_get(view, f->index, rk_slice_str("a"), &value, NULL));
            must(rk_view_get(view, f->index, rk_slice_str("c"), &value, NULL));
        }
    }
    must(rk_txn_commit(txn, NULL));
}

/* One call that empties one set and fills another, between two neighbours that must stay: the
 * values come in another order than the index's, and deletes and puts take turns. */
static void test_many_entries_in_one_call(void **state)
{
    enum { MOST = 3000, STEP = 7 }; /* STEP has no factor in common with a size */
    static const int SIZES[] = {1, 2, 3, 10, 60, 61, 100, 1000, MOST};
    contract_fixture *f = *state;
    char(*values)[64] = calloc(MOST, sizeof *values);
    rk_op *ops = calloc((size_t)2 * MOST, sizeof *ops);
    rk_unit *units = calloc((size_t)2 * MOST, sizeof *units);
    assert_true(values && ops && units);
    for (int i = 0; i < MOST; i++)
        snprintf(values[i], sizeof *values, "TENANT#acme#CONTRACT#c-%06d", i);
    rk_txn *txn = NULL;
    must(rk_txn_begin(f->store, &txn, NULL));
    apply_entry(txn, f, RK_ACTION_INDEX_PUT, "a", 0);
    apply_entry(txn, f, RK_ACTION_INDEX_PUT, "c", 0);
    for (size_t s = 0; s < COUNT(SIZES); s++) {
        int size = SIZES[s];
        for (int i = 0; i < size; i++)
            apply_entry(txn, f, RK_ACTION_INDEX_PUT, "b", i);
        for (int turn = 0; turn < 2; turn++) { /* there and back */
            for (int i = 0; i < size; i++) {
                const char *value = values[(int64_t)i * STEP % size];
                ops[2 * i] = entry_op(f, RK_ACTION_INDEX_DELETE, turn ? "bb" : "b", value);
                ops[2 * i + 1] = entry_op(f, RK_ACTION_INDEX_PUT, turn ? "b" : "bb", value);
                units[i] = (rk_unit){.ops = &ops[2 * i], .op_count = 2};
            }
            must(rk_txn_apply(txn, units, (size_t)size, NULL));
            rk_view *view = rk_txn_view(txn);
            uint64_t count = 0;
            must(rk_view_count(view, f->index, &count, NULL));
            assert_int_equal(count, 2 + size);
            for (int i = 0; i < size; i++) {
                assert_int_equal(units[i].outcome, RK_UNIT_APPLIED);
                must(rk_view_has_entry(view, f->index, rk_slice_str(turn ? "b" : "bb"),
                                       rk_slice_str(values[i]), NULL));
            }
        }
        for (int i = 0; i < size; i++) {
            ops[i] = entry_op(f, RK_ACTION_INDEX_DELETE, "b", values[i]);
            units[i] = (rk_unit){.ops = &ops[i], .op_count = 1};
        }
        must(rk_txn_apply(txn, units, (size_t)size, NULL));
    }
    uint64_t left = 0;
    must(rk_view_count(rk_txn_view(txn), f->index, &left, NULL));
    assert_int_equal(left, 2);
    must(rk_txn_commit(txn, NULL));
    free(values);
    free(ops);
    free(units);
}

int contract_run_model(const char *name, contract_fixture *fixture)
{
    struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_repeated_index_deletes),
        cmocka_unit_test(test_many_entries_in_one_call),
    };
    for (size_t i = 0; i < COUNT(tests); i++) {
        tests[i].setup_func = contract_setup;
        tests[i].teardown_func = contract_teardown;
        tests[i].initial_state = fixture;
    }
    return _cmocka_run_group_tests(name, tests, COUNT(tests), NULL, NULL);
}
