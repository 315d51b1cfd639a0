/* client.c: the public functions. They check what is the same for every kind of client, and call
 * through its table. */
#include <stdlib.h>

#include "rekey/client/ops_private.h"
#include "rekey/pattern/pattern.h"
#include "store/location.h"

/* --- life cycle ------------------------------------------------------------------------------- */

void rk_value_fini(rk_value *value)
{
    if (!value)
        return;
    free(value->memory);
    *value = (rk_value){0};
}

rk_status rk_client_open(const char *location, const rk_client_options *options, rk_client **out,
                         rk_error *err)
{
    static const rk_client_options usual = {0};
    rk_location place;
    options = options ? options : &usual;
    rk_status status = rk_location_parse(location, &place, err);
    if (status != RK_OK)
        return status;
    if (place.kind == RK_LOCATION_CLUSTER)
        return rki_remote_open(place.path, options, out, err);
    return rki_local_open(location, place.path, options, out, err);
}

void rk_client_close(rk_client *client)
{
    if (client)
        client->ops->close(client);
}

bool rk_client_holds_json(rk_client *client)
{
    return client->ops->holds_json(client);
}

rk_comparisons rk_client_comparisons(rk_client *client)
{
    return client->ops->comparisons(client);
}

/* --- records ---------------------------------------------------------------------------------- */

const char *rki_verb_name(rk_verb verb)
{
    static const char *const names[] = {[RK_GET] = "get",
                                        [RK_PUT] = "put",
                                        [RK_PUT_IF_ABSENT] = "put if absent",
                                        [RK_COMPARE_AND_PUT] = "compare and put",
                                        [RK_DELETE] = "delete"};
    return (unsigned)verb < sizeof names / sizeof *names ? names[verb] : "?";
}

rk_status rki_batch_context(rk_error *err, rk_status status, const rk_operation *operations,
                            size_t count, size_t failed)
{
    if (failed >= count)
        return status;
    const rk_operation *culprit = &operations[failed];
    return rk_error_context(err, status, "operation %zu of %zu, %s %.64s", failed + 1, count,
                            rki_verb_name(culprit->verb), culprit->entity ? culprit->entity : "");
}

bool rki_only_gets(const rk_operation *operations, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (operations[i].verb != RK_GET)
            return false;
    return true;
}

rk_status rki_refuse_write(rk_error *err)
{
    return rk_error_set(err, RK_INVALID, "the client is read-only");
}

rk_status rki_value_copy(rk_slice bytes, rk_value *out, rk_error *err)
{
    uint8_t *memory = malloc(bytes.len + 1);
    if (!memory)
        return rk_error_set(err, RK_NOMEM, "no memory for a value of %zu bytes", bytes.len);
    if (bytes.len > 0)
        memcpy(memory, bytes.ptr, bytes.len);
    *out = (rk_value){.bytes = rk_slice_of(memory, bytes.len), .memory = memory};
    return RK_OK;
}

rk_status rk_client_batch(rk_client *client, const rk_scope *scope, rk_operation *operations,
                          size_t count, size_t *failed, rk_error *err)
{
    size_t ignored;
    failed = failed ? failed : &ignored;
    *failed = count;
    if (count > RK_BATCH_MAX)
        return rk_error_set(err, RK_INVALID, "a batch of %zu operations; at most %d", count,
                            RK_BATCH_MAX);
    if (count == 0)
        return RK_OK;
    return client->ops->batch(client, scope, operations, count, false, failed, err);
}

static rk_status one(rk_client *client, const rk_scope *scope, rk_operation *operation,
                     rk_error *err)
{
    size_t failed = 1;
    rk_status status = client->ops->batch(client, scope, operation, 1, true, &failed, err);
    return status == RK_OK ? operation->status : status;
}

rk_status rk_client_get(rk_client *client, const rk_scope *scope, const char *entity,
                        const rk_id *ids, size_t id_count, rk_value *out, rk_error *err)
{
    rk_operation operation = {.verb = RK_GET, .entity = entity, .ids = ids, .id_count = id_count};
    rk_status status = one(client, scope, &operation, err);
    if (status == RK_OK)
        *out = operation.found;
    return status;
}

rk_status rk_client_put(rk_client *client, const rk_scope *scope, const char *entity,
                        const rk_id *ids, size_t id_count, rk_slice value, rk_error *err)
{
    rk_operation operation = {
        .verb = RK_PUT, .entity = entity, .ids = ids, .id_count = id_count, .value = value};
    return one(client, scope, &operation, err);
}

rk_status rk_client_put_if_absent(rk_client *client, const rk_scope *scope, const char *entity,
                                  const rk_id *ids, size_t id_count, rk_slice value, rk_error *err)
{
    rk_operation operation = {.verb = RK_PUT_IF_ABSENT,
                              .entity = entity,
                              .ids = ids,
                              .id_count = id_count,
                              .value = value};
    return one(client, scope, &operation, err);
}

rk_status rk_client_compare_and_put(rk_client *client, const rk_scope *scope, const char *entity,
                                    const rk_id *ids, size_t id_count, rk_slice expected,
                                    rk_slice value, rk_error *err)
{
    rk_operation operation = {.verb = RK_COMPARE_AND_PUT,
                              .entity = entity,
                              .ids = ids,
                              .id_count = id_count,
                              .value = value,
                              .expected = expected};
    return one(client, scope, &operation, err);
}

rk_status rk_client_delete(rk_client *client, const rk_scope *scope, const char *entity,
                           const rk_id *ids, size_t id_count, rk_error *err)
{
    rk_operation operation = {
        .verb = RK_DELETE, .entity = entity, .ids = ids, .id_count = id_count};
    return one(client, scope, &operation, err);
}

/* --- lists and queries ------------------------------------------------------------------------ */

static rk_status copy_text(rk_arena *memory, const char *text, const char **out, rk_error *err)
{
    rk_slice copy;
    text = text ? text : "";
    rk_status status = rk_arena_copy(memory, rk_slice_of(text, strlen(text) + 1), &copy, err);
    if (status == RK_OK)
        *out = (const char *)copy.ptr;
    return status;
}

static rk_status copy_ids(rk_arena *memory, const rk_id *ids, size_t count, const rk_id **out,
                          rk_error *err)
{
    rk_id *copies = rk_arena_alloc(memory, count * sizeof *copies);
    rk_status status =
        copies ? RK_OK : rk_error_set(err, RK_LIMIT, "list: no room for %zu variables", count);
    for (size_t i = 0; i < count && status == RK_OK; i++) {
        status = copy_text(memory, ids[i].name, &copies[i].name, err);
        if (status == RK_OK)
            status = rk_arena_copy(memory, ids[i].value, &copies[i].value, err);
    }
    if (status == RK_OK)
        *out = copies;
    return status;
}

rk_status rki_question_copy(const rk_question *question, rk_arena *memory, rk_question *out,
                            rk_error *err)
{
    rk_question copy = *question;
    if (question->where_count > RK_SEGMENTS_MAX)
        return rk_error_set(err, RK_INVALID, "where has %zu variables; a key has at most %d",
                            question->where_count, RK_SEGMENTS_MAX);
    rk_status status = copy_text(memory, question->entity, &copy.entity, err);
    if (status == RK_OK && question->index)
        status = copy_text(memory, question->index, &copy.index, err);
    if (status == RK_OK)
        status = rk_arena_copy(memory, question->scope.tenant, &copy.scope.tenant, err);
    if (status == RK_OK)
        status = rk_arena_copy(memory, question->scope.capsule, &copy.scope.capsule, err);
    if (status == RK_OK)
        status = copy_ids(memory, question->where, question->where_count, &copy.where, err);
    if (status == RK_OK)
        *out = copy;
    return status;
}

rk_status rki_no_position(const char *entity, rk_error *err)
{
    return rk_error_set(err, RK_INVALID,
                        "%s is being moved, and its old and new keys sort differently: read this "
                        "list to its end",
                        entity);
}

static rk_status ask(rk_client *client, rk_question *question, const rk_list_options *options,
                     rk_iterator **out, rk_error *err)
{
    static const rk_list_options usual = {0};
    options = options ? options : &usual;
    if (options->page_rows_max > RK_PAGE_ROWS_MAX)
        return rk_error_set(err, RK_INVALID, "a page of %zu rows; at most %d",
                            options->page_rows_max, RK_PAGE_ROWS_MAX);
    question->after = options->after;
    question->page_rows_max = options->page_rows_max ? options->page_rows_max : RK_PAGE_ROWS_MAX;
    return client->ops->ask(client, question, out, err);
}

rk_status rk_client_list(rk_client *client, const rk_scope *scope, const char *entity,
                         const rk_list_options *options, rk_iterator **out, rk_error *err)
{
    rk_question question = {.scope = *scope, .entity = entity};
    return ask(client, &question, options, out, err);
}

rk_status rk_client_query(rk_client *client, const rk_scope *scope, const char *entity,
                          const char *index, const rk_id *where, size_t where_count,
                          const rk_list_options *options, rk_iterator **out, rk_error *err)
{
    rk_question question = {.scope = *scope,
                            .entity = entity,
                            .index = index ? index : "",
                            .where = where,
                            .where_count = where_count};
    return ask(client, &question, options, out, err);
}

rk_status rk_iterator_next(rk_iterator *iterator, rk_row *out, rk_error *err)
{
    return iterator->ops->next(iterator, out, err);
}

rk_status rk_iterator_position(const rk_iterator *iterator, rk_value *out, rk_error *err)
{
    return iterator->ops->position(iterator, out, err);
}

void rk_iterator_close(rk_iterator *iterator)
{
    if (iterator)
        iterator->ops->close(iterator);
}
