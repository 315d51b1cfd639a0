#include <inttypes.h>

#include "rekey/cli/migrate.h"
#include "rekey/cli/text.h"
#include "rekey/report/report.h"

/* --- status ----------------------------------------------------------------------------------- */

int rk_cli_status_print(rk_cli *cli, const json_t *status)
{
    const char *bold = rk_cli_paint(cli->color_out, RK_PAINT_BOLD);
    const char *plain = rk_cli_paint(cli->color_out, RK_PAINT_NONE);
    rk_cli_print(cli, "migration    %s%s%s", bold,
                 json_string_value(json_object_get(status, "migration")), plain);
    rk_cli_print(cli, "phase        %s (epoch %" PRIu64 ")",
                 json_string_value(json_object_get(status, "phase")),
                 rk_report_integer(status, "epoch"));
    const char *tier;
    json_t *phase;
    json_object_foreach(json_object_get(status, "tiers"), tier, phase)
    {
        rk_cli_print(cli, "  %-10s %s", tier, json_string_value(phase));
    }
    size_t i;
    json_t *entity;
    json_array_foreach(json_object_get(status, "entities"), i, entity)
    {
        rk_cli_print(cli, "  %-24s %15s of %s", json_string_value(json_object_get(entity, "name")),
                     rk_text_count(rk_report_integer(entity, "done")).s,
                     rk_text_count(rk_report_integer(entity, "total")).s);
    }
    const json_t *verify = json_object_get(status, "last_verify");
    rk_cli_print(cli, "quarantined  %s", rk_text_count(rk_report_integer(status, "quarantined")).s);
    const json_t *compared = json_object_get(status, "comparisons");
    if (rk_report_integer(compared, "compared") > 0)
        rk_cli_print(cli, "compared     %s reads, %s different",
                     rk_text_count(rk_report_integer(compared, "compared")).s,
                     rk_text_count(rk_report_integer(compared, "different")).s);
    rk_cli_print(cli, "verified     %s%s",
                 json_is_true(json_object_get(verify, "clean")) ? "clean" : "not clean",
                 json_is_true(json_object_get(verify, "stale")) ? ", stale" : "");
    rk_cli_print(cli, "running      %s",
                 json_is_true(json_object_get(status, "running")) ? "yes" : "no");
    const char *stopped = json_string_value(json_object_get(status, "stopped_by"));
    if (stopped)
        rk_cli_print(cli, "stopped by   %s", stopped);
    return RK_EXIT_DONE;
}

/* --- verification ----------------------------------------------------------------------------- */

void rk_cli_verify_samples(rk_cli *cli, const json_t *report)
{
    size_t i;
    json_t *sample;
    json_array_foreach(json_object_get(report, "samples"), i, sample)
    {
        rk_cli_note(cli, "  %s %s: %s", rk_report_text(sample, "entity"),
                    rk_report_text(sample, "key"), rk_report_text(sample, "problem"));
    }
}

static rk_text count_of(const json_t *object, const char *name)
{
    return rk_text_count(rk_report_integer(object, name));
}

int rk_cli_verify_print(rk_cli *cli, const json_t *report)
{
    size_t i;
    json_t *row;
    rk_cli_print(cli, "%-24s %11s %11s %11s %9s %10s %7s %8s", "entity", "old", "new", "matched",
                 "missing", "mismatched", "extra", "shadowed");
    json_array_foreach(json_object_get(report, "entities"), i, row)
    {
        rk_cli_print(cli, "%-24s %11s %11s %11s %9s %10s %7s %8s", rk_report_text(row, "name"),
                     count_of(row, "old").s, count_of(row, "new").s, count_of(row, "matched").s,
                     count_of(row, "missing").s, count_of(row, "mismatched").s,
                     count_of(row, "extra").s, count_of(row, "shadowed").s);
    }
    json_array_foreach(json_object_get(report, "indexes"), i, row)
    {
        rk_cli_print(cli, "index %-18s %s expected, %s present, %s missing, %s extra",
                     rk_report_text(row, "name"), count_of(row, "expected").s,
                     count_of(row, "present").s, count_of(row, "missing").s,
                     count_of(row, "extra").s);
    }
    bool clean = json_is_true(json_object_get(report, "clean"));
    rk_cli_print(cli, "%s orphans, %s isolation violations, %s quarantined: %s",
                 count_of(report, "orphans").s, count_of(report, "isolation_violations").s,
                 count_of(report, "quarantined").s, clean ? "clean" : "not clean");
    return RK_EXIT_DONE;
}
