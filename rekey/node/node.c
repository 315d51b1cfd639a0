#include "rekey/node/node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "rekey/engine/process.h"
#include "rekey/node/inquiry.h"
#include "rekey/node/refusals.h"
#include "rekey/node/service.h"
#include "rekey/remote/gate.h"
#include "rekey/remote/limits.h"
#include "store/lmdb.h"
#include "store/location.h"
#include "transport/nng.h"
#include "transport/serve.h"

#define THREADS_DEFAULT 8
#define SESSIONS_MAX    4096
#define HALF_OPEN_MAX   256
#define KEY_SESSIONS    (SESSIONS_MAX / 4) /* of one key: 128 processes with all their channels */
#define REPLY_BYTES     2048               /* incarnation, status and error, rounded up */

struct rk_node {
    const rk_clock *clock;
    rk_node_file *file;
    rk_cluster *cluster;
    size_t self;
    rk_secret_key key;
    rk_store *store;
    int store_lock; /* a descriptor; -1: none */
    rk_work *work;
    rk_leases *leases;
    rk_node_control *control;
    rk_service *service;
    rk_inquiry *inquiry;
    rk_gate *gate;
    rk_transport *transport;
    rk_server *server;
    rk_serve *serve;
    rk_node_log log;
    void *log_context;
    pthread_mutex_t lock; /* over refusals: the transport's threads have them */
    rk_refusals refusals;
    char at[RK_WORK_NAME_BYTES_MAX + 1]; /* the last STATUS */
};

/* --- requests --------------------------------------------------------------------------------- */

static rk_status handle(void *context, rk_slice message, rk_buf *reply)
{
    rk_node *node = context;
    rk_error why = {0};
    rk_status status = rk_gate_take(node->gate, message, reply, &why);
    if (!why.message[0])
        return status;
    pthread_mutex_lock(&node->lock);
    bool tell = rk_refusals_take(&node->refusals, rk_clock_monotonic_ns(node->clock));
    pthread_mutex_unlock(&node->lock);
    if (tell)
        node->log(node->log_context, why.message);
    return status;
}

static void tell_refusals(rk_node *node)
{
    char line[80];
    pthread_mutex_lock(&node->lock);
    uint64_t untold = rk_refusals_untold(&node->refusals, rk_clock_monotonic_ns(node->clock));
    pthread_mutex_unlock(&node->lock);
    if (untold == 0)
        return;
    snprintf(line, sizeof line, "%" PRIu64 " more refused messages were not logged", untold);
    node->log(node->log_context, line);
}

/* --- opening ---------------------------------------------------------------------------------- */

/* What a node knows of its store (sessions, promises, work) is in its memory: two would not see
 * each other. Other processes may work on it all the same. */
static rk_status lock_store(rk_node *node, const char *folder, rk_error *err)
{
    char path[PATH_MAX];
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int length = snprintf(path, sizeof path, "%s/node.lock", folder);
    if (length < 0 || (size_t)length >= sizeof path)
        return rk_error_set(err, RK_INVALID, "open store %s: the path is too long", folder);
    node->store_lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (node->store_lock < 0)
        return rk_error_set(err, RK_IO, "open %s: %s", path, strerror(errno));
    if (fcntl(node->store_lock, F_SETLK, &whole) == 0)
        return RK_OK;
    if (errno == EACCES || errno == EAGAIN)
        return rk_error_set(err, RK_BUSY, "another node has the store %s", folder);
    return rk_error_set(err, RK_IO, "lock %s: %s", path, strerror(errno));
}

static rk_status open_store(rk_node *node, rk_error *err)
{
    rk_location at;
    rk_lmdb_options options = {.mode = RK_LMDB_WRITE};
    rk_status status = rk_location_parse(node->file->store, &at, err);
    if (status == RK_OK && at.kind != RK_LOCATION_LMDB)
        status =
            rk_error_set(err, RK_INVALID, "open store %s: a node's is lmdb:DIR", node->file->store);
    if (status == RK_OK)
        status = rk_lmdb_open(at.path, &options, &node->store, err);
    return status == RK_OK ? lock_store(node, at.path, err) : status;
}

/* What a session carries, less what every reply says besides its body. */
static size_t body_bytes_max(void)
{
    rk_transport_limits limits = rk_remote_limits();
    return rk_remote_plaintext_bytes_max(limits.message_bytes_max) - REPLY_BYTES;
}

/* That answer requests side by side; half of them may wait with a worker. */
static uint32_t threads_of(const rk_node *node)
{
    return node->file->threads ? node->file->threads : THREADS_DEFAULT;
}

static rk_status open_services(rk_node *node, const rk_clock *clock, rk_error *err)
{
    uint32_t workers = node->file->workers ? node->file->workers : rk_process_workers();
    rk_status status = rk_work_create(node->store, clock, workers, &node->work, err);
    if (status == RK_OK)
        status =
            rk_leases_create(clock, threads_of(node) / 2, body_bytes_max(), &node->leases, err);
    if (status == RK_OK) {
        rk_work_place(node->work, node->cluster, node->self);
        rk_work_lend(node->work, rk_leases_lender(node->leases));
    }
    rk_node_control_config control = {.store = node->store,
                                      .clock = clock,
                                      .cluster = node->cluster,
                                      .self = node->self,
                                      .work = node->work,
                                      .leases = node->leases};
    if (status == RK_OK)
        status = rk_node_control_create(&control, &node->control, err);
    if (status != RK_OK)
        return status;
    rk_service_config service = {.store = node->store,
                                 .cluster = node->cluster,
                                 .self = node->self,
                                 .control = node->control,
                                 .leases = node->leases,
                                 .body_bytes_max = body_bytes_max()};
    status = rk_service_create(&service, &node->service, err);
    rk_inquiry_config inquiry = {.control = node->control,
                                 .clock = clock,
                                 .cluster_file = node->file->cluster,
                                 .identity = node->file->identity};
    return status == RK_OK ? rk_inquiry_create(&inquiry, &node->inquiry, err) : status;
}

static rk_status open_gate(rk_node *node, rk_findings *findings, rk_error *err)
{
    rk_access *access = NULL;
    rk_transport_limits limits = rk_remote_limits();
    rk_status status = rk_access_load(node->cluster->keys, &access, findings, err);
    if (status != RK_OK)
        return status;
    rk_gate_config config = {.key = &node->key,
                             .context = rk_slice_str(node->cluster->name),
                             .message_bytes_max = limits.message_bytes_max,
                             .sessions_max = SESSIONS_MAX,
                             .half_open_max = HALF_OPEN_MAX,
                             .key_sessions_max = KEY_SESSIONS,
                             .handler = rk_service_answer,
                             .handler_context = node->service};
    status = rk_gate_create(&config, access, &node->gate, err);
    if (status != RK_OK)
        rk_access_destroy(access);
    return status;
}

static rk_status start_listening(rk_node *node, rk_error *err)
{
    const char *url =
        node->file->listen ? node->file->listen : node->cluster->nodes[node->self].url;
    rk_transport_limits limits = rk_remote_limits();
    rk_status status = rk_nng_open(&limits, &node->transport, err);
    if (status == RK_OK)
        status = rk_transport_listen(node->transport, url, &node->server, err);
    if (status == RK_OK)
        status = rk_serve_start(node->server, threads_of(node), handle, node, &node->serve, err);
    return status;
}

rk_status rk_node_open(const char *path, const rk_clock *clock, rk_node_log log, void *log_context,
                       rk_node **out, rk_findings *findings, rk_error *err)
{
    rk_node *node = calloc(1, sizeof *node);
    if (!node || pthread_mutex_init(&node->lock, NULL) != 0) {
        free(node);
        return rk_error_set(err, RK_NOMEM, "node: out of memory");
    }
    node->clock = clock;
    node->store_lock = -1;
    node->log = log;
    node->log_context = log_context;
    rk_status status = rk_node_file_load(path, &node->file, findings, err);
    if (status == RK_OK)
        status = rk_cluster_load(node->file->cluster, &node->cluster, findings, err);
    if (status == RK_OK)
        status = rk_node_file_self(node->file, node->cluster, &node->self, &node->key, err);
    if (status == RK_OK)
        status = open_store(node, err);
    if (status == RK_OK)
        status = open_services(node, clock, err);
    if (status == RK_OK)
        status = open_gate(node, findings, err);
    if (status == RK_OK)
        status = start_listening(node, err);
    if (status != RK_OK) {
        rk_node_close(node);
        return status;
    }
    (void)sd_notify(0, "READY=1\nSTATUS=waits for work");
    *out = node;
    return RK_OK;
}

/* --- running ---------------------------------------------------------------------------------- */

static void tell_status(rk_node *node)
{
    char now[RK_WORK_NAME_BYTES_MAX + 1];
    rk_work_current(node->work, now);
    if (strcmp(now, node->at) == 0)
        return;
    memcpy(node->at, now, sizeof now);
    (void)sd_notifyf(0, "STATUS=%s", *now ? now : "waits for work");
}

void rk_node_step(rk_node *node, uint32_t wait_ms)
{
    rk_error err = {0};
    rk_work_step(node->work, wait_ms);
    if (rk_inquiry_step(node->inquiry, &err) != RK_OK) {
        rk_error_context(&err, RK_IO, "ask what became of a promise");
        node->log(node->log_context, err.message);
    }
    tell_refusals(node);
    tell_status(node);
}

rk_status rk_node_admit(rk_node *node, rk_findings *findings, rk_error *err)
{
    rk_access *access = NULL;
    rk_status status = rk_access_load(node->cluster->keys, &access, findings, err);
    if (status != RK_OK)
        return status;
    rk_gate_admit(node->gate, access);
    rk_inquiry_reread(node->inquiry);
    return RK_OK;
}

const char *rk_node_name(const rk_node *node)
{
    return node->file->name;
}

const char *rk_node_url(const rk_node *node)
{
    return rk_server_url(node->server);
}

void rk_node_close(rk_node *node)
{
    if (!node)
        return;
    if (node->serve)
        (void)sd_notify(0, "STOPPING=1\nSTATUS=stops");
    if (node->work)
        rk_work_close(node->work);
    if (node->leases)
        rk_leases_close(node->leases);
    rk_serve_stop(node->serve);
    rk_server_close(node->server);
    rk_transport_close(node->transport);
    rk_gate_destroy(node->gate);
    rk_service_destroy(node->service);
    rk_inquiry_destroy(node->inquiry);
    rk_node_control_destroy(node->control);
    rk_work_destroy(node->work);
    rk_leases_destroy(node->leases);
    rk_store_close(node->store);
    if (node->store_lock >= 0)
        close(node->store_lock);
    rk_secret_key_wipe(&node->key);
    rk_cluster_destroy(node->cluster);
    rk_node_file_destroy(node->file);
    pthread_mutex_destroy(&node->lock);
    free(node);
}
