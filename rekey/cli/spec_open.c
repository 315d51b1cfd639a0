#include "rekey/cli/cli.h"

#include <stdlib.h>
#include <string.h>

/* Findings about the whole file stand at its beginning, so that every line has the same form. */
static int report_findings(rk_cli *cli, const char *path, const rk_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const rk_finding *finding = &findings->items[i];
        rk_cli_note(cli, "%s:%u:%u: %s", path, finding->line > 0 ? finding->line : 1,
                    finding->column > 0 ? finding->column : 1, finding->message);
    }
    return rk_cli_fail_format(cli, RK_EXIT_BAD_SPEC, NULL, "lint %s: %zu finding%s%s", path,
                              findings->count, findings->count == 1 ? "" : "s",
                              findings->count == RK_FINDINGS_MAX ? " or more" : "");
}

void rk_cli_findings_note(rk_cli *cli, const rk_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        rk_cli_note(cli, "  %u:%u: %s", findings->items[i].line, findings->items[i].column,
                    findings->items[i].message);
}

/* The folder in which a spec's lookup files stand; the caller frees it. NULL: out of memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int load(rk_cli *cli, const char *path, rk_spec_source *source, rk_spec **out)
{
    rk_error err = {0};
    rk_findings findings = {0};
    char *folder = folder_of(path);
    rk_status status = RK_OK;
    if (folder == NULL)
        status = rk_error_set(&err, RK_NOMEM, "read %s: out of memory", path);
    else
        status = rk_spec_load(source, folder, out, &findings, &err);
    int code = RK_EXIT_DONE;
    if (status != RK_OK && findings.count > 0)
        code = report_findings(cli, path, &findings);
    else if (status != RK_OK)
        code =
            rk_cli_fail(cli, status == RK_INVALID ? RK_EXIT_BAD_SPEC : RK_EXIT_FAILED, &err, NULL);
    rk_findings_fini(&findings);
    free(folder);
    return code;
}

int rk_cli_spec_open(rk_cli *cli, const char *path, rk_spec_source *source, rk_spec **out)
{
    rk_error err = {0};
    rk_spec_source read = {0};
    rk_status status = rk_spec_source_read(path, &read, &err);
    if (status == RK_LIMIT) {
        rk_cli_note(cli, "%s:1:1: %s", path, err.message);
        return rk_cli_fail_format(cli, RK_EXIT_BAD_SPEC, NULL, "lint %s: 1 finding", path);
    }
    if (status != RK_OK)
        return rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
    int code = load(cli, path, &read, out);
    if (code == RK_EXIT_DONE)
        *source = read;
    else
        rk_spec_source_fini(&read);
    return code;
}
