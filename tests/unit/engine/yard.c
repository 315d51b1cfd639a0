#include "tests/unit/engine/yard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TENANT "TENANT#{t}#"
#define SCOPE  TENANT "CAPSULE#{c}#"

static char name[] = "202601010000_yard.yaml";

static const char text[] = "migration: 202601010000_yard\n"
                           "strategy: %s\n"
                           "value: json\n"
                           "database: data\n"
                           "tenant: t\n"
                           "capsule: {variable: c, allowed: [PROD, DEV]}\n"
                           "tiers: {canary: [s-1, s-2]}\n"
                           "entities:\n"
                           "%s";

static const char all[] = "  Config:\n"
                          "    old: \"" TENANT "CONFIG\"\n"
                          "    new: \"" SCOPE "CONFIG\"\n"
                          "    capsule: {field: c}\n"
                          "  Contract:\n"
                          "    old: \"" TENANT "CONTRACT#{contract_id}\"\n"
                          "    new: \"" SCOPE "CONTRACT#{contract_id}\"\n"
                          "    capsule: {field: c, default: PROD}\n"
                          "  Item:\n"
                          "    parent: {entity: Contract, id: {contract_id: contract_id}}\n"
                          "    old: \"" TENANT "ITEM#{item_id}\"\n"
                          "    new: \"" SCOPE "ITEM#{item_id}\"\n"
                          "    capsule: {parent: true}\n"
                          "  Sub:\n"
                          "    parent: {entity: Item, id: {item_id: item_id}}\n"
                          "    old: \"" TENANT "A-SUB#{sub_id}\"\n"
                          "    new: \"" SCOPE "SUB#{sub_id}\"\n"
                          "    capsule: {parent: true}\n"
                          "  Scoped:\n"
                          "    old: \"" TENANT "SCOPED#{c}#{scoped_id}\"\n"
                          "    new: \"" SCOPE "SCOPED#{scoped_id}\"\n"
                          "    capsule: {field: c}\n";

static const char only[] = "  Contract:\n"
                           "    old: \"" TENANT "CONTRACT#{contract_id}\"\n"
                           "    new: \"" SCOPE "CONTRACT#{contract_id}\"\n"
                           "    capsule: {field: c, default: PROD}\n";

static const char indexed[] =
    "  Contract:\n"
    "    old: \"" TENANT "CONTRACT#{contract_id}\"\n"
    "    new: \"" SCOPE "CONTRACT#{contract_id}\"\n"
    "    capsule: {field: c, default: PROD}\n"
    "    indexes:\n"
    "      by_id: {old: \"ID#{contract_id}\", new: \"" SCOPE "ID#{contract_id}\"}\n";

static void load(rk_strategy strategy, const char *entities, rk_spec_source *source, char *out,
                 size_t size, rk_spec **spec)
{
    rk_findings findings = {0};
    rk_error err = {0};
    int length =
        snprintf(out, size, text, strategy == RK_STRATEGY_MOVE ? "move" : "dual-write", entities);
    assert_true(length > 0 && (size_t)length < size);
    *source = (rk_spec_source){.name = name, .text = rk_slice_of(out, (size_t)length)};
    if (rk_spec_load(source, NULL, spec, &findings, &err) != RK_OK)
        fail_msg("%s", findings.count ? findings.items[0].message : err.message);
    rk_findings_fini(&findings);
}

static void open_with(yard *y, rk_strategy strategy, const char *entities)
{
    static char out[4096];
    rk_spec_source source;
    rk_error err = {0};
    rk_state state;
    bool changed = false;
    *y = (yard){0};
    shelf_open(&y->shelf);
    load(strategy, entities, &source, out, sizeof out, &y->spec);
    must(rk_tables_open(y->shelf.store, y->spec, true, true, &y->tables, &err), &err);
    rk_txn *txn = shelf_begin(&y->shelf);
    must(rk_state_register(txn, y->tables.meta, y->spec, &source, &changed, &err), &err);
    must(rk_state_load(rk_txn_view(txn), y->tables.meta, &state, &err), &err);
    y->epoch = state.epoch;
    shelf_commit(txn);
}

void yard_open(yard *y, rk_strategy strategy)
{
    open_with(y, strategy, all);
}

void yard_open_only(yard *y, rk_strategy strategy)
{
    open_with(y, strategy, only);
}

void yard_open_indexed(yard *y, rk_strategy strategy)
{
    open_with(y, strategy, indexed);
}

void yard_close(yard *y)
{
    rk_spec_destroy(y->spec);
    shelf_close(&y->shelf);
}

rki_job yard_job(const yard *y, rk_job kind, rk_tier tier)
{
    return (rki_job){.kind = kind,
                     .store = y->shelf.store,
                     .spec = y->spec,
                     .tables = &y->tables,
                     .tier = tier,
                     .epoch = y->epoch,
                     .tier_epoch = y->epoch,
                     .template_entity = kind == RK_JOB_BACKFILL ? CONFIG : -1};
}

void yard_put_in(yard *y, rk_txn *txn, rk_slice key, rk_slice value)
{
    rk_error err = {0};
    must(rk_txn_put(txn, y->tables.records, key, value, &err), &err);
}

void yard_put(yard *y, const char *key, const char *value)
{
    rk_error err = {0};
    rk_txn *txn = shelf_begin(&y->shelf);
    if (value)
        yard_put_in(y, txn, rk_slice_str(key), rk_slice_str(value));
    else
        must(rk_txn_delete(txn, y->tables.records, rk_slice_str(key), &err), &err);
    shelf_commit(txn);
}

const char *yard_get(yard *y, const char *key)
{
    static char out[1024];
    rk_slice value;
    rk_view *view = shelf_look(&y->shelf);
    rk_status status = rk_view_get(view, y->tables.records, rk_slice_str(key), &value, NULL);
    if (status == RK_OK)
        snprintf(out, sizeof out, "%.*s", (int)value.len, (const char *)value.ptr);
    else
        assert_int_equal(status, RK_NOT_FOUND);
    rk_snapshot_close(view);
    return status == RK_OK ? out : NULL;
}
