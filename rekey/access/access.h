/* access.h: who may do what in a cluster: the authorized keys.
 *
 * A YAML file gives each Ed25519 public key a role, and to a client the tenants and capsules that
 * it may touch. specs/authorized_keys.md is the format's reference.
 *
 * Invariants
 *   - What is not listed may nothing. There is no default entry, and no role without a key.
 *   - A key stands there once, with one role.
 *   - A file with a finding gives no entry at all: half a list of rights is none.
 *   - A file that others may write is refused: whoever writes it decides who gets in.
 *
 *     rk_access *access = NULL;
 *     rk_findings findings = {0};
 *     if (rk_access_load("cluster.keys.yaml", &access, &findings, &err) != RK_OK) ...
 *     const rk_access_entry *entry = rk_access_find(access, &peer->key);
 *     if (!rk_access_permits(entry, tenant, capsule)) ...
 *
 * Threading: read-only once loaded; may be shared.
 */
#ifndef REKEY_ACCESS_ACCESS_H
#define REKEY_ACCESS_ACCESS_H

#include "rekey/crypto/crypto.h"
#include "rekey/crypto/role.h"
#include "rekey/spec/spec.h"

#define RK_ACCESS_BYTES_MAX      ((size_t)1 << 20)
#define RK_ACCESS_KEYS_MAX       1024
#define RK_ACCESS_LIST_MAX       4096 /* tenants, or capsules, of one client */
#define RK_ACCESS_NAME_BYTES_MAX 64

/* Sorted, without repeats. */
typedef struct rk_access_list {
    bool all; /* "*"; then no item */
    rk_slice *items;
    size_t count;
} rk_access_list;

typedef struct rk_access_entry {
    rk_public_key key;
    rk_role role;
    const char *name; /* for people: who holds the key */
    rk_access_list tenants;
    rk_access_list capsules;
    uint32_t line; /* where the key stands */
    uint32_t column;
} rk_access_entry;

typedef struct rk_access rk_access;

/* Reads the file. RK_INVALID when there are findings: then `findings` (NULL allowed) has them all,
 * *out is untouched, and the error counts them. RK_AUTH when it is a symlink, is nobody's file that
 * one could trust (the caller's own or root's), or may be written by others. RK_NOT_FOUND, RK_LIMIT
 * (over 1 MiB), RK_IO, RK_NOMEM. */
rk_status rk_access_load(const char *path, rk_access **out, rk_findings *findings, rk_error *err);

/* The same for text at hand; `name` stands in the error. */
rk_status rk_access_parse(rk_slice text, const char *name, rk_access **out, rk_findings *findings,
                          rk_error *err);
void rk_access_destroy(rk_access *access); /* NULL allowed */

/* The key's entry, borrowed; NULL for a key that is not listed. */
const rk_access_entry *rk_access_find(const rk_access *access, const rk_public_key *key);

/* The same as a directory of roles, as handshakes ask for it: `access` is an rk_access. False for a
 * key that is not listed. */
bool rk_access_role_of(const void *access, const rk_public_key *key, rk_role *out);

/* Whether the holder may touch records of this tenant and capsule. A client: what its lists say. A
 * coordinator: all, it moves them. An operator or a node: none, they ask for no records. NULL:
 * none.
 */
bool rk_access_permits(const rk_access_entry *entry, rk_slice tenant, rk_slice capsule);

/* All entries, in the order of their keys. */
size_t rk_access_count(const rk_access *access);
const rk_access_entry *rk_access_at(const rk_access *access, size_t index);

#endif
