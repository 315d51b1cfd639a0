/* source_json.h: a spec with its files in JSON: in plans, and in messages to nodes. */
#ifndef REKEY_PLAN_SOURCE_JSON_H
#define REKEY_PLAN_SOURCE_JSON_H

#include <jansson.h>

#include "rekey/spec/spec.h"

/* {"name", "text", "files": [{"name", "text"}]}; a new object, NULL when memory is short. */
json_t *rk_source_json(const rk_spec_source *source);

/* False when it is no such object. `out` is to be freed (rk_spec_source_fini) either way. */
bool rk_source_read(const json_t *object, rk_spec_source *out);

#endif
