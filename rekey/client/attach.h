/* attach.h: what this repository's programs ask of a client beyond the installed header: a client
 * on a store that they opened themselves. */
#ifndef REKEY_CLIENT_ATTACH_H
#define REKEY_CLIENT_ATTACH_H

#include <rekey/client.h>

#include "store/store.h"

/* As rk_client_open, on an open store; it is borrowed and must outlive the client. */
rk_status rk_client_attach(rk_store *store, const rk_client_options *options, rk_client **out,
                           rk_error *err);

/* Whether the registered spec says that values are JSON objects. */
bool rk_client_holds_json(rk_client *client);

#endif
