#include "rekey/isolation/report.h"

#include <inttypes.h>

/* --- TAP -------------------------------------------------------------------------------------- */

/* A line break would end the line, and a '#' behind a name would begin a directive. */
static rk_status put_plain(rk_buf *to, const char *text, bool in_name, rk_error *err)
{
    rk_status status = RK_OK;
    for (const char *at = text; *at && status == RK_OK; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < 0x20 || byte == 0x7f || (in_name && byte == '#'))
            status = rk_buf_append_format(to, err, "\\x%02x", byte);
        else
            status = rk_buf_append_byte(to, byte, err);
    }
    return status;
}

static rk_status put_diagnostic(rk_buf *to, const char *word, const char *text, rk_error *err)
{
    if (!*text)
        return RK_OK;
    rk_status status = rk_buf_append_format(to, err, "\n#   %s: ", word);
    return status == RK_OK ? put_plain(to, text, false, err) : status;
}

rk_status rk_report_tap(rk_buf *to, uint64_t number, const rk_case_result *result, rk_error *err)
{
    rk_status status = rk_buf_append_format(to, err, "%s %" PRIu64 " - ",
                                            result->passed ? "ok" : "not ok", number);
    const char *const part[] = {result->stage, "/", result->subject, "/", result->attack};
    for (size_t i = 0; i < sizeof part / sizeof *part && status == RK_OK; i++)
        status = put_plain(to, part[i], true, err);
    if (status != RK_OK || result->passed)
        return status;
    status = put_diagnostic(to, "tried", result->tried, err);
    if (status == RK_OK)
        status = put_diagnostic(to, "on", result->object, err);
    return status == RK_OK ? put_diagnostic(to, "why", result->why, err) : status;
}

/* --- JUnit ------------------------------------------------------------------------------------ */

/* XML 1.0 holds neither most control characters, escaped or not, nor bytes that are no UTF-8: both
 * are written as \xNN. Only ASCII gets here otherwise, names of a spec included. */
static rk_status put_xml(rk_buf *to, const char *text, rk_error *err)
{
    rk_status status = RK_OK;
    for (const char *at = text; *at && status == RK_OK; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '&')
            status = rk_buf_append_str(to, "&amp;", err);
        else if (byte == '<')
            status = rk_buf_append_str(to, "&lt;", err);
        else if (byte == '>')
            status = rk_buf_append_str(to, "&gt;", err);
        else if (byte == '"')
            status = rk_buf_append_str(to, "&quot;", err);
        else if (byte < 0x20 || byte >= 0x7f)
            status = rk_buf_append_format(to, err, "\\x%02x", byte);
        else
            status = rk_buf_append_byte(to, byte, err);
    }
    return status;
}

void rk_junit_init(rk_junit *junit)
{
    *junit = (rk_junit){0};
    rk_buf_init(&junit->cases, RK_JUNIT_BYTES_MAX);
}

void rk_junit_fini(rk_junit *junit)
{
    if (junit)
        rk_buf_fini(&junit->cases);
}

static rk_status put_failure(rk_buf *to, const rk_case_result *result, rk_error *err)
{
    rk_status status = rk_buf_append_str(to, ">\n      <failure message=\"", err);
    if (status == RK_OK)
        status = put_xml(to, result->why, err);
    if (status == RK_OK)
        status = rk_buf_append_str(to, "\">tried: ", err);
    if (status == RK_OK)
        status = put_xml(to, result->tried, err);
    if (status == RK_OK)
        status = rk_buf_append_str(to, "\non: ", err);
    if (status == RK_OK)
        status = put_xml(to, result->object, err);
    return status == RK_OK ? rk_buf_append_str(to, "</failure>\n    </testcase>\n", err) : status;
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

rk_status rk_junit_add(rk_junit *junit, const rk_case_result *result, rk_error *err)
{
    rk_buf *to = &junit->cases;
    rk_status status = rk_buf_append_str(to, "    <testcase classname=\"", err);
    if (status == RK_OK)
        status = put_xml(to, result->stage, err);
    if (status == RK_OK)
        status = rk_buf_append_byte(to, '.', err);
    if (status == RK_OK)
        status = put_xml(to, result->subject, err);
    if (status == RK_OK)
        status = rk_buf_append_str(to, "\" name=\"", err);
    if (status == RK_OK)
        status = put_xml(to, result->attack, err);
    if (status == RK_OK)
        status = rk_buf_append_format(to, err, "\" time=\"%.6f\"", seconds(result->took_ns));
    if (status == RK_OK)
        status = result->passed ? rk_buf_append_str(to, "/>\n", err) : put_failure(to, result, err);
    junit->passed += result->passed;
    junit->failed += !result->passed;
    junit->took_ns += result->took_ns;
    return status;
}

static rk_status put_counts(const rk_junit *junit, const char *broken, rk_buf *to, rk_error *err)
{
    return rk_buf_append_format(
        to, err, " tests=\"%" PRIu64 "\" failures=\"%" PRIu64 "\" errors=\"%d\" time=\"%.6f\">\n",
        junit->passed + junit->failed + (broken != NULL), junit->failed, broken != NULL,
        seconds(junit->took_ns));
}

static rk_status put_broken(const char *broken, rk_buf *to, rk_error *err)
{
    if (!broken)
        return RK_OK;
    rk_status status = rk_buf_append_str(
        to, "    <testcase classname=\"store\" name=\"attack\">\n      <error message=\"", err);
    if (status == RK_OK)
        status = put_xml(to, broken, err);
    return status == RK_OK ? rk_buf_append_str(to, "\"/>\n    </testcase>\n", err) : status;
}

rk_status rk_junit_write(const rk_junit *junit, const char *name, const char *broken, rk_buf *to,
                         rk_error *err)
{
    rk_status status =
        rk_buf_append_str(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites", err);
    if (status == RK_OK)
        status = put_counts(junit, broken, to, err);
    if (status == RK_OK)
        status = rk_buf_append_str(to, "  <testsuite name=\"rekey isolation ", err);
    if (status == RK_OK)
        status = put_xml(to, name, err);
    if (status == RK_OK)
        status = rk_buf_append_byte(to, '"', err);
    if (status == RK_OK)
        status = put_counts(junit, broken, to, err);
    if (status == RK_OK)
        status = rk_buf_append(to, rk_buf_slice(&junit->cases), err);
    if (status == RK_OK)
        status = put_broken(broken, to, err);
    return status == RK_OK ? rk_buf_append_str(to, "  </testsuite>\n</testsuites>\n", err) : status;
}
