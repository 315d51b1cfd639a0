#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rekey/cli/commands.h"
#include "rekey/cli/demo_spec.h"

#define PATH_BYTES 512
#define WORDS_MAX  24

typedef struct demo_options {
    bool keep;
    uint64_t records;
} demo_options;

static const rk_opt opts[] = {
    {"keep", 0, RK_OPT_FLAG, NULL, "leave the scratch folder behind", false,
     offsetof(demo_options, keep)},
    {"records", 0, RK_OPT_U64, "N", "how many records to migrate; 20000 when not given", false,
     offsetof(demo_options, records)},
};
static const rk_syntax syntax = {
    .name = "demo",
    .summary = "Shows one whole migration on a scratch store, step by step.",
    .examples = "rekey demo\n"
                "rekey demo --records 1000000\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .exits = {RK_EXIT_NOT_CLEAN, RK_EXIT_STOPPED},
};

typedef struct demo_run {
    rk_cli *cli;
    char folder[PATH_BYTES];
    char spec[PATH_BYTES + 64];
    char plan[PATH_BYTES + 64];
    char store[PATH_BYTES + 64];
    char records[24];
} demo_run;

/* One step: what it shows, and the command that shows it. The words SPEC, PLAN, STORE and RECORDS
 * stand for the demo's own; `code` is the exit code it must have. */
typedef struct demo_step {
    const char *says;
    const char *words[WORDS_MAX];
    int (*run)(rk_cli *cli, int argc, char **argv);
    int code;
} demo_step;

#define SCOPE_WORDS(capsule) "--tenant", "tenant-0001", "--capsule", capsule
#define MIGRATION            "202611210900_capsule_isolation"

static const demo_step steps[] = {
    {"Records of six entities in the old shape: keys carry the tenant, but not the capsule.",
     {"seed", "SPEC", "--store", "STORE", "--tenants", "20", "--records", "RECORDS"},
     rk_cmd_seed,
     RK_EXIT_DONE},
    {"What shapes are in the store? The key CONTRACT has no capsule: that is the defect.",
     {"inspect", "--store", "STORE"},
     rk_cmd_inspect,
     RK_EXIT_DONE},
    {"The spec says what each key becomes, every index included; lint proves that it holds.",
     {"lint", "SPEC"},
     rk_cmd_lint,
     RK_EXIT_DONE},
    {"A plan is read-only: what would move, in which order, and what would be left alone.",
     {"plan", "SPEC", "--store", "STORE", "-o", "PLAN"},
     rk_cmd_plan,
     RK_EXIT_DONE},
    {"The application can use the client library from here on: the store knows the spec.",
     {"register", "SPEC", "--store", "STORE"},
     rk_cmd_register,
     RK_EXIT_DONE},
    {"The defect: test data. DEVUS writes a contract of its own ...",
     {"put", "--store", "STORE", SCOPE_WORDS("DEVUS"), "--entity", "Contract", "--id",
      "contract_id=demo-test", "{\"account_id\":\"a-demo\",\"capsule_id\":\"DEVUS\",\"amount\":1}"},
     rk_cmd_put,
     RK_EXIT_DONE},
    {"... and a reader of PRODUS gets it: before the flip, reads are what they always were.",
     {"get", "--store", "STORE", SCOPE_WORDS("PRODUS"), "--entity", "Contract", "--id",
      "contract_id=demo-test"},
     rk_cmd_get,
     RK_EXIT_DONE},
    {"The store was written since the plan, through the client: the plan still holds. The run "
     "copies\n"
     "each record to its new key, parents first, the template entity alone before all others,\n"
     "and verifies; old keys stay as they are.",
     {"run", "PLAN", "--store", "STORE"},
     rk_cmd_run,
     RK_EXIT_DONE},
    {"Run again: nothing is left to do, 0 changes.",
     {"run", "PLAN", "--store", "STORE"},
     rk_cmd_run,
     RK_EXIT_DONE},
    {"Old and new compared both ways, indexes and parents too.",
     {"verify", "--store", "STORE", "--isolation"},
     rk_cmd_verify,
     RK_EXIT_DONE},
    {"The flip: from now on reads use the new keys. Writes still go to both.",
     {"flip", "--store", "STORE"},
     rk_cmd_flip,
     RK_EXIT_DONE},
    {"DEVUS reads its contract ...",
     {"get", "--store", "STORE", SCOPE_WORDS("DEVUS"), "--entity", "Contract", "--id",
      "contract_id=demo-test"},
     rk_cmd_get,
     RK_EXIT_DONE},
    {"... and for PRODUS it is not there any more (exit 1).",
     {"get", "--store", "STORE", SCOPE_WORDS("PRODUS"), "--entity", "Contract", "--id",
      "contract_id=demo-test"},
     rk_cmd_get,
     RK_EXIT_FAILED},
    {"Second thoughts: rollback. Reads return to the old keys, the new copies go.",
     {"rollback", "--store", "STORE"},
     rk_cmd_rollback,
     RK_EXIT_DONE},
    {"A plan is used once. A new one ...",
     {"plan", "SPEC", "--store", "STORE", "-o", "PLAN", "--json"},
     rk_cmd_plan,
     RK_EXIT_DONE},
    {"... run up to the flip ...",
     {"run", "PLAN", "--store", "STORE", "--until", "flipped"},
     rk_cmd_run,
     RK_EXIT_DONE},
    {"... and contract deletes the old keys. This is the rollback boundary.",
     {"contract", "--store", "STORE", "--confirm", MIGRATION},
     rk_cmd_contract,
     RK_EXIT_DONE},
    {"No old key is left, and everything new is as it should be.",
     {"verify", "--store", "STORE", "--isolation"},
     rk_cmd_verify,
     RK_EXIT_DONE},
    {"Who did what, in a log whose entries hold each other's digests.",
     {"audit", "--store", "STORE", "--verify"},
     rk_cmd_audit,
     RK_EXIT_DONE},
};

/* --- the scratch folder ----------------------------------------------------------------------- */

static int make_folder(demo_run *demo)
{
    const char *base = getenv("TMPDIR");
    snprintf(demo->folder, sizeof demo->folder, "%.400s/rekey-demo-XXXXXX",
             base && base[0] ? base : "/tmp");
    if (!mkdtemp(demo->folder))
        return rk_cli_fail_format(demo->cli, RK_EXIT_FAILED, NULL,
                                  "demo: cannot make the folder %s: %s", demo->folder,
                                  strerror(errno));
    snprintf(demo->spec, sizeof demo->spec, "%s/%s.yaml", demo->folder, MIGRATION);
    snprintf(demo->plan, sizeof demo->plan, "%s/plan.json", demo->folder);
    snprintf(demo->store, sizeof demo->store, "lmdb:%s/store", demo->folder);
    FILE *file = fopen(demo->spec, "w");
    bool written = file && fwrite(rk_demo_spec, 1, rk_demo_spec_len, file) == rk_demo_spec_len;
    if (file && fclose(file) != 0)
        written = false;
    if (written)
        return RK_EXIT_DONE;
    return rk_cli_fail_format(demo->cli, RK_EXIT_FAILED, NULL, "demo: cannot write %s: %s",
                              demo->spec, strerror(errno));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

/* --- steps ------------------------------------------------------------------------------------ */

/* The demo's own word for a placeholder; argv is not const, but no command writes to it. */
static char *word_of(demo_run *demo, const char *word)
{
    if (strcmp(word, "SPEC") == 0)
        return demo->spec;
    if (strcmp(word, "PLAN") == 0)
        return demo->plan;
    if (strcmp(word, "STORE") == 0)
        return demo->store;
    if (strcmp(word, "RECORDS") == 0)
        return demo->records;
    return (char *)(uintptr_t)word;
}

static int take_step(demo_run *demo, size_t number)
{
    const demo_step *step = &steps[number];
    rk_cli *cli = demo->cli;
    char *argv[WORDS_MAX + 1] = {0};
    int argc = 0;
    const char *bold = rk_cli_paint(cli->color_out, RK_PAINT_BOLD);
    const char *plain = rk_cli_paint(cli->color_out, RK_PAINT_NONE);
    for (; argc < WORDS_MAX && step->words[argc]; argc++)
        argv[argc] = word_of(demo, step->words[argc]);
    rk_cli_print(cli, "\n%s%zu. %s%s", bold, number + 1, step->says, plain);
    fputs("   $ rekey", cli->out);
    for (int i = 0; i < argc; i++)
        fprintf(cli->out, strchr(argv[i], '{') ? " '%s'" : " %s", argv[i]);
    fputc('\n', cli->out);
    fflush(cli->out);
    int code = step->run(cli, argc, argv);
    fflush(cli->out);
    if (code == step->code)
        return RK_EXIT_DONE;
    return rk_cli_fail_format(cli, code == RK_EXIT_DONE ? RK_EXIT_FAILED : code, NULL,
                              "demo: step %zu ended with exit code %d instead of %d", number + 1,
                              code, step->code);
}

int rk_cmd_demo(rk_cli *cli, int argc, char **argv)
{
    demo_options options = {.records = 20000};
    demo_run demo = {.cli = cli};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    snprintf(demo.records, sizeof demo.records, "%llu", (unsigned long long)options.records);
    code = make_folder(&demo);
    for (size_t i = 0; code == RK_EXIT_DONE && i < RK_COUNT(steps); i++) {
        code = take_step(&demo, i);
        if (code == RK_EXIT_DONE && rk_cli_interrupted(cli))
            code = RK_EXIT_STOPPED;
    }
    if (options.keep)
        rk_cli_print(cli, "\nkept: %s", demo.folder);
    else
        nftw(demo.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (code == RK_EXIT_DONE)
        rk_cli_print(cli, "\nThat was the whole migration. The README says how to do yours.");
    return code;
}
