#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rekey/plan/file.h"
#include "rekey/plan/plan.h"

#define FORMAT         "rekey plan 1"
#define HASH_DOMAIN    "rekey plan v1"
#define CANONICAL      (JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17))
#define PLAN_BYTES_MAX ((size_t)64 * 1024 * 1024)

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *hex_of(const rk_digest *digest)
{
    char hex[RK_DIGEST_HEX_BYTES];
    rk_hex(rk_slice_of(digest->bytes, sizeof digest->bytes), hex);
    return json_string(hex);
}

/* --- writing ---------------------------------------------------------------------------------- */

static json_t *source_json(const rk_spec_source *source)
{
    json_t *files = json_array();
    for (size_t i = 0; i < source->file_count; i++) {
        const rk_spec_file *file = &source->files[i];
        json_array_append_new(files, json_pack("{s:s, s:s%}", "name", file->name, "text",
                                               (const char *)file->bytes.ptr, file->bytes.len));
    }
    return json_pack("{s:s, s:s%, s:o}", "name", source->name, "text",
                     (const char *)source->text.ptr, source->text.len, "files", files);
}

static json_t *entities_json(const rk_plan *plan)
{
    json_t *entities = json_array();
    for (size_t i = 0; i < plan->spec->entity_count; i++) {
        const rk_plan_entity *counts = &plan->counts.entity[i];
        json_array_append_new(
            entities,
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", plan->spec->entities[i].name,
                      "records", integer(counts->records), "bytes", integer(counts->bytes),
                      "index_entries", integer(counts->index_entries), "quarantined",
                      integer(counts->quarantined), "pending", integer(counts->pending)));
    }
    return entities;
}

static json_t *counts_json(const rk_plan *plan)
{
    const rk_plan_counts *counts = &plan->counts;
    json_t *capsules = json_array();
    json_t *quarantine = json_array();
    json_t *quarantine_bytes = json_array();
    for (size_t i = 0; i < plan->spec->allowed_count; i++)
        json_array_append_new(capsules, integer(counts->capsule[i]));
    for (int i = 0; i < RK_REASON_COUNT; i++) {
        json_array_append_new(quarantine, integer(counts->quarantine[i]));
        json_array_append_new(quarantine_bytes, integer(counts->quarantine_bytes[i]));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "entities", entities_json(plan),
                     "capsules", capsules, "quarantine", quarantine, "quarantine_bytes",
                     quarantine_bytes, "unmatched", integer(counts->unmatched), "tenants",
                     integer(counts->tenants), "contaminated_tenants",
                     integer(counts->contaminated_tenants));
}

static json_t *store_json(const rk_plan *plan)
{
    return json_pack("{s:b, s:o, s:i, s:o, s:o}", "registered", plan->registered, "epoch",
                     integer(plan->epoch), "phase", (int)plan->phase, "fingerprint",
                     hex_of(&plan->fingerprint), "client_commits", integer(plan->client_commits));
}

/* The whole plan but for its hash. NULL when a text is not UTF-8 or memory is out. */
static json_t *document_json(const rk_plan *plan)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:i, s:b, s:f, s:o, s:o, s:I}", "format",
                     FORMAT, "spec_path", plan->spec_path, "spec", source_json(&plan->source),
                     "spec_digest", hex_of(&plan->spec_digest), "store", store_json(plan), "counts",
                     counts_json(plan), "template", (int)plan->template_entity, "changes",
                     plan->changes, "estimate_seconds", plan->estimate_seconds,
                     "estimate_map_bytes", integer(plan->estimate_map_bytes), "estimate_disk_bytes",
                     integer(plan->estimate_disk_bytes), "made_ms", (json_int_t)plan->made_ms);
}

static rk_status hash_document(const json_t *document, rk_digest *out, rk_error *err)
{
    char *text = json_dumps(document, CANONICAL);
    if (!text)
        return rk_error_set(err, RK_NOMEM, "plan: out of memory");
    rk_slice part = rk_slice_str(text);
    rk_digest_parts(HASH_DOMAIN, &part, 1, out);
    free(text);
    return RK_OK;
}

static rk_status document_of(const rk_plan *plan, json_t **out, rk_error *err)
{
    json_t *document = document_json(plan);
    if (!document)
        return rk_error_set(err, RK_INVALID,
                            "plan: the spec %s or a lookup file of it is not UTF-8 text",
                            plan->source.name);
    *out = document;
    return RK_OK;
}

rk_status rki_plan_hash(const rk_plan *plan, rk_digest *out, rk_error *err)
{
    json_t *document = NULL;
    rk_status status = document_of(plan, &document, err);
    if (status == RK_OK)
        status = hash_document(document, out, err);
    json_decref(document);
    return status;
}

rk_status rk_plan_write(const rk_plan *plan, const char *path, rk_error *err)
{
    json_t *document = NULL;
    rk_status status = document_of(plan, &document, err);
    if (status != RK_OK)
        return status;
    json_object_set_new(document, "plan_hash", hex_of(&plan->hash));
    char *text = json_dumps(document, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    json_decref(document);
    if (!text)
        return rk_error_set(err, RK_NOMEM, "plan: out of memory");
    status = rki_file_replace(path, rk_slice_str(text), err);
    free(text);
    return status;
}

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t take_integer(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static bool take_digest(const json_t *object, const char *name, rk_digest *out)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && rk_unhex(rk_slice_str(text), out->bytes, sizeof out->bytes, NULL) == RK_OK;
}

static bool take_slice(rk_arena *arena, const json_t *object, const char *name, rk_slice *out)
{
    const json_t *text = json_object_get(object, name);
    return json_is_string(text) &&
           rk_arena_copy(arena, rk_slice_of(json_string_value(text), json_string_length(text)), out,
                         NULL) == RK_OK;
}

static bool take_name(rk_arena *arena, const json_t *object, char **out)
{
    const char *text = json_string_value(json_object_get(object, "name"));
    rk_slice copy;
    if (!text || rk_arena_copy(arena, rk_slice_of(text, strlen(text) + 1), &copy, NULL) != RK_OK)
        return false;
    *out = (char *)(uintptr_t)copy.ptr;
    return true;
}

static bool take_source(const json_t *object, rk_spec_source *out)
{
    const json_t *files = json_object_get(object, "files");
    size_t count = json_array_size(files);
    rk_arena_init(&out->memory, PLAN_BYTES_MAX);
    out->files = rk_arena_alloc(&out->memory, (count + 1) * sizeof *out->files);
    if (!out->files || !take_name(&out->memory, object, &out->name) ||
        !take_slice(&out->memory, object, "text", &out->text))
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *file = json_array_get(files, i);
        if (!take_name(&out->memory, file, &out->files[i].name) ||
            !take_slice(&out->memory, file, "text", &out->files[i].bytes))
            return false;
        out->file_count = i + 1;
    }
    return true;
}

static void take_counts(const json_t *object, rk_plan *plan)
{
    rk_plan_counts *counts = &plan->counts;
    const json_t *entities = json_object_get(object, "entities");
    for (size_t i = 0; i < plan->spec->entity_count; i++) {
        const json_t *entity = json_array_get(entities, i);
        counts->entity[i] = (rk_plan_entity){
            .records = take_integer(entity, "records"),
            .bytes = take_integer(entity, "bytes"),
            .index_entries = take_integer(entity, "index_entries"),
            .quarantined = take_integer(entity, "quarantined"),
            .pending = take_integer(entity, "pending"),
        };
    }
    const json_t *capsules = json_object_get(object, "capsules");
    for (size_t i = 0; i < plan->spec->allowed_count; i++)
        counts->capsule[i] = (uint64_t)json_integer_value(json_array_get(capsules, i));
    const json_t *quarantine = json_object_get(object, "quarantine");
    const json_t *bytes = json_object_get(object, "quarantine_bytes");
    for (size_t i = 0; i < RK_REASON_COUNT; i++) {
        counts->quarantine[i] = (uint64_t)json_integer_value(json_array_get(quarantine, i));
        counts->quarantine_bytes[i] = (uint64_t)json_integer_value(json_array_get(bytes, i));
    }
    counts->unmatched = take_integer(object, "unmatched");
    counts->tenants = take_integer(object, "tenants");
    counts->contaminated_tenants = take_integer(object, "contaminated_tenants");
}

/* The hash has been checked: what is read here was written by rk_plan_write. */
static bool take_plan(const json_t *document, rk_plan *plan)
{
    rk_findings findings = {0};
    const json_t *store = json_object_get(document, "store");
    const char *path = json_string_value(json_object_get(document, "spec_path"));
    plan->spec_path = path ? strdup(path) : NULL;
    bool good = plan->spec_path && take_source(json_object_get(document, "spec"), &plan->source) &&
                take_digest(document, "spec_digest", &plan->spec_digest) &&
                take_digest(store, "fingerprint", &plan->fingerprint) &&
                rk_spec_load(&plan->source, NULL, &plan->spec, &findings, NULL) == RK_OK;
    rk_findings_fini(&findings);
    if (!good)
        return false;
    plan->registered = json_is_true(json_object_get(store, "registered"));
    plan->epoch = take_integer(store, "epoch");
    plan->phase = (rk_phase)take_integer(store, "phase");
    plan->client_commits = take_integer(store, "client_commits");
    take_counts(json_object_get(document, "counts"), plan);
    plan->template_entity = (uint32_t)take_integer(document, "template");
    plan->changes = json_is_true(json_object_get(document, "changes"));
    plan->estimate_seconds = json_real_value(json_object_get(document, "estimate_seconds"));
    plan->estimate_map_bytes = take_integer(document, "estimate_map_bytes");
    plan->estimate_disk_bytes = take_integer(document, "estimate_disk_bytes");
    plan->made_ms = json_integer_value(json_object_get(document, "made_ms"));
    return plan->template_entity < plan->spec->entity_count && plan->phase < RK_PHASE_COUNT;
}

static rk_status parse(const char *path, rk_slice text, json_t **out, rk_digest *stated,
                       rk_error *err)
{
    json_error_t fault;
    json_t *document = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &fault);
    if (!document)
        return rk_error_set(err, RK_CORRUPT,
                            "the plan %s is truncated or altered: not JSON at line %d: %s", path,
                            fault.line, fault.text);
    const char *format = json_string_value(json_object_get(document, "format"));
    rk_digest actual;
    rk_status status = RK_OK;
    if (!format || strcmp(format, FORMAT) != 0 || !take_digest(document, "plan_hash", stated))
        status = rk_error_set(err, RK_CORRUPT, "%s is no plan of rekey", path);
    json_object_del(document, "plan_hash");
    if (status == RK_OK)
        status = hash_document(document, &actual, err);
    if (status == RK_OK && memcmp(&actual, stated, sizeof actual) != 0)
        status = rk_error_set(err, RK_CORRUPT,
                              "the plan %s was altered: its content does not have its hash", path);
    if (status != RK_OK) {
        json_decref(document);
        return status;
    }
    *out = document;
    return RK_OK;
}

rk_status rk_plan_read(const char *path, rk_plan **out, rk_error *err)
{
    rk_buf text;
    json_t *document = NULL;
    rk_plan *plan = calloc(1, sizeof *plan);
    rk_buf_init(&text, PLAN_BYTES_MAX);
    rk_status status =
        plan ? rki_file_read(path, &text, err) : rk_error_set(err, RK_NOMEM, "out of memory");
    if (status == RK_OK)
        status = parse(path, rk_buf_slice(&text), &document, &plan->hash, err);
    if (status == RK_OK && !take_plan(document, plan))
        status = rk_error_set(err, RK_CORRUPT, "the plan %s cannot be read", path);
    json_decref(document);
    rk_buf_fini(&text);
    if (status != RK_OK) {
        rk_plan_destroy(plan);
        return status;
    }
    *out = plan;
    return RK_OK;
}
