#include "rekey/plan/inspect_private.h"

#include <stdlib.h>

#include "rekey/record/json.h"
#include "rekey/state/state.h"

#define ENTRY_BYTES_MAX   (1024 * 1024)
#define TEXTS_BYTES_MAX   (64 * 1024 * 1024)
#define SCRATCH_BYTES_MAX (1024 * 1024)
#define SAMPLES_FIRST     32 /* entries looked at closely in the first batch; then one each */

/* --- reader ----------------------------------------------------------------------------------- */

rk_status rki_reader_open(rki_reader *reader, rk_view *view, rk_table table, rk_table_kind kind,
                          rk_error *err)
{
    *reader = (rki_reader){.view = view, .kind = kind};
    rk_buf_init(&reader->key, ENTRY_BYTES_MAX);
    rk_buf_init(&reader->value, ENTRY_BYTES_MAX);
    return rk_cursor_open(view, table, &reader->cursor, err);
}

void rki_reader_close(rki_reader *reader)
{
    if (reader->cursor)
        rk_cursor_close(reader->cursor);
    rk_buf_fini(&reader->key);
    rk_buf_fini(&reader->value);
    *reader = (rki_reader){0};
}

rk_status rki_reader_resume(rki_reader *reader, rk_entry *entry, rk_error *err)
{
    rk_slice key = rk_buf_slice(&reader->key);
    rk_slice value = rk_buf_slice(&reader->value);
    if (!reader->started)
        return rk_cursor_seek(reader->cursor, RK_SLICE_EMPTY, entry, err);
    bool index = reader->kind == RK_TABLE_INDEX;
    rk_status status = index ? rk_cursor_seek_entry(reader->cursor, key, value, entry, err)
                             : rk_cursor_seek(reader->cursor, key, entry, err);
    if (status == RK_OK && rk_slice_equal(entry->key, key) &&
        (!index || rk_slice_equal(entry->value, value)))
        return rk_cursor_next(reader->cursor, entry, err);
    return status;
}

rk_status rki_reader_next(rki_reader *reader, rk_entry *entry, rk_error *err)
{
    return rk_cursor_next(reader->cursor, entry, err);
}

rk_status rki_reader_keep(rki_reader *reader, const rk_entry *entry, rk_error *err)
{
    rk_status status = rk_buf_set(&reader->key, entry->key, err);
    if (status == RK_OK && reader->kind == RK_TABLE_INDEX)
        status = rk_buf_set(&reader->value, entry->value, err);
    if (status == RK_OK)
        reader->started = true;
    return status;
}

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_inspect_kind kind_of(const rk_table_info *listed)
{
    if (strcmp(listed->name, RK_META_TABLE) == 0)
        return RK_INSPECT_REKEY;
    if (!listed->ordinary)
        return RK_INSPECT_OTHER;
    return listed->kind == RK_TABLE_INDEX ? RK_INSPECT_INDEX : RK_INSPECT_RECORDS;
}

static bool is_read(const rki_table *table)
{
    return table->info.kind == RK_INSPECT_RECORDS || table->info.kind == RK_INSPECT_INDEX;
}

static rk_status open_table(rk_inspect *inspect, size_t at, rk_error *err)
{
    const rk_table_info *listed = &inspect->listed[at];
    rki_table *table = &inspect->table[at];
    table->table = RK_TABLE_NONE;
    table->info.name = listed->name;
    table->info.kind = kind_of(listed);
    table->info.entries = listed->entries;
    table->info.bytes = listed->bytes;
    if (!is_read(table))
        return RK_OK;
    table->info.entries = 0;
    table->info.bytes = 0;
    inspect->expected += listed->entries;
    table->points = calloc(inspect->table_count, sizeof *table->points);
    if (!table->points)
        return rk_error_set(err, RK_NOMEM, "inspect table '%s': out of memory", listed->name);
    return rk_store_table(inspect->store, listed->name, listed->kind, false, &table->table, err);
}

static rk_status open_tables(rk_inspect *inspect, rk_error *err)
{
    rk_status status =
        rk_store_tables(inspect->store, &inspect->listed, &inspect->table_count, err);
    if (status != RK_OK)
        return status;
    if (inspect->table_count > RK_INSPECT_TABLES_MAX)
        return rk_error_set(err, RK_LIMIT, "inspect a store of %zu tables: at most %d",
                            inspect->table_count, RK_INSPECT_TABLES_MAX);
    inspect->table = calloc(inspect->table_count + 1, sizeof *inspect->table);
    inspect->info = calloc(inspect->table_count + 1, sizeof *inspect->info);
    if (!inspect->table || !inspect->info)
        return rk_error_set(err, RK_NOMEM, "inspect a store: out of memory");
    for (size_t i = 0; i < inspect->table_count; i++) {
        status = open_table(inspect, i, err);
        if (status != RK_OK)
            return status;
    }
    return rk_snapshot_open(inspect->store, &inspect->view, err);
}

rk_status rk_inspect_start(rk_store *store, rk_inspect **out, rk_error *err)
{
    rk_inspect *inspect = calloc(1, sizeof *inspect);
    if (!inspect)
        return rk_error_set(err, RK_NOMEM, "inspect a store: out of memory");
    inspect->store = store;
    rk_arena_init(&inspect->arena, TEXTS_BYTES_MAX);
    rk_arena_init(&inspect->scratch, SCRATCH_BYTES_MAX);
    rk_status status = open_tables(inspect, err);
    if (status != RK_OK) {
        rk_inspect_destroy(inspect);
        return status;
    }
    *out = inspect;
    return RK_OK;
}

void rk_inspect_destroy(rk_inspect *inspect)
{
    if (!inspect)
        return;
    rki_reader_close(&inspect->reader);
    if (inspect->view)
        rk_snapshot_close(inspect->view);
    for (size_t i = 0; inspect->table && i < inspect->table_count; i++) {
        rki_tree_fini(&inspect->table[i].tree);
        free(inspect->table[i].shapes);
        free(inspect->table[i].points);
    }
    rk_arena_fini(&inspect->arena);
    rk_arena_fini(&inspect->scratch);
    free(inspect->table);
    free(inspect->info);
    free(inspect->listed);
    free(inspect);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Whether a value is JSON, or, in an index, of which table it is a key. */
static rk_status sample(rk_inspect *inspect, rki_table *table, const rk_entry *entry, rk_error *err)
{
    table->sampled++;
    if (table->info.kind == RK_INSPECT_RECORDS) {
        rk_arena_reset(&inspect->scratch);
        if (rk_json_find(entry->value, NULL, 0, NULL, &inspect->scratch, NULL) == RK_OK)
            table->json++;
        return RK_OK;
    }
    for (size_t i = 0; i < inspect->table_count; i++) {
        if (inspect->table[i].info.kind != RK_INSPECT_RECORDS)
            continue;
        rk_slice value;
        rk_status status =
            rk_view_get(inspect->view, inspect->table[i].table, entry->value, &value, err);
        if (status == RK_OK)
            table->points[i]++;
        else if (status != RK_NOT_FOUND)
            return status;
    }
    return RK_OK;
}

static rk_status take_entry(rk_inspect *inspect, rki_table *table, const rk_entry *entry,
                            bool closely, rk_error *err)
{
    table->info.entries++;
    table->info.bytes += entry->key.len + entry->value.len;
    inspect->scanned++;
    rk_status status = rki_tree_add(&table->tree, entry->key, entry->value.len, err);
    if (status == RK_OK && closely)
        status = sample(inspect, table, entry, err);
    return status;
}

/* RK_NOT_FOUND when the table is read to its end. */
static rk_status read_batch(rk_inspect *inspect, rki_table *table, rk_error *err)
{
    rki_reader *reader = &inspect->reader;
    size_t samples = reader->started ? 1 : SAMPLES_FIRST;
    rk_entry entry;
    rk_status status = rki_reader_resume(reader, &entry, err);
    for (size_t i = 0; status == RK_OK; i++) {
        status = take_entry(inspect, table, &entry, i < samples, err);
        if (status != RK_OK)
            return status;
        if (i + 1 == RKI_BATCH_ENTRIES)
            return rki_reader_keep(reader, &entry, err);
        status = rki_reader_next(reader, &entry, err);
    }
    return status;
}

/* --- shapes ----------------------------------------------------------------------------------- */

typedef struct collect {
    rk_inspect *inspect;
    rki_table *table;
    rk_buf text;
    rk_error *err;
} collect;

static rk_status make_room(rki_table *table, rk_error *err)
{
    if (table->info.shape_count < table->shape_cap)
        return RK_OK;
    size_t cap = table->shape_cap ? table->shape_cap * 2 : 16;
    rk_inspect_shape *shapes = realloc(table->shapes, cap * sizeof *shapes);
    if (!shapes)
        return rk_error_set(err, RK_NOMEM, "inspect table '%s': out of memory", table->info.name);
    table->shapes = shapes;
    table->shape_cap = cap;
    return RK_OK;
}

static rk_status collect_shape(void *context, const rki_key_shape *shape)
{
    collect *c = context;
    rki_table *table = c->table;
    const rki_key_node *node = &table->tree.node[shape->node];
    if (table->info.shape_count == RK_INSPECT_SHAPES_MAX) {
        table->info.left_out += node->records;
        return RK_OK;
    }
    char name[RK_SEGMENTS_MAX][RK_NAME_BYTES_MAX + 1];
    rki_shape_names(shape, name);
    rk_buf_reset(&c->text);
    rk_slice text;
    rk_status status = rki_shape_text(shape, name, &c->text, c->err);
    if (status == RK_OK)
        status = rk_buf_append_byte(&c->text, '\0', c->err);
    if (status == RK_OK)
        status = rk_arena_copy(&c->inspect->arena, rk_buf_slice(&c->text), &text, c->err);
    if (status == RK_OK)
        status = make_room(table, c->err);
    if (status != RK_OK)
        return status;
    table->shapes[table->info.shape_count++] =
        (rk_inspect_shape){(const char *)text.ptr, node->records, node->bytes};
    return RK_OK;
}

static int compare_shapes(const void *a, const void *b)
{
    const rk_inspect_shape *x = a;
    const rk_inspect_shape *y = b;
    if (x->records != y->records)
        return x->records < y->records ? 1 : -1;
    return strcmp(x->text, y->text);
}

static void name_indexed_table(rk_inspect *inspect, rki_table *table)
{
    uint32_t most = 0;
    for (size_t i = 0; i < inspect->table_count; i++) {
        if (table->points[i] <= most || table->points[i] * 2 < table->sampled)
            continue;
        most = table->points[i];
        table->info.index_of = inspect->table[i].info.name;
    }
}

static rk_status finish_table(rk_inspect *inspect, rki_table *table, rk_error *err)
{
    collect c = {.inspect = inspect, .table = table, .err = err};
    rk_buf_init(&c.text, ENTRY_BYTES_MAX);
    rki_tree_settle(&table->tree);
    table->info.left_out = table->tree.left_out_records;
    rk_status status = rki_tree_each(&table->tree, collect_shape, &c);
    rk_buf_fini(&c.text);
    if (status != RK_OK)
        return status;
    if (table->info.shape_count > 0)
        qsort(table->shapes, table->info.shape_count, sizeof *table->shapes, compare_shapes);
    table->info.shapes = table->shapes;
    if (table->info.kind == RK_INSPECT_INDEX)
        name_indexed_table(inspect, table);
    rki_reader_close(&inspect->reader);
    return RK_OK;
}

rk_status rk_inspect_step(rk_inspect *inspect, uint64_t *scanned, uint64_t *expected,
                          bool *finished, rk_error *err)
{
    while (inspect->at < inspect->table_count && !is_read(&inspect->table[inspect->at]))
        inspect->at++;
    rk_status status = RK_OK;
    if (inspect->at < inspect->table_count) {
        rki_table *table = &inspect->table[inspect->at];
        status = rk_snapshot_renew(inspect->view, err);
        if (status == RK_OK && !inspect->reader.cursor)
            status = rki_reader_open(&inspect->reader, inspect->view, table->table,
                                     inspect->listed[inspect->at].kind, err);
        if (status == RK_OK)
            status = read_batch(inspect, table, err);
        if (status == RK_NOT_FOUND) {
            status = finish_table(inspect, table, err);
            inspect->at++;
        }
    }
    rk_snapshot_release(inspect->view);
    if (status != RK_OK)
        return status;
    *scanned = inspect->scanned;
    *expected = inspect->expected > inspect->scanned ? inspect->expected : inspect->scanned;
    *finished = inspect->at >= inspect->table_count;
    for (size_t i = 0; *finished && i < inspect->table_count; i++)
        inspect->info[i] = inspect->table[i].info;
    return RK_OK;
}

const rk_inspect_table *rk_inspect_tables(const rk_inspect *inspect, size_t *count)
{
    *count = inspect->table_count;
    return inspect->info;
}

const char *rk_inspect_kind_name(rk_inspect_kind kind)
{
    switch (kind) {
    case RK_INSPECT_RECORDS:
        return "records";
    case RK_INSPECT_INDEX:
        return "index";
    case RK_INSPECT_REKEY:
        return "rekey";
    case RK_INSPECT_OTHER:
        break;
    }
    return "other";
}
