#include "tests/unit/spec/good.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The line numbers of the case tables count from the first line here. */
const char good_spec[] = "migration: 202611210900_move\n"                                 /* 1 */
                         "description: Move the boundary.\n"                              /* 2 */
                         "owner: Platform Data\n"                                         /* 3 */
                         "strategy: dual-write\n"                                         /* 4 */
                         "value: json\n"                                                  /* 5 */
                         "database: data\n"                                               /* 6 */
                         "tenant: t\n"                                                    /* 7 */
                         "capsule:\n"                                                     /* 8 */
                         "  variable: c\n"                                                /* 9 */
                         "  allowed: [PROD, DEV]\n"                                       /* 10 */
                         "tiers:\n"                                                       /* 11 */
                         "  canary: [s-1, s-2]\n"                                         /* 12 */
                         "  production: [acme]\n"                                         /* 13 */
                         "entities:\n"                                                    /* 14 */
                         "  Config:\n"                                                    /* 15 */
                         "    old: \"TENANT#{t}#CONFIG\"\n"                               /* 16 */
                         "    new: \"TENANT#{t}#CAPSULE#{c}#CONFIG\"\n"                   /* 17 */
                         "    capsule: {field: c}\n"                                      /* 18 */
                         "  Contract:\n"                                                  /* 19 */
                         "    old: \"TENANT#{t}#CONTRACT#{contract_id}\"\n"               /* 20 */
                         "    new: \"TENANT#{t}#CAPSULE#{c}#CONTRACT#{contract_id}\"\n"   /* 21 */
                         "    capsule: {field: env, default: PROD}\n"                     /* 22 */
                         "    indexes:\n"                                                 /* 23 */
                         "      gsi1:\n"                                                  /* 24 */
                         "        old: \"CAPSULE#{c}#ACCOUNT#{account_id}\"\n"            /* 25 */
                         "        new: \"TENANT#{t}#CAPSULE#{c}#ACCOUNT#{account_id}\"\n" /* 26 */
                         "  Item:\n"                                                      /* 27 */
                         "    parent:\n"                                                  /* 28 */
                         "      entity: Contract\n"                                       /* 29 */
                         "      id:\n"                                                    /* 30 */
                         "        contract_id: contract\n"                                /* 31 */
                         "    old: \"TENANT#{t}#ITEM#{item_id}\"\n"                       /* 32 */
                         "    new: \"TENANT#{t}#CAPSULE#{c}#ITEM#{item_id}\"\n"           /* 33 */
                         "    capsule: {parent: true}\n"                                  /* 34 */
                         "limits:\n"                                                      /* 35 */
                         "  lock_hold_ms: 7\n"                                            /* 36 */
                         "  mismatch_max: 0.001\n"                                        /* 37 */
                         "  free_space_min: 512MiB\n"                                     /* 38 */
                         "approvals: 1\n"                                                 /* 39 */
                         "approvers:\n"                                                   /* 40 */
                         "  - 00000000000000000000000000000000"
                         "000000000000000000000000000000AB\n"; /* 41 */

char *spoil(const char *find, const char *put)
{
    const char *at = find != NULL ? strstr(good_spec, find) : good_spec;
    if (at == NULL)
        return NULL;
    size_t front = (size_t)(at - good_spec);
    size_t skip = find != NULL ? strlen(find) : 0;
    size_t room = sizeof good_spec + (put != NULL ? strlen(put) : 0);
    char *text = malloc(room);
    if (text != NULL)
        snprintf(text, room, "%.*s%s%s", (int)front, good_spec, put != NULL ? put : "", at + skip);
    return text;
}

rk_status load_text(const char *name, const char *text, const char *lookup, rk_spec **out,
                    rk_findings *findings)
{
    char copy[128];
    char file[] = "capsules.csv";
    snprintf(copy, sizeof copy, "%s", name);
    rk_spec_file files[] = {{file, rk_slice_str(lookup)}};
    rk_spec_source source = {.name = copy,
                             .text = rk_slice_str(text),
                             .files = files,
                             .file_count = lookup != NULL ? 1 : 0};
    rk_error err = {0};
    return rk_spec_load(&source, NULL, out, findings, &err);
}

bool has_finding(const rk_findings *findings, uint32_t line, uint32_t column, const char *part)
{
    for (size_t i = 0; i < findings->count; i++) {
        const rk_finding *finding = &findings->items[i];
        if (finding->line == line && finding->column == column &&
            strstr(finding->message, part) != NULL)
            return true;
    }
    fprintf(stderr, "no finding at %u:%u with \"%s\" among %zu:\n", line, column, part,
            findings->count);
    for (size_t i = 0; i < findings->count; i++)
        fprintf(stderr, "  %u:%u: %s\n", findings->items[i].line, findings->items[i].column,
                findings->items[i].message);
    return false;
}
