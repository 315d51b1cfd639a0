/* far.h: a remote client whose messages go to a node's records on a bench, without a network: each
 * call is encoded, decoded, answered, encoded and decoded as if there were one. */
#ifndef TESTS_UNIT_CLIENT_FAR_H
#define TESTS_UNIT_CLIENT_FAR_H

#include "rekey/client/remote_private.h"
#include "rekey/node/records.h"
#include "tests/unit/client/bench.h"

#define FAR_BODY_BYTES_MAX ((size_t)1 << 20)

/* What goes wrong with a call. */
typedef enum far_fault {
    FAR_FINE,
    FAR_TIMEOUT,   /* it was not sent */
    FAR_UNCERTAIN, /* it was carried out, and the answer was lost */
    FAR_FORGOTTEN, /* another incarnation of the node: it says RK_UNCERTAIN */
    FAR_REFUSED,   /* the node does not let us in */
    FAR_GARBAGE    /* the answer's body is of nothing */
} far_fault;

typedef struct far {
    rk_cluster_node nodes[3];
    rk_cluster cluster;
    rk_access_entry peer; /* may touch everything */
    rk_node_records records;
    rk_client *client;
    far_fault fault;
    far_fault node_fault[3]; /* of each node, besides */
    size_t calls;
    bool repeatable; /* the last one */
    size_t closed;
} far;

/* The tenant "t1" lives on the node that the bench's client stands for. */
void far_init(far *f, bench *b);

/* Asks for the schema, as rk_client_open does. */
rk_status far_open(far *f, const rk_client_options *options, rk_error *err);
void far_close(far *f);

#endif
