#include <string.h>

#include "rekey/cli/commands.h"
#include "rekey/cli/demo.h"

#define WORDS_MAX       24
#define CLUSTER_RECORDS 300000

typedef struct demo_options {
    bool keep;
    bool cluster;
    uint64_t records;
} demo_options;

static const rk_opt opts[] = {
    {"keep", 0, RK_OPT_FLAG, NULL, "leave the scratch folder behind", false,
     offsetof(demo_options, keep)},
    {"cluster", 0, RK_OPT_FLAG, NULL,
     "three nodes on this machine, one of them killed in the middle", false,
     offsetof(demo_options, cluster)},
    {"records", 0, RK_OPT_U64, "N", "how many records; 20000, or 300000 with --cluster", false,
     offsetof(demo_options, records)},
};
static const rk_syntax syntax = {
    .name = "demo",
    .summary = "Shows one whole migration on a scratch store, step by step.",
    .examples = "rekey demo\n"
                "rekey demo --records 1000000\n"
                "rekey demo --cluster\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .exits = {RK_EXIT_NOT_CLEAN, RK_EXIT_STOPPED},
};

/* One step: what it shows, and the command that shows it. The words SPEC, PLAN, STORE and RECORDS
 * stand for the demo's own; `code` is the exit code it must have. */
typedef struct demo_step {
    const char *says;
    const char *words[WORDS_MAX];
    rk_demo_command run;
    int code;
} demo_step;

#define SCOPE_WORDS(capsule) "--tenant", "tenant-0001", "--capsule", capsule

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
     {"contract", "--store", "STORE", "--confirm", RK_DEMO_MIGRATION},
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

/* --- steps ------------------------------------------------------------------------------------ */

/* The demo's own word for a placeholder; argv is not const, but no command writes to it. */
static char *word_of(rk_demo *demo, char *store, const char *word)
{
    if (strcmp(word, "SPEC") == 0)
        return demo->spec;
    if (strcmp(word, "PLAN") == 0)
        return demo->plan;
    if (strcmp(word, "STORE") == 0)
        return store;
    if (strcmp(word, "RECORDS") == 0)
        return demo->records;
    return (char *)(uintptr_t)word;
}

static int show_one_store(rk_demo *demo)
{
    char store[RK_DEMO_PATH_BYTES + 64];
    int code = RK_EXIT_DONE;
    snprintf(store, sizeof store, "lmdb:%s/store", demo->folder);
    for (size_t i = 0; code == RK_EXIT_DONE && i < RK_COUNT(steps); i++) {
        char *argv[WORDS_MAX + 1] = {0};
        int argc = 0;
        for (; argc < WORDS_MAX && steps[i].words[argc]; argc++)
            argv[argc] = word_of(demo, store, steps[i].words[argc]);
        code = rk_demo_run(demo, steps[i].says, steps[i].run, argc, argv, steps[i].code);
    }
    if (code == RK_EXIT_DONE)
        rk_cli_print(demo->cli, "\nThat was the whole migration. The README says how to do yours.");
    return code;
}

int rk_cmd_demo(rk_cli *cli, int argc, char **argv)
{
    demo_options options = {0};
    rk_demo demo;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    uint64_t usual = options.cluster ? CLUSTER_RECORDS : 20000;
    code = rk_demo_open(&demo, cli, options.records ? options.records : usual);
    if (code == RK_EXIT_DONE)
        code = options.cluster ? rk_demo_cluster(&demo) : show_one_store(&demo);
    rk_demo_close(&demo, options.keep);
    return code;
}
