/* local.c: a client on an LMDB store: life cycle, the registered spec, and the sessions that calls
 * work with. */
#include "rekey/client/client_private.h"

#include <assert.h>
#include <stdlib.h>

#include "rekey/base/fault.h"
#include "store/lmdb.h"

#define ARENA_BYTES_MAX  ((size_t)512 * 1024 * 1024)
#define ARENA_BYTES_KEEP ((size_t)1024 * 1024)
#define IDLE_MAX         8

/* --- editions --------------------------------------------------------------------------------- */

static void destroy_edition(rki_edition *edition)
{
    if (!edition)
        return;
    rk_spec_destroy(edition->spec);
    rk_spec_source_fini(&edition->source);
    free(edition);
}

static rk_status read_source(rki_local *client, rk_spec_source *out, rk_error *err)
{
    rk_view *view = NULL;
    rk_status status = rk_snapshot_open(client->store, &view, err);
    if (status != RK_OK)
        return status;
    status = rk_state_spec_load(view, client->meta, out, err);
    rk_snapshot_close(view);
    if (status == RK_NOT_FOUND)
        rk_error_set(err, status, "no migration is registered in this store");
    return status;
}

static rk_status compile(rki_edition *edition, rk_error *err)
{
    rk_findings findings = {0};
    rk_status status = rk_spec_load(&edition->source, NULL, &edition->spec, &findings, err);
    if (status == RK_INVALID)
        status = rk_error_set(err, RK_CORRUPT, "the registered spec no longer passes lint: %s",
                              findings.count ? findings.items[0].message : "no finding");
    rk_findings_fini(&findings);
    return status;
}

/* A store in which nothing was ever written has no table of records; then it is made. */
static rk_status open_tables(rki_local *client, rki_edition *edition, rk_error *err)
{
    rk_status status =
        rk_tables_open(client->store, edition->spec, false, false, &edition->tables, err);
    if (status != RK_NOT_FOUND)
        return status;
    if (rk_tables_open(client->store, edition->spec, false, true, &edition->tables, NULL) == RK_OK)
        return RK_OK;
    return rk_error_set(err, RK_INVALID, "the store has no table \"%s\", which the spec names",
                        edition->spec->database);
}

static rk_status read_edition(rki_local *client, rki_edition **out, rk_error *err)
{
    rki_edition *edition = calloc(1, sizeof *edition);
    if (!edition)
        return rk_error_set(err, RK_NOMEM, "client: out of memory");
    rk_status status = read_source(client, &edition->source, err);
    if (status == RK_OK)
        status = compile(edition, err);
    if (status == RK_OK)
        status = open_tables(client, edition, err);
    if (status != RK_OK) {
        destroy_edition(edition);
        return status;
    }
    rk_state_spec_digest(&edition->source, &edition->digest);
    *out = edition;
    return RK_OK;
}

/* Under the lock: who used it last takes it away. */
static void drop_edition(rki_local *client, rki_edition *edition)
{
    if (edition && --edition->users == 0 && edition != client->edition)
        destroy_edition(edition);
}

static void install_edition(rki_local *client, rki_edition *edition)
{
    rki_edition *before = client->edition;
    client->edition = edition;
    if (before && before->users == 0)
        destroy_edition(before);
}

/* --- life cycle ------------------------------------------------------------------------------- */

static bool holds_json(rk_client *of)
{
    rki_local *client = rki_local_of(of);
    pthread_mutex_lock(&client->lock);
    bool json = client->edition->spec->value == RK_VALUE_JSON;
    pthread_mutex_unlock(&client->lock);
    return json;
}

static void destroy_session(rki_session *session)
{
    rk_transformer_destroy(session->transformer);
    rk_snapshot_close(session->snapshot);
    rk_arena_fini(&session->arena);
    drop_edition(session->client, session->edition);
    free(session);
}

static void close_local(rk_client *of)
{
    rki_local *client = rki_local_of(of);
    rki_compare_flush(client, true);
    while (client->idle) {
        rki_session *session = client->idle;
        client->idle = session->next;
        destroy_session(session);
    }
    destroy_edition(client->edition);
    pthread_mutex_destroy(&client->lock);
    rk_store_close(client->owned_store);
    free(client);
}

static const rki_client_ops local_ops = {
    .batch = rki_local_batch,
    .ask = rki_local_ask,
    .comparisons = rki_local_comparisons,
    .holds_json = holds_json,
    .close = close_local,
};

rki_local *rki_local_of(rk_client *client)
{
    assert(client->ops == &local_ops);
    return (rki_local *)client;
}

rk_status rk_client_attach(rk_store *store, const rk_client_options *options, rk_client **out,
                           rk_error *err)
{
    rk_table meta;
    rki_edition *edition = NULL;
    rk_status status = rk_store_table(store, RK_META_TABLE, RK_TABLE_RECORDS, false, &meta, err);
    if (status == RK_NOT_FOUND)
        rk_error_set(err, status, "no migration is registered in this store");
    if (status != RK_OK)
        return status;
    rki_local *client = calloc(1, sizeof *client);
    if (!client)
        return rk_error_set(err, RK_NOMEM, "client: out of memory");
    client->head.ops = &local_ops;
    client->store = store;
    client->meta = meta;
    client->options = options ? *options : (rk_client_options){0};
    rki_compare_init(&client->comparing);
    client->key_bytes_max = rk_store_capabilities(store)->key_bytes_max;
    status = read_edition(client, &edition, err);
    if (status == RK_OK && pthread_mutex_init(&client->lock, NULL) != 0) {
        destroy_edition(edition);
        status = rk_error_set(err, RK_NOMEM, "client: no mutex");
    }
    if (status != RK_OK) {
        free(client);
        return status;
    }
    client->edition = edition;
    *out = &client->head;
    return RK_OK;
}

rk_status rki_local_open(const char *location, const char *folder, const rk_client_options *options,
                         rk_client **out, rk_error *err)
{
    rk_lmdb_options how = {.mode = options->read_only ? RK_LMDB_READ : RK_LMDB_WRITE,
                           .map_bytes_max = options->map_bytes_max};
    rk_store *store = NULL;
    rk_client *client = NULL;
    rk_status status = rk_crypto_init(err);
    if (status != RK_OK)
        return status;
    status = rk_lmdb_open(folder, &how, &store, err);
    if (status != RK_OK)
        return rk_error_context(err, status, "open store");
    status = rk_client_attach(store, options, &client, err);
    if (status != RK_OK) {
        rk_store_close(store);
        return rk_error_context(err, status, "open store %s", location);
    }
    rki_local_of(client)->owned_store = store;
    *out = client;
    return RK_OK;
}

/* --- sessions --------------------------------------------------------------------------------- */

/* Lets the session use the client's newest edition. */
static rk_status attach(rki_session *session, rk_error *err)
{
    rki_local *client = session->client;
    pthread_mutex_lock(&client->lock);
    rki_edition *edition = client->edition;
    bool same = edition == session->edition && session->transformer;
    if (!same) {
        edition->users++;
        drop_edition(client, session->edition);
        session->edition = edition;
    }
    pthread_mutex_unlock(&client->lock);
    if (same)
        return RK_OK;
    rk_transformer_destroy(session->transformer);
    session->transformer = NULL;
    session->spec = edition->spec;
    session->tables = edition->tables;
    return rk_transformer_create(session->spec, &session->tables, client->key_bytes_max, 0,
                                 &session->transformer, err);
}

rk_status rki_session_take(rki_local *client, rki_session **out, rk_error *err)
{
    pthread_mutex_lock(&client->lock);
    rki_session *session = client->idle;
    if (session) {
        client->idle = session->next;
        client->idle_count--;
    }
    pthread_mutex_unlock(&client->lock);
    if (!session) {
        session = calloc(1, sizeof *session);
        if (!session)
            return rk_error_set(err, RK_NOMEM, "client: out of memory");
        session->client = client;
        rk_arena_init(&session->arena, ARENA_BYTES_MAX);
    }
    session->next = NULL;
    session->sight = RK_SIGHT_FULL;
    rk_status status = attach(session, err);
    if (status != RK_OK) {
        rki_session_give(session);
        return status;
    }
    *out = session;
    return RK_OK;
}

void rki_session_give(rki_session *session)
{
    if (!session)
        return;
    rki_local *client = session->client;
    session->view = NULL;
    session->rule = NULL;
    rk_arena_reset(&session->arena);
    if (session->arena.bytes_held > ARENA_BYTES_KEEP)
        rk_arena_fini(&session->arena);
    pthread_mutex_lock(&client->lock);
    if (client->idle_count < IDLE_MAX) {
        session->next = client->idle;
        client->idle = session;
        client->idle_count++;
    } else {
        destroy_session(session);
    }
    pthread_mutex_unlock(&client->lock);
}

rk_status rki_session_refresh(rki_session *session, rk_error *err)
{
    rki_local *client = session->client;
    rki_edition *edition = NULL;
    rk_status status = read_edition(client, &edition, err);
    if (status != RK_OK)
        return status;
    pthread_mutex_lock(&client->lock);
    if (memcmp(&client->edition->digest, &edition->digest, sizeof edition->digest) == 0)
        destroy_edition(edition); /* another session was first */
    else
        install_edition(client, edition);
    pthread_mutex_unlock(&client->lock);
    return attach(session, err);
}

rk_status rki_session_look(rki_session *session, rk_slice tenant, bool *stale, rk_error *err)
{
    rk_state state;
    rk_status status = rk_state_load(session->view, session->client->meta, &state, err);
    if (status == RK_NOT_FOUND)
        return rk_error_set(err, RK_CORRUPT, "the store has lost the state of its migration");
    if (status != RK_OK)
        return status;
    *stale = memcmp(&state.spec_digest, &session->edition->digest, sizeof state.spec_digest) != 0;
    if (*stale)
        return RK_OK;
    const rk_tier_state *tier = &state.tier[rk_spec_tier(session->spec, tenant)];
    if (!session->rule || !rk_fault("phase_outside"))
        session->rule = rk_phase_rule_of(session->spec->strategy, tier->phase, tier->undoing);
    return RK_OK;
}

static rk_status open_snapshot(rki_session *session, rk_error *err)
{
    if (session->snapshot)
        return rk_snapshot_renew(session->snapshot, err);
    return rk_snapshot_open(session->client->store, &session->snapshot, err);
}

rk_status rki_session_begin_read(rki_session *session, rk_slice tenant, rk_error *err)
{
    for (int tries = 0; tries < RKI_REFRESHES_MAX; tries++) {
        bool stale = false;
        rk_status status = open_snapshot(session, err);
        if (status != RK_OK)
            return status;
        session->view = session->snapshot;
        status = rki_session_look(session, tenant, &stale, err);
        if (status == RK_OK && !stale)
            return RK_OK;
        rki_session_end_read(session);
        if (status == RK_OK)
            status = rki_session_refresh(session, err);
        if (status != RK_OK)
            return status;
    }
    return rk_error_set(err, RK_BUSY, "the registered spec keeps changing");
}

void rki_session_end_read(rki_session *session)
{
    rk_snapshot_release(session->snapshot);
    session->view = NULL;
}

static rk_status open_table(rki_session *session, const rk_index *index, bool create, rk_error *err)
{
    rk_table *table = &session->tables.index[index->table_index];
    if (*table != RK_TABLE_NONE)
        return RK_OK;
    rk_error why = {0};
    rk_status status =
        rk_store_table(session->client->store, index->name, RK_TABLE_INDEX, create, table, &why);
    if (status == RK_OK || (status == RK_NOT_FOUND && !create))
        return RK_OK;
    if (err)
        *err = why;
    return status;
}

rk_status rki_session_open_tables(rki_session *session, const char *entity, bool create,
                                  rk_error *err)
{
    int found = rk_spec_entity(session->spec, rk_slice_str(entity));
    rk_status status = RK_OK;
    if (found < 0)
        return RK_OK; /* reported with the other checks */
    const rk_entity *opened = &session->spec->entities[found];
    for (size_t i = 0; i < opened->index_count && status == RK_OK; i++)
        status = open_table(session, &opened->index[i], create, err);
    return status;
}
