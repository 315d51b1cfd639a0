/* shards.c: one plan over several nodes, made of theirs and taken apart again. */
#include <stdlib.h>

#include "rekey/plan/plan_private.h"

#define FINGERPRINT_DOMAIN "rekey plan shards v1"

void rki_plan_shards_free(rk_plan_shard *shards, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rk_plan_destroy(shards[i].plan);
    free(shards);
}

/* --- what may be a whole ---------------------------------------------------------------------- */

static rk_status check_shard(const rk_plan_shard *shard, const rk_digest *spec_digest,
                             rk_error *err)
{
    size_t len = strnlen(shard->node, sizeof shard->node);
    if (len == 0 || len > RK_PLAN_NODE_BYTES_MAX)
        return rk_error_set(err, RK_INVALID, "a shard's node needs a name of 1 to %d bytes",
                            RK_PLAN_NODE_BYTES_MAX);
    if (shard->plan->shard_count > 0)
        return rk_error_set(err, RK_INVALID, "the plan of node %s has shards itself", shard->node);
    if (memcmp(&shard->plan->spec_digest, spec_digest, sizeof *spec_digest) != 0)
        return rk_error_set(err, RK_CONFLICT,
                            "the plan of node %s is of another spec than those of the others",
                            shard->node);
    return RK_OK;
}

rk_status rki_plan_check_shards(const rk_plan_shard *shards, size_t count,
                                const rk_digest *spec_digest, rk_error *err)
{
    if (count == 0 || count > RK_PLAN_SHARDS_MAX)
        return rk_error_set(err, RK_LIMIT, "a plan over nodes has 1 to %d of them, not %zu",
                            RK_PLAN_SHARDS_MAX, count);
    for (size_t i = 0; i < count; i++) {
        rk_status status = check_shard(&shards[i], spec_digest, err);
        if (status != RK_OK)
            return status;
        int order = i > 0 ? strcmp(shards[i - 1].node, shards[i].node) : -1;
        if (order >= 0)
            return rk_error_set(err, RK_INVALID, "node %s %s", shards[i].node,
                                order == 0 ? "has two plans" : "is out of order");
    }
    return RK_OK;
}

/* --- sums ------------------------------------------------------------------------------------- */

static void add_counts(rk_plan *whole, const rk_plan *shard)
{
    rk_plan_counts *sum = &whole->counts;
    const rk_plan_counts *counts = &shard->counts;
    for (size_t i = 0; i < whole->spec->entity_count; i++) {
        sum->entity[i].records += counts->entity[i].records;
        sum->entity[i].bytes += counts->entity[i].bytes;
        sum->entity[i].index_entries += counts->entity[i].index_entries;
        sum->entity[i].quarantined += counts->entity[i].quarantined;
        sum->entity[i].pending += counts->entity[i].pending;
    }
    for (size_t i = 0; i < whole->spec->allowed_count; i++)
        sum->capsule[i] += counts->capsule[i];
    for (size_t i = 0; i < RK_REASON_COUNT; i++) {
        sum->quarantine[i] += counts->quarantine[i];
        sum->quarantine_bytes[i] += counts->quarantine_bytes[i];
    }
    sum->unmatched += counts->unmatched;
    sum->tenants += counts->tenants; /* a tenant lives on one node */
    sum->contaminated_tenants += counts->contaminated_tenants;
}

/* The nodes work side by side: the slowest says how long it takes, and all their disks fill. */
static void add_shard(rk_plan *whole, const rk_plan *shard)
{
    add_counts(whole, shard);
    whole->registered = whole->registered && shard->registered;
    whole->changes = whole->changes || shard->changes;
    whole->client_commits += shard->client_commits;
    whole->estimate_map_bytes += shard->estimate_map_bytes;
    whole->estimate_disk_bytes += shard->estimate_disk_bytes;
    if (shard->epoch > whole->epoch)
        whole->epoch = shard->epoch;
    if (shard->phase < whole->phase)
        whole->phase = shard->phase;
    if (shard->estimate_seconds > whole->estimate_seconds)
        whole->estimate_seconds = shard->estimate_seconds;
}

static void add_up(rk_plan *whole)
{
    rk_slice parts[RK_PLAN_SHARDS_MAX];
    whole->registered = true;
    whole->phase = whole->shards[0].plan->phase;
    for (size_t i = 0; i < whole->shard_count; i++) {
        const rk_plan *shard = whole->shards[i].plan;
        add_shard(whole, shard);
        parts[i] = rk_slice_of(shard->fingerprint.bytes, sizeof shard->fingerprint.bytes);
    }
    rk_digest_parts(FINGERPRINT_DOMAIN, parts, whole->shard_count, &whole->fingerprint);
    whole->template_entity = rki_plan_template(whole);
}

/* --- the spec --------------------------------------------------------------------------------- */

static bool copy_name(rk_arena *arena, const char *name, char **out)
{
    size_t size = strlen(name) + 1;
    *out = rk_arena_alloc(arena, size);
    if (*out)
        memcpy(*out, name, size);
    return *out != NULL;
}

static bool copy_source(const rk_spec_source *from, rk_spec_source *out)
{
    rk_arena_init(&out->memory, RK_PLAN_BYTES_MAX);
    out->files = rk_arena_alloc(&out->memory, (from->file_count + 1) * sizeof *out->files);
    if (!out->files || !copy_name(&out->memory, from->name, &out->name) ||
        rk_arena_copy(&out->memory, from->text, &out->text, NULL) != RK_OK)
        return false;
    for (size_t i = 0; i < from->file_count; i++) {
        rk_spec_file *file = &out->files[i];
        if (!copy_name(&out->memory, from->files[i].name, &file->name) ||
            rk_arena_copy(&out->memory, from->files[i].bytes, &file->bytes, NULL) != RK_OK)
            return false;
        out->file_count = i + 1;
    }
    return true;
}

static rk_status copy_spec(const rk_plan *from, const char *spec_path, rk_plan *out, rk_error *err)
{
    rk_findings findings = {0};
    out->spec_digest = from->spec_digest;
    out->spec_path = strdup(spec_path);
    if (!out->spec_path || !copy_source(&from->source, &out->source))
        return rk_error_set(err, RK_NOMEM, "plan: out of memory");
    rk_status status = rk_spec_load(&out->source, NULL, &out->spec, &findings, err);
    rk_findings_fini(&findings);
    return status;
}

/* --- whole and parts -------------------------------------------------------------------------- */

static int compare_nodes(const void *left, const void *right)
{
    const rk_plan_shard *a = left;
    const rk_plan_shard *b = right;
    return strncmp(a->node, b->node, sizeof a->node);
}

/* A copy of the shards, sorted, so that their order makes no other hash. */
static rk_status sort_shards(const rk_plan_shard *shards, size_t count, rk_plan *whole,
                             rk_error *err)
{
    if (count == 0 || count > RK_PLAN_SHARDS_MAX)
        return rki_plan_check_shards(shards, count, NULL, err);
    whole->shards = calloc(count, sizeof *whole->shards);
    if (!whole->shards)
        return rk_error_set(err, RK_NOMEM, "plan: out of memory");
    memcpy(whole->shards, shards, count * sizeof *shards);
    whole->shard_count = count;
    qsort(whole->shards, count, sizeof *whole->shards, compare_nodes);
    return rki_plan_check_shards(whole->shards, count, &whole->shards[0].plan->spec_digest, err);
}

rk_status rk_plan_merge(rk_plan_shard *shards, size_t count, const char *spec_path, int64_t wall_ms,
                        rk_plan **out, rk_error *err)
{
    rk_plan *whole = calloc(1, sizeof *whole);
    if (!whole)
        return rk_error_set(err, RK_NOMEM, "plan: out of memory");
    rk_status status = sort_shards(shards, count, whole, err);
    if (status == RK_OK)
        status = copy_spec(whole->shards[0].plan, spec_path, whole, err);
    if (status == RK_OK) {
        whole->made_ms = wall_ms;
        add_up(whole);
        status = rki_plan_hash(whole, &whole->hash, err);
    }
    if (status != RK_OK) {
        free(whole->shards); /* the plans are still the caller's */
        whole->shards = NULL;
        whole->shard_count = 0;
        rk_plan_destroy(whole);
        return status;
    }
    for (size_t i = 0; i < count; i++)
        shards[i].plan = NULL;
    *out = whole;
    return RK_OK;
}

rk_status rk_plan_take_shard(rk_plan *whole, const char *node, rk_plan **out, rk_error *err)
{
    size_t i = 0;
    while (i < whole->shard_count && strcmp(whole->shards[i].node, node) != 0)
        i++;
    if (i == whole->shard_count)
        return rk_error_set(err, RK_NOT_FOUND, "the plan has no shard of node %s", node);
    rk_plan *plan = whole->shards[i].plan;
    plan->hash = whole->hash;
    plan->template_entity = whole->template_entity;
    whole->shard_count--;
    memmove(&whole->shards[i], &whole->shards[i + 1],
            (whole->shard_count - i) * sizeof *whole->shards);
    *out = plan;
    return RK_OK;
}
