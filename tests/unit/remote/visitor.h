/* visitor.h: sessions with a gate, message by message, without a carriage. */
#ifndef REKEY_TESTS_REMOTE_VISITOR_H
#define REKEY_TESTS_REMOTE_VISITOR_H

#include "site.h"

#define MESSAGE_BYTES_MAX 4096

typedef struct visited visited;

/* Called inside the handler, from the test's own thread: no lock of the gate is held then. */
typedef void (*visited_hook)(visited *v);

/* A gate whose handler echoes, but for "fail". */
struct visited {
    rk_secret_key node_key;
    rk_access *access; /* the visitors' own directory */
    rk_gate *gate;
    int handled;
    rk_role last_role;
    visited_hook hook; /* once */
    void *hook_context;
};

void visited_open(visited *v, uint32_t sessions_max, uint32_t half_open_max);
void visited_open_bounded(visited *v, uint32_t sessions_max, uint32_t half_open_max,
                          uint32_t key_sessions_max);
void visited_close(visited *v);

/* One peer. */
typedef struct visitor {
    rk_secret_key key;
    rk_secure *session;
    rk_buf sent;  /* the last message that it sent */
    rk_buf reply; /* the gate's last */
} visitor;

void visitor_init(visitor *p, visited *v, int key);
void visitor_fini(visitor *p);

/* Gives `sent` to the gate. */
rk_status visitor_send(visitor *p, visited *v, rk_error *why);

/* Each fails the test unless the gate answers, and the answer holds. */
void visitor_hello(visitor *p, visited *v); /* leaves the gate half-open */
void visitor_finish(visitor *p, visited *v);
void visitor_enter(visitor *p, visited *v); /* init with the client's key, and both */
void visitor_enter_by(visitor *p, visited *v, int key);

/* Seals into `sent`. */
void visitor_seal(visitor *p, const char *text);

/* Whether a request is answered, by an echo, or refused. */
bool visitor_is_welcome(visitor *p, visited *v);

/* Whether the last reply is the nine bytes. */
bool visitor_was_refused(const visitor *p);

int run_bounds(void);

#endif
