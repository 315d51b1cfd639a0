#include <string.h>

#include "rekey/base/escape.h"
#include "rekey/report/report_private.h"

#define SAMPLE_BYTES ((size_t)12 * RK_STATE_KEY_BYTES_MAX)

static const char *phase_of(const rk_search *search)
{
    const rk_state *state = rk_search_state(search);
    return state ? rk_phase_name(rk_state_phase(state)) : rk_phase_name(RK_PHASE_OLD);
}

bool rk_report_search_other_text(const rk_search *search, const rk_spec_source *source)
{
    const rk_state *state = rk_search_state(search);
    rk_digest digest;
    rk_state_spec_digest(source, &digest);
    return state && memcmp(&state->spec_digest, &digest, sizeof digest) != 0;
}

/* --- one tenant ------------------------------------------------------------------------------- */

static rk_status append_escaped(rk_buf *out, rk_slice bytes)
{
    char text[4 * RK_STATE_KEY_BYTES_MAX + 8];
    rk_text_escape(bytes, text, sizeof text);
    return rk_buf_append_str(out, text, NULL);
}

/* KEY, or INDEX KEY, or INDEX KEY -> PRIMARY KEY. NULL: no memory, and one sample less. */
static json_t *sample_json(const rk_found_sample *sample)
{
    rk_buf text;
    rk_status status = RK_OK;
    rk_buf_init(&text, SAMPLE_BYTES);
    if (sample->index)
        status = rk_buf_append_format(&text, NULL, "%s ", sample->index);
    if (status == RK_OK)
        status = append_escaped(&text, sample->key);
    if (status == RK_OK && sample->target.len > 0)
        status = rk_buf_append_str(&text, " -> ", NULL);
    if (status == RK_OK && sample->target.len > 0)
        status = append_escaped(&text, sample->target);
    json_t *string =
        status == RK_OK && text.len > 0 ? json_stringn((const char *)text.ptr, text.len) : NULL;
    rk_buf_fini(&text);
    return string;
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

static json_t *capsules_json(const rk_spec *spec, const rk_found_count *count, size_t n)
{
    json_t *object = json_object();
    for (size_t i = 0; i < n; i++) {
        rk_slice capsule = spec->allowed[count[i].capsule];
        json_object_setn_new(object, (const char *)capsule.ptr, capsule.len,
                             rki_report_count(count[i].count));
    }
    return object;
}

static json_t *tenant_json(const rk_spec *spec, const rk_found_tenant *tenant)
{
    json_t *entities = json_array();
    json_t *samples = json_array();
    uint64_t sum = 0;
    for (size_t at = 0, n = 0; at < tenant->count_len; at += n) {
        const rk_found_count *count = &tenant->count[at];
        n = entity_counts(tenant, at, &sum);
        json_t *entity = json_pack("{s:s,s:o}", "name", spec->entities[count->entity].name, "count",
                                   rki_report_count(sum));
        if (count->capsule >= 0)
            json_object_set_new(entity, "capsules", capsules_json(spec, count, n));
        json_array_append_new(entities, entity);
    }
    for (size_t i = 0; i < tenant->sample_count; i++)
        json_array_append_new(samples, sample_json(&tenant->sample[i]));
    return json_pack("{s:o,s:o,s:o,s:o}", "tenant", rki_report_escaped(tenant->tenant), "found",
                     rki_report_count(tenant->found), "entities", entities, "samples", samples);
}

/* --- one search ------------------------------------------------------------------------------- */

static json_t *case_json(const rk_spec *spec, const rk_search *search, rk_contamination kind)
{
    const rk_found *found = rk_search_found(search, kind);
    json_t *tenants = json_array();
    for (size_t i = 0; i < found->tenant_count; i++)
        json_array_append_new(tenants, tenant_json(spec, &found->tenants[i]));
    return json_pack("{s:s,s:s,s:o,s:o,s:o}", "name", rk_contamination_name(kind), "claim",
                     rk_contamination_claim(kind), "found", rki_report_count(found->found),
                     "unlisted", rki_report_count(found->unlisted), "tenants", tenants);
}

static bool is_clean(const json_t *cases)
{
    size_t i;
    json_t *one;
    json_array_foreach(cases, i, one)
    {
        if (rk_report_integer(one, "found") > 0)
            return false;
    }
    return true;
}

json_t *rk_report_search(const rk_spec *spec, const rk_search *search)
{
    const rk_search_progress *progress = rk_search_progress_of(search);
    json_t *cases = json_array();
    for (int kind = 0; kind < RK_FOUND_KIND_COUNT; kind++)
        json_array_append_new(cases, case_json(spec, search, (rk_contamination)kind));
    return json_pack(
        "{s:s,s:b,s:s,s:b,s:o,s:o,s:o,s:o}", "migration", spec->migration, "clean", is_clean(cases),
        "phase", phase_of(search), "registered", rk_search_state(search) != NULL, "records",
        rki_report_count(progress->records), "index_entries", rki_report_count(progress->entries),
        "unmatched", rki_report_count(progress->unmatched), "cases", cases);
}

/* The samples of all tenants become their case's. */
static void gather_samples(json_t *one)
{
    size_t i;
    json_t *tenant;
    json_t *samples = json_array();
    json_array_foreach(json_object_get(one, "tenants"), i, tenant)
    {
        json_array_extend(samples, json_object_get(tenant, "samples"));
        json_object_del(tenant, "samples");
    }
    json_object_set_new(one, "samples", samples);
}

json_t *rk_report_search_public(const json_t *report)
{
    size_t i;
    json_t *one;
    json_t *copy = json_deep_copy(report);
    json_array_foreach(json_object_get(copy, "cases"), i, one)
    {
        gather_samples(one);
    }
    return copy;
}

/* --- within a message ------------------------------------------------------------------------- */

void rk_report_search_fit(json_t *report, size_t bytes_max)
{
    static const rki_fit tenants = {.rows = "cases",
                                    .list = "tenants",
                                    .list_max = RK_FOUND_TENANTS_MAX,
                                    .count = "found",
                                    .rest = "unlisted"};
    rki_report_fit(report, &tenants, bytes_max);
}

/* --- several nodes ---------------------------------------------------------------------------- */

/* All nodes have this program's kinds in this program's order, or it is another version. */
static bool same_cases(const json_t *a, const json_t *b)
{
    const json_t *ours = json_object_get(a, "cases");
    const json_t *theirs = json_object_get(b, "cases");
    size_t i;
    json_t *one;
    if (!json_is_array(ours) || json_array_size(ours) != json_array_size(theirs))
        return false;
    json_array_foreach(ours, i, one)
    {
        if (strcmp(rk_report_text(one, "name"),
                   rk_report_text(json_array_get(theirs, i), "name")) != 0)
            return false;
    }
    return true;
}

static json_t *case_of_all(const rk_report_part *parts, size_t count, size_t at)
{
    json_t *first = json_array_get(json_object_get(parts[0].report, "cases"), at);
    json_t *tenants = json_array();
    json_t *sum =
        json_pack("{s:s,s:s,s:i,s:i,s:o}", "name", rk_report_text(first, "name"), "claim",
                  rk_report_text(first, "claim"), "found", 0, "unlisted", 0, "tenants", tenants);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(json_object_get(parts[i].report, "cases"), at);
        rki_report_add(sum, "found", rk_report_integer(one, "found"));
        rki_report_add(sum, "unlisted", rk_report_integer(one, "unlisted"));
        rki_report_append(tenants, json_object_get(one, "tenants"), parts[i].node);
    }
    return sum;
}

static int phase_number(const char *name)
{
    int phase = RK_PHASE_COUNT - 1;
    while (phase > RK_PHASE_OLD && strcmp(rk_phase_name((rk_phase)phase), name) != 0)
        phase--;
    return phase;
}

static json_t *node_json(const rk_report_part *part)
{
    uint64_t found = 0;
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(part->report, "cases"), i, one)
    {
        uint64_t more = rk_report_integer(one, "found");
        found = found > UINT64_MAX - more ? UINT64_MAX : found + more;
    }
    return json_pack("{s:s,s:s,s:b,s:o,s:o}", "name", part->node, "phase",
                     rk_report_text(part->report, "phase"), "registered",
                     json_is_true(json_object_get(part->report, "registered")), "records",
                     rki_report_count(rk_report_integer(part->report, "records")), "found",
                     rki_report_count(found));
}

static json_t *add_up(const rk_report_part *parts, size_t count)
{
    json_t *cases = json_array();
    json_t *nodes = json_array();
    int phase = RK_PHASE_COUNT - 1;
    bool registered = true;
    for (size_t i = 0; i < json_array_size(json_object_get(parts[0].report, "cases")); i++)
        json_array_append_new(cases, case_of_all(parts, count, i));
    for (size_t i = 0; i < count; i++) {
        int there = phase_number(rk_report_text(parts[i].report, "phase"));
        phase = there < phase ? there : phase;
        registered = registered && json_is_true(json_object_get(parts[i].report, "registered"));
        json_array_append_new(nodes, node_json(&parts[i]));
    }
    json_t *sum =
        json_pack("{s:s,s:b,s:s,s:b,s:i,s:i,s:i,s:o,s:o}", "migration",
                  rk_report_text(parts[0].report, "migration"), "clean", is_clean(cases), "phase",
                  rk_phase_name((rk_phase)phase), "registered", registered, "records", 0,
                  "index_entries", 0, "unmatched", 0, "cases", cases, "nodes", nodes);
    for (size_t i = 0; i < count; i++) {
        rki_report_add(sum, "records", rk_report_integer(parts[i].report, "records"));
        rki_report_add(sum, "index_entries", rk_report_integer(parts[i].report, "index_entries"));
        rki_report_add(sum, "unmatched", rk_report_integer(parts[i].report, "unmatched"));
    }
    return sum;
}

json_t *rk_report_search_merge(const rk_report_part *parts, size_t count, rk_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!same_cases(parts[0].report, parts[i].report)) {
            rk_error_set(err, RK_CORRUPT, "node %s sends a report that cannot be understood",
                         parts[i].node);
            return NULL;
        }
    json_t *sum = count > 0 ? add_up(parts, count) : NULL;
    if (!sum)
        rk_error_set(err, RK_NOMEM, "add up the nodes' reports: out of memory");
    return sum;
}
