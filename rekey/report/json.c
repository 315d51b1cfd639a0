#include "rekey/base/escape.h"
#include "rekey/report/report_private.h"

#define ESCAPED_BYTES (4 * RK_STATE_KEY_BYTES_MAX + 8)

json_t *rki_report_count(uint64_t value)
{
    return json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX);
}

const char *rk_report_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

uint64_t rk_report_integer(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

void rki_report_add(json_t *object, const char *name, uint64_t more)
{
    uint64_t sum = rk_report_integer(object, name);
    more = more < INT64_MAX ? more : INT64_MAX;
    json_object_set_new(object, name, rki_report_count(sum + more));
}

json_t *rki_report_escaped(rk_slice bytes)
{
    char text[ESCAPED_BYTES];
    rk_text_escape(bytes, text, sizeof text);
    return json_string(text);
}

size_t rki_report_bytes(const json_t *report)
{
    return json_dumpb(report, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
}

static void cut(json_t *row, const rki_fit *fit, size_t kept)
{
    json_t *list = json_object_get(row, fit->list);
    while (json_array_size(list) > kept) {
        size_t last = json_array_size(list) - 1;
        rki_report_add(row, fit->rest, rk_report_integer(json_array_get(list, last), fit->count));
        json_array_remove(list, last);
    }
}

void rki_report_fit(json_t *report, const rki_fit *fit, size_t bytes_max)
{
    size_t kept = fit->list_max;
    while (kept > 0 && rki_report_bytes(report) > bytes_max) {
        size_t i;
        json_t *row;
        kept /= 2;
        json_array_foreach(json_object_get(report, fit->rows), i, row)
        {
            cut(row, fit, kept);
        }
    }
}

void rki_report_append(json_t *to, const json_t *rows, const char *node)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        json_t *copy = json_deep_copy(row);
        json_object_set_new(copy, "node", json_string(node));
        json_array_append_new(to, copy);
    }
}
