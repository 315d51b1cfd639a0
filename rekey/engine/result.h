/* result.h: what a worker found out about a lent chunk, as bytes.
 *
 * A list of entries in the order of the walk, one a record: which record it was (digests of the key
 * and the value that the worker saw), and either why it is to be left alone or the operations of
 * its unit. Values do not travel: bytes of an operation are coded as a piece of something that both
 * sides have (the record's key, its value, or bytes coded earlier in this unit), what stands
 * between, and another piece.
 *
 *   result = u8 1, u32 number of entries, entries
 *   entry  = u64 digest of the key, u64 digest of the value, u32 length, body
 *   body   = u8 reason, then of a record to leave alone its detail (bytes), else
 *            u8 number of operations, operations
 *   operation = u8 action + 16 * condition, u32 table (0 records, 1 meta, 2 + index table),
 *               key, value, expected
 *   each of them = u8 0 (empty)
 *                | u8 1 + base (all of it)
 *                | u8 128 + base, u32 prefix, bytes between, u32 suffix
 *   bases: 0 the record's key, 1 its value, 2.. what was coded in the last form, in order
 *
 * Invariants
 *   - A reader takes any bytes. What it gives is within the bounds that units have (number and
 *     kinds of operations, lengths of keys, tables that there are); whether it is true is for the
 *     writer's conditions.
 *   - An entry that cannot be read spoils nothing but itself.
 */
#ifndef REKEY_ENGINE_RESULT_H
#define REKEY_ENGINE_RESULT_H

#include "rekey/engine/job.h"

/* Tells the record apart from what it was before or will be; `walk` is the offer's key. */
typedef struct rki_seen {
    uint64_t key;
    uint64_t value;
} rki_seen;

rki_seen rki_seen_of(const rk_short_key *walk, const rki_work *work);

/* --- writing ---------------------------------------------------------------------------------- */

/* A result without entries. */
rk_status rki_result_begin(rk_buf *out, rk_error *err);

/* Adds one to the result that began at out->ptr[0]. RK_LIMIT past the buffer's cap, RK_NOMEM:
 * nothing was added, and the result is a good one without this entry. */
rk_status rki_result_add(rk_buf *out, const rki_job *job, const rki_seen *seen,
                         const rki_work *work, const rk_op *ops, uint32_t op_count, rk_error *err);

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct rki_entry {
    rki_seen seen;
    rk_slice body;
} rki_entry;

/* The entries, in `arena`; bodies are borrowed. RK_CORRUPT: no result, or of more than `count_max`
 * records; RK_LIMIT. */
rk_status rki_result_open(rk_slice bytes, size_t count_max, rk_arena *arena, rki_entry **out,
                          size_t *count, rk_error *err);

/* Looks for the entry of each record, in the order of the walk. Both sides saw nearly the same: an
 * entry more or less is a record that came or went in between. */
typedef struct rki_merge {
    const rki_entry *entries;
    size_t count;
    size_t next;
} rki_merge;

/* NULL when there is none near the last one found. */
const rki_entry *rki_merge_find(rki_merge *merge, const rki_seen *seen);

/* Does what rki_work_prepare would, out of the entry of this record. False, and nothing is set:
 * the body is not what it must be, or the arena is full. */
bool rki_result_read(const rki_job *job, rk_slice body, rki_work *work, rk_arena *arena, rk_op *ops,
                     uint32_t *op_count);

#endif
