#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/transform/world.h"

#define ARENA_BYTES_MAX ((size_t)1 << 20)

/* Plain (field), Fallback (field, default), Env (another field), Constant (default), Looked and
 * LookedElse (lookup), Scoped (capsule in the old key), Derived (the new key needs a member);
 * Contract <- Item <- Note by parent; Pinned has a field and a parent; Ref has its parent's id
 * under another name; Shared <- Guest, Visitor (Shared's old keys collide; Contract's are taken not
 * to); LookedElse gets a default after loading; Scoped <- Under (its old key holds the capsule). */
static const char json_text[] =
    "migration: 202601010000_world\n"
    "description: every rule once\n"
    "owner: Tests\n"
    "strategy: %s\n"
    "value: json\n"
    "database: data\n"
    "tenant: tenant_id\n"
    "capsule: {variable: capsule_id, allowed: [PRODUS, DEVUS, PRODEU]}\n"
    "entities:\n"
    "  Plain:\n"
    "    old: \"TENANT#{tenant_id}#PLAIN#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#PLAIN#{id}\"\n"
    "    capsule: {field: capsule_id}\n"
    "    indexes:\n"
    "      gsi1: {old: \"CAPSULE#{capsule_id}#ACCOUNT#{account_id}\","
    " new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#ACCOUNT#{account_id}\"}\n"
    "  Fallback:\n"
    "    old: \"TENANT#{tenant_id}#FALLBACK#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#FALLBACK#{id}\"\n"
    "    capsule: {field: capsule_id, default: PRODUS}\n"
    "  Env:\n"
    "    old: \"TENANT#{tenant_id}#ENV#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#ENV#{id}\"\n"
    "    capsule: {field: env}\n"
    "  Constant:\n"
    "    old: \"TENANT#{tenant_id}#CONSTANT#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#CONSTANT#{id}\"\n"
    "    capsule: {default: DEVUS}\n"
    "  Looked:\n"
    "    old: \"TENANT#{tenant_id}#LOOKED#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#LOOKED#{id}\"\n"
    "    capsule: {lookup: capsules.csv}\n"
    "  LookedElse:\n"
    "    old: \"TENANT#{tenant_id}#ELSE#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#ELSE#{id}\"\n"
    "    capsule: {lookup: capsules.csv}\n"
    "  Scoped:\n"
    "    old: \"TENANT#{tenant_id}#SCOPED#{capsule_id}#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#SCOPED#{id}\"\n"
    "    capsule: {field: capsule_id}\n"
    "  Derived:\n"
    "    old: \"TENANT#{tenant_id}#DERIVED#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#DERIVED#{region}#{id}\"\n"
    "    capsule: {field: capsule_id}\n"
    "  Contract:\n"
    "    old: \"TENANT#{tenant_id}#CONTRACT#{contract_id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#CONTRACT#{contract_id}\"\n"
    "    capsule: {field: capsule_id, default: PRODUS}\n"
    "  Item:\n"
    "    parent: {entity: Contract, id: {contract_id: contract_id}}\n"
    "    old: \"TENANT#{tenant_id}#ITEM#{item_id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#ITEM#{item_id}\"\n"
    "    capsule: {parent: true}\n"
    "    indexes:\n"
    "      gsi2: {old: \"CONTRACT#{contract_id}#SKU#{sku}\","
    " new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#CONTRACT#{contract_id}#SKU#{sku}\"}\n"
    "  Note:\n"
    "    parent: {entity: Item, id: {item_id: item_id}}\n"
    "    old: \"TENANT#{tenant_id}#NOTE#{item_id}#{note_id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#NOTE#{item_id}#{note_id}\"\n"
    "    capsule: {parent: true}\n"
    "  Pinned:\n"
    "    parent: {entity: Contract, id: {contract_id: contract_id}}\n"
    "    old: \"TENANT#{tenant_id}#PINNED#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#PINNED#{id}\"\n"
    "    capsule: {field: capsule_id}\n"
    "  Ref:\n"
    "    parent: {entity: Contract, id: {contract_id: contract_ref}}\n"
    "    old: \"TENANT#{tenant_id}#REF#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#CONTRACT#{contract_id}#REF#{id}\"\n"
    "    capsule: {parent: true}\n"
    "  Shared:\n"
    "    old: \"TENANT#{tenant_id}#SHARED#{name}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#SHARED#{name}\"\n"
    "    capsule: {field: capsule_id}\n"
    "  Guest:\n"
    "    parent: {entity: Shared, id: {name: name}}\n"
    "    old: \"TENANT#{tenant_id}#GUEST#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#GUEST#{id}\"\n"
    "    capsule: {parent: true}\n"
    "  Visitor:\n"
    "    parent: {entity: Shared, id: {name: name}}\n"
    "    old: \"TENANT#{tenant_id}#VISITOR#{id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#VISITOR#{id}\"\n"
    "    capsule: {field: capsule_id}\n"
    "  Under:\n"
    "    parent: {entity: Scoped, id: {id: scoped_id}}\n"
    "    old: \"TENANT#{tenant_id}#UNDER#{under_id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#UNDER#{under_id}\"\n"
    "    capsule: {parent: true}\n"
    "approvals: 0\n";

static const char opaque_text[] =
    "migration: 202601010000_world\n"
    "description: values that nobody reads\n"
    "owner: Tests\n"
    "strategy: dual-write\n"
    "value: opaque\n"
    "database: data\n"
    "tenant: tenant_id\n"
    "capsule: {variable: capsule_id, allowed: [PRODUS, DEVUS, PRODEU]}\n"
    "entities:\n"
    "  Blob:\n"
    "    old: \"TENANT#{tenant_id}#BLOB#{blob_id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#BLOB#{blob_id}\"\n"
    "    capsule: {lookup: capsules.csv}\n"
    "  Part:\n"
    "    parent: {entity: Blob, id: {blob_id: blob_id}}\n"
    "    old: \"TENANT#{tenant_id}#PART#{blob_id}#{part_id}\"\n"
    "    new: \"TENANT#{tenant_id}#CAPSULE#{capsule_id}#PART#{blob_id}#{part_id}\"\n"
    "    capsule: {parent: true}\n"
    "approvals: 0\n";

static char spec_name[] = "202601010000_world.yaml";
static char lookup_name[] = "capsules.csv";
static char fallback[] = "PRODUS";

static rk_spec *load_spec(const char *text)
{
    rk_spec_file file = {.name = lookup_name,
                         .bytes = RK_SLICE_LITERAL("acme,PRODEU\nglobex,DEVUS\n")};
    rk_spec_source source = {
        .name = spec_name, .text = rk_slice_str(text), .files = &file, .file_count = 1};
    rk_findings findings = {0};
    rk_error err = {0};
    rk_spec *spec = NULL;

    rk_status status = rk_spec_load(&source, NULL, &spec, &findings, &err);
    for (size_t i = 0; i < findings.count; i++)
        print_error("%u:%u: %s\n", findings.items[i].line, findings.items[i].column,
                    findings.items[i].message);
    rk_findings_fini(&findings);
    if (status != RK_OK)
        fail_msg("%s", err.message);
    return spec;
}

static rk_entity *entity_of(rk_spec *spec, const char *name)
{
    int found = rk_spec_entity(spec, rk_slice_str(name));
    assert_true(found >= 0);
    return &spec->entities[found];
}

static void start(world *w, rk_spec *spec, size_t cache_entries)
{
    *w = (world){.spec = spec};
    w->fake = fake_store_new(WORLD_KEY_BYTES_MAX, WORLD_INDEX_BYTES_MAX);
    rk_arena_init(&w->arena, ARENA_BYTES_MAX);
    assert_int_equal(
        rk_tables_open(fake_store_base(w->fake), w->spec, true, true, &w->tables, &w->err), RK_OK);
    assert_int_equal(rk_transformer_create(w->spec, &w->tables, WORLD_KEY_BYTES_MAX, cache_entries,
                                           &w->transformer, &w->err),
                     RK_OK);
}

void world_init(world *w, rk_strategy strategy, size_t cache_entries)
{
    char text[sizeof json_text + 16];
    (void)snprintf(text, sizeof text, json_text,
                   strategy == RK_STRATEGY_MOVE ? "move" : "dual-write");
    rk_spec *spec = load_spec(text);
    entity_of(spec, "Contract")->collides = false;
    entity_of(spec, "LookedElse")->capsule.fallback = fallback;
    start(w, spec, cache_entries);
}

void world_init_opaque(world *w)
{
    start(w, load_spec(opaque_text), 0);
}

void world_fini(world *w)
{
    rk_transformer_destroy(w->transformer);
    rk_arena_fini(&w->arena);
    fake_store_free(w->fake);
    rk_spec_destroy(w->spec);
}

void world_clear(world *w)
{
    fake_store_clear(w->fake);
    rk_transformer_forget(w->transformer);
    rk_arena_reset(&w->arena);
}

void world_put(world *w, const char *key, const char *value)
{
    fake_store_put(w->fake, w->tables.records, rk_slice_str(key), rk_slice_str(value));
}

void world_remove(world *w, const char *key)
{
    fake_store_remove(w->fake, w->tables.records, rk_slice_str(key));
}

rk_status world_old(world *w, const char *key, const char *value)
{
    w->detail[0] = '\0';
    return rk_transform_old(w->transformer, fake_store_view(w->fake), rk_slice_str(key),
                            rk_slice_str(value), &w->arena, &w->image, &w->reason, w->detail,
                            &w->err);
}

rk_status world_new(world *w, const char *key, const char *value, bool kept)
{
    w->detail[0] = '\0';
    return rk_transform_new(w->transformer, fake_store_view(w->fake), rk_slice_str(key),
                            rk_slice_str(value), kept, &w->arena, &w->image, &w->reason, w->detail,
                            &w->err);
}

void assert_slice(rk_slice slice, const char *expected)
{
    if (!rk_slice_equal(slice, rk_slice_str(expected)))
        fail_msg("got \"%.*s\", expected \"%s\"", (int)slice.len, (const char *)slice.ptr,
                 expected);
}
