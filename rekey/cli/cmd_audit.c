#include <inttypes.h>
#include <time.h>

#include "rekey/audit/audit.h"
#include "rekey/cli/commands.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/migrate.h"

typedef struct audit_options {
    const char *store;
    bool json;
    bool verify;
} audit_options;

static const rk_opt opts[] = {
    RK_OPTION_STORE(audit_options, store),
    RK_OPTION_JSON(audit_options, json),
    {"verify", 0, RK_OPT_FLAG, NULL, "check the whole chain", false,
     offsetof(audit_options, verify)},
};
static const rk_syntax syntax = {
    .name = "audit",
    .summary = "Shows who changed what, and checks that the log is whole.",
    .examples = "rekey audit --store lmdb:data\n"
                "rekey audit --store lmdb:data --verify\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "Each entry holds the digest of the one before, and the head names the last.\n"
             "Keep the head somewhere else, and a rewrite of the whole log shows too.\n",
    .exits = {RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

static void format_time(int64_t wall_ms, char out[32])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static json_t *entry_json(const rk_audit_entry *entry)
{
    char when[32];
    char digest[RK_DIGEST_HEX_BYTES];
    format_time(entry->wall_ms, when);
    rk_hex(rk_slice_of(entry->digest.bytes, sizeof entry->digest.bytes), digest);
    return json_pack("{s:I, s:s, s:I, s:s, s:s, s:s, s:s}", "number", (json_int_t)entry->number,
                     "time", when, "epoch", (json_int_t)entry->epoch, "actor", entry->actor,
                     "event", entry->event, "detail", entry->detail, "digest", digest);
}

static void print_entry(rk_cli *cli, const rk_audit_entry *entry)
{
    char when[32];
    format_time(entry->wall_ms, when);
    rk_cli_print(cli, "%5" PRIu64 "  %s  epoch %-3" PRIu64 " %-9s %s  (%s)", entry->number, when,
                 entry->epoch, entry->event, entry->detail, entry->actor);
}

/* Prints the entries, or collects them in `entries`. */
static rk_status read_entries(rk_cli *cli, rk_view *view, rk_table meta, json_t *entries,
                              rk_error *err)
{
    rk_audit_entry entry;
    for (uint64_t number = 1;; number++) {
        rk_status status = rk_audit_read(view, meta, number, &entry, err);
        if (status != RK_OK)
            return status == RK_NOT_FOUND ? RK_OK : status;
        if (entries)
            json_array_append_new(entries, entry_json(&entry));
        else
            print_entry(cli, &entry);
    }
}

static json_t *head_json(uint64_t number, const rk_digest *digest)
{
    char hex[RK_DIGEST_HEX_BYTES];
    rk_hex(rk_slice_of(digest->bytes, sizeof digest->bytes), hex);
    return json_pack("{s:I, s:s}", "number", (json_int_t)number, "digest", hex);
}

static rk_status show(rk_cli *cli, const audit_options *options, rk_view *view, rk_table meta,
                      rk_error *err)
{
    uint64_t newest = 0;
    uint64_t checked = 0;
    rk_digest digest;
    json_t *entries = options->json ? json_array() : NULL;
    rk_status status = options->verify ? rk_audit_check(view, meta, &checked, err) : RK_OK;
    if (status == RK_OK)
        status = rk_audit_head(view, meta, &newest, &digest, err);
    if (status == RK_OK)
        status = read_entries(cli, view, meta, entries, err);
    if (status != RK_OK) {
        json_decref(entries);
        return status;
    }
    json_t *head = head_json(newest, &digest);
    if (options->json) {
        json_t *object = json_pack("{s:o, s:o}", "entries", entries, "head", head);
        if (options->verify)
            json_object_set_new(object, "whole", json_true());
        rk_cli_print_json(cli, object);
        return RK_OK;
    }
    rk_cli_print(cli, "head %" PRIu64 " %s%s", newest,
                 json_string_value(json_object_get(head, "digest")),
                 options->verify ? ", the chain is whole" : "");
    json_decref(head);
    return RK_OK;
}

int rk_cmd_audit(rk_cli *cli, int argc, char **argv)
{
    audit_options options = {0};
    rk_store *store = NULL;
    rk_migration *migration = NULL;
    rk_view *view = NULL;
    rk_error err = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_migration_open(cli, options.store, RK_LMDB_READ, "audit", &store, &migration);
    if (code != RK_EXIT_DONE)
        return code;
    rk_status status = rk_snapshot_open(store, &view, &err);
    if (status == RK_OK)
        status = show(cli, &options, view, migration->tables.meta, &err);
    rk_snapshot_close(view);
    if (status != RK_OK) {
        rk_error_context(&err, status, "audit of %s", options.store);
        code = rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    }
    rk_cli_migration_close(store, migration);
    return code;
}
