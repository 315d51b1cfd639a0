/* attack_reads.c: gets, lists and queries of what is not the reader's. */
#include "rekey/isolation/attack_private.h"

/* --- gets ------------------------------------------------------------------------------------- */

static void get_foreign_id(rki_ring *ring)
{
    rki_sample victim;
    rki_sample wanted;
    rki_try(ring, "a get of the id of another capsule's record");
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_as(ring, RKI_STRANGER, &victim, &wanted))
        return;
    rki_expect_nothing(ring, RKI_STRANGER, &wanted);
    rki_expect_own(ring, RKI_HOME, &victim);
}

static void get_other_tenant(rki_ring *ring)
{
    rki_sample victim;
    rki_sample wanted;
    rki_try(ring, "a get of the id of a record of tenant ...1, as tenant ...10");
    if (!rki_make_plain(ring, RKI_HOME, "tenants", &victim) || !rki_put_family(ring, &victim) ||
        !rki_as(ring, RKI_NEIGHBOUR, &victim, &wanted))
        return;
    rki_expect_nothing(ring, RKI_NEIGHBOUR, &wanted);
    rki_try(ring, "the same id in the tenants ...1 and ...10");
    if (!rki_put_family(ring, &wanted))
        return;
    rki_expect_own(ring, RKI_NEIGHBOUR, &wanted);
    rki_expect_own(ring, RKI_HOME, &victim);
}

static void batch_foreign_id(rki_ring *ring)
{
    rki_sample victim;
    rki_sample wanted;
    rk_error err = {0};
    rki_try(ring, "a batch with a get and a delete of another capsule's record");
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_as(ring, RKI_STRANGER, &victim, &wanted))
        return;
    rk_operation operation[2] = {{.verb = RK_GET}, {.verb = RK_DELETE}};
    for (size_t i = 0; i < 2; i++) {
        operation[i].entity = rki_entity(ring)->name;
        operation[i].ids = wanted.ids;
        operation[i].id_count = wanted.id_count;
    }
    rk_status status =
        rk_client_batch(ring->site->client, &wanted.wish.owner.scope, operation, 2, NULL, &err);
    if (status != RK_OK)
        rki_fail_case(ring, RKI_STRANGER, "the batch failed: %s %.200s", rk_status_name(status),
                      err.message);
    else if (operation[0].status != RK_NOT_FOUND)
        rki_fail_case(ring, RKI_STRANGER, "its get gave %zu bytes", operation[0].found.bytes.len);
    else if (operation[1].status != RK_NOT_FOUND)
        rki_fail_case(ring, RKI_STRANGER, "its delete found the record");
    if (status == RK_OK && operation[0].status == RK_OK)
        rk_value_fini(&operation[0].found);
    rki_expect_own(ring, RKI_HOME, &victim);
}

static void same_id_in_two_capsules(rki_ring *ring)
{
    rki_sample here;
    rki_sample there;
    rki_try(ring, "one id in two capsules: each reads its own");
    if (!rki_make_plain(ring, RKI_HOME, "same", &here) || !rki_put_family(ring, &here) ||
        !rki_as(ring, RKI_STRANGER, &here, &there) || !rki_put_family(ring, &there))
        return;
    rki_expect_own(ring, RKI_HOME, &here);
    rki_expect_own(ring, RKI_STRANGER, &there);
    rki_expect_list(ring, RKI_HOME, 1);
    rki_expect_list(ring, RKI_STRANGER, 1);
    rki_try(ring, "one id in two capsules: one is deleted");
    rki_expect_status(ring, RKI_STRANGER, rki_call_delete(ring, &there), RK_OK);
    rki_expect_own(ring, RKI_HOME, &here);
    rki_expect_list(ring, RKI_HOME, 1);
    rki_expect_unseen(ring, RKI_STRANGER, &there);
}

/* --- lists and queries ------------------------------------------------------------------------ */

static void list_foreign(rki_ring *ring)
{
    rki_sample victim;
    rki_try(ring, "a list in a capsule, where another one has a record");
    if (!rki_victim(ring, RKI_HOME, &victim))
        return;
    rki_expect_list(ring, RKI_STRANGER, ring->resident ? RKI_ANY_COUNT : 0);
    rki_expect_list(ring, RKI_HOME, ring->resident ? RKI_ANY_COUNT : 1);
}

static void list_other_tenant(rki_ring *ring)
{
    rki_sample victim;
    rki_sample own;
    size_t count = ring->resident ? RKI_ANY_COUNT : 1;
    rki_try(ring, "lists of the tenants ...1 and ...10");
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_victim(ring, RKI_NEIGHBOUR, &own))
        return;
    rki_expect_list(ring, RKI_HOME, count);
    rki_expect_list(ring, RKI_NEIGHBOUR, count);
}

static void query_foreign(rki_ring *ring)
{
    rki_sample victim;
    size_t nothing = ring->resident ? RKI_ANY_COUNT : 0;
    rki_try(ring, "a query in a capsule for what another one's record has");
    if (!rki_victim(ring, RKI_HOME, &victim))
        return;
    rki_expect_query(ring, &victim, RKI_STRANGER, RK_SEGMENTS_MAX, nothing);
    rki_expect_query(ring, &victim, RKI_STRANGER, 1, nothing);
    rki_expect_query(ring, &victim, RKI_STRANGER, 0, nothing);
    rki_expect_query(ring, &victim, RKI_HOME, RK_SEGMENTS_MAX, ring->resident ? RKI_ANY_COUNT : 1);
}

static void query_other_tenant(rki_ring *ring)
{
    rki_sample victim;
    rki_sample own;
    rki_try(ring, "queries of the tenants ...1 and ...10 for the same");
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_victim(ring, RKI_NEIGHBOUR, &own))
        return;
    size_t count = ring->resident ? RKI_ANY_COUNT : 1;
    rki_expect_query(ring, &victim, RKI_HOME, RK_SEGMENTS_MAX, count);
    rki_expect_query(ring, &victim, RKI_NEIGHBOUR, RK_SEGMENTS_MAX, count);
    rki_expect_query(ring, &victim, RKI_HOME, 0, count);
    rki_expect_query(ring, &victim, RKI_NEIGHBOUR, 0, count);
}

const rki_attack rki_read_attacks[] = {
    {"get_foreign_id", RKI_OF_ENTITY, RKI_ISOLATED | RKI_TWO | RKI_BOTH, get_foreign_id},
    {"get_other_tenant", RKI_OF_ENTITY, 0, get_other_tenant},
    {"batch_foreign_id", RKI_OF_ENTITY, RKI_ISOLATED | RKI_TWO | RKI_BOTH, batch_foreign_id},
    {"same_id_in_two_capsules", RKI_OF_ENTITY, RKI_ISOLATED | RKI_WRITES_NEW | RKI_TWO | RKI_FREE,
     same_id_in_two_capsules},
    {"list_foreign", RKI_OF_ENTITY, RKI_ISOLATED | RKI_TWO | RKI_BOTH, list_foreign},
    {"list_other_tenant", RKI_OF_ENTITY, RKI_BOTH, list_other_tenant},
    {"query_foreign", RKI_OF_INDEX, RKI_ISOLATED | RKI_TWO | RKI_BOTH, query_foreign},
    {"query_other_tenant", RKI_OF_INDEX, RKI_BOTH, query_other_tenant},
    {0},
};
