#include "rekey/cli/isolation_print.h"

#include <inttypes.h>
#include <string.h>

#include "rekey/cli/text.h"
#include "rekey/isolation/report.h"
#include "rekey/isolation/search.h"
#include "rekey/report/report.h"

#define DETAIL_BYTES_MAX ((size_t)8 * 1024 * 1024)

typedef struct brief {
    char s[96];
} brief;

size_t rk_cli_search_failed(const json_t *report, uint64_t *found)
{
    size_t failed = 0;
    size_t i;
    json_t *one;
    *found = 0;
    json_array_foreach(json_object_get(report, "cases"), i, one)
    {
        uint64_t count = rk_report_integer(one, "found");
        failed += count > 0;
        *found += count;
    }
    return failed;
}

/* --- texts ------------------------------------------------------------------------------------ */

/* Contract 12 (PRODUS 10, DEVUS 2) */
static rk_status append_entity(rk_buf *out, const json_t *entity, rk_error *err)
{
    const char *capsule;
    json_t *count;
    bool any = false;
    json_t *capsules = json_object_get(entity, "capsules");
    rk_status status = rk_buf_append_format(out, err, "%s %" PRIu64, rk_report_text(entity, "name"),
                                            rk_report_integer(entity, "count"));
    json_object_foreach(capsules, capsule, count)
    {
        if (status == RK_OK)
            status = rk_buf_append_format(out, err, "%s%s %" JSON_INTEGER_FORMAT, any ? ", " : " (",
                                          capsule, json_integer_value(count));
        any = true;
    }
    return status == RK_OK && any ? rk_buf_append_str(out, ")", err) : status;
}

static rk_status append_tenant(rk_buf *out, const json_t *tenant, rk_error *err)
{
    size_t i;
    json_t *row;
    const char *node = rk_report_text(tenant, "node");
    rk_status status = rk_buf_append_format(
        out, err, "tenant %s%s%s", rk_report_text(tenant, "tenant"), *node ? " on " : "", node);
    json_array_foreach(json_object_get(tenant, "entities"), i, row)
    {
        if (status == RK_OK)
            status = rk_buf_append_str(out, i == 0 ? ": " : ", ", err);
        if (status == RK_OK)
            status = append_entity(out, row, err);
    }
    json_array_foreach(json_object_get(tenant, "samples"), i, row)
    {
        if (status == RK_OK)
            status = rk_buf_append_format(out, err, "%s%s", i == 0 ? "; e.g. " : ", ",
                                          json_is_string(row) ? json_string_value(row) : "");
    }
    return status == RK_OK ? rk_buf_append_byte(out, '\n', err) : status;
}

/* A line a tenant, for so many tenants as one store has samples of. */
static rk_status append_tenants(rk_buf *out, const json_t *one, rk_error *err)
{
    const json_t *tenants = json_object_get(one, "tenants");
    uint64_t unlisted = rk_report_integer(one, "unlisted");
    uint64_t rest = 0;
    size_t i;
    json_t *tenant;
    rk_status status = RK_OK;
    json_array_foreach(tenants, i, tenant)
    {
        if (i >= RK_FOUND_SAMPLED_TENANTS_MAX)
            rest += rk_report_integer(tenant, "found");
        else if (status == RK_OK)
            status = append_tenant(out, tenant, err);
    }
    size_t more = i > RK_FOUND_SAMPLED_TENANTS_MAX ? i - RK_FOUND_SAMPLED_TENANTS_MAX : 0;
    if (status == RK_OK && more > 0)
        status = rk_buf_append_format(out, err, "and %zu more tenant%s, with %" PRIu64 "\n", more,
                                      more == 1 ? "" : "s", rest);
    if (status == RK_OK && unlisted > 0)
        status = rk_buf_append_format(
            out, err, "and %" PRIu64 " more, in tenants beyond those that are kept\n", unlisted);
    return status;
}

/* 3 in 2 tenants */
static brief in_short(const json_t *one)
{
    brief text;
    size_t tenants = json_array_size(json_object_get(one, "tenants"));
    snprintf(text.s, sizeof text.s, "%" PRIu64 " in %s%zu tenant%s",
             rk_report_integer(one, "found"), rk_report_integer(one, "unlisted") ? "at least " : "",
             tenants, tenants == 1 ? "" : "s");
    return text;
}

/* --- for people ------------------------------------------------------------------------------- */

/* Each line with `# ` before it. */
static void print_details(rk_cli *cli, rk_slice text)
{
    while (text.len > 0) {
        const uint8_t *end = memchr(text.ptr, '\n', text.len);
        size_t length = end ? (size_t)(end - text.ptr) : text.len;
        rk_cli_print(cli, "# %.*s", (int)length, (const char *)text.ptr);
        size_t taken = end ? length + 1 : length;
        text = rk_slice_of(text.ptr + taken, text.len - taken);
    }
}

static rk_status print_case(rk_cli *cli, size_t at, const json_t *one, rk_buf *text, rk_error *err)
{
    const char *claim = rk_report_text(one, "claim");
    if (rk_report_integer(one, "found") == 0) {
        rk_cli_print(cli, "%sok%s %zu - %s", rk_cli_paint(cli->color_out, RK_PAINT_GREEN),
                     rk_cli_paint(cli->color_out, RK_PAINT_NONE), at + 1, claim);
        return RK_OK;
    }
    rk_buf_reset(text);
    rk_status status = append_tenants(text, one, err);
    if (status != RK_OK)
        return status;
    rk_cli_print(cli, "%snot ok%s %zu - %s # %s", rk_cli_paint(cli->color_out, RK_PAINT_RED),
                 rk_cli_paint(cli->color_out, RK_PAINT_NONE), at + 1, claim, in_short(one).s);
    print_details(cli, rk_buf_slice(text));
    return RK_OK;
}

static void print_total(rk_cli *cli, const json_t *report)
{
    uint64_t found;
    size_t failed = rk_cli_search_failed(report, &found);
    uint64_t unmatched = rk_report_integer(report, "unmatched");
    rk_cli_print(cli, "# looked at %s records and %s index entries: %s finding%s",
                 rk_text_count(rk_report_integer(report, "records")).s,
                 rk_text_count(rk_report_integer(report, "index_entries")).s,
                 rk_text_count(found).s, found == 1 ? "" : "s");
    if (unmatched > 0)
        rk_cli_print(cli, "# %s record%s no entity of the spec, and %s not judged",
                     rk_text_count(unmatched).s, unmatched == 1 ? " is of" : "s are of",
                     unmatched == 1 ? "was" : "were");
    rk_cli_print(cli, "%zu passed, %zu failed",
                 json_array_size(json_object_get(report, "cases")) - failed, failed);
}

static void print_head(rk_cli *cli, const json_t *report)
{
    const json_t *nodes = json_object_get(report, "nodes");
    const char *registered =
        nodes ? " (not registered on every node)" : " (not registered in this store)";
    if (json_is_true(json_object_get(report, "registered")))
        registered = "";
    rk_cli_print(cli, "# %s, phase %s%s", rk_report_text(report, "migration"),
                 rk_report_text(report, "phase"), registered);
    rk_cli_print(cli, "1..%zu", json_array_size(json_object_get(report, "cases")));
}

int rk_cli_search_print(rk_cli *cli, const json_t *report)
{
    rk_error err = {0};
    rk_status status = RK_OK;
    rk_buf text;
    size_t i;
    json_t *one;
    rk_buf_init(&text, DETAIL_BYTES_MAX);
    print_head(cli, report);
    json_array_foreach(json_object_get(report, "cases"), i, one)
    {
        if (status == RK_OK)
            status = print_case(cli, i, one, &text, &err);
    }
    rk_buf_fini(&text);
    if (status != RK_OK) {
        rk_error_context(&err, status, "print what was found");
        return rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
    }
    print_total(cli, report);
    return RK_EXIT_DONE;
}

/* --- JUnit ------------------------------------------------------------------------------------ */

static rk_status add_case(rk_junit *junit, const json_t *report, const json_t *one, rk_error *err)
{
    rk_case_result result = {.stage = rk_report_text(report, "phase"),
                             .subject = "store",
                             .attack = rk_report_text(one, "name"),
                             .passed = rk_report_integer(one, "found") == 0};
    rk_buf text;
    rk_buf_init(&text, DETAIL_BYTES_MAX);
    rk_status status = append_tenants(&text, one, err);
    snprintf(result.tried, sizeof result.tried, "%s", rk_report_text(one, "claim"));
    snprintf(result.why, sizeof result.why, "%s", in_short(one).s);
    snprintf(result.object, sizeof result.object, "%.*s", (int)text.len,
             text.len ? (const char *)text.ptr : "");
    rk_buf_fini(&text);
    return status == RK_OK ? rk_junit_add(junit, &result, err) : status;
}

rk_status rk_cli_search_junit(const json_t *report, rk_buf *to, rk_error *err)
{
    rk_junit junit;
    rk_status status = RK_OK;
    size_t i;
    json_t *one;
    rk_junit_init(&junit);
    json_array_foreach(json_object_get(report, "cases"), i, one)
    {
        if (status == RK_OK)
            status = add_case(&junit, report, one, err);
    }
    if (status == RK_OK)
        status = rk_junit_write(&junit, rk_report_text(report, "migration"), NULL, to, err);
    rk_junit_fini(&junit);
    return status;
}
