#include "tests/unit/cli/stage.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const volatile sig_atomic_t never = 0;

void stage_open(stage *s)
{
    *s = (stage){0};
    s->cli.out = open_memstream(&s->out, &s->out_bytes);
    s->cli.err = open_memstream(&s->err, &s->err_bytes);
    s->cli.in = stdin;
    assert(s->cli.out && s->cli.err);
    s->cli.clock = rk_clock_system();
    s->cli.interrupted = &never;
    s->cli.progress_line_ns = UINT64_C(5000000000);
}

void stage_close(stage *s)
{
    fclose(s->cli.out);
    fclose(s->cli.err);
    free(s->out);
    free(s->err);
}

/* A stream in memory that is rewound keeps its old bytes after the new ones: ended by hand. */
static const char *taken(FILE *stream, char *const *text, const size_t *bytes)
{
    fflush(stream);
    (*text)[*bytes] = '\0';
    rewind(stream);
    return *text;
}

const char *stage_out(stage *s)
{
    return taken(s->cli.out, &s->out, &s->out_bytes);
}

const char *stage_err(stage *s)
{
    return taken(s->cli.err, &s->err, &s->err_bytes);
}
