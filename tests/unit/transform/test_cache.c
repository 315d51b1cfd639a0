/* The bounded cache of parents: what it gives back was put in, and nothing outlives forget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "rekey/transform/internal.h"

static rk_slice number_key(char *text, size_t text_max, unsigned number)
{
    int len = snprintf(text, text_max, "TENANT#acme#CONTRACT#c-%u", number);
    return rk_slice_of(text, (size_t)len);
}

static void gives_back_what_was_put(void **state)
{
    (void)state;
    rki_cache *cache = NULL;
    bool sole = false;
    assert_int_equal(rki_cache_create(16, &cache, NULL), RK_OK);
    assert_int_equal(rki_cache_find(cache, RK_SLICE_LITERAL("a"), &sole), -1);
    rki_cache_put(cache, RK_SLICE_LITERAL("a"), 3, true);
    assert_int_equal(rki_cache_find(cache, RK_SLICE_LITERAL("a"), &sole), 3);
    assert_true(sole);
    rki_cache_put(cache, RK_SLICE_LITERAL("a"), 1, false);
    assert_int_equal(rki_cache_find(cache, RK_SLICE_LITERAL("a"), &sole), 1);
    assert_false(sole);
    rki_cache_forget(cache);
    assert_int_equal(rki_cache_find(cache, RK_SLICE_LITERAL("a"), &sole), -1);
    rki_cache_destroy(cache);
}

/* Far more keys than slots: an answer may be lost, never another key's. */
static void never_gives_another_keys_answer(void **state)
{
    (void)state;
    rki_cache *cache = NULL;
    char text[64];
    bool sole = false;
    unsigned hits = 0;
    assert_int_equal(rki_cache_create(100, &cache, NULL), RK_OK);
    for (unsigned i = 0; i < 5000; i++) {
        rki_cache_put(cache, number_key(text, sizeof text, i), (int)(i % 7), false);
        unsigned earlier = i / 2;
        int found = rki_cache_find(cache, number_key(text, sizeof text, earlier), &sole);
        assert_true(found == -1 || found == (int)(earlier % 7));
        found = rki_cache_find(cache, number_key(text, sizeof text, i), &sole);
        hits += found == (int)(i % 7);
    }
    assert_int_equal(hits, 5000);
    rki_cache_destroy(cache);
}

static void none_and_long_keys_are_misses(void **state)
{
    (void)state;
    rki_cache *cache = NULL;
    uint8_t bytes[200];
    bool sole = false;
    memset(bytes, 'k', sizeof bytes);
    assert_int_equal(rki_cache_create(0, &cache, NULL), RK_OK);
    assert_null(cache);
    rki_cache_put(cache, RK_SLICE_LITERAL("a"), 0, true);
    assert_int_equal(rki_cache_find(cache, RK_SLICE_LITERAL("a"), &sole), -1);
    rki_cache_forget(cache);
    rki_cache_destroy(cache);

    assert_int_equal(rki_cache_create(1, &cache, NULL), RK_OK);
    for (size_t len = 1; len <= sizeof bytes; len++) {
        rki_cache_put(cache, rk_slice_of(bytes, len), 2, true);
        int found = rki_cache_find(cache, rk_slice_of(bytes, len), &sole);
        assert_int_equal(found, len <= 121 ? 2 : -1);
    }
    rki_cache_destroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_put),
        cmocka_unit_test(never_gives_another_keys_answer),
        cmocka_unit_test(none_and_long_keys_are_misses),
    };
    return cmocka_run_group_tests_name("transform_cache", tests, NULL, NULL);
}
