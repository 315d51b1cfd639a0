/* location.h: the words by which people name a store, "lmdb:DIR". */
#ifndef REKEY_STORE_LOCATION_H
#define REKEY_STORE_LOCATION_H

#include <rekey/status.h>

/* *folder points into `location`. RK_INVALID says what is wrong with the words; nothing is
 * opened. */
rk_status rk_location_parse(const char *location, const char **folder, rk_error *err);

#endif
