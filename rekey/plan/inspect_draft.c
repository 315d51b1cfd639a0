/* The draft of a spec, from what an inspection has found. */
#include "rekey/plan/inspect_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "rekey/spec/spec.h"

#define LINE_BYTES_MAX    4096
#define SAMPLES_BYTES_MAX (16 * 1024 * 1024)
#define USES_A_STEP       8 /* each reads some records, which may be long */

typedef struct rk_inspect_draft {
    rk_inspect *inspect;
    char *migration;
    rki_reader reader;      /* of the index table that is being read */
    size_t at;              /* that table */
    size_t named;           /* uses that have their names */
    const rki_table *table; /* the records */
    rk_slice tenant;        /* the literal before the tenant */
    rki_draft_record record[RK_ENTITIES_MAX];
    size_t record_count;
    rki_use *use;
    size_t use_count;
    rk_arena arena; /* sampled keys */
    rk_buf left;    /* comment lines: shapes that are not covered, and why */
    rk_buf *out;
    rk_status status; /* the first failure of writing */
    rk_error *err;    /* of the call */
} draft;

/* --- writing ---------------------------------------------------------------------------------- */

static void say(draft *d, rk_buf *to, const char *format, ...) RK_PRINTF(3, 4);

static void say(draft *d, rk_buf *to, const char *format, ...)
{
    char line[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (d->status == RK_OK)
        d->status = rk_buf_append_str(to, line, d->err);
}

static void say_shape(draft *d, rk_buf *to, const rki_named_shape *named)
{
    rki_named_shape copy = *named;
    if (d->status == RK_OK)
        d->status = rki_shape_text(&copy.shape, copy.name, to, d->err);
}

/* A YAML double-quoted text of any bytes. */
static void say_quoted(draft *d, rk_buf *to, const char *text)
{
    say(d, to, "\"");
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f)
            say(d, to, "\\x%02x", byte);
        else
            say(d, to, byte == '"' || byte == '\\' ? "\\%c" : "%c", byte);
    }
    say(d, to, "\"");
}

static void leave_out(draft *d, const rki_named_shape *named, uint64_t records, const char *why)
{
    say(d, &d->left, "#   ");
    say_shape(d, &d->left, named);
    say(d, &d->left, ": %" PRIu64 " records, %s\n", records, why);
}

/* --- the records ------------------------------------------------------------------------------ */

/* Recursion is as deep as keys have segments. */
static uint64_t records_below(const rki_key_tree *tree, uint32_t at)
{
    const rki_key_node *node = &tree->node[at];
    uint64_t records = node->records;
    for (uint32_t word = node->first_word; word; word = tree->node[word].next_word)
        records += records_below(tree, word);
    return records + (node->variable ? records_below(tree, node->variable) : 0);
}

/* The first word that a variable follows in most keys: TENANT. */
static rk_slice tenant_word(const rki_key_tree *tree, uint64_t *records)
{
    rk_slice best = RK_SLICE_EMPTY;
    *records = 0;
    if (tree->count == 0)
        return best;
    for (uint32_t at = tree->node[0].first_word; at; at = tree->node[at].next_word) {
        const rki_key_node *node = &tree->node[at];
        uint64_t below = node->variable ? records_below(tree, node->variable) : 0;
        if (node->word_len == 0 || below <= *records)
            continue;
        *records = below;
        best = rk_slice_of(node->word, node->word_len);
    }
    return best;
}

static rk_status choose_table(draft *d, rk_error *err)
{
    uint64_t most = 0;
    for (size_t i = 0; i < d->inspect->table_count; i++) {
        const rki_table *table = &d->inspect->table[i];
        uint64_t records = 0;
        if (table->info.kind != RK_INSPECT_RECORDS)
            continue;
        rk_slice tenant = tenant_word(&table->tree, &records);
        if (tenant.len == 0 || records <= most)
            continue;
        most = records;
        d->table = table;
        d->tenant = tenant;
    }
    if (!d->table)
        return rk_error_set(err, RK_NOT_FOUND,
                            "draft a spec: no table has keys that begin with a word and a tenant, "
                            "such as TENANT#acme#");
    return RK_OK;
}

static bool part_is(const rki_key_shape *shape, size_t at, rk_slice word)
{
    return at < shape->part_count && !shape->part[at].variable &&
           rk_slice_equal(shape->part[at].word, word);
}

/* NULL when the shape can be an entity's old key. */
static const char *unfit(const draft *d, const rki_named_shape *named)
{
    const rki_key_shape *shape = &named->shape;
    if (!part_is(shape, 0, d->tenant) || shape->part_count < 3 || !shape->part[1].variable)
        return "of another owner: the tenant is not where the others have it";
    if (part_is(shape, 2, RK_SLICE_LITERAL(RKI_CAPSULE)) && shape->part_count > 3)
        return "have the capsule in the key already";
    if (shape->part_count + 2 > RK_SEGMENTS_MAX)
        return "have too many segments";
    for (size_t i = 0; i < shape->part_count; i++) {
        if (!shape->part[i].variable && shape->part[i].word.len == 0)
            return "have an empty segment";
        if (strcmp(named->name[i], RKI_CAPSULE_ID) == 0)
            return "have the capsule in the key already";
    }
    return NULL;
}

static rk_status take_shape(void *context, const rki_key_shape *shape)
{
    draft *d = context;
    rki_draft_record record = {.records = d->table->tree.node[shape->node].records};
    record.old_key.shape = *shape;
    rki_shape_names(shape, record.old_key.name);
    const char *why = unfit(d, &record.old_key);
    if (!why && d->record_count == RK_ENTITIES_MAX)
        why = "more entities than a spec can hold";
    if (why)
        leave_out(d, &record.old_key, record.records, why);
    else
        d->record[d->record_count++] = record;
    return d->status;
}

static int compare_records(const void *a, const void *b)
{
    const rki_draft_record *x = a;
    const rki_draft_record *y = b;
    return (x->records < y->records) - (x->records > y->records);
}

/* --- overlaps --------------------------------------------------------------------------------- */

static rki_named_shape new_shape(const rki_named_shape *old_key, const rki_named_shape *rest_of)
{
    rki_named_shape made = {.shape.part_count = 4};
    made.shape.part[0] = old_key->shape.part[0];
    made.shape.part[1] = old_key->shape.part[1];
    memcpy(made.name[1], old_key->name[1], sizeof made.name[1]);
    made.shape.part[2].word = RK_SLICE_LITERAL(RKI_CAPSULE);
    made.shape.part[3].variable = true;
    memcpy(made.name[3], RKI_CAPSULE_ID, sizeof RKI_CAPSULE_ID);
    for (size_t i = 0; i < rest_of->shape.part_count; i++) {
        bool scope =
            rest_of->shape.part[i].variable && (strcmp(rest_of->name[i], RKI_CAPSULE_ID) == 0 ||
                                                strcmp(rest_of->name[i], old_key->name[1]) == 0);
        size_t at = made.shape.part_count;
        if (scope) {
            /* The word before the tenant or the capsule goes with it. */
            made.shape.part_count -= at > 4 && !made.shape.part[at - 1].variable;
        } else if (at < RK_SEGMENTS_MAX) {
            made.shape.part[at] = rest_of->shape.part[i];
            memcpy(made.name[at], rest_of->name[i], sizeof made.name[at]);
            made.shape.part_count++;
        }
    }
    return made;
}

static bool shapes_overlap(const rki_key_shape *a, const rki_key_shape *b)
{
    if (a->part_count != b->part_count)
        return false;
    for (size_t i = 0; i < a->part_count; i++) {
        if (!a->part[i].variable && !b->part[i].variable &&
            !rk_slice_equal(a->part[i].word, b->part[i].word))
            return false;
    }
    return true;
}

static bool overlaps_any(const draft *d, size_t kept, const rki_draft_record *record)
{
    rki_named_shape made = new_shape(&record->old_key, &record->old_key);
    for (size_t i = 0; i < kept; i++) {
        rki_named_shape other = new_shape(&d->record[i].old_key, &d->record[i].old_key);
        if (shapes_overlap(&record->old_key.shape, &d->record[i].old_key.shape) ||
            shapes_overlap(&made.shape, &other.shape) ||
            shapes_overlap(&made.shape, &d->record[i].old_key.shape) ||
            shapes_overlap(&record->old_key.shape, &other.shape))
            return true;
    }
    return shapes_overlap(&made.shape, &record->old_key.shape);
}

static void drop_overlaps(draft *d)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->record_count; i++) {
        if (overlaps_any(d, kept, &d->record[i]))
            leave_out(d, &d->record[i].old_key, d->record[i].records,
                      "whose keys another pattern matches too");
        else if (kept != i)
            d->record[kept++] = d->record[i];
        else
            kept++;
    }
    d->record_count = kept;
}

/* --- titles ----------------------------------------------------------------------------------- */

/* Appends LINE_ITEM as LineItem. */
static size_t append_title(char *title, size_t len, rk_slice word)
{
    bool start = true;
    for (size_t i = 0; i < word.len && len < RK_NAME_BYTES_MAX - 4; i++) {
        uint8_t byte = word.ptr[i];
        bool upper = byte >= 'A' && byte <= 'Z';
        bool lower = byte >= 'a' && byte <= 'z';
        if (upper && !start)
            byte = (uint8_t)(byte + 32);
        else if (lower && start)
            byte = (uint8_t)(byte - 32);
        start = !upper && !lower;
        if (!start)
            title[len++] = (char)byte;
    }
    title[len] = '\0';
    return len;
}

static bool title_taken(const draft *d, size_t count, const char *title)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(d->record[i].title, title) == 0)
            return true;
    }
    return false;
}

static void give_title(draft *d, size_t at)
{
    rki_draft_record *record = &d->record[at];
    const rki_key_shape *shape = &record->old_key.shape;
    size_t len = 0;
    for (size_t i = 2; i < shape->part_count; i++) {
        if (!shape->part[i].variable)
            len = append_title(record->title, len, shape->part[i].word);
    }
    if (len == 0)
        len = append_title(record->title, 0, RK_SLICE_LITERAL("RECORD"));
    for (unsigned next = 2; title_taken(d, at, record->title); next++)
        snprintf(record->title + len, sizeof record->title - len, "%u", next);
}

/* --- the indexes ------------------------------------------------------------------------------ */

static bool is_index(const draft *d, const rki_table *table)
{
    return table->info.kind == RK_INSPECT_INDEX && table->info.index_of == d->table->info.name;
}

static size_t record_of(const draft *d, rk_slice primary)
{
    uint32_t node = rki_tree_find(&d->table->tree, primary);
    size_t at = 0;
    while (at < d->record_count && (!node || d->record[at].old_key.shape.node != node))
        at++;
    return at;
}

/* NULL when there are too many. */
static rki_use *use_of(draft *d, size_t table, uint32_t node, size_t record)
{
    for (size_t i = 0; i < d->use_count; i++) {
        rki_use *use = &d->use[i];
        if (use->table == table && use->record == record && use->old_key.shape.node == node)
            return use;
    }
    if (d->use_count == RKI_USES_MAX)
        return NULL;
    rki_use *use = &d->use[d->use_count++];
    use->table = table;
    use->record = record;
    use->old_key.shape.node = node;
    return use;
}

static rk_status take_index_entry(draft *d, size_t table, const rk_entry *entry, rk_error *err)
{
    uint32_t node = rki_tree_find(&d->inspect->table[table].tree, entry->key);
    size_t record = record_of(d, entry->value);
    rki_use *use = node && record < d->record_count ? use_of(d, table, node, record) : NULL;
    if (!use)
        return RK_OK;
    use->entries++;
    if (use->sample_count == RKI_SAMPLES_MAX || use->entries % 16 != 1)
        return RK_OK;
    size_t at = use->sample_count;
    rk_status status = rk_arena_copy(&d->arena, entry->key, &use->sample_key[at], err);
    if (status == RK_OK)
        status = rk_arena_copy(&d->arena, entry->value, &use->sample_primary[at], err);
    if (status == RK_OK)
        use->sample_count++;
    return status;
}

/* RK_NOT_FOUND when the table is read to its end. */
static rk_status read_batch(draft *d, size_t table, rk_error *err)
{
    rk_entry entry;
    rk_status status = rki_reader_resume(&d->reader, &entry, err);
    for (size_t i = 1; status == RK_OK; i++) {
        status = take_index_entry(d, table, &entry, err);
        if (status != RK_OK)
            return status;
        if (i == RKI_BATCH_ENTRIES)
            return rki_reader_keep(&d->reader, &entry, err);
        status = rki_reader_next(&d->reader, &entry, err);
    }
    return status;
}

typedef struct fill {
    draft *d;
    size_t table;
} fill;

static rk_status fill_shape(void *context, const rki_key_shape *shape)
{
    fill *f = context;
    for (size_t i = 0; i < f->d->use_count; i++) {
        rki_use *use = &f->d->use[i];
        if (use->table == f->table && use->old_key.shape.node == shape->node)
            use->old_key.shape = *shape;
    }
    return RK_OK;
}

static bool is_json(const draft *d)
{
    return d->table->json * 2 >= d->table->sampled;
}

/* As lint has it: letters, digits, '_', '-' and '.', a letter first. */
static bool is_index_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-.";
    size_t len = strlen(name);
    return len > 0 && len <= RK_NAME_BYTES_MAX && strspn(name, allowed) == len &&
           strchr(allowed, name[0]) < strchr(allowed, '0');
}

/* With opaque values an index key holds variables of the primary key only. */
static bool is_in_key(const draft *d, const rki_use *use, size_t part)
{
    const rki_named_shape *key = &d->record[use->record].old_key;
    bool found = strcmp(use->old_key.name[part], RKI_CAPSULE_ID) == 0;
    for (size_t i = 0; !found && i < key->shape.part_count; i++)
        found = strcmp(use->old_key.name[part], key->name[i]) == 0;
    return found;
}

static const char *unfit_index(const draft *d, const rki_use *use)
{
    const rki_key_shape *shape = &use->old_key.shape;
    if (!is_index_name(d->inspect->table[use->table].info.name))
        return "the table's name can be no index's name";
    if (shape->part_count + 4 > RK_SEGMENTS_MAX)
        return "too many segments";
    if (new_shape(&d->record[use->record].old_key, &use->old_key).shape.part_count == 4)
        return "nothing besides tenant and capsule";
    for (size_t i = 0; i < shape->part_count; i++) {
        if (!shape->part[i].variable && shape->part[i].word.len == 0)
            return "an empty segment";
        if (shape->part[i].variable && !is_json(d) && !is_in_key(d, use, i))
            return "a segment that is not in the key of its record";
    }
    return NULL;
}

/* Lint wants an index's old entries told from its new ones, whatever the entity. */
static bool is_ambiguous(const draft *d, const rki_use *a, const rki_use *b)
{
    rki_named_shape a_new = new_shape(&d->record[a->record].old_key, &a->old_key);
    rki_named_shape b_new = new_shape(&d->record[b->record].old_key, &b->old_key);
    return a->table == b->table && (shapes_overlap(&a->old_key.shape, &b_new.shape) ||
                                    shapes_overlap(&b->old_key.shape, &a_new.shape));
}

static void judge_indexes(draft *d)
{
    for (size_t i = 0; i < d->use_count; i++) {
        rki_use *use = &d->use[i];
        use->unfit = unfit_index(d, use);
        for (size_t j = 0; !use->unfit && j <= i; j++) {
            if (!d->use[j].unfit && is_ambiguous(d, use, &d->use[j]))
                use->unfit = "its old entries could not be told from new ones";
        }
    }
}

/* A batch of the index table that comes next. */
static rk_status step_index(draft *d, rk_error *err)
{
    rk_inspect *inspect = d->inspect;
    rki_table *table = &inspect->table[d->at];
    fill f = {d, d->at};
    rk_status status = RK_OK;
    if (!d->reader.cursor)
        status = rki_reader_open(&d->reader, inspect->view, table->table, RK_TABLE_INDEX, err);
    if (status == RK_OK)
        status = read_batch(d, d->at, err);
    if (status != RK_NOT_FOUND)
        return status;
    rki_reader_close(&d->reader);
    d->at++;
    return rki_tree_each(&table->tree, fill_shape, &f);
}

static rk_status step_names(draft *d, rk_error *err)
{
    rk_status status = RK_OK;
    for (size_t i = 0; status == RK_OK && i < USES_A_STEP && d->named < d->use_count; i++) {
        rki_use *use = &d->use[d->named++];
        status = rki_name_fields(d->inspect->view, d->table->table, &d->record[use->record].old_key,
                                 d->tenant, use, err);
    }
    return status;
}

/* --- the document ----------------------------------------------------------------------------- */

static void write_head(draft *d)
{
    rk_buf *out = d->out;
    say(d, out, "# Drafted by `rekey inspect`. Settle every TODO, then `rekey lint`.\n");
    say(d, out, "migration: %s\n", d->migration);
    say(d, out, "description: TODO\n");
    say(d, out, "owner: TODO\n");
    say(d, out, "strategy: dual-write            # or move\n");
    say(d, out, "value: %s\n", is_json(d) ? "json" : "opaque");
    say(d, out, "database: ");
    say_quoted(d, out, d->table->info.name);
    say(d, out, "\ntenant: %s\n", d->record[0].old_key.name[1]);
    say(d, out, "capsule:\n");
    say(d, out, "  variable: " RKI_CAPSULE_ID "\n");
    say(d, out, "  allowed: [TODO]               # TODO the closed set of capsules\n");
    say(d, out, "# tiers:\n#   canary: [TODO]              # TODO tenants that go first\n");
    say(d, out, "entities:\n");
}

static void write_pattern(draft *d, const char *before, const rki_named_shape *named,
                          const char *after)
{
    say(d, d->out, "%s\"", before);
    say_shape(d, d->out, named);
    say(d, d->out, "\"%s", after);
}

static bool has_unknown(const rki_use *use)
{
    for (size_t i = 0; i < use->old_key.shape.part_count; i++) {
        if (use->unknown[i])
            return true;
    }
    return false;
}

/* The index shape that most entries of this record have in this table; -1 for none. */
static int most_used(const draft *d, size_t record, size_t table)
{
    int best = -1;
    for (size_t i = 0; i < d->use_count; i++) {
        const rki_use *use = &d->use[i];
        if (use->record == record && use->table == table && !use->unfit &&
            (best < 0 || use->entries > d->use[best].entries))
            best = (int)i;
    }
    return best;
}

static void write_index(draft *d, const rki_draft_record *record, const rki_use *use)
{
    rki_named_shape made = new_shape(&record->old_key, &use->old_key);
    say(d, d->out, "      ");
    say_quoted(d, d->out, d->inspect->table[use->table].info.name);
    say(d, d->out, ":");
    if (has_unknown(use))
        say(d, d->out, "                   # TODO no field holds some of these segments");
    write_pattern(d, "\n        old: ", &use->old_key, "\n");
    write_pattern(d, "        new: ", &made, "\n");
}

/* Entries that the spec says nothing about yet. */
static void write_unused(draft *d, size_t record)
{
    for (size_t i = 0; i < d->use_count; i++) {
        const rki_use *use = &d->use[i];
        if (use->record != record || most_used(d, record, use->table) == (int)i)
            continue;
        say(d, d->out, "    # TODO entries not covered in index ");
        say_quoted(d, d->out, d->inspect->table[use->table].info.name);
        write_pattern(d, ": ", &use->old_key, "");
        say(d, d->out, ", %" PRIu64 ": %s\n", use->entries,
            use->unfit ? use->unfit : "an index has one shape, and more have another");
    }
}

static void write_indexes(draft *d, size_t at)
{
    bool headed = false;
    for (size_t i = 0; i < d->inspect->table_count; i++) {
        int best = most_used(d, at, i);
        if (best < 0)
            continue;
        say(d, d->out, "%s", headed ? "" : "    indexes:\n");
        headed = true;
        write_index(d, &d->record[at], &d->use[best]);
    }
    write_unused(d, at);
}

static void write_record(draft *d, size_t at)
{
    const rki_draft_record *record = &d->record[at];
    rki_named_shape made = new_shape(&record->old_key, &record->old_key);
    say(d, d->out, "  %s:                           # %" PRIu64 " records\n", record->title,
        record->records);
    write_pattern(d, "    old: ", &record->old_key, "\n");
    write_pattern(d, "    new: ", &made, "\n");
    say(d, d->out,
        "    # TODO if it belongs to another entity: "
        "parent: {entity: Name, id: {its_variable: field_here}}\n");
    if (is_json(d))
        say(d, d->out,
            "    capsule: {field: " RKI_CAPSULE_ID "}"
            "  # TODO where its capsule stands: field, parent: true, lookup\n");
    else
        say(d, d->out, "    capsule: {default: TODO}  # TODO or lookup: \"capsules.csv\"\n");
    write_indexes(d, at);
}

static void write_tail(draft *d)
{
    say(d, d->out, "limits:\n  quarantine_max: 0\n");
    say(d, d->out, "approvals: 2                    # TODO signatures needed before run\n");
    if (d->left.len > 0) {
        say(d, d->out, "# Not covered, TODO check:\n");
        if (d->status == RK_OK)
            d->status = rk_buf_append(d->out, rk_buf_slice(&d->left), d->err);
    }
    if (d->table->info.left_out > 0)
        say(d, d->out, "#   and %" PRIu64 " records of shapes too many to list\n",
            d->table->info.left_out);
}

/* --- making it -------------------------------------------------------------------------------- */

/* From what the inspection holds in memory. */
static rk_status choose_records(draft *d, rk_error *err)
{
    rk_status status = choose_table(d, err);
    if (status == RK_OK)
        status = rki_tree_each(&d->table->tree, take_shape, d);
    if (status != RK_OK)
        return status;
    qsort(d->record, d->record_count, sizeof *d->record, compare_records);
    drop_overlaps(d);
    if (d->record_count == 0)
        return rk_error_set(err, RK_NOT_FOUND,
                            "draft a spec: no keys of table '%s' can be an entity's old keys",
                            d->table->info.name);
    for (size_t i = 0; i < d->record_count; i++)
        give_title(d, i);
    return d->status;
}

static rk_status write_draft(draft *d)
{
    judge_indexes(d);
    write_head(d);
    for (size_t i = 0; i < d->record_count; i++)
        write_record(d, i);
    write_tail(d);
    return d->status;
}

rk_status rk_inspect_draft_start(rk_inspect *inspect, const char *migration, rk_inspect_draft **out,
                                 rk_error *err)
{
    draft *d = calloc(1, sizeof *d);
    if (!d)
        return rk_error_set(err, RK_NOMEM, "draft a spec: out of memory");
    d->inspect = inspect;
    d->err = err;
    d->use = calloc(RKI_USES_MAX, sizeof *d->use);
    d->migration = strdup(migration);
    rk_arena_init(&d->arena, SAMPLES_BYTES_MAX);
    rk_buf_init(&d->left, RK_SPEC_BYTES_MAX);
    rk_status status = d->use && d->migration
                           ? choose_records(d, err)
                           : rk_error_set(err, RK_NOMEM, "draft a spec: out of memory");
    if (status == RK_OK)
        *out = d;
    else
        rk_inspect_draft_destroy(d);
    return status;
}

rk_status rk_inspect_draft_step(draft *d, rk_buf *out, bool *finished, rk_error *err)
{
    const rk_inspect *inspect = d->inspect;
    while (d->at < inspect->table_count && !is_index(d, &inspect->table[d->at]))
        d->at++;
    d->out = out;
    d->err = err;
    *finished = d->at == inspect->table_count && d->named == d->use_count;
    if (*finished)
        return write_draft(d);
    rk_status status = rk_snapshot_renew(inspect->view, err);
    if (status == RK_OK)
        status = d->at < inspect->table_count ? step_index(d, err) : step_names(d, err);
    rk_snapshot_release(inspect->view);
    return status;
}

void rk_inspect_draft_destroy(draft *d)
{
    if (!d)
        return;
    rki_reader_close(&d->reader);
    rk_arena_fini(&d->arena);
    rk_buf_fini(&d->left);
    free(d->migration);
    free(d->use);
    free(d);
}
