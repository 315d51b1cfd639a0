/* serve.h: threads that answer a server's requests.
 *
 * Each thread receives an exchange, has the handler make the reply, and sends it. This, nng.c and
 * closer.c are the transport's threads; whoever handles a request needs none of its own.
 *
 * Threading: the handler is called from all threads at once.
 */
#ifndef REKEY_TRANSPORT_SERVE_H
#define REKEY_TRANSPORT_SERVE_H

#include "transport/transport.h"

#define RK_SERVE_THREADS_MAX 256

typedef struct rk_serve rk_serve;

/* Fills `reply`, which is empty and has the transport's message limit as its cap. RK_OK: it is
 * sent. Any other status: the exchange is dropped, without an answer. */
typedef rk_status (*rk_serve_handler)(void *context, rk_slice request, rk_buf *reply);

/* Starts the threads. The server is borrowed. RK_INVALID for a number of threads that is not 1 to
 * RK_SERVE_THREADS_MAX; RK_NOMEM, RK_IO: then the server is as it was. */
rk_status rk_serve_start(rk_server *server, uint32_t threads, rk_serve_handler handler,
                         void *context, rk_serve **out, rk_error *err);

/* Stops the server (rk_server_stop), lets handlers that are under way finish and their answers go
 * out, and joins. NULL allowed. */
void rk_serve_stop(rk_serve *serve);

#endif
