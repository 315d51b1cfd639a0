/* rekey seed: deterministic data in the old shape. */
#include "rekey/cli/commands.h"

#include <inttypes.h>

#include "rekey/cli/text.h"
#include "rekey/cluster/cluster.h"
#include "rekey/seed/seed.h"
#include "rekey/state/state.h"

typedef struct seed_options {
    const char *spec;
    const char *store;
    uint64_t tenants;
    uint64_t records;
    uint64_t seed;
    uint64_t value_bytes;
    const char *cluster;
    const char *node;
} seed_options;

static const rk_opt opts[] = {
    RK_OPTION_STORE(seed_options, store),
    {"tenants", 0, RK_OPT_U64, "N", "how many tenants", true, offsetof(seed_options, tenants)},
    {"records", 0, RK_OPT_U64, "N", "how many records, over all entities and tenants", true,
     offsetof(seed_options, records)},
    {"seed", 0, RK_OPT_U64, "N", "another number, other values (default 1)", false,
     offsetof(seed_options, seed)},
    {"value-bytes", 0, RK_OPT_U64, "N", "size of a value, about (default 200)", false,
     offsetof(seed_options, value_bytes)},
    {"cluster", 0, RK_OPT_STRING, "FILE", "only tenants that live on one node of this cluster",
     false, offsetof(seed_options, cluster)},
    {"node", 0, RK_OPT_STRING, "NAME", "with --cluster: the node's name", false,
     offsetof(seed_options, node)},
};

static const rk_arg args[] = {
    {"SPEC", "the migration's spec", false, offsetof(seed_options, spec)},
};

static const rk_syntax syntax = {
    .name = "seed",
    .summary = "Makes deterministic data in a spec's old shape, records and index entries.",
    .examples = "rekey seed specs/202611210900_capsule_isolation.yaml --store lmdb:/tmp/store \\\n"
                "    --tenants 10 --records 100000\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .args = args,
    .arg_count = RK_COUNT(args),
    .notes = "The store is made when it is absent. The same arguments make the same bytes. A\n"
             "record that is there already is left alone; a different one at a wanted key\n"
             "is a conflict. Run the same command again after an interruption.\n",
    .exits = {RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

static int report_failure(rk_cli *cli, rk_status status, const rk_error *err)
{
    if (status == RK_FULL)
        return rk_cli_fail(cli, RK_EXIT_STOPPED, err,
                           "make room, then run the same command again: it goes on from here");
    if (status == RK_CONFLICT)
        return rk_cli_fail(cli, RK_EXIT_FAILED, err,
                           "seed an empty store, or use the arguments this one was seeded with");
    return rk_cli_fail(cli, rk_cli_exit_of(status), err, NULL);
}

static int print_summary(rk_cli *cli, const rk_spec *spec, const seed_options *options,
                         const rk_seed_progress *progress)
{
    rk_cli_print(cli, "%s records and %s index entries in %s tenants",
                 rk_text_count(progress->done).s, rk_text_count(progress->index_entries).s,
                 rk_text_count(options->tenants).s);
    for (size_t i = 0; i < spec->entity_count; i++)
        rk_cli_print(cli, "  %12s  %s", rk_text_count(progress->entity[i]).s,
                     spec->entities[i].name);
    if (progress->done < options->records && !options->node)
        rk_cli_note(cli, "every entity has one record a tenant: %s is all there can be",
                    rk_text_count(progress->done).s);
    if (progress->changed < progress->done)
        rk_cli_note(cli, "%s of them were there already",
                    rk_text_count(progress->done - progress->changed).s);
    return RK_EXIT_DONE;
}

static int seed_store(rk_cli *cli, rk_store *store, const rk_spec *spec,
                      const seed_options *options, const rk_seed_options *how)
{
    rk_seed *seed = NULL;
    rk_error err = {0};
    rk_status status = rk_seed_start(store, spec, how, &seed, &err);
    bool finished = false;
    while (status == RK_OK && !finished && !rk_cli_interrupted(cli)) {
        const rk_seed_progress *progress = rk_seed_progress_of(seed);
        rk_progress_view view = {.phase = "seed", .done = progress->done, .total = progress->total};
        rk_cli_progress(cli, &view, rk_clock_monotonic_ns(cli->clock));
        status = rk_seed_step(seed, &finished, &err);
    }
    rk_cli_progress_end(cli);
    int code = RK_EXIT_STOPPED;
    if (status != RK_OK)
        code = report_failure(cli, status, &err);
    else if (finished)
        code = print_summary(cli, spec, options, rk_seed_progress_of(seed));
    else
        rk_cli_note(cli, "stopped after %s records; run the same command again to go on",
                    rk_text_count(rk_seed_progress_of(seed)->done).s);
    rk_seed_destroy(seed);
    return code;
}

/* Seeding goes around the client: once a migration has begun, old keys must not be written so. */
static int refuse_begun(rk_cli *cli, rk_store *store, const char *name)
{
    rk_error err = {0};
    rk_state state;
    rk_table meta;
    rk_view *view = NULL;
    rk_status status = rk_store_table(store, RK_META_TABLE, RK_TABLE_RECORDS, false, &meta, &err);
    if (status == RK_OK)
        status = rk_snapshot_open(store, &view, &err);
    if (status == RK_OK)
        status = rk_state_load(view, meta, &state, &err);
    rk_snapshot_close(view);
    if (status == RK_NOT_FOUND)
        return RK_EXIT_DONE;
    if (status != RK_OK) {
        rk_error_context(&err, status, "seed %s", name);
        return rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    }
    for (int i = 0; i < RK_TIER_COUNT; i++)
        if (state.tier[i].phase != RK_PHASE_OLD || state.tier[i].undoing)
            return rk_cli_fail_format(cli, RK_EXIT_FAILED, "seed a store of its own",
                                      "seed %s: the migration %s has begun there (tier %s is in "
                                      "phase %s)",
                                      name, state.migration, rk_tier_name((rk_tier)i),
                                      rk_phase_name(state.tier[i].phase));
    return RK_EXIT_DONE;
}

/* The node whose tenants are written. */
typedef struct residence {
    rk_cluster *cluster;
    size_t node;
} residence;

static bool lives_there(const void *context, rk_slice tenant)
{
    const residence *resident = context;
    return rk_cluster_owner(resident->cluster, tenant) == resident->node;
}

static int place_tenants(rk_cli *cli, const seed_options *options, residence *out,
                         rk_seed_options *how)
{
    rk_error err = {0};
    if (!options->cluster && !options->node)
        return RK_EXIT_DONE;
    if (!options->cluster || !options->node)
        return rk_cli_fail_format(cli, RK_EXIT_USAGE, NULL,
                                  "seed: --cluster and --node belong together");
    rk_status status = rk_cluster_load(options->cluster, &out->cluster, NULL, &err);
    if (status != RK_OK)
        return rk_cli_fail(cli, RK_EXIT_BAD_SPEC, &err, NULL);
    int found = rk_cluster_find(out->cluster, rk_slice_str(options->node));
    if (found < 0)
        return rk_cli_fail_format(cli, RK_EXIT_USAGE, NULL, "seed: %s has no node %s",
                                  options->cluster, options->node);
    out->node = (size_t)found;
    how->takes = lives_there;
    how->takes_context = out;
    return RK_EXIT_DONE;
}

int rk_cmd_seed(rk_cli *cli, int argc, char **argv)
{
    seed_options options = {.seed = 1, .value_bytes = RK_SEED_VALUE_BYTES_DEFAULT};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    rk_spec_source source = {0};
    rk_spec *spec = NULL;
    rk_store *store = NULL;
    residence resident = {0};
    rk_error err = {0};
    rk_seed_options how = {.tenants = options.tenants,
                           .records = options.records,
                           .seed = options.seed,
                           .value_bytes = options.value_bytes,
                           .source = &source};
    if (rk_seed_options_check(&how, &err) != RK_OK)
        return rk_cli_fail(cli, RK_EXIT_USAGE, &err, NULL);
    code = rk_cli_spec_open(cli, options.spec, &source, &spec);
    if (code != RK_EXIT_DONE)
        return code;
    code = place_tenants(cli, &options, &resident, &how);
    if (code == RK_EXIT_DONE)
        code = rk_cli_store_open(cli, options.store, RK_LMDB_CREATE, &store);
    if (code == RK_EXIT_DONE)
        code = refuse_begun(cli, store, options.store);
    if (code == RK_EXIT_DONE)
        code = seed_store(cli, store, spec, &options, &how);
    rk_store_close(store);
    rk_spec_destroy(spec);
    rk_spec_source_fini(&source);
    rk_cluster_destroy(resident.cluster);
    return code;
}
