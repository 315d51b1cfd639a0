#include "rekey/base/fault.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOW_NS     40000000
#define WINDOW_ONE_IN 4

bool rk_fault(const char *name)
{
    const char *planted = getenv("REKEY_FAULT");
    return planted && strcmp(planted, name) == 0;
}

void rk_fault_window(const char *name)
{
    static unsigned calls;
    struct timespec time = {.tv_nsec = WINDOW_NS};
    if (rk_fault(name) && calls++ % WINDOW_ONE_IN == 0)
        nanosleep(&time, NULL);
}

#define BENT_BYTES 1024
#define BENT_MAX   64

/* Ids live as long as a call; 64 of them are more than one has. */
static unsigned char *bent_place(void)
{
    static unsigned char place[BENT_MAX][BENT_BYTES];
    static unsigned next;
    return place[next++ % BENT_MAX];
}

static rk_slice fold_case(rk_slice bytes)
{
    unsigned char *to = bent_place();
    for (size_t i = 0; i < bytes.len; i++)
        to[i] = (unsigned char)tolower(bytes.ptr[i]);
    return rk_slice_of(to, bytes.len);
}

/* "e" and a combining acute accent become the one letter: all of Unicode that is needed here. */
static rk_slice compose(rk_slice bytes)
{
    unsigned char *to = bent_place();
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bool pair = i + 2 < bytes.len && memcmp(bytes.ptr + i, "e\xcc\x81", 3) == 0;
        to[len++] = pair ? 0xc3 : bytes.ptr[i];
        if (pair)
            to[len++] = 0xa9;
        i += pair ? 2 : 0;
    }
    return rk_slice_of(to, len);
}

rk_slice rk_fault_bend(rk_slice bytes)
{
    if (bytes.len == 0 || bytes.len > BENT_BYTES)
        return bytes;
    if (rk_fault("case_folded"))
        return fold_case(bytes);
    if (rk_fault("unicode_composed"))
        return compose(bytes);
    if (rk_fault("last_digit_cut") && bytes.ptr[bytes.len - 1] == '0' && bytes.len > 1)
        return rk_slice_of(bytes.ptr, bytes.len - 1);
    if (rk_fault("cut_at_nul")) {
        const unsigned char *end = memchr(bytes.ptr, 0, bytes.len);
        return end && end > bytes.ptr ? rk_slice_of(bytes.ptr, (size_t)(end - bytes.ptr)) : bytes;
    }
    return bytes;
}

const char *rk_fault_word(const char *name, const char *word)
{
    const char *other = getenv("REKEY_FAULT_WORD");
    return other && rk_fault(name) ? other : word;
}
