/* The rules about patterns: scope, variables, overlap, length.
 *
 * All patterns that compiled stand in one array of sites, so that each rule is one loop.
 */
#include <stdio.h>

#include "rekey/spec/draft.h"

typedef enum site_kind { OLD_KEY, NEW_KEY, OLD_INDEX, NEW_INDEX } site_kind;

typedef struct site {
    site_kind kind;
    size_t entity;
    const char *index; /* its name, of an index pattern */
    const rk_pattern *pattern;
    const rki_node *node;
} site;

typedef struct sites {
    rki_draft *draft;
    site *item;
    size_t count;
} sites;

static rki_where name_of(const rk_spec *spec, const site *s)
{
    const char *entity = spec->entities[s->entity].name;
    const char *side = s->kind == OLD_KEY || s->kind == OLD_INDEX ? "old" : "new";
    rki_shown shown = rki_show(rk_slice_str(entity));
    if (s->index == NULL)
        return rki_where_of("%s.%s", shown.text, side);
    return rki_where_of("%s.indexes.%s.%s", shown.text, rki_show(rk_slice_str(s->index)).text,
                        side);
}

static const char *noun_of(const site *s)
{
    static const char *const nouns[] = {"old key", "new key", "old index key", "new index key"};
    return nouns[s->kind];
}

static rki_shown text_of(const site *s)
{
    return rki_show(rk_slice_str(s->pattern->text));
}

/* --- collecting ------------------------------------------------------------------------------- */

static void add(sites *all, site_kind kind, size_t entity, const char *index,
                const rk_pattern *pattern, const rki_node *node)
{
    if (pattern->segment_count > 0 && node != NULL)
        all->item[all->count++] = (site){kind, entity, index, pattern, node};
}

static void collect(sites *all)
{
    rki_draft *draft = all->draft;
    const rk_spec *spec = draft->spec;
    size_t room = 0;
    for (size_t i = 0; i < spec->entity_count; i++)
        room += 2 + 2 * spec->entities[i].index_count;
    all->item = rki_alloc(draft, &draft->scratch, room + 1, sizeof *all->item);
    if (all->item == NULL)
        return;
    for (size_t i = 0; i < spec->entity_count; i++) {
        const rk_entity *entity = &spec->entities[i];
        const rki_draft_entity *places = &draft->entity[i];
        add(all, OLD_KEY, i, NULL, &entity->old_key, places->old_key);
        add(all, NEW_KEY, i, NULL, &entity->new_key, places->new_key);
        for (size_t j = 0; j < entity->index_count; j++) {
            const rk_index *index = &entity->index[j];
            add(all, OLD_INDEX, i, index->name, &index->old_key, places->index[j].old_key);
            add(all, NEW_INDEX, i, index->name, &index->new_key, places->index[j].new_key);
        }
    }
}

/* --- scope ------------------------------------------------------------------------------------ */

/* Whether the pattern has LITERAL#{variable}# at segment `at`. */
static bool has_pair(const rk_pattern *pattern, size_t at, uint16_t variable)
{
    return (size_t)pattern->segment_count > at + 2 && !pattern->segment[at].variable &&
           pattern->segment[at + 1].variable && pattern->segment[at + 1].name == variable;
}

static bool votes(const sites *all, const site *s, size_t at)
{
    const rk_spec *spec = all->draft->spec;
    if (at == 0)
        return s->kind != OLD_INDEX && has_pair(s->pattern, 0, spec->tenant);
    return (s->kind == NEW_KEY || s->kind == NEW_INDEX) && has_pair(s->pattern, at, spec->capsule);
}

/* The word that most patterns have before the tenant (at 0) or the capsule (at 2): where a few
 * differ, these are the ones to report. */
static rk_slice common_word(const sites *all, size_t at)
{
    rk_slice best = RK_SLICE_EMPTY;
    size_t best_votes = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (!votes(all, &all->item[i], at))
            continue;
        rk_slice word = all->item[i].pattern->segment[at].literal;
        size_t count = 0;
        for (size_t j = i; j < all->count; j++)
            count += votes(all, &all->item[j], at) &&
                     rk_slice_equal(all->item[j].pattern->segment[at].literal, word);
        if (count > best_votes) {
            best = word;
            best_votes = count;
        }
    }
    return best;
}

static bool begins_with(const rk_pattern *pattern, size_t at, rk_slice word, uint16_t variable)
{
    return has_pair(pattern, at, variable) && rk_slice_equal(pattern->segment[at].literal, word);
}

static void lint_scope(sites *all)
{
    rk_spec *spec = all->draft->spec;
    if (spec->tenant == RK_NAME_NONE || spec->capsule == RK_NAME_NONE || all->count == 0)
        return;
    rk_slice outer = common_word(all, 0);
    rk_slice inner = common_word(all, 2);
    spec->tenant_literal = rki_copy(all->draft, outer);
    rki_where tenant = rki_where_of("%s#{%s}#", outer.len > 0 ? rki_show(outer).text : "WORD",
                                    rki_name(spec, spec->tenant));
    rki_where both =
        rki_where_of("%s%s#{%s}#", tenant.text, inner.len > 0 ? rki_show(inner).text : "WORD",
                     rki_name(spec, spec->capsule));
    for (size_t i = 0; i < all->count; i++) {
        const site *s = &all->item[i];
        bool is_new = s->kind == NEW_KEY || s->kind == NEW_INDEX;
        bool by_tenant = begins_with(s->pattern, 0, outer, spec->tenant);
        bool by_capsule = begins_with(s->pattern, 2, inner, spec->capsule);
        if (s->kind == OLD_INDEX || (by_tenant && (by_capsule || !is_new)))
            continue;
        rki_report(all->draft, s->node, "%s: %s is not scoped by %s: expected %s..., found %s",
                   name_of(spec, s).text, noun_of(s), by_tenant ? "capsule" : "tenant",
                   is_new ? both.text : tenant.text, text_of(s).text);
    }
}

/* --- variables -------------------------------------------------------------------------------- */

/* The pattern's variables that `other` lacks, the scope's excepted: `{a}, {b}`. */
static rki_where variables_beyond(const rk_spec *spec, const rk_pattern *pattern,
                                  const rk_pattern *other)
{
    rki_where list = {0};
    size_t used = 0;
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const rk_segment *segment = &pattern->segment[i];
        if (!segment->variable || segment->name == spec->tenant || segment->name == spec->capsule ||
            rk_pattern_has(other, segment->name))
            continue;
        int more = snprintf(list.text + used, sizeof list.text - used, "%s{%s}",
                            used > 0 ? ", " : "", rki_name(spec, segment->name));
        if (more < 0 || (size_t)more >= sizeof list.text - used)
            break;
        used += (size_t)more;
    }
    return list;
}

static void lint_old_in_new(sites *all, const site *s)
{
    const rk_spec *spec = all->draft->spec;
    const rk_entity *entity = &spec->entities[s->entity];
    if (entity->old_key.segment_count == 0)
        return;
    rki_where lost = variables_beyond(spec, &entity->old_key, &entity->new_key);
    rki_where gained = variables_beyond(spec, &entity->new_key, &entity->old_key);
    if (lost.text[0] == '\0')
        return;
    rki_report(all->draft, s->node,
               "%s: %s of the old key is not in the new key, so two old records could land on one "
               "new key%s%s%s",
               name_of(spec, s).text, lost.text,
               gained.text[0] != '\0' ? "; misspelt, perhaps, as " : "", gained.text,
               gained.text[0] != '\0' ? "?" : "");
}

/* With opaque values a variable can come from the old key or the scope only. */
static void lint_opaque(sites *all, const site *s)
{
    const rk_spec *spec = all->draft->spec;
    const rk_entity *entity = &spec->entities[s->entity];
    if (entity->old_key.segment_count == 0)
        return;
    rki_where unknown = variables_beyond(spec, s->pattern, &entity->old_key);
    if (unknown.text[0] != '\0')
        rki_report(all->draft, s->node,
                   "%s: unknown variable %s: with `value: opaque` a variable must be in the old "
                   "key",
                   name_of(spec, s).text, unknown.text);
}

static void lint_variables(sites *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const site *s = &all->item[i];
        if (s->kind == NEW_KEY)
            lint_old_in_new(all, s);
        if (s->kind != OLD_KEY && all->draft->spec->value == RK_VALUE_OPAQUE)
            lint_opaque(all, s);
    }
}

/* --- overlap ---------------------------------------------------------------------------------- */

/* Whether a key that fits both would be a riddle. Primary keys: always. Index keys: only an old
 * entry against a new one of the same index; two entities may share a shape on one side, for an
 * entry's primary key tells them apart. */
static bool must_differ(const site *a, const site *b)
{
    if (a->index == NULL && b->index == NULL)
        return true;
    if (a->index == NULL || b->index == NULL || a->kind == b->kind)
        return false;
    return strcmp(a->index, b->index) == 0;
}

static void lint_overlap(sites *all)
{
    const rk_spec *spec = all->draft->spec;
    for (size_t j = 1; j < all->count; j++) {
        const site *b = &all->item[j];
        for (size_t i = 0; i < j; i++) {
            const site *a = &all->item[i];
            if (!must_differ(a, b) || !rk_pattern_overlaps(a->pattern, b->pattern, spec->capsule,
                                                           spec->allowed, spec->allowed_count))
                continue;
            rki_report(
                all->draft, b->node, "%s: a key can match both this pattern and %s (%s and %s)",
                name_of(spec, b).text, name_of(spec, a).text, text_of(b).text, text_of(a).text);
        }
    }
}

/* --- length ----------------------------------------------------------------------------------- */

static void lint_length(sites *all)
{
    const rk_spec *spec = all->draft->spec;
    size_t longest = 1;
    for (size_t i = 0; i < spec->allowed_count; i++)
        if (spec->allowed[i].len > longest)
            longest = spec->allowed[i].len;
    for (size_t i = 0; i < all->count; i++) {
        const site *s = &all->item[i];
        size_t bytes = s->pattern->literal_bytes;
        for (size_t j = 0; j < s->pattern->segment_count; j++) {
            const rk_segment *segment = &s->pattern->segment[j];
            if (segment->variable)
                bytes += segment->name == spec->capsule ? longest : 1;
        }
        if (bytes > RKI_KEY_BYTES_MAX)
            rki_report(all->draft, s->node,
                       "%s: the shortest key has %zu bytes with the longest capsule; the limit is "
                       "%d",
                       name_of(spec, s).text, bytes, RKI_KEY_BYTES_MAX);
    }
}

void rki_lint_patterns(rki_draft *draft)
{
    sites all = {.draft = draft};
    collect(&all);
    if (all.item == NULL)
        return;
    lint_scope(&all);
    lint_variables(&all);
    lint_overlap(&all);
    lint_length(&all);
}
