"""An application outside the tree builds and runs with what `cmake --install` leaves.

The installed tree is moved before it is used: nothing in it may know where it was made.
"""
import os
import shutil
import tempfile
import unittest

import api

MIGRATION = "202611210900_capsule_isolation"
CONSUMER = os.path.join(api.ROOT, "tests", "install", "consumer")
VERSION = api.version()
PLACES = ["bin/rekey", "include/rekey/client.h", "include/rekey/slice.h", "include/rekey/status.h",
          "include/rekey/version.h", "share/doc/rekey/LICENSE", "share/doc/rekey/README.md",
          "LIB/librekey.a", "LIB/librekey.so", "LIB/librekey.so.0", f"LIB/librekey.so.{VERSION}",
          "LIB/cmake/rekey/rekeyConfig.cmake", "LIB/cmake/rekey/rekeyConfigVersion.cmake",
          "LIB/pkgconfig/rekey.pc"]


def files_under(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names)


class Consumer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="rekey-install-")
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = scratch.name
        made = cls.path("made")
        api.run(api.CMAKE, "--install", api.BUILD, "--prefix", made)
        cls.prefix = cls.path("moved")
        os.rename(made, cls.prefix)
        found = [at for at, folders, _ in os.walk(cls.prefix) if "pkgconfig" in folders]
        cls.libraries = found[0]
        cls.environment = dict(os.environ, CC=api.CC, CFLAGS=" ".join(api.FLAGS),
                               CMAKE_PREFIX_PATH=cls.prefix,
                               PKG_CONFIG_PATH=os.path.join(cls.libraries, "pkgconfig"))
        cls.environment.pop("DESTDIR", None)
        cls.make_store()

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.scratch, *names)

    @classmethod
    def make_store(cls):
        rekey = os.path.join(cls.prefix, "bin", "rekey")
        spec = os.path.join(api.ROOT, "specs", MIGRATION + ".yaml")
        cls.store = "lmdb:" + cls.path("store")
        api.run(rekey, "seed", spec, "--store", cls.store, "--tenants", "3", "--records", "100")
        api.run(rekey, "register", spec, "--store", cls.store)

    # --- building and running

    def configure(self, name, *options):
        folder = self.path(name)
        api.run(api.CMAKE, "-S", CONSUMER, "-B", folder, *options, env=self.environment)
        api.run(api.CMAKE, "--build", folder, "--parallel", "2", env=self.environment)
        return folder

    def check(self, program, shared, environment=None):
        out = api.run(program, self.store, env=environment or self.environment).splitlines()
        self.assertEqual([f"built with {VERSION}, runs with {VERSION}",
                          'got {"capsule_id":"PRODUS","amount":1200}',
                          "listed contract_id c-17",
                          f"closed {self.store}"], out)
        dynamic = api.run("readelf", "-d", program)
        self.assertEqual(shared, "[librekey.so.0]" in dynamic, dynamic)

    # --- tests

    def test_find_package(self):
        folder = self.configure("cmake")
        self.check(os.path.join(folder, "consumer-shared"), shared=True)
        self.check(os.path.join(folder, "consumer-static"), shared=False)

    def test_pkg_config(self):
        folder = self.path("make")
        shutil.copytree(CONSUMER, folder)
        api.run("make", "-C", folder, env=self.environment)
        self.check(os.path.join(folder, "consumer-shared"), shared=True,
                   environment=dict(self.environment, LD_LIBRARY_PATH=self.libraries))
        self.check(os.path.join(folder, "consumer-static"), shared=False)

    def test_part_of_another_project(self):
        folder = self.configure("whole", f"-DREKEY_SOURCE={api.ROOT}")
        self.check(os.path.join(folder, "consumer-shared"), shared=True)
        self.check(os.path.join(folder, "consumer-static"), shared=False)

    def test_a_version_too_new_is_refused(self):
        folder = self.path("too_new")
        os.makedirs(folder)
        with open(os.path.join(folder, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write("cmake_minimum_required(VERSION 3.25)\nproject(c LANGUAGES NONE)\n"
                       "find_package(rekey 0.99 REQUIRED)\n")
        with self.assertRaisesRegex(AssertionError, f"version: {VERSION}"):
            api.run(api.CMAKE, "-S", folder, "-B", folder + "/build", env=self.environment)

    def test_staged(self):
        """With DESTDIR the same files come to lie under it."""
        environment = dict(self.environment, DESTDIR=self.path("stage"))
        api.run(api.CMAKE, "--install", api.BUILD, "--prefix", "/opt/rekey", env=environment)
        staged = files_under(self.path("stage", "opt", "rekey"))
        self.assertEqual(files_under(self.prefix), staged)
        library = os.path.relpath(self.libraries, self.prefix)
        for place in PLACES:
            self.assertIn(place.replace("LIB", library), staged)


if __name__ == "__main__":
    unittest.main()
