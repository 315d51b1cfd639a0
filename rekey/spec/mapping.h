/* mapping.h: the known keys of a small mapping, for the readers of rekey/access and rekey/cluster.
 *
 * What is wrong becomes a finding with its place, in the same words whatever the file is.
 */
#ifndef REKEY_SPEC_MAPPING_H
#define REKEY_SPEC_MAPPING_H

#include "rekey/spec/yaml.h"

/* Finds the named keys of a mapping; part[i] is NULL for one that is missing, which is no finding.
 * An unknown key is one, with the nearest name. RK_NOMEM. */
rk_status rki_mapping_pick(rk_findings *findings, const char *where, const rki_node *mapping,
                           const char *const *names, size_t count, const rki_node **part,
                           rk_error *err);

/* *is_kind: whether the node is of this kind; another one is a finding, unless it was reported
 * already. RK_NOMEM. */
rk_status rki_mapping_check_kind(rk_findings *findings, const char *where, const rki_node *node,
                                 rki_kind kind, bool *is_kind, rk_error *err);

#endif
