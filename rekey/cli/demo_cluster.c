/* demo_cluster.c: a migration over three nodes on this machine; one is killed in the middle. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rekey/cli/cluster.h"
#include "rekey/cli/commands.h"
#include "rekey/cli/demo.h"

#define NODES     3
#define VICTIM    1
#define WAIT_NS   UINT64_C(20000000)
#define UP_TRIES  500 /* of WAIT_NS each */
#define WORDS_MAX 20

extern char **environ;

typedef struct nodes {
    rk_demo *demo;
    char cluster[RK_DEMO_PATH_BYTES + 64];
    char config[NODES][RK_DEMO_PATH_BYTES + 64];
    char name[NODES][32];
    char hex[NODES][2 * RK_PUBLIC_KEY_BYTES + 1];
    unsigned port[NODES];
    pid_t pid[NODES]; /* 0: not running */
} nodes;

/* --- files ------------------------------------------------------------------------------------ */

static int fail(const nodes *n, const char *what)
{
    return rk_cli_fail_format(n->demo->cli, RK_EXIT_FAILED, NULL, "demo: %s: %s", what,
                              strerror(errno));
}

static bool make_key(const nodes *n, const char *name, char hex[2 * RK_PUBLIC_KEY_BYTES + 1])
{
    char path[RK_DEMO_PATH_BYTES + 64];
    rk_secret_key key;
    snprintf(path, sizeof path, "%s/%s.key", n->demo->folder, name);
    rk_key_generate(&key);
    bool ok = rk_key_files_write(path, &key, NULL) == RK_OK;
    rk_hex(rk_slice_of(key.public_key.bytes, sizeof key.public_key.bytes), hex);
    rk_secret_key_wipe(&key);
    return ok;
}

/* A port that nobody has at this moment. */
static unsigned free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
              getsockname(fd, (struct sockaddr *)&at, &size) == 0;
    if (fd >= 0)
        close(fd);
    return ok ? ntohs(at.sin_port) : 0;
}

static FILE *begin_file(const nodes *n, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", n->demo->folder, name);
    FILE *file = fopen(path, "w");
    if (file && fchmod(fileno(file), 0644) != 0) {
        fclose(file);
        file = NULL;
    }
    return file;
}

static bool write_cluster(nodes *n, const char *operator_hex)
{
    char keys[RK_DEMO_PATH_BYTES + 64];
    FILE *file = begin_file(n, "cluster.yaml", n->cluster, sizeof n->cluster);
    if (!file)
        return false;
    fprintf(file, "cluster: demo\nkeys: keys.yaml\nidentity: coordinator.key\nnodes:\n");
    for (int i = 0; i < NODES; i++)
        fprintf(file, "  - {name: %s, url: \"tcp://127.0.0.1:%u\", key: %s}\n", n->name[i],
                n->port[i], n->hex[i]);
    bool ok = fclose(file) == 0;
    file = begin_file(n, "keys.yaml", keys, sizeof keys);
    if (!file)
        return false;
    fprintf(file, "keys:\n  - {key: %s, role: coordinator, name: demo}\n", operator_hex);
    for (int i = 0; i < NODES; i++)
        fprintf(file, "  - {key: %s, role: node, name: %s}\n", n->hex[i], n->name[i]);
    return fclose(file) == 0 && ok;
}

static bool write_node(nodes *n, int i)
{
    char name[sizeof n->name[i] + sizeof ".yaml"];
    snprintf(name, sizeof name, "%s.yaml", n->name[i]);
    FILE *file = begin_file(n, name, n->config[i], sizeof n->config[i]);
    if (!file)
        return false;
    fprintf(file,
            "cluster: cluster.yaml\nname: %s\nidentity: %s.key\nstore: lmdb:%s.store\nworkers: 1\n",
            n->name[i], n->name[i], n->name[i]);
    return fclose(file) == 0;
}

static int write_files(nodes *n)
{
    char coordinator[2 * RK_PUBLIC_KEY_BYTES + 1];
    bool ok = make_key(n, "coordinator", coordinator);
    for (int i = 0; i < NODES && ok; i++) {
        snprintf(n->name[i], sizeof n->name[i], "node-%d", i + 1);
        n->port[i] = free_port();
        ok = n->port[i] != 0 && make_key(n, n->name[i], n->hex[i]) && write_node(n, i);
    }
    return ok && write_cluster(n, coordinator) ? RK_EXIT_DONE : fail(n, "cannot write the files");
}

/* --- processes -------------------------------------------------------------------------------- */

/* This program once more. `log` NULL: our own stdout and stderr. */
static pid_t start(const nodes *n, char *const argv[], const char *log)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    char path[RK_DEMO_PATH_BYTES + 64];
    if (posix_spawn_file_actions_init(&actions) != 0)
        return 0;
    int code = 0;
    if (log) {
        snprintf(path, sizeof path, "%s/%s.log", n->demo->folder, log);
        code = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, path,
                                                O_WRONLY | O_CREAT | O_APPEND, 0644);
    }
    if (code == 0)
        code = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    errno = code;
    return code == 0 ? pid : 0;
}

static int start_node(nodes *n, int i)
{
    char *argv[] = {"rekey", "node", "--config", n->config[i], NULL};
    n->pid[i] = start(n, argv, n->name[i]);
    return n->pid[i] ? RK_EXIT_DONE : fail(n, "cannot start a node");
}

static void stop_node(nodes *n, int i, int signal_number)
{
    if (n->pid[i] <= 0)
        return;
    kill(n->pid[i], signal_number);
    waitpid(n->pid[i], NULL, 0);
    n->pid[i] = 0;
}

static void pause_a_little(const nodes *n)
{
    n->demo->cli->clock->pause_ns(n->demo->cli->clock->context, WAIT_NS);
}

static bool is_up(rk_link *link, size_t node)
{
    json_t *reply = NULL;
    rk_status status = rk_cli_control(link, node, json_pack("{s:s}", "op", "health"), &reply, NULL);
    json_decref(reply);
    return status == RK_OK;
}

static int wait_until_up(const nodes *n, rk_link *link)
{
    for (size_t i = 0; i < NODES; i++) {
        int tries = 0;
        while (!is_up(link, i) && tries++ < UP_TRIES && !rk_cli_interrupted(n->demo->cli))
            pause_a_little(n);
        if (tries >= UP_TRIES)
            return rk_cli_fail_format(n->demo->cli, RK_EXIT_FAILED, NULL,
                                      "demo: %s did not come up; see its log in %s", n->name[i],
                                      n->demo->folder);
    }
    return RK_EXIT_DONE;
}

/* --- the migration ---------------------------------------------------------------------------- */

static int seed(nodes *n, int i)
{
    char store[RK_DEMO_PATH_BYTES + 64];
    snprintf(store, sizeof store, "lmdb:%s/%s.store", n->demo->folder, n->name[i]);
    char *argv[] = {"seed",      n->demo->spec,    "--store",  store,       "--cluster",
                    n->cluster,  "--node",         n->name[i], "--tenants", "60",
                    "--records", n->demo->records, NULL};
    return rk_demo_run(n->demo,
                       i == 0 ? "Each node owns a store, with the tenants that live on it."
                              : "The next node's.",
                       rk_cmd_seed, 12, argv, RK_EXIT_DONE);
}

static bool work_has_begun(rk_link *link)
{
    json_t *reply = NULL;
    bool begun = false;
    if (rk_cli_control(link, VICTIM, json_pack("{s:s}", "op", "status"), &reply, NULL) != RK_OK)
        return false;
    size_t i;
    json_t *entity;
    json_array_foreach(json_object_get(json_object_get(reply, "status"), "entities"), i, entity)
    {
        begun = begun || json_integer_value(json_object_get(entity, "done")) > 0;
    }
    json_decref(reply);
    return begun;
}

static int wait_for_run(const nodes *n, pid_t run)
{
    int how = 0;
    if (waitpid(run, &how, 0) < 0)
        return fail(n, "cannot wait for the run");
    if (WIFEXITED(how) && WEXITSTATUS(how) == RK_EXIT_DONE)
        return RK_EXIT_DONE;
    return rk_cli_fail_format(n->demo->cli, RK_EXIT_FAILED, NULL, "demo: the run ended with %d",
                              WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how));
}

/* The run is a process of its own; we kill a node under it, and start the node again. */
static int run_and_kill(nodes *n, rk_link *link)
{
    char *argv[] = {"rekey", "run", n->demo->plan, "--cluster", n->cluster, NULL};
    rk_demo_say(n->demo, "The run copies on all nodes at once. In the middle, node-2 is killed.", 4,
                argv + 1);
    pid_t run = start(n, argv, NULL);
    if (!run)
        return fail(n, "cannot start the run");
    bool over = false;
    while (!over && !work_has_begun(link)) {
        over = waitpid(run, NULL, WNOHANG) == run;
        if (!over)
            pause_a_little(n);
    }
    if (over)
        return rk_cli_fail_format(n->demo->cli, RK_EXIT_FAILED, NULL,
                                  "demo: the run was over before a node could be killed");
    stop_node(n, VICTIM, SIGKILL);
    rk_cli_note(n->demo->cli, "   (killed node-2 with SIGKILL; the run waits for it)");
    for (int i = 0; i < 50; i++)
        pause_a_little(n);
    int code = start_node(n, VICTIM);
    rk_cli_note(n->demo->cli, "   (started node-2 again)");
    int ended = wait_for_run(n, run);
    return code == RK_EXIT_DONE ? ended : code;
}

typedef struct step {
    const char *says;
    const char *words[WORDS_MAX];
    rk_demo_command run;
} step;

static int take(nodes *n, const step *what)
{
    char *argv[WORDS_MAX + 1] = {0};
    int argc = 0;
    for (; argc < WORDS_MAX && what->words[argc]; argc++) {
        const char *word = what->words[argc];
        argv[argc] = strcmp(word, "SPEC") == 0      ? n->demo->spec
                     : strcmp(word, "PLAN") == 0    ? n->demo->plan
                     : strcmp(word, "CLUSTER") == 0 ? n->cluster
                                                    : (char *)(uintptr_t)word;
    }
    return rk_demo_run(n->demo, what->says, what->run, argc, argv, RK_EXIT_DONE);
}

static int migrate(nodes *n, rk_link *link)
{
    static const step plan = {"One plan for all: each node scans its own store, the counts add up.",
                              {"plan", "SPEC", "--cluster", "CLUSTER", "-o", "PLAN"},
                              rk_cmd_plan};
    static const step after[] = {
        {"Every node has verified. The flip is one decision: all of them, or none.",
         {"flip", "--cluster", "CLUSTER"},
         rk_cmd_flip},
        {"A client writes through the cluster; its tenant's node does the work.",
         {"put", "--cluster", "CLUSTER", "--tenant", "tenant-0001", "--capsule", "DEVUS",
          "--entity", "Contract", "--id", "contract_id=demo-test", "{\"account_id\":\"a-demo\"}"},
         rk_cmd_put},
        {"The boundary: old keys go, on every node.",
         {"contract", "--cluster", "CLUSTER", "--confirm", RK_DEMO_MIGRATION},
         rk_cmd_contract},
        {"And all of it verified once more, killed node included.",
         {"verify", "--cluster", "CLUSTER", "--isolation"},
         rk_cmd_verify},
    };
    int code = take(n, &plan);
    if (code == RK_EXIT_DONE)
        code = run_and_kill(n, link);
    for (size_t i = 0; code == RK_EXIT_DONE && i < RK_COUNT(after); i++)
        code = take(n, &after[i]);
    return code;
}

int rk_demo_cluster(rk_demo *demo)
{
    nodes n = {.demo = demo};
    rk_link *link = NULL;
    int code = write_files(&n);
    for (int i = 0; code == RK_EXIT_DONE && i < NODES; i++)
        code = seed(&n, i);
    if (code == RK_EXIT_DONE)
        rk_demo_say(demo, "Three nodes on loopback, with fresh keys.", 0, NULL);
    for (int i = 0; code == RK_EXIT_DONE && i < NODES; i++) {
        code = start_node(&n, i);
        rk_cli_print(demo->cli, "   $ rekey node --config %s", n.config[i]);
    }
    if (code == RK_EXIT_DONE)
        code = rk_cli_link_open(demo->cli, n.cluster, &link);
    if (code == RK_EXIT_DONE)
        code = wait_until_up(&n, link);
    if (code == RK_EXIT_DONE)
        code = migrate(&n, link);
    rk_link_close(link);
    for (int i = 0; i < NODES; i++)
        stop_node(&n, i, SIGTERM);
    if (code == RK_EXIT_DONE)
        rk_cli_print(demo->cli, "\nThat was one migration on three nodes, one of them killed.");
    return code;
}
