#include <jansson.h>
#include <stdlib.h>

#include "rekey/plan/file.h"
#include "rekey/plan/plan_private.h"
#include "rekey/plan/source_json.h"

#define FORMAT      "rekey plan 1"
#define HASH_DOMAIN "rekey plan v1"
#define CANONICAL   (JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17))

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

json_t *rk_source_json(const rk_spec_source *source)
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

/* All that one store's plan says, but for its hash. */
static json_t *single_json(const rk_plan *plan)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:i, s:b, s:f, s:o, s:o, s:I}", "format",
                     FORMAT, "spec_path", plan->spec_path, "spec", rk_source_json(&plan->source),
                     "spec_digest", hex_of(&plan->spec_digest), "store", store_json(plan), "counts",
                     counts_json(plan), "template", (int)plan->template_entity, "changes",
                     plan->changes, "estimate_seconds", plan->estimate_seconds,
                     "estimate_map_bytes", integer(plan->estimate_map_bytes), "estimate_disk_bytes",
                     integer(plan->estimate_disk_bytes), "made_ms", (json_int_t)plan->made_ms);
}

/* Each shard as its own file would have it, its hash too. */
static json_t *shards_json(const rk_plan *plan)
{
    json_t *shards = json_array();
    for (size_t i = 0; i < plan->shard_count; i++) {
        const rk_plan_shard *shard = &plan->shards[i];
        json_t *document = single_json(shard->plan);
        json_object_set_new(document, "plan_hash", hex_of(&shard->plan->hash));
        json_t *entry = json_pack("{s:s, s:o}", "node", shard->node, "plan", document);
        if (json_array_append_new(shards, entry) != 0) {
            json_decref(shards);
            return NULL;
        }
    }
    return shards;
}

/* The whole plan but for its hash. NULL when a text is not UTF-8 or memory is out. A plan without
 * shards has no such member: its bytes and its hash are those from before there were shards. */
static json_t *document_json(const rk_plan *plan)
{
    json_t *document = single_json(plan);
    if (document && plan->shard_count > 0 &&
        json_object_set_new(document, "shards", shards_json(plan)) != 0) {
        json_decref(document);
        return NULL;
    }
    return document;
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

rk_status rk_plan_text(const rk_plan *plan, char **out, rk_error *err)
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
    size_t len = strlen(text);
    if (len > RK_PLAN_BYTES_MAX) {
        free(text);
        return rk_error_set(err, RK_LIMIT, "the plan has %zu bytes; at most %zu can be read", len,
                            RK_PLAN_BYTES_MAX);
    }
    *out = text;
    return RK_OK;
}

rk_status rk_plan_write(const rk_plan *plan, const char *path, rk_error *err)
{
    char *text = NULL;
    rk_status status = rk_plan_text(plan, &text, err);
    if (status == RK_OK)
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

bool rk_source_read(const json_t *object, rk_spec_source *out)
{
    const json_t *files = json_object_get(object, "files");
    size_t count = json_array_size(files);
    rk_arena_init(&out->memory, RK_PLAN_BYTES_MAX);
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

/* The hash has been checked: what is read here was written by rk_plan_text, or by somebody who went
 * to the trouble of a hash of his own. */
static bool take_plan(const json_t *document, rk_plan *plan)
{
    rk_findings findings = {0};
    rk_digest carried;
    const json_t *store = json_object_get(document, "store");
    const char *path = json_string_value(json_object_get(document, "spec_path"));
    plan->spec_path = path ? strdup(path) : NULL;
    bool good = plan->spec_path &&
                rk_source_read(json_object_get(document, "spec"), &plan->source) &&
                take_digest(document, "spec_digest", &plan->spec_digest) &&
                take_digest(store, "fingerprint", &plan->fingerprint) &&
                rk_spec_load(&plan->source, NULL, &plan->spec, &findings, NULL) == RK_OK;
    rk_findings_fini(&findings);
    if (!good)
        return false;
    /* The digest is what a store compares, the text is what will be done: they must be one. */
    rk_state_spec_digest(&plan->source, &carried);
    if (memcmp(&carried, &plan->spec_digest, sizeof carried) != 0)
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

/* Takes the hash out of a document, a file's or a shard's, and checks the rest against it. */
static rk_status check_hash(json_t *document, const char *name, rk_digest *stated, rk_error *err)
{
    const char *format = json_string_value(json_object_get(document, "format"));
    rk_digest actual;
    if (!format || strcmp(format, FORMAT) != 0 || !take_digest(document, "plan_hash", stated))
        return rk_error_set(err, RK_CORRUPT, "%s is no plan of rekey", name);
    json_object_del(document, "plan_hash");
    rk_status status = hash_document(document, &actual, err);
    if (status == RK_OK && memcmp(&actual, stated, sizeof actual) != 0)
        return rk_error_set(err, RK_CORRUPT,
                            "the plan %s was altered: its content does not have its hash", name);
    return status;
}

/* A document without its shards. */
static rk_status read_single(json_t *document, const char *name, rk_plan **out, rk_error *err)
{
    rk_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return rk_error_set(err, RK_NOMEM, "plan: out of memory");
    rk_status status = check_hash(document, name, &plan->hash, err);
    if (status == RK_OK && !take_plan(document, plan))
        status = rk_error_set(err, RK_CORRUPT, "the plan %s cannot be read", name);
    if (status == RK_OK)
        *out = plan;
    else
        rk_plan_destroy(plan);
    return status;
}

static rk_status read_shard(const json_t *entry, const char *name, rk_plan_shard *out,
                            rk_error *err)
{
    const json_t *node = json_object_get(entry, "node");
    json_t *document = json_object_get(entry, "plan");
    size_t len = json_string_length(node);
    if (len == 0 || len > RK_PLAN_NODE_BYTES_MAX)
        return rk_error_set(err, RK_CORRUPT, "the plan %s has a shard without a node's name", name);
    memcpy(out->node, json_string_value(node), len + 1);
    if (json_object_get(document, "shards"))
        return rk_error_set(err, RK_CORRUPT, "the plan %s has shards within the shard of node %s",
                            name, out->node);
    rk_status status = read_single(document, name, &out->plan, err);
    return status == RK_OK ? RK_OK : rk_error_context(err, status, "shard of node %s", out->node);
}

/* The whole's hash has been checked, and says that its author wanted these shards. That each is
 * what its own hash says, and of the spec that people saw, is not implied. */
static rk_status read_shards(const json_t *document, const char *name, rk_plan *plan, rk_error *err)
{
    const json_t *list = json_object_get(document, "shards");
    size_t count = json_array_size(list);
    if (!list)
        return RK_OK;
    if (count == 0 || count > RK_PLAN_SHARDS_MAX)
        return rk_error_set(err, RK_CORRUPT, "the plan %s has not 1 to %d shards", name,
                            RK_PLAN_SHARDS_MAX);
    plan->shards = calloc(count, sizeof *plan->shards);
    if (!plan->shards)
        return rk_error_set(err, RK_NOMEM, "plan: out of memory");
    plan->shard_count = count;
    rk_status status = RK_OK;
    for (size_t i = 0; status == RK_OK && i < count; i++)
        status = read_shard(json_array_get(list, i), name, &plan->shards[i], err);
    if (status == RK_OK &&
        rki_plan_check_shards(plan->shards, count, &plan->spec_digest, err) != RK_OK)
        status = rk_error_context(err, RK_CORRUPT, "the plan %s", name);
    return status;
}

rk_status rk_plan_parse(rk_slice text, const char *name, rk_plan **out, rk_error *err)
{
    json_error_t fault;
    rk_plan *plan = NULL;
    json_t *document = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &fault);
    if (!document)
        return rk_error_set(err, RK_CORRUPT,
                            "the plan %s is truncated or altered: not JSON at line %d: %s", name,
                            fault.line, fault.text);
    rk_status status = read_single(document, name, &plan, err);
    if (status == RK_OK)
        status = read_shards(document, name, plan, err);
    json_decref(document);
    if (status == RK_OK)
        *out = plan;
    else
        rk_plan_destroy(plan);
    return status;
}

rk_status rk_plan_read(const char *path, rk_plan **out, rk_error *err)
{
    rk_buf text;
    rk_buf_init(&text, RK_PLAN_BYTES_MAX);
    rk_status status = rki_file_read(path, &text, err);
    if (status == RK_OK)
        status = rk_plan_parse(rk_buf_slice(&text), path, out, err);
    rk_buf_fini(&text);
    return status;
}
