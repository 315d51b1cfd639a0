/* version.h: which rekey this is, when the application is compiled and when it runs.
 *
 * The macros are those of the headers; rk_version() answers for the library that is loaded. While
 * the major version is 0, a new minor version may change the interface, and a patch does not.
 *
 * The build reads its version from here: change it in this file only.
 */
#ifndef REKEY_VERSION_H
#define REKEY_VERSION_H

#include <rekey/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RK_VERSION_MAJOR 0
#define RK_VERSION_MINOR 1
#define RK_VERSION_PATCH 0
#define RK_VERSION       "0.1.0"

/* The library's RK_VERSION, a static string. */
RK_API const char *rk_version(void);

#ifdef __cplusplus
}
#endif

#endif
