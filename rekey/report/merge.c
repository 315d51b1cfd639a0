#include "rekey/report/report.h"

#include <stdint.h>
#include <string.h>

static json_int_t integer_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* --- adding ----------------------------------------------------------------------------------- */

/* Nodes send what they like: nothing overflows, and no count is negative. */
static json_int_t plus(json_int_t a, json_int_t b)
{
    a = a > 0 ? a : 0;
    b = b > 0 ? b : 0;
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static void add_integer(json_t *sum, const char *name, json_int_t more)
{
    json_object_set_new(sum, name, json_integer(plus(integer_of(sum, name), more)));
}

/* Every integer of `part` onto the one of its name in `sum`. */
static void add_integers(json_t *sum, const json_t *part)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)part, name, value)
    {
        const json_t *there = json_object_get(sum, name);
        if (json_is_integer(value) && (!there || json_is_integer(there)))
            add_integer(sum, name, json_integer_value(value));
    }
}

/* Rows of one name add up; those that only one has are taken as they are. */
static void add_rows(json_t *sum, const json_t *part)
{
    size_t i;
    json_t *row;
    json_array_foreach(part, i, row)
    {
        size_t j;
        json_t *there;
        bool found = false;
        json_array_foreach(sum, j, there)
        {
            found = strcmp(rk_report_text(there, "name"), rk_report_text(row, "name")) == 0;
            if (found) {
                add_integers(there, row);
                break;
            }
        }
        if (!found)
            json_array_append_new(sum, json_deep_copy(row));
    }
}

static void add_list(json_t *sum, const json_t *part, const char *name)
{
    add_rows(json_object_get(sum, name), json_object_get(part, name));
}

static void and_flag(json_t *sum, const json_t *part, const char *name)
{
    if (!json_is_true(json_object_get(part, name)))
        json_object_set_new(sum, name, json_false());
}

static void or_flag(json_t *sum, const json_t *part, const char *name)
{
    if (json_is_true(json_object_get(part, name)))
        json_object_set_new(sum, name, json_true());
}

static bool same_migration(const rk_report_part *parts, size_t count, rk_error *err)
{
    if (count == 0)
        rk_error_set(err, RK_INVALID, "no node has said anything");
    for (size_t i = 0; i < count; i++)
        if (!*rk_report_text(parts[i].report, "migration")) {
            rk_error_set(err, RK_CORRUPT, "node %s sends a report that cannot be understood",
                         parts[i].node);
            return false;
        }
    for (size_t i = 1; i < count; i++)
        if (strcmp(rk_report_text(parts[i].report, "migration"),
                   rk_report_text(parts[0].report, "migration"))) {
            rk_error_set(err, RK_CONFLICT, "node %s has migration %.64s, node %s has %.64s",
                         parts[i].node, rk_report_text(parts[i].report, "migration"), parts[0].node,
                         rk_report_text(parts[0].report, "migration"));
            return false;
        }
    return count > 0;
}

static json_t *first_of(const rk_report_part *parts, rk_error *err)
{
    json_t *copy = json_deep_copy(parts[0].report);
    if (!copy)
        rk_error_set(err, RK_NOMEM, "add up the nodes' reports: out of memory");
    return copy;
}

/* --- status ----------------------------------------------------------------------------------- */

static int phase_of(const char *name)
{
    for (int phase = 0; phase < RK_PHASE_COUNT; phase++)
        if (strcmp(rk_phase_name((rk_phase)phase), name) == 0)
            return phase;
    return RK_PHASE_OLD;
}

static void keep_least(json_t *sum, const json_t *part, const char *name)
{
    if (phase_of(rk_report_text(part, name)) < phase_of(rk_report_text(sum, name)))
        json_object_set_new(sum, name, json_string(rk_report_text(part, name)));
}

static void add_status(json_t *sum, const json_t *part)
{
    const char *tier;
    json_t *phase;
    json_t *tiers = json_object_get(sum, "tiers");
    json_int_t epoch = integer_of(sum, "epoch");
    if (epoch < integer_of(part, "epoch"))
        epoch = integer_of(part, "epoch");
    add_integers(sum, part);
    json_object_set_new(sum, "epoch", json_integer(epoch));
    keep_least(sum, part, "phase");
    json_object_foreach(json_object_get(part, "tiers"), tier, phase)
    {
        if (json_object_get(tiers, tier))
            keep_least(tiers, json_object_get(part, "tiers"), tier);
        else
            json_object_set(tiers, tier, phase);
    }
    add_list(sum, part, "entities");
    add_integers(json_object_get(sum, "comparisons"), json_object_get(part, "comparisons"));
    or_flag(sum, part, "running");
    and_flag(json_object_get(sum, "last_verify"), json_object_get(part, "last_verify"), "clean");
    or_flag(json_object_get(sum, "last_verify"), json_object_get(part, "last_verify"), "stale");
    if (json_is_null(json_object_get(sum, "stopped_by")))
        json_object_set(sum, "stopped_by", json_object_get(part, "stopped_by"));
}

static json_t *nodes_of(const rk_report_part *parts, size_t count)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            nodes, json_pack("{s:s, s:s, s:I, s:O?, s:O?, s:O*, s:O*}", "name", parts[i].node,
                             "phase", rk_report_text(parts[i].report, "phase"), "epoch",
                             integer_of(parts[i].report, "epoch"), "running",
                             json_object_get(parts[i].report, "running"), "stopped_by",
                             json_object_get(parts[i].report, "stopped_by"), "promised",
                             json_object_get(parts[i].report, "promised"), "workers",
                             json_object_get(parts[i].report, "workers")));
    return nodes;
}

json_t *rk_report_status_merge(const rk_report_part *parts, size_t count, rk_error *err)
{
    if (!same_migration(parts, count, err))
        return NULL;
    json_t *sum = first_of(parts, err);
    for (size_t i = 1; sum && i < count; i++)
        add_status(sum, parts[i].report);
    json_object_set_new(sum, "nodes", nodes_of(parts, count));
    return sum;
}

/* --- verification ----------------------------------------------------------------------------- */

static void add_samples(json_t *samples, const rk_report_part *part)
{
    size_t i;
    json_t *sample;
    json_array_foreach(json_object_get(part->report, "samples"), i, sample)
    {
        if (json_array_size(samples) >= RK_VERIFY_SAMPLES_MAX)
            return;
        json_t *copy = json_deep_copy(sample);
        json_object_set_new(copy, "node", json_string(part->node));
        json_array_append_new(samples, copy);
    }
}

json_t *rk_report_verify_merge(const rk_report_part *parts, size_t count, rk_error *err)
{
    if (!same_migration(parts, count, err))
        return NULL;
    json_t *sum = first_of(parts, err);
    json_object_set_new(sum, "samples", json_array());
    for (size_t i = 0; sum && i < count; i++) {
        const json_t *part = parts[i].report;
        add_samples(json_object_get(sum, "samples"), &parts[i]);
        and_flag(sum, part, "clean");
        if (i == 0)
            continue;
        add_list(sum, part, "entities");
        add_list(sum, part, "indexes");
        add_integers(sum, part);
    }
    return sum;
}
