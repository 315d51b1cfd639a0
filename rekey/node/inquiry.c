#include "rekey/node/inquiry.h"

#include <stdlib.h>
#include <string.h>

#include "rekey/message/message.h"
#include "rekey/remote/link.h"

#define ASK_TIMEOUT_MS 1000u
#define LOOK_NS        UINT64_C(200000000)

struct rk_inquiry {
    rk_inquiry_config config;
    rk_link *link; /* NULL before the first question */
    rk_decision_id seen;
    bool has_seen;
    uint64_t due_ns;
    uint64_t look_ns; /* not before: most steps have something better to do */
};

static rk_status ask(rk_inquiry *inquiry, const rk_prepared *prepared, rk_decided *out,
                     rk_error *err)
{
    const rk_cluster *cluster = rk_link_cluster(inquiry->link);
    int decider = rk_cluster_find(cluster, rk_slice_str(prepared->decider));
    if (decider < 0)
        return rk_error_set(err, RK_INVALID, "the cluster has no node %s, which decided",
                            prepared->decider);
    json_t *reply = NULL;
    json_t *request =
        json_pack("{s:s, s:o}", "op", "decision", "decision", rk_message_id(&prepared->id));
    rk_status status =
        rk_message_call(inquiry->link, (size_t)decider, request, ASK_TIMEOUT_MS, &reply, err);
    if (status == RK_OK)
        *out = rk_message_decided_read(json_object_get(reply, "decided"));
    json_decref(reply);
    return status;
}

/* Whether it is time to ask about this promise. */
static bool is_due(rk_inquiry *inquiry, const rk_prepared *prepared, bool in_doubt)
{
    uint64_t now_ns = rk_clock_monotonic_ns(inquiry->config.clock);
    bool is_new = !inquiry->has_seen || memcmp(&inquiry->seen, &prepared->id, sizeof prepared->id);
    uint64_t wait_ns = UINT64_C(1000000) * RK_INQUIRY_MS;
    if (is_new) {
        inquiry->seen = prepared->id;
        inquiry->has_seen = true;
        inquiry->due_ns = in_doubt ? now_ns : now_ns + wait_ns;
    }
    if (now_ns < inquiry->due_ns)
        return false;
    inquiry->due_ns = now_ns + wait_ns;
    return true;
}

rk_status rk_inquiry_step(rk_inquiry *inquiry, rk_error *err)
{
    const rk_inquiry_config *config = &inquiry->config;
    rk_prepared prepared;
    bool in_doubt = false;
    rk_decided decided = RK_DECIDED_NOT;
    uint64_t now_ns = rk_clock_monotonic_ns(config->clock);
    if (now_ns < inquiry->look_ns)
        return RK_OK;
    inquiry->look_ns = now_ns + LOOK_NS;
    if (!rk_node_control_promise(config->control, &prepared, &in_doubt)) {
        inquiry->has_seen = false;
        return RK_OK;
    }
    if (!is_due(inquiry, &prepared, in_doubt))
        return RK_OK;
    rk_link_options options = {.identity = config->identity, .timeout_ms = ASK_TIMEOUT_MS};
    rk_status status = RK_OK;
    if (!inquiry->link)
        status = rk_link_open(config->cluster_file, &options, &inquiry->link, NULL, err);
    if (status == RK_OK)
        status = ask(inquiry, &prepared, &decided, err);
    if (status == RK_OK)
        status = rk_node_control_learn(config->control, &prepared.id, decided, err);
    return status;
}

void rk_inquiry_reread(rk_inquiry *inquiry)
{
    rk_link_close(inquiry->link);
    inquiry->link = NULL;
}

rk_status rk_inquiry_create(const rk_inquiry_config *config, rk_inquiry **out, rk_error *err)
{
    rk_inquiry *inquiry = calloc(1, sizeof *inquiry);
    if (!inquiry)
        return rk_error_set(err, RK_NOMEM, "node: out of memory");
    inquiry->config = *config;
    *out = inquiry;
    return RK_OK;
}

void rk_inquiry_destroy(rk_inquiry *inquiry)
{
    if (!inquiry)
        return;
    rk_link_close(inquiry->link);
    free(inquiry);
}
