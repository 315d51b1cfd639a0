/* protocol.h: what a caller asks a node, and what it is answered: the bytes inside of a session.
 *
 * A request is an envelope (which operation, which incarnation of the node it is for) and a body by
 * kind. A reply tells the node's incarnation, a status with its message, and a body.
 * specs/protocol.md has every byte. Nothing here sends or waits.
 *
 * Invariants
 *   - An operation has an id, chosen at random by whoever starts it and kept in all repetitions; a
 *     node answers a repetition with the result that it has, and does nothing again.
 *   - A node that was started anew has forgotten its results. So a repetition names the incarnation
 *     that it was first sent to, and another one answers RK_UNCERTAIN and does nothing.
 *   - Decoders take any bytes: RK_CORRUPT, never a crash, never more memory than a small multiple
 *     of the bytes at hand (RK_LIMIT past the arena's cap). Decoded slices are borrowed from the
 *     bytes, arrays and names from the arena.
 *   - Encoders append: RK_LIMIT past the buffer's cap, RK_NOMEM, and then nothing was appended.
 *
 * Threading: none.
 */
#ifndef REKEY_PROTOCOL_PROTOCOL_H
#define REKEY_PROTOCOL_PROTOCOL_H

#include <rekey/client.h>

#include "rekey/base/arena.h"
#include "rekey/base/codec.h"

#define RK_PROTOCOL_ID_BYTES 16

typedef struct rk_operation_name {
    uint8_t bytes[RK_PROTOCOL_ID_BYTES];
} rk_operation_name;

/* Drawn by a node at its start; all zero: whichever it is. */
typedef struct rk_incarnation {
    uint8_t bytes[RK_PROTOCOL_ID_BYTES];
} rk_incarnation;

/* The numbers stand on the wire: never change one, never use one again. */
typedef enum rk_request_kind {
    RK_REQUEST_PING = 1,    /* no body either way */
    RK_REQUEST_BATCH = 2,   /* operations on records, in one scope and transaction */
    RK_REQUEST_PAGE = 3,    /* one page of a list or a query */
    RK_REQUEST_CONTROL = 4, /* a JSON object either way: the migration (node/control.h) */
    RK_REQUEST_SCHEMA = 5,  /* whether values are JSON, for those who print them */
    RK_REQUEST_LEASE = 6    /* a worker brings what it has done, and asks for more */
} rk_request_kind;

#define RK_REQUEST_KIND_MAX RK_REQUEST_LEASE

typedef struct rk_envelope {
    rk_operation_name operation;
    rk_incarnation incarnation; /* the one this must reach; zero for any */
    rk_request_kind kind;
    rk_slice body;
} rk_envelope;

rk_status rk_envelope_encode(const rk_envelope *envelope, rk_buf *out, rk_error *err);
rk_status rk_envelope_decode(rk_slice bytes, rk_envelope *out, rk_error *err);

typedef struct rk_reply {
    rk_incarnation incarnation;
    rk_status status;
    rk_error error; /* when status is not RK_OK and there is something to say; message "" else */
    rk_slice body;
} rk_reply;

rk_status rk_reply_encode(const rk_reply *reply, rk_buf *out, rk_error *err);
rk_status rk_reply_decode(rk_slice bytes, rk_reply *out, rk_error *err);

/* --- BATCH ------------------------------------------------------------------------------------ */

typedef struct rk_batch_request {
    rk_scope scope;
    rk_operation *operations; /* as rk_client_batch takes them */
    size_t count;             /* at most RK_BATCH_MAX */
    bool is_single;           /* one of the single calls: errors are not worded as a batch's, and
                                 count is 1 */
} rk_batch_request;

/* RK_INVALID too: a verb that is none. */
rk_status rk_batch_encode(const rk_batch_request *batch, rk_buf *out, rk_error *err);

/* Names in operations end in NUL, in the arena; `status` and `found` are zero. */
rk_status rk_batch_decode(rk_slice body, rk_arena *arena, rk_batch_request *out, rk_error *err);

/* The statuses and what the gets found, after the call gave RK_OK; with any other status the body
 * is only `failed` (see rk_client_batch). Who refuses without having looked into the batch sends no
 * body. */
rk_status rk_batch_result_encode(const rk_batch_request *batch, rk_status status, size_t failed,
                                 rk_buf *out, rk_error *err);

/* Fills status and found (with memory of their own) of the operations that were asked, and *failed.
 * RK_CORRUPT when it answers another batch; then nothing is filled. */
rk_status rk_batch_result_decode(rk_slice body, rk_status status, rk_operation *operations,
                                 size_t count, size_t *failed, rk_error *err);

/* --- PAGE ------------------------------------------------------------------------------------- */

typedef struct rk_page_request {
    rk_scope scope;
    const char *entity;
    const char *index; /* NULL for a list */
    const rk_id *where;
    size_t where_count;
    rk_slice after;     /* the position behind which the page begins; empty: at the start */
    uint32_t rows_max;  /* 1 to RK_PAGE_ROWS_MAX */
    uint32_t bytes_max; /* the page ends with the row that goes over; at least one row is given */
} rk_page_request;

rk_status rk_page_encode(const rk_page_request *page, rk_buf *out, rk_error *err);
rk_status rk_page_decode(rk_slice body, rk_arena *arena, rk_page_request *out, rk_error *err);

typedef struct rk_page_row {
    rk_row row;
    rk_slice position; /* rk_iterator_position behind this row; empty where there is none */
} rk_page_row;

/* Where no row has a position (rk_iterator_position says when), all rows are in one page, however
 * many, or there is none: RK_LIMIT. */
typedef struct rk_page_result {
    rk_slice start; /* rk_iterator_position before the first row; empty where there is none */
    rk_page_row *rows;
    size_t count;
    bool ended; /* nothing comes behind them; else the last row has a position */
} rk_page_result;

rk_status rk_page_result_encode(const rk_page_result *page, rk_buf *out, rk_error *err);
rk_status rk_page_result_decode(rk_slice body, rk_arena *arena, rk_page_result *out, rk_error *err);

/* --- SCHEMA ----------------------------------------------------------------------------------- */

typedef struct rk_schema {
    bool holds_json; /* the registered spec says that values are JSON objects */
} rk_schema;

/* The reply's body; the request has none. */
rk_status rk_schema_encode(const rk_schema *schema, rk_buf *out, rk_error *err);
rk_status rk_schema_decode(rk_slice body, rk_schema *out, rk_error *err);

/* --- LEASE ------------------------------------------------------------------------------------ */

/* What stands in offers and results is theirs who make and read them (engine/lend.h, result.h). */
typedef struct rk_lease_request {
    rk_operation_name worker; /* drawn by a worker at its start */
    bool leaves;              /* it asks for nothing more */
    bool has_result;
    rk_operation_name lease; /* with a result: of which lease */
    rk_slice result;
} rk_lease_request;

rk_status rk_lease_request_encode(const rk_lease_request *request, rk_buf *out, rk_error *err);
rk_status rk_lease_request_decode(rk_slice body, rk_lease_request *out, rk_error *err);

/* What became of the result that was brought. The numbers stand on the wire. */
typedef enum rk_lease_fate {
    RK_LEASE_NO_RESULT = 0,
    RK_LEASE_TAKEN = 1,
    RK_LEASE_STALE = 2 /* its lease is over, or of another incarnation: dropped */
} rk_lease_fate;

typedef struct rk_lease_reply {
    rk_lease_fate fate;
    bool has_offer;
    rk_operation_name lease; /* with an offer: the name of the new lease */
    rk_slice offer;
    uint32_t pause_ms; /* without one: ask again after so long */
} rk_lease_reply;

rk_status rk_lease_reply_encode(const rk_lease_reply *reply, rk_buf *out, rk_error *err);
rk_status rk_lease_reply_decode(rk_slice body, rk_lease_reply *out, rk_error *err);

#endif
