#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "rekey/plan/file.h"
#include "rekey/plan/plan.h"

#define SIGN_DOMAIN   "rekey approval v1"
#define APPROVALS_MAX 64

/* PLAN.approvals is a JSON array of {"key","signature","approved_ms"}, hex for bytes. */
static rk_status approvals_path(const char *plan_path, char out[PATH_MAX], rk_error *err)
{
    int length = snprintf(out, PATH_MAX, "%s.approvals", plan_path);
    if (length < 0 || length >= PATH_MAX)
        return rk_error_set(err, RK_LIMIT, "the path %.64s... is too long", plan_path);
    return RK_OK;
}

/* Appends the file's bytes; an absent one has none. */
static rk_status read_text(const char *path, rk_buf *out, rk_error *err)
{
    size_t before = out->len;
    rk_error fault = {0};
    rk_status status = rki_file_read(path, out, &fault);
    if (status == RK_OK)
        return RK_OK;
    out->len = before;
    if (status == RK_NOT_FOUND)
        return RK_OK;
    if (err)
        *err = fault;
    return status;
}

/* Text without a byte is an empty list. */
static rk_status parse(rk_slice text, const char *name, json_t **out, rk_error *err)
{
    json_t *list = text.len == 0
                       ? json_array()
                       : json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_array(list) || json_array_size(list) > APPROVALS_MAX) {
        json_decref(list);
        return rk_error_set(err, RK_CORRUPT, "%s is no list of approvals", name);
    }
    *out = list;
    return RK_OK;
}

static rk_status load(const char *path, json_t **out, rk_error *err)
{
    rk_buf text;
    rk_buf_init(&text, RK_APPROVALS_BYTES_MAX);
    rk_status status = read_text(path, &text, err);
    if (status == RK_OK)
        status = parse(rk_buf_slice(&text), path, out, err);
    rk_buf_fini(&text);
    return status;
}

static bool may_approve(const rk_spec *spec, const rk_public_key *key)
{
    char hex[2 * RK_PUBLIC_KEY_BYTES + 1];
    rk_hex(rk_slice_of(key->bytes, sizeof key->bytes), hex);
    for (size_t i = 0; i < spec->approver_count; i++)
        if (rk_slice_equal(spec->approvers[i], rk_slice_str(hex)))
            return true;
    return spec->approver_count == 0;
}

static rk_status take_bytes(const json_t *entry, const char *name, uint8_t *out, size_t len,
                            const char *path, rk_error *err)
{
    const char *text = json_string_value(json_object_get(entry, name));
    if (!text || rk_unhex(rk_slice_str(text), out, len, NULL) != RK_OK)
        return rk_error_set(err, RK_CORRUPT, "%s: an approval has no readable %s", path, name);
    return RK_OK;
}

/* Checks one entry: its key may approve, and signed this plan. */
static rk_status check_entry(const rk_plan *plan, const json_t *entry, const char *path,
                             rk_public_key *key, rk_error *err)
{
    rk_signature signature;
    rk_status status = take_bytes(entry, "key", key->bytes, sizeof key->bytes, path, err);
    if (status == RK_OK)
        status = take_bytes(entry, "signature", signature.bytes, sizeof signature.bytes, path, err);
    if (status == RK_OK)
        status = rk_verify(key, SIGN_DOMAIN, rk_slice_of(plan->hash.bytes, sizeof plan->hash.bytes),
                           &signature, err);
    if (status == RK_AUTH)
        return rk_error_context(err, status, "%s: a signature is not over this plan", path);
    if (status == RK_OK && !may_approve(plan->spec, key))
        status =
            rk_error_set(err, RK_AUTH, "%s: signed by a key that the spec's approvers lack", path);
    return status;
}

/* Distinct signers in the list, each checked. */
static rk_status count_signers(const rk_plan *plan, const json_t *list, const char *path,
                               rk_public_key *signers, uint32_t *count, rk_error *err)
{
    uint32_t found = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        rk_public_key key;
        rk_status status = check_entry(plan, json_array_get(list, i), path, &key, err);
        if (status != RK_OK)
            return status;
        bool seen = false;
        for (uint32_t j = 0; j < found; j++)
            seen = seen || memcmp(&signers[j], &key, sizeof key) == 0;
        if (!seen)
            signers[found++] = key;
    }
    *count = found;
    return RK_OK;
}

static json_t *approval_json(const rk_plan *plan, const rk_secret_key *key, int64_t wall_ms)
{
    rk_signature signature;
    char key_hex[2 * RK_PUBLIC_KEY_BYTES + 1];
    char signature_hex[2 * RK_SIGNATURE_BYTES + 1];
    rk_sign(key, SIGN_DOMAIN, rk_slice_of(plan->hash.bytes, sizeof plan->hash.bytes), &signature);
    rk_hex(rk_slice_of(key->public_key.bytes, sizeof key->public_key.bytes), key_hex);
    rk_hex(rk_slice_of(signature.bytes, sizeof signature.bytes), signature_hex);
    return json_pack("{s:s, s:s, s:I}", "key", key_hex, "signature", signature_hex, "approved_ms",
                     (json_int_t)wall_ms);
}

static rk_status append(json_t *list, json_t *entry, const char *path, rk_error *err)
{
    if (!entry || json_array_append_new(list, entry) != 0)
        return rk_error_set(err, RK_NOMEM, "approvals: out of memory");
    char *text = json_dumps(list, JSON_INDENT(1));
    if (!text)
        return rk_error_set(err, RK_NOMEM, "approvals: out of memory");
    rk_status status = rki_file_replace(path, rk_slice_str(text), err);
    free(text);
    return status;
}

rk_status rk_approval_add(const rk_plan *plan, const char *plan_path, const rk_secret_key *key,
                          int64_t wall_ms, bool *added, rk_error *err)
{
    char path[PATH_MAX];
    json_t *list = NULL;
    rk_public_key signers[APPROVALS_MAX];
    uint32_t count = 0;
    if (!may_approve(plan->spec, &key->public_key))
        return rk_error_set(err, RK_AUTH, "the key is not among the spec's approvers");
    rk_status status = approvals_path(plan_path, path, err);
    if (status == RK_OK)
        status = load(path, &list, err);
    if (status == RK_OK)
        status = count_signers(plan, list, path, signers, &count, err);
    bool seen = false;
    for (uint32_t i = 0; i < count; i++)
        seen = seen || memcmp(&signers[i], &key->public_key, sizeof signers[i]) == 0;
    if (status == RK_OK && !seen)
        status = append(list, approval_json(plan, key, wall_ms), path, err);
    json_decref(list);
    if (status == RK_OK)
        *added = !seen;
    return status;
}

/* --- checking --------------------------------------------------------------------------------- */

rk_status rk_approval_check_text(const rk_plan *plan, rk_slice approvals, const char *name,
                                 uint32_t *valid, rk_error *err)
{
    json_t *list = NULL;
    rk_public_key signers[APPROVALS_MAX];
    uint32_t count = 0;
    rk_status status = parse(approvals, name, &list, err);
    if (status == RK_OK)
        status = count_signers(plan, list, name, signers, &count, err);
    json_decref(list);
    if (status == RK_OK && count < plan->spec->approvals)
        status = rk_error_set(err, RK_AUTH,
                              "the plan has %" PRIu32 " of the %" PRIu32
                              " approvals that its spec asks for",
                              count, plan->spec->approvals);
    if (status == RK_OK)
        *valid = count;
    return status;
}

rk_status rk_approval_text(const char *plan_path, rk_buf *out, rk_error *err)
{
    char path[PATH_MAX];
    rk_status status = approvals_path(plan_path, path, err);
    return status == RK_OK ? read_text(path, out, err) : status;
}

rk_status rk_approval_check(const rk_plan *plan, const char *plan_path, uint32_t *valid,
                            rk_error *err)
{
    char path[PATH_MAX];
    rk_buf text;
    rk_buf_init(&text, RK_APPROVALS_BYTES_MAX);
    rk_status status = approvals_path(plan_path, path, err);
    if (status == RK_OK)
        status = read_text(path, &text, err);
    if (status == RK_OK)
        status = rk_approval_check_text(plan, rk_buf_slice(&text), path, valid, err);
    rk_buf_fini(&text);
    return status;
}
