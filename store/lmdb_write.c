#include "store/lmdb_private.h"

#include <assert.h>
#include <stdlib.h>

#define CHANGES_FIRST 256

typedef struct lmdb_txn {
    rk_txn base;
    bool failed;       /* an operation broke off: nothing but abort */
    uint64_t ops_done; /* numbers the operations of units, for rki_lmdb_slot.read_at */
    rki_lmdb_view view;
} lmdb_txn;

static rki_lmdb_store *store_of(const lmdb_txn *txn)
{
    return rki_lmdb_store_of(txn->base.store);
}

/* --- life cycle ------------------------------------------------------------------------------- */

rk_status rki_lmdb_txn_begin(rk_store *base, rk_txn **out, rk_error *err)
{
    rki_lmdb_store *store = rki_lmdb_store_of(base);
    if (store->mode == RK_LMDB_READ)
        return rk_error_set(err, RK_INVALID, "cannot write: %s was opened to read", store->path);
    lmdb_txn *txn = calloc(1, sizeof *txn);
    if (!txn)
        return rk_error_set(err, RK_NOMEM, "cannot begin a write transaction: out of memory");
    txn->base.store = base;
    txn->view.base.store = base;
    rk_status status = rki_lmdb_begin(store, true, &txn->view.txn, err);
    if (status != RK_OK) {
        free(txn);
        return status;
    }
    int dead = 0;
    if (++store->writes_begun % RK_LMDB_READER_CHECK_EVERY == 0)
        mdb_reader_check(store->env, &dead); /* best effort */
    txn->view.live = true;
    txn->view.writable = true;
    *out = &txn->base;
    return RK_OK;
}

rk_view *rki_lmdb_txn_view(rk_txn *base)
{
    return &((lmdb_txn *)base)->view.base;
}

void rki_lmdb_txn_abort(rk_txn *base)
{
    lmdb_txn *txn = (lmdb_txn *)base;
    rki_lmdb_view_fini(&txn->view); /* LMDB would free its cursors itself, under us */
    mdb_txn_abort(txn->view.txn);
    rki_lmdb_gate_leave(store_of(txn), true);
    free(txn);
}

/* Whether a commit broke off in the meta page: LMDB then refuses every later transaction, and the
 * answer is in the file only. Where a begin fails otherwise, nobody knows. */
static bool panicked(const rki_lmdb_store *store)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    mdb_txn_abort(txn);
    return rc != 0 && rc != MDB_MAP_RESIZED;
}

rk_status rki_lmdb_txn_commit(rk_txn *base, rk_error *err)
{
    lmdb_txn *txn = (lmdb_txn *)base;
    rki_lmdb_store *store = store_of(txn);
    if (txn->failed) {
        rki_lmdb_txn_abort(base);
        return rk_error_set(err, RK_INVALID,
                            "cannot commit to %s: an operation of the transaction failed",
                            store->path);
    }
    rki_lmdb_view_fini(&txn->view);
    int rc = mdb_txn_commit(txn->view.txn);
    free(txn);
    rk_status status = RK_OK;
    if (rc != 0 && panicked(store))
        status = rk_error_set_native(err, RK_UNCERTAIN, rc < 0 ? RK_ORIGIN_LMDB : RK_ORIGIN_ERRNO,
                                     rc, "commit to %s broke off and may have landed: %s",
                                     store->path, mdb_strerror(rc));
    else if (rc != 0)
        status = rki_lmdb_fail(store, rc, "commit", err);
    rki_lmdb_gate_leave(store, true);
    return status;
}

/* --- one operation ---------------------------------------------------------------------------- */

static rk_status key_error(const char *what, size_t len, rk_error *err)
{
    if (len == 0)
        return rk_error_set(err, RK_INVALID, "%s is empty", what);
    return rk_error_set(err, RK_LIMIT, "%s has %zu bytes; LMDB takes %u", what, len,
                        RKI_LMDB_KEY_BYTES_MAX);
}

static bool length_fits(size_t len)
{
    return len > 0 && len <= RKI_LMDB_KEY_BYTES_MAX;
}

/* `cached` is one of the table's slot. */
static rk_status own_cursor(lmdb_txn *txn, rk_table table, MDB_cursor **cached, rk_error *err)
{
    if (*cached)
        return RK_OK;
    int rc = mdb_cursor_open(txn->view.txn, rki_lmdb_table_at(store_of(txn), table)->dbi, cached);
    if (rc != 0)
        return rki_lmdb_cursor_fail(&txn->view, rc, table, err);
    if (txn->view.slots_used <= table)
        txn->view.slots_used = table + 1;
    return RK_OK;
}

static rk_status put_cursor(lmdb_txn *txn, rk_table table, MDB_cursor **out, rk_error *err)
{
    MDB_cursor **cached = &txn->view.slots[table].put;
    rk_status status = own_cursor(txn, table, cached, err);
    *out = *cached;
    return status;
}

/* Puts where nothing is, in one search; else says in `*found` what is there. */
static rk_status put_absent(lmdb_txn *txn, rk_table table, rk_slice key, rk_slice value,
                            bool *present, rk_slice *found, rk_error *err)
{
    MDB_cursor *cursor = NULL;
    rk_status status = put_cursor(txn, table, &cursor, err);
    if (status != RK_OK)
        return status;
    MDB_val k = rki_lmdb_val(key), v = rki_lmdb_val(value);
    int rc = mdb_cursor_put(cursor, &k, &v, MDB_NOOVERWRITE);
    *present = rc == MDB_KEYEXIST;
    if (*present)
        *found = rki_lmdb_slice(v);
    else if (rc == 0)
        txn->view.slots[table].changes++;
    else
        return rki_lmdb_fail(store_of(txn), rc, "put a record", err);
    return RK_OK;
}

static rk_status put_record(lmdb_txn *txn, rk_table table, rk_slice key, rk_slice value,
                            bool *changed, rk_error *err)
{
    bool present = false;
    rk_slice found = RK_SLICE_EMPTY;
    rk_status status = put_absent(txn, table, key, value, &present, &found, err);
    if (status != RK_OK)
        return status;
    *changed = !present || !rk_slice_equal(found, value);
    if (!present || !*changed)
        return RK_OK;
    MDB_val k = rki_lmdb_val(key), v = rki_lmdb_val(value);
    int rc = mdb_cursor_put(txn->view.slots[table].put, &k, &v, 0);
    if (rc != 0)
        return rki_lmdb_fail(store_of(txn), rc, "replace a record", err);
    txn->view.slots[table].changes++;
    return RK_OK;
}

/* `number` is the operation's, or 0: when the condition left the cursor on the key, it is not
 * searched again. */
static rk_status delete_record(lmdb_txn *txn, rk_table table, rk_slice key, uint64_t number,
                               bool *changed, rk_error *err)
{
    MDB_cursor *cursor = NULL;
    rk_status status = rki_lmdb_read_cursor(&txn->view, table, &cursor, err);
    if (status != RK_OK)
        return status;
    rki_lmdb_slot *slot = &txn->view.slots[table];
    int rc = 0;
    if (number == 0 || slot->read_at != number) {
        MDB_val k = rki_lmdb_val(key), v;
        rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_KEY);
    }
    slot->read_at = 0;
    *changed = rc == 0;
    if (rc == 0)
        rc = mdb_cursor_del(cursor, 0);
    else if (rc == MDB_NOTFOUND)
        return RK_OK;
    if (rc != 0)
        return rki_lmdb_fail(store_of(txn), rc, "delete a record", err);
    slot->changes++;
    return RK_OK;
}

static rk_status put_entry(lmdb_txn *txn, const rk_op *op, bool *changed, rk_error *err)
{
    MDB_cursor *cursor = NULL;
    rk_status status = put_cursor(txn, op->table, &cursor, err);
    if (status != RK_OK)
        return status;
    MDB_val k = rki_lmdb_val(op->key), v = rki_lmdb_val(op->value);
    int rc = mdb_cursor_put(cursor, &k, &v, MDB_NODUPDATA);
    *changed = rc == 0;
    if (rc == 0)
        txn->view.slots[op->table].changes++;
    else if (rc != MDB_KEYEXIST)
        return rki_lmdb_fail(store_of(txn), rc, "put an index entry", err);
    return RK_OK;
}

/* By key and value and through no cursor of ours: repeated deletes through one cursor of a DUPSORT
 * table go wrong in LMDB before 0.9.27 (ITS#9376). */
static rk_status delete_entry(lmdb_txn *txn, const rk_op *op, bool *changed, rk_error *err)
{
    MDB_val k = rki_lmdb_val(op->key), v = rki_lmdb_val(op->value);
    int rc = mdb_del(txn->view.txn, rki_lmdb_table_at(store_of(txn), op->table)->dbi, &k, &v);
    *changed = rc == 0;
    if (rc == 0)
        txn->view.slots[op->table].changes++;
    else if (rc != MDB_NOTFOUND)
        return rki_lmdb_fail(store_of(txn), rc, "delete an index entry", err);
    return RK_OK;
}

/* --- units ------------------------------------------------------------------------------------ */

#define NO_OP UINT32_MAX

static bool is_index_action(const rk_op *op)
{
    return op->action == RK_ACTION_INDEX_PUT || op->action == RK_ACTION_INDEX_DELETE;
}

static rk_status check_lengths(const lmdb_txn *txn, const rk_op *op, rk_error *err)
{
    const rki_lmdb_table *table = rki_lmdb_table_at(store_of(txn), op->table);
    assert(op->action <= RK_ACTION_INDEX_DELETE && op->condition <= RK_IF_ABSENT_OR_SAME);
    assert((table->kind == RK_TABLE_INDEX) == is_index_action(op) &&
           "index actions go to index tables and all others to tables of records");
    assert((!is_index_action(op) || op->condition == RK_IF_ANY) &&
           "index actions take no condition");
    (void)table;
    if (!length_fits(op->key.len))
        return key_error("a key", op->key.len, err);
    if (is_index_action(op) && !length_fits(op->value.len))
        return key_error("the value of an index entry", op->value.len, err);
    return RK_OK;
}

static rk_status check_condition(lmdb_txn *txn, const rk_op *op, uint64_t number, bool *holds,
                                 rk_error *err)
{
    rki_lmdb_slot *slot = &txn->view.slots[op->table];
    bool checks = op->action == RK_ACTION_CHECK;
    MDB_cursor *cursor = NULL;
    rk_status status = checks ? own_cursor(txn, op->table, &slot->check, err)
                              : rki_lmdb_read_cursor(&txn->view, op->table, &cursor, err);
    if (status != RK_OK)
        return status;
    MDB_val k = rki_lmdb_val(op->key), v;
    int rc = mdb_cursor_get(checks ? slot->check : cursor, &k, &v, MDB_SET_KEY);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return rki_lmdb_fail(store_of(txn), rc, "read a record", err);
    bool present = rc == 0;
    if (!checks)
        slot->read_at = present ? number : 0;
    switch ((rk_condition)op->condition) {
    case RK_IF_ANY:
        *holds = true;
        break;
    case RK_IF_ABSENT:
        *holds = !present;
        break;
    case RK_IF_PRESENT:
        *holds = present;
        break;
    case RK_IF_EQUALS:
        *holds = present && rk_slice_equal(rki_lmdb_slice(v), op->expected);
        break;
    case RK_IF_ABSENT_OR_SAME:
        *holds = !present || rk_slice_equal(rki_lmdb_slice(v), op->value);
        break;
    }
    return RK_OK;
}

static bool is_put_of_new(const rk_op *op)
{
    return op->action == RK_ACTION_PUT &&
           (op->condition == RK_IF_ABSENT || op->condition == RK_IF_ABSENT_OR_SAME);
}

/* Pass one: every condition but that of the first put of a new key, which the put itself checks.
 * That put then comes first in pass two, so that its refusal, too, changes nothing. */
static rk_status check_unit(lmdb_txn *txn, rk_unit *unit, uint32_t *first, uint32_t *refused,
                            rk_error *err)
{
    *first = NO_OP;
    *refused = NO_OP;
    for (uint32_t i = 0; i < unit->op_count; i++) {
        const rk_op *op = &unit->ops[i];
        rk_status status = check_lengths(txn, op, err);
        if (status != RK_OK)
            return status;
        if (*first == NO_OP && is_put_of_new(op)) {
            *first = i;
            continue;
        }
        if (op->condition == RK_IF_ANY || *refused != NO_OP || (op->seen && unit->seen_holds))
            continue;
        bool holds = false;
        status = check_condition(txn, op, txn->ops_done + i + 1, &holds, err);
        if (status != RK_OK)
            return status;
        if (!holds)
            *refused = i;
    }
    return RK_OK;
}

static rk_status put_first(lmdb_txn *txn, const rk_op *op, bool *holds, bool *changed,
                           rk_error *err)
{
    bool present = false;
    rk_slice found = RK_SLICE_EMPTY;
    rk_status status = put_absent(txn, op->table, op->key, op->value, &present, &found, err);
    if (status != RK_OK)
        return status;
    *holds =
        !present || (op->condition == RK_IF_ABSENT_OR_SAME && rk_slice_equal(found, op->value));
    *changed = !present;
    return RK_OK;
}

/* The changes of index entries wait for the end of the apply, and are then made in the order of the
 * index, in which neighbours share pages: units come in the order of their records. */
static rk_status put_off(lmdb_txn *txn, rk_unit *unit, const rk_op *op, rk_error *err)
{
    rki_lmdb_store *store = store_of(txn);
    if (store->change_count == store->change_cap) {
        size_t cap = store->change_cap ? store->change_cap * 2 : CHANGES_FIRST;
        rki_lmdb_change *changes = realloc(store->changes, cap * sizeof *changes);
        if (!changes)
            return rk_error_set(err, RK_NOMEM, "cannot change %s: out of memory", store->path);
        store->changes = changes;
        store->change_cap = cap;
    }
    size_t turn = store->change_count++;
    store->changes[turn] = (rki_lmdb_change){.op = op, .unit = unit, .turn = turn};
    return RK_OK;
}

/* Changes of the same entry stay in their order. */
static int compare_changes(const void *a, const void *b)
{
    const rki_lmdb_change *left = a, *right = b;
    if (left->op->table != right->op->table)
        return left->op->table < right->op->table ? -1 : 1;
    int order = rk_slice_compare(left->op->key, right->op->key);
    if (order == 0)
        order = rk_slice_compare(left->op->value, right->op->value);
    if (order == 0)
        order = (left->turn > right->turn) - (left->turn < right->turn);
    return order;
}

static void sort_changes(rki_lmdb_store *store)
{
    size_t i = 1;
    while (i < store->change_count &&
           compare_changes(&store->changes[i - 1], &store->changes[i]) < 0)
        i++;
    if (i < store->change_count)
        qsort(store->changes, store->change_count, sizeof *store->changes, compare_changes);
}

static rk_status change_entries(lmdb_txn *txn, rk_error *err)
{
    rki_lmdb_store *store = store_of(txn);
    rk_status status = RK_OK;
    sort_changes(store);
    for (size_t i = 0; i < store->change_count && status == RK_OK; i++) {
        bool changed = false;
        const rk_op *op = store->changes[i].op;
        status = op->action == RK_ACTION_INDEX_PUT ? put_entry(txn, op, &changed, err)
                                                   : delete_entry(txn, op, &changed, err);
        if (changed)
            store->changes[i].unit->outcome = RK_UNIT_APPLIED;
    }
    return status;
}

/* Deletes that have nothing to look at wait, too: the puts of many units and then their deletes go
 * through fewer pages at a time than one after the other. */
static bool waits(const rk_unit *unit, const rk_op *op)
{
    return op->action == RK_ACTION_DELETE && op->seen && unit->seen_holds;
}

static rk_status delete_seen(lmdb_txn *txn, rk_unit *unit, rk_error *err)
{
    for (uint32_t i = 0; i < unit->op_count && unit->outcome != RK_UNIT_REFUSED; i++) {
        const rk_op *op = &unit->ops[i];
        bool changed = false;
        rk_status status =
            waits(unit, op) ? delete_record(txn, op->table, op->key, 0, &changed, err) : RK_OK;
        if (status != RK_OK)
            return status;
        if (changed)
            unit->outcome = RK_UNIT_APPLIED;
    }
    return RK_OK;
}

static rk_status mutate(lmdb_txn *txn, rk_unit *unit, const rk_op *op, uint64_t number,
                        bool *changed, rk_error *err)
{
    *changed = false;
    switch ((rk_action)op->action) {
    case RK_ACTION_CHECK:
        return RK_OK;
    case RK_ACTION_PUT:
        return put_record(txn, op->table, op->key, op->value, changed, err);
    case RK_ACTION_DELETE:
        if (waits(unit, op))
            return RK_OK;
        return delete_record(txn, op->table, op->key, number, changed, err);
    case RK_ACTION_INDEX_PUT:
    case RK_ACTION_INDEX_DELETE:
        return put_off(txn, unit, op, err);
    }
    return RK_OK;
}

static rk_status apply_unit(lmdb_txn *txn, rk_unit *unit, rk_error *err)
{
    uint32_t first = NO_OP, refused = NO_OP;
    bool any = false, changed = false;
    rk_status status = check_unit(txn, unit, &first, &refused, err);
    if (status != RK_OK)
        return status;
    if (refused == NO_OP && first != NO_OP) {
        bool holds = false;
        status = put_first(txn, &unit->ops[first], &holds, &any, err);
        if (status != RK_OK)
            return status;
        if (!holds)
            refused = first;
    }
    if (refused != NO_OP) {
        unit->failed_op = refused;
        unit->outcome = RK_UNIT_REFUSED;
        return RK_OK;
    }
    for (uint32_t i = 0; i < unit->op_count; i++) {
        if (i == first)
            continue;
        status = mutate(txn, unit, &unit->ops[i], txn->ops_done + i + 1, &changed, err);
        if (status != RK_OK)
            return status;
        any |= changed;
    }
    unit->outcome = any ? RK_UNIT_APPLIED : RK_UNIT_UNCHANGED;
    return RK_OK;
}

static rk_status usable(const lmdb_txn *txn, rk_error *err)
{
    if (!txn->failed)
        return RK_OK;
    return rk_error_set(err, RK_INVALID, "an earlier operation of the transaction failed: abort");
}

rk_status rki_lmdb_txn_apply(rk_txn *base, rk_unit *units, size_t count, rk_error *err)
{
    lmdb_txn *txn = (lmdb_txn *)base;
    rk_status status = usable(txn, err);
    store_of(txn)->change_count = 0;
    for (size_t i = 0; i < count && status == RK_OK; i++) {
        status = apply_unit(txn, &units[i], err);
        txn->ops_done += units[i].op_count;
    }
    for (size_t i = 0; i < count && status == RK_OK; i++)
        if (units[i].seen_holds)
            status = delete_seen(txn, &units[i], err);
    if (status == RK_OK)
        status = change_entries(txn, err);
    txn->failed = status != RK_OK;
    return status;
}

static rk_status plain_usable(const lmdb_txn *txn, rk_table table, rk_slice key, rk_error *err)
{
    assert(rki_lmdb_table_at(store_of(txn), table)->kind == RK_TABLE_RECORDS &&
           "plain changes go to tables of records");
    (void)table;
    if (!length_fits(key.len))
        return key_error("a key", key.len, err);
    return usable(txn, err);
}

rk_status rki_lmdb_txn_put(rk_txn *base, rk_table table, rk_slice key, rk_slice value,
                           rk_error *err)
{
    lmdb_txn *txn = (lmdb_txn *)base;
    bool changed = false;
    rk_status status = plain_usable(txn, table, key, err);
    if (status == RK_OK)
        status = put_record(txn, table, key, value, &changed, err);
    txn->failed |= status != RK_OK;
    return status;
}

rk_status rki_lmdb_txn_delete(rk_txn *base, rk_table table, rk_slice key, rk_error *err)
{
    lmdb_txn *txn = (lmdb_txn *)base;
    bool changed = false;
    rk_status status = plain_usable(txn, table, key, err);
    if (status == RK_OK)
        status = delete_record(txn, table, key, 0, &changed, err);
    txn->failed |= status != RK_OK;
    return status;
}
