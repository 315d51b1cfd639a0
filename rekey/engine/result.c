#include "rekey/engine/result.h"

#include <assert.h>

#include "rekey/base/codec.h"

#define LAYOUT          1
#define ENTRY_BYTES_MIN 21 /* digests, length, reason */
#define DETAIL_MAX      191

/* Slices of one unit that later ones may refer to. */
#define BASES_MAX (2 + 3 * RKI_UNIT_OPS_MAX)
#define COMPOSED  128
static_assert(BASES_MAX < COMPOSED, "a base and a form fit into one byte");

/* Less than this and the bytes themselves are as short. */
#define PIECE_BYTES_MIN 8

/* So many records may have gone in a row before the rest of a result is no use. */
#define MERGE_WINDOW 64

#define TABLE_META    1
#define TABLE_INDEXES 2

typedef struct bases {
    rk_slice base[BASES_MAX];
    uint32_t count;
} bases;

static void bases_init(bases *known, const rki_work *work)
{
    known->base[0] = work->key;
    known->base[1] = work->value;
    known->count = 2;
}

rki_seen rki_seen_of(const rk_short_key *walk, const rki_work *work)
{
    return (rki_seen){rk_digest_short(walk, work->key), rk_digest_short(walk, work->value)};
}

/* --- writing ---------------------------------------------------------------------------------- */

typedef struct encoder {
    rk_writer writer;
    bases known;
} encoder;

/* Whether eight bytes are the same. */
static bool same_word(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, 8) == 0;
}

static size_t common_prefix(rk_slice a, rk_slice b)
{
    size_t most = a.len < b.len ? a.len : b.len;
    size_t len = 0;
    while (most - len >= 8 && same_word(a.ptr + len, b.ptr + len))
        len += 8;
    while (len < most && a.ptr[len] == b.ptr[len])
        len++;
    return len;
}

/* Of what is behind the prefix. */
static size_t common_suffix(rk_slice a, rk_slice b, size_t prefix)
{
    size_t most = (a.len < b.len ? a.len : b.len) - prefix;
    size_t len = 0;
    while (most - len >= 8 && same_word(a.ptr + a.len - len - 8, b.ptr + b.len - len - 8))
        len += 8;
    while (len < most && a.ptr[a.len - len - 1] == b.ptr[b.len - len - 1])
        len++;
    return len;
}

/* The base whose bytes these are; the number of bases when there is none. */
static uint32_t find_base(const encoder *e, rk_slice slice)
{
    uint32_t i = 0;
    while (i < e->known.count && !rk_slice_equal(e->known.base[i], slice))
        i++;
    return i;
}

static void put_slice(encoder *e, rk_slice slice)
{
    uint32_t best = 0;
    size_t prefix = 0;
    size_t suffix = 0;
    uint32_t whole = slice.len == 0 ? 0 : find_base(e, slice);
    if (slice.len == 0 || whole < e->known.count) {
        rk_write_u8(&e->writer, (uint8_t)(slice.len == 0 ? 0 : 1 + whole));
        return;
    }
    for (uint32_t i = 0; i < e->known.count; i++) {
        rk_slice base = e->known.base[i];
        size_t before = common_prefix(slice, base);
        size_t behind = common_suffix(slice, base, before);
        if (before + behind >= PIECE_BYTES_MIN && before + behind > prefix + suffix) {
            best = i;
            prefix = before;
            suffix = behind;
        }
    }
    rk_write_u8(&e->writer, (uint8_t)(COMPOSED + best));
    rk_write_u32(&e->writer, prefix);
    rk_write_bytes(&e->writer, rk_slice_of(slice.ptr + prefix, slice.len - prefix - suffix));
    rk_write_u32(&e->writer, suffix);
    e->known.base[e->known.count++] = slice;
}

static uint32_t table_number(const rki_job *job, rk_table table)
{
    const rk_tables *tables = job->tables;
    if (table == tables->records)
        return 0;
    if (table == tables->meta)
        return TABLE_META;
    uint32_t number = 0;
    while (tables->index[number] != table) {
        number++;
        assert(number < job->spec->index_name_count);
    }
    return TABLE_INDEXES + number;
}

static void put_op(encoder *e, const rki_job *job, const rk_op *op)
{
    rk_write_u8(&e->writer, (uint8_t)(op->action + 16u * op->condition));
    rk_write_u32(&e->writer, table_number(job, op->table));
    put_slice(e, op->key);
    put_slice(e, op->value);
    put_slice(e, op->expected);
}

static void set_u32(uint8_t *at, size_t value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    rk_reader reader = rk_reader_of(rk_slice_of(at, 4));
    return rk_take_u32(&reader);
}

rk_status rki_result_begin(rk_buf *out, rk_error *err)
{
    rk_buf_reset(out);
    rk_status status = rk_put_u8(out, LAYOUT, err);
    return status == RK_OK ? rk_put_u32(out, 0, err) : status;
}

rk_status rki_result_add(rk_buf *out, const rki_job *job, const rki_seen *seen,
                         const rki_work *work, const rk_op *ops, uint32_t op_count, rk_error *err)
{
    encoder e = {.writer = rk_writer_begin(out, err)};
    rk_writer *writer = &e.writer;
    assert(out->len >= 5 && op_count <= RKI_UNIT_OPS_MAX);
    bases_init(&e.known, work);
    rk_write_u64(writer, seen->key);
    rk_write_u64(writer, seen->value);
    rk_write_u32(writer, 0); /* the body's length, see below */
    size_t body = out->len;
    rk_write_u8(writer, (uint8_t)work->reason);
    if (work->reason != RK_REASON_NONE)
        rk_write_bytes(writer, rk_slice_str(work->detail));
    else
        rk_write_u8(writer, (uint8_t)op_count);
    for (uint32_t i = 0; i < op_count && work->reason == RK_REASON_NONE; i++)
        put_op(&e, job, &ops[i]);
    rk_status status = rk_writer_end(writer);
    if (status != RK_OK)
        return status;
    set_u32(out->ptr + body - 4, out->len - body);
    set_u32(out->ptr + 1, get_u32(out->ptr + 1) + 1);
    return RK_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

rk_status rki_result_open(rk_slice bytes, size_t count_max, rk_arena *arena, rki_entry **out,
                          size_t *count, rk_error *err)
{
    rk_reader reader = rk_reader_of(bytes);
    if (rk_take_u8(&reader) != LAYOUT)
        reader.ok = false;
    size_t number = rk_take_u32(&reader);
    if (number > count_max || number > reader.rest.len / ENTRY_BYTES_MIN)
        reader.ok = false;
    rki_entry *entries = rk_arena_alloc(arena, reader.ok ? number * sizeof *entries : 0);
    if (!entries)
        return rk_error_set(err, RK_LIMIT, "read a result: %zu entries have no room", number);
    for (size_t i = 0; reader.ok && i < number; i++) {
        entries[i].seen.key = rk_take_u64(&reader);
        entries[i].seen.value = rk_take_u64(&reader);
        entries[i].body = rk_take_bytes(&reader);
    }
    if (!rk_reader_done(&reader))
        return rk_error_set(err, RK_CORRUPT, "read a result of %zu bytes: no such thing",
                            bytes.len);
    *out = entries;
    *count = number;
    return RK_OK;
}

const rki_entry *rki_merge_find(rki_merge *merge, const rki_seen *seen)
{
    for (size_t i = merge->next; i < merge->count && i < merge->next + MERGE_WINDOW; i++) {
        const rki_entry *entry = &merge->entries[i];
        if (entry->seen.key == seen->key && entry->seen.value == seen->value) {
            merge->next = i + 1;
            return entry;
        }
    }
    return NULL;
}

/* Two pieces of a base with bytes between. */
static rk_slice compose(rk_reader *reader, rk_slice base, rk_arena *arena)
{
    size_t prefix = rk_take_u32(reader);
    rk_slice between = rk_take_bytes(reader);
    size_t suffix = rk_take_u32(reader);
    if (prefix > base.len || suffix > base.len - prefix)
        reader->ok = false;
    uint8_t *bytes = reader->ok ? rk_arena_alloc(arena, prefix + between.len + suffix) : NULL;
    if (!bytes) {
        reader->ok = false;
        return RK_SLICE_EMPTY;
    }
    if (prefix > 0)
        memcpy(bytes, base.ptr, prefix);
    if (between.len > 0)
        memcpy(bytes + prefix, between.ptr, between.len);
    if (suffix > 0)
        memcpy(bytes + prefix + between.len, base.ptr + base.len - suffix, suffix);
    return rk_slice_of(bytes, prefix + between.len + suffix);
}

static rk_slice take_slice(rk_reader *reader, bases *known, rk_arena *arena)
{
    uint8_t form = rk_take_u8(reader);
    if (form == 0)
        return RK_SLICE_EMPTY;
    uint32_t base = form < COMPOSED ? form - 1u : form - (uint32_t)COMPOSED;
    if (base >= known->count)
        reader->ok = false;
    if (!reader->ok)
        return RK_SLICE_EMPTY;
    if (form < COMPOSED)
        return known->base[base];
    rk_slice slice = compose(reader, known->base[base], arena);
    known->base[known->count++] = slice; /* three an operation at most: they fit */
    return slice;
}

static bool table_of(const rki_job *job, uint32_t number, rk_table *out)
{
    const rk_tables *tables = job->tables;
    *out = RK_TABLE_NONE;
    if (number == 0)
        *out = tables->records;
    else if (number == TABLE_META)
        *out = tables->meta;
    else if (number - TABLE_INDEXES < job->spec->index_name_count)
        *out = tables->index[number - TABLE_INDEXES];
    return *out != RK_TABLE_NONE;
}

/* Index operations are of index tables and without a condition, the others of plain tables. */
static bool makes_sense(const rk_op *op, uint32_t table_number)
{
    bool of_index = op->action == RK_ACTION_INDEX_PUT || op->action == RK_ACTION_INDEX_DELETE;
    if (op->action > RK_ACTION_INDEX_DELETE || op->condition > RK_IF_ABSENT_OR_SAME)
        return false;
    if (of_index && op->condition != RK_IF_ANY)
        return false;
    return of_index == (table_number >= TABLE_INDEXES);
}

static void take_op(rk_reader *reader, const rki_job *job, bases *known, rk_arena *arena,
                    rk_op *out)
{
    const rk_store_caps *caps = rk_store_capabilities(job->store);
    uint8_t what = rk_take_u8(reader);
    uint32_t number = rk_take_u32(reader);
    *out = (rk_op){.action = what % 16, .condition = what / 16};
    if (!makes_sense(out, number) || !table_of(job, number, &out->table))
        reader->ok = false;
    out->key = take_slice(reader, known, arena);
    out->value = take_slice(reader, known, arena);
    out->expected = take_slice(reader, known, arena);
    if (out->key.len == 0 || out->key.len > caps->key_bytes_max ||
        (number >= TABLE_INDEXES && out->value.len > caps->index_value_bytes_max))
        reader->ok = false;
}

static rk_slice take_detail(rk_reader *reader, rk_arena *arena)
{
    rk_slice text = rk_take_bytes(reader);
    uint8_t *copy = NULL;
    if (text.len > DETAIL_MAX || (text.len > 0 && memchr(text.ptr, '\0', text.len)))
        reader->ok = false;
    if (reader->ok)
        copy = rk_arena_alloc(arena, text.len + 1);
    if (!copy) {
        reader->ok = false;
        return RK_SLICE_EMPTY;
    }
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return rk_slice_of(copy, text.len);
}

bool rki_result_read(const rki_job *job, rk_slice body, rki_work *work, rk_arena *arena, rk_op *ops,
                     uint32_t *op_count)
{
    bases known;
    rk_slice detail = RK_SLICE_LITERAL("");
    uint32_t count = 0;
    rk_reader reader = rk_reader_of(body);
    uint8_t reason = rk_take_u8(&reader);
    if (reason >= RK_REASON_COUNT)
        return false;
    bases_init(&known, work);
    if (reason != RK_REASON_NONE)
        detail = take_detail(&reader, arena);
    else
        count = rk_take_u8(&reader);
    if (count > RKI_UNIT_OPS_MAX)
        return false;
    for (uint32_t i = 0; reader.ok && i < count; i++)
        take_op(&reader, job, &known, arena, &ops[i]);
    if (!rk_reader_done(&reader) || (reason == RK_REASON_NONE && count == 0))
        return false;
    work->reason = (rk_reason)reason;
    work->detail = (const char *)detail.ptr;
    *op_count = count;
    return true;
}
