"""The house rules hold, and the check that says so finds what is planted."""
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))

import arrows  # noqa: E402


class House(unittest.TestCase):
    def test_the_tree(self):
        self.assertEqual([], arrows.Checker(ROOT).check())


class Planted(unittest.TestCase):
    CASES = {
        "upwards": ("rekey/base/a.c", '#include "rekey/spec/spec.h"', "must not include spec"),
        "client in engine": ("rekey/engine/a.c", '#include "rekey/client/client.h"',
                             "engine must not include client"),
        "transport in engine": ("rekey/engine/a.c", '#include "transport/transport.h"',
                                "engine must not include transport"),
        "engine in client": ("rekey/client/a.c", '#include "rekey/engine/run.h"',
                             "client must not include engine"),
        "engine in store": ("store/a.c", '#include "rekey/engine/run.h"', "store must not include"),
        "store in spec": ("rekey/spec/a.c", '#include "store/store.h"', "spec must not include"),
        "new folder": ("rekey/utils/a.c", '#include "rekey/base/buf.h"', "no place in the order"),
        "lmdb": ("rekey/engine/a.c", "#include <lmdb.h>", "<lmdb.h> belongs in"),
        "sodium": ("rekey/plan/a.c", "#include <sodium.h>", "<sodium.h> belongs in"),
        "libfyaml": ("rekey/cli/a.c", "#include <libfyaml.h>", "<libfyaml.h> belongs in"),
        "jansson": ("rekey/spec/a.c", "#include <jansson.h>", "<jansson.h> belongs in"),
        "threads": ("rekey/plan/a.c", "#include <pthread.h>", "<pthread.h> belongs in"),
        "private": ("rekey/engine/a.c", '#include "store/lmdb_private.h"', "private to store"),
        "source": ("rekey/base/a.c", '#include "rekey/base/b.c"', "includes rekey/base/b.c"),
        "test": ("rekey/cli/a.c", '#include "tests/unit/a.h"', "a test"),
        "relative": ("rekey/base/a.c", '#include "b.h"', "no path from the root"),
        "public": ("rekey/include/rekey/a.h", '#include "rekey/base/buf.h"', "which is not"),
        "long file": ("rekey/base/a.c", "\n" * 800, "stay under 800"),
        "long function": ("rekey/base/a.c", "void f(void)\n{\n" + "\n" * 68 + "}\n",
                          "a function of 70 lines"),
        "wide line": ("rekey/base/a.c", "/* " + "x" * 100, "columns"),
        "strcpy": ("rekey/base/a.c", "    strcpy(a, b);", "strcpy() is not used"),
        "printf": ("rekey/base/a.c", '    printf("x");', "printf() belongs in"),
        "exit": ("rekey/cli/a.c", "    exit(1);", "exit() belongs in"),
    }
    GOOD = {
        "down": ("rekey/engine/a.c", '#include "rekey/spec/spec.h"\n#include "store/store.h"'),
        "public": ("rekey/base/a.c", "#include <rekey/slice.h>"),
        "own": ("rekey/base/a.c", '#include "rekey/base/buf.h"'),
        "comment": ("rekey/base/a.c", '/* strcpy(a, b) */ char *s = "exit(1)";'),
        "function of a name": ("rekey/base/a.c", "    rk_printf(x); s.exit(1); s->puts(2);"),
        "short function": ("rekey/base/a.c", "void f(void)\n{\n" + "\n" * 67 + "}\n"),
        "adapter": ("store/lmdb.c", "#include <lmdb.h>"),
    }

    def breaches(self, path, text):
        with tempfile.TemporaryDirectory() as root:
            for name in ("rekey/include/rekey/slice.h", path):
                os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
                with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                    file.write(text if name == path else "")
            return arrows.Checker(root).check()

    def test_each_breach_is_found(self):
        for name, (path, text, part) in self.CASES.items():
            with self.subTest(name):
                found = self.breaches(path, text)
                self.assertEqual(1, len(found), found)
                self.assertTrue(found[0].startswith(path + ":"), found)
                self.assertIn(part, found[0])

    def test_what_is_good_is_left_alone(self):
        for name, (path, text) in self.GOOD.items():
            with self.subTest(name):
                self.assertEqual([], self.breaches(path, text))


if __name__ == "__main__":
    unittest.main()
