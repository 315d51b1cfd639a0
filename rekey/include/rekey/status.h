/* status.h: how every function of rekey says what came of it.
 *
 * A function that can fail returns an rk_status and takes an rk_error pointer as its last argument.
 * The status is for the program: each value is a decision the caller may branch on. The error is
 * for the person: one line saying what was tried, on what, and why it failed.
 *
 * Invariants
 *   - On RK_OK the error and, unless a header says otherwise, nothing else is left untouched.
 *   - On any other status, output parameters are untouched and the error is filled, if not NULL.
 *   - RK_UNCERTAIN (the write may have landed) is never folded into another status.
 *
 * Threading: no shared state; an rk_error belongs to its caller.
 *
 *     rk_error err = {0};
 *     if (rk_client_get(client, &scope, "Contract", ids, 1, &value, &err) != RK_OK)
 *         fprintf(stderr, "%s\n", err.message);
 */
#ifndef REKEY_STATUS_H
#define REKEY_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Marks the functions of the installed library; everything else is hidden. */
#if defined(__GNUC__)
#define RK_API               __attribute__((visibility("default")))
#define RK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define RK_API
#define RK_PRINTF(fmt, args)
#endif

typedef enum rk_status {
    RK_OK = 0,
    RK_NOT_FOUND, /* the thing asked for is not there */
    RK_CONFLICT,  /* a condition did not hold; read again and decide */
    RK_BUSY,      /* somebody else is at it; try again later */
    RK_FULL,      /* no room on the disk or in the map; nothing was written */
    RK_TIMEOUT,   /* the deadline passed before an answer */
    RK_UNCERTAIN, /* the write may have landed; reopen and look */
    RK_CORRUPT,   /* stored bytes are not what they must be */
    RK_AUTH,      /* a signature, a key or a permission was refused */
    RK_INVALID,   /* the caller's input is wrong; the same call fails again */
    RK_LIMIT,     /* a stated bound (length, count, depth) was passed */
    RK_NOMEM,     /* out of memory */
    RK_IO         /* the system or a library failed; see origin and native */
} rk_status;

/* Whose code `native` is. */
typedef enum rk_origin {
    RK_ORIGIN_NONE = 0, /* rekey itself; native is 0 */
    RK_ORIGIN_LMDB,
    RK_ORIGIN_NNG,
    RK_ORIGIN_CURL,
    RK_ORIGIN_SODIUM,
    RK_ORIGIN_ERRNO
} rk_origin;

#define RK_ERROR_MESSAGE_BYTES 768

/* One error. `message` is one line in lower case without a trailing full stop; longer messages are
 * cut, never overflowed. Bytes of record values never appear in it. */
typedef struct rk_error {
    rk_origin origin;
    int native;
    char message[RK_ERROR_MESSAGE_BYTES];
} rk_error;

/* A status's name in lower case ("not found"), a static string. */
RK_API const char *rk_status_name(rk_status status);

/* Fills err (NULL allowed) and returns `status`, so that a failing branch is one line:
 *     return rk_error_set(err, RK_LIMIT, "key is %zu bytes; the store takes %zu", len, max); */
RK_API rk_status rk_error_set(rk_error *err, rk_status status, const char *format, ...)
    RK_PRINTF(3, 4);

/* As rk_error_set, with the foreign code that caused it. */
RK_API rk_status rk_error_set_native(rk_error *err, rk_status status, rk_origin origin, int native,
                                     const char *format, ...) RK_PRINTF(5, 6);

/* Puts "context: " before the message that a callee left, and returns `status`. The caller knows
 * on which object the callee was working; the origin stays the callee's. */
RK_API rk_status rk_error_context(rk_error *err, rk_status status, const char *format, ...)
    RK_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif

#endif
