/* iterate.c: list and query, as rows out of pages.
 *
 * An iterator keeps its question in words (entity, index, where) and asks it anew for each page:
 * the phase, even the spec, may have changed in between. Between pages it holds no snapshot.
 */
#include "rekey/client/client_private.h"

#include <assert.h>
#include <stdlib.h>

#include "rekey/base/codec.h"
#include "rekey/base/fault.h"
#include "rekey/base/nearest.h"

#define WHERE_MAX          RK_SEGMENTS_MAX
#define POSITION_BYTES_MAX ((size_t)4096)

/* A place on each side, with memory of its own. */
typedef struct stand {
    rk_buf key[2];
    rk_buf primary[2];
} stand;

typedef struct rows {
    rk_iterator head;
    rki_session *session;
    rk_arena memory; /* the question's words */
    rk_question question;
    bool begun;
    rk_read_from read; /* of the last page */
    stand reached;     /* how far it has read, by side */
    stand given;       /* the last row of the page before */
    rki_page page;     /* its rows live in the session's arena */
    size_t row;        /* the next one to give */
} rows;

/* --- pages ------------------------------------------------------------------------------------ */

static rk_status find_index(const rk_entity *entity, const char *name, const rk_index **out,
                            rk_error *err)
{
    rk_nearest nearest = {.word = rk_slice_str(name)};
    for (size_t i = 0; i < entity->index_count; i++) {
        if (rk_slice_equal(rk_slice_str(entity->index[i].name), nearest.word)) {
            *out = &entity->index[i];
            return RK_OK;
        }
        rk_nearest_try(&nearest, rk_slice_str(entity->index[i].name));
    }
    return rk_error_set(err, RK_INVALID, "%s has no index \"%.64s\"%s", entity->name, name,
                        rk_nearest_hint(&nearest).text);
}

static rk_status stand_save(stand *to, const rki_place place[2], rk_error *err)
{
    rk_status status = RK_OK;
    for (int i = 0; i < 2 && status == RK_OK; i++) {
        status = rk_buf_set(&to->key[i], place[i].key, err);
        if (status == RK_OK)
            status = rk_buf_set(&to->primary[i], place[i].primary, err);
    }
    return status;
}

static void stand_borrow(const stand *from, rki_place place[2])
{
    for (int i = 0; i < 2; i++)
        place[i] = (rki_place){rk_buf_slice(&from->key[i]), rk_buf_slice(&from->primary[i])};
}

static void stand_init(stand *at, size_t bytes_max)
{
    for (int i = 0; i < 2; i++) {
        rk_buf_init(&at->key[i], bytes_max);
        rk_buf_init(&at->primary[i], bytes_max);
    }
}

static void stand_fini(stand *at)
{
    for (int i = 0; i < 2; i++) {
        rk_buf_fini(&at->key[i]);
        rk_buf_fini(&at->primary[i]);
    }
}

static rk_status ask(rows *iterator, rki_page *page, rk_error *err)
{
    rki_session *session = iterator->session;
    rki_target target;
    rk_status status = rki_target_of_scope(session, &iterator->question.scope,
                                           iterator->question.entity, &target, err);
    if (status == RK_OK && iterator->question.index)
        status = find_index(target.entity, iterator->question.index, &page->index, err);
    if (status != RK_OK)
        return status;
    page->target = &target;
    page->aligned = rki_page_aligned(session->spec, target.entity, page->index);
    stand_borrow(&iterator->reached, page->place);
    stand_borrow(&iterator->given, page->given);
    if (iterator->begun && !page->aligned && iterator->read != session->rule->read)
        return rk_error_set(err, RK_CONFLICT,
                            "the phase has changed, and old and new keys of %s sort differently; "
                            "begin the list again",
                            target.entity->name);
    status = rki_page_read(session, page, err);
    if (status == RK_OK)
        status = stand_save(&iterator->reached, page->place, err);
    page->target = NULL;
    page->index = NULL;
    iterator->begun = true;
    iterator->read = session->rule->read;
    return status;
}

/* Index tables may have come into being since the last page. */
static rk_status next_page(rows *iterator, rk_error *err)
{
    rki_session *session = iterator->session;
    rki_page page = {.where = iterator->question.where,
                     .where_count = iterator->question.where_count,
                     .rows_max = iterator->question.page_rows_max};
    rk_status status = RK_OK;
    if (iterator->row > 0)
        status = stand_save(&iterator->given, iterator->page.rows[iterator->row - 1].at, err);
    if (status != RK_OK)
        return status;
    rk_arena_reset(&session->arena);
    iterator->page = (rki_page){0};
    iterator->row = 0;
    status = rki_session_open_tables(session, iterator->question.entity, false, err);
    if (status == RK_OK)
        status = rki_session_begin_read(session, iterator->question.scope.tenant, err);
    if (status != RK_OK)
        return status;
    status = ask(iterator, &page, err);
    rki_session_end_read(session);
    if (status == RK_OK)
        iterator->page = page;
    return status;
}

/* --- positions -------------------------------------------------------------------------------- */

/* A version, what the question was, how the last page was read, and a place on each side. The
 * question's digest binds the bytes to their scope; bytes made up for the right question can only
 * point into what that question may see, which rki_page_read checks. */
#define POSITION_VERSION 1
#define POSITION_DOMAIN  "rekey position v1"

/* One of each name; a second is refused when the question is asked. */
static const rk_id *next_by_name(const rows *iterator, const rk_id *last)
{
    const rk_id *next = NULL;
    for (size_t i = 0; i < iterator->question.where_count; i++) {
        const rk_id *id = &iterator->question.where[i];
        if ((!last || strcmp(id->name, last->name) > 0) &&
            (!next || strcmp(id->name, next->name) < 0))
            next = id;
    }
    return next;
}

static void digest_question(const rows *iterator, rk_digest *out)
{
    rk_slice part[4 + 2 * WHERE_MAX];
    size_t count = 0;
    part[count++] = iterator->question.scope.tenant;
    part[count++] = iterator->question.scope.capsule;
    part[count++] = rk_slice_str(iterator->question.entity);
    part[count++] = rk_slice_str(iterator->question.index);
    /* In the order of the names: that of the caller means nothing. */
    for (const rk_id *id = NULL; (id = next_by_name(iterator, id)) != NULL;) {
        part[count++] = rk_slice_str(id->name);
        part[count++] = id->value;
    }
    rk_digest_parts(POSITION_DOMAIN, part, count, out);
}

static rk_status put_places(rk_buf *to, const rki_place place[2], rk_error *err)
{
    rk_status status = RK_OK;
    for (int i = 0; i < 2 && status == RK_OK; i++) {
        status = rk_put_bytes(to, place[i].key, err);
        if (status == RK_OK)
            status = rk_put_bytes(to, place[i].primary, err);
    }
    return status;
}

static rk_status put_position(const rows *iterator, rk_buf *to, rk_error *err)
{
    rki_place place[2];
    rk_digest question;
    digest_question(iterator, &question);
    bool passed = rk_fault("position_leaks");
    stand_borrow(passed ? &iterator->reached : &iterator->given, place);
    rk_status status = rk_put_u8(to, POSITION_VERSION, err);
    if (status == RK_OK)
        status = rk_buf_append(to, rk_slice_of(question.bytes, sizeof question.bytes), err);
    if (status == RK_OK)
        status = rk_put_u8(to, (uint8_t)iterator->read, err);
    if (status == RK_OK)
        status = put_places(
            to, iterator->row > 0 && !passed ? iterator->page.rows[iterator->row - 1].at : place,
            err);
    return status;
}

static rk_status position(const rk_iterator *of, rk_value *out, rk_error *err)
{
    const rows *iterator = (const rows *)of;
    rk_buf bytes;
    if (iterator->page.is_whole)
        return rki_no_position(iterator->question.entity, err);
    rk_buf_init(&bytes, POSITION_BYTES_MAX);
    rk_status status = put_position(iterator, &bytes, err);
    if (status == RK_OK)
        status = rki_value_copy(rk_buf_slice(&bytes), out, err);
    rk_buf_fini(&bytes);
    return status;
}

static rk_status restore_position(rows *iterator, rk_slice bytes, rk_error *err)
{
    rk_reader reader = rk_reader_of(bytes);
    rki_place place[2] = {{RK_SLICE_EMPTY, RK_SLICE_EMPTY}, {RK_SLICE_EMPTY, RK_SLICE_EMPTY}};
    rk_digest question;
    digest_question(iterator, &question);
    uint8_t version = rk_take_u8(&reader);
    rk_slice digest = rk_take_exactly(&reader, sizeof question.bytes);
    uint8_t read = rk_take_u8(&reader);
    for (int i = 0; i < 2; i++) {
        place[i].key = rk_take_bytes(&reader);
        place[i].primary = rk_take_bytes(&reader);
    }
    if (!rk_reader_done(&reader) || version != POSITION_VERSION || read > RK_READ_NEW_THEN_OLD ||
        (!rk_slice_equal(digest, rk_slice_of(question.bytes, sizeof question.bytes)) &&
         !rk_fault("position_unbound")))
        return rk_error_set(err, RK_INVALID, "the position belongs to another list");
    rk_status status = stand_save(&iterator->reached, place, err);
    if (status == RK_OK)
        status = stand_save(&iterator->given, place, err);
    iterator->begun = place[0].key.len > 0 || place[1].key.len > 0;
    iterator->read = (rk_read_from)read;
    return status;
}

/* --- life cycle ------------------------------------------------------------------------------- */

static void close_rows(rk_iterator *of)
{
    rows *iterator = (rows *)of;
    rki_session_give(iterator->session);
    stand_fini(&iterator->reached);
    stand_fini(&iterator->given);
    rk_arena_fini(&iterator->memory);
    free(iterator);
}

/* Until there is a row to give, or the end. */
static rk_status reach_row(rows *iterator, rk_error *err)
{
    rk_status status = RK_OK;
    while (status == RK_OK && iterator->row == iterator->page.row_count && !iterator->page.ended)
        status = next_page(iterator, err);
    return status;
}

static rk_status next_row(rk_iterator *of, rk_row *out, rk_error *err)
{
    rows *iterator = (rows *)of;
    rk_status status = reach_row(iterator, err);
    if (status != RK_OK)
        return status;
    if (iterator->row == iterator->page.row_count)
        return RK_NOT_FOUND;
    const rki_row *row = &iterator->page.rows[iterator->row++];
    *out = (rk_row){.ids = row->ids, .id_count = row->id_count, .value = row->value};
    return RK_OK;
}

static const rki_iterator_ops row_ops = {
    .next = next_row, .position = position, .close = close_rows};

rk_status rk_iterator_look_ahead(rk_iterator *of, rk_at_hand *out, rk_error *err)
{
    rows *iterator = (rows *)of;
    assert(of->ops == &row_ops);
    rk_status status = reach_row(iterator, err);
    if (status == RK_OK)
        *out = (rk_at_hand){.rows = iterator->page.row_count - iterator->row,
                            .ended = iterator->page.ended,
                            .is_whole = iterator->page.is_whole};
    return status;
}

/* The first page is read at once, so that what is wrong is said here. */
rk_status rk_client_serve_rows(rk_client *of, rk_sight sight, const rk_question *question,
                               rk_iterator **out, rk_error *err)
{
    rki_local *client = rki_local_of(of);
    rows *iterator = calloc(1, sizeof *iterator);
    if (!iterator)
        return rk_error_set(err, RK_NOMEM, "list: out of memory");
    iterator->head.ops = &row_ops;
    rk_arena_init(&iterator->memory, RKI_QUESTION_BYTES_MAX);
    stand_init(&iterator->reached, client->key_bytes_max);
    stand_init(&iterator->given, client->key_bytes_max);
    rk_status status = rki_question_copy(question, &iterator->memory, &iterator->question, err);
    if (status == RK_OK)
        status = rki_session_take(client, &iterator->session, err);
    if (status == RK_OK) {
        iterator->session->sight = sight;
        if (question->after.len > 0)
            status = restore_position(iterator, question->after, err);
    }
    if (status == RK_OK)
        status = next_page(iterator, err);
    if (status != RK_OK) {
        close_rows(&iterator->head);
        return status;
    }
    iterator->question.after = RK_SLICE_EMPTY; /* the caller's, and used */
    *out = &iterator->head;
    return RK_OK;
}

rk_status rki_local_ask(rk_client *client, const rk_question *question, rk_iterator **out,
                        rk_error *err)
{
    return rk_client_serve_rows(client, RK_SIGHT_FULL, question, out, err);
}
