/* The top level of a spec: see specs/README.md for every key. */
#include "rekey/spec/draft.h"

#include <stdlib.h>

/* --- capsule ---------------------------------------------------------------------------------- */

static void read_allowed(rki_draft *draft, const rki_node *list)
{
    rk_spec *spec = draft->spec;
    if (list == NULL)
        return;
    if (list->count == 0)
        rki_report(draft, list, "capsule.allowed: the list is empty: name at least one capsule");
    for (const rki_node *item = list->first; item != NULL; item = item->next) {
        if (!rki_read_kind(draft, "capsule.allowed", item, RKI_SCALAR) ||
            !rki_read_value(draft, "capsule.allowed", item))
            continue;
        if (spec->allowed_count == RK_CAPSULES_MAX) {
            rki_report(draft, item, "capsule.allowed: more than %d capsules", RK_CAPSULES_MAX);
            return;
        }
        if (rk_spec_capsule(spec, item->text) >= 0) {
            rki_report(draft, item, "capsule.allowed: \"%s\" is named twice",
                       rki_show(item->text).text);
            continue;
        }
        char *copy = rki_copy(draft, item->text);
        if (copy != NULL)
            spec->allowed[spec->allowed_count++] = rk_slice_of(copy, item->text.len);
    }
}

static void read_capsule(rki_draft *draft, const rki_node *capsule)
{
    static const rki_key_rule rules[] = {
        {"variable", RKI_SCALAR, true},
        {"allowed", RKI_LIST, true},
    };
    const rki_node *part[2];
    if (capsule == NULL)
        return;
    rki_read_mapping(draft, "capsule", capsule, capsule, rules, 2, part);
    rki_read_name(draft, "capsule.variable", part[0], &draft->spec->capsule);
    read_allowed(draft, part[1]);
    if (part[0] != NULL && draft->spec->capsule != RK_NAME_NONE &&
        draft->spec->capsule == draft->spec->tenant)
        rki_report(draft, part[0], "capsule.variable: \"%s\" is the tenant's variable already",
                   rki_name(draft->spec, draft->spec->tenant));
}

/* --- tiers ------------------------------------------------------------------------------------ */

static int compare_items(const void *left, const void *right)
{
    const rki_node *a = *(const rki_node *const *)left;
    const rki_node *b = *(const rki_node *const *)right;
    int order = rk_slice_compare(a->text, b->text);
    if (order != 0)
        return order;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return (a->column > b->column) - (a->column < b->column);
}

/* The valid items of a list of tenants, sorted, each once. */
static const rki_node **sorted_tenants(rki_draft *draft, const char *where, const rki_node *list,
                                       size_t *count)
{
    const rki_node **items =
        rki_alloc(draft, &draft->scratch, list->count + 1, sizeof(const rki_node *));
    size_t taken = 0;
    *count = 0;
    if (items == NULL)
        return NULL;
    for (const rki_node *item = list->first; item != NULL; item = item->next)
        if (rki_read_kind(draft, where, item, RKI_SCALAR) && rki_read_value(draft, where, item))
            items[taken++] = item;
    qsort(items, taken, sizeof *items, compare_items);
    for (size_t i = 0; i < taken; i++) {
        if (*count > 0 && rk_slice_equal(items[*count - 1]->text, items[i]->text))
            rki_report(draft, items[i], "%s: tenant \"%s\" is named twice", where,
                       rki_show(items[i]->text).text);
        else
            items[(*count)++] = items[i];
    }
    return items;
}

static void read_canary(rki_draft *draft, const rki_node *list)
{
    rk_spec *spec = draft->spec;
    size_t count = 0;
    const rki_node **items = sorted_tenants(draft, "tiers.canary", list, &count);
    spec->canary = rki_alloc(draft, &spec->memory, count + 1, sizeof *spec->canary);
    if (items == NULL || spec->canary == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        char *copy = rki_copy(draft, items[i]->text);
        if (copy == NULL)
            return;
        spec->canary[spec->canary_count++] = rk_slice_of(copy, items[i]->text.len);
    }
}

static void read_tiers(rki_draft *draft, const rki_node *tiers)
{
    static const rki_key_rule rules[] = {
        {"canary", RKI_LIST, false},
        {"production", RKI_LIST, false},
    };
    const rki_node *part[2];
    if (tiers == NULL)
        return;
    rki_read_mapping(draft, "tiers", tiers, tiers, rules, 2, part);
    if (part[0] != NULL)
        read_canary(draft, part[0]);
    if (part[1] == NULL || draft->status != RK_OK)
        return;
    size_t count = 0;
    const rki_node **items = sorted_tenants(draft, "tiers.production", part[1], &count);
    for (size_t i = 0; items != NULL && i < count; i++)
        if (rk_spec_tier(draft->spec, items[i]->text) == RK_TIER_CANARY)
            rki_report(draft, items[i], "tiers.production: tenant \"%s\" is in tier canary too",
                       rki_show(items[i]->text).text);
}

/* --- limits and approvals --------------------------------------------------------------------- */

static void read_limits(rki_draft *draft, const rki_node *limits)
{
    static const rki_key_rule rules[] = {
        {"lock_hold_ms", RKI_SCALAR, false},   {"quarantine_max", RKI_SCALAR, false},
        {"mismatch_max", RKI_SCALAR, false},   {"write_latency_ms_max", RKI_SCALAR, false},
        {"error_rate_max", RKI_SCALAR, false}, {"free_space_min", RKI_SCALAR, false},
    };
    const rki_node *part[6];
    if (limits == NULL)
        return;
    rk_limits *out = &draft->spec->limits;
    uint64_t lock_hold_ms = out->lock_hold_ms;
    uint64_t write_latency_ms_max = out->write_latency_ms_max;
    rki_read_mapping(draft, "limits", limits, limits, rules, 6, part);
    rki_read_number(draft, "limits.lock_hold_ms", part[0], 1, 60000, &lock_hold_ms);
    rki_read_number(draft, "limits.quarantine_max", part[1], 0, UINT64_C(1000000000000),
                    &out->quarantine_max);
    rki_read_share(draft, "limits.mismatch_max", part[2], &out->mismatch_max);
    rki_read_number(draft, "limits.write_latency_ms_max", part[3], 0, 3600000,
                    &write_latency_ms_max);
    rki_read_share(draft, "limits.error_rate_max", part[4], &out->error_rate_max);
    rki_read_size(draft, "limits.free_space_min", part[5], &out->free_space_min_bytes);
    out->lock_hold_ms = (uint32_t)lock_hold_ms;
    out->write_latency_ms_max = (uint32_t)write_latency_ms_max;
}

/* 64 hex digits, small letters in *copy. */
static bool copy_hex(rk_slice text, char *copy)
{
    if (text.len != 64)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c >= 'A' && c <= 'F')
            c = (uint8_t)(c - 'A' + 'a');
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        copy[i] = (char)c;
    }
    return true;
}

static void read_approver(rki_draft *draft, const rki_node *item)
{
    rk_spec *spec = draft->spec;
    char *copy = rki_alloc(draft, &spec->memory, 65, 1);
    if (copy == NULL)
        return;
    if (!copy_hex(item->text, copy)) {
        rki_report(draft, item, "approvers: expected a public key of 64 hex digits, found \"%s\"",
                   rki_show(item->text).text);
        return;
    }
    for (size_t i = 0; i < spec->approver_count; i++)
        if (rk_slice_equal(spec->approvers[i], rk_slice_of(copy, 64))) {
            rki_report(draft, item, "approvers: the key %s is named twice", copy);
            return;
        }
    spec->approvers[spec->approver_count++] = rk_slice_of(copy, 64);
}

static void read_approvals(rki_draft *draft)
{
    rk_spec *spec = draft->spec;
    uint64_t approvals = 0;
    rki_read_number(draft, "approvals", draft->approvals, 0, RKI_APPROVALS_MAX, &approvals);
    spec->approvals = (uint32_t)approvals;
    const rki_node *list = draft->approvers;
    if (list == NULL)
        return;
    if (list->count > RKI_YAML_KEYS_MAX) {
        rki_report(draft, list, "approvers: more than %d keys", RKI_YAML_KEYS_MAX);
        return;
    }
    spec->approvers = rki_alloc(draft, &spec->memory, list->count + 1, sizeof *spec->approvers);
    if (spec->approvers == NULL)
        return;
    for (const rki_node *item = list->first; item != NULL; item = item->next)
        if (rki_read_kind(draft, "approvers", item, RKI_SCALAR))
            read_approver(draft, item);
    if (spec->approver_count < spec->approvals)
        rki_report(draft, draft->approvals != NULL ? draft->approvals : list,
                   "approvals: %u signatures asked for, but `approvers` names %zu keys",
                   spec->approvals, spec->approver_count);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* The one text that may have several lines. */
static void read_description(rki_draft *draft, const rki_node *node)
{
    if (node == NULL)
        return;
    if (memchr(node->text.ptr, '\0', node->text.len) != NULL) {
        rki_report(draft, node, "description: holds a zero byte");
        return;
    }
    draft->spec->description = rki_copy(draft, node->text);
}

static void read_words(rki_draft *draft, const rki_node *strategy, const rki_node *value)
{
    static const char *const strategies[] = {"dual-write", "move"};
    static const char *const values[] = {"json", "opaque"};
    size_t choice = 0;
    rki_read_word(draft, "strategy", strategy, strategies, 2, &choice);
    draft->spec->strategy = choice == 0 ? RK_STRATEGY_DUAL_WRITE : RK_STRATEGY_MOVE;
    choice = 0;
    rki_read_word(draft, "value", value, values, 2, &choice);
    draft->spec->value = choice == 0 ? RK_VALUE_JSON : RK_VALUE_OPAQUE;
}

enum {
    MIGRATION,
    DESCRIPTION,
    OWNER,
    STRATEGY,
    VALUE,
    DATABASE,
    TENANT,
    CAPSULE,
    TIERS,
    ENTITIES,
    LIMITS,
    APPROVALS,
    APPROVERS,
    KEY_COUNT
};

void rki_read_spec(rki_draft *draft, const rki_node *root)
{
    static const rki_key_rule rules[KEY_COUNT] = {
        [MIGRATION] = {"migration", RKI_SCALAR, true},
        [DESCRIPTION] = {"description", RKI_SCALAR, false},
        [OWNER] = {"owner", RKI_SCALAR, false},
        [STRATEGY] = {"strategy", RKI_SCALAR, true},
        [VALUE] = {"value", RKI_SCALAR, false},
        [DATABASE] = {"database", RKI_SCALAR, true},
        [TENANT] = {"tenant", RKI_SCALAR, true},
        [CAPSULE] = {"capsule", RKI_MAPPING, true},
        [TIERS] = {"tiers", RKI_MAPPING, false},
        [ENTITIES] = {"entities", RKI_MAPPING, true},
        [LIMITS] = {"limits", RKI_MAPPING, false},
        [APPROVALS] = {"approvals", RKI_SCALAR, false},
        [APPROVERS] = {"approvers", RKI_LIST, false},
    };
    const rki_node *part[KEY_COUNT];
    rk_spec *spec = draft->spec;
    rki_read_mapping(draft, "spec", NULL, root, rules, KEY_COUNT, part);
    draft->migration = part[MIGRATION];
    draft->database = part[DATABASE];
    draft->approvals = part[APPROVALS];
    draft->approvers = part[APPROVERS];
    rki_read_text(draft, "migration", part[MIGRATION], &spec->migration);
    rki_read_text(draft, "owner", part[OWNER], &spec->owner);
    rki_read_text(draft, "database", part[DATABASE], &spec->database);
    read_description(draft, part[DESCRIPTION]);
    read_words(draft, part[STRATEGY], part[VALUE]);
    rki_read_name(draft, "tenant", part[TENANT], &spec->tenant);
    read_capsule(draft, part[CAPSULE]);
    read_tiers(draft, part[TIERS]);
    read_limits(draft, part[LIMITS]);
    read_approvals(draft);
    if (part[ENTITIES] != NULL && draft->status == RK_OK)
        rki_read_entities(draft, part[ENTITIES]);
}
