#include "rekey/plan/key_tree.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* --- nodes ------------------------------------------------------------------------------------ */

void rki_tree_fini(rki_key_tree *tree)
{
    free(tree->node);
    *tree = (rki_key_tree){0};
}

static rk_status make_room(rki_key_tree *tree, rk_error *err)
{
    uint32_t cap = tree->cap ? tree->cap * 2 : 64;
    rki_key_node *node = realloc(tree->node, cap * sizeof *node);
    if (!node)
        return rk_error_set(err, RK_NOMEM, "find key shapes: out of memory");
    tree->node = node;
    tree->cap = cap;
    if (tree->count == 0)
        tree->node[tree->count++] = (rki_key_node){.lower = true};
    return RK_OK;
}

/* Makes sure that a key's path fits the array, so that nodes do not move while it is added. */
static rk_status reserve(rki_key_tree *tree, rk_error *err)
{
    while (tree->count + RK_SEGMENTS_MAX + 1 > tree->cap && tree->cap < RKI_NODES_MAX) {
        rk_status status = make_room(tree, err);
        if (status != RK_OK)
            return status;
    }
    return RK_OK;
}

/* 0 when the tree is full. */
static uint32_t new_node(rki_key_tree *tree)
{
    uint32_t at = tree->free;
    if (at)
        tree->free = tree->node[at].next_word;
    else if (tree->count < tree->cap)
        at = tree->count++;
    else
        return 0;
    tree->node[at] = (rki_key_node){0};
    return at;
}

static void free_node(rki_key_tree *tree, uint32_t at)
{
    tree->node[at] = (rki_key_node){.next_word = tree->free};
    tree->free = at;
}

/* --- words ------------------------------------------------------------------------------------ */

/* An empty segment is a word too: no variable stands for it. */
static bool is_word(rk_slice segment, bool lower)
{
    if (segment.len > RKI_WORD_BYTES_MAX)
        return false;
    for (size_t i = 0; i < segment.len; i++) {
        uint8_t byte = segment.ptr[i];
        bool letter = (byte >= 'A' && byte <= 'Z') || (lower && byte >= 'a' && byte <= 'z');
        bool joint = (byte == '_' || byte == '-') && i > 0;
        if (!letter && !joint)
            return false;
    }
    return true;
}

static rk_slice word_of(const rki_key_node *node)
{
    return rk_slice_of(node->word, node->word_len);
}

static uint32_t find_word(const rki_key_tree *tree, uint32_t parent, rk_slice word)
{
    uint32_t at = tree->node[parent].first_word;
    while (at && !rk_slice_equal(word_of(&tree->node[at]), word))
        at = tree->node[at].next_word;
    return at;
}

static void link_word(rki_key_tree *tree, uint32_t parent, uint32_t child)
{
    tree->node[child].next_word = tree->node[parent].first_word;
    tree->node[parent].first_word = child;
    tree->node[parent].word_count++;
}

/* --- collapsing ------------------------------------------------------------------------------- */

static void merge(rki_key_tree *tree, uint32_t into, uint32_t from);

/* Puts a child that has no place any more under the variable of `parent`. */
static void merge_variable(rki_key_tree *tree, uint32_t parent, uint32_t child)
{
    uint32_t variable = tree->node[parent].variable;
    if (variable) {
        merge(tree, variable, child);
        return;
    }
    tree->node[child].is_variable = true;
    tree->node[child].next_word = 0;
    tree->node[parent].variable = child;
}

/* Turns words of `parent` into values of its variable: all of them, or the lower-case ones. The
 * empty word stays what it is. */
static void collapse(rki_key_tree *tree, uint32_t parent, bool all)
{
    uint32_t at = tree->node[parent].first_word;
    tree->node[parent].first_word = 0;
    tree->node[parent].word_count = 0;
    tree->node[parent].collapsed = tree->node[parent].collapsed || all;
    while (at) {
        uint32_t next = tree->node[at].next_word;
        rk_slice word = word_of(&tree->node[at]);
        if (word.len == 0 || (!all && is_word(word, false)))
            link_word(tree, parent, at);
        else
            merge_variable(tree, parent, at);
        at = next;
    }
}

/* Moves everything of `from` to `into` and frees it. Recursion is as deep as keys have segments. */
static void merge(rki_key_tree *tree, uint32_t into, uint32_t from)
{
    rki_key_node *node = tree->node; /* merging makes no nodes: the array stays */
    node[into].records += node[from].records;
    node[into].bytes += node[from].bytes;
    node[into].collapsed = node[into].collapsed || node[from].collapsed;
    node[into].lower = node[into].lower && node[from].lower;
    if (node[from].variable)
        merge_variable(tree, into, node[from].variable);
    for (uint32_t at = node[from].first_word; at;) {
        uint32_t next = node[at].next_word;
        uint32_t same = find_word(tree, into, word_of(&node[at]));
        if (same)
            merge(tree, same, at);
        else
            link_word(tree, into, at);
        at = next;
    }
    free_node(tree, from);
    if (node[into].collapsed || node[into].word_count > RKI_WORDS_MAX)
        collapse(tree, into, true);
    else if (!node[into].lower)
        collapse(tree, into, false);
}

/* --- adding ----------------------------------------------------------------------------------- */

static bool wants_word(const rki_key_node *node, rk_slice segment)
{
    return segment.len == 0 || (!node->collapsed && is_word(segment, node->lower));
}

/* 0 when the tree is full. */
static uint32_t add_child(rki_key_tree *tree, uint32_t parent, rk_slice segment)
{
    bool word = wants_word(&tree->node[parent], segment);
    uint32_t at = word ? find_word(tree, parent, segment) : tree->node[parent].variable;
    if (at)
        return at;
    if (word && segment.len > 0 && tree->node[parent].word_count >= RKI_WORDS_MAX) {
        collapse(tree, parent, true);
        return tree->node[parent].variable;
    }
    at = new_node(tree);
    if (!at)
        return 0;
    tree->node[at].is_variable = !word;
    tree->node[at].lower = !word;
    if (word) {
        tree->node[at].word_len = (uint8_t)segment.len;
        if (segment.len > 0)
            memcpy(tree->node[at].word, segment.ptr, segment.len);
        link_word(tree, parent, at);
    } else {
        tree->node[parent].variable = at;
    }
    return at;
}

rk_status rki_tree_add(rki_key_tree *tree, rk_slice key, size_t value_bytes, rk_error *err)
{
    rk_status status = reserve(tree, err);
    if (status != RK_OK)
        return status;
    rk_split split;
    rk_split_key(key, &split);
    uint32_t at = 0;
    bool fits = split.count <= RK_SEGMENTS_MAX;
    for (size_t i = 0; fits && i < split.count; i++) {
        at = add_child(tree, at, split.segment[i]);
        fits = at != 0;
    }
    if (fits) {
        tree->node[at].records++;
        tree->node[at].bytes += key.len + value_bytes;
    } else {
        tree->left_out_records++;
        tree->left_out_bytes += key.len + value_bytes;
    }
    return RK_OK;
}

/* --- settling --------------------------------------------------------------------------------- */

/* Whether both nodes have keys below them of one shape that holds a word. */
static bool continue_alike(const rki_key_tree *tree, uint32_t a, uint32_t b, bool word_seen)
{
    const rki_key_node *x = &tree->node[a];
    const rki_key_node *y = &tree->node[b];
    if (word_seen && x->records > 0 && y->records > 0)
        return true;
    if (x->variable && y->variable && continue_alike(tree, x->variable, y->variable, word_seen))
        return true;
    for (uint32_t at = x->first_word; at; at = tree->node[at].next_word) {
        uint32_t same = find_word(tree, b, word_of(&tree->node[at]));
        if (same && continue_alike(tree, at, same, true))
            return true;
    }
    return false;
}

static bool words_are_values(const rki_key_tree *tree, uint32_t parent)
{
    const rki_key_node *node = &tree->node[parent];
    if (parent == 0 || node->is_variable || node->word_count < 2)
        return false;
    for (uint32_t at = tree->node[node->first_word].next_word; at; at = tree->node[at].next_word) {
        if (!continue_alike(tree, node->first_word, at, false))
            return false;
    }
    return true;
}

static void settle(rki_key_tree *tree, uint32_t at)
{
    if (words_are_values(tree, at))
        collapse(tree, at, true);
    for (uint32_t word = tree->node[at].first_word; word; word = tree->node[word].next_word)
        settle(tree, word);
    if (tree->node[at].variable)
        settle(tree, tree->node[at].variable);
}

void rki_tree_settle(rki_key_tree *tree)
{
    if (tree->count > 0)
        settle(tree, 0);
}

uint32_t rki_tree_find(const rki_key_tree *tree, rk_slice key)
{
    rk_split split;
    rk_split_key(key, &split);
    uint32_t at = 0;
    if (tree->count == 0 || split.count > RK_SEGMENTS_MAX)
        return 0;
    for (size_t i = 0; i < split.count; i++) {
        bool word = wants_word(&tree->node[at], split.segment[i]);
        at = word ? find_word(tree, at, split.segment[i]) : tree->node[at].variable;
        if (!at)
            return 0;
    }
    return tree->node[at].records > 0 ? at : 0;
}

/* --- shapes ----------------------------------------------------------------------------------- */

typedef struct walk {
    const rki_key_tree *tree;
    rki_key_shape shape;
    rk_status (*take)(void *context, const rki_key_shape *shape);
    void *context;
} walk;

static rk_status walk_node(walk *w, uint32_t at);

static rk_status walk_child(walk *w, uint32_t at)
{
    const rki_key_node *node = &w->tree->node[at];
    assert(w->shape.part_count < RK_SEGMENTS_MAX);
    w->shape.part[w->shape.part_count++] = (rki_shape_part){node->is_variable, word_of(node)};
    rk_status status = walk_node(w, at);
    w->shape.part_count--;
    return status;
}

static rk_status walk_node(walk *w, uint32_t at)
{
    const rki_key_node *node = &w->tree->node[at];
    rk_status status = RK_OK;
    if (node->records > 0) {
        w->shape.node = at;
        status = w->take(w->context, &w->shape);
    }
    for (uint32_t word = node->first_word; status == RK_OK && word;
         word = w->tree->node[word].next_word)
        status = walk_child(w, word);
    if (status == RK_OK && node->variable)
        status = walk_child(w, node->variable);
    return status;
}

rk_status rki_tree_each(const rki_key_tree *tree,
                        rk_status (*take)(void *context, const rki_key_shape *shape), void *context)
{
    walk w = {.tree = tree, .take = take, .context = context};
    return tree->count > 0 ? walk_node(&w, 0) : RK_OK;
}

static bool name_taken(char name[RK_SEGMENTS_MAX][RK_NAME_BYTES_MAX + 1], size_t count,
                       const char *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name[i], wanted) == 0)
            return true;
    }
    return false;
}

static void name_part(const rki_key_shape *shape, size_t at, char *out, size_t size)
{
    rk_slice word = at > 0 ? shape->part[at - 1].word : RK_SLICE_EMPTY;
    if (at == 0 || shape->part[at - 1].variable || word.len == 0) {
        snprintf(out, size, "part_%zu", at + 1);
        return;
    }
    char lower[RKI_WORD_BYTES_MAX + 1];
    for (size_t i = 0; i < word.len; i++) {
        uint8_t byte = word.ptr[i];
        lower[i] = byte == '-' ? '_' : (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
    }
    lower[word.len] = '\0';
    snprintf(out, size, "%s_id", lower);
}

void rki_shape_names(const rki_key_shape *shape, char name[RK_SEGMENTS_MAX][RK_NAME_BYTES_MAX + 1])
{
    for (size_t i = 0; i < shape->part_count; i++) {
        name[i][0] = '\0';
        if (!shape->part[i].variable)
            continue;
        char wanted[RKI_WORD_BYTES_MAX + 8];
        name_part(shape, i, wanted, sizeof wanted);
        snprintf(name[i], sizeof name[i], "%s", wanted);
        for (unsigned next = 2; name_taken(name, i, name[i]); next++)
            snprintf(name[i], sizeof name[i], "%s_%u", wanted, next);
    }
}

rk_status rki_shape_text(const rki_key_shape *shape,
                         char name[RK_SEGMENTS_MAX][RK_NAME_BYTES_MAX + 1], rk_buf *out,
                         rk_error *err)
{
    rk_status status = RK_OK;
    for (size_t i = 0; status == RK_OK && i < shape->part_count; i++) {
        if (i > 0)
            status = rk_buf_append_byte(out, RK_DELIMITER, err);
        if (status == RK_OK && shape->part[i].variable)
            status = rk_buf_append_format(out, err, "{%s}", name[i]);
        else if (status == RK_OK)
            status = rk_buf_append(out, shape->part[i].word, err);
    }
    return status;
}
