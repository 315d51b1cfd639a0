/* rekey inspect: the key shapes in a store, and a draft of a spec. */
#include "rekey/cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rekey/cli/json_out.h"
#include "rekey/cli/text.h"
#include "rekey/plan/inspect.h"

#define TABLE_NAME_TEXT_BYTES 1024
#define MIGRATION_BYTES_MAX   128

typedef struct inspect_options {
    const char *store;
    const char *draft;
    bool json;
} inspect_options;

static const rk_opt opts[] = {
    RK_OPTION_STORE(inspect_options, store),
    {"draft", 0, RK_OPT_STRING, "FILE", "write a draft spec to FILE, which must not exist", false,
     offsetof(inspect_options, draft)},
    RK_OPTION_JSON(inspect_options, json),
};

static const rk_syntax syntax = {
    .name = "inspect",
    .summary = "Finds the shapes of the keys in a store. Reads only.",
    .examples = "rekey inspect --store lmdb:/var/lib/app\n"
                "rekey inspect --store lmdb:/var/lib/app --draft "
                "specs/202611210900_capsule_isolation.yaml\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "Words of keys and made-up names of variables are printed, ids and values never.\n"
             "What only a person can know is marked TODO in the draft.\n",
    .exits = {RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN},
};

/* --- tables ----------------------------------------------------------------------------------- */

static json_t *shapes_json(const rk_inspect_table *table)
{
    json_t *shapes = json_array();
    for (size_t i = 0; i < table->shape_count; i++) {
        const rk_inspect_shape *shape = &table->shapes[i];
        json_array_append_new(shapes, json_pack("{s:s, s:I, s:I}", "shape", shape->text, "records",
                                                (json_int_t)shape->records, "bytes",
                                                (json_int_t)shape->bytes));
    }
    return shapes;
}

static json_t *table_json(const rk_inspect_table *table)
{
    char name[TABLE_NAME_TEXT_BYTES];
    rk_text_escape(rk_slice_str(table->name), name, sizeof name);
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:I, s:o}", "name", name, "kind",
                  rk_inspect_kind_name(table->kind), "entries", (json_int_t)table->entries, "bytes",
                  (json_int_t)table->bytes, "shapes", shapes_json(table));
    if (table->index_of) {
        rk_text_escape(rk_slice_str(table->index_of), name, sizeof name);
        json_object_set_new(object, "index_of", json_string(name));
    }
    if (table->left_out > 0)
        json_object_set_new(object, "left_out", json_integer((json_int_t)table->left_out));
    return object;
}

static int print_json(rk_cli *cli, const rk_inspect_table *tables, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, table_json(&tables[i]));
    return rk_cli_print_json(cli, json_pack("{s:o}", "tables", list));
}

static void print_table(rk_cli *cli, const rk_inspect_table *table)
{
    char name[TABLE_NAME_TEXT_BYTES];
    char of[TABLE_NAME_TEXT_BYTES] = "";
    rk_text_escape(rk_slice_str(table->name), name, sizeof name);
    rk_text_escape(rk_slice_str(table->index_of), of, sizeof of);
    rk_cli_print(cli, "%s%s%s  %s%s%s, %s entries, %s", rk_cli_paint(cli->color_out, RK_PAINT_BOLD),
                 name[0] ? name : "(unnamed)", rk_cli_paint(cli->color_out, RK_PAINT_NONE),
                 rk_inspect_kind_name(table->kind), of[0] ? " of " : "", of,
                 rk_text_count(table->entries).s, rk_text_bytes(table->bytes).s);
    for (size_t i = 0; i < table->shape_count; i++)
        rk_cli_print(cli, "  %14s  %10s  %s", rk_text_count(table->shapes[i].records).s,
                     rk_text_bytes(table->shapes[i].bytes).s, table->shapes[i].text);
    if (table->left_out > 0)
        rk_cli_print(cli, "  %14s  %10s  (shapes too many to list)",
                     rk_text_count(table->left_out).s, "");
}

static int print_tables(rk_cli *cli, const rk_inspect *inspect, bool json)
{
    size_t count = 0;
    const rk_inspect_table *tables = rk_inspect_tables(inspect, &count);
    if (json)
        return print_json(cli, tables, count);
    for (size_t i = 0; i < count; i++) {
        if (tables[i].entries > 0 || tables[i].name[0])
            print_table(cli, &tables[i]);
    }
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
    (void)migration_of(file, migration);
    rk_status status = rk_inspect_draft(inspect, migration, &text, &err);
    int code = status == RK_OK ? save_draft(cli, file, rk_buf_slice(&text))
                               : rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
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
        code = print_tables(cli, inspect, options->json);
    if (code == RK_EXIT_DONE && options->draft)
        code = make_draft(cli, inspect, options->draft);
    rk_inspect_destroy(inspect);
    return code;
}

int rk_cmd_inspect(rk_cli *cli, int argc, char **argv)
{
    inspect_options options = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    if (options.draft)
        code = check_draft_name(cli, options.draft);
    rk_store *store = NULL;
    if (code == RK_EXIT_DONE)
        code = rk_cli_store_open(cli, options.store, RK_LMDB_READ, &store);
    if (code == RK_EXIT_DONE)
        code = inspect_store(cli, store, &options);
    rk_store_close(store);
    return code;
}
