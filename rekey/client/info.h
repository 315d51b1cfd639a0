/* info.h: what the command line asks a client beyond the installed header. */
#ifndef REKEY_CLIENT_INFO_H
#define REKEY_CLIENT_INFO_H

#include <rekey/client.h>
#include <stdbool.h>

/* Whether the registered spec says that values are JSON objects. */
bool rk_client_holds_json(rk_client *client);

#endif
