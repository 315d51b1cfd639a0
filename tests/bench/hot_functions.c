#include <string.h>

#include "rekey/base/buf.h"
#include "rekey/record/json.h"
#include "tests/bench/hot.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const stray_keys[] = {
    "",
    "TENANT",
    "TENANT#acme",
    "TENANT#acme#",
    "TENANT##CONTRACT#c-1",
    "TENANT#acme#CONTRACTS#c-1",
    "TENANT#acme#CONTRACT#c-1#NOTE#2",
    "TENANT#acme#CAPSULE#PRODUS#NOTHING#n-1",
    "SESSION#0123456789abcdef0123456789abcdef",
    "user:1234:profile",
};

static void must_be(bool holds, const char *what)
{
    rk_error err = {0};
    if (!holds)
        hot_must(rk_error_set(&err, RK_INVALID, "%s", what), &err);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void make_keys(hot_ground *g)
{
    for (size_t i = 0; i < g->count; i++) {
        g->keys[g->key_count++] = g->records[i].key;
        g->keys[g->key_count++] = g->records[i].image.new_key;
        g->keys[g->key_count++] = rk_slice_str(stray_keys[i % COUNT(stray_keys)]);
    }
}

static size_t match(hot_ground *g)
{
    static rk_binding binding;
    size_t found = 0;
    for (size_t i = 0; i < g->key_count; i++)
        found += rk_matcher_find(g->spec->matcher, g->keys[i], &binding) >= 0;
    must_be(found == 2 * g->count, "a key matched wrongly");
    return g->key_count;
}

/* One pattern at a time, as the client does it: its own, and one of another entity. */
static size_t match_one(hot_ground *g)
{
    static rk_binding binding;
    size_t found = 0;
    for (size_t i = 0; i < g->count; i++) {
        size_t entity = (size_t)g->records[i].image.entity;
        size_t other = (entity + 1) % g->spec->entity_count;
        found += rk_pattern_match(&g->spec->entities[entity].old_key, g->records[i].key, &binding);
        found += rk_pattern_match(&g->spec->entities[other].old_key, g->records[i].key, &binding);
    }
    must_be(found == g->count, "a pattern matched wrongly");
    return 2 * g->count;
}

/* --- records ---------------------------------------------------------------------------------- */

static void no_preparation(hot_ground *g)
{
    (void)g;
}

static void look(hot_ground *g)
{
    rk_error err = {0};
    hot_must(rk_snapshot_open(g->store, &g->view, &err), &err);
}

static void look_away(hot_ground *g)
{
    rk_snapshot_close(g->view);
}

static size_t rewrite(hot_ground *g)
{
    rk_error err = {0};
    char detail[128];
    for (size_t i = 0; i < g->count; i++) {
        rk_image image;
        rk_reason reason;
        rk_arena_reset(&g->scratch);
        hot_must(rk_transform_old(g->transformer, g->view, g->records[i].key, g->records[i].value,
                                  &g->scratch, &image, &reason, detail, &err),
                 &err);
        must_be(rk_slice_equal(image.new_key, g->records[i].image.new_key), "rewritten otherwise");
    }
    return g->count;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static const char *const wanted[] = {"capsule_id", "contract_id", "account_id"};

/* What stands between and around the wanted members. */
static const char *const members[] = {
    "\"amount\":1200",
    "\"note\":\"plain words, nothing to see\"",
    "\"name\":\"M\xc3\xbcller & S\xc3\xb6hne, \xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x9a\x80\"",
    "\"terms\":\"a \\\"quoted\\\" word,\\na line, a \\u00e9 and a \\\\\"",
    "\"lines\":[{\"sku\":\"s-1\",\"qty\":2},{\"sku\":\"s-2\",\"qty\":-3.5e2}, []]",
    "\"open\":true, \"closed\" : null",
    "\"\\u0063apsule\":\"another member\"",
    "\"path\":{\"a\":{\"b\":{\"c\":[1,[2,[3]]]}},\"n\":0.125}",
};

static void append_member(rk_buf *buf, const char *member)
{
    rk_error err = {0};
    if (buf->len > 1)
        hot_must(rk_buf_append_byte(buf, ',', &err), &err);
    hot_must(rk_buf_append_str(buf, member, &err), &err);
}

/* Wanted members early, late, spread or missing, as records have them. */
static void make_value(rk_buf *buf, size_t number, size_t bytes)
{
    rk_error err = {0};
    char capsule[] = "\"capsule_id\":\"PRODUS\"";
    char contract[] = "\"contract_id\":\"c-0123456789\"";
    char account[] = "\"account_id\":\"a-\\u0031\\/7\"";
    rk_buf_reset(buf);
    hot_must(rk_buf_append_byte(buf, '{', &err), &err);
    if (number % 2 == 0)
        append_member(buf, capsule);
    for (size_t i = number; buf->len + 60 < bytes || i == number; i++) {
        append_member(buf, members[i % COUNT(members)]);
        if (i == number + number % 3)
            append_member(buf, contract);
    }
    if (number % 2 == 1 && number % 5 != 0)
        append_member(buf, capsule);
    if (number % 4 != 0)
        append_member(buf, account);
    hot_must(rk_buf_append_byte(buf, '}', &err), &err);
}

static void make_values(hot_ground *g, size_t bytes)
{
    rk_error err = {0};
    rk_buf buf;
    rk_buf_init(&buf, 2 * bytes + 1024);
    for (size_t i = 0; i < HOT_VALUES; i++) {
        make_value(&buf, i, bytes);
        hot_must(rk_arena_copy(&g->memory, rk_buf_slice(&buf), &g->values[i], &err), &err);
    }
    rk_buf_fini(&buf);
}

static void make_small_values(hot_ground *g)
{
    make_values(g, 200);
}

static void make_large_values(hot_ground *g)
{
    make_values(g, 2048);
}

static size_t find_members(hot_ground *g, size_t count)
{
    rk_error err = {0};
    rk_slice names[COUNT(wanted)];
    rk_json_field fields[COUNT(wanted)];
    for (size_t i = 0; i < count; i++)
        names[i] = rk_slice_str(wanted[i]);
    for (size_t i = 0; i < HOT_VALUES; i++) {
        rk_arena_reset(&g->scratch);
        hot_must(rk_json_find(g->values[i], names, count, fields, &g->scratch, &err), &err);
    }
    return HOT_VALUES;
}

static size_t find_fields(hot_ground *g)
{
    return find_members(g, COUNT(wanted));
}

static size_t scan_whole(hot_ground *g)
{
    return find_members(g, 0);
}

/* --- batches ---------------------------------------------------------------------------------- */

static void make_unit(hot_ground *g, const rki_job *job, size_t record, bool indexed)
{
    rk_image image = g->records[record].image;
    rk_op *ops = rk_arena_alloc(&g->memory, RKI_UNIT_OPS_MAX * sizeof *ops);
    must_be(ops != NULL, "no memory for units");
    if (!indexed)
        image.index_count = 0;
    uint32_t count = rki_unit_build(job, &image, &g->memory, ops);
    g->units[g->unit_count++] = (rk_unit){.ops = ops, .op_count = count};
}

/* As a backfill has them: one tenant after the other, in each the parents first. */
static void make_units(hot_ground *g, rk_strategy strategy, bool indexed)
{
    rk_spec spec = *g->spec;
    spec.strategy = strategy;
    rki_job job = {.kind = RK_JOB_BACKFILL,
                   .store = g->store,
                   .spec = &spec,
                   .tables = &g->tables,
                   .template_entity = -1};
    for (size_t from = 0, to = 0; from < g->count; from = to) {
        while (to < g->count &&
               rk_slice_equal(g->records[from].image.tenant, g->records[to].image.tenant))
            to++;
        for (uint32_t level = 0; level < spec.level_count; level++) {
            for (size_t i = from; i < to; i++) {
                if (spec.entities[g->records[i].image.entity].level == level)
                    make_unit(g, &job, i, indexed);
            }
        }
    }
    must_be(g->unit_count == g->count, "a record has no unit");
}

static void make_move(hot_ground *g)
{
    make_units(g, RK_STRATEGY_MOVE, false);
}

static void make_move_indexed(hot_ground *g)
{
    make_units(g, RK_STRATEGY_MOVE, true);
}

static void make_dual_write(hot_ground *g)
{
    make_units(g, RK_STRATEGY_DUAL_WRITE, false);
}

static void make_dual_write_indexed(hot_ground *g)
{
    make_units(g, RK_STRATEGY_DUAL_WRITE, true);
}

static void begin(hot_ground *g)
{
    rk_error err = {0};
    for (size_t i = 0; i < g->count; i++)
        g->units[i].outcome = RK_UNIT_PENDING;
    hot_must(rk_txn_begin(g->store, &g->txn, &err), &err);
}

/* As in a run beside which nobody else writes. */
static void begin_alone(hot_ground *g)
{
    begin(g);
    for (size_t i = 0; i < g->count; i++)
        g->units[i].seen_holds = true;
}

static size_t apply(hot_ground *g)
{
    rk_error err = {0};
    hot_must(rk_txn_apply(g->txn, g->units, g->count, &err), &err);
    return g->count;
}

/* The commit is the disk's. */
static void give_up(hot_ground *g)
{
    for (size_t i = 0; i < g->count; i++)
        must_be(g->units[i].outcome == RK_UNIT_APPLIED, "a unit was refused");
    rk_txn_abort(g->txn);
}

const hot_function hot_functions[] = {
    {"match", make_keys, NULL, match, NULL},
    {"match_one", no_preparation, NULL, match_one, NULL},
    {"rewrite", no_preparation, look, rewrite, look_away},
    {"field_200", make_small_values, NULL, find_fields, NULL},
    {"field_2k", make_large_values, NULL, find_fields, NULL},
    {"scan_200", make_small_values, NULL, scan_whole, NULL},
    {"scan_2k", make_large_values, NULL, scan_whole, NULL},
    {"apply_move", make_move, begin, apply, give_up},
    {"apply_move_alone", make_move, begin_alone, apply, give_up},
    {"apply_move_indexed", make_move_indexed, begin, apply, give_up},
    {"apply_dual_write", make_dual_write, begin, apply, give_up},
    {"apply_dual_write_alone", make_dual_write, begin_alone, apply, give_up},
    {"apply_dual_write_indexed", make_dual_write_indexed, begin, apply, give_up},
    {NULL, NULL, NULL, NULL, NULL},
};
