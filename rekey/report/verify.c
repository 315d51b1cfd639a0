#include "rekey/report/report.h"

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static const char *entity_name(const rk_spec *spec, int entity)
{
    return entity < 0 ? "" : spec->entities[entity].name;
}

static json_t *verify_entities(const rk_spec *spec, const rk_verify_report *report)
{
    json_t *entities = json_array();
    for (size_t i = 0; i < spec->entity_count; i++) {
        const rk_verify_entity *counts = &report->entity[i];
        json_array_append_new(
            entities,
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", spec->entities[i].name,
                      "old", integer(counts->old_records), "new", integer(counts->new_records),
                      "matched", integer(counts->matched), "missing", integer(counts->missing),
                      "mismatched", integer(counts->mismatched), "extra", integer(counts->extra),
                      "shadowed", integer(counts->shadowed)));
    }
    return entities;
}

static json_t *verify_indexes(const rk_spec *spec, const rk_verify_report *report)
{
    json_t *indexes = json_array();
    for (size_t i = 0; i < spec->index_name_count; i++) {
        const rk_verify_index *counts = &report->index[i];
        json_array_append_new(indexes,
                              json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", spec->index_names[i],
                                        "expected", integer(counts->expected), "present",
                                        integer(counts->present), "missing",
                                        integer(counts->missing), "extra", integer(counts->extra)));
    }
    return indexes;
}

static json_t *verify_samples(const rk_spec *spec, const rk_verify_report *report)
{
    json_t *samples = json_array();
    for (size_t i = 0; i < report->sample_count; i++)
        json_array_append_new(samples, json_pack("{s:s, s:s, s:s}", "entity",
                                                 entity_name(spec, report->sample[i].entity), "key",
                                                 report->sample[i].key, "problem",
                                                 report->sample[i].problem));
    return samples;
}

json_t *rk_report_verify(const rk_spec *spec, const rk_verify_report *report)
{
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "migration", spec->migration,
                     "clean", rk_verify_is_clean(report, &spec->limits), "entities",
                     verify_entities(spec, report), "indexes", verify_indexes(spec, report),
                     "orphans", integer(report->orphans), "isolation_violations",
                     integer(report->isolation_violations), "quarantined",
                     integer(report->quarantined), "samples", verify_samples(spec, report),
                     "differences", integer(report->differences));
}
