#include "tests/stress/traffic.h"

#include <stdio.h>

#define BODY_BYTES_MAX  300
#define BODY_BYTES_LONG 2600 /* more than LMDB keeps inside a page */

static const stress_kind kinds[] = {
    {'a', STRESS_FREE, "AccessEntity", "access_id", "user_id", 0, NULL, 160, 40},
    {'p', STRESS_PAIR, "AccessEntity", "access_id", "user_id", 0, NULL, 40, 12},
    {'c', STRESS_STABLE, "Contract", "contract_id", "account_id", 0, NULL, 60, 8},
    {'t', STRESS_STABLE, "ContractLineItem", "line_item_id", "product_id", 'c', "contract_id", 60,
     6},
    {'l', STRESS_FREE, "ContractLineItem", "line_item_id", "product_id", 'c', "contract_id", 120,
     16},
    {'m', STRESS_FREE, "ContractAmendment", "amendment_id", "effective_date", 't', "line_item_id",
     80, 10},
    {'f', STRESS_FAMILY, "Contract", "contract_id", "account_id", 0, NULL, 24, 8},
    {'x', STRESS_SHARED, "AccessEntity", "access_id", "user_id", 0, NULL, 6, 2},
    {'g', STRESS_SHARED, "FinancialConfig", NULL, "industry", 0, NULL, 1, 1},
};

/* The child of a family; never picked by itself. */
static const stress_kind family_child = {
    'h', STRESS_FAMILY, "ContractLineItem", "line_item_id", "product_id", 'f', "contract_id", 24,
    0};

static const char *const tenants[] = {"synthetic-1", "synthetic-3"}; /* canary, production */
static const char *const capsules[] = {"PRODUS", "DEVUS"};

/* --- numbers ---------------------------------------------------------------------------------- */

uint64_t stress_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

unsigned stress_below(uint64_t *state, unsigned bound)
{
    return (unsigned)((stress_random(state) >> 33) % bound);
}

/* FNV-1a. */
uint64_t stress_hash(rk_slice bytes)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ bytes.ptr[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* --- places ----------------------------------------------------------------------------------- */

size_t stress_kind_count(void)
{
    return sizeof kinds / sizeof *kinds;
}

const stress_kind *stress_kind_at(size_t i)
{
    return &kinds[i];
}

const stress_kind *stress_kind_of(char letter)
{
    for (size_t i = 0; i < stress_kind_count(); i++) {
        if (kinds[i].letter == letter)
            return &kinds[i];
    }
    return &family_child;
}

const char *stress_tenant(size_t i)
{
    return tenants[i % 2];
}

const char *stress_capsule(size_t i)
{
    return capsules[i % 2];
}

/* A pair lives in one capsule, and so do a parent and its children. */
size_t stress_capsule_of(const stress_kind *kind, unsigned number)
{
    return kind->life == STRESS_PAIR ? number / 2 % 2 : number % 2;
}

void stress_place_set(stress_place *place, const stress_kind *kind, size_t tenant, size_t capsule,
                      unsigned number)
{
    *place = (stress_place){.kind = kind,
                            .tenant = stress_tenant(tenant),
                            .capsule = stress_capsule(capsule),
                            .number = number};
    if (kind->id_name)
        snprintf(place->id, sizeof place->id, "%c%u", kind->letter, number);
    else
        snprintf(place->id, sizeof place->id, "-");
}

static unsigned weight_of(const stress_kind *kind, bool shared)
{
    return kind->life == STRESS_SHARED && !shared ? 0 : kind->weight;
}

void stress_place_pick(stress_place *place, bool shared, uint64_t *random)
{
    unsigned all = 0;
    for (size_t i = 0; i < stress_kind_count(); i++)
        all += weight_of(&kinds[i], shared);
    unsigned drawn = stress_below(random, all);
    const stress_kind *kind = kinds;
    for (; drawn >= weight_of(kind, shared); kind++)
        drawn -= weight_of(kind, shared);
    unsigned number = stress_below(random, kind->count);
    size_t capsule =
        kind->life == STRESS_SHARED ? stress_below(random, 2) : stress_capsule_of(kind, number);
    stress_place_set(place, kind, stress_below(random, 2), capsule, number);
}

/* --- values ----------------------------------------------------------------------------------- */

void stress_index_value(const stress_place *place, uint64_t sequence, char out[STRESS_TEXT_BYTES])
{
    if (place->number % 4 == 0)
        snprintf(out, STRESS_TEXT_BYTES, "moves-%u", (unsigned)(sequence % 3));
    else
        snprintf(out, STRESS_TEXT_BYTES, "stays-%u", place->number % 8);
}

/* Parents' numbers are children's modulo their count, which is even: the capsule is the same. */
static size_t write_parent(const stress_place *place, char *out, size_t room)
{
    const stress_kind *kind = place->kind;
    if (!kind->parent)
        return 0;
    return (size_t)snprintf(out, room, ",\"%s\":\"%c%u\"", kind->parent_member, kind->parent,
                            place->number % stress_kind_of(kind->parent)->count);
}

static size_t write_body(const char *token, char *out, size_t room)
{
    uint64_t state = stress_hash(rk_slice_str(token)) | 1;
    size_t len = stress_below(&state, 16) ? stress_below(&state, BODY_BYTES_MAX) : BODY_BYTES_LONG;
    size_t at = (size_t)snprintf(out, room, ",\"body\":\"");
    for (size_t i = 0; i < len; i++)
        out[at++] = (char)('a' + stress_below(&state, 26));
    out[at++] = '"';
    out[at++] = '}';
    return at;
}

size_t stress_value(const stress_place *place, const char *token, uint64_t sequence,
                    bool with_capsule, char out[STRESS_VALUE_BYTES])
{
    char index[STRESS_TEXT_BYTES];
    stress_index_value(place, sequence, index);
    size_t at = (size_t)snprintf(out, STRESS_VALUE_BYTES, "{\"t\":\"%s\",\"%s\":\"%s\"", token,
                                 place->kind->index_member, index);
    if (with_capsule)
        at += (size_t)snprintf(out + at, STRESS_VALUE_BYTES - at, ",\"capsule_id\":\"%s\"",
                               place->capsule);
    at += write_parent(place, out + at, STRESS_VALUE_BYTES - at);
    return at + write_body(token, out + at, STRESS_VALUE_BYTES - at);
}

void stress_token_of(rk_slice value, char out[STRESS_TEXT_BYTES])
{
    static const char opening[] = "{\"t\":\"";
    size_t from = sizeof opening - 1;
    size_t len = 0;
    snprintf(out, STRESS_TEXT_BYTES, "-");
    if (!rk_slice_starts_with(value, RK_SLICE_LITERAL("{\"t\":\"")))
        return;
    while (from + len < value.len && value.ptr[from + len] != '"' && len < STRESS_TEXT_BYTES - 1) {
        out[len] = (char)value.ptr[from + len];
        len++;
    }
    out[len] = '\0';
}
