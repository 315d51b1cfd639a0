/* traffic.h: which records the workers of the stress test write, and what they put there.
 *
 * The population is the same in every process: some thousand records in two tenants (one of each
 * tier) and two capsules. A kind says what may happen to its records; a place is one record. Each
 * value carries a token that no other write has, and a body that follows from the token, so that
 * the checker can tell which write a reader saw and whether it saw all of it.
 */
#ifndef REKEY_STRESS_TRAFFIC_H
#define REKEY_STRESS_TRAFFIC_H

#include <rekey/client.h>
#include <stdint.h>

#define STRESS_TEXT_BYTES  48
#define STRESS_VALUE_BYTES 4096

/* What may be done to the records of a kind. */
typedef enum stress_life {
    STRESS_FREE,   /* anything, by anyone */
    STRESS_STABLE, /* never deleted: parents */
    STRESS_PAIR,   /* two records, always written and deleted together, in one batch */
    STRESS_FAMILY, /* parent and child, made and deleted in order, by one worker alone */
    STRESS_SHARED, /* the same id in both capsules: one old key for two records */
} stress_life;

typedef struct stress_kind {
    char letter; /* begins its ids */
    stress_life life;
    const char *entity;
    const char *id_name; /* NULL: the record has no id of its own */
    const char *index_member;
    char parent; /* letter of the parent's kind, or 0 */
    const char *parent_member;
    unsigned count; /* a tenant */
    unsigned weight;
} stress_kind;

typedef struct stress_place {
    const stress_kind *kind;
    const char *tenant;
    const char *capsule;
    unsigned number;
    char id[STRESS_TEXT_BYTES];
} stress_place;

/* xorshift64*; state never 0. */
uint64_t stress_random(uint64_t *state);
unsigned stress_below(uint64_t *state, unsigned bound);
uint64_t stress_hash(rk_slice bytes);

size_t stress_kind_count(void);
const stress_kind *stress_kind_at(size_t i);
const stress_kind *stress_kind_of(char letter);
const char *stress_tenant(size_t i); /* of two */
const char *stress_capsule(size_t i);
size_t stress_capsule_of(const stress_kind *kind, unsigned number);

void stress_place_set(stress_place *place, const stress_kind *kind, size_t tenant, size_t capsule,
                      unsigned number);
/* Any place, kinds by their weights; `shared` with those of both capsules. */
void stress_place_pick(stress_place *place, bool shared, uint64_t *random);

/* What index the record's value belongs to: fixed by its id for three of four, else by `sequence`.
 */
void stress_index_value(const stress_place *place, uint64_t sequence, char out[STRESS_TEXT_BYTES]);

/* Writes the value to `out`, with the capsule's member or without; returns its length. */
size_t stress_value(const stress_place *place, const char *token, uint64_t sequence,
                    bool with_capsule, char out[STRESS_VALUE_BYTES]);

/* The token of a value, "-" for one that no worker wrote. */
void stress_token_of(rk_slice value, char out[STRESS_TEXT_BYTES]);

#endif
