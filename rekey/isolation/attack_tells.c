/* attack_tells.c: answers, counts and places that would tell that another capsule has a record. */
#include "rekey/isolation/attack_private.h"

/* The victim's ids in STRANGER's scope, and in a tenant where nothing is. */
static bool make_pair(rki_ring *ring, rki_sample *elsewhere, rki_sample *nowhere)
{
    rki_sample victim;
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_as(ring, RKI_STRANGER, &victim, elsewhere))
        return false;
    ring->party[RKI_NEIGHBOUR] = ring->party[RKI_STRANGER];
    ring->party[RKI_NEIGHBOUR].scope.tenant = rki_text(ring, "%s~", ring->tenant);
    return rki_as(ring, RKI_NEIGHBOUR, &victim, nowhere);
}

static void get_tells(rki_ring *ring)
{
    rki_sample elsewhere;
    rki_sample nowhere;
    rki_try(ring, "a get of another capsule's record, and of one that is nowhere");
    if (!make_pair(ring, &elsewhere, &nowhere))
        return;
    rki_expect_same(ring, RKI_STRANGER, rki_call_get(ring, &elsewhere),
                    rki_call_get(ring, &nowhere));
}

static void delete_tells(rki_ring *ring)
{
    rki_sample elsewhere;
    rki_sample nowhere;
    rki_try(ring, "a delete of another capsule's record, and of one that is nowhere");
    if (!make_pair(ring, &elsewhere, &nowhere))
        return;
    rki_expect_same(ring, RKI_STRANGER, rki_call_delete(ring, &elsewhere),
                    rki_call_delete(ring, &nowhere));
}

static void compare_and_put_tells(rki_ring *ring)
{
    rki_sample elsewhere;
    rki_sample nowhere;
    rki_sample victim;
    rki_try(ring, "a compare_and_put over another capsule's record, and where there is none");
    if (!make_pair(ring, &elsewhere, &nowhere) || !rki_as(ring, RKI_HOME, &elsewhere, &victim))
        return;
    rki_answer bytes = rki_call_get(ring, &victim);
    rki_answer first = rki_call_compare_and_put(ring, &elsewhere, bytes.value.bytes);
    rki_expect_same(ring, RKI_STRANGER, first,
                    rki_call_compare_and_put(ring, &nowhere, bytes.value.bytes));
    rki_answer_fini(&bytes);
}

static void put_tells(rki_ring *ring)
{
    rki_sample elsewhere;
    rki_sample nowhere;
    rki_try(ring, "a put over another capsule's record, and where there is none");
    if (!make_pair(ring, &elsewhere, &nowhere))
        return;
    rki_expect_same(ring, RKI_STRANGER, rki_call_put_if_absent(ring, &elsewhere),
                    rki_call_put_if_absent(ring, &nowhere));
    rki_expect_same(ring, RKI_STRANGER, rki_call_put(ring, &elsewhere),
                    rki_call_put(ring, &nowhere));
}

/* A put over a parent that has children in another capsule. */
static void put_over_parent_tells(rki_ring *ring)
{
    rki_sample victim;
    rki_sample parent;
    rki_sample elsewhere;
    rki_sample nowhere;
    rk_error err = {0};
    rki_try(ring, "a put over another capsule's record that has children, and where there is none");
    if (!rki_victim(ring, RKI_HOME, &victim) ||
        rki_sample_parent(ring->spec, &victim, &ring->arena, &parent, &err) != RK_OK)
        return;
    if (ring->spec->entities[parent.wish.entity].parent >= 0)
        return; /* it would be refused for want of a parent of its own */
    ring->party[RKI_NEIGHBOUR] = ring->party[RKI_STRANGER];
    ring->party[RKI_NEIGHBOUR].scope.tenant = rki_text(ring, "%s~", ring->tenant);
    if (!rki_as(ring, RKI_STRANGER, &parent, &elsewhere) ||
        !rki_as(ring, RKI_NEIGHBOUR, &parent, &nowhere))
        return;
    rki_expect_same(ring, RKI_STRANGER, rki_call_put(ring, &elsewhere),
                    rki_call_put(ring, &nowhere));
    rki_expect_own(ring, RKI_HOME, &victim);
    rki_expect_own(ring, RKI_HOME, &parent);
}

/* --- counts and places ------------------------------------------------------------------------ */

static rk_status append_row(const rk_row *row, const rk_iterator *rows, rk_buf *to, rk_error *err)
{
    rk_value position = {0};
    rk_status status = RK_OK;
    for (size_t i = 0; i < row->id_count && status == RK_OK; i++)
        status = rk_buf_append(to, row->ids[i].value, err);
    if (status == RK_OK)
        status = rk_buf_append(to, row->value, err);
    if (status == RK_OK && rk_iterator_position(rows, &position, NULL) == RK_OK)
        status = rk_buf_append(to, position.bytes, err);
    rk_value_fini(&position);
    return status;
}

/* All that STRANGER's list, or query, gives: rows, their order, and every place between them. */
static bool record_rows(rki_ring *ring, const rki_sample *like, rk_slice *out)
{
    rk_list_options options = {.page_rows_max = 1};
    rk_iterator *rows = NULL;
    rk_error err = {0};
    rk_row row;
    rk_buf all;
    if (ring->failed)
        return false;
    rk_buf_init(&all, (size_t)1024 * 1024);
    rki_answer answer = rki_open_rows(ring, RKI_STRANGER, like, 1, &options, &rows);
    rk_status status = answer.status;
    while (status == RK_OK && (status = rk_iterator_next(rows, &row, &err)) == RK_OK)
        status = append_row(&row, rows, &all, &err);
    if (status == RK_NOT_FOUND)
        status = rk_arena_copy(&ring->arena, rk_buf_slice(&all), out, &err);
    rk_iterator_close(rows);
    rk_buf_fini(&all);
    if (status != RK_OK)
        rki_fail_case(ring, RKI_STRANGER, "the rows could not be read: %s %.200s",
                      rk_status_name(status), err.message);
    return status == RK_OK;
}

static bool put_some(rki_ring *ring, rki_party party, const char *const tags[3], rki_sample *like)
{
    size_t count = rki_own_variable(ring->spec, rki_entity(ring)) == RK_NAME_NONE ? 1 : 3;
    for (size_t i = 0; i < count; i++)
        if (!rki_make_plain(ring, party, tags[i], like) || !rki_put_family(ring, like))
            return false;
    return true;
}

static void rows_tell(rki_ring *ring)
{
    static const char *const own[3] = {"b", "d", "f"};
    static const char *const others[3] = {"a", "c", "e"};
    rki_sample like;
    rki_sample other;
    rk_slice before;
    rk_slice after;
    if (!put_some(ring, RKI_STRANGER, own, &like) ||
        !record_rows(ring, ring->index ? &like : NULL, &before) ||
        !put_some(ring, RKI_HOME, others, &other) ||
        !record_rows(ring, ring->index ? &like : NULL, &after))
        return;
    if (!rk_slice_equal(before, after))
        rki_fail_case(ring, RKI_STRANGER,
                      "the rows, their number or the places between them are others since another "
                      "capsule has records");
}

static void list_tells(rki_ring *ring)
{
    rki_try(ring, "a list in one capsule, before and after another one has records");
    rows_tell(ring);
}

static void query_tells(rki_ring *ring)
{
    rki_try(ring, "a query in one capsule, before and after another one has records");
    rows_tell(ring);
}

/* STRANGER's record, in hand, sorts just before one of HOME's that the walk passes over. */
static void expect_blank_position(rki_ring *ring, const rki_sample *like)
{
    rk_iterator *rows = NULL;
    rk_value position = {0};
    rk_error err = {0};
    rk_row row;
    if (ring->failed)
        return;
    rki_answer answer = rki_open_rows(ring, RKI_STRANGER, like, RK_SEGMENTS_MAX, NULL, &rows);
    rk_status status = answer.status;
    while (status == RK_OK && (status = rk_iterator_next(rows, &row, &err)) == RK_OK) {
        if (rk_iterator_position(rows, &position, NULL) == RK_OK &&
            rki_find_bytes(position.bytes, RK_SLICE_LITERAL(RKI_RESIDENT_TAG)))
            rki_fail_case(ring, RKI_STRANGER, "the cursor holds the id of somebody else's record");
        rk_value_fini(&position);
    }
    rk_iterator_close(rows);
}

static void cursor_tells(rki_ring *ring)
{
    rki_sample like;
    rki_try(ring, "the page cursor of a list that passes over another capsule's records");
    rki_ring_seat_residents(ring, ring->entity);
    ring->resident = true;
    if (rki_make_plain(ring, RKI_STRANGER, RKI_STRANGERS_TAG, &like)) {
        rki_expect_own(ring, RKI_STRANGER, &like);
        expect_blank_position(ring, ring->index ? &like : NULL);
    }
}

#define KEPT_APART (RKI_ISOLATED | RKI_TWO)

const rki_attack rki_tell_attacks[] = {
    {"get_tells", RKI_OF_ENTITY, KEPT_APART | RKI_BOTH, get_tells},
    {"delete_tells", RKI_OF_ENTITY, KEPT_APART | RKI_BOTH, delete_tells},
    {"compare_and_put_tells", RKI_OF_ENTITY, KEPT_APART | RKI_BOTH, compare_and_put_tells},
    {"put_tells", RKI_OF_ENTITY, KEPT_APART | RKI_WRITES_NEW, put_tells},
    {"put_over_parent_tells", RKI_OF_ENTITY, KEPT_APART | RKI_CHILD | RKI_FREE | RKI_WRITES_NEW,
     put_over_parent_tells},
    {"list_tells", RKI_OF_ENTITY, KEPT_APART | RKI_FREE | RKI_WRITES_NEW, list_tells},
    {"list_cursor_tells", RKI_OF_ENTITY, KEPT_APART | RKI_SHARED, cursor_tells},
    {"query_cursor_tells", RKI_OF_INDEX, KEPT_APART | RKI_SHARED, cursor_tells},
    {"query_tells", RKI_OF_INDEX, KEPT_APART | RKI_FREE | RKI_WRITES_NEW, query_tells},
    {0},
};
