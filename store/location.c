#include "store/location.h"

#include <string.h>

static const struct {
    rk_location_kind kind;
    const char *scheme;
    const char *path; /* what comes behind the colon */
} kinds[] = {
    {RK_LOCATION_LMDB, "lmdb", "folder"},
    {RK_LOCATION_CLUSTER, "cluster", "file"},
};

rk_status rk_location_parse(const char *words, rk_location *out, rk_error *err)
{
    size_t scheme = strcspn(words, ":/");
    const char *path = words + scheme + 1;
    if (words[scheme] != ':')
        return rk_error_set(err, RK_INVALID, "open store %s: its kind is missing", words);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strlen(kinds[i].scheme) != scheme || memcmp(words, kinds[i].scheme, scheme) != 0)
            continue;
        if (*path == '\0')
            return rk_error_set(err, RK_INVALID, "open store %s the %s is missing", words,
                                kinds[i].path);
        *out = (rk_location){kinds[i].kind, path};
        return RK_OK;
    }
    return rk_error_set(err, RK_INVALID, "open store %s: this build knows no \"%.*s\" stores",
                        words, (int)scheme, words);
}
