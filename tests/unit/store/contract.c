#include "contract.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

void contract_must(rk_status status, const rk_error *err, const char *what, const char *file,
                   int line)
{
    if (status == RK_OK)
        return;
    print_error("%s: %s: %s\n", what, rk_status_name(status), err->message);
    _fail(file, line);
}

int contract_setup(void **state)
{
    contract_fixture *f = *state;
    rk_error err = {0};
    f->store = f->backend->open_new(f->backend->context);
    assert_non_null(f->store);
    must_err(rk_store_table(f->store, "records", RK_TABLE_RECORDS, true, &f->records, &err), &err);
    must_err(rk_store_table(f->store, "index", RK_TABLE_INDEX, true, &f->index, &err), &err);
    return 0;
}

int contract_teardown(void **state)
{
    contract_fixture *f = *state;
    rk_store_close(f->store);
    f->store = NULL;
    f->backend->forget(f->backend->context);
    return 0;
}

void contract_apply(rk_store *store, rk_unit *units, size_t count)
{
    rk_error err = {0};
    rk_txn *txn = NULL;
    must_err(rk_txn_begin(store, &txn, &err), &err);
    must_err(rk_txn_apply(txn, units, count, &err), &err);
    must_err(rk_txn_commit(txn, &err), &err);
}

void contract_put(rk_store *store, rk_table table, const char *key, const char *value)
{
    rk_error err = {0};
    rk_txn *txn = NULL;
    must_err(rk_txn_begin(store, &txn, &err), &err);
    must_err(rk_txn_put(txn, table, rk_slice_str(key), rk_slice_str(value), &err), &err);
    must_err(rk_txn_commit(txn, &err), &err);
}

static rk_view *snapshot(rk_store *store)
{
    rk_error err = {0};
    rk_view *view = NULL;
    must_err(rk_snapshot_open(store, &view, &err), &err);
    return view;
}

/* NULL: the key must be absent. */
static void expect_record(rk_view *view, rk_table table, const char *key, const char *value)
{
    rk_error err = {0};
    rk_slice found;
    rk_status status = rk_view_get(view, table, rk_slice_str(key), &found, &err);
    if (!value) {
        assert_int_equal(status, RK_NOT_FOUND);
        assert_string_equal(err.message, "");
        return;
    }
    must_err(status, &err);
    assert_int_equal(found.len, strlen(value));
    assert_memory_equal(found.ptr, value, found.len);
}

static void expect_stored(contract_fixture *f, const char *key, const char *value)
{
    rk_view *view = snapshot(f->store);
    expect_record(view, f->records, key, value);
    rk_snapshot_close(view);
}

static rk_op op_of(rk_action action, rk_condition condition, rk_table table, const char *key,
                   const char *value, const char *expected)
{
    return (rk_op){
        .action = (uint8_t)action,
        .condition = (uint8_t)condition,
        .table = table,
        .key = rk_slice_str(key),
        .value = rk_slice_str(value),
        .expected = rk_slice_str(expected),
    };
}

/* --- tables ----------------------------------------------------------------------------------- */

static void test_tables(void **state)
{
    contract_fixture *f = *state;
    rk_error err = {0};
    rk_table again = 77, other = 77;
    must(rk_store_table(f->store, "records", RK_TABLE_RECORDS, true, &again, NULL));
    assert_int_equal(again, f->records);
    must(rk_store_table(f->store, "records", RK_TABLE_RECORDS, false, &again, NULL));
    assert_int_equal(again, f->records);
    assert_int_equal(rk_store_table(f->store, "nowhere", RK_TABLE_RECORDS, false, &other, &err),
                     RK_NOT_FOUND);
    assert_int_equal(other, 77);
    assert_int_not_equal(strlen(err.message), 0);
    assert_int_equal(rk_store_table(f->store, "records", RK_TABLE_INDEX, false, &other, &err),
                     RK_INVALID);
    assert_int_equal(rk_store_table(f->store, "index", RK_TABLE_RECORDS, true, &other, &err),
                     RK_INVALID);
    assert_int_equal(other, 77);
}

static void test_listing(void **state)
{
    contract_fixture *f = *state;
    contract_put(f->store, f->records, "a", "1");
    contract_put(f->store, f->records, "b", "2");
    rk_table_info *infos = NULL;
    size_t count = 0;
    must(rk_store_tables(f->store, &infos, &count, NULL));
    assert_int_equal(count, 3);
    assert_string_equal(infos[0].name, "");
    assert_int_equal(infos[0].entries, 0);
    bool seen = false;
    for (size_t i = 1; i < count; i++) {
        assert_true(infos[i].ordinary);
        bool index = strcmp(infos[i].name, "index") == 0;
        assert_int_equal(infos[i].kind, index ? RK_TABLE_INDEX : RK_TABLE_RECORDS);
        assert_int_equal(infos[i].entries, index ? 0 : 2);
        seen |= strcmp(infos[i].name, "records") == 0;
    }
    assert_true(seen);
    free(infos);
}

/* --- conditions ------------------------------------------------------------------------------- */

typedef struct condition_case {
    const char *name;
    const char *before; /* NULL: absent */
    rk_action action;
    rk_condition condition;
    const char *value;
    const char *expected;
    rk_outcome outcome;
    const char *after;
} condition_case;

static const condition_case CONDITIONS[] = {
    {"put any, absent", NULL, RK_ACTION_PUT, RK_IF_ANY, "v", NULL, RK_UNIT_APPLIED, "v"},
    {"put any, other", "w", RK_ACTION_PUT, RK_IF_ANY, "v", NULL, RK_UNIT_APPLIED, "v"},
    {"put any, other and longer", "w", RK_ACTION_PUT, RK_IF_ANY, "vvvvvvvv", NULL, RK_UNIT_APPLIED,
     "vvvvvvvv"},
    {"put any, same", "v", RK_ACTION_PUT, RK_IF_ANY, "v", NULL, RK_UNIT_UNCHANGED, "v"},
    {"put any, empty value", "v", RK_ACTION_PUT, RK_IF_ANY, "", NULL, RK_UNIT_APPLIED, ""},
    {"put absent, absent", NULL, RK_ACTION_PUT, RK_IF_ABSENT, "v", NULL, RK_UNIT_APPLIED, "v"},
    {"put absent, same", "v", RK_ACTION_PUT, RK_IF_ABSENT, "v", NULL, RK_UNIT_REFUSED, "v"},
    {"put present, absent", NULL, RK_ACTION_PUT, RK_IF_PRESENT, "v", NULL, RK_UNIT_REFUSED, NULL},
    {"put present, other", "w", RK_ACTION_PUT, RK_IF_PRESENT, "v", NULL, RK_UNIT_APPLIED, "v"},
    {"put equals, equal", "w", RK_ACTION_PUT, RK_IF_EQUALS, "v", "w", RK_UNIT_APPLIED, "v"},
    {"put equals, other", "x", RK_ACTION_PUT, RK_IF_EQUALS, "v", "w", RK_UNIT_REFUSED, "x"},
    {"put equals, absent", NULL, RK_ACTION_PUT, RK_IF_EQUALS, "v", "w", RK_UNIT_REFUSED, NULL},
    {"put equals, same", "v", RK_ACTION_PUT, RK_IF_EQUALS, "v", "v", RK_UNIT_UNCHANGED, "v"},
    {"put equals empty, absent", NULL, RK_ACTION_PUT, RK_IF_EQUALS, "v", "", RK_UNIT_REFUSED, NULL},
    {"put absent or same, absent", NULL, RK_ACTION_PUT, RK_IF_ABSENT_OR_SAME, "v", NULL,
     RK_UNIT_APPLIED, "v"},
    {"put absent or same, same", "v", RK_ACTION_PUT, RK_IF_ABSENT_OR_SAME, "v", NULL,
     RK_UNIT_UNCHANGED, "v"},
    {"put absent or same, other", "w", RK_ACTION_PUT, RK_IF_ABSENT_OR_SAME, "v", NULL,
     RK_UNIT_REFUSED, "w"},
    {"put absent or same, prefix", "vv", RK_ACTION_PUT, RK_IF_ABSENT_OR_SAME, "v", NULL,
     RK_UNIT_REFUSED, "vv"},
    {"delete any, absent", NULL, RK_ACTION_DELETE, RK_IF_ANY, NULL, NULL, RK_UNIT_UNCHANGED, NULL},
    {"delete any, there", "w", RK_ACTION_DELETE, RK_IF_ANY, NULL, NULL, RK_UNIT_APPLIED, NULL},
    {"delete equals, equal", "w", RK_ACTION_DELETE, RK_IF_EQUALS, NULL, "w", RK_UNIT_APPLIED, NULL},
    {"delete equals, other", "x", RK_ACTION_DELETE, RK_IF_EQUALS, NULL, "w", RK_UNIT_REFUSED, "x"},
    {"delete equals, absent", NULL, RK_ACTION_DELETE, RK_IF_EQUALS, NULL, "w", RK_UNIT_REFUSED,
     NULL},
    {"delete present, absent", NULL, RK_ACTION_DELETE, RK_IF_PRESENT, NULL, NULL, RK_UNIT_REFUSED,
     NULL},
    {"check absent, absent", NULL, RK_ACTION_CHECK, RK_IF_ABSENT, NULL, NULL, RK_UNIT_UNCHANGED,
     NULL},
    {"check absent, there", "w", RK_ACTION_CHECK, RK_IF_ABSENT, NULL, NULL, RK_UNIT_REFUSED, "w"},
    {"check present, there", "w", RK_ACTION_CHECK, RK_IF_PRESENT, NULL, NULL, RK_UNIT_UNCHANGED,
     "w"},
    {"check equals, equal", "w", RK_ACTION_CHECK, RK_IF_EQUALS, NULL, "w", RK_UNIT_UNCHANGED, "w"},
    {"check equals, other", "x", RK_ACTION_CHECK, RK_IF_EQUALS, NULL, "w", RK_UNIT_REFUSED, "x"},
};

static void test_conditions(void **state)
{
    contract_fixture *f = *state;
    for (size_t i = 0; i < COUNT(CONDITIONS); i++) {
        const condition_case *c = &CONDITIONS[i];
        char key[32];
        snprintf(key, sizeof key, "case-%03zu", i);
        if (c->before)
            contract_put(f->store, f->records, key, c->before);
        rk_op op = op_of(c->action, c->condition, f->records, key, c->value, c->expected);
        rk_unit unit = {.ops = &op, .op_count = 1, .failed_op = 99};
        contract_apply(f->store, &unit, 1);
        if (unit.outcome != c->outcome)
            print_error("case: %s\n", c->name);
        assert_int_equal(unit.outcome, c->outcome);
        assert_int_equal(unit.failed_op, c->outcome == RK_UNIT_REFUSED ? 0 : 99);
        expect_stored(f, key, c->after);
    }
}

/* --- units ------------------------------------------------------------------------------------ */

static void test_move(void **state)
{
    contract_fixture *f = *state;
    contract_put(f->store, f->records, "old", "v");
    rk_op ops[] = {
        op_of(RK_ACTION_CHECK, RK_IF_EQUALS, f->records, "parent", NULL, "p"),
        op_of(RK_ACTION_PUT, RK_IF_ABSENT_OR_SAME, f->records, "new", "w", NULL),
        op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "by", "new", NULL),
        op_of(RK_ACTION_INDEX_DELETE, RK_IF_ANY, f->index, "by", "old", NULL),
        op_of(RK_ACTION_DELETE, RK_IF_EQUALS, f->records, "old", NULL, "v"),
    };
    rk_unit unit = {.ops = ops, .op_count = COUNT(ops)};
    contract_apply(f->store, &unit, 1);
    assert_int_equal(unit.outcome, RK_UNIT_REFUSED);
    assert_int_equal(unit.failed_op, 0);
    expect_stored(f, "old", "v");
    expect_stored(f, "new", NULL);

    contract_put(f->store, f->records, "parent", "p");
    contract_apply(f->store, &unit, 1);
    assert_int_equal(unit.outcome, RK_UNIT_APPLIED);
    expect_stored(f, "old", NULL);
    expect_stored(f, "new", "w");

    contract_apply(f->store, &unit, 1); /* a second time: the old record is gone */
    assert_int_equal(unit.outcome, RK_UNIT_REFUSED);
    assert_int_equal(unit.failed_op, 4);
    expect_stored(f, "new", "w");
}

/* What was seen is taken as it was seen, where the caller says that it still holds; all else is
 * checked. */
static void test_seen_conditions(void **state)
{
    contract_fixture *f = *state;
    for (unsigned seen = 0; seen < 4; seen++) {
        bool check_seen = seen & 1, unit_holds = seen & 2;
        contract_put(f->store, f->records, "old", "v");
        contract_put(f->store, f->records, "new", "w");
        rk_op ops[] = {
            op_of(RK_ACTION_CHECK, RK_IF_EQUALS, f->records, "new", NULL, "not w"),
            op_of(RK_ACTION_DELETE, RK_IF_EQUALS, f->records, "old", NULL, "not v"),
        };
        ops[0].seen = check_seen;
        ops[1].seen = true;
        rk_unit unit = {.ops = ops, .op_count = COUNT(ops), .seen_holds = unit_holds};
        contract_apply(f->store, &unit, 1);
        bool refused = !check_seen || !unit_holds;
        assert_int_equal(unit.outcome, refused ? RK_UNIT_REFUSED : RK_UNIT_APPLIED);
        expect_stored(f, "old", refused ? "v" : NULL);
    }
    rk_op put = op_of(RK_ACTION_PUT, RK_IF_ABSENT, f->records, "new", "x", NULL);
    rk_unit unit = {.ops = &put, .op_count = 1, .seen_holds = true};
    contract_apply(f->store, &unit, 1); /* nobody has seen that it is absent */
    assert_int_equal(unit.outcome, RK_UNIT_REFUSED);
    expect_stored(f, "new", "w");
}

/* A refused unit changes nothing, whichever operation refuses, and its neighbours are applied. */
static void test_refusal_changes_nothing(void **state)
{
    contract_fixture *f = *state;
    contract_put(f->store, f->records, "blocked", "other");
    contract_put(f->store, f->records, "doomed", "d");
    for (unsigned bad = 0; bad < 5; bad++) {
        rk_op ops[] = {
            op_of(RK_ACTION_PUT, RK_IF_ANY, f->records, "p", "1", NULL),
            op_of(RK_ACTION_PUT, RK_IF_ABSENT, f->records, "q", "1", NULL),
            op_of(RK_ACTION_DELETE, RK_IF_EQUALS, f->records, "doomed", NULL, "d"),
            op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "i", "1", NULL),
            op_of(RK_ACTION_PUT, RK_IF_ABSENT_OR_SAME, f->records, "r", "1", NULL),
        };
        ops[bad] = op_of(RK_ACTION_PUT, RK_IF_ABSENT_OR_SAME, f->records, "blocked", "mine", NULL);
        rk_op before =
            op_of(RK_ACTION_PUT, RK_IF_ANY, f->records, "before", bad % 2 ? "1" : "2", NULL);
        rk_op after = before;
        after.key = rk_slice_str("after");
        rk_unit units[] = {{.ops = &before, .op_count = 1},
                           {.ops = ops, .op_count = COUNT(ops)},
                           {.ops = &after, .op_count = 1}};
        contract_apply(f->store, units, COUNT(units));
        assert_int_equal(units[0].outcome, RK_UNIT_APPLIED);
        assert_int_equal(units[1].outcome, RK_UNIT_REFUSED);
        assert_int_equal(units[1].failed_op, bad);
        assert_int_equal(units[2].outcome, RK_UNIT_APPLIED);
        rk_view *view = snapshot(f->store);
        expect_record(view, f->records, "p", NULL);
        expect_record(view, f->records, "q", NULL);
        expect_record(view, f->records, "r", NULL);
        expect_record(view, f->records, "doomed", "d");
        expect_record(view, f->records, "blocked", "other");
        assert_int_equal(
            rk_view_has_entry(view, f->index, rk_slice_str("i"), rk_slice_str("1"), NULL),
            RK_NOT_FOUND);
        rk_snapshot_close(view);
    }
}

/* Later units of a batch see what earlier ones did. */
static void test_units_in_order(void **state)
{
    contract_fixture *f = *state;
    rk_op ops[] = {
        op_of(RK_ACTION_PUT, RK_IF_ABSENT, f->records, "k", "1", NULL),
        op_of(RK_ACTION_PUT, RK_IF_ABSENT, f->records, "k", "2", NULL),
        op_of(RK_ACTION_PUT, RK_IF_EQUALS, f->records, "k", "3", "1"),
        op_of(RK_ACTION_DELETE, RK_IF_EQUALS, f->records, "k", NULL, "3"),
        op_of(RK_ACTION_PUT, RK_IF_ABSENT, f->records, "k", "4", NULL),
    };
    rk_unit units[COUNT(ops)];
    for (size_t i = 0; i < COUNT(ops); i++)
        units[i] = (rk_unit){.ops = &ops[i], .op_count = 1};
    contract_apply(f->store, units, COUNT(units));
    for (size_t i = 0; i < COUNT(ops); i++)
        assert_int_equal(units[i].outcome, i == 1 ? RK_UNIT_REFUSED : RK_UNIT_APPLIED);
    expect_stored(f, "k", "4");
}

static void test_index(void **state)
{
    contract_fixture *f = *state;
    rk_op ops[] = {
        op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "k", "b", NULL),
        op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "k", "a", NULL),
        op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "k", "a", NULL),
        op_of(RK_ACTION_INDEX_DELETE, RK_IF_ANY, f->index, "k", "c", NULL),
        op_of(RK_ACTION_INDEX_DELETE, RK_IF_ANY, f->index, "other", "a", NULL),
        op_of(RK_ACTION_INDEX_DELETE, RK_IF_ANY, f->index, "k", "b", NULL),
    };
    static const rk_outcome WANTED[] = {RK_UNIT_APPLIED,   RK_UNIT_APPLIED,   RK_UNIT_UNCHANGED,
                                        RK_UNIT_UNCHANGED, RK_UNIT_UNCHANGED, RK_UNIT_APPLIED};
    rk_unit units[COUNT(ops)];
    for (size_t i = 0; i < COUNT(ops); i++)
        units[i] = (rk_unit){.ops = &ops[i], .op_count = 1};
    contract_apply(f->store, units, COUNT(units));
    for (size_t i = 0; i < COUNT(ops); i++)
        assert_int_equal(units[i].outcome, WANTED[i]);
    rk_op again[] = {op_of(RK_ACTION_INDEX_DELETE, RK_IF_ANY, f->index, "k", "a", NULL),
                     op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "k", "a", NULL)};
    rk_unit there_again[] = {{.ops = &again[0], .op_count = 1}, {.ops = &again[1], .op_count = 1}};
    contract_apply(f->store, there_again, COUNT(there_again));
    assert_int_equal(there_again[0].outcome, RK_UNIT_APPLIED);
    assert_int_equal(there_again[1].outcome, RK_UNIT_APPLIED);
    rk_view *view = snapshot(f->store);
    rk_slice k = rk_slice_str("k");
    must(rk_view_has_entry(view, f->index, k, rk_slice_str("a"), NULL));
    assert_int_equal(rk_view_has_entry(view, f->index, k, rk_slice_str("b"), NULL), RK_NOT_FOUND);
    uint64_t count = 0;
    must(rk_view_count(view, f->index, &count, NULL));
    assert_int_equal(count, 1);
    rk_snapshot_close(view);
}

/* --- limits ----------------------------------------------------------------------------------- */

/* One byte over is refused before anything is written, and the transaction is over. */
static void expect_limit(contract_fixture *f, rk_op op, rk_status wanted)
{
    rk_error err = {0};
    rk_txn *txn = NULL;
    must(rk_txn_begin(f->store, &txn, NULL));
    rk_unit unit = {.ops = &op, .op_count = 1};
    assert_int_equal(rk_txn_apply(txn, &unit, 1, &err), wanted);
    assert_int_not_equal(strlen(err.message), 0);
    assert_int_not_equal(rk_txn_apply(txn, &unit, 0, &err), RK_OK);
    rk_txn_abort(txn);
}

static void test_limits(void **state)
{
    contract_fixture *f = *state;
    const rk_store_caps *caps = rk_store_capabilities(f->store);
    size_t size = caps->key_bytes_max + caps->index_value_bytes_max + 2;
    uint8_t *bytes = malloc(size);
    memset(bytes, 'k', size);
    rk_slice most = rk_slice_of(bytes, caps->key_bytes_max);
    rk_slice over = rk_slice_of(bytes, caps->key_bytes_max + 1);
    rk_op op = op_of(RK_ACTION_PUT, RK_IF_ABSENT, f->records, "", "v", NULL);
    op.key = most;
    rk_unit unit = {.ops = &op, .op_count = 1};
    contract_apply(f->store, &unit, 1);
    assert_int_equal(unit.outcome, RK_UNIT_APPLIED);
    op.key = over;
    expect_limit(f, op, RK_LIMIT);
    op.key = RK_SLICE_EMPTY;
    expect_limit(f, op, RK_INVALID);

    op = op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "k", "", NULL);
    expect_limit(f, op, RK_INVALID);
    op.value = rk_slice_of(bytes, caps->index_value_bytes_max + 1);
    expect_limit(f, op, RK_LIMIT);
    op.value = rk_slice_of(bytes, caps->index_value_bytes_max);
    contract_apply(f->store, &unit, 1);
    assert_int_equal(unit.outcome, RK_UNIT_APPLIED);

    rk_view *view = snapshot(f->store);
    rk_slice value;
    must(rk_view_get(view, f->records, most, &value, NULL));
    assert_int_equal(rk_view_get(view, f->records, over, &value, NULL), RK_NOT_FOUND);
    assert_int_equal(rk_view_get(view, f->records, RK_SLICE_EMPTY, &value, NULL), RK_NOT_FOUND);
    must(rk_view_has_entry(view, f->index, op.key, op.value, NULL));
    rk_snapshot_close(view);
    free(bytes);
}

static void test_bytes(void **state)
{
    contract_fixture *f = *state;
    static const char KEY[] = "\0\xff\0k";
    static const char VALUE[] = "\xff\0\0v";
    rk_txn *txn = NULL;
    must(rk_txn_begin(f->store, &txn, NULL));
    must(rk_txn_put(txn, f->records, RK_SLICE_LITERAL("\0\xff\0k"), RK_SLICE_LITERAL("\xff\0\0v"),
                    NULL));
    must(rk_txn_commit(txn, NULL));
    rk_view *view = snapshot(f->store);
    rk_slice value;
    must(rk_view_get(view, f->records, rk_slice_of(KEY, sizeof KEY - 1), &value, NULL));
    assert_int_equal(value.len, sizeof VALUE - 1);
    assert_memory_equal(value.ptr, VALUE, value.len);
    rk_snapshot_close(view);
}

/* --- transactions and snapshots --------------------------------------------------------------- */

static void test_abort(void **state)
{
    contract_fixture *f = *state;
    contract_put(f->store, f->records, "k", "1");
    rk_txn *txn = NULL;
    must(rk_txn_begin(f->store, &txn, NULL));
    must(rk_txn_put(txn, f->records, rk_slice_str("k"), rk_slice_str("2"), NULL));
    must(rk_txn_delete(txn, f->records, rk_slice_str("nothing"), NULL));
    expect_record(rk_txn_view(txn), f->records, "k", "2");
    rk_txn_abort(txn);
    expect_stored(f, "k", "1");
    rk_txn_abort(NULL);
}

/* Metadata and units of one transaction appear together. */
static void test_atomic_batch(void **state)
{
    contract_fixture *f = *state;
    if (!rk_store_capabilities(f->store)->atomic_batch)
        skip();
    rk_view *view = snapshot(f->store);
    rk_txn *txn = NULL;
    must(rk_txn_begin(f->store, &txn, NULL));
    rk_op op = op_of(RK_ACTION_PUT, RK_IF_ABSENT, f->records, "k", "1", NULL);
    rk_unit unit = {.ops = &op, .op_count = 1};
    must(rk_txn_apply(txn, &unit, 1, NULL));
    must(rk_txn_put(txn, f->records, rk_slice_str("checkpoint"), rk_slice_str("k"), NULL));
    must(rk_snapshot_renew(view, NULL));
    expect_record(view, f->records, "k", NULL);
    expect_record(view, f->records, "checkpoint", NULL);
    must(rk_txn_commit(txn, NULL));
    expect_record(view, f->records, "k", NULL);
    must(rk_snapshot_renew(view, NULL));
    expect_record(view, f->records, "k", "1");
    expect_record(view, f->records, "checkpoint", "k");
    rk_snapshot_close(view);
}

static void test_snapshot_states(void **state)
{
    contract_fixture *f = *state;
    if (!rk_store_capabilities(f->store)->snapshots)
        skip();
    contract_put(f->store, f->records, "k", "1");
    rk_view *old = snapshot(f->store), *other = snapshot(f->store);
    expect_record(old, f->records, "k", "1");
    rk_cursor *cursor = NULL;
    must(rk_cursor_open(old, f->records, &cursor, NULL));
    rk_entry entry;
    must(rk_cursor_seek(cursor, rk_slice_str("k"), &entry, NULL));
    contract_put(f->store, f->records, "k", "2");
    contract_put(f->store, f->records, "l", "2");
    expect_record(old, f->records, "k", "1");
    assert_int_equal(rk_cursor_next(cursor, &entry, NULL), RK_NOT_FOUND);
    rk_snapshot_release(old);
    rk_snapshot_release(old); /* twice is no harm */
    rk_snapshot_close(other);
    must(rk_snapshot_renew(old, NULL));
    expect_record(old, f->records, "k", "2");
    must(rk_cursor_seek(cursor, rk_slice_str("k"), &entry, NULL));
    must(rk_cursor_next(cursor, &entry, NULL));
    assert_memory_equal(entry.key.ptr, "l", 1);
    rk_cursor_close(cursor);
    rk_snapshot_release(old);
    rk_snapshot_close(old); /* released: closing is still right */
    rk_snapshot_close(NULL);
    rk_cursor_close(NULL);
}

/* Commits are numbered, whoever made them; one that changes nothing may go without. */
static void test_state_numbers(void **state)
{
    contract_fixture *f = *state;
    rk_view *view = snapshot(f->store), *old = snapshot(f->store);
    uint64_t first = rk_view_state(view);
    if (first != RK_STATE_UNKNOWN) {
        for (uint64_t i = 1; i < 4; i++) {
            contract_put(f->store, f->records, "k", i % 2 ? "1" : "2");
            must(rk_snapshot_renew(view, NULL));
            assert_int_equal(rk_view_state(view), first + i);
        }
        assert_int_equal(rk_view_state(old), first);
        rk_txn *txn = NULL;
        must(rk_txn_begin(f->store, &txn, NULL));
        assert_int_equal(rk_view_state(rk_txn_view(txn)), first + 3);
        must(rk_txn_put(txn, f->records, rk_slice_str("k"), rk_slice_str("3"), NULL));
        assert_int_equal(rk_view_state(rk_txn_view(txn)), first + 3);
        rk_txn_abort(txn);
        must(rk_snapshot_renew(view, NULL));
        assert_int_equal(rk_view_state(view), first + 3);
    }
    rk_snapshot_close(old);
    rk_snapshot_close(view);
}

/* Many questions for keys that are not there, between keys that are: none of them hides one that
 * is, nor one that comes to be there. */
static void test_absent_keys(void **state)
{
    static const char *const absent[] = {"a", "bb", "b\x01", "c", "cz", "dd", "e", "zz", "0"};
    static const char *const present[] = {"b", "d", "cc"};
    contract_fixture *f = *state;
    contract_put(f->store, f->records, "b", "1");
    contract_put(f->store, f->records, "d", "1");
    rk_view *view = snapshot(f->store);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT(absent); i++) {
            for (size_t again = 0; again < 3; again++)
                expect_record(view, f->records, absent[(i * (round + 1)) % COUNT(absent)], NULL);
            for (size_t k = 0; k < 2; k++)
                expect_record(view, f->records, present[k], "1");
        }
    }
    rk_snapshot_release(view);
    contract_put(f->store, f->records, "cc", "1");
    must(rk_snapshot_renew(view, NULL));
    for (size_t i = 0; i < COUNT(absent) * 3; i++) {
        expect_record(view, f->records, absent[i % COUNT(absent)], NULL);
        for (size_t k = 0; k < COUNT(present); k++)
            expect_record(view, f->records, present[k], "1");
    }
    rk_snapshot_close(view);
}

static void expect_neighbour(contract_fixture *f, rk_view *view, int street, int house, bool there)
{
    char key[64];
    snprintf(key, sizeof key, "a-street-of-its-own-%d-house-%06d", street, house);
    expect_record(view, f->records, key, there ? key : NULL);
}

/* Walks through more neighbourhoods than a backend may keep a place in, in turns; each second house
 * is there, and after a renewal all are. */
static void test_neighbourhoods(void **state)
{
    enum { STREETS = 7, HOUSES = 120 };
    contract_fixture *f = *state;
    rk_view *view = snapshot(f->store);
    for (int round = 0; round < 2; round++) {
        rk_snapshot_release(view);
        rk_txn *txn = NULL;
        must(rk_txn_begin(f->store, &txn, NULL));
        for (int i = 0; i < STREETS * HOUSES; i++) {
            char key[64];
            if (i / STREETS % 2 == 1 - round)
                continue;
            snprintf(key, sizeof key, "a-street-of-its-own-%d-house-%06d", i % STREETS,
                     i / STREETS);
            must(rk_txn_put(txn, f->records, rk_slice_str(key), rk_slice_str(key), NULL));
        }
        must(rk_txn_commit(txn, NULL));
        must(rk_snapshot_renew(view, NULL));
        for (int house = 0; house < HOUSES; house++)
            for (int street = 0; street <= STREETS; street++) {
                bool there = street < STREETS && (round == 1 || house % 2 == 0);
                expect_neighbour(f, view, street, house, there);
            }
    }
    rk_snapshot_close(view);
}

static void test_fingerprint(void **state)
{
    contract_fixture *f = *state;
    uint8_t before[RK_FINGERPRINT_BYTES_MAX], after[RK_FINGERPRINT_BYTES_MAX];
    size_t before_len, after_len;
    contract_put(f->store, f->records, "k", "1");
    rk_view *view = snapshot(f->store);
    must(rk_view_fingerprint(view, "records", before, &before_len, NULL));
    rk_op op = op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "k", "a", NULL);
    rk_unit unit = {.ops = &op, .op_count = 1};
    contract_apply(f->store, &unit, 1);
    must(rk_snapshot_renew(view, NULL));
    must(rk_view_fingerprint(view, "records", after, &after_len, NULL));
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, after_len); /* another table changed */
    contract_put(f->store, f->records, "k", "2");
    must(rk_snapshot_renew(view, NULL));
    must(rk_view_fingerprint(view, "records", after, &after_len, NULL));
    assert_false(before_len == after_len && memcmp(before, after, after_len) == 0);
    must(rk_view_fingerprint(view, "nowhere", before, &before_len, NULL));
    assert_int_equal(before_len, 0);
    rk_snapshot_close(view);

    rk_txn *txn = NULL; /* a transaction sees the same, until it changes the table itself */
    must(rk_txn_begin(f->store, &txn, NULL));
    must(rk_view_fingerprint(rk_txn_view(txn), "records", before, &before_len, NULL));
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, after_len);
    must(rk_txn_put(txn, f->records, rk_slice_str("k"), rk_slice_str("3"), NULL));
    must(rk_view_fingerprint(rk_txn_view(txn), "records", before, &before_len, NULL));
    assert_false(before_len == after_len && memcmp(before, after, after_len) == 0);
    rk_txn_abort(txn);
}

static void test_space(void **state)
{
    contract_fixture *f = *state;
    rk_space before = {0}, after = {0};
    must(rk_store_space(f->store, &before, NULL));
    contract_put(f->store, f->records, "k", "1");
    must(rk_store_space(f->store, &after, NULL));
    assert_true(after.disk_free_bytes > 0);
    assert_true(after.last_txn > before.last_txn);
    assert_true(after.used_bytes >= before.used_bytes);
}

/* --- cursors ---------------------------------------------------------------------------------- */

typedef struct seek_case {
    const char *key;
    const char *value; /* NULL: by key */
    const char *found; /* "key=value", NULL for the end */
} seek_case;

/* Over a=1, a=3, c=2, e=5. */
static const seek_case SEEKS[] = {
    {"", NULL, "a=1"},   {"a", NULL, "a=1"}, {"b", NULL, "c=2"}, {"c", NULL, "c=2"},
    {"cc", NULL, "e=5"}, {"f", NULL, NULL},  {"a", "1", "a=1"},  {"a", "2", "a=3"},
    {"a", "4", "c=2"},   {"a", "", "a=1"},   {"b", "9", "c=2"},  {"c", "1", "c=2"},
    {"c", "3", "e=5"},   {"e", "5", "e=5"},  {"e", "6", NULL},   {"", "7", "a=1"},
    {"d", "5", "e=5"},   {"0", "9", "a=1"},  {"f", "1", NULL},
};

static void test_seek_entry(void **state)
{
    contract_fixture *f = *state;
    rk_op ops[] = {
        op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "a", "1", NULL),
        op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "a", "3", NULL),
        op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "c", "2", NULL),
        op_of(RK_ACTION_INDEX_PUT, RK_IF_ANY, f->index, "e", "5", NULL),
    };
    rk_unit unit = {.ops = ops, .op_count = COUNT(ops)};
    contract_apply(f->store, &unit, 1);
    rk_view *view = snapshot(f->store);
    rk_cursor *cursor = NULL;
    must(rk_cursor_open(view, f->index, &cursor, NULL));
    for (size_t i = 0; i < COUNT(SEEKS); i++) {
        const seek_case *c = &SEEKS[i];
        rk_entry e;
        rk_status status = c->value ? rk_cursor_seek_entry(cursor, rk_slice_str(c->key),
                                                           rk_slice_str(c->value), &e, NULL)
                                    : rk_cursor_seek(cursor, rk_slice_str(c->key), &e, NULL);
        char text[16] = "";
        if (status == RK_OK)
            snprintf(text, sizeof text, "%.*s=%.*s", (int)e.key.len, (const char *)e.key.ptr,
                     (int)e.value.len, (const char *)e.value.ptr);
        if (strcmp(text, c->found ? c->found : "") != 0)
            print_error("seek %s %s\n", c->key, c->value ? c->value : "");
        assert_string_equal(text, c->found ? c->found : "");
    }
    rk_cursor_close(cursor);
    rk_snapshot_close(view);
}

static void test_walk(void **state)
{
    contract_fixture *f = *state;
    enum { RECORDS = 3000 };
    rk_txn *txn = NULL;
    must(rk_txn_begin(f->store, &txn, NULL));
    char key[32];
    for (int i = RECORDS; i-- > 0;) {
        snprintf(key, sizeof key, "key-%06d", i);
        must(rk_txn_put(txn, f->records, rk_slice_str(key), rk_slice_str(key), NULL));
    }
    must(rk_txn_commit(txn, NULL));
    rk_view *view = snapshot(f->store);
    rk_cursor *cursor = NULL;
    must(rk_cursor_open(view, f->records, &cursor, NULL));
    rk_entry e;
    int seen = 0;
    rk_status status = rk_cursor_seek(cursor, RK_SLICE_EMPTY, &e, NULL);
    for (; status == RK_OK; status = rk_cursor_next(cursor, &e, NULL), seen++) {
        snprintf(key, sizeof key, "key-%06d", seen);
        assert_true(rk_slice_equal(e.key, rk_slice_str(key)));
        assert_true(rk_slice_equal(e.value, rk_slice_str(key)));
    }
    assert_int_equal(status, RK_NOT_FOUND);
    assert_int_equal(seen, RECORDS);
    rk_cursor_close(cursor);
    rk_snapshot_close(view);
}

/* --- running ---------------------------------------------------------------------------------- */

int contract_run(const char *name, const contract_backend *backend)
{
    contract_fixture fixture = {.backend = backend};
    struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),          cmocka_unit_test(test_listing),
        cmocka_unit_test(test_conditions),      cmocka_unit_test(test_move),
        cmocka_unit_test(test_seen_conditions), cmocka_unit_test(test_refusal_changes_nothing),
        cmocka_unit_test(test_units_in_order),  cmocka_unit_test(test_index),
        cmocka_unit_test(test_limits),          cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_abort),           cmocka_unit_test(test_atomic_batch),
        cmocka_unit_test(test_snapshot_states), cmocka_unit_test(test_state_numbers),
        cmocka_unit_test(test_absent_keys),     cmocka_unit_test(test_neighbourhoods),
        cmocka_unit_test(test_fingerprint),     cmocka_unit_test(test_space),
        cmocka_unit_test(test_seek_entry),      cmocka_unit_test(test_walk),
    };
    for (size_t i = 0; i < COUNT(tests); i++) {
        tests[i].setup_func = contract_setup;
        tests[i].teardown_func = contract_teardown;
        tests[i].initial_state = &fixture;
    }
    int failed = _cmocka_run_group_tests(name, tests, COUNT(tests), NULL, NULL);
    return failed + contract_run_model(name, &fixture);
}
