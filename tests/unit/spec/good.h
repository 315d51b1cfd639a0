/* good.h: a spec that holds every rule, for tests to spoil. */
#ifndef REKEY_TESTS_UNIT_SPEC_GOOD_H
#define REKEY_TESTS_UNIT_SPEC_GOOD_H

#include "rekey/spec/spec.h"

#define GOOD_NAME "202611210900_move.yaml"

extern const char good_spec[];

/* good_spec with the first `find` replaced; `find` NULL gives a plain copy. To be freed. */
char *spoil(const char *find, const char *put);

/* Loads text under a file's name, with one lookup file (NULL for none) and no folder. */
rk_status load_text(const char *name, const char *text, const char *lookup, rk_spec **out,
                    rk_findings *findings);

/* Whether a finding at the place contains `part`; prints all findings when not. */
bool has_finding(const rk_findings *findings, uint32_t line, uint32_t column, const char *part);

#endif
