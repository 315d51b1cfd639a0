#include "rekey/node/worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "rekey/access/access.h"
#include "rekey/engine/hand.h"
#include "rekey/protocol/protocol.h"
#include "rekey/remote/channel.h"
#include "rekey/remote/limits.h"
#include "store/lmdb.h"
#include "store/location.h"
#include "transport/nng.h"

#define NS_PER_MS UINT64_C(1000000)

#define ASK_TIMEOUT_MS   5000u
#define LEAVE_TIMEOUT_MS 500u

/* A node that is not there, or has no answer, is asked again after so long; doubled each time. */
#define RETRY_MS_MIN 100u
#define RETRY_MS_MAX 2000u

/* What stands around a result: envelope, names, flags. */
#define AROUND_RESULT_BYTES 256

/* Progress while it works, and silence before it says that it waits. */
#define TELL_EVERY_MS  5000
#define IDLE_BEFORE_MS 2000

struct rk_worker {
    const rk_clock *clock;
    rk_node_log log;
    void *log_context;
    rk_node_file *file;
    rk_cluster *cluster;
    size_t self;
    rk_secret_key key;
    rk_access *access;
    rk_transport *transport;
    rk_channel *channel;
    rk_store *store; /* NULL before the first lease: a node may make it at its start */
    rk_hand *hand;
    rk_operation_name id;
    /* The question, kept until it is answered. */
    rk_operation_name operation;
    rk_lease_request request; /* its result is in `result` */
    rk_buf result;
    uint32_t records; /* in it */
    rk_buf message;   /* an envelope */
    rk_buf reply;
    /* What was said and done. */
    rk_worker_counts counts;
    bool reached; /* the last question was answered */
    bool away;    /* and that this one was not is known */
    uint32_t retry_ms;
    bool works;   /* in people's eyes */
    bool failing; /* the last lease came to nothing, and that is known */
    uint64_t worked_ns;
    uint64_t told_ns;
};

/* --- telling ---------------------------------------------------------------------------------- */

static uint64_t now_ns(const rk_worker *worker)
{
    return rk_clock_monotonic_ns(worker->clock);
}

static void tell(rk_worker *worker, const char *what)
{
    char line[RK_ERROR_MESSAGE_BYTES + 128];
    snprintf(line, sizeof line, "%s: %s; %" PRIu64 " chunks, %" PRIu64 " records so far",
             worker->file->name, what, worker->counts.chunks, worker->counts.records);
    worker->log(worker->log_context, line);
    (void)sd_notifyf(0, "STATUS=%s", what);
    worker->told_ns = now_ns(worker);
}

static void tell_away(rk_worker *worker, const char *why)
{
    char line[RK_ERROR_MESSAGE_BYTES + 128];
    if (worker->away)
        return;
    worker->away = true;
    worker->reached = false;
    snprintf(line, sizeof line, "no answer of the node; asks again until it comes: %s", why);
    tell(worker, line);
}

static void tell_reached(rk_worker *worker)
{
    worker->away = false;
    worker->retry_ms = RETRY_MS_MIN;
    if (!worker->reached)
        tell(worker, "waits for work");
    worker->reached = true;
}

static void tell_work(rk_worker *worker, bool has_offer)
{
    uint64_t now = now_ns(worker);
    if (has_offer)
        worker->worked_ns = now;
    if (has_offer && !worker->works) {
        worker->works = true;
        tell(worker, "works");
    } else if (has_offer && now - worker->told_ns > TELL_EVERY_MS * NS_PER_MS) {
        tell(worker, "works");
    } else if (worker->works && now - worker->worked_ns > IDLE_BEFORE_MS * NS_PER_MS) {
        worker->works = false;
        tell(worker, "waits for work");
    }
}

/* --- work ------------------------------------------------------------------------------------- */

static rk_status open_store(rk_worker *worker, rk_error *err)
{
    rk_location at;
    rk_lmdb_options options = {.mode = RK_LMDB_READ};
    if (worker->hand)
        return RK_OK;
    rk_status status = rk_location_parse(worker->file->store, &at, err);
    if (status == RK_OK)
        status = rk_lmdb_open(at.path, &options, &worker->store, err);
    return status == RK_OK ? rk_hand_create(worker->store, worker->clock, &worker->hand, err)
                           : status;
}

/* What cannot be done is brought back as far as it got: the node does the rest, at once. */
static rk_status do_lease(rk_worker *worker, const rk_lease_reply *lease, rk_error *err)
{
    rk_error why = {0};
    rk_status status = open_store(worker, err);
    if (status != RK_OK)
        return status;
    status = rk_hand_do(worker->hand, lease->offer, &worker->result, &worker->records, &why);
    worker->request =
        (rk_lease_request){.worker = worker->id, .has_result = true, .lease = lease->lease};
    if (status == RK_CONFLICT) {
        *err = why;
        return status;
    }
    if (status != RK_OK && !worker->failing)
        tell(worker, why.message);
    worker->failing = status != RK_OK;
    return RK_OK;
}

/* --- asking ----------------------------------------------------------------------------------- */

static rk_status write_question(rk_worker *worker, rk_error *err)
{
    rk_buf body;
    rk_envelope envelope = {.operation = worker->operation, .kind = RK_REQUEST_LEASE};
    rk_buf_init(&body, worker->message.max);
    worker->request.result =
        worker->request.has_result ? rk_buf_slice(&worker->result) : RK_SLICE_EMPTY;
    rk_buf_reset(&worker->message);
    rk_status status = rk_lease_request_encode(&worker->request, &body, err);
    envelope.body = rk_buf_slice(&body);
    if (status == RK_OK)
        status = rk_envelope_encode(&envelope, &worker->message, err);
    rk_buf_fini(&body);
    return status;
}

/* To ask twice takes no second lease: the question keeps its name until it is answered. */
static rk_status ask(rk_worker *worker, uint32_t timeout_ms, rk_reply *reply, rk_lease_reply *lease,
                     rk_error *err)
{
    rk_status status = write_question(worker, err);
    if (status == RK_OK)
        status = rk_channel_call(worker->channel, rk_buf_slice(&worker->message), timeout_ms,
                                 &worker->reply, err);
    if (status == RK_OK)
        status = rk_reply_decode(rk_buf_slice(&worker->reply), reply, err);
    if (status == RK_OK && reply->status == RK_OK)
        status = rk_lease_reply_decode(reply->body, lease, err);
    return status;
}

static void begin_question(rk_worker *worker)
{
    rk_random_bytes(worker->operation.bytes, sizeof worker->operation.bytes);
    worker->request = (rk_lease_request){.worker = worker->id};
}

static void count_fate(rk_worker *worker, const rk_lease_reply *lease)
{
    if (lease->fate == RK_LEASE_TAKEN) {
        worker->counts.chunks++;
        worker->counts.records += worker->records;
    } else if (lease->fate == RK_LEASE_STALE) {
        worker->counts.stale++;
    }
}

static uint32_t next_retry(rk_worker *worker)
{
    uint32_t pause_ms = worker->retry_ms;
    worker->retry_ms = pause_ms * 2 < RETRY_MS_MAX ? pause_ms * 2 : RETRY_MS_MAX;
    return pause_ms;
}

rk_status rk_worker_step(rk_worker *worker, uint32_t *pause_ms, rk_error *err)
{
    rk_reply reply = {0};
    rk_lease_reply lease = {0};
    rk_error why = {0};
    rk_status status = ask(worker, ASK_TIMEOUT_MS, &reply, &lease, &why);
    if (status == RK_OK && reply.status == RK_AUTH) {
        *err = reply.error;
        return RK_AUTH;
    }
    if (status != RK_OK || reply.status != RK_OK) {
        tell_away(worker, status != RK_OK ? why.message : reply.error.message);
        *pause_ms = next_retry(worker);
        return RK_OK;
    }
    count_fate(worker, &lease);
    tell_reached(worker);
    begin_question(worker);
    *pause_ms = lease.has_offer ? 0 : lease.pause_ms;
    tell_work(worker, lease.has_offer);
    return lease.has_offer ? do_lease(worker, &lease, err) : RK_OK;
}

/* --- life cycle ------------------------------------------------------------------------------- */

/* Where the node listens on this machine, if that is a socket in the file system: nearer than its
 * address for others. */
static const char *url_of(const rk_worker *worker)
{
    const char *listen = worker->file->listen;
    if (listen && strncmp(listen, "ipc://", 6) == 0)
        return listen;
    return worker->cluster->nodes[worker->self].url;
}

static rk_status open_channel(rk_worker *worker, rk_error *err)
{
    rk_transport_limits limits = rk_remote_limits();
    rk_status status = rk_nng_open(&limits, &worker->transport, err);
    if (status != RK_OK)
        return status;
    rk_channel_config config = {.transport = worker->transport,
                                .url = url_of(worker),
                                .role = RK_ROLE_NODE,
                                .key = &worker->key,
                                .peer = &worker->key.public_key,
                                .context = rk_slice_str(worker->cluster->name),
                                .directory = {rk_access_role_of, worker->access}};
    size_t bytes_max = rk_channel_bytes_max(worker->transport);
    rk_buf_init(&worker->message, bytes_max);
    rk_buf_init(&worker->reply, bytes_max);
    rk_buf_init(&worker->result, bytes_max - AROUND_RESULT_BYTES);
    return rk_channel_open(&config, &worker->channel, err);
}

static rk_status check_access(const rk_worker *worker, rk_error *err)
{
    rk_role role = RK_ROLE_NONE;
    if (rk_access_role_of(worker->access, &worker->key.public_key, &role) && role == RK_ROLE_NODE)
        return RK_OK;
    return rk_error_set(err, RK_AUTH, "%s does not authorize the key of node %s as a node",
                        worker->cluster->keys, worker->file->name);
}

rk_status rk_worker_open(const char *path, const rk_clock *clock, rk_node_log log,
                         void *log_context, rk_worker **out, rk_findings *findings, rk_error *err)
{
    rk_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return rk_error_set(err, RK_NOMEM, "worker: out of memory");
    worker->clock = clock;
    worker->log = log;
    worker->log_context = log_context;
    worker->retry_ms = RETRY_MS_MIN;
    rk_status status = rk_crypto_init(err);
    if (status == RK_OK)
        status = rk_node_file_load(path, &worker->file, findings, err);
    if (status == RK_OK)
        status = rk_cluster_load(worker->file->cluster, &worker->cluster, findings, err);
    if (status == RK_OK)
        status = rk_node_file_self(worker->file, worker->cluster, &worker->self, &worker->key, err);
    if (status == RK_OK)
        status = rk_access_load(worker->cluster->keys, &worker->access, findings, err);
    if (status == RK_OK)
        status = check_access(worker, err);
    if (status == RK_OK)
        status = open_channel(worker, err);
    if (status != RK_OK) {
        rk_worker_close(worker);
        return status;
    }
    rk_random_bytes(worker->id.bytes, sizeof worker->id.bytes);
    begin_question(worker);
    (void)sd_notify(0, "READY=1");
    *out = worker;
    return RK_OK;
}

/* The chunk at hand is brought, so that the run need not wait for it. */
static void leave(rk_worker *worker)
{
    rk_reply reply = {0};
    rk_lease_reply lease = {0};
    (void)sd_notify(0, "STOPPING=1\nSTATUS=stops");
    rk_random_bytes(worker->operation.bytes, sizeof worker->operation.bytes);
    worker->request.leaves = true;
    rk_status status = ask(worker, LEAVE_TIMEOUT_MS, &reply, &lease, NULL);
    if (status == RK_OK && reply.status == RK_OK)
        count_fate(worker, &lease);
}

void rk_worker_close(rk_worker *worker)
{
    if (!worker)
        return;
    if (worker->reached)
        leave(worker);
    rk_channel_close(worker->channel);
    rk_transport_close(worker->transport);
    rk_hand_destroy(worker->hand);
    rk_store_close(worker->store);
    rk_access_destroy(worker->access);
    rk_buf_fini(&worker->message);
    rk_buf_fini(&worker->reply);
    rk_buf_fini(&worker->result);
    rk_secret_key_wipe(&worker->key);
    rk_cluster_destroy(worker->cluster);
    rk_node_file_destroy(worker->file);
    free(worker);
}

const char *rk_worker_name(const rk_worker *worker)
{
    return worker->file->name;
}

const char *rk_worker_url(const rk_worker *worker)
{
    return url_of(worker);
}

rk_worker_counts rk_worker_counts_of(const rk_worker *worker)
{
    return worker->counts;
}
