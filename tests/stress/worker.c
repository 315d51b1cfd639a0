/* worker.c: one process of live traffic, through the public interface alone.
 *
 *     stress-worker STORE LOG LABEL SLOT SLOTS ROLE SEED OPERATIONS PAUSE_US SHARED
 *
 * ROLE is fill (every record once), writer or reader. SHARED 0 leaves out the ids that both
 * capsules use. LABEL is in every token and never used twice. A family belongs to the worker whose
 * SLOT it is, also after that worker was killed and started again under another label. OPERATIONS
 * 0: until SIGTERM. Exit code 0 unless the store could not be opened or the log not be written.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/stress/log.h"

#define PAGE_ROWS_SMALL 7

typedef struct worker {
    rk_client *client;
    stress_log log;
    const char *label;
    unsigned slot;
    unsigned slots;
    uint64_t random;
    uint64_t sequence;
    bool shared;
    unsigned step[2][64]; /* of the families, by tenant and number */
} worker;

static volatile sig_atomic_t stopped;

static void on_term(int number)
{
    (void)number;
    stopped = 1;
}

/* --- calls ------------------------------------------------------------------------------------ */

typedef struct call {
    rk_scope scope;
    rk_id id;
    size_t id_count;
    char token[STRESS_TEXT_BYTES];
    char text[STRESS_VALUE_BYTES];
    rk_slice value;
} call;

static void aim(call *c, const stress_place *place)
{
    c->scope = (rk_scope){rk_slice_str(place->tenant), rk_slice_str(place->capsule)};
    c->id = (rk_id){place->kind->id_name, rk_slice_str(place->id)};
    c->id_count = place->kind->id_name ? 1 : 0;
    c->value = RK_SLICE_EMPTY;
}

/* `part` tells the writes of one batch apart. */
static void make_value(worker *w, call *c, const stress_place *place, unsigned part)
{
    bool with_capsule = stress_below(&w->random, 2) == 0;
    snprintf(c->token, sizeof c->token, "%s.%" PRIu64 ".%u", w->label, w->sequence, part);
    c->value =
        rk_slice_of(c->text, stress_value(place, c->token, w->sequence, with_capsule, c->text));
}

static void note(worker *w, const call *c, const stress_place *place, const char *verb,
                 const char *expected)
{
    stress_log_write(&w->log, w->sequence,
                     &(stress_write){.verb = verb,
                                     .place = place,
                                     .token = c->value.len > 0 ? c->token : "-",
                                     .value = c->value,
                                     .sequence = w->sequence,
                                     .expected = expected});
}

/* A get; the value stays with the caller, who frees it. */
static rk_status get(worker *w, const stress_place *place, rk_value *out)
{
    call c;
    aim(&c, place);
    w->sequence++;
    uint64_t start = stress_now_ns();
    rk_status status =
        rk_client_get(w->client, &c.scope, place->kind->entity, &c.id, c.id_count, out, NULL);
    stress_log_read(&w->log, w->sequence, start, "get", place, status, out->bytes);
    stress_log_flush(&w->log);
    return status;
}

static rk_status put(worker *w, const stress_place *place, bool if_absent)
{
    call c;
    aim(&c, place);
    w->sequence++;
    make_value(w, &c, place, 0);
    note(w, &c, place, if_absent ? "put_if_absent" : "put", NULL);
    stress_log_flush(&w->log);
    rk_status status = if_absent ? rk_client_put_if_absent(w->client, &c.scope, place->kind->entity,
                                                           &c.id, c.id_count, c.value, NULL)
                                 : rk_client_put(w->client, &c.scope, place->kind->entity, &c.id,
                                                 c.id_count, c.value, NULL);
    stress_log_end(&w->log, w->sequence, status);
    return status;
}

static rk_status drop(worker *w, const stress_place *place)
{
    call c;
    aim(&c, place);
    w->sequence++;
    note(w, &c, place, "delete", NULL);
    stress_log_flush(&w->log);
    rk_status status =
        rk_client_delete(w->client, &c.scope, place->kind->entity, &c.id, c.id_count, NULL);
    stress_log_end(&w->log, w->sequence, status);
    return status;
}

/* Reads, then writes what nobody else may have changed meanwhile. */
static void compare_and_put(worker *w, const stress_place *place)
{
    call c;
    rk_value found = {0};
    char expected[STRESS_TEXT_BYTES];
    if (get(w, place, &found) != RK_OK)
        return;
    aim(&c, place);
    w->sequence++;
    make_value(w, &c, place, 0);
    stress_token_of(found.bytes, expected);
    note(w, &c, place, "compare_and_put", expected);
    stress_log_flush(&w->log);
    rk_status status = rk_client_compare_and_put(w->client, &c.scope, place->kind->entity, &c.id,
                                                 c.id_count, found.bytes, c.value, NULL);
    stress_log_end(&w->log, w->sequence, status);
    rk_value_fini(&found);
}

static void peek(worker *w, const stress_place *place)
{
    rk_value found = {0};
    get(w, place, &found);
    rk_value_fini(&found);
}

/* --- pairs ------------------------------------------------------------------------------------ */

static const char *const batch_verbs[] = {
    [RK_GET] = "batch_get", [RK_PUT] = "batch_put", [RK_DELETE] = "batch_delete"};

/* Both records in one call; nobody may ever see one of them changed and the other not. */
static void batch(worker *w, const stress_place *any, rk_verb verb)
{
    stress_place place[2];
    call c[2];
    rk_operation operation[2] = {{0}};
    w->sequence++;
    for (unsigned i = 0; i < 2; i++) {
        place[i] = *any;
        place[i].number = (any->number & ~1u) + i;
        snprintf(place[i].id, sizeof place[i].id, "%c%u", any->kind->letter, place[i].number);
        aim(&c[i], &place[i]);
        if (verb == RK_PUT)
            make_value(w, &c[i], &place[i], i);
        operation[i] = (rk_operation){.verb = verb,
                                      .entity = any->kind->entity,
                                      .ids = &c[i].id,
                                      .id_count = 1,
                                      .value = c[i].value};
        if (verb != RK_GET)
            note(w, &c[i], &place[i], batch_verbs[verb], NULL);
    }
    stress_log_flush(&w->log);
    uint64_t start = stress_now_ns();
    rk_status status = rk_client_batch(w->client, &c[0].scope, operation, 2, NULL, NULL);
    if (verb != RK_GET) {
        stress_log_end(&w->log, w->sequence, status);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        rk_status each = status == RK_OK ? operation[i].status : status;
        stress_log_read(&w->log, w->sequence, start, "batch_get", &place[i], each,
                        operation[i].found.bytes);
        rk_value_fini(&operation[i].found);
    }
    stress_log_flush(&w->log);
}

/* --- families --------------------------------------------------------------------------------- */

/* One step of parent in, child in, child changed, child out, parent out. A new owner does not know
 * how far the one before it came, and begins with the way out. */
static void live_on(worker *w, const stress_place *parent)
{
    enum { CHILD_OUT, PARENT_OUT, PARENT_IN, CHILD_IN, CHILD_AGAIN, STEPS };
    stress_place child;
    size_t tenant = strcmp(parent->tenant, stress_tenant(0)) != 0;
    unsigned *step = &w->step[tenant][parent->number];
    if (parent->number % w->slots != w->slot) {
        peek(w, parent);
        return;
    }
    stress_place_set(&child, stress_kind_of('h'), tenant, parent->number % 2, parent->number);
    switch (*step) {
    case CHILD_OUT:
        drop(w, &child);
        break;
    case PARENT_OUT:
        drop(w, parent);
        break;
    case PARENT_IN:
        put(w, parent, false);
        break;
    default:
        put(w, &child, false);
        break;
    }
    *step = (*step + 1) % STEPS;
}

/* --- lists ------------------------------------------------------------------------------------ */

static rk_status open_list(worker *w, const stress_place *place, const char *where, rk_slice after,
                           rk_iterator **out)
{
    call c;
    aim(&c, place);
    rk_id id = {place->kind->index_member, rk_slice_str(where)};
    rk_list_options options = {.after = after,
                               .page_rows_max = stress_below(&w->random, 2) ? PAGE_ROWS_SMALL : 0};
    if (where)
        return rk_client_query(w->client, &c.scope, place->kind->entity, "gsi1", &id, 1, &options,
                               out, NULL);
    return rk_client_list(w->client, &c.scope, place->kind->entity, &options, out, NULL);
}

/* Lets another iterator go on from where this one stands. */
static rk_status change_iterators(worker *w, const stress_place *place, const char *where,
                                  rk_iterator **iterator)
{
    rk_value position = {0};
    rk_status status = rk_iterator_position(*iterator, &position, NULL);
    rk_iterator_close(*iterator);
    *iterator = NULL;
    if (status == RK_OK)
        status = open_list(w, place, where, position.bytes, iterator);
    rk_value_fini(&position);
    return status;
}

/* One whole walk. `where` NULL for a list. */
static void walk(worker *w, const stress_place *place, const char *where)
{
    char *text = NULL;
    size_t length = 0;
    rk_iterator *iterator = NULL;
    FILE *rows = open_memstream(&text, &length);
    bool restless = stress_below(&w->random, 4) == 0;
    w->sequence++;
    uint64_t start = stress_now_ns();
    rk_status status = open_list(w, place, where, RK_SLICE_EMPTY, &iterator);
    for (unsigned i = 1; status == RK_OK; i++) {
        rk_row row;
        status = rk_iterator_next(iterator, &row, NULL);
        if (status == RK_OK)
            stress_log_row(rows, &row);
        if (status == RK_OK && restless && i % PAGE_ROWS_SMALL == 0)
            status = change_iterators(w, place, where, &iterator);
    }
    fclose(rows);
    stress_log_list(&w->log, w->sequence, start, place, where, status, text);
    stress_log_flush(&w->log);
    rk_iterator_close(iterator);
    free(text);
}

static void query(worker *w, const stress_place *place)
{
    char where[STRESS_TEXT_BYTES];
    stress_index_value(place, stress_below(&w->random, 3), where);
    walk(w, place, where);
}

/* --- what to do next -------------------------------------------------------------------------- */

/* The same id in the other capsule, where it is not; the answer must not depend on whether it is
 * here. */
static void probe(worker *w, const stress_place *place)
{
    stress_place other = *place;
    other.capsule = stress_capsule(strcmp(place->capsule, stress_capsule(0)) == 0);
    peek(w, &other);
}

static void write_free(worker *w, const stress_place *place)
{
    unsigned drawn = stress_below(&w->random, 20);
    if (drawn < 7)
        put(w, place, false);
    else if (drawn < 11)
        drop(w, place);
    else if (drawn < 14)
        put(w, place, true);
    else if (drawn < 18)
        compare_and_put(w, place);
    else
        peek(w, place);
}

static void write_one(worker *w)
{
    stress_place place;
    stress_place_pick(&place, w->shared, &w->random);
    switch (place.kind->life) {
    case STRESS_FREE:
    case STRESS_SHARED:
        write_free(w, &place);
        break;
    case STRESS_STABLE:
        if (stress_below(&w->random, 3) == 0)
            compare_and_put(w, &place);
        else
            put(w, &place, false);
        break;
    case STRESS_PAIR:
        batch(w, &place, stress_below(&w->random, 4) ? RK_PUT : RK_DELETE);
        break;
    case STRESS_FAMILY:
        live_on(w, &place);
        break;
    }
}

static void read_one(worker *w)
{
    stress_place place;
    stress_place_pick(&place, w->shared, &w->random);
    unsigned drawn = stress_below(&w->random, 100);
    if (drawn < 3)
        walk(w, &place, NULL);
    else if (drawn < 12 && place.kind->id_name)
        query(w, &place);
    else if (drawn < 30 && place.kind->life != STRESS_SHARED)
        probe(w, &place);
    else if (place.kind->life == STRESS_PAIR)
        batch(w, &place, RK_GET);
    else
        peek(w, &place);
}

static bool is_filled(const worker *w, const stress_kind *kind)
{
    return kind->life != STRESS_FAMILY && (kind->life != STRESS_SHARED || w->shared);
}

/* Every record once, parents first, so that the backfill has them before it. */
static void fill(worker *w)
{
    for (size_t i = 0; i < stress_kind_count(); i++) {
        const stress_kind *kind = stress_kind_at(i);
        for (unsigned j = 0; j < 2 * kind->count && is_filled(w, kind); j++) {
            stress_place place;
            unsigned number = j / 2;
            stress_place_set(&place, kind, j % 2, stress_capsule_of(kind, number), number);
            if (kind->life != STRESS_PAIR)
                put(w, &place, false);
            else if (number % 2 == 0)
                batch(w, &place, RK_PUT);
        }
    }
}

/* --- main ------------------------------------------------------------------------------------- */

/* Leaves room between the calls of one worker for those of the others; nothing depends on it. */
static void pause_us(unsigned long microseconds)
{
    struct timespec time = {.tv_sec = (time_t)(microseconds / 1000000),
                            .tv_nsec = (long)(microseconds % 1000000) * 1000};
    if (microseconds > 0)
        nanosleep(&time, NULL);
}

static void work(worker *w, const char *role, unsigned long operations, unsigned long pause)
{
    if (strcmp(role, "fill") == 0) {
        fill(w);
        return;
    }
    bool writer = strcmp(role, "writer") == 0;
    for (unsigned long i = 0; !stopped && (operations == 0 || i < operations); i++) {
        if (writer && stress_below(&w->random, 10) > 0)
            write_one(w);
        else
            read_one(w);
        pause_us(pause);
    }
}

static void catch_term(void)
{
    struct sigaction action = {.sa_handler = on_term};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
    static worker w;
    rk_error err = {0};
    if (argc != 11) {
        fprintf(stderr,
                "usage: %s STORE LOG LABEL SLOT SLOTS ROLE SEED OPERATIONS PAUSE_US SHARED\n",
                argv[0]);
        return 64;
    }
    catch_term();
    w.label = argv[3];
    w.slot = (unsigned)strtoul(argv[4], NULL, 10);
    w.slots = (unsigned)strtoul(argv[5], NULL, 10);
    w.shared = argv[10][0] != '0';
    w.random = (strtoull(argv[7], NULL, 10) * 2 + 1) * UINT64_C(0x9e3779b97f4a7c15);
    if (!stress_log_open(&w.log, argv[2])) {
        fprintf(stderr, "%s: log %s: %s\n", argv[0], argv[2], strerror(errno));
        return 3;
    }
    if (rk_client_open(argv[1], NULL, &w.client, &err) != RK_OK) {
        fprintf(stderr, "%s: %s\n", argv[0], err.message);
        return 1;
    }
    work(&w, argv[6], strtoul(argv[8], NULL, 10), strtoul(argv[9], NULL, 10));
    rk_client_close(w.client);
    stress_log_close(&w.log);
    return 0;
}
