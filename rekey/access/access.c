#include "rekey/access/access_private.h"

#include <assert.h>
#include <stdlib.h>

void rk_access_destroy(rk_access *access)
{
    if (access == NULL)
        return;
    rk_arena_fini(&access->memory);
    free(access);
}

size_t rk_access_count(const rk_access *access)
{
    return access->count;
}

const rk_access_entry *rk_access_at(const rk_access *access, size_t index)
{
    assert(index < access->count);
    return &access->entries[index];
}

static int compare_to_entry(const void *key, const void *entry)
{
    return memcmp(key, &((const rk_access_entry *)entry)->key, sizeof(rk_public_key));
}

const rk_access_entry *rk_access_find(const rk_access *access, const rk_public_key *key)
{
    return bsearch(key, access->entries, access->count, sizeof *access->entries, compare_to_entry);
}

bool rk_access_role_of(const void *access, const rk_public_key *key, rk_role *out)
{
    const rk_access_entry *entry = rk_access_find(access, key);
    if (entry == NULL)
        return false;
    *out = entry->role;
    return true;
}

/* --- rights ----------------------------------------------------------------------------------- */

int rki_access_compare_slices(const void *left, const void *right)
{
    return rk_slice_compare(*(const rk_slice *)left, *(const rk_slice *)right);
}

static bool is_listed(const rk_access_list *list, rk_slice name)
{
    if (list->all)
        return name.len > 0;
    return list->count > 0 && bsearch(&name, list->items, list->count, sizeof *list->items,
                                      rki_access_compare_slices) != NULL;
}

bool rk_access_permits(const rk_access_entry *entry, rk_slice tenant, rk_slice capsule)
{
    if (entry == NULL)
        return false;
    switch (entry->role) {
    case RK_ROLE_CLIENT:
        return is_listed(&entry->tenants, tenant) && is_listed(&entry->capsules, capsule);
    case RK_ROLE_COORDINATOR:
        return true;
    case RK_ROLE_NONE:
    case RK_ROLE_OPERATOR:
    case RK_ROLE_NODE:
        break;
    }
    return false;
}
