#include "rekey/cli/text.h"

#include <stdio.h>

rk_text rk_text_count(uint64_t n)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    rk_text text = {0};
    size_t at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text.s[at++] = ',';
        text.s[at++] = digits[i];
    }
    return text;
}

rk_text rk_text_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    rk_text text = {0};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    snprintf(text.s, sizeof text.s, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

rk_text rk_text_duration(uint64_t seconds)
{
    rk_text text = {0};
    unsigned long long s = seconds % 60;
    unsigned long long m = seconds / 60 % 60;
    unsigned long long h = seconds / 3600 % 24;
    unsigned long long d = seconds / 86400;
    if (d > 0)
        snprintf(text.s, sizeof text.s, "%llud%02lluh", d, h);
    else if (h > 0)
        snprintf(text.s, sizeof text.s, "%lluh%02llum", h, m);
    else if (m > 0)
        snprintf(text.s, sizeof text.s, "%llum%02llus", m, s);
    else
        snprintf(text.s, sizeof text.s, "%llus", s);
    return text;
}
