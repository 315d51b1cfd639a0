/* attack_ranges.c: the ends of ranges, and places in one list used in another. */
#include "rekey/isolation/attack_private.h"

#include <stdio.h>

/* Before and behind the delimiter '#' and at both ends of what a byte can be. */
static const struct {
    const char *tag;
    rk_slice word;
} ends[] = {
    {"e0", {(const uint8_t *)"\x01", 1}},         {"e1", {(const uint8_t *)"!", 1}},
    {"e2", {(const uint8_t *)"\"", 1}},           {"e3", {(const uint8_t *)"$", 1}},
    {"e4", {(const uint8_t *)"end", 3}},          {"e5", {(const uint8_t *)"end!", 4}},
    {"e6", {(const uint8_t *)"end0", 4}},         {"e7", {(const uint8_t *)"\xff", 1}},
    {"e8", {(const uint8_t *)"\xff\xff\xff", 3}},
};
#define ENDS (sizeof ends / sizeof *ends)

/* Tenants whose names sort just before and behind HOME's range. */
static const char *const next_door[] = {"!", "~", "0"};

static bool move_next_door(rki_ring *ring, const char *suffix)
{
    rk_slice name = rki_text(ring, "%s%s", ring->tenant, suffix);
    ring->party[RKI_NEIGHBOUR].scope.tenant = name;
    return !ring->failed;
}

/* --- lists ------------------------------------------------------------------------------------ */

static void list_ends(rki_ring *ring)
{
    rki_sample sample;
    uint16_t own = rki_own_variable(ring->spec, rki_entity(ring));
    rki_try(ring, "a list of ids at both ends of the range, each exactly once");
    for (size_t i = 0; i < ENDS; i++) {
        rki_wish wish = rki_wish_for(ring, RKI_HOME, ends[i].tag);
        wish.parent_tag = "ends";
        wish.other = own;
        wish.other_value = ends[i].word;
        if (!rki_make(ring, &wish, &sample) || !rki_put_family(ring, &sample))
            return;
        rki_expect_own(ring, RKI_HOME, &sample);
    }
    rki_expect_list(ring, RKI_HOME, ENDS);
}

static bool put_plain(rki_ring *ring, rki_party party, const char *tag, rki_sample *out)
{
    return rki_make_plain(ring, party, tag, out) && rki_put_family(ring, out);
}

/* One record of every neighbour's; `look` then sees what each sees. */
static void fill_next_door(rki_ring *ring, const rki_sample *own,
                           void (*look)(rki_ring *ring, const rki_sample *own))
{
    rki_sample other;
    for (size_t i = 0; i < sizeof next_door / sizeof *next_door; i++) {
        if (!move_next_door(ring, next_door[i]) ||
            !put_plain(ring, RKI_NEIGHBOUR, "neighbour", &other))
            return;
        look(ring, own);
    }
}

static void look_at_list(rki_ring *ring, const rki_sample *own)
{
    (void)own;
    rki_expect_list(ring, RKI_NEIGHBOUR, 1);
}

static void look_at_query(rki_ring *ring, const rki_sample *own)
{
    rki_expect_query(ring, own, RKI_NEIGHBOUR, 0, 1);
}

static void list_next_tenants(rki_ring *ring)
{
    rki_sample own;
    rki_try(ring, "a list of a tenant between tenants whose names sort next to it");
    if (!put_plain(ring, RKI_HOME, "home", &own))
        return;
    fill_next_door(ring, &own, look_at_list);
    rki_expect_list(ring, RKI_HOME, 1);
}

/* --- queries ---------------------------------------------------------------------------------- */

static void query_ends(rki_ring *ring)
{
    static const char *const words[] = {"at", "at!", "at0", "at~", "as~", "au"};
    rki_sample sample;
    rki_sample wanted;
    rk_id where[RK_SEGMENTS_MAX];
    rki_try(ring, "a query for a value between values that begin like it");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        rki_wish wish = rki_wish_for(ring, RKI_HOME, words[i]);
        wish.parent_tag = "ends";
        if (!rki_make(ring, &wish, &sample))
            return;
        (void)rki_sample_where(ring->spec, &sample, ring->index, where);
        wish.other = rk_names_find(&ring->spec->names, rk_slice_str(where[0].name));
        wish.other_value = rk_slice_str(words[i]);
        if (!rki_make(ring, &wish, &sample) || !rki_put_family(ring, &sample))
            return;
        if (i == 0)
            wanted = sample;
    }
    rki_expect_query(ring, &wanted, RKI_HOME, 1, 1);
    rki_expect_query(ring, &wanted, RKI_HOME, 0, sizeof words / sizeof *words);
}

static void query_next_tenants(rki_ring *ring)
{
    rki_sample own;
    rki_try(ring, "a query of a tenant between tenants whose names sort next to it");
    if (!put_plain(ring, RKI_HOME, "home", &own))
        return;
    fill_next_door(ring, &own, look_at_query);
    rki_expect_query(ring, &own, RKI_HOME, 0, 1);
    rki_expect_query(ring, &own, RKI_HOME, RK_SEGMENTS_MAX, 1);
}

/* --- cursors ---------------------------------------------------------------------------------- */

/* Where HOME's list, or query like `like`, stands behind its first row. Empty: a list that gives no
 * positions in this phase, as it may. */
static bool take_position(rki_ring *ring, const rki_sample *like, rk_slice *out)
{
    rk_list_options options = {.page_rows_max = 1};
    rk_iterator *rows = NULL;
    rk_value position = {0};
    rk_error err = {0};
    rk_row row;
    *out = RK_SLICE_EMPTY;
    rki_answer answer = rki_open_rows(ring, RKI_HOME, like, RK_SEGMENTS_MAX, &options, &rows);
    if (answer.status == RK_OK && rk_iterator_next(rows, &row, &err) == RK_OK &&
        rk_iterator_position(rows, &position, NULL) == RK_OK &&
        rk_arena_copy(&ring->arena, position.bytes, out, &err) != RK_OK)
        rki_fail_case(ring, RKI_HOME, "the attack could not be prepared: %.300s", err.message);
    rk_value_fini(&position);
    rk_iterator_close(rows);
    return !ring->failed && out->len > 0;
}

static void expect_refused(rki_ring *ring, rki_party party, const rki_sample *like,
                           rk_slice position)
{
    rk_list_options options = {.after = position};
    rk_iterator *rows = NULL;
    rki_answer answer = rki_open_rows(ring, party, like, RK_SEGMENTS_MAX, &options, &rows);
    if (answer.status != RK_INVALID)
        rki_fail_case(ring, party, "a position of another scope's list was answered \"%s\" %.200s",
                      rk_status_name(answer.status), answer.message);
    rk_iterator_close(rows);
}

/* Bytes that were changed are refused, or lead to rows of the asker's own. */
static void expect_harmless(rki_ring *ring, const rki_sample *like, rk_slice position)
{
    rk_list_options options = {.after = position};
    rk_iterator *rows = NULL;
    rk_error err = {0};
    rk_row row;
    rki_answer answer = rki_open_rows(ring, RKI_HOME, like, RK_SEGMENTS_MAX, &options, &rows);
    while (answer.status == RK_OK && !ring->failed && rk_iterator_next(rows, &row, &err) == RK_OK)
        if (rki_must_not_see(ring, RKI_HOME, row.value))
            rki_fail_case(ring, RKI_HOME, "a changed position led to somebody else's record");
    rk_iterator_close(rows);
}

static void steal_cursor(rki_ring *ring, const rki_sample *like)
{
    rk_slice position;
    uint8_t changed[4096];
    if (!take_position(ring, like, &position) || position.len > sizeof changed)
        return;
    expect_refused(ring, RKI_NEIGHBOUR, like, position);
    if (ring->spec->allowed_count > 1)
        expect_refused(ring, RKI_STRANGER, like, position);
    rki_try(ring, "a page cursor with a byte changed");
    memcpy(changed, position.ptr, position.len);
    for (size_t i = 0; i < position.len && !ring->failed; i++) {
        changed[i] ^= 0x11;
        expect_harmless(ring, like, rk_slice_of(changed, position.len));
        changed[i] ^= 0x11;
    }
    expect_harmless(ring, like, rk_slice_of(changed, position.len / 2));
}

static bool put_two_each(rki_ring *ring, rki_sample *like)
{
    static const char *const tags[] = {"page-1", "page-2"};
    rki_sample other;
    for (size_t i = 0; i < 2; i++)
        if (!rki_make_plain(ring, RKI_HOME, tags[i], like) || !rki_put_family(ring, like) ||
            !rki_make_plain(ring, RKI_NEIGHBOUR, tags[i], &other) || !rki_put_family(ring, &other))
            return false;
    return true;
}

static void list_cursor_elsewhere(rki_ring *ring)
{
    rki_sample like;
    rki_try(ring, "the page cursor of one scope's list used in another");
    if (put_two_each(ring, &like))
        steal_cursor(ring, NULL);
}

static void query_cursor_elsewhere(rki_ring *ring)
{
    rki_sample like;
    rki_try(ring, "the page cursor of one scope's query used in another");
    if (put_two_each(ring, &like))
        steal_cursor(ring, &like);
}

/* The cursor of a list used for a query of the same scope, and the other way round. */
static void cursor_of_other_question(rki_ring *ring)
{
    rki_sample like;
    rk_slice position;
    rki_try(ring, "the page cursor of a list used in a query");
    if (!put_two_each(ring, &like))
        return;
    if (take_position(ring, NULL, &position))
        expect_refused(ring, RKI_HOME, &like, position);
    rki_try(ring, "the page cursor of a query used in a list");
    if (take_position(ring, &like, &position))
        expect_refused(ring, RKI_HOME, NULL, position);
}

const rki_attack rki_range_attacks[] = {
    {"list_ends", RKI_OF_ENTITY, RKI_OWN_ID, list_ends},
    {"list_next_tenants", RKI_OF_ENTITY, 0, list_next_tenants},
    {"query_ends", RKI_OF_INDEX, RKI_OWN_ID | RKI_OWN_WHERE, query_ends},
    {"query_next_tenants", RKI_OF_INDEX, 0, query_next_tenants},
    {"list_cursor_elsewhere", RKI_OF_ENTITY, 0, list_cursor_elsewhere},
    {"query_cursor_elsewhere", RKI_OF_INDEX, 0, query_cursor_elsewhere},
    {"cursor_of_other_question", RKI_OF_INDEX, 0, cursor_of_other_question},
    {0},
};
