#include <stdio.h>

#include "rekey/state/layout.h"

#define NO_ENTITY UINT64_MAX /* -1 of rk_quarantined.entity */

/* --- walking a prefix ------------------------------------------------------------------------- */

/* The next record whose key begins with the prefix. */
static rk_status next_of(rk_cursor *cursor, const char *prefix, bool first, rk_entry *entry,
                         rk_error *err)
{
    rk_status status = first ? rk_cursor_seek(cursor, rk_slice_str(prefix), entry, err)
                             : rk_cursor_next(cursor, entry, err);
    if (status == RK_OK && !rk_slice_starts_with(entry->key, rk_slice_str(prefix)))
        return RK_NOT_FOUND;
    return status;
}

static rk_status open_entry(const rk_entry *entry, const char *name, rk_reader *out, rk_error *err)
{
    *out = rk_reader_of(entry->value);
    if (rk_take_u8(out) == RKI_LAYOUT_VERSION)
        return RK_OK;
    return rk_error_set(err, RK_CORRUPT, "record '%s' of " RK_META_TABLE " has another layout",
                        name);
}

static rk_status count_of(rk_view *view, rk_table meta, const char *prefix, uint64_t *out,
                          rk_error *err)
{
    rk_cursor *cursor = NULL;
    rk_entry entry;
    uint64_t count = 0;
    if (meta == RK_TABLE_NONE) {
        *out = 0;
        return RK_OK;
    }
    rk_status status = rk_cursor_open(view, meta, &cursor, err);
    if (status == RK_OK)
        status = next_of(cursor, prefix, true, &entry, err);
    while (status == RK_OK) {
        count++;
        status = next_of(cursor, prefix, false, &entry, err);
    }
    rk_cursor_close(cursor);
    if (status != RK_NOT_FOUND)
        return status;
    *out = count;
    return RK_OK;
}

static rk_status has_note(rk_view *view, rk_table meta, const char *prefix, rk_slice key, bool *out,
                          rk_error *err)
{
    char hashed[RKI_HASHED_KEY_BYTES];
    rk_slice ignored;
    *out = false;
    if (meta == RK_TABLE_NONE)
        return RK_OK;
    rk_status status = rk_view_get(view, meta, rki_hashed_key(prefix, key, hashed), &ignored, err);
    *out = status == RK_OK;
    return status == RK_NOT_FOUND ? RK_OK : status;
}

/* --- quarantine ------------------------------------------------------------------------------- */

rk_status rk_quarantine_put(rk_txn *txn, rk_table meta, const rk_quarantined *entry, rk_error *err)
{
    char hashed[RKI_HASHED_KEY_BYTES];
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_u8(&encoder.writer, (uint8_t)entry->reason);
    rk_write_u64(&encoder.writer, (uint64_t)(int64_t)entry->entity);
    rk_write_bytes(&encoder.writer, entry->key);
    rk_write_bytes(&encoder.writer, entry->detail);
    return rki_encoder_save(&encoder, txn, meta,
                            rki_hashed_key(RK_PREFIX_QUARANTINE, entry->key, hashed));
}

rk_status rk_quarantine_remove(rk_txn *txn, rk_table meta, rk_slice key, rk_error *err)
{
    char hashed[RKI_HASHED_KEY_BYTES];
    return rk_txn_delete(txn, meta, rki_hashed_key(RK_PREFIX_QUARANTINE, key, hashed), err);
}

static rk_status read_quarantined(const rk_entry *entry, rk_quarantined *out, rk_error *err)
{
    rk_reader reader;
    rk_quarantined found;
    rk_status status = open_entry(entry, "quarantine", &reader, err);
    if (status != RK_OK)
        return status;
    found.reason = rk_take_u8(&reader);
    uint64_t number = rk_take_u64(&reader);
    reader.ok = reader.ok && (number < RK_ENTITIES_MAX || number == NO_ENTITY);
    found.entity = number == NO_ENTITY ? -1 : (int32_t)number;
    found.key = rk_take_bytes(&reader);
    found.detail = rk_take_bytes(&reader);
    status = rki_record_close(&reader, "quarantine", err);
    if (status == RK_OK)
        *out = found;
    return status;
}

rk_status rk_quarantine_next(rk_cursor *cursor, bool first, rk_quarantined *out, rk_error *err)
{
    rk_entry entry;
    rk_status status = next_of(cursor, RK_PREFIX_QUARANTINE, first, &entry, err);
    return status == RK_OK ? read_quarantined(&entry, out, err) : status;
}

rk_status rk_quarantine_seek(rk_cursor *cursor, rk_slice key, rk_quarantined *out, rk_error *err)
{
    char text[RKI_HASHED_KEY_BYTES];
    rk_entry entry;
    rk_slice hashed = rki_hashed_key(RK_PREFIX_QUARANTINE, key, text);
    rk_status status = rk_cursor_seek(cursor, hashed, &entry, err);
    if (status == RK_OK && rk_slice_equal(entry.key, hashed))
        status = rk_cursor_next(cursor, &entry, err);
    if (status == RK_OK && !rk_slice_starts_with(entry.key, rk_slice_str(RK_PREFIX_QUARANTINE)))
        status = RK_NOT_FOUND;
    return status == RK_OK ? read_quarantined(&entry, out, err) : status;
}

rk_status rk_quarantine_count(rk_view *view, rk_table meta, uint64_t *out, rk_error *err)
{
    return count_of(view, meta, RK_PREFIX_QUARANTINE, out, err);
}

/* --- shadows ---------------------------------------------------------------------------------- */

rk_status rk_shadow_put(rk_txn *txn, rk_table meta, const rk_shadow *shadow, rk_error *err)
{
    char hashed[RKI_HASHED_KEY_BYTES];
    rki_encoder encoder;
    rki_encoder_init(&encoder, err);
    rk_write_u64(&encoder.writer, shadow->entity);
    rk_write_bytes(&encoder.writer, shadow->new_key);
    return rki_encoder_save(&encoder, txn, meta,
                            rki_hashed_key(RK_PREFIX_SHADOW, shadow->new_key, hashed));
}

rk_status rk_shadow_remove(rk_txn *txn, rk_table meta, rk_slice new_key, rk_error *err)
{
    char hashed[RKI_HASHED_KEY_BYTES];
    return rk_txn_delete(txn, meta, rki_hashed_key(RK_PREFIX_SHADOW, new_key, hashed), err);
}

rk_status rk_shadow_has(rk_view *view, rk_table meta, rk_slice new_key, bool *out, rk_error *err)
{
    return has_note(view, meta, RK_PREFIX_SHADOW, new_key, out, err);
}

rk_status rk_shadow_next(rk_cursor *cursor, bool first, rk_shadow *out, rk_error *err)
{
    rk_entry entry;
    rk_reader reader;
    rk_shadow found;
    rk_status status = next_of(cursor, RK_PREFIX_SHADOW, first, &entry, err);
    if (status == RK_OK)
        status = open_entry(&entry, "shadow", &reader, err);
    if (status != RK_OK)
        return status;
    uint64_t number = rk_take_u64(&reader);
    reader.ok = reader.ok && number < RK_ENTITIES_MAX;
    found.entity = (uint32_t)number;
    found.new_key = rk_take_bytes(&reader);
    status = rki_record_close(&reader, "shadow", err);
    if (status == RK_OK)
        *out = found;
    return status;
}

rk_status rk_shadow_count(rk_view *view, rk_table meta, uint64_t *out, rk_error *err)
{
    return count_of(view, meta, RK_PREFIX_SHADOW, out, err);
}

/* --- notes that a member was there already ---------------------------------------------------- */

void rk_kept_key(rk_slice new_key, uint8_t out[RK_KEPT_KEY_BYTES], size_t *out_len)
{
    char hashed[RKI_HASHED_KEY_BYTES];
    rk_slice key = rki_hashed_key(RK_PREFIX_KEPT, new_key, hashed);
    memcpy(out, key.ptr, key.len);
    *out_len = key.len;
}

rk_status rk_kept_has(rk_view *view, rk_table meta, rk_slice new_key, bool *out, rk_error *err)
{
    return has_note(view, meta, RK_PREFIX_KEPT, new_key, out, err);
}

/* --- sweeping --------------------------------------------------------------------------------- */

rk_status rk_state_sweep(rk_txn *txn, rk_table meta, const char *prefix, size_t count_max,
                         bool *more, rk_error *err)
{
    *more = true;
    for (size_t i = 0; i < count_max; i++) {
        rk_cursor *cursor = NULL;
        rk_entry entry;
        uint8_t key[RK_STATE_KEY_BYTES_MAX];
        size_t len = 0;
        rk_status status = rk_cursor_open(rk_txn_view(txn), meta, &cursor, err);
        if (status == RK_OK)
            status = next_of(cursor, prefix, true, &entry, err);
        if (status == RK_OK) {
            len = entry.key.len;
            memcpy(key, entry.key.ptr, len);
        }
        rk_cursor_close(cursor);
        if (status == RK_NOT_FOUND) {
            *more = false;
            return RK_OK;
        }
        if (status == RK_OK)
            status = rk_txn_delete(txn, meta, rk_slice_of(key, len), err);
        if (status != RK_OK)
            return status;
    }
    return RK_OK;
}
