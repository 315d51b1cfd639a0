/* Any bytes as a record's value: found or refused, and what insert puts in strip takes out again.
 * The first byte 0xFE, which no UTF-8 holds, splits the input into the value and the new member's
 * value. */
#include <stdlib.h>

#include "rekey/record/json.h"

#define ARENA_BYTES_MAX ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool is_inside(rk_slice part, rk_slice whole)
{
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

/* The value is well-formed and has no such member yet. */
static void put_in_and_take_out(rk_slice value, rk_slice name, rk_slice member_value,
                                rk_arena *arena)
{
    rk_slice longer = RK_SLICE_EMPTY;
    rk_slice back = RK_SLICE_EMPTY;
    rk_json_field field = {0};
    rk_status status = rk_json_insert(value, name, member_value, arena, &longer, NULL);
    if (status == RK_INVALID)
        return; /* the member's value is not UTF-8 */
    check(status == RK_OK);
    check(rk_json_find(longer, &name, 1, &field, arena, NULL) == RK_OK);
    check(field.kind == RK_JSON_STRING && rk_slice_equal(field.text, member_value));
    check(rk_json_strip(longer, name, member_value, arena, &back) && rk_slice_equal(back, value));
}

/* The value is well-formed and may end in the member. */
static void take_out_and_put_in(rk_slice value, rk_slice name, rk_slice member_value,
                                rk_arena *arena)
{
    rk_slice shorter = RK_SLICE_EMPTY;
    rk_slice back = RK_SLICE_EMPTY;
    rk_json_field field = {0};
    if (!rk_json_strip(value, name, member_value, arena, &shorter))
        return;
    check(rk_json_find(shorter, &name, 1, &field, arena, NULL) == RK_OK);
    check(field.kind == RK_JSON_ABSENT);
    check(rk_json_insert(shorter, name, member_value, arena, &back, NULL) == RK_OK);
    check(rk_slice_equal(back, value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const rk_slice names[] = {RK_SLICE_LITERAL("capsule_id"), RK_SLICE_LITERAL("a")};
    const uint8_t *split = size > 0 ? memchr(data, 0xFE, size) : NULL;
    rk_slice value = rk_slice_of(data, split ? (size_t)(split - data) : size);
    rk_slice member_value =
        split ? rk_slice_of(split + 1, size - value.len - 1) : RK_SLICE_LITERAL("PRODUS");
    rk_json_field field[2] = {{0}};
    rk_slice ignored;
    rk_arena arena;
    rk_arena_init(&arena, ARENA_BYTES_MAX);
    rk_status status = rk_json_find(value, names, 2, field, &arena, NULL);
    if (status == RK_OK) {
        for (size_t i = 0; i < 2; i++)
            check(field[i].kind == RK_JSON_ABSENT || is_inside(field[i].raw, value));
        if (field[0].kind == RK_JSON_ABSENT)
            put_in_and_take_out(value, names[0], member_value, &arena);
        else
            take_out_and_put_in(value, names[0], member_value, &arena);
    } else { /* callers do not do this; it must be harmless all the same */
        (void)rk_json_insert(value, names[0], member_value, &arena, &ignored, NULL);
        (void)rk_json_strip(value, names[0], member_value, &arena, &ignored);
    }
    rk_arena_fini(&arena);
    return 0;
}
