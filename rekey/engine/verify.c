#include "rekey/engine/verify.h"

#include <stdlib.h>

#include "rekey/base/fault.h"
#include "rekey/record/json.h"

#define STEP_RECORDS    4096
#define ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define CACHE_ENTRIES   (64 * 1024)
#define DETAIL_BYTES    192

typedef enum verify_stage { VERIFY_RECORDS, VERIFY_INDEXES, VERIFY_FINISHED } verify_stage;

/* What the phase asks of a tenant's old side. */
typedef enum old_side { OLD_MIRRORS, OLD_WAITS, OLD_LEAVES, OLD_GONE } old_side;

/* The tenant being read.
 *
 * Where old copies must be there, old records are only counted at first. Each new record looks at
 * its origin, transforms it, and finds itself again, value and all; no two can have one origin. So
 * when as many did as there are old records, each old record has its new one. If not, the tenant is
 * read again, and each old record looks for its new one. All in one snapshot. */
typedef struct tenant_scope {
    rk_buf prefix; /* of its keys, LITERAL#tenant#; empty outside of every tenant */
    rk_tier tier;
    old_side old_side;
    uint64_t old_records;
    uint64_t origins; /* new records that found theirs, as it should be */
    bool again;
} tenant_scope;

struct rk_verification {
    rk_store *store;
    const rk_spec *spec;
    const rk_tables *tables;
    const rk_state *state;
    rk_verify_options options;
    rk_verify_report report;
    rk_transformer *transformer;
    rk_view *view;
    rk_cursor *cursor;
    rk_arena arena;
    verify_stage stage;
    bool snapshot_live; /* a tenant's snapshot stays over several steps */
    tenant_scope scope;
    rk_buf key;   /* of records, the next one; in an index, the last one */
    rk_buf value; /* and, in an index, at this value */
    size_t index;
    uint64_t began_txn; /* the newest transaction before the first snapshot; 0 for unknown */
    bool counting;      /* the entries of the index are only counted, */
    bool counted;       /* were, and that proved nothing */
    uint64_t entries;   /* of the new shape, in this index */
    bool left_over;     /* old entries are left after the end */
};

/* --- life cycle ------------------------------------------------------------------------------- */

/* 0 when it cannot be told. */
static uint64_t newest_txn(const rk_verification *verify)
{
    rk_space space;
    return rk_store_space(verify->store, &space, NULL) == RK_OK ? space.last_txn : 0;
}

rk_status rk_verify_create(rk_store *store, const rk_spec *spec, const rk_tables *tables,
                           const rk_state *state, const rk_verify_options *options,
                           rk_verification **out, rk_error *err)
{
    rk_verification *verify = calloc(1, sizeof *verify);
    if (!verify)
        return rk_error_set(err, RK_NOMEM, "verify: out of memory");
    verify->store = store;
    verify->spec = spec;
    verify->tables = tables;
    verify->state = state;
    verify->options = *options;
    verify->began_txn = newest_txn(verify);
    rk_arena_init(&verify->arena, ARENA_BYTES_MAX);
    rk_buf_init(&verify->scope.prefix, RK_STATE_KEY_BYTES_MAX + 1);
    rk_buf_init(&verify->key, RK_STATE_KEY_BYTES_MAX + 1);
    rk_buf_init(&verify->value, RK_STATE_KEY_BYTES_MAX + 1);
    rk_status status =
        rk_transformer_create(spec, tables, rk_store_capabilities(store)->key_bytes_max,
                              CACHE_ENTRIES, &verify->transformer, err);
    if (status == RK_OK)
        status = rk_snapshot_open(store, &verify->view, err);
    if (status == RK_OK)
        status = rk_cursor_open(verify->view, tables->records, &verify->cursor, err);
    if (status != RK_OK) {
        rk_verify_destroy(verify);
        return status;
    }
    rk_snapshot_release(verify->view);
    *out = verify;
    return RK_OK;
}

void rk_verify_destroy(rk_verification *verify)
{
    if (!verify)
        return;
    rk_cursor_close(verify->cursor);
    rk_snapshot_close(verify->view);
    rk_transformer_destroy(verify->transformer);
    rk_arena_fini(&verify->arena);
    rk_buf_fini(&verify->scope.prefix);
    rk_buf_fini(&verify->key);
    rk_buf_fini(&verify->value);
    free(verify);
}

const rk_verify_report *rk_verify_report_of(const rk_verification *verify)
{
    return &verify->report;
}

bool rk_verify_is_clean(const rk_verify_report *report, const rk_limits *limits)
{
    if (report->isolation_violations > 0 || report->orphans > 0)
        return false;
    return (double)report->differences <= limits->mismatch_max * (double)report->records;
}

/* --- findings --------------------------------------------------------------------------------- */

/* Printable ASCII as it is, other bytes and the backslash as \xNN. */
static void key_text(rk_slice key, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t length = key.len < RK_STATE_KEY_BYTES_MAX ? key.len : RK_STATE_KEY_BYTES_MAX;
    size_t n = 0;
    size_t room = sizeof((rk_verify_sample *)0)->key - 5;
    for (size_t i = 0; i < length && n < room; i++) {
        uint8_t byte = key.ptr[i];
        if (byte >= 0x20 && byte < 0x7F && byte != '\\') {
            out[n++] = (char)byte;
            continue;
        }
        out[n++] = '\\';
        out[n++] = 'x';
        out[n++] = digits[byte >> 4];
        out[n++] = digits[byte & 15];
    }
    out[n] = '\0';
}

static void differs(rk_verification *verify, int entity, rk_slice key, uint64_t *counter,
                    const char *problem)
{
    rk_verify_report *report = &verify->report;
    (*counter)++;
    report->differences++;
    if (report->sample_count == RK_VERIFY_SAMPLES_MAX)
        return;
    rk_verify_sample *sample = &report->sample[report->sample_count++];
    sample->entity = entity;
    sample->problem = problem;
    key_text(key, sample->key);
}

static old_side old_side_of(const rk_verification *verify, rk_tier tier)
{
    const rk_tier_state *state = &verify->state->tier[tier];
    const rk_phase_rule *rule =
        rk_phase_rule_of(verify->spec->strategy, state->phase, state->undoing);
    if (rule->write_old == RK_WRITE_NOT)
        return OLD_GONE;
    if (rule->write_old == RK_WRITE_DROP)
        return verify->spec->strategy == RK_STRATEGY_MOVE ? OLD_WAITS : OLD_LEAVES;
    return verify->spec->strategy == RK_STRATEGY_MOVE ? OLD_WAITS : OLD_MIRRORS;
}

/* --- one old record --------------------------------------------------------------------------- */

static rk_status judge_old(rk_verification *verify, int entity, const rk_entry *entry,
                           rk_error *err)
{
    rk_verify_entity *counts = &verify->report.entity[entity];
    char detail[DETAIL_BYTES];
    rk_image image;
    rk_reason reason;
    rk_status status = rk_transform_old(verify->transformer, verify->view, entry->key, entry->value,
                                        &verify->arena, &image, &reason, detail, err);
    if (status != RK_OK)
        return status;
    if (reason != RK_REASON_NONE) {
        verify->report.quarantined++;
        return RK_OK;
    }
    old_side side = verify->scope.old_side;
    if (side == OLD_GONE)
        differs(verify, entity, entry->key, &counts->extra, "an old record is left after the end");
    if (side == OLD_WAITS)
        differs(verify, entity, entry->key, &counts->missing, "the record has not been moved");
    if (side != OLD_MIRRORS)
        return RK_OK;
    rk_slice value;
    status = rk_view_get(verify->view, verify->tables->records, image.new_key, &value, err);
    if (status == RK_NOT_FOUND)
        differs(verify, entity, entry->key, &counts->missing, "the new record is not there");
    else if (status == RK_OK && !rk_slice_equal(value, image.new_value))
        differs(verify, entity, entry->key, &counts->mismatched,
                "the new record has another value");
    return status == RK_NOT_FOUND ? RK_OK : status;
}

static rk_status old_record(rk_verification *verify, int entity, const rk_entry *entry,
                            rk_error *err)
{
    verify->report.entity[entity].old_records++;
    verify->scope.old_records++;
    return verify->scope.old_side == OLD_MIRRORS ? RK_OK : judge_old(verify, entity, entry, err);
}

/* --- one new record --------------------------------------------------------------------------- */

/* What stands at the old key of a new record. */
typedef enum origin {
    ORIGIN_NONE,   /* nothing that becomes this key */
    ORIGIN_SAME,   /* exactly what the new record says */
    ORIGIN_OTHER,  /* its old copy has another value: counted at the old record */
    ORIGIN_SHADOW, /* another capsule's record took its place */
} origin;

static rk_status find_origin(rk_verification *verify, const rk_image *image, origin *out,
                             rk_error *err)
{
    char detail[DETAIL_BYTES];
    rk_image old;
    rk_reason reason;
    rk_slice value;
    bool shadow = false;
    *out = ORIGIN_NONE;
    rk_status status =
        rk_view_get(verify->view, verify->tables->records, image->old_key, &value, err);
    if (status == RK_OK) {
        status = rk_transform_old(verify->transformer, verify->view, image->old_key, value,
                                  &verify->arena, &old, &reason, detail, err);
        if (status != RK_OK)
            return status;
        if (reason == RK_REASON_NONE && !rk_slice_equal(old.new_key, image->new_key))
            *out = ORIGIN_SHADOW;
        else if (reason == RK_REASON_NONE)
            *out = rk_slice_equal(old.new_value, image->new_value) ? ORIGIN_SAME : ORIGIN_OTHER;
        if (*out != ORIGIN_NONE)
            return RK_OK;
    } else if (status != RK_NOT_FOUND) {
        return status;
    }
    status = rk_shadow_has(verify->view, verify->tables->meta, image->new_key, &shadow, err);
    if (status == RK_OK && shadow)
        *out = ORIGIN_SHADOW;
    return status;
}

static rk_status count_entries(rk_verification *verify, const rk_image *image, rk_error *err)
{
    for (size_t i = 0; i < image->index_count; i++) {
        const rk_image_index *index = &image->index[i];
        if (index->new_key.len == 0)
            continue;
        rk_verify_index *counts = &verify->report.index[index->table_index];
        rk_table table = verify->tables->index[index->table_index];
        counts->expected++;
        rk_status status =
            table == RK_TABLE_NONE
                ? RK_NOT_FOUND
                : rk_view_has_entry(verify->view, table, index->new_key, image->new_key, err);
        if (status == RK_NOT_FOUND)
            differs(verify, image->entity, image->new_key, &counts->missing,
                    "an index entry is missing");
        else if (status != RK_OK)
            return status;
        else
            counts->present++;
    }
    return RK_OK;
}

static rk_status check_parent(rk_verification *verify, const rk_image *image, rk_error *err)
{
    rk_slice ignored;
    if (image->parent_new_key.len == 0 || rk_fault("orphan_unverified"))
        return RK_OK;
    rk_status status =
        rk_view_get(verify->view, verify->tables->records, image->parent_new_key, &ignored, err);
    if (status != RK_NOT_FOUND)
        return status;
    differs(verify, image->entity, image->new_key, &verify->report.orphans,
            "its parent is not visible in its capsule");
    return RK_OK;
}

static rk_status judge_origin(rk_verification *verify, const rk_image *image, rk_error *err)
{
    rk_verify_entity *counts = &verify->report.entity[image->entity];
    origin found = ORIGIN_SAME;
    if (verify->scope.old_side == OLD_MIRRORS) {
        rk_status status = find_origin(verify, image, &found, err);
        if (status != RK_OK)
            return status;
    }
    verify->scope.origins += found == ORIGIN_SAME && verify->scope.old_side == OLD_MIRRORS;
    counts->matched += found == ORIGIN_SAME;
    counts->shadowed += found == ORIGIN_SHADOW;
    if (found == ORIGIN_NONE)
        differs(verify, image->entity, image->new_key, &counts->extra,
                "the new record has no origin");
    return RK_OK;
}

static rk_status new_record(rk_verification *verify, int entity, const rk_entry *entry,
                            rk_error *err)
{
    rk_verify_entity *counts = &verify->report.entity[entity];
    char detail[DETAIL_BYTES];
    rk_image image;
    rk_reason reason;
    counts->new_records++;
    rk_status status = rk_transform_new(verify->transformer, verify->view, entry->key, entry->value,
                                        false, &verify->arena, &image, &reason, detail, err);
    if (status != RK_OK)
        return status;
    if (reason != RK_REASON_NONE) {
        differs(verify, entity, entry->key, &counts->mismatched,
                "the value contradicts the key it is at");
        verify->report.isolation_violations++;
        return RK_OK;
    }
    status = check_parent(verify, &image, err);
    if (status == RK_OK)
        status = count_entries(verify, &image, err);
    if (status == RK_OK)
        status = judge_origin(verify, &image, err);
    return status;
}

/* A value's own member of the tenant variable's name, where there is one, must agree with the key.
 */
static rk_status check_tenant(rk_verification *verify, int entity, rk_slice tenant,
                              const rk_entry *entry, rk_error *err)
{
    const rk_spec *spec = verify->spec;
    if (!verify->options.tenant_in_value || spec->value != RK_VALUE_JSON)
        return RK_OK;
    rk_slice name = rk_slice_str(spec->names.name[spec->tenant]);
    rk_json_field field;
    rk_status status = rk_json_find(entry->value, &name, 1, &field, &verify->arena, err);
    if (status == RK_INVALID || status == RK_LIMIT)
        return RK_OK; /* found bad by the transform, and counted there */
    if (status != RK_OK || field.kind == RK_JSON_ABSENT || rk_slice_equal(field.text, tenant))
        return status;
    differs(verify, entity, entry->key, &verify->report.isolation_violations,
            "the value names another tenant than its key");
    return RK_OK;
}

/* --- the records table ------------------------------------------------------------------------ */

static rk_tier tier_of(const rk_verification *verify, rk_slice tenant)
{
    return tenant.len ? rk_spec_tier(verify->spec, tenant) : RK_TIER_PRODUCTION;
}

static bool selected(const rk_verification *verify, int entity, rk_tier tier)
{
    if (verify->options.entity >= 0 && verify->options.entity != entity)
        return false;
    return !verify->options.tier_only || tier == verify->options.tier;
}

static rk_status one_record(rk_verification *verify, const rk_entry *entry, rk_slice tenant,
                            int hit, rk_error *err)
{
    int entity = hit < 0 ? -1 : hit / 2;
    if (!selected(verify, entity, hit < 0 ? RK_TIER_PRODUCTION : verify->scope.tier))
        return RK_OK;
    rk_arena_reset(&verify->arena);
    if (verify->scope.again)
        return hit < 0 || hit & 1 ? RK_OK : judge_old(verify, entity, entry, err);
    verify->report.records++;
    if (hit < 0) {
        verify->report.quarantined++;
        return RK_OK;
    }
    rk_status status = check_tenant(verify, entity, tenant, entry, err);
    if (status != RK_OK)
        return status;
    return hit & 1 ? new_record(verify, entity, entry, err)
                   : old_record(verify, entity, entry, err);
}

/* The tenant of a key: all its keys, whatever their shape, begin LITERAL#tenant#. */
static rk_status scope_begin(rk_verification *verify, rk_slice key, rk_slice tenant, rk_error *err)
{
    tenant_scope *scope = &verify->scope;
    scope->tier = tier_of(verify, tenant);
    scope->old_side = old_side_of(verify, scope->tier);
    scope->old_records = 0;
    scope->origins = 0;
    scope->again = false;
    size_t length = tenant.len ? (size_t)(tenant.ptr - key.ptr) + tenant.len + 1 : 0;
    return rk_buf_set(&scope->prefix, rk_slice_of(key.ptr, length), err);
}

static bool scope_holds(const rk_verification *verify, rk_slice key)
{
    rk_slice prefix = rk_buf_slice(&verify->scope.prefix);
    return prefix.len > 0 && rk_slice_starts_with(key, prefix);
}

/* Whether a tenant of which all was read needs to be read again. */
static bool scope_is_open(const rk_verification *verify)
{
    const tenant_scope *scope = &verify->scope;
    return scope->old_side == OLD_MIRRORS && !scope->again && scope->origins != scope->old_records;
}

/* Goes on in the live snapshot, or in a fresh one when the last step ended with a tenant. */
static rk_status snapshot_continue(rk_verification *verify, rk_entry *entry, rk_error *err)
{
    rk_status status = RK_OK;
    if (!verify->snapshot_live) {
        status = rk_snapshot_renew(verify->view, err);
        rk_transformer_forget(verify->transformer);
        verify->snapshot_live = status == RK_OK;
    }
    if (status == RK_OK)
        status = rk_cursor_seek(verify->cursor, rk_buf_slice(&verify->key), entry, err);
    return status;
}

static void snapshot_end(rk_verification *verify)
{
    rk_snapshot_release(verify->view);
    verify->snapshot_live = false;
}

/* The next table is read from its beginning. */
static void leave_table(rk_verification *verify)
{
    rk_cursor_close(verify->cursor);
    verify->cursor = NULL;
    rk_transformer_forget(verify->transformer);
    rk_buf_reset(&verify->key);
    rk_buf_reset(&verify->value);
}

/* Moves on; from a tenant's end back to its beginning where it is still open. */
static rk_status next_record(rk_verification *verify, rk_entry *entry, rk_error *err)
{
    rk_status status = rk_cursor_next(verify->cursor, entry, err);
    if (status != RK_OK && status != RK_NOT_FOUND)
        return status;
    if (!scope_is_open(verify) || (status == RK_OK && scope_holds(verify, entry->key)))
        return status;
    verify->scope.again = true;
    return rk_cursor_seek(verify->cursor, rk_buf_slice(&verify->scope.prefix), entry, err);
}

/* Steps over up to STEP_RECORDS records; at a tenant's last record the snapshot ends, unless little
 * was read: many small tenants share one. */
static rk_status step_records(rk_verification *verify, rk_error *err)
{
    rk_entry entry;
    rk_status status = snapshot_continue(verify, &entry, err);
    for (size_t n = 0; status == RK_OK; n++) {
        rk_slice tenant = RK_SLICE_EMPTY;
        int hit = rk_transform_look(verify->transformer, entry.key, &tenant);
        bool new_tenant = !scope_holds(verify, entry.key);
        if (n >= STEP_RECORDS) {
            status = rk_buf_set(&verify->key, entry.key, err);
            if (new_tenant)
                snapshot_end(verify);
            return status;
        }
        if (new_tenant)
            status = scope_begin(verify, entry.key, tenant, err);
        if (status == RK_OK)
            status = one_record(verify, &entry, tenant, hit, err);
        if (status == RK_OK)
            status = next_record(verify, &entry, err);
    }
    if (status != RK_NOT_FOUND)
        return status;
    snapshot_end(verify);
    leave_table(verify);
    verify->stage = VERIFY_INDEXES;
    return RK_OK;
}

/* --- the index tables ------------------------------------------------------------------------- */

/* Whether the record at `primary`, of the new shape, asks for this entry. */
static rk_status entry_asked_for(rk_verification *verify, rk_slice key, rk_slice primary,
                                 bool *asked, rk_error *err)
{
    char detail[DETAIL_BYTES];
    rk_image image;
    rk_reason reason;
    rk_slice value;
    *asked = false;
    rk_status status = rk_view_get(verify->view, verify->tables->records, primary, &value, err);
    if (status == RK_NOT_FOUND)
        return RK_OK;
    if (status == RK_OK)
        status = rk_transform_new(verify->transformer, verify->view, primary, value, false,
                                  &verify->arena, &image, &reason, detail, err);
    if (status != RK_OK)
        return status;
    for (size_t i = 0; reason == RK_REASON_NONE && i < image.index_count; i++)
        if (image.index[i].table_index == verify->index &&
            rk_slice_equal(image.index[i].new_key, key))
            *asked = true;
    return RK_OK;
}

/* LITERAL#tenant#CAPSULE-LITERAL#capsule# of a primary key of the new shape must begin the index
 * key too: an entry elsewhere shows one scope's record to another. */
static bool same_scope(rk_slice index_key, rk_slice primary)
{
    size_t delimiters = 0;
    size_t length = 0;
    while (length < primary.len && delimiters < 4)
        delimiters += primary.ptr[length++] == RK_DELIMITER;
    return rk_slice_starts_with(index_key, rk_slice_of(primary.ptr, length));
}

static rk_status one_entry(rk_verification *verify, const rk_entry *entry, rk_error *err)
{
    rk_verify_index *counts = &verify->report.index[verify->index];
    rk_slice tenant = RK_SLICE_EMPTY;
    int hit = rk_transform_classify(verify->transformer, entry->value, &tenant);
    rk_tier tier = tier_of(verify, tenant);
    if (hit < 0 || !selected(verify, hit / 2, tier))
        return RK_OK;
    rk_arena_reset(&verify->arena);
    if (verify->counting) {
        verify->entries += hit & 1;
        verify->left_over |= (hit & 1) == 0 && old_side_of(verify, tier) == OLD_GONE;
        return RK_OK;
    }
    if ((hit & 1) == 0) {
        if (old_side_of(verify, tier) == OLD_GONE)
            differs(verify, hit / 2, entry->key, &counts->extra,
                    "an old index entry is left after the end");
        return RK_OK;
    }
    bool asked;
    rk_status status = entry_asked_for(verify, entry->key, entry->value, &asked, err);
    if (status != RK_OK || asked || rk_fault("entry_unverified"))
        return status;
    differs(verify, hit / 2, entry->key, &counts->extra, "an index entry that no record asks for");
    if (!same_scope(entry->key, entry->value))
        verify->report.isolation_violations++;
    return RK_OK;
}

/* Whether nothing was committed since the first record was read: then all that was and is read is
 * one state. */
static bool is_unchanged(const rk_verification *verify)
{
    return verify->began_txn != 0 && newest_txn(verify) == verify->began_txn;
}

/* In one state, the entries that the new records asked for and that were found are among those of
 * the new shape, each once. When there are no more of these, every entry is asked for. */
static bool count_proves(const rk_verification *verify)
{
    return !verify->left_over && verify->entries == verify->report.index[verify->index].present &&
           is_unchanged(verify);
}

static rk_status begin_index(rk_verification *verify, rk_table table, rk_error *err)
{
    verify->counting = !verify->counted && is_unchanged(verify);
    verify->entries = 0;
    verify->left_over = false;
    return rk_cursor_open(verify->view, table, &verify->cursor, err);
}

/* The next index, or the same one again, entry by entry, where counting proved nothing. */
static rk_status next_index(rk_verification *verify)
{
    leave_table(verify);
    verify->counted = verify->counting && !count_proves(verify);
    verify->counting = false;
    verify->index += !verify->counted;
    return RK_OK;
}

static rk_status step_indexes(rk_verification *verify, rk_error *err)
{
    if (verify->index == verify->spec->index_name_count) {
        verify->stage = VERIFY_FINISHED;
        return RK_OK;
    }
    rk_table table = verify->tables->index[verify->index];
    if (table == RK_TABLE_NONE)
        return next_index(verify);
    rk_entry entry;
    rk_status status = rk_snapshot_renew(verify->view, err);
    if (status == RK_OK && !verify->cursor)
        status = begin_index(verify, table, err);
    if (status != RK_OK)
        return status;
    rk_slice key = rk_buf_slice(&verify->key);
    rk_slice value = rk_buf_slice(&verify->value);
    status = rk_cursor_seek_entry(verify->cursor, key, value, &entry, err);
    if (status == RK_OK && key.len > 0 && rk_slice_equal(entry.key, key) &&
        rk_slice_equal(entry.value, value))
        status = rk_cursor_next(verify->cursor, &entry, err);
    rk_entry last = {0};
    for (size_t n = 0; status == RK_OK && n < STEP_RECORDS; n++) {
        status = one_entry(verify, &entry, err);
        last = entry;
        if (status == RK_OK)
            status = rk_cursor_next(verify->cursor, &entry, err);
    }
    if (status == RK_OK)
        status = rk_buf_set(&verify->key, last.key, err);
    if (status == RK_OK)
        status = rk_buf_set(&verify->value, last.value, err);
    rk_snapshot_release(verify->view);
    return status == RK_NOT_FOUND ? next_index(verify) : status;
}

rk_status rk_verify_step(rk_verification *verify, bool *finished, rk_error *err)
{
    rk_status status = RK_OK;
    if (verify->stage == VERIFY_RECORDS)
        status = step_records(verify, err);
    else if (verify->stage == VERIFY_INDEXES)
        status = step_indexes(verify, err);
    *finished = verify->stage == VERIFY_FINISHED;
    return status;
}
