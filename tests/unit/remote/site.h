/* site.h: keys, their rights, and nodes that answer, for the tests of remote.
 *
 * Every key is made of a number: the same in each run.
 */
#ifndef REKEY_TESTS_REMOTE_SITE_H
#define REKEY_TESTS_REMOTE_SITE_H

#include "rekey/access/access.h"
#include "rekey/protocol/protocol.h"
#include "rekey/remote/channel.h"
#include "rekey/remote/gate.h"
#include "transport/dedup.h"
#include "transport/serve.h"

#include <pthread.h>
#include <stdatomic.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define CONTEXT      "site"

/* Longer than anything takes that works; and what is waited for where nothing comes. */
#define PATIENT_MS 60000u
#define SHORT_MS   100u

#define must(call, err)            site_expect((call), RK_OK, (err), #call, __FILE__, __LINE__)
#define must_be(status, call, err) site_expect((call), (status), (err), #call, __FILE__, __LINE__)
void site_expect(rk_status status, rk_status expected, const rk_error *err, const char *what,
                 const char *file, int line);

/* Fails unless the message holds the words. */
void site_expect_words(const rk_error *err, const char *words);

/* --- keys ------------------------------------------------------------------------------------- */

enum { KEY_NODE = 1, KEY_OTHER_NODE, KEY_CLIENT, KEY_OPERATOR, KEY_COORDINATOR, KEY_STRANGER };

/* Key `number`; all but the stranger's are authorized by site_access. */
rk_secret_key site_key(int number);

/* Authorized keys without those whose numbers are given; the list ends with 0. */
rk_access *site_access(const int *without);

/* The same with the client's key as an operator's. */
rk_access *site_access_promoted(void);

/* The text of the file. */
void site_access_text(const int *without, const char *client_role, rk_buf *out);

/* An inproc transport: messages of 64 KiB, and what is lost is sent again soon. */
rk_transport *site_inproc(void);

/* A channel's config of that key to KEY_NODE at the url; `access` is the directory. */
rk_channel_config site_channel(rk_transport *transport, const char *url, const rk_secret_key *key,
                               const rk_secret_key *node, const rk_access *access);

/* --- a node ----------------------------------------------------------------------------------- */

/* Answers as protocol.h says a node does: a repetition by the result that it has, another
 * incarnation's by RK_UNCERTAIN. A request's body is 4 bytes, the number of a counter, which it
 * raises; the reply's body is the same 4 bytes and what the counter was raised to. */
#define SITE_COUNTERS 4096

typedef struct site_tally {
    atomic_uint counts[SITE_COUNTERS]; /* outlives the node, as a store does */
} site_tally;

typedef struct site_node {
    rk_secret_key key;
    rk_gate *gate;
    rk_server *server;
    rk_serve *serve;
    site_tally *tally;
    pthread_mutex_t lock; /* over dedup */
    rk_dedup *dedup;
    rk_incarnation incarnation;
    atomic_bool falls_silent; /* carries out what comes and answers nothing, once */
    atomic_uint handled;
} site_node;

/* The incarnation's bytes are all `incarnation`. */
void site_node_start(site_node *node, rk_transport *transport, const char *url, int key,
                     uint8_t incarnation, site_tally *tally);
void site_node_stop(site_node *node);

/* A request's body. */
rk_slice site_body(uint32_t number, uint8_t bytes[4]);

#endif
