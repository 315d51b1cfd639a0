#include <stdlib.h>
#include <string.h>

#include "rekey/report/report_private.h"

/* --- one store -------------------------------------------------------------------------------- */

static json_t *shapes_json(const rk_inspect_table *table)
{
    json_t *shapes = json_array();
    for (size_t i = 0; i < table->shape_count; i++) {
        const rk_inspect_shape *shape = &table->shapes[i];
        json_array_append_new(shapes, json_pack("{s:s, s:o, s:o}", "shape", shape->text, "records",
                                                rki_report_count(shape->records), "bytes",
                                                rki_report_count(shape->bytes)));
    }
    return shapes;
}

static json_t *table_json(const rk_inspect_table *table)
{
    json_t *object = json_pack(
        "{s:o, s:s, s:o, s:o, s:o}", "name", rki_report_escaped(rk_slice_str(table->name)), "kind",
        rk_inspect_kind_name(table->kind), "entries", rki_report_count(table->entries), "bytes",
        rki_report_count(table->bytes), "shapes", shapes_json(table));
    if (table->index_of)
        json_object_set_new(object, "index_of", rki_report_escaped(rk_slice_str(table->index_of)));
    if (table->left_out > 0)
        json_object_set_new(object, "left_out", rki_report_count(table->left_out));
    return object;
}

json_t *rk_report_inspect(const rk_inspect *inspect)
{
    size_t count = 0;
    const rk_inspect_table *tables = rk_inspect_tables(inspect, &count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, table_json(&tables[i]));
    return json_pack("{s:o}", "tables", list);
}

/* --- within a message ------------------------------------------------------------------------- */

void rk_report_inspect_fit(json_t *report, size_t bytes_max)
{
    static const rki_fit shapes = {.rows = "tables",
                                   .list = "shapes",
                                   .list_max = RK_INSPECT_SHAPES_MAX,
                                   .count = "records",
                                   .rest = "left_out"};
    rki_report_fit(report, &shapes, bytes_max);
}

/* --- several nodes ---------------------------------------------------------------------------- */

/* The row whose members of these names have the same texts; NULL for none. */
static json_t *find_row(const json_t *rows, const json_t *row, const char *const *names)
{
    size_t i;
    json_t *there;
    json_array_foreach(rows, i, there)
    {
        size_t same = 0;
        while (names[same] &&
               strcmp(rk_report_text(there, names[same]), rk_report_text(row, names[same])) == 0)
            same++;
        if (!names[same])
            return there;
    }
    return NULL;
}

static void add_shapes(json_t *sum, const json_t *part)
{
    static const char *const by[] = {"shape", NULL};
    size_t i;
    json_t *shape;
    json_array_foreach(part, i, shape)
    {
        json_t *there = find_row(sum, shape, by);
        if (there) {
            rki_report_add(there, "records", rk_report_integer(shape, "records"));
            rki_report_add(there, "bytes", rk_report_integer(shape, "bytes"));
        } else {
            json_array_append_new(sum, json_deep_copy(shape));
        }
    }
}

static void add_table(json_t *sum, const json_t *table)
{
    rki_report_add(sum, "entries", rk_report_integer(table, "entries"));
    rki_report_add(sum, "bytes", rk_report_integer(table, "bytes"));
    add_shapes(json_object_get(sum, "shapes"), json_object_get(table, "shapes"));
    if (json_object_get(table, "left_out"))
        rki_report_add(sum, "left_out", rk_report_integer(table, "left_out"));
    if (!json_object_get(sum, "index_of") && json_object_get(table, "index_of"))
        json_object_set(sum, "index_of", json_object_get(table, "index_of"));
}

static int compare_shapes(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a;
    const json_t *y = *(json_t *const *)b;
    uint64_t more = rk_report_integer(x, "records");
    uint64_t less = rk_report_integer(y, "records");
    if (more != less)
        return more < less ? 1 : -1;
    return strcmp(rk_report_text(x, "shape"), rk_report_text(y, "shape"));
}

/* Most records first, as in one store. Left as they are when there is no memory. */
static void sort_shapes(json_t *table)
{
    json_t *shapes = json_object_get(table, "shapes");
    size_t count = json_array_size(shapes);
    json_t **rows = calloc(count + 1, sizeof(json_t *));
    json_t *sorted = json_array();
    if (rows && sorted) {
        for (size_t i = 0; i < count; i++)
            rows[i] = json_array_get(shapes, i);
        qsort(rows, count, sizeof *rows, compare_shapes);
        for (size_t i = 0; i < count; i++)
            json_array_append(sorted, rows[i]);
        json_object_set(table, "shapes", sorted);
    }
    json_decref(sorted);
    free(rows);
}

static void add_part(json_t *tables, const json_t *report)
{
    static const char *const by[] = {"name", "kind", NULL};
    size_t i;
    json_t *table;
    json_array_foreach(json_object_get(report, "tables"), i, table)
    {
        json_t *there = find_row(tables, table, by);
        if (there)
            add_table(there, table);
        else
            json_array_append_new(tables, json_deep_copy(table));
    }
}

uint64_t rk_report_inspect_records(const json_t *report)
{
    json_t *sum = json_object();
    size_t i;
    json_t *table;
    json_array_foreach(json_object_get(report, "tables"), i, table)
    {
        if (strcmp(rk_report_text(table, "kind"), rk_inspect_kind_name(RK_INSPECT_RECORDS)) == 0)
            rki_report_add(sum, "records", rk_report_integer(table, "entries"));
    }
    uint64_t records = rk_report_integer(sum, "records");
    json_decref(sum);
    return records;
}

json_t *rk_report_inspect_merge(const rk_report_part *parts, size_t count, rk_error *err)
{
    json_t *tables = json_array();
    json_t *nodes = json_array();
    for (size_t i = 0; i < count; i++) {
        add_part(tables, parts[i].report);
        json_array_append_new(
            nodes, json_pack("{s:s, s:o}", "name", parts[i].node, "records",
                             rki_report_count(rk_report_inspect_records(parts[i].report))));
    }
    for (size_t i = 0; i < json_array_size(tables); i++)
        sort_shapes(json_array_get(tables, i));
    json_t *sum = json_pack("{s:o, s:o}", "tables", tables, "nodes", nodes);
    if (!sum)
        rk_error_set(err, RK_NOMEM, "add up the nodes' reports: out of memory");
    return sum;
}

json_t *rk_report_inspect_unseen(const json_t *whole, const json_t *part)
{
    static const char *const by_table[] = {"name", "kind", NULL};
    static const char *const by_shape[] = {"shape", NULL};
    json_t *unseen = json_array();
    size_t i;
    size_t j;
    json_t *table;
    json_t *shape;
    json_array_foreach(json_object_get(whole, "tables"), i, table)
    {
        const json_t *there = find_row(json_object_get(part, "tables"), table, by_table);
        json_array_foreach(json_object_get(table, "shapes"), j, shape)
        {
            if (!find_row(json_object_get(there, "shapes"), shape, by_shape))
                json_array_append_new(
                    unseen, json_pack("{s:s, s:s, s:o}", "table", rk_report_text(table, "name"),
                                      "shape", rk_report_text(shape, "shape"), "records",
                                      rki_report_count(rk_report_integer(shape, "records"))));
        }
    }
    return unseen;
}
