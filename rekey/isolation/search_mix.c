/* search_mix.c: the runs, and how they become findings. */
#include <assert.h>
#include <stdlib.h>

#include "rekey/isolation/search_private.h"

static size_t columns(const rk_spec *spec)
{
    return spec->allowed_count + 1;
}

rk_status rki_mix_init(rki_mix *mix, const rk_spec *spec, rk_error *err)
{
    *mix = (rki_mix){0};
    rk_buf_init(&mix->tenant, RK_STATE_KEY_BYTES_MAX + 1);
    for (size_t i = 0; i < 2; i++)
        rk_buf_init(&mix->sample[i], RK_STATE_KEY_BYTES_MAX + 1);
    mix->count = calloc(spec->entity_count * columns(spec), sizeof *mix->count);
    return mix->count ? RK_OK : rk_error_set(err, RK_NOMEM, "search: out of memory");
}

void rki_mix_fini(rki_mix *mix)
{
    rk_buf_fini(&mix->tenant);
    for (size_t i = 0; i < 2; i++)
        rk_buf_fini(&mix->sample[i]);
    free(mix->count);
    *mix = (rki_mix){0};
}

void rki_mix_reset(rki_mix *mix, const rk_spec *spec)
{
    if (mix->total > 0)
        memset(mix->count, 0, spec->entity_count * columns(spec) * sizeof *mix->count);
    mix->total = 0;
    mix->capsules = 0;
    mix->spread = false;
    for (size_t i = 0; i < 2; i++)
        rk_buf_reset(&mix->sample[i]);
}

bool rki_mix_is_mixed(const rki_mix *mix)
{
    return (mix->capsules & (mix->capsules - 1)) != 0;
}

rk_status rki_mix_add(rki_mix *mix, const rk_spec *spec, int entity, int capsule, rk_slice key,
                      rk_error *err)
{
    assert(entity >= 0 && (size_t)entity < spec->entity_count);
    assert(capsule < (int)spec->allowed_count);
    size_t column = capsule < 0 ? spec->allowed_count : (size_t)capsule;
    mix->count[(size_t)entity * columns(spec) + column]++;
    mix->total++;
    if (capsule < 0)
        return RK_OK;
    bool mixed = rki_mix_is_mixed(mix);
    bool first = mix->capsules == 0;
    mix->capsules |= UINT32_C(1) << capsule;
    if (first)
        return rk_buf_set(&mix->sample[0], key, err);
    return !mixed && rki_mix_is_mixed(mix) ? rk_buf_set(&mix->sample[1], key, err) : RK_OK;
}

/* --- findings --------------------------------------------------------------------------------- */

rk_status rki_search_count(rk_search *search, rk_contamination kind, const rki_subject *subject,
                           const rk_found_sample *sample, rk_error *err)
{
    rk_found_count one = {.entity = subject->entity, .capsule = -1, .count = 1};
    return rki_tally_add(&search->tally, kind, subject->tenant, &one, sample, err);
}

/* The numbers of one entity; *samples_left is how many samples have not been given yet. */
static rk_status count_entity(rk_search *search, rk_contamination kind, const rki_mix *mix,
                              size_t entity, bool by_capsule, const rk_found_sample *samples,
                              size_t sample_count, size_t *given, rk_error *err)
{
    const rk_spec *spec = search->spec;
    const uint64_t *row = &mix->count[entity * columns(spec)];
    rk_found_count sum = {.entity = (int)entity, .capsule = -1};
    rk_status status = RK_OK;
    for (size_t i = 0; i < columns(spec) && status == RK_OK; i++) {
        rk_found_count count = {.entity = (int)entity, .capsule = (int)i, .count = row[i]};
        sum.count += row[i];
        if (!by_capsule || row[i] == 0 || i == spec->allowed_count)
            continue;
        const rk_found_sample *sample = *given < sample_count ? &samples[(*given)++] : NULL;
        status =
            rki_tally_add(&search->tally, kind, rk_buf_slice(&mix->tenant), &count, sample, err);
    }
    if (status != RK_OK || by_capsule || sum.count == 0)
        return status;
    const rk_found_sample *sample = *given < sample_count ? &samples[(*given)++] : NULL;
    return rki_tally_add(&search->tally, kind, rk_buf_slice(&mix->tenant), &sum, sample, err);
}

rk_status rki_search_count_mix(rk_search *search, rk_contamination kind, const rki_mix *mix,
                               bool by_capsule, const rk_found_sample *samples, size_t sample_count,
                               rk_error *err)
{
    size_t given = 0;
    rk_status status = RK_OK;
    for (size_t entity = 0; entity < search->spec->entity_count && status == RK_OK; entity++)
        status =
            count_entity(search, kind, mix, entity, by_capsule, samples, sample_count, &given, err);
    return status;
}
