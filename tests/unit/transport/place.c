#include "place.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

const char *__lsan_default_suppressions(void);

/* nng 1.5.2 itself loses a few kB when a connection is closed in the moment in which it is made
 * (tcptran_ep_close leaves what still negotiates behind), so leaks of what it allocated are not
 * looked at where it runs. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void)
{
    return "leak:libnng.so\n";
}

void place_make(place *p)
{
    const char *base = getenv("TMPDIR");
    if (!base || !base[0] || strlen(base) > 60)
        base = "/tmp";
    snprintf(p->folder, sizeof p->folder, "%s/rekey-ipc-XXXXXX", base);
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof p->path, "%s/node", p->folder);
    snprintf(p->url, sizeof p->url, "ipc://%s", p->path);
}

void place_remove(place *p)
{
    chmod(p->folder, 0700);
    unlink(p->path);
    rmdir(p->folder);
}

mode_t place_mode(const place *p)
{
    struct stat st;
    return lstat(p->path, &st) == 0 ? st.st_mode : 0;
}

void place_leave_dead_socket(const place *p)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(p->path) < sizeof address.sun_path);
    memcpy(address.sun_path, p->path, strlen(p->path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    close(fd);
    assert_true(S_ISSOCK(place_mode(p)));
}

/* --- raw -------------------------------------------------------------------------------------- */

int raw_connect(const char *url)
{
    const char *colon = strrchr(url, ':');
    assert_non_null(colon);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_all(int fd, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        at += sent;
        len -= (size_t)sent;
    }
}

void raw_greet(int fd)
{
    static const uint8_t hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    uint8_t answer[8];
    send_all(fd, hello, sizeof hello);
    assert_int_equal(recv(fd, answer, sizeof answer, MSG_WAITALL), sizeof answer);
    assert_memory_equal(answer, "\0SP\0", 4);
}

void raw_send_length(int fd, uint64_t len)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(len >> (56 - 8 * i));
    send_all(fd, bytes, sizeof bytes);
}

void raw_send_request(int fd, uint32_t number, size_t len)
{
    uint32_t id = htonl(number | 0x80000000u);
    uint8_t *body = calloc(1, len + 1);
    assert_non_null(body);
    raw_send_length(fd, len + sizeof id);
    send_all(fd, &id, sizeof id);
    send_all(fd, body, len);
    free(body);
}
