/* One line of a good spec spoilt, one finding expected. */
#include "tests/unit/spec/lint_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/spec/good.h"

typedef struct spoilt {
    const char *name;
    const char *find;
    const char *put;
    uint32_t line;
    uint32_t column;
    const char *part;
} spoilt;

static const spoilt format_cases[] = {
    {"unknown key", "owner:", "ownr:", 3, 1, "unknown key \"ownr\" (did you mean \"owner\"?)"},
    {"unknown key, nothing near", "owner:", "budget:", 3, 1, "spec: unknown key \"budget\""},
    {"unknown key in capsule", "  variable: c", "  variabel: c", 9, 3, "did you mean \"variable\""},
    {"unknown key in entity", "    old: \"TENANT#{t}#CONFIG\"", "    odl: \"TENANT#{t}#CONFIG\"",
     16, 5, "Config: unknown key \"odl\" (did you mean \"old\"?)"},
    {"unknown limit", "lock_hold_ms", "lock_hold", 36, 3, "limits: unknown key \"lock_hold\""},
    {"duplicate key", "owner: Platform Data", "strategy: move", 4, 1,
     "duplicate key \"strategy\", first on line 3"},
    {"duplicate entity", "  Contract:\n", "  Config:\n", 19, 3, "duplicate key \"Config\""},
    {"anchor", "tenant: t", "tenant: &t t", 7, 12, "anchors are not allowed"},
    {"alias", "owner: Platform Data\n", "owner: &o P\ndescription2: *o\n", 4, 16,
     "aliases are not allowed"},
    {"tag", "tenant: t", "tenant: !!str t", 7, 15, "tags are not allowed"},
    {"syntax", "tenant: t", "tenant: [t", 7, 0, "yaml: "},
    {"second document", "approvals: 1\n", "---\na: 1\n---\n", 39, 1, "one document"},
    {"control character", "owner: P", "owner: \x01P", 3, 8, "control character 0x01"},
    {"not utf-8", "owner: P", "owner: \xc3P", 3, 8, "byte 0xc3 is not valid utf-8"},
    {"list for text", "tenant: t", "tenant: [t]", 7, 9, "tenant: expected a text, found a list"},
    {"text for list", "allowed: [PROD, DEV]", "allowed: PROD", 10, 12, "expected a list"},
    {"nothing for text", "tenant: t", "tenant:", 7, 1, "tenant: expected a text, found nothing"},
    {"text for mapping", "capsule: {field: c}", "capsule: c", 18, 14, "expected a mapping"},
    {"missing key", "strategy: dual-write\n", "", 0, 0, "spec: missing key \"strategy\""},
    {"missing database", "database: data\n", "", 0, 0, "spec: missing key \"database\""},
    {"missing new", "    new: \"TENANT#{t}#CAPSULE#{c}#CONFIG\"\n", "", 15, 3,
     "Config: missing key \"new\""},
};

static const spoilt value_cases[] = {
    {"strategy", "dual-write", "dual-wirte", 4, 11, "did you mean \"dual-write\""},
    {"value", "value: json", "value: yaml", 5, 8, "value: \"yaml\" is not one of json, opaque"},
    {"number", "lock_hold_ms: 7", "lock_hold_ms: fast", 36, 17, "whole number from 1 to 60000"},
    {"number too small", "lock_hold_ms: 7", "lock_hold_ms: 0", 36, 17, "from 1 to 60000"},
    {"number too large", "lock_hold_ms: 7", "lock_hold_ms: 99999999999999999999", 36, 17,
     "from 1 to 60000"},
    {"negative number", "lock_hold_ms: 7", "quarantine_max: -1", 36, 19, "whole number from 0"},
    {"quoted number", "lock_hold_ms: 7", "lock_hold_ms: \"7\"", 36, 17, "found the text \"7\""},
    {"share over 1", "0.001", "1.5", 37, 17, "a share from 0 to 1"},
    {"share no number", "0.001", "little", 37, 17, "a share from 0 to 1"},
    {"size unit", "512MiB", "512Mib", 38, 19, "a size such as 1GiB"},
    {"size too large", "512MiB", "99999999TiB", 38, 19, "a size such as 1GiB"},
    {"approvals", "approvals: 1", "approvals: 17", 39, 12, "from 0 to 16"},
    {"fewer approvers", "approvals: 1", "approvals: 2", 39, 12, "names 1 keys"},
    {"approver", "00000000000000000000000000000000", "0", 41, 5, "64 hex digits"},
    {"bool", "parent: true", "parent: yes", 34, 23, "expected true or false"},
    {"tenant name", "tenant: t", "tenant: T-1", 7, 9, "tenant: "},
    {"tenant equals capsule", "variable: c", "variable: t", 9, 13, "tenant's variable already"},
    {"capsule with delimiter", "[PROD, DEV]", "[PROD, \"D#V\"]", 10, 19, "holds the delimiter"},
    {"empty capsule", "[PROD, DEV]", "[PROD, \"\"]", 10, 19, "is empty"},
    {"capsule twice", "[PROD, DEV]", "[PROD, DEV, DEV]", 10, 24, "\"DEV\" is named twice"},
    {"no capsules", "[PROD, DEV]", "[]", 10, 12, "the list is empty"},
    {"unknown tier", "  canary:", "  canery:", 12, 3, "did you mean \"canary\""},
    {"tenant in two tiers", "[acme]", "[acme, s-1]", 13, 22, "\"s-1\" is in tier canary too"},
    {"tenant twice", "[s-1, s-2]", "[s-1, s-2, s-1]", 12, 22, "\"s-1\" is named twice"},
};

static const spoilt name_cases[] = {
    {"other file", "202611210900_move", "202611210900_other", 1, 12, "not the name of its file"},
    {"no date", "202611210900_move", "move", 1, 12, "expected YYYYMMDDHHMM_slug"},
    {"capital in slug", "202611210900_move", "202611210900_Move", 1, 12, "expected YYYYMMDDHHMM"},
    {"month 13", "202611210900_move", "202613210900_move", 1, 12, "no date and time"},
    {"february 29", "202611210900_move", "202602290900_move", 1, 12, "no date and time"},
    {"hour 24", "202611210900_move", "202611212400_move", 1, 12, "no date and time"},
    {"database of rekey", "database: data", "database: __rekey", 6, 11, "rekey's own state"},
    {"entity name", "  Config:", "  Con-fig:", 15, 3, "[A-Za-z][A-Za-z0-9_]*"},
    {"index is database", "gsi1:", "data:", 24, 7, "is the database of the records already"},
    {"index is rekey's", "gsi1:", "__rekey:", 24, 7, "rekey's own state"},
    {"index name", "gsi1:", "\"gsi 1\":", 24, 7, "found \"gsi 1\""},
};

static const spoilt pattern_cases[] = {
    {"mixture", "TENANT#{t}#CONFIG\"", "TENANT#{t}#x{y}\"", 16, 0, "Config.old: "},
    {"new lacks capsule", "TENANT#{t}#CAPSULE#{c}#CONFIG", "TENANT#{t}#CAPSULES#CONFIG", 17, 10,
     "Config.new: new key is not scoped by capsule: expected TENANT#{t}#CAPSULE#{c}#..., found "
     "TENANT#{t}#CAPSULES#CONFIG"},
    {"other capsule word", "#CAPSULE#{c}#CONFIG", "#ENV#{c}#CONFIG", 17, 10,
     "not scoped by capsule: expected TENANT#{t}#CAPSULE#{c}#..."},
    {"old lacks tenant", "\"TENANT#{t}#CONFIG\"", "\"CONFIG#{t}\"", 16, 10,
     "Config.old: old key is not scoped by tenant: expected TENANT#{t}#..., found CONFIG#{t}"},
    {"other tenant word", "\"TENANT#{t}#CONFIG\"", "\"ORG#{t}#CONFIG\"", 16, 10,
     "not scoped by tenant: expected TENANT#{t}#..."},
    {"nothing behind the scope", "\"TENANT#{t}#CONFIG\"", "\"TENANT#{t}\"", 16, 10,
     "not scoped by tenant"},
    {"new index lacks tenant", "TENANT#{t}#CAPSULE#{c}#ACCOUNT#", "CAPSULE#{c}#T#{t}#ACCOUNT#", 26,
     14, "Contract.indexes.gsi1.new: new index key is not scoped by tenant"},
    {"misspelt variable", "CONTRACT#{contract_id}\"\n    capsule",
     "CONTRACT#{contrct_id}\"\n    capsule", 21, 10,
     "Contract.new: {contract_id} of the old key is not in the new key, so two old records could "
     "land on one new key; misspelt, perhaps, as {contrct_id}?"},
    {"lost variable", "#CAPSULE#{c}#CONTRACT#{contract_id}", "#CAPSULE#{c}#CONTRACT#ALL", 21, 10,
     "could land on one new key"},
    {"variable only in the old key", "\"TENANT#{t}#CONFIG\"", "\"TENANT#{t}#CONFIG#{x}\"", 17, 10,
     "{x} of the old key is not in the new key"},
    {"same old shape", "TENANT#{t}#ITEM#{item_id}", "TENANT#{t}#CONTRACT#{item_id}", 32, 10,
     "Item.old: a key can match both this pattern and Contract.old"},
    {"old overlaps new", "TENANT#{t}#CAPSULE#{c}#CONFIG", "TENANT#{t}#CAPSULE#{c}#CONTRACT#{x}", 21,
     10, "Contract.new: a key can match both this pattern and Config.new"},
    {"old index overlaps new", "\"CAPSULE#{c}#ACCOUNT#{account_id}\"",
     "\"{a}#{t}#CAPSULE#{c}#ACCOUNT#{account_id}\"", 26, 14,
     "Contract.indexes.gsi1.new: a key can match both this pattern and Contract.indexes.gsi1.old"},
    {"opaque with fields", "value: json", "value: opaque", 26, 14,
     "unknown variable {account_id}: with `value: opaque`"},
};

static const spoilt graph_cases[] = {
    {"unknown parent", "entity: Contract", "entity: Contracts", 29, 15,
     "unknown entity \"Contracts\" (did you mean \"Contract\"?)"},
    {"own parent", "entity: Contract", "entity: Item", 29, 15, "a cycle: Item -> Item"},
    {"cycle", "    indexes:", "    parent: {entity: Item, id: {item_id: i}}\n    indexes:", 23, 22,
     "a cycle: Contract -> Item -> Contract"},
    {"left side", "contract_id: contract\n", "contrat_id: contract\n", 31, 9,
     "{contrat_id} is not a variable of Contract (did you mean \"contract_id\"?)"},
    {"left side missing", "      id:\n        contract_id: contract\n", "", 29, 7,
     "does not say where a record has the {contract_id} of its Contract"},
    {"right side of opaque", "value: json", "value: opaque", 31, 22,
     "{contract} is not a variable of the old key"},
    {"no source", "{field: c}", "{}", 18, 14, "says nothing about where the capsule comes from"},
    {"parent false", "{field: c}", "{parent: false}", 18, 14, "says nothing about where"},
    {"two sources", "{parent: true}", "{parent: true, field: c}", 34, 14, "only one of"},
    {"field and lookup", "{field: c}", "{field: c, lookup: capsules.csv}", 18, 14, "only one of"},
    {"parent without parent", "{field: c}", "{parent: true}", 18, 23, "has no parent to take"},
    {"field of opaque", "value: json", "value: opaque", 18, 22, "a record has no fields"},
    {"default not allowed", "default: PROD", "default: PRODD", 22, 36,
     "\"PRODD\" is not one of capsule.allowed (did you mean \"PROD\"?)"},
    {"default with parent", "{parent: true}", "{parent: true, default: DEV}", 34, 38,
     "a default goes with `field` or stands alone"},
    {"lookup not given", "{field: c}", "{lookup: other.csv}", 18, 23, "other.csv was not given"},
    {"lookup elsewhere", "{field: c}", "{lookup: ../capsules.csv}", 18, 23, "without folders"},
};

/* A column of 0 in a case means: whichever the library below says, on that line. */
static bool any_column(const rk_findings *findings, const spoilt *item)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].line >= item->line &&
            strstr(findings->items[i].message, item->part) != NULL)
            return true;
    return has_finding(findings, item->line, item->column, item->part);
}

static bool check(const spoilt *item)
{
    char *text = spoil(item->find, item->put);
    assert_non_null(text);
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    rk_status status = load_text(GOOD_NAME, text, "# none\n", &spec, &findings);
    bool found = item->line > 0 && item->column == 0
                     ? any_column(&findings, item)
                     : has_finding(&findings, item->line, item->column, item->part);
    if (status != RK_INVALID || !found)
        print_error("case: %s (%s)\n", item->name, rk_status_name(status));
    rk_spec_destroy(spec);
    rk_findings_fini(&findings);
    free(text);
    return status == RK_INVALID && found;
}

static void check_all(const spoilt *cases, size_t count)
{
    size_t failed = 0;
    for (size_t i = 0; i < count; i++)
        failed += !check(&cases[i]);
    assert_int_equal(failed, 0);
}

void test_format_findings(void **state)
{
    (void)state;
    check_all(format_cases, sizeof format_cases / sizeof format_cases[0]);
}

void test_value_findings(void **state)
{
    (void)state;
    check_all(value_cases, sizeof value_cases / sizeof value_cases[0]);
}

void test_name_findings(void **state)
{
    (void)state;
    check_all(name_cases, sizeof name_cases / sizeof name_cases[0]);
}

void test_pattern_findings(void **state)
{
    (void)state;
    check_all(pattern_cases, sizeof pattern_cases / sizeof pattern_cases[0]);
}

void test_graph_findings(void **state)
{
    (void)state;
    check_all(graph_cases, sizeof graph_cases / sizeof graph_cases[0]);
}
