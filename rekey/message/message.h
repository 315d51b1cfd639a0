/* message.h: the small pieces of control messages in JSON, read and written in one place.
 *
 * Used by both ends: the node reads orders and writes what came of them, whoever coordinates does
 * the reverse. specs/protocol.md describes them. Writers hand a new object over; readers give false
 * for what they cannot understand.
 */
#ifndef REKEY_MESSAGE_MESSAGE_H
#define REKEY_MESSAGE_MESSAGE_H

#include <jansson.h>

#include "rekey/engine/collisions.h"
#include "rekey/engine/decision.h"
#include "rekey/remote/link.h"

/* Text as a JSON string; if there are bytes in it that are no UTF-8 (of a key, in an error), as
 * rk_text_escape writes it. */
json_t *rk_message_text(const char *text);

/* {"status", "origin", "native", "message"}. What cannot be understood is RK_IO; never RK_OK. */
json_t *rk_message_error(rk_status status, const rk_error *error);
rk_status rk_message_error_read(const json_t *object, rk_error *out);

json_t *rk_message_progress(const rk_run_progress *progress);

/* Texts of `out` are static: a task or tier that this version does not know is "work". */
void rk_message_progress_read(const json_t *object, rk_run_progress *out);

/* {"goal", "tier"?, "workers", "accept_loss", "decision"?, "decider"?}; into `order`. A promise is
 * of a single change. */
void rk_message_run_write(json_t *order, const rk_run_options *run);
bool rk_message_run(const json_t *order, rk_run_options *out, rk_promise *promise);

/* {"name", "text", "files": [{"name", "text"}]}, all of it UTF-8 text. */
json_t *rk_message_spec_write(const rk_spec_source *source);
rk_status rk_message_spec(const json_t *object, rk_spec_source *out, rk_error *err);

/* {"count", "keys": [hex]} */
json_t *rk_message_losses(const rk_losses *losses);

/* Sends a control request to one node; *reply is handed over, the request taken over. A refusal is
 * the call's status; every message names the node. Every operation may be done twice: each says
 * what it is about. */
rk_status rk_message_call(rk_link *link, size_t node, json_t *request, uint32_t timeout_ms,
                          json_t **reply, rk_error *err);

/* "not", "promised", "aborted", "committed"; what is none of them is "not". */
json_t *rk_message_decided(rk_decided decided);
rk_decided rk_message_decided_read(const json_t *word);

/* Keys in hex; what is not there is empty. RK_INVALID, also for more than `out` can hold. */
json_t *rk_message_bytes_write(rk_slice bytes);
rk_status rk_message_bytes(const json_t *hex, rk_buf *out, rk_error *err);

json_t *rk_message_id(const rk_decision_id *id);
bool rk_message_id_read(const json_t *hex, rk_decision_id *out);

#endif
