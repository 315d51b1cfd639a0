#include "rekey/spec/mapping.h"

#include <stdarg.h>

#include "rekey/base/nearest.h"
#include "rekey/spec/findings.h"

static rk_status report(rk_findings *findings, const rki_node *at, rk_error *err,
                        const char *format, ...) RK_PRINTF(4, 5);

static rk_status report(rk_findings *findings, const rki_node *at, rk_error *err,
                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rk_status status = rki_findings_add(findings, at->line, at->column, err, format, arguments);
    va_end(arguments);
    return status;
}

rk_status rki_mapping_pick(rk_findings *findings, const char *where, const rki_node *mapping,
                           const char *const *names, size_t count, const rki_node **part,
                           rk_error *err)
{
    rk_status status = RK_OK;
    for (size_t i = 0; i < count; i++)
        part[i] = NULL;
    for (const rki_node *key = mapping->first; key != NULL; key = key->next) {
        rk_nearest nearest = {.word = key->text};
        bool is_known = false;
        if (key->kind != RKI_SCALAR)
            continue; /* reported already */
        for (size_t i = 0; i < count; i++) {
            rk_nearest_try(&nearest, rk_slice_str(names[i]));
            if (!rk_slice_equal(key->text, rk_slice_str(names[i])))
                continue;
            is_known = true;
            if (part[i] == NULL)
                part[i] = key->value;
        }
        if (!is_known && status == RK_OK)
            status = report(findings, key, err, "%s: unknown key \"%s\"%s", where,
                            rki_show(key->text).text, rk_nearest_hint(&nearest).text);
    }
    return status;
}

rk_status rki_mapping_check_kind(rk_findings *findings, const char *where, const rki_node *node,
                                 rki_kind kind, bool *is_kind, rk_error *err)
{
    static const char *const names[] = {"nothing", "a text", "a list", "a mapping", "an alias"};
    *is_kind = node->kind == kind;
    if (*is_kind || node->kind == RKI_BROKEN)
        return RK_OK;
    return report(findings, node, err, "%s: expected %s, found %s", where, names[kind],
                  names[node->kind]);
}
