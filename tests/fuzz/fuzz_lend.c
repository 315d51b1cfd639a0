/* Any bytes as an offer, or as a worker's result for a record. What is read of an offer is written
 * again to the same bytes; what is read of a result stays within what a unit may be. */
#include <stdlib.h>

#include "rekey/engine/result.h"

#define ARENA_BYTES_MAX ((size_t)1 << 20)
#define KEY_BYTES_MAX   511
#define RECORDS_MAX     64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void read_offer(rk_slice bytes)
{
    rk_offer offer;
    rk_buf again;
    rk_error err = {0};
    rk_status status = rk_offer_decode(bytes, &offer, &err);
    check(status == RK_OK || status == RK_CORRUPT);
    check((status == RK_OK) == (err.message[0] == '\0'));
    rk_buf_init(&again, bytes.len);
    if (status == RK_OK && offer.version) {
        check(rk_offer_encode(&offer, &again, NULL) == RK_OK);
        check(rk_slice_equal(rk_buf_slice(&again), bytes));
    }
    rk_buf_fini(&again);
}

static void check_ops(const rk_op *ops, uint32_t count)
{
    size_t sum = 0;
    check(count <= RKI_UNIT_OPS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const rk_op *op = &ops[i];
        check(op->action <= RK_ACTION_INDEX_DELETE && op->condition <= RK_IF_ABSENT_OR_SAME);
        check(op->table == 1 || op->table == 2 || op->table == 3);
        check(op->key.len > 0 && op->key.len <= KEY_BYTES_MAX);
        for (size_t j = 0; j < op->value.len; j++)
            sum += op->value.ptr[j]; /* all of it can be read */
        for (size_t j = 0; j < op->expected.len; j++)
            sum += op->expected.ptr[j];
    }
    check(sum < SIZE_MAX);
}

/* Each entry as what became of one record. */
static void read_result(rk_slice bytes)
{
    static rk_op ops[RKI_UNIT_OPS_MAX];
    rk_store store = {.caps = {.key_bytes_max = KEY_BYTES_MAX, .index_value_bytes_max = 511}};
    rk_spec spec = {.index_name_count = 2};
    rk_tables tables = {.records = 1, .meta = 2, .index = {3, RK_TABLE_NONE}};
    rki_job job = {.kind = RK_JOB_BACKFILL, .store = &store, .spec = &spec, .tables = &tables};
    rki_work work = {.key = RK_SLICE_LITERAL("TENANT#a#CONTRACT#1"),
                     .value = RK_SLICE_LITERAL("{\"capsule\":\"PRODUS\"}")};
    rk_arena arena;
    rki_entry *entries = NULL;
    size_t count = 0;
    rk_arena_init(&arena, ARENA_BYTES_MAX);
    rk_status status = rki_result_open(bytes, RECORDS_MAX, &arena, &entries, &count, NULL);
    check(status == RK_OK || status == RK_CORRUPT);
    for (size_t i = 0; i < count; i++) {
        rki_work found = work;
        uint32_t op_count = 0;
        bool holds = rki_result_read(&job, entries[i].body, &found, &arena, ops, &op_count);
        check(holds || (found.reason == RK_REASON_NONE && op_count == 0));
        check(!holds || found.reason < RK_REASON_COUNT);
        if (holds)
            check_ops(ops, op_count);
    }
    rk_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    rk_slice bytes = rk_slice_of(data + 1, size - 1);
    if (data[0] % 2 == 0)
        read_offer(bytes);
    else
        read_result(bytes);
    return 0;
}
