/* The same calls through a local and through a remote client, on stores that hold the same: what
 * comes back is the same to the byte. Then what only a remote client can meet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rekey/client/attach.h"
#include "tests/unit/client/far.h"

#define TEXT_BYTES ((size_t)512 * 1024)

/* --- what came of a call, as text ------------------------------------------------------------- */

typedef struct script {
    rk_client *client;
    rk_buf text;
} script;

static void note(script *s, const char *what, rk_slice bytes)
{
    assert_int_equal(rk_buf_append_format(&s->text, NULL, " %s=", what), RK_OK);
    assert_int_equal(rk_buf_append(&s->text, bytes, NULL), RK_OK);
}

static void note_hex(script *s, const char *what, rk_slice bytes)
{
    assert_int_equal(rk_buf_append_format(&s->text, NULL, " %s=", what), RK_OK);
    for (size_t i = 0; i < bytes.len; i++)
        assert_int_equal(rk_buf_append_format(&s->text, NULL, "%02x", bytes.ptr[i]), RK_OK);
}

static void note_status(script *s, rk_status status, const rk_error *err)
{
    note(s, "status", rk_slice_str(rk_status_name(status)));
    note(s, "message", rk_slice_str(err->message));
    assert_int_equal(
        rk_buf_append_format(&s->text, NULL, " origin=%d/%d", (int)err->origin, err->native),
        RK_OK);
}

/* --- single calls ----------------------------------------------------------------------------- */

typedef struct step {
    const char *name;
    rk_verb verb;
    const char *tenant;
    const char *capsule;
    const char *entity;
    const char *id_name; /* NULL: no id */
    const char *id;
    const char *value;
    const char *expected;
} step;

#define JSON(n) "{\"n\":" #n ",\"account_id\":\"a\",\"status\":\"s\"}"
#define HELD(n) "{\"n\":" #n ",\"account_id\":\"a\",\"status\":\"s\",\"capsule_id\":\"PRODUS\"}"

static const step steps[] = {
    {"get", RK_GET, "t1", "PRODUS", "Contract", "contract_id", "c1", NULL, NULL},
    {"get of another capsule", RK_GET, "t1", "DEVUS", "Contract", "contract_id", "c1", NULL, NULL},
    {"get of none", RK_GET, "t1", "PRODUS", "Contract", "contract_id", "nowhere", NULL, NULL},
    {"put", RK_PUT, "t1", "PRODUS", "Contract", "contract_id", "new", JSON(7), NULL},
    {"get it", RK_GET, "t1", "PRODUS", "Contract", "contract_id", "new", NULL, NULL},
    {"put over it", RK_PUT, "t1", "PRODUS", "Contract", "contract_id", "new", JSON(8), NULL},
    {"put if absent", RK_PUT_IF_ABSENT, "t1", "PRODUS", "Contract", "contract_id", "new", JSON(9),
     NULL},
    {"put if absent of none", RK_PUT_IF_ABSENT, "t1", "DEVUS", "Contract", "contract_id", "other",
     JSON(10), NULL},
    {"compare", RK_COMPARE_AND_PUT, "t1", "PRODUS", "Contract", "contract_id", "new", JSON(11),
     JSON(8)},
    {"compare, whole", RK_COMPARE_AND_PUT, "t1", "PRODUS", "Contract", "contract_id", "new",
     JSON(11), HELD(8)},
    {"compare with none", RK_COMPARE_AND_PUT, "t1", "PRODUS", "Contract", "contract_id", "nowhere",
     JSON(11), JSON(1)},
    {"put of an orphan", RK_PUT, "t1", "PRODUS", "Item", "item_id", "i1",
     "{\"n\":1,\"contract_id\":\"nowhere\"}", NULL},
    {"put of a child", RK_PUT, "t1", "PRODUS", "Item", "item_id", "i1",
     "{\"n\":1,\"contract_id\":\"new\"}", NULL},
    {"put of no JSON", RK_PUT, "t1", "PRODUS", "Contract", "contract_id", "new", "{", NULL},
    {"put with another capsule", RK_PUT, "t1", "DEVUS", "Contract", "contract_id", "new", HELD(1),
     NULL},
    {"put of nothing", RK_PUT, "t1", "PRODUS", "Contract", "contract_id", "new", "", NULL},
    {"empty id", RK_GET, "t1", "PRODUS", "Contract", "contract_id", "", NULL, NULL},
    {"delimiter", RK_PUT, "t1", "PRODUS", "Contract", "contract_id", "a#b", JSON(1), NULL},
    {"no id", RK_GET, "t1", "PRODUS", "Contract", NULL, NULL, NULL, NULL},
    {"wrong id", RK_DELETE, "t1", "PRODUS", "Contract", "contract", "c1", NULL, NULL},
    {"no name", RK_GET, "t1", "PRODUS", "Contract", "", "c1", NULL, NULL},
    {"no entity", RK_GET, "t1", "PRODUS", NULL, "contract_id", "c1", NULL, NULL},
    {"wrong entity", RK_GET, "t1", "PRODUS", "Contrat", "contract_id", "c1", NULL, NULL},
    {"wrong capsule", RK_GET, "t1", "PRODUX", "Contract", "contract_id", "c1", NULL, NULL},
    {"empty capsule", RK_GET, "t1", "", "Contract", "contract_id", "c1", NULL, NULL},
    {"empty tenant", RK_GET, "", "PRODUS", "Contract", "contract_id", "c1", NULL, NULL},
    {"delete", RK_DELETE, "t1", "PRODUS", "Contract", "contract_id", "c2", NULL, NULL},
    {"delete again", RK_DELETE, "t1", "PRODUS", "Contract", "contract_id", "c2", NULL, NULL},
    {"config", RK_PUT, "t1", "PRODUS", "Config", NULL, NULL, "{\"n\":1}", NULL},
    {"get config", RK_GET, "t1", "PRODUS", "Config", NULL, NULL, NULL, NULL},
};
#define STEP_COUNT (sizeof steps / sizeof *steps)

static rk_status single(rk_client *client, const step *s, const rk_scope *scope, const rk_id *id,
                        size_t id_count, rk_value *found, rk_error *err)
{
    rk_slice value = rk_slice_str(s->value);
    switch (s->verb) {
    case RK_GET:
        return rk_client_get(client, scope, s->entity, id, id_count, found, err);
    case RK_PUT:
        return rk_client_put(client, scope, s->entity, id, id_count, value, err);
    case RK_PUT_IF_ABSENT:
        return rk_client_put_if_absent(client, scope, s->entity, id, id_count, value, err);
    case RK_COMPARE_AND_PUT:
        return rk_client_compare_and_put(client, scope, s->entity, id, id_count,
                                         rk_slice_str(s->expected), value, err);
    case RK_DELETE:
        break;
    }
    return rk_client_delete(client, scope, s->entity, id, id_count, err);
}

static void run_singles(script *s)
{
    for (size_t i = 0; i < STEP_COUNT; i++) {
        rk_scope scope = scope_of(steps[i].tenant, steps[i].capsule);
        rk_id id = id_of(steps[i].id_name, steps[i].id);
        rk_value found = {0};
        rk_error err = {0};
        rk_status status =
            single(s->client, &steps[i], &scope, &id, steps[i].id_name ? 1 : 0, &found, &err);
        note(s, "\nstep", rk_slice_str(steps[i].name));
        note_status(s, status, &err);
        note(s, "found", found.bytes);
        rk_value_fini(&found);
    }
}

/* --- batches ---------------------------------------------------------------------------------- */

static void run_batch(script *s, const char *name, rk_operation *operations, size_t count)
{
    rk_scope scope = scope_of("t1", "PRODUS");
    size_t failed = 4711;
    rk_error err = {0};
    rk_status status = rk_client_batch(s->client, &scope, operations, count, &failed, &err);
    note(s, "\nbatch", rk_slice_str(name));
    note_status(s, status, &err);
    assert_int_equal(rk_buf_append_format(&s->text, NULL, " failed=%zu", failed), RK_OK);
    for (size_t i = 0; i < count && i < RK_BATCH_MAX; i++) {
        if (status == RK_OK)
            note(s, "one", rk_slice_str(rk_status_name(operations[i].status)));
        else
            assert_null(operations[i].found.memory);
        note(s, "found", operations[i].found.bytes);
        rk_value_fini(&operations[i].found);
    }
}

static void run_batches(script *s)
{
    const rk_id c1 = id_of("contract_id", "c1");
    const rk_id c3 = id_of("contract_id", "c3");
    const rk_id none = id_of("contract_id", "none");
    const rk_slice value = rk_slice_str(JSON(31));
    rk_operation mixed[] = {
        {.verb = RK_GET, .entity = "Contract", .ids = &c1, .id_count = 1},
        {.verb = RK_PUT, .entity = "Contract", .ids = &c3, .id_count = 1, .value = value},
        {.verb = RK_GET, .entity = "Contract", .ids = &c3, .id_count = 1},
        {.verb = RK_GET, .entity = "Contract", .ids = &none, .id_count = 1},
        {.verb = RK_DELETE, .entity = "Contract", .ids = &none, .id_count = 1},
    };
    rk_operation failing[] = {mixed[1], mixed[0], mixed[1], mixed[0]};
    rk_operation gets[] = {mixed[0], mixed[2], mixed[3]};
    rk_operation odd[] = {mixed[0], mixed[1]};
    static rk_operation many[RK_BATCH_MAX + 1];
    failing[2].verb = RK_PUT_IF_ABSENT;
    odd[1].verb = (rk_verb)99;
    run_batch(s, "mixed", mixed, 5);
    run_batch(s, "failing", failing, 4);
    run_batch(s, "gets", gets, 3);
    run_batch(s, "odd verb", odd, 2);
    run_batch(s, "none", mixed, 0);
    run_batch(s, "too many", many, RK_BATCH_MAX + 1);
    gets[1].entity = "Contrct";
    run_batch(s, "gets of a wrong entity", gets, 3);
}

/* --- lists and queries ------------------------------------------------------------------------ */

typedef struct question {
    const char *name;
    const char *capsule;
    const char *entity;
    const char *index; /* NULL for a list */
    const char *where; /* NULL for none */
    const char *value;
    size_t rows_max;
} question;

static const question questions[] = {
    {"list", "PRODUS", "Contract", NULL, NULL, NULL, 0},
    {"list of pages", "PRODUS", "Contract", NULL, NULL, NULL, 2},
    {"list of single rows", "DEVUS", "Contract", NULL, NULL, NULL, 1},
    {"empty list", "PRODEU", "Contract", NULL, NULL, NULL, 3},
    {"turned", "PRODUS", "Turned", NULL, NULL, NULL, 2},
    {"query", "PRODUS", "Contract", "gsi1", "account_id", "a", 2},
    {"query of all", "PRODUS", "Contract", "gsi1", NULL, NULL, 3},
    {"query of none", "PRODUS", "Contract", "gsi1", "account_id", "zzz", 0},
    {"query with a gap", "PRODUS", "Contract", "gsi1", "status", "s", 0},
    {"query with a wrong name", "PRODUS", "Contract", "gsi1", "accont_id", "a", 0},
    {"query with an empty value", "PRODUS", "Contract", "gsi1", "account_id", "", 0},
    {"wrong index", "PRODUS", "Contract", "gsi7", NULL, NULL, 0},
    {"no index", "PRODUS", "Contract", "", NULL, NULL, 0},
    {"wrong entity", "PRODUS", "Contrat", NULL, NULL, NULL, 0},
    {"wrong capsule", "PRODUX", "Contract", NULL, NULL, NULL, 0},
    {"too long a page", "PRODUS", "Contract", NULL, NULL, NULL, RK_PAGE_ROWS_MAX + 1},
};

static rk_status ask(rk_client *client, const question *q, rk_slice after, rk_iterator **out,
                     rk_error *err)
{
    rk_scope scope = scope_of("t1", q->capsule);
    rk_id where = id_of(q->where, q->value);
    rk_list_options options = {.after = after, .page_rows_max = q->rows_max};
    if (!q->index)
        return rk_client_list(client, &scope, q->entity, &options, out, err);
    return rk_client_query(client, &scope, q->entity, q->index, &where, q->where ? 1 : 0, &options,
                           out, err);
}

static void note_position(script *s, const rk_iterator *rows, rk_value *last)
{
    rk_value position = {0};
    rk_error err = {0};
    rk_status status = rk_iterator_position(rows, &position, &err);
    note_status(s, status, &err);
    note_hex(s, "position", position.bytes);
    rk_value_fini(last);
    *last = position;
}

static void note_rows(script *s, rk_iterator *rows, size_t most, rk_value *last)
{
    rk_row row;
    rk_error err = {0};
    rk_status status = RK_OK;
    note_position(s, rows, last);
    for (size_t n = 0; n < most && status == RK_OK; n++) {
        status = rk_iterator_next(rows, &row, &err);
        note_status(s, status, &err);
        for (size_t i = 0; status == RK_OK && i < row.id_count; i++)
            note(s, row.ids[i].name, row.ids[i].value);
        if (status == RK_OK)
            note(s, "value", row.value);
        note_position(s, rows, last);
    }
}

/* Some rows, then the rest by a second iterator; then with the position of a foreign question. */
static void run_list(script *s, const question *q)
{
    static const question other = {"", "DEVUS", "Item", NULL, NULL, NULL, 0};
    rk_iterator *rows = NULL;
    rk_value last = {0};
    rk_error err = {0};
    rk_status status = ask(s->client, q, RK_SLICE_EMPTY, &rows, &err);
    note(s, "\nlist", rk_slice_str(q->name));
    note_status(s, status, &err);
    if (status != RK_OK)
        return;
    note_rows(s, rows, 3, &last);
    rk_iterator_close(rows);
    status = ask(s->client, q, last.bytes, &rows, &err);
    note_status(s, status, &err);
    if (status == RK_OK) {
        rk_value end = {0};
        note_rows(s, rows, 100, &end);
        rk_value_fini(&end);
        rk_iterator_close(rows);
    }
    if (last.bytes.len > 0) {
        status = ask(s->client, &other, last.bytes, &rows, &err);
        assert_int_equal(status, RK_INVALID);
        note_status(s, status, &err);
    }
    rk_value_fini(&last);
}

static void run_lists(script *s)
{
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        run_list(s, &questions[i]);
}

/* --- side by side ----------------------------------------------------------------------------- */

/* Records 1 to 9 by turns of PRODUS and DEVUS, on both sides where both may be. */
static void fill(bench *b, rk_strategy strategy)
{
    static const char *const capsules[] = {"PRODUS", "DEVUS"};
    char key[128];
    char value[128];
    assert_int_equal(put(b, "PRODUS", "Contract", "x", JSON(99)), RK_OK);
    assert_int_equal(drop(b, "PRODUS", "Contract", "x"), RK_OK);
    for (int n = 1; n < 10; n++) {
        const char *capsule = capsules[n % 3 == 0];
        bool old = strategy == RK_STRATEGY_DUAL_WRITE || n % 2;
        bool new = strategy == RK_STRATEGY_DUAL_WRITE || !old;
        snprintf(value, sizeof value,
                 "{\"n\":%d,\"account_id\":\"a\",\"status\":\"s\",\"capsule_id\":\"%s\"}", n,
                 capsule);
        snprintf(key, sizeof key, "TENANT#t1#CONTRACT#c%d", n);
        bench_plant(b, key, old ? value : NULL);
        snprintf(key, sizeof key, "TENANT#t1#CAPSULE#%s#CONTRACT#c%d", capsule, n);
        bench_plant(b, key, new ? value : NULL);
        if (old)
            snprintf(key, sizeof key, "TENANT#t1#TURNED#%d#%d", n, 10 - n);
        else
            snprintf(key, sizeof key, "TENANT#t1#CAPSULE#%s#TURNED#%d#%d", capsule, 10 - n, n);
        bench_plant(b, key, value);
    }
}

static void begin(script *s, bench *b, rk_strategy strategy, rk_phase phase)
{
    bench_open(b, strategy);
    fill(b, strategy);
    bench_phase(b, phase, false);
    rk_buf_init(&s->text, TEXT_BYTES);
}

static void compare(const script *near, const script *away)
{
    const char *left = (const char *)near->text.ptr;
    const char *right = (const char *)away->text.ptr;
    size_t line = 0;
    for (size_t i = 0; i < near->text.len && i < away->text.len; i++) {
        if (left[i] == '\n')
            line = i;
        if (left[i] != right[i])
            fail_msg("local: %.400s\nremote: %.400s", left + line, right + line);
    }
    assert_int_equal(near->text.len, away->text.len);
}

static void side_by_side(rk_strategy strategy, rk_phase phase)
{
    bench near;
    bench away;
    far f;
    script local = {0};
    script remote = {0};
    print_message("  %s, %s\n", strategy == RK_STRATEGY_MOVE ? "move" : "dual-write",
                  rk_phase_name(phase));
    begin(&local, &near, strategy, phase);
    begin(&remote, &away, strategy, phase);
    far_init(&f, &away);
    assert_int_equal(far_open(&f, NULL, NULL), RK_OK);
    local.client = near.client;
    remote.client = f.client;
    assert_true(rk_client_holds_json(f.client));
    for (int i = 0; i < 2; i++) {
        script *s = i == 0 ? &local : &remote;
        run_singles(s);
        run_batches(s);
        run_lists(s);
    }
    compare(&local, &remote);
    /* What the writes left is the same, too. */
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        run_list(&local, &questions[i]);
    remote.client = away.client;
    run_lists(&remote);
    compare(&local, &remote);
    assert_int_equal(rk_client_comparisons(f.client).compared, 0);
    far_close(&f);
    assert_int_equal(f.closed, 1);
    rk_buf_fini(&local.text);
    rk_buf_fini(&remote.text);
    bench_close(&near);
    bench_close(&away);
}

static void test_same_as_local(void **state)
{
    (void)state;
    for (rk_phase phase = RK_PHASE_OLD; phase < RK_PHASE_COUNT; phase++) {
        side_by_side(RK_STRATEGY_DUAL_WRITE, phase);
        side_by_side(RK_STRATEGY_MOVE, phase);
    }
}

/* --- what only a remote client meets ---------------------------------------------------------- */

static rk_status put_one(rk_client *client, const char *value, size_t len, rk_error *err)
{
    rk_scope scope = scope_of("t1", "PRODUS");
    rk_id id = id_of("contract_id", "one");
    return rk_client_put(client, &scope, "Contract", &id, 1, rk_slice_of(value, len), err);
}

static rk_status get_one(rk_client *client, rk_error *err)
{
    rk_scope scope = scope_of("t1", "PRODUS");
    rk_id id = id_of("contract_id", "one");
    rk_value value = {0};
    rk_status status = rk_client_get(client, &scope, "Contract", &id, 1, &value, err);
    assert_int_equal(status == RK_OK, value.memory != NULL);
    rk_value_fini(&value);
    return status;
}

static rk_status list_all(rk_client *client, rk_error *err)
{
    rk_iterator *rows = NULL;
    rk_scope scope = scope_of("t1", "PRODUS");
    rk_status status = rk_client_list(client, &scope, "Contract", NULL, &rows, err);
    assert_int_equal(status == RK_OK, rows != NULL);
    rk_iterator_close(rows);
    return status;
}

static void test_calls_that_fail(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        far_fault fault;
        rk_status write;
        rk_status read;
    } cases[] = {
        {"no answer", FAR_TIMEOUT, RK_TIMEOUT, RK_TIMEOUT},
        {"an answer lost", FAR_UNCERTAIN, RK_UNCERTAIN, RK_TIMEOUT},
        {"a node that was started anew", FAR_FORGOTTEN, RK_UNCERTAIN, RK_TIMEOUT},
        {"a refusal", FAR_REFUSED, RK_AUTH, RK_AUTH},
        {"an answer of nothing", FAR_GARBAGE, RK_UNCERTAIN, RK_CORRUPT},
    };
    bench b;
    far f;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    far_init(&f, &b);
    assert_int_equal(far_open(&f, NULL, NULL), RK_OK);
    assert_int_equal(put_one(f.client, "{}", 2, NULL), RK_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rk_error err = {0};
        print_message("  %s\n", cases[i].name);
        f.fault = cases[i].fault;
        assert_int_equal(put_one(f.client, "{}", 2, &err), cases[i].write);
        assert_false(f.repeatable);
        assert_string_not_equal(err.message, "");
        assert_int_equal(get_one(f.client, &err), cases[i].read);
        assert_true(f.repeatable);
        assert_int_equal(list_all(f.client, &err), cases[i].read);
        f.fault = FAR_FINE;
        assert_int_equal(get_one(f.client, &err), RK_OK);
    }
    far_close(&f);
    bench_close(&b);
}

/* A step that failed is made again from where the list stands. */
static void test_list_goes_on(void **state)
{
    (void)state;
    bench b;
    far f;
    rk_iterator *rows = NULL;
    rk_row row;
    rk_value position = {0};
    rk_error err = {0};
    rk_scope scope = scope_of("t1", "PRODUS");
    rk_list_options options = {.page_rows_max = 1};
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    far_init(&f, &b);
    assert_int_equal(far_open(&f, NULL, NULL), RK_OK);
    assert_int_equal(put(&b, "PRODUS", "Contract", "a", "{\"n\":1}"), RK_OK);
    assert_int_equal(put(&b, "PRODUS", "Contract", "b", "{\"n\":2}"), RK_OK);
    assert_int_equal(rk_client_list(f.client, &scope, "Contract", &options, &rows, &err), RK_OK);
    assert_int_equal(rk_iterator_next(rows, &row, &err), RK_OK);
    f.fault = FAR_TIMEOUT;
    assert_int_equal(rk_iterator_next(rows, &row, &err), RK_TIMEOUT);
    assert_int_equal(rk_iterator_position(rows, &position, &err), RK_OK);
    rk_value_fini(&position);
    f.fault = FAR_FINE;
    assert_string_equal(drain(&b, rows), "2");
    far_close(&f);
    bench_close(&b);
}

static void test_open(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        far_fault nodes[3];
        rk_status status;
        size_t calls;
    } cases[] = {
        {"all there", {FAR_FINE, FAR_FINE, FAR_FINE}, RK_OK, 1},
        {"one there", {FAR_TIMEOUT, FAR_UNCERTAIN, FAR_FINE}, RK_OK, 3},
        {"none there", {FAR_TIMEOUT, FAR_TIMEOUT, FAR_UNCERTAIN}, RK_TIMEOUT, 3},
        {"a wrong key", {FAR_TIMEOUT, FAR_REFUSED, FAR_FINE}, RK_AUTH, 2},
    };
    bench b;
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        far f;
        rk_error err = {0};
        print_message("  %s\n", cases[i].name);
        far_init(&f, &b);
        memcpy(f.node_fault, cases[i].nodes, sizeof f.node_fault);
        assert_int_equal(far_open(&f, NULL, &err), cases[i].status);
        assert_int_equal(f.calls, cases[i].calls);
        assert_int_equal(err.message[0] == '\0', cases[i].status == RK_OK);
        far_close(&f);
        assert_int_equal(f.closed, cases[i].status == RK_OK);
    }
    bench_close(&b);
}

static void test_read_only(void **state)
{
    (void)state;
    bench b;
    far f;
    rk_error err = {0};
    rk_client_options options = {.read_only = true};
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    far_init(&f, &b);
    assert_int_equal(far_open(&f, &options, NULL), RK_OK);
    assert_int_equal(put_one(f.client, "{}", 2, &err), RK_INVALID);
    assert_string_equal(err.message, "the client is read-only");
    assert_int_equal(get_one(f.client, &err), RK_NOT_FOUND);
    assert_int_equal(f.calls, 2); /* the schema, and the get */
    far_close(&f);
    bench_close(&b);
}

/* What does not fit one message, either way. */
static void test_limits(void **state)
{
    (void)state;
    bench b;
    far f;
    rk_error err = {0};
    size_t len = FAR_BODY_BYTES_MAX;
    char *value = malloc(len);
    assert_non_null(value);
    memset(value, ' ', len);
    memcpy(value, "{\"n\":1", 6);
    value[len - 1] = '}';
    bench_open(&b, RK_STRATEGY_DUAL_WRITE);
    far_init(&f, &b);
    assert_int_equal(far_open(&f, NULL, NULL), RK_OK);
    assert_int_equal(put_one(f.client, value, len, &err), RK_LIMIT);
    assert_non_null(strstr(err.message, "1048576 bytes"));
    assert_int_equal(put_one(b.client, value, len, &err), RK_OK); /* past the node */
    assert_int_equal(get_one(f.client, &err), RK_LIMIT);
    assert_int_equal(list_all(f.client, &err), RK_LIMIT);
    far_close(&f);
    bench_close(&b);
    free(value);
}

static void test_opaque(void **state)
{
    (void)state;
    bench b;
    far f;
    bench_open_opaque(&b);
    far_init(&f, &b);
    assert_int_equal(far_open(&f, NULL, NULL), RK_OK);
    assert_false(rk_client_holds_json(f.client));
    far_close(&f);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_local), cmocka_unit_test(test_calls_that_fail),
        cmocka_unit_test(test_list_goes_on),  cmocka_unit_test(test_open),
        cmocka_unit_test(test_read_only),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_opaque),
    };
    return cmocka_run_group_tests_name("client_remote", tests, NULL, NULL);
}
