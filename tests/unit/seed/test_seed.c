/* Seeding: the same bytes, the counts asked for, and data that the transform takes without a word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rekey/seed/seed.h"
#include "rekey/transform/transform.h"
#include "store/lmdb.h"

#define HEAD                                                                                       \
    "migration: 202611210900_seed\n"                                                               \
    "owner: Test\n"                                                                                \
    "strategy: dual-write\n"                                                                       \
    "database: platform_data\n"                                                                    \
    "tenant: tenant_id\n"                                                                          \
    "capsule:\n"                                                                                   \
    "  variable: capsule_id\n"                                                                     \
    "  allowed: [PRODUS, DEVUS, PRODEU]\n"                                                         \
    "approvals: 0\n"
#define SCOPE "TENANT#{tenant_id}#CAPSULE#{capsule_id}#"

static const char full_spec[] =
    HEAD "value: json\n"
         "tiers: {canary: [synthetic-1, tenant-0001]}\n"
         "entities:\n"
         "  Config:\n"
         "    old: \"TENANT#{tenant_id}#CONFIG#FINANCIAL\"\n"
         "    new: \"" SCOPE "CONFIG#FINANCIAL\"\n"
         "    capsule: {field: capsule_id}\n"
         "    indexes:\n"
         "      gsi1: {old: \"CAPSULE#{capsule_id}#INDUSTRY#{industry}\",\n"
         "             new: \"" SCOPE "INDUSTRY#{industry}\"}\n"
         "  Contract:\n"
         "    old: \"TENANT#{tenant_id}#CONTRACT#{contract_id}\"\n"
         "    new: \"" SCOPE "CONTRACT#{contract_id}\"\n"
         "    capsule: {field: capsule_id, default: PRODUS}\n"
         "    indexes:\n"
         "      gsi1: {old: \"CAPSULE#{capsule_id}#STATUS#{status}\",\n"
         "             new: \"" SCOPE "STATUS#{status}\"}\n"
         "  LineItem:\n"
         "    parent: {entity: Contract, id: {contract_id: contract_id}}\n"
         "    old: \"TENANT#{tenant_id}#LINEITEM#{line_item_id}\"\n"
         "    new: \"" SCOPE "LINEITEM#{line_item_id}\"\n"
         "    capsule: {parent: true}\n"
         "    indexes:\n"
         "      gsi1: {old: \"CAPSULE#{capsule_id}#CONTRACT#{contract_id}\",\n"
         "             new: \"" SCOPE "CONTRACTLINES#{contract_id}\"}\n"
         "  Schedule:\n"
         "    parent: {entity: LineItem, id: {line_item_id: line_item_id}}\n"
         "    old: \"TENANT#{tenant_id}#LINEITEM#{line_item_id}#SCHEDULE#{fiscal_year}\"\n"
         "    new: \"" SCOPE "LINEITEM#{line_item_id}#SCHEDULE#{fiscal_year}\"\n"
         "    capsule: {parent: true}\n"
         "  Cover:\n"
         "    parent: {entity: Contract, id: {contract_id: contract_id}}\n"
         "    old: \"TENANT#{tenant_id}#CONTRACT#{contract_id}#COVER\"\n"
         "    new: \"" SCOPE "CONTRACT#{contract_id}#COVER\"\n"
         "    capsule: {parent: true}\n";

static const char opaque_spec[] = HEAD "value: opaque\n"
                                       "entities:\n"
                                       "  Blob:\n"
                                       "    old: \"TENANT#{tenant_id}#BLOB#{blob_id}\"\n"
                                       "    new: \"" SCOPE "BLOB#{blob_id}\"\n"
                                       "    capsule: {lookup: capsules.csv}\n";

static const char lookup_file[] = "# tenant,capsule\nzeta,DEVUS\nalpha,PRODUS\n beta , PRODEU\n";

typedef struct bench {
    char folder[64];
    char path[128];
    rk_spec_source source;
    rk_spec *spec;
    rk_store *store;
    rk_error err;
} bench;

static void must(const bench *b, rk_status status)
{
    if (status != RK_OK)
        fail_msg("%s: %s", rk_status_name(status), b->err.message);
}

static void write_file(const bench *b, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void load(bench *b, const char *text)
{
    *b = (bench){.folder = "/tmp/rekey-seed.XXXXXX"};
    assert_non_null(mkdtemp(b->folder));
    write_file(b, "202611210900_seed.yaml", text);
    write_file(b, "capsules.csv", lookup_file);
    snprintf(b->path, sizeof b->path, "%s/202611210900_seed.yaml", b->folder);
    must(b, rk_spec_source_read(b->path, &b->source, &b->err));
    rk_findings findings = {0};
    rk_status status = rk_spec_load(&b->source, b->folder, &b->spec, &findings, &b->err);
    for (size_t i = 0; i < findings.count; i++)
        print_message("%u: %s\n", findings.items[i].line, findings.items[i].message);
    rk_findings_fini(&findings);
    must(b, status);
}

static void open_store(bench *b, const char *name)
{
    rk_lmdb_options options = {.mode = RK_LMDB_CREATE};
    char path[128];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    must(b, rk_lmdb_open(path, &options, &b->store, &b->err));
}

static void clean(bench *b)
{
    char command[128];
    rk_store_close(b->store);
    rk_spec_destroy(b->spec);
    rk_spec_source_fini(&b->source);
    snprintf(command, sizeof command, "rm -rf %s", b->folder);
    assert_int_equal(system(command), 0);
}

static rk_status run(bench *b, rk_seed_options options, rk_seed_progress *progress)
{
    rk_seed *seed = NULL;
    options.source = &b->source;
    rk_status status = rk_seed_start(b->store, b->spec, &options, &seed, &b->err);
    bool finished = false;
    while (status == RK_OK && !finished)
        status = rk_seed_step(seed, &finished, &b->err);
    if (status == RK_OK)
        *progress = *rk_seed_progress_of(seed);
    rk_seed_destroy(seed);
    return status;
}

static const rk_seed_options usual = {.tenants = 7, .records = 25000, .seed = 3};

/* --- determinism ------------------------------------------------------------------------------ */

static void same_arguments_make_the_same_file(void **state)
{
    (void)state;
    bench b;
    rk_seed_progress progress;
    load(&b, full_spec);
    static const char *const names[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        open_store(&b, names[i]);
        must(&b, run(&b, usual, &progress));
        rk_store_close(b.store);
        b.store = NULL;
    }
    char command[256];
    snprintf(command, sizeof command, "cmp %s/a/data.mdb %s/b/data.mdb", b.folder, b.folder);
    assert_int_equal(system(command), 0);
    clean(&b);
}

static void a_second_run_changes_nothing(void **state)
{
    (void)state;
    bench b;
    rk_seed_progress progress;
    load(&b, full_spec);
    open_store(&b, "store");
    must(&b, run(&b, usual, &progress));
    assert_int_equal(progress.changed, progress.done);
    must(&b, run(&b, usual, &progress));
    assert_int_equal(progress.changed, 0);
    assert_int_equal(progress.done, usual.records);
    clean(&b);
}

static void another_record_is_not_overwritten(void **state)
{
    (void)state;
    bench b;
    rk_seed_progress progress;
    load(&b, full_spec);
    open_store(&b, "store");
    must(&b, run(&b, usual, &progress));
    rk_seed_options other = usual;
    other.seed++;
    assert_int_equal(run(&b, other, &progress), RK_CONFLICT);
    must(&b, run(&b, usual, &progress));
    assert_int_equal(progress.changed, 0);
    clean(&b);
}

/* --- counts ----------------------------------------------------------------------------------- */

static void counts_are_those_asked_for(void **state)
{
    static const struct {
        uint64_t tenants, records, config, total;
    } cases[] = {
        {1, 0, 0, 0},   {1, 1, 1, 1},       {1, 5, 1, 5},         {5, 3, 3, 3},
        {3, 17, 3, 17}, {10, 999, 10, 999}, {2, 20011, 2, 20011},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench b;
        rk_seed_progress progress;
        rk_seed_options options = {.tenants = cases[i].tenants, .records = cases[i].records};
        load(&b, full_spec);
        open_store(&b, "store");
        must(&b, run(&b, options, &progress));
        assert_int_equal(progress.done, cases[i].total);
        assert_int_equal(progress.total, cases[i].total);
        assert_int_equal(progress.entity[0], cases[i].config);
        uint64_t sum = 0;
        for (size_t e = 0; e < b.spec->entity_count; e++) {
            sum += progress.entity[e];
            assert_true(progress.entity[e] > 0 || cases[i].records < 5 * cases[i].tenants);
        }
        assert_int_equal(sum, cases[i].total);
        assert_true(progress.entity[4] <= progress.entity[1]); /* a cover a contract */
        clean(&b);
    }
}

static void bad_options_are_refused(void **state)
{
    static const rk_seed_options cases[] = {
        {.tenants = 0, .records = 1},
        {.tenants = UINT64_MAX, .records = 1},
        {.tenants = 1, .records = UINT64_MAX},
        {.tenants = 1, .records = 1, .value_bytes = RK_SEED_VALUE_BYTES_MAX + 1},
    };
    (void)state;
    bench b;
    rk_seed_progress progress;
    load(&b, full_spec);
    open_store(&b, "store");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(run(&b, cases[i], &progress), RK_INVALID);
    clean(&b);
}

/* --- contents --------------------------------------------------------------------------------- */

typedef struct survey {
    uint64_t records;
    uint64_t index_entries;
    uint64_t lacking;
    uint64_t capsule[RK_CAPSULES_MAX];
    uint64_t sized;
} survey;

static void survey_record(bench *b, rk_transformer *transformer, rk_view *view,
                          const rk_tables *tables, const rk_entry *entry, rk_arena *arena,
                          survey *s)
{
    rk_image image;
    rk_reason reason;
    char detail[128] = "";
    rk_arena_reset(arena);
    must(b, rk_transform_old(transformer, view, entry->key, entry->value, arena, &image, &reason,
                             detail, &b->err));
    if (reason != RK_REASON_NONE)
        fail_msg("%.*s: %s: %s", (int)entry->key.len, (const char *)entry->key.ptr,
                 rk_reason_name(reason), detail);
    s->records++;
    s->sized += entry->value.len == RK_SEED_VALUE_BYTES_DEFAULT;
    s->lacking += image.new_value.len != entry->value.len;
    s->capsule[rk_spec_capsule(b->spec, image.capsule)]++;
    for (size_t i = 0; i < image.index_count; i++) {
        if (image.index[i].old_key.len == 0)
            continue;
        s->index_entries++;
        must(b, rk_view_has_entry(view, tables->index[image.index[i].table_index],
                                  image.index[i].old_key, entry->key, &b->err));
    }
    if (image.parent_new_key.len > 0)
        assert_true(b->spec->entities[image.entity].parent >= 0);
}

static void survey_store(bench *b, survey *s)
{
    rk_tables tables;
    rk_transformer *transformer = NULL;
    rk_view *view = NULL;
    rk_cursor *cursor = NULL;
    rk_arena arena;
    rk_arena_init(&arena, 16 * 1024 * 1024);
    must(b, rk_tables_open(b->store, b->spec, false, false, &tables, &b->err));
    must(b, rk_transformer_create(b->spec, &tables, 511, 1024, &transformer, &b->err));
    must(b, rk_snapshot_open(b->store, &view, &b->err));
    must(b, rk_cursor_open(view, tables.records, &cursor, &b->err));
    rk_entry entry;
    *s = (survey){0};
    rk_status status = rk_cursor_seek(cursor, RK_SLICE_EMPTY, &entry, &b->err);
    for (; status == RK_OK; status = rk_cursor_next(cursor, &entry, &b->err))
        survey_record(b, transformer, view, &tables, &entry, &arena, s);
    assert_int_equal(status, RK_NOT_FOUND);
    uint64_t entries = 0;
    if (b->spec->index_name_count > 0)
        must(b, rk_view_count(view, tables.index[0], &entries, &b->err));
    assert_int_equal(entries, s->index_entries);
    rk_cursor_close(cursor);
    rk_snapshot_close(view);
    rk_transformer_destroy(transformer);
    rk_arena_fini(&arena);
}

static void every_record_can_move(void **state)
{
    (void)state;
    bench b;
    rk_seed_progress progress;
    survey s;
    load(&b, full_spec);
    open_store(&b, "store");
    must(&b, run(&b, usual, &progress));
    survey_store(&b, &s);
    assert_int_equal(s.records, usual.records);
    assert_int_equal(s.index_entries, progress.index_entries);
    assert_int_equal(s.sized, usual.records);
    assert_true(s.lacking > 0);
    assert_true(s.capsule[0] > s.capsule[1] && s.capsule[1] > 0 && s.capsule[2] > 0);
    clean(&b);
}

static void values_grow_past_the_size_when_they_must(void **state)
{
    (void)state;
    bench b;
    rk_seed_progress progress;
    survey s;
    rk_seed_options options = {.tenants = 2, .records = 500, .value_bytes = 10};
    load(&b, full_spec);
    open_store(&b, "store");
    must(&b, run(&b, options, &progress));
    survey_store(&b, &s);
    assert_int_equal(s.records, 500);
    clean(&b);
}

static void tenants_come_from_the_lookup_file(void **state)
{
    (void)state;
    bench b;
    rk_seed_progress progress;
    survey s;
    rk_seed_options options = {.tenants = 3, .records = 300};
    load(&b, opaque_spec);
    open_store(&b, "store");
    must(&b, run(&b, options, &progress));
    survey_store(&b, &s);
    assert_int_equal(s.records, 300);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(s.capsule[i], 100);
    clean(&b);
}

static void canaries_come_first(void **state)
{
    static const char *const keys[] = {"TENANT#synthetic-1#CONFIG#FINANCIAL",
                                       "TENANT#tenant-0001#CONFIG#FINANCIAL",
                                       "TENANT#tenant-0001-x#CONFIG#FINANCIAL"};
    (void)state;
    bench b;
    rk_seed_progress progress;
    load(&b, full_spec);
    open_store(&b, "store");
    rk_seed_options options = {.tenants = 3, .records = 3};
    must(&b, run(&b, options, &progress));
    rk_view *view = NULL;
    rk_table table;
    must(&b, rk_store_table(b.store, "platform_data", RK_TABLE_RECORDS, false, &table, &b.err));
    must(&b, rk_snapshot_open(b.store, &view, &b.err));
    for (size_t i = 0; i < 3; i++) {
        rk_slice value;
        if (rk_view_get(view, table, rk_slice_str(keys[i]), &value, &b.err) != RK_OK)
            fail_msg("no record at %s", keys[i]);
    }
    rk_snapshot_close(view);
    clean(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_arguments_make_the_same_file),
        cmocka_unit_test(a_second_run_changes_nothing),
        cmocka_unit_test(another_record_is_not_overwritten),
        cmocka_unit_test(counts_are_those_asked_for),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(every_record_can_move),
        cmocka_unit_test(values_grow_past_the_size_when_they_must),
        cmocka_unit_test(tenants_come_from_the_lookup_file),
        cmocka_unit_test(canaries_come_first),
    };
    return cmocka_run_group_tests_name("seed", tests, NULL, NULL);
}
