#include "rekey/cli/isolation_print.h"

#include <inttypes.h>

#include "rekey/cli/json_out.h"
#include "rekey/cli/text.h"
#include "rekey/isolation/report.h"

#define DETAIL_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* Keys and tenants are at most 511 bytes, each of at most four characters. */
#define ESCAPED_BYTES (4 * RK_STATE_KEY_BYTES_MAX + 8)

typedef struct brief {
    char s[96];
} brief;

size_t rk_cli_search_failed(const rk_search *search, uint64_t *found)
{
    size_t failed = 0;
    *found = 0;
    for (int kind = 0; kind < RK_FOUND_KIND_COUNT; kind++) {
        uint64_t count = rk_search_found(search, (rk_contamination)kind)->found;
        failed += count > 0;
        *found += count;
    }
    return failed;
}

static const char *phase_of(const rk_search *search)
{
    const rk_state *state = rk_search_state(search);
    return state ? rk_phase_name(rk_state_phase(state)) : rk_phase_name(RK_PHASE_OLD);
}

/* --- texts ------------------------------------------------------------------------------------ */

static rk_status append_escaped(rk_buf *out, rk_slice bytes, rk_error *err)
{
    char text[ESCAPED_BYTES];
    rk_text_escape(bytes, text, sizeof text);
    return rk_buf_append_str(out, text, err);
}

/* KEY, or INDEX KEY, or INDEX KEY -> PRIMARY KEY. */
static rk_status append_sample(rk_buf *out, const rk_found_sample *sample, rk_error *err)
{
    rk_status status = RK_OK;
    if (sample->index)
        status = rk_buf_append_format(out, err, "%s ", sample->index);
    if (status == RK_OK)
        status = append_escaped(out, sample->key, err);
    if (status != RK_OK || sample->target.len == 0)
        return status;
    status = rk_buf_append_str(out, " -> ", err);
    return status == RK_OK ? append_escaped(out, sample->target, err) : status;
}

/* The numbers of one entity stand together: how many, from `at`. */
static size_t entity_counts(const rk_found_tenant *tenant, size_t at, uint64_t *sum)
{
    size_t n = 0;
    *sum = 0;
    while (at + n < tenant->count_len && tenant->count[at + n].entity == tenant->count[at].entity)
        *sum += tenant->count[at + n++].count;
    return n;
}

/* Contract 12 (PRODUS 10, DEVUS 2) */
static rk_status append_entity(rk_buf *out, const rk_spec *spec, const rk_found_count *count,
                               size_t n, uint64_t sum, rk_error *err)
{
    rk_status status =
        rk_buf_append_format(out, err, "%s %" PRIu64, spec->entities[count[0].entity].name, sum);
    if (count[0].capsule < 0)
        return status;
    for (size_t i = 0; i < n && status == RK_OK; i++) {
        rk_slice capsule = spec->allowed[count[i].capsule];
        status = rk_buf_append_format(out, err, "%s%.*s %" PRIu64, i == 0 ? " (" : ", ",
                                      (int)capsule.len, (const char *)capsule.ptr, count[i].count);
    }
    return status == RK_OK ? rk_buf_append_str(out, ")", err) : status;
}

static rk_status append_tenant(rk_buf *out, const rk_spec *spec, const rk_found_tenant *tenant,
                               rk_error *err)
{
    rk_status status = rk_buf_append_str(out, "tenant ", err);
    if (status == RK_OK)
        status = append_escaped(out, tenant->tenant, err);
    uint64_t sum = 0;
    for (size_t at = 0, n = 0; at < tenant->count_len && status == RK_OK; at += n) {
        n = entity_counts(tenant, at, &sum);
        status = rk_buf_append_str(out, at == 0 ? ": " : ", ", err);
        if (status == RK_OK)
            status = append_entity(out, spec, &tenant->count[at], n, sum, err);
    }
    for (size_t i = 0; i < tenant->sample_count && status == RK_OK; i++) {
        status = rk_buf_append_str(out, i == 0 ? "; e.g. " : ", ", err);
        if (status == RK_OK)
            status = append_sample(out, &tenant->sample[i], err);
    }
    return status == RK_OK ? rk_buf_append_byte(out, '\n', err) : status;
}

/* A line a tenant, for so many tenants as have samples. */
static rk_status append_tenants(rk_buf *out, const rk_spec *spec, const rk_found *found,
                                rk_error *err)
{
    uint64_t rest = found->found - found->unlisted;
    size_t shown = 0;
    rk_status status = RK_OK;
    for (; shown < found->tenant_count && shown < RK_FOUND_SAMPLED_TENANTS_MAX; shown++) {
        if (status == RK_OK)
            status = append_tenant(out, spec, &found->tenants[shown], err);
        rest -= found->tenants[shown].found;
    }
    size_t more = found->tenant_count - shown;
    if (status == RK_OK && more > 0)
        status = rk_buf_append_format(out, err, "and %zu more tenant%s, with %" PRIu64 "\n", more,
                                      more == 1 ? "" : "s", rest);
    if (status == RK_OK && found->unlisted > 0)
        status = rk_buf_append_format(
            out, err, "and %" PRIu64 " more, in tenants beyond those that are kept\n",
            found->unlisted);
    return status;
}

/* 3 in 2 tenants */
static brief in_short(const rk_found *found)
{
    brief text;
    snprintf(text.s, sizeof text.s, "%" PRIu64 " in %s%zu tenant%s", found->found,
             found->unlisted ? "at least " : "", found->tenant_count,
             found->tenant_count == 1 ? "" : "s");
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

static rk_status print_kind(rk_cli *cli, const rk_spec *spec, const rk_search *search,
                            rk_contamination kind, rk_buf *text, rk_error *err)
{
    const rk_found *found = rk_search_found(search, kind);
    const char *claim = rk_contamination_claim(kind);
    if (found->found == 0) {
        rk_cli_print(cli, "%sok%s %d - %s", rk_cli_paint(cli->color_out, RK_PAINT_GREEN),
                     rk_cli_paint(cli->color_out, RK_PAINT_NONE), kind + 1, claim);
        return RK_OK;
    }
    rk_buf_reset(text);
    rk_status status = append_tenants(text, spec, found, err);
    if (status != RK_OK)
        return status;
    rk_cli_print(cli, "%snot ok%s %d - %s # %s", rk_cli_paint(cli->color_out, RK_PAINT_RED),
                 rk_cli_paint(cli->color_out, RK_PAINT_NONE), kind + 1, claim, in_short(found).s);
    print_details(cli, rk_buf_slice(text));
    return RK_OK;
}

static void print_total(rk_cli *cli, const rk_search *search)
{
    const rk_search_progress *progress = rk_search_progress_of(search);
    uint64_t found;
    size_t failed = rk_cli_search_failed(search, &found);
    rk_cli_print(cli, "# looked at %s records and %s index entries: %s finding%s",
                 rk_text_count(progress->records).s, rk_text_count(progress->entries).s,
                 rk_text_count(found).s, found == 1 ? "" : "s");
    if (progress->unmatched > 0)
        rk_cli_print(cli, "# %s record%s no entity of the spec, and %s not judged",
                     rk_text_count(progress->unmatched).s,
                     progress->unmatched == 1 ? " is of" : "s are of",
                     progress->unmatched == 1 ? "was" : "were");
    rk_cli_print(cli, "%zu passed, %zu failed", RK_FOUND_KIND_COUNT - failed, failed);
}

int rk_cli_search_print(rk_cli *cli, const rk_spec *spec, const rk_search *search)
{
    rk_error err = {0};
    rk_status status = RK_OK;
    rk_buf text;
    rk_buf_init(&text, DETAIL_BYTES_MAX);
    rk_cli_print(cli, "# %s, phase %s%s", spec->migration, phase_of(search),
                 rk_search_state(search) ? "" : " (not registered in this store)");
    rk_cli_print(cli, "1..%d", RK_FOUND_KIND_COUNT);
    for (int kind = 0; kind < RK_FOUND_KIND_COUNT && status == RK_OK; kind++)
        status = print_kind(cli, spec, search, (rk_contamination)kind, &text, &err);
    rk_buf_fini(&text);
    if (status != RK_OK) {
        rk_error_context(&err, status, "print what was found");
        return rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
    }
    print_total(cli, search);
    return RK_EXIT_DONE;
}

/* --- for programs ----------------------------------------------------------------------------- */

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *escaped(rk_slice bytes)
{
    char text[ESCAPED_BYTES];
    rk_text_escape(bytes, text, sizeof text);
    return json_string(text);
}

static json_t *capsules_json(const rk_spec *spec, const rk_found_count *count, size_t n)
{
    json_t *object = json_object();
    for (size_t i = 0; i < n; i++) {
        rk_slice capsule = spec->allowed[count[i].capsule];
        json_object_setn_new(object, (const char *)capsule.ptr, capsule.len,
                             integer(count[i].count));
    }
    return object;
}

static json_t *tenant_json(const rk_spec *spec, const rk_found_tenant *tenant)
{
    json_t *entities = json_array();
    uint64_t sum = 0;
    for (size_t at = 0, n = 0; at < tenant->count_len; at += n) {
        const rk_found_count *count = &tenant->count[at];
        n = entity_counts(tenant, at, &sum);
        json_t *entity = json_pack("{s:s,s:o}", "name", spec->entities[count->entity].name, "count",
                                   integer(sum));
        if (count->capsule >= 0)
            json_object_set_new(entity, "capsules", capsules_json(spec, count, n));
        json_array_append_new(entities, entity);
    }
    return json_pack("{s:o,s:o,s:o}", "tenant", escaped(tenant->tenant), "found",
                     integer(tenant->found), "entities", entities);
}

static void add_samples(json_t *samples, const rk_found_tenant *tenant)
{
    for (size_t i = 0; i < tenant->sample_count; i++) {
        rk_buf text;
        rk_buf_init(&text, 4 * (size_t)ESCAPED_BYTES);
        if (append_sample(&text, &tenant->sample[i], NULL) == RK_OK)
            json_array_append_new(samples, json_stringn((const char *)text.ptr, text.len));
        rk_buf_fini(&text);
    }
}

static json_t *kind_json(const rk_spec *spec, const rk_search *search, rk_contamination kind)
{
    const rk_found *found = rk_search_found(search, kind);
    json_t *tenants = json_array();
    json_t *samples = json_array();
    for (size_t i = 0; i < found->tenant_count; i++) {
        json_array_append_new(tenants, tenant_json(spec, &found->tenants[i]));
        add_samples(samples, &found->tenants[i]);
    }
    return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o}", "name", rk_contamination_name(kind), "claim",
                     rk_contamination_claim(kind), "found", integer(found->found), "unlisted",
                     integer(found->unlisted), "tenants", tenants, "samples", samples);
}

json_t *rk_cli_search_json(const rk_spec *spec, const rk_search *search)
{
    const rk_search_progress *progress = rk_search_progress_of(search);
    uint64_t found;
    size_t failed = rk_cli_search_failed(search, &found);
    json_t *cases = json_array();
    for (int kind = 0; kind < RK_FOUND_KIND_COUNT; kind++)
        json_array_append_new(cases, kind_json(spec, search, (rk_contamination)kind));
    return json_pack("{s:s,s:b,s:s,s:b,s:o,s:o,s:o,s:o}", "migration", spec->migration, "clean",
                     failed == 0, "phase", phase_of(search), "registered",
                     rk_search_state(search) != NULL, "records", integer(progress->records),
                     "index_entries", integer(progress->entries), "unmatched",
                     integer(progress->unmatched), "cases", cases);
}

/* --- JUnit ------------------------------------------------------------------------------------ */

static rk_status add_case(rk_junit *junit, const rk_spec *spec, const rk_search *search,
                          rk_contamination kind, rk_error *err)
{
    const rk_found *found = rk_search_found(search, kind);
    rk_case_result result = {.stage = phase_of(search),
                             .subject = "store",
                             .attack = rk_contamination_name(kind),
                             .passed = found->found == 0};
    rk_buf text;
    rk_buf_init(&text, DETAIL_BYTES_MAX);
    rk_status status = append_tenants(&text, spec, found, err);
    snprintf(result.tried, sizeof result.tried, "%s", rk_contamination_claim(kind));
    snprintf(result.why, sizeof result.why, "%s", in_short(found).s);
    snprintf(result.object, sizeof result.object, "%.*s", (int)text.len,
             text.len ? (const char *)text.ptr : "");
    rk_buf_fini(&text);
    return status == RK_OK ? rk_junit_add(junit, &result, err) : status;
}

rk_status rk_cli_search_junit(const rk_spec *spec, const rk_search *search, rk_buf *to,
                              rk_error *err)
{
    rk_junit junit;
    rk_status status = RK_OK;
    rk_junit_init(&junit);
    for (int kind = 0; kind < RK_FOUND_KIND_COUNT && status == RK_OK; kind++)
        status = add_case(&junit, spec, search, (rk_contamination)kind, err);
    if (status == RK_OK)
        status = rk_junit_write(&junit, spec->migration, NULL, to, err);
    rk_junit_fini(&junit);
    return status;
}
