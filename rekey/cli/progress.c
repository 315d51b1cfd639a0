#include "rekey/cli/cli.h"

#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "rekey/cli/frame.h"
#include "rekey/cli/text.h"

#define NS_PER_S        1000000000u
#define SAMPLE_NS       100000000u /* also the shortest time between two drawings */
#define SMOOTHING_NS    3000000000u
#define BAR_CELLS       20
#define COLUMNS_DEFAULT 80
#define LINE_BYTES      512
#define PIECE_BYTES     160

/* --- numbers ---------------------------------------------------------------------------------- */

/* done / total in parts of `whole`, without overflow; never over `whole`. */
static unsigned share_of(const rk_progress_view *view, unsigned whole)
{
    if (view->done >= view->total)
        return whole;
    if (view->done > UINT64_MAX / whole)
        return (unsigned)(view->done / (view->total / whole));
    return (unsigned)(view->done * whole / view->total);
}

static uint64_t rate_of(double records_per_s)
{
    return records_per_s < 1e15 ? (uint64_t)(records_per_s + 0.5) : (uint64_t)1e15;
}

/* False while the end cannot be told. */
static bool remaining_s(const rk_progress_view *view, double records_per_s, uint64_t *out)
{
    if (view->total == 0 || view->done >= view->total || !(records_per_s > 0))
        return false;
    double seconds = (double)(view->total - view->done) / records_per_s;
    if (seconds > 1e9)
        return false;
    *out = (uint64_t)(seconds + 0.5);
    return true;
}

/* --- rendering -------------------------------------------------------------------------------- */

/* A line that grows piece by piece while there is room. */
typedef struct line {
    char *out;
    size_t bytes;
    size_t length;
    unsigned columns; /* left on the terminal */
    bool color;
    bool full; /* a piece did not fit: nothing comes after it */
} line;

static void put_raw(line *to, const char *text)
{
    size_t length = strlen(text);
    if (to->length + length >= to->bytes)
        return;
    memcpy(to->out + to->length, text, length + 1);
    to->length += length;
}

RK_PRINTF(3, 4) static void put_piece(line *to, rk_paint paint, const char *format, ...)
{
    char piece[PIECE_BYTES];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(piece, sizeof piece, format, args);
    va_end(args);
    /* Colour may add some bytes around the piece. */
    if (to->full || length < 0 || (size_t)length >= sizeof piece ||
        (unsigned)length > to->columns || to->length + (size_t)length + 16 > to->bytes) {
        to->full = true;
        return;
    }
    bool painted = to->color && paint != RK_PAINT_NONE;
    put_raw(to, rk_cli_paint(painted, paint));
    put_raw(to, piece);
    put_raw(to, rk_cli_paint(painted, RK_PAINT_NONE));
    to->columns -= (unsigned)length;
}

static void put_bar(line *to, const rk_progress_view *view)
{
    char bar[BAR_CELLS + 1] = {0};
    unsigned filled = share_of(view, BAR_CELLS);
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', filled);
    put_piece(to, RK_PAINT_GREEN, " [%s]", bar);
    put_piece(to, RK_PAINT_NONE, " %3u%%", share_of(view, 100));
}

static void phase_name(const rk_progress_view *view, char out[PIECE_BYTES / 2])
{
    rk_text_escape(rk_slice_str(view->phase), out, PIECE_BYTES / 2);
}

size_t rki_progress_live(const rk_progress_view *view, double records_per_s, unsigned columns,
                         bool color, char *out, size_t out_bytes)
{
    line to = {.out = out, .bytes = out_bytes, .columns = columns, .color = color};
    char phase[PIECE_BYTES / 2];
    uint64_t left_s = 0;
    out[0] = '\0';
    phase_name(view, phase);
    put_piece(&to, RK_PAINT_BOLD, "%s", phase);
    if (view->total > 0)
        put_bar(&to, view);
    put_piece(&to, RK_PAINT_NONE, " %s", rk_text_count(view->done).s);
    if (view->total > 0)
        put_piece(&to, RK_PAINT_NONE, "/%s", rk_text_count(view->total).s);
    if (view->quarantined > 0)
        put_piece(&to, RK_PAINT_RED, "  quarantined %s", rk_text_count(view->quarantined).s);
    if (remaining_s(view, records_per_s, &left_s))
        put_piece(&to, RK_PAINT_NONE, "  ETA %s", rk_text_duration(left_s).s);
    if (records_per_s >= 0)
        put_piece(&to, RK_PAINT_NONE, "  %s/s", rk_text_count(rate_of(records_per_s)).s);
    if (view->batch_units > 0)
        put_piece(&to, RK_PAINT_DIM, "  batch %u", view->batch_units);
    return to.length;
}

size_t rki_progress_plain(const rk_progress_view *view, double records_per_s, char *out,
                          size_t out_bytes)
{
    line to = {.out = out, .bytes = out_bytes, .columns = UINT32_MAX};
    char phase[PIECE_BYTES / 2];
    uint64_t left_s = 0;
    out[0] = '\0';
    phase_name(view, phase);
    put_piece(&to, RK_PAINT_NONE, "%s: ", phase);
    if (view->total > 0)
        put_piece(&to, RK_PAINT_NONE, "%u%%, %s of %s", share_of(view, 100),
                  rk_text_count(view->done).s, rk_text_count(view->total).s);
    else
        put_piece(&to, RK_PAINT_NONE, "%s", rk_text_count(view->done).s);
    if (records_per_s >= 0)
        put_piece(&to, RK_PAINT_NONE, ", %s/s", rk_text_count(rate_of(records_per_s)).s);
    if (remaining_s(view, records_per_s, &left_s))
        put_piece(&to, RK_PAINT_NONE, ", ETA %s", rk_text_duration(left_s).s);
    if (view->batch_units > 0)
        put_piece(&to, RK_PAINT_NONE, ", batch %u", view->batch_units);
    if (view->quarantined > 0)
        put_piece(&to, RK_PAINT_NONE, ", quarantined %s", rk_text_count(view->quarantined).s);
    return to.length;
}

/* --- when ------------------------------------------------------------------------------------- */

/* A new phase counts from its own start, so that its rate is not the last one's. */
static void begin_phase(rk_progress_state *state, const rk_progress_view *view, uint64_t now_ns)
{
    if (!state->started)
        state->drawn_ns = now_ns;
    snprintf(state->phase, sizeof state->phase, "%s", view->phase);
    state->sampled_ns = now_ns;
    state->sampled_done = view->done;
    state->records_per_s = -1;
    state->started = true;
}

/* Smooths over about three seconds, whatever the time between two calls. */
static void sample_rate(rk_progress_state *state, const rk_progress_view *view, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - state->sampled_ns;
    if (passed_ns < SAMPLE_NS)
        return;
    double rate = (double)(view->done - state->sampled_done) * NS_PER_S / (double)passed_ns;
    double weight = (double)passed_ns / (double)(passed_ns + SMOOTHING_NS);
    if (state->records_per_s < 0)
        state->records_per_s = rate;
    else
        state->records_per_s += (rate - state->records_per_s) * weight;
    state->sampled_ns = now_ns;
    state->sampled_done = view->done;
}

static unsigned terminal_columns(const rk_cli *cli)
{
    struct winsize size = {0};
    int fd = fileno(cli->err);
    if (fd < 0 || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return COLUMNS_DEFAULT;
    return size.ws_col;
}

static void draw(rk_cli *cli, const rk_progress_view *view, double records_per_s)
{
    char text[LINE_BYTES];
    if (!cli->err_is_terminal) {
        rki_progress_plain(view, records_per_s, text, sizeof text);
        fprintf(cli->err, "%s\n", text);
    } else {
        /* The last column stays free: a full line would wrap. */
        unsigned columns = terminal_columns(cli) - 1;
        rki_progress_live(view, records_per_s, columns, cli->color_err, text, sizeof text);
        fprintf(cli->err, "\r%s\033[K", text);
        cli->progress.visible = true;
    }
    fflush(cli->err);
}

void rk_cli_progress(rk_cli *cli, const rk_progress_view *view, uint64_t now_ns)
{
    rk_progress_state *state = &cli->progress;
    bool first = !state->started;
    if (first || strncmp(state->phase, view->phase, sizeof state->phase - 1) != 0 ||
        view->done < state->sampled_done)
        begin_phase(state, view, now_ns);
    sample_rate(state, view, now_ns);
    uint64_t pause_ns = cli->err_is_terminal ? SAMPLE_NS : cli->progress_line_ns;
    bool due = cli->err_is_terminal && first;
    if (!due && now_ns - state->drawn_ns < pause_ns)
        return;
    draw(cli, view, view->records_per_s > 0 ? view->records_per_s : state->records_per_s);
    state->drawn_ns = now_ns;
}

void rki_progress_hide(rk_cli *cli)
{
    if (!cli->progress.visible)
        return;
    fputs("\r\033[K", cli->err);
    fflush(cli->err);
    cli->progress.visible = false;
}

void rk_cli_progress_end(rk_cli *cli)
{
    rki_progress_hide(cli);
    cli->progress = (rk_progress_state){0};
}
