/* Phase, epoch, the registered spec and the fingerprint. */
#include "tests/unit/state/test_damage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/state/shelf.h"

/* A shelf with one write transaction in which everything happens: it sees its own changes and is
 * given up at the end. */
typedef struct desk {
    shelf shelf;
    rk_txn *txn;
    rk_view *view; /* the transaction's */
    rk_error err;
} desk;

static void ok(const desk *s, rk_status status)
{
    must(status, &s->err);
}

static void desk_begin(desk *s)
{
    s->txn = shelf_begin(&s->shelf);
    s->view = rk_txn_view(s->txn);
}

static void desk_commit(desk *s)
{
    shelf_commit(s->txn);
    desk_begin(s);
}

static int desk_setup(void **state)
{
    desk *s = calloc(1, sizeof *s);
    assert_non_null(s);
    shelf_open(&s->shelf);
    desk_begin(s);
    *state = s;
    return 0;
}

static int desk_teardown(void **state)
{
    desk *s = *state;
    rk_txn_abort(s->txn);
    shelf_close(&s->shelf);
    free(s);
    return 0;
}

/* --- phase and epoch -------------------------------------------------------------------------- */

static rk_state state_of(uint64_t epoch, rk_phase canary, rk_phase production)
{
    rk_state state = {.epoch = epoch, .migration = "m1", .has_canary = true};
    state.tier[RK_TIER_CANARY] = (rk_tier_state){canary, false, epoch};
    state.tier[RK_TIER_PRODUCTION] = (rk_tier_state){production, false, epoch};
    return state;
}

static void test_a_state_comes_back(void **cm)
{
    desk *s = *cm;
    rk_state saved = state_of(7, RK_PHASE_FLIPPED, RK_PHASE_DUAL_WRITE);
    rk_state loaded;
    memset(saved.migration, 'm', RK_MIGRATION_BYTES_MAX);
    memset(saved.stopped_by, 's', RK_STOPPED_BY_BYTES_MAX);
    memset(saved.spec_digest.bytes, 0xa5, sizeof saved.spec_digest.bytes);
    saved.tier[RK_TIER_CANARY].undoing = true;
    saved.tier[RK_TIER_CANARY].epoch = UINT64_MAX;
    assert_int_equal(rk_state_load(s->view, s->shelf.meta, &loaded, &s->err), RK_NOT_FOUND);
    ok(s, rk_state_save(s->txn, s->shelf.meta, &saved, &s->err));
    desk_commit(s);
    ok(s, rk_state_load(s->view, s->shelf.meta, &loaded, &s->err));
    assert_int_equal(loaded.epoch, saved.epoch);
    assert_string_equal(loaded.migration, saved.migration);
    assert_memory_equal(&loaded.spec_digest, &saved.spec_digest, sizeof saved.spec_digest);
    assert_int_equal(loaded.has_canary, saved.has_canary);
    assert_string_equal(loaded.stopped_by, saved.stopped_by);
    for (int i = 0; i < RK_TIER_COUNT; i++) {
        assert_int_equal(loaded.tier[i].phase, saved.tier[i].phase);
        assert_int_equal(loaded.tier[i].undoing, saved.tier[i].undoing);
        assert_int_equal(loaded.tier[i].epoch, saved.tier[i].epoch);
    }
}

static void test_the_epoch_never_falls(void **cm)
{
    desk *s = *cm;
    rk_state state = state_of(5, RK_PHASE_OLD, RK_PHASE_OLD);
    rk_state loaded;
    ok(s, rk_state_save(s->txn, s->shelf.meta, &state, &s->err));
    ok(s, rk_state_save(s->txn, s->shelf.meta, &state, &s->err));
    state.epoch = 4;
    assert_int_equal(rk_state_save(s->txn, s->shelf.meta, &state, &s->err), RK_CONFLICT);
    assert_string_equal(s->err.message, "the epoch may not fall from 5 to 4");
    ok(s, rk_state_load(s->view, s->shelf.meta, &loaded, &s->err));
    assert_int_equal(loaded.epoch, 5);
}

static void test_the_phase_is_the_least_advanced(void **cm)
{
    (void)cm;
    rk_state state = state_of(1, RK_PHASE_FLIPPED, RK_PHASE_DUAL_WRITE);
    assert_int_equal(rk_state_phase(&state), RK_PHASE_DUAL_WRITE);
    state = state_of(1, RK_PHASE_OLD, RK_PHASE_DUAL_WRITE);
    assert_int_equal(rk_state_phase(&state), RK_PHASE_OLD);
    state.has_canary = false; /* nobody is in it, and it never moves */
    assert_int_equal(rk_state_phase(&state), RK_PHASE_DUAL_WRITE);
}

/* --- registering ------------------------------------------------------------------------------ */

static rk_status register_text(desk *s, const char *migration, const char *text, bool *changed)
{
    rk_spec spec = {.canary_count = 1};
    char name[64];
    snprintf(name, sizeof name, "%s.yaml", migration);
    spec.migration = (char *)migration; /* only read */
    rk_spec_source source = {.name = name, .text = rk_slice_str(text)};
    return rk_state_register(s->txn, s->shelf.meta, &spec, &source, changed, &s->err);
}

typedef struct register_case {
    const char *name;
    rk_phase canary;
    rk_phase production;
    bool undoing; /* of production */
    const char *migration;
    const char *text;
    rk_status status;
    bool changed;
    const char *says;
} register_case;

static const register_case register_cases[] = {
    {"the same again", RK_PHASE_OLD, RK_PHASE_OLD, false, "m1", "one", RK_OK, false, NULL},
    {"the same in any phase", RK_PHASE_FLIPPED, RK_PHASE_DUAL_WRITE, false, "m1", "one", RK_OK,
     false, NULL},
    {"another text", RK_PHASE_OLD, RK_PHASE_OLD, false, "m1", "two", RK_OK, true, NULL},
    {"another text, one tier moved", RK_PHASE_DUAL_WRITE, RK_PHASE_OLD, false, "m1", "two",
     RK_CONFLICT, false, "another text of the spec m1 is registered"},
    {"another text, undoing", RK_PHASE_OLD, RK_PHASE_OLD, true, "m1", "two", RK_CONFLICT, false,
     "it may change in phase old only"},
    {"another text, done", RK_PHASE_DONE, RK_PHASE_DONE, false, "m1", "two", RK_CONFLICT, false,
     "in phase done"},
    {"another migration", RK_PHASE_OLD, RK_PHASE_OLD, false, "m2", "two", RK_CONFLICT, false,
     "the spec is of migration m2, but m1 is registered in the store and in phase old"},
    {"another migration, one tier is not done", RK_PHASE_DONE, RK_PHASE_CONTRACTED, false, "m2",
     "two", RK_CONFLICT, false, "in phase contracted"},
    {"another migration, done", RK_PHASE_DONE, RK_PHASE_DONE, false, "m2", "two", RK_OK, true,
     NULL},
};

static void plant_run(desk *s, const register_case *c)
{
    rk_active_plan plan = {.template_entity = 1};
    rk_checkpoint point = {.job = RK_JOB_BACKFILL};
    rk_verdict verdict = {.clean = true};
    rk_state state;
    ok(s, rk_state_load(s->view, s->shelf.meta, &state, &s->err));
    state.epoch = 9;
    state.tier[RK_TIER_CANARY].phase = c->canary;
    state.tier[RK_TIER_PRODUCTION].phase = c->production;
    state.tier[RK_TIER_PRODUCTION].undoing = c->undoing;
    ok(s, rk_state_save(s->txn, s->shelf.meta, &state, &s->err));
    ok(s, rk_active_plan_save(s->txn, s->shelf.meta, &plan, &s->err));
    for (int i = 0; i < RK_TIER_COUNT; i++) {
        ok(s, rk_checkpoint_save(s->txn, s->shelf.meta, (rk_tier)i, &point, &s->err));
        ok(s, rk_verdict_save(s->txn, s->shelf.meta, (rk_tier)i, &verdict, &s->err));
    }
}

/* What belonged to the earlier spec is gone with it, and only then. */
static void check_after(desk *s, const register_case *c)
{
    rk_state state;
    rk_active_plan plan;
    static rk_checkpoint point;
    rk_verdict verdict;
    rk_status expected = c->changed ? RK_NOT_FOUND : RK_OK;
    ok(s, rk_state_load(s->view, s->shelf.meta, &state, &s->err));
    assert_int_equal(state.epoch, c->changed ? 10 : 9);
    assert_string_equal(state.migration, c->changed ? c->migration : "m1");
    assert_int_equal(state.tier[RK_TIER_PRODUCTION].phase,
                     c->changed ? RK_PHASE_OLD : c->production);
    assert_int_equal(rk_active_plan_load(s->view, s->shelf.meta, &plan, &s->err), expected);
    for (int i = 0; i < RK_TIER_COUNT; i++) {
        assert_int_equal(rk_checkpoint_load(s->view, s->shelf.meta, (rk_tier)i, &point, &s->err),
                         expected);
        assert_int_equal(rk_verdict_load(s->view, s->shelf.meta, (rk_tier)i, &verdict, &s->err),
                         expected);
    }
}

static void test_registering(void **cm)
{
    (void)cm;
    for (size_t i = 0; i < sizeof register_cases / sizeof *register_cases; i++) {
        const register_case *c = &register_cases[i];
        void *own = NULL;
        bool changed = false;
        print_message("  %s\n", c->name);
        desk_setup(&own);
        desk *s = own;
        ok(s, register_text(s, "m1", "one", &changed));
        assert_true(changed);
        plant_run(s, c);
        assert_int_equal(register_text(s, c->migration, c->text, &changed), c->status);
        if (c->status == RK_OK)
            assert_int_equal(changed, c->changed);
        if (c->says && !strstr(s->err.message, c->says))
            fail_msg("\"%s\" does not say \"%s\"", s->err.message, c->says);
        check_after(s, c);
        desk_teardown(&own);
    }
}

static void test_the_first_registration(void **cm)
{
    desk *s = *cm;
    rk_state state;
    bool changed = false;
    ok(s, register_text(s, "m1", "one", &changed));
    ok(s, rk_state_load(s->view, s->shelf.meta, &state, &s->err));
    assert_true(changed);
    assert_int_equal(state.epoch, 1);
    assert_true(state.has_canary);
    for (int i = 0; i < RK_TIER_COUNT; i++) {
        assert_int_equal(state.tier[i].phase, RK_PHASE_OLD);
        assert_int_equal(state.tier[i].epoch, 1);
        assert_false(state.tier[i].undoing);
    }
}

/* --- the spec's text -------------------------------------------------------------------------- */

static void test_a_spec_comes_back(void **cm)
{
    desk *s = *cm;
    rk_spec_file files[] = {{.name = (char *)"a.csv", .bytes = RK_SLICE_LITERAL("x,y\n\0z")},
                            {.name = (char *)"b.csv", .bytes = RK_SLICE_EMPTY}};
    rk_spec_source source = {.name = (char *)"m1.yaml",
                             .text = RK_SLICE_LITERAL("migration: m1\n"),
                             .files = files,
                             .file_count = 2};
    rk_spec_source loaded;
    rk_digest before;
    rk_digest after;
    assert_int_equal(rk_state_spec_load(s->view, s->shelf.meta, &loaded, &s->err), RK_NOT_FOUND);
    ok(s, rk_state_spec_save(s->txn, s->shelf.meta, &source, &s->err));
    ok(s, rk_state_spec_load(s->view, s->shelf.meta, &loaded, &s->err));
    assert_string_equal(loaded.name, "m1.yaml");
    assert_true(rk_slice_equal(loaded.text, source.text));
    assert_int_equal(loaded.file_count, 2);
    assert_string_equal(loaded.files[0].name, "a.csv");
    assert_true(rk_slice_equal(loaded.files[0].bytes, files[0].bytes));
    assert_int_equal(loaded.files[1].bytes.len, 0);
    rk_state_spec_digest(&source, &before);
    rk_state_spec_digest(&loaded, &after);
    assert_memory_equal(&before, &after, sizeof before);
    rk_spec_source_fini(&loaded);
}

/* No two of these may be taken for one another. */
static void test_the_digest_tells_specs_apart(void **cm)
{
    (void)cm;
    static const struct {
        const char *text;
        const char *name[2];
        const char *bytes[2];
    } cases[] = {
        {"t", {NULL, NULL}, {NULL, NULL}}, {"u", {NULL, NULL}, {NULL, NULL}},
        {"t", {"a", NULL}, {"bc", NULL}},  {"t", {"ab", NULL}, {"c", NULL}},
        {"t", {"a", "b"}, {"c", "d"}},     {"t", {"b", "a"}, {"d", "c"}},
        {"t", {"a", "b"}, {"d", "c"}},     {"ta", {"bc", NULL}, {"", NULL}},
    };
    enum { COUNT = sizeof cases / sizeof *cases };
    rk_digest digest[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        rk_spec_file files[2];
        rk_spec_source source = {.text = rk_slice_str(cases[i].text), .files = files};
        for (; source.file_count < 2 && cases[i].name[source.file_count]; source.file_count++)
            files[source.file_count] =
                (rk_spec_file){.name = (char *)cases[i].name[source.file_count],
                               .bytes = rk_slice_str(cases[i].bytes[source.file_count])};
        rk_state_spec_digest(&source, &digest[i]);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&digest[i], &digest[j], sizeof digest[i]);
    }
}

/* --- fingerprint and clients ------------------------------------------------------------------ */

static void change_table(desk *s, rk_table table, rk_action action, const char *value)
{
    rk_op op = {.action = (uint8_t)action,
                .table = table,
                .key = RK_SLICE_LITERAL("k"),
                .value = rk_slice_str(value)};
    rk_unit unit = {.ops = &op, .op_count = 1};
    ok(s, rk_txn_apply(s->txn, &unit, 1, &s->err));
    desk_commit(s);
}

static rk_digest fingerprint(desk *s, const rk_spec *spec)
{
    rk_digest digest;
    rk_view *view = NULL;
    ok(s, rk_snapshot_open(s->shelf.store, &view, &s->err));
    ok(s, rk_state_fingerprint(view, spec, &digest, &s->err));
    rk_snapshot_close(view);
    return digest;
}

static void test_the_fingerprint_follows_the_tables(void **cm)
{
    desk *s = *cm;
    rk_table data;
    rk_table gsi;
    const char *names[] = {"gsi1", "gsi2"};
    rk_spec spec = {.database = "data", .index_names = names, .index_name_count = 2};
    rk_txn_abort(s->txn);
    ok(s, rk_store_table(s->shelf.store, "data", RK_TABLE_RECORDS, true, &data, &s->err));
    ok(s, rk_store_table(s->shelf.store, "gsi1", RK_TABLE_INDEX, true, &gsi, &s->err));
    desk_begin(s);

    rk_digest empty = fingerprint(s, &spec);
    change_table(s, s->shelf.meta, RK_ACTION_PUT, "not one of them");
    rk_digest same = fingerprint(s, &spec);
    assert_memory_equal(&empty, &same, sizeof empty);
    change_table(s, data, RK_ACTION_PUT, "a record");
    rk_digest record = fingerprint(s, &spec);
    assert_memory_not_equal(&empty, &record, sizeof empty);
    change_table(s, gsi, RK_ACTION_INDEX_PUT, "an entry");
    rk_digest entry = fingerprint(s, &spec);
    assert_memory_not_equal(&record, &entry, sizeof empty);
}

static void test_commits_are_counted(void **cm)
{
    desk *s = *cm;
    uint64_t commits = 1;
    ok(s, rk_client_commits_load(s->view, RK_TABLE_NONE, &commits, &s->err));
    assert_int_equal(commits, 0);
    for (uint64_t i = 0; i < 3; i++) {
        ok(s, rk_client_commits_load(s->view, s->shelf.meta, &commits, &s->err));
        assert_int_equal(commits, i);
        ok(s, rk_client_commits_add(s->txn, s->shelf.meta, &s->err));
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, desk_setup, desk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_state_comes_back),
        TEST(test_the_epoch_never_falls),
        cmocka_unit_test(test_the_phase_is_the_least_advanced),
        cmocka_unit_test(test_registering),
        TEST(test_the_first_registration),
        TEST(test_a_spec_comes_back),
        cmocka_unit_test(test_the_digest_tells_specs_apart),
        TEST(test_the_fingerprint_follows_the_tables),
        TEST(test_commits_are_counted),
    };
    int failed = cmocka_run_group_tests_name("state", tests, NULL, NULL);
    failed += test_damage();
    failed += test_notes();
    return failed;
}
