"""Both libraries give exactly the functions that the public headers declare."""
import os
import unittest

import api

OF_LIBGCOV = {"mangle_path"}

def symbols(library, *options):
    """Names of the compiler's own (sanitizers, coverage) begin with an underscore."""
    lines = api.run("nm", "--defined-only", *options,
                    os.path.join(api.BUILD, "rekey", "lib", library)).splitlines()
    names = {line.split()[2] for line in lines if len(line.split()) == 3}
    return {name for name in names if not name.startswith("_")} - OF_LIBGCOV


class Symbols(unittest.TestCase):
    def test_the_headers_declare_functions(self):
        self.assertLessEqual({"rk_client_open", "rk_version", "rk_error_set"}, api.functions())

    def test_the_shared_library(self):
        self.assertEqual(api.functions(), symbols("librekey.so", "-D"))

    def test_the_archive(self):
        self.assertEqual(api.functions(), symbols("librekey.a", "--extern-only"))

    def test_the_soname_is_short(self):
        dynamic = api.run("readelf", "-d", os.path.join(api.BUILD, "rekey", "lib", "librekey.so"))
        self.assertIn("soname: [librekey.so.0]", dynamic)


if __name__ == "__main__":
    unittest.main()
