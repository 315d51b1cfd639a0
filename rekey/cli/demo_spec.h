/* demo_spec.h: the shipped spec, specs/202611210900_capsule_isolation.yaml, as bytes: the build
 * makes demo_spec.c from the file, so that the demo runs from anywhere. */
#ifndef REKEY_CLI_DEMO_SPEC_H
#define REKEY_CLI_DEMO_SPEC_H

#include <stddef.h>

extern const char rk_demo_spec[];
extern const size_t rk_demo_spec_len;

#endif
