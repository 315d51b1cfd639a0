/* cmd_lint.c: every rule of the spec's format, in one go. */
#include "rekey/cli/commands.h"

typedef struct lint_options {
    const char *spec;
} lint_options;

static const rk_arg args[] = {
    {"SPEC", "the migration's YAML file", false, offsetof(lint_options, spec)},
};

static const rk_syntax syntax = {
    .name = "lint",
    .summary = "Checks a spec. Opens no store.",
    .examples = "rekey lint specs/202611210900_capsule_isolation.yaml\n",
    .args = args,
    .arg_count = RK_COUNT(args),
    .notes = "All findings come in one go, as FILE:LINE:COLUMN: message on stderr.\n",
    .exits = {RK_EXIT_BAD_SPEC},
};

static size_t count_indexes(const rk_spec *spec)
{
    size_t count = 0;
    for (size_t i = 0; i < spec->entity_count; i++)
        count += spec->entities[i].index_count;
    return count;
}

static const char *plural(size_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}

int rk_cmd_lint(rk_cli *cli, int argc, char **argv)
{
    lint_options options = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;

    rk_spec_source source = {0};
    rk_spec *spec = NULL;
    code = rk_cli_spec_open(cli, options.spec, &source, &spec);
    if (code != RK_EXIT_DONE)
        return code;
    size_t indexes = count_indexes(spec);
    rk_cli_print(cli, "%s: ok: %zu %s, %zu %s, %u %s", spec->migration, spec->entity_count,
                 plural(spec->entity_count, "entity", "entities"), indexes,
                 plural(indexes, "index", "indexes"), spec->level_count,
                 plural(spec->level_count, "level", "levels"));
    rk_spec_destroy(spec);
    rk_spec_source_fini(&source);
    return RK_EXIT_DONE;
}
