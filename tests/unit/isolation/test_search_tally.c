/* Numbers stay exact where memory ends: what is not listed is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rekey/isolation/search_tally.h"
#include "tests/unit/state/shelf.h"

#define KIND RK_FOUND_INDEX_DANGLING

static void add(rki_tally *tally, const char *tenant, int entity, int capsule, uint64_t count)
{
    rk_error err = {0};
    const rk_found_count what = {entity, capsule, count};
    const rk_found_sample sample = {.key = rk_slice_str(tenant)};
    must(rki_tally_add(tally, KIND, rk_slice_str(tenant), &what, &sample, &err), &err);
}

static void add_number(rki_tally *tally, int number)
{
    char tenant[32];
    snprintf(tenant, sizeof tenant, "tenant-%06d", number);
    add(tally, tenant, 0, -1, 1);
}

static void test_numbers_are_sorted(void **state)
{
    (void)state;
    static const rk_found_count expected[] = {{0, -1, 4}, {2, 0, 6}, {2, 1, 5}, {3, -1, 1}};
    rki_tally tally;
    rki_tally_init(&tally);
    add(&tally, "a", 2, 1, 5);
    add(&tally, "b", 0, -1, 9);
    add(&tally, "a", 0, -1, 3);
    add(&tally, "a", 3, -1, 1);
    add(&tally, "a", 2, 0, 6);
    add(&tally, "a", 0, -1, 1);
    const rk_found *found = &tally.kind[KIND].found;
    assert_int_equal(found->found, 25);
    assert_int_equal(found->tenant_count, 2);
    const rk_found_tenant *a = &found->tenants[0];
    assert_int_equal(a->found, 16);
    assert_int_equal(a->count_len, 4);
    assert_int_equal(a->sample_count, RK_FOUND_SAMPLES_MAX);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(a->count[i].entity, expected[i].entity);
        assert_int_equal(a->count[i].capsule, expected[i].capsule);
        assert_int_equal(a->count[i].count, expected[i].count);
    }
    rki_tally_fini(&tally);
}

static void test_too_many_tenants(void **state)
{
    (void)state;
    rki_tally tally;
    rki_tally_init(&tally);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < RK_FOUND_TENANTS_MAX + 50; i++)
            add_number(&tally, i);
    const rk_found *found = &tally.kind[KIND].found;
    assert_int_equal(found->found, 2 * (RK_FOUND_TENANTS_MAX + 50));
    assert_int_equal(found->tenant_count, RK_FOUND_TENANTS_MAX);
    assert_int_equal(found->unlisted, 100);
    for (size_t i = 0; i < found->tenant_count; i++) {
        assert_int_equal(found->tenants[i].found, 2);
        assert_int_equal(found->tenants[i].sample_count > 0, i < RK_FOUND_SAMPLED_TENANTS_MAX);
    }
    rki_tally_fini(&tally);
}

static void test_too_many_numbers(void **state)
{
    (void)state;
    enum { A_TENANT = RK_ENTITIES_MAX * RK_CAPSULES_MAX };
    int tenants = RK_FOUND_COUNTS_MAX / A_TENANT + 1;
    rki_tally tally;
    rki_tally_init(&tally);
    for (int t = 0; t < tenants; t++) {
        char tenant[32];
        snprintf(tenant, sizeof tenant, "tenant-%06d", t);
        for (int i = 0; i < A_TENANT; i++)
            add(&tally, tenant, i / RK_CAPSULES_MAX, i % RK_CAPSULES_MAX, 1);
    }
    const rk_found *found = &tally.kind[KIND].found;
    uint64_t listed = 0;
    for (size_t i = 0; i < found->tenant_count; i++) {
        assert_true(found->tenants[i].found > 0);
        listed += found->tenants[i].found;
    }
    assert_int_equal(listed, RK_FOUND_COUNTS_MAX);
    assert_int_equal(found->found, (uint64_t)tenants * A_TENANT);
    assert_int_equal(found->unlisted, found->found - listed);
    rki_tally_fini(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_sorted),
        cmocka_unit_test(test_too_many_tenants),
        cmocka_unit_test(test_too_many_numbers),
    };
    return cmocka_run_group_tests_name("isolation_search_tally", tests, NULL, NULL);
}
