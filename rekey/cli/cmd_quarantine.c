#include <inttypes.h>

#include "rekey/cli/commands.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/migrate.h"
#include "rekey/cli/text.h"

#define TEXT_BYTES (4 * RK_STATE_KEY_BYTES_MAX + 1)

typedef struct quarantine_options {
    const char *store;
    bool json;
} quarantine_options;

static const rk_opt opts[] = {
    RK_OPTION_STORE(quarantine_options, store),
    RK_OPTION_JSON(quarantine_options, json),
};
static const rk_syntax syntax = {
    .name = "quarantine",
    .summary = "Lists the records that were left alone, and why.",
    .examples = "rekey quarantine --store lmdb:data\n"
                "rekey quarantine --store lmdb:data --json\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "They block the flip when they are more than limits.quarantine_max. Mend them\n"
             "(through the client library, or in the data), then run again.\n",
    .exits = {RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

static json_t *entry_json(const rk_spec *spec, const rk_quarantined *entry)
{
    char key[TEXT_BYTES];
    char detail[512];
    const char *entity = NULL;
    rk_text_escape(entry->key, key, sizeof key);
    rk_text_escape(entry->detail, detail, sizeof detail);
    if (entry->entity >= 0 && (size_t)entry->entity < spec->entity_count)
        entity = spec->entities[entry->entity].name;
    return json_pack("{s:s?, s:s, s:s, s:s}", "entity", entity, "key", key, "reason",
                     rk_reason_name((rk_reason)entry->reason), "detail", detail);
}

/* Small: the quarantine of a store that can be flipped is nearly empty. */
static rk_status read_entries(const rk_migration *migration, json_t *entries, rk_error *err)
{
    rk_view *view = NULL;
    rk_cursor *cursor = NULL;
    rk_quarantined entry;
    rk_status status = rk_snapshot_open(migration->store, &view, err);
    if (status == RK_OK)
        status = rk_cursor_open(view, migration->tables.meta, &cursor, err);
    if (status == RK_OK)
        status = rk_quarantine_next(cursor, true, &entry, err);
    while (status == RK_OK) {
        if (entry.reason >= RK_REASON_COUNT) {
            status = rk_error_set(err, RK_CORRUPT, "an entry has reason %" PRIu32 ", unknown here",
                                  entry.reason);
            break;
        }
        json_array_append_new(entries, entry_json(migration->spec, &entry));
        status = rk_quarantine_next(cursor, false, &entry, err);
    }
    rk_cursor_close(cursor);
    rk_snapshot_close(view);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

static const char *text_of(const json_t *entry, const char *name)
{
    const char *text = json_string_value(json_object_get(entry, name));
    return text ? text : "-";
}

static int deliver(rk_cli *cli, bool json, json_t *entries)
{
    size_t count = json_array_size(entries);
    if (json)
        return rk_cli_print_json(
            cli, json_pack("{s:I, s:O}", "quarantined", (json_int_t)count, "entries", entries));
    size_t i;
    json_t *entry;
    json_array_foreach(entries, i, entry)
    {
        rk_cli_print(cli, "%-20s %-20s %s  (%s)", text_of(entry, "reason"),
                     text_of(entry, "entity"), text_of(entry, "key"), text_of(entry, "detail"));
    }
    rk_cli_print(cli, "%zu records in quarantine", count);
    return RK_EXIT_DONE;
}

int rk_cmd_quarantine(rk_cli *cli, int argc, char **argv)
{
    quarantine_options options = {0};
    rk_store *store = NULL;
    rk_migration *migration = NULL;
    rk_error err = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code =
        rk_cli_migration_open(cli, options.store, RK_LMDB_READ, "quarantine", &store, &migration);
    if (code != RK_EXIT_DONE)
        return code;
    json_t *entries = json_array();
    rk_status status = read_entries(migration, entries, &err);
    if (status == RK_OK) {
        code = deliver(cli, options.json, entries);
    } else {
        rk_error_context(&err, status, "quarantine of %s", options.store);
        code = rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    }
    json_decref(entries);
    rk_cli_migration_close(store, migration);
    return code;
}
