/* rekey inspect: the key shapes in a store, and a draft of a spec. */
#include "rekey/cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rekey/cli/cluster.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/text.h"
#include "rekey/report/report.h"

#define MIGRATION_BYTES_MAX 128

typedef struct inspect_options {
    const char *store;
    const char *cluster;
    const char *draft;
    bool json;
} inspect_options;

static const rk_opt opts[] = {
    RK_OPTIONS_PLACE(inspect_options, store, cluster),
    {"draft", 0, RK_OPT_STRING, "FILE", "write a draft spec to FILE, which must not exist", false,
     offsetof(inspect_options, draft)},
    RK_OPTION_JSON(inspect_options, json),
};

static const rk_syntax syntax = {
    .name = "inspect",
    .summary = "Finds the shapes of the keys in a store. Reads only.",
    .examples = "rekey inspect --store lmdb:/var/lib/app\n"
                "rekey inspect --store lmdb:/var/lib/app --draft "
                "specs/202611210900_capsule_isolation.yaml\n"
                "rekey inspect --cluster cluster.yaml\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "Words of keys and made-up names of variables are printed, ids and values never.\n"
             "What only a person can know is marked TODO in the draft.\n"
             "\n"
             "With --cluster, each node inspects its own store, and shapes of one text add up.\n"
             "The draft is then that of the node with the most records: its first line names\n"
             "the node, and its last ones the shapes that only other nodes have.\n",
    .exits = {RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

/* --- tables ----------------------------------------------------------------------------------- */

static void print_table(rk_cli *cli, const json_t *table)
{
    const char *name = rk_report_text(table, "name");
    const char *of = rk_report_text(table, "index_of");
    size_t i;
    json_t *shape;
    rk_cli_print(cli, "%s%s%s  %s%s%s, %s entries, %s", rk_cli_paint(cli->color_out, RK_PAINT_BOLD),
                 name[0] ? name : "(unnamed)", rk_cli_paint(cli->color_out, RK_PAINT_NONE),
                 rk_report_text(table, "kind"), of[0] ? " of " : "", of,
                 rk_text_count(rk_report_integer(table, "entries")).s,
                 rk_text_bytes(rk_report_integer(table, "bytes")).s);
    json_array_foreach(json_object_get(table, "shapes"), i, shape)
    {
        rk_cli_print(cli, "  %14s  %10s  %s", rk_text_count(rk_report_integer(shape, "records")).s,
                     rk_text_bytes(rk_report_integer(shape, "bytes")).s,
                     rk_report_text(shape, "shape"));
    }
    if (rk_report_integer(table, "left_out") > 0)
        rk_cli_print(cli, "  %14s  %10s  (shapes too many to list)",
                     rk_text_count(rk_report_integer(table, "left_out")).s, "");
}

/* Takes the report over. */
static int deliver(rk_cli *cli, const inspect_options *options, json_t *report)
{
    size_t i;
    json_t *table;
    if (options->json)
        return rk_cli_print_json(cli, report);
    json_array_foreach(json_object_get(report, "tables"), i, table)
    {
        if (rk_report_integer(table, "entries") > 0 || rk_report_text(table, "name")[0])
            print_table(cli, table);
    }
    json_decref(report);
    return RK_EXIT_DONE;
}

/* --- drafts ----------------------------------------------------------------------------------- */

/* The migration's name in FILE; false when lint would refuse the name. */
static bool migration_of(const char *file, char out[MIGRATION_BYTES_MAX + 1])
{
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    size_t len = strlen(base);
    if (len <= 13 + 5 || len > MIGRATION_BYTES_MAX || strcmp(base + len - 5, ".yaml") != 0)
        return false;
    memcpy(out, base, len - 5);
    out[len - 5] = '\0';
    return strspn(out, "0123456789") == 12 && out[12] == '_' &&
           strspn(out + 13, "abcdefghijklmnopqrstuvwxyz0123456789_") == len - 5 - 13;
}

static int check_draft_name(rk_cli *cli, const char *file)
{
    char migration[MIGRATION_BYTES_MAX + 1];
    struct stat there;
    if (!migration_of(file, migration))
        return rk_cli_fail_format(cli, RK_EXIT_USAGE, "such as 202611210900_capsule_isolation.yaml",
                                  "write a draft to %s: the file's name must be "
                                  "YYYYMMDDHHMM_slug.yaml",
                                  file);
    if (lstat(file, &there) == 0)
        return rk_cli_fail_format(cli, RK_EXIT_FAILED, "give another name, or move it away",
                                  "write a draft to %s: the file exists", file);
    return RK_EXIT_DONE;
}

static bool write_all(int fd, rk_slice bytes)
{
    while (bytes.len > 0) {
        ssize_t done = write(fd, bytes.ptr, bytes.len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        bytes = rk_slice_of(bytes.ptr + done, bytes.len - (size_t)done);
    }
    return true;
}

/* O_EXCL: whatever came into being meanwhile is not overwritten. */
static int save_draft(rk_cli *cli, const char *file, rk_slice text)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return rk_cli_fail_format(cli, RK_EXIT_FAILED, NULL, "write a draft to %s: %s", file,
                                  strerror(errno));
    bool written = write_all(fd, text) && fsync(fd) == 0;
    int why = errno;
    if (close(fd) != 0 && written) {
        written = false;
        why = errno;
    }
    if (!written) {
        (void)unlink(file);
        return rk_cli_fail_format(cli, RK_EXIT_FAILED, NULL, "write a draft to %s: %s", file,
                                  strerror(why));
    }
    rk_cli_note(cli, "wrote %s; settle every TODO in it, then: rekey lint %s", file, file);
    return RK_EXIT_DONE;
}

static int make_draft(rk_cli *cli, rk_inspect *inspect, const char *file)
{
    char migration[MIGRATION_BYTES_MAX + 1] = "";
    rk_error err = {0};
    rk_buf text;
    rk_buf_init(&text, RK_SPEC_BYTES_MAX);
    rk_inspect_draft *draft = NULL;
    bool finished = false;
    (void)migration_of(file, migration);
    rk_status status = rk_inspect_draft_start(inspect, migration, &draft, &err);
    while (status == RK_OK && !finished && !rk_cli_interrupted(cli))
        status = rk_inspect_draft_step(draft, &text, &finished, &err);
    int code = RK_EXIT_STOPPED;
    if (status != RK_OK)
        code = rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    else if (finished)
        code = save_draft(cli, file, rk_buf_slice(&text));
    rk_inspect_draft_destroy(draft);
    rk_buf_fini(&text);
    return code;
}

/* --- the command ------------------------------------------------------------------------------ */

static int inspect_store(rk_cli *cli, rk_store *store, const inspect_options *options)
{
    rk_inspect *inspect = NULL;
    rk_error err = {0};
    rk_progress_view view = {.phase = "inspect"};
    rk_status status = rk_inspect_start(store, &inspect, &err);
    bool finished = false;
    while (status == RK_OK && !finished && !rk_cli_interrupted(cli)) {
        status = rk_inspect_step(inspect, &view.done, &view.total, &finished, &err);
        rk_cli_progress(cli, &view, rk_clock_monotonic_ns(cli->clock));
    }
    rk_cli_progress_end(cli);
    int code = RK_EXIT_STOPPED;
    if (status != RK_OK)
        code = rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    else if (finished)
        code = deliver(cli, options, rk_report_inspect(inspect));
    if (code == RK_EXIT_DONE && options->draft)
        code = make_draft(cli, inspect, options->draft);
    rk_inspect_destroy(inspect);
    return code;
}

static int inspect_cluster(rk_cli *cli, const inspect_options *options)
{
    char migration[MIGRATION_BYTES_MAX + 1] = "";
    json_t *report = NULL;
    char *draft = NULL;
    if (options->draft)
        (void)migration_of(options->draft, migration);
    int code = rk_cli_cluster_inspect(cli, options->cluster, options->draft ? migration : NULL,
                                      &report, &draft);
    if (code == RK_EXIT_DONE)
        code = deliver(cli, options, report);
    else
        json_decref(report);
    if (code == RK_EXIT_DONE && options->draft)
        code = save_draft(cli, options->draft, rk_slice_str(draft));
    free(draft);
    return code;
}

int rk_cmd_inspect(rk_cli *cli, int argc, char **argv)
{
    inspect_options options = {0};
    rk_store *store = NULL;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_one_place(cli, "inspect", options.store, options.cluster);
    if (code == RK_EXIT_DONE && options.draft)
        code = check_draft_name(cli, options.draft);
    if (code == RK_EXIT_DONE && options.cluster)
        return inspect_cluster(cli, &options);
    if (code == RK_EXIT_DONE)
        code = rk_cli_store_open(cli, options.store, RK_LMDB_READ, &store);
    if (code == RK_EXIT_DONE)
        code = inspect_store(cli, store, &options);
    rk_store_close(store);
    return code;
}
