/* Progress lines, byte by byte, and how often they are drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "rekey/cli/frame.h"
#include "rekey/cli/text.h"
#include "tests/unit/cli/stage.h"

#define WIDE 200
#define MS   UINT64_C(1000000)

static const struct {
    const char *name;
    rk_progress_view view;
    double rate;
    unsigned columns;
    const char *live;
    const char *plain;
} lines[] = {
    {"half way",
     {"backfill canary", 500000, 1000000, 0, 256, 0},
     12345.4,
     WIDE,
     "backfill canary [##########..........]  50% 500,000/1,000,000  ETA 41s  12,345/s  batch 256",
     "backfill canary: 50%, 500,000 of 1,000,000, 12,345/s, ETA 41s, batch 256"},
    {"quarantine",
     {"backfill", 1, 3, 0, 0, 1234},
     1,
     WIDE,
     "backfill [######..............]  33% 1/3  quarantined 1,234  ETA 2s  1/s",
     "backfill: 33%, 1 of 3, 1/s, ETA 2s, quarantined 1,234"},
    {"rate not known yet",
     {"verify", 0, 10, 0, 0, 0},
     -1,
     WIDE,
     "verify [....................]   0% 0/10",
     "verify: 0%, 0 of 10"},
    {"standing still",
     {"verify", 5, 10, 0, 0, 0},
     0,
     WIDE,
     "verify [##########..........]  50% 5/10  0/s",
     "verify: 50%, 5 of 10, 0/s"},
    {"total unknown",
     {"inspect", 4096, 0, 0, 0, 0},
     1000,
     WIDE,
     "inspect 4,096  1,000/s",
     "inspect: 4,096, 1,000/s"},
    {"done",
     {"contract", 10, 10, 0, 0, 0},
     5,
     WIDE,
     "contract [####################] 100% 10/10  5/s",
     "contract: 100%, 10 of 10, 5/s"},
    {"almost",
     {"contract", 999, 1000, 0, 0, 0},
     -1,
     WIDE,
     "contract [###################.]  99% 999/1,000",
     "contract: 99%, 999 of 1,000"},
    {"more than expected",
     {"contract", 12, 10, 0, 0, 0},
     5,
     WIDE,
     "contract [####################] 100% 12/10  5/s",
     "contract: 100%, 12 of 10, 5/s"},
    {"huge",
     {"x", UINT64_MAX / 2, UINT64_MAX, 0, 0, 0},
     -1,
     WIDE,
     "x [##########..........]  50% 9,223,372,036,854,775,807/18,446,744,073,709,551,615",
     "x: 50%, 9,223,372,036,854,775,807 of 18,446,744,073,709,551,615"},
    {"80 columns",
     {"backfill production", 500000, 1000000, 0, 256, 3},
     12345,
     79,
     "backfill production [##########..........]  50% 500,000/1,000,000",
     "backfill production: 50%, 500,000 of 1,000,000, 12,345/s, ETA 41s, batch 256, quarantined 3"},
    {"narrow",
     {"backfill", 500, 1000, 0, 256, 0},
     10,
     20,
     "backfill",
     "backfill: 50%, 500 of 1,000, 10/s, ETA 50s, batch 256"},
    {"no room at all",
     {"backfill", 500, 1000, 0, 0, 0},
     10,
     0,
     "",
     "backfill: 50%, 500 of 1,000, 10/s, ETA 50s"},
    {"escapes", {"a\033b", 1, 0, 0, 0, 0}, -1, WIDE, "a\\x1bb 1", "a\\x1bb: 1"},
};

static void lines_are_as_drawn(void **state)
{
    (void)state;
    for (size_t i = 0; i < RK_COUNT(lines); i++) {
        char text[512];
        size_t length = rki_progress_live(&lines[i].view, lines[i].rate, lines[i].columns, false,
                                          text, sizeof text);
        if (strcmp(text, lines[i].live) != 0 || length != strlen(text))
            fail_msg("%s: live: %s", lines[i].name, text);
        length = rki_progress_plain(&lines[i].view, lines[i].rate, text, sizeof text);
        if (strcmp(text, lines[i].plain) != 0 || length != strlen(text))
            fail_msg("%s: plain: %s", lines[i].name, text);
    }
}

static void colour_changes_no_width(void **state)
{
    (void)state;
    const rk_progress_view view = {"backfill", 1, 2, 0, 16, 1};
    char text[512];
    rki_progress_live(&view, 3, WIDE, true, text, sizeof text);
    assert_string_equal(text,
                        "\033[1mbackfill\033[0m"
                        "\033[32m [##########..........]\033[0m  50% 1/2"
                        "\033[31m  quarantined 1\033[0m  ETA 0s  3/s\033[2m  batch 16\033[0m");
}

static void a_small_buffer_is_never_overrun(void **state)
{
    (void)state;
    const rk_progress_view view = {"backfill production", 500, 1000, 0, 256, 3};
    for (size_t bytes = 1; bytes < 160; bytes++) {
        char text[160];
        memset(text, 'z', sizeof text);
        size_t length = rki_progress_live(&view, 3, WIDE, true, text, bytes);
        assert_true(length < bytes);
        assert_int_equal(text[length], '\0');
        assert_int_equal(text[bytes], 'z');
    }
}

static void off_a_terminal_lines_are_rare(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    rk_progress_view view = {"backfill", 0, 100000, 0, 0, 0};
    for (uint64_t ms = 0; ms <= 10000; ms += 10) {
        view.done = ms * 4;
        rk_cli_progress(&s.cli, &view, ms * MS);
    }
    rk_cli_progress_end(&s.cli);
    assert_string_equal(stage_err(&s), "backfill: 20%, 20,000 of 100,000, 4,000/s, ETA 20s\n"
                                       "backfill: 40%, 40,000 of 100,000, 4,000/s, ETA 15s\n");
    stage_close(&s);
}

static void on_a_terminal_one_line_is_redrawn(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.cli.err_is_terminal = true;
    rk_progress_view view = {"verify", 0, 100, 0, 0, 0};
    rk_cli_progress(&s.cli, &view, 1000 * MS);
    view.done = 5;
    rk_cli_progress(&s.cli, &view, 1050 * MS); /* too soon */
    view.done = 10;
    rk_cli_progress(&s.cli, &view, 1100 * MS);
    rk_cli_note(&s.cli, "a message");
    rk_cli_progress_end(&s.cli); /* nothing is left to erase */
    assert_string_equal(stage_err(&s), "\rverify [....................]   0% 0/100\033[K"
                                       "\rverify [##..................]  10% 10/100  ETA 1s  100/s"
                                       "\033[K\r\033[Ka message\n");
    stage_close(&s);
}

static void a_new_phase_has_its_own_rate(void **state)
{
    (void)state;
    stage s;
    stage_open(&s);
    s.cli.progress_line_ns = 1000 * MS;
    rk_progress_view view = {"backfill", 0, 0, 0, 0, 0};
    rk_cli_progress(&s.cli, &view, 0);
    view.done = 5000;
    rk_cli_progress(&s.cli, &view, 1000 * MS);
    view.phase = "verify";
    view.done = 0;
    rk_cli_progress(&s.cli, &view, 2000 * MS);
    view.done = 7;
    rk_cli_progress(&s.cli, &view, 3000 * MS);
    view.records_per_s = 9;
    rk_cli_progress(&s.cli, &view, 4000 * MS);
    assert_string_equal(stage_err(&s), "backfill: 5,000, 5,000/s\n"
                                       "verify: 0\n"
                                       "verify: 7, 7/s\n"
                                       "verify: 7, 9/s\n");
    stage_close(&s);
}

static void numbers_read_well(void **state)
{
    (void)state;
    assert_string_equal(rk_text_count(0).s, "0");
    assert_string_equal(rk_text_count(999).s, "999");
    assert_string_equal(rk_text_count(1000).s, "1,000");
    assert_string_equal(rk_text_count(UINT64_MAX).s, "18,446,744,073,709,551,615");
    assert_string_equal(rk_text_bytes(0).s, "0 B");
    assert_string_equal(rk_text_bytes(1023).s, "1023 B");
    assert_string_equal(rk_text_bytes(1024).s, "1.0 KiB");
    assert_string_equal(rk_text_bytes(1048575).s, "1.0 MiB");
    assert_string_equal(rk_text_bytes(UINT64_MAX).s, "16.0 EiB");
    assert_string_equal(rk_text_duration(0).s, "0s");
    assert_string_equal(rk_text_duration(245).s, "4m05s");
    assert_string_equal(rk_text_duration(3600).s, "1h00m");
    assert_string_equal(rk_text_duration(187200).s, "2d04h");
}

int test_progress(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_as_drawn),
        cmocka_unit_test(colour_changes_no_width),
        cmocka_unit_test(a_small_buffer_is_never_overrun),
        cmocka_unit_test(off_a_terminal_lines_are_rare),
        cmocka_unit_test(on_a_terminal_one_line_is_redrawn),
        cmocka_unit_test(a_new_phase_has_its_own_rate),
        cmocka_unit_test(numbers_read_well),
    };
    return cmocka_run_group_tests_name("cli.progress", tests, NULL, NULL);
}
