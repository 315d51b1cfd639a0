#include "rekey/state/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "rekey/state/layout.h"

#define STATE_KEY RK_SLICE_LITERAL("state")
#define SPEC_KEY  RK_SLICE_LITERAL("spec")

/* --- phase and epoch -------------------------------------------------------------------------- */

rk_status rk_state_load(rk_view *view, rk_table meta, rk_state *out, rk_error *err)
{
    rk_reader reader;
    rk_state state = {0};
    rk_status status = rki_record_open(view, meta, STATE_KEY, &reader, err);
    if (status != RK_OK)
        return status;
    state.epoch = rk_take_u64(&reader);
    rki_take_text(&reader, state.migration, sizeof state.migration);
    rki_take_fixed(&reader, state.spec_digest.bytes, sizeof state.spec_digest.bytes);
    state.has_canary = rki_take_bool(&reader);
    for (int i = 0; i < RK_TIER_COUNT; i++) {
        uint8_t phase = rk_take_u8(&reader);
        reader.ok = reader.ok && phase < RK_PHASE_COUNT;
        state.tier[i].phase = (rk_phase)phase;
        state.tier[i].undoing = rki_take_bool(&reader);
        state.tier[i].epoch = rk_take_u64(&reader);
    }
    rki_take_text(&reader, state.stopped_by, sizeof state.stopped_by);
    status = rki_record_close(&reader, "state", err);
    if (status == RK_OK)
        *out = state;
    return status;
}

rk_status rk_state_save(rk_txn *txn, rk_table meta, const rk_state *state, rk_error *err)
{
    rk_state before;
    rk_status status = rk_state_load(rk_txn_view(txn), meta, &before, err);
    if (status == RK_OK && before.epoch > state->epoch)
        return rk_error_set(err, RK_CONFLICT, "the epoch may not fall from %" PRIu64 " to %" PRIu64,
                            before.epoch, state->epoch);
    if (status != RK_OK && status != RK_NOT_FOUND)
        return status;
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_u64(&encoder.writer, state->epoch);
    rk_write_bytes(&encoder.writer, rk_slice_str(state->migration));
    rk_write_bytes(&encoder.writer,
                   rk_slice_of(state->spec_digest.bytes, sizeof state->spec_digest.bytes));
    rk_write_u8(&encoder.writer, state->has_canary);
    for (int i = 0; i < RK_TIER_COUNT; i++) {
        rk_write_u8(&encoder.writer, (uint8_t)state->tier[i].phase);
        rk_write_u8(&encoder.writer, state->tier[i].undoing);
        rk_write_u64(&encoder.writer, state->tier[i].epoch);
    }
    rk_write_bytes(&encoder.writer, rk_slice_str(state->stopped_by));
    return rki_encoder_save(&encoder, txn, meta, STATE_KEY);
}

rk_phase rk_state_phase(const rk_state *state)
{
    rk_phase least = state->tier[RK_TIER_PRODUCTION].phase;
    if (state->has_canary && state->tier[RK_TIER_CANARY].phase < least)
        least = state->tier[RK_TIER_CANARY].phase;
    return least;
}

/* --- the registered spec ---------------------------------------------------------------------- */

void rk_state_spec_digest(const rk_spec_source *source, rk_digest *out)
{
    rk_digest text;
    rk_digest_parts("rekey spec v1", &source->text, 1, &text);
    for (size_t i = 0; i < source->file_count; i++) {
        rk_slice parts[] = {rk_slice_of(text.bytes, sizeof text.bytes),
                            rk_slice_str(source->files[i].name), source->files[i].bytes};
        rk_digest_parts("rekey spec file v1", parts, 3, &text);
    }
    *out = text;
}

static bool copy_text(rk_arena *arena, rk_slice text, char **out)
{
    char *copy = rk_arena_alloc(arena, text.len + 1);
    if (!copy)
        return false;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *out = copy;
    return true;
}

static bool take_source(rk_reader *reader, rk_spec_source *out)
{
    rk_arena_init(&out->memory, RK_SPEC_BYTES_MAX + 4 * (size_t)RK_LOOKUP_BYTES_MAX);
    if (!copy_text(&out->memory, rk_take_bytes(reader), &out->name) ||
        rk_arena_copy(&out->memory, rk_take_bytes(reader), &out->text, NULL) != RK_OK)
        return false;
    uint64_t count = rk_take_u64(reader);
    if (!reader->ok || count > RK_ENTITIES_MAX)
        return false;
    out->files = rk_arena_alloc(&out->memory, (count + 1) * sizeof *out->files);
    if (!out->files)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        rk_slice name = rk_take_bytes(reader);
        rk_slice bytes = rk_take_bytes(reader);
        if (!copy_text(&out->memory, name, &out->files[i].name) ||
            rk_arena_copy(&out->memory, bytes, &out->files[i].bytes, NULL) != RK_OK)
            return false;
        out->file_count++;
    }
    return reader->ok;
}

rk_status rk_state_spec_load(rk_view *view, rk_table meta, rk_spec_source *out, rk_error *err)
{
    rk_reader reader;
    rk_spec_source source = {0};
    rk_status status = rki_record_open(view, meta, SPEC_KEY, &reader, err);
    if (status != RK_OK)
        return status;
    if (!take_source(&reader, &source))
        status = rk_error_set(err, RK_CORRUPT, "record 'spec' of " RK_META_TABLE " is damaged");
    if (status == RK_OK)
        status = rki_record_close(&reader, "spec", err);
    if (status != RK_OK) {
        rk_spec_source_fini(&source);
        return status;
    }
    *out = source;
    return RK_OK;
}

rk_status rk_state_spec_save(rk_txn *txn, rk_table meta, const rk_spec_source *source,
                             rk_error *err)
{
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_bytes(&encoder.writer, rk_slice_str(source->name));
    rk_write_bytes(&encoder.writer, source->text);
    rk_write_u64(&encoder.writer, source->file_count);
    for (size_t i = 0; i < source->file_count; i++) {
        rk_write_bytes(&encoder.writer, rk_slice_str(source->files[i].name));
        rk_write_bytes(&encoder.writer, source->files[i].bytes);
    }
    return rki_encoder_save(&encoder, txn, meta, SPEC_KEY);
}

/* May this spec take the place of what is registered? */
static rk_status may_register(const rk_state *state, const rk_spec *spec, rk_error *err)
{
    rk_phase phase = rk_state_phase(state);
    if (strcmp(state->migration, spec->migration) != 0) {
        if (phase == RK_PHASE_DONE)
            return RK_OK;
        return rk_error_set(err, RK_CONFLICT,
                            "the spec is of migration %s, but %s is registered in the store and in "
                            "phase %s",
                            spec->migration, state->migration, rk_phase_name(phase));
    }
    for (int i = 0; i < RK_TIER_COUNT; i++)
        if (state->tier[i].phase != RK_PHASE_OLD || state->tier[i].undoing)
            return rk_error_set(
                err, RK_CONFLICT,
                "another text of the spec %s is registered, and the migration is in "
                "phase %s: it may change in phase old only",
                spec->migration, rk_phase_name(phase));
    return RK_OK;
}

rk_status rk_state_register(rk_txn *txn, rk_table meta, const rk_spec *spec,
                            const rk_spec_source *source, bool *changed, rk_error *err)
{
    rk_state before = {0};
    rk_state state = {0};
    rk_state_spec_digest(source, &state.spec_digest);
    rk_status status = rk_state_load(rk_txn_view(txn), meta, &before, err);
    if (status == RK_OK) {
        *changed = false;
        if (memcmp(&before.spec_digest, &state.spec_digest, sizeof state.spec_digest) == 0)
            return RK_OK;
        status = may_register(&before, spec, err);
    } else if (status == RK_NOT_FOUND) {
        status = RK_OK;
    }
    if (status != RK_OK)
        return status;
    state.epoch = before.epoch + 1;
    state.has_canary = spec->canary_count > 0;
    snprintf(state.migration, sizeof state.migration, "%s", spec->migration);
    for (int i = 0; i < RK_TIER_COUNT; i++)
        state.tier[i].epoch = state.epoch;
    status = rk_state_save(txn, meta, &state, err);
    if (status == RK_OK)
        status = rk_state_spec_save(txn, meta, source, err);
    if (status == RK_OK)
        status = rk_active_plan_clear(txn, meta, err);
    if (status == RK_OK)
        status = rk_compared_clear(txn, meta, err);
    for (int i = 0; status == RK_OK && i < RK_TIER_COUNT; i++) {
        status = rk_checkpoint_clear(txn, meta, (rk_tier)i, err);
        if (status == RK_OK)
            status = rk_verdict_clear(txn, meta, (rk_tier)i, err);
    }
    if (status == RK_OK)
        *changed = true;
    return status;
}
