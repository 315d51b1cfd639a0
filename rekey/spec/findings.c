#include "rekey/spec/findings.h"

#include <stdio.h>
#include <stdlib.h>

void rk_findings_fini(rk_findings *findings)
{
    if (findings == NULL)
        return;
    free(findings->items);
    *findings = (rk_findings){0};
}

rk_status rki_findings_add(rk_findings *findings, uint32_t line, uint32_t column, rk_error *err,
                           const char *format, va_list arguments)
{
    if (findings->items == NULL) {
        findings->items = calloc(RK_FINDINGS_MAX, sizeof *findings->items);
        if (findings->items == NULL)
            return rk_error_set(err, RK_NOMEM, "list the findings: out of memory");
        findings->cap = RK_FINDINGS_MAX;
    }
    if (findings->count == findings->cap)
        return RK_OK;
    rk_finding *finding = &findings->items[findings->count++];
    finding->line = line;
    finding->column = column;
    vsnprintf(finding->message, sizeof finding->message, format, arguments);
    for (char *c = finding->message; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return RK_OK;
}

void rki_findings_clear(rk_findings *findings)
{
    findings->count = 0;
}

static int compare(const void *left, const void *right)
{
    const rk_finding *a = left;
    const rk_finding *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->message, b->message);
}

void rki_findings_sort(rk_findings *findings)
{
    if (findings->count > 1)
        qsort(findings->items, findings->count, sizeof *findings->items, compare);
}

rki_shown rki_show(rk_slice text)
{
    rki_shown shown = {0};
    size_t room = sizeof shown.text - sizeof "...";
    size_t take = text.len;
    if (take > room) {
        take = room;
        while (take > 0 && (text.ptr[take] & 0xC0) == 0x80) /* not inside a UTF-8 sequence */
            take--;
    }
    if (take > 0)
        memcpy(shown.text, text.ptr, take);
    if (take < text.len)
        memcpy(shown.text + take, "...", sizeof "...");
    return shown;
}
