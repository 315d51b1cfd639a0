#include "rekey/spec/draft.h"

static const char *kind_name(const rki_node *node)
{
    static const char *const names[] = {"nothing", "a text", "a list", "a mapping", "an alias"};
    return names[node->kind];
}

bool rki_read_kind(rki_draft *draft, const char *where, const rki_node *node, rki_kind kind)
{
    static const char *const wanted[] = {"nothing", "a text", "a list", "a mapping", "an alias"};
    if (node->kind == kind)
        return true;
    if (node->kind != RKI_BROKEN)
        rki_report(draft, node, "%s: expected %s, found %s", where, wanted[kind], kind_name(node));
    return false;
}

static void take_key(rki_draft *draft, const char *where, const rki_node *key,
                     const rki_key_rule *rules, size_t count, const rki_node **out, bool *present)
{
    rk_nearest nearest = {.word = key->text};
    for (size_t i = 0; i < count; i++) {
        if (!rk_slice_equal(key->text, rk_slice_str(rules[i].name))) {
            rk_nearest_try(&nearest, rk_slice_str(rules[i].name));
            continue;
        }
        rki_where inner = rki_where_of("%s.%s", where, rules[i].name);
        const char *name = strcmp(where, "spec") == 0 ? rules[i].name : inner.text;
        present[i] = true;
        if (out[i] == NULL && key->value != NULL &&
            rki_read_kind(draft, name, key->value, rules[i].kind))
            out[i] = key->value;
        return;
    }
    rki_report(draft, key, "%s: unknown key \"%s\"%s", where, rki_show(key->text).text,
               rk_nearest_hint(&nearest).text);
}

void rki_read_mapping(rki_draft *draft, const char *where, const rki_node *at,
                      const rki_node *mapping, const rki_key_rule *rules, size_t count,
                      const rki_node **out)
{
    bool present[RKI_YAML_KEYS_MAX] = {false};
    for (size_t i = 0; i < count; i++)
        out[i] = NULL;
    for (const rki_node *key = mapping->first; key != NULL; key = key->next)
        if (key->kind == RKI_SCALAR)
            take_key(draft, where, key, rules, count, out, present);
    for (size_t i = 0; i < count; i++)
        if (rules[i].required && !present[i])
            rki_report(draft, at, "%s: missing key \"%s\"", where, rules[i].name);
}

/* --- scalars ---------------------------------------------------------------------------------- */

static bool has_control(rk_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    return false;
}

void rki_read_text(rki_draft *draft, const char *where, const rki_node *node, char **out)
{
    if (node == NULL)
        return;
    if (has_control(node->text)) {
        rki_report(draft, node, "%s: a text must be one line without control characters", where);
        return;
    }
    char *copy = rki_copy(draft, node->text);
    if (copy != NULL)
        *out = copy;
}

/* Digits only, at the front of the text; returns how many bytes they are, 0 when there are none or
 * the number does not fit. */
static size_t take_digits(rk_slice text, uint64_t *out)
{
    uint64_t value = 0;
    size_t at = 0;
    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) {
        uint64_t digit = (uint64_t)(text.ptr[at] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return 0;
        value = value * 10 + digit;
    }
    *out = value;
    return at;
}

void rki_read_number(rki_draft *draft, const char *where, const rki_node *node, uint64_t min,
                     uint64_t max, uint64_t *out)
{
    if (node == NULL)
        return;
    uint64_t value = 0;
    size_t digits = take_digits(node->text, &value);
    if (node->quoted || digits == 0 || digits != node->text.len || value < min || value > max)
        rki_report(draft, node, "%s: expected a whole number from %llu to %llu, found %s\"%s\"",
                   where, (unsigned long long)min, (unsigned long long)max,
                   node->quoted ? "the text " : "", rki_show(node->text).text);
    else
        *out = value;
}

/* Digits, a point, digits. Both parts together fit a double exactly, so one division rounds as
 * strtod would, and no locale has a say. */
static bool parse_share(rk_slice text, double *out)
{
    uint64_t whole = 0;
    uint64_t part = 0;
    size_t at = take_digits(text, &whole);
    if (at == 0 || whole > 1)
        return false;
    uint64_t scale = 1;
    if (at < text.len) {
        rk_slice rest = rk_slice_of(text.ptr + at + 1, text.len - at - 1);
        if (text.ptr[at] != '.' || rest.len == 0 || rest.len > 15 ||
            take_digits(rest, &part) != rest.len)
            return false;
        for (size_t i = 0; i < rest.len; i++)
            scale *= 10;
    }
    *out = (double)(whole * scale + part) / (double)scale;
    return *out <= 1.0;
}

void rki_read_share(rki_draft *draft, const char *where, const rki_node *node, double *out)
{
    if (node == NULL)
        return;
    double value = 0;
    if (node->quoted || !parse_share(node->text, &value))
        rki_report(draft, node,
                   "%s: expected a share from 0 to 1, such as 0.001 for 0.1 %%, found \"%s\"",
                   where, rki_show(node->text).text);
    else
        *out = value;
}

void rki_read_size(rki_draft *draft, const char *where, const rki_node *node, uint64_t *out)
{
    static const struct {
        const char *suffix;
        uint64_t bytes;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
        {"KB", UINT64_C(1000)},
        {"MB", UINT64_C(1000000)},
        {"GB", UINT64_C(1000000000)},
        {"TB", UINT64_C(1000000000000)},
    };
    if (node == NULL)
        return;
    uint64_t value = 0;
    size_t at = take_digits(node->text, &value);
    rk_slice suffix = rk_slice_of(node->text.ptr + at, node->text.len - at);
    for (size_t i = 0; at > 0 && i < sizeof units / sizeof units[0]; i++) {
        if (!rk_slice_equal(suffix, rk_slice_str(units[i].suffix)))
            continue;
        if (value > INT64_MAX / units[i].bytes)
            break;
        *out = value * units[i].bytes;
        return;
    }
    rki_report(draft, node,
               "%s: expected a size such as 1GiB, 512MiB, 100MB or a number of bytes, found \"%s\"",
               where, rki_show(node->text).text);
}

void rki_read_bool(rki_draft *draft, const char *where, const rki_node *node, bool *out)
{
    if (node == NULL)
        return;
    bool yes = rk_slice_equal(node->text, RK_SLICE_LITERAL("true"));
    if (node->quoted || (!yes && !rk_slice_equal(node->text, RK_SLICE_LITERAL("false"))))
        rki_report(draft, node, "%s: expected true or false, found \"%s\"", where,
                   rki_show(node->text).text);
    else
        *out = yes;
}

void rki_read_word(rki_draft *draft, const char *where, const rki_node *node,
                   const char *const *words, size_t count, size_t *out)
{
    if (node == NULL)
        return;
    rk_nearest nearest = {.word = node->text};
    for (size_t i = 0; i < count; i++) {
        rk_nearest_try(&nearest, rk_slice_str(words[i]));
        if (rk_slice_equal(node->text, rk_slice_str(words[i]))) {
            *out = i;
            return;
        }
    }
    rki_report(draft, node, "%s: \"%s\" is not one of %s, %s%s", where, rki_show(node->text).text,
               words[0], words[1], rk_nearest_hint(&nearest).text);
}

void rki_read_name(rki_draft *draft, const char *where, const rki_node *node, uint16_t *out)
{
    if (node == NULL)
        return;
    rk_error err = {0};
    rk_status status = rk_names_intern(&draft->spec->names, node->text, out, &err);
    if (status == RK_NOMEM)
        draft->status = rk_error_set(draft->err, RK_NOMEM, "%s", err.message);
    else if (status != RK_OK)
        rki_report(draft, node, "%s: %s", where, err.message);
}

bool rki_read_value(rki_draft *draft, const char *where, const rki_node *node)
{
    const char *fault = NULL;
    if (node->text.len == 0)
        fault = "is empty";
    else if (memchr(node->text.ptr, RK_DELIMITER, node->text.len) != NULL)
        fault = "holds the delimiter '#'";
    else if (has_control(node->text))
        fault = "holds a control character";
    if (fault != NULL)
        rki_report(draft, node, "%s: \"%s\" %s, so it cannot stand in a key", where,
                   rki_show(node->text).text, fault);
    return fault == NULL;
}
