/* One plan over several nodes: its sums, its document, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/plan/maker.h"

static void must(rk_status status, const rk_error *err)
{
    if (status != RK_OK)
        fail_msg("%s", err->message);
}

static char *text_of(const rk_plan *plan)
{
    char *text = NULL;
    rk_error err = {0};
    must(rk_plan_text(plan, &text, &err), &err);
    return text;
}

static rk_plan *parse(const char *text)
{
    rk_plan *plan = NULL;
    rk_error err = {0};
    must(rk_plan_parse(rk_slice_str(text), "text", &plan, &err), &err);
    return plan;
}

/* The text is refused, with these words in the message. */
static void corrupt(const char *text, const char *why)
{
    rk_plan *plan = NULL;
    rk_error err = {0};
    rk_status status = rk_plan_parse(rk_slice_str(text), "text", &plan, &err);
    if (status != RK_CORRUPT || strstr(err.message, why) == NULL)
        fail_msg("status %d, %s; expected %s", (int)status, err.message, why);
    assert_null(plan);
}

static void corrupt_plan(const rk_plan *plan, const char *why)
{
    char *text = text_of(plan);
    corrupt(text, why);
    free(text);
}

/* --- one store -------------------------------------------------------------------------------- */

/* From before there were shards: plans that were approved then must still be what they were. */
static void a_plan_without_shards_is_as_ever(void **state)
{
    (void)state;
    char hex[RK_DIGEST_HEX_BYTES];
    rk_plan *plan = make_plan(1, 0, NULL);
    char *text = text_of(plan);
    rk_hex(rk_slice_of(plan->hash.bytes, sizeof plan->hash.bytes), hex);
    assert_string_equal(hex, "b83f6f42f3703d2798e48ce4678a2cad9c7288010168fc220fcc96b7c7df67fd");
    assert_int_equal(strlen(text), 2044);
    assert_null(strstr(text, "shards"));
    free(text);
    rk_plan_destroy(plan);
}

static void the_carried_spec_has_its_digest(void **state)
{
    (void)state;
    rk_plan *plan = make_plan(1, 0, NULL);
    plan->spec_digest.bytes[0] ^= 1;
    rehash(plan);
    corrupt_plan(plan, "cannot be read");
    rk_plan_destroy(plan);
}

/* --- merging ---------------------------------------------------------------------------------- */

static void counts_are_sums(void **state)
{
    (void)state;
    rk_plan *whole = make_whole(3, 0, NULL); /* 1 + 2 + 3 = 6 */
    const rk_plan_counts *sum = &whole->counts;
    for (unsigned i = 0; i < ENTITIES; i++) {
        assert_int_equal(sum->entity[i].records, 600 + 3 * i);
        assert_int_equal(sum->entity[i].bytes, 6000 + 3 * i);
        assert_int_equal(sum->entity[i].index_entries, 60 + 3 * i);
        assert_int_equal(sum->entity[i].quarantined, 6 + 3 * i);
        assert_int_equal(sum->entity[i].pending, 300 + 3 * i);
    }
    assert_int_equal(sum->capsule[0], 42);
    assert_int_equal(sum->capsule[1], 18);
    assert_int_equal(sum->quarantine[RK_REASON_UNMATCHED], 6);
    assert_int_equal(sum->quarantine_bytes[RK_REASON_UNMATCHED], 120);
    assert_int_equal(sum->unmatched, 6);
    assert_int_equal(sum->tenants, 30);
    assert_int_equal(sum->contaminated_tenants, 6);
    assert_int_equal(whole->client_commits, 66);
    assert_int_equal(whole->estimate_map_bytes, 6 * 4096);
    assert_int_equal(whole->estimate_disk_bytes, 6 * 512);
    rk_plan_destroy(whole);
}

static void the_rest_is_that_of_the_extreme(void **state)
{
    (void)state;
    rk_plan *whole = make_whole(3, 0, NULL);
    assert_true(whole->estimate_seconds > 3.29 && whole->estimate_seconds < 3.31);
    assert_int_equal(whole->epoch, 5);
    assert_int_equal(whole->phase, RK_PHASE_DUAL_WRITE);
    assert_int_equal(whole->made_ms, 1700000009999);
    assert_string_equal(whole->spec_path, "specs/made.yaml");
    assert_string_equal(whole->source.name, "202601010000_made.yaml");
    assert_string_equal(whole->spec->migration, "202601010000_made");
    assert_int_equal(whole->source.file_count, 1);
    assert_true(whole->registered);
    assert_true(whole->changes);
    assert_int_equal(whole->shard_count, 3);
    rk_plan_destroy(whole);
}

typedef struct pair {
    rk_plan_shard shards[2]; /* of node-2 and node-1: the order is nothing */
} pair;

static pair make_pair(void)
{
    return (pair){{{"node-2", make_plan(2, 0, NULL)}, {"node-1", make_plan(1, 0, NULL)}}};
}

static rk_plan *merge_pair(pair *p)
{
    rk_plan *whole = NULL;
    rk_error err = {0};
    rehash(p->shards[0].plan);
    rehash(p->shards[1].plan);
    must(rk_plan_merge(p->shards, 2, "specs/made.yaml", 1, &whole, &err), &err);
    return whole;
}

static void flags_are_all_and_any(void **state)
{
    (void)state;
    static const struct {
        bool registered[2];
        bool changes[2];
        rk_phase phase[2];
        bool all_registered;
        bool any_changes;
        rk_phase least;
    } cases[] = {
        {{true, true}, {false, false}, {RK_PHASE_OLD, RK_PHASE_FLIPPED}, true, false, RK_PHASE_OLD},
        {{true, false}, {false, true}, {RK_PHASE_DONE, RK_PHASE_OLD}, false, true, RK_PHASE_OLD},
        {{false, false}, {true, true}, {RK_PHASE_DONE, RK_PHASE_DONE}, false, true, RK_PHASE_DONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pair p = make_pair();
        for (size_t j = 0; j < 2; j++) {
            p.shards[j].plan->registered = cases[i].registered[j];
            p.shards[j].plan->changes = cases[i].changes[j];
            p.shards[j].plan->phase = cases[i].phase[j];
        }
        rk_plan *whole = merge_pair(&p);
        assert_int_equal(whole->registered, cases[i].all_registered);
        assert_int_equal(whole->changes, cases[i].any_changes);
        assert_int_equal(whole->phase, cases[i].least);
        rk_plan_destroy(whole);
    }
}

/* Each node alone would choose another than both together. */
static void the_template_is_chosen_from_the_sums(void **state)
{
    (void)state;
    pair p = make_pair();
    static const uint64_t records[2][ENTITIES] = {{10, 8, 1}, {1, 8, 1}};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < ENTITIES; j++)
            p.shards[i].plan->counts.entity[j].records = records[i][j];
    rk_plan *whole = merge_pair(&p);
    assert_int_equal(whole->template_entity, CONTRACT); /* 11 of 16; Item has a parent */
    rk_plan_destroy(whole);

    p = make_pair();
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < ENTITIES; j++)
            p.shards[i].plan->counts.entity[j].records = j == CONTRACT ? 0 : 5;
    whole = merge_pair(&p);
    assert_int_equal(whole->template_entity, CONFIG); /* an empty one would prove nothing */
    rk_plan_destroy(whole);
}

static void the_order_given_is_nothing(void **state)
{
    (void)state;
    pair p = make_pair();
    pair q = make_pair();
    const rk_plan_shard swapped = q.shards[0];
    q.shards[0] = q.shards[1];
    q.shards[1] = swapped;
    rk_plan *one = merge_pair(&p);
    rk_plan *other = merge_pair(&q);
    assert_string_equal(one->shards[0].node, "node-1");
    assert_memory_equal(&one->hash, &other->hash, sizeof one->hash);
    assert_memory_equal(&one->fingerprint, &other->fingerprint, sizeof one->fingerprint);
    rk_plan_destroy(one);
    rk_plan_destroy(other);
}

static void the_fingerprint_is_of_all(void **state)
{
    (void)state;
    pair p = make_pair();
    pair q = make_pair();
    q.shards[0].plan->fingerprint.bytes[31] ^= 1;
    rk_plan *one = merge_pair(&p);
    rk_plan *other = merge_pair(&q);
    assert_memory_not_equal(&one->fingerprint, &other->fingerprint, sizeof one->fingerprint);
    assert_memory_not_equal(&one->hash, &other->hash, sizeof one->hash);
    rk_plan_destroy(one);
    rk_plan_destroy(other);
}

/* --- what makes no whole ---------------------------------------------------------------------- */

/* A failed merge takes nothing over. */
static void refused(rk_plan_shard *shards, size_t count, rk_status expected, const char *why)
{
    rk_plan *whole = NULL;
    rk_error err = {0};
    rk_status status = rk_plan_merge(shards, count, "specs/made.yaml", 1, &whole, &err);
    if (status != expected || strstr(err.message, why) == NULL)
        fail_msg("status %d, %s; expected %s", (int)status, err.message, why);
    assert_null(whole);
}

static void free_pair(pair *p)
{
    rk_plan_destroy(p->shards[0].plan);
    rk_plan_destroy(p->shards[1].plan);
}

static void plans_of_two_specs_make_no_whole(void **state)
{
    (void)state;
    pair p = {{{"node-1", make_plan(1, 0, NULL)}, {"node-2", make_plan(2, 3, NULL)}}};
    refused(p.shards, 2, RK_CONFLICT, "the plan of node node-2 is of another spec");
    assert_int_equal(p.shards[1].plan->epoch, 4);
    free_pair(&p);
}

static void nodes_have_one_plan_and_a_name(void **state)
{
    (void)state;
    pair p = make_pair();
    strncpy(p.shards[0].node, "node-1", sizeof p.shards[0].node);
    refused(p.shards, 2, RK_INVALID, "node node-1 has two plans");
    p.shards[0].node[0] = '\0';
    refused(p.shards, 2, RK_INVALID, "a shard's node needs a name of 1 to 64 bytes");
    memset(p.shards[0].node, 'n', sizeof p.shards[0].node); /* no NUL */
    refused(p.shards, 2, RK_INVALID, "a shard's node needs a name of 1 to 64 bytes");
    free_pair(&p);
}

static void a_whole_is_no_shard(void **state)
{
    (void)state;
    rk_plan_shard shard = {"node-1", make_whole(2, 0, NULL)};
    refused(&shard, 1, RK_INVALID, "the plan of node node-1 has shards itself");
    rk_plan_destroy(shard.plan);
}

static void shards_are_1_to_64(void **state)
{
    (void)state;
    rk_plan_shard shards[RK_PLAN_SHARDS_MAX + 1] = {0};
    refused(shards, 0, RK_LIMIT, "1 to 64 of them, not 0");
    refused(shards, RK_PLAN_SHARDS_MAX + 1, RK_LIMIT, "1 to 64 of them, not 65");
    rk_plan *whole = make_whole(RK_PLAN_SHARDS_MAX, 0, NULL);
    char *text = text_of(whole);
    rk_plan *back = parse(text);
    assert_int_equal(back->shard_count, RK_PLAN_SHARDS_MAX);
    free(text);
    rk_plan_destroy(back);
    rk_plan_destroy(whole);
}

/* --- the document ----------------------------------------------------------------------------- */

static void a_whole_comes_back(void **state)
{
    (void)state;
    rk_plan *whole = make_whole(3, 0, NULL);
    char *text = text_of(whole);
    rk_plan *back = parse(text);
    assert_memory_equal(&back->hash, &whole->hash, sizeof back->hash);
    assert_int_equal(back->counts.entity[ITEM].records, whole->counts.entity[ITEM].records);
    assert_int_equal(back->shard_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const rk_plan *shard = back->shards[i].plan;
        assert_string_equal(back->shards[i].node, whole->shards[i].node);
        assert_memory_equal(&shard->hash, &whole->shards[i].plan->hash, sizeof shard->hash);
        assert_int_equal(shard->epoch, 3 + i);
        assert_int_equal(shard->counts.tenants, 5 * (i + 1));
        assert_string_equal(shard->spec->migration, "202601010000_made");
    }
    char *again = text_of(back);
    assert_string_equal(text, again);
    free(text);
    free(again);
    rk_plan_destroy(back);
    rk_plan_destroy(whole);
}

static void a_whole_is_written_and_read(void **state)
{
    (void)state;
    static const char *const names[] = {"plan.json"};
    rk_plan *back = NULL;
    rk_error err = {0};
    rk_plan *whole = make_whole(2, 0, NULL);
    enter_folder();
    must(rk_plan_write(whole, "plan.json", &err), &err);
    must(rk_plan_read("plan.json", &back, &err), &err);
    assert_memory_equal(&back->hash, &whole->hash, sizeof back->hash);
    assert_int_equal(rk_plan_read("gone.json", &back, &err), RK_NOT_FOUND);
    leave_folder(names, 1);
    rk_plan_destroy(back);
    rk_plan_destroy(whole);
}

static void one_byte_of_a_shard_altered_is_found(void **state)
{
    (void)state;
    rk_plan *whole = make_whole(2, 0, NULL);
    char *text = text_of(whole);
    char *commits = strstr(text, "\"client_commits\": 22"); /* node-2's; the sum is 33 */
    assert_non_null(commits);
    commits[19] = '3';
    corrupt(text, "the plan text was altered: its content does not have its hash");
    free(text);
    rk_plan_destroy(whole);
}

/* The whole's hash was made anew over the forged shard; the shard's own tells. */
static void a_shard_with_anothers_hash_is_found(void **state)
{
    (void)state;
    rk_plan *whole = make_whole(2, 0, NULL);
    whole->shards[1].plan->client_commits++;
    rehash(whole);
    corrupt_plan(whole, "shard of node node-2: the plan text was altered");
    rk_plan_destroy(whole);
}

static void the_hash_covers_the_shards_hashes(void **state)
{
    (void)state;
    rk_digest before;
    rk_plan *whole = make_whole(2, 0, NULL);
    before = whole->hash;
    whole->shards[0].plan->hash.bytes[0] ^= 1;
    rehash(whole);
    assert_memory_not_equal(&before, &whole->hash, sizeof before);
    rk_plan_destroy(whole);
}

static void a_shard_of_another_spec_is_found(void **state)
{
    (void)state;
    rk_plan *whole = make_whole(2, 0, NULL);
    rk_plan_destroy(whole->shards[0].plan);
    whole->shards[0].plan = make_plan(1, 1, NULL);
    rehash(whole);
    corrupt_plan(whole, "the plan of node node-1 is of another spec");
    rk_plan_destroy(whole);
}

static void shards_out_of_order_are_found(void **state)
{
    (void)state;
    rk_plan *whole = make_whole(2, 0, NULL);
    strncpy(whole->shards[0].node, "node-3", sizeof whole->shards[0].node);
    rehash(whole);
    corrupt_plan(whole, "node node-2 is out of order");
    strncpy(whole->shards[0].node, "node-2", sizeof whole->shards[0].node);
    rehash(whole);
    corrupt_plan(whole, "node node-2 has two plans");
    whole->shards[0].node[0] = '\0';
    rehash(whole);
    corrupt_plan(whole, "has a shard without a node's name");
    rk_plan_destroy(whole);
}

/* --- shards that no writer of ours makes ------------------------------------------------------ */

/* `text` with `value` as its member "shards". The hash stays that of before. */
static char *with_shards(const char *text, const char *value)
{
    static const char head[] = "{\n \"shards\": ";
    size_t size = strlen(text) + strlen(value) + sizeof head + 2;
    char *out = malloc(size);
    assert_non_null(out);
    snprintf(out, size, "%s%s,%s", head, value, text + 1);
    return out;
}

static void shards_without_a_hash_over_them_are_found(void **state)
{
    (void)state;
    static const char *const values[] = {"[]", "{}", "5", "[5]", "[{\"node\": \"a\"}]", "null"};
    rk_plan *plan = make_plan(1, 0, NULL);
    char *text = text_of(plan);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char *forged = with_shards(text, values[i]);
        corrupt(forged, "does not have its hash");
        free(forged);
    }
    corrupt("[]", "is no plan of rekey");
    corrupt("", "truncated or altered");
    free(text);
    rk_plan_destroy(plan);
}

/* --- taking shards ---------------------------------------------------------------------------- */

static void a_shard_is_taken_out(void **state)
{
    (void)state;
    rk_plan *part = NULL;
    rk_error err = {0};
    rk_plan *whole = make_whole(3, 0, NULL);
    whole->template_entity = CONFIG;
    must(rk_plan_take_shard(whole, "node-2", &part, &err), &err);
    assert_memory_equal(&part->hash, &whole->hash, sizeof part->hash);
    assert_int_equal(part->template_entity, CONFIG);
    assert_int_equal(part->counts.tenants, 10); /* its own */
    assert_int_equal(part->epoch, 4);
    assert_int_equal(part->shard_count, 0);
    assert_int_equal(whole->shard_count, 2);
    assert_string_equal(whole->shards[1].node, "node-3");
    rk_plan_destroy(part);
    part = NULL;
    assert_int_equal(rk_plan_take_shard(whole, "node-2", &part, &err), RK_NOT_FOUND);
    assert_string_equal(err.message, "the plan has no shard of node node-2");
    assert_null(part);
    must(rk_plan_take_shard(whole, "node-3", &part, &err), &err);
    rk_plan_destroy(whole); /* the part is the caller's */
    assert_string_equal(part->spec->migration, "202601010000_made");
    rk_plan_destroy(part);
}

static void the_plan_of_one_store_has_no_shard(void **state)
{
    (void)state;
    rk_plan *part = NULL;
    rk_plan *plan = make_plan(1, 0, NULL);
    assert_int_equal(rk_plan_take_shard(plan, "node-1", &part, NULL), RK_NOT_FOUND);
    assert_null(part);
    rk_plan_destroy(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_without_shards_is_as_ever),
        cmocka_unit_test(the_carried_spec_has_its_digest),
        cmocka_unit_test(counts_are_sums),
        cmocka_unit_test(the_rest_is_that_of_the_extreme),
        cmocka_unit_test(flags_are_all_and_any),
        cmocka_unit_test(the_template_is_chosen_from_the_sums),
        cmocka_unit_test(the_order_given_is_nothing),
        cmocka_unit_test(the_fingerprint_is_of_all),
        cmocka_unit_test(plans_of_two_specs_make_no_whole),
        cmocka_unit_test(nodes_have_one_plan_and_a_name),
        cmocka_unit_test(a_whole_is_no_shard),
        cmocka_unit_test(shards_are_1_to_64),
        cmocka_unit_test(a_whole_comes_back),
        cmocka_unit_test(a_whole_is_written_and_read),
        cmocka_unit_test(one_byte_of_a_shard_altered_is_found),
        cmocka_unit_test(a_shard_with_anothers_hash_is_found),
        cmocka_unit_test(the_hash_covers_the_shards_hashes),
        cmocka_unit_test(a_shard_of_another_spec_is_found),
        cmocka_unit_test(shards_out_of_order_are_found),
        cmocka_unit_test(shards_without_a_hash_over_them_are_found),
        cmocka_unit_test(a_shard_is_taken_out),
        cmocka_unit_test(the_plan_of_one_store_has_no_shard),
    };
    return cmocka_run_group_tests_name("plan shards", tests, NULL, NULL);
}
