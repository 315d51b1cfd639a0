#include <rekey/status.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *rk_status_name(rk_status status)
{
    static const char *const names[] = {
        [RK_OK] = "ok",
        [RK_NOT_FOUND] = "not found",
        [RK_CONFLICT] = "conflict",
        [RK_BUSY] = "busy",
        [RK_FULL] = "full",
        [RK_TIMEOUT] = "timeout",
        [RK_UNCERTAIN] = "uncertain",
        [RK_CORRUPT] = "corrupt",
        [RK_AUTH] = "not authorized",
        [RK_INVALID] = "invalid",
        [RK_LIMIT] = "limit",
        [RK_NOMEM] = "out of memory",
        [RK_IO] = "input/output error",
    };
    size_t index = (size_t)status;
    return index < sizeof names / sizeof *names ? names[index] : "unknown status";
}

/* One line: what came from outside (a path, a key) may hold line ends. */
static void make_one_line(char *message)
{
    for (char *p = message; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
}

rk_status rk_error_set(rk_error *err, rk_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    make_one_line(err->message);
    err->origin = RK_ORIGIN_NONE;
    err->native = 0;
    return status;
}

rk_status rk_error_set_native(rk_error *err, rk_status status, rk_origin origin, int native,
                              const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    make_one_line(err->message);
    err->origin = origin;
    err->native = native;
    return status;
}

rk_status rk_error_context(rk_error *err, rk_status status, const char *format, ...)
{
    if (!err)
        return status;
    char context[RK_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    make_one_line(context);
    size_t length = strlen(context);
    size_t room = sizeof err->message - 1;
    if (length + 2 > room)
        return status;
    size_t kept = strlen(err->message);
    if (kept > room - length - 2)
        kept = room - length - 2;
    memmove(err->message + length + 2, err->message, kept);
    memcpy(err->message, context, length);
    err->message[length] = ':';
    err->message[length + 1] = ' ';
    err->message[length + 2 + kept] = '\0';
    return status;
}
