#include <stdlib.h>

#include "rekey/spec/draft.h"

/* Lookup files are the bulk; each line of one becomes an entry of three words. */
#define SPEC_BYTES_MAX    ((size_t)1024 * 1024 * 1024)
#define SCRATCH_BYTES_MAX ((size_t)256 * 1024 * 1024)

static rk_spec *create(rki_draft *draft)
{
    rk_spec *spec = calloc(1, sizeof *spec);
    if (spec == NULL) {
        draft->status = rk_error_set(draft->err, RK_NOMEM, "load the spec: out of memory");
        return NULL;
    }
    draft->spec = spec;
    rk_arena_init(&spec->memory, SPEC_BYTES_MAX);
    spec->tenant = RK_NAME_NONE;
    spec->capsule = RK_NAME_NONE;
    spec->limits.lock_hold_ms = 5;
    spec->limits.error_rate_max = -1;
    spec->description = rki_copy(draft, RK_SLICE_EMPTY);
    spec->owner = rki_copy(draft, RK_SLICE_EMPTY);
    spec->text.ptr = (const uint8_t *)rki_copy(draft, draft->source->text);
    spec->text.len = draft->source->text.len;
    return spec;
}

static void work(rki_draft *draft)
{
    rki_node *root = NULL;
    rk_status status = rki_yaml_read(draft->source->text, "spec", RK_SPEC_BYTES_MAX,
                                     &draft->scratch, draft->findings, &root, draft->err);
    if (status != RK_OK)
        draft->status = status;
    if (draft->status != RK_OK || root == NULL)
        return;
    rki_read_spec(draft, root);
    if (draft->status == RK_OK)
        rki_lint(draft);
    if (draft->status == RK_OK)
        rki_derive(draft);
}

rk_status rk_spec_load(rk_spec_source *source, const char *folder, rk_spec **out,
                       rk_findings *findings, rk_error *err)
{
    rk_findings unseen = {0};
    rki_draft draft = {.source = source,
                       .folder = folder,
                       .findings = findings != NULL ? findings : &unseen,
                       .err = err};
    rk_arena_init(&draft.scratch, SCRATCH_BYTES_MAX);
    rki_findings_clear(draft.findings);
    rk_spec *spec = create(&draft);
    if (draft.status == RK_OK)
        work(&draft);
    rki_findings_sort(draft.findings);
    size_t count = draft.findings->count;
    if (draft.status == RK_OK && count > 0)
        draft.status = rk_error_set(
            err, RK_INVALID, "%s: %zu finding%s: %s", source->name != NULL ? source->name : "spec",
            count, count == 1 ? "" : "s, the first", draft.findings->items[0].message);
    if (draft.status == RK_OK)
        *out = spec;
    else
        rk_spec_destroy(spec);
    rk_arena_fini(&draft.scratch);
    rk_findings_fini(&unseen);
    return draft.status;
}
