#include "tests/unit/cli/stage.h"

int main(void)
{
    return test_args() + test_dispatch() + test_progress() + test_report();
}
