/* batch.c: operations on records, and what came of them. */
#include "rekey/protocol/protocol_private.h"

#include <assert.h>
#include <stdlib.h>

#define OPERATION_BYTES_MIN 9 /* verb, entity's length, number of ids */

/* --- requests --------------------------------------------------------------------------------- */

/* By their numbers in specs/protocol.md; 0 is none. */
static const rk_verb verbs[] = {
    [1] = RK_GET, [2] = RK_PUT, [3] = RK_PUT_IF_ABSENT, [4] = RK_COMPARE_AND_PUT, [5] = RK_DELETE};
#define VERB_END (sizeof verbs / sizeof *verbs)

static bool has_value(rk_verb verb)
{
    return verb == RK_PUT || verb == RK_PUT_IF_ABSENT || verb == RK_COMPARE_AND_PUT;
}

static void write_operation(rk_writer *writer, const rk_operation *operation)
{
    size_t number = 1;
    while (number < VERB_END && verbs[number] != operation->verb)
        number++;
    if (number == VERB_END && writer->status == RK_OK)
        writer->status =
            rk_error_set(writer->err, RK_INVALID, "%d is no verb of a batch", (int)operation->verb);
    rk_write_u8(writer, (uint8_t)number);
    rki_write_name(writer, operation->entity);
    rki_write_ids(writer, operation->ids, operation->id_count);
    if (has_value(operation->verb))
        rk_write_bytes(writer, operation->value);
    if (operation->verb == RK_COMPARE_AND_PUT)
        rk_write_bytes(writer, operation->expected);
}

rk_status rk_batch_encode(const rk_batch_request *batch, rk_buf *out, rk_error *err)
{
    rk_writer writer = rk_writer_begin(out, err);
    assert(batch->count <= RK_BATCH_MAX && (!batch->is_single || batch->count == 1));
    rki_write_scope(&writer, &batch->scope);
    rk_write_u8(&writer, batch->is_single);
    rk_write_u32(&writer, batch->count);
    for (size_t i = 0; i < batch->count; i++)
        write_operation(&writer, &batch->operations[i]);
    return rk_writer_end(&writer);
}

static rk_status take_operation(rk_reader *reader, rk_arena *arena, rk_operation *out,
                                rk_error *err)
{
    uint8_t number = rk_take_u8(reader);
    if (number == 0 || number >= VERB_END)
        reader->ok = false;
    if (!reader->ok)
        return RK_OK;
    out->verb = verbs[number];
    rk_status status = rki_take_name(reader, arena, &out->entity, err);
    if (status == RK_OK)
        status = rki_take_ids(reader, arena, &out->ids, &out->id_count, err);
    if (status == RK_OK && has_value(out->verb))
        out->value = rk_take_bytes(reader);
    if (status == RK_OK && out->verb == RK_COMPARE_AND_PUT)
        out->expected = rk_take_bytes(reader);
    return status;
}

rk_status rk_batch_decode(rk_slice body, rk_arena *arena, rk_batch_request *out, rk_error *err)
{
    rk_reader reader = rk_reader_of(body);
    rk_batch_request batch = {.scope = rki_take_scope(&reader)};
    void *operations = NULL;
    batch.is_single = rki_take_flag(&reader);
    batch.count = rki_take_count(&reader, OPERATION_BYTES_MIN);
    if (batch.count > RK_BATCH_MAX || (batch.is_single && batch.count != 1))
        reader.ok = false;
    if (!reader.ok)
        return rki_take_end(&reader, "batch", body.len, err);
    rk_status status = rki_take_room(arena, batch.count, sizeof(rk_operation), &operations, err);
    batch.operations = operations;
    for (size_t i = 0; i < batch.count && status == RK_OK && reader.ok; i++)
        status = take_operation(&reader, arena, &batch.operations[i], err);
    if (status == RK_OK)
        status = rki_take_end(&reader, "batch", body.len, err);
    if (status == RK_OK)
        *out = batch;
    return status;
}

/* --- results ---------------------------------------------------------------------------------- */

static void write_result(rk_writer *writer, const rk_operation *operation)
{
    rk_write_u8(writer, rki_status_to_wire(operation->status));
    if (operation->verb == RK_GET && operation->status == RK_OK)
        rk_write_bytes(writer, operation->found.bytes);
}

rk_status rk_batch_result_encode(const rk_batch_request *batch, rk_status status, size_t failed,
                                 rk_buf *out, rk_error *err)
{
    rk_writer writer = rk_writer_begin(out, err);
    if (status != RK_OK) {
        rk_write_u32(&writer, failed);
        return rk_writer_end(&writer);
    }
    rk_write_u32(&writer, batch->count);
    for (size_t i = 0; i < batch->count; i++)
        write_result(&writer, &batch->operations[i]);
    return rk_writer_end(&writer);
}

/* What came of one operation. */
static rk_slice take_result(rk_reader *reader, rk_verb verb, rk_status *status)
{
    bool may_miss = verb == RK_GET || verb == RK_DELETE;
    if (!rki_status_from_wire(rk_take_u8(reader), status) ||
        (*status != RK_OK && !(*status == RK_NOT_FOUND && may_miss)))
        reader->ok = false;
    return verb == RK_GET && *status == RK_OK ? rk_take_bytes(reader) : RK_SLICE_EMPTY;
}

/* Whether the bytes are one result an operation, and nothing else. */
static rk_status check_results(rk_reader reader, const rk_operation *operations, size_t count,
                               size_t bytes, rk_error *err)
{
    if (rk_take_u32(&reader) != count)
        reader.ok = false;
    for (size_t i = 0; i < count && reader.ok; i++) {
        rk_status status = RK_OK;
        (void)take_result(&reader, operations[i].verb, &status);
    }
    return rki_take_end(&reader, "result of a batch", bytes, err);
}

static rk_status own(rk_slice bytes, rk_value *out, rk_error *err)
{
    void *memory = malloc(bytes.len > 0 ? bytes.len : 1);
    if (!memory)
        return rk_error_set(err, RK_NOMEM, "result of a batch: no %zu bytes for a value",
                            bytes.len);
    if (bytes.len > 0)
        memcpy(memory, bytes.ptr, bytes.len);
    *out = (rk_value){.bytes = rk_slice_of(memory, bytes.len), .memory = memory};
    return RK_OK;
}

static rk_status fill_results(rk_reader reader, rk_operation *operations, size_t count,
                              rk_error *err)
{
    (void)rk_take_u32(&reader);
    for (size_t i = 0; i < count; i++) {
        rk_operation *operation = &operations[i];
        rk_slice bytes = take_result(&reader, operation->verb, &operation->status);
        operation->found = (rk_value){0};
        if (operation->verb != RK_GET || operation->status != RK_OK)
            continue;
        rk_status status = own(bytes, &operation->found, err);
        if (status == RK_OK)
            continue;
        for (size_t j = 0; j < i; j++) {
            free(operations[j].found.memory);
            operations[j].found = (rk_value){0};
        }
        return status;
    }
    return RK_OK;
}

static rk_status take_failed(rk_reader reader, size_t count, size_t bytes, size_t *out,
                             rk_error *err)
{
    size_t failed = rk_take_u32(&reader);
    if (failed > count)
        reader.ok = false;
    rk_status status = rki_take_end(&reader, "result of a batch", bytes, err);
    if (status == RK_OK)
        *out = failed;
    return status;
}

rk_status rk_batch_result_decode(rk_slice body, rk_status status, rk_operation *operations,
                                 size_t count, size_t *failed, rk_error *err)
{
    rk_reader reader = rk_reader_of(body);
    if (status != RK_OK)
        return take_failed(reader, count, body.len, failed, err);
    rk_status decoded = check_results(reader, operations, count, body.len, err);
    if (decoded == RK_OK)
        decoded = fill_results(reader, operations, count, err);
    if (decoded == RK_OK)
        *failed = count;
    return decoded;
}
