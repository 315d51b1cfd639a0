/* attack_forged.c: what a broken writer, a hand or a restored backup could leave in the store.
 *
 * Everything here is written around the client. Reads must not give it to the wrong party, and a
 * verification must say that it is there.
 */
#include "rekey/isolation/attack_private.h"

/* --- values ----------------------------------------------------------------------------------- */

/* The record and its index entries at the new keys of its scope, as they stand. */
static bool forge_new(rki_ring *ring, const rki_sample *forged)
{
    const rk_entity *entity = rki_entity(ring);
    rk_slice key;
    rk_slice index_key;
    if (!rki_key(ring, forged, &entity->new_key, &key))
        return false;
    rki_forge_record(ring, key, forged->value);
    for (size_t i = 0; i < entity->index_count; i++) {
        if (!rki_key(ring, forged, &entity->index[i].new_key, &index_key))
            return false;
        rki_forge_entry(ring, &entity->index[i], index_key, key);
    }
    return !ring->failed;
}

/* At the new key of `at` a value that names the other's capsule. */
static void forge_value(rki_ring *ring, rki_party at, rki_party named)
{
    rki_sample forged;
    rki_sample there;
    rki_wish wish = rki_wish_for(ring, at, "forged");
    wish.claim = ring->party[named].scope.capsule;
    if (!rki_make(ring, &wish, &forged) || !rki_as(ring, named, &forged, &there) ||
        !forge_new(ring, &forged))
        return;
    rki_expect_unseen(ring, at, &forged);
    rki_expect_unseen(ring, named, &there);
}

static void forged_value_in_key_of_home(rki_ring *ring)
{
    rki_try(ring, "reads of a value that names another capsule than its key");
    forge_value(ring, RKI_HOME, RKI_STRANGER);
}

static void forged_value_in_key_of_stranger(rki_ring *ring)
{
    rki_try(ring, "reads of a value that names this capsule, at another one's key");
    forge_value(ring, RKI_STRANGER, RKI_HOME);
}

/* --- index entries ---------------------------------------------------------------------------- */

/* An entry under the thief's index key, on one side, that points at the victim's primary key. */
static bool forge_pointer(rki_ring *ring, const rki_sample *thief, const rki_sample *victim,
                          bool new_side)
{
    const rk_entity *entity = rki_entity(ring);
    rk_slice key;
    rk_slice primary;
    if (!rki_key(ring, thief, new_side ? &ring->index->new_key : &ring->index->old_key, &key) ||
        !rki_key(ring, victim, new_side ? &entity->new_key : &entity->old_key, &primary))
        return false;
    rki_forge_entry(ring, ring->index, key, primary);
    return !ring->failed;
}

static void entry_at_foreign_record(rki_ring *ring)
{
    rki_sample victim;
    rki_sample thief;
    rki_try(ring, "a query that meets an index entry which points at another capsule's record");
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_as(ring, RKI_STRANGER, &victim, &thief) ||
        !forge_pointer(ring, &thief, &victim, true) || !forge_pointer(ring, &thief, &victim, false))
        return;
    rki_expect_unseen(ring, RKI_STRANGER, &thief);
}

static void entry_at_other_tenant(rki_ring *ring)
{
    rki_sample victim;
    rki_sample thief;
    rki_try(ring, "a query that meets an index entry which points at another tenant's record");
    if (!rki_make_plain(ring, RKI_HOME, "pointed-at", &victim) || !rki_put_family(ring, &victim) ||
        !rki_as(ring, RKI_NEIGHBOUR, &victim, &thief) ||
        !forge_pointer(ring, &thief, &victim, true) || !forge_pointer(ring, &thief, &victim, false))
        return;
    rki_expect_query(ring, &thief, RKI_NEIGHBOUR, RK_SEGMENTS_MAX, 0);
    rki_expect_query(ring, &thief, RKI_NEIGHBOUR, 0, 0);
}

static void entry_under_other_value(rki_ring *ring)
{
    rki_sample victim;
    rki_sample wrong;
    rk_id where[RK_SEGMENTS_MAX];
    rki_try(ring, "a query that meets an index entry of a value that the record does not have");
    if (!rki_make_plain(ring, RKI_HOME, "pointed-at", &victim) || !rki_put_family(ring, &victim))
        return;
    (void)rki_sample_where(ring->spec, &victim, ring->index, where);
    rki_wish wish = victim.wish;
    wish.other = rk_names_find(&ring->spec->names, rk_slice_str(where[0].name));
    wish.other_value = RK_SLICE_LITERAL("elsewhere");
    if (!rki_make(ring, &wish, &wrong) || !forge_pointer(ring, &wrong, &victim, true) ||
        !forge_pointer(ring, &wrong, &victim, false))
        return;
    rki_expect_query(ring, &wrong, RKI_HOME, 1, 0);
    rki_expect_query(ring, &victim, RKI_HOME, RK_SEGMENTS_MAX, 1);
}

/* An entry of ours at a record of theirs, and one at a record that is nowhere: no difference. */
static void entry_tells(rki_ring *ring)
{
    rki_sample victim;
    rki_sample thief;
    rki_sample ghost;
    rki_try(ring, "a query that meets an index entry which points nowhere");
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_as(ring, RKI_STRANGER, &victim, &thief) ||
        !rki_make_plain(ring, RKI_STRANGER, "ghost", &ghost) ||
        !forge_pointer(ring, &thief, &ghost, true) || !forge_pointer(ring, &thief, &ghost, false))
        return;
    rki_expect_query(ring, &thief, RKI_STRANGER, RK_SEGMENTS_MAX, 0);
    rki_expect_query(ring, &thief, RKI_STRANGER, 0, 0);
}

/* --- the old shape ---------------------------------------------------------------------------- */

/* Writes the sample, as the application did before the migration, under its old keys. */
static bool forge_old(rki_ring *ring, const rki_sample *sample)
{
    const rk_entity *entity = rki_entity(ring);
    rk_slice key;
    rk_slice index_key;
    if (!rki_key(ring, sample, &entity->old_key, &key))
        return false;
    rki_forge_record(ring, key, sample->value);
    for (size_t i = 0; i < entity->index_count; i++) {
        if (!rki_key(ring, sample, &entity->index[i].old_key, &index_key))
            return false;
        rki_forge_entry(ring, &entity->index[i], index_key, key);
    }
    return !ring->failed;
}

static void old_shape_is_not_read(rki_ring *ring)
{
    rki_sample ghost;
    rki_sample there;
    rki_try(ring, "reads of a record that is at its old key only");
    rki_wish wish = rki_wish_for(ring, RKI_HOME, "ghost");
    wish.claim = ring->party[RKI_HOME].scope.capsule;
    if (!rki_make(ring, &wish, &ghost) || !forge_old(ring, &ghost))
        return;
    rki_expect_unseen(ring, RKI_HOME, &ghost);
    if (ring->spec->allowed_count > 1 && rki_as(ring, RKI_STRANGER, &ghost, &there))
        rki_expect_unseen(ring, RKI_STRANGER, &there);
    rki_try(ring, "a delete of a record that is at its old key only");
    rki_expect_status(ring, RKI_HOME, rki_call_delete(ring, &ghost), RK_NOT_FOUND);
}

/* The old copy says something else than the new one. */
static void old_copy_is_not_read(rki_ring *ring)
{
    rki_sample own;
    rki_sample stale;
    rk_slice key;
    rki_try(ring, "reads of a record whose old copy is out of date");
    if (!rki_make_plain(ring, RKI_HOME, "current", &own) || !rki_put_family(ring, &own))
        return;
    rki_wish wish = own.wish;
    wish.claim = ring->party[RKI_HOME].scope.capsule;
    wish.owner.tenant_word = "stale";
    if (!rki_make(ring, &wish, &stale) || !rki_key(ring, &stale, &rki_entity(ring)->old_key, &key))
        return;
    rki_forge_record(ring, key, stale.value);
    rki_expect_own(ring, RKI_HOME, &own);
    rki_expect_list(ring, RKI_HOME, 1);
}

/* --- what a verification says ----------------------------------------------------------------- */

static bool count_differences(rki_ring *ring, uint64_t *out)
{
    rk_verify_report report;
    rk_error err = {0};
    if (ring->failed)
        return false;
    rk_status status = rki_site_verify(ring->site, &report, &err);
    if (status != RK_OK)
        rki_fail_case(ring, RKI_HOME, "the verification failed: %s %.200s", rk_status_name(status),
                      err.message);
    else
        *out = report.differences;
    return status == RK_OK;
}

static void expect_more(rki_ring *ring, uint64_t *differences)
{
    uint64_t now;
    if (!count_differences(ring, &now))
        return;
    if (now <= *differences)
        rki_fail_case(ring, RKI_STRANGER, "the verification does not see it");
    *differences = now;
}

static void verify_sees_value(rki_ring *ring)
{
    rki_sample forged;
    uint64_t differences;
    rki_try(ring, "a verification of a value that names another capsule than its key");
    rki_wish wish = rki_wish_for(ring, RKI_STRANGER, "forged");
    wish.claim = ring->party[RKI_HOME].scope.capsule;
    if (count_differences(ring, &differences) && rki_make(ring, &wish, &forged) &&
        forge_new(ring, &forged))
        expect_more(ring, &differences);
}

static void verify_sees_orphan(rki_ring *ring)
{
    rki_sample elder;
    rki_sample child;
    uint64_t differences;
    rki_try(ring, "a verification of a child whose parent is in another capsule");
    rki_wish wish = rki_wish_for(ring, RKI_HOME, "elder");
    wish.parent_tag = "family";
    if (!rki_make(ring, &wish, &elder) || !rki_put_family(ring, &elder) ||
        !count_differences(ring, &differences))
        return;
    wish = rki_wish_for(ring, RKI_STRANGER, "child");
    wish.parent_tag = "family";
    wish.claim = ring->party[RKI_STRANGER].scope.capsule;
    if (!rki_make(ring, &wish, &child) || !forge_new(ring, &child))
        return;
    expect_more(ring, &differences);
    rki_expect_own(ring, RKI_HOME, &elder);
    rki_expect_list(ring, RKI_HOME, 1);
}

static void verify_sees_entry(rki_ring *ring)
{
    rki_sample victim;
    rki_sample thief;
    uint64_t differences;
    rki_try(ring, "a verification of an index entry that points at another capsule's record");
    if (!rki_make_plain(ring, RKI_HOME, "pointed-at", &victim) || !rki_put_family(ring, &victim) ||
        !count_differences(ring, &differences) || !rki_as(ring, RKI_STRANGER, &victim, &thief) ||
        !forge_pointer(ring, &thief, &victim, true))
        return;
    expect_more(ring, &differences);
}

const rki_attack rki_forged_attacks[] = {
    {"forged_value_in_key_of_home", RKI_OF_ENTITY, RKI_ISOLATED | RKI_JSON | RKI_TWO,
     forged_value_in_key_of_home},
    {"forged_value_in_key_of_stranger", RKI_OF_ENTITY, RKI_ISOLATED | RKI_JSON | RKI_TWO,
     forged_value_in_key_of_stranger},
    {"entry_at_foreign_record", RKI_OF_INDEX, RKI_ISOLATED | RKI_TWO | RKI_BOTH,
     entry_at_foreign_record},
    {"entry_at_other_tenant", RKI_OF_INDEX, 0, entry_at_other_tenant},
    {"entry_under_other_value", RKI_OF_INDEX, RKI_ISOLATED | RKI_OWN_WHERE,
     entry_under_other_value},
    {"entry_at_nothing", RKI_OF_INDEX, RKI_ISOLATED | RKI_TWO, entry_tells},
    {"old_shape_is_not_read", RKI_OF_ENTITY, RKI_READS_NEW, old_shape_is_not_read},
    {"old_copy_is_not_read", RKI_OF_ENTITY, RKI_READS_NEW, old_copy_is_not_read},
    {"verify_sees_value", RKI_OF_ENTITY, RKI_READS_NEW | RKI_JSON | RKI_TWO, verify_sees_value},
    {"verify_sees_orphan", RKI_OF_ENTITY, RKI_READS_NEW | RKI_CHILD | RKI_TWO, verify_sees_orphan},
    {"verify_sees_entry", RKI_OF_INDEX, RKI_READS_NEW | RKI_TWO, verify_sees_entry},
    {0},
};
