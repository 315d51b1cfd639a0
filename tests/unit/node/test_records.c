/* What a node answers, and above all what it does not: out of a key's scope every answer is that of
 * a store without records, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rekey/node/records.h"
#include "tests/unit/client/bench.h"

#define BYTES_MAX ((size_t)1 << 20)
#define SECRET    "secret"

/* --- a node, and who asks it ------------------------------------------------------------------ */

static rk_cluster_node nodes[] = {{.name = "n1"}, {.name = "n2"}, {.name = "n3"}};
static const rk_cluster cluster = {.name = "test", .nodes = nodes, .node_count = 3};

static rk_slice only_t1[] = {{(const uint8_t *)"t1", 2}};
static rk_slice only_t2[] = {{(const uint8_t *)"t2", 2}};
static rk_slice only_produs[] = {{(const uint8_t *)"PRODUS", 6}};
static rk_slice only_devus[] = {{(const uint8_t *)"DEVUS", 5}};

static const rk_access_entry everything = {
    .role = RK_ROLE_CLIENT, .tenants = {.all = true}, .capsules = {.all = true}};
static const rk_access_entry of_produs = {.role = RK_ROLE_CLIENT,
                                          .tenants = {.items = only_t1, .count = 1},
                                          .capsules = {.items = only_produs, .count = 1}};
static const rk_access_entry of_devus = {.role = RK_ROLE_CLIENT,
                                         .tenants = {.all = true},
                                         .capsules = {.items = only_devus, .count = 1}};
static const rk_access_entry of_another_tenant = {
    .role = RK_ROLE_CLIENT, .tenants = {.items = only_t2, .count = 1}, .capsules = {.all = true}};
static const rk_access_entry an_operator = {.role = RK_ROLE_OPERATOR};
static const rk_access_entry a_node = {.role = RK_ROLE_NODE};

static size_t owner_of(const char *tenant)
{
    return rk_cluster_owner(&cluster, rk_slice_str(tenant));
}

static rk_node_records node_of(bench *b)
{
    return (rk_node_records){.client = b->client,
                             .cluster = &cluster,
                             .self = owner_of("t1"),
                             .body_bytes_max = BYTES_MAX};
}

/* --- what comes back -------------------------------------------------------------------------- */

typedef struct answer {
    rk_reply reply;
    rk_buf body;
} answer;

static void ask(const rk_node_records *records, const rk_access_entry *peer, rk_request_kind kind,
                const rk_buf *request, answer *out)
{
    const rk_envelope envelope = {.kind = kind, .body = rk_buf_slice(request)};
    *out = (answer){.reply = {.status = RK_IO}};
    rk_buf_init(&out->body, records->body_bytes_max);
    assert_int_equal(rk_node_records_answer(records, peer, &envelope, &out->reply, &out->body),
                     RK_OK);
    out->reply.body = rk_buf_slice(&out->body);
}

static void ask_batch(const rk_node_records *records, const rk_access_entry *peer,
                      const rk_batch_request *batch, answer *out)
{
    rk_buf request;
    rk_buf_init(&request, 2 * BYTES_MAX);
    assert_int_equal(rk_batch_encode(batch, &request, NULL), RK_OK);
    ask(records, peer, RK_REQUEST_BATCH, &request, out);
    rk_buf_fini(&request);
}

static void ask_page(const rk_node_records *records, const rk_access_entry *peer,
                     const rk_page_request *page, answer *out)
{
    rk_buf request;
    rk_buf_init(&request, BYTES_MAX);
    assert_int_equal(rk_page_encode(page, &request, NULL), RK_OK);
    ask(records, peer, RK_REQUEST_PAGE, &request, out);
    rk_buf_fini(&request);
}

static void assert_same(const answer *left, const answer *right)
{
    if (left->reply.status != right->reply.status)
        print_error("%s: %s\n%s: %s\n", rk_status_name(left->reply.status),
                    left->reply.error.message, rk_status_name(right->reply.status),
                    right->reply.error.message);
    assert_int_equal(left->reply.status, right->reply.status);
    assert_string_equal(left->reply.error.message, right->reply.error.message);
    assert_int_equal(left->reply.error.origin, right->reply.error.origin);
    assert_int_equal(left->reply.error.native, right->reply.error.native);
    assert_true(rk_slice_equal(left->reply.body, right->reply.body));
}

static void assert_no_secret(const answer *a)
{
    const size_t len = sizeof SECRET - 1;
    assert_null(strstr(a->reply.error.message, SECRET));
    for (size_t i = 0; i + len <= a->body.len; i++)
        assert_memory_not_equal(a->body.ptr + i, SECRET, len);
}

/* --- out of scope ----------------------------------------------------------------------------- */

typedef struct question {
    const char *name;
    rk_verb verb;
    const char *capsule;
    const char *entity;
    const char *id_name; /* NULL: no id */
    const char *id;
    bool is_put; /* which a store without records would take */
} question;

static const question questions[] = {
    {"get", RK_GET, "PRODUS", "Contract", "contract_id", "c1", false},
    {"get of none", RK_GET, "PRODUS", "Contract", "contract_id", "none", false},
    {"get of a wrong entity", RK_GET, "PRODUS", "Contrat", "contract_id", "c1", false},
    {"get of no entity", RK_GET, "PRODUS", NULL, "contract_id", "c1", false},
    {"get with a wrong id", RK_GET, "PRODUS", "Contract", "contrct_id", "c1", false},
    {"get with an empty id", RK_GET, "PRODUS", "Contract", "contract_id", "", false},
    {"get with a delimiter", RK_GET, "PRODUS", "Contract", "contract_id", "a#b", false},
    {"get without an id", RK_GET, "PRODUS", "Contract", NULL, NULL, false},
    {"get in a wrong capsule", RK_GET, "PRODUX", "Contract", "contract_id", "c1", false},
    {"get in no capsule", RK_GET, "", "Contract", "contract_id", "c1", false},
    {"get of a derived key", RK_GET, "PRODUS", "Derived", "derived_id", "d1", false},
    {"delete", RK_DELETE, "PRODUS", "Contract", "contract_id", "c1", false},
    {"delete with a wrong id", RK_DELETE, "PRODUS", "Contract", "id", "c1", false},
    {"compare and put", RK_COMPARE_AND_PUT, "PRODUS", "Contract", "contract_id", "c1", false},
    {"compare and put without id", RK_COMPARE_AND_PUT, "PRODUS", "Contract", NULL, NULL, false},
    {"put", RK_PUT, "PRODUS", "Contract", "contract_id", "c1", true},
    {"put of a new one", RK_PUT, "PRODUS", "Contract", "contract_id", "new", true},
    {"put of a child", RK_PUT, "PRODUS", "Item", "item_id", "i1", true},
    {"put if absent", RK_PUT_IF_ABSENT, "PRODUS", "Contract", "contract_id", "c1", true},
    {"put if absent of a new one", RK_PUT_IF_ABSENT, "PRODUS", "Contract", "contract_id", "new",
     true},
    {"put of a wrong entity", RK_PUT, "PRODUS", "Contrat", "contract_id", "c1", false},
    {"put with a wrong id", RK_PUT, "PRODUS", "Contract", "id", "c1", false},
};

static void put_question(const rk_node_records *records, const rk_access_entry *peer,
                         const question *q, bool is_single, answer *out)
{
    const rk_id id = id_of(q->id_name, q->id);
    const rk_id none = id_of("contract_id", "none");
    rk_operation operations[] = {
        {.verb = RK_GET, .entity = "Contract", .ids = &none, .id_count = 1},
        {.verb = q->verb,
         .entity = q->entity,
         .ids = &id,
         .id_count = q->id_name ? 1 : 0,
         .value = RK_SLICE_LITERAL("{\"n\":1}"),
         .expected = RK_SLICE_LITERAL("{\"n\":0}")},
    };
    const rk_batch_request batch = {.scope = scope_of("t1", q->capsule),
                                    .operations = is_single ? operations + 1 : operations,
                                    .count = is_single ? 1 : 2,
                                    .is_single = is_single};
    ask_batch(records, peer, &batch, out);
}

static const struct {
    const char *name;
    rk_page_request page;
} lists[] = {
    {"list", {.entity = "Contract", .rows_max = 2}},
    {"query", {.entity = "Contract", .index = "gsi1", .rows_max = 2}},
    {"turned", {.entity = "Turned", .rows_max = 2}},
    {"list of a wrong entity", {.entity = "Contrat", .rows_max = 2}},
    {"query of a wrong index", {.entity = "Contract", .index = "gsi9", .rows_max = 2}},
    {"list from a wrong place",
     {.entity = "Contract", .after = {(const uint8_t *)"somewhere", 9}, .rows_max = 2}},
};

static void put_list(const rk_node_records *records, const rk_access_entry *peer, size_t which,
                     bool with_where, answer *out)
{
    const rk_id where = id_of("account_id", "a");
    const rk_id gap = id_of("status", "s");
    rk_page_request page = lists[which].page;
    page.scope = scope_of("t1", "PRODUS");
    page.bytes_max = 1000;
    if (page.index) {
        page.where = with_where ? &where : &gap;
        page.where_count = 1;
    }
    ask_page(records, peer, &page, out);
}

static void open_in_phase(bench *b, rk_strategy strategy, rk_phase phase)
{
    bench_open(b, strategy);
    /* The client makes the index tables with the first write. */
    assert_int_equal(put(b, "PRODUS", "Contract", "x", "{\"n\":99}"), RK_OK);
    assert_int_equal(drop(b, "PRODUS", "Contract", "x"), RK_OK);
    bench_phase(b, phase, false);
}

static void plant_secrets(bench *b)
{
    static const char *const keys[] = {
        "TENANT#t1#CONTRACT#c1",
        "TENANT#t1#CAPSULE#PRODUS#CONTRACT#c1",
        "TENANT#t1#CAPSULE#DEVUS#CONTRACT#c1",
        "TENANT#t1#CONTRACT#c2",
        "TENANT#t1#CAPSULE#PRODUS#CONTRACT#c2",
        "TENANT#t1#ITEM#i1",
        "TENANT#t1#TURNED#1#2",
        "TENANT#t1#CAPSULE#PRODUS#TURNED#2#1",
        "TENANT#t1#DERIVED#d1",
        "TENANT#t1#CAPSULE#PRODUS#DERIVED#eu#d1",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        bench_plant(b, keys[i],
                    "{\"n\":1,\"account_id\":\"a\",\"status\":\"s\",\"region\":\"eu\","
                    "\"contract_id\":\"c1\",\"capsule_id\":\"PRODUS\",\"x\":\"" SECRET "\"}");
    bench_plant_entry(b, "gsi1", "CAPSULE#PRODUS#ACCOUNT#a#s", keys[0]);
    bench_plant_entry(b, "gsi1", "TENANT#t1#CAPSULE#PRODUS#ACCOUNT#a#s", keys[1]);
}

/* The stranger's answer over records, over none, and that of somebody who may, over none. */
static void compare_question(const rk_node_records *full, const rk_node_records *empty,
                             const rk_access_entry *stranger, const question *q, bool is_single)
{
    answer over_full;
    answer over_empty;
    answer in_scope;
    put_question(full, stranger, q, is_single, &over_full);
    put_question(empty, stranger, q, is_single, &over_empty);
    assert_same(&over_full, &over_empty);
    assert_no_secret(&over_full);
    if (q->is_put) {
        assert_int_equal(over_full.reply.status, RK_AUTH);
        assert_non_null(
            strstr(over_full.reply.error.message, "this key may not write in this scope"));
    } else {
        put_question(empty, &everything, q, is_single, &in_scope);
        assert_same(&over_full, &in_scope);
        rk_buf_fini(&in_scope.body);
    }
    rk_buf_fini(&over_full.body);
    rk_buf_fini(&over_empty.body);
}

static void compare_list(const rk_node_records *full, const rk_node_records *empty,
                         const rk_access_entry *stranger, size_t which, bool with_where)
{
    answer over_full;
    answer over_empty;
    answer in_scope;
    put_list(full, stranger, which, with_where, &over_full);
    put_list(empty, stranger, which, with_where, &over_empty);
    put_list(empty, &everything, which, with_where, &in_scope);
    assert_same(&over_full, &over_empty);
    assert_same(&over_full, &in_scope);
    assert_no_secret(&over_full);
    rk_buf_fini(&over_full.body);
    rk_buf_fini(&over_empty.body);
    rk_buf_fini(&in_scope.body);
}

static void compare_all(rk_strategy strategy, rk_phase phase)
{
    static const rk_access_entry *const strangers[] = {&of_devus, &of_another_tenant, &an_operator,
                                                       &a_node, NULL};
    bench filled;
    bench bare;
    open_in_phase(&filled, strategy, phase);
    open_in_phase(&bare, strategy, phase);
    plant_secrets(&filled);
    rk_node_records full = node_of(&filled);
    rk_node_records empty = node_of(&bare);
    uint64_t transactions = bench_transactions(&filled);
    for (size_t s = 0; s < sizeof strangers / sizeof *strangers; s++) {
        for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
            compare_question(&full, &empty, strangers[s], &questions[i], true);
            compare_question(&full, &empty, strangers[s], &questions[i], false);
        }
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
            compare_list(&full, &empty, strangers[s], i, true);
            compare_list(&full, &empty, strangers[s], i, false);
        }
    }
    assert_int_equal(bench_transactions(&filled), transactions);
    bench_close(&filled);
    bench_close(&bare);
}

static void test_out_of_scope(void **state)
{
    (void)state;
    for (rk_phase phase = RK_PHASE_OLD; phase < RK_PHASE_COUNT; phase++) {
        print_message("  %s\n", rk_phase_name(phase));
        compare_all(RK_STRATEGY_DUAL_WRITE, phase);
        compare_all(RK_STRATEGY_MOVE, phase);
    }
}

/* The position of a list that one may read leads nowhere for who may not. */
static void test_stolen_position(void **state)
{
    (void)state;
    bench b;
    answer mine;
    answer stolen;
    rk_arena arena;
    rk_page_result page;
    rk_page_request request = {
        .scope = scope_of("t1", "PRODUS"), .entity = "Contract", .rows_max = 1};
    open_in_phase(&b, RK_STRATEGY_DUAL_WRITE, RK_PHASE_DUAL_WRITE);
    plant_secrets(&b);
    rk_node_records records = node_of(&b);
    rk_arena_init(&arena, 32 * BYTES_MAX);
    ask_page(&records, &everything, &request, &mine);
    assert_int_equal(rk_page_result_decode(mine.reply.body, &arena, &page, NULL), RK_OK);
    assert_int_equal(page.count, 1);
    assert_false(page.ended);
    request.after = page.rows[0].position;
    ask_page(&records, &of_devus, &request, &stolen);
    assert_int_equal(stolen.reply.status, RK_OK);
    assert_int_equal(rk_page_result_decode(stolen.reply.body, &arena, &page, NULL), RK_OK);
    assert_int_equal(page.count, 0);
    assert_true(page.ended);
    rk_buf_fini(&mine.body);
    rk_buf_fini(&stolen.body);
    rk_arena_fini(&arena);
    bench_close(&b);
}

/* --- within a tenant -------------------------------------------------------------------------- */

static rk_status one(const rk_node_records *records, const rk_access_entry *peer, rk_verb verb,
                     const char *id, const char *expected, bool *found, rk_error *err)
{
    const rk_id contract = id_of("contract_id", id);
    rk_operation operation = {.verb = verb,
                              .entity = "Contract",
                              .ids = &contract,
                              .id_count = 1,
                              .value = RK_SLICE_LITERAL("{\"n\":5}"),
                              .expected = rk_slice_str(expected)};
    const rk_batch_request batch = {
        .scope = scope_of("t1", "PRODUS"), .operations = &operation, .count = 1, .is_single = true};
    answer a;
    size_t failed;
    ask_batch(records, peer, &batch, &a);
    assert_int_equal(
        rk_batch_result_decode(a.reply.body, a.reply.status, &operation, 1, &failed, NULL), RK_OK);
    if (a.reply.status == RK_OK)
        *found = operation.status == RK_OK;
    assert_true(peer == &everything || !strstr(a.reply.error.message, SECRET));
    *err = a.reply.error;
    free(operation.found.memory);
    rk_buf_fini(&a.body);
    return a.reply.status;
}

static size_t rows_of(const rk_node_records *records, const rk_access_entry *peer,
                      const char *index)
{
    rk_page_request request = {.scope = scope_of("t1", "PRODUS"),
                               .entity = "Contract",
                               .index = index,
                               .rows_max = 10,
                               .bytes_max = 4096};
    rk_page_result page = {0};
    rk_arena arena;
    answer a;
    rk_arena_init(&arena, BYTES_MAX);
    ask_page(records, peer, &request, &a);
    assert_int_equal(a.reply.status, RK_OK);
    assert_int_equal(rk_page_result_decode(a.reply.body, &arena, &page, NULL), RK_OK);
    rk_arena_fini(&arena);
    rk_buf_fini(&a.body);
    return page.count;
}

/* Before the flip reads are by old keys, and a get in one capsule gives the tenant's record
 * whatever its capsule: not to a key that may not touch that capsule. */
static void test_confined(void **state)
{
    (void)state;
    static const char theirs[] = "{\"account_id\":\"a\",\"status\":\"s\",\"capsule_id\":\"DEVUS\","
                                 "\"x\":\"" SECRET "\"}";
    for (rk_phase phase = RK_PHASE_OLD; phase <= RK_PHASE_DUAL_WRITE; phase++) {
        bench b;
        bool found = false;
        rk_error err;
        print_message("  %s\n", rk_phase_name(phase));
        open_in_phase(&b, RK_STRATEGY_DUAL_WRITE, phase);
        rk_node_records records = node_of(&b);
        bench_plant(&b, "TENANT#t1#CONTRACT#c1", theirs);
        bench_plant_entry(&b, "gsi1", "CAPSULE#PRODUS#ACCOUNT#a#s", "TENANT#t1#CONTRACT#c1");
        assert_int_equal(one(&records, &everything, RK_GET, "c1", NULL, &found, &err), RK_OK);
        assert_true(found);
        assert_int_equal(rows_of(&records, &everything, NULL), 1);
        assert_int_equal(rows_of(&records, &everything, "gsi1"), 1);
        assert_int_equal(one(&records, &of_produs, RK_GET, "c1", NULL, &found, &err), RK_OK);
        assert_false(found);
        assert_int_equal(rows_of(&records, &of_produs, NULL), 0);
        assert_int_equal(rows_of(&records, &of_produs, "gsi1"), 0);
        assert_int_equal(one(&records, &of_produs, RK_DELETE, "c1", NULL, &found, &err), RK_OK);
        assert_false(found);
        assert_int_equal(one(&records, &of_produs, RK_COMPARE_AND_PUT, "c1", theirs, &found, &err),
                         RK_CONFLICT);
        assert_string_equal(err.message, "compare and put: this Contract is not there");
        assert_int_equal(one(&records, &of_produs, RK_PUT, "c1", NULL, &found, &err), RK_CONFLICT);
        assert_value(&b, "TENANT#t1#CONTRACT#c1", theirs);
        /* Its own it reads and writes. */
        assert_int_equal(one(&records, &of_produs, RK_PUT, "c2", NULL, &found, &err), RK_OK);
        assert_int_equal(one(&records, &of_produs, RK_GET, "c2", NULL, &found, &err), RK_OK);
        assert_true(found);
        assert_int_equal(rows_of(&records, &of_produs, NULL), 1);
        bench_close(&b);
    }
}

/* --- elsewhere -------------------------------------------------------------------------------- */

static void test_another_node(void **state)
{
    (void)state;
    bench b;
    answer a;
    bool found = true;
    rk_error err;
    char says[128];
    open_in_phase(&b, RK_STRATEGY_DUAL_WRITE, RK_PHASE_FLIPPED);
    plant_secrets(&b);
    rk_node_records records = node_of(&b);
    records.self = (records.self + 1) % 3;
    snprintf(says, sizeof says, "tenant \"t1\" lives on node %s, not on %s",
             nodes[owner_of("t1")].name, nodes[records.self].name);
    assert_int_equal(one(&records, &everything, RK_GET, "c1", NULL, &found, &err), RK_INVALID);
    assert_string_equal(err.message, says);
    assert_int_equal(one(&records, &of_produs, RK_PUT, "c1", NULL, &found, &err), RK_INVALID);
    put_list(&records, &of_produs, 0, true, &a);
    assert_int_equal(a.reply.status, RK_INVALID);
    assert_string_equal(a.reply.error.message, says);
    rk_buf_fini(&a.body);
    assert_int_equal(one(&records, &of_devus, RK_GET, "c1", NULL, &found, &err), RK_OK);
    assert_false(found);
    assert_int_equal(one(&records, &of_devus, RK_PUT, "c1", NULL, &found, &err), RK_AUTH);
    bench_close(&b);
}

/* --- limits ----------------------------------------------------------------------------------- */

#define SMALL RK_NODE_RECORDS_BODY_BYTES_MIN

static void plant_large(bench *b, const char *id, size_t bytes)
{
    char key[128];
    char *value = malloc(bytes + 1);
    assert_non_null(value);
    memset(value, ' ', bytes);
    memcpy(value, "{\"n\":1,\"capsule_id\":\"PRODUS\"", 28);
    value[bytes - 1] = '}';
    value[bytes] = '\0';
    snprintf(key, sizeof key, "TENANT#t1#CAPSULE#PRODUS#CONTRACT#%s", id);
    bench_plant(b, key, value);
    free(value);
}

static void test_gets_that_do_not_fit(void **state)
{
    (void)state;
    bench b;
    answer a;
    const rk_id large = id_of("contract_id", "a");
    const rk_id fresh = id_of("contract_id", "fresh");
    rk_operation operations[] = {
        {.verb = RK_PUT,
         .entity = "Contract",
         .ids = &fresh,
         .id_count = 1,
         .value = RK_SLICE_LITERAL("{\"n\":1}")},
        {.verb = RK_GET, .entity = "Contract", .ids = &large, .id_count = 1},
        {.verb = RK_GET, .entity = "Contract", .ids = &large, .id_count = 1},
    };
    rk_batch_request batch = {
        .scope = scope_of("t1", "PRODUS"), .operations = operations, .count = 3};
    size_t failed = 0;
    bool found = true;
    rk_error err;
    open_in_phase(&b, RK_STRATEGY_DUAL_WRITE, RK_PHASE_CONTRACTED);
    plant_large(&b, "a", (SMALL - 4 - 3 * 5) / 2 + 1);
    rk_node_records records = node_of(&b);
    records.body_bytes_max = SMALL;
    ask_batch(&records, &everything, &batch, &a);
    assert_int_equal(a.reply.status, RK_LIMIT);
    assert_non_null(strstr(a.reply.error.message, "operation 3 of 3, get Contract: "));
    assert_int_equal(rk_batch_result_decode(a.reply.body, RK_LIMIT, operations, 3, &failed, NULL),
                     RK_OK);
    assert_int_equal(failed, 2);
    rk_buf_fini(&a.body);
    assert_int_equal(one(&records, &everything, RK_GET, "fresh", NULL, &found, &err), RK_OK);
    assert_false(found); /* nothing of the batch was done */
    /* To the byte: what fits is answered. */
    plant_large(&b, "a", SMALL - 4 - 5);
    assert_int_equal(one(&records, &everything, RK_GET, "a", NULL, &found, &err), RK_OK);
    plant_large(&b, "a", SMALL - 4 - 5 + 1);
    assert_int_equal(one(&records, &everything, RK_GET, "a", NULL, &found, &err), RK_LIMIT);
    bench_close(&b);
}

static void test_pages_that_do_not_fit(void **state)
{
    (void)state;
    bench b;
    answer a;
    rk_arena arena;
    rk_page_result page;
    rk_page_request request = {.scope = scope_of("t1", "PRODUS"),
                               .entity = "Contract",
                               .rows_max = RK_PAGE_ROWS_MAX,
                               .bytes_max = UINT32_MAX};
    char id[16];
    open_in_phase(&b, RK_STRATEGY_DUAL_WRITE, RK_PHASE_CONTRACTED);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "c%d", i);
        plant_large(&b, id, 3000);
    }
    rk_node_records records = node_of(&b);
    records.body_bytes_max = SMALL;
    rk_arena_init(&arena, 32 * BYTES_MAX);
    size_t seen = 0;
    do {
        ask_page(&records, &everything, &request, &a);
        assert_int_equal(a.reply.status, RK_OK);
        assert_int_equal(rk_page_result_decode(a.reply.body, &arena, &page, NULL), RK_OK);
        assert_true(page.count > 0 && page.count <= 5);
        seen += page.count;
        assert_int_equal(
            rk_arena_copy(&arena, page.rows[page.count - 1].position, &request.after, NULL), RK_OK);
        rk_buf_fini(&a.body);
    } while (!page.ended);
    assert_int_equal(seen, 10);
    /* As many bytes as are asked for, and the row that goes over. */
    request.after = RK_SLICE_EMPTY;
    request.bytes_max = 3001;
    ask_page(&records, &everything, &request, &a);
    assert_int_equal(rk_page_result_decode(a.reply.body, &arena, &page, NULL), RK_OK);
    assert_true(page.count >= 1 && page.count <= 2 && !page.ended);
    rk_buf_fini(&a.body);
    plant_large(&b, "c0", SMALL);
    ask_page(&records, &everything, &request, &a);
    assert_int_equal(a.reply.status, RK_LIMIT);
    assert_int_equal(a.body.len, 0);
    rk_buf_fini(&a.body);
    rk_arena_fini(&arena);
    bench_close(&b);
}

/* Where rows have no positions all of them are one page, however many were asked for. */
static void test_whole_lists(void **state)
{
    (void)state;
    bench b;
    answer a;
    rk_arena arena;
    rk_page_result page;
    const rk_page_request request = {
        .scope = scope_of("t1", "PRODUS"), .entity = "Turned", .rows_max = 2, .bytes_max = 100};
    open_in_phase(&b, RK_STRATEGY_MOVE, RK_PHASE_DUAL_WRITE);
    rk_node_records records = node_of(&b);
    records.body_bytes_max = SMALL;
    rk_arena_init(&arena, BYTES_MAX);
    for (int i = 0; i < 300; i++) {
        char key[64];
        snprintf(key, sizeof key, "TENANT#t1#TURNED#%03d#%03d", i, 999 - i);
        bench_plant(&b, key, "{\"n\":1,\"capsule_id\":\"PRODUS\"}");
        if (i != 20)
            continue;
        ask_page(&records, &everything, &request, &a);
        assert_int_equal(rk_page_result_decode(a.reply.body, &arena, &page, NULL), RK_OK);
        assert_int_equal(page.count, 21);
        assert_true(page.ended);
        assert_int_equal(page.start.len, 0);
        assert_int_equal(page.rows[0].position.len, 0);
        rk_buf_fini(&a.body);
    }
    ask_page(&records, &everything, &request, &a);
    assert_int_equal(a.reply.status, RK_LIMIT);
    assert_non_null(strstr(a.reply.error.message, "one page"));
    rk_buf_fini(&a.body);
    rk_arena_fini(&arena);
    bench_close(&b);
}

/* --- other bytes ------------------------------------------------------------------------------ */

static void test_other_requests(void **state)
{
    (void)state;
    bench b;
    answer a;
    rk_buf bytes;
    rk_schema schema;
    rk_reply reply = {0};
    open_in_phase(&b, RK_STRATEGY_DUAL_WRITE, RK_PHASE_OLD);
    rk_node_records records = node_of(&b);
    rk_buf_init(&bytes, 64);
    ask(&records, &an_operator, RK_REQUEST_SCHEMA, &bytes, &a);
    assert_int_equal(a.reply.status, RK_OK);
    assert_int_equal(rk_schema_decode(a.reply.body, &schema, NULL), RK_OK);
    assert_true(schema.holds_json);
    rk_buf_fini(&a.body);
    rk_buf_append_str(&bytes, "not a request", NULL);
    for (int kind = RK_REQUEST_PING; kind <= RK_REQUEST_KIND_MAX; kind++) {
        if (kind == RK_REQUEST_PING || kind == RK_REQUEST_CONTROL || kind == RK_REQUEST_LEASE) {
            const rk_envelope envelope = {.kind = (rk_request_kind)kind};
            rk_buf_init(&a.body, BYTES_MAX);
            assert_int_equal(
                rk_node_records_answer(&records, &everything, &envelope, &reply, &a.body),
                RK_INVALID);
            continue;
        }
        ask(&records, &everything, (rk_request_kind)kind, &bytes, &a);
        assert_int_equal(a.reply.status, RK_CORRUPT);
        assert_int_equal(a.body.len, 0);
        rk_buf_fini(&a.body);
    }
    rk_buf_fini(&bytes);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_scope),
        cmocka_unit_test(test_stolen_position),
        cmocka_unit_test(test_confined),
        cmocka_unit_test(test_another_node),
        cmocka_unit_test(test_gets_that_do_not_fit),
        cmocka_unit_test(test_pages_that_do_not_fit),
        cmocka_unit_test(test_whole_lists),
        cmocka_unit_test(test_other_requests),
    };
    return cmocka_run_group_tests_name("node_records", tests, NULL, NULL);
}
