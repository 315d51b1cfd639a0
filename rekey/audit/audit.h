/* audit.h: the log of who changed what, chained by digests.
 *
 * Every registration, plan, run, stop, verification and phase change appends one entry in the same
 * transaction as the change itself. Entry n holds the digest of entry n - 1, and the head record
 * holds the newest number and digest: an entry that was edited, dropped, reordered or cut off
 * at the end is found. Rewriting the whole chain and its head is not, without the head kept
 * elsewhere: `rekey audit` prints it for that.
 */
#ifndef REKEY_AUDIT_AUDIT_H
#define REKEY_AUDIT_AUDIT_H

#include "rekey/state/state.h"

#define RK_AUDIT_DETAIL_BYTES_MAX 1024

typedef struct rk_audit_entry {
    uint64_t number; /* from 1 */
    int64_t wall_ms;
    uint64_t epoch;
    char actor[96];                         /* user@host pid */
    char event[32];                         /* "register", "run", "flip", ... */
    char detail[RK_AUDIT_DETAIL_BYTES_MAX]; /* one line */
    rk_digest previous;
    rk_digest digest; /* of everything above */
} rk_audit_entry;

/* Appends; number, previous and digest are filled in by the call. */
rk_status rk_audit_append(rk_txn *txn, rk_table meta, rk_audit_entry *entry, rk_error *err);

/* Reads entry `number`; RK_NOT_FOUND past the end. */
rk_status rk_audit_read(rk_view *view, rk_table meta, uint64_t number, rk_audit_entry *out,
                        rk_error *err);

/* Newest number and digest; number 0 for an empty log. */
rk_status rk_audit_head(rk_view *view, rk_table meta, uint64_t *number, rk_digest *digest,
                        rk_error *err);

/* Checks the whole chain. RK_CORRUPT names the first entry that is wrong and how. */
rk_status rk_audit_check(rk_view *view, rk_table meta, uint64_t *entries, rk_error *err);

/* Checks a part of it: `entries_max` entries from *next on, and that the first follows the one
 * before it. *next becomes the first that was not checked; with the newest entry the head is
 * checked, and *next becomes 0. Parts from 1 to the end, each in a snapshot of its own, find what
 * rk_audit_check finds. */
rk_status rk_audit_check_part(rk_view *view, rk_table meta, uint64_t entries_max, uint64_t *next,
                              rk_error *err);

#endif
