#include "rekey/spec/draft.h"

#include <stdio.h>

static void add(rki_draft *draft, uint32_t line, uint32_t column, const char *format,
                va_list arguments)
{
    rk_status status =
        rki_findings_add(draft->findings, line, column, draft->err, format, arguments);
    if (status != RK_OK)
        draft->status = status;
}

void rki_report(rki_draft *draft, const rki_node *at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(draft, at != NULL ? at->line : 0, at != NULL ? at->column : 0, format, arguments);
    va_end(arguments);
}

void rki_report_inside(rki_draft *draft, const rki_node *at, size_t offset, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(draft, at->line, at->text_column + (uint32_t)offset, format, arguments);
    va_end(arguments);
}

void *rki_alloc(rki_draft *draft, rk_arena *arena, size_t count, size_t size)
{
    void *memory = count <= SIZE_MAX / size ? rk_arena_alloc(arena, count * size) : NULL;
    if (memory != NULL)
        memset(memory, 0, count * size);
    else if (draft->status == RK_OK)
        draft->status = rk_error_set(draft->err, RK_NOMEM, "load the spec: out of memory");
    return memory;
}

char *rki_copy(rki_draft *draft, rk_slice text)
{
    char *copy = rki_alloc(draft, &draft->spec->memory, text.len + 1, 1);
    if (copy != NULL && text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

rki_where rki_where_of(const char *format, ...)
{
    rki_where where;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(where.text, sizeof where.text, format, arguments);
    va_end(arguments);
    return where;
}

const char *rki_name(const rk_spec *spec, uint16_t name)
{
    return name < spec->names.count ? spec->names.name[name] : "?";
}
