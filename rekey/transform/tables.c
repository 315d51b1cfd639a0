/* tables.c: the tables that a spec speaks of, opened in a store. */
#include "rekey/transform/transform.h"

/* The same name as in rekey/state, which stands beside this folder and not below it. */
static const char meta_name[] = "__rekey";

/* A table that may be missing unless it is to be made. */
static rk_status open_optional(rk_store *store, const char *name, rk_table_kind kind, bool create,
                               rk_table *out, rk_error *err)
{
    rk_table table = RK_TABLE_NONE;
    rk_error why = {0};
    rk_status status = rk_store_table(store, name, kind, create, &table, &why);
    if (status == RK_NOT_FOUND && !create) {
        *out = RK_TABLE_NONE;
        return RK_OK;
    }
    if (status != RK_OK) {
        if (err)
            *err = why;
        return status;
    }
    *out = table;
    return RK_OK;
}

rk_status rk_tables_open(rk_store *store, const rk_spec *spec, bool create, bool create_records,
                         rk_tables *out, rk_error *err)
{
    rk_tables tables;
    for (size_t i = 0; i < sizeof tables.index / sizeof *tables.index; i++)
        tables.index[i] = RK_TABLE_NONE;

    rk_status status = rk_store_table(store, spec->database, RK_TABLE_RECORDS, create_records,
                                      &tables.records, err);
    if (status == RK_OK)
        status = open_optional(store, meta_name, RK_TABLE_RECORDS, create, &tables.meta, err);
    for (size_t i = 0; i < spec->index_name_count && status == RK_OK; i++)
        status = open_optional(store, spec->index_names[i], RK_TABLE_INDEX, create,
                               &tables.index[i], err);
    if (status == RK_OK)
        *out = tables;
    return status;
}
