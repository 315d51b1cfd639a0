#include "rekey/seed/maker.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "rekey/base/prng.h"

#define TEXT_BYTES_MAX    (RK_NAME_BYTES_MAX + 64)
#define MEMBERS_BYTES_MAX (256 * 1024)

/* Where a variable's value comes from. */
typedef enum role { ROLE_NONE, ROLE_TENANT, ROLE_CAPSULE, ROLE_PARENT, ROLE_OWN, ROLE_FIELD } role;

typedef struct recipe {
    uint8_t role[RK_NAMES_MAX];
    uint16_t parent_name[RK_NAMES_MAX]; /* for ROLE_PARENT: the parent's variable */
    uint16_t used[RK_NAMES_MAX];        /* every name with a role */
    size_t used_count;
    rki_variety variety;
} recipe;

struct rki_maker {
    const rk_spec *spec;
    uint64_t seed;
    size_t value_bytes;
    size_t key_bytes_max;
    recipe recipe[RK_ENTITIES_MAX];
    char label[RK_NAMES_MAX][RK_NAME_BYTES_MAX + 1]; /* "line_item_id" -> "line-item" */
    rk_binding binding;
    rk_buf value;
    uint8_t *key;
};

/* --- recipes ---------------------------------------------------------------------------------- */

static void give_role(recipe *r, uint16_t name, role what)
{
    if (r->role[name] != ROLE_NONE)
        return;
    r->role[name] = (uint8_t)what;
    r->used[r->used_count++] = name;
}

static void give_pattern(recipe *r, const rk_pattern *pattern, role what)
{
    for (size_t i = 0; i < pattern->segment_count; i++) {
        if (pattern->segment[i].variable)
            give_role(r, pattern->segment[i].name, what);
    }
}

/* Earlier roles win: scope, then what the parent decides, then own ids, then free fields. */
static void write_recipe(const rk_spec *spec, const rk_entity *entity, recipe *r)
{
    give_role(r, spec->tenant, ROLE_TENANT);
    give_role(r, spec->capsule, ROLE_CAPSULE);
    for (size_t i = 0; i < entity->parent_id_count; i++) {
        give_role(r, entity->parent_id[i].source, ROLE_PARENT);
        r->parent_name[entity->parent_id[i].source] = entity->parent_id[i].parent_variable;
    }
    size_t decided = r->used_count;
    give_pattern(r, &entity->old_key, ROLE_OWN);
    if (r->used_count > decided)
        r->variety = RKI_MANY;
    else
        r->variety = entity->parent >= 0 ? RKI_ONE_A_PARENT : RKI_ONE_A_TENANT;
    for (size_t i = 0; i < entity->parent_id_count; i++) {
        uint16_t name = entity->parent_id[i].parent_variable;
        if (r->role[name] == ROLE_NONE)
            r->parent_name[name] = name;
        give_role(r, name, ROLE_PARENT);
    }
    for (size_t i = 0; i < entity->field_count; i++)
        give_role(r, entity->field[i], ROLE_FIELD);
    for (size_t i = 0; i < entity->index_count; i++)
        give_pattern(r, &entity->index[i].old_key, ROLE_FIELD);
}

static void write_label(const char *name, char label[RK_NAME_BYTES_MAX + 1])
{
    size_t len = strlen(name);
    if (len > 3 && strcmp(name + len - 3, "_id") == 0)
        len -= 3;
    for (size_t i = 0; i < len; i++)
        label[i] = name[i] == '_' ? '-' : name[i];
    label[len] = '\0';
}

rk_status rki_maker_create(const rk_spec *spec, uint64_t seed, size_t value_bytes,
                           size_t key_bytes_max, rki_maker **out, rk_error *err)
{
    rki_maker *maker = calloc(1, sizeof *maker);
    uint8_t *key = malloc(key_bytes_max);
    if (!maker || !key) {
        free(maker);
        free(key);
        return rk_error_set(err, RK_NOMEM, "make seed data: out of memory");
    }
    maker->spec = spec;
    maker->seed = seed;
    maker->value_bytes = value_bytes;
    maker->key_bytes_max = key_bytes_max;
    maker->key = key;
    rk_buf_init(&maker->value, value_bytes + MEMBERS_BYTES_MAX);
    for (size_t i = 0; i < spec->entity_count; i++)
        write_recipe(spec, &spec->entities[i], &maker->recipe[i]);
    for (size_t i = 0; i < spec->names.count; i++)
        write_label(spec->names.name[i], maker->label[i]);
    *out = maker;
    return RK_OK;
}

void rki_maker_destroy(rki_maker *maker)
{
    if (!maker)
        return;
    rk_buf_fini(&maker->value);
    free(maker->key);
    free(maker);
}

rki_variety rki_maker_variety(const rki_maker *maker, size_t entity)
{
    return maker->recipe[entity].variety;
}

/* --- places ----------------------------------------------------------------------------------- */

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A number that belongs to one place and purpose. */
static uint64_t draw(const rki_maker *maker, const rki_tenant *tenant, size_t entity,
                     uint64_t ordinal, uint64_t purpose)
{
    return mix(mix(mix(mix(maker->seed) ^ tenant->number) ^ (entity << 32 | purpose)) ^ ordinal);
}

enum { FOR_CAPSULE = 1, FOR_ABSENCE, FOR_VALUE, FOR_FIELD = 16 };

/* Children are spread evenly over the parents, neighbours to neighbours. */
static uint64_t parent_ordinal(const rki_tenant *tenant, size_t parent, size_t child,
                               uint64_t ordinal)
{
    uint64_t parents = tenant->count[parent];
    uint64_t children = tenant->count[child];
    assert(parents > 0 && ordinal < children);
    if (children <= parents)
        return ordinal;
    uint64_t each = children / parents;
    uint64_t more = children % parents; /* the first `more` parents have one child more */
    uint64_t edge = more * (each + 1);
    return ordinal < edge ? ordinal / (each + 1) : more + (ordinal - edge) / each;
}

/* A record is in its parent's capsule, and so on up to the root. */
static rk_slice capsule_of(const rki_maker *maker, const rki_tenant *tenant, size_t entity,
                           uint64_t ordinal)
{
    const rk_spec *spec = maker->spec;
    if (tenant->capsule.len > 0)
        return tenant->capsule;
    while (spec->entities[entity].parent >= 0) {
        size_t parent = (size_t)spec->entities[entity].parent;
        ordinal = parent_ordinal(tenant, parent, entity, ordinal);
        entity = parent;
    }
    const rk_capsule_rule *rule = &spec->entities[entity].capsule;
    if (!rule->field && rule->fallback)
        return rk_slice_str(rule->fallback);
    uint64_t number = draw(maker, tenant, entity, ordinal, FOR_CAPSULE);
    if (spec->allowed_count == 1 || number % 10 < 7)
        return spec->allowed[0];
    return spec->allowed[1 + (number >> 8) % (spec->allowed_count - 1)];
}

/* --- variables -------------------------------------------------------------------------------- */

static int digits_of(uint64_t number)
{
    int digits = 1;
    for (; number >= 10; number /= 10)
        digits++;
    return digits;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t len = strlen(name);
    size_t ending_len = strlen(ending);
    return len >= ending_len && strcmp(name + len - ending_len, ending) == 0;
}

static bool is_number(const char *name)
{
    static const char *const endings[] = {"year", "month", "quarter", "number", "count"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (ends_with(name, endings[i]))
            return true;
    }
    return false;
}

static rk_slice numbered(rk_arena *arena, const char *label, uint64_t number, uint64_t count)
{
    char *text = rk_arena_alloc(arena, TEXT_BYTES_MAX);
    if (!text)
        return RK_SLICE_EMPTY;
    int len = snprintf(text, TEXT_BYTES_MAX, "%s-%0*" PRIu64, label, digits_of(count), number);
    return rk_slice_of(text, (size_t)len);
}

/* Ids of things elsewhere (account_id) are a tenant's own, eight records each; dates, numbers and
 * kinds (industry) are a handful, the same in every tenant, as in life. */
static rk_slice field_value(const rki_maker *maker, const rki_tenant *tenant, size_t entity,
                            uint64_t ordinal, uint16_t name, rk_arena *arena)
{
    uint64_t number = draw(maker, tenant, entity, ordinal, FOR_FIELD + name) >> 8;
    const char *variable = maker->spec->names.name[name];
    char *text = rk_arena_alloc(arena, TEXT_BYTES_MAX);
    if (!text)
        return RK_SLICE_EMPTY;
    int len;
    if (is_number(variable))
        len = snprintf(text, TEXT_BYTES_MAX, "%" PRIu64, 2015 + number % 12);
    else if (ends_with(variable, "_date"))
        len = snprintf(text, TEXT_BYTES_MAX, "2026-%02u-01", (unsigned)(1 + number % 12));
    else if (ends_with(variable, "_id"))
        len = snprintf(text, TEXT_BYTES_MAX, "%s-%04" PRIu64 "-%04" PRIu64, maker->label[name],
                       tenant->number + 1, 1 + number % (tenant->count[entity] / 8 + 4));
    else
        len = snprintf(text, TEXT_BYTES_MAX, "%s-%02u", maker->label[name],
                       (unsigned)(1 + number % 12));
    return rk_slice_of(text, (size_t)len);
}

/* Empty when the arena is full. */
static rk_slice variable_value(const rki_maker *maker, const rki_tenant *tenant, size_t entity,
                               uint64_t ordinal, uint16_t name, rk_arena *arena)
{
    const recipe *r = &maker->recipe[entity];
    while (r->role[name] == ROLE_PARENT) {
        size_t parent = (size_t)maker->spec->entities[entity].parent;
        name = r->parent_name[name];
        ordinal = parent_ordinal(tenant, parent, entity, ordinal);
        entity = parent;
        r = &maker->recipe[entity];
    }
    switch ((role)r->role[name]) {
    case ROLE_TENANT:
        return tenant->name;
    case ROLE_CAPSULE:
        return capsule_of(maker, tenant, entity, ordinal);
    case ROLE_OWN:
        return numbered(arena, maker->label[name], ordinal + 1, tenant->count[entity]);
    case ROLE_NONE:
    case ROLE_PARENT:
    case ROLE_FIELD:
        break;
    }
    return field_value(maker, tenant, entity, ordinal, name, arena);
}

/* --- values ----------------------------------------------------------------------------------- */

/* Appends to a buffer; the first failure stays. */
typedef struct output {
    rk_buf *buf;
    rk_status status;
    rk_error *err;
} output;

static void put(output *out, rk_slice bytes)
{
    if (out->status == RK_OK)
        out->status = rk_buf_append(out->buf, bytes, out->err);
}

static void put_string(output *out, rk_slice text)
{
    put(out, RK_SLICE_LITERAL("\""));
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        char escaped[8];
        int len = snprintf(escaped, sizeof escaped, "\\u%04x", byte);
        put(out, rk_slice_of(text.ptr + from, i - from));
        put(out, rk_slice_of(escaped, (size_t)len));
        from = i + 1;
    }
    put(out, rk_slice_of(text.ptr + from, text.len - from));
    put(out, RK_SLICE_LITERAL("\""));
}

static void put_name(output *out, rk_slice name)
{
    if (out->buf->len > 1)
        put(out, RK_SLICE_LITERAL(","));
    put_string(out, name);
    put(out, RK_SLICE_LITERAL(":"));
}

static bool lacks_capsule_field(const rki_maker *maker, const rki_tenant *tenant, size_t entity,
                                uint64_t ordinal, rk_slice capsule)
{
    const rk_capsule_rule *rule = &maker->spec->entities[entity].capsule;
    if (!rule->field || rule->parent)
        return true;
    return rule->fallback && rk_slice_equal(capsule, rk_slice_str(rule->fallback)) &&
           draw(maker, tenant, entity, ordinal, FOR_ABSENCE) % 8 == 0;
}

static bool is_member(const rki_maker *maker, size_t entity, rk_slice name)
{
    const rk_entity *e = &maker->spec->entities[entity];
    if (e->capsule.field && rk_slice_equal(name, rk_slice_str(e->capsule.field)))
        return true;
    uint16_t number = rk_names_find(&maker->spec->names, name);
    return number != RK_NAME_NONE && maker->recipe[entity].role[number] != ROLE_NONE;
}

/* The members that the spec asks for: the capsule's field and every variable not in the key. */
static void put_members(rki_maker *maker, const rki_tenant *tenant, size_t entity, uint64_t ordinal,
                        output *out)
{
    const rk_entity *e = &maker->spec->entities[entity];
    const recipe *r = &maker->recipe[entity];
    rk_slice capsule = capsule_of(maker, tenant, entity, ordinal);
    rk_slice field = rk_slice_str(e->capsule.field);
    if (!lacks_capsule_field(maker, tenant, entity, ordinal, capsule)) {
        put_name(out, field);
        put_string(out, capsule);
    }
    for (size_t i = 0; i < r->used_count; i++) {
        uint16_t name = r->used[i];
        rk_slice text = rk_slice_str(maker->spec->names.name[name]);
        if (name == maker->spec->tenant || name == maker->spec->capsule ||
            rk_pattern_has(&e->old_key, name) || rk_slice_equal(text, field))
            continue;
        put_name(out, text);
        rk_slice value = maker->binding.value[name];
        if (r->role[name] == ROLE_FIELD && is_number(maker->spec->names.name[name]))
            put(out, value);
        else
            put_string(out, value);
    }
}

/* Members that such records have in life; only what fits and no name twice. */
static void put_extras(const rki_maker *maker, size_t entity, uint64_t number, output *out)
{
    static const char *const currency[] = {"EUR", "USD", "GBP", "CHF"};
    static const char *const status[] = {"active", "draft", "closed", "on hold"};
    char text[4][48];
    snprintf(text[0], sizeof text[0], "%" PRIu64, 100 + number % 1000000);
    snprintf(text[1], sizeof text[1], "\"%s\"", currency[(number >> 20) % 4]);
    snprintf(text[2], sizeof text[2], "\"%s\"", status[(number >> 22) % 4]);
    snprintf(text[3], sizeof text[3], "\"2026-%02u-%02uT%02u:%02u:00Z\"",
             (unsigned)(1 + (number >> 24) % 12), (unsigned)(1 + (number >> 28) % 28),
             (unsigned)((number >> 33) % 24), (unsigned)((number >> 38) % 60));
    static const char *const name[] = {"amount", "currency", "status", "updated_at"};
    for (size_t i = 0; i < 4; i++) {
        size_t size = strlen(name[i]) + strlen(text[i]) + 4;
        if (is_member(maker, entity, rk_slice_str(name[i])) ||
            out->buf->len + size + 1 > maker->value_bytes)
            continue;
        put_name(out, rk_slice_str(name[i]));
        put(out, rk_slice_str(text[i]));
    }
}

/* Fills up to the size asked for with a note, unless that name is taken. */
static void put_note(const rki_maker *maker, size_t entity, uint64_t number, output *out)
{
    static const char words[] = "the quick brown fox jumps over the lazy dog while seven wizards "
                                "quietly box up five dozen jars of liquid and judge my vow ";
    const size_t frame = sizeof ",\"note\":\"\"}" - 1;
    if (out->buf->len + frame < maker->value_bytes &&
        !is_member(maker, entity, RK_SLICE_LITERAL("note"))) {
        size_t pad = maker->value_bytes - out->buf->len - frame;
        size_t at = number % (sizeof words - 1);
        put(out, out->buf->len > 1 ? RK_SLICE_LITERAL(",") : RK_SLICE_EMPTY);
        put(out, RK_SLICE_LITERAL("\"note\":\""));
        while (pad > 0) {
            size_t part = sizeof words - 1 - at;
            part = part < pad ? part : pad;
            put(out, rk_slice_of(words + at, part));
            pad -= part;
            at = 0;
        }
        put(out, RK_SLICE_LITERAL("\""));
    }
    put(out, RK_SLICE_LITERAL("}"));
}

static rk_status make_json(rki_maker *maker, const rki_tenant *tenant, size_t entity,
                           uint64_t ordinal, rk_error *err)
{
    output out = {&maker->value, RK_OK, err};
    uint64_t number = draw(maker, tenant, entity, ordinal, FOR_VALUE);
    put(&out, RK_SLICE_LITERAL("{"));
    put_members(maker, tenant, entity, ordinal, &out);
    put_extras(maker, entity, number, &out);
    put_note(maker, entity, number, &out);
    return out.status;
}

static rk_status make_opaque(rki_maker *maker, const rki_tenant *tenant, size_t entity,
                             uint64_t ordinal, rk_error *err)
{
    output out = {&maker->value, RK_OK, err};
    rk_prng prng;
    rk_prng_init(&prng, draw(maker, tenant, entity, ordinal, FOR_VALUE));
    for (size_t left = maker->value_bytes; left > 0;) {
        uint64_t number = rk_prng_next(&prng);
        uint8_t bytes[8];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(number >> (8 * i));
        size_t part = left < sizeof bytes ? left : sizeof bytes;
        put(&out, rk_slice_of(bytes, part));
        left -= part;
    }
    return out.status;
}

/* --- records ---------------------------------------------------------------------------------- */

static rk_status make_key(const rki_maker *maker, const rk_pattern *pattern, rk_arena *arena,
                          rk_slice *out, rk_error *err)
{
    size_t len = rk_pattern_write(pattern, &maker->binding, maker->key, maker->key_bytes_max);
    if (len > maker->key_bytes_max)
        return rk_error_set(err, RK_LIMIT, "make a key by %s: %zu bytes; the store takes %zu",
                            pattern->text, len, maker->key_bytes_max);
    return rk_arena_copy(arena, rk_slice_of(maker->key, len), out, err);
}

rk_status rki_maker_make(rki_maker *maker, const rki_tenant *tenant, size_t entity,
                         uint64_t ordinal, rk_arena *arena, rki_made *out, rk_error *err)
{
    const rk_entity *e = &maker->spec->entities[entity];
    const recipe *r = &maker->recipe[entity];
    for (size_t i = 0; i < r->used_count; i++) {
        rk_slice value = variable_value(maker, tenant, entity, ordinal, r->used[i], arena);
        if (value.len == 0)
            return rk_error_set(err, RK_LIMIT, "make a record of %s: no memory left in the batch",
                                e->name);
        maker->binding.value[r->used[i]] = value;
    }
    rki_made made = {0};
    rk_status status = make_key(maker, &e->old_key, arena, &made.key, err);
    for (size_t i = 0; status == RK_OK && i < e->index_count; i++)
        status = make_key(maker, &e->index[i].old_key, arena, &made.index_key[i], err);
    if (status != RK_OK)
        return status;
    rk_buf_reset(&maker->value);
    status = maker->spec->value == RK_VALUE_JSON ? make_json(maker, tenant, entity, ordinal, err)
                                                 : make_opaque(maker, tenant, entity, ordinal, err);
    if (status == RK_OK)
        status = rk_arena_copy(arena, rk_buf_slice(&maker->value), &made.value, err);
    if (status == RK_OK)
        *out = made;
    return status;
}
