/* desk.h: what a node is made of behind its sessions: a store, the work, the control, a clock that
 * the test turns; and short words for asking it. What fails here fails the test. */
#ifndef REKEY_TESTS_NODE_DESK_H
#define REKEY_TESTS_NODE_DESK_H

#include <stdatomic.h>

#include <jansson.h>

#include "rekey/node/control.h"
#include "tests/unit/engine/yard.h"
#include "tests/unit/json_text.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Time goes on as the system's does, and jumps where the test says so. */
typedef struct desk_clock {
    _Atomic int64_t wall_jump_ms;
    _Atomic uint64_t monotonic_jump_ns;
    void (*on_wall)(void *context); /* once, when somebody looks at the wall clock */
    void *on_wall_context;
} desk_clock;

typedef struct desk {
    yard yard; /* with `is_bare` only its shelf */
    bool is_bare;
    desk_clock time;
    rk_clock clock;
    rk_cluster_node nodes[3];
    rk_cluster cluster; /* of node n1 alone; n2 and n3 are there for who raises node_count */
    size_t self;
    rk_work *work;
    rk_node_control *control;
    rk_error err; /* of the last refusal */
} desk;

/* A spec registered, a few records, an active plan. */
void desk_open(desk *d);

/* Nothing registered yet. */
void desk_open_bare(desk *d);
void desk_close(desk *d);

/* The node stops and starts again; what comes back is what its start says. */
rk_status desk_restart(desk *d);

rk_store *desk_store(desk *d);

/* Works until nothing is left to do. */
void desk_work(desk *d);

/* --- asking ----------------------------------------------------------------------------------- */

#define TOKEN_1 "000102030405060708090a0b0c0d0e0f"
#define TOKEN_2 "ff0102030405060708090a0b0c0d0e0f"

extern const rk_access_entry an_operator, a_coordinator, a_node, a_client;
extern const rk_work_asker tess; /* asks for work with a_coordinator's key; leads nothing */

/* The request in JSON, with ' for each ". The reply is a new object, NULL unless RK_OK. */
rk_status desk_ask(desk *d, const rk_access_entry *peer, const char *request, json_t **reply);

/* The same of a coordinator, whose reply must be RK_OK. */
json_t *desk_get(desk *d, const char *request);
void desk_must(desk *d, const char *request);

/* A coordinator's request that is refused so; the message holds the words. */
void desk_refuses(desk *d, const char *request, rk_status status, const char *words);

const char *text_at(const json_t *object, const char *name); /* "" for none */

/* A claim with these members besides; until the next call. */
char *desk_claim(desk *d, const char *leader);

/* The spec as it is registered, as messages carry it. */
json_t *desk_spec(desk *d);

/* A plan of the store as it is, whole, with this node's part only. */
char *desk_plan(desk *d);

#endif
