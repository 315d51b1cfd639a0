#include "tests/unit/plan/maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static const char spec_text[] = "migration: 202601010000_made\n"
                                "strategy: dual-write\n"
                                "value: json\n"
                                "database: data\n"
                                "tenant: t\n"
                                "capsule: {variable: c, allowed: [PROD, DEV]}\n"
                                "%s"
                                "entities:\n"
                                "  Contract:\n"
                                "    old: \"TENANT#{t}#CONTRACT#{contract_id}\"\n"
                                "    new: \"TENANT#{t}#CAPSULE#{c}#CONTRACT#{contract_id}\"\n"
                                "    capsule: {lookup: tenants.csv}\n"
                                "  Config:\n"
                                "    old: \"TENANT#{t}#CONFIG#{config_id}\"\n"
                                "    new: \"TENANT#{t}#CAPSULE#{c}#CONFIG#{config_id}\"\n"
                                "    capsule: {field: c}\n"
                                "  Item:\n"
                                "    parent: {entity: Contract, id: {contract_id: contract_id}}\n"
                                "    old: \"TENANT#{t}#ITEM#{item_id}\"\n"
                                "    new: \"TENANT#{t}#CAPSULE#{c}#ITEM#{item_id}\"\n"
                                "    capsule: {parent: true}\n";

static rk_slice keep(rk_arena *arena, const char *text)
{
    rk_slice copy;
    rk_slice bytes = rk_slice_of(text, strlen(text) + 1);
    assert_int_equal(rk_arena_copy(arena, bytes, &copy, NULL), RK_OK);
    return rk_slice_of(copy.ptr, copy.len - 1);
}

static void make_source(unsigned approvals, const rk_public_key *approver, rk_spec_source *out)
{
    static char name[] = "202601010000_made.yaml";
    static char lookup[] = "tenants.csv";
    char hex[2 * RK_PUBLIC_KEY_BYTES + 1];
    char rules[256] = "";
    char text[2048];
    if (approver != NULL)
        rk_hex(rk_slice_of(approver->bytes, sizeof approver->bytes), hex);
    if (approvals > 0)
        snprintf(rules, sizeof rules, "approvals: %u\n", approvals);
    if (approver != NULL)
        snprintf(rules, sizeof rules, "approvals: %u\napprovers: [\"%s\"]\n", approvals, hex);
    snprintf(text, sizeof text, spec_text, rules);
    rk_arena_init(&out->memory, 1 << 20);
    out->name = name;
    out->text = keep(&out->memory, text);
    out->files = rk_arena_alloc(&out->memory, sizeof *out->files);
    out->files[0] = (rk_spec_file){lookup, keep(&out->memory, "acme,PROD\nglobex,DEV\n")};
    out->file_count = 1;
}

static void make_counts(unsigned number, rk_plan_counts *out)
{
    for (unsigned i = 0; i < ENTITIES; i++)
        out->entity[i] = (rk_plan_entity){.records = 100 * number + i,
                                          .bytes = 1000 * number + i,
                                          .index_entries = 10 * number + i,
                                          .quarantined = number + i,
                                          .pending = 50 * number + i};
    out->capsule[0] = 7 * number;
    out->capsule[1] = 3 * number;
    out->quarantine[RK_REASON_UNMATCHED] = number;
    out->quarantine_bytes[RK_REASON_UNMATCHED] = 20 * number;
    out->unmatched = number;
    out->tenants = 5 * number;
    out->contaminated_tenants = number;
}

rk_plan *make_plan(unsigned number, unsigned approvals, const rk_public_key *approver)
{
    rk_findings findings = {0};
    rk_error err = {0};
    rk_plan *plan = calloc(1, sizeof *plan);
    assert_non_null(plan);
    make_source(approvals, approver, &plan->source);
    if (rk_spec_load(&plan->source, NULL, &plan->spec, &findings, &err) != RK_OK)
        fail_msg("%s", findings.count ? findings.items[0].message : err.message);
    rk_findings_fini(&findings);
    rk_state_spec_digest(&plan->source, &plan->spec_digest);
    plan->spec_path = strdup("specs/made.yaml");
    plan->registered = true;
    plan->epoch = 2 + number;
    plan->phase = RK_PHASE_DUAL_WRITE;
    memset(&plan->fingerprint, (int)number, sizeof plan->fingerprint);
    plan->client_commits = 11 * number;
    make_counts(number, &plan->counts);
    plan->template_entity = CONTRACT;
    plan->changes = true;
    plan->estimate_seconds = 1.1 * number;
    plan->estimate_map_bytes = 4096 * number;
    plan->estimate_disk_bytes = 512 * number;
    plan->made_ms = 1700000000000 + number;
    rehash(plan);
    return plan;
}

void rehash(rk_plan *plan)
{
    rk_error err = {0};
    if (rki_plan_hash(plan, &plan->hash, &err) != RK_OK)
        fail_msg("%s", err.message);
}

rk_plan *make_whole(unsigned count, unsigned approvals, const rk_public_key *approver)
{
    rk_plan_shard shards[RK_PLAN_SHARDS_MAX];
    rk_plan *whole = NULL;
    rk_error err = {0};
    assert_in_range(count, 1, RK_PLAN_SHARDS_MAX);
    for (unsigned i = 0; i < count; i++) {
        snprintf(shards[i].node, sizeof shards[i].node, "node-%u", i + 1);
        shards[i].plan = make_plan(i + 1, approvals, approver);
    }
    if (rk_plan_merge(shards, count, "specs/made.yaml", 1700000009999, &whole, &err) != RK_OK)
        fail_msg("%s", err.message);
    for (unsigned i = 0; i < count; i++)
        assert_null(shards[i].plan);
    return whole;
}

static char folder[64];

void enter_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/rekey-plan-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
}

void leave_folder(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        unlink(names[i]);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(folder), 0);
}
