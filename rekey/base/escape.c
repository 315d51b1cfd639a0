#include "rekey/base/escape.h"

#include <assert.h>
#include <string.h>

static bool follows(rk_slice bytes, size_t at, uint8_t low, uint8_t high)
{
    return at < bytes.len && bytes.ptr[at] >= low && bytes.ptr[at] <= high;
}

/* Length of the printable character at `at`; 0 when it is a control or no UTF-8 (Unicode 15, table
 * 3-7: no surrogates, no longer forms than needed). */
static size_t printable_length(rk_slice bytes, size_t at)
{
    uint8_t c = bytes.ptr[at];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f ? 1 : 0;
    if (c == 0xc2)
        return follows(bytes, at + 1, 0xa0, 0xbf) ? 2 : 0; /* below 0xa0: C1 controls */
    if (c > 0xc2 && c <= 0xdf)
        return follows(bytes, at + 1, 0x80, 0xbf) ? 2 : 0;
    size_t length = c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (length == 0 || !follows(bytes, at + 1, low, high))
        return 0;
    for (size_t i = 2; i < length; i++)
        if (!follows(bytes, at + i, 0x80, 0xbf))
            return 0;
    return length;
}

size_t rk_text_escape(rk_slice bytes, char *out, size_t out_bytes)
{
    static const char digits[] = "0123456789abcdef";
    assert(out_bytes >= 8);
    size_t in = 0;
    size_t at = 0;
    while (in < bytes.len) {
        size_t length = printable_length(bytes, in);
        if (at + (length > 0 ? length : 4) >= out_bytes)
            break;
        if (length > 0) {
            memcpy(out + at, bytes.ptr + in, length);
            at += length;
            in += length;
            continue;
        }
        uint8_t c = bytes.ptr[in++];
        const char escaped[4] = {'\\', 'x', digits[c >> 4], digits[c & 15]};
        memcpy(out + at, escaped, sizeof escaped);
        at += sizeof escaped;
    }
    out[at] = '\0';
    return in;
}
