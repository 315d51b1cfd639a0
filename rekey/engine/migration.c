#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "rekey/audit/audit.h"
#include "rekey/engine/change.h"
#include "rekey/engine/run.h"

/* --- opening ---------------------------------------------------------------------------------- */

static rk_status load_spec(rk_migration *migration, rk_table meta, rk_error *err)
{
    rk_view *view = NULL;
    rk_findings findings = {0};
    rk_status status = rk_snapshot_open(migration->store, &view, err);
    if (status == RK_OK)
        status = rk_state_spec_load(view, meta, &migration->source, err);
    rk_snapshot_close(view);
    if (status == RK_OK)
        status = rk_spec_load(&migration->source, NULL, &migration->spec, &findings, err);
    if (status == RK_INVALID)
        status = rk_error_set(err, RK_CORRUPT, "the registered spec no longer passes lint: %s",
                              findings.count ? findings.items[0].message : "no finding");
    rk_findings_fini(&findings);
    return status;
}

static rk_status none_registered(rk_error *err)
{
    return rk_error_set(err, RK_NOT_FOUND, "no migration is registered in this store");
}

rk_status rk_migration_open(rk_store *store, const rk_clock *clock, const rk_actor *actor,
                            bool create, rk_migration **out, rk_error *err)
{
    rk_table meta;
    rk_status status = rk_store_table(store, RK_META_TABLE, RK_TABLE_RECORDS, false, &meta, err);
    if (status != RK_OK)
        return status == RK_NOT_FOUND ? none_registered(err) : status;
    rk_migration *migration = calloc(1, sizeof *migration);
    if (!migration)
        return rk_error_set(err, RK_NOMEM, "migration: out of memory");
    migration->store = store;
    migration->clock = clock;
    migration->actor = *actor;
    status = load_spec(migration, meta, err);
    if (status == RK_NOT_FOUND)
        status = none_registered(err);
    else if (status == RK_OK)
        status = rk_tables_open(store, migration->spec, create, false, &migration->tables, err);
    if (status != RK_OK) {
        rk_migration_close(migration);
        return status;
    }
    *out = migration;
    return RK_OK;
}

void rk_migration_close(rk_migration *migration)
{
    if (!migration)
        return;
    rk_spec_destroy(migration->spec);
    rk_spec_source_fini(&migration->source);
    free(migration);
}

rk_status rk_migration_state(const rk_migration *migration, rk_state *out, rk_error *err)
{
    rk_view *view = NULL;
    rk_status status = rk_snapshot_open(migration->store, &view, err);
    if (status == RK_OK)
        status = rk_state_load(view, migration->tables.meta, out, err);
    rk_snapshot_close(view);
    return status;
}

/* --- changes outside of a run ----------------------------------------------------------------- */

/* What a change needs besides its transaction. */
typedef struct pending_change {
    const rk_clock *clock;
    const rk_actor *actor;
    const rk_spec *spec;
    const rk_spec_source *source;
    const rk_plan *plan; /* NULL when only a spec is registered */
    bool changed;        /* out */
} pending_change;

/* Somebody else who is alive holds the lease: RK_BUSY. */
static rk_status check_lease(rk_view *view, rk_table meta, const pending_change *change,
                             rk_error *err)
{
    rk_lease holder;
    rk_status status = rk_lease_load(view, meta, &holder, err);
    if (status == RK_NOT_FOUND)
        return RK_OK;
    if (status == RK_OK)
        status = rki_lease_free(&holder, change->actor, rk_clock_wall_ms(change->clock), err);
    return status;
}

static rk_status log_change(rk_txn *txn, rk_table meta, const pending_change *change,
                            const char *event, const char *detail, rk_error *err)
{
    rk_state state;
    rk_status status = rk_state_load(rk_txn_view(txn), meta, &state, err);
    if (status != RK_OK)
        return status;
    rk_audit_entry entry = {.wall_ms = rk_clock_wall_ms(change->clock), .epoch = state.epoch};
    snprintf(entry.actor, sizeof entry.actor, "%s", change->actor->name);
    snprintf(entry.event, sizeof entry.event, "%s", event);
    snprintf(entry.detail, sizeof entry.detail, "%s", detail);
    return rk_audit_append(txn, meta, &entry, err);
}

typedef rk_status (*change_fn)(rk_txn *txn, rk_table meta, pending_change *change, rk_error *err);

typedef struct application {
    rk_store *store;
    rk_table meta;
    pending_change *change;
    change_fn apply;
} application;

static rk_status do_apply(rk_txn *txn, void *context, bool *changed, rk_error *err)
{
    const application *what = context;
    rk_status status = check_lease(rk_txn_view(txn), what->meta, what->change, err);
    if (status == RK_OK)
        status = what->apply(txn, what->meta, what->change, err);
    *changed = what->change->changed;
    return status;
}

/* Makes the table if need be, which is a transaction of its own. */
static rk_status try_apply(void *context, rk_error *err)
{
    application *what = context;
    rk_status status =
        rk_store_table(what->store, RK_META_TABLE, RK_TABLE_RECORDS, true, &what->meta, err);
    return status == RK_OK ? rki_change_once(what->store, do_apply, what, err) : status;
}

static rk_status apply_change(rk_store *store, pending_change *change, change_fn apply,
                              rk_error *err)
{
    application what = {.store = store, .change = change, .apply = apply};
    return rki_with_room(store, try_apply, &what, err);
}

/* --- registering a spec ----------------------------------------------------------------------- */

static rk_status do_register(rk_txn *txn, rk_table meta, pending_change *change, rk_error *err)
{
    char detail[RK_MIGRATION_BYTES_MAX + 32];
    rk_status status =
        rk_state_register(txn, meta, change->spec, change->source, &change->changed, err);
    snprintf(detail, sizeof detail, "%s in phase old", change->spec->migration);
    if (status == RK_OK && change->changed)
        status = log_change(txn, meta, change, "register", detail, err);
    return status;
}

rk_status rk_migration_register(rk_store *store, const rk_clock *clock, const rk_actor *actor,
                                const rk_spec *spec, const rk_spec_source *source, bool *changed,
                                rk_error *err)
{
    rk_tables tables;
    pending_change change = {.clock = clock, .actor = actor, .spec = spec, .source = source};
    /* A spec whose tables have another shape must not be registered. */
    rk_status status = rk_tables_open(store, spec, false, false, &tables, err);
    if (status == RK_OK)
        status = apply_change(store, &change, do_register, err);
    if (status == RK_OK)
        *changed = change.changed;
    return status;
}

/* --- activating a plan ------------------------------------------------------------------------ */

static void active_plan_of(const rk_plan *plan, rk_active_plan *out)
{
    *out = (rk_active_plan){.digest = plan->hash, .template_entity = plan->template_entity};
    for (size_t i = 0; i < plan->spec->entity_count; i++)
        out->total[i] = plan->counts.entity[i].records;
    for (int i = 1; i < RK_REASON_COUNT; i++)
        out->quarantined += plan->counts.quarantine[i];
}

static rk_status do_activate(rk_txn *txn, rk_table meta, pending_change *change, rk_error *err)
{
    const rk_plan *plan = change->plan;
    rk_active_plan active;
    char hex[RK_DIGEST_HEX_BYTES];
    char detail[RK_DIGEST_HEX_BYTES + RK_MIGRATION_BYTES_MAX + 32];
    active_plan_of(plan, &active);
    rk_hex(rk_slice_of(plan->hash.bytes, sizeof plan->hash.bytes), hex);
    snprintf(detail, sizeof detail, "plan %s of %s is active", hex, plan->spec->migration);
    bool running;
    /* The records were looked at before: making `__rekey` has changed the unnamed table since. */
    rk_status status = rk_plan_check_state(plan, rk_txn_view(txn), meta, &running, err);
    if (status == RK_OK)
        status = do_register(txn, meta, change, err);
    if (status == RK_OK)
        status = rk_active_plan_save(txn, meta, &active, err);
    if (status == RK_OK)
        status = log_change(txn, meta, change, "plan", detail, err);
    change->changed = true;
    return status;
}

/* Looks first and changes nothing when the plan may not run; *needed is false when it is active. */
static rk_status look_first(rk_store *store, const rk_plan *plan, bool *needed, rk_error *err)
{
    rk_tables tables;
    rk_view *view = NULL;
    bool active = false;
    /* The same tables as the scan had open: the fingerprint of an unnamed table depends on it. */
    rk_status status = rk_tables_open(store, plan->spec, false, false, &tables, err);
    if (status == RK_OK)
        status = rk_snapshot_open(store, &view, err);
    if (status == RK_OK)
        status = rk_plan_check(plan, view, tables.meta, &active, err);
    rk_snapshot_close(view);
    *needed = !active;
    return status;
}

rk_status rk_migration_activate(rk_store *store, const rk_clock *clock, const rk_actor *actor,
                                const rk_plan *plan, rk_error *err)
{
    bool needed;
    pending_change change = {
        .clock = clock, .actor = actor, .spec = plan->spec, .source = &plan->source, .plan = plan};
    rk_status status = look_first(store, plan, &needed, err);
    if (status != RK_OK || !needed)
        return status;
    return apply_change(store, &change, do_activate, err);
}
