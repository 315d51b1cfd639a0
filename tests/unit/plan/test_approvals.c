/* Approvals: from a file, and from text that came from elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/plan/maker.h"

static const char *const names[] = {"plan.json.approvals"};

static int enter(void **state)
{
    (void)state;
    enter_folder();
    return rk_crypto_init(NULL) == RK_OK ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    leave_folder(names, sizeof names / sizeof *names);
    return 0;
}

static void approve(const rk_plan *plan, const rk_secret_key *key)
{
    bool added = false;
    rk_error err = {0};
    if (rk_approval_add(plan, "plan.json", key, 1, &added, &err) != RK_OK)
        fail_msg("%s", err.message);
    assert_true(added);
}

static void load(rk_buf *out)
{
    rk_error err = {0};
    rk_buf_init(out, RK_APPROVALS_BYTES_MAX);
    if (rk_approval_text("plan.json", out, &err) != RK_OK)
        fail_msg("%s", err.message);
}

/* The file and its text say the same. */
static void counted(const rk_plan *plan, rk_status expected, uint32_t count)
{
    rk_buf text;
    uint32_t of_file = 77;
    uint32_t of_text = 77;
    load(&text);
    assert_int_equal(rk_approval_check(plan, "plan.json", &of_file, NULL), expected);
    assert_int_equal(rk_approval_check_text(plan, rk_buf_slice(&text), "text", &of_text, NULL),
                     expected);
    assert_int_equal(of_file, expected == RK_OK ? count : 77);
    assert_int_equal(of_text, of_file);
    rk_buf_fini(&text);
}

static void no_file_is_no_approval(void **state)
{
    (void)state;
    rk_buf text;
    rk_plan *free_for_all = make_plan(1, 0, NULL);
    rk_plan *plan = make_plan(1, 1, NULL);
    load(&text);
    assert_int_equal(text.len, 0);
    counted(free_for_all, RK_OK, 0);
    counted(plan, RK_AUTH, 0);
    rk_buf_fini(&text);
    rk_plan_destroy(plan);
    rk_plan_destroy(free_for_all);
}

static void distinct_signers_count(void **state)
{
    (void)state;
    rk_secret_key alice;
    rk_secret_key bob;
    bool added = true;
    rk_plan *plan = make_plan(1, 2, NULL);
    rk_key_generate(&alice);
    rk_key_generate(&bob);
    approve(plan, &alice);
    assert_int_equal(rk_approval_add(plan, "plan.json", &alice, 1, &added, NULL), RK_OK);
    assert_false(added);
    counted(plan, RK_AUTH, 0);
    approve(plan, &bob);
    counted(plan, RK_OK, 2);
    rk_plan_destroy(plan);
}

static void a_strangers_signature_is_refused(void **state)
{
    (void)state;
    rk_secret_key alice;
    rk_secret_key mallory;
    rk_error err = {0};
    rk_buf text;
    uint32_t valid = 77;
    rk_key_generate(&alice);
    rk_key_generate(&mallory);
    rk_plan *open = make_plan(1, 1, NULL);
    rk_plan *listed = make_plan(1, 1, &alice.public_key);
    listed->hash = open->hash; /* so that the signature itself is good */
    approve(open, &mallory);
    load(&text);
    assert_int_equal(rk_approval_check_text(listed, rk_buf_slice(&text), "text", &valid, &err),
                     RK_AUTH);
    assert_string_equal(err.message, "text: signed by a key that the spec's approvers lack");
    assert_int_equal(valid, 77);
    rk_buf_fini(&text);
    rk_plan_destroy(open);
    rk_plan_destroy(listed);
}

static void approvals_of_another_plan_are_refused(void **state)
{
    (void)state;
    rk_secret_key alice;
    rk_plan *plan = make_plan(1, 1, NULL);
    rk_plan *other = make_plan(2, 1, NULL);
    rk_key_generate(&alice);
    approve(plan, &alice);
    counted(plan, RK_OK, 1);
    counted(other, RK_AUTH, 0);
    rk_plan_destroy(plan);
    rk_plan_destroy(other);
}

/* One signature over the whole stands for each of its shards, and for those of no other whole. */
static void approvals_of_a_whole_hold_for_its_shards(void **state)
{
    (void)state;
    rk_secret_key alice;
    rk_error err = {0};
    rk_plan *part = NULL;
    rk_key_generate(&alice);
    rk_plan *whole = make_whole(2, 1, &alice.public_key);
    rk_plan *other = make_whole(3, 1, &alice.public_key);
    approve(whole, &alice);
    counted(whole, RK_OK, 1);
    counted(whole->shards[0].plan, RK_AUTH, 0); /* before it is taken it is a plan of its own */
    if (rk_plan_take_shard(whole, "node-2", &part, &err) != RK_OK)
        fail_msg("%s", err.message);
    counted(part, RK_OK, 1);
    rk_plan_destroy(part);
    if (rk_plan_take_shard(other, "node-2", &part, &err) != RK_OK)
        fail_msg("%s", err.message);
    counted(part, RK_AUTH, 0);
    rk_plan_destroy(part);
    rk_plan_destroy(other);
    rk_plan_destroy(whole);
}

static void what_is_no_list_is_corrupt(void **state)
{
    (void)state;
    static const char *const texts[] = {" ", "{}", "[", "[1]", "[{\"key\": \"aa\"}]", "nothing"};
    rk_plan *plan = make_plan(1, 0, NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint32_t valid = 77;
        rk_error err = {0};
        rk_status status =
            rk_approval_check_text(plan, rk_slice_str(texts[i]), "the text", &valid, &err);
        if (status != RK_CORRUPT || strstr(err.message, "the text") == NULL)
            fail_msg("%s: status %d, %s", texts[i], (int)status, err.message);
        assert_int_equal(valid, 77);
    }
    rk_plan_destroy(plan);
}

static void a_buffer_too_small_is_left_alone(void **state)
{
    (void)state;
    rk_secret_key alice;
    rk_buf text;
    rk_plan *plan = make_plan(1, 1, NULL);
    rk_key_generate(&alice);
    approve(plan, &alice);
    rk_buf_init(&text, 16);
    assert_int_equal(rk_buf_append_str(&text, "before", NULL), RK_OK);
    assert_int_equal(rk_approval_text("plan.json", &text, NULL), RK_LIMIT);
    assert_true(rk_slice_equal(rk_buf_slice(&text), RK_SLICE_LITERAL("before")));
    rk_buf_fini(&text);
    rk_plan_destroy(plan);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(no_file_is_no_approval),
        TEST(distinct_signers_count),
        TEST(a_strangers_signature_is_refused),
        TEST(approvals_of_another_plan_are_refused),
        TEST(approvals_of_a_whole_hold_for_its_shards),
        TEST(what_is_no_list_is_corrupt),
        TEST(a_buffer_too_small_is_left_alone),
    };
#undef TEST
    return cmocka_run_group_tests_name("plan approvals", tests, NULL, NULL);
}
