/* location.h: the words by which people name where records are: "lmdb:DIR", a store in this
 * process, or "cluster:FILE", nodes elsewhere. */
#ifndef REKEY_STORE_LOCATION_H
#define REKEY_STORE_LOCATION_H

#include <rekey/status.h>

typedef enum rk_location_kind { RK_LOCATION_LMDB, RK_LOCATION_CLUSTER } rk_location_kind;

typedef struct rk_location {
    rk_location_kind kind;
    const char *path; /* of the folder, or of the file; points into the words */
} rk_location;

/* RK_INVALID says what is wrong with the words; nothing is opened. */
rk_status rk_location_parse(const char *words, rk_location *out, rk_error *err);

#endif
