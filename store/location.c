#include "store/location.h"

#include <string.h>

#define LMDB_SCHEME "lmdb:"

rk_status rk_location_parse(const char *location, const char **folder, rk_error *err)
{
    size_t scheme = strcspn(location, ":/");
    if (location[scheme] != ':')
        return rk_error_set(err, RK_INVALID, "open store %s: its kind is missing", location);
    if (strncmp(location, LMDB_SCHEME, sizeof LMDB_SCHEME - 1) != 0)
        return rk_error_set(err, RK_INVALID, "open store %s: this build knows no \"%.*s\" stores",
                            location, (int)scheme, location);
    if (location[scheme + 1] == '\0')
        return rk_error_set(err, RK_INVALID, "open store lmdb: the folder is missing");
    *folder = location + scheme + 1;
    return RK_OK;
}
