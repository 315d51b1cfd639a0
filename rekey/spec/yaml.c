#include "rekey/spec/yaml.h"

#include <libfyaml.h>

#include "rekey/spec/findings.h"

typedef struct builder {
    rk_slice text;
    const char *what;
    rk_arena *arena;
    rk_findings *findings;
    rk_error *err;
    rk_status status;
    rki_node *stack[RKI_YAML_DEPTH_MAX];
    size_t depth;
    rki_node *root;
    size_t document_count;
    bool stopped; /* the tree is not worth walking */
} builder;

static void report(builder *b, uint32_t line, uint32_t column, const char *format, ...)
    RK_PRINTF(4, 5);

static void report(builder *b, uint32_t line, uint32_t column, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    rk_status status = rki_findings_add(b->findings, line, column, b->err, format, arguments);
    va_end(arguments);
    if (status != RK_OK)
        b->status = status;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Length of the UTF-8 sequence at `at` (RFC 3629), 0 when it is not one. */
static size_t utf8_length(rk_slice text, size_t at)
{
    const uint8_t *p = text.ptr + at;
    size_t left = text.len - at;
    if (p[0] < 0x80)
        return 1;
    size_t need = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || left < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return need;
}

/* The YAML library is given valid UTF-8 without control characters: less for it to trip over. */
static bool check_bytes(builder *b)
{
    uint32_t line = 1;
    uint32_t column = 1;
    for (size_t at = 0; at < b->text.len;) {
        uint8_t byte = b->text.ptr[at];
        size_t length = utf8_length(b->text, at);
        if (length == 0) {
            report(b, line, column, "yaml: byte 0x%02x is not valid utf-8", byte);
            return false;
        }
        if ((byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7f) {
            report(b, line, column, "yaml: control character 0x%02x", byte);
            return false;
        }
        at += length;
        column++;
        if (byte == '\n') {
            line++;
            column = 1;
        }
    }
    return true;
}

/* --- nodes ------------------------------------------------------------------------------------ */

static rki_node *top(const builder *b)
{
    return b->depth > 0 ? b->stack[b->depth - 1] : NULL;
}

/* The key of `mapping` that has no value yet. */
static rki_node *waiting_key(const rki_node *mapping)
{
    if (mapping == NULL || mapping->kind != RKI_MAPPING || mapping->last == NULL)
        return NULL;
    return mapping->last->value == NULL ? mapping->last : NULL;
}

static void append(rki_node *parent, rki_node *child)
{
    if (parent->last != NULL)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

static void add_key(builder *b, rki_node *mapping, rki_node *key)
{
    if (key->kind != RKI_SCALAR) {
        report(b, key->line, key->column, "yaml: a key must be a scalar");
    } else {
        for (const rki_node *other = mapping->first; other != NULL; other = other->next)
            if (other->kind == RKI_SCALAR && rk_slice_equal(other->text, key->text))
                report(b, key->line, key->column, "yaml: duplicate key \"%s\", first on line %u",
                       rki_show(key->text).text, other->line);
    }
    if (mapping->count == RKI_YAML_KEYS_MAX) {
        report(b, key->line, key->column, "yaml: more than %d keys in one mapping",
               RKI_YAML_KEYS_MAX);
        b->stopped = true;
    }
    append(mapping, key);
}

static void attach(builder *b, rki_node *node)
{
    rki_node *parent = top(b);
    rki_node *key = waiting_key(parent);
    if (parent == NULL)
        b->root = node;
    else if (parent->kind == RKI_LIST)
        append(parent, node);
    else if (key != NULL)
        key->value = node;
    else
        add_key(b, parent, node);
}

static void push(builder *b, rki_node *node)
{
    if (b->depth == RKI_YAML_DEPTH_MAX) {
        report(b, node->line, node->column, "yaml: nested deeper than %d levels",
               RKI_YAML_DEPTH_MAX);
        b->stopped = true;
        return;
    }
    b->stack[b->depth++] = node;
}

static bool is_null(rk_slice text)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (rk_slice_equal(text, rk_slice_str(words[i])))
            return true;
    return false;
}

/* --- events ----------------------------------------------------------------------------------- */

static void place(const builder *b, rki_node *node, const struct fy_mark *mark)
{
    const rki_node *key = waiting_key(top(b));
    if (mark == NULL) { /* an empty value has no place of its own */
        node->line = key != NULL ? key->line : 1;
        node->column = key != NULL ? key->column : 1;
    } else {
        node->line = (uint32_t)mark->line + 1;
        node->column = (uint32_t)mark->column + 1;
    }
    node->text_column = node->column;
}

static void fill_scalar(builder *b, rki_node *node, struct fy_token *token)
{
    size_t len = 0;
    const char *text = token != NULL ? fy_token_get_text(token, &len) : NULL;
    enum fy_scalar_style style = token != NULL ? fy_token_scalar_style(token) : FYSS_PLAIN;
    node->quoted = style != FYSS_PLAIN && style != FYSS_ANY;
    b->status =
        rk_arena_copy(b->arena, rk_slice_of(text, text != NULL ? len : 0), &node->text, b->err);
    if (node->text.len == 0)
        node->text = RK_SLICE_LITERAL("");
    node->kind = !node->quoted && is_null(node->text) ? RKI_NOTHING : RKI_SCALAR;
    /* The library's mark is behind the opening quote. */
    if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && node->column > 1)
        node->column--;
}

static void check_decoration(builder *b, const rki_node *node, struct fy_event *event)
{
    if (event->type == FYET_ALIAS)
        report(b, node->line, node->column, "yaml: aliases are not allowed: write the value out");
    else if (fy_event_get_anchor_token(event) != NULL)
        report(b, node->line, node->column, "yaml: anchors are not allowed: write the value out");
    else if (fy_event_get_tag_token(event) != NULL)
        report(b, node->line, node->column, "yaml: tags are not allowed");
}

static void take_node(builder *b, struct fy_event *event)
{
    rki_node *node = rk_arena_alloc(b->arena, sizeof *node);
    if (node == NULL) {
        b->status = rk_error_set(b->err, RK_NOMEM, "read the %s's yaml: out of memory", b->what);
        return;
    }
    *node = (rki_node){.kind = RKI_BROKEN};
    place(b, node, fy_event_start_mark(event));
    check_decoration(b, node, event);
    if (event->type == FYET_SCALAR)
        fill_scalar(b, node, fy_event_get_token(event));
    else if (event->type == FYET_MAPPING_START)
        node->kind = RKI_MAPPING;
    else if (event->type == FYET_SEQUENCE_START)
        node->kind = RKI_LIST;
    if (b->status != RK_OK)
        return;
    attach(b, node);
    if (node->kind == RKI_MAPPING || node->kind == RKI_LIST)
        push(b, node);
}

static void take_event(builder *b, struct fy_event *event)
{
    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (++b->document_count == 2) {
            const struct fy_mark *mark = fy_event_start_mark(event);
            report(b, mark != NULL ? (uint32_t)mark->line + 1 : 0,
                   mark != NULL ? (uint32_t)mark->column + 1 : 0,
                   "yaml: a %s is one document; this file has a second one", b->what);
            b->stopped = true;
        }
        break;
    case FYET_MAPPING_START:
    case FYET_SEQUENCE_START:
    case FYET_SCALAR:
    case FYET_ALIAS:
        take_node(b, event);
        break;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        b->depth--;
        break;
    default:
        break;
    }
}

/* --- the library ------------------------------------------------------------------------------ */

/* Swallows what libfyaml would print; its errors are collected and become findings. */
static void discard(struct fy_diag *diag, void *user, const char *text, size_t len)
{
    (void)diag;
    (void)user;
    (void)text;
    (void)len;
}

static struct fy_diag *create_diag(void)
{
    struct fy_diag_cfg config;
    fy_diag_cfg_default(&config);
    config.fp = NULL;
    config.output_fn = discard;
    config.colorize = false;
    config.show_source = false;
    struct fy_diag *diag = fy_diag_create(&config);
    if (diag != NULL)
        fy_diag_set_collect_errors(diag, true);
    return diag;
}

static void report_syntax(builder *b, struct fy_diag *diag)
{
    rki_findings_clear(b->findings);
    void *position = NULL;
    const struct fy_diag_error *error;
    while ((error = fy_diag_errors_iterate(diag, &position)) != NULL) {
        if (error->type != FYET_ERROR)
            continue;
        report(b, error->line > 0 ? (uint32_t)error->line : 1,
               error->column > 0 ? (uint32_t)error->column : 1, "yaml: %s", error->msg);
        return;
    }
    report(b, 0, 0, "yaml: not well-formed");
}

static void parse(builder *b, struct fy_parser *parser, struct fy_diag *diag)
{
    while (b->status == RK_OK && !b->stopped) {
        struct fy_event *event = fy_parser_parse(parser);
        if (event == NULL)
            break;
        take_event(b, event);
        fy_parser_event_free(parser, event);
    }
    if (b->status == RK_OK && !b->stopped && fy_diag_got_error(diag)) {
        report_syntax(b, diag);
        b->stopped = true;
    }
}

static void run(builder *b)
{
    struct fy_diag *diag = create_diag();
    struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_JSON_NONE, .diag = diag};
    struct fy_parser *parser = diag != NULL ? fy_parser_create(&config) : NULL;
    if (parser == NULL || fy_parser_set_string(parser, (const char *)b->text.ptr, b->text.len) != 0)
        b->status = rk_error_set(b->err, RK_NOMEM, "read the %s's yaml: out of memory", b->what);
    else
        parse(b, parser, diag);
    fy_parser_destroy(parser);
    if (diag != NULL)
        fy_diag_destroy(diag);
}

rk_status rki_yaml_read(rk_slice text, const char *what, size_t bytes_max, rk_arena *arena,
                        rk_findings *findings, rki_node **root, rk_error *err)
{
    builder b = {.text = text, .what = what, .arena = arena, .findings = findings, .err = err};
    *root = NULL;
    if (text.len > bytes_max) {
        report(&b, 0, 0, "%s: the file has %zu bytes; the limit is %zu", what, text.len, bytes_max);
        return b.status;
    }
    if (text.len > 0 && check_bytes(&b))
        run(&b);
    if (b.status != RK_OK || b.stopped || (b.findings->count > 0 && b.root == NULL))
        return b.status;
    if (b.root == NULL || b.root->kind != RKI_MAPPING)
        report(&b, 0, 0, "%s: the file holds no mapping", what);
    else
        *root = b.root;
    return b.status;
}
