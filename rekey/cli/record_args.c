#include "rekey/cli/record_args.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>

#include "rekey/base/buf.h"
#include "rekey/cli/text.h"
#include "rekey/client/attach.h"
#include "rekey/record/json.h"

#define LINE_BYTES_MAX ((size_t)512 * 1024 * 1024)
#define TEXT_BYTES     (4 * 511 + 8) /* of a key's part, every byte escaped */

/* --- whose record, which one ------------------------------------------------------------------ */

int rk_cli_ids_parse(rk_cli *cli, const char *command, const char *what, const rk_list *list,
                     rk_cli_ids *out)
{
    out->count = 0;
    for (size_t i = 0; i < list->count; i++) {
        rk_slice name;
        rk_slice value;
        if (!rk_cli_split(list->items[i], &name, &value) || name.len > RK_NAME_BYTES_MAX)
            return rk_cli_fail_format(cli, RK_EXIT_USAGE,
                                      "it takes VAR=VALUE, as in --id contract_id=c-17",
                                      "%s: %s %s names no variable", command, what, list->items[i]);
        memcpy(out->name[i], name.ptr, name.len);
        out->name[i][name.len] = '\0';
        out->item[i] = (rk_id){out->name[i], value};
        out->count++;
    }
    return RK_EXIT_DONE;
}

static rk_status open_cluster(const rk_cli_record *record, rk_lmdb_mode mode, rk_client **client,
                              rk_error *err)
{
    char location[PATH_MAX];
    rk_client_options options = {.read_only = mode == RK_LMDB_READ};
    int length = snprintf(location, sizeof location, "cluster:%s", record->cluster);
    if (length < 0 || (size_t)length >= sizeof location)
        return rk_error_set(err, RK_INVALID, "the cluster file's path is too long");
    return rk_client_open(location, &options, client, err);
}

int rk_cli_client_open(rk_cli *cli, const char *command, const rk_cli_record *record,
                       rk_lmdb_mode mode, rk_store **store, rk_client **client)
{
    rk_error err = {0};
    int code = rk_cli_one_place(cli, command, record->store, record->cluster);
    if (code == RK_EXIT_DONE && record->store)
        code = rk_cli_store_open(cli, record->store, mode, store);
    if (code != RK_EXIT_DONE)
        return code;
    rk_status status = record->store ? rk_client_attach(*store, NULL, client, &err)
                                     : open_cluster(record, mode, client, &err);
    if (status == RK_OK)
        return RK_EXIT_DONE;
    rk_store_close(*store);
    *store = NULL;
    rk_error_context(&err, status, "%s", record->store ? record->store : record->cluster);
    if (status == RK_NOT_FOUND)
        return rk_cli_fail(cli, RK_EXIT_BAD_SPEC, &err, "`rekey register SPEC` makes it known");
    code = status == RK_INVALID || status == RK_CORRUPT ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status);
    return rk_cli_fail(cli, code, &err, NULL);
}

void rk_cli_client_close(rk_store *store, rk_client *client)
{
    rk_client_close(client);
    rk_store_close(store);
}

int rk_cli_record_fail(rk_cli *cli, const char *command, const rk_cli_record *record,
                       rk_status status, rk_error *err)
{
    if (status == RK_NOT_FOUND)
        return rk_cli_fail_format(cli, RK_EXIT_FAILED, NULL,
                                  "%s %s: there is none with this id in tenant %s, capsule %s",
                                  command, record->entity, record->tenant, record->capsule);
    rk_error_context(err, status, "%s %s", command, record->entity);
    bool usage = status == RK_INVALID || status == RK_LIMIT;
    return rk_cli_fail(cli, usage ? RK_EXIT_USAGE : rk_cli_exit_of(status), err, NULL);
}

/* --- values ----------------------------------------------------------------------------------- */

/* RFC 4648, section 4. */
static rk_status append_base64(rk_buf *line, rk_slice bytes, rk_error *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    rk_status status = rk_buf_reserve(line, bytes.len / 3 * 4 + 6, err);
    for (size_t i = 0; i < bytes.len && status == RK_OK; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)bytes.ptr[i] << 16;
        group |= left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0;
        group |= left > 2 ? bytes.ptr[i + 2] : 0;
        char text[4] = {digits[group >> 18], digits[group >> 12 & 63],
                        left > 1 ? digits[group >> 6 & 63] : '=',
                        left > 2 ? digits[group & 63] : '='};
        status = rk_buf_append(line, rk_slice_of(text, sizeof text), err);
    }
    return status;
}

/* As it stands; a raw line break can only be white space between the parts of a JSON value. */
static rk_status append_json(rk_buf *line, rk_slice value, rk_error *err)
{
    size_t from = line->len;
    rk_status status = rk_buf_append(line, value, err);
    for (size_t i = from; i < line->len; i++)
        if (line->ptr[i] == '\n' || line->ptr[i] == '\r')
            line->ptr[i] = ' ';
    return status;
}

/* Whether it can stand in a line as it is: an old record may hold anything. */
static bool is_json(rk_slice value, rk_arena *arena)
{
    rk_arena_reset(arena);
    return rk_json_find(value, NULL, 0, NULL, arena, NULL) == RK_OK;
}

static rk_status append_value(rk_buf *line, rk_slice value, bool spliced, bool quoted,
                              rk_error *err)
{
    if (spliced)
        return append_json(line, value, err);
    rk_status status = quoted ? rk_buf_append_byte(line, '"', err) : RK_OK;
    if (status == RK_OK)
        status = append_base64(line, value, err);
    if (status == RK_OK && quoted)
        status = rk_buf_append_byte(line, '"', err);
    return status;
}

/* --- rows ------------------------------------------------------------------------------------- */

static json_t *id_text(rk_slice value)
{
    char text[TEXT_BYTES];
    json_t *string = json_stringn((const char *)value.ptr, value.len);
    if (string)
        return string;
    rk_text_escape(value, text, sizeof text);
    return json_string(text);
}

static rk_status append_id_object(rk_buf *line, const rk_row *row, rk_error *err)
{
    json_t *object = json_object();
    bool complete = object != NULL;
    for (size_t i = 0; i < row->id_count && complete; i++)
        complete = json_object_set_new(object, row->ids[i].name, id_text(row->ids[i].value)) == 0;
    char *text = complete ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    if (!text)
        return rk_error_set(err, RK_NOMEM, "print an id: out of memory");
    rk_status status = rk_buf_append_str(line, text, err);
    free(text);
    return status;
}

static rk_status append_id_words(rk_buf *line, const rk_row *row, rk_error *err)
{
    char text[TEXT_BYTES];
    rk_status status = row->id_count == 0 ? rk_buf_append_byte(line, '-', err) : RK_OK;
    for (size_t i = 0; i < row->id_count && status == RK_OK; i++) {
        rk_text_escape(row->ids[i].value, text, sizeof text);
        status =
            rk_buf_append_format(line, err, "%s%s=%s", i > 0 ? " " : "", row->ids[i].name, text);
    }
    return status;
}

static rk_status build_line(rk_buf *line, const rk_row *row, bool json, bool spliced, rk_error *err)
{
    rk_buf_reset(line);
    rk_status status = json ? rk_buf_append_str(line, "{\"id\":", err) : RK_OK;
    if (status == RK_OK)
        status = json ? append_id_object(line, row, err) : append_id_words(line, row, err);
    if (status == RK_OK)
        status = rk_buf_append_str(line, json ? ",\"value\":" : "\t", err);
    if (status == RK_OK)
        status = append_value(line, row->value, spliced, json, err);
    if (status == RK_OK)
        status = rk_buf_append_str(line, json ? "}\n" : "\n", err);
    return status;
}

int rk_cli_rows_print(rk_cli *cli, const char *command, const rk_cli_record *record,
                      rk_client *client, rk_iterator *rows, bool json)
{
    rk_buf line;
    rk_arena arena;
    rk_row row;
    rk_error err = {0};
    bool holds_json = rk_client_holds_json(client);
    int code = RK_EXIT_DONE;
    rk_buf_init(&line, LINE_BYTES_MAX);
    rk_arena_init(&arena, LINE_BYTES_MAX);
    rk_status status = rk_iterator_next(rows, &row, &err);
    while (status == RK_OK && !rk_cli_interrupted(cli)) {
        status = build_line(&line, &row, json, holds_json && is_json(row.value, &arena), &err);
        if (status == RK_OK && fwrite(line.ptr, 1, line.len, cli->out) != line.len)
            break; /* the frame reports it */
        if (status == RK_OK)
            status = rk_iterator_next(rows, &row, &err);
    }
    if (rk_cli_interrupted(cli))
        code = rk_cli_fail_format(cli, RK_EXIT_STOPPED, NULL, "%s %s: interrupted", command,
                                  record->entity);
    else if (status != RK_OK && status != RK_NOT_FOUND)
        code = rk_cli_record_fail(cli, command, record, status, &err);
    rk_iterator_close(rows);
    rk_arena_fini(&arena);
    rk_buf_fini(&line);
    return code;
}
