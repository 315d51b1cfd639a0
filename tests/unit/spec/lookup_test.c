#include "tests/unit/spec/lint_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/spec/good.h"

static char *with_lookup(void)
{
    char *text = spoil("{field: c}", "{lookup: capsules.csv}");
    assert_non_null(text);
    return text;
}

void test_lookup_finds(void **state)
{
    (void)state;
    char *text = with_lookup();
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    const char *file = "# tenant,capsule\n\nzeta,PROD\r\n  acme , DEV\nbeta,PROD";
    assert_int_equal(load_text(GOOD_NAME, text, file, &spec, &findings), RK_OK);
    const rk_lookup *lookup = spec->entities[0].capsule.lookup;
    assert_non_null(lookup);
    assert_string_equal(spec->entities[0].capsule.lookup_file, "capsules.csv");
    static const char *const expected[][2] = {
        {"acme", "DEV"}, {"beta", "PROD"}, {"zeta", "PROD"}, {"gamma", ""}, {"", ""},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        rk_slice found = rk_lookup_find(lookup, rk_slice_str(expected[i][0]));
        assert_true(rk_slice_equal(found, rk_slice_str(expected[i][1])));
    }
    rk_spec_destroy(spec);
    rk_findings_fini(&findings);
    free(text);
}

void test_lookup_findings(void **state)
{
    (void)state;
    char *text = with_lookup();
    rk_spec *spec = NULL;
    rk_findings findings = {0};
    const char *file =
        "acme,DEV\nbeta\ngamma,DVE\nacme,PROD\n,DEV\na,b,c\nt#1,DEV\n\"q\",DEV\nd,\n";
    static const char *const parts[] = {
        "capsules.csv:2: expected one line `tenant,capsule`, found \"beta\"",
        "capsules.csv:3: the capsule is not one of capsule.allowed: \"gamma,DVE\"",
        "capsules.csv:4: tenant \"acme\" stands on line 1 already",
        "capsules.csv:5: the tenant is empty",
        "capsules.csv:6: expected one line",
        "capsules.csv:7: the tenant holds the delimiter",
        "capsules.csv:8: fields are not quoted",
        "capsules.csv:9: the capsule is empty",
    };
    assert_int_equal(load_text(GOOD_NAME, text, file, &spec, &findings), RK_INVALID);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        assert_true(has_finding(&findings, 18, 23, parts[i]));
    assert_int_equal(findings.count, sizeof parts / sizeof parts[0]);
    rk_findings_fini(&findings);
    free(text);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

/* Read from the folder once; from the source from then on. */
void test_lookup_beside_the_spec(void **state)
{
    (void)state;
    char folder[] = "spec_test_XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *text = with_lookup();
    write_file(folder, GOOD_NAME, text);

    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, GOOD_NAME);
    rk_spec_source source = {0};
    rk_error err = {0};
    assert_int_equal(rk_spec_source_read(path, &source, &err), RK_OK);
    assert_string_equal(source.name, GOOD_NAME);

    rk_spec *spec = NULL;
    rk_findings findings = {0};
    assert_int_equal(rk_spec_load(&source, folder, &spec, &findings, &err), RK_INVALID);
    assert_true(has_finding(&findings, 18, 23, "No such file"));

    write_file(folder, "capsules.csv", "acme,DEV\n");
    assert_int_equal(rk_spec_load(&source, folder, &spec, &findings, &err), RK_OK);
    assert_int_equal(findings.count, 0);
    assert_int_equal(source.file_count, 1);
    rk_spec_destroy(spec);

    remove_file(folder, "capsules.csv");
    assert_int_equal(rk_spec_load(&source, NULL, &spec, &findings, &err), RK_OK);
    rk_slice found = rk_lookup_find(spec->entities[0].capsule.lookup, RK_SLICE_LITERAL("acme"));
    assert_true(rk_slice_equal(found, RK_SLICE_LITERAL("DEV")));
    rk_spec_destroy(spec);

    rk_findings_fini(&findings);
    rk_spec_source_fini(&source);
    remove_file(folder, GOOD_NAME);
    assert_int_equal(rmdir(folder), 0);
    free(text);
}
