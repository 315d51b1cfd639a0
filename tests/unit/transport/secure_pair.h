/* secure_pair.h: two ends of a session in one process, with fixed keys and no chance in them. */
#ifndef REKEY_TESTS_TRANSPORT_SECURE_PAIR_H
#define REKEY_TESTS_TRANSPORT_SECURE_PAIR_H

#include "transport/secure_private.h"

#define PLAINTEXT_BYTES_MAX 4096
#define FRAMES_MAX          1000

/* The nth call fills with the byte `first` + n. */
typedef struct fixed_random {
    uint8_t first;
    uint8_t calls;
} fixed_random;

#define INITIATOR_RANDOM 0xa1
#define RESPONDER_RANDOM 0xb1

typedef struct listed_key {
    rk_public_key key;
    rk_role role;
} listed_key;

typedef struct key_list {
    listed_key listed[8];
    size_t count;
} key_list;

typedef struct secure_pair {
    key_list directory;
    rk_secret_key initiator_key;
    rk_secret_key node_key;
    fixed_random initiator_random;
    fixed_random node_random;
    rk_secure_config initiator_config;
    rk_secure_config node_config;
    rk_secure *initiator;
    rk_secure *node;
} secure_pair;

/* An identity whose seed is 32 times the byte. */
rk_secret_key fixed_key(uint8_t seed);
void list_key(key_list *directory, const rk_secret_key *key, rk_role role);

/* Fills keys, directory and configs; tests change them before pair_open makes the sessions. */
void pair_init(secure_pair *pair, rk_role initiator);
void pair_open(secure_pair *pair);
void pair_fini(secure_pair *pair);

/* A copy of a message, which outlives the session's next call. */
typedef struct packet {
    size_t len;
    uint8_t data[PLAINTEXT_BYTES_MAX + 256];
} packet;

packet packet_of(rk_slice slice);
rk_slice slice_of(const packet *bytes);

/* Each fails the test unless it goes well, and gives a copy of what is to be sent. */
packet hello(rk_secure *session);
packet answered(rk_secure *session, rk_slice message); /* event SEND */
packet taken(rk_secure *session, rk_slice message);    /* event MESSAGE */
packet sealed(rk_secure *session, const char *text);
void established(rk_secure *session, rk_slice message);

/* The whole handshake. */
void pair_shake(secure_pair *pair);

/* pair_init, pair_open and pair_shake. */
void pair_ready(secure_pair *pair);

/* A request and its reply. */
void pair_talk(secure_pair *pair, const char *request, const char *reply);

/* Fails unless the message is refused with words that hold `reason` (NULL: any), and the session
 * has ended: no peer, no id, and everything after it is refused. */
void refused(rk_secure *session, rk_slice message, const char *reason);
void has_ended(rk_secure *session);

#endif
