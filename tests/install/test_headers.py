"""Each public header compiles alone, as C and as C++, and says everything in both."""
import unittest

import api

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
LANGUAGES = {
    "c17": [api.CC, "-std=c17", "-x", "c"],
    "c++17": [api.CXX, "-std=c++17", "-x", "c++"],
}
# What is a macro or inline has to work where it is used, not only where it is read.
USE = """#include <rekey/client.h>
#include <rekey/version.h>
rk_slice choose(bool b);
rk_slice choose(bool b)
{
    rk_slice s = RK_SLICE_EMPTY;
    s = b ? RK_SLICE_LITERAL("text") : rk_slice_of(&s, sizeof s);
    return rk_slice_compare(s, rk_slice_str("text")) == 0 ? s : RK_SLICE_EMPTY;
}
"""


class Headers(unittest.TestCase):
    def compile(self, text):
        for language, command in LANGUAGES.items():
            with self.subTest(language):
                api.run(*command, *WARNINGS, "-I", api.INCLUDE, "-fsyntax-only", "-", input=text)

    def test_each_alone(self):
        for header in api.headers():
            with self.subTest(header):
                self.compile(f"#include <rekey/{header}>\n")

    def test_macros_and_inline_functions(self):
        self.compile(USE)


if __name__ == "__main__":
    unittest.main()
