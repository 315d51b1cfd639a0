#include "rekey/cli/demo.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rekey/cli/demo_spec.h"

/* --- the scratch folder ----------------------------------------------------------------------- */

int rk_demo_open(rk_demo *demo, rk_cli *cli, uint64_t records)
{
    const char *base = getenv("TMPDIR");
    *demo = (rk_demo){.cli = cli};
    snprintf(demo->records, sizeof demo->records, "%llu", (unsigned long long)records);
    snprintf(demo->folder, sizeof demo->folder, "%.400s/rekey-demo-XXXXXX",
             base && base[0] ? base : "/tmp");
    if (!mkdtemp(demo->folder))
        return rk_cli_fail_format(cli, RK_EXIT_FAILED, NULL, "demo: cannot make the folder %s: %s",
                                  demo->folder, strerror(errno));
    snprintf(demo->spec, sizeof demo->spec, "%s/" RK_DEMO_MIGRATION ".yaml", demo->folder);
    snprintf(demo->plan, sizeof demo->plan, "%s/plan.json", demo->folder);
    FILE *file = fopen(demo->spec, "w");
    bool written = file && fwrite(rk_demo_spec, 1, rk_demo_spec_len, file) == rk_demo_spec_len;
    if (file && fclose(file) != 0)
        written = false;
    if (written)
        return RK_EXIT_DONE;
    return rk_cli_fail_format(cli, RK_EXIT_FAILED, NULL, "demo: cannot write %s: %s", demo->spec,
                              strerror(errno));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

void rk_demo_close(const rk_demo *demo, bool keeps)
{
    if (keeps)
        rk_cli_print(demo->cli, "\nkept: %s", demo->folder);
    else
        nftw(demo->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- steps ------------------------------------------------------------------------------------ */

void rk_demo_say(rk_demo *demo, const char *says, int argc, char **argv)
{
    rk_cli *cli = demo->cli;
    const char *bold = rk_cli_paint(cli->color_out, RK_PAINT_BOLD);
    const char *plain = rk_cli_paint(cli->color_out, RK_PAINT_NONE);
    rk_cli_print(cli, "\n%s%zu. %s%s", bold, ++demo->steps, says, plain);
    if (argc > 0)
        fputs("   $ rekey", cli->out);
    for (int i = 0; i < argc; i++)
        fprintf(cli->out, strchr(argv[i], '{') ? " '%s'" : " %s", argv[i]);
    if (argc > 0)
        fputc('\n', cli->out);
    fflush(cli->out);
}

int rk_demo_run(rk_demo *demo, const char *says, rk_demo_command run, int argc, char **argv,
                int code)
{
    rk_cli *cli = demo->cli;
    rk_demo_say(demo, says, argc, argv);
    int found = run(cli, argc, argv);
    fflush(cli->out);
    if (found == code)
        return rk_cli_interrupted(cli) ? RK_EXIT_STOPPED : RK_EXIT_DONE;
    return rk_cli_fail_format(cli, found == RK_EXIT_DONE ? RK_EXIT_FAILED : found, NULL,
                              "demo: step %zu ended with exit code %d instead of %d", demo->steps,
                              found, code);
}
