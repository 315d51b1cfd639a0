/* page.c: one page of a list or a query, and the schema. */
#include "rekey/protocol/protocol_private.h"

#include <assert.h>

#define ROW_BYTES_MIN 12 /* number of ids, lengths of value and position */

/* --- requests --------------------------------------------------------------------------------- */

rk_status rk_page_encode(const rk_page_request *page, rk_buf *out, rk_error *err)
{
    rk_writer writer = rk_writer_begin(out, err);
    assert(page->rows_max >= 1 && page->rows_max <= RK_PAGE_ROWS_MAX);
    rki_write_scope(&writer, &page->scope);
    rki_write_name(&writer, page->entity);
    rk_write_u8(&writer, page->index != NULL);
    rki_write_name(&writer, page->index);
    rki_write_ids(&writer, page->where, page->where_count);
    rk_write_bytes(&writer, page->after);
    rk_write_u32(&writer, page->rows_max);
    rk_write_u32(&writer, page->bytes_max);
    return rk_writer_end(&writer);
}

/* A list has neither an index nor what to look for in it. */
static rk_status take_index(rk_reader *reader, rk_arena *arena, rk_page_request *page,
                            rk_error *err)
{
    const char *index = NULL;
    bool is_query = rki_take_flag(reader);
    rk_status status = rki_take_name(reader, arena, &index, err);
    if (status == RK_OK)
        status = rki_take_ids(reader, arena, &page->where, &page->where_count, err);
    if (status != RK_OK)
        return status;
    if (!is_query && (index[0] != '\0' || page->where_count > 0))
        reader->ok = false;
    page->index = is_query ? index : NULL;
    return RK_OK;
}

rk_status rk_page_decode(rk_slice body, rk_arena *arena, rk_page_request *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(body);
    rk_page_request page = {.scope = rki_take_scope(&reader)};
    rk_status status = rki_take_name(&reader, arena, &page.entity, err);
    if (status == RK_OK)
        status = take_index(&reader, arena, &page, err);
    page.after = rk_take_bytes(&reader);
    page.rows_max = rk_take_u32(&reader);
    page.bytes_max = rk_take_u32(&reader);
    if (page.rows_max < 1 || page.rows_max > RK_PAGE_ROWS_MAX)
        reader.ok = false;
    if (status == RK_OK)
        status = rki_take_end(&reader, "question for a page", body.len, err);
    if (status == RK_OK)
        *out = page;
    return status;
}

/* --- results ---------------------------------------------------------------------------------- */

rk_status rk_page_result_encode(const rk_page_result *page, rk_buf *out, rk_error *err)
{
    rk_writer writer = rk_writer_begin(out, err);
    rk_write_u8(&writer, page->ended);
    rk_write_bytes(&writer, page->start);
    rk_write_u32(&writer, page->count);
    for (size_t i = 0; i < page->count; i++) {
        const rk_page_row *row = &page->rows[i];
        rki_write_ids(&writer, row->row.ids, row->row.id_count);
        rk_write_bytes(&writer, row->row.value);
        rk_write_bytes(&writer, row->position);
    }
    return rk_writer_end(&writer);
}

static rk_status take_row(rk_reader *reader, rk_arena *arena, rk_page_row *out, rk_error *err)
{
    rk_status status = rki_take_ids(reader, arena, &out->row.ids, &out->row.id_count, err);
    out->row.value = rk_take_bytes(reader);
    out->position = rk_take_bytes(reader);
    return status;
}

/* A page without rows and with more behind it would have its reader ask for ever. */
static bool goes_on(const rk_page_result *page)
{
    return page->count > 0 && page->rows[page->count - 1].position.len > 0;
}

rk_status rk_page_result_decode(rk_slice body, rk_arena *arena, rk_page_result *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(body);
    rk_page_result page = {.ended = rki_take_flag(&reader)};
    void *rows = NULL;
    page.start = rk_take_bytes(&reader);
    page.count = rki_take_count(&reader, ROW_BYTES_MIN);
    rk_status status = rki_take_room(arena, page.count, sizeof(rk_page_row), &rows, err);
    page.rows = rows;
    for (size_t i = 0; i < page.count && status == RK_OK && reader.ok; i++)
        status = take_row(&reader, arena, &page.rows[i], err);
    if (status == RK_OK && !page.ended && !goes_on(&page))
        reader.ok = false;
    if (status == RK_OK)
        status = rki_take_end(&reader, "page", body.len, err);
    if (status == RK_OK)
        *out = page;
    return status;
}

/* --- schema ----------------------------------------------------------------------------------- */

rk_status rk_schema_encode(const rk_schema *schema, rk_buf *out, rk_error *err)
{
    return rk_put_u8(out, schema->holds_json, err);
}

rk_status rk_schema_decode(rk_slice body, rk_schema *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(body);
    rk_schema schema = {.holds_json = rki_take_flag(&reader)};
    rk_status status = rki_take_end(&reader, "schema", body.len, err);
    if (status == RK_OK)
        *out = schema;
    return status;
}
