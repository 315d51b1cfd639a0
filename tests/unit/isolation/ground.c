#include "tests/unit/isolation/ground.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TENANT "TENANT#{t}#"
#define SCOPE  TENANT "CAPSULE#{c}#"

static char name[] = "202601010000_ground.yaml";

static const char text[] =
    "migration: 202601010000_ground\n"
    "strategy: %s\n"
    "value: json\n"
    "database: data\n"
    "tenant: t\n"
    "capsule: {variable: c, allowed: [PROD, DEV]}\n"
    "tiers: {canary: [s-1]}\n"
    "entities:\n"
    "  Config:\n"
    "    old: \"" TENANT "CONFIG\"\n"
    "    new: \"" SCOPE "CONFIG\"\n"
    "    capsule: {field: c}\n"
    "  Contract:\n"
    "    old: \"" TENANT "CONTRACT#{contract_id}\"\n"
    "    new: \"" SCOPE "CONTRACT#{contract_id}\"\n"
    "    capsule: {field: c, default: PROD}\n"
    "    indexes:\n"
    "      by_account: {old: \"ACCOUNT#{account}\", new: \"" SCOPE "ACCOUNT#{account}\"}\n"
    "      by_owner: {old: \"" TENANT "OWNER#{owner}\", new: \"" SCOPE "OWNER#{owner}\"}\n"
    "      by_region: {old: \"CAPSULE#{c}#REGION#{region}\", new: \"" SCOPE "REGION#{region}\"}\n"
    "  Item:\n"
    "    parent: {entity: Contract, id: {contract_id: contract_id}}\n"
    "    old: \"" TENANT "ITEM#{item_id}\"\n"
    "    new: \"" SCOPE "ITEM#{item_id}\"\n"
    "    capsule: {parent: true}\n"
    "    indexes:\n"
    "      by_account: {old: \"ACCOUNT#{account}\", new: \"" SCOPE "ACCOUNT#{account}\"}\n"
    "  Task:\n"
    "    parent: {entity: Contract, id: {contract_id: contract_id}}\n"
    "    old: \"" TENANT "TASK#{task_id}\"\n"
    "    new: \"" SCOPE "TASK#{task_id}\"\n"
    "    capsule: {field: env}\n";

void ground_open(ground *g, rk_strategy strategy)
{
    static char out[4096];
    rk_findings findings = {0};
    rk_error err = {0};
    *g = (ground){0};
    shelf_open(&g->shelf);
    int length =
        snprintf(out, sizeof out, text, strategy == RK_STRATEGY_MOVE ? "move" : "dual-write");
    assert_true(length > 0 && (size_t)length < sizeof out);
    g->source = (rk_spec_source){.name = name, .text = rk_slice_of(out, (size_t)length)};
    if (rk_spec_load(&g->source, NULL, &g->spec, &findings, &err) != RK_OK)
        fail_msg("%s", findings.count ? findings.items[0].message : err.message);
    rk_findings_fini(&findings);
    must(rk_tables_open(g->shelf.store, g->spec, true, true, &g->tables, &err), &err);
}

void ground_close(ground *g)
{
    rk_spec_destroy(g->spec);
    shelf_close(&g->shelf);
}

void ground_register(ground *g, rk_phase canary, rk_phase production)
{
    rk_error err = {0};
    rk_state state;
    bool changed = false;
    rk_txn *txn = shelf_begin(&g->shelf);
    must(rk_state_register(txn, g->tables.meta, g->spec, &g->source, &changed, &err), &err);
    must(rk_state_load(rk_txn_view(txn), g->tables.meta, &state, &err), &err);
    state.tier[RK_TIER_CANARY].phase = canary;
    state.tier[RK_TIER_PRODUCTION].phase = production;
    state.epoch++;
    must(rk_state_save(txn, g->tables.meta, &state, &err), &err);
    shelf_commit(txn);
}

static rk_table index_table(const ground *g, const char *index)
{
    for (size_t i = 0; i < g->spec->index_name_count; i++)
        if (strcmp(g->spec->index_names[i], index) == 0)
            return g->tables.index[i];
    fail_msg("no index %s", index);
    return RK_TABLE_NONE;
}

void ground_put(ground *g, const char *index, const char *key, const char *value)
{
    rk_error err = {0};
    rk_op op = {.action = index ? RK_ACTION_INDEX_PUT : RK_ACTION_PUT,
                .condition = RK_IF_ANY,
                .table = index ? index_table(g, index) : g->tables.records,
                .key = rk_slice_str(key),
                .value = rk_slice_str(value)};
    rk_unit unit = {.ops = &op, .op_count = 1};
    rk_txn *txn = shelf_begin(&g->shelf);
    must(rk_txn_apply(txn, &unit, 1, &err), &err);
    shelf_commit(txn);
}
