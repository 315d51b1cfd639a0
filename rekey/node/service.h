/* service.h: answers one opened request: which kind it is, whether it was done already, who does
 * it.
 *
 * Invariants
 *   - An operation that changes something is done once in this incarnation of the node, however
 *     often its request comes; the result of the first time answers the others.
 *   - A request for another incarnation is answered RK_UNCERTAIN and not done.
 *   - Results are kept by (key of the peer, operation id): nobody is answered with another's.
 *
 * Threading: any number of threads.
 */
#ifndef REKEY_NODE_SERVICE_H
#define REKEY_NODE_SERVICE_H

#include "rekey/node/control.h"
#include "rekey/node/leases.h"
#include "rekey/node/records.h"

typedef struct rk_service rk_service;

typedef struct rk_service_config {
    rk_store *store; /* all is borrowed */
    const rk_cluster *cluster;
    size_t self;
    rk_node_control *control;
    rk_leases *leases;
    size_t body_bytes_max; /* of a reply */
} rk_service_config;

rk_status rk_service_create(const rk_service_config *config, rk_service **out, rk_error *err);
void rk_service_destroy(rk_service *service); /* NULL allowed */

/* An rk_gate_handler: `context` is the service. */
rk_status rk_service_answer(void *context, const rk_access_entry *peer, rk_slice request,
                            rk_buf *reply);

#endif
