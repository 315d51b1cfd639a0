/* wire.c: the parts that messages are made of, and the numbers that stand for statuses. */
#include "rekey/protocol/protocol_private.h"

#include <assert.h>

/* --- writing ---------------------------------------------------------------------------------- */

void rki_write_name(rk_writer *writer, const char *name)
{
    rk_write_bytes(writer, rk_slice_str(name));
}

void rki_write_id(rk_writer *writer, const uint8_t id[RK_PROTOCOL_ID_BYTES])
{
    rk_write_exactly(writer, rk_slice_of(id, RK_PROTOCOL_ID_BYTES));
}

void rki_write_scope(rk_writer *writer, const rk_scope *scope)
{
    rk_write_bytes(writer, scope->tenant);
    rk_write_bytes(writer, scope->capsule);
}

void rki_write_ids(rk_writer *writer, const rk_id *ids, size_t count)
{
    rk_write_u32(writer, count);
    for (size_t i = 0; i < count; i++) {
        rki_write_name(writer, ids[i].name);
        rk_write_bytes(writer, ids[i].value);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

bool rki_take_flag(rk_reader *reader)
{
    uint8_t flag = rk_take_u8(reader);
    if (flag > 1)
        reader->ok = false;
    return flag == 1;
}

void rki_take_id(rk_reader *reader, uint8_t out[RK_PROTOCOL_ID_BYTES])
{
    rk_slice bytes = rk_take_exactly(reader, RK_PROTOCOL_ID_BYTES);
    if (reader->ok)
        memcpy(out, bytes.ptr, RK_PROTOCOL_ID_BYTES);
}

rk_scope rki_take_scope(rk_reader *reader)
{
    rk_scope scope;
    scope.tenant = rk_take_bytes(reader);
    scope.capsule = rk_take_bytes(reader);
    return scope;
}

size_t rki_take_count(rk_reader *reader, size_t bytes_min)
{
    size_t count = rk_take_u32(reader);
    if (count > reader->rest.len / bytes_min)
        reader->ok = false;
    return reader->ok ? count : 0;
}

rk_status rki_take_room(rk_arena *arena, size_t count, size_t size, void **out, rk_error *err)
{
    void *memory = count <= SIZE_MAX / size ? rk_arena_alloc(arena, count * size) : NULL;
    if (!memory)
        return rk_error_set(err, RK_LIMIT, "read message: %zu things of %zu bytes have no room",
                            count, size);
    memset(memory, 0, count * size);
    *out = memory;
    return RK_OK;
}

rk_status rki_take_name(rk_reader *reader, rk_arena *arena, const char **out, rk_error *err)
{
    rk_slice bytes = rk_take_bytes(reader);
    void *copy = NULL;
    rk_status status = rki_take_room(arena, bytes.len + 1, 1, &copy, err);
    if (status != RK_OK)
        return status;
    if (bytes.len > 0) {
        memcpy(copy, bytes.ptr, bytes.len);
        if (memchr(bytes.ptr, '\0', bytes.len))
            reader->ok = false; /* it would be another name in C */
    }
    *out = copy;
    return RK_OK;
}

rk_status rki_take_ids(rk_reader *reader, rk_arena *arena, const rk_id **out, size_t *count,
                       rk_error *err)
{
    size_t len = rki_take_count(reader, 8);
    void *memory = NULL;
    rk_status status = rki_take_room(arena, len, sizeof(rk_id), &memory, err);
    rk_id *ids = memory;
    for (size_t i = 0; i < len && status == RK_OK && reader->ok; i++) {
        status = rki_take_name(reader, arena, &ids[i].name, err);
        ids[i].value = rk_take_bytes(reader);
    }
    if (status != RK_OK)
        return status;
    *out = ids;
    *count = len;
    return RK_OK;
}

rk_status rki_take_end(const rk_reader *reader, const char *what, size_t bytes, rk_error *err)
{
    if (rk_reader_done(reader))
        return RK_OK;
    return rk_error_set(err, RK_CORRUPT, "read %s of %zu bytes: they are not what they must be",
                        what, bytes);
}

/* --- statuses --------------------------------------------------------------------------------- */

/* Those of specs/protocol.md, whatever the order of the enumeration comes to be. */
static const struct {
    rk_status status;
    uint8_t number;
} statuses[] = {
    {RK_OK, 0},      {RK_NOT_FOUND, 1}, {RK_CONFLICT, 2}, {RK_BUSY, 3}, {RK_FULL, 4},
    {RK_TIMEOUT, 5}, {RK_UNCERTAIN, 6}, {RK_CORRUPT, 7},  {RK_AUTH, 8}, {RK_INVALID, 9},
    {RK_LIMIT, 10},  {RK_NOMEM, 11},    {RK_IO, 12},
};

uint8_t rki_status_to_wire(rk_status status)
{
    uint8_t number = UINT8_MAX;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            number = statuses[i].number;
    assert(number != UINT8_MAX);
    return number;
}

bool rki_status_from_wire(uint8_t number, rk_status *out)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].number != number)
            continue;
        *out = statuses[i].status;
        return true;
    }
    return false;
}
