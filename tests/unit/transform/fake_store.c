#include "tests/unit/transform/fake_store.h"

#include <stdio.h>
#include <stdlib.h>

#define TABLES_MAX 32

typedef struct row {
    rk_table table;
    rk_slice key;
    rk_slice value;
} row;

typedef struct named {
    char name[64];
    rk_table_kind kind;
} named;

struct fake_store {
    rk_store base;
    rk_view view;
    row *rows; /* sorted by table, key */
    size_t count;
    size_t cap;
    named tables[TABLES_MAX];
    size_t table_count;
    rk_status broken;
    size_t reads;
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static rk_slice copy(rk_slice bytes)
{
    uint8_t *memory = must(malloc(bytes.len + 1));
    if (bytes.len > 0)
        memcpy(memory, bytes.ptr, bytes.len);
    return rk_slice_of(memory, bytes.len);
}

/* Position of the row, or where it would go. */
static size_t position(const fake_store *fake, rk_table table, rk_slice key, bool *found)
{
    size_t low = 0;
    size_t high = fake->count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const row *at = &fake->rows[middle];
        int order = at->table != table ? (at->table > table) - (at->table < table)
                                       : rk_slice_compare(at->key, key);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static rk_status fake_get(rk_view *view, rk_table table, rk_slice key, rk_slice *value,
                          rk_error *err)
{
    fake_store *fake = (fake_store *)(void *)view->store;
    fake->reads++;
    if (fake->broken != RK_OK)
        return rk_error_set(err, fake->broken, "read a record: broken on purpose");
    bool found;
    size_t at = position(fake, table, key, &found);
    if (!found)
        return RK_NOT_FOUND;
    *value = fake->rows[at].value;
    return RK_OK;
}

static rk_status fake_table(rk_store *store, const char *name, rk_table_kind kind, bool create,
                            rk_table *out, rk_error *err)
{
    fake_store *fake = (fake_store *)(void *)store;
    for (size_t i = 0; i < fake->table_count; i++) {
        if (strcmp(fake->tables[i].name, name) != 0)
            continue;
        if (fake->tables[i].kind != kind)
            return rk_error_set(err, RK_INVALID, "open table %s: another shape", name);
        *out = (rk_table)i;
        return RK_OK;
    }
    if (!create)
        return rk_error_set(err, RK_NOT_FOUND, "open table %s: there is none", name);
    if (fake->table_count == TABLES_MAX)
        abort();
    named *made = &fake->tables[fake->table_count];
    made->kind = kind;
    (void)snprintf(made->name, sizeof made->name, "%s", name);
    *out = (rk_table)fake->table_count++;
    return RK_OK;
}

/* Only what is read by key: the rest of the contract is for backends. */
static const rk_store_ops fake_ops = {.get = fake_get, .table = fake_table};

fake_store *fake_store_new(size_t key_bytes_max, size_t index_value_bytes_max)
{
    fake_store *fake = must(calloc(1, sizeof *fake));
    fake->base.ops = &fake_ops;
    fake->base.caps = (rk_store_caps){.key_bytes_max = key_bytes_max,
                                      .index_value_bytes_max = index_value_bytes_max,
                                      .snapshots = true,
                                      .atomic_batch = true};
    fake->view.store = &fake->base;
    return fake;
}

void fake_store_clear(fake_store *fake)
{
    for (size_t i = 0; i < fake->count; i++) {
        free((void *)(uintptr_t)fake->rows[i].key.ptr);
        free((void *)(uintptr_t)fake->rows[i].value.ptr);
    }
    fake->count = 0;
}

void fake_store_free(fake_store *fake)
{
    if (!fake)
        return;
    fake_store_clear(fake);
    free(fake->rows);
    free(fake);
}

rk_store *fake_store_base(fake_store *fake)
{
    return &fake->base;
}

rk_view *fake_store_view(fake_store *fake)
{
    return &fake->view;
}

void fake_store_put(fake_store *fake, rk_table table, rk_slice key, rk_slice value)
{
    bool found;
    size_t at = position(fake, table, key, &found);
    if (found) {
        free((void *)(uintptr_t)fake->rows[at].value.ptr);
        fake->rows[at].value = copy(value);
        return;
    }
    if (fake->count == fake->cap) {
        fake->cap = fake->cap ? fake->cap * 2 : 64;
        fake->rows = must(realloc(fake->rows, fake->cap * sizeof *fake->rows));
    }
    memmove(fake->rows + at + 1, fake->rows + at, (fake->count - at) * sizeof *fake->rows);
    fake->rows[at] = (row){table, copy(key), copy(value)};
    fake->count++;
}

void fake_store_remove(fake_store *fake, rk_table table, rk_slice key)
{
    bool found;
    size_t at = position(fake, table, key, &found);
    if (!found)
        return;
    free((void *)(uintptr_t)fake->rows[at].key.ptr);
    free((void *)(uintptr_t)fake->rows[at].value.ptr);
    fake->count--;
    memmove(fake->rows + at, fake->rows + at + 1, (fake->count - at) * sizeof *fake->rows);
}

void fake_store_break(fake_store *fake, rk_status status)
{
    fake->broken = status;
}

size_t fake_store_reads(const fake_store *fake)
{
    return fake->reads;
}
