/* attack_tools.c: what the attacks are written in. See attack_private.h. */
#include "rekey/isolation/attack_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define DEPTH_MAX RK_LEVELS_MAX

/* --- saying ----------------------------------------------------------------------------------- */

void rki_try(rki_ring *ring, const char *format, ...)
{
    va_list args;
    if (ring->failed)
        return;
    va_start(args, format);
    vsnprintf(ring->result.tried, sizeof ring->result.tried, format, args);
    va_end(args);
}

/* Tenants of this kit are printable but where a case says otherwise; '?' stands for the rest. */
static void put_words(char *out, size_t size, rk_slice text)
{
    size_t len = text.len < size - 1 ? text.len : size - 1;
    for (size_t i = 0; i < len; i++)
        out[i] = text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f ? (char)text.ptr[i] : '?';
    out[len] = '\0';
}

void rki_fail_case(rki_ring *ring, rki_party party, const char *format, ...)
{
    char tenant[64];
    char capsule[64];
    va_list args;
    if (ring->failed)
        return;
    ring->failed = true;
    put_words(tenant, sizeof tenant, ring->party[party].scope.tenant);
    put_words(capsule, sizeof capsule, ring->party[party].scope.capsule);
    snprintf(ring->result.object, sizeof ring->result.object,
             "%s%s%s%s, store %s, as tenant %s, capsule %s",
             ring->attack->subject == RKI_OF_STORE ? "the store" : rki_entity(ring)->name,
             ring->index ? ", index " : "", ring->index ? ring->index->name : "",
             ring->resident ? ", a record that was carried along" : "", ring->stage->says, tenant,
             capsule);
    va_start(args, format);
    vsnprintf(ring->result.why, sizeof ring->result.why, format, args);
    va_end(args);
}

static bool hold(rki_ring *ring, rk_status status, const rk_error *err)
{
    if (status != RK_OK)
        rki_fail_case(ring, RKI_HOME, "the attack could not be prepared: %s: %.300s",
                      rk_status_name(status), err->message);
    return !ring->failed;
}

rk_slice rki_text(rki_ring *ring, const char *format, ...)
{
    char text[RK_ERROR_MESSAGE_BYTES];
    rk_error err = {0};
    rk_slice copy = RK_SLICE_EMPTY;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rk_status status = rk_arena_copy(
        &ring->arena, rk_slice_of(text, (size_t)len < sizeof text ? (size_t)len + 1 : sizeof text),
        &copy, &err);
    (void)hold(ring, status, &err);
    return copy.len > 0 ? rk_slice_of(copy.ptr, copy.len - 1) : copy;
}

/* --- records ---------------------------------------------------------------------------------- */

const rk_entity *rki_entity(const rki_ring *ring)
{
    return &ring->spec->entities[ring->entity];
}

rki_wish rki_wish_for(const rki_ring *ring, rki_party party, const char *tag)
{
    return (rki_wish){
        .entity = ring->entity, .owner = ring->party[party], .tag = tag, .other = RK_NAME_NONE};
}

bool rki_make(rki_ring *ring, const rki_wish *wish, rki_sample *out)
{
    rk_error err = {0};
    return !ring->failed &&
           hold(ring, rki_sample_make(ring->spec, wish, &ring->arena, out, &err), &err);
}

bool rki_make_plain(rki_ring *ring, rki_party party, const char *tag, rki_sample *out)
{
    rki_wish wish = rki_wish_for(ring, party, tag);
    return rki_make(ring, &wish, out);
}

static rk_operation put_of(const rki_ring *ring, const rki_sample *sample)
{
    return (rk_operation){.verb = RK_PUT,
                          .entity = ring->spec->entities[sample->wish.entity].name,
                          .ids = sample->ids,
                          .id_count = sample->id_count,
                          .value = sample->value};
}

/* Copies of samples are large; parents are made in the arena. */
static size_t line_up(rki_ring *ring, const rki_sample *sample, const rki_sample *line[DEPTH_MAX])
{
    rk_error err = {0};
    size_t count = 0;
    line[count++] = sample;
    while (ring->spec->entities[line[count - 1]->wish.entity].parent >= 0 && count < DEPTH_MAX) {
        rki_sample *parent = rk_arena_alloc(&ring->arena, sizeof *parent);
        rk_status status =
            parent ? rki_sample_parent(ring->spec, line[count - 1], &ring->arena, parent, &err)
                   : rk_error_set(&err, RK_NOMEM, "out of memory");
        if (!hold(ring, status, &err))
            return 0;
        line[count++] = parent;
    }
    return count;
}

bool rki_put_family(rki_ring *ring, const rki_sample *sample)
{
    const rki_sample *line[DEPTH_MAX];
    rk_operation operations[DEPTH_MAX];
    rk_error err = {0};
    size_t failed = 0;
    size_t count = ring->failed ? 0 : line_up(ring, sample, line);
    for (size_t i = 0; i < count; i++)
        operations[i] = put_of(ring, line[count - 1 - i]);
    if (count == 0)
        return false;
    rk_status status = rk_client_batch(ring->site->client, &sample->wish.owner.scope, operations,
                                       count, &failed, &err);
    if (status != RK_OK && failed < count)
        rk_error_context(&err, status, "put %s", operations[failed].entity);
    return hold(ring, status, &err);
}

bool rki_victim(rki_ring *ring, rki_party party, rki_sample *out)
{
    return rki_make_plain(ring, party, ring->resident ? RKI_RESIDENT_TAG : "victim", out) &&
           (ring->resident || rki_put_family(ring, out));
}

bool rki_as(rki_ring *ring, rki_party party, const rki_sample *sample, rki_sample *out)
{
    rki_wish wish = sample->wish;
    wish.owner = ring->party[party];
    return rki_make(ring, &wish, out);
}

/* --- calls ------------------------------------------------------------------------------------ */

static const char *entity_of(const rki_ring *ring, const rki_sample *sample)
{
    return ring->spec->entities[sample->wish.entity].name;
}

static rki_answer answer_of(rk_status status, const rk_error *err)
{
    rki_answer answer = {.status = status};
    snprintf(answer.message, sizeof answer.message, "%s", err->message);
    return answer;
}

void rki_answer_fini(rki_answer *answer)
{
    rk_value_fini(&answer->value);
}

rki_answer rki_call_get(const rki_ring *ring, const rki_sample *sample)
{
    rk_error err = {0};
    rk_value value = {0};
    rk_status status =
        rk_client_get(ring->site->client, &sample->wish.owner.scope, entity_of(ring, sample),
                      sample->ids, sample->id_count, &value, &err);
    rki_answer answer = answer_of(status, &err);
    answer.value = value;
    return answer;
}

rki_answer rki_call_delete(const rki_ring *ring, const rki_sample *sample)
{
    rk_error err = {0};
    rk_status status =
        rk_client_delete(ring->site->client, &sample->wish.owner.scope, entity_of(ring, sample),
                         sample->ids, sample->id_count, &err);
    return answer_of(status, &err);
}

rki_answer rki_call_put(const rki_ring *ring, const rki_sample *sample)
{
    rk_error err = {0};
    rk_status status =
        rk_client_put(ring->site->client, &sample->wish.owner.scope, entity_of(ring, sample),
                      sample->ids, sample->id_count, sample->value, &err);
    return answer_of(status, &err);
}

rki_answer rki_call_put_if_absent(const rki_ring *ring, const rki_sample *sample)
{
    rk_error err = {0};
    rk_status status = rk_client_put_if_absent(ring->site->client, &sample->wish.owner.scope,
                                               entity_of(ring, sample), sample->ids,
                                               sample->id_count, sample->value, &err);
    return answer_of(status, &err);
}

rki_answer rki_call_compare_and_put(const rki_ring *ring, const rki_sample *sample,
                                    rk_slice expected)
{
    rk_error err = {0};
    rk_status status = rk_client_compare_and_put(ring->site->client, &sample->wish.owner.scope,
                                                 entity_of(ring, sample), sample->ids,
                                                 sample->id_count, expected, sample->value, &err);
    return answer_of(status, &err);
}

/* --- whose bytes ------------------------------------------------------------------------------ */

const uint8_t *rki_find_bytes(rk_slice in, rk_slice what)
{
    for (size_t i = 0; what.len > 0 && i + what.len <= in.len; i++)
        if (memcmp(in.ptr + i, what.ptr, what.len) == 0)
            return in.ptr + i;
    return NULL;
}

bool rki_must_not_see(const rki_ring *ring, rki_party party, rk_slice value)
{
    char mark[RKI_MARK_BYTES_MAX];
    rk_slice own = rki_mark_of(ring->spec, &ring->party[party], mark);
    /* Before reads keep capsules apart, the mark's part about the capsule says nothing. */
    if (ring->rule->read == RK_READ_OLD)
        while (own.len > 0 && own.ptr[own.len - 1] != '-')
            own.len--;
    return rki_find_bytes(value, own) == NULL;
}

/* "mark-1-c0:victim;", the end of which no tag holds. */
static rk_slice full_mark(rki_ring *ring, const rki_sample *sample)
{
    char mark[RKI_MARK_BYTES_MAX];
    (void)rki_mark_of(ring->spec, &sample->wish.owner, mark);
    return rki_text(ring, "%s%s;", mark, sample->wish.tag);
}

/* --- claims ----------------------------------------------------------------------------------- */

void rki_expect_own(rki_ring *ring, rki_party party, const rki_sample *sample)
{
    if (ring->failed)
        return;
    rki_answer answer = rki_call_get(ring, sample);
    if (answer.status != RK_OK)
        rki_fail_case(ring, party, "its own record is not there any more: %s %.200s",
                      rk_status_name(answer.status), answer.message);
    else if (!rki_find_bytes(answer.value.bytes, full_mark(ring, sample)))
        rki_fail_case(ring, party, "a get gave %zu bytes that are not those of its own record",
                      answer.value.bytes.len);
    rki_answer_fini(&answer);
}

void rki_expect_nothing(rki_ring *ring, rki_party party, const rki_sample *sample)
{
    if (ring->failed)
        return;
    rki_answer answer = rki_call_get(ring, sample);
    if (answer.status == RK_OK)
        rki_fail_case(
            ring, party, "a get gave %zu bytes%s", answer.value.bytes.len,
            rki_must_not_see(ring, party, answer.value.bytes) ? " of somebody else's record" : "");
    else if (answer.status != RK_NOT_FOUND || answer.message[0])
        rki_fail_case(ring, party, "a get tells more than \"not found\": %s %.200s",
                      rk_status_name(answer.status), answer.message);
    rki_answer_fini(&answer);
}

void rki_expect_status(rki_ring *ring, rki_party party, rki_answer answer, rk_status status)
{
    if (answer.status != status)
        rki_fail_case(ring, party, "the answer was \"%s\" %.200s, not \"%s\"",
                      rk_status_name(answer.status), answer.message, rk_status_name(status));
    rki_answer_fini(&answer);
}

void rki_expect_same(rki_ring *ring, rki_party party, rki_answer elsewhere, rki_answer nowhere)
{
    if (elsewhere.status != nowhere.status)
        rki_fail_case(ring, party,
                      "the answer tells that there is a record elsewhere: \"%s\" %.150s, and for "
                      "one that is nowhere \"%s\" %.150s",
                      rk_status_name(elsewhere.status), elsewhere.message,
                      rk_status_name(nowhere.status), nowhere.message);
    else if (strcmp(elsewhere.message, nowhere.message) != 0)
        rki_fail_case(ring, party,
                      "the message tells that there is a record elsewhere: \"%.150s\", and for one "
                      "that is nowhere \"%.150s\"",
                      elsewhere.message, nowhere.message);
    rki_answer_fini(&elsewhere);
    rki_answer_fini(&nowhere);
}

/* --- rows ------------------------------------------------------------------------------------- */

rki_answer rki_open_rows(const rki_ring *ring, rki_party party, const rki_sample *like,
                         size_t where_count, const rk_list_options *options, rk_iterator **out)
{
    rk_error err = {0};
    rk_id where[RK_SEGMENTS_MAX];
    const rk_scope *scope = &ring->party[party].scope;
    const char *entity = rki_entity(ring)->name;
    rk_status status;
    if (like) {
        size_t given = rki_sample_where(ring->spec, like, ring->index, where);
        status = rk_client_query(ring->site->client, scope, entity, ring->index->name, where,
                                 where_count < given ? where_count : given, options, out, &err);
    } else {
        status = rk_client_list(ring->site->client, scope, entity, options, out, &err);
    }
    return answer_of(status, &err);
}

static void expect_rows(rki_ring *ring, rki_party party, const rki_sample *like, size_t where_count,
                        size_t page_rows_max, size_t count)
{
    rk_list_options options = {.page_rows_max = page_rows_max};
    const char *what = like ? "a query" : "a list";
    rk_iterator *rows = NULL;
    rk_error err = {0};
    rk_row row;
    size_t found = 0;
    if (ring->failed)
        return;
    rki_answer answer = rki_open_rows(ring, party, like, where_count, &options, &rows);
    if (answer.status != RK_OK) {
        rki_fail_case(ring, party, "%s failed: %s %.200s", what, rk_status_name(answer.status),
                      answer.message);
        return;
    }
    rk_status status = rk_iterator_next(rows, &row, &err);
    for (; status == RK_OK && !ring->failed; found++) {
        if (rki_must_not_see(ring, party, row.value))
            rki_fail_case(ring, party, "%s gave somebody else's record, %zu bytes", what,
                          row.value.len);
        status = rk_iterator_next(rows, &row, &err);
    }
    if (status != RK_OK && status != RK_NOT_FOUND)
        rki_fail_case(ring, party, "%s failed: %s %.200s", what, rk_status_name(status),
                      err.message);
    rk_iterator_close(rows);
    if (count != RKI_ANY_COUNT && found != count)
        rki_fail_case(ring, party, "%s gave %zu rows, not %zu", what, found, count);
}

void rki_expect_list(rki_ring *ring, rki_party party, size_t count)
{
    expect_rows(ring, party, NULL, 0, 1, count);
    expect_rows(ring, party, NULL, 0, 0, count);
}

void rki_expect_query(rki_ring *ring, const rki_sample *like, rki_party party, size_t where_count,
                      size_t count)
{
    expect_rows(ring, party, like, where_count, 1, count);
    expect_rows(ring, party, like, where_count, 0, count);
}

void rki_expect_unseen(rki_ring *ring, rki_party party, const rki_sample *like)
{
    const rk_entity *entity = rki_entity(ring);
    const rk_index *index = ring->index;
    size_t count = ring->resident ? RKI_ANY_COUNT : 0;
    rki_expect_nothing(ring, party, like);
    rki_expect_list(ring, party, count);
    for (size_t i = 0; i < entity->index_count; i++) {
        ring->index = &entity->index[i];
        rki_expect_query(ring, like, party, RK_SEGMENTS_MAX, count);
        rki_expect_query(ring, like, party, 0, count);
    }
    ring->index = index;
}

/* --- forging ---------------------------------------------------------------------------------- */

static void forge(rki_ring *ring, const rk_op *op)
{
    rk_txn *txn = NULL;
    rk_error err = {0};
    rk_unit unit = {.ops = op, .op_count = 1};
    if (ring->failed)
        return;
    rk_status status = rk_txn_begin(ring->site->store, &txn, &err);
    if (status == RK_OK) {
        status = rk_txn_apply(txn, &unit, 1, &err);
        if (status == RK_OK)
            status = rk_txn_commit(txn, &err);
        else
            rk_txn_abort(txn);
    }
    (void)hold(ring, status, &err);
}

void rki_forge_record(rki_ring *ring, rk_slice key, rk_slice value)
{
    rk_op op = {
        .action = RK_ACTION_PUT, .table = ring->site->tables.records, .key = key, .value = value};
    forge(ring, &op);
}

void rki_forge_entry(rki_ring *ring, const rk_index *index, rk_slice key, rk_slice primary)
{
    rk_op op = {.action = RK_ACTION_INDEX_PUT,
                .table = ring->site->tables.index[index->table_index],
                .key = key,
                .value = primary};
    forge(ring, &op);
}

bool rki_key(rki_ring *ring, const rki_sample *sample, const rk_pattern *pattern, rk_slice *out)
{
    rk_error err = {0};
    return !ring->failed &&
           hold(ring, rki_sample_key(sample, pattern, &ring->arena, out, &err), &err);
}

bool rki_look(rki_ring *ring, rk_slice key, rk_slice *out)
{
    rk_view *view = NULL;
    rk_slice value;
    rk_error err = {0};
    *out = RK_SLICE_EMPTY;
    if (ring->failed)
        return false;
    rk_status status = rk_snapshot_open(ring->site->store, &view, &err);
    if (status == RK_OK)
        status = rk_view_get(view, ring->site->tables.records, key, &value, &err);
    if (status == RK_OK)
        status = rk_arena_copy(&ring->arena, value, out, &err);
    rk_snapshot_close(view);
    return hold(ring, status == RK_NOT_FOUND ? RK_OK : status, &err);
}
