#include "rekey/engine/process.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What /proc says of a process. */
typedef struct process_facts {
    char state;     /* 'Z' for one that is dead and was not waited for; 0 when there is none */
    uint64_t start; /* in clock ticks after boot: with the number, its identity */
} process_facts;

/* Fields 3 and 22 of /proc/PID/stat, counted behind the command name, which may hold spaces and
 * brackets. */
static process_facts look_up(uint64_t pid)
{
    process_facts facts = {0};
    char path[64];
    char text[1024];
    snprintf(path, sizeof path, "/proc/%" PRIu64 "/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return facts;
    size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[got] = '\0';
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
        if (at && field == 2)
            facts.state = *at;
    }
    facts.start = at ? strtoull(at, NULL, 10) : 0;
    return facts;
}

static bool process_alive(void *context, const rk_lease *lease)
{
    (void)context;
    process_facts facts = look_up(lease->pid);
    return facts.state != 0 && facts.state != 'Z' && facts.state != 'X' &&
           facts.start == lease->process_start;
}

void rk_actor_of_process(const char *command, rk_actor *out)
{
    *out = (rk_actor){.alive = process_alive};
    rk_lease *lease = &out->lease;
    rk_random_bytes(lease->token, sizeof lease->token);
    if (gethostname(lease->host, sizeof lease->host - 1) != 0)
        snprintf(lease->host, sizeof lease->host, "localhost");
    snprintf(lease->command, sizeof lease->command, "%s", command);
    lease->pid = (uint64_t)getpid();
    lease->process_start = look_up(lease->pid).start;
    const struct passwd *user = getpwuid(geteuid());
    snprintf(out->name, sizeof out->name, "%.32s@%.40s %" PRIu64, user ? user->pw_name : "?",
             lease->host, lease->pid);
}

uint32_t rk_process_workers(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (processors <= 2)
        return 1;
    return processors > 5 ? 4 : (uint32_t)processors - 1;
}
