#include <inttypes.h>
#include <string.h>

#include "rekey/report/report_private.h"

static json_t *entry_json(const rk_spec *spec, const rk_quarantined *entry)
{
    const char *entity = NULL;
    rk_slice detail = entry->detail;
    if (detail.len > RK_STATE_KEY_BYTES_MAX)
        detail.len = RK_STATE_KEY_BYTES_MAX;
    if (entry->entity >= 0 && (size_t)entry->entity < spec->entity_count)
        entity = spec->entities[entry->entity].name;
    return json_pack(
        "{s:s?, s:o, s:s, s:o}", "entity", entity, "key", rki_report_escaped(entry->key), "reason",
        rk_reason_name((rk_reason)entry->reason), "detail", rki_report_escaped(detail));
}

/* One entry into `entries`; its key is where the next page begins behind. */
static rk_status take(const rk_spec *spec, const rk_quarantined *entry, json_t *entries,
                      rk_buf *last, rk_error *err)
{
    if (entry->reason >= RK_REASON_COUNT)
        return rk_error_set(err, RK_CORRUPT, "an entry has reason %" PRIu32 ", unknown here",
                            entry->reason);
    json_array_append_new(entries, entry_json(spec, entry));
    return rk_buf_set(last, entry->key, err);
}

/* RK_NOT_FOUND at the end of all, RK_OK when the page is full. */
static rk_status read_page(const rk_migration *migration, rk_cursor *cursor, size_t bytes_max,
                           rk_buf *last, json_t *entries, rk_error *err)
{
    rk_quarantined entry;
    size_t bytes = 0;
    rk_status status = last->len > 0 ? rk_quarantine_seek(cursor, rk_buf_slice(last), &entry, err)
                                     : rk_quarantine_next(cursor, true, &entry, err);
    while (status == RK_OK) {
        status = take(migration->spec, &entry, entries, last, err);
        if (status != RK_OK)
            return status;
        bytes += rki_report_bytes(json_array_get(entries, json_array_size(entries) - 1)) + 1;
        if (bytes >= bytes_max)
            return RK_OK;
        status = rk_quarantine_next(cursor, false, &entry, err);
    }
    return status;
}

rk_status rk_report_quarantine(const rk_migration *migration, size_t bytes_max, rk_buf *last,
                               json_t **out, rk_error *err)
{
    rk_view *view = NULL;
    rk_cursor *cursor = NULL;
    json_t *entries = json_array();
    rk_status status = rk_snapshot_open(migration->store, &view, err);
    if (status == RK_OK)
        status = rk_cursor_open(view, migration->tables.meta, &cursor, err);
    if (status == RK_OK)
        status = read_page(migration, cursor, bytes_max, last, entries, err);
    rk_cursor_close(cursor);
    rk_snapshot_close(view);
    if (status == RK_NOT_FOUND) {
        rk_buf_reset(last);
        status = RK_OK;
    }
    if (status == RK_OK)
        *out = entries;
    else
        json_decref(entries);
    return status;
}

json_t *rk_report_quarantine_merge(const rk_report_part *parts, size_t count)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < count; i++)
        rki_report_append(entries, parts[i].report, parts[i].node);
    return entries;
}
