/* url.h: the addresses of nodes, "tcp://HOST:PORT" and "ipc://PATH".
 *
 * HOST is a name, an IPv4 address, or an IPv6 address in brackets; PORT is 0 to 65535, in decimal;
 * PATH is that of a Unix socket, at most RK_URL_PATH_BYTES_MAX bytes. Nothing else is taken: no
 * user, path, query or wildcard, and no other scheme. Stricter than nng's own parser, which knows a
 * `LOCAL;HOST` and a `*`, accepts names of services for ports, and forgives a lot.
 */
#ifndef REKEY_TRANSPORT_URL_H
#define REKEY_TRANSPORT_URL_H

#include <rekey/slice.h>
#include <rekey/status.h>

typedef enum rk_url_scheme { RK_URL_TCP, RK_URL_IPC } rk_url_scheme;

typedef enum rk_url_use {
    RK_URL_DIAL,  /* port 0 is refused */
    RK_URL_LISTEN /* port 0 is any free one */
} rk_url_use;

#define RK_URL_HOST_BYTES_MAX 253 /* of a DNS name; RFC 1035 */
#define RK_URL_PATH_BYTES_MAX 107 /* sun_path holds 108, its NUL included */

/* An address taken apart. The slices borrow from the text. */
typedef struct rk_url {
    rk_url_scheme scheme;
    rk_slice host; /* tcp; with the brackets of an IPv6 address */
    uint16_t port;
    const char *path; /* ipc; the rest of the text */
} rk_url;

/* RK_INVALID says what is wrong. */
rk_status rk_url_parse(const char *text, rk_url_use use, rk_url *out, rk_error *err);

#endif
