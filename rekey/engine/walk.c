#include "rekey/engine/walk.h"

#include <assert.h>
#include <stdlib.h>

#define PREFIXES_MAX (RK_ENTITIES_MAX * RK_CAPSULES_MAX)
#define RANGES_MAX   (PREFIXES_MAX + 1) /* what lies between so many prefixes */

/* Bounds the time that one snapshot is held where most tenants have nothing for the job. */
#define TENANTS_PER_CHUNK_MAX 4096

/* Key ranges [begin, end) to walk inside one (tenant, rank), sorted and disjoint. */
typedef struct key_range {
    rk_slice begin;
    rk_slice end;
    bool matched; /* read from its begin on, and so far each of its keys matched an entity */
} key_range;

/* Ranges of the current tenant that hold no key that matches nothing, as this walker has seen. A
 * walker that begins in the middle of a tenant knows less than one that came from its beginning; it
 * reads more and gives out the same. */
typedef struct known_ranges {
    rk_arena arena;
    key_range *range;
    size_t count;
} known_ranges;

struct rki_walker {
    const rki_job *job;
    const rki_job_rule *rule;
    rk_transformer *classifier; /* only asked which entity and side a key is of */
    rk_view *view;
    rk_cursor *cursor;
    uint32_t stage;
    bool stage_begun;
    /* Position: everything up to and including it has been given out. */
    bool in_tenant;
    bool tenant_fresh; /* nothing of this tenant given out yet */
    bool tenant_split; /* it goes on behind a chunk's end */
    bool large_before; /* the tenant before this one was split: likely not to fit either */
    size_t canary_next;
    rk_buf tenant;
    uint32_t rank;
    rk_buf key;
    /* Scratch of the current (tenant, rank). */
    rk_arena scratch;
    key_range *ranges;
    size_t range_count;
    bool ranges_ready;
    known_ranges matched; /* unused by jobs that pass by what matches nothing */
};

static rk_status bufs_init(rki_walker *walker, rk_error *err)
{
    rk_buf_init(&walker->tenant, RK_STATE_KEY_BYTES_MAX + 1);
    rk_buf_init(&walker->key, RK_STATE_KEY_BYTES_MAX + 1);
    rk_arena_init(&walker->scratch, (size_t)16 * 1024 * 1024);
    rk_arena_init(&walker->matched.arena, (size_t)16 * 1024 * 1024);
    walker->ranges = calloc(RANGES_MAX, sizeof *walker->ranges);
    walker->matched.range = calloc(PREFIXES_MAX, sizeof *walker->matched.range);
    bool have = walker->ranges && walker->matched.range;
    return have ? RK_OK : rk_error_set(err, RK_NOMEM, "walk: out of memory");
}

static void forget_matched(rki_walker *walker)
{
    rk_arena_reset(&walker->matched.arena);
    walker->matched.count = 0;
}

/* A tenant that is done stands there with a rank behind all others. */
#define RANK_DONE UINT32_MAX

rk_status rki_walker_place(rki_walker *walker, const rk_checkpoint *from, rk_error *err)
{
    walker->stage = from->stage;
    walker->stage_begun = true;
    walker->tenant_fresh = false;
    walker->ranges_ready = false;
    forget_matched(walker);
    walker->canary_next = 0;
    walker->rank = from->rank;
    rk_status status =
        rk_buf_set(&walker->tenant, rk_slice_of(from->tenant, from->tenant_len), err);
    if (status == RK_OK)
        status = rk_buf_set(&walker->key, rk_slice_of(from->key, from->key_len), err);
    walker->in_tenant = from->tenant_len > 0;
    const rk_spec *spec = walker->job->spec;
    while (walker->canary_next < spec->canary_count &&
           rk_slice_compare(spec->canary[walker->canary_next], rk_buf_slice(&walker->tenant)) <= 0)
        walker->canary_next++;
    return status;
}

/* A canary's name in the spec may be longer than any key; then it has no records either. */
static void copy_out(const rk_buf *from, uint8_t *out, size_t *len)
{
    *len = from->len < RK_STATE_KEY_BYTES_MAX ? from->len : RK_STATE_KEY_BYTES_MAX;
    if (*len > 0)
        memcpy(out, from->ptr, *len);
}

void rki_walker_position(const rki_walker *walker, rk_checkpoint *out)
{
    *out = (rk_checkpoint){.job = walker->job->kind, .stage = walker->stage};
    out->rank = walker->in_tenant || walker->tenant.len == 0 ? walker->rank : RANK_DONE;
    copy_out(&walker->tenant, out->tenant, &out->tenant_len);
    copy_out(&walker->key, out->key, &out->key_len);
}

rk_status rki_walker_create(const rki_job *job, const rk_checkpoint *from, rki_walker **out,
                            rk_error *err)
{
    rki_walker *walker = calloc(1, sizeof *walker);
    if (!walker)
        return rk_error_set(err, RK_NOMEM, "walk: out of memory");
    walker->job = job;
    walker->rule = rki_job_rule_of(job->kind);
    rk_status status = bufs_init(walker, err);
    if (status == RK_OK)
        status = rki_job_transformer(job, 0, &walker->classifier, err);
    if (status == RK_OK)
        status = rk_snapshot_open(job->store, &walker->view, err);
    if (status == RK_OK)
        status = rk_cursor_open(walker->view, job->tables->records, &walker->cursor, err);
    if (status == RK_OK)
        rk_snapshot_release(walker->view);
    if (status == RK_OK && from)
        status = rki_walker_place(walker, from, err);
    if (status != RK_OK) {
        rki_walker_destroy(walker);
        return status;
    }
    *out = walker;
    return RK_OK;
}

void rki_walker_destroy(rki_walker *walker)
{
    if (!walker)
        return;
    rk_cursor_close(walker->cursor);
    rk_snapshot_close(walker->view);
    rk_transformer_destroy(walker->classifier);
    rk_buf_fini(&walker->tenant);
    rk_buf_fini(&walker->key);
    rk_arena_fini(&walker->scratch);
    rk_arena_fini(&walker->matched.arena);
    free(walker->ranges);
    free(walker->matched.range);
    free(walker);
}

/* --- tenants ---------------------------------------------------------------------------------- */

/* LITERAL#tenant followed by `last`: '#' begins the tenant's range, '#' + 1 ends it. */
static rk_status tenant_bound(const rki_walker *walker, rk_slice tenant, uint8_t last, rk_buf *out,
                              rk_error *err)
{
    rk_buf_reset(out);
    rk_status status = rk_buf_append_str(out, walker->job->spec->tenant_literal, err);
    if (status == RK_OK)
        status = rk_buf_append_byte(out, RK_DELIMITER, err);
    if (status == RK_OK)
        status = rk_buf_append(out, tenant, err);
    if (status == RK_OK && last)
        status = rk_buf_append_byte(out, last, err);
    return status;
}

/* The tenant of a key LITERAL#tenant#...; empty when the key is outside of every tenant. */
static rk_slice tenant_of(const rki_walker *walker, rk_slice key)
{
    rk_slice literal = rk_slice_str(walker->job->spec->tenant_literal);
    if (key.len < literal.len + 2 || !rk_slice_starts_with(key, literal) ||
        key.ptr[literal.len] != RK_DELIMITER)
        return RK_SLICE_EMPTY;
    rk_slice rest = rk_slice_of(key.ptr + literal.len + 1, key.len - literal.len - 1);
    const uint8_t *end = memchr(rest.ptr, RK_DELIMITER, rest.len);
    return end ? rk_slice_of(rest.ptr, (size_t)(end - rest.ptr)) : RK_SLICE_EMPTY;
}

static rk_status enter_tenant(rki_walker *walker, rk_slice tenant, rk_error *err)
{
    rk_status status = rk_buf_set(&walker->tenant, tenant, err);
    rk_buf_reset(&walker->key);
    walker->in_tenant = true;
    walker->tenant_fresh = true;
    walker->tenant_split = false;
    walker->rank = 0;
    walker->ranges_ready = false;
    forget_matched(walker);
    return status;
}

static rk_status next_canary(rki_walker *walker, rk_error *err)
{
    const rk_spec *spec = walker->job->spec;
    if (walker->canary_next == spec->canary_count)
        return RK_NOT_FOUND;
    return enter_tenant(walker, spec->canary[walker->canary_next++], err);
}

/* Skips from tenant to tenant, one seek each; keys outside of every tenant are stepped over. */
static rk_status next_production(rki_walker *walker, rk_error *err)
{
    rk_buf bound;
    rk_buf_init(&bound, RK_STATE_KEY_BYTES_MAX + 256);
    bool first = !walker->stage_begun || walker->tenant.len == 0;
    rk_status status = tenant_bound(walker, rk_buf_slice(&walker->tenant),
                                    first ? 0 : RK_DELIMITER + 1, &bound, err);
    rk_entry entry;
    if (status == RK_OK)
        status = rk_cursor_seek(walker->cursor, rk_buf_slice(&bound), &entry, err);
    rk_slice literal = rk_slice_str(walker->job->spec->tenant_literal);
    while (status == RK_OK) {
        rk_slice tenant = tenant_of(walker, entry.key);
        if (tenant.len == 0) {
            if (!rk_slice_starts_with(entry.key, literal)) {
                status = RK_NOT_FOUND;
                break;
            }
            status = rk_cursor_next(walker->cursor, &entry, err);
        } else if (rk_spec_tier(walker->job->spec, tenant) == RK_TIER_PRODUCTION) {
            status = enter_tenant(walker, tenant, err);
            break;
        } else {
            status = tenant_bound(walker, tenant, RK_DELIMITER + 1, &bound, err);
            if (status == RK_OK)
                status = rk_cursor_seek(walker->cursor, rk_buf_slice(&bound), &entry, err);
        }
    }
    rk_buf_fini(&bound);
    return status;
}

static rk_status next_tenant(rki_walker *walker, rk_error *err)
{
    rk_status status = walker->job->tier == RK_TIER_CANARY ? next_canary(walker, err)
                                                           : next_production(walker, err);
    walker->stage_begun = true;
    return status;
}

/* --- what a key is to this job ---------------------------------------------------------------- */

/* Nobody waits for an only entity: what matches nothing is met on the same walk, and there are no
 * others for the stage after. */
static bool is_only_entity(const rki_job *job)
{
    return job->template_entity >= 0 && job->spec->entity_count == 1;
}

static bool takes_strays(const rki_walker *walker)
{
    return walker->job->kind == RK_JOB_BACKFILL &&
           walker->stage == (is_only_entity(walker->job) ? 0u : 1u);
}

/* Whether the stage wants the key, and at which rank. */
static bool wanted(const rki_walker *walker, rk_slice key, int *entity, uint32_t *rank)
{
    const rki_job *job = walker->job;
    int hit = rk_transform_classify(walker->classifier, key, NULL);
    if (hit < 0) {
        *entity = -1;
        *rank = rki_job_rank(job, -1);
        return takes_strays(walker);
    }
    *entity = hit / 2;
    *rank = rki_job_rank(job, *entity);
    if ((hit & 1) != (int)walker->rule->side)
        return false;
    if (job->kind != RK_JOB_BACKFILL)
        return true;
    return (*entity == job->template_entity) == (walker->stage == 0);
}

static rk_status chunk_add(rki_chunk *chunk, rk_slice tenant, const rk_entry *entry, int entity,
                           uint32_t rank, rk_error *err)
{
    rki_work *work = &chunk->work[chunk->count];
    *work = (rki_work){.tenant = tenant, .entity = entity, .rank = rank};
    rk_status status = rk_arena_copy(&chunk->arena, entry->key, &work->key, err);
    /* Of a key that matches nothing only the key is needed. */
    if (status == RK_OK && entity >= 0)
        status = rk_arena_copy(&chunk->arena, entry->value, &work->value, err);
    if (status == RK_OK)
        chunk->count++;
    return status;
}

static bool chunk_full(const rki_chunk *chunk)
{
    return chunk->count == chunk->limits.records_max ||
           chunk->arena.handed_out >= chunk->limits.bytes_max;
}

/* --- a tenant that fits ----------------------------------------------------------------------- */

static int by_rank_and_key(const void *left, const void *right)
{
    const rki_work *a = left;
    const rki_work *b = right;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return rk_slice_compare(a->key, b->key);
}

/* Reads the whole tenant into what room the chunk has. *fits is false, and the chunk as it was,
 * when it is too large. */
static rk_status gather_whole(rki_walker *walker, rki_chunk *chunk, rk_slice tenant, bool *fits,
                              rk_error *err)
{
    size_t before = chunk->count;
    size_t seen = 0;
    rk_buf bound;
    rk_buf_init(&bound, RK_STATE_KEY_BYTES_MAX + 256);
    rk_entry entry;
    *fits = true;
    rk_status status = tenant_bound(walker, tenant, RK_DELIMITER, &bound, err);
    if (status == RK_OK)
        status = rk_cursor_seek(walker->cursor, rk_buf_slice(&bound), &entry, err);
    while (status == RK_OK && rk_slice_starts_with(entry.key, rk_buf_slice(&bound))) {
        int entity;
        uint32_t rank;
        if (chunk_full(chunk) || seen++ > 2 * (size_t)chunk->limits.records_max) {
            *fits = false;
            chunk->count = before;
            break;
        }
        if (wanted(walker, entry.key, &entity, &rank))
            status = chunk_add(chunk, tenant, &entry, entity, rank, err);
        if (status == RK_OK)
            status = rk_cursor_next(walker->cursor, &entry, err);
    }
    rk_buf_fini(&bound);
    if (status == RK_NOT_FOUND)
        status = RK_OK;
    if (status == RK_OK && *fits)
        qsort(chunk->work + before, chunk->count - before, sizeof *chunk->work, by_rank_and_key);
    return status;
}

/* --- a tenant that does not ------------------------------------------------------------------- */

static int by_begin(const void *left, const void *right)
{
    return rk_slice_compare(((const key_range *)left)->begin, ((const key_range *)right)->begin);
}

/* [prefix, its successor): the last byte plus one; a prefix here never ends in 0xFF bytes only,
 * since it begins with the tenant literal. */
static rk_status range_add(rki_walker *walker, rk_slice prefix, rk_error *err)
{
    assert(walker->range_count < RANGES_MAX);
    key_range *range = &walker->ranges[walker->range_count];
    range->matched = false;
    rk_status status = rk_arena_copy(&walker->scratch, prefix, &range->begin, err);
    if (status != RK_OK)
        return status;
    size_t len = prefix.len;
    while (len > 0 && prefix.ptr[len - 1] == 0xFF)
        len--;
    uint8_t *end = rk_arena_alloc(&walker->scratch, len + 1);
    if (!end)
        return rk_error_set(err, RK_LIMIT, "walk: too many key ranges");
    memcpy(end, prefix.ptr, len);
    end[len - 1]++;
    range->end = rk_slice_of(end, len);
    walker->range_count++;
    return RK_OK;
}

static rk_status add_entity_ranges(rki_walker *walker, const rk_entity *entity, rk_buf *prefix,
                                   rk_error *err)
{
    const rk_spec *spec = walker->job->spec;
    static const rk_binding none;
    rk_binding binding = none;
    binding.value[spec->tenant] = rk_buf_slice(&walker->tenant);
    bool old_side = walker->rule->side == RKI_SIDE_OLD;
    const rk_pattern *pattern = old_side ? &entity->old_key : &entity->new_key;
    size_t capsules = rk_pattern_has(pattern, spec->capsule) ? spec->allowed_count : 1;
    rk_status status = RK_OK;
    for (size_t i = 0; status == RK_OK && i < capsules; i++) {
        bool whole;
        binding.value[spec->capsule] = spec->allowed[i];
        rk_buf_reset(prefix);
        status = rk_pattern_prefix(pattern, &binding, prefix, &whole, err);
        if (status == RK_OK)
            status = range_add(walker, rk_buf_slice(prefix), err);
    }
    return status;
}

/* Sorts the ranges and drops those that lie inside another. */
static size_t settle(key_range *ranges, size_t count)
{
    qsort(ranges, count, sizeof *ranges, by_begin);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && rk_slice_compare(ranges[i].end, ranges[kept - 1].end) <= 0)
            continue;
        ranges[kept++] = ranges[i];
    }
    return kept;
}

/* The whole tenant, but what is known to match. Prefixes' ranges lie inside of each other or apart,
 * so these do not cut one in two. */
static rk_status add_stray_ranges(rki_walker *walker, rk_buf *prefix, rk_error *err)
{
    known_ranges *matched = &walker->matched;
    rk_status status =
        tenant_bound(walker, rk_buf_slice(&walker->tenant), RK_DELIMITER, prefix, err);
    if (status == RK_OK)
        status = range_add(walker, rk_buf_slice(prefix), err);
    if (status != RK_OK)
        return status;
    key_range rest = walker->ranges[--walker->range_count];
    matched->count = settle(matched->range, matched->count);
    for (size_t i = 0; i < matched->count; i++) {
        const key_range *known = &matched->range[i];
        if (rk_slice_compare(rest.begin, known->begin) < 0)
            walker->ranges[walker->range_count++] =
                (key_range){.begin = rest.begin, .end = known->begin};
        rest.begin = known->end;
    }
    if (rk_slice_compare(rest.begin, rest.end) < 0)
        walker->ranges[walker->range_count++] = rest;
    return RK_OK;
}

/* Notes what the pass for strays may leave out. */
static rk_status note_matched(rki_walker *walker, const key_range *range, rk_error *err)
{
    known_ranges *matched = &walker->matched;
    assert(matched->count < PREFIXES_MAX);
    key_range *known = &matched->range[matched->count];
    rk_status status = rk_arena_copy(&matched->arena, range->begin, &known->begin, err);
    if (status == RK_OK)
        status = rk_arena_copy(&matched->arena, range->end, &known->end, err);
    if (status == RK_OK)
        matched->count++;
    return status;
}

/* The ranges of the current tenant and rank; at the rank after the last level the tenant is looked
 * through for keys that match nothing. */
static rk_status ranges_build(rki_walker *walker, rk_error *err)
{
    const rki_job *job = walker->job;
    rk_buf prefix;
    rk_buf_init(&prefix, RK_STATE_KEY_BYTES_MAX + 256);
    rk_arena_reset(&walker->scratch);
    walker->range_count = 0;
    rk_status status = RK_OK;
    for (size_t i = 0; status == RK_OK && i < job->spec->entity_count; i++) {
        bool template = (int)i == job->template_entity;
        if (rki_job_rank(job, (int)i) != walker->rank)
            continue;
        if (job->kind == RK_JOB_BACKFILL && template != (walker->stage == 0))
            continue;
        status = add_entity_ranges(walker, &job->spec->entities[i], &prefix, err);
    }
    if (status == RK_OK && walker->rank == job->spec->level_count)
        status = add_stray_ranges(walker, &prefix, err);
    walker->range_count = settle(walker->ranges, walker->range_count);
    walker->ranges_ready = true;
    rk_buf_fini(&prefix);
    return status;
}

static rk_status gather_range(rki_walker *walker, rki_chunk *chunk, key_range *range,
                              rk_slice tenant, size_t *seen, rk_error *err)
{
    bool after = rk_slice_compare(rk_buf_slice(&walker->key), range->begin) >= 0;
    range->matched = range->matched || !after;
    rk_slice start = after ? rk_buf_slice(&walker->key) : range->begin;
    rk_entry entry;
    rk_status status = rk_cursor_seek(walker->cursor, start, &entry, err);
    if (status == RK_OK && after && rk_slice_equal(entry.key, start))
        status = rk_cursor_next(walker->cursor, &entry, err);
    while (status == RK_OK && rk_slice_compare(entry.key, range->end) < 0) {
        int entity;
        uint32_t rank;
        if (wanted(walker, entry.key, &entity, &rank) && rank == walker->rank)
            status = chunk_add(chunk, tenant, &entry, entity, rank, err);
        range->matched = range->matched && entity >= 0;
        (*seen)++;
        if (status != RK_OK)
            return status;
        if (chunk_full(chunk) || *seen > 4 * (size_t)chunk->limits.records_max)
            return rk_buf_set(&walker->key, entry.key, err);
        status = rk_cursor_next(walker->cursor, &entry, err);
    }
    if (status == RK_OK || status == RK_NOT_FOUND)
        return RK_NOT_FOUND; /* the range is done */
    return status;
}

/* Continues the tenant rank by rank until the chunk is full or the tenant is done. */
static rk_status gather_ranks(rki_walker *walker, rki_chunk *chunk, rk_slice tenant, rk_error *err)
{
    uint32_t levels = walker->job->spec->level_count;
    bool strays = takes_strays(walker);
    uint32_t ranks = levels + (strays ? 1 : 0);
    size_t seen = 0;
    walker->tenant_fresh = false;
    while (walker->rank < ranks) {
        rk_status status = walker->ranges_ready ? RK_OK : ranges_build(walker, err);
        for (size_t i = 0; status == RK_OK && i < walker->range_count; i++) {
            key_range *range = &walker->ranges[i];
            if (rk_slice_compare(rk_buf_slice(&walker->key), range->end) >= 0)
                continue;
            status = gather_range(walker, chunk, range, tenant, &seen, err);
            if (status == RK_OK) {
                walker->tenant_split = true;
                return RK_OK; /* full, in the middle of a key_range */
            }
            status = status == RK_NOT_FOUND ? RK_OK : status;
            if (status == RK_OK && strays && range->matched && walker->rank < levels)
                status = note_matched(walker, range, err);
        }
        if (status != RK_OK)
            return status;
        walker->rank++;
        rk_buf_reset(&walker->key);
        walker->ranges_ready = false;
    }
    walker->in_tenant = false;
    walker->large_before = walker->tenant_split;
    return RK_OK;
}

/* --- keys outside of every tenant ------------------------------------------------------------- */

static rk_status gather_outside(rki_walker *walker, rki_chunk *chunk, rk_error *err)
{
    rk_buf bound;
    rk_buf_init(&bound, RK_STATE_KEY_BYTES_MAX + 256);
    rk_slice start = rk_buf_slice(&walker->key);
    rk_entry entry;
    rk_status status = rk_cursor_seek(walker->cursor, start, &entry, err);
    if (status == RK_OK && start.len > 0 && rk_slice_equal(entry.key, start))
        status = rk_cursor_next(walker->cursor, &entry, err);
    while (status == RK_OK && !chunk_full(chunk)) {
        rk_slice tenant = tenant_of(walker, entry.key);
        if (tenant.len > 0) {
            status = tenant_bound(walker, tenant, RK_DELIMITER + 1, &bound, err);
            if (status == RK_OK)
                status = rk_cursor_seek(walker->cursor, rk_buf_slice(&bound), &entry, err);
            continue;
        }
        status = chunk_add(chunk, RK_SLICE_EMPTY, &entry, -1, 0, err);
        if (status == RK_OK)
            status = rk_buf_set(&walker->key, entry.key, err);
        if (status == RK_OK)
            status = rk_cursor_next(walker->cursor, &entry, err);
    }
    rk_buf_fini(&bound);
    if (status == RK_NOT_FOUND) {
        chunk->stage_end = true;
        status = RK_OK;
    }
    return status;
}

/* --- stages ----------------------------------------------------------------------------------- */

/* Whether to read the tenant at once. To find that it does not fit costs as much as a chunk, so one
 * large tenant is taken to follow another; a template entity is few of many records. */
static bool is_worth_a_try(const rki_walker *walker)
{
    bool template_stage = walker->job->kind == RK_JOB_BACKFILL && walker->stage == 0;
    return walker->tenant_fresh && !walker->large_before &&
           (!template_stage || is_only_entity(walker->job));
}

/* The next records of the tenant. *put_off when it gets a chunk of its own. */
static rk_status gather_tenant(rki_walker *walker, rki_chunk *chunk, bool *put_off, rk_error *err)
{
    rk_slice tenant;
    bool fits = false;
    *put_off = false;
    rk_status status = rk_arena_copy(&chunk->arena, rk_buf_slice(&walker->tenant), &tenant, err);
    if (status == RK_OK && is_worth_a_try(walker)) {
        status = gather_whole(walker, chunk, tenant, &fits, err);
        *put_off = !fits && chunk->count > 0;
    }
    if (status != RK_OK || *put_off)
        return status;
    if (!fits)
        return gather_ranks(walker, chunk, tenant, err);
    walker->in_tenant = false;
    return RK_OK;
}

static rk_status gather_tenants(rki_walker *walker, rki_chunk *chunk, rk_error *err)
{
    for (size_t visited = 0; visited < TENANTS_PER_CHUNK_MAX; visited++) {
        if (!walker->in_tenant) {
            rk_status status = next_tenant(walker, err);
            if (status == RK_NOT_FOUND) {
                chunk->stage_end = true;
                return RK_OK;
            }
            if (status != RK_OK)
                return status;
        }
        bool put_off;
        rk_status status = gather_tenant(walker, chunk, &put_off, err);
        if (status != RK_OK || put_off || chunk_full(chunk) || walker->in_tenant)
            return status;
    }
    return RK_OK;
}

static bool is_left_out(const rki_walker *walker)
{
    return walker->job->kind == RK_JOB_BACKFILL && walker->stage == 1 &&
           is_only_entity(walker->job);
}

static bool is_outside_stage(const rki_walker *walker)
{
    return walker->job->kind == RK_JOB_BACKFILL && walker->stage == 2;
}

rk_status rki_walker_next(rki_walker *walker, rki_chunk *chunk, rk_error *err)
{
    if (walker->stage >= walker->rule->stages)
        return RK_NOT_FOUND;
    rki_chunk_reset(chunk);
    chunk->stage = walker->stage;
    rk_status status = rk_snapshot_renew(walker->view, err);
    if (status != RK_OK)
        return status;
    chunk->state = rk_view_state(walker->view);
    if (is_left_out(walker))
        chunk->stage_end = true;
    else if (!is_outside_stage(walker))
        status = gather_tenants(walker, chunk, err);
    else if (walker->job->tier == RK_TIER_PRODUCTION)
        status = gather_outside(walker, chunk, err);
    else
        chunk->stage_end = true;
    rk_snapshot_release(walker->view);
    if (status == RK_OK && chunk->stage_end) {
        walker->stage++;
        walker->stage_begun = false;
        walker->in_tenant = false;
        walker->canary_next = 0;
        rk_buf_reset(&walker->tenant);
        rk_buf_reset(&walker->key);
    }
    return status;
}
