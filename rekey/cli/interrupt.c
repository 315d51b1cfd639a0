/* interrupt.c: the one place with mutable globals, because a signal handler has no other way. */
#include "rekey/cli/frame.h"

#include <errno.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t hung_up;
static volatile sig_atomic_t on_terminal;

#define ERASE_LINE   "\r\033[K"
#define STOPPING     "rekey: stopping at the next safe point; once more to leave at once\n"
#define EXIT_AT_ONCE 130

static void on_signal(int number)
{
    (void)number;
    if (interrupted)
        _exit(EXIT_AT_ONCE);
    interrupted = 1;
    int saved = errno;
    ssize_t written = 0;
    if (on_terminal)
        written = write(STDERR_FILENO, ERASE_LINE, sizeof ERASE_LINE - 1);
    written = write(STDERR_FILENO, STOPPING, sizeof STOPPING - 1);
    (void)written;
    errno = saved;
}

const volatile sig_atomic_t *rki_interrupt_install(bool err_is_terminal)
{
    on_terminal = err_is_terminal;
    /* SA_RESTART: the store's system calls must not fail half-way for a request to stop. */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
    return &interrupted;
}

static void on_hangup(int number)
{
    (void)number;
    hung_up = 1;
}

volatile sig_atomic_t *rk_cli_watch_hangup(void)
{
    struct sigaction action = {.sa_handler = on_hangup, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGHUP, &action, NULL);
    return &hung_up;
}
