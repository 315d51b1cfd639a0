#include "tests/stress/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

uint64_t stress_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

bool stress_log_open(stress_log *log, const char *path)
{
    *log = (stress_log){.file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0644)};
    if (log->file >= 0)
        log->line = open_memstream(&log->text, &log->length);
    return log->file >= 0 && log->line;
}

void stress_log_close(stress_log *log)
{
    stress_log_flush(log);
    fclose(log->line);
    free(log->text);
    close(log->file);
}

void stress_log_flush(stress_log *log)
{
    size_t done = 0;
    fflush(log->line);
    while (done < log->length) {
        ssize_t got = write(log->file, log->text + done, log->length - done);
        if (got < 0 && errno != EINTR) {
            perror("worker: write to the log");
            exit(3);
        }
        done += got > 0 ? (size_t)got : 0;
    }
    rewind(log->line);
    fflush(log->line);
}

/* As the client completes a value that lacks the capsule's member. */
static uint64_t hash_completed(const stress_place *place, rk_slice value)
{
    char text[STRESS_VALUE_BYTES + STRESS_TEXT_BYTES];
    int length = snprintf(text, sizeof text, "%.*s,\"capsule_id\":\"%s\"}", (int)value.len - 1,
                          (const char *)value.ptr, place->capsule);
    return stress_hash(rk_slice_of(text, (size_t)length));
}

static void print_place(FILE *line, const stress_place *place)
{
    fprintf(line, " %s %s %s %s", place->kind->entity, place->tenant, place->capsule, place->id);
}

void stress_log_write(stress_log *log, uint64_t sequence, const stress_write *write)
{
    char index[STRESS_TEXT_BYTES] = "-";
    fprintf(log->line, "W %" PRIu64 " %" PRIu64 " %s", sequence, stress_now_ns(), write->verb);
    print_place(log->line, write->place);
    if (write->value.len > 0) {
        stress_index_value(write->place, write->sequence, index);
        fprintf(log->line, " %s %016" PRIx64 " %016" PRIx64 " %s %s\n", write->token,
                stress_hash(write->value), hash_completed(write->place, write->value), index,
                write->expected ? write->expected : "-");
    } else {
        fprintf(log->line, " %s - - - -\n", write->token);
    }
}

static void print_status(FILE *line, rk_status status)
{
    char name[STRESS_TEXT_BYTES];
    snprintf(name, sizeof name, "%s", rk_status_name(status));
    for (char *at = name; *at; at++)
        *at = *at == ' ' ? '_' : *at;
    fprintf(line, " %s", name);
}

void stress_log_end(stress_log *log, uint64_t sequence, rk_status status)
{
    fprintf(log->line, "E %" PRIu64 " %" PRIu64, sequence, stress_now_ns());
    print_status(log->line, status);
    fputc('\n', log->line);
    stress_log_flush(log);
}

void stress_log_read(stress_log *log, uint64_t sequence, uint64_t start_ns, const char *verb,
                     const stress_place *place, rk_status status, rk_slice value)
{
    char token[STRESS_TEXT_BYTES];
    fprintf(log->line, "R %" PRIu64 " %" PRIu64 " %" PRIu64 " %s", sequence, start_ns,
            stress_now_ns(), verb);
    print_place(log->line, place);
    print_status(log->line, status);
    if (status == RK_OK) {
        stress_token_of(value, token);
        fprintf(log->line, " %s %016" PRIx64 "\n", token, stress_hash(value));
    } else {
        fputs(" - -\n", log->line);
    }
}

void stress_log_row(FILE *rows, const rk_row *row)
{
    char token[STRESS_TEXT_BYTES];
    rk_slice id = row->id_count ? row->ids[0].value : RK_SLICE_LITERAL("-");
    stress_token_of(row->value, token);
    fprintf(rows, " %.*s/%s/%016" PRIx64, (int)id.len, (const char *)id.ptr, token,
            stress_hash(row->value));
}

void stress_log_list(stress_log *log, uint64_t sequence, uint64_t start_ns,
                     const stress_place *place, const char *where, rk_status status,
                     const char *rows)
{
    fprintf(log->line, "L %" PRIu64 " %" PRIu64 " %" PRIu64 " %s %s %s %s %s", sequence, start_ns,
            stress_now_ns(), place->kind->entity, place->tenant, place->capsule,
            where ? place->kind->index_member : "-", where ? where : "-");
    print_status(log->line, status);
    fprintf(log->line, "%s\n", rows);
}
