#include "rekey/remote/gate_private.h"

#include <assert.h>
#include <stdlib.h>

#define NONE UINT32_MAX

/* --- life cycle ------------------------------------------------------------------------------- */

static void link_all(rki_table *table)
{
    for (uint32_t i = 0; i <= table->bucket_mask; i++)
        table->buckets[i] = NONE;
    for (uint32_t i = 0; i < table->slots_max; i++)
        table->slots[i].next = i + 1 < table->slots_max ? i + 1 : NONE;
    table->free = 0;
}

rk_status rki_table_init(rki_table *table, const rk_gate_config *config, rk_error *err)
{
    uint32_t sessions_max = config->sessions_max;
    assert(config->half_open_max >= 1 && config->half_open_max <= sessions_max);
    assert(config->key_sessions_max >= 1 && config->key_sessions_max <= sessions_max);
    assert(sessions_max <= RKI_SESSIONS_CEILING);
    uint32_t buckets = 1;
    while (buckets < sessions_max)
        buckets *= 2;
    rki_table made = {.slots = calloc(sessions_max, sizeof *made.slots),
                      .buckets = calloc(buckets, sizeof *made.buckets),
                      .bucket_mask = buckets - 1,
                      .slots_max = sessions_max,
                      .half_open_max = config->half_open_max,
                      .key_sessions_max = config->key_sessions_max};
    if (made.slots == NULL || made.buckets == NULL) {
        free(made.slots);
        free(made.buckets);
        return rk_error_set(err, RK_NOMEM, "out of memory for %u sessions", sessions_max);
    }
    link_all(&made);
    *table = made;
    return RK_OK;
}

void rki_table_fini(rki_table *table)
{
    for (uint32_t i = 0; i < table->slots_max; i++)
        rk_secure_destroy(table->slots[i].session);
    free(table->slots);
    free(table->buckets);
    *table = (rki_table){0};
}

/* --- finding ---------------------------------------------------------------------------------- */

/* An id is half of a hash over what both ends drew: any of its bytes will do. */
static uint32_t *bucket_of(const rki_table *table, const rk_secure_id *id)
{
    uint32_t number;
    memcpy(&number, id->bytes, sizeof number);
    return &table->buckets[number & table->bucket_mask];
}

rki_slot *rki_table_find(rki_table *table, const rk_secure_id *id)
{
    uint32_t at = *bucket_of(table, id);
    while (at != NONE && memcmp(&table->slots[at].id, id, sizeof *id) != 0)
        at = table->slots[at].next;
    return at == NONE ? NULL : &table->slots[at];
}

/* --- coming and going ------------------------------------------------------------------------- */

rk_secure *rki_table_remove(rki_table *table, rki_slot *slot)
{
    rk_secure *session = slot->session;
    uint32_t at = (uint32_t)(slot - table->slots);
    uint32_t *link = bucket_of(table, &slot->id);
    while (*link != at)
        link = &table->slots[*link].next;
    *link = slot->next;
    if (slot->half_open)
        table->half_open--;
    table->used--;
    *slot = (rki_slot){.next = table->free};
    table->free = at;
    return session;
}

/* The one that was used longest ago; NULL when all of this kind are busy, or there is none. */
static rki_slot *idlest(rki_table *table, bool half_open)
{
    rki_slot *found = NULL;
    for (uint32_t i = 0; i < table->slots_max; i++) {
        rki_slot *slot = &table->slots[i];
        if (slot->session == NULL || slot->busy || slot->half_open != half_open)
            continue;
        if (found == NULL || slot->used_at < found->used_at)
            found = slot;
    }
    return found;
}

/* Looks through the table once a handshake, which costs more than that. */
static rki_slot *one_too_many(rki_table *table, const rki_slot *newest)
{
    rki_slot *found = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->slots_max; i++) {
        rki_slot *slot = &table->slots[i];
        if (slot->session == NULL || slot->half_open ||
            memcmp(&slot->key, &newest->key, sizeof slot->key) != 0)
            continue;
        count++;
        if (slot != newest && !slot->busy && (found == NULL || slot->used_at < found->used_at))
            found = slot;
    }
    return count > table->key_sessions_max ? found : NULL;
}

rk_secure *rki_table_touch(rki_table *table, rki_slot *slot, const rk_secure_peer *peer)
{
    slot->used_at = ++table->uses;
    if (!slot->half_open || peer == NULL)
        return NULL;
    slot->half_open = false;
    slot->key = peer->key;
    table->half_open--;
    rki_slot *victim = one_too_many(table, slot);
    return victim == NULL ? NULL : rki_table_remove(table, victim);
}

/* Whose handshake goes on must not push out more than half_open_max of those that are at work: a
 * stranger can start handshakes, and only who has a key ends one. */
static bool make_room(rki_table *table, rk_secure **evicted)
{
    rki_slot *victim = NULL;
    if (table->half_open == table->half_open_max) {
        victim = idlest(table, true);
    } else if (table->used == table->slots_max) {
        victim = idlest(table, false);
        if (victim == NULL)
            victim = idlest(table, true);
    } else {
        return true;
    }
    if (victim == NULL)
        return false;
    *evicted = rki_table_remove(table, victim);
    return true;
}

bool rki_table_put(rki_table *table, rk_secure *session, rk_secure **evicted)
{
    const rk_secure_id *id = rk_secure_id_of(session);
    assert(id != NULL && *evicted == NULL);
    if (!make_room(table, evicted))
        return false;
    uint32_t at = table->free;
    uint32_t *bucket = bucket_of(table, id);
    rki_slot *slot = &table->slots[at];
    table->free = slot->next;
    *slot = (rki_slot){.session = session,
                       .id = *id,
                       .half_open = true,
                       .used_at = ++table->uses,
                       .next = *bucket};
    *bucket = at;
    table->used++;
    table->half_open++;
    return true;
}
