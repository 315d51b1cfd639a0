/* Who may hold the lease, and what becomes of the record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rekey/engine/lease.h"
#include "tests/unit/state/shelf.h"

#define NOW INT64_C(1767225600000)

static bool alive_as_told(void *context, const rk_lease *lease)
{
    assert_string_equal(lease->host, "here"); /* nothing is known of another host's processes */
    return *(const bool *)context;
}

static rk_actor actor_of(bool *alive)
{
    rk_actor actor = {
        .lease = {.token = {1}, .host = "here", .command = "run", .pid = 1},
        .context = alive,
        .alive = alive_as_told,
    };
    return actor;
}

static rk_lease other(const char *host, int64_t age_ms)
{
    rk_lease lease = {.token = {2}, .command = "flip", .pid = 77, .renewed_ms = NOW - age_ms};
    snprintf(lease.host, sizeof lease.host, "%s", host);
    return lease;
}

/* --- taking ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *host; /* of another holder; NULL for none */
    bool alive;
    int64_t age_ms;
    rk_status status;
} take_cases[] = {
    {"free", NULL, false, 0, RK_OK},
    {"held by a live process", "here", true, 0, RK_BUSY},
    {"held by a live process for long", "here", true, 100 * RKI_LEASE_MS, RK_BUSY},
    {"its process is dead", "here", false, 0, RK_OK},
    {"renewed on another host", "there", false, RKI_LEASE_MS - 1, RK_BUSY},
    {"expired on another host", "there", true, RKI_LEASE_MS, RK_OK},
    {"renewed by a clock that is ahead", "there", true, -5000, RK_BUSY},
};

static void a_lease_is_taken_from_the_dead_only(void **state)
{
    shelf *s = *state;
    for (size_t i = 0; i < sizeof take_cases / sizeof *take_cases; i++) {
        bool alive = take_cases[i].alive;
        rk_actor actor = actor_of(&alive);
        rk_lease holder;
        rk_error err = {0};
        rk_txn *txn = shelf_begin(s);
        if (take_cases[i].host) {
            holder = other(take_cases[i].host, take_cases[i].age_ms);
            must(rk_lease_save(txn, s->meta, &holder, NULL), NULL);
        }
        rk_status status = rki_lease_take(txn, s->meta, &actor, NOW, &err);
        if (status != take_cases[i].status)
            fail_msg("%s: %s", take_cases[i].name, rk_status_name(status));
        must(rk_lease_load(rk_txn_view(txn), s->meta, &holder, NULL), NULL);
        assert_int_equal(holder.token[0], status == RK_OK ? 1 : 2);
        if (status == RK_OK)
            assert_true(holder.renewed_ms == NOW);
        else if (!strstr(err.message, "`rekey flip`, process 77 on "))
            fail_msg("%s: %s", take_cases[i].name, err.message);
        rk_txn_abort(txn);
    }
}

static void the_holder_takes_it_again(void **state)
{
    shelf *s = *state;
    bool alive = true;
    rk_actor actor = actor_of(&alive);
    rk_lease holder;
    rk_txn *txn = shelf_begin(s);
    must(rki_lease_take(txn, s->meta, &actor, NOW, NULL), NULL);
    must(rki_lease_take(txn, s->meta, &actor, NOW + 5, NULL), NULL);
    must(rk_lease_load(rk_txn_view(txn), s->meta, &holder, NULL), NULL);
    assert_true(holder.renewed_ms == NOW + 5);
    rk_txn_abort(txn);
}

static void a_damaged_lease_is_nobodys_to_take(void **state)
{
    shelf *s = *state;
    bool alive = false;
    rk_actor actor = actor_of(&alive);
    rk_txn *txn = shelf_begin(s);
    must(rk_txn_put(txn, s->meta, rk_slice_str("lease"), rk_slice_str("\1"), NULL), NULL);
    assert_int_equal(rki_lease_take(txn, s->meta, &actor, NOW, NULL), RK_CORRUPT);
    assert_int_equal(rki_lease_hold(txn, s->meta, &actor, NOW, NULL), RK_CORRUPT);
    assert_int_equal(rki_lease_release(txn, s->meta, &actor, NULL), RK_CORRUPT);
    rk_txn_abort(txn);
}

/* --- holding and giving back ------------------------------------------------------------------ */

static const struct {
    const char *name;
    bool there;
    bool own;
    int64_t age_ms;
    rk_status status;
    int64_t renewed_ms; /* afterwards */
} hold_cases[] = {
    {"gone", false, false, 0, RK_BUSY, 0},
    {"somebody else's", true, false, 10 * RKI_LEASE_MS, RK_BUSY, NOW - 10 * RKI_LEASE_MS},
    {"fresh", true, true, RKI_LEASE_RENEW_MS - 1, RK_OK, NOW - RKI_LEASE_RENEW_MS + 1},
    {"a second old", true, true, RKI_LEASE_RENEW_MS, RK_OK, NOW},
    {"old but nobody took it", true, true, 10 * RKI_LEASE_MS, RK_OK, NOW},
};

static void holding_renews_what_is_still_ours(void **state)
{
    shelf *s = *state;
    for (size_t i = 0; i < sizeof hold_cases / sizeof *hold_cases; i++) {
        bool alive = false;
        rk_actor actor = actor_of(&alive);
        rk_lease lease = other("there", hold_cases[i].age_ms);
        rk_error err = {0};
        rk_txn *txn = shelf_begin(s);
        if (hold_cases[i].own)
            lease.token[0] = 1;
        if (hold_cases[i].there)
            must(rk_lease_save(txn, s->meta, &lease, NULL), NULL);
        rk_status status = rki_lease_hold(txn, s->meta, &actor, NOW, &err);
        if (status != hold_cases[i].status || (status != RK_OK) != (err.message[0] != '\0'))
            fail_msg("%s: %s", hold_cases[i].name, rk_status_name(status));
        status = rk_lease_load(rk_txn_view(txn), s->meta, &lease, NULL);
        assert_int_equal(status, hold_cases[i].there ? RK_OK : RK_NOT_FOUND);
        if (status == RK_OK && lease.renewed_ms != hold_cases[i].renewed_ms)
            fail_msg("%s: renewed at another time", hold_cases[i].name);
        rk_txn_abort(txn);
    }
}

static void only_ones_own_is_given_back(void **state)
{
    shelf *s = *state;
    bool alive = true;
    rk_actor actor = actor_of(&alive);
    rk_lease lease = other("there", 0);
    rk_txn *txn = shelf_begin(s);
    must(rki_lease_release(txn, s->meta, &actor, NULL), NULL);
    must(rk_lease_save(txn, s->meta, &lease, NULL), NULL);
    must(rki_lease_release(txn, s->meta, &actor, NULL), NULL);
    must(rk_lease_load(rk_txn_view(txn), s->meta, &lease, NULL), NULL);
    must(rk_lease_clear(txn, s->meta, NULL), NULL);
    must(rki_lease_take(txn, s->meta, &actor, NOW, NULL), NULL);
    must(rki_lease_release(txn, s->meta, &actor, NULL), NULL);
    assert_int_equal(rk_lease_load(rk_txn_view(txn), s->meta, &lease, NULL), RK_NOT_FOUND);
    rk_txn_abort(txn);
}

#define ON_A_SHELF(test) cmocka_unit_test_setup_teardown(test, shelf_setup, shelf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_SHELF(a_lease_is_taken_from_the_dead_only),
        ON_A_SHELF(the_holder_takes_it_again),
        ON_A_SHELF(a_damaged_lease_is_nobodys_to_take),
        ON_A_SHELF(holding_renews_what_is_still_ours),
        ON_A_SHELF(only_ones_own_is_given_back),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
