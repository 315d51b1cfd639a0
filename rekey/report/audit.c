#include "rekey/audit/audit.h"

#include <string.h>
#include <time.h>

#include "rekey/report/report_private.h"

/* --- one store -------------------------------------------------------------------------------- */

static json_t *digest_json(const rk_digest *digest)
{
    char hex[RK_DIGEST_HEX_BYTES];
    rk_hex(rk_slice_of(digest->bytes, sizeof digest->bytes), hex);
    return json_string(hex);
}

static json_t *entry_json(const rk_audit_entry *entry)
{
    char when[32];
    time_t seconds = (time_t)(entry->wall_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "number", rki_report_count(entry->number), "time",
        when, "epoch", rki_report_count(entry->epoch), "actor",
        rki_report_escaped(rk_slice_str(entry->actor)), "event",
        rki_report_escaped(rk_slice_str(entry->event)), "detail",
        rki_report_escaped(rk_slice_str(entry->detail)), "digest", digest_json(&entry->digest));
}

/* *next becomes the first that is not in the page, or 0 at the end. An entry that cannot be read
 * ends a page, and fails the one that begins with it. */
static rk_status read_page(rk_view *view, rk_table meta, size_t bytes_max, uint64_t *next,
                           json_t *entries, rk_error *err)
{
    rk_audit_entry entry;
    size_t bytes = 0;
    rk_error why = {0};
    rk_status status = RK_OK;
    uint64_t number = *next;
    while (bytes < bytes_max) {
        status = rk_audit_read(view, meta, number, &entry, &why);
        if (status != RK_OK)
            break;
        json_t *row = entry_json(&entry);
        bytes += rki_report_bytes(row) + 1;
        json_array_append_new(entries, row);
        number++;
    }
    if (status != RK_OK && status != RK_NOT_FOUND && number == *next) {
        if (err)
            *err = why;
        return status;
    }
    *next = status == RK_NOT_FOUND ? 0 : number;
    return RK_OK;
}

/* The entries from `from` to before `next`, or to the end of the log. */
static rk_status check_page(rk_view *view, rk_table meta, uint64_t from, uint64_t next,
                            rk_error *err)
{
    uint64_t entries_max = next > 0 ? next - from : UINT64_MAX;
    return rk_audit_check_part(view, meta, entries_max, &from, err);
}

rk_status rk_report_audit(rk_view *view, rk_table meta, size_t bytes_max, bool verify,
                          uint64_t *next, json_t **out, rk_error *err)
{
    uint64_t newest = 0;
    uint64_t from = *next;
    rk_digest digest;
    json_t *entries = json_array();
    rk_status status = rk_audit_head(view, meta, &newest, &digest, err);
    if (status == RK_OK)
        status = read_page(view, meta, bytes_max, next, entries, err);
    if (status == RK_OK && verify)
        status = check_page(view, meta, from, *next, err);
    if (status != RK_OK) {
        json_decref(entries);
        return status;
    }
    json_t *report = json_pack("{s:o, s:{s:o, s:o}}", "entries", entries, "head", "number",
                               rki_report_count(newest), "digest", digest_json(&digest));
    if (verify)
        json_object_set_new(report, "whole", json_true());
    *out = report;
    return RK_OK;
}

void rk_report_audit_append(json_t *report, json_t *page)
{
    json_array_extend(json_object_get(report, "entries"), json_object_get(page, "entries"));
    json_object_set(report, "head", json_object_get(page, "head"));
    json_decref(page);
}

/* --- several nodes ---------------------------------------------------------------------------- */

/* The node whose next entry is the earliest; count at the end. Each log keeps its own order, also
 * where its clock went back. */
static size_t earliest(const rk_report_part *parts, size_t count, const size_t *at)
{
    const char *first = NULL;
    size_t found = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *entries = json_object_get(parts[i].report, "entries");
        if (at[i] >= json_array_size(entries))
            continue;
        const char *when = rk_report_text(json_array_get(entries, at[i]), "time");
        if (first && strcmp(when, first) >= 0)
            continue;
        first = when;
        found = i;
    }
    return found;
}

static json_t *entries_of_all(const rk_report_part *parts, size_t count)
{
    size_t at[RK_CLUSTER_NODES_MAX] = {0};
    json_t *entries = json_array();
    for (;;) {
        size_t i = earliest(parts, count, at);
        if (i == count)
            return entries;
        json_t *entry =
            json_deep_copy(json_array_get(json_object_get(parts[i].report, "entries"), at[i]++));
        json_object_set_new(entry, "node", json_string(parts[i].node));
        json_array_append_new(entries, entry);
    }
}

json_t *rk_report_audit_merge(const rk_report_part *parts, size_t count)
{
    json_t *nodes = json_array();
    bool whole = count > 0;
    for (size_t i = 0; i < count; i++) {
        json_t *there = json_object_get(parts[i].report, "whole");
        whole = whole && json_is_true(there);
        json_array_append_new(nodes,
                              json_pack("{s:s, s:O?, s:O*}", "name", parts[i].node, "head",
                                        json_object_get(parts[i].report, "head"), "whole", there));
    }
    json_t *sum = json_pack("{s:o, s:o}", "entries", entries_of_all(parts, count), "nodes", nodes);
    if (whole)
        json_object_set_new(sum, "whole", json_true());
    return sum;
}
