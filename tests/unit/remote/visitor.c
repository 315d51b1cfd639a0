#include "visitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rk_status echo(void *context, const rk_access_entry *peer, rk_slice request, rk_buf *reply)
{
    visited *v = context;
    visited_hook hook = v->hook;
    v->handled++;
    v->last_role = peer->role;
    v->hook = NULL;
    if (hook != NULL)
        hook(v);
    if (rk_slice_equal(request, RK_SLICE_LITERAL("fail")))
        return RK_IO;
    return rk_buf_set(reply, request, NULL);
}

void visited_open(visited *v, uint32_t sessions_max, uint32_t half_open_max)
{
    visited_open_bounded(v, sessions_max, half_open_max, sessions_max);
}

void visited_open_bounded(visited *v, uint32_t sessions_max, uint32_t half_open_max,
                          uint32_t key_sessions_max)
{
    rk_error err = {0};
    *v = (visited){.node_key = site_key(KEY_NODE), .access = site_access((const int[]){0})};
    rk_gate_config config = {.key = &v->node_key,
                             .context = rk_slice_str(CONTEXT),
                             .message_bytes_max = MESSAGE_BYTES_MAX,
                             .sessions_max = sessions_max,
                             .half_open_max = half_open_max,
                             .key_sessions_max = key_sessions_max,
                             .handler = echo,
                             .handler_context = v};
    must(rk_gate_create(&config, site_access((const int[]){0}), &v->gate, &err), &err);
}

void visited_close(visited *v)
{
    rk_gate_destroy(v->gate);
    rk_access_destroy(v->access);
}

void visitor_init(visitor *p, visited *v, int key)
{
    rk_error err = {0};
    rk_role role = RK_ROLE_CLIENT; /* the stranger says that he is one */
    *p = (visitor){.key = site_key(key)};
    rk_access_role_of(v->access, &p->key.public_key, &role);
    rk_secure_config config = {.role = role,
                               .key = &p->key,
                               .peer = &v->node_key.public_key,
                               .context = rk_slice_str(CONTEXT),
                               .directory = {rk_access_role_of, v->access},
                               .randomness = rk_secure_random,
                               .plaintext_bytes_max = MESSAGE_BYTES_MAX,
                               .frames_max = RK_SECURE_FRAMES_MAX};
    rk_slice hello = RK_SLICE_EMPTY;
    rk_buf_init(&p->sent, 2 * MESSAGE_BYTES_MAX);
    rk_buf_init(&p->reply, MESSAGE_BYTES_MAX);
    must(rk_secure_create(&config, &p->session, &err), &err);
    must(rk_secure_hello(p->session, &hello, &err), &err);
    must(rk_buf_set(&p->sent, hello, NULL), NULL);
}

void visitor_fini(visitor *p)
{
    rk_secure_destroy(p->session);
    rk_buf_fini(&p->sent);
    rk_buf_fini(&p->reply);
}

rk_status visitor_send(visitor *p, visited *v, rk_error *why)
{
    return rk_gate_take(v->gate, rk_buf_slice(&p->sent), &p->reply, why);
}

static rk_secure_step answered(visitor *p, visited *v)
{
    rk_error err = {0};
    rk_secure_step step = {RK_SECURE_SEND, RK_SLICE_EMPTY};
    must(visitor_send(p, v, &err), &err);
    must(rk_secure_take(p->session, rk_buf_slice(&p->reply), &step, &err), &err);
    return step;
}

void visitor_hello(visitor *p, visited *v)
{
    rk_secure_step step = answered(p, v);
    assert_int_equal(step.event, RK_SECURE_SEND);
    must(rk_buf_set(&p->sent, step.bytes, NULL), NULL);
}

void visitor_finish(visitor *p, visited *v)
{
    assert_int_equal(answered(p, v).event, RK_SECURE_ESTABLISHED);
}

void visitor_enter(visitor *p, visited *v)
{
    visitor_enter_by(p, v, KEY_CLIENT);
}

void visitor_enter_by(visitor *p, visited *v, int key)
{
    visitor_init(p, v, key);
    visitor_hello(p, v);
    visitor_finish(p, v);
}

void visitor_seal(visitor *p, const char *text)
{
    rk_slice sealed = RK_SLICE_EMPTY;
    must(rk_secure_seal(p->session, rk_slice_str(text), &sealed, NULL), NULL);
    must(rk_buf_set(&p->sent, sealed, NULL), NULL);
}

bool visitor_was_refused(const visitor *p)
{
    return rk_slice_equal(rk_buf_slice(&p->reply), rk_secure_refusal());
}

bool visitor_is_welcome(visitor *p, visited *v)
{
    rk_error err = {0};
    rk_secure_step step;
    visitor_seal(p, "a request");
    must(visitor_send(p, v, &err), &err);
    bool is_welcome = !visitor_was_refused(p);
    if (is_welcome) {
        assert_string_equal(err.message, "");
        must(rk_secure_take(p->session, rk_buf_slice(&p->reply), &step, &err), &err);
        assert_true(rk_slice_equal(step.bytes, RK_SLICE_LITERAL("a request")));
    } else {
        assert_true(err.message[0] != '\0');
    }
    return is_welcome;
}
