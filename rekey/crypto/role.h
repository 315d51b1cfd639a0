/* role.h: what a key may be in a cluster.
 *
 * A key has one role. The numbers stand in signed handshakes (specs/wire.md): never change one,
 * never use one again.
 */
#ifndef REKEY_CRYPTO_ROLE_H
#define REKEY_CRYPTO_ROLE_H

#include <rekey/slice.h>

typedef enum rk_role {
    RK_ROLE_NONE = 0,
    RK_ROLE_OPERATOR = 1,    /* a person at the command line: phases, approvals, status */
    RK_ROLE_COORDINATOR = 2, /* drives a migration */
    RK_ROLE_NODE = 3,        /* owns a shard and answers the others */
    RK_ROLE_CLIENT = 4       /* an application: records of some tenants and capsules */
} rk_role;

#define RK_ROLE_MAX RK_ROLE_CLIENT

/* The role's word in files and messages, a static string; "none" and "unknown" for other numbers.
 */
const char *rk_role_name(rk_role role);

/* RK_ROLE_NONE for a word that is none of the four. */
rk_role rk_role_of_name(rk_slice name);

#endif
