/* search.c: the walk over the tables, and its life. */
#include "rekey/isolation/search.h"

#include <assert.h>
#include <stdlib.h>

#include "rekey/isolation/search_private.h"

#define STEP_ENTRIES    1000
#define STEP_NS         (UINT64_C(50) * 1000 * 1000)
#define ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define CACHE_ENTRIES   4096 /* of parents: it is forgotten with each snapshot */

static const struct {
    const char *name;
    const char *claim;
} kinds[RK_FOUND_KIND_COUNT] = {
    [RK_FOUND_MIXED_TENANT] = {"mixed_tenant",
                               "no tenant's old keys hold records of several capsules"},
    [RK_FOUND_UNRESOLVED] = {"unresolved_capsule", "every old record tells which capsule it is in"},
    [RK_FOUND_OLD_ORPHAN] = {"old_orphan", "every old child's parent is there, in its capsule"},
    [RK_FOUND_INDEX_TENANTS] = {"index_shared_by_tenants",
                                "no old index key holds records of several tenants"},
    [RK_FOUND_INDEX_CAPSULES] = {"index_shared_by_capsules",
                                 "no old index key holds a tenant's records of several capsules"},
    [RK_FOUND_VALUE_TENANT] = {"value_of_other_tenant",
                               "no value names another tenant than its key"},
    [RK_FOUND_VALUE_CAPSULE] = {"value_of_other_capsule",
                                "no value names another capsule than its key"},
    [RK_FOUND_KEY_CAPSULE] = {"unknown_capsule_in_key",
                              "no key names a capsule that the spec does not allow"},
    [RK_FOUND_PARENT_ELSEWHERE] = {"parent_in_other_capsule",
                                   "no child's parent is in another capsule"},
    [RK_FOUND_PARENT_MISSING] = {"parent_missing", "no child lacks its parent"},
    [RK_FOUND_INDEX_SCOPE] = {"index_entry_out_of_scope",
                              "no index entry leads out of the scope that its key names"},
    [RK_FOUND_INDEX_DANGLING] = {"index_entry_to_nothing", "no index entry points at nothing"},
    [RK_FOUND_LEFT_RECORD] = {"old_record_left", "no old record is left behind the point of no "
                                                 "return"},
    [RK_FOUND_LEFT_ENTRY] = {"old_index_entry_left", "no old index entry is left behind the point "
                                                     "of no return"},
};

const char *rk_contamination_name(rk_contamination kind)
{
    assert((unsigned)kind < RK_FOUND_KIND_COUNT);
    return kinds[kind].name;
}

const char *rk_contamination_claim(rk_contamination kind)
{
    assert((unsigned)kind < RK_FOUND_KIND_COUNT);
    return kinds[kind].claim;
}

/* --- life cycle ------------------------------------------------------------------------------- */

/* What is registered counts only when it is this migration. */
static rk_status look_at_state(rk_search *search, rk_error *err)
{
    rk_status status = rk_state_load(search->view, search->tables.meta, &search->state, err);
    search->registered =
        status == RK_OK && strcmp(search->state.migration, search->spec->migration) == 0;
    return status == RK_NOT_FOUND ? RK_OK : status;
}

static rk_status add_expected(rk_search *search, rk_table table, rk_error *err)
{
    uint64_t count = 0;
    if (table == RK_TABLE_NONE)
        return RK_OK;
    rk_status status = rk_view_count(search->view, table, &count, err);
    search->progress.expected += count;
    return status;
}

static rk_status look_around(rk_search *search, rk_error *err)
{
    rk_status status = look_at_state(search, err);
    if (status == RK_OK)
        status = add_expected(search, search->tables.records, err);
    for (size_t i = 0; i < search->spec->index_name_count && status == RK_OK; i++)
        status = add_expected(search, search->tables.index[i], err);
    return status;
}

static rk_status start(rk_search *search, rk_error *err)
{
    rk_status status = rki_mix_init(&search->mix, search->spec, err);
    if (status == RK_OK)
        status = rki_mix_init(&search->first, search->spec, err);
    if (status == RK_OK)
        status = rk_tables_open(search->store, search->spec, false, false, &search->tables, err);
    if (status == RK_OK)
        status = rk_transformer_create(search->spec, &search->tables,
                                       rk_store_capabilities(search->store)->key_bytes_max,
                                       CACHE_ENTRIES, &search->transformer, err);
    if (status == RK_OK)
        status = rk_snapshot_open(search->store, &search->view, err);
    if (status == RK_OK)
        status = look_around(search, err);
    if (status == RK_OK)
        rk_snapshot_release(search->view);
    return status;
}

rk_status rk_search_create(rk_store *store, const rk_spec *spec, const rk_clock *clock,
                           rk_search **out, rk_error *err)
{
    rk_search *search = calloc(1, sizeof *search);
    if (!search)
        return rk_error_set(err, RK_NOMEM, "search: out of memory");
    search->store = store;
    search->spec = spec;
    search->clock = clock;
    rk_arena_init(&search->arena, ARENA_BYTES_MAX);
    rki_tally_init(&search->tally);
    rk_buf_init(&search->key, RK_STATE_KEY_BYTES_MAX + 1);
    rk_buf_init(&search->value, RK_STATE_KEY_BYTES_MAX + 1);
    rk_buf_init(&search->run_key, RK_STATE_KEY_BYTES_MAX + 1);
    rk_status status = start(search, err);
    if (status != RK_OK) {
        rk_search_destroy(search);
        return status;
    }
    *out = search;
    return RK_OK;
}

void rk_search_destroy(rk_search *search)
{
    if (!search)
        return;
    rk_cursor_close(search->cursor);
    rk_snapshot_close(search->view);
    rk_transformer_destroy(search->transformer);
    rki_mix_fini(&search->mix);
    rki_mix_fini(&search->first);
    rki_tally_fini(&search->tally);
    rk_arena_fini(&search->arena);
    rk_buf_fini(&search->key);
    rk_buf_fini(&search->value);
    rk_buf_fini(&search->run_key);
    free(search);
}

const rk_search_progress *rk_search_progress_of(const rk_search *search)
{
    return &search->progress;
}

const rk_found *rk_search_found(const rk_search *search, rk_contamination kind)
{
    assert((unsigned)kind < RK_FOUND_KIND_COUNT);
    return &search->tally.kind[kind].found;
}

const rk_state *rk_search_state(const rk_search *search)
{
    return search->registered ? &search->state : NULL;
}

/* Behind it the migration can neither begin nor be undone. */
bool rki_search_is_behind(const rk_search *search, rk_slice tenant)
{
    const rk_spec *spec = search->spec;
    rk_phase ignored;
    if (!search->registered)
        return false;
    rk_phase phase = search->state.tier[rk_spec_tier(spec, tenant)].phase;
    return !rk_phase_allows(spec->strategy, phase, RK_MOVE_BEGIN, &ignored) &&
           !rk_phase_allows(spec->strategy, phase, RK_MOVE_ROLLBACK, &ignored);
}

/* --- walking ---------------------------------------------------------------------------------- */

static bool in_records(const rk_search *search)
{
    return search->stage == RKI_STAGE_RECORDS;
}

static rk_table current_table(const rk_search *search)
{
    return in_records(search) ? search->tables.records : search->tables.index[search->index];
}

/* Ends the current table, and with it the run at its end. */
static rk_status next_table(rk_search *search, rk_error *err)
{
    rk_status status = in_records(search) ? rki_search_records_end(search, err)
                                          : rki_search_entries_end(search, err);
    rk_cursor_close(search->cursor);
    search->cursor = NULL;
    search->started = false;
    rk_buf_reset(&search->key);
    rk_buf_reset(&search->value);
    search->index = in_records(search) ? 0 : search->index + 1;
    search->stage = RKI_STAGE_ENTRIES;
    if (search->index == search->spec->index_name_count)
        search->stage = RKI_STAGE_FINISHED;
    return status;
}

/* The first entry that was not judged yet. */
static rk_status resume(rk_search *search, rk_entry *entry, rk_error *err)
{
    rk_slice key = rk_buf_slice(&search->key);
    rk_slice value = rk_buf_slice(&search->value);
    rk_status status = in_records(search)
                           ? rk_cursor_seek(search->cursor, key, entry, err)
                           : rk_cursor_seek_entry(search->cursor, key, value, entry, err);
    bool judged = status == RK_OK && search->started && rk_slice_equal(entry->key, key) &&
                  (in_records(search) || rk_slice_equal(entry->value, value));
    return judged ? rk_cursor_next(search->cursor, entry, err) : status;
}

static rk_status judge(rk_search *search, const rk_entry *entry, rk_error *err)
{
    rk_arena_reset(&search->arena);
    rk_status status = in_records(search) ? rki_search_record(search, entry, err)
                                          : rki_search_entry(search, entry, err);
    if (status == RK_OK)
        status = rk_buf_set(&search->key, entry->key, err);
    if (status == RK_OK && !in_records(search))
        status = rk_buf_set(&search->value, entry->value, err);
    search->started = true;
    return status;
}

/* Judges what fits into the time of one snapshot. RK_NOT_FOUND at the end of the table. */
static rk_status walk(rk_search *search, rk_error *err)
{
    rk_entry entry;
    uint64_t began_ns = rk_clock_monotonic_ns(search->clock);
    rk_transformer_forget(search->transformer);
    rk_status status = look_at_state(search, err);
    if (status == RK_OK && !search->cursor)
        status = rk_cursor_open(search->view, current_table(search), &search->cursor, err);
    if (status == RK_OK)
        status = resume(search, &entry, err);
    for (size_t n = 1; status == RK_OK; n++) {
        status = judge(search, &entry, err);
        if (n == STEP_ENTRIES || rk_clock_monotonic_ns(search->clock) - began_ns > STEP_NS)
            break;
        if (status == RK_OK)
            status = rk_cursor_next(search->cursor, &entry, err);
    }
    return status;
}

rk_status rk_search_step(rk_search *search, bool *finished, rk_error *err)
{
    rk_status status = RK_OK;
    if (search->stage != RKI_STAGE_FINISHED && current_table(search) == RK_TABLE_NONE)
        status = next_table(search, err);
    else if (search->stage != RKI_STAGE_FINISHED) {
        status = rk_snapshot_renew(search->view, err);
        if (status == RK_OK)
            status = walk(search, err);
        rk_snapshot_release(search->view);
        if (status == RK_NOT_FOUND)
            status = next_table(search, err);
    }
    *finished = search->stage == RKI_STAGE_FINISHED;
    return status;
}
