/* remote_rows.c: lists and queries of a remote client. The node reads the pages; each row comes
 * with the position behind it, so that nothing is kept there between two pages. */
#include <stdlib.h>

#include "rekey/client/remote_private.h"

#define PAGE_BYTES_MAX      ((size_t)1024 * 1024)
#define PAGE_ARENA_FACTOR   32 /* what is decoded takes less than so many times the bytes */
#define PAGE_ARENA_AT_LEAST ((size_t)64 * 1024)

/* A page as it came; the rows borrow from both. */
typedef struct sheet {
    rk_link_answer answer;
    rk_arena memory;
    rk_page_result page;
} sheet;

typedef struct rows {
    rk_iterator head;
    const rki_remote *client;
    rk_arena memory; /* the question's words */
    rk_question question;
    sheet sheet;
    size_t row; /* the next one to give */
} rows;

/* --- pages ------------------------------------------------------------------------------------ */

static void sheet_fini(sheet *s)
{
    rk_link_answer_fini(&s->answer);
    rk_arena_fini(&s->memory);
}

static rk_status encode(const rows *iterator, rk_slice after, rk_buf *out, rk_error *err)
{
    const rk_question *question = &iterator->question;
    size_t most = iterator->client->carry.body_bytes_max;
    const rk_page_request request = {
        .scope = question->scope,
        .entity = question->entity,
        .index = question->index,
        .where = question->where,
        .where_count = question->where_count,
        .after = after,
        .rows_max = (uint32_t)question->page_rows_max,
        .bytes_max = (uint32_t)(most < PAGE_BYTES_MAX ? most : PAGE_BYTES_MAX),
    };
    rk_error why = {0};
    rk_status status = rk_page_encode(&request, out, &why);
    if (status == RK_LIMIT)
        return rk_error_set(err, status,
                            "the question is longer than the %zu bytes that a node takes at once",
                            most);
    if (status != RK_OK && err)
        *err = why;
    return status;
}

static rk_status decode(sheet *s, rk_error *err)
{
    rk_slice body = s->answer.reply.body;
    if (s->answer.reply.status != RK_OK)
        return rki_remote_refused(&s->answer, err);
    rk_arena_init(&s->memory, PAGE_ARENA_FACTOR * body.len + PAGE_ARENA_AT_LEAST);
    return rk_page_result_decode(body, &s->memory, &s->page, err);
}

/* The page before stays as it is until the next one is there: a step that failed can be tried
 * again. */
static rk_status turn(rows *iterator, rk_slice after, rk_error *err)
{
    sheet next = {0};
    rk_buf request;
    rk_buf_init(&request, iterator->client->carry.body_bytes_max);
    rk_status status = encode(iterator, after, &request, err);
    if (status == RK_OK)
        status = rki_remote_read(iterator->client, iterator->question.scope.tenant, RK_REQUEST_PAGE,
                                 rk_buf_slice(&request), &next.answer, err);
    if (status == RK_OK)
        status = decode(&next, err);
    rk_buf_fini(&request);
    if (status != RK_OK) {
        sheet_fini(&next);
        return status;
    }
    sheet_fini(&iterator->sheet);
    iterator->sheet = next;
    iterator->row = 0;
    return RK_OK;
}

/* --- the iterator ----------------------------------------------------------------------------- */

/* Behind the last row that was given; empty where there is no position. */
static rk_slice stand(const rows *iterator)
{
    const rk_page_result *page = &iterator->sheet.page;
    return iterator->row > 0 ? page->rows[iterator->row - 1].position : page->start;
}

static rk_status next_row(rk_iterator *of, rk_row *out, rk_error *err)
{
    rows *iterator = (rows *)of;
    while (iterator->row == iterator->sheet.page.count) {
        if (iterator->sheet.page.ended)
            return RK_NOT_FOUND;
        rk_status status = turn(iterator, stand(iterator), err);
        if (status != RK_OK)
            return status;
    }
    *out = iterator->sheet.page.rows[iterator->row++].row;
    return RK_OK;
}

static rk_status position(const rk_iterator *of, rk_value *out, rk_error *err)
{
    const rows *iterator = (const rows *)of;
    rk_slice at = stand(iterator);
    if (at.len == 0)
        return rki_no_position(iterator->question.entity, err);
    return rki_value_copy(at, out, err);
}

static void close_rows(rk_iterator *of)
{
    rows *iterator = (rows *)of;
    sheet_fini(&iterator->sheet);
    rk_arena_fini(&iterator->memory);
    free(iterator);
}

static const rki_iterator_ops row_ops = {
    .next = next_row, .position = position, .close = close_rows};

rk_status rki_remote_ask(rk_client *client, const rk_question *question, rk_iterator **out,
                         rk_error *err)
{
    rows *iterator = calloc(1, sizeof *iterator);
    if (!iterator)
        return rk_error_set(err, RK_NOMEM, "list: out of memory");
    iterator->head.ops = &row_ops;
    iterator->client = (const rki_remote *)client;
    rk_arena_init(&iterator->memory, RKI_QUESTION_BYTES_MAX);
    rk_status status = rki_question_copy(question, &iterator->memory, &iterator->question, err);
    if (status == RK_OK)
        status = turn(iterator, question->after, err);
    if (status != RK_OK) {
        close_rows(&iterator->head);
        return status;
    }
    iterator->question.after = RK_SLICE_EMPTY; /* the caller's, and used */
    *out = &iterator->head;
    return RK_OK;
}
