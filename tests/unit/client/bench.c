#include "tests/unit/client/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "rekey/client/attach.h"
#include "store/lmdb.h"

#define TENANT "TENANT#{tenant_id}#"
#define SCOPE  TENANT "CAPSULE#{capsule_id}#"

static const char head[] = "migration: 202601010000_client\n"
                           "strategy: %s\n"
                           "value: %s\n"
                           "database: data\n"
                           "tenant: tenant_id\n"
                           "capsule: {variable: capsule_id, allowed: [PRODUS, DEVUS, PRODEU%s]}\n"
                           "entities:\n";

static const char json_entities[] =
    "  Config:\n"
    "    old: \"" TENANT "CONFIG\"\n"
    "    new: \"" SCOPE "CONFIG\"\n"
    "    capsule: {field: capsule_id}\n"
    "  Contract:\n"
    "    old: \"" TENANT "CONTRACT#{contract_id}\"\n"
    "    new: \"" SCOPE "CONTRACT#{contract_id}\"\n"
    "    capsule: {field: capsule_id, default: PRODUS}\n"
    "    indexes:\n"
    "      gsi1: {old: \"CAPSULE#{capsule_id}#ACCOUNT#{account_id}#{status}\",\n"
    "             new: \"" SCOPE "ACCOUNT#{account_id}#{status}\"}\n"
    "  Item:\n"
    "    parent: {entity: Contract, id: {contract_id: contract_id}}\n"
    "    old: \"" TENANT "ITEM#{item_id}\"\n"
    "    new: \"" SCOPE "ITEM#{item_id}\"\n"
    "    capsule: {parent: true}\n"
    "    indexes:\n"
    "      gsi2: {old: \"CAPSULE#{capsule_id}#CONTRACT#{contract_id}\",\n"
    "             new: \"" SCOPE "CONTRACT#{contract_id}\"}\n"
    "  Derived:\n"
    "    old: \"" TENANT "DERIVED#{derived_id}\"\n"
    "    new: \"" SCOPE "DERIVED#{region}#{derived_id}\"\n"
    "    capsule: {field: capsule_id}\n"
    "    indexes:\n"
    "      gsi1: {old: \"CAPSULE#{capsule_id}#REGION#{region}\",\n"
    "             new: \"" SCOPE "REGION#{region}\"}\n"
    "  Turned:\n"
    "    old: \"" TENANT "TURNED#{a}#{b}\"\n"
    "    new: \"" SCOPE "TURNED#{b}#{a}\"\n"
    "    capsule: {field: capsule_id}\n"
    "  Scoped:\n"
    "    old: \"" TENANT "SCOPED#{capsule_id}#{scoped_id}\"\n"
    "    new: \"" SCOPE "SCOPED#{scoped_id}\"\n"
    "    capsule: {field: capsule_id}\n";

static const char opaque_entities[] = "  Blob:\n"
                                      "    old: \"" TENANT "BLOB#{blob_id}\"\n"
                                      "    new: \"" SCOPE "BLOB#{blob_id}\"\n"
                                      "    capsule: {default: DEVUS}\n";

/* --- life cycle ------------------------------------------------------------------------------- */

static void must(rk_status status, const rk_error *err)
{
    if (status != RK_OK)
        fail_msg("%s: %s", rk_status_name(status), err->message);
}

/* `capsules` begins with a comma, if there are more. */
static void load_spec(bench *b, const char *strategy, const char *value, const char *capsules,
                      const char *entities)
{
    static char text[8192];
    rk_findings findings = {0};
    int len = snprintf(text, sizeof text, head, strategy, value, capsules);
    len += snprintf(text + len, sizeof text - (size_t)len, "%s", entities);
    b->source.name = (char *)"202601010000_client.yaml";
    b->source.text = rk_slice_of(text, (size_t)len);
    rk_arena_init(&b->source.memory, 1 << 20);
    rk_status status = rk_spec_load(&b->source, NULL, &b->spec, &findings, &b->err);
    if (status != RK_OK)
        fail_msg("%s at %u", findings.count ? findings.items[0].message : b->err.message,
                 findings.count ? findings.items[0].line : 0);
    rk_findings_fini(&findings);
}

static void register_spec(bench *b)
{
    rk_txn *txn = NULL;
    bool changed = false;
    must(rk_txn_begin(b->store, &txn, &b->err), &b->err);
    must(rk_state_register(txn, b->tables.meta, b->spec, &b->source, &changed, &b->err), &b->err);
    must(rk_txn_commit(txn, &b->err), &b->err);
}

static void open_all(bench *b, const char *strategy, const char *value, const char *capsules,
                     const char *entities)
{
    *b = (bench){0};
    load_spec(b, strategy, value, capsules, entities);
    snprintf(b->folder, sizeof b->folder, "/tmp/rekey-client-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    rk_lmdb_options options = {.mode = RK_LMDB_CREATE};
    must(rk_lmdb_open(b->folder, &options, &b->store, &b->err), &b->err);
    assert_int_equal(rk_client_attach(b->store, NULL, &b->client, &b->err), RK_NOT_FOUND);
    must(rk_tables_open(b->store, b->spec, true, true, &b->tables, &b->err), &b->err);
    register_spec(b);
    must(rk_client_attach(b->store, NULL, &b->client, &b->err), &b->err);
}

void bench_open(bench *b, rk_strategy strategy)
{
    open_all(b, strategy == RK_STRATEGY_MOVE ? "move" : "dual-write", "json", "", json_entities);
}

void bench_open_opaque(bench *b)
{
    open_all(b, "dual-write", "opaque", "", opaque_entities);
}

void bench_open_wide(bench *b)
{
    static char entities[8192];
    char capsules[256] = "";
    size_t len = 0;
    for (int i = 0; i < WIDE_CAPSULES; i++)
        len += (size_t)snprintf(capsules + len, sizeof capsules - len, ", C%02d", i);
    len = (size_t)snprintf(entities, sizeof entities,
                           "  Doc:\n"
                           "    old: \"" TENANT "DOC#{doc_id}\"\n"
                           "    new: \"" SCOPE "DOC#{doc_id}\"\n"
                           "    capsule: {field: capsule_id}\n"
                           "    indexes:\n");
    for (int i = 0; i < WIDE_INDEXES; i++)
        len += (size_t)snprintf(entities + len, sizeof entities - len,
                                "      g%02d: {old: \"CAPSULE#{capsule_id}#M%02d#{m}\", "
                                "new: \"" SCOPE "M%02d#{m}\"}\n",
                                i, i, i);
    open_all(b, "dual-write", "json", capsules, entities);
}

void bench_close(bench *b)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    char path[128];
    rk_client_close(b->client);
    rk_store_close(b->store);
    rk_spec_destroy(b->spec);
    b->source.name = NULL;
    rk_spec_source_fini(&b->source);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", b->folder, files[i]);
        unlink(path);
    }
    rmdir(b->folder);
}

void bench_phase(bench *b, rk_phase phase, bool undoing)
{
    rk_txn *txn = NULL;
    rk_state state;
    must(rk_txn_begin(b->store, &txn, &b->err), &b->err);
    must(rk_state_load(rk_txn_view(txn), b->tables.meta, &state, &b->err), &b->err);
    state.epoch++;
    for (int i = 0; i < RK_TIER_COUNT; i++)
        state.tier[i] = (rk_tier_state){phase, undoing, state.epoch};
    must(rk_state_save(txn, b->tables.meta, &state, &b->err), &b->err);
    must(rk_txn_commit(txn, &b->err), &b->err);
}

/* --- past the client -------------------------------------------------------------------------- */

static rk_table index_table(bench *b, const char *name)
{
    rk_table table;
    must(rk_store_table(b->store, name, RK_TABLE_INDEX, false, &table, &b->err), &b->err);
    return table;
}

static void apply(bench *b, const rk_op *op)
{
    rk_txn *txn = NULL;
    rk_unit unit = {.ops = op, .op_count = 1};
    must(rk_txn_begin(b->store, &txn, &b->err), &b->err);
    must(rk_txn_apply(txn, &unit, 1, &b->err), &b->err);
    must(rk_txn_commit(txn, &b->err), &b->err);
}

static void plant_in(bench *b, rk_table table, const char *key, const char *value)
{
    rk_op op = {.action = value ? RK_ACTION_PUT : RK_ACTION_DELETE,
                .table = table,
                .key = rk_slice_str(key),
                .value = rk_slice_str(value)};
    apply(b, &op);
}

void bench_plant(bench *b, const char *key, const char *value)
{
    plant_in(b, b->tables.records, key, value);
}

void bench_plant_meta(bench *b, const char *key, const char *value)
{
    plant_in(b, b->tables.meta, key, value);
}

void bench_plant_entry(bench *b, const char *index, const char *key, const char *primary)
{
    rk_op op = {.action = RK_ACTION_INDEX_PUT,
                .table = index_table(b, index),
                .key = rk_slice_str(key),
                .value = rk_slice_str(primary)};
    apply(b, &op);
}

static rk_view *look(bench *b)
{
    rk_view *view = NULL;
    must(rk_snapshot_open(b->store, &view, &b->err), &b->err);
    return view;
}

bool bench_has(bench *b, const char *key)
{
    rk_view *view = look(b);
    rk_slice value;
    rk_status status = rk_view_get(view, b->tables.records, rk_slice_str(key), &value, &b->err);
    rk_snapshot_close(view);
    return status == RK_OK;
}

void assert_value(bench *b, const char *key, const char *value)
{
    rk_view *view = look(b);
    rk_slice found = RK_SLICE_EMPTY;
    rk_status status = rk_view_get(view, b->tables.records, rk_slice_str(key), &found, &b->err);
    bool same = value ? status == RK_OK && rk_slice_equal(found, rk_slice_str(value))
                      : status == RK_NOT_FOUND;
    if (!same)
        print_error("%s holds %.*s, not %s\n", key, (int)found.len, (const char *)found.ptr,
                    value ? value : "nothing");
    rk_snapshot_close(view);
    assert_true(same);
}

bool bench_has_entry(bench *b, const char *index, const char *key, const char *primary)
{
    rk_view *view = look(b);
    rk_status status = rk_view_has_entry(view, index_table(b, index), rk_slice_str(key),
                                         rk_slice_str(primary), &b->err);
    rk_snapshot_close(view);
    return status == RK_OK;
}

uint64_t bench_entries(bench *b, const char *index)
{
    uint64_t count = 0;
    rk_view *view = look(b);
    must(rk_view_count(view, index_table(b, index), &count, &b->err), &b->err);
    rk_snapshot_close(view);
    return count;
}

uint64_t bench_shadows(bench *b)
{
    uint64_t count = 0;
    rk_view *view = look(b);
    must(rk_shadow_count(view, b->tables.meta, &count, &b->err), &b->err);
    rk_snapshot_close(view);
    return count;
}

bool bench_shadowed(bench *b, const char *new_key)
{
    bool has = false;
    rk_view *view = look(b);
    must(rk_shadow_has(view, b->tables.meta, rk_slice_str(new_key), &has, &b->err), &b->err);
    rk_snapshot_close(view);
    return has;
}

bool bench_kept(bench *b, const char *new_key)
{
    bool has = false;
    rk_view *view = look(b);
    must(rk_kept_has(view, b->tables.meta, rk_slice_str(new_key), &has, &b->err), &b->err);
    rk_snapshot_close(view);
    return has;
}

uint64_t bench_commits(bench *b)
{
    uint64_t commits = 0;
    rk_view *view = look(b);
    must(rk_client_commits_load(view, b->tables.meta, &commits, &b->err), &b->err);
    rk_snapshot_close(view);
    return commits;
}

uint64_t bench_transactions(bench *b)
{
    rk_space space;
    must(rk_store_space(b->store, &space, &b->err), &b->err);
    return space.last_txn;
}

/* --- through the client ----------------------------------------------------------------------- */

rk_id id_of(const char *name, const char *value)
{
    return (rk_id){name, rk_slice_str(value)};
}

rk_scope scope_of(const char *tenant, const char *capsule)
{
    return (rk_scope){rk_slice_str(tenant), rk_slice_str(capsule)};
}

/* "contract_id" for Contract, and so on. */
static rk_id only_id(const char *entity, const char *id, char name[64])
{
    snprintf(name, 64, "%c%s_id", entity[0] - 'A' + 'a', entity + 1);
    return id_of(name, id);
}

rk_status put(bench *b, const char *capsule, const char *entity, const char *id, const char *value)
{
    char name[64];
    rk_scope scope = scope_of("t1", capsule);
    rk_id key = only_id(entity, id, name);
    return rk_client_put(b->client, &scope, entity, &key, id ? 1 : 0, rk_slice_str(value), &b->err);
}

rk_status drop(bench *b, const char *capsule, const char *entity, const char *id)
{
    char name[64];
    rk_scope scope = scope_of("t1", capsule);
    rk_id key = only_id(entity, id, name);
    return rk_client_delete(b->client, &scope, entity, &key, id ? 1 : 0, &b->err);
}

const char *get(bench *b, const char *capsule, const char *entity, const char *id)
{
    static char text[4096];
    char name[64];
    rk_value value = {0};
    rk_scope scope = scope_of("t1", capsule);
    rk_id key = only_id(entity, id, name);
    rk_status status = rk_client_get(b->client, &scope, entity, &key, id ? 1 : 0, &value, &b->err);
    if (status == RK_NOT_FOUND)
        return NULL;
    must(status, &b->err);
    snprintf(text, sizeof text, "%.*s", (int)value.bytes.len, (const char *)value.bytes.ptr);
    rk_value_fini(&value);
    return text;
}

const char *drain(bench *b, rk_iterator *rows)
{
    static char text[65536];
    size_t len = 0;
    rk_row row;
    rk_status status;
    text[0] = '\0';
    while ((status = rk_iterator_next(rows, &row, &b->err)) == RK_OK) {
        char value[256];
        snprintf(value, sizeof value, "%.*s", (int)row.value.len, (const char *)row.value.ptr);
        const char *n = strstr(value, "\"n\":");
        assert_non_null(n);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%d", len ? "," : "", atoi(n + 4));
    }
    if (status != RK_NOT_FOUND)
        must(status, &b->err);
    rk_iterator_close(rows);
    return text;
}

const char *list(bench *b, const char *capsule, const char *entity)
{
    rk_iterator *rows = NULL;
    rk_scope scope = scope_of("t1", capsule);
    must(rk_client_list(b->client, &scope, entity, NULL, &rows, &b->err), &b->err);
    return drain(b, rows);
}

const char *query(bench *b, const char *capsule, const char *entity, const char *index,
                  const rk_id *where, size_t where_count)
{
    rk_iterator *rows = NULL;
    rk_scope scope = scope_of("t1", capsule);
    must(
        rk_client_query(b->client, &scope, entity, index, where, where_count, NULL, &rows, &b->err),
        &b->err);
    return drain(b, rows);
}
