/* iterate.c: list and query, as rows out of pages.
 *
 * An iterator keeps its question in words (entity, index, where) and asks it anew for each page:
 * the phase, even the spec, may have changed in between. Between pages it holds no snapshot.
 */
#include "rekey/client/client_private.h"

#include <stdlib.h>

#include "rekey/base/nearest.h"

#define QUESTION_BYTES_MAX ((size_t)1024 * 1024)
#define WHERE_MAX          RK_SEGMENTS_MAX

struct rk_iterator {
    rki_session *session;
    rk_arena memory; /* the question's words */
    rk_scope scope;
    const char *entity;
    const char *index; /* NULL for a list */
    rk_id where[WHERE_MAX];
    size_t where_count;
    bool begun;
    rk_read_from read; /* of the last page */
    rk_buf key[2];     /* how far it has come, by side */
    rk_buf primary[2];
    rki_page page; /* its rows live in the session's arena */
    size_t row;    /* the next one to give */
};

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

static rk_status save_places(rk_iterator *iterator, const rki_page *page, rk_error *err)
{
    rk_status status = RK_OK;
    for (int i = 0; i < 2 && status == RK_OK; i++) {
        status = rk_buf_set(&iterator->key[i], page->place[i].key, err);
        if (status == RK_OK)
            status = rk_buf_set(&iterator->primary[i], page->place[i].primary, err);
    }
    return status;
}

static rk_status ask(rk_iterator *iterator, rki_page *page, rk_error *err)
{
    rki_session *session = iterator->session;
    rki_target target;
    rk_status status =
        rki_target_of_scope(session, &iterator->scope, iterator->entity, &target, err);
    if (status == RK_OK && iterator->index)
        status = find_index(target.entity, iterator->index, &page->index, err);
    if (status != RK_OK)
        return status;
    page->target = &target;
    page->aligned = rki_page_aligned(session->spec, target.entity, page->index);
    for (int i = 0; i < 2; i++)
        page->place[i] =
            (rki_place){rk_buf_slice(&iterator->key[i]), rk_buf_slice(&iterator->primary[i])};
    if (iterator->begun && !page->aligned && iterator->read != session->rule->read)
        return rk_error_set(err, RK_CONFLICT,
                            "the phase has changed, and old and new keys of %s sort differently; "
                            "begin the list again",
                            target.entity->name);
    status = rki_page_read(session, page, err);
    if (status == RK_OK)
        status = save_places(iterator, page, err);
    page->target = NULL;
    page->index = NULL;
    iterator->begun = true;
    iterator->read = session->rule->read;
    return status;
}

/* Index tables may have come into being since the last page. */
static rk_status next_page(rk_iterator *iterator, rk_error *err)
{
    rki_session *session = iterator->session;
    rki_page page = {.where = iterator->where, .where_count = iterator->where_count};
    rk_arena_reset(&session->arena);
    iterator->page = (rki_page){0};
    iterator->row = 0;
    rk_status status = rki_session_open_tables(session, iterator->entity, false, err);
    if (status == RK_OK)
        status = rki_session_begin_read(session, iterator->scope.tenant, err);
    if (status != RK_OK)
        return status;
    status = ask(iterator, &page, err);
    rki_session_end_read(session);
    if (status == RK_OK)
        iterator->page = page;
    return status;
}

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status copy_text(rk_iterator *iterator, const char *text, const char **out, rk_error *err)
{
    rk_slice copy;
    text = text ? text : "";
    rk_status status =
        rk_arena_copy(&iterator->memory, rk_slice_of(text, strlen(text) + 1), &copy, err);
    if (status == RK_OK)
        *out = (const char *)copy.ptr;
    return status;
}

static rk_status copy_question(rk_iterator *iterator, const rk_scope *scope, const char *entity,
                               const char *index, const rk_id *where, size_t where_count,
                               rk_error *err)
{
    rk_arena *memory = &iterator->memory;
    if (where_count > WHERE_MAX)
        return rk_error_set(err, RK_INVALID, "where has %zu variables; a key has at most %d",
                            where_count, WHERE_MAX);
    rk_status status = copy_text(iterator, entity, &iterator->entity, err);
    if (status == RK_OK && index)
        status = copy_text(iterator, index, &iterator->index, err);
    if (status == RK_OK)
        status = rk_arena_copy(memory, scope->tenant, &iterator->scope.tenant, err);
    if (status == RK_OK)
        status = rk_arena_copy(memory, scope->capsule, &iterator->scope.capsule, err);
    for (size_t i = 0; i < where_count && status == RK_OK; i++) {
        status = copy_text(iterator, where[i].name, &iterator->where[i].name, err);
        if (status == RK_OK)
            status = rk_arena_copy(memory, where[i].value, &iterator->where[i].value, err);
    }
    iterator->where_count = where_count;
    return status;
}

/* `index` NULL for a list. The first page is read at once, so that what is wrong is said here. */
static rk_status open_iterator(rk_client *client, const rk_scope *scope, const char *entity,
                               const char *index, const rk_id *where, size_t where_count,
                               rk_iterator **out, rk_error *err)
{
    rk_iterator *iterator = calloc(1, sizeof *iterator);
    if (!iterator)
        return rk_error_set(err, RK_NOMEM, "list: out of memory");
    rk_arena_init(&iterator->memory, QUESTION_BYTES_MAX);
    for (int i = 0; i < 2; i++) {
        rk_buf_init(&iterator->key[i], client->key_bytes_max);
        rk_buf_init(&iterator->primary[i], client->key_bytes_max);
    }
    rk_status status = copy_question(iterator, scope, entity, index, where, where_count, err);
    if (status == RK_OK)
        status = rki_session_take(client, &iterator->session, err);
    if (status == RK_OK)
        status = next_page(iterator, err);
    if (status != RK_OK) {
        rk_iterator_close(iterator);
        return status;
    }
    *out = iterator;
    return RK_OK;
}

rk_status rk_client_list(rk_client *client, const rk_scope *scope, const char *entity,
                         rk_iterator **out, rk_error *err)
{
    return open_iterator(client, scope, entity, NULL, NULL, 0, out, err);
}

rk_status rk_client_query(rk_client *client, const rk_scope *scope, const char *entity,
                          const char *index, const rk_id *where, size_t where_count,
                          rk_iterator **out, rk_error *err)
{
    return open_iterator(client, scope, entity, index ? index : "", where, where_count, out, err);
}

rk_status rk_iterator_next(rk_iterator *iterator, rk_row *out, rk_error *err)
{
    while (iterator->row == iterator->page.row_count) {
        if (iterator->page.ended)
            return RK_NOT_FOUND;
        rk_status status = next_page(iterator, err);
        if (status != RK_OK)
            return status;
    }
    const rki_row *row = &iterator->page.rows[iterator->row++];
    *out = (rk_row){.ids = row->ids, .id_count = row->id_count, .value = row->value};
    return RK_OK;
}

void rk_iterator_close(rk_iterator *iterator)
{
    if (!iterator)
        return;
    rki_session_give(iterator->session);
    for (int i = 0; i < 2; i++) {
        rk_buf_fini(&iterator->key[i]);
        rk_buf_fini(&iterator->primary[i]);
    }
    rk_arena_fini(&iterator->memory);
    free(iterator);
}
