/* json_text.h: JSON in tests, written with ' for each ". What fails here fails the test. */
#ifndef REKEY_TESTS_JSON_TEXT_H
#define REKEY_TESTS_JSON_TEXT_H

#include <jansson.h>

/* The caller's. */
json_t *json_of(const char *text);

/* Both are taken over. */
void json_must_equal(json_t *is, json_t *expected);

#endif
