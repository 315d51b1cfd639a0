/* hot.c: the functions that a migration spends its time in, each run so often on the same data in
 * every build, for callgrind to count their instructions. Beside them nothing is counted.
 *
 *     hot NAME FILE.yaml FOLDER   runs one, on records seeded for that spec into a store in FOLDER;
 *                                 prints how many operations were counted
 *     hot                         lists the names
 *
 * Run by itself it only says that everything works.
 */
#include "tests/bench/hot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rekey/base/buf.h"
#include "rekey/seed/seed.h"
#include "store/lmdb.h"

#if defined(__has_include) && __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#endif

#define MAP_BYTES    ((uint64_t)64 << 20) /* what fits in a process under valgrind */
#define MEMORY_BYTES ((size_t)256 << 20)
#define TENANTS      20
#define CACHE        4096 /* parents, as the engine's scanners have */

void hot_must(rk_status status, const rk_error *err)
{
    if (status == RK_OK)
        return;
    fprintf(stderr, "hot: %s\n", err->message);
    exit(1);
}

/* --- the data --------------------------------------------------------------------------------- */

static void load_spec(hot_ground *g, const char *path)
{
    rk_error err = {0};
    rk_findings findings = {0};
    rk_spec_source source = {0};
    hot_must(rk_spec_source_read(path, &source, &err), &err);
    hot_must(rk_spec_load(&source, NULL, &g->spec, &findings, &err), &err);
    rk_findings_fini(&findings);
    rk_spec_source_fini(&source);
}

static void seed_store(hot_ground *g, const char *folder)
{
    rk_error err = {0};
    rk_seed *seed = NULL;
    bool finished = false;
    rk_lmdb_options options = {.mode = RK_LMDB_CREATE, .map_bytes_max = MAP_BYTES};
    rk_seed_options wanted = {.tenants = TENANTS, .records = HOT_RECORDS, .seed = 1};
    hot_must(rk_lmdb_open(folder, &options, &g->store, &err), &err);
    hot_must(rk_seed_start(g->store, g->spec, &wanted, &seed, &err), &err);
    while (!finished)
        hot_must(rk_seed_step(seed, &finished, &err), &err);
    rk_seed_destroy(seed);
    hot_must(rk_tables_open(g->store, g->spec, true, false, &g->tables, &err), &err);
}

/* All records, in key order, and what they become. */
static void read_records(hot_ground *g)
{
    rk_error err = {0};
    rk_cursor *cursor = NULL;
    rk_entry entry;
    char detail[128];
    size_t key_bytes_max = rk_store_capabilities(g->store)->key_bytes_max;
    hot_must(
        rk_transformer_create(g->spec, &g->tables, key_bytes_max, CACHE, &g->transformer, &err),
        &err);
    hot_must(rk_snapshot_open(g->store, &g->view, &err), &err);
    hot_must(rk_cursor_open(g->view, g->tables.records, &cursor, &err), &err);
    rk_status status = rk_cursor_seek(cursor, RK_SLICE_EMPTY, &entry, &err);
    for (; status == RK_OK && g->count < HOT_RECORDS; g->count++) {
        hot_record *record = &g->records[g->count];
        rk_reason reason;
        hot_must(rk_arena_copy(&g->memory, entry.key, &record->key, &err), &err);
        hot_must(rk_arena_copy(&g->memory, entry.value, &record->value, &err), &err);
        hot_must(rk_transform_old(g->transformer, g->view, record->key, record->value, &g->memory,
                                  &record->image, &reason, detail, &err),
                 &err);
        if (reason != RK_REASON_NONE)
            hot_must(rk_error_set(&err, RK_INVALID, "a seeded record is left alone"), &err);
        status = rk_cursor_next(cursor, &entry, &err);
    }
    rk_cursor_close(cursor);
    rk_snapshot_close(g->view);
    g->view = NULL;
}

static void ground_init(hot_ground *g, const char *spec, const char *folder)
{
    rk_arena_init(&g->memory, MEMORY_BYTES);
    rk_arena_init(&g->scratch, MEMORY_BYTES);
    load_spec(g, spec);
    seed_store(g, folder);
    read_records(g);
}

static void ground_fini(hot_ground *g)
{
    rk_transformer_destroy(g->transformer);
    rk_store_close(g->store);
    rk_spec_destroy(g->spec);
    rk_arena_fini(&g->scratch);
    rk_arena_fini(&g->memory);
}

/* --- running ---------------------------------------------------------------------------------- */

static const hot_function *find(const char *name)
{
    for (const hot_function *f = hot_functions; f->name; f++) {
        if (strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

/* Twice: the first time touches memory and fills caches, the second is counted. */
static size_t measure(hot_ground *g, const hot_function *f)
{
    size_t operations = 0;
    f->prepare(g);
    for (int round = 0; round < 2; round++) {
        if (f->begin)
            f->begin(g);
        if (round == 1)
            CALLGRIND_START_INSTRUMENTATION;
        operations = f->run(g);
        CALLGRIND_STOP_INSTRUMENTATION;
        if (f->end)
            f->end(g);
    }
    return operations;
}

int main(int argc, char **argv)
{
    static hot_ground ground;
    if (argc == 1) {
        for (const hot_function *f = hot_functions; f->name; f++)
            puts(f->name);
        return 0;
    }
    const hot_function *f = argc == 4 ? find(argv[1]) : NULL;
    if (!f) {
        fprintf(stderr, "usage: hot NAME FILE.yaml FOLDER\n");
        return 64;
    }
    ground_init(&ground, argv[2], argv[3]);
    printf("%zu\n", measure(&ground, f));
    ground_fini(&ground);
    return 0;
}
