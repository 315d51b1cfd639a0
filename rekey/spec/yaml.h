/* yaml.h: a YAML file as a small tree with places. For rekey/spec, rekey/access and rekey/cluster
 * only.
 *
 * The reader takes the part of YAML that these need: one document of mappings, lists and scalars.
 * Aliases, anchors, tags, duplicate keys and keys that are no scalars are findings. Scalars stay
 * text: what `5` or `true` means is for the reader of the key to say.
 *
 * libfyaml's types appear in yaml.c only.
 */
#ifndef REKEY_SPEC_YAML_H
#define REKEY_SPEC_YAML_H

#include "rekey/spec/spec.h"

#define RKI_YAML_DEPTH_MAX 16
#define RKI_YAML_KEYS_MAX  128 /* of one mapping */

typedef enum rki_kind {
    RKI_NOTHING, /* an empty value, null or ~ */
    RKI_SCALAR,
    RKI_LIST,
    RKI_MAPPING,
    RKI_BROKEN /* reported already, such as an alias */
} rki_kind;

/* A mapping's children are its keys, each with its `value`; a list's children are its items. */
typedef struct rki_node {
    rki_kind kind;
    bool quoted;
    uint32_t line; /* from 1 */
    uint32_t column;
    uint32_t text_column; /* where the scalar's text begins, behind the quote */
    rk_slice text;
    struct rki_node *value;
    struct rki_node *first;
    struct rki_node *last;
    struct rki_node *next;
    size_t count;
} rki_node;

/* Builds the tree in `arena`; `what` names the kind of file in findings. RK_OK with *root NULL when
 * the file cannot be walked at all; the reason is a finding then. A syntax error is the only
 * finding of its file: what stands behind it has no certain meaning. RK_NOMEM. */
rk_status rki_yaml_read(rk_slice text, const char *what, size_t bytes_max, rk_arena *arena,
                        rk_findings *findings, rki_node **root, rk_error *err);

#endif
