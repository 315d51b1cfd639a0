/* Any bytes as authorized keys: a list or findings, never both, and the list keeps its promises. */
#include <stdlib.h>

#include "rekey/access/access.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libfyaml loses a few kilobytes for a quoted scalar with many escaped quotes. Leaks of its parser
 * and of its events, which would be ours, show in the unit tests, which suppress nothing. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void list_is_good(const rk_access_list *list, rk_role role)
{
    check((role == RK_ROLE_CLIENT) == (list->all || list->count > 0));
    check(!list->all || list->count == 0);
    for (size_t i = 1; i < list->count; i++)
        check(rk_slice_compare(list->items[i - 1], list->items[i]) < 0);
}

static void entry_is_good(const rk_access *access, const rk_access_entry *entry)
{
    const rk_slice odd = RK_SLICE_LITERAL("#"); /* no name holds it: only "*" permits it */
    rk_role role = RK_ROLE_NONE;
    check(rk_access_find(access, &entry->key) == entry);
    check(rk_access_role_of(access, &entry->key, &role) && role == entry->role);
    check(role != RK_ROLE_NONE && entry->name != NULL && entry->name[0] != '\0');
    list_is_good(&entry->tenants, role);
    list_is_good(&entry->capsules, role);
    bool all = entry->tenants.all && entry->capsules.all;
    check(rk_access_permits(entry, odd, odd) == (role == RK_ROLE_COORDINATOR || all));
    if (entry->tenants.count > 0 && entry->capsules.count > 0)
        check(rk_access_permits(entry, entry->tenants.items[0], entry->capsules.items[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_access *access = NULL;
    rk_findings findings = {0};
    rk_error err = {0};
    rk_status status =
        rk_access_parse(rk_slice_of(data, size), "keys.yaml", &access, &findings, &err);
    check((status == RK_OK) == (access != NULL));
    check((status == RK_INVALID) == (findings.count > 0));
    for (size_t i = 0; access != NULL && i < rk_access_count(access); i++)
        entry_is_good(access, rk_access_at(access, i));
    rk_access_destroy(access);
    rk_findings_fini(&findings);
    return 0;
}
