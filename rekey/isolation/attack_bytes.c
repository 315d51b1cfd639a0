/* attack_bytes.c: ids, tenants and capsules of hostile bytes. */
#include "rekey/isolation/attack_private.h"

#include <ctype.h>
#include <stdio.h>

/* --- refused words ---------------------------------------------------------------------------- */

/* All three verbs refuse the sample's ids or scope. */
static void expect_invalid(rki_ring *ring, rki_party party, const rki_sample *sample)
{
    rki_expect_status(ring, party, rki_call_get(ring, sample), RK_INVALID);
    rki_expect_status(ring, party, rki_call_put(ring, sample), RK_INVALID);
    rki_expect_status(ring, party, rki_call_put_if_absent(ring, sample), RK_INVALID);
    rki_expect_status(ring, party, rki_call_compare_and_put(ring, sample, sample->value),
                      RK_INVALID);
    rki_expect_status(ring, party, rki_call_delete(ring, sample), RK_INVALID);
}

static void expect_invalid_list(rki_ring *ring, rki_party party)
{
    rk_iterator *rows = NULL;
    if (ring->failed)
        return;
    rki_answer answer = rki_open_rows(ring, party, NULL, 0, NULL, &rows);
    rk_iterator_close(rows);
    rki_expect_status(ring, party, answer, RK_INVALID);
}

/* "CAPSULE", in this team's words. */
static const char *capsule_word(rki_ring *ring)
{
    rk_slice literal = rki_entity(ring)->new_key.segment[2].literal;
    return (const char *)rki_text(ring, "%.*s", (int)literal.len, (const char *)literal.ptr).ptr;
}

#define HOSTILE 7

/* Words that would move the boundary if they were put into a key as they are. */
static bool hostile_words(rki_ring *ring, rk_slice out[HOSTILE])
{
    rk_slice home = ring->party[RKI_HOME].scope.capsule;
    const char *capsule = capsule_word(ring);
    if (!capsule)
        return false;
    out[0] = RK_SLICE_LITERAL("#");
    out[1] = RK_SLICE_LITERAL("a#");
    out[2] = RK_SLICE_LITERAL("#a");
    out[3] = RK_SLICE_LITERAL("a#b");
    out[4] = rki_text(ring, "#%s#%.*s", capsule, (int)home.len, (const char *)home.ptr);
    out[5] = rki_text(ring, "a#%s#%.*s#b", capsule, (int)home.len, (const char *)home.ptr);
    out[6] =
        rki_text(ring, "%s#%s#%.*s", ring->tenant, capsule, (int)home.len, (const char *)home.ptr);
    return !ring->failed;
}

static void delimiter_in_id(rki_ring *ring)
{
    rki_sample sample;
    rk_slice word[HOSTILE];
    rki_try(ring, "ids that hold the delimiter");
    if (!hostile_words(ring, word))
        return;
    for (size_t i = 0; i < HOSTILE; i++) {
        if (!rki_make_plain(ring, RKI_HOME, "hostile", &sample))
            return;
        for (size_t j = 0; j < sample.id_count && !ring->failed; j++) {
            rk_slice before = sample.ids[j].value;
            sample.ids[j].value = word[i];
            expect_invalid(ring, RKI_HOME, &sample);
            sample.ids[j].value = before;
        }
    }
}

static void delimiter_in_scope(rki_ring *ring)
{
    rki_sample victim;
    rki_sample sample;
    rk_slice word[HOSTILE];
    rki_try(ring, "tenants and capsules that hold the delimiter");
    if (!hostile_words(ring, word) || !rki_make_plain(ring, RKI_HOME, "victim", &victim) ||
        !rki_put_family(ring, &victim))
        return;
    for (size_t i = 0; i < HOSTILE && !ring->failed; i++) {
        rki_owner *thief = &ring->party[RKI_NEIGHBOUR];
        thief->scope = ring->party[RKI_HOME].scope;
        thief->scope.tenant = word[i];
        if (!rki_as(ring, RKI_NEIGHBOUR, &victim, &sample))
            return;
        expect_invalid(ring, RKI_NEIGHBOUR, &sample);
        expect_invalid_list(ring, RKI_NEIGHBOUR);
        thief->scope = ring->party[RKI_HOME].scope;
        thief->scope.capsule = word[i];
        if (!rki_as(ring, RKI_NEIGHBOUR, &victim, &sample))
            return;
        expect_invalid(ring, RKI_NEIGHBOUR, &sample);
        expect_invalid_list(ring, RKI_NEIGHBOUR);
    }
}

static rki_answer query_where(const rki_ring *ring, const rk_id *where, size_t count)
{
    rk_error err = {0};
    rk_iterator *rows = NULL;
    rki_answer answer = {.status = rk_client_query(ring->site->client, &ring->party[RKI_HOME].scope,
                                                   rki_entity(ring)->name, ring->index->name, where,
                                                   count, NULL, &rows, &err)};
    rk_iterator_close(rows);
    snprintf(answer.message, sizeof answer.message, "%s", err.message);
    return answer;
}

static void hostile_where(rki_ring *ring)
{
    rki_sample sample;
    rk_slice word[HOSTILE];
    rk_id where[RK_SEGMENTS_MAX];
    rki_try(ring, "index values that hold the delimiter, or are empty");
    if (!hostile_words(ring, word) || !rki_make_plain(ring, RKI_HOME, "hostile", &sample))
        return;
    size_t count = rki_sample_where(ring->spec, &sample, ring->index, where);
    for (size_t i = 0; i < count && !ring->failed; i++) {
        rk_slice before = where[i].value;
        for (size_t j = 0; j < HOSTILE; j++) {
            where[i].value = word[j];
            rki_expect_status(ring, RKI_HOME, query_where(ring, where, count), RK_INVALID);
        }
        where[i].value = RK_SLICE_EMPTY;
        rki_expect_status(ring, RKI_HOME, query_where(ring, where, count), RK_INVALID);
        where[i].value = before;
    }
}

/* A member with the delimiter would make an index key of another scope. */
static void delimiter_in_member(rki_ring *ring)
{
    rki_sample sample;
    rk_id where[RK_SEGMENTS_MAX];
    rk_slice word[HOSTILE];
    rki_try(ring, "a put whose index value holds the delimiter");
    if (!hostile_words(ring, word) || !rki_make_plain(ring, RKI_HOME, "hostile", &sample) ||
        !rki_put_family(ring, &sample))
        return;
    (void)rki_sample_where(ring->spec, &sample, ring->index, where);
    uint16_t name = rk_names_find(&ring->spec->names, rk_slice_str(where[0].name));
    if (rk_pattern_has(&rki_entity(ring)->old_key, name))
        return; /* an id: refused as such */
    for (size_t i = 0; i < HOSTILE && !ring->failed; i++) {
        rki_wish wish = sample.wish;
        rki_sample hostile;
        wish.other = name;
        wish.other_value = word[i];
        if (rki_make(ring, &wish, &hostile))
            rki_expect_status(ring, RKI_HOME, rki_call_put(ring, &hostile), RK_INVALID);
    }
}

static void empty_words(rki_ring *ring)
{
    rki_sample sample;
    rki_try(ring, "empty ids");
    if (!rki_make_plain(ring, RKI_HOME, "empty", &sample))
        return;
    for (size_t i = 0; i < sample.id_count && !ring->failed; i++) {
        rk_slice before = sample.ids[i].value;
        sample.ids[i].value = RK_SLICE_EMPTY;
        expect_invalid(ring, RKI_HOME, &sample);
        sample.ids[i].value = before;
    }
    rki_try(ring, "an empty tenant");
    sample.wish.owner.scope.tenant = RK_SLICE_EMPTY;
    expect_invalid(ring, RKI_HOME, &sample);
    rki_try(ring, "an empty capsule");
    sample.wish.owner = ring->party[RKI_HOME];
    sample.wish.owner.scope.capsule = RK_SLICE_EMPTY;
    expect_invalid(ring, RKI_HOME, &sample);
}

static void wrong_words(rki_ring *ring)
{
    rki_sample sample;
    if (!rki_make_plain(ring, RKI_HOME, "wrong", &sample))
        return;
    rki_try(ring, "an id that is missing");
    size_t count = sample.id_count;
    if (count > 0) {
        sample.id_count--;
        expect_invalid(ring, RKI_HOME, &sample);
        sample.id_count = count;
        rki_try(ring, "an id that is given twice");
        sample.ids[sample.id_count++] = sample.ids[0];
        expect_invalid(ring, RKI_HOME, &sample);
        sample.id_count = count;
    }
    rki_try(ring, "the tenant and the capsule given as ids");
    sample.ids[sample.id_count++] = (rk_id){ring->spec->names.name[ring->spec->tenant],
                                            ring->party[RKI_NEIGHBOUR].scope.tenant};
    expect_invalid(ring, RKI_HOME, &sample);
    sample.ids[count] = (rk_id){ring->spec->names.name[ring->spec->capsule],
                                ring->party[RKI_STRANGER].scope.capsule};
    expect_invalid(ring, RKI_HOME, &sample);
}

/* --- words that are taken as they are --------------------------------------------------------- */

typedef struct word {
    const char *tag;
    rk_slice bytes;
} word;

#define WORD(tag, text)                                                                            \
    {                                                                                              \
        tag,                                                                                       \
        {                                                                                          \
            (const uint8_t *)(text), sizeof(text) - 1                                              \
        }                                                                                          \
    }

static bool make_word(rki_ring *ring, const word *which, rki_sample *out)
{
    rki_wish wish = rki_wish_for(ring, RKI_HOME, which->tag);
    wish.parent_tag = "words";
    wish.other = rki_own_variable(ring->spec, rki_entity(ring));
    wish.other_value = which->bytes;
    return rki_make(ring, &wish, out);
}

static bool put_word(rki_ring *ring, const word *which, rki_sample *out)
{
    return make_word(ring, which, out) && rki_put_family(ring, out);
}

/* All are different ids, and each gives its own record. */
static void expect_distinct(rki_ring *ring, const word *words, size_t count)
{
    rki_sample sample;
    rki_sample there;
    bool isolated = ring->rule->read != RK_READ_OLD && ring->spec->allowed_count > 1;
    for (size_t i = 0; i < count && !ring->failed; i++) {
        if (!make_word(ring, &words[i], &sample))
            return;
        rki_expect_nothing(ring, RKI_HOME, &sample);
        (void)put_word(ring, &words[i], &sample);
    }
    for (size_t i = 0; i < count && !ring->failed; i++) {
        if (!make_word(ring, &words[i], &sample))
            return;
        rki_expect_own(ring, RKI_HOME, &sample);
        if (isolated && rki_as(ring, RKI_STRANGER, &sample, &there))
            rki_expect_nothing(ring, RKI_STRANGER, &there);
    }
    rki_expect_list(ring, RKI_HOME, count);
}

static void odd_bytes(rki_ring *ring)
{
    static const word words[] = {
        WORD("o0", "a"),        WORD("o1", "a\0"),          WORD("o2", "a\0b"),
        WORD("o3", "\0"),       WORD("o4", "\xff"),         WORD("o5", "\xff\xfe"),
        WORD("o6", "\xc3\x28"), WORD("o7", "\xed\xa0\x80"), WORD("o8", "\n"),
    };
    rki_try(ring, "ids with NUL, 0xFF and bytes that are no UTF-8");
    expect_distinct(ring, words, sizeof words / sizeof *words);
}

static void unicode_and_case(rki_ring *ring)
{
    static const word words[] = {
        WORD("u0", "caf\xc3\xa9"),
        WORD("u1", "cafe\xcc\x81"),
        WORD("u2", "CAF\xc3\x89"),
        WORD("u3", "id"),
        WORD("u4", "ID"),
        WORD("u5", "Id"),
        WORD("u6", "stra\xc3\x9f"
                   "e"),
        WORD("u7", "strasse"),
        WORD("u8", "\xef\xac\x81"),
        WORD("u9", "fi"),
        WORD("u10", " id"),
        WORD("u11", "id "),
    };
    rki_try(ring, "ids that differ in Unicode normalisation, case or blanks");
    expect_distinct(ring, words, sizeof words / sizeof *words);
}

/* The variable that an index key begins with, which is the record's own to choose. */
static uint16_t first_where(rki_ring *ring)
{
    rki_sample plain;
    rk_id where[RK_SEGMENTS_MAX];
    if (!rki_make_plain(ring, RKI_HOME, "first", &plain) ||
        rki_sample_where(ring->spec, &plain, ring->index, where) == 0)
        return RK_NAME_NONE;
    return rk_names_find(&ring->spec->names, rk_slice_str(where[0].name));
}

/* Index values are compared byte by byte too. Those that JSON cannot hold are no values. */
static void odd_where(rki_ring *ring)
{
    static const word words[] = {
        WORD("w0", "caf\xc3\xa9"), WORD("w1", "cafe\xcc\x81"),
        WORD("w2", "CAF\xc3\x89"), WORD("w3", "a"),
        WORD("w4", "A"),           WORD("w5", "a\0"),
        WORD("w6", "a\0b"),        WORD("w7", " a"),
        WORD("w8", "\x01"),        WORD("w9", "\xf4\x8f\xbf\xbf"),
    };
    const size_t count = sizeof words / sizeof *words;
    rki_sample sample[sizeof words / sizeof *words];
    rki_sample there;
    bool isolated = ring->rule->read != RK_READ_OLD && ring->spec->allowed_count > 1;
    uint16_t name = first_where(ring);
    rki_try(ring, "index values that differ in NUL, Unicode normalisation or case");
    for (size_t i = 0; i < count; i++) {
        rki_wish wish = rki_wish_for(ring, RKI_HOME, words[i].tag);
        wish.parent_tag = "words";
        wish.other = name;
        wish.other_value = words[i].bytes;
        if (!rki_make(ring, &wish, &sample[i]) || !rki_put_family(ring, &sample[i]))
            return;
    }
    for (size_t i = 0; i < count && !ring->failed; i++) {
        rki_expect_query(ring, &sample[i], RKI_HOME, 1, 1);
        if (isolated && rki_as(ring, RKI_STRANGER, &sample[i], &there))
            rki_expect_query(ring, &there, RKI_STRANGER, 1, 0);
    }
    rki_expect_query(ring, &sample[0], RKI_HOME, 0, count);
}

static void odd_tenants(rki_ring *ring)
{
    static const word words[] = {
        WORD("o0", "A"),
        WORD("o1", "a"),
        WORD("o2", "a\0"),
        WORD("o3", "\xff"),
        WORD("o4", "\xc3\x28"),
        WORD("o5", "caf\xc3\xa9"),
        WORD("o6", "cafe\xcc\x81"),
    };
    rki_sample sample;
    uint8_t tenant[RKI_TENANT_BYTES_MAX + 8];
    size_t len = strlen(ring->tenant);
    rki_try(ring, "tenants that differ in NUL, 0xFF, normalisation or case");
    memcpy(tenant, ring->tenant, len);
    for (size_t i = 0; i < sizeof words / sizeof *words && !ring->failed; i++) {
        memcpy(tenant + len, words[i].bytes.ptr, words[i].bytes.len);
        rki_owner *party = &ring->party[RKI_NEIGHBOUR];
        party->scope.tenant = rk_slice_of(tenant, len + words[i].bytes.len);
        party->tenant_word = words[i].tag;
        if (!rki_make_plain(ring, RKI_NEIGHBOUR, words[i].tag, &sample))
            return;
        rki_expect_nothing(ring, RKI_NEIGHBOUR, &sample);
        rki_expect_list(ring, RKI_NEIGHBOUR, 0);
        if (!rki_put_family(ring, &sample))
            return;
        rki_expect_own(ring, RKI_NEIGHBOUR, &sample);
        rki_expect_list(ring, RKI_NEIGHBOUR, 1);
    }
}

/* A capsule is taken byte for byte: the other case is another one, and not allowed. */
static void case_of_capsule(rki_ring *ring)
{
    rki_sample sample;
    char capsule[256];
    rk_slice home = ring->party[RKI_HOME].scope.capsule;
    rki_try(ring, "the capsule in the other case, or with a blank");
    if (home.len >= sizeof capsule - 1 || !rki_make_plain(ring, RKI_HOME, "cased", &sample) ||
        !rki_put_family(ring, &sample))
        return;
    for (size_t i = 0; i < home.len; i++)
        capsule[i] = (char)(isupper(home.ptr[i]) ? tolower(home.ptr[i]) : toupper(home.ptr[i]));
    capsule[home.len] = ' ';
    for (size_t extra = 0; extra < 2 && !ring->failed; extra++) {
        sample.wish.owner.scope.capsule = rk_slice_of(capsule, home.len + extra);
        if (rk_spec_capsule(ring->spec, sample.wish.owner.scope.capsule) < 0)
            expect_invalid(ring, RKI_HOME, &sample);
    }
}

/* --- long keys -------------------------------------------------------------------------------- */

static void lengthen(const rki_sample *sample, const rk_pattern *pattern, uint16_t own,
                     size_t key_max, size_t *room)
{
    uint8_t ignored[1];
    if (!rk_pattern_has(pattern, own))
        return;
    size_t used =
        rk_pattern_write(pattern, &sample->binding, ignored, 0) - sample->binding.value[own].len;
    size_t left = key_max > used ? key_max - used : 0;
    if (left < *room)
        *room = left;
}

/* An index value, in a member, with which only the index key is too long. */
static void index_key_over_limit(rki_ring *ring)
{
    rki_sample sample;
    uint8_t filler[1024];
    size_t key_max = rk_store_capabilities(ring->site->store)->key_bytes_max;
    size_t room = SIZE_MAX;
    uint16_t name = first_where(ring);
    if (ring->failed || rk_pattern_has(&rki_entity(ring)->old_key, name) ||
        rk_pattern_has(&rki_entity(ring)->new_key, name) ||
        !rki_make_plain(ring, RKI_HOME, "long", &sample))
        return;
    lengthen(&sample, &ring->index->old_key, name, key_max, &room);
    lengthen(&sample, &ring->index->new_key, name, key_max, &room);
    memset(filler, 'k', sizeof filler);
    rki_try(ring, "an index value with which the index key is longer than the store takes");
    rki_wish wish = rki_wish_for(ring, RKI_HOME, "long");
    wish.other = name;
    wish.other_value = rk_slice_of(filler, room + 1);
    if (room >= sizeof filler || !rki_put_family(ring, &sample) || !rki_make(ring, &wish, &sample))
        return;
    rki_expect_status(ring, RKI_HOME, rki_call_put(ring, &sample), RK_LIMIT);
    rki_expect_list(ring, RKI_HOME, 1);
    rki_expect_query(ring, &sample, RKI_HOME, 0, 1);
}

/* The longest value of the own variable with which every key of the record still fits. */
static size_t longest_word(const rki_ring *ring, const rki_sample *sample, uint16_t own)
{
    const rk_entity *entity = rki_entity(ring);
    size_t key_max = rk_store_capabilities(ring->site->store)->key_bytes_max;
    size_t room = SIZE_MAX;
    lengthen(sample, &entity->old_key, own, key_max, &room);
    lengthen(sample, &entity->new_key, own, key_max, &room);
    for (size_t i = 0; i < entity->index_count; i++) {
        lengthen(sample, &entity->index[i].old_key, own, key_max, &room);
        lengthen(sample, &entity->index[i].new_key, own, key_max, &room);
    }
    return room;
}

static bool make_long(rki_ring *ring, const char *tag, size_t more, rki_sample *out)
{
    static uint8_t const filler = 'k';
    uint16_t own = rki_own_variable(ring->spec, rki_entity(ring));
    rki_wish wish = rki_wish_for(ring, RKI_HOME, tag);
    wish.parent_tag = "long";
    if (!rki_make(ring, &wish, out))
        return false;
    size_t len = longest_word(ring, out, own) + more;
    uint8_t *long_word = rk_arena_alloc(&ring->arena, len);
    if (!long_word || len == 0)
        return false;
    memset(long_word, filler, len);
    wish.other = own;
    wish.other_value = rk_slice_of(long_word, len);
    return rki_make(ring, &wish, out);
}

static void longest_key(rki_ring *ring)
{
    rki_sample longest;
    rki_sample there;
    rki_try(ring, "an id with which the longest key is just as long as the store takes");
    if (!make_long(ring, "longest", 0, &longest) || !rki_put_family(ring, &longest))
        return;
    rki_expect_own(ring, RKI_HOME, &longest);
    rki_expect_list(ring, RKI_HOME, 1);
    if (ring->rule->read != RK_READ_OLD && ring->spec->allowed_count > 1 &&
        rki_as(ring, RKI_STRANGER, &longest, &there)) {
        rki_answer answer = rki_call_get(ring, &there);
        if (answer.status == RK_OK)
            rki_fail_case(ring, RKI_STRANGER, "a get gave %zu bytes", answer.value.bytes.len);
        rki_answer_fini(&answer);
    }
}

/* Ids that would be the longest one's if keys were cut. */
static void key_over_limit(rki_ring *ring)
{
    static const size_t more[] = {1, 2, 64, 600};
    rki_sample longest;
    rki_sample over;
    if (!make_long(ring, "longest", 0, &longest) || !rki_put_family(ring, &longest))
        return;
    for (size_t i = 0; i < sizeof more / sizeof *more && !ring->failed; i++) {
        rki_try(ring, "an id with which a key is %zu bytes longer than the store takes", more[i]);
        if (!make_long(ring, "over", more[i], &over))
            return;
        rki_answer answer = rki_call_get(ring, &over);
        if (answer.status != RK_LIMIT && answer.status != RK_NOT_FOUND)
            rki_fail_case(ring, RKI_HOME, "a get was answered \"%s\", %zu bytes",
                          rk_status_name(answer.status), answer.value.bytes.len);
        rki_answer_fini(&answer);
        rki_expect_status(ring, RKI_HOME, rki_call_put(ring, &over), RK_LIMIT);
        answer = rki_call_delete(ring, &over);
        if (answer.status != RK_LIMIT && answer.status != RK_NOT_FOUND)
            rki_fail_case(ring, RKI_HOME, "a delete was answered \"%s\"",
                          rk_status_name(answer.status));
        rki_answer_fini(&answer);
        rki_expect_own(ring, RKI_HOME, &longest);
    }
    rki_expect_list(ring, RKI_HOME, 1);
}

const rki_attack rki_byte_attacks[] = {
    {"delimiter_in_id", RKI_OF_ENTITY, RKI_OWN_ID, delimiter_in_id},
    {"delimiter_in_scope", RKI_OF_ENTITY, 0, delimiter_in_scope},
    {"delimiter_in_where", RKI_OF_INDEX, 0, hostile_where},
    {"delimiter_in_member", RKI_OF_INDEX, RKI_OWN_WHERE | RKI_JSON, delimiter_in_member},
    {"empty_words", RKI_OF_ENTITY, 0, empty_words},
    {"wrong_words", RKI_OF_ENTITY, 0, wrong_words},
    {"odd_bytes", RKI_OF_ENTITY, RKI_OWN_ID, odd_bytes},
    {"odd_where", RKI_OF_INDEX, RKI_OWN_ID | RKI_OWN_WHERE, odd_where},
    {"odd_tenants", RKI_OF_ENTITY, RKI_NO_LOOKUP, odd_tenants},
    {"unicode_and_case", RKI_OF_ENTITY, RKI_OWN_ID, unicode_and_case},
    {"case_of_capsule", RKI_OF_ENTITY, 0, case_of_capsule},
    {"longest_key", RKI_OF_ENTITY, RKI_OWN_ID, longest_key},
    {"key_over_limit", RKI_OF_ENTITY, RKI_OWN_ID, key_over_limit},
    {"index_key_over_limit", RKI_OF_INDEX, RKI_OWN_WHERE | RKI_JSON, index_key_over_limit},
    {0},
};
