/* attack_command.c: the same questions, asked of the program: its exit code, stdout and stderr must
 * not differ between a record of another capsule and one that is nowhere. */
#include "rekey/isolation/attack_private.h"

#include <stdio.h>

#define WORDS_MAX       96
#define REPLY_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* --- command lines ---------------------------------------------------------------------------- */

typedef struct command {
    const char *words[WORDS_MAX];
    size_t count;
} command;

static void add(command *to, const char *word)
{
    if (to->count < WORDS_MAX)
        to->words[to->count++] = word;
}

static void add_text(rki_ring *ring, command *to, rk_slice text)
{
    add(to, (const char *)rki_text(ring, "%.*s", (int)text.len, (const char *)text.ptr).ptr);
}

static void add_pair(rki_ring *ring, command *to, const char *flag, const rk_id *id)
{
    add(to, flag);
    add(to, (const char *)rki_text(ring, "%s=%.*s", id->name, (int)id->value.len,
                                   (const char *)id->value.ptr)
                .ptr);
}

/* "get --store lmdb:... --tenant T --capsule C --entity E", and the ids where `sample` names one.
 */
static command begin(rki_ring *ring, const char *name, const rki_sample *sample, bool with_ids)
{
    command line = {{0}, 0};
    add(&line, name);
    add(&line, "--store");
    add(&line, ring->site->location);
    add(&line, "--tenant");
    add_text(ring, &line, sample->wish.owner.scope.tenant);
    add(&line, "--capsule");
    add_text(ring, &line, sample->wish.owner.scope.capsule);
    add(&line, "--entity");
    add(&line, rki_entity(ring)->name);
    for (size_t i = 0; with_ids && i < sample->id_count; i++)
        add_pair(ring, &line, "--id", &sample->ids[i]);
    return line;
}

/* --- replies ---------------------------------------------------------------------------------- */

static void reply_init(rk_attack_reply *reply)
{
    *reply = (rk_attack_reply){0};
    rk_buf_init(&reply->out, REPLY_BYTES_MAX);
    rk_buf_init(&reply->err, REPLY_BYTES_MAX);
}

static void reply_fini(rk_attack_reply *reply)
{
    rk_buf_fini(&reply->out);
    rk_buf_fini(&reply->err);
}

/* The tenant's name is the one thing in which the two command lines differ. */
static void forget_tenant(rk_buf *text, rk_slice tenant)
{
    size_t to = 0;
    for (size_t from = 0; from < text->len;) {
        rk_slice rest = rk_slice_of(text->ptr + from, text->len - from);
        if (tenant.len > 0 && rk_slice_starts_with(rest, tenant))
            from += tenant.len;
        else
            text->ptr[to++] = text->ptr[from++];
    }
    text->len = to;
}

static bool run(rki_ring *ring, const command *line, const rki_sample *sample,
                rk_attack_reply *reply)
{
    rk_error err = {0};
    rk_slice tenant = sample->wish.owner.scope.tenant;
    if (ring->failed)
        return false;
    rk_status status =
        ring->options->program(ring->options->context, line->words, line->count, reply, &err);
    if (status != RK_OK)
        rki_fail_case(ring, RKI_STRANGER, "the program could not be run: %.300s", err.message);
    forget_tenant(&reply->out, tenant);
    forget_tenant(&reply->err, tenant);
    return status == RK_OK;
}

static void compare(rki_ring *ring, const rk_attack_reply *elsewhere,
                    const rk_attack_reply *nowhere)
{
    if (elsewhere->code != nowhere->code)
        rki_fail_case(ring, RKI_STRANGER,
                      "`rekey` exits with %d for a record of another capsule, with %d for one that "
                      "is nowhere",
                      elsewhere->code, nowhere->code);
    else if (!rk_slice_equal(rk_buf_slice(&elsewhere->out), rk_buf_slice(&nowhere->out)))
        rki_fail_case(ring, RKI_STRANGER,
                      "`rekey` prints %zu bytes for a record of another capsule, %zu for one that "
                      "is nowhere",
                      elsewhere->out.len, nowhere->out.len);
    else if (!rk_slice_equal(rk_buf_slice(&elsewhere->err), rk_buf_slice(&nowhere->err)))
        rki_fail_case(ring, RKI_STRANGER,
                      "`rekey` words its message otherwise for a record of another capsule than "
                      "for one that is nowhere");
}

typedef command (*make_command)(rki_ring *ring, const rki_sample *sample);

/* As STRANGER where HOME has the record, and in a tenant where nothing is. */
static void ask_both(rki_ring *ring, make_command make)
{
    rki_sample victim;
    rki_sample elsewhere;
    rki_sample nowhere;
    rk_attack_reply first;
    rk_attack_reply second;
    if (!rki_victim(ring, RKI_HOME, &victim) || !rki_as(ring, RKI_STRANGER, &victim, &elsewhere))
        return;
    ring->party[RKI_NEIGHBOUR] = ring->party[RKI_STRANGER];
    ring->party[RKI_NEIGHBOUR].scope.tenant = rki_text(ring, "%s~", ring->tenant);
    if (!rki_as(ring, RKI_NEIGHBOUR, &victim, &nowhere))
        return;
    command line = make(ring, &elsewhere);
    command other = make(ring, &nowhere);
    reply_init(&first);
    reply_init(&second);
    if (run(ring, &line, &elsewhere, &first) && run(ring, &other, &nowhere, &second))
        compare(ring, &first, &second);
    reply_fini(&first);
    reply_fini(&second);
    rki_expect_own(ring, RKI_HOME, &victim);
}

/* --- the commands ----------------------------------------------------------------------------- */

static command make_get(rki_ring *ring, const rki_sample *sample)
{
    return begin(ring, "get", sample, true);
}

static command make_delete(rki_ring *ring, const rki_sample *sample)
{
    return begin(ring, "delete", sample, true);
}

static command make_list(rki_ring *ring, const rki_sample *sample)
{
    command line = begin(ring, "list", sample, false);
    add(&line, "--json");
    return line;
}

static command make_query(rki_ring *ring, const rki_sample *sample)
{
    rk_id where[RK_SEGMENTS_MAX];
    command line = begin(ring, "query", sample, false);
    size_t count = rki_sample_where(ring->spec, sample, ring->index, where);
    add(&line, "--json");
    add(&line, "--index");
    add(&line, ring->index->name);
    for (size_t i = 0; i < count; i++)
        add_pair(ring, &line, "--where", &where[i]);
    return line;
}

static command make_put(rki_ring *ring, const rki_sample *sample)
{
    command line = begin(ring, "put", sample, true);
    add_text(ring, &line, sample->value);
    return line;
}

static void command_get(rki_ring *ring)
{
    rki_try(ring, "`rekey get` of another capsule's record, and of one that is nowhere");
    ask_both(ring, make_get);
}

static void command_delete(rki_ring *ring)
{
    rki_try(ring, "`rekey delete` of another capsule's record, and of one that is nowhere");
    ask_both(ring, make_delete);
}

static void command_list(rki_ring *ring)
{
    rki_try(ring, "`rekey list` where another capsule has a record, and where none has");
    ask_both(ring, make_list);
}

static void command_query(rki_ring *ring)
{
    rki_try(ring, "`rekey query` where another capsule has a record, and where none has");
    ask_both(ring, make_query);
}

static void command_put(rki_ring *ring)
{
    rki_try(ring, "`rekey put` over another capsule's record, and where there is none");
    ask_both(ring, make_put);
}

/* --- the whole store -------------------------------------------------------------------------- */

static void command_verify(rki_ring *ring)
{
    rk_attack_reply reply;
    rk_error err = {0};
    const char *const words[] = {"verify", "--store", ring->site->location};
    rki_try(ring, "`rekey verify` after all attacks through the client and the command line");
    reply_init(&reply);
    rk_status status = ring->options->program(ring->options->context, words, 3, &reply, &err);
    if (status != RK_OK)
        rki_fail_case(ring, RKI_HOME, "the program could not be run: %.300s", err.message);
    else if (reply.code != 0)
        rki_fail_case(ring, RKI_HOME, "it exits with %d: the attacks left the store inconsistent",
                      reply.code);
    reply_fini(&reply);
}

#define ASKED (RKI_PROGRAM | RKI_ISOLATED | RKI_TWO)

const rki_attack rki_command_attacks[] = {
    {"command_get", RKI_OF_ENTITY, ASKED, command_get},
    {"command_list", RKI_OF_ENTITY, ASKED, command_list},
    {"command_query", RKI_OF_INDEX, ASKED, command_query},
    {"command_delete", RKI_OF_ENTITY, ASKED, command_delete},
    {"command_put", RKI_OF_ENTITY, ASKED | RKI_WRITES_NEW, command_put},
    {"command_verify", RKI_OF_STORE, RKI_PROGRAM | RKI_VERIFIES, command_verify},
    {0},
};
