/* ipc_path.h: a place in the file system that is safe to listen at.
 *
 * nng itself would unlink whatever does not accept a connection, a regular file too, and two
 * processes that start at once could take each other's sockets. So the place is looked at before,
 * under a lock on its folder.
 */
#ifndef REKEY_TRANSPORT_IPC_PATH_H
#define REKEY_TRANSPORT_IPC_PATH_H

#include <rekey/status.h>

typedef struct rk_ipc_claim {
    int folder_fd; /* holds the lock; -1 when there is none */
} rk_ipc_claim;

#define RK_IPC_CLAIM_NONE ((rk_ipc_claim){-1})

/* Locks the folder, checks it, and removes the socket of a process that died. Hold the claim until
 * the new socket listens. RK_BUSY: a live server has the path, or another process has held the
 * folder's lock for a second. RK_AUTH: others may write the folder. RK_INVALID: the path exists and
 * is no socket. RK_IO with origin ERRNO. */
rk_status rk_ipc_claim_take(const char *path, rk_ipc_claim *out, rk_error *err);

/* RK_IPC_CLAIM_NONE is allowed, and what the claim is afterwards. */
void rk_ipc_claim_release(rk_ipc_claim *claim);

#endif
