/* search_private.h: what the sources of the search share.
 *
 * search.c walks; search_records.c and search_entries.c judge one record or entry each. Records of
 * a tenant stand together, and so do, under one index key, the entries of a tenant: what is mixed
 * is known at the end of such a run, and until then its numbers wait in an rki_mix.
 */
#ifndef REKEY_ISOLATION_SEARCH_PRIVATE_H
#define REKEY_ISOLATION_SEARCH_PRIVATE_H

#include "rekey/isolation/search_tally.h"

/* --- runs ------------------------------------------------------------------------------------- */

/* The records of one run by entity and capsule. */
typedef struct rki_mix {
    rk_buf tenant;
    uint64_t *count; /* [entity][RKI_MIX_COLUMNS]; the last column: capsule not told */
    uint64_t total;
    uint32_t capsules; /* bit set */
    /* The first key, and the first in another capsule: they show the mixture. */
    rk_buf sample[2];
    bool spread; /* of an index: the key does not hold the tenant */
} rki_mix;

rk_status rki_mix_init(rki_mix *mix, const rk_spec *spec, rk_error *err);
void rki_mix_fini(rki_mix *mix);

/* Forgets the run; the tenant stays. */
void rki_mix_reset(rki_mix *mix, const rk_spec *spec);

/* `capsule` is -1 where it is not told. */
rk_status rki_mix_add(rki_mix *mix, const rk_spec *spec, int entity, int capsule, rk_slice key,
                      rk_error *err);
bool rki_mix_is_mixed(const rki_mix *mix);

/* --- the search ------------------------------------------------------------------------------- */

typedef enum rki_stage { RKI_STAGE_RECORDS, RKI_STAGE_ENTRIES, RKI_STAGE_FINISHED } rki_stage;

struct rk_search {
    rk_store *store;
    const rk_spec *spec;
    const rk_clock *clock;
    rk_tables tables;
    rk_transformer *transformer;
    rk_view *view;
    rk_cursor *cursor; /* of the table being walked; NULL between two */
    rk_arena arena;    /* of one judgement */
    rk_state state;
    bool registered;
    rk_search_progress progress;
    rki_tally tally;

    rki_stage stage;
    size_t index;    /* the table being walked, of the index tables */
    bool started;    /* key and value are of the last entry judged, in this table */
    rk_buf key;      /* resume here */
    rk_buf value;    /* and, in an index, at this value */
    rki_mix mix;     /* the current run */
    rk_buf run_key;  /* the index key of the current run */
    rki_mix first;   /* that key's first run: it is mixed if a second tenant comes */
    size_t key_runs; /* of that key, ended */
};

/* Whose a record or entry is. */
typedef struct rki_subject {
    int entity;
    rk_slice tenant;
} rki_subject;

/* Counts one. */
rk_status rki_search_count(rk_search *search, rk_contamination kind, const rki_subject *subject,
                           const rk_found_sample *sample, rk_error *err);

/* Counts a run: by capsule without what is not told, or only by entity. */
rk_status rki_search_count_mix(rk_search *search, rk_contamination kind, const rki_mix *mix,
                               bool by_capsule, const rk_found_sample *samples, size_t sample_count,
                               rk_error *err);

/* Whether the tenant's tier is behind the rollback boundary. */
bool rki_search_is_behind(const rk_search *search, rk_slice tenant);

/* What a JSON value says of its own scope; empty where it says nothing. */
typedef struct rki_own {
    bool unreadable;
    rk_slice tenant;
    rk_slice capsule[2];        /* the member that new values carry, and that of the capsule rule */
    bool capsule_is_other_kind; /* one of them is there and no string */
} rki_own;

rk_status rki_search_own(rk_search *search, int entity, rk_slice value, rki_own *out,
                         rk_error *err);

/* Whether the value contradicts what a key says; an empty slice says nothing. */
bool rki_own_denies_tenant(const rki_own *own, rk_slice tenant);
bool rki_own_denies_capsule(const rki_own *own, rk_slice capsule);

/* Judge one, and end the run at the end of a table. */
rk_status rki_search_record(rk_search *search, const rk_entry *entry, rk_error *err);
rk_status rki_search_records_end(rk_search *search, rk_error *err);
rk_status rki_search_entry(rk_search *search, const rk_entry *entry, rk_error *err);
rk_status rki_search_entries_end(rk_search *search, rk_error *err);

#endif
