#include "rekey/cli/json_out.h"

#include <stdlib.h>

/* Numbers such as 0.1 come out as they were put in; 17 digits would show 0.10000000000000001. */
#define FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(15))

int rk_cli_print_json(rk_cli *cli, json_t *object)
{
    char *text = object != NULL ? json_dumps(object, FLAGS) : NULL;
    json_decref(object);
    if (text == NULL)
        return rk_cli_fail_format(cli, RK_EXIT_FAILED, NULL,
                                  "print as JSON: out of memory, or text that is not UTF-8");
    bool printed = rk_cli_print(cli, "%s", text);
    free(text);
    return printed ? RK_EXIT_DONE : RK_EXIT_FAILED;
}
