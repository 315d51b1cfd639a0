/* page.c: one page of a list or a query, from one snapshot.
 *
 * A side is an ordered walk over the old or the new keys that keeps one acceptable record in hand.
 * Where both are read, the page merges them; an old record whose new one is there is left out.
 *
 * Places are kept for both sides: a record that was given counts as given on the other side too, so
 * that a migration that moves it meanwhile makes no list give it twice or lose it.
 */
#include "rekey/client/client_private.h"

#include "rekey/base/fault.h"
#define PAGE_BYTES_MAX   ((size_t)4 * 1024 * 1024)
#define PAGE_ENTRIES_MAX 65536
#define FIRST_ROWS       32

typedef struct side {
    bool used;
    bool new_side;
    rk_table table;
    const rk_pattern *primary;
    const rk_pattern *index; /* NULL for a list */
    rk_binding fixed;        /* what every record of the walk has: the scope and `where` */
    rk_buf prefix;
    bool whole; /* the prefix is the one possible key */
    rk_cursor *cursor;
    bool begun;
    bool ended;
    /* The record in hand. */
    bool has;
    rk_slice value;
    rk_binding binding; /* variables of its keys */
    rki_place at[2];    /* where it is in the old and in the new order */
} side;

/* A walk while it goes on. */
typedef struct walk {
    rki_session *session;
    rki_page *page;
    rk_error *err;
    size_t entries; /* looked at */
    bool unlimited;
    side side[2]; /* old, new */
} walk;

/* --- alignment -------------------------------------------------------------------------------- */

/* Position of the first variable that the scope does not give. */
static size_t first_free(const rk_spec *spec, const rk_pattern *pattern)
{
    size_t i = 0;
    while (i < pattern->segment_count &&
           (!pattern->segment[i].variable || pattern->segment[i].name == spec->tenant ||
            pattern->segment[i].name == spec->capsule))
        i++;
    return i;
}

static bool same_segment(const rk_segment *a, const rk_segment *b)
{
    if (a->variable != b->variable)
        return false;
    return a->variable ? a->name == b->name : rk_slice_equal(a->literal, b->literal);
}

/* Keys that begin alike and end in the same segments sort alike. */
static bool same_tail(const rk_spec *spec, const rk_pattern *a, const rk_pattern *b)
{
    size_t i = first_free(spec, a);
    size_t j = first_free(spec, b);
    if (a->segment_count - i != b->segment_count - j)
        return false;
    for (; i < a->segment_count; i++, j++) {
        if (!same_segment(&a->segment[i], &b->segment[j]))
            return false;
    }
    return true;
}

bool rki_page_aligned(const rk_spec *spec, const rk_entity *entity, const rk_index *index)
{
    if (rk_pattern_has(&entity->old_key, spec->capsule)) /* sorted by capsule first */
        return false;
    return same_tail(spec, &entity->old_key, &entity->new_key) &&
           (!index || same_tail(spec, &index->old_key, &index->new_key));
}

/* --- places ----------------------------------------------------------------------------------- */

static int compare_places(const rki_place *a, const rki_place *b)
{
    int order = rk_slice_compare(a->key, b->key);
    return order != 0 ? order : rk_slice_compare(a->primary, b->primary);
}

/* The record's place on the other side, where its keys alone can tell. */
static rk_status translate(walk *w, side *s, rk_slice index_key, rk_slice primary_key)
{
    const rki_target *target = w->page->target;
    const rk_entity *entity = target->entity;
    rki_place *own = &s->at[s->new_side];
    rki_place *other = &s->at[!s->new_side];
    rk_slice primary = RK_SLICE_EMPTY;
    rk_slice key = RK_SLICE_EMPTY;
    s->binding.value[w->session->spec->capsule] = target->capsule;
    rk_status status = rki_target_key(w->session, s->new_side ? &entity->old_key : &entity->new_key,
                                      &s->binding, &primary, w->err);
    if (status == RK_OK && s->index) {
        const rk_index *index = w->page->index;
        status = rki_target_key(w->session, s->new_side ? &index->old_key : &index->new_key,
                                &s->binding, &key, w->err);
    }
    if (s->index) {
        *own = (rki_place){index_key, primary_key};
        *other = key.len > 0 && primary.len > 0 ? (rki_place){key, primary} : (rki_place){0};
    } else {
        *own = (rki_place){primary_key, RK_SLICE_EMPTY};
        *other = (rki_place){primary, RK_SLICE_EMPTY};
    }
    return status;
}

/* --- accepting a record ----------------------------------------------------------------------- */

static rk_slice entry_key(const walk *w, const rki_found *found, bool new_side)
{
    for (size_t i = 0; i < found->image.index_count; i++) {
        if (found->image.index[i].table_index == w->page->index->table_index)
            return new_side ? found->image.index[i].new_key : found->image.index[i].old_key;
    }
    return RK_SLICE_EMPTY;
}

static rk_status accept_new(walk *w, const side *s, rki_found *found, rk_slice index_key,
                            bool *accepted)
{
    rk_status status = rki_judge_new(w->session, found, w->err);
    *accepted =
        status == RK_OK && (rk_fault("entry_unchecked") || rk_fault("entry_scope_unchecked"));
    if (*accepted)
        return RK_OK;
    *accepted = status == RK_OK && found->reason == RK_REASON_NONE &&
                (!s->index || rk_slice_equal(entry_key(w, found, true), index_key));
    return status;
}

/* Whether the record that the side has in hand is at its new key already. */
static rk_status is_moved(walk *w, const side *s, bool *moved)
{
    rki_target target = *w->page->target;
    rki_found new;
    const rk_pattern *old_key = &target.entity->old_key;
    for (size_t i = 0; i < old_key->segment_count; i++) {
        if (old_key->segment[i].variable) {
            uint16_t name = old_key->segment[i].name;
            target.binding.value[name] = s->binding.value[name];
        }
    }
    rk_status status = rki_target_new_key(w->session, &target, w->err);
    if (status == RK_OK)
        status = rki_find_new(w->session, &target, &new, w->err);
    *moved = status == RK_OK && rki_is_consistent(&new);
    return status;
}

/* Reads by the old keys alone take what is there, as the application always did. */
static rk_status accept_old(walk *w, const side *s, rki_found *found, rk_slice index_key,
                            bool *accepted)
{
    bool moved = false;
    bool as_ever = w->session->rule->read == RK_READ_OLD;
    *accepted = true;
    if (as_ever && w->session->sight == RK_SIGHT_FULL)
        return RK_OK;
    rk_status status = rki_judge_old(w->session, found, w->err);
    if (as_ever) {
        *accepted = status == RK_OK && rki_is_in_scope(found, w->page->target);
        return status;
    }
    *accepted = status == RK_OK && rk_fault("list_ignores_capsule");
    if (*accepted)
        return RK_OK;
    *accepted = status == RK_OK && rki_is_in_scope(found, w->page->target) &&
                (!s->index || rk_slice_equal(entry_key(w, found, false), index_key));
    if (!*accepted)
        return status;
    status = is_moved(w, s, &moved);
    *accepted = status == RK_OK && !moved;
    return status;
}

/* Whether the bound tenant and capsule, where the pattern has them, are the scope's. */
static bool in_scope(const walk *w, const side *s, const rk_pattern *pattern, bool capsule_too)
{
    const rk_spec *spec = w->session->spec;
    const rki_target *target = w->page->target;
    if (rk_fault("prefix_without_delimiter"))
        return true;
    if (rk_pattern_has(pattern, spec->tenant) &&
        !rk_slice_equal(s->binding.value[spec->tenant], target->binding.value[spec->tenant]))
        return false;
    return !capsule_too || !rk_pattern_has(pattern, spec->capsule) ||
           rk_slice_equal(s->binding.value[spec->capsule], target->capsule);
}

/* The names of the record in s->binding. */
static bool match_entry(const walk *w, side *s, rk_slice index_key, rk_slice primary_key)
{
    bool capsule_too = s->new_side || w->session->rule->read != RK_READ_OLD;
    s->binding = s->fixed;
    if (s->index &&
        (!rk_pattern_match(s->index, index_key, &s->binding) || !in_scope(w, s, s->index, true)))
        return false;
    return rk_pattern_match(s->primary, primary_key, &s->binding) &&
           (rk_fault("entry_scope_unchecked") || in_scope(w, s, s->primary, capsule_too));
}

static rk_status accept(walk *w, side *s, const rk_entry *entry)
{
    rk_slice index_key = s->index ? entry->key : RK_SLICE_EMPTY;
    rki_found found = {.present = true, .key = s->index ? entry->value : entry->key};
    bool accepted = false;
    if (!match_entry(w, s, index_key, found.key))
        return RK_OK;
    found.value = entry->value;
    rk_status status = RK_OK;
    if (s->index)
        status = rk_view_get(w->session->view, w->session->tables.records, found.key, &found.value,
                             w->err);
    if (status != RK_OK)
        return status == RK_NOT_FOUND && !rk_fault("dangling_entry_fails") ? RK_OK : status;
    status = s->new_side ? accept_new(w, s, &found, index_key, &accepted)
                         : accept_old(w, s, &found, index_key, &accepted);
    if (status != RK_OK || !accepted)
        return status;
    s->value = found.value;
    s->has = true;
    return translate(w, s, index_key, found.key);
}

/* --- walking ---------------------------------------------------------------------------------- */

static rki_place place_of(const side *s, const rk_entry *entry)
{
    return s->index ? (rki_place){entry->key, entry->value}
                    : (rki_place){entry->key, RK_SLICE_EMPTY};
}

/* The entry behind the side's place, or behind the last one given. */
static rk_status step(walk *w, side *s, rk_entry *entry)
{
    const rki_place *place = &w->page->place[s->new_side];
    if (s->begun)
        return rk_cursor_next(s->cursor, entry, w->err);
    s->begun = true;
    if (place->key.len == 0)
        return rk_cursor_seek(s->cursor, rk_buf_slice(&s->prefix), entry, w->err);
    rk_status status =
        s->index ? rk_cursor_seek_entry(s->cursor, place->key, place->primary, entry, w->err)
                 : rk_cursor_seek(s->cursor, place->key, entry, w->err);
    if (status != RK_OK)
        return status;
    rki_place found = place_of(s, entry);
    return compare_places(&found, place) == 0 ? rk_cursor_next(s->cursor, entry, w->err) : RK_OK;
}

static bool in_range(const side *s, rk_slice key)
{
    rk_slice prefix = rk_buf_slice(&s->prefix);
    if (rk_fault("ends_cut") && key.ptr[key.len - 1] == 0xff)
        return false;
    return s->whole && !rk_fault("query_prefix_loose") ? rk_slice_equal(key, prefix)
                                                       : rk_slice_starts_with(key, prefix);
}

static bool is_spent(const walk *w)
{
    return !w->unlimited &&
           (w->entries >= PAGE_ENTRIES_MAX || w->session->arena.handed_out >= PAGE_BYTES_MAX);
}

/* Goes on until the side has a record in hand, ends, or the page is spent. */
static rk_status advance(walk *w, side *s)
{
    rk_entry entry;
    if (!s->used || s->has || s->ended)
        return RK_OK;
    do {
        rk_status status = step(w, s, &entry);
        if (status == RK_NOT_FOUND || (status == RK_OK && !in_range(s, entry.key))) {
            s->ended = true;
            return RK_OK;
        }
        w->entries++;
        if (status == RK_OK)
            status = accept(w, s, &entry);
        if (status != RK_OK || s->has)
            return status;
        w->page->place[s->new_side] = place_of(s, &entry);
    } while (!is_spent(w));
    return RK_OK;
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Only for the planted bug: LITERAL#tenant, which is how LITERAL#tenant0# begins too. */
static void cut_prefix(const walk *w, side *s)
{
    const rk_spec *spec = w->session->spec;
    rk_slice literal = rk_slice_str(spec->tenant_literal);
    if (rk_slice_starts_with(rk_buf_slice(&s->prefix), literal))
        s->prefix.len = literal.len + 1 + s->fixed.value[spec->tenant].len;
    s->whole = false;
}

static rk_status fix_prefix(walk *w, side *s)
{
    const rki_page *page = w->page;
    rki_target target = *page->target;
    rk_status status = RK_OK;
    if (s->index)
        status = rki_target_bind_where(w->session, page->index, s->new_side, page->where,
                                       page->where_count, &target, w->err);
    if (status != RK_OK)
        return status;
    s->fixed = target.binding;
    if (!s->index && w->session->rule->read == RK_READ_OLD)
        target.binding.value[w->session->spec->capsule] = RK_SLICE_EMPTY;
    status = rk_pattern_prefix(s->index ? s->index : s->primary, &target.binding, &s->prefix,
                               &s->whole, w->err);
    if (status == RK_OK && rk_fault("prefix_without_delimiter"))
        cut_prefix(w, s);
    return status;
}

static rk_status open_side(walk *w, side *s, bool new_side)
{
    const rki_page *page = w->page;
    const rk_entity *entity = page->target->entity;
    s->used = w->session->rule->read != (new_side ? RK_READ_OLD : RK_READ_NEW);
    s->new_side = new_side;
    rk_buf_init(&s->prefix, w->session->client->key_bytes_max);
    if (!s->used)
        return RK_OK;
    s->primary = new_side ? &entity->new_key : &entity->old_key;
    s->table = w->session->tables.records;
    if (page->index) {
        s->index = new_side ? &page->index->new_key : &page->index->old_key;
        s->table = w->session->tables.index[page->index->table_index];
    }
    rk_status status = fix_prefix(w, s);
    s->ended = s->table == RK_TABLE_NONE;
    if (status == RK_OK && page->place[new_side].key.len > 0 && !rk_fault("position_unbound") &&
        !in_range(s, page->place[new_side].key))
        status = rk_error_set(w->err, RK_INVALID, "the position belongs to another list");
    if (status == RK_OK && !s->ended)
        status = rk_cursor_open(w->session->view, s->table, &s->cursor, w->err);
    return status;
}

static void close_side(side *s)
{
    rk_cursor_close(s->cursor);
    rk_buf_fini(&s->prefix);
}

/* --- giving rows ------------------------------------------------------------------------------ */

static rk_status make_room(walk *w)
{
    rki_page *page = w->page;
    if (page->row_count < page->row_room)
        return RK_OK;
    size_t room = page->row_room ? 2 * page->row_room : FIRST_ROWS;
    rki_row *rows = rk_arena_alloc(&w->session->arena, room * sizeof *rows);
    if (!rows)
        return rk_error_set(w->err, RK_LIMIT, "the list does not fit the memory of one page");
    if (page->row_count > 0)
        memcpy(rows, page->rows, page->row_count * sizeof *rows);
    page->rows = rows;
    page->row_room = room;
    return RK_OK;
}

static rk_status copy_ids(walk *w, const side *s, rki_row *row)
{
    const rk_spec *spec = w->session->spec;
    const rk_pattern *pattern = &w->page->target->entity->old_key;
    row->ids = rk_arena_alloc(&w->session->arena, (pattern->segment_count + 1) * sizeof *row->ids);
    if (!row->ids)
        return rk_error_set(w->err, RK_LIMIT, "the list does not fit the memory of one page");
    for (size_t i = 0; i < pattern->segment_count; i++) {
        const rk_segment *segment = &pattern->segment[i];
        if (!segment->variable || segment->name == spec->tenant || segment->name == spec->capsule)
            continue;
        rk_id *id = &row->ids[row->id_count++];
        id->name = spec->names.name[segment->name];
        rk_status status =
            rk_arena_copy(&w->session->arena, s->binding.value[segment->name], &id->value, w->err);
        if (status != RK_OK)
            return status;
    }
    return RK_OK;
}

static void move_places(rki_page *page, const side *s)
{
    page->place[s->new_side] = s->at[s->new_side];
    rki_place *other = &page->place[!s->new_side];
    const rki_place *given = &s->at[!s->new_side];
    if (page->aligned && given->key.len > 0 && compare_places(given, other) > 0)
        *other = *given;
}

static rk_status copy_place(walk *w, const rki_place *place, rki_place *out)
{
    rk_arena *arena = &w->session->arena;
    rk_status status = rk_arena_copy(arena, place->key, &out->key, w->err);
    return status == RK_OK ? rk_arena_copy(arena, place->primary, &out->primary, w->err) : status;
}

/* Where the other side's place is not known, the last row's that was will do: it lies before. */
static rk_status copy_places(walk *w, const side *s, rki_row *row)
{
    rki_page *page = w->page;
    for (int i = 0; i < 2; i++) {
        bool known = s->at[i].key.len > 0 && (page->aligned || i == s->new_side);
        row->at[i] = page->given[i];
        rk_status status = known ? copy_place(w, &s->at[i], &row->at[i]) : RK_OK;
        if (status != RK_OK)
            return status;
    }
    memcpy(page->given, row->at, sizeof page->given);
    return RK_OK;
}

static rk_status give(walk *w, side *s)
{
    rki_row row = {0};
    rk_status status = make_room(w);
    if (status == RK_OK)
        status = copy_ids(w, s, &row);
    if (status == RK_OK)
        status = copy_places(w, s, &row);
    if (status == RK_OK)
        status = rk_arena_copy(&w->session->arena, s->value, &row.value, w->err);
    if (status != RK_OK)
        return status;
    w->page->rows[w->page->row_count++] = row;
    move_places(w->page, s);
    s->has = false;
    return RK_OK;
}

/* Of two records in hand, the one that comes first by the old order. */
static side *first_of(walk *w)
{
    side *old = &w->side[0];
    side *new = &w->side[1];
    if (!old->has || !new->has)
        return old->has ? old : new;
    return compare_places(&old->at[0], &new->at[0]) < 0 ? old : new;
}

static rk_status fill(walk *w)
{
    rki_page *page = w->page;
    while (w->unlimited || page->row_count < page->rows_max) {
        bool undecided = false;
        bool any = false;
        for (int i = 0; i < 2; i++) {
            side *s = &w->side[i];
            rk_status status = advance(w, s);
            if (status != RK_OK)
                return status;
            undecided |= s->used && !s->has && !s->ended;
            any |= s->has;
        }
        if (undecided || !any) {
            page->ended = !undecided;
            return RK_OK;
        }
        rk_status status = give(w, first_of(w));
        if (status != RK_OK || is_spent(w))
            return status;
    }
    return RK_OK;
}

rk_status rki_page_read(rki_session *session, rki_page *page, rk_error *err)
{
    walk w = {.session = session, .page = page, .err = err};
    /* Two orders cannot be merged page by page: then all of it comes from one snapshot. */
    page->is_whole = !page->aligned && session->rule->read == RK_READ_NEW_THEN_OLD;
    w.unlimited = page->is_whole;
    rk_status status = open_side(&w, &w.side[0], false);
    if (status == RK_OK)
        status = open_side(&w, &w.side[1], true);
    if (status == RK_OK && session->sight == RK_SIGHT_NONE)
        page->ended = true;
    else if (status == RK_OK)
        status = fill(&w);
    close_side(&w.side[0]);
    close_side(&w.side[1]);
    return status;
}
