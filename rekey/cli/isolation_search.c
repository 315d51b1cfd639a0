/* isolation_search.c: `rekey isolation SPEC` with --store or --cluster, the read-only search for
 * contamination. */
#include <errno.h>
#include <inttypes.h>

#include "rekey/cli/cluster.h"
#include "rekey/cli/isolation_args.h"
#include "rekey/cli/isolation_print.h"
#include "rekey/cli/json_out.h"
#include "rekey/isolation/report.h"

static int fail(rk_cli *cli, const rk_cli_isolation *options, rk_status status, rk_error *err)
{
    rk_cli_progress_end(cli);
    rk_error_context(err, status, "isolation %s on %s", options->spec, options->store);
    bool configuration = status == RK_NOT_FOUND || status == RK_INVALID;
    return rk_cli_fail(cli, configuration ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status), err, NULL);
}

static const char *place_of(const rk_cli_isolation *options)
{
    return options->store ? options->store : options->cluster;
}

/* What is registered under this name may be another text: then phases are of that one. */
static void note_other_text(rk_cli *cli, const rk_search *search, const rk_spec_source *source)
{
    if (rk_report_search_other_text(search, source))
        rk_cli_note(cli, "note: the store knows this migration by another text of its spec; "
                         "searched by the one given");
}

/* Searches to the end. RK_EXIT_DONE, or the code of what was reported. */
static int search_all(rk_cli *cli, const rk_cli_isolation *options, rk_search *search)
{
    rk_error err = {0};
    rk_status status = RK_OK;
    bool finished = false;
    const rk_search_progress *progress = rk_search_progress_of(search);
    while (status == RK_OK && !finished) {
        status = rk_search_step(search, &finished, &err);
        rk_progress_view view = {.phase = "search",
                                 .done = progress->records + progress->entries,
                                 .total = progress->expected};
        rk_cli_progress(cli, &view, rk_clock_monotonic_ns(cli->clock));
        if (status == RK_OK && !finished && rk_cli_interrupted(cli)) {
            rk_cli_progress_end(cli);
            return rk_cli_fail_format(cli, RK_EXIT_STOPPED, NULL, "isolation %s on %s: interrupted",
                                      options->spec, options->store);
        }
    }
    if (status != RK_OK)
        return fail(cli, options, status, &err);
    rk_cli_progress_end(cli);
    return RK_EXIT_DONE;
}

static rk_status write_file(const char *path, rk_slice bytes, rk_error *err)
{
    FILE *file = fopen(path, "w");
    bool written = file && fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len;
    if (file && fclose(file) != 0)
        written = false;
    if (written)
        return RK_OK;
    int code = errno;
    return rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, code, "write %s: %s", path,
                               strerror(code));
}

static int save_junit(rk_cli *cli, const char *path, const json_t *report)
{
    rk_error err = {0};
    rk_buf text;
    rk_buf_init(&text, RK_JUNIT_BYTES_MAX);
    rk_status status = rk_cli_search_junit(report, &text, &err);
    if (status == RK_OK)
        status = write_file(path, rk_buf_slice(&text), &err);
    rk_buf_fini(&text);
    return status == RK_OK ? RK_EXIT_DONE : rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
}

/* Takes the report over. */
static int deliver(rk_cli *cli, const rk_cli_isolation *options, json_t *report)
{
    uint64_t found;
    size_t failed = rk_cli_search_failed(report, &found);
    int code = options->json ? rk_cli_print_json(cli, rk_report_search_public(report))
                             : rk_cli_search_print(cli, report);
    if (code == RK_EXIT_DONE && options->junit)
        code = save_junit(cli, options->junit, report);
    json_decref(report);
    if (code != RK_EXIT_DONE || failed == 0)
        return code;
    return rk_cli_fail_format(cli, RK_EXIT_NOT_CLEAN, NULL,
                              "isolation %s on %s: %" PRIu64 " finding%s of %zu kind%s",
                              options->spec, place_of(options), found, found == 1 ? "" : "s",
                              failed, failed == 1 ? "" : "s");
}

static int search_store(rk_cli *cli, const rk_cli_isolation *options, rk_store *store,
                        const rk_spec *spec, const rk_spec_source *source)
{
    rk_error err = {0};
    rk_search *search = NULL;
    rk_status status = rk_search_create(store, spec, cli->clock, &search, &err);
    if (status != RK_OK)
        return fail(cli, options, status, &err);
    note_other_text(cli, search, source);
    int code = search_all(cli, options, search);
    if (code == RK_EXIT_DONE)
        code = deliver(cli, options, rk_report_search(spec, search));
    rk_search_destroy(search);
    return code;
}

static int search_cluster(rk_cli *cli, const rk_cli_isolation *options,
                          const rk_spec_source *source)
{
    json_t *report = NULL;
    int code = rk_cli_cluster_search(cli, options->cluster, source, &report);
    return code == RK_EXIT_DONE ? deliver(cli, options, report) : code;
}

int rk_cli_isolation_search(rk_cli *cli, const rk_cli_isolation *options)
{
    rk_spec_source source = {0};
    rk_spec *spec = NULL;
    rk_store *store = NULL;
    int code = rk_cli_spec_open(cli, options->spec, &source, &spec);
    if (code != RK_EXIT_DONE)
        return code;
    if (options->cluster)
        code = search_cluster(cli, options, &source);
    else
        code = rk_cli_store_open(cli, options->store, RK_LMDB_READ, &store);
    if (code == RK_EXIT_DONE && store)
        code = search_store(cli, options, store, spec, &source);
    rk_spec_destroy(spec);
    rk_spec_source_fini(&source);
    rk_store_close(store);
    return code;
}
