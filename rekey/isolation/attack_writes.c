/* attack_writes.c: writes by one party that must not reach another's records. */
#include "rekey/isolation/attack_private.h"

static void delete_foreign(rki_ring *ring)
{
    rki_sample victim;
    rki_sample wanted;
    rki_try(ring, "a delete of the id of another capsule's record");
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_as(ring, RKI_STRANGER, &victim, &wanted))
        return;
    rki_expect_status(ring, RKI_STRANGER, rki_call_delete(ring, &wanted), RK_NOT_FOUND);
    rki_expect_own(ring, RKI_HOME, &victim);
    rki_expect_list(ring, RKI_HOME, ring->resident ? RKI_ANY_COUNT : 1);
}

static void delete_other_tenant(rki_ring *ring)
{
    rki_sample victim;
    rki_sample wanted;
    rki_try(ring, "a delete of the id of a record of tenant ...1, as tenant ...10");
    if (!rki_make_plain(ring, RKI_HOME, "tenants", &victim) || !rki_put_family(ring, &victim) ||
        !rki_as(ring, RKI_NEIGHBOUR, &victim, &wanted))
        return;
    rki_expect_status(ring, RKI_NEIGHBOUR, rki_call_delete(ring, &wanted), RK_NOT_FOUND);
    rki_expect_own(ring, RKI_HOME, &victim);
}

/* Whether the stranger's put is taken depends on the spec and the phase; the victim stays. */
static void update_foreign(rki_ring *ring)
{
    rki_sample victim;
    rki_sample own;
    rki_try(ring, "a put to the id of another capsule's record");
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_as(ring, RKI_STRANGER, &victim, &own))
        return;
    rki_answer answer = rki_call_put(ring, &own);
    bool taken = answer.status == RK_OK;
    rki_answer_fini(&answer);
    rki_expect_own(ring, RKI_HOME, &victim);
    if (taken)
        rki_expect_own(ring, RKI_STRANGER, &own);
    else
        rki_expect_nothing(ring, RKI_STRANGER, &own);
    rki_expect_list(ring, RKI_HOME, ring->resident ? RKI_ANY_COUNT : 1);
}

static void update_other_tenant(rki_ring *ring)
{
    rki_sample victim;
    rki_sample own;
    rki_try(ring, "a put to the id of a record of tenant ...1, as tenant ...10");
    if (!rki_make_plain(ring, RKI_HOME, "tenants", &victim) || !rki_put_family(ring, &victim) ||
        !rki_as(ring, RKI_NEIGHBOUR, &victim, &own) || !rki_put_family(ring, &own))
        return;
    rki_expect_own(ring, RKI_HOME, &victim);
    rki_expect_status(ring, RKI_NEIGHBOUR, rki_call_delete(ring, &own), RK_OK);
    rki_expect_own(ring, RKI_HOME, &victim);
    rki_expect_nothing(ring, RKI_NEIGHBOUR, &own);
}

static void put_if_absent_foreign(rki_ring *ring)
{
    rki_sample victim;
    rki_sample own;
    rki_try(ring, "put_if_absent to the id of another capsule's record");
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_as(ring, RKI_STRANGER, &victim, &own))
        return;
    rki_answer answer = rki_call_put_if_absent(ring, &own);
    if (answer.status != RK_OK && rki_entity(ring)->parent < 0)
        rki_fail_case(ring, RKI_STRANGER, "it was refused as if the record were its own: %s %.200s",
                      rk_status_name(answer.status), answer.message);
    rki_answer_fini(&answer);
    rki_expect_own(ring, RKI_HOME, &victim);
}

/* With the victim's very bytes, which only who may read them can know. */
static void compare_and_put_foreign(rki_ring *ring)
{
    rki_sample victim;
    rki_sample own;
    rki_try(ring, "compare_and_put to the id of another capsule's record, expecting its bytes");
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_as(ring, RKI_STRANGER, &victim, &own))
        return;
    rki_answer bytes = rki_call_get(ring, &victim);
    rki_expect_status(ring, RKI_STRANGER, rki_call_compare_and_put(ring, &own, bytes.value.bytes),
                      RK_CONFLICT);
    rki_answer_fini(&bytes);
    rki_expect_own(ring, RKI_HOME, &victim);
    rki_expect_nothing(ring, RKI_STRANGER, &own);
}

/* A put whose value names another capsule than the scope: in neither of them may it appear. */
static void put_value_of_other_capsule(rki_ring *ring)
{
    rki_sample own;
    rki_sample there;
    rki_try(ring, "a put of a value that names another capsule");
    rki_wish wish = rki_wish_for(ring, RKI_HOME, "claim");
    wish.claim = ring->party[RKI_STRANGER].scope.capsule;
    if (!rki_make(ring, &wish, &own) || !rki_as(ring, RKI_STRANGER, &own, &there))
        return;
    rki_expect_status(ring, RKI_HOME, rki_call_put(ring, &own), RK_INVALID);
    rki_expect_nothing(ring, RKI_HOME, &own);
    rki_expect_nothing(ring, RKI_STRANGER, &there);
}

/* --- children --------------------------------------------------------------------------------- */

/* A child in STRANGER whose parent is in HOME, and the same where no parent is anywhere. */
static void child_of_foreign_parent(rki_ring *ring)
{
    rki_sample parent_child;
    rki_sample child;
    rki_sample nowhere;
    rki_try(ring, "a put of a child whose parent is in another capsule");
    rki_wish wish = rki_wish_for(ring, RKI_HOME, "elder");
    wish.parent_tag = "family";
    if (!rki_make(ring, &wish, &parent_child) || !rki_put_family(ring, &parent_child))
        return;
    wish = rki_wish_for(ring, RKI_STRANGER, "foundling");
    wish.parent_tag = "family";
    if (!rki_make(ring, &wish, &child))
        return;
    wish.owner = ring->party[RKI_NEIGHBOUR];
    wish.owner.scope.capsule = ring->party[RKI_STRANGER].scope.capsule;
    if (!rki_make(ring, &wish, &nowhere))
        return;
    rki_answer answer = rki_call_put(ring, &child);
    if (answer.status == RK_OK)
        rki_fail_case(ring, RKI_STRANGER, "the child was taken");
    rki_expect_same(ring, RKI_STRANGER, answer, rki_call_put(ring, &nowhere));
    rki_expect_nothing(ring, RKI_STRANGER, &nowhere);
    if (child.id_count > 0 && rki_own_variable(ring->spec, rki_entity(ring)) != RK_NAME_NONE)
        rki_expect_nothing(ring, RKI_STRANGER, &child);
    rki_expect_own(ring, RKI_HOME, &parent_child);
}

const rki_attack rki_write_attacks[] = {
    {"delete_foreign", RKI_OF_ENTITY, RKI_TWO | RKI_BOTH, delete_foreign},
    {"delete_other_tenant", RKI_OF_ENTITY, 0, delete_other_tenant},
    {"update_foreign", RKI_OF_ENTITY, RKI_ISOLATED | RKI_WRITES_NEW | RKI_TWO, update_foreign},
    {"update_other_tenant", RKI_OF_ENTITY, 0, update_other_tenant},
    {"put_if_absent_foreign", RKI_OF_ENTITY, RKI_ISOLATED | RKI_WRITES_NEW | RKI_TWO | RKI_FREE,
     put_if_absent_foreign},
    {"compare_and_put_foreign", RKI_OF_ENTITY, RKI_ISOLATED | RKI_TWO | RKI_BOTH,
     compare_and_put_foreign},
    {"put_value_of_other_capsule", RKI_OF_ENTITY, RKI_JSON | RKI_TWO, put_value_of_other_capsule},
    {"child_of_foreign_parent", RKI_OF_ENTITY, RKI_CHILD | RKI_TWO, child_of_foreign_parent},
    {0},
};
