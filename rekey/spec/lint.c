/* The rules about names, lists and the capsule rule of each entity. The rules about patterns and
 * about parents have a file each. */
#include "rekey/spec/draft.h"

/* --- migration -------------------------------------------------------------------------------- */

static unsigned digits_at(const char *s, size_t at, size_t count)
{
    unsigned value = 0;
    for (size_t i = at; i < at + count; i++)
        value = value * 10 + (unsigned)(s[i] - '0');
    return value;
}

static bool is_date(const char *s)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = digits_at(s, 0, 4);
    unsigned month = digits_at(s, 4, 2);
    unsigned day = digits_at(s, 6, 2);
    if (year < 2000 || year > 2999 || month < 1 || month > 12)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    unsigned last = days[month - 1] + (month == 2 && leap ? 1 : 0);
    return day >= 1 && day <= last && digits_at(s, 8, 2) < 24 && digits_at(s, 10, 2) < 60;
}

static bool is_slug(const char *s)
{
    if (*s == '\0')
        return false;
    return s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void lint_migration(rki_draft *draft)
{
    const char *name = draft->spec->migration;
    const char *file = draft->source->name;
    if (name == NULL)
        return;
    size_t length = strlen(name);
    if (length > RKI_MIGRATION_BYTES_MAX)
        rki_report(draft, draft->migration, "migration: the name has %zu bytes; the limit is %d",
                   length, RKI_MIGRATION_BYTES_MAX);
    else if (strspn(name, "0123456789") != 12 || name[12] != '_' || !is_slug(name + 13))
        rki_report(
            draft, draft->migration,
            "migration: expected YYYYMMDDHHMM_slug, the slug of a-z, 0-9 and _, found \"%s\"",
            name);
    else if (!is_date(name))
        rki_report(draft, draft->migration,
                   "migration: the digits of \"%s\" are no date and time YYYYMMDDHHMM", name);
    if (file == NULL)
        return;
    bool same = strncmp(file, name, length) == 0 && strcmp(file + length, ".yaml") == 0;
    if (!same)
        rki_report(draft, draft->migration,
                   "migration: \"%s\" is not the name of its file: expected %s.yaml, found %s",
                   rki_show(rk_slice_str(name)).text, rki_show(rk_slice_str(name)).text,
                   rki_show(rk_slice_str(file)).text);
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name(rk_slice name, const char *also)
{
    if (name.len == 0 || name.len > RK_NAME_BYTES_MAX || !is_letter(name.ptr[0]))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool digit = c >= '0' && c <= '9';
        if (c == '\0' || (!is_letter(c) && !digit && strchr(also, c) == NULL))
            return false;
    }
    return true;
}

static void lint_database(rki_draft *draft)
{
    const char *database = draft->spec->database;
    if (database == NULL)
        return;
    if (strncmp(database, "__rekey", 7) == 0)
        rki_report(draft, draft->database, "database: \"%s\" belongs to rekey's own state",
                   rki_show(rk_slice_str(database)).text);
    if (strlen(database) > 255)
        rki_report(draft, draft->database, "database: the name has %zu bytes; the limit is 255",
                   strlen(database));
}

static void lint_index_name(rki_draft *draft, const rk_entity *entity, const char *name,
                            const rki_node *at)
{
    rki_shown shown = rki_show(rk_slice_str(entity->name));
    const char *database = draft->spec->database;
    if (database != NULL && strcmp(name, database) == 0)
        rki_report(draft, at, "%s.indexes: \"%s\" is the database of the records already",
                   shown.text, rki_show(at->text).text);
    else if (strncmp(name, "__rekey", 7) == 0)
        rki_report(draft, at, "%s.indexes: \"%s\" belongs to rekey's own state", shown.text,
                   rki_show(at->text).text);
    else if (!is_name(at->text, "_-."))
        rki_report(draft, at,
                   "%s.indexes: expected a name of letters, digits, _, - and . that begins with a "
                   "letter, at most %d bytes, found \"%s\"",
                   shown.text, RK_NAME_BYTES_MAX, rki_show(at->text).text);
}

/* --- the capsule of an entity ----------------------------------------------------------------- */

static void lint_default(rki_draft *draft, const char *name, const rk_capsule_rule *rule,
                         const rki_draft_entity *places)
{
    const rki_node *at = places->capsule_default;
    if (rule->fallback == NULL)
        return;
    if (draft->spec->allowed_count > 0 && rk_spec_capsule(draft->spec, at->text) < 0) {
        rk_nearest nearest = {.word = at->text};
        for (size_t i = 0; i < draft->spec->allowed_count; i++)
            rk_nearest_try(&nearest, draft->spec->allowed[i]);
        rki_report(draft, at, "%s.capsule.default: \"%s\" is not one of capsule.allowed%s", name,
                   rki_show(at->text).text, rk_nearest_hint(&nearest).text);
    }
    if (rule->parent || places->capsule_lookup != NULL)
        rki_report(draft, at,
                   "%s.capsule.default: a default goes with `field` or stands alone; with `%s` a "
                   "record without a capsule is quarantined",
                   name, rule->parent ? "parent" : "lookup");
}

static void lint_capsule_rule(rki_draft *draft, const rk_entity *entity,
                              const rki_draft_entity *places)
{
    const rk_capsule_rule *rule = &entity->capsule;
    rki_shown name = rki_show(rk_slice_str(entity->name));
    bool field = places->capsule_field != NULL;
    bool lookup = places->capsule_lookup != NULL;
    if (places->capsule == NULL)
        return;
    bool anything = field || lookup || places->capsule_parent || places->capsule_default;
    if (!anything || (!field && !lookup && !rule->parent && !places->capsule_default))
        rki_report(draft, places->capsule,
                   "%s.capsule: says nothing about where the capsule comes from: give `field`, "
                   "`parent: true`, `lookup` or `default`",
                   name.text);
    if (field + lookup + rule->parent > 1)
        rki_report(draft, places->capsule,
                   "%s.capsule: only one of `field`, `parent` and `lookup` may be given",
                   name.text);
    if (rule->parent && places->parent == NULL)
        rki_report(draft, places->capsule_parent,
                   "%s.capsule.parent: the entity has no parent to take the capsule from",
                   name.text);
    if (field && draft->spec->value == RK_VALUE_OPAQUE)
        rki_report(draft, places->capsule_field,
                   "%s.capsule.field: with `value: opaque` a record has no fields", name.text);
    lint_default(draft, name.text, rule, places);
}

static void lint_entity(rki_draft *draft, size_t at)
{
    const rk_entity *entity = &draft->spec->entities[at];
    const rki_draft_entity *places = &draft->entity[at];
    if (!is_name(places->name->text, "_"))
        rki_report(draft, places->name,
                   "entities: expected a name [A-Za-z][A-Za-z0-9_]* of at most %d bytes, found "
                   "\"%s\"",
                   RK_NAME_BYTES_MAX, rki_show(places->name->text).text);
    lint_capsule_rule(draft, entity, places);
    for (size_t i = 0; i < entity->index_count; i++)
        lint_index_name(draft, entity, entity->index[i].name, places->index[i].name);
}

void rki_lint(rki_draft *draft)
{
    lint_migration(draft);
    lint_database(draft);
    for (size_t i = 0; i < draft->spec->entity_count; i++)
        lint_entity(draft, i);
    rki_lint_patterns(draft);
    rki_lint_graph(draft);
}
