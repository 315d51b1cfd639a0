/* place.h: a folder for ipc sockets, and raw connections that break the rules. */
#ifndef REKEY_TESTS_TRANSPORT_PLACE_H
#define REKEY_TESTS_TRANSPORT_PLACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct place {
    char folder[96];
    char path[112]; /* of a socket in it */
    char url[128];  /* ipc:// and that path */
} place;

/* A new folder below $TMPDIR or /tmp, mode 0700. */
void place_make(place *p);
void place_remove(place *p);

/* Mode bits of what is at the path; 0 when nothing is. */
mode_t place_mode(const place *p);

/* A socket at the path that nobody listens on, as a killed process leaves it behind. */
void place_leave_dead_socket(const place *p);

/* A TCP connection to "tcp://127.0.0.1:PORT". */
int raw_connect(const char *url);

/* Says that it speaks nng's protocol for requests, and reads the other side's answer. */
void raw_greet(int fd);

/* The 8 bytes of length that come before a message. */
void raw_send_length(int fd, uint64_t len);

/* Sends a whole request: number, then `len` bytes of body. */
void raw_send_request(int fd, uint32_t number, size_t len);

#endif
