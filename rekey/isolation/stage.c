#include "rekey/isolation/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rekey/client/attach.h"
#include "store/lmdb.h"

#define SOURCE_BYTES_MAX ((size_t)256 * 1024 * 1024)

const rki_stage rki_stages[RKI_STAGES] = {
    {.name = "old",
     .phase = RK_PHASE_OLD,
     .attacked = true,
     .next = RK_GOAL_FLIPPED,
     .next_plans = true,
     .says = "in phase old"},
    {.name = "dual_write",
     .phase = RK_PHASE_DUAL_WRITE,
     .plans = true,
     .runs = true,
     .goal = RK_GOAL_BACKFILLED,
     .stop = RKI_AT_BEGIN,
     .attacked = true,
     .next = RK_GOAL_FLIPPED,
     .says = "in phase dual_write, before the backfill"},
    {.name = "backfilled",
     .phase = RK_PHASE_DUAL_WRITE,
     .runs = true,
     .goal = RK_GOAL_VERIFIED,
     .attacked = true,
     .verifies = true,
     .next = RK_GOAL_FLIPPED,
     .says = "in phase dual_write, backfilled"},
    {.name = "flipped",
     .phase = RK_PHASE_FLIPPED,
     .runs = true,
     .goal = RK_GOAL_FLIPPED,
     .attacked = true,
     .verifies = true,
     .next = RK_GOAL_DONE,
     .says = "in phase flipped"},
    {.name = "undoing",
     .phase = RK_PHASE_OLD,
     .runs = true,
     .goal = RK_GOAL_ROLLBACK,
     .stop = RKI_AT_UNDOING,
     .attacked = true,
     .next = RK_GOAL_ROLLBACK,
     .says = "in a rollback that has begun"},
    {.name = "rolled_back",
     .phase = RK_PHASE_OLD,
     .runs = true,
     .goal = RK_GOAL_ROLLBACK,
     .attacked = true,
     .next = RK_GOAL_FLIPPED,
     .next_plans = true,
     .says = "in phase old, rolled back"},
    {.name = "dual_write_again",
     .phase = RK_PHASE_DUAL_WRITE,
     .plans = true,
     .runs = true,
     .goal = RK_GOAL_BACKFILLED,
     .stop = RKI_AT_BEGIN,
     .next = RK_GOAL_FLIPPED,
     .says = "in phase dual_write, after a rollback"},
    {.name = "flipped_again",
     .phase = RK_PHASE_FLIPPED,
     .runs = true,
     .goal = RK_GOAL_FLIPPED,
     .next = RK_GOAL_DONE,
     .says = "in phase flipped, after a rollback"},
    {.name = "contracted",
     .phase = RK_PHASE_CONTRACTED,
     .runs = true,
     .goal = RK_GOAL_CONTRACT,
     .stop = RKI_AT_CONTRACT,
     .attacked = true,
     .verifies = true,
     .next = RK_GOAL_CONTRACT,
     .says = "in phase contracted, the old keys still there"},
    {.name = "done",
     .phase = RK_PHASE_DONE,
     .runs = true,
     .goal = RK_GOAL_CONTRACT,
     .attacked = true,
     .verifies = true,
     .next = RK_GOAL_DONE,
     .says = "in phase done"},
};

/* --- the spec --------------------------------------------------------------------------------- */

static rk_status copy_text(rk_arena *arena, const char *text, char **out, rk_error *err)
{
    rk_slice copy;
    rk_status status = rk_arena_copy(arena, rk_slice_of(text, strlen(text) + 1), &copy, err);
    if (status == RK_OK)
        *out = (char *)(uintptr_t)copy.ptr;
    return status;
}

/* `lookup`, unless empty, in place of every file's bytes. */
static rk_status copy_source(const rk_spec_source *from, rk_slice lookup, rk_spec_source *out,
                             rk_error *err)
{
    rk_spec_source source = {0};
    rk_arena_init(&source.memory, SOURCE_BYTES_MAX);
    rk_status status = copy_text(&source.memory, from->name, &source.name, err);
    if (status == RK_OK)
        status = rk_arena_copy(&source.memory, from->text, &source.text, err);
    if (status == RK_OK && from->file_count > 0) {
        source.files = rk_arena_alloc(&source.memory, from->file_count * sizeof *source.files);
        if (!source.files)
            status = rk_error_set(err, RK_NOMEM, "copy a spec: out of memory");
    }
    for (size_t i = 0; i < from->file_count && status == RK_OK; i++) {
        rk_spec_file *file = &source.files[source.file_count++];
        status = copy_text(&source.memory, from->files[i].name, &file->name, err);
        if (status == RK_OK)
            status = rk_arena_copy(&source.memory, lookup.len > 0 ? lookup : from->files[i].bytes,
                                   &file->bytes, err);
    }
    if (status == RK_OK)
        *out = source;
    else
        rk_spec_source_fini(&source);
    return status;
}

static rk_status load_spec(rk_spec_source *source, rk_spec **out, rk_error *err)
{
    rk_findings findings = {0};
    rk_status status = rk_spec_load(source, NULL, out, &findings, err);
    rk_findings_fini(&findings);
    return status;
}

/* --- the scratch folder ----------------------------------------------------------------------- */

/* Nobody else comes here: whoever held the lease was one of ours. */
static bool nobody_alive(void *context, const rk_lease *lease)
{
    (void)context;
    (void)lease;
    return false;
}

static void sign_in(rk_actor *actor)
{
    *actor = (rk_actor){.alive = nobody_alive, .name = "isolation"};
    snprintf(actor->lease.host, sizeof actor->lease.host, "scratch");
    snprintf(actor->lease.command, sizeof actor->lease.command, "isolation");
    rk_random_bytes(actor->lease.token, sizeof actor->lease.token);
}

rk_status rki_scratch_create(const rk_spec_source *source, rk_slice lookup, const char *base,
                             const rk_clock *clock, rki_scratch **out, rk_error *err)
{
    rki_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return rk_error_set(err, RK_NOMEM, "scratch store: out of memory");
    scratch->clock = clock;
    rk_status status = rk_crypto_init(err);
    if (status == RK_OK) {
        sign_in(&scratch->actor);
        status = copy_source(source, lookup, &scratch->source, err);
    }
    if (status == RK_OK)
        status = load_spec(&scratch->source, &scratch->spec, err);
    if (status == RK_OK) {
        snprintf(scratch->folder, sizeof scratch->folder, "%.400s/rekey-isolation-XXXXXX", base);
        if (!mkdtemp(scratch->folder)) {
            status = rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, errno, "make %s: %s",
                                         scratch->folder, strerror(errno));
            scratch->folder[0] = '\0';
        }
    }
    if (status != RK_OK) {
        rki_scratch_destroy(scratch);
        return status;
    }
    *out = scratch;
    return RK_OK;
}

static void path_of(const rki_scratch *scratch, const char *name, char out[RKI_PATH_BYTES_MAX + 48])
{
    snprintf(out, RKI_PATH_BYTES_MAX + 48, "%s/%.40s", scratch->folder, name);
}

/* A store's folder holds these and nothing else. */
void rki_scratch_drop(const rki_scratch *scratch, const char *name)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    char folder[RKI_PATH_BYTES_MAX + 48];
    char path[RKI_PATH_BYTES_MAX + 64];
    path_of(scratch, name, folder);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    rmdir(folder);
}

void rki_scratch_destroy(rki_scratch *scratch)
{
    static const char *const names[] = {RKI_MAIN, RKI_ATTACKED, RKI_RESTORED};
    if (!scratch)
        return;
    for (size_t i = 0; scratch->folder[0] && i < sizeof names / sizeof *names; i++)
        rki_scratch_drop(scratch, names[i]);
    if (scratch->folder[0])
        rmdir(scratch->folder);
    rk_spec_destroy(scratch->spec);
    rk_spec_source_fini(&scratch->source);
    free(scratch);
}

static bool copy_bytes(int from, int to)
{
    char bytes[65536];
    for (;;) {
        ssize_t got = read(from, bytes, sizeof bytes);
        if (got <= 0)
            return got == 0;
        for (ssize_t at = 0; at < got;) {
            ssize_t put = write(to, bytes + at, (size_t)(got - at));
            if (put < 0)
                return false;
            at += put;
        }
    }
}

rk_status rki_scratch_copy(const rki_scratch *scratch, const char *from, const char *to,
                           rk_error *err)
{
    char folder[RKI_PATH_BYTES_MAX + 48];
    char source[RKI_PATH_BYTES_MAX + 64];
    char target[RKI_PATH_BYTES_MAX + 64];
    path_of(scratch, from, folder);
    snprintf(source, sizeof source, "%s/data.mdb", folder);
    path_of(scratch, to, folder);
    snprintf(target, sizeof target, "%s/data.mdb", folder);
    int in = open(source, O_RDONLY | O_CLOEXEC);
    int out = in >= 0 && mkdir(folder, 0700) == 0
                  ? open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                  : -1;
    bool copied = out >= 0 && copy_bytes(in, out);
    int why = errno;
    if (out >= 0 && close(out) != 0 && copied) {
        why = errno;
        copied = false;
    }
    if (in >= 0)
        close(in);
    return copied ? RK_OK
                  : rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, why, "copy %s to %s: %s",
                                        source, target, strerror(why));
}

/* --- a store in it ---------------------------------------------------------------------------- */

rk_status rki_site_open(const rki_scratch *scratch, const char *name, rki_site *out, rk_error *err)
{
    char path[RKI_PATH_BYTES_MAX + 48];
    rk_lmdb_options options = {.mode = RK_LMDB_CREATE};
    rki_site site = {.scratch = scratch};
    bool changed;
    path_of(scratch, name, path);
    snprintf(site.location, sizeof site.location, "lmdb:%s", path);
    rk_status status = rk_lmdb_open(path, &options, &site.store, err);
    /* Twice: registering makes `__rekey`, and wants to find the other tables. */
    if (status == RK_OK)
        status = rk_tables_open(site.store, scratch->spec, true, true, &site.tables, err);
    if (status == RK_OK)
        status = rk_migration_register(site.store, scratch->clock, &scratch->actor, scratch->spec,
                                       &scratch->source, &changed, err);
    if (status == RK_OK)
        status = rk_client_attach(site.store, NULL, &site.client, err);
    if (status == RK_OK)
        *out = site;
    else
        rki_site_close(&site);
    return status;
}

void rki_site_close(rki_site *site)
{
    rk_client_close(site->client);
    rk_store_close(site->store);
    *site = (rki_site){0};
}

rk_status rki_site_state(const rki_site *site, rk_state *out, rk_error *err)
{
    rk_view *view = NULL;
    rk_status status = rk_snapshot_open(site->store, &view, err);
    if (status == RK_OK)
        status = rk_state_load(view, site->tables.meta, out, err);
    rk_snapshot_close(view);
    return status;
}

rk_status rki_site_verify(const rki_site *site, rk_verify_report *out, rk_error *err)
{
    rk_state state;
    rk_verification *verification = NULL;
    rk_verify_options options = {.entity = -1};
    bool finished = false;
    rk_status status = rki_site_state(site, &state, err);
    if (status == RK_OK)
        status = rk_verify_create(site->store, site->scratch->spec, &site->tables, &state, &options,
                                  &verification, err);
    while (status == RK_OK && !finished)
        status = rk_verify_step(verification, &finished, err);
    if (status == RK_OK)
        *out = *rk_verify_report_of(verification);
    rk_verify_destroy(verification);
    return status;
}

/* --- driving ---------------------------------------------------------------------------------- */

/* The machine that the attack runs on is not the one that the signals are about. */
static void unwatch(rk_limits *limits)
{
    limits->write_latency_ms_max = 0;
    limits->error_rate_max = -1;
    limits->free_space_min_bytes = 0;
}

static rk_status make_plan(const rki_site *site, rk_plan **out, rk_error *err)
{
    rk_spec_source source = {0};
    rk_spec *spec = NULL;
    rk_plan_scan *scan = NULL;
    uint64_t scanned;
    uint64_t expected;
    bool finished = false;
    rk_status status = copy_source(&site->scratch->source, RK_SLICE_EMPTY, &source, err);
    if (status == RK_OK)
        status = load_spec(&source, &spec, err);
    if (status == RK_OK)
        status = rk_plan_scan_start(site->store, &source, spec, source.name, &scan, err);
    if (status != RK_OK) {
        rk_spec_destroy(spec);
        rk_spec_source_fini(&source);
        return status;
    }
    while (status == RK_OK && !finished)
        status = rk_plan_scan_step(scan, &scanned, &expected, &finished, err);
    if (status == RK_OK)
        status = rk_plan_scan_finish(scan, rk_clock_wall_ms(site->scratch->clock), out, err);
    rk_plan_scan_destroy(scan);
    return status;
}

static rk_status activate_plan(const rki_site *site, rk_error *err)
{
    const rki_scratch *scratch = site->scratch;
    rk_plan *plan = NULL;
    rk_status status = make_plan(site, &plan, err);
    if (status == RK_OK)
        status = rk_migration_activate(site->store, scratch->clock, &scratch->actor, plan, err);
    rk_plan_destroy(plan);
    return status;
}

static bool is_there(const rk_state *state, rki_stop stop)
{
    const rk_tier_state *tier = &state->tier[RK_TIER_PRODUCTION];
    switch (stop) {
    case RKI_AT_BEGIN:
        return tier->phase == RK_PHASE_DUAL_WRITE;
    case RKI_AT_UNDOING:
        return tier->undoing;
    case RKI_AT_CONTRACT:
        return tier->phase == RK_PHASE_CONTRACTED;
    case RKI_AT_GOAL:
        break;
    }
    return false;
}

static rk_status judge_run(const rk_run *run, rk_run_state state, rk_error *err)
{
    const rk_verify_report *report = rk_run_report(run);
    if (state == RK_RUN_NOT_CLEAN)
        return rk_error_set(err, RK_CONFLICT, "verification found %" PRIu64 " differences; %s",
                            report->differences,
                            report->sample_count > 0 ? report->sample[0].problem : "no sample");
    if (state == RK_RUN_GATE || state == RK_RUN_SIGNAL)
        return rk_error_set(err, RK_CONFLICT, "refused: %s", rk_run_reason(run));
    return RK_OK;
}

static rk_status advance(const rki_site *site, rk_migration *migration, rk_goal goal, rki_stop stop,
                         rk_error *err)
{
    rk_run_options options = {.goal = goal, .workers = 1};
    rk_run_state state = RK_RUN_GOING;
    rk_run *run = NULL;
    bool there = false;
    rk_status status = rk_run_create(migration, &options, &run, err);
    while (status == RK_OK && state == RK_RUN_GOING && !there) {
        rk_state now;
        status = rk_run_step(run, &state, err);
        if (status == RK_OK && stop != RKI_AT_GOAL)
            status = rki_site_state(site, &now, err);
        there = status == RK_OK && stop != RKI_AT_GOAL && is_there(&now, stop);
    }
    if (status == RK_OK)
        status = judge_run(run, state, err);
    rk_status ended = rk_run_end(run, "finished", status == RK_OK ? err : NULL);
    return status == RK_OK ? ended : status;
}

rk_status rki_site_drive(const rki_site *site, bool plans, rk_goal goal, rki_stop stop,
                         rk_error *err)
{
    const rki_scratch *scratch = site->scratch;
    rk_migration *migration = NULL;
    rk_status status = plans ? activate_plan(site, err) : RK_OK;
    if (status == RK_OK)
        status =
            rk_migration_open(site->store, scratch->clock, &scratch->actor, true, &migration, err);
    if (status != RK_OK)
        return status;
    unwatch(&migration->spec->limits);
    status = advance(site, migration, goal, stop, err);
    rk_migration_close(migration);
    return status;
}
