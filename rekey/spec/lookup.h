/* lookup.h: the inside of an rk_lookup. Private to rekey/spec. */
#ifndef REKEY_SPEC_LOOKUP_H
#define REKEY_SPEC_LOOKUP_H

#include "rekey/spec/spec.h"

typedef struct rki_lookup_line {
    rk_slice tenant;
    rk_slice capsule; /* one of rk_spec.allowed */
    uint32_t line;
} rki_lookup_line;

/* Sorted by tenant, each once. Lives in the spec's memory. */
struct rk_lookup {
    const char *file;
    rki_lookup_line *lines;
    size_t count;
};

#endif
