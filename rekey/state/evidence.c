/* evidence.c: what a verification was made on, and what tells that it no longer holds. */
#include "rekey/state/layout.h"

#define CLIENT_KEY   RK_SLICE_LITERAL("client")
#define COMPARED_KEY RK_SLICE_LITERAL("compared")

rk_status rk_state_fingerprint(rk_view *view, const rk_spec *spec, rk_digest *out, rk_error *err)
{
    rk_digest chain = {{0}};
    for (size_t i = 0; i <= spec->index_name_count; i++) {
        const char *name = i == 0 ? spec->database : spec->index_names[i - 1];
        uint8_t bytes[RK_FINGERPRINT_BYTES_MAX];
        size_t len = 0;
        rk_status status = rk_view_fingerprint(view, name, bytes, &len, err);
        if (status != RK_OK)
            return status;
        rk_slice parts[] = {rk_slice_of(chain.bytes, sizeof chain.bytes), rk_slice_str(name),
                            rk_slice_of(bytes, len)};
        rk_digest_parts("rekey fingerprint v1", parts, 3, &chain);
    }
    *out = chain;
    return RK_OK;
}

rk_status rk_client_commits_load(rk_view *view, rk_table meta, uint64_t *out, rk_error *err)
{
    rk_reader reader;
    rk_status status = rki_record_open(view, meta, CLIENT_KEY, &reader, err);
    if (status == RK_NOT_FOUND) {
        *out = 0;
        return RK_OK;
    }
    if (status != RK_OK)
        return status;
    uint64_t commits = rk_take_u64(&reader);
    status = rki_record_close(&reader, "client", err);
    if (status == RK_OK)
        *out = commits;
    return status;
}

rk_status rk_client_commits_add(rk_txn *txn, rk_table meta, rk_error *err)
{
    uint64_t commits;
    rki_encoder encoder;
    rk_status status = rk_client_commits_load(rk_txn_view(txn), meta, &commits, err);
    if (status != RK_OK)
        return status;
    rki_encoder_init(&encoder, err);
    rk_write_u64(&encoder.writer, commits + 1);
    return rki_encoder_save(&encoder, txn, meta, CLIENT_KEY);
}

rk_status rk_compared_load(rk_view *view, rk_table meta, rk_compared *out, rk_error *err)
{
    rk_reader reader;
    rk_compared sums = {0};
    rk_status status = rki_record_open(view, meta, COMPARED_KEY, &reader, err);
    if (status == RK_OK) {
        sums.compared = rk_take_u64(&reader);
        sums.different = rk_take_u64(&reader);
        status = rki_record_close(&reader, "compared", err);
    } else if (status == RK_NOT_FOUND) {
        status = RK_OK;
    }
    if (status == RK_OK)
        *out = sums;
    return status;
}

rk_status rk_compared_add(rk_txn *txn, rk_table meta, const rk_compared *more, rk_error *err)
{
    rk_compared sums;
    rki_encoder encoder;
    rk_status status = rk_compared_load(rk_txn_view(txn), meta, &sums, err);
    if (status != RK_OK)
        return status;
    rki_encoder_init(&encoder, err);
    rk_write_u64(&encoder.writer, sums.compared + more->compared);
    rk_write_u64(&encoder.writer, sums.different + more->different);
    return rki_encoder_save(&encoder, txn, meta, COMPARED_KEY);
}

rk_status rk_compared_clear(rk_txn *txn, rk_table meta, rk_error *err)
{
    return rk_txn_delete(txn, meta, COMPARED_KEY, err);
}

rk_status rk_evidence_load(rk_view *view, rk_table meta, const rk_spec *spec, rk_evidence *out,
                           rk_error *err)
{
    rk_evidence evidence;
    rk_compared sums = {0};
    rk_status status = rk_state_fingerprint(view, spec, &evidence.fingerprint, err);
    if (status == RK_OK)
        status = rk_client_commits_load(view, meta, &evidence.client_commits, err);
    if (status == RK_OK)
        status = rk_compared_load(view, meta, &sums, err);
    evidence.differences = sums.different;
    if (status == RK_OK)
        *out = evidence;
    return status;
}

bool rk_evidence_same(const rk_evidence *then, const rk_evidence *now)
{
    return memcmp(&then->fingerprint, &now->fingerprint, sizeof now->fingerprint) == 0 &&
           then->differences == now->differences;
}

const char *rk_evidence_against(const rk_evidence *then, const rk_evidence *now)
{
    if (then->differences != now->differences)
        return "comparison reads have found a difference since the verification";
    if (!rk_evidence_same(then, now) && then->client_commits == now->client_commits)
        return "the store was changed since the verification, by no phase-aware client";
    return NULL;
}
