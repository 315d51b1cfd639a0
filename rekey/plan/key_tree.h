/* key_tree.h (private): the shapes of many keys, in bounded memory.
 *
 * A tree over the segments of keys. A segment that looks like a word (CONTRACT) has its own node;
 * all that look like ids share one variable node. A place that turns out to hold more than
 * RKI_WORDS_MAX different words holds ids after all, and its words become one variable.
 *
 * Words are upper-case letters, '_' and '-'. At the start of a key and behind a variable, where
 * names of things stand, lower-case words count too: user#17#order#4.
 *
 * Invariants
 *   - Every key added is counted once: at its node, or as left out.
 *   - After rki_tree_settle, rki_tree_find gives each key added the node that counts it.
 *
 * Limits: RKI_NODES_MAX nodes, RK_SEGMENTS_MAX segments; what does not fit is left out.
 */
#ifndef REKEY_PLAN_KEY_TREE_H
#define REKEY_PLAN_KEY_TREE_H

#include "rekey/pattern/pattern.h"

#define RKI_WORDS_MAX      12
#define RKI_WORD_BYTES_MAX 48
#define RKI_NODES_MAX      8192

typedef struct rki_key_node {
    uint32_t first_word; /* its children that are words; 0 for none */
    uint32_t next_word;  /* its sibling */
    uint32_t variable;   /* its child that is a variable; 0 for none */
    uint64_t records;    /* keys that end here */
    uint64_t bytes;      /* of those keys and their values */
    uint8_t word_count;
    uint8_t word_len;
    bool is_variable;
    bool lower;     /* lower-case words below count as words */
    bool collapsed; /* everything below is one variable */
    char word[RKI_WORD_BYTES_MAX];
} rki_key_node;

/* Zeroed is empty. Node 0 is the root. */
typedef struct rki_key_tree {
    rki_key_node *node;
    uint32_t count;
    uint32_t cap;
    uint32_t free; /* nodes to use again, by next_word */
    uint64_t left_out_records;
    uint64_t left_out_bytes;
} rki_key_tree;

void rki_tree_fini(rki_key_tree *tree);

/* RK_NOMEM. */
rk_status rki_tree_add(rki_key_tree *tree, rk_slice key, size_t value_bytes, rk_error *err);

/* Once, after the last key: words behind a word whose continuations look alike (PRODUS#ACCOUNT,
 * DEVUS#ACCOUNT) are values of one variable. */
void rki_tree_settle(rki_key_tree *tree);

/* The node at which the key ends, 0 for none. */
uint32_t rki_tree_find(const rki_key_tree *tree, rk_slice key);

/* --- shapes ----------------------------------------------------------------------------------- */

/* One place of a shape. Variables have no name in the tree. */
typedef struct rki_shape_part {
    bool variable;
    rk_slice word; /* borrowed from the tree */
} rki_shape_part;

typedef struct rki_key_shape {
    uint32_t node;
    size_t part_count;
    rki_shape_part part[RK_SEGMENTS_MAX];
} rki_key_shape;

/* Calls `take` for every shape that has keys, in the order of the tree; stops at the first failure
 * and gives it back. */
rk_status rki_tree_each(const rki_key_tree *tree,
                        rk_status (*take)(void *context, const rki_key_shape *shape),
                        void *context);

/* Names of a shape's variables, made up from the word before each: CONTRACT -> contract_id. */
void rki_shape_names(const rki_key_shape *shape, char name[RK_SEGMENTS_MAX][RK_NAME_BYTES_MAX + 1]);

/* Appends TENANT#{tenant_id}#CONTRACT#{contract_id}. */
rk_status rki_shape_text(const rki_key_shape *shape,
                         char name[RK_SEGMENTS_MAX][RK_NAME_BYTES_MAX + 1], rk_buf *out,
                         rk_error *err);

#endif
