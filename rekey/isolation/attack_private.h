/* attack_private.h: what the attacks of this folder share.
 *
 * An attack is a function on a ring: one entity (and index) of one stage's store, with three
 * parties. HOME has the record that is attacked, STRANGER is another capsule of the same tenant,
 * NEIGHBOUR a tenant whose name begins like HOME's. Each case has tenants of its own, so that no
 * case meets another's records.
 *
 * The first thing that goes wrong fails the case and is all that is said of it; every helper below
 * does nothing once the ring has failed, so that an attack reads as a list of claims.
 */
#ifndef REKEY_ISOLATION_ATTACK_PRIVATE_H
#define REKEY_ISOLATION_ATTACK_PRIVATE_H

#include "rekey/isolation/attack.h"
#include "rekey/isolation/sample.h"
#include "rekey/isolation/stage.h"

#define RKI_TENANT_BYTES_MAX 32

/* The victim of a case is put for it, or is one that the migration has carried along. */
#define RKI_RESIDENT_TAG "resident"
/* Where both capsules can have one, STRANGER's own, which sorts before it. */
#define RKI_STRANGERS_TAG "a-stranger"

typedef enum rki_party { RKI_HOME, RKI_STRANGER, RKI_NEIGHBOUR, RKI_PARTIES } rki_party;

/* What a case needs; where it is not there, there is no such case. */
enum {
    RKI_ISOLATED = 1 << 0,   /* reads keep capsules apart */
    RKI_READS_NEW = 1 << 1,  /* reads use new keys only */
    RKI_WRITES_NEW = 1 << 2, /* puts go to new keys */
    RKI_TWO = 1 << 3,        /* a second capsule */
    RKI_FREE = 1 << 4,       /* records of this entity can be in either */
    RKI_OWN_ID = 1 << 5,     /* an id of its own */
    RKI_CHILD = 1 << 6,      /* a parent */
    RKI_JSON = 1 << 7,       /* values are JSON objects */
    RKI_PROGRAM = 1 << 8,    /* the command line */
    RKI_NO_LOOKUP = 1 << 9,  /* tenants that no lookup file names can have records */
    RKI_BOTH = 1 << 10,      /* not a need: attack the carried victim as well */
    RKI_OWN_WHERE = 1 << 11, /* an index key that begins with a value of the record's own choice */
    RKI_SHARED = 1 << 13,    /* both capsules have carried records in one tenant */
    RKI_VERIFIES = 1 << 12,  /* a stage of which a verification is clean */
};

typedef enum rki_subject { RKI_OF_STORE, RKI_OF_ENTITY, RKI_OF_INDEX } rki_subject;

typedef struct rki_ring rki_ring;

typedef struct rki_attack {
    const char *name;
    rki_subject subject;
    unsigned needs;
    void (*attack)(rki_ring *ring);
} rki_attack;

/* The cases by theme, in the order in which they run. A later table may leave forged state in the
 * stage's store; nothing before it does. */
extern const rki_attack rki_read_attacks[];
extern const rki_attack rki_range_attacks[];
extern const rki_attack rki_write_attacks[];
extern const rki_attack rki_byte_attacks[];
extern const rki_attack rki_tell_attacks[];
extern const rki_attack rki_command_attacks[];
extern const rki_attack rki_store_attacks[];
extern const rki_attack rki_forged_attacks[];

struct rki_ring {
    const rki_stage *stage;
    const rki_scratch *scratch;
    rki_site *site;
    const rk_attack_options *options;
    const rk_spec *spec;
    const rk_phase_rule *rule; /* of this stage */
    const rki_attack *attack;
    size_t entity;
    const rk_index *index; /* NULL unless the subject is one */
    bool resident;         /* the victim was carried along */
    bool is_free;
    char tenant[RKI_TENANT_BYTES_MAX]; /* HOME's */
    char neighbour[RKI_TENANT_BYTES_MAX];
    rki_owner party[RKI_PARTIES];
    rk_arena arena;
    rk_case_result result;
    bool failed;
};

/* Who the parties are for an entity: `tenant` is the name of HOME's without its last digit. */
void rki_ring_seat(rki_ring *ring, size_t entity, const char *tenant);

/* The tenants in which the migration has carried along a record of this entity. */
void rki_ring_seat_residents(rki_ring *ring, size_t entity);

/* --- saying ----------------------------------------------------------------------------------- */

/* What is being tried, for the report; the helpers say on what and how it went wrong. */
void rki_try(rki_ring *ring, const char *format, ...) RK_PRINTF(2, 3);

/* Fails the case, as the party that it happened to. */
void rki_fail_case(rki_ring *ring, rki_party party, const char *format, ...) RK_PRINTF(3, 4);

/* --- records ---------------------------------------------------------------------------------- */

const rk_entity *rki_entity(const rki_ring *ring);

/* A wish for a record of the ring's entity; to be changed before rki_make. */
rki_wish rki_wish_for(const rki_ring *ring, rki_party party, const char *tag);
bool rki_make(rki_ring *ring, const rki_wish *wish, rki_sample *out);
bool rki_make_plain(rki_ring *ring, rki_party party, const char *tag, rki_sample *out);

/* Puts the record and those that it hangs on, in one transaction. */
bool rki_put_family(rki_ring *ring, const rki_sample *sample);

/* The victim of this case: put, or carried along. */
bool rki_victim(rki_ring *ring, rki_party party, rki_sample *out);

/* The same record as the other party would name it. */
bool rki_as(rki_ring *ring, rki_party party, const rki_sample *sample, rki_sample *out);

/* --- calls ------------------------------------------------------------------------------------ */

/* What one call answered. */
typedef struct rki_answer {
    rk_status status;
    char message[RK_ERROR_MESSAGE_BYTES];
    rk_value value; /* of a get */
} rki_answer;

void rki_answer_fini(rki_answer *answer);
rki_answer rki_call_get(const rki_ring *ring, const rki_sample *sample);
rki_answer rki_call_delete(const rki_ring *ring, const rki_sample *sample);
rki_answer rki_call_put(const rki_ring *ring, const rki_sample *sample);
rki_answer rki_call_put_if_absent(const rki_ring *ring, const rki_sample *sample);
rki_answer rki_call_compare_and_put(const rki_ring *ring, const rki_sample *sample,
                                    rk_slice expected);

/* --- claims ----------------------------------------------------------------------------------- */

/* Where `what` begins in `in`; NULL when it is not there. */
const uint8_t *rki_find_bytes(rk_slice in, rk_slice what);

/* Whether the value may not be seen by the party: in a phase that keeps capsules apart, any bytes
 * but its own; before, another tenant's. */
bool rki_must_not_see(const rki_ring *ring, rki_party party, rk_slice value);

/* A get by the sample's scope and ids gives exactly the sample's own record, or nothing and no
 * word. */
void rki_expect_own(rki_ring *ring, rki_party party, const rki_sample *sample);
void rki_expect_nothing(rki_ring *ring, rki_party party, const rki_sample *sample);

/* The call was answered so; its value, if any, is freed. */
void rki_expect_status(rki_ring *ring, rki_party party, rki_answer answer, rk_status status);

/* Two answers that must not differ: about a record elsewhere, and about one that is nowhere.
 * Frees both. */
void rki_expect_same(rki_ring *ring, rki_party party, rki_answer elsewhere, rki_answer nowhere);

#define RKI_ANY_COUNT SIZE_MAX

/* Lists, or queries, as the party and fails on every foreign row; `count` rows are expected. */
void rki_expect_list(rki_ring *ring, rki_party party, size_t count);
void rki_expect_query(rki_ring *ring, const rki_sample *like, rki_party party, size_t where_count,
                      size_t count);

/* A list of the party's, or a query like `like` where it is not NULL. */
rki_answer rki_open_rows(const rki_ring *ring, rki_party party, const rki_sample *like,
                         size_t where_count, const rk_list_options *options, rk_iterator **out);

/* Both of the above for the victim's own entity: what a stranger must not see. */
void rki_expect_unseen(rki_ring *ring, rki_party party, const rki_sample *like);

/* --- forging ---------------------------------------------------------------------------------- */

/* Writes around the client. */
void rki_forge_record(rki_ring *ring, rk_slice key, rk_slice value);
void rki_forge_entry(rki_ring *ring, const rk_index *index, rk_slice key, rk_slice primary);

/* Keys of the sample by a pattern of its entity. */
bool rki_key(rki_ring *ring, const rki_sample *sample, const rk_pattern *pattern, rk_slice *out);

/* What the store has at a key, without the client; empty for nothing. */
bool rki_look(rki_ring *ring, rk_slice key, rk_slice *out);

rk_slice rki_text(rki_ring *ring, const char *format, ...) RK_PRINTF(2, 3);

#endif
