#include "bench/bare_keys.h"

#include <stdbool.h>
#include <string.h>

#include "bench/bare_env.h"

#define CAPSULE_WORD "CAPSULE#"
#define OLD_WORD     "CONTRACT#"

static bool begins(const char *text, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    return len > word_len && memcmp(text, word, word_len) == 0;
}

/* Where the rest of TENANT#{tenant}#... begins; NULL for another key. */
static const char *after_tenant(const MDB_val *key)
{
    const char *text = key->mv_data;
    if (key->mv_size < 8 || memcmp(text, "TENANT#", 7) != 0)
        return NULL;
    const char *end = memchr(text + 7, '#', key->mv_size - 7);
    return end ? end + 1 : NULL;
}

bare_shape bare_shape_of(const MDB_val *key)
{
    const char *rest = after_tenant(key);
    size_t len = rest ? key->mv_size - (size_t)(rest - (const char *)key->mv_data) : 0;
    if (begins(rest, len, OLD_WORD))
        return BARE_OLD;
    return begins(rest, len, CAPSULE_WORD) ? BARE_NEW : BARE_OTHER;
}

static const char *find(const char *text, size_t len, const char *wanted, size_t wanted_len)
{
    for (const char *end = text + len; len >= wanted_len; len = (size_t)(end - text)) {
        text = memchr(text, wanted[0], len - wanted_len + 1);
        if (!text)
            return NULL;
        if (memcmp(text, wanted, wanted_len) == 0)
            return text;
        text++;
    }
    return NULL;
}

/* `head` is the member's name in quotes, a colon and a quote. */
static MDB_val member(const MDB_val *value, const char *head, size_t head_len)
{
    const char *text = find(value->mv_data, value->mv_size, head, head_len);
    if (!text)
        bare_fail("a record lacks a member", head);
    text += head_len;
    size_t room = value->mv_size - (size_t)(text - (const char *)value->mv_data);
    const char *end = memchr(text, '"', room);
    if (!end || end == text)
        bare_fail("a record has no text in a member", head);
    return (MDB_val){(size_t)(end - text), (void *)(size_t)text};
}

MDB_val bare_capsule(const MDB_val *value)
{
    static const char head[] = "\"capsule_id\":\"";
    return member(value, head, sizeof head - 1);
}

MDB_val bare_account(const MDB_val *value)
{
    static const char head[] = "\"account_id\":\"";
    return member(value, head, sizeof head - 1);
}

static size_t add(char *out, size_t len, const char *piece, size_t piece_len)
{
    if (len + piece_len > BARE_KEY_BYTES_MAX)
        bare_fail("a record cannot move", "its key would be too long");
    memcpy(out + len, piece, piece_len);
    return len + piece_len;
}

static size_t add_word(char *out, size_t len, const char *word)
{
    return add(out, len, word, strlen(word));
}

/* The key's TENANT#{tenant}# as it is. */
static size_t add_tenant(char *out, const MDB_val *key)
{
    const char *text = key->mv_data;
    return add(out, 0, text, (size_t)(after_tenant(key) - text));
}

static size_t add_capsule(char *out, size_t len, const MDB_val *capsule)
{
    len = add_word(out, len, CAPSULE_WORD);
    len = add(out, len, capsule->mv_data, capsule->mv_size);
    return add_word(out, len, "#");
}

static size_t add_account(char *out, size_t len, const MDB_val *account)
{
    len = add_word(out, len, "ACCOUNT#");
    return add(out, len, account->mv_data, account->mv_size);
}

size_t bare_new_key(const MDB_val *key, const MDB_val *capsule, char *out)
{
    size_t head = add_tenant(out, key);
    const char *rest = (const char *)key->mv_data + head;
    return add(out, add_capsule(out, head, capsule), rest, key->mv_size - head);
}

size_t bare_old_entry(const MDB_val *capsule, const MDB_val *account, char *out)
{
    return add_account(out, add_capsule(out, 0, capsule), account);
}

size_t bare_new_entry(const MDB_val *key, const MDB_val *capsule, const MDB_val *account, char *out)
{
    return add_account(out, add_capsule(out, add_tenant(out, key), capsule), account);
}

size_t bare_first_old(const MDB_val *key, char *out)
{
    return add_word(out, add_tenant(out, key), OLD_WORD);
}
