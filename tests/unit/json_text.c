#include "tests/unit/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

json_t *json_of(const char *text)
{
    json_error_t where;
    char *copy = strdup(text);
    assert_non_null(copy);
    for (char *at = copy; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *object = json_loads(copy, JSON_DECODE_ANY, &where);
    if (!object)
        fail_msg("%s: %s", where.text, text);
    free(copy);
    return object;
}

void json_must_equal(json_t *is, json_t *expected)
{
    if (!json_equal(is, expected)) {
        char *text = json_dumps(is, JSON_ENCODE_ANY);
        fail_msg("%s", text ? text : "NULL");
    }
    json_decref(is);
    json_decref(expected);
}
