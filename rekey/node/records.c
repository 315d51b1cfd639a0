#include "rekey/node/records.h"

#include <assert.h>

/* What is decoded takes less than so many times the bytes, and so does what is answered. */
#define ASKED_FACTOR    32
#define ANSWERED_FACTOR 8
#define ARENA_AT_LEAST  ((size_t)64 * 1024)

#define RESULT_BYTES      4 /* of a batch's answer: the number of results; of one that failed */
#define RESULT_BYTES_EACH 5 /* its status, and the length of what was found */
#define PAGE_BYTES        9 /* of a page: ended, length of the start, number of rows */
#define ROW_BYTES         12
#define ID_BYTES          8

/* One request and its answer. */
typedef struct job {
    const rk_node_records *records;
    const rk_access_entry *peer;
    rk_slice asked;
    rk_arena memory;
    rk_buf *body;
    rk_error error;
} job;

/* --- whose records ---------------------------------------------------------------------------- */

static rk_sight sight_of(const job *j, const rk_scope *scope)
{
    if (!rk_access_permits(j->peer, scope->tenant, scope->capsule))
        return RK_SIGHT_NONE;
    return j->peer->role != RK_ROLE_CLIENT || j->peer->capsules.all ? RK_SIGHT_FULL
                                                                    : RK_SIGHT_CONFINED;
}

/* Nobody else has to know where a tenant lives. */
static rk_status check_place(job *j, const rk_scope *scope, rk_sight sight)
{
    const rk_cluster *cluster = j->records->cluster;
    size_t owner = rk_cluster_owner(cluster, scope->tenant);
    rk_slice tenant = scope->tenant;
    if (sight == RK_SIGHT_NONE || owner == j->records->self)
        return RK_OK;
    return rk_error_set(&j->error, RK_INVALID, "tenant \"%.*s\" lives on node %s, not on %s",
                        (int)(tenant.len < 64 ? tenant.len : 64), (const char *)tenant.ptr,
                        cluster->nodes[owner].name, cluster->nodes[j->records->self].name);
}

/* --- batches ---------------------------------------------------------------------------------- */

static size_t get_bytes_max(const job *j, size_t count)
{
    size_t taken = RESULT_BYTES + RESULT_BYTES_EACH * count;
    assert(taken <= j->records->body_bytes_max);
    return j->records->body_bytes_max - taken;
}

static void drop_found(rk_batch_request *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        rk_value_fini(&batch->operations[i].found);
}

static rk_status answer_batch(job *j)
{
    rk_batch_request batch = {0};
    rk_status status = rk_batch_decode(j->asked, &j->memory, &batch, &j->error);
    if (status != RK_OK)
        return status;
    rk_serving serving = {.sight = sight_of(j, &batch.scope),
                          .is_single = batch.is_single,
                          .get_bytes_max = get_bytes_max(j, batch.count)};
    size_t failed = batch.count;
    status = check_place(j, &batch.scope, serving.sight);
    if (status == RK_OK)
        status = rk_client_serve_batch(j->records->client, &serving, &batch.scope, batch.operations,
                                       batch.count, &failed, &j->error);
    rk_status encoded = rk_batch_result_encode(&batch, status, failed, j->body, NULL);
    drop_found(&batch);
    /* It was made to fit; without memory for it the caller does not hear what was done. */
    return encoded == RK_OK ? status
                            : rk_error_set(&j->error, RK_UNCERTAIN,
                                           "no memory for the answer; it may have been done");
}

/* --- pages ------------------------------------------------------------------------------------ */

/* A page as it grows. */
typedef struct sheet {
    job *job;
    rk_iterator *rows;
    rk_at_hand at_hand;
    rk_page_result page;
    size_t bytes;     /* of it, encoded */
    size_t bytes_max; /* it ends with the row that goes over; a whole one does not */
} sheet;

/* Where the iterator stands; empty where there is no such place. */
static rk_status copy_position(sheet *s, rk_slice *out)
{
    rk_value position = {0};
    rk_error ignored;
    rk_status status = rk_iterator_position(s->rows, &position, &ignored);
    *out = RK_SLICE_EMPTY;
    if (status == RK_INVALID)
        return RK_OK;
    if (status != RK_OK)
        return rk_error_set(&s->job->error, status, "%s", ignored.message);
    status = rk_arena_copy(&s->job->memory, position.bytes, out, &s->job->error);
    rk_value_fini(&position);
    return status;
}

static size_t row_bytes(const rk_page_row *row)
{
    size_t bytes = ROW_BYTES + row->row.value.len + row->position.len;
    for (size_t i = 0; i < row->row.id_count; i++)
        bytes += ID_BYTES + strlen(row->row.ids[i].name) + row->row.ids[i].value.len;
    return bytes;
}

static rk_status refuse_size(sheet *s, size_t bytes)
{
    size_t most = s->job->records->body_bytes_max;
    if (s->at_hand.is_whole)
        return rk_error_set(&s->job->error, RK_LIMIT,
                            "while its records are being moved this list is one page, and over the "
                            "%zu bytes of one answer",
                            most);
    return rk_error_set(&s->job->error, RK_LIMIT,
                        "a row of %zu bytes is over the %zu bytes of one answer", bytes, most);
}

/* Adds the next row, unless it must wait for the next page. */
static rk_status add_row(sheet *s, bool *full)
{
    rk_page_row row = {0};
    rk_status status = rk_iterator_next(s->rows, &row.row, &s->job->error);
    if (status == RK_OK)
        status = copy_position(s, &row.position);
    if (status != RK_OK)
        return status;
    size_t bytes = row_bytes(&row);
    if (bytes > s->job->records->body_bytes_max - s->bytes) {
        *full = true;
        return s->page.count > 0 && !s->at_hand.is_whole ? RK_OK : refuse_size(s, bytes);
    }
    s->page.rows[s->page.count++] = row;
    s->bytes += bytes;
    *full = !s->at_hand.is_whole && s->bytes >= s->bytes_max;
    return RK_OK;
}

static rk_status fill(sheet *s)
{
    bool full = false;
    rk_status status = copy_position(s, &s->page.start);
    if (status == RK_OK)
        status = rk_iterator_look_ahead(s->rows, &s->at_hand, &s->job->error);
    if (status != RK_OK)
        return status;
    s->bytes = PAGE_BYTES + s->page.start.len;
    s->page.rows = rk_arena_alloc(&s->job->memory, s->at_hand.rows * sizeof *s->page.rows);
    if (!s->page.rows)
        return rk_error_set(&s->job->error, RK_LIMIT, "no room for a page of %zu rows",
                            s->at_hand.rows);
    for (size_t i = 0; i < s->at_hand.rows && status == RK_OK && !full; i++)
        status = add_row(s, &full);
    s->page.ended = s->at_hand.ended && s->page.count == s->at_hand.rows;
    return status;
}

static rk_question question_of(const rk_page_request *request)
{
    return (rk_question){.scope = request->scope,
                         .entity = request->entity,
                         .index = request->index,
                         .where = request->where,
                         .where_count = request->where_count,
                         .after = request->after,
                         .page_rows_max = request->rows_max};
}

static rk_status answer_page(job *j)
{
    rk_page_request request = {0};
    rk_status status = rk_page_decode(j->asked, &j->memory, &request, &j->error);
    if (status != RK_OK)
        return status;
    sheet s = {.job = j, .bytes_max = request.bytes_max};
    rk_question question = question_of(&request);
    rk_sight sight = sight_of(j, &request.scope);
    status = check_place(j, &request.scope, sight);
    if (status == RK_OK)
        status = rk_client_serve_rows(j->records->client, sight, &question, &s.rows, &j->error);
    if (status == RK_OK)
        status = fill(&s);
    if (status == RK_OK)
        status = rk_page_result_encode(&s.page, j->body, &j->error);
    rk_iterator_close(s.rows);
    return status;
}

/* --- all kinds -------------------------------------------------------------------------------- */

static rk_status answer_schema(job *j)
{
    const rk_schema schema = {.holds_json = rk_client_holds_json(j->records->client)};
    if (j->asked.len > 0)
        return rk_error_set(&j->error, RK_CORRUPT, "read question for the schema: it has a body");
    return rk_schema_encode(&schema, j->body, &j->error);
}

rk_status rk_node_records_answer(const rk_node_records *records, const rk_access_entry *peer,
                                 const rk_envelope *request, rk_reply *reply, rk_buf *body)
{
    job j = {.records = records, .peer = peer, .asked = request->body, .body = body};
    assert(records->body_bytes_max >= RK_NODE_RECORDS_BODY_BYTES_MIN);
    assert(body->max >= records->body_bytes_max);
    rk_arena_init(&j.memory, ASKED_FACTOR * request->body.len +
                                 ANSWERED_FACTOR * records->body_bytes_max + ARENA_AT_LEAST);
    rk_status status = RK_INVALID;
    switch (request->kind) {
    case RK_REQUEST_BATCH:
        status = answer_batch(&j);
        break;
    case RK_REQUEST_PAGE:
        status = answer_page(&j);
        break;
    case RK_REQUEST_SCHEMA:
        status = answer_schema(&j);
        break;
    case RK_REQUEST_PING:
    case RK_REQUEST_CONTROL:
    case RK_REQUEST_LEASE:
        return RK_INVALID;
    }
    rk_arena_fini(&j.memory);
    reply->status = status;
    reply->error = j.error;
    return RK_OK;
}
