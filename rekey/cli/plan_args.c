#include "rekey/cli/plan_args.h"

#include <inttypes.h>
#include <stdlib.h>

#include "rekey/cli/text.h"

int rk_cli_plan_read(rk_cli *cli, const char *path, rk_plan **out)
{
    rk_error err = {0};
    rk_status status = rk_plan_read(path, out, &err);
    if (status == RK_OK)
        return RK_EXIT_DONE;
    rk_error_context(&err, status, "read the plan");
    if (status == RK_CORRUPT || status == RK_LIMIT)
        return rk_cli_fail(cli, RK_EXIT_STALE_PLAN, &err, "make a new one with `rekey plan`");
    return rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
}

static void print_entities(rk_cli *cli, const rk_plan *plan)
{
    const rk_spec *spec = plan->spec;
    rk_cli_print(cli, "%-24s %5s %13s %11s %13s %11s  %s", "entity", "level", "records", "bytes",
                 "index entries", "quarantined", "");
    for (size_t i = 0; i < spec->entity_count; i++) {
        const rk_entity *entity = &spec->entities[i];
        const rk_plan_entity *counts = &plan->counts.entity[i];
        rk_cli_print(cli, "%-24s %5" PRIu32 " %13s %11s %13s %11s  %s%s", entity->name,
                     entity->level, rk_text_count(counts->records).s,
                     rk_text_bytes(counts->bytes).s, rk_text_count(counts->index_entries).s,
                     rk_text_count(counts->quarantined).s,
                     i == plan->template_entity ? "goes first, alone; " : "",
                     entity->collides ? "not reversible without loss" : "");
    }
}

static void print_capsules(rk_cli *cli, const rk_plan *plan)
{
    for (size_t i = 0; i < plan->spec->allowed_count; i++)
        rk_cli_print(cli, "capsule %-16.*s %13s records", (int)plan->spec->allowed[i].len,
                     (const char *)plan->spec->allowed[i].ptr,
                     rk_text_count(plan->counts.capsule[i]).s);
}

static void print_quarantine(rk_cli *cli, const rk_plan *plan)
{
    uint64_t total = 0;
    for (int i = 1; i < RK_REASON_COUNT; i++) {
        uint64_t count = plan->counts.quarantine[i];
        total += count;
        if (count > 0)
            rk_cli_print(cli, "left alone: %-20s %13s records, %s", rk_reason_name((rk_reason)i),
                         rk_text_count(count).s, rk_text_bytes(plan->counts.quarantine_bytes[i]).s);
    }
    uint64_t max = plan->spec->limits.quarantine_max;
    if (total > max)
        rk_cli_print(cli, "%s records would be left alone; the flip takes at most %" PRIu64,
                     rk_text_count(total).s, max);
}

int rk_cli_plan_print(rk_cli *cli, const rk_plan *plan, bool json)
{
    if (json) {
        rk_error err = {0};
        char *text = NULL;
        rk_status status = rk_plan_summary_json(plan, &text, &err);
        if (status != RK_OK)
            return rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
        rk_cli_print(cli, "%s", text);
        free(text);
        return RK_EXIT_DONE;
    }
    char hash[RK_DIGEST_HEX_BYTES];
    rk_hex(rk_slice_of(plan->hash.bytes, sizeof plan->hash.bytes), hash);
    rk_cli_print(cli, "migration %s, %s", plan->spec->migration,
                 plan->spec->strategy == RK_STRATEGY_MOVE ? "move" : "dual-write");
    rk_cli_print(cli, "plan      %s", hash);
    print_entities(cli, plan);
    print_capsules(cli, plan);
    rk_cli_print(cli, "%s of %s tenants hold records of more than one capsule",
                 rk_text_count(plan->counts.contaminated_tenants).s,
                 rk_text_count(plan->counts.tenants).s);
    print_quarantine(cli, plan);
    rk_cli_print(cli, "needs about %.1f s and %s more on disk (a map of %s)",
                 plan->estimate_seconds, rk_text_bytes(plan->estimate_disk_bytes).s,
                 rk_text_bytes(plan->estimate_map_bytes).s);
    if (plan->spec->approvals > 0)
        rk_cli_print(cli, "%" PRIu32 " approvals are needed before `rekey run`",
                     plan->spec->approvals);
    if (!plan->changes)
        rk_cli_print(cli, "nothing to do");
    return RK_EXIT_DONE;
}
