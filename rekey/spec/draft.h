/* draft.h: a spec while it is read and linted. Private to rekey/spec.
 *
 * The work goes in four steps, each of them a file or two: yaml.c makes a tree; read*.c fill an
 * rk_spec and note where each part stands; lint*.c hold the rules against it; derive.c computes
 * what the rest of rekey asks for, once no finding is left.
 *
 * Reading goes on after a finding, so that one run shows as many as possible. Hence parts of the
 * model may be missing while lint looks: a pattern that did not compile has no segments, a text
 * that was not there is NULL, a number's place is NULL.
 *
 * `status` is sticky: only running out of memory ends the work early, a finding never does.
 */
#ifndef REKEY_SPEC_DRAFT_H
#define REKEY_SPEC_DRAFT_H

#include "rekey/spec/findings.h"
#include "rekey/base/nearest.h"
#include "rekey/spec/yaml.h"

#define RKI_KEY_BYTES_MAX       511 /* the smallest limit among the stores, that of LMDB */
#define RKI_MIGRATION_BYTES_MAX 128
#define RKI_APPROVALS_MAX       16

/* Where the parts of an index stand in the file; NULL for what is not there or of a wrong type. */
typedef struct rki_draft_index {
    const rki_node *name;
    const rki_node *old_key;
    const rki_node *new_key;
} rki_draft_index;

typedef struct rki_draft_id {
    const rki_node *left;  /* the parent's variable */
    const rki_node *right; /* where this record has its value */
} rki_draft_id;

typedef struct rki_draft_entity {
    const rki_node *name;
    const rki_node *old_key;
    const rki_node *new_key;
    const rki_node *parent;      /* the mapping */
    const rki_node *parent_name; /* its `entity` */
    rki_draft_id id[RK_PARENT_IDS_MAX];
    const rki_node *capsule; /* the mapping */
    const rki_node *capsule_field;
    const rki_node *capsule_parent;
    const rki_node *capsule_lookup;
    const rki_node *capsule_default;
    uint16_t capsule_field_name; /* RK_NAME_NONE for none */
    bool fields_full;            /* reported already */
    rki_draft_index index[RK_INDEXES_MAX];
} rki_draft_entity;

typedef struct rki_draft {
    rk_spec *spec;
    rk_spec_source *source;
    const char *folder;
    rk_arena scratch; /* the tree and this draft's arrays */
    rk_findings *findings;
    rk_status status;
    rk_error *err;
    const rki_node *migration;
    const rki_node *database;
    const rki_node *approvals;
    const rki_node *approvers;
    rki_draft_entity *entity;
} rki_draft;

/* --- draft.c ---------------------------------------------------------------------------------- */

/* Adds a finding at the node's place; NULL is the whole file. */
void rki_report(rki_draft *draft, const rki_node *at, const char *format, ...) RK_PRINTF(3, 4);

/* The same for a byte inside the scalar. */
void rki_report_inside(rki_draft *draft, const rki_node *at, size_t offset, const char *format, ...)
    RK_PRINTF(4, 5);

/* Zeroed memory of the spec or of the scratch arena; NULL, and a sticky status, when there is none.
 */
void *rki_alloc(rki_draft *draft, rk_arena *arena, size_t count, size_t size);

/* Copies text into the spec's memory, NUL-terminated; NULL as above. */
char *rki_copy(rki_draft *draft, rk_slice text);

/* A name of the object that a message is about, such as `Contract.indexes.gsi1.old`. */
typedef struct rki_where {
    char text[256];
} rki_where;

rki_where rki_where_of(const char *format, ...) RK_PRINTF(1, 2);

/* --- read_value.c ----------------------------------------------------------------------------- */

typedef struct rki_key_rule {
    const char *name;
    rki_kind kind;
    bool required;
} rki_key_rule;

/* Finds the keys of a mapping: out[i] is the value for rules[i], NULL when it is missing or of a
 * wrong type. Reports these and unknown keys. `at` is the place for "missing". */
void rki_read_mapping(rki_draft *draft, const char *where, const rki_node *at,
                      const rki_node *mapping, const rki_key_rule *rules, size_t count,
                      const rki_node **out);

/* Reports and gives false unless the node has the kind. */
bool rki_read_kind(rki_draft *draft, const char *where, const rki_node *node, rki_kind kind);

/* These leave *out alone when the node is NULL or wrong. */
void rki_read_text(rki_draft *draft, const char *where, const rki_node *node, char **out);
void rki_read_number(rki_draft *draft, const char *where, const rki_node *node, uint64_t min,
                     uint64_t max, uint64_t *out);
void rki_read_share(rki_draft *draft, const char *where, const rki_node *node, double *out);
void rki_read_size(rki_draft *draft, const char *where, const rki_node *node, uint64_t *out);
void rki_read_bool(rki_draft *draft, const char *where, const rki_node *node, bool *out);

/* Position among `words`; a finding with the nearest word otherwise. */
void rki_read_word(rki_draft *draft, const char *where, const rki_node *node,
                   const char *const *words, size_t count, size_t *out);

/* Interns the scalar as a variable's name. */
void rki_read_name(rki_draft *draft, const char *where, const rki_node *node, uint16_t *out);

/* Whether the text can be the value of a variable: not empty, no delimiter, no control character.
 */
bool rki_read_value(rki_draft *draft, const char *where, const rki_node *node);

/* --- read.c, read_entity.c, lookup.c ---------------------------------------------------------- */

void rki_read_spec(rki_draft *draft, const rki_node *root);
void rki_read_entities(rki_draft *draft, const rki_node *entities);

/* The lookup file that `node` names, from the source or from beside the spec; a file that several
 * entities name is read once. NULL with a finding when it is not good. */
rk_lookup *rki_read_lookup(rki_draft *draft, const char *where, const rki_node *node);

/* --- source.c --------------------------------------------------------------------------------- */

/* Reads FOLDER/NAME into the source's files. RK_NOT_FOUND, RK_LIMIT, RK_IO. */
rk_status rki_source_add(rk_spec_source *source, const char *folder, const char *name,
                         rk_slice *out, rk_error *err);

/* --- lint*.c, derive.c ------------------------------------------------------------------------ */

void rki_lint(rki_draft *draft);
void rki_lint_patterns(rki_draft *draft);
void rki_lint_graph(rki_draft *draft);
void rki_derive(rki_draft *draft);

/* Whether the entity's parent.id names this variable on its left side. */
bool rki_is_parent_variable(const rk_entity *entity, uint16_t name);

/* A variable's name as text. */
const char *rki_name(const rk_spec *spec, uint16_t name);

#endif
