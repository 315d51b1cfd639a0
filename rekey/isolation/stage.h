/* stage.h (private): a scratch store and the ways through a migration.
 *
 * A scratch is a temporary folder with the spec to attack. Its main store goes through every phase,
 * one stage after the other, driven by the engine as `rekey run`, `flip`, `rollback` and `contract`
 * would; each stage is attacked on a copy, so that whatever an attack leaves behind reaches no
 * other stage.
 *
 * The spec is the user's, with two differences that are the scratch's own and are stored nowhere
 * else: a lookup file gives the tenants of the attack in place of the user's, and no stop signal or
 * limit on batches watches the machine that the attack happens to run on.
 *
 * Threading: one thread; a store is open once at a time.
 */
#ifndef REKEY_ISOLATION_STAGE_H
#define REKEY_ISOLATION_STAGE_H

#include <rekey/client.h>

#include "rekey/engine/run.h"

#define RKI_PATH_BYTES_MAX 512

/* Where the migration stops on its way to a stage. */
typedef enum rki_stop {
    RKI_AT_GOAL,
    RKI_AT_BEGIN,    /* writes go to both sides, nothing is copied yet */
    RKI_AT_UNDOING,  /* a rollback has begun, nothing is undone yet */
    RKI_AT_CONTRACT, /* no way back any more, nothing is deleted yet */
} rki_stop;

typedef struct rki_stage {
    const char *name; /* of the cases too: "dual_write/Contract/get_foreign_id" */
    rk_phase phase;   /* of the dual-write strategy; a move that is being undone is elsewhere */
    bool plans;       /* a new plan is made and activated first */
    bool runs;        /* false for the first stage */
    rk_goal goal;
    rki_stop stop;
    bool attacked; /* false: only attacked as a whole */
    bool verifies; /* both sides are complete: a verification is clean */
    rk_goal next;  /* where a restored store must still get to from here */
    bool next_plans;
    const char *says; /* in messages: what the store is like */
} rki_stage;

#define RKI_STAGES 10
extern const rki_stage rki_stages[RKI_STAGES];

/* --- the scratch folder ----------------------------------------------------------------------- */

/* The stores in it: the one that migrates, the stage's copy, and a copy for a single case. */
#define RKI_MAIN     "main"
#define RKI_ATTACKED "attacked"
#define RKI_RESTORED "restored"

typedef struct rki_scratch {
    char folder[RKI_PATH_BYTES_MAX];
    rk_spec_source source;
    rk_spec *spec;
    const rk_clock *clock;
    rk_actor actor;
} rki_scratch;

/* `lookup` takes the place of every lookup file; empty when the spec has none. RK_IO with the
 * path. */
rk_status rki_scratch_create(const rk_spec_source *source, rk_slice lookup, const char *base,
                             const rk_clock *clock, rki_scratch **out, rk_error *err);

/* Removes the folder and everything in it. NULL allowed. */
void rki_scratch_destroy(rki_scratch *scratch);

/* Copies a store that is not open; drops one. */
rk_status rki_scratch_copy(const rki_scratch *scratch, const char *from, const char *to,
                           rk_error *err);
void rki_scratch_drop(const rki_scratch *scratch, const char *name);

/* --- a store in it ---------------------------------------------------------------------------- */

typedef struct rki_site {
    const rki_scratch *scratch;
    char location[RKI_PATH_BYTES_MAX + 64]; /* "lmdb:/tmp/..." */
    rk_store *store;
    rk_tables tables;
    rk_client *client;
} rki_site;

/* Opens the store, made with the spec registered when it is absent, and a client on it. */
rk_status rki_site_open(const rki_scratch *scratch, const char *name, rki_site *out, rk_error *err);

/* A zeroed one is closed. */
void rki_site_close(rki_site *site);

rk_status rki_site_state(const rki_site *site, rk_state *out, rk_error *err);

/* Takes the migration to the goal, or to where `stop` says. RK_CONFLICT when the engine said no,
 * with its reason. */
rk_status rki_site_drive(const rki_site *site, bool plans, rk_goal goal, rki_stop stop,
                         rk_error *err);

/* What a verification of the whole store finds. */
rk_status rki_site_verify(const rki_site *site, rk_verify_report *out, rk_error *err);

#endif
