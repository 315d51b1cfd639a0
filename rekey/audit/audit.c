#include "rekey/audit/audit.h"

#include <inttypes.h>
#include <stdio.h>

#include "rekey/base/codec.h"

#define HEAD_KEY        RK_SLICE_LITERAL("audit.head")
#define ENTRY_PREFIX    RK_SLICE_LITERAL("audit/")
#define LAYOUT_VERSION  1
#define DIGEST_DOMAIN   "rekey audit v1"
#define ENTRY_BYTES_MAX 4096
#define KEY_BYTES_MAX   32

/* Decimal with leading zeros, so that the keys sort by number. */
static rk_slice entry_key(uint64_t number, char out[KEY_BYTES_MAX])
{
    int length = snprintf(out, KEY_BYTES_MAX, "audit/%020" PRIu64, number);
    return rk_slice_of(out, (size_t)length);
}

/* --- layout ----------------------------------------------------------------------------------- */

/* What the digest covers: everything but itself. The version stands before it in the record. */
static rk_status encode_body(rk_buf *buf, const rk_audit_entry *entry, rk_error *err)
{
    rk_status status = rk_put_u64(buf, entry->number, err);
    if (status == RK_OK)
        status = rk_put_u64(buf, (uint64_t)entry->wall_ms, err);
    if (status == RK_OK)
        status = rk_put_u64(buf, entry->epoch, err);
    if (status == RK_OK)
        status = rk_put_bytes(buf, rk_slice_str(entry->actor), err);
    if (status == RK_OK)
        status = rk_put_bytes(buf, rk_slice_str(entry->event), err);
    if (status == RK_OK)
        status = rk_put_bytes(buf, rk_slice_str(entry->detail), err);
    if (status == RK_OK)
        status = rk_put_bytes(buf, rk_slice_of(entry->previous.bytes, sizeof entry->previous.bytes),
                              err);
    return status;
}

static rk_status digest_of(const rk_audit_entry *entry, rk_digest *out, rk_error *err)
{
    rk_buf body;
    rk_buf_init(&body, ENTRY_BYTES_MAX);
    rk_status status = encode_body(&body, entry, err);
    if (status == RK_OK) {
        rk_slice part = rk_buf_slice(&body);
        rk_digest_parts(DIGEST_DOMAIN, &part, 1, out);
    }
    rk_buf_fini(&body);
    return status;
}

static void take_text(rk_reader *reader, char *out, size_t size)
{
    rk_slice text = rk_take_bytes(reader);
    if (text.len >= size) {
        reader->ok = false;
        return;
    }
    if (text.len > 0)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

static void take_digest(rk_reader *reader, rk_digest *out)
{
    rk_slice bytes = rk_take_bytes(reader);
    if (bytes.len != sizeof out->bytes) {
        reader->ok = false;
        return;
    }
    memcpy(out->bytes, bytes.ptr, bytes.len);
}

static void take_version(rk_reader *reader)
{
    if (rk_take_u8(reader) != LAYOUT_VERSION)
        reader->ok = false;
}

static bool decode(rk_slice bytes, rk_audit_entry *out)
{
    rk_reader reader = rk_reader_of(bytes);
    *out = (rk_audit_entry){0};
    take_version(&reader);
    out->number = rk_take_u64(&reader);
    out->wall_ms = (int64_t)rk_take_u64(&reader);
    out->epoch = rk_take_u64(&reader);
    take_text(&reader, out->actor, sizeof out->actor);
    take_text(&reader, out->event, sizeof out->event);
    take_text(&reader, out->detail, sizeof out->detail);
    take_digest(&reader, &out->previous);
    take_digest(&reader, &out->digest);
    return rk_reader_done(&reader);
}

/* --- reading ---------------------------------------------------------------------------------- */

rk_status rk_audit_head(rk_view *view, rk_table meta, uint64_t *number, rk_digest *digest,
                        rk_error *err)
{
    rk_slice bytes;
    rk_digest found = {{0}};
    uint64_t newest = 0;
    rk_status status =
        meta == RK_TABLE_NONE ? RK_NOT_FOUND : rk_view_get(view, meta, HEAD_KEY, &bytes, err);
    if (status == RK_OK) {
        rk_reader reader = rk_reader_of(bytes);
        take_version(&reader);
        newest = rk_take_u64(&reader);
        take_digest(&reader, &found);
        if (!rk_reader_done(&reader))
            return rk_error_set(err, RK_CORRUPT, "the head of the audit log is damaged");
    } else if (status != RK_NOT_FOUND) {
        return status;
    }
    *number = newest;
    *digest = found;
    return RK_OK;
}

rk_status rk_audit_read(rk_view *view, rk_table meta, uint64_t number, rk_audit_entry *out,
                        rk_error *err)
{
    char key[KEY_BYTES_MAX];
    rk_slice bytes;
    rk_audit_entry entry;
    if (meta == RK_TABLE_NONE)
        return RK_NOT_FOUND;
    rk_status status = rk_view_get(view, meta, entry_key(number, key), &bytes, err);
    if (status != RK_OK)
        return status;
    if (!decode(bytes, &entry))
        return rk_error_set(err, RK_CORRUPT, "audit entry %" PRIu64 " is damaged", number);
    *out = entry;
    return RK_OK;
}

/* --- appending -------------------------------------------------------------------------------- */

static rk_status save(rk_txn *txn, rk_table meta, const rk_audit_entry *entry, rk_error *err)
{
    char key[KEY_BYTES_MAX];
    rk_buf bytes;
    rk_slice digest = rk_slice_of(entry->digest.bytes, sizeof entry->digest.bytes);
    rk_buf_init(&bytes, ENTRY_BYTES_MAX);
    rk_status status = rk_put_u8(&bytes, LAYOUT_VERSION, err);
    if (status == RK_OK)
        status = encode_body(&bytes, entry, err);
    if (status == RK_OK)
        status = rk_put_bytes(&bytes, digest, err);
    if (status == RK_OK)
        status = rk_txn_put(txn, meta, entry_key(entry->number, key), rk_buf_slice(&bytes), err);
    rk_buf_reset(&bytes);
    if (status == RK_OK)
        status = rk_put_u8(&bytes, LAYOUT_VERSION, err);
    if (status == RK_OK)
        status = rk_put_u64(&bytes, entry->number, err);
    if (status == RK_OK)
        status = rk_put_bytes(&bytes, digest, err);
    if (status == RK_OK)
        status = rk_txn_put(txn, meta, HEAD_KEY, rk_buf_slice(&bytes), err);
    rk_buf_fini(&bytes);
    return status;
}

rk_status rk_audit_append(rk_txn *txn, rk_table meta, rk_audit_entry *entry, rk_error *err)
{
    uint64_t newest = 0;
    rk_status status = rk_audit_head(rk_txn_view(txn), meta, &newest, &entry->previous, err);
    if (status != RK_OK)
        return status;
    entry->number = newest + 1;
    status = digest_of(entry, &entry->digest, err);
    if (status == RK_OK)
        status = save(txn, meta, entry, err);
    return status;
}

/* --- checking --------------------------------------------------------------------------------- */

static rk_status check_entry(rk_view *view, rk_table meta, uint64_t number, rk_digest *previous,
                             rk_error *err)
{
    rk_audit_entry entry;
    rk_digest actual;
    rk_status status = rk_audit_read(view, meta, number, &entry, err);
    if (status == RK_NOT_FOUND)
        return rk_error_set(err, RK_CORRUPT, "audit entry %" PRIu64 " is missing", number);
    if (status == RK_OK)
        status = digest_of(&entry, &actual, err);
    if (status != RK_OK)
        return status;
    if (entry.number != number)
        return rk_error_set(err, RK_CORRUPT, "audit entry %" PRIu64 " says it is number %" PRIu64,
                            number, entry.number);
    if (memcmp(&actual, &entry.digest, sizeof actual) != 0)
        return rk_error_set(err, RK_CORRUPT, "audit entry %" PRIu64 " was edited", number);
    if (memcmp(&entry.previous, previous, sizeof *previous) != 0)
        return rk_error_set(err, RK_CORRUPT,
                            "audit entry %" PRIu64 " does not follow entry %" PRIu64, number,
                            number - 1);
    *previous = entry.digest;
    return RK_OK;
}

/* The decimal number at the end of an entry's key, without leading zeros. */
static rk_slice number_in(rk_slice key)
{
    size_t at = ENTRY_PREFIX.len;
    while (at + 1 < key.len && key.ptr[at] == '0')
        at++;
    return rk_slice_of(key.ptr + at, key.len - at);
}

/* Any: behind a gap too, which is what cutting the log in its middle leaves. */
static rk_status check_nothing_after(rk_view *view, rk_table meta, uint64_t newest, rk_error *err)
{
    char key[KEY_BYTES_MAX];
    rk_cursor *cursor = NULL;
    rk_entry entry;
    if (meta == RK_TABLE_NONE)
        return RK_OK;
    rk_status status = rk_cursor_open(view, meta, &cursor, err);
    if (status == RK_OK)
        status = rk_cursor_seek(cursor, entry_key(newest + 1, key), &entry, err);
    if (status == RK_OK && rk_slice_starts_with(entry.key, ENTRY_PREFIX)) {
        rk_slice digits = number_in(entry.key);
        status = rk_error_set(err, RK_CORRUPT,
                              "audit entry %.*s stands after the head, which names entry %" PRIu64,
                              (int)digits.len, (const char *)digits.ptr, newest);
    }
    rk_cursor_close(cursor);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

static rk_status check_head(rk_view *view, rk_table meta, uint64_t newest, const rk_digest *head,
                            const rk_digest *last, rk_error *err)
{
    if (memcmp(last, head, sizeof *head) != 0)
        return rk_error_set(err, RK_CORRUPT,
                            "the head of the audit log does not name entry %" PRIu64, newest);
    return check_nothing_after(view, meta, newest, err);
}

/* What the entry before `number` says of itself; it was checked with its own part. */
static rk_status digest_before(rk_view *view, rk_table meta, uint64_t number, rk_digest *out,
                               rk_error *err)
{
    rk_audit_entry entry = {.digest = {{0}}};
    rk_status status = number > 1 ? rk_audit_read(view, meta, number - 1, &entry, err) : RK_OK;
    if (status == RK_NOT_FOUND)
        return rk_error_set(err, RK_CORRUPT, "audit entry %" PRIu64 " is missing", number - 1);
    if (status == RK_OK)
        *out = entry.digest;
    return status;
}

rk_status rk_audit_check_part(rk_view *view, rk_table meta, uint64_t entries_max, uint64_t *next,
                              rk_error *err)
{
    uint64_t newest;
    uint64_t number = *next;
    rk_digest head;
    rk_digest last = {{0}};
    rk_status status = rk_audit_head(view, meta, &newest, &head, err);
    if (status == RK_OK && number > newest) /* nothing is left but the head */
        number = newest + 1;
    if (status == RK_OK)
        status = digest_before(view, meta, number, &last, err);
    for (; status == RK_OK && number <= newest && entries_max > 0; number++, entries_max--)
        status = check_entry(view, meta, number, &last, err);
    if (status == RK_OK && number > newest)
        status = check_head(view, meta, newest, &head, &last, err);
    if (status == RK_OK)
        *next = number > newest ? 0 : number;
    return status;
}

rk_status rk_audit_check(rk_view *view, rk_table meta, uint64_t *entries, rk_error *err)
{
    uint64_t next = 1;
    rk_digest head;
    rk_status status = rk_audit_check_part(view, meta, UINT64_MAX, &next, err);
    return status == RK_OK ? rk_audit_head(view, meta, entries, &head, err) : status;
}
