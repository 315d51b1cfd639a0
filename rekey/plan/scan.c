#include <stdlib.h>

#include "rekey/plan/plan_private.h"

#define STEP_RECORDS    1000
#define ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define CACHE_ENTRIES   (64 * 1024)
#define DETAIL_BYTES    192

/* For the estimates, from the figures in store/README.md: a unit costs about 3 microseconds and
 * its bytes pass at about 200 MB/s; a commit costs about 1 ms and covers about 2000 units. B+tree
 * pages that were split stand about 70 % full. */
#define UNIT_SECONDS     3e-6
#define BYTES_PER_SECOND 200e6
#define COMMIT_SECONDS   1e-3
#define UNITS_PER_COMMIT 2000.0
#define PAGE_FILL        0.7
#define ENTRY_OVERHEAD   24u /* node header, page slot, and their share of branch pages */

struct rk_plan_scan {
    rk_store *store;
    rk_plan *plan;
    rk_tables tables;
    rk_transformer *transformer;
    rk_view *view;
    rk_cursor *cursor;
    rk_arena arena;
    rk_buf key; /* the last one looked at */
    bool started;
    rk_buf tenant;
    uint32_t tenant_capsules;  /* bit set of the current tenant's */
    rk_plan_resident resident; /* NULL: any tenant may be here */
    const void *resident_context;
    uint64_t scanned;
    uint64_t expected;
    uint64_t growth_bytes;
    bool finished;
};

/* --- beginning -------------------------------------------------------------------------------- */

/* A table that is not there yet has no entries; the records table must be there. */
static rk_status open_tables(rk_plan_scan *scan, rk_error *err)
{
    return rk_tables_open(scan->store, scan->plan->spec, false, false, &scan->tables, err);
}

/* The migration that is registered must be this one, or be done. */
static rk_status check_registered(rk_plan *plan, const rk_state *state, rk_error *err)
{
    plan->epoch = state->epoch;
    plan->phase = rk_state_phase(state);
    if (strcmp(state->migration, plan->spec->migration) == 0 || plan->phase == RK_PHASE_DONE)
        return RK_OK;
    return rk_error_set(err, RK_CONFLICT,
                        "the spec is of migration %s, but %s is registered in the store and in "
                        "phase %s",
                        plan->spec->migration, state->migration, rk_phase_name(plan->phase));
}

static rk_status look_at_state(rk_plan_scan *scan, rk_error *err)
{
    rk_plan *plan = scan->plan;
    rk_state state;
    rk_status status = rk_state_load(scan->view, scan->tables.meta, &state, err);
    plan->registered = status == RK_OK;
    if (status == RK_OK)
        status = check_registered(plan, &state, err);
    else if (status == RK_NOT_FOUND)
        status = RK_OK;
    if (status == RK_OK)
        status = rk_client_commits_load(scan->view, scan->tables.meta, &plan->client_commits, err);
    if (status == RK_OK)
        status = rk_state_fingerprint(scan->view, plan->spec, &plan->fingerprint, err);
    if (status == RK_OK)
        status = rk_view_count(scan->view, scan->tables.records, &scan->expected, err);
    return status;
}

static rk_status start(rk_plan_scan *scan, rk_error *err)
{
    rk_arena_init(&scan->arena, ARENA_BYTES_MAX);
    rk_buf_init(&scan->key, RK_STATE_KEY_BYTES_MAX + 1);
    rk_buf_init(&scan->tenant, RK_STATE_KEY_BYTES_MAX + 1);
    rk_status status = open_tables(scan, err);
    if (status == RK_OK)
        status = rk_snapshot_open(scan->store, &scan->view, err);
    if (status == RK_OK)
        status = look_at_state(scan, err);
    if (status == RK_OK)
        status = rk_transformer_create(scan->plan->spec, &scan->tables,
                                       rk_store_capabilities(scan->store)->key_bytes_max,
                                       CACHE_ENTRIES, &scan->transformer, err);
    if (status == RK_OK)
        status = rk_cursor_open(scan->view, scan->tables.records, &scan->cursor, err);
    return status;
}

rk_status rk_plan_scan_start(rk_store *store, rk_spec_source *source, rk_spec *spec,
                             const char *spec_path, rk_plan_scan **out, rk_error *err)
{
    rk_plan_scan *scan = calloc(1, sizeof *scan);
    rk_plan *plan = calloc(1, sizeof *plan);
    char *path = strdup(spec_path);
    if (!scan || !plan || !path) {
        free(scan);
        free(plan);
        free(path);
        return rk_error_set(err, RK_NOMEM, "plan: out of memory");
    }
    scan->store = store;
    scan->plan = plan;
    plan->spec = spec;
    plan->spec_path = path;
    rk_state_spec_digest(source, &plan->spec_digest);
    rk_status status = start(scan, err);
    if (status != RK_OK) {
        plan->spec = NULL; /* still the caller's */
        rk_plan_scan_destroy(scan);
        return status;
    }
    plan->source = *source;
    *source = (rk_spec_source){0};
    *out = scan;
    return RK_OK;
}

void rk_plan_scan_destroy(rk_plan_scan *scan)
{
    if (!scan)
        return;
    rk_cursor_close(scan->cursor);
    rk_snapshot_close(scan->view);
    rk_transformer_destroy(scan->transformer);
    rk_arena_fini(&scan->arena);
    rk_buf_fini(&scan->key);
    rk_buf_fini(&scan->tenant);
    rk_plan_destroy(scan->plan);
    free(scan);
}

void rk_plan_destroy(rk_plan *plan)
{
    if (!plan)
        return;
    rki_plan_shards_free(plan->shards, plan->shard_count);
    rk_spec_destroy(plan->spec);
    rk_spec_source_fini(&plan->source);
    free(plan->spec_path);
    free(plan);
}

/* --- one record ------------------------------------------------------------------------------- */

static void leave_alone(rk_plan_scan *scan, int entity, rk_reason reason, const rk_entry *entry)
{
    rk_plan_counts *counts = &scan->plan->counts;
    counts->quarantine[reason]++;
    counts->quarantine_bytes[reason] += entry->key.len + entry->value.len;
    if (entity >= 0)
        counts->entity[entity].quarantined++;
    else
        counts->unmatched++;
}

static void count_tenant(rk_plan_scan *scan)
{
    uint32_t set = scan->tenant_capsules;
    if (set & (set - 1))
        scan->plan->counts.contaminated_tenants++;
    scan->tenant_capsules = 0;
}

static rk_status meet_tenant(rk_plan_scan *scan, rk_slice tenant, rk_error *err)
{
    if (tenant.len == 0 || rk_slice_equal(tenant, rk_buf_slice(&scan->tenant)))
        return RK_OK;
    count_tenant(scan);
    scan->plan->counts.tenants++;
    rk_status status = scan->resident ? scan->resident(scan->resident_context, tenant, err) : RK_OK;
    return status == RK_OK ? rk_buf_set(&scan->tenant, tenant, err) : status;
}

void rk_plan_scan_confine(rk_plan_scan *scan, rk_plan_resident resident, const void *context)
{
    scan->resident = resident;
    scan->resident_context = context;
}

static void count_growth(rk_plan_scan *scan, const rk_image *image)
{
    bool keeps_old = scan->plan->spec->strategy == RK_STRATEGY_DUAL_WRITE;
    size_t before = keeps_old ? 0 : image->old_key.len + image->old_value.len;
    size_t after = image->new_key.len + image->new_value.len;
    for (size_t i = 0; i < image->index_count; i++)
        if (image->index[i].new_key.len > 0)
            after += image->index[i].new_key.len + image->new_key.len + 2 * ENTRY_OVERHEAD;
    scan->growth_bytes += ENTRY_OVERHEAD + (after > before ? after - before : 0);
}

static void count_image(rk_plan_scan *scan, const rk_image *image)
{
    rk_plan_counts *counts = &scan->plan->counts;
    int capsule = rk_spec_capsule(scan->plan->spec, image->capsule);
    counts->capsule[capsule]++;
    scan->tenant_capsules |= 1u << capsule;
    for (size_t i = 0; i < image->index_count; i++)
        counts->entity[image->entity].index_entries += image->index[i].old_key.len > 0;
}

/* Is another record at the new key already, or the right one? */
static rk_status judge_target(rk_plan_scan *scan, const rk_image *image, const rk_entry *entry,
                              rk_error *err)
{
    rk_slice value;
    rk_status status = rk_view_get(scan->view, scan->tables.records, image->new_key, &value, err);
    if (status == RK_NOT_FOUND) {
        scan->plan->counts.entity[image->entity].pending++;
        count_growth(scan, image);
        return RK_OK;
    }
    if (status != RK_OK)
        return status;
    if (!rk_slice_equal(value, image->new_value))
        leave_alone(scan, image->entity, RK_REASON_CONFLICT, entry);
    else if (scan->plan->spec->strategy == RK_STRATEGY_MOVE)
        scan->plan->counts.entity[image->entity].pending++;
    return RK_OK;
}

static rk_status one_record(rk_plan_scan *scan, const rk_entry *entry, rk_error *err)
{
    rk_slice tenant = RK_SLICE_EMPTY;
    int hit = rk_transform_look(scan->transformer, entry->key, &tenant);
    if (hit < 0) {
        leave_alone(scan, -1, RK_REASON_UNMATCHED, entry);
        return RK_OK;
    }
    rk_status status = meet_tenant(scan, tenant, err);
    if (status != RK_OK || (hit & 1))
        return status;
    rk_plan_entity *entity = &scan->plan->counts.entity[hit / 2];
    entity->records++;
    entity->bytes += entry->key.len + entry->value.len;
    char detail[DETAIL_BYTES];
    rk_image image;
    rk_reason reason;
    rk_arena_reset(&scan->arena);
    status = rk_transform_old(scan->transformer, scan->view, entry->key, entry->value, &scan->arena,
                              &image, &reason, detail, err);
    if (status != RK_OK)
        return status;
    if (reason != RK_REASON_NONE) {
        leave_alone(scan, hit / 2, reason, entry);
        return RK_OK;
    }
    count_image(scan, &image);
    return judge_target(scan, &image, entry, err);
}

rk_status rk_plan_scan_step(rk_plan_scan *scan, uint64_t *scanned, uint64_t *expected,
                            bool *finished, rk_error *err)
{
    rk_entry entry;
    rk_status status = rk_snapshot_renew(scan->view, err);
    rk_slice key = rk_buf_slice(&scan->key);
    if (status == RK_OK)
        status = rk_cursor_seek(scan->cursor, key, &entry, err);
    if (status == RK_OK && scan->started && rk_slice_equal(entry.key, key))
        status = rk_cursor_next(scan->cursor, &entry, err);
    scan->started = true;
    rk_slice last = RK_SLICE_EMPTY;
    for (size_t n = 0; status == RK_OK && n < STEP_RECORDS; n++) {
        status = one_record(scan, &entry, err);
        scan->scanned++;
        last = entry.key;
        if (status == RK_OK)
            status = rk_cursor_next(scan->cursor, &entry, err);
    }
    if (status == RK_OK) /* its bytes are the snapshot's */
        status = rk_buf_set(&scan->key, last, err);
    rk_snapshot_release(scan->view);
    if (status == RK_NOT_FOUND) {
        count_tenant(scan);
        scan->finished = true;
        status = RK_OK;
    }
    *scanned = scan->scanned;
    *expected = scan->expected;
    *finished = scan->finished;
    return status;
}

/* --- conclusions ------------------------------------------------------------------------------ */

uint32_t rki_plan_template(const rk_plan *plan)
{
    const rk_spec *spec = plan->spec;
    int best = -1;
    for (size_t i = 0; i < spec->entity_count; i++) {
        if (spec->entities[i].parent >= 0)
            continue;
        uint64_t records = plan->counts.entity[i].records;
        if (best < 0) {
            best = (int)i;
            continue;
        }
        uint64_t fewest = plan->counts.entity[best].records;
        if ((records > 0 && records < fewest) || (fewest == 0 && records > 0))
            best = (int)i;
    }
    return best < 0 ? 0 : (uint32_t)best;
}

static rk_status estimate(rk_plan_scan *scan, rk_error *err)
{
    rk_plan *plan = scan->plan;
    rk_space space;
    rk_status status = rk_store_space(scan->store, &space, err);
    if (status != RK_OK)
        return status;
    uint64_t units = 0;
    uint64_t bytes = 0;
    uint64_t old_records = 0;
    for (size_t i = 0; i < plan->spec->entity_count; i++) {
        units += plan->counts.entity[i].pending;
        bytes += plan->counts.entity[i].bytes;
        old_records += plan->counts.entity[i].records;
    }
    double seconds =
        (double)units * UNIT_SECONDS + (double)units / UNITS_PER_COMMIT * COMMIT_SECONDS;
    if (old_records > 0)
        seconds += (double)bytes * ((double)units / (double)old_records) / BYTES_PER_SECOND;
    plan->estimate_seconds = seconds;
    plan->estimate_disk_bytes = (uint64_t)((double)scan->growth_bytes / PAGE_FILL);
    plan->estimate_map_bytes = space.used_bytes + plan->estimate_disk_bytes;
    /* Something is left to do while old records are there to be moved, or to be deleted. */
    plan->changes = units > 0 || (plan->phase != RK_PHASE_DONE && old_records > 0);
    return RK_OK;
}

rk_status rk_plan_scan_finish(rk_plan_scan *scan, int64_t wall_ms, rk_plan **out, rk_error *err)
{
    rk_plan *plan = scan->plan;
    rk_status status = estimate(scan, err);
    if (status != RK_OK)
        return status;
    plan->made_ms = wall_ms;
    plan->template_entity = rki_plan_template(plan);
    status = rki_plan_hash(plan, &plan->hash, err);
    if (status != RK_OK)
        return status;
    *out = plan;
    scan->plan = NULL;
    return RK_OK;
}
