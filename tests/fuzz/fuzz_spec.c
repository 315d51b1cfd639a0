/* Any bytes as a spec: a spec or findings, never both, never a crash. The first byte 0xFE splits
 * the input into the spec and a lookup file. */
#include <stdlib.h>
#include <string.h>

#include "rekey/spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char name[] = "202611210900_move.yaml";
    static const char lookup[] = "capsules.csv";
    char name_copy[sizeof name];
    char lookup_copy[sizeof lookup];
    memcpy(name_copy, name, sizeof name);
    memcpy(lookup_copy, lookup, sizeof lookup);

    const uint8_t *split = size > 0 ? memchr(data, 0xFE, size) : NULL;
    size_t front = split != NULL ? (size_t)(split - data) : size;
    size_t behind = split != NULL ? size - front - 1 : 0;
    rk_spec_file file = {lookup_copy, behind > 0 ? rk_slice_of(split + 1, behind) : RK_SLICE_EMPTY};
    rk_spec_source source = {
        .name = name_copy, .text = rk_slice_of(data, front), .files = &file, .file_count = 1};
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    rk_error err = {0};
    rk_status status = rk_spec_load(&source, NULL, &spec, &findings, &err);
    if ((status == RK_OK) != (spec != NULL) || (status == RK_INVALID) != (findings.count > 0))
        abort();
    rk_spec_destroy(spec);
    rk_findings_fini(&findings);
    return 0;
}
